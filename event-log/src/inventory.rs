//! Whether the engine's folders hold what they name, looked at before the engine does: it takes a list of tables as it
//! finds it, and removes every table and keyspace that is not named.
//!
//! Owns: reading those lists (fjall 3.1.13, lsm-tree 3.1.10) and their checksums; finding a damaged table after a refusal.
//! Does not own: what is in a table: the engine verifies every block that it reads.
//!
//! A keyspace's folder has `current` (`version u64 | xxh3-128 of that version's file | 0`), `v<version>` and `tables/<id>`.
//! A version's file is sections, then `"TOC!" | count u32 | (at u64, bytes u64, name bytes u16, name)*`, then
//! `"SFA!" | 1 | 0 | xxh3-128 of the contents | at u64 | bytes u64`. Its section `tables` is levels u8, each of runs u8,
//! each of tables u32, each `id u64 | 0 | xxh3-128 of the table's file | sequence u64`. Numbers are little-endian.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

const KEYSPACES: &str = "keyspaces";
const CURRENT: &str = "current";
const CURRENT_BYTES: usize = 25;
const TABLES: &str = "tables";
const TRAILER_BYTES: usize = 38;
/// The keyspace in which the engine keeps the names of all others.
const NAMES: u64 = 0;

/// Why the folders are not what the engine wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InventoryError {
    #[error("cannot read {}", file.display())]
    Io { file: PathBuf, source: io::Error },
    #[error("{} is damaged: {what}", file.display())]
    Damaged { file: PathBuf, what: &'static str },
}

fn damaged<T>(file: PathBuf, what: &'static str) -> Result<T, InventoryError> {
    Err(InventoryError::Damaged { file, what })
}

/// Checks the lists of these keyspaces and of the engine's own, and that the tables which they name are there.
pub(crate) fn check(database: &Path, live: &BTreeSet<u64>) -> Result<(), InventoryError> {
    for id in live.iter().copied().chain([NAMES]) {
        for (file, _) in tables_of(&database.join(KEYSPACES).join(id.to_string()))? {
            if !file.is_file() {
                return damaged(file, "it is missing");
            }
        }
    }
    Ok(())
}

/// The first table whose file is not what was written. Reads all of them: for when the engine has already refused.
pub(crate) fn damaged_table(database: &Path, live: &BTreeSet<u64>) -> Result<(), InventoryError> {
    for id in live.iter().copied().chain([NAMES]) {
        for (file, sum) in tables_of(&database.join(KEYSPACES).join(id.to_string()))? {
            if sum_of(&file).map_err(|source| InventoryError::Io { file: file.clone(), source })? != sum {
                return damaged(file, "it does not match its checksum");
            }
        }
    }
    Ok(())
}

fn sum_of(file: &Path) -> io::Result<u128> {
    let (mut file, mut hash, mut piece) = (std::fs::File::open(file)?, Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.digest128()),
            read => hash.update(&piece[..read]),
        }
    }
}

/// The tables that a keyspace names, with their checksums.
fn tables_of(folder: &Path) -> Result<Vec<(PathBuf, u128)>, InventoryError> {
    let file = folder.join(CURRENT);
    let Some(current) = read(&file)? else { return damaged(file, "it is missing") };
    let Ok(current) = <[u8; CURRENT_BYTES]>::try_from(current) else { return damaged(file, "it has another length") };
    let mut fields = Fields(&current);
    let (Some(version), Some(sum), Some(0)) = (fields.u64(), fields.u128(), fields.u8()) else {
        return damaged(file, "it is of an unknown form");
    };
    let list = folder.join(format!("v{version}"));
    let Some(bytes) = read(&list)? else {
        // Which of the two is wrong shows by the other's being there.
        let renamed = std::fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with('v')))
        });
        return if renamed {
            damaged(file, "it names a version that is missing")
        } else {
            damaged(list, "it is missing")
        };
    };
    if xxh3_128(&bytes) != sum {
        return damaged(list, "it does not match its checksum");
    }
    match tables_in(&bytes) {
        Some(tables) => {
            Ok(tables.into_iter().map(|(id, sum)| (folder.join(TABLES).join(id.to_string()), sum)).collect())
        }
        None => damaged(list, "it is of an unknown form"),
    }
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, InventoryError> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InventoryError::Io { file: file.to_owned(), source }),
    }
}

