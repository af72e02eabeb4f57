//! What doors say to the store and hear from it. Parsed, typed, without HTTP.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use domain::Refusal;
pub use domain::acl::{Asked as AskedAcl, AskedGrant, AskedGrantee, CannedAcl};
pub use domain::bucket_policy::{Said, Signature, SignaturePlace, SignatureVersion};
pub use domain::bucket_setting::{BucketPolicy, Configuration};
pub use domain::lock::Asked as LockAsked;
pub use domain::read::{Conditions as ReadConditions, RangeSpec};
pub use domain::{Conditions as WriteConditions, ETagCondition};
use futures_util::Stream;
use schemas::acl::Acl;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag};
use schemas::event::{
    Cause, CommittedPart, DefaultRetention, Encryption, Metadata, ObjectOwnership, Quota, Retention, StorageClass,
    Versioning,
};
use schemas::scope::Scopes;
use schemas::{
    AccessKeyId, BucketId, BucketName, CommandId, ObjectKey, Position, RequestId, TenantId, TenantName, Time, UploadId,
    UserId, VersionId,
};
use secrecy::SecretString;

use crate::customer_key::CustomerKey;

/// Who asks. A door makes it from a verified credential, or of a request without one where the operator allows those, and
/// from nothing else.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Tenant of the credential; of a request without one, the tenant that such requests are for.
    pub tenant: TenantId,
    /// Holder of the credential, or nobody known.
    pub who: Who,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// What the request is called.
    pub request: RequestId,
    /// What else policies may ask of the request.
    pub circumstances: Circumstances,
}

/// What policies may ask of a request beside who sent it, from where and what for. By default nothing is known.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Whether it came over TLS.
    pub secure: bool,
    /// Which TLS: `1.2`, `1.3`.
    pub tls_version: Option<&'static str>,
    /// How it was signed.
    pub signature: Option<Signature>,
    /// Its headers and query.
    pub said: Option<Arc<dyn Said>>,
    /// The key that it came with, as it was when it was looked at.
    pub key: KeyThen,
}

/// What of a key may change while a request of it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyThen {
    /// When its secret was last replaced.
    pub rotated: Option<Time>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// Whoever is behind a request.
#[derive(Debug, Clone)]
pub enum Who {
    /// Nobody known. What a bucket's policy or an ACL opens to everyone is all that such a request gets.
    Anonymous,
    /// The server itself, doing for one of the tenant's buckets what was decided before.
    Service(Service),
    /// A user, by a credential that was verified.
    User {
        /// User of the credential.
        user: UserId,
        /// The user's name for people.
        display_name: String,
        /// The credential.
        access_key: AccessKeyId,
        /// What it may do, now.
        scopes: Scopes,
    },
}

/// A part of the server that acts for a bucket. No door can make one.
#[derive(Debug, Clone)]
pub struct Service {
    /// What records call it.
    pub(crate) name: &'static str,
    /// Owner of the bucket it writes into, and so of what it writes.
    pub(crate) owner: UserId,
    /// The bucket that it acts for.
    pub(crate) source: BucketName,
    /// Whose that is.
    pub(crate) source_owner: UserId,
}

impl Caller {
    /// The user; for a request of nobody known, the id that owns what such requests write.
    #[must_use]
    pub fn user(&self) -> UserId {
        match &self.who {
            Who::Anonymous => UserId::anonymous(),
            Who::Service(service) => service.owner.clone(),
            Who::User { user, .. } => user.clone(),
        }
    }

    /// The user's name for people.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match &self.who {
            Who::Anonymous => "anonymous",
            Who::Service(service) => service.name,
            Who::User { display_name, .. } => display_name,
        }
    }

    /// The credential, if there is one.
    #[must_use]
    pub fn access_key(&self) -> Option<&AccessKeyId> {
        match &self.who {
            Who::Anonymous | Who::Service(_) => None,
            Who::User { access_key, .. } => Some(access_key),
        }
    }

    /// What the credential may do, if there is one.
    #[must_use]
    pub fn scopes(&self) -> Option<&Scopes> {
        match &self.who {
            Who::Anonymous | Who::Service(_) => None,
            Who::User { scopes, .. } => Some(scopes),
        }
    }
}

