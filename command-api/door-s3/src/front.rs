//! From an HTTP request to an operation that somebody known asks for. Nothing of the store is needed but a credential.
//!
//! Owns: the order of the checks. An address that cannot be read, then who asks, then what: a stranger learns nothing of
//! what this door does.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::request::Parts;
use pipeline::{Caller, Credential, Signature, SignaturePlace, StoreError};
use schemas::{AccessKeyId, RequestId, TenantId, TenantName};
use tracing::field;

use crate::ask::Ask;
use crate::auth::{Verified, presigned_headers};
use crate::errors::Failure;
use crate::gate::{Gate, Visit};
use crate::headers::refuse_unimplemented;
use crate::route::{Operation, Query, Target, select};
use crate::service::Options;

/// What is to be done, for whom.
#[derive(Debug)]
pub(crate) struct Understood {
    pub(crate) operation: Operation,
    pub(crate) ask: Ask,
    pub(crate) verified: Verified,
}

/// # Errors
/// The request makes no sense, its sender is nobody, or the door does not do it.
pub(crate) fn understand(
    gate: &Gate,
    options: &Options,
    mut parts: Parts,
    request: &RequestId,
    credential: impl FnOnce(&AccessKeyId) -> Result<Option<Credential>, StoreError>,
    anonymous: impl FnOnce(&TenantName) -> Result<Option<TenantId>, StoreError>,
    admitted: impl FnOnce(&Caller, &Target) -> Result<(), Failure>,
) -> Result<Understood, Failure> {
    let target = Target::parse(host(&parts), parts.uri.path(), &options.hosts)?;
    let query = Query::parse(parts.uri.query())?;
    let visit = visit(&parts, &target, options, request);
    let (caller, verified) = gate.admit(&parts, visit, credential, anonymous)?;
    if let Some(Signature { place: SignaturePlace::Query, version, .. }) = caller.circumstances.signature {
        parts.headers = presigned_headers(&parts, version);
    }
    tracing::Span::current().record("tenant", field::display(caller.tenant));
    admitted(&caller, &target)?;
    let operation = select(&parts.method, &target, &query, &parts.headers)?;
    tracing::Span::current().record("operation", field::debug(operation));
    refuse_unimplemented(&parts.headers)?;
    let ask = Ask::new(caller, parts.headers, query, target)?;
    Ok(Understood { operation, ask, verified })
}

/// When, where from and how a request came.
pub(crate) fn visit(parts: &Parts, target: &Target, options: &Options, request: &RequestId) -> Visit {
    let now_s = i64::try_from((options.clock)() / 1_000_000).unwrap_or(i64::MAX);
    let host_bucket = target.bucket.clone().filter(|_| target.by_host);
    let unsigned = options.tenant_without_credential(host(parts), target).cloned();
    Visit {
        now_s,
        host_bucket,
        unsigned,
        request: request.clone(),
        source: source(parts),
        secure: is_secure(parts, options),
    }
}

