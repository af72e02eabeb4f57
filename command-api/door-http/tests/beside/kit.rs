//! What the tests share: a store with two tenants, and requests to the native API with bearer tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use door_http::{Options, native_router};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use pipeline::{
    AdminCaller, Caller, Circumstances, Clock, CreateAccessKey, CreateBucket, Digests, GetObject, NewKey, OpenOptions,
    PutObject, ReadConditions, Store, StoreError, SystemClock, Who, WriteConditions, Written,
};
use schemas::event::{AdminRole, Cause, Metadata, ObjectOwnership, StorageClass, Versioning};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, ObjectKey, RequestId, TenantName, UserId};
use serde_json::Value;
use tower::ServiceExt;

/// Who asks: user and access key go by one name.
pub(crate) const MAIN: &str = "MAINUSER";
/// Another user of the same tenant, who may read, write and delete everything, and configure nothing.
pub(crate) const WRITER: &str = "WRITERUSER";
/// May read keys under `in/` of bucket `bucket`, and no more.
pub(crate) const READER: &str = "READERUSER";
/// Everything, in another tenant.
pub(crate) const FOREIGN: &str = "FOREIGNUSER";

const TTL_S: u64 = 3_600;

/// The API and the store behind it.
pub(crate) struct Api {
    router: axum::Router,
    pub(crate) store: Store,
    folder: Option<tempfile::TempDir>,
    document: tokio::sync::OnceCell<Value>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
    /// Whether the body ended with an error instead of its end.
    pub(crate) is_broken: bool,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code, as tests name errors.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or("").to_owned())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ascii"))
    }
}

pub(crate) fn admin() -> AdminCaller {
    let request = RequestId("01J00000000000000000000000".into());
    AdminCaller { token: "test".into(), role: AdminRole::Owner, tenant: None, source: None, request }
}

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a name")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("a key")
}

fn open_store(folder: &std::path::Path, tweak: impl FnOnce(&mut OpenOptions)) -> Store {
    let mut options = OpenOptions::new(folder.to_owned());
    (options.segment_bytes, options.cache_bytes, options.reserve_bytes) = (4 << 20, 4 << 20, 0);
    options.kms_keys = vec!["one".to_owned()];
    tweak(&mut options);
    // Opening blocks, which a thread that drives tasks must not.
    std::thread::spawn(|| Store::open(options)).join().expect("no panic").expect("a store").0
}

fn router(store: &Store) -> axum::Router {
    let request = AtomicU64::new(0);
    let options = Options {
        ids: Arc::new(move || RequestId(format!("{:026}", request.fetch_add(1, Ordering::Relaxed)))),
        clock: Arc::new(|| SystemClock::default().wall().0),
        public_url: Some("https://s3.example.com".to_owned()),
        token_ttl_s: TTL_S,
        signed_url_ttl_max_s: 900,
        tenant_hosts: std::collections::BTreeMap::new(),
        anonymous_tenant: None,
    };
    axum::Router::new().nest("/api/v1", native_router(store.clone(), options))
}

impl Api {
    /// Tenants `default` and `other`; bucket `bucket` in the first.
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(tweak: impl FnOnce(&mut OpenOptions)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open_store(folder.path(), tweak);
        for (tenant, name, scopes) in [
            ("default", MAIN, "*"),
            ("default", WRITER, "op=read,op=write,op=delete"),
            ("default", READER, "op=read:bucket=bucket:prefix=in/"),
            ("other", FOREIGN, "*"),
        ] {
            let tenant = TenantName::parse(tenant).expect("a name");
            // The first of its users brings it.
            let _ = store.create_tenant(&admin(), tenant.clone()).await;
            let user = UserId::parse(&name.to_ascii_lowercase()).expect("a user");
            let address = Some(format!("{user}@example.org"));
            store.create_user(&admin(), &tenant, user.clone(), name.into(), address).await.expect("a user");
            let id = AccessKeyId::parse(name).expect("a key id");
            let chosen = NewKey::Chosen(id, format!("secret-of-{name}").into());
            let scopes: Scopes = scopes.parse().expect("scopes");
            let request = CreateAccessKey { user, key: chosen, name: None, scopes, expires: None };
            store.create_access_key(&admin(), &tenant, request).await.expect("a key");
        }
        let api = Self { router: router(&store), store, folder: Some(folder), document: Default::default() };
        api.bucket("bucket", Versioning::Unversioned, false).await;
        api
    }

