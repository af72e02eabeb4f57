//! Reading a signature: which form it has and what it claims. Checks nothing that needs a secret or the time.

use std::fmt;

use http::HeaderMap;
use http::request::Parts;
use schemas::AccessKeyId;

use super::encode::decode_query;
use super::error::{AuthError, Place};
use super::time::Timestamp;
use super::version_2::PresentedVersion2;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// How a request says who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presentation {
    /// Not at all.
    Anonymous,
    /// By a signature, which is still to be verified.
    Signed(Box<Presented>),
    /// The same of Version 2.
    SignedVersion2(Box<PresentedVersion2>),
}

/// What `x-amz-content-sha256` says of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadForm {
    /// Plain, with this SHA-256.
    SignedSha256([u8; 32]),
    /// Plain, and nothing is said of it.
    Unsigned,
    /// aws-chunked, every chunk signed.
    StreamingSigned,
    /// aws-chunked, every chunk and the trailer signed.
    StreamingSignedTrailer,
    /// aws-chunked with a trailer, nothing signed.
    StreamingUnsignedTrailer,
}

impl PayloadForm {
    /// # Errors
    /// [`AuthError::InvalidPayloadHash`] for anything but the five forms.
    pub fn parse(text: &str) -> Result<Self, AuthError> {
        match text {
            "UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::StreamingUnsignedTrailer),
            digest => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(digest, &mut sha256)
                    .map_err(|_| AuthError::InvalidPayloadHash { value: digest.to_owned() })?;
                Ok(Self::SignedSha256(sha256))
            }
        }
    }

    /// Whether the chunks of the body are signed.
    #[must_use]
    pub fn has_signed_chunks(self) -> bool {
        matches!(self, Self::StreamingSigned | Self::StreamingSignedTrailer)
    }
}

/// What an anonymous request's body is. Without a signature there are no signed chunks either.
///
/// # Errors
/// [`AuthError::InvalidPayloadHash`].
pub fn anonymous_payload(headers: &HeaderMap) -> Result<PayloadForm, AuthError> {
    let Some(value) = headers.get("x-amz-content-sha256") else { return Ok(PayloadForm::Unsigned) };
    let text = String::from_utf8_lossy(value.as_bytes());
    match PayloadForm::parse(&text)? {
        form if form.has_signed_chunks() => Err(AuthError::InvalidPayloadHash { value: text.into_owned() }),
        form => Ok(form),
    }
}

/// A signature as it came. A presigned URL's is a password until it expires, so it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Signature(pub(super) String);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(…)")
    }
}

/// What a signed request claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Whose signature it is said to be.
    pub access_key: AccessKeyId,
    /// Day of the credential, `yyyymmdd`.
    pub date: String,
    /// Region of the credential.
    pub region: String,
    /// Service of the credential.
    pub service: String,
    /// Names of the signed headers: lower case, sorted.
    pub signed_headers: Vec<String>,
    /// The signature.
    pub signature: Signature,
    /// When it was made.
    pub timestamp: Timestamp,
    /// What it says of the body.
    pub payload: PayloadForm,
    /// For how many seconds a presigned URL is valid.
    pub expires: Option<i64>,
    /// The payload's line in the canonical request, as it came.
    pub(super) payload_text: String,
    /// Whether the query carries the signature.
    pub(super) in_query: bool,
}

impl Presented {
    /// Where it stood.
    #[must_use]
    pub fn place(&self) -> Place {
        if self.in_query { Place::Query } else { Place::Header }
    }

    pub(super) fn scope(&self) -> String {
        format!("{}/{}/s3/aws4_request", self.date, self.region)
    }
}

