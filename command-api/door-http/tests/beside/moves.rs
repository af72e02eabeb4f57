//! Moving objects: everything in one commit.

use std::sync::Arc;

use pipeline::{ListVersions, LockAsked, PutObject, StoreError};
use schemas::event::{Headers, Metadata, StorageClass, Versioning};
use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, MAIN, READER, WRITER, bucket, text};

const MOVE: &str = "POST /buckets/bucket/objects:move";

async fn versions(api: &Api, name: &str) -> Vec<(String, bool, bool)> {
    let (prefix, delimiter, after, after_version) = (String::new(), None, None, None);
    let request = ListVersions { bucket: bucket(name), prefix, delimiter, after, after_version, max: 100 };
    let page = api.store.list_versions(&api.caller(MAIN), request).await.expect("lists");
    page.entries.into_iter().map(|entry| (entry.key.to_string(), entry.is_latest, entry.is_marker)).collect()
}

#[tokio::test]
async fn an_object_goes_with_what_is_said_of_it() {
    let api = Api::open().await;
    let headers = Headers { content_type: Some("text/x".into()), ..Headers::default() };
    let metadata = Metadata { headers, user: [("a".to_owned(), "b".to_owned())].into() };
    let storage_class = StorageClass::StandardIa;
    let tags = [("tag".to_owned(), "value".to_owned())].into();
    api.put_as(
        PutObject { metadata: metadata.clone(), storage_class, tags, ..Api::put_request("bucket", "from") },
        b"bytes",
    )
    .await;
    let moved = api.done(MOVE, json!({ "sourceKey": "from", "key": "to//here" })).await;
    assert!(moved.header("etag").is_some() && moved.header("x-holdfast-position").is_some());
    let moved = moved.json();
    assert_eq!((&moved["bucket"], &moved["key"], &moved["size"]), (&json!("bucket"), &json!("to//here"), &json!(5)));
    assert_eq!((&moved["sourceDeleteMarker"], moved.get("versionId")), (&json!(false), None));
    assert_eq!(api.read("bucket", "to//here").await.expect("reads"), b"bytes");
    assert!(api.read("bucket", "from").await.is_err());
    let head = Api::get_request("bucket", "to//here");
    let info = api.store.head_object(&api.caller(MAIN), head).await.expect("is there").info;
    assert_eq!((info.metadata, info.storage_class, info.tags_count), (metadata, storage_class, 1));
    assert_eq!(versions(&api, "bucket").await, [("to//here".to_owned(), true, false)]);
}

#[tokio::test]
async fn in_a_versioned_bucket_the_source_is_hidden_and_a_named_version_goes_for_good() {
    let api = Api::open().await;
    api.bucket("versioned", Versioning::Enabled, false).await;
    let first = api.put("versioned", "from", b"1").await.version.expect("a version");
    api.put("versioned", "from", b"2").await;
    let moved =
        api.done("POST /buckets/versioned/objects:move", json!({ "sourceKey": "from", "key": "to" })).await.json();
    assert_eq!(moved["sourceDeleteMarker"], true);
    assert!(moved["versionId"].is_string() && moved["sourceDeleteMarkerVersionId"].is_string(), "{moved}");
    assert_eq!(versions(&api, "versioned").await.len(), 4, "two versions, a marker, and the new object");
    let named = json!({ "sourceKey": "from", "sourceVersionId": first.to_string(), "key": "old" });
    let moved = api.done("POST /buckets/versioned/objects:move", named.clone()).await.json();
    assert_eq!((&moved["sourceDeleteMarker"], &moved["sourceVersionId"]), (&json!(false), &json!(first.to_string())));
    assert_eq!(api.read("versioned", "old").await.expect("reads"), b"1");
    assert_eq!(api.ask("POST /buckets/versioned/objects:move", named).await.status, 404, "it is gone");
    assert_eq!(versions(&api, "versioned").await.len(), 4);
}

