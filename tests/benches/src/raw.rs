//! The limit of durability: appends to a raw file that was written before, each followed by fdatasync.
//!
//! R is what one waiting client gets. With `n` waiting clients a group commit writes their `n` records at once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::measure::Sample;

/// Bytes that a small PUT adds to the journal: record, rows and their framing.
pub(crate) const RECORD_BYTES: usize = 1536;
const FILE_BYTES: u64 = 64 << 20;

/// A preallocated file.
pub(crate) struct Raw {
    file: File,
    at: u64,
}

impl Raw {
    /// Written with zeros once, so that no sync has to allocate or to convert an extent.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("raw");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        let zeros = vec![0; 1 << 20];
        for at in (0..FILE_BYTES).step_by(zeros.len()) {
            file.write_all_at(&zeros, at)?;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0 })
    }

    /// Groups of `records` records, for `seconds`.
    pub(crate) fn group_commits(&mut self, records: usize, seconds: f64) -> Result<Sample> {
        let group = vec![0x5a; records * RECORD_BYTES];
        let (begun, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
        let mut latencies = Vec::new();
        while begun.elapsed() < limit {
            if self.at + group.len() as u64 > FILE_BYTES {
                self.at = 0;
            }
            let one = Instant::now();
            self.file.write_all_at(&group, self.at)?;
            self.file.sync_data()?;
            latencies.push(one.elapsed());
            self.at += group.len() as u64;
        }
        let commits = latencies.len() as u64;
        let seconds = begun.elapsed().as_secs_f64();
        let mut sample = Sample { operations: commits * records as u64, seconds, commits, ..Sample::default() };
        sample.latencies(latencies);
        Ok(sample)
    }
}
