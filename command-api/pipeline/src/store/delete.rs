//! Deleting: one object or version, or many.

use domain::Refusal;
use event_log::Recorded;
use schemas::action::Action;
use schemas::event::{Event, Versioning};
use schemas::{BucketName, ObjectKey, VersionId};

use super::forks::planned_object;
use super::{Found, Inner, Request, Store, situation};
use crate::api::{Caller, DeleteObject, Deleted, StoreError, WriteConditions};
use crate::sequencer::{Decide, Unit};

/// Deletes of one request that wait in the queue together: each is a unit of its own, one drain takes them all.
const TOGETHER: usize = 256;

impl Store {
    /// Deletes an object or version. An absent key is no error.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn delete_object(&self, caller: &Caller, request: DeleteObject) -> Result<Deleted, StoreError> {
        let DeleteObject { bucket, key, version, conditions, bypass_governance } = request;
        self.inner.delete(caller, &bucket, key, version, conditions, bypass_governance).await
    }

    /// Deletes many; answers in the order asked. Each is authorised and decided on its own, and governance is bypassed for
    /// those for which the caller may.
    ///
    /// # Errors
    /// When the bucket cannot be entered at all; each key's own error stands in its place.
    pub async fn delete_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        keys: Vec<(ObjectKey, Option<VersionId>, WriteConditions)>,
        bypass_governance: bool,
    ) -> Result<Vec<Result<Deleted, StoreError>>, StoreError> {
        // A key that may do nothing here does not learn which buckets there are.
        if caller.scopes().is_some_and(|scopes| !scopes.mention(bucket)) {
            return Err(Refusal::AccessDenied.into());
        }
        self.inner.bucket(self.inner.log.snapshot().as_ref(), caller.tenant, bucket)?;
        let mut answers = Vec::with_capacity(keys.len());
        let mut keys = keys.into_iter();
        loop {
            let some = keys.by_ref().take(TOGETHER);
            let deletes: Vec<_> = some
                .map(|(key, version, conditions)| {
                    self.inner.delete(caller, bucket, key, version, conditions, bypass_governance)
                })
                .collect();
            if deletes.is_empty() {
                return Ok(answers);
            }
            answers.extend(futures_util::future::join_all(deletes).await);
        }
    }
}

impl Inner {
    async fn delete(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: ObjectKey,
        version: Option<VersionId>,
        conditions: WriteConditions,
        bypass_governance: bool,
    ) -> Result<Deleted, StoreError> {
        let (bucket, bypass_governance) = {
            let (snapshot, what) = (self.log.snapshot(), (bucket, &key, version));
            let found = self.enter_version(snapshot.as_ref(), caller, Action::DeleteObject, what)?;
            let asked = bypass_governance && version.is_some();
            (found, asked && self.may_bypass(snapshot.as_ref(), caller, what))
        };
        let tenant = caller.tenant;
        let (decided, decided_key) = (bucket.clone(), key.clone());
        let owner = caller.user();
        let decide: Decide = Box::new(move |rows, now| {
            let state = situation::object(rows, tenant, decided.id, &decided_key)?;
            let command = match version {
                None => domain::object::Command::Delete { conditions: conditions.clone(), owner: owner.clone(), now },
                Some(version) => domain::object::Command::DeleteVersion {
                    target: situation::target(rows, tenant, decided.id, &decided_key, version)?,
                    conditions: conditions.clone(),
                    bypass_governance,
                    now,
                },
            };
            let events = domain::object::decide(&state, command)?;
            let events = planned_object(rows, tenant, &decided, &decided_key, events)?;
            Ok(Unit { events, changes: event_log::Changes::default() })
        });
        let rows = situation::object_rows(tenant, bucket.id, &key);
        let recorded = self.run(Request::of(caller).loading(rows), decide).await?;
        Ok(deleted(&bucket, version, &recorded))
    }
}

/// The answer, from the event if there is one.
pub(super) fn deleted(bucket: &Found, asked: Option<VersionId>, recorded: &[Recorded]) -> Deleted {
    let versioned = bucket.row.versioning != Versioning::Unversioned;
    let Some(record) = recorded.first() else {
        // Nothing was there: S3 answers as if it had been, and repeats the version asked for.
        return Deleted { version: asked, delete_marker: false, position: None };
    };
    let position = Some(record.header.position);
    let event = record.body.as_ref().and_then(|body| body.event(&record.header).ok());
    match event {
        Some(Event::DeleteMarkerCreated(marker)) => {
            let id = VersionId::of(record.header.id(), marker.null);
            Deleted { version: versioned.then_some(id), delete_marker: true, position }
        }
        Some(Event::VersionRemoved(removed)) => {
            let named = versioned || asked.is_some();
            Deleted { version: named.then_some(removed.version), delete_marker: removed.was_marker, position }
        }
        _ => Deleted { version: asked, delete_marker: false, position },
    }
}
