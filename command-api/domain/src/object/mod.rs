//! Objects: what a write or delete of one key does, given what the key holds now.
//!
//! Owns: S3's versioning semantics, conditions inside the commit, which version is `null`.
//! Does not own: bytes, digests, quota, what listings show, the rules of locks ([`crate::lock`]). Reads are in [`crate::read`].
//! Invariants: a key has at most one `null` version, in a bucket of any versioning. What removes a version for good, or
//! replaces one, asks its lock first.

use std::collections::BTreeMap;

use schemas::acl::Acl;
use schemas::content::{Checksum, Content, ETag};
use schemas::event::{
    Cause, CommittedPart, CopySource, DeleteMarkerCreated, Encryption, Event, Metadata, StorageClass, VersionCommitted,
    VersionRemoved, Versioning,
};
use schemas::{EventId, Time, UploadId, UserId, VersionId};

use crate::bucket_setting::EVENT_BYTES_MAX;
use crate::condition::{Subject, WriteRefusal};
use crate::lock::{self, BucketLock, Lock};
use crate::{Conditions, Refusal, validate};

mod amend;
#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod tests;

pub use amend::{Amendment, Target};

/// What a decision about one key needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The bucket it is in.
    pub bucket: Bucket,
    /// The current version or delete marker of the key.
    pub current: Option<Version>,
    /// Versions beneath the current one, newest first, so that [`evolve`] knows what a removal uncovers. Decisions read the
    /// `null` one alone, in a bucket with object lock that is not versioned (there should be none): leave out all others
    /// when the state is built afresh for every decision.
    pub older: Vec<Version>,
}

/// The bucket of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// It was deleted while the request was on its way.
    Absent,
    /// It is there.
    Live {
        /// Its versioning now.
        versioning: Versioning,
        /// Whether its versions can be locked.
        lock: BucketLock,
    },
}

/// One version or delete marker of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The event that made it.
    pub made_by: EventId,
    /// Whether it is the `null` version.
    pub null: bool,
    /// When it was made.
    pub modified: Time,
    /// What keeps it from being removed. Nothing keeps a delete marker.
    pub lock: Lock,
    /// Whether it is an object or a delete marker.
    pub kind: Kind,
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It has content.
    Object {
        /// Its tag.
        etag: ETag,
        /// Its bytes.
        size_bytes: u64,
    },
    /// A delete marker.
    Marker,
}

/// Where a record stands: what [`evolve`] must know of an event beyond its payload, because versions are named by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The event's id.
    pub by: EventId,
    /// The record's time.
    pub at: Time,
}

/// What may be asked of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "Commit is most of all commands")]
pub enum Command {
    /// Make a new current version of bytes that are durable already.
    Commit {
        /// The version.
        version: Commit,
        /// By the retention clock.
        now: Time,
    },
    /// Delete without a version id: hides the key in a versioned bucket, removes it in another. An absent key is no
    /// error. With conditions an absent key stays as it is: there is nothing they could hold against.
    Delete {
        /// Conditions on the current version.
        conditions: Conditions,
        /// Who deletes: owner of the delete marker.
        owner: UserId,
        /// By the retention clock.
        now: Time,
    },
    /// Remove one version or delete marker for good. Removing what is not there is no error.
    DeleteVersion {
        /// What stands under the version id that the client named.
        target: Option<Version>,
        /// Conditions on that version.
        conditions: Conditions,
        /// Whether the caller asks, and may, to bypass governance.
        bypass_governance: bool,
        /// By the retention clock.
        now: Time,
    },
    /// Change what can be changed of a version that stays.
    Amend {
        /// Which.
        target: Target,
        /// What.
        change: Amendment,
        /// By the retention clock.
        now: Time,
    },
}

/// A new version: everything but whether it is `null`, which the bucket decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Conditions on the current version.
    pub conditions: Conditions,
    /// The bytes.
    pub content: Content,
    /// The entity tag.
    pub etag: ETag,
    /// Checksums of the bytes or parts.
    pub checksums: Vec<Checksum>,
    /// The checksum that the client chose: an index into `checksums`.
    pub chosen_checksum: Option<u8>,
    /// What the client says about it.
    pub metadata: Metadata,
    /// Who owns it.
    pub owner: UserId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Encryption as the client sees it.
    pub encryption: Encryption,
    /// Which request.
    pub cause: Cause,
    /// The upload that this completes.
    pub upload: Option<UploadId>,
    /// Parts of the upload ([`crate::upload::Assembly::committed_parts`]). Kept when the event fits a record with them.
    pub parts: Vec<CommittedPart>,
    /// What it was copied from.
    pub source: Option<CopySource>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// What keeps it from being removed.
    pub lock: lock::Asked,
    /// Its access control list; none when only its owner may do anything.
    pub acl: Option<Acl>,
}

