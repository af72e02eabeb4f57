//! Rows that follow the log, or stand beside it: a database of their own, apart from what commits wait for.
//!
//! Owns: that database, its folder, setting a damaged one aside.
//! Does not own: what the rows mean, how long they are kept. Nothing of the log depends on them.
//! Invariant: a write is there whole or not at all, after whatever stop.

use std::collections::HashMap;
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};

use crate::disk::{DiskView, Spaces, guarded, open_files_max, rows};
use crate::engine::View;
use crate::purge::{self, JOURNAL_BYTES};
use crate::table::{Changes, ROW_BYTES_MAX, ReadError, RowIter, Rows, Table};

/// Memory for a table's newest rows, and for blocks read: these rows are written often and read now and then.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;
const CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// fjall refuses less.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Free space below which no row is added: the last of a disk is for the log.
const FREE_BYTES_MIN: u64 = 128 * 1024 * 1024;
/// Folders that were set aside and are still there, at most: beyond it somebody must look.
const ASIDE_MAX: u32 = 100;

/// Rows of one batch that fills a journal.
const PADDING_ROWS: u64 = 400;
/// Rounds in which old journals go at the latest.
const ROUNDS_MAX: usize = 5;

fn padding_key(row: u64) -> Vec<u8> {
    [&b"padding-"[..], &row.to_be_bytes()].concat()
}

/// The database could not be opened or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}", folder.display())]
pub struct ViewsError {
    /// Its folder.
    pub folder: PathBuf,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A row that no engine should be given.
#[derive(Debug, thiserror::Error)]
#[error("a row of {bytes} bytes is over its bound of {ROW_BYTES_MAX}")]
struct RowTooLong {
    bytes: usize,
}

/// Less free disk than is left to the log.
#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct Full;

/// The tables of following views.
pub struct Views {
    db: Database,
    spaces: Spaces,
    folder: PathBuf,
}

/// One consistent view of them.
pub struct ViewsSnapshot(DiskView);

impl Views {
    /// Opens the database in a folder, or makes one. What is there and is not what was written is set aside, as
    /// `<folder>.damaged-N`, and a new one begun: no answer about an object depends on it. Then the second value says where
    /// the old one lies.
    ///
    /// # Errors
    /// [`ViewsError`] when the disk refuses or another process has it open.
    pub fn open(folder: &Path, tables: &[Table]) -> Result<(Self, Option<PathBuf>), ViewsError> {
        let failed = |source| ViewsError { folder: folder.to_owned(), source };
        match open_database(folder, tables) {
            Ok((db, spaces)) => Ok((Self { db, spaces, folder: folder.to_owned() }, None)),
            Err(source) if is_damage(source.as_ref()) => {
                let aside = set_aside(folder).map_err(|error| failed(error.into()))?;
                let (db, spaces) = open_database(folder, tables).map_err(failed)?;
                Ok((Self { db, spaces, folder: folder.to_owned() }, Some(aside)))
            }
            Err(source) => Err(failed(source)),
        }
    }

