//! Buckets: list, create, get, delete, versioning.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::{AskedBase, BaseInfo, BucketInfo, CreateBucket};
use schemas::event::{RetentionPeriod, Versioning};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::{Ask, bucket_name};
use super::webhooks::words::point;
use super::{Answer, App, Entry, answer, entry, page};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "buckets";

pub(super) fn operations() -> Vec<Entry> {
    let list = Operation::new(Method::GET, "/buckets", "listBuckets", TAG, "List the tenant's buckets")
        .about("Those that the access key has something to do with, by name.")
        .query("prefix", json!({ "type": "string" }), "Only names that begin with it.")
        .query("maxKeys", page::schema(), "Most buckets of a page.")
        .query("continuationToken", json!({ "type": "string" }), "Where the page before ended.")
        .answers::<BucketList>(200, "A page of buckets.");
    let create = Operation::new(Method::POST, "/buckets", "createBucket", TAG, "Create a private bucket")
        .about(
            "It is always private. Object lock implies versioning, and is there from the start or never. It takes an access key \
             that may administer the bucket.",
        )
        .takes::<NewBucket>()
        .answers::<Bucket>(201, "The bucket.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[404, 409, 410, 413, 507]);
    let get = Operation::new(Method::GET, "/buckets/{bucket}", "getBucket", TAG, "Get a bucket")
        .answers::<Bucket>(200, "The bucket.")
        .refuses(&[404]);
    let delete = Operation::new(Method::DELETE, "/buckets/{bucket}", "deleteBucket", TAG, "Delete an empty bucket")
        .answers_empty(204, "Deleted.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[404, 409]);
    let versioning = Operation::new(
        Method::GET,
        "/buckets/{bucket}/versioning",
        "getBucketVersioning",
        TAG,
        "Get the versioning state",
    )
    .answers::<VersioningState>(200, "The versioning state.")
    .refuses(&[404]);
    let set_versioning = Operation::new(
        Method::PUT,
        "/buckets/{bucket}/versioning",
        "setBucketVersioning",
        TAG,
        "Set the versioning state",
    )
    .takes::<NewVersioning>()
    .answers::<VersioningState>(200, "The versioning state.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 409, 413]);
    vec![
        entry(list, self::list),
        entry(create, self::create),
        entry(get, self::get),
        entry(delete, self::delete),
        entry(versioning, self::versioning),
        entry(set_versioning, self::set_versioning),
    ]
}

/// A bucket.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bucket {
    /// Its name, unique in the tenant.
    name: String,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// `enabled`, `suspended` or `disabled`.
    versioning: &'static str,
    /// Whether its versions can be locked.
    object_lock_enabled: bool,
    /// The retention of new versions that ask for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_retention: Option<DefaultRetention>,
    /// Its region.
    region: String,
    /// Who owns it.
    owner: String,
    /// What it shows of another bucket, if it is a view of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    view_of: Option<Base>,
    /// What it began with of another bucket, if it is a fork of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork_of: Option<Base>,
}

/// Another bucket as of a point.
#[derive(Serialize, ToSchema)]
struct Base {
    /// Its name.
    bucket: String,
    /// The last event that is shown.
    position: u64,
    /// When that happened.
    #[schema(format = DateTime)]
    time: String,
}

/// The retention of new versions that ask for none: of days or of years.
#[derive(Serialize, ToSchema)]
struct DefaultRetention {
    /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    years: Option<u32>,
}

/// A page of buckets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BucketList {
    /// By name.
    buckets: Vec<Bucket>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
}

/// A bucket that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewBucket {
    /// 3 to 63 lower-case letters, digits, dots and hyphens.
    name: String,
    /// `enabled`, `suspended` or `disabled`, in any case, or whether it is enabled.
    versioning: Option<GivenVersioning>,
    /// Whether its versions can be locked.
    object_lock_enabled: Option<bool>,
    /// The same by another name.
    object_lock: Option<bool>,
    /// The bucket is to show what another one was, and cannot be written.
    view_of: Option<NewBase>,
    /// The bucket is to begin with the objects that another one had, and shares their content until they are changed.
    fork_of: Option<NewBase>,
}

/// Another bucket as of a point.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewBase {
    /// Its name.
    bucket: String,
    /// `head`, `pos:N`, a time as RFC 3339 writes it, `-2h`, `snap:NAME`, `before:` and a request id or version id.
    point: String,
}

/// Versioning, by name or as a flag.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(super) enum GivenVersioning {
    Flag(bool),
    Name(String),
}

/// A bucket's versioning.
#[derive(Serialize, ToSchema)]
struct VersioningState {
    /// `enabled`, `suspended` or `disabled`.
    status: &'static str,
}

/// A bucket's versioning as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewVersioning {
    /// `enabled` or `suspended`, in any case.
    status: String,
}

/// As this API spells it.
fn versioning_name(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Unversioned => "disabled",
        Versioning::Enabled => "enabled",
        Versioning::Suspended => "suspended",
    }
}

