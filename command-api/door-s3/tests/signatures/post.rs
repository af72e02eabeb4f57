//! POST forms: the signature over the policy, and the policy over the form.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use door_s3::auth::{AuthError, FormFields, LengthRange, PolicyError, PostPolicy, Verifier};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

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
        Ok(policy) => policy.length_range().check_whole(10).and_then(|()| policy.check(&fields, "b", NOW_S)),
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
        (r#"["starts-with", "$x-amz-meta-tag", ""]"#, &[]),
        (r#"["starts-with", "$Content-Type", ""]"#, &[]),
        (r#"["content-length-range", 10, 10]"#, &[]),
        (r#"["content-length-range", "0", "1024"]"#, &[]),
        (r#"["starts-with", "$Content-Type", "image/"]"#, &[("Content-Type", "image/png, image/jpeg")]),
        ("", &[("x-ignore-me", "anything")]),
        // Ceph's suite sends it so; a checksum says nothing but what the file is.
        ("", &[("x-amz-checksum-sha256", "anything")]),
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
        (r#"["starts-with", "$x-amz-meta-foo", "bar"]"#, &[], "AccessDenied"),
        (r#"["starts-with", "$Content-Type", "image/"]"#, &[("Content-Type", "image/png,text/html")], "AccessDenied"),
        (r#"["starts-with", "$Content-Type", "image/"]"#, &[], "AccessDenied"),
        (r#"["eq", "$key", "user/other"]"#, &[], "AccessDenied"),
        ("", &[("acl", "private")], "AccessDenied"),
        ("", &[("x-amz-meta-extra", "1")], "AccessDenied"),
        ("", &[("x-amz-checksum-other", "1")], "AccessDenied"),
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
    assert_eq!(policy.check(&fields, "b", NOW_S + 3600), Ok(()));
    assert_eq!(policy.check(&fields, "b", NOW_S + 3601), Err(PolicyError::Expired));
}

#[test]
fn the_narrowest_range_counts() {
    let ranges = r#"["content-length-range", 1, 100], ["content-length-range", 5, 500]"#;
    let policy =
        verify(&FormFields::new(pairs(&with_bucket(ranges), &[])).expect("fields")).expect("a valid signature");
    let range = policy.length_range();
    assert_eq!(range, LengthRange { least: 5, most: 100 });
    let too_large = Err(PolicyError::EntityTooLarge { proposed: 101, most: 100 });
    assert_eq!((range.check_begun(100), range.check_begun(101)), (Ok(()), too_large.clone()));
    assert_eq!((range.check_begun(0), range.check_whole(100), range.check_whole(101)), (Ok(()), Ok(()), too_large));
    assert_eq!(range.check_whole(4), Err(PolicyError::EntityTooSmall { proposed: 4, least: 5 }));
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

fn fields(list: &[(&str, &str)]) -> FormFields {
    let pairs = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FormFields::new(pairs).expect("fields")
}

#[test]
fn forms_without_a_signature_and_with_temporary_credentials() {
    let verifier = Verifier::new(None);
    assert_eq!(verifier.present_post(&fields(&[("key", "k"), ("acl", "private")])), Ok(None));
    let token = pairs(&with_bucket(""), &[("x-amz-security-token", "t")]);
    assert_eq!(verifier.present_post(&FormFields::new(token).expect("fields")), Err(AuthError::InvalidToken));
}

#[test]
fn a_policy_may_be_signed_by_version_2() {
    let policy =
        STANDARD.encode(r#"{"expiration": "2013-05-24T01:00:00Z", "conditions": [{"bucket": "b"}, {"key": "k"}]}"#);
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(policy.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let good = [("key", "k"), ("AWSAccessKeyId", ACCESS_KEY), ("policy", &policy), ("Signature", &signature)];
    let form = fields(&good);
    assert_eq!(verify(&form).expect("a valid signature").check(&form, "b", NOW_S), Ok(()));
    let other = STANDARD.encode(r#"{"expiration": "2033-05-24T01:00:00Z", "conditions": []}"#);
    for (name, value, code) in [
        ("policy", Some(other.as_str()), "SignatureDoesNotMatch"),
        ("Signature", Some("c2ln"), "SignatureDoesNotMatch"),
        ("Signature", Some(""), "SignatureDoesNotMatch"),
        ("AWSAccessKeyId", Some("no id"), "InvalidAccessKeyId"),
        ("policy", None, "InvalidArgument"),
        ("Signature", None, "InvalidArgument"),
        ("AWSAccessKeyId", None, "InvalidArgument"),
        ("x-amz-signature", Some("00"), "InvalidArgument"),
        ("x-amz-security-token", Some("t"), "InvalidToken"),
    ] {
        let mut changed = good.to_vec();
        changed.retain(|(other, _)| *other != name);
        changed.extend(value.map(|value| (name, value)));
        assert_eq!(verify(&fields(&changed)).expect_err(name).code().0, code, "{name}: {value:?}");
    }
    let refusing = Verifier::new(None).accepting_version_2(false);
    assert_eq!(refusing.present_post(&form), Err(AuthError::UnsupportedMechanism));
}
