//! The three tables, and how keys are put together.
//!
//! Every key begins with its tenant, 8 bytes big-endian. In HISTORY and DIRECTORY a kind byte follows. Numbers are
//! big-endian, so that byte order is number order.
//!
//! An object key in the middle of a row key is escaped so that order is kept and the end is found: 0x00 becomes 0x00 0xFF,
//! and 0x00 0x01 ends it. A key is then before all keys it is a prefix of, because 0x01 is less than 0xFF, and before all
//! that go on with another byte, because 0x00 is less than that byte. At the end of a row key it stands as it is.
//!
//! Part of the format: table names, kinds, escapes.

use event_log::Table;
use schemas::{BucketId, EventId, TenantId};

/// What exists now: one lean row for each current object.
pub const CATALOG: Table = Table { name: "catalog" };
/// What was superseded, removed or changed.
pub const HISTORY: Table = Table { name: "history" };
/// Everything that is not an object: buckets, uploads, users, counters, references, tasks.
pub const DIRECTORY: Table = Table { name: "directory" };

/// All tables of the core projections.
pub const TABLES: &[Table] = &[CATALOG, HISTORY, DIRECTORY];

/// Kinds of rows in [`HISTORY`]. Never reused.
pub(crate) mod history {
    pub(crate) const NONCURRENT: u8 = 1;
    pub(crate) const NULL_POINTER: u8 = 2;
    pub(crate) const PAST: u8 = 3;
    pub(crate) const CHANGE: u8 = 4;
    pub(crate) const DELETED_BUCKET: u8 = 5;
    pub(crate) const FORMER: u8 = 6;
    pub(crate) const FORMER_BUCKET: u8 = 7;
    pub(crate) const HORIZON: u8 = 8;
    pub(crate) const OWN_KEY: u8 = 9;
}

/// Kinds of rows in [`DIRECTORY`]. Never reused. Those from 100 on stand under the system tenant.
pub(crate) mod directory {
    pub(crate) const BUCKET: u8 = 1;
    pub(crate) const BUCKET_NAME: u8 = 2;
    pub(crate) const ORPHANED_BUCKET: u8 = 3;
    pub(crate) const USAGE: u8 = 4;
    pub(crate) const QUOTA: u8 = 5;
    pub(crate) const SNAPSHOT: u8 = 6;
    pub(crate) const DERIVED: u8 = 7;
    pub(crate) const UPLOAD: u8 = 10;
    pub(crate) const UPLOAD_LISTING: u8 = 11;
    pub(crate) const STAGED: u8 = 12;
    pub(crate) const PART: u8 = 13;
    pub(crate) const ENDED_UPLOAD: u8 = 14;
    pub(crate) const REFERENCE: u8 = 20;
    pub(crate) const RELEASE: u8 = 21;
    pub(crate) const USER: u8 = 30;
    pub(crate) const ACCESS_KEY: u8 = 31;
    pub(crate) const SIGNED_URL: u8 = 32;
    pub(crate) const WEBHOOK: u8 = 33;
    pub(crate) const TASK: u8 = 40;
    pub(crate) const ENDED_TASK: u8 = 41;
    pub(crate) const TENANT: u8 = 100;
    pub(crate) const TENANT_NAME: u8 = 101;
    pub(crate) const ACCESS_KEY_TENANT: u8 = 102;
    pub(crate) const ADMIN_TOKEN: u8 = 103;
    pub(crate) const ADMIN_TOKEN_HASH: u8 = 104;
    pub(crate) const INSTALLATION: u8 = 105;
    pub(crate) const CLOCK: u8 = 106;
}

/// Rows of [`DIRECTORY`] that most requests read and few commands change.
const STEADY: [u8; 6] = [
    directory::BUCKET,
    directory::BUCKET_NAME,
    directory::QUOTA,
    directory::USER,
    directory::TENANT,
    directory::TENANT_NAME,
];

/// Whether a row is one that most requests read and few commands change.
#[must_use]
pub fn is_steady(table: Table, key: &[u8]) -> bool {
    table == DIRECTORY && key.get(KIND_BYTES - 1).is_some_and(|kind| STEADY.contains(kind))
}

