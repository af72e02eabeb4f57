//! What buckets are set to beside their rows: setting a configuration, reading it, and keeping what was read.
//!
//! Owns: the way from a row's pointer to the words in the log, and a bounded memory of events that were read.
//! Does not own: what a configuration means or when it is valid (domain).
//! Invariant: an event never changes, so what is kept of one is true for as long as it is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use domain::Refusal;
use domain::bucket_policy::Policy;
use domain::bucket_setting::{BucketPolicy, Configuration};
use event_log::{Recorded, Snapshot};
use parking_lot::Mutex;
use projections::{query, row};
use schemas::acl::PublicAccessBlock;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use schemas::{BucketName, EventId, Position, TenantId};

use super::{Inner, Store, log_error, rows_error};
use crate::api::{Caller, StoreError};

/// Events kept.
const KEPT_MAX: usize = 2_048;
/// Bytes of them as the log has them; in memory they take a few times as much. The largest have 60 KB each.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Events that requests read again and again.
#[derive(Default)]
pub(crate) struct Facts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    events: HashMap<(TenantId, EventId), Arc<Event>>,
    bytes: usize,
}

impl Facts {
    fn get(&self, of: (TenantId, EventId)) -> Option<Arc<Event>> {
        self.0.lock().events.get(&of).cloned()
    }

    fn keep(&self, of: (TenantId, EventId), event: &Arc<Event>) {
        let bytes = event.encode().len();
        let mut kept = self.0.lock();
        // Forgetting everything now and then is cheap: each is one read from the log.
        if kept.events.len() >= KEPT_MAX || kept.bytes + bytes > KEPT_BYTES_MAX {
            *kept = Kept::default();
        }
        // Two requests may have read the same.
        if kept.events.insert(of, Arc::clone(event)).is_none() {
            kept.bytes += bytes;
        }
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
        if let Configuration::Notification(asked) = configuration {
            let asked = asked.unwrap_or_default();
            let (_, position) = self.set_notifications(caller, bucket, asked, &BTreeMap::new()).await?;
            return Ok(position);
        }
        configuration.check(bucket)?;
        if let Configuration::Encryption(Some(encryption)) = &configuration {
            domain::encryption::check_default(encryption, &self.inner.settings.kms_keys)?;
        }
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

    /// Sets a bucket's policy. A public one is refused where that is blocked.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_bucket_policy(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        policy: BucketPolicy,
    ) -> Result<Position, StoreError> {
        let action = Action::PutBucketPolicy;
        {
            let snapshot = self.inner.log.snapshot();
            let found = self.inner.enter(snapshot.as_ref(), caller, action, bucket, None)?;
            let block = self.inner.public_access_block(snapshot.as_ref(), caller.tenant, &found)?;
            domain::access::may_set_policy(&Policy::parse(&policy.text, bucket).map_err(Refusal::from)?, block)?;
        }
        self.configure_bucket(caller, bucket, action, Configuration::Policy(Some(policy))).await
    }

