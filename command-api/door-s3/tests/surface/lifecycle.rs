use crate::kit::{Door, MAIN, READER};

const RULES: &str = "<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><Filter><Prefix>logs/</Prefix>\
                     </Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration><AbortIncompleteMultipartUpload>\
                     <DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>";

#[tokio::test]
async fn rules_are_set_read_announced_and_removed() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let absent = (404, "NoSuchLifecycleConfiguration");
    assert_eq!(door.ask(MAIN, "GET /bucket?lifecycle", &[], "").await.error(), absent);
    door.done("DELETE /bucket?lifecycle", &[], "").await;
    door.done("PUT /bucket?lifecycle", &[], RULES).await;
    let read = door.done("GET /bucket?lifecycle", &[], "").await;
    assert_eq!(read.element("ID"), Some("rule-1"), "a rule without an id got one");
    assert_eq!((read.element("Prefix"), read.element("Days")), (Some("logs/"), Some("3")));
    let written = door.done("PUT /bucket/logs/a", &[], "x").await;
    let announced = written.header("x-amz-expiration").expect("it expires").to_owned();
    assert!(announced.starts_with("expiry-date=\"") && announced.ends_with(" 00:00:00 GMT\", rule-id=\"rule-1\""));
    for line in ["GET /bucket/logs/a", "HEAD /bucket/logs/a"] {
        assert_eq!(door.done(line, &[], "").await.header("x-amz-expiration"), Some(announced.as_str()), "{line}");
    }
    assert_eq!(door.done("PUT /bucket/other", &[], "x").await.header("x-amz-expiration"), None);
    let begun = door.done("POST /bucket/logs/b?uploads", &[], "").await;
    assert_eq!(begun.header("x-amz-abort-rule-id"), Some("rule-1"));
    let upload = begun.element("UploadId").expect("an upload").to_owned();
    let parts = door.done(&format!("GET /bucket/logs/b?uploadId={upload}"), &[], "").await;
    assert_eq!(parts.header("x-amz-abort-date"), begun.header("x-amz-abort-date"));
    assert!(begun.header("x-amz-abort-date").is_some());
    door.done("DELETE /bucket?lifecycle", &[], "").await;
    assert_eq!(door.ask(MAIN, "GET /bucket?lifecycle", &[], "").await.error(), absent);
    assert_eq!(door.done("HEAD /bucket/logs/a", &[], "").await.header("x-amz-expiration"), None);
}

#[tokio::test]
async fn rules_that_cannot_be_are_refused_and_change_nothing() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket?lifecycle", &[], RULES).await;
    let days = |days: &str| RULES.replace("<Days>3</Days>", days);
    for (body, expected) in [
        (days("<Days>0</Days>"), (400, "InvalidArgument")),
        (days("<Date>2030-01-01T01:00:00Z</Date>"), (400, "InvalidArgument")),
        (days(""), (400, "MalformedXML")),
        (RULES.replace("Enabled", "enabled"), (400, "MalformedXML")),
        (RULES.replace("<Prefix>", "<ObjectSizeLessThan>9</ObjectSizeLessThan><Prefix>"), (400, "InvalidRequest")),
        (String::new(), (400, "MalformedXML")),
    ] {
        assert_eq!(door.ask(MAIN, "PUT /bucket?lifecycle", &[], &body).await.error(), expected, "{body}");
    }
    assert_eq!(door.ask(READER, "PUT /bucket?lifecycle", &[], RULES).await.error(), (403, "AccessDenied"));
    assert_eq!(door.ask(READER, "DELETE /bucket?lifecycle", &[], "").await.error(), (403, "AccessDenied"));
    assert_eq!(door.ask(MAIN, "PUT /none?lifecycle", &[], RULES).await.error(), (404, "NoSuchBucket"));
    assert_eq!(door.done("GET /bucket?lifecycle", &[], "").await.element("Days"), Some("3"));
}