/// A row key in the making.
#[derive(Debug, Clone)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// Under a tenant, without a kind: [`CATALOG`].
    pub(crate) fn tenant(tenant: TenantId) -> Self {
        Self(tenant.0.to_be_bytes().to_vec())
    }

    /// Under a tenant and kind: [`HISTORY`], [`DIRECTORY`].
    pub(crate) fn kind(tenant: TenantId, kind: u8) -> Self {
        Self::tenant(tenant).byte(kind)
    }

    /// On from the beginning of one.
    pub(crate) fn beginning(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub(crate) fn number(self, number: u64) -> Self {
        self.raw(&number.to_be_bytes())
    }

    pub(crate) fn bucket(self, bucket: BucketId) -> Self {
        self.number(bucket.0)
    }

    /// Bytes as they are.
    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// The beginning of an object key, escaped; more of it may follow.
    pub(crate) fn escaped(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xFF);
            }
        }
        self
    }

    /// A whole object key, escaped and ended.
    pub(crate) fn object(self, bytes: &[u8]) -> Self {
        self.escaped(bytes).raw(&[0, 1])
    }

    /// An event, newest first.
    pub(crate) fn newest_first(self, event: EventId) -> Self {
        self.raw(&(!event.epoch.0).to_be_bytes()).number(!event.position.0)
    }

    /// An event, oldest first.
    pub(crate) fn event(self, event: EventId) -> Self {
        self.raw(&event.epoch.0.to_be_bytes()).number(event.position.0)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Takes a row key apart. Every step answers none when the bytes are not what [`Key`] writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyReader<'a>(&'a [u8]);

impl<'a> KeyReader<'a> {
    /// Behind the first `skip` bytes.
    pub(crate) fn behind(key: &'a [u8], skip: usize) -> Option<Self> {
        key.get(skip..).map(KeyReader)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// A whole escaped object key.
    pub(crate) fn object(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(self.0.len());
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            if byte != 0 {
                out.push(byte);
                continue;
            }
            match self.array::<1>()? {
                [0xFF] => out.push(0),
                [1] => return Some(out),
                _ => return None,
            }
        }
    }

    pub(crate) fn newest_first(&mut self) -> Option<EventId> {
        let EventId { epoch, position } = self.event()?;
        Some(EventId { epoch: schemas::Epoch(!epoch.0), position: schemas::Position(!position.0) })
    }

    pub(crate) fn event(&mut self) -> Option<EventId> {
        let epoch = schemas::Epoch(u32::from_be_bytes(self.array()?));
        Some(EventId { epoch, position: schemas::Position(self.number()?) })
    }

    /// Everything left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// None when something is left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Bytes of tenant and kind.
pub(crate) const KIND_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(bytes: &[u8]) -> Vec<u8> {
        Key::tenant(TenantId(1)).object(bytes).number(7).bytes()
    }

    /// Few different bytes, so that prefixes and zeros are common.
    fn object() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(vec![0, 1, 2, b'a', 0xFE, 0xFF]), 0..6)
    }

    proptest! {
        #[test]
        fn escaped_keys_order_as_the_keys_do(a in object(), b in object()) {
            prop_assert_eq!(a.cmp(&b), key(&a).cmp(&key(&b)));
        }

        #[test]
        fn escaped_keys_read_back(a in object()) {
            let bytes = key(&a);
            let mut reader = KeyReader::behind(&bytes, 8).expect("a tenant");
            prop_assert_eq!(reader.object(), Some(a));
            prop_assert_eq!(reader.number(), Some(7));
            prop_assert!(reader.end().is_some());
        }

        #[test]
        fn an_escaped_prefix_is_a_prefix_of_exactly_its_keys(a in object(), b in object()) {
            let prefix = Key::tenant(TenantId(1)).escaped(&a).bytes();
            prop_assert_eq!(b.starts_with(&a), key(&b).starts_with(&prefix));
        }

        #[test]
        fn newer_events_come_first(a: (u32, u64), b: (u32, u64)) {
            let id = |(epoch, position)| EventId { epoch: schemas::Epoch(epoch), position: schemas::Position(position) };
            let bytes = |event| Key::tenant(TenantId(1)).newest_first(id(event)).bytes();
            prop_assert_eq!(a.cmp(&b), bytes(b).cmp(&bytes(a)));
            let bytes = bytes(a);
            prop_assert_eq!(KeyReader::behind(&bytes, 8).and_then(|mut reader| reader.newest_first()), Some(id(a)));
        }

        #[test]
        fn no_bytes_make_a_reader_panic(bytes: Vec<u8>) {
            let mut reader = KeyReader(&bytes);
            let _ = (reader.object(), reader.newest_first());
        }
    }
}
