//! One segment that still takes records.
//!
//! Owns: which bytes of the file are promised to whom, which are whole, which are durable; sealing.
//! Does not own: choosing a segment, and what is read from it.
//! Invariant: whatever `sync` claims is durable, and so is every byte before it. A record is claimed only when all records
//! that begin before it are whole too: after a crash there is no hole before a record that somebody relies on.
//! Invariant: after one failed write or sync nothing more of this segment is ever claimed. The file is not synced again: a
//! kernel drops the dirty pages that it could not write, and the next fsync succeeds without them.

use std::{collections::BTreeSet, io, sync::Arc};

use parking_lot::{Condvar, Mutex, MutexGuard};
use schemas::SegmentId;

use crate::{
    backend::SegmentFile,
    options::Lane,
    record::{HEAD_BYTES, TRAILER_BYTES, Trailer},
};

/// The first error of a segment, told to everyone who asks after it.
pub(crate) type Failure = Arc<io::Error>;

pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) lane: Lane,
    pub(crate) file: Arc<dyn SegmentFile>,
    /// Length of the preallocated file.
    pub(crate) allocated_bytes: u64,
    progress: Mutex<Progress>,
    changed: Condvar,
}

struct Progress {
    state: State,
    /// Takes no more records.
    full: bool,
    /// Everything before is promised to a record.
    reserved_to: u64,
    /// Offsets of records being written.
    in_flight: BTreeSet<u64>,
    /// The end of the last record in the file that is whole.
    whole_to: u64,
    /// Everything before is durable.
    durable_to: u64,
    /// Somebody is inside `sync`.
    syncing: bool,
    records: u32,
}

enum State {
    Good,
    Failed(Failure),
    Sealed,
}

/// Whether a segment has room.
pub(crate) enum Admission {
    Granted(Reservation),
    Full,
    Failed(Failure),
}

/// What a segment looks like from outside.
pub(crate) struct Glance {
    pub(crate) writers: usize,
    pub(crate) full: bool,
    pub(crate) failed: Option<Failure>,
    /// Before this offset every record is whole.
    pub(crate) whole_prefix: u64,
}

impl Segment {
    /// Around a file that `Backend::create` has just made.
    pub(crate) fn new(id: SegmentId, lane: Lane, file: Arc<dyn SegmentFile>, allocated_bytes: u64) -> Self {
        let start = HEAD_BYTES as u64;
        let progress = Progress {
            state: State::Good,
            full: false,
            reserved_to: start,
            in_flight: BTreeSet::new(),
            whole_to: start,
            durable_to: start,
            syncing: false,
            records: 0,
        };
        Self { id, lane, file, allocated_bytes, progress: Mutex::new(progress), changed: Condvar::new() }
    }

    /// Promises the next `bytes` of the file. A segment without room for them takes no more at all: it is to be sealed.
    pub(crate) fn reserve(self: &Arc<Self>, bytes: u64) -> Admission {
        let mut progress = self.progress.lock();
        match &progress.state {
            State::Failed(failure) => return Admission::Failed(Arc::clone(failure)),
            State::Sealed => return Admission::Full,
            State::Good => {}
        }
        let (start, end) = (progress.reserved_to, progress.reserved_to + bytes);
        if progress.full || end + TRAILER_BYTES as u64 > self.allocated_bytes {
            progress.full = true;
            return Admission::Full;
        }
        progress.reserved_to = end;
        progress.in_flight.insert(start);
        Admission::Granted(Reservation { segment: Arc::clone(self), start, end, written: false })
    }

    pub(crate) fn glance(&self) -> Glance {
        let progress = self.progress.lock();
        let failed = match &progress.state {
            State::Failed(failure) => Some(Arc::clone(failure)),
            State::Good | State::Sealed => None,
        };
        let writers = progress.in_flight.len();
        Glance { writers, full: progress.full, failed, whole_prefix: progress.whole_prefix() }
    }

    /// Everything before this offset is whole records, and durable.
    pub(crate) fn durable_to(&self) -> u64 {
        self.progress.lock().durable_to
    }

