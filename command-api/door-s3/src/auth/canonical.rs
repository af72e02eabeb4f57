//! The canonical request and the string to sign (AWS, "Create a signed AWS API request").

use http::HeaderMap;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::encode::{canonical_path, canonical_query};
use super::present::Presented;

/// The canonical request. Bytes, because header values need not be text.
pub(super) fn canonical_request(parts: &Parts, presented: &Presented, host: Option<&str>) -> Vec<u8> {
    let signature = presented.in_query.then_some(b"X-Amz-Signature".as_slice());
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(canonical_path(parts.uri.path()).as_bytes());
    out.push(b'\n');
    out.extend_from_slice(canonical_query(parts.uri.query().unwrap_or(""), signature).as_bytes());
    out.push(b'\n');
    for name in &presented.signed_headers {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        match (name.as_str(), host) {
            ("host", Some(host)) => out.extend_from_slice(host.as_bytes()),
            ("host", None) if !parts.headers.contains_key("host") => {
                // HTTP/2 has `:authority` in its place.
                out.extend_from_slice(parts.uri.authority().map_or("", |authority| authority.as_str()).as_bytes());
            }
            _ => push_values(&mut out, &parts.headers, name),
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(presented.signed_headers.join(";").as_bytes());
    out.push(b'\n');
    out.extend_from_slice(presented.payload_text.as_bytes());
    out
}

/// Values of one header, each trimmed and its inner spaces collapsed, joined by commas. A header that was signed and did not
/// arrive counts as empty: some clients sign empty headers that their HTTP library then leaves out.
fn push_values(out: &mut Vec<u8>, headers: &HeaderMap, name: &str) {
    for (index, value) in headers.get_all(name).iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let words = value.as_bytes().trim_ascii().split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        for (index, word) in words.enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(word);
        }
    }
}

/// What is signed in the end.
pub(super) fn string_to_sign(presented: &Presented, canonical: &[u8]) -> String {
    let digest = hex::encode(Sha256::digest(canonical));
    format!("AWS4-HMAC-SHA256\n{}\n{}\n{digest}", presented.timestamp.text, presented.scope())
}
