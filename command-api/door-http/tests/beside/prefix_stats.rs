//! How much is under a prefix.

use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, READER};

#[tokio::test]
async fn objects_and_bytes_under_a_prefix_are_counted() {
    let api = Api::open().await;
    for (key, bytes) in [("in/a", "12"), ("in/b", "345"), ("in", "6789"), ("other/c", "x")] {
        api.put("bucket", key, bytes.as_bytes()).await;
    }
    let stats = api.done("GET /buckets/bucket/objects:stats?prefix=in%2F", Value::Null).await.json();
    assert_eq!(stats, json!({ "bucket": "bucket", "prefix": "in/", "objects": 2, "bytes": 5, "isTruncated": false }));
    let all = api.done("GET /buckets/bucket/objects%3Astats", Value::Null).await.json();
    assert_eq!((&all["objects"], &all["bytes"]), (&json!(4), &json!(10)));
    let reader = api.ask_as(READER, "GET /buckets/bucket/objects:stats?prefix=in/a", Value::Null).await.json();
    assert_eq!(reader["objects"], 1);
    assert_eq!(api.ask_as(READER, "GET /buckets/bucket/objects:stats?prefix=i", Value::Null).await.status, 403);
    assert_eq!(api.ask_as(FOREIGN, "GET /buckets/bucket/objects:stats", Value::Null).await.status, 404);
    let foreign = api.ask("GET /buckets/bucket/objects:stats?continuationToken=x", Value::Null).await;
    assert_eq!(foreign.error(), (400, "invalid_request".into()));
}