    /// Closes the store and opens it again: what a restart finds.
    pub(crate) fn reopened(mut self) -> Self {
        let folder = self.folder.take().expect("a folder");
        drop(self);
        let store = open_store(folder.path(), |_| {});
        Self { router: router(&store), store, folder: Some(folder), document: Default::default() }
    }

    pub(crate) async fn bucket(&self, name: &str, versioning: Versioning, object_lock: bool) {
        self.owned_bucket(name, versioning, object_lock, None).await;
    }

    pub(crate) async fn owned_bucket(
        &self,
        name: &str,
        versioning: Versioning,
        object_lock: bool,
        ownership: Option<ObjectOwnership>,
    ) {
        let (name, versioning) = (bucket(name), Some(versioning));
        let request = CreateBucket { name, region: None, versioning, object_lock, ownership, acl: None, base: None };
        self.store.create_bucket(&self.caller(MAIN), request).await.expect("a bucket");
    }

    /// The caller that the door makes of a key.
    pub(crate) fn caller(&self, name: &str) -> Caller {
        let access_key = AccessKeyId::parse(name).expect("a key id");
        let credential = self.store.credential(&access_key).expect("reads").expect("a key that works");
        Caller {
            tenant: credential.tenant,
            who: Who::User {
                user: credential.user,
                display_name: credential.display_name,
                access_key,
                scopes: credential.scopes,
            },
            source: None,
            request: RequestId("01J00000000000000000000000".into()),
            circumstances: Circumstances::default(),
        }
    }

    fn token(&self, name: &str) -> String {
        let caller = self.caller(name);
        let access_key = caller.access_key().expect("a key");
        let credential = self.store.credential(access_key).expect("reads").expect("it works");
        self.store.mint_token(access_key, &credential, TTL_S).expect("a token").text
    }

    pub(crate) fn put_request(bucket_name: &str, name: &str) -> PutObject {
        PutObject {
            bucket: bucket(bucket_name),
            key: key(name),
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: Default::default(),
            lock: Default::default(),
            acl: None,
            conditions: WriteConditions::default(),
            digests: Digests::default(),
            size_bytes: None,
            cause: Cause::Put,
            command: None,
            encryption: Default::default(),
        }
    }

    pub(crate) fn get_request(bucket_name: &str, name: &str) -> GetObject {
        GetObject {
            bucket: bucket(bucket_name),
            key: key(name),
            version: None,
            part_number: None,
            range: None,
            conditions: ReadConditions::default(),
            customer_key: None,
        }
    }

    pub(crate) async fn put(&self, bucket: &str, name: &str, bytes: &[u8]) -> Written {
        self.put_as(Self::put_request(bucket, name), bytes).await
    }

    /// One byte under a key.
    pub(crate) async fn put_owned(&self, bucket: &str, name: String) -> Written {
        self.put(bucket, &name, b"x").await
    }

    pub(crate) async fn put_as(&self, request: PutObject, bytes: &[u8]) -> Written {
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        let body = Box::pin(futures_util::stream::once(async { Ok(bytes) }));
        self.store.put_object(&self.caller(MAIN), request, body).await.expect("put")
    }

    pub(crate) async fn read(&self, bucket_name: &str, name: &str) -> Result<Vec<u8>, StoreError> {
        use futures_util::StreamExt;
        let mut found = self.store.get_object(&self.caller(MAIN), Self::get_request(bucket_name, name)).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = found.body.next().await {
            bytes.extend_from_slice(&piece.map_err(StoreError::Body)?);
        }
        Ok(bytes)
    }

    /// A request of the main user: `GET /keys`.
    pub(crate) async fn ask(&self, line: &str, body: Value) -> Answer {
        self.ask_as(MAIN, line, body).await
    }

    /// One that must succeed.
    pub(crate) async fn done(&self, line: &str, body: Value) -> Answer {
        let answer = self.ask(line, body).await;
        assert!((200..300).contains(&answer.status), "{line}: {} {}", answer.status, text(&answer.bytes));
        answer
    }

    pub(crate) async fn ask_as(&self, who: &str, line: &str, body: Value) -> Answer {
        let bearer = self.token(who);
        self.ask_with(Some(&bearer), line, if body.is_null() { String::new() } else { body.to_string() }).await
    }