/// A credential that works, with the secret to check a signature against.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Tenant.
    pub tenant: TenantId,
    /// User.
    pub user: UserId,
    /// The user's name for people.
    pub display_name: String,
    /// Scopes.
    pub scopes: Scopes,
    /// The secret.
    pub secret: SecretString,
    /// When it was last replaced.
    pub rotated: Option<Time>,
}

/// Who a key that works is.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Tenant.
    pub tenant: TenantId,
    /// User.
    pub user: UserId,
    /// The user's name for people.
    pub display_name: String,
    /// What the key may do, now.
    pub scopes: Scopes,
    /// When its secret was last replaced: what was issued before does not count.
    pub rotated: Option<Time>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

impl Holder {
    /// The key as it was when this was asked.
    #[must_use]
    pub fn key_then(&self) -> KeyThen {
        KeyThen { rotated: self.rotated, expires: self.expires }
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A decision said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tenant's queue is full. Asking again after `retry_after_ms` is safe.
    #[error("the writer's queue is full")]
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// The body ended with an error of the door's own making; the door knows which.
    #[error("the body could not be read")]
    Body(#[source] BodyError),
    /// Less free disk than the reserve. Deletes go on.
    #[error("the disk is full")]
    DiskFull,
    /// The store is stopping or its writer has stopped.
    #[error("the store is not available")]
    Unavailable,
    /// Bytes on disk are not what was written. Nothing wrong is ever returned.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// What and where, for the operator's log; shown to no client.
        what: String,
    },
    /// Anything else that no client can mend.
    #[error("internal error: {what}")]
    Internal {
        /// For the operator's log; shown to no client.
        what: String,
    },
}

/// An error that a door's body stream ended with. The door gets it back and downcasts it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// Bytes on their way in or out.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// Digests the client sent; each is compared before anything is committed.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    /// Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// The signed SHA-256 of the payload.
    pub sha256: Option<[u8; 32]>,
    /// Checksums that the client chose, each once; the first is the one that is shown where only one is.
    pub checksums: Vec<(ChecksumAlgorithm, ExpectedDigest)>,
}

impl Digests {
    /// The checksum that the client chose first.
    #[must_use]
    pub fn chosen(&self) -> Option<ChecksumAlgorithm> {
        self.checksums.first().map(|(algorithm, _)| *algorithm)
    }
}

/// Where the value of a checksum is to be had.
#[derive(Debug, Clone)]
pub enum ExpectedDigest {
    /// In a header: big-endian digest.
    Known(Vec<u8>),
    /// In a trailer: set by the door's body stream before it ends. Unset at the end is a refusal.
    Trailer(Arc<OnceLock<Vec<u8>>>),
    /// The client named an algorithm only: compute and keep it.
    Compute,
}

/// CreateBucket.
#[derive(Debug, Clone)]
pub struct CreateBucket {
    /// Name.
    pub name: BucketName,
    /// LocationConstraint, if given.
    pub region: Option<String>,
    /// Versioning from the start, if given.
    pub versioning: Option<Versioning>,
    /// Whether versions can be locked; implies versioning.
    pub object_lock: bool,
    /// Ownership, if given; else as configured.
    pub ownership: Option<ObjectOwnership>,
    /// A list of grants, if given.
    pub acl: Option<AskedAcl>,
}

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketInfo {
    /// Id.
    pub id: BucketId,
    /// Name.
    pub name: BucketName,
    /// When it was created.
    pub created: Time,
    /// Region.
    pub region: String,
    /// Owner.
    pub owner: UserId,
    /// Owner's name for people.
    pub owner_display_name: String,
    /// Versioning.
    pub versioning: Versioning,
    /// Whether versions can be locked.
    pub object_lock: bool,
    /// The retention of new versions that ask for none.
    pub default_retention: Option<DefaultRetention>,
    /// Ownership of uploads.
    pub ownership: ObjectOwnership,
    /// Whether somebody chose it.
    pub has_ownership_controls: bool,
}

