//! Content: between a request's bytes and the blob store.
//!
//! Owns: splitting bodies into blobs, de-duplication, wraps and rows of blobs, manifests, reading back.
//! Does not own: sealing and segments (blob-store, vault), which version a content belongs to.
//! Invariants: every blob of a request is pinned until its command is answered; rows name durable bytes only.

mod active;
mod directory;
mod hashers;
pub(crate) mod hashing;
mod ingest;
mod md5;
mod read;
mod recent;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use blob_store::{BLOB_BYTES_MAX, BlobStore, Rooms};
use event_log::EventLog;
use schemas::{BucketId, KeyId, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use vault::{CustomerKey, NamedKey, Vault};

pub(crate) use active::{Active, ActiveGuard};
pub(crate) use directory::{BlobDirectory, blob_row};
pub(crate) use ingest::{Ingested, Limits, StagedContent, internal_box, write_error};
pub(crate) use read::of_source;

use self::hashers::Hashers;
use self::ingest::internal;
use self::recent::Recent;
use crate::api::StoreError;
use crate::clock::Clock;

/// Pieces that are hashed or sealed at the same time, for each processor. More than one, since storing waits for the disk, too.
const PLACES_PER_CPU: usize = 4;
/// Pieces that are opened at the same time because somebody waits for them, for each processor. Each takes a thread and what it reads into;
/// a disk has enough to do with so many.
const OPENED_PER_CPU: usize = 8;
/// Pieces of all answers that are opened before somebody waits for them. Clients that do not read keep theirs: beyond these, whoever
/// reads waits for each piece.
const AHEAD_MAX: usize = 32;

/// Memory for pieces on their way out that is kept when none is: somewhat over a piece each.
const OUTGOING_KEPT: usize = 16;
const OUTGOING_BYTES: RangeInclusive<usize> = 256 << 10..=(1 << 20) + (64 << 10);
/// The same for those on their way in, which are a blob's.
const INCOMING_KEPT: usize = 4;
const INCOMING_BYTES: RangeInclusive<usize> = BLOB_BYTES_MAX..=BLOB_BYTES_MAX + (1 << 20);

/// Whose content, and what opens it.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) bucket: BucketId,
    /// Key of the bucket: opens manifests, whatever opens the bytes.
    pub(crate) key: KeyId,
    /// What opens the bytes.
    pub(crate) mode: Mode,
}

/// Which keys an object's bytes are under. Manifests have none of its bytes and are always under the bucket's key: sweep
/// walks them without a customer (decision 0008).
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// Under the bucket's key.
    Managed,
    /// Under a named key of the tenant (SSE-KMS).
    Named(NamedKey),
    /// Under a customer's key (SSE-C).
    Customer(Arc<CustomerKey>),
}

impl Mode {
    /// Whether content under one may be named by an object under the other without writing it anew.
    pub(crate) fn shares_with(&self, other: &Mode) -> bool {
        match (self, other) {
            (Mode::Managed, Mode::Managed) => true,
            (Mode::Named(one), Mode::Named(other)) => one == other,
            // A customer's content is nobody else's, and a customer may come with a new key every time.
            _ => false,
        }
    }

    /// What content may be de-duplicated with; none that which never is.
    fn dedup_scope(&self) -> Option<Cow<'static, [u8]>> {
        match self {
            Mode::Managed => Some(Cow::Borrowed(b"managed")),
            Mode::Named(name) => Some(Cow::Owned([&b"named/"[..], &name.number().to_be_bytes()].concat())),
            Mode::Customer(_) => None,
        }
    }
}

impl Scope {
    fn wrap(&self) -> vault::WrapScope {
        vault::WrapScope { tenant: self.tenant, bucket: self.bucket, key: self.key }
    }

    fn blob(&self) -> vault::BlobScope {
        vault::BlobScope { tenant: self.tenant, bucket: self.bucket }
    }
}

/// Everything that content needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Contents {
    pub(crate) blobs: Arc<BlobStore>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) active: Arc<Active>,
    recent: Arc<Recent>,
    hashers: Arc<Hashers>,
    /// For pieces on their way out, and for those on their way in.
    outgoing: Arc<Rooms>,
    incoming: Arc<Rooms>,
    /// For hashing and sealing at the same time. Where many uploads did at once, each would drive the others' bytes out of the processor's
    /// caches.
    places: Arc<Semaphore>,
    /// For opening what somebody waits for.
    opening: Arc<Semaphore>,
    /// For pieces that are opened ahead, until they are asked for.
    ahead: Arc<Semaphore>,
}

/// One of some places, as soon as there is one.
async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
    Arc::clone(places).acquire_owned().await.map_err(|error| internal(&error))
}

impl Contents {
    pub(crate) fn new(
        blobs: Arc<BlobStore>,
        vault: Arc<Vault>,
        log: Arc<dyn EventLog>,
        clock: Arc<dyn Clock>,
        active: Arc<Active>,
    ) -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            blobs,
            vault,
            log,
            clock,
            active,
            recent: Arc::default(),
            hashers: Arc::default(),
            outgoing: Arc::new(Rooms::new(OUTGOING_KEPT, OUTGOING_BYTES)),
            incoming: Arc::new(Rooms::new(INCOMING_KEPT, INCOMING_BYTES)),
            places: places(cpus * PLACES_PER_CPU),
            opening: places(cpus * OPENED_PER_CPU),
            ahead: places(AHEAD_MAX),
        }
    }
}
