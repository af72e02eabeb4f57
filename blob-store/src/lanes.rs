//! Which segment a record goes to, and which segments there are.
//!
//! Owns: the open segments of both lanes, making new ones, sealing full ones, the disk reserve, the list of all segments.
//! Does not own: what a record holds, who syncs when.
//! Invariant: a segment is in `open` until its trailer is durable and in `sealed` from then on. A failed one stays in
//! `open`, so that whoever syncs it is told; the next start seals it.
//! Locks are taken in the order lane, then `table`, then a segment's own. The lanes have a lock each: making a segment takes
//! some syncs, and small content should not wait for that because of large content.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use schemas::{BlobId, SegmentId, TenantId};

use crate::{
    WriteError,
    backend::Backend,
    options::{Lane, Options},
    record::{HEAD_BYTES, RECORD_HEAD_BYTES, RecordHead, TRAILER_BYTES, checksum, encode_head},
    segment::{Admission, Failure, Reservation, Segment},
};

/// Free space is asked for again after this many bytes were written; while it is short, each time.
const SPACE_CHECK_BYTES: u64 = 1 << 20;

pub(crate) struct Lanes {
    backend: Arc<dyn Backend>,
    options: Options,
    small: Mutex<Slots>,
    large: Mutex<Slots>,
    next: AtomicU64,
    table: RwLock<Table>,
    space: Space,
}

/// The segments of a lane that take records.
#[derive(Default)]
struct Slots {
    segments: Vec<Arc<Segment>>,
    closed: bool,
}

/// All segments.
#[derive(Default)]
pub(crate) struct Table {
    /// Numbered and not there yet. A later one may be there before them.
    pub(crate) making: BTreeSet<SegmentId>,
    pub(crate) open: BTreeMap<SegmentId, Arc<Segment>>,
    /// With the offset of the trailer.
    pub(crate) sealed: BTreeMap<SegmentId, u64>,
}

struct Space {
    unchecked_bytes: AtomicU64,
    short: AtomicBool,
}

/// A record that is written, though not yet durable.
pub(crate) struct Appended {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    /// The segment it would not fit took its last record. Somebody should [`Lanes::seal_idle`].
    pub(crate) began_segment: bool,
}

