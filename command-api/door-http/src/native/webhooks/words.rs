//! The words that bodies about subscriptions share.
//!
//! Owns: ids, formats, modes, statuses, points and filters as JSON and queries write them.
//! Does not own: which of them are valid (domain).

use domain::point::{NoPoint, Point};
use pipeline::Span;
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{BucketName, EventId, SubscriptionId, TenantId};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::super::ask::{Ask, bucket_name};
use crate::problem::Problem;

/// Before the id of a subscription.
const ID_PREFIX: &str = "wh_";

/// A subscription as this API shows it.
pub(in super::super) fn shown_id(id: SubscriptionId) -> String {
    format!("{ID_PREFIX}{id}")
}

/// The subscription of the path. What cannot be an id of ours is none.
pub(super) fn id(ask: &Ask) -> Result<SubscriptionId, Problem> {
    let parsed = ask.values.get("id").strip_prefix(ID_PREFIX).and_then(|hex| {
        let id: SubscriptionId = hex.parse().ok()?;
        // Capitals would be a second spelling of the same id.
        (id.to_string() == hex).then_some(id)
    });
    parsed.ok_or_else(Problem::not_found)
}

/// What an event is called wherever it is told: `webhook-id` says it too.
pub(super) fn event_id(tenant: TenantId, event: EventId) -> String {
    format!("evt_{tenant}_{}_{}", event.epoch, event.position)
}

/// In which shape events are told.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookFormat)]
pub(in super::super) enum Format {
    CloudEvents,
    S3,
    Native,
}

impl From<Format> for PayloadFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::CloudEvents => Self::CloudEvents,
            Format::S3 => Self::S3,
            Format::Native => Self::Native,
        }
    }
}

impl From<PayloadFormat> for Format {
    fn from(format: PayloadFormat) -> Self {
        match format {
            PayloadFormat::CloudEvents => Self::CloudEvents,
            PayloadFormat::S3 => Self::S3,
            PayloadFormat::Native => Self::Native,
        }
    }
}

/// What is told one after another: events of one object key, of one bucket, all, or none.
#[derive(Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookMode)]
pub(in super::super) enum Mode {
    #[default]
    Key,
    Bucket,
    Strict,
    Unordered,
}

impl From<Mode> for DeliveryMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Key => Self::Key,
            Mode::Bucket => Self::Bucket,
            Mode::Strict => Self::Strict,
            Mode::Unordered => Self::Unordered,
        }
    }
}

impl From<DeliveryMode> for Mode {
    fn from(mode: DeliveryMode) -> Self {
        match mode {
            DeliveryMode::Key => Self::Key,
            DeliveryMode::Bucket => Self::Bucket,
            DeliveryMode::Strict => Self::Strict,
            DeliveryMode::Unordered => Self::Unordered,
        }
    }
}

/// Whether anything is to be sent.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AskedWebhookStatus)]
pub(super) enum AskedStatus {
    /// Yes; what is paused or disabled goes on where it stopped.
    #[default]
    Active,
    /// Not until it is resumed.
    Paused,
}

impl AskedStatus {
    pub(super) fn is_paused(self) -> bool {
        matches!(self, Self::Paused)
    }
}

/// A status and why it is so.
pub(in super::super) fn status_words(status: &SubscriptionStatus) -> (&'static str, Option<String>) {
    match status {
        SubscriptionStatus::Active => ("active", None),
        SubscriptionStatus::Paused { reason } => ("paused", Some(reason.clone())),
        SubscriptionStatus::Disabled { reason } => ("disabled", Some(reason.clone())),
    }
}

/// The members of a body that make a filter.
#[derive(Default)]
pub(super) struct FilterWords {
    pub(super) events: Option<Vec<String>>,
    pub(super) buckets: Option<Vec<String>>,
    pub(super) prefix: Option<String>,
    pub(super) suffix: Option<String>,
    pub(super) min_size_bytes: Option<u64>,
    pub(super) max_size_bytes: Option<u64>,
}

impl FilterWords {
    /// Whether any of them is there.
    pub(super) fn says_anything(&self) -> bool {
        self.events.is_some()
            || self.buckets.is_some()
            || self.prefix.is_some()
            || self.suffix.is_some()
            || self.min_size_bytes.is_some()
            || self.max_size_bytes.is_some()
    }

    /// # Errors
    /// The name of a bucket that none can have.
    pub(super) fn filter(self) -> Result<EventFilter, Problem> {
        Ok(EventFilter {
            events: self.events.unwrap_or_else(|| vec!["*".to_owned()]),
            buckets: bucket_names(&self.buckets.unwrap_or_default())?,
            prefix: self.prefix,
            suffix: self.suffix,
            size_bytes_min: self.min_size_bytes,
            size_bytes_max: self.max_size_bytes,
        })
    }
}

/// # Errors
/// One that no bucket can have.
pub(in super::super) fn bucket_names(names: &[String]) -> Result<Vec<BucketName>, Problem> {
    names.iter().map(|name| bucket_name(name)).collect()
}

/// # Errors
/// A text that names no point.
pub(in super::super) fn point(text: &str) -> Result<Point, Problem> {
    text.parse().map_err(|error: NoPoint| Problem::invalid(error.to_string()))
}

/// # Errors
/// A text that names no point.
pub(super) fn span(from: Option<&str>, to: Option<&str>) -> Result<Span, Problem> {
    Ok(Span { from: from.map_or(Ok(Point::Earliest), point)?, to: to.map(point).transpose()? })
}

/// Nothing said, taken away, or set.
pub(super) type Said<T> = Option<Option<T>>;

/// With `default` a field that is left out is none, and one that is null is some none.
pub(super) fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Said<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// With `default` a field that is left out is none, and one that is null is an error: it cannot be taken away.
pub(super) fn set<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
