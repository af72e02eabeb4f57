//! What is said of an object beside its bytes: by the headers of a write, and in every answer that speaks of one.
//!
//! Owns: the spelling of metadata, checksums, encryption, retention and classes in this API.

use std::collections::BTreeMap;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::ETAG;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::{
    Amended, Caller, Digests, ETagCondition, ExpectedDigest, LockAsked, ObjectInfo, ReadConditions, StoredForm,
    WriteConditions, Written,
};
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::{Encryption, Headers, Metadata, Retention, RetentionMode, StorageClass};
use schemas::{BucketName, ObjectKey, Time, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::buckets::mode_name;
use super::{App, answer};
use crate::problem::Problem;
use crate::query::Query;

const META: [&str; 2] = ["x-lockwell-meta-", "x-amz-meta-"];
const CHECKSUM: &str = "x-lockwell-checksum-";

/// Checksums by algorithm, as base64 of their big-endian bytes.
pub(super) type Checksums = BTreeMap<String, String>;

/// Text of a header. Bytes that are not UTF-8 have no place in JSON.
fn text(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let text = std::str::from_utf8(value.as_bytes());
    text.map(str::to_owned).map_err(|_| Problem::invalid(format!("the header `{name}` is not UTF-8")))
}

/// Standard headers, `X-Lockwell-Meta-*` and `x-amz-meta-*`.
///
/// # Errors
/// A name that is there twice, or text that is none.
pub(super) fn metadata(headers: &HeaderMap) -> Result<Metadata, Problem> {
    let mut user = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(meta) = META.iter().find_map(|prefix| name.as_str().strip_prefix(prefix)) else { continue };
        if meta.is_empty() {
            return Err(Problem::invalid("metadata needs a name"));
        }
        if user.insert(meta.to_owned(), text(name, value)?).is_some() {
            return Err(Problem::invalid(format!("the metadata `{meta}` is there twice")));
        }
    }
    let kept = |name: &'static str| {
        let name = HeaderName::from_static(name);
        let value = headers.get(&name).map(|value| text(&name, value)).transpose()?;
        Ok::<_, Problem>(value.filter(|text| !text.is_empty()))
    };
    let headers = Headers {
        content_type: kept("content-type")?,
        cache_control: kept("cache-control")?,
        content_disposition: kept("content-disposition")?,
        content_encoding: kept("content-encoding")?,
        content_language: kept("content-language")?,
        expires: kept("expires")?,
        website_redirect: None,
    };
    Ok(Metadata { headers, user })
}

/// `X-Lockwell-Checksum-*`: to be compared before anything is committed.
///
/// # Errors
/// An algorithm that nobody knows, a value that is none, or one algorithm twice.
pub(super) fn digests(headers: &HeaderMap) -> Result<Digests, Problem> {
    let mut checksums: Vec<(ChecksumAlgorithm, ExpectedDigest)> = Vec::new();
    for (name, value) in headers {
        let Some(of) = name.as_str().strip_prefix(CHECKSUM) else { continue };
        // A checksum that cannot be compared must not be passed over.
        let algorithm = ChecksumAlgorithm::parse(of)
            .ok_or_else(|| Problem::invalid("checksums are CRC32, CRC32C, CRC64NVME, SHA1 and SHA256"))?;
        let digest = digest(algorithm, &text(name, value)?)?;
        if checksums.iter().any(|(known, _)| *known == algorithm) {
            return Err(Problem::invalid(format!("the checksum {} is there twice", algorithm.as_str())));
        }
        checksums.push((algorithm, ExpectedDigest::Known(digest)));
    }
    Ok(Digests { checksums, ..Digests::default() })
}

/// # Errors
/// Text that is no digest of the algorithm.
pub(super) fn digest(algorithm: ChecksumAlgorithm, text: &str) -> Result<Vec<u8>, Problem> {
    let digest = STANDARD.decode(text.trim()).ok().filter(|digest| digest.len() == algorithm.digest_bytes());
    digest.ok_or_else(|| {
        let (name, bytes) = (algorithm.as_str(), algorithm.digest_bytes());
        Problem::invalid(format!("a {name} checksum is base64 of {bytes} bytes"))
    })
}

/// If-Match and If-None-Match of a write.
///
/// # Errors
/// A header that is no text.
pub(super) fn write_conditions(ask: &Ask) -> Result<WriteConditions, Problem> {
    Ok(WriteConditions {
        if_match: etags(ask, "if-match")?,
        if_none_match: etags(ask, "if-none-match")?,
        ..WriteConditions::default()
    })
}

