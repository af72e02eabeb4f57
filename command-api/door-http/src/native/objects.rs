//! Objects: put, get, head, delete, and what is known of one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pipeline::{AskedEncryption, DeleteObject, GetObject, ObjectInfo, PutObject, RangeSpec, StoredForm};
use schemas::event::{Cause, StorageClass};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::stored::{self, ObjectEntry, WrittenObject};
use super::{Answer, App, Entry, answer, entry, idempotency, receipt, said};
use crate::operation::{Content, Operation};
use crate::problem::{Problem, http_date};

const TAG: &str = "objects";
const PATH: &str = "/buckets/{bucket}/objects/{key...}";
/// What is answered when nobody said what it is.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What an answer says of an object, in the document.
pub(super) const OBJECT_HEADERS: [(&str, &str); 17] = [
    ("ETag", "Entity tag, in quotes."),
    ("Last-Modified", "When it was made."),
    ("Accept-Ranges", "`bytes`."),
    ("X-Lockwell-Version-Id", "The version, in a versioned bucket."),
    ("X-Lockwell-Checksum-CRC32", "Base64 of the big-endian digest, if it is known."),
    ("X-Lockwell-Checksum-CRC32C", "The same."),
    ("X-Lockwell-Checksum-CRC64NVME", "The same."),
    ("X-Lockwell-Checksum-SHA1", "The same."),
    ("X-Lockwell-Checksum-SHA256", "The same."),
    ("X-Lockwell-Encryption", "How it is encrypted."),
    ("X-Lockwell-Compression", "`zstd` or `none`."),
    ("X-Lockwell-Storage-Class", "Storage class, as S3 spells it."),
    ("X-Lockwell-Retention-Mode", "`GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`."),
    ("X-Lockwell-Retain-Until", "Until when it cannot be removed."),
    ("X-Lockwell-Legal-Hold", "`ON` or `OFF`."),
    ("X-Lockwell-Content-Length", "Bytes of the whole object."),
    ("X-Lockwell-Stored-Length", "Bytes that it takes on disk, where they are in one place."),
];

/// The parameters of every read of an object.
pub(super) fn reading(operation: Operation) -> Operation {
    let text = || json!({ "type": "string" });
    operation
        .query("response-content-type", text(), "Another `Content-Type` for the answer; also `responseContentType`.")
        .query(
            "response-content-disposition",
            text(),
            "Another `Content-Disposition`; also `responseContentDisposition`. `attachment` alone gets the last piece of the key \
             for a file name.",
        )
        .query("response-content-encoding", text(), "Another `Content-Encoding`; also `responseContentEncoding`.")
        .query("response-content-language", text(), "Another `Content-Language`; also `responseContentLanguage`.")
        .query("response-cache-control", text(), "Another `Cache-Control`; also `responseCacheControl`.")
        .query("response-expires", text(), "Another `Expires`; also `responseExpires`.")
        .header("Range", text(), "One range of bytes: `bytes=0-99`, `bytes=100-`, `bytes=-100`.")
        .header("If-Match", text(), "Only if it has this entity tag.")
        .header("If-None-Match", text(), "Only if it has another one.")
        .header("If-Modified-Since", text(), "Only if it was made since.")
        .header("If-Unmodified-Since", text(), "Only if it was not.")
        .refuses(&[304, 404, 405, 410, 412, 416])
}

/// The headers of every write of an object.
pub(super) fn writing(operation: Operation) -> Operation {
    let text = || json!({ "type": "string" });
    let operation = operation.header("If-Match", text(), "Only over an object with this entity tag.").header(
        "If-None-Match",
        text(),
        "`*`: only if there is none.",
    );
    checksums(operation).takes_bytes()
}

