//! Quotas: set by operators for a tenant and by the tenant's administrators for a bucket; charged in each commit that adds.
//!
//! Owns: which quotas a write counts towards, and what it adds to them and takes away.
//! Does not own: the bounds' arithmetic (domain), the counters (projections).
//! Invariant: a commit that adds bytes or objects charges them in its own decision, so that no two can share the last room.

use domain::policy::Resource;
use domain::quota::{Account, Change, Held};
use event_log::{Changes, Rows};
use projections::query;
use projections::row::Version;
use schemas::action::Action;
use schemas::event::{Event, Quota, Versioning};
use schemas::{BucketId, BucketName, KeyId, ObjectKey, Position, TenantId, TenantName, UploadId, VersionId};

use super::admin::grant;
use super::{Found, Inner, Request, Store, planned, rows_error};
use crate::api::{AdminCaller, Caller, QuotaInfo, StoreError};
use crate::sequencer::{Decide, Planned, Unit};

/// A write, as far as quotas are concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charged<'a> {
    /// A new current version of a key, of this size, made of the parts of an upload or not.
    Version { key: &'a ObjectKey, size_bytes: u64, upload: Option<UploadId> },
    /// A part of an upload.
    Part { upload: UploadId, number: u16, size_bytes: u64 },
}

/// Charges a write to the quotas of its bucket and tenant: the events of thresholds that it reaches, to be planned behind its
/// own. Without a quota it costs two reads.
///
/// # Errors
/// [`domain::Refusal::QuotaExceeded`].
pub(crate) fn charge(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    write: Charged<'_>,
) -> Result<Vec<Planned>, StoreError> {
    let accounts = accounts(rows, tenant, bucket.id)?;
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    let events = domain::quota::charge(&accounts, change(rows, tenant, bucket, write)?)?;
    Ok(planned(bucket, None, events))
}

/// Charges a move, which is a write here and a removal there: where both count, what leaves makes room for what comes.
///
/// # Errors
/// [`domain::Refusal::QuotaExceeded`].
pub(crate) fn charge_move(
    rows: &dyn Rows,
    tenant: TenantId,
    to: &Found,
    write: Charged<'_>,
    (from, leaving): (BucketId, Held),
) -> Result<Vec<Planned>, StoreError> {
    let mut events = Vec::new();
    for account in accounts(rows, tenant, to.id)? {
        let mut change = change(rows, tenant, to, write)?;
        if account.bucket.is_none_or(|bucket| bucket == from) {
            change.removed.bytes = change.removed.bytes.saturating_add(leaving.bytes);
            change.removed.objects = change.removed.objects.saturating_add(leaving.objects);
        }
        events.extend(domain::quota::charge(&[account], change)?);
    }
    Ok(planned(to, None, events))
}

/// What several writes of one unit charge together: none of them sees what the others add.
pub(crate) struct Charges {
    accounts: Vec<Account>,
    change: Change,
    reached: Vec<Event>,
}

