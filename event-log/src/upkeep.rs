//! Upkeep of tables that are listed: rows that were removed in masses are not left for every listing to step over.
//!
//! Owns: noticing removed rows that are still in the way, and when it is worth while to write a table anew without them.
//! Does not own: which tables are listed (whoever opens the log), how the engine merges.
//!
//! A removed row stays in the engine as a mark until the level that has the row itself is merged, which for a range that
//! nobody writes any more is never. A listing steps over 500,000 marks in about 150 ms.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::{AbstractTree as _, Keyspace};

use parking_lot::{Condvar, Mutex};

use crate::disk::{Spaces, guarded};
use crate::table::Table;

/// Marks from which on a table may be written anew.
const MARKS_MIN: u64 = 50_000;

/// Marks per row from which on it is: a tenth. Each removal then costs the rewriting of at most ten rows, in the background.
const ROWS_PER_MARK_MAX: u64 = 10;

/// How often marks are counted when nothing says that they have become many: those found at opening, or read from a
/// journal.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long to wait after marks stayed, at first: a snapshot still shows what they hide. Twice as long each time: that of a
/// rebuild lives for as long as it replays.
const WAIT_MIN: Duration = Duration::from_secs(30);
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// Largest table that is written anew. The engine merges nothing else meanwhile, and a log that is written to at full speed
/// stands still after some hundred MiB that were not merged: this takes a few seconds.
const TABLE_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Room that must be left beside a second copy of the table: that of the operator's reserve.
const ROOM_BYTES_MIN: u64 = 512 * 1024 * 1024;

/// How long rows in memory may take to be written out, in steps of a hundredth of it.
const FLUSH_MAX: Duration = Duration::from_secs(60);

/// Removed rows, counted by whoever writes.
#[derive(Debug, Default)]
pub(crate) struct Removed {
    /// By table; only of tables that are listed. Since the rows in memory were last written out.
    counts: HashMap<&'static str, AtomicU64>,
    signal: Mutex<Signal>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Signal {
    many: bool,
    stopping: bool,
}

impl Removed {
    pub(crate) fn of(listed: &[Table]) -> Arc<Self> {
        let counts = listed.iter().map(|table| (table.name, AtomicU64::new(0))).collect();
        Arc::new(Self { counts, ..Self::default() })
    }

    /// Notes one removed row.
    pub(crate) fn note(&self, table: &'static str) {
        let Some(count) = self.counts.get(table) else { return };
        if count.fetch_add(1, Ordering::Relaxed) + 1 == MARKS_MIN {
            self.signal.lock().many = true;
            self.wake.notify_all();
        }
    }

    /// Waits until there may be something to do. False when it is time to end.
    fn wait(&self, at_most: Duration) -> bool {
        let mut signal = self.signal.lock();
        if !signal.many && !signal.stopping {
            self.wake.wait_for(&mut signal, at_most);
        }
        signal.many = false;
        !signal.stopping
    }
}

/// The thread that does it.
pub(crate) struct Upkeep {
    removed: Arc<Removed>,
    thread: Option<JoinHandle<()>>,
}

impl Upkeep {
    /// `fail` is told when the engine could not do it: what is on disk is then unknown, and nothing more may be written.
    pub(crate) fn start(
        spaces: Spaces,
        removed: Arc<Removed>,
        fail: impl Fn() + Send + 'static,
    ) -> std::io::Result<Self> {
        let its = removed.clone();
        let thread =
            std::thread::Builder::new().name("log-upkeep".to_owned()).spawn(move || run(&spaces, &its, &fail))?;
        Ok(Self { removed, thread: Some(thread) })
    }

