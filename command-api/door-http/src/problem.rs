//! Errors on the wire: `application/problem+json` with `code`, `message`, `status`, `requestId`.
//!
//! Owns: the one map from refusals and failures to status and code.
//! Invariant: a message says nothing that only the operator's log may know.

use std::time::{Duration, UNIX_EPOCH};

use axum::response::{IntoResponse, Response};
use domain::Refusal;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pipeline::StoreError;
use pipeline::limits::TooMany;
use schemas::{Time, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audited::Code;
use crate::native::BodyTooLarge;

/// An error before the request's id is known to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) retry_after_s: Option<u64>,
    /// What else its answer carries.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
}

/// An error.
// Its fields are in the order in which the contract shows them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct Body<'a> {
    /// What went wrong, for programs.
    code: &'static str,
    /// What went wrong, for people.
    message: &'a str,
    /// The status of the answer.
    #[schema(minimum = 300, maximum = 599)]
    status: u16,
    /// The request; `X-Request-Id` has it too.
    request_id: &'a str,
}

/// An answer to HEAD has no body that could say it.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-lockwell-error-code");

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after_s: None, headers: Vec::new() }
    }

    /// With one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn with_code(self, code: &'static str) -> Self {
        Self { code, ..self }
    }

    pub(crate) fn internal(what: &str) -> Self {
        tracing::error!(what, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error")
    }

    pub(crate) fn payload_too_large(bound_bytes: u64) -> Self {
        let message = format!("the body may have {bound_bytes} bytes at most");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// 405, and what the path knows instead.
    pub(crate) fn method_not_allowed_but(allowed: &[&str]) -> Self {
        let allowed = HeaderValue::from_str(&allowed.join(", ")).unwrap_or(HeaderValue::from_static(""));
        Self::method_not_allowed().with(header::ALLOW, allowed)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn unauthorized() -> Self {
        // One message for missing, malformed, unknown and revoked: nobody learns which tokens ever existed.
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a working admin token is needed")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "the token does not grant this")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "the path does not know this method")
    }

    pub(crate) fn not_implemented(message: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", message)
    }

    pub(crate) fn rate_limited(retry_after_s: u64) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests; try again later");
        Self { retry_after_s: Some(retry_after_s), ..problem }
    }

    /// With another message.
    pub(crate) fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// With `Retry-After`.
    pub(crate) fn after_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    fn retry_after_ms(self, ms: u64) -> Self {
        Self { retry_after_s: Some(ms.div_ceil(1000).max(1)), ..self }
    }

    /// The answer. One to HEAD has no body, and one that says that nothing was modified neither.
    pub(crate) fn render_for(&self, method: &Method, request_id: &str) -> Response {
        let mut response = self.render(request_id);
        if *method == Method::HEAD {
            *response.body_mut() = axum::body::Body::empty();
            response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(self.code));
        }
        if self.status == StatusCode::NOT_MODIFIED {
            *response.body_mut() = axum::body::Body::empty();
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
        response
    }

    pub(crate) fn render(&self, request_id: &str) -> Response {
        let body = Body { code: self.code, message: &self.message, status: self.status.as_u16(), request_id };
        let body = serde_json::to_string(&body).expect("a problem is JSON");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.headers.iter().cloned().collect::<HeaderMap>());
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

impl From<TooMany> for Problem {
    fn from(too_many: TooMany) -> Self {
        Self::rate_limited(too_many.seconds)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let unavailable = || {
            let message = "the store is not available";
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after_ms(1000)
        };
        let internal = || Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "internal error");
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Busy { retry_after_ms } => {
                let message = "the store is busy; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message).retry_after_ms(retry_after_ms)
            }
            StoreError::Body(error) => match error.0.downcast_ref::<BodyTooLarge>() {
                Some(BodyTooLarge { bound_bytes }) => Self::payload_too_large(*bound_bytes),
                None => Self::invalid("the body is incomplete"),
            },
            StoreError::DiskFull => {
                let problem = Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "the server's disk is full");
                problem.retry_after_ms(pipeline::limits::DISK_FULL_RETRY_MS)
            }
            StoreError::Unavailable => unavailable(),
            StoreError::Corrupt { what } => {
                tracing::error!(what, "stored data is damaged");
                internal()
            }
            StoreError::Internal { what } => {
                tracing::error!(what, "a request failed");
                internal()
            }
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = status_and_code(&refusal);
        Self { headers: headers_of(&refusal), ..Self::new(status, code, refusal.to_string()) }
    }
}

