//! Segment files in memory, for tests: they can fail on purpose, and crash.
//!
//! Invariant: a crash keeps exactly what `create` and `sync` promised. What else it keeps is up to the test.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::{Mutex, RwLock};
use schemas::SegmentId;

use super::{Backend, SegmentFile};

/// What a [`Memory`] is told to fail. Counting starts at 1 with the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The n-th write fails after it wrote half.
    Write(u64),
    /// The n-th sync fails, and nothing of what it should have synced is durable. The next one would succeed, as a kernel's
    /// does: that is the trap.
    Sync(u64),
    /// The n-th creation fails for want of space.
    Create(u64),
}

/// Segment files in memory. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: Arc<Mutex<BTreeMap<SegmentId, Arc<MemoryFile>>>>,
    faults: Arc<Faults>,
    free_bytes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Faults {
    write: AtomicU64,
    sync: AtomicU64,
    create: AtomicU64,
}

/// Counts down to a fault; 0 means none is due.
fn due(counter: &AtomicU64) -> bool {
    counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) == Ok(1)
}

impl Memory {
    /// An empty folder with a TiB of space.
    #[must_use]
    pub fn new() -> Memory {
        let memory = Memory::default();
        memory.set_free_bytes(1 << 40);
        memory
    }

    /// From now on, fails the n-th call.
    pub fn inject(&self, fault: Fault) {
        let (counter, n) = match fault {
            Fault::Write(n) => (&self.faults.write, n),
            Fault::Sync(n) => (&self.faults.sync, n),
            Fault::Create(n) => (&self.faults.create, n),
        };
        counter.store(n, Ordering::Relaxed);
    }

    /// What [`Backend::free_bytes`] answers from now on.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.free_bytes.store(bytes, Ordering::Relaxed);
    }

    /// What a machine finds after its power failed now: of each file what was synced, and besides that what `also_kept`
    /// picks of the unsynced blocks of 512 bytes.
    #[must_use]
    pub fn crash(&self, mut also_kept: impl FnMut(SegmentId, u64) -> bool) -> Memory {
        let after = Memory::new();
        for (segment, file) in &*self.files.lock() {
            let content = file.content.read();
            let mut bytes = content.durable.clone();
            for (number, (kept, now)) in bytes.chunks_mut(512).zip(content.bytes.chunks(512)).enumerate() {
                if kept.len() == now.len() && kept != now && also_kept(*segment, number as u64 * 512) {
                    kept.copy_from_slice(now);
                }
            }
            let content = Content { durable: bytes.clone(), bytes };
            let file = MemoryFile { content: RwLock::new(content), faults: Arc::clone(&after.faults) };
            after.files.lock().insert(*segment, Arc::new(file));
        }
        after
    }

    /// A copy of a file's bytes.
    #[must_use]
    pub fn bytes(&self, segment: SegmentId) -> Option<Vec<u8>> {
        Some(self.files.lock().get(&segment)?.content.read().bytes.clone())
    }

    /// Changes a file's bytes behind the store's back, as decay does.
    pub fn damage(&self, segment: SegmentId, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.files.lock().get(&segment) {
            let mut content = file.content.write();
            change(&mut content.bytes);
            content.durable = content.bytes.clone();
        }
    }
}

impl Backend for Memory {
    fn list(&self) -> io::Result<Vec<SegmentId>> {
        Ok(self.files.lock().keys().copied().collect())
    }

    fn create(&self, segment: SegmentId, bytes: u64, head: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        if due(&self.faults.create) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut files = self.files.lock();
        if files.contains_key(&segment) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::StorageFull)?;
        let mut content = head.to_vec();
        content.resize(bytes.max(head.len()), 0);
        let content = Content { durable: content.clone(), bytes: content };
        let file = Arc::new(MemoryFile { content: RwLock::new(content), faults: Arc::clone(&self.faults) });
        files.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    fn open(&self, segment: SegmentId) -> io::Result<Arc<dyn SegmentFile>> {
        let files = self.files.lock();
        let file = files.get(&segment).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::clone(file) as Arc<dyn SegmentFile>)
    }

    fn unlink(&self, segment: SegmentId) -> io::Result<()> {
        self.files.lock().remove(&segment).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.free_bytes.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct MemoryFile {
    content: RwLock<Content>,
    faults: Arc<Faults>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
}

fn span(offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
    let end = start.checked_add(length).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(start..end)
}

impl SegmentFile for MemoryFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let content = self.content.read();
        let found = content.bytes.get(span(offset, bytes.len())?).ok_or(io::ErrorKind::UnexpectedEof)?;
        bytes.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let failing = due(&self.faults.write);
        let bytes = if failing { &bytes[..bytes.len() / 2] } else { bytes };
        let span = span(offset, bytes.len())?;
        let mut content = self.content.write();
        if content.bytes.len() < span.end {
            content.bytes.resize(span.end, 0);
        }
        content.bytes[span].copy_from_slice(bytes);
        if failing { Err(io::Error::other("injected write failure")) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        if due(&self.faults.sync) {
            return Err(io::Error::other("injected sync failure"));
        }
        let mut content = self.content.write();
        content.durable = content.bytes.clone();
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.content.write().bytes.resize(length, 0);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.content.read().bytes.len() as u64)
    }
}
