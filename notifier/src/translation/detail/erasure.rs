//! What events about erasure say.

use schemas::event::{self, ErasureScope};
use schemas::{BucketId, TenantId};

use crate::translation::shape::shapes;
use crate::translation::text::{Moment, Text};

shapes! {
    /// A key that was destroyed.
    struct KeyDestroyed<'a> {
        /// `bucket` or `tenant`.
        scope: &'static str,
        /// The bucket's or tenant's name.
        name: &'a str,
        /// The bucket's number, as text: it has more digits than a double holds.
        bucket: Option<Text<BucketId>>,
        /// The tenant's number, as text.
        tenant: Option<Text<TenantId>>,
        /// How many keys.
        key_count: usize,
        /// Of a tenant: its buckets.
        bucket_count: Option<u64>,
        /// Why, in the words of whoever asked.
        reason: &'a str,
    }

    /// An erasure that came to its end: its certificate.
    struct Completed<'a> {
        /// `bucket` or `tenant`.
        scope: &'static str,
        /// The bucket's or tenant's name.
        name: &'a str,
        /// The bucket's number, as text.
        bucket: Option<Text<BucketId>>,
        /// The tenant's number, as text.
        tenant: Option<Text<TenantId>>,
        /// Why, in the words of whoever asked.
        reason: &'a str,
        /// When it was asked for.
        asked_at: Moment,
        /// Rows that were deleted.
        rows: u64,
        /// Wrapped keys of content that were deleted.
        wraps: u64,
        /// Blobs that were freed.
        blobs: u64,
        /// Entries of the access log that were deleted.
        entries: u64,
        /// Bytes of the data directory that were searched.
        scanned_bytes: u64,
        /// What they were searched for.
        markers: u64,
        /// How many of those were found.
        findings: u64,
        /// When the last copy of the keys lapses, if that is known.
        last_copy_lapses_at: Option<Moment>,
    }
}

type Named<'a> = (&'static str, &'a str, Option<Text<BucketId>>, Option<Text<TenantId>>);

fn named(scope: &ErasureScope) -> Named<'_> {
    match scope {
        ErasureScope::Bucket { bucket, name } => ("bucket", name.as_str(), Some(Text(*bucket)), None),
        ErasureScope::Tenant { tenant, name } => ("tenant", name.as_str(), None, Some(Text(*tenant))),
    }
}

impl<'a> KeyDestroyed<'a> {
    pub(super) fn of(destroyed: &'a event::KeyDestroyed) -> Self {
        let (scope, name, bucket, tenant) = named(&destroyed.scope);
        Self {
            scope,
            name,
            bucket,
            tenant,
            key_count: destroyed.keys.len(),
            bucket_count: destroyed.buckets,
            reason: &destroyed.reason,
        }
    }
}

impl<'a> Completed<'a> {
    pub(super) fn of(completed: &'a event::ErasureCompleted) -> Self {
        let (scope, name, bucket, tenant) = named(&completed.scope);
        Self {
            scope,
            name,
            bucket,
            tenant,
            reason: &completed.reason,
            asked_at: Moment(completed.asked),
            rows: completed.rows,
            wraps: completed.wraps,
            blobs: completed.blobs,
            entries: completed.entries,
            scanned_bytes: completed.scanned_bytes,
            markers: completed.markers,
            findings: completed.findings,
            last_copy_lapses_at: completed.last_copy_lapses.map(Moment),
        }
    }
}
