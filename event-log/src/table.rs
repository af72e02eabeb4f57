//! Tables: the rows that live beside the log and are written in its batches.
//!
//! Owns: what a table, a row change and a reader are.
//! Does not own: which tables there are (projections and pipeline name them), what a row means.

use std::ops::Bound;

/// Most bytes of a key and its value together. A torn page inside a longer value makes fjall refuse to open.
pub const ROW_BYTES_MAX: usize = 3_000;

/// A table: a keyspace of the core database. Few in all, each costs memory and start-up time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table {
    /// Keyspace name; part of the format.
    pub name: &'static str,
}

/// One row to write or remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// Its new value; none removes it.
    pub value: Option<Vec<u8>>,
}

/// Rows that change together. A later change of a row wins over an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes(pub Vec<Change>);

impl Changes {
    /// Writes a row.
    pub fn put(&mut self, table: Table, key: Vec<u8>, value: Vec<u8>) {
        self.0.push(Change { table, key, value: Some(value) });
    }

    /// Removes a row.
    pub fn remove(&mut self, table: Table, key: Vec<u8>) {
        self.0.push(Change { table, key, value: None });
    }

    /// Adds all of `other` behind.
    pub fn append(&mut self, mut other: Changes) {
        self.0.append(&mut other.0);
    }
}

/// A row could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read table {table}")]
pub struct ReadError {
    /// Which.
    pub table: &'static str,
    /// What the engine said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A row: key, value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows as iterators hand them out.
pub type RowIter<'a> = Box<dyn Iterator<Item = Result<Row, ReadError>> + 'a>;

/// Something rows can be read from: a snapshot, or the sequencer's view of a drain in progress.
pub trait Rows {
    /// The value of a row.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Rows between two keys, in byte order.
    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a>;

    /// The same from the end.
    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a>;
}

/// The smallest key greater than all that begin with `prefix`; none if there is no such key.
#[must_use]
pub fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 255 {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

/// Rows whose key begins with `prefix`.
pub fn prefix<'a>(rows: &'a dyn Rows, table: Table, prefix: &[u8]) -> RowIter<'a> {
    let to = prefix_end(prefix).map_or(Bound::Unbounded, Bound::Excluded);
    rows.range(table, Bound::Included(prefix.to_vec()), to)
}
