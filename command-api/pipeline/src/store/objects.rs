//! Objects: put, get, head.
//!
//! Owns: the order of a write (authorise, stream, decide, commit) and of a read (one snapshot, conditions, range).
//! Does not own: conditions and ranges themselves (domain), hashing and blobs (content).

use std::sync::Arc;

use domain::Refusal;
use domain::acl::Uploaded;
use domain::bucket_policy::Asked;
use domain::object::Commit;
use domain::policy::Resource;
use domain::read::Representation;
use event_log::{Rows, Snapshot};
use projections::query;
use projections::row::{Object, Version};
use schemas::action::Action;
use schemas::content::{Checksum, Content};
use schemas::event::{Event, VersionCommitted, Versioning};
use schemas::{BucketId, EventId, KeyId, ObjectKey, TenantId, VersionId};

use super::amend::lock_asked;
use super::bucket_settings::{corrupt_event, record};
use super::encryption::opening;
use super::forks::planned_object;
use super::past::layers;
use super::quota::{Charged, charge};
use super::{Found, Inner, PUT_BYTES_MAX, Request, Store, log_error, read_again, rows_error, situation};
use crate::api::{Caller, GetObject, ObjectHead, ObjectInfo, ObjectRead, PutObject, StoreError, Written};
use crate::content::{Ingested, Limits, Mode, Scope, StagedContent};
use crate::sequencer::{Decide, Outcome, Unit};

/// An object found for reading.
pub(crate) struct Opened {
    pub(crate) bucket: Found,
    pub(crate) event: EventId,
    pub(crate) info: ObjectInfo,
    pub(crate) content: Content,
    pub(crate) committed: VersionCommitted,
    /// Where its content is kept, and the key of that bucket: another bucket's where this one shows another.
    kept_in: (BucketId, KeyId),
}

impl Opened {
    /// Whose content, and what opens it.
    pub(crate) fn scope(&self, tenant: TenantId, mode: Mode) -> Scope {
        let (bucket, key) = self.kept_in;
        Scope { tenant, bucket, key, mode }
    }
}

/// What of an object a request asks for.
struct Selected {
    range: Option<(u64, u64)>,
    length_bytes: u64,
}

