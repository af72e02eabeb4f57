//! The admin API against a store of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use pipeline::{AdminCaller, Clock, NewAdminToken, OpenOptions, Store, SystemClock};
use schemas::event::AdminRole;
use schemas::{RequestId, TenantName};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::Options;
use crate::openapi;

const REQUEST: &str = "01J00000000000000000000000";

/// The API over a store with the tenants `acme` and `other`, and a token for each role and one for `acme` alone.
struct House {
    api: Router,
    store: Store,
    tokens: [(&'static str, String); 4],
    _folder: tempfile::TempDir,
}

fn options() -> Options {
    Options {
        ids: Arc::new(|| RequestId(REQUEST.to_owned())),
        clock: Arc::new(|| SystemClock::default().wall().0),
        public_url: None,
        token_ttl_s: 3_600,
        signed_url_ttl_max_s: 900,
        tenant_hosts: BTreeMap::new(),
        anonymous_tenant: None,
    }
}

impl House {
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut open = OpenOptions::new(folder.path().to_owned());
        (open.segment_bytes, open.cache_bytes, open.reserve_bytes) = (4 << 20, 4 << 20, 0);
        let opened = tokio::task::spawn_blocking(|| Store::open(open)).await.expect("no panic");
        let (store, _) = opened.expect("a store");
        let request = RequestId(REQUEST.to_owned());
        let root = AdminCaller { token: "test".into(), role: AdminRole::Owner, tenant: None, source: None, request };
        for name in ["acme", "other"] {
            store.create_tenant(&root, TenantName::parse(name).expect("a name")).await.expect("a tenant");
        }
        let mut tokens = Vec::new();
        for (name, role, tenant) in [
            ("viewer", AdminRole::Viewer, None),
            ("operator", AdminRole::Operator, None),
            ("owner", AdminRole::Owner, None),
            ("acme", AdminRole::Owner, TenantName::parse("acme").ok()),
        ] {
            let new = NewAdminToken { role, name: name.to_owned(), tenant, expires: None };
            let (_, text) = store.make_admin_token(&root, new).await.expect("a token");
            tokens.push((name, text.expose_secret().to_owned()));
        }
        let tokens = tokens.try_into().expect("four");
        Self { api: super::admin_router(store.clone(), options()), store, tokens, _folder: folder }
    }

    fn token<'a>(&'a self, who: &'a str) -> &'a str {
        self.tokens.iter().find(|(name, _)| *name == who).map_or(who, |(_, text)| text.as_str())
    }

    async fn full(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value, HeaderMap) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let bearer = format!("Bearer {}", self.token(who));
        let request = Request::builder().method(method).uri(path).header("authorization", bearer);
        let response = self.api.clone().oneshot(request.body(body).expect("a request")).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        assert_eq!(headers["x-request-id"], format!("req_{REQUEST}"));
        let problem = headers.get("content-type").is_some_and(|kind| kind == "application/problem+json");
        assert_eq!(problem, !status.is_success(), "{method} {path}: {status}");
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        let json = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") };
        if problem {
            assert_eq!(
                (&json["status"], &json["requestId"]),
                (&json!(status.as_u16()), &json!(format!("req_{REQUEST}")))
            );
        }
        (status.as_u16(), json, headers)
    }

