//! POST forms: the signature over the policy, and the policy over the form.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use door_s3::auth::{AuthError, FormFields, PolicyError, PostPolicy, Verifier};

use crate::kit::{ACCESS_KEY, NOW_S, REGION, SECRET, secret};

const BASE: &str = r#"["starts-with", "$key", "user/"], {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"}, {"x-amz-date": "20130524T000000Z"}"#;

fn with_bucket(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"expiration": "2013-05-24T01:00:00Z", "conditions": [{{"bucket": "b"}}, {BASE}{comma} {more}]}}"#)
}

fn pairs(policy: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let policy = STANDARD.encode(policy);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(NOW_S.unsigned_abs());
    let signature = calculate_signature(generate_signing_key(SECRET, time, REGION, "s3"), policy.as_bytes());
    let credential = format!("{ACCESS_KEY}/20130524/{REGION}/s3/aws4_request");
    let own = [
        ("key", "user/photo.jpg"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", "20130524T000000Z"),
        ("policy", &policy),
        ("x-amz-signature", &signature),
    ];
    own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn verify(fields: &FormFields) -> Result<PostPolicy, AuthError> {
    let verifier = Verifier::new(Some(REGION.to_owned()));
    let presented = verifier.present_post(fields)?.expect("a signature");
    assert_eq!(presented.access_key.as_str(), ACCESS_KEY);
    verifier.verify_post_policy(&presented, &secret())
}

/// What becomes of a form of 10 bytes for bucket `b` under this policy.
fn check(policy: &str, more: &[(&str, &str)]) -> Result<(), PolicyError> {
    let fields = FormFields::new(pairs(policy, more))?;
    match verify(&fields) {
        Ok(policy) => policy.check(&fields, "b", 10, NOW_S),
        Err(AuthError::Policy(error)) => Err(error),
        Err(error) => panic!("the signature is right: {error}"),
    }
}

#[test]
fn forms_that_the_policy_allows() {
    for (conditions, fields) in [
        ("", &[][..]),
        (r#"{"acl": "private"}"#, &[("acl", "private")]),
        (r#"["eq", "$acl", "private"]"#, &[("acl", "private")]),
        (r#"["StArTs-WiTh", "$AcL", "pri"]"#, &[("aCl", "private")]),
        (r#"["starts-with", "$x-amz-meta-tag", ""]"#, &[("x-amz-meta-tag", "anything")]),
        (r#"["content-length-range", 10, 10]"#, &[]),
        (r#"["content-length-range", "0", "1024"]"#, &[]),
        (r#"["starts-with", "$Content-Type", "image/"]"#, &[("Content-Type", "image/png, image/jpeg")]),
        ("", &[("x-ignore-me", "anything")]),
    ] {
        assert_eq!(check(&with_bucket(conditions), fields), Ok(()), "{conditions}");
    }
}

#[test]
fn forms_that_the_policy_does_not_allow() {
    for (conditions, fields, code) in [
        (r#"{"acl": "private"}"#, &[("acl", "public-read")][..], "AccessDenied"),
        (r#"{"acl": "private"}"#, &[("acl", "Private")], "AccessDenied"),
        (r#"{"acl": "private"}"#, &[], "AccessDenied"),
        (r#"["starts-with", "$x-amz-meta-foo", "bar"]"#, &[("x-amz-meta-foo", "foobar")], "AccessDenied"),
        (r#"["starts-with", "$Content-Type", "image/"]"#, &[("Content-Type", "image/png,text/html")], "AccessDenied"),
        (r#"["eq", "$key", "user/other"]"#, &[], "AccessDenied"),
        ("", &[("acl", "private")], "AccessDenied"),
        ("", &[("x-amz-meta-extra", "1")], "AccessDenied"),
        (r#"["content-length-range", 0, 9]"#, &[], "EntityTooLarge"),
        (r#"["content-length-range", 11, 20]"#, &[], "EntityTooSmall"),
        ("", &[("Key", "user/other")], "InvalidArgument"),
    ] {
        let error = check(&with_bucket(conditions), fields).expect_err(conditions);
        assert_eq!(error.code().0, code, "{conditions}");
    }
}

#[test]
fn a_policy_must_name_the_bucket() {
    let nameless = with_bucket("").replace(r#"{"bucket": "b"},"#, "");
    assert_eq!(check(&nameless, &[]), Err(PolicyError::ExtraField { field: "bucket".to_owned() }));
    let other = with_bucket("").replace(r#""b""#, r#""c""#);
    assert!(matches!(check(&other, &[]), Err(PolicyError::ConditionFailed { .. })));
    // A field of that name says nothing: the bucket is the one in the URL.
    assert!(matches!(check(&other, &[("bucket", "c")]), Err(PolicyError::ConditionFailed { .. })));
}

#[test]
fn a_policy_ends() {
    let fields = FormFields::new(pairs(&with_bucket(""), &[])).expect("fields");
    let policy = verify(&fields).expect("a valid signature");
    assert_eq!(policy.check(&fields, "b", 10, NOW_S + 3600), Ok(()));
    assert_eq!(policy.check(&fields, "b", 10, NOW_S + 3601), Err(PolicyError::Expired));
}

#[test]
fn the_narrowest_range_counts() {
    let ranges = r#"["content-length-range", 1, 100], ["content-length-range", 5, 500]"#;
    let policy =
        verify(&FormFields::new(pairs(&with_bucket(ranges), &[])).expect("fields")).expect("a valid signature");
    assert_eq!(policy.length_range(), (5, 100));
}

#[test]
fn texts_that_are_no_policy() {
    let good = with_bucket("");
    for bad in [
        "",
        "[]",
        "nonsense",
        &good.replace("expiration", "Expiration"),
        &good.replace("conditions", "CONDITIONS"),
        &good.replace("2013-05-24T01:00:00Z", "2013-05-24 01:00:00+00:00"),
        &good.replace("2013-05-24T01:00:00Z", "tomorrow"),
        &good.replace("\"2013-05-24T01:00:00Z\"", "1"),
        &with_bucket("{}"),
        &with_bucket("[]"),
        &with_bucket("1"),
        &with_bucket(r#"["eq", "acl", "private"]"#),
        &with_bucket(r#"["ends-with", "$acl", "private"]"#),
        &with_bucket(r#"["content-length-range", 0]"#),
        &with_bucket(r#"["content-length-range", -1, 0]"#),
        &with_bucket(r#"["content-length-range", "a", 0]"#),
        r#"{"expiration": "2013-05-24T01:00:00Z"}"#,
    ] {
        let error = check(bad, &[]).expect_err(bad);
        assert_eq!((error.code().0, error.code().1), ("InvalidPolicyDocument", 400), "{bad}");
    }
}

#[test]
fn a_changed_form_is_refused() {
    let other = STANDARD.encode(with_bucket(r#"{"acl": "private"}"#));
    for (name, value, code) in [
        ("policy", Some(other.as_str()), "SignatureDoesNotMatch"),
        ("x-amz-signature", Some("00"), "SignatureDoesNotMatch"),
        ("x-amz-date", Some("20130524T000001"), "InvalidArgument"),
        ("x-amz-date", Some("20130525T000000Z"), "InvalidArgument"),
        (
            "x-amz-credential",
            Some("AKIAIOSFODNN7EXAMPLE/20130524/eu-west-1/s3/aws4_request"),
            "AuthorizationHeaderMalformed",
        ),
        ("x-amz-credential", Some("AKIAIOSFODNN7EXAMPLE"), "InvalidArgument"),
        ("x-amz-algorithm", Some("AWS4-HMAC-SHA1"), "InvalidRequest"),
        ("policy", None, "InvalidArgument"),
        ("x-amz-signature", None, "InvalidArgument"),
        ("x-amz-credential", None, "InvalidArgument"),
        ("x-amz-date", None, "InvalidArgument"),
        ("x-amz-algorithm", None, "InvalidArgument"),
    ] {
        let mut pairs = pairs(&with_bucket(""), &[]);
        pairs.retain(|(other, _)| other != name);
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        let error = verify(&FormFields::new(pairs).expect("fields")).expect_err(name);
        assert_eq!(error.code().0, code, "{name}: {value:?}");
    }
}

#[test]
fn forms_without_a_signature_and_with_an_old_one() {
    let fields = |list: &[(&str, &str)]| {
        let pairs = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        FormFields::new(pairs).expect("fields")
    };
    let verifier = Verifier::new(None);
    assert_eq!(verifier.present_post(&fields(&[("key", "k"), ("acl", "private")])), Ok(None));
    let old = fields(&[("key", "k"), ("AWSAccessKeyId", "AKID"), ("policy", "e30="), ("signature", "c2ln")]);
    assert_eq!(verifier.present_post(&old), Err(AuthError::UnsupportedMechanism));
    let token = pairs(&with_bucket(""), &[("x-amz-security-token", "t")]);
    assert_eq!(verifier.present_post(&FormFields::new(token).expect("fields")), Err(AuthError::InvalidToken));
}
