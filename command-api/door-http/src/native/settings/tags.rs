//! `/buckets/{bucket}/tags`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::Configuration;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, App, Ask, Entry, answer, changing, entry, of_bucket};

const PATH: &str = "/buckets/{bucket}/tags";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketTags", "Get the bucket's tags")
        .answers::<BucketTags>(200, "The tags; none of a bucket without.");
    let put = changing(Method::PUT, PATH, "setBucketTags", "Set the bucket's tags")
        .about("Replaces those there are; up to 50.")
        .takes::<BucketTags>()
        .answers::<BucketTags>(200, "The tags as they were set.")
        .with_headers(&[answer::POSITION_TEXT]);
    let delete = of_bucket(Method::DELETE, PATH, "deleteBucketTags", "Remove the bucket's tags")
        .answers_empty(204, "Removed.")
        .with_headers(&[answer::POSITION_TEXT]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete)]
}

/// A tag.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Tag {
    /// Its name.
    pub(super) key: String,
    /// Its value.
    pub(super) value: String,
}

/// The tags of a bucket.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BucketTags {
    /// Values by names.
    tags: BTreeMap<String, String>,
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetBucketTagging, Setting::Tagging);
    let found = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    let tags = match found.as_deref() {
        Some(Event::BucketTaggingSet(set)) => set.tags.clone().unwrap_or_default(),
        _ => BTreeMap::new(),
    };
    Ok(answer::json(StatusCode::OK, &BucketTags { tags }))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let asked: BucketTags = ask.json().await?;
    let configuration = Configuration::Tagging(Some(asked.tags.clone()));
    let at = app.store.configure_bucket(ask.caller()?, &bucket, Action::PutBucketTagging, configuration).await?;
    Ok(super::set(&asked, at))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    super::remove(&app, ask, Action::PutBucketTagging, Configuration::Tagging(None)).await
}
