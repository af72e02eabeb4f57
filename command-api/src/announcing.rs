//! The store and the notifier, each as the other needs it.
//!
//! Owns: translating questions and answers between the two.
//! Does not own: either.
//! Invariant: neither holds the other for longer than the program runs: the store lets go when it closes.

use std::pin::Pin;
use std::sync::Arc;

use notifier::{Clock, Directory, DirectoryError, EgressError, Names, Notifier, NotifierError};
use pipeline::{AnnounceError, Announcements, Awaited, Clock as _, Store, SystemClock};
use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark,
};
use schemas::subscription::SubscriptionStatus;
use schemas::{BucketId, BucketName, Position, SubscriptionId, TenantId, TenantName, Time};

/// The notifier, as doors ask it.
pub(crate) struct Announcing(pub(crate) Notifier);

fn not_allowed(error: &EgressError) -> AnnounceError {
    AnnounceError::NotAllowed { reason: error.to_string() }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
fn failed(error: NotifierError) -> AnnounceError {
    match &error {
        NotifierError::Egress(error) => not_allowed(error),
        NotifierError::Replays => AnnounceError::TooMany { what: "replays under way" },
        NotifierError::Unknown => {
            AnnounceError::NotAllowed { reason: "the webhook is not active, or was made a moment ago".to_owned() }
        }
        NotifierError::Directory(_)
        | NotifierError::Read { .. }
        | NotifierError::Thread(_)
        | NotifierError::Nats(_) => AnnounceError::Failed { what: error.to_string() },
    }
}

impl Announcements for Announcing {
    fn check_url(&self, url: String) -> Awaited<()> {
        let notifier = self.0.clone();
        Box::pin(async move { notifier.check_url(&url).await.map_err(|error| not_allowed(&error)) })
    }

    fn state(&self, tenant: TenantId, id: SubscriptionId) -> Option<DeliveryState> {
        self.0.state(tenant, id)
    }

    fn attempts(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, AnnounceError> {
        self.0.attempts(tenant, id, failed_alone, max).map_err(failed)
    }

    fn parked(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Parked>, AnnounceError> {
        self.0.parked(tenant, id).map_err(failed)
    }

    fn unpark(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        position: Position,
        what: Unpark,
    ) -> Result<bool, AnnounceError> {
        self.0.unpark(tenant, id, position, what).map_err(failed)
    }

    fn test(&self, tenant: TenantId, id: SubscriptionId) -> Awaited<Attempt> {
        let notifier = self.0.clone();
        Box::pin(async move { notifier.test(tenant, id).await.map_err(failed) })
    }

    fn replay(&self, tenant: TenantId, id: SubscriptionId, replay: NewReplay) -> Result<Replay, AnnounceError> {
        self.0.replay(tenant, id, replay).map_err(failed)
    }

    fn replays(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Replay>, AnnounceError> {
        self.0.replays(tenant, id).map_err(failed)
    }

    fn cancel_replay(&self, tenant: TenantId, id: SubscriptionId, replay: &str) -> Result<bool, AnnounceError> {
        self.0.cancel_replay(tenant, id, replay).map_err(failed)
    }

    fn dry_run(&self, tenant: TenantId, trial: Trial) -> Result<DryRun, AnnounceError> {
        self.0.dry_run(tenant, &trial).map_err(failed)
    }

    fn feed(&self, tenant: TenantId, query: FeedQuery) -> Result<FeedPage, AnnounceError> {
        self.0.feed(tenant, &query).map_err(failed)
    }

    fn reached(&self, tenant: TenantId, position: Position) -> Awaited<()> {
        let notifier = self.0.clone();
        Box::pin(async move {
            let stopping = || AnnounceError::Failed { what: "the server is stopping".to_owned() };
            notifier.reached(tenant, position).await.then_some(()).ok_or_else(stopping)
        })
    }
}

/// The store, as the notifier reads it.
pub(crate) struct Subscribers {
    pub(crate) store: Store,
    /// As payloads of S3 name it.
    pub(crate) region: Arc<str>,
}

fn unreadable(error: &dyn std::fmt::Display) -> DirectoryError {
    DirectoryError { what: error.to_string() }
}

impl Names for Subscribers {
    fn tenant(&self, tenant: TenantId) -> Option<TenantName> {
        self.store.tenant_name(tenant).ok().flatten()
    }

    fn bucket(&self, tenant: TenantId, bucket: BucketId) -> Option<BucketName> {
        self.store.bucket_name(tenant, bucket).ok().flatten()
    }

    fn region(&self) -> Option<Arc<str>> {
        Some(self.region.clone())
    }
}

impl Directory for Subscribers {
    fn tenants_subscribed(&self) -> Result<Vec<TenantId>, DirectoryError> {
        self.store.tenants_subscribed().map_err(|error| unreadable(&error))
    }

    fn tenants(&self) -> Result<Vec<(TenantId, TenantName)>, DirectoryError> {
        self.store.enabled_tenants().map_err(|error| unreadable(&error))
    }

    fn subscriptions(&self, tenant: TenantId) -> Result<Vec<notifier::Subscription>, DirectoryError> {
        let all = self.store.subscriptions(tenant).map_err(|error| unreadable(&error))?;
        let known = |it: pipeline::Subscription| notifier::Subscription {
            id: it.id,
            rule: it.rule.map(|(_, rule)| rule),
            url: it.url,
            format: it.format,
            mode: it.mode,
            filter: it.filter,
            status: it.status,
            secrets: it.secrets,
            start: it.start,
        };
        Ok(all.into_iter().map(known).collect())
    }

    fn stop(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        status: SubscriptionStatus,
    ) -> Pin<Box<dyn Future<Output = Result<(), DirectoryError>> + Send>> {
        let store = self.store.clone();
        Box::pin(async move {
            let stopped = store.stop_subscription(tenant, id, status).await;
            stopped.map(|_| ()).map_err(|error| unreadable(&error))
        })
    }
}

/// The system's time, and chance.
#[derive(Default)]
pub(crate) struct Now(SystemClock);

impl Clock for Now {
    fn wall(&self) -> Time {
        self.0.wall()
    }

    fn monotonic_us(&self) -> u64 {
        self.0.monotonic_us()
    }

    fn chance(&self) -> u64 {
        u64::from_be_bytes(pipeline::Ids.bytes())
    }
}

/// Binds the two to each other.
pub(crate) fn bind(store: &Store, notifier: &Notifier) {
    store.announce_by(Arc::new(Announcing(notifier.clone())));
}
