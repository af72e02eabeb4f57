//! What events about buckets say, but for rules of several lines ([`super::rules`]).

use std::collections::BTreeMap;

use schemas::event::{self, BucketEncryption, LogKeyFormat, ObjectOwnership, RetentionPeriod, Versioning};

use super::object::{GrantShape, grants};
use crate::translation::shape::shapes;

shapes! {
    /// A new bucket.
    struct Created<'a> {
        /// Its name.
        name: &'a str,
        /// Its region.
        region: &'a str,
        /// Who owns it.
        owner: &'a str,
        /// `BucketOwnerEnforced`, `BucketOwnerPreferred` or `ObjectWriter`; absent when it has no ownership controls.
        ownership: Option<&'static str>,
        /// `enabled`, `suspended` or `disabled`.
        versioning: &'static str,
        /// Whether versions can be locked from the start.
        object_lock_enabled: bool,
        /// What it grants, if anybody but its owner may do anything.
        grants: Option<Vec<GrantShape<'a>>>,
        /// `view` or `fork` of a bucket that shows another one's past.
        kind: Option<&'static str>,
        /// The position of the other's last event that it shows.
        base_position: Option<u64>,
    }

    /// A bucket that was deleted.
    struct Deleted<'a> {
        /// The name that is free again.
        name: &'a str,
    }

    /// A bucket's versioning.
    struct VersioningSet {
        /// `enabled`, `suspended` or `disabled`.
        versioning: &'static str,
    }

    /// A bucket's tags.
    struct TaggingSet<'a> {
        /// All its tags from now on, by name; absent when they were removed.
        tags: Option<&'a BTreeMap<String, String>>,
    }

    /// A bucket's policy.
    struct PolicySet<'a> {
        /// The policy as its author wrote it: JSON as text. Absent when it was removed.
        policy: Option<&'a str>,
        /// Whether it may keep even the bucket's owner from changing it again.
        binds_owner: bool,
    }

    /// A bucket's access control list.
    struct AclSet<'a> {
        /// What it grants from now on; absent when only its owner may do anything.
        grants: Option<Vec<GrantShape<'a>>>,
    }

    /// A bucket's ownership controls.
    struct OwnershipSet {
        /// `BucketOwnerEnforced`, `BucketOwnerPreferred` or `ObjectWriter`; absent when they were removed.
        ownership: Option<&'static str>,
    }

    /// What public access of a bucket is blocked.
    struct PublicAccessBlockSet {
        /// From now on; absent when the configuration was removed and nothing is.
        block: Option<Block>,
    }

    /// What is blocked.
    struct Block {
        /// Whether public ACLs are refused.
        block_public_acls: bool,
        /// Whether public grants count as if they were not there.
        ignore_public_acls: bool,
        /// Whether a public policy is refused.
        block_public_policy: bool,
        /// Whether a public policy grants nothing to anybody outside the tenant.
        restrict_public_buckets: bool,
    }

    /// A bucket's default encryption.
    struct EncryptionSet {
        /// `aes-256-gcm` by the bucket's keys, or `aws:kms` by a named key; absent when it was removed.
        encryption: Option<&'static str>,
    }

    /// A bucket's object lock.
    struct ObjectLockSet {
        /// The retention that new versions get; absent when they get none unless they ask for it.
        default_retention: Option<DefaultRetention>,
    }

    /// The retention that new versions get.
    struct DefaultRetention {
        /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
        mode: &'static str,
        /// How long, in days.
        days: Option<u32>,
        /// How long, in years.
        years: Option<u32>,
    }

    /// Where a bucket's access log goes.
    struct LoggingSet<'a> {
        /// Where it goes; absent when it ended.
        logging: Option<Logging<'a>>,
    }

    /// Where an access log goes.
    struct Logging<'a> {
        /// The bucket that gets it.
        target_bucket: &'a str,
        /// What keys of its objects begin with.
        target_prefix: &'a str,
        /// `SimplePrefix`, `PartitionedByEventTime` or `PartitionedByDeliveryTime`.
        key_format: &'static str,
    }
}

