//! The log on disk: opening it after whatever stop, keeping its `HEAD` file, closing it.
//!
//! Owns: the order of the checks around opening; the thread that writes `HEAD`.
//! Does not own: locking the folder against a second process (the program does).
//! Invariant: nothing on disk is changed before the journals and `HEAD` were found to agree.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use schemas::{CommandId, Position, TenantId};

use crate::core::Core;
use crate::disk::Disk;
use crate::format::{HEADS, LOG};
use crate::head::HeadFile;
use crate::journal;
use crate::log::{Batch, BodyCipher, EventLog, LogError, PurgeError, Snapshot};
use crate::open::{self, OpenError, Options};
use crate::purge::{self, Journals};
use crate::replace::{self, ReplaceError};
use crate::table::{Rows, Table};
use crate::upkeep::Upkeep;

/// How old the `HEAD` file may be.
const HEAD_AGE_MAX: Duration = Duration::from_millis(900);
/// A journal that holds no more is read in no time.
const JOURNAL_KEPT_MAX: u64 = 1024 * 1024;
/// How long a log that is closed may take to write its rows out.
const WRITE_OUT_MAX: Duration = Duration::from_secs(10);
/// The file that the engine keeps locked while it is open.
const ENGINE_LOCK: &str = "lock";

/// The embedded engine: one fjall database and a `HEAD` file in a folder.
pub struct FjallLog {
    core: Arc<Core<Disk>>,
    keeper: Arc<Keeper>,
    thread: Option<JoinHandle<()>>,
    upkeep: Upkeep,
    writes_out: bool,
    /// The last field: what it does when it is dropped comes after the engine is closed.
    tidy: Tidy,
}

/// Shortens the journal of a log that was closed with all its rows in tables.
#[derive(Default)]
struct Tidy(Option<PathBuf>);

/// Writes `HEAD` about once a second while the log moves.
struct Keeper {
    file: Mutex<HeadFile>,
    stopping: Mutex<bool>,
    stop: Condvar,
}

impl FjallLog {
    /// Opens the log in a folder, or makes a new one, with these tables beside it.
    ///
    /// # Errors
    /// [`OpenError`] says what does not agree and where; the folder is then as it was found.
    pub fn open(
        folder: &Path,
        tables: &[Table],
        cipher: Arc<dyn BodyCipher>,
        options: Options,
    ) -> Result<Self, OpenError> {
        let (core, file) = open::open(folder, tables, cipher, &options)?;
        let core = Arc::new(core);
        let keeper = Arc::new(Keeper { file: Mutex::new(file), stopping: Mutex::new(false), stop: Condvar::new() });
        let (its_core, its_keeper) = (core.clone(), keeper.clone());
        let thread = std::thread::Builder::new()
            .name("log-head".to_owned())
            .spawn(move || its_keeper.run(&its_core))
            .map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
        let (disk, its_core) = (&core.engine, Arc::downgrade(&core));
        let fail = move || {
            if let Some(core) = its_core.upgrade() {
                core.failed.store(true, Ordering::Release);
            }
        };
        let upkeep = Upkeep::start(disk.spaces.clone(), disk.removed.clone(), fail)
            .map_err(|source| OpenError::Io { path: folder.to_owned(), source })?;
        Ok(Self {
            core,
            keeper,
            thread: Some(thread),
            upkeep,
            writes_out: options.write_out_at_end,
            tidy: Tidy::default(),
        })
    }
}

impl FjallLog {
    /// Puts fresh rows in the place of all rows of some tables: into new keyspaces, switched to in one durable commit. Takes
    /// the log, so that nobody reads or writes meanwhile; open it again to go on. A stop at any moment leaves either the old
    /// rows or the fresh ones.
    ///
    /// # Errors
    /// [`ReplaceError`]; the old rows stand then.
    pub fn replace(mut self, tables: &[Table], fresh: &dyn Rows) -> Result<(), ReplaceError> {
        self.stop_keeper();
        self.upkeep.stop();
        self.core = Arc::new(replace::replace(&self.core, tables, fresh)?);
        Ok(())
    }

    pub(crate) fn core(&self) -> &Core<Disk> {
        &self.core
    }

