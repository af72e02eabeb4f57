//! Uploads in parts.
//!
//! Owns: which path is an upload's and which is a key that looks like one: an upload's id has a form that no key has by accident.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::ETAG;
use http::{Method, StatusCode};
use pipeline::{
    AskedEncryption, CompleteUpload, CompletedPart, CreateUpload, ListParts, ListUploads, LockAsked, UploadPart,
};
use schemas::UploadId;
use schemas::content::ChecksumAlgorithm;
use schemas::event::{Headers, Metadata, StorageClass};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::{Ask, is_upload, shown_upload, upload_id};
use super::copy::{content_type, metadata};
use super::said::RetentionBody;
use super::stored::{self, WrittenObject, quoted};
use super::{Answer, App, Entry, answer, entry, objects, page, said};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "multipart";
const PARTS_MAX: usize = 10_000;
/// 10,000 parts with all their checksums.
const COMPLETION_BYTES_MAX: usize = 8 << 20;

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let list = Operation::new(
        Method::GET,
        "/buckets/{bucket}/multipart",
        "listMultipartUploads",
        TAG,
        "List in-progress multipart uploads",
    )
    .query("prefix", text(), "Only keys that begin with it.")
    .query("delimiter", text(), "Keys that have it behind the prefix are shown as one common prefix.")
    .query("keyMarker", text(), "Only what comes behind this key.")
    .query("uploadIdMarker", text(), "Only uploads of that key behind this one, and later keys.")
    .query("maxUploads", page::schema(), "Most entries of a page.")
    .answers::<UploadList>(200, "Upload list.")
    .refuses(&[404]);
    let complete = Operation::new(
        Method::POST,
        "/buckets/{bucket}/multipart/{uploadId}/complete/{key...}",
        "completeMultipartUpload",
        TAG,
        "Complete a multipart upload",
    )
    .shaped("uploadId", is_upload)
    .about("Every part but the last has 5 MiB at least.")
    .header("If-Match", text(), "Only over an object with this entity tag.")
    .header("If-None-Match", text(), "`*`: only if there is none.")
    .takes::<Completion>()
    .answers::<WrittenObject>(200, "Object assembled.")
    .with_headers(&stored::WRITTEN_TEXT)
    .refuses(&[404, 409, 412, 413, 507]);
    let create = Operation::new(
        Method::POST,
        "/buckets/{bucket}/multipart/{key...}",
        "createMultipartUpload",
        TAG,
        "Create a multipart upload",
    )
    .may_take::<NewUpload>()
    .answers::<Upload>(201, "Upload created.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 409, 413, 501, 507]);
    let part = Operation::new(
        Method::PUT,
        "/buckets/{bucket}/multipart/{uploadId}/parts/{partNumber}/{key...}",
        "uploadPart",
        TAG,
        "Upload a part",
    )
    .path(
        "partNumber",
        json!({ "type": "integer", "minimum": 1, "maximum": PARTS_MAX }),
        "Multipart part number, from 1.",
    );
    let part = objects::checksums(part)
        .takes_bytes()
        .answers::<Part>(200, "Part stored.")
        .with_headers(&[("ETag", "Entity tag of the part, in quotes."), answer::POSITION_TEXT])
        .refuses(&[404, 411, 413, 507]);
    let parts = Operation::new(
        Method::GET,
        "/buckets/{bucket}/multipart/{uploadId}/parts/{key...}",
        "listParts",
        TAG,
        "List uploaded parts",
    )
    .query("maxParts", page::schema(), "Most parts of a page.")
    .query("partNumberMarker", json!({ "type": "integer", "minimum": 0 }), "Only parts behind this one.")
    .answers::<PartList>(200, "Part list.")
    .refuses(&[404]);
    let abort = Operation::new(
        Method::DELETE,
        "/buckets/{bucket}/multipart/{uploadId}/{key...}",
        "abortMultipartUpload",
        TAG,
        "Abort a multipart upload",
    )
    .answers_empty(204, "Aborted.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404]);
    vec![
        entry(list, uploads),
        // Before the creation, whose path fits as well.
        entry(complete, self::complete),
        entry(create, self::create),
        entry(part, self::part),
        entry(parts, self::parts),
        entry(abort, self::abort),
    ]
}

/// What the object of an upload is to be.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewUpload {
    /// What it is.
    content_type: Option<String>,
    /// What is said of it.
    metadata: Option<BTreeMap<String, String>>,
    /// The checksum of its parts: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1` or `SHA256`.
    checksum_algorithm: Option<String>,
    /// Until when it cannot be removed.
    retention: Option<RetentionBody>,
    /// `ON` or `OFF`.
    legal_hold: Option<String>,
    /// Tags, by name.
    tags: Option<BTreeMap<String, String>>,
}

/// An upload.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Upload {
    bucket: String,
    key: String,
    upload_id: String,
}

