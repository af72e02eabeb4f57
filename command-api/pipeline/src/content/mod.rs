//! Content: between a request's bytes and the blob store.
//!
//! Owns: splitting bodies into blobs, de-duplication, wraps and rows of blobs, manifests, reading back.
//! Does not own: sealing and segments (blob-store, vault), which version a content belongs to.
//! Invariants: every blob of a request is pinned until its command is answered; rows name durable bytes only.

mod active;
mod directory;
pub(crate) mod hashing;
mod ingest;
mod read;

use std::sync::Arc;

use blob_store::BlobStore;
use event_log::EventLog;
use schemas::{BucketId, KeyId, TenantId};
use vault::Vault;

pub(crate) use active::{Active, ActiveGuard};
pub(crate) use directory::{BlobDirectory, blob_row};
pub(crate) use ingest::{Ingested, Limits, StagedContent, internal_box, write_error};

use crate::clock::Clock;

/// Whose content, and under which bucket key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) bucket: BucketId,
    pub(crate) key: KeyId,
}

impl Scope {
    fn wrap(self) -> vault::WrapScope {
        vault::WrapScope { tenant: self.tenant, bucket: self.bucket, key: self.key }
    }
}

/// Everything that content needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) active: Arc<Active>,
}
