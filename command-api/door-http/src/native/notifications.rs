//! Who hears of what happens in a bucket.
//!
//! Owns: the JSON of a notification configuration. Does not own: which are valid (`domain::notification`, which S3 asks too).
//! Invariant: no target is accepted that nothing would be delivered to.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Refusal;
use domain::bucket_setting::Configuration;
use domain::notification;
use http::{Method, StatusCode, Uri};
use schemas::action::Action;
use schemas::event::{DestinationKind, Event, NotificationConfiguration, NotificationRule, Setting};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "notifications";
const PATH: &str = "/buckets/{bucket}/notifications";
/// A destination that the validator knows and that nothing is delivered to: what it says of it is what it says of the rest of a rule.
const NOWHERE: &str = "arn:aws:sqs:::webhook";

pub(super) fn operations() -> Vec<Entry> {
    let get = Operation::new(
        Method::GET,
        PATH,
        "getBucketNotifications",
        TAG,
        "Get the bucket's event-notification configuration",
    )
    .about("Secrets are never returned: `hasSecret` says that there is one. A bucket without a configuration has an empty list.")
    .answers::<NotificationConfigs>(200, "Notification configuration (secret never returned).")
    .refuses(&[404]);
    let put = Operation::new(
        Method::PUT,
        PATH,
        "setBucketNotifications",
        TAG,
        "Set the bucket's event-notification configuration",
    )
    .about(
        "An empty list clears it. What S3 would refuse is refused here. SNS, SQS and Lambda are not implemented, and webhooks are \
         not delivered by this server yet.",
    )
    .takes::<NewConfigs>()
    .answers::<NotificationConfigs>(200, "Configuration stored or cleared (secret never returned).")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 413, 501]);
    let delete = Operation::new(
        Method::DELETE,
        PATH,
        "deleteBucketNotifications",
        TAG,
        "Clear the bucket's event-notification configuration",
    )
    .answers_empty(204, "Cleared.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete)]
}

/// A bucket's notification configuration.
#[derive(Serialize, ToSchema)]
struct NotificationConfigs {
    configs: Vec<Config>,
}

/// One target, and what it is told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Config {
    /// Its name, unique in the bucket.
    id: String,
    /// Where events are posted.
    webhook_url: String,
    /// Names of events, such as `s3:ObjectCreated:*`.
    events: Vec<String>,
    /// Which keys.
    filters: Vec<Filter>,
    /// Whether what is posted is signed with a secret.
    has_secret: bool,
}

/// `prefix` or `suffix` of keys.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Filter {
    /// `prefix` or `suffix`.
    name: String,
    value: String,
}

/// A configuration as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewConfigs {
    configs: Vec<NewConfig>,
}

/// One target, and what it is to be told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewConfig {
    /// Its name; the server makes one if there is none.
    id: Option<String>,
    /// `webhook`, if it is said at all.
    #[serde(rename = "type")]
    kind: Option<String>,
    webhook_url: Option<String>,
    sns_topic_arn: Option<String>,
    sqs_queue_arn: Option<String>,
    lambda_function_arn: Option<String>,
    /// Names of events, such as `s3:ObjectCreated:*`, or `object-created` and `object-removed`.
    #[serde(default)]
    events: Vec<String>,
    /// Which keys: a list, or `prefix` and `suffix` by name.
    filters: Option<NewFilters>,
    /// As it was answered; it says nothing to the server.
    #[serde(rename = "hasSecret")]
    _has_secret: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum NewFilters {
    List(Vec<Filter>),
    ByName(BTreeMap<String, String>),
}

impl NewFilters {
    fn pairs(self) -> Vec<(String, String)> {
        match self {
            Self::List(list) => list.into_iter().map(|filter| (filter.name, filter.value)).collect(),
            Self::ByName(map) => map.into_iter().collect(),
        }
    }
}

/// What a client that knows no names of S3 calls events.
fn canonical(event: String) -> String {
    match event.as_str() {
        "object-created" => "s3:ObjectCreated:*".to_owned(),
        "object-removed" => "s3:ObjectRemoved:*".to_owned(),
        _ => event,
    }
}

