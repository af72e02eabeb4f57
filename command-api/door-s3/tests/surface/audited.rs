use crate::kit::{Door, MAIN};

/// Bucket, key, version and status of each entry of an operation, the newest first.
async fn seen(door: &Door, action: &str) -> Vec<(Option<String>, Option<String>, Option<String>, u16)> {
    let entries = door.audited(action).await;
    let access = entries.into_iter().filter_map(|entry| entry.access);
    access.map(|what| (what.bucket, what.key, what.version, what.status)).collect()
}

#[tokio::test]
async fn an_entry_says_what_was_asked_for_however_far_the_request_came() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key%20of", &[], "abc").await;
    let text = |text: &str| Some(text.to_owned());
    door.done("GET /bucket/key%20of", &[], "").await;
    assert_eq!(seen(&door, "GetObject").await, [(text("bucket"), text("key of"), None, 200)]);
    door.ask(MAIN, "HEAD /bucket/key%20of?versionId=null", &[], "").await;
    door.ask(MAIN, "HEAD /bucket/key%20of?version%49d=null", &[], "").await;
    let version = (text("bucket"), text("key of"), text("null"), 200);
    assert_eq!(seen(&door, "HeadObject").await, [version.clone(), version]);
    door.done("GET /bucket?list-type=2", &[], "").await;
    assert_eq!(seen(&door, "ListObjectsV2").await, [(text("bucket"), None, None, 200)]);
    // Names that are none, and somebody who is nobody.
    door.ask(MAIN, "GET /Bad_Name?policy", &[], "").await;
    assert_eq!(seen(&door, "GetBucketPolicy").await[0].0, text("Bad_Name"));
    door.ask("NOBODY", "PUT /bucket/key?tagging", &[], "").await;
    assert_eq!(seen(&door, "PutObjectTagging").await, [(text("bucket"), text("key"), None, 403)]);
}
