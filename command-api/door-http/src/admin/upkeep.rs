//! Upkeep of the whole installation: compare the projections with the log, sweep the blobs, carry out lifecycle
//! rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::LifecycleReport;
use schemas::TenantId;
use schemas::event::AdminRole;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, json, whole};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let op = |path, id, summary| Operation::new(Method::POST, path, id, "upkeep", summary);
    let rebuild = op("/rebuild", "rebuild", "Compute the projections from the log and compare them with those in use")
        .answers::<Rebuild>(200, "What was found.");
    let sweep = op("/sweep", "sweep", "Free what nothing refers to any more").answers::<Sweep>(200, "What was freed.");
    let lifecycle =
        op("/lifecycle", "runLifecycle", "Carry out lifecycle rules now").answers::<Lifecycle>(200, "What was done.");
    vec![
        whole(AdminRole::Operator, rebuild, self::rebuild),
        whole(AdminRole::Operator, sweep, self::sweep),
        whole(AdminRole::Operator, lifecycle, self::lifecycle),
    ]
}

/// What a rebuild found.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Rebuild {
    /// Whether all rows are what the log says.
    equal: bool,
    /// Tenants whose logs were read.
    tenants: usize,
    /// Events that were read.
    events: u64,
    /// Tables that differ.
    mismatches: Vec<String>,
    /// Tenants, by number, that were not compared: an erasure is under way in them.
    erasing: Vec<String>,
    /// SHA-256 of each table as the log says it is, by tenant (its name; its number if it has none) and table. `holdfast replay` computes
    /// the same.
    digests: BTreeMap<String, BTreeMap<&'static str, String>>,
}

/// What a sweep did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Sweep {
    /// Pieces of content given up.
    released: u64,
    /// Blobs removed.
    freed: u64,
    /// Their bytes.
    freed_bytes: u64,
    /// Segment files written anew.
    segments_rewritten: u64,
    /// Segment files removed.
    segments_removed: u64,
}

/// What lifecycle rules did.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Lifecycle {
    /// Buckets with rules.
    buckets: u64,
    /// Objects, versions and uploads looked at.
    looked_at: u64,
    /// Objects hidden by a delete marker.
    hidden: u64,
    /// Versions and markers removed.
    removed: u64,
    /// Uploads given up.
    aborted: u64,
    /// What a lock kept.
    refused: u64,
}

async fn rebuild(admin: Arc<Admin>, ask: Ask) -> Answer {
    let report = admin.store.admin_rebuild(ask.caller()?).await?;
    let tenants = admin.store.list_tenants(ask.caller()?).await?;
    let names: BTreeMap<TenantId, String> =
        tenants.into_iter().map(|tenant| (tenant.id, tenant.name.to_string())).collect();
    let digests = report.digests.into_iter().map(|(tenant, tables)| {
        let name = names.get(&tenant).cloned().unwrap_or_else(|| tenant.to_string());
        (name, tables.into_iter().map(|(table, digest)| (table, digest.to_string())).collect())
    });
    let answer = Rebuild {
        digests: digests.collect(),
        equal: report.mismatches.is_empty(),
        tenants: report.tenants,
        events: report.events,
        mismatches: report.mismatches,
        erasing: report.erasing.iter().map(ToString::to_string).collect(),
    };
    Ok(json(StatusCode::OK, answer))
}

async fn sweep(admin: Arc<Admin>, ask: Ask) -> Answer {
    let report = admin.store.admin_sweep(ask.caller()?).await?;
    let answer = Sweep {
        released: report.released,
        freed: report.freed,
        freed_bytes: report.freed_bytes,
        segments_rewritten: report.rewritten,
        segments_removed: report.unlinked,
    };
    Ok(json(StatusCode::OK, answer))
}

async fn lifecycle(admin: Arc<Admin>, ask: Ask) -> Answer {
    let LifecycleReport { buckets, looked_at, hidden, removed, aborted, refused } =
        admin.store.admin_lifecycle(ask.caller()?).await?;
    Ok(json(StatusCode::OK, Lifecycle { buckets, looked_at, hidden, removed, aborted, refused }))
}
