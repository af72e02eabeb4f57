//! The seam to whoever delivers events: what doors may ask of the notifier, without knowing it.
//!
//! Owns: the questions. Does not own: their answers (notifier, bound by whoever wires the program), who may ask (the store).

use std::pin::Pin;

use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedPage, FeedQuery, NewReplay, Parked, Replay, Trial, Unpark,
};
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{BucketName, Position, SubscriptionId, TenantId, Time};
use secrecy::SecretString;

/// Why an answer of the notifier could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnounceError {
    /// Nothing may be sent there. Another address, or a network that the operator allows.
    #[error("{reason}")]
    NotAllowed {
        /// Why.
        reason: String,
    },
    /// There are too many of it. Some must end first.
    #[error("there are too many {what}")]
    TooMany {
        /// What.
        what: &'static str,
    },
    /// What is kept beside the log could not be read or written.
    #[error("{what}")]
    Failed {
        /// What happened.
        what: String,
    },
}

/// An answer on its way.
pub type Awaited<T> = Pin<Box<dyn Future<Output = Result<T, AnnounceError>> + Send>>;

/// Who delivers. Methods that return no future may read the disk: call them where one may block.
pub trait Announcements: Send + Sync {
    /// Whether anything may be sent to an address, as far as can be known before it is sent.
    fn check_url(&self, url: String) -> Awaited<()>;

    /// How a subscription stands; none of one that is not known yet.
    fn state(&self, tenant: TenantId, id: SubscriptionId) -> Option<DeliveryState>;

    /// Its last attempts, the newest first.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn attempts(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, AnnounceError>;

    /// Its parked events, by position.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn parked(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Parked>, AnnounceError>;

    /// Tries a parked event again, or forgets it. Whether it was there.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn unpark(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        position: Position,
        what: Unpark,
    ) -> Result<bool, AnnounceError>;

    /// Sends a test event, once.
    fn test(&self, tenant: TenantId, id: SubscriptionId) -> Awaited<Attempt>;

    /// Begins a replay. It goes on after a restart.
    ///
    /// # Errors
    /// [`AnnounceError`].
    fn replay(&self, tenant: TenantId, id: SubscriptionId, replay: NewReplay) -> Result<Replay, AnnounceError>;

    /// Replays of a subscription, the newest first.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn replays(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Replay>, AnnounceError>;

    /// Ends a replay. Whether it was there.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn cancel_replay(&self, tenant: TenantId, id: SubscriptionId, replay: &str) -> Result<bool, AnnounceError>;

    /// What would be sent, from history.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn dry_run(&self, tenant: TenantId, trial: Trial) -> Result<DryRun, AnnounceError>;

    /// A page of the change feed.
    ///
    /// # Errors
    /// [`AnnounceError::Failed`].
    fn feed(&self, tenant: TenantId, query: FeedQuery) -> Result<FeedPage, AnnounceError>;

    /// Waits until the tenant's log has an event at a position, or a few seconds. An error when nobody is to wait any more.
    fn reached(&self, tenant: TenantId, position: Position) -> Awaited<()>;
}

/// A subscription as its deliverer needs it.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The rule of a bucket's configuration that it is, and the bucket; none of a tenant's webhook.
    pub rule: Option<(BucketName, String)>,
    /// Where to.
    pub url: String,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Which events.
    pub filter: EventFilter,
    /// Whether it is told anything.
    pub status: SubscriptionStatus,
    /// The secrets that sign, `whsec_...`, the newest first, each with its end.
    pub secrets: Vec<(SecretString, Option<Time>)>,
    /// First position that it is told of.
    pub start: Position,
}