    /// Writes rows, all or none. A `synced` write, and all before it, survive a power cut; others a killed process.
    ///
    /// # Errors
    /// [`ViewsError`]: a row that is too long, a table that was not named, or an engine that cannot.
    pub fn write(&self, changes: Changes, synced: bool) -> Result<(), ViewsError> {
        let failed = |source| ViewsError { folder: self.folder.clone(), source };
        let adds = changes.0.iter().any(|change| change.value.is_some());
        if adds && !self.has_room() {
            return Err(failed(Box::new(Full)));
        }
        let mode = if synced { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = fjall::OwnedWriteBatch::with_capacity(self.db.clone(), changes.0.len()).durability(Some(mode));
        for change in changes.0 {
            let bytes = change.key.len() + change.value.as_ref().map_or(0, Vec::len);
            if bytes > ROW_BYTES_MAX {
                return Err(failed(Box::new(RowTooLong { bytes })));
            }
            let space = self.spaces.get(change.table.name);
            let space = space.ok_or_else(|| failed(Box::new(fjall::Error::KeyspaceDeleted)))?;
            match change.value {
                Some(value) => batch.insert(space, change.key, value),
                None => batch.remove(space, change.key),
            }
        }
        guarded(|| batch.commit()).map_err(failed)
    }

    /// Sees to it that rows that were removed are in no file of this database any more, but for what a snapshot still shows: begins a
    /// new journal, writes out what is in memory, merges every table. Rows of `scratch` whose keys begin with `padding-` come and go
    /// with it. Blocks.
    ///
    /// # Errors
    /// [`ViewsError`]; the rows are removed all the same.
    pub fn purge(&self, scratch: Table) -> Result<(), ViewsError> {
        let failed = |source| ViewsError { folder: self.folder.clone(), source };
        let journals = || purge::journals(&self.folder).map_err(|error| failed(error.into()));
        let before = journals()?.map_or(0, |journals| journals.newest);
        let (mut number, mut padded) = (0, 0);
        for _ in 0..ROUNDS_MAX {
            // The first round fills the journal, so that the engine begins a new one; later ones let the old one go.
            while journals()?.is_some_and(|journals| journals.newest == before) && padded <= JOURNAL_BYTES {
                padded += self.pad(scratch, &mut number)?;
            }
            self.pad(scratch, &mut number)?;
            purge::write_out(self.spaces.values()).map_err(|error| failed(error.into()))?;
            if journals()?.is_none_or(|journals| journals.oldest > before) {
                break;
            }
        }
        let mut changes = Changes::default();
        (0..PADDING_ROWS).for_each(|row| changes.remove(scratch, padding_key(row)));
        self.write(changes, true)?;
        purge::write_out(self.spaces.values()).map_err(|error| failed(error.into()))?;
        self.spaces.values().try_for_each(purge::merge).map_err(|error| failed(error.into()))?;
        // Files that the merge replaced go when something younger is written out.
        let mut younger = Changes::default();
        for name in self.spaces.keys() {
            younger.remove(Table { name }, padding_key(0));
        }
        self.write(younger, true)?;
        purge::write_out(self.spaces.values()).map_err(|error| failed(error.into()))
    }

    /// Writes some rows that mean nothing, over those of before. How many bytes they are.
    fn pad(&self, scratch: Table, number: &mut u64) -> Result<u64, ViewsError> {
        let mut changes = Changes::default();
        for row in 0..PADDING_ROWS {
            changes.put(scratch, padding_key(row), purge::padding(*number));
            *number += 1;
        }
        self.write(changes, false)?;
        Ok(PADDING_ROWS * purge::PADDING_BYTES as u64)
    }

    fn has_room(&self) -> bool {
        let stat = rustix::fs::statvfs(&self.folder);
        // Not knowing is no reason to stop: the write itself will say.
        stat.map_or(true, |stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= FREE_BYTES_MIN)
    }

    /// All tables, by name.
    #[must_use]
    pub fn tables(&self) -> Vec<Table> {
        let mut tables: Vec<Table> = self.spaces.keys().map(|name| Table { name }).collect();
        tables.sort_unstable();
        tables
    }

    /// A consistent view of now. Give it back within 30 s.
    #[must_use]
    pub fn snapshot(&self) -> ViewsSnapshot {
        ViewsSnapshot(DiskView { snapshot: self.db.snapshot(), spaces: self.spaces.clone() })
    }
}

impl Rows for ViewsSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.0.get(table.name, key)
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        rows(&self.0, table.name, from, to, false)
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        rows(&self.0, table.name, from, to, true)
    }
}

type Opened = (Database, Spaces);

fn open_database(folder: &Path, tables: &[Table]) -> Result<Opened, Box<dyn std::error::Error + Send + Sync>> {
    guarded(|| {
        let db = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(open_files_max()))
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(1)
            .open()?;
        let create = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let mut spaces = HashMap::new();
        for table in tables {
            spaces.insert(table.name, db.keyspace(table.name, create)?);
        }
        Ok::<_, fjall::Error>((db, Arc::new(spaces)))
    })
}

/// Whether a database was not opened because of what lies there, and not because of the disk or of another process.
fn is_damage(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    use io::ErrorKind as K;
    match error.downcast_ref::<fjall::Error>() {
        Some(fjall::Error::Locked) => false,
        Some(fjall::Error::Io(error)) => {
            matches!(error.kind(), K::UnexpectedEof | K::InvalidData | K::NotFound | K::AlreadyExists)
        }
        // It also panics over what it does not expect.
        Some(_) | None => true,
    }
}

