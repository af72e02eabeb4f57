//! The hourly tick of the retention clock into the system log.

use event_log::Changes;
use schemas::event::{ClockTicked, Event};
use schemas::{BucketId, TenantId};

use crate::api::StoreError;
use crate::sequencer::{Decide, Planned, Unit};
use crate::store::{Inner, Request};

/// Writes a tick when one is due.
pub(super) fn run(inner: &Inner) -> Result<(), StoreError> {
    let time = inner.now();
    if !inner.retention.lock().tick_due() {
        return Ok(());
    }
    let key = inner.tenant_key(TenantId::SYSTEM)?;
    let wall = inner.clock.wall();
    let decide: Decide = Box::new(move |_, _| {
        let event = Event::from(ClockTicked { wall, acknowledged: false });
        let events = vec![Planned { bucket: BucketId::NONE, key, object: None, event }];
        Ok(Unit { events, changes: Changes::default() })
    });
    let request = Request::system("clock", TenantId::SYSTEM, inner.ids.request(wall));
    let recorded = inner.run_blocking(request, decide)?;
    let ticked = recorded.last().map_or(time, |record| record.header.time);
    inner.retention.lock().ticked(ticked);
    Ok(())
}
