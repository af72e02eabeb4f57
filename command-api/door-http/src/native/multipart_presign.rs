//! `POST /buckets/{bucket}/multipart-presign/{key...}`: an upload with a signed URL for each of its parts, so that a browser or
//! a worker without a token uploads them beside each other.
//!
//! Owns: how an object is cut into parts.
//! Does not own: whether a URL's token holds and what it names ([`pipeline::Store::signed_url_bearer`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{AskedEncryption, Bounds, CreateUpload, LockAsked, SignedUrl};
use schemas::event::{Headers, Metadata, StorageClass};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Ask, shown_upload};
use super::{Answer, App, Entry, answer, copy, entry, signed_path};
use crate::operation::Operation;
use crate::problem::Problem;

const PART_BYTES_DEFAULT: u64 = 25 << 20;
const PART_BYTES_MIN: u64 = 5 << 20;
const EXPIRES_IN_DEFAULT_S: u64 = 3_600;
const EXPIRES_IN_S: std::ops::RangeInclusive<u64> = 60..=43_200;

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/multipart-presign/{key...}";
    let presign = Operation::new(Method::POST, path, "presignMultipart", "multipart", "Begin an upload of signed parts")
        .about(
            "Begins a multipart upload and answers a signed URL for each part. Each takes one PUT of its part, of no more bytes than \
             the part has, and answers its `ETag`. The upload is completed or given up as any other. The URLs are one entry of \
             `/signed-urls`.",
        )
        .takes::<MultipartPresignRequest>()
        .answers::<SignedUpload>(201, "The upload and the URLs of its parts.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[404, 413, 422]);
    vec![entry(presign, run)]
}

/// An upload that is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct MultipartPresignRequest {
    /// Bytes of the object: 1 to 5 TiB.
    size: u64,
    /// Bytes of each part but the last: 5 MiB to 5 GiB, 25 MiB if nothing is said. At most 10,000 parts.
    part_size: Option<u64>,
    /// Seconds that the URLs work: 60 to 43,200, 3,600 if nothing is said.
    expires_in: Option<u64>,
    /// What the object is.
    content_type: Option<String>,
    /// What is said of the object.
    metadata: Option<BTreeMap<String, String>>,
}

/// An upload with its signed URLs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedUpload {
    bucket: String,
    key: String,
    /// The upload.
    upload_id: String,
    /// What the URLs are revoked by.
    id: String,
    /// Bytes of the object.
    size: u64,
    /// Bytes of each part but the last.
    part_size: u64,
    /// How many parts there are.
    part_count: u64,
    /// When the URLs end.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Seconds that they work.
    expires_in: u64,
    /// By number.
    parts: Vec<SignedPart>,
}

/// A signed URL of a part.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedPart {
    /// From 1 up.
    part_number: u16,
    /// Bytes of it.
    size: u64,
    /// Absolute where the server knows how clients reach it, else the path.
    url: String,
    /// Its path and query.
    path: String,
}

