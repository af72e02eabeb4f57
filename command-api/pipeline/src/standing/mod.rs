//! Standing processes: what the store does without being asked.
//!
//! Owns: the threads they run on, their order and pace. Each issues ordinary commands in the background lane.
//! Does not own: what those commands decide.
//! Invariant: each can be cut off at any moment and goes on where the rows say.

mod access_log;
mod checkpoints;
mod clock;
mod erase;
mod janitor;
mod lifecycle;
mod rewind;
mod scan;
mod seals;
mod sweep;
mod tasks;

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use domain::lifecycle::Day;
use parking_lot::{Condvar, Mutex};

pub(crate) use access_log::Delivery;
pub(crate) use clock::{shown, warn_frozen};
pub use lifecycle::LifecycleReport;
pub use sweep::SweepReport;

use crate::api::StoreError;
use crate::sequencer::describe;
use crate::store::Inner;

/// How often the thread looks whether something is due.
const PACE: Duration = Duration::from_secs(5);
/// How often sweep runs by itself.
const SWEEP_EVERY_US: u64 = 3_600 * 1_000_000;
/// How often the janitor runs.
const JANITOR_EVERY_US: u64 = 10 * 1_000_000;

/// Says when to end, and wakes who waits.
#[derive(Default)]
pub(crate) struct Stop {
    ending: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    /// Waits, unless it is time to end: then at once, with true.
    fn wait(&self, time: Duration) -> bool {
        let mut ending = self.ending.lock();
        if !*ending {
            self.told.wait_for(&mut ending, time);
        }
        *ending
    }

    fn tell(&self) {
        *self.ending.lock() = true;
        self.told.notify_all();
    }
}

/// The threads of the standing processes.
#[derive(Default)]
pub(crate) struct Standing {
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<Stop>,
    /// Held by janitor and sweep. Both act on what they read before: two at once would do it twice, and a sweep takes
    /// releases and segments that another one has dealt with for damage.
    upkeep: Mutex<()>,
    /// Held by whoever ticks or acknowledges the retention clock: the last record about it must be the one that holds.
    pub(crate) ticking: Mutex<()>,
    /// Held by sweep, and by a backup until it has copied what rows name. Taken before `upkeep`.
    pub(crate) sweeping: Mutex<()>,
    /// Held by a backup, or a copy of the keys: one at a time.
    pub(crate) backing_up: Mutex<()>,
    /// Held by whoever carries out lifecycle rules: two at once would look at everything twice.
    expiring: Mutex<()>,
    /// What rules have done since the start.
    expired: Mutex<LifecycleReport>,
    /// What is known of erasures under way beside what the log says.
    erasing: erase::Erasing,
    /// Wakes whoever carries out tasks.
    bell: Arc<tasks::Bell>,
}

impl Standing {
    pub(crate) fn start(&self, inner: &Arc<Inner>) -> std::io::Result<()> {
        let (weak, stop) = (Arc::downgrade(inner), self.stop.clone());
        let thread = std::thread::Builder::new().name("standing".to_owned()).spawn(move || run(&weak, &stop))?;
        self.threads.lock().push(thread);
        // On its own: looking through large buckets takes long, and seals and the clock do not wait.
        let (weak, stop) = (Arc::downgrade(inner), self.stop.clone());
        let thread = std::thread::Builder::new().name("lifecycle".to_owned()).spawn(move || expire(&weak, &stop))?;
        self.threads.lock().push(thread);
        // On its own: somebody waits for what it signs.
        let (weak, proofs) = (Arc::downgrade(inner), inner.proofs.clone());
        let thread = std::thread::Builder::new().name("checkpoints".to_owned());
        self.threads.lock().push(thread.spawn(move || checkpoints::run(&weak, &proofs))?);
        // On its own: tasks are as long as what they are to do.
        let (weak, stop, bell) = (Arc::downgrade(inner), self.stop.clone(), self.bell.clone());
        let tasks = move || carry_out_tasks(&weak, &stop, &bell);
        self.threads.lock().push(std::thread::Builder::new().name("tasks".to_owned()).spawn(tasks)?);
        Ok(())
    }

    /// Whether the store closes.
    pub(crate) fn is_ending(&self) -> bool {
        *self.stop.ending.lock()
    }

    /// Says that a task began.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    pub(crate) fn stop(&self) {
        self.stop.tell();
        self.bell.ring();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A panic there was reported by its own thread.
            let _ = thread.join();
        }
    }
}

fn run(inner: &Weak<Inner>, stop: &Stop) {
    let mut sealer = seals::Sealer::default();
    let mut ticker = clock::Ticker::default();
    let (mut swept_us, mut cleaned_us, mut ended_us) = (None, None, None);
    loop {
        if stop.wait(PACE) {
            return;
        }
        let Some(inner) = inner.upgrade() else { return };
        let now = inner.clock.monotonic_us();
        report("clock", ticker.run(&inner));
        report("seals", sealer.run(&inner));
        if cleaned_us.is_none_or(|last| now - last >= JANITOR_EVERY_US) {
            cleaned_us = Some(now);
            report("janitor", upkeep(&inner, janitor::run));
        }
        if ended_us.is_none_or(|last| now - last >= SWEEP_EVERY_US)
            && let Some(_alone) = inner.standing.backing_up.try_lock()
        {
            ended_us = Some(now);
            if let Err(error) = crate::backup::remove_ended(&inner.settings.data, inner.clock.wall()) {
                tracing::error!(error = %describe(&error), "ended copies of keys cannot be removed");
            }
        }
        if now - *swept_us.get_or_insert(now) >= SWEEP_EVERY_US
            // A backup may take hours, and clock and seals do not wait: it is swept when that is done.
            && let Some(_sweeping) = inner.standing.sweeping.try_lock()
        {
            swept_us = Some(now);
            report("sweep", upkeep(&inner, sweep::run).map(|_| ()));
        }
    }
}

