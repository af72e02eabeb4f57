//! Percent encoding as AWS has it, and its inverse.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const RESERVED_IN_PATHS: &AsciiSet = &RESERVED.remove(b'/');

/// A raw path as bytes: `%XX` decoded, once. `+` is a plus, and a percent sign without two digits behind it stays.
#[must_use]
pub fn decode_path(raw: &str) -> Cow<'_, [u8]> {
    percent_decode(raw.as_bytes()).into()
}

/// The parameters of a raw query in their order, decoded once. `+` is a space; a parameter without `=` has an empty value.
///
/// Whoever reads parameters must read them through this: a parameter read in another way than it was signed could be changed
/// by whoever carries the request.
pub fn decode_query(raw: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    raw.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode_form(name), decode_form(value))
    })
}

fn decode_form(text: &str) -> Vec<u8> {
    let spaced: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect()
}

/// The path as AWS signs it for S3: decoded once and encoded once, nothing normalised.
pub(super) fn canonical_path(raw: &str) -> String {
    if raw.is_empty() {
        return "/".to_owned();
    }
    percent_encode(&decode_path(raw), RESERVED_IN_PATHS).to_string()
}

/// The query as AWS signs it: encoded, sorted, without the parameter `except`.
pub(super) fn canonical_query(raw: &str, except: Option<&[u8]>) -> String {
    let mut pairs: Vec<(String, String)> = decode_query(raw)
        .filter(|(name, _)| Some(name.as_slice()) != except)
        .map(|(name, value)| {
            (percent_encode(&name, RESERVED).to_string(), percent_encode(&value, RESERVED).to_string())
        })
        .collect();
    pairs.sort_unstable();
    let mut out = String::with_capacity(raw.len() + pairs.len());
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        out.push_str(&name);
        out.push('=');
        out.push_str(&value);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_and_encoded_once() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("/bucket/a b", "/bucket/a%20b"),
            ("/bucket/a%20b", "/bucket/a%20b"),
            ("/bucket/a+b", "/bucket/a%2Bb"),
            ("/bucket/%7e~%2E.", "/bucket/~~.."),
            ("/bucket/a%2Fb//c/../d/./e/", "/bucket/a/b//c/../d/./e/"),
            ("/bucket/%252F", "/bucket/%252F"),
            ("/bucket/%", "/bucket/%25"),
            ("/bucket/%zz%2", "/bucket/%25zz%252"),
            ("/bucket/%00%ff", "/bucket/%00%FF"),
            ("/bucket/*'()!@:$&,;=", "/bucket/%2A%27%28%29%21%40%3A%24%26%2C%3B%3D"),
        ] {
            assert_eq!(canonical_path(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn queries_are_sorted_by_their_encoded_form() {
        for (raw, canonical) in [
            ("", ""),
            ("acl", "acl="),
            ("&acl=&", "acl="),
            ("b=2&a=2&a=1&A=0", "A=0&a=1&a=2&b=2"),
            ("prefix=a+b%2Bc", "prefix=a%20b%2Bc"),
            ("a=b=c", "a=b%3Dc"),
            ("a/b=~", "a%2Fb=~"),
            // Encoded, "é" (%C3%A9) comes before "a".
            ("a=1&é=2", "%C3%A9=2&a=1"),
        ] {
            assert_eq!(canonical_query(raw, None), canonical, "{raw}");
        }
        assert_eq!(canonical_query("b=1&X-Amz-Signature=f&a=2", Some(b"X-Amz-Signature")), "a=2&b=1");
    }
}
