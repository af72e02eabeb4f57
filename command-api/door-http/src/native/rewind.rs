//! `POST /buckets/{bucket}/restore` and `/undo`: back to what was.
//!
//! Owns: their JSON. Does not own: which keys and how (the store), how their tasks are shown ([`super::tasks`]).

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::{AskedCause, AskedRewind, Caller, Point, RewindPlan, Rewound};
use schemas::{BucketName, ObjectKey, Position};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::tasks::{self, Task};
use super::webhooks::words::point;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "history";
/// Longest name of an actor.
const ACTOR_BYTES_MAX: usize = 128;

pub(super) fn operations() -> Vec<Entry> {
    let of_bucket = |path, id, summary| {
        Operation::new(Method::POST, path, id, TAG, summary)
            .answers::<Plan>(200, "What would become of which keys, with `dryRun`.")
            .answers::<Task>(202, "The task that does it.")
            .with_headers(&[("Location", "Where the task is asked about.")])
            .refuses(&[404, 413])
    };
    let restore = of_bucket("/buckets/{bucket}/restore", "restoreBucket", "Put objects back to a point")
        .about(
            "Every key that shows something else than it did then gets it back, as a new version that shares the content, or is \
             deleted if it was not there. Only keys that changed are looked at. A task does it behind the answer, with the rights that \
             the caller has at that moment: each key changes whole or not at all, what is locked or whose content is not kept any more \
             stays and is listed, and so does what is written after the answer. It can be undone by its request id.",
        )
        .takes::<Restore>();
    let undo = of_bucket("/buckets/{bucket}/undo", "undoInBucket", "Undo what a cause did")
        .about(
            "Every key that the cause changed is put back to what it was before the first of its changes. The cause is a request, or \
             all that a user or an access key did since a point, or some events by their positions: exactly one of them. A key that \
             others changed since stays and is listed, unless it is forced.",
        )
        .takes::<Undo>();
    vec![entry(restore, self::restore), entry(undo, self::undo)]
}

/// What is to be as it was.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Restore {
    /// `pos:N`, a time as RFC 3339 writes it, `-2h`, `snap:NAME`, or `before:` and a request id or version id.
    point: String,
    /// Only keys that begin with it.
    #[serde(default)]
    prefix: String,
    /// Whether only to say what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What is to be undone.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Undo {
    /// All that a request did: its `X-Request-Id`.
    request_id: Option<String>,
    /// All that a user or an access key did, by its id, since a point.
    actor: Option<String>,
    /// The point: events at or after it are undone.
    since: Option<String>,
    /// The events at these positions: at most 1,000, and fewer where they are far apart.
    positions: Option<Vec<u64>>,
    /// Whether only to say what would happen.
    #[serde(default)]
    dry_run: bool,
    /// Whether also keys that others changed since are put back.
    #[serde(default)]
    force: bool,
}

/// What would happen.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Plan {
    /// Always true.
    dry_run: bool,
    /// Keys that would show again what they showed.
    restored: u64,
    /// Keys that would be deleted.
    removed: u64,
    /// Keys that are what they were.
    unchanged: u64,
    /// Keys that would stay as they are, and why: the first 1,000.
    refused: Vec<Refused>,
    /// Keys that would change: the first 1,000.
    changes: Vec<Change>,
    /// Whether not all keys are listed.
    truncated: bool,
}

/// A key that stays as it is.
#[derive(Serialize, ToSchema)]
pub(super) struct Refused {
    /// The key.
    pub(super) key: String,
    /// Why.
    pub(super) reason: String,
}

/// What would become of a key.
#[derive(Serialize, ToSchema)]
struct Change {
    /// The key.
    key: String,
    /// `restore` or `remove`.
    action: &'static str,
}

async fn restore(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let Restore { point: text, prefix, dry_run } = ask.json().await?;
    if prefix.len() > ObjectKey::BYTES_MAX {
        return Err(Problem::invalid("no key is as long as this `prefix`"));
    }
    let asked = AskedRewind::Restore { point: point(&text)?, prefix };
    rewind(&app, ask.caller()?, &bucket, asked, dry_run).await
}

async fn undo(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let undo: Undo = ask.json().await?;
    let (dry_run, force) = (undo.dry_run, undo.force);
    let asked = AskedRewind::Undo { cause: cause(undo)?, force };
    rewind(&app, ask.caller()?, &bucket, asked, dry_run).await
}

/// # Errors
/// None of the causes, more than one, or one that is malformed.
fn cause(undo: Undo) -> Result<AskedCause, Problem> {
    match (undo.request_id, undo.actor, undo.since, undo.positions) {
        (Some(id), None, None, None) => {
            let id = Point::request_id(&id).ok_or_else(|| Problem::invalid("`requestId` is no request id"))?;
            Ok(AskedCause::Request(id))
        }
        (None, Some(actor), Some(since), None) => {
            if actor.is_empty() || actor.len() > ACTOR_BYTES_MAX {
                return Err(Problem::invalid("`actor` is no id of a user or of an access key"));
            }
            Ok(AskedCause::Actor { id: actor, since: point(&since)? })
        }
        (None, None, None, Some(positions)) => Ok(AskedCause::Positions(positions.into_iter().map(Position).collect())),
        _ => Err(Problem::invalid("give exactly one of `requestId`, `actor` with `since`, and `positions`")),
    }
}

async fn rewind(app: &App, caller: &Caller, bucket: &BucketName, asked: AskedRewind, dry_run: bool) -> Answer {
    if dry_run {
        let plan = app.store.rewind_plan(caller, bucket, asked).await?;
        return Ok(answer::json(StatusCode::OK, &shown(plan)));
    }
    Ok(tasks::accepted(app.store.rewind(caller, bucket, asked).await?))
}

fn shown(plan: RewindPlan) -> Plan {
    let change = |(key, rewound): (ObjectKey, Rewound)| {
        let action = match rewound {
            Rewound::Restored => "restore",
            Rewound::Removed => "remove",
        };
        Change { key: key.to_string(), action }
    };
    Plan {
        dry_run: true,
        restored: plan.report.restored,
        removed: plan.report.removed,
        unchanged: plan.report.unchanged,
        refused: plan.report.refused_keys.into_iter().map(refused).collect(),
        changes: plan.changes.into_iter().map(change).collect(),
        truncated: plan.truncated,
    }
}

pub(super) fn refused(one: pipeline::RefusedKey) -> Refused {
    Refused { key: one.key.to_string(), reason: one.reason }
}
