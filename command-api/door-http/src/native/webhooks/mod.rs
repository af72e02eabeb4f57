//! `/webhooks`: who is told of what happens in the tenant.
//!
//! Owns: webhooks as JSON. Does not own: which are valid (domain), secrets (the store), deliveries (whoever delivers).
//! Invariant: a secret is in the one answer that made it, which no cache keeps.

mod deliveries;
mod dry_run;
pub(super) mod words;

use std::sync::Arc;

use axum::response::Response;
use domain::point::Point;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{CreateWebhook, NewSigningSecret, UpdateWebhook, WebhookInfo};
use schemas::delivery::DeliveryState;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::words::{
    AskedStatus, FilterWords, Format, Mode, Said, bucket_names, point, said, set, shown_id, status_words,
};
use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "webhooks";
/// How long a secret that is replaced signs too, unless something else is said: a day.
const OVERLAP_S: u64 = 86_400;

pub(super) fn operations() -> Vec<Entry> {
    let list = Operation::new(Method::GET, "/webhooks", "listWebhooks", TAG, "List webhooks")
        .about("Each with how its deliveries stand. Webhooks take the operation `admin` on the whole tenant.")
        .answers::<WebhookList>(200, "The webhooks, by id.");
    let create = Operation::new(Method::POST, "/webhooks", "createWebhook", TAG, "Create a webhook")
        .about(
            "Events are posted to its URL, signed as Standard Webhooks 1.0 says. The signing secret is in this answer and in no \
             other. `start` says from where on it is told: `head`, `earliest`, `pos:N`, a time, or so long ago (`-90s`, `-30m`, \
             `-2h`, `-7d`).",
        )
        .takes::<NewWebhook>()
        .answers::<WebhookWithSecret>(201, "The webhook with its signing secret.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[409, 413, 501]);
    let get = of_webhook(Method::GET, "/webhooks/{id}", "getWebhook", "Get a webhook")
        .answers::<Webhook>(200, "The webhook, with how its deliveries stand.");
    let update = of_webhook(Method::PATCH, "/webhooks/{id}", "updateWebhook", "Change a webhook")
        .about(
            "What is left out stays as it is; null takes `name`, `prefix`, `suffix` and sizes away. The status `active` resumes \
             what is paused or disabled, where it stopped.",
        )
        .takes::<WebhookPatch>()
        .answers::<Webhook>(200, "The webhook.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[413, 501]);
    let delete = of_webhook(Method::DELETE, "/webhooks/{id}", "deleteWebhook", "Delete a webhook")
        .about("It is told nothing more; what it was not told yet is not kept for it.")
        .answers_empty(204, "Deleted.")
        .with_headers(&[answer::POSITION_TEXT]);
    let path = "/webhooks/{id}/rotate-secret";
    let rotate = of_webhook(Method::POST, path, "rotateWebhookSecret", "Give a webhook another signing secret")
        .about("The old secret signs too for a while, so that receivers can be changed one after another.")
        .may_take::<Rotation>()
        .answers::<RotatedSecret>(200, "The new signing secret, in this answer and in no other.")
        .with_headers(&[answer::POSITION_TEXT])
        .refuses(&[413]);
    let own = vec![
        entry(list, self::list),
        entry(create, self::create),
        entry(get, self::get),
        entry(update, self::update),
        entry(delete, self::delete),
        entry(rotate, self::rotate),
    ];
    [own, deliveries::operations(), dry_run::operations()].into_iter().flatten().collect()
}

fn of_webhook(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, id, TAG, summary)
        .path("id", serde_json::json!({ "type": "string" }), "Webhook id: `wh_` and 32 hex digits.")
        .refuses(&[404])
}

/// A webhook, without its secrets.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Webhook {
    /// `wh_` and 32 hex digits.
    id: String,
    /// Where events are posted.
    url: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// In which shape.
    format: Format,
    /// What is told one after another.
    mode: Mode,
    /// Types: names, groups that end with `:*`, or `*`.
    events: Vec<String>,
    /// Only these buckets; all if there are none.
    buckets: Vec<String>,
    /// Only keys that begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// Only keys that end with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<String>,
    /// Only objects of at least so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    min_size_bytes: Option<u64>,
    /// Only objects of at most so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_size_bytes: Option<u64>,
    /// `active`, `paused` or `disabled`.
    status: &'static str,
    /// Why it is paused or disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    /// When it was created.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was changed last.
    #[schema(format = DateTime)]
    updated_at: String,
    /// First position in the log that it is told of.
    start_position: u64,
    /// Always true: what is posted is signed.
    has_secret: bool,
    /// When it got its present secret.
    #[schema(format = DateTime)]
    secret_rotated_at: String,
    /// Until when the secret before signs too, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    previous_secret_expires_at: Option<String>,
    /// How its deliveries stand, in the answers of GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
}

