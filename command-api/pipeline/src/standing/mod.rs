//! Standing processes: what the store does without being asked.
//!
//! Owns: the thread they run on, their order and pace. Each issues ordinary commands in the background lane.
//! Does not own: what those commands decide.
//! Invariant: each can be cut off at any moment and goes on where the rows say.

mod clock;
mod janitor;
mod seals;
mod sweep;

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

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

/// The thread of the standing processes.
#[derive(Default)]
pub(crate) struct Standing {
    thread: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<(Mutex<bool>, Condvar)>,
    /// Held by janitor and sweep. Both act on what they read before: two at once would do it twice, and a sweep takes
    /// releases and segments that another one has dealt with for damage.
    upkeep: Mutex<()>,
}

impl Standing {
    pub(crate) fn start(&self, inner: &Arc<Inner>) -> std::io::Result<()> {
        let (weak, stop) = (Arc::downgrade(inner), self.stop.clone());
        let thread = std::thread::Builder::new().name("standing".to_owned()).spawn(move || run(&weak, &stop))?;
        *self.thread.lock() = Some(thread);
        Ok(())
    }

    pub(crate) fn stop(&self) {
        *self.stop.0.lock() = true;
        self.stop.1.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            // A panic there was reported by its own thread.
            let _ = thread.join();
        }
    }
}

fn run(inner: &Weak<Inner>, stop: &(Mutex<bool>, Condvar)) {
    let mut sealer = seals::Sealer::default();
    let (mut swept_us, mut cleaned_us) = (None, None);
    loop {
        {
            let mut stopping = stop.0.lock();
            if !*stopping {
                stop.1.wait_for(&mut stopping, PACE);
            }
            if *stopping {
                return;
            }
        }
        let Some(inner) = inner.upgrade() else { return };
        let now = inner.clock.monotonic_us();
        report("clock", clock::run(&inner));
        report("seals", sealer.run(&inner));
        if cleaned_us.is_none_or(|last| now - last >= JANITOR_EVERY_US) {
            cleaned_us = Some(now);
            report("janitor", upkeep(&inner, janitor::run));
        }
        if now - *swept_us.get_or_insert(now) >= SWEEP_EVERY_US {
            swept_us = Some(now);
            report("sweep", upkeep(&inner, sweep::run).map(|_| ()));
        }
    }
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
    /// Gives up what nothing can show any more, frees its blobs and rewrites segments that are mostly dead.
    ///
    /// # Errors
    /// [`crate::StoreError`]; what was freed until then stays freed.
    pub async fn admin_sweep(&self, admin: &crate::AdminCaller) -> Result<SweepReport, crate::StoreError> {
        crate::store::operator(admin)?;
        let inner = self.inner.clone();
        let swept = tokio::task::spawn_blocking(move || {
            upkeep(&inner, |inner| {
                janitor::run(inner)?;
                sweep::run(inner)
            })
        });
        swept.await.map_err(|error| crate::store::internal(&error))?
    }
}
