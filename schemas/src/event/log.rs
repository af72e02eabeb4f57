//! Events about the log itself.

use serde::{Deserialize, Serialize};

use crate::{BucketId, EventId, LeafHash, Position, Time};

/// First record of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReopened {
    /// Last record of the epoch before that still counts; none for a log that begins again empty.
    pub from: Option<EventId>,
    /// Its leaf hash.
    pub head: LeafHash,
    /// What is known to be lost between the two.
    pub lost: Option<LostRange>,
    /// Why: `restore`, `tail loss accepted`, `takeover`.
    pub reason: String,
}

/// Positions that existed and are gone, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRange {
    /// First lost.
    pub first: Position,
    /// Last lost.
    pub last: Position,
}

/// Where a bucket's own chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketHead {
    /// Bucket.
    pub bucket: BucketId,
    /// `bucket_seq` of its last record.
    pub seq: u64,
    /// Leaf hash of its last record.
    pub head: LeafHash,
}

/// A commitment: heads of the buckets that changed since the seal before, and a digest over all heads.
///
/// A seal of many buckets is several records of one unit; `part` counts from 0. One that was made for the export of a bucket names
/// that bucket alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSealed {
    /// Last position that the seal covers.
    pub upto: Position,
    /// Which record of the seal, from 0.
    pub part: u32,
    /// Records of the seal.
    pub parts: u32,
    /// Heads of buckets that changed since the seal before, by bucket id, continuing over the parts.
    pub changed: Vec<BucketHead>,
    /// SHA-256 over every bucket's `id u64 BE | seq u64 BE | head`, by bucket id.
    pub buckets: LeafHash,
    /// SHA-256 digest of each core projection of the tenant, by table name, when computed.
    pub projections: Vec<(String, LeafHash)>,
    /// The retention clock.
    pub clock: Time,
}

/// A checkpoint that covers others' events was signed and may be known to anybody.
///
/// It covers what lies before it, so a checkpoint that covers this record is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPublished {
    /// Records that it covers.
    pub size: u64,
    /// Root of the tree over them.
    pub root: LeafHash,
    /// Which tree: installation, tenant and, from the second on, epoch.
    pub origin: String,
}

/// The installation's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockTicked {
    /// The wall clock then.
    pub wall: Time,
    /// Whether an operator acknowledged a jump with it.
    pub acknowledged: bool,
}

/// The installation's birth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationCreated {
    /// 16 random bytes in hex: the origin of checkpoints.
    pub installation: String,
}

/// Work larger than a unit began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStarted {
    /// The task: 32 hex digits.
    pub task: String,
    /// What kind: `clear-parts`, `delete-prefix`, ...
    pub kind: String,
    /// What it needs to resume, in JSON, by kind.
    pub arguments: String,
}

/// A task got so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskProgressed {
    /// The task.
    pub task: String,
    /// Where to resume, in JSON, by kind.
    pub cursor: String,
    /// Units done.
    pub done: u64,
}

/// A task ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFinished {
    /// The task.
    pub task: String,
    /// Why it failed, if it did.
    pub error: Option<String>,
}
