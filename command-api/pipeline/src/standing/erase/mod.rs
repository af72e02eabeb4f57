//! Erasures: carried out step by step behind the request that ended the bucket or tenant.
//!
//! Owns: the order of the steps, their pages, what is looked for in the end, the certificate.
//! Does not own: whether it may be erased (decided before the task began), where rows stand (projections), merging of tables
//! (event-log), the key files (vault).
//! Invariants: the event of a destroyed key is durable before the key is, and the key is gone before the first row is. Each unit of
//! rows names how far the task got in the same commit. A process that is killed goes on with the stage that the log knows, from its
//! beginning: what is gone is not found again.
//!
//! What is sampled to be looked for in the end, names and wrapped keys, is kept in memory alone: writing it down would keep what is
//! to go. After a restart the sample begins anew; what keys of rows begin with is looked for in any case.

mod files;

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use event_log::{Rows, Table};
use parking_lot::Mutex;
use projections::query::{self, Left, Walk};
use projections::row::Task;
use schemas::event::{ErasureScope, Event, KeyDestroyed, SignedUrlRevoked, TaskProgressed};
use schemas::record::Context;
use schemas::{BlobId, BucketId, BucketName, KeyId, TenantId, Time};

use super::{Stop, janitor, sweep};
use crate::api::StoreError;
use crate::content::blob_row;
use crate::sequencer::{Decide, Lane, Planned, Unit};
use crate::store::{ErasureArguments, ErasureCursor, Inner, Request, Stage, internal, rows_error};
use crate::tables::{
    PHYSICAL, TRUTH, blob_of, child_of, children_of_tenant, decode_wrap, is_blob, is_of_bucket, is_wrap,
    wraps_of_tenant,
};

/// Rows removed in one unit.
const ROWS_TOGETHER: usize = 400;
/// Rows looked at under one snapshot.
const LOOKED: usize = 20_000;
/// Blobs freed in one unit.
const BLOBS_TOGETHER: usize = 40;
/// Signed addresses revoked in one unit.
const REVOKED_TOGETHER: usize = 200;
/// Names and wrapped keys that are looked for in the end.
const NAMES_MAX: usize = 64;
const WRAPS_MAX: usize = 32;
/// Shorter names are found in files by chance.
const NAME_BYTES_MIN: usize = 8;
/// Requests that were under way when the bucket ended have their entries soon after.
const MINUTE_US: u64 = 60 * 1_000_000;

/// Erasures under way, by task: what only this process knows of them.
#[derive(Default)]
pub(crate) struct Erasing(Mutex<HashMap<String, Working>>);

#[derive(Debug, Default)]
struct Working {
    stage: Option<Stage>,
    walk: Walk,
    after: Option<Vec<u8>>,
    names: BTreeSet<String>,
    wraps: BTreeSet<Vec<u8>>,
}

impl Working {
    fn sample(&mut self, names: Vec<String>) {
        let wanted = names.into_iter().filter(|name| name.len() >= NAME_BYTES_MIN);
        let room = NAMES_MAX.saturating_sub(self.names.len());
        self.names.extend(wanted.take(room));
    }
}

/// What is erased.
#[derive(Debug, Clone)]
enum Of {
    Bucket(BucketId, BucketName),
    Tenant,
}

/// An erasure under way.
pub(super) struct Run<'a> {
    inner: &'a Inner,
    stop: &'a Stop,
    /// Whose log the task stands in.
    log: TenantId,
    /// Whose rows go.
    tenant: TenantId,
    of: Of,
    id: String,
    task: &'a Task,
    arguments: ErasureArguments,
    sealing: KeyId,
}

/// One page of an erasure. Whether any is left.
pub(super) fn page(inner: &Inner, stop: &Stop, log: TenantId, id: &str, task: &Task) -> Result<bool, StoreError> {
    let arguments = ErasureArguments::parse(&task.arguments)?;
    let (tenant, of) = match &arguments.scope {
        ErasureScope::Bucket { bucket, name } => (log, Of::Bucket(*bucket, name.clone())),
        ErasureScope::Tenant { tenant, .. } => (*tenant, Of::Tenant),
    };
    let sealing = inner.tenant_key(log)?;
    let run = Run { inner, stop, log, tenant, of, id: id.to_owned(), task, arguments, sealing };
    let mut working = inner.standing.erasing.0.lock().remove(id).unwrap_or_default();
    let left = run.step(&mut working);
    if !matches!(left, Ok(false)) {
        inner.standing.erasing.0.lock().insert(id.to_owned(), working);
    }
    left
}

