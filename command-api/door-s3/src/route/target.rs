//! Bucket and key of a request, by host or by path.

use crate::auth::decode_path;
use crate::errors::DoorError;

/// What the address of a request names. Names are still text: whether they are valid is told after authentication.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Bucket, as text.
    pub(crate) bucket: Option<String>,
    /// Key, decoded once; never empty.
    pub(crate) key: Option<String>,
    /// Whether the host named the bucket.
    pub(crate) by_host: bool,
}

impl Target {
    /// Reads the address. `bases` are the domains whose subdomains are buckets.
    ///
    /// # Errors
    /// The path is not UTF-8.
    pub(crate) fn parse(host: Option<&str>, path: &str, bases: &[String]) -> Result<Self, DoorError> {
        // Decoded before it is split, as it was signed: an escaped slash is a slash.
        let decoded = percent_decode(path)?;
        let path = decoded.strip_prefix('/').unwrap_or(&decoded);
        if let Some(bucket) = host.and_then(|host| virtual_bucket(host, bases)) {
            return Ok(Self { bucket: Some(bucket), key: filled(path), by_host: true });
        }
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() && !key.is_empty() {
            return Err(DoorError::InvalidBucketName { name: String::new() });
        }
        Ok(Self { bucket: filled(bucket), key: filled(key), by_host: false })
    }
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// A host as `Host` has it, without its port.
pub(crate) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn virtual_bucket(host: &str, bases: &[String]) -> Option<String> {
    let name = without_port(host).to_ascii_lowercase();
    if bases.iter().any(|base| base.eq_ignore_ascii_case(&name)) {
        return None;
    }
    let under = |base: &String| name.strip_suffix(&base.to_ascii_lowercase())?.strip_suffix('.').map(str::to_owned);
    // The longest base leaves the shortest bucket: of `localhost` and `s3.localhost` the second owns `b.s3.localhost`.
    bases.iter().filter_map(under).filter(|bucket| !bucket.is_empty()).min_by_key(String::len)
}

/// Undoes percent-encoding, once. A percent sign without two digits behind it stays.
///
/// # Errors
/// Bytes that are not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Result<String, DoorError> {
    String::from_utf8(decode_path(text).into_owned()).map_err(|_| DoorError::InvalidUri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, path: &str, expected: (Option<&str>, Option<&str>)) {
        let bases = ["localhost".to_owned(), "s3.localhost".to_owned()];
        let target = Target::parse(Some(host), path, &bases).expect("a target");
        assert_eq!((target.bucket.as_deref(), target.key.as_deref()), expected, "{host} {path}");
    }

    #[test]
    fn path_style() {
        for host in ["localhost:9000", "S3.LOCALHOST", "127.0.0.1:9000", "[::1]:9000", "elsewhere.example"] {
            check(host, "/", (None, None));
            check(host, "/b", (Some("b"), None));
            check(host, "/b/", (Some("b"), None));
            check(host, "/b/k", (Some("b"), Some("k")));
        }
    }

    #[test]
    fn keys_are_kept_as_they_are() {
        for (path, key) in [
            ("/b//k", "/k"),
            ("/b/a/../b/./c/", "a/../b/./c/"),
            ("/b/a%2Fb%20c+d%25", "a/b c+d%"),
            ("/b/%2F", "/"),
            ("/b/%00%01", "\0\u{1}"),
            ("/b/%C3%A9%E2%82%AC", "é€"),
            ("/b/%253F", "%3F"),
        ] {
            check("localhost", path, (Some("b"), Some(key)));
        }
        check("localhost", "/b%2Fk", (Some("b"), Some("k")));
        check("localhost", "/b/100%", (Some("b"), Some("100%")));
    }

    #[test]
    fn virtual_host_style() {
        check("b.localhost:9000", "/", (Some("b"), None));
        check("b.localhost", "/x/y", (Some("b"), Some("x/y")));
        check("b.c.localhost", "//x", (Some("b.c"), Some("/x")));
        check("b.s3.localhost", "/k", (Some("b"), Some("k")));
        check("B.S3.Localhost", "/k", (Some("b"), Some("k")));
        check("xlocalhost", "/k", (Some("k"), None));
        check(".localhost", "/k", (Some("k"), None));
    }

    #[test]
    fn what_is_no_address() {
        for path in ["/b/%ff", "/b/%C3", "/%ff"] {
            assert_eq!(Target::parse(None, path, &[]), Err(DoorError::InvalidUri), "{path}");
        }
        assert!(matches!(Target::parse(None, "//k", &[]), Err(DoorError::InvalidBucketName { .. })));
    }
}
