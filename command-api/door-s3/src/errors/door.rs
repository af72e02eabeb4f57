//! What the door itself finds wrong with a request.

use http::StatusCode;

use super::Described;

/// Why the door did not pass a request on. Asking again the same way changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DoorError {
    /// S3 has it and this door has not.
    NotImplemented {
        /// A query name, header or feature.
        what: &'static str,
    },
    /// S3 has no such method here.
    MethodNotAllowed,
    /// The path or query is not percent-encoded UTF-8.
    InvalidUri,
    /// The name breaks a rule for buckets.
    InvalidBucketName {
        /// As it came.
        name: String,
    },
    /// The key has over 1,024 bytes.
    KeyTooLong {
        /// Bytes it has.
        size_bytes: usize,
    },
    /// A parameter, header or element has a value it cannot have.
    InvalidArgument {
        /// Its name.
        name: &'static str,
        /// A sentence for the client.
        reason: &'static str,
    },
    /// The request as a whole makes no sense.
    InvalidRequest {
        /// A sentence for the client.
        reason: &'static str,
    },
    /// The body is not the XML it should be.
    MalformedXml,
    /// A list of grants in headers and another in the body.
    UnexpectedContent,
    /// Nothing says what is asked for.
    MissingSecurityHeader {
        /// A header that would.
        name: &'static str,
    },
    /// Neither enabled nor suspended.
    IllegalVersioning,
    /// The body is larger than any request of its kind.
    BodyTooLarge {
        /// Bytes it may have.
        bound_bytes: u64,
    },
    /// An object of over 5 GiB in one request.
    EntityTooLarge {
        /// Bytes that were announced.
        size_bytes: u64,
    },
    /// A body without a length.
    MissingContentLength,
    /// User metadata is over 2 KiB.
    MetadataTooLarge {
        /// Bytes it has.
        size_bytes: usize,
    },
    /// Not a storage class, or one that is not stored here.
    InvalidStorageClass,
    /// The upload id is none of ours.
    NoSuchUpload,
    /// A tag breaks a rule.
    InvalidTag {
        /// A sentence for the client.
        reason: &'static str,
    },
    /// The bucket has no such configuration.
    NotConfigured {
        /// S3 has a code for each.
        code: &'static str,
        /// A sentence for the client.
        message: &'static str,
    },
    /// The body is not the form it should be.
    MalformedPost,
    /// The fields before a form's file are too large.
    FormTooLarge,
    /// A POST to a bucket that is no form.
    NotAForm,
    /// A digest is not the body's, or is none at all.
    BadDigest,
    /// The region that the client asks for is not this server's.
    IllegalLocation {
        /// As it came.
        constraint: String,
    },
    /// A preflight for a bucket that has no CORS rules.
    CorsNotEnabled {
        /// Method of the request that is to follow.
        method: &'static str,
        /// `BUCKET` or `OBJECT`.
        resource: &'static str,
    },
    /// A preflight that no CORS rule allows.
    CorsForbidden {
        /// Method of the request that is to follow.
        method: &'static str,
        /// `BUCKET` or `OBJECT`.
        resource: &'static str,
    },
    /// An OPTIONS request that is no preflight.
    PreflightWithoutOrigin,
    /// A preflight for no method, or one that S3 has not.
    PreflightMethod,
    /// There are no torrents; S3 has given them up too.
    NoTorrent,
    /// No signature, and nobody is let in without one.
    Anonymous,
    /// The client stopped sending.
    IncompleteBody,
    /// The client stopped in the middle of its body, and kept the connection.
    Stalled,
}

