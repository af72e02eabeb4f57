//! A cursor over rows of one kind that are ordered by object key, with any number of rows a key.

use std::ops::Bound;

use event_log::{RowIter, Rows, Table, prefix_end};

use crate::row::RowError;
use crate::tables::{Key, KeyReader};

/// Steps inside a key before seeking past it: a seek costs about as much as this many steps.
const STEPS_MAX: usize = 16;

/// How object keys stand in row keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// At the end, as they are: one row a key.
    Plain,
    /// In the middle, escaped.
    Escaped,
}

/// A row, and the object key in its own.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) object: String,
    pub(super) row_key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// The cursor. Nothing is read before it is peeked at.
pub(super) struct Walk<'a> {
    rows: &'a dyn Rows,
    table: Table,
    beginning: Vec<u8>,
    form: Form,
    iter: RowIter<'a>,
    peeked: Option<Option<Found>>,
}

impl<'a> Walk<'a> {
    /// At the first row whose key begins with `beginning`, which ends before the object key.
    pub(super) fn new(rows: &'a dyn Rows, table: Table, beginning: Vec<u8>, form: Form) -> Self {
        let mut walk = Self { rows, table, beginning, form, iter: Box::new(std::iter::empty()), peeked: None };
        walk.seek(b"");
        walk
    }

    /// Goes to the first row whose object key is not less than `key`, which need not be UTF-8.
    pub(super) fn seek(&mut self, key: &[u8]) {
        let from = match self.form {
            Form::Plain => [&self.beginning, key].concat(),
            Form::Escaped => Key::beginning(&self.beginning).escaped(key).bytes(),
        };
        self.seek_row(from);
    }

    /// Goes to a row, or the next there is.
    pub(super) fn seek_row(&mut self, from: Vec<u8>) {
        let to = prefix_end(&self.beginning).map_or(Bound::Unbounded, Bound::Excluded);
        self.iter = self.rows.range(self.table, Bound::Included(from), to);
        self.peeked = None;
    }

    /// The row at which it stands.
    pub(super) fn peek(&mut self) -> Result<Option<&Found>, RowError> {
        if self.peeked.is_none() {
            let found = match self.iter.next() {
                None => None,
                Some(row) => {
                    let (row_key, value) = row?;
                    let object = self.object_of(&row_key).ok_or(RowError::Malformed { what: self.table.name })?;
                    Some(Found { object, row_key, value })
                }
            };
            self.peeked = Some(found);
        }
        Ok(self.peeked.as_ref().and_then(Option::as_ref))
    }

    /// The row at which it stands, if it is one of this object key.
    pub(super) fn at_key(&mut self, key: &str) -> Result<Option<&Found>, RowError> {
        Ok(self.peek()?.filter(|found| found.object == key))
    }

    /// Goes one row on.
    pub(super) fn step(&mut self) {
        self.peeked = None;
    }

    /// Goes on while rows of this object key are not wanted: stepwise, then to `target`.
    pub(super) fn until(
        &mut self,
        key: &str,
        wanted: impl Fn(&Found) -> Result<bool, RowError>,
        target: impl FnOnce() -> Vec<u8>,
    ) -> Result<(), RowError> {
        for _ in 0..STEPS_MAX {
            match self.at_key(key)? {
                Some(found) if !wanted(found)? => self.step(),
                _ => return Ok(()),
            }
        }
        self.seek_row(target());
        Ok(())
    }

    /// Goes behind all rows of an object key.
    pub(super) fn pass(&mut self, key: &str) -> Result<(), RowError> {
        let beginning = self.beginning.clone();
        let target = match self.form {
            Form::Plain => [beginning.as_slice(), key.as_bytes(), &[0]].concat(),
            // A whole key ends with 0x00 0x01; one that goes on has more behind 0x00, or another byte than 0x00.
            Form::Escaped => Key::beginning(&beginning).escaped(key.as_bytes()).raw(&[0, 2]).bytes(),
        };
        self.until(key, |_| Ok(false), || target)
    }

    fn object_of(&self, row_key: &[u8]) -> Option<String> {
        let mut reader = KeyReader::behind(row_key, self.beginning.len())?;
        let bytes = match self.form {
            Form::Plain => reader.rest().to_vec(),
            Form::Escaped => reader.object()?,
        };
        String::from_utf8(bytes).ok()
    }
}
