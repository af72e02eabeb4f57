//! Whatever is changed behind the signer's back is refused, and so is what was never signed properly.

use aws_sigv4::http_request::SignableBody;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use door_s3::auth::{AuthError, Presentation, Verifier, anonymous_payload};
use http::request::Parts;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::kit::{
    ACCESS_KEY, EMPTY_SHA256, NOW_S, REGION, SECRET, present, request, secret, signed, verify, verify_at,
};

const URI: &str = "/bucket/key?partNumber=1&uploadId=ab";
const HEADERS: [(&str, &str); 2] = [("x-amz-meta-color", "red"), ("content-type", "text/plain")];

fn in_header() -> Parts {
    signed("PUT", URI, &HEADERS, SignableBody::Bytes(b"body"), None)
}

fn in_query() -> Parts {
    signed("PUT", URI, &HEADERS, SignableBody::UnsignedPayload, Some(3600))
}

fn is_mismatch(parts: &Parts) -> bool {
    matches!(verify(parts), Err(AuthError::SignatureDoesNotMatch(_)))
}

fn set_uri(parts: &mut Parts, from: &str, to: &str) {
    let uri = parts.uri.to_string();
    assert!(uri.contains(from), "{uri}");
    parts.uri = uri.replacen(from, to, 1).parse().expect("a uri");
}

#[test]
fn a_changed_request_is_refused() {
    type Change = fn(&mut Parts);
    let changes: [(&str, Change); 15] = [
        ("method", |parts| parts.method = http::Method::GET),
        ("bucket", |parts| set_uri(parts, "/bucket/", "/backet/")),
        ("key", |parts| set_uri(parts, "/key?", "/kez?")),
        ("slash", |parts| set_uri(parts, "/bucket/key", "/bucket//key")),
        ("encoded slash is a slash, an encoded percent is not", |parts| set_uri(parts, "/key?", "/%256bey?")),
        ("parameter's value", |parts| set_uri(parts, "partNumber=1", "partNumber=2")),
        ("parameter's name", |parts| set_uri(parts, "partNumber", "PartNumber")),
        ("parameter left out", |parts| set_uri(parts, "partNumber=1&", "")),
        ("parameter added", |parts| set_uri(parts, "partNumber=1", "partNumber=1&acl")),
        ("parameter twice", |parts| set_uri(parts, "partNumber=1", "partNumber=1&partNumber=1")),
        ("value moved", |parts| set_uri(parts, "partNumber=1&uploadId=ab", "partNumber=1%26uploadId=ab")),
        ("host", |parts| drop(parts.headers.insert("host", "other.test".parse().expect("a value")))),
        ("metadata", |parts| drop(parts.headers.insert("x-amz-meta-color", "blue".parse().expect("a value")))),
        ("metadata left out", |parts| drop(parts.headers.remove("x-amz-meta-color"))),
        ("metadata twice", |parts| assert!(parts.headers.append("x-amz-meta-color", "red".parse().expect("a value")))),
    ];
    for (what, change) in changes {
        for signed in [in_header(), in_query()] {
            verify(&signed).expect("a valid signature");
            let mut changed = signed;
            change(&mut changed);
            assert!(is_mismatch(&changed), "{what}: {:?}", verify(&changed));
        }
    }
}

#[test]
fn a_changed_content_type_body_hash_or_date_is_refused() {
    for (name, value) in [
        ("content-type", "text/html"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20130524T000001Z"),
    ] {
        let mut parts = in_header();
        parts.headers.insert(name, value.parse().expect("a value"));
        assert!(is_mismatch(&parts), "{name}");
    }
    for (from, to) in [
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130524T000001Z"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=3601"),
        ("us-east-1", "us-east-2"),
        ("content-type%3Bhost", "host"),
        ("X-Amz-Algorithm", "x-ignored=1&X-Amz-Algorithm"),
    ] {
        let mut parts = in_query();
        set_uri(&mut parts, from, to);
        assert!(is_mismatch(&parts), "{from}");
    }
}

