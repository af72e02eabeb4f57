//! The installation's clock: time that retention may trust.
//!
//! Owns: the rule by which a stamp follows the wall clock without ever running ahead of it or falling.
//! Does not own: reading clocks (they come in), writing ticks into the system log.
//! Invariants: T never falls, and between two stamps it gains at most 1.001 times the monotonic time that passed. While expiry is
//! frozen, the time that it is judged by stands still.

use schemas::Time;

/// How far past the last tick the wall clock is believed at start.
const TRUSTED_US: u64 = 30 * 24 * 3_600 * 1_000_000;
/// How often the clock is to be written into the system log.
const TICK_US: u64 = 3_600 * 1_000_000;

/// T = max(last T, min(wall, last T + monotonic elapsed x 1.001)).
#[derive(Debug, Clone)]
pub struct RetentionClock {
    now: Time,
    monotonic_us: u64,
    /// Thousandths of a microsecond not yet given, so that many short steps gain as much as one long one.
    carry: u64,
    ticked: Option<Time>,
    /// The time that expiry stands at until an operator acknowledges the wall clock.
    frozen: Option<Time>,
}

impl RetentionClock {
    /// Starts the clock. `last_tick` is the last time in the system log; none for a new installation, which believes
    /// the wall clock. A wall clock over 30 days past the last tick is not believed: expiry is frozen.
    #[must_use]
    pub fn start(last_tick: Option<Time>, wall: Time, monotonic_us: u64) -> Self {
        let frozen = last_tick.filter(|tick| wall.0 > tick.0.saturating_add(TRUSTED_US));
        let now = match (frozen, last_tick) {
            (Some(tick), _) => tick,
            (None, Some(tick)) => tick.max(wall),
            (None, None) => wall,
        };
        Self { now, monotonic_us, carry: 0, ticked: last_tick, frozen }
    }

    /// The time now, given what the wall clock and a clock that never falls say.
    pub fn at(&mut self, wall: Time, monotonic_us: u64) -> Time {
        let elapsed = u128::from(monotonic_us.saturating_sub(self.monotonic_us));
        self.monotonic_us = self.monotonic_us.max(monotonic_us);
        let gain = elapsed * 1_001 + u128::from(self.carry);
        self.carry = (gain % 1_000) as u64;
        let limit = self.now.0.saturating_add(u64::try_from(gain / 1_000).unwrap_or(u64::MAX));
        self.now = self.now.max(Time(wall.0.min(limit)));
        self.now
    }

    /// Whether nothing may expire, because the wall clock jumped while the installation was down.
    #[must_use]
    pub fn expiry_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The time by which it is judged what has expired: T as it was last asked for, or while expiry is frozen that of the last
    /// tick before the start. Never ahead of T, and never falls.
    #[must_use]
    pub fn judged(&self) -> Time {
        self.frozen.unwrap_or(self.now)
    }

    /// An operator says that the wall clock is right: T goes there and expiry goes on.
    pub fn acknowledge(&mut self, wall: Time, monotonic_us: u64) -> Time {
        self.at(wall, monotonic_us);
        self.now = self.now.max(wall);
        self.frozen = None;
        self.now
    }

    /// Whether a tick is due, an hour after the last.
    #[must_use]
    pub fn tick_due(&self) -> bool {
        self.ticked.is_none_or(|ticked| self.now.0 >= ticked.0.saturating_add(TICK_US))
    }

