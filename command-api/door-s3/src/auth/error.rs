//! Why a request's signature was not accepted, in the words of S3.

use std::fmt;

use schemas::AccessKeyId;

use super::policy::PolicyError;
use super::time::iso;

/// Where a request carries its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the `Authorization` header.
    Header,
    /// In the query: a presigned URL.
    Query,
    /// In the fields of a POST form.
    Form,
}

/// What was compared when a signature did not match. Shown to the client, who made all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignatureMismatch {
    /// Whose signature it claims to be.
    pub access_key: AccessKeyId,
    /// What we would have signed.
    pub string_to_sign: String,
    /// What that was made of; a POST form has none.
    pub canonical_request: Option<Vec<u8>>,
    /// The signature that came.
    pub signature_provided: String,
}

/// A canonical request holds object names: none in a log line.
impl fmt::Debug for SignatureMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureMismatch").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Why a request is not who it says it is. Asking again changes nothing, except after [`AuthError::RequestTimeTooSkewed`] and
/// [`AuthError::NotYetValid`], when the clock is right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The signature's parts cannot be read, or do not fit each other.
    #[error("malformed signature: {why}")]
    Malformed {
        /// Where it was.
        place: Place,
        /// What is wrong, as a sentence.
        why: String,
    },
    /// `X-Amz-Expires` is not 1 to 604,800 seconds.
    #[error("a presigned URL is valid for 1 to 604800 seconds")]
    ExpiresOutOfRange,
    /// The credential names another region than the configured one.
    #[error("the region is '{expected}', not '{presented}'")]
    WrongRegion {
        /// The configured one.
        expected: String,
        /// The credential's.
        presented: String,
    },
    /// A kind of Version 4 that we do not know, or Version 2 where it is switched off.
    #[error("unsupported authorization mechanism")]
    UnsupportedMechanism,
    /// An `Authorization` header of no kind that S3 ever had.
    #[error("unsupported authorization type")]
    UnsupportedType,
    /// Header and query both carry a signature.
    #[error("more than one authorization mechanism")]
    SeveralMechanisms,
    /// No date, or none that can be read.
    #[error("no valid date")]
    MissingDate,
    /// A signed request without `x-amz-content-sha256`.
    #[error("x-amz-content-sha256 is missing")]
    MissingPayloadHash,
    /// `x-amz-content-sha256` is neither a digest nor a form that we know.
    #[error("x-amz-content-sha256 is not valid")]
    InvalidPayloadHash {
        /// What came.
        value: String,
    },
    /// Temporary credentials: there are none here.
    #[error("security tokens are not accepted")]
    InvalidToken,
    /// No such access key, or it is stopped. Made by whoever looks keys up.
    #[error("no such access key")]
    InvalidAccessKeyId {
        /// What came.
        access_key: String,
    },
    /// The request's clock is more than 15 minutes off.
    #[error("the request's time differs too much from the server's")]
    RequestTimeTooSkewed {
        /// As the request gave it.
        request_time: String,
        /// Seconds of the Unix epoch.
        server_time_s: i64,
    },
    /// Headers that must be signed are not.
    #[error("headers are not signed: {}", names.join(", "))]
    HeadersNotSigned {
        /// Which, sorted.
        names: Vec<String>,
    },
    /// The parameters of a presigned URL of Version 2 cannot be read.
    #[error("malformed signature: {why}")]
    InvalidVersion2Query {
        /// What is wrong, as a sentence.
        why: &'static str,
    },
    /// A presigned URL after its time.
    #[error("the request has expired")]
    Expired {
        /// `X-Amz-Expires`; Version 2 has none.
        expires_in_s: Option<i64>,
        /// Seconds of the Unix epoch.
        expired_at_s: i64,
        /// Seconds of the Unix epoch.
        server_time_s: i64,
    },
    /// A presigned URL before its time.
    #[error("the request is not yet valid")]
    NotYetValid {
        /// As the request gave it.
        request_time: String,
        /// Seconds of the Unix epoch.
        server_time_s: i64,
    },
    /// A POST form with a policy or a signature lacks a field.
    #[error("the form lacks the field {field}")]
    MissingField {
        /// Which.
        field: &'static str,
    },
    /// The policy of a POST form is none.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Another secret, or another request than was signed.
    #[error("the signature does not match")]
    SignatureDoesNotMatch(Box<SignatureMismatch>),
}

