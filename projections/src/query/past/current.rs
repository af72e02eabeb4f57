//! Objects that were current at a point: one of a key, and all in order.

use event_log::Rows;
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId};

use super::super::listing::Source;
use super::super::objects::{ObjectEntry, object_key};
use super::walk::{Form, Found, Walk};
use crate::row::{self, Current, Object, Past, Row as _, RowError};

/// What was current under a key at a point.
///
/// # Errors
/// [`RowError`].
pub fn current_at(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    key: &ObjectKey,
    at: EventId,
) -> Result<Option<Object>, RowError> {
    if let Some(current) = row::get::<Current>(rows, &Current::key(tenant, bucket, key))?
        && current.since <= at.position
    {
        return Ok(Some(current.object));
    }
    let mut past = Walk::new(rows, Past::TABLE, Past::prefix(tenant, bucket), Form::Escaped);
    past.seek_row(Past::key(tenant, bucket, key, at.position.next()));
    past.at_key(key.as_str())?.map_or(Ok(None), |found| shown(found, at))
}

/// The object of a past row that ended behind a point, if it had begun by then.
fn shown(found: &Found, at: EventId) -> Result<Option<Object>, RowError> {
    let past: Past = row::decode(&found.value)?;
    Ok((past.valid_from <= at.position).then_some(past.object))
}

/// Where a past row ended.
fn valid_to(found: &Found) -> Result<Position, RowError> {
    Past::parse_key(&found.row_key).map(|(_, valid_to)| valid_to).ok_or(RowError::malformed::<Past>())
}

/// Objects that were current at a point, in order of their keys: current rows, merged with those that were superseded since.
pub(super) struct CurrentAt<'a> {
    tenant: TenantId,
    bucket: BucketId,
    at: EventId,
    current: Walk<'a>,
    past: Walk<'a>,
}

impl<'a> CurrentAt<'a> {
    pub(super) fn new(rows: &'a dyn Rows, tenant: TenantId, bucket: BucketId, at: EventId) -> Self {
        let current = Walk::new(rows, Current::TABLE, Current::prefix(tenant, bucket), Form::Plain);
        let past = Walk::new(rows, Past::TABLE, Past::prefix(tenant, bucket), Form::Escaped);
        Self { tenant, bucket, at, current, past }
    }

    /// The object that was current under a key, if the past rows say so; then they are behind the key.
    fn was_current(&mut self, key: &str) -> Result<Option<Object>, RowError> {
        if self.past.at_key(key)?.is_none() {
            return Ok(None);
        }
        let at = self.at;
        let parsed = object_key::<Past>(key)?;
        let target = || Past::key(self.tenant, self.bucket, &parsed, at.position.next());
        self.past.until(key, |found| Ok(valid_to(found)? > at.position), target)?;
        let found = match self.past.at_key(key)? {
            Some(found) => shown(found, at)?,
            None => None,
        };
        self.past.pass(key)?;
        Ok(found)
    }
}

impl Source for CurrentAt<'_> {
    type Entry = ObjectEntry;

    fn seek(&mut self, key: &[u8]) {
        self.current.seek(key);
        self.past.seek(key);
    }

    fn next(&mut self) -> Result<Option<(String, ObjectEntry)>, RowError> {
        loop {
            let current = self.current.peek()?.map(|found| found.object.clone());
            let past = self.past.peek()?.map(|found| &found.object);
            let key = match (current.as_ref(), past) {
                (Some(current), Some(past)) => current.min(past).clone(),
                (Some(key), None) | (None, Some(key)) => key.clone(),
                (None, None) => return Ok(None),
            };
            let mut object = self.was_current(&key)?;
            if current.as_ref() == Some(&key) {
                if let Some(found) = self.current.peek()?.filter(|_| object.is_none()) {
                    let current: Current = row::decode(&found.value)?;
                    object = (current.since <= self.at.position).then_some(current.object);
                }
                self.current.step();
            }
            if let Some(object) = object {
                return Ok(Some((key.clone(), ObjectEntry { key: object_key::<Current>(&key)?, object })));
            }
        }
    }
}
