//! The single writer: decides, gives places, makes durable, answers.
//!
//! Owns: the order of every log; the drain; fair queues and their bounds; the one thread that writes.
//! Does not own: what a command means (domain), which rows an event changes (projections), record bytes (event-log).
//! Invariants: a decision sees everything decided before it; no reply goes out before its batch is durable; a failed
//! commit ends the process and is never tried again.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::Refusal;
use event_log::{AppendError, Batch, Changes, Draft, EventLog, Recorded, RetentionClock, Rows};
use parking_lot::{Condvar, Mutex};
use schemas::event::Event;
use schemas::record::{Body, Context};
use schemas::{BucketId, CommandId, KeyId, ObjectKey, TenantId, Time};
use tokio::sync::oneshot;

use crate::api::StoreError;
use crate::clock::Clock;
use crate::view::{Memory, Overlay, Preload, View};

/// Bounds of a unit: one command's events and rows.
const UNIT_EVENTS_MAX: usize = 256;
const UNIT_ROWS_MAX: usize = 512;
/// A drain stops here.
const DRAIN_ROWS_MAX: usize = 8_192;
const DRAIN_BYTES_MAX: usize = 1 << 20;
/// Rows a tenant may have decided in one turn before the next tenant's turn.
const QUANTUM_ROWS: usize = 64;
/// Commands of one tenant that may wait; beyond it `Busy`.
const QUEUE_MAX: usize = 4_096;
const RETRY_AFTER_MS: u64 = 1_000;

/// An event on its way to a place in the log.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) bucket: BucketId,
    /// Key that seals the body: the bucket's, or the tenant's for an event of no bucket.
    pub(crate) key: KeyId,
    pub(crate) object: Option<ObjectKey>,
    pub(crate) event: Event,
}

/// What one command becomes: events, and rows of truth and physical tables beside those that `apply` computes.
#[derive(Debug, Default)]
pub(crate) struct Unit {
    pub(crate) events: Vec<Planned>,
    pub(crate) changes: Changes,
}

/// A decision over rows and the time that expiry is judged by: that of the record which it becomes, or while expiry is frozen the one
/// that it stands at. It may run again when its drain is discarded, so it must not consume what it needs.
pub(crate) type Decide = Box<dyn FnMut(&dyn Rows, Time) -> Result<Unit, StoreError> + Send>;

/// What a command's unit became: its events with their places; none when nothing needed to change.
pub(crate) type Outcome = Vec<Recorded>;

/// Whether somebody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A request.
    Foreground,
    /// A standing process or task: at most a tenth of a drain.
    Background,
}

/// A command in the queue.
pub(crate) struct Work {
    pub(crate) tenant: TenantId,
    pub(crate) context: Context,
    pub(crate) lane: Lane,
    pub(crate) preload: Preload,
    pub(crate) command: Option<CommandId>,
    pub(crate) decide: Decide,
}

struct Waiting {
    work: Work,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// Called before each commit: makes content of the drain durable. Bytes come before the event that names them.
pub(crate) type BeforeCommit = Box<dyn Fn() -> Result<(), StoreError> + Send>;

/// Called after each commit with its events, on the writer's thread: must be quick.
pub(crate) type AfterCommit = Box<dyn Fn(&[Recorded]) + Send>;

/// Called when the writer cannot go on. The program ends the process; a test records it.
pub(crate) type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Queues {
    foreground: HashMap<TenantId, VecDeque<Waiting>>,
    /// Tenants with waiting commands, in turn.
    turns: VecDeque<TenantId>,
    background: VecDeque<Waiting>,
    waiting: usize,
}

struct Shared {
    queues: Mutex<Queues>,
    wake: Condvar,
    stopping: AtomicBool,
    stopped: AtomicBool,
    /// Monotonic microseconds at which the drain in progress began; 0 between drains.
    busy_since_us: AtomicU64,
}

impl Shared {
    /// Nothing is decided any more. Whoever still waits is told by the dropped reply.
    fn end(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stopped.store(true, Ordering::Release);
        self.busy_since_us.store(0, Ordering::Release);
        *self.queues.lock() = Queues::default();
    }
}

/// Handle of the writer.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Everything the writer's thread works with.
pub(crate) struct Parts {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) retention: Arc<Mutex<RetentionClock>>,
    pub(crate) before_commit: BeforeCommit,
    pub(crate) after_commit: AfterCommit,
    pub(crate) on_fatal: OnFatal,
}

