//! Webhooks, rules of buckets that post to one, and what is asked about deliveries.

use schemas::delivery::DeliveryState;
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{Position, SubscriptionId, Time};
use secrecy::SecretString;

use super::Point;

/// A webhook that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateWebhook {
    /// Where events are to be posted.
    pub url: String,
    /// What people are to call it.
    pub name: Option<String>,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Which events.
    pub filter: EventFilter,
    /// Whether it is to begin paused.
    pub paused: bool,
    /// From where on.
    pub start: Point,
}

/// A webhook, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookInfo {
    /// Its id.
    pub id: SubscriptionId,
    /// Where events are posted.
    pub url: String,
    /// What people call it.
    pub name: Option<String>,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
    /// Which events.
    pub filter: EventFilter,
    /// Whether it is told anything.
    pub status: SubscriptionStatus,
    /// When it was made.
    pub created: Time,
    /// When it was changed last.
    pub updated: Time,
    /// First position that it is told of.
    pub start: Position,
    /// When it got its present secret.
    pub secret_since: Time,
    /// Until when the secret before signs too, if it still does.
    pub previous_until: Option<Time>,
    /// How its deliveries stand, where that was asked for and somebody delivers.
    pub delivery: Option<DeliveryState>,
}

/// A signing secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct NewSigningSecret {
    /// `whsec_...`.
    pub secret: SecretString,
    /// Until when the one before signs too.
    pub previous_until: Option<Time>,
    /// Where the change stands in the log.
    pub position: Position,
}

/// How a rule of a bucket is to be told. What is none stays as it was, or is as AWS has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskedDelivery {
    /// In which shape.
    pub format: Option<PayloadFormat>,
    /// In which order.
    pub mode: Option<DeliveryMode>,
}

/// Part of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub from: Point,
    /// Where it ends, which it does not contain; none for where the log ends.
    pub to: Option<Point>,
}

/// Past events that are to be told again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedReplay {
    /// Which part of the log.
    pub span: Span,
    /// Where to; none for where the subscription's go.
    pub url: Option<String>,
    /// Which events; none for the subscription's own.
    pub filter: Option<EventFilter>,
    /// Most events a second; none for as many as are taken.
    pub per_second: Option<u32>,
}

/// A subscription that there is not yet, to be tried on history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedTrial {
    /// Which events.
    pub filter: EventFilter,
    /// In which shape.
    pub format: PayloadFormat,
    /// In which order.
    pub mode: DeliveryMode,
}

/// Which part of the change feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedFeed {
    /// Where it begins.
    pub from: Point,
    /// Which events. Without types it is all, those that no subscription is told of included.
    pub filter: EventFilter,
    /// Most events of the answer.
    pub max: usize,
}
