//! The retention clock, as operators see it; and their word that the wall clock is right.
//!
//! Owns: what is shown of it, when an acknowledgement is taken and in which order it takes effect.
//! Does not own: the rule of the clock (event-log), the hourly tick ([`crate::standing`]).
//! Invariant: T goes where an operator says only when that is durable, so that no log has a time that a restart would not go
//! on from.

use domain::Refusal;
use event_log::Changes;
use projections::query;
use projections::row;
use schemas::event::{AdminRole, ClockTicked, Event};
use schemas::{BucketId, TenantId, Time};

use super::admin::grant;
use super::{Inner, Request, Store, internal, rows_error};
use crate::api::{AdminCaller, StoreError};
use crate::sequencer::{Decide, Planned, Unit};
use crate::standing::shown;

/// How near to the server's wall clock the time must be that an operator says it is.
const SAID_WITHIN_US: u64 = 300 * 1_000_000;

/// How the clocks stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockFigures {
    /// The retention clock: what records are stamped with.
    pub retention: Time,
    /// The time by which it is judged what has expired: the same, unless expiry is frozen.
    pub judged: Time,
    /// The server's wall clock.
    pub wall: Time,
    /// Whether nothing expires until an operator acknowledges the wall clock.
    pub frozen: bool,
}

/// The same, with what the system log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockState {
    /// How they stand.
    pub figures: ClockFigures,
    /// The last tick in the system log; none before the first.
    pub last_tick: Option<row::Clock>,
}

impl Store {
    /// How the clocks stand. For metrics and the start: it takes no caller.
    #[must_use]
    pub fn clock_figures(&self) -> ClockFigures {
        self.inner.clock_figures()
    }

    /// How the clocks stand, and the last tick.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn clock_state(&self, admin: &AdminCaller) -> Result<ClockState, StoreError> {
        grant(admin, AdminRole::Viewer, None)?;
        self.inner.clock_state()
    }

    /// An operator says that the wall clock is right, and what it says by other means: the retention clock goes there, and expiry
    /// goes on if it was frozen. Where it is there already nothing happens.
    ///
    /// # Errors
    /// [`Refusal::InvalidArgument`] for a time that is not near the server's wall clock; nothing has changed then.
    pub async fn acknowledge_clock(&self, admin: &AdminCaller, said: Time) -> Result<ClockState, StoreError> {
        grant(admin, AdminRole::Owner, None)?;
        let (inner, admin) = (self.inner.clone(), admin.clone());
        let acknowledged = tokio::task::spawn_blocking(move || inner.acknowledge(&admin, said));
        acknowledged.await.map_err(|error| internal(&error))?
    }
}

impl Inner {
    fn clock_figures(&self) -> ClockFigures {
        let wall = self.clock.wall();
        let mut clock = self.retention.lock();
        let retention = clock.at(wall, self.clock.monotonic_us());
        ClockFigures { retention, judged: clock.judged(), wall, frozen: clock.expiry_frozen() }
    }

    fn clock_state(&self) -> Result<ClockState, StoreError> {
        let last_tick = query::clock(self.log.snapshot().as_ref()).map_err(rows_error)?;
        Ok(ClockState { figures: self.clock_figures(), last_tick })
    }

    fn acknowledge(&self, admin: &AdminCaller, said: Time) -> Result<ClockState, StoreError> {
        // A tick in between would hide from the next start what was acknowledged.
        let _alone = self.standing.ticking.lock();
        let ClockFigures { retention, wall, frozen, .. } = self.clock_figures();
        if wall.0.abs_diff(said.0) > SAID_WITHIN_US {
            let reason = "the time that you say it is must be within 5 minutes of the server's wall clock: set that one right first";
            return Err(Refusal::InvalidArgument { name: "wall", reason }.into());
        }
        if !frozen && retention >= wall {
            return self.clock_state();
        }
        let key = self.tenant_key(TenantId::SYSTEM)?;
        let decide: Decide = Box::new(move |_, _| {
            let event = Event::from(ClockTicked { wall, acknowledged: true });
            let events = vec![Planned { bucket: BucketId::NONE, key, object: None, event }];
            Ok(Unit { events, changes: Changes::default() })
        });
        self.run_blocking(Request::admin(admin, TenantId::SYSTEM), decide)?;
        // Its record has the time before. Only now that it is durable the clock goes on from there.
        self.retention.lock().acknowledge(wall, self.clock.monotonic_us());
        let (now, was) = (shown(wall), shown(retention));
        tracing::warn!(now, was, frozen, token = admin.token, "an operator acknowledged the wall clock");
        self.clock_state()
    }

    /// Whether a write may begin a retention that its bucket has as the default. While expiry is frozen nobody knows what time it is:
    /// one that began by the wall clock might never end, and one that began by the retention clock would have ended when the
    /// wall clock is acknowledged.
    ///
    /// # Errors
    /// [`Refusal::ClockNotAcknowledged`].
    pub(crate) fn default_retention_may_begin(
        &self,
        bucket: &super::Found,
        asked: Option<schemas::event::Retention>,
    ) -> Result<(), Refusal> {
        let by_default = bucket.row.object_lock && bucket.row.default_retention.is_some() && asked.is_none();
        if by_default && self.retention.lock().expiry_frozen() {
            return Err(Refusal::ClockNotAcknowledged);
        }
        Ok(())
    }
}