/// How deliveries of a webhook stand.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookDelivery)]
struct Delivery {
    /// Everything before it was delivered or passed over.
    position: u64,
    /// Where the log ends: the position that its next event gets.
    head_position: u64,
    /// How far the one is behind the other.
    lag: u64,
    /// Events that match and are not delivered yet, as far as the log was looked at.
    pending: u64,
    /// Requests under way.
    in_flight: u64,
    /// Events that were set aside.
    parked: u64,
    /// Since when nothing has been delivered although it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// When an event was delivered last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_delivered_at: Option<String>,
    /// Why the last attempt failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<DeliveryState> for Delivery {
    fn from(state: DeliveryState) -> Self {
        Self {
            position: state.position.0,
            head_position: state.head.0,
            lag: state.head.0.saturating_sub(state.position.0),
            pending: state.pending,
            in_flight: state.in_flight,
            parked: state.parked,
            failing_since: state.failing_since.map(answer::time),
            last_delivered_at: state.delivered_at.map(answer::time),
            last_error: state.last_error,
        }
    }
}

impl From<WebhookInfo> for Webhook {
    fn from(info: WebhookInfo) -> Self {
        let (status, status_reason) = status_words(&info.status);
        Self {
            id: shown_id(info.id),
            url: info.url,
            name: info.name,
            format: info.format.into(),
            mode: info.mode.into(),
            events: info.filter.events,
            buckets: info.filter.buckets.iter().map(ToString::to_string).collect(),
            prefix: info.filter.prefix,
            suffix: info.filter.suffix,
            min_size_bytes: info.filter.size_bytes_min,
            max_size_bytes: info.filter.size_bytes_max,
            status,
            status_reason,
            created_at: answer::time(info.created),
            updated_at: answer::time(info.updated),
            start_position: info.start.0,
            has_secret: true,
            secret_rotated_at: answer::time(info.secret_since),
            previous_secret_expires_at: info.previous_until.map(answer::time),
            delivery: info.delivery.map(Delivery::from),
        }
    }
}

/// Webhooks.
#[derive(Serialize, ToSchema)]
struct WebhookList {
    /// By id.
    webhooks: Vec<Webhook>,
}

/// A webhook that is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewWebhook {
    /// Where events are to be posted: http or https.
    url: String,
    /// What people are to call it: up to 128 characters.
    name: Option<String>,
    /// In which shape; `cloudevents` if nothing is said.
    format: Option<Format>,
    /// What is told one after another; `key` if nothing is said.
    mode: Option<Mode>,
    /// Types: names, groups that end with `:*`, or `*`, which is meant if nothing is said.
    events: Option<Vec<String>>,
    /// Only these buckets.
    buckets: Option<Vec<String>>,
    /// Only keys that begin with it.
    prefix: Option<String>,
    /// Only keys that end with it.
    suffix: Option<String>,
    /// Only objects of at least so many bytes.
    min_size_bytes: Option<u64>,
    /// Only objects of at most so many bytes.
    max_size_bytes: Option<u64>,
    /// From where on it is told; `head` if nothing is said.
    start: Option<String>,
    /// `active` if nothing is said.
    status: Option<AskedStatus>,
}

// No Debug: it holds a secret.
/// A webhook with its signing secret, shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// `whsec_` and 32 bytes in base64.
    signing_secret: String,
}

/// What is to become of a webhook.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WebhookPatch {
    /// Where events are to be posted.
    #[serde(default, deserialize_with = "set")]
    url: Option<String>,
    /// What people are to call it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    name: Said<String>,
    /// In which shape.
    #[serde(default, deserialize_with = "set")]
    format: Option<Format>,
    /// What is told one after another.
    #[serde(default, deserialize_with = "set")]
    mode: Option<Mode>,
    /// Types.
    #[serde(default, deserialize_with = "set")]
    events: Option<Vec<String>>,
    /// Only these buckets; an empty list means all.
    #[serde(default, deserialize_with = "set")]
    buckets: Option<Vec<String>>,
    /// Only keys that begin with it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    prefix: Said<String>,
    /// Only keys that end with it.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    suffix: Said<String>,
    /// Only objects of at least so many bytes.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    min_size_bytes: Said<u64>,
    /// Only objects of at most so many bytes.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<u64>)]
    max_size_bytes: Said<u64>,
    /// `active` resumes, `paused` pauses.
    #[serde(default, deserialize_with = "set")]
    status: Option<AskedStatus>,
}

