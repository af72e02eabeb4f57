//! Opening a log after whatever stop: everything that must agree before it may grow.
//!
//! Owns: the checks, their order, making a new folder.
//! Does not own: reading journals (`journal`), the `HEAD` file's form (`head`).
//! Invariant: a log that was acknowledged is there whole, or opening refuses and says what is missing where.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use crate::checks::{
    RECORDS_WALKED, TENANTS_WALKED_MAX, check_end, check_joint, check_named, check_tables, name_tables,
};
use crate::core::Core;
use crate::disk::{Disk, DiskView, guarded, open_files_max};
use crate::engine::Engine;
use crate::format::{HEADS, LOG, TABLES_KEY};
use crate::head::{self, Head, HeadFile};
use crate::inventory::{self, InventoryError};
use crate::journal::{self, JournalError, Walked};
use crate::log::{BodyCipher, LogError, Snapshot};
use crate::reopen::Reopening;
use crate::replace::{keyspace_of, remove_unused};
use crate::steady::{IsSteady, Steady};
use crate::table::{ReadError, Table};
use crate::upkeep::Removed;
use crate::view::{self, SnapshotOf};

pub(crate) const DATABASE: &str = "core";
const HEAD_FILE: &str = "HEAD";
/// fjall makes this file last when it creates a database.
const DATABASE_MARKER: &str = "version";
/// fjall refuses less.
const JOURNAL_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// Sizes, and how to open.
#[derive(Clone)]
pub struct Options {
    /// Memory for blocks read.
    pub cache_bytes: u64,
    /// Size at which a table's rows in memory are written out.
    pub memtable_bytes: u64,
    /// Size of all journals at which tables are written out early; at least 64 MiB.
    pub max_journal_bytes: u64,
    /// Tables that are about to be replaced: their rows need not stand where the log does.
    pub replacing: Vec<Table>,
    /// Tables whose ranges are listed: rows removed from them in masses are merged away.
    pub listed: Vec<Table>,
    /// Rows that are kept in memory once they were read: many read them, few change them.
    pub is_steady: IsSteady,
    /// Closing brings all rows into tables, so that the next opening has no journal to read.
    pub write_out_at_end: bool,
    /// Open although acknowledged commits are lost: the operator knows. If any are, every log begins a new epoch.
    pub accept_lost_tail: Option<Reopening>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 256 * 1024 * 1024,
            memtable_bytes: 16 * 1024 * 1024,
            max_journal_bytes: 128 * 1024 * 1024,
            replacing: Vec::new(),
            listed: Vec::new(),
            is_steady: |_, _| false,
            write_out_at_end: true,
            accept_lost_tail: None,
        }
    }
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file or folder cannot be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A journal holds bytes that no crash can explain. Nothing was changed. Restore, or ask for help.
    #[error("journal {} is damaged at byte {offset}: {what}", file.display())]
    JournalDamaged {
        /// Which.
        file: PathBuf,
        /// Where the first batch begins that does not read.
        offset: u64,
        /// What does not fit.
        what: String,
    },
    /// A file of the database is missing or is not what was written. Restore it.
    #[error("{} is damaged: {what}", file.display())]
    DatabaseDamaged {
        /// Which.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The file that names the log's end is missing or not whole.
    #[error("{} is damaged: {what}", file.display())]
    HeadDamaged {
        /// Which.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// Commits that were acknowledged are not there. Restore, or open again with `accept_lost_tail`.
    #[error("the log in {} ends at commit {commit_on_disk}, but had reached {commit_in_head}", folder.display())]
    TailLost {
        /// Which.
        folder: PathBuf,
        /// Last commit there is.
        commit_on_disk: u64,
        /// Commit that was durable once.
        commit_in_head: u64,
    },
    /// A table does not stand where the log does: part of the database is missing or from another time.
    #[error("table {table} in {} stands at commit {found:?}, the log at {expected}", folder.display())]
    TableDisagrees {
        /// Of the database.
        folder: PathBuf,
        /// Which.
        table: String,
        /// Where it stands; none if it is missing or empty.
        found: Option<u64>,
        /// Where the log stands.
        expected: u64,
    },
    /// The storage engine refused.
    #[error("the storage engine does not open {}", path.display())]
    Engine {
        /// What.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The end of a log does not hold together.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The first write failed.
    #[error("the log cannot be written")]
    Write(#[from] crate::log::AppendError),
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        Self::Log(error.into())
    }
}

impl From<InventoryError> for OpenError {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::Io { file, source } => Self::Io { path: file, source },
            InventoryError::Damaged { file, what } => Self::DatabaseDamaged { file, what: what.to_owned() },
        }
    }
}

impl From<JournalError> for OpenError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Io { file, source } => Self::Io { path: file, source },
            JournalError::Damaged { file, offset, what } => Self::JournalDamaged { file, offset, what },
        }
    }
}

