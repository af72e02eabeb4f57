use crate::kit::{Door, MAIN, READER};

const EMPTY: &str = "<NotificationConfiguration/>";

fn queue(arn: &str, event: &str) -> String {
    let queue = format!("<Id>a</Id><Queue>{arn}</Queue><Event>{event}</Event>");
    format!("<NotificationConfiguration><QueueConfiguration>{queue}</QueueConfiguration></NotificationConfiguration>")
}

#[tokio::test]
async fn a_bucket_has_no_notifications_and_gets_none_that_nobody_would_deliver() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let shown = door.done("GET /bucket?notification", &[], "").await;
    assert_eq!(shown.element("Id"), None);
    assert_eq!(door.done("PUT /bucket?notification", &[], EMPTY).await.status, 200);
    let arn = "arn:aws:sqs:us-east-1:123456789012:queue";
    for (body, expected) in [
        (queue(arn, "s3:ObjectCreated:*"), (501, "NotImplemented")),
        (queue(arn, "s3:Nothing"), (400, "InvalidArgument")),
        (queue("queue", "s3:ObjectCreated:*"), (400, "InvalidArgument")),
        (String::new(), (400, "MalformedXML")),
        (EMPTY.replace("/>", "><EventBridgeConfiguration/></NotificationConfiguration>"), (501, "NotImplemented")),
    ] {
        assert_eq!(door.ask(MAIN, "PUT /bucket?notification", &[], &body).await.error(), expected, "{body}");
    }
    assert_eq!(door.done("GET /bucket?notification", &[], "").await.body, shown.body);
    for (user, line, expected) in [
        (MAIN, "GET /none?notification", (404, "NoSuchBucket")),
        (MAIN, "PUT /none?notification", (404, "NoSuchBucket")),
        (READER, "GET /bucket?notification", (403, "AccessDenied")),
        (READER, "PUT /bucket?notification", (403, "AccessDenied")),
        (MAIN, "DELETE /bucket?notification", (501, "NotImplemented")),
    ] {
        assert_eq!(door.ask(user, line, &[], EMPTY).await.error(), expected, "{user} {line}");
    }
}
