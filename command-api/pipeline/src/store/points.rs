//! Points in a log: which position one is.
//!
//! Owns: the search for a time, and for where a reader goes on. Does not own: how points are written (domain), what is done from there.

use domain::Refusal;
use domain::point::Point;
use event_log::Snapshot;
use schemas::record::Header;
use schemas::{EventId, Position, TenantId, Time};

use super::{Inner, log_error};
use crate::api::StoreError;

impl Inner {
    /// The position of a point in a tenant's log, which may be the one that its next event gets. Of a time it is that of the first
    /// event which is not older.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`] for a position behind that, or a time that has not come.
    pub(crate) fn position_of(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        point: Point,
    ) -> Result<Position, StoreError> {
        let head = snapshot.log_head(tenant).map_err(log_error)?;
        let (next, last) = head.map_or((Position(0), Time(0)), |head| (head.next, head.time));
        // Records may be stamped ahead of a wall clock that was set back.
        let now = self.now().max(last);
        match point {
            Point::Head => Ok(next),
            Point::Earliest => Ok(Position(0)),
            Point::Position(position) if position <= next => Ok(position),
            Point::Time(time) if time <= now => first_not_older(snapshot, tenant, next, time),
            Point::Ago(ago_us) => first_not_older(snapshot, tenant, next, Time(now.0.saturating_sub(ago_us))),
            Point::Snapshot(_) => Err(Refusal::NoSuchSnapshot.into()),
            Point::BeforeVersion(made_by) if made_by.position <= next => Ok(made_by.position),
            Point::BeforeVersion(_) => Err(Refusal::PointInFuture { head: next }.into()),
            Point::BeforeRequest(request) => {
                let positions = self.positions_of(tenant, &request, 1)?;
                Ok(*positions.first().ok_or(Refusal::NoSuchPoint { what: "request" })?)
            }
            Point::Position(_) | Point::Time(_) => Err(Refusal::PointInFuture { head: next }.into()),
        }
    }

    /// Where whoever read the log up to an event goes on. If the log has begun a new epoch before that event's place, that event is
    /// none of the log's any more: it goes on where the epoch begins, which says so.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`] for an event that the log has not come to.
    pub(crate) fn position_behind(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        read: EventId,
    ) -> Result<Position, StoreError> {
        let head = snapshot.log_head(tenant).map_err(log_error)?;
        let (next, epoch) = head.map_or((Position(0), read.epoch), |head| (head.next, head.epoch));
        let behind = Position(read.position.0.saturating_add(1));
        if epoch > read.epoch {
            // Epochs never decrease along a log.
            return Ok(behind.min(first(snapshot, tenant, next, |header| header.epoch > read.epoch)?));
        }
        if epoch < read.epoch || behind > next {
            return Err(Refusal::PointInFuture { head: next }.into());
        }
        Ok(behind)
    }
}

/// Times never decrease along a log.
fn first_not_older(
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    next: Position,
    time: Time,
) -> Result<Position, StoreError> {
    first(snapshot, tenant, next, |header| header.time >= time)
}

/// The first record that is so, of those that are so from one on; `next` if none is. Some twenty headers are read.
pub(super) fn first(
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    next: Position,
    is_so: impl Fn(&Header) -> bool,
) -> Result<Position, StoreError> {
    let (mut from, mut to) = (0, next.0);
    while from < to {
        let middle = Position(from + (to - from) / 2);
        let missing = || StoreError::Corrupt { what: format!("record {middle} of tenant {tenant} cannot be read") };
        let raw = snapshot.raw(tenant, middle).map_err(log_error)?.ok_or_else(missing)?;
        let (header, _) = Header::decode(&raw).map_err(|_| missing())?;
        if is_so(&header) {
            to = middle.0;
        } else {
            from = middle.0 + 1;
        }
    }
    Ok(Position(from))
}
