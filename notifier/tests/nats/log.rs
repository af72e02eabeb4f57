//! A log in memory that can be reopened, with the cursors that are saved beside it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use event_log::{Cursor, CursorState};
use futures_util::future::BoxFuture;
use notifier::nats::{Feed, FeedError, Message, Page};
use parking_lot::Mutex;
use schemas::announcement::LOG_REOPENED;
use schemas::{BucketName, Epoch, EventId, LeafHash, Position, TenantId, TenantName};
use tokio::sync::Notify;

/// The tenant of most tests.
pub(crate) const ACME: TenantId = TenantId(71);

#[derive(Clone)]
struct Record {
    epoch: Epoch,
    leaf: LeafHash,
    /// Bucket and type of what is announced.
    announced: Option<(Option<&'static str>, &'static str)>,
}

#[derive(Default)]
struct Tenant {
    name: String,
    epoch: Epoch,
    records: Vec<Record>,
    saved: Option<Cursor>,
}

#[derive(Default)]
pub(crate) struct Log {
    tenants: Mutex<BTreeMap<TenantId, Tenant>>,
    leaves: Mutex<u64>,
    grown: Notify,
}

impl Log {
    /// With one tenant, [`ACME`].
    pub(crate) fn new() -> Arc<Self> {
        let log = Arc::new(Self::default());
        log.add_tenant(ACME, "acme");
        log
    }

    pub(crate) fn add_tenant(&self, tenant: TenantId, name: &str) {
        self.tenants.lock().insert(tenant, Tenant { name: name.to_owned(), epoch: Epoch(1), ..Tenant::default() });
    }

    pub(crate) fn remove_tenant(&self, tenant: TenantId) {
        self.tenants.lock().remove(&tenant);
    }

    pub(crate) fn append(&self, tenant: TenantId, announced: Option<(Option<&'static str>, &'static str)>) {
        let mut leaf = [0; 32];
        {
            let mut leaves = self.leaves.lock();
            *leaves += 1;
            leaf[..8].copy_from_slice(&leaves.to_be_bytes());
        }
        let mut tenants = self.tenants.lock();
        let tenant = tenants.get_mut(&tenant).expect("the tenant is there");
        tenant.records.push(Record { epoch: tenant.epoch, leaf: LeafHash(leaf), announced });
        drop(tenants);
        self.grown.notify_waiters();
    }

    /// `count` events that are announced.
    pub(crate) fn puts(&self, tenant: TenantId, count: usize) {
        for _ in 0..count {
            self.append(tenant, Some((Some("my.bucket"), "s3:ObjectCreated:Put")));
        }
    }

    /// Keeps the first `keep` records and goes on in `epoch`, as a restore does.
    pub(crate) fn reopen(&self, tenant: TenantId, keep: usize, epoch: u32) {
        {
            let mut tenants = self.tenants.lock();
            let tenant = tenants.get_mut(&tenant).expect("the tenant is there");
            tenant.records.truncate(keep);
            tenant.epoch = Epoch(epoch);
        }
        self.append(tenant, Some((None, LOG_REOPENED)));
    }

    /// The ids of all events that are announced, as `Nats-Msg-Id` has them.
    pub(crate) fn ids(&self, tenant: TenantId) -> Vec<String> {
        let tenants = self.tenants.lock();
        let records = tenants[&tenant].records.iter().enumerate();
        let announced = records.filter(|(_, record)| record.announced.is_some());
        announced.map(|(position, record)| format!("{tenant}:{}:{position}", record.epoch)).collect()
    }

    pub(crate) fn head(&self, tenant: TenantId) -> Position {
        Position(self.tenants.lock()[&tenant].records.len() as u64)
    }

    pub(crate) fn cursor(&self, tenant: TenantId, position: u64) -> Cursor {
        let record = &self.tenants.lock()[&tenant].records[position as usize];
        Cursor { at: EventId { epoch: record.epoch, position: Position(position) }, leaf: record.leaf }
    }

