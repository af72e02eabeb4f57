//! Batches of deletes, and what the audit says of them.

use pipeline::audit::{AuditQuery, Verdict};
use pipeline::{LockAsked, PutObject};
use schemas::TenantName;
use schemas::event::Versioning;
use serde_json::{Value, json};

use crate::kit::{Api, READER, WRITER, admin};

const DELETE: &str = "POST /buckets/locked/objects:batchDelete";

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    key: Option<String>,
    version: Option<String>,
    status: u16,
    code: Option<String>,
    result: &'static str,
    credential: Option<String>,
}

/// Entries that requests to delete a batch left, by key.
async fn entries(api: &Api) -> Vec<Found> {
    let tenant = Some(TenantName::parse("default").expect("a name"));
    let action = Some("batchDeleteObjects".to_owned());
    let query = AuditQuery { tenant, action, bucket: Some("locked".to_owned()), limit: 100, ..AuditQuery::default() };
    let page = api.store.audit(&admin(), query).await.expect("answers");
    let found = page.entries.into_iter().filter_map(|entry| {
        let said = entry.access?;
        let (key, version, result, credential) = (entry.key, entry.version, entry.result, entry.asker.credential);
        Some(Found { key, version, status: said.status, code: said.code, result: result.as_str(), credential })
    });
    let mut found: Vec<_> = found.collect();
    found.sort();
    found
}

fn found(key: Option<&str>, version: Option<&str>, status: u16, code: Option<&str>, who: &str) -> Found {
    let (key, version, code) = (key.map(str::to_owned), version.map(str::to_owned), code.map(str::to_owned));
    Found { key, version, status, code, result: Verdict::of(status).as_str(), credential: Some(who.to_owned()) }
}

#[tokio::test]
async fn what_a_batch_may_not_delete_stands_in_the_audit() {
    let api = Api::open().await;
    api.bucket("locked", Versioning::Enabled, true).await;
    let lock = LockAsked { retention: None, legal_hold: Some(true) };
    let held = api.put_as(PutObject { lock, ..Api::put_request("locked", "held") }, b"1").await;
    let held = held.version.expect("a version").to_string();
    api.put("locked", "free", b"1").await;
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Principal": "*",
        "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::locked/denied" }] });
    api.done("PUT /buckets/locked/policy", policy).await;
    let batch = json!({ "objects": [
        { "key": "free" }, { "key": "held", "versionId": held }, { "key": "denied" }, { "key": "bad", "versionId": "?" },
    ] });
    let answer = api.ask_as(WRITER, DELETE, batch).await;
    assert_eq!((answer.status, answer.json()["errors"].as_array().map(Vec::len)), (200, Some(3)), "{answer:?}");
    let expected = [
        found(Some("bad"), Some("?"), 400, Some("invalid_request"), WRITER),
        found(Some("denied"), None, 403, Some("policy_denied"), WRITER),
        found(Some("held"), Some(&held), 403, Some("object_locked"), WRITER),
    ];
    assert_eq!(entries(&api).await, expected, "what was done has its event");

    // Of a batch that did nothing the request has an entry, too.
    let answer = api.ask_as(WRITER, DELETE, json!({ "keys": ["denied"], "quiet": true })).await;
    assert_eq!(answer.json()["deleted"], json!([]));
    assert_eq!(entries(&api).await.len(), 3 + 2);
    assert_eq!(api.ask_as(READER, DELETE, json!({ "keys": ["free"] })).await.status, 403);
    let all = entries(&api).await;
    assert_eq!(all.iter().filter(|entry| entry.credential.as_deref() == Some(READER)).count(), 1, "{all:?}");
    assert_eq!(api.done("GET /buckets/locked/stats", Value::Null).await.json()["objects"], 1);
}
