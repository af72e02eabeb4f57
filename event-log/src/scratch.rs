//! Rows on disk that are thrown away: what a rebuild fills, however many there are.
//!
//! Owns: a database of its own, in a folder of its own that goes with it.
//! Does not own: durability; nothing here survives, and nothing is synced, unless it is kept at the end.

use std::collections::HashMap;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, KeyspaceCreateOptions};

use crate::disk::{DiskView, Spaces, guarded, rows};
use crate::engine::View;
use crate::table::{Changes, ReadError, RowIter, Rows, Table};

/// Memory for a table's newest rows, and for blocks read.
const MEMTABLE_BYTES: u64 = 16 * 1024 * 1024;
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Scratch rows could not be made or written. What was written is of no use.
#[derive(Debug, thiserror::Error)]
#[error("cannot write scratch rows in {}", folder.display())]
pub struct ScratchError {
    /// Where.
    pub folder: PathBuf,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Rows of some tables in a folder that is removed when this is dropped, unless they are kept.
pub struct Scratch {
    /// None only while it is dropped: the folder goes after the database.
    open: Option<(Database, Spaces)>,
    folder: PathBuf,
    is_kept: bool,
}

impl Scratch {
    /// Makes the folder, which must not be there yet, with these tables in it.
    ///
    /// # Errors
    /// [`ScratchError`] when the folder is there or cannot be made.
    pub fn create(folder: &Path, tables: &[Table]) -> Result<Self, ScratchError> {
        let failed = |source| ScratchError { folder: folder.to_owned(), source };
        std::fs::create_dir(folder).map_err(|error| failed(error.into()))?;
        // From here on the folder is ours to remove, whatever happens.
        let mut scratch = Self { open: None, folder: folder.to_owned(), is_kept: false };
        let opened = guarded(|| {
            let db = Database::builder(folder).cache_size(CACHE_BYTES).open()?;
            let mut spaces = HashMap::new();
            for table in tables {
                let create = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
                spaces.insert(table.name, db.keyspace(table.name, create)?);
            }
            Ok::<_, fjall::Error>((db, Arc::new(spaces)))
        });
        scratch.open = Some(opened.map_err(failed)?);
        Ok(scratch)
    }

    /// Writes rows, in order.
    ///
    /// # Errors
    /// [`ScratchError`] when the engine cannot, or a table was not named.
    pub fn write(&mut self, changes: Changes) -> Result<(), ScratchError> {
        let (db, spaces) = self.parts();
        let write = || {
            let mut batch = db.batch();
            for change in changes.0 {
                let space = spaces.get(change.table.name).ok_or(fjall::Error::KeyspaceDeleted)?;
                match change.value {
                    Some(value) => batch.insert(space, change.key, value),
                    None => batch.remove(space, change.key),
                }
            }
            batch.commit()
        };
        guarded(write).map_err(|source| ScratchError { folder: self.folder.clone(), source })
    }

    /// Leaves the folder where it is, synced, for whoever wants to look into it.
    ///
    /// # Errors
    /// [`ScratchError`] when it could not be synced; the folder is removed then.
    pub fn keep(mut self) -> Result<(), ScratchError> {
        let (db, _) = self.parts();
        let synced = guarded(|| db.persist(fjall::PersistMode::SyncAll));
        synced.map_err(|source| ScratchError { folder: self.folder.clone(), source })?;
        self.is_kept = true;
        Ok(())
    }

    fn parts(&self) -> &(Database, Spaces) {
        self.open.as_ref().expect("open until dropped")
    }

    fn view(&self) -> DiskView {
        let (db, spaces) = self.parts();
        DiskView { snapshot: db.snapshot(), spaces: spaces.clone() }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.open = None;
        if self.is_kept {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "scratch rows are left behind");
        }
    }
}

impl Rows for Scratch {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.view().get(table.name, key)
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        rows(&self.view(), table.name, from, to, false)
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        rows(&self.view(), table.name, from, to, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Table = Table { name: "red" };

    #[test]
    fn rows_are_there_until_the_folder_goes_with_them() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("scratch");
        let mut scratch = Scratch::create(&folder, &[RED]).expect("creates");
        assert!(Scratch::create(&folder, &[RED]).is_err(), "a folder that is there is not ours");
        let mut changes = Changes::default();
        for key in [b"a", b"b", b"c"] {
            changes.put(RED, key.to_vec(), vec![1]);
        }
        changes.remove(RED, b"b".to_vec());
        scratch.write(changes).expect("writes");
        let keys = |rows: RowIter<'_>| rows.map(|row| row.expect("reads").0).collect::<Vec<_>>();
        let all = || (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(keys(scratch.range(RED, all().0, all().1)), [b"a", b"c"]);
        assert_eq!(keys(scratch.range_rev(RED, all().0, all().1)), [b"c", b"a"]);
        assert_eq!(scratch.get(RED, b"a").expect("reads"), Some(vec![1]));
        let mut elsewhere = Changes::default();
        elsewhere.put(Table { name: "blue" }, vec![1], vec![]);
        assert!(scratch.write(elsewhere).is_err());
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn rows_that_are_kept_stay() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("scratch");
        Scratch::create(&folder, &[RED]).expect("creates").keep().expect("syncs");
        assert!(folder.is_dir());
    }
}
