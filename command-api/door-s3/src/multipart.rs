//! Multipart uploads: create, part, complete, abort.

use axum::response::Response;
use http::header::{ETAG, HOST};
use http::{HeaderName, HeaderValue, StatusCode};
use pipeline::{CompleteUpload, CompletedPart, CreateUpload, UploadPart, UploadStarted, Written};
use schemas::UploadId;
use schemas::content::{ChecksumAlgorithm, ChecksumType};
use schemas::event::StorageClass;

use crate::acl::asked_acl;
use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::{lock, metadata, storage_class, tags, text_of, write_conditions};
use crate::lifecycle::announce_abort;
use crate::object_read::{PART_NUMBER_MAX, part_number};
use crate::payload::{Opened, Payload, digest_text};
use crate::service::App;
use crate::xml::{self, Element, Xml, url_encoded};

const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const PARTS_MAX: usize = 10_000;

/// `uploadId`. What cannot be an id of ours is no upload.
pub(crate) fn upload_id(ask: &Ask) -> Result<UploadId, DoorError> {
    ask.query.get("uploadId").and_then(|text| text.parse().ok()).ok_or(DoorError::NoSuchUpload)
}

/// # Errors
/// Not 1 to 10,000, or absent.
pub(crate) fn required_part_number(ask: &Ask) -> Result<u16, DoorError> {
    let reason = "Part number must be an integer between 1 and 10000, inclusive";
    part_number(&ask.query)?.ok_or(DoorError::InvalidArgument { name: "partNumber", reason })
}

pub(crate) async fn create(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let customer = ask.customer()?;
    let request = CreateUpload {
        bucket: ask.bucket(),
        key: ask.key(),
        metadata: metadata(&ask.headers)?,
        storage_class: storage_class(&ask.headers)?.unwrap_or(StorageClass::Standard),
        tags: tags(&ask.headers)?,
        lock: lock(&ask.headers)?,
        acl: asked_acl(&ask.headers)?,
        checksum: asked_checksum(ask)?,
        encryption: ask.encryption(customer.as_ref())?,
    };
    let started = app.store.create_upload(&ask.caller, request).await?;
    let mut response = answer::xml(started_xml(ask, &started));
    let headers = response.headers_mut();
    answer::position(headers, started.position);
    answer::written_encryption(headers, &started.encryption);
    answer::customer(headers, customer.as_ref());
    announce_abort(headers, started.abort.as_ref());
    if let Some((algorithm, covers)) = started.checksum {
        headers.insert(CHECKSUM_ALGORITHM, HeaderValue::from_static(algorithm.as_str()));
        headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(covers.as_str()));
    }
    Ok(response)
}

fn asked_checksum(ask: &Ask) -> Result<Option<(ChecksumAlgorithm, Option<ChecksumType>)>, DoorError> {
    let covers = asked_checksum_type(ask)?;
    let Some(text) = text_of(&ask.headers, CHECKSUM_ALGORITHM.as_str()) else {
        let reason = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
        return if covers.is_some() { Err(DoorError::InvalidRequest { reason }) } else { Ok(None) };
    };
    let reason = "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
                  CRC64NVME, SHA1, SHA256]";
    let algorithm = ChecksumAlgorithm::parse(&text).ok_or(DoorError::InvalidRequest { reason })?;
    Ok(Some((algorithm, covers)))
}

fn asked_checksum_type(ask: &Ask) -> Result<Option<ChecksumType>, DoorError> {
    let parse = |text: String| {
        let known = [ChecksumType::Composite, ChecksumType::FullObject];
        let found = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(&text));
        found.ok_or(DoorError::InvalidRequest { reason: "Value for x-amz-checksum-type header is invalid." })
    };
    text_of(&ask.headers, CHECKSUM_TYPE.as_str()).map(parse).transpose()
}

fn started_xml(ask: &Ask, started: &UploadStarted) -> String {
    Xml::document("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", ask.bucket().as_str());
        xml.text("Key", ask.key().as_str());
        xml.value("UploadId", started.upload);
    })
}

pub(crate) async fn part(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let (number, upload) = (required_part_number(ask)?, upload_id(ask)?);
    let customer = ask.customer()?;
    let Opened { stream, digests, size_bytes } = payload.open(&ask.headers)?;
    let customer_key = customer.as_ref().map(|customer| customer.key.clone());
    let (bucket, key) = (ask.bucket(), ask.key());
    let request = UploadPart { bucket, key, upload, number, digests, size_bytes, customer_key };
    let part = app.store.upload_part(&ask.caller, request, stream).await?;
    let mut response = answer::empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(ETAG, answer::quoted(&part.etag));
    answer::position(headers, part.position);
    answer::encryption(headers, &part.encryption);
    answer::customer(headers, customer.as_ref());
    if let Some(checksum) = &part.checksum {
        headers
            .insert(answer::checksum_header(checksum.algorithm), answer::text_value(answer::checksum_text(checksum)));
    }
    Ok(response)
}

