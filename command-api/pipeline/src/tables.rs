//! The pipeline's own tables: truth (wrapped blob keys, inline content) and physical (where blobs are).
//!
//! Owns: the keys and values of both.
//! Does not own: projections' tables; what a place means (blob-store).
//! Invariant: every key begins with its tenant. Truth is final: its layout changes by a new kind only.
//!
//! | table | key: `tenant u64 BE, kind u8, ...` | value |
//! |---|---|---|
//! | truth | 1, blob | inline stored form of the blob |
//! | truth | 2, blob, key id u64 BE | bucket u64 BE, blob key wrapped under that key of the bucket |
//! | truth | 3, blob, key id u64 BE | number of a name u64 BE, blob key wrapped under that key of the name (SSE-KMS) |
//! | truth | 4, blob | bucket u64 BE, blob key wrapped under a customer's key (SSE-C) |
//! | truth | 5, SHA-256 of an idempotency key, row u16 BE | a part of an answer that is kept |
//! | truth | 6, end u64 BE, SHA-256 of an idempotency key | rows of the answer that ends then, u16 BE |
//! | truth | 8, epoch u32 BE | size u64 BE, root: the largest tree of the tenant's log that was signed in this epoch |
//! | truth | 8, in the system tenant | public key of the checkpoints' signatures, 32 |
//! | physical | 1, blob | [`BlobRow`] |
//! | physical | 2, de-duplication hint (32 bytes) | blob |
//! | physical | 3, child blob, parent manifest | nothing |
//! | physical | 9, in the system tenant | time of the last readiness probe |
//! | physical | 10, number, in the system tenant | bytes that mean nothing, while a journal is filled |

use std::ops::Bound;

use event_log::Table;
use schemas::{BlobId, BucketId, Epoch, KeyId, LeafHash, SegmentId, TenantId, Time};
use vault::NamedKey;

/// Backed up, never rebuilt.
pub(crate) const TRUTH: Table = Table { name: "truth" };
/// Rebuilt by scanning segments.
pub(crate) const PHYSICAL: Table = Table { name: "physical" };

fn key(tenant: TenantId, kind: u8, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(9 + 48);
    key.extend(tenant.0.to_be_bytes());
    key.push(kind);
    for part in rest {
        key.extend(*part);
    }
    key
}

pub(crate) fn inline_key(tenant: TenantId, blob: BlobId) -> Vec<u8> {
    key(tenant, 1, &[&blob.0])
}

pub(crate) fn wrap_key(tenant: TenantId, blob: BlobId, key_id: KeyId) -> Vec<u8> {
    key(tenant, 2, &[&blob.0, &key_id.0.to_be_bytes()])
}

pub(crate) fn named_wrap_key(tenant: TenantId, blob: BlobId, key_id: KeyId) -> Vec<u8> {
    key(tenant, 3, &[&blob.0, &key_id.0.to_be_bytes()])
}

/// Every wrap of a blob under keys of names.
pub(crate) fn named_wraps_prefix(tenant: TenantId, blob: BlobId) -> Vec<u8> {
    key(tenant, 3, &[&blob.0])
}

/// The wrap of a blob under a customer's key.
pub(crate) fn customer_wrap_key(tenant: TenantId, blob: BlobId) -> Vec<u8> {
    key(tenant, 4, &[&blob.0])
}

/// Every wrap of a blob under keys of buckets.
pub(crate) fn wraps_prefix(tenant: TenantId, blob: BlobId) -> Vec<u8> {
    key(tenant, 2, &[&blob.0])
}

pub(crate) fn blob_key(tenant: TenantId, blob: BlobId) -> Vec<u8> {
    key(tenant, 1, &[&blob.0])
}

/// Every blob of a tenant.
pub(crate) fn blobs_prefix(tenant: TenantId) -> Vec<u8> {
    key(tenant, 1, &[])
}

pub(crate) fn hint_key(tenant: TenantId, hint: &[u8; 32]) -> Vec<u8> {
    key(tenant, 2, &[hint])
}

pub(crate) fn child_key(tenant: TenantId, child: BlobId, parent: BlobId) -> Vec<u8> {
    key(tenant, 3, &[&child.0, &parent.0])
}

/// Every manifest that a blob is a child of.
pub(crate) fn parents_prefix(tenant: TenantId, child: BlobId) -> Vec<u8> {
    key(tenant, 3, &[&child.0])
}

/// A row of the answer to a request with an idempotency key.
pub(crate) fn answer_key(tenant: TenantId, idempotency: &[u8; 32], row: u16) -> Vec<u8> {
    key(tenant, 5, &[idempotency, &row.to_be_bytes()])
}

/// Says when an answer ends.
pub(crate) fn answer_end_key(tenant: TenantId, ends: Time, idempotency: &[u8; 32]) -> Vec<u8> {
    key(tenant, 6, &[&ends.0.to_be_bytes(), idempotency])
}

