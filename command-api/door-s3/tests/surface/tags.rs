use crate::kit::{Door, MAIN, READER};

const NONE: &str = "<Tagging><TagSet/></Tagging>";

fn tags(pairs: &[(&str, &str)]) -> String {
    pairs.iter().map(|(name, value)| format!("<Tag><Key>{name}</Key><Value>{value}</Value></Tag>")).collect()
}

fn tagging(pairs: &[(&str, &str)]) -> String {
    format!("<Tagging><TagSet>{}</TagSet></Tagging>", tags(pairs))
}

#[tokio::test]
async fn the_tags_of_a_version_are_read_where_they_were_written() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/plain", &[], "x").await;
    assert_eq!(door.done("GET /bucket/plain?tagging", &[], "").await.element("TagSet"), Some(""));
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    door.done("PUT /bucket?versioning", &[], versioning).await;
    let first = door.done("PUT /bucket/in/key", &[("x-amz-tagging", "colour=blue&size=2")], "x").await;
    door.done("PUT /bucket/in/key", &[("x-amz-tagging", "colour=red")], "x").await;
    let now = door.done("GET /bucket/in/key?tagging", &[], "").await;
    assert_eq!(now.element("TagSet"), Some(tags(&[("colour", "red")]).as_str()));
    let version = first.header("x-amz-version-id").expect("a version");
    let then = door.ask(READER, &format!("GET /bucket/in/key?tagging&versionId={version}"), &[], "").await;
    let blue = tags(&[("colour", "blue"), ("size", "2")]);
    assert_eq!((then.element("TagSet"), then.header("x-amz-version-id")), (Some(blue.as_str()), Some(version)));
    door.done("DELETE /bucket/in/key", &[], "").await;
    for (user, line, expected) in [
        (MAIN, "GET /bucket/in/key?tagging", (404, "NoSuchKey")),
        (MAIN, "GET /bucket/never?tagging", (404, "NoSuchKey")),
        (MAIN, "GET /none/key?tagging", (404, "NoSuchBucket")),
        (READER, "GET /bucket/plain?tagging", (403, "AccessDenied")),
        (MAIN, "PUT /bucket/in/key?tagging", (404, "NoSuchKey")),
        (MAIN, "DELETE /bucket/in/key?tagging", (404, "NoSuchKey")),
        (READER, "PUT /bucket/in/key?tagging", (403, "AccessDenied")),
        (READER, "DELETE /bucket/in/key?tagging", (403, "AccessDenied")),
    ] {
        assert_eq!(door.ask(user, line, &[], NONE).await.error(), expected, "{line}");
    }
}

#[tokio::test]
async fn a_copy_takes_the_tags_with_it_and_an_upload_gets_the_ones_it_was_begun_with() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/source", &[("x-amz-tagging", "a=1")], "x").await;
    door.done("PUT /bucket/copy", &[("x-amz-copy-source", "bucket/source")], "").await;
    let begun = door.done("POST /bucket/upload?uploads", &[("x-amz-tagging", "a=1")], "").await;
    let upload = begun.element("UploadId").expect("an upload");
    let part = door.done(&format!("PUT /bucket/upload?partNumber=1&uploadId={upload}"), &[], "x").await;
    let etag = part.header("etag").expect("a tag");
    let parts = format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    let parts = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    door.done(&format!("POST /bucket/upload?uploadId={upload}"), &[], &parts).await;
    for key in ["copy", "upload"] {
        let tags = door.done(&format!("GET /bucket/{key}?tagging"), &[], "").await;
        assert_eq!(tags.element("TagSet"), Some("<Tag><Key>a</Key><Value>1</Value></Tag>"), "{key}");
    }
}

