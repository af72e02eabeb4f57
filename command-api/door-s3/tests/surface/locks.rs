use crate::kit::{Answer, Door, MAIN, READER, WRITER};

const BYPASS: [(&str, &str); 1] = [("x-amz-bypass-governance-retention", "true")];
const DENIED: (u16, &str) = (403, "AccessDenied");

async fn door() -> Door {
    let door = Door::open().await;
    door.done("PUT /locked", &[("x-amz-bucket-object-lock-enabled", "true")], "").await;
    door
}

fn version(written: &Answer) -> String {
    written.header("x-amz-version-id").expect("a version").to_owned()
}

fn retention(mode: &str, until: &str) -> String {
    format!("<Retention><Mode>{mode}</Mode><RetainUntilDate>{until}</RetainUntilDate></Retention>")
}

fn hold(status: &str) -> String {
    format!("<LegalHold><Status>{status}</Status></LegalHold>")
}

fn configuration(default: &str) -> String {
    let rule = if default.is_empty() {
        String::new()
    } else {
        format!("<Rule><DefaultRetention>{default}</DefaultRetention></Rule>")
    };
    format!("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>")
}

#[tokio::test]
async fn without_a_lock_there_is_none_to_read_or_set() {
    let door = door().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[], "x").await;
    let missing = (400, "InvalidRequest");
    let governance = retention("GOVERNANCE", "2100-01-01T00:00:00Z");
    let (configuration, hold) = (configuration(""), hold("ON"));
    for (line, body, expected) in [
        ("GET /bucket?object-lock", "", (404, "ObjectLockConfigurationNotFoundError")),
        ("PUT /bucket?object-lock", &*configuration, (409, "InvalidBucketState")),
        ("GET /bucket/key?retention", "", missing),
        ("PUT /bucket/key?retention", &governance, missing),
        ("GET /bucket/key?legal-hold", "", missing),
        ("PUT /bucket/key?legal-hold", &hold, missing),
    ] {
        assert_eq!(door.ask(MAIN, line, &[], body).await.error(), expected, "{line}");
    }
    for header in ["x-amz-object-lock-legal-hold", "x-amz-object-lock-mode"] {
        let headers = match header {
            "x-amz-object-lock-mode" => {
                vec![(header, "GOVERNANCE"), ("x-amz-object-lock-retain-until-date", "2100-01-01T00:00:00Z")]
            }
            _ => vec![(header, "OFF")],
        };
        assert_eq!(door.ask(MAIN, "PUT /bucket/new", &headers, "x").await.error(), missing, "{header}");
        assert_eq!(door.ask(MAIN, "POST /bucket/new?uploads", &headers, "").await.error(), missing, "{header}");
        let mut copied = headers;
        copied.push(("x-amz-copy-source", "bucket/key"));
        assert_eq!(door.ask(MAIN, "PUT /bucket/new", &copied, "").await.error(), missing, "{header}");
    }
    door.done("PUT /locked/key", &[], "x").await;
    let none = (404, "NoSuchObjectLockConfiguration");
    assert_eq!(door.ask(MAIN, "GET /locked/key?retention", &[], "").await.error(), none);
    assert_eq!(door.done("GET /locked/key?legal-hold", &[], "").await.element("Status"), Some("OFF"));
    assert_eq!(door.ask(MAIN, "GET /locked/none?retention", &[], "").await.error(), (404, "NoSuchKey"));
}

