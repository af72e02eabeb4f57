//! What keeps a bucket's past content: snapshots, and buckets that show the past of another; and from where on all of it is there.

use schemas::{BucketId, EventId, ObjectKey, Position, SnapshotName, TenantId, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, HISTORY, KIND_BYTES, Key, KeyReader, directory, history};

/// A named point of a bucket's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The last event that it shows.
    pub at: EventId,
    /// When it was made.
    pub created: Time,
}
super::packed!(Snapshot, DIRECTORY, "snapshot");

impl Snapshot {
    /// Key of the row: tenant, kind, bucket, name.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, name: &SnapshotName) -> Vec<u8> {
        Self::of_bucket(tenant, bucket).raw(name.as_str().as_bytes()).bytes()
    }

    pub(crate) fn of_bucket(tenant: TenantId, bucket: BucketId) -> Key {
        Key::kind(tenant, directory::SNAPSHOT).bucket(bucket)
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<SnapshotName> {
        let reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        SnapshotName::parse(std::str::from_utf8(reader.rest()).ok()?).ok()
    }
}

/// A view or fork of a bucket, and the last event of the bucket that it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derived(pub EventId);
super::packed!(Derived, DIRECTORY, "derived bucket");

impl Derived {
    /// Key of the row: tenant, kind, the bucket that is shown, the bucket that shows it.
    #[must_use]
    pub fn key(tenant: TenantId, base: BucketId, derived: BucketId) -> Vec<u8> {
        Self::of_base(tenant, base).bucket(derived).bytes()
    }

    pub(crate) fn of_base(tenant: TenantId, base: BucketId) -> Key {
        Key::kind(tenant, directory::DERIVED).bucket(base)
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<BucketId> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let derived = BucketId(reader.number()?);
        reader.end()?;
        Some(derived)
    }
}

/// From which position on all content of a bucket's past is still there: content of what ended at it or before has been given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Horizon(pub Position);
super::packed!(Horizon, HISTORY, "horizon");

impl Horizon {
    /// Key of the row: tenant, kind, bucket.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::HORIZON).bucket(bucket).bytes()
    }
}

/// A key of a fork that stands on its own, whatever its base shows, and since which position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnKey(pub Position);
super::packed!(OwnKey, HISTORY, "key of a fork");

impl OwnKey {
    /// Key of the row: tenant, kind, bucket, object key as it is.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey) -> Vec<u8> {
        Key::kind(tenant, history::OWN_KEY).bucket(bucket).raw(key.as_str().as_bytes()).bytes()
    }

    /// What the keys of a bucket's rows begin with.
    #[must_use]
    pub fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::OWN_KEY).bucket(bucket).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<String> {
        String::from_utf8(KeyReader::behind(key, KIND_BYTES + 8)?.rest().to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back};
    use super::*;

    proptest! {
        #[test]
        fn rows_and_keys_read_back(at in event_id(), number: u64, name in "[a-zA-Z0-9._-]{1,128}") {
            reads_back(&Snapshot { at, created: Time(number) });
            reads_back(&Derived(at));
            reads_back(&Horizon(Position(number)));
            reads_back(&OwnKey(Position(number)));
            let name = SnapshotName::parse(&name).expect("of the allowed form");
            let key = Snapshot::key(TenantId(1), BucketId(2), &name);
            prop_assert_eq!(Snapshot::parse_key(&key), Some(name));
            let key = Derived::key(TenantId(1), BucketId(2), BucketId(number));
            prop_assert_eq!(Derived::parse_key(&key), Some(BucketId(number)));
        }
    }
}
