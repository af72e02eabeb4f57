//! The NATS sink: every tenant's events, in order, in a JetStream stream of the tenant's own.
//!
//! Owns: streams and subjects, publishing each event once, where each tenant's publisher stands.
//! Does not own: the log, what is announced, payloads; all come through [`Feed`].
//! Invariant: an event is published behind the last one that the stream is known to hold, and only if it still is the last
//! (`Nats-Expected-Last-Sequence`). What the stream holds is what it acknowledged or what was read back from it, never a
//! guess. So a publisher that ends anywhere, and comes back, neither loses nor repeats.

mod backoff;
mod connect;
mod keeper;
mod options;
mod publisher;
mod resume;
mod source;
mod stream;
mod subject;
mod tenants;

use std::sync::Arc;

use bytes::Bytes;
use event_log::{Cursor, CursorState};
use futures_util::future::BoxFuture;
use schemas::{BucketName, EventId, LeafHash, Position, TenantId, TenantName};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::options::{Options, OptionsError, Tls};
#[cfg(test)]
pub(crate) use self::subject::{message_id, type_token};
use self::tenants::Lags;

/// One event as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place in the log.
    pub id: EventId,
    /// Leaf hash of its record.
    pub leaf: LeafHash,
    /// Bucket concerned, if any.
    pub bucket: Option<BucketName>,
    /// A name of the catalogue ([`schemas::announcement::EVENT_TYPES`]).
    pub event_type: &'static str,
    /// CloudEvents 1.0 as JSON.
    pub body: Bytes,
}

/// A stretch of one log: what of it is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Events to publish, in order.
    pub messages: Vec<Message>,
    /// Where the next page begins: greater than where this one began, unless that was the head.
    pub next: Position,
    /// The last record looked at, announced or not; none if there was none.
    pub at: Option<Cursor>,
    /// Place of the log's next record.
    pub head: Position,
}

/// The log could not be asked, or a cursor not be kept. Asking again later is all that helps.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct FeedError {
    what: &'static str,
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl FeedError {
    /// What was asked (`the log cannot be read`), and why there is no answer.
    pub fn new(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { what, source: source.into() }
    }
}

/// Where events come from, and where cursors are kept. All but [`Feed::reached`] may block.
pub trait Feed: Send + Sync + 'static {
    /// Whose events are published now.
    fn tenants(&self) -> Vec<(TenantId, TenantName)>;

    /// The records from `from` on, at most `max` messages of them. With a `max` of 0 only the head is asked for.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn page(&self, tenant: TenantId, from: Position, max: usize) -> Result<Page, FeedError>;

    /// What stands at a cursor's place now.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn check(&self, tenant: TenantId, cursor: Cursor) -> Result<CursorState, FeedError>;

    /// Leaf hash of the record at this place, if it is of this epoch.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn record_leaf(&self, tenant: TenantId, at: EventId) -> Result<Option<LeafHash>, FeedError>;

    /// The cursor that was saved last.
    ///
    /// # Errors
    /// When it cannot be read.
    fn saved(&self, tenant: TenantId) -> Result<Option<Cursor>, FeedError>;

    /// Keeps a cursor in place of the last one. Asked at most once a second for each tenant.
    ///
    /// # Errors
    /// When it cannot be kept.
    fn save(&self, tenant: TenantId, cursor: Cursor) -> Result<(), FeedError>;

    /// Resolves when the log has a record at this position, or after some seconds.
    fn reached(&self, tenant: TenantId, position: Position) -> BoxFuture<'_, ()>;
}

/// How far one tenant's publisher is behind its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// Whose.
    pub tenant: TenantId,
    /// Everything before this position is in the stream, or is not announced.
    pub published: Position,
    /// Place of the log's next record when it was asked last.
    pub head: Position,
    /// Why nothing is published at the moment; none when all is well.
    pub last_error: Option<String>,
}

/// The running sink. Dropping it ends it where it stands, as a crash would; [`Nats::stop`] saves cursors first.
pub struct Nats {
    stop: watch::Sender<bool>,
    lags: Lags,
    task: Option<JoinHandle<()>>,
}

impl Nats {
    /// Begins to publish, on the current tokio runtime. NATS may be away: it is tried again for ever.
    ///
    /// # Errors
    /// Options that cannot work, whatever the server says.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(options: Options, feed: Arc<dyn Feed>) -> Result<Self, OptionsError> {
        let servers = options.servers()?;
        let (stop, stopping) = watch::channel(false);
        let lags = Lags::default();
        let task = tokio::spawn(tenants::run(Arc::new(options), servers, feed, lags.clone(), stopping));
        Ok(Self { stop, lags, task: Some(task) })
    }

    /// Where every tenant's publisher stands, by tenant.
    #[must_use]
    pub fn lags(&self) -> Vec<Lag> {
        self.lags.list()
    }

    /// Ends publishing and saves every cursor.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            // A panic in there was logged where it happened; nothing is left to stop.
            let _ = task.await;
        }
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// An error with its causes, for people.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // The client's errors repeat their cause.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
