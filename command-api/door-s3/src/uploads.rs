//! ListMultipartUploads and ListParts.

use axum::response::Response;
use pipeline::{ListParts, ListUploads, PartsPage, UploadsPage};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::lifecycle::announce_abort;
use crate::list::{Encoding, PAGE_MAX, bounded, checksum_xml};
use crate::multipart::upload_id;
use crate::names::Names;
use crate::service::App;
use crate::xml::{Xml, timestamp};

pub(crate) async fn list(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = asked_uploads(ask)?;
    let encoding = Encoding::asked(&ask.query)?;
    let page = app.store.list_uploads(&ask.caller, request.clone()).await?;
    let people = page.uploads.iter().flat_map(|upload| [&upload.initiator, &upload.owner]);
    let names = Names::of(app, ask, people)?;
    Ok(answer::xml(uploads_xml(&names, &request, encoding, &page)))
}

fn asked_uploads(ask: &Ask) -> Result<ListUploads, DoorError> {
    let after = ask.query.filled("key-marker").map(str::to_owned);
    let reason = "Invalid uploadId marker";
    let marker = ask
        .query
        .filled("upload-id-marker")
        .map(|text| text.parse().map_err(|_| DoorError::InvalidArgument { name: "upload-id-marker", reason }));
    // Without a key marker it means nothing, says the reference.
    let after_upload = if after.is_some() { marker.transpose()? } else { None };
    Ok(ListUploads {
        bucket: ask.bucket(),
        prefix: ask.query.get("prefix").unwrap_or_default().to_owned(),
        delimiter: ask.query.filled("delimiter").map(str::to_owned),
        after,
        after_upload,
        max: bounded(&ask.query, "max-uploads", PAGE_MAX)?,
    })
}

fn uploads_xml(names: &Names, request: &ListUploads, encoding: Encoding, page: &UploadsPage) -> String {
    let truncated = page.truncated && request.max > 0;
    Xml::document("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", request.bucket.as_str());
        encoding.text(xml, "KeyMarker", request.after.as_deref().unwrap_or_default());
        xml.text("UploadIdMarker", &request.after_upload.map(|upload| upload.to_string()).unwrap_or_default());
        encoding.optional(xml, "NextKeyMarker", page.next_after.as_deref().filter(|_| truncated));
        xml.optional("NextUploadIdMarker", page.next_upload.filter(|_| truncated));
        encoding.text(xml, "Prefix", &request.prefix);
        encoding.optional(xml, "Delimiter", request.delimiter.as_deref());
        encoding.mention(xml);
        xml.value("MaxUploads", request.max);
        xml.value("IsTruncated", truncated);
        for upload in &page.uploads {
            xml.group("Upload", |xml| {
                encoding.text(xml, "Key", upload.key.as_str());
                xml.value("UploadId", upload.upload);
                xml.person("Initiator", upload.initiator.as_str(), names.get(&upload.initiator));
                xml.person("Owner", upload.owner.as_str(), names.get(&upload.owner));
                xml.text("StorageClass", upload.storage_class.as_str());
                xml.text("Initiated", &timestamp(upload.initiated));
                checksum_xml(xml, upload.checksum);
            });
        }
        encoding.groups(xml, &page.common_prefixes);
    })
}

pub(crate) async fn parts(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = asked_parts(ask)?;
    let page = app.store.list_parts(&ask.caller, request.clone()).await?;
    let names = Names::of(app, ask, [&page.initiator, &page.owner])?;
    let mut response = answer::xml(parts_xml(&names, &request, &page));
    announce_abort(response.headers_mut(), page.abort.as_ref());
    Ok(response)
}

fn asked_parts(ask: &Ask) -> Result<ListParts, DoorError> {
    let after = bounded(&ask.query, "part-number-marker", usize::from(u16::MAX))?;
    // No marker is the beginning, unlike no bound, which is the most.
    let after = if ask.query.filled("part-number-marker").is_some() { after } else { 0 };
    Ok(ListParts {
        bucket: ask.bucket(),
        key: ask.key(),
        upload: upload_id(ask)?,
        after: u16::try_from(after).unwrap_or(u16::MAX),
        max: bounded(&ask.query, "max-parts", PAGE_MAX)?,
    })
}

