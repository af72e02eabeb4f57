//! Tasks that requests began: carried out page by page, all tenants' in turn.
//!
//! Owns: which task is next, its pages and units, their pace.
//! Does not own: what a delete does (the same decision as anybody's), beginning and cancelling ([`crate::store`]).
//! Invariants: a unit deletes only what was there when the task began, and names how far it got in the same commit: a process
//! that is killed goes on behind it. No snapshot outlives a page. A task that is not there any more does nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::Refusal;
use domain::object::{Command, Kind, decide};
use event_log::Changes;
use parking_lot::{Condvar, Mutex};
use projections::query::{self, ListQuery};
use projections::row::Task;
use schemas::action::Action;
use schemas::event::{Event, TaskFinished, TaskProgressed};
use schemas::{BucketId, KeyId, ObjectKey, TenantId};

use super::Stop;
use super::rewind::{self, Kept};
use crate::api::{Caller, StoreError};
use crate::sequencer::{Decide, Lane, Outcome, Planned, Unit, describe};
use crate::store::rewind::{RESTORE, UNDO};
use crate::store::{
    Arguments, Cursor, DELETE_PREFIX, ERASE, Found, Inner, Request, layers, log_error, planned_object, rows_error,
    situation,
};

/// Keys looked at under one snapshot, before another task has its turn.
const PAGE: usize = 200;
/// Keys deleted in one unit: each changes some ten rows, and requests wait behind it.
const TOGETHER: usize = 20;
/// The walk rests as long as a page took, within these bounds.
const REST_MIN_US: u64 = 500;
const REST_MAX_US: u64 = 200_000;
/// A full queue or disk is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Nobody rings for what was left over: it is looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Wakes the thread when there is something to do.
#[derive(Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    told: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock() = true;
        self.told.notify_all();
    }

    pub(super) fn wait(&self) {
        let mut rung = self.rung.lock();
        if !*rung {
            self.told.wait_for(&mut rung, LOOK_EVERY);
        }
        *rung = false;
    }
}

/// One page of every task. Whether any is left.
pub(super) fn round(inner: &Inner, stop: &Stop, goals: &mut Kept) -> Result<bool, StoreError> {
    let (mut left, mut seen) = (false, HashSet::new());
    let tenants = inner.log.snapshot().tenants().map_err(log_error)?;
    for tenant in tenants {
        let tasks = query::tasks(inner.log.snapshot().as_ref(), tenant).map_err(rows_error)?;
        for (id, task) in tasks {
            if task.kind == ERASE {
                left |= erasure(inner, stop, tenant, &id, &task)?;
                continue;
            }
            seen.insert(id.clone());
            let run = Run { inner, stop, tenant, id };
            let begun_us = inner.clock.monotonic_us();
            let done = match task.kind.as_str() {
                DELETE_PREFIX => run.page(&task),
                RESTORE | UNDO => rewind::page(&run, &task, goals),
                // Another version began it.
                _ => continue,
            };
            left |= match done {
                Ok(left) => left,
                Err(StoreError::Unavailable) => return Err(StoreError::Unavailable),
                Err(StoreError::Busy { .. } | StoreError::DiskFull) => {
                    run.wait(RETRY_AFTER)?;
                    true
                }
                Err(error) => {
                    run.finish(Some(run.explained(&error)))?;
                    false
                }
            };
            run.rest(begun_us)?;
        }
    }
    goals.retain(&seen);
    Ok(left)
}

/// One page of an erasure. It never fails: half of one is none, so whatever is in its way is tried again.
fn erasure(inner: &Inner, stop: &Stop, tenant: TenantId, id: &str, task: &Task) -> Result<bool, StoreError> {
    match super::erase::page(inner, stop, tenant, id, task) {
        Err(StoreError::Unavailable) => Err(StoreError::Unavailable),
        Err(error) => {
            if !matches!(error, StoreError::Busy { .. } | StoreError::DiskFull) {
                tracing::error!(%tenant, task = id, error = %describe(&error), "an erasure is held up");
            }
            if stop.wait(RETRY_AFTER) { Err(StoreError::Unavailable) } else { Ok(true) }
        }
        left => left,
    }
}

/// A task under way.
pub(super) struct Run<'a> {
    pub(super) inner: &'a Inner,
    stop: &'a Stop,
    pub(super) tenant: TenantId,
    pub(super) id: String,
}

