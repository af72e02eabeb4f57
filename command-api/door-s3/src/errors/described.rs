//! The table of what the store and its decisions say no with.

use std::borrow::Cow;

use domain::Refusal;
use http::header::{ALLOW, CONTENT_RANGE, ETAG, LAST_MODIFIED};
use http::{HeaderName, HeaderValue, StatusCode};
use pipeline::StoreError;
use schemas::Position;

use super::DoorError;
use crate::answer::{http_date, quoted, text_value};
use crate::auth::AuthError;
use crate::body::{BodyDecodeError, BodyHeaderError};
use crate::form::FileError;

/// An error as a client sees it.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// S3's code.
    pub(crate) code: &'static str,
    /// A sentence.
    pub(crate) message: Cow<'static, str>,
    /// Further elements of the XML.
    pub(crate) fields: Vec<(Cow<'static, str>, String)>,
    /// Further headers.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Described {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), fields: Vec::new(), headers: Vec::new() }
    }

    pub(crate) fn field(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn marker(self, is_marker: bool) -> Self {
        let text = if is_marker { "true" } else { "false" };
        self.header(HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static(text))
    }

    fn version(self, version: Option<schemas::VersionId>) -> Self {
        match version {
            Some(version) => self.header(HeaderName::from_static("x-amz-version-id"), text_value(version)),
            None => self,
        }
    }
}