fn parts_xml(names: &Names, request: &ListParts, page: &PartsPage) -> String {
    let truncated = page.truncated && request.max > 0;
    Xml::document("ListPartsResult", |xml| {
        xml.text("Bucket", request.bucket.as_str());
        xml.text("Key", request.key.as_str());
        xml.value("UploadId", request.upload);
        xml.value("PartNumberMarker", request.after);
        xml.value("NextPartNumberMarker", page.parts.last().map_or(request.after, |part| part.number));
        xml.value("MaxParts", request.max);
        xml.value("IsTruncated", truncated);
        for part in &page.parts {
            xml.group("Part", |xml| {
                xml.value("PartNumber", part.number);
                xml.text("LastModified", &timestamp(part.modified));
                xml.value("ETag", format_args!("\"{}\"", part.etag));
                xml.value("Size", part.size_bytes);
                if let Some(checksum) = &part.checksum {
                    answer::checksum_xml(xml, checksum);
                }
            });
        }
        xml.person("Initiator", page.initiator.as_str(), names.get(&page.initiator));
        xml.person("Owner", page.owner.as_str(), names.get(&page.owner));
        xml.text("StorageClass", page.storage_class.as_str());
        checksum_xml(xml, page.checksum);
    })
}

#[cfg(test)]
mod tests {
    use pipeline::{ListedPart, ListedUpload};
    use schemas::content::{ChecksumAlgorithm, ChecksumType};
    use schemas::event::StorageClass;
    use schemas::{ObjectKey, UploadId, UserId};

    use super::*;
    use crate::testing;

    const CHECKSUM: Option<(ChecksumAlgorithm, ChecksumType)> =
        Some((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));

    #[test]
    fn a_page_of_uploads() {
        let upload = ListedUpload {
            key: ObjectKey::parse("a b").expect("a key"),
            upload: UploadId([7; 16]),
            initiated: testing::MODIFIED,
            initiator: UserId::parse("someone").expect("a user"),
            owner: testing::caller().user(),
            storage_class: StorageClass::Standard,
            checksum: CHECKSUM,
        };
        let page = UploadsPage {
            uploads: vec![upload],
            common_prefixes: vec!["c/".into()],
            truncated: true,
            next_after: Some("c/".into()),
            next_upload: None,
        };
        let ask = testing::ask("GET /bucket?uploads&delimiter=/&encoding-type=url&upload-id-marker=x", &[]);
        let request = asked_uploads(&ask).expect("a request");
        insta::assert_snapshot!(uploads_xml(&testing::names(), &request, Encoding::Url, &page));
    }

    #[test]
    fn a_page_of_parts() {
        let part = ListedPart {
            number: 3,
            size_bytes: 5,
            etag: testing::etag(),
            modified: testing::MODIFIED,
            checksum: Some(testing::checksum(ChecksumAlgorithm::Crc64Nvme, 0)),
        };
        let page = PartsPage {
            parts: vec![part],
            truncated: true,
            checksum: CHECKSUM,
            initiator: testing::caller().user(),
            owner: testing::caller().user(),
            storage_class: StorageClass::Standard,
            abort: None,
        };
        let upload = UploadId([7; 16]);
        let ask = testing::ask(&format!("GET /bucket/key?uploadId={upload}&part-number-marker=2&max-parts=1"), &[]);
        let request = asked_parts(&ask).expect("a request");
        assert_eq!((request.after, request.max), (2, 1));
        insta::assert_snapshot!(parts_xml(&testing::names(), &request, &page));
        let whole = asked_parts(&testing::ask(&format!("GET /bucket/key?uploadId={upload}"), &[])).expect("a request");
        assert_eq!((whole.after, whole.max), (0, 1000));
    }
}
