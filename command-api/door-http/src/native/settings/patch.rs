//! `PATCH /buckets/{bucket}`: several settings in one call, all of them or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use pipeline::BucketSetting;
use schemas::event::Quota;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::cors::CorsConfiguration;
use super::lifecycle::LifecycleConfiguration;
use super::lock::RetentionOfNew;
use super::quota::NewQuota;
use super::{Answer, App, Ask, Entry, answer, changing, entry};
use crate::native::buckets::{Bucket, GivenVersioning, asked_versioning, shown};
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let patch = changing(Method::PATCH, "/buckets/{bucket}", "updateBucket", "Change several settings of a bucket")
        .about(
            "What is left out stays as it is; null takes a setting away. Everything is checked and changed in one commit: if one \
             setting is refused, nothing has changed. Each needs the same right as when it is set alone. A policy is set alone.",
        )
        .takes::<BucketPatch>()
        .answers::<Bucket>(200, "The bucket.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[409, 501]);
    vec![entry(patch, self::patch)]
}

/// Settings to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BucketPatch {
    /// `enabled` or `suspended`, or whether it is enabled.
    versioning: Option<GivenVersioning>,
    /// The retention of new versions that ask for none, in a bucket with object lock.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<RetentionOfNew>)]
    default_retention: Said<RetentionOfNew>,
    /// The quota.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<NewQuota>)]
    quota: Said<NewQuota>,
    /// The tags.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    tags: Said<BTreeMap<String, String>>,
    /// The CORS rules.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<CorsConfiguration>)]
    cors: Said<CorsConfiguration>,
    /// The lifecycle rules.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<LifecycleConfiguration>)]
    lifecycle: Said<LifecycleConfiguration>,
}

/// Nothing said, taken away, or set.
type Said<T> = Option<Option<T>>;

/// With `default` a field that is left out is none, and one that is null is some none.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Said<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl BucketPatch {
    fn asked(self) -> Result<Vec<BucketSetting>, Problem> {
        let mut settings = Vec::new();
        // First, because a default retention takes versioning.
        if let Some(versioning) = asked_versioning(self.versioning.as_ref())? {
            settings.push(BucketSetting::Versioning(versioning));
        }
        if let Some(default) = self.default_retention {
            settings.push(BucketSetting::DefaultRetention(default.map(|default| default.asked()).transpose()?));
        }
        if let Some(quota) = self.quota {
            let quota = quota.map_or(Ok(Quota::default()), |quota| quota.asked())?;
            settings.push(BucketSetting::Quota(quota));
        }
        if let Some(tags) = self.tags {
            settings.push(BucketSetting::Tags(tags));
        }
        if let Some(cors) = self.cors {
            settings.push(BucketSetting::Cors(cors.map(CorsConfiguration::asked).transpose()?));
        }
        if let Some(rules) = self.lifecycle {
            settings.push(BucketSetting::Lifecycle(rules.map(LifecycleConfiguration::asked).transpose()?));
        }
        Ok(settings)
    }
}

async fn patch(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let settings = ask.json::<BucketPatch>().await?.asked()?;
    if settings.is_empty() {
        return Err(Problem::invalid("the body names no setting to change"));
    }
    let caller = ask.caller()?;
    let at = app.store.change_bucket_settings(caller, &bucket, settings).await?;
    Ok(super::set(&shown(app.store.head_bucket(caller, &bucket).await?), at))
}
