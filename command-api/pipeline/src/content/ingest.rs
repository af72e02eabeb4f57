//! A body on its way in: split into blobs, hashed beside it, de-duplicated, staged; then one manifest if there are several.
//!
//! Owns: the pieces' size, when bytes move to a blocking thread, the rows of staged blobs.
//! Does not own: the command that names the content.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;

use blob_store::{BLOB_BYTES_MAX, BlobStore, Lane, Pin, Place, Staged};
use bytes::Bytes;
use domain::Refusal;
use event_log::{Changes, Rows, Snapshot};
use futures_util::StreamExt;
use parking_lot::Mutex;
use schemas::content::{ChecksumAlgorithm, Content, Manifest, ManifestEntry, Root};
use schemas::{BlobId, SegmentId, TenantId};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use vault::WrapScope;

use super::directory::{MalformedRow, blob_row, under_name};
use super::hashing::{BodyHasher, Hashed};
use super::{ActiveGuard, Contents, Mode, Scope, place};
use crate::api::{ByteStream, Digests, StoreError};
use crate::sequencer::describe;
use crate::tables::{
    BlobRow, Located, PHYSICAL, TRUTH, blob_key, child_key, customer_wrap_key, decode_wrap, encode_named_wrap,
    encode_wrap, hint_key, inline_key, named_wrap_key, wrap_key, wrapped_by, wraps_prefix,
};

/// Up to here a blob shares the segment that is synced once per drain; longer ones are synced by their own request.
const SMALL_BYTES_MAX: usize = 128 << 10;
/// Up to here hashing and sealing stay on the request's own task: the hop to another thread would cost as much.
const INLINE_WORK_BYTES_MAX: usize = 64 << 10;
/// What a listener reads at once, about: room for it behind a whole piece saves copying the piece to where there is.
const READ_BYTES_MAX: usize = 512 << 10;
/// A piece of which so much came gets all of its memory. Before, a client that sends a byte now and then would.
const PIECE_BYTES_BEGUN: usize = 256 << 10;
/// So much of a body is hashed at a time, or more where more came meanwhile: less would cost as much to hand over.
const HASHED_BYTES_MIN: usize = 256 << 10;
/// A shorter chunk is copied.
const CRUMB_BYTES: usize = 1 << 10;
/// When so much waits for the update before, no more is taken from the client.
const HASHED_BYTES_BEHIND: usize = 1 << 20;
/// Shorter content is not de-duplicated: the rows would be longer than the bytes.
const DEDUP_BYTES_MIN: usize = 2 << 10;

/// Bounds of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// As announced; any other length is refused.
    pub(crate) announced_bytes: Option<u64>,
    /// Most bytes.
    pub(crate) bytes_max: u64,
}

/// Content that is in the blob store and in no row yet.
pub(crate) struct StagedContent {
    pub(crate) content: Content,
    /// Rows to write before or with the command that names the content, each list small enough for a unit.
    pub(crate) changes: Vec<Changes>,
    /// Keeps blobs and segments until the command is durable: a command owns its content.
    _held: Held,
}

/// What keeps content that no row refers to yet.
struct Held {
    _pins: Vec<Pin>,
    _active: ActiveGuard,
}

/// A body that has been stored and hashed, and has every digest the client sent.
pub(crate) struct Ingested {
    pub(crate) staged: StagedContent,
    pub(crate) hashed: Hashed,
}

/// One blob of a content in the making.
struct StoredBlob {
    entry: ManifestEntry,
    changes: Changes,
    pin: Pin,
    /// A segment that the request must sync itself.
    segment: Option<SegmentId>,
}

/// The blobs of one content in the making.
struct Assembly {
    scope: Scope,
    entries: Vec<ManifestEntry>,
    changes: RowLists,
    pins: Vec<Pin>,
    segments: BTreeSet<SegmentId>,
    seen: Seen,
}

/// Blobs of one content by hint: their rows are not there to be found yet.
type Seen = Arc<Mutex<HashMap<[u8; 32], ManifestEntry>>>;

/// Row changes in lists that each fit a unit with room for the command's own rows.
#[derive(Default)]
struct RowLists {
    full: Vec<Changes>,
    last: Changes,
}

impl RowLists {
    const ROWS_MAX: usize = 400;