/// Reads a request's signature, whatever its form.
pub(super) fn read(parts: &Parts) -> Result<Presentation, AuthError> {
    let query = QueryAuth::read(parts.uri.query().unwrap_or(""))?;
    let old_query = PresentedVersion2::in_query(parts)?;
    let mut authorizations = parts.headers.get_all(http::header::AUTHORIZATION).iter();
    let authorization =
        authorizations.next().map(|value| value.as_bytes().trim_ascii()).filter(|text| !text.is_empty());
    if authorizations.next().is_some() {
        return Err(AuthError::SeveralMechanisms);
    }
    match (authorization, query, old_query) {
        (None, None, None) => Ok(Presentation::Anonymous),
        (Some(text), None, None) => read_header(parts, text),
        (None, Some(query), None) => Ok(Presentation::Signed(Box::new(query.read_presented(parts)?))),
        (None, None, Some(presented)) => Ok(Presentation::SignedVersion2(Box::new(presented))),
        _ => Err(AuthError::SeveralMechanisms),
    }
}

fn read_header(parts: &Parts, authorization: &[u8]) -> Result<Presentation, AuthError> {
    let malformed = |why: &str| AuthError::Malformed { place: Place::Header, why: why.to_owned() };
    let text = std::str::from_utf8(authorization).map_err(|_| malformed("it is not text."))?;
    let (kind, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    match kind {
        ALGORITHM => Ok(Presentation::Signed(Box::new(read_version_4(parts, rest)?))),
        "AWS" => Ok(Presentation::SignedVersion2(Box::new(PresentedVersion2::in_header(parts, rest)?))),
        kind if kind.starts_with("AWS4-") => Err(AuthError::UnsupportedMechanism),
        _ => Err(AuthError::UnsupportedType),
    }
}

fn read_version_4(parts: &Parts, text: &str) -> Result<Presented, AuthError> {
    let malformed = |why: &str| AuthError::Malformed { place: Place::Header, why: why.to_owned() };
    let mut credential = None;
    let mut signed_headers = None;
    let mut signature = None;
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').ok_or_else(|| malformed("a part of it has no '='."))?;
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            _ => return Err(malformed("it has an unknown part.")),
        };
        if slot.replace(value).is_some() {
            return Err(malformed("it has a part twice."));
        }
    }
    let credential = credential.ok_or_else(|| malformed("the Credential is missing."))?;
    let signed_headers = signed_headers.ok_or_else(|| malformed("the SignedHeaders are missing."))?;
    let signature = signature.ok_or_else(|| malformed("the Signature is missing."))?;
    let credential = Credential::read(credential, Place::Header)?;
    if parts.headers.contains_key("x-amz-security-token") {
        return Err(AuthError::InvalidToken);
    }
    let date = parts.headers.get("x-amz-date").or_else(|| parts.headers.get(http::header::DATE));
    let timestamp =
        date.and_then(|value| value.to_str().ok()).and_then(Timestamp::parse).ok_or(AuthError::MissingDate)?;
    let payload = parts.headers.get("x-amz-content-sha256").ok_or(AuthError::MissingPayloadHash)?;
    let payload_text = String::from_utf8_lossy(payload.as_bytes()).trim().to_owned();
    Ok(Presented {
        access_key: credential.access_key,
        date: credential.date,
        region: credential.region,
        service: credential.service,
        signed_headers: read_signed_headers(signed_headers),
        signature: Signature(signature.to_owned()),
        timestamp,
        payload: PayloadForm::parse(&payload_text)?,
        expires: None,
        payload_text,
        in_query: false,
    })
}