impl Store {
    /// Stores an object.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn put_object(
        &self,
        caller: &Caller,
        request: PutObject,
        body: crate::api::ByteStream,
    ) -> Result<Written, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let resource = Resource::Object(&request.bucket, &request.key);
        let asked = Asked {
            tags: Some(&request.tags),
            lock: lock_asked(&request.lock),
            ..Asked::new(Action::PutObject, resource)
        };
        let bucket = inner.enter_asked(snapshot.as_ref(), caller, &asked, None)?;
        inner.check_lock(snapshot.as_ref(), caller, &bucket, &request.key, &request.lock)?;
        inner.default_retention_may_begin(&bucket, request.lock.retention)?;
        inner.may_tag(snapshot.as_ref(), caller, &bucket, &request.key, &request.tags)?;
        let Uploaded { owner, acl } = inner.uploaded(snapshot.as_ref(), caller, &bucket, &request.key, request.acl)?;
        domain::validate::metadata(&request.metadata)?;
        domain::validate::tags(&request.tags)?;
        let chosen = inner.choose_encryption(snapshot.as_ref(), caller.tenant, &bucket, &request.encryption).await?;
        // A repetition of what was done needs no room.
        let done = match request.command {
            Some(command) => inner.log.resolve(caller.tenant, command).map_err(log_error)?.is_some(),
            None => false,
        };
        if let Some(size_bytes) = request.size_bytes.filter(|_| !done) {
            let write = Charged::Version { key: &request.key, size_bytes, upload: None };
            inner.room_for(snapshot.as_ref(), caller.tenant, &bucket, write)?;
        }
        // A body may take longer to come than a snapshot may live.
        drop(snapshot);
        let scope = bucket.scope(caller.tenant, chosen.mode);
        let limits = Limits { announced_bytes: request.size_bytes, bytes_max: PUT_BYTES_MAX };
        let ingested = inner.contents.ingest(&scope, body, &request.digests, None, limits).await?;
        let Ingested { staged, hashed } = ingested;
        inner.still_allowed(caller.tenant, &bucket, acl.as_ref())?;
        let commit = Commit {
            conditions: request.conditions,
            content: staged.content,
            etag: schemas::content::ETag { md5: hashed.md5, parts: 0 },
            checksums: hashed.checksums.clone(),
            chosen_checksum: hashed.chosen,
            metadata: request.metadata,
            owner,
            storage_class: request.storage_class,
            encryption: chosen.encryption,
            cause: request.cause,
            upload: None,
            parts: Vec::new(),
            source: None,
            tags: request.tags,
            lock: request.lock,
            acl,
        };
        let mut staged = staged;
        let changes = inner.stage_rows(caller, &mut staged).await?;
        let work = Request::of(caller).idempotent(request.command);
        let recorded = inner.commit_version(work, &bucket, request.key, commit, changes, staged).await?;
        let written = inner.written(&bucket, &recorded)?;
        if written.etag.md5 != hashed.md5 {
            return Err(Refusal::IdempotencyKeyReused.into());
        }
        Ok(written)
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`StoreError`]; damage found in the first bytes is an error here, later damage ends the stream.
    pub async fn get_object(&self, caller: &Caller, request: GetObject) -> Result<ObjectRead, StoreError> {
        read_again(|| self.get_once(caller, &request)).await
    }

    async fn get_once(&self, caller: &Caller, request: &GetObject) -> Result<ObjectRead, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let (opened, mode) = self.inner.open_object(snapshot.as_ref(), caller, request)?;
        let scope = opened.scope(caller.tenant, mode);
        let selected = self.inner.select(&snapshot, &scope, &opened, request).await?;
        let start = selected.range.map_or(0, |(first, _)| first);
        let range = start..start + selected.length_bytes;
        let body = self.inner.contents.read(snapshot, &scope, opened.content, range).await?;
        Ok(ObjectRead { info: opened.info, range: selected.range, length_bytes: selected.length_bytes, body })
    }

    /// The same without bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn head_object(&self, caller: &Caller, request: GetObject) -> Result<ObjectHead, StoreError> {
        let snapshot = self.inner.log.snapshot();
        let (opened, mode) = self.inner.open_object(snapshot.as_ref(), caller, &request)?;
        let scope = opened.scope(caller.tenant, mode);
        let selected = self.inner.select(&snapshot, &scope, &opened, &request).await?;
        Ok(ObjectHead { info: opened.info, range: selected.range, length_bytes: selected.length_bytes })
    }
}

impl Inner {
    /// Commits a version of a key under conditions, with the rows of its content.
    pub(crate) async fn commit_version(
        &self,
        request: Request,
        bucket: &Found,
        key: ObjectKey,
        commit: Commit,
        changes: event_log::Changes,
        staged: StagedContent,
    ) -> Result<Outcome, StoreError> {
        let tenant = request.tenant;
        let rows = situation::object_rows(tenant, bucket.id, &key);
        let bucket = bucket.clone();
        let decide: Decide = Box::new(move |rows, now| {
            // The command owns its content: a client that goes away must not unpin what is about to be named.
            let _held = &staged;
            let state = situation::object(rows, tenant, bucket.id, &key)?;
            let command = domain::object::Command::Commit { version: commit.clone(), now };
            let events = domain::object::decide(&state, command)?;
            let mut events = planned_object(rows, tenant, &bucket, &key, events)?;
            let write = Charged::Version { key: &key, size_bytes: commit.content.size_bytes, upload: None };
            events.extend(charge(rows, tenant, &bucket, write)?);
            Ok(Unit { events, changes: changes.clone() })
        });
        self.run(request.loading(rows), decide).await
    }

