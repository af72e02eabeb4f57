//! `GET /account`: who the credential is, what its tenant holds, what bounds requests.

use std::sync::Arc;

use http::{Method, StatusCode};
use pipeline::QuotaInfo;
use serde::Serialize;
use utoipa::ToSchema;

use super::ask::Ask;
use super::{Answer, App, Entry, answer, entry, limits};
use crate::operation::Operation;

pub(super) fn operations() -> Vec<Entry> {
    let get = Operation::new(Method::GET, "/account", "getAccount", "account", "Get the account")
        .about("Who the credential is and what it may do, what its tenant holds under which quota, and what bounds requests.")
        .answers::<Account>(200, "The account.");
    vec![entry(get, self::get)]
}

/// An account.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Account {
    /// The tenant's name.
    tenant: String,
    /// The user's id.
    user: String,
    /// The user's name for people.
    display_name: String,
    /// The key that the credential is, or was exchanged for.
    access_key_id: String,
    /// What it may do, now.
    scopes: String,
    /// The tenant's quota, and what is held under it.
    quota: QuotaState,
    /// What the tenant holds.
    usage: UsageState,
    /// Signed URLs that work: the user's, or the whole tenant's for one who administers it.
    signed_urls: SignedUrlCount,
    /// What bounds requests.
    limits: Limits,
}

/// A quota, and what is held under it. A bound that is null does not bound.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuotaState {
    /// Most bytes, of current and noncurrent versions and of parts of open uploads.
    quota_bytes: Option<u64>,
    /// Most current objects.
    quota_objects: Option<u64>,
    /// Bytes that are held.
    used_bytes: u64,
    /// Current objects that are held.
    used_objects: u64,
}

impl QuotaState {
    pub(super) fn of(info: &QuotaInfo) -> Self {
        let QuotaInfo { quota, held_bytes, held_objects } = *info;
        Self {
            quota_bytes: quota.bytes,
            quota_objects: quota.objects,
            used_bytes: held_bytes,
            used_objects: held_objects,
        }
    }
}

/// What a tenant holds.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageState {
    /// Buckets.
    buckets: u64,
    /// Current objects.
    objects: u64,
    /// Versions, delete markers included.
    versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    logical_bytes: u64,
    /// Open uploads.
    uploads: u64,
    /// Plaintext bytes of their parts.
    multipart_bytes: u64,
}

/// Signed URLs that work.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SignedUrlCount {
    /// How many.
    active: u64,
    /// Whether there are no more: counting ends somewhere.
    is_exact: bool,
}

/// What bounds requests.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Limits {
    /// Most bytes of an object that is stored in one request.
    put_bytes_max: u64,
    /// Most bytes of an object that is uploaded in parts.
    object_bytes_max: u64,
    /// Fewest bytes of a part that is not the last one.
    part_bytes_min: u64,
    /// Most bytes of a part.
    part_bytes_max: u64,
    /// Most parts of an upload.
    parts_max: u16,
    /// Most keys of one `objects:batchDelete` or `objects:presign`.
    batch_keys_max: usize,
    /// Most objects of one archive.
    zip_objects_max: usize,
    /// Seconds that a token works.
    token_ttl_seconds: u64,
    /// Seconds that a signed URL works at least.
    signed_url_ttl_seconds_min: u64,
    /// And at most.
    signed_url_ttl_seconds_max: u64,
}

async fn get(app: Arc<App>, ask: Ask) -> Answer {
    let account = app.store.account(ask.caller()?).await?;
    let bounds = app.store.bounds();
    let shown = Account {
        tenant: account.tenant.to_string(),
        user: account.user.to_string(),
        display_name: account.display_name,
        access_key_id: account.access_key.to_string(),
        scopes: account.scopes.to_string(),
        quota: QuotaState::of(&account.quota),
        usage: UsageState {
            buckets: account.usage.buckets,
            objects: account.usage.objects,
            versions: account.usage.versions,
            logical_bytes: account.usage.logical_bytes,
            uploads: account.uploads,
            multipart_bytes: account.usage.multipart_bytes,
        },
        signed_urls: SignedUrlCount { active: account.signed_urls, is_exact: account.signed_urls_exact },
        limits: Limits {
            put_bytes_max: bounds.put_bytes_max,
            object_bytes_max: bounds.object_bytes_max,
            part_bytes_min: bounds.part_bytes_min,
            part_bytes_max: bounds.part_bytes_max,
            parts_max: bounds.parts_max,
            batch_keys_max: limits::BATCH_KEYS_MAX,
            zip_objects_max: limits::ZIP_OBJECTS_MAX,
            token_ttl_seconds: app.options.token_ttl_s,
            signed_url_ttl_seconds_min: limits::SIGNED_URL_TTL_MIN_S,
            signed_url_ttl_seconds_max: app.options.signed_url_ttl_max_s,
        },
    };
    Ok(answer::json(StatusCode::OK, &shown))
}
