//! Upkeep of the whole installation: rebuild the projections, sweep the blobs.
//!
//! The store offers neither yet: 501, after the same checks, so that nothing changes for callers when it does.

use axum::Extension;
use pipeline::AdminCaller;
use schemas::event::AdminRole;

use super::auth;
use crate::problem::Problem;

pub(super) async fn rebuild(Extension(caller): Extension<AdminCaller>) -> Result<(), Problem> {
    upkeep(&caller, "rebuild is not there yet")
}

pub(super) async fn sweep(Extension(caller): Extension<AdminCaller>) -> Result<(), Problem> {
    upkeep(&caller, "sweep is not there yet")
}

fn upkeep(caller: &AdminCaller, message: &str) -> Result<(), Problem> {
    auth::need(caller, AdminRole::Operator)?;
    auth::whole(caller)?;
    Err(Problem::not_implemented(message))
}
