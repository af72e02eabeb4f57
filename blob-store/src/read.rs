//! Reading: which bytes of a segment a range needs, and that they are what the caller asks for.
//!
//! Owns: the number of reads, and the checks of a record's head.
//! Does not own: opening and decompressing frames (`form`), descriptors (`files`).

use std::{io, ops::Range, sync::Arc};

use schemas::{BlobId, SegmentId, TenantId};
use vault::{BlobKey, FrameCipher};

use crate::{
    BlobStore, Place, ReadError,
    backend::SegmentFile,
    form::{HEAD_BYTES_MAX, Malformed, STORED_BYTES_MAX, Table},
    record::{RECORD_HEAD_BYTES, RecordHead, checksum},
};

/// Up to this many stored bytes a blob is read at once, even for a range: a second read costs more than the bytes.
const READ_WHOLE_BYTES: usize = 192 << 10;

impl BlobStore {
    /// The plaintext of `range` of a blob. Reads and opens only the frames it needs, and verifies all that it uses.
    ///
    /// # Errors
    /// [`ReadError::SegmentGone`] when the blob was moved in the meantime: look the place up again. Otherwise see
    /// [`ReadError`].
    pub fn read(
        &self,
        tenant: TenantId,
        blob: BlobId,
        key: &BlobKey,
        place: &Place,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ReadError> {
        self.read_in(Vec::new(), tenant, blob, key, place, range)
    }

    /// The same, in memory that was used before: what `room` holds means nothing, and nothing of it is handed out.
    ///
    /// # Errors
    /// As [`BlobStore::read`].
    pub fn read_in(
        &self,
        room: Vec<u8>,
        tenant: TenantId,
        blob: BlobId,
        key: &BlobKey,
        place: &Place,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ReadError> {
        let cipher = key.sealer(blob);
        match place {
            Place::Inline(stored) => {
                let damaged = |Malformed { at, what }| ReadError::Damaged { segment: None, offset: at, what };
                let table = Table::open(&cipher, stored, stored.len()).map_err(damaged)?;
                let range = range_in(&table, &range)?;
                table.read(&cipher, &stored[table.span(&range)], range, room).map_err(damaged)
            }
            Place::Segment { segment, offset, length } => {
                let record = Record { segment: *segment, offset: *offset, length: *length, tenant, blob };
                self.read_record(&cipher, &record, &range, room)
            }
        }
    }

    fn read_record(
        &self,
        cipher: &FrameCipher,
        record: &Record,
        range: &Range<u64>,
        room: Vec<u8>,
    ) -> Result<Vec<u8>, ReadError> {
        record.check_length()?;
        let file = self.file(record.segment)?;
        let length = record.length as usize;
        // The whole record at once, or first as much as tells where the frames lie.
        let at_once = if length <= READ_WHOLE_BYTES { length } else { HEAD_BYTES_MAX };
        let mut bytes = vec![0; RECORD_HEAD_BYTES + at_once];
        record.fill(&*file, 0, &mut bytes)?;
        record.head(&bytes)?;
        let stored = &bytes[RECORD_HEAD_BYTES..];
        let damaged = |error: Malformed| record.damaged(RECORD_HEAD_BYTES as u64 + error.at, error.what);
        let table = Table::open(cipher, stored, length).map_err(damaged)?;
        let range = range_in(&table, range)?;
        if let Some(frames) = stored.get(table.span(&range)) {
            return table.read(cipher, frames, range, room).map_err(damaged);
        }
        // Frame by frame, each to where its plaintext is to stand: a blob of 4 MiB passes the processor's cache once.
        let fill = |at: usize, frame: &mut [u8]| record.fill(&*file, RECORD_HEAD_BYTES + at, frame);
        table.read_with(cipher, range, room, fill, damaged)
    }

    /// Whether this blob's record stands at this place, whole by its length: one short read, for whoever is about to refer
    /// to the blob once more. Decay inside it shows only when it is read.
    #[must_use]
    pub fn stands(&self, tenant: TenantId, blob: BlobId, place: &Place) -> bool {
        let Place::Segment { segment, offset, length } = *place else { return true };
        let record = Record { segment, offset, length, tenant, blob };
        let stands = || -> Result<bool, ReadError> {
            let file = self.file(segment)?;
            let mut head = [0; RECORD_HEAD_BYTES];
            record.fill(&*file, 0, &mut head)?;
            let end = offset.saturating_add(record.head(&head)?.record_bytes());
            Ok(file.length()? >= end)
        };
        stands().unwrap_or(false)
    }

    /// A record's bytes as they are, both checksums verified.
    pub(crate) fn read_raw(&self, record: &Record) -> Result<Vec<u8>, ReadError> {
        record.check_length()?;
        let mut bytes = vec![0; RECORD_HEAD_BYTES + record.length as usize];
        record.fill(&*self.file(record.segment)?, 0, &mut bytes)?;
        let head = record.head(&bytes)?;
        if checksum(&[&bytes[RECORD_HEAD_BYTES..]]) != head.payload_sum {
            return Err(record.damaged(RECORD_HEAD_BYTES as u64, "the payload does not match its checksum"));
        }
        Ok(bytes)
    }

    pub(crate) fn file(&self, segment: SegmentId) -> Result<Arc<dyn SegmentFile>, ReadError> {
        if let Some(open) = self.lanes.table().open.get(&segment) {
            return Ok(Arc::clone(&open.file));
        }
        let exists = || self.lanes.table().sealed.contains_key(&segment);
        self.files.get(&*self.backend, segment, exists).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::SegmentGone { segment },
            _ => ReadError::Io(error),
        })
    }
}

fn range_in(table: &Table, range: &Range<u64>) -> Result<Range<usize>, ReadError> {
    let size_bytes = table.size_bytes();
    if range.start > range.end || range.end > size_bytes {
        return Err(ReadError::OutOfRange { size_bytes });
    }
    // Both are at most 4 MiB now.
    Ok(range.start as usize..range.end as usize)
}

/// A record that the caller says is there.
pub(crate) struct Record {
    pub(crate) segment: SegmentId,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    pub(crate) tenant: TenantId,
    pub(crate) blob: BlobId,
}

impl Record {
    /// Before memory is asked for: a row may be damaged too.
    fn check_length(&self) -> Result<(), ReadError> {
        if self.length as usize > STORED_BYTES_MAX { Err(self.damaged(0, "longer than any blob")) } else { Ok(()) }
    }

    fn fill(&self, file: &dyn SegmentFile, from: usize, bytes: &mut [u8]) -> Result<(), ReadError> {
        file.read_at(self.offset.saturating_add(from as u64), bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged(from as u64, "the segment ends before"),
            _ => ReadError::Io(error),
        })
    }

    fn head(&self, bytes: &[u8]) -> Result<RecordHead, ReadError> {
        let head = RecordHead::decode(bytes, self.segment, self.offset)
            .ok_or_else(|| self.damaged(0, "no record stands here"))?;
        if (head.tenant, head.blob, head.length) != (self.tenant, self.blob, self.length) {
            return Err(self.damaged(0, "another record stands here"));
        }
        Ok(head)
    }

    fn damaged(&self, at: u64, what: &'static str) -> ReadError {
        ReadError::Damaged { segment: Some(self.segment), offset: self.offset.saturating_add(at), what }
    }
}