impl Sequencer {
    /// Starts the writer's thread, and a watchdog that ends the process when a drain takes longer than `watchdog`.
    pub(crate) fn start(parts: Parts, watchdog: Duration) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queues: Mutex::default(),
            wake: Condvar::new(),
            stopping: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            busy_since_us: AtomicU64::new(0),
        });
        watch(&shared, &parts, watchdog)?;
        let writer = Writer { shared: shared.clone(), parts };
        let thread = std::thread::Builder::new().name("sequencer".to_owned()).spawn(move || writer.run())?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a command and waits for its outcome, which is durable when this returns.
    ///
    /// Not cancelled by dropping the future: what is queued is decided.
    pub(crate) async fn submit(&self, work: Work) -> Result<Outcome, StoreError> {
        let answer = self.enqueue(work)?;
        answer.await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// The same for threads that may block.
    pub(crate) fn submit_blocking(&self, work: Work) -> Result<Outcome, StoreError> {
        let answer = self.enqueue(work)?;
        answer.blocking_recv().unwrap_or(Err(StoreError::Unavailable))
    }

    fn enqueue(&self, work: Work) -> Result<oneshot::Receiver<Result<Outcome, StoreError>>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let mut queues = self.shared.queues.lock();
        if self.shared.stopping.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable);
        }
        match work.lane {
            Lane::Background => {
                if queues.background.len() >= QUEUE_MAX {
                    return Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS });
                }
                queues.background.push_back(Waiting { work, reply });
            }
            Lane::Foreground => {
                let tenant = work.tenant;
                let queue = queues.foreground.entry(tenant).or_default();
                if queue.len() >= QUEUE_MAX {
                    return Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS });
                }
                queue.push_back(Waiting { work, reply });
                if queue.len() == 1 {
                    queues.turns.push_back(tenant);
                }
            }
        }
        queues.waiting += 1;
        drop(queues);
        self.shared.wake.notify_one();
        Ok(answer)
    }

    /// Decides what is queued, then ends the thread. Commands after this are `Unavailable`.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the writer was reported as fatal when it happened.
            let _ = thread.join();
        }
    }

    /// Whether commands are still decided.
    pub(crate) fn alive(&self) -> bool {
        !self.shared.stopped.load(Ordering::Acquire) && !self.shared.stopping.load(Ordering::Acquire)
    }

    /// Commands that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.queues.lock().waiting
    }
}

/// fjall can hang in a write after a kill and reopen (fjall #257): better to end and start again than to hang for ever.
fn watch(shared: &Arc<Shared>, parts: &Parts, watchdog: Duration) -> std::io::Result<()> {
    let weak = Arc::downgrade(shared);
    let (clock, on_fatal) = (parts.clock.clone(), parts.on_fatal.clone());
    std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
        while let Some(shared) = weak.upgrade() {
            let since = shared.busy_since_us.load(Ordering::Acquire);
            let limit = u64::try_from(watchdog.as_micros()).unwrap_or(u64::MAX);
            if since != 0 && clock.monotonic_us().saturating_sub(since) > limit {
                on_fatal("no commit within the watchdog's time while commands wait");
            }
            if shared.stopped.load(Ordering::Acquire) {
                return;
            }
            drop(shared);
            std::thread::park_timeout(Duration::from_millis(500));
        }
    })?;
    Ok(())
}

/// Takes requests in turn: deficit round robin over tenants, a row quantum each, up to a drain's rows.
fn requests(queues: &mut Queues) -> Vec<Waiting> {
    let mut drain = Vec::with_capacity(queues.waiting.min(1_024));
    let mut rows = 0;
    while rows < DRAIN_ROWS_MAX {
        let Some(tenant) = queues.turns.pop_front() else { break };
        let Some(queue) = queues.foreground.get_mut(&tenant) else { continue };
        let mut turn = 0;
        while turn < QUANTUM_ROWS {
            let Some(next) = queue.pop_front() else { break };
            turn += ROWS_ESTIMATE;
            drain.push(next);
        }
        rows += turn;
        if queue.is_empty() {
            queues.foreground.remove(&tenant);
        } else {
            queues.turns.push_back(tenant);
        }
    }
    queues.waiting -= drain.len();
    drain
}

struct Writer {
    shared: Arc<Shared>,
    parts: Parts,
}

/// Tells of a panic of the writer's thread: without it everyone would wait for the watchdog.
struct Unwinding {
    shared: Arc<Shared>,
    on_fatal: OnFatal,
}

impl Drop for Unwinding {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.end();
            (self.on_fatal)("the writer panicked");
        }
    }
}

/// A command that is decided and waits for its drain to be durable.
struct Decided {
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
    result: Result<Outcome, StoreError>,
}

/// What the commands of a batch became, by their ids.
type Commands = HashMap<(TenantId, CommandId), Outcome>;

/// How staging one command ended.
enum Staged {
    /// It is in the batch, or was refused: answer after the commit.
    Done(Result<Outcome, StoreError>),
    /// The batch holds half of it: discard the batch and decide the others again.
    Spoiled(StoreError),
    /// The writer cannot go on.
    Fatal(String),
}

