//! Content on its way out: pieces are opened on blocking threads, one or a few ahead of the reader where there is room.
//!
//! Owns: the order of pieces, read-ahead and its bound, looking a blob up again when it has moved.
//! Does not own: verification (blob-store: nothing unverified is ever handed out).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use blob_store::Pin;
use blob_store::content::{Directory, PartRange, Piece};
use bytes::Bytes;
use event_log::Snapshot;
use futures_util::stream;
use schemas::BlobId;
use schemas::content::{Content, Manifest, Root};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use super::directory::{Finding, blob_row};
use super::ingest::{internal, internal_box};
use super::recent::Remembered;
use super::{BlobDirectory, Contents, Mode, Scope, place};
use crate::api::{BodyError, ByteStream, StoreError, StoredForm};
use crate::sequencer::describe;

/// Up to here a read is done on the request's own task: its bytes are one decryption away.
const INLINE_READ_BYTES_MAX: u64 = 64 << 10;

/// Most pieces of one reader that are opened ahead.
const DEPTH_MAX: usize = 4;

/// More blobs than any content has: a manifest that leads in circles.
const BLOBS_MAX: usize = 4_000_000;

type Opening = JoinHandle<Result<Bytes, StoreError>>;

/// A stream that is being read.
struct Reading {
    contents: Contents,
    scope: Scope,
    pieces: VecDeque<Piece>,
    /// The next pieces, and their places among those opened ahead.
    ahead: VecDeque<(Opening, OwnedSemaphorePermit)>,
    /// So many are opened ahead: more for a reader that had to wait, as one does for a disk.
    depth: usize,
    /// The root: while it is pinned, nothing under it is freed.
    _pin: Pin,
}

impl Contents {
    /// The bytes of a content in a range. The first piece is opened before this returns, so that damage found there is an
    /// error and not a broken answer.
    pub(crate) async fn read(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
        content: Content,
        range: Range<u64>,
    ) -> Result<ByteStream, StoreError> {
        let Some(root) = content.root.blob().filter(|_| !range.is_empty()) else {
            return Ok(Box::pin(stream::empty()));
        };
        if matches!(content.root, Root::Blob(_)) && range.end - range.start <= INLINE_READ_BYTES_MAX {
            // Nothing to pin: it is all read here, and what is freed meanwhile is an error.
            let bytes = self.open(snapshot, scope, &Piece { blob: root, range })?;
            return Ok(Box::pin(stream::iter([Ok(bytes)])));
        }
        let (contents, of) = (self.clone(), scope.clone());
        let plan = move || -> Result<_, StoreError> {
            let pin = contents.pin_root(of.tenant, root)?;
            Ok((pin, contents.plan(snapshot, &of, &content, range)?))
        };
        let (pin, pieces) = match content.root {
            // No manifest has to be read for it.
            Root::Blob(_) => plan()?,
            _ => tokio::task::spawn_blocking(plan).await.map_err(|error| internal(&error))??,
        };
        let scope = scope.clone();
        let mut reading = Reading {
            contents: self.clone(),
            scope,
            pieces: pieces.into(),
            ahead: VecDeque::new(),
            depth: 1,
            _pin: pin,
        };
        let first = reading.next().await.transpose()?;
        let rest = stream::unfold((reading, first), |(mut reading, first)| async move {
            let bytes = match first {
                Some(bytes) => Ok(bytes),
                None => match reading.next().await? {
                    Ok(bytes) => Ok(bytes),
                    Err(error) => {
                        tracing::error!(error = %describe(&error), "an object's content could not be read");
                        Err(BodyError(Box::new(error)))
                    }
                },
            };
            Some((bytes, (reading, None)))
        });
        Ok(Box::pin(rest))
    }

    /// The pieces of blobs that make a range.
    fn plan(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
        content: &Content,
        range: Range<u64>,
    ) -> Result<Vec<Piece>, StoreError> {
        let directory = BlobDirectory { snapshot, vault: self.vault.clone(), scope: scope.clone() };
        blob_store::content::pieces(&self.blobs, &directory, scope.tenant, content, range)
            .map_err(|error| read_error(&error))
    }