    /// Makes durable every record that was whole when this was called. Does nothing if they are.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        let mut progress = self.progress.lock();
        let target = progress.whole_to;
        loop {
            match &progress.state {
                State::Failed(failure) => return Err(Arc::clone(failure)),
                State::Sealed => return Ok(()),
                State::Good if progress.durable_to >= target => return Ok(()),
                State::Good => {}
            }
            // A record that begins before the target and is still being written would be a hole after a crash.
            if progress.syncing || progress.whole_prefix() < target {
                self.changed.wait(&mut progress);
                continue;
            }
            let covers = progress.whole_prefix();
            self.sync_unlocked(&mut progress, || self.file.sync())?;
            progress.durable_to = progress.durable_to.max(covers);
            self.changed.notify_all();
        }
    }

    /// Makes every record durable, then ends the segment with its trailer and gives back what was not used. Waits for
    /// writers; takes no new ones. Answers the trailer's offset, or none if there is not a single record.
    pub(crate) fn seal(&self) -> Result<Option<u64>, Failure> {
        let mut progress = self.progress.lock();
        progress.full = true;
        loop {
            let sealed_at = (progress.records > 0).then_some(progress.reserved_to);
            match &progress.state {
                State::Failed(failure) => return Err(Arc::clone(failure)),
                State::Sealed => return Ok(sealed_at),
                State::Good if sealed_at.is_none() && progress.in_flight.is_empty() => return Ok(None),
                State::Good => {}
            }
            if progress.syncing || !progress.in_flight.is_empty() {
                self.changed.wait(&mut progress);
                continue;
            }
            let trailer = Trailer { records: progress.records, offset: progress.reserved_to };
            self.sync_unlocked(&mut progress, || write_trailer(&*self.file, self.id, trailer))?;
            progress.state = State::Sealed;
            self.changed.notify_all();
        }
    }

    /// Runs `work`, alone, without the lock. If it fails, so has the segment.
    fn sync_unlocked(
        &self,
        progress: &mut MutexGuard<'_, Progress>,
        work: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Failure> {
        progress.syncing = true;
        let result = MutexGuard::unlocked(progress, work);
        progress.syncing = false;
        result.map_err(|error| self.fail(progress, error))
    }

    fn fail(&self, progress: &mut Progress, error: io::Error) -> Failure {
        progress.full = true;
        if let State::Failed(first) = &progress.state {
            return Arc::clone(first);
        }
        let failure = Arc::new(error);
        progress.state = State::Failed(Arc::clone(&failure));
        self.changed.notify_all();
        failure
    }
}

/// Ends a segment file: trailer, cut, sync.
pub(crate) fn write_trailer(file: &dyn SegmentFile, segment: SegmentId, trailer: Trailer) -> io::Result<()> {
    file.write_at(trailer.offset, &trailer.encode(segment))?;
    file.truncate(trailer.offset + TRAILER_BYTES as u64)?;
    file.sync()
}

impl Progress {
    fn whole_prefix(&self) -> u64 {
        self.in_flight.first().copied().unwrap_or(self.reserved_to)
    }
}

/// A stretch of a segment promised to one record. Dropped without being written, it would leave a hole: the segment fails.
pub(crate) struct Reservation {
    segment: Arc<Segment>,
    start: u64,
    end: u64,
    written: bool,
}

impl Reservation {
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    pub(crate) fn offset(&self) -> u64 {
        self.start
    }

    /// Fills the stretch.
    pub(crate) fn write(mut self, record: &[u8]) -> Result<(), Failure> {
        assert_eq!(record.len() as u64, self.end - self.start, "as many bytes as were reserved");
        let result = self.segment.file.write_at(self.start, record);
        self.written = true;
        let segment = Arc::clone(&self.segment);
        let mut progress = segment.progress.lock();
        match result {
            Ok(()) => {
                progress.in_flight.remove(&self.start);
                progress.whole_to = progress.whole_to.max(self.end);
                progress.records += 1;
                segment.changed.notify_all();
                Ok(())
            }
            // It stays in flight: the prefix of whole records ends here for ever.
            Err(error) => Err(segment.fail(&mut progress, error)),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.written {
            self.segment.fail(&mut self.segment.progress.lock(), io::Error::other("a record was never written"));
        }
    }
}