#[tokio::test]
async fn to_another_bucket_of_the_tenant_and_to_none_of_another() {
    let api = Api::open().await;
    api.bucket("second", Versioning::Unversioned, false).await;
    let large = vec![7; 9 << 20];
    api.put("bucket", "key", &large).await;
    api.done(MOVE, json!({ "sourceKey": "key", "key": "key", "bucket": "second" })).await;
    assert_eq!(api.read("second", "key").await.expect("reads"), large);
    assert!(api.read("bucket", "key").await.is_err());
    let back = json!({ "sourceKey": "key", "key": "key", "bucket": "bucket" });
    for (who, status) in [(FOREIGN, 404), (READER, 403)] {
        assert_eq!(api.ask_as(who, "POST /buckets/second/objects:move", back.clone()).await.status, status, "{who}");
    }
    let nowhere = json!({ "sourceKey": "key", "key": "key", "bucket": "absent" });
    assert_eq!(api.ask("POST /buckets/second/objects:move", nowhere).await.error(), (404, "not_found".into()));
    assert_eq!(api.ask_as(WRITER, "POST /buckets/second/objects:move", back).await.status, 200);
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let api = Api::open().await;
    api.put("bucket", "from", b"1").await;
    api.put("bucket", "taken", b"2").await;
    for (body, status, code) in [
        (json!({ "sourceKey": "from", "key": "from" }), 400, "invalid_request"),
        (json!({ "sourceKey": "from", "key": "from", "sourceVersionId": "null" }), 400, "invalid_request"),
        (json!({ "sourceKey": "none", "key": "to" }), 404, "not_found"),
        (json!({ "sourceKey": "from", "key": "taken", "requireAbsent": true }), 412, "precondition_failed"),
        (json!({ "sourceKey": "from", "key": "taken", "requireMatchEtag": "\"x\"" }), 412, "precondition_failed"),
        (json!({ "sourceKey": "from", "key": "to", "ifMatch": "\"x\"" }), 412, "precondition_failed"),
        (json!({ "sourceKey": "from", "key": "" }), 400, "invalid_key"),
        (json!({ "sourceKey": "from" }), 400, "invalid_request"),
        (json!({ "sourceKey": "from", "key": "to", "bucket": "NO" }), 400, "invalid_bucket_name"),
        (json!({ "sourceKey": "from", "key": "to", "sourceVersionId": "?" }), 400, "invalid_request"),
    ] {
        assert_eq!(api.ask(MOVE, body.clone()).await.error(), (status, code.into()), "{body}");
    }
    assert_eq!(api.ask_as(READER, MOVE, json!({ "sourceKey": "in/a", "key": "in/b" })).await.status, 403);
    let found: Vec<_> = versions(&api, "bucket").await.into_iter().map(|(key, ..)| key).collect();
    assert_eq!(found, ["from", "taken"]);
    assert_eq!(api.read("bucket", "taken").await.expect("reads"), b"2");
}

#[tokio::test]
async fn a_locked_version_that_would_be_removed_stays_and_no_copy_appears() {
    let api = Api::open().await;
    api.bucket("locked", Versioning::Enabled, true).await;
    let lock = LockAsked { retention: None, legal_hold: Some(true) };
    let held = api.put_as(PutObject { lock, ..Api::put_request("locked", "held") }, b"1").await;
    let version = held.version.expect("a version").to_string();
    let body = json!({ "sourceKey": "held", "sourceVersionId": version, "key": "to" });
    assert_eq!(api.ask("POST /buckets/locked/objects:move", body).await.error(), (403, "object_locked".into()));
    assert_eq!(versions(&api, "locked").await, [("held".to_owned(), true, false)]);
    // Hiding it removes nothing.
    api.done("POST /buckets/locked/objects:move", json!({ "sourceKey": "held", "key": "to" })).await;
}

