//! Signature Version 2: the examples of AWS's documentation, a signer of its own, and whatever the carrier of a signed address
//! might change in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use door_s3::auth::{AuthError, PayloadForm, Presentation, Verified, Verifier};
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;

use crate::kit::{ACCESS_KEY, EMPTY_SHA256, SECRET, request, secret};

/// 2007-03-27T19:36:42Z.
const NOW_S: i64 = 1_175_024_202;

fn verify(parts: &Parts, now_s: i64, host_bucket: Option<&str>) -> Result<Verified, AuthError> {
    let verifier = Verifier::new(None);
    match verifier.present(parts, now_s)? {
        Presentation::SignedVersion2(presented) => {
            assert_eq!(presented.access_key.as_str(), ACCESS_KEY);
            verifier.verify_version_2(parts, &presented, &secret(), host_bucket)
        }
        other => panic!("not a signature of version 2: {other:?}"),
    }
}

fn code(result: Result<Verified, AuthError>) -> Option<(&'static str, u16)> {
    result.err().map(|error| (error.code().0, error.code().1))
}

#[test]
fn the_documented_examples() {
    let upload = [
        ("x-amz-acl", "public-read"),
        ("content-type", "application/x-download"),
        ("content-md5", "4gJE4saaMU4BqNR0kLY+lw=="),
        ("x-amz-meta-reviewedby", "joe@johnsmith.net"),
        ("x-amz-meta-reviewedby", "jane@johnsmith.net"),
        ("x-amz-meta-filechecksum", "0x02661779"),
        ("x-amz-meta-checksumalgorithm", "crc32"),
        ("content-disposition", "attachment; filename=database.dat"),
    ];
    let jpeg = [("content-type", "image/jpeg")];
    for (line, host_bucket, date, headers, signature) in [
        ("GET /photos/puppy.jpg", Some("johnsmith"), "27 Mar 2007 19:36:42", &[][..], "bWq2s1WEIj+Ydj0vQ697zp+IXMU="),
        (
            "GET /photos/puppy.jpg",
            Some("awsexamplebucket1"),
            "27 Mar 2007 19:36:42",
            &[],
            "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
        ),
        (
            "PUT /photos/puppy.jpg",
            Some("awsexamplebucket1"),
            "27 Mar 2007 21:15:45",
            &jpeg,
            "iqRzw+ileNPu1fhspnRs8nOjjIA=",
        ),
        (
            "GET /?prefix=photos&max-keys=50&marker=puppy",
            Some("johnsmith"),
            "27 Mar 2007 19:42:41",
            &[],
            "htDYFYduRNen8P9ZfE/s9SuKy0U=",
        ),
        ("GET /?acl", Some("johnsmith"), "27 Mar 2007 19:44:46", &[], "c2WLPFtWHVgbEmeEG93a4cG37dM="),
        ("DELETE /johnsmith/photos/puppy.jpg", None, "27 Mar 2007 21:20:26", &[], "lx3byBScXR6KzyMaifNkardMwNk="),
        (
            "PUT /db-backup.dat.gz",
            Some("static.johnsmith.net"),
            "27 Mar 2007 21:06:08",
            &upload,
            "ilyl83RwaSoYIEdixDQcA4OnAnc=",
        ),
        (
            "GET /dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
            None,
            "28 Mar 2007 01:49:49",
            &[],
            "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
        ),
        ("GET /", None, "28 Mar 2007 01:29:59", &[], "qGdzdERIC03wnaRNKh6OqZehG9s="),
    ] {
        let (method, uri) = line.split_once(' ').expect("a method and an address");
        let weekday = if date.starts_with("27") { "Tue" } else { "Wed" };
        let date = format!("{weekday}, {date} +0000");
        let authorization = format!("AWS {ACCESS_KEY}:{signature}");
        let mut all = vec![("date", date.as_str()), ("authorization", &authorization)];
        all.extend_from_slice(headers);
        let parts = request(method, uri, &all);
        let moment = httpdate::parse_http_date(&date.replace("+0000", "GMT")).expect("a date");
        let now_s = moment.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs().cast_signed();
        verify(&parts, now_s, host_bucket).expect(line);
        assert_eq!(code(verify(&parts, now_s, Some("other"))), Some(("SignatureDoesNotMatch", 403)), "{line}");
        assert_eq!(code(verify(&parts, now_s + 901, host_bucket)), Some(("RequestTimeTooSkewed", 403)), "{line}");
    }
    let address = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D\
                   &Expires=1175139620";
    let verified = verify(&request("GET", address, &[]), 1_175_139_620, Some("johnsmith")).expect("valid");
    assert_eq!(verified.payload, PayloadForm::Unsigned);
    // A plus that nobody escaped.
    let bare = address.replace("%2B", "+");
    verify(&request("GET", &bare, &[]), NOW_S, Some("johnsmith")).expect("valid");
}

