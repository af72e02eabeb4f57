//! Quotas of tenants and of their buckets.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::{Method, StatusCode};
use pipeline::QuotaInfo;
use schemas::BucketName;
use schemas::event::{AdminRole, Quota};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Admin, Answer, Entry, entry, json};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let op = |method, path, id, summary| Operation::new(method, path, id, "tenants", summary).refuses(&[404]);
    let about = "What is held already stays, however little the quota allows; what would hold more is refused (native: 507, S3: 403 \
                 QuotaExceeded). Writes that reach 80, 90 and 100 % of it leave an event in the tenant's log.";
    let (of_tenant, of_bucket) = ("/tenants/{id}/quota", "/tenants/{id}/buckets/{bucket}/quota");
    let get = |path, id, what| {
        op(Method::GET, path, id, what).answers::<QuotaState>(200, "The quota, and what is held under it.")
    };
    let put = |path, id, what| {
        let put = op(Method::PUT, path, id, what).about(about).takes::<NewQuota>();
        put.answers::<QuotaState>(200, "The quota, and what is held under it.").refuses(&[413, 507])
    };
    let delete = |path, id, what| op(Method::DELETE, path, id, what).answers_empty(204, "Removed.").refuses(&[507]);
    vec![
        entry(AdminRole::Viewer, get(of_tenant, "getTenantQuota", "A tenant's quota"), self::get),
        entry(AdminRole::Operator, put(of_tenant, "setTenantQuota", "Set a tenant's quota"), set),
        entry(AdminRole::Operator, delete(of_tenant, "deleteTenantQuota", "Remove a tenant's quota"), self::delete),
        entry(AdminRole::Viewer, get(of_bucket, "getBucketQuota", "A bucket's quota"), self::get),
        entry(AdminRole::Operator, put(of_bucket, "setBucketQuota", "Set a bucket's quota"), set),
        entry(AdminRole::Operator, delete(of_bucket, "deleteBucketQuota", "Remove a bucket's quota"), self::delete),
    ]
}

/// A quota. A bound that is left out does not bound.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewQuota {
    /// Plaintext bytes of current and noncurrent versions and of the parts of open uploads.
    bytes: Option<u64>,
    /// Current objects.
    objects: Option<u64>,
}

/// A quota, and what is held under it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QuotaState {
    /// The tenant.
    tenant_id: String,
    /// The bucket, if it is a bucket's.
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    /// Most bytes; null for no bound.
    quota_bytes: Option<u64>,
    /// Most objects; null for no bound.
    quota_objects: Option<u64>,
    /// Bytes held.
    used_bytes: u64,
    /// Objects held.
    used_objects: u64,
}

fn bucket(ask: &Ask) -> Result<Option<BucketName>, crate::problem::Problem> {
    if ask.value("bucket").is_empty() { Ok(None) } else { ask.bucket().map(Some) }
}

fn shown(tenant: &schemas::TenantName, bucket: Option<&BucketName>, info: QuotaInfo) -> QuotaState {
    QuotaState {
        tenant_id: tenant.to_string(),
        bucket: bucket.map(ToString::to_string),
        quota_bytes: info.quota.bytes,
        quota_objects: info.quota.objects,
        used_bytes: info.held_bytes,
        used_objects: info.held_objects,
    }
}

async fn get(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (tenant, bucket) = (ask.tenant(&admin.store).await?, bucket(&ask)?);
    let info = admin.store.quota(ask.caller()?, &tenant, bucket.as_ref()).await?;
    Ok(json(StatusCode::OK, shown(&tenant, bucket.as_ref(), info)))
}

async fn set(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (tenant, bucket) = (ask.tenant(&admin.store).await?, bucket(&ask)?);
    let NewQuota { bytes, objects } = ask.json()?;
    let quota = Quota { bytes, objects };
    let info = admin.store.set_quota(ask.caller()?, &tenant, bucket.as_ref(), quota).await?;
    Ok(json(StatusCode::OK, shown(&tenant, bucket.as_ref(), info)))
}

async fn delete(admin: Arc<Admin>, ask: Ask) -> Answer {
    let (tenant, bucket) = (ask.tenant(&admin.store).await?, bucket(&ask)?);
    admin.store.set_quota(ask.caller()?, &tenant, bucket.as_ref(), Quota::default()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