impl Version {
    /// As the client knows it.
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::of(self.made_by, self.null)
    }

    /// Its tag, unless it is a delete marker.
    #[must_use]
    pub fn etag(&self) -> Option<&ETag> {
        match &self.kind {
            Kind::Object { etag, .. } => Some(etag),
            Kind::Marker => None,
        }
    }

    /// Its bytes; a delete marker has none.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        match self.kind {
            Kind::Object { size_bytes, .. } => size_bytes,
            Kind::Marker => 0,
        }
    }

    fn removed(&self) -> Event {
        VersionRemoved {
            version: self.id(),
            made_by: self.made_by,
            was_marker: self.kind == Kind::Marker,
            size_bytes: self.size_bytes(),
        }
        .into()
    }

    fn check(&self, conditions: &Conditions) -> Result<(), Refusal> {
        let subject = Subject { etag: self.etag(), size_bytes: self.size_bytes(), modified: self.modified };
        conditions.allow_delete(&subject)
    }
}

/// # Errors
/// [`Refusal::NoSuchBucket`], [`Refusal::NothingToMatch`] (If-Match without a current version),
/// [`Refusal::PreconditionFailed`], [`Refusal::MetadataTooLarge`], [`Refusal::InvalidTag`], [`Refusal::ObjectLocked`],
/// [`Refusal::LockNotEnabled`] and [`Refusal::InvalidArgument`] of locks; of an amendment also [`Refusal::NoSuchVersion`] and
/// [`Refusal::IsDeleteMarker`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    let Bucket::Live { versioning, lock } = state.bucket else { return Err(Refusal::NoSuchBucket) };
    match command {
        Command::Commit { version, now } => commit(state, versioning, lock, version, now),
        Command::Delete { conditions, owner, now } => delete(state, versioning, &conditions, owner, now),
        Command::Amend { target, change, now } => amend::amend(state, lock, &target, change, now),
        Command::DeleteVersion { target, conditions, bypass_governance, now } => match target {
            None => Ok(vec![]),
            Some(version) => {
                version.check(&conditions)?;
                version.lock.allow_removal(now, bypass_governance)?;
                Ok(vec![version.removed()])
            }
        },
    }
}

fn commit(
    state: &State,
    versioning: Versioning,
    bucket_lock: BucketLock,
    commit: Commit,
    now: Time,
) -> Result<Vec<Event>, Refusal> {
    // What an upload asks for was checked when it began: bounds may have changed since, and its retention may have ended.
    if commit.upload.is_none() {
        validate::metadata(&commit.metadata)?;
        validate::tags(&commit.tags)?;
    }
    let live = state.current.as_ref().and_then(Version::etag);
    commit.conditions.allow_write(live).map_err(|refusal| match refusal {
        // With nothing live, whatever is current is a delete marker.
        WriteRefusal::NothingToMatch => Refusal::NothingToMatch { marker: state.current.as_ref().map(Version::id) },
        WriteRefusal::Failed(condition) => Refusal::PreconditionFailed { condition },
    })?;
    if commit.upload.is_none() {
        bucket_lock.check(&commit.lock, now)?;
    }
    state.allow_replacement(versioning, now)?;
    let Lock { retention, legal_hold } = bucket_lock.of_new_version(&commit.lock, now);
    let Commit { conditions: _, content, etag, checksums, chosen_checksum, metadata, owner, storage_class, .. } =
        commit;
    let Commit { encryption, cause, upload, parts, source, tags, acl, .. } = commit;
    let committed = VersionCommitted {
        null: versioning != Versioning::Enabled,
        content,
        etag,
        checksums,
        chosen_checksum,
        metadata,
        owner,
        storage_class,
        encryption,
        cause,
        upload,
        parts,
        source,
        tags,
        retention,
        legal_hold,
        acl,
    };
    Ok(vec![fitting(committed)])
}

