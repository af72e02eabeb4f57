//! Tags, retention and legal hold.

use serde_json::{Value, json};

use crate::kit::House;

#[tokio::test]
async fn tags() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "versioning": "enabled" })).await;
    let first = client.put("a/b", b"1").await.is(200).json()["versionId"].as_str().expect("a version").to_owned();
    client.put("a/b", b"2").await.is(200);
    let path = "/buckets/data/object-tags/a/b";
    assert_eq!(client.get(path).await.is(200).json(), json!({ "tags": {} }));
    let set = client.put_json(path, &json!({ "tags": { "k": "v" } })).await.is(200);
    assert_eq!(set.json(), json!({ "tags": { "k": "v" } }));
    assert!(set.header("x-holdfast-position").is_some() && set.header("x-lockwell-version-id").is_some());
    let listed = json!({ "tags": [{ "key": "a", "value": "1" }, { "key": "b", "value": "" }] });
    let older = format!("{path}?versionId={first}");
    assert_eq!(client.put_json(&older, &listed).await.is(200).json(), json!({ "tags": { "a": "1", "b": "" } }));
    assert_eq!(client.get(path).await.is(200).json(), json!({ "tags": { "k": "v" } }));
    assert_eq!(client.get(&older).await.is(200).json(), json!({ "tags": { "a": "1", "b": "" } }));
    client.delete(path).await.is(204);
    assert_eq!(client.get(path).await.is(200).json(), json!({ "tags": {} }));

    let eleven: serde_json::Map<String, Value> = (0..11).map(|number| (number.to_string(), json!("v"))).collect();
    for body in [
        json!({ "tags": eleven }),
        json!({ "tags": { "": "v" } }),
        json!({ "tags": { "k".repeat(129): "v" } }),
        json!({ "tags": { "k": "v".repeat(257) } }),
        json!({ "tags": { "k": 1 } }),
        json!({ "tags": [{ "key": "a", "value": "1" }, { "key": "a", "value": "2" }] }),
        json!({ "k": "v" }),
        json!({}),
    ] {
        client.put_json(path, &body).await.fails(400, "invalid_request");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let ask = client.ask(method, "/buckets/data/object-tags/nothing").json(&json!({ "tags": {} }));
        ask.send().await.fails(404, "not_found");
    }
}

#[tokio::test]
async fn a_retention_is_prolonged_and_never_shortened_or_weakened() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "objectLock": true })).await;
    let version = client.put("key", b"1").await.is(200).json()["versionId"].as_str().expect("a version").to_owned();
    let path = "/buckets/data/object-retention/key";
    client.get(path).await.fails(404, "not_found");
    let until = |mode: &str, day: u32| json!({ "mode": mode, "retainUntil": format!("2027-02-{day:02}T00:00:00Z") });
    let set = client.put_json(path, &until("GOVERNANCE", 10)).await.is(200);
    let shown = json!({ "mode": "GOVERNANCE", "retainUntil": "2027-02-10T00:00:00.000Z" });
    assert_eq!(set.json(), shown);
    assert!(set.header("x-holdfast-position").is_some());
    assert_eq!(client.get(path).await.is(200).json(), shown);
    client.put_json(path, &until("GOVERNANCE", 9)).await.fails(403, "retention_violation");
    let bypassing = client.ask("PUT", path).header("x-amz-bypass-governance-retention", "true");
    bypassing.json(&until("GOVERNANCE", 9)).send().await.fails(403, "retention_violation");
    client.put_json(path, &until("GOVERNANCE", 11)).await.is(200);
    let head = client.ask("HEAD", "/buckets/data/objects/key").send().await.is(200);
    assert_eq!(head.header("x-lockwell-retention-mode"), Some("GOVERNANCE"));
    assert_eq!(head.header("x-lockwell-retain-until"), Some("2027-02-11T00:00:00.000Z"));
    let removed = client.delete(&format!("/buckets/data/objects/key?versionId={version}")).await;
    removed.fails(403, "object_locked");
    let batch = json!({ "objects": [{ "key": "key", "versionId": version }] });
    let batch = client.post("/buckets/data/objects:batchDelete", &batch).await.is(200).json();
    assert_eq!(batch["errors"][0]["code"], "object_locked");
    client.delete("/buckets/data/objects/key").await.is(200);
    let listed = client.get("/buckets/data/versions").await.is(200).json();
    assert_eq!(listed["versions"][0]["retention"]["mode"], "GOVERNANCE");

    for bad in [
        json!({ "mode": "governance", "retainUntil": "2027-02-10T00:00:00Z" }),
        json!({ "mode": "GOVERNANCE", "retainUntil": "tomorrow" }),
        json!({ "mode": "GOVERNANCE", "retainUntil": "2026-01-01T00:00:00Z" }),
        json!({ "mode": "GOVERNANCE" }),
        json!({}),
    ] {
        let path = format!("{path}?versionId={version}");
        client.put_json(&path, &bad).await.fails(400, "invalid_request");
    }
}

