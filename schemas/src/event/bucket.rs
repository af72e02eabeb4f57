//! Events about buckets.

use serde::{Deserialize, Serialize};

use crate::{BucketId, BucketName, KeyId, UserId};

/// Who owns what others upload (S3 object ownership).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectOwnership {
    /// ACLs are off; the bucket's owner owns everything.
    BucketOwnerEnforced,
    /// The owner owns what is uploaded with `bucket-owner-full-control`.
    BucketOwnerPreferred,
    /// The uploader owns it.
    ObjectWriter,
}

/// A bucket's versioning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    /// Never enabled: a key has one version, `null`.
    Unversioned,
    /// Every write makes a version.
    Enabled,
    /// Writes replace the `null` version; others stay.
    Suspended,
}

/// A bucket was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketCreated {
    /// Its id.
    pub bucket: BucketId,
    /// Its name, unique in the tenant.
    pub name: BucketName,
    /// Region as the client asked or the server is configured.
    pub region: String,
    /// Who owns it.
    pub owner: UserId,
    /// The key file that was durable before this event.
    pub key: KeyId,
    /// Who owns uploads.
    pub ownership: ObjectOwnership,
    /// Versioning from the start, for buckets with object lock.
    pub versioning: Versioning,
    /// Whether versions can be locked. Decided at creation.
    #[serde(default)]
    pub object_lock: bool,
}

/// An empty bucket was deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketDeleted {
    /// Its id.
    pub bucket: BucketId,
    /// The name that is free again.
    pub name: BucketName,
}

/// A bucket's versioning was enabled or suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersioningSet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on.
    pub versioning: Versioning,
}
