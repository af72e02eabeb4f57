//! What each event changes in the rows. Pure given the rows: the write path and a rebuild do the same.
//!
//! Owns: the fold of every event, counters, references.
//! Does not own: whether the event was allowed. An event about rows that are not there changes what it can and refuses
//! nothing: events before it may have been erased.
//!
//! Several events of one unit: apply them one after another, each over the rows as the one before left them.

mod content;
mod directory;
mod erasure;
mod history;
mod object;
mod quota;
mod signed_url;
mod upload;
mod webhook;

use event_log::{Changes, Recorded, Rows};
use schemas::event::{Event, EventError};
use schemas::record::Header;
use schemas::{BucketId, ObjectKey, Position, TenantId};

use crate::row::{self, Row, RowError, Usage};

/// Why an event was not folded. Core projections stop here; they never skip.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A row could not be read, or is malformed: rebuild the projections.
    #[error("event of tenant {tenant} at position {position} does not apply")]
    Row {
        /// Whose log.
        tenant: TenantId,
        /// Where.
        position: Position,
        /// Why.
        #[source]
        source: RowError,
    },
    /// A later version wrote the event, or its payload is malformed: run that version.
    #[error("event of tenant {tenant} at position {position} cannot be read")]
    Event {
        /// Whose log.
        tenant: TenantId,
        /// Where.
        position: Position,
        /// Why.
        #[source]
        source: EventError,
    },
    /// An event about an object does not name it.
    #[error("event of tenant {tenant} at position {position} names no object")]
    NoObject {
        /// Whose log.
        tenant: TenantId,
        /// Where.
        position: Position,
    },
}

/// What an event changes. An erased one changes nothing.
///
/// # Errors
/// An event that this version does not know, or rows that it did not write.
pub fn apply(rows: &dyn Rows, recorded: &Recorded) -> Result<Changes, ApplyError> {
    let Some(body) = &recorded.body else { return Ok(Changes::default()) };
    let header = &recorded.header;
    let (tenant, position) = (header.tenant, header.position);
    let event = body.event(header).map_err(|source| ApplyError::Event { tenant, position, source })?;
    apply_event(rows, header, body.object.as_ref(), &event)
}

/// The same for whoever has just written the event and need not decode it.
///
/// # Errors
/// As [`apply`].
pub fn apply_event(
    rows: &dyn Rows,
    header: &Header,
    object: Option<&ObjectKey>,
    event: &Event,
) -> Result<Changes, ApplyError> {
    let (tenant, position) = (header.tenant, header.position);
    let object = || object.ok_or(ApplyError::NoObject { tenant, position });
    let mut fold = Fold::new(rows, header);
    let folded = match event {
        Event::LogReopened(_)
        | Event::LogSealed(_)
        | Event::CheckpointPublished(_)
        | Event::QuotaThresholdReached(_)
        | Event::ErasureCompleted(_) => Ok(()),
        Event::KeyDestroyed(event) => fold.key_destroyed(event),
        Event::ClockTicked(event) => fold.clock_ticked(event),
        Event::InstallationCreated(event) => fold.installation_created(event),
        Event::TaskStarted(event) => fold.task_started(event),
        Event::TaskProgressed(event) => fold.task_progressed(event),
        Event::TaskFinished(event) => fold.task_finished(event),
        Event::TenantCreated(event) => fold.tenant_created(event),
        Event::TenantDisabled(event) => fold.tenant_disabled(event.tenant, Some(&event.reason)),
        Event::TenantEnabled(event) => fold.tenant_disabled(event.tenant, None),
        Event::TenantDeleted(event) => fold.tenant_deleted(event),
        Event::AdminTokenCreated(event) => fold.admin_token_created(event),
        Event::AdminTokenRevoked(event) => fold.admin_token_revoked(event),
        Event::UserCreated(event) => fold.user_created(event),
        Event::UserDeleted(event) => fold.user_deleted(event),
        Event::AccessKeyCreated(event) => fold.access_key_created(event),
        Event::AccessKeyRevoked(event) => fold.access_key_revoked(event),
        Event::AccessKeyStatusSet(event) => fold.access_key_status_set(event),
        Event::AccessKeyRotated(event) => fold.access_key_rotated(event),
        Event::ApiKeyCreated(event) => fold.api_key_created(event),
        Event::ApiKeyRotated(event) => fold.api_key_rotated(event),
        Event::BucketCreated(event) => fold.bucket_created(event),
        Event::BucketDeleted(event) => fold.bucket_deleted(event),
        Event::VersioningSet(event) => fold.versioning_set(event),
        Event::VersionCommitted(event) => fold.version_committed(object()?, event),
        Event::DeleteMarkerCreated(event) => fold.delete_marker_created(object()?, event),
        Event::VersionRemoved(event) => fold.version_removed(object()?, event),
        Event::ContentReleased(event) => fold.content_released(event),
        Event::UploadCreated(event) => fold.upload_created(object()?, event),
        Event::PartStaged(event) => fold.part_staged(event),
        Event::UploadAborted(event) => fold.upload_ended(event.upload, row::UploadState::Aborted),
        Event::PartsCleared(event) => fold.parts_cleared(event),
        Event::ObjectTagsSet(event) => {
            let tags = fold.header.id();
            fold.amended(object()?, event.made_by, |details| details.tags = Some(tags))
        }
        Event::RetentionSet(event) => {
            fold.amended(object()?, event.made_by, |details| details.retention = event.retention)
        }
        Event::LegalHoldSet(event) => fold.amended(object()?, event.made_by, |details| details.legal_hold = event.on),
        Event::BucketObjectLockSet(event) => fold.bucket_object_lock_set(event),
        Event::ObjectAclSet(set) => {
            let acl = set.acl.as_ref().map(|_| fold.header.id());
            fold.amended(object()?, set.made_by, |details| details.acl = acl)
        }
        Event::BucketTaggingSet(_)
        | Event::BucketCorsSet(_)
        | Event::BucketNotificationSet(_)
        | Event::BucketLoggingSet(_)
        | Event::BucketEncryptionSet(_)
        | Event::BucketAclSet(_)
        | Event::BucketLifecycleSet(_)
        | Event::BucketPolicySet(_)
        | Event::BucketPublicAccessBlockSet(_) => fold.bucket_setting_set(event),
        Event::BucketHistorySet(event) => fold.bucket_history_set(event),
        Event::SnapshotCreated(event) => {
            fold.snapshot_created(event);
            Ok(())
        }
        Event::SnapshotDeleted(event) => {
            fold.snapshot_deleted(event);
            Ok(())
        }
        Event::KeyInherited(event) => fold.key_inherited(object()?, event),
        Event::BucketOwnershipSet(event) => fold.bucket_ownership_set(event),
        Event::QuotaSet(event) => fold.quota_set(event),
        Event::UrlSigned(event) => fold.url_signed(event),
        Event::SignedUrlRevoked(event) => fold.signed_url_revoked(event),
        Event::WebhookSet(event) => fold.webhook_set(event),
        Event::WebhookDeleted(event) => fold.webhook_deleted(event),
    };
    folded.and_then(|()| fold.count()).map(|()| fold.changes).map_err(|source| ApplyError::Row {
        tenant,
        position,
        source,
    })
}

