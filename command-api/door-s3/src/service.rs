//! From an HTTP request to an answer: read the address, admit the caller, choose the operation, answer.
//!
//! Owns: what every answer carries, the span of a request. Does not own: any operation.
//! Invariant: no byte of a body is read before its sender is known, so `Expect: 100-continue` asks for it only then.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{EXPECT, HOST, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pipeline::{Caller, Store};
use schemas::{BucketName, ObjectKey, RequestId};
use tracing::{Instrument, field};

use crate::errors::{DoorError, Failure};
use crate::gate::Gate;
use crate::payload::{self, Payload};
use crate::route::{Operation, Query, Target, select};
use crate::{attributes, bucket, copy, delete, list, multipart, object_read, object_write, uploads, versions};

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
    /// What this server is called in `x-amz-id-2`.
    pub host_id: String,
    /// Names requests.
    pub ids: Arc<dyn Fn() -> RequestId + Send + Sync>,
    /// Wall clock: microseconds since the Unix epoch.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What every operation needs of the server.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) options: Options,
    gate: Gate,
}

/// A request, understood as far as all operations need it.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Who.
    pub(crate) caller: Caller,
    /// Headers as they came.
    pub(crate) headers: HeaderMap,
    /// Query, decoded.
    pub(crate) query: Query,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
}

impl Ask {
    /// Whether the address names a bucket.
    pub(crate) fn has_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// The bucket of an operation that has one.
    pub(crate) fn bucket(&self) -> BucketName {
        self.bucket.clone().expect("select chooses operations on a bucket for addresses with one")
    }

    /// The key of an operation that has one.
    pub(crate) fn key(&self) -> ObjectKey {
        self.key.clone().expect("select chooses operations on an object for addresses with a key")
    }

    /// # Errors
    /// A name that is none.
    pub(crate) fn new(caller: Caller, headers: HeaderMap, query: Query, target: Target) -> Result<Self, DoorError> {
        let bucket = target.bucket.map(|name| bucket_name(&name)).transpose()?;
        let key = target.key.map(|key| object_key(&key)).transpose()?;
        Ok(Self { caller, headers, query, bucket, key })
    }
}

/// # Errors
/// What it says.
pub(crate) fn bucket_name(text: &str) -> Result<BucketName, DoorError> {
    BucketName::parse(text).map_err(|_| DoorError::InvalidBucketName { name: text.to_owned() })
}

/// # Errors
/// Over 1,024 bytes, or none at all.
pub(crate) fn object_key(text: &str) -> Result<ObjectKey, DoorError> {
    ObjectKey::parse(text).map_err(|_| match text.len() {
        0 => DoorError::InvalidArgument { name: "Key", reason: "A key must be specified." },
        size_bytes => DoorError::KeyTooLong { size_bytes },
    })
}

/// The S3 door over a store. It answers every path it is given.
pub fn router(store: Store, options: Options) -> axum::Router {
    let app = Arc::new(App { gate: Gate::new(&options), store, options });
    axum::Router::new().fallback(move |request: axum::extract::Request| {
        let app = Arc::clone(&app);
        async move { serve(&app, request).await }
    })
}

async fn serve(app: &App, request: axum::extract::Request) -> Response {
    let request_id = (app.options.ids)();
    let (parts, body) = request.into_parts();
    let (method, resource) = (parts.method.clone(), parts.uri.path().to_owned());
    let expects = parts.headers.contains_key(EXPECT);
    let (body, rest) = payload::keep_rest(body);
    let span = tracing::info_span!("s3", %request_id, tenant = field::Empty, operation = field::Empty);
    let done = Box::pin(run(app, parts, body, &request_id)).instrument(span.clone()).await;
    let mut response = done.unwrap_or_else(|failure| {
        let _entered = span.enter();
        failure.log();
        rest.drain(expects);
        failure.answer(&method, &resource, &request_id.0, &app.options.host_id)
    });
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, crate::answer::text_value(&request_id));
    headers.insert(HOST_ID, crate::answer::text_value(&app.options.host_id));
    headers.insert(SERVER, HeaderValue::from_static("Holdfast"));
    response
}

async fn run(app: &App, parts: Parts, body: axum::body::Body, request_id: &RequestId) -> Result<Response, Failure> {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str));
    let target = Target::parse(host, parts.uri.path(), &app.options.hosts)?;
    let query = Query::parse(parts.uri.query())?;
    // Browsers ask before they authenticate, and there is no CORS configuration yet that could allow anything.
    if parts.method == Method::OPTIONS {
        return Err(DoorError::CorsNotEnabled.into());
    }
    let source = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let (caller, verified) = app.gate.admit(app, &parts, &target, request_id, source.map(canonical))?;
    tracing::Span::current().record("tenant", field::display(caller.tenant));
    let operation = select(&parts.method, &target, &query, &parts.headers)?;
    tracing::Span::current().record("operation", field::debug(operation));
    let payload = Payload::new(verified, body, parts.version);
    let ask = Ask::new(caller, parts.headers, query, target)?;
    perform(app, operation, &ask, payload).await
}

/// An IPv4 client of a dual-stack socket is an IPv4 client.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

async fn perform(app: &App, operation: Operation, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    crate::headers::refuse_unimplemented(&ask.headers)?;
    bucket::expected_owner(app, ask).await?;
    match operation {
        Operation::ListBuckets => bucket::list(app, ask).await,
        Operation::CreateBucket => bucket::create(app, ask, payload).await,
        Operation::HeadBucket => bucket::head(app, ask).await,
        Operation::DeleteBucket => bucket::delete(app, ask).await,
        Operation::GetBucketLocation => bucket::location(app, ask).await,
        Operation::GetBucketVersioning => bucket::versioning(app, ask).await,
        Operation::PutBucketVersioning => bucket::set_versioning(app, ask, payload).await,
        Operation::ListObjects => list::v1(app, ask).await,
        Operation::ListObjectsV2 => list::v2(app, ask).await,
        Operation::ListObjectVersions => versions::list(app, ask).await,
        Operation::ListMultipartUploads => uploads::list(app, ask).await,
        Operation::DeleteObjects => delete::many(app, ask, payload).await,
        Operation::PutObject => object_write::put(app, ask, payload).await,
        Operation::CopyObject => copy::object(app, ask).await,
        Operation::GetObject => object_read::get(app, ask).await,
        Operation::HeadObject => object_read::head(app, ask).await,
        Operation::DeleteObject => delete::one(app, ask).await,
        Operation::GetObjectAttributes => attributes::get(app, ask).await,
        Operation::GetObjectTorrent => Err(DoorError::NoTorrent.into()),
        Operation::CreateMultipartUpload => multipart::create(app, ask).await,
        Operation::UploadPart => multipart::part(app, ask, payload).await,
        Operation::UploadPartCopy => copy::part(app, ask).await,
        Operation::CompleteMultipartUpload => multipart::complete(app, ask, payload).await,
        Operation::AbortMultipartUpload => multipart::abort(app, ask).await,
        Operation::ListParts => uploads::parts(app, ask).await,
    }
}
