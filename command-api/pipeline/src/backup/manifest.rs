//! `MANIFEST`: what a backup holds.
//!
//! Owns: its form and its own digest.
//! Does not own: the files that it names.
//!
//! JSON, part of the format: `{"digest": SHA-256 of the compact form of the rest, "backup": {...}}`. Numbers of tenants are 16 hex
//! digits, times microseconds since 1970.

use std::collections::BTreeMap;

use schemas::{Epoch, LeafHash, Position, SegmentId, TenantId, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The format of everything in the folder.
const FORMAT: u32 = 1;

/// Everything a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// Number of the next run. One that was cut off has used up its own.
    pub(super) next_run: u64,
    /// Completed runs, in order.
    pub(super) runs: Vec<Run>,
    pub(super) segments: Vec<Segment>,
}

/// What one completed run added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Run {
    pub(super) number: u64,
    /// The wall clock when its position was taken.
    pub(super) made: Time,
    /// The commit at which every log's head was taken.
    pub(super) commit: u64,
    /// Bytes of its file of records.
    pub(super) log_bytes: u64,
    /// Pieces of that file, one a log, in order.
    pub(super) logs: Vec<Section>,
    /// Its file of rows; none when a later run holds them all.
    pub(super) rows: Option<Layer>,
}

/// Records of one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Section {
    #[serde(with = "hex16")]
    pub(super) tenant: TenantId,
    pub(super) first: Position,
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) sha256: LeafHash,
    /// Of the last record.
    pub(super) head: Head,
}

/// Where a log stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Head {
    pub(super) epoch: Epoch,
    pub(super) next: Position,
    pub(super) leaf: LeafHash,
    pub(super) time: Time,
}

/// A file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Layer {
    pub(super) bytes: u64,
    pub(super) sha256: LeafHash,
    /// Whether it holds every row, and not only those that changed.
    pub(super) whole: bool,
}

/// The copy of a segment's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Segment {
    pub(super) segment: SegmentId,
    /// The run that began it: a number that was given to a second segment has a second file.
    pub(super) run: u64,
    /// In order, from the file's beginning.
    pub(super) pieces: Vec<Piece>,
}

/// Bytes that were copied together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Piece {
    pub(super) bytes: u64,
    pub(super) sha256: LeafHash,
}

impl Segment {
    pub(super) fn file(&self) -> String {
        format!("seg-{:016x}-{}.hfs", self.segment.0, self.run)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.bytes).sum()
    }
}

impl Run {
    pub(super) fn log_file(&self) -> String {
        format!("{}.log", self.number)
    }

    pub(super) fn rows_file(number: u64) -> String {
        format!("{number}.rows")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    digest: LeafHash,
    backup: Manifest,
}

impl Default for Manifest {
    fn default() -> Self {
        Self { format: FORMAT, next_run: 1, runs: Vec::new(), segments: Vec::new() }
    }
}

impl Manifest {
    fn digest(&self) -> LeafHash {
        let compact = serde_json::to_vec(self).expect("plain numbers, texts and lists");
        LeafHash(Sha256::digest(compact).into())
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let signed = Signed { digest: self.digest(), backup: self.clone() };
        let mut bytes = serde_json::to_vec_pretty(&signed).expect("plain numbers, texts and lists");
        bytes.push(b'\n');
        bytes
    }

    /// What bytes say; else what is wrong with them.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        #[derive(Deserialize)]
        struct Outer {
            backup: Format,
        }
        if let Ok(Outer { backup: Format { format } }) = serde_json::from_slice(bytes)
            && format != FORMAT
        {
            return Err(format!("it is of format {format}, which this program does not know"));
        }
        let Signed { digest, backup } = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if backup.digest() != digest {
            return Err("its digest does not fit".to_owned());
        }
        Ok(backup)
    }

    /// Where each log stood at the last run.
    pub(super) fn heads(&self) -> BTreeMap<TenantId, Head> {
        self.runs.iter().flat_map(|run| &run.logs).map(|section| (section.tenant, section.head)).collect()
    }

    /// The files of rows that are in use, oldest first, with the numbers of their runs.
    pub(super) fn layers(&self) -> impl Iterator<Item = (u64, &Layer)> {
        self.runs.iter().filter_map(|run| Some((run.number, run.rows.as_ref()?)))
    }

    /// Bytes of all files but this one.
    pub(super) fn bytes(&self) -> u64 {
        let runs = self.runs.iter().map(|run| run.log_bytes + run.rows.as_ref().map_or(0, |rows| rows.bytes));
        runs.chain(self.segments.iter().map(Segment::bytes)).sum()
    }
}

mod hex16 {
    use schemas::TenantId;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    pub(super) fn serialize<S: Serializer>(tenant: &TenantId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", tenant.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TenantId, D::Error> {
        let text = String::deserialize(deserializer)?;
        let tenant = u64::from_str_radix(&text, 16).map_err(|_| Error::custom("not a tenant's number"))?;
        if format!("{tenant:016x}") == text {
            Ok(TenantId(tenant))
        } else {
            Err(Error::custom("not a tenant's number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let head = Head { epoch: Epoch(1), next: Position(3), leaf: LeafHash([1; 32]), time: Time(5) };
        let logs = vec![Section {
            tenant: TenantId(u64::MAX - 1),
            first: Position(0),
            records: 3,
            bytes: 900,
            sha256: LeafHash([2; 32]),
            head,
        }];
        let rows = Some(Layer { bytes: 40, sha256: LeafHash([3; 32]), whole: true });
        let run = Run { number: 1, made: Time(9), commit: 7, log_bytes: 900, logs, rows };
        let pieces = [100, 28].map(|bytes| Piece { bytes, sha256: LeafHash([4; 32]) }).to_vec();
        let segments = vec![Segment { segment: SegmentId(0x1f), run: 1, pieces }];
        Manifest { format: FORMAT, next_run: 2, runs: vec![run], segments }
    }

    #[test]
    fn what_was_written_reads_back() {
        let manifest = sample();
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest.clone()));
        assert_eq!((manifest.bytes(), manifest.segments[0].file().as_str()), (1_068, "seg-000000000000001f-1.hfs"));
        assert_eq!(manifest.heads()[&TenantId(u64::MAX - 1)].next, Position(3));
    }

    #[test]
    fn no_changed_byte_that_changes_its_meaning_goes_unnoticed() {
        let (manifest, bytes) = (sample(), sample().encode());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(Manifest::decode(&bad).is_ok_and(|read| read == manifest) || Manifest::decode(&bad).is_err());
            }
            // The line's end alone says nothing.
            assert_eq!(Manifest::decode(&bytes[..at]).is_err(), at + 1 < bytes.len());
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let text = String::from_utf8(sample().encode()).expect("text").replace("\"format\": 1", "\"format\": 2");
        assert!(Manifest::decode(text.as_bytes()).expect_err("refused").contains("format 2"));
    }
}