/// One event on its way into rows.
struct Fold<'a> {
    rows: &'a dyn Rows,
    header: &'a Header,
    tenant: TenantId,
    /// Bucket that the event concerns, and whose counters `delta` changes beside the tenant's.
    bucket: BucketId,
    changes: Changes,
    delta: Delta,
}

/// Differences to counters. Wide enough that no sum of u64 overflows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Delta {
    objects: i128,
    versions: i128,
    logical_bytes: i128,
    uploads: i128,
    multipart_bytes: i128,
    buckets: i128,
}

impl<'a> Fold<'a> {
    fn new(rows: &'a dyn Rows, header: &'a Header) -> Self {
        let (tenant, bucket) = (header.tenant, header.bucket);
        Self { rows, header, tenant, bucket, changes: Changes::default(), delta: Delta::default() }
    }

    fn get<R: Row>(&self, key: &[u8]) -> Result<Option<R>, RowError> {
        row::get(self.rows, key)
    }

    fn put<R: Row>(&mut self, key: Vec<u8>, row: &R) {
        row::put(&mut self.changes, key, row);
    }

    fn remove<R: Row>(&mut self, key: Vec<u8>) {
        row::remove::<R>(&mut self.changes, key);
    }

    /// Counters of the bucket before this event.
    fn usage(&self) -> Result<Usage, RowError> {
        Ok(self.get(&Usage::key(self.tenant, self.bucket))?.unwrap_or_default())
    }

    /// Notes that this event changed an object.
    fn changed(&mut self, key: &ObjectKey) {
        let row_key = row::ObjectChange::key(self.tenant, self.bucket, self.header.position);
        self.put(row_key, &row::ObjectChange(key.clone()));
    }

    /// Writes the counters, once an event.
    fn count(&mut self) -> Result<(), RowError> {
        if self.delta == Delta::default() {
            return Ok(());
        }
        if self.bucket != BucketId::NONE {
            let usage = self.usage()?;
            // A bucket does not count itself.
            let counted = Usage { buckets: 0, ..self.delta.added_to(usage) };
            if counted != usage {
                self.put_usage(self.bucket, &counted);
            }
        }
        let usage = self.get(&Usage::key(self.tenant, BucketId::NONE))?.unwrap_or_default();
        let counted = self.delta.added_to(usage);
        self.put_usage(BucketId::NONE, &counted);
        Ok(())
    }

    fn put_usage(&mut self, bucket: BucketId, usage: &Usage) {
        let key = Usage::key(self.tenant, bucket);
        if *usage == Usage::default() { self.remove::<Usage>(key) } else { self.put(key, usage) }
    }
}

impl Delta {
    fn added_to(&self, usage: Usage) -> Usage {
        // Below zero only in a log with erased events: counters are then floors, and nothing panics.
        let add = |count: u64, delta: i128| u64::try_from((i128::from(count) + delta).max(0)).unwrap_or(u64::MAX);
        Usage {
            objects: add(usage.objects, self.objects),
            versions: add(usage.versions, self.versions),
            logical_bytes: add(usage.logical_bytes, self.logical_bytes),
            uploads: add(usage.uploads, self.uploads),
            multipart_bytes: add(usage.multipart_bytes, self.multipart_bytes),
            buckets: add(usage.buckets, self.buckets),
        }
    }
}