/// Carries out tasks: what was left unfinished when the process starts, then what begins.
fn carry_out_tasks(inner: &Weak<Inner>, stop: &Stop, bell: &tasks::Bell) {
    let mut goals = rewind::Kept::default();
    while !stop.wait(Duration::ZERO) {
        let Some(inner) = inner.upgrade() else { return };
        let left = tasks::round(&inner, stop, &mut goals);
        drop(inner);
        match left {
            Ok(true) => {}
            Ok(false) => bell.wait(),
            failed => {
                report("tasks", failed.map(|_| ()));
                if stop.wait(PACE) {
                    return;
                }
            }
        }
    }
}

/// Carries out lifecycle rules: when the process has started and after every midnight, or twice in a shortened day.
fn expire(inner: &Weak<Inner>, stop: &Stop) {
    let Some(day) = inner.upgrade().map(|inner| inner.settings.lifecycle_day) else { return };
    let pace = Duration::from_micros(day.us() / 8).clamp(Duration::from_millis(250), PACE);
    let mut done = None;
    while !stop.wait(pace) {
        let Some(inner) = inner.upgrade() else { return };
        let turn = if day.is_real() {
            inner.now().0 / day.us()
        } else {
            inner.clock.monotonic_us() / (day.us() / 2).max(1_000_000)
        };
        if done == Some(turn) || inner.retention.lock().expiry_frozen() {
            continue;
        }
        match carry_out(&inner) {
            Ok(_) => done = Some(turn),
            failed => report("lifecycle", failed.map(|_| ())),
        }
    }
}

/// One run of the rules of all buckets.
fn carry_out(inner: &Inner) -> Result<LifecycleReport, StoreError> {
    let _alone = inner.standing.expiring.lock();
    if inner.retention.lock().expiry_frozen() {
        return Ok(LifecycleReport::default());
    }
    let begun_us = inner.clock.monotonic_us();
    let (done, ended) = lifecycle::run(inner, &inner.standing.stop);
    inner.standing.expired.lock().add(&done);
    let took_ms = (inner.clock.monotonic_us() - begun_us) / 1_000;
    let LifecycleReport { buckets, looked_at, hidden, removed, aborted, refused } = done;
    let quiet = hidden + removed + aborted + refused == 0 && inner.settings.lifecycle_day != Day::REAL;
    if buckets > 0 && !quiet {
        tracing::info!(
            buckets,
            looked_at,
            hidden,
            removed,
            aborted,
            refused,
            took_ms,
            "lifecycle rules were carried out"
        );
    }
    ended.map(|()| done)
}

/// Runs one thing that must be alone.
fn upkeep<T>(inner: &Inner, run: impl FnOnce(&Inner) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let _alone = inner.standing.upkeep.lock();
    run(inner)
}

fn report(process: &'static str, result: Result<(), StoreError>) {
    match result {
        // The queue is full or the store stops: the next round tries again.
        Ok(()) | Err(StoreError::Busy { .. } | StoreError::Unavailable) => {}
        Err(error) => tracing::error!(process, error = %describe(&error), "a standing process failed"),
    }
}

impl crate::Store {
    /// Gives up what nothing can show any more, frees its blobs and rewrites segments that are mostly dead. Waits for a backup that
    /// copies what may be swept.
    ///
    /// # Errors
    /// [`crate::StoreError`]; what was freed until then stays freed.
    pub async fn admin_sweep(&self, admin: &crate::AdminCaller) -> Result<SweepReport, crate::StoreError> {
        crate::store::operator(admin)?;
        let inner = self.inner.clone();
        let swept = tokio::task::spawn_blocking(move || {
            let _sweeping = inner.standing.sweeping.lock();
            upkeep(&inner, |inner| {
                janitor::run(inner)?;
                sweep::run(inner)
            })
        });
        swept.await.map_err(|error| crate::store::internal(&error))?
    }

    /// What lifecycle rules have done since the start, runs under way aside: for metrics.
    #[must_use]
    pub fn lifecycle_totals(&self) -> LifecycleReport {
        *self.inner.standing.expired.lock()
    }

    /// Carries out the lifecycle rules of all buckets now, as the standing process does daily. Nothing happens while expiry is
    /// frozen.
    ///
    /// # Errors
    /// [`crate::StoreError`]; what was done until then stays done.
    pub async fn admin_lifecycle(&self, admin: &crate::AdminCaller) -> Result<LifecycleReport, crate::StoreError> {
        crate::store::operator(admin)?;
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || carry_out(&inner));
        done.await.map_err(|error| crate::store::internal(&error))?
    }
}