    /// Whether a bucket's policy or list opens it to the public.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_is_public(&self, caller: &Caller, bucket: &BucketName) -> Result<bool, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = self.inner.enter(snapshot.as_ref(), caller, Action::GetBucketPolicyStatus, bucket, None)?;
        let policy = self.inner.policy(snapshot.as_ref(), caller.tenant, &found)?;
        if policy.is_some_and(|bound| bound.policy.is_public()) {
            return Ok(true);
        }
        let ignored = self.inner.public_access_block(snapshot.as_ref(), caller.tenant, &found)?.ignore_public_acls;
        let acl = self.inner.bucket_acl(snapshot.as_ref(), caller.tenant, &found)?;
        Ok(!ignored && acl.is_some_and(|acl| domain::acl::is_public(&acl)))
    }

    /// What public access of a bucket is blocked, if that is configured: on the bucket, or by the operator's defaults.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn bucket_public_access_block(
        &self,
        caller: &Caller,
        bucket: &BucketName,
    ) -> Result<Option<PublicAccessBlock>, StoreError> {
        let action = Action::GetBucketPublicAccessBlock;
        let set = self.bucket_setting(caller, bucket, action, Setting::PublicAccessBlock).await?;
        match set.as_deref() {
            Some(Event::BucketPublicAccessBlockSet(set)) => Ok(set.block),
            _ => Ok(self.inner.settings.default_public_access_block),
        }
    }

    /// The CORS rules of a bucket: the event that set them. Browsers ask for what they say before they send a credential, so
    /// nobody is asked who they are. A bucket that is not there has none.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn cors_rules(&self, tenant: TenantId, bucket: &BucketName) -> Result<Option<Arc<Event>>, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let found = query::bucket_by_name(snapshot.as_ref(), tenant, bucket).map_err(rows_error)?;
        found.map_or(Ok(None), |(_, row)| self.inner.setting(snapshot.as_ref(), tenant, &row, Setting::Cors))
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

    /// An event that a row names, kept once it was read.
    pub(crate) fn fact(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        event: EventId,
    ) -> Result<Arc<Event>, StoreError> {
        if let Some(kept) = self.facts.get((tenant, event)) {
            return Ok(kept);
        }
        let read = Arc::new(self.event(snapshot, tenant, event)?);
        self.facts.keep((tenant, event), &read);
        Ok(read)
    }

    /// An event that a row names.
    pub(crate) fn event(&self, snapshot: &dyn Snapshot, tenant: TenantId, event: EventId) -> Result<Event, StoreError> {
        let record = record(snapshot, tenant, event)?;
        let body = record.body.as_ref().ok_or(Refusal::Erased)?;
        body.event(&record.header).map_err(|_| corrupt_event(tenant, event, "cannot be read"))
    }
}

/// The record of an event that a row names.
pub(crate) fn record(snapshot: &dyn Snapshot, tenant: TenantId, event: EventId) -> Result<Recorded, StoreError> {
    let corrupt = |what| corrupt_event(tenant, event, what);
    let record = snapshot.record(tenant, event.position).map_err(log_error)?.ok_or_else(|| corrupt("is missing"))?;
    if record.header.epoch == event.epoch { Ok(record) } else { Err(corrupt("is of another epoch")) }
}

/// A row names an event that is not what the row says.
pub(crate) fn corrupt_event(tenant: TenantId, event: EventId, what: &str) -> StoreError {
    StoreError::Corrupt { what: format!("event {} of tenant {tenant}, which a row names, {what}", event.position) }
}

#[cfg(test)]
mod tests {
    use schemas::event::BucketPolicySet;
    use schemas::{BucketId, Epoch};

    use super::*;

    fn policy(bytes: usize) -> Arc<Event> {
        Arc::new(BucketPolicySet { bucket: BucketId(1), policy: Some("x".repeat(bytes)), binds_owner: false }.into())
    }

    fn of(position: u64) -> (TenantId, EventId) {
        (TenantId(1), EventId { epoch: Epoch(1), position: Position(position) })
    }

    #[test]
    fn kept_events_are_bounded_by_number_and_by_bytes() {
        for (bytes, expected) in [(10, KEPT_MAX), (60_000, KEPT_BYTES_MAX / 60_100)] {
            let (facts, event) = (Facts::default(), policy(bytes));
            let mut most = 0;
            for position in 0..3_000 {
                facts.keep(of(position), &event);
                facts.keep(of(position), &event);
                let kept = facts.0.lock();
                assert!(kept.bytes <= KEPT_BYTES_MAX);
                assert_eq!(kept.bytes, kept.events.len() * event.encode().len(), "none is counted twice");
                most = most.max(kept.events.len());
            }
            assert!(most.abs_diff(expected) < 2, "{most} of {bytes}");
            assert!(facts.get(of(2_999)).is_some());
        }
    }
}
