//! Where in the log the events of one object are.

use std::collections::BTreeSet;
use std::ops::Bound;

use event_log::{Rows, prefix, prefix_end};
use schemas::{BucketId, ObjectKey, Position, TenantId};

use crate::row::{self, Current, Former, Noncurrent, Past, Row as _, RowError};

/// Positions of the events that changed an object, behind `after`, oldest first, at most `max`; and whether there may be more.
///
/// What was replaced and removed is found by seeks; states of versions that were amended or removed while another was current
/// are gone through.
///
/// # Errors
/// [`RowError`].
pub fn object_events(
    rows: &dyn Rows,
    (tenant, bucket, key): (TenantId, BucketId, &ObjectKey),
    after: Option<Position>,
    max: usize,
) -> Result<(Vec<Position>, bool), RowError> {
    let mut found = Found { after, upto: None, positions: BTreeSet::new() };
    if let Some(current) = row::get::<Current>(rows, &Current::key(tenant, bucket, key))? {
        found.add([current.object.made_by.position, current.since]);
    }
    let bytes = key.as_str().as_bytes();

    // By where they ended: what is behind the last one that was read is left to the next page.
    let from = Past::key(tenant, bucket, key, after.map_or(Position(0), Position::next));
    let to = prefix_end(&Past::of_object(tenant, bucket, bytes).bytes()).map_or(Bound::Unbounded, Bound::Excluded);
    for (number, row) in rows.range(Past::TABLE, Bound::Included(from), to).enumerate() {
        let (row_key, value) = row?;
        let (_, valid_to) = Past::parse_key(&row_key).ok_or(RowError::malformed::<Past>())?;
        if number > max {
            found.end_at(valid_to);
            break;
        }
        let past: Past = row::decode(&value)?;
        found.add([past.object.made_by.position, past.valid_from, valid_to]);
    }

    // Oldest first.
    let of_object = || Noncurrent::of_object(tenant, bucket, bytes);
    let from = Bound::Included(of_object().bytes());
    let to = prefix_end(&of_object().bytes()).map_or(Bound::Unbounded, Bound::Excluded);
    let mut newer = 0;
    for row in rows.range_rev(Noncurrent::TABLE, from, to) {
        let (_, made_by) = Noncurrent::parse_key(&row?.0).ok_or(RowError::malformed::<Noncurrent>())?;
        if found.is_wanted(made_by.position) {
            newer += 1;
        }
        if newer > max + 1 {
            found.end_at(made_by.position);
            break;
        }
        found.add([made_by.position]);
    }

    for row in prefix(rows, Former::TABLE, &Former::of_object(tenant, bucket, bytes).bytes()) {
        let (_, made_by, valid_to) = Former::parse_key(&row?.0).ok_or(RowError::malformed::<Former>())?;
        found.add([made_by.position, valid_to]);
    }
    Ok(found.page(max))
}

/// Positions that were found.
struct Found {
    after: Option<Position>,
    /// What is at it or behind it is left to the next page.
    upto: Option<Position>,
    positions: BTreeSet<Position>,
}

impl Found {
    fn is_wanted(&self, position: Position) -> bool {
        self.after.is_none_or(|after| position > after)
    }

    fn add<const N: usize>(&mut self, positions: [Position; N]) {
        for position in positions {
            if self.is_wanted(position) {
                self.positions.insert(position);
            }
        }
    }

    fn end_at(&mut self, position: Position) {
        self.upto = Some(self.upto.map_or(position, |upto| upto.min(position)));
    }

    fn page(self, max: usize) -> (Vec<Position>, bool) {
        let Self { upto, positions, .. } = self;
        let mut page: Vec<_> =
            positions.into_iter().filter(|position| upto.is_none_or(|upto| *position < upto)).collect();
        let more = upto.is_some() || page.len() > max;
        page.truncate(max);
        (page, more)
    }
}
