//! Pages of objects and of versions.

use schemas::content::{ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::StorageClass;
use schemas::{BucketName, ObjectKey, Time, UserId, VersionId};

/// Listing of current objects.
#[derive(Debug, Clone)]
pub struct ListObjects {
    /// Bucket.
    pub bucket: BucketName,
    /// Only keys that begin with it.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Only keys and groups after it (marker, start-after or a decoded continuation token).
    pub after: Option<String>,
    /// Most entries, keys and groups together: 0 to 1,000.
    pub max: usize,
}

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListPage<T> {
    /// Entries in byte order of their keys.
    pub entries: Vec<T>,
    /// Groups in byte order.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// The last key or group of the page, to go on after, when truncated.
    pub next_after: Option<String>,
    /// With versions: the version to go on after.
    pub next_version: Option<VersionId>,
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key.
    pub key: ObjectKey,
    /// Bytes.
    pub size_bytes: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was made.
    pub modified: Time,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Owner.
    pub owner: UserId,
    /// The checksum that the client chose.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// Listing of versions.
#[derive(Debug, Clone)]
pub struct ListVersions {
    /// Bucket.
    pub bucket: BucketName,
    /// Only keys that begin with it.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Only what comes after this key, or after `after_version` of it.
    pub after: Option<String>,
    /// Only versions of `after` older than it, and later keys.
    pub after_version: Option<VersionId>,
    /// Most entries.
    pub max: usize,
}

/// One version or delete marker in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Key.
    pub key: ObjectKey,
    /// Version.
    pub version: VersionId,
    /// Whether it is the current one.
    pub is_latest: bool,
    /// Whether it is a delete marker; size and tag are then zero.
    pub is_marker: bool,
    /// Bytes.
    pub size_bytes: u64,
    /// Entity tag.
    pub etag: ETag,
    /// When it was made.
    pub modified: Time,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Owner.
    pub owner: UserId,
    /// The checksum that the client chose.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}