    /// Replaces what was saved.
    pub(crate) fn set_saved(&self, tenant: TenantId, cursor: Option<Cursor>) {
        self.tenants.lock().get_mut(&tenant).expect("the tenant is there").saved = cursor;
    }

    pub(crate) fn saved_cursor(&self, tenant: TenantId) -> Option<Cursor> {
        self.tenants.lock()[&tenant].saved
    }

    fn of<T>(&self, tenant: TenantId, ask: impl FnOnce(&mut Tenant) -> T) -> Result<T, FeedError> {
        let mut tenants = self.tenants.lock();
        tenants.get_mut(&tenant).map(ask).ok_or_else(|| FeedError::new("the log cannot be read", "no such tenant"))
    }
}

impl Feed for Log {
    fn tenants(&self) -> Vec<(TenantId, TenantName)> {
        let name = |name: &str| TenantName::parse(name).expect("a tenant's name");
        self.tenants.lock().iter().map(|(tenant, it)| (*tenant, name(&it.name))).collect()
    }

    fn page(&self, tenant: TenantId, from: Position, max: usize) -> Result<Page, FeedError> {
        self.of(tenant, |it| {
            let head = Position(it.records.len() as u64);
            let mut page = Page { messages: Vec::new(), next: from, at: None, head };
            for (position, record) in it.records.iter().enumerate().skip(from.0 as usize) {
                if page.messages.len() == max {
                    break;
                }
                let id = EventId { epoch: record.epoch, position: Position(position as u64) };
                if let Some((bucket, event_type)) = record.announced {
                    let bucket = bucket.map(|name| BucketName::parse(name).expect("a bucket's name"));
                    let body = Bytes::from(format!("{{\"specversion\":\"1.0\",\"id\":\"{position}\"}}"));
                    page.messages.push(Message { id, leaf: record.leaf, bucket, event_type, body });
                }
                page.next = id.position.next();
                page.at = Some(Cursor { at: id, leaf: record.leaf });
            }
            page
        })
    }

    // As the real log answers.
    fn check(&self, tenant: TenantId, cursor: Cursor) -> Result<CursorState, FeedError> {
        self.of(tenant, |it| {
            let Some(last) = it.records.last() else { return CursorState::Diverged { common: None } };
            if cursor.at.epoch > last.epoch {
                return CursorState::Diverged { common: None };
            }
            let position = cursor.at.position.0 as usize;
            match it.records.get(position) {
                Some(record) if record.epoch == cursor.at.epoch && record.leaf == cursor.leaf => CursorState::Valid,
                Some(record) if record.epoch == cursor.at.epoch => CursorState::Diverged { common: None },
                _ => {
                    let before = &it.records[..position.min(it.records.len())];
                    let common = before.iter().rposition(|record| record.epoch <= cursor.at.epoch);
                    CursorState::Diverged { common: common.map(|position| Position(position as u64)) }
                }
            }
        })
    }

    fn record_leaf(&self, tenant: TenantId, at: EventId) -> Result<Option<LeafHash>, FeedError> {
        self.of(tenant, |it| {
            it.records.get(at.position.0 as usize).filter(|record| record.epoch == at.epoch).map(|record| record.leaf)
        })
    }

    fn saved(&self, tenant: TenantId) -> Result<Option<Cursor>, FeedError> {
        self.of(tenant, |it| it.saved)
    }

    fn save(&self, tenant: TenantId, cursor: Cursor) -> Result<(), FeedError> {
        self.of(tenant, |it| it.saved = Some(cursor))
    }

    fn reached(&self, tenant: TenantId, position: Position) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let grown = self.grown.notified();
            let there = |it: &mut Tenant| it.records.len() as u64 > position.0;
            if !self.of(tenant, there).unwrap_or(false) {
                // Short, so that tests need not wait for cursors that are saved at rest.
                let _ = tokio::time::timeout(Duration::from_millis(300), grown).await;
            }
        })
    }
}