fn set_aside(folder: &Path) -> io::Result<PathBuf> {
    for number in 1..=ASIDE_MAX {
        let mut name = folder.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        let aside = PathBuf::from(name);
        if !aside.try_exists()? {
            std::fs::rename(folder, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::Error::other("too many damaged databases were set aside"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Table = Table { name: "red" };

    fn row(key: &[u8], value: Option<&[u8]>) -> Changes {
        let mut changes = Changes::default();
        match value {
            Some(value) => changes.put(RED, key.to_vec(), value.to_vec()),
            None => changes.remove(RED, key.to_vec()),
        }
        changes
    }

    fn keys(views: &Views) -> Vec<Vec<u8>> {
        let snapshot = views.snapshot();
        let rows = snapshot.range(RED, Bound::Unbounded, Bound::Unbounded);
        rows.map(|row| row.expect("reads").0).collect()
    }

    #[test]
    fn rows_are_there_after_a_reopening() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("views");
        let (views, aside) = Views::open(&folder, &[RED]).expect("opens");
        assert_eq!(aside, None);
        for key in [b"a", b"b", b"c"] {
            views.write(row(key, Some(b"1")), false).expect("writes");
        }
        views.write(row(b"b", None), true).expect("writes");
        let before = views.snapshot();
        views.write(row(b"d", Some(b"1")), false).expect("writes");
        assert_eq!(before.get(RED, b"d").expect("reads"), None, "a view does not change");
        drop((before, views));
        let (views, aside) = Views::open(&folder, &[RED]).expect("opens");
        assert_eq!((keys(&views), aside), (vec![b"a".to_vec(), b"c".to_vec(), b"d".to_vec()], None));
    }

    #[test]
    fn what_was_removed_is_in_no_file_after_a_purge() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("views");
        let (views, _) = Views::open(&folder, &[RED, BLUE]).expect("opens");
        for number in 0..100_u32 {
            views.write(row(format!("planted-{number}").as_bytes(), Some(b"1")), false).expect("writes");
        }
        views.write(row(b"stays", Some(b"1")), true).expect("writes");
        assert!(holds(&folder, b"planted-"));
        for number in 0..100_u32 {
            views.write(row(format!("planted-{number}").as_bytes(), None), false).expect("writes");
        }
        views.purge(BLUE).expect("purges");
        assert!(!holds(&folder, b"planted-"), "no journal, no table");
        assert_eq!(keys(&views), [b"stays".to_vec()]);
        drop(views);
        let (views, aside) = Views::open(&folder, &[RED, BLUE]).expect("opens");
        assert_eq!((keys(&views), aside), (vec![b"stays".to_vec()], None));
    }

    const BLUE: Table = Table { name: "blue" };

    fn holds(folder: &Path, marker: &[u8]) -> bool {
        std::fs::read_dir(folder).expect("a folder").any(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                return holds(&path, marker);
            }
            std::fs::read(&path).is_ok_and(|bytes| bytes.windows(marker.len()).any(|window| window == marker))
        })
    }

    #[test]
    fn a_row_over_the_bound_is_refused_and_nothing_of_its_batch_is_written() {
        let parent = tempfile::tempdir().expect("a folder");
        let (views, _) = Views::open(&parent.path().join("views"), &[RED]).expect("opens");
        let mut changes = row(b"a", Some(b"1"));
        changes.put(RED, b"long".to_vec(), vec![0; ROW_BYTES_MAX]);
        assert!(views.write(changes, true).is_err());
        assert!(keys(&views).is_empty());
    }

    #[test]
    fn a_damaged_database_is_set_aside_and_a_new_one_begun() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("views");
        let (views, _) = Views::open(&folder, &[RED]).expect("opens");
        views.write(row(b"a", Some(b"1")), true).expect("writes");
        drop(views);
        std::fs::write(folder.join("version"), b"nonsense").expect("damages");
        let (views, aside) = Views::open(&folder, &[RED]).expect("opens all the same");
        assert_eq!(aside, Some(parent.path().join("views.damaged-1")));
        assert!(keys(&views).is_empty());
        views.write(row(b"b", Some(b"1")), true).expect("writes");
    }
}
