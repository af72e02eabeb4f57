//! What tenants hold.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::Usage;
use schemas::event::AdminRole;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry};
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let of_one = Operation::new(Method::GET, "/tenants/{id}/usage", "getTenantUsage", "tenants", "What a tenant holds")
        .query(
            "physical",
            json!({ "type": "boolean" }),
            "Also what it takes on disk: looks at every blob of the tenant.",
        )
        .answers::<TenantUsage>(200, "What it holds now.")
        .refuses(&[404]);
    let of_all =
        Operation::new(Method::GET, "/usage", "getUsage", "tenants", "What the tenants that the token may see hold")
            .answers::<AllUsage>(200, "Sums.");
    vec![entry(AdminRole::Viewer, of_one, one), entry(AdminRole::Viewer, of_all, all)]
}

/// What is held.
#[derive(Serialize, ToSchema, Default)]
#[serde(rename_all = "camelCase")]
struct Held {
    /// Current objects.
    objects: u64,
    /// Versions, delete markers included.
    versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    logical_bytes: u64,
    /// Plaintext bytes of the parts of open uploads.
    multipart_bytes: u64,
    /// Buckets.
    buckets: u64,
}

/// What a tenant holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TenantUsage {
    /// The tenant.
    tenant_id: String,
    #[serde(flatten)]
    held: Held,
    /// Bytes of its blobs as stored, compressed and sealed, those of the history window included. With `physical=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_bytes: Option<u64>,
    /// Plaintext bytes that no blob had to be stored for, because there was one. With `physical=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    dedup_saved_bytes: Option<u64>,
}

/// What tenants hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AllUsage {
    /// How many.
    tenants: usize,
    #[serde(flatten)]
    held: Held,
}

impl Held {
    fn add(&mut self, usage: &Usage) {
        self.objects += usage.objects;
        self.versions += usage.versions;
        self.logical_bytes += usage.logical_bytes;
        self.multipart_bytes += usage.multipart_bytes;
        self.buckets += usage.buckets;
    }
}

async fn one(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenant = ask.tenant(&admin.store).await?;
    let usage = admin.store.usage(ask.caller()?, &tenant).await?;
    let physical = match ask.query.get("physical")? {
        None | Some("false") => None,
        Some("true") => Some(admin.store.physical_usage(ask.caller()?, &tenant).await?),
        Some(_) => return Err(Problem::invalid("`physical` must be `true` or `false`")),
    };
    let mut held = Held::default();
    held.add(&usage);
    let saved = physical.map(|stored| (usage.logical_bytes + usage.multipart_bytes).saturating_sub(stored.plain_bytes));
    let answer = TenantUsage {
        tenant_id: tenant.to_string(),
        held,
        physical_bytes: physical.map(|physical| physical.stored_bytes),
        dedup_saved_bytes: saved,
    };
    Ok(super::json(StatusCode::OK, answer))
}

async fn all(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenants = admin.store.list_tenants(ask.caller()?).await?;
    let mut held = Held::default();
    for tenant in &tenants {
        held.add(&admin.store.usage(ask.caller()?, &tenant.name).await?);
    }
    Ok(super::json(StatusCode::OK, AllUsage { tenants: tenants.len(), held }))
}
