//! One key: back to what it was at a point.
//!
//! Owns: what that takes, who must be allowed it, that it is still so when it is decided.
//! Does not own: versioning and locks (domain, which decides as if somebody wrote, deleted or tagged), which keys ([`super::goals`]).
//! Invariants: what a key was at a point never changes, so that is read in advance; what it is now, and whether the content is still
//! kept, is asked in the decision. No content is copied: the new version takes a reference to what the old one had.

use std::sync::Arc;

use domain::Refusal;
use domain::bucket_policy::Asked;
use domain::object::{Amendment, Command, Commit, Target, decide};
use domain::policy::Resource;
use event_log::{Changes, Rows, Snapshot};
use projections::query;
use projections::row::Object;
use schemas::acl::Acl;
use schemas::action::Action;
use schemas::event::{Cause, CopySource, Event, VersionCommitted};
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId, Time, UserId};

use super::super::bucket_settings::{corrupt_event, record};
use super::super::difference::same;
use super::super::encryption::opening;
use super::super::forks::planned_object;
use super::super::move_object::freed;
use super::super::past::{is_kept, layers};
use super::super::quota::{Charged, Charges};
use super::super::{Found, Inner, rows_error, situation};
use super::goals::Goal;
use crate::api::{Caller, LockAsked, StoreError, WriteConditions};
use crate::content::{Scope, StagedContent};
use crate::sequencer::Planned;

const GONE: &str = "its content is not kept any more";
const SINCE: &str = "changed since";
const MEANWHILE: &str = "changed meanwhile";
const ERASED: &str = "what it was is erased";
const DENIED: &str = "access denied";
const CUSTOMER: &str = "it comes from the bucket that this one shows, under a customer's key";

/// What is asked of a key, wherever it is.
pub(crate) struct Rewinding<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) bucket: &'a Found,
    /// The last event that there was when it was asked.
    pub(crate) head: Position,
    /// Whether what others did since the point is no obstacle.
    pub(crate) force: bool,
    /// Whether it is only to be known what would happen.
    pub(crate) is_dry: bool,
}

/// A key, ready to be decided.
pub(crate) struct Prepared {
    pub(crate) key: ObjectKey,
    /// What it was at the point.
    was: Option<Object>,
    /// What it was when it was asked.
    seen: Option<Object>,
    /// What makes the one of the other; or why that cannot be.
    way: Result<Way, String>,
    /// Rows that open the content for this bucket, each list small enough for a unit.
    pub(crate) wraps: Vec<Changes>,
    /// Keeps the content until the command is durable.
    _held: Option<StagedContent>,
    /// About so long is its event.
    pub(crate) bytes: usize,
}

/// What makes a key what it was.
enum Way {
    /// It is that.
    Nothing,
    /// A delete, as anybody's.
    Delete,
    /// Other tags, another list of grants.
    Amend(Vec<Amendment>),
    /// A new version.
    Commit(Box<Commit>),
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Put {
    /// It shows again what it showed.
    Back,
    /// It shows nothing again.
    Away,
    /// It had it.
    Unchanged,
    /// It stays as it is.
    Refused(String),
}

impl Inner {
    /// Reads what a key was and what it takes to have it again.
    ///
    /// # Errors
    /// [`StoreError`]; [`Refusal::NoSuchBucket`] when the bucket went meanwhile.
    pub(crate) fn prepare_key(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        asked: &Rewinding<'_>,
        goal: Goal,
    ) -> Result<Prepared, StoreError> {
        let (rows, tenant) = (snapshot.as_ref(), asked.caller.tenant);
        let shown = |at: Position| {
            let at = self.as_of_position(rows, tenant, at)?.at;
            let layers = query::layers(rows, tenant, asked.bucket.id, &asked.bucket.row, Some(at));
            layers.and_then(|layers| layers.current(rows, &goal.key)).map_err(rows_error)
        };
        let (was, seen) = (shown(goal.at)?, shown(asked.head)?);
        let mut prepared =
            Prepared { key: goal.key, was, seen, way: Ok(Way::Nothing), wraps: Vec::new(), _held: None, bytes: 64 };
        if same(prepared.was.as_ref(), prepared.seen.as_ref()) {
            return Ok(prepared);
        }
        if !asked.force && others_changed(rows, tenant, asked, &prepared.key, &goal.undone)? {
            prepared.way = Err(SINCE.to_owned());
            return Ok(prepared);
        }
        match self.way(snapshot, asked, &mut prepared) {
            Ok(way) => prepared.way = way,
            Err(StoreError::Refused(Refusal::Erased)) => prepared.way = Err(ERASED.to_owned()),
            Err(error) => return Err(error),
        }
        Ok(prepared)
    }