impl AuthError {
    /// Code, status and message for the error document.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16, String) {
        match self {
            Self::Malformed { place: Place::Header, why } => {
                ("AuthorizationHeaderMalformed", 400, format!("The authorization header is malformed; {why}"))
            }
            Self::Malformed { place: Place::Query, why } => ("AuthorizationQueryParametersError", 400, why.clone()),
            Self::Malformed { place: Place::Form, why } => ("InvalidArgument", 400, why.clone()),
            // AWS's document says 400; clients and suites that know S3 by its behaviour expect a refusal (403).
            Self::ExpiresOutOfRange => (
                "AuthorizationQueryParametersError",
                403,
                "X-Amz-Expires must be between 1 and 604800 seconds".to_owned(),
            ),
            Self::WrongRegion { expected, presented } => (
                "AuthorizationHeaderMalformed",
                400,
                format!("The authorization header is malformed; the region '{presented}' is wrong; expecting '{expected}'"),
            ),
            Self::UnsupportedMechanism => (
                "InvalidRequest",
                400,
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.".to_owned(),
            ),
            Self::UnsupportedType => ("InvalidArgument", 400, "Unsupported Authorization Type".to_owned()),
            Self::SeveralMechanisms => (
                "InvalidArgument",
                400,
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
                 parameter or the Authorization header should be specified"
                    .to_owned(),
            ),
            Self::MissingDate => (
                "AccessDenied",
                403,
                "AWS authentication requires a valid Date or x-amz-date header".to_owned(),
            ),
            Self::MissingPayloadHash => (
                "InvalidRequest",
                400,
                "Missing required header for this request: x-amz-content-sha256".to_owned(),
            ),
            Self::InvalidPayloadHash { .. } => (
                "InvalidArgument",
                400,
                "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
                 STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
                    .to_owned(),
            ),
            Self::InvalidToken => {
                ("InvalidToken", 400, "The provided token is malformed or otherwise invalid.".to_owned())
            }
            Self::InvalidAccessKeyId { .. } => (
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.".to_owned(),
            ),
            Self::RequestTimeTooSkewed { .. } => (
                "RequestTimeTooSkewed",
                403,
                "The difference between the request time and the current time is too large.".to_owned(),
            ),
            Self::HeadersNotSigned { .. } => {
                ("AccessDenied", 403, "There were headers present in the request which were not signed".to_owned())
            }
            Self::InvalidVersion2Query { why } => ("AccessDenied", 403, (*why).to_owned()),
            Self::Expired { .. } => ("AccessDenied", 403, "Request has expired".to_owned()),
            Self::NotYetValid { .. } => ("AccessDenied", 403, "Request is not yet valid".to_owned()),
            Self::MissingField { field } => (
                "InvalidArgument",
                400,
                format!(
                    "Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of the \
                     fields."
                ),
            ),
            Self::Policy(error) => error.code(),
            Self::SignatureDoesNotMatch(_) => (
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated does not match the signature you provided. Check your key and \
                 signing method."
                    .to_owned(),
            ),
        }
    }

    /// Further elements of the error document, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::WrongRegion { expected, .. } => vec![("Region", expected.clone())],
            // The value may be somebody's token: it is not repeated.
            Self::UnsupportedType => vec![("ArgumentName", "Authorization".to_owned())],
            Self::InvalidPayloadHash { value } => {
                vec![("ArgumentName", "x-amz-content-sha256".to_owned()), ("ArgumentValue", value.clone())]
            }
            Self::InvalidAccessKeyId { access_key } => vec![("AWSAccessKeyId", access_key.clone())],
            Self::RequestTimeTooSkewed { request_time, server_time_s } => vec![
                ("RequestTime", request_time.clone()),
                ("ServerTime", iso(*server_time_s)),
                ("MaxAllowedSkewMilliseconds", (super::time::SKEW_MAX_S * 1000).to_string()),
            ],
            Self::HeadersNotSigned { names } => vec![("HeadersNotSigned", names.join(", "))],
            Self::Expired { expires_in_s, expired_at_s, server_time_s } => expires_in_s
                .map(|seconds| ("X-Amz-Expires", seconds.to_string()))
                .into_iter()
                .chain([("Expires", iso(*expired_at_s)), ("ServerTime", iso(*server_time_s))])
                .collect(),
            Self::NotYetValid { request_time, server_time_s } => {
                vec![("RequestTime", request_time.clone()), ("ServerTime", iso(*server_time_s))]
            }
            Self::MissingField { field } => {
                vec![("ArgumentName", (*field).to_owned()), ("ArgumentValue", String::new())]
            }
            Self::Policy(error) => error.fields(),
            Self::SignatureDoesNotMatch(mismatch) => mismatch.fields(),
            Self::Malformed { .. }
            | Self::ExpiresOutOfRange
            | Self::UnsupportedMechanism
            | Self::SeveralMechanisms
            | Self::InvalidVersion2Query { .. }
            | Self::MissingDate
            | Self::MissingPayloadHash
            | Self::InvalidToken => Vec::new(),
        }
    }
}

impl SignatureMismatch {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![
            ("AWSAccessKeyId", self.access_key.as_str().to_owned()),
            ("StringToSign", self.string_to_sign.clone()),
            ("SignatureProvided", self.signature_provided.clone()),
            ("StringToSignBytes", spaced_hex(self.string_to_sign.as_bytes())),
        ];
        if let Some(canonical) = &self.canonical_request {
            fields.push(("CanonicalRequest", String::from_utf8_lossy(canonical).into_owned()));
            fields.push(("CanonicalRequestBytes", spaced_hex(canonical)));
        }
        fields
    }
}

fn spaced_hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
