//! Signature Version 2 (AWS, "Signing and authenticating REST requests"), in headers and in queries.
//!
//! boto3 and aws-cli v1 still presign with it when they are told nothing else. It has neither a scope nor a signed payload, and
//! host and most of the query are not signed; so whatever changes what is done must stand in the string to sign: every
//! `x-amz-*` header by construction, and [`SIGNED_PARAMETERS`].

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use schemas::AccessKeyId;
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use subtle::ConstantTimeEq;

use super::encode::decode_query;
use super::error::{AuthError, SignatureMismatch};
use super::present::{PayloadForm, Signature, anonymous_payload};
use super::time::Timestamp;

/// Parameters that choose or change an operation. AWS's documentation names those of its time; the later ones are here for the
/// same reason: whoever carries a signed address must not be able to make another request of it.
const SIGNED_PARAMETERS: [&str; 49] = [
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "append",
    "as-of",
    "attributes",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "replication-metrics",
    "requestPayment",
    "restore",
    "retention",
    "select",
    "select-type",
    "session",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
    "withDeleted",
    "x-holdfast-as-of",
    "x-lockwell-as-of",
];

/// Headers that Version 2 does not sign and that change what is done.
const NEVER_SIGNED: [&str; 2] = ["x-holdfast-", "x-lockwell-"];

/// Whether a parameter counts only if it is signed.
pub(crate) fn is_signed_parameter(name: &str) -> bool {
    SIGNED_PARAMETERS.contains(&name) || name.starts_with("response-")
}

/// What a request signed by Version 2 claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedVersion2 {
    /// Whose signature it is said to be.
    pub access_key: AccessKeyId,
    /// What it says of the body. Version 2 signs nothing of it.
    pub payload: PayloadForm,
    signature: Signature,
    /// The line of the date, as it came.
    date: Vec<u8>,
    limit: Limit,
}

/// When the signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Limit {
    /// Around this time.
    Around(Timestamp),
    /// Until this second of the Unix epoch.
    Until(i64),
}

impl PresentedVersion2 {
    /// When it was made; one in a query does not say.
    #[must_use]
    pub fn made(&self) -> Option<&Timestamp> {
        match &self.limit {
            Limit::Around(timestamp) => Some(timestamp),
            Limit::Until(_) => None,
        }
    }

    /// Reads what stands behind `AWS` in an `Authorization` header.
    pub(super) fn in_header(parts: &Parts, text: &str) -> Result<Self, AuthError> {
        let (access_key, signature) = text.trim().rsplit_once(':').ok_or(AuthError::UnsupportedType)?;
        let amz_date = parts.headers.get("x-amz-date");
        let date = amz_date.or_else(|| parts.headers.get(http::header::DATE));
        let moment =
            date.and_then(|value| value.to_str().ok()).and_then(Timestamp::parse).ok_or(AuthError::MissingDate)?;
        // A date among the x-amz-* headers is signed there.
        let line = date.filter(|_| amz_date.is_none()).map(|value| value.as_bytes().trim_ascii().to_vec());
        Self::read(parts, access_key.trim(), signature.trim(), line.unwrap_or_default(), Limit::Around(moment))
    }

    /// Reads the query. None without both a key and a signature of this version.
    pub(super) fn in_query(parts: &Parts) -> Result<Option<Self>, AuthError> {
        let mut found: [Vec<String>; 3] = Default::default();
        let [access_keys, signatures, expirations] = &mut found;
        let mut has_token = false;
        for (name, value) in decode_query(parts.uri.query().unwrap_or("")) {
            let values = match name.as_slice() {
                b"AWSAccessKeyId" => &mut *access_keys,
                b"Signature" => &mut *signatures,
                b"Expires" => &mut *expirations,
                name => {
                    has_token |= name.eq_ignore_ascii_case(b"x-amz-security-token");
                    continue;
                }
            };
            values.push(String::from_utf8_lossy(&value).into_owned());
        }
        let invalid = |why| AuthError::InvalidVersion2Query { why };
        if access_keys.is_empty() || signatures.is_empty() {
            return Ok(None);
        }
        if has_token {
            return Err(AuthError::InvalidToken);
        }
        if found.iter().any(|values| values.len() > 1) {
            // Which of two counts must not depend on who reads them.
            return Err(invalid("An authentication parameter is given more than once."));
        }
        let [access_key, signature, expires] = found.map(|mut values| values.pop());
        let (Some(access_key), Some(signature), Some(expires)) = (access_key, signature, expires) else {
            return Err(invalid(
                "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
            ));
        };
        let until_s = expires.parse().map_err(|_| invalid("Invalid date (should be seconds since epoch)"))?;
        // Base64 has a plus that not every client escapes, and never a space.
        let signature = signature.replace(' ', "+");
        Self::read(parts, &access_key, &signature, expires.into_bytes(), Limit::Until(until_s)).map(Some)
    }

    fn read(parts: &Parts, id: &str, signature: &str, date: Vec<u8>, limit: Limit) -> Result<Self, AuthError> {
        if parts.headers.contains_key("x-amz-security-token") {
            return Err(AuthError::InvalidToken);
        }
        let access_key =
            AccessKeyId::parse(id).map_err(|_| AuthError::InvalidAccessKeyId { access_key: id.to_owned() })?;
        let payload = anonymous_payload(&parts.headers)?;
        Ok(Self { access_key, payload, signature: Signature(signature.to_owned()), date, limit })
    }

