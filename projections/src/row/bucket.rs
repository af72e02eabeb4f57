//! Buckets, by id and by name.

use std::collections::BTreeMap;

use schemas::event::{Base, DefaultRetention, HistoryWindow, ObjectOwnership, Setting, Versioning};
use schemas::{BucketId, BucketName, EventId, KeyId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, HISTORY, KIND_BYTES, Key, KeyReader, directory, history};

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
    /// The retention that new versions get: every write is decided on it, so it stands here as well as in the log.
    #[serde(default)]
    pub default_retention: Option<DefaultRetention>,
    /// Whether `ownership` is nobody's choice: there are no ownership controls to show.
    #[serde(default)]
    pub without_ownership_controls: bool,
    /// How long its past content is kept; none for the installation's default.
    #[serde(default)]
    pub window: Option<HistoryWindow>,
    /// What it shows of another bucket, if it does.
    #[serde(default)]
    pub base: Option<Base>,
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

/// The name that a deleted bucket had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedBucket(pub BucketName);
super::packed!(DeletedBucket, HISTORY, "deleted bucket");

impl DeletedBucket {
    /// Key of the row: tenant, kind, bucket.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::DELETED_BUCKET).bucket(bucket).bytes()
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

    use schemas::event::{RetentionMode, RetentionPeriod};

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

    fn default_retention() -> impl Strategy<Value = DefaultRetention> {
        let mode = prop::sample::select(RetentionMode::ALL.as_slice());
        let period =
            prop_oneof![any::<u32>().prop_map(RetentionPeriod::Days), any::<u32>().prop_map(RetentionPeriod::Years)];
        (mode, period).prop_map(|(mode, period)| DefaultRetention { mode, period })
    }

    fn window() -> impl Strategy<Value = HistoryWindow> {
        prop_oneof![Just(HistoryWindow::Forever), any::<u64>().prop_map(HistoryWindow::Seconds)]
    }

    /// What the row was before versions had a default retention.
    #[derive(Serialize)]
    struct Shorter(
        BucketName,
        Time,
        String,
        UserId,
        KeyId,
        ObjectOwnership,
        Versioning,
        bool,
        EventId,
        BTreeMap<Setting, EventId>,
    );

    proptest! {
        #[test]
        fn a_row_from_before_default_retention_reads(name in "[a-z0-9]{3,20}", object_lock: bool, created_by in event_id()) {
            let name = BucketName::parse(&format!("b{name}")).expect("a name");
            let owner = UserId::parse("ann").expect("a user");
            let (ownership, versioning) = (ObjectOwnership::ObjectWriter, Versioning::Enabled);
            let (created, region, settings) = (Time(1), "r".to_owned(), BTreeMap::new());
            let shorter = Shorter(
                name.clone(), created, region, owner, KeyId(1), ownership, versioning, object_lock, created_by, settings,
            );
            let bytes = rmp_serde::to_vec(&shorter).expect("bytes");
            let row = <Bucket as super::super::Row>::decode(&bytes).expect("reads");
            prop_assert_eq!((row.name, row.object_lock, row.default_retention), (name, object_lock, None));
        }

        #[test]
        fn rows_read_back(
            name in "[a-z0-9]{3,20}", created: u64, region in ".{0,20}", owner in user(), key: u64, choice in 0..3usize,
            object_lock: bool, without_ownership_controls: bool, created_by in event_id(),
            settings in prop::collection::vec((setting(), event_id()), 0..12),
            default_retention in prop::option::of(default_retention()), window in prop::option::of(window()),
            base in prop::option::of((any::<u64>(), event_id(), any::<bool>())),
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
                without_ownership_controls,
                created_by,
                settings: settings.into_iter().collect(),
                default_retention,
                window,
                base: base.map(|(bucket, at, writable)| Base { bucket: BucketId(bucket), at, writable }),
            });
            reads_back(&BucketByName(BucketId(key)));
            reads_back(&DeletedBucket(BucketName::parse(&format!("b{}", "c".repeat(key as usize % 60 + 2))).expect("a name")));
            reads_back(&OrphanedBucket { deleted: Time(created) });
            let row_key = OrphanedBucket::key(TenantId(1), BucketId(key));
            prop_assert_eq!(OrphanedBucket::parse_key(&row_key), Some(BucketId(key)));
        }
    }
}
