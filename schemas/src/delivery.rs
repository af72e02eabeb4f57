//! What is known of deliveries: attempts, parked events, replays, dry runs, the change feed.
//!
//! Owns: the shapes that cross from the notifier to whoever asks.
//! Does not own: how they are kept (notifier), who may ask (pipeline), JSON (doors).

use crate::subscription::{DeliveryMode, EventFilter, PayloadFormat};
use crate::{EventId, Position, Time};

/// How a subscription stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryState {
    /// Everything before it was delivered or passed over.
    pub position: Position,
    /// Where the log ends: the position that its next event gets.
    pub head: Position,
    /// Events that were looked at, match, and are not delivered yet.
    pub pending: u64,
    /// Requests under way.
    pub in_flight: u64,
    /// Events that were set aside.
    pub parked: u64,
    /// Since when nothing has been delivered although it was tried.
    pub failing_since: Option<Time>,
    /// When an event was delivered last.
    pub delivered_at: Option<Time>,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The event; none of a test.
    pub event: Option<EventId>,
    /// What a test is called, as its request says.
    pub test: Option<String>,
    /// Its type.
    pub event_type: String,
    /// Which attempt at this event, from 1.
    pub number: u32,
    /// When it began.
    pub at: Time,
    /// How long it took, microseconds.
    pub latency_us: u64,
    /// Status of the answer, if one came.
    pub status: Option<u16>,
    /// Why it failed; none if it did not.
    pub error: Option<String>,
    /// The replay that it was part of.
    pub replay: Option<String>,
}

/// An event that was set aside: others are delivered past it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// The event.
    pub event: EventId,
    /// Its type.
    pub event_type: String,
    /// When it was set aside.
    pub at: Time,
    /// Attempts until then.
    pub attempts: u32,
    /// Why the last one failed.
    pub error: String,
}

/// What is to become of a parked event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpark {
    /// It is tried again, at once.
    Replay,
    /// It is forgotten.
    Discard,
}

/// Past events that are to be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReplay {
    /// First position.
    pub from: Position,
    /// Position behind the last; none for where the log ends when it is asked.
    pub to: Option<Position>,
    /// Where to; none for where the subscription's go.
    pub url: Option<String>,
    /// Which; none for the subscription's own.
    pub filter: Option<EventFilter>,
    /// Most events a second; none for as many as are taken.
    pub per_second: Option<u32>,
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its id: 32 hex digits.
    pub id: String,
    /// When it was asked for.
    pub created: Time,
    /// First position.
    pub from: Position,
    /// Position behind the last.
    pub to: Position,
    /// Everything before it was delivered or passed over.
    pub position: Position,
    /// Where to; none for where the subscription's go.
    pub url: Option<String>,
    /// Most events a second.
    pub per_second: Option<u32>,
    /// Events that were delivered.
    pub delivered: u64,
    /// Whether it has ended.
    pub ended: Option<ReplayEnd>,
}

/// How a replay ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayEnd {
    /// Everything was delivered, or parked.
    Done,
    /// Somebody ended it.
    Cancelled,
    /// Its receiver took nothing for as long as retries last.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What a subscription is, as far as telling what it would be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Which events.
    pub filter: EventFilter,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// First position.
    pub from: Position,
    /// Position behind the last; none for where the log ends.
    pub to: Option<Position>,
    /// Most events that are shown.
    pub shown_max: usize,
}

/// What would have been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// How many events.
    pub matched: u64,
    /// How many were looked at.
    pub scanned: u64,
    /// The first of them, each as the body of its request: JSON.
    pub shown: Vec<(EventId, String)>,
    /// Where to go on, when there was too much to look at in one answer.
    pub next: Option<Position>,
}

/// Which part of the change feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedQuery {
    /// First position.
    pub from: Position,
    /// Which events; those that are not announced too, unless it names types.
    pub filter: EventFilter,
    /// Most events of a page.
    pub max: usize,
}

/// A page of the change feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedPage {
    /// Events, each with its type and as JSON in the native shape.
    pub events: Vec<FeedEvent>,
    /// Where to go on: behind everything that was looked at.
    pub next: Position,
    /// Where the log ends: the position that its next event gets.
    pub head: Position,
}

/// An event of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Which.
    pub event: EventId,
    /// Its type.
    pub event_type: &'static str,
    /// The native shape: JSON.
    pub json: String,
}