/// What a client is told of the store's errors.
pub(crate) fn store(error: &StoreError) -> Described {
    let plain = Described::new;
    match error {
        StoreError::Refused(refusal) => refused(refusal),
        StoreError::Busy { retry_after_ms } => {
            let (name, value) = super::retry_after(*retry_after_ms);
            plain(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.").header(name, value)
        }
        StoreError::Body(error) => body(error),
        StoreError::DiskFull => {
            let (name, value) = super::retry_after(pipeline::limits::DISK_FULL_RETRY_MS);
            let message = "There is not enough free space to store this. Deletes and reads go on.";
            plain(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message).header(name, value)
        }
        StoreError::Unavailable => {
            let (name, value) = super::retry_after(1000);
            plain(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Please try again.").header(name, value)
        }
        StoreError::Corrupt { what: _ } | StoreError::Internal { what: _ } => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        ),
    }
}

/// The door's own body streams end with errors of its own; anything else is the connection that broke.
fn body(error: &pipeline::BodyError) -> Described {
    match (error.0.downcast_ref::<BodyDecodeError>(), error.0.downcast_ref::<FileError>()) {
        (Some(error), _) => coded(error.code()),
        (None, Some(FileError::Malformed)) => DoorError::MalformedPost.describe(),
        (None, Some(FileError::Length(error))) => auth(&AuthError::Policy(error.clone())),
        (None, Some(FileError::Broken(error))) if pipeline::limits::is_stalled(error) => DoorError::Stalled.describe(),
        (None, Some(FileError::Broken(_)) | None) => DoorError::IncompleteBody.describe(),
    }
}

fn coded((code, status, message): (&'static str, u16, String)) -> Described {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    Described::new(status, code, message)
}

/// What a client is told of its signature.
pub(crate) fn auth(error: &AuthError) -> Described {
    error.fields().into_iter().fold(coded(error.code()), |described, (name, value)| described.field(name, value))
}

/// What a client is told of what its headers say of the body.
pub(crate) fn body_header(error: &BodyHeaderError) -> Described {
    match error {
        // What is no digest at all cannot be the body's. AWS says InvalidRequest; suites expect what Ceph says.
        BodyHeaderError::InvalidChecksum { header: _ } => DoorError::BadDigest.describe(),
        _ => coded(error.code()),
    }
}

/// From where on there is content, and what ended what was asked for.
fn before_horizon(earliest: Position, removed_by: Option<Position>) -> Described {
    let ended = removed_by.map(|position| format!(" The event at pos:{position} had removed or replaced it."));
    let ended = ended.unwrap_or_default();
    let message = format!("The content is not kept any more: all of it is there from pos:{earliest} on.{ended}");
    let described =
        Described::new(StatusCode::GONE, "BeforeHorizon", message).field("EarliestPoint", format!("pos:{earliest}"));
    match removed_by {
        Some(position) => described.field("RemovedBy", format!("pos:{position}")),
        None => described,
    }
}

fn refused(refusal: &Refusal) -> Described {
    use StatusCode as S;
    let plain = Described::new;
    match refusal {
        Refusal::AccessDenied | Refusal::DeniedByPolicy => plain(S::FORBIDDEN, "AccessDenied", "Access Denied"),
        Refusal::NoSuchTenant => plain(S::NOT_FOUND, "NoSuchTenant", "The specified tenant does not exist."),
        Refusal::TenantExists => plain(S::CONFLICT, "TenantAlreadyExists", "The specified tenant exists."),
        Refusal::TenantDisabled => plain(S::FORBIDDEN, "AccessDenied", "The account is disabled."),
        Refusal::TenantNotEmpty { .. } => plain(S::CONFLICT, "TenantNotEmpty", "The specified tenant has buckets."),
        Refusal::NoSuchSignedUrl => plain(S::NOT_FOUND, "NoSuchSignedUrl", "The specified URL does not exist."),
        Refusal::NoSuchWebhook => plain(S::NOT_FOUND, "NoSuchWebhook", "The specified webhook does not exist."),
        Refusal::PointInFuture { .. } => plain(S::BAD_REQUEST, "PointInFuture", "The point is in the future."),
        Refusal::BeforeHorizon { earliest, removed_by } => before_horizon(*earliest, *removed_by),
        Refusal::NoSuchPoint { what } => {
            Described::new(S::BAD_REQUEST, "NoSuchPoint", format!("There is no {what} of that id."))
        }
        Refusal::NoSuchSnapshot => plain(S::NOT_FOUND, "NoSuchSnapshot", "The specified snapshot does not exist."),
        Refusal::SnapshotExists => {
            plain(S::CONFLICT, "SnapshotAlreadyExists", "The snapshot exists, and shows another point.")
        }
        Refusal::ReadOnlyBucket => {
            plain(S::FORBIDDEN, "AccessDenied", "The bucket shows what another one was. It cannot be written.")
        }
        Refusal::BucketIsKept { by } => Described::new(
            S::CONFLICT,
            "BucketIsKept",
            format!("The past of the bucket is kept by {by}. They must be deleted first."),
        ),
        Refusal::TooMany { what } => Described::new(S::CONFLICT, "TooMany", format!("There are too many {what}.")),
        Refusal::DestinationNotAllowed { reason } => Described::new(S::BAD_REQUEST, "InvalidArgument", reason.clone())
            .field("ArgumentName", "NotificationConfiguration"),
        Refusal::ChangedMeanwhile => plain(
            S::CONFLICT,
            "OperationAborted",
            "A conflicting conditional operation is currently in progress against this resource. Please try again.",
        ),
        Refusal::NoSuchUser => plain(S::NOT_FOUND, "NoSuchUser", "The specified user does not exist."),
        Refusal::UserExists => plain(S::CONFLICT, "UserAlreadyExists", "The specified user exists."),
        Refusal::NoSuchAccessKey => plain(S::NOT_FOUND, "NoSuchAccessKey", "The specified access key does not exist."),
        Refusal::AccessKeyExists => plain(S::CONFLICT, "AccessKeyAlreadyExists", "The specified access key exists."),
        Refusal::AccessKeyRevoked => plain(S::CONFLICT, "AccessKeyRevoked", "The specified access key is revoked."),
        Refusal::NoSuchAdminToken => plain(S::NOT_FOUND, "NoSuchAdminToken", "The specified token does not exist."),
        Refusal::AdminTokenExists => plain(S::CONFLICT, "AdminTokenAlreadyExists", "The specified token exists."),
        Refusal::NoSuchBucket => plain(S::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist"),
        Refusal::BucketAlreadyOwnedByYou => plain(
            S::CONFLICT,
            "BucketAlreadyOwnedByYou",
            "Your previous request to create the named bucket succeeded and you already own it.",
        ),
        Refusal::BucketAlreadyExists => plain(
            S::CONFLICT,
            "BucketAlreadyExists",
            "The requested bucket name is not available. Please select a different name and try again.",
        ),
        Refusal::BucketNotEmpty => plain(S::CONFLICT, "BucketNotEmpty", "The bucket you tried to delete is not empty"),
        Refusal::TooManyBuckets => {
            plain(S::BAD_REQUEST, "TooManyBuckets", "You have attempted to create more buckets than allowed")
        }
        Refusal::VersioningLocked => plain(
            S::CONFLICT,
            "InvalidBucketState",
            "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
        ),
        Refusal::LockNeedsVersioning => plain(
            S::CONFLICT,
            "InvalidBucketState",
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        ),
        Refusal::InvalidRetentionPeriod { reason } => plain(S::BAD_REQUEST, "InvalidRetentionPeriod", reason),
        Refusal::NoRetention => plain(
            S::NOT_FOUND,
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
        ),
        Refusal::NoSuchKey { marker } | Refusal::NothingToMatch { marker } => {
            plain(S::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
                .marker(marker.is_some())
                .version(*marker)
        }
        Refusal::NoSuchVersion => plain(S::NOT_FOUND, "NoSuchVersion", "The specified version does not exist."),
        Refusal::IsDeleteMarker { version, modified } => plain(
            S::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
        )
        .field("ResourceType", "DeleteMarker")
        .marker(true)
        .version(Some(*version))
        .header(LAST_MODIFIED, http_date(*modified))
        .header(ALLOW, HeaderValue::from_static("DELETE")),
        Refusal::PreconditionFailed { condition } => plain(
            S::PRECONDITION_FAILED,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
        )
        .field("Condition", *condition),
        Refusal::NotModified { etag, modified, version } => plain(S::NOT_MODIFIED, "NotModified", "Not Modified")
            .header(ETAG, quoted(etag))
            .header(LAST_MODIFIED, http_date(*modified))
            .version(*version),
        Refusal::InvalidRange { size_bytes } => {
            plain(S::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable")
                .field("ActualObjectSize", size_bytes.to_string())
                .header(CONTENT_RANGE, text_value(format_args!("bytes */{size_bytes}")))
        }
        Refusal::InvalidPartNumber { parts } => {
            plain(S::BAD_REQUEST, "InvalidPart", "The requested partnumber is not satisfiable")
                .field("ActualPartCount", parts.to_string())
        }
        Refusal::NoSuchUpload => DoorError::NoSuchUpload.describe(),
        Refusal::InvalidPart { number } => plain(
            S::BAD_REQUEST,
            "InvalidPart",
            "One or more of the specified parts could not be found. The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag.",
        )
        .field("PartNumber", number.to_string()),
        Refusal::InvalidPartOrder => plain(
            S::BAD_REQUEST,
            "InvalidPartOrder",
            "The list of parts was not in ascending order. Parts must be ordered by part number.",
        ),
        Refusal::EntityTooSmall { number, size_bytes, bound_bytes } => {
            plain(S::BAD_REQUEST, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
                .field("PartNumber", number.to_string())
                .field("ProposedSize", size_bytes.to_string())
                .field("MinSizeAllowed", bound_bytes.to_string())
        }
        Refusal::EntityTooLarge { size_bytes, bound_bytes } => {
            plain(S::BAD_REQUEST, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
                .field("ProposedSize", size_bytes.to_string())
                .field("MaxSizeAllowed", bound_bytes.to_string())
        }
        Refusal::IncompleteBody => DoorError::IncompleteBody.describe(),
        Refusal::MetadataTooLarge { size_bytes, .. } => {
            DoorError::MetadataTooLarge { size_bytes: *size_bytes }.describe()
        }
        Refusal::InvalidTag { reason } => plain(S::BAD_REQUEST, "InvalidTag", reason),
        Refusal::BadDigest => {
            plain(S::BAD_REQUEST, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        }
        Refusal::ChecksumMismatch { algorithm } => Described::new(
            S::BAD_REQUEST,
            "BadDigest",
            format!("The {algorithm} you specified did not match the calculated checksum."),
        ),
        Refusal::ContentSha256Mismatch => plain(
            S::BAD_REQUEST,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
        Refusal::InvalidRequest { reason } => plain(S::BAD_REQUEST, "InvalidRequest", reason),
        Refusal::LockNotEnabled => {
            plain(S::BAD_REQUEST, "InvalidRequest", "Bucket is missing Object Lock Configuration")
        }
        Refusal::MalformedPolicy { reason } => Described::new(S::BAD_REQUEST, "MalformedPolicy", reason.clone()),
        Refusal::MalformedConfiguration => DoorError::MalformedXml.describe(),
        Refusal::NotSupported { what } => DoorError::NotImplemented { what }.describe(),
        // AWS says InvalidTargetBucketForLogging; suites expect what Ceph says.
        Refusal::NoSuchLogTarget => plain(S::NOT_FOUND, "NoSuchKey", "The target bucket for logging does not exist"),
        Refusal::InvalidArgument { name, reason } => DoorError::InvalidArgument { name, reason }.describe(),
        Refusal::KmsKeyNotNamed => DoorError::InvalidArgument {
            name: "x-amz-server-side-encryption-aws-kms-key-id",
            reason: "A KMS key must be named: neither the bucket nor the server has a default one.",
        }
        .describe(),
        Refusal::KmsKeyNotFound => {
            plain(S::BAD_REQUEST, "KMS.NotFoundException", "There is no KMS key of the specified id.")
        }
        // AWS says AccessDenied; suites expect what Ceph says.
        Refusal::WrongCustomerKey => plain(
            S::BAD_REQUEST,
            "InvalidRequest",
            "The provided encryption parameters did not match the ones used originally.",
        ),
        Refusal::AclNotSupported => {
            plain(S::BAD_REQUEST, "AccessControlListNotSupported", "The bucket does not allow ACLs")
        }
        Refusal::AclGrantsOthers => plain(
            S::BAD_REQUEST,
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        ),
        Refusal::PublicAclBlocked => plain(
            S::BAD_REQUEST,
            "InvalidBucketAclWithBlockPublicAccessError",
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        ),
        Refusal::MalformedAcl => plain(
            S::BAD_REQUEST,
            "MalformedACLError",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ),
        Refusal::NoSuchGrantee => {
            plain(S::BAD_REQUEST, "InvalidArgument", "Invalid id").field("ArgumentName", "CanonicalUser/ID")
        }
        Refusal::NoSuchGranteeEmail => plain(
            S::BAD_REQUEST,
            "UnresolvableGrantByEmailAddress",
            "The e-mail address you provided does not match any account on record.",
        ),
        Refusal::AmbiguousGrantee => plain(
            S::BAD_REQUEST,
            "AmbiguousGrantByEmailAddress",
            "The e-mail address you provided is associated with more than one account.",
        ),
        Refusal::CopyOntoItself => plain(
            S::BAD_REQUEST,
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ),
        Refusal::QuotaExceeded => plain(S::FORBIDDEN, "QuotaExceeded", "The quota does not allow it."),
        Refusal::ObjectLocked => {
            plain(S::FORBIDDEN, "AccessDenied", "Access Denied because object protected by object lock.")
        }
        Refusal::ClockNotAcknowledged => plain(
            S::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The bucket's default retention cannot begin before an operator has acknowledged the server's clock.",
        ),
        Refusal::Retained { rule } => Described::new(S::CONFLICT, "InvalidBucketState", rule.clone()),
        Refusal::Erased => plain(S::GONE, "ContentErased", "The content of this object was erased for good."),
        Refusal::IdempotencyInProgress => {
            plain(S::CONFLICT, "OperationAborted", "A request with this idempotency key is being carried out.")
        }
        Refusal::IdempotencyKeyReused => {
            plain(S::CONFLICT, "IdempotencyKeyReused", "The idempotency key was used for another request.")
        }
    }
}

#[cfg(test)]
mod tests {
    use schemas::content::ETag;
    use schemas::{EventId, Position, Time, VersionId};

    use super::*;
    use crate::errors::Failure;

    fn row(failure: &Failure) -> String {
        let Described { status, code, fields, headers, .. } = failure.describe();
        let mut row = format!("{} {code}", status.as_u16());
        for (name, value) in fields {
            row.push_str(&format!(" {name}={value}"));
        }
        for (name, value) in headers {
            row.push_str(&format!(" [{name}: {}]", value.to_str().expect("ascii")));
        }
        row
    }

    #[test]
    fn the_table_of_the_store() {
        let version = VersionId::Event(EventId { epoch: schemas::Epoch(1), position: Position(7) });
        let (etag, modified) = (ETag { md5: [1; 16], parts: 0 }, Time(1_255_369_830_000_000));
        let refusals = [
            Refusal::AccessDenied,
            Refusal::TenantDisabled,
            Refusal::NoSuchBucket,
            Refusal::BucketAlreadyOwnedByYou,
            Refusal::BucketAlreadyExists,
            Refusal::BucketNotEmpty,
            Refusal::TooManyBuckets,
            Refusal::VersioningLocked,
            Refusal::LockNeedsVersioning,
            Refusal::InvalidRetentionPeriod { reason: "because" },
            Refusal::NoRetention,
            Refusal::NoSuchKey { marker: None },
            Refusal::NoSuchKey { marker: Some(version) },
            Refusal::NoSuchVersion,
            Refusal::IsDeleteMarker { version, modified },
            Refusal::PreconditionFailed { condition: "If-Match" },
            Refusal::NotModified { etag, modified, version: Some(version) },
            Refusal::InvalidRange { size_bytes: 5 },
            Refusal::InvalidPartNumber { parts: 3 },
            Refusal::NoSuchUpload,
            Refusal::InvalidPart { number: 2 },
            Refusal::InvalidPartOrder,
            Refusal::EntityTooSmall { number: 1, size_bytes: 2, bound_bytes: 3 },
            Refusal::EntityTooLarge { size_bytes: 3, bound_bytes: 2 },
            Refusal::IncompleteBody,
            Refusal::BadDigest,
            Refusal::ChecksumMismatch { algorithm: "CRC32" },
            Refusal::ContentSha256Mismatch,
            Refusal::InvalidRequest { reason: "because" },
            Refusal::MalformedPolicy { reason: "because".into() },
            Refusal::MalformedConfiguration,
            Refusal::NotSupported { what: "QueueConfiguration" },
            Refusal::NoSuchLogTarget,
            Refusal::InvalidArgument { name: "name", reason: "because" },
            Refusal::KmsKeyNotNamed,
            Refusal::KmsKeyNotFound,
            Refusal::WrongCustomerKey,
            Refusal::AclNotSupported,
            Refusal::AclGrantsOthers,
            Refusal::PublicAclBlocked,
            Refusal::MalformedAcl,
            Refusal::NoSuchGrantee,
            Refusal::NoSuchGranteeEmail,
            Refusal::AmbiguousGrantee,
            Refusal::CopyOntoItself,
            Refusal::QuotaExceeded,
            Refusal::ObjectLocked,
            Refusal::ClockNotAcknowledged,
            Refusal::Retained { rule: "a version is retained".into() },
            Refusal::Erased,
        ];
        let mut rows: Vec<String> = refusals.into_iter().map(|it| row(&Failure::Store(it.into()))).collect();
        rows.extend(
            [
                StoreError::Busy { retry_after_ms: 1200 },
                StoreError::DiskFull,
                StoreError::Unavailable,
                StoreError::Corrupt { what: "secret".into() },
                StoreError::Internal { what: "secret".into() },
                StoreError::Body(pipeline::BodyError("the connection broke".into())),
            ]
            .map(|error| row(&Failure::Store(error))),
        );
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[tokio::test]
    async fn an_error_has_its_xml_and_no_secret() {
        let text = async |failure: Failure, method: http::Method| {
            let response = failure.answer(&method, "/b/k%20k", "REQUEST", "HOST");
            let body = axum::body::to_bytes(response.into_body(), 10_000).await.expect("a body");
            String::from_utf8(body.to_vec()).expect("text")
        };
        insta::assert_snapshot!(text(DoorError::KeyTooLong { size_bytes: 1025 }.into(), http::Method::GET).await);
        let internal = || Failure::Store(StoreError::Internal { what: "secret".into() });
        assert!(!text(internal(), http::Method::GET).await.contains("secret"));
        assert_eq!(text(internal(), http::Method::HEAD).await, "");
    }
}
