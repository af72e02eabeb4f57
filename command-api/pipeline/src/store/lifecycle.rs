//! Lifecycle rules in the store: which a bucket has, and what they announce of what is read and written.
//!
//! Owns: from a bucket's row to its rules, from a version's row to its tags, the dates that answers announce.
//! Does not own: what rules say (domain), carrying them out ([`crate::standing`]).
//! Announced are real days, whatever a day is here: a client knows no others, and an operator who shortens days tries rules out.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use domain::lifecycle::{self, Day, Facts, Kind, Place, Tags};
use event_log::Snapshot;
use projections::query;
use projections::row::{self, Object};
use schemas::event::{Event, Setting, VersionCommitted};
use schemas::lifecycle::Rule;
use schemas::{EventId, ObjectKey, TenantId, Time, VersionId};

use super::{Found, Inner, rows_error};
use crate::api::{Expiry, StoreError};
use crate::sequencer::describe;

/// A bucket's rules, and the event that set them.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) set_by: EventId,
    event: Arc<Event>,
}

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        match &*self.event {
            Event::BucketLifecycleSet(set) => set.rules.as_deref().unwrap_or_default(),
            _ => &[],
        }
    }
}

impl Inner {
    /// The rules that a bucket has.
    pub(crate) fn rules(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &row::Bucket,
    ) -> Result<Option<Rules>, StoreError> {
        let Some(set_by) = bucket.settings.get(&Setting::Lifecycle).copied() else { return Ok(None) };
        let event = self.fact(snapshot, tenant, set_by)?;
        match &*event {
            Event::BucketLifecycleSet(_) => Ok(Some(Rules { set_by, event })),
            _ => Err(other_event(tenant, set_by)),
        }
    }

    /// When a version that is read expires, if it is the current one and a rule says so.
    pub(crate) fn expiry_of_read(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        object: &Object,
        asked: Option<VersionId>,
    ) -> Result<Option<Expiry>, StoreError> {
        let Some(rules) = self.rules(snapshot, tenant, &bucket.row)? else { return Ok(None) };
        if asked.is_some() {
            let current = query::current(snapshot, tenant, bucket.id, key).map_err(rows_error)?;
            if current.is_none_or(|current| current.object.made_by != object.made_by) {
                return Ok(None);
            }
        }
        // Reads are many: they look into the log once more only where a rule makes them.
        let tags = if lifecycle::asks_tags(&rules) { self.tags_of(snapshot, tenant, object)? } else { BTreeMap::new() };
        Ok(announced(&rules, key, object.modified, object.size_bytes, &tags))
    }

    /// The same of a version that was just written. The write stands: rules that cannot be read announce nothing.
    pub(crate) fn expiry_of_write(
        &self,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        made: Time,
        version: &VersionCommitted,
    ) -> Option<Expiry> {
        if !bucket.row.settings.contains_key(&Setting::Lifecycle) {
            return None;
        }
        match self.rules(self.log.snapshot().as_ref(), tenant, &bucket.row) {
            Ok(rules) => announced(&rules?, key, made, version.content.size_bytes, &version.tags),
            Err(error) => {
                tracing::error!(error = %describe(&error), "the lifecycle rules of a bucket cannot be read");
                None
            }
        }
    }
}

fn announced(
    rules: &[Rule],
    key: &ObjectKey,
    modified: Time,
    size_bytes: u64,
    tags: &BTreeMap<String, String>,
) -> Option<Expiry> {
    let kind = Kind::Object { size_bytes, tags: Tags::Read(tags) };
    let current = Facts { key: key.as_str(), modified, place: Place::Latest { alone: true }, kind };
    lifecycle::expiry(rules, &current, Day::REAL).map(owned)
}

/// When an upload that began then is given up, if a rule says so.
pub(crate) fn abort_of(rules: Option<&Rules>, key: &ObjectKey, initiated: Time) -> Option<Expiry> {
    lifecycle::abort(rules?, key.as_str(), initiated, Day::REAL).map(owned)
}

fn owned(expiry: lifecycle::Expiry<'_>) -> Expiry {
    Expiry { at: expiry.at, rule: expiry.rule.to_owned() }
}

fn other_event(tenant: TenantId, event: EventId) -> StoreError {
    StoreError::Corrupt { what: format!("event {} of tenant {tenant} is not what a row takes it for", event.position) }
}