pub(crate) async fn complete(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let upload = upload_id(ask)?;
    let checksum = object_checksum(ask)?;
    let checksum_type = asked_checksum_type(ask)?;
    let size = text_of(&ask.headers, "x-amz-mp-object-size").map(|text| {
        let reason = "Value for x-amz-mp-object-size header is invalid.";
        text.parse().map_err(|_| DoorError::InvalidRequest { reason })
    });
    let customer = ask.customer()?;
    let request = CompleteUpload {
        bucket: ask.bucket(),
        key: ask.key(),
        upload,
        conditions: write_conditions(&ask.headers)?,
        checksum,
        checksum_type,
        size_bytes: size.transpose()?,
        parts: asked_parts(&payload.read_completion(&ask.headers).await?)?,
        customer_key: customer.as_ref().map(|customer| customer.key.clone()),
    };
    let written = app.store.complete_upload(&ask.caller, request).await?;
    let mut response = answer::xml(completed_xml(ask, &location(app, ask), &written));
    answer::written(response.headers_mut(), &written);
    answer::customer(response.headers_mut(), customer.as_ref());
    Ok(response)
}

/// Algorithm, digest, and the number behind `-` of a composite one.
type ObjectChecksum = (ChecksumAlgorithm, Vec<u8>, Option<u32>);

/// The checksum of the object to be made: a digest, or a composite one with `-N` behind it.
fn object_checksum(ask: &Ask) -> Result<Option<ObjectChecksum>, DoorError> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(text) = text_of(&ask.headers, answer::checksum_header(algorithm).as_str()) else { continue };
        // A dash is no character of base64.
        let (digest, parts) = match text.rsplit_once('-') {
            Some((digest, parts)) => (digest, Some(parts.trim().parse().map_err(|_| DoorError::BadDigest)?)),
            None => (text.as_str(), None),
        };
        if found.replace((algorithm, digest_text(algorithm, digest)?, parts)).is_some() {
            return Err(DoorError::InvalidRequest { reason: "Expecting a single x-amz-checksum- header" });
        }
    }
    Ok(found)
}

fn asked_parts(body: &[u8]) -> Result<Vec<CompletedPart>, Failure> {
    let root = xml::parse(body, "CompleteMultipartUpload")?;
    let parts: Vec<_> = root.children.iter().filter(|child| child.name == "Part").collect();
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(DoorError::MalformedXml.into());
    }
    let mut named: Vec<CompletedPart> = Vec::with_capacity(parts.len());
    for part in parts.into_iter().map(asked_part) {
        let part = part?;
        // A client that sent a part again may name it again: what it named last is meant.
        named.pop_if(|last| last.number == part.number);
        named.push(part);
    }
    Ok(named)
}

fn asked_part(part: &Element) -> Result<CompletedPart, Failure> {
    let number = part.child_text("PartNumber")?.and_then(|text| text.trim().parse::<u64>().ok());
    let number = number.ok_or(DoorError::MalformedXml)?;
    let reason = "PartNumber must be an integer between 1 and 10000, inclusive";
    let number = u16::try_from(number).ok().filter(|number| (1..=PART_NUMBER_MAX).contains(number));
    let number = number.ok_or(DoorError::InvalidArgument { name: "PartNumber", reason })?;
    let etag = part.child_text("ETag")?.ok_or(DoorError::MalformedXml)?.trim().to_owned();
    let mut checksum = None;
    for algorithm in ChecksumAlgorithm::ALL {
        if let Some(text) = part.child_text(answer::checksum_element(algorithm))? {
            checksum = Some((algorithm, digest_text(algorithm, text)?));
        }
    }
    Ok(CompletedPart { number, etag, checksum })
}

fn location(app: &App, ask: &Ask) -> String {
    let base = app.options.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
    let host = || text_of(&ask.headers, HOST.as_str()).unwrap_or_default();
    let base = base.unwrap_or_else(|| format!("http://{}", host()));
    format!("{base}/{}/{}", ask.bucket(), url_encoded(ask.key().as_str()))
}

fn completed_xml(ask: &Ask, location: &str, written: &Written) -> String {
    Xml::document("CompleteMultipartUploadResult", |xml| {
        xml.text("Location", location);
        xml.text("Bucket", ask.bucket().as_str());
        xml.text("Key", ask.key().as_str());
        xml.value("ETag", format_args!("\"{}\"", written.etag));
        if let Some(shown) = answer::shown(&written.chosen_checksum, &written.checksums) {
            answer::checksum_xml(xml, shown);
            xml.text("ChecksumType", shown.covers.as_str());
        }
    })
}

