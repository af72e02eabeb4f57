//! Objects of more than one blob: which pieces of which blobs make up a range.
//!
//! Owns: walking the tree of manifests, and checking that its sizes add up.
//! Does not own: where blobs are and what their keys are (the caller's [`Directory`]), reading the pieces.
//! Invariant: the pieces of a range are exactly as long as the range, whatever the manifests say; or there is an error.

use std::{error::Error, ops::Range};

use schemas::{
    BlobId, TenantId,
    content::{Content, Manifest, ManifestEntry, Root},
};
use vault::BlobKey;

use crate::{BLOB_BYTES_MAX, BlobStore, Place, ReadError};

/// Manifests above each other, the root included. Completed uploads need two, parts of 5 GiB included.
pub const MANIFEST_DEPTH_MAX: usize = 4;

/// Who knows where blobs are: the caller's rows, for one reader and one snapshot.
pub trait Directory {
    /// Looks up a blob of a tenant; none if there is no such blob.
    ///
    /// # Errors
    /// When the rows cannot be read or the key cannot be unwrapped.
    fn find(&self, tenant: TenantId, blob: BlobId) -> Result<Option<Found>, Box<dyn Error + Send + Sync>>;
}

/// What a directory knows of a blob.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its key, unwrapped.
    pub key: BlobKey,
    /// Where it is.
    pub place: Place,
    /// Its plaintext bytes.
    pub size_bytes: u32,
}

/// A stretch of one blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The blob.
    pub blob: BlobId,
    /// The bytes of its plaintext. Never empty.
    pub range: Range<u64>,
}

/// Where a part lies in its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRange {
    /// Bytes of the object.
    pub range: Range<u64>,
    /// How many parts the object has; 0 if it was not uploaded in parts and so is its own first part.
    pub parts: u32,
}

/// The pieces that make up `range` of an object, in order. Reads only manifests that overlap it.
///
/// # Errors
/// [`ReadError::OutOfRange`] unless the range lies within the content; [`ReadError::Missing`] if a manifest is not in the
/// directory; [`ReadError::Damaged`] if manifests nest too deep or their sizes do not add up.
pub fn pieces(
    store: &BlobStore,
    dir: &dyn Directory,
    tenant: TenantId,
    content: &Content,
    range: Range<u64>,
) -> Result<Vec<Piece>, ReadError> {
    let size_bytes = content.size_bytes;
    if range.start > range.end || range.end > size_bytes {
        return Err(ReadError::OutOfRange { size_bytes });
    }
    let entry = match content.root {
        Root::Empty if size_bytes == 0 => return Ok(Vec::new()),
        Root::Empty => return damaged(0, "content of some size has no root"),
        Root::Blob(blob) => ManifestEntry { is_manifest: false, blob, size_bytes },
        Root::Manifest(blob) => ManifestEntry { is_manifest: true, blob, size_bytes },
    };
    let mut walk = Walk { store, dir, tenant, range, pieces: Vec::new() };
    walk.entry(&entry, 0, 0)?;
    Ok(walk.pieces)
}

/// Where part `number`, counted from 1, lies; none if the object has no such part.
///
/// # Errors
/// As [`pieces`].
pub fn part_range(
    store: &BlobStore,
    dir: &dyn Directory,
    tenant: TenantId,
    content: &Content,
    number: u32,
) -> Result<Option<PartRange>, ReadError> {
    let whole = (number == 1).then_some(PartRange { range: 0..content.size_bytes, parts: 0 });
    let Root::Manifest(blob) = content.root else { return Ok(whole) };
    let manifest = read_manifest(store, dir, tenant, blob, content.size_bytes, 0)?;
    if !manifest.parts {
        return Ok(whole);
    }
    let Some(index) = (number as usize).checked_sub(1).filter(|&index| index < manifest.entries.len()) else {
        return Ok(None);
    };
    // The sizes were added up when the manifest was read; their sums do not overflow.
    let start = manifest.entries[..index].iter().map(|entry| entry.size_bytes).sum();
    let range = start..start + manifest.entries[index].size_bytes;
    Ok(Some(PartRange { range, parts: manifest.entries.len() as u32 }))
}

/// Longest piece: what was opened is still in the processor's cache when it is sent. Whole frames.
const PIECE_BYTES: u64 = 1 << 20;

struct Walk<'a> {
    store: &'a BlobStore,
    dir: &'a dyn Directory,
    tenant: TenantId,
    range: Range<u64>,
    pieces: Vec<Piece>,
}

impl Walk<'_> {
    /// Collects what the range wants of an entry that begins at `start` of the object, under `depth` manifests.
    fn entry(&mut self, entry: &ManifestEntry, start: u64, depth: usize) -> Result<(), ReadError> {
        let end = start + entry.size_bytes;
        let wanted = self.range.start.max(start)..self.range.end.min(end);
        if wanted.is_empty() {
            return Ok(());
        }
        if !entry.is_manifest {
            if entry.size_bytes > BLOB_BYTES_MAX as u64 {
                return damaged(start, "a blob is larger than blobs are");
            }
            let (mut at, end) = (wanted.start - start, wanted.end - start);
            while at < end {
                // Up to the next boundary, so that no frame is opened twice.
                let next = (at - at % PIECE_BYTES + PIECE_BYTES).min(end);
                self.pieces.push(Piece { blob: entry.blob, range: at..next });
                at = next;
            }
            return Ok(());
        }
        if depth == MANIFEST_DEPTH_MAX {
            return damaged(start, "manifests nest too deep");
        }
        let manifest = read_manifest(self.store, self.dir, self.tenant, entry.blob, entry.size_bytes, start)?;
        let mut at = start;
        for child in &manifest.entries {
            self.entry(child, at, depth + 1)?;
            at += child.size_bytes;
        }
        Ok(())
    }
}

/// Reads a manifest whose entries add up to `size_bytes`. It begins at `start` of the object.
fn read_manifest(
    store: &BlobStore,
    dir: &dyn Directory,
    tenant: TenantId,
    blob: BlobId,
    size_bytes: u64,
    start: u64,
) -> Result<Manifest, ReadError> {
    let found = dir.find(tenant, blob).map_err(ReadError::Directory)?.ok_or(ReadError::Missing { blob })?;
    let bytes = match store.read(tenant, blob, &found.key, &found.place, 0..u64::from(found.size_bytes)) {
        Err(ReadError::OutOfRange { .. }) => return damaged(start, "a manifest is shorter than the directory says"),
        other => other?,
    };
    let Ok(manifest) = Manifest::decode(&bytes) else { return damaged(start, "a manifest is malformed") };
    let sum = manifest.entries.iter().try_fold(0_u64, |sum, entry| sum.checked_add(entry.size_bytes));
    if sum != Some(size_bytes) {
        return damaged(start, "the sizes in a manifest do not add up");
    }
    Ok(manifest)
}

fn damaged<T>(offset: u64, what: &'static str) -> Result<T, ReadError> {
    Err(ReadError::Damaged { segment: None, offset, what })
}