const VERSION_ID: HeaderName = HeaderName::from_static("x-lockwell-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-lockwell-delete-marker");

/// What the answer to a read that was refused says of the version that it met. No administrator's command is refused so.
fn headers_of(refusal: &Refusal) -> Vec<(HeaderName, HeaderValue)> {
    let text = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    let marker = |version: &VersionId| {
        vec![(DELETE_MARKER, HeaderValue::from_static("true")), (VERSION_ID, text(version.to_string()))]
    };
    match refusal {
        Refusal::NoSuchKey { marker: Some(version) } => marker(version),
        Refusal::IsDeleteMarker { version, modified } => {
            let mut headers = marker(version);
            headers.push((header::LAST_MODIFIED, http_date(*modified)));
            headers.push((header::ALLOW, HeaderValue::from_static("DELETE")));
            headers
        }
        Refusal::NotModified { etag, modified, version } => {
            let mut headers =
                vec![(header::ETAG, text(format!("\"{etag}\""))), (header::LAST_MODIFIED, http_date(*modified))];
            headers.extend(version.map(|version| (VERSION_ID, text(version.to_string()))));
            headers
        }
        Refusal::InvalidRange { size_bytes } => vec![(header::CONTENT_RANGE, text(format!("bytes */{size_bytes}")))],
        _ => Vec::new(),
    }
}

/// An HTTP date. Whole seconds, as conditions compare them.
pub(crate) fn http_date(time: Time) -> HeaderValue {
    // httpdate knows the years to 9999 and panics behind them.
    let seconds = time.seconds().min(253_402_300_799);
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
    HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static(""))
}

