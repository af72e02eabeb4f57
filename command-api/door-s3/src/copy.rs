//! CopyObject and UploadPartCopy.

use axum::response::Response;
use pipeline::{Copied, CopyObject, PartWritten, RangeSpec, UploadPartCopy};
use schemas::content::ChecksumAlgorithm;
use schemas::{BucketName, ObjectKey, VersionId};

use crate::acl::asked_acl;
use crate::answer;
use crate::ask::{Ask, bucket_name, object_key, version_id};
use crate::errors::{DoorError, Failure};
use crate::headers::encryption::Customer;
use crate::headers::{copy_source_conditions, lock, metadata, storage_class, tags, text_of, write_conditions};
use crate::multipart::{required_part_number, upload_id};
use crate::route::percent_decode;
use crate::service::App;
use crate::xml::{Xml, timestamp};

/// What `x-amz-copy-source` names.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    bucket: BucketName,
    key: ObjectKey,
    version: Option<VersionId>,
}

impl Source {
    fn asked(ask: &Ask) -> Result<Self, DoorError> {
        Self::parse(&text_of(&ask.headers, "x-amz-copy-source").unwrap_or_default())
    }

    /// `[/]bucket/key[?versionId=version]`, percent-encoded.
    fn parse(text: &str) -> Result<Self, DoorError> {
        const MALFORMED: DoorError = DoorError::InvalidArgument {
            name: "x-amz-copy-source",
            reason: "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        };
        // The question mark of a version stands for itself; one of the key's is encoded by those who mean it. A key like
        // `?versionId` without `=` is a key.
        let (path, version) = match text.rsplit_once("?versionId=") {
            Some((path, version)) => (path, Some(version_id(&percent_decode(version)?)?)),
            None => (text, None),
        };
        let path = percent_decode(path)?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').ok_or(MALFORMED)?;
        if bucket.is_empty() || key.is_empty() {
            return Err(MALFORMED);
        }
        Ok(Self { bucket: bucket_name(bucket)?, key: object_key(key)?, version })
    }
}

async fn expected_source_owner(app: &App, ask: &Ask, source: &Source) -> Result<(), Failure> {
    match text_of(&ask.headers, "x-amz-source-expected-bucket-owner") {
        Some(expected) => crate::bucket::owned_by(app, &ask.caller, &source.bucket, &expected).await,
        None => Ok(()),
    }
}

/// A directive: whether to replace what the source has.
fn replaces(ask: &Ask, name: &'static str) -> Result<bool, DoorError> {
    match text_of(&ask.headers, name).as_deref() {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(DoorError::InvalidArgument { name, reason: "Unknown directive: COPY and REPLACE are known." }),
    }
}

pub(crate) async fn object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let source = Source::asked(ask)?;
    expected_source_owner(app, ask, &source).await?;
    let customer = ask.customer()?;
    let copied = app.store.copy_object(&ask.caller, asked(ask, source, customer.as_ref())?).await?;
    let mut response = answer::xml(copied_xml(&copied));
    let headers = response.headers_mut();
    answer::written(headers, &copied.written);
    answer::customer(headers, customer.as_ref());
    answer::version(headers, answer::SOURCE_VERSION_ID, copied.source_version);
    Ok(response)
}

fn asked(ask: &Ask, source: Source, customer: Option<&Customer>) -> Result<CopyObject, DoorError> {
    let algorithm = text_of(&ask.headers, "x-amz-checksum-algorithm").map(|text| {
        let reason = "Checksum algorithm provided is unsupported.";
        ChecksumAlgorithm::parse(&text).ok_or(DoorError::InvalidRequest { reason })
    });
    Ok(CopyObject {
        source_bucket: source.bucket,
        source_key: source.key,
        source_version: source.version,
        source_conditions: copy_source_conditions(&ask.headers),
        bucket: ask.bucket(),
        key: ask.key(),
        metadata: if replaces(ask, "x-amz-metadata-directive")? { Some(metadata(&ask.headers)?) } else { None },
        tags: if replaces(ask, "x-amz-tagging-directive")? { Some(tags(&ask.headers)?) } else { None },
        lock: lock(&ask.headers)?,
        storage_class: storage_class(&ask.headers)?,
        acl: asked_acl(&ask.headers)?,
        checksum_algorithm: algorithm.transpose()?,
        conditions: write_conditions(&ask.headers)?,
        encryption: ask.encryption(customer)?,
        source_customer_key: ask.source_customer()?.map(|source| source.key),
    })
}

fn copied_xml(copied: &Copied) -> String {
    let written = &copied.written;
    Xml::document("CopyObjectResult", |xml| {
        xml.text("LastModified", &timestamp(written.modified));
        xml.value("ETag", format_args!("\"{}\"", written.etag));
        if let Some(shown) = answer::shown(&written.chosen_checksum, &written.checksums) {
            answer::checksum_xml(xml, shown);
            xml.text("ChecksumType", shown.covers.as_str());
        }
    })
}