/// The event, without the list of parts where it would not fit a record with it: sizes are then in the manifest alone. The
/// bounds of everything else leave it room.
fn fitting(committed: VersionCommitted) -> Event {
    let has_parts = !committed.parts.is_empty();
    let mut event = Event::from(committed);
    if has_parts
        && event.encode().len() > EVENT_BYTES_MAX
        && let Event::VersionCommitted(committed) = &mut event
    {
        committed.parts.clear();
    }
    event
}

fn delete(
    state: &State,
    versioning: Versioning,
    conditions: &Conditions,
    owner: UserId,
    now: Time,
) -> Result<Vec<Event>, Refusal> {
    match &state.current {
        Some(version) => version.check(conditions)?,
        None if !conditions.is_empty() => return Ok(vec![]),
        None => {}
    }
    state.allow_replacement(versioning, now)?;
    match versioning {
        Versioning::Unversioned => {
            state.current.iter().try_for_each(|version| version.lock.allow_removal(now, false))?;
            Ok(state.current.iter().map(Version::removed).collect())
        }
        Versioning::Enabled => Ok(vec![DeleteMarkerCreated { null: false, owner }.into()]),
        Versioning::Suspended => Ok(vec![DeleteMarkerCreated { null: true, owner }.into()]),
    }
}

/// The state after an event of this key or its bucket. Others change nothing.
#[must_use]
pub fn evolve(mut state: State, made: Made, event: &Event) -> State {
    let version = |null, lock, kind| Version { made_by: made.by, null, modified: made.at, lock, kind };
    match event {
        Event::VersionCommitted(committed) => {
            let kind = Kind::Object { etag: committed.etag, size_bytes: committed.content.size_bytes };
            let lock = Lock { retention: committed.retention, legal_hold: committed.legal_hold };
            state.put(version(committed.null, lock, kind));
        }
        Event::DeleteMarkerCreated(marker) => state.put(version(marker.null, Lock::default(), Kind::Marker)),
        Event::VersionRemoved(removed) => state.remove(|version| version.made_by == removed.made_by),
        Event::BucketCreated(created) => {
            let lock = if created.object_lock { BucketLock::On { default: None } } else { BucketLock::Off };
            let bucket = Bucket::Live { versioning: created.versioning, lock };
            state = State { bucket, current: None, older: vec![] };
        }
        Event::BucketDeleted(_) => state = State { bucket: Bucket::Absent, current: None, older: vec![] },
        Event::VersioningSet(set) => {
            if let Bucket::Live { versioning, .. } = &mut state.bucket {
                *versioning = set.versioning;
            }
        }
        Event::BucketObjectLockSet(set) => {
            if let Bucket::Live { lock, .. } = &mut state.bucket {
                *lock = BucketLock::On { default: set.default };
            }
        }
        Event::RetentionSet(set) => state.change(set.made_by, |lock| lock.retention = set.retention),
        Event::LegalHoldSet(set) => state.change(set.made_by, |lock| lock.legal_hold = set.on),
        _ => {}
    }
    state
}

impl State {
    /// Whether what is next written or deleted without a version id may take the place of the `null` version, where it does.
    fn allow_replacement(&self, versioning: Versioning, now: Time) -> Result<(), Refusal> {
        if versioning == Versioning::Enabled {
            return Ok(());
        }
        let mut null = self.current.iter().chain(&self.older).filter(|version| version.null);
        // Nobody is asked whether to bypass governance: S3 has no such header for it.
        null.try_for_each(|version| version.lock.allow_removal(now, false))
    }

    fn change(&mut self, made_by: EventId, change: impl FnOnce(&mut Lock)) {
        let mut versions = self.current.iter_mut().chain(&mut self.older);
        if let Some(version) = versions.find(|version| version.made_by == made_by) {
            change(&mut version.lock);
        }
    }

    fn put(&mut self, version: Version) {
        if version.null {
            self.remove(|version| version.null);
        }
        if let Some(current) = self.current.replace(version) {
            self.older.insert(0, current);
        }
    }

    fn remove(&mut self, gone: impl Fn(&Version) -> bool) {
        self.older.retain(|version| !gone(version));
        if self.current.as_ref().is_some_and(gone) {
            self.current = if self.older.is_empty() { None } else { Some(self.older.remove(0)) };
        }
    }
}
