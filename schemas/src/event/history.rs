//! Events about what of a bucket's past is kept, and about buckets that show another's past.

use serde::{Deserialize, Serialize};

use crate::{BucketId, EventId, SnapshotName};

/// How long content is kept that was superseded or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryWindow {
    /// For ever.
    Forever,
    /// So many seconds from when it was superseded for good; 0 is not at all.
    Seconds(u64),
}

/// How long a bucket's past content is kept was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketHistorySet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on; none for the installation's default.
    pub window: Option<HistoryWindow>,
}

/// A point of a bucket's past got a name, and keeps its content while it has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotCreated {
    /// Its bucket.
    pub bucket: BucketId,
    /// Unique in the bucket.
    pub name: SnapshotName,
    /// The last event that it shows.
    pub at: EventId,
}

/// A snapshot was deleted: its name is free, its content no longer kept for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotDeleted {
    /// Its bucket.
    pub bucket: BucketId,
    /// The name that is free again.
    pub name: SnapshotName,
}

/// What a bucket shows of another bucket of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The other.
    pub bucket: BucketId,
    /// The last event of it that is shown.
    pub at: EventId,
    /// Whether the bucket may be written: a fork. Else it is a view.
    pub writable: bool,
}

/// A fork's key that came from its base stands on its own from now on. The key is in the record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInherited {
    /// The event that had made the version, in the base.
    pub made_by: EventId,
}
