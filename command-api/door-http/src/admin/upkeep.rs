//! Upkeep of the whole installation: compare the projections with the log, sweep the blobs, carry out lifecycle
//! rules.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use pipeline::{AdminCaller, LifecycleReport};
use schemas::event::AdminRole;
use serde::Serialize;

use super::installation::Installation;
use super::{Admin, auth};
use crate::problem::Problem;

/// What a rebuild found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rebuild {
    equal: bool,
    tenants: usize,
    events: u64,
    mismatches: Vec<String>,
}

/// What a sweep did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Sweep {
    released: u64,
    freed: u64,
    freed_bytes: u64,
    segments_rewritten: u64,
    segments_removed: u64,
}

/// What lifecycle rules did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lifecycle {
    buckets: u64,
    looked_at: u64,
    hidden: u64,
    removed: u64,
    aborted: u64,
    refused: u64,
}

pub(super) async fn rebuild<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
) -> Result<Json<Rebuild>, Problem> {
    allow(&caller)?;
    let report = admin.store.rebuild(&caller).await?;
    Ok(Json(Rebuild {
        equal: report.mismatches.is_empty(),
        tenants: report.tenants,
        events: report.events,
        mismatches: report.mismatches,
    }))
}

pub(super) async fn sweep<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
) -> Result<Json<Sweep>, Problem> {
    allow(&caller)?;
    let report = admin.store.sweep(&caller).await?;
    Ok(Json(Sweep {
        released: report.released,
        freed: report.freed,
        freed_bytes: report.freed_bytes,
        segments_rewritten: report.rewritten,
        segments_removed: report.unlinked,
    }))
}

pub(super) async fn lifecycle<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
) -> Result<Json<Lifecycle>, Problem> {
    allow(&caller)?;
    let LifecycleReport { buckets, looked_at, hidden, removed, aborted, refused } =
        admin.store.lifecycle(&caller).await?;
    Ok(Json(Lifecycle { buckets, looked_at, hidden, removed, aborted, refused }))
}

fn allow(caller: &AdminCaller) -> Result<(), Problem> {
    auth::need(caller, AdminRole::Operator)?;
    auth::whole(caller)
}
