//! Who hears of what happens in a bucket.

use serde::{Deserialize, Serialize};

use crate::BucketId;
use crate::subscription::RuleWebhook;

/// A bucket's notification configuration was replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketNotificationSet {
    /// Its id.
    pub bucket: BucketId,
    /// What holds now; none when it was removed.
    pub configuration: Option<NotificationConfiguration>,
}

/// What S3 calls a notification configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationConfiguration {
    /// Who is told of what, in the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<NotificationRule>,
    /// Whether every event goes to the tenant's event bus too.
    #[serde(default)]
    pub event_bus: bool,
}

/// One destination and what it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRule {
    /// Its name, unique in the bucket.
    pub id: String,
    /// What kind of thing is told.
    pub destination: DestinationKind,
    /// Which one, as an ARN.
    pub arn: String,
    /// Names of events, such as `s3:ObjectCreated:*`.
    pub events: Vec<String>,
    /// Only keys that begin with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only keys that end with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
    /// What makes it a subscription, of a destination that is a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<RuleWebhook>,
}

/// What kind of thing is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// A topic.
    Topic,
    /// A function.
    Function,
}