    /// The answer of the main user's request, none of whose body was read.
    pub(crate) async fn begin(&self, line: &str, body: Value) -> http::Response<Body> {
        let bearer = self.token(MAIN);
        self.router
            .clone()
            .oneshot(request(Some(&bearer), line, body.to_string()))
            .await
            .expect("a router does not fail")
    }

    /// The same with headers, and without a body.
    pub(crate) async fn begin_headed(&self, line: &str, headers: &[(&'static str, &str)]) -> http::Response<Body> {
        let mut request = request(Some(&self.token(MAIN)), line, String::new());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        self.router.clone().oneshot(request).await.expect("a router does not fail")
    }

    /// Flips bits in all that is stored of contents.
    pub(crate) fn damage(&self) {
        let blobs = self.folder.as_ref().expect("a folder").path().join("blobs");
        let mut folders = vec![blobs];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let mut bytes = std::fs::read(&path).expect("reads");
                bytes.iter_mut().skip(30_000).step_by(65_536).for_each(|byte| *byte ^= 1);
                std::fs::write(&path, bytes).expect("writes");
            }
        }
    }

    /// A request without a token, with these bytes: what a signed URL is used by.
    pub(crate) async fn send(&self, method: &str, path: &str, bytes: &[u8]) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-length", bytes.len());
        let request = request.body(Body::from(bytes.to_vec())).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes, is_broken: false }
    }

    /// The main user's request with an idempotency key.
    pub(crate) async fn ask_once(&self, line: &str, body: Value, key: &str) -> Answer {
        self.ask_headed(line, body, &[("idempotency-key", key)]).await
    }

    /// The main user's request with more headers.
    pub(crate) async fn ask_headed(&self, line: &str, body: Value, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = request(Some(&self.token(MAIN)), line, body.to_string());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a value"));
        }
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes, is_broken: false }
    }

    /// With whatever bearer token, or none.
    pub(crate) async fn ask_with(&self, bearer: Option<&str>, line: &str, body: String) -> Answer {
        let request = request(bearer, line, body);
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, mut body) = response.into_parts();
        let (mut bytes, mut is_broken) = (Vec::new(), false);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => is_broken = true,
            }
        }
        let status = parts.status.as_u16();
        self.check_documented(line, status).await;
        Answer { status, headers: parts.headers, bytes, is_broken }
    }

    /// The document says of each operation what it may answer: whatever a test makes it answer must be there.
    async fn check_documented(&self, line: &str, status: u16) {
        let document = self.document.get_or_init(|| self.read_document()).await;
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let path = path.split('?').next().unwrap_or_default().replace("%3A", ":");
        let paths = document["paths"].as_object().expect("paths");
        let operations = paths.iter().filter_map(|(template, item)| {
            let operation = item.get(method.to_ascii_lowercase())?;
            Some((literals(template, &path, operation.get("x-holdfast-shown-path").is_some())?, operation))
        });
        let Some((_, operation)) = operations.max_by_key(|(literals, _)| *literals) else {
            assert!([404, 405].contains(&status), "{line} is in no document and answers {status}");
            return;
        };
        let said = operation["responses"].get(status.to_string()).is_some();
        assert!(said, "{line} answers {status}, which its document does not say");
    }

    pub(crate) async fn read_document(&self) -> Value {
        let request = Request::get("/api/v1/openapi.json").body(Body::empty()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("a document")
    }
}

fn request(bearer: Option<&str>, line: &str, body: String) -> Request<Body> {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
    if let Some(bearer) = bearer {
        request = request.header("authorization", format!("Bearer {bearer}"));
    }
    request.header("content-length", body.len()).body(Body::from(body)).expect("a request")
}

/// How many pieces of a template a path has literally; none if it does not fit.
fn literals(template: &str, path: &str, wild: bool) -> Option<usize> {
    let pieces: Vec<&str> = template.split('/').collect();
    let found: Vec<&str> = if wild { path.splitn(pieces.len(), '/').collect() } else { path.split('/').collect() };
    if pieces.len() != found.len() {
        return None;
    }
    let is_literal = |piece: &&str| !piece.starts_with('{');
    let fits = pieces.iter().zip(&found).all(|(piece, found)| !is_literal(piece) || piece == found);
    fits.then(|| pieces.iter().filter(|piece| is_literal(piece)).count())
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Drop for Api {
    fn drop(&mut self) {
        // The writer is waited for, which the runtime's own thread may not.
        std::thread::scope(|scope| scope.spawn(|| self.store.close()).join()).expect("no panic");
    }
}
