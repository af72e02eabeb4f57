//! Proofs: the tree over every log, its signed checkpoints, and what can be shown with them.
//!
//! Owns: following the logs into trees (`tree`), which of them are signed and when (`checkpoints`), waiting for one that covers a
//! position, the proofs made from nodes.
//! Does not own: hashes, proofs and notes themselves (ledger), the secret (vault), who may ask (store), the thread (standing).
//! Invariant: what is given to anybody was verified here first, as its receiver will verify it.

mod checkpoints;
mod receipt;
mod tree;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use event_log::{Table, Views};
use ledger::{Checkpoint, MakeError};
use parking_lot::{Condvar, Mutex};
use schemas::{Epoch, LeafHash, Position, TenantId};
use tokio::sync::watch;
use zeroize::Zeroizing;

pub(crate) use checkpoints::{Turn, publish, signing_key};
pub(crate) use tree::{Stand, TREE};

use crate::api::StoreError;
use crate::store::{Inner, internal, log_error};

/// Tables of this view.
pub(crate) const TABLES: &[Table] = &[TREE];

/// How long somebody waits for a checkpoint.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(10);
/// When somebody may ask again for whom there was none in that time.
const RETRY_AFTER_MS: u64 = 1_000;

/// A checkpoint that may be known to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Origin, size and root.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
    /// Incarnation of the log.
    pub(crate) epoch: Epoch,
}

/// What the trees are kept by, and who waits for what.
pub(crate) struct Proofs {
    pub(crate) views: Arc<Views>,
    tenants: Mutex<HashMap<TenantId, watch::Sender<Latest>>>,
    wanted: Mutex<Wanted>,
    bell: Condvar,
    /// Trees that are being built anew because they did not fit what was signed.
    rebuilding: Mutex<HashSet<TenantId>>,
    /// The secret, once it has been read, and its public key compared.
    secret: Mutex<Option<Zeroizing<[u8; 32]>>>,
}

/// What was published last, and how often that failed.
#[derive(Debug, Clone, Default)]
struct Latest {
    published: Option<Arc<SignedCheckpoint>>,
    failures: u64,
}

#[derive(Default)]
struct Wanted {
    /// Tenants whose log is to be signed as it is now.
    tenants: Vec<TenantId>,
    /// Trees that were found not to fit their log.
    damaged: Vec<TenantId>,
    ending: bool,
}

impl Proofs {
    pub(crate) fn new(views: Arc<Views>) -> Self {
        Self {
            views,
            tenants: Mutex::default(),
            wanted: Mutex::default(),
            bell: Condvar::new(),
            rebuilding: Mutex::default(),
            secret: Mutex::default(),
        }
    }

    /// None once nobody is told anything any more.
    fn latest(&self, tenant: TenantId) -> Option<watch::Receiver<Latest>> {
        let mut tenants = self.tenants.lock();
        if self.wanted.lock().ending {
            return None;
        }
        Some(tenants.entry(tenant).or_insert_with(|| watch::Sender::new(Latest::default())).subscribe())
    }

    /// What was published last since the start.
    pub(crate) fn published(&self, tenant: TenantId) -> Option<Arc<SignedCheckpoint>> {
        self.tenants.lock().get(&tenant)?.borrow().published.clone()
    }

    /// Tells whoever waits how a turn ended.
    pub(crate) fn tell(&self, tenant: TenantId, ended: Result<Arc<SignedCheckpoint>, ()>) {
        let mut tenants = self.tenants.lock();
        let sender = tenants.entry(tenant).or_insert_with(|| watch::Sender::new(Latest::default()));
        sender.send_modify(|latest| match ended {
            Ok(published) => latest.published = Some(published),
            Err(()) => latest.failures += 1,
        });
    }

