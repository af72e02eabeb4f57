//! `POST /webhooks/dry-run` and `/webhooks/{id}/dry-run`: what would have been told, from history.

use std::sync::Arc;

use axum::response::Response;
use http::{Method, StatusCode};
use pipeline::{AskedTrial, Caller};
use schemas::delivery;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::super::ask::Ask;
use super::super::{Answer, App, Entry, answer, entry};
use super::words::{self, FilterWords, Format, Mode};
use super::{TAG, of_webhook};
use crate::operation::Operation;
use crate::problem::Problem;

/// Events that are shown if nothing else is said, and at most.
const SHOWN: usize = 100;
const SHOWN_MAX: usize = 1_000;

pub(super) fn operations() -> Vec<Entry> {
    let new = Operation::new(Method::POST, "/webhooks/dry-run", "dryRun", TAG, "Try a webhook that is not there yet")
        .about(
            "What it would have been told of a part of the log. Nothing is sent. When there was too much to look at, `next` says where \
             to go on, by `pos:N`.",
        )
        .takes::<NewDryRun>()
        .answers::<DryRun>(200, "What it would have been told.")
        .refuses(&[413, 501]);
    let summary = "Try a webhook on history";
    let of_one = of_webhook(Method::POST, "/webhooks/{id}/dry-run", "dryRunWebhook", summary)
        .about("What it would have been told of a part of the log. Nothing is sent.")
        .may_take::<DryRunSpan>()
        .answers::<DryRun>(200, "What it would have been told.")
        .refuses(&[413, 501]);
    vec![entry(new, self::new), entry(of_one, self::of_one)]
}

/// Which part of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DryRunSpan {
    /// Where it begins; `earliest` if nothing is said.
    from: Option<String>,
    /// Where it ends, which it does not contain; where the log ends if nothing is said.
    to: Option<String>,
    /// Most events that are shown; 100 if nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A webhook that is not there yet, and which part of the log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NewDryRun {
    /// Where events would be posted; nothing is sent there now.
    #[serde(rename = "url")]
    _url: Option<String>,
    /// What people would call it.
    #[serde(rename = "name")]
    _name: Option<String>,
    /// In which shape; `cloudevents` if nothing is said.
    format: Option<Format>,
    /// What would be told one after another; `key` if nothing is said.
    mode: Option<Mode>,
    /// Types; all if nothing is said.
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
    /// Where the part of the log begins; `earliest` if nothing is said.
    from: Option<String>,
    /// Where it ends, which it does not contain; where the log ends if nothing is said.
    to: Option<String>,
    /// Most events that are shown; 100 if nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What would have been told.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookDryRun)]
struct DryRun {
    /// Events that match.
    matched: u64,
    /// Events that were looked at.
    scanned: u64,
    /// The first of those that match.
    events: Vec<TriedEvent>,
    /// Where to go on, when there was too much to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// An event that would have been told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TriedEvent {
    /// `webhook-id` of the request.
    webhook_id: String,
    /// Its position in the tenant's log.
    position: u64,
    /// The body of the request.
    #[schema(value_type = Object)]
    payload: Value,
}

fn shown(caller: &Caller, run: delivery::DryRun) -> Result<Response, Problem> {
    let events = run.shown.into_iter().map(|(event, json)| {
        let payload = serde_json::from_str(&json).map_err(|_| Problem::internal("a payload is not JSON"))?;
        Ok(TriedEvent { webhook_id: words::event_id(caller.tenant, event), position: event.position.0, payload })
    });
    let shown = DryRun {
        matched: run.matched,
        scanned: run.scanned,
        events: events.collect::<Result<_, Problem>>()?,
        next: run.next.map(|next| next.0),
    };
    Ok(answer::json(StatusCode::OK, &shown))
}

fn shown_max(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(SHOWN) {
        0 => Err(Problem::invalid("`limit` must be a number from 1 up")),
        limit => Ok(limit.min(SHOWN_MAX)),
    }
}

async fn new(app: Arc<App>, mut ask: Ask) -> Answer {
    let body: NewDryRun = ask.json().await?;
    let NewDryRun { events, buckets, prefix, suffix, min_size_bytes, max_size_bytes, .. } = body;
    let trial = AskedTrial {
        filter: FilterWords { events, buckets, prefix, suffix, min_size_bytes, max_size_bytes }.filter()?,
        format: body.format.unwrap_or(Format::CloudEvents).into(),
        mode: body.mode.unwrap_or_default().into(),
    };
    let span = words::span(body.from.as_deref(), body.to.as_deref())?;
    let caller = ask.caller()?;
    shown(caller, app.store.dry_run(caller, trial, span, shown_max(body.limit)?).await?)
}

async fn of_one(app: Arc<App>, mut ask: Ask) -> Answer {
    let id = words::id(&ask)?;
    let DryRunSpan { from, to, limit } = ask.json().await?;
    let span = words::span(from.as_deref(), to.as_deref())?;
    let caller = ask.caller()?;
    shown(caller, app.store.dry_run_of(caller, id, span, shown_max(limit)?).await?)
}