/// Opens, checks, and leaves a `HEAD` that says it was not closed.
pub(crate) fn open(
    folder: &Path,
    tables: &[Table],
    cipher: Arc<dyn BodyCipher>,
    options: &Options,
) -> Result<(Core<Disk>, HeadFile), OpenError> {
    let path = folder.join(DATABASE);
    let head_path = folder.join(HEAD_FILE);
    let head = prepare(folder, &path, &head_path, options)?;
    let walked = journal::walk_if_there(&path)?;
    let reached = |commit_on_disk| {
        if commit_on_disk < head.commit && options.accept_lost_tail.is_none() {
            return Err(OpenError::TailLost { folder: folder.to_owned(), commit_on_disk, commit_in_head: head.commit });
        }
        Ok(())
    };
    if let Some(commit) = walked.last_commit {
        reached(commit)?;
    }
    if let Some((file, offset)) = &walked.torn {
        tracing::warn!(file = %file.display(), offset, "cutting off a batch that was never acknowledged");
        journal::cut(file, *offset)?;
    }
    if walked.last_commit.is_some() {
        // Whoever replaces projections may do so because their tables are damaged.
        let live = if options.replacing.is_empty() { walked.live.clone() } else { BTreeSet::new() };
        inventory::check(&path, &live)?;
    }

    let opened = open_database(&path, folder, tables, options)
        .and_then(|disk| Ok((check_database(&disk, &path, &cipher, &head, &walked, options, &reached)?, disk)));
    let ((snapshot, commit, list_changed), disk) = opened.map_err(|error| name_damage(error, &path, &walked.live))?;
    let named = check_named(&snapshot, &head);
    // Checked by its names as well as its number: new commits may have reached the number of lost ones.
    let accepted = match &options.accept_lost_tail {
        Some(reopening) if named.is_err() || commit < head.commit => Some(reopening),
        _ => {
            named?;
            None
        }
    };
    drop(snapshot);

    let io = |source| OpenError::Io { path: head_path.clone(), source };
    let core = Core::new(disk, cipher, commit, Steady::new(options.is_steady));
    if list_changed {
        name_tables(&core)?;
    }
    remove_unused(&core.engine);
    let mut file = HeadFile::open(&head_path, head).map_err(io)?;
    if let Some(reopening) = accepted {
        tracing::warn!(
            commit,
            commit_in_head = file.last.commit,
            "a lost tail is accepted: every log begins a new epoch"
        );
        reopening.reopen_all(&core, &file.last.logs)?;
        // Only now, and in both slots, is what was lost named no more: a stop before would ask the operator again.
        file.last.logs.clear();
        let next = file.last.then(core.committed(), false, []);
        file.write(next).map_err(io)?;
    }
    let next = file.last.then(core.committed(), false, []);
    file.write(next).map_err(io)?;
    Ok((core, file))
}

/// What must agree inside the database. Its snapshot, its commit number, and whether its list of tables is to be written.
fn check_database(
    disk: &Disk,
    path: &Path,
    cipher: &Arc<dyn BodyCipher>,
    head: &Head,
    walked: &Walked,
    options: &Options,
    reached: &dyn Fn(u64) -> Result<(), OpenError>,
) -> Result<(SnapshotOf<DiskView>, u64, bool), OpenError> {
    let view = disk.view();
    let commit = view::commit_row(&view, HEADS)?.map_or(0, |(commit, _)| commit);
    if let Some(expected) = walked.last_commit.filter(|&last| last != commit) {
        let (folder, table, found) = (path.to_owned(), HEADS.to_owned(), Some(commit));
        return Err(OpenError::TableDisagrees { folder, table, found, expected });
    }
    reached(commit)?;
    if let Some(first) = &walked.first {
        check_joint(disk, first, &options.replacing)?;
    }
    let list_changed = check_tables(&view, disk, path, commit, &options.replacing)?;
    let snapshot = SnapshotOf::new(view, cipher.clone(), commit, None);
    let depth = if head.clean { 1 } else { RECORDS_WALKED };
    for tenant in snapshot.tenants()?.into_iter().take(TENANTS_WALKED_MAX) {
        check_end(&snapshot, tenant, depth)?;
    }
    Ok((snapshot, commit, list_changed))
}

/// The file that is to blame for what the engine refused or could not read, if one is found.
fn name_damage(error: OpenError, database: &Path, live: &BTreeSet<u64>) -> OpenError {
    if !matches!(error, OpenError::Engine { .. } | OpenError::Log(LogError::Read(_))) {
        return error;
    }
    match inventory::damaged_table(database, live) {
        Err(InventoryError::Damaged { file, what }) => OpenError::DatabaseDamaged { file, what: what.to_owned() },
        Err(InventoryError::Io { .. }) | Ok(()) => error,
    }
}

