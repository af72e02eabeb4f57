//! The examples in AWS's documentation of Signature Version 4 for S3.

use door_s3::auth::{FormFields, PayloadForm, Verifier};

use crate::kit::{ACCESS_KEY, EMPTY_SHA256, NOW_S, request, secret, verify, verify_at};

const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20130524T000000Z");

fn authorization(signed_headers: &str, signature: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed_headers},Signature={signature}"
    )
}

#[test]
fn get_object_with_a_range() {
    let authorization = authorization(
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    );
    let headers =
        [HOST, DATE, ("range", "bytes=0-9"), ("x-amz-content-sha256", EMPTY_SHA256), ("authorization", &authorization)];
    verify(&request("GET", "/test.txt", &headers)).expect("a valid signature");
}

#[test]
fn put_object() {
    let sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let authorization = authorization(
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    );
    let headers = [
        HOST,
        DATE,
        ("date", "Fri, 24 May 2013 00:00:00 GMT"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("x-amz-content-sha256", sha256),
        ("authorization", &authorization),
    ];
    for path in ["/test$file.text", "/test%24file.text"] {
        let verified = verify(&request("PUT", path, &headers)).expect("a valid signature");
        assert_eq!(verified.payload, PayloadForm::SignedSha256(sha256_bytes(sha256)));
    }
}

#[test]
fn get_bucket_lifecycle_and_list_objects() {
    for (uri, signature) in [
        ("/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ("/?prefix=J&max-keys=2", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ] {
        let authorization = authorization("host;x-amz-content-sha256;x-amz-date", signature);
        let headers = [HOST, DATE, ("x-amz-content-sha256", EMPTY_SHA256), ("authorization", &authorization)];
        verify(&request("GET", uri, &headers)).expect(uri);
    }
}

#[test]
fn a_presigned_get() {
    let uri = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F\
               aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=\
               aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let parts = request("GET", uri, &[HOST]);
    for now_s in [NOW_S - 900, NOW_S, NOW_S + 86_400] {
        let verified = verify_at(&parts, now_s).expect("a valid signature");
        assert_eq!(verified.payload, PayloadForm::Unsigned);
    }
}

#[test]
fn a_post_form() {
    let policy = [
        r#"{ "expiration": "2015-12-30T12:00:00.000Z","#,
        r#"  "conditions": ["#,
        r#"    {"bucket": "sigv4examplebucket"},"#,
        r#"    ["starts-with", "$key", "user/user1/"],"#,
        r#"    {"acl": "public-read"},"#,
        r#"    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},"#,
        r#"    ["starts-with", "$Content-Type", "image/"],"#,
        r#"    {"x-amz-meta-uuid": "14365123651274"},"#,
        r#"    {"x-amz-server-side-encryption": "AES256"},"#,
        r#"    ["starts-with", "$x-amz-meta-tag", ""],"#,
        "",
        r#"    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},"#,
        r#"    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},"#,
        r#"    {"x-amz-date": "20151229T000000Z" }"#,
        "  ]",
        "}",
    ]
    .join("\r\n");
    let policy = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, policy);
    let fields = [
        ("key", "user/user1/photo.jpg"),
        ("acl", "public-read"),
        ("success_action_redirect", "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"),
        ("Content-Type", "image/jpeg"),
        ("x-amz-meta-uuid", "14365123651274"),
        ("x-amz-server-side-encryption", "AES256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Date", "20151229T000000Z"),
        ("x-amz-meta-tag", ""),
        ("Policy", &policy),
        ("X-Amz-Signature", "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let fields = FormFields::new(fields.to_vec()).expect("fields");
    let verifier = Verifier::new(None);
    let presented = verifier.present_post(&fields).expect("a readable signature").expect("a signature");
    let policy = verifier.verify_post_policy(&presented, &secret()).expect("a valid signature");
    policy.check(&fields, "sigv4examplebucket", 1_451_430_000).expect("allowed");
}

pub(crate) fn sha256_bytes(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).expect("hex digits");
    bytes
}
