//! `POST /buckets/{bucket}/objects:deletePrefix` and `/tasks`: work that goes on behind its request.

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{RewindReport, TaskInfo, TaskStatus, TaskWork};
use schemas::ObjectKey;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::rewind::{Refused, refused};
use super::{Answer, App, Entry, answer, entry, page};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "tasks";

pub(super) fn operations() -> Vec<Entry> {
    let path = "/buckets/{bucket}/objects:deletePrefix";
    let delete = Operation::new(Method::POST, path, "deletePrefix", "objects", "Delete all objects under a prefix")
        .about(
            "A task does it behind the answer: it outlives restarts and can be cancelled. Every object that is there when it begins \
             is deleted as `DELETE` of it would, with the rights that the caller has at that moment; what is written later stays. \
             In a versioned bucket delete markers are made. With `dryRun` nothing is deleted: what would be is counted, for a \
             bounded time.",
        )
        .takes::<DeletePrefix>()
        .answers::<DryRun>(200, "What would be deleted, with `dryRun`.")
        .answers::<Task>(202, "The task that deletes.")
        .with_headers(&[("Location", "Where the task is asked about.")])
        .refuses(&[404, 413]);
    let list = Operation::new(Method::GET, "/tasks", "listTasks", TAG, "List tasks")
        .about("The newest first. Each user sees their own; one who administers the whole tenant sees all.")
        .query("maxKeys", page::schema(), "Most tasks of a page.")
        .query("continuationToken", json!({ "type": "string" }), "Where the page before ended.")
        .answers::<TaskList>(200, "A page of tasks.");
    let get = Operation::new(Method::GET, "/tasks/{id}", "getTask", TAG, "Get a task")
        .path("id", json!({ "type": "string" }), "Task id.")
        .answers::<Task>(200, "The task.")
        .refuses(&[404]);
    let cancel = Operation::new(Method::DELETE, "/tasks/{id}", "cancelTask", TAG, "Cancel a task")
        .about("What it has done stays done, and nothing more happens. A task that has ended stays as it is.")
        .path("id", json!({ "type": "string" }), "Task id.")
        .answers::<Task>(200, "The task.")
        .refuses(&[404]);
    vec![entry(delete, delete_prefix), entry(list, self::list), entry(get, self::get), entry(cancel, self::cancel)]
}

/// What is to be deleted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct DeletePrefix {
    /// Keys that begin with it. An empty one means every object of the bucket.
    prefix: String,
    /// Whether only to count.
    #[serde(default)]
    dry_run: bool,
}

/// What would be deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DryRun {
    bucket: String,
    prefix: String,
    /// Always true.
    dry_run: bool,
    /// Objects, as far as they were counted.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Whether there are more.
    is_truncated: bool,
}

/// A task. What it says of its work depends on its kind.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    id: String,
    /// `delete-prefix`, `erase`, `restore` or `undo`.
    kind: String,
    bucket: String,
    /// Only keys that begin with it: of `delete-prefix` and `restore`.
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    /// The last event of the point that is restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    /// Who began it.
    user: String,
    /// `running`, `succeeded`, `failed` or `cancelled`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Objects that were deleted: of `delete-prefix`; rows: of `erase`.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    /// Objects that are locked and stay: of `delete-prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Option<u64>,
    /// Objects that its user may not delete and that stay: of `delete-prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<u64>,
    /// Keys that show again what they showed: of `restore` and `undo`, like all that follow of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    restored: Option<u64>,
    /// Keys that were deleted, because they were not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    removed: Option<u64>,
    /// Keys that were what they had been.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<u64>,
    /// Keys that stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<u64>,
    /// The first of those and why, as far as they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_keys: Option<Vec<Refused>>,
    /// When it began.
    #[schema(format = DateTime)]
    started_at: String,
    /// When it last got further.
    #[schema(format = DateTime)]
    progressed_at: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