    /// Asks for a checkpoint of a log as it is now.
    fn want(&self, tenant: TenantId) {
        let mut wanted = self.wanted.lock();
        if !wanted.tenants.contains(&tenant) {
            wanted.tenants.push(tenant);
        }
        drop(wanted);
        self.bell.notify_all();
    }

    /// Asks for a tree to be built anew.
    fn distrust(&self, tenant: TenantId) {
        self.wanted.lock().damaged.push(tenant);
        self.bell.notify_all();
    }

    /// Records that are in a tree, as far as it can be read.
    pub(crate) fn followed(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let stand = tree::stand(&self.views.snapshot(), tenant).map_err(|error| internal(&error))?;
        Ok(stand.size)
    }

    /// Begins a tree anew.
    pub(crate) fn forget(&self, tenant: TenantId) -> Result<(), StoreError> {
        tree::forget(&self.views, tenant)
    }

    /// Whether a tree that does not fit what was signed may be built anew: not when it just was, for then the log itself does not.
    fn may_rebuild(&self, tenant: TenantId) -> bool {
        self.rebuilding.lock().insert(tenant)
    }

    /// A tree fits what was signed.
    fn found_fitting(&self, tenant: TenantId) {
        self.rebuilding.lock().remove(&tenant);
    }

    /// Waits until somebody wants something, or for so long. Then: tenants whose log is to be signed, trees to be built anew, and whether
    /// it is time to end.
    pub(crate) fn next(&self, time: Duration) -> (Vec<TenantId>, Vec<TenantId>, bool) {
        let mut wanted = self.wanted.lock();
        if !wanted.ending && wanted.tenants.is_empty() && wanted.damaged.is_empty() {
            self.bell.wait_for(&mut wanted, time);
        }
        (std::mem::take(&mut wanted.tenants), std::mem::take(&mut wanted.damaged), wanted.ending)
    }

    /// Nobody is told anything any more.
    pub(crate) fn stop(&self) {
        self.wanted.lock().ending = true;
        self.bell.notify_all();
        // Whoever waits hears it by the sender's end.
        self.tenants.lock().clear();
    }
}

/// A record's proof.
#[derive(Debug, Clone)]
pub struct Inclusion {
    /// Which record.
    pub position: Position,
    /// Its leaf hash.
    pub leaf: LeafHash,
    /// Records of the tree it is proved to be in.
    pub size: u64,
    /// Root of that tree.
    pub root: LeafHash,
    /// Hashes from the leaf to the root.
    pub proof: Vec<LeafHash>,
    /// A checkpoint that covers the tree; of the same size unless another was asked for.
    pub checkpoint: Arc<SignedCheckpoint>,
}

/// The proof that a log only grew.
#[derive(Debug, Clone)]
pub struct Growth {
    /// Records of the smaller tree, and its root.
    pub from: (u64, LeafHash),
    /// The same of the larger one.
    pub to: (u64, LeafHash),
    /// The hashes.
    pub proof: Vec<LeafHash>,
    /// A checkpoint that covers both.
    pub checkpoint: Arc<SignedCheckpoint>,
}

