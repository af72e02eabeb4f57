//! Our own shape: the event of the log as JSON. The change feed has it too.

use bytes::Bytes;
use schemas::record::Actor;
use schemas::{BucketName, ObjectKey, TenantName, VersionId};

use super::detail::Detail;
use super::json;
use super::shape::shapes;
use super::text::{EventRef, Moment, Text};
use crate::Announcement;

shapes! {
    /// One event.
    struct NativeEvent<'a> {
        /// Unique for ever; the same in every delivery and replay.
        id: EventRef,
        /// What kind of thing happened.
        r#type: &'static str,
        /// The tenant, by name.
        tenant: Option<&'a str>,
        /// Incarnation of the tenant's log.
        epoch: u32,
        /// Place in the tenant's log.
        position: u64,
        /// When it was decided.
        time: Moment,
        /// The bucket, by name, if it is about one.
        bucket: Option<&'a str>,
        /// The object's key, if it is about one.
        key: Option<&'a str>,
        /// The object's version, if it is about one that is not the null version.
        version_id: Option<Text<VersionId>>,
        /// On whose behalf.
        actor: ActorShape<'a>,
        /// Address that the request came from.
        source_address: Option<&'a str>,
        /// What the request is called in answers and logs.
        request_id: &'a str,
        /// The event that caused this one, if one did.
        causation: Option<EventRef>,
        /// What happened.
        detail: Detail<'a>,
    }

    /// On whose behalf something happened.
    struct ActorShape<'a> {
        /// `user`, `admin` (the operator, by a token), `system` (the server itself) or `anonymous`.
        r#type: &'static str,
        /// The user, the id of the token, or the name of the process.
        id: Option<&'a str>,
        /// The access key that the user came with.
        access_key: Option<&'a str>,
    }
}

pub(crate) fn body(announcement: &Announcement) -> Bytes {
    let (tenant, context) = (announcement.tenant, &announcement.context);
    json(&NativeEvent {
        id: EventRef(tenant, announcement.id),
        r#type: announcement.event_type.name,
        tenant: announcement.tenant_name.as_ref().map(TenantName::as_str),
        epoch: announcement.id.epoch.0,
        position: announcement.id.position.0,
        time: Moment(announcement.time),
        bucket: announcement.bucket_name.as_ref().map(BucketName::as_str),
        key: announcement.key.as_ref().map(ObjectKey::as_str),
        version_id: shown_version(announcement.version),
        actor: actor(&context.actor),
        source_address: context.source.as_deref(),
        request_id: &context.request.0,
        causation: context.causation.map(|cause| EventRef(tenant, cause)),
        detail: Detail::of(announcement),
    })
}

/// A version, unless it is the null version: what a bucket has that was never versioned.
pub(super) fn shown_version(version: Option<VersionId>) -> Option<Text<VersionId>> {
    version.filter(|version| *version != VersionId::Null).map(Text)
}

fn actor(actor: &Actor) -> ActorShape<'_> {
    match actor {
        Actor::User { user, access_key } => {
            ActorShape { r#type: "user", id: Some(user.as_str()), access_key: Some(access_key.as_str()) }
        }
        Actor::Admin(token) => ActorShape { r#type: "admin", id: Some(token), access_key: None },
        Actor::System(process) => ActorShape { r#type: "system", id: Some(process), access_key: None },
        Actor::Anonymous => ActorShape { r#type: "anonymous", id: None, access_key: None },
    }
}
