//! Copies of segment files: what is durable of them and not copied yet.
//!
//! Owns: finding the same segment again, copying behind what is there, comparing what was written with its digest.
//! Does not own: which segments a backup still needs (`take`).
//! Invariant: bytes that a manifest names are never written again.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use blob_store::{BlobStore, Extent, ReadError};
use schemas::{LeafHash, SegmentId};
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::folder::{Folder, Reading, private};
use super::manifest::{Manifest, Piece, Segment};

/// Bytes compared at both ends of what is there, to know a segment again: its first record has a random id.
const COMPARED: u64 = 4_096;
/// Bytes copied at once.
const STEP: usize = 1 << 20;

pub(super) struct Copier<'a> {
    pub(super) blobs: &'a BlobStore,
    pub(super) folder: &'a Folder,
    /// Number of the run.
    pub(super) run: u64,
    /// Called before each piece: an error ends it.
    pub(super) before: &'a dyn Fn() -> Result<(), BackupError>,
    /// Bytes copied so far.
    pub(super) bytes: u64,
}

impl Copier<'_> {
    /// Segments whose number a file of another content has now: a store may give the number of a removed one again.
    pub(super) fn replaced(&self, manifest: &Manifest) -> Result<BTreeSet<SegmentId>, BackupError> {
        let mut replaced = BTreeSet::new();
        for extent in self.blobs.extents() {
            if let Some(copy) = manifest.segments.iter().find(|copy| copy.segment == extent.segment)
                && !self.is_of(copy, extent)?
            {
                replaced.insert(extent.segment);
            }
        }
        Ok(replaced)
    }

    fn is_of(&self, copy: &Segment, extent: Extent) -> Result<bool, BackupError> {
        let copied = copy.bytes();
        if copied > extent.bytes {
            return Ok(false);
        }
        let path = self.path(copy);
        let file = std::fs::File::open(&path).map_err(BackupError::io(&path))?;
        let length = copied.min(COMPARED);
        for offset in [0, copied - length] {
            let (mut ours, mut theirs) = (vec![0; length as usize], vec![0; length as usize]);
            file.read_exact_at(&mut ours, offset).map_err(BackupError::io(&path))?;
            match self.blobs.read_file(extent.segment, offset, &mut theirs) {
                Ok(()) if ours == theirs => {}
                Ok(()) => return Ok(false),
                // Swept meanwhile: what is there stays what it is.
                Err(ReadError::SegmentGone { .. }) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn path(&self, copy: &Segment) -> PathBuf {
        self.folder.segments().join(copy.file())
    }

    /// Copies what is durable and not there yet, of segments that are not `replaced` or whose copy is of this run. `each` is
    /// told after every segment.
    pub(super) fn copy(
        &mut self,
        manifest: &mut Manifest,
        replaced: &BTreeSet<SegmentId>,
        mut each: impl FnMut(&Manifest) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        for extent in self.blobs.extents() {
            (self.before)()?;
            let known = manifest.segments.iter().position(|copy| {
                copy.segment == extent.segment && (copy.run == self.run || !replaced.contains(&copy.segment))
            });
            let mut copy = match known {
                Some(known) => manifest.segments[known].clone(),
                None => Segment { segment: extent.segment, run: self.run, pieces: Vec::new() },
            };
            let from = copy.bytes();
            if extent.bytes <= from {
                continue;
            }
            let Some(sha256) = self.append(&copy, from, extent)? else { continue };
            copy.pieces.push(Piece { bytes: extent.bytes - from, sha256 });
            match known {
                Some(known) => manifest.segments[known] = copy,
                None => manifest.segments.push(copy),
            }
            each(manifest)?;
        }
        Ok(())
    }

    /// Copies a stretch and reads it back. None if the segment was removed meanwhile.
    fn append(&mut self, copy: &Segment, from: u64, extent: Extent) -> Result<Option<LeafHash>, BackupError> {
        let path = self.path(copy);
        let failed = || BackupError::io(&path);
        let file = private().read(true).open(&path).map_err(failed())?;
        // What a run that was cut off wrote behind it.
        file.set_len(from).map_err(failed())?;
        let mut hasher = Sha256::new();
        let (mut buffer, mut at) = (vec![0; STEP], from);
        while at < extent.bytes {
            let length = usize::try_from(extent.bytes - at).map_or(STEP, |left| left.min(STEP));
            match self.blobs.read_file(extent.segment, at, &mut buffer[..length]) {
                Ok(()) => {}
                Err(ReadError::SegmentGone { .. }) if from == 0 => {
                    std::fs::remove_file(&path).map_err(failed())?;
                    return Ok(None);
                }
                Err(ReadError::SegmentGone { .. }) => {
                    file.set_len(from).map_err(failed())?;
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
            hasher.update(&buffer[..length]);
            file.write_all_at(&buffer[..length], at).map_err(failed())?;
            at += length as u64;
        }
        file.sync_all().map_err(failed())?;
        let sha256 = LeafHash(hasher.finalize().into());
        let mut hasher = Sha256::new();
        let mut at = from;
        while at < extent.bytes {
            let length = usize::try_from(extent.bytes - at).map_or(STEP, |left| left.min(STEP));
            file.read_exact_at(&mut buffer[..length], at).map_err(failed())?;
            hasher.update(&buffer[..length]);
            at += length as u64;
        }
        if hasher.finalize().as_slice() != sha256.0.as_slice() {
            return Err(BackupError::damaged(&path, "what was written does not read back"));
        }
        self.bytes += extent.bytes - from;
        Ok(Some(sha256))
    }
}

/// Reads a copy against its digests; `each` gets its bytes in order.
pub(super) fn read(
    folder: &Folder,
    copy: &Segment,
    mut each: impl FnMut(&[u8]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut file = Reading::begin(folder.segments().join(copy.file()))?;
    for piece in &copy.pieces {
        file.stream(piece.bytes, &mut each)?;
        file.expect(piece.sha256)?;
    }
    Ok(())
}