    fn add(&mut self, changes: Changes) {
        if self.last.0.len() + changes.0.len() > Self::ROWS_MAX {
            self.full.push(std::mem::take(&mut self.last));
        }
        self.last.append(changes);
    }

    fn finish(mut self) -> Vec<Changes> {
        self.full.push(self.last);
        self.full
    }
}

impl Contents {
    /// Stores a body. Nothing is visible or even named before the command that follows; an error leaves bytes that sweep
    /// collects.
    pub(crate) async fn ingest(
        &self,
        scope: &Scope,
        body: ByteStream,
        digests: &Digests,
        also: Option<ChecksumAlgorithm>,
        limits: Limits,
    ) -> Result<Ingested, StoreError> {
        let too_large = |size_bytes| Refusal::EntityTooLarge { size_bytes, bound_bytes: limits.bytes_max };
        if let Some(announced) = limits.announced_bytes.filter(|&announced| announced > limits.bytes_max) {
            return Err(too_large(announced).into());
        }
        let active = self.active.begin(&self.blobs);
        let mut assembly = Assembly::new(scope.clone());
        let named = digests.chosen().or(also);
        let hashing = Hashing::new(self.clone(), BodyHasher::new(digests, also));
        let mut pieces = Pieces::new(body, limits.announced_bytes, hashing);
        let mut total = 0;
        let first = pieces.next().await?;
        total += first.len() as u64;
        let hasher = if pieces.ended {
            self.single(&mut assembly, first, pieces.hashing).await?
        } else {
            let mut early = EarlySync::default();
            let mut piece = first;
            while !piece.is_empty() {
                // Before more is taken from the client: with many uploads each would have two pieces in memory for one that is stored.
                let place = place(&self.places).await?;
                let storing = self.store_on_thread(place, &assembly, piece);
                // The next piece arrives, and what came is hashed, while this one is stored.
                let next = async {
                    let next = pieces.next().await?;
                    if next.is_empty() {
                        pieces.hashing.catch_up().await?;
                    }
                    Ok::<_, StoreError>(next)
                };
                let (stored, next) = tokio::join!(storing, next);
                assembly.add(stored?);
                piece = next?;
                total += piece.len() as u64;
                if total > limits.bytes_max {
                    return Err(too_large(total).into());
                }
                if !piece.is_empty() {
                    early.go_on(&self.blobs, &assembly.segments);
                }
            }
            pieces.hashing.finish().await?
        };
        let hashed = hasher.finish(named);
        hashed.check(digests, limits.announced_bytes)?;
        let staged = self.assemble(assembly, false, active).await?;
        Ok(Ingested { staged, hashed })
    }

    /// What a body is that is not kept.
    pub(crate) async fn hashed(&self, mut body: ByteStream, digests: &Digests) -> Result<Hashed, StoreError> {
        let mut hashing = Hashing::new(self.clone(), BodyHasher::new(digests, None));
        while let Some(chunk) = body.next().await {
            hashing.add(&chunk.map_err(StoreError::Body)?);
            hashing.begin(HASHED_BYTES_MIN);
            if hashing.is_behind() {
                hashing.updated().await?;
            }
        }
        Ok(hashing.finish().await?.finish(digests.chosen()))
    }

    /// A body of one blob or none.
    async fn single(&self, assembly: &mut Assembly, piece: Bytes, hashing: Hashing) -> Result<BodyHasher, StoreError> {
        if piece.len() <= INLINE_WORK_BYTES_MAX {
            let hasher = hashing.finish_here();
            if !piece.is_empty() {
                assembly.add(self.store_piece(&assembly.scope, &piece, &assembly.seen)?);
            }
            return Ok(hasher);
        }
        let storing = async { self.store_on_thread(place(&self.places).await?, assembly, piece).await };
        let (stored, hasher) = tokio::join!(storing, hashing.finish());
        assembly.add(stored?);
        hasher
    }

    async fn store_on_thread(
        &self,
        place: OwnedSemaphorePermit,
        assembly: &Assembly,
        piece: Bytes,
    ) -> Result<StoredBlob, StoreError> {
        let (contents, scope, seen) = (self.clone(), assembly.scope.clone(), assembly.seen.clone());
        on_thread(place, move || contents.store_piece(&scope, &piece, &seen)).await?
    }

