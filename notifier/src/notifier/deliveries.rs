//! How deliveries stand, and what may be done about them.
//!
//! Owns: the answers about one subscription. Those that are not async may read the disk.
//! Does not own: who may ask (pipeline).

use std::sync::Arc;

use reqwest::Url;
use schemas::delivery::{Attempt, DeliveryState, Parked, Unpark};
use schemas::{Position, RequestId, SubscriptionId, TenantId};

use super::{Notifier, NotifierError, unreadable};
use crate::egress::EgressError;
use crate::sender::Outgoing;
use crate::signature::Signer;
use crate::state::Place;
use crate::translation::TestEvent;

impl Notifier {
    /// Whether anything may be sent to a URL.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn check_url(&self, url: &str) -> Result<(), EgressError> {
        self.0.shared.sender.resolver().check_url(url).await
    }

    /// How a subscription stands; none of one that is not known yet.
    #[must_use]
    pub fn state(&self, tenant: TenantId, id: SubscriptionId) -> Option<DeliveryState> {
        let place = Place::of(tenant, id);
        let head = self.0.shared.history.head(tenant).ok()?;
        if let Some(told) = self.told(tenant, place, id) {
            return Some(DeliveryState { head, ..told.shown.lock().clone() });
        }
        let subscription = self.subscription(tenant, id)?;
        let found = self.0.shared.journal.find_now(place).ok().flatten();
        let parked = self.0.shared.journal.parked_now(place).map_or(0, |parked| parked.len() as u64);
        let state = found.map(|found| found.state).unwrap_or_default();
        let position = state.next.max(subscription.start);
        let (failing_since, delivered_at) = (state.failing_since, state.delivered_at);
        Some(DeliveryState { position, head, parked, failing_since, delivered_at, ..DeliveryState::default() })
    }

    /// The last attempts, the newest first: those of a subscription and of its replays.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn attempts(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, NotifierError> {
        let (journal, place) = (&self.0.shared.journal, Place::of(tenant, id));
        let mut kept = journal.attempts(place, failed_alone, max).map_err(|error| unreadable(&error))?;
        for (replay, _) in journal.replays_now(place).map_err(|error| unreadable(&error))? {
            let of_replay = journal.attempts_now(Place { tenant, id: replay }, failed_alone, max);
            kept.extend(of_replay.map_err(|error| unreadable(&error))?);
        }
        kept.sort_by_key(|attempt| std::cmp::Reverse((attempt.at, attempt.number)));
        kept.truncate(max);
        let shown = kept.into_iter().map(|kept| Attempt {
            event: kept.event,
            event_type: kept.event_type,
            number: kept.attempt,
            test: None,
            at: kept.at,
            latency_us: kept.latency_us,
            status: kept.status,
            error: kept.error,
            replay: kept.replay,
        });
        Ok(shown.collect())
    }

    /// Parked events, by position.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn parked(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Parked>, NotifierError> {
        let kept = self.0.shared.journal.parked(Place::of(tenant, id)).map_err(|error| unreadable(&error))?;
        let shown = kept.into_iter().map(|kept| Parked {
            event: kept.event,
            event_type: kept.event_type,
            at: kept.at,
            attempts: kept.attempts,
            error: kept.error,
        });
        Ok(shown.collect())
    }

    /// Tries a parked event again, or forgets it. Whether it was there.
    ///
    /// # Errors
    /// [`NotifierError`].
    pub fn unpark(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        position: Position,
        what: Unpark,
    ) -> Result<bool, NotifierError> {
        let place = Place::of(tenant, id);
        let parked = self.0.shared.journal.parked(place).map_err(|error| unreadable(&error))?;
        if !parked.iter().any(|kept| kept.event.position == position) {
            return Ok(false);
        }
        let told = self.told(tenant, place, id);
        match (what, told) {
            (Unpark::Discard, told) => {
                self.0.shared.journal.unpark(place, position);
                if let Some(told) = told {
                    let mut shown = told.shown.lock();
                    shown.parked = shown.parked.saturating_sub(1);
                }
            }
            (Unpark::Replay, Some(told)) => {
                told.again.lock().push_back(position);
                told.wake.notify_one();
            }
            // Of one that rests nothing is sent.
            (Unpark::Replay, None) => return Err(NotifierError::Unknown),
        }
        Ok(true)
    }

    /// Sends a test event, once.
    ///
    /// # Errors
    /// [`NotifierError::Unknown`].
    pub async fn test(&self, tenant: TenantId, id: SubscriptionId) -> Result<Attempt, NotifierError> {
        // It may have been made or changed a moment ago.
        self.refresh(tenant).await?;
        let subscription = self.subscription(tenant, id).ok_or(NotifierError::Unknown)?;
        let shared = &self.0.shared;
        let url = Url::parse(&subscription.url).map_err(|_| EgressError::Malformed)?;
        let directory = shared.directory.clone();
        let tenant_name = tokio::task::spawn_blocking(move || directory.tenant(tenant)).await.ok().flatten();
        let nonce = format!("{:016x}", shared.clock.chance());
        let test = TestEvent {
            tenant,
            tenant_name,
            bucket_name: subscription.rule.as_ref().and_then(|_| subscription.filter.buckets.first().cloned()),
            subscription: id,
            time: shared.clock.wall(),
            request: RequestId(nonce.clone()),
            nonce,
        };
        let name = test.webhook_id();
        let outgoing = Outgoing {
            url: Arc::new(url),
            id: name.clone(),
            event_type: TestEvent::TYPE.to_owned(),
            format: subscription.format,
            body: test.body(subscription.format),
            attempt: 1,
            position: None,
            prev: None,
            replay: None,
        };
        let outcome = shared.sender.send(&Signer::new(&subscription.secrets), outgoing).await;
        Ok(Attempt {
            event: None,
            event_type: TestEvent::TYPE.to_owned(),
            number: 1,
            test: Some(name),
            at: outcome.at,
            latency_us: outcome.latency_us,
            status: outcome.status,
            error: outcome.error,
            replay: None,
        })
    }
}