/// The headers of whatever comes with checksums.
pub(super) fn checksums(operation: Operation) -> Operation {
    let text = || json!({ "type": "string" });
    operation
        .header("X-Lockwell-Checksum-CRC32", text(), "Base64 of the digest; compared before anything is stored.")
        .header("X-Lockwell-Checksum-CRC32C", text(), "The same.")
        .header("X-Lockwell-Checksum-CRC64NVME", text(), "The same.")
        .header("X-Lockwell-Checksum-SHA1", text(), "The same.")
        .header("X-Lockwell-Checksum-SHA256", text(), "The same.")
}

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let version = |operation: Operation| {
        operation.query("versionId", json!({ "type": "string" }), "A version, instead of the current one.")
    };
    let get = Operation::new(Method::GET, PATH, "getObject", TAG, "Download an object (Range supported)")
        .about("Its metadata comes as `X-Lockwell-Meta-*`.");
    let get = reading(version(get))
        .answers_with(200, "Object body.", Content::Stored)
        .with_headers(&OBJECT_HEADERS)
        .answers_with(206, "The range that was asked for.", Content::Stored)
        .with_headers(&OBJECT_HEADERS);
    let put = Operation::new(Method::PUT, PATH, "putObject", TAG, "Upload an object (streaming, conditional, idempotent)")
        .about(
            "`Content-Type` is kept and answered. Metadata comes as `X-Lockwell-Meta-*`, or `x-amz-meta-*`. With an `Idempotency-Key` at least one checksum has to come: \
             the key is bound to the body by it. A request that comes again is answered as the first one was.",
        );
    let put = receipt::receipted(writing(put))
        .header("X-Lockwell-Retention-Mode", text(), "`GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.")
        .header("X-Lockwell-Retain-Until", text(), "Until when it cannot be removed, RFC 3339.")
        .header("X-Lockwell-Legal-Hold", text(), "`ON` or `OFF`.")
        .header("X-Lockwell-Tagging", text(), "Tags, as a query: `a=1&b=2`.")
        .answers::<WrittenObject>(200, "Stored.")
        .with_headers(&stored::WRITTEN_TEXT)
        .with_headers(&[receipt::TEXT])
        .refuses(&[404, 409, 411, 412, 413, 501, 507]);
    let delete = Operation::new(Method::DELETE, PATH, "deleteObject", TAG, "Delete an object")
        .about(
            "An absent key is no error. In a versioned bucket a delete marker hides the object; with `versionId` the version or \
             marker is removed for good, unless it is locked.",
        );
    let delete = receipt::receipted(version(delete))
        .header("If-Match", text(), "Only if it has this entity tag.")
        .answers::<Deleted>(200, "Delete marker created.")
        .with_headers(&[answer::POSITION_TEXT, receipt::TEXT])
        .answers_empty(204, "Deleted for good, or there was nothing.")
        .with_headers(&[answer::POSITION_TEXT, receipt::TEXT])
        .refuses(&[404, 412]);
    let head = Operation::new(Method::HEAD, PATH, "headObject", TAG, "Object metadata only")
        .about("As a GET answers, without the bytes. `X-Lockwell-Error-Code` says what an error's body would.");
    let head = reading(version(head))
        .answers_empty(200, "Metadata headers.")
        .with_headers(&OBJECT_HEADERS)
        .answers_empty(206, "The same of a range.");
    let metadata = Operation::new(
        Method::GET,
        "/buckets/{bucket}/object-metadata/{key...}",
        "getObjectMetadata",
        TAG,
        "What is known of an object, as JSON",
    );
    let metadata = version(metadata).answers::<ObjectMetadata>(200, "All but its bytes.").refuses(&[404, 405, 410]);
    vec![
        entry(get, self::get),
        entry(put, self::put),
        entry(delete, self::delete),
        entry(head, self::head),
        entry(metadata, self::metadata),
    ]
}

pub(super) async fn put(app: Arc<App>, ask: Ask) -> Answer {
    put_within(app, ask, None).await
}

/// The same with a bound on its bytes.
pub(super) async fn put_within(app: Arc<App>, mut ask: Ask, bytes_max: Option<u64>) -> Answer {
    let headers = &ask.words.headers;
    said::refuse_others(headers)?;
    let digests = said::digests(headers)?;
    idempotency::check_put(&ask, &digests)?;
    let command = ask.command;
    let mut request = PutObject {
        bucket: ask.bucket()?,
        key: ask.key()?,
        metadata: said::metadata(headers)?,
        storage_class: StorageClass::Standard,
        tags: said::tags(&ask)?,
        lock: said::lock(&ask)?,
        acl: None,
        conditions: said::write_conditions(&ask)?,
        digests,
        size_bytes: None,
        cause: Cause::Put,
        command,
        encryption: AskedEncryption::Nothing,
    };
    let body = ask.open(bytes_max)?;
    request.size_bytes = body.size_bytes;
    let (bucket, key) = (request.bucket.clone(), request.key.clone());
    let written = app.store.put_object(ask.caller()?, request, body.stream).await?;
    Ok(stored::written(&app, ask.caller()?, (&bucket, &key), &written).await)
}

/// Who may give an answer other headers than the object has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrides {
    /// Whoever asks.
    All,
    /// The answer may be made a download and nothing else: whoever was given a signed URL must not make a page of it.
    DownloadOnly,
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    get_with(app, ask, Overrides::All).await
}