/// What a page is dealt with by.
struct Page {
    bucket: Found,
    caller: Caller,
    prefix: String,
    /// Each with whether its user may delete it.
    keys: Vec<(ObjectKey, bool)>,
    is_last: bool,
    cursor: Cursor,
}

impl Run<'_> {
    /// Deals with a page. Whether more is left.
    fn page(&self, task: &Task) -> Result<bool, StoreError> {
        let page = match self.look(task)? {
            Ok(page) => page,
            Err(why) => return self.finish(Some(why.to_owned())).map(|()| false),
        };
        let Page { bucket, caller, prefix, keys, is_last, mut cursor } = page;
        for keys in keys.chunks(TOGETHER) {
            let Some((last, _)) = keys.last() else { break };
            cursor.denied += keys.iter().filter(|(_, may)| !may).count() as u64;
            cursor.behind(&prefix, last.as_str());
            let keys = keys.iter().filter(|(_, may)| *may).map(|(key, _)| key.clone()).collect();
            match self.delete(task, &bucket, &caller, keys, &cursor)? {
                Some(locked) => cursor.locked = locked,
                // Cancelled.
                None => return Ok(false),
            }
        }
        if is_last {
            self.finish(None)?;
        }
        Ok(!is_last)
    }

    /// The next page of keys that were there when the task began; or why it cannot go on.
    fn look(&self, task: &Task) -> Result<Result<Page, &'static str>, StoreError> {
        let (inner, tenant) = (self.inner, self.tenant);
        let arguments = Arguments::parse(&task.arguments)?;
        let Some(caller) = arguments.begun.caller(inner, tenant)? else {
            return Ok(Err("the access key that began the task does not work any more"));
        };
        let (id, name, prefix) = (arguments.begun.bucket()?, arguments.begun.bucket_name(), arguments.prefix()?);
        let cursor = Cursor::parse(task.cursor.as_deref())?;
        let mut after = cursor.after(&prefix)?;
        loop {
            let snapshot = inner.log.snapshot();
            let row = query::bucket(snapshot.as_ref(), tenant, id).map_err(rows_error)?;
            let Some(row) = row else { return Ok(Err("the bucket was deleted")) };
            let query = ListQuery { prefix: prefix.clone(), delimiter: None, after, max: PAGE };
            let bucket = Found::now(id, row);
            let listed = layers(snapshot.as_ref(), tenant, &bucket)?;
            let listed = listed.list(snapshot.as_ref(), &query).map_err(rows_error)?;
            let mut keys = Vec::with_capacity(listed.entries.len());
            for entry in listed.entries.into_iter().filter(|entry| entry.object.modified <= task.started) {
                let asked = (name, &entry.key, None);
                let may = match inner.enter_version(snapshot.as_ref(), &caller, Action::DeleteObject, asked) {
                    Ok(_) => true,
                    Err(StoreError::Refused(Refusal::NoSuchBucket)) => return Ok(Err("the bucket was deleted")),
                    Err(StoreError::Refused(_)) => false,
                    Err(error) => return Err(error),
                };
                keys.push((entry.key, may));
            }
            if keys.is_empty() && listed.truncated {
                // All of the page is newer than the task. That is not worth a commit: it is found again after a restart.
                after = listed.next_after;
                drop(snapshot);
                self.wait(Duration::from_micros(REST_MIN_US))?;
                continue;
            }
            return Ok(Ok(Page { bucket, caller, prefix, keys, is_last: !listed.truncated, cursor }));
        }
    }

    /// Deletes a few keys and says how far the task got, in one unit. The number of locked ones so far; none when the task is not
    /// there any more.
    fn delete(
        &self,
        task: &Task,
        bucket: &Found,
        caller: &Caller,
        keys: Vec<ObjectKey>,
        cursor: &Cursor,
    ) -> Result<Option<u64>, StoreError> {
        let (tenant, started) = (self.tenant, task.started);
        let rows: Vec<_> = keys.iter().flat_map(|key| situation::object_rows(tenant, bucket.id, key)).collect();
        let (keys, counted) = (Arc::new(keys), Arc::new(AtomicU64::new(cursor.locked)));
        let sealing = self.inner.tenant_key(tenant)?;
        let request = || {
            let mut request = Request { lane: Lane::Background, ..Request::of(caller) };
            request.context.correlation = Some(self.id.clone());
            request.loading(rows.clone())
        };
        let recorded = self.command(request, || {
            let (id, bucket, keys, cursor) = (self.id.clone(), bucket.clone(), keys.clone(), cursor.clone());
            let (counted, owner) = (counted.clone(), caller.user());
            Box::new(move |rows, now| {
                let Some(task) = query::task(rows, tenant, &id).map_err(rows_error)? else {
                    return Ok(Unit::default());
                };
                let (mut events, mut done, mut locked) = (Vec::new(), task.done, cursor.locked);
                for key in keys.iter() {
                    let state = situation::object(rows, tenant, bucket.id, key)?;
                    // Deleted meanwhile, or written anew since the task began.
                    let is_meant = |version: &domain::object::Version| {
                        !matches!(version.kind, Kind::Marker) && version.modified <= started
                    };
                    if !state.current.as_ref().is_some_and(is_meant) {
                        continue;
                    }
                    let conditions = domain::Conditions::default();
                    match decide(&state, Command::Delete { conditions, owner: owner.clone(), now }) {
                        Ok(more) => {
                            done += 1;
                            events.extend(planned_object(rows, tenant, &bucket, key, more)?);
                        }
                        Err(Refusal::ObjectLocked) => locked += 1,
                        Err(refusal) => return Err(refusal.into()),
                    }
                }
                // Decided again after another command spoiled the drain: the last count holds.
                counted.store(locked, Ordering::Relaxed);
                let mut cursor = cursor.clone();
                cursor.locked = locked;
                let cursor = cursor.text();
                let progressed = TaskProgressed { task: id.clone(), cursor, done };
                events.push(of_tenant(sealing, progressed.into()));
                Ok(Unit { events, changes: Changes::default() })
            })
        })?;
        Ok((!recorded.is_empty()).then(|| counted.load(Ordering::Relaxed)))
    }

    /// Ends the task, unless it has ended.
    pub(super) fn finish(&self, error: Option<String>) -> Result<(), StoreError> {
        let (tenant, sealing) = (self.tenant, self.inner.tenant_key(self.tenant)?);
        let request = || Request::system("tasks", tenant, self.inner.ids.request(self.inner.clock.wall()));
        self.command(request, || {
            let finished = TaskFinished { task: self.id.clone(), error: error.clone() };
            Box::new(move |rows, _| {
                let is_running = query::task(rows, tenant, &finished.task).map_err(rows_error)?.is_some();
                let event = of_tenant(sealing, finished.clone().into());
                let events = if is_running { vec![event] } else { Vec::new() };
                Ok(Unit { events, changes: Changes::default() })
            })
        })?;
        Ok(())
    }

    /// What the task's owner is told of why it failed.
    fn explained(&self, error: &StoreError) -> String {
        match error {
            StoreError::Refused(refusal) => refusal.to_string(),
            other => {
                tracing::error!(tenant = %self.tenant, error = %describe(other), "a task failed");
                "internal error".to_owned()
            }
        }
    }

    /// Runs a command, waiting while the queue is full.
    pub(super) fn command(
        &self,
        request: impl Fn() -> Request,
        decide: impl Fn() -> Decide,
    ) -> Result<Outcome, StoreError> {
        loop {
            match self.inner.run_blocking(request(), decide()) {
                Err(StoreError::Busy { retry_after_ms }) => self.wait(Duration::from_millis(retry_after_ms))?,
                done => return done,
            }
        }
    }

    /// Lets others work as long as this page took.
    fn rest(&self, begun_us: u64) -> Result<(), StoreError> {
        let took_us = self.inner.clock.monotonic_us().saturating_sub(begun_us);
        self.wait(Duration::from_micros(took_us.clamp(REST_MIN_US, REST_MAX_US)))
    }

    /// A moment for others, between two looks at what is there.
    pub(super) fn breathe(&self) -> Result<(), StoreError> {
        self.wait(Duration::from_micros(REST_MIN_US))
    }

    pub(super) fn wait(&self, time: Duration) -> Result<(), StoreError> {
        if self.stop.wait(time) { Err(StoreError::Unavailable) } else { Ok(()) }
    }
}

/// An event of no bucket.
pub(super) fn of_tenant(key: KeyId, event: Event) -> Planned {
    Planned { bucket: BucketId::NONE, key, object: None, event }
}