    /// What makes a key what it was, for one who may; or why not.
    fn way(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        asked: &Rewinding<'_>,
        prepared: &mut Prepared,
    ) -> Result<Result<Way, String>, StoreError> {
        let (rows, tenant, key) = (snapshot.as_ref(), asked.caller.tenant, &prepared.key);
        let resource = Resource::Object(&asked.bucket.row.name, key);
        let Some(was) = prepared.was.clone() else {
            let may = self.may_change(rows, asked, &Asked::new(Action::DeleteObject, resource))?;
            return Ok(may.map(|()| Way::Delete));
        };
        let (home, committed) = self.version_event(rows, tenant, key, was.made_by)?;
        let tags = match was.details.tags {
            Some(_) => self.tags_of(rows, tenant, &was)?,
            None => committed.tags.clone(),
        };
        let acl = self.list_then(rows, tenant, &was, &committed)?;
        if let Some(seen) = prepared.seen.as_ref().filter(|seen| seen.made_by == was.made_by) {
            let mut changes = Vec::new();
            if seen.details.tags != was.details.tags {
                let asked_tags = Asked { tags: Some(&tags), ..Asked::new(Action::PutObjectTagging, resource) };
                if let Err(why) = self.may_change(rows, asked, &asked_tags)? {
                    return Ok(Err(why));
                }
                changes.push(Amendment::Tags(tags));
            }
            if seen.details.acl != was.details.acl {
                let listing = Asked::new(Action::PutObjectAcl, resource);
                if let Err(why) = self.may_change(rows, asked, &listing)?.and(self.may_list(asked, acl.as_ref())?) {
                    return Ok(Err(why));
                }
                changes.push(Amendment::Acl(acl));
            }
            return Ok(Ok(Way::Amend(changes)));
        }
        let writing = Asked { tags: Some(&tags), ..Asked::new(Action::PutObject, resource) };
        let tagging = self.may_tag(rows, asked.caller, asked.bucket, key, &tags);
        let may =
            self.may_change(rows, asked, &writing)?.and(refused(tagging)?).and(self.may_list(asked, acl.as_ref())?);
        if let Err(why) = may {
            return Ok(Err(why));
        }
        if !is_kept(rows, tenant, &was)? {
            return Ok(Err(GONE.to_owned()));
        }
        if let Err(refusal) = self.default_retention_may_begin(asked.bucket, None) {
            return Ok(Err(refusal.to_string()));
        }
        if home != asked.bucket.id
            && let Err(why) = self.share_key(snapshot, asked, home, &committed, prepared)?
        {
            return Ok(Err(why));
        }
        prepared.bytes = Event::from(committed.clone()).encode().len();
        let source = CopySource { bucket: home, key: prepared.key.clone(), version: was.made_by };
        Ok(Ok(Way::Commit(Box::new(again(committed, source, tags, acl)))))
    }

