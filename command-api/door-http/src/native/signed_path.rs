//! Addresses of signed URLs.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::{BucketName, ObjectKey};

use super::App;

const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const UNRESERVED_AND_SLASH: &AsciiSet = &UNRESERVED.remove(b'/');

/// The address that a token is good for: whole where the server knows how clients reach it, else its path; then the path.
pub(super) fn of(app: &App, bucket: &BucketName, key: &ObjectKey, token: &str) -> (String, String) {
    let path = format!("/api/v1/signed/{bucket}/{}?token={token}", escaped(key));
    let base = app.options.public_url.as_deref().unwrap_or_default().trim_end_matches('/');
    (format!("{base}{path}"), path)
}

/// A key in a path. Browsers and others take `.`, `..` and empty pieces out of paths: the slashes of a key that has some are
/// escaped too, and it stays whole.
fn escaped(key: &ObjectKey) -> String {
    let fragile = key.as_str().split('/').any(|piece| ["", ".", ".."].contains(&piece));
    utf8_percent_encode(key.as_str(), if fragile { UNRESERVED } else { UNRESERVED_AND_SLASH }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_whole_whoever_reads_its_url() {
        for (key, expected) in [
            ("a/b c", "a/b%20c"),
            ("a//b", "a%2F%2Fb"),
            ("a/../b", "a%2F..%2Fb"),
            ("./a", ".%2Fa"),
            ("a/", "a%2F"),
            ("a..b/c.", "a..b/c."),
            ("é?&%", "%C3%A9%3F%26%25"),
        ] {
            assert_eq!(escaped(&ObjectKey::parse(key).expect("a key")), expected, "{key}");
        }
    }
}
