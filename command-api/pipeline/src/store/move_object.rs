//! Moving an object: its new version and the removal of the old one are one unit, so that at every moment there is exactly
//! one of them.
//!
//! Owns: the two decisions of a move, taken together.
//! Does not own: how content gets under the keys of the destination ([`super::copy`]), what a write and a delete mean
//! (domain): both are decided as if they came alone.
//! Invariant: what is removed is what was copied. A source that another write took the place of meanwhile is copied anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Refusal;
use domain::object::{self, Command};
use domain::quota::Held;
use schemas::action::Action;
use schemas::event::Event;
use schemas::{BucketName, ObjectKey, Position, VersionId};

use super::amend::{ATTEMPTS, OVERTAKEN};
use super::copy::{Kept, Prepared};
use super::delete::deleted;
use super::forks::planned_object;
use super::quota::{Charged, charge_move};
use super::{Request, Store, read_again, situation};
use crate::api::{
    AskedEncryption, Caller, Circumstances, CopyObject, Deleted, LockAsked, ReadConditions, StoreError,
    WriteConditions, Written,
};
use crate::sequencer::{Decide, Unit};

/// What is to be moved, and where.
#[derive(Debug, Clone)]
pub struct MoveObject {
    /// Source bucket.
    pub source_bucket: BucketName,
    /// Source key.
    pub source_key: ObjectKey,
    /// A version, which is then removed for good; or the current one, which is deleted as DeleteObject does it.
    pub source_version: Option<VersionId>,
    /// Conditions on the source; all failures are `PreconditionFailed`.
    pub source_conditions: ReadConditions,
    /// What policies may ask of the removal. What the caller's own say is of the write: a condition on the destination is none on
    /// the source.
    pub removal: Circumstances,
    /// Destination bucket.
    pub bucket: BucketName,
    /// Destination key.
    pub key: ObjectKey,
    /// Conditions on the destination.
    pub conditions: WriteConditions,
}

/// What a move did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The destination.
    pub written: Written,
    /// Version of the source; none in a bucket that was never versioned.
    pub source_version: Option<VersionId>,
    /// What became of it.
    pub deleted: Deleted,
    /// Position of the last event.
    pub position: Position,
}

impl Store {
    /// Moves an object within the tenant, in one commit. Metadata, tags, storage class and a named key go with it; lock and list
    /// of grants do not, as with a copy.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn move_object(&self, caller: &Caller, request: MoveObject) -> Result<Moved, StoreError> {
        if request.source_bucket == request.bucket && request.source_key == request.key {
            return Err(Refusal::InvalidRequest { reason: "an object cannot be moved onto itself" }.into());
        }
        for _ in 0..ATTEMPTS {
            if let Some(moved) = read_again(|| self.move_once(caller, &request)).await? {
                return Ok(moved);
            }
        }
        Err(OVERTAKEN)
    }

    /// None when another version took the place of the source.
    async fn move_once(&self, caller: &Caller, request: &MoveObject) -> Result<Option<Moved>, StoreError> {
        let inner = &self.inner;
        let (tenant, version) = (caller.tenant, request.source_version);
        {
            // Before anything is copied. What may be read and written is asked where it is read and written.
            let snapshot = inner.log.snapshot();
            let what = (&request.source_bucket, &request.source_key, version);
            let remover = Caller { circumstances: request.removal.clone(), ..caller.clone() };
            inner.enter_version(snapshot.as_ref(), &remover, Action::DeleteObject, what)?;
        }
        let copy = CopyObject {
            source_bucket: request.source_bucket.clone(),
            source_key: request.source_key.clone(),
            source_version: version,
            source_conditions: request.source_conditions.clone(),
            bucket: request.bucket.clone(),
            key: request.key.clone(),
            metadata: None,
            tags: None,
            lock: LockAsked::default(),
            storage_class: None,
            acl: None,
            checksum_algorithm: None,
            conditions: request.conditions.clone(),
            encryption: AskedEncryption::Nothing,
            source_customer_key: None,
        };
        let Prepared { source, bucket, commit, changes, staged } = self.prepare_copy(caller, copy, Kept::All).await?;
        let overtaken = Arc::new(AtomicBool::new(false));
        let noticed = overtaken.clone();
        let (from, from_key, seen) = (source.bucket.clone(), request.source_key.clone(), source.made_by);
        let (to, to_key, owner) = (bucket.clone(), request.key.clone(), caller.user());
        let mut rows = situation::object_rows(tenant, to.id, &to_key);
        rows.extend(situation::object_rows(tenant, from.id, &from_key));
        let decide: Decide = Box::new(move |rows, now| {
            // The command owns its content: a client that goes away must not unpin what is about to be named.
            let _held = &staged;
            let there = situation::object(rows, tenant, from.id, &from_key)?;
            let named = match version {
                None => None,
                Some(id) => Some(situation::target(rows, tenant, from.id, &from_key, id)?),
            };
            let meant = named.as_ref().map_or(there.current.as_ref(), Option::as_ref).copied();
            let Some(meant) = meant.filter(|meant| meant.made_by == seen) else {
                noticed.store(true, Ordering::Relaxed);
                return Err(OVERTAKEN);
            };
            let here = situation::object(rows, tenant, to.id, &to_key)?;
            let arrives = object::decide(&here, Command::Commit { version: commit.clone(), now })?;
            let conditions = WriteConditions::default();
            let leaving = match named {
                None => Command::Delete { conditions, owner: owner.clone(), now },
                Some(target) => Command::DeleteVersion { target, conditions, bypass_governance: false, now },
            };
            let leaves = object::decide(&there, leaving)?;
            let freed = freed(&leaves, &meant, version.is_none());
            let write = Charged::Version { key: &to_key, size_bytes: commit.content.size_bytes, upload: None };
            let charged = charge_move(rows, tenant, &to, write, (from.id, freed))?;
            let mut events = planned_object(rows, tenant, &to, &to_key, arrives)?;
            events.extend(planned_object(rows, tenant, &from, &from_key, leaves)?);
            events.extend(charged);
            Ok(Unit { events, changes: changes.clone() })
        });
        let recorded = match inner.run(Request::of(caller).loading(rows), decide).await {
            Err(_) if overtaken.load(Ordering::Relaxed) => return Ok(None),
            recorded => recorded?,
        };
        Ok(Some(Moved {
            written: inner.written(&bucket, &recorded)?,
            source_version: source.shown,
            deleted: deleted(&source.bucket, version, recorded.get(1..).unwrap_or_default()),
            position: inner.position(tenant, &recorded)?,
        }))
    }
}

/// What a removal gives back of what is held. Of a version named by its id the object is not counted: another one may appear in
/// its place.
pub(super) fn freed(events: &[Event], meant: &object::Version, is_whole: bool) -> Held {
    match events.first() {
        Some(Event::VersionRemoved(removed)) => Held { bytes: removed.size_bytes, objects: u64::from(is_whole) },
        Some(Event::DeleteMarkerCreated(marker)) => {
            let replaced = marker.null && meant.null;
            Held { bytes: if replaced { meant.size_bytes() } else { 0 }, objects: 1 }
        }
        _ => Held::default(),
    }
}
