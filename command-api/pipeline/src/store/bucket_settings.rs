//! What buckets are set to beside their rows: setting a configuration, reading it, and keeping what was read.
//!
//! Owns: the way from a row's pointer to the words in the log, and a bounded memory of events that were read.
//! Does not own: what a configuration means or when it is valid (domain).
//! Invariant: an event never changes, so what is kept of one is true for as long as it is kept.

use std::collections::HashMap;
use std::sync::Arc;

use domain::bucket_setting::Configuration;
use event_log::Snapshot;
use parking_lot::Mutex;
use projections::row;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use schemas::{BucketName, EventId, Position, TenantId};

use super::{Inner, Store, log_error};
use crate::api::{Caller, StoreError};

/// Events kept. The largest (a policy of 20 KB) bound the memory to some tens of MB.
const KEPT_MAX: usize = 2_048;

/// Events that requests read again and again.
#[derive(Default)]
pub(crate) struct Facts(Mutex<HashMap<(TenantId, EventId), Arc<Event>>>);

impl Facts {
    fn get(&self, of: (TenantId, EventId)) -> Option<Arc<Event>> {
        self.0.lock().get(&of).cloned()
    }

    fn keep(&self, of: (TenantId, EventId), event: &Arc<Event>) {
        let mut kept = self.0.lock();
        // Forgetting everything now and then is cheap: each is one read from the log.
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(of, Arc::clone(event));
    }
}

impl Store {
    /// Sets or removes a configuration of a bucket.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn configure_bucket(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        action: Action,
        configuration: Configuration,
    ) -> Result<Position, StoreError> {
        configuration.check()?;
        self.change_bucket(caller, bucket, action, domain::bucket::Command::Configure(configuration)).await
    }

    /// What a bucket is set to: the event that set it, or none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_setting(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        action: Action,
        setting: Setting,
    ) -> Result<Option<Arc<Event>>, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = self.inner.enter(snapshot.as_ref(), caller, action, bucket, None)?;
        self.inner.setting(snapshot.as_ref(), caller.tenant, &found.row, setting)
    }
}

impl Inner {
    /// What a bucket is set to: the event that set it, or none.
    pub(crate) fn setting(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &row::Bucket,
        setting: Setting,
    ) -> Result<Option<Arc<Event>>, StoreError> {
        bucket.settings.get(&setting).map(|event| self.fact(snapshot, tenant, *event)).transpose()
    }

    /// An event that a row names, kept once it was read. Erased ones are an error: nobody may act as if there were none.
    pub(crate) fn fact(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        event: EventId,
    ) -> Result<Arc<Event>, StoreError> {
        if let Some(kept) = self.facts.get((tenant, event)) {
            return Ok(kept);
        }
        let corrupt = |what: &str| StoreError::Corrupt {
            what: format!("event {} of tenant {tenant}, which a row names, {what}", event.position),
        };
        let record =
            snapshot.record(tenant, event.position).map_err(log_error)?.ok_or_else(|| corrupt("is missing"))?;
        if record.header.epoch != event.epoch {
            return Err(corrupt("is of another epoch"));
        }
        let body = record.body.as_ref().ok_or(domain::Refusal::Erased)?;
        let read = Arc::new(body.event(&record.header).map_err(|_| corrupt("cannot be read"))?);
        self.facts.keep((tenant, event), &read);
        Ok(read)
    }
}
