//! Buckets, by id and by name.

use std::collections::BTreeMap;

use schemas::event::{ObjectOwnership, Setting, Versioning};
use schemas::{BucketId, BucketName, EventId, KeyId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A bucket that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// Name.
    pub name: BucketName,
    /// When it was created.
    pub created: Time,
    /// Region.
    pub region: String,
    /// Owner.
    pub owner: UserId,
    /// Key that seals its records and wraps.
    pub key: KeyId,
    /// Who owns uploads.
    pub ownership: ObjectOwnership,
    /// Versioning now.
    pub versioning: Versioning,
    /// Whether versions can be locked.
    pub object_lock: bool,
    /// The event that created it.
    pub created_by: EventId,
    /// The newest event of each setting that the bucket has: its record has the words (decision 0001).
    #[serde(default)]
    pub settings: BTreeMap<Setting, EventId>,
}
super::packed!(Bucket, DIRECTORY, "bucket");

impl Bucket {
    /// Key of the row: tenant, kind, bucket.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, directory::BUCKET).bucket(bucket).bytes()
    }
}

/// The bucket that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketByName(pub BucketId);
super::packed!(BucketByName, DIRECTORY, "bucket name");

impl BucketByName {
    /// Key of the row: tenant, kind, name.
    #[must_use]
    pub fn key(tenant: TenantId, name: &BucketName) -> Vec<u8> {
        Self::beginning(tenant, name.as_str())
    }

    /// What the keys of names that begin with `prefix` begin with.
    pub(crate) fn beginning(tenant: TenantId, prefix: &str) -> Vec<u8> {
        Key::kind(tenant, directory::BUCKET_NAME).raw(prefix.as_bytes()).bytes()
    }
}

/// A bucket that was deleted while uploads were open in it. It goes when the last of them has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanedBucket {
    /// When it was deleted.
    pub deleted: Time,
}
super::packed!(OrphanedBucket, DIRECTORY, "orphaned bucket");

impl OrphanedBucket {
    /// Key of the row: tenant, kind, bucket.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, directory::ORPHANED_BUCKET).bucket(bucket).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Key::kind(tenant, directory::ORPHANED_BUCKET).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<BucketId> {
        let mut reader = KeyReader::behind(key, KIND_BYTES)?;
        let bucket = BucketId(reader.number()?);
        reader.end()?;
        Some(bucket)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back, user};
    use super::*;

    fn setting() -> impl Strategy<Value = Setting> {
        prop::sample::select(vec![
            Setting::Tagging,
            Setting::Cors,
            Setting::Lifecycle,
            Setting::Policy,
            Setting::Acl,
            Setting::PublicAccessBlock,
            Setting::Encryption,
            Setting::ObjectLock,
            Setting::Notification,
            Setting::Logging,
        ])
    }

    proptest! {
        #[test]
        fn rows_read_back(
            name in "[a-z0-9]{3,20}", created: u64, region in ".{0,20}", owner in user(), key: u64, choice in 0..3usize,
            object_lock: bool, created_by in event_id(),
            settings in prop::collection::vec((setting(), event_id()), 0..12),
        ) {
            let ownerships = [
                ObjectOwnership::BucketOwnerEnforced, ObjectOwnership::BucketOwnerPreferred, ObjectOwnership::ObjectWriter,
            ];
            reads_back(&Bucket {
                name: BucketName::parse(&format!("b{name}")).expect("a name"),
                created: Time(created),
                region,
                owner,
                key: KeyId(key),
                ownership: ownerships[choice],
                versioning: [Versioning::Unversioned, Versioning::Enabled, Versioning::Suspended][choice],
                object_lock,
                created_by,
                settings: settings.into_iter().collect(),
            });
            reads_back(&BucketByName(BucketId(key)));
            reads_back(&OrphanedBucket { deleted: Time(created) });
            let row_key = OrphanedBucket::key(TenantId(1), BucketId(key));
            prop_assert_eq!(OrphanedBucket::parse_key(&row_key), Some(BucketId(key)));
        }
    }
}
