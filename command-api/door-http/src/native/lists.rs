//! Lists: current objects, and versions with their delete markers.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::{Caller, DescribedObject, ListObjects, ListVersions, ListedVersion};
use schemas::content::ETag;
use schemas::{BucketName, ObjectKey, Time, VersionId};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::{Ask, version_id};
use super::stored::{self, Details, ObjectEntry};
use super::{Answer, App, Entry, answer, entry, page, past};
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean", "default": true });
    let about_details = "Whether checksums, encryption, compression, retention and the like are wanted for each entry.";
    let objects = Operation::new(
        Method::GET,
        "/buckets/{bucket}/objects",
        "listObjects",
        "objects",
        "List objects (prefix, delimiter, continuation)",
    )
    .query("prefix", text(), "Only keys that begin with it.")
    .query("delimiter", text(), "Keys that have it behind the prefix are shown as one common prefix.")
    .query("maxKeys", page::schema(), "Most keys and common prefixes of a page.")
    .query("continuationToken", text(), "Where the page before ended.")
    .query("startAfter", text(), "Only keys behind it.")
    .query("details", flag(), about_details)
    .answers::<ObjectList>(200, "Object listing.")
    .refuses(&[404]);
    let versions = Operation::new(
        Method::GET,
        "/buckets/{bucket}/versions",
        "listVersions",
        "versions",
        "List versions and delete markers (keyMarker, versionIdMarker)",
    )
    .query("prefix", text(), "Only keys that begin with it.")
    .query("delimiter", text(), "Keys that have it behind the prefix are shown as one common prefix.")
    .query("maxKeys", page::schema(), "Most entries of a page.")
    .query("keyMarker", text(), "Only what comes behind this key.")
    .query("versionIdMarker", text(), "Only versions of that key older than this one, and later keys.")
    .query("details", flag(), about_details)
    .answers::<VersionList>(200, "Version listing.")
    .refuses(&[404]);
    vec![entry(objects, self::objects), entry(versions, self::versions)]
}

/// A page of objects.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectList {
    /// By key, as bytes.
    objects: Vec<ObjectEntry>,
    /// Groups of keys.
    common_prefixes: Vec<String>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
    /// Keys and common prefixes of this page.
    key_count: usize,
    /// As it was asked for.
    prefix: String,
    /// As it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    /// As it was asked for, and no more than 1000.
    max_keys: usize,
}

async fn objects(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let token = page::after_at(query)?;
    let caller = &past::going_on(ask.caller()?, token.is_some(), token.as_ref().and_then(|(_, at)| *at))?;
    let after = match token {
        Some((after, _)) => Some(after),
        None => query.filled("startAfter")?.map(str::to_owned),
    };
    let request = ListObjects {
        bucket: ask.bucket()?,
        prefix: query.get("prefix")?.unwrap_or_default().to_owned(),
        delimiter: query.filled("delimiter")?.map(str::to_owned),
        after,
        max: page::size(query, "maxKeys")?,
    };
    let details = query.flag("details", true)?;
    let listed = app.store.list_objects(caller, request.clone()).await?;
    let past = caller.circumstances.past.as_ref();
    let at = past.and_then(|past| past.found()).map(|found| found.at.position);
    let keys = listed.entries.iter().map(|it| (it.key.clone(), None)).collect();
    let described = described(&app, caller, &request.bucket, keys, details).await?;
    let objects = listed.entries.into_iter().zip(described).map(|(it, described)| {
        // It may have become another since it was listed.
        let same = described.filter(|of| is_same(of, (&it.etag, it.modified)));
        let version_id = same.as_ref().and_then(|of| of.info.version).map(|version| version.to_string());
        ObjectEntry {
            key: it.key.to_string(),
            size: it.size_bytes,
            etag: stored::quoted(&it.etag),
            last_modified: answer::time(it.modified),
            storage_class: it.storage_class.as_str(),
            owner: it.owner.to_string(),
            version_id,
            details: same.map(|of| Details::of(&of.info, of.stored)).unwrap_or_default(),
        }
    });
    let objects: Vec<_> = objects.collect();
    let page = ObjectList {
        key_count: objects.len() + listed.common_prefixes.len(),
        objects,
        common_prefixes: listed.common_prefixes,
        is_truncated: listed.truncated,
        next_continuation_token: listed
            .next_after
            .as_deref()
            .filter(|_| listed.truncated)
            .map(|after| page::token_at(after, at)),
        prefix: request.prefix,
        delimiter: request.delimiter,
        max_keys: request.max,
    };
    let mut response = answer::json(StatusCode::OK, &page);
    past::say(response.headers_mut(), past);
    Ok(response)
}

