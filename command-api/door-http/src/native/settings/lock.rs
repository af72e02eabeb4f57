//! `/buckets/{bucket}/object-lock`.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::Configuration;
use schemas::action::Action;
use schemas::event::{DefaultRetention, RetentionMode, RetentionPeriod};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Answer, App, Ask, Entry, answer, changing, entry, of_bucket};
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/object-lock";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketObjectLock", "Get object lock")
        .answers::<ObjectLock>(200, "Whether versions can be locked, and the default retention.");
    let put = changing(Method::PUT, PATH, "setBucketObjectLock", "Set object lock")
        .about("The lock never goes off again. It takes versioning. Without a rule new versions get no retention by default.")
        .takes::<NewObjectLock>()
        .answers::<ObjectLock>(200, "As it was set.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[409]);
    vec![entry(get, self::get), entry(put, self::put)]
}

/// Whether versions of a bucket can be locked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObjectLock {
    /// Whether they can.
    object_lock_enabled: bool,
    /// What new versions get that ask for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<ObjectLockRule>,
}

/// Object lock as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewObjectLock {
    /// `true`, or `Enabled` as S3 spells it.
    #[schema(value_type = bool)]
    object_lock_enabled: serde_json::Value,
    /// What new versions get that ask for nothing.
    rule: Option<ObjectLockRule>,
}

/// What new versions get that ask for nothing.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ObjectLockRule {
    default_retention: RetentionOfNew,
}

/// A retention that begins with each version: of days or of years.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetentionOfNew {
    /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
    mode: String,
    /// 1 to 36,500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// 1 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    years: Option<u32>,
}

impl RetentionOfNew {
    pub(super) fn of(default: DefaultRetention) -> Self {
        let (days, years) = match default.period {
            RetentionPeriod::Days(days) => (Some(days), None),
            RetentionPeriod::Years(years) => (None, Some(years)),
        };
        Self { mode: default.mode.as_str().to_owned(), days, years }
    }

    /// # Errors
    /// A mode that is none, or not one of days and years. How many there may be is decided when it is set.
    pub(super) fn asked(&self) -> Result<DefaultRetention, Problem> {
        let mode = RetentionMode::parse(&self.mode);
        let mode =
            mode.ok_or_else(|| Problem::invalid("the retention mode must be GOVERNANCE, COMPLIANCE or AUDIT_TRAIL"))?;
        let period = match (self.days, self.years) {
            (Some(days), None) => RetentionPeriod::Days(days),
            (None, Some(years)) => RetentionPeriod::Years(years),
            _ => return Err(Problem::invalid("a default retention has either `days` or `years`")),
        };
        Ok(DefaultRetention { mode, period })
    }
}

fn shown(enabled: bool, default: Option<DefaultRetention>) -> ObjectLock {
    let rule = default.map(|default| ObjectLockRule { default_retention: RetentionOfNew::of(default) });
    ObjectLock { object_lock_enabled: enabled, rule }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let action = Action::GetBucketObjectLockConfiguration;
    let bucket = app.store.get_bucket(ask.caller()?, &ask.bucket()?, None, action).await?;
    Ok(answer::json(StatusCode::OK, &shown(bucket.object_lock, bucket.default_retention)))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let NewObjectLock { object_lock_enabled, rule } = ask.json().await?;
    if object_lock_enabled != serde_json::json!(true) && object_lock_enabled != serde_json::json!("Enabled") {
        return Err(Problem::invalid("`objectLockEnabled` must be true: a lock does not go off"));
    }
    let default = rule.map(|rule| rule.default_retention.asked()).transpose()?;
    let action = Action::PutBucketObjectLockConfiguration;
    let configuration = Configuration::ObjectLock(default);
    let at = app.store.configure_bucket(ask.caller()?, &bucket, action, configuration).await?;
    Ok(super::set(&shown(true, default), at))
}