/// Where a request came from. An IPv4 client of a dual-stack socket is an IPv4 client.
pub(crate) fn source(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// Whether the client came by TLS, as far as it is known: the operator says that clients do, to a proxy before this server,
/// and the proxy says that this one did.
fn is_secure(parts: &Parts, options: &Options) -> bool {
    let public = options.public_url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let forwarded = parts.headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    public && forwarded.is_some_and(|proto| proto.eq_ignore_ascii_case("https"))
}

/// HTTP/2 names the host in the request line.
pub(crate) fn host(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    header.or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use aws_credential_types::Credentials;
    use aws_sigv4::http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
        SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
    };
    use aws_sigv4::sign::v4;
    use aws_smithy_runtime_api::client::identity::Identity;
    use schemas::UserId;
    use schemas::scope::Scopes;

    use super::*;

    const NOW_S: u64 = 1_369_353_600;
    const ACCESS_KEY: &str = "AKEXAMPLE";
    const SECRET: &str = "secret";

    fn options() -> Options {
        Options {
            region: None,
            default_region: "us-east-1".into(),
            hosts: vec!["s3.test".into()],
            public_url: Some("https://public.test".into()),
            allow_anonymous: false,
            anonymous_tenant: None,
            tenant_hosts: [].into(),
            host_id: "host".into(),
            allow_sigv2: true,
            ids: Arc::new(|| RequestId("01J00000000000000000000000".into())),
            clock: Arc::new(|| NOW_S * 1_000_000),
        }
    }

    fn unsigned(line: &str, headers: &[(&str, &str)]) -> Parts {
        let (method, uri) = line.split_once(' ').expect("a method and an address");
        let mut builder = http::Request::builder().method(method).uri(uri).header("host", "s3.test");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    /// Signs a request of `headers` for `host`.
    fn instructions(
        parts: &Parts,
        host: &str,
        headers: &[(&str, &str)],
        mut settings: SigningSettings,
    ) -> SigningInstructions {
        let identity: Identity = Credentials::from_keys(ACCESS_KEY, SECRET, None).into();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(NOW_S))
            .settings(settings)
            .build()
            .expect("parameters")
            .into();
        let (url, sent) = (format!("http://{host}{}", parts.uri), headers.iter().copied());
        let signable = SignableRequest::new(parts.method.as_str(), url, sent, SignableBody::UnsignedPayload);
        sign(signable.expect("a request"), &params).expect("a signature").into_parts().0
    }

    /// Signed for `signed_host`, sent to `host`.
    fn signed_for(signed_host: &str, host: &str, line: &str, headers: &[(&str, &str)]) -> Parts {
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let mut parts = unsigned(line, headers);
        for (name, value) in instructions(&parts, signed_host, headers, settings).headers() {
            let name = http::HeaderName::try_from(name).expect("a name");
            parts.headers.insert(name, value.parse().expect("a value"));
        }
        parts.headers.insert("host", host.parse().expect("a host"));
        parts
    }

    fn signed(line: &str, headers: &[(&str, &str)]) -> Parts {
        signed_for("s3.test", "s3.test", line, headers)
    }

    fn understood(parts: Parts) -> Result<Understood, &'static str> {
        understood_with(&options(), parts)
    }

    fn understood_with(options: &Options, parts: Parts) -> Result<Understood, &'static str> {
        let credential = |access_key: &AccessKeyId| {
            Ok((access_key.as_str() == ACCESS_KEY).then(|| Credential {
                tenant: TenantId(1),
                user: UserId::parse("main").expect("a user"),
                display_name: "Main".into(),
                scopes: Scopes::full(),
                secret: SECRET.into(),
                rotated: None,
            }))
        };
        let request = RequestId("01J00000000000000000000000".into());
        let anonymous = |name: &TenantName| Ok((name.as_str() == "open").then_some(TenantId(2)));
        understand(&Gate::new(options), options, parts, &request, credential, anonymous, |_, _| Ok(()))
            .map_err(|it| it.describe().code)
    }

    #[test]
    fn without_a_credential_a_request_is_nobodys_where_that_is_allowed() {
        let name = |name| TenantName::parse(name).expect("a name");
        let for_tenant = |tenant| Options { allow_anonymous: true, anonymous_tenant: Some(name(tenant)), ..options() };
        let asked = |name| understood_with(&for_tenant(name), unsigned("GET /bucket/key", &[]));
        let caller = asked("open").expect("allowed").ask.caller;
        assert_eq!((caller.tenant, caller.user()), (TenantId(2), UserId::anonymous()));
        assert!(caller.scopes().is_none() && caller.access_key().is_none());
        assert_eq!(asked("gone").err(), Some("AccessDenied"));
        assert_eq!(understood(unsigned("GET /bucket/key", &[])).err(), Some("AccessDenied"));
        let by_host = Options { tenant_hosts: [("s3.test".to_owned(), name("open"))].into(), ..for_tenant("gone") };
        let caller = understood_with(&by_host, unsigned("GET /bucket/key", &[])).expect("allowed").ask.caller;
        assert_eq!(caller.tenant, TenantId(2), "the host's tenant comes first");
        let closed = Options { allow_anonymous: false, ..by_host };
        assert_eq!(understood_with(&closed, unsigned("GET /bucket/key", &[])).err(), Some("AccessDenied"));
        let wrong = unsigned("GET /", &[("authorization", "AWS4-HMAC-SHA256 Credential=x")]);
        assert!(understood_with(&for_tenant("open"), wrong).is_err(), "a bad signature is no anonymous request");
    }

    #[test]
    fn a_signed_request_is_its_senders() {
        let mut parts = signed("PUT /bucket/a%20b?x-id=PutObject", &[("x-amz-meta-a", "1")]);
        parts.extensions.insert(ConnectInfo(SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1], 5))));
        let understood = understood(parts).expect("understood");
        assert_eq!(understood.operation, Operation::PutObject);
        assert_eq!((understood.ask.bucket().as_str(), understood.ask.key().as_str()), ("bucket", "a b"));
        assert_eq!(understood.ask.caller.user().as_str(), "main");
        assert_eq!(understood.ask.caller.source, Some("127.0.0.1".parse().expect("an address")));
    }

    /// The same by Version 2, whose signature the caller gives.
    fn presigned_version_2(host: &str, line: &str, signature: &str) -> Parts {
        let joint = if line.contains('?') { '&' } else { '?' };
        let line = format!("{line}{joint}AWSAccessKeyId={ACCESS_KEY}&Expires=1369353660&Signature={signature}");
        let mut parts = unsigned(&line, &[]);
        parts.headers.insert("host", host.parse().expect("a host"));
        parts
    }

    #[test]
    fn an_address_of_version_2_says_its_headers_and_counts_for_its_bucket_alone() {
        // HMAC-SHA-1 of "PUT\n\ntext/x\n1369353660\nx-amz-meta-a:1\n/bucket/key".
        let line = "PUT /key?x-amz-meta-a=1&content-type=text/x";
        let parts = |host| presigned_version_2(host, line, "MwiTfVfprVm2TTWHzneCd%2BHDkcY%3D");
        let understood_one = understood(parts("bucket.s3.test")).expect("understood");
        let ask = understood_one.ask;
        assert_eq!((ask.bucket().as_str(), ask.key().as_str()), ("bucket", "key"));
        assert_eq!(ask.headers["x-amz-meta-a"], "1");
        assert_eq!(ask.headers["content-type"], "text/x");
        assert_eq!(understood(parts("other.s3.test")).err(), Some("SignatureDoesNotMatch"));
    }

    /// Signed in the query, which says some headers.
    fn presigned(line: &str) -> Parts {
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
        let mut parts = unsigned(line, &[]);
        let signed = instructions(&parts, "s3.test", &[], settings);
        let encoded = signed.params().iter().map(|(name, value)| format!("&{name}={}", value.replace('/', "%2F")));
        parts.uri = format!("{}{}", parts.uri, encoded.collect::<String>()).parse().expect("an address");
        parts
    }

    #[test]
    fn an_address_says_headers_in_its_query_and_none_can_be_added() {
        let parts = presigned("PUT /bucket/key?x-amz-meta-a=1&X-Amz-Copy-Source=%2Fbucket%2Fother");
        let ask = understood(parts.clone()).expect("understood");
        assert_eq!(ask.operation, Operation::CopyObject);
        assert_eq!(ask.ask.headers["x-amz-meta-a"], "1");
        assert!(!ask.ask.headers.contains_key("x-amz-signature") && !ask.ask.headers.contains_key("x-amz-date"));
        let empty = presigned("PUT /bucket/key?x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32");
        let ask = understood(empty).expect("understood").ask;
        assert!(
            ask.headers.keys().all(|name| !name.as_str().contains("checksum")),
            "said of a body that was not there"
        );
        let meant = presigned("PUT /bucket/key?x-amz-checksum-crc32=AAAAAQ%3D%3D");
        assert_eq!(understood(meant).expect("understood").ask.headers["x-amz-checksum-crc32"], "AAAAAQ==");
        let mut added = parts.clone();
        added.uri = format!("{}&x-amz-meta-b=2", parts.uri).parse().expect("an address");
        assert_eq!(understood(added).err(), Some("SignatureDoesNotMatch"));
        let mut sent = parts;
        sent.headers.insert("x-amz-meta-a", "3".parse().expect("a value"));
        assert_eq!(understood(sent).err(), Some("AccessDenied"), "a header that is sent must be signed itself");
    }

    #[test]
    fn nobody_gets_in_without_a_signature_that_holds() {
        let code = |parts| understood(parts).map(|it| it.operation).err();
        assert_eq!(code(unsigned("GET /", &[])), Some("AccessDenied"));
        assert_eq!(code(unsigned("GET /bucket/key?acl", &[])), Some("AccessDenied"));
        assert_eq!(code(unsigned("GET /", &[("authorization", "")])), Some("AccessDenied"));
        let mut changed = signed("GET /bucket/key", &[]);
        changed.uri = "/bucket/other".parse().expect("an address");
        assert_eq!(code(changed), Some("SignatureDoesNotMatch"));
        let mut stranger = signed("GET /bucket/key", &[]);
        let text = stranger.headers["authorization"].to_str().expect("text").replace(ACCESS_KEY, "STRANGER");
        stranger.headers.insert("authorization", text.parse().expect("a value"));
        assert_eq!(code(stranger), Some("InvalidAccessKeyId"));
        let mut added = signed("PUT /bucket/key", &[]);
        added.headers.insert("x-amz-copy-source", "/bucket/secret".parse().expect("a value"));
        assert_eq!(code(added), Some("AccessDenied"));
    }

    #[test]
    fn what_the_door_does_not_do_is_said_to_those_it_knows() {
        for (line, headers, expected) in [
            ("GET /bucket?website", &[][..], "NotImplemented"),
            ("PUT /bucket?website", &[], "NotImplemented"),
            ("POST /bucket/key?tagging", &[], "NotImplemented"),
            ("DELETE /bucket/key?retention", &[], "NotImplemented"),
            ("PUT /bucket/key", &[("x-amz-write-offset-bytes", "1")], "NotImplemented"),
            ("PATCH /bucket/key", &[], "MethodNotAllowed"),
            ("PUT /Bad_Bucket", &[], "InvalidBucketName"),
            ("GET /bucket/%FF", &[], "InvalidURI"),
        ] {
            assert_eq!(understood(signed(line, headers)).err(), Some(expected), "{line}");
        }
        let long = format!("GET /bucket/{}", "k".repeat(1025));
        assert_eq!(understood(signed(&long, &[])).err(), Some("KeyTooLongError"));
    }

    #[test]
    fn behind_a_proxy_a_path_may_be_signed_for_the_public_host_but_a_hosts_bucket_may_not() {
        let by_path = understood(signed_for("public.test", "s3.test", "GET /bucket/key", &[])).expect("understood");
        assert_eq!(by_path.ask.bucket().as_str(), "bucket");
        let by_host = understood(signed_for("bucket.s3.test", "bucket.s3.test", "GET /key", &[])).expect("understood");
        assert_eq!((by_host.ask.bucket().as_str(), by_host.ask.key().as_str()), ("bucket", "key"));
        let stolen = understood(signed_for("public.test", "other.s3.test", "GET /bucket/key", &[]));
        assert_eq!(stolen.err(), Some("SignatureDoesNotMatch"));
    }
}
