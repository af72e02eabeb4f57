//! Exports for auditors: what an administrator may take out of a log, with the proofs that it is all and unchanged.
//!
//! Owns: who may, which window, the seal that proves where a bucket ends, handing the archive on piece by piece.
//! Does not own: what goes into it (`export`).

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use domain::Refusal;
use event_log::{Changes, Seal};
use futures_util::stream;
use ledger::export::Scope;
use schemas::event::AdminRole;
use schemas::{BucketId, BucketName, Position, TenantId, TenantName};
use tokio::sync::mpsc;

use super::{Inner, Request, Store, internal, log_error};
use crate::api::{AdminCaller, BodyError, ByteStream, Point, StoreError};
use crate::export::{self, Names, Signed, Source};
use crate::proofs::signing_key;
use crate::sequencer::{Decide, Planned, Unit, describe};

/// Bytes of a piece of the archive, and pieces that wait for whoever reads them.
const PIECE_BYTES: usize = 256 << 10;
const PIECES_MAX: usize = 4;

/// What is to be exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AskedExport {
    /// One bucket; none for the whole log.
    pub bucket: Option<BucketName>,
    /// First position; the first of all if nothing is said.
    pub from: Option<Point>,
    /// Position behind the last; behind the last of all if nothing is said.
    pub to: Option<Point>,
}

/// What was asked for, found.
struct Found {
    bucket: Option<BucketId>,
    from: Position,
    to: Option<Position>,
    /// Behind what can be proved to be all.
    end: Position,
    /// Records that the checkpoint must cover.
    size: u64,
}

impl Store {
    /// Exports records of a tenant's log: an archive as `holdfast audit verify` takes it. It discloses what they say to whoever has the
    /// archive, for ever, so that an owner alone may ask. A stream that ends with an error, or before its archive does, counts as cut off.
    ///
    /// The export of a bucket seals the log first, under the name of whoever asks: without a seal nothing would prove that the bucket's
    /// last record is that.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not, there is no such tenant or bucket, a point that has not come, a window that is none.
    pub async fn export(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        asked: AskedExport,
    ) -> Result<ByteStream, StoreError> {
        let (id, _) = self.inner.admin_tenant(admin, AdminRole::Owner, tenant)?;
        let (store, admin, name) = (self.clone(), admin.clone(), asked.bucket.clone());
        let find = move || store.inner.to_export(&admin, id, &asked);
        let found = tokio::task::spawn_blocking(find).await.map_err(|error| internal(&error))??;
        let checkpoint = self.inner.checkpoint_to_export(id, found.size).await?;
        let end = found.end.min(Position(checkpoint.size));
        let to = found.to.map_or(end, |to| to.min(end));
        if found.from > to {
            return Err(Refusal::InvalidArgument { name: "from", reason: "expected a point not behind `to`" }.into());
        }
        let scope = Scope { tenant: id, bucket: found.bucket, from: found.from, to };
        let (sender, receiver) = mpsc::channel(PIECES_MAX);
        let (store, tenant) = (self.clone(), tenant.clone());
        tokio::task::spawn_blocking(move || {
            let source = Source { log: store.inner.log.as_ref(), vault: &store.inner.contents.vault };
            let names = Names { tenant: tenant.as_str(), bucket: name.as_ref().map(BucketName::as_str) };
            let out = io::BufWriter::with_capacity(PIECE_BYTES, Pieces(sender.clone()));
            if let Err(error) = export::write(&source, scope, &names, &checkpoint, out) {
                tracing::warn!(tenant = %id, error = %describe(&error), "an export was broken off");
                // Nobody may be there to hear it.
                let _ = sender.blocking_send(Err(BodyError(Box::new(error))));
            }
        });
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            let piece = receiver.recv().await?;
            Some((piece, receiver))
        });
        Ok(Box::pin(pieces))
    }
}

/// Where the archive's bytes go: to whoever reads the stream, at their pace.
struct Pieces(mpsc::Sender<Result<Bytes, BodyError>>);

impl Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(piece)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Inner {
    /// Finds what is meant, and seals. Blocks.
    fn to_export(&self, admin: &AdminCaller, tenant: TenantId, asked: &AskedExport) -> Result<Found, StoreError> {
        let snapshot = self.log.snapshot();
        let point = |point: Option<Point>| point.map(|point| self.position_of(snapshot.as_ref(), tenant, point));
        let (from, to) = (point(asked.from.clone()).transpose()?, point(asked.to.clone()).transpose()?);
        let from = from.unwrap_or(Position(0));
        let Some(name) = &asked.bucket else {
            let empty = Refusal::InvalidArgument { name: "tenant", reason: "nothing has happened in its log yet" };
            let head = snapshot.log_head(tenant).map_err(log_error)?.ok_or(empty)?;
            return Ok(Found { bucket: None, from, to, end: Position(u64::MAX), size: head.next.0 });
        };
        let bucket = self.bucket(snapshot.as_ref(), tenant, name)?.id;
        drop(snapshot);
        let sealed = self.seal_bucket(admin, tenant, bucket)?;
        Ok(Found { bucket: Some(bucket), from, to, end: sealed.upto.next(), size: sealed.next.0 })
    }

    /// Seals a tenant's log for one bucket, under the name of whoever asks.
    fn seal_bucket(&self, admin: &AdminCaller, tenant: TenantId, bucket: BucketId) -> Result<Sealed, StoreError> {
        let snapshot = self.log.snapshot();
        let head = snapshot.log_head(tenant).map_err(log_error)?.ok_or(Refusal::NoSuchBucket)?;
        let heads = snapshot.bucket_heads(tenant).map_err(log_error)?;
        drop(snapshot);
        let upto = Position(head.next.0.saturating_sub(1));
        let seal = Seal { upto, before: None, heads: &heads, projections: Vec::new(), clock: head.time };
        let record = seal.of_bucket(bucket).ok_or(Refusal::NoSuchBucket)?;
        let key = self.tenant_key(tenant)?;
        let decide: Decide = Box::new(move |_, _| {
            let seal = Planned { bucket: BucketId::NONE, key, object: None, event: record.clone().into() };
            Ok(Unit { events: vec![seal], changes: Changes::default() })
        });
        let recorded = self.run_blocking(Request::admin(admin, tenant), decide)?;
        Ok(Sealed { upto, next: recorded.last().map_or(head.next, |last| last.header.position.next()) })
    }

    /// A published checkpoint of at least so many records, and what verifies it.
    async fn checkpoint_to_export(self: &Arc<Self>, tenant: TenantId, size: u64) -> Result<Signed, StoreError> {
        let published = self.checkpoint_of(tenant, size).await?;
        let inner = self.clone();
        let key =
            tokio::task::spawn_blocking(move || signing_key(&inner, tenant).map(|signer| signer.key().to_string()));
        let key = key.await.map_err(|error| internal(&error))??;
        Ok(Signed { size: published.checkpoint.size, note: published.note.clone(), key })
    }
}

/// What a seal says, and where the log goes on behind it.
struct Sealed {
    upto: Position,
    next: Position,
}