/// How a write asks to be encrypted.
#[derive(Debug, Clone, Default)]
pub enum AskedEncryption {
    /// It does not say: as the bucket has it, else SSE-S3.
    #[default]
    Nothing,
    /// SSE-S3.
    Managed,
    /// SSE-KMS.
    Kms {
        /// Name, ARN or alias of a configured key; none for the bucket's or the server's default.
        key: Option<String>,
        /// The encryption context as the client sent it, kept and answered.
        context: Option<String>,
        /// Whether a bucket key is asked for, kept and answered.
        bucket_key: Option<bool>,
    },
    /// SSE-C.
    Customer(CustomerKey),
}

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

/// Who asks on the admin listener: a verified admin token.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    /// The token's id.
    pub token: String,
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantId>,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// What the request is called.
    pub request: RequestId,
}

/// A new admin token.
#[derive(Debug, Clone)]
pub struct NewAdminToken {
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if it is to be limited.
    pub tenant: Option<TenantName>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// An admin token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTokenInfo {
    /// Its id.
    pub id: String,
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantName>,
    /// When it was made.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// Whether it has ended so.
    pub expired: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What a tenant's content takes on disk, the history window's included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhysicalUsage {
    /// Bytes of its blobs as stored.
    pub stored_bytes: u64,
    /// Plaintext bytes that these are the content of.
    pub plain_bytes: u64,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantInfo {
    /// Id.
    pub id: TenantId,
    /// Name.
    pub name: TenantName,
    /// Whether its keys are stopped.
    pub disabled: bool,
    /// When it was created.
    pub created: Time,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// Id.
    pub id: UserId,
    /// Name for people.
    pub display_name: String,
    /// Mail address, if given.
    pub email: Option<String>,
    /// When it was created.
    pub created: Time,
}

/// An access key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyInfo {
    /// Id.
    pub id: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// Scopes.
    pub scopes: Scopes,
    /// For people.
    pub name: Option<String>,
    /// Whether it is an API key, which is sent with requests and signs none.
    pub api: bool,
    /// Its state.
    pub status: AccessKeyStatus,
    /// When it was created.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// When its secret was last replaced, if it was.
    pub rotated: Option<Time>,
}

/// A key and its secret, which is shown this once: of an API key its whole text.
pub type NewSecret = (AccessKeyInfo, SecretString);

/// State of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKeyStatus {
    /// Works.
    Active,
    /// Can be enabled again.
    Disabled,
    /// Gone for good.
    Revoked,
}

/// Which key is to be made.
#[derive(Debug, Clone)]
pub enum NewKey {
    /// One that signs requests; id and secret are made.
    Made,
    /// One that signs requests, as chosen by the caller.
    Chosen(AccessKeyId, SecretString),
    /// An API key.
    Api,
}

/// A new access key.
#[derive(Debug, Clone)]
pub struct CreateAccessKey {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub key: NewKey,
    /// For people.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// What a tenant holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Current objects.
    pub objects: u64,
    /// Versions, delete markers included.
    pub versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    pub logical_bytes: u64,
    /// Plaintext bytes of staged parts.
    pub multipart_bytes: u64,
    /// Buckets.
    pub buckets: u64,
}

/// Signed URLs that were made in one call and work still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrlInfo {
    /// 32 hex digits.
    pub id: String,
    /// Who asked for them.
    pub user: UserId,
    /// The key that signed.
    pub access_key: AccessKeyId,
    /// The method that they are for.
    pub method: String,
    /// The bucket that they are for.
    pub bucket: BucketName,
    /// The key that they are for; of several the first.
    pub key: String,
    /// How many they are.
    pub count: u32,
    /// When they were made.
    pub created: Time,
    /// When they end.
    pub expires: Time,
}

/// An answer of a door, as it is kept for a repetition of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers that a repetition gets too.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// A quota, and what is held under it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaInfo {
    /// The bounds.
    pub quota: Quota,
    /// Plaintext bytes of versions and of staged parts.
    pub held_bytes: u64,
    /// Current objects.
    pub held_objects: u64,
}

/// State of a component for `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// `database`, `storage`.
    pub name: &'static str,
    /// Whether it can take a write now.
    pub ok: bool,
}
