//! Events about what of the past is kept, and about buckets that show another's past.

use schemas::event::{BucketHistorySet, KeyInherited, SnapshotCreated, SnapshotDeleted};
use schemas::{BucketId, ObjectKey};

use super::Fold;
use crate::query;
use crate::row::{Bucket, Derived, OwnKey, RowError, Snapshot};

impl Fold<'_> {
    pub(super) fn bucket_history_set(&mut self, event: &BucketHistorySet) -> Result<(), RowError> {
        let window = event.window;
        self.change_bucket(event.bucket, |row| Bucket { window, ..row })
    }

    pub(super) fn snapshot_created(&mut self, event: &SnapshotCreated) {
        let snapshot = Snapshot { at: event.at, created: self.header.time };
        self.put(Snapshot::key(self.tenant, event.bucket, &event.name), &snapshot);
    }

    pub(super) fn snapshot_deleted(&mut self, event: &SnapshotDeleted) {
        self.remove::<Snapshot>(Snapshot::key(self.tenant, event.bucket, &event.name));
    }

    /// What the base showed under the key becomes the fork's own. A fork holds no reference of its own to content that came from
    /// its base: the base keeps it as long as there is the fork.
    pub(super) fn key_inherited(&mut self, key: &ObjectKey, _event: &KeyInherited) -> Result<(), RowError> {
        let Some(bucket) = self.get::<Bucket>(&Bucket::key(self.tenant, self.bucket))? else { return Ok(()) };
        let layers = query::layers(self.rows, self.tenant, self.bucket, &bucket, None)?;
        let Some(mut object) = layers.inherited(self.rows, key)? else { return Ok(()) };
        self.put(OwnKey::key(self.tenant, self.bucket, key), &OwnKey(self.header.position));
        object.inherited = true;
        self.count_object(&object, 1);
        self.put_current(key, object);
        Ok(())
    }

    /// A bucket shows another from now on.
    pub(super) fn derive(&mut self, bucket: BucketId, base: schemas::event::Base) {
        self.put(Derived::key(self.tenant, base.bucket, bucket), &Derived(base.at));
    }

    /// It does not any more.
    pub(super) fn underive(&mut self, bucket: BucketId, row: &Bucket) {
        if let Some(base) = row.base {
            self.remove::<Derived>(Derived::key(self.tenant, base.bucket, bucket));
        }
    }
}
