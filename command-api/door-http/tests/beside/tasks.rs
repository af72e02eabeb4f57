//! Deleting what is under a prefix, behind the request.

use std::time::Duration;

use pipeline::{LockAsked, PutObject};
use schemas::event::Versioning;
use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, MAIN, READER, WRITER};

const DELETE: &str = "POST /buckets/bucket/objects:deletePrefix";

async fn fill(api: &Api, prefix: &str, count: usize) {
    let puts = (0..count).map(|number| api.put_owned("bucket", format!("{prefix}{number:04}")));
    futures_util::future::join_all(puts).await;
}

async fn objects(api: &Api, bucket: &str) -> u64 {
    api.done(&format!("GET /buckets/{bucket}/stats"), Value::Null).await.json()["objects"].as_u64().expect("a number")
}

/// The task once it has ended.
async fn ended(api: &Api, id: &str) -> Value {
    loop {
        let task = api.done(&format!("GET /tasks/{id}"), Value::Null).await.json();
        if task["status"] != "running" {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn begin(api: &Api, who: &str, prefix: &str) -> String {
    let begun = api.ask_as(who, DELETE, json!({ "prefix": prefix })).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let task = begun.json();
    let id = task["id"].as_str().expect("an id").to_owned();
    assert_eq!(begun.header("location"), Some(format!("/api/v1/tasks/{id}").as_str()));
    assert_eq!((&task["kind"], &task["prefix"]), (&json!("delete-prefix"), &json!(prefix)));
    id
}

#[tokio::test]
async fn what_is_under_the_prefix_goes_and_nothing_else() {
    let api = Api::open().await;
    fill(&api, "in/", 450).await;
    fill(&api, "in", 3).await;
    fill(&api, "io/", 3).await;
    let id = begin(&api, MAIN, "in/").await;
    let task = ended(&api, &id).await;
    assert_eq!((&task["status"], &task["deleted"], &task["locked"]), (&json!("succeeded"), &json!(450), &json!(0)));
    assert!(task["endedAt"].is_string() && task.get("error").is_none(), "{task}");
    assert_eq!(objects(&api, "bucket").await, 6);
    let whole = begin(&api, MAIN, "").await;
    assert_eq!(ended(&api, &whole).await["deleted"], 6);
    let listed = api.done("GET /tasks", Value::Null).await.json();
    let ids: Vec<_> = listed["tasks"].as_array().expect("tasks").iter().map(|task| task["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.contains(&json!(id)) && ids.contains(&json!(whole)));
}

#[tokio::test]
async fn a_restart_in_between_goes_on_where_it_was_and_counts_each_object_once() {
    let api = Api::open().await;
    fill(&api, "in/", 700).await;
    let id = begin(&api, MAIN, "in/").await;
    // Some of it at least, which is more than none and less than all.
    let mut seen = 0;
    while seen == 0 {
        seen = api.done(&format!("GET /tasks/{id}"), Value::Null).await.json()["deleted"].as_u64().expect("a number");
    }
    let api = api.reopened();
    let task = ended(&api, &id).await;
    assert_eq!((&task["status"], &task["deleted"]), (&json!("succeeded"), &json!(700)));
    assert_eq!(objects(&api, "bucket").await, 0);
    let again = api.reopened();
    assert_eq!(ended(&again, &id).await, task, "what became of it is known after another restart too");
}

#[tokio::test]
async fn what_is_written_after_it_began_stays() {
    let api = Api::open().await;
    fill(&api, "in/", 300).await;
    let begun = begin(&api, MAIN, "in/").await;
    api.put("bucket", "in/~new", b"x").await;
    api.put("bucket", "in/0299", b"anew").await;
    ended(&api, &begun).await;
    assert_eq!(api.read("bucket", "in/~new").await.expect("it stays"), b"x");
    assert_eq!(api.read("bucket", "in/0299").await.expect("it stays"), b"anew");
    assert_eq!(objects(&api, "bucket").await, 2);
}

#[tokio::test]
async fn in_a_versioned_bucket_markers_are_made_and_locks_are_left_alone() {
    let api = Api::open().await;
    api.bucket("locked", Versioning::Enabled, true).await;
    let lock = LockAsked { retention: None, legal_hold: Some(true) };
    api.put_as(PutObject { lock, ..Api::put_request("locked", "held") }, b"1").await;
    api.put("locked", "free", b"1").await;
    let begun = api.done("POST /buckets/locked/objects:deletePrefix", json!({ "prefix": "" })).await.json();
    let task = ended(&api, begun["id"].as_str().expect("an id")).await;
    assert_eq!((&task["deleted"], &task["locked"]), (&json!(2), &json!(0)), "hiding removes nothing");
    let stats = api.done("GET /buckets/locked/stats", Value::Null).await.json();
    assert_eq!((&stats["objects"], &stats["versions"]), (&json!(0), &json!(4)));
}

#[tokio::test]
async fn a_dry_run_counts_and_deletes_nothing() {
    let api = Api::open().await;
    fill(&api, "in/", 5).await;
    let counted = api.done(DELETE, json!({ "prefix": "in/", "dryRun": true })).await;
    let expected =
        json!({ "bucket": "bucket", "prefix": "in/", "dryRun": true, "objects": 5, "bytes": 5, "isTruncated": false });
    assert_eq!((counted.status, counted.json()), (200, expected));
    assert_eq!(objects(&api, "bucket").await, 5);
    assert_eq!(api.done("GET /tasks", Value::Null).await.json()["tasks"], json!([]));
    assert_eq!(api.ask_as(READER, DELETE, json!({ "prefix": "in/", "dryRun": true })).await.status, 403);
}

#[tokio::test]
async fn it_takes_the_right_to_delete_everything_under_the_prefix_and_a_policy_keeps_what_it_names() {
    let api = Api::open().await;
    fill(&api, "in/", 4).await;
    for (who, status) in [(READER, 403), (FOREIGN, 404)] {
        assert_eq!(api.ask_as(who, DELETE, json!({ "prefix": "in/" })).await.status, status, "{who}");
    }
    let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Deny", "Principal": "*",
        "Action": "s3:DeleteObject", "Resource": ["arn:aws:s3:::bucket/in/0001", "arn:aws:s3:::bucket/in/0003"] }] });
    api.done("PUT /buckets/bucket/policy", policy).await;
    let id = begin(&api, WRITER, "in/").await;
    let task = ended(&api, &id).await;
    assert_eq!((&task["status"], &task["deleted"], &task["denied"]), (&json!("succeeded"), &json!(2), &json!(2)));
    assert_eq!(task["user"], "writeruser");
    assert!(api.read("bucket", "in/0001").await.is_ok() && api.read("bucket", "in/0000").await.is_err());
    for who in [READER, FOREIGN] {
        for method in ["GET", "DELETE"] {
            let answer = api.ask_as(who, &format!("{method} /tasks/{id}"), Value::Null).await;
            assert_eq!(answer.error(), (404, "not_found".into()), "{who} {method}");
        }
        assert_eq!(api.ask_as(who, "GET /tasks", Value::Null).await.json()["tasks"], json!([]), "{who}");
    }
    assert_eq!(api.ask_as(WRITER, &format!("GET /tasks/{id}"), Value::Null).await.status, 200);
}

#[tokio::test]
async fn one_whose_key_is_revoked_stops() {
    let api = Api::open().await;
    fill(&api, "in/", 900).await;
    let made = api.done("POST /keys", json!({ "type": "api", "scopes": "op=read,op=delete,op=admin" })).await.json();
    let key = made["apiKey"].as_str().expect("a key");
    let begun = api.ask_with(Some(key), DELETE, json!({ "prefix": "in/" }).to_string()).await.json();
    api.done(&format!("DELETE /keys/{}", made["id"].as_str().expect("an id")), Value::Null).await;
    let task = ended(&api, begun["id"].as_str().expect("an id")).await;
    let (deleted, left) = (task["deleted"].as_u64().expect("a number"), objects(&api, "bucket").await);
    assert_eq!(deleted + left, 900, "each is deleted and counted, or there");
    if task["status"] == "failed" {
        assert!(task["error"].as_str().expect("why").contains("access key"), "{task}");
        assert!(left > 0);
    } else {
        assert_eq!((&task["status"], left), (&json!("succeeded"), 0), "it was quicker");
    }
}

#[tokio::test]
async fn one_that_is_cancelled_does_nothing_more() {
    let api = Api::open().await;
    fill(&api, "in/", 900).await;
    let id = begin(&api, MAIN, "in/").await;
    let cancelled = api.done(&format!("DELETE /tasks/{id}"), Value::Null).await.json();
    let left = objects(&api, "bucket").await;
    assert_eq!(cancelled["deleted"].as_u64().expect("a number") + left, 900);
    let api = api.reopened();
    assert_eq!(objects(&api, "bucket").await, left);
    let task = api.done(&format!("GET /tasks/{id}"), Value::Null).await.json();
    assert_eq!(task, cancelled);
    assert!(["cancelled", "succeeded"].contains(&task["status"].as_str().expect("a status")));
    assert_eq!(api.done(&format!("DELETE /tasks/{id}"), Value::Null).await.json(), task, "again is no error");
}

#[tokio::test]
async fn tasks_are_listed_newest_first_by_page() {
    let api = Api::open().await;
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(begin(&api, MAIN, &format!("none {number}")).await);
        // Ids of one millisecond have no order.
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    for id in &ids {
        ended(&api, id).await;
    }
    ids.reverse();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = api.done(&format!("GET /tasks?maxKeys=3{token}"), Value::Null).await.json();
        let tasks = page["tasks"].as_array().expect("tasks");
        seen.extend(tasks.iter().map(|task| task["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["nextContinuationToken"].as_str() else { break };
        token = format!("&continuationToken={next}");
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn a_rebuild_from_the_log_knows_what_became_of_it() {
    let api = Api::open().await;
    fill(&api, "in/", 30).await;
    let id = begin(&api, MAIN, "in/").await;
    ended(&api, &id).await;
    let rebuilt = api.store.admin_rebuild(&crate::kit::admin()).await.expect("rebuilds");
    assert_eq!(rebuilt.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn what_begins_no_task() {
    let api = Api::open().await;
    for body in [
        json!({}),
        json!({ "prefix": 1 }),
        json!({ "prefix": "x".repeat(1_025) }),
        json!({ "prefix": "", "force": true }),
    ] {
        assert_eq!(api.ask(DELETE, body.clone()).await.error(), (400, "invalid_request".into()), "{body}");
    }
    let absent = api.ask("POST /buckets/absent/objects:deletePrefix", json!({ "prefix": "" })).await;
    assert_eq!(absent.error(), (404, "not_found".into()));
    assert_eq!(api.ask("GET /tasks/none", Value::Null).await.status, 404);
}
