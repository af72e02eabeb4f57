//! References to content: taken, released, given up.

use schemas::BlobId;
use schemas::event::{ContentReleased, Referrer};

use super::Fold;
use crate::row::{Reference, Release, RowError};

impl Fold<'_> {
    /// A version or part of this event's bucket shows a blob.
    pub(super) fn refer(&mut self, blob: BlobId, referrer: Referrer) {
        let reference = Reference { bucket: self.bucket, released: None };
        self.put(Reference::key(self.tenant, blob, referrer), &reference);
    }

    /// It is gone for good. Its content stays until history cannot show it either.
    pub(super) fn release(&mut self, blob: BlobId, referrer: Referrer) {
        let released = self.header.time;
        let reference = Reference { bucket: self.bucket, released: Some(released) };
        self.put(Reference::key(self.tenant, blob, referrer), &reference);
        self.put(Release::key(self.tenant, released, blob, referrer), &Release);
    }

    pub(super) fn content_released(&mut self, event: &ContentReleased) -> Result<(), RowError> {
        for released in &event.released {
            let key = Reference::key(self.tenant, released.blob, released.referrer);
            let Some(reference) = self.get::<Reference>(&key)? else { continue };
            if let Some(time) = reference.released {
                self.remove::<Release>(Release::key(self.tenant, time, released.blob, released.referrer));
            }
            self.remove::<Reference>(key);
        }
        Ok(())
    }
}
