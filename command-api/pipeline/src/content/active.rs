//! Requests that are writing content now: sweep leaves alone the segments that they may have written to.
//!
//! A blob's bytes are in a segment before any row names them. A request that began when segment `n` was the oldest open one
//! writes to `n` or later ones only, so a sealed segment older than every active request's `n` holds no bytes without rows
//! that will still get them.

use std::collections::BTreeMap;
use std::sync::Arc;

use blob_store::BlobStore;
use parking_lot::Mutex;
use schemas::SegmentId;

/// The active requests, by the oldest segment that each may have written to.
#[derive(Debug, Default)]
pub(crate) struct Active(Mutex<BTreeMap<SegmentId, usize>>);

/// One active request.
#[derive(Debug)]
pub(crate) struct ActiveGuard {
    active: Arc<Active>,
    oldest: SegmentId,
}

impl Active {
    /// Begins a request. Hold the guard until its command is answered.
    pub(crate) fn begin(self: &Arc<Self>, blobs: &BlobStore) -> ActiveGuard {
        // The lock is held while the open segments are read: `oldest` then sees this request, or ran before it.
        let mut active = self.0.lock();
        let oldest = blobs.oldest_open_segment();
        *active.entry(oldest).or_default() += 1;
        ActiveGuard { active: self.clone(), oldest }
    }

    /// The oldest segment that an active request may have written to, if any is active.
    pub(crate) fn oldest(&self) -> Option<SegmentId> {
        self.0.lock().first_key_value().map(|(segment, _)| *segment)
    }
}

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        let mut active = self.active.0.lock();
        if let Some(count) = active.get_mut(&self.oldest) {
            *count -= 1;
            if *count == 0 {
                active.remove(&self.oldest);
            }
        }
    }
}
