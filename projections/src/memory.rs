//! Rows in memory: what an offline rebuild fills and compares, and what tests read.

use std::collections::BTreeMap;
use std::ops::Bound;

use event_log::{Changes, ReadError, RowIter, Rows, Table};

/// Rows in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryRows(BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>);

impl MemoryRows {
    /// Writes and removes rows, in order.
    pub fn write(&mut self, changes: Changes) {
        for change in changes.0 {
            let table = self.0.entry(change.table).or_default();
            match change.value {
                Some(value) => {
                    table.insert(change.key, value);
                }
                None => {
                    table.remove(&change.key);
                }
            }
        }
        self.0.retain(|_, table| !table.is_empty());
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeMap::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn between<'a>(
        &'a self,
        table: Table,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> impl DoubleEndedIterator<Item = Result<(Vec<u8>, Vec<u8>), ReadError>> + 'a {
        // BTreeMap panics on a range that ends before it begins.
        let empty = match (&from, &to) {
            (Bound::Included(a), Bound::Included(b)) => a > b,
            (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a >= b,
            _ => false,
        };
        let rows = self.0.get(&table).filter(|_| !empty);
        rows.into_iter().flat_map(move |rows| {
            rows.range((from.clone(), to.clone())).map(|(key, value)| Ok((key.clone(), value.clone())))
        })
    }
}

impl Rows for MemoryRows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.0.get(&table).and_then(|rows| rows.get(key)).cloned())
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        Box::new(self.between(table, from, to))
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        Box::new(self.between(table, from, to).rev())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::CATALOG;

    #[test]
    fn ranges_in_both_directions_and_removal() {
        let mut rows = MemoryRows::default();
        let mut changes = Changes::default();
        for key in [b"a", b"b", b"c"] {
            changes.put(CATALOG, key.to_vec(), vec![1]);
        }
        changes.remove(CATALOG, b"c".to_vec());
        rows.write(changes);
        let keys = |iter: RowIter<'_>| iter.map(|row| row.expect("memory").0).collect::<Vec<_>>();
        let all = || (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(keys(rows.range(CATALOG, all().0, all().1)), [b"a", b"b"]);
        assert_eq!(keys(rows.range_rev(CATALOG, all().0, all().1)), [b"b", b"a"]);
        let backwards = rows.range(CATALOG, Bound::Included(b"b".to_vec()), Bound::Excluded(b"a".to_vec()));
        assert!(keys(backwards).is_empty());
        assert_eq!(rows.len(), 2);
    }
}