#[tokio::test]
async fn tags_are_changed_of_the_version_that_is_meant_and_go_with_its_copies() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    door.done("PUT /bucket?versioning", &[], versioning).await;
    let first = door.done("PUT /bucket/key", &[("x-amz-tagging", "a=1")], "x").await;
    let first = first.header("x-amz-version-id").expect("a version").to_owned();
    let second = door.done("PUT /bucket/key", &[], "y").await;
    let set = door.done("PUT /bucket/key?tagging", &[], &tagging(&[("b", "2"), ("c", "")])).await;
    assert_eq!(set.header("x-amz-version-id"), second.header("x-amz-version-id"));
    assert!(set.header("x-holdfast-position") > second.header("x-holdfast-position"));
    let older = format!("/bucket/key?tagging&versionId={first}");
    let set = door.done(&format!("PUT {older}"), &[], &tagging(&[("a", "changed")])).await;
    assert_eq!(set.header("x-amz-version-id"), Some(first.as_str()));

    let read = async |line: &str| {
        let answer = door.done(line, &[], "").await;
        answer.element("TagSet").expect("a set").to_owned()
    };
    assert_eq!(read("GET /bucket/key?tagging").await, tags(&[("b", "2"), ("c", "")]));
    assert_eq!(read(&format!("GET {older}")).await, tags(&[("a", "changed")]));
    assert_eq!(door.done("HEAD /bucket/key", &[], "").await.header("x-amz-tagging-count"), Some("2"));
    let source = format!("bucket/key?versionId={first}");
    door.done("PUT /bucket/copy", &[("x-amz-copy-source", &source)], "").await;
    assert_eq!(read("GET /bucket/copy?tagging").await, tags(&[("a", "changed")]));
    let replaced =
        [("x-amz-copy-source", source.as_str()), ("x-amz-tagging-directive", "REPLACE"), ("x-amz-tagging", "n=1")];
    door.done("PUT /bucket/copy", &replaced, "").await;
    assert_eq!(read("GET /bucket/copy?tagging").await, tags(&[("n", "1")]));

    assert_eq!(door.done(&format!("DELETE {older}"), &[], "").await.status, 204);
    assert_eq!(read(&format!("GET {older}")).await, "");
    assert_eq!(read("GET /bucket/key?tagging").await, tags(&[("b", "2"), ("c", "")]));
    door.done("DELETE /bucket/key?tagging", &[], "").await;
    assert_eq!(door.done("GET /bucket/key", &[], "").await.header("x-amz-tagging-count"), None);
}

#[tokio::test]
async fn tags_that_break_a_rule_change_nothing() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &[("x-amz-tagging", "a=1")], "x").await;
    let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
    let of = |count: usize| tagging(&many.iter().take(count).map(|name| (name.as_str(), "")).collect::<Vec<_>>());
    let (long_name, long_value) = ("k".repeat(129), "v".repeat(257));
    for (document, code) in [
        (of(11), "InvalidTag"),
        (tagging(&[("a", "1"), ("a", "2")]), "InvalidTag"),
        (tagging(&[(&long_name, "")]), "InvalidTag"),
        (tagging(&[("a", &long_value)]), "InvalidTag"),
        (tagging(&[("aws:a", "")]), "InvalidTag"),
        (tagging(&[("", "")]), "InvalidTag"),
        ("<Tagging/>".to_owned(), "MalformedXML"),
        (String::new(), "MalformedXML"),
    ] {
        let answer = door.ask(MAIN, "PUT /bucket/key?tagging", &[], &document).await;
        assert_eq!(answer.error(), (400, code), "{document}");
    }
    let wrong = [("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==")];
    assert_eq!(door.ask(MAIN, "PUT /bucket/key?tagging", &wrong, &of(1)).await.error(), (400, "BadDigest"));
    let kept = door.done("GET /bucket/key?tagging", &[], "").await;
    assert_eq!(kept.element("TagSet"), Some(tags(&[("a", "1")]).as_str()));
    assert_eq!(door.ask(MAIN, "PUT /bucket?tagging", &[], &of(51)).await.error(), (400, "InvalidTag"));
    door.done("PUT /bucket?tagging", &[], &of(50)).await;
}

#[tokio::test]
async fn a_bucket_has_tags_of_its_own() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let none = (404, "NoSuchTagSet");
    assert_eq!(door.ask(MAIN, "GET /bucket?tagging", &[], "").await.error(), none);
    let document = tagging(&[("cost", "a + b"), ("team", "red")]);
    assert_eq!(door.done("PUT /bucket?tagging", &[], &document).await.status, 204);
    let read = door.done("GET /bucket?tagging", &[], "").await;
    assert_eq!(read.element("TagSet"), Some(tags(&[("cost", "a + b"), ("team", "red")]).as_str()));
    for line in ["GET /bucket?tagging", "PUT /bucket?tagging", "DELETE /bucket?tagging"] {
        assert_eq!(door.ask(READER, line, &[], NONE).await.error(), (403, "AccessDenied"), "{line}");
    }
    assert_eq!(door.done("DELETE /bucket?tagging", &[], "").await.status, 204);
    assert_eq!(door.ask(MAIN, "GET /bucket?tagging", &[], "").await.error(), none);
    door.done("PUT /bucket?tagging", &[], NONE).await;
    assert_eq!(door.ask(MAIN, "GET /bucket?tagging", &[], "").await.error(), none);
    assert_eq!(door.ask(MAIN, "PUT /none?tagging", &[], NONE).await.error(), (404, "NoSuchBucket"));
}
