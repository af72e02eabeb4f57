//! Situations: rows become the states that decisions are made on.
//!
//! Owns: which rows a decision reads, and how they become its state.
//! Does not own: the decisions.

use domain::lock::{BucketLock, Lock};
use domain::{Refusal, access_key, admin_token, bucket, object, tenant, user};
use event_log::{Rows, Table};
use projections::query;
use projections::row::{self, AccessKeyStatus, Current, Row, Usage, Version};
use schemas::event::{Setting, Versioning};
use schemas::{AccessKeyId, BucketId, BucketName, ObjectKey, TenantId, TenantName, UserId, VersionId};

use super::{Found, forks, rows_error};
use crate::api::{Caller, StoreError};

/// Buckets a tenant may have.
const BUCKETS_MAX: u64 = 1_000_000;

/// Rows that a decision about an object asks for: read in the request's task, before it is queued.
pub(crate) fn object_rows(tenant: TenantId, bucket: BucketId, key: &ObjectKey) -> Vec<(Table, Vec<u8>)> {
    vec![(Current::TABLE, Current::key(tenant, bucket, key)), (Usage::TABLE, Usage::key(tenant, bucket))]
}

/// Whether versions of a bucket can be locked.
pub(crate) fn bucket_lock(row: &row::Bucket) -> BucketLock {
    if row.object_lock { BucketLock::On { default: row.default_retention } } else { BucketLock::Off }
}

fn version(version: Version) -> object::Version {
    match version {
        Version::Object(object) => object::Version {
            made_by: object.made_by,
            null: object.null,
            modified: object.modified,
            lock: Lock { retention: object.details.retention, legal_hold: object.details.legal_hold },
            kind: object::Kind::Object { etag: object.etag, size_bytes: object.size_bytes },
        },
        Version::Marker(marker) => object::Version {
            made_by: marker.made_by,
            null: marker.null,
            modified: marker.modified,
            lock: Lock::default(),
            kind: object::Kind::Marker,
        },
    }
}

