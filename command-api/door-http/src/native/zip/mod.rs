//! `POST /buckets/{bucket}/objects:zip`: many objects as one archive, streamed.
//!
//! Owns: which objects, the order of the archive's bytes.
//! Invariant: an archive that ends is whole: an object that cannot be read, or is not any more what it was when the answer began,
//! breaks the answer off before its announced length. So does a key that stops to work.

mod archive;
mod format;
mod names;

use std::collections::HashSet;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pipeline::{Selected, Selection};
use schemas::{BucketName, ObjectKey};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use self::archive::Archive;
use self::format::File;
use super::ask::{Ask, object_key, unauthorized};
use super::limits::ZIP_OBJECTS_MAX;
use super::{Answer, App, Entry, entry};
use crate::operation::{Content, Operation};
use crate::problem::Problem;

/// Keys of 10,000 objects.
const BODY_BYTES_MAX: usize = 12 << 20;
const DISPOSITION: &str = "response-content-disposition";

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/objects:zip";
    let zip = Operation::new(Method::POST, path, "zipObjects", "objects", "Download many objects as one archive")
        .about(
            "Up to 10,000 objects, named or under a prefix, as a ZIP archive that is sent while it is made. Each must be readable by \
             the caller. Its length is announced; an object that changes or cannot be read meanwhile, or an access key that stops \
             to work, breaks the answer off before it. Names in the archive are the keys, with what would lead elsewhere replaced by `_`. Files are not compressed: \
             what compresses is compressed where it is stored.",
        )
        .query(DISPOSITION, json!({ "type": "string" }), "The answer's `Content-Disposition`.")
        .takes::<ZipRequest>()
        .answers_with(200, "The archive.", Content::Zip)
        .with_headers(&[("Content-Disposition", "A name for the file."), ("Content-Length", "Bytes of the archive.")])
        .refuses(&[404, 405, 410, 413]);
    vec![entry(zip, run)]
}

/// Which objects: `keys` or `prefix`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ZipRequest {
    /// 1 to 10,000 object keys, in the order of the archive.
    #[schema(min_items = 1, max_items = 10000)]
    keys: Option<Vec<String>>,
    /// Every object whose key begins with it, an empty one meaning all of the bucket.
    prefix: Option<String>,
}

impl ZipRequest {
    fn selection(&self) -> Result<Selection, Problem> {
        match (&self.keys, &self.prefix) {
            (Some(keys), None) => {
                if keys.is_empty() || keys.len() > ZIP_OBJECTS_MAX {
                    return Err(Problem::invalid(format!("`keys` must have 1 to {ZIP_OBJECTS_MAX} keys")));
                }
                let mut seen = HashSet::new();
                if !keys.iter().all(|key| seen.insert(key)) {
                    return Err(Problem::invalid("`keys` has a key twice"));
                }
                Ok(Selection::Keys(keys.iter().map(|key| object_key(key)).collect::<Result<_, _>>()?))
            }
            (None, Some(prefix)) if prefix.len() > ObjectKey::BYTES_MAX => {
                Err(Problem::invalid("no key is as long as this `prefix`"))
            }
            (None, Some(prefix)) => Ok(Selection::Prefix(prefix.clone())),
            _ => Err(Problem::invalid("an archive is of `keys` or of a `prefix`")),
        }
    }

    /// What the archive is called: as the last piece of the prefix, or as the bucket.
    fn name(&self, bucket: &BucketName) -> String {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        let last = prefix.split('/').rfind(|piece| !piece.is_empty());
        format!("{}.zip", last.unwrap_or(bucket.as_str()))
    }
}

async fn run(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let wanted: ZipRequest = ask.json_within(BODY_BYTES_MAX).await?;
    let selection = wanted.selection()?;
    let disposition = match ask.words.query.filled(DISPOSITION)? {
        Some(said) => HeaderValue::from_str(said)
            .map_err(|_| Problem::invalid(format!("`{DISPOSITION}` cannot stand in a header")))?,
        None => disposition(&wanted.name(&bucket)),
    };
    let caller = ask.caller()?.clone();
    let holder = archive::holder(&app.store, &caller)?.ok_or_else(unauthorized)?;
    let selected = app.store.select_objects(&caller, &bucket, selection, ZIP_OBJECTS_MAX).await?;
    if selected.is_empty() {
        return Err(Problem::not_found());
    }
    if selected.len() > ZIP_OBJECTS_MAX {
        return Err(Problem::invalid(format!("an archive has at most {ZIP_OBJECTS_MAX} objects")));
    }
    // Thousands of names, each as long as a key: too much for a thread that serves others too.
    let named = tokio::task::spawn_blocking(move || named(selected)).await;
    let (files, length) = named.map_err(|_| Problem::internal("the files of an archive were not named"))?;
    let archive = Archive::new(app.store.clone(), (caller, holder), bucket, files);
    let mut response = Response::new(Body::from_stream(archive.stream()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}

/// Objects and their files, and how many bytes the archive of them has.
fn named(selected: Vec<Selected>) -> (Vec<(Selected, File)>, u64) {
    let mut names = names::Names::default();
    let file = |object: &Selected| File {
        name: names.give(object.key.as_str(), object.size_bytes == 0),
        size_bytes: object.size_bytes,
        modified: object.modified,
    };
    let files: Vec<File> = selected.iter().map(file).collect();
    let length = format::length(&files);
    (selected.into_iter().zip(files).collect(), length)
}

/// A name for old clients, and the same for those that know others than ASCII (RFC 6266).
fn disposition(name: &str) -> HeaderValue {
    let letter = |letter: char| {
        if letter.is_ascii_graphic() && !"\"\\%".contains(letter) || letter == ' ' { letter } else { '_' }
    };
    let plain: String = name.chars().map(letter).collect();
    let whole = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let value = HeaderValue::from_str(&format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}"));
    value.unwrap_or(HeaderValue::from_static("attachment"))
}
