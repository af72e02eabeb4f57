//! `/webhooks/{id}/...`: attempts, events that were set aside, test events, replays.
//!
//! Owns: their form in JSON. Does not own: what they say (whoever delivers).
//! The id may be that of a webhook, or of the subscription of a bucket's notification configuration.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::AskedReplay;
use schemas::delivery::{Attempt, Parked, ReplayEnd, Unpark};
use schemas::{Position, TenantId, delivery};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::super::ask::Ask;
use super::super::{Answer, App, Entry, answer, entry};
use super::of_webhook;
use super::words::{self, FilterWords};
use crate::operation::Operation;
use crate::problem::Problem;

/// Attempts that are shown if nothing else is said, and at most.
const ATTEMPTS: usize = 100;
const ATTEMPTS_MAX: usize = 1_000;

pub(super) fn operations() -> Vec<Entry> {
    let about = |method, path, id, summary| of_webhook(method, path, id, summary).refuses(&[501]);
    let of_parked = |operation: Operation| {
        operation.path("position", json!({ "type": "integer" }), "Position of the event in the tenant's log.")
    };
    let test = about(Method::POST, "/webhooks/{id}/test", "testWebhook", "Send a test event")
        .about("One attempt, of type `holdfast:Test`, whatever is filtered and whether it is paused or not.")
        .answers::<Tested>(200, "What came of it.");
    let list = about(Method::GET, "/webhooks/{id}/deliveries", "listDeliveries", "List attempts to deliver")
        .about("The newest first; so many as are kept.")
        .query(
            "limit",
            json!({ "type": "integer", "minimum": 1, "maximum": ATTEMPTS_MAX, "default": ATTEMPTS }),
            "Most attempts of the answer.",
        )
        .query("status", json!({ "type": "string", "enum": ["failed"] }), "Only those that failed.")
        .answers::<AttemptList>(200, "The attempts.");
    let parked = about(Method::GET, "/webhooks/{id}/parked", "listParkedEvents", "List events that were set aside")
        .about("An event that was refused again and again while others were taken is set aside, and others go past it.")
        .answers::<ParkedList>(200, "The events, by position.");
    let path = "/webhooks/{id}/parked/{position}/replay";
    let again = of_parked(about(Method::POST, path, "replayParkedEvent", "Try an event that was set aside again"))
        .answers_empty(202, "It is tried again at once.");
    let path = "/webhooks/{id}/parked/{position}";
    let discard = of_parked(about(Method::DELETE, path, "discardParkedEvent", "Forget an event that was set aside"))
        .answers_empty(204, "Forgotten.");
    let replay = about(Method::POST, "/webhooks/{id}/replay", "replayWebhook", "Tell past events again")
        .about(
            "To the webhook's URL or to another, by its filter or by another: any member of a filter in the body replaces the whole \
             filter. What the webhook is told beside it goes on undisturbed. Points are `head`, `earliest`, `pos:N`, a time, or so \
             long ago (`-90s`, `-30m`, `-2h`, `-7d`).",
        )
        .takes::<NewReplay>()
        .answers::<Replay>(202, "The replay. It goes on after a restart.")
        .refuses(&[409, 413]);
    let replays = about(Method::GET, "/webhooks/{id}/replays", "listReplays", "List replays")
        .answers::<ReplayList>(200, "The replays, the newest first.");
    let cancel = about(Method::DELETE, "/webhooks/{id}/replays/{replayId}", "cancelReplay", "End a replay")
        .path("replayId", json!({ "type": "string" }), "Replay id.")
        .answers_empty(204, "It tells nothing more.");
    vec![
        entry(test, self::test),
        entry(list, self::list),
        entry(parked, self::parked),
        entry(again, self::again),
        entry(discard, self::discard),
        entry(replay, self::replay),
        entry(replays, self::replays),
        entry(cancel, self::cancel),
    ]
}

