//! What was, where no other row says it any more: versions before they were amended or removed, buckets before they were changed.
//!
//! A version that was current from its own event until it was replaced or removed needs none: [`super::Past`] says it all.

use event_log::Table;
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId};
use serde::{Deserialize, Serialize};

use super::{Bucket, Row, Version};
use crate::tables::{HISTORY, KIND_BYTES, Key, KeyReader, history};

/// A version or delete marker as it was up to, and without, the position in its key: there it was amended or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former(pub Version);

impl Former {
    /// Key of the row: tenant, kind, bucket, escaped object key, event newest first, position at which it ended.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey, made_by: EventId, valid_to: Position) -> Vec<u8> {
        Self::of_version(tenant, bucket, key.as_str().as_bytes(), made_by).number(valid_to.0).bytes()
    }

    pub(crate) fn of_version(tenant: TenantId, bucket: BucketId, key: &[u8], made_by: EventId) -> Key {
        Self::of_object(tenant, bucket, key).newest_first(made_by)
    }

    pub(crate) fn of_object(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Key {
        Key::kind(tenant, history::FORMER).bucket(bucket).object(key)
    }

    /// What the keys of a bucket's rows begin with.
    #[must_use]
    pub fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::FORMER).bucket(bucket).bytes()
    }

    /// Object key, event and `valid_to` of a row's key.
    pub(crate) fn parse_key(key: &[u8]) -> Option<(String, EventId, Position)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let object = String::from_utf8(reader.object()?).ok()?;
        let made_by = reader.newest_first()?;
        let valid_to = Position(reader.number()?);
        reader.end()?;
        Some((object, made_by, valid_to))
    }
}

impl Row for Former {
    const TABLE: Table = HISTORY;
    const WHAT: &'static str = "former version";

    fn encode(&self) -> Vec<u8> {
        self.0.encode()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        Version::decode(bytes).map(Self)
    }
}

/// A bucket as it was up to, and without, the position in its key: there it was changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerBucket(pub Bucket);
super::packed!(FormerBucket, HISTORY, "former bucket");

impl FormerBucket {
    /// Key of the row: tenant, kind, bucket, position at which it ended.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, valid_to: Position) -> Vec<u8> {
        Key::kind(tenant, history::FORMER_BUCKET).bucket(bucket).number(valid_to.0).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::FORMER_BUCKET).bucket(bucket).bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, object_key};
    use super::*;

    proptest! {
        #[test]
        fn a_key_reads_back(key in object_key(), made_by in event_id(), valid_to: u64) {
            let row_key = Former::key(TenantId(1), BucketId(2), &key, made_by, Position(valid_to));
            prop_assert_eq!(Former::parse_key(&row_key), Some((key.to_string(), made_by, Position(valid_to))));
        }
    }
}