impl Lanes {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        options: Options,
        sealed: BTreeMap<SegmentId, u64>,
        next: u64,
    ) -> Self {
        Self {
            backend,
            options,
            small: Mutex::default(),
            large: Mutex::default(),
            next: AtomicU64::new(next),
            table: RwLock::new(Table { sealed, ..Table::default() }),
            // So that the first write asks.
            space: Space { unchecked_bytes: AtomicU64::new(SPACE_CHECK_BYTES), short: AtomicBool::new(false) },
        }
    }

    pub(crate) fn table(&self) -> parking_lot::RwLockReadGuard<'_, Table> {
        self.table.read()
    }

    /// Refuses when the disk reserve is reached.
    pub(crate) fn check_space(&self, bytes: usize) -> Result<(), WriteError> {
        let unchecked = self.space.unchecked_bytes.fetch_add(bytes as u64 + 4096, Ordering::Relaxed);
        if unchecked >= SPACE_CHECK_BYTES || self.space.short.load(Ordering::Relaxed) {
            let short = self.backend.free_bytes()? < self.options.reserve_bytes;
            self.space.short.store(short, Ordering::Relaxed);
            self.space.unchecked_bytes.store(0, Ordering::Relaxed);
        }
        if self.space.short.load(Ordering::Relaxed) { Err(WriteError::DiskFull) } else { Ok(()) }
    }

    /// Writes a record. `record` has the payload behind room for the record's head. `reserve_bytes` are left free when a new
    /// segment has to be made.
    pub(crate) fn append(
        &self,
        lane: Lane,
        tenant: TenantId,
        blob: BlobId,
        record: &mut [u8],
        reserve_bytes: u64,
    ) -> Result<Appended, WriteError> {
        let (reservation, began_segment) = self.reserve(lane, record.len() as u64, reserve_bytes)?;
        let (segment, offset) = (reservation.segment().id, reservation.offset());
        let (head, payload) = record.split_at_mut(RECORD_HEAD_BYTES);
        let length = u32::try_from(payload.len()).expect("a stored form is little over 4 MiB");
        let record_head = RecordHead { tenant, blob, length, payload_sum: checksum(&[payload]) };
        head.copy_from_slice(&record_head.encode(segment, offset));
        reservation.write(record).map_err(|source| failed(lane, segment, source))?;
        Ok(Appended { segment, offset, began_segment })
    }

    fn reserve(&self, lane: Lane, bytes: u64, reserve_bytes: u64) -> Result<(Reservation, bool), WriteError> {
        let mut slots = self.slots(lane).lock();
        let mut began_segment = false;
        loop {
            if slots.closed {
                return Err(WriteError::Closed);
            }
            let make = || self.make(lane, bytes, reserve_bytes);
            let (segment, made) = match lane {
                Lane::Small => pick_small(&mut slots, make)?,
                // One of the open segments is for small content.
                Lane::Large => pick_large(&mut slots, self.options.open_segments_max.saturating_sub(1).max(1), make)?,
            };
            began_segment |= made;
            match (segment.reserve(bytes), lane) {
                (Admission::Granted(reservation), _) => return Ok((reservation, began_segment)),
                // Behind the next commit stand bytes of this segment; the writer has to stop, not to look elsewhere.
                (Admission::Failed(source), Lane::Small) => return Err(WriteError::Fatal { source }),
                (Admission::Full, _) | (Admission::Failed(_), Lane::Large) => {
                    slots.segments.retain(|other| other.id != segment.id);
                }
            }
        }
    }

    fn slots(&self, lane: Lane) -> &Mutex<Slots> {
        match lane {
            Lane::Small => &self.small,
            Lane::Large => &self.large,
        }
    }

    fn make(&self, lane: Lane, record_bytes: u64, reserve_bytes: u64) -> Result<Arc<Segment>, WriteError> {
        let least = HEAD_BYTES as u64 + record_bytes + TRAILER_BYTES as u64;
        let spare = self.backend.free_bytes()?.saturating_sub(reserve_bytes);
        if spare < least {
            return Err(WriteError::DiskFull);
        }
        // On a nearly full disk a smaller segment is better than none.
        let bytes = self.options.segment_bytes.max(least).min(spare);
        // Used up also when it fails: what is left of the attempt must not stand in the way of the next.
        let id = {
            let mut table = self.table.write();
            let id = SegmentId(self.next.fetch_add(1, Ordering::Relaxed));
            table.making.insert(id);
            id
        };
        let made = self.backend.create(id, bytes, &encode_head(id));
        let mut table = self.table.write();
        table.making.remove(&id);
        let file = made.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => WriteError::DiskFull,
            _ => WriteError::Io(error),
        })?;
        let segment = Arc::new(Segment::new(id, lane, file, bytes));
        table.open.insert(id, Arc::clone(&segment));
        Ok(segment)
    }

    /// Makes durable what is whole in a segment; seals it, which does that too, if it is full.
    pub(crate) fn sync(&self, segment: &Arc<Segment>) -> Result<(), WriteError> {
        let result = if segment.glance().full { self.seal(segment) } else { segment.sync() };
        result.map_err(|source| failed(segment.lane, segment.id, source))
    }

    /// The open segments for small content: one that takes records, and those that are full but not sealed.
    pub(crate) fn open_small(&self) -> Vec<Arc<Segment>> {
        self.table.read().open.values().filter(|segment| segment.lane == Lane::Small).cloned().collect()
    }

    /// Seals a segment, full or not. Who has it in a lane's list finds it full and drops it there.
    pub(crate) fn finish(&self, segment: &Arc<Segment>) -> Result<(), WriteError> {
        self.seal(segment).map_err(|source| failed(segment.lane, segment.id, source))
    }

    fn seal(&self, segment: &Arc<Segment>) -> Result<(), Failure> {
        let trailer_at = segment.seal()?;
        if trailer_at.is_none()
            && let Err(error) = self.backend.unlink(segment.id)
        {
            // It holds nothing. The next start will find it empty and try again.
            tracing::warn!(segment = %segment.id, %error, "an empty segment was not removed");
        }
        let mut table = self.table.write();
        table.open.remove(&segment.id);
        if let Some(trailer_at) = trailer_at {
            table.sealed.insert(segment.id, trailer_at);
        }
        Ok(())
    }

    /// Seals full segments that nobody writes to. Those whose uploads were given up would otherwise stay open.
    pub(crate) fn seal_idle(&self) {
        let open: Vec<_> = self.table.read().open.values().cloned().collect();
        for segment in open {
            let glance = segment.glance();
            if glance.full && glance.writers == 0 && glance.failed.is_none() {
                // Whoever relies on the segment will sync it and be told; here nobody does.
                if let Err(error) = self.seal(&segment) {
                    tracing::error!(segment = %segment.id, %error, "a segment failed while it was sealed");
                }
            }
        }
    }

    /// Seals every segment; takes no more records.
    pub(crate) fn close(&self) -> Result<(), WriteError> {
        for lane in [Lane::Small, Lane::Large] {
            *self.slots(lane).lock() = Slots { segments: Vec::new(), closed: true };
        }
        let open: Vec<_> = self.table.read().open.values().cloned().collect();
        let mut first = Ok(());
        for segment in open {
            let sealed = self.seal(&segment).map_err(|source| failed(segment.lane, segment.id, source));
            first = first.and(sealed);
        }
        first
    }

    /// Takes a segment that gets no more records out of the list and off the backend.
    pub(crate) fn unlink(&self, segment: SegmentId) -> Result<(), WriteError> {
        let (was_open, was_sealed) = {
            let mut table = self.table.write();
            let open = table.open.get(&segment);
            if open.is_some_and(|open| open.glance().failed.is_none()) {
                return Err(WriteError::SegmentOpen { segment });
            }
            (table.open.remove(&segment), table.sealed.remove(&segment))
        };
        if was_open.is_none() && was_sealed.is_none() {
            return Err(WriteError::SegmentGone { segment });
        }
        let result = self.backend.unlink(segment);
        if let Err(error) = result
            && error.kind() != io::ErrorKind::NotFound
        {
            let mut table = self.table.write();
            table.open.extend(was_open.map(|open| (segment, open)));
            table.sealed.extend(was_sealed.map(|trailer_at| (segment, trailer_at)));
            return Err(error.into());
        }
        Ok(())
    }
}