    /// The answer to a write, from its event.
    pub(crate) fn written(&self, bucket: &Found, recorded: &Outcome) -> Result<Written, StoreError> {
        let unexpected = || StoreError::Internal { what: "a commit made no version".to_owned() };
        let record = recorded.first().ok_or_else(unexpected)?;
        let body = record.body.as_ref().ok_or_else(unexpected)?;
        let Ok(Event::VersionCommitted(version)) = body.event(&record.header) else { return Err(unexpected()) };
        let id = VersionId::of(record.header.id(), version.null);
        Ok(Written {
            etag: version.etag,
            version: bucket.shown(id),
            position: record.header.position,
            modified: record.header.time,
            size_bytes: version.content.size_bytes,
            content: version.content,
            chosen_checksum: chosen(&version),
            expiry: body
                .object
                .as_ref()
                .and_then(|key| self.expiry_of_write(record.header.tenant, bucket, key, record.header.time, &version)),
            checksums: version.checksums,
            encryption: version.encryption,
        })
    }

    /// Finds the version that a read names, and what its event says of it; then judges the customer's key and the
    /// conditions. With it come the keys that open it.
    pub(crate) fn open_object(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        request: &GetObject,
    ) -> Result<(Opened, Mode), StoreError> {
        let what = (&request.bucket, &request.key, request.version);
        let bucket = self.enter_version(snapshot, caller, Action::GetObject, what)?;
        let version = self.find_version(snapshot, caller.tenant, &bucket, &request.key, request.version)?;
        let mut opened = self.open_version(snapshot, caller.tenant, bucket, &request.key, &version)?;
        if let Some(number) = request.part_number {
            // Before the key: how many parts there are is in the ETag, which listings show too.
            domain::read::check_part_number(number, opened.info.parts_count)?;
        }
        let mode = opening(&opened.committed.encryption, request.customer_key.as_ref())?;
        domain::read::check(&request.conditions, &representation(&opened.info))?;
        let (bucket, key) = (&opened.bucket, &request.key);
        if bucket.as_of.is_none() {
            opened.info.expiry =
                self.expiry_of_read(snapshot, caller.tenant, bucket, key, &version, request.version)?;
        } else {
            self.still_kept(snapshot, caller.tenant, bucket, key, &version)?;
        }
        self.hide(snapshot, caller, request, &mut opened.info);
        Ok((opened, mode))
    }

    /// Takes out of what is known of an object what the caller may not see. Most objects have none of it.
    pub(super) fn hide(&self, snapshot: &dyn Snapshot, caller: &Caller, request: &GetObject, info: &mut ObjectInfo) {
        let what = (&request.bucket, &request.key, request.version);
        let hidden = |action| self.enter_version(snapshot, caller, action, what).is_err();
        if info.tags_count > 0 && hidden(Action::GetObjectTagging) {
            info.tags_count = 0;
        }
        if info.retention.is_some() && hidden(Action::GetObjectRetention) {
            info.retention = None;
        }
        if info.legal_hold && hidden(Action::GetObjectLegalHold) {
            info.legal_hold = false;
        }
    }