    /// A tick of this time is in the system log.
    pub fn ticked(&mut self, time: Time) {
        self.ticked = Some(time);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 24 * 3_600 * 1_000_000;
    const START: Time = Time(1_000 * DAY);

    /// One thing that happens to an installation.
    #[derive(Debug, Clone)]
    enum Step {
        Pass {
            us: u64,
        },
        SetWall {
            us: u64,
        },
        /// Stopped and started again; the tick before may have been written a while ago.
        Restart {
            ticked: bool,
        },
        Acknowledge,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..2 * DAY).prop_map(|us| Step::Pass { us }),
            2 => (0..20_000 * DAY).prop_map(|us| Step::SetWall { us }),
            2 => any::<bool>().prop_map(|ticked| Step::Restart { ticked }),
            1 => Just(Step::Acknowledge),
        ]
    }

    fn check(clock: &mut RetentionClock, wall: u64, monotonic: u64, expected: u64) {
        assert_eq!(clock.at(Time(wall), monotonic), Time(expected));
    }

    #[test]
    fn it_follows_the_wall_clock() {
        let mut clock = RetentionClock::start(None, START, 50);
        check(&mut clock, START.0 + 1_000, 1_050, START.0 + 1_000);
        check(&mut clock, START.0 + 1_500, 1_550, START.0 + 1_500);
    }

    #[test]
    fn a_wall_clock_set_back_stops_it_and_one_set_ahead_is_followed_slowly() {
        let mut clock = RetentionClock::start(Some(START), START, 0);
        check(&mut clock, START.0 - DAY, 1_000_000, START.0);
        check(&mut clock, START.0 + 9 * DAY, 2_000_000, START.0 + 1_001_000);
        assert!(!clock.expiry_frozen());
    }

    #[test]
    fn thirty_days_past_the_last_tick_are_believed_at_start_and_no_more() {
        let trusted = RetentionClock::start(Some(START), Time(START.0 + 30 * DAY), 0);
        assert!(!trusted.expiry_frozen());
        assert_eq!(trusted.clone().at(Time(START.0 + 30 * DAY), 0), Time(START.0 + 30 * DAY));

        let wall = START.0 + 30 * DAY + 1;
        let mut frozen = RetentionClock::start(Some(START), Time(wall), 0);
        assert!(frozen.expiry_frozen());
        check(&mut frozen, wall, 1_000, START.0 + 1_001);
        assert!(frozen.expiry_frozen());
        assert_eq!(frozen.judged(), START, "expiry stands where it was");
        assert_eq!(frozen.acknowledge(Time(wall), 2_000), Time(wall));
        assert!(!frozen.expiry_frozen());
        assert_eq!(frozen.judged(), Time(wall));
        check(&mut frozen, wall + 1_000, 3_000, wall + 1_000);
        assert_eq!(frozen.judged(), Time(wall + 1_000));
    }

    #[test]
    fn a_wall_clock_that_was_set_ahead_is_followed_at_once_when_it_is_acknowledged() {
        let mut clock = RetentionClock::start(Some(START), START, 0);
        let wall = START.0 + 3_650 * DAY;
        check(&mut clock, wall, 1_000, START.0 + 1_001);
        assert_eq!(clock.acknowledge(Time(wall), 1_000), Time(wall));
        // One that is set back is no reason to fall.
        assert_eq!(clock.acknowledge(START, 2_000), Time(wall));
    }

    #[test]
    fn an_older_wall_clock_at_start_does_not_go_back_before_the_last_tick() {
        let mut clock = RetentionClock::start(Some(START), Time(5), 0);
        check(&mut clock, 5, 10, START.0);
    }

    #[test]
    fn ticks_are_due_hourly() {
        let mut clock = RetentionClock::start(None, START, 0);
        assert!(clock.tick_due());
        clock.ticked(START);
        assert!(!clock.tick_due());
        clock.at(Time(START.0 + TICK_US), TICK_US);
        assert!(clock.tick_due());
    }

    proptest! {
        #[test]
        fn nothing_is_judged_by_a_time_that_nobody_vouched_for(steps in prop::collection::vec(any_step(), 1..60)) {
            let (mut wall, mut monotonic) = (START, 1_u64);
            let mut clock = RetentionClock::start(None, wall, monotonic);
            let mut tick = START;
            for step in steps {
                let (before, began) = (clock.judged(), monotonic);
                match step.clone() {
                    Step::Pass { us } => {
                        wall.0 += us;
                        monotonic += us;
                    }
                    Step::SetWall { us } => wall = Time(us),
                    Step::Restart { ticked } => {
                        if ticked {
                            tick = clock.at(wall, monotonic);
                        }
                        clock = RetentionClock::start(Some(tick), wall, monotonic);
                    }
                    Step::Acknowledge => tick = clock.acknowledge(wall, monotonic),
                }
                let now = clock.at(wall, monotonic);
                let (judged, frozen) = (clock.judged(), clock.expiry_frozen());
                prop_assert!(judged <= now);
                match step {
                    Step::Pass { .. } | Step::SetWall { .. } if frozen => prop_assert_eq!(judged, before),
                    Step::Pass { .. } | Step::SetWall { .. } => {
                        let elapsed = monotonic - began;
                        prop_assert!(judged >= before && judged.0 - before.0 <= elapsed + elapsed / 1_000 + 1);
                    }
                    Step::Restart { .. } if frozen => prop_assert_eq!(judged, tick),
                    // What was since the last tick is forgotten; so much of the wall clock is believed.
                    Step::Restart { .. } => prop_assert!(judged >= tick && judged.0 <= tick.0 + TRUSTED_US),
                    Step::Acknowledge => prop_assert!(!frozen && judged >= before && judged >= wall),
                }
            }
        }

        #[test]
        fn it_never_falls_nor_runs_ahead(steps in prop::collection::vec((any::<u32>(), 0_u64..5_000), 1..200)) {
            let mut clock = RetentionClock::start(Some(START), START, 0);
            let (mut monotonic, mut before, mut highest) = (0, START, START.0);
            for (wall, step) in steps {
                monotonic += step;
                let wall = START.0 - u64::from(u32::MAX) / 2 + u64::from(wall);
                let now = clock.at(Time(wall), monotonic);
                highest = highest.max(wall);
                prop_assert!(now >= before && now.0 <= highest);
                prop_assert!(now.0 - START.0 <= monotonic + monotonic / 1_000 + 1);
                before = now;
            }
        }
    }
}
