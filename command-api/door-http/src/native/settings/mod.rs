//! What buckets are set to: CORS, lifecycle, tags, policy, object lock, quota, and several of them at once.
//!
//! Owns: their JSON, which mirrors the elements of S3's XML in camelCase.
//! Does not own: what may be set (domain). What one API writes the other reads: both write the same configurations.

mod cors;
mod lifecycle;
mod lock;
mod patch;
mod policy;
mod quota;
mod tags;

use axum::response::Response;
use http::{Method, StatusCode};
use pipeline::Configuration;
use schemas::Position;
use schemas::action::Action;
use serde::Serialize;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry};
use crate::operation::Operation;
use crate::problem::Problem;

const TAG: &str = "settings";

pub(super) fn operations() -> Vec<Entry> {
    let all = [
        cors::operations(),
        lifecycle::operations(),
        tags::operations(),
        policy::operations(),
        lock::operations(),
        quota::operations(),
        patch::operations(),
    ];
    all.into_iter().flatten().collect()
}

/// An operation on a setting of a bucket.
fn of_bucket(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, id, TAG, summary).refuses(&[404])
}

/// One that changes it.
fn changing(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    of_bucket(method, path, id, summary).refuses(&[413])
}

/// What a bucket is not set to.
fn not_set(message: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// What was set, and where in the log.
fn set(value: &impl Serialize, at: Position) -> Response {
    let mut response = answer::json(StatusCode::OK, value);
    answer::position(response.headers_mut(), at);
    response
}

/// Removes a configuration. Removing what is not there is no error.
async fn remove(app: &App, ask: Ask, action: Action, none: Configuration) -> Answer {
    let at = app.store.configure_bucket(ask.caller()?, &ask.bucket()?, action, none).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, at))
}
