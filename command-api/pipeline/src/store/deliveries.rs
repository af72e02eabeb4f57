//! What is asked about deliveries: of the notifier, by callers who may.
//!
//! Owns: who may ask, which positions the points of a question are, what its errors are to a client.
//! Does not own: the answers ([`crate::Announcements`]).
//! Invariants: whoever asks about a subscription has it in their own tenant. What is told of a bucket's events is told to keys that
//! may read its history.

use std::sync::Arc;

use domain::policy::{Resource, authorise, authorise_everywhere};
use domain::{Refusal, webhook};
use schemas::action::Action;
use schemas::announcement::{EVENT_TYPES, covers};
use schemas::delivery::{Attempt, DryRun, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark};
use schemas::subscription::EventFilter;
use schemas::{EventId, Position, SubscriptionId, TenantId};

use super::webhooks::managing;
use super::{Inner, Store, internal, situation};
use crate::announcements::{AnnounceError, Announcements};
use crate::api::{AskedFeed, AskedReplay, AskedTrial, Caller, Point, Span, StoreError};

/// Most types and most buckets that a part of the feed is asked for by.
const FEED_WORDS_MAX: usize = 50;
/// Most events a second of a replay.
const PER_SECOND_MAX: u32 = 100_000;

impl Store {
    /// The last attempts of a subscription, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        self.inner.ask(move |announcements| announcements.attempts(tenant, id, failed_alone, max)).await
    }

    /// Events of a subscription that were set aside, by position.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parked(&self, caller: &Caller, id: SubscriptionId) -> Result<Vec<Parked>, StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        self.inner.ask(move |announcements| announcements.parked(tenant, id)).await
    }

    /// Tries an event that was set aside again, or forgets it.
    ///
    /// # Errors
    /// [`Refusal::NoSuchWebhook`] when it was not set aside.
    pub async fn unpark(
        &self,
        caller: &Caller,
        id: SubscriptionId,
        position: Position,
        what: Unpark,
    ) -> Result<(), StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        found(self.inner.ask(move |announcements| announcements.unpark(tenant, id, position, what)).await?)
    }

    /// Sends a test event to a subscription, once.
    ///
    /// # Errors
    /// [`StoreError`]. That the receiver did not take it is no error.
    pub async fn test_subscription(&self, caller: &Caller, id: SubscriptionId) -> Result<Attempt, StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        self.inner.announcements.get()?.test(tenant, id).await.map_err(announce_error)
    }

    /// Tells a subscription, or another address, of past events again.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has begun then.
    pub async fn replay(&self, caller: &Caller, id: SubscriptionId, asked: AskedReplay) -> Result<Replay, StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        let AskedReplay { span, url, filter, per_second } = asked;
        filter.as_ref().map_or(Ok(()), webhook::check_filter)?;
        if per_second.is_some_and(|rate| rate == 0 || rate > PER_SECOND_MAX) {
            let reason = "`ratePerSecond` is 1 to 100000.";
            return Err(Refusal::InvalidArgument { name: "ratePerSecond", reason }.into());
        }
        if let Some(url) = url.as_deref() {
            webhook::check_url(url)?;
            self.inner.check_destinations([url]).await?;
        }
        let (from, to) = self.inner.positions(tenant, span)?;
        let replay = NewReplay { from, to, url, filter, per_second };
        self.inner.ask(move |announcements| announcements.replay(tenant, id, replay)).await
    }

    /// Replays of a subscription, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn replays(&self, caller: &Caller, id: SubscriptionId) -> Result<Vec<Replay>, StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        self.inner.ask(move |announcements| announcements.replays(tenant, id)).await
    }

    /// Ends a replay.
    ///
    /// # Errors
    /// [`Refusal::NoSuchWebhook`] for one that there is not.
    pub async fn cancel_replay(&self, caller: &Caller, id: SubscriptionId, replay: &str) -> Result<(), StoreError> {
        let tenant = self.inner.subscribed(caller, id).await?;
        let replay = replay.to_owned();
        found(self.inner.ask(move |announcements| announcements.cancel_replay(tenant, id, &replay)).await?)
    }

    /// What a subscription would be told, from history. At most `shown_max` events are shown.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dry_run_of(
        &self,
        caller: &Caller,
        id: SubscriptionId,
        span: Span,
        shown_max: usize,
    ) -> Result<DryRun, StoreError> {
        managing(caller)?;
        let asked = self.inner.known_subscription(caller.tenant, id).await?;
        self.inner.dry_run(caller, asked, span, shown_max).await
    }

    /// What a subscription that there is not yet would be told.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dry_run(
        &self,
        caller: &Caller,
        asked: AskedTrial,
        span: Span,
        shown_max: usize,
    ) -> Result<DryRun, StoreError> {
        managing(caller)?;
        webhook::check_filter(&asked.filter)?;
        self.inner.dry_run(caller, asked, span, shown_max).await
    }

    /// A page of the change feed. A key for some buckets, or some keys in them, gets what it asks for by their names.
    ///
    /// # Errors
    /// [`StoreError`]: also once the caller's key has stopped to work, so that whoever follows the feed is told no more.
    pub async fn feed(&self, caller: &Caller, asked: AskedFeed) -> Result<FeedPage, StoreError> {
        let (inner, tenant) = (&self.inner, caller.tenant);
        let AskedFeed { from, filter, max } = asked;
        check_feed(&filter)?;
        may_read(caller, &filter)?;
        let from = {
            let snapshot = inner.log.snapshot();
            let rows: &dyn event_log::Snapshot = snapshot.as_ref();
            situation::still_works(rows, caller)?;
            if caller.circumstances.key.expires.is_some_and(|expires| expires <= inner.clock.wall()) {
                return Err(Refusal::AccessDenied.into());
            }
            inner.position_of(rows, tenant, from)?
        };
        inner.ask(move |announcements| announcements.feed(tenant, FeedQuery { from, filter, max })).await
    }
}