    /// Begins to update a hasher, on a thread that may block, side by side with those of others that wait for a place there.
    fn hash(&self, hasher: BodyHasher, chunks: Vec<Bytes>) -> oneshot::Receiver<BodyHasher> {
        let hashed = self.hashers.ask(hasher, chunks);
        let contents = self.clone();
        // On its own: whoever goes away must not leave undone what another counts on.
        tokio::spawn(async move {
            let hashers = Arc::clone(&contents.hashers);
            on_thread(place(&contents.places).await?, move || hashers.work()).await
        });
        hashed
    }

    /// Ends a content: a manifest over several blobs, their reference rows, their own segments synced.
    async fn assemble(
        &self,
        mut assembly: Assembly,
        parts: bool,
        active: ActiveGuard,
    ) -> Result<StagedContent, StoreError> {
        let size_bytes = assembly.entries.iter().map(|entry| entry.size_bytes).sum();
        let root = match assembly.entries.as_slice() {
            [] => Root::Empty,
            [only] if !parts => Root::Blob(only.blob),
            entries => {
                let manifest = Manifest { parts, entries: entries.to_vec() };
                let named = entries.iter().map(|entry| entry.blob).filter(|blob| *blob != BlobId::default());
                let children: BTreeSet<BlobId> = named.collect();
                let stored = self.store_blob(&assembly.scope, &manifest.encode(), true, None)?;
                let root = stored.entry.blob;
                assembly.segments.extend(stored.segment);
                assembly.changes.add(stored.changes);
                assembly.pins.push(stored.pin);
                for child in children {
                    let mut changes = Changes::default();
                    changes.put(PHYSICAL, child_key(assembly.scope.tenant, child, root), Vec::new());
                    assembly.changes.add(changes);
                }
                Root::Manifest(root)
            }
        };
        if !assembly.segments.is_empty() {
            let (blobs, segments) = (self.blobs.clone(), Vec::from_iter(assembly.segments));
            let synced = tokio::task::spawn_blocking(move || blobs.sync(&segments)).await;
            synced.map_err(|error| internal(&error))?.map_err(write_error)?;
        }
        Ok(StagedContent {
            content: Content { size_bytes, root },
            changes: assembly.changes.finish(),
            _held: Held { _pins: assembly.pins, _active: active },
        })
    }

    /// A manifest over the parts of an upload. Their blobs are referenced by the parts until the upload is forgotten.
    pub(crate) async fn join_parts(&self, scope: &Scope, parts: &[Content]) -> Result<StagedContent, StoreError> {
        let active = self.active.begin(&self.blobs);
        let mut assembly = Assembly::new(scope.clone());
        for part in parts {
            let (blob, is_manifest) = match part.root {
                // A part without bytes keeps its number: an entry that names no blob.
                Root::Empty => (BlobId::default(), false),
                Root::Blob(blob) => (blob, false),
                Root::Manifest(blob) => (blob, true),
            };
            assembly.entries.push(ManifestEntry { is_manifest, blob, size_bytes: part.size_bytes });
        }
        self.assemble(assembly, true, active).await
    }

    /// Content of one bucket for another of its tenant, whose modes share: the wraps that the other lacks. Nothing is copied.
    pub(crate) async fn share(
        &self,
        snapshot: Arc<dyn Snapshot>,
        from: &Scope,
        to: &Scope,
        content: Content,
    ) -> Result<StagedContent, StoreError> {
        assert!(from.mode.shares_with(&to.mode), "the caller checked the modes");
        let (contents, from, to) = (self.clone(), from.clone(), to.clone());
        let shared = tokio::task::spawn_blocking(move || contents.share_blocking(snapshot, &from, &to, content));
        shared.await.map_err(|error| internal(&error))?
    }

    /// The same on a thread that may block.
    pub(crate) fn share_blocking(
        &self,
        snapshot: Arc<dyn Snapshot>,
        from: &Scope,
        to: &Scope,
        content: Content,
    ) -> Result<StagedContent, StoreError> {
        let active = self.active.begin(&self.blobs);
        let gone = |blob: BlobId| StoreError::Corrupt { what: format!("content of blob {blob} is gone") };
        let mut pins = Vec::new();
        let mut lists = RowLists::default();
        if let Some(root) = content.root.blob() {
            pins.push(self.pin_root(from.tenant, root)?);
            if from.key != to.key {
                let rows: &dyn Rows = snapshot.as_ref();
                for blob in self.tree(snapshot.clone(), from, &content)? {
                    let manifest =
                        blob_row(rows, to.tenant, blob).map_err(internal_box)?.is_some_and(|row| row.manifest);
                    let changes =
                        self.wrap_for(rows, to, blob, manifest).map_err(internal_box)?.ok_or_else(|| gone(blob))?;
                    lists.add(changes);
                }
            }
        }
        let _held = Held { _pins: pins, _active: active };
        Ok(StagedContent { content, changes: lists.finish(), _held })
    }

