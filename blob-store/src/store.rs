//! The store: writing, syncing, scanning, moving and removing blobs.
//!
//! Owns: the public calls.
//! Does not own: reading (`read`), layouts (`form`, `record`), choosing segments (`lanes`), durability of one (`segment`).

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use schemas::{BlobId, SegmentId, TenantId};
use vault::BlobKey;

use crate::{
    Damage, Extent, Lane, OpenError, Options, Pins, Place, ReadError, Rooms, Scanned, SegmentInfo, SegmentState,
    Staged, WriteError,
    backend::{Backend, Disk, SegmentFile},
    files::Files,
    form::{self, BLOB_BYTES_MAX},
    lanes::Lanes,
    read::Record,
    record::{HEAD_BYTES, Head, RECORD_HEAD_BYTES, TRAILER_BYTES},
    walk::{self, Walk},
};

/// A record from here on is made in memory that was used before.
const ROOM_FROM_BYTES: usize = 512 << 10;
/// So many are kept when none is made.
const ROOMS_KEPT: usize = 4;
const ROOM_BYTES_MAX: usize = BLOB_BYTES_MAX + (64 << 10);

/// Encrypted blobs in segment files. See the crate's documentation for what it promises.
pub struct BlobStore {
    pub(crate) backend: Arc<dyn Backend>,
    options: Options,
    pub(crate) lanes: Lanes,
    pub(crate) files: Files,
    /// For long records on their way to disk.
    rooms: Rooms,
    pins: Pins,
    /// What the next blob's id begins with.
    next_number: AtomicU64,
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
                walk::Opened::Empty => {
                    tracing::info!(%segment, "removed a segment that holds no whole record");
                    backend.unlink(segment)?;
                }
                walk::Opened::UnknownVersion(version) => return Err(OpenError::UnknownVersion { segment, version }),
            }
        }
        Ok(BlobStore {
            lanes: Lanes::new(Arc::clone(&backend), options.clone(), sealed, next),
            files: Files::new(options.open_files_max),
            rooms: Rooms::new(ROOMS_KEPT, ROOM_FROM_BYTES..=ROOM_BYTES_MAX),
            pins: Pins::default(),
            next_number: AtomicU64::new(options.first_number),
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
        let (blob, key) = (self.new_id(), BlobKey::random());
        let cipher = key.sealer(blob);
        let is_long = plaintext.len() >= ROOM_FROM_BYTES;
        let room = if is_long { self.rooms.take() } else { Vec::new() };
        let mut record = form::encode(&cipher, plaintext, self.options.compression, RECORD_HEAD_BYTES, room);
        let stored = &record[RECORD_HEAD_BYTES..];
        let (place, stored_bytes) = if stored.len() <= self.options.inline_bytes_max {
            // Copied, since the buffer is as large as the plaintext was.
            (Place::Inline(Bytes::copy_from_slice(stored)), stored.len())
        } else {
            (self.append(lane, tenant, blob, &mut record, self.options.reserve_bytes)?, record.len())
        };
        if is_long {
            self.rooms.give_back(record);
        }
        Ok(Staged { blob, key, size_bytes: plaintext.len() as u32, stored_bytes: stored_bytes as u32, place })
    }

    /// A number that rises, then 64 random bits.
    fn new_id(&self) -> BlobId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next_number.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        id[8..].copy_from_slice(&vault::entropy::bytes::<8>());
        BlobId(id)
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

    /// What of every segment's file is durable, in order: rows that are durable name nothing behind it. A segment without a
    /// record is left out.
    #[must_use]
    pub fn extents(&self) -> Vec<Extent> {
        let table = self.lanes.table();
        let open = table.open.values().map(|segment| Extent { segment: segment.id, bytes: segment.durable_to() });
        let sealed = table
            .sealed
            .iter()
            .map(|(&segment, &trailer_at)| Extent { segment, bytes: trailer_at + TRAILER_BYTES as u64 });
        let mut all: Vec<_> = open.chain(sealed).filter(|extent| extent.bytes > HEAD_BYTES as u64).collect();
        all.sort_unstable_by_key(|extent| extent.segment);
        all
    }

    /// Fills `bytes` from a segment's file as it is, for a copy of it.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn read_file(&self, segment: SegmentId, offset: u64, bytes: &mut [u8]) -> Result<(), ReadError> {
        Ok(self.file(segment)?.read_at(offset, bytes)?)
    }

    /// The oldest segment that a write beginning now may go to: every older one is finished.
    #[must_use]
    pub fn oldest_open_segment(&self) -> SegmentId {
        let table = self.lanes.table();
        let behind_sealed = table.sealed.last_key_value().map_or(0, |(segment, _)| segment.0 + 1);
        // One that is being made may come to be after later ones, and take that write.
        let making = table.making.first().copied();
        table.open.keys().next().copied().into_iter().chain(making).min().unwrap_or(SegmentId(behind_sealed))
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

    /// Seals a segment before it is full, so that it can be rewritten or unlinked. Waits for those who write to it; later
    /// records go to another one. Nothing to do for a segment that is sealed or gone.
    ///
    /// # Errors
    /// [`WriteError::SegmentFailed`], or [`WriteError::Fatal`] for small content, when it could not be sealed.
    pub fn finish(&self, segment: SegmentId) -> Result<(), WriteError> {
        let open = self.lanes.table().open.get(&segment).cloned();
        open.map_or(Ok(()), |open| self.lanes.finish(&open))
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