#[test]
fn every_changed_digit_of_a_signature_is_refused() {
    let parts = in_header();
    let text = parts.headers["authorization"].to_str().expect("text").to_owned();
    let (head, signature) = text.split_at(text.len() - 64);
    for index in 0..64 {
        let mut digits = signature.as_bytes().to_vec();
        digits[index] = if digits[index] == b'0' { b'1' } else { b'0' };
        let mut changed = in_header();
        let value = format!("{head}{}", String::from_utf8(digits).expect("text"));
        changed.headers.insert("authorization", value.parse().expect("a value"));
        assert!(is_mismatch(&changed), "digit {index}");
    }
    for wrong in ["", "00", &format!("{signature}00")] {
        let mut changed = in_header();
        changed.headers.insert("authorization", format!("{head}{wrong}").parse().expect("a value"));
        assert!(is_mismatch(&changed), "{wrong}");
    }
}

#[test]
fn another_secret_is_refused_even_after_the_right_one_was_used() {
    let verifier = Verifier::new(None);
    let parts = in_header();
    let presented = present(&parts, NOW_S).expect("a signature");
    let other = SecretString::from("other".to_owned());
    assert!(verifier.verify(&parts, &presented, &secret(), None).is_ok());
    assert!(verifier.verify(&parts, &presented, &other, None).is_err());
    assert!(verifier.verify(&parts, &presented, &secret(), None).is_ok());
}

#[test]
fn headers_that_change_what_is_done_must_be_signed() {
    for name in ["x-amz-copy-source", "x-amz-acl", "x-holdfast-as-of", "x-lockwell-anything", "X-AMZ-Meta-x"] {
        for mut parts in [in_header(), in_query()] {
            parts.headers.insert(http::HeaderName::try_from(name).expect("a name"), "/b/k".parse().expect("a value"));
            let error = verify(&parts).expect_err(name);
            assert_eq!(error, AuthError::HeadersNotSigned { names: vec![name.to_ascii_lowercase()] });
            assert_eq!(error.code().0, "AccessDenied");
            assert_eq!(error.fields(), [("HeadersNotSigned", name.to_ascii_lowercase())]);
        }
    }
    for name in ["content-md5", "content-language", "range", "x-amzn-trace-id", "x-forwarded-for"] {
        for mut parts in [in_header(), in_query()] {
            parts.headers.insert(name, "x".parse().expect("a value"));
            verify(&parts).expect(name);
        }
    }
}

