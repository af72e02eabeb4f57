//! `X-Lockwell-Idempotency-Key`.

use crate::kit::Door;

const KEY: (&str, &str) = ("x-lockwell-idempotency-key", "once");

#[tokio::test]
async fn a_put_with_a_key_is_stored_once_and_answered_as_often_as_it_comes() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let on = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    door.done("PUT /bucket?versioning", &[], on).await;
    let first = door.done("PUT /bucket/key", &[KEY, ("if-none-match", "*")], "body").await;
    let again = door.done("PUT /bucket/key", &[KEY, ("if-none-match", "*")], "body").await;
    let version = |answer: &crate::kit::Answer| answer.header("x-amz-version-id").map(str::to_owned);
    assert!(version(&first).is_some());
    assert_eq!((version(&again), again.header("etag")), (version(&first), first.header("etag")));
    assert_eq!(again.header("x-lockwell-idempotent-replay"), Some("true"));
    assert_eq!(first.header("x-lockwell-idempotent-replay"), None);
    let other = door.ask(crate::kit::MAIN, "PUT /bucket/key", &[KEY], "another body").await;
    assert_eq!(other.error(), (409, "IdempotencyKeyReused"));
    let elsewhere = door.ask(crate::kit::MAIN, "PUT /bucket/other", &[KEY], "body").await;
    assert_eq!(elsewhere.error(), (409, "IdempotencyKeyReused"));
    let somebody = door.ask(crate::kit::ALT, "PUT /bucket/key", &[KEY], "body").await;
    assert_eq!(somebody.error(), (409, "IdempotencyKeyReused"));
    let bad = door.ask(crate::kit::MAIN, "PUT /bucket/key", &[("x-lockwell-idempotency-key", "a b")], "body").await;
    assert_eq!(bad.error(), (400, "InvalidArgument"));
    let versions = door.done("GET /bucket?versions", &[], "").await;
    assert_eq!(versions.body.matches("<Version>").count(), 1, "{versions:?}");
}

#[tokio::test]
async fn what_was_refused_may_be_tried_again() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let refused = door.ask(crate::kit::MAIN, "PUT /bucket/key", &[KEY, ("if-match", "\"none\"")], "body").await;
    assert_eq!(refused.error(), (404, "NoSuchKey"));
    door.done("PUT /bucket/key", &[KEY], "body").await;
}