    /// Checks all that needs no secret.
    pub(super) fn check(&self, parts: &Parts, now_s: i64) -> Result<(), AuthError> {
        match &self.limit {
            Limit::Around(moment) => moment.check_skew(now_s)?,
            Limit::Until(until_s) if now_s > *until_s => {
                return Err(AuthError::Expired { expires_in_s: None, expired_at_s: *until_s, server_time_s: now_s });
            }
            Limit::Until(_) => {}
        }
        let unsigned = |name: &&str| NEVER_SIGNED.iter().any(|prefix| name.starts_with(prefix));
        let mut names: Vec<String> =
            parts.headers.keys().map(HeaderName::as_str).filter(unsigned).map(str::to_owned).collect();
        names.sort_unstable();
        if names.is_empty() { Ok(()) } else { Err(AuthError::HeadersNotSigned { names }) }
    }

    /// Whether the request was signed with `secret`. `host_bucket` is the bucket that the host names.
    pub(super) fn verify(
        &self,
        parts: &Parts,
        secret: &SecretString,
        host_bucket: Option<&str>,
    ) -> Result<(), AuthError> {
        let path = Some(parts.uri.path()).filter(|path| !path.is_empty()).unwrap_or("/");
        let resource = host_bucket.map_or_else(|| path.to_owned(), |bucket| format!("/{bucket}{path}"));
        // Clients sign one request in several ways that mean the same: `/bucket` as `/bucket/`, and `?uploads=` as `?uploads` or
        // as it is.
        let is_bare_bucket = resource.len() > 1 && !resource[1..].contains('/');
        let slashed = is_bare_bucket.then(|| format!("{resource}/"));
        let mut resources = [Some(&resource), slashed.as_ref()].into_iter().flatten();
        let holds = resources.any(|resource| {
            [Empty::Bare, Empty::AsSent]
                .into_iter()
                .any(|empty| is_signature(secret, &self.string_to_sign(parts, resource, empty), &self.signature.0))
        });
        if holds {
            return Ok(());
        }
        let text = self.string_to_sign(parts, &resource, Empty::Bare);
        Err(AuthError::SignatureDoesNotMatch(Box::new(SignatureMismatch {
            access_key: self.access_key.clone(),
            string_to_sign: String::from_utf8_lossy(&text).into_owned(),
            canonical_request: None,
            signature_provided: self.signature.0.clone(),
        })))
    }

    /// Bytes, because header values need not be text. `resource` is the path as it came, behind the bucket that the host names.
    fn string_to_sign(&self, parts: &Parts, resource: &str, empty: Empty) -> Vec<u8> {
        let given;
        let headers = match self.limit {
            Limit::Around(_) => &parts.headers,
            Limit::Until(_) => {
                given = super::query_headers::version_2_headers(parts);
                &given
            }
        };
        let header = |name| headers.get(name).map(|value| value.as_bytes().trim_ascii()).unwrap_or_default();
        let lines = [parts.method.as_str().as_bytes(), header("content-md5"), header("content-type"), &self.date];
        let mut out = lines.join(&b'\n');
        out.push(b'\n');
        push_amz_headers(&mut out, headers);
        out.extend_from_slice(resource.as_bytes());
        push_parameters(&mut out, parts.uri.query().unwrap_or(""), empty);
        out
    }
}

/// How a parameter that came as `name=` is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    Bare,
    AsSent,
}

fn push_amz_headers(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut lines = BTreeMap::<&str, Vec<u8>>::new();
    // Names arrive in lower case, and the values of one name in their order.
    for (name, value) in headers.iter().filter(|(name, _)| name.as_str().starts_with("x-amz-")) {
        let line = lines.entry(name.as_str()).or_default();
        if !line.is_empty() {
            line.push(b',');
        }
        line.extend_from_slice(value.as_bytes().trim_ascii());
    }
    for (name, value) in lines {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend_from_slice(&value);
        out.push(b'\n');
    }
}

fn push_parameters(out: &mut Vec<u8>, raw: &str, empty: Empty) {
    let mut signed: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    for piece in raw.split('&') {
        let Some((name, value)) = decode_query(piece).next() else { continue };
        if std::str::from_utf8(&name).is_ok_and(is_signed_parameter) {
            let shown = !value.is_empty() || (empty == Empty::AsSent && piece.contains('='));
            signed.push((name, shown.then_some(value)));
        }
    }
    signed.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (index, (name, value)) in signed.into_iter().enumerate() {
        out.push(if index == 0 { b'?' } else { b'&' });
        out.extend_from_slice(&name);
        if let Some(value) = value {
            out.push(b'=');
            out.extend_from_slice(&value);
        }
    }
}

/// Whether `presented` is the base64 form of the HMAC-SHA-1 of `text`, in a time that tells nothing of where they differ.
pub(super) fn is_signature(secret: &SecretString, text: &[u8], presented: &str) -> bool {
    use base64::Engine;
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(text);
    let expected = mac.finalize().into_bytes();
    let presented = base64::engine::general_purpose::STANDARD.decode(presented.trim()).unwrap_or_default();
    bool::from(expected.as_slice().ct_eq(&presented))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_without_a_value_is_signed_by_its_name() {
        let signed = |raw, empty| {
            let mut out = Vec::new();
            push_parameters(&mut out, raw, empty);
            String::from_utf8(out).expect("text")
        };
        for (raw, bare, as_sent) in [
            ("", "", ""),
            ("prefix=a&max-keys=2&x-id=List", "", ""),
            ("uploads", "?uploads", "?uploads"),
            ("uploads=&prefix=", "?uploads", "?uploads="),
            ("versionId=2&acl&versionId=1", "?acl&versionId=2&versionId=1", "?acl&versionId=2&versionId=1"),
            ("response-expires=a%20b+c%2B", "?response-expires=a b c+", "?response-expires=a b c+"),
            ("%61cl&ACL", "?acl", "?acl"),
        ] {
            assert_eq!((signed(raw, Empty::Bare).as_str(), signed(raw, Empty::AsSent).as_str()), (bare, as_sent));
        }
    }
}