    /// Pins the root of a content: while it is pinned nothing under it is freed.
    pub(crate) fn pin_root(&self, tenant: TenantId, root: BlobId) -> Result<Pin, StoreError> {
        let gone = || StoreError::Corrupt { what: format!("content of blob {root} is gone") };
        let pin = self.blobs.pins().pin(tenant, root).ok_or_else(gone)?;
        // Look now that it is pinned: it may have been freed since the request's snapshot was taken.
        let row = blob_row(self.log.snapshot().as_ref(), tenant, root).map_err(internal_box)?;
        row.map(|_| pin).ok_or_else(gone)
    }

    /// Stores one piece of a body, or finds a blob of the same bytes. Blocking.
    fn store_piece(&self, scope: &Scope, plaintext: &[u8], seen: &Seen) -> Result<StoredBlob, StoreError> {
        let dedup_scope = scope.mode.dedup_scope().filter(|_| plaintext.len() >= DEDUP_BYTES_MIN);
        let Some(dedup_scope) = dedup_scope else {
            return self.store_blob(scope, plaintext, false, None);
        };
        let digest = blake3::hash(plaintext);
        let hint = self.vault.dedup_hint(scope.tenant, &dedup_scope, digest.as_bytes());
        let hint = hint.map_err(|error| internal(&error))?;
        let known = seen.lock().get(&hint).copied();
        if let Some(entry) = known
            && let Some(pin) = self.blobs.pins().pin(scope.tenant, entry.blob)
        {
            return Ok(StoredBlob { entry, changes: Changes::default(), pin, segment: None });
        }
        if let Some(found) = self.find_copy(scope, &hint, plaintext.len()).map_err(internal_box)? {
            return Ok(found);
        }
        let stored = self.store_blob(scope, plaintext, false, Some(hint))?;
        seen.lock().insert(hint, stored.entry);
        Ok(stored)
    }

    /// Stores one blob. Blocking.
    fn store_blob(
        &self,
        scope: &Scope,
        plaintext: &[u8],
        manifest: bool,
        hint: Option<[u8; 32]>,
    ) -> Result<StoredBlob, StoreError> {
        let small = plaintext.len() <= SMALL_BYTES_MAX;
        let lane = if small { Lane::Small } else { Lane::Large };
        let staged = self.blobs.write(scope.tenant, plaintext, lane).map_err(write_error)?;
        let pin = self
            .blobs
            .pins()
            .pin(scope.tenant, staged.blob)
            .ok_or_else(|| StoreError::Internal { what: "a new blob is being freed".to_owned() })?;
        let segment = match staged.place {
            Place::Segment { segment, .. } if !small => Some(segment),
            _ => None,
        };
        let entry = ManifestEntry { is_manifest: false, blob: staged.blob, size_bytes: plaintext.len() as u64 };
        let changes = self.rows_of(scope, staged, manifest, hint)?;
        Ok(StoredBlob { entry, changes, pin, segment })
    }

