//! Browser-based uploads: forms signed by both versions, what their policies allow, and what is stored.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};

use crate::kit::{ALT, Answer, Door, MAIN, READER};

const POLICY: &str = r#"{"expiration": "2024-01-01T00:01:00Z", "conditions": [{"bucket": "bucket"},
    ["starts-with", "$key", "in/"], ["content-length-range", 3, 1000], ["starts-with", "$x-amz-meta-colour", ""],
    ["starts-with", "$content-type", ""], ["starts-with", "$tagging", ""], ["starts-with", "$success_action_status", ""],
    ["starts-with", "$acl", ""], ["starts-with", "$x-amz-storage-class", ""]]}"#;

/// What a form of `user` says, signed by Version 2 as Ceph's suite and older pages do.
struct Form {
    fields: Vec<(String, Vec<u8>)>,
    file: Vec<u8>,
    file_name: &'static str,
}

impl Form {
    fn new(user: &str, key: &str) -> Self {
        let policy = STANDARD.encode(POLICY.replace("\"$content-type\", \"\"", "\"$Content-Type\", \"\""));
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(format!("secret-of-{user}").as_bytes()).expect("a key");
        mac.update(policy.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let form = Self { fields: Vec::new(), file: b"content".to_vec(), file_name: "a b.txt" };
        // Each condition wants its field.
        form.with("key", key)
            .with("AWSAccessKeyId", user)
            .with("policy", &policy)
            .with("signature", &signature)
            .with("x-amz-meta-colour", "blue")
            .with("Content-Type", "text/plain")
            .with("tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>")
            .with("success_action_status", "201")
            .with("acl", "bucket-owner-full-control")
            .with("x-amz-storage-class", "STANDARD")
    }

    /// The same with a field of another value, or one more.
    fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self.fields.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(other, _)| other != name);
        self
    }

    fn file(mut self, file: &[u8]) -> Self {
        self.file = file.to_vec();
        self
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, value) in &self.fields {
            body.extend_from_slice(
                format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes(),
            );
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        let head =
            format!("--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n", self.file_name);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"Content-Type: application/x-ignored\r\n\r\n");
        body.extend_from_slice(&self.file);
        body.extend_from_slice(
            b"\r\n--xyz\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nafter\r\n--xyz--\r\n",
        );
        body
    }
}

async fn post_with(door: &Door, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
    let request = http::Request::post("/bucket").header("host", "holdfast.test:9000");
    let request = request.header("content-type", "multipart/form-data; boundary=xyz");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    // In frames, so that it is read as it comes.
    let frames: Vec<Result<Vec<u8>, std::io::Error>> = body.chunks(4096).map(|frame| Ok(frame.to_vec())).collect();
    door.send(request.body(Body::from_stream(futures_util::stream::iter(frames))).expect("a request")).await
}

async fn post(door: &Door, form: Form) -> Answer {
    post_with(door, &[], form.body()).await
}

async fn door() -> Door {
    let door = Door::open().await;
    door.done("PUT /bucket", &[], "").await;
    door
}