fn tables_in(bytes: &[u8]) -> Option<Vec<(u64, u128)>> {
    let mut trailer = Fields(bytes.get(bytes.len().checked_sub(TRAILER_BYTES)?..)?);
    if trailer.take(6)? != b"SFA!\x01\x00" {
        return None;
    }
    trailer.u128()?;
    let mut contents = Fields(bytes.get(usize::try_from(trailer.u64()?).ok()?..)?);
    if contents.take(4)? != b"TOC!" {
        return None;
    }
    for _ in 0..contents.u32()? {
        let (at, length) = (usize::try_from(contents.u64()?).ok()?, usize::try_from(contents.u64()?).ok()?);
        let name_bytes = contents.u16()?;
        if contents.take(name_bytes.into())? == TABLES.as_bytes() {
            return tables_listed(Fields(bytes.get(at..at.checked_add(length)?)?));
        }
    }
    None
}

fn tables_listed(mut section: Fields<'_>) -> Option<Vec<(u64, u128)>> {
    let mut tables = Vec::new();
    for _ in 0..section.u8()? {
        for _ in 0..section.u8()? {
            for _ in 0..section.u32()? {
                let (id, _, sum) = (section.u64()?, section.u8().filter(|&kind| kind == 0)?, section.u128()?);
                section.u64()?;
                tables.push((id, sum));
            }
        }
    }
    section.0.is_empty().then_some(tables)
}

/// Takes little-endian fields off bytes that may be too short.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(field)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fjall_log::FjallLog;
    use crate::journal;
    use crate::log::EventLog;
    use crate::memory::PlainCipher;
    use crate::open::Options;
    use crate::table::{Changes, Table};

    const SOME: Table = Table { name: "some" };

    /// A database with tables written out, and its keyspaces.
    fn database() -> (tempfile::TempDir, PathBuf, BTreeSet<u64>) {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("core");
        let options = Options { memtable_bytes: 64 << 10, ..Options::default() };
        let log = FjallLog::open(folder.path(), &[SOME], Arc::new(PlainCipher), options).expect("opens");
        let mut live = BTreeSet::new();
        for row in 0..2_000_u64 {
            let mut changes = Changes::default();
            changes.put(SOME, row.to_be_bytes().to_vec(), vec![row as u8; 2_000]);
            let mut batch = log.begin();
            batch.change(changes).expect("changes");
            batch.commit().expect("commits");
            if row % 50 == 0 {
                live = journal::walk(&database).expect("walks").live;
                let listed =
                    |id: &u64| tables_of(&database.join(KEYSPACES).join(id.to_string())).map(|list| list.len());
                if live.iter().filter_map(|id| listed(id).ok()).sum::<usize>() >= 3 {
                    break;
                }
            }
        }
        drop(log);
        (folder, database, live)
    }

    #[test]
    fn any_bit_of_a_list_of_tables_is_noticed_and_any_damaged_table_found() {
        let (_folder, database, live) = database();
        assert_eq!(live.len(), 3, "the log's two and ours");
        check(&database, &live).expect("all is there");
        damaged_table(&database, &live).expect("all is whole");
        let (mut lists, mut tables) = (0, 0);
        for id in live.iter().copied().chain([NAMES]) {
            let folder = database.join(KEYSPACES).join(id.to_string());
            let current = folder.join(CURRENT);
            let version = u64::from_le_bytes(std::fs::read(&current).expect("reads")[..8].try_into().expect("eight"));
            for file in [current, folder.join(format!("v{version}"))] {
                let good = std::fs::read(&file).expect("reads");
                let notices = |bad: &[u8], what: &str| {
                    std::fs::write(&file, bad).expect("writes");
                    let found = check(&database, &live);
                    assert!(matches!(found, Err(InventoryError::Damaged { .. })), "{} {what}", file.display());
                };
                for at in 0..good.len() {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << (at % 8);
                    notices(&bad, &format!("byte {at} flipped"));
                    notices(&good[..at], &format!("cut to {at}"));
                }
                std::fs::write(&file, &good).expect("writes");
                lists += 1;
            }
            for (file, _) in tables_of(&folder).expect("lists") {
                let good = std::fs::read(&file).expect("reads");
                let mut bad = good.clone();
                bad[good.len() / 2] ^= 1;
                std::fs::write(&file, &bad).expect("writes");
                let found = damaged_table(&database, &live);
                assert!(matches!(found, Err(InventoryError::Damaged { file: found, .. }) if found == file));
                std::fs::write(&file, &good).expect("writes");
                tables += 1;
            }
        }
        assert_eq!(lists, 8);
        assert!(tables >= 3, "{tables} tables");
    }
}
