//! The hourly tick of the retention clock into the system log, and what operators are told of a wall clock that is off.

use event_log::Changes;
use schemas::event::{ClockTicked, Event};
use schemas::{BucketId, TenantId, Time};

use crate::api::StoreError;
use crate::sequencer::{Decide, Planned, Unit};
use crate::store::{Inner, Request};

/// How far apart wall clock and retention clock may be before operators are told.
const APART_US: u64 = 600 * 1_000_000;

/// Where the wall clock is of the retention clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Wall {
    #[default]
    Near,
    Ahead,
    Behind,
}

/// Writes ticks, and says when the clocks part or meet.
#[derive(Default)]
pub(super) struct Ticker {
    told: Wall,
}

impl Ticker {
    /// Writes a tick when one is due.
    pub(super) fn run(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let _alone = inner.standing.ticking.lock();
        let (time, wall) = (inner.now(), inner.clock.wall());
        self.tell(time, wall);
        if !inner.retention.lock().tick_due() {
            return Ok(());
        }
        if inner.retention.lock().expiry_frozen() {
            warn_frozen(inner.judged_now(), wall);
        }
        let key = inner.tenant_key(TenantId::SYSTEM)?;
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

    fn tell(&mut self, time: Time, wall: Time) {
        let now = if wall.0 > time.0.saturating_add(APART_US) {
            Wall::Ahead
        } else if time.0 > wall.0.saturating_add(APART_US) {
            Wall::Behind
        } else {
            Wall::Near
        };
        if now == self.told {
            return;
        }
        self.told = now;
        match now {
            Wall::Near => tracing::info!("wall clock and retention clock agree again"),
            Wall::Ahead => tracing::warn!(
                wall = shown(wall),
                retention = shown(time),
                "the wall clock is ahead of the retention clock, which does not follow a jump: what is \
                retained ends later, until the wall clock is acknowledged (holdfast admin clock --acknowledge) or set right"
            ),
            Wall::Behind => tracing::warn!(
                wall = shown(wall),
                retention = shown(time),
                "the wall clock is behind the retention clock, which waits for it: what is \
                retained ends later"
            ),
        }
    }
}

/// Says that nothing expires, and what to do.
pub(crate) fn warn_frozen(judged: Time, wall: Time) {
    tracing::warn!(
        wall = shown(wall),
        stands_at = shown(judged),
        "expiry is frozen: when this server started, its wall clock was over 30 days past the last time that is \
        recorded. Nothing that is retained ends until an operator acknowledges the wall clock: holdfast admin clock --acknowledge"
    );
}

/// RFC 3339, for the log.
pub(crate) fn shown(time: Time) -> String {
    let time = i64::try_from(time.0).ok().and_then(|us| jiff::Timestamp::from_microsecond(us).ok());
    time.unwrap_or(jiff::Timestamp::MAX).to_string()
}
