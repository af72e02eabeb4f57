//! `first-run.env`: what a shell sources and the administrative commands read.
//!
//! Owns: its seven variables, its text, replacing it so that no crash leaves half of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

/// Name of the file in the data directory.
pub(crate) const FILE_NAME: &str = "first-run.env";

/// What the file says. The secrets print as `[REDACTED]`.
#[derive(Debug, Clone)]
pub(crate) struct RunEnv {
    pub(crate) access_key: String,
    pub(crate) secret_key: SecretString,
    pub(crate) endpoint_url: String,
    pub(crate) region: String,
    pub(crate) admin_url: String,
    pub(crate) admin_token: SecretString,
}

impl RunEnv {
    fn text(&self) -> SecretString {
        let mut out = String::from("# Credentials of the first start. Keep this file to yourself, or delete it.\n");
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", self.access_key.as_str()),
            ("AWS_SECRET_ACCESS_KEY", self.secret_key.expose_secret()),
            ("AWS_ENDPOINT_URL", &self.endpoint_url),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("HOLDFAST_ADMIN_URL", &self.admin_url),
            ("HOLDFAST_ADMIN_TOKEN", self.admin_token.expose_secret()),
        ] {
            out.push_str(name);
            out.push('=');
            out.push_str(&quoted(value));
            out.push('\n');
        }
        out.into()
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            unquoted(line)
        };
        Some(Self {
            access_key: value("AWS_ACCESS_KEY_ID")?,
            secret_key: value("AWS_SECRET_ACCESS_KEY")?.into(),
            endpoint_url: value("AWS_ENDPOINT_URL")?,
            region: value("AWS_REGION")?,
            admin_url: value("HOLDFAST_ADMIN_URL")?,
            admin_token: value("HOLDFAST_ADMIN_TOKEN")?.into(),
        })
    }

    /// Reads a file of this form; none when there is no file.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let what = || io::Error::new(io::ErrorKind::InvalidData, "a variable is missing or malformed");
                Self::parse(&text).map(Some).ok_or_else(what)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file: after a crash it is the old one or this one, whole.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let temporary = path.with_extension("env.tmp");
        // One left by a crash could have another mode.
        match std::fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(self.text().expose_secret().as_bytes())?;
        file.sync_all()?;
        rename(&temporary, path)
    }
}

/// Renames, durably.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)?;
    // Without it a crash can forget the name of a file that was itself synced.
    File::open(to.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// As a shell reads it back.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,".contains(&byte);
    if !value.is_empty() && value.bytes().all(plain) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn unquoted(text: &str) -> Option<String> {
    match text.strip_prefix('\'') {
        Some(rest) => Some(rest.strip_suffix('\'')?.replace(r"'\''", "'")),
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub(crate) fn sample() -> RunEnv {
        RunEnv {
            access_key: "HFABCDEFGHIJKLMNOPQR".to_owned(),
            secret_key: "abcdefghijklmnopqrstuvwxyz0123456789/+ab".into(),
            endpoint_url: "http://127.0.0.1:9000".to_owned(),
            region: "us-east-1".to_owned(),
            admin_url: "http://127.0.0.1:9001".to_owned(),
            admin_token: "lwadm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into(),
        }
    }

    #[test]
    fn the_file_has_seven_variables_and_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        sample().write(&path).expect("writes");
        insta::assert_snapshot!(std::fs::read_to_string(&path).expect("reads"));
        assert_eq!(std::fs::metadata(&path).expect("is there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).expect("lists").count(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_shell_and_we_read_the_same_values_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        let secret = "it's $HOME `x` \"y\" \\ #z";
        let env = RunEnv { secret_key: secret.into(), ..sample() };
        env.write(&path).expect("writes");
        let read = RunEnv::read(&path).expect("reads").expect("is there");
        assert_eq!(read.secret_key.expose_secret(), secret);
        assert_eq!(read.admin_url, env.admin_url);
        let script = format!("set -a; . {}; printf %s \"$AWS_SECRET_ACCESS_KEY\"", quoted(&path.display().to_string()));
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&shell.stdout), secret);
    }

    #[test]
    fn a_file_that_is_not_ours_is_an_error_and_none_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join(FILE_NAME);
        assert!(RunEnv::read(&path).expect("reads").is_none());
        std::fs::write(&path, "AWS_ACCESS_KEY_ID=x\n").expect("writes");
        assert!(RunEnv::read(&path).is_err());
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let shown = format!("{:?}", sample());
        assert!(!shown.contains("abcdefghij") && !shown.contains("lwadm_"), "{shown}");
    }
}
