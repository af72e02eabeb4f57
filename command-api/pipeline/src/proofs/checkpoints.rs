//! Signing checkpoints: which trees, and in which order of durable steps.
//!
//! Owns: the rows of truth that say what was signed, comparing with them, the key.
//! Does not own: when (standing), notes (ledger).
//! Invariants: size and root are durable before a note is given to anybody. In an epoch of a log no tree is signed that does not begin
//! with the one signed before; a later epoch is another tree, named so by its origin. One thread signs.

use std::sync::Arc;

use event_log::{Changes, Snapshot};
use ledger::{Checkpoint, NoteSigner};
use projections::query;
use schemas::{Epoch, LeafHash, Position, TenantId};
use zeroize::Zeroizing;

use super::SignedCheckpoint;
use super::tree::{self, NodeError, Stand, Tiles};
use crate::api::StoreError;
use crate::sequencer::{Decide, Lane, Unit};
use crate::store::{Inner, Request, internal, log_error, rows_error};
use crate::tables::{TRUTH, checkpoint_key, decode_signed, encode_signed, signed_key};

/// Records followed in one turn, so that a long log does not hold up other tenants'. All of them are in memory: 64 MiB at the longest.
const RECORDS: usize = 1_024;
/// Epoch of a log without a record.
const FIRST_EPOCH: Epoch = Epoch(1);

/// How a turn ended.
pub(crate) enum Turn {
    /// The log is signed as it was when the turn began; none where that was not asked for.
    Done(Stand, Option<Arc<SignedCheckpoint>>),
    /// The tree is still behind the log: another turn is due.
    Behind,
}

/// Follows a log, and signs it at its end if `sign`.
pub(crate) fn publish(inner: &Inner, tenant: TenantId, sign: bool) -> Result<Turn, StoreError> {
    let snapshot = inner.log.snapshot();
    let views = &inner.proofs.views;
    let (stand, is_end) = tree::follow(views, snapshot.as_ref(), tenant, RECORDS)?;
    if !is_end {
        return Ok(Turn::Behind);
    }
    if !sign {
        return Ok(Turn::Done(stand, None));
    }
    let epoch = if stand.size == 0 { FIRST_EPOCH } else { stand.epoch };
    if let Some(last) =
        inner.proofs.published(tenant).filter(|it| (it.epoch, it.checkpoint.size) == (epoch, stand.size))
    {
        return Ok(Turn::Done(stand, Some(last)));
    }
    let signer = signer(inner, snapshot.as_ref(), tenant, epoch)?;
    let signed = signed(snapshot.as_ref(), tenant, epoch)?;
    let rows = views.snapshot();
    let root = match root_behind(&Tiles::of(&rows, tenant), signed, stand.size) {
        Ok(root) => root,
        Err(Misfit::Tree(what)) if inner.proofs.may_rebuild(tenant) => {
            tracing::warn!(tenant = %tenant, what, "the tree of the log does not fit what was signed: it is built anew");
            tree::forget(views, tenant)?;
            return Ok(Turn::Behind);
        }
        Err(Misfit::Tree(what)) => return Err(StoreError::Corrupt { what: format!("log of tenant {tenant}: {what}") }),
        Err(Misfit::Nodes(error)) => return Err(internal(&error)),
    };
    inner.proofs.found_fitting(tenant);
    if stand.size > signed.map_or(0, |(size, _)| size) {
        note_signed(inner, tenant, epoch, stand.size, root)?;
    }
    let checkpoint = Checkpoint { origin: signer.key().name().to_owned(), size: stand.size, root };
    let note = checkpoint.sign(&signer).map_err(|error| internal(&error))?;
    let published = Arc::new(SignedCheckpoint { checkpoint, note, epoch });
    Ok(Turn::Done(stand, Some(published)))
}

/// Why a tree cannot be signed.
enum Misfit {
    /// It is not the one that was signed, grown. A tree that is built anew may be.
    Tree(&'static str),
    /// The engine cannot read.
    Nodes(NodeError),
}

impl From<NodeError> for Misfit {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Missing { .. } => Self::Tree("a node of its tree is missing"),
            read @ NodeError::Read(_) => Self::Nodes(read),
        }
    }
}

/// Root of the tree of `size`, which begins with the one that was signed.
fn root_behind(nodes: &Tiles<'_>, signed: Option<(u64, LeafHash)>, size: u64) -> Result<LeafHash, Misfit> {
    let root = ledger::root_of(nodes, size)?;
    let Some((before, before_root)) = signed else { return Ok(root) };
    let proof = ledger::consistency(nodes, before, size).map_err(|error| match error {
        ledger::MakeError::Node(error) => error.into(),
        ledger::MakeError::Outside { .. } => Misfit::Tree("it is shorter than what was signed of it"),
    })?;
    let verified = ledger::verify_consistency(before, before_root, size, root, &proof);
    verified.map_err(|_| Misfit::Tree("it is not what was signed of it"))?;
    Ok(root)
}

/// What was signed last in an epoch of a log.
fn signed(snapshot: &dyn Snapshot, tenant: TenantId, epoch: Epoch) -> Result<Option<(u64, LeafHash)>, StoreError> {
    let row = snapshot.get(TRUTH, &signed_key(tenant, epoch)).map_err(|error| internal(&error))?;
    let malformed =
        || StoreError::Corrupt { what: format!("what was signed of the log of tenant {tenant} cannot be read") };
    row.map(|row| decode_signed(&row).ok_or_else(malformed)).transpose()
}

