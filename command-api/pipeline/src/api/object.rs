//! Writing, reading, changing, copying and deleting objects.

use std::collections::BTreeMap;

use schemas::acl::Acl;
use schemas::content::{Checksum, ChecksumAlgorithm, Content, ETag};
use schemas::event::{Cause, CommittedPart, Encryption, Metadata, Retention, StorageClass};
use schemas::{BucketName, CommandId, ObjectKey, Position, Time, UserId, VersionId};

use super::{AskedAcl, AskedEncryption, ByteStream, Digests, LockAsked, RangeSpec, ReadConditions, WriteConditions};
use crate::customer_key::CustomerKey;

/// PutObject (and POST upload).
#[derive(Debug, Clone)]
pub struct PutObject {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// What the client says about it.
    pub metadata: Metadata,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What keeps it from being removed.
    pub lock: LockAsked,
    /// A list of grants, if given.
    pub acl: Option<AskedAcl>,
    /// Conditions.
    pub conditions: WriteConditions,
    /// Digests to compare.
    pub digests: Digests,
    /// Decoded length, when announced: another length is refused.
    pub size_bytes: Option<u64>,
    /// Put or Post.
    pub cause: Cause,
    /// Makes a repeated request return the first one's answer.
    pub command: Option<CommandId>,
    /// How it is to be encrypted.
    pub encryption: AskedEncryption,
}

/// When a lifecycle rule takes something away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// When.
    pub at: Time,
    /// The rule's id.
    pub rule: String,
}

/// What a write made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Entity tag.
    pub etag: ETag,
    /// Version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
    /// Position of the event: `X-Holdfast-Position`.
    pub position: Position,
    /// When.
    pub modified: Time,
    /// Bytes.
    pub size_bytes: u64,
    /// Where they are.
    pub content: Content,
    /// Checksums of the object.
    pub checksums: Vec<Checksum>,
    /// The one that the client chose.
    pub chosen_checksum: Option<Checksum>,
    /// Encryption.
    pub encryption: Encryption,
    /// When it expires, if a rule says so.
    pub expiry: Option<Expiry>,
}

/// GetObject and HeadObject.
#[derive(Debug, Clone)]
pub struct GetObject {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// A version, or the current one.
    pub version: Option<VersionId>,
    /// One part of a multipart object.
    pub part_number: Option<u16>,
    /// A range; excludes `part_number`.
    pub range: Option<RangeSpec>,
    /// Conditions.
    pub conditions: ReadConditions,
    /// The customer's key of what is encrypted under one (SSE-C).
    pub customer_key: Option<CustomerKey>,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key.
    pub key: ObjectKey,
    /// Bytes of the whole object.
    pub size_bytes: u64,
    /// Where they are.
    pub content: Content,
    /// Entity tag.
    pub etag: ETag,
    /// Version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
    /// When it was made.
    pub modified: Time,
    /// Metadata.
    pub metadata: Metadata,
    /// Checksums.
    pub checksums: Vec<Checksum>,
    /// The one that the client chose.
    pub chosen_checksum: Option<Checksum>,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Encryption.
    pub encryption: Encryption,
    /// Owner.
    pub owner: UserId,
    /// Number of parts of a multipart object, else 0.
    pub parts_count: u32,
    /// Its parts.
    pub parts: Vec<CommittedPart>,
    /// Number of tags; 0 for one who may not see them.
    pub tags_count: usize,
    /// When it expires, if it is current and a rule says so.
    pub expiry: Option<Expiry>,
    /// Until when it cannot be removed, ended or not; none for one who may not see it.
    pub retention: Option<Retention>,
    /// Whether a legal hold is on it; not for one who may not see it.
    pub legal_hold: bool,
}

/// How the bytes of an object are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredForm {
    /// Whether they became fewer by compressing them: of a large object, its first 4 MiB.
    pub compressed: bool,
    /// Bytes that they take on disk, sealing included; none for a large object, whose blobs are many.
    pub bytes: Option<u64>,
}