/// A page of tasks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TaskList {
    /// The newest first.
    tasks: Vec<Task>,
    /// Whether more follow.
    is_truncated: bool,
    /// What the next page is asked with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_continuation_token: Option<String>,
}

pub(super) fn shown(task: TaskInfo) -> Task {
    let (status, error) = match task.status {
        TaskStatus::Running => ("running", None),
        TaskStatus::Succeeded => ("succeeded", None),
        TaskStatus::Failed(error) => ("failed", Some(error)),
        TaskStatus::Cancelled => ("cancelled", None),
    };
    let work = match task.work {
        TaskWork::DeletePrefix { prefix, deleted, locked, denied } => Task {
            prefix: Some(prefix),
            deleted: Some(deleted),
            locked: Some(locked),
            denied: Some(denied),
            ..Task::default()
        },
        TaskWork::Erase { rows } => Task { deleted: Some(rows), ..Task::default() },
        TaskWork::Restore { at, prefix, report } => {
            Task { prefix: Some(prefix), position: Some(at.0), ..rewound(report) }
        }
        TaskWork::Undo { report } => rewound(report),
    };
    Task {
        id: task.id,
        kind: task.kind,
        bucket: task.bucket.to_string(),
        user: task.user.to_string(),
        status,
        error,
        started_at: answer::time(task.started),
        progressed_at: answer::time(task.progressed),
        ended_at: task.ended.map(answer::time),
        ..work
    }
}

fn rewound(report: RewindReport) -> Task {
    Task {
        restored: Some(report.restored),
        removed: Some(report.removed),
        unchanged: Some(report.unchanged),
        refused: Some(report.refused),
        refused_keys: Some(report.refused_keys.into_iter().map(refused).collect()),
        ..Task::default()
    }
}

/// The answer to whatever began a task.
pub(super) fn accepted(task: TaskInfo) -> Response {
    let location = HeaderValue::from_str(&format!("/api/v1/tasks/{}", task.id));
    let mut response = answer::json(StatusCode::ACCEPTED, &shown(task));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn delete_prefix(app: Arc<App>, mut ask: Ask) -> Answer {
    let bucket = ask.bucket()?;
    let DeletePrefix { prefix, dry_run } = ask.json().await?;
    if prefix.len() > ObjectKey::BYTES_MAX {
        return Err(Problem::invalid("no key is as long as this `prefix`"));
    }
    let caller = ask.caller()?;
    if dry_run {
        app.store.may_delete_prefix(caller, &bucket, &prefix)?;
        let stats = app.store.prefix_stats(caller, &bucket, &prefix, None).await?;
        let shown = DryRun {
            bucket: bucket.to_string(),
            prefix,
            dry_run,
            objects: stats.objects,
            bytes: stats.bytes,
            is_truncated: stats.next_after.is_some(),
        };
        return Ok(answer::json(StatusCode::OK, &shown));
    }
    Ok(accepted(app.store.delete_prefix(caller, &bucket, &prefix).await?))
}

async fn list(app: Arc<App>, ask: Ask) -> Answer {
    let query = &ask.words.query;
    let (max, after) = (page::size(query, "maxKeys")?, page::after(query)?);
    let (tasks, is_truncated) = app.store.list_tasks(ask.caller()?, after.as_deref(), max).await?;
    let next = tasks.last().filter(|_| is_truncated).map(|last| page::token(&last.id));
    let tasks = tasks.into_iter().map(shown).collect();
    Ok(answer::json(StatusCode::OK, &TaskList { tasks, is_truncated, next_continuation_token: next }))
}

fn found(task: Option<TaskInfo>) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &shown(task.ok_or_else(Problem::not_found)?)))
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    found(app.store.task(ask.caller()?, ask.values.get("id")).await?)
}

async fn cancel(app: Arc<App>, ask: Ask) -> Answer {
    found(app.store.cancel_task(ask.caller()?, ask.values.get("id")).await?)
}