/// If-Match and its three fellows.
///
/// # Errors
/// A header that is no text.
pub(super) fn read_conditions(ask: &Ask) -> Result<ReadConditions, Problem> {
    // RFC 9110 section 13.1.3: a date that is none is as if it were not there.
    let date = |name| Ok::<_, Problem>(ask.header(name)?.and_then(seconds));
    Ok(ReadConditions {
        if_match: etags(ask, "if-match")?,
        if_none_match: etags(ask, "if-none-match")?,
        if_modified_since_s: date("if-modified-since")?,
        if_unmodified_since_s: date("if-unmodified-since")?,
    })
}

fn etags(ask: &Ask, name: &'static str) -> Result<Option<ETagCondition>, Problem> {
    let values = ask.words.headers.get_all(name).iter();
    let name = HeaderName::from_static(name);
    let texts = values.map(|value| text(&name, value)).collect::<Result<Vec<_>, _>>()?;
    Ok((!texts.is_empty()).then(|| etag_condition(&texts.join(","))))
}

/// `*`, or tags with commas between them, with or without quotes. A weak tag stays one: the decision knows what it matches.
pub(super) fn etag_condition(text: &str) -> ETagCondition {
    if text.trim() == "*" {
        return ETagCondition::Any;
    }
    ETagCondition::OneOf(text.split(',').map(|tag| tag.trim().to_owned()).collect())
}

/// An HTTP date, or RFC 3339. Seconds of the Unix epoch; before it there was no object.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        return time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs());
    }
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok()
}

/// Retention of a version.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RetentionBody {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub(super) mode: String,
    /// Until when, RFC 3339.
    #[schema(format = DateTime)]
    pub(super) retain_until: String,
}

impl RetentionBody {
    pub(super) fn of(retention: Retention) -> Self {
        Self { mode: mode_name(retention.mode).to_owned(), retain_until: answer::time(retention.until) }
    }

    /// # Errors
    /// A mode or time that is none.
    pub(super) fn parse(&self) -> Result<Retention, Problem> {
        let modes = [RetentionMode::Governance, RetentionMode::Compliance];
        let mode = modes.into_iter().find(|mode| mode_name(*mode) == self.mode);
        let mode = mode.ok_or_else(|| Problem::invalid("the retention mode must be GOVERNANCE or COMPLIANCE"))?;
        let until = retention_end(&self.retain_until);
        let until = until.ok_or_else(|| Problem::invalid("the retention must end at a time as RFC 3339 writes it"))?;
        Ok(Retention { mode, until })
    }
}

/// To the millisecond, as it is shown. What is finer is rounded up, for no retention ends before the time that was asked for.
fn retention_end(text: &str) -> Option<Time> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let nanoseconds = u128::try_from(time.as_nanosecond()).unwrap_or(0);
    let milliseconds = u64::try_from(nanoseconds.div_ceil(1_000_000)).ok()?;
    Some(Time(milliseconds.checked_mul(1_000)?))
}

/// `ON` or `OFF`.
///
/// # Errors
/// Neither.
pub(super) fn hold(text: &str) -> Result<bool, Problem> {
    match text {
        "ON" => Ok(true),
        "OFF" => Ok(false),
        _ => Err(Problem::invalid("a legal hold is ON or OFF")),
    }
}

/// As this API spells it.
pub(super) fn hold_name(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// `X-Lockwell-Retention-Mode`, `X-Lockwell-Retain-Until`, `X-Lockwell-Legal-Hold`.
///
/// # Errors
/// One of the first two without the other, or a value that is none.
pub(super) fn lock(ask: &Ask) -> Result<LockAsked, Problem> {
    let retention = match (ask.header(MODE)?, ask.header(UNTIL)?) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            Some(RetentionBody { mode: mode.to_owned(), retain_until: until.to_owned() }.parse()?)
        }
        _ => return Err(Problem::invalid("a retention needs both its mode and its end")),
    };
    Ok(LockAsked { retention, legal_hold: ask.header(HOLD)?.map(hold).transpose()? })
}

pub(super) const MODE: &str = "x-lockwell-retention-mode";
pub(super) const UNTIL: &str = "x-lockwell-retain-until";
pub(super) const HOLD: &str = "x-lockwell-legal-hold";
pub(super) const TAGGING: &str = "x-lockwell-tagging";

