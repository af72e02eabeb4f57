//! Questions that rows answer. Pure functions; every one names its tenant.
//!
//! Owns: how an answer is found: by point reads and bounded seeks.
//! Does not own: who may ask, what the log's records say beside the rows.

mod directory;
mod erasure;
mod listing;
mod objects;
pub(crate) mod past;
mod sweep;
mod uploads;
mod versions;

pub use directory::{
    Credential, access_key, access_keys, admin_token, admin_token_by_sha256, admin_tokens, bucket, bucket_by_name,
    bucket_name, clock, credential, ended_task, ended_tasks, installation, list_buckets, quota, signed_url,
    signed_urls, task, tasks, tenant, tenant_by_name, tenant_of_access_key, tenant_usage, tenants, usage, user,
    user_ever, users, webhook, webhooks,
};
pub use erasure::{
    Kept, Left, Walk, beginnings_of, buckets_by_id, is_named_in, kept_content, kept_in_bucket, kept_of_key,
    left_by_bucket, left_by_tenant, signed_urls_of,
};
pub use listing::{ListQuery, Page};
pub use objects::{ObjectEntry, changes, current, list_current};
pub use past::{
    DueRelease, LAYERS_MAX, Layer, Layers, bucket_at, current_at, derived, ended, horizon, latest_at, layers,
    object_events, release_buckets, releases_of, snapshot, snapshots, version_at,
};
pub use sweep::{ended_uploads, is_referenced, orphaned_buckets, references, shown};
pub use uploads::{
    PartsPage, TenantUploads, UploadEntry, list_uploads, part, parts, staged_bytes, tenant_uploads, upload,
};
pub use versions::{FoundVersion, VersionEntry, VersionResume, has_newer_noncurrent, latest, list_versions, version};