    /// What the event of a version says, and whose event it is: another bucket's where this one shows another.
    fn version_event(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        key: &ObjectKey,
        made_by: EventId,
    ) -> Result<(BucketId, VersionCommitted), StoreError> {
        let record = record(snapshot, tenant, made_by)?;
        let body = record.body.as_ref().ok_or(Refusal::Erased)?;
        match body.event(&record.header) {
            Ok(Event::VersionCommitted(committed)) if body.object.as_ref() == Some(key) => {
                Ok((record.header.bucket, committed))
            }
            _ => Err(corrupt_event(tenant, made_by, "is not a version of its key")),
        }
    }

    /// The list of a version as it was, whatever lists are worth now.
    fn list_then(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        was: &Object,
        committed: &VersionCommitted,
    ) -> Result<Option<Acl>, StoreError> {
        match was.details.acl {
            None => Ok(None),
            Some(event) if event == was.made_by => Ok(committed.acl.clone()),
            Some(event) => match self.event(snapshot, tenant, event)? {
                Event::ObjectAclSet(set) => Ok(set.acl),
                _ => Err(corrupt_event(tenant, event, "sets no list of grants")),
            },
        }
    }

    /// Whether whoever asked may do it by themselves, now.
    fn may_change(
        &self,
        rows: &dyn Snapshot,
        asked: &Rewinding<'_>,
        what: &Asked<'_>,
    ) -> Result<Result<(), String>, StoreError> {
        match self.enter_asked(rows, asked.caller, what, None) {
            Err(StoreError::Refused(Refusal::NoSuchBucket)) => Err(Refusal::NoSuchBucket.into()),
            done => refused(done.map(|_| ())),
        }
    }

    /// Whether a list may be set again: public access may have been blocked since.
    fn may_list(&self, asked: &Rewinding<'_>, acl: Option<&Acl>) -> Result<Result<(), String>, StoreError> {
        match self.still_allowed(asked.caller.tenant, asked.bucket, acl) {
            Err(StoreError::Refused(Refusal::NoSuchBucket)) => Err(Refusal::NoSuchBucket.into()),
            Err(StoreError::Refused(refusal)) => Ok(Err(refusal.to_string())),
            done => done.map(Ok),
        }
    }