pub(super) async fn get_with(app: Arc<App>, ask: Ask, overrides: Overrides) -> Answer {
    let overridden = overridden(&ask, overrides)?;
    let request = asked(&ask)?;
    let bucket = request.bucket.clone();
    let read = app.store.get_object(ask.caller()?, request).await?;
    let kept = app.store.stored_form(ask.caller()?, &bucket, read.info.content).await;
    let body = Body::from_stream(read.body.inspect(|piece| {
        if let Err(error) = piece {
            tracing::error!(%error, "an answer broke off");
        }
    }));
    let mut response = Response::new(body);
    describe(&mut response, &read.info, kept, (read.range, read.length_bytes));
    response.headers_mut().extend(overridden);
    Ok(response)
}

async fn head(app: Arc<App>, ask: Ask) -> Answer {
    head_with(app, ask, Overrides::All).await
}

pub(super) async fn head_with(app: Arc<App>, ask: Ask, overrides: Overrides) -> Answer {
    let overridden = overridden(&ask, overrides)?;
    let request = asked(&ask)?;
    let bucket = request.bucket.clone();
    let read = app.store.head_object(ask.caller()?, request).await?;
    let kept = app.store.stored_form(ask.caller()?, &bucket, read.info.content).await;
    let mut response = answer::empty(StatusCode::OK);
    describe(&mut response, &read.info, kept, (read.range, read.length_bytes));
    response.headers_mut().extend(overridden);
    Ok(response)
}

fn asked(ask: &Ask) -> Result<GetObject, Problem> {
    Ok(GetObject {
        bucket: ask.bucket()?,
        key: ask.key()?,
        version: ask.version()?,
        part_number: None,
        range: ask.header("range")?.and_then(RangeSpec::parse),
        conditions: said::read_conditions(ask)?,
        customer_key: None,
    })
}

/// Everything an answer says of the object.
fn describe(
    response: &mut Response,
    info: &ObjectInfo,
    kept: Option<StoredForm>,
    (range, length_bytes): (Option<(u64, u64)>, u64),
) {
    let headers = response.headers_mut();
    standard(headers, info);
    let mut insert = |name: &'static str, value: HeaderValue| headers.insert(HeaderName::from_static(name), value);
    insert("x-lockwell-encryption", HeaderValue::from_static(stored::encryption_name(&info.encryption)));
    insert("x-lockwell-storage-class", HeaderValue::from_static(info.storage_class.as_str()));
    insert("x-lockwell-content-length", HeaderValue::from(info.size_bytes));
    insert(said::HOLD, HeaderValue::from_static(said::hold_name(info.legal_hold)));
    if let Some(kept) = kept {
        insert("x-lockwell-compression", HeaderValue::from_static(stored::compression_name(kept)));
        if let Some(bytes) = kept.bytes {
            insert("x-lockwell-stored-length", HeaderValue::from(bytes));
        }
    }
    if let Some(retention) = info.retention {
        insert(said::MODE, HeaderValue::from_static(retention.mode.as_str()));
        insert(said::UNTIL, answer::text_value(answer::time(retention.until)));
    }
    if info.tags_count > 0 {
        insert("x-lockwell-tag-count", HeaderValue::from(info.tags_count));
    }
    if info.parts_count > 0 {
        insert("x-lockwell-part-count", HeaderValue::from(info.parts_count));
    }
    for (name, text) in &info.metadata.user {
        // What another door took may be text that no header can carry: `object-metadata` has it.
        let name = HeaderName::try_from(format!("x-lockwell-meta-{name}"));
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(text.as_bytes())) {
            headers.insert(name, value);
        }
    }
    stored::checksum_headers(headers, &info.checksums);
    stored::version(headers, info.version);
    headers.insert(ETAG, answer::text_value(stored::quoted(&info.etag)));
    headers.insert(LAST_MODIFIED, http_date(info.modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length_bytes));
    if let Some((first, last)) = range {
        headers.insert(CONTENT_RANGE, answer::text_value(format_args!("bytes {first}-{last}/{}", info.size_bytes)));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
}

/// The standard headers that are kept with the object.
fn standard(headers: &mut HeaderMap, info: &ObjectInfo) {
    let kept = &info.metadata.headers;
    headers.insert(CONTENT_TYPE, UNKNOWN_TYPE);
    for (name, text) in [
        (CONTENT_TYPE, &kept.content_type),
        (CACHE_CONTROL, &kept.cache_control),
        (CONTENT_DISPOSITION, &kept.content_disposition),
        (CONTENT_ENCODING, &kept.content_encoding),
        (CONTENT_LANGUAGE, &kept.content_language),
        (EXPIRES, &kept.expires),
    ] {
        if let Some(value) = text.as_deref().and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
            headers.insert(name, value);
        }
    }
}

