//! What the tests share: one key, requests as text, and the independent signer.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use door_s3::auth::{AuthError, Presentation, Presented, Verified, Verifier};
use http::request::Parts;
use secrecy::SecretString;

pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const REGION: &str = "us-east-1";
/// 2013-05-24T00:00:00Z.
pub(crate) const NOW_S: i64 = 1_369_353_600;
pub(crate) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn secret() -> SecretString {
    SecretString::from(SECRET)
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let builder = http::Request::builder().method(method).uri(uri);
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    builder.body(()).expect("a request").into_parts().0
}

pub(crate) fn present(parts: &Parts, now_s: i64) -> Result<Presented, AuthError> {
    match Verifier::new(None).present(parts, now_s)? {
        Presentation::Signed(presented) => Ok(*presented),
        other @ (Presentation::Anonymous | Presentation::SignedVersion2(_)) => panic!("not of version 4: {other:?}"),
    }
}

pub(crate) fn verify_at(parts: &Parts, now_s: i64) -> Result<Verified, AuthError> {
    let presented = present(parts, now_s)?;
    assert_eq!(presented.access_key.as_str(), ACCESS_KEY);
    Verifier::new(None).verify(parts, &presented, &secret(), None)
}

pub(crate) fn verify(parts: &Parts) -> Result<Verified, AuthError> {
    verify_at(parts, NOW_S)
}

pub(crate) fn identity() -> Identity {
    Credentials::from_keys(ACCESS_KEY, SECRET, None).into()
}

/// A request signed by the AWS SDK's signer. `uri` is a path with a query; the host is `holdfast.test:9000`.
pub(crate) fn signed(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: SignableBody<'_>,
    presigned_for_s: Option<u64>,
) -> Parts {
    let identity = identity();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    if let Some(expires_s) = presigned_for_s {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(expires_s));
    } else {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(NOW_S.unsigned_abs()))
        .settings(settings)
        .build()
        .expect("parameters")
        .into();
    let url = format!("http://holdfast.test:9000{uri}");
    let signable = SignableRequest::new(method, url.as_str(), headers.iter().copied(), body).expect("a request");
    let (instructions, _) = sign(signable, &params).expect("a signature").into_parts();
    let builder = http::Request::builder().method(method).uri(url.as_str());
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));
    let mut request = builder.body(()).expect("a request");
    instructions.apply_to_request_http1x(&mut request);
    // As a server sees it: the path alone, and the host in a header.
    let mut parts = request.into_parts().0;
    parts.uri = parts.uri.path_and_query().expect("a path").as_str().parse().expect("a path");
    parts.headers.insert("host", "holdfast.test:9000".parse().expect("a host"));
    parts
}
