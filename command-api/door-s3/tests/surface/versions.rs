use crate::kit::Door;

#[tokio::test]
async fn a_write_names_its_version_only_where_versioning_is_enabled() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let versioning =
        |status: &str| format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    let written = door.done("PUT /bucket/key", &[], "x").await;
    assert_eq!(written.header("x-amz-version-id"), None);
    door.done("PUT /bucket?versioning", &[], &versioning("Enabled")).await;
    let written = door.done("PUT /bucket/key", &[], "x").await;
    assert!(written.header("x-amz-version-id").is_some());
    door.done("PUT /bucket?versioning", &[], &versioning("Suspended")).await;
    let written = door.done("PUT /bucket/key", &[], "x").await;
    assert_eq!(written.header("x-amz-version-id"), None);
    let copied = door.done("PUT /bucket/copy", &[("x-amz-copy-source", "bucket/key")], "").await;
    assert_eq!(copied.header("x-amz-version-id"), None);
    let read = door.done("GET /bucket/key", &[], "").await;
    assert_eq!(read.header("x-amz-version-id"), Some("null"));
}

#[tokio::test]
async fn a_part_sent_twice_and_named_twice_is_the_one_that_was_sent_last() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let begun = door.done("POST /bucket/key?uploads", &[], "").await;
    let upload = begun.element("UploadId").expect("an upload");
    let mut parts = String::new();
    for body in ["first", "second"] {
        let part = door.done(&format!("PUT /bucket/key?partNumber=1&uploadId={upload}"), &[], body).await;
        let etag = part.header("etag").expect("a tag");
        parts += &format!("<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let parts = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    door.done(&format!("POST /bucket/key?uploadId={upload}"), &[], &parts).await;
    assert_eq!(door.done("GET /bucket/key", &[], "").await.body, "second");
}