    /// As when the engine's own merging fails: it may have half a new list of tables.
    fn unless_broken(&self, done: Result<(), PurgeError>) -> Result<(), PurgeError> {
        if let Err(PurgeError::Engine(_)) = &done {
            self.core.failed.store(true, Ordering::Release);
        }
        done
    }

    /// Brings all rows into tables, so that the next start has no journal to read. Nothing depends on it.
    fn write_out_at_end(&mut self) {
        let database = self.core.engine.folder.join(open::DATABASE);
        if !journal::held_bytes(&database).is_ok_and(|held| held > JOURNAL_KEPT_MAX) {
            return;
        }
        match purge::write_out_within(self.core.engine.spaces.values(), WRITE_OUT_MAX) {
            Ok(()) => self.tidy.0 = Some(database),
            Err(error) => tracing::warn!(%error, "rows stay in journals: the next start takes longer"),
        }
    }

    fn stop_keeper(&mut self) {
        *self.keeper.stopping.lock() = true;
        self.keeper.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was its own end; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

impl Keeper {
    fn run(&self, core: &Core<Disk>) {
        loop {
            {
                let mut stopping = self.stopping.lock();
                if !*stopping {
                    self.stop.wait_for(&mut stopping, HEAD_AGE_MAX);
                }
                if *stopping {
                    return;
                }
            }
            if !self.write(core, false) {
                return;
            }
        }
    }

    /// Writes `HEAD` if the log moved or closes. False when that failed: the log then takes no more writes.
    fn write(&self, core: &Core<Disk>, clean: bool) -> bool {
        let mut file = self.file.lock();
        let (commit, changed) = {
            let mut touched = core.touched.lock();
            if !clean && touched.commit == file.last.commit {
                return true;
            }
            (touched.commit, std::mem::take(&mut touched.heads))
        };
        let next = file.last.then(commit, clean, changed);
        match file.write(next) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "the head file could not be written: the log stops");
                core.failed.store(true, Ordering::Release);
                false
            }
        }
    }
}

impl Drop for FjallLog {
    fn drop(&mut self) {
        self.stop_keeper();
        self.upkeep.stop();
        if !self.core.failed.load(Ordering::Acquire) {
            // Both slots, so that neither is behind the log.
            let closed = self.keeper.write(&self.core, true) && self.keeper.write(&self.core, true);
            if closed && self.writes_out {
                self.write_out_at_end();
            }
        }
    }
}

impl Drop for Tidy {
    fn drop(&mut self) {
        let Some(database) = &self.0 else { return };
        let shorten = || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
            // A snapshot that somebody still has keeps the engine open.
            let engine = File::options().write(true).open(database.join(ENGINE_LOCK))?;
            if engine.try_lock().is_ok() {
                journal::shorten(database)?;
            }
            Ok(())
        };
        if let Err(error) = shorten() {
            tracing::warn!(%error, "the journal is left long: the next start takes longer");
        }
    }
}

impl EventLog for FjallLog {
    fn begin(&self) -> Box<dyn Batch + '_> {
        self.core.begin()
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.core.snapshot()
    }

    fn resolve(&self, tenant: TenantId, command: CommandId) -> Result<Option<Position>, LogError> {
        self.core.resolve(tenant, command)
    }

    fn committed(&self) -> u64 {
        self.core.committed()
    }

    fn wait(&self, tenant: TenantId, position: Position, timeout_ms: u64) -> bool {
        self.core.wait(tenant, position, timeout_ms)
    }

    fn write_out(&self) -> Result<(), PurgeError> {
        self.unless_broken(purge::write_out(self.core.engine.spaces.values()))
    }

    fn merge(&self) -> Result<(), PurgeError> {
        // Nothing is ever removed from the log itself, and its rows name nothing in clear.
        let tables = self.core.engine.spaces.iter().filter(|(name, _)| ![LOG, HEADS].contains(*name));
        self.unless_broken(tables.into_iter().try_for_each(|(_, keyspace)| purge::merge(keyspace)))
    }

    fn journals(&self) -> std::io::Result<Option<Journals>> {
        purge::journals(&self.core.engine.folder.join(open::DATABASE))
    }
}