/// Sizes of parts, in order.
///
/// # Errors
/// 422 for sizes out of their bounds, 400 for too many parts.
fn parts(size: u64, part_size: u64, bounds: &Bounds) -> Result<Vec<u64>, Problem> {
    let unfit = |message: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message);
    if !(1..=bounds.object_bytes_max).contains(&size) {
        return Err(unfit(format!("`size` must be 1 to {}", bounds.object_bytes_max)));
    }
    if !(PART_BYTES_MIN..=bounds.part_bytes_max).contains(&part_size) {
        return Err(unfit(format!("`partSize` must be {PART_BYTES_MIN} to {}", bounds.part_bytes_max)));
    }
    let count = size.div_ceil(part_size);
    if count > u64::from(bounds.parts_max) {
        return Err(Problem::invalid(format!(
            "an upload has at most {} parts: this one had {count}",
            bounds.parts_max
        )));
    }
    Ok((0..count).map(|index| part_size.min(size - index * part_size)).collect())
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let (bucket, key) = (ask.bucket()?, ask.key()?);
    let wanted: MultipartPresignRequest = ask.json().await?;
    let part_size = wanted.part_size.unwrap_or(PART_BYTES_DEFAULT);
    let sizes = parts(wanted.size, part_size, &app.store.bounds())?;
    let expires_in = wanted.expires_in.unwrap_or(EXPIRES_IN_DEFAULT_S);
    if !EXPIRES_IN_S.contains(&expires_in) {
        let message = "`expiresIn` must be 60 to 43200 seconds";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", message));
    }
    let headers = Headers { content_type: copy::content_type(wanted.content_type)?, ..Headers::default() };
    let caller = ask.caller()?;
    let request = CreateUpload {
        bucket: bucket.clone(),
        key: key.clone(),
        metadata: Metadata { headers, user: copy::metadata(wanted.metadata.unwrap_or_default())? },
        storage_class: StorageClass::Standard,
        tags: BTreeMap::new(),
        lock: LockAsked::default(),
        acl: None,
        checksum: None,
        encryption: AskedEncryption::Nothing,
    };
    let started = app.store.create_upload(caller, request).await?;
    let url = |(number, size): (u16, &u64)| SignedUrl {
        method: "PUT".to_owned(),
        bucket: bucket.clone(),
        key: key.to_string(),
        part: Some((started.upload, number)),
        bytes_max: Some(*size),
        content_type: None,
    };
    let urls = (1..).zip(&sizes).map(url).collect();
    let (id, minted) = match app.store.sign_urls(caller, urls, expires_in).await {
        Ok(signed) => signed,
        Err(error) => {
            // Nobody would know of the upload. Should this fail too, lifecycle rules give it up.
            let _ = app.store.abort_upload(caller, &bucket, &key, started.upload).await;
            return Err(error.into());
        }
    };
    let expires_at = minted.first().map(|minted| answer::time(minted.expires)).unwrap_or_default();
    let parts = (1..).zip(&sizes).zip(minted).map(|((part_number, size), minted)| {
        let (url, path) = signed_path::of(&app, &bucket, &key, &minted.text);
        SignedPart { part_number, size: *size, url, path }
    });
    let body = SignedUpload {
        bucket: bucket.to_string(),
        key: key.to_string(),
        upload_id: shown_upload(started.upload),
        id,
        size: wanted.size,
        part_size,
        part_count: sizes.len() as u64,
        expires_at,
        expires_in,
        parts: parts.collect(),
    };
    let mut response = answer::json(StatusCode::CREATED, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer::position(response.headers_mut(), started.position);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        put_bytes_max: 5 << 30,
        object_bytes_max: 5 << 40,
        part_bytes_min: 5 << 20,
        part_bytes_max: 5 << 30,
        parts_max: 10_000,
    };
    const MIB: u64 = 1 << 20;

    #[test]
    fn an_object_is_cut_into_parts_of_one_size_and_a_rest() {
        for (size, part_size, expected) in [
            (1, 25 * MIB, vec![1]),
            (25 * MIB, 25 * MIB, vec![25 * MIB]),
            (25 * MIB + 1, 25 * MIB, vec![25 * MIB, 1]),
            (15 * MIB, 5 * MIB, vec![5 * MIB; 3]),
        ] {
            assert_eq!(parts(size, part_size, &BOUNDS), Ok(expected), "{size} by {part_size}");
        }
        assert_eq!(parts(50_000 * MIB, 5 * MIB, &BOUNDS).map(|parts| parts.len()), Ok(10_000));
        assert_eq!(parts(5 << 40, 5 << 30, &BOUNDS).map(|parts| parts.len()), Ok(1_024));
    }

    #[test]
    fn what_cannot_be_cut() {
        for (size, part_size, status) in [
            (0, 25 * MIB, 422),
            ((5 << 40) + 1, 5 << 30, 422),
            (MIB, 5 * MIB - 1, 422),
            (MIB, (5 << 30) + 1, 422),
            (50_000 * MIB + 1, 5 * MIB, 400),
        ] {
            let refused = parts(size, part_size, &BOUNDS).map_err(|problem| problem.status.as_u16());
            assert_eq!(refused, Err(status), "{size} by {part_size}");
        }
    }
}