/// The answers that have ended by `now`: bounds of their [`answer_end_key`]s.
pub(crate) fn answer_ends(tenant: TenantId, now: Time) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let after = now.0.saturating_add(1).to_be_bytes();
    (Bound::Included(key(tenant, 6, &[])), Bound::Excluded(key(tenant, 6, &[&after])))
}

/// The idempotency key's digest of a row whose key [`answer_end_key`] made.
pub(crate) fn answer_end_of(key: &[u8]) -> Option<[u8; 32]> {
    key.get(17..)?.try_into().ok()
}

/// The largest tree of a log that was signed in an epoch. A kind of truth: a smaller one, or another, is never signed after it.
pub(crate) fn signed_key(tenant: TenantId, epoch: Epoch) -> Vec<u8> {
    key(tenant, 8, &[&epoch.0.to_be_bytes()])
}

/// Value of a [`signed_key`]: the tree's size and root.
pub(crate) fn encode_signed(size: u64, root: LeafHash) -> Vec<u8> {
    [size.to_be_bytes().as_slice(), &root.0].concat()
}

/// What [`encode_signed`] wrote.
pub(crate) fn decode_signed(value: &[u8]) -> Option<(u64, LeafHash)> {
    let (size, root) = value.split_first_chunk()?;
    Some((u64::from_be_bytes(*size), LeafHash(root.try_into().ok()?)))
}

/// The public key that all checkpoints of the installation are signed with.
pub(crate) fn checkpoint_key() -> Vec<u8> {
    key(TenantId::SYSTEM, 8, &[])
}

/// Where all wraps of a tenant are, of whatever kind: from, and to without.
pub(crate) fn wraps_of_tenant(tenant: TenantId) -> (Vec<u8>, Vec<u8>) {
    (key(tenant, 2, &[]), key(tenant, 5, &[]))
}

/// Whether a row of a wrap is one under a bucket's key, or a customer's for a bucket: its value then names the bucket.
pub(crate) fn is_of_bucket(key: &[u8]) -> bool {
    matches!(key.get(8), Some(2 | 4))
}

/// Whether a row of the truth table is a wrap.
pub(crate) fn is_wrap(key: &[u8]) -> bool {
    matches!(key.get(8), Some(2..=4))
}

/// Whether a row of the physical table is a blob's own.
pub(crate) fn is_blob(key: &[u8]) -> bool {
    key.get(8) == Some(&1)
}

/// Where the rows are by which manifests keep their children: from, and to without.
pub(crate) fn children_of_tenant(tenant: TenantId) -> (Vec<u8>, Vec<u8>) {
    (key(tenant, 3, &[]), key(tenant, 4, &[]))
}

/// Child and parent of a row whose key [`child_key`] made.
pub(crate) fn child_of(key: &[u8]) -> Option<(BlobId, BlobId)> {
    Some((BlobId(key.get(9..25)?.try_into().ok()?), BlobId(key.get(25..)?.try_into().ok()?)))
}

/// A row that is there to fill a journal.
pub(crate) fn padding_key(row: u64) -> Vec<u8> {
    key(TenantId::SYSTEM, 10, &[&row.to_be_bytes()])
}

/// A row that says only that writing works.
pub(crate) fn probe_key() -> Vec<u8> {
    key(TenantId::SYSTEM, 9, &[])
}

/// The blob of a row whose key [`blob_key`] made.
pub(crate) fn blob_of(key: &[u8]) -> Option<BlobId> {
    Some(BlobId(key.get(9..25)?.try_into().ok()?))
}

/// The id of the key of a row that [`wrap_key`] or [`named_wrap_key`] keyed.
pub(crate) fn wrapped_by(key: &[u8]) -> Option<KeyId> {
    key.last_chunk::<8>().map(|id| KeyId(u64::from_be_bytes(*id)))
}

/// A wrap under a name's key as stored: the number of the name, and the wrap.
pub(crate) fn encode_named_wrap(name: NamedKey, wrapped: &[u8]) -> Vec<u8> {
    encode_wrap(BucketId(name.number()), wrapped)
}

/// The parts of [`encode_named_wrap`].
pub(crate) fn decode_named_wrap(value: &[u8]) -> Option<(NamedKey, &[u8])> {
    let (number, wrapped) = decode_wrap(value)?;
    Some((NamedKey::from_number(number.0), wrapped))
}

/// A wrap as stored: the bucket whose key wrapped it, and the wrap.
pub(crate) fn encode_wrap(bucket: BucketId, wrapped: &[u8]) -> Vec<u8> {
    let mut value = bucket.0.to_be_bytes().to_vec();
    value.extend(wrapped);
    value
}

/// The parts of [`encode_wrap`].
pub(crate) fn decode_wrap(value: &[u8]) -> Option<(BucketId, &[u8])> {
    let (bucket, wrapped) = value.split_first_chunk::<8>()?;
    Some((BucketId(u64::from_be_bytes(*bucket)), wrapped))
}

/// Where a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Located {
    /// In the truth table.
    Inline,
    /// In a segment.
    Segment { segment: SegmentId, offset: u64, length: u32 },
}