/// `response-content-type` and its fellows, by S3's names or this API's own.
fn overridden(ask: &Ask, overrides: Overrides) -> Result<HeaderMap, Problem> {
    let query = &ask.words.query;
    let mut headers = HeaderMap::new();
    for (names, header) in [
        (["response-content-type", "responseContentType"], CONTENT_TYPE),
        (["response-content-disposition", "responseContentDisposition"], CONTENT_DISPOSITION),
        (["response-content-encoding", "responseContentEncoding"], CONTENT_ENCODING),
        (["response-content-language", "responseContentLanguage"], CONTENT_LANGUAGE),
        (["response-cache-control", "responseCacheControl"], CACHE_CONTROL),
        (["response-expires", "responseExpires"], EXPIRES),
    ] {
        let [one, other] = names;
        let text = match (query.filled(one)?, query.filled(other)?) {
            (Some(_), Some(_)) => return Err(Problem::invalid(format!("`{one}` and `{other}` are the same"))),
            (one, other) => match one.or(other) {
                Some(text) => text,
                None => continue,
            },
        };
        let is_download =
            header == CONTENT_DISPOSITION && text.trim_start().to_ascii_lowercase().starts_with("attachment");
        if overrides == Overrides::DownloadOnly && !is_download {
            return Err(Problem::invalid(format!("`{one}` is not for a signed URL, but to make it an attachment")));
        }
        let text = if header == CONTENT_DISPOSITION { disposition(text, ask) } else { text.to_owned() };
        let value = HeaderValue::from_bytes(text.as_bytes());
        headers.insert(header, value.map_err(|_| Problem::invalid(format!("`{one}` cannot stand in a header")))?);
    }
    Ok(headers)
}

/// `attachment` alone gets the last piece of the key for a file name.
fn disposition(text: &str, ask: &Ask) -> String {
    let kind = text.trim();
    let name = ask.values.get("key").trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() || !["attachment", "inline"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
        return text.to_owned();
    }
    let escaped = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("{kind}; filename*=UTF-8''{escaped}")
}

/// What deleting did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    /// Always true.
    deleted: bool,
    /// Whether a delete marker was made.
    delete_marker: bool,
    /// The delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_marker_version_id: Option<String>,
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let version = ask.version()?;
    let request = DeleteObject {
        bucket: ask.bucket()?,
        key: ask.key()?,
        version,
        conditions: said::write_conditions(&ask)?,
        bypass_governance: false,
    };
    let deleted = app.store.delete_object(ask.caller()?, request).await?;
    let mut response = if version.is_none() && deleted.delete_marker {
        let marker = deleted.version.map(|version| version.to_string());
        let body = Deleted {
            deleted: true,
            delete_marker: true,
            version_id: marker.clone(),
            delete_marker_version_id: marker,
        };
        answer::json(StatusCode::OK, &body)
    } else {
        answer::empty(StatusCode::NO_CONTENT)
    };
    let headers = response.headers_mut();
    stored::version(headers, deleted.version);
    if deleted.delete_marker {
        stored::delete_marker(headers);
    }
    if let Some(position) = deleted.position {
        answer::position(headers, position);
    }
    Ok(response)
}

/// What is known of an object.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectMetadata {
    /// Bucket.
    bucket: String,
    #[serde(flatten)]
    entry: ObjectEntry,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    /// What its writer said of it.
    metadata: BTreeMap<String, String>,
    /// Number of its tags.
    tag_count: usize,
    /// Bytes that it takes on disk, where they are in one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_length: Option<u64>,
}

async fn metadata(app: Arc<App>, ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let request = GetObject { range: None, conditions: pipeline::ReadConditions::default(), ..asked(&ask)? };
    let info = app.store.head_object(ask.caller()?, request).await?.info;
    let kept = app.store.stored_form(ask.caller()?, &bucket, info.content).await;
    let entry = ObjectEntry::of(&info, kept);
    let standard = info.metadata.headers;
    let mut response = answer::json(
        StatusCode::OK,
        &ObjectMetadata {
            bucket: bucket.to_string(),
            entry,
            content_type: standard.content_type,
            cache_control: standard.cache_control,
            content_disposition: standard.content_disposition,
            content_encoding: standard.content_encoding,
            content_language: standard.content_language,
            expires: standard.expires,
            metadata: info.metadata.user,
            tag_count: info.tags_count,
            stored_length: kept.and_then(|kept| kept.bytes),
        },
    );
    stored::version(response.headers_mut(), info.version);
    Ok(response)
}
