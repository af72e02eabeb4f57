//! A store in a directory of its own, the API before it, and short forms of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::bucket_setting::Configuration;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use pipeline::{AdminCaller, Caller, Circumstances, Clock, CreateAccessKey, NewKey, OpenOptions, Store, Who};
use schemas::action::Action;
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, RequestId, TenantName, Time, UserId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::ServiceExt;

/// A clock that stands still until it is told.
pub(crate) struct ManualClock(AtomicU64, AtomicU64);

impl Clock for ManualClock {
    fn wall(&self) -> Time {
        Time(self.0.load(Ordering::SeqCst))
    }

    fn monotonic_us(&self) -> u64 {
        self.1.load(Ordering::SeqCst)
    }
}

/// An access key.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// A store with tenants `acme` and `other`, each with a user, and the API before it.
pub(crate) struct House {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    admin: AdminCaller,
    router: Router,
    _directory: tempfile::TempDir,
}

impl Drop for House {
    fn drop(&mut self) {
        self.store.close();
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// Of this status, or the test ends here with what came.
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// A problem of this status and code, in the form of every problem.
    #[track_caller]
    pub(crate) fn fails(self, status: u16, code: &str) -> Self {
        let answer = self.is(status);
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["message"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(problem["requestId"], id);
        assert!(id.starts_with("req_") && id.len() == 30, "{id}");
        assert_eq!(problem.as_object().map(serde_json::Map::len), Some(4), "{problem}");
        answer
    }
}

/// A request that is being written.
pub(crate) struct Asking<'h> {
    house: &'h House,
    request: http::request::Builder,
    body: Body,
}

impl Asking<'_> {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(mut self, value: &Value) -> Self {
        self.body = Body::from(value.to_string());
        self
    }

    /// Bytes, with their length.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.request = self.request.header("content-length", bytes.len());
        self.body = Body::from(bytes.to_vec());
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let request = self.request.body(self.body).expect("a request");
        let response = self.house.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let clock = Arc::new(ManualClock(AtomicU64::new(1_800_000_000_000_000), AtomicU64::new(1_000_000)));
        let mut options = OpenOptions::new(data);
        options.cache_bytes = 16 << 20;
        options.segment_bytes = 8 << 20;
        options.reserve_bytes = 0;
        options.part_bytes_min = 5;
        options.clock = clock.clone();
        options.on_fatal = Arc::new(|what| panic!("the writer cannot go on: {what}"));
        // Opening blocks, which a thread that drives tasks must not.
        let opening = std::thread::spawn(move || Store::open(options));
        let (store, _) = opening.join().expect("no panic").expect("the store opens");
        let request = RequestId("test".to_owned());
        let admin =
            AdminCaller { token: "test".to_owned(), role: AdminRole::Owner, tenant: None, source: None, request };
        for tenant in ["acme", "other"] {
            let tenant = tenant_name(tenant);
            store.create_tenant(&admin, tenant.clone()).await.expect("a tenant");
            let user = UserId::parse("user").expect("a name");
            store.create_user(&admin, &tenant, user, "User".to_owned(), None).await.expect("a user");
        }
        let of_door = clock.clone();
        let options = door_http::Options {
            ids: Arc::new(|| RequestId("01J00000000000000000000000".to_owned())),
            clock: Arc::new(move || of_door.wall().0),
            public_url: None,
            token_ttl_s: 3_600,
            signed_url_ttl_max_s: 900,
            tenant_hosts: BTreeMap::from([("acme.example".to_owned(), tenant_name("acme"))]),
            anonymous_tenant: None,
        };
        let router = Router::new().nest_service("/api/v1", door_http::native_router(store.clone(), options));
        Self { store, clock, admin, router, _directory: directory }
    }

    /// Both clocks go on together.
    pub(crate) fn pass_s(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        self.clock.1.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// An access key of a tenant's user.
    pub(crate) async fn key(&self, tenant: &str, scopes: &str) -> Key {
        let user = UserId::parse("user").expect("a name");
        let scopes: Scopes = scopes.parse().expect("scopes");
        let request = CreateAccessKey { user, key: NewKey::Made, name: None, scopes, expires: None };
        let made = self.store.create_access_key(&self.admin, &tenant_name(tenant), request).await;
        let (info, secret): (_, SecretString) = made.expect("a key");
        Key { id: info.id.to_string(), secret: secret.expose_secret().to_owned() }
    }

    pub(crate) async fn revoke(&self, tenant: &str, key: &Key) {
        let id = AccessKeyId::parse(&key.id).expect("an id");
        let revoked = self.store.revoke_access_key(&self.admin, &tenant_name(tenant), &id, None).await;
        revoked.expect("revoked");
    }

    pub(crate) async fn disable(&self, tenant: &str) {
        let done = self.store.set_tenant_disabled(&self.admin, &tenant_name(tenant), true, "test".to_owned()).await;
        done.expect("disabled");
    }

    /// A request under `/api/v1`.
    pub(crate) fn ask(&self, method: &str, path: &str) -> Asking<'_> {
        let request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        Asking { house: self, request, body: Body::empty() }
    }

    /// A token of a key.
    pub(crate) async fn token_of(&self, key: &Key) -> String {
        let body = json!({ "accessKeyId": key.id, "secretKey": key.secret });
        let answer = self.ask("POST", "/auth/token").json(&body).send().await.is(200);
        answer.json()["accessToken"].as_str().expect("a token").to_owned()
    }

    /// A token of a new key.
    pub(crate) async fn token(&self, tenant: &str, scopes: &str) -> String {
        self.token_of(&self.key(tenant, scopes).await).await
    }

    /// A client with a token for everything in `acme`.
    pub(crate) async fn client(&self) -> Client<'_> {
        Client { house: self, token: self.token("acme", "*").await }
    }

    /// Sets something of a bucket that the native API does not set.
    pub(crate) async fn configure(&self, bucket: &str, action: Action, configuration: Configuration) {
        let key = self.key("acme", "*").await;
        let id = AccessKeyId::parse(&key.id).expect("an id");
        let credential = self.store.credential(&id).expect("reads").expect("works");
        let caller = Caller {
            tenant: credential.tenant,
            who: Who::User {
                user: credential.user,
                display_name: credential.display_name,
                access_key: id,
                scopes: credential.scopes,
            },
            source: None,
            request: RequestId("test".to_owned()),
            circumstances: Circumstances::default(),
        };
        let bucket = BucketName::parse(bucket).expect("a name");
        self.store.configure_bucket(&caller, &bucket, action, configuration).await.expect("configured");
    }
}

