//! The admin API against an installation in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use domain::Refusal;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use pipeline::{
    AccessKeyInfo, AccessKeyStatus, AdminCaller, CreateAccessKey, LifecycleReport, RebuildReport, StoreError,
    SweepReport, TenantInfo, Usage, UserInfo,
};
use schemas::event::AdminRole;
use schemas::{AccessKeyId, RequestId, TenantId, TenantName, Time, UserId};
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::installation::{Answer, Installation};
use crate::Options;

#[derive(Default)]
struct Rooms {
    users: BTreeMap<String, UserInfo>,
    keys: BTreeMap<String, AccessKeyInfo>,
}

/// Tenants `acme` (1) and `other` (2), and whatever a test adds. Tokens `lwadm_<role>` and `lwadm_acme`.
struct Memory {
    tenants: Mutex<BTreeMap<String, (TenantInfo, Rooms)>>,
}

impl Memory {
    fn new() -> Self {
        let memory = Self { tenants: Mutex::default() };
        for name in ["acme", "other"] {
            memory.add(TenantName::parse(name).expect("a name"));
        }
        memory
    }

    fn add(&self, name: TenantName) -> TenantInfo {
        let mut tenants = self.tenants.lock();
        let id = TenantId(tenants.len() as u64 + 1);
        let info = TenantInfo { id, name: name.clone(), disabled: false, created: Time(1_700_000_000_000_000) };
        tenants.insert(name.to_string(), (info.clone(), Rooms::default()));
        info
    }

    fn with<T>(
        &self,
        name: &TenantName,
        work: impl FnOnce(&mut (TenantInfo, Rooms)) -> Result<T, Refusal>,
    ) -> Answer<T> {
        let mut tenants = self.tenants.lock();
        let tenant = tenants.get_mut(name.as_str()).ok_or(Refusal::NoSuchTenant)?;
        work(tenant).map_err(StoreError::from)
    }

    fn change_key(&self, tenant: &TenantName, key: &AccessKeyId, status: AccessKeyStatus) -> Answer<AccessKeyInfo> {
        self.with(tenant, |(_, rooms)| {
            let info = rooms.keys.get_mut(key.as_str()).ok_or(Refusal::NoSuchAccessKey)?;
            if info.status == AccessKeyStatus::Revoked {
                return Err(Refusal::AccessKeyRevoked);
            }
            info.status = status;
            Ok(info.clone())
        })
    }
}

impl Installation for Memory {
    async fn rebuild(&self, _: &AdminCaller) -> Answer<RebuildReport> {
        Ok(RebuildReport { tenants: 2, events: 7, mismatches: vec!["1/catalog".to_owned()] })
    }

    async fn sweep(&self, _: &AdminCaller) -> Answer<SweepReport> {
        Ok(SweepReport { freed: 3, freed_bytes: 4_096, ..SweepReport::default() })
    }

    async fn lifecycle(&self, _: &AdminCaller) -> Answer<LifecycleReport> {
        Ok(LifecycleReport { looked_at: 9, removed: 2, ..LifecycleReport::default() })
    }

    fn credential(&self, token: &str) -> Answer<Option<(String, AdminRole, Option<TenantId>)>> {
        Ok(match token {
            "lwadm_viewer" => Some(("t1".to_owned(), AdminRole::Viewer, None)),
            "lwadm_operator" => Some(("t2".to_owned(), AdminRole::Operator, None)),
            "lwadm_owner" => Some(("t3".to_owned(), AdminRole::Owner, None)),
            "lwadm_acme" => Some(("t4".to_owned(), AdminRole::Owner, Some(TenantId(1)))),
            "lwadm_broken" => return Err(StoreError::Unavailable),
            _ => None,
        })
    }

    async fn create_tenant(&self, _: &AdminCaller, name: TenantName) -> Answer<TenantInfo> {
        if self.tenants.lock().contains_key(name.as_str()) {
            return Err(Refusal::TenantExists.into());
        }
        Ok(self.add(name))
    }

    async fn list_tenants(&self, _: &AdminCaller) -> Answer<Vec<TenantInfo>> {
        Ok(self.tenants.lock().values().map(|(info, _)| info.clone()).collect())
    }

    async fn get_tenant(&self, _: &AdminCaller, tenant: &TenantName) -> Answer<TenantInfo> {
        self.with(tenant, |(info, _)| Ok(info.clone()))
    }

