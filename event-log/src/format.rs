//! Rows of the log's own keyspaces: how records, heads and commands become keys and values.
//!
//! Owns: those byte layouts. All of it is part of the format; numbers are big-endian.
//! Does not own: the record's own layout (schemas), tables' rows.
//!
//! * `log`: `tenant u64 | position u64 | part u8` -> a slice of the record. Every part but the last is exactly
//!   [`PART_BYTES`] long and the last is shorter (possibly empty), so that a missing part shows.
//! * `heads`: `t | tenant` -> epoch u32, next u64, head 32, time u64;
//!   `b | tenant | bucket` -> seq u64, head 32, position u64; `c | tenant | command 16` -> position u64, time u64.

use schemas::{BucketId, CommandId, Epoch, LeafHash, Position, TenantId, Time};

use crate::log::LogHead;
use crate::table::ROW_BYTES_MAX;

/// Keyspace of the records.
pub(crate) const LOG: &str = "log";
/// Keyspace of the heads and commands.
pub(crate) const HEADS: &str = "heads";

/// Key of the row that every keyspace has and every batch writes. Hidden from readers; no table may use it.
pub(crate) const HEAD_KEY: &[u8] = b"\x00head";
/// Key, in `heads`, of the names of all keyspaces that have been written.
pub(crate) const TABLES_KEY: &[u8] = b"\x00tables";

/// Bytes of a log key.
pub(crate) const LOG_KEY_BYTES: usize = 17;
/// Bytes of every part of a record but its last.
pub(crate) const PART_BYTES: usize = ROW_BYTES_MAX - LOG_KEY_BYTES;

/// The first epoch of a log.
pub(crate) const FIRST_EPOCH: Epoch = Epoch(1);

/// Where a log without a record stands.
pub(crate) const EMPTY: LogHead =
    LogHead { epoch: FIRST_EPOCH, next: Position(0), head: LeafHash([0; 32]), time: Time(0) };

/// Where a bucket's chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BucketTip {
    pub(crate) seq: u64,
    pub(crate) head: LeafHash,
    pub(crate) position: Position,
}

pub(crate) fn log_key(tenant: TenantId, position: Position, part: u8) -> [u8; LOG_KEY_BYTES] {
    let mut key = [0; LOG_KEY_BYTES];
    key[..8].copy_from_slice(&tenant.0.to_be_bytes());
    key[8..16].copy_from_slice(&position.0.to_be_bytes());
    key[16] = part;
    key
}

/// Splits a record into rows, in order of their parts.
pub(crate) fn parts(record: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    // A record has at most 65,535 bytes and so at most 22 parts.
    (0..=record.len() / PART_BYTES).map(|part| {
        let from = part * PART_BYTES;
        (part as u8, &record[from..record.len().min(from + PART_BYTES)])
    })
}

pub(crate) fn log_key_fields(key: &[u8]) -> Option<(TenantId, Position, u8)> {
    let mut fields = Fields(key);
    let out = (TenantId(fields.u64()?), Position(fields.u64()?), fields.take::<1>()?[0]);
    fields.0.is_empty().then_some(out)
}

pub(crate) fn tenant_key(tenant: TenantId) -> Vec<u8> {
    let mut key = Vec::with_capacity(9);
    key.push(b't');
    key.extend(tenant.0.to_be_bytes());
    key
}

pub(crate) fn tenant_of(key: &[u8]) -> Option<TenantId> {
    let mut fields = Fields(key.strip_prefix(b"t")?);
    let tenant = TenantId(fields.u64()?);
    fields.0.is_empty().then_some(tenant)
}

pub(crate) fn encode_log_head(head: &LogHead) -> Vec<u8> {
    let mut value = Vec::with_capacity(52);
    value.extend(head.epoch.0.to_be_bytes());
    value.extend(head.next.0.to_be_bytes());
    value.extend(head.head.0);
    value.extend(head.time.0.to_be_bytes());
    value
}

pub(crate) fn decode_log_head(value: &[u8]) -> Option<LogHead> {
    let mut fields = Fields(value);
    let head = LogHead {
        epoch: Epoch(u32::from_be_bytes(fields.take()?)),
        next: Position(fields.u64()?),
        head: LeafHash(fields.take()?),
        time: Time(fields.u64()?),
    };
    fields.0.is_empty().then_some(head)
}

/// Prefix of the keys of a tenant's bucket chains.
pub(crate) fn buckets_prefix(tenant: TenantId) -> Vec<u8> {
    let mut key = Vec::with_capacity(17);
    key.push(b'b');
    key.extend(tenant.0.to_be_bytes());
    key
}

