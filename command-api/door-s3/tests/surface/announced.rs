//! Somebody who delivers nothing: with them bound, webhooks can be set.

use std::sync::Arc;

use pipeline::{AnnounceError, Announcements, Awaited, Store};
use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark,
};
use schemas::{Position, SubscriptionId, TenantId};

/// Takes every address but those with `forbidden` in them, and knows of no delivery.
pub(crate) struct Announced;

impl Announced {
    pub(crate) fn bind_to(store: &Store) {
        store.announce_by(Arc::new(Self));
    }
}

fn nothing<T>() -> Result<T, AnnounceError> {
    Err(AnnounceError::Failed { what: "nothing is delivered here".to_owned() })
}

impl Announcements for Announced {
    fn check_url(&self, url: String) -> Awaited<()> {
        let reason = "the address is private".to_owned();
        let refused = url.contains("forbidden").then_some(AnnounceError::NotAllowed { reason });
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }

    fn state(&self, _: TenantId, _: SubscriptionId) -> Option<DeliveryState> {
        None
    }

    fn attempts(&self, _: TenantId, _: SubscriptionId, _: bool, _: usize) -> Result<Vec<Attempt>, AnnounceError> {
        nothing()
    }

    fn parked(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Parked>, AnnounceError> {
        nothing()
    }

    fn unpark(&self, _: TenantId, _: SubscriptionId, _: Position, _: Unpark) -> Result<bool, AnnounceError> {
        nothing()
    }

    fn test(&self, _: TenantId, _: SubscriptionId) -> Awaited<Attempt> {
        Box::pin(async { nothing() })
    }

    fn replay(&self, _: TenantId, _: SubscriptionId, _: NewReplay) -> Result<Replay, AnnounceError> {
        nothing()
    }

    fn replays(&self, _: TenantId, _: SubscriptionId) -> Result<Vec<Replay>, AnnounceError> {
        nothing()
    }

    fn cancel_replay(&self, _: TenantId, _: SubscriptionId, _: &str) -> Result<bool, AnnounceError> {
        nothing()
    }

    fn dry_run(&self, _: TenantId, _: Trial) -> Result<DryRun, AnnounceError> {
        nothing()
    }

    fn feed(&self, _: TenantId, _: FeedQuery) -> Result<FeedPage, AnnounceError> {
        nothing()
    }

    fn reached(&self, _: TenantId, _: Position) -> Awaited<()> {
        Box::pin(async { Ok(()) })
    }
}