    async fn set_tenant_disabled(
        &self,
        _: &AdminCaller,
        tenant: &TenantName,
        disabled: bool,
        _: String,
    ) -> Answer<TenantInfo> {
        self.with(tenant, |(info, _)| {
            info.disabled = disabled;
            Ok(info.clone())
        })
    }

    async fn create_user(
        &self,
        _: &AdminCaller,
        tenant: &TenantName,
        user: UserId,
        display_name: String,
        email: Option<String>,
    ) -> Answer<UserInfo> {
        self.with(tenant, |(_, rooms)| {
            if rooms.users.contains_key(user.as_str()) {
                return Err(Refusal::UserExists);
            }
            let info = UserInfo { id: user.clone(), display_name, email, created: Time(0) };
            rooms.users.insert(user.to_string(), info.clone());
            Ok(info)
        })
    }

    async fn list_users(&self, _: &AdminCaller, tenant: &TenantName) -> Answer<Vec<UserInfo>> {
        self.with(tenant, |(_, rooms)| Ok(rooms.users.values().cloned().collect()))
    }

    async fn create_access_key(
        &self,
        _: &AdminCaller,
        tenant: &TenantName,
        request: CreateAccessKey,
    ) -> Answer<(AccessKeyInfo, SecretString)> {
        self.with(tenant, |(_, rooms)| {
            if !rooms.users.contains_key(request.user.as_str()) {
                return Err(Refusal::NoSuchUser);
            }
            let made = || (AccessKeyId::parse("HFMADE").expect("an id"), SecretString::from("made-secret"));
            let (id, secret) = match request.key {
                pipeline::NewKey::Chosen(id, secret) => (id, secret),
                pipeline::NewKey::Made | pipeline::NewKey::Api => made(),
            };
            let info = AccessKeyInfo {
                id: id.clone(),
                user: request.user,
                scopes: request.scopes,
                name: request.name,
                api: false,
                status: AccessKeyStatus::Active,
                created: Time(0),
                expires: request.expires,
                rotated: None,
            };
            rooms.keys.insert(id.to_string(), info.clone());
            Ok((info, secret))
        })
    }

    async fn list_access_keys(&self, _: &AdminCaller, tenant: &TenantName) -> Answer<Vec<AccessKeyInfo>> {
        self.with(tenant, |(_, rooms)| Ok(rooms.keys.values().cloned().collect()))
    }

    async fn set_access_key_enabled(
        &self,
        _: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        enabled: bool,
    ) -> Answer<AccessKeyInfo> {
        let status = if enabled { AccessKeyStatus::Active } else { AccessKeyStatus::Disabled };
        self.change_key(tenant, access_key, status)
    }

    async fn revoke_access_key(
        &self,
        _: &AdminCaller,
        tenant: &TenantName,
        access_key: &AccessKeyId,
        _: Option<String>,
    ) -> Answer<AccessKeyInfo> {
        self.change_key(tenant, access_key, AccessKeyStatus::Revoked)
    }

    async fn usage(&self, _: &AdminCaller, tenant: &TenantName) -> Answer<Usage> {
        self.with(tenant, |_| Ok(Usage { objects: 3, versions: 5, logical_bytes: 100, multipart_bytes: 7, buckets: 1 }))
    }
}

fn api() -> Router {
    let ids = Arc::new(|| RequestId("01J00000000000000000000000".to_owned()));
    let clock = Arc::new(|| 0);
    super::router(Memory::new(), Options { ids, clock, public_url: None, token_ttl_s: 60, signed_url_ttl_max_s: 60 })
}

async fn ask(api: &Router, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    let response = api.clone().oneshot(request.body(body).expect("a request")).await.expect("an answer");
    assert_eq!(response.headers()["x-request-id"], "req_01J00000000000000000000000");
    let status = response.status();
    let problem = response.headers().get("content-type").is_some_and(|kind| kind == "application/problem+json");
    assert_eq!(problem, !status.is_success(), "{method} {path}: {status}");
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    let json: Value = serde_json::from_slice(&bytes).expect("JSON");
    if problem {
        assert_eq!(json["status"], status.as_u16());
        assert_eq!(json["requestId"], "req_01J00000000000000000000000");
    }
    (status, json)
}

async fn check(token: &str, method: &str, path: &str, body: Value, status: u16, code: &str) {
    let (found, json) = ask(&api(), token, method, path, body).await;
    assert_eq!((found.as_u16(), json["code"].as_str().unwrap_or("")), (status, code), "{token} {method} {path}");
}