impl<'a> Created<'a> {
    pub(super) fn of(created: &'a event::BucketCreated) -> Self {
        Self {
            name: created.name.as_str(),
            region: &created.region,
            owner: created.owner.as_str(),
            ownership: (!created.without_ownership_controls).then(|| ownership_name(created.ownership)),
            versioning: versioning_name(created.versioning),
            object_lock_enabled: created.object_lock,
            grants: created.acl.as_ref().map(grants),
            kind: created.base.map(|base| if base.writable { "fork" } else { "view" }),
            base_position: created.base.map(|base| base.at.position.0),
        }
    }
}

impl<'a> Deleted<'a> {
    pub(super) fn of(deleted: &'a event::BucketDeleted) -> Self {
        Self { name: deleted.name.as_str() }
    }
}

impl VersioningSet {
    pub(super) fn of(set: &event::VersioningSet) -> Self {
        Self { versioning: versioning_name(set.versioning) }
    }
}

impl<'a> TaggingSet<'a> {
    pub(super) fn of(set: &'a event::BucketTaggingSet) -> Self {
        Self { tags: set.tags.as_ref() }
    }
}

impl<'a> PolicySet<'a> {
    pub(super) fn of(set: &'a event::BucketPolicySet) -> Self {
        Self { policy: set.policy.as_deref(), binds_owner: set.binds_owner }
    }
}

impl<'a> AclSet<'a> {
    pub(super) fn of(set: &'a event::BucketAclSet) -> Self {
        Self { grants: set.acl.as_ref().map(grants) }
    }
}

impl OwnershipSet {
    pub(super) fn of(set: &event::BucketOwnershipSet) -> Self {
        Self { ownership: set.ownership.map(ownership_name) }
    }
}

impl PublicAccessBlockSet {
    pub(super) fn of(set: &event::BucketPublicAccessBlockSet) -> Self {
        let block = set.block.map(|block| Block {
            block_public_acls: block.block_public_acls,
            ignore_public_acls: block.ignore_public_acls,
            block_public_policy: block.block_public_policy,
            restrict_public_buckets: block.restrict_public_buckets,
        });
        Self { block }
    }
}

impl EncryptionSet {
    pub(super) fn of(set: &event::BucketEncryptionSet) -> Self {
        let encryption = set.encryption.as_ref().map(|encryption| match encryption {
            BucketEncryption::Managed => "aes-256-gcm",
            BucketEncryption::Kms { .. } => "aws:kms",
        });
        Self { encryption }
    }
}

impl ObjectLockSet {
    pub(super) fn of(set: &event::BucketObjectLockSet) -> Self {
        let default_retention = set.default.map(|default| {
            let (days, years) = match default.period {
                RetentionPeriod::Days(days) => (Some(days), None),
                RetentionPeriod::Years(years) => (None, Some(years)),
            };
            DefaultRetention { mode: default.mode.as_str(), days, years }
        });
        Self { default_retention }
    }
}

impl<'a> LoggingSet<'a> {
    pub(super) fn of(set: &'a event::BucketLoggingSet) -> Self {
        let logging = set.logging.as_ref().map(|logging| Logging {
            target_bucket: logging.target.as_str(),
            target_prefix: &logging.prefix,
            key_format: match logging.key_format {
                LogKeyFormat::Simple => "SimplePrefix",
                LogKeyFormat::PartitionedByEventTime => "PartitionedByEventTime",
                LogKeyFormat::PartitionedByDeliveryTime => "PartitionedByDeliveryTime",
            },
        });
        Self { logging }
    }
}

fn ownership_name(ownership: ObjectOwnership) -> &'static str {
    match ownership {
        ObjectOwnership::BucketOwnerEnforced => "BucketOwnerEnforced",
        ObjectOwnership::BucketOwnerPreferred => "BucketOwnerPreferred",
        ObjectOwnership::ObjectWriter => "ObjectWriter",
    }
}

fn versioning_name(versioning: Versioning) -> &'static str {
    match versioning {
        Versioning::Unversioned => "disabled",
        Versioning::Enabled => "enabled",
        Versioning::Suspended => "suspended",
    }
}
