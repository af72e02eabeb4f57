//! What the tests of this crate share: a clock that is set by hand, and logs that fail on command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use event_log::{
    AppendError, Batch, Changes, Draft, EventLog, Journals, LogError, LogHead, MemoryLog, PlainCipher, PurgeError,
    ReadError, Recorded, Snapshot,
};
use parking_lot::Mutex;
use schemas::{CommandId, Position, TenantId, Time};

use crate::clock::Clock;

/// A clock that stands still until it is told.
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl ManualClock {
    pub(crate) fn at(wall: u64) -> Arc<Self> {
        Arc::new(Self { wall: AtomicU64::new(wall), monotonic: AtomicU64::new(1) })
    }

    pub(crate) fn set_wall(&self, wall: u64) {
        self.wall.store(wall, Ordering::SeqCst);
    }

    /// Both clocks go on together.
    pub(crate) fn pass(&self, us: u64) {
        self.wall.fetch_add(us, Ordering::SeqCst);
        self.monotonic.fetch_add(us, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> Time {
        Time(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
}

/// What the next commit answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Full,
    Fatal,
}

/// A log in memory whose next commit can be made to fail. A failed commit changes nothing, as on disk.
pub(crate) struct FailingLog {
    log: MemoryLog,
    next: Mutex<Option<Failure>>,
    attempts: AtomicU64,
}

impl FailingLog {
    pub(crate) fn new() -> Arc<Self> {
        let log = MemoryLog::new(Arc::new(PlainCipher));
        Arc::new(Self { log, next: Mutex::new(None), attempts: AtomicU64::new(0) })
    }

    pub(crate) fn fail_next(&self, failure: Failure) {
        *self.next.lock() = Some(failure);
    }

    /// Commits that were tried, those that failed included.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts.load(Ordering::SeqCst)
    }
}

impl EventLog for FailingLog {
    fn begin(&self) -> Box<dyn Batch + '_> {
        Box::new(FailingBatch { log: self, batch: self.log.begin() })
    }

    fn snapshot(&self) -> Arc<dyn Snapshot> {
        self.log.snapshot()
    }

    fn resolve(&self, tenant: TenantId, command: CommandId) -> Result<Option<Position>, LogError> {
        self.log.resolve(tenant, command)
    }

    fn committed(&self) -> u64 {
        self.log.committed()
    }

    fn wait(&self, tenant: TenantId, position: Position, timeout_ms: u64) -> bool {
        self.log.wait(tenant, position, timeout_ms)
    }

    fn write_out(&self) -> Result<(), PurgeError> {
        self.log.write_out()
    }

    fn merge(&self) -> Result<(), PurgeError> {
        self.log.merge()
    }

    fn journals(&self) -> std::io::Result<Option<Journals>> {
        self.log.journals()
    }
}

struct FailingBatch<'a> {
    log: &'a FailingLog,
    batch: Box<dyn Batch + 'a>,
}

impl Batch for FailingBatch<'_> {
    fn stage(
        &mut self,
        tenant: TenantId,
        time: Time,
        drafts: Vec<Draft>,
        command: Option<CommandId>,
    ) -> Result<Vec<Recorded>, AppendError> {
        self.batch.stage(tenant, time, drafts, command)
    }

    fn change(&mut self, changes: Changes) -> Result<(), AppendError> {
        self.batch.change(changes)
    }

    fn head(&mut self, tenant: TenantId) -> Result<LogHead, ReadError> {
        self.batch.head(tenant)
    }

    fn rows(&self) -> usize {
        self.batch.rows()
    }

    fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    fn commit(self: Box<Self>) -> Result<u64, AppendError> {
        self.log.attempts.fetch_add(1, Ordering::SeqCst);
        match self.log.next.lock().take() {
            None => self.batch.commit(),
            Some(Failure::Full) => Err(AppendError::Full),
            Some(Failure::Fatal) => Err(AppendError::Fatal("the disk is on fire".into())),
        }
    }
}
