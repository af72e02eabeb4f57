//! Purging: what was removed from tables leaves their files, and the journals that still name it.
//!
//! Owns: writing out what is in memory, merging tables, knowing which journals are left.
//! Does not own: removing rows; filling a journal so that the engine begins a new one (whoever writes).
//!
//! A removed row stays in the engine's files in three ways: as a row of an older table, as a mark that hides it, and as an entry of a
//! journal, with its key in clear each time. Merging all levels into the last drops rows and marks that no snapshot shows any more. A
//! journal goes when a newer one has begun and all that it names is in tables; the engine (3.1.13) begins one only when the one before
//! has [`JOURNAL_BYTES`] and something is written out.

use std::io;
use std::path::Path;
use std::time::Duration;

use fjall::{AbstractTree as _, Keyspace};
use parking_lot::{Condvar, Mutex};

use crate::disk::guarded;
use crate::log::PurgeError;

/// Bytes behind which the engine begins a new journal. The engine's own number: it cannot be asked for one.
pub const JOURNAL_BYTES: u64 = 64_000_000;

/// How long rows in memory may take to be written out.
const FLUSH_MAX: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);
/// Room that must be left beside a second copy of a table.
const ROOM_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// The journals that there are, by number: they are dense, and the oldest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journals {
    /// The oldest.
    pub oldest: u64,
    /// The one that is written.
    pub newest: u64,
}

/// Writes out what is in memory of all keyspaces, so that journals can go.
pub(crate) fn write_out<'a>(keyspaces: impl Iterator<Item = &'a Keyspace> + Clone) -> Result<(), PurgeError> {
    write_out_within(keyspaces, FLUSH_MAX)
}

/// The same, waiting no longer than `most`.
pub(crate) fn write_out_within<'a>(
    keyspaces: impl Iterator<Item = &'a Keyspace> + Clone,
    most: Duration,
) -> Result<(), PurgeError> {
    for keyspace in keyspaces.clone() {
        guarded(|| keyspace.rotate_memtable()).map_err(PurgeError::Engine)?;
    }
    let (lock, nobody) = (Mutex::new(()), Condvar::new());
    let mut waited = Duration::ZERO;
    while keyspaces.clone().any(|keyspace| keyspace.tree.sealed_memtable_count() > 0) {
        if waited >= most {
            return Err(PurgeError::Slow);
        }
        // Nobody tells when the engine has written something out.
        nobody.wait_for(&mut lock.lock(), STEP);
        waited += STEP;
    }
    Ok(())
}

/// Merges all levels of a keyspace into the last.
pub(crate) fn merge(keyspace: &Keyspace) -> Result<(), PurgeError> {
    let bytes = keyspace.disk_space();
    let free = rustix::fs::statvfs(keyspace.path()).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    if !free.is_ok_and(|free| free >= bytes + ROOM_BYTES_MIN) {
        return Err(PurgeError::NoRoom { bytes });
    }
    guarded(|| keyspace.major_compact()).map_err(PurgeError::Engine)
}

/// The journals of a database.
pub(crate) fn journals(database: &Path) -> io::Result<Option<Journals>> {
    let mut found: Option<Journals> = None;
    for entry in std::fs::read_dir(database)? {
        let file = entry?.path();
        if file.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("jnl")) {
            continue;
        }
        let number = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number {
            let before = found.unwrap_or(Journals { oldest: number, newest: number });
            found = Some(Journals { oldest: before.oldest.min(number), newest: before.newest.max(number) });
        }
    }
    Ok(found)
}

/// Bytes of a row that fills a journal.
pub const PADDING_BYTES: usize = 2_800;

/// The value of a row that means nothing: it is there to fill a journal, so no two are alike and none can be compressed.
#[must_use]
pub fn padding(number: u64) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let mut bytes = Vec::with_capacity(PADDING_BYTES + 8);
    while bytes.len() < PADDING_BYTES {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(PADDING_BYTES);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_differs_and_fits_a_row() {
        assert_eq!(padding(1).len(), PADDING_BYTES);
        assert!(padding(1) != padding(2) && PADDING_BYTES + 64 < crate::table::ROW_BYTES_MAX);
    }

    #[test]
    fn journals_are_the_files_with_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(journals(folder.path()).expect("lists"), None);
        for name in ["7.jnl", "9.jnl", "8.jnl", "10.sst", "x.jnl"] {
            std::fs::write(folder.path().join(name), b"").expect("writes");
        }
        assert_eq!(journals(folder.path()).expect("lists"), Some(Journals { oldest: 7, newest: 9 }));
    }
}
