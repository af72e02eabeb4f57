//! Rows in fjall: the engine under the log.
//!
//! Owns: keyspaces, one durable batch per commit, the `head` row in every keyspace, mapping what fjall does to errors.
//! Does not own: what rows mean, the checks around opening.
//! Invariant: everything is read through a snapshot; a plain read can see half a batch.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use fjall::{Database, Keyspace, PersistMode, Readable};

use crate::engine::{Engine, View, Write};
use crate::format::{HEAD_KEY, encode_commit};
use crate::log::AppendError;
use crate::table::{ROW_BYTES_MAX, ReadError, RowIter};
use crate::upkeep::Removed;

/// Free space below which nothing is written: the journal's files are sparse, so a write can meet a full disk half-way.
const FREE_BYTES_MIN: u64 = 16 * 1024 * 1024;

/// fjall panicked: it met bytes that it did not expect.
#[derive(Debug, thiserror::Error)]
#[error("the storage engine gave up: {0}")]
pub(crate) struct Panicked(String);

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Whether a panic on this thread is caught and becomes an error: whoever reports panics has nothing to report then.
#[must_use]
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// Runs what may panic inside the engine on damaged files.
pub(crate) fn guarded<T, E: std::error::Error + Send + Sync + 'static>(
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
    let before = GUARDED.replace(true);
    let ran = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(before);
    match ran {
        Ok(result) => result.map_err(Into::into),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(Box::new(Panicked(text.unwrap_or_default())))
        }
    }
}

/// Files of tables that a database keeps open: what the engine would by itself, or less where the process may not have many.
pub(crate) fn open_files_max() -> usize {
    let share =
        rustix::process::getrlimit(rustix::process::Resource::Nofile).current.map_or(u64::MAX, |files| files / 8);
    usize::try_from(share).unwrap_or(usize::MAX).clamp(16, 900)
}

/// The keyspaces, by name.
pub(crate) type Spaces = Arc<HashMap<&'static str, Keyspace>>;

pub(crate) struct Disk {
    pub(crate) db: Database,
    pub(crate) spaces: Spaces,
    /// Where free space is looked up.
    pub(crate) folder: PathBuf,
    /// Of keyspaces that are made later.
    pub(crate) memtable_bytes: u64,
    /// Rows removed from tables that are listed.
    pub(crate) removed: Arc<Removed>,
}

impl Disk {
    fn has_room(&self, bytes: usize) -> bool {
        match rustix::fs::statvfs(&self.folder) {
            Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize) >= FREE_BYTES_MIN + 4 * bytes as u64,
            // Not knowing is no reason to stop: the write itself will say.
            Err(_) => true,
        }
    }
}

impl Engine for Disk {
    type View = DiskView;

    fn view(&self) -> DiskView {
        DiskView { snapshot: self.db.snapshot(), spaces: self.spaces.clone() }
    }

    fn write(&self, rows: Vec<Write>, bytes: usize, commit: u64) -> Result<(), AppendError> {
        if !self.has_room(bytes) {
            return Err(AppendError::Full);
        }
        let capacity = rows.len() + self.spaces.len();
        let mut batch =
            fjall::OwnedWriteBatch::with_capacity(self.db.clone(), capacity).durability(Some(PersistMode::SyncData));
        for Write { space, key, value } in rows {
            let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
            assert!(bytes <= ROW_BYTES_MAX, "every row was checked when it was staged");
            let keyspace = self.spaces.get(space).expect("every table was named when the log was opened");
            match value {
                Some(value) => batch.insert(keyspace, key, value),
                None => {
                    batch.remove(keyspace, key);
                    self.removed.note(space);
                }
            }
        }
        // The sequence bounds those of the neighbouring batches: the journal's checksum leaves it out.
        let head = encode_commit(commit, self.db.snapshot().seqno());
        for keyspace in self.spaces.values() {
            batch.insert(keyspace, HEAD_KEY, head.as_slice());
        }
        guarded(|| batch.commit()).map_err(AppendError::Fatal)
    }
}

pub(crate) struct DiskView {
    pub(crate) snapshot: fjall::Snapshot,
    pub(crate) spaces: Spaces,
}

/// The engine met bytes that it did not write. Its own errors do not say where.
#[derive(Debug, thiserror::Error)]
#[error("{} is damaged", folder.display())]
struct Damaged {
    folder: PathBuf,
    source: Box<dyn std::error::Error + Send + Sync>,
}

fn unreadable(table: &'static str, keyspace: &Keyspace, source: Box<dyn std::error::Error + Send + Sync>) -> ReadError {
    ReadError { table, source: Box::new(Damaged { folder: keyspace.path().to_owned(), source }) }
}

/// A table that was not named when the log was opened.
#[derive(Debug, thiserror::Error)]
#[error("no such table")]
struct Unknown;

impl DiskView {
    fn space(&self, table: &'static str) -> Result<&Keyspace, ReadError> {
        self.spaces.get(table).ok_or_else(|| ReadError { table, source: Box::new(Unknown) })
    }
}

impl View for DiskView {
    fn get(&self, space: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let keyspace = self.space(space)?;
        let value =
            guarded(|| self.snapshot.get(keyspace, key)).map_err(|source| unreadable(space, keyspace, source))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(&self, table: &'static str, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>, reverse: bool) -> RowIter<'_> {
        rows(self, table, from, to, reverse)
    }
}

/// Rows of a view; the iterator keeps what it needs of the view.
pub(crate) fn rows(
    view: &DiskView,
    table: &'static str,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    reverse: bool,
) -> RowIter<'static> {
    let keyspace = match view.space(table) {
        Ok(keyspace) => keyspace,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    let iter = guarded(|| Ok::<_, fjall::Error>(view.snapshot.range(keyspace, (from, to))));
    match iter {
        Ok(iter) => Box::new(Range { table, keyspace: keyspace.clone(), iter: Some(iter), reverse }),
        Err(source) => Box::new(std::iter::once(Err(unreadable(table, keyspace, source)))),
    }
}

/// Rows of a range; ends after its first error.
struct Range {
    table: &'static str,
    keyspace: Keyspace,
    iter: Option<fjall::Iter>,
    reverse: bool,
}

impl Iterator for Range {
    type Item = Result<(Vec<u8>, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let iter = self.iter.as_mut()?;
        let reverse = self.reverse;
        let row = guarded(|| {
            let row = if reverse { iter.next_back() } else { iter.next() };
            row.map(fjall::Guard::into_inner).transpose()
        });
        match row {
            Ok(Some((key, value))) => Some(Ok((key.to_vec(), value.to_vec()))),
            Ok(None) => None,
            Err(source) => {
                self.iter = None;
                Some(Err(unreadable(self.table, &self.keyspace, source)))
            }
        }
    }
}