/// HMAC-SHA-1 in base64, as the documentation has it.
fn sign(string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// A presigned address, whose string to sign the test writes itself.
fn presigned(method: &str, uri: &str, headers: &[(&str, &str)], signed: &str) -> Parts {
    let expires = NOW_S + 60;
    let signature = sign(&signed.replace("EXPIRES", &expires.to_string()));
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    let joint = if uri.contains('?') { '&' } else { '?' };
    let uri = format!("{uri}{joint}AWSAccessKeyId={ACCESS_KEY}&Signature={signature}&Expires={expires}");
    request(method, &uri, headers)
}

#[test]
fn addresses_for_every_method_with_subresources_overrides_and_headers() {
    for (method, uri, headers, signed) in [
        ("GET", "/b/k", &[][..], "GET\n\n\nEXPIRES\n/b/k"),
        ("HEAD", "/b/k", &[], "HEAD\n\n\nEXPIRES\n/b/k"),
        ("DELETE", "/b/a%20b%2Bc?versionId=1.7", &[], "DELETE\n\n\nEXPIRES\n/b/a%20b%2Bc?versionId=1.7"),
        ("GET", "/b?prefix=x&list-type=2&encoding-type=url", &[], "GET\n\n\nEXPIRES\n/b"),
        ("GET", "/b?prefix=x&list-type=2", &[], "GET\n\n\nEXPIRES\n/b/"),
        ("GET", "/b?uploads=", &[], "GET\n\n\nEXPIRES\n/b/?uploads="),
        ("GET", "/b/?uploads&prefix=x", &[], "GET\n\n\nEXPIRES\n/b/?uploads"),
        ("POST", "/b/k?uploads=", &[], "POST\n\n\nEXPIRES\n/b/k?uploads"),
        ("POST", "/b/k?uploads=", &[], "POST\n\n\nEXPIRES\n/b/k?uploads="),
        ("PUT", "/b/k?uploadId=u&partNumber=2", &[], "PUT\n\n\nEXPIRES\n/b/k?partNumber=2&uploadId=u"),
        ("POST", "/b?delete", &[("content-md5", "abc==")], "POST\nabc==\n\nEXPIRES\n/b?delete"),
        (
            "PUT",
            "/b/k?x-amz-sdk-checksum-algorithm=CRC32&x-amz-checksum-crc32=AAAAAA%3D%3D",
            &[],
            "PUT\n\n\nEXPIRES\nx-amz-checksum-crc32:AAAAAA==\nx-amz-sdk-checksum-algorithm:CRC32\n/b/k",
        ),
        (
            "GET",
            "/b/k?response-content-type=text%2Fplain&response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%22",
            &[],
            "GET\n\n\nEXPIRES\n/b/k?response-content-disposition=attachment; filename=\"a+b\"&response-content-type=text/plain",
        ),
        (
            "PUT",
            "/b/k",
            &[("content-type", " text/plain "), ("x-amz-meta-b", " 2  3 "), ("x-amz-acl", "private"), ("range", "x")],
            "PUT\n\ntext/plain\nEXPIRES\nx-amz-acl:private\nx-amz-meta-b:2  3\n/b/k",
        ),
        // As clients put what they sign into the address.
        (
            "PUT",
            "/b/k?content-type=text%2Fplain&x-amz-meta-a=1%202",
            &[],
            "PUT\n\ntext/plain\nEXPIRES\nx-amz-meta-a:1 2\n/b/k",
        ),
        ("PUT", "/b/k?x-amz-acl=private", &[("x-amz-acl", "private")], "PUT\n\n\nEXPIRES\nx-amz-acl:private\n/b/k"),
    ] {
        let parts = presigned(method, uri, headers, signed);
        verify(&parts, NOW_S, None).expect(signed);
    }
}

#[test]
fn whoever_carries_an_address_cannot_make_another_request_of_it() {
    type Change = (&'static str, fn(&mut Parts));
    let add = |parts: &mut Parts, more: &str| {
        parts.uri = format!("{}{more}", parts.uri).parse().expect("an address");
    };
    let header = |parts: &mut Parts, name: &'static str| {
        parts.headers.insert(name, "/b/secret".parse().expect("a value"));
    };
    for more in [
        "acl",
        "tagging",
        "torrent",
        "attributes",
        "retention",
        "legal-hold",
        "versionId=1",
        "uploadId=1",
        "partNumber=1",
        "response-content-type=text/html",
        "response-cache-control=no-cache",
        "x-amz-copy-source=%2Fb%2Fsecret",
        "X-Amz-Acl=public-read",
        "content-type=text%2Fhtml",
        "as-of=2020-01-01T00:00:00Z",
        "%61cl",
    ] {
        let mut parts = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k");
        add(&mut parts, &format!("&{more}"));
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("SignatureDoesNotMatch", 403)), "{more}");
    }
    for more in ["AWSAccessKeyId=x", "Expires=9999999999", "Signature=x"] {
        let mut parts = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k");
        add(&mut parts, &format!("&{more}"));
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("AccessDenied", 403)), "{more}");
    }
    for name in ["x-amz-copy-source", "x-amz-acl", "x-amz-date", "content-type", "content-md5"] {
        let mut parts = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k");
        header(&mut parts, name);
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("SignatureDoesNotMatch", 403)), "{name}");
    }
    for name in ["x-holdfast-as-of", "x-lockwell-expected"] {
        let mut parts = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k");
        header(&mut parts, name);
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("AccessDenied", 403)), "{name}");
    }
    let mut slashed = presigned("PUT", "/b/k/", &[], "PUT\n\n\nEXPIRES\n/b/k");
    assert_eq!(code(verify(&slashed, NOW_S, None)), Some(("SignatureDoesNotMatch", 403)), "another key");
    slashed = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k/");
    assert_eq!(code(verify(&slashed, NOW_S, None)), Some(("SignatureDoesNotMatch", 403)), "another key");
    let changes: [Change; 3] = [
        ("method", |parts| parts.method = http::Method::DELETE),
        ("path", |parts| parts.uri = parts.uri.to_string().replace("/b/k", "/b/l").parse().expect("an address")),
        ("expiry", |parts| {
            parts.uri = parts.uri.to_string().replace("Expires=1", "Expires=2").parse().expect("an address")
        }),
    ];
    for (what, change) in changes {
        let mut parts = presigned("PUT", "/b/k", &[], "PUT\n\n\nEXPIRES\n/b/k");
        change(&mut parts);
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("SignatureDoesNotMatch", 403)), "{what}");
    }
}

