//! How long a day is.

use schemas::Time;

/// Microseconds of a real day.
const REAL_US: u64 = 86_400 * 1_000_000;

/// Length of a day. Real days end at midnight UTC, as S3 has it; shorter ones, with which operators try rules out, after so many
/// seconds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    us: u64,
}

impl Day {
    /// 24 hours.
    pub const REAL: Self = Self { us: REAL_US };

    /// A day of so many seconds, one at least.
    #[must_use]
    pub const fn of_seconds(seconds: u64) -> Self {
        Self { us: if seconds == 0 { 1_000_000 } else { seconds.saturating_mul(1_000_000) } }
    }

    /// Whether it is 24 hours.
    #[must_use]
    pub fn is_real(self) -> bool {
        self == Self::REAL
    }

    /// Its length.
    #[must_use]
    pub fn us(self) -> u64 {
        self.us
    }

    /// When so many days have passed since a moment. Real days are counted to the next midnight after that.
    #[must_use]
    pub fn after(self, from: Time, days: u32) -> Time {
        let days = u64::from(days);
        if self.is_real() {
            return Time((from.0 / REAL_US + 1).saturating_add(days).saturating_mul(REAL_US));
        }
        Time(from.0.saturating_add(days.saturating_mul(self.us)))
    }

    /// Whether a moment is a midnight, UTC.
    #[must_use]
    pub fn is_midnight(time: Time) -> bool {
        time.0.is_multiple_of(REAL_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600 * 1_000_000;

    #[test]
    fn days_end_at_the_next_midnight_and_shortened_ones_do_not() {
        let day = |number: u64| number * REAL_US;
        let short = Day::of_seconds(10);
        for (length, from, days, expected) in [
            (Day::REAL, day(100) + HOUR, 1, day(102)),
            (Day::REAL, day(100) + 23 * HOUR, 1, day(102)),
            (Day::REAL, day(100), 1, day(102)),
            (Day::REAL, day(101) - 1, 1, day(102)),
            (Day::REAL, day(100) + HOUR, 30, day(131)),
            (Day::of_seconds(86_400), day(100) + HOUR, 1, day(102)),
            (short, day(100) + HOUR, 1, day(100) + HOUR + 10_000_000),
            (short, 5, 3, 30_000_005),
            (Day::of_seconds(0), 5, 3, 3_000_005),
            (Day::of_seconds(u64::MAX), 5, 2, u64::MAX),
            (Day::REAL, u64::MAX, u32::MAX, u64::MAX),
        ] {
            assert_eq!(length.after(Time(from), days), Time(expected), "{from} and {days} days of {length:?}");
        }
    }

    #[test]
    fn midnights() {
        assert!(Day::is_midnight(Time(0)) && Day::is_midnight(Time(20_000 * REAL_US)));
        assert!(!Day::is_midnight(Time(1)) && !Day::is_midnight(Time(20_000 * REAL_US + HOUR)));
    }
}