impl Writer {
    fn run(self) {
        let _told = Unwinding { shared: self.shared.clone(), on_fatal: self.parts.on_fatal.clone() };
        let memory = RefCell::new(Memory::new(self.parts.log.committed()));
        while let Some(drain) = self.next_drain() {
            self.shared.busy_since_us.store(self.parts.clock.monotonic_us().max(1), Ordering::Release);
            let outcome = self.drain(drain, &memory);
            self.shared.busy_since_us.store(0, Ordering::Release);
            if let Err(what) = outcome {
                self.shared.end();
                (self.parts.on_fatal)(&what);
                return;
            }
        }
        self.shared.end();
    }

    /// Waits for commands and takes a drain of them: requests, then at most a tenth of background work. None when stopping and
    /// nothing waits.
    fn next_drain(&self) -> Option<Vec<Waiting>> {
        let mut queues = self.shared.queues.lock();
        while queues.waiting == 0 {
            if self.shared.stopping.load(Ordering::Acquire) {
                return None;
            }
            self.shared.wake.wait_for(&mut queues, Duration::from_millis(100));
        }
        let mut drain = requests(&mut queues);
        // A unit of background work may have 512 rows, which is less than a tenth of a drain: one beside requests.
        let share = if drain.is_empty() { BACKGROUND_ALONE } else { 1 };
        for _ in 0..share {
            let Some(next) = queues.background.pop_front() else { break };
            drain.push(next);
            queues.waiting -= 1;
        }
        Some(drain)
    }

    /// Requests that came while others were decided: they share the sync that is due anyway, instead of waiting for one of
    /// their own behind it.
    fn late(&self) -> Vec<Waiting> {
        requests(&mut self.shared.queues.lock())
    }

    /// Decides, commits and answers one drain; what does not fit goes through the next batch of the same call.
    fn drain(&self, drain: Vec<Waiting>, memory: &RefCell<Memory>) -> Result<(), String> {
        let mut waiting: VecDeque<Waiting> = drain.into();
        while !waiting.is_empty() {
            self.batch(&mut waiting, memory)?;
        }
        Ok(())
    }

    fn batch(&self, waiting: &mut VecDeque<Waiting>, memory: &RefCell<Memory>) -> Result<(), String> {
        let snapshot = self.parts.log.snapshot();
        let mut batch = self.parts.log.begin();
        let mut overlay = Overlay::default();
        let mut decided: Vec<Decided> = Vec::with_capacity(waiting.len());
        let mut done: Vec<Work> = Vec::with_capacity(waiting.len());
        let mut commands = Commands::new();
        while batch.rows() < DRAIN_ROWS_MAX && batch.bytes() < DRAIN_BYTES_MAX {
            if waiting.is_empty() {
                waiting.extend(self.late());
            }
            let Some(mut next) = waiting.pop_front() else { break };
            // The log knows a command once it is committed; until then this batch does.
            let repeated = next.work.command.and_then(|command| commands.get(&(next.work.tenant, command)).cloned());
            let outcome = match repeated {
                Some(events) => Staged::Done(Ok(events)),
                None => self.stage(&mut next.work, batch.as_mut(), &mut overlay, snapshot.as_ref(), memory),
            };
            match outcome {
                Staged::Done(result) => {
                    if let (Some(command), Ok(events)) = (next.work.command, &result)
                        && !events.is_empty()
                    {
                        commands.insert((next.work.tenant, command), events.clone());
                    }
                    decided.push(Decided { reply: next.reply, result });
                    done.push(next.work);
                }
                Staged::Spoiled(error) => {
                    // Answer the one that spoiled it; put the others back in their order.
                    let _ = next.reply.send(Err(error));
                    for (work, Decided { reply, .. }) in done.into_iter().zip(decided).rev() {
                        waiting.push_front(Waiting { work, reply });
                    }
                    return Ok(());
                }
                Staged::Fatal(what) => return Err(what),
            }
        }
        let mut full = false;
        if batch.rows() > 0 {
            if let Err(error) = (self.parts.before_commit)() {
                return Err(format!("making content durable failed: {error}"));
            }
            match batch.commit() {
                Ok(commit) => {
                    memory.borrow_mut().committed(overlay, commit);
                    for Decided { result, .. } in &decided {
                        if let Ok(events) = result {
                            (self.parts.after_commit)(events);
                        }
                    }
                }
                Err(AppendError::Full) => full = true,
                Err(error) => return Err(describe(&error)),
            }
        }
        for Decided { reply, result } in decided {
            // With a batch goes all that was decided in it: who had only rows to write, and who was refused because of what
            // another would have changed. A client that went away does not undo its write.
            let _ = reply.send(if full { Err(StoreError::DiskFull) } else { result });
        }
        Ok(())
    }