/// Makes it durable that a tree is signed, before it is.
fn note_signed(inner: &Inner, tenant: TenantId, epoch: Epoch, size: u64, root: LeafHash) -> Result<(), StoreError> {
    let decide: Decide = Box::new(move |rows, _| {
        let row = rows.get(TRUTH, &signed_key(tenant, epoch)).map_err(|error| internal(&error))?;
        if row.is_some_and(|row| decode_signed(&row).is_none_or(|(before, _)| before >= size)) {
            return Err(StoreError::Internal { what: "a larger tree was signed already".to_owned() });
        }
        let mut changes = Changes::default();
        changes.put(TRUTH, signed_key(tenant, epoch), encode_signed(size, root));
        Ok(Unit { events: Vec::new(), changes })
    });
    run(inner, tenant, decide)
}

/// Somebody waits for it, as for a request.
fn run(inner: &Inner, tenant: TenantId, decide: Decide) -> Result<(), StoreError> {
    let request = Request::system("checkpoints", tenant, inner.ids.request(inner.clock.wall()));
    inner.run_blocking(Request { lane: Lane::Foreground, ..request }, decide).map(|_| ())
}

/// What signs a log's checkpoints now: the installation's key under the name of the log's tree. Blocks.
pub(crate) fn signing_key(inner: &Inner, tenant: TenantId) -> Result<NoteSigner, StoreError> {
    let snapshot = inner.log.snapshot();
    let head = snapshot.log_head(tenant).map_err(log_error)?;
    let epoch = head.filter(|head| head.next > Position(0)).map_or(FIRST_EPOCH, |head| head.epoch);
    signer(inner, snapshot.as_ref(), tenant, epoch)
}

fn signer(inner: &Inner, snapshot: &dyn Snapshot, tenant: TenantId, epoch: Epoch) -> Result<NoteSigner, StoreError> {
    let installation = query::installation(snapshot).map_err(rows_error)?;
    let installation =
        installation.ok_or_else(|| StoreError::Internal { what: "the installation has no name".to_owned() })?;
    let origin = ledger::origin(&installation.installation, tenant, epoch);
    NoteSigner::new(&origin, &*secret(inner)?).map_err(|error| internal(&error))
}

/// The secret. The first one of an installation is made, and its public key noted: without the same key again, nothing is signed.
fn secret(inner: &Inner) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut known = inner.proofs.secret.lock();
    if let Some(secret) = &*known {
        return Ok(secret.clone());
    }
    let vault = &inner.contents.vault;
    let noted = inner.log.snapshot().get(TRUTH, &checkpoint_key()).map_err(|error| internal(&error))?;
    let secret = match (vault.checkpoint_key().map_err(|error| internal(&error))?, &noted) {
        (Some(secret), _) => secret,
        (None, None) => vault.make_checkpoint_key().map_err(|error| internal(&error))?,
        (None, Some(_)) => return Err(internal(&vault.checkpoint_key_missing())),
    };
    let signer = NoteSigner::new("checkpoints", &secret).map_err(|error| internal(&error))?;
    let public = signer.key().public().to_vec();
    match noted {
        Some(noted) if noted == public => {}
        Some(_) => {
            let what = "the key of checkpoints is not the one that signed before: put that one back".to_owned();
            return Err(StoreError::Corrupt { what });
        }
        None => {
            let decide: Decide = Box::new(move |_, _| {
                let mut changes = Changes::default();
                changes.put(TRUTH, checkpoint_key(), public.clone());
                Ok(Unit { events: Vec::new(), changes })
            });
            run(inner, TenantId::SYSTEM, decide)?;
        }
    }
    Ok(known.insert(secret).clone())
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{TENANT, grow, leaf, views};
    use super::*;

    fn root(size: u64) -> LeafHash {
        ledger::root((0..size).map(leaf))
    }

    #[test]
    fn only_a_tree_that_begins_with_the_one_signed_before_is_signed() {
        let (_folder, views) = views();
        grow(&views, &[200]);
        let rows = views.snapshot();
        let check =
            |signed: Option<(u64, LeafHash)>, size: u64| match root_behind(&Tiles::of(&rows, TENANT), signed, size) {
                Ok(found) => {
                    assert_eq!(found, root(size));
                    Ok(())
                }
                Err(Misfit::Tree(what)) => Err(what),
                Err(Misfit::Nodes(error)) => panic!("{error}"),
            };
        for before in [1, 64, 100, 149, 150] {
            assert_eq!(check(Some((before, root(before))), 150), Ok(()));
            assert_eq!(check(Some((before, root(200))), 150), Err("it is not what was signed of it"));
        }
        assert_eq!(check(None, 0), Ok(()));
        assert_eq!(check(None, 200), Ok(()));
        assert_eq!(check(Some((151, root(151))), 150), Err("it is shorter than what was signed of it"));
        assert_eq!(check(Some((1, root(1))), 201), Err("a node of its tree is missing"));
        assert_eq!(check(None, 256), Err("a node of its tree is missing"));
    }

    #[test]
    fn what_was_signed_reads_back() {
        let root = root(3);
        assert_eq!(decode_signed(&encode_signed(3, root)), Some((3, root)));
        for cut in 0..40 {
            assert_eq!(decode_signed(&encode_signed(3, root)[..cut]), None);
        }
    }
}