/// `X-Lockwell-Tagging`: a query of names and values.
///
/// # Errors
/// A name that is there twice, or escapes that are none.
pub(super) fn tags(ask: &Ask) -> Result<BTreeMap<String, String>, Problem> {
    let query = Query::parse(ask.header(TAGGING)?)?;
    let mut tags = BTreeMap::new();
    for (name, value) in query.into_pairs() {
        if tags.contains_key(&name) {
            return Err(Problem::invalid("a tag is there twice"));
        }
        tags.insert(name, value);
    }
    Ok(tags)
}

/// Refuses what S3 clients say by headers and this API by others: passed over in silence it would have no effect.
///
/// # Errors
/// 501, with the header.
pub(super) fn refuse_others(headers: &HeaderMap) -> Result<(), Problem> {
    const OTHERS: [&str; 9] = [
        "x-amz-acl",
        "x-amz-grant-",
        "x-amz-server-side-encryption",
        "x-amz-object-lock-",
        "x-amz-tagging",
        "x-amz-checksum-",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-lockwell-storage-class",
    ];
    let known = |name: &&HeaderName| OTHERS.iter().any(|other| name.as_str().starts_with(other));
    match headers.keys().find(known) {
        Some(name) => Err(Problem::not_implemented(&format!("the native API does nothing about the header `{name}`"))),
        None => Ok(()),
    }
}

/// A digest as it is shown: base64, with `-N` for one of N parts.
pub(super) fn checksum_text(checksum: &Checksum) -> String {
    let digest = STANDARD.encode(&checksum.digest);
    if checksum.parts > 0 { format!("{digest}-{}", checksum.parts) } else { digest }
}

/// All of them by name. Where there are two of one algorithm the one of the bytes is shown.
pub(super) fn checksums(all: &[Checksum]) -> Checksums {
    let mut shown = Checksums::new();
    for checksum in all {
        let name = checksum.algorithm.as_str().to_ascii_lowercase();
        if checksum.covers == ChecksumType::FullObject || !shown.contains_key(&name) {
            shown.insert(name, checksum_text(checksum));
        }
    }
    shown
}

/// `"etag"`.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}

/// As this API spells it.
pub(super) fn encryption_name(encryption: &Encryption) -> &'static str {
    match encryption {
        Encryption::Managed => "aes-256-gcm",
        Encryption::Kms { .. } => "aws:kms",
        Encryption::Customer { .. } => "sse-c",
    }
}

/// As S3 spells it.
pub(super) fn class_name(class: StorageClass) -> &'static str {
    match class {
        StorageClass::Standard => "STANDARD",
        StorageClass::ReducedRedundancy => "REDUCED_REDUNDANCY",
        StorageClass::StandardIa => "STANDARD_IA",
        StorageClass::OnezoneIa => "ONEZONE_IA",
        StorageClass::IntelligentTiering => "INTELLIGENT_TIERING",
    }
}

/// The names of headers that say something of an object.
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-lockwell-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-lockwell-delete-marker");

/// Some of them in the document.
pub(super) const WRITTEN_TEXT: [(&str, &str); 4] = [
    ("ETag", "Entity tag of the object, in quotes."),
    ("X-Lockwell-Version-Id", "The version, in a versioned bucket."),
    ("X-Lockwell-Checksum-*", "Its checksums, one header for each: base64 of the big-endian digest."),
    answer::POSITION_TEXT,
];

/// `X-Lockwell-Version-Id`, unless the bucket was never versioned.
pub(super) fn version(headers: &mut HeaderMap, version: Option<VersionId>) {
    if let Some(version) = version {
        headers.insert(VERSION_ID, answer::text_value(version));
    }
}

/// `X-Lockwell-Delete-Marker`.
pub(super) fn delete_marker(headers: &mut HeaderMap) {
    headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
}

/// `X-Lockwell-Checksum-*`.
pub(super) fn checksum_headers(headers: &mut HeaderMap, all: &[Checksum]) {
    for (name, value) in checksums(all) {
        if let Ok(name) = HeaderName::try_from(format!("{CHECKSUM}{name}")) {
            headers.insert(name, answer::text_value(value));
        }
    }
}