/// No wildcard arm: a new refusal does not compile until it has a status.
fn status_and_code(refusal: &Refusal) -> (StatusCode, &'static str) {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match refusal {
        Refusal::AccessDenied => (StatusCode::FORBIDDEN, "forbidden"),
        Refusal::DeniedByPolicy => (StatusCode::FORBIDDEN, "policy_denied"),
        Refusal::MetadataTooLarge { .. }
        | Refusal::InvalidTag { .. }
        | Refusal::InvalidArgument { .. }
        | Refusal::DestinationNotAllowed { .. }
        | Refusal::KmsKeyNotNamed => (BAD, "invalid_request"),
        Refusal::PointInFuture { .. } => (BAD, "point_in_future"),
        Refusal::NoSuchPoint { .. } => (BAD, "no_such_point"),
        Refusal::BeforeHorizon { .. } => (StatusCode::GONE, "before_horizon"),
        Refusal::NoSuchSnapshot => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::SnapshotExists => (StatusCode::CONFLICT, "snapshot_already_exists"),
        Refusal::ReadOnlyBucket => (StatusCode::FORBIDDEN, "read_only_bucket"),
        Refusal::BucketIsKept { .. } => (StatusCode::CONFLICT, "bucket_is_kept"),
        Refusal::TooMany { .. } => (StatusCode::CONFLICT, "too_many"),
        Refusal::ChangedMeanwhile => (StatusCode::CONFLICT, "conflict"),
        Refusal::KmsKeyNotFound => (BAD, "kms_key_not_found"),
        Refusal::WrongCustomerKey => (BAD, "wrong_customer_key"),
        Refusal::MalformedPolicy { .. } => (BAD, "malformed_policy"),
        Refusal::AclNotSupported | Refusal::AclGrantsOthers | Refusal::PublicAclBlocked => (BAD, "acl_not_supported"),
        Refusal::MalformedAcl => (BAD, "malformed_acl"),
        Refusal::NoSuchGrantee | Refusal::NoSuchGranteeEmail | Refusal::AmbiguousGrantee => (BAD, "no_such_grantee"),
        Refusal::TenantDisabled => (StatusCode::FORBIDDEN, "tenant_disabled"),
        Refusal::TenantNotEmpty { .. } => (StatusCode::CONFLICT, "tenant_not_empty"),
        Refusal::NoSuchTenant
        | Refusal::NoSuchUser
        | Refusal::NoSuchSignedUrl
        | Refusal::NoSuchWebhook
        | Refusal::NoSuchAccessKey
        | Refusal::NoSuchAdminToken
        | Refusal::NoSuchBucket
        | Refusal::NoSuchKey { .. }
        | Refusal::NoSuchVersion
        | Refusal::NoSuchUpload => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::TenantExists => (StatusCode::CONFLICT, "tenant_already_exists"),
        Refusal::UserExists => (StatusCode::CONFLICT, "user_already_exists"),
        Refusal::AccessKeyExists => (StatusCode::CONFLICT, "access_key_already_exists"),
        Refusal::AccessKeyRevoked => (StatusCode::CONFLICT, "access_key_revoked"),
        Refusal::AdminTokenExists => (StatusCode::CONFLICT, "admin_token_already_exists"),
        Refusal::BucketAlreadyOwnedByYou | Refusal::BucketAlreadyExists => {
            (StatusCode::CONFLICT, "bucket_already_exists")
        }
        Refusal::BucketNotEmpty => (StatusCode::CONFLICT, "bucket_not_empty"),
        Refusal::TooManyBuckets => (BAD, "too_many_buckets"),
        Refusal::VersioningLocked => (StatusCode::CONFLICT, "versioning_locked"),
        Refusal::LockNeedsVersioning => (StatusCode::CONFLICT, "lock_needs_versioning"),
        Refusal::LockNotEnabled => (StatusCode::CONFLICT, "object_lock_not_enabled"),
        Refusal::InvalidRetentionPeriod { .. } => (BAD, "invalid_request"),
        Refusal::NoRetention => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::IsDeleteMarker { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Refusal::PreconditionFailed { .. } | Refusal::NothingToMatch { .. } => {
            (StatusCode::PRECONDITION_FAILED, "precondition_failed")
        }
        Refusal::NotModified { .. } => (StatusCode::NOT_MODIFIED, "not_modified"),
        Refusal::InvalidRange { .. } | Refusal::InvalidPartNumber { .. } => {
            (StatusCode::RANGE_NOT_SATISFIABLE, "invalid_range")
        }
        Refusal::InvalidPart { .. } => (BAD, "invalid_part"),
        Refusal::InvalidPartOrder => (BAD, "invalid_part_order"),
        Refusal::EntityTooSmall { .. } => (BAD, "entity_too_small"),
        Refusal::EntityTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large"),
        Refusal::IncompleteBody | Refusal::InvalidRequest { .. } | Refusal::CopyOntoItself => (BAD, "invalid_request"),
        Refusal::MalformedConfiguration => (BAD, "invalid_request"),
        Refusal::NotSupported { .. } => (StatusCode::NOT_IMPLEMENTED, "not_implemented"),
        Refusal::NoSuchLogTarget => (StatusCode::NOT_FOUND, "not_found"),
        Refusal::BadDigest | Refusal::ChecksumMismatch { .. } | Refusal::ContentSha256Mismatch => {
            (BAD, "checksum_mismatch")
        }
        Refusal::QuotaExceeded => (StatusCode::INSUFFICIENT_STORAGE, "quota_exceeded"),
        Refusal::ObjectLocked => (StatusCode::FORBIDDEN, "object_locked"),
        Refusal::ClockNotAcknowledged => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Refusal::Retained { .. } => (StatusCode::CONFLICT, "retained"),
        Refusal::Erased => (StatusCode::GONE, "erased"),
        Refusal::IdempotencyInProgress => (StatusCode::CONFLICT, "idempotency_in_progress"),
        Refusal::IdempotencyKeyReused => (StatusCode::CONFLICT, "idempotency_key_reused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_operator_may_know_stays_out_of_the_message() {
        for error in [
            StoreError::Corrupt { what: "segment 7 at 4096".to_owned() },
            StoreError::Internal { what: "segment 7 at 4096".to_owned() },
        ] {
            let problem = Problem::from(error);
            assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!problem.message.contains("segment"), "{}", problem.message);
        }
    }

    #[test]
    fn a_busy_store_says_when_to_come_back() {
        let problem = Problem::from(StoreError::Busy { retry_after_ms: 1200 });
        let response = problem.render("req_x");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn a_full_disk_says_when_to_come_back() {
        let response = Problem::from(StoreError::DiskFull).render("req_x");
        assert_eq!(response.status(), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "10");
    }

    #[test]
    fn the_contracts_statuses() {
        let check = |refusal: Refusal, status: u16, code: &str| {
            let problem = Problem::from(refusal);
            assert_eq!((problem.status.as_u16(), problem.code), (status, code));
        };
        check(Refusal::AccessDenied, 403, "forbidden");
        check(Refusal::NoSuchTenant, 404, "not_found");
        check(Refusal::BucketAlreadyExists, 409, "bucket_already_exists");
        check(Refusal::PreconditionFailed { condition: "If-Match" }, 412, "precondition_failed");
        check(Refusal::QuotaExceeded, 507, "quota_exceeded");
    }
}
