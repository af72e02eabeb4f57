//! The layout of a segment file: its head, its records, its trailer.
//!
//! Owns: bytes to structs and back, and their checksums.
//! Does not own: files, and what the payload of a record means.
//!
//! Part of the format, final for version 1. Numbers are big-endian; checksums are CRC-64/NVME.
//!
//! | file             | bytes | field |
//! |------------------|-------|-------|
//! | head             | 7     | `HFSEGMT` |
//! |                  | 1     | version, 1 |
//! |                  | 8     | segment id |
//! |                  | 40    | zero |
//! |                  | 8     | checksum of the 56 bytes before |
//! | record, repeated | 4     | `HFRC` |
//! |                  | 4     | length of the payload |
//! |                  | 8     | tenant |
//! |                  | 16    | blob id |
//! |                  | 8     | checksum of the payload |
//! |                  | 8     | checksum of the 40 bytes before, then segment id and offset of the record (8 bytes each, not stored) |
//! |                  | n     | payload: the stored form of a blob |
//! | trailer          | 4     | `HFTR`; only in a sealed segment, whose last bytes it is |
//! |                  | 4     | number of records |
//! |                  | 8     | offset of the trailer |
//! |                  | 8     | segment id |
//! |                  | 8     | checksum of the 24 bytes before |
//!
//! Segment id and offset go into a record's checksum so that a record counts only where it was written: neither a copy in
//! another file nor old blocks that a file system hands out again are taken for one.

use crc_fast::{CrcAlgorithm, Digest};
use schemas::{BlobId, SegmentId, TenantId};

use crate::form::STORED_BYTES_MAX;

/// Bytes of a segment's head. Part of the format.
pub(crate) const HEAD_BYTES: usize = 64;
/// Bytes before a record's payload. Part of the format.
pub(crate) const RECORD_HEAD_BYTES: usize = 48;
/// Bytes of a sealed segment's trailer. Part of the format.
pub(crate) const TRAILER_BYTES: usize = 32;
/// How a record begins. Part of the format.
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"HFRC";

const HEAD_MAGIC: [u8; 7] = *b"HFSEGMT";
const TRAILER_MAGIC: [u8; 4] = *b"HFTR";
const VERSION: u8 = 1;

/// The checksum used throughout: CRC-64/NVME.
pub(crate) fn checksum(parts: &[&[u8]]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// What a segment's head turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Good,
    /// Written by a newer program.
    UnknownVersion(u8),
    Damaged,
}

pub(crate) fn encode_head(segment: SegmentId) -> [u8; HEAD_BYTES] {
    let mut out = [0; HEAD_BYTES];
    out[..7].copy_from_slice(&HEAD_MAGIC);
    out[7] = VERSION;
    out[8..16].copy_from_slice(&segment.0.to_be_bytes());
    let sum = checksum(&[&out[..56]]);
    out[56..].copy_from_slice(&sum.to_be_bytes());
    out
}

pub(crate) fn decode_head(segment: SegmentId, bytes: &[u8]) -> Head {
    let Some(head) = bytes.first_chunk::<HEAD_BYTES>() else { return Head::Damaged };
    let whole = head[..7] == HEAD_MAGIC && u64_at(head, 56) == Some(checksum(&[&head[..56]]));
    match (whole, head[7]) {
        (true, VERSION) if *head == encode_head(segment) => Head::Good,
        (true, version) if version > VERSION => Head::UnknownVersion(version),
        _ => Head::Damaged,
    }
}

/// What stands before a record's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) tenant: TenantId,
    pub(crate) blob: BlobId,
    pub(crate) length: u32,
    pub(crate) payload_sum: u64,
}

impl RecordHead {
    pub(crate) fn encode(&self, segment: SegmentId, offset: u64) -> [u8; RECORD_HEAD_BYTES] {
        let mut out = [0; RECORD_HEAD_BYTES];
        out[..4].copy_from_slice(&RECORD_MAGIC);
        out[4..8].copy_from_slice(&self.length.to_be_bytes());
        out[8..16].copy_from_slice(&self.tenant.0.to_be_bytes());
        out[16..32].copy_from_slice(&self.blob.0);
        out[32..40].copy_from_slice(&self.payload_sum.to_be_bytes());
        let sum = Self::sum(&out[..40], segment, offset);
        out[40..].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// The head of the record at `offset` of `segment`, if these bytes are one.
    pub(crate) fn decode(bytes: &[u8], segment: SegmentId, offset: u64) -> Option<Self> {
        let bytes = bytes.first_chunk::<RECORD_HEAD_BYTES>()?;
        if bytes[..4] != RECORD_MAGIC || u64_at(bytes, 40)? != Self::sum(&bytes[..40], segment, offset) {
            return None;
        }
        let length = u32_at(bytes, 4)?;
        if length as usize > STORED_BYTES_MAX {
            return None;
        }
        Some(Self {
            tenant: TenantId(u64_at(bytes, 8)?),
            blob: BlobId(*bytes[16..].first_chunk()?),
            length,
            payload_sum: u64_at(bytes, 32)?,
        })
    }

    /// Bytes of the whole record.
    pub(crate) fn record_bytes(&self) -> u64 {
        RECORD_HEAD_BYTES as u64 + u64::from(self.length)
    }

    fn sum(head: &[u8], segment: SegmentId, offset: u64) -> u64 {
        checksum(&[head, &segment.0.to_be_bytes(), &offset.to_be_bytes()])
    }
}

/// The end of a sealed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) records: u32,
    pub(crate) offset: u64,
}