/// An object as a list or an answer of its own shows it. What is not there, or not for the caller to see, is left out.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectEntry {
    /// Its key.
    pub(super) key: String,
    /// Bytes.
    pub(super) size: u64,
    /// Entity tag, in quotes as in the header.
    pub(super) etag: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(super) last_modified: String,
    /// Storage class, as S3 spells it.
    pub(super) storage_class: &'static str,
    /// Who owns it.
    pub(super) owner: String,
    /// The version, in a versioned bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version_id: Option<String>,
    #[serde(flatten)]
    pub(super) details: Details,
}

/// What lists add of an object that the caller may read.
#[derive(Serialize, ToSchema, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    /// Checksums by algorithm in lower case: base64 of the big-endian digest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) checksums: Option<Checksums>,
    /// `aes-256-gcm` by the bucket's keys, `aws:kms` by a named key, `sse-c` by the customer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encryption: Option<&'static str>,
    /// `zstd` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compression: Option<&'static str>,
    /// Until when it cannot be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retention: Option<RetentionBody>,
    /// `ON`, if there is a legal hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) legal_hold: Option<&'static str>,
    /// Parts that it was uploaded in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part_count: Option<u32>,
}

impl Details {
    pub(super) fn of(info: &ObjectInfo, stored: Option<StoredForm>) -> Self {
        Self {
            checksums: Some(checksums(&info.checksums)),
            encryption: Some(encryption_name(&info.encryption)),
            compression: stored.map(compression_name),
            retention: info.retention.map(RetentionBody::of),
            legal_hold: info.legal_hold.then_some("ON"),
            part_count: (info.parts_count > 0).then_some(info.parts_count),
        }
    }
}

impl ObjectEntry {
    pub(super) fn of(info: &ObjectInfo, stored: Option<StoredForm>) -> Self {
        Self {
            key: info.key.to_string(),
            size: info.size_bytes,
            etag: quoted(&info.etag),
            last_modified: answer::time(info.modified),
            storage_class: class_name(info.storage_class),
            owner: info.owner.to_string(),
            version_id: info.version.map(|version| version.to_string()),
            details: Details::of(info, stored),
        }
    }
}

/// As this API spells it.
pub(super) fn compression_name(stored: StoredForm) -> &'static str {
    if stored.compressed { "zstd" } else { "none" }
}

/// What a write made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WrittenObject {
    /// Bucket.
    bucket: String,
    /// Key.
    key: String,
    /// Entity tag, in quotes as in the header.
    etag: String,
    /// The version, in a versioned bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// Bytes.
    size: u64,
    /// Checksums by algorithm in lower case: base64 of the big-endian digest.
    checksums: Checksums,
    /// `aes-256-gcm` by the bucket's keys, `aws:kms` by a named key.
    encryption: &'static str,
    /// `zstd` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    compression: Option<&'static str>,
    /// Storage class, as S3 spells it.
    storage_class: &'static str,
    /// When it was made.
    #[schema(format = DateTime)]
    last_modified: String,
    /// Parts that it was uploaded in.
    #[serde(skip_serializing_if = "Option::is_none")]
    part_count: Option<u32>,
}

/// The answer to a write of an object.
pub(super) async fn written(
    app: &App,
    caller: &Caller,
    (bucket, key): (&BucketName, &ObjectKey),
    written: &Written,
) -> Response {
    let stored = app.store.stored_form(caller, bucket, written.content).await;
    // Where versioning is suspended no version is named: a client keeps what it is told, and `null` is soon another's.
    let made = written.version.filter(|version| *version != VersionId::Null);
    let body = WrittenObject {
        bucket: bucket.to_string(),
        key: key.to_string(),
        etag: quoted(&written.etag),
        version_id: made.map(|version| version.to_string()),
        size: written.size_bytes,
        checksums: checksums(&written.checksums),
        encryption: encryption_name(&written.encryption),
        compression: stored.map(compression_name),
        storage_class: class_name(StorageClass::Standard),
        last_modified: answer::time(written.modified),
        part_count: (written.etag.parts > 0).then_some(written.etag.parts),
    };
    let mut response = answer::json(StatusCode::OK, &body);
    let headers = response.headers_mut();
    headers.insert(ETAG, answer::text_value(quoted(&written.etag)));
    version(headers, made);
    checksum_headers(headers, &written.checksums);
    answer::position(headers, written.position);
    response
}

/// The answer to a change of a version.
pub(super) fn amended(mut response: Response, amended: &Amended) -> Response {
    let headers = response.headers_mut();
    version(headers, amended.version);
    answer::position(headers, amended.position);
    response
}