#[tokio::test]
async fn compliance_binds_everybody() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "objectLock": true })).await;
    let put = client
        .ask("PUT", "/buckets/data/objects/key")
        .header("x-lockwell-retention-mode", "COMPLIANCE")
        .header("x-lockwell-retain-until", "2027-02-10T00:00:00Z")
        .header("x-lockwell-legal-hold", "ON")
        .bytes(b"x")
        .send()
        .await
        .is(200);
    let version = put.json()["versionId"].as_str().expect("a version").to_owned();
    let path = "/buckets/data/object-retention/key";
    for (mode, day) in [("COMPLIANCE", 9), ("GOVERNANCE", 20)] {
        let body = json!({ "mode": mode, "retainUntil": format!("2027-02-{day:02}T00:00:00Z") });
        client.put_json(path, &body).await.fails(403, "retention_violation");
    }
    let hold = "/buckets/data/object-legal-hold/key";
    assert_eq!(client.get(hold).await.is(200).json(), json!({ "status": "ON" }));
    house.pass_s(30 * 86_400);
    let client = house.client().await;
    let versioned = format!("/buckets/data/objects/key?versionId={version}");
    client.delete(&versioned).await.fails(403, "object_locked");
    assert_eq!(client.put_json(hold, &json!({ "status": "OFF" })).await.is(200).json(), json!({ "status": "OFF" }));
    client.delete(&versioned).await.is(204);
}

#[tokio::test]
async fn an_audit_trail_is_prolonged_alone_and_lets_versions_go() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "objectLock": true })).await;
    let rule =
        json!({ "objectLockEnabled": true, "rule": { "defaultRetention": { "mode": "AUDIT_TRAIL", "days": 3 } } });
    let set = client.put_json("/buckets/data/object-lock", &rule).await.is(200);
    assert_eq!(set.json(), rule);
    let put = client.put("key", b"x").await.is(200);
    let version = put.json()["versionId"].as_str().expect("a version").to_owned();
    let path = "/buckets/data/object-retention/key";
    assert_eq!(client.get(path).await.is(200).json()["mode"], "AUDIT_TRAIL");
    let until = |mode: &str, day: u32| json!({ "mode": mode, "retainUntil": format!("2027-02-{day:02}T00:00:00Z") });
    client.put_json(path, &until("AUDIT_TRAIL", 10)).await.is(200);
    for weaker in [until("AUDIT_TRAIL", 9), until("COMPLIANCE", 20), until("GOVERNANCE", 20)] {
        client.put_json(path, &weaker).await.fails(403, "retention_violation");
    }
    client.put("key", b"y").await.is(200);
    client.delete(&format!("/buckets/data/objects/key?versionId={version}")).await.is(204);
}

#[tokio::test]
async fn legal_hold_and_buckets_without_lock() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "objectLock": true })).await;
    client.put("key", b"x").await.is(200);
    let path = "/buckets/data/object-legal-hold/key";
    assert_eq!(client.get(path).await.is(200).json(), json!({ "status": "OFF" }));
    let set = client.put_json(path, &json!({ "status": "ON" })).await.is(200);
    assert_eq!(set.json(), json!({ "status": "ON" }));
    assert!(set.header("x-holdfast-position").is_some());
    for bad in [json!({ "status": "on" }), json!({ "status": true }), json!({})] {
        client.put_json(path, &bad).await.fails(400, "invalid_request");
    }
    for path in ["object-legal-hold", "object-retention"] {
        client.get(&format!("/buckets/data/{path}/nothing")).await.fails(404, "not_found");
    }
    client.bucket(&json!({ "name": "plain" })).await;
    client.ask("PUT", "/buckets/plain/objects/key").bytes(b"x").send().await.is(200);
    let retention = json!({ "mode": "GOVERNANCE", "retainUntil": "2027-02-10T00:00:00Z" });
    for (path, body) in [("object-legal-hold", json!({ "status": "ON" })), ("object-retention", retention)] {
        let path = format!("/buckets/plain/{path}/key");
        client.get(&path).await.fails(409, "object_lock_not_enabled");
        client.put_json(&path, &body).await.fails(409, "object_lock_not_enabled");
    }
    let put = client.ask("PUT", "/buckets/plain/objects/other").header("x-lockwell-legal-hold", "ON").bytes(b"x");
    put.send().await.fails(409, "object_lock_not_enabled");
    let half = client.ask("PUT", "/buckets/data/objects/other").header("x-lockwell-retention-mode", "GOVERNANCE");
    half.bytes(b"x").send().await.fails(400, "invalid_request");
}