impl Trailer {
    pub(crate) fn encode(&self, segment: SegmentId) -> [u8; TRAILER_BYTES] {
        let mut out = [0; TRAILER_BYTES];
        out[..4].copy_from_slice(&TRAILER_MAGIC);
        out[4..8].copy_from_slice(&self.records.to_be_bytes());
        out[8..16].copy_from_slice(&self.offset.to_be_bytes());
        out[16..24].copy_from_slice(&segment.0.to_be_bytes());
        let sum = checksum(&[&out[..24]]);
        out[24..].copy_from_slice(&sum.to_be_bytes());
        out
    }

    /// The trailer of `segment` that begins at `offset`, if these bytes are it.
    pub(crate) fn decode(bytes: &[u8], segment: SegmentId, offset: u64) -> Option<Self> {
        let trailer = Self { records: u32_at(bytes, 4)?, offset };
        (*bytes == trailer.encode(segment)).then_some(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: SegmentId = SegmentId(0x0102_0304_0506_0708);

    fn record() -> RecordHead {
        RecordHead {
            tenant: TenantId(0x1112_1314_1516_1718),
            blob: BlobId(*b"blob id 16 bytes"),
            length: 9,
            payload_sum: checksum(&[b"123456789"]),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// If this fails, segments on somebody's disk can no longer be read: add a version instead.
    #[test]
    fn the_layout_is_frozen() {
        // The check value of CRC-64/NVME.
        assert_eq!(checksum(&[b"12345", b"6789"]), 0xae8b_1486_0a79_9888);
        assert_eq!(
            hex(&encode_head(SEGMENT)),
            format!("48465345474d54010102030405060708{}89a3c57005c06698", "00".repeat(40))
        );
        assert_eq!(
            hex(&record().encode(SEGMENT, 64)),
            "48465243000000091112131415161718626c6f62206964203136206279746573ae8b14860a79988830830a1567038137"
        );
        assert_eq!(
            hex(&Trailer { records: 2, offset: 178 }.encode(SEGMENT)),
            "484654520000000200000000000000b20102030405060708874ca1021420bfa3"
        );
    }

    #[test]
    fn heads_records_and_trailers_read_back_only_where_they_were_written() {
        assert_eq!(decode_head(SEGMENT, &encode_head(SEGMENT)), Head::Good);
        assert_eq!(decode_head(SegmentId(1), &encode_head(SEGMENT)), Head::Damaged);
        let bytes = record().encode(SEGMENT, 64);
        assert_eq!(RecordHead::decode(&bytes, SEGMENT, 64), Some(record()));
        assert_eq!(RecordHead::decode(&bytes, SEGMENT, 65), None);
        assert_eq!(RecordHead::decode(&bytes, SegmentId(1), 64), None);
        let trailer = Trailer { records: 2, offset: 178 };
        assert_eq!(Trailer::decode(&trailer.encode(SEGMENT), SEGMENT, 178), Some(trailer));
        assert_eq!(Trailer::decode(&trailer.encode(SEGMENT), SEGMENT, 179), None);
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let (head, bytes) = (encode_head(SEGMENT), record().encode(SEGMENT, 64));
        let trailer = Trailer { records: 2, offset: 178 }.encode(SEGMENT);
        for bit in 0..8 {
            for at in 0..HEAD_BYTES {
                let mut head = head;
                head[at] ^= 1 << bit;
                assert_eq!(decode_head(SEGMENT, &head), Head::Damaged);
            }
            for at in 0..RECORD_HEAD_BYTES {
                let mut bytes = bytes;
                bytes[at] ^= 1 << bit;
                assert_eq!(RecordHead::decode(&bytes, SEGMENT, 64), None);
            }
            for at in 0..TRAILER_BYTES {
                let mut trailer = trailer;
                trailer[at] ^= 1 << bit;
                assert_eq!(Trailer::decode(&trailer, SEGMENT, 178), None);
            }
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let mut head = encode_head(SEGMENT);
        head[7] = 2;
        assert_eq!(decode_head(SEGMENT, &head), Head::Damaged, "a version byte alone is damage");
        let sum = checksum(&[&head[..56]]);
        head[56..].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(decode_head(SEGMENT, &head), Head::UnknownVersion(2));
    }
}
