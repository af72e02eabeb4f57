//! The log as the NATS sink reads it: pages of what is announced, with leaf hashes, and cursors that are kept.
//!
//! Owns: pages for one publisher a tenant. Does not own: publishing (`nats`).

use std::sync::Arc;

use event_log::{Cursor, CursorState};
use futures_util::future::BoxFuture;
use schemas::record::Header;
use schemas::subscription::PayloadFormat;
use schemas::{EventId, LeafHash, Position, TenantId, TenantName};

use crate::announcement::Announcement;
use crate::engine::Shared;
use crate::nats::{Feed, FeedError, Message, Page};
use crate::notifier::Notifier;
use crate::state::leaf;

/// Records of one page.
const RECORDS: usize = 512;

/// What the notifier knows, as the sink asks for it.
pub(crate) struct Following {
    pub(crate) notifier: Notifier,
    pub(crate) shared: Arc<Shared>,
}

fn unread(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> FeedError {
    FeedError::new("the log cannot be read", source)
}

impl Feed for Following {
    fn tenants(&self) -> Vec<(TenantId, TenantName)> {
        self.shared.directory.tenants().unwrap_or_else(|error| {
            tracing::error!(%error, "tenants cannot be read for NATS");
            Vec::new()
        })
    }

    fn page(&self, tenant: TenantId, from: Position, max: usize) -> Result<Page, FeedError> {
        let history = &self.shared.history;
        let snapshot = history.log().snapshot();
        let head = snapshot.log_head(tenant).map_err(unread)?.map_or(Position(0), |head| head.next);
        let mut page = Page { messages: Vec::new(), next: from, at: None, head };
        let left = usize::try_from(head.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        if max == 0 || left == 0 {
            return Ok(page);
        }
        // The raw bytes, because a message names the leaf hash of its record.
        for raw in snapshot.raw_range(tenant, from, left.min(RECORDS).min(max)).map_err(unread)? {
            let (header, _) = Header::decode(&raw).map_err(unread)?;
            let leaf = leaf(&raw);
            page.next = header.position.next();
            page.at = Some(Cursor { at: header.id(), leaf });
            let Some(record) = snapshot.record(tenant, header.position).map_err(unread)? else { continue };
            let read = Announcement::read(&record, history.names()).map_err(unread)?;
            let Some(event) = read.filter(|event| event.event_type.announced) else { continue };
            page.messages.push(Message {
                id: event.id,
                leaf,
                bucket: event.bucket_name.clone(),
                event_type: event.event_type.name,
                body: event.body(PayloadFormat::CloudEvents, None),
            });
        }
        Ok(page)
    }

    fn check(&self, tenant: TenantId, cursor: Cursor) -> Result<CursorState, FeedError> {
        self.shared.history.log().snapshot().check(tenant, cursor).map_err(unread)
    }

    fn record_leaf(&self, tenant: TenantId, at: EventId) -> Result<Option<LeafHash>, FeedError> {
        let raw = self.shared.history.log().snapshot().raw(tenant, at.position).map_err(unread)?;
        let Some(raw) = raw else { return Ok(None) };
        let (header, _) = Header::decode(&raw).map_err(unread)?;
        Ok((header.epoch == at.epoch).then(|| leaf(&raw)))
    }

    fn saved(&self, tenant: TenantId) -> Result<Option<Cursor>, FeedError> {
        self.shared.journal.stream(tenant).map_err(|error| FeedError::new("a cursor cannot be read", error))
    }

    fn save(&self, tenant: TenantId, cursor: Cursor) -> Result<(), FeedError> {
        self.shared.journal.set_stream(tenant, cursor);
        Ok(())
    }

    fn reached(&self, tenant: TenantId, position: Position) -> BoxFuture<'_, ()> {
        Box::pin(self.notifier.grown(tenant, position))
    }
}
