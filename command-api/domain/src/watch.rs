//! Whether a log ever took away what a lock kept: for auditors, who read events and trust no one's decisions.
//!
//! Owns: following the locks of versions through the events of a log or of a bucket, in order.
//! Does not own: the rules ([`Lock`]), reading records. Of what it has not seen, erased events among it, it knows no lock.
//! Invariant: only locked versions are remembered.

use std::collections::HashMap;

use schemas::event::{Event, Referrer, Retention};
use schemas::record::Header;
use schemas::{BucketId, EventId, ObjectKey, Time, VersionId};

use crate::Refusal;
use crate::lock::Lock;

/// Follows locks. A clone of it follows another future.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    locked: HashMap<EventId, Locked>,
    /// The locked `null` version of a key.
    nulls: HashMap<(BucketId, ObjectKey), EventId>,
    untold: u64,
}

#[derive(Debug, Clone)]
struct Locked {
    lock: Lock,
    bucket: BucketId,
    /// The key whose `null` version it is, if it is one.
    null_of: Option<ObjectKey>,
}

/// An event that no rule would have let happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// A version under compliance or a legal hold was removed.
    #[error("it removes a version that a lock kept")]
    Removed,
    /// A locked `null` version gave way to a new one.
    #[error("it replaces a version that a lock kept")]
    Replaced,
    /// A retention was shortened or taken off that nobody might, or without leave.
    #[error("it ends a retention that held")]
    Shortened,
    /// The content of a version under compliance or a legal hold was given up.
    #[error("it gives up the content of a version that a lock kept")]
    Released,
    /// A bucket was deleted with locked versions in it.
    #[error("it deletes a bucket with versions in it that locks kept")]
    BucketDeleted,
}