async fn described(
    app: &App,
    caller: &Caller,
    bucket: &BucketName,
    objects: Vec<(ObjectKey, Option<VersionId>)>,
    wanted: bool,
) -> Result<Vec<Option<DescribedObject>>, Problem> {
    if !wanted {
        return Ok(objects.iter().map(|_| None).collect());
    }
    Ok(app.store.describe_objects(caller, bucket, objects).await?)
}

fn is_same(described: &DescribedObject, (etag, modified): (&ETag, Time)) -> bool {
    described.info.etag == *etag && described.info.modified == modified
}

/// A version or delete marker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VersionEntry {
    /// Its key.
    key: String,
    /// The version.
    version_id: String,
    /// Whether it is the current one.
    is_latest: bool,
    /// Whether it is a delete marker.
    is_delete_marker: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    last_modified: String,
    /// Who owns it.
    owner: String,
    /// Entity tag, in quotes; not of a delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// Bytes; not of a delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// Storage class; not of a delete marker.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_class: Option<&'static str>,
    #[serde(flatten)]
    details: Details,
}

/// A page of versions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VersionList {
    /// Versions by key, newest first.
    versions: Vec<VersionEntry>,
    /// Delete markers by key, newest first.
    delete_markers: Vec<VersionEntry>,
    /// Groups of keys.
    common_prefixes: Vec<String>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_key_marker: Option<String>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_version_id_marker: Option<String>,
    /// As it was asked for.
    prefix: String,
    /// As it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    delimiter: Option<String>,
    /// As it was asked for, and no more than 1000.
    max_keys: usize,
}

async fn versions(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let after = query.filled("keyMarker")?.map(str::to_owned);
    let after_version = query.filled("versionIdMarker")?.map(version_id).transpose()?;
    if after_version.is_some() && after.is_none() {
        return Err(Problem::invalid("`versionIdMarker` needs a `keyMarker`"));
    }
    let request = ListVersions {
        bucket: ask.bucket()?,
        prefix: query.get("prefix")?.unwrap_or_default().to_owned(),
        delimiter: query.filled("delimiter")?.map(str::to_owned),
        after,
        after_version,
        max: page::size(query, "maxKeys")?,
    };
    let details = query.flag("details", true)?;
    let caller = ask.caller()?;
    let listed = app.store.list_versions(caller, request.clone()).await?;
    let (markers, versions): (Vec<_>, Vec<_>) = listed.entries.into_iter().partition(|it| it.is_marker);
    let wanted = versions.iter().map(|it| (it.key.clone(), Some(it.version))).collect();
    let described = described(&app, caller, &request.bucket, wanted, details).await?;
    let versions = versions.iter().zip(described).map(|(it, described)| {
        let same = described.filter(|of| is_same(of, (&it.etag, it.modified)));
        VersionEntry {
            etag: Some(stored::quoted(&it.etag)),
            size: Some(it.size_bytes),
            storage_class: Some(it.storage_class.as_str()),
            details: same.map(|of| Details::of(&of.info, of.stored)).unwrap_or_default(),
            ..bare(it)
        }
    });
    let page = VersionList {
        versions: versions.collect(),
        delete_markers: markers.iter().map(bare).collect(),
        common_prefixes: listed.common_prefixes,
        is_truncated: listed.truncated,
        next_key_marker: listed.next_after.filter(|_| listed.truncated),
        next_version_id_marker: listed.next_version.filter(|_| listed.truncated).map(|version| version.to_string()),
        prefix: request.prefix,
        delimiter: request.delimiter,
        max_keys: request.max,
    };
    Ok(answer::json(StatusCode::OK, &page))
}

/// What versions and delete markers have in common.
fn bare(it: &ListedVersion) -> VersionEntry {
    VersionEntry {
        key: it.key.to_string(),
        version_id: it.version.to_string(),
        is_latest: it.is_latest,
        is_delete_marker: it.is_marker,
        last_modified: answer::time(it.modified),
        owner: it.owner.to_string(),
        etag: None,
        size: None,
        storage_class: None,
        details: Details::default(),
    }
}
