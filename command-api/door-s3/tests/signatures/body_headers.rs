//! What the headers say of a body, and what of it makes no sense.

use door_s3::auth::PayloadForm;
use door_s3::body::{BodyHeaderError, ChecksumOf, Intake, digests, without_aws_chunked};
use http::HeaderMap;
use pipeline::ExpectedDigest;
use schemas::content::ChecksumAlgorithm;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, value.parse().expect("a value"));
    }
    headers
}

fn read(list: &[(&'static str, &str)], form: PayloadForm) -> Result<Intake, BodyHeaderError> {
    Intake::read(&headers(list), form, ChecksumOf::Body)
}

const MD5: &str = "1B2M2Y8AsgTpgAmY7PhCfg==";

#[test]
fn digests_are_read() {
    let plain = digests(&headers(&[]), PayloadForm::SignedSha256([7; 32])).expect("headers");
    assert_eq!((plain.md5, plain.sha256), (None, Some([7; 32])));
    assert!(plain.checksums.is_empty());
    let md5 = digests(&headers(&[("content-md5", MD5)]), PayloadForm::Unsigned).expect("headers");
    assert_eq!((md5.md5.map(hex::encode).as_deref(), md5.sha256), (Some("d41d8cd98f00b204e9800998ecf8427e"), None));
    for (name, value, algorithm) in [
        ("x-amz-checksum-crc32", "AAAAAA==", ChecksumAlgorithm::Crc32),
        ("x-amz-checksum-crc32c", "AAAAAA==", ChecksumAlgorithm::Crc32c),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", ChecksumAlgorithm::Crc64Nvme),
        ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", ChecksumAlgorithm::Sha1),
        ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ChecksumAlgorithm::Sha256),
    ] {
        let list = [(name, value), ("x-amz-checksum-type", "FULL_OBJECT"), ("x-amz-checksum-mode", "ENABLED")];
        let digests = digests(&headers(&list), PayloadForm::Unsigned).expect(name);
        let [(found, ExpectedDigest::Known(digest))] = &digests.checksums[..] else { panic!("{name}") };
        assert_eq!((*found, digest), (algorithm, &vec![0; algorithm.digest_bytes()]));
    }
}

#[test]
fn an_algorithm_alone_is_computed() {
    let list = [("x-amz-sdk-checksum-algorithm", "crc64nvme")];
    let digests = digests(&headers(&list), PayloadForm::Unsigned).expect("headers");
    assert!(matches!(digests.checksums[..], [(ChecksumAlgorithm::Crc64Nvme, ExpectedDigest::Compute)]));
}

#[test]
fn digests_that_make_no_sense_are_refused() {
    let crc = ("x-amz-checksum-crc32", "AAAAAA==");
    let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
    let unsigned = PayloadForm::Unsigned;
    let streaming = PayloadForm::StreamingUnsignedTrailer;
    for (list, form, code) in [
        (&[("content-md5", "")][..], unsigned, "InvalidDigest"),
        (&[("content-md5", "YWJyYWNhZGFicmE=")], unsigned, "InvalidDigest"),
        (&[("content-md5", "AWS HAHAHA")], unsigned, "InvalidDigest"),
        (&[("content-md5", MD5), ("content-md5", MD5)], unsigned, "InvalidDigest"),
        (&[("x-amz-checksum-crc32", "AAAA")], unsigned, "InvalidRequest"),
        (&[("x-amz-checksum-crc32", "nonsense")], unsigned, "InvalidRequest"),
        (&[("x-amz-checksum-crc32", "")], unsigned, "InvalidRequest"),
        (&[("x-amz-checksum-xxh3", "AAAA")], unsigned, "InvalidRequest"),
        (&[crc, crc], unsigned, "InvalidRequest"),
        (&[crc, ("x-amz-checksum-crc32c", "AAAAAA==")], unsigned, "InvalidRequest"),
        (&[crc, trailer], streaming, "InvalidRequest"),
        (&[crc, ("x-amz-sdk-checksum-algorithm", "SHA256")], unsigned, "InvalidRequest"),
        (&[("x-amz-sdk-checksum-algorithm", "MD4")], unsigned, "InvalidRequest"),
        (&[trailer], unsigned, "InvalidRequest"),
        (&[trailer], PayloadForm::StreamingSigned, "InvalidRequest"),
        (&[trailer, trailer], streaming, "InvalidRequest"),
        (&[("x-amz-trailer", "x-amz-checksum-crc32, x-amz-checksum-sha1")], streaming, "InvalidRequest"),
        (&[("x-amz-trailer", "x-amz-meta-a")], streaming, "InvalidRequest"),
        (&[trailer, ("x-amz-sdk-checksum-algorithm", "SHA1")], streaming, "InvalidRequest"),
    ] {
        let error = digests(&headers(list), form).expect_err("no sense");
        assert_eq!(error.code().0, code, "{list:?}");
    }
    let several = digests(&headers(&[crc, ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")]), unsigned);
    assert_eq!(several.expect_err("two").code().2, "Expecting a single x-amz-checksum- header");
    let wrong = digests(&headers(&[("x-amz-checksum-crc32", "AAAA")]), unsigned);
    assert_eq!(wrong.expect_err("short").code().2, "Value for x-amz-checksum-crc32 header is invalid.");
}

#[test]
fn lengths_agree_or_are_refused() {
    let (encoded, decoded) = ("content-length", "x-amz-decoded-content-length");
    let unsigned = PayloadForm::Unsigned;
    for (list, form, size) in [
        (&[][..], unsigned, Ok(None)),
        (&[(encoded, "5")], unsigned, Ok(Some(5))),
        (&[(encoded, "5"), (decoded, "5")], unsigned, Ok(Some(5))),
        (&[(encoded, "50"), (decoded, "5")], unsigned, Err("InvalidRequest")),
        (&[(encoded, "50"), (decoded, "5")], PayloadForm::StreamingSigned, Ok(Some(5))),
        (&[(encoded, "50")], PayloadForm::StreamingUnsignedTrailer, Ok(None)),
        (&[(encoded, "50")], PayloadForm::StreamingSigned, Err("MissingContentLength")),
        (&[(encoded, "50")], PayloadForm::StreamingSignedTrailer, Err("MissingContentLength")),
        (&[(decoded, "+5")], PayloadForm::StreamingSigned, Err("InvalidRequest")),
        (&[(decoded, "")], PayloadForm::StreamingSigned, Err("InvalidRequest")),
        (&[(encoded, "-1")], unsigned, Err("InvalidRequest")),
    ] {
        let found = read(list, form).map(|intake| intake.size_bytes).map_err(|error| error.code().0);
        assert_eq!(found, size, "{list:?} {form:?}");
    }
}

#[test]
fn the_checksum_of_an_object_is_not_that_of_the_body() {
    let list = headers(&[("x-amz-checksum-crc32", "AAAAAA==-3"), ("content-md5", MD5)]);
    let intake = Intake::read(&list, PayloadForm::SignedSha256([1; 32]), ChecksumOf::Object).expect("headers");
    assert!(intake.digests.checksums.is_empty());
    assert!(intake.digests.md5.is_some() && intake.digests.sha256.is_some());
}

#[test]
fn aws_chunked_is_no_encoding_of_the_object() {
    for (given, left) in [
        ("gzip", Some("gzip")),
        ("deflate, gzip", Some("deflate, gzip")),
        ("deflate,gzip", Some("deflate,gzip")),
        ("gzip, aws-chunked", Some("gzip")),
        ("aws-chunked, gzip", Some("gzip")),
        ("AWS-Chunked,deflate , gzip", Some("deflate, gzip")),
        ("aws-chunked", None),
        ("aws-chunked, aws-chunked", None),
        ("", None),
    ] {
        assert_eq!(without_aws_chunked(given).as_deref(), left, "{given}");
    }
}