impl Watch {
    /// Removals of versions under governance: somebody may have had leave, which the event does not say.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.untold
    }

    /// Takes the next event. What followed a breach is followed on.
    ///
    /// # Errors
    /// [`Breach`].
    pub fn event(&mut self, header: &Header, object: Option<&ObjectKey>, event: &Event) -> Result<(), Breach> {
        let now = header.time;
        match event {
            Event::VersionCommitted(committed) => {
                let replaced = if committed.null { self.replaced(header.bucket, object, now) } else { Ok(()) };
                let null_of = object.filter(|_| committed.null).cloned();
                let lock = Lock { retention: committed.retention, legal_hold: committed.legal_hold };
                self.put(header.id(), Locked { lock, bucket: header.bucket, null_of });
                replaced
            }
            Event::DeleteMarkerCreated(marker) if marker.null => self.replaced(header.bucket, object, now),
            Event::VersionRemoved(removed) => self.removed(removed.made_by, now),
            Event::RetentionSet(set) => {
                let mut locked = self.of(set.made_by, header.bucket, &set.version, object);
                let allowed = allow_retention(&locked.lock, set.retention, now, set.bypass);
                locked.lock.retention = set.retention;
                self.put(set.made_by, locked);
                allowed
            }
            Event::LegalHoldSet(set) => {
                let mut locked = self.of(set.made_by, header.bucket, &set.version, object);
                locked.lock.legal_hold = set.on;
                self.put(set.made_by, locked);
                Ok(())
            }
            Event::ContentReleased(released) => {
                let mut referrers = released.released.iter().map(|released| released.referrer);
                let kept = |id: EventId| self.locked.get(&id).is_some_and(|locked| is_kept(&locked.lock, now));
                let lost = referrers.any(|referrer| matches!(referrer, Referrer::Version(id) if kept(id)));
                if lost { Err(Breach::Released) } else { Ok(()) }
            }
            Event::BucketDeleted(deleted) => {
                let mut locked = self.locked.values().filter(|locked| locked.bucket == deleted.bucket);
                let lost = locked.any(|locked| is_kept(&locked.lock, now));
                self.locked.retain(|_, locked| locked.bucket != deleted.bucket);
                self.nulls.retain(|(bucket, _), _| *bucket != deleted.bucket);
                if lost { Err(Breach::BucketDeleted) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// What is known of a version.
    fn of(&self, made_by: EventId, bucket: BucketId, version: &VersionId, object: Option<&ObjectKey>) -> Locked {
        let unlocked = || {
            let null_of = object.filter(|_| *version == VersionId::Null).cloned();
            Locked { lock: Lock::default(), bucket, null_of }
        };
        self.locked.get(&made_by).cloned().unwrap_or_else(unlocked)
    }

    fn put(&mut self, made_by: EventId, locked: Locked) {
        self.forget(made_by);
        if locked.lock == Lock::default() {
            return;
        }
        if let Some(key) = &locked.null_of {
            self.nulls.insert((locked.bucket, key.clone()), made_by);
        }
        self.locked.insert(made_by, locked);
    }

    fn forget(&mut self, made_by: EventId) -> Option<Locked> {
        let locked = self.locked.remove(&made_by)?;
        if let Some(key) = &locked.null_of {
            self.nulls.remove(&(locked.bucket, key.clone()));
        }
        Some(locked)
    }

    fn removed(&mut self, made_by: EventId, now: Time) -> Result<(), Breach> {
        let Some(locked) = self.forget(made_by) else { return Ok(()) };
        if is_kept(&locked.lock, now) {
            return Err(Breach::Removed);
        }
        self.untold += u64::from(locked.lock.allow_removal(now, false).is_err());
        Ok(())
    }

    /// Nobody has leave to replace: governance keeps a version from it too.
    fn replaced(&mut self, bucket: BucketId, object: Option<&ObjectKey>, now: Time) -> Result<(), Breach> {
        let Some(object) = object else { return Ok(()) };
        let Some(made_by) = self.nulls.get(&(bucket, object.clone())).copied() else { return Ok(()) };
        let Some(locked) = self.forget(made_by) else { return Ok(()) };
        if locked.lock.allow_removal(now, false).is_err() { Err(Breach::Replaced) } else { Ok(()) }
    }
}

/// Whether nobody might remove it, whatever leave they had.
fn is_kept(lock: &Lock, now: Time) -> bool {
    lock.allow_removal(now, true).is_err()
}

fn allow_retention(lock: &Lock, asked: Option<Retention>, now: Time, bypass: bool) -> Result<(), Breach> {
    match lock.allow_retention(asked, now, bypass) {
        Err(Refusal::ObjectLocked) => Err(Breach::Shortened),
        // A time that has passed holds nothing: no lock was broken by it.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use schemas::content::{Content, ETag, Root};
    use schemas::event::{
        BucketDeleted, Cause, ContentReleased, DeleteMarkerCreated, Encryption, LegalHoldSet, Metadata, Released,
        RetentionMode, RetentionSet, StorageClass, VersionCommitted, VersionRemoved,
    };
    use schemas::{BlobId, BucketName, Epoch, KeyId, LeafHash, Position, TenantId, UserId};

    use super::*;

    const BUCKET: BucketId = BucketId(4);

    fn header(position: u64, time: u64) -> Header {
        Header {
            tenant: TenantId(1),
            epoch: Epoch(1),
            position: Position(position),
            time: Time(time),
            prev: LeafHash::default(),
            bucket: BUCKET,
            bucket_seq: position,
            bucket_prev: LeafHash::default(),
            event_type: 0,
            schema_version: 1,
            key: KeyId(1),
            unit_length: 1,
            unit_index: 0,
        }
    }

    fn id(position: u64) -> EventId {
        header(position, 0).id()
    }

    fn retention(mode: RetentionMode, until: u64) -> Option<Retention> {
        Some(Retention { mode, until: Time(until) })
    }

    fn committed(null: bool, retention: Option<Retention>, legal_hold: bool) -> Event {
        VersionCommitted {
            null,
            content: Content { size_bytes: 0, root: Root::Empty },
            etag: ETag { md5: [0; 16], parts: 0 },
            checksums: Vec::new(),
            chosen_checksum: None,
            metadata: Metadata::default(),
            owner: user(),
            storage_class: StorageClass::Standard,
            encryption: Encryption::Managed,
            cause: Cause::Put,
            upload: None,
            parts: Vec::new(),
            source: None,
            tags: std::collections::BTreeMap::new(),
            retention,
            legal_hold,
            acl: None,
        }
        .into()
    }

    fn version(position: u64, null: bool) -> VersionId {
        VersionId::of(id(position), null)
    }

    fn removed(made: u64) -> Event {
        VersionRemoved { version: version(made, false), made_by: id(made), was_marker: false, size_bytes: 1 }.into()
    }

    fn set(made: u64, null: bool, retention: Option<Retention>, bypass: bool) -> Event {
        RetentionSet { version: version(made, null), made_by: id(made), retention, bypass }.into()
    }

    fn hold(made: u64, on: bool) -> Event {
        LegalHoldSet { version: version(made, false), made_by: id(made), on }.into()
    }

    fn released(made: u64) -> Event {
        let released = Released { blob: BlobId([1; 16]), referrer: Referrer::Version(id(made)) };
        ContentReleased { released: vec![released] }.into()
    }

    fn marker(null: bool) -> Event {
        DeleteMarkerCreated { null, owner: user() }.into()
    }

    fn user() -> UserId {
        UserId::parse("user").expect("a name")
    }

    /// Events at times 10, 20, ...: the first that is a breach, and removals whose leave cannot be told.
    fn check(events: &[Event], expected: Option<(usize, Breach)>, untold: u64) {
        let key = ObjectKey::parse("key").expect("a key");
        let mut watch = Watch::default();
        let mut found = None;
        for (index, event) in events.iter().enumerate() {
            let position = index as u64;
            if let Err(breach) = watch.event(&header(position, 10 * (position + 1)), Some(&key), event) {
                found.get_or_insert((index, breach));
            }
        }
        assert_eq!((found, watch.untold()), (expected, untold), "{events:?}");
    }

    #[test]
    fn what_is_locked_is_not_removed_before_its_time() {
        use RetentionMode::{Compliance, Governance};
        check(&[committed(false, None, false), removed(0)], None, 0);
        check(&[committed(false, retention(Compliance, 20), false), removed(0)], None, 0);
        check(&[committed(false, retention(Compliance, 21), false), removed(0)], Some((1, Breach::Removed)), 0);
        check(&[committed(false, retention(Governance, 21), false), removed(0)], None, 1);
        check(&[committed(false, None, true), removed(0)], Some((1, Breach::Removed)), 0);
        check(&[committed(false, None, true), hold(0, false), removed(0)], None, 0);
        check(&[committed(false, None, false), hold(0, true), removed(0)], Some((2, Breach::Removed)), 0);
        check(&[committed(false, None, true), released(0)], Some((1, Breach::Released)), 0);
        check(&[committed(false, None, false), removed(0), released(0)], None, 0);
        // A lock of a version that came before the first event seen.
        check(&[hold(90, true), removed(90)], Some((1, Breach::Removed)), 0);
    }

    #[test]
    fn a_retention_is_not_ended_by_whom_it_binds() {
        use RetentionMode::{Compliance, Governance};
        let compliance = |until| retention(Compliance, until);
        let first = committed(false, compliance(500), false);
        check(&[first.clone(), set(0, false, compliance(600), false)], None, 0);
        check(&[first.clone(), set(0, false, compliance(400), true)], Some((1, Breach::Shortened)), 0);
        check(&[first.clone(), set(0, false, None, true), removed(0)], Some((1, Breach::Shortened)), 0);
        let first = committed(false, retention(Governance, 500), false);
        check(&[first.clone(), set(0, false, None, false)], Some((1, Breach::Shortened)), 0);
        check(&[first, set(0, false, None, true), removed(0)], None, 0);
    }

    #[test]
    fn a_locked_null_version_does_not_give_way() {
        use RetentionMode::Governance;
        let locked = committed(true, retention(Governance, 500), false);
        for next in [committed(true, None, false), marker(true)] {
            check(&[locked.clone(), next.clone()], Some((1, Breach::Replaced)), 0);
            check(&[committed(true, None, false), next.clone()], None, 0);
            check(&[committed(true, retention(Governance, 15), false), next.clone()], None, 0);
            let later = set(0, true, retention(Governance, 500), false);
            check(&[committed(true, None, false), later, next], Some((2, Breach::Replaced)), 0);
        }
        check(&[locked.clone(), marker(false), committed(false, None, false)], None, 0);
        check(&[locked, removed(0), committed(true, None, false)], None, 1);
    }

    #[test]
    fn a_bucket_is_not_deleted_over_locks() {
        let name = BucketName::parse("bucket").expect("a name");
        let deleted: Event = BucketDeleted { bucket: BUCKET, name }.into();
        let held = committed(false, None, true);
        check(&[held.clone(), deleted.clone()], Some((1, Breach::BucketDeleted)), 0);
        check(&[held, hold(0, false), removed(0), deleted], None, 0);
    }
}
