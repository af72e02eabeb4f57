//! Subscriptions: who is told of which events, where and how.
//!
//! Owns: the words of a subscription that stand in events and rows.
//! Does not own: which are valid (domain), names of what is told ([`crate::announcement`]), delivery (notifier).
//! Invariant: secrets stand here sealed, never in the clear.

use serde::{Deserialize, Serialize};

use crate::{BucketName, Position, SubscriptionId, Time};

/// In which shape events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayloadFormat {
    /// `{"Records":[...]}`, as AWS S3 sends it (event version 2.1).
    S3,
    /// `CloudEvents` 1.0 as JSON.
    CloudEvents,
    /// The event of the log as JSON.
    Native,
}

/// What must be told one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryMode {
    /// Events of one object key; other keys flow past one that waits.
    #[default]
    Key,
    /// Events of one bucket.
    Bucket,
    /// All events.
    Strict,
    /// None.
    Unordered,
}

/// Whether anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubscriptionStatus {
    /// Yes.
    #[default]
    Active,
    /// Not until somebody resumes it: then it goes on where it stopped.
    Paused {
        /// Why.
        reason: String,
    },
    /// The receiver said that it is gone (410). It goes on where it stopped when somebody resumes it.
    Disabled {
        /// Why.
        reason: String,
    },
}

/// Which events are told. What is none does not filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventFilter {
    /// Types: names, groups that end with `:*`, or `*`. Empty is none.
    pub events: Vec<String>,
    /// Only these buckets, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<BucketName>,
    /// Only keys that begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only keys that end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// Only objects of at least so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes_min: Option<u64>,
    /// Only objects of at most so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes_max: Option<u64>,
}

/// The secrets that requests are signed with, sealed under the tenant's key for this subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningSecrets {
    /// The secret.
    #[serde(with = "serde_bytes")]
    pub current: Vec<u8>,
    /// When it was made.
    pub since: Time,
    /// The one before, for as long as it signs too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousSecret>,
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSecret {
    /// The secret.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// From when on it signs no more.
    pub until: Time,
}

/// A tenant's webhook, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where events are posted.
    pub url: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Which events.
    pub filter: EventFilter,
    /// Whether it is told anything.
    pub status: SubscriptionStatus,
    /// Its secrets.
    pub secrets: SigningSecrets,
}

/// What makes a rule of a bucket's notification configuration a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleWebhook {
    /// Its own id: that of the rule is unique in its bucket alone.
    pub subscription: SubscriptionId,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Whether it is told anything.
    #[serde(default)]
    pub status: SubscriptionStatus,
    /// Its secrets.
    pub secrets: SigningSecrets,
    /// First position that it is told of, once an event after the one that made it names it; in that one none, which means
    /// the position behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Position>,
}