    /// Opens one piece. A blob that sweep has moved since the snapshot is looked up again.
    fn open(&self, snapshot: Arc<dyn Snapshot>, scope: &Scope, piece: &Piece) -> Result<Bytes, StoreError> {
        let directory = |snapshot| BlobDirectory { snapshot, vault: self.vault.clone(), scope: scope.clone() };
        let read = |found: Finding| -> Result<Bytes, StoreError> {
            let found = found.map_err(internal_box)?;
            let found = found.ok_or_else(|| StoreError::Corrupt { what: format!("blob {} is missing", piece.blob) })?;
            let is_long = piece.range.end - piece.range.start > INLINE_READ_BYTES_MAX;
            let room = if is_long { self.outgoing.take() } else { Vec::new() };
            let (key, place, range) = (&found.key, &found.place, piece.range.clone());
            let bytes = self.blobs.read_in(room, scope.tenant, piece.blob, key, place, range);
            let bytes = bytes.map_err(|error| read_error(&error))?;
            Ok(if is_long { self.outgoing.lend(bytes) } else { bytes.into() })
        };
        read(self.find_recent(&directory(snapshot), piece.blob)).or_else(|_| {
            // What was remembered of it may be wrong.
            self.recent.forget((scope.tenant, piece.blob, scope.key));
            read(directory(self.log.snapshot()).find(scope.tenant, piece.blob))
        })
    }

    /// As its rows say, or as they said when it was read last.
    fn find_recent(&self, directory: &BlobDirectory, blob: BlobId) -> Finding {
        let scope = &directory.scope;
        let of = (scope.tenant, blob, scope.key);
        if !matches!(scope.mode, Mode::Managed) {
            return directory.find(scope.tenant, blob);
        }
        if let Some(remembered) = self.recent.get(of) {
            return directory.found(blob, &remembered.row, &remembered.wrap);
        }
        let rows = blob_row(directory.snapshot.as_ref(), scope.tenant, blob)?.zip(directory.bucket_wrap(blob)?);
        let Some((row, wrap)) = rows else { return Ok(None) };
        let found = directory.found(blob, &row, &wrap)?;
        self.recent.put(of, Remembered { row, wrap });
        Ok(found)
    }

    /// Every blob of a content, manifests included.
    pub(crate) fn tree(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
        content: &Content,
    ) -> Result<Vec<BlobId>, StoreError> {
        let malformed = |blob: BlobId| StoreError::Corrupt { what: format!("manifest {blob} is malformed") };
        let mut blobs = Vec::new();
        let mut pending: Vec<(BlobId, bool, u64)> = match content.root {
            Root::Empty => Vec::new(),
            Root::Blob(blob) => vec![(blob, false, content.size_bytes)],
            Root::Manifest(blob) => vec![(blob, true, content.size_bytes)],
        };
        while let Some((blob, is_manifest, size_bytes)) = pending.pop() {
            if blobs.len() > BLOBS_MAX {
                return Err(malformed(blob));
            }
            blobs.push(blob);
            if is_manifest && size_bytes > 0 {
                let manifest = self.manifest(snapshot.clone(), scope, blob)?;
                let named = manifest.entries.iter().filter(|entry| entry.blob != BlobId::default());
                pending.extend(named.map(|entry| (entry.blob, entry.is_manifest, entry.size_bytes)));
            }
        }
        Ok(blobs)
    }

    /// How a content is kept; none if its rows are gone. Manifests open by the bucket's key alone, whatever opens the bytes.
    pub(crate) fn stored_form(&self, scope: &Scope, content: &Content) -> Option<StoredForm> {
        let snapshot = self.log.snapshot();
        let (first, single) = match content.root {
            Root::Empty => return Some(StoredForm { compressed: false, bytes: Some(0) }),
            Root::Blob(blob) => (blob, true),
            Root::Manifest(_) => (self.plan(snapshot.clone(), scope, content, 0..1).ok()?.first()?.blob, false),
        };
        let row = blob_row(snapshot.as_ref(), scope.tenant, first).ok()??;
        let bytes = single.then_some(u64::from(row.stored_bytes));
        Some(StoredForm { compressed: row.stored_bytes < row.size_bytes, bytes })
    }

