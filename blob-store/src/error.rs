//! Why a store did not open, write or read.

use std::{error::Error, io, sync::Arc};

use schemas::{BlobId, SegmentId};

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another store of this one, holds the folder.
    #[error("the blob folder is in use")]
    InUse,
    /// A newer program wrote this segment. Use that program.
    #[error("segment {segment} has format version {version}, which this program does not know")]
    UnknownVersion {
        /// Which segment.
        segment: SegmentId,
        /// Its version byte.
        version: u8,
    },
    /// The file system refused. Nothing was lost; opening again is safe.
    #[error("the blob folder could not be opened")]
    Io(#[from] io::Error),
}

/// Why bytes were not written or not made durable.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A blob holds at most [`crate::BLOB_BYTES_MAX`] bytes. The caller should have cut it.
    #[error("a blob of {size_bytes} bytes is too large")]
    TooLarge {
        /// What was offered.
        size_bytes: usize,
    },
    /// Free space has fallen to the reserve. Deletes and sweeps go on; writing again makes sense after them.
    #[error("the disk reserve is reached")]
    DiskFull,
    /// A write or sync of this segment failed, and whatever was not yet synced in it is void: upload it again, it will go
    /// to another segment. Never sync again: a kernel reports lost pages once and then claims success.
    #[error("segment {segment} failed and is retired")]
    SegmentFailed {
        /// Which segment.
        segment: SegmentId,
        /// What the file system said first.
        source: Arc<io::Error>,
    },
    /// The segment for small content failed: nobody knows which of the bytes behind the next commit are durable. Stop the
    /// writer.
    #[error("the segment for small content failed")]
    Fatal {
        /// What the file system said first.
        source: Arc<io::Error>,
    },
    /// No such segment: it was unlinked.
    #[error("segment {segment} does not exist")]
    SegmentGone {
        /// Which segment.
        segment: SegmentId,
    },
    /// The segment still takes writes and cannot be unlinked.
    #[error("segment {segment} still takes writes")]
    SegmentOpen {
        /// Which segment.
        segment: SegmentId,
    },
    /// A record to be relocated could not be read. Leave it out, and report it.
    #[error("a record could not be copied")]
    Source(#[source] ReadError),
    /// The store was closed.
    #[error("the blob store is closed")]
    Closed,
    /// The file system refused before anything was promised. Asking again is safe.
    #[error("the file system refused")]
    Io(#[from] io::Error),
}

/// Why bytes were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not what was written, or the key is not theirs. Restore them from elsewhere.
    #[error("damaged bytes{}, offset {offset}: {what}", in_segment(*segment))]
    Damaged {
        /// The segment; none for inline content and for what a manifest says.
        segment: Option<SegmentId>,
        /// Where in the segment (or in the inline bytes, or in the object) the damage shows.
        offset: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// The segment was unlinked, its live blobs moved. Look the place up again.
    #[error("segment {segment} does not exist")]
    SegmentGone {
        /// Which segment.
        segment: SegmentId,
    },
    /// A manifest names a blob that the directory does not know.
    #[error("blob {blob} is missing")]
    Missing {
        /// Which blob.
        blob: BlobId,
    },
    /// The range does not lie within the content. The caller should have checked.
    #[error("the range ends beyond {size_bytes} bytes")]
    OutOfRange {
        /// How many bytes there are.
        size_bytes: u64,
    },
    /// The directory could not answer.
    #[error("the blob directory failed")]
    Directory(#[source] Box<dyn Error + Send + Sync>),
    /// The file system refused.
    #[error("the file system refused")]
    Io(#[from] io::Error),
}

fn in_segment(segment: Option<SegmentId>) -> String {
    segment.map(|segment| format!(" in segment {segment}")).unwrap_or_default()
}
