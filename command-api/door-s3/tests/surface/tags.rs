use crate::kit::{Door, MAIN, READER};

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
    let tags = |colour| format!("<Tag><Key>colour</Key><Value>{colour}</Value></Tag>");
    let now = door.done("GET /bucket/in/key?tagging", &[], "").await;
    assert_eq!(now.element("TagSet"), Some(tags("red").as_str()));
    let version = first.header("x-amz-version-id").expect("a version");
    let then = door.ask(READER, &format!("GET /bucket/in/key?tagging&versionId={version}"), &[], "").await;
    let blue = tags("blue") + "<Tag><Key>size</Key><Value>2</Value></Tag>";
    assert_eq!((then.element("TagSet"), then.header("x-amz-version-id")), (Some(blue.as_str()), Some(version)));
    door.done("DELETE /bucket/in/key", &[], "").await;
    for (user, line, expected) in [
        (MAIN, "GET /bucket/in/key?tagging", (404, "NoSuchKey")),
        (MAIN, "GET /bucket/never?tagging", (404, "NoSuchKey")),
        (MAIN, "GET /none/key?tagging", (404, "NoSuchBucket")),
        (READER, "GET /bucket/plain?tagging", (403, "AccessDenied")),
        (MAIN, "DELETE /bucket/plain?tagging", (501, "NotImplemented")),
    ] {
        assert_eq!(door.ask(user, line, &[], "").await.error(), expected, "{line}");
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