/// A key, as a write or delete of it is decided on.
pub(crate) fn object(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<object::State, StoreError> {
    let live = query::bucket(rows, tenant, bucket).map_err(rows_error)?;
    let Some(live) = live else {
        return Ok(object::State { bucket: object::Bucket::Absent, current: None, older: Vec::new() });
    };
    let live = Found::now(bucket, live);
    let current = query::current(rows, tenant, bucket, key).map_err(rows_error)?.map(|current| current.object);
    let current = match current {
        Some(current) => Some(current),
        None => forks::inherited(rows, tenant, &live, key)?,
    };
    let live = live.row;
    let current = match current {
        Some(current) => Some(Version::Object(current)),
        // Only a bucket with versions or markers beneath can have a marker on top: others are spared the search.
        None => {
            let usage = query::usage(rows, tenant, bucket).map_err(rows_error)?;
            if usage.versions > usage.objects {
                query::latest(rows, tenant, bucket, key).map_err(rows_error)?
            } else {
                None
            }
        }
    };
    // Where versions can be locked each write makes one, and nothing is replaced. Were it otherwise, the decision must know
    // what would be.
    let older = if live.object_lock && live.versioning != Versioning::Enabled {
        let null = query::version(rows, tenant, bucket, key, VersionId::Null).map_err(rows_error)?;
        null.filter(|found| !found.is_latest).map(|found| version(found.version)).into_iter().collect()
    } else {
        Vec::new()
    };
    Ok(object::State {
        bucket: object::Bucket::Live { versioning: live.versioning, lock: bucket_lock(&live) },
        current: current.map(version),
        older,
    })
}

/// What stands under a version id.
pub(crate) fn target(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    id: VersionId,
) -> Result<Option<object::Version>, StoreError> {
    let found = query::version(rows, tenant, bucket, key, id).map_err(rows_error)?;
    if let Some(found) = found {
        return Ok(Some(version(found.version)));
    }
    let Some(live) = query::bucket(rows, tenant, bucket).map_err(rows_error)? else { return Ok(None) };
    let inherited = forks::inherited(rows, tenant, &Found::now(bucket, live), key)?.map(Version::Object);
    Ok(inherited.filter(|inherited| inherited.id() == id).map(version))
}

/// A bucket, by the name that it is to have or has.
pub(crate) fn bucket(rows: &dyn Rows, tenant: TenantId, name: &BucketName) -> Result<bucket::State, StoreError> {
    let found = query::bucket_by_name(rows, tenant, name).map_err(rows_error)?;
    let buckets = query::tenant_usage(rows, tenant).map_err(rows_error)?.buckets;
    let bucket = match found {
        None => bucket::Bucket::Absent,
        Some((id, row)) => bucket::Bucket::Live {
            id,
            name: row.name,
            owner: row.owner,
            versioning: row.versioning,
            object_lock: row.object_lock,
            ownership: row.ownership,
            has_acl: row.settings.contains_key(&Setting::Acl),
            versions: query::usage(rows, tenant, id).map_err(rows_error)?.versions,
            base: row.base,
            kept_by: keepers(rows, tenant, id)?,
        },
    };
    Ok(bucket::State { bucket, buckets, buckets_max: BUCKETS_MAX })
}

/// Keepers that are named, at most: the answer to a refused deletion is no listing.
const KEEPERS_NAMED: usize = 20;

/// What a bucket cannot be deleted under.
fn keepers(rows: &dyn Rows, tenant: TenantId, id: BucketId) -> Result<Vec<bucket::Keeper>, StoreError> {
    let snapshots = query::snapshots(rows, tenant, id).map_err(rows_error)?;
    let mut keepers: Vec<_> = snapshots.into_iter().map(|(name, _)| bucket::Keeper::Snapshot(name)).collect();
    for (derived, _) in query::derived(rows, tenant, id).map_err(rows_error)?.into_iter().take(KEEPERS_NAMED) {
        let name = query::bucket_name(rows, tenant, derived).map_err(rows_error)?;
        keepers.extend(name.map(bucket::Keeper::Bucket));
    }
    keepers.truncate(KEEPERS_NAMED);
    Ok(keepers)
}

/// A tenant that exists, or the question whether its name is free.
pub(crate) fn tenant(rows: &dyn Rows, id: TenantId, name: &TenantName) -> Result<tenant::State, StoreError> {
    if let Some(row) = query::tenant(rows, id).map_err(rows_error)? {
        let buckets = query::tenant_usage(rows, id).map_err(rows_error)?.buckets;
        return Ok(tenant::State::Live { tenant: id, disabled: row.disabled.is_some(), buckets });
    }
    let name_taken = query::tenant_by_name(rows, name).map_err(rows_error)?.is_some();
    Ok(tenant::State::Absent { name_taken })
}

/// A user.
pub(crate) fn user(rows: &dyn Rows, tenant: TenantId, user: &UserId) -> Result<user::State, StoreError> {
    let found = query::user_ever(rows, tenant, user).map_err(rows_error)?;
    Ok(match found.map(|row| row.deleted) {
        None => user::State::Absent,
        Some(None) => user::State::Live { user: user.clone() },
        Some(Some(_)) => user::State::Deleted,
    })
}

/// An access key of a tenant.
pub(crate) fn access_key(
    rows: &dyn Rows,
    tenant: TenantId,
    access_key: &AccessKeyId,
) -> Result<access_key::State, StoreError> {
    let found = query::access_key(rows, tenant, access_key).map_err(rows_error)?;
    Ok(match found {
        None => access_key::State::Absent,
        Some(row) if row.status == AccessKeyStatus::Revoked => access_key::State::Revoked,
        Some(row) => access_key::State::Live {
            access_key: access_key.clone(),
            enabled: row.status == AccessKeyStatus::Active,
            api: row.api_sha256.is_some(),
        },
    })
}

/// Refuses what a key asked for before it was ended, or got another secret: a request may be long on its way. When it expires
/// is judged when its request comes, and by whatever goes on for long.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub(crate) fn still_works(rows: &dyn Rows, caller: &Caller) -> Result<(), StoreError> {
    let Some(access_key) = caller.access_key() else { return Ok(()) };
    let found = query::credential(rows, access_key, schemas::Time(0)).map_err(rows_error)?;
    let same = |found: &query::Credential| {
        found.tenant == caller.tenant && found.access_key.rotated == caller.circumstances.key.rotated
    };
    if found.as_ref().is_some_and(same) { Ok(()) } else { Err(Refusal::AccessDenied.into()) }
}

/// Whether any tenant has, or had, an access key of this id.
pub(crate) fn access_key_taken(rows: &dyn Rows, access_key: &AccessKeyId) -> Result<bool, StoreError> {
    Ok(query::tenant_of_access_key(rows, access_key).map_err(rows_error)?.is_some())
}

/// An admin token.
pub(crate) fn admin_token(rows: &dyn Rows, id: &str) -> Result<admin_token::State, StoreError> {
    let found = query::admin_token(rows, id).map_err(rows_error)?;
    Ok(match found {
        None => admin_token::State::Absent,
        Some(row) if row.revoked.is_some() => admin_token::State::Revoked,
        Some(_) => admin_token::State::Live { id: id.to_owned() },
    })
}
