//! Refusals: every way a decision says no. Doors map them exhaustively to status and code.
//!
//! Owns: the facts of a refusal. Does not own: status, code and wording of any dialect.

use schemas::content::ETag;
use schemas::{Position, VersionId};

/// What ended what was asked for, if that is known.
fn ended(by: Option<Position>) -> String {
    by.map_or_else(String::new, |position| format!("; the event at pos:{position} had removed or replaced it"))
}

/// Why a command was refused. Asking again changes nothing until the state does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The key's scopes do not grant it.
    #[error("access denied")]
    AccessDenied,
    /// The bucket's policy forbids it in so many words.
    #[error("the bucket's policy denies it")]
    DeniedByPolicy,
    /// No such tenant (admin only).
    #[error("no such tenant")]
    NoSuchTenant,
    /// A tenant has the name.
    #[error("the tenant exists")]
    TenantExists,
    /// The tenant's keys do not work.
    #[error("the tenant is disabled")]
    TenantDisabled,
    /// It has buckets, and what is in them may have to be kept: they are deleted first.
    #[error("the tenant has {buckets} buckets")]
    TenantNotEmpty {
        /// How many.
        buckets: u64,
    },
    /// No signed URL of this id works.
    #[error("no such signed URL")]
    NoSuchSignedUrl,
    /// No such webhook in the tenant, or no such rule of the bucket, or nothing of the kind that was asked for.
    #[error("no such webhook")]
    NoSuchWebhook,
    /// A point in the log that it has not come to.
    #[error("the point is in the future: the log ends before position {head}")]
    PointInFuture {
        /// The position that its next event gets.
        head: Position,
    },
    /// Content of the bucket's past that is not kept any more.
    #[error("the content is not kept any more: all of it is there from pos:{earliest} on{}", ended(*removed_by))]
    BeforeHorizon {
        /// From this position on all of it is there.
        earliest: Position,
        /// The event that removed or replaced what was asked for; the content was given up when the bucket's history window had passed.
        removed_by: Option<Position>,
    },
    /// No point of that name, or none that a request or version names.
    #[error("no such point: {what}")]
    NoSuchPoint {
        /// What is not there.
        what: &'static str,
    },
    /// No such snapshot of the bucket.
    #[error("no such snapshot")]
    NoSuchSnapshot,
    /// A snapshot of another point has the name.
    #[error("the snapshot exists")]
    SnapshotExists,
    /// The bucket shows what another one was. Nothing of it can be written.
    #[error("the bucket is a view: it cannot be written")]
    ReadOnlyBucket,
    /// Others show what the bucket was, or keep it under a name. They must go first.
    #[error("the bucket's past is kept by {by}")]
    BucketIsKept {
        /// Their names.
        by: String,
    },
    /// There are as many as there may be. Some must end first.
    #[error("there are too many {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
    },
    /// Nothing may be sent there.
    #[error("{reason}")]
    DestinationNotAllowed {
        /// Why, as far as clients may know.
        reason: String,
    },
    /// Others changed it again and again while this was decided. Asking again may succeed.
    #[error("it was changed by another request meanwhile")]
    ChangedMeanwhile,
    /// No such user in the tenant.
    #[error("no such user")]
    NoSuchUser,
    /// A user has the id.
    #[error("the user exists")]
    UserExists,
    /// No such access key in the tenant.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// Some tenant has an access key of this id.
    #[error("the access key exists")]
    AccessKeyExists,
    /// The access key was revoked for good.
    #[error("the access key is revoked")]
    AccessKeyRevoked,
    /// No such admin token.
    #[error("no such admin token")]
    NoSuchAdminToken,
    /// An admin token has the id.
    #[error("the admin token exists")]
    AdminTokenExists,
    /// No such bucket in the tenant.
    #[error("no such bucket")]
    NoSuchBucket,
    /// The caller's tenant has the bucket and the caller owns it.
    #[error("the bucket exists and is yours")]
    BucketAlreadyOwnedByYou,
    /// Another user of the tenant owns a bucket of this name.
    #[error("the bucket exists")]
    BucketAlreadyExists,
    /// It holds versions or delete markers. Uploads in progress do not keep a bucket: they become unreachable with it.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// The tenant has as many buckets as it may.
    #[error("too many buckets")]
    TooManyBuckets,
    /// A bucket with object lock keeps its versioning.
    #[error("a bucket with object lock cannot suspend versioning")]
    VersioningLocked,
    /// Versions of a bucket can be locked where each write makes one.
    #[error("a bucket with object lock needs versioning")]
    LockNeedsVersioning,
    /// Versions of the bucket cannot be locked.
    #[error("the bucket has no object lock")]
    LockNotEnabled,
    /// A default retention of no days, or too many.
    #[error("{reason}")]
    InvalidRetentionPeriod {
        /// A sentence for the client.
        reason: &'static str,
    },
    /// The version has no retention that could be read.
    #[error("the version has no retention")]
    NoRetention,
    /// No such key, or it is deleted.
    #[error("no such key")]
    NoSuchKey {
        /// The delete marker that hides it, if one does.
        marker: Option<VersionId>,
    },
    /// A write replaces what has a certain tag, and there is nothing to replace. S3 takes it for a key that is not there, HTTP for
    /// a condition that does not hold.
    #[error("a precondition does not hold: there is nothing to match")]
    NothingToMatch {
        /// The delete marker that hides the key, if one does.
        marker: Option<VersionId>,
    },
    /// No such version of the key.
    #[error("no such version")]
    NoSuchVersion,
    /// The version is a delete marker; it has no content.
    #[error("the version is a delete marker")]
    IsDeleteMarker {
        /// Its id.
        version: VersionId,
        /// When it was made, microseconds.
        modified: schemas::Time,
    },
    /// A condition on a write or read does not hold.
    #[error("a precondition does not hold: {condition}")]
    PreconditionFailed {
        /// `If-Match`, `If-None-Match`, ...
        condition: &'static str,
    },
    /// The reader has it already.
    #[error("not modified")]
    NotModified {
        /// Its tag.
        etag: ETag,
        /// Its time.
        modified: schemas::Time,
        /// Its version, in a versioned bucket.
        version: Option<VersionId>,
    },
    /// No byte of the range exists.
    #[error("the range cannot be satisfied")]
    InvalidRange {
        /// Bytes there are.
        size_bytes: u64,
    },
    /// The part number asked for is not one of the object's.
    #[error("no such part")]
    InvalidPartNumber {
        /// Parts there are.
        parts: u32,
    },
    /// No such upload of this key.
    #[error("no such upload")]
    NoSuchUpload,
    /// A part named in completion is not there or has another ETag.
    #[error("invalid part {number}")]
    InvalidPart {
        /// Which.
        number: u16,
    },
    /// Parts named in completion do not rise.
    #[error("parts are not in order")]
    InvalidPartOrder,
    /// A part other than the last is under 5 MiB.
    #[error("part {number} is too small")]
    EntityTooSmall {
        /// Which.
        number: u16,
        /// Bytes it has.
        size_bytes: u64,
        /// Bytes it must have.
        bound_bytes: u64,
    },
    /// Over 5 GiB in one request or part, or 5 TiB in all (S3's bounds, or configured ones).
    #[error("too large")]
    EntityTooLarge {
        /// Bytes it has, as far as known.
        size_bytes: u64,
        /// Bytes it may have.
        bound_bytes: u64,
    },
    /// The body was shorter or longer than announced.
    #[error("the body is incomplete")]
    IncompleteBody,
    /// Content-MD5 is not the body's.
    #[error("the body does not have the MD5 that was sent")]
    BadDigest,
    /// A checksum is not the body's.
    #[error("the body does not have the {algorithm} checksum that was sent")]
    ChecksumMismatch {
        /// As S3 spells it.
        algorithm: &'static str,
    },
    /// `x-amz-content-sha256` is not the body's.
    #[error("the body does not have the SHA-256 that was signed")]
    ContentSha256Mismatch,
    /// A checksum is missing, of another algorithm or type than the upload's, or malformed.
    #[error("{reason}")]
    InvalidRequest {
        /// A sentence for the client.
        reason: &'static str,
    },
    /// Something that the client named has a value that it cannot have here.
    #[error("{reason}")]
    InvalidArgument {
        /// What: a header or element as S3 spells it.
        name: &'static str,
        /// A sentence for the client.
        reason: &'static str,
    },
    /// A configuration that lacks what each of its kind has.
    #[error("the configuration is not one")]
    MalformedConfiguration,
    /// S3 knows it, and this server would do nothing about it.
    #[error("{what} is not supported")]
    NotSupported {
        /// What: a header or element as S3 spells it.
        what: &'static str,
    },
    /// The bucket that is to get an access log is not there.
    #[error("the bucket that is to get the access log does not exist")]
    NoSuchLogTarget,
    /// SSE-KMS without a key, where nobody has said which is meant then.
    #[error("no KMS key is named, and there is no default")]
    KmsKeyNotNamed,
    /// No KMS key of that name is configured.
    #[error("no such KMS key")]
    KmsKeyNotFound,
    /// Not the customer's key that the object was stored with.
    #[error("another key than the one the object was stored with")]
    WrongCustomerKey,
    /// Names and values of user metadata are over 2 KiB together, or the standard headers that are kept over 8 KiB.
    #[error("metadata is too large")]
    MetadataTooLarge {
        /// Bytes it has.
        size_bytes: usize,
        /// Bytes it may have.
        bound_bytes: usize,
    },
    /// Too many tags, or one whose key or value is not allowed.
    #[error("{reason}")]
    InvalidTag {
        /// A sentence for the client.
        reason: &'static str,
    },
    /// The bucket policy is none, or not one of this bucket.
    #[error("{reason}")]
    MalformedPolicy {
        /// A sentence for the client.
        reason: String,
    },
    /// ACLs are off in the bucket: its owner owns everything, and nobody is granted anything by a list.
    #[error("the bucket does not allow ACLs")]
    AclNotSupported,
    /// ACLs cannot be off while the bucket's own list grants something to others.
    #[error("the bucket's ACL grants something to others than its owner")]
    AclGrantsOthers,
    /// A bucket cannot be created with a public list where those are blocked.
    #[error("public ACLs are blocked")]
    PublicAclBlocked,
    /// A list that is none.
    #[error("the ACL is malformed")]
    MalformedAcl,
    /// A list grants something to a user that there is not.
    #[error("no such user to grant anything to")]
    NoSuchGrantee,
    /// No user has the address that a list grants something to.
    #[error("no user has this mail address")]
    NoSuchGranteeEmail,
    /// Several users have it.
    #[error("several users have this mail address")]
    AmbiguousGrantee,
    /// A copy onto itself that changes nothing.
    #[error("a copy onto itself must change something")]
    CopyOntoItself,
    /// Over a quota of the tenant or bucket.
    #[error("over quota")]
    QuotaExceeded,
    /// Retention or a hold forbids it.
    #[error("the version is locked")]
    ObjectLocked,
    /// A default retention cannot begin: nobody has said yet that the wall clock is right. A retention with a date of its own is
    /// taken, and so is the same request when an operator has acknowledged the clock.
    #[error("a default retention cannot begin before an operator has acknowledged the server's clock")]
    ClockNotAcknowledged,
    /// Something in it is retained or held: it is erased when that has ended.
    #[error("{rule}")]
    Retained {
        /// The rule that forbids it, as far as whoever asks may know.
        rule: String,
    },
    /// The content's key was destroyed.
    #[error("the content was erased")]
    Erased,
    /// A request with the same idempotency key is being carried out.
    #[error("a request with this idempotency key is being carried out")]
    IdempotencyInProgress,
    /// The same idempotency key came with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
}
