//! What happened, in order: pages of the log as announcements.
//!
//! Owns: reading, names of buckets, a bounded memory of pages that many read.
//! Does not own: who is told of which.
//! Invariant: a page has every record of its positions that can be read; erased ones are passed over.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use event_log::{EventLog, LogError};
use lru::LruCache;
use parking_lot::Mutex;
use schemas::event::EventError;
use schemas::{BucketId, BucketName, Position, TenantId, TenantName};

use crate::announcement::{Announcement, Names};
use crate::subscription::Directory;

/// Records of a page.
pub(crate) const PAGE: u64 = 256;
/// Pages that are kept: whoever starts late, or all that start at once, read the same.
const PAGES_KEPT: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");
const NAMES_KEPT: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");

/// Part of a log.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<Arc<Announcement>>,
    /// Position behind its last record.
    pub(crate) next: Position,
    /// Where the log ended when it was read.
    pub(crate) head: Position,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("reading the log was cut off")]
    CutOff,
}

pub(crate) struct History {
    log: Arc<dyn EventLog>,
    names: Known,
    pages: Mutex<LruCache<(TenantId, u64), Arc<Page>>>,
    /// One reader a tenant: many that catch up read after one another, and find what the one before has read.
    turns: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>,
}

/// Names that were looked up: they never change.
struct Known {
    directory: Arc<dyn Directory>,
    buckets: Mutex<LruCache<(TenantId, BucketId), BucketName>>,
    tenants: Mutex<LruCache<TenantId, TenantName>>,
}

impl Names for Known {
    fn region(&self) -> Option<Arc<str>> {
        self.directory.region()
    }

    fn tenant(&self, tenant: TenantId) -> Option<TenantName> {
        if let Some(name) = self.tenants.lock().get(&tenant) {
            return Some(name.clone());
        }
        let name = self.directory.tenant(tenant)?;
        self.tenants.lock().put(tenant, name.clone());
        Some(name)
    }

    fn bucket(&self, tenant: TenantId, bucket: BucketId) -> Option<BucketName> {
        if let Some(name) = self.buckets.lock().get(&(tenant, bucket)) {
            return Some(name.clone());
        }
        let name = self.directory.bucket(tenant, bucket)?;
        self.buckets.lock().put((tenant, bucket), name.clone());
        Some(name)
    }
}

impl History {
    pub(crate) fn new(log: Arc<dyn EventLog>, directory: Arc<dyn Directory>) -> Self {
        let names = Known {
            directory,
            buckets: Mutex::new(LruCache::new(NAMES_KEPT)),
            tenants: Mutex::new(LruCache::new(NAMES_KEPT)),
        };
        Self { log, names, pages: Mutex::new(LruCache::new(PAGES_KEPT)), turns: Mutex::default() }
    }

    /// Where a tenant's log ends: the position that its next record gets.
    pub(crate) fn head(&self, tenant: TenantId) -> Result<Position, LogError> {
        Ok(self.log.snapshot().log_head(tenant)?.map_or(Position(0), |head| head.next))
    }

    /// Records from a position on: those of one page, or up to where the log ends. Blocks.
    pub(crate) fn read(&self, tenant: TenantId, from: Position, max: u64) -> Result<Page, HistoryError> {
        let snapshot = self.log.snapshot();
        let head = snapshot.log_head(tenant)?.map_or(Position(0), |head| head.next);
        let max = usize::try_from(max.min(head.0.saturating_sub(from.0))).unwrap_or(usize::MAX);
        if max == 0 {
            return Ok(Page { events: Vec::new(), next: from, head });
        }
        let records = snapshot.records(tenant, from, max)?;
        let next = records.last().map_or(from, |last| last.header.position.next());
        let mut events = Vec::with_capacity(records.len());
        for record in &records {
            events.extend(Announcement::read(record, &self.names)?.map(Arc::new));
        }
        Ok(Page { events, next, head })
    }

    /// The page that a position is in, from its beginning or from the position on. Whole pages are kept for others.
    pub(crate) async fn page(self: &Arc<Self>, tenant: TenantId, from: Position) -> Result<Arc<Page>, HistoryError> {
        let first = from.0 / PAGE * PAGE;
        if let Some(page) = self.pages.lock().get(&(tenant, first)) {
            return Ok(page.clone());
        }
        let turn = self.turns.lock().entry(tenant).or_default().clone();
        let _turn = turn.lock().await;
        if let Some(page) = self.pages.lock().get(&(tenant, first)) {
            return Ok(page.clone());
        }
        let this = self.clone();
        let read = move || {
            let head = this.head(tenant)?;
            // The last page of a log grows: only what is asked for is read, and it is not kept.
            if head.0 < first + PAGE {
                return Ok(Arc::new(this.read(tenant, from, PAGE)?));
            }
            let page = Arc::new(this.read(tenant, Position(first), PAGE)?);
            this.pages.lock().put((tenant, first), page.clone());
            Ok(page)
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| HistoryError::CutOff)?
    }

    /// The event at a position.
    pub(crate) fn event(&self, tenant: TenantId, at: Position) -> Result<Option<Arc<Announcement>>, HistoryError> {
        Ok(self.read(tenant, at, 1)?.events.into_iter().next())
    }

    /// Forgets a tenant whose log was reopened or that is followed no more.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.turns.lock().remove(&tenant);
    }

    pub(crate) fn names(&self) -> &dyn Names {
        &self.names
    }

    pub(crate) fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }
}
