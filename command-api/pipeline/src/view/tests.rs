use std::sync::Arc;

use event_log::{Changes, EventLog, MemoryLog, PlainCipher};
use proptest::prelude::*;

use super::*;

const TABLE: Table = Table { name: "table" };
const OTHER: Table = Table { name: "other" };

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Short keys of few letters, so that changes meet.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0_u8, 1, 2, 255]), 0..4)
        .prop_map(|rest| [&b"k"[..], &rest].concat())
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![Just(Bound::Unbounded), key().prop_map(Bound::Included), key().prop_map(Bound::Excluded)]
}

/// Puts (some) and removals (none), in order.
fn changes(max: usize) -> impl Strategy<Value = Vec<(Vec<u8>, Option<u8>)>> {
    prop::collection::vec((key(), prop::option::weighted(0.6, any::<u8>())), 0..max)
}

fn as_changes(list: &[(Vec<u8>, Option<u8>)]) -> Changes {
    let mut changes = Changes::default();
    for (key, value) in list {
        match value {
            Some(value) => changes.put(TABLE, key.clone(), vec![*value]),
            None => changes.remove(TABLE, key.clone()),
        }
    }
    changes
}

fn apply(model: &mut Model, list: &[(Vec<u8>, Option<u8>)]) {
    for (key, value) in list {
        match value {
            Some(value) => model.insert(key.clone(), vec![*value]),
            None => model.remove(key),
        };
    }
}

fn within(key: &[u8], from: &Bound<Vec<u8>>, to: &Bound<Vec<u8>>) -> bool {
    let above = match from {
        Bound::Unbounded => true,
        Bound::Included(from) => key >= from.as_slice(),
        Bound::Excluded(from) => key > from.as_slice(),
    };
    let below = match to {
        Bound::Unbounded => true,
        Bound::Included(to) => key <= to.as_slice(),
        Bound::Excluded(to) => key < to.as_slice(),
    };
    above && below
}

fn commit(log: &MemoryLog, changes: Changes) -> u64 {
    let mut batch = log.begin();
    batch.change(changes).expect("rows within bounds");
    batch.commit().expect("memory takes it")
}

proptest! {
    #[test]
    fn staged_rows_over_stored_ones_read_as_one_map(
        stored in changes(40), staged in changes(40), ranges in prop::collection::vec((bound(), bound()), 1..12),
        asked in prop::collection::vec(key(), 1..12),
    ) {
        let log = MemoryLog::new(Arc::new(PlainCipher));
        let mut model = Model::new();
        commit(&log, as_changes(&stored));
        apply(&mut model, &stored);
        let mut overlay = Overlay::default();
        overlay.add(&as_changes(&staged).0);
        apply(&mut model, &staged);
        // Rows of another table never show.
        let mut foreign = Changes::default();
        foreign.put(OTHER, vec![1], vec![9]);
        overlay.add(&foreign.0);
        let (snapshot, memory) = (log.snapshot(), RefCell::new(Memory::new(log.committed())));
        let preload = Preload::default();
        let view = View { snapshot: snapshot.as_ref(), overlay: &overlay, memory: &memory, preload: &preload };
        for (from, to) in ranges {
            let expected: Vec<Row> = model.iter().filter(|(key, _)| within(key, &from, &to))
                .map(|(key, value)| (key.clone(), value.clone())).collect();
            let forwards: Result<Vec<Row>, _> = view.range(TABLE, from.clone(), to.clone()).collect();
            prop_assert_eq!(&forwards.expect("reads"), &expected);
            let backwards: Result<Vec<Row>, _> = view.range_rev(TABLE, from.clone(), to.clone()).collect();
            let expected: Vec<Row> = expected.into_iter().rev().collect();
            prop_assert_eq!(&backwards.expect("reads"), &expected);
        }
        for key in asked {
            prop_assert_eq!(view.get(TABLE, &key).expect("reads"), model.get(&key).cloned());
            // A seek: the first row at or behind a key.
            let first = view.range(TABLE, Bound::Included(key.clone()), Bound::Unbounded).next();
            let expected = model.range(key..).next().map(|(key, value)| (key.clone(), value.clone()));
            prop_assert_eq!(first.transpose().expect("reads"), expected);
        }
    }

    /// Rows loaded in advance, remembered rows and stored ones are all as old as they may be and never older.
    #[test]
    fn no_row_is_ever_older_than_the_last_commit(
        batches in prop::collection::vec(changes(8), 1..12),
        loaded in prop::collection::vec((key(), 0_usize..12), 0..24),
    ) {
        let log = MemoryLog::new(Arc::new(PlainCipher));
        let memory = RefCell::new(Memory::new(log.committed()));
        let mut model = Model::new();
        let mut preloads: Vec<(usize, Preload)> = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            let places: Vec<_> =
                loaded.iter().filter(|(_, at)| *at == number).map(|(key, _)| (TABLE, key.clone())).collect();
            preloads.push((number, Preload::read(log.snapshot().as_ref(), places).expect("reads")));
            let changes = as_changes(batch);
            let mut overlay = Overlay::default();
            overlay.add(&changes.0);
            let commit = commit(&log, changes);
            memory.borrow_mut().committed(overlay, commit);
            apply(&mut model, batch);
            let (snapshot, overlay) = (log.snapshot(), Overlay::default());
            for (_, preload) in &preloads {
                let view = View { snapshot: snapshot.as_ref(), overlay: &overlay, memory: &memory, preload };
                for (key, _) in &loaded {
                    prop_assert_eq!(view.get(TABLE, key).expect("reads"), model.get(key).cloned());
                }
            }
        }
    }
}

#[test]
fn a_row_that_changed_is_read_again_however_much_changed_since() {
    let log = MemoryLog::new(Arc::new(PlainCipher));
    let places = vec![(TABLE, b"key".to_vec())];
    let preload = Preload::read(log.snapshot().as_ref(), places.clone()).expect("reads");
    let memory = RefCell::new(Memory::new(log.committed()));
    let write = |changes: Changes| {
        let mut overlay = Overlay::default();
        overlay.add(&changes.0);
        let commit = commit(&log, changes);
        memory.borrow_mut().committed(overlay, commit);
    };
    let mut changes = Changes::default();
    changes.put(TABLE, b"key".to_vec(), b"new".to_vec());
    write(changes);
    let late = Preload::read(log.snapshot().as_ref(), places).expect("reads");
    // So many changes that nearly every slot is taken, some by several rows.
    for first in (0..2 * SLOTS as u64).step_by(500) {
        let mut changes = Changes::default();
        for n in first..first + 500 {
            changes.put(OTHER, n.to_be_bytes().to_vec(), Vec::new());
        }
        write(changes);
    }
    assert_eq!(memory.borrow().changed.len(), SLOTS, "it does not grow");
    let (snapshot, overlay) = (log.snapshot(), Overlay::default());
    for preload in [&preload, &late] {
        let view = View { snapshot: snapshot.as_ref(), overlay: &overlay, memory: &memory, preload };
        assert_eq!(view.get(TABLE, b"key").expect("reads").as_deref(), Some(&b"new"[..]));
    }
}
