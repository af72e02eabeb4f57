//! Restores and undos: carried out key by key, some of them a unit.
//!
//! Owns: their pages and units, which keys are next. Does not own: what becomes of a key ([`crate::store::rewind`]).
//! Invariants: a key changes whole or not at all. A unit names how far it got in the same commit: a process that is killed goes on
//! behind it, with keys that are found again by what changed up to the task's beginning. No snapshot outlives a unit's keys.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use event_log::Changes;
use parking_lot::Mutex;
use projections::query;
use projections::row::Task;
use schemas::event::TaskProgressed;

use super::tasks::{Run, of_tenant};
use crate::api::{Caller, StoreError};
use crate::sequencer::{Lane, Unit};
use crate::store::rewind::{Arguments, Cursor, Goals, Prepared, Put, Rewinding, forced, put_back};
use crate::store::{Charges, Found, Request, rows_error, situation};

/// Keys of a task's turn.
const PAGE: usize = 400;
/// Keys put back in one unit: each changes some fifteen rows.
const TOGETHER: usize = 25;
/// About so many bytes of events in one unit; one of them may be as long as a record.
const UNIT_BYTES: usize = 256 << 10;
/// Rows that open content, written at once.
const WRAPS_TOGETHER: usize = 400;

/// The next keys of tasks under way, so that they are not looked for at every turn. After a restart they are.
#[derive(Default)]
pub(super) struct Kept(HashMap<String, Goals>);

impl Kept {
    /// Forgets those of tasks that are not there any more.
    pub(super) fn retain(&mut self, tasks: &HashSet<String>) {
        self.0.retain(|task, _| tasks.contains(task));
    }
}

/// One turn of a task. Whether more is left.
pub(super) fn page(run: &Run<'_>, task: &Task, kept: &mut Kept) -> Result<bool, StoreError> {
    let (inner, tenant) = (run.inner, run.tenant);
    // Put back when all went well: a turn that failed begins anew where the log says.
    let known = kept.0.remove(&run.id);
    let arguments = Arguments::parse(&task.arguments)?;
    let end = |why: &str| run.finish(Some(why.to_owned())).map(|()| false);
    let Some(caller) = arguments.begun.caller(inner, tenant)? else {
        return end("the access key that began the task does not work any more");
    };
    let id = arguments.begun.bucket()?;
    let row = query::bucket(inner.log.snapshot().as_ref(), tenant, id).map_err(rows_error)?;
    let Some(row) = row else { return end("the bucket was deleted") };
    let bucket = Found::now(id, row);
    let mut cursor = Cursor::parse(task.cursor.as_deref())?;
    let (aim, head) = (&arguments.aim, arguments.head);
    let mut goals = match known {
        Some(goals) => goals,
        None => {
            let after = cursor.after(aim.prefix())?;
            inner.goals((tenant, id), aim, head, after.as_deref(), &mut || run.breathe())?
        }
    };
    let asked = Rewinding { caller: &caller, bucket: &bucket, head, force: forced(aim), is_dry: false };
    let mut left_of_page = PAGE;
    while left_of_page > 0 && !goals.keys.is_empty() {
        let keys = prepare(run, &asked, &mut goals, left_of_page.min(TOGETHER))?;
        left_of_page -= keys.len().min(left_of_page);
        write_wraps(run, &caller, &keys)?;
        match put(run, &asked, &arguments, task, keys, cursor)? {
            Some(further) => cursor = further,
            // Cancelled.
            None => return Ok(false),
        }
    }
    if goals.keys.is_empty() && goals.is_all {
        return run.finish(None).map(|()| false);
    }
    if !goals.keys.is_empty() {
        kept.0.insert(run.id.clone(), goals);
    }
    Ok(true)
}

