//! `/buckets/{bucket}/lifecycle`.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::Configuration;
use schemas::Time;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use schemas::lifecycle::{Conditions, Rule, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::tags::Tag;
use super::{Answer, App, Ask, Entry, answer, changing, entry, not_set, of_bucket};
use crate::problem::Problem;

const PATH: &str = "/buckets/{bucket}/lifecycle";

pub(super) fn operations() -> Vec<Entry> {
    let get = of_bucket(Method::GET, PATH, "getBucketLifecycle", "Get the lifecycle rules")
        .about("404 if the bucket has none.")
        .answers::<LifecycleConfiguration>(200, "The rules.");
    let put = changing(Method::PUT, PATH, "setBucketLifecycle", "Set the lifecycle rules")
        .about("Replaces those there are. Transitions are not implemented: all objects are stored alike.")
        .takes::<LifecycleConfiguration>()
        .answers::<LifecycleConfiguration>(200, "The rules as they were set; those without an id have got one.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[501]);
    let delete = of_bucket(Method::DELETE, PATH, "deleteBucketLifecycle", "Remove the lifecycle rules")
        .answers_empty(204, "Removed.")
        .with_headers(&[answer::POSITION_TEXT]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete)]
}

/// What of a bucket goes by itself, and when.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LifecycleConfiguration {
    /// 1 to 1,000 rules.
    rules: Vec<LifecycleRule>,
}

/// One rule. It has a `filter`, or the older `prefix`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LifecycleRule {
    /// Unique in its bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// `Enabled` or `Disabled`.
    status: String,
    /// Keys that begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// What it is for; one that says nothing is for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<LifecycleFilter>,
    /// What becomes of current objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expiration: Option<Expiration>,
    /// When noncurrent versions go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noncurrent_version_expiration: Option<NoncurrentVersionExpiration>,
    /// When uploads in progress are given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    abort_incomplete_multipart_upload: Option<AbortIncompleteMultipartUpload>,
    /// Not implemented.
    #[serde(default, skip_serializing)]
    #[schema(value_type = Option<Vec<Object>>, write_only)]
    transitions: Option<serde_json::Value>,
    /// Not implemented.
    #[serde(default, skip_serializing)]
    #[schema(value_type = Option<Vec<Object>>, write_only)]
    noncurrent_version_transitions: Option<serde_json::Value>,
}

/// What a rule is for: one condition, or several in `and`.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LifecycleFilter {
    /// Keys that begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Objects with this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<Tag>,
    /// Objects with more bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_size_greater_than: Option<u64>,
    /// Objects with fewer bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_size_less_than: Option<u64>,
    /// All of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    and: Option<LifecycleAnd>,
}

/// Conditions that must all hold.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct LifecycleAnd {
    /// Keys that begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Objects with all of these tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Tag>,
    /// Objects with more bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_size_greater_than: Option<u64>,
    /// Objects with fewer bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_size_less_than: Option<u64>,
}

/// When a current object expires: one of the three.
#[derive(Serialize, Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expiration {
    /// Days after it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    days: Option<u32>,
    /// From this midnight on: a day, or a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    /// Whether a delete marker goes that is all that is left of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expired_object_delete_marker: Option<bool>,
}

/// When noncurrent versions go.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NoncurrentVersionExpiration {
    /// Days after a newer version took the place.
    noncurrent_days: u32,
    /// As many of the newest stay however old they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newer_noncurrent_versions: Option<u32>,
}

/// When uploads in progress are given up.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AbortIncompleteMultipartUpload {
    /// Days after they began.
    days_after_initiation: u32,
}

impl LifecycleConfiguration {
    /// # Errors
    /// Rules that are none. What they may say beyond their shape is decided when they are set.
    pub(super) fn asked(self) -> Result<Vec<Rule>, Problem> {
        if self.rules.is_empty() || self.rules.len() > domain::lifecycle::RULES_MAX {
            return Err(Problem::invalid(format!("`rules` must have 1 to {} rules", domain::lifecycle::RULES_MAX)));
        }
        self.rules.into_iter().map(rule).collect()
    }

    fn of(rules: &[Rule]) -> Self {
        Self { rules: rules.iter().map(shown).collect() }
    }
}

fn rule(asked: LifecycleRule) -> Result<Rule, Problem> {
    let some = |value: &Option<serde_json::Value>| value.as_ref().is_some_and(|value| *value != serde_json::json!([]));
    if some(&asked.transitions) || some(&asked.noncurrent_version_transitions) {
        return Err(Problem::not_implemented("transitions are not implemented: all objects are stored alike"));
    }
    let disabled = match asked.status.as_str() {
        "Enabled" => false,
        "Disabled" => true,
        _ => return Err(Problem::invalid("the `status` of a rule must be `Enabled` or `Disabled`")),
    };
    let scope = match (asked.prefix, asked.filter) {
        (Some(prefix), None) => Scope::Prefix(prefix),
        (None, Some(filter)) => self::filter(filter)?,
        _ => return Err(Problem::invalid("a rule has either a `filter` or a `prefix`")),
    };
    Ok(Rule {
        id: asked.id.unwrap_or_default(),
        disabled,
        scope,
        expiration: asked.expiration.map(expiration).transpose()?.flatten(),
        noncurrent: asked.noncurrent_version_expiration.map(|it| schemas::lifecycle::NoncurrentExpiration {
            days: it.noncurrent_days,
            newer_versions: it.newer_noncurrent_versions,
        }),
        abort_incomplete_days: asked.abort_incomplete_multipart_upload.map(|it| it.days_after_initiation),
    })
}