#[tokio::test]
async fn a_bucket_is_given_a_lock_and_a_default_retention_and_keeps_the_lock() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let set = "PUT /bucket?object-lock";
    let days = |days: &str| configuration(&format!("<Mode>COMPLIANCE</Mode><Days>{days}</Days>"));
    let enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    door.done("PUT /bucket?versioning", &[], enabled).await;
    for (body, code) in [
        (days("0"), "InvalidRetentionPeriod"),
        (days("-1"), "InvalidRetentionPeriod"),
        (days("36501"), "InvalidRetentionPeriod"),
        (configuration("<Mode>abc</Mode><Days>1</Days>"), "MalformedXML"),
    ] {
        assert_eq!(door.ask(MAIN, set, &[], &body).await.error(), (400, code), "{body}");
    }
    assert_eq!(door.ask(WRITER, set, &[], &days("1")).await.error(), DENIED);
    assert_eq!(door.ask(MAIN, "GET /bucket?object-lock", &[], "").await.status, 404, "nothing of that was accepted");

    door.done(set, &[], &days("2")).await;
    let read = door.done("GET /bucket?object-lock", &[], "").await;
    assert_eq!((read.element("Mode"), read.element("Days")), (Some("COMPLIANCE"), Some("2")));
    let written = door.done("PUT /bucket/key", &[], "x").await;
    let head = door.done("HEAD /bucket/key", &[], "").await;
    assert_eq!(head.header("x-amz-object-lock-mode"), Some("COMPLIANCE"));
    assert!(head.header("x-amz-object-lock-retain-until-date").is_some());
    let remove = format!("DELETE /bucket/key?versionId={}", version(&written));
    assert_eq!(door.ask(MAIN, &remove, &BYPASS, "").await.error(), DENIED);

    door.done(set, &[], &configuration("")).await;
    let read = door.done("GET /bucket?object-lock", &[], "").await;
    assert_eq!((read.element("ObjectLockEnabled"), read.element("Rule")), (Some("Enabled"), None));
    door.done("PUT /bucket/free", &[], "x").await;
    assert_eq!(door.done("HEAD /bucket/free", &[], "").await.header("x-amz-object-lock-mode"), None);
    assert_eq!(door.ask(MAIN, &remove, &BYPASS, "").await.error(), DENIED, "what is locked stays so");
    let suspended = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>";
    let refused = door.ask(MAIN, "PUT /bucket?versioning", &[], suspended).await;
    assert_eq!(refused.error(), (409, "InvalidBucketState"));
    assert_eq!(door.ask(MAIN, "DELETE /bucket", &[], "").await.error(), (409, "BucketNotEmpty"));
}

#[tokio::test]
async fn an_audit_trail_lets_versions_go_and_its_date_be_prolonged_alone() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[("x-amz-bucket-object-lock-enabled", "true")], "").await;
    door.done("PUT /bucket?object-lock", &[], &configuration("<Mode>AUDIT_TRAIL</Mode><Years>6</Years>")).await;
    assert_eq!(door.done("GET /bucket?object-lock", &[], "").await.element("Mode"), Some("AUDIT_TRAIL"));
    let first = version(&door.done("PUT /bucket/key", &[], "one").await);
    let own =
        [("x-amz-object-lock-mode", "AUDIT_TRAIL"), ("x-amz-object-lock-retain-until-date", "2100-01-01T00:00:00Z")];
    let second = version(&door.done("PUT /bucket/key", &own, "two").await);
    let head = door.done("HEAD /bucket/key", &[], "").await;
    let shown = ["x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date"].map(|name| head.header(name));
    assert_eq!(shown, [Some("AUDIT_TRAIL"), Some("2100-01-01T00:00:00.000Z")]);
    let of_second = format!("PUT /bucket/key?retention&versionId={second}");
    for weaker in [
        retention("AUDIT_TRAIL", "2099-12-31T00:00:00Z"),
        retention("COMPLIANCE", "2101-01-01T00:00:00Z"),
        retention("GOVERNANCE", "2101-01-01T00:00:00Z"),
        "<Retention/>".to_owned(),
    ] {
        assert_eq!(door.ask(MAIN, &of_second, &BYPASS, &weaker).await.error(), DENIED, "{weaker}");
    }
    door.done(&of_second, &[], &retention("AUDIT_TRAIL", "2101-01-01T00:00:00Z")).await;
    // A client goes on as ever: it hides, overwrites and removes for good.
    door.done("DELETE /bucket/key", &[], "").await;
    for gone in [first, second] {
        door.done(&format!("DELETE /bucket/key?versionId={gone}"), &[], "").await;
        assert_eq!(door.ask(MAIN, &format!("GET /bucket/key?versionId={gone}"), &[], "").await.status, 404);
    }
    door.done("PUT /plain", &[], "").await;
    assert_eq!(door.ask(MAIN, "PUT /plain/key", &own, "x").await.status, 400, "only where versions can be locked");
}

