//! The log over any engine: heads in memory, one batch at a time, waking whoever waits.
//!
//! Owns: the order of every log; the cache of heads; the commit number.
//! Does not own: durability (the engine), the making of a batch's records (`batch`).
//! Invariant: the cache holds what the last commit made, never what a batch only staged.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::{Condvar, Mutex};
use schemas::{BucketId, CommandId, Position, TenantId};

use crate::batch::Staged;
use crate::engine::Engine;
use crate::format::BucketTip;
use crate::log::{Batch, BodyCipher, LogError, LogHead, Snapshot};
use crate::steady::Steady;
use crate::view::{self, SnapshotOf};

/// Heads kept in memory: about 2 MiB and 12 MiB.
const TENANTS_CACHED: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
const BUCKETS_CACHED: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// Heads as of the last commit.
pub(crate) struct Heads {
    pub(crate) tenants: LruCache<TenantId, LogHead>,
    pub(crate) buckets: LruCache<(TenantId, BucketId), BucketTip>,
}

/// A log: everything that disk and memory share.
pub(crate) struct Core<E> {
    pub(crate) engine: E,
    pub(crate) cipher: Arc<dyn BodyCipher>,
    pub(crate) steady: Arc<Steady>,
    /// Touched by the one writer alone; the lock is never contended.
    pub(crate) heads: Mutex<Heads>,
    pub(crate) committed: AtomicU64,
    /// A write failed: what is on disk is unknown, nothing is written any more.
    pub(crate) failed: AtomicBool,
    /// Tenants changed since the last time somebody asked (the `HEAD` file's writer), with their heads.
    pub(crate) touched: Mutex<Touched>,
    waiting: Mutex<()>,
    grown: Condvar,
}

/// What a `HEAD` file is to name.
#[derive(Default)]
pub(crate) struct Touched {
    pub(crate) commit: u64,
    pub(crate) heads: std::collections::HashMap<TenantId, LogHead>,
}

impl<E: Engine> Core<E> {
    pub(crate) fn new(engine: E, cipher: Arc<dyn BodyCipher>, committed: u64, steady: Steady) -> Self {
        Self {
            engine,
            cipher,
            steady: Arc::new(steady),
            heads: Mutex::new(Heads { tenants: LruCache::new(TENANTS_CACHED), buckets: LruCache::new(BUCKETS_CACHED) }),
            committed: AtomicU64::new(committed),
            failed: AtomicBool::new(false),
            touched: Mutex::new(Touched { commit: committed, ..Touched::default() }),
            waiting: Mutex::new(()),
            grown: Condvar::new(),
        }
    }

    pub(crate) fn staged(&self) -> Staged<'_, E> {
        Staged::new(self)
    }

    pub(crate) fn begin(&self) -> Box<dyn Batch + '_> {
        Box::new(self.staged())
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    pub(crate) fn snapshot(&self) -> Arc<dyn Snapshot> {
        Arc::new(self.view())
    }

    pub(crate) fn view(&self) -> SnapshotOf<E::View> {
        let at_least = self.committed();
        let (view, state) = self.steady.view(|| self.engine.view());
        let steady = state.map(|state| (state, self.steady.clone()));
        SnapshotOf::new(view, self.cipher.clone(), at_least, steady)
    }

    pub(crate) fn resolve(&self, tenant: TenantId, command: CommandId) -> Result<Option<Position>, LogError> {
        Ok(view::command(&self.engine.view(), tenant, command)?)
    }

    /// Wakes whoever waits for a position. Called after a commit has become visible.
    pub(crate) fn wake(&self) {
        // Taking the lock orders this after a waiter's look at the log, so that none sleeps through it.
        drop(self.waiting.lock());
        self.grown.notify_all();
    }

    pub(crate) fn wait(&self, tenant: TenantId, position: Position, timeout_ms: u64) -> bool {
        let deadline = Instant::now().checked_add(Duration::from_millis(timeout_ms));
        let there = || {
            let head = view::log_head(&self.engine.view(), tenant);
            head.ok().flatten().is_some_and(|head| head.next > position)
        };
        loop {
            // Not under the lock: a writer that wakes must not wait for a reader.
            let seen = self.committed();
            if there() {
                return true;
            }
            let mut guard = self.waiting.lock();
            if self.committed() != seen {
                continue;
            }
            match deadline {
                Some(deadline) => {
                    if self.grown.wait_until(&mut guard, deadline).timed_out() {
                        drop(guard);
                        return there();
                    }
                }
                None => self.grown.wait(&mut guard),
            }
        }
    }
}