#[test]
fn an_address_ends_and_says_so() {
    let parts = presigned("GET", "/b/k", &[], "GET\n\n\nEXPIRES\n/b/k");
    assert!(verify(&parts, NOW_S + 60, None).is_ok());
    let error = verify(&parts, NOW_S + 61, None).expect_err("it is over");
    assert_eq!(error.code(), ("AccessDenied", 403, "Request has expired".to_owned()));
    let fields = [("Expires", "2007-03-27T19:37:42Z".to_owned()), ("ServerTime", "2007-03-27T19:37:43Z".to_owned())];
    assert_eq!(error.fields(), fields);
    for query in ["Expires=soon&", "", "Expires=&"] {
        let parts = request("GET", &format!("/b/k?{query}AWSAccessKeyId={ACCESS_KEY}&Signature=x"), &[]);
        assert_eq!(code(verify(&parts, NOW_S, None)), Some(("AccessDenied", 403)), "{query}");
    }
    let token = presigned("GET", "/b/k?x-amz-security-token=t", &[], "GET\n\n\nEXPIRES\nx-amz-security-token:t\n/b/k");
    assert_eq!(code(verify(&token, NOW_S, None)), Some(("InvalidToken", 400)));
}

#[test]
fn authorization_headers() {
    let date = "Tue, 27 Mar 2007 19:36:42 GMT";
    let code = |authorization: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("authorization", authorization)];
        headers.extend_from_slice(more);
        code(verify(&request("GET", "/b/k", &headers), NOW_S, None))
    };
    let by_date = format!("AWS {ACCESS_KEY}:{}", sign(&format!("GET\n\n\n{date}\n/b/k")));
    assert_eq!(code(&by_date, &[("date", date)]), None);
    assert_eq!(code(&by_date, &[]), Some(("AccessDenied", 403)));
    assert_eq!(code(&by_date, &[("date", "Bad Date")]), Some(("AccessDenied", 403)));
    assert_eq!(code(&by_date, &[("date", "Tue, 07 Jul 1950 21:53:04 GMT")]), Some(("AccessDenied", 403)));
    assert_eq!(code(&by_date, &[("date", "Wed, 28 Mar 2007 19:36:42 GMT")]), Some(("RequestTimeTooSkewed", 403)));
    // x-amz-date stands in for Date, whatever Date says.
    let by_amz_date = format!("AWS {ACCESS_KEY}:{}", sign(&format!("GET\n\n\n\nx-amz-date:{date}\n/b/k")));
    assert_eq!(code(&by_amz_date, &[("x-amz-date", date), ("date", "nonsense")]), None);
    assert_eq!(code(&by_amz_date, &[("date", date)]), Some(("SignatureDoesNotMatch", 403)));
    for malformed in ["AWS", "AWS HAHAHA", "AWSx a:b"] {
        assert_eq!(code(malformed, &[("date", date)]), Some(("InvalidArgument", 400)), "{malformed}");
    }
    assert_eq!(code("AWS no key:c2ln", &[("date", date)]), Some(("InvalidAccessKeyId", 403)));
    for wrong in ["", "c2ln", "not base64!", &"A".repeat(28)] {
        let authorization = format!("AWS {ACCESS_KEY}:{wrong}");
        assert_eq!(code(&authorization, &[("date", date)]), Some(("SignatureDoesNotMatch", 403)), "{wrong}");
    }
    let streaming = [("date", date), ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")];
    assert_eq!(code(&by_date, &streaming), Some(("InvalidArgument", 400)));
}