pub(crate) fn bucket_key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
    let mut key = buckets_prefix(tenant);
    key.extend(bucket.0.to_be_bytes());
    key
}

pub(crate) fn bucket_of(key: &[u8]) -> Option<BucketId> {
    let mut fields = Fields(key.strip_prefix(b"b")?);
    fields.u64()?;
    let bucket = BucketId(fields.u64()?);
    fields.0.is_empty().then_some(bucket)
}

pub(crate) fn encode_bucket_tip(tip: &BucketTip) -> Vec<u8> {
    let mut value = Vec::with_capacity(48);
    value.extend(tip.seq.to_be_bytes());
    value.extend(tip.head.0);
    value.extend(tip.position.0.to_be_bytes());
    value
}

pub(crate) fn decode_bucket_tip(value: &[u8]) -> Option<BucketTip> {
    let mut fields = Fields(value);
    let tip = BucketTip { seq: fields.u64()?, head: LeafHash(fields.take()?), position: Position(fields.u64()?) };
    fields.0.is_empty().then_some(tip)
}

pub(crate) fn command_key(tenant: TenantId, command: CommandId) -> Vec<u8> {
    let mut key = Vec::with_capacity(25);
    key.push(b'c');
    key.extend(tenant.0.to_be_bytes());
    key.extend(command.0);
    key
}

/// The time is there so that old commands can be forgotten without reading their records.
pub(crate) fn encode_command(position: Position, time: Time) -> Vec<u8> {
    let mut value = Vec::with_capacity(16);
    value.extend(position.0.to_be_bytes());
    value.extend(time.0.to_be_bytes());
    value
}

pub(crate) fn decode_command(value: &[u8]) -> Option<(Position, Time)> {
    let mut fields = Fields(value);
    let out = (Position(fields.u64()?), Time(fields.u64()?));
    fields.0.is_empty().then_some(out)
}

/// The `head` row: number of the commit, and the engine's sequence number before it.
pub(crate) fn encode_commit(commit: u64, sequence: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(16);
    value.extend(commit.to_be_bytes());
    value.extend(sequence.to_be_bytes());
    value
}

pub(crate) fn decode_commit(value: &[u8]) -> Option<(u64, u64)> {
    let mut fields = Fields(value);
    let out = (fields.u64()?, fields.u64()?);
    fields.0.is_empty().then_some(out)
}

/// Takes fields off bytes that may be too short.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_read_back(a: u64, b: u64, c: u64, epoch: u32, hash: [u8; 32], id: [u8; 16], part: u8) {
            let (tenant, position, time) = (TenantId(a), Position(b), Time(c));
            prop_assert_eq!(log_key_fields(&log_key(tenant, position, part)), Some((tenant, position, part)));
            prop_assert_eq!(tenant_of(&tenant_key(tenant)), Some(tenant));
            prop_assert_eq!(bucket_of(&bucket_key(tenant, BucketId(b))), Some(BucketId(b)));
            let head = LogHead { epoch: Epoch(epoch), next: position, head: LeafHash(hash), time };
            prop_assert_eq!(decode_log_head(&encode_log_head(&head)), Some(head));
            let tip = BucketTip { seq: a, head: LeafHash(hash), position };
            prop_assert_eq!(decode_bucket_tip(&encode_bucket_tip(&tip)), Some(tip));
            prop_assert_eq!(decode_command(&encode_command(position, time)), Some((position, time)));
            prop_assert_eq!(decode_commit(&encode_commit(a, b)), Some((a, b)));
            prop_assert_eq!(command_key(tenant, CommandId(id)).len(), 25);
        }

        #[test]
        fn parts_make_the_record_again(length in 0_usize..20_000) {
            let record: Vec<u8> = (0..length).map(|index| index as u8).collect();
            let mut whole: Vec<u8> = Vec::new();
            for (index, (part, bytes)) in parts(&record).enumerate() {
                prop_assert_eq!(usize::from(part), index);
                whole.extend(bytes);
            }
            prop_assert_eq!(&whole, &record);
            let lengths: Vec<usize> = parts(&record).map(|(_, bytes)| bytes.len()).collect();
            let (last, full) = lengths.split_last().expect("a record has a part");
            prop_assert!(*last < PART_BYTES);
            prop_assert!(full.iter().all(|&length| length == PART_BYTES));
        }
    }
}
