use crate::announced::Announced;
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
        // Without anybody who delivers.
        (queue("arn:holdfast:webhook:::https://a.example/hook", "s3:ObjectCreated:*"), (501, "NotImplemented")),
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

#[tokio::test]
async fn a_webhook_is_a_queue_topic_or_function_by_its_arn() {
    let door = Door::open().await;
    Announced::bind_to(&door.store);
    door.done("PUT /bucket", &[], "").await;
    let rule = |kind: &str, name: &str, id: &str, event: &str| {
        let arn = "arn:holdfast:webhook:::https://a.example/hook?x=1&amp;y=2";
        format!("<{kind}><Id>{id}</Id><{name}>{arn}</{name}><Event>{event}</Event></{kind}>")
    };
    let whole = format!(
        "<NotificationConfiguration>{}{}{}</NotificationConfiguration>",
        rule("QueueConfiguration", "Queue", "a", "s3:ObjectCreated:*"),
        rule("TopicConfiguration", "Topic", "b", "s3:ObjectRemoved:*"),
        rule("CloudFunctionConfiguration", "CloudFunction", "c", "holdfast:Bucket:*"),
    );
    let put = door.done("PUT /bucket?notification", &[], &whole).await;
    assert!(put.header("x-holdfast-position").is_some());
    let shown = door.done("GET /bucket?notification", &[], "").await;
    for part in
        ["<Id>a</Id>", "<Topic>arn:holdfast:webhook:::https://a.example/hook?x=1&amp;y=2</Topic>", "holdfast:Bucket:*"]
    {
        assert!(shown.body.contains(part), "{part} {}", shown.body);
    }
    assert!(!shown.body.contains("whsec_"));
    let tenant = door.store.enabled_tenants().expect("reads")[0].0;
    let before = door.store.subscriptions(tenant).expect("reads");
    assert_eq!(before.len(), 3);
    // What was shown can be put again, and each keeps what it is known by.
    door.done("PUT /bucket?notification", &[], &shown.body).await;
    let after = door.store.subscriptions(tenant).expect("reads");
    let ids = |of: &[pipeline::Subscription]| of.iter().map(|it| (it.id, it.start)).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before));
    for (arn, event, expected) in [
        ("arn:aws:sqs:us-east-1:123456789012:queue", "s3:ObjectCreated:*", (501, "NotImplemented")),
        ("arn:holdfast:webhook:::https://forbidden.example/", "s3:ObjectCreated:*", (400, "InvalidArgument")),
        ("arn:holdfast:webhook:::ftp://a.example/", "s3:ObjectCreated:*", (400, "InvalidArgument")),
        ("arn:holdfast:webhook:::https://me:secret@a.example/", "s3:ObjectCreated:*", (400, "InvalidArgument")),
        ("arn:holdfast:webhook:::https://a.example/", "holdfast:Clock:*", (400, "InvalidArgument")),
    ] {
        let answer = door.ask(MAIN, "PUT /bucket?notification", &[], &queue(arn, event)).await;
        assert_eq!(answer.error(), expected, "{arn} {event}");
    }
    door.done("PUT /bucket?notification", &[], EMPTY).await;
    assert!(door.store.subscriptions(tenant).expect("reads").is_empty());
}
