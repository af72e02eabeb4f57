//! `POST /buckets/{bucket}/objects:move`.

use std::sync::Arc;

use http::{Method, StatusCode, header};
use pipeline::{ETagCondition, MoveObject, ReadConditions, WriteConditions};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Ask, bucket_name, object_key, version_id};
use super::copy::{destination, saying};
use super::{Answer, App, Entry, answer, entry, said};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/objects:move";
    let operation = Operation::new(Method::POST, path, "moveObject", "objects", "Move or rename an object")
        .about(
            "Within the bucket, or to another one of the tenant. The new object and the removal of the old one are one commit: \
             nobody ever sees both or none. It takes the rights to read and to delete the source and to write the destination. \
             Metadata, tags and storage class go with the object; its lock and access control list do not. In a versioned bucket \
             the source is hidden behind a delete marker, unless `sourceVersionId` names a version, which is removed for good. \
             Objects under a customer's key cannot be moved.",
        )
        .takes::<Move>()
        .answers::<MovedObject>(200, "Moved.")
        .with_headers(&[("ETag", "Entity tag of the object, in quotes."), answer::POSITION_TEXT])
        .refuses(&[404, 405, 410, 412, 413, 507]);
    vec![entry(operation, run)]
}

/// What is to be moved, and where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Move {
    /// The object.
    source_key: String,
    /// A version of it, instead of the current one.
    source_version_id: Option<String>,
    /// Where it goes.
    key: String,
    /// The bucket where it goes; the same if nothing is said.
    bucket: Option<String>,
    /// There must be nothing where it goes.
    #[serde(default)]
    require_absent: bool,
    /// There must be an object with this entity tag where it goes.
    require_match_etag: Option<String>,
    /// The source must have this entity tag.
    if_match: Option<String>,
}

/// What was moved.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MovedObject {
    /// Where it is now.
    bucket: String,
    key: String,
    /// Entity tag, in quotes.
    etag: String,
    /// The new version, in a versioned bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// Bytes.
    size: u64,
    /// When it was moved.
    #[schema(format = DateTime)]
    last_modified: String,
    /// The version that was moved, in a versioned bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_version_id: Option<String>,
    /// Whether the source is hidden behind a delete marker, and not removed for good.
    source_delete_marker: bool,
    /// The delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_delete_marker_version_id: Option<String>,
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let source_bucket = ask.bucket()?;
    let asked: Move = ask.json().await?;
    let bucket = asked.bucket.as_deref().map_or_else(|| Ok(source_bucket.clone()), bucket_name)?;
    let key = object_key(&asked.key)?;
    // Policies hear of each end the conditions that hold there.
    let writer = saying(ask.caller()?, destination(asked.require_absent, asked.require_match_etag.as_deref()));
    let matching = asked.if_match.iter().map(|etag| ("if-match", etag.clone()));
    let remover = saying(ask.caller()?, matching.collect());
    let request = MoveObject {
        source_bucket,
        source_key: object_key(&asked.source_key)?,
        source_version: asked.source_version_id.as_deref().map(version_id).transpose()?,
        source_conditions: ReadConditions {
            if_match: asked.if_match.as_deref().map(said::etag_condition),
            ..ReadConditions::default()
        },
        removal: remover.circumstances,
        bucket: bucket.clone(),
        key: key.clone(),
        conditions: WriteConditions {
            if_match: asked.require_match_etag.as_deref().map(said::etag_condition),
            if_none_match: asked.require_absent.then_some(ETagCondition::Any),
            ..WriteConditions::default()
        },
    };
    let has_marker = request.source_version.is_none();
    let moved = app.store.move_object(&writer, request).await?;
    let etag = format!("\"{}\"", moved.written.etag);
    let marker = has_marker && moved.deleted.delete_marker;
    let shown = MovedObject {
        bucket: bucket.to_string(),
        key: key.to_string(),
        etag: etag.clone(),
        version_id: moved.written.version.map(|version| version.to_string()),
        size: moved.written.size_bytes,
        last_modified: answer::time(moved.written.modified),
        source_version_id: moved.source_version.map(|version| version.to_string()),
        source_delete_marker: marker,
        source_delete_marker_version_id: moved.deleted.version.filter(|_| marker).map(|version| version.to_string()),
    };
    let mut response = answer::json(StatusCode::OK, &shown);
    response.headers_mut().insert(header::ETAG, answer::text_value(etag));
    answer::position(response.headers_mut(), moved.position);
    Ok(response)
}
