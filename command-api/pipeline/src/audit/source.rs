//! Where entries come from: the events of a log and the rows of the access log, each in order of time.
//!
//! Owns: finding the first of a range, stepping through it in both directions. Does not own: what an entry says.

use std::collections::VecDeque;
use std::ops::Bound;

use event_log::{LogError, RowIter, Rows, Snapshot, ViewsSnapshot};
use schemas::record::Header;
use schemas::{BucketId, Position, TenantId, Time};

use super::entry::{self, ACCESS};
use super::query::{Order, Place};
use crate::api::StoreError;
use crate::store::{internal, log_error};

/// What of the list is wanted.
pub(super) struct Range {
    pub(super) from: Time,
    /// Not included.
    pub(super) to: Time,
    pub(super) order: Order,
    /// Where the page before ended.
    pub(super) after: Option<Place>,
}

impl Range {
    /// Whether a place lies behind where the page before ended.
    fn is_behind(&self, place: &Place) -> bool {
        self.after.as_ref().is_none_or(|after| match self.order {
            Order::Newest => place < after,
            Order::Oldest => place > after,
        })
    }

    /// First and last moment that can still come, both included; none when nothing can.
    fn bounds(&self) -> Option<(Time, Time)> {
        let (mut from, mut last) = (self.from.0, self.to.0.checked_sub(1)?);
        match (&self.after, self.order) {
            (Some(after), Order::Newest) => last = last.min(after.time),
            (Some(after), Order::Oldest) => from = from.max(after.time),
            (None, _) => {}
        }
        (from <= last).then_some((Time(from), Time(last)))
    }
}

/// What stands at a place, not yet opened.
pub(super) enum Found {
    /// An event: of a unit that has several, each has a place of its own, as each has a bucket and a key of its own.
    Event {
        /// Bucket that it concerns.
        bucket: BucketId,
        /// Where it stands.
        position: Position,
    },
    /// A row of the access log.
    Access {
        /// Its key.
        key: Vec<u8>,
        /// Its sealed value.
        value: Vec<u8>,
    },
}

/// One of both.
pub(super) enum Source<'a> {
    Events(Events<'a>),
    Access(Access<'a>),
}

impl Source<'_> {
    pub(super) fn peek(&mut self) -> Result<Option<&Place>, StoreError> {
        match self {
            Source::Events(events) => events.peek().map_err(log_error),
            Source::Access(access) => access.peek(),
        }
    }

    pub(super) fn pop(&mut self) -> Result<Option<(Place, Found)>, StoreError> {
        self.peek()?;
        Ok(match self {
            Source::Events(events) => events.ready.pop_front(),
            Source::Access(access) => access.ready.take(),
        })
    }
}

/// Events of one log.
pub(super) struct Events<'a> {
    snapshot: &'a dyn Snapshot,
    tenant: TenantId,
    order: Order,
    after: Option<Place>,
    /// Positions that are left.
    from: u64,
    to: u64,
    chunk: usize,
    ready: VecDeque<(Place, Found)>,
}

impl<'a> Events<'a> {
    pub(super) fn new(
        snapshot: &'a dyn Snapshot,
        tenant: TenantId,
        range: &Range,
        chunk: usize,
    ) -> Result<Self, LogError> {
        let head = snapshot.log_head(tenant)?;
        let (mut from, mut to) = (0, 0);
        // A log that ended before is not searched.
        if let (Some(head), Some((first, last))) = (head, range.bounds())
            && head.time >= first
        {
            from = first_at(snapshot, tenant, head.next.0, first)?;
            to = last.0.checked_add(1).map_or(Ok(head.next.0), |end| {
                if head.time < Time(end) { Ok(head.next.0) } else { first_at(snapshot, tenant, head.next.0, Time(end)) }
            })?;
        }
        let (order, after) = (range.order, range.after.clone());
        Ok(Self { snapshot, tenant, order, after, from, to, chunk, ready: VecDeque::new() })
    }

