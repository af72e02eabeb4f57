//! Rows that most requests read and few commands change, kept in memory: who a tenant is, what a bucket is set to.
//!
//! Owns: which state of these rows a view shows, and what was read of it.
//! Does not own: which rows they are (whoever opens the log says).
//! Invariant: a kept row is the one that the view itself would show. A view whose making met a commit of such rows keeps and
//! finds nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::engine::Write;
use crate::table::{ReadError, Table};

/// Rows kept: some MiB at most, for each is small. Forgetting all of them now and then costs a read each.
const KEPT_MAX: usize = 16_384;

/// Says of a row whether many read it and few change it.
pub type IsSteady = fn(Table, &[u8]) -> bool;

/// Rows of a table; a row that is not there is kept as well.
type Known = HashMap<Box<[u8]>, Option<Box<[u8]>>>;

#[derive(Default)]
struct Kept {
    /// The state of all steady rows that these are of.
    state: u64,
    tables: HashMap<&'static str, Known>,
}

impl Kept {
    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Box<[u8]>>> {
        self.tables.get(table.name)?.get(key)
    }

    fn count(&self) -> usize {
        self.tables.values().map(HashMap::len).sum()
    }
}

/// The rows kept.
pub(crate) struct Steady {
    is: IsSteady,
    /// Rises before and after each commit that changes steady rows: odd while one is under way.
    state: AtomicU64,
    kept: RwLock<Kept>,
}

impl Steady {
    pub(crate) fn new(is: IsSteady) -> Self {
        Self { is, state: AtomicU64::new(0), kept: RwLock::default() }
    }

    /// No row is kept.
    pub(crate) fn none() -> Self {
        Self::new(|_, _| false)
    }

    /// Runs what writes rows.
    pub(crate) fn around<E>(&self, rows: Vec<Write>, write: impl FnOnce(Vec<Write>) -> Result<(), E>) -> Result<(), E> {
        if !rows.iter().any(|row| (self.is)(Table { name: row.space }, &row.key)) {
            return write(rows);
        }
        self.state.fetch_add(1, Ordering::AcqRel);
        let written = write(rows);
        // After a failure, too: either nothing was written, or nothing is written or believed any more.
        self.state.fetch_add(1, Ordering::AcqRel);
        written
    }

    /// Makes a view, and says which state it shows; none when that is not certain.
    pub(crate) fn view<V>(&self, make: impl FnOnce() -> V) -> (V, Option<u64>) {
        let before = self.state.load(Ordering::Acquire);
        let view = make();
        // A view that shows a commit comes after the first rise for it.
        let same = before == self.state.load(Ordering::Acquire) && before.is_multiple_of(2);
        (view, same.then_some(before))
    }

    /// A row of a view of this state: kept, or read and then kept.
    pub(crate) fn get(
        &self,
        state: u64,
        table: Table,
        key: &[u8],
        read: impl FnOnce() -> Result<Option<Vec<u8>>, ReadError>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        if !(self.is)(table, key) {
            return read();
        }
        {
            let kept = self.kept.read();
            if let Some(value) = kept.get(table, key).filter(|_| kept.state == state) {
                return Ok(value.as_deref().map(<[u8]>::to_vec));
            }
        }
        let value = read()?;
        let mut kept = self.kept.write();
        // What an old view shows is nothing that others will ask for.
        if state > kept.state || kept.count() >= KEPT_MAX {
            *kept = Kept { state: state.max(kept.state), ..Kept::default() };
        }
        if state == kept.state {
            kept.tables.entry(table.name).or_default().insert(key.into(), value.as_deref().map(Into::into));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::core::Core;
    use crate::memory::{Memory, PlainCipher};
    use crate::table::{Changes, Rows};

    const RED: Table = Table { name: "red" };

    fn is_steady(table: Table, key: &[u8]) -> bool {
        table == RED && key[0] < 10
    }

    fn core() -> Core<Memory> {
        Core::new(Memory::default(), Arc::new(PlainCipher), 0, Steady::new(is_steady))
    }

    fn put(core: &Core<Memory>, rows: &[(u8, u64)]) {
        let mut batch = core.begin();
        let mut changes = Changes::default();
        for (key, value) in rows {
            changes.put(RED, vec![*key], value.to_be_bytes().to_vec());
        }
        batch.change(changes).expect("changes");
        batch.commit().expect("commits");
    }

    fn get(rows: &dyn Rows, key: u8) -> Option<u64> {
        let value = rows.get(RED, &[key]).expect("reads")?;
        Some(u64::from_be_bytes(value.try_into().expect("a number")))
    }

    #[test]
    fn a_view_shows_its_own_state_whatever_is_kept() {
        let core = core();
        put(&core, &[(1, 1)]);
        let (old, missing) = (core.snapshot(), core.snapshot());
        assert_eq!((get(old.as_ref(), 1), get(missing.as_ref(), 2)), (Some(1), None));
        put(&core, &[(1, 2), (2, 2)]);
        let new = core.snapshot();
        for _ in 0..2 {
            assert_eq!((get(new.as_ref(), 1), get(new.as_ref(), 2)), (Some(2), Some(2)));
            assert_eq!((get(old.as_ref(), 1), get(old.as_ref(), 2)), (Some(1), None));
        }
    }

    #[test]
    fn only_a_commit_of_steady_rows_makes_them_read_again() {
        let core = core();
        put(&core, &[(1, 1)]);
        let reads = std::cell::Cell::new(0);
        let read = || {
            let (_, state) = core.steady.view(|| ());
            let value = core.steady.get(state.expect("nothing is written"), RED, &[1], || {
                reads.set(reads.get() + 1);
                Ok(Some(vec![7]))
            });
            assert_eq!(value.expect("reads"), Some(vec![7]));
            reads.get()
        };
        assert_eq!((read(), read()), (1, 1));
        put(&core, &[(10, 1)]);
        assert_eq!(read(), 1, "another row");
        put(&core, &[(10, 2), (2, 1)]);
        assert_eq!(read(), 2, "a steady one");
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let steady = Steady::new(|_, _| true);
        for number in 0..KEPT_MAX as u64 + 10 {
            let value = steady.get(0, RED, &number.to_be_bytes(), || Ok(None)).expect("reads");
            assert_eq!(value, None);
        }
        assert_eq!(steady.kept.read().count(), 10);
    }

    #[test]
    fn readers_beside_a_writer_never_see_half_a_commit_nor_an_older_one() {
        let core = Arc::new(core());
        put(&core, &[(1, 0), (2, 0), (20, 0)]);
        let ended = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let (core, ended) = (Arc::clone(&core), Arc::clone(&ended));
                std::thread::spawn(move || {
                    let mut last = 0;
                    while !ended.load(Ordering::Acquire) {
                        let snapshot = core.snapshot();
                        let seen = [1, 2, 20].map(|key| get(snapshot.as_ref(), key));
                        assert!(seen.iter().all(|value| *value == seen[0]), "one state: {seen:?}");
                        assert!(seen[0] >= Some(last), "not an older one");
                        last = seen[0].unwrap_or_default();
                    }
                })
            })
            .collect();
        for number in 1..3_000 {
            put(&core, &[(1, number), (2, number), (20, number)]);
        }
        ended.store(true, Ordering::Release);
        for reader in readers {
            reader.join().expect("saw what it should");
        }
    }
}