fn filter(filter: LifecycleFilter) -> Result<Scope, Problem> {
    let LifecycleFilter { prefix, tag, object_size_greater_than, object_size_less_than, and } = filter;
    let sizes = (object_size_greater_than, object_size_less_than);
    let direct = conditions(prefix, tag.into_iter().collect(), sizes)?;
    let and = match and {
        None => Conditions::default(),
        Some(LifecycleAnd { prefix, tags, object_size_greater_than, object_size_less_than }) => {
            let and = conditions(prefix, tags, (object_size_greater_than, object_size_less_than))?;
            if and.is_empty() {
                return Err(Problem::invalid("the `and` of a filter says nothing"));
            }
            and
        }
    };
    Ok(Scope::Filter { direct, and })
}

/// Sizes: more than, less than.
fn conditions(
    prefix: Option<String>,
    tags: Vec<Tag>,
    (size_greater_than, size_less_than): (Option<u64>, Option<u64>),
) -> Result<Conditions, Problem> {
    let mut by_key = BTreeMap::new();
    for Tag { key, value } in tags {
        if by_key.insert(key, value).is_some() {
            return Err(Problem::invalid("a filter has a tag twice"));
        }
    }
    Ok(Conditions { prefix, tags: by_key, size_greater_than, size_less_than })
}

/// A marker that is not to be removed is no action.
fn expiration(asked: Expiration) -> Result<Option<schemas::lifecycle::Expiration>, Problem> {
    use schemas::lifecycle::Expiration as Kept;
    match (asked.days, asked.date, asked.expired_object_delete_marker) {
        (Some(days), None, None) => Ok(Some(Kept::Days(days))),
        (None, Some(date), None) => Ok(Some(Kept::Date(self::date(&date)?))),
        (None, None, Some(marker)) => Ok(marker.then_some(Kept::DeleteMarker)),
        _ => Err(Problem::invalid("an `expiration` has one of `days`, `date` and `expiredObjectDeleteMarker`")),
    }
}

/// A time, or a day, which is its midnight.
fn date(text: &str) -> Result<Time, Problem> {
    let text = text.trim();
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = whole.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_microsecond()).ok());
    time.map(Time).ok_or_else(|| Problem::invalid("a `date` must be a day or a time since 1970, as RFC 3339 writes it"))
}

fn shown(rule: &Rule) -> LifecycleRule {
    let (prefix, filter) = match &rule.scope {
        Scope::Prefix(prefix) => (Some(prefix.clone()), None),
        Scope::Filter { direct, and } => (None, Some(shown_filter(direct, and))),
    };
    let expiration = rule.expiration.map(|expiration| match expiration {
        schemas::lifecycle::Expiration::Days(days) => Expiration { days: Some(days), ..Expiration::default() },
        schemas::lifecycle::Expiration::Date(date) => {
            Expiration { date: Some(answer::time(date)), ..Expiration::default() }
        }
        schemas::lifecycle::Expiration::DeleteMarker => {
            Expiration { expired_object_delete_marker: Some(true), ..Expiration::default() }
        }
    });
    LifecycleRule {
        id: Some(rule.id.clone()),
        status: if rule.disabled { "Disabled" } else { "Enabled" }.to_owned(),
        prefix,
        filter,
        expiration,
        noncurrent_version_expiration: rule.noncurrent.map(|it| NoncurrentVersionExpiration {
            noncurrent_days: it.days,
            newer_noncurrent_versions: it.newer_versions,
        }),
        abort_incomplete_multipart_upload: rule
            .abort_incomplete_days
            .map(|days_after_initiation| AbortIncompleteMultipartUpload { days_after_initiation }),
        transitions: None,
        noncurrent_version_transitions: None,
    }
}

fn shown_filter(direct: &Conditions, and: &Conditions) -> LifecycleFilter {
    let tags = |conditions: &Conditions| -> Vec<Tag> {
        conditions.tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
    };
    LifecycleFilter {
        prefix: direct.prefix.clone(),
        // A filter has at most one of its own: more of them stand in `and`.
        tag: tags(direct).into_iter().next(),
        object_size_greater_than: direct.size_greater_than,
        object_size_less_than: direct.size_less_than,
        and: (!and.is_empty()).then(|| LifecycleAnd {
            prefix: and.prefix.clone(),
            tags: tags(and),
            object_size_greater_than: and.size_greater_than,
            object_size_less_than: and.size_less_than,
        }),
    }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetLifecycleConfiguration, Setting::Lifecycle);
    let found = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    let rules = match found.as_deref() {
        Some(Event::BucketLifecycleSet(set)) => set.rules.as_deref(),
        _ => None,
    };
    let rules = rules.ok_or_else(|| not_set("the bucket has no lifecycle rules"))?;
    Ok(answer::json(StatusCode::OK, &LifecycleConfiguration::of(rules)))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    // Named here, so that what is answered is what is kept.
    let rules = domain::lifecycle::named(ask.json::<LifecycleConfiguration>().await?.asked()?);
    let shown = LifecycleConfiguration::of(&rules);
    let configuration = Configuration::Lifecycle(Some(rules));
    let action = Action::PutLifecycleConfiguration;
    let at = app.store.configure_bucket(ask.caller()?, &bucket, action, configuration).await?;
    Ok(super::set(&shown, at))
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    super::remove(&app, ask, Action::PutLifecycleConfiguration, Configuration::Lifecycle(None)).await
}