/// What came of a test event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tested {
    /// `webhook-id` of the request, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<String>,
    /// Whether it was taken.
    delivered: bool,
    /// Status of the answer, if one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// How long it took, milliseconds.
    latency_ms: f64,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// An attempt to deliver an event.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryAttempt)]
struct ShownAttempt {
    /// `webhook-id` of the request: the event, the same in every attempt. Absent of a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<String>,
    /// Its position in the tenant's log. Absent of a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// Its type.
    r#type: String,
    /// Which attempt at this event, from 1.
    attempt: u32,
    /// When it began.
    #[schema(format = DateTime)]
    at: String,
    /// Status of the answer, if one came.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    /// How long it took, milliseconds.
    latency_ms: f64,
    /// `delivered` or `failed`.
    outcome: &'static str,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The replay that it was part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    replay_id: Option<String>,
}

/// Attempts.
#[derive(Serialize, ToSchema)]
struct AttemptList {
    /// The newest first.
    deliveries: Vec<ShownAttempt>,
}

/// An event that was set aside.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ParkedEvent)]
struct ShownParked {
    /// `webhook-id` of its requests.
    webhook_id: String,
    /// Its position in the tenant's log.
    position: u64,
    /// Its type.
    r#type: String,
    /// Attempts until then.
    attempts: u32,
    /// When it was set aside.
    #[schema(format = DateTime)]
    parked_at: String,
    /// Why the last one failed.
    error: String,
}

/// Events that were set aside.
#[derive(Serialize, ToSchema)]
struct ParkedList {
    /// By position.
    parked: Vec<ShownParked>,
}

/// What is to be told again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewReplay)]
struct NewReplay {
    /// Where it begins.
    from: String,
    /// Where it ends, which it does not contain; where the log ends now if nothing is said.
    to: Option<String>,
    /// Where to; where the webhook's go if nothing is said.
    url: Option<String>,
    /// Types.
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
    /// Most events a second; as many as are taken if nothing is said.
    #[schema(minimum = 1, maximum = 100_000)]
    rate_per_second: Option<u32>,
}

/// A replay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Replay {
    id: String,
    /// First position.
    from: u64,
    /// Position behind the last.
    to: u64,
    /// Everything before it was delivered or passed over.
    position: u64,
    /// Where to, if not where the webhook's go.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Most events a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_per_second: Option<u32>,
    /// Events that were delivered.
    delivered: u64,
    /// `running`, `done`, `cancelled` or `failed`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    created_at: String,
}

/// Replays.
#[derive(Serialize, ToSchema)]
struct ReplayList {
    /// The newest first.
    replays: Vec<Replay>,
}

fn milliseconds(microseconds: u64) -> f64 {
    // Hours of microseconds are exact in 32 bits of milliseconds and three digits behind them.
    f64::from(u32::try_from(microseconds / 1_000).unwrap_or(u32::MAX))
        + f64::from(u32::try_from(microseconds % 1_000).unwrap_or(0)) / 1_000.0
}

fn shown(tenant: TenantId, attempt: Attempt) -> ShownAttempt {
    ShownAttempt {
        webhook_id: attempt.event.map(|event| words::event_id(tenant, event)),
        position: attempt.event.map(|event| event.position.0),
        r#type: attempt.event_type,
        attempt: attempt.number,
        at: answer::time(attempt.at),
        status_code: attempt.status,
        latency_ms: milliseconds(attempt.latency_us),
        outcome: if attempt.error.is_none() { "delivered" } else { "failed" },
        error: attempt.error,
        replay_id: attempt.replay,
    }
}

fn shown_parked(tenant: TenantId, parked: Parked) -> ShownParked {
    ShownParked {
        webhook_id: words::event_id(tenant, parked.event),
        position: parked.event.position.0,
        r#type: parked.event_type,
        attempts: parked.attempts,
        parked_at: answer::time(parked.at),
        error: parked.error,
    }
}