    /// The current version of a key, or the one named.
    pub(crate) fn find_version(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Object, StoreError> {
        let named = named_version(rows, tenant, bucket, key, version)?;
        let versioned = bucket.row.versioning != Versioning::Unversioned;
        match (named, version) {
            (Some(Version::Object(object)), _) => Ok(object),
            (None, Some(_)) => Err(Refusal::NoSuchVersion.into()),
            (Some(marker), Some(version)) => {
                Err(Refusal::IsDeleteMarker { version, modified: marker.modified() }.into())
            }
            (marker, None) => {
                let marker = marker.filter(|_| versioned).map(|marker| marker.id());
                Err(Refusal::NoSuchKey { marker }.into())
            }
        }
    }

    /// What the event of a version says of it, with the tags that it has now.
    pub(crate) fn open_version(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: Found,
        key: &ObjectKey,
        object: &Object,
    ) -> Result<Opened, StoreError> {
        let event = object.made_by;
        let corrupt = |what| corrupt_event(tenant, event, what);
        let record = record(snapshot, tenant, event)?;
        let Some(body) = &record.body else { return Err(Refusal::Erased.into()) };
        let Ok(Event::VersionCommitted(mut committed)) = body.event(&record.header) else {
            return Err(corrupt("is not a version"));
        };
        if body.object.as_ref() != Some(key) {
            return Err(corrupt("is of another object"));
        }
        if object.details.tags.is_some() {
            committed.tags = self.tags_of(snapshot, tenant, object)?;
        }
        let info = ObjectInfo {
            key: key.clone(),
            size_bytes: committed.content.size_bytes,
            content: committed.content,
            etag: committed.etag,
            version: bucket.shown(object.id()),
            modified: object.modified,
            metadata: committed.metadata.clone(),
            checksums: committed.checksums.clone(),
            chosen_checksum: chosen(&committed),
            storage_class: committed.storage_class,
            encryption: committed.encryption.clone(),
            owner: committed.owner.clone(),
            parts_count: committed.etag.parts,
            parts: committed.parts.clone(),
            tags_count: committed.tags.len(),
            expiry: None,
            retention: object.details.retention,
            legal_hold: object.details.legal_hold,
        };
        let kept_in = match record.header.bucket {
            own if own == bucket.id => (own, bucket.row.key),
            other => {
                let base = query::bucket(snapshot, tenant, other).map_err(rows_error)?;
                (other, base.ok_or_else(|| corrupt("is of a bucket that is gone"))?.key)
            }
        };
        Ok(Opened { bucket, event, info, content: committed.content, committed, kept_in })
    }

    /// The bytes that a range or part number selects.
    async fn select(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        scope: &Scope,
        opened: &Opened,
        request: &GetObject,
    ) -> Result<Selected, StoreError> {
        let size_bytes = opened.content.size_bytes;
        if let Some(number) = request.part_number {
            return self.select_part(snapshot, scope, opened, number).await;
        }
        let range = match request.range {
            Some(range) => domain::read::resolve_range(range, size_bytes)?,
            None => None,
        };
        let length_bytes = range.map_or(size_bytes, |(first, last)| last - first + 1);
        Ok(Selected { range, length_bytes })
    }

    async fn select_part(
        &self,
        snapshot: &Arc<dyn Snapshot>,
        scope: &Scope,
        opened: &Opened,
        number: u16,
    ) -> Result<Selected, StoreError> {
        let size_bytes = opened.content.size_bytes;
        let parts = opened.info.parts_count;
        // An object that was not uploaded in parts is its own part 1.
        let range = if parts == 0 {
            0..size_bytes
        } else {
            let (contents, snapshot, content) = (self.contents.clone(), snapshot.clone(), opened.content);
            let scope = scope.clone();
            let found = tokio::task::spawn_blocking(move || contents.part_range(snapshot, &scope, &content, number));
            let found = found.await.map_err(|error| super::internal(&error))??;
            found.ok_or(Refusal::InvalidPartNumber { parts })?.range
        };
        let length_bytes = range.end - range.start;
        // A part without bytes has no range to name.
        let named = (length_bytes > 0).then(|| (range.start, range.end - 1));
        Ok(Selected { range: named, length_bytes })
    }
}

/// The current version of a key, or the one named. A delete marker is one too.
pub(super) fn named_version(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    key: &ObjectKey,
    version: Option<VersionId>,
) -> Result<Option<Version>, StoreError> {
    let layers = layers(rows, tenant, bucket)?;
    let found = match version {
        None => layers.latest(rows, key),
        Some(id) => layers.version(rows, key, id).map(|found| found.map(|found| found.version)),
    };
    found.map_err(rows_error)
}

/// What conditions of a read are held against.
pub(crate) fn representation(info: &ObjectInfo) -> Representation {
    Representation { etag: info.etag, modified: info.modified, version: info.version }
}

/// The checksum that the client chose.
fn chosen(version: &VersionCommitted) -> Option<Checksum> {
    version.checksums.get(usize::from(version.chosen_checksum?)).cloned()
}
