//! The `HEAD` file: what the log had reached, written outside the engine, so that a lost tail shows.
//!
//! Owns: the file's two slots, written in turn.
//! Does not own: when it is written, what to do about a disagreement.
//! Invariant: it never names what is not durable; one slot is whole whatever happens while the other is written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use schemas::{Epoch, LeafHash, Position, TenantId, Time};

use crate::format::Fields;
use crate::log::LogHead;

/// Layout, part of the format, numbers big-endian: magic 8, flags u8, 3 zero bytes, entries u32, sequence u64, commit
/// u64, then each entry (tenant u64, epoch u32, next u64, head 32), zeros, and in the last 8 bytes CRC-64/NVME of all before.
const SLOT: usize = 4096;
const MAGIC: [u8; 8] = *b"HFHEAD\x00\x01";
const CLEAN: u8 = 1;
const ENTRY_BYTES: usize = 52;
/// Logs that a slot names: those changed last.
const ENTRIES_MAX: usize = (SLOT - 40) / ENTRY_BYTES;

/// What a slot says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    pub(crate) commit: u64,
    /// Written by an orderly close.
    pub(crate) clean: bool,
    /// Heads that some logs had at or before `commit`, latest changes first. Their time is not kept.
    pub(crate) logs: Vec<(TenantId, LogHead)>,
}

impl Head {
    /// The head after this one, naming `changed` logs first and as many of the others as fit.
    pub(crate) fn then(
        &self,
        commit: u64,
        clean: bool,
        changed: impl IntoIterator<Item = (TenantId, LogHead)>,
    ) -> Self {
        let mut logs: Vec<(TenantId, LogHead)> = changed.into_iter().collect();
        logs.sort_by_key(|(tenant, _)| *tenant);
        logs.truncate(ENTRIES_MAX);
        for (tenant, head) in &self.logs {
            if logs.len() == ENTRIES_MAX {
                break;
            }
            if !logs.iter().any(|(known, _)| known == tenant) {
                logs.push((*tenant, *head));
            }
        }
        Self { sequence: self.sequence + 1, commit, clean, logs }
    }

    fn encode(&self) -> Vec<u8> {
        let mut slot = Vec::with_capacity(SLOT);
        slot.extend(MAGIC);
        slot.extend([if self.clean { CLEAN } else { 0 }, 0, 0, 0]);
        slot.extend((self.logs.len() as u32).to_be_bytes());
        slot.extend(self.sequence.to_be_bytes());
        slot.extend(self.commit.to_be_bytes());
        for (tenant, head) in &self.logs {
            slot.extend(tenant.0.to_be_bytes());
            slot.extend(head.epoch.0.to_be_bytes());
            slot.extend(head.next.0.to_be_bytes());
            slot.extend(head.head.0);
        }
        slot.resize(SLOT - 8, 0);
        let crc = crc_fast::crc64_nvme(&slot);
        slot.extend(crc.to_be_bytes());
        slot
    }

    fn decode(slot: &[u8]) -> Option<Self> {
        let (body, crc) = slot.split_last_chunk::<8>()?;
        if slot.len() != SLOT || crc_fast::crc64_nvme(body).to_be_bytes() != *crc {
            return None;
        }
        let mut fields = Fields(body);
        if fields.take()? != MAGIC {
            return None;
        }
        let [flags, ..] = fields.take::<4>()?;
        let entries = u32::from_be_bytes(fields.take()?);
        let (sequence, commit) = (fields.u64()?, fields.u64()?);
        let mut logs = Vec::new();
        for _ in 0..entries {
            let tenant = TenantId(fields.u64()?);
            let epoch = Epoch(u32::from_be_bytes(fields.take()?));
            let next = Position(fields.u64()?);
            logs.push((tenant, LogHead { epoch, next, head: LeafHash(fields.take()?), time: Time(0) }));
        }
        Some(Self { sequence, commit, clean: flags & CLEAN != 0, logs })
    }
}

/// Reads the file: none if there is no file, an error of kind `InvalidData` if neither slot is whole.
pub(crate) fn read(path: &Path) -> io::Result<Option<Head>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let newest = bytes.chunks(SLOT).take(2).filter_map(Head::decode).max_by_key(|head| head.sequence);
    newest.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "neither slot is whole"))
}

/// The open file and what was written last.
pub(crate) struct HeadFile {
    file: File,
    pub(crate) last: Head,
}

impl HeadFile {
    /// Makes the file with both slots, durably.
    pub(crate) fn create(path: &Path) -> io::Result<()> {
        let file = OpenOptions::new().create(true).truncate(true).write(true).open(path)?;
        for slot in 0..2_u64 {
            let head = Head { sequence: slot, ..Head::default() };
            file.write_all_at(&head.encode(), slot * SLOT as u64)?;
        }
        file.sync_all()?;
        // The folder too: without it a crash can forget a file that was itself synced.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    pub(crate) fn open(path: &Path, last: Head) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().write(true).open(path)?, last })
    }

    /// Writes the slot that is not the last one's, durably.
    pub(crate) fn write(&mut self, next: Head) -> io::Result<()> {
        let slot = next.sequence % 2;
        self.file.write_all_at(&next.encode(), slot * SLOT as u64)?;
        self.file.sync_data()?;
        self.last = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(tenant: u64) -> (TenantId, LogHead) {
        let log = LogHead { epoch: Epoch(1), next: Position(tenant), head: LeafHash([9; 32]), time: Time(0) };
        (TenantId(tenant), log)
    }

    #[test]
    fn the_newest_whole_slot_counts() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("HEAD");
        assert!(read(&path).expect("reads").is_none());
        HeadFile::create(&path).expect("creates");
        let first = read(&path).expect("reads").expect("is there");
        assert_eq!(first.commit, 0);
        let mut file = HeadFile::open(&path, first).expect("opens");
        for commit in 1..=3 {
            file.write(file.last.then(commit, false, [head(commit)])).expect("writes");
        }
        let now = read(&path).expect("reads").expect("is there");
        assert_eq!(now, file.last);
        assert_eq!(now.logs, [head(3), head(2), head(1)]);

        // Any bit of the newest slot: the one before counts. Of both: refused.
        let good = std::fs::read(&path).expect("reads");
        let slot = (now.sequence % 2) as usize * SLOT;
        for byte in (0..SLOT).step_by(37) {
            let mut bad = good.clone();
            bad[slot + byte] ^= 4;
            std::fs::write(&path, &bad).expect("writes");
            assert_eq!(read(&path).expect("reads").expect("is there").commit, 2, "byte {byte}");
            bad[(slot + SLOT) % (2 * SLOT) + byte] ^= 4;
            std::fs::write(&path, &bad).expect("writes");
            assert_eq!(read(&path).expect_err("refused").kind(), io::ErrorKind::InvalidData, "byte {byte}");
        }
    }

    #[test]
    fn a_slot_names_no_more_logs_than_fit() {
        let next = Head::default().then(1, true, (0..500).map(head));
        assert_eq!(next.logs.len(), ENTRIES_MAX);
        assert_eq!(Head::decode(&next.encode()), Some(next.clone()));
        assert_eq!(next.then(2, true, []).logs, next.logs);
    }
}
