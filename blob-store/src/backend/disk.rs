//! Segment files in a folder of a local file system.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::{fs::FallocateFlags, io::Errno, io::ReadWriteFlags};
use schemas::SegmentId;

use super::{Backend, SegmentFile};

/// Part of the format: 16 hex digits stand between.
const PREFIX: &str = "seg-";
const SUFFIX: &str = ".hfs";
/// A file that is being made. It gets its name when its head is durable, so a named segment always has one.
const UNFINISHED: &str = ".hfs.new";

/// A folder of files `seg-<16 hex digits>.hfs`, held by one store at a time.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    /// The open folder, to sync names in.
    handle: File,
    /// Locked while this lives.
    _lock: File,
}

impl Disk {
    /// Opens the folder, which is made if there is none, and removes what a crash left half made.
    ///
    /// # Errors
    /// `WouldBlock` when another store holds it; otherwise what the file system says.
    pub fn open(folder: &Path) -> io::Result<Disk> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(UNFINISHED)) {
                fs::remove_file(entry.path())?;
            }
        }
        // The folder's own name must survive a crash too.
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
        Ok(Disk { folder: folder.to_owned(), handle: File::open(folder)?, _lock: lock })
    }

    fn path(&self, segment: SegmentId, suffix: &str) -> PathBuf {
        self.folder.join(format!("{PREFIX}{:016x}{suffix}", segment.0))
    }

    fn make(&self, path: &Path, bytes: u64, head: &[u8]) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        reserve(&file, bytes)?;
        file.write_all_at(head, 0)?;
        file.sync_all()?;
        Ok(file)
    }
}

/// The segments in a folder, in order. Neither opens nor changes anything.
///
/// # Errors
/// When the folder cannot be listed.
pub fn segments_in(folder: &Path) -> io::Result<Vec<SegmentId>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(digits) = digits
            && digits.len() == 16
            && let Ok(id) = u64::from_str_radix(digits, 16)
        {
            found.push(SegmentId(id));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Name of a segment's file in its folder.
#[must_use]
pub fn segment_file(segment: SegmentId) -> String {
    format!("{PREFIX}{:016x}{SUFFIX}", segment.0)
}

fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        // Some file systems cannot reserve. There a full disk shows when writing instead.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

impl Backend for Disk {
    fn list(&self) -> io::Result<Vec<SegmentId>> {
        segments_in(&self.folder)
    }

    fn create(&self, segment: SegmentId, bytes: u64, head: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        let (unfinished, path) = (self.path(segment, UNFINISHED), self.path(segment, SUFFIX));
        if path.try_exists()? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let made = self.make(&unfinished, bytes, head).and_then(|file| {
            fs::rename(&unfinished, &path)?;
            // Sync the folder too: without it a crash can forget a file that was itself synced.
            self.handle.sync_all()?;
            Ok(file)
        });
        made.map(|file| Arc::new(DiskFile(file)) as Arc<dyn SegmentFile>).inspect_err(|_| {
            // Give the space back now; what cannot be removed now goes when the folder is opened again.
            let _ = fs::remove_file(&unfinished);
            let _ = fs::remove_file(&path);
        })
    }

    fn open(&self, segment: SegmentId) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(segment, SUFFIX))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn unlink(&self, segment: SegmentId) -> io::Result<()> {
        fs::remove_file(self.path(segment, SUFFIX))?;
        self.handle.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstatvfs(&self.handle)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

/// From here on what is written leaves the kernel's cache at once: it would drive out what is read, and memory for it may cost more than
/// the writing (`tests/benches/README.md`). Shorter content is more often read soon.
const UNCACHED_FROM_BYTES: usize = 512 << 10;
/// `RWF_DONTCACHE` (Linux 6.14, `pwritev2(2)`), which rustix does not name.
const UNCACHED: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x80);
/// Until a kernel or a file system says that it has no such writing.
static UNCACHED_WORKS: AtomicBool = AtomicBool::new(true);

struct DiskFile(File);

impl DiskFile {
    /// Writes bytes that leave the kernel's cache once they are on disk. How many: fewer than all where there is no such writing.
    fn write_uncached(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < bytes.len() && UNCACHED_WORKS.load(Ordering::Relaxed) {
            let rest = [io::IoSlice::new(&bytes[done..])];
            match rustix::io::pwritev2(&self.0, &rest, offset + done as u64, UNCACHED) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS) => UNCACHED_WORKS.store(false, Ordering::Relaxed),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }
}

impl SegmentFile for DiskFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let done = if bytes.len() >= UNCACHED_FROM_BYTES { self.write_uncached(offset, bytes)? } else { 0 };
        self.0.write_all_at(&bytes[done..], offset + done as u64)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
