//! Encryption as a client sees it: what is answered of each mode, and what is refused.

use crate::kit::{Answer, Door, MAIN};

const KEY: (&str, &str) = ("x-amz-server-side-encryption-customer-key", "pO3upElrwuEXSoFwCfnZPdSsmt/xWeFa0N9KgDijwVs=");
const MD5: (&str, &str) = ("x-amz-server-side-encryption-customer-key-md5", "DWygnHRtgiJ77HCm+1rvHw==");
const ALGORITHM: (&str, &str) = ("x-amz-server-side-encryption-customer-algorithm", "AES256");
const OTHER_KEY: (&str, &str) =
    ("x-amz-server-side-encryption-customer-key", "6b+WOZ1T3cqZMxgThRcXAQBrS5mXKdDUphvpxptl9/4=");
const OTHER_MD5: (&str, &str) = ("x-amz-server-side-encryption-customer-key-md5", "arxBvwY2V4SiOne6yppVPQ==");
const CUSTOMER: [(&str, &str); 3] = [ALGORITHM, KEY, MD5];
const OTHER: [(&str, &str); 3] = [ALGORITHM, OTHER_KEY, OTHER_MD5];
const SSE: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const CONTEXT: &str = "x-amz-server-side-encryption-context";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";

/// What an answer says of encryption.
fn said(answer: &Answer) -> Vec<(&'static str, String)> {
    [SSE, KMS_KEY, CONTEXT, BUCKET_KEY, ALGORITHM.0, KEY.0, MD5.0]
        .into_iter()
        .filter_map(|name| Some((name, answer.header(name)?.to_owned())))
        .collect()
}

fn pairs(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[tokio::test]
async fn every_answer_says_how_the_object_is_encrypted() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let kms = [(SSE, "aws:kms"), (KMS_KEY, "arn:aws:kms:eu-west-1:1234:key/one"), (BUCKET_KEY, "true")];
    let with_context = [&kms[..], &[(CONTEXT, "eyJhIjoiYiJ9")]].concat();
    let shown = pairs(&[(SSE, "aws:kms"), (KMS_KEY, "one"), (BUCKET_KEY, "true")]);
    let written = pairs(&[(SSE, "aws:kms"), (KMS_KEY, "one"), (CONTEXT, "eyJhIjoiYiJ9"), (BUCKET_KEY, "true")]);
    let customer = pairs(&[ALGORITHM, MD5]);
    let managed = pairs(&[(SSE, "AES256")]);
    for (asked, reading, on_write, on_read) in [
        (&[][..], &[][..], &managed, &managed),
        (&[(SSE, "AES256")], &[], &managed, &managed),
        (&with_context, &[], &written, &shown),
        (&CUSTOMER, &CUSTOMER, &customer, &customer),
    ] {
        assert_eq!(said(&door.done("PUT /bucket/key", asked, "content").await), *on_write, "{asked:?}");
        let got = door.done("GET /bucket/key", reading, "").await;
        assert_eq!((said(&got), got.body.as_str()), (on_read.clone(), "content"), "{asked:?}");
        assert_eq!(said(&door.done("HEAD /bucket/key", reading, "").await), *on_read, "{asked:?}");

        let begun = door.done("POST /bucket/parts?uploads", asked, "").await;
        assert_eq!(said(&begun), *on_write, "{asked:?}");
        let upload = begun.element("UploadId").expect("an upload").to_owned();
        let line = format!("PUT /bucket/parts?partNumber=1&uploadId={upload}");
        let part = door.done(&line, reading, "part").await;
        assert_eq!(said(&part), *on_read, "{asked:?}");
        let etag = part.header("etag").expect("an etag").replace('"', "&quot;");
        let parts = format!(
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
        );
        let done = door.done(&format!("POST /bucket/parts?uploadId={upload}"), reading, &parts).await;
        assert_eq!(said(&done), *on_write, "{asked:?}");
        door.done("PUT /bucket/other", &[], "other").await;
        let copy = [asked, &[("x-amz-copy-source", "/bucket/other")]].concat();
        assert_eq!(said(&door.done("PUT /bucket/copy", &copy, "").await), *on_write, "{asked:?}");
    }
}