pub(crate) async fn part(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let source = Source::asked(ask)?;
    let range = text_of(&ask.headers, "x-amz-copy-source-range").map(|text| range(&text)).transpose()?;
    let (number, upload) = (required_part_number(ask)?, upload_id(ask)?);
    expected_source_owner(app, ask, &source).await?;
    let customer = ask.customer()?;
    let request = UploadPartCopy {
        bucket: ask.bucket(),
        key: ask.key(),
        upload,
        number,
        source_bucket: source.bucket,
        source_key: source.key,
        source_version: source.version,
        source_conditions: copy_source_conditions(&ask.headers),
        range,
        customer_key: customer.as_ref().map(|customer| customer.key.clone()),
        source_customer_key: ask.source_customer()?.map(|source| source.key),
    };
    let part = app.store.upload_part_copy(&ask.caller, request).await?;
    let mut response = answer::xml(part_xml(&part));
    answer::version(response.headers_mut(), answer::SOURCE_VERSION_ID, part.source_version);
    answer::position(response.headers_mut(), part.position);
    answer::encryption(response.headers_mut(), &part.encryption);
    answer::customer(response.headers_mut(), customer.as_ref());
    Ok(response)
}

/// `bytes=first-last`, and nothing else: unlike Range, one that cannot be read is an error.
fn range(text: &str) -> Result<(u64, u64), DoorError> {
    match RangeSpec::parse(text) {
        Some(RangeSpec::FromTo(first, last)) if text.starts_with("bytes=") => Ok((first, last)),
        _ => Err(DoorError::InvalidArgument {
            name: "x-amz-copy-source-range",
            reason: "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
                     zero-based offsets of the first and last bytes to copy",
        }),
    }
}

fn part_xml(part: &PartWritten) -> String {
    Xml::document("CopyPartResult", |xml| {
        xml.text("LastModified", &timestamp(part.modified));
        xml.value("ETag", format_args!("\"{}\"", part.etag));
        if let Some(checksum) = &part.checksum {
            answer::checksum_xml(xml, checksum);
        }
    })
}

#[cfg(test)]
mod tests {
    use schemas::Position;

    use super::*;
    use crate::testing;

    #[test]
    fn sources() {
        let version = testing::version().to_string();
        for (text, key, expected) in [
            ("bucket/key", "key", None),
            ("/bucket/key", "key", None),
            ("bucket/a/b%2Fc", "a/b/c", None),
            ("bucket%2Fkey", "key", None),
            ("bucket/a+b%20c%25", "a+b c%", None),
            ("bucket/%3FversionId", "?versionId", None),
            ("bucket/?versionId", "?versionId", None),
            ("bucket//k", "/k", None),
            ("bucket/%C3%A9?versionId=null", "é", Some(VersionId::Null)),
            ("bucket/a%3Fb?versionId=null", "a?b", Some(VersionId::Null)),
            (&format!("bucket/key?versionId={version}"), "key", Some(testing::version())),
        ] {
            let source = Source::parse(text).expect(text);
            assert_eq!((source.bucket.as_str(), source.key.as_str()), ("bucket", key), "{text}");
            assert_eq!(source.version, expected, "{text}");
        }
        for (text, code) in [
            ("", "InvalidArgument"),
            ("bucket", "InvalidArgument"),
            ("bucket/", "InvalidArgument"),
            ("/bucket", "InvalidArgument"),
            ("Bad_Bucket/k", "InvalidBucketName"),
            ("bucket/key?versionId=", "InvalidArgument"),
            ("bucket/key?versionId=x", "InvalidArgument"),
            ("bucket/%ff", "InvalidURI"),
        ] {
            assert_eq!(Source::parse(text).map_err(|error| error.describe().code), Err(code), "{text}");
        }
    }

    #[test]
    fn ranges_must_be_exact() {
        assert_eq!(range("bytes=0-21"), Ok((0, 21)));
        for text in
            ["0-2", "bytes=0", "bytes=hello-world", "bytes=0-bar", "bytes=hello-", "bytes=0-2,3-5", "bytes=5-", ""]
        {
            assert!(range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn directives() {
        let copy = |headers: &[(&'static str, &str)]| {
            let source = Source::parse("bucket/source").expect("a source");
            asked(&testing::ask("PUT /bucket/key", headers), source, None)
        };
        let kept = copy(&[("x-amz-meta-a", "1"), ("x-amz-tagging", "a=b")]).expect("a request");
        assert_eq!((kept.metadata, kept.tags), (None, None));
        let replaced = copy(&[
            ("x-amz-meta-a", "1"),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-tagging", "a=b"),
            ("x-amz-tagging-directive", "REPLACE"),
        ])
        .expect("a request");
        assert_eq!(replaced.metadata.expect("metadata").user["a"], "1");
        assert_eq!(replaced.tags.expect("tags")["a"], "b");
        assert!(copy(&[("x-amz-metadata-directive", "replace")]).is_err());
        assert!(copy(&[("x-amz-storage-class", "GLACIER")]).is_err());
    }

    #[test]
    fn what_copies_answer() {
        insta::assert_snapshot!(copied_xml(&Copied { written: testing::written(), source_version: None }));
        let part = PartWritten {
            size_bytes: 5,
            etag: testing::etag(),
            modified: testing::MODIFIED,
            checksum: Some(testing::checksum(ChecksumAlgorithm::Crc32, 0)),
            position: Position(3),
            source_version: None,
            encryption: schemas::event::Encryption::Managed,
        };
        insta::assert_snapshot!(part_xml(&part));
    }
}
