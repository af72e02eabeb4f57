//! Points in a log: which position one is.
//!
//! Owns: the search for a time. Does not own: how points are written (domain), what is done from there.

use domain::Refusal;
use domain::point::Point;
use event_log::Snapshot;
use schemas::record::Header;
use schemas::{Position, TenantId, Time};

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
            Point::Position(_) | Point::Time(_) => Err(Refusal::PointInFuture { head: next }.into()),
        }
    }
}

/// Times never decrease along a log: some twenty headers are read.
fn first_not_older(
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    next: Position,
    time: Time,
) -> Result<Position, StoreError> {
    let (mut from, mut to) = (0, next.0);
    while from < to {
        let middle = Position(from + (to - from) / 2);
        let missing = || StoreError::Corrupt { what: format!("record {middle} of tenant {tenant} cannot be read") };
        let raw = snapshot.raw(tenant, middle).map_err(log_error)?.ok_or_else(missing)?;
        let (header, _) = Header::decode(&raw).map_err(|_| missing())?;
        if header.time >= time {
            to = middle.0;
        } else {
            from = middle.0 + 1;
        }
    }
    Ok(Position(from))
}