/// The scope of a signature and whose it is.
pub(super) struct Credential {
    pub(super) access_key: AccessKeyId,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl Credential {
    /// Reads `id/yyyymmdd/region/service/aws4_request`.
    pub(super) fn read(text: &str, place: Place) -> Result<Self, AuthError> {
        let malformed = || AuthError::Malformed {
            place,
            why: "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                .to_owned(),
        };
        let pieces: Vec<&str> = text.rsplitn(5, '/').collect();
        let &[terminator, service, region, date, access_key] = pieces.as_slice() else { return Err(malformed()) };
        let is_date = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
        if terminator != "aws4_request" || !is_date || region.is_empty() {
            return Err(malformed());
        }
        if service != "s3" {
            let why = format!("incorrect service \"{service}\". This endpoint belongs to \"s3\".");
            return Err(AuthError::Malformed { place, why });
        }
        Ok(Self {
            access_key: AccessKeyId::parse(access_key)
                .map_err(|_| AuthError::InvalidAccessKeyId { access_key: access_key.to_owned() })?,
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }
}

fn read_signed_headers(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text.split(';').filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The authentication parameters of a presigned URL.
#[derive(Default)]
struct QueryAuth {
    algorithm: Option<String>,
    credential: Option<String>,
    date: Option<String>,
    expires: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    payload: Option<String>,
    has_token: bool,
}

impl QueryAuth {
    /// None if no parameter says that there is a signature.
    fn read(raw: &str) -> Result<Option<Self>, AuthError> {
        let mut auth = Self::default();
        for (name, value) in decode_query(raw) {
            let slot = match name.as_slice() {
                b"X-Amz-Algorithm" => &mut auth.algorithm,
                b"X-Amz-Credential" => &mut auth.credential,
                b"X-Amz-Date" => &mut auth.date,
                b"X-Amz-Expires" => &mut auth.expires,
                b"X-Amz-SignedHeaders" => &mut auth.signed_headers,
                b"X-Amz-Signature" => &mut auth.signature,
                name if name.eq_ignore_ascii_case(b"X-Amz-Content-Sha256") => &mut auth.payload,
                name => {
                    auth.has_token |= name == b"X-Amz-Security-Token";
                    continue;
                }
            };
            let value = String::from_utf8(value).map_err(|_| malformed_query("The query is not valid UTF-8."))?;
            if slot.replace(value).is_some() {
                // Which of two counts must not depend on who reads them.
                return Err(malformed_query("An authentication parameter is given more than once."));
            }
        }
        let signed = auth.algorithm.is_some() || auth.credential.is_some() || auth.signature.is_some();
        Ok(signed.then_some(auth))
    }

    fn read_presented(self, parts: &Parts) -> Result<Presented, AuthError> {
        if self.has_token || parts.headers.contains_key("x-amz-security-token") {
            return Err(AuthError::InvalidToken);
        }
        let (Some(algorithm), Some(credential), Some(date), Some(expires), Some(signed_headers), Some(signature)) =
            (self.algorithm, self.credential, self.date, self.expires, self.signed_headers, self.signature)
        else {
            return Err(malformed_query(
                "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
                 X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
            ));
        };
        if algorithm != ALGORITHM {
            return Err(malformed_query("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let credential = Credential::read(&credential, Place::Query)?;
        let timestamp = Timestamp::parse_iso(&date)
            .ok_or_else(|| malformed_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        let expires: i64 = expires.parse().map_err(|_| malformed_query("X-Amz-Expires should be a number"))?;
        if !(1..=super::verify::EXPIRES_MAX_S).contains(&expires) {
            return Err(AuthError::ExpiresOutOfRange);
        }
        // The header wins: if it is there it is signed (the verifier sees to that), and it is what SDKs take for the body.
        let payload_text = match parts.headers.get("x-amz-content-sha256") {
            Some(value) => String::from_utf8_lossy(value.as_bytes()).trim().to_owned(),
            None => self.payload.unwrap_or_else(|| "UNSIGNED-PAYLOAD".to_owned()),
        };
        Ok(Presented {
            access_key: credential.access_key,
            date: credential.date,
            region: credential.region,
            service: credential.service,
            signed_headers: read_signed_headers(&signed_headers),
            signature: Signature(signature),
            timestamp,
            payload: PayloadForm::parse(&payload_text)?,
            expires: Some(expires),
            payload_text,
            in_query: true,
        })
    }
}

fn malformed_query(why: &str) -> AuthError {
    AuthError::Malformed { place: Place::Query, why: why.to_owned() }
}
