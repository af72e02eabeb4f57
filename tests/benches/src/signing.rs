//! SigV4 in headers, for payloads that are not signed.
//!
//! Owns: the head of a request.
//! Does not own: connections, bodies. Written for little CPU: the key of the day is derived once.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use holdfast_tests::Credentials;
use sha2::{Digest, Sha256};

/// A request's time is good for a quarter of an hour.
const RENEWED_AFTER: Duration = Duration::from_secs(60);

/// What is signed, and what is sent beside it.
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    /// Encoded as AWS does.
    pub(crate) path: &'a str,
    /// Encoded, in order of names; `uploads=` where there is no value.
    pub(crate) query: &'a str,
    /// Of CopyObject.
    pub(crate) copy_source: Option<&'a str>,
    /// Not signed, as conditions need not be.
    pub(crate) headers: &'a [(&'static str, &'a str)],
}

impl<'a> Request<'a> {
    pub(crate) fn new(method: &'static str, path: &'a str) -> Self {
        Self { method, path, query: "", copy_source: None, headers: &[] }
    }
}

/// Signs for one server with one key. Of one thread.
pub(crate) struct Signer {
    host: String,
    region: String,
    credentials: Credentials,
    now: RefCell<Now>,
}

struct Now {
    since: Instant,
    time: String,
    scope: String,
    key: [u8; 32],
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

impl Now {
    fn of(credentials: &Credentials, region: &str) -> Self {
        let time = holdfast_tests::timestamp();
        let day = &time[..8];
        let key = mac(format!("AWS4{}", credentials.secret).as_bytes(), day.as_bytes());
        let key = mac(&mac(&mac(&key, region.as_bytes()), b"s3"), b"aws4_request");
        let scope = format!("{day}/{region}/s3/aws4_request");
        Self { since: Instant::now(), time, scope, key }
    }
}

impl Signer {
    pub(crate) fn new(host: String, region: &str, credentials: &Credentials) -> Self {
        let now = RefCell::new(Now::of(credentials, region));
        Self { host, region: region.to_owned(), credentials: credentials.clone(), now }
    }

    /// Appends the head of a request whose body has `length` bytes.
    pub(crate) fn head(&self, request: &Request<'_>, length: u64, out: &mut Vec<u8>) {
        if self.now.borrow().since.elapsed() > RENEWED_AFTER {
            *self.now.borrow_mut() = Now::of(&self.credentials, &self.region);
        }
        let Request { method, path, query, copy_source, headers } = request;
        let (host, Now { time, scope, key, .. }) = (&self.host, &*self.now.borrow());
        let (copy, names) = match copy_source {
            Some(source) => {
                (format!("x-amz-copy-source:{source}\n"), "host;x-amz-content-sha256;x-amz-copy-source;x-amz-date")
            }
            None => (String::new(), "host;x-amz-content-sha256;x-amz-date"),
        };
        let canonical = format!(
            "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n{copy}x-amz-date:{time}\n\n\
             {names}\nUNSIGNED-PAYLOAD"
        );
        let digest = hex::encode(Sha256::digest(canonical));
        let signature = hex::encode(mac(key, format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}").as_bytes()));
        let mark = if query.is_empty() { "" } else { "?" };
        out.extend_from_slice(
            format!(
                "{method} {path}{mark}{query} HTTP/1.1\r\nhost: {host}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n\
                 x-amz-date: {time}\r\nauthorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, \
                 Signature={signature}\r\ncontent-length: {length}\r\n",
                self.credentials.access_key
            )
            .as_bytes(),
        );
        let mut line = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        copy_source.iter().for_each(|source| line("x-amz-copy-source", source));
        headers.iter().for_each(|(name, value)| line(name, value));
        out.extend_from_slice(b"\r\n");
    }
}