/// An object, with how it is kept.
#[derive(Debug, Clone)]
pub struct DescribedObject {
    /// What is known of it.
    pub info: ObjectInfo,
    /// How its bytes are kept, if that can be told.
    pub stored: Option<StoredForm>,
}

/// An object's bytes, or the asked part of them.
pub struct ObjectRead {
    /// The object.
    pub info: ObjectInfo,
    /// First and last byte (both included) when a range or part was asked for: answer 206.
    pub range: Option<(u64, u64)>,
    /// Length of `body`.
    pub length_bytes: u64,
    /// The bytes. An error in it ends the connection: what was sent stays right, nothing wrong follows.
    pub body: ByteStream,
}

/// The same without bytes.
#[derive(Debug, Clone)]
pub struct ObjectHead {
    /// The object.
    pub info: ObjectInfo,
    /// First and last byte when a range or part was asked for.
    pub range: Option<(u64, u64)>,
    /// Bytes a GET would return.
    pub length_bytes: u64,
}

/// A version that is asked about.
#[derive(Debug, Clone)]
pub struct ObjectVersion {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// A version, or the current one.
    pub version: Option<VersionId>,
}

/// The tags of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSet {
    /// Tags, by name.
    pub tags: BTreeMap<String, String>,
    /// Whose; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
}

/// What an amendment did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    /// Which version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
    /// Position of the event, or of the log's last one when nothing needed to change.
    pub position: Position,
}

/// Until when a version cannot be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRetention {
    /// Until when, ended or not.
    pub retention: Retention,
    /// Which version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
}

/// Whether a legal hold is on a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionHold {
    /// Whether it is.
    pub on: bool,
    /// Which version; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
}

/// A list of grants, and whose it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAcl {
    /// Who owns the bucket or object.
    pub owner: UserId,
    /// The list.
    pub acl: Acl,
    /// Of which version; none of a bucket, and of an object in one that was never versioned.
    pub version: Option<VersionId>,
}

/// PutBucketAcl and PutObjectAcl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAcl {
    /// The list.
    pub acl: AskedAcl,
    /// Whose the bucket or object is, if the request says so: it cannot be changed by it.
    pub owner: Option<String>,
}

/// DeleteObject.
#[derive(Debug, Clone)]
pub struct DeleteObject {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// A version, or the current one.
    pub version: Option<VersionId>,
    /// Conditions.
    pub conditions: WriteConditions,
    /// Whether governance is to be bypassed, where the caller may.
    pub bypass_governance: bool,
}

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    /// The version removed, or the marker made; none in a bucket that was never versioned.
    pub version: Option<VersionId>,
    /// Whether a delete marker was made, or the removed version was one.
    pub delete_marker: bool,
    /// Position of the event, if something changed.
    pub position: Option<Position>,
}

/// CopyObject.
#[derive(Debug, Clone)]
pub struct CopyObject {
    /// Source bucket.
    pub source_bucket: BucketName,
    /// Source key.
    pub source_key: ObjectKey,
    /// Source version, or the current one.
    pub source_version: Option<VersionId>,
    /// Conditions on the source; all failures are `PreconditionFailed`.
    pub source_conditions: ReadConditions,
    /// Destination bucket.
    pub bucket: BucketName,
    /// Destination key.
    pub key: ObjectKey,
    /// New metadata (directive REPLACE), or none to keep the source's.
    pub metadata: Option<Metadata>,
    /// New tags (directive REPLACE), or none to keep the source's.
    pub tags: Option<BTreeMap<String, String>>,
    /// What keeps the destination from being removed: the lock of the source is never copied.
    pub lock: LockAsked,
    /// New storage class, or none for STANDARD.
    pub storage_class: Option<StorageClass>,
    /// A list of grants, if given: that of the source is not copied.
    pub acl: Option<AskedAcl>,
    /// A checksum to compute for the destination.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
    /// How it is to be encrypted.
    pub encryption: AskedEncryption,
    /// The customer's key of the source (SSE-C).
    pub source_customer_key: Option<CustomerKey>,
}

/// What a copy made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The destination.
    pub written: Written,
    /// Version of the source; none in a bucket that was never versioned.
    pub source_version: Option<VersionId>,
}
