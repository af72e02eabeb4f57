//! The door as a service: each request is understood, done, and answered.
//!
//! Owns: what every answer carries, the span of a request. Does not own: any operation.
//! Invariant: no byte of a body is read before its sender is known (a form's fields alone say who it is), so `Expect: 100-continue` asks for it only then.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::response::Response;
use domain::Refusal;
use http::header::SERVER;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pipeline::limits::TooMany;
use pipeline::{Caller, Store, StoreError};
use schemas::action::Action;
use schemas::{AccessKeyId, RequestId, TenantName};
use tracing::{Instrument, field};

use crate::access_log::{Answered, Known};
use crate::ask::Ask;
use crate::audit::{Auditing, counted};
use crate::auth::AuthError;
use crate::errors::{DoorError, Failure};
use crate::front::{Understood, understand};
use crate::gate::Gate;
use crate::kept::Kept;
use crate::ownership::Controls;
use crate::payload::Payload;
use crate::policy::Access;
use crate::route::{Operation, Target, without_port};
use crate::{
    access_log, acl, attributes, bucket, bucket_encryption, copy, cors, delete, form, lifecycle, list, locks, logging,
    multipart, notification, object_read, object_write, ownership, past, policy, receipt, tagging, uploads, versions,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// How the door is set up.
#[derive(Clone)]
pub struct Options {
    /// The one region that requests may be signed for; none accepts any.
    pub region: Option<String>,
    /// The region of buckets whose creator names none.
    pub default_region: String,
    /// Domains whose subdomains are buckets, such as `s3.localhost`.
    pub hosts: Vec<String>,
    /// Where clients reach this server, when a proxy stands before it: `https://s3.example.com`.
    pub public_url: Option<String>,
    /// Whether requests without a credential are taken.
    pub allow_anonymous: bool,
    /// The tenant that requests without a credential are for, unless their host says another.
    pub anonymous_tenant: Option<TenantName>,
    /// The tenants that requests without a credential are for, by host: lower case, no port.
    pub tenant_hosts: BTreeMap<String, TenantName>,
    /// Whether signatures of Version 2 are taken.
    pub allow_sigv2: bool,
    /// What this server is called in `x-amz-id-2`.
    pub host_id: String,
    /// Names requests.
    pub ids: Arc<dyn Fn() -> RequestId + Send + Sync>,
    /// Wall clock: microseconds since the Unix epoch.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Options {
    /// The tenant that a request without a credential is for: of its host, or of the domain that its bucket stands under.
    pub(crate) fn tenant_without_credential(&self, host: Option<&str>, target: &Target) -> Option<&TenantName> {
        let host = host.map(|host| without_port(host).to_ascii_lowercase());
        let by_host = host.and_then(|host| {
            let base = target.bucket.as_ref().filter(|_| target.by_host);
            let base = base.and_then(|bucket| host.strip_prefix(bucket.as_str())?.strip_prefix('.'));
            self.tenant_hosts.get(&host).or_else(|| self.tenant_hosts.get(base?))
        });
        by_host.or(self.anonymous_tenant.as_ref())
    }
}

/// What every operation needs of the server.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) gate: Gate,
}

/// The S3 door over a store. It answers every path it is given.
pub fn router(store: Store, options: Options) -> axum::Router {
    let app = Arc::new(App { gate: Gate::new(&options), store, options });
    axum::Router::new().fallback(move |request: axum::extract::Request| {
        let app = Arc::clone(&app);
        async move { serve(&app, request).await }
    })
}

async fn serve(app: &Arc<App>, request: axum::extract::Request) -> Response {
    let request_id = (app.options.ids)();
    let (parts, body) = request.into_parts();
    let (kept, begun_us) = (Arc::new(Kept::of(&parts)), (app.options.clock)());
    let (body, received) = counted(body);
    let span = tracing::info_span!("s3", %request_id, tenant = field::Empty, operation = field::Empty);
    let auditing = Auditing::begin(app, &request_id, begun_us, &kept, received);
    let (known, mut code) = (Arc::clone(&auditing.known), None);
    let running = Box::pin(run(app, parts, body, &request_id, &kept, &known));
    let done = auditing.trace().scope(running).instrument(span.clone()).await;
    let mut response = done.unwrap_or_else(|failure| {
        let _entered = span.enter();
        failure.log();
        code = Some(failure.describe().code);
        failure.answer(&kept.method, kept.uri.path(), &request_id.0, &app.options.host_id)
    });
    if kept.method != Method::OPTIONS {
        let tenant = known.get().map(|known: &Known| known.tenant);
        // What was done is done: only the page does not get to know.
        let decorated = cors::decorate(app, &kept, tenant, response.headers_mut());
        decorated.unwrap_or_else(|failure| failure.log());
    }
    name(response.headers_mut(), &request_id, &app.options.host_id);
    let response = auditing.answered(code, response);
    access_log::note(app, kept, &Answered { request: &request_id, begun_us, known: known.get(), code }, response)
}