type Picked = (Arc<Segment>, bool);

fn pick_small(
    slots: &mut Slots,
    make: impl FnOnce() -> Result<Arc<Segment>, WriteError>,
) -> Result<Picked, WriteError> {
    if let Some(segment) = slots.segments.first() {
        return Ok((Arc::clone(segment), false));
    }
    let segment = make()?;
    slots.segments.push(Arc::clone(&segment));
    Ok((segment, true))
}

/// The segment with the fewest writers; another one when all have some, since file systems let only one thread at a time
/// write to a file.
fn pick_large(
    slots: &mut Slots,
    segments_max: usize,
    make: impl FnOnce() -> Result<Arc<Segment>, WriteError>,
) -> Result<Picked, WriteError> {
    slots.segments.retain(|segment| segment.glance().failed.is_none());
    let calmest = slots.segments.iter().map(|segment| (segment.glance().writers, segment)).min_by_key(|(n, _)| *n);
    match calmest.map(|(writers, segment)| (writers, Arc::clone(segment))) {
        Some((writers, segment)) if writers == 0 || slots.segments.len() >= segments_max => Ok((segment, false)),
        calmest => match (make(), calmest) {
            (Ok(segment), _) => {
                slots.segments.push(Arc::clone(&segment));
                Ok((segment, true))
            }
            // Sharing is slower, but better than refusing.
            (Err(_), Some((_, segment))) => Ok((segment, false)),
            (Err(error), None) => Err(error),
        },
    }
}

fn failed(lane: Lane, segment: SegmentId, source: Failure) -> WriteError {
    match lane {
        Lane::Small => WriteError::Fatal { source },
        Lane::Large => WriteError::SegmentFailed { segment, source },
    }
}
