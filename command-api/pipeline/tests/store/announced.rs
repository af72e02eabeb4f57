//! Somebody who delivers nothing and answers what the tests expect.

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline::{AnnounceError, Announcements, Awaited};
use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark,
};
use schemas::{Position, SubscriptionId, TenantId, Time};

/// Takes every address but those with `forbidden` in them, and keeps what it was asked.
#[derive(Default)]
pub(crate) struct Announced {
    pub(crate) replays: Mutex<Vec<NewReplay>>,
    pub(crate) trials: Mutex<Vec<Trial>>,
    pub(crate) feeds: Mutex<Vec<FeedQuery>>,
}

impl Announced {
    pub(crate) fn bound_to(store: &pipeline::Store) -> Arc<Self> {
        let announced = Arc::new(Self::default());
        store.announce_by(announced.clone());
        announced
    }
}

impl Announcements for Announced {
    fn check_url(&self, url: String) -> Awaited<()> {
        let reason = "the address is private".to_owned();
        let refused = url.contains("forbidden").then_some(AnnounceError::NotAllowed { reason });
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }

    fn state(&self, _: TenantId, _: SubscriptionId) -> Option<DeliveryState> {
        Some(DeliveryState { pending: 3, ..DeliveryState::default() })
    }

    fn attempts(&self, _: TenantId, _: SubscriptionId, _: bool, _: usize) -> Result<Vec<Attempt>, AnnounceError> {
        Ok(Vec::new())
    }

    fn parked(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Parked>, AnnounceError> {
        Ok(Vec::new())
    }

    fn unpark(&self, _: TenantId, _: SubscriptionId, position: Position, _: Unpark) -> Result<bool, AnnounceError> {
        Ok(position == Position(1))
    }

    fn test(&self, _: TenantId, _: SubscriptionId) -> Awaited<Attempt> {
        Box::pin(async { Err(AnnounceError::Failed { what: "nobody is there".to_owned() }) })
    }

    fn replay(&self, _: TenantId, _: SubscriptionId, replay: NewReplay) -> Result<Replay, AnnounceError> {
        self.replays.lock().push(replay);
        Err(AnnounceError::TooMany { what: "replays" })
    }

    fn replays(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Replay>, AnnounceError> {
        Ok(Vec::new())
    }

    fn cancel_replay(&self, _: TenantId, _: SubscriptionId, _: &str) -> Result<bool, AnnounceError> {
        Ok(false)
    }

    fn dry_run(&self, _: TenantId, trial: Trial) -> Result<DryRun, AnnounceError> {
        self.trials.lock().push(trial);
        Ok(DryRun { matched: 0, scanned: 0, shown: Vec::new(), next: None })
    }

    fn feed(&self, _: TenantId, query: FeedQuery) -> Result<FeedPage, AnnounceError> {
        self.feeds.lock().push(query);
        Ok(FeedPage::default())
    }

    fn reached(&self, _: TenantId, _: Position) -> Awaited<()> {
        Box::pin(async { Ok(()) })
    }
}

/// A time so many seconds after the tests' clocks began.
pub(crate) fn after_s(seconds: u64) -> Time {
    Time(1_800_000_000_000_000 + seconds * 1_000_000)
}
