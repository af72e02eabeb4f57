//! What a store of rows must do to carry a log. Disk and memory both do.
//!
//! Owns: the trait between log and store, where one commit becomes rows.
//! Does not own: what the rows mean.

use std::ops::Bound;

use crate::log::AppendError;
use crate::table::{ReadError, RowIter};

/// A row to write: keyspace, key, value; none removes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Write {
    pub(crate) space: &'static str,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

/// One consistent view of all keyspaces.
pub(crate) trait View: Send + Sync {
    fn get(&self, space: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// `from` is not behind `to`.
    fn range(&self, space: &'static str, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>, reverse: bool) -> RowIter<'_>;
}

/// Rows that are written together and survive.
pub(crate) trait Engine: Send + Sync + 'static {
    type View: View + 'static;

    fn view(&self) -> Self::View;

    /// Writes the rows as commit number `commit`: all or none, on disk before any is visible. No key comes twice.
    fn write(&self, rows: Vec<Write>, bytes: usize, commit: u64) -> Result<(), AppendError>;
}

/// A row that is there and is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("malformed row")]
pub(crate) struct Malformed;

pub(crate) fn malformed(table: &'static str) -> ReadError {
    ReadError { table, source: Box::new(Malformed) }
}