/// What `HEAD` says; makes the folder and `HEAD` for a new log.
fn prepare(folder: &Path, database: &Path, head_path: &Path, options: &Options) -> Result<Head, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    if !folder.is_dir() {
        std::fs::create_dir_all(folder).map_err(io(folder))?;
        // Its name must survive a crash as well as what will be written to it.
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(io(parent))?;
    }
    let damaged = |what: &str| OpenError::HeadDamaged { file: head_path.to_owned(), what: what.to_owned() };
    let head = match head::read(head_path) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged(&error.to_string())),
        Err(error) => return Err(io(head_path)(error)),
    };
    let made = database.join(DATABASE_MARKER).try_exists().map_err(io(database))?;
    match (made, head) {
        (true, Some(head)) => Ok(head),
        (true, None) => Err(damaged("it is missing")),
        (false, Some(head)) if head.commit > 0 && !database.is_dir() && options.accept_lost_tail.is_none() => {
            Err(OpenError::TailLost { folder: folder.to_owned(), commit_on_disk: 0, commit_in_head: head.commit })
        }
        // Also when the head file is too young to know of a commit: the journals do.
        (false, Some(head)) if database.is_dir() && (head.commit > 0 || has_commits(database)) => {
            let (file, what) = (database.join(DATABASE_MARKER), "it is missing".to_owned());
            Err(OpenError::DatabaseDamaged { file, what })
        }
        (false, head) => {
            // A first start that was interrupted leaves a folder that fjall can neither open nor make again. It holds
            // no commit. Any other folder without the marker is not ours to remove.
            if head.as_ref().is_some_and(|head| head.commit == 0) && database.try_exists().map_err(io(database))? {
                std::fs::remove_dir_all(database).map_err(io(database))?;
            }
            match head {
                Some(head) => Ok(head),
                None => {
                    HeadFile::create(head_path).map_err(io(head_path))?;
                    head::read(head_path).map_err(io(head_path))?.ok_or_else(|| damaged("it is missing"))
                }
            }
        }
    }
}

/// Whether journals hold anything that a first start which was cut off does not leave.
fn has_commits(database: &Path) -> bool {
    journal::walk(database).is_ok_and(|walked| walked.last_commit.is_some())
}

fn open_database(path: &Path, folder: &Path, tables: &[Table], options: &Options) -> Result<Disk, OpenError> {
    let names: BTreeSet<&'static str> = [LOG, HEADS].into_iter().chain(tables.iter().map(|table| table.name)).collect();
    assert_eq!(names.len(), tables.len() + 2, "tables have different names, and none is the log's own");
    let opened = guarded(|| {
        let db = Database::builder(path)
            .cache_size(options.cache_bytes)
            .max_cached_files(Some(open_files_max()))
            .max_journaling_size(options.max_journal_bytes.max(JOURNAL_BYTES_MIN))
            .open()?;
        let create = || KeyspaceCreateOptions::default().max_memtable_size(options.memtable_bytes);
        // Nobody writes yet: a plain read is whole.
        let list = db.keyspace(HEADS, create)?.get(TABLES_KEY)?;
        let list = list.as_deref().and_then(|list| std::str::from_utf8(list).ok()).unwrap_or_default();
        let listed: Vec<&str> = list.lines().collect();
        let mut spaces: HashMap<&'static str, Keyspace> = HashMap::new();
        for name in names {
            spaces.insert(name, db.keyspace(&keyspace_of(name, &listed), create)?);
        }
        Ok::<_, fjall::Error>((db, spaces))
    });
    let (db, spaces) = opened.map_err(|source| OpenError::Engine { path: path.to_owned(), source })?;
    Ok(Disk {
        db,
        spaces: Arc::new(spaces),
        folder: folder.to_owned(),
        memtable_bytes: options.memtable_bytes,
        removed: Removed::of(&options.listed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PlainCipher;

    #[test]
    fn a_first_start_that_was_interrupted_starts_again() {
        let folder = tempfile::tempdir().expect("a folder");
        // What a stop leaves between the head file and the last file of a new database.
        let database = folder.path().join(DATABASE);
        std::fs::create_dir_all(database.join("keyspaces")).expect("a folder");
        std::fs::write(database.join("0.jnl"), [0; 100]).expect("writes");
        std::fs::write(database.join("lock"), []).expect("writes");
        let open = || open(folder.path(), &[], Arc::new(PlainCipher), &Options::default());
        // Without a head file it is not known to be ours: nothing is removed.
        assert!(matches!(open(), Err(OpenError::DatabaseDamaged { .. })));
        assert!(database.join("lock").exists());
        HeadFile::create(&folder.path().join(HEAD_FILE)).expect("creates");
        let (core, file) = open().expect("starts again");
        assert_eq!((core.committed(), file.last.commit), (1, 1));
    }
}
