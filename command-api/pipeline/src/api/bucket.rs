//! Making a bucket, and what is known of one.

use schemas::event::{DefaultRetention, ObjectOwnership, Versioning};
use schemas::{BucketId, BucketName, Time, UserId};

use super::{AskedAcl, AskedBase, BaseInfo};
use crate::customer_key::CustomerKey;

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
    /// What it is to show of another bucket, if anything.
    pub base: Option<AskedBase>,
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
    /// What it shows of another bucket, if anything.
    pub base: Option<BaseInfo>,
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
