//! Bucket policies and the public access block, from setting them to what they let in.

use crate::kit::{ALT, Answer, Door, MAIN, READER};

const DENIED: (u16, &str) = (403, "AccessDenied");

fn statement(effect: &str, action: &str, condition: &str) -> String {
    format!(
        r#"{{"Effect":"{effect}","Principal":"*","Action":"{action}","Resource":["arn:aws:s3:::bucket","arn:aws:s3:::bucket/*"]{condition}}}"#
    )
}

fn policy(statements: &[String]) -> String {
    format!(r#"{{ "Version":"2012-10-17","Statement":[{}] }}"#, statements.join(","))
}

/// A bucket of the main user with an object.
async fn house(door: &Door) {
    door.done("PUT /bucket", &[], "").await;
    door.done("PUT /bucket/in/key", &[("x-amz-tagging", "security=public")], "x").await;
    door.done("PUT /bucket/in/secret", &[], "x").await;
}

async fn set(door: &Door, statements: &[String]) {
    let answer = door.done("PUT /bucket?policy", &[], &policy(statements)).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

/// What everyone gets: main, alt, nobody known.
async fn all(door: &Door, line: &str, body: &str) -> [u16; 3] {
    let status = |answer: Answer| answer.status;
    [
        status(door.ask(MAIN, line, &[], body).await),
        status(door.ask(ALT, line, &[], body).await),
        status(door.ask_unsigned(line, &[], body).await),
    ]
}

#[tokio::test]
async fn a_policy_is_kept_as_it_was_written_until_it_is_deleted() {
    let door = Door::open().await;
    house(&door).await;
    assert_eq!(door.ask(MAIN, "GET /bucket?policy", &[], "").await.error(), (404, "NoSuchBucketPolicy"));
    let text = policy(&[statement("Deny", "s3:PutObject", "")]);
    door.done("PUT /bucket?policy", &[], &text).await;
    let read = door.done("GET /bucket?policy", &[], "").await;
    assert_eq!((read.body.as_str(), read.header("content-type")), (text.as_str(), Some("application/json")));
    assert_eq!(door.ask(READER, "GET /bucket?policy", &[], "").await.error(), DENIED);
    assert_eq!(door.done("DELETE /bucket?policy", &[], "").await.status, 204);
    assert_eq!(door.ask(MAIN, "GET /bucket?policy", &[], "").await.error(), (404, "NoSuchBucketPolicy"));
    for bad in ["", "{}", "{\"Statement\":[]}", &text.replace("bucket", "other"), &text.replace("PutObject", "Put")] {
        assert_eq!(door.ask(MAIN, "PUT /bucket?policy", &[], bad).await.error(), (400, "MalformedPolicy"), "{bad}");
    }
    assert_eq!(door.ask(MAIN, "PUT /none?policy", &[], &text).await.error(), (404, "NoSuchBucket"));
}

#[tokio::test]
async fn without_a_policy_nothing_is_open_to_anyone_but_owners() {
    let door = Door::open_to_the_public().await;
    house(&door).await;
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [200, 403, 403]);
    assert_eq!(all(&door, "GET /bucket", "").await, [200, 403, 403]);
    assert_eq!(all(&door, "HEAD /bucket", "").await, [200, 403, 403]);
    assert_eq!(all(&door, "PUT /bucket/new", "x").await, [200, 403, 403]);
    assert_eq!(all(&door, "GET /bucket/none", "").await, [404, 403, 403]);
    assert_eq!(all(&door, "GET /bucket?policy", "").await, [404, 403, 403]);
    // Users are accounts: each sees its own buckets.
    assert!(door.done("GET /", &[], "").await.body.contains("<Name>bucket</Name>"));
    assert!(!door.ask(ALT, "GET /", &[], "").await.body.contains("<Name>"));
    assert!(!door.ask_unsigned("GET /", &[], "").await.body.contains("<Name>"));
}

#[tokio::test]
async fn a_policy_opens_what_it_allows_and_closes_what_it_denies() {
    let door = Door::open_to_the_public().await;
    house(&door).await;
    set(&door, &[statement("Allow", "s3:GetObject", "")]).await;
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [200, 200, 200]);
    assert_eq!(all(&door, "GET /bucket/none", "").await, [404, 403, 403]);
    assert_eq!(all(&door, "PUT /bucket/in/key", "x").await, [200, 403, 403]);
    set(&door, &[statement("Allow", "s3:ListBucket", r#","Condition":{"StringLike":{"s3:prefix":"in/*"}}"#)]).await;
    assert_eq!(all(&door, "GET /bucket?prefix=in/", "").await, [200, 200, 200]);
    assert_eq!(all(&door, "GET /bucket?prefix=out/", "").await, [200, 403, 403]);
    assert_eq!(all(&door, "HEAD /bucket/in/none", "").await, [404, 404, 404]);
    assert_eq!(all(&door, "HEAD /bucket/out/none", "").await, [404, 403, 403]);
    set(&door, &[statement("Allow", "s3:*", ""), statement("Deny", "s3:GetObject", "")]).await;
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [403, 403, 403]);
    assert_eq!(all(&door, "PUT /bucket/new", "x").await, [200, 200, 200]);
    door.done("DELETE /bucket?policy", &[], "").await;
    assert_eq!(all(&door, "PUT /bucket/new", "x").await, [200, 403, 403]);
}

#[tokio::test]
async fn conditions_see_headers_tags_and_copy_sources() {
    let door = Door::open_to_the_public().await;
    house(&door).await;
    let tagged = r#","Condition":{"StringEquals":{"s3:ExistingObjectTag/security":"public"}}"#;
    set(&door, &[statement("Allow", "s3:GetObject", tagged)]).await;
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [200, 200, 200]);
    assert_eq!(all(&door, "GET /bucket/in/secret", "").await, [200, 403, 403]);
    let would_be = r#","Condition":{"StringEquals":{"s3:RequestObjectTag/security":"public"}}"#;
    set(&door, &[statement("Allow", "s3:PutObject", would_be)]).await;
    let put = async |headers| door.ask(ALT, "PUT /bucket/alt", headers, "x").await.status;
    assert_eq!(put(&[][..]).await, 403);
    assert_eq!(put(&[("x-amz-tagging", "security=private")]).await, 403);
    assert_eq!(put(&[("x-amz-tagging", "security=public")]).await, 200);
    let copied = r#","Condition":{"StringLike":{"s3:x-amz-copy-source":"bucket/in/k*"}}"#;
    set(&door, &[statement("Allow", "s3:PutObject", copied), statement("Allow", "s3:GetObject", "")]).await;
    let copy = async |source| door.ask(ALT, "PUT /bucket/copy", &[("x-amz-copy-source", source)], "").await.status;
    assert_eq!((copy("/bucket/in/key").await, copy("bucket/in/secret").await), (200, 403));
    set(&door, &[statement("Allow", "s3:PutObject", copied)]).await;
    assert_eq!(copy("/bucket/in/key").await, 403, "the source needs a grant of its own");
    let refused = r#","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#;
    set(&door, &[statement("Deny", "s3:PutObject", refused)]).await;
    assert_eq!(door.ask(MAIN, "PUT /bucket/new", &[], "x").await.error(), DENIED);
    door.done("PUT /bucket/new", &[("x-amz-server-side-encryption", "AES256")], "x").await;
}

#[tokio::test]
async fn each_key_of_many_and_each_step_of_an_upload_is_asked_for_on_its_own() {
    let door = Door::open_to_the_public().await;
    house(&door).await;
    let one = r#"{"Effect":"Allow","Principal":"*","Action":["s3:DeleteObject","s3:PutObject"],"Resource":"arn:aws:s3:::bucket/in/key"}"#;
    set(&door, &[one.to_owned()]).await;
    let body = "<Delete><Object><Key>in/key</Key></Object><Object><Key>in/secret</Key></Object></Delete>";
    let answer = door.ask(ALT, "POST /bucket?delete", &[("x-amz-checksum-crc32", "kKbaWw==")], body).await;
    assert_eq!(answer.element("Deleted"), Some("<Key>in/key</Key>"), "{answer:?}");
    assert_eq!(answer.element("Code"), Some("AccessDenied"), "{answer:?}");
    let begun = door.ask(ALT, "POST /bucket/in/key?uploads", &[], "").await;
    let upload = begun.element("UploadId").expect("an upload").to_owned();
    assert_eq!(door.ask(ALT, "POST /bucket/in/other?uploads", &[], "").await.error(), DENIED);
    let part = format!("PUT /bucket/in/key?partNumber=1&uploadId={upload}");
    assert_eq!(all(&door, &part, "x").await, [200, 200, 200]);
    let parts = format!("GET /bucket/in/key?uploadId={upload}");
    assert_eq!(all(&door, &parts, "").await, [200, 200, 403], "the bucket's owner's and its initiator's");
    let abort = format!("DELETE /bucket/in/key?uploadId={upload}");
    assert_eq!(door.ask_unsigned(&abort, &[], "").await.error(), DENIED);
    assert_eq!(door.ask(ALT, &abort, &[], "").await.status, 204);
}

#[tokio::test]
async fn an_owner_can_take_a_policy_back_unless_it_said_otherwise() {
    let door = Door::open().await;
    house(&door).await;
    let deny = [statement("Deny", "s3:*", "")];
    set(&door, &deny).await;
    assert_eq!(door.ask(MAIN, "GET /bucket/in/key", &[], "").await.error(), DENIED);
    assert_eq!(door.ask(ALT, "DELETE /bucket?policy", &[], "").await.error(), DENIED);
    door.done("GET /bucket?policy", &[], "").await;
    door.done("DELETE /bucket?policy", &[], "").await;
    let confirmed = [("x-amz-confirm-remove-self-bucket-access", "true")];
    door.done("PUT /bucket?policy", &confirmed, &policy(&deny)).await;
    for line in ["GET /bucket?policy", "DELETE /bucket?policy"] {
        assert_eq!(door.ask(MAIN, line, &[], "").await.error(), DENIED, "{line}");
    }
    assert_eq!(door.ask(MAIN, "PUT /bucket?policy", &[], &policy(&deny)).await.error(), DENIED);
}

#[tokio::test]
async fn what_is_blocked_stays_closed_whatever_a_policy_says() {
    let door = Door::open_to_the_public().await;
    house(&door).await;
    let block = |policy: bool, buckets: bool| {
        format!(
            "<PublicAccessBlockConfiguration><BlockPublicPolicy>{policy}</BlockPublicPolicy><RestrictPublicBuckets>\
             {buckets}</RestrictPublicBuckets></PublicAccessBlockConfiguration>"
        )
    };
    let missing = (404, "NoSuchPublicAccessBlockConfiguration");
    assert_eq!(door.ask(MAIN, "GET /bucket?publicAccessBlock", &[], "").await.error(), missing);
    let open = policy(&[statement("Allow", "s3:GetObject", "")]);
    door.done("PUT /bucket?publicAccessBlock", &[], &block(true, false)).await;
    assert_eq!(door.ask(MAIN, "PUT /bucket?policy", &[], &open).await.error(), DENIED);
    let public = async || door.done("GET /bucket?policyStatus", &[], "").await.element("IsPublic") == Some("true");
    assert!(!public().await);
    assert_eq!(door.done("DELETE /bucket?publicAccessBlock", &[], "").await.status, 204);
    door.done("PUT /bucket?policy", &[], &open).await;
    assert!(public().await);
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [200, 200, 200]);
    door.done("PUT /bucket?publicAccessBlock", &[], &block(false, true)).await;
    assert_eq!(all(&door, "GET /bucket/in/key", "").await, [200, 200, 403]);
    let read = door.done("GET /bucket?publicAccessBlock", &[], "").await;
    assert_eq!(
        (read.element("RestrictPublicBuckets"), read.element("IgnorePublicAcls")),
        (Some("true"), Some("false"))
    );
}

#[tokio::test]
async fn buckets_are_closed_to_the_public_unless_the_operator_opens_the_door() {
    let door = Door::open().await;
    house(&door).await;
    let read = door.done("GET /bucket?publicAccessBlock", &[], "").await;
    assert_eq!((read.element("BlockPublicAcls"), read.element("BlockPublicPolicy")), (Some("true"), Some("true")));
    let open = policy(&[statement("Allow", "s3:GetObject", "")]);
    assert_eq!(door.ask(MAIN, "PUT /bucket?policy", &[], &open).await.error(), DENIED);
    // Removed is another thing than never set.
    door.done("DELETE /bucket?publicAccessBlock", &[], "").await;
    door.done("PUT /bucket?policy", &[], &open).await;
    assert_eq!(door.ask_unsigned("GET /bucket/in/key", &[], "").await.status, 403, "nobody unknown comes in at all");
}
