//! Building answers: the headers that many operations share.

use std::fmt::Display;
use std::time::{Duration, UNIX_EPOCH};

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::{Amended, Written};
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::Encryption;
use schemas::{Position, Time, VersionId};

use crate::headers::encryption::Customer;
use crate::lifecycle::announce_expiry;
use crate::xml::Xml;

pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
pub(crate) const SOURCE_VERSION_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
pub(crate) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
pub(crate) const POSITION: HeaderName = HeaderName::from_static("x-holdfast-position");
const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const ENCRYPTION_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
const ENCRYPTION_CONTEXT: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-context");
const BUCKET_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-bucket-key-enabled");
const CUSTOMER_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
const CUSTOMER_MD5: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-customer-key-md5");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// What a change answers that has nothing to say but where it stands in the log.
pub(crate) fn changed(status: StatusCode, at: Position) -> Response {
    let mut response = empty(status);
    position(response.headers_mut(), at);
    response
}

/// The same of a change to a version.
pub(crate) fn amended(status: StatusCode, amended: &Amended) -> Response {
    let mut response = changed(status, amended.position);
    version(response.headers_mut(), VERSION_ID, amended.version);
    response
}

/// 200 with XML.
pub(crate) fn xml(document: String) -> Response {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// What shows itself as ASCII. Anything else is a mistake of ours and becomes an empty value.
pub(crate) fn text_value(value: impl Display) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// `"etag"`.
pub(crate) fn quoted(etag: &ETag) -> HeaderValue {
    text_value(format_args!("\"{etag}\""))
}

/// An HTTP date. Whole seconds, as conditions compare them.
pub(crate) fn http_date(time: Time) -> HeaderValue {
    // httpdate knows the years to 9999 and panics behind them.
    let seconds = time.seconds().min(253_402_300_799);
    text_value(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
}

/// `X-Holdfast-Position`.
pub(crate) fn position(headers: &mut HeaderMap, position: Position) {
    headers.insert(POSITION, HeaderValue::from(position.0));
}

/// `x-amz-version-id`, unless the bucket was never versioned.
pub(crate) fn version(headers: &mut HeaderMap, name: HeaderName, version: Option<VersionId>) {
    if let Some(version) = version {
        headers.insert(name, text_value(version));
    }
}

/// `x-amz-server-side-encryption`: AWS says so on every object it writes or reads.
pub(crate) fn encryption(headers: &mut HeaderMap, encryption: &Encryption) {
    match encryption {
        Encryption::Managed => {
            headers.insert(ENCRYPTION, HeaderValue::from_static("AES256"));
        }
        Encryption::Kms { key, context: _, bucket_key } => {
            headers.insert(ENCRYPTION, HeaderValue::from_static("aws:kms"));
            headers.insert(ENCRYPTION_KEY, text_value(key));
            if *bucket_key {
                headers.insert(BUCKET_KEY, HeaderValue::from_static("true"));
            }
        }
        // What is answered of a customer's key is what the request said of it: `customer`.
        Encryption::Customer { key_check: _ } => {}
    }
}

/// The same of what is being written: the encryption context is answered now and never again.
pub(crate) fn written_encryption(headers: &mut HeaderMap, it: &Encryption) {
    encryption(headers, it);
    if let Encryption::Kms { context: Some(context), .. } = it {
        headers.insert(ENCRYPTION_CONTEXT, text_value(context));
    }
}

/// Of a customer's key: the algorithm, and the MD5 by which the client knows its key.
pub(crate) fn customer(headers: &mut HeaderMap, customer: Option<&Customer>) {
    if let Some(customer) = customer {
        headers.insert(CUSTOMER_ALGORITHM, HeaderValue::from_static("AES256"));
        headers.insert(CUSTOMER_MD5, text_value(&customer.md5));
    }
}

/// The checksum that a client is shown: its own choice, else the CRC64NVME of the bytes that the server always has.
pub(crate) fn shown<'a>(chosen: &'a Option<Checksum>, all: &'a [Checksum]) -> Option<&'a Checksum> {
    let of_the_bytes =
        |it: &&Checksum| it.algorithm == ChecksumAlgorithm::Crc64Nvme && it.covers == ChecksumType::FullObject;
    chosen.as_ref().or_else(|| all.iter().find(of_the_bytes))
}

/// A digest as S3 writes it: base64, with `-N` for a composite one.
pub(crate) fn checksum_text(checksum: &Checksum) -> String {
    let digest = STANDARD.encode(&checksum.digest);
    if checksum.parts > 0 { format!("{digest}-{}", checksum.parts) } else { digest }
}

/// `x-amz-checksum-…` and `x-amz-checksum-type`.
pub(crate) fn checksum(headers: &mut HeaderMap, checksum: &Checksum) {
    headers.insert(checksum_header(checksum.algorithm), text_value(checksum_text(checksum)));
    headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksum.covers.as_str()));
}

/// The header of an algorithm.
pub(crate) fn checksum_header(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    })
}

/// The XML element of an algorithm.
pub(crate) fn checksum_element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

/// `ChecksumCRC32` and its fellows, in XML.
pub(crate) fn checksum_xml(xml: &mut Xml, checksum: &Checksum) {
    xml.text(checksum_element(checksum.algorithm), &checksum_text(checksum));
}

/// The headers of every write of an object, its ETag and checksum aside: some answers carry those as XML.
pub(crate) fn written(headers: &mut HeaderMap, written: &Written) {
    // AWS names no version where versioning is suspended: a client keeps what it is told, and `null` is soon another's.
    version(headers, VERSION_ID, written.version.filter(|version| *version != VersionId::Null));
    position(headers, written.position);
    written_encryption(headers, &written.encryption);
    announce_expiry(headers, written.expiry.as_ref());
}

/// The same with ETag and checksum.
pub(crate) fn written_whole(headers: &mut HeaderMap, it: &Written) {
    headers.insert(ETAG, quoted(&it.etag));
    written(headers, it);
    if let Some(shown) = shown(&it.chosen_checksum, &it.checksums) {
        checksum(headers, shown);
    }
}
