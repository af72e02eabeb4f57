//! What events about webhooks and notification configurations say: everything but what signs, and an address's query.

use std::borrow::Cow;

use schemas::BucketName;
use schemas::event::{self, DestinationKind, NotificationRule, WebhookChange};
use schemas::subscription::{DeliveryMode, PayloadFormat, RuleWebhook, SigningSecrets, SubscriptionStatus};

use crate::translation::shape::shapes;
use crate::translation::text::{Moment, SubscriptionText, Text, shown_address};

shapes! {
    /// A webhook as it is now.
    struct WebhookSet<'a> {
        /// Which.
        webhook: Text<SubscriptionText>,
        /// `created`, `updated`, `secret-rotated` or `stopped`.
        change: &'static str,
        /// Where events are posted, without the query.
        url: Cow<'a, str>,
        /// What people call it.
        name: Option<&'a str>,
        /// `s3`, `cloudevents` or `native`.
        format: &'static str,
        /// `key`, `bucket`, `strict` or `unordered`.
        mode: &'static str,
        /// Types that it is told of: names, groups that end with `:*`, or `*`.
        events: &'a [String],
        /// Only these buckets; empty for all.
        buckets: Vec<&'a str>,
        /// Only keys that begin with it.
        prefix: Option<&'a str>,
        /// Only keys that end with it.
        suffix: Option<&'a str>,
        /// Only objects of at least so many bytes.
        min_size_bytes: Option<u64>,
        /// Only objects of at most so many bytes.
        max_size_bytes: Option<u64>,
        /// `active`, `paused` or `disabled`.
        status: &'static str,
        /// Why it is not active.
        status_reason: Option<&'a str>,
        /// First position that a new one is told of; absent for the one behind this event.
        start_position: Option<u64>,
        /// When its secret was made.
        secret_rotated_at: Moment,
        /// Until when the secret before signs too.
        previous_secret_expires_at: Option<Moment>,
    }

    /// A webhook that was deleted.
    struct WebhookDeleted {
        /// Which.
        webhook: Text<SubscriptionText>,
    }

    /// A bucket's notification configuration.
    struct NotificationSet<'a> {
        /// All its rules from now on; absent when it was removed.
        rules: Option<Vec<NotificationRuleShape<'a>>>,
        /// Whether every event goes to the tenant's event bus too.
        event_bus: Option<bool>,
    }

    /// One destination and what it is told.
    struct NotificationRuleShape<'a> {
        /// Its name, unique in the bucket.
        id: &'a str,
        /// `queue`, `topic` or `function`: how its author called the destination.
        destination: &'static str,
        /// The destination. Of an address without the query.
        arn: Cow<'a, str>,
        /// Names of events.
        events: &'a [String],
        /// Only keys that begin with it.
        prefix: Option<&'a str>,
        /// Only keys that end with it.
        suffix: Option<&'a str>,
        /// What makes it a subscription.
        webhook: Option<RuleWebhookShape<'a>>,
    }

    /// What makes a rule a subscription.
    struct RuleWebhookShape<'a> {
        /// The subscription.
        subscription: Text<SubscriptionText>,
        /// `s3`, `cloudevents` or `native`.
        format: &'static str,
        /// `key`, `bucket`, `strict` or `unordered`.
        mode: &'static str,
        /// `active`, `paused` or `disabled`.
        status: &'static str,
        /// Why it is not active.
        status_reason: Option<&'a str>,
        /// First position that it is told of; absent in the event that made it, for the one behind that.
        start_position: Option<u64>,
        /// When its secret was made.
        secret_rotated_at: Moment,
        /// Until when the secret before signs too.
        previous_secret_expires_at: Option<Moment>,
    }
}

impl<'a> WebhookSet<'a> {
    pub(super) fn of(set: &'a event::WebhookSet) -> Self {
        let webhook = &set.webhook;
        let filter = &webhook.filter;
        let (status, status_reason) = status(&webhook.status);
        Self {
            webhook: Text(SubscriptionText(set.id)),
            change: match set.change {
                WebhookChange::Created => "created",
                WebhookChange::Updated => "updated",
                WebhookChange::SecretRotated => "secret-rotated",
                WebhookChange::Stopped => "stopped",
            },
            url: shown_address(&webhook.url),
            name: webhook.name.as_deref(),
            format: format_name(webhook.format),
            mode: mode_name(webhook.mode),
            events: &filter.events,
            buckets: filter.buckets.iter().map(BucketName::as_str).collect(),
            prefix: filter.prefix.as_deref(),
            suffix: filter.suffix.as_deref(),
            min_size_bytes: filter.size_bytes_min,
            max_size_bytes: filter.size_bytes_max,
            status,
            status_reason,
            start_position: set.start.map(|start| start.0),
            secret_rotated_at: Moment(webhook.secrets.since),
            previous_secret_expires_at: previous_ends(&webhook.secrets),
        }
    }
}

impl WebhookDeleted {
    pub(super) fn of(deleted: event::WebhookDeleted) -> Self {
        Self { webhook: Text(SubscriptionText(deleted.id)) }
    }
}

impl<'a> NotificationSet<'a> {
    pub(super) fn of(set: &'a event::BucketNotificationSet) -> Self {
        let configuration = set.configuration.as_ref();
        Self {
            rules: configuration.map(|it| it.rules.iter().map(NotificationRuleShape::of).collect()),
            event_bus: configuration.map(|it| it.event_bus),
        }
    }
}

impl<'a> NotificationRuleShape<'a> {
    fn of(rule: &'a NotificationRule) -> Self {
        Self {
            id: &rule.id,
            destination: match rule.destination {
                DestinationKind::Queue => "queue",
                DestinationKind::Topic => "topic",
                DestinationKind::Function => "function",
            },
            arn: shown_address(&rule.arn),
            events: &rule.events,
            prefix: rule.prefix.as_deref(),
            suffix: rule.suffix.as_deref(),
            webhook: rule.webhook.as_ref().map(RuleWebhookShape::of),
        }
    }
}

impl<'a> RuleWebhookShape<'a> {
    fn of(webhook: &'a RuleWebhook) -> Self {
        let (status, status_reason) = status(&webhook.status);
        Self {
            subscription: Text(SubscriptionText(webhook.subscription)),
            format: format_name(webhook.format),
            mode: mode_name(webhook.mode),
            status,
            status_reason,
            start_position: webhook.start.map(|start| start.0),
            secret_rotated_at: Moment(webhook.secrets.since),
            previous_secret_expires_at: previous_ends(&webhook.secrets),
        }
    }
}

fn previous_ends(secrets: &SigningSecrets) -> Option<Moment> {
    secrets.previous.as_ref().map(|previous| Moment(previous.until))
}

fn status(status: &SubscriptionStatus) -> (&'static str, Option<&str>) {
    match status {
        SubscriptionStatus::Active => ("active", None),
        SubscriptionStatus::Paused { reason } => ("paused", Some(reason)),
        SubscriptionStatus::Disabled { reason } => ("disabled", Some(reason)),
    }
}

fn format_name(format: PayloadFormat) -> &'static str {
    match format {
        PayloadFormat::S3 => "s3",
        PayloadFormat::CloudEvents => "cloudevents",
        PayloadFormat::Native => "native",
    }
}

fn mode_name(mode: DeliveryMode) -> &'static str {
    match mode {
        DeliveryMode::Key => "key",
        DeliveryMode::Bucket => "bucket",
        DeliveryMode::Strict => "strict",
        DeliveryMode::Unordered => "unordered",
    }
}