fn shown_replay(replay: delivery::Replay) -> Replay {
    let (status, status_reason) = match replay.ended {
        None => ("running", None),
        Some(ReplayEnd::Done) => ("done", None),
        Some(ReplayEnd::Cancelled) => ("cancelled", None),
        Some(ReplayEnd::Failed { reason }) => ("failed", Some(reason)),
    };
    Replay {
        id: replay.id,
        from: replay.from.0,
        to: replay.to.0,
        position: replay.position.0,
        url: replay.url,
        rate_per_second: replay.per_second,
        delivered: replay.delivered,
        status,
        status_reason,
        created_at: answer::time(replay.created),
    }
}

/// The position of the path. What is none was not set aside.
fn position(ask: &Ask) -> Result<Position, Problem> {
    let text = ask.values.get("position");
    let number = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    number.map(Position).ok_or_else(Problem::not_found)
}

async fn test(app: Arc<App>, ask: Ask) -> Answer {
    let caller = ask.caller()?;
    let attempt = app.store.test_subscription(caller, words::id(&ask)?).await?;
    let tested = Tested {
        webhook_id: attempt.test.or_else(|| attempt.event.map(|event| words::event_id(caller.tenant, event))),
        delivered: attempt.error.is_none(),
        status_code: attempt.status,
        latency_ms: milliseconds(attempt.latency_us),
        error: attempt.error,
    };
    Ok(answer::json(StatusCode::OK, &tested))
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let max = if query.get("limit")?.is_some() { query.bounded("limit", 1, ATTEMPTS_MAX)? } else { ATTEMPTS };
    let failed_alone = match query.get("status")? {
        None => false,
        Some("failed") => true,
        Some(_) => return Err(Problem::invalid("`status` can only be `failed`")),
    };
    let caller = ask.caller()?;
    let attempts = app.store.deliveries(caller, words::id(&ask)?, failed_alone, max).await?;
    let deliveries = attempts.into_iter().map(|attempt| shown(caller.tenant, attempt)).collect();
    Ok(answer::json(StatusCode::OK, &AttemptList { deliveries }))
}

async fn parked(app: Arc<App>, ask: Ask) -> Answer {
    let caller = ask.caller()?;
    let parked = app.store.parked(caller, words::id(&ask)?).await?;
    let parked = parked.into_iter().map(|parked| shown_parked(caller.tenant, parked)).collect();
    Ok(answer::json(StatusCode::OK, &ParkedList { parked }))
}

async fn again(app: Arc<App>, ask: Ask) -> Answer {
    app.store.unpark(ask.caller()?, words::id(&ask)?, position(&ask)?, Unpark::Replay).await?;
    Ok(answer::empty(StatusCode::ACCEPTED))
}

async fn discard(app: Arc<App>, ask: Ask) -> Answer {
    app.store.unpark(ask.caller()?, words::id(&ask)?, position(&ask)?, Unpark::Discard).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

async fn replay(app: Arc<App>, mut ask: Ask) -> Answer {
    let id = words::id(&ask)?;
    let NewReplay { from, to, url, events, buckets, prefix, suffix, min_size_bytes, max_size_bytes, rate_per_second } =
        ask.json().await?;
    let filter = FilterWords { events, buckets, prefix, suffix, min_size_bytes, max_size_bytes };
    let asked = AskedReplay {
        span: words::span(Some(&from), to.as_deref())?,
        url,
        filter: filter.says_anything().then(|| filter.filter()).transpose()?,
        per_second: rate_per_second,
    };
    let replay = app.store.replay(ask.caller()?, id, asked).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &shown_replay(replay)))
}

async fn replays(app: Arc<App>, ask: Ask) -> Answer {
    let replays = app.store.replays(ask.caller()?, words::id(&ask)?).await?;
    let replays = replays.into_iter().map(shown_replay).collect();
    Ok(answer::json(StatusCode::OK, &ReplayList { replays }))
}

async fn cancel(app: Arc<App>, ask: Ask) -> Answer {
    app.store.cancel_replay(ask.caller()?, words::id(&ask)?, ask.values.get("replayId")).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}
