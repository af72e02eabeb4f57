//! Events in, rows and answers out, through the public interface alone.

mod applying;
mod directory;
mod erasing;
mod histories;
mod listings;
mod model;
mod rebuilding;

use event_log::Recorded;
use projections::{MemoryRows, apply};
use schemas::event::Event;
use schemas::{BucketId, Epoch, EventId, Position, TenantId, Time};

/// One tenant's log in the making: every event is applied at once. Time in microseconds is 1,000 times the position.
struct Log {
    tenant: TenantId,
    rows: MemoryRows,
    records: Vec<Recorded>,
}

impl Log {
    fn of(tenant: TenantId) -> Self {
        Self::over(tenant, MemoryRows::default())
    }

    /// Over rows that other logs left.
    fn over(tenant: TenantId, rows: MemoryRows) -> Self {
        Self { tenant, rows, records: Vec::new() }
    }

    /// Applies an event. Returns its id and how many rows it changed.
    fn happens(&mut self, bucket: BucketId, object: Option<&str>, event: impl Into<Event>) -> (EventId, usize) {
        let id = EventId { epoch: Epoch(0), position: Position(self.records.len() as u64) };
        let time = Time(id.position.0 * 1_000);
        let recorded = model::recorded(self.tenant, id, time, bucket, object, &event.into());
        let changes = apply(&self.rows, &recorded).expect("applies");
        let count = changes.0.len();
        self.rows.write(changes);
        self.records.push(recorded);
        (id, count)
    }
}
