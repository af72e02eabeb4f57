//! Events about erasure. They stand where the destroyed key is not needed to read them: a bucket's in its tenant's log under
//! the tenant's key, a tenant's in the system log.

use serde::{Deserialize, Serialize};

use crate::{BucketId, BucketName, KeyId, TenantId, TenantName, Time};

/// What is erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureScope {
    /// A bucket: its objects, versions and uploads, and what its log says.
    Bucket {
        /// Its id.
        bucket: BucketId,
        /// What it was called.
        name: BucketName,
    },
    /// A tenant: all of its buckets, and its whole log.
    Tenant {
        /// Its id.
        tenant: TenantId,
        /// What it was called.
        name: TenantName,
    },
}

/// A key ends: whatever it sealed is unreadable from here on. The key file follows the event; a process that is killed in between
/// destroys it when it starts again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyDestroyed {
    /// Whose key.
    pub scope: ErasureScope,
    /// The keys, oldest first.
    pub keys: Vec<KeyId>,
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// Buckets whose keys nothing opens any more: those of a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u64>,
}

/// An erasure came to its end: the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureCompleted {
    /// What was erased.
    pub scope: ErasureScope,
    /// Why, in the words of whoever asked.
    pub reason: String,
    /// When it was asked for.
    pub asked: Time,
    /// Rows that were deleted from both databases, wraps not among them.
    pub rows: u64,
    /// Wrapped keys of content that were deleted.
    pub wraps: u64,
    /// Blobs that were freed: nothing else showed them.
    pub blobs: u64,
    /// Entries of the audit's access log that were deleted.
    pub entries: u64,
    /// Bytes of the data directory that were searched for what must not be there.
    pub scanned_bytes: u64,
    /// What was searched for: a sample of names and wrapped keys, and what keys of rows begin with.
    pub markers: u64,
    /// How many of those were found.
    pub findings: u64,
    /// When the last copy of the keys lapses, if that is known: key backups are kept by whoever makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_copy_lapses: Option<Time>,
}
