//! Events about erasure.
//!
//! A replay after an erasure folds nothing of what the destroyed key sealed, and then comes here. So whatever this event leaves must
//! be the same whether the rows of the bucket were there or not: it takes out what the bucket counted, and writes what stays known
//! of it. Rows that it cannot take out, for there may be any number, are removed beside it, in bounded steps.

use schemas::event::{ErasureScope, KeyDestroyed, Quota};

use super::Fold;
use crate::row::{Bucket, BucketByName, DeletedBucket, OrphanedBucket, RowError};

impl Fold<'_> {
    pub(super) fn key_destroyed(&mut self, event: &KeyDestroyed) -> Result<(), RowError> {
        // What a tenant has stands under the tenant; that it is gone is an event of its own.
        let ErasureScope::Bucket { bucket, name } = &event.scope else { return Ok(()) };
        self.bucket = *bucket;
        let usage = self.usage()?;
        self.delta.objects -= i128::from(usage.objects);
        self.delta.versions -= i128::from(usage.versions);
        self.delta.logical_bytes -= i128::from(usage.logical_bytes);
        self.delta.uploads -= i128::from(usage.uploads);
        self.delta.multipart_bytes -= i128::from(usage.multipart_bytes);
        let key = Bucket::key(self.tenant, *bucket);
        if self.get::<Bucket>(&key)?.is_some() {
            self.remove::<Bucket>(key);
            self.delta.buckets -= 1;
        }
        // Another bucket may have the name by now.
        let by_name = BucketByName::key(self.tenant, name);
        if self.get::<BucketByName>(&by_name)?.is_some_and(|of| of.0 == *bucket) {
            self.remove::<BucketByName>(by_name);
        }
        let orphan = OrphanedBucket::key(self.tenant, *bucket);
        if self.get::<OrphanedBucket>(&orphan)?.is_some() {
            self.remove::<OrphanedBucket>(orphan);
        }
        self.put_quota(*bucket, Quota::default())?;
        self.put(DeletedBucket::key(self.tenant, *bucket), &DeletedBucket(name.clone()));
        Ok(())
    }
}