    /// A manifest by its blob.
    pub(crate) fn manifest(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
        blob: BlobId,
    ) -> Result<Manifest, StoreError> {
        let directory = BlobDirectory { snapshot, vault: self.vault.clone(), scope: scope.clone() };
        let found = directory.find(scope.tenant, blob).map_err(internal_box)?;
        let found = found.ok_or_else(|| StoreError::Corrupt { what: format!("manifest {blob} is missing") })?;
        let range = 0..u64::from(found.size_bytes);
        let bytes = self.blobs.read(scope.tenant, blob, &found.key, &found.place, range);
        let bytes = bytes.map_err(|error| read_error(&error))?;
        let malformed = |_| StoreError::Corrupt { what: format!("manifest {blob} is malformed") };
        Manifest::decode(&bytes).map_err(malformed)
    }

    /// Bytes of one part of a content that was uploaded in parts, and their number.
    pub(crate) fn part_range(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
        content: &Content,
        number: u16,
    ) -> Result<Option<PartRange>, StoreError> {
        let directory = BlobDirectory { snapshot, vault: self.vault.clone(), scope: scope.clone() };
        blob_store::content::part_range(&self.blobs, &directory, scope.tenant, content, u32::from(number))
            .map_err(|error| read_error(&error))
    }
}

impl Reading {
    /// Begins to open the next piece. A place for that alone is given back when it is done.
    fn start(&mut self, place: Option<OwnedSemaphorePermit>) -> Option<Opening> {
        let piece = self.pieces.pop_front()?;
        let (contents, scope) = (self.contents.clone(), self.scope.clone());
        Some(tokio::task::spawn_blocking(move || {
            let _place = place;
            contents.open(contents.log.snapshot(), &scope, &piece)
        }))
    }

    fn start_ahead(&mut self) -> Option<(Opening, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.contents.ahead).try_acquire_owned().ok()?;
        Some((self.start(None)?, place))
    }

    async fn start_waited_for(&mut self) -> Result<Option<Opening>, StoreError> {
        let place = place(&self.contents.opening).await?;
        Ok(self.start(Some(place)))
    }

    /// The next piece, while those behind it are begun.
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        // Its place is kept until it is open: a disk that stands still must not have more and more to open.
        let (current, _place) = match self.ahead.pop_front() {
            Some((ahead, place)) => {
                if !ahead.is_finished() {
                    self.depth = DEPTH_MAX.min(self.depth + 1);
                }
                (ahead, Some(place))
            }
            None => match self.start_waited_for().await.transpose()? {
                Ok(started) => (started, None),
                Err(error) => return Some(Err(error)),
            },
        };
        while self.ahead.len() < self.depth
            && let Some(next) = self.start_ahead()
        {
            self.ahead.push_back(next);
        }
        let bytes = match current.await {
            Ok(bytes) => bytes,
            Err(error) => Err(internal(&error)),
        };
        if bytes.is_err() {
            self.pieces.clear();
            self.ahead.clear();
        }
        Some(bytes)
    }
}

/// Why content that was read here could not be stored again: the body's error is one of ours, not a client's.
pub(crate) fn of_source(error: StoreError) -> StoreError {
    match error {
        StoreError::Body(BodyError(inner)) => match inner.downcast::<StoreError>() {
            Ok(ours) => *ours,
            Err(inner) => StoreError::Body(BodyError(inner)),
        },
        other => other,
    }
}

pub(crate) fn read_error(error: &blob_store::ReadError) -> StoreError {
    StoreError::Corrupt { what: describe(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_is_damaged_is_not_a_client_that_went_away() {
        let body = |inner: Box<dyn std::error::Error + Send + Sync>| StoreError::Body(BodyError(inner));
        let damaged = StoreError::Corrupt { what: "blob".to_owned() };
        assert!(matches!(of_source(body(Box::new(damaged))), StoreError::Corrupt { .. }));
        assert!(matches!(of_source(body("the connection broke".into())), StoreError::Body(_)));
        assert!(matches!(of_source(StoreError::DiskFull), StoreError::DiskFull));
    }
}
