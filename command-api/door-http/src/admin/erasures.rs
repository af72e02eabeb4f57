//! Erasing tenants.

use std::sync::Arc;

use domain::erasure::Erase;
use http::{HeaderValue, Method, StatusCode, header};
use pipeline::{ErasureInfo, TaskStatus};
use schemas::event::{AdminRole, ErasureScope};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json as answer, whole};
use crate::json::timestamp;
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "tenants", summary);
    let erase = op(Method::POST, "/tenants/{id}/erase", "eraseTenant", "Erase a tenant with everything that it has")
        .about(
            "Its keys stop working with the answer, and its name is free. A task then destroys its key, which makes the content of \
             all of its buckets and its whole log unreadable, deletes what is left of it and searches the files for what must not be \
             there. It cannot be cancelled or undone. Refused with 409 `retained` while a retention or legal hold is in force in any \
             of its buckets.",
        )
        .takes::<EraseTenant>()
        .answers::<Erasure>(202, "The erasure.")
        .with_headers(&[("Location", "Where it is asked about.")])
        .refuses(&[404, 409, 413, 507]);
    let get = op(Method::GET, "/erasures/{erasure}", "getErasure", "An erasure of a tenant, and what it has done")
        .path("erasure", json!({ "type": "string" }), "Its id.")
        .answers::<Erasure>(200, "The erasure.")
        .refuses(&[404]);
    vec![entry(AdminRole::Owner, erase, self::erase), whole(AdminRole::Owner, get, self::get)]
}

/// What is to be erased, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EraseTenant {
    /// For whoever reads the certificate: one line.
    #[schema(min_length = 1, max_length = 512)]
    reason: String,
    /// The tenant's name once more.
    confirm: String,
}

/// An erasure of a tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Erasure {
    id: String,
    /// The tenant, as it was called.
    tenant: String,
    /// Why.
    reason: String,
    /// `running`, `succeeded` or `failed`.
    status: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Rows that were deleted.
    rows: u64,
    /// Wrapped keys of content that were deleted.
    wraps: u64,
    /// Blobs that were freed.
    blobs: u64,
    /// Entries of the access log that were deleted.
    entries: u64,
    /// Bytes of the data directory that were searched.
    scanned_bytes: u64,
    /// What they were searched for.
    markers: u64,
    /// How many of those were found.
    findings: u64,
    /// When it was asked for.
    #[schema(format = DateTime)]
    started_at: Option<String>,
    /// When it last got further.
    #[schema(format = DateTime)]
    progressed_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended_at: Option<String>,
}

fn shown(info: ErasureInfo) -> Erasure {
    let (status, error) = match info.status {
        TaskStatus::Running => ("running", None),
        TaskStatus::Succeeded => ("succeeded", None),
        TaskStatus::Cancelled => ("failed", None),
        TaskStatus::Failed(error) => ("failed", Some(error)),
    };
    let tenant = match info.scope {
        ErasureScope::Tenant { name, .. } => name.to_string(),
        ErasureScope::Bucket { name, .. } => name.to_string(),
    };
    let counts = info.counts;
    Erasure {
        id: info.id,
        tenant,
        reason: info.reason,
        status,
        error,
        rows: counts.rows,
        wraps: counts.wraps,
        blobs: counts.blobs,
        entries: counts.entries,
        scanned_bytes: counts.scanned_bytes,
        markers: counts.markers,
        findings: counts.findings,
        started_at: timestamp(info.started),
        progressed_at: timestamp(info.progressed),
        ended_at: info.ended.and_then(timestamp),
    }
}

async fn erase(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    let EraseTenant { reason, confirm } = ask.json()?;
    let begun = admin.store.erase_tenant(ask.caller()?, &name, Erase { reason, confirm }).await?;
    let location = HeaderValue::from_str(&format!("/admin/api/v1/erasures/{}", begun.id));
    let mut response = answer(StatusCode::ACCEPTED, shown(begun));
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn get(admin: Arc<Admin>, ask: Ask) -> Answer {
    let found = admin.store.tenant_erasure(ask.caller()?, ask.value("erasure"))?;
    Ok(answer(StatusCode::OK, shown(found.ok_or_else(Problem::not_found)?)))
}