/// What a unit of rows is made by: it sees the rows as they are and says what it did in the cursor.
type Plan = Box<dyn FnMut(&dyn Rows, &mut ErasureCursor, &mut Unit) -> Result<(), StoreError> + Send>;

impl Run<'_> {
    fn step(&self, working: &mut Working) -> Result<bool, StoreError> {
        let cursor = ErasureCursor::parse(self.task.cursor.as_deref())?;
        if working.stage != Some(cursor.stage) {
            (working.stage, working.walk, working.after) = (Some(cursor.stage), Walk::default(), None);
        }
        match cursor.stage {
            Stage::Uploads => self.uploads(cursor)?,
            Stage::Key => self.key(cursor)?,
            Stage::Files => self.files(cursor)?,
            Stage::Wraps => self.wraps(cursor, working)?,
            Stage::Rows => self.rows(cursor, working)?,
            Stage::Children => self.children(cursor, working)?,
            Stage::Entries => self.entries(cursor)?,
            Stage::Purge => return self.purge(cursor, working).map(|()| false),
        }
        Ok(true)
    }

    /// Gives up what is still open, while the bucket's key lives: counters then say what they would without it.
    fn uploads(&self, cursor: ErasureCursor) -> Result<(), StoreError> {
        let Of::Bucket(bucket, name) = &self.of else { return self.enter(Stage::Key, cursor) };
        let snapshot = self.inner.log.snapshot();
        let urls = query::signed_urls_of(snapshot.as_ref(), self.tenant, name, self.task.started, REVOKED_TOGETHER);
        let urls = urls.map_err(rows_error)?;
        if !urls.is_empty() {
            let revoked = |(expires, id)| self.planned(SignedUrlRevoked { id, expires, erased: true }.into());
            return self.events(urls.into_iter().map(revoked).collect(), cursor);
        }
        if query::usage(snapshot.as_ref(), self.tenant, *bucket).map_err(rows_error)?.uploads == 0 {
            return self.enter(Stage::Key, cursor);
        }
        drop(snapshot);
        super::upkeep(self.inner, |inner| janitor::abandon_orphans(inner, self.tenant))
    }

    /// The event of the destroyed key: from here on there is no way back.
    fn key(&self, cursor: ErasureCursor) -> Result<(), StoreError> {
        let vault = &self.inner.contents.vault;
        let failed = |error: vault::VaultError| internal(&error);
        let (keys, buckets) = match &self.of {
            Of::Bucket(bucket, _) => (vault.bucket_keys(self.tenant, *bucket).map_err(failed)?, None),
            Of::Tenant => {
                let snapshot = self.inner.log.snapshot();
                let usage = query::tenant_usage(snapshot.as_ref(), self.tenant).map_err(rows_error)?;
                (vault.tenant_keys(self.tenant).map_err(failed)?, Some(usage.buckets))
            }
        };
        let ErasureArguments { scope, reason, .. } = &self.arguments;
        let destroyed = KeyDestroyed { scope: scope.clone(), keys, reason: reason.clone(), buckets };
        let event = self.planned(destroyed.into());
        self.asked(vec![event], ErasureCursor { stage: Stage::Files, ..cursor })
    }

    /// Destroys the key. Destroying twice is one destruction.
    fn files(&self, cursor: ErasureCursor) -> Result<(), StoreError> {
        let vault = &self.inner.contents.vault;
        let failed = |error: vault::VaultError| internal(&error);
        match &self.of {
            Of::Bucket(bucket, _) => {
                for key in vault.bucket_keys(self.tenant, *bucket).map_err(failed)? {
                    vault.destroy_bucket_key(self.tenant, *bucket, key).map_err(failed)?;
                }
            }
            Of::Tenant => vault.destroy_tenant_keys(self.tenant).map_err(failed)?,
        }
        tracing::info!(tenant = %self.tenant, task = self.id, "a key was destroyed: what it sealed is erased");
        self.enter(Stage::Wraps, cursor)
    }

    /// Wraps under the destroyed key, and blobs that no other key opens.
    fn wraps(&self, cursor: ErasureCursor, working: &mut Working) -> Result<(), StoreError> {
        let Of::Bucket(bucket, _) = self.of else { return self.all_of(TRUTH, Stage::Rows, cursor, working) };
        let snapshot = self.inner.log.snapshot();
        let (mut found, mut looked, mut last) = (Vec::new(), 0, None);
        let (from, to) = wraps_of_tenant(self.tenant);
        let from = working.after.take().map_or(Bound::Included(from), Bound::Excluded);
        for row in snapshot.range(TRUTH, from, Bound::Excluded(to)) {
            let (key, value) = row.map_err(|error| internal(&error))?;
            // A name's wraps are the tenant's, and not a bucket's.
            if is_of_bucket(&key) {
                let (of, wrapped) = decode_wrap(&value).ok_or_else(malformed)?;
                if of == bucket {
                    if working.wraps.len() < WRAPS_MAX {
                        working.wraps.insert(wrapped.to_vec());
                    }
                    found.push(key.clone());
                }
            }
            looked += 1;
            last = Some(key);
            if looked == LOOKED || found.len() == BLOBS_TOGETHER {
                break;
            }
        }
        drop(snapshot);
        let is_last = looked < LOOKED && found.len() < BLOBS_TOGETHER;
        let cursor = super::upkeep(self.inner, |_| self.forget_wraps(found, cursor))?;
        working.after = last;
        if is_last { self.enter(Stage::Rows, cursor) } else { Ok(()) }
    }

    /// Removes wraps, and everything of blobs that have no other.
    fn forget_wraps(&self, wraps: Vec<Vec<u8>>, cursor: ErasureCursor) -> Result<ErasureCursor, StoreError> {
        if wraps.is_empty() {
            return Ok(cursor);
        }
        let tenant = self.tenant;
        let blobs: BTreeSet<BlobId> = wraps.iter().filter_map(|key| blob_of(key)).collect();
        let pinned: Vec<_> = blobs.into_iter().map(|blob| (tenant, blob)).collect();
        // What somebody has pinned is being shared with another bucket: only its wrap goes.
        let freeing = self.inner.contents.blobs.pins().begin_free(&pinned);
        let granted: BTreeSet<BlobId> = freeing.granted().iter().map(|(_, blob)| *blob).collect();
        let wraps = Arc::new(wraps);
        let done = self.commit(self.quietly(), cursor, move || {
            let (wraps, granted) = (wraps.clone(), granted.clone());
            Box::new(move |rows, cursor, unit| {
                for key in wraps.iter() {
                    unit.changes.remove(TRUTH, key.clone());
                    cursor.counts.wraps += 1;
                    let Some(blob) = blob_of(key).filter(|blob| granted.contains(blob)) else { continue };
                    if !sweep::has_other_wraps(rows, tenant, blob, &wraps)? {
                        cursor.counts.blobs +=
                            u64::from(sweep::forget_unopenable(rows, tenant, blob, &mut unit.changes)?);
                    }
                }
                Ok(())
            })
        });
        drop(freeing);
        done
    }

    fn rows(&self, mut cursor: ErasureCursor, working: &mut Working) -> Result<(), StoreError> {
        let from = std::mem::take(&mut working.walk);
        let snapshot = self.inner.log.snapshot();
        let left = match &self.of {
            Of::Bucket(bucket, _) => {
                query::left_by_bucket(snapshot.as_ref(), self.tenant, *bucket, from, ROWS_TOGETHER, LOOKED)
            }
            Of::Tenant => query::left_by_tenant(snapshot.as_ref(), self.tenant, from, ROWS_TOGETHER),
        };
        let Left { rows, names, roots, next } = left.map_err(rows_error)?;
        drop(snapshot);
        working.sample(names);
        // Sweep gives references up by what it read: not while they go.
        super::upkeep(self.inner, |_| {
            cursor = self.remove(rows, true, cursor)?;
            if matches!(self.of, Of::Bucket(..)) {
                cursor = self.free(&roots, cursor)?;
            }
            Ok(())
        })?;
        match next {
            Some(next) => working.walk = next,
            None => return self.enter(Stage::Children, cursor),
        }
        Ok(())
    }

    /// What manifests that are gone have left: which blobs they were made of. Blobs under a name go here, when nothing else shows
    /// them.
    fn children(&self, mut cursor: ErasureCursor, working: &mut Working) -> Result<(), StoreError> {
        let Of::Bucket(..) = self.of else { return self.all_of(PHYSICAL, Stage::Entries, cursor, working) };
        let snapshot = self.inner.log.snapshot();
        let (mut found, mut orphans, mut looked, mut last) = (Vec::new(), Vec::new(), 0, None);
        let (from, to) = children_of_tenant(self.tenant);
        let from = working.after.take().map_or(Bound::Included(from), Bound::Excluded);
        for row in snapshot.range(PHYSICAL, from, Bound::Excluded(to)) {
            let (key, _) = row.map_err(|error| internal(&error))?;
            let (child, parent) = child_of(&key).ok_or_else(malformed)?;
            let parent = blob_row(snapshot.as_ref(), self.tenant, parent).map_err(crate::content::internal_box)?;
            if parent.is_none() {
                found.push((PHYSICAL, key.clone()));
                orphans.push(child);
            }
            looked += 1;
            last = Some(key);
            if looked == LOOKED || found.len() == ROWS_TOGETHER {
                break;
            }
        }
        drop(snapshot);
        let is_last = looked < LOOKED && found.len() < ROWS_TOGETHER;
        super::upkeep(self.inner, |_| {
            cursor = self.remove(found, true, cursor)?;
            cursor = self.free(&orphans, cursor)?;
            Ok(())
        })?;
        working.after = last;
        if is_last { self.enter(Stage::Entries, cursor) } else { Ok(()) }
    }

    /// Everything that a tenant has in a table of ours.
    fn all_of(
        &self,
        table: Table,
        next: Stage,
        mut cursor: ErasureCursor,
        working: &mut Working,
    ) -> Result<(), StoreError> {
        let snapshot = self.inner.log.snapshot();
        let beginning = self.tenant.0.to_be_bytes().to_vec();
        let to = event_log::prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
        let from = working.after.take().map_or(Bound::Included(beginning), Bound::Excluded);
        let (mut found, mut wraps, mut blobs) = (Vec::new(), 0, 0);
        for row in snapshot.range(table, from, to).take(ROWS_TOGETHER) {
            let (key, value) = row.map_err(|error| internal(&error))?;
            if table == TRUTH && is_wrap(&key) {
                wraps += 1;
                if working.wraps.len() < WRAPS_MAX {
                    working.wraps.extend(decode_wrap(&value).map(|(_, wrapped)| wrapped.to_vec()));
                }
            }
            blobs += u64::from(table == PHYSICAL && is_blob(&key));
            found.push((table, key));
        }
        drop(snapshot);
        let is_last = found.len() < ROWS_TOGETHER;
        working.after = found.last().map(|(_, key)| key.clone());
        // Wraps are counted as such.
        cursor.counts.rows += found.len() as u64 - wraps;
        cursor.counts.wraps += wraps;
        cursor.counts.blobs += blobs;
        super::upkeep(self.inner, |_| {
            cursor = self.remove(found, false, cursor)?;
            Ok(())
        })?;
        if is_last { self.enter(next, cursor) } else { Ok(()) }
    }

    /// Removes rows by their keys, in units that fit.
    fn remove(
        &self,
        rows: Vec<(Table, Vec<u8>)>,
        counted: bool,
        mut cursor: ErasureCursor,
    ) -> Result<ErasureCursor, StoreError> {
        for some in rows.chunks(ROWS_TOGETHER) {
            let some: Arc<Vec<_>> = Arc::new(some.to_vec());
            cursor = self.commit(self.quietly(), cursor, move || {
                let some = some.clone();
                Box::new(move |_, cursor, unit| {
                    some.iter().for_each(|(table, key)| unit.changes.remove(*table, key.clone()));
                    cursor.counts.rows += if counted { some.len() as u64 } else { 0 };
                    Ok(())
                })
            })?;
        }
        Ok(cursor)
    }

    /// Frees those of some blobs that nothing shows any more.
    fn free(&self, blobs: &[BlobId], mut cursor: ErasureCursor) -> Result<ErasureCursor, StoreError> {
        let unique: BTreeSet<BlobId> = blobs.iter().copied().collect();
        let unique: Vec<BlobId> = unique.into_iter().collect();
        let mut freed = 0;
        for some in unique.chunks(BLOBS_TOGETHER) {
            freed += sweep::free_now(self.inner, self.tenant, some)?;
        }
        cursor.counts.blobs += freed;
        if freed > 0 {
            self.events(Vec::new(), cursor)?;
        }
        Ok(cursor)
    }

    /// Entries of the access log that name the bucket, or are the tenant's.
    fn entries(&self, mut cursor: ErasureCursor) -> Result<(), StoreError> {
        let name = match &self.of {
            Of::Bucket(_, name) => Some(name.as_str()),
            Of::Tenant => None,
        };
        let until = Time(self.task.started.0.saturating_add(MINUTE_US));
        let keep_going = || !self.stop.wait(Duration::ZERO);
        let forgotten = self.inner.audit.forget(&self.inner.contents.vault, self.tenant, name, until, &keep_going);
        cursor.counts.entries += forgotten.map_err(|what| StoreError::Internal { what })?;
        if !keep_going() {
            return Err(StoreError::Unavailable);
        }
        self.enter(Stage::Purge, cursor)
    }

    fn planned(&self, event: Event) -> Planned {
        Planned { bucket: BucketId::NONE, key: self.sealing, object: None, event }
    }

    /// Whoever asked for it.
    fn asker(&self) -> Context {
        self.arguments.context(&self.id)
    }

    /// The server itself.
    fn quietly(&self) -> Context {
        let request = self.inner.ids.request(self.inner.clock.wall());
        let context = Request::system("tasks", self.log, request).context;
        Context { correlation: Some(self.id.clone()), ..context }
    }

    fn request(&self, context: Context) -> Request {
        let request = context.request.clone();
        Request { context, lane: Lane::Background, ..Request::system("tasks", self.log, request) }
    }

    fn events(&self, events: Vec<Planned>, cursor: ErasureCursor) -> Result<(), StoreError> {
        self.commit(self.quietly(), cursor, move || with_events(events.clone())).map(|_| ())
    }

    fn asked(&self, events: Vec<Planned>, cursor: ErasureCursor) -> Result<(), StoreError> {
        self.commit(self.asker(), cursor, move || with_events(events.clone())).map(|_| ())
    }

    fn enter(&self, stage: Stage, cursor: ErasureCursor) -> Result<(), StoreError> {
        self.events(Vec::new(), ErasureCursor { stage, ..cursor })
    }

    /// A unit of the task, with how far it then is. The cursor as the unit left it.
    fn commit(&self, by: Context, cursor: ErasureCursor, plan: impl Fn() -> Plan) -> Result<ErasureCursor, StoreError> {
        let (log, id, sealing) = (self.log, self.id.clone(), self.sealing);
        let reached = Arc::new(Mutex::new(cursor));
        let (mut plan, left) = (plan(), reached.clone());
        let decide: Decide = Box::new(move |rows, _| {
            let Some(task) = query::task(rows, log, &id).map_err(rows_error)? else { return Ok(Unit::default()) };
            // Decided again after another command spoiled the drain: it counts from where it began.
            let (mut unit, mut cursor) = (Unit::default(), cursor);
            let mut planned = Unit::default();
            plan(rows, &mut cursor, &mut planned)?;
            let progressed = TaskProgressed { task: id.clone(), cursor: cursor.text(), done: task.done + 1 };
            unit.events.push(Planned { bucket: BucketId::NONE, key: sealing, object: None, event: progressed.into() });
            unit.events.append(&mut planned.events);
            unit.changes = planned.changes;
            *left.lock() = cursor;
            Ok(unit)
        });
        self.inner.run_blocking(self.request(by), decide)?;
        let reached = *reached.lock();
        Ok(reached)
    }

    fn wait(&self, time: Duration) -> Result<(), StoreError> {
        if self.stop.wait(time) { Err(StoreError::Unavailable) } else { Ok(()) }
    }
}

fn with_events(events: Vec<Planned>) -> Plan {
    Box::new(move |_, _, unit| {
        unit.events.extend(events.clone());
        Ok(())
    })
}

fn malformed() -> StoreError {
    StoreError::Corrupt { what: "a row of a blob is malformed".to_owned() }
}
