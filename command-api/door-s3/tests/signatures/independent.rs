//! Whatever the AWS SDK signs, in a header or a query, is accepted.

use aws_sigv4::http_request::SignableBody;
use door_s3::auth::{PayloadForm, decode_path, decode_query};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use crate::kit::{EMPTY_SHA256, signed, verify};
use crate::published::sha256_bytes;

const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

fn path(key: &str) -> String {
    format!("/bucket/{}", utf8_percent_encode(key, IN_PATHS))
}

#[test]
fn odd_keys_are_accepted_in_both_forms() {
    for key in [
        "a",
        "a b",
        "a+b",
        "a%b",
        "a%20b",
        "a%2Fb",
        "~user/-_.",
        "a//b",
        "/",
        "./../x/./y/..",
        "ключ/鍵/🔑",
        "\u{1}\u{7f}\t\n",
        "!*'();:@&=$,?#[]",
        "{}|\\^`<>\"",
        "a/",
    ] {
        let uri = path(key);
        let parts = signed("GET", &uri, &[], SignableBody::Bytes(b""), None);
        verify(&parts).expect(key);
        assert_eq!(decode_path(parts.uri.path()), format!("/bucket/{key}").as_bytes());
        verify(&signed("GET", &uri, &[], SignableBody::UnsignedPayload, Some(60))).expect(key);
    }
}

#[test]
fn payload_forms_are_read() {
    for (body, form) in [
        (SignableBody::Bytes(b""), PayloadForm::SignedSha256(sha256_bytes(EMPTY_SHA256))),
        (SignableBody::UnsignedPayload, PayloadForm::Unsigned),
        (SignableBody::StreamingUnsignedPayloadTrailer, PayloadForm::StreamingUnsignedTrailer),
        (SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_owned()), PayloadForm::StreamingSigned),
        (
            SignableBody::Precomputed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER".to_owned()),
            PayloadForm::StreamingSignedTrailer,
        ),
    ] {
        let verified = verify(&signed("PUT", "/bucket/key", &[], body, None)).expect("a valid signature");
        assert_eq!(verified.payload, form);
        assert_eq!(verified.chunks.is_some(), form.has_signed_chunks());
    }
}

#[test]
fn a_presigned_url_honours_a_signed_payload_hash() {
    let sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    let in_header = signed(
        "PUT",
        "/bucket/key",
        &[("x-amz-content-sha256", sha256)],
        SignableBody::Precomputed(sha256.to_owned()),
        Some(60),
    );
    let uri = format!("/bucket/key?X-Amz-Content-Sha256={sha256}");
    let in_query = signed("PUT", &uri, &[], SignableBody::Precomputed(sha256.to_owned()), Some(60));
    for parts in [in_header, in_query] {
        let verified = verify(&parts).expect("a valid signature");
        assert_eq!(verified.payload, PayloadForm::SignedSha256(sha256_bytes(sha256)));
    }
}

#[test]
fn header_values_are_trimmed_and_collapsed() {
    let headers = [
        ("x-amz-meta-spaces", "  a   b  c "),
        ("x-amz-meta-empty", ""),
        ("x-amz-meta-text", "\"a   b\", c"),
        ("content-type", "text/plain"),
    ];
    verify(&signed("PUT", "/bucket/key", &headers, SignableBody::Bytes(b"x"), None)).expect("a valid signature");
}

fn header_value() -> impl Strategy<Value = String> {
    "[!-~ ]{0,20}".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_request_is_accepted(
        method in prop::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD"]),
        key in "\\PC{0,30}",
        query in prop::collection::vec(("[a-zA-Z][a-zA-Z0-9-]{0,8}", "\\PC{0,12}"), 0..5),
        plus: bool,
        metadata in prop::collection::btree_map("x-amz-meta-[a-z]{1,8}", header_value(), 0..4),
        body: Vec<u8>,
        presigned: bool,
    ) {
        let mut uri = path(&key);
        for (index, (name, value)) in query.iter().enumerate() {
            let mut value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            if plus {
                value = value.replace("%20", "+");
            }
            uri.push_str(&format!("{}{name}={value}", if index == 0 { '?' } else { '&' }));
        }
        let headers: Vec<(&str, &str)> = metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let parts = if presigned {
            signed(method, &uri, &headers, SignableBody::UnsignedPayload, Some(3600))
        } else {
            signed(method, &uri, &headers, SignableBody::Bytes(&body), None)
        };
        prop_assert!(verify(&parts).is_ok(), "{parts:?}: {:?}", verify(&parts));
        let read: Vec<_> = decode_query(parts.uri.query().unwrap_or("")).take(query.len()).collect();
        let meant: Vec<_> = query.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect();
        prop_assert_eq!(read, meant);
    }

    #[test]
    fn no_request_makes_the_reader_panic(
        authorization in "\\PC{0,80}",
        credential in "[A-Z0-9/a-z_-]{0,40}",
        query in "[ -~]{0,60}",
    ) {
        for text in [authorization, format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=")] {
            let Ok(request) = http::Request::builder()
                .uri(format!("/?X-Amz-Credential={credential}&{}", query.replace(' ', "")))
                .header("authorization", text)
                .body(())
            else {
                continue;
            };
            let _ = door_s3::auth::Verifier::new(None).present(&request.into_parts().0, 0);
        }
    }
}
