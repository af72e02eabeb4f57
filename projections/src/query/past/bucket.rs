//! Buckets as they were, and what keeps their past.

use std::ops::Bound;

use event_log::{Rows, prefix, prefix_end};
use schemas::event::Referrer;
use schemas::{BlobId, BucketId, EventId, Position, SnapshotName, TenantId, Time};

use crate::query::bucket;
use crate::row::{self, Bucket, Derived, FormerBucket, Horizon, Release, Row as _, RowError, Snapshot};

/// A bucket as it was at a point; none if it was not there, or is not there any more.
///
/// # Errors
/// [`RowError`].
pub fn bucket_at(rows: &dyn Rows, tenant: TenantId, id: BucketId, at: EventId) -> Result<Option<Bucket>, RowError> {
    let Some(now) = bucket(rows, tenant, id)? else { return Ok(None) };
    if now.created_by.position > at.position {
        return Ok(None);
    }
    let from = Bound::Included(FormerBucket::key(tenant, id, at.position.next()));
    let to = prefix_end(&FormerBucket::prefix(tenant, id)).map_or(Bound::Unbounded, Bound::Excluded);
    match rows.range(FormerBucket::TABLE, from, to).next() {
        Some(former) => Ok(Some(row::decode::<FormerBucket>(&former?.1)?.0)),
        None => Ok(Some(now)),
    }
}

/// A snapshot of a bucket.
///
/// # Errors
/// [`RowError`].
pub fn snapshot(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    name: &SnapshotName,
) -> Result<Option<Snapshot>, RowError> {
    row::get(rows, &Snapshot::key(tenant, bucket, name))
}

/// Snapshots of a bucket by name.
///
/// # Errors
/// [`RowError`].
pub fn snapshots(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
) -> Result<Vec<(SnapshotName, Snapshot)>, RowError> {
    let rows = prefix(rows, Snapshot::TABLE, &Snapshot::of_bucket(tenant, bucket).bytes());
    rows.map(|row| {
        let (key, value) = row?;
        let name = Snapshot::parse_key(&key).ok_or(RowError::malformed::<Snapshot>())?;
        Ok((name, row::decode(&value)?))
    })
    .collect()
}

/// Views and forks of a bucket, with what each shows of it.
///
/// # Errors
/// [`RowError`].
pub fn derived(rows: &dyn Rows, tenant: TenantId, base: BucketId) -> Result<Vec<(BucketId, EventId)>, RowError> {
    let rows = prefix(rows, Derived::TABLE, &Derived::of_base(tenant, base).bytes());
    rows.map(|row| {
        let (key, value) = row?;
        let bucket = Derived::parse_key(&key).ok_or(RowError::malformed::<Derived>())?;
        Ok((bucket, row::decode::<Derived>(&value)?.0))
    })
    .collect()
}

/// The position behind which all content of a bucket's past is still there; none if none was ever given up.
///
/// # Errors
/// [`RowError`].
pub fn horizon(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Option<Position>, RowError> {
    Ok(row::get::<Horizon>(rows, &Horizon::key(tenant, bucket))?.map(|horizon| horizon.0))
}

/// Buckets of a tenant that have released references, there still or deleted.
///
/// # Errors
/// [`RowError`].
pub fn release_buckets(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<BucketId>, RowError> {
    let beginning = Release::of_tenant(tenant).bytes();
    let to = || prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
    let (mut from, mut found) = (Bound::Included(beginning.clone()), Vec::new());
    while let Some(row) = rows.range(Release::TABLE, from, to()).next() {
        let bucket = Release::bucket_of_key(&row?.0).ok_or(RowError::malformed::<Release>())?;
        found.push(bucket);
        let Some(next) = prefix_end(&Release::of_bucket(tenant, bucket).bytes()) else { break };
        from = Bound::Included(next);
    }
    Ok(found)
}

/// A reference that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueRelease {
    /// When.
    pub released: Time,
    /// Root of the content.
    pub blob: BlobId,
    /// Who had referred to it.
    pub referrer: Referrer,
    /// Where, and how long it is kept at least.
    pub release: Release,
}

/// References of a bucket that were released not later than `until`, oldest first, at most `max`, those after `after`.
///
/// # Errors
/// [`RowError`].
pub fn releases_of(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    until: Time,
    after: Option<&DueRelease>,
    max: usize,
) -> Result<Vec<DueRelease>, RowError> {
    let of_bucket = || Release::of_bucket(tenant, bucket);
    let from = match after {
        Some(after) => Bound::Excluded(Release::key(tenant, bucket, after.released, after.blob, after.referrer)),
        None => Bound::Included(of_bucket().bytes()),
    };
    let to = prefix_end(&of_bucket().number(until.0).bytes()).map_or(Bound::Unbounded, Bound::Excluded);
    let rows = rows.range(Release::TABLE, from, to).take(max);
    rows.map(|row| {
        let (key, value) = row?;
        let (released, blob, referrer) = Release::parse_key(&key).ok_or(RowError::malformed::<Release>())?;
        Ok(DueRelease { released, blob, referrer, release: row::decode(&value)? })
    })
    .collect()
}
