//! Who hears of what happens in a bucket.
//!
//! Owns: the JSON of a notification configuration. Does not own: which are valid (`domain::notification`, which S3 asks too),
//! secrets (the store).
//! Invariants: no target is accepted that nothing would be delivered to. No secret is taken or shown but by `rotate-secret`.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::notification::{webhook_arn, webhook_url};
use http::{Method, StatusCode};
use pipeline::AskedDelivery;
use schemas::action::Action;
use schemas::event::{DestinationKind, Event, NotificationConfiguration, NotificationRule, Setting};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::webhooks::words::{Format, Mode, shown_id, status_words};
use super::webhooks::{RotatedSecret, Rotation};
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "notifications";
const PATH: &str = "/buckets/{bucket}/notifications";

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
        "An empty list clears it. What S3 would refuse is refused here: SNS, SQS and Lambda are not implemented. A configuration of an \
         id that there is already keeps its secret and where it stands, and becomes active again. The way to its secret is \
         `rotate-secret`.",
    )
    .takes::<NewConfigs>()
    .answers::<NotificationConfigs>(200, "Configuration stored or cleared (secret never returned).")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 409, 413, 501]);
    let delete = Operation::new(
        Method::DELETE,
        PATH,
        "deleteBucketNotifications",
        TAG,
        "Clear the bucket's event-notification configuration",
    )
    .answers_empty(204, "Cleared.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 409]);
    let rotate = Operation::new(
        Method::POST,
        "/buckets/{bucket}/notifications/{id}/rotate-secret",
        "rotateNotificationSecret",
        TAG,
        "Give a notification configuration another signing secret",
    )
    .about("The only way to its secret. The old one signs too for a while, so that receivers can be changed one after another.")
    .path("id", serde_json::json!({ "type": "string" }), "Id of the configuration.")
    .may_take::<Rotation>()
    .answers::<RotatedSecret>(200, "The new signing secret, in this answer and in no other.")
    .with_headers(&[answer::POSITION_TEXT])
    .refuses(&[404, 409, 413]);
    vec![entry(get, self::get), entry(put, self::put), entry(delete, self::delete), entry(rotate, self::rotate)]
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
    /// Always true: what is posted is signed.
    has_secret: bool,
    /// What its deliveries are asked about by, as those of a webhook: `wh_` and 32 hex digits.
    subscription: String,
    /// In which shape.
    format: Format,
    /// What is told one after another.
    mode: Mode,
    /// `active`, `paused` or `disabled`.
    status: &'static str,
    /// Why it is paused or disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
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
    /// In which shape; `s3` if nothing is said.
    format: Option<Format>,
    /// What is told one after another; `key` if nothing is said.
    mode: Option<Mode>,
    /// As it was answered; it says nothing to the server.
    #[serde(rename = "hasSecret")]
    _has_secret: Option<bool>,
    /// As it was answered; it says nothing to the server.
    #[serde(rename = "subscription")]
    _subscription: Option<String>,
    /// As it was answered; it says nothing to the server.
    #[serde(rename = "status")]
    _status: Option<String>,
    /// As it was answered; it says nothing to the server.
    #[serde(rename = "statusReason")]
    _status_reason: Option<String>,
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

/// A rule with everything but its subscription.
fn rule(config: NewConfig, unnamed: String) -> Result<NotificationRule, Problem> {
    let url = config.webhook_url.ok_or_else(|| Problem::invalid("a configuration needs a `webhookUrl`"))?;
    let mut rule = NotificationRule {
        id: config.id.filter(|id| !id.is_empty()).unwrap_or(unnamed),
        // S3 shows it as a queue; all kinds are told alike.
        destination: DestinationKind::Queue,
        arn: webhook_arn(&url),
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

fn shown(configuration: &NotificationConfiguration) -> NotificationConfigs {
    let config = |rule: &NotificationRule| {
        let webhook = rule.webhook.as_ref()?;
        let (status, status_reason) = status_words(&webhook.status);
        let filter = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| Filter { name: name.to_owned(), value: value.clone() })
        };
        Some(Config {
            id: rule.id.clone(),
            webhook_url: webhook_url(&rule.arn)?.to_owned(),
            events: rule.events.clone(),
            filters: [filter("prefix", &rule.prefix), filter("suffix", &rule.suffix)].into_iter().flatten().collect(),
            has_secret: true,
            subscription: shown_id(webhook.subscription),
            format: webhook.format.into(),
            mode: webhook.mode.into(),
            status,
            status_reason,
        })
    };
    NotificationConfigs { configs: configuration.rules.iter().filter_map(config).collect() }
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let (action, setting) = (Action::GetBucketNotification, Setting::Notification);
    let set = app.store.bucket_setting(ask.caller()?, &ask.bucket()?, action, setting).await?;
    let none = NotificationConfiguration::default();
    let configuration = match set.as_deref() {
        Some(Event::BucketNotificationSet(set)) => set.configuration.as_ref().unwrap_or(&none),
        _ => &none,
    };
    Ok(answer::json(StatusCode::OK, &shown(configuration)))
}

async fn put(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    // Whoever may not set it hears that, and not what is wrong with it.
    app.store.may(ask.caller()?, Action::PutBucketNotification, &bucket, None)?;
    let NewConfigs { configs } = ask.json().await?;
    if configs.iter().any(is_elsewhere) {
        return Err(Problem::not_implemented("only webhooks are targets: SNS, SQS and Lambda are not implemented"));
    }
    let (mut rules, mut delivery) = (Vec::new(), BTreeMap::new());
    for (index, config) in configs.into_iter().enumerate() {
        let format = config.format.unwrap_or(Format::S3);
        let mode = config.mode.unwrap_or_default();
        let rule = rule(config, format!("{}-{index}", ask.visit.request.0))?;
        let asked = AskedDelivery { format: Some(format.into()), mode: Some(mode.into()) };
        delivery.insert(rule.id.clone(), asked);
        rules.push(rule);
    }
    let asked = NotificationConfiguration { rules, event_bus: false };
    let (configuration, position) = app.store.set_notifications(ask.caller()?, &bucket, asked, &delivery).await?;
    let mut response = answer::json(StatusCode::OK, &shown(&configuration));
    answer::position(response.headers_mut(), position);
    Ok(response)
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let none = NotificationConfiguration::default();
    let (_, position) = app.store.set_notifications(ask.caller()?, &ask.bucket()?, none, &BTreeMap::new()).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

async fn rotate(app: Arc<App>, mut ask: Ask) -> Answer {
    let (bucket, id) = (ask.bucket()?, ask.values.get("id").to_owned());
    // Whoever may not have it hears that, and not what is wrong with the body.
    app.store.may(ask.caller()?, Action::PutBucketNotification, &bucket, None)?;
    let rotation: Rotation = ask.json().await?;
    let made = app.store.rotate_notification_secret(ask.caller()?, &bucket, &id, rotation.overlap_s()).await?;
    Ok(RotatedSecret::response(id, &made))
}