#[tokio::test]
async fn without_a_working_token_nothing_is_answered() {
    for header in
        [None, Some("Bearer lwadm_nobody"), Some("Bearer viewer"), Some("Basic lwadm_owner"), Some("lwadm_owner")]
    {
        let mut request = Request::builder().uri("/tenants");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = api().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), 401, "{header:?}");
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    let twice = Request::builder().uri("/tenants").header("authorization", "Bearer lwadm_owner");
    let twice = twice.header("authorization", "Bearer lwadm_owner").body(Body::empty()).expect("a request");
    assert_eq!(api().oneshot(twice).await.expect("an answer").status(), 401);
    check("lwadm_broken", "GET", "/tenants", Value::Null, 503, "unavailable").await;
}

#[tokio::test]
async fn health_needs_no_token() {
    let request = Request::builder().uri("/healthz").body(Body::empty()).expect("a request");
    assert_eq!(api().oneshot(request).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn each_operation_needs_its_role() {
    let key = json!({ "scopes": "*" });
    let reason = json!({ "reason": "unpaid" });
    let table = [
        ("GET", "/tenants", Value::Null, AdminRole::Viewer),
        ("GET", "/tenants/acme", Value::Null, AdminRole::Viewer),
        ("GET", "/tenants/acme/users", Value::Null, AdminRole::Viewer),
        ("GET", "/tenants/acme/keys", Value::Null, AdminRole::Viewer),
        ("GET", "/tenants/acme/usage", Value::Null, AdminRole::Viewer),
        ("GET", "/usage", Value::Null, AdminRole::Viewer),
        ("POST", "/tenants", json!({ "id": "new" }), AdminRole::Operator),
        ("POST", "/tenants/acme/users", json!({ "id": "ann" }), AdminRole::Operator),
        ("POST", "/tenants/acme/keys", key, AdminRole::Operator),
        ("POST", "/tenants/acme/keys/HFNONE/revoke", Value::Null, AdminRole::Operator),
        ("POST", "/tenants/acme/keys/HFNONE/enable", Value::Null, AdminRole::Operator),
        ("POST", "/tenants/acme/keys/HFNONE/disable", Value::Null, AdminRole::Operator),
        ("POST", "/rebuild", Value::Null, AdminRole::Operator),
        ("POST", "/sweep", Value::Null, AdminRole::Operator),
        ("POST", "/lifecycle", Value::Null, AdminRole::Operator),
        ("POST", "/tenants/acme/disable", reason, AdminRole::Owner),
        ("POST", "/tenants/acme/enable", Value::Null, AdminRole::Owner),
    ];
    for (method, path, body, needed) in table {
        for (token, role) in [
            ("lwadm_viewer", AdminRole::Viewer),
            ("lwadm_operator", AdminRole::Operator),
            ("lwadm_owner", AdminRole::Owner),
        ] {
            let (status, _) = ask(&api(), token, method, path, body.clone()).await;
            assert_eq!(status == 403, role < needed, "{role:?} {method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn a_token_of_one_tenant_cannot_tell_other_tenants_from_absent_ones() {
    for name in ["other", "absent", "Not-A-Name"] {
        check("lwadm_acme", "GET", &format!("/tenants/{name}"), Value::Null, 403, "forbidden").await;
        check("lwadm_acme", "GET", &format!("/tenants/{name}/keys"), Value::Null, 403, "forbidden").await;
    }
    check("lwadm_acme", "POST", "/tenants", json!({ "id": "new" }), 403, "forbidden").await;
    check("lwadm_acme", "POST", "/sweep", Value::Null, 403, "forbidden").await;
    check("lwadm_acme", "POST", "/lifecycle", Value::Null, 403, "forbidden").await;
    let (_, json) = ask(&api(), "lwadm_acme", "GET", "/tenants", Value::Null).await;
    assert_eq!(json["tenants"].as_array().map(Vec::len), Some(1));
    assert_eq!(json["tenants"][0]["id"], "acme");
    let (_, json) = ask(&api(), "lwadm_acme", "GET", "/usage", Value::Null).await;
    assert_eq!((&json["tenants"], &json["objects"]), (&json!(1), &json!(3)));
}

#[tokio::test]
async fn a_tenant_is_made_found_stopped_and_started() {
    let api = api();
    let (status, json) = ask(&api, "lwadm_owner", "POST", "/tenants", json!({ "id": "new", "name": "new" })).await;
    assert_eq!((status.as_u16(), &json["id"], &json["disabled"]), (201, &json!("new"), &json!(false)));
    assert_eq!(json["createdAt"], "2023-11-14T22:13:20Z");
    let (status, _) = ask(&api, "lwadm_owner", "POST", "/tenants", json!({ "name": "new" })).await;
    assert_eq!(status, 409);
    let stop = json!({ "reason": "unpaid" });
    let (_, json) = ask(&api, "lwadm_owner", "POST", "/tenants/new/disable", stop).await;
    assert_eq!(json["disabled"], true);
    let (_, json) = ask(&api, "lwadm_owner", "POST", "/tenants/new/enable", Value::Null).await;
    assert_eq!(json["disabled"], false);
    let (status, _) = ask(&api, "lwadm_owner", "GET", "/tenants/absent", Value::Null).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_ended() {
    let api = api();
    let user = json!({ "id": "ann", "displayName": "Ann" });
    assert_eq!(ask(&api, "lwadm_operator", "POST", "/tenants/acme/users", user).await.0, 201);
    let pair = json!({ "user": "ann", "accessKeyId": "HFKEY", "secretKey": "0123456789", "scopes": "op=read" });
    let (status, json) = ask(&api, "lwadm_operator", "POST", "/tenants/acme/keys", pair).await;
    assert_eq!((status.as_u16(), &json["secretKey"], &json["status"]), (201, &json!("0123456789"), &json!("active")));
    assert_eq!((&json["id"], &json["accessKeyId"], &json["user"]), (&json!("HFKEY"), &json!("HFKEY"), &json!("ann")));
    let (_, json) = ask(&api, "lwadm_viewer", "GET", "/tenants/acme/keys", Value::Null).await;
    assert_eq!(json["keys"][0]["scopes"], "op=read");
    assert!(!json.to_string().contains("0123456789"), "a listing shows no secret");
    let path = |what| format!("/tenants/acme/keys/HFKEY/{what}");
    for (what, status) in [("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")] {
        let (_, json) = ask(&api, "lwadm_operator", "POST", &path(what), Value::Null).await;
        assert_eq!(json["status"], status);
    }
    let (status, json) = ask(&api, "lwadm_operator", "POST", &path("enable"), Value::Null).await;
    assert_eq!((status.as_u16(), &json["code"]), (409, &json!("access_key_revoked")));
}

#[tokio::test]
async fn a_key_for_nobody_belongs_to_the_default_user() {
    let api = api();
    for _ in 0..2 {
        let (status, json) = ask(&api, "lwadm_operator", "POST", "/tenants/acme/keys", json!({ "scopes": "*" })).await;
        assert_eq!((status.as_u16(), &json["user"]), (201, &json!("default")));
    }
    let (_, json) = ask(&api, "lwadm_viewer", "GET", "/tenants/acme/users", Value::Null).await;
    assert_eq!(json["users"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn bodies_are_read_strictly_and_never_repeated() {
    let keys = "/tenants/acme/keys";
    for body in [
        json!({ "scopes": "read" }),
        json!({ "scopes": "*", "admin": true }),
        json!({ "accessKeyId": "HFKEY" }),
        json!({ "accessKeyId": "HFKEY", "secretKey": "short" }),
        json!({ "accessKeyId": "HF KEY", "secretKey": "0123456789" }),
        json!(["scopes"]),
    ] {
        check("lwadm_operator", "POST", keys, body, 400, "invalid_request").await;
    }
    check("lwadm_operator", "POST", "/tenants", json!({ "id": "No" }), 400, "invalid_request").await;
    check("lwadm_operator", "POST", "/tenants", json!({}), 400, "invalid_request").await;
    check("lwadm_operator", "POST", "/tenants", json!({ "id": "a", "name": "b" }), 400, "invalid_request").await;
    check("lwadm_owner", "POST", "/tenants/acme/disable", json!({ "reason": " " }), 400, "invalid_request").await;
    let secret = json!({ "scopes": 5, "secretKey": "do-not-repeat-me" });
    let (_, json) = ask(&api(), "lwadm_operator", "POST", keys, secret).await;
    assert!(!json.to_string().contains("do-not-repeat-me"), "{json}");
    let (_, json) = ask(&api(), "lwadm_operator", "POST", keys, json!({ "scope": "*" })).await;
    assert_eq!(json["message"], "unknown field `scope`");
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    check("lwadm_owner", "PUT", "/tenants/acme/quota", json!({ "bytes": 1 }), 501, "not_implemented").await;
    check("lwadm_owner", "GET", "/nowhere", Value::Null, 404, "not_found").await;
    check("lwadm_owner", "PATCH", "/tenants", Value::Null, 405, "method_not_allowed").await;
}