#[tokio::test]
async fn a_write_that_asks_for_a_lock_gets_it_by_every_way() {
    let door = door().await;
    let lock = [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-retain-until-date", "2100-01-01T00:00:00.5Z"),
        ("x-amz-object-lock-legal-hold", "ON"),
    ];
    door.done("PUT /locked/put", &lock, "x").await;
    door.done("PUT /locked/plain", &[], "x").await;
    let copied: Vec<_> = lock.into_iter().chain([("x-amz-copy-source", "locked/plain")]).collect();
    door.done("PUT /locked/copy", &copied, "").await;
    let begun = door.done("POST /locked/upload?uploads", &lock, "").await;
    let upload = begun.element("UploadId").expect("an upload");
    let part = door.done(&format!("PUT /locked/upload?partNumber=1&uploadId={upload}"), &[], "x").await;
    let part = format!("<Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part>", part.header("etag").expect("a tag"));
    let parts = format!("<CompleteMultipartUpload>{part}</CompleteMultipartUpload>");
    door.done(&format!("POST /locked/upload?uploadId={upload}"), &[], &parts).await;
    for key in ["put", "copy", "upload"] {
        let head = door.done(&format!("HEAD /locked/{key}"), &[], "").await;
        let shown = lock.map(|(name, _)| head.header(name));
        assert_eq!(shown, [Some("GOVERNANCE"), Some("2100-01-01T00:00:00.500Z"), Some("ON")], "{key}");
        let read = door.done(&format!("GET /locked/{key}?retention"), &[], "").await;
        let read = (read.element("Mode"), read.element("RetainUntilDate"));
        assert_eq!(read, (Some("GOVERNANCE"), Some("2100-01-01T00:00:00.500Z")));
        assert_eq!(door.done(&format!("GET /locked/{key}?legal-hold"), &[], "").await.element("Status"), Some("ON"));
    }
    // A copy of something locked is not locked itself.
    door.done("PUT /locked/loose", &[("x-amz-copy-source", "locked/put")], "").await;
    let head = door.done("HEAD /locked/loose", &[], "").await;
    assert!(lock.iter().all(|(name, _)| head.header(name).is_none()));
    // Who may write may not lock: a key that was stolen must not fill the bucket for a century.
    for headers in [&lock[..2], &lock[2..]] {
        assert_eq!(door.ask(WRITER, "PUT /locked/mine", headers, "x").await.error(), DENIED);
        assert_eq!(door.ask(WRITER, "POST /locked/mine?uploads", headers, "").await.error(), DENIED);
    }
    door.ask(WRITER, "PUT /locked/mine", &[], "x").await;
    for (headers, code) in [
        (&[("x-amz-object-lock-mode", "GOVERNANCE")][..], "InvalidArgument"),
        (&[("x-amz-object-lock-legal-hold", "maybe")], "InvalidArgument"),
        (
            &[
                ("x-amz-object-lock-mode", "GOVERNANCE"),
                ("x-amz-object-lock-retain-until-date", "2001-01-01T00:00:00Z"),
            ],
            "InvalidArgument",
        ),
    ] {
        assert_eq!(door.ask(MAIN, "PUT /locked/bad", headers, "x").await.error(), (400, code), "{headers:?}");
    }
}

