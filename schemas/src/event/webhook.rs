//! Events about a tenant's webhooks.

use serde::{Deserialize, Serialize};

use crate::subscription::Webhook;
use crate::{Position, SubscriptionId};

/// A webhook was made or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookSet {
    /// Which.
    pub id: SubscriptionId,
    /// What was done.
    pub change: WebhookChange,
    /// What it is now, whole.
    pub webhook: Webhook,
    /// First position that a new one is told of; none for the one behind this event. Of no meaning in a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Position>,
}

/// What was done to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookChange {
    /// It was made.
    Created,
    /// Somebody changed what it is, or whether it is told anything.
    Updated,
    /// It got another secret.
    SecretRotated,
    /// The notifier stopped telling it: retries ran out, or the receiver is gone.
    Stopped,
}

/// A webhook was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDeleted {
    /// Which.
    pub id: SubscriptionId,
}
