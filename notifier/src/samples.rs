//! Announcements to test with: every event of the golden samples, and every name that an event can have.

use std::sync::Arc;

use event_log::Recorded;
use schemas::announcement::LIFECYCLE_ACTOR;
use schemas::event::{
    Cause, DeleteMarkerCreated, Event, LogReopened, ObjectTagsSet, TaskFinished, VersionCommitted, VersionRemoved,
};
use schemas::record::{Actor, Body, Context, Header};
use schemas::{
    BucketId, BucketName, Epoch, EventId, KeyId, LeafHash, ObjectKey, Position, RequestId, SubscriptionId, TenantId,
    TenantName, Time,
};

use crate::translation::TestEvent;
use crate::{Announcement, Names, golden};

pub(crate) const EPOCH: Epoch = Epoch(2);

/// Knows one tenant and two buckets.
pub(crate) struct Known;

impl Names for Known {
    fn tenant(&self, tenant: TenantId) -> Option<TenantName> {
        (tenant == TenantId(7)).then(|| TenantName::parse("acme").expect("a name"))
    }

    fn bucket(&self, _tenant: TenantId, bucket: BucketId) -> Option<BucketName> {
        let name = match bucket {
            BucketId(5) => "photos.2024",
            BucketId(4) => "source",
            _ => return None,
        };
        Some(BucketName::parse(name).expect("a name"))
    }

    fn region(&self) -> Option<Arc<str>> {
        Some("eu-central-1".into())
    }
}

/// Knows nothing.
pub(crate) struct Nobody;

impl Names for Nobody {
    fn tenant(&self, _tenant: TenantId) -> Option<TenantName> {
        None
    }

    fn bucket(&self, _tenant: TenantId, _bucket: BucketId) -> Option<BucketName> {
        None
    }
}

pub(crate) fn context(actor: Actor) -> Context {
    let (_, body) = golden::records().into_iter().next().expect("a sample");
    Context { actor, ..body.context }
}

fn user() -> Actor {
    let (_, body) = golden::records().into_iter().next().expect("a sample");
    body.context.actor
}

/// Which events are about a key, and which stand in a bucket's chain.
fn place(event: &Event) -> (BucketId, Option<ObjectKey>) {
    let (bucket, key) = (BucketId(5), ObjectKey::parse("2024/sommer/rote möwe+.jpg").expect("a key"));
    match event.type_code() {
        40..=42 | 44..=52 => (bucket, Some(key)),
        30..=32 | 43 | 53 | 60..=70 => (bucket, None),
        _ => (BucketId::NONE, None),
    }
}

pub(crate) fn recorded(event: &Event, context: Context, position: u64) -> Recorded {
    let (bucket, key) = place(event);
    let header = Header {
        tenant: TenantId(7),
        epoch: EPOCH,
        position: Position(position),
        time: Time(1_700_000_000_123_456),
        prev: LeafHash([0; 32]),
        bucket,
        bucket_seq: 0,
        bucket_prev: LeafHash([0; 32]),
        event_type: event.type_code(),
        schema_version: event.schema_version(),
        key: KeyId(70),
        unit_length: 1,
        unit_index: 0,
    };
    Recorded { header, body: Some(Body::new(context, key, event)) }
}

pub(crate) fn read(recorded: &Recorded) -> Announcement {
    Announcement::read(recorded, &Known).expect("an event").expect("a body")
}

pub(crate) fn announced(event: impl Into<Event>) -> Announcement {
    read(&recorded(&event.into(), context(user()), 4_660))
}

pub(crate) fn announced_by(actor: Actor, event: impl Into<Event>) -> Announcement {
    read(&recorded(&event.into(), context(actor), 4_660))
}

/// Every sample; those of deletions by lifecycle rules too.
pub(crate) fn every() -> Vec<Announcement> {
    let lifecycle = || Actor::System(LIFECYCLE_ACTOR.to_owned());
    let mut all: Vec<_> = golden::events().into_iter().map(announced).collect();
    for event in golden::events() {
        if matches!(event, Event::VersionRemoved(_) | Event::DeleteMarkerCreated(_)) {
            all.push(announced_by(lifecycle(), event));
        }
    }
    all.push(announced_by(Actor::Anonymous, tagged()));
    all.push(announced_by(Actor::Admin("0123456789abcdef".to_owned()), tagged()));
    all
}

/// A version as the samples have most of, and the least.
pub(crate) fn committed(cause: Cause) -> VersionCommitted {
    let found = golden::events().into_iter().find_map(|event| match event {
        Event::VersionCommitted(made) if made.cause == cause => Some(made),
        _ => None,
    });
    found.expect("a sample")
}

pub(crate) fn removed() -> VersionRemoved {
    let version = schemas::VersionId::Event(event_id());
    VersionRemoved { version, made_by: event_id(), was_marker: false, size_bytes: 1_000 }
}

pub(crate) fn marker() -> DeleteMarkerCreated {
    DeleteMarkerCreated { null: false, owner: schemas::UserId::parse("ann").expect("a user") }
}

pub(crate) fn tagged() -> ObjectTagsSet {
    ObjectTagsSet { version: schemas::VersionId::Null, made_by: event_id(), tags: [].into() }
}

pub(crate) fn reopened() -> LogReopened {
    LogReopened { from: Some(event_id()), head: LeafHash([0; 32]), lost: None, reason: "restore".to_owned() }
}

pub(crate) fn finished() -> TaskFinished {
    TaskFinished { task: "ffeeddccbbaa99887766554433221100".to_owned(), error: None }
}

pub(crate) fn test_event(bucket: Option<&str>) -> TestEvent {
    TestEvent {
        tenant: TenantId(7),
        tenant_name: TenantName::parse("acme").ok(),
        bucket_name: bucket.map(|name| BucketName::parse(name).expect("a name")),
        subscription: SubscriptionId([7; 16]),
        time: Time(1_700_000_000_123_456),
        request: RequestId("01HF7YAT00000000000000000A".to_owned()),
        nonce: "0123abcd".to_owned(),
    }
}

fn event_id() -> EventId {
    EventId { epoch: EPOCH, position: Position(40) }
}