#[tokio::test]
async fn a_lock_is_set_on_the_version_that_is_meant() {
    let door = door().await;
    let first = version(&door.done("PUT /locked/key", &[], "1").await);
    let second = version(&door.done("PUT /locked/key", &[], "2").await);
    let of_first = format!("/locked/key?retention&versionId={first}");
    let set = door.done(&format!("PUT {of_first}"), &[], &retention("COMPLIANCE", "2100-01-01T00:00:00Z")).await;
    assert_eq!(set.header("x-amz-version-id"), Some(first.as_str()));
    let none = (404, "NoSuchObjectLockConfiguration");
    assert_eq!(door.ask(MAIN, "GET /locked/key?retention", &[], "").await.error(), none);
    assert_eq!(door.done(&format!("GET {of_first}"), &[], "").await.element("Mode"), Some("COMPLIANCE"));
    door.done("PUT /locked/key?legal-hold", &[], &hold("ON")).await;
    let head = door.done(&format!("HEAD /locked/key?versionId={second}"), &[], "").await;
    assert_eq!(head.header("x-amz-object-lock-legal-hold"), Some("ON"));
    let head = door.done(&format!("HEAD /locked/key?versionId={first}"), &[], "").await;
    assert_eq!(head.header("x-amz-object-lock-legal-hold"), None);

    let marker = version(&door.done("DELETE /locked/key", &[], "").await);
    for (line, expected) in [
        ("GET /locked/key?retention".to_owned(), (404, "NoSuchKey")),
        (format!("GET /locked/key?legal-hold&versionId={marker}"), (405, "MethodNotAllowed")),
    ] {
        assert_eq!(door.ask(MAIN, &line, &[], "").await.error(), expected, "{line}");
    }
    let put = format!("PUT /locked/key?legal-hold&versionId={marker}");
    assert_eq!(door.ask(MAIN, &put, &[], &hold("ON")).await.error(), (405, "MethodNotAllowed"));
    for user in [WRITER, READER] {
        let longer = retention("COMPLIANCE", "2101-01-01T00:00:00Z");
        let set = door.ask(user, &format!("PUT {of_first}"), &[], &longer).await;
        assert_eq!(set.error(), DENIED);
        let line = format!("PUT /locked/key?legal-hold&versionId={second}");
        assert_eq!(door.ask(user, &line, &[], &hold("OFF")).await.error(), DENIED);
    }
}

#[tokio::test]
async fn governance_is_bypassed_by_those_who_may_and_say_so() {
    let door = door().await;
    let far = retention("GOVERNANCE", "2100-01-01T00:00:00Z");
    let near = retention("GOVERNANCE", "2099-01-01T00:00:00Z");
    let written = version(&door.done("PUT /locked/key", &[], "x").await);
    door.done("PUT /locked/key?retention", &[], &far).await;
    let remove = format!("DELETE /locked/key?versionId={written}");
    for (user, headers) in [(MAIN, &[][..]), (WRITER, &BYPASS[..]), (READER, &BYPASS[..])] {
        assert_eq!(door.ask(user, &remove, headers, "").await.error(), DENIED, "{user}");
        assert_eq!(door.ask(user, "PUT /locked/key?retention", headers, &near).await.error(), DENIED, "{user}");
        let empty = door.ask(user, "PUT /locked/key?retention", headers, "<Retention/>").await;
        assert_eq!(empty.error(), DENIED, "{user}");
    }
    let answer = door.done("GET /locked/key?retention", &[], "").await;
    assert_eq!(answer.element("RetainUntilDate"), Some("2100-01-01T00:00:00.000Z"));
    door.done("PUT /locked/key?retention", &BYPASS, &near).await;
    door.done("PUT /locked/key?retention", &BYPASS, "<Retention/>").await;
    door.done("PUT /locked/key?retention", &[], &near).await;
    assert_eq!(door.done(&remove, &BYPASS, "").await.status, 204);
}