/// What is known of a blob's one physical copy.
///
/// Value: version 1, flags (bit 0 inline, bit 1 manifest, bit 2 hint), size u32, stored length u32, staged u64,
/// then segment u64 and offset u64 unless inline, then the hint if there is one. Numbers big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobRow {
    pub(crate) located: Located,
    /// Plaintext bytes.
    pub(crate) size_bytes: u32,
    /// Bytes of the stored form.
    pub(crate) stored_bytes: u32,
    /// When its rows were written.
    pub(crate) staged: Time,
    /// Whether it is a manifest, whose children have rows of kind 3.
    pub(crate) manifest: bool,
    /// The hint that finds it, to remove with it.
    pub(crate) hint: Option<[u8; 32]>,
}

impl BlobRow {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let inline = self.located == Located::Inline;
        let flags = u8::from(inline) | u8::from(self.manifest) << 1 | u8::from(self.hint.is_some()) << 2;
        let mut value = vec![1, flags];
        value.extend(self.size_bytes.to_be_bytes());
        value.extend(self.stored_bytes.to_be_bytes());
        value.extend(self.staged.0.to_be_bytes());
        if let Located::Segment { segment, offset, .. } = self.located {
            value.extend(segment.0.to_be_bytes());
            value.extend(offset.to_be_bytes());
        }
        if let Some(hint) = self.hint {
            value.extend(hint);
        }
        value
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_first_chunk::<18>()?;
        let flags = head[1];
        if head[0] != 1 || flags > 7 {
            return None;
        }
        let stored_bytes = u32::from_be_bytes(head[6..10].try_into().ok()?);
        let (located, rest) = if flags & 1 == 1 {
            (Located::Inline, rest)
        } else {
            let (segment, rest) = rest.split_first_chunk::<8>()?;
            let (offset, rest) = rest.split_first_chunk::<8>()?;
            let segment = SegmentId(u64::from_be_bytes(*segment));
            (Located::Segment { segment, offset: u64::from_be_bytes(*offset), length: stored_bytes }, rest)
        };
        let hint = if flags & 4 == 4 { Some(rest.try_into().ok()?) } else { None };
        if hint.is_none() && !rest.is_empty() {
            return None;
        }
        Some(Self {
            located,
            size_bytes: u32::from_be_bytes(head[2..6].try_into().ok()?),
            stored_bytes,
            staged: Time(u64::from_be_bytes(head[10..18].try_into().ok()?)),
            manifest: flags & 2 == 2,
            hint,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_blob_row_reads_back(inline: bool, numbers: [u64; 3], sizes: [u32; 2], manifest: bool, hint: Option<[u8; 32]>) {
            let located = if inline {
                Located::Inline
            } else {
                Located::Segment { segment: SegmentId(numbers[0]), offset: numbers[1], length: sizes[1] }
            };
            let row = BlobRow {
                located, size_bytes: sizes[0], stored_bytes: sizes[1], staged: Time(numbers[2]), manifest, hint,
            };
            let value = row.encode();
            prop_assert_eq!(BlobRow::decode(&value), Some(row));
            prop_assert_eq!(BlobRow::decode(&value[..value.len() - 1]), None);
        }

        #[test]
        fn no_bytes_make_a_blob_row_panic(value: Vec<u8>) {
            let _ = BlobRow::decode(&value);
        }
    }

    #[test]
    fn keys_begin_with_their_tenant_and_find_their_blob() {
        let (tenant, blob) = (TenantId(0x0102), BlobId([9; 16]));
        let key = blob_key(tenant, blob);
        assert!(key.starts_with(&blobs_prefix(tenant)));
        assert_eq!(key[..8], [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(blob_of(&key), Some(blob));
        assert!(wrap_key(tenant, blob, KeyId(1)).starts_with(&wraps_prefix(tenant, blob)));
        assert!(child_key(tenant, blob, BlobId([1; 16])).starts_with(&parents_prefix(tenant, blob)));
        assert_eq!(decode_wrap(&encode_wrap(BucketId(3), b"wrap")), Some((BucketId(3), &b"wrap"[..])));
        assert!(named_wrap_key(tenant, blob, KeyId(1)).starts_with(&named_wraps_prefix(tenant, blob)));
        assert_eq!(wrapped_by(&named_wrap_key(tenant, blob, KeyId(7))), Some(KeyId(7)));
        let name = NamedKey::of("name");
        assert_eq!(decode_named_wrap(&encode_named_wrap(name, b"wrap")), Some((name, &b"wrap"[..])));
        let kinds = [inline_key(tenant, blob), wraps_prefix(tenant, blob), named_wraps_prefix(tenant, blob)];
        assert_eq!(kinds.map(|key| key[8]), [1, 2, 3]);
        assert_eq!(customer_wrap_key(tenant, blob)[8], 4);
        assert_eq!((answer_key(tenant, &[7; 32], 1)[8], answer_end_key(tenant, Time(3), &[7; 32])[8]), (5, 6));
        assert_eq!(answer_end_of(&answer_end_key(tenant, Time(3), &[7; 32])), Some([7; 32]));
    }
}