#[tokio::test]
async fn a_form_stores_its_file_with_what_its_fields_say() {
    let door = door().await;
    // Headers of the request, which no policy covers, say nothing of the object.
    let headers = [("x-amz-meta-evil", "1"), ("x-amz-acl", "public-read"), ("cache-control", "no-store")];
    let answer = post_with(&door, &headers, Form::new(MAIN, "in/${filename}").body()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let location = "http://holdfast.test:9000/bucket/in/a%20b.txt";
    assert_eq!((answer.element("Key"), answer.element("Location")), (Some("in/a b.txt"), Some(location)));
    assert_eq!(answer.header("location"), Some(location));
    let stored = door.done("GET /bucket/in/a%20b.txt", &[], "").await;
    assert_eq!((stored.body.as_str(), stored.header("content-type")), ("content", Some("text/plain")));
    assert_eq!(stored.header("etag"), answer.header("etag"));
    assert_eq!((stored.header("x-amz-meta-colour"), stored.header("x-amz-meta-evil")), (Some("blue"), None));
    assert_eq!((stored.header("cache-control"), stored.header("x-amz-tagging-count")), (None, Some("1")));
    let listed = door.done("GET /bucket", &[], "").await;
    assert!(listed.body.contains("<Key>in/a b.txt</Key>") && !listed.body.contains("<Key>after</Key>"));
}

#[tokio::test]
async fn what_a_policy_does_not_allow_is_not_stored() {
    let door = door().await;
    let form = |key| Form::new(MAIN, key);
    let long = format!("in/{}", "k".repeat(1030));
    for (form, expected) in [
        (form("out/k"), (403, "AccessDenied")),
        (form("in/k").with("x-amz-meta-other", "1"), (403, "AccessDenied")),
        (form("in/k").file(b"ab"), (400, "EntityTooSmall")),
        (form("in/k").file(&[b'x'; 1001]), (400, "EntityTooLarge")),
        (form("in/k").file(&vec![b'x'; 5 << 20]), (400, "EntityTooLarge")),
        (form("in/k").with("signature", "c2ln"), (403, "SignatureDoesNotMatch")),
        (form("in/k").with("AWSAccessKeyId", "NOBODY"), (403, "InvalidAccessKeyId")),
        (form("in/k").without("signature"), (400, "InvalidArgument")),
        (form("in/k").without("key"), (400, "InvalidArgument")),
        (form("in/k").with("Key", "in/l"), (400, "InvalidArgument")),
        (form("in/k").with("acl", "public-read"), (400, "AccessControlListNotSupported")),
        (form("in/k").with("acl", "nonsense"), (400, "InvalidArgument")),
        (form("in/k").with("tagging", "nonsense"), (400, "MalformedXML")),
        (form("in/k").with("x-amz-storage-class", "GLACIER_X"), (400, "InvalidStorageClass")),
        (form("in/k").with("x-amz-checksum-sha256", "c2FpbG9yamVycnk="), (400, "BadDigest")),
        (form("in/k").with("x-amz-checksum-crc32", "AAAAAA=="), (400, "BadDigest")),
        (form("in/k").with("x-ignore-me", &"x".repeat(20 << 10)), (400, "MaxPostPreDataLengthExceededError")),
        (form(&long), (400, "KeyTooLongError")),
    ] {
        let fields = form.fields.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(post(&door, form).await.error(), expected, "{fields:?}");
    }
    let whole = form("in/k").body();
    let broken = whole[..whole.len() - 100].to_vec();
    assert_eq!(post_with(&door, &[], broken).await.error(), (400, "MalformedPOSTRequest"));
    assert_eq!(post_with(&door, &[], b"nonsense".to_vec()).await.error(), (400, "MalformedPOSTRequest"));
    let nobodys = form("in/k").without("policy").without("signature").without("AWSAccessKeyId");
    assert_eq!(post(&door, nobodys).await.error(), (403, "AccessDenied"));
    assert_eq!(door.done("GET /bucket", &[], "").await.element("Key"), None);
    // All of them were wrong by one thing only.
    assert_eq!(post(&door, form("in/k")).await.status, 201);
}

#[tokio::test]
async fn a_good_signature_does_not_open_a_bucket_or_key_its_user_may_not_write() {
    let door = door().await;
    assert_eq!(post(&door, Form::new(READER, "in/k")).await.error(), (403, "AccessDenied"));
    let other = http::Request::post("/other").header("content-type", "multipart/form-data; boundary=xyz");
    let other = other.body(Body::from(Form::new(MAIN, "in/k").body())).expect("a request");
    assert_eq!(door.send(other).await.error(), (403, "AccessDenied"), "the policy names another bucket");
    assert_eq!(door.done("GET /bucket", &[], "").await.element("Key"), None);
}

#[tokio::test]
async fn a_large_file_is_stored_as_it_is() {
    let door = door().await;
    // Every byte, and beginnings of the boundary all over.
    let file: Vec<u8> = (0..300).flat_map(|n: u32| [&b"\r\n--xy"[..], &n.to_be_bytes()].concat()).take(1000).collect();
    let sha256 = STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(&file));
    let form = Form::new(MAIN, "in/k").file(&file).with("x-amz-checksum-sha256", &sha256);
    let answer = post(&door, form).await;
    assert_eq!((answer.status, answer.header("x-amz-checksum-sha256")), (201, Some(sha256.as_str())), "{answer:?}");
    let head = door.done("HEAD /bucket/in/k", &[], "").await;
    assert_eq!(head.header("content-length"), Some("1000"));
}

#[tokio::test]
async fn a_post_to_a_bucket_that_is_no_form_and_a_form_that_is_signed_twice() {
    let door = door().await;
    let plain = door.ask(MAIN, "POST /bucket", &[("content-type", "text/plain")], "x").await;
    assert_eq!(plain.error(), (412, "PreconditionFailed"));
    let twice = door.ask(ALT, "POST /bucket", &[("content-type", "multipart/form-data; boundary=x")], "x").await;
    assert_eq!(twice.error(), (400, "InvalidArgument"));
    let boundless = http::Request::post("/bucket").header("content-type", "multipart/form-data");
    let boundless = door.send(boundless.body(Body::from("x")).expect("a request")).await;
    assert_eq!(boundless.error(), (400, "MalformedPOSTRequest"));
}

#[tokio::test]
async fn a_page_may_read_the_answer_to_its_form_where_cors_rules_say_so() {
    let door = door().await;
    let rule = "<AllowedOrigin>https://page.example</AllowedOrigin><AllowedMethod>POST</AllowedMethod>";
    let rules = format!("<CORSConfiguration><CORSRule>{rule}</CORSRule></CORSConfiguration>");
    door.done("PUT /bucket?cors", &[], &rules).await;
    let page = ("origin", "https://page.example");
    for (form, status) in [(Form::new(MAIN, "in/key"), 201), (Form::new(MAIN, "out/key"), 403)] {
        let answer = post_with(&door, &[page], form.body()).await;
        let origin = answer.header("access-control-allow-origin");
        assert_eq!((answer.status, origin), (status, Some("https://page.example")), "{answer:?}");
    }
}