/// What every answer carries.
fn name(headers: &mut HeaderMap, request_id: &RequestId, host_id: &str) {
    headers.insert(REQUEST_ID, crate::answer::text_value(request_id));
    headers.insert(HOST_ID, crate::answer::text_value(host_id));
    headers.insert(SERVER, HeaderValue::from_static("Holdfast"));
}

async fn run(
    app: &App,
    parts: Parts,
    body: axum::body::Body,
    request_id: &RequestId,
    kept: &Kept,
    known: &OnceLock<Known>,
) -> Result<Response, Failure> {
    app.store.limits().of_source(kept.source()).map_err(slow_down)?;
    // Browsers ask before they authenticate.
    if kept.method == Method::OPTIONS {
        return cors::preflight(app, kept);
    }
    if form::is_upload(&parts, &app.options) {
        return form::upload(app, parts, body, request_id, kept, known).await;
    }
    let version = parts.version;
    let credential = |access_key: &AccessKeyId| app.store.credential(access_key);
    let anonymous = |tenant: &TenantName| app.store.anonymous_tenant(tenant);
    let admitted = |caller: &Caller, target: &Target| {
        known.get_or_init(|| Known::by(caller, target.bucket.as_deref(), target.key.as_deref()));
        within_limit(app, caller)
    };
    let understood = understand(&app.gate, &app.options, parts, request_id, credential, anonymous, admitted)?;
    let Understood { operation, ask, verified } = understood;
    if let Some(known) = known.get() {
        let _ = known.operation.set(operation);
    }
    past::only_reads(&ask, &kept.method)?;
    let mut done = perform(app, operation, &ask, Payload::new(verified, body, version)).await;
    if let Ok(response) = &mut done {
        past::say(response.headers_mut(), &ask.caller);
    }
    done.map_err(|failure| denied_first(app, operation, &ask, failure))
}

/// Counts a request of whoever was admitted.
///
/// # Errors
/// Its key asked too often.
pub(crate) fn within_limit(app: &App, caller: &Caller) -> Result<(), Failure> {
    let key = caller.access_key();
    key.map_or(Ok(()), |key| app.store.limits().of_key(key.as_str()).map_err(slow_down))
}

fn slow_down(too_many: TooMany) -> Failure {
    StoreError::Busy { retry_after_ms: too_many.seconds.saturating_mul(1_000) }.into()
}

/// As in S3, whoever may not write at all hears that, and not what is wrong with what it wrote.
fn denied_first(app: &App, operation: Operation, ask: &Ask, failure: Failure) -> Failure {
    let may = if let Some(action) = sets_of_bucket(operation) {
        app.store.may(&ask.caller, action, &ask.bucket(), None)
    } else if let (Some(action), Failure::Door(_)) = (writes_object(operation), &failure) {
        app.store.may(&ask.caller, action, &ask.bucket(), Some(&ask.key()))
    } else {
        return failure;
    };
    match may {
        Err(denied @ StoreError::Refused(Refusal::AccessDenied | Refusal::DeniedByPolicy)) => denied.into(),
        _ => failure,
    }
}

/// What it takes to set what this sets of a bucket.
fn sets_of_bucket(operation: Operation) -> Option<Action> {
    match operation {
        Operation::PutBucketVersioning => Some(Action::PutBucketVersioning),
        Operation::PutBucketLifecycle => Some(Action::PutLifecycleConfiguration),
        Operation::PutBucketCors => Some(Action::PutBucketCors),
        Operation::PutBucketLogging => Some(Action::PutBucketLogging),
        Operation::PutBucketNotification => Some(Action::PutBucketNotification),
        Operation::PutBucketTagging => Some(Action::PutBucketTagging),
        Operation::PutObjectLockConfiguration => Some(Action::PutBucketObjectLockConfiguration),
        Operation::PutBucketAcl => Some(Action::PutBucketAcl),
        Operation::PutBucketEncryption => Some(Action::PutEncryptionConfiguration),
        Operation::Ownership(Controls::Put) => Some(Action::PutBucketOwnershipControls),
        Operation::Access(Access::PutPolicy) => Some(Action::PutBucketPolicy),
        Operation::Access(Access::PutPublicAccessBlock) => Some(Action::PutBucketPublicAccessBlock),
        _ => None,
    }
}

/// What it takes to write this of an object.
fn writes_object(operation: Operation) -> Option<Action> {
    match operation {
        Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => Some(Action::PutObject),
        Operation::PutObjectAcl => Some(Action::PutObjectAcl),
        Operation::PutObjectTagging => Some(Action::PutObjectTagging),
        Operation::PutObjectRetention => Some(Action::PutObjectRetention),
        Operation::PutObjectLegalHold => Some(Action::PutObjectLegalHold),
        _ => None,
    }
}

async fn perform(app: &App, operation: Operation, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let with_receipt = receipt::is_asked(operation, &ask.headers)?;
    bucket::expected_owner(app, ask).await?;
    let response = carry_out(app, operation, ask, payload).await?;
    Ok(if with_receipt { receipt::add(app, ask, response).await } else { response })
}

