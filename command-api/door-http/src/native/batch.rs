//! `objects:batchDelete`: many deletes, each with its own result.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::{Deleted, StoreError, WriteConditions};
use schemas::{ObjectKey, VersionId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::{Ask, object_key, version_id};
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const OBJECTS_MAX: usize = 1_000;
/// A thousand keys of 1,024 bytes, each escaped as long as JSON lets it be.
const BODY_BYTES_MAX: usize = 8 << 20;

pub(super) fn operations() -> Vec<Entry> {
    let batch = Operation::new(
        Method::POST,
        "/buckets/{bucket}/objects:batchDelete",
        "batchDeleteObjects",
        "objects",
        "Batch delete objects",
    )
    .about("At most 1,000. What cannot be deleted stands among the errors and keeps no other from being deleted.")
    .takes::<Batch>()
    .answers::<Results>(200, "Per-key delete results.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 413]);
    vec![entry(batch, run)]
}

/// What is to be deleted: `objects`, or `keys`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Batch {
    /// Objects, or versions of them.
    objects: Option<Vec<Named>>,
    /// Keys of objects.
    keys: Option<Vec<String>>,
    /// Whether only errors are answered.
    #[serde(default)]
    quiet: bool,
}

/// An object, or a version of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Named {
    /// Its key.
    key: String,
    /// The version.
    version_id: Option<String>,
}

/// What became of each.
#[derive(Serialize, ToSchema)]
struct Results {
    /// What was deleted, or was not there.
    deleted: Vec<DeletedEntry>,
    /// What was not.
    errors: Vec<ErrorEntry>,
}

/// What was deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeletedEntry {
    /// As it was named.
    key: String,
    /// As it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// Whether a delete marker was made, or one was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_marker: Option<bool>,
    /// Which.
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_marker_version_id: Option<String>,
}

/// What was not deleted, and why.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ErrorEntry {
    /// As it was named.
    key: String,
    /// As it was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<String>,
    /// The code that a problem would have.
    code: &'static str,
    /// For people.
    message: String,
}

fn meant(named: &Named) -> Result<(ObjectKey, Option<VersionId>, WriteConditions), Problem> {
    let version = named.version_id.as_deref().map(version_id).transpose()?;
    Ok((object_key(&named.key)?, version, WriteConditions::default()))
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let Batch { objects, keys, quiet } = ask.json_within(BODY_BYTES_MAX).await?;
    let named = match (objects, keys) {
        (Some(objects), None) => objects,
        (None, Some(keys)) => keys.into_iter().map(|key| Named { key, version_id: None }).collect(),
        _ => return Err(Problem::invalid("the body has either `objects` or `keys`")),
    };
    if named.is_empty() || named.len() > OBJECTS_MAX {
        return Err(Problem::invalid("a batch has 1 to 1000 objects"));
    }
    let asked: Vec<_> = named.iter().map(meant).collect();
    let good = asked.iter().filter_map(|meant| meant.clone().ok()).collect();
    let mut answers = app.store.delete_objects(ask.caller()?, &bucket, good, false).await?.into_iter();
    let mut results = Results { deleted: Vec::new(), errors: Vec::new() };
    let mut position = None;
    for (named, asked) in named.into_iter().zip(asked) {
        let done = match asked {
            Ok(_) => answers.next().unwrap_or(Err(StoreError::Unavailable)).map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        match done {
            Ok(done) => {
                position = position.max(done.position);
                if !quiet {
                    results.deleted.push(deleted(named, &done));
                }
            }
            Err(Problem { status, code, message, .. }) => {
                // The batch is answered with a success: whoever looks for denials finds this one by itself.
                let version = named.version_id.as_deref();
                ask.visit.trace.also(status.as_u16(), code, Some(&named.key), version);
                results.errors.push(ErrorEntry { key: named.key, version_id: named.version_id, code, message });
            }
        }
    }
    let mut response = answer::json(StatusCode::OK, &results);
    if let Some(position) = position {
        answer::position(response.headers_mut(), position);
    }
    Ok(response)
}

fn deleted(named: Named, done: &Deleted) -> DeletedEntry {
    let marker = done.version.filter(|_| done.delete_marker).map(|version| version.to_string());
    DeletedEntry {
        key: named.key,
        version_id: named.version_id,
        delete_marker: done.delete_marker.then_some(true),
        delete_marker_version_id: marker,
    }
}
