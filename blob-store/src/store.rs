//! The store: writing, syncing, reading, moving and removing blobs.
//!
//! Owns: the public calls, and which bytes of a segment a read needs.
//! Does not own: layouts (`form`, `record`), choosing segments (`lanes`), durability of one (`segment`).

use std::{collections::BTreeMap, io, ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use schemas::{BlobId, SegmentId, TenantId};
use vault::{BlobKey, FrameCipher};

use crate::{
    Damage, Lane, OpenError, Options, Pins, ReadError, WriteError,
    backend::{Backend, Disk, SegmentFile},
    files::Files,
    form::{self, BLOB_BYTES_MAX, HEAD_BYTES_MAX, Malformed, STORED_BYTES_MAX, Table},
    lanes::Lanes,
    record::{HEAD_BYTES, Head, RECORD_HEAD_BYTES, RecordHead, TRAILER_BYTES, checksum},
    walk::{self, Walk},
};

/// Up to this many stored bytes a blob is read at once, even for a range: a second read costs more than the bytes.
const READ_WHOLE_BYTES: usize = 192 << 10;

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

/// Encrypted blobs in segment files. See the crate's documentation for what it promises.
pub struct BlobStore {
    backend: Arc<dyn Backend>,
    options: Options,
    lanes: Lanes,
    files: Files,
    pins: Pins,
}

impl BlobStore {
    /// Opens the store in a folder, which is made if there is none. Segments that an unclean stop left open are cut behind
    /// their last whole record and sealed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<BlobStore, OpenError> {
        let disk = Disk::open(dir).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => OpenError::Io(error),
        })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// As [`BlobStore::open`], on another backend.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_on(backend: Arc<dyn Backend>, options: Options) -> Result<BlobStore, OpenError> {
        let mut sealed = BTreeMap::new();
        let mut next = 1;
        for segment in backend.list()? {
            next = segment.0.saturating_add(1);
            let file = backend.open(segment)?;
            match walk::recover(&*file, segment)? {
                walk::Opened::Sealed(trailer_at) => {
                    sealed.insert(segment, trailer_at);
                }
                walk::Opened::Empty => backend.unlink(segment)?,
                walk::Opened::UnknownVersion(version) => return Err(OpenError::UnknownVersion { segment, version }),
            }
        }
        Ok(BlobStore {
            lanes: Lanes::new(Arc::clone(&backend), options.clone(), sealed, next),
            files: Files::new(options.open_files_max),
            pins: Pins::default(),
            backend,
            options,
        })
    }

    /// Cuts into frames, compresses, seals and places one blob of at most [`BLOB_BYTES_MAX`] bytes, under an id and a key
    /// made for it. A short stored form comes back inline and touches no disk, whatever the lane. Any other is durable only
    /// after [`BlobStore::sync_small`] or [`BlobStore::sync`], according to the lane.
    ///
    /// # Errors
    /// See [`WriteError`].
    pub fn write(&self, tenant: TenantId, plaintext: &[u8], lane: Lane) -> Result<Staged, WriteError> {
        if plaintext.len() > BLOB_BYTES_MAX {
            return Err(WriteError::TooLarge { size_bytes: plaintext.len() });
        }
        self.lanes.check_space(plaintext.len())?;
        let (blob, key) = (BlobId(vault::entropy::bytes()), BlobKey::random());
        let cipher = key.sealer(blob);
        let mut record = form::encode(&cipher, plaintext, self.options.compression, RECORD_HEAD_BYTES);
        let stored = &record[RECORD_HEAD_BYTES..];
        let (place, stored_bytes) = if stored.len() <= self.options.inline_bytes_max {
            // Copied, since the buffer is as large as the plaintext was.
            (Place::Inline(Bytes::copy_from_slice(stored)), stored.len())
        } else {
            (self.append(lane, tenant, blob, &mut record, self.options.reserve_bytes)?, record.len())
        };
        Ok(Staged { blob, key, size_bytes: plaintext.len() as u32, stored_bytes: stored_bytes as u32, place })
    }

    /// Makes durable all small content written before. Free if there is none.
    ///
    /// # Errors
    /// [`WriteError::Fatal`]: nobody may rely on small content any more; stop the writer.
    pub fn sync_small(&self) -> Result<(), WriteError> {
        self.lanes.open_small().iter().try_for_each(|segment| self.lanes.sync(segment))
    }

    /// Makes durable whatever was written to these segments before.
    ///
    /// # Errors
    /// [`WriteError::SegmentFailed`]: the blobs written to that segment are void, write them again.
    pub fn sync(&self, segments: &[SegmentId]) -> Result<(), WriteError> {
        for &id in segments {
            let open = {
                let table = self.lanes.table();
                if table.sealed.contains_key(&id) {
                    // It was synced when it was sealed.
                    continue;
                }
                table.open.get(&id).cloned()
            };
            self.lanes.sync(&open.ok_or(WriteError::SegmentGone { segment: id })?)?;
        }
        Ok(())
    }

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
        let cipher = key.sealer(blob);
        match place {
            Place::Inline(stored) => {
                let damaged = |Malformed { at, what }| ReadError::Damaged { segment: None, offset: at, what };
                let table = Table::open(&cipher, stored, stored.len()).map_err(damaged)?;
                let range = range_in(&table, &range)?;
                table.read(&cipher, &stored[table.span(&range)], range).map_err(damaged)
            }
            Place::Segment { segment, offset, length } => {
                let record = Record { segment: *segment, offset: *offset, length: *length, tenant, blob };
                self.read_record(&cipher, &record, &range)
            }
        }
    }

    fn read_record(&self, cipher: &FrameCipher, record: &Record, range: &Range<u64>) -> Result<Vec<u8>, ReadError> {
        record.check_length()?;
        let file = self.file(record.segment)?;
        let length = record.length as usize;
        let wanted = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        // The whole record at once, or first as much as tells where the frames lie.
        let at_once =
            if length <= READ_WHOLE_BYTES || wanted >= length / 2 { length } else { HEAD_BYTES_MAX.min(length) };
        let mut bytes = vec![0; RECORD_HEAD_BYTES + at_once];
        record.fill(&*file, 0, &mut bytes)?;
        record.head(&bytes)?;
        let stored = &bytes[RECORD_HEAD_BYTES..];
        let damaged = |error: Malformed| record.damaged(RECORD_HEAD_BYTES as u64 + error.at, error.what);
        let table = Table::open(cipher, stored, length).map_err(damaged)?;
        let range = range_in(&table, range)?;
        let span = table.span(&range);
        if let Some(frames) = stored.get(span.clone()) {
            return table.read(cipher, frames, range).map_err(damaged);
        }
        let mut frames = vec![0; span.len()];
        record.fill(&*file, RECORD_HEAD_BYTES + span.start, &mut frames)?;
        table.read(cipher, &frames, range).map_err(damaged)
    }

    /// All segments, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let table = self.lanes.table();
        let open = table.open.values().map(|segment| {
            let glance = segment.glance();
            let state = if glance.failed.is_some() { SegmentState::Failed } else { SegmentState::Open };
            let record_bytes = glance.whole_prefix - HEAD_BYTES as u64;
            SegmentInfo { segment: segment.id, state, record_bytes, file_bytes: segment.allocated_bytes }
        });
        let sealed = table.sealed.iter().map(|(&segment, &trailer_at)| SegmentInfo {
            segment,
            state: SegmentState::Sealed,
            record_bytes: trailer_at.saturating_sub(HEAD_BYTES as u64),
            file_bytes: trailer_at + TRAILER_BYTES as u64,
        });
        let mut all: Vec<_> = open.chain(sealed).collect();
        all.sort_unstable_by_key(|info| info.segment);
        all
    }

    /// The oldest segment that a write beginning now may go to: every older one is finished.
    #[must_use]
    pub fn oldest_open_segment(&self) -> SegmentId {
        let table = self.lanes.table();
        let behind_sealed = table.sealed.last_key_value().map_or(0, |(segment, _)| segment.0 + 1);
        table.open.keys().next().copied().unwrap_or(SegmentId(behind_sealed))
    }

    /// All records of a segment whose heads can be read, in order: enough to rebuild the rows that say where blobs are.
    /// What [`BlobStore::check`] reports does not stop it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn scan(&self, segment: SegmentId) -> Result<Vec<Scanned>, ReadError> {
        let (_, walk) = self.walk(segment)?;
        let scanned = walk.records.into_iter().map(|record| Scanned {
            tenant: record.head.tenant,
            blob: record.head.blob,
            place: Place::Segment { segment, offset: record.offset, length: record.head.length },
            stored_bytes: record.head.length + RECORD_HEAD_BYTES as u32,
            whole: record.whole,
        });
        Ok(scanned.collect())
    }

    /// All damage that can be seen in a segment without keys. After an unclean stop a segment may hold stretches that were
    /// being written and that nobody refers to; they are listed too.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn check(&self, segment: SegmentId) -> Result<Vec<Damage>, ReadError> {
        let (file, walk) = self.walk(segment)?;
        let mut damage = walk.damage;
        if walk::head_of(&*file, segment, file.length()?)? != Head::Good {
            let what = "the head of the segment is damaged";
            damage.insert(0, Damage { segment, offset: 0, bytes: HEAD_BYTES as u64, what });
        }
        Ok(damage)
    }

    /// Copies records as they are, checksums verified, into a segment that takes records, and syncs it. Answers the new
    /// places; inline ones stay. May use the disk reserve: it is there for this.
    ///
    /// # Errors
    /// [`WriteError::Source`] if a record is damaged: leave it out. After an error the old places hold.
    pub fn relocate(&self, live: &[(TenantId, BlobId, Place)]) -> Result<Vec<(TenantId, BlobId, Place)>, WriteError> {
        let mut moved = Vec::with_capacity(live.len());
        let mut touched = Vec::new();
        for (tenant, blob, place) in live {
            let Place::Segment { segment, offset, length } = *place else {
                moved.push((*tenant, *blob, place.clone()));
                continue;
            };
            let record = Record { segment, offset, length, tenant: *tenant, blob: *blob };
            let mut bytes = self.read_raw(&record).map_err(WriteError::Source)?;
            let place = self.append(Lane::Large, *tenant, *blob, &mut bytes, 0)?;
            if let Place::Segment { segment, .. } = place
                && !touched.contains(&segment)
            {
                touched.push(segment);
            }
            moved.push((*tenant, *blob, place));
        }
        self.sync(&touched)?;
        Ok(moved)
    }

    fn read_raw(&self, record: &Record) -> Result<Vec<u8>, ReadError> {
        record.check_length()?;
        let mut bytes = vec![0; RECORD_HEAD_BYTES + record.length as usize];
        record.fill(&*self.file(record.segment)?, 0, &mut bytes)?;
        let head = record.head(&bytes)?;
        if checksum(&[&bytes[RECORD_HEAD_BYTES..]]) != head.payload_sum {
            return Err(record.damaged(RECORD_HEAD_BYTES as u64, "the payload does not match its checksum"));
        }
        Ok(bytes)
    }

    /// Removes a segment that takes no more records. Readers that have begun keep their descriptor; others are told
    /// [`ReadError::SegmentGone`].
    ///
    /// # Errors
    /// [`WriteError::SegmentOpen`], [`WriteError::SegmentGone`], or what the file system says; then it is still there.
    pub fn unlink(&self, segment: SegmentId) -> Result<(), WriteError> {
        self.lanes.unlink(segment)?;
        self.files.forget(segment);
        Ok(())
    }

    /// Bytes that can still be allocated.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_bytes(&self) -> io::Result<u64> {
        self.backend.free_bytes()
    }

    /// Who is about to refer to which blob.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// A clean stop: seals every segment, so that the next start scans nothing. Reading goes on, writing does not.
    ///
    /// # Errors
    /// That of the first segment that could not be sealed. The next start will seal it.
    pub fn close(&self) -> Result<(), WriteError> {
        self.lanes.close()
    }

    fn append(
        &self,
        lane: Lane,
        tenant: TenantId,
        blob: BlobId,
        record: &mut [u8],
        reserve_bytes: u64,
    ) -> Result<Place, WriteError> {
        let length = (record.len() - RECORD_HEAD_BYTES) as u32;
        let appended = self.lanes.append(lane, tenant, blob, record, reserve_bytes)?;
        if appended.began_segment {
            self.lanes.seal_idle();
        }
        Ok(Place::Segment { segment: appended.segment, offset: appended.offset, length })
    }

    fn file(&self, segment: SegmentId) -> Result<Arc<dyn SegmentFile>, ReadError> {
        if let Some(open) = self.lanes.table().open.get(&segment) {
            return Ok(Arc::clone(&open.file));
        }
        let exists = || self.lanes.table().sealed.contains_key(&segment);
        self.files.get(&*self.backend, segment, exists).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ReadError::SegmentGone { segment },
            _ => ReadError::Io(error),
        })
    }

    fn walk(&self, segment: SegmentId) -> Result<(Arc<dyn SegmentFile>, Walk), ReadError> {
        let end = {
            let table = self.lanes.table();
            let open = table.open.get(&segment).map(|open| open.glance().whole_prefix);
            let sealed = table.sealed.get(&segment).copied();
            open.or(sealed).ok_or(ReadError::SegmentGone { segment })?
        };
        let file = self.file(segment)?;
        let end = end.min(file.length()?);
        let walk = walk::walk(&*file, segment, end)?;
        Ok((file, walk))
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
struct Record {
    segment: SegmentId,
    offset: u64,
    length: u32,
    tenant: TenantId,
    blob: BlobId,
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