    /// The rows of a new blob.
    fn rows_of(
        &self,
        scope: &Scope,
        staged: Staged,
        manifest: bool,
        hint: Option<[u8; 32]>,
    ) -> Result<Changes, StoreError> {
        let Staged { blob, key, size_bytes, place, .. } = staged;
        let mut changes = Changes::default();
        let (located, stored_bytes) = match place {
            Place::Inline(bytes) => {
                changes.put(TRUTH, inline_key(scope.tenant, blob), bytes.to_vec());
                (Located::Inline, u32::try_from(bytes.len()).expect("inline content is short"))
            }
            Place::Segment { segment, offset, length } => (Located::Segment { segment, offset, length }, length),
        };
        // Inline content is never found by a hint: its hint row would be most of its size.
        let hint = hint.filter(|_| located != Located::Inline);
        let row = BlobRow { located, size_bytes, stored_bytes, staged: self.clock.wall(), manifest, hint };
        changes.put(PHYSICAL, blob_key(scope.tenant, blob), row.encode());
        if let Some(hint) = hint {
            changes.put(PHYSICAL, hint_key(scope.tenant, &hint), blob.0.to_vec());
        }
        match &scope.mode {
            Mode::Named(name) if !manifest => {
                let wrapped = self.vault.wrap_under_name(scope.tenant, *name, blob, &key);
                let (id, wrapped) = wrapped.map_err(|error| internal(&error))?;
                changes.put(TRUTH, named_wrap_key(scope.tenant, blob, id), encode_named_wrap(*name, &wrapped));
            }
            Mode::Customer(customer) if !manifest => {
                let wrapped = customer.wrap_blob_key(scope.blob(), blob, &key);
                changes.put(TRUTH, customer_wrap_key(scope.tenant, blob), encode_wrap(scope.bucket, &wrapped));
            }
            Mode::Managed | Mode::Named(_) | Mode::Customer(_) => {
                let wrapped = self.vault.wrap_blob_key(scope.wrap(), blob, &key).map_err(|error| internal(&error))?;
                changes.put(TRUTH, wrap_key(scope.tenant, blob, scope.key), encode_wrap(scope.bucket, &wrapped));
            }
        }
        Ok(changes)
    }

    /// A stored blob of the same bytes, pinned, and the wrap that this bucket lacks.
    fn find_copy(
        &self,
        scope: &Scope,
        hint: &[u8; 32],
        size: usize,
    ) -> Result<Option<StoredBlob>, Box<dyn Error + Send + Sync>> {
        let tenant = scope.tenant;
        let Some(blob) = self.log.snapshot().get(PHYSICAL, &hint_key(tenant, hint))? else { return Ok(None) };
        let blob = BlobId(blob.as_slice().try_into()?);
        let Some(pin) = self.blobs.pins().pin(tenant, blob) else { return Ok(None) };
        // Look again now that it is pinned: it may have been freed in between.
        let snapshot = self.log.snapshot();
        let rows: &dyn Rows = snapshot.as_ref();
        let Some(row) = blob_row(rows, tenant, blob)? else { return Ok(None) };
        if row.size_bytes as usize != size {
            return Ok(None);
        }
        // Bytes that were lost are no copy: these are stored anew.
        let place = super::directory::place(rows, tenant, blob, &row)?;
        if !place.is_some_and(|place| self.blobs.stands(tenant, blob, &place)) {
            return Ok(None);
        }
        let Some(changes) = self.wrap_for(rows, scope, blob, false)? else { return Ok(None) };
        let entry = ManifestEntry { is_manifest: false, blob, size_bytes: size as u64 };
        Ok(Some(StoredBlob { entry, changes, pin, segment: None }))
    }

    /// The wrap row that lets a bucket open a blob of its tenant: nothing to add when it has one, or when the blob is under a
    /// named key; none when no live key of the tenant opens the blob.
    fn wrap_for(
        &self,
        rows: &dyn Rows,
        scope: &Scope,
        blob: BlobId,
        manifest: bool,
    ) -> Result<Option<Changes>, Box<dyn Error + Send + Sync>> {
        if let Mode::Named(name) = &scope.mode
            && !manifest
        {
            let opens = matches!(under_name(rows, &self.vault, scope.tenant, *name, blob), Ok(Some(_)));
            return Ok(opens.then(Changes::default));
        }
        let own = wrap_key(scope.tenant, blob, scope.key);
        if rows.get(TRUTH, &own)?.is_some() {
            return Ok(Some(Changes::default()));
        }
        for row in event_log::prefix(rows, TRUTH, &wraps_prefix(scope.tenant, blob)) {
            let (key, value) = row?;
            let (bucket, wrapped) = decode_wrap(&value).ok_or(MalformedRow(blob))?;
            let from = WrapScope { tenant: scope.tenant, bucket, key: wrapped_by(&key).ok_or(MalformedRow(blob))? };
            // A wrap under a destroyed key is no way in; another one may be.
            let Ok(blob_key) = self.vault.unwrap_blob_key(from, blob, wrapped) else { continue };
            let wrapped = self.vault.wrap_blob_key(scope.wrap(), blob, &blob_key)?;
            let mut changes = Changes::default();
            changes.put(TRUTH, own, encode_wrap(scope.bucket, &wrapped));
            return Ok(Some(changes));
        }
        Ok(None)
    }
}