    fn stage(
        &self,
        work: &mut Work,
        batch: &mut dyn Batch,
        overlay: &mut Overlay,
        snapshot: &dyn event_log::Snapshot,
        memory: &RefCell<Memory>,
    ) -> Staged {
        if let Some(command) = work.command {
            match self.replay(work.tenant, command, snapshot) {
                Ok(None) => {}
                Ok(Some(events)) => return Staged::Done(Ok(events)),
                Err(error) => return Staged::Done(Err(error)),
            }
        }
        let (time, judged) = match batch.head(work.tenant) {
            Ok(head) => {
                let mut clock = self.parts.retention.lock();
                let time = clock.at(self.parts.clock.wall(), self.parts.clock.monotonic_us()).max(head.time);
                (time, if clock.expiry_frozen() { clock.judged() } else { time })
            }
            Err(error) => return Staged::Done(Err(StoreError::Internal { what: describe(&error) })),
        };
        let unit = {
            let view = View { snapshot, overlay, memory, preload: &work.preload };
            match (work.decide)(&view, judged) {
                Ok(unit) => unit,
                Err(error) => return Staged::Done(Err(error)),
            }
        };
        if unit.events.len() > UNIT_EVENTS_MAX {
            return Staged::Done(Err(too_large("events", unit.events.len())));
        }
        let (drafts, events): (Vec<_>, Vec<_>) =
            unit.events.into_iter().map(|planned| draft(&work.context, planned)).unzip();
        let recorded = if drafts.is_empty() {
            Vec::new()
        } else {
            match batch.stage(work.tenant, time, drafts, work.command) {
                Ok(recorded) => recorded,
                Err(AppendError::Fatal(error)) => return Staged::Fatal(describe(error.as_ref())),
                Err(AppendError::TooLarge { what, bytes, bound }) => {
                    tracing::warn!(what, bytes, bound, "a command was over a bound of the log");
                    let reason = "the request's metadata is too large";
                    return Staged::Done(Err(StoreError::Refused(Refusal::InvalidRequest { reason })));
                }
                Err(error) => return Staged::Done(Err(StoreError::Internal { what: describe(&error) })),
            }
        };
        let mut changes = unit.changes;
        // Each event of a unit is applied over the rows that the ones before it changed.
        let before = changes.0.len();
        overlay.add(&changes.0[..before]);
        for (event, recorded) in events.iter().zip(&recorded) {
            let view = View { snapshot, overlay, memory, preload: &work.preload };
            let object = recorded.body.as_ref().and_then(|body| body.object.as_ref());
            match projections::apply_event(&view, &recorded.header, object, event) {
                Ok(more) => {
                    overlay.add(&more.0);
                    changes.append(more);
                }
                Err(error) => return Staged::Spoiled(StoreError::Internal { what: describe(&error) }),
            }
        }
        if changes.0.len() > UNIT_ROWS_MAX {
            return Staged::Spoiled(too_large("rows", changes.0.len()));
        }
        match batch.change(changes) {
            Ok(()) => Staged::Done(Ok(recorded)),
            Err(AppendError::Fatal(error)) => Staged::Fatal(describe(error.as_ref())),
            Err(error) => Staged::Spoiled(StoreError::Internal { what: describe(&error) }),
        }
    }

    /// The unit that a repeated command made the first time.
    fn replay(
        &self,
        tenant: TenantId,
        command: CommandId,
        snapshot: &dyn event_log::Snapshot,
    ) -> Result<Option<Outcome>, StoreError> {
        let internal = |error: event_log::LogError| StoreError::Internal { what: describe(&error) };
        let Some(first) = self.parts.log.resolve(tenant, command).map_err(internal)? else { return Ok(None) };
        let Some(record) = snapshot.record(tenant, first).map_err(internal)? else { return Ok(None) };
        let length = usize::from(record.header.unit_length);
        Ok(Some(event_log::read(snapshot, tenant, first, length).map_err(internal)?))
    }
}

/// Rows that a usual command writes: what a turn is charged before it is decided.
const ROWS_ESTIMATE: usize = 8;
/// Units of background work in a drain of nothing else: all its rows.
const BACKGROUND_ALONE: usize = DRAIN_ROWS_MAX / UNIT_ROWS_MAX;

fn too_large(what: &str, count: usize) -> StoreError {
    StoreError::Internal { what: format!("a unit of {count} {what} is over its bound") }
}

fn draft(context: &Context, planned: Planned) -> (Draft, Event) {
    let Planned { bucket, key, object, event } = planned;
    let body = Body::new(context.clone(), object, &event);
    let (event_type, schema_version) = (event.type_code(), event.schema_version());
    (Draft { bucket, key, event_type, schema_version, body }, event)
}

/// An error with its causes, for the operator.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
