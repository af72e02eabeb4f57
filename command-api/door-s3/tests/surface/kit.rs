//! What the tests share: a store with two users, and requests signed by the AWS SDK's signer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use axum::body::Body;
use pipeline::audit::{AuditEntry, AuditQuery};
use pipeline::{AdminCaller, CreateAccessKey, NewKey, OpenOptions, Store};
use schemas::event::{AdminRole, ObjectOwnership};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, RequestId, TenantName, UserId};
use tower::ServiceExt;

/// 2024-01-01T00:00:00Z.
const NOW_S: u64 = 1_704_067_200;
const HOST: &str = "holdfast.test:9000";

/// Who asks: user, access key and secret go by one name.
pub(crate) const MAIN: &str = "MAINUSER";
pub(crate) const ALT: &str = "ALTUSER";
/// May read, write and delete everything, and configure nothing.
pub(crate) const WRITER: &str = "WRITERUSER";
/// May read keys under `in/` of bucket `bucket`, and no more.
pub(crate) const READER: &str = "READERUSER";

/// A door and what is behind it.
pub(crate) struct Door {
    router: axum::Router,
    pub(crate) store: Store,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ascii"))
    }

    /// What is between the tags of an element's first appearance.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        Some(self.body.split_once(&open)?.1.split_once(&close)?.0)
    }

    /// Status and code, as tests name errors.
    pub(crate) fn error(&self) -> (u16, &str) {
        (self.status, self.element("Code").unwrap_or(""))
    }
}

impl Door {
    pub(crate) async fn open() -> Self {
        Self::open_as(false).await
    }

    /// One that lets requests without a credential in, and whose buckets have ACLs.
    pub(crate) async fn open_to_the_public() -> Self {
        Self::open_as(true).await
    }

    async fn open_as(public: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = OpenOptions::new(folder.path().to_owned());
        if public {
            options.default_ownership = ObjectOwnership::ObjectWriter;
            options.default_public_access_block = None;
        }
        (options.segment_bytes, options.cache_bytes, options.reserve_bytes) = (4 << 20, 4 << 20, 0);
        options.access_log_flush_s = 1;
        // The door's clock stands still, in a year that is long gone for the log's.
        options.audit_days = 36_500;
        options.kms_keys = vec!["one".to_owned()];
        let opened = tokio::task::spawn_blocking(|| Store::open(options)).await.expect("no panic");
        let (store, _) = opened.expect("a store");
        let admin = AdminCaller {
            token: "test".into(),
            role: AdminRole::Owner,
            tenant: None,
            source: None,
            request: RequestId("01J00000000000000000000000".into()),
        };
        let tenant = TenantName::parse("default").expect("a name");
        store.create_tenant(&admin, tenant.clone()).await.expect("a tenant");
        for (name, display_name, scopes) in [
            (MAIN, "Main User", "*"),
            (ALT, "Alt User", "*"),
            (WRITER, "Writer", "op=read,op=write,op=delete"),
            (READER, "Reader", "op=read:bucket=bucket:prefix=in/"),
        ] {
            let user = UserId::parse(&name.to_ascii_lowercase()).expect("a user");
            let address = Some(format!("{user}@example.org"));
            let created = store.create_user(&admin, &tenant, user.clone(), display_name.into(), address).await;
            created.expect("a user");
            let key = AccessKeyId::parse(name).expect("a key id");
            let key = NewKey::Chosen(key, format!("secret-of-{name}").into());
            let scopes: Scopes = scopes.parse().expect("scopes");
            let request = CreateAccessKey { user, key, name: None, scopes, expires: None };
            store.create_access_key(&admin, &tenant, request).await.expect("a key");
        }
        let request = AtomicU64::new(0);
        let options = door_s3::Options {
            region: None,
            default_region: "us-east-1".into(),
            hosts: vec!["acme.test".into()],
            public_url: None,
            allow_anonymous: public,
            anonymous_tenant: public.then(|| tenant.clone()),
            tenant_hosts: [("acme.test".to_owned(), tenant)].into(),
            allow_sigv2: true,
            host_id: "host".into(),
            ids: Arc::new(move || RequestId(format!("{:026}", request.fetch_add(1, Ordering::Relaxed)))),
            clock: Arc::new(|| NOW_S * 1_000_000),
        };
        Self { router: door_s3::router(store.clone(), options), store, _folder: folder }
    }

    /// What the access log says of requests, by their action.
    pub(crate) async fn audited(&self, action: &str) -> Vec<AuditEntry> {
        let request = RequestId("01J00000000000000000000000".into());
        let admin = AdminCaller { token: "test".into(), role: AdminRole::Owner, tenant: None, source: None, request };
        let query = AuditQuery { action: Some(action.to_owned()), limit: 1_000, ..AuditQuery::default() };
        self.store.audit(&admin, query).await.expect("answers").entries
    }

    /// A request of the main user that must succeed.
    pub(crate) async fn done(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.ask(MAIN, line, headers, body).await;
        assert!((200..300).contains(&answer.status), "{line}: {answer:?}");
        answer
    }

    /// A request: `PUT /bucket/key?query`.
    pub(crate) async fn ask(&self, user: &str, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(signed(user, line, headers, body)).await
    }

    /// The same without a credential.
    pub(crate) async fn ask_unsigned(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(unsigned(line, headers, body)).await
    }

    /// A request that has these headers and no others.
    pub(crate) async fn ask_bare(&self, line: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = line.split_once(' ').expect("a method and an address");
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// A request as it is.
    pub(crate) async fn send(&self, request: http::Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router does not fail");
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 24).await.expect("a body");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("text"),
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The writer is waited for, which the runtime's own thread may not.
        std::thread::scope(|scope| scope.spawn(|| self.store.close()).join()).expect("no panic");
    }
}

fn unsigned(line: &str, headers: &[(&str, &str)], body: &str) -> http::Request<Body> {
    let (method, path) = line.split_once(' ').expect("a method and an address");
    let mut request = http::Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.header("content-length", body.len()).body(Body::from(body.to_owned())).expect("a request")
}

fn signed(user: &str, line: &str, headers: &[(&str, &str)], body: &str) -> http::Request<Body> {
    let (method, path) = line.split_once(' ').expect("a method and an address");
    let identity: Identity = Credentials::from_keys(user, format!("secret-of-{user}"), None).into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(NOW_S))
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let url = format!("http://{HOST}{path}");
    let signable = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new(method, url.as_str(), headers.iter().copied(), signable).expect("a request");
    let (instructions, _) = sign(signable, &params).expect("a signature").into_parts();
    let mut request = http::Request::builder().method(method).uri(url.as_str()).body(()).expect("a request");
    for (name, value) in headers {
        let name = http::HeaderName::try_from(*name).expect("a name");
        request.headers_mut().insert(name, value.parse().expect("a value"));
    }
    instructions.apply_to_request_http1x(&mut request);
    // As a server sees it: the path alone, and host and length in headers.
    let (mut parts, ()) = request.into_parts();
    parts.uri = path.parse().expect("a path");
    parts.headers.insert("host", HOST.parse().expect("a host"));
    parts.headers.insert("content-length", body.len().into());
    http::Request::from_parts(parts, Body::from(body.to_owned()))
}
