//! One tenant's feed, asked on threads that may block.

use std::sync::Arc;

use event_log::{Cursor, CursorState};
use schemas::{EventId, LeafHash, Position, TenantId};

use super::{Feed, FeedError};

/// One tenant's feed.
#[derive(Clone)]
pub(super) struct Source {
    feed: Arc<dyn Feed>,
    tenant: TenantId,
}

impl Source {
    pub(super) fn new(feed: Arc<dyn Feed>, tenant: TenantId) -> Self {
        Self { feed, tenant }
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Feed, TenantId) -> Result<T, FeedError> + Send + 'static,
    ) -> Result<T, FeedError> {
        let Source { feed, tenant } = self.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&*feed, tenant)).await;
        answer.unwrap_or_else(|error| Err(FeedError::new("the log gave no answer", error)))
    }

    /// Leaf hash of an event that a stream holds, if the log has that event.
    pub(super) async fn leaf(&self, id: EventId) -> Result<Option<LeafHash>, FeedError> {
        self.ask(move |feed, tenant| feed.record_leaf(tenant, id)).await
    }

    /// The last position that the log kept of an epoch of which it lost this event.
    pub(super) async fn kept_of(&self, lost: EventId) -> Result<Option<Position>, FeedError> {
        // No leaf hash: it is only compared where the log has the event.
        let gone = Cursor { at: lost, leaf: LeafHash::default() };
        let kept = self.ask(move |feed, tenant| {
            let CursorState::Diverged { common: Some(kept) } = feed.check(tenant, gone)? else { return Ok(None) };
            // A log that lost a tail has gone on in a later epoch. If it has not, the event is not one that we published.
            let gone_on = feed.page(tenant, kept.next(), 0)?.head > kept.next();
            Ok(gone_on.then_some(kept))
        });
        kept.await
    }

    pub(super) async fn check(&self, cursor: Cursor) -> Result<CursorState, FeedError> {
        self.ask(move |feed, tenant| feed.check(tenant, cursor)).await
    }

    pub(super) async fn reached(&self, position: Position) {
        self.feed.reached(self.tenant, position).await;
    }
}
