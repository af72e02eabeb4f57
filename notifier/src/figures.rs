//! Counts for whoever watches the server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::sender::Outcome;

/// A count that only rises.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) delivered: Count,
    pub(crate) failed: Count,
    pub(crate) parked: Count,
    pub(crate) stopped: Count,
}

impl Figures {
    pub(crate) fn attempt(&self, outcome: &Outcome) {
        if outcome.is_success() { self.delivered.inc() } else { self.failed.inc() }
    }
}

/// Counts since the start, and how many there are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifierFigures {
    /// Requests that were taken.
    pub delivered: u64,
    /// Requests that were not.
    pub failed: u64,
    /// Events that were set aside.
    pub parked: u64,
    /// Subscriptions that were paused or disabled because of their receiver.
    pub stopped: u64,
    /// Subscriptions that are told.
    pub active: u64,
    /// Positions that the one furthest behind is behind its log.
    pub lag_positions_max: u64,
    /// Subscriptions whose receiver takes nothing.
    pub failing: u64,
    /// Streams of NATS that are published to.
    pub streams: u64,
    /// Those that nothing can be published to now.
    pub streams_failing: u64,
    /// Positions that the one furthest behind is behind its log.
    pub streams_lag_max: u64,
}

impl NotifierFigures {
    pub(crate) fn of(figures: &Figures) -> Self {
        Self {
            delivered: figures.delivered.get(),
            failed: figures.failed.get(),
            parked: figures.parked.get(),
            stopped: figures.stopped.get(),
            ..Self::default()
        }
    }
}