async fn create(app: Arc<App>, mut ask: Ask) -> Answer {
    said::refuse_others(&ask.words.headers)?;
    let (bucket, key) = (ask.bucket()?, ask.key()?);
    let new: NewUpload = ask.json().await?;
    let algorithm = new.checksum_algorithm.as_deref().map(algorithm).transpose()?;
    let headers = Headers { content_type: content_type(new.content_type)?, ..Headers::default() };
    let lock = LockAsked {
        retention: new.retention.as_ref().map(RetentionBody::parse).transpose()?,
        legal_hold: new.legal_hold.as_deref().map(said::hold).transpose()?,
    };
    let request = CreateUpload {
        bucket: bucket.clone(),
        key: key.clone(),
        metadata: Metadata { headers, user: metadata(new.metadata.unwrap_or_default())? },
        storage_class: StorageClass::Standard,
        tags: new.tags.unwrap_or_default(),
        lock,
        acl: None,
        checksum: algorithm.map(|algorithm| (algorithm, None)),
        encryption: AskedEncryption::Nothing,
    };
    let started = app.store.create_upload(ask.caller()?, request).await?;
    let body = Upload { bucket: bucket.to_string(), key: key.to_string(), upload_id: shown_upload(started.upload) };
    let mut response = answer::json(StatusCode::CREATED, &body);
    answer::position(response.headers_mut(), started.position);
    Ok(response)
}

fn algorithm(text: &str) -> Result<ChecksumAlgorithm, Problem> {
    let known = ChecksumAlgorithm::parse(text);
    known.ok_or_else(|| Problem::invalid("checksums are CRC32, CRC32C, CRC64NVME, SHA1 and SHA256"))
}

/// A part.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    /// Its number, from 1.
    part_number: u16,
    /// Entity tag, in quotes.
    etag: String,
    /// Bytes.
    size: u64,
    /// When it was stored.
    #[schema(format = DateTime)]
    last_modified: String,
    /// Checksums by algorithm in lower case: base64 of the big-endian digest.
    checksums: BTreeMap<String, String>,
}

async fn part(app: Arc<App>, ask: Ask) -> Answer {
    let number = ask.values.get("partNumber").parse().ok().and_then(part_number);
    let number = number.ok_or_else(|| Problem::invalid("a part number is 1 to 10000"))?;
    let upload = ask.upload()?;
    store_part(app, ask, upload, number, None).await
}

/// Stores a part of the upload's object, which the path names, of so many bytes at most.
pub(super) async fn store_part(
    app: Arc<App>,
    mut ask: Ask,
    upload: UploadId,
    number: u16,
    bytes_max: Option<u64>,
) -> Answer {
    said::refuse_others(&ask.words.headers)?;
    let digests = said::digests(&ask.words.headers)?;
    let (bucket, key) = (ask.bucket()?, ask.key()?);
    let body = ask.open(bytes_max)?;
    let request = UploadPart { bucket, key, upload, number, digests, size_bytes: body.size_bytes, customer_key: None };
    let part = app.store.upload_part(ask.caller()?, request, body.stream).await?;
    let etag = quoted(&part.etag);
    let shown = Part {
        part_number: number,
        etag: etag.clone(),
        size: part.size_bytes,
        last_modified: answer::time(part.modified),
        checksums: stored::checksums(part.checksum.as_slice()),
    };
    let mut response = answer::json(StatusCode::OK, &shown);
    let headers = response.headers_mut();
    headers.insert(ETAG, answer::text_value(etag));
    stored::checksum_headers(headers, part.checksum.as_slice());
    answer::position(headers, part.position);
    Ok(response)
}

fn part_number(number: u64) -> Option<u16> {
    u16::try_from(number).ok().filter(|number| (1..=PARTS_MAX).contains(&usize::from(*number)))
}

/// Parts of an upload.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PartList {
    bucket: String,
    key: String,
    upload_id: String,
    /// By number.
    parts: Vec<Part>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_part_number_marker: Option<u16>,
    /// As it was asked for, and no more than 1000.
    max_parts: usize,
}

async fn parts(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let after = match query.get("partNumberMarker")? {
        None => 0,
        Some(text) => {
            let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.ok_or_else(|| Problem::invalid("`partNumberMarker` must be a number"))?
        }
    };
    let (bucket, key, upload) = (ask.bucket()?, ask.key()?, ask.upload()?);
    let max = page::size(query, "maxParts")?;
    let request = ListParts { bucket: bucket.clone(), key: key.clone(), upload, after, max };
    let page = app.store.list_parts(ask.caller()?, request).await?;
    let next = page.parts.last().filter(|_| page.truncated).map(|last| last.number);
    let parts = page.parts.into_iter().map(|part| Part {
        part_number: part.number,
        etag: quoted(&part.etag),
        size: part.size_bytes,
        last_modified: answer::time(part.modified),
        checksums: stored::checksums(part.checksum.as_slice()),
    });
    let body = PartList {
        bucket: bucket.to_string(),
        key: key.to_string(),
        upload_id: shown_upload(upload),
        parts: parts.collect(),
        is_truncated: page.truncated,
        next_part_number_marker: next,
        max_parts: max,
    };
    Ok(answer::json(StatusCode::OK, &body))
}