/// Whether it is a target of AWS, which this server knows of and tells nothing.
fn is_elsewhere(config: &NewConfig) -> bool {
    let arns = [&config.sns_topic_arn, &config.sqs_queue_arn, &config.lambda_function_arn];
    arns.iter().any(|arn| arn.is_some()) || config.kind.as_deref().is_some_and(|kind| kind != "webhook")
}

/// A rule with everything but a destination, for the validator.
fn rule(config: NewConfig, unnamed: String) -> Result<NotificationRule, Problem> {
    let url = config.webhook_url.ok_or_else(|| Problem::invalid("a configuration needs a `webhookUrl`"))?;
    check_url(&url)?;
    let mut rule = NotificationRule {
        id: config.id.filter(|id| !id.is_empty()).unwrap_or(unnamed),
        destination: DestinationKind::Queue,
        arn: NOWHERE.to_owned(),
        events: config.events.into_iter().map(canonical).collect(),
        prefix: None,
        suffix: None,
        webhook: None,
    };
    for (name, value) in config.filters.map(NewFilters::pairs).unwrap_or_default() {
        let of_rule = match name.as_str() {
            "prefix" => &mut rule.prefix,
            "suffix" => &mut rule.suffix,
            _ => return Err(Problem::invalid("a filter is a `prefix` or a `suffix`")),
        };
        if of_rule.replace(value).is_some() {
            return Err(Problem::invalid("a configuration has one prefix and one suffix at most"));
        }
    }
    Ok(rule)
}

fn check_url(text: &str) -> Result<(), Problem> {
    let bad = || Problem::invalid("`webhookUrl` must be an http or https URL");
    let url: Uri = text.parse().map_err(|_| bad())?;
    let known = matches!(url.scheme_str(), Some("http" | "https"));
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    let names_nobody = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    if known && has_host && names_nobody { Ok(()) } else { Err(bad()) }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetBucketNotification, Setting::Notification);
    let set = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    if let Some(Event::BucketNotificationSet(set)) = set.as_deref()
        && set.configuration.as_ref().is_some_and(|configuration| !configuration.rules.is_empty())
    {
        return Err(Problem::internal("a bucket has notification rules, and no target of theirs is known"));
    }
    Ok(answer::json(StatusCode::OK, &NotificationConfigs { configs: Vec::new() }))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    // Whoever may not set it hears that, and not what is wrong with it.
    app.store.may(ask.caller()?, Action::PutBucketNotification, &bucket, None)?;
    let NewConfigs { configs } = ask.json().await?;
    if !configs.is_empty() {
        return Err(refused(configs, &ask.visit.request.0));
    }
    let position = clear(&app, &ask).await?;
    let mut response = answer::json(StatusCode::OK, &NotificationConfigs { configs: Vec::new() });
    answer::position(response.headers_mut(), position);
    Ok(response)
}

/// Why a configuration that is not empty is not set: what is wrong with it, or that nothing would come of it.
fn refused(configs: Vec<NewConfig>, request: &str) -> Problem {
    if configs.iter().any(is_elsewhere) {
        return Problem::not_implemented("only webhooks are targets: SNS, SQS and Lambda are not implemented");
    }
    let each = configs.into_iter().enumerate();
    let rules: Result<Vec<_>, _> = each.map(|(index, config)| rule(config, format!("{request}-{index}"))).collect();
    let configuration = match rules {
        Ok(rules) => NotificationConfiguration { rules, event_bus: false },
        Err(problem) => return problem,
    };
    match notification::check(&configuration) {
        Err(Refusal::NotSupported { .. }) | Ok(()) => {
            Problem::not_implemented("this server has no notifier yet: nothing would be delivered to a webhook")
        }
        Err(refusal) => refusal.into(),
    }
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let position = clear(&app, &ask).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

fn clear(app: &App, ask: &Ask) -> impl Future<Output = Result<schemas::Position, Problem>> + Send + use<> {
    let (store, caller, bucket) = (app.store.clone(), ask.caller().cloned(), ask.bucket());
    async move {
        let configuration = Configuration::Notification(Some(NotificationConfiguration::default()));
        Ok(store.configure_bucket(&caller?, &bucket?, Action::PutBucketNotification, configuration).await?)
    }
}