impl Store {
    /// Where whoever read the log of the caller's tenant up to an event goes on: behind it, or where a new epoch of the log began
    /// before its place.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`] for an event that the log has not come to; the key may not read history.
    pub fn behind(&self, caller: &Caller, read: EventId) -> Result<Position, StoreError> {
        let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
        authorise(scopes, Action::ReadHistory, Resource::Tenant)?;
        self.inner.position_behind(self.inner.log.snapshot().as_ref(), caller.tenant, read)
    }

    /// The position of a point in the log of the caller's tenant.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`]; the key may not read history.
    pub fn position_at(&self, caller: &Caller, point: Point) -> Result<Position, StoreError> {
        let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
        authorise(scopes, Action::ReadHistory, Resource::Tenant)?;
        self.inner.position_of(self.inner.log.snapshot().as_ref(), caller.tenant, point)
    }
}

/// What was asked for by its id.
fn found(is_there: bool) -> Result<(), StoreError> {
    if is_there { Ok(()) } else { Err(Refusal::NoSuchWebhook.into()) }
}

fn check_feed(filter: &EventFilter) -> Result<(), Refusal> {
    let EventFilter { events, buckets, .. } = filter;
    if events.len() > FEED_WORDS_MAX || buckets.len() > FEED_WORDS_MAX {
        let reason = "at most 50 types and 50 buckets can be asked for.";
        return Err(Refusal::InvalidArgument { name: "type", reason });
    }
    let is_known = |pattern: &String| EVENT_TYPES.iter().any(|known| covers(pattern, known.name));
    if !events.iter().all(is_known) {
        return Err(Refusal::InvalidArgument { name: "type", reason: "`type` is one that no event has." });
    }
    Ok(())
}

fn may_read(caller: &Caller, filter: &EventFilter) -> Result<(), Refusal> {
    let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
    let action = Action::ReadHistory;
    if filter.buckets.is_empty() {
        return authorise_everywhere(scopes, action);
    }
    let prefix = filter.prefix.as_deref().unwrap_or_default();
    filter.buckets.iter().try_for_each(|bucket| authorise(scopes, action, Resource::Prefix(bucket, prefix)))
}

/// What an error of whoever delivers is to who asked.
pub(super) fn announce_error(error: AnnounceError) -> StoreError {
    match error {
        AnnounceError::NotAllowed { reason } => Refusal::DestinationNotAllowed { reason }.into(),
        AnnounceError::TooMany { what } => Refusal::TooMany { what }.into(),
        AnnounceError::Failed { what } => StoreError::Internal { what },
    }
}

impl Inner {
    /// The caller's tenant, if the caller may look after webhooks and it has the subscription.
    async fn subscribed(self: &Arc<Self>, caller: &Caller, id: SubscriptionId) -> Result<TenantId, StoreError> {
        managing(caller)?;
        self.known_subscription(caller.tenant, id).await?;
        Ok(caller.tenant)
    }

    /// A webhook, or a rule of a bucket, which is looked for among all of them.
    async fn known_subscription(
        self: &Arc<Self>,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<AskedTrial, StoreError> {
        let inner = Arc::clone(self);
        let looking = tokio::task::spawn_blocking(move || inner.trial_of(tenant, id));
        let known = looking.await.map_err(|error| internal(&error))??;
        known.ok_or_else(|| Refusal::NoSuchWebhook.into())
    }

    /// Asks whoever delivers, where one may block.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Announcements) -> Result<T, AnnounceError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let announcements = self.announcements.get()?;
        let asking = tokio::task::spawn_blocking(move || question(announcements.as_ref()));
        asking.await.map_err(|error| internal(&error))?.map_err(announce_error)
    }

    async fn dry_run(
        &self,
        caller: &Caller,
        asked: AskedTrial,
        span: Span,
        shown_max: usize,
    ) -> Result<DryRun, StoreError> {
        let tenant = caller.tenant;
        // What it shows is history.
        authorise_everywhere(caller.scopes().ok_or(Refusal::AccessDenied)?, Action::ReadHistory)?;
        let (from, to) = self.positions(tenant, span)?;
        let AskedTrial { filter, format, mode } = asked;
        let trial = Trial { filter, format, mode, from, to, shown_max };
        self.ask(move |announcements| announcements.dry_run(tenant, trial)).await
    }

    fn positions(&self, tenant: TenantId, span: Span) -> Result<(Position, Option<Position>), StoreError> {
        let snapshot = self.log.snapshot();
        let from = self.position_of(snapshot.as_ref(), tenant, span.from)?;
        let to = span.to.map(|to| self.position_of(snapshot.as_ref(), tenant, to)).transpose()?;
        if to.is_some_and(|to| to < from) {
            return Err(Refusal::InvalidArgument { name: "to", reason: "`to` is before `from`." }.into());
        }
        Ok((from, to))
    }
}
