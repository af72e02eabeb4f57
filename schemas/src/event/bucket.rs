//! Events about buckets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Base, RetentionMode};
use crate::acl::{Acl, PublicAccessBlock};
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
    /// Whether versions can be locked from the start.
    #[serde(default)]
    pub object_lock: bool,
    /// Whether `ownership` is nobody's choice: the bucket has no ownership controls, as all had before there were any.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_ownership_controls: bool,
    /// Its access control list; none when only its owner may do anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
    /// What it shows of another bucket, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
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

/// What a bucket can be set to beside what its row says: each is written whole by one request and recorded by one event,
/// which has the words. Names are part of the format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Setting {
    /// Tags of the bucket.
    Tagging,
    /// Which origins browsers may come from.
    Cors,
    /// Rules of expiration.
    Lifecycle,
    /// The bucket policy.
    Policy,
    /// The bucket's access control list.
    Acl,
    /// What public access is refused whatever policy and ACLs say.
    PublicAccessBlock,
    /// How objects are encrypted that do not say.
    Encryption,
    /// The retention that new versions get.
    ObjectLock,
    /// Who hears of what happens.
    Notification,
    /// Where the access log goes.
    Logging,
}

/// A bucket's tags were replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketTaggingSet {
    /// Its id.
    pub bucket: BucketId,
    /// Tags, by name; none when they were removed.
    pub tags: Option<BTreeMap<String, String>>,
}

/// A bucket's policy was replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketPolicySet {
    /// Its id.
    pub bucket: BucketId,
    /// The policy as its author wrote it: at most 20 KB of JSON; none when it was removed.
    pub policy: Option<String>,
    /// Whether it may keep even the bucket's owner from changing it again: its author said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binds_owner: bool,
}

/// What public access of a bucket is blocked was set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketPublicAccessBlockSet {
    /// Its id.
    pub bucket: BucketId,
    /// What is blocked from now on; none when the configuration was removed and nothing is.
    pub block: Option<PublicAccessBlock>,
}

/// How long a default retention lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionPeriod {
    /// Days of 24 hours.
    Days(u32),
    /// Years of 365 days.
    Years(u32),
}

/// The retention that new versions get which ask for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRetention {
    /// Who may end it.
    pub mode: RetentionMode,
    /// From when the version is made.
    pub period: RetentionPeriod,
}

/// Versions of a bucket can be locked from now on, and for ever; new ones get this retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketObjectLockSet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on; none when new versions are not locked unless they ask for it.
    pub default: Option<DefaultRetention>,
}

/// How the objects of a bucket are encrypted whose writers do not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BucketEncryption {
    /// By keys of the bucket: SSE-S3.
    Managed,
    /// By a named local key: SSE-KMS.
    Kms {
        /// The key as the bucket's owner named it; none for the operator's default.
        key: Option<String>,
        /// Whether with a bucket key.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bucket_key: bool,
    },
}

/// A bucket's default encryption was set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketEncryptionSet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on; none when it was removed.
    pub encryption: Option<BucketEncryption>,
}

/// A bucket's access control list was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketAclSet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on; none when only its owner may do anything.
    pub acl: Option<Acl>,
}

/// A bucket's ownership controls were set or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketOwnershipSet {
    /// Its id.
    pub bucket: BucketId,
    /// From now on; none when they were removed: whoever uploads owns it then.
    pub ownership: Option<ObjectOwnership>,
}
