//! `/buckets/{bucket}/quota` and `/buckets/{bucket}/stats`.

use std::sync::Arc;

use http::{Method, StatusCode};
use schemas::event::Quota;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, App, Ask, Entry, answer, changing, entry, of_bucket};
use crate::native::account::QuotaState;
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/quota";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketQuota", "Get the bucket's quota")
        .answers::<QuotaState>(200, "The quota, and what is held under it.");
    let put = changing(Method::PUT, PATH, "setBucketQuota", "Set the bucket's quota")
        .about(
            "Replaces the one there is; a bound that is left out or null does not bound. What is held already stays, and only less \
             is taken. The tenant's own quota holds beside it.",
        )
        .takes::<NewQuota>()
        .answers::<QuotaState>(200, "The quota, and what is held under it.")
        .with_headers(&[answer::POSITION_TEXT]);
    let delete = of_bucket(Method::DELETE, PATH, "deleteBucketQuota", "Remove the bucket's quota")
        .answers_empty(204, "Removed.")
        .with_headers(&[answer::POSITION_TEXT]);
    let stats = of_bucket(Method::GET, "/buckets/{bucket}/stats", "getBucketStats", "Get what the bucket holds")
        .about("From counters that every commit keeps: exact, and as cheap for a large bucket as for a small one.")
        .answers::<BucketStats>(200, "What it holds.");
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete), entry(stats, self::stats)]
}

/// Bounds: at least one of them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewQuota {
    /// Most bytes, of current and noncurrent versions and of parts of open uploads.
    bytes: Option<u64>,
    /// Most current objects.
    objects: Option<u64>,
}

impl NewQuota {
    /// # Errors
    /// It bounds nothing.
    pub(super) fn asked(&self) -> Result<Quota, Problem> {
        let quota = Quota { bytes: self.bytes, objects: self.objects };
        if quota == Quota::default() {
            return Err(Problem::invalid("a quota has `bytes`, `objects` or both"));
        }
        Ok(quota)
    }
}

/// What a bucket holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BucketStats {
    /// The bucket.
    bucket: String,
    /// Current objects.
    objects: u64,
    /// Versions, delete markers included.
    versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    logical_bytes: u64,
    /// Open uploads.
    uploads: u64,
    /// Plaintext bytes of their parts.
    multipart_bytes: u64,
    /// The bucket's quota, and what is held under it.
    quota: QuotaState,
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let info = app.store.bucket_quota(ask.caller()?, &ask.bucket()?).await?;
    Ok(answer::json(StatusCode::OK, &QuotaState::of(&info)))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let quota = ask.json::<NewQuota>().await?.asked()?;
    let at = app.store.set_bucket_quota(ask.caller()?, &bucket, quota).await?;
    let info = app.store.bucket_quota(ask.caller()?, &bucket).await?;
    Ok(super::set(&QuotaState::of(&info), at))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let at = app.store.set_bucket_quota(ask.caller()?, &ask.bucket()?, Quota::default()).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, at))
}

async fn stats(app: Arc<App>, ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let held = app.store.bucket_stats(ask.caller()?, &bucket).await?;
    let shown = BucketStats {
        bucket: bucket.to_string(),
        objects: held.objects,
        versions: held.versions,
        logical_bytes: held.logical_bytes,
        uploads: held.uploads,
        multipart_bytes: held.multipart_bytes,
        quota: QuotaState::of(&held.quota),
    };
    Ok(answer::json(StatusCode::OK, &shown))
}