/// The parts that make the object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Completion {
    /// In rising order of their numbers.
    parts: Vec<NamedPart>,
}

/// A part that was stored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NamedPart {
    /// Its number, from 1.
    part_number: u64,
    /// Its entity tag, with or without quotes.
    etag: String,
    /// One of its checksums, by algorithm.
    checksums: Option<BTreeMap<String, String>>,
}

impl NamedPart {
    fn meant(self) -> Result<CompletedPart, Problem> {
        let number = part_number(self.part_number).ok_or_else(|| Problem::invalid("a part number is 1 to 10000"))?;
        let mut checksums = self.checksums.unwrap_or_default().into_iter();
        let checksum = checksums.next().map(|(name, digest)| {
            let algorithm = algorithm(&name)?;
            Ok::<_, Problem>((algorithm, said::digest(algorithm, &digest)?))
        });
        if checksums.next().is_some() {
            return Err(Problem::invalid("a part is named with one checksum at most"));
        }
        Ok(CompletedPart { number, etag: self.etag, checksum: checksum.transpose()? })
    }
}

async fn complete(app: Arc<App>, mut ask: Ask) -> Answer {
    let (bucket, key, upload) = (ask.bucket()?, ask.key()?, ask.upload()?);
    let conditions = said::write_conditions(&ask)?;
    let Completion { parts } = ask.json_within(COMPLETION_BYTES_MAX).await?;
    if parts.is_empty() || parts.len() > PARTS_MAX {
        return Err(Problem::invalid("an upload is completed with 1 to 10000 parts"));
    }
    let request = CompleteUpload {
        bucket: bucket.clone(),
        key: key.clone(),
        upload,
        parts: parts.into_iter().map(NamedPart::meant).collect::<Result<_, _>>()?,
        conditions,
        checksum: None,
        checksum_type: None,
        size_bytes: None,
        customer_key: None,
    };
    let written = app.store.complete_upload(ask.caller()?, request).await?;
    Ok(stored::written(&app, ask.caller()?, (&bucket, &key), &written).await)
}

async fn abort(app: Arc<App>, ask: Ask) -> Answer {
    let (bucket, key, upload) = (ask.bucket()?, ask.key()?, ask.upload()?);
    let position = app.store.abort_upload(ask.caller()?, &bucket, &key, upload).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

/// An upload in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UploadEntry {
    key: String,
    upload_id: String,
    /// When it began.
    #[schema(format = DateTime)]
    initiated_at: String,
    /// Who began it.
    initiator: String,
    /// Who will own the object.
    owner: String,
    /// Storage class, as S3 spells it.
    storage_class: &'static str,
    /// The checksum of its parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum_algorithm: Option<&'static str>,
}

/// Uploads in progress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UploadList {
    /// By key, then by the time they began.
    uploads: Vec<UploadEntry>,
    /// Groups of keys.
    common_prefixes: Vec<String>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_key_marker: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_upload_id_marker: Option<String>,
}

async fn uploads(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let foreign = || Problem::invalid("`uploadIdMarker` is no upload");
    let after = query.filled("keyMarker")?.map(str::to_owned);
    let after_upload = query.filled("uploadIdMarker")?.map(|text| upload_id(text).ok_or_else(foreign)).transpose()?;
    if after_upload.is_some() && after.is_none() {
        return Err(Problem::invalid("`uploadIdMarker` needs a `keyMarker`"));
    }
    let request = ListUploads {
        bucket: ask.bucket()?,
        prefix: query.get("prefix")?.unwrap_or_default().to_owned(),
        delimiter: query.filled("delimiter")?.map(str::to_owned),
        after,
        after_upload,
        max: page::size(query, "maxUploads")?,
    };
    let page = app.store.list_uploads(ask.caller()?, request).await?;
    let uploads = page.uploads.into_iter().map(|upload| UploadEntry {
        key: upload.key.to_string(),
        upload_id: shown_upload(upload.upload),
        initiated_at: answer::time(upload.initiated),
        initiator: upload.initiator.to_string(),
        owner: upload.owner.to_string(),
        storage_class: upload.storage_class.as_str(),
        checksum_algorithm: upload.checksum.map(|(algorithm, _)| algorithm.as_str()),
    });
    let body = UploadList {
        uploads: uploads.collect(),
        common_prefixes: page.common_prefixes,
        is_truncated: page.truncated,
        next_key_marker: page.next_after.filter(|_| page.truncated),
        next_upload_id_marker: page.next_upload.filter(|_| page.truncated).map(shown_upload),
    };
    Ok(answer::json(StatusCode::OK, &body))
}
