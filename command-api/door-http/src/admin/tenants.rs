//! Tenants and what they hold.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::StatusCode;
use pipeline::{AdminCaller, TenantInfo, Usage};
use schemas::TenantName;
use schemas::event::AdminRole;
use serde::{Deserialize, Serialize};

use super::installation::Installation;
use super::{Admin, auth, body};
use crate::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tenant {
    id: String,
    name: String,
    disabled: bool,
    created_at: Option<String>,
}

impl From<TenantInfo> for Tenant {
    fn from(info: TenantInfo) -> Self {
        let name = info.name.to_string();
        Self { id: name.clone(), name, disabled: info.disabled, created_at: body::timestamp(info.created) }
    }
}

pub(super) async fn create<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<Tenant>), Problem> {
    auth::need(&caller, AdminRole::Operator)?;
    auth::whole(&caller)?;
    let create: Create = body::read(&bytes)?;
    let name = match (create.id, create.name) {
        // Ours have one name. A second one would be taken and forgotten, so it is refused.
        (Some(id), Some(name)) if id != name => {
            return Err(Problem::invalid("a tenant has one name: `id` and `name` must be the same"));
        }
        (Some(name), _) | (None, Some(name)) => name,
        (None, None) => return Err(Problem::invalid("missing field `id`")),
    };
    let name = TenantName::parse(&name).map_err(|error| Problem::invalid(error.to_string()))?;
    let info = admin.store.create_tenant(&caller, name).await?;
    Ok((StatusCode::CREATED, Json(info.into())))
}

pub(super) async fn list<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
) -> Result<Json<serde_json::Value>, Problem> {
    let tenants: Vec<Tenant> = visible(&admin, &caller).await?.into_iter().map(Tenant::from).collect();
    Ok(Json(serde_json::json!({ "tenants": tenants })))
}

async fn visible<I: Installation>(admin: &Admin<I>, caller: &AdminCaller) -> Result<Vec<TenantInfo>, Problem> {
    let mut tenants = admin.store.list_tenants(caller).await?;
    tenants.retain(|tenant| caller.tenant.is_none_or(|limit| limit == tenant.id));
    Ok(tenants)
}

pub(super) async fn get<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
) -> Result<Json<Tenant>, Problem> {
    let name = auth::tenant(&admin, &caller, &id).await?;
    Ok(Json(admin.store.get_tenant(&caller, &name).await?.into()))
}

pub(super) async fn disable<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Tenant>, Problem> {
    auth::need(&caller, AdminRole::Owner)?;
    let name = auth::tenant(&admin, &caller, &id).await?;
    let reason = body::read::<Reason>(&bytes)?.reason.filter(|reason| !reason.trim().is_empty());
    let reason = reason.ok_or_else(|| Problem::invalid("stopping a tenant needs a `reason`"))?;
    Ok(Json(admin.store.set_tenant_disabled(&caller, &name, true, reason).await?.into()))
}

pub(super) async fn enable<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Tenant>, Problem> {
    auth::need(&caller, AdminRole::Owner)?;
    let name = auth::tenant(&admin, &caller, &id).await?;
    let reason = body::read::<Reason>(&bytes)?.reason.unwrap_or_default();
    Ok(Json(admin.store.set_tenant_disabled(&caller, &name, false, reason).await?.into()))
}

fn usage_fields(usage: &Usage) -> serde_json::Value {
    serde_json::json!({
        "objects": usage.objects,
        "versions": usage.versions,
        "logicalBytes": usage.logical_bytes,
        "multipartBytes": usage.multipart_bytes,
        "buckets": usage.buckets,
    })
}

pub(super) async fn usage<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
    Path(id): Path<String>,
) -> Result<Json<serde_json::Value>, Problem> {
    let name = auth::tenant(&admin, &caller, &id).await?;
    let mut fields = usage_fields(&admin.store.usage(&caller, &name).await?);
    fields["tenantId"] = name.as_str().into();
    Ok(Json(fields))
}

pub(super) async fn usage_of_all<I: Installation>(
    State(admin): State<Arc<Admin<I>>>,
    Extension(caller): Extension<AdminCaller>,
) -> Result<Json<serde_json::Value>, Problem> {
    let mut sum = Usage::default();
    let tenants = visible(&admin, &caller).await?;
    for tenant in &tenants {
        let usage = admin.store.usage(&caller, &tenant.name).await?;
        sum.objects += usage.objects;
        sum.versions += usage.versions;
        sum.logical_bytes += usage.logical_bytes;
        sum.multipart_bytes += usage.multipart_bytes;
        sum.buckets += usage.buckets;
    }
    let mut fields = usage_fields(&sum);
    fields["tenants"] = tenants.len().into();
    Ok(Json(fields))
}
