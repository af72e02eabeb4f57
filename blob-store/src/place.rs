//! What callers hold: places, staged blobs, and what is said of records and segments.

use bytes::Bytes;
use schemas::{BlobId, SegmentId, TenantId};
use vault::BlobKey;

/// Where a blob's stored form is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Here. The caller keeps it in a row, which is what makes it durable.
    Inline(Bytes),
    /// In a segment file.
    Segment {
        /// Which one.
        segment: SegmentId,
        /// Where its record begins.
        offset: u64,
        /// Bytes of the stored form, without the record's head.
        length: u32,
    },
}

/// A blob that is written but neither durable nor named by an event.
#[derive(Debug)]
pub struct Staged {
    /// Its id, made for this attempt.
    pub blob: BlobId,
    /// Its key, made for this attempt.
    pub key: BlobKey,
    /// Plaintext bytes.
    pub size_bytes: u32,
    /// Bytes that freeing it gives back: the stored form, in a segment with the record's head.
    pub stored_bytes: u32,
    /// Where it is.
    pub place: Place,
}

/// A record that a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// Whose blob.
    pub tenant: TenantId,
    /// Which blob.
    pub blob: BlobId,
    /// Where.
    pub place: Place,
    /// As [`Staged::stored_bytes`].
    pub stored_bytes: u32,
    /// Whether the payload matches its checksum. If not, reading the blob will say where it is damaged; a whole copy of the
    /// same blob elsewhere is to be preferred.
    pub whole: bool,
}

/// What can be done with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// It takes records, or has writers still.
    Open,
    /// It is finished and durable.
    Sealed,
    /// A write or sync failed. What was synced before is still there to read and to relocate.
    Failed,
}

/// A segment as the sweep sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Which one.
    pub segment: SegmentId,
    /// What can be done with it.
    pub state: SegmentState,
    /// Bytes of its records, heads included: the sum of their `stored_bytes`.
    pub record_bytes: u64,
    /// Bytes it takes on the disk; unlinking gives them back.
    pub file_bytes: u64,
}

/// How much of a segment's file can be copied now: what is there does not change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Which one.
    pub segment: SegmentId,
    /// Bytes from the file's beginning, ending with a whole record, or with the trailer.
    pub bytes: u64,
}
