//! What a decision sees: the rows as they will be when everything staged before it is durable.
//!
//! Owns: the overlay of a drain, the sequencer's row cache, the rule for rows that were loaded in advance.
//! Does not own: deciding, committing.
//! Invariant: only the sequencer's thread changes rows, so what it wrote last is what is.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::ops::Bound;

use event_log::{Change, ReadError, Row, RowIter, Rows, Snapshot, Table};
use lru::LruCache;

/// A row's name.
type Place = (Table, Vec<u8>);

/// Rows that were read before a command was queued, and the commit they were read at.
#[derive(Debug, Default)]
pub(crate) struct Preload {
    pub(crate) commit: u64,
    /// Two or three: looking through them costs less than hashing a key.
    pub(crate) rows: Vec<(Place, Option<Vec<u8>>)>,
}

impl Preload {
    /// Reads rows that a decision will ask for, in the request's own task.
    pub(crate) fn read(snapshot: &dyn Snapshot, places: Vec<Place>) -> Result<Self, ReadError> {
        let read = |place: Place| {
            let value = snapshot.get(place.0, &place.1)?;
            Ok((place, value))
        };
        Ok(Self { commit: snapshot.commit(), rows: places.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

/// Rows changed by the drain so far.
#[derive(Debug, Default)]
pub(crate) struct Overlay(BTreeMap<Table, BTreeMap<Vec<u8>, Option<Vec<u8>>>>);

impl Overlay {
    pub(crate) fn add(&mut self, changes: &[Change]) {
        for change in changes {
            self.0.entry(change.table).or_default().insert(change.key.clone(), change.value.clone());
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.0.get(&table)?.get(key)
    }
}

/// What the sequencer remembers between drains.
pub(crate) struct Memory {
    /// Values of rows that decisions keep asking for, as of now.
    values: LruCache<Place, Option<Vec<u8>>>,
    /// The last commit that changed a row of each slot: for rows loaded in advance. Rows that share a slot make each other
    /// look changed, which costs a read and nothing else.
    changed: Vec<u64>,
    slots: RandomState,
}

/// Slots for the last changes of rows. Some thousand rows change while a command waits.
const SLOTS: usize = 1 << 17;
const VALUES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");

impl Memory {
    pub(crate) fn new(commit: u64) -> Self {
        Self { values: LruCache::new(VALUES_MAX), changed: vec![commit; SLOTS], slots: RandomState::new() }
    }

    fn slot(&self, table: Table, key: &[u8]) -> usize {
        // Keyed by chance, so that no client can make its keys share a slot.
        self.slots.hash_one((table, key)) as usize % SLOTS
    }

    /// Takes over what a drain has made durable.
    pub(crate) fn committed(&mut self, overlay: Overlay, commit: u64) {
        for (table, rows) in overlay.0 {
            for (key, value) in rows {
                let slot = self.slot(table, &key);
                self.changed[slot] = commit;
                let place = (table, key);
                if let Some(known) = self.values.get_mut(&place) {
                    *known = value;
                }
            }
        }
    }

    /// A preloaded value that nothing has changed since.
    fn fresh<'a>(&self, preload: &'a Preload, table: Table, key: &[u8]) -> Option<&'a Option<Vec<u8>>> {
        let (_, value) = preload.rows.iter().find(|(place, _)| place.1 == key && place.0 == table)?;
        let changed = self.changed[self.slot(table, key)] > preload.commit;
        if changed { None } else { Some(value) }
    }
}

/// The rows that one command's decision sees.
pub(crate) struct View<'a> {
    pub(crate) snapshot: &'a dyn Snapshot,
    pub(crate) overlay: &'a Overlay,
    pub(crate) memory: &'a RefCell<Memory>,
    pub(crate) preload: &'a Preload,
}

impl Rows for View<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if let Some(value) = self.overlay.get(table, key) {
            return Ok(value.clone());
        }
        let mut memory = self.memory.borrow_mut();
        if let Some(value) = memory.fresh(self.preload, table, key) {
            return Ok(value.clone());
        }
        let place = (table, key.to_vec());
        if let Some(value) = memory.values.get(&place) {
            return Ok(value.clone());
        }
        let value = self.snapshot.get(table, key)?;
        memory.values.put(place, value.clone());
        Ok(value)
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        if !ordered(&from, &to) {
            return Box::new(std::iter::empty());
        }
        let Some(changed) = self.overlay.0.get(&table) else {
            return self.snapshot.range(table, from, to);
        };
        let staged = changed.range((from.clone(), to.clone())).map(|(key, value)| (key.clone(), value.clone()));
        Box::new(Merge::new(self.snapshot.range(table, from, to), Box::new(staged), false))
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        if !ordered(&from, &to) {
            return Box::new(std::iter::empty());
        }
        let Some(changed) = self.overlay.0.get(&table) else {
            return self.snapshot.range_rev(table, from, to);
        };
        let staged = changed.range((from.clone(), to.clone())).rev().map(|(key, value)| (key.clone(), value.clone()));
        Box::new(Merge::new(self.snapshot.range_rev(table, from, to), Box::new(staged), true))
    }
}

/// `BTreeMap::range` panics on bounds that cross: nothing is between them.
fn ordered(from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        (Bound::Excluded(from), Bound::Excluded(to)) => from < to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from <= to,
    }
}

/// Changes of a drain in order: a row's new value, or none where it was removed.
type StagedIter<'a> = Box<dyn Iterator<Item = (Vec<u8>, Option<Vec<u8>>)> + 'a>;

/// Stored rows with the drain's changes laid over them.
struct Merge<'a> {
    stored: std::iter::Peekable<RowIter<'a>>,
    staged: std::iter::Peekable<StagedIter<'a>>,
    reverse: bool,
}

impl<'a> Merge<'a> {
    fn new(stored: RowIter<'a>, staged: StagedIter<'a>, reverse: bool) -> Self {
        Self { stored: stored.peekable(), staged: staged.peekable(), reverse }
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Row, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.stored.peek(), self.staged.peek()) {
                (Some(Err(_)), _) | (Some(_), None) => return self.stored.next(),
                (None, None) => return None,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(Ok((stored, _))), Some((staged, _))) => {
                    if self.reverse {
                        staged.cmp(stored)
                    } else {
                        stored.cmp(staged)
                    }
                }
            };
            if order.is_lt() {
                return self.stored.next();
            }
            if order.is_eq() {
                self.stored.next();
            }
            if let Some((key, Some(value))) = self.staged.next() {
                return Some(Ok((key, value)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