/// How a secret is to be replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Rotation {
    /// How long the old secret signs too, seconds; a day if nothing is said.
    #[schema(maximum = 2_592_000)]
    overlap_seconds: Option<u64>,
}

impl Rotation {
    pub(super) fn overlap_s(&self) -> u64 {
        self.overlap_seconds.unwrap_or(OVERLAP_S)
    }
}

// No Debug: it holds a secret.
/// A signing secret, shown once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RotatedSecret {
    /// Whose.
    id: String,
    /// `whsec_` and 32 bytes in base64.
    signing_secret: String,
    /// Until when the secret before signs too, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    previous_secret_expires_at: Option<String>,
}

impl RotatedSecret {
    /// The one answer that shows a secret.
    pub(super) fn response(id: String, made: &NewSigningSecret) -> Response {
        let signing_secret = made.secret.expose_secret().to_owned();
        let previous_secret_expires_at = made.previous_until.map(answer::time);
        once(StatusCode::OK, &Self { id, signing_secret, previous_secret_expires_at }, made)
    }
}

fn once(status: StatusCode, shown: &impl Serialize, made: &NewSigningSecret) -> Response {
    let mut response = answer::json(status, shown);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer::position(response.headers_mut(), made.position);
    response
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let webhooks = app.store.list_webhooks(ask.caller()?).await?.into_iter().map(Webhook::from).collect();
    Ok(answer::json(StatusCode::OK, &WebhookList { webhooks }))
}

async fn create(app: Arc<App>, mut ask: Ask) -> Answer {
    let body: NewWebhook = ask.json().await?;
    let NewWebhook { events, buckets, prefix, suffix, min_size_bytes, max_size_bytes, .. } = body;
    let filter = FilterWords { events, buckets, prefix, suffix, min_size_bytes, max_size_bytes }.filter()?;
    let asked = CreateWebhook {
        url: body.url,
        name: body.name,
        format: body.format.unwrap_or(Format::CloudEvents).into(),
        mode: body.mode.unwrap_or_default().into(),
        filter,
        paused: body.status.unwrap_or_default().is_paused(),
        start: body.start.as_deref().map_or(Ok(Point::Head), point)?,
    };
    let (webhook, made) = app.store.create_webhook(ask.caller()?, asked).await?;
    let signing_secret = made.secret.expose_secret().to_owned();
    Ok(once(StatusCode::CREATED, &WebhookWithSecret { webhook: webhook.into(), signing_secret }, &made))
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let webhook = app.store.webhook(ask.caller()?, words::id(&ask)?).await?;
    Ok(answer::json(StatusCode::OK, &Webhook::from(webhook)))
}

async fn update(app: Arc<App>, mut ask: Ask) -> Answer {
    let id = words::id(&ask)?;
    let patch: WebhookPatch = ask.json().await?;
    let update = UpdateWebhook {
        url: patch.url,
        name: patch.name,
        format: patch.format.map(Into::into),
        mode: patch.mode.map(Into::into),
        events: patch.events,
        buckets: patch.buckets.as_deref().map(bucket_names).transpose()?,
        prefix: patch.prefix,
        suffix: patch.suffix,
        size_bytes_min: patch.min_size_bytes,
        size_bytes_max: patch.max_size_bytes,
        paused: patch.status.map(AskedStatus::is_paused),
    };
    if update == UpdateWebhook::default() {
        return Err(Problem::invalid("the body names nothing to change"));
    }
    let (webhook, position) = app.store.update_webhook(ask.caller()?, id, update).await?;
    let mut response = answer::json(StatusCode::OK, &Webhook::from(webhook));
    answer::position(response.headers_mut(), position);
    Ok(response)
}

async fn delete(app: Arc<App>, ask: Ask) -> Answer {
    let position = app.store.delete_webhook(ask.caller()?, words::id(&ask)?).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

async fn rotate(app: Arc<App>, mut ask: Ask) -> Answer {
    let id = words::id(&ask)?;
    let rotation: Rotation = ask.json().await?;
    let made = app.store.rotate_webhook_secret(ask.caller()?, id, rotation.overlap_s()).await?;
    Ok(RotatedSecret::response(shown_id(id), &made))
}