#[test]
fn a_digest_of_the_payload_is_compared_even_here() {
    let date = "Tue, 27 Mar 2007 19:36:42 GMT";
    let text = format!("PUT\n\n\n{date}\nx-amz-content-sha256:{EMPTY_SHA256}\n/b/k");
    let authorization = format!("AWS {ACCESS_KEY}:{}", sign(&text));
    let headers = [("date", date), ("x-amz-content-sha256", EMPTY_SHA256), ("authorization", &authorization)];
    let verified = verify(&request("PUT", "/b/k", &headers), NOW_S, None).expect("valid");
    assert!(matches!(verified.payload, PayloadForm::SignedSha256(_)));
}

#[test]
fn a_server_may_refuse_the_version() {
    let verifier = Verifier::new(None).accepting_version_2(false);
    let in_query = presigned("GET", "/b/k", &[], "GET\n\n\nEXPIRES\n/b/k");
    let date = "Tue, 27 Mar 2007 19:36:42 GMT";
    let in_header = request("GET", "/b/k", &[("date", date), ("authorization", &format!("AWS {ACCESS_KEY}:c2ln"))]);
    for parts in [in_query, in_header] {
        assert_eq!(verifier.present(&parts, NOW_S), Err(AuthError::UnsupportedMechanism));
    }
}
