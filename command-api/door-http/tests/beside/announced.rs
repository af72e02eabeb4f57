//! Somebody who delivers nothing and answers what the tests expect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pipeline::{AnnounceError, Announcements, Awaited};
use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedEvent, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark,
};
use schemas::{Epoch, EventId, Position, SubscriptionId, TenantId, Time};

use crate::kit::Api;

/// When everything of it happened.
const AT: Time = Time(1_800_000_000_000_000);

/// Takes every address but those with `forbidden` in them, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct Announced {
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) replays: Mutex<Vec<NewReplay>>,
    /// Whether the feed has an event at the position that it is asked for.
    pub(crate) has_events: AtomicBool,
}

impl Announced {
    pub(crate) fn bound_to(api: &Api) -> Arc<Self> {
        let announced = Arc::new(Self::default());
        api.store.announce_by(announced.clone());
        announced
    }

    /// What it was asked last, as Debug shows it.
    pub(crate) fn last(&self) -> String {
        self.asked.lock().pop().expect("it was asked")
    }

    fn note(&self, asked: &impl std::fmt::Debug) {
        self.asked.lock().push(format!("{asked:?}"));
    }
}

fn event(position: u64) -> EventId {
    EventId { epoch: Epoch(1), position: Position(position) }
}

fn attempt(event: Option<EventId>, error: Option<&str>) -> Attempt {
    Attempt {
        test: event.is_none().then(|| "evt_1_test_5".to_owned()),
        event,
        event_type: "s3:ObjectCreated:Put".to_owned(),
        number: 2,
        at: AT,
        latency_us: 1_500,
        status: Some(if error.is_some() { 500 } else { 204 }),
        error: error.map(str::to_owned),
        replay: None,
    }
}

fn replay(new: &NewReplay) -> Replay {
    Replay {
        id: "ab".repeat(16),
        created: AT,
        from: new.from,
        to: new.to.unwrap_or(Position(99)),
        position: new.from,
        url: new.url.clone(),
        per_second: new.per_second,
        delivered: 0,
        ended: None,
    }
}

impl Announcements for Announced {
    fn check_url(&self, url: String) -> Awaited<()> {
        let reason = "the address is private".to_owned();
        let refused = url.contains("forbidden").then_some(AnnounceError::NotAllowed { reason });
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }

    fn state(&self, _: TenantId, _: SubscriptionId) -> Option<DeliveryState> {
        let (position, head) = (Position(12), Position(40));
        Some(DeliveryState { position, head, pending: 3, in_flight: 1, ..DeliveryState::default() })
    }

    fn attempts(
        &self,
        _: TenantId,
        _: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, AnnounceError> {
        self.note(&(failed_alone, max));
        Ok(vec![attempt(Some(event(8)), Some("timed out")), attempt(Some(event(7)), None)])
    }

    fn parked(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Parked>, AnnounceError> {
        let (event_type, error) = ("s3:ObjectCreated:Put".to_owned(), "400".to_owned());
        Ok(vec![Parked { event: event(7), event_type, at: AT, attempts: 8, error }])
    }

    fn unpark(&self, _: TenantId, _: SubscriptionId, position: Position, what: Unpark) -> Result<bool, AnnounceError> {
        self.note(&what);
        Ok(position == Position(7))
    }

    fn test(&self, _: TenantId, _: SubscriptionId) -> Awaited<Attempt> {
        Box::pin(async { Ok(attempt(None, None)) })
    }

    fn replay(&self, _: TenantId, _: SubscriptionId, new: NewReplay) -> Result<Replay, AnnounceError> {
        if new.per_second == Some(7) {
            return Err(AnnounceError::TooMany { what: "replays" });
        }
        let began = replay(&new);
        self.replays.lock().push(new);
        Ok(began)
    }

    fn replays(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Replay>, AnnounceError> {
        Ok(self.replays.lock().iter().rev().map(replay).collect())
    }

    fn cancel_replay(&self, _: TenantId, _: SubscriptionId, id: &str) -> Result<bool, AnnounceError> {
        Ok(id == "ab".repeat(16))
    }

    fn dry_run(&self, _: TenantId, trial: Trial) -> Result<DryRun, AnnounceError> {
        self.note(&trial);
        let shown = vec![(event(7), r#"{"Records":[]}"#.to_owned())];
        Ok(DryRun { matched: 1, scanned: 9, shown, next: Some(Position(9)) })
    }

    fn feed(&self, _: TenantId, query: FeedQuery) -> Result<FeedPage, AnnounceError> {
        self.note(&query);
        let (from, head) = (query.from, Position(query.from.0 + 1));
        if !self.has_events.swap(false, Ordering::SeqCst) {
            return Ok(FeedPage { events: Vec::new(), next: from, head: from });
        }
        let json = format!("{{\"position\":{from}}}");
        let told = FeedEvent { event: event(from.0), event_type: "s3:ObjectCreated:Put", json };
        Ok(FeedPage { events: vec![told], next: head, head })
    }

    fn reached(&self, _: TenantId, _: Position) -> Awaited<()> {
        Box::pin(async {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            Ok(())
        })
    }
}