    async fn ask(&self, who: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, json, _) = self.full(who, method, path, body).await;
        (status, json)
    }

    async fn check(&self, who: &str, method: &str, path: &str, body: Value, status: u16, code: &str) {
        let (found, json) = self.ask(who, method, path, body).await;
        assert_eq!((found, json["code"].as_str().unwrap_or("")), (status, code), "{who} {method} {path}: {json}");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.store.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_working_token_nothing_is_answered() {
    let house = House::open().await;
    for header in
        [None, Some("Bearer lwadm_nobody"), Some("Bearer viewer"), Some("Basic lwadm_owner"), Some("lwadm_owner")]
    {
        for path in ["/tenants", "/nowhere"] {
            let mut request = Request::builder().uri(path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let request = request.body(Body::empty()).expect("a request");
            let response = house.api.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), 401, "{header:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
    }
    let bearer = format!("Bearer {}", house.token("owner"));
    let twice = Request::builder().uri("/tenants").header("authorization", &bearer).header("authorization", &bearer);
    let twice = twice.body(Body::empty()).expect("a request");
    assert_eq!(house.api.clone().oneshot(twice).await.expect("an answer").status(), 401);
    house.store.close();
    house.check("operator", "POST", "/tenants", json!({ "id": "late" }), 503, "unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_the_document_need_no_token() {
    let house = House::open().await;
    for path in ["/healthz", "/openapi.json"] {
        let request = Request::builder().uri(path).body(Body::empty()).expect("a request");
        assert_eq!(house.api.clone().oneshot(request).await.expect("an answer").status(), StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_needs_its_role() {
    let house = House::open().await;
    for (operation, handler) in super::routes().entries() {
        if operation.access == crate::operation::Access::Open {
            continue;
        }
        let path = operation.path.replace("{id}", "absent").replace("{key}", "NONE").replace("{user}", "nobody");
        let path = path.replace("{bucket}", "no-bucket").replace("{token}", "none");
        for (who, role) in
            [("viewer", AdminRole::Viewer), ("operator", AdminRole::Operator), ("owner", AdminRole::Owner)]
        {
            let (status, json) = house.ask(who, operation.method.as_str(), &path, json!({})).await;
            assert_eq!(status == 403, role < handler.role, "{who} {}: {json}", operation.id);
        }
        // Whatever concerns all, or another tenant, existing or not.
        let about_another = path.contains("absent");
        let (status, _) = house.ask("acme", operation.method.as_str(), &path, json!({})).await;
        assert_eq!(status == 403, about_another || handler.scope == super::Scope::Whole, "{}", operation.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_tenant_cannot_tell_other_tenants_from_absent_ones() {
    let house = House::open().await;
    for name in ["other", "absent", "Not-A-Name"] {
        for what in ["", "/keys", "/usage", "/quota", "/users"] {
            house.check("acme", "GET", &format!("/tenants/{name}{what}"), Value::Null, 403, "forbidden").await;
        }
    }
    let (_, json) = house.ask("acme", "GET", "/tenants", Value::Null).await;
    assert_eq!((json["tenants"].as_array().map(Vec::len), &json["tenants"][0]["id"]), (Some(1), &json!("acme")));
    let (_, json) = house.ask("acme", "GET", "/usage", Value::Null).await;
    assert_eq!(json["tenants"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_made_found_stopped_started_and_deleted() {
    let house = House::open().await;
    let (status, json) = house.ask("operator", "POST", "/tenants", json!({ "id": "new", "name": "new" })).await;
    assert_eq!((status, &json["id"], &json["disabled"]), (201, &json!("new"), &json!(false)));
    assert!(json["createdAt"].as_str().is_some_and(|at| at.ends_with('Z')), "{json}");
    house.check("owner", "POST", "/tenants", json!({ "name": "new" }), 409, "tenant_already_exists").await;
    let why = || json!({ "reason": "unpaid" });
    assert_eq!(house.ask("owner", "POST", "/tenants/new/disable", why()).await.1["disabled"], true);
    assert_eq!(house.ask("owner", "POST", "/tenants/new/enable", Value::Null).await.1["disabled"], false);
    house.check("owner", "GET", "/tenants/absent", Value::Null, 404, "not_found").await;
    house.check("owner", "DELETE", "/tenants/new", Value::Null, 400, "invalid_request").await;
    house.check("owner", "DELETE", "/tenants/new", json!({ "reason": " " }), 400, "invalid_request").await;
    assert_eq!(house.ask("owner", "DELETE", "/tenants/new", why()).await.0, 204);
    house.check("owner", "GET", "/tenants/new", Value::Null, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_rotated_and_ended() {
    let house = House::open().await;
    let user = json!({ "id": "ann", "displayName": "Ann" });
    assert_eq!(house.ask("operator", "POST", "/tenants/acme/users", user).await.0, 201);
    let pair =
        json!({ "user": "ann", "accessKeyId": "HFKEY", "secretKey": "0123456789", "scopes": "op=read", "name": "ci" });
    let (status, json, headers) = house.full("operator", "POST", "/tenants/acme/keys", pair).await;
    assert_eq!((status, &json["secretKey"], &json["status"]), (201, &json!("0123456789"), &json!("active")));
    assert_eq!((&json["id"], &json["accessKeyId"], &json["user"]), (&json!("HFKEY"), &json!("HFKEY"), &json!("ann")));
    assert_eq!(headers["cache-control"], "no-store");
    let (_, json) = house.ask("viewer", "GET", "/tenants/acme/keys", Value::Null).await;
    assert_eq!((&json["keys"][0]["scopes"], &json["keys"][0]["name"]), (&json!("op=read"), &json!("ci")));
    assert!(!json.to_string().contains("0123456789"), "a listing shows no secret");
    let path = |what: &str| format!("/tenants/acme/keys/HFKEY/{what}");
    let (_, json) = house.ask("operator", "POST", &path("rotate"), Value::Null).await;
    assert!(json["secretKey"].as_str().is_some_and(|secret| secret.len() >= 40), "{json}");
    for (what, status) in [("disable", "disabled"), ("enable", "active"), ("revoke", "revoked")] {
        assert_eq!(house.ask("operator", "POST", &path(what), Value::Null).await.1["status"], status);
    }
    house.check("operator", "POST", &path("enable"), Value::Null, 409, "access_key_revoked").await;
    house.check("operator", "POST", &path("rotate"), Value::Null, 409, "access_key_revoked").await;
    assert_eq!(house.ask("operator", "DELETE", "/tenants/acme/users/ann", Value::Null).await.0, 204);
    house.check("operator", "DELETE", "/tenants/acme/users/ann", Value::Null, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_is_made_with_its_end() {
    let house = House::open().await;
    let asked = json!({ "type": "api", "scopes": "op=read", "expiresAt": "2100-01-01T00:00:00Z" });
    let (status, json) = house.ask("operator", "POST", "/tenants/acme/keys", asked).await;
    assert_eq!((status, &json["type"], &json["expiresAt"]), (201, &json!("api"), &json!("2100-01-01T00:00:00Z")));
    let text = json["secretKey"].as_str().expect("a text");
    assert!(text.starts_with("hfsk_") && house.store.api_key(text).expect("reads").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_nobody_belongs_to_the_default_user() {
    let house = House::open().await;
    for _ in 0..2 {
        let (status, json) = house.ask("operator", "POST", "/tenants/acme/keys", json!({ "scopes": "*" })).await;
        assert_eq!((status, &json["user"]), (201, &json!("default")));
    }
    let (_, json) = house.ask("viewer", "GET", "/tenants/acme/users", Value::Null).await;
    assert_eq!(json["users"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_set_shown_and_removed() {
    let house = House::open().await;
    let path = "/tenants/acme/quota";
    let bounds = async || {
        let (_, json) = house.ask("viewer", "GET", path, Value::Null).await;
        (json["tenantId"].clone(), json["quotaBytes"].clone(), json["quotaObjects"].clone(), json["usedBytes"].clone())
    };
    assert_eq!(bounds().await, (json!("acme"), Value::Null, Value::Null, json!(0)));
    let (status, json) = house.ask("operator", "PUT", path, json!({ "bytes": 1000 })).await;
    assert_eq!((status, &json["tenantId"], &json["quotaBytes"]), (200, &json!("acme"), &json!(1000)));
    assert_eq!(house.ask("operator", "PUT", path, json!({ "objects": 5 })).await.0, 200);
    assert_eq!(bounds().await, (json!("acme"), Value::Null, json!(5), json!(0)), "what is left out does not bound");
    assert_eq!(house.ask("operator", "DELETE", path, Value::Null).await.0, 204);
    assert_eq!(bounds().await.2, Value::Null);
    house.check("operator", "PUT", "/tenants/acme/buckets/none/quota", json!({ "bytes": 1 }), 404, "not_found").await;
    house.check("operator", "PUT", path, json!({ "bytes": -1 }), 400, "invalid_request").await;
    house.check("operator", "PUT", path, json!({ "byte": 1 }), 400, "invalid_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_token_is_made_limited_listed_and_ended() {
    let house = House::open().await;
    let asked = json!({ "role": "viewer", "name": "ci", "tenant": "acme" });
    let (status, made) = house.ask("owner", "POST", "/tokens", asked).await;
    assert_eq!((status, &made["role"], &made["tenant"]), (201, &json!("viewer"), &json!("acme")));
    let (id, text) = (made["id"].as_str().expect("an id"), made["token"].as_str().expect("a text"));
    assert!(text.starts_with("lwadm_"));
    assert_eq!(house.ask(text, "GET", "/tenants/acme", Value::Null).await.0, 200);
    house.check(text, "GET", "/tenants/other", Value::Null, 403, "forbidden").await;
    let (_, json) = house.ask("owner", "GET", "/tokens", Value::Null).await;
    assert!(!json.to_string().contains(text), "a listing shows no text");
    assert_eq!(house.ask("owner", "DELETE", &format!("/tokens/{id}"), Value::Null).await.0, 204);
    house.check(text, "GET", "/tenants/acme", Value::Null, 401, "unauthorized").await;
    house.check("owner", "DELETE", "/tokens/none", Value::Null, 404, "not_found").await;
    house.check("owner", "POST", "/tokens", json!({ "role": "king" }), 400, "invalid_request").await;
    house.check("owner", "POST", "/tokens", json!({ "role": "viewer", "tenant": "absent" }), 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_strictly_and_never_repeated() {
    let house = House::open().await;
    let keys = "/tenants/acme/keys";
    for body in [
        json!({ "scopes": "read" }),
        json!({ "scopes": "*", "admin": true }),
        json!({ "accessKeyId": "HFKEY" }),
        json!({ "accessKeyId": "HFKEY", "secretKey": "short" }),
        json!({ "accessKeyId": "HF KEY", "secretKey": "0123456789" }),
        json!({ "type": "api", "accessKeyId": "HFKEY", "secretKey": "0123456789" }),
        json!({ "expiresAt": "tomorrow" }),
        json!(["scopes"]),
    ] {
        house.check("operator", "POST", keys, body, 400, "invalid_request").await;
    }
    for body in [json!({ "id": "No" }), json!({}), json!({ "id": "a", "name": "b" })] {
        house.check("operator", "POST", "/tenants", body, 400, "invalid_request").await;
    }
    let secret = json!({ "scopes": 5, "secretKey": "do-not-repeat-me" });
    let (_, json) = house.ask("operator", "POST", keys, secret).await;
    assert!(!json.to_string().contains("do-not-repeat-me"), "{json}");
    let (_, json) = house.ask("operator", "POST", keys, json!({ "scope": "*" })).await;
    assert_eq!(json["message"], "unknown field `scope`");
    let long = json!({ "name": "x".repeat(2 << 20) });
    house.check("operator", "POST", keys, long, 413, "payload_too_large").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_is_acknowledged_by_an_owner_who_knows_what_time_it_is() {
    let house = House::open().await;
    let (status, clock) = house.ask("viewer", "GET", "/clock", Value::Null).await;
    assert_eq!((status, &clock["frozen"]), (200, &json!(false)), "{clock}");
    assert!(clock["retentionTime"].is_string() && clock["wallTime"].is_string() && clock["judgedTime"].is_string());
    let path = "/clock/acknowledge";
    let said = json!({ "wall": clock["wallTime"] });
    for who in ["viewer", "operator", "acme"] {
        house.check(who, "POST", path, said.clone(), 403, "forbidden").await;
    }
    house.check("acme", "GET", "/clock", Value::Null, 403, "forbidden").await;
    for bad in [
        json!({ "wall": "2001-01-01T00:00:00Z" }),
        json!({ "wall": "2999-01-01T00:00:00Z" }),
        json!({ "wall": "now" }),
        json!({ "wall": 5 }),
        json!({ "wall": clock["wallTime"], "force": true }),
        json!({}),
        Value::Null,
    ] {
        house.check("owner", "POST", path, bad, 400, "invalid_request").await;
    }
    let (status, after) = house.ask("owner", "POST", path, said).await;
    assert_eq!((status, &after["frozen"]), (200, &json!(false)), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_a_copy_of_the_keys_are_made_where_the_owner_says() {
    let house = House::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (status, first) = house.ask("owner", "POST", "/backups", json!({ "to": at("backup") })).await;
    assert_eq!((status, &first["run"]), (200, &json!(1)), "{first}");
    assert!(first["records"].as_u64() > Some(0) && first["madeAt"].as_str().is_some_and(|at| at.ends_with('Z')));
    let (_, second) = house.ask("owner", "POST", "/backups", json!({ "to": at("backup"), "keepDays": 7 })).await;
    assert_eq!((&second["run"], &second["rows"]), (&json!(2), &json!(0)), "{second}");
    let (status, copy) = house.ask("owner", "POST", "/key-copies", json!({ "to": at("keys") })).await;
    assert_eq!((status, &copy["removed"]), (200, &json!(0)), "{copy}");
    assert!(copy["folder"].as_str().is_some_and(|folder| folder.starts_with(&at("keys"))));

    std::fs::write(folder.path().join("file"), "a user's").expect("writes");
    for path in ["/backups", "/key-copies"] {
        for body in
            [json!({}), json!({ "to": "" }), json!({ "to": "relative" }), json!({ "to": at("x"), "keepDays": 0 })]
        {
            house.check("owner", "POST", path, body, 400, "invalid_request").await;
        }
        house.check("operator", "POST", path, json!({ "to": at("backup") }), 403, "forbidden").await;
        house.check("acme", "POST", path, json!({ "to": at("backup") }), 403, "forbidden").await;
        house.check("owner", "POST", path, json!({ "to": at("file/below") }), 409, "conflict").await;
    }
    house.check("owner", "POST", "/backups", json!({ "to": folder.path() }), 400, "invalid_request").await;
    let data = house._folder.path().join("backup");
    house.check("owner", "POST", "/backups", json!({ "to": data }), 400, "invalid_request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_so() {
    let house = House::open().await;
    house.check("owner", "GET", "/nowhere", Value::Null, 404, "not_found").await;
    let (status, _, headers) = house.full("owner", "PATCH", "/tenants", Value::Null).await;
    assert_eq!((status, headers["allow"].to_str().ok()), (405, Some("GET, POST")));
}

#[test]
fn the_document_is_the_committed_one() {
    openapi::check_committed("admin.json", &openapi::text(&super::ABOUT, super::routes().operations()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_is_found_in_the_audit() {
    let house = House::open().await;
    house.check("viewer", "POST", "/tenants/acme/users", json!({ "id": "ann" }), 403, "forbidden").await;
    assert_eq!(house.ask("operator", "POST", "/tenants/acme/users", json!({ "id": "ann" })).await.0, 201);
    let denied = async || house.ask("owner", "GET", "/audit?tenant=acme&result=denied", Value::Null).await.1;
    // Entries are written in batches behind the answers.
    let mut found = denied().await;
    for _ in 0..200 {
        if found["entries"].as_array().is_some_and(|entries| !entries.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        found = denied().await;
    }
    let entry = &found["entries"][0];
    assert_eq!(
        (&entry["action"], &entry["status"], &entry["code"]),
        (&json!("createUser"), &json!(403), &json!("forbidden"))
    );
    assert_eq!((&entry["surface"], &entry["actor"]["kind"]), (&json!("admin"), &json!("admin")));
    let (_, made) = house.ask("owner", "GET", "/audit?tenant=acme&result=ok&action=UserCreated", Value::Null).await;
    assert_eq!(made["entries"].as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!(made["entries"][0]["requestId"], REQUEST);
    assert!(made["entries"][0]["position"].is_u64());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_of_records_is_read_strictly() {
    let house = House::open().await;
    for query in [
        "bucket=a&bucket=b",
        "buckets=a",
        "limit=0",
        "limit=1001",
        "limit=x",
        "result=fine",
        "order=any",
        "from=yesterday",
        "key=%ff",
    ] {
        house.check("viewer", "GET", &format!("/audit?{query}"), Value::Null, 400, "invalid_request").await;
    }
    let half = "/tenants/acme/usage/windows?from=2024-01-01T00:00:00Z";
    house.check("viewer", "GET", half, Value::Null, 400, "invalid_request").await;
    house.check("acme", "GET", "/audit?tenant=other", Value::Null, 403, "forbidden").await;
    house.check("acme", "GET", "/tenants/other/uploads", Value::Null, 403, "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_shown() {
    let house = House::open().await;
    let (_, stats) = house.ask("viewer", "GET", "/stats", Value::Null).await;
    assert!(stats["requests"].is_object() && stats["commit"].is_u64() && stats["audit"]["lost"] == 0, "{stats}");
    let (_, projections) = house.ask("viewer", "GET", "/projections", Value::Null).await;
    let core = |projection: &Value| projection["kind"] == "core" && projection["lagPositions"] == 0;
    assert!(projections["projections"].as_array().is_some_and(|all| all.iter().any(core)), "{projections}");
    let (_, uploads) = house.ask("viewer", "GET", "/tenants/acme/uploads", Value::Null).await;
    assert_eq!((&uploads["uploads"], &uploads["nextCursor"]), (&json!([]), &Value::Null));
    let hour = "/tenants/acme/usage/windows?from=2024-01-01T00:00:00Z&to=2024-01-01T01:00:00%2B00:00";
    assert_eq!(house.ask("viewer", "GET", hour, Value::Null).await.0, 200);
}
