//! Objects that come in parts.

use std::collections::BTreeMap;

use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::{Encryption, Metadata, StorageClass};
use schemas::{BucketName, ObjectKey, Position, Time, UploadId, UserId, VersionId};

use super::{AskedAcl, AskedEncryption, Digests, Expiry, LockAsked, ReadConditions, WriteConditions};
use crate::customer_key::CustomerKey;

/// CreateMultipartUpload.
#[derive(Debug, Clone)]
pub struct CreateUpload {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// What the client says about the object.
    pub metadata: Metadata,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What keeps the object from being removed.
    pub lock: LockAsked,
    /// A list of grants, if given.
    pub acl: Option<AskedAcl>,
    /// Checksum of the parts. The type must suit: COMPOSITE is refused for CRC64NVME, FULL_OBJECT for SHA1 and SHA256.
    pub checksum: Option<(ChecksumAlgorithm, Option<ChecksumType>)>,
    /// How it is to be encrypted.
    pub encryption: AskedEncryption,
}

/// An upload that began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadStarted {
    /// Its id.
    pub upload: UploadId,
    /// Checksum that was agreed.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Position of the event.
    pub position: Position,
    /// When it is given up if it is not completed, if a rule says so.
    pub abort: Option<Expiry>,
    /// Encryption of the object.
    pub encryption: Encryption,
}

/// UploadPart.
#[derive(Debug, Clone)]
pub struct UploadPart {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// Upload.
    pub upload: UploadId,
    /// 1 to 10,000.
    pub number: u16,
    /// Digests to compare.
    pub digests: Digests,
    /// Decoded length, when announced.
    pub size_bytes: Option<u64>,
    /// The customer's key of what is encrypted under one (SSE-C).
    pub customer_key: Option<CustomerKey>,
}

/// UploadPartCopy.
#[derive(Debug, Clone)]
pub struct UploadPartCopy {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// Upload.
    pub upload: UploadId,
    /// 1 to 10,000.
    pub number: u16,
    /// Source bucket.
    pub source_bucket: BucketName,
    /// Source key.
    pub source_key: ObjectKey,
    /// Source version, or the current one.
    pub source_version: Option<VersionId>,
    /// Conditions on the source; all failures are `PreconditionFailed`.
    pub source_conditions: ReadConditions,
    /// First and last byte, both included; must lie within the source.
    pub range: Option<(u64, u64)>,
    /// The customer's key of what is encrypted under one (SSE-C).
    pub customer_key: Option<CustomerKey>,
    /// The customer's key of the source (SSE-C).
    pub source_customer_key: Option<CustomerKey>,
}

/// A part that was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartWritten {
    /// MD5.
    pub etag: ETag,
    /// Bytes.
    pub size_bytes: u64,
    /// When.
    pub modified: Time,
    /// Checksum of the upload's algorithm, or the one the client sent.
    pub checksum: Option<Checksum>,
    /// Position of the event.
    pub position: Position,
    /// Version of the source of a part copy.
    pub source_version: Option<VersionId>,
    /// Encryption of the object.
    pub encryption: Encryption,
}

/// A part named in completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// As the client sent it, quotes or not.
    pub etag: String,
    /// Checksum the client repeats, if it does.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
}

/// CompleteMultipartUpload.
#[derive(Debug, Clone)]
pub struct CompleteUpload {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// Upload.
    pub upload: UploadId,
    /// Parts in the client's order.
    pub parts: Vec<CompletedPart>,
    /// Conditions.
    pub conditions: WriteConditions,
    /// Checksum of the object that the client sent: algorithm, digest, and the number behind `-` of a composite one.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>, Option<u32>)>,
    /// `x-amz-checksum-type`, if sent; must be the upload's.
    pub checksum_type: Option<ChecksumType>,
    /// `x-amz-mp-object-size`, if sent; must be the sum.
    pub size_bytes: Option<u64>,
    /// The customer's key of what is encrypted under one (SSE-C).
    pub customer_key: Option<CustomerKey>,
}

/// ListParts.
#[derive(Debug, Clone)]
pub struct ListParts {
    /// Bucket.
    pub bucket: BucketName,
    /// Key.
    pub key: ObjectKey,
    /// Upload.
    pub upload: UploadId,
    /// Only parts after it.
    pub after: u16,
    /// Most parts: 0 to 1,000.
    pub max: usize,
}

/// A part in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPart {
    /// Number.
    pub number: u16,
    /// Bytes.
    pub size_bytes: u64,
    /// MD5.
    pub etag: ETag,
    /// When.
    pub modified: Time,
    /// Checksum of the upload's algorithm.
    pub checksum: Option<Checksum>,
}

/// Parts of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartsPage {
    /// Parts by number.
    pub parts: Vec<ListedPart>,
    /// Whether more follows.
    pub truncated: bool,
    /// Checksum of the upload.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Who began it.
    pub initiator: UserId,
    /// Who will own the object.
    pub owner: UserId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// When it is given up if it is not completed, if a rule says so.
    pub abort: Option<Expiry>,
}

/// ListMultipartUploads.
#[derive(Debug, Clone)]
pub struct ListUploads {
    /// Bucket.
    pub bucket: BucketName,
    /// Only keys that begin with it.
    pub prefix: String,
    /// Groups keys.
    pub delimiter: Option<String>,
    /// Only keys after it, or uploads of it after `after_upload`.
    pub after: Option<String>,
    /// Only uploads of `after` behind this one, and later keys.
    pub after_upload: Option<UploadId>,
    /// Most entries.
    pub max: usize,
}

/// An upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// Key.
    pub key: ObjectKey,
    /// Upload.
    pub upload: UploadId,
    /// When it began.
    pub initiated: Time,
    /// Who began it.
    pub initiator: UserId,
    /// Who will own the object.
    pub owner: UserId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

/// A page of uploads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadsPage {
    /// Uploads by key, then by time of beginning.
    pub uploads: Vec<ListedUpload>,
    /// Groups.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// Key or group to go on after.
    pub next_after: Option<String>,
    /// Upload to go on after.
    pub next_upload: Option<UploadId>,
}