    /// Content that is kept in the bucket that this one shows: opened for this one too.
    fn share_key(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        asked: &Rewinding<'_>,
        home: BucketId,
        committed: &VersionCommitted,
        prepared: &mut Prepared,
    ) -> Result<Result<(), String>, StoreError> {
        let tenant = asked.caller.tenant;
        let mode = match opening(&committed.encryption, None) {
            Ok(mode) => mode,
            Err(StoreError::Refused(_)) => return Ok(Err(CUSTOMER.to_owned())),
            Err(error) => return Err(error),
        };
        let base = query::bucket(snapshot.as_ref(), tenant, home).map_err(rows_error)?;
        let Some(base) = base else { return Ok(Err(GONE.to_owned())) };
        if asked.is_dry {
            return Ok(Ok(()));
        }
        let from = Scope { tenant, bucket: home, key: base.key, mode: mode.clone() };
        let to = asked.bucket.scope(tenant, mode);
        let mut staged = self.contents.share_blocking(snapshot.clone(), &from, &to, committed.content)?;
        prepared.wraps = std::mem::take(&mut staged.changes);
        prepared.wraps.retain(|changes| !changes.0.is_empty());
        prepared._held = Some(staged);
        Ok(Ok(()))
    }
}

/// A version once more: all that was said of it, and nothing of how it was locked.
fn again(
    committed: VersionCommitted,
    source: CopySource,
    tags: std::collections::BTreeMap<String, String>,
    acl: Option<Acl>,
) -> Commit {
    Commit {
        conditions: WriteConditions::default(),
        content: committed.content,
        etag: committed.etag,
        checksums: committed.checksums,
        chosen_checksum: committed.chosen_checksum,
        metadata: committed.metadata,
        owner: committed.owner,
        storage_class: committed.storage_class,
        encryption: committed.encryption,
        cause: Cause::Restore,
        upload: None,
        parts: committed.parts,
        source: Some(source),
        tags,
        lock: LockAsked::default(),
        acl,
    }
}

/// Whether other events than those that are undone changed a key since.
fn others_changed(
    rows: &dyn Rows,
    tenant: TenantId,
    asked: &Rewinding<'_>,
    key: &ObjectKey,
    undone: &[Position],
) -> Result<bool, StoreError> {
    const STEP: usize = 1_000;
    let Some(first) = undone.first() else { return Ok(false) };
    let mut after = *first;
    loop {
        let of = (tenant, asked.bucket.id, key);
        let (positions, more) = query::object_events(rows, of, Some(after), STEP).map_err(rows_error)?;
        let until_head = positions.iter().filter(|at| **at <= asked.head);
        if until_head.into_iter().any(|at| undone.binary_search(at).is_err()) {
            return Ok(true);
        }
        match positions.last() {
            Some(last) if more && *last <= asked.head => after = *last,
            _ => return Ok(false),
        }
    }
}

/// A refusal as a reason, other errors as they are.
fn refused(done: Result<(), StoreError>) -> Result<Result<(), String>, StoreError> {
    match done {
        Err(StoreError::Refused(_)) => Ok(Err(DENIED.to_owned())),
        done => done.map(Ok),
    }
}

/// Decides about a key: what becomes of it, and the events of that.
///
/// # Errors
/// [`Refusal::NoSuchBucket`]; damage. Whatever else is refused is what becomes of the key.
pub(crate) fn put_back(
    rows: &dyn Rows,
    (tenant, bucket, owner): (TenantId, &Found, &UserId),
    one: &Prepared,
    charges: &mut Charges,
    now: Time,
) -> Result<(Put, Vec<Planned>), StoreError> {
    let is = layers(rows, tenant, bucket)?.current(rows, &one.key).map_err(rows_error)?;
    if same(one.was.as_ref(), is.as_ref()) {
        return Ok((Put::Unchanged, Vec::new()));
    }
    let way = match &one.way {
        Ok(way) => way,
        Err(why) => return Ok((Put::Refused(why.clone()), Vec::new())),
    };
    if !same(one.seen.as_ref(), is.as_ref()) {
        return Ok((Put::Refused(MEANWHILE.to_owned()), Vec::new()));
    }
    let state = situation::object(rows, tenant, bucket.id, &one.key)?;
    let (put, commands) = match way {
        Way::Nothing => return Ok((Put::Unchanged, Vec::new())),
        Way::Delete => {
            let conditions = WriteConditions::default();
            (Put::Away, vec![Command::Delete { conditions, owner: owner.clone(), now }])
        }
        Way::Amend(changes) => {
            let amend = |change: &Amendment| Command::Amend { target: Target::Current, change: change.clone(), now };
            (Put::Back, changes.iter().map(amend).collect())
        }
        Way::Commit(version) => {
            if !one.was.as_ref().map_or(Ok(true), |was| is_kept(rows, tenant, was))? {
                return Ok((Put::Refused(GONE.to_owned()), Vec::new()));
            }
            (Put::Back, vec![Command::Commit { version: version.as_ref().clone(), now }])
        }
    };
    let mut events = Vec::new();
    for command in commands {
        match decide(&state, command) {
            Ok(more) => events.extend(more),
            Err(Refusal::NoSuchBucket) => return Err(Refusal::NoSuchBucket.into()),
            Err(refusal) => return Ok((Put::Refused(refusal.to_string()), Vec::new())),
        }
    }
    if let Way::Commit(version) = way {
        let write = Charged::Version { key: &one.key, size_bytes: version.content.size_bytes, upload: None };
        match charges.add(rows, tenant, bucket, write) {
            Err(StoreError::Refused(refusal)) => return Ok((Put::Refused(refusal.to_string()), Vec::new())),
            done => done?,
        }
    } else if let Some(current) = state.current.as_ref().filter(|_| put == Put::Away) {
        charges.free(freed(&events, current, true));
    }
    Ok((put, planned_object(rows, tenant, bucket, &one.key, events)?))
}