impl Inner {
    /// A checkpoint of at least the first `size` records of a log. It comes when the last one is a second old.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there was none in ten seconds; [`StoreError::Internal`] when none can be made: the log says why.
    pub(crate) async fn checkpoint_of(&self, tenant: TenantId, size: u64) -> Result<Arc<SignedCheckpoint>, StoreError> {
        let mut latest = self.proofs.latest(tenant).ok_or(StoreError::Unavailable)?;
        let covers = |latest: &Latest| latest.published.as_ref().filter(|it| it.checkpoint.size >= size).cloned();
        let failures = {
            let now = latest.borrow();
            if let Some(published) = covers(&now) {
                return Ok(published);
            }
            now.failures
        };
        self.proofs.want(tenant);
        let ready = latest.wait_for(|latest| covers(latest).is_some() || latest.failures > failures);
        match tokio::time::timeout(WAIT_MAX, ready).await {
            Err(_) => Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS }),
            Ok(Err(_)) => Err(StoreError::Unavailable),
            Ok(Ok(latest)) => covers(&latest)
                .ok_or_else(|| StoreError::Internal { what: format!("no checkpoint of tenant {tenant} can be made") }),
        }
    }

    /// Proves a record, in the tree of `size` or of the checkpoint itself. Both cover it. Blocks.
    pub(crate) fn inclusion(
        &self,
        checkpoint: Arc<SignedCheckpoint>,
        tenant: TenantId,
        position: Position,
        size: Option<u64>,
    ) -> Result<Inclusion, StoreError> {
        let size = size.unwrap_or(checkpoint.checkpoint.size);
        let raw = self.log.snapshot().raw(tenant, position).map_err(log_error)?;
        let raw =
            raw.ok_or_else(|| StoreError::Internal { what: "a record that was signed is not there".to_owned() })?;
        let rows = self.proofs.views.snapshot();
        let nodes = tree::Tiles::of(&rows, tenant);
        let made = || {
            let (leaf, root) = (ledger::leaf(&raw), ledger::root_of(&nodes, size).map_err(MakeError::Node)?);
            Ok::<_, MakeError<_>>((leaf, root, ledger::inclusion(&nodes, position.0, size)?))
        };
        let (leaf, root, proof) = made().map_err(|error| self.no_nodes(tenant, &error))?;
        let verified = ledger::verify_inclusion(leaf, position.0, size, &proof, root);
        self.must_fit(tenant, verified.is_ok() && fits(&checkpoint, size, root))?;
        Ok(Inclusion { position, leaf, size, root, proof, checkpoint })
    }

    /// Proves that one tree is the beginning of another, which the checkpoint covers. Blocks.
    pub(crate) fn growth(
        &self,
        checkpoint: Arc<SignedCheckpoint>,
        tenant: TenantId,
        from: u64,
        to: u64,
    ) -> Result<Growth, StoreError> {
        let rows = self.proofs.views.snapshot();
        let nodes = tree::Tiles::of(&rows, tenant);
        let root = |size| ledger::root_of(&nodes, size).map_err(MakeError::Node);
        let made = || Ok::<_, MakeError<_>>((root(from)?, root(to)?, ledger::consistency(&nodes, from, to)?));
        let (from_root, to_root, proof) = made().map_err(|error| self.no_nodes(tenant, &error))?;
        let verified = ledger::verify_consistency(from, from_root, to, to_root, &proof);
        let of_checkpoint = fits(&checkpoint, from, from_root) && fits(&checkpoint, to, to_root);
        self.must_fit(tenant, verified.is_ok() && of_checkpoint)?;
        Ok(Growth { from: (from, from_root), to: (to, to_root), proof, checkpoint })
    }

    /// Nodes that are not there come with the next checkpoint, or with the tree that is built anew.
    fn no_nodes(&self, tenant: TenantId, error: &MakeError<tree::NodeError>) -> StoreError {
        match error {
            MakeError::Node(tree::NodeError::Missing { .. }) => {
                self.proofs.want(tenant);
                StoreError::Busy { retry_after_ms: RETRY_AFTER_MS }
            }
            other => internal(other),
        }
    }

    /// A proof that does not verify says that the nodes are damaged: nobody gets it, and they are made again.
    fn must_fit(&self, tenant: TenantId, fits: bool) -> Result<(), StoreError> {
        if fits {
            return Ok(());
        }
        tracing::warn!(tenant = %tenant, "a proof of the log does not verify: its tree is built anew");
        self.proofs.distrust(tenant);
        self.proofs.want(tenant);
        Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS })
    }
}

/// Whether a root is the checkpoint's, where it is of the same size.
fn fits(checkpoint: &SignedCheckpoint, size: u64, root: LeafHash) -> bool {
    checkpoint.checkpoint.size != size || checkpoint.checkpoint.root == root
}
