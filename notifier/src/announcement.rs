//! An event of the log as it is told: what filters look at, and the bodies that subscribers get.
//!
//! Owns: what an event is called outside, where it belongs, each body once for all subscriptions.
//! Does not own: the shapes of bodies ([`crate::translation`]), who is told ([`crate::filter`]), delivery.
//! Invariant: the ids are for ever. The same event has the same one in every delivery, replay and page of the feed.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use event_log::Recorded;
use schemas::announcement::{EVENT_TYPES, EventType, name_of};
use schemas::content::ETag;
use schemas::event::{Event, EventError};
use schemas::record::Context;
use schemas::subscription::PayloadFormat;
use schemas::{BucketId, BucketName, EventId, ObjectKey, TenantId, TenantName, Time, VersionId};

use crate::translation::{self, cloudevents, native, s3};

/// Who knows what tenants and buckets are called: those that are gone too, because the log still tells of them.
pub trait Names: Send + Sync {
    /// A tenant's name.
    fn tenant(&self, tenant: TenantId) -> Option<TenantName>;

    /// A bucket's name, also after it was deleted.
    fn bucket(&self, tenant: TenantId, bucket: BucketId) -> Option<BucketName>;

    /// The region that bodies in AWS's shape name; none for an empty one.
    fn region(&self) -> Option<Arc<str>> {
        None
    }
}

/// An event of the log as it is told.
#[derive(Clone)]
pub(crate) struct Announcement {
    /// Whose log.
    pub tenant: TenantId,
    /// What the tenant is called, if it is known.
    pub tenant_name: Option<TenantName>,
    /// Where the event stands.
    pub id: EventId,
    /// When it was decided.
    pub time: Time,
    /// What it is called outside.
    pub event_type: &'static EventType,
    /// Bucket concerned, or [`BucketId::NONE`].
    pub bucket: BucketId,
    /// What it is called. An event about signed addresses has it without an id.
    pub bucket_name: Option<BucketName>,
    /// Object concerned, if one is.
    pub key: Option<ObjectKey>,
    /// Version concerned, if one is.
    pub version: Option<VersionId>,
    /// Entity tag of a new version.
    pub etag: Option<ETag>,
    /// Plaintext bytes of a version that was made or removed.
    pub size_bytes: Option<u64>,
    /// Circumstances.
    pub context: Context,
    /// What happened.
    pub event: Event,
    pub(crate) region: Option<Arc<str>>,
    /// Name of the bucket that a version was copied from.
    pub(crate) source_bucket: Option<BucketName>,
    /// Of `event_type` in the catalogue.
    pub(crate) type_index: usize,
    cloudevents: OnceLock<Bytes>,
    native: OnceLock<Bytes>,
}

impl Announcement {
    /// Reads a record of the log. None of one whose body was erased: nobody knows any more what to tell.
    ///
    /// # Errors
    /// An event that this version does not know, or that does not have its shape.
    pub(crate) fn read(recorded: &Recorded, names: &dyn Names) -> Result<Option<Self>, EventError> {
        let Some(body) = &recorded.body else { return Ok(None) };
        let header = &recorded.header;
        let (tenant, id) = (header.tenant, header.id());
        let event = body.event(header)?;
        let name = name_of(&event, &body.context.actor);
        let type_index = EVENT_TYPES
            .iter()
            .position(|known| known.name == name)
            .expect("every event's name is in the catalogue, which a test holds");
        let place = Place::of(&event, header.bucket, body.object.as_ref(), |bucket| names.bucket(tenant, bucket));
        let (version, etag, size_bytes) = version_of(&event, id);
        let source_bucket = match &event {
            Event::VersionCommitted(made) => {
                made.source.as_ref().and_then(|source| names.bucket(tenant, source.bucket))
            }
            _ => None,
        };
        Ok(Some(Self {
            tenant,
            tenant_name: names.tenant(tenant),
            id,
            time: header.time,
            event_type: &EVENT_TYPES[type_index],
            bucket: place.bucket,
            bucket_name: place.name,
            key: place.key,
            version,
            etag,
            size_bytes,
            context: body.context.clone(),
            event,
            region: names.region(),
            source_bucket,
            type_index,
            cloudevents: OnceLock::new(),
            native: OnceLock::new(),
        }))
    }