pub(super) fn shown(info: BucketInfo) -> Bucket {
    let default_retention = info.default_retention.map(|default| {
        let (days, years) = match default.period {
            RetentionPeriod::Days(days) => (Some(days), None),
            RetentionPeriod::Years(years) => (None, Some(years)),
        };
        DefaultRetention { mode: default.mode.as_str(), days, years }
    });
    Bucket {
        name: info.name.to_string(),
        created_at: answer::time(info.created),
        versioning: versioning_name(info.versioning),
        object_lock_enabled: info.object_lock,
        default_retention,
        region: info.region,
        owner: info.owner.to_string(),
        view_of: info.base.as_ref().filter(|base| !base.writable).map(base),
        fork_of: info.base.as_ref().filter(|base| base.writable).map(base),
    }
}

fn base(info: &BaseInfo) -> Base {
    Base { bucket: info.bucket.to_string(), position: info.as_of.at.position.0, time: answer::time(info.as_of.time) }
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let prefix = query.get("prefix")?.unwrap_or_default();
    let max = page::size(query, "maxKeys")?;
    let after = page::after(query)?;
    let (buckets, is_truncated) = app.store.list_buckets(ask.caller()?, prefix, after.as_deref(), max).await?;
    let next = buckets.last().filter(|_| is_truncated).map(|last| page::token(last.name.as_str()));
    let buckets = buckets.into_iter().map(shown).collect();
    Ok(answer::json(StatusCode::OK, &BucketList { buckets, is_truncated, next_continuation_token: next }))
}

async fn create(app: Arc<App>, mut ask: Ask) -> Answer {
    let new: NewBucket = ask.json().await?;
    let name = bucket_name(&new.name)?;
    let object_lock = match (new.object_lock_enabled, new.object_lock) {
        (Some(one), Some(other)) if one != other => {
            return Err(Problem::invalid("`objectLockEnabled` and `objectLock` contradict each other"));
        }
        (one, other) => one.or(other).unwrap_or(false),
    };
    let versioning = asked_versioning(new.versioning.as_ref())?;
    if object_lock && versioning.is_some_and(|asked| asked != Versioning::Enabled) {
        return Err(Problem::invalid("a bucket with object lock is versioned"));
    }
    let base = match (&new.view_of, &new.fork_of) {
        (None, None) => None,
        (Some(base), None) => Some((base, false)),
        (None, Some(base)) => Some((base, true)),
        (Some(_), Some(_)) => return Err(Problem::invalid("`viewOf` and `forkOf` exclude each other")),
    };
    if new.view_of.is_some() && (versioning.is_some() || object_lock) {
        return Err(Problem::invalid("a view is versioned as what it shows was, and has no object lock"));
    }
    let base = base.map(|(base, writable)| asked_base(base, writable)).transpose()?;
    let request = CreateBucket { name, region: None, object_lock, versioning, ownership: None, acl: None, base };
    let (made, position) = app.store.create_bucket(ask.caller()?, request).await?;
    let mut response = answer::json(StatusCode::CREATED, &shown(made));
    answer::position(response.headers_mut(), position);
    Ok(response)
}

fn asked_base(new: &NewBase, writable: bool) -> Result<AskedBase, Problem> {
    Ok(AskedBase { bucket: bucket_name(&new.bucket)?, point: point(&new.point)?, writable })
}

pub(super) fn asked_versioning(given: Option<&GivenVersioning>) -> Result<Option<Versioning>, Problem> {
    let bad = || Problem::invalid("`versioning` must be `enabled`, `suspended`, `disabled`, true or false");
    Ok(match given {
        None => None,
        Some(GivenVersioning::Flag(true)) => Some(Versioning::Enabled),
        Some(GivenVersioning::Flag(false)) => Some(Versioning::Unversioned),
        Some(GivenVersioning::Name(name)) if name.eq_ignore_ascii_case("disabled") => Some(Versioning::Unversioned),
        Some(GivenVersioning::Name(name)) => Some(status(name).ok_or_else(bad)?),
    })
}

fn status(text: &str) -> Option<Versioning> {
    match text.to_ascii_lowercase().as_str() {
        "enabled" => Some(Versioning::Enabled),
        "suspended" => Some(Versioning::Suspended),
        _ => None,
    }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let info = app.store.head_bucket(ask.caller()?, &ask.bucket()?).await?;
    Ok(answer::json(StatusCode::OK, &shown(info)))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let position = app.store.delete_bucket(ask.caller()?, &ask.bucket()?).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

async fn versioning(app: Arc<App>, ask: Ask) -> Answer {
    let info = app.store.head_bucket(ask.caller()?, &ask.bucket()?).await?;
    Ok(answer::json(StatusCode::OK, &VersioningState { status: versioning_name(info.versioning) }))
}

async fn set_versioning(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let NewVersioning { status } = ask.json().await?;
    let versioning = self::status(&status);
    let versioning = versioning.ok_or_else(|| Problem::invalid("`status` must be `enabled` or `suspended`"))?;
    let position = app.store.set_versioning(ask.caller()?, &bucket, versioning).await?;
    let state = VersioningState { status: versioning_name(versioning) };
    let mut response = answer::json(StatusCode::OK, &state);
    answer::position(response.headers_mut(), position);
    Ok(response)
}