impl Charges {
    pub(crate) fn of(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Self, StoreError> {
        Ok(Self { accounts: accounts(rows, tenant, bucket)?, change: Change::default(), reached: Vec::new() })
    }

    /// Charges one more write.
    ///
    /// # Errors
    /// [`domain::Refusal::QuotaExceeded`]; it is not charged then.
    pub(crate) fn add(
        &mut self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: &Found,
        write: Charged<'_>,
    ) -> Result<(), StoreError> {
        if self.accounts.is_empty() {
            return Ok(());
        }
        let Change { added, removed } = change(rows, tenant, bucket, write)?;
        let together = Change { added: sum(self.change.added, added), removed: sum(self.change.removed, removed) };
        self.reached = domain::quota::charge(&self.accounts, together)?;
        self.change = together;
        Ok(())
    }

    /// Something goes, and makes room for what is charged behind it.
    pub(crate) fn free(&mut self, leaving: Held) {
        self.change.removed = sum(self.change.removed, leaving);
    }

    /// The events of thresholds that were reached, to be planned behind the writes.
    pub(crate) fn finish(self, bucket: &Found) -> Vec<Planned> {
        planned(bucket, None, self.reached)
    }
}

fn sum(one: Held, other: Held) -> Held {
    Held { bytes: one.bytes.saturating_add(other.bytes), objects: one.objects.saturating_add(other.objects) }
}

fn accounts(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Vec<Account>, StoreError> {
    let mut accounts = Vec::new();
    for (scope, of) in [(BucketId::NONE, None), (bucket, Some(bucket))] {
        let quota = query::quota(rows, tenant, scope).map_err(rows_error)?;
        if quota != Quota::default() {
            let held = held(rows, tenant, scope)?;
            accounts.push(Account { bucket: of, quota, held });
        }
    }
    Ok(accounts)
}

fn held(rows: &dyn Rows, tenant: TenantId, scope: BucketId) -> Result<Held, StoreError> {
    let usage = query::usage(rows, tenant, scope).map_err(rows_error)?;
    Ok(Held { bytes: usage.logical_bytes.saturating_add(usage.multipart_bytes), objects: usage.objects })
}

fn change(rows: &dyn Rows, tenant: TenantId, bucket: &Found, write: Charged<'_>) -> Result<Change, StoreError> {
    match write {
        Charged::Part { upload, number, size_bytes } => {
            let replaced = query::part(rows, tenant, upload, number).map_err(rows_error)?;
            Ok(Change {
                added: Held { bytes: size_bytes, objects: 0 },
                removed: Held { bytes: replaced.map_or(0, |part| part.size_bytes), objects: 0 },
            })
        }
        Charged::Version { key, size_bytes, upload } => {
            let current = query::current(rows, tenant, bucket.id, key).map_err(rows_error)?;
            let replaced_bytes = replaced_bytes(rows, tenant, bucket, key)?;
            // Parts that the client left out of the completion go as well.
            let parts_bytes = match upload {
                Some(upload) => query::staged_bytes(rows, tenant, upload).map_err(rows_error)?,
                None => 0,
            };
            Ok(Change {
                added: Held { bytes: size_bytes, objects: 1 },
                removed: Held {
                    bytes: replaced_bytes.saturating_add(parts_bytes),
                    objects: u64::from(current.is_some()),
                },
            })
        }
    }
}

/// Bytes of the `null` version that a write replaces, where writes replace it.
fn replaced_bytes(rows: &dyn Rows, tenant: TenantId, bucket: &Found, key: &ObjectKey) -> Result<u64, StoreError> {
    let live = query::bucket(rows, tenant, bucket.id).map_err(rows_error)?;
    if live.is_none_or(|live| live.versioning == Versioning::Enabled) {
        return Ok(0);
    }
    let null = query::version(rows, tenant, bucket.id, key, VersionId::Null).map_err(rows_error)?;
    Ok(null.map_or(0, |found| match found.version {
        Version::Object(object) => object.size_bytes,
        Version::Marker(_) => 0,
    }))
}

impl Inner {
    /// Refuses a body before it is read that no quota has room for. Whether it still has is decided in the commit.
    pub(crate) fn room_for(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: &Found,
        write: Charged<'_>,
    ) -> Result<(), StoreError> {
        charge(rows, tenant, bucket, write).map(|_| ())
    }

    fn quota_info(&self, tenant: TenantId, scope: BucketId) -> Result<QuotaInfo, StoreError> {
        let snapshot = self.log.snapshot();
        let quota = query::quota(snapshot.as_ref(), tenant, scope).map_err(rows_error)?;
        let Held { bytes, objects } = held(snapshot.as_ref(), tenant, scope)?;
        Ok(QuotaInfo { quota, held_bytes: bytes, held_objects: objects })
    }
}

impl Store {
    /// A tenant's quota, or that of one of its buckets, and what is held under it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn quota(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        bucket: Option<&BucketName>,
    ) -> Result<QuotaInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, schemas::event::AdminRole::Viewer, tenant)?;
        let scope = match bucket {
            Some(name) => self.inner.bucket(self.inner.log.snapshot().as_ref(), id, name)?.id,
            None => BucketId::NONE,
        };
        self.inner.quota_info(id, scope)
    }

    /// Sets a tenant's quota, or that of one of its buckets; without bounds, removes it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_quota(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        bucket: Option<&BucketName>,
        quota: Quota,
    ) -> Result<QuotaInfo, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, schemas::event::AdminRole::Operator, tenant)?;
        grant(admin, schemas::event::AdminRole::Operator, Some(id))?;
        let bucket = match bucket {
            Some(name) => Some(self.inner.bucket(self.inner.log.snapshot().as_ref(), id, name)?),
            None => None,
        };
        let scope = bucket.as_ref().map_or(BucketId::NONE, |bucket| bucket.id);
        self.inner.set_quota(Request::admin(admin, id), bucket, quota).await?;
        self.inner.quota_info(id, scope)
    }

    /// A bucket's quota, and what is held under it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_quota(&self, caller: &Caller, bucket: &BucketName) -> Result<QuotaInfo, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let resource = Resource::Bucket(bucket);
        let found = self.inner.enter_for(snapshot.as_ref(), caller, Action::GetBucketQuota, resource)?;
        self.inner.quota_info(caller.tenant, found.id)
    }

    /// Sets a bucket's quota; without bounds, removes it. The tenant's own is its operators' business.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_bucket_quota(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        quota: Quota,
    ) -> Result<Position, StoreError> {
        let resource = Resource::Bucket(bucket);
        let snapshot = self.inner.log.snapshot();
        let found = self.inner.enter_for(snapshot.as_ref(), caller, Action::PutBucketQuota, resource)?;
        drop(snapshot);
        self.inner.set_quota(Request::of(caller), Some(found), quota).await
    }

    /// The quota of the caller's tenant, and what is held under it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_quota(&self, caller: &Caller) -> Result<QuotaInfo, StoreError> {
        if caller.scopes().is_none() {
            return Err(domain::Refusal::AccessDenied.into());
        }
        self.inner.quota_info(caller.tenant, BucketId::NONE)
    }
}

impl Inner {
    async fn set_quota(&self, request: Request, bucket: Option<Found>, quota: Quota) -> Result<Position, StoreError> {
        let tenant = request.tenant;
        let key: KeyId = match &bucket {
            Some(bucket) => bucket.row.key,
            None => self.tenant_key(tenant)?,
        };
        let of = bucket.as_ref().map(|bucket| bucket.id);
        let scope = of.unwrap_or(BucketId::NONE);
        let decide: Decide = Box::new(move |rows, _| {
            if let Some(bucket) = of
                && query::bucket(rows, tenant, bucket).map_err(rows_error)?.is_none()
            {
                return Err(domain::Refusal::NoSuchBucket.into());
            }
            let now = query::quota(rows, tenant, scope).map_err(rows_error)?;
            let plan = |event: Event| Planned { bucket: scope, key, object: None, event };
            let events = domain::quota::set(of, now, quota).into_iter().map(plan).collect();
            Ok(Unit { events, changes: Changes::default() })
        });
        let recorded = self.run(request, decide).await?;
        self.position(tenant, &recorded)
    }
}