#[tokio::test]
async fn a_customers_key_is_needed_for_all_that_shows_the_object() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/key", &CUSTOMER, "content").await;
    door.done("PUT /bucket/plain", &[], "content").await;
    let attributes = ("x-amz-object-attributes", "ETag");
    for line in ["GET /bucket/key", "GET /bucket/key?attributes"] {
        let refused = door.ask(MAIN, line, &[attributes], "").await;
        assert_eq!(refused.error(), (400, "InvalidRequest"), "{line}");
        let refused = door.ask(MAIN, line, &[&OTHER[..], &[attributes]].concat(), "").await;
        assert_eq!(refused.error(), (400, "InvalidRequest"), "{line}");
        assert!(!refused.body.contains(KEY.1) && !refused.body.contains(OTHER_KEY.1), "{}", refused.body);
        door.done(line, &[&CUSTOMER[..], &[attributes]].concat(), "").await;
        let plain = door.ask(MAIN, &line.replace("key", "plain"), &[&CUSTOMER[..], &[attributes]].concat(), "").await;
        assert_eq!(plain.error(), (400, "InvalidRequest"), "{line}");
    }
    assert_eq!(door.ask(MAIN, "HEAD /bucket/key", &[], "").await.status, 400);
    // What is no content needs no key.
    door.done("GET /bucket/key?tagging", &[], "").await;
    let copy = |more: &[(&'static str, &'static str)]| {
        let headers = [&[("x-amz-copy-source", "/bucket/key")][..], more].concat();
        let door = &door;
        async move { door.ask(MAIN, "PUT /bucket/copy", &headers, "").await }
    };
    assert_eq!(copy(&[]).await.error(), (400, "InvalidRequest"));
    let source = [
        ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-copy-source-server-side-encryption-customer-key", KEY.1),
        ("x-amz-copy-source-server-side-encryption-customer-key-md5", MD5.1),
    ];
    let copied = copy(&source).await;
    assert_eq!((copied.status, said(&copied)), (200, pairs(&[(SSE, "AES256")])));
    assert_eq!(door.done("GET /bucket/copy", &[], "").await.body, "content");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    for (headers, expected) in [
        (&[(SSE, "aws:kms"), (KMS_KEY, "three")][..], (400, "KMS.NotFoundException")),
        (&[(SSE, "aws:kms")], (400, "InvalidArgument")),
        (&[(SSE, "aws:kms:dsse")], (501, "NotImplemented")),
        (&[(SSE, "AES256"), ALGORITHM, KEY, MD5], (400, "InvalidArgument")),
        (&[ALGORITHM, KEY, OTHER_MD5], (400, "InvalidArgument")),
    ] {
        assert_eq!(door.ask(MAIN, "PUT /bucket/key", headers, "content").await.error(), expected, "{headers:?}");
        assert_eq!(door.ask(MAIN, "POST /bucket/key?uploads", headers, "").await.error(), expected, "{headers:?}");
    }
    door.done("PUT /bucket/key", &[], "content").await;
    let read = door.ask(MAIN, "GET /bucket/key", &[(SSE, "AES256")], "").await;
    assert_eq!(read.error(), (400, "InvalidArgument"));
}

#[tokio::test]
async fn a_bucket_has_a_default_until_it_is_removed() {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    let none = (404, "ServerSideEncryptionConfigurationNotFoundError");
    assert_eq!(door.ask(MAIN, "GET /bucket?encryption", &[], "").await.error(), none);
    let set = |key: &str| {
        format!(
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{key}</KMSMasterKeyID>\
             </ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
        )
    };
    let refused = door.ask(MAIN, "PUT /bucket?encryption", &[], &set("three")).await;
    assert_eq!(refused.error(), (400, "KMS.NotFoundException"));
    door.done("PUT /bucket?encryption", &[], &set("one")).await;
    let document = door.done("GET /bucket?encryption", &[], "").await;
    assert_eq!((document.element("SSEAlgorithm"), document.element("KMSMasterKeyID")), (Some("aws:kms"), Some("one")));
    let kms = pairs(&[(SSE, "aws:kms"), (KMS_KEY, "one")]);
    assert_eq!(said(&door.done("PUT /bucket/key", &[], "content").await), kms);
    assert_eq!(door.done("DELETE /bucket?encryption", &[], "").await.status, 204);
    assert_eq!(door.ask(MAIN, "GET /bucket?encryption", &[], "").await.error(), none);
    assert_eq!(said(&door.done("PUT /bucket/key", &[], "content").await), pairs(&[(SSE, "AES256")]));
}
