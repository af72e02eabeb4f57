//! The words: ids, names, events and their versions, wire types. Pure.
//!
//! Owns: what every layer calls a thing, and the byte layout of what outlives a process.
//! Does not own: hashing, sealing, storage, decisions.
//! Invariant: what is marked "part of the format" here stands on somebody's disk; it changes by adding a version.

pub mod acl;
pub mod action;
pub mod announcement;
pub mod content;
pub mod delivery;
pub mod event;
mod ids;
pub mod lifecycle;
mod names;
pub mod record;
pub mod scope;
pub mod subscription;

pub use ids::{
    BlobId, BucketId, CommandId, Epoch, EventId, IdError, KeyId, LeafHash, Position, RequestId, SegmentId,
    SubscriptionId, TenantId, Time, UploadId, VersionId,
};
pub use names::{AccessKeyId, BucketName, NameError, ObjectKey, SnapshotName, TenantName, UserId};