/// Hashes or seals on a thread that may block.
async fn on_thread<T: Send + 'static>(
    place: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let working = tokio::task::spawn_blocking(move || {
        // Held until it is done, also when nobody waits for it any more.
        let _place = place;
        work()
    });
    working.await.map_err(|error| internal(&error))
}

impl Assembly {
    fn new(scope: Scope) -> Self {
        Self {
            scope,
            entries: Vec::new(),
            changes: RowLists::default(),
            pins: Vec::new(),
            segments: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    fn add(&mut self, blob: StoredBlob) {
        self.entries.push(blob.entry);
        self.segments.extend(blob.segment);
        self.pins.push(blob.pin);
        self.changes.add(blob.changes);
    }
}

/// Makes durable what is stored of a long body while the rest comes: the disk would have nothing to do until its end, and then
/// everything. One sync at a time; the last, which is waited for, finds little left, and any failure.
#[derive(Default)]
struct EarlySync(Option<JoinHandle<()>>);

impl EarlySync {
    fn go_on(&mut self, blobs: &Arc<BlobStore>, segments: &BTreeSet<SegmentId>) {
        if self.0.as_ref().is_some_and(|running| !running.is_finished()) || segments.is_empty() {
            return;
        }
        let (blobs, segments) = (Arc::clone(blobs), Vec::from_iter(segments.iter().copied()));
        self.0 = Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = blobs.sync(&segments) {
                tracing::debug!(error = %describe(&error), "content was not made durable early");
            }
        }));
    }
}

/// A body's digests in the making, beside everything else: MD5 alone takes over half of a PUT's time. Bytes are hashed as they come, some at
/// a time: an upload that kept a thread while its client is waited for would take it from others.
struct Hashing {
    contents: Contents,
    /// None while an update is under way.
    hasher: Option<BodyHasher>,
    under_way: Option<oneshot::Receiver<BodyHasher>>,
    /// Bytes that came and are in no update yet.
    waiting: Vec<Bytes>,
    /// Those behind them that came in crumbs: each by itself would keep what it was read into.
    crumbs: Vec<u8>,
    waiting_bytes: usize,
}

impl Hashing {
    fn new(contents: Contents, hasher: BodyHasher) -> Self {
        let hasher = Some(hasher);
        Self { contents, hasher, under_way: None, waiting: Vec::new(), crumbs: Vec::new(), waiting_bytes: 0 }
    }

    fn add(&mut self, chunk: &Bytes) {
        self.waiting_bytes += chunk.len();
        if chunk.len() < CRUMB_BYTES {
            self.crumbs.extend_from_slice(chunk);
        } else {
            self.sweep_crumbs();
            self.waiting.push(chunk.clone());
        }
    }

    fn sweep_crumbs(&mut self) {
        if !self.crumbs.is_empty() {
            self.waiting.push(std::mem::take(&mut self.crumbs).into());
        }
    }

    /// Begins an update if none is under way and so many bytes wait.
    fn begin(&mut self, least: usize) {
        if self.waiting_bytes >= least.max(1)
            && let Some(hasher) = self.hasher.take()
        {
            self.waiting_bytes = 0;
            self.sweep_crumbs();
            self.under_way = Some(self.contents.hash(hasher, std::mem::take(&mut self.waiting)));
        }
    }

    /// Whether more should not come before an update has ended.
    fn is_behind(&self) -> bool {
        self.under_way.is_some() && self.waiting_bytes >= HASHED_BYTES_BEHIND
    }

    /// Waits for the end of an update: for ever where none is under way. May be cancelled.
    async fn updated(&mut self) -> Result<(), StoreError> {
        let Some(hashed) = &mut self.under_way else { return std::future::pending().await };
        self.hasher = Some(hashed.await.map_err(|error| internal(&error))?);
        self.under_way = None;
        Ok(())
    }

    /// Hashes all that came.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        loop {
            self.begin(1);
            if self.under_way.is_none() {
                return Ok(());
            }
            self.updated().await?;
        }
    }

    async fn finish(mut self) -> Result<BodyHasher, StoreError> {
        self.catch_up().await?;
        Ok(self.finish_here())
    }

    /// The same without another thread, where no update is under way: of a body so short that none was begun.
    fn finish_here(self) -> BodyHasher {
        let mut hasher = self.hasher.expect("no update is under way");
        self.waiting.iter().for_each(|chunk| hasher.update(chunk));
        hasher.update(&self.crumbs);
        hasher
    }
}

