//! What an operator says about NATS, and whether it can work at all.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;

/// How to reach NATS, and how streams are made. Streams that exist already are taken as they are.
#[derive(Clone)]
pub struct Options {
    /// Servers of one cluster: `nats://host:4222` or `tls://host:4222`. A user and password, or a token, may stand before
    /// the host; those of the first address that has some are used for all.
    pub urls: Vec<String>,
    /// A credentials file (JWT and seed). Read at every connect, so that it may be replaced.
    pub credentials_file: Option<PathBuf>,
    /// Files of TLS. Read at every connect too.
    pub tls: Tls,
    /// Copies of a stream, 1 to 5.
    pub replicas: usize,
    /// How long a stream keeps a message; zero for ever.
    pub max_age: Duration,
    /// What names of streams begin with.
    pub stream_prefix: String,
}

/// TLS towards NATS.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Whom to trust, as PEM; without it whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our certificate, as PEM, for servers that ask for one.
    pub cert_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Refuse a server without TLS. A server that asks for TLS gets it in any case.
    pub required: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            credentials_file: None,
            tls: Tls::default(),
            replicas: 1,
            max_age: Duration::ZERO,
            stream_prefix: "HOLDFAST".to_owned(),
        }
    }
}

// Addresses may have a password in them.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("urls", &"…")
            .field("credentials_file", &self.credentials_file)
            .field("tls", &self.tls)
            .field("replicas", &self.replicas)
            .field("max_age", &self.max_age)
            .field("stream_prefix", &self.stream_prefix)
            .finish()
    }
}

/// Why options cannot work. The configuration must be changed.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// No server is named.
    #[error("no address of a NATS server")]
    NoServer,
    /// Not an address, or of a kind that is not spoken. The address is not shown: it may hold a password.
    #[error("address {number} of the NATS servers is not like nats://host:4222 or tls://host:4222")]
    Address {
        /// Which in the list, from 1.
        number: usize,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("NATS needs both a certificate and its key, or neither")]
    HalfCertificate,
    /// JetStream has no such number of copies.
    #[error("a stream has 1 to 5 replicas, not {found}")]
    Replicas {
        /// What was asked for.
        found: usize,
    },
    /// A prefix that makes no name of a stream.
    #[error("the prefix of streams must have 1 to 64 bytes")]
    Prefix,
}

/// Who the addresses say we are.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    User { name: String, password: String },
    Token(String),
}

/// Where to connect. The addresses have no login in them any more: the client writes addresses to its log.
#[derive(Clone)]
pub(super) struct Servers {
    pub(super) addresses: Vec<ServerAddr>,
    pub(super) login: Option<Login>,
}

impl Options {
    pub(super) fn servers(&self) -> Result<Servers, OptionsError> {
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return Err(OptionsError::HalfCertificate);
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(OptionsError::Replicas { found: self.replicas });
        }
        if !(1..=64).contains(&self.stream_prefix.len()) {
            return Err(OptionsError::Prefix);
        }
        let mut servers = Servers { addresses: Vec::new(), login: None };
        for (number, url) in (1..).zip(&self.urls) {
            let (address, login) = parse(url.trim()).ok_or(OptionsError::Address { number })?;
            servers.addresses.push(address);
            servers.login = servers.login.or(login);
        }
        if servers.addresses.is_empty() { Err(OptionsError::NoServer) } else { Ok(servers) }
    }
}

fn parse(url: &str) -> Option<(ServerAddr, Option<Login>)> {
    let parsed: ServerAddr = url.parse().ok()?;
    if parsed.host().is_empty() || !["nats", "tls"].contains(&parsed.scheme()) {
        return None;
    }
    let plain = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    let login = match (parsed.username(), parsed.password()) {
        (Some(name), Some(password)) => Some(Login::User { name: plain(name)?, password: plain(password)? }),
        (Some(token), None) => Some(Login::Token(plain(token)?)),
        (None, _) => None,
    };
    let host = parsed.host();
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let address = format!("{}://{host}:{}", parsed.scheme(), parsed.port()).parse().ok()?;
    Some((address, login))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(urls: &[&str], addresses: &[&str], login: Option<Login>) {
        let options = Options { urls: urls.iter().map(|&url| url.to_owned()).collect(), ..Options::default() };
        let servers = options.servers().unwrap_or_else(|error| panic!("{urls:?}: {error}"));
        let found: Vec<&str> = servers.addresses.iter().map(ServerAddr::as_url_str).collect();
        assert_eq!(found, addresses);
        assert!(servers.login == login, "{urls:?}");
    }

    #[test]
    fn addresses_give_up_their_login() {
        let user =
            |name: &str, password: &str| Some(Login::User { name: name.to_owned(), password: password.to_owned() });
        check(&["nats://a:4222"], &["nats://a:4222"], None);
        check(&["a"], &["nats://a:4222"], None);
        check(&["tls://u:p@a:4333", "tls://b"], &["tls://a:4333", "tls://b:4222"], user("u", "p"));
        check(&["nats://a", "nats://u:p%40%2F@b"], &["nats://a:4222", "nats://b:4222"], user("u", "p@/"));
        check(&["nats://t0ken@[::1]:5"], &["nats://[::1]:5"], Some(Login::Token("t0ken".to_owned())));
    }

    #[test]
    fn what_cannot_work_is_said_at_once_and_without_a_password() {
        let of =
            |urls: &[&str]| Options { urls: urls.iter().map(|&url| url.to_owned()).collect(), ..Options::default() };
        for (options, expected) in [
            (of(&[]), "no address of a NATS server"),
            (of(&["nats://a", "http://u:p@b"]), "address 2 of the NATS servers is not like"),
            (of(&["wss://a"]), "address 1 of the NATS servers is not like"),
            (of(&["nats://"]), "address 1 of the NATS servers is not like"),
            (Options { replicas: 0, ..of(&["a"]) }, "1 to 5 replicas, not 0"),
            (Options { stream_prefix: String::new(), ..of(&["a"]) }, "1 to 64 bytes"),
            (
                Options { tls: Tls { cert_file: Some("c".into()), ..Tls::default() }, ..of(&["a"]) },
                "both a certificate and its key",
            ),
        ] {
            let error = options.servers().err().unwrap_or_else(|| panic!("{expected}: taken")).to_string();
            assert!(error.contains(expected) && !error.contains("u:p"), "{error}");
        }
        assert!(!format!("{:?}", of(&["nats://user:secret@host"])).contains("secret"));
    }
}