    fn peek(&mut self) -> Result<Option<&Place>, LogError> {
        while self.ready.is_empty() && self.from < self.to {
            self.fill()?;
        }
        Ok(self.ready.front().map(|(place, _)| place))
    }

    fn fill(&mut self) -> Result<(), LogError> {
        let chunk = (self.chunk as u64).min(self.to - self.from);
        let start = match self.order {
            Order::Oldest => self.from,
            Order::Newest => self.to - chunk,
        };
        let count = usize::try_from(chunk).unwrap_or(self.chunk);
        let raw = self.snapshot.raw_range(self.tenant, Position(start), count)?;
        let range = Range { from: Time(0), to: Time(u64::MAX), order: self.order, after: self.after.clone() };
        for (position, raw) in (start..).zip(&raw) {
            let header = header(self.tenant, position, raw)?;
            let (time, tenant) = (header.time.0, self.tenant.0);
            let place = Place { time, tenant, is_access: false, position, request: String::new() };
            if range.is_behind(&place) {
                let found = Found::Event { bucket: header.bucket, position: Position(position) };
                match self.order {
                    Order::Oldest => self.ready.push_back((place, found)),
                    Order::Newest => self.ready.push_front((place, found)),
                }
            }
        }
        match self.order {
            Order::Oldest => self.from += chunk,
            Order::Newest => self.to -= chunk,
        }
        Ok(())
    }
}

fn header(tenant: TenantId, position: u64, raw: &[u8]) -> Result<Header, LogError> {
    let decoded = Header::decode(raw).map(|(header, _)| header);
    decoded.map_err(|error| LogError::Corrupt { tenant, position: Position(position), what: error.to_string() })
}

/// The first position whose record is not before a moment: times never fall along a log.
fn first_at(snapshot: &dyn Snapshot, tenant: TenantId, end: u64, time: Time) -> Result<u64, LogError> {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let raw = snapshot.raw(tenant, Position(middle))?.ok_or_else(|| LogError::Corrupt {
            tenant,
            position: Position(middle),
            what: "the record is missing".to_owned(),
        })?;
        if header(tenant, middle, &raw)?.time < time {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// Rows of one tenant's access log.
pub(super) struct Access<'a> {
    rows: RowIter<'a>,
    range: Range,
    ready: Option<(Place, Found)>,
}

impl<'a> Access<'a> {
    pub(super) fn new(views: &'a ViewsSnapshot, tenant: TenantId, range: &Range) -> Self {
        let rows: RowIter<'a> = match range.bounds() {
            None => Box::new(std::iter::empty()),
            Some((from, last)) => {
                let from = Bound::Included(entry::row_key(tenant, from, ""));
                // Behind every request id, which is text.
                let mut end = entry::row_key(tenant, last, "");
                end.push(0xff);
                match range.order {
                    Order::Oldest => views.range(ACCESS, from, Bound::Excluded(end)),
                    Order::Newest => views.range_rev(ACCESS, from, Bound::Excluded(end)),
                }
            }
        };
        let range = Range { from: range.from, to: range.to, order: range.order, after: range.after.clone() };
        Self { rows, range, ready: None }
    }

    fn peek(&mut self) -> Result<Option<&Place>, StoreError> {
        while self.ready.is_none() {
            let Some(row) = self.rows.next() else { break };
            let (key, value) = row.map_err(|error| internal(&error))?;
            let Some((tenant, time, request)) = entry::parse_key(&key) else {
                return Err(StoreError::Corrupt { what: "a row of the access log has no key of its kind".to_owned() });
            };
            let place = Place { time: time.0, tenant: tenant.0, is_access: true, position: 0, request };
            if self.range.is_behind(&place) {
                self.ready = Some((place, Found::Access { key, value }));
            }
        }
        Ok(self.ready.as_ref().map(|(place, _)| place))
    }
}
