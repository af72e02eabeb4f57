//! What answers say of an object: its entry in lists, what a write made, the headers of both.
//!
//! Owns: the spelling of checksums, encryption, compression and classes in this API.

use std::collections::BTreeMap;

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::ETAG;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::{Amended, Caller, ObjectInfo, StoredForm, Written};
use schemas::content::{Checksum, ChecksumType, ETag};
use schemas::event::{Encryption, StorageClass};
use schemas::{BucketName, ObjectKey, VersionId};
use serde::Serialize;
use utoipa::ToSchema;

use super::said::{CHECKSUM, RetentionBody};
use super::{App, answer};

/// A digest as it is shown: base64, with `-N` for one of N parts.
pub(super) fn checksum_text(checksum: &Checksum) -> String {
    let digest = STANDARD.encode(&checksum.digest);
    if checksum.parts > 0 { format!("{digest}-{}", checksum.parts) } else { digest }
}

/// All of them by name. Where there are two of one algorithm the one of the bytes is shown.
pub(super) fn checksums(all: &[Checksum]) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
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

/// The names of headers that say something of an object.
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-lockwell-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-lockwell-delete-marker");

/// Some of them in the document.
pub(super) const WRITTEN_TEXT: [(&str, &str); 8] = [
    ("ETag", "Entity tag of the object, in quotes."),
    ("X-Lockwell-Version-Id", "The version, in a versioned bucket."),
    ("X-Lockwell-Checksum-CRC32", "Base64 of the big-endian digest, if it is known."),
    ("X-Lockwell-Checksum-CRC32C", "The same."),
    ("X-Lockwell-Checksum-CRC64NVME", "The same."),
    ("X-Lockwell-Checksum-SHA1", "The same."),
    ("X-Lockwell-Checksum-SHA256", "The same."),
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
    pub(super) checksums: Option<BTreeMap<String, String>>,
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
            storage_class: info.storage_class.as_str(),
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
    checksums: BTreeMap<String, String>,
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
        storage_class: StorageClass::Standard.as_str(),
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