#[test]
fn the_host_must_be_signed() {
    let parts = by_hand(
        "GET\n/\n\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n\n\
                         x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD",
        &[("host", "h"), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", "20130524T000000Z")],
    );
    assert_eq!(verify(&parts).expect_err("no host"), AuthError::HeadersNotSigned { names: vec!["host".to_owned()] });
}

/// A request for `/` whose canonical form is given, signed with the SDK's primitives.
fn by_hand(canonical: &str, headers: &[(&str, &str)]) -> Parts {
    let signed_headers = canonical.lines().rev().nth(1).expect("signed headers");
    let digest = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/{REGION}/s3/aws4_request\n{digest}");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW_S.unsigned_abs());
    let signature = calculate_signature(generate_signing_key(SECRET, time, REGION, "s3"), text.as_bytes());
    let authorization = format!(
        "AWS4-HMAC-SHA256   Credential={ACCESS_KEY}/20130524/{REGION}/s3/aws4_request,SignedHeaders={signed_headers},  \
         Signature={signature}"
    );
    let mut parts = request("GET", "/", headers);
    parts.headers.insert("authorization", authorization.parse().expect("a value"));
    parts
}

#[test]
fn date_serves_where_x_amz_date_is_missing() {
    for date in ["Fri, 24 May 2013 00:00:00 GMT", "20130524T000000Z"] {
        let canonical = format!(
            "GET\n/\n\ndate:{date}\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n\ndate;host;x-amz-content-sha256\n\
             UNSIGNED-PAYLOAD"
        );
        let headers = [("host", "h"), ("date", date), ("x-amz-content-sha256", "UNSIGNED-PAYLOAD")];
        verify(&by_hand(&canonical, &headers)).expect(date);
    }
}

#[test]
fn a_header_given_twice_is_signed_as_one() {
    let canonical = "GET\n/\n\nhost:h\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\nx-amz-meta-a:one,two  2\n\n\
                     host;x-amz-content-sha256;x-amz-date;x-amz-meta-a\nUNSIGNED-PAYLOAD";
    let headers = [
        ("x-amz-meta-a", " one "),
        ("host", "h"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-meta-a", "two  2"),
    ];
    // Inner spaces count once, and the order of the values counts.
    assert!(verify(&by_hand(canonical, &headers)).is_err());
    verify(&by_hand(&canonical.replace("  ", " "), &headers)).expect("a valid signature");
    assert!(verify(&by_hand(&canonical.replace("one,two  2", "two 2,one"), &headers)).is_err());
}

#[test]
fn an_authority_serves_where_host_is_missing() {
    let headers = [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", "20130524T000000Z")];
    let mut parts = by_hand(
        "GET\n/\n\nhost:h:9000\nx-amz-content-sha256:UNSIGNED-PAYLOAD\nx-amz-date:20130524T000000Z\n\n\
                             host;x-amz-content-sha256;x-amz-date\nUNSIGNED-PAYLOAD",
        &headers,
    );
    parts.uri = "http://h:9000/".parse().expect("a uri");
    verify(&parts).expect("a valid signature");
}

#[test]
fn the_public_host_serves_only_when_it_is_asked_for() {
    let mut parts = in_header();
    parts.headers.insert("host", "10.0.0.1:9000".parse().expect("a value"));
    let presented = present(&parts, NOW_S).expect("a signature");
    let verifier = Verifier::new(None);
    let verify = |host| verifier.verify(&parts, &presented, &secret(), host);
    assert!(verify(None).is_err());
    assert!(verify(Some("elsewhere.test")).is_err());
    assert!(verify(Some("holdfast.test:9000")).is_ok());
}

#[test]
fn a_request_is_good_for_fifteen_minutes_either_way() {
    for seconds in [-900, 0, 900] {
        verify_at(&in_header(), NOW_S + seconds).expect("in time");
    }
    for seconds in [-901, 901, i64::MIN - NOW_S.wrapping_neg(), i64::MAX - NOW_S] {
        let error = verify_at(&in_header(), NOW_S.saturating_add(seconds)).expect_err("out of time");
        assert_eq!((error.code().0, error.code().1), ("RequestTimeTooSkewed", 403), "{seconds}");
        assert_eq!(error.fields()[0], ("RequestTime", "20130524T000000Z".to_owned()));
    }
}

#[test]
fn a_presigned_url_is_good_from_its_date_until_it_expires() {
    for seconds in [-900, 0, 3600] {
        verify_at(&in_query(), NOW_S + seconds).expect("in time");
    }
    let error = verify_at(&in_query(), NOW_S + 3601).expect_err("too late");
    assert_eq!(error.code(), ("AccessDenied", 403, "Request has expired".to_owned()));
    assert_eq!(
        error.fields(),
        [
            ("X-Amz-Expires", "3600".to_owned()),
            ("Expires", "2013-05-24T01:00:00Z".to_owned()),
            ("ServerTime", "2013-05-24T01:00:01Z".to_owned()),
        ]
    );
    let error = verify_at(&in_query(), NOW_S - 901).expect_err("too early");
    assert_eq!(error.code(), ("AccessDenied", 403, "Request is not yet valid".to_owned()));
}

#[test]
fn a_presigned_url_lives_one_second_to_seven_days() {
    for good in [1, 604_800] {
        verify(&signed("GET", "/b/k", &[], SignableBody::UnsignedPayload, Some(good))).expect("a valid life");
    }
    for bad in ["0", "604801", "-7", "99999999999"] {
        let mut parts = in_query();
        set_uri(&mut parts, "X-Amz-Expires=3600", &format!("X-Amz-Expires={bad}"));
        let (code, status, _) = verify(&parts).expect_err(bad).code();
        assert_eq!((code, status), ("AuthorizationQueryParametersError", 403), "{bad}");
    }
}

#[test]
fn any_region_serves_unless_one_is_configured() {
    let parts = in_header();
    for region in [None, Some(REGION.to_owned())] {
        assert!(matches!(Verifier::new(region).present(&parts, NOW_S), Ok(Presentation::Signed(_))));
    }
    for parts in [in_header(), in_query()] {
        let error = Verifier::new(Some("eu-west-1".to_owned())).present(&parts, NOW_S).expect_err("another region");
        assert_eq!((error.code().0, error.code().1), ("AuthorizationHeaderMalformed", 400));
        assert!(error.code().2.contains("the region 'us-east-1' is wrong; expecting 'eu-west-1'"));
        assert_eq!(error.fields(), [("Region", "eu-west-1".to_owned())]);
    }
}

#[test]
fn a_mismatch_shows_what_was_compared() {
    let uri = "/test.txt";
    let signature = "00".repeat(32);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature={signature}"
    );
    let headers = [
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-content-sha256", EMPTY_SHA256),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", &authorization),
    ];
    let error = verify(&request("GET", uri, &headers)).expect_err("a wrong signature");
    assert_eq!((error.code().0, error.code().1), ("SignatureDoesNotMatch", 403));
    let canonical = format!(
        "GET\n/test.txt\n\nhost:examplebucket.s3.amazonaws.com\nrange:bytes=0-9\nx-amz-content-sha256:{EMPTY_SHA256}\n\
         x-amz-date:20130524T000000Z\n\nhost;range;x-amz-content-sha256;x-amz-date\n{EMPTY_SHA256}"
    );
    let to_sign = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                   7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
    let fields: std::collections::BTreeMap<_, _> = error.fields().into_iter().collect();
    assert_eq!(fields["AWSAccessKeyId"], ACCESS_KEY);
    assert_eq!(fields["StringToSign"], to_sign);
    assert_eq!(fields["CanonicalRequest"], canonical);
    assert_eq!(fields["SignatureProvided"], signature);
    assert!(fields["StringToSignBytes"].starts_with("41 57 53 34 2d"));
    assert!(fields["CanonicalRequestBytes"].starts_with("47 45 54 0a 2f"));
    let logged = format!("{error:?} {error}");
    assert!(!logged.contains("test.txt") && !logged.contains(&signature), "{logged}");
}

/// `GET /` with this Authorization header and all else in order.
fn with_authorization(authorization: &str) -> Result<Presentation, AuthError> {
    let headers = [
        ("host", "h"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-date", "20130524T000000Z"),
        ("authorization", authorization),
    ];
    Verifier::new(None).present(&request("GET", "/", &headers), NOW_S)
}

#[test]
fn authorization_headers_that_are_not_ours() {
    let scope = "20130524/us-east-1/s3/aws4_request";
    let rest = "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=00";
    let credential = |text: &str| format!("AWS4-HMAC-SHA256 Credential={text}, {rest}");
    assert!(matches!(with_authorization(&credential(&format!("AKID/{scope}"))), Ok(Presentation::Signed(_))));
    for (authorization, code) in [
        ("AWS4-ECDSA-P256-SHA256 Credential=a".to_owned(), "InvalidRequest"),
        ("AWS HAHAHA".to_owned(), "InvalidArgument"),
        ("Bearer token".to_owned(), "InvalidArgument"),
        ("AWS4-HMAC-SHA256".to_owned(), "AuthorizationHeaderMalformed"),
        ("AWS4-HMAC-SHA256 x".to_owned(), "AuthorizationHeaderMalformed"),
        (format!("AWS4-HMAC-SHA256 {rest}"), "AuthorizationHeaderMalformed"),
        (format!("AWS4-HMAC-SHA256 Credential=AKID/{scope}, SignedHeaders=host"), "AuthorizationHeaderMalformed"),
        (format!("AWS4-HMAC-SHA256 Credential=AKID/{scope}, Signature=00"), "AuthorizationHeaderMalformed"),
        (credential(&format!("AKID/{scope}, Credential=AKID/{scope}")), "AuthorizationHeaderMalformed"),
        (credential(&format!("AKID/{scope}, Other=1")), "AuthorizationHeaderMalformed"),
        (credential("AKID"), "AuthorizationHeaderMalformed"),
        (credential("AKID/20130524/us-east-1/s3/aws4"), "AuthorizationHeaderMalformed"),
        (credential("AKID/20130524/us-east-1/ec2/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("AKID/20130524//s3/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("AKID/2013052/us-east-1/s3/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential("AKID/20130525/us-east-1/s3/aws4_request"), "AuthorizationHeaderMalformed"),
        (credential(&format!("A K/{scope}")), "InvalidAccessKeyId"),
        (credential(&format!("/{scope}")), "InvalidAccessKeyId"),
    ] {
        let error = with_authorization(&authorization).expect_err(&authorization);
        assert_eq!(error.code().0, code, "{authorization}");
        assert!(!error.fields().iter().any(|(_, value)| value.contains("token")), "a token is not repeated");
    }
}

#[test]
fn header_requests_need_a_date_and_a_payload_hash() {
    for (name, value, code, status) in [
        ("x-amz-date", None, "AccessDenied", 403),
        ("x-amz-date", Some("Bad Date"), "AccessDenied", 403),
        ("x-amz-date", Some(""), "AccessDenied", 403),
        ("x-amz-content-sha256", None, "InvalidRequest", 400),
        ("x-amz-content-sha256", Some("abc"), "InvalidArgument", 400),
        ("x-amz-content-sha256", Some("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"), "InvalidArgument", 400),
        ("x-amz-security-token", Some("token"), "InvalidToken", 400),
    ] {
        let mut parts = in_header();
        match value {
            Some(value) => drop(parts.headers.insert(name, value.parse().expect("a value"))),
            None => drop(parts.headers.remove(name)),
        }
        let error = verify(&parts).expect_err(name);
        assert_eq!((error.code().0, error.code().1), (code, status), "{name}: {value:?}");
    }
}

#[test]
fn queries_that_are_not_ours() {
    for (from, to, code) in [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=AWS4-HMAC-SHA1", "AuthorizationQueryParametersError"),
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&", "", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524T000000Z&", "", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=yesterday", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=20130524T000000Z", "X-Amz-Date=20130525T000000Z", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=soon", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=3600&", "", "AuthorizationQueryParametersError"),
        ("X-Amz-SignedHeaders=", "X-Amz-Signed=", "AuthorizationQueryParametersError"),
        ("X-Amz-Signature=", "X-Amz-Signature=00&X-Amz-Signature=", "AuthorizationQueryParametersError"),
        ("X-Amz-Signature=", "X-Amz-%53ignature=00&X-Amz-Signature=", "AuthorizationQueryParametersError"),
        ("X-Amz-Expires=3600", "X-Amz-Expires=3600&X-Amz-Expires=1", "AuthorizationQueryParametersError"),
        ("%2Fs3%2F", "%2Fec2%2F", "AuthorizationQueryParametersError"),
        ("X-Amz-Date", "X-Amz-Security-Token=t&X-Amz-Date", "InvalidToken"),
        ("X-Amz-Date", "AWSAccessKeyId=AKID&Expires=1&Signature=b&X-Amz-Date", "InvalidArgument"),
    ] {
        let mut parts = in_query();
        set_uri(&mut parts, from, to);
        assert_eq!(verify(&parts).expect_err(to).code().0, code, "{to}");
    }
}

#[test]
fn a_request_has_one_signature() {
    let mut both = in_query();
    both.headers.insert("authorization", in_header().headers["authorization"].clone());
    let mut twice = in_header();
    twice.headers.append("authorization", in_header().headers["authorization"].clone());
    for parts in [both, twice] {
        assert_eq!(verify(&parts).expect_err("two signatures"), AuthError::SeveralMechanisms);
    }
}

#[test]
fn without_a_signature_a_request_is_anonymous_and_has_no_signed_chunks() {
    for headers in [&[("host", "h")][..], &[("host", "h"), ("authorization", "")], &[("authorization", "  ")]] {
        let parts = request("GET", "/b/k?Signature=1&Expires=2", headers);
        assert_eq!(Verifier::new(None).present(&parts, NOW_S), Ok(Presentation::Anonymous));
    }
    let payload = |text| anonymous_payload(&request("PUT", "/b/k", &[("x-amz-content-sha256", text)]).headers);
    assert!(payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER").is_ok());
    assert!(payload(EMPTY_SHA256).is_ok());
    assert!(payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD").is_err());
    assert!(payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER").is_err());
}
