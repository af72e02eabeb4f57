//! Rows of blobs that were read lately: where each is, and its key as it is wrapped.
//!
//! Owns: how many are remembered.
//! Invariants: a key is remembered wrapped alone, so what the vault has destroyed opens nothing here. What is remembered may be
//! outdated, for sweep moves blobs: whoever does not find one there looks at its rows.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;
use schemas::{BlobId, KeyId, TenantId};

use crate::tables::BlobRow;

/// Blobs remembered. Each takes about 300 bytes.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// What is remembered of a blob.
pub(super) struct Remembered {
    pub(super) row: BlobRow,
    /// The value of its wrap under the bucket's key.
    pub(super) wrap: Vec<u8>,
}

/// Blob of a tenant, as one key of a bucket opens it.
type Of = (TenantId, BlobId, KeyId);

/// Rows of blobs that were read lately.
pub(super) struct Recent(Mutex<LruCache<Of, Arc<Remembered>>>);

impl Default for Recent {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED_MAX)))
    }
}

impl Recent {
    pub(super) fn get(&self, of: Of) -> Option<Arc<Remembered>> {
        self.0.lock().get(&of).cloned()
    }

    pub(super) fn put(&self, of: Of, remembered: Remembered) {
        self.0.lock().put(of, Arc::new(remembered));
    }

    pub(super) fn forget(&self, of: Of) {
        self.0.lock().pop(&of);
    }
}
