//! Where segment files live.
//!
//! Owns: creating, writing, reading, syncing, listing and removing files named by a segment id.
//! Does not own: what stands in them.
//! Invariant: a segment that `create` returned, and what `sync` returned for, is found again after a crash.
//!
//! Two implementations, [`Disk`] and [`Memory`], and one suite that both pass.

mod disk;
mod memory;
#[cfg(test)]
mod suite;

use std::{io, sync::Arc};

use schemas::SegmentId;

pub use disk::{Disk, segment_file, segments_in};
pub use memory::{Fault, Memory};

/// A folder of segment files.
pub trait Backend: Send + Sync + 'static {
    /// All segments there are, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list(&self) -> io::Result<Vec<SegmentId>>;

    /// Makes a segment of `bytes` zeros that begins with `head`, with its space reserved, durable under its name.
    ///
    /// # Errors
    /// `StorageFull` without space, `AlreadyExists`, or whatever else stands in the way. Then the segment does not exist.
    fn create(&self, segment: SegmentId, bytes: u64, head: &[u8]) -> io::Result<Arc<dyn SegmentFile>>;

    /// Opens a segment. What was opened stays readable after [`Backend::unlink`].
    ///
    /// # Errors
    /// `NotFound` when there is no such segment.
    fn open(&self, segment: SegmentId) -> io::Result<Arc<dyn SegmentFile>>;

    /// Removes a segment for ever.
    ///
    /// # Errors
    /// `NotFound` when there is no such segment.
    fn unlink(&self, segment: SegmentId) -> io::Result<()>;

    /// Bytes that can still be allocated.
    ///
    /// # Errors
    /// When the file system does not say.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open segment file. All calls take `&self` and may run at the same time.
pub trait SegmentFile: Send + Sync + 'static {
    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before that.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// When it could not; part of it may be written then.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable whatever was written before this call. Never called again after it failed.
    ///
    /// # Errors
    /// When it could not; which of the bytes are durable is unknown then.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file to `bytes` and gives back what was reserved beyond.
    ///
    /// # Errors
    /// When it could not.
    fn truncate(&self, bytes: u64) -> io::Result<()>;

    /// Length of the file.
    ///
    /// # Errors
    /// When the file system does not say.
    fn length(&self) -> io::Result<u64>;
}
