//! What happened to an object, and what of a bucket is another at two points.

use std::collections::BTreeSet;

use domain::policy::Resource;
use event_log::Rows;
use projections::query::{self, Layers};
use projections::row::Object;
use schemas::action::Action;
use schemas::delivery::{FeedEvent, FeedQuery};
use schemas::subscription::EventFilter;
use schemas::{BucketName, ObjectKey, Position, TenantId};

use super::past::layers;
use super::{Found, Store, rows_error};
use crate::api::{AskedDifference, Caller, Differences, KeyDifference, ObjectState, PastEvents, StoreError};

/// Changes read under one snapshot.
const STEP: usize = 5_000;
/// Keys that are compared for one answer, at most.
const KEYS_MAX: usize = 1_000_000;

impl Store {
    /// Events of an object behind a position, oldest first. Those that were erased are left out.
    ///
    /// # Errors
    /// [`StoreError`]: the key may not read history.
    pub async fn object_history(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        after: Option<Position>,
        max: usize,
    ) -> Result<PastEvents, StoreError> {
        let (inner, tenant) = (&self.inner, caller.tenant);
        let (positions, more) = {
            let snapshot = inner.log.snapshot();
            let found = inner.enter(snapshot.as_ref(), caller, Action::ReadHistory, bucket, Some(key))?;
            let of = (tenant, found.id, key);
            query::object_events(snapshot.as_ref(), of, after, max).map_err(rows_error)?
        };
        let next = positions.last().copied().filter(|_| more);
        let read = move |announcements: &dyn crate::announcements::Announcements| {
            let mut events: Vec<FeedEvent> = Vec::with_capacity(positions.len());
            for at in positions {
                let one = FeedQuery { from: at, filter: EventFilter::default(), max: 1 };
                let page = announcements.feed(tenant, one)?;
                events.extend(page.events.into_iter().filter(|found| found.event.position == at));
            }
            Ok(events)
        };
        Ok(PastEvents { events: inner.ask(read).await?, next })
    }

    /// Keys whose current object is another one at two points. It costs what changed between them.
    ///
    /// # Errors
    /// Those of a point; the key may not read history.
    pub async fn difference(&self, caller: &Caller, asked: AskedDifference) -> Result<Differences, StoreError> {
        let (inner, caller) = (self.inner.clone(), caller.clone());
        let look = move || {
            let tenant = caller.tenant;
            let (found, from, to) = {
                let snapshot = inner.log.snapshot();
                let resource = Resource::Prefix(&asked.bucket, &asked.prefix);
                let found = inner.enter_for(snapshot.as_ref(), &caller, Action::ReadHistory, resource)?;
                inner.enter_for(snapshot.as_ref(), &caller, Action::ListBucket, resource)?;
                let from = inner.as_of(snapshot.as_ref(), tenant, found.id, &asked.from)?;
                let to = inner.as_of(snapshot.as_ref(), tenant, found.id, &asked.to)?;
                (found, from, to)
            };
            let (first, last) = (from.at.position.min(to.at.position), from.at.position.max(to.at.position));
            let changed = inner.changed_keys(tenant, &found, first, last, &asked.prefix)?;
            let mut keys = Vec::new();
            let changed: Vec<_> = changed.into_iter().collect();
            for some in changed.chunks(STEP) {
                let snapshot = inner.log.snapshot();
                let rows = snapshot.as_ref();
                // Before it was made a bucket had nothing.
                let before = match inner.at(rows, tenant, found.id, from) {
                    Ok(then) => Some((layers(rows, tenant, &then)?, then)),
                    Err(StoreError::Refused(domain::Refusal::NoSuchBucket)) => None,
                    Err(error) => return Err(error),
                };
                let then = inner.at(rows, tenant, found.id, to)?;
                let after = (layers(rows, tenant, &then)?, then);
                for key in some {
                    let was = before.as_ref().map_or(Ok(None), |of| shown(rows, of, key))?;
                    let is = shown(rows, &after, key)?;
                    if !same(was.as_ref(), is.as_ref()) {
                        let state = |of: &Found, object: &Object| ObjectState {
                            version: of.shown(object.id()),
                            etag: object.etag,
                            size_bytes: object.size_bytes,
                            modified: object.modified,
                        };
                        keys.push(KeyDifference {
                            key: key.clone(),
                            before: before.as_ref().and_then(|(_, of)| was.as_ref().map(|object| state(of, object))),
                            after: is.as_ref().map(|object| state(&after.1, object)),
                        });
                    }
                }
            }
            Ok(Differences { from, to, keys })
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| super::internal(&error))?
    }
}

fn shown(rows: &dyn Rows, (layers, _): &(Layers, Found), key: &ObjectKey) -> Result<Option<Object>, StoreError> {
    layers.current(rows, key).map_err(rows_error)
}

/// Whether two objects are one and the same, with the same tags and grants.
pub(crate) fn same(one: Option<&Object>, other: Option<&Object>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one.made_by == other.made_by
                && one.details.tags == other.details.tags
                && one.details.acl == other.details.acl
        }
        _ => false,
    }
}

impl super::Inner {
    /// Keys of a bucket that changed behind one position and up to another, in order.
    pub(crate) fn changed_keys(
        &self,
        tenant: TenantId,
        bucket: &Found,
        behind: Position,
        upto: Position,
        prefix: &str,
    ) -> Result<BTreeSet<ObjectKey>, StoreError> {
        let (mut from, mut keys) = (behind.next(), BTreeSet::new());
        loop {
            let snapshot = self.log.snapshot();
            let some = query::changes(snapshot.as_ref(), tenant, bucket.id, from, upto.next(), STEP);
            let some = some.map_err(rows_error)?;
            let is_last = some.len() < STEP;
            if let Some((at, _)) = some.last() {
                from = at.next();
            }
            keys.extend(some.into_iter().map(|(_, key)| key).filter(|key| key.as_str().starts_with(prefix)));
            if keys.len() > KEYS_MAX {
                let reason = "More than a million keys changed between the points: ask by prefixes";
                return Err(domain::Refusal::InvalidArgument { name: "prefix", reason }.into());
            }
            if is_last {
                return Ok(keys);
            }
        }
    }
}
