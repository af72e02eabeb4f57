//! Numbers: what a bucket holds, by its exact counters, and what is under a prefix, by looking.

use domain::policy::Resource;
use projections::query::{self, ListQuery};
use schemas::BucketName;
use schemas::action::Action;

use super::past::layers;
use super::{Store, internal, rows_error};
use crate::api::{Caller, QuotaInfo, StoreError};

/// Keys looked at under one snapshot.
const PAGE: usize = 1_000;
/// Keys looked at for one request: some tenths of a second.
const KEYS_MAX: u64 = 100_000;
/// A slow disk is given up on earlier.
const TIME_MAX_US: u64 = 5_000_000;

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BucketStats {
    /// Current objects.
    pub objects: u64,
    /// Versions, delete markers included.
    pub versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    pub logical_bytes: u64,
    /// Open uploads.
    pub uploads: u64,
    /// Plaintext bytes of their parts.
    pub multipart_bytes: u64,
    /// The bucket's quota, and what is held under it.
    pub quota: QuotaInfo,
}

/// What is under a prefix, as far as one request looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrefixStats {
    /// Current objects.
    pub objects: u64,
    /// Their plaintext bytes.
    pub bytes: u64,
    /// The last key that was looked at, to go on after; none when it was all of them.
    pub next_after: Option<String>,
}

impl Store {
    /// What a bucket holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_stats(&self, caller: &Caller, bucket: &BucketName) -> Result<BucketStats, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = self.inner.enter(snapshot.as_ref(), caller, Action::ListBucket, bucket, None)?;
        let held = query::usage(snapshot.as_ref(), caller.tenant, found.id).map_err(rows_error)?;
        let quota = query::quota(snapshot.as_ref(), caller.tenant, found.id).map_err(rows_error)?;
        Ok(BucketStats {
            objects: held.objects,
            versions: held.versions,
            logical_bytes: held.logical_bytes,
            uploads: held.uploads,
            multipart_bytes: held.multipart_bytes,
            quota: QuotaInfo {
                quota,
                held_bytes: held.logical_bytes.saturating_add(held.multipart_bytes),
                held_objects: held.objects,
            },
        })
    }

    /// Counts the current objects under a prefix, those after a key. It takes bounded time: what is left is counted by
    /// asking again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prefix_stats(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        prefix: &str,
        after: Option<String>,
    ) -> Result<PrefixStats, StoreError> {
        let inner = self.inner.clone();
        let (caller, bucket, prefix) = (caller.clone(), bucket.clone(), prefix.to_owned());
        let count = move || {
            let begun_us = inner.clock.monotonic_us();
            let mut stats = PrefixStats { next_after: after, ..PrefixStats::default() };
            loop {
                // A snapshot for each page: none lives long.
                let snapshot = inner.log.snapshot();
                let resource = Resource::Prefix(&bucket, &prefix);
                let found = inner.enter_for(snapshot.as_ref(), &caller, Action::ListBucket, resource)?;
                let (prefix, after) = (prefix.clone(), stats.next_after.take());
                let query = ListQuery { prefix, delimiter: None, after, max: PAGE };
                let layers = layers(snapshot.as_ref(), caller.tenant, &found)?;
                let page = layers.list(snapshot.as_ref(), &query).map_err(rows_error)?;
                stats.objects += page.entries.len() as u64;
                stats.bytes += page.entries.iter().map(|entry| entry.object.size_bytes).sum::<u64>();
                stats.next_after = page.next_after.filter(|_| page.truncated);
                let spent = inner.clock.monotonic_us().saturating_sub(begun_us) > TIME_MAX_US;
                if stats.next_after.is_none() || stats.objects >= KEYS_MAX || spent {
                    return Ok(stats);
                }
            }
        };
        tokio::task::spawn_blocking(count).await.map_err(|error| internal(&error))?
    }
}