async fn carry_out(app: &App, operation: Operation, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    match operation {
        Operation::ListBuckets => bucket::list(app, ask).await,
        Operation::CreateBucket => bucket::create(app, ask, payload).await,
        Operation::HeadBucket => bucket::head(app, ask).await,
        Operation::DeleteBucket => bucket::delete(app, ask).await,
        Operation::GetBucketLocation => bucket::location(app, ask).await,
        Operation::GetBucketVersioning => bucket::versioning(app, ask).await,
        Operation::PutBucketVersioning => bucket::set_versioning(app, ask, payload).await,
        Operation::Access(access) => policy::of_bucket(app, ask, access, payload).await,
        Operation::GetBucketLifecycle => lifecycle::get(app, ask).await,
        Operation::PutBucketLifecycle => lifecycle::put(app, ask, payload).await,
        Operation::DeleteBucketLifecycle => lifecycle::delete(app, ask).await,
        Operation::GetBucketCors => cors::get(app, ask).await,
        Operation::PutBucketCors => cors::put(app, ask, payload).await,
        Operation::DeleteBucketCors => cors::delete(app, ask).await,
        Operation::GetBucketLogging => logging::get(app, ask).await,
        Operation::PutBucketLogging => logging::put(app, ask, payload).await,
        Operation::GetBucketNotification => notification::get(app, ask).await,
        Operation::PutBucketNotification => notification::put(app, ask, payload).await,
        Operation::GetBucketTagging => tagging::of_bucket(app, ask).await,
        Operation::PutBucketTagging => tagging::set_of_bucket(app, ask, payload).await,
        Operation::DeleteBucketTagging => tagging::remove_of_bucket(app, ask).await,
        Operation::GetObjectLockConfiguration => locks::configuration(app, ask).await,
        Operation::PutObjectLockConfiguration => locks::set_configuration(app, ask, payload).await,
        Operation::GetBucketAcl => acl::of_bucket(app, ask).await,
        Operation::PutBucketAcl => acl::set_on_bucket(app, ask, payload).await,
        Operation::Ownership(controls) => ownership::of_bucket(app, ask, controls, payload).await,
        Operation::GetBucketEncryption => bucket_encryption::get(app, ask).await,
        Operation::PutBucketEncryption => bucket_encryption::put(app, ask, payload).await,
        Operation::DeleteBucketEncryption => bucket_encryption::delete(app, ask).await,
        Operation::ListObjects => list::v1(app, ask).await,
        Operation::ListObjectsV2 => list::v2(app, ask).await,
        Operation::ListObjectVersions => versions::list(app, ask).await,
        Operation::ListMultipartUploads => uploads::list(app, ask).await,
        Operation::DeleteObjects => delete::many(app, ask, payload).await,
        Operation::PutObject => object_write::put(app, ask, payload).await,
        // A form says itself who sends it: one that is signed as a request, too, says it twice.
        Operation::PostObject => Err(AuthError::SeveralMechanisms.into()),
        Operation::CopyObject => copy::object(app, ask).await,
        Operation::GetObject => object_read::get(app, ask).await,
        Operation::HeadObject => object_read::head(app, ask).await,
        Operation::DeleteObject => delete::one(app, ask).await,
        Operation::GetObjectAttributes => attributes::get(app, ask).await,
        Operation::GetObjectTagging => tagging::of_object(app, ask).await,
        Operation::PutObjectTagging => tagging::set_of_object(app, ask, payload).await,
        Operation::DeleteObjectTagging => tagging::remove_of_object(app, ask).await,
        Operation::GetObjectAcl => acl::of_object(app, ask).await,
        Operation::PutObjectAcl => acl::set_on_object(app, ask, payload).await,
        Operation::GetObjectRetention => locks::retention(app, ask).await,
        Operation::PutObjectRetention => locks::set_retention(app, ask, payload).await,
        Operation::GetObjectLegalHold => locks::hold(app, ask).await,
        Operation::PutObjectLegalHold => locks::set_hold(app, ask, payload).await,
        Operation::GetObjectTorrent => Err(DoorError::NoTorrent.into()),
        Operation::CreateMultipartUpload => multipart::create(app, ask).await,
        Operation::UploadPart => multipart::part(app, ask, payload).await,
        Operation::UploadPartCopy => copy::part(app, ask).await,
        Operation::CompleteMultipartUpload => multipart::complete(app, ask, payload).await,
        Operation::AbortMultipartUpload => multipart::abort(app, ask).await,
        Operation::ListParts => uploads::parts(app, ask).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_names_its_request() {
        let mut response = crate::answer::empty(http::StatusCode::OK);
        name(response.headers_mut(), &RequestId("01J00000000000000000000000".into()), "host");
        let head = crate::testing::head(&response);
        assert_eq!(head, "200\nserver: Holdfast\nx-amz-id-2: host\nx-amz-request-id: 01J00000000000000000000000");
    }
}