pub(crate) async fn abort(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let position = app.store.abort_upload(&ask.caller, &ask.bucket(), &ask.key(), upload_id(ask)?).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

#[cfg(test)]
mod tests {
    use schemas::Position;

    use super::*;
    use crate::testing;

    fn parts(inner: &str) -> Result<Vec<CompletedPart>, &'static str> {
        let body = format!("<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>");
        asked_parts(body.as_bytes()).map_err(|failure| failure.describe().code)
    }

    #[test]
    fn parts_of_a_completion() {
        let read = parts(
            "<Part><PartNumber>2</PartNumber><ETag>&quot;a&quot;</ETag></Part>\
             <Part><ETag>b</ETag><PartNumber>1</PartNumber><ChecksumCRC32>y/Q5Jg==</ChecksumCRC32></Part>",
        )
        .expect("parts");
        assert_eq!((read[0].number, read[0].etag.as_str()), (2, "\"a\""));
        assert_eq!(read[1].checksum, Some((ChecksumAlgorithm::Crc32, vec![0xcb, 0xf4, 0x39, 0x26])));
        let part = |number: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>a</ETag></Part>");
        for (inner, code) in [
            (String::new(), "MalformedXML"),
            (part("x"), "MalformedXML"),
            ("<Part><PartNumber>1</PartNumber></Part>".into(), "MalformedXML"),
            (part("0"), "InvalidArgument"),
            (part("10001"), "InvalidArgument"),
            (part("1").repeat(10_001), "MalformedXML"),
            (part("1").replace("</Part>", "<ChecksumSHA1>bad</ChecksumSHA1></Part>"), "BadDigest"),
        ] {
            assert_eq!(parts(&inner), Err(code));
        }
        let most: String = (1..=10_000).map(|number: u16| part(&number.to_string())).collect();
        assert_eq!(parts(&most).map(|parts| parts.len()), Ok(10_000));
        assert_eq!(asked_parts(b"").map_err(|failure| failure.describe().code), Err("MalformedXML"));
    }

    #[test]
    fn a_part_that_was_sent_again_may_be_named_again() {
        let part =
            |number: u16, etag: &str| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
        let read = parts(&[part(1, "a"), part(1, "b"), part(2, "c"), part(1, "d")].concat()).expect("parts");
        let read: Vec<_> = read.iter().map(|part| (part.number, part.etag.as_str())).collect();
        assert_eq!(read, [(1, "b"), (2, "c"), (1, "d")], "out of order is for the decision to refuse");
    }

    #[test]
    fn the_checksum_of_the_object() {
        let read = |value: &str| {
            object_checksum(&testing::ask("POST /bucket/key?uploadId=x", &[("x-amz-checksum-crc32", value)]))
        };
        let digest = vec![0xcb, 0xf4, 0x39, 0x26];
        assert_eq!(read("y/Q5Jg=="), Ok(Some((ChecksumAlgorithm::Crc32, digest.clone(), None))));
        assert_eq!(read("y/Q5Jg==-3"), Ok(Some((ChecksumAlgorithm::Crc32, digest, Some(3)))));
        for bad in ["bad", "y/Q5Jg==-x", ""] {
            assert_eq!(read(bad), Err(DoorError::BadDigest), "{bad}");
        }
    }

    #[test]
    fn ids_and_algorithms() {
        for query in ["uploadId=abc1234def", "uploadId=", "uploads"] {
            assert_eq!(
                upload_id(&testing::ask(&format!("POST /bucket/key?{query}"), &[])),
                Err(DoorError::NoSuchUpload)
            );
        }
        let read =
            |headers: &[(&'static str, &str)]| asked_checksum(&testing::ask("POST /bucket/key?uploads", headers));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-amz-checksum-algorithm", "sha256")]), Ok(Some((ChecksumAlgorithm::Sha256, None))));
        let both = [("x-amz-checksum-algorithm", "CRC32"), ("x-amz-checksum-type", "FULL_OBJECT")];
        assert_eq!(read(&both), Ok(Some((ChecksumAlgorithm::Crc32, Some(ChecksumType::FullObject)))));
        assert!(read(&[("x-amz-checksum-algorithm", "MD5")]).is_err());
        assert!(read(&[("x-amz-checksum-type", "FULL_OBJECT")]).is_err());
    }

    #[test]
    fn answers() {
        let ask = testing::ask("POST /bucket/a%20%26b?uploads", &[]);
        let started = UploadStarted {
            upload: UploadId([7; 16]),
            checksum: None,
            position: Position(1),
            abort: None,
            encryption: schemas::event::Encryption::Managed,
        };
        insta::assert_snapshot!(started_xml(&ask, &started));
        insta::assert_snapshot!(completed_xml(&ask, "http://localhost/bucket/a%20%26b", &testing::written()));
    }
}