    /// `evt_<tenant>_<epoch>_<position>`: what it is called in `webhook-id` and in every body. The tenant stands there as a
    /// number, which it keeps whatever it is called.
    pub(crate) fn webhook_id(&self) -> String {
        translation::event_text(self.tenant, self.id)
    }

    /// What a subscriber gets. `rule` is what the subscription is called in its bucket's configuration: AWS's shape has it,
    /// and is made anew every time for it. The others are made once.
    pub(crate) fn body(&self, format: PayloadFormat, rule: Option<&str>) -> Bytes {
        match format {
            PayloadFormat::S3 => s3::body(self, rule),
            PayloadFormat::CloudEvents => self.cloudevents.get_or_init(|| cloudevents::body(self)).clone(),
            PayloadFormat::Native => self.native.get_or_init(|| native::body(self)).clone(),
        }
    }
}

/// Names of objects and what requests said stay out of logs.
impl fmt::Debug for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcement")
            .field("id", &self.webhook_id())
            .field("event_type", &self.event_type.name)
            .finish_non_exhaustive()
    }
}

/// Where an event belongs.
struct Place {
    bucket: BucketId,
    name: Option<BucketName>,
    key: Option<ObjectKey>,
}

impl Place {
    fn of(
        event: &Event,
        bucket: BucketId,
        key: Option<&ObjectKey>,
        name: impl Fn(BucketId) -> Option<BucketName>,
    ) -> Self {
        let known = |bucket: BucketId| if bucket == BucketId::NONE { None } else { name(bucket) };
        match event {
            // They say their name themselves: it may be nowhere yet, or nowhere any more.
            Event::BucketCreated(created) => Self { bucket, name: Some(created.name.clone()), key: None },
            Event::BucketDeleted(deleted) => Self { bucket, name: Some(deleted.name.clone()), key: None },
            // A write that crosses a threshold of the tenant's quota stands under its bucket in the log: what it says is
            // about the tenant nevertheless.
            Event::QuotaSet(set) => Self::of_quota(set.bucket, known),
            Event::QuotaThresholdReached(reached) => Self::of_quota(reached.bucket, known),
            Event::UrlSigned(signed) => Self { bucket, name: Some(signed.bucket.clone()), key: None },
            _ => Self { bucket, name: known(bucket), key: key.cloned() },
        }
    }

    fn of_quota(bucket: Option<BucketId>, name: impl Fn(BucketId) -> Option<BucketName>) -> Self {
        let bucket = bucket.unwrap_or(BucketId::NONE);
        Self { bucket, name: name(bucket), key: None }
    }
}

/// The version that an event is about, the entity tag of a new one, and the size that filters look at.
fn version_of(event: &Event, id: EventId) -> (Option<VersionId>, Option<ETag>, Option<u64>) {
    match event {
        Event::VersionCommitted(made) => {
            (Some(VersionId::of(id, made.null)), Some(made.etag), Some(made.content.size_bytes))
        }
        Event::DeleteMarkerCreated(marker) => (Some(VersionId::of(id, marker.null)), None, None),
        Event::VersionRemoved(removed) => (Some(removed.version), None, Some(removed.size_bytes)),
        Event::ObjectTagsSet(set) => (Some(set.version), None, None),
        Event::ObjectAclSet(set) => (Some(set.version), None, None),
        Event::RetentionSet(set) => (Some(set.version), None, None),
        Event::LegalHoldSet(set) => (Some(set.version), None, None),
        _ => (None, None, None),
    }
}
