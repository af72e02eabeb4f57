//! Headers that a presigned address says in its query.
//!
//! Owns: which parameters count as headers. Does not own: whether the signature holds; it covers the whole query in Version 4,
//! and these parameters in Version 2.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};
use pipeline::SignatureVersion;

use super::encode::decode_query;

/// Parameters of Version 4 that are its own and no headers.
const OWN: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// The headers that a request means whose signature, of this version, stands in its query.
///
/// Clients put `x-amz-*` headers that they sign into such an address, in Version 2 also Content-Type and Content-MD5, and
/// whoever carries it need not send them again. A header that is sent wins: then it is the one that must be signed.
pub(crate) fn presigned_headers(parts: &Parts, version: SignatureVersion) -> HeaderMap {
    let counts = match version {
        SignatureVersion::V4 => is_version_4,
        SignatureVersion::V2 => is_version_2,
    };
    with_query_headers(parts, |name, value| counts(name.as_str()) && !is_of_no_body(name, value))
}

/// The headers that Version 2 signs in a query: all that it says, whatever is made of them.
pub(super) fn version_2_headers(parts: &Parts) -> HeaderMap {
    with_query_headers(parts, |name, _| is_version_2(name.as_str()))
}

fn is_version_4(name: &str) -> bool {
    name.starts_with("x-amz-") && !OWN.contains(&name)
}

fn is_version_2(name: &str) -> bool {
    name.starts_with("x-amz-") || name == "content-type" || name == "content-md5"
}

/// Checksums of an empty body.
const OF_NO_BODY: [&str; 4] =
    ["AAAAAA==", "AAAAAAAAAAA=", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="];

/// What the SDK for JavaScript says of the body when it presigns: the checksum of none, because it has none yet. Whoever
/// carries the address sends a body all the same. Any other checksum is meant.
fn is_of_no_body(name: &HeaderName, value: &HeaderValue) -> bool {
    let is_checksum = name.as_str().starts_with("x-amz-checksum-");
    name == "x-amz-sdk-checksum-algorithm" || (is_checksum && OF_NO_BODY.iter().any(|digest| value == digest))
}

fn with_query_headers(parts: &Parts, counts: impl Fn(&HeaderName, &HeaderValue) -> bool) -> HeaderMap {
    let mut headers = parts.headers.clone();
    for (name, value) in decode_query(parts.uri.query().unwrap_or("")) {
        // What no header can carry stays out of the string to sign of Version 2 as well: the signature will not match.
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&name), HeaderValue::from_bytes(&value)) else { continue };
        if !parts.headers.contains_key(&name) && counts(&name, &value) {
            headers.append(name, value);
        }
    }
    headers
}
