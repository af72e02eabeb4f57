//! Current objects, and the log of changes by bucket.

use std::ops::Bound;

use event_log::{RowIter, Rows, prefix_end};
use schemas::{BucketId, ObjectKey, Position, TenantId};

use super::listing::{ListQuery, Page, Source, page};
use crate::row::{self, Current, Object, ObjectChange, Row as _, RowError};

/// A current object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Key.
    pub key: ObjectKey,
    /// The object.
    pub object: Object,
}

/// What exists now under a key.
///
/// # Errors
/// [`RowError`].
pub fn current(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<Current>, RowError> {
    row::get(rows, &Current::key(tenant, bucket, key))
}

/// A page of current objects.
///
/// # Errors
/// [`RowError`].
pub fn list_current(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    query: &ListQuery,
) -> Result<Page<ObjectEntry>, RowError> {
    page(&mut CurrentRows::new(rows, tenant, bucket), query, false)
}

/// Objects changed in positions from `from` up to and without `to`, oldest first, at most `max`. A key that changed twice
/// is there twice.
///
/// # Errors
/// [`RowError`].
pub fn changes(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    from: Position,
    to: Position,
    max: usize,
) -> Result<Vec<(Position, ObjectKey)>, RowError> {
    let from = Bound::Included(ObjectChange::key(tenant, bucket, from));
    let to = Bound::Excluded(ObjectChange::key(tenant, bucket, to));
    let rows = rows.range(ObjectChange::TABLE, from, to).take(max);
    rows.map(|row| {
        let (key, value) = row?;
        let position = ObjectChange::parse_key(&key).ok_or(RowError::malformed::<ObjectChange>())?;
        Ok((position, row::decode::<ObjectChange>(&value)?.0))
    })
    .collect()
}

pub(super) fn object_key<R: row::Row>(key: &str) -> Result<ObjectKey, RowError> {
    ObjectKey::parse(key).map_err(|_| RowError::malformed::<R>())
}

/// Current rows of a bucket.
pub(super) struct CurrentRows<'a> {
    rows: &'a dyn Rows,
    beginning: Vec<u8>,
    iter: Option<RowIter<'a>>,
}

impl<'a> CurrentRows<'a> {
    pub(super) fn new(rows: &'a dyn Rows, tenant: TenantId, bucket: BucketId) -> Self {
        Self { rows, beginning: Current::prefix(tenant, bucket), iter: None }
    }
}

impl Source for CurrentRows<'_> {
    type Entry = ObjectEntry;

    fn seek(&mut self, key: &[u8]) {
        let from = Bound::Included([&self.beginning, key].concat());
        let to = prefix_end(&self.beginning).map_or(Bound::Unbounded, Bound::Excluded);
        self.iter = Some(self.rows.range(Current::TABLE, from, to));
    }

    fn next(&mut self) -> Result<Option<(String, ObjectEntry)>, RowError> {
        let Some(row) = self.iter.as_mut().and_then(Iterator::next) else { return Ok(None) };
        let (key, value) = row?;
        let key = Current::parse_key(&key).ok_or(RowError::malformed::<Current>())?;
        let object = row::decode::<Current>(&value)?.object;
        Ok(Some((key.clone(), ObjectEntry { key: object_key::<Current>(&key)?, object })))
    }
}
