//! Subscriptions as their deliverer has them, and where they come from.
//!
//! Owns: the seam to whoever keeps them. Does not own: which are valid, how they are kept (pipeline, bound in the wiring).

use std::pin::Pin;

use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{Position, SubscriptionId, TenantId, TenantName, Time};
use secrecy::SecretString;

use crate::announcement::Names;

/// A subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The rule of a bucket's configuration that it is; none of a tenant's webhook.
    pub rule: Option<String>,
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
    /// The secrets that sign, the newest first, each with its end.
    pub secrets: Vec<(SecretString, Option<Time>)>,
    /// First position that it is told of.
    pub start: Position,
}

/// What was to be known could not be read, or what was to be said not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DirectoryError {
    /// What happened.
    pub what: String,
}

/// Who subscribes. Methods that return no future may read the disk.
pub trait Directory: Names {
    /// Tenants that have any subscription.
    ///
    /// # Errors
    /// [`DirectoryError`].
    fn tenants_subscribed(&self) -> Result<Vec<TenantId>, DirectoryError>;

    /// All tenants that work.
    ///
    /// # Errors
    /// [`DirectoryError`].
    fn tenants(&self) -> Result<Vec<(TenantId, TenantName)>, DirectoryError>;

    /// The subscriptions of a tenant; none of one that is disabled.
    ///
    /// # Errors
    /// [`DirectoryError`].
    fn subscriptions(&self, tenant: TenantId) -> Result<Vec<Subscription>, DirectoryError>;

    /// Records that a subscription is told nothing any more.
    fn stop(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        status: SubscriptionStatus,
    ) -> Pin<Box<dyn Future<Output = Result<(), DirectoryError>> + Send>>;
}
