//! What standing processes look for: content given up, uploads that have ended, buckets that left uploads behind.

use std::ops::Bound;

use event_log::{Rows, prefix, prefix_end};
use schemas::event::Referrer;
use schemas::{BlobId, BucketId, TenantId, UploadId};

use crate::row::{self, EndedUpload, OrphanedBucket, Reference, Row as _, RowError};

/// Whether anyone refers or has referred to a blob: if not, its bytes may be swept. Content that many share is not read
/// to its last reference.
///
/// # Errors
/// [`RowError`].
pub fn is_referenced(rows: &dyn Rows, tenant: TenantId, blob: BlobId) -> Result<bool, RowError> {
    match prefix(rows, Reference::TABLE, &Reference::of_blob(tenant, blob).bytes()).next() {
        None => Ok(false),
        Some(row) => Ok(row.map(|_| true)?),
    }
}

/// Everyone who refers or has referred to a blob.
///
/// # Errors
/// [`RowError`].
pub fn references(rows: &dyn Rows, tenant: TenantId, blob: BlobId) -> Result<Vec<(Referrer, Reference)>, RowError> {
    let rows = prefix(rows, Reference::TABLE, &Reference::of_blob(tenant, blob).bytes());
    rows.map(|row| {
        let (key, value) = row?;
        let (_, referrer) = Reference::parse_key(&key).ok_or(RowError::malformed::<Reference>())?;
        Ok((referrer, row::decode(&value)?))
    })
    .collect()
}

/// The roots of content that versions and parts of a tenant show now, each as often as it is shown.
pub fn shown(rows: &dyn Rows, tenant: TenantId) -> impl Iterator<Item = Result<BlobId, RowError>> {
    prefix(rows, Reference::TABLE, &Reference::of_tenant(tenant).bytes()).filter_map(|row| {
        let read = || {
            let (key, value) = row?;
            let (blob, _) = Reference::parse_key(&key).ok_or(RowError::malformed::<Reference>())?;
            let reference: Reference = row::decode(&value)?;
            Ok(reference.released.is_none().then_some(blob))
        };
        read().transpose()
    })
}

/// Uploads that have ended and have parts to clear, at most `max`, those after `after`.
///
/// # Errors
/// [`RowError`].
pub fn ended_uploads(
    rows: &dyn Rows,
    tenant: TenantId,
    after: Option<UploadId>,
    max: usize,
) -> Result<Vec<(UploadId, EndedUpload)>, RowError> {
    let beginning = EndedUpload::prefix(tenant).bytes();
    let to = prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
    let from = match after {
        Some(after) => Bound::Excluded(EndedUpload::key(tenant, after)),
        None => Bound::Included(beginning),
    };
    let rows = rows.range(EndedUpload::TABLE, from, to).take(max);
    rows.map(|row| {
        let (key, value) = row?;
        let upload = EndedUpload::parse_key(&key).ok_or(RowError::malformed::<EndedUpload>())?;
        Ok((upload, row::decode(&value)?))
    })
    .collect()
}

/// Deleted buckets that still have open uploads ([`super::list_uploads`] finds them), at most `max`.
///
/// # Errors
/// [`RowError`].
pub fn orphaned_buckets(rows: &dyn Rows, tenant: TenantId, max: usize) -> Result<Vec<BucketId>, RowError> {
    let rows = prefix(rows, OrphanedBucket::TABLE, &OrphanedBucket::prefix(tenant)).take(max);
    rows.map(|row| OrphanedBucket::parse_key(&row?.0).ok_or(RowError::malformed::<OrphanedBucket>())).collect()
}