/// Somebody with a token.
pub(crate) struct Client<'h> {
    pub(crate) house: &'h House,
    pub(crate) token: String,
}

impl<'h> Client<'h> {
    pub(crate) fn ask(&self, method: &str, path: &str) -> Asking<'h> {
        self.house.ask(method, path).bearer(&self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path).json(body).send().await
    }

    pub(crate) async fn put_json(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path).json(body).send().await
    }

    /// Puts an object into `data`.
    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) -> Answer {
        self.ask("PUT", &format!("/buckets/data/objects/{key}")).bytes(bytes).send().await
    }

    pub(crate) async fn bucket(&self, body: &Value) {
        self.post("/buckets", body).await.is(201);
    }

    /// The bucket `data`, without versions.
    pub(crate) async fn data(&self) {
        self.bucket(&json!({ "name": "data" })).await;
    }
}

pub(crate) fn tenant_name(name: &str) -> TenantName {
    TenantName::parse(name).expect("a name")
}

pub(crate) fn basic(key: &Key) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", key.id, key.secret)))
}

/// `SHA256("hello")`, as the contract has it.
pub(crate) const HELLO_SHA256: &str = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
pub(crate) const HELLO_MD5: &str = "\"5d41402abc4b2a76b9719d911017c592\"";

/// Every status is one that HTTP knows.
pub(crate) fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).expect("a status")
}