impl DoorError {
    /// The one table of the door's own errors.
    pub(crate) fn describe(&self) -> Described {
        let plain = Described::new;
        match self {
            Self::NotImplemented { what } => plain(
                StatusCode::NOT_IMPLEMENTED,
                "NotImplemented",
                "A header or query you provided implies functionality that is not implemented.",
            )
            .field("Header", *what),
            Self::MethodNotAllowed => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "The specified method is not allowed against this resource.",
            ),
            Self::InvalidUri => plain(StatusCode::BAD_REQUEST, "InvalidURI", "Couldn't parse the specified URI."),
            Self::InvalidBucketName { name } => {
                plain(StatusCode::BAD_REQUEST, "InvalidBucketName", "The specified bucket is not valid.")
                    .field("BucketName", name)
            }
            Self::KeyTooLong { size_bytes } => {
                plain(StatusCode::BAD_REQUEST, "KeyTooLongError", "Your key is too long.")
                    .field("Size", size_bytes.to_string())
                    .field("MaxSizeAllowed", schemas::ObjectKey::BYTES_MAX.to_string())
            }
            Self::InvalidArgument { name, reason } => {
                plain(StatusCode::BAD_REQUEST, "InvalidArgument", reason).field("ArgumentName", *name)
            }
            Self::InvalidRequest { reason } => plain(StatusCode::BAD_REQUEST, "InvalidRequest", reason),
            Self::MalformedXml => plain(
                StatusCode::BAD_REQUEST,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema.",
            ),
            Self::UnexpectedContent => {
                plain(StatusCode::BAD_REQUEST, "UnexpectedContent", "This request does not support content")
            }
            Self::MissingSecurityHeader { name } => {
                plain(StatusCode::BAD_REQUEST, "MissingSecurityHeader", "Your request was missing a required header")
                    .field("MissingHeaderName", *name)
            }
            Self::IllegalVersioning => plain(
                StatusCode::BAD_REQUEST,
                "IllegalVersioningConfigurationException",
                "The Versioning element must be specified",
            ),
            Self::BodyTooLarge { bound_bytes } => {
                plain(StatusCode::BAD_REQUEST, "MaxMessageLengthExceeded", "Your request was too big.")
                    .field("MaxMessageLengthBytes", bound_bytes.to_string())
            }
            Self::EntityTooLarge { size_bytes } => plain(
                StatusCode::BAD_REQUEST,
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size.",
            )
            .field("ProposedSize", size_bytes.to_string())
            .field("MaxSizeAllowed", crate::payload::SINGLE_PUT_BYTES_MAX.to_string()),
            Self::MissingContentLength => plain(
                StatusCode::LENGTH_REQUIRED,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header.",
            ),
            Self::MetadataTooLarge { size_bytes } => plain(
                StatusCode::BAD_REQUEST,
                "MetadataTooLarge",
                "Your metadata headers exceed the maximum allowed metadata size.",
            )
            .field("Size", size_bytes.to_string())
            .field("MaxSizeAllowed", crate::headers::METADATA_BYTES_MAX.to_string()),
            Self::InvalidStorageClass => {
                plain(StatusCode::BAD_REQUEST, "InvalidStorageClass", "The storage class you specified is not valid.")
            }
            Self::NoSuchUpload => plain(
                StatusCode::NOT_FOUND,
                "NoSuchUpload",
                "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload \
                 might have been aborted or completed.",
            ),
            Self::InvalidTag { reason } => plain(StatusCode::BAD_REQUEST, "InvalidTag", reason),
            Self::NotConfigured { code, message } => plain(StatusCode::NOT_FOUND, code, message),
            Self::MalformedPost => plain(
                StatusCode::BAD_REQUEST,
                "MalformedPOSTRequest",
                "The body of your POST request is not well-formed multipart/form-data.",
            ),
            Self::FormTooLarge => plain(
                StatusCode::BAD_REQUEST,
                "MaxPostPreDataLengthExceededError",
                "Your POST request fields preceding the upload file were too large.",
            )
            .field("MaxPostPreDataLengthBytes", crate::form::FIELDS_BYTES_MAX.to_string()),
            Self::NotAForm => plain(
                StatusCode::PRECONDITION_FAILED,
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            )
            .field("Condition", "Bucket POST must be of the enclosure-type multipart/form-data"),
            Self::BadDigest => {
                plain(StatusCode::BAD_REQUEST, "BadDigest", "The digest you specified did not match what we received.")
            }
            Self::IllegalLocation { constraint } => Described::new(
                StatusCode::BAD_REQUEST,
                "IllegalLocationConstraintException",
                format!(
                    "The {constraint} location constraint is incompatible for the region specific endpoint this request \
                     was sent to."
                ),
            ),
            Self::Anonymous => plain(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied"),
            Self::CorsNotEnabled { method, resource } => {
                plain(StatusCode::FORBIDDEN, "AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
                    .field("Method", *method)
                    .field("ResourceType", *resource)
            }
            Self::CorsForbidden { method, resource } => plain(
                StatusCode::FORBIDDEN,
                "AccessForbidden",
                "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
                 request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted \
                 by the resource's CORS spec.",
            )
            .field("Method", *method)
            .field("ResourceType", *resource),
            Self::PreflightWithoutOrigin => {
                plain(StatusCode::BAD_REQUEST, "BadRequest", "Insufficient information. Origin request header needed.")
            }
            Self::PreflightMethod => {
                plain(StatusCode::BAD_REQUEST, "BadRequest", "Invalid Access-Control-Request-Method")
            }
            Self::NoTorrent => plain(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key has no torrent."),
            Self::Stalled => plain(StatusCode::BAD_REQUEST, "RequestTimeout", crate::body::STALLED),
            Self::IncompleteBody => plain(
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header.",
            ),
        }
    }
}