/// The keys of the next unit.
fn prepare(run: &Run<'_>, asked: &Rewinding<'_>, goals: &mut Goals, max: usize) -> Result<Vec<Prepared>, StoreError> {
    let snapshot = run.inner.log.snapshot();
    let (mut keys, mut bytes) = (Vec::with_capacity(max), 0);
    while keys.len() < max && bytes < UNIT_BYTES {
        let Some(goal) = goals.keys.pop_front() else { break };
        let one = run.inner.prepare_key(&snapshot, asked, goal)?;
        bytes += one.bytes;
        keys.push(one);
    }
    Ok(keys)
}

/// Opens the content of a fork's base for the fork: rows that are durable before an event names the content.
fn write_wraps(run: &Run<'_>, caller: &Caller, keys: &[Prepared]) -> Result<(), StoreError> {
    let mut together = Changes::default();
    let write = |changes: Changes| {
        let request = || Request { lane: Lane::Background, ..Request::of(caller) };
        let decide = || {
            let changes = changes.clone();
            let decide: crate::sequencer::Decide =
                Box::new(move |_, _| Ok(Unit { events: Vec::new(), changes: changes.clone() }));
            decide
        };
        run.command(request, decide).map(|_| ())
    };
    for wraps in keys.iter().flat_map(|one| &one.wraps) {
        if together.0.len() + wraps.0.len() > WRAPS_TOGETHER {
            write(std::mem::take(&mut together))?;
        }
        together.append(wraps.clone());
    }
    if together.0.is_empty() { Ok(()) } else { write(together) }
}

/// Puts a few keys back and says how far the task got, in one unit. The cursor behind them; none when the task is not there any
/// more.
fn put(
    run: &Run<'_>,
    asked: &Rewinding<'_>,
    arguments: &Arguments,
    task: &Task,
    keys: Vec<Prepared>,
    cursor: Cursor,
) -> Result<Option<Cursor>, StoreError> {
    let (tenant, bucket) = (run.tenant, asked.bucket);
    let rows: Vec<_> = keys.iter().flat_map(|one| situation::object_rows(tenant, bucket.id, &one.key)).collect();
    let prefix: Arc<str> = arguments.aim.prefix().into();
    let (keys, arguments_bytes) = (Arc::new(keys), task.arguments.len());
    let further = Arc::new(Mutex::new(Cursor::default()));
    let sealing = run.inner.tenant_key(tenant)?;
    let request = || {
        let mut request = Request { lane: Lane::Background, ..Request::of(asked.caller) };
        request.context.correlation = Some(run.id.clone());
        request.loading(rows.clone())
    };
    let recorded = run.command(request, || {
        let (id, bucket, keys, prefix) = (run.id.clone(), bucket.clone(), keys.clone(), prefix.clone());
        let (owner, cursor, further) = (asked.caller.user(), cursor.clone(), further.clone());
        Box::new(move |rows, now| {
            if query::task(rows, tenant, &id).map_err(rows_error)?.is_none() {
                return Ok(Unit::default());
            }
            let mut cursor = cursor.clone();
            let mut charges = Charges::of(rows, tenant, bucket.id)?;
            let mut events = Vec::new();
            for one in keys.iter() {
                let (put, more) = put_back(rows, (tenant, &bucket, &owner), one, &mut charges, now)?;
                events.extend(more);
                match put {
                    Put::Back => cursor.restored += 1,
                    Put::Away => cursor.removed += 1,
                    Put::Unchanged => cursor.unchanged += 1,
                    Put::Refused(why) => cursor.refuse(&prefix, one.key.as_str(), why),
                }
                cursor.behind(&prefix, one.key.as_str());
            }
            events.extend(charges.finish(&bucket));
            let text = cursor.text(arguments_bytes);
            let progressed = TaskProgressed { task: id.clone(), cursor: text, done: cursor.restored + cursor.removed };
            events.push(of_tenant(sealing, progressed.into()));
            // Decided again after another command spoiled the drain: the last one holds.
            *further.lock() = cursor;
            Ok(Unit { events, changes: Changes::default() })
        })
    })?;
    Ok((!recorded.is_empty()).then(|| further.lock().clone()))
}
