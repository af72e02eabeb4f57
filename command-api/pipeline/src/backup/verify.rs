//! Checking a backup at rest: every byte against its digest, every log as one chain, every row's bytes.
//!
//! Owns: going through all of it in order.
//! Does not own: keys: bodies stay sealed (`restore` opens them).

use std::collections::BTreeMap;
use std::path::Path;

use event_log::Table;
use ledger::Chain;
use schemas::record::RECORD_BYTES_MAX;
use schemas::{Position, SegmentId, TenantId, Time};

use super::error::BackupError;
use super::folder::{Folder, Reading};
use super::layer::{Entry, LayerReader, Merged};
use super::manifest::{Manifest, Run, Section};
use super::{rows, segments};
use crate::store::Store;

/// What a sound backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Completed runs.
    pub runs: usize,
    /// When the last was made.
    pub made: Time,
    /// Logs.
    pub logs: usize,
    /// Records of them all.
    pub records: u64,
    /// Rows.
    pub rows: u64,
    /// Copies of segments.
    pub segments: usize,
    /// Bytes of it all.
    pub bytes: u64,
}

impl Store {
    /// Reads a whole backup and compares it with its digests and chains. No key is needed.
    ///
    /// # Errors
    /// [`BackupError`] names the file that is not what was written.
    pub fn verify_backup(from: &Path, following: &[Table]) -> Result<VerifyReport, BackupError> {
        let (folder, manifest) = Folder::to_read(from)?;
        verify(&folder, &manifest, following)
    }
}

/// As [`Store::verify_backup`], of a folder that is open.
pub(super) fn verify(folder: &Folder, manifest: &Manifest, following: &[Table]) -> Result<VerifyReport, BackupError> {
    let records = each_record(folder, manifest, |_, _| Ok(()))?;
    let rows = check_rows(folder, manifest, following)?;
    for copy in &manifest.segments {
        segments::read(folder, copy, |_| Ok(()))?;
    }
    let last = manifest.runs.last().expect("a folder to read has a run");
    Ok(VerifyReport {
        runs: manifest.runs.len(),
        made: last.made,
        logs: manifest.heads().len(),
        records,
        rows,
        segments: manifest.segments.len(),
        bytes: manifest.bytes(),
    })
}

/// Reads one log's piece of a file of records, against its digest.
pub(super) fn section(
    file: &mut Reading,
    section: &Section,
    mut each: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut left = section.bytes;
    let mut raw = Vec::new();
    for _ in 0..section.records {
        let mut length = [0; 4];
        file.read(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        let taken = left.checked_sub(4 + length as u64).filter(|_| length <= RECORD_BYTES_MAX);
        left = taken.ok_or_else(|| file.damaged("a record is longer than its piece"))?;
        raw.resize(length, 0);
        file.read(&mut raw)?;
        each(&raw)?;
    }
    if left > 0 {
        return Err(file.damaged("a piece is longer than its records"));
    }
    file.expect(section.sha256)
}

/// Reads all records, each log's in order, and checks that they are one chain up to where the manifest says. How many there are.
pub(super) fn each_record(
    folder: &Folder,
    manifest: &Manifest,
    mut each: impl FnMut(&schemas::record::Header, &[u8]) -> Result<(), BackupError>,
) -> Result<u64, BackupError> {
    let mut chains: BTreeMap<TenantId, Chain> = BTreeMap::new();
    let mut records = 0;
    for run in &manifest.runs {
        let path = folder.runs().join(run.log_file());
        let mut file = Reading::begin(path.clone())?;
        for piece in &run.logs {
            let tenant = piece.tenant;
            let chain = chains.entry(tenant).or_insert_with(|| Chain::new(tenant));
            if chain.next() != Some(piece.first) {
                return Err(BackupError::damaged(&path, format!("records of tenant {tenant} are missing")));
            }
            section(&mut file, piece, |raw| {
                let header = chain.push(raw).map_err(|error| BackupError::damaged(&path, error.to_string()))?;
                records += 1;
                each(&header, raw)
            })?;
            let ended = chain.last().is_some_and(|last| last.position.next() == piece.head.next);
            if !ended || chain.head() != piece.head.leaf || !chain.complete() {
                let what = format!("the last record of tenant {tenant} is not the one that MANIFEST names");
                return Err(BackupError::damaged(&path, what));
            }
        }
        file.end()?;
    }
    Ok(records)
}

/// All rows, by table and key, with their files' digests.
pub(super) fn merged(folder: &Folder, manifest: &Manifest, tables: &[Table]) -> Result<Merged, BackupError> {
    let open = |(number, layer): (u64, &super::manifest::Layer)| {
        let path = folder.runs().join(Run::rows_file(number));
        LayerReader::begin(path, layer.bytes, layer.sha256, tables)
    };
    Merged::new(manifest.layers().map(open).collect::<Result<_, _>>()?)
}

/// Bytes that are there of each segment that the last run knows of.
pub(super) fn lengths(manifest: &Manifest) -> BTreeMap<SegmentId, u64> {
    let last = manifest.runs.last().map_or(0, |run| run.number);
    let known = manifest.segments.iter().filter(|copy| copy.run <= last);
    known.map(|copy| (copy.segment, copy.bytes())).collect()
}

/// Reads all rows, and checks that the bytes they name are there. How many there are.
fn check_rows(folder: &Folder, manifest: &Manifest, following: &[Table]) -> Result<u64, BackupError> {
    let tables = rows::tables(following);
    let lengths = lengths(manifest);
    let mut all = merged(folder, manifest, &tables)?;
    let mut count = 0;
    while let Some(Entry { table, key, value, .. }) = all.next()? {
        count += 1;
        if let Some((segment, end)) = rows::segment_of(tables[table], &key, &value)
            && lengths.get(&segment).is_none_or(|&bytes| bytes < end)
        {
            let what = format!("content in segment {segment} is missing");
            return Err(BackupError::damaged(&folder.manifest_file(), what));
        }
    }
    Ok(count)
}

/// Where every log of a backup begins and ends, for messages.
pub(super) fn last_position(manifest: &Manifest, tenant: TenantId) -> Option<Position> {
    let head = manifest.heads().get(&tenant).copied()?;
    head.next.0.checked_sub(1).map(Position)
}
