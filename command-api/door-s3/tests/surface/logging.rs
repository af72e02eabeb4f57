use crate::kit::{Door, MAIN, READER};

fn status(inner: &str) -> String {
    format!("<BucketLoggingStatus><LoggingEnabled>{inner}</LoggingEnabled></BucketLoggingStatus>")
}

fn to(target: &str) -> String {
    status(&format!("<TargetBucket>{target}</TargetBucket><TargetPrefix>log/</TargetPrefix>"))
}

const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject",
    "Principal": {"Service": "logging.s3.amazonaws.com"}, "Resource": "arn:aws:s3:::logs/log/*"}]}"#;

/// A door with `bucket`, and `logs` that lets logs in.
async fn door() -> Door {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /logs", &[], "").await;
    door.done("PUT /logs?policy", &[], POLICY).await;
    door
}

#[tokio::test]
async fn a_log_is_set_read_and_ended() {
    let door = door().await;
    door.done("PUT /closed", &[], "").await;
    let none = door.done("GET /bucket?logging", &[], "").await;
    assert!(!none.body.contains("LoggingEnabled"), "{none:?}");
    door.done("PUT /bucket?logging", &[], &to("logs")).await;
    let shown = door.done("GET /bucket?logging", &[], "").await;
    assert_eq!((shown.element("TargetBucket"), shown.element("TargetPrefix")), (Some("logs"), Some("log/")));
    assert_eq!(shown.element("TargetObjectKeyFormat"), Some("<SimplePrefix></SimplePrefix>"));
    let grant = |id: &str| {
        let grantee = format!("<Grantee><ID>{id}</ID></Grantee><Permission>FULL_CONTROL</Permission>");
        status(&format!(
            "<TargetBucket>logs</TargetBucket><TargetPrefix>log/</TargetPrefix>\
             <TargetGrants><Grant>{grantee}</Grant></TargetGrants>"
        ))
    };
    door.done("PUT /bucket?logging", &[], &grant("mainuser")).await;
    for (user, line, body, expected) in [
        (MAIN, "PUT /bucket?logging", to("none"), (404, "NoSuchKey")),
        (MAIN, "PUT /bucket?logging", to("bucket"), (400, "InvalidArgument")),
        (MAIN, "PUT /logs?logging", to("bucket"), (400, "InvalidArgument")),
        (MAIN, "PUT /bucket?logging", to("closed"), (403, "AccessDenied")),
        (MAIN, "PUT /logs?logging", to("Bad_Name"), (400, "InvalidBucketName")),
        (MAIN, "PUT /bucket?logging", status(""), (400, "MalformedXML")),
        (MAIN, "PUT /bucket?logging", grant("altuser"), (501, "NotImplemented")),
        (MAIN, "PUT /none?logging", to("logs"), (404, "NoSuchBucket")),
        (READER, "PUT /bucket?logging", to("logs"), (403, "AccessDenied")),
        (READER, "GET /bucket?logging", String::new(), (403, "AccessDenied")),
        (MAIN, "DELETE /bucket?logging", String::new(), (501, "NotImplemented")),
    ] {
        assert_eq!(door.ask(user, line, &[], &body).await.error(), expected, "{user} {line} {body}");
    }
    assert_eq!(door.done("GET /bucket?logging", &[], "").await.body, shown.body);
    door.done("PUT /bucket?logging", &[], "<BucketLoggingStatus/>").await;
    assert_eq!(door.done("GET /bucket?logging", &[], "").await.body, none.body);
}

/// The lines of all log objects, when there are so many.
async fn lines(door: &Door, count: usize) -> Vec<String> {
    for _ in 0..100 {
        let page = door.done("GET /logs?list-type=2", &[], "").await;
        let keys = page.body.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned()));
        let mut lines = Vec::new();
        for key in keys.collect::<Vec<_>>() {
            assert!(key.starts_with("log/"), "{key}");
            let object = door.done(&format!("GET /logs/{key}"), &[], "").await;
            lines.extend(object.body.lines().map(str::to_owned));
        }
        if lines.len() >= count {
            return lines;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("no {count} lines in time");
}

#[tokio::test]
async fn every_request_to_a_logged_bucket_is_a_line_and_deliveries_are_none() {
    let door = door().await;
    door.done("PUT /bucket/before", &[], "x").await;
    door.done("PUT /bucket?logging", &[], &to("logs")).await;
    let agent = ("user-agent", "agent/1 \"quoted\"");
    door.done("PUT /bucket/a%20b", &[agent, ("referer", "https://page.example/")], "body").await;
    door.done("GET /bucket/a%20b", &[("range", "bytes=1-2")], "").await;
    door.ask(READER, "GET /bucket/none?versionId=null", &[], "").await;
    door.ask_bare("GET /bucket/a%20b?AWSAccessKeyId=MAINUSER&Signature=secret&Expires=1", &[]).await;
    let many = "<Delete><Object><Key>a b</Key></Object><Object><Key>k</Key><VersionId>x</VersionId></Object></Delete>";
    let digest = ("content-md5", "utUDxA369FFzEDLbBYv0zw==");
    door.ask(MAIN, "POST /bucket?delete", &[digest], many).await;
    door.done("GET /logs", &[], "").await;
    // Their order is that of the answers' ends.
    let mut lines = lines(&door, 8).await;
    lines.sort_by_key(|line| line.split(' ').nth(5).map(str::to_owned));
    insta::assert_snapshot!(lines.join("\n"));
    assert!(lines.iter().all(|line| !line.contains("secret")));
}
