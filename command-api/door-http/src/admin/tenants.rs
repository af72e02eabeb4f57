//! Tenants.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::TenantInfo;
use schemas::TenantName;
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json, whole};
use crate::json::timestamp;
use crate::operation::Operation;
use crate::problem::Problem;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "tenants", summary);
    let list = op(Method::GET, "/tenants", "listTenants", "Tenants that the token may see")
        .answers::<TenantList>(200, "Tenants by name.");
    let create = op(Method::POST, "/tenants", "createTenant", "Make a tenant")
        .takes::<NewTenant>()
        .answers::<Tenant>(201, "The tenant.")
        .refuses(&[409, 413, 507]);
    let get = op(Method::GET, "/tenants/{id}", "getTenant", "One tenant")
        .answers::<Tenant>(200, "The tenant.")
        .refuses(&[404]);
    let disable = op(Method::POST, "/tenants/{id}/disable", "disableTenant", "Stop a tenant's keys")
        .takes::<Reason>()
        .answers::<Tenant>(200, "The tenant.")
        .refuses(&[404, 413, 507]);
    let enable = op(Method::POST, "/tenants/{id}/enable", "enableTenant", "Let a tenant's keys work again")
        .may_take::<OptionalReason>()
        .answers::<Tenant>(200, "The tenant.")
        .refuses(&[404, 413, 507]);
    let delete = op(Method::DELETE, "/tenants/{id}", "deleteTenant", "Delete a tenant that has no buckets")
        .about(
            "A bucket can be deleted when it is empty, and a version that is retained or held cannot: so nothing that must be kept \
             goes with a tenant. Its log stays; its name is free.",
        )
        .takes::<Reason>()
        .answers_empty(204, "Deleted.")
        .refuses(&[404, 409, 413, 507]);
    vec![
        entry(AdminRole::Viewer, list, self::list),
        whole(AdminRole::Operator, create, self::create),
        entry(AdminRole::Viewer, get, self::get),
        entry(AdminRole::Owner, disable, self::disable),
        entry(AdminRole::Owner, enable, self::enable),
        entry(AdminRole::Owner, delete, self::delete),
    ]
}

/// A new tenant. It has one name: `id` and `name` are the same, and one of them is enough.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    /// 1 to 63 lower-case letters, digits and hyphens.
    id: Option<String>,
    /// The same.
    name: Option<String>,
}

/// Why something is done.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// For whoever reads the history.
    #[schema(min_length = 1, pattern = "\\S")]
    reason: String,
}

/// Why something is done, if there is something to say.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OptionalReason {
    /// For whoever reads the history.
    #[serde(rename = "reason")]
    #[schema(rename = "reason")]
    _reason: Option<String>,
}

/// A tenant.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tenant {
    /// Its name.
    id: String,
    /// Its name.
    name: String,
    /// Whether its keys are stopped.
    disabled: bool,
    /// When it was made.
    #[schema(format = DateTime)]
    created_at: Option<String>,
}

/// Tenants.
#[derive(Serialize, ToSchema)]
struct TenantList {
    tenants: Vec<Tenant>,
}

impl From<TenantInfo> for Tenant {
    fn from(info: TenantInfo) -> Self {
        let name = info.name.to_string();
        Self { id: name.clone(), name, disabled: info.disabled, created_at: timestamp(info.created) }
    }
}

async fn list(admin: Arc<Admin>, ask: Ask) -> Answer {
    let tenants = admin.store.list_tenants(ask.caller()?).await?.into_iter().map(Tenant::from).collect();
    Ok(json(StatusCode::OK, TenantList { tenants }))
}

async fn create(admin: Arc<Admin>, ask: Ask) -> Answer {
    let new: NewTenant = ask.json()?;
    let name = match (new.id, new.name) {
        // A second name would be taken and forgotten, so it is refused.
        (Some(id), Some(name)) if id != name => {
            return Err(Problem::invalid("a tenant has one name: `id` and `name` must be the same"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(Problem::invalid("missing field `id`")),
    };
    let name = TenantName::parse(&name).map_err(|error| Problem::invalid(error.to_string()))?;
    let info = admin.store.create_tenant(ask.caller()?, name).await?;
    Ok(json(StatusCode::CREATED, Tenant::from(info)))
}

async fn get(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    Ok(json(StatusCode::OK, Tenant::from(admin.store.get_tenant(ask.caller()?, &name).await?)))
}

async fn disable(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    let reason = reason(&ask)?;
    let info = admin.store.set_tenant_disabled(ask.caller()?, &name, true, reason).await?;
    Ok(json(StatusCode::OK, Tenant::from(info)))
}

async fn enable(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    let OptionalReason { .. } = ask.json()?;
    let info = admin.store.set_tenant_disabled(ask.caller()?, &name, false, String::new()).await?;
    Ok(json(StatusCode::OK, Tenant::from(info)))
}

async fn delete(admin: Arc<Admin>, ask: Ask) -> Answer {
    let name = ask.tenant(&admin.store).await?;
    let reason = reason(&ask)?;
    admin.store.delete_tenant(ask.caller()?, &name, reason).await?;
    Ok(axum::response::IntoResponse::into_response(StatusCode::NO_CONTENT))
}

fn reason(ask: &Ask) -> Result<String, Problem> {
    let Reason { reason } = ask.json()?;
    if reason.trim().is_empty() { Err(Problem::invalid("a `reason` is needed")) } else { Ok(reason) }
}