#[tokio::test]
async fn a_full_quota_lets_an_object_be_renamed_and_none_be_brought_in() {
    let api = Api::open().await;
    api.bucket("second", Versioning::Unversioned, false).await;
    api.put("bucket", "one", b"12345").await;
    api.put("second", "two", b"x").await;
    api.done("PUT /buckets/bucket/quota", json!({ "bytes": 5, "objects": 1 })).await;
    api.done(MOVE, json!({ "sourceKey": "one", "key": "renamed" })).await;
    let stats = api.done("GET /buckets/bucket/stats", Value::Null).await.json();
    assert_eq!((&stats["objects"], &stats["logicalBytes"]), (&json!(1), &json!(5)));
    let body = json!({ "sourceKey": "two", "key": "two", "bucket": "bucket" });
    let answer = api.ask("POST /buckets/second/objects:move", body).await;
    assert_eq!(answer.error(), (507, "quota_exceeded".into()), "{}", text(&answer.bytes));
    assert_eq!(api.read("second", "two").await.expect("it stays"), b"x");
    api.done(MOVE, json!({ "sourceKey": "renamed", "key": "out", "bucket": "second" })).await;
    let stats = api.done("GET /buckets/bucket/stats", Value::Null).await.json();
    assert_eq!((&stats["objects"], &stats["logicalBytes"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn an_object_under_a_customers_key_is_refused() {
    let api = Api::open().await;
    let customer = pipeline::CustomerKey::new(&[7; 32]);
    let encryption = pipeline::AskedEncryption::Customer(customer);
    api.put_as(PutObject { encryption, ..Api::put_request("bucket", "theirs") }, b"1").await;
    let answer = api.ask(MOVE, json!({ "sourceKey": "theirs", "key": "to" })).await;
    assert_eq!(answer.status, 400, "{}", text(&answer.bytes));
    assert_eq!(versions(&api, "bucket").await.len(), 1);
}

#[tokio::test]
async fn an_object_under_a_named_key_stays_under_it() {
    let api = Api::open().await;
    let encryption = pipeline::AskedEncryption::Kms { key: Some("one".into()), context: None, bucket_key: None };
    api.put_as(PutObject { encryption, ..Api::put_request("bucket", "named") }, b"1").await;
    api.done(MOVE, json!({ "sourceKey": "named", "key": "to" })).await;
    let info = api.store.head_object(&api.caller(MAIN), Api::get_request("bucket", "to")).await.expect("is there").info;
    assert_eq!(info.encryption, schemas::event::Encryption::kms("one"));
}

/// However many move one object at once, and write it meanwhile, there is never a moment at which it is lost or there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_moves_at_once_one_wins() {
    let api = Arc::new(Api::open().await);
    for round in 0..5 {
        let from = format!("from {round}");
        api.put("bucket", &from, b"once").await;
        let movers = (0..8).map(|number| {
            let (api, from) = (Arc::clone(&api), from.clone());
            tokio::spawn(async move {
                let body = json!({ "sourceKey": from, "key": format!("to {round} {number}") });
                api.ask(MOVE, body).await.status
            })
        });
        let mut statuses = Vec::new();
        for mover in movers.collect::<Vec<_>>() {
            statuses.push(mover.await.expect("no panic"));
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 404, 404, 404, 404, 404, 404, 404]);
        let found = versions(&api, "bucket").await;
        assert_eq!(found.iter().filter(|(key, ..)| key.starts_with(&format!("to {round}"))).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_the_source_meanwhile_is_moved_or_stays() {
    let api = Arc::new(Api::open().await);
    for round in 0..10 {
        let from = format!("from {round}");
        api.put("bucket", &from, b"old").await;
        let (writer, written) = (Arc::clone(&api), from.clone());
        let writing = tokio::spawn(async move { writer.put("bucket", &written, b"new").await });
        let moved = api.ask(MOVE, json!({ "sourceKey": from, "key": format!("to {round}") })).await;
        assert_eq!(moved.status, 200);
        writing.await.expect("no panic");
        let (left, arrived) = (api.read("bucket", &from).await, api.read("bucket", &format!("to {round}")).await);
        match (left, arrived.expect("it was moved").as_slice()) {
            (Ok(left), b"old") => assert_eq!(left, b"new", "the write came behind the move"),
            (Err(StoreError::Refused(_)), b"new") => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_move_and_a_restart() {
    let api = Api::open().await;
    api.put("bucket", "from", b"bytes").await;
    api.done(MOVE, json!({ "sourceKey": "from", "key": "to" })).await;
    let api = api.reopened();
    assert_eq!(api.read("bucket", "to").await.expect("reads"), b"bytes");
    assert_eq!(versions(&api, "bucket").await, [("to".to_owned(), true, false)]);
}

#[tokio::test]
async fn a_move_that_is_asked_for_again_is_made_once() {
    let api = Api::open().await;
    api.put("bucket", "from", b"bytes").await;
    let body = json!({ "sourceKey": "from", "key": "to" });
    let first = api.ask_once(MOVE, body.clone(), "k1").await;
    let again = api.ask_once(MOVE, body.clone(), "k1").await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!((first.bytes, again.header("x-lockwell-idempotent-replay")), (again.bytes.clone(), Some("true")));
    assert_eq!(api.ask_once(MOVE, body, "k2").await.error(), (404, "not_found".into()));
}

/// A policy that denies what comes without a condition.
fn demands(action: &str, condition: &str) -> Value {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Principal": "*", "Action": action,
        "Resource": "arn:aws:s3:::bucket/*", "Condition": { "Null": { condition: "true" } } }] })
}

#[tokio::test]
async fn a_policy_hears_the_conditions_that_a_move_keeps_to_and_no_header() {
    let api = Api::open().await;
    let etag = api.put("bucket", "from", b"1").await.etag.to_string();
    api.put("bucket", "taken", b"1").await;
    let headers: &[(&str, &str)] = &[("if-none-match", "*"), ("if-match", &etag), ("x-amz-metadata-directive", "COPY")];
    let body = |more: Value| {
        let mut body = json!({ "sourceKey": "from", "key": "taken" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    let none = json!({});
    let (absent, matching) = (json!({ "requireAbsent": true }), json!({ "requireMatchEtag": etag }));
    let of_source = json!({ "ifMatch": etag });
    for (action, condition, met, unmet) in [
        ("s3:PutObject", "s3:if-none-match", Some((&absent, 412)), [&none, &matching, &of_source]),
        ("s3:PutObject", "s3:if-match", Some((&matching, 200)), [&none, &absent, &of_source]),
        // What holds for the destination says nothing of what is removed.
        ("s3:DeleteObject", "s3:if-match", Some((&of_source, 200)), [&none, &absent, &matching]),
        ("s3:DeleteObject", "s3:if-none-match", None, [&absent, &matching, &of_source]),
        ("s3:PutObject", "s3:x-amz-metadata-directive", None, [&absent, &matching, &of_source]),
    ] {
        api.done("PUT /buckets/bucket/policy", demands(action, condition)).await;
        for more in unmet {
            let answer = api.ask_headed(MOVE, body(more.clone()), headers).await;
            assert_eq!(answer.error(), (403, "policy_denied".into()), "{action} {condition} {more}");
        }
        if let Some((more, status)) = met {
            let answer = api.ask(MOVE, body(more.clone())).await;
            assert_eq!(answer.status, status, "{action} {condition} {more}: {answer:?}");
        }
        api.done("DELETE /buckets/bucket/policy", Value::Null).await;
        api.put("bucket", "from", b"1").await;
    }
}
