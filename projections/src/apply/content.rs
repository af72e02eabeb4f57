//! References to content: taken, released, given up.

use std::collections::BTreeMap;

use schemas::event::{ContentReleased, Referrer};
use schemas::{BlobId, BucketId, Position, Time};

use super::Fold;
use crate::row::{Horizon, Reference, Release, RowError};

impl Fold<'_> {
    /// A version or part of this event's bucket shows a blob.
    pub(super) fn refer(&mut self, blob: BlobId, referrer: Referrer) {
        let reference = Reference { bucket: self.bucket, released: None };
        self.put(Reference::key(self.tenant, blob, referrer), &reference);
    }

    /// It is gone for good. Its content stays until history cannot show it either, and at least until `keep_until`.
    pub(super) fn release(&mut self, blob: BlobId, referrer: Referrer, keep_until: Option<Time>) {
        let released = self.header.time;
        let reference = Reference { bucket: self.bucket, released: Some(released) };
        self.put(Reference::key(self.tenant, blob, referrer), &reference);
        let release = Release { at: self.header.position, keep_until };
        self.put(Release::key(self.tenant, self.bucket, released, blob, referrer), &release);
    }

    pub(super) fn content_released(&mut self, event: &ContentReleased) -> Result<(), RowError> {
        let mut given_up: BTreeMap<BucketId, Vec<Position>> = BTreeMap::new();
        for released in &event.released {
            let key = Reference::key(self.tenant, released.blob, released.referrer);
            let Some(reference) = self.get::<Reference>(&key)? else { continue };
            self.remove::<Reference>(key);
            let Some(time) = reference.released else { continue };
            let key = Release::key(self.tenant, reference.bucket, time, released.blob, released.referrer);
            if let Some(release) = self.get::<Release>(&key)? {
                given_up.entry(reference.bucket).or_default().push(release.at);
            }
            self.remove::<Release>(key);
        }
        for (bucket, positions) in given_up {
            let key = Horizon::key(self.tenant, bucket);
            let before = self.get::<Horizon>(&key)?.map(|horizon| horizon.0);
            if let Some(horizon) = positions.into_iter().chain(before).max() {
                self.put(key, &Horizon(horizon));
            }
        }
        Ok(())
    }
}
