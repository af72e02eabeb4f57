//! When a failed delivery is tried again, and when a receiver is left alone.
//!
//! Owns: the schedule, its jitter, the circuit breaker. Pure: time and chance come in.
//! Does not own: which event is next (`lanes`), what a failure is (`sender`).
//!
//! The schedule is that of Standard Webhooks 1.0.

use std::time::Duration;

/// How patient the notifier is with a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Waits before the first attempt, the second, and so on. When their sum has passed without any success, the
    /// subscription pauses. Never empty.
    pub schedule: Vec<Duration>,
    /// Longest wait between two probes of a receiver that takes nothing.
    pub probe_max: Duration,
    /// Attempts after which one event is set aside, when others were taken meanwhile.
    pub park_after: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let waits = [0, 5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
        Self { schedule: waits.map(Duration::from_secs).to_vec(), probe_max: Duration::from_secs(60), park_after: 8 }
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl RetryPolicy {
    /// How long to wait after so many failed attempts, microseconds: up to a tenth more than the schedule says, by chance, so
    /// that what failed together does not come back together.
    #[must_use]
    pub fn wait_us(&self, failed: u32, chance: u64) -> u64 {
        let index = (failed as usize).min(self.schedule.len().saturating_sub(1));
        let wait = self.schedule.get(index).copied().map_or(0, us);
        wait.saturating_add(wait / 10 * (chance % 1_000) / 1_000)
    }

    /// How long a receiver may take nothing before its subscription pauses, microseconds.
    #[must_use]
    pub fn span_us(&self) -> u64 {
        self.schedule.iter().copied().map(us).fold(0, u64::saturating_add)
    }

    fn probe_us(&self, probes: u32, chance: u64) -> u64 {
        let first = self.schedule.get(1).copied().map_or(1_000_000, us).max(1_000);
        let wait = first.saturating_mul(1 << probes.min(20)).min(us(self.probe_max).max(1_000));
        wait.saturating_add(wait / 10 * (chance % 1_000) / 1_000)
    }
}

/// Failures in a row after which a receiver that answers is left alone too.
const FAILURES_MAX: u32 = 5;

/// Keeps a receiver that takes nothing at one probe per interval.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    probes: u32,
    /// Monotonic clock at which the next probe is due; none while the receiver takes events.
    probe_us: Option<u64>,
}

impl Breaker {
    pub(crate) fn is_open(&self) -> bool {
        self.probe_us.is_some()
    }

    pub(crate) fn probe_due_us(&self) -> Option<u64> {
        self.probe_us
    }

    /// An attempt failed: with an answer, or without any.
    pub(crate) fn failed(&mut self, answered: bool, policy: &RetryPolicy, now_us: u64, chance: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.probe_us.is_some() || !answered || self.failures >= FAILURES_MAX {
            self.probe_us = Some(now_us.saturating_add(policy.probe_us(self.probes, chance)));
            self.probes = self.probes.saturating_add(1);
        }
    }

    /// An attempt succeeded. Whether the receiver was left alone until then.
    pub(crate) fn succeeded(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn waits_follow_the_schedule_and_are_a_tenth_longer_at_most() {
        let policy = RetryPolicy::default();
        for (failed, seconds) in [(0, 0), (1, 5), (2, 300), (3, 1_800), (9, 86_400), (50, 86_400)] {
            let (least, most) = (policy.wait_us(failed, 0), policy.wait_us(failed, 999));
            assert_eq!(least, seconds * SECOND);
            assert!(most >= least && most <= least + least / 10, "{failed}");
        }
        assert_eq!(policy.span_us(), (5 + 300 + 1_800 + 75 * 3_600) * SECOND);
    }

    #[test]
    fn a_receiver_that_does_not_answer_is_probed_less_and_less() {
        let (policy, mut breaker) = (RetryPolicy::default(), Breaker::default());
        for wait in [5, 10, 20, 40, 60, 60, 60] {
            breaker.failed(false, &policy, 0, 0);
            assert_eq!(breaker.probe_due_us(), Some(wait * SECOND));
        }
        assert!(breaker.succeeded());
        assert!(!breaker.is_open() && !breaker.succeeded());
    }

    #[test]
    fn a_receiver_that_refuses_is_left_alone_after_five_in_a_row() {
        let (policy, mut breaker) = (RetryPolicy::default(), Breaker::default());
        for _ in 0..4 {
            breaker.failed(true, &policy, 0, 0);
            assert!(!breaker.is_open());
        }
        breaker.failed(true, &policy, 0, 0);
        assert!(breaker.is_open());
        breaker.succeeded();
        breaker.failed(true, &policy, 0, 0);
        assert!(!breaker.is_open(), "the count began anew");
    }
}