    /// Ends the thread, after the table that it is at.
    pub(crate) fn stop(&mut self) {
        self.removed.signal.lock().stopping = true;
        self.removed.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic there was its own end; listings are slower without it and no less right.
            let _ = thread.join();
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(spaces: &Spaces, removed: &Removed, fail: &dyn Fn()) {
    let (mut pause, mut patience) = (LOOK_EVERY, WAIT_MIN);
    while removed.wait(pause) {
        pause = LOOK_EVERY;
        for (&table, count) in &removed.counts {
            let Some(keyspace) = spaces.get(table) else { continue };
            if !worth(keyspace, count.load(Ordering::Relaxed)) || !has_room(keyspace) {
                continue;
            }
            match guarded(|| rewrite(keyspace, count, removed)) {
                Ok(left) => {
                    tracing::info!(table, marks_left = left, "wrote a table anew without removed rows");
                    patience = if worth(keyspace, 0) { WAIT_MAX.min(patience * 2) } else { WAIT_MIN };
                    if worth(keyspace, 0) {
                        pause = patience;
                    }
                }
                // As when the engine's own merging fails: it may have half a new list of tables.
                Err(error) => {
                    tracing::error!(table, %error, "a table could not be written anew: the log stops");
                    fail();
                    return;
                }
            }
        }
    }
}

/// Whether so many marks, those in memory and those in files, are in the way of so many rows.
fn worth(keyspace: &Keyspace, in_memory: u64) -> bool {
    let marks = in_memory + keyspace.tree.tombstone_count();
    let rows = keyspace.approximate_len() as u64;
    marks >= MARKS_MIN.max(rows.saturating_sub(marks) / ROWS_PER_MARK_MAX)
}

/// Whether the table is small enough, and the disk has room for it a second time.
fn has_room(keyspace: &Keyspace) -> bool {
    let bytes = keyspace.disk_space();
    let free = rustix::fs::statvfs(keyspace.path()).map(|stat| stat.f_bavail.saturating_mul(stat.f_frsize));
    bytes <= TABLE_BYTES_MAX && free.is_ok_and(|free| free >= 2 * bytes + ROOM_BYTES_MIN)
}

/// Writes out what is in memory, then merges all levels into the last. Marks left.
fn rewrite(keyspace: &Keyspace, count: &AtomicU64, removed: &Removed) -> fjall::Result<u64> {
    count.store(0, Ordering::Relaxed);
    keyspace.rotate_memtable()?;
    for _ in 0..100 {
        if keyspace.tree.sealed_memtable_count() == 0 {
            break;
        }
        // Ends early when the log closes: whatever is in memory stands in the journal.
        let mut signal = removed.signal.lock();
        if signal.stopping {
            return Ok(keyspace.tree.tombstone_count());
        }
        removed.wake.wait_for(&mut signal, FLUSH_MAX / 100);
    }
    keyspace.major_compact()?;
    Ok(keyspace.tree.tombstone_count())
}

#[cfg(test)]
mod tests {
    use fjall::{Database, KeyspaceCreateOptions};

    use super::*;

    fn key(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    fn filled(folder: &std::path::Path, rows: u64) -> (Database, Keyspace) {
        let db = Database::builder(folder).open().expect("opens");
        let keyspace = db.keyspace("rows", KeyspaceCreateOptions::default).expect("a keyspace");
        for number in 0..rows {
            keyspace.insert(key(number), b"row").expect("writes");
        }
        keyspace.rotate_memtable_and_wait().expect("writes out");
        (db, keyspace)
    }

    #[test]
    fn removed_rows_are_gone_after_a_rewrite_and_others_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_db, keyspace) = filled(folder.path(), MARKS_MIN + 100);
        let removed = Removed::of(&[Table { name: "rows" }]);
        for number in 0..MARKS_MIN {
            keyspace.remove(key(number)).expect("writes");
            removed.note("rows");
            removed.note("others");
        }
        let count = &removed.counts["rows"];
        assert!(removed.wait(Duration::ZERO) && worth(&keyspace, count.load(Ordering::Relaxed)));
        assert!(!worth(&keyspace, count.load(Ordering::Relaxed) - 1), "one fewer is none");
        assert_eq!(rewrite(&keyspace, count, &removed).expect("rewrites"), 0);
        assert!(!worth(&keyspace, count.load(Ordering::Relaxed)));
        let left: Vec<_> = keyspace.iter().map(|row| row.key().expect("reads").to_vec()).collect();
        assert_eq!(left, (MARKS_MIN..MARKS_MIN + 100).map(|number| key(number).to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn a_large_table_is_rewritten_for_a_tenth_of_its_rows_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_db, keyspace) = filled(folder.path(), 600_000);
        assert!(!worth(&keyspace, MARKS_MIN));
        assert!(worth(&keyspace, 60_000));
    }

    #[test]
    fn the_thread_ends_when_it_is_told_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_db, keyspace) = filled(folder.path(), 1);
        let mut upkeep = Upkeep::start(Arc::new([("rows", keyspace)].into()), Removed::of(&[]), || ()).expect("starts");
        upkeep.stop();
        assert!(upkeep.thread.is_none());
    }
}
