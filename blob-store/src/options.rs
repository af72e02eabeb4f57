//! What an operator or a test may choose.

/// How a store keeps its blobs. None of it is part of the format: a store opens whatever another choice wrote.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size a segment file is preallocated to. A blob that does not fit makes a larger one.
    pub segment_bytes: u64,
    /// Stored forms up to this many bytes are handed back as [`crate::Place::Inline`] and touch no disk.
    pub inline_bytes_max: usize,
    /// Segments that take writes at the same time, the one for small content included. At least 2 are used.
    pub open_segments_max: usize,
    /// Whether frames are compressed before they are sealed.
    pub compression: Compression,
    /// Free bytes of the file system that writes leave alone, so that deletes and sweeps can go on.
    pub reserve_bytes: u64,
    /// Where the numbers begin that blobs' ids begin with. It orders ids by when they were made, so that rows which are written
    /// together lie together; a later start should give a greater one. Ids are unique whatever it is.
    pub first_number: u64,
    /// Descriptors of sealed segments kept open for reading.
    pub open_files_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        // Where a process may have few files open, most are for others.
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
        Self {
            segment_bytes: 256 << 20,
            inline_bytes_max: 2048,
            open_segments_max: 8,
            compression: Compression::Zstd { level: 1 },
            reserve_bytes: 512 << 20,
            first_number: 0,
            open_files_max: usize::try_from(files / 16).unwrap_or(usize::MAX).clamp(8, 128),
        }
    }
}

/// Whether frames are compressed before they are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Frames that shrink by a sixteenth or more are kept compressed.
    Zstd {
        /// As zstd counts: 1 is fast, 19 is small.
        level: i32,
    },
    /// Never.
    Off,
}

/// Who makes a blob durable, and so which segment it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// The one segment for small content, made durable by [`crate::BlobStore::sync_small`] before each commit.
    Small,
    /// A segment for large content: whoever wrote calls [`crate::BlobStore::sync`] before the event is committed.
    Large,
}
