//! What a start says on stdout: where the server is, and after the first start what to try next.
//!
//! Owns: the text, at most 25 lines. Secrets are in it only for a terminal.

use std::fmt::Write;
use std::path::Path;

use secrecy::ExposeSecret;

use crate::first_run::{Endpoints, Start};
use crate::run_env::{FILE_NAME, RunEnv, quoted};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is said while the clock is not believed.
const FROZEN: &str = "Nothing expires: the wall clock is over 30 days past the last time that is recorded. If it is right:\n  \
                      holdfast admin clock --acknowledge\n";

/// What the banner tells.
pub(crate) struct Banner<'a> {
    pub(crate) start: &'a Start,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) data: &'a Path,
    /// Whether the first start's file is (still) there.
    pub(crate) kept: bool,
    /// Whether nothing expires until an operator acknowledges the wall clock.
    pub(crate) frozen: bool,
    /// Whether stdout is a terminal: only there are secrets shown.
    pub(crate) terminal: bool,
}

impl Banner<'_> {
    pub(crate) fn text(&self) -> String {
        match self.start {
            Start::First(env) => self.first(env),
            Start::Later => self.later(),
        }
    }

    fn env_file(&self) -> String {
        let path = self.data.join(FILE_NAME).display().to_string();
        path.strip_prefix("./").unwrap_or(&path).to_owned()
    }

    fn later(&self) -> String {
        let Endpoints { endpoint_url, admin_url, .. } = self.endpoints;
        let file = self.env_file();
        let keys = if self.kept {
            format!("Keys of the first start: {file}; more: holdfast key create --help")
        } else {
            "More keys: holdfast key create --help".to_owned()
        };
        let frozen = if self.frozen { FROZEN } else { "" };
        format!(
            "Holdfast {VERSION} is ready, data in {}\nS3 {endpoint_url}, admin {admin_url}\n{keys}\n{frozen}",
            self.data.display()
        )
    }

    fn first(&self, env: &RunEnv) -> String {
        let Endpoints { endpoint_url, admin_url, region } = self.endpoints;
        let file = self.env_file();
        let shell_file = quoted(&file);
        let mut out = format!("Holdfast {VERSION} is ready for the first time, data in {}\n\n", self.data.display());
        let mut line = |text: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{text}");
        };
        line(&format!("  S3     {endpoint_url}  (region {region}, tenant default, user admin, bucket demo)"));
        line(&format!("  JSON   {endpoint_url}/api/v1  (to read and try: {endpoint_url}/api/v1/docs)"));
        line(&format!("  Admin  {admin_url}  ({admin_url}/admin/docs)"));
        line("");
        if self.terminal {
            line(&format!("  Access key   {}", env.access_key));
            line(&format!("  Secret key   {}", env.secret_key.expose_secret()));
            line(&format!("  Admin token  {}", env.admin_token.expose_secret()));
            line(&format!("  Shown this once; kept in {file}, readable by you alone."));
        } else {
            line(&format!("  Access key and admin token are kept in {file}, readable by you alone."));
        }
        line("");
        line("Try it in another terminal, first with curl alone:");
        line("");
        line(&format!("  set -a; . {shell_file}; set +a"));
        line(concat!(
            r#"  s3() { curl --aws-sigv4 "aws:amz:$AWS_REGION:s3" -H "x-amz-content-sha256: UNSIGNED-PAYLOAD" "#,
            r#"--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" "$@"; }"#
        ));
        line("  echo 'kept for good' > hello.txt");
        line(r#"  s3 -T hello.txt "$AWS_ENDPOINT_URL/demo/hello.txt""#);
        line(r#"  s3 "$AWS_ENDPOINT_URL/demo/hello.txt""#);
        line(r#"  s3 "$AWS_ENDPOINT_URL/demo?list-type=2""#);
        line("");
        line("Then with aws:");
        line("");
        line(r#"  aws --endpoint-url "$AWS_ENDPOINT_URL" s3 cp hello.txt s3://demo/again.txt"#);
        line(r#"  aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls s3://demo"#);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_env::tests::sample;

    fn text(start: &Start, terminal: bool) -> String {
        let endpoints = Endpoints {
            endpoint_url: "http://127.0.0.1:9000".to_owned(),
            admin_url: "http://127.0.0.1:9001".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let data = Path::new("./holdfast-data");
        Banner { start, endpoints: &endpoints, data, kept: true, frozen: false, terminal }
            .text()
            .replace(VERSION, "VERSION")
    }

    #[test]
    fn the_first_start_on_a_terminal() {
        let text = text(&Start::First(sample()), true);
        assert!(text.lines().count() <= 25, "{} lines", text.lines().count());
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_first_start_without_a_terminal_shows_no_secret() {
        let text = text(&Start::First(sample()), false);
        assert!(!text.contains(sample().secret_key.expose_secret()) && !text.contains("lwadm_"), "{text}");
        assert!(text.contains("holdfast-data/first-run.env"));
    }

    #[test]
    fn a_start_with_a_clock_that_is_not_believed_says_what_to_do() {
        let endpoints = Endpoints {
            endpoint_url: "http://127.0.0.1:9000".to_owned(),
            admin_url: "http://127.0.0.1:9001".to_owned(),
            region: "us-east-1".to_owned(),
        };
        let (start, data) = (Start::Later, Path::new("./holdfast-data"));
        let frozen = Banner { start: &start, endpoints: &endpoints, data, kept: true, frozen: true, terminal: false };
        assert!(frozen.text().ends_with(FROZEN), "{}", frozen.text());
    }

    #[test]
    fn a_later_start_is_three_lines() {
        let text = text(&Start::Later, true);
        assert_eq!(text.lines().count(), 3);
        insta::assert_snapshot!(text);
    }
}
