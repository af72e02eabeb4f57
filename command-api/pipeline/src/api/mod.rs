//! What doors say to the store and hear from it. Parsed, typed, without HTTP.

mod account;
mod bucket;
mod caller;
mod history;
mod listing;
mod object;
mod upload;
mod webhook;

use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use domain::Refusal;
pub use domain::acl::{Asked as AskedAcl, AskedGrant, AskedGrantee, CannedAcl};
pub use domain::bucket_policy::{Said, Signature, SignaturePlace, SignatureVersion};
pub use domain::bucket_setting::{BucketPolicy, Configuration};
pub use domain::lock::Asked as LockAsked;
pub use domain::point::Point;
pub use domain::read::{Conditions as ReadConditions, RangeSpec};
pub use domain::webhook::Update as UpdateWebhook;
pub use domain::{Conditions as WriteConditions, ETagCondition};
use futures_util::Stream;
use schemas::content::ChecksumAlgorithm;

pub use account::*;
pub use bucket::*;
pub use caller::*;
pub use history::*;
pub use listing::*;
pub use object::*;
pub use upload::*;
pub use webhook::*;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A decision said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The tenant's queue is full. Asking again after `retry_after_ms` is safe.
    #[error("the writer's queue is full")]
    Busy {
        /// When to ask again.
        retry_after_ms: u64,
    },
    /// The body ended with an error of the door's own making; the door knows which.
    #[error("the body could not be read")]
    Body(#[source] BodyError),
    /// Less free disk than the reserve. Deletes go on.
    #[error("the disk is full")]
    DiskFull,
    /// The store is stopping or its writer has stopped.
    #[error("the store is not available")]
    Unavailable,
    /// Bytes on disk are not what was written. Nothing wrong is ever returned.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// What and where, for the operator's log; shown to no client.
        what: String,
    },
    /// Anything else that no client can mend.
    #[error("internal error: {what}")]
    Internal {
        /// For the operator's log; shown to no client.
        what: String,
    },
}

/// An error that a door's body stream ended with. The door gets it back and downcasts it.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// Bytes on their way in or out.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// Digests the client sent; each is compared before anything is committed.
#[derive(Debug, Clone, Default)]
pub struct Digests {
    /// Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// The signed SHA-256 of the payload.
    pub sha256: Option<[u8; 32]>,
    /// Checksums that the client chose, each once; the first is the one that is shown where only one is.
    pub checksums: Vec<(ChecksumAlgorithm, ExpectedDigest)>,
}

impl Digests {
    /// The checksum that the client chose first.
    #[must_use]
    pub fn chosen(&self) -> Option<ChecksumAlgorithm> {
        self.checksums.first().map(|(algorithm, _)| *algorithm)
    }
}

/// Where the value of a checksum is to be had.
#[derive(Debug, Clone)]
pub enum ExpectedDigest {
    /// In a header: big-endian digest.
    Known(Vec<u8>),
    /// In a trailer: set by the door's body stream before it ends. Unset at the end is a refusal.
    Trailer(Arc<OnceLock<Vec<u8>>>),
    /// The client named an algorithm only: compute and keep it.
    Compute,
}

/// An answer of a door, as it is kept for a repetition of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers that a repetition gets too.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// State of a component for `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// `database`, `storage`.
    pub name: &'static str,
    /// Whether it can take a write now.
    pub ok: bool,
}