/// A body in pieces of a blob's size; the last one may be shorter, and empty when the body ends on a bound.
struct Pieces {
    body: ByteStream,
    /// A whole small body that came in one chunk: it is not copied.
    whole: Bytes,
    buffer: Vec<u8>,
    hashing: Hashing,
    /// The body has no more bytes; the buffer may.
    drained: bool,
    /// Nothing follows the piece handed out last.
    ended: bool,
    expected: usize,
}

impl Pieces {
    fn new(body: ByteStream, announced: Option<u64>, hashing: Hashing) -> Self {
        let expected = announced.map_or(INLINE_WORK_BYTES_MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let expected = if expected > BLOB_BYTES_MAX { BLOB_BYTES_MAX + READ_BYTES_MAX } else { expected };
        Self { body, whole: Bytes::new(), buffer: Vec::new(), hashing, drained: false, ended: false, expected }
    }

    /// The next piece; empty at the end.
    async fn next(&mut self) -> Result<Bytes, StoreError> {
        while !self.drained && self.buffer.len() <= BLOB_BYTES_MAX {
            self.hashing.begin(HASHED_BYTES_MIN);
            if self.hashing.is_behind() {
                self.hashing.updated().await?;
                continue;
            }
            let came = tokio::select! {
                biased;
                came = self.body.next() => came,
                updated = self.hashing.updated() => {
                    updated?;
                    continue;
                }
            };
            if let Some(Ok(chunk)) = &came {
                self.hashing.add(chunk);
            }
            match came {
                Some(Ok(chunk)) if self.is_empty() && chunk.len() >= self.expected => self.whole = chunk,
                Some(Ok(chunk)) => {
                    let whole = std::mem::take(&mut self.whole);
                    self.append(&whole);
                    self.append(&chunk);
                }
                Some(Err(error)) => return Err(StoreError::Body(error)),
                None => self.drained = true,
            }
        }
        let whole = std::mem::take(&mut self.whole);
        let piece = if whole.is_empty() || whole.len() > BLOB_BYTES_MAX {
            self.append(&whole);
            self.piece()
        } else {
            whole
        };
        self.ended = self.drained && self.is_empty();
        Ok(piece)
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.buffer.is_empty()
    }

    fn append(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        let bytes = self.buffer.len() + chunk.len();
        if bytes <= PIECE_BYTES_BEGUN {
            self.buffer
                .reserve(self.expected.min(PIECE_BYTES_BEGUN).saturating_sub(self.buffer.len()).max(chunk.len()));
        } else if self.buffer.capacity() < bytes {
            // Of how many bytes it will be is not known of a body that announced fewer, or nothing.
            let expected = if bytes <= self.expected { self.expected } else { BLOB_BYTES_MAX + READ_BYTES_MAX };
            let mut room = self.hashing.contents.incoming.take();
            room.clear();
            room.reserve(expected.max(bytes));
            room.extend_from_slice(&self.buffer);
            self.buffer = room;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// What is in the buffer, up to a piece.
    fn piece(&mut self) -> Bytes {
        // What came beyond it is copied: it would keep the piece's memory for as long as its client pauses.
        let rest = self.buffer.get(BLOB_BYTES_MAX..).unwrap_or_default().to_vec();
        self.buffer.truncate(BLOB_BYTES_MAX);
        let piece = std::mem::replace(&mut self.buffer, rest);
        if piece.len() > PIECE_BYTES_BEGUN { self.hashing.contents.incoming.lend(piece) } else { piece.into() }
    }
}

pub(crate) fn internal(error: &(dyn Error + 'static)) -> StoreError {
    StoreError::Internal { what: describe(error) }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(crate) fn internal_box(error: Box<dyn Error + Send + Sync>) -> StoreError {
    StoreError::Internal { what: describe(error.as_ref()) }
}

pub(crate) fn write_error(error: blob_store::WriteError) -> StoreError {
    match error {
        blob_store::WriteError::DiskFull => StoreError::DiskFull,
        other => internal(&other),
    }
}
