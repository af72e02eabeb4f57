//! `CloudEvents` 1.0 as JSON.
//!
//! Owns: the envelope and the names of types in it. Does not own: `data`, which is the native shape's `detail`.

use bytes::Bytes;
use schemas::announcement::EVENT_TYPES;

use super::detail::Detail;
use super::shape::shapes;
use super::text::{Moment, event_text};
use super::{json, named_bucket, named_tenant};
use crate::Announcement;

shapes! {
    /// One event.
    struct CloudEvent<'a> {
        /// Version of the CloudEvents specification: `1.0`.
        specversion: &'static str,
        /// What kind of thing happened. The version behind it changes when a field of `data` changes its meaning or goes.
        r#type: &'a str,
        /// Where: `/tenants/<tenant>` or `/tenants/<tenant>/buckets/<bucket>`. One whose name nobody knows any more is called
        /// by its number, behind `@`.
        source: String,
        /// Unique for ever; the same in every delivery and replay.
        id: String,
        /// When it was decided.
        time: Moment,
        /// The object's key, if it is about one.
        subject: Option<&'a str>,
        /// What `data` is: `application/json`.
        datacontenttype: &'static str,
        /// The place in the tenant's log as 20 decimal digits: text order is the order in which things happened.
        sequence: String,
        /// What happened.
        data: Detail<'a>,
    }
}

pub(crate) fn body(announcement: &Announcement) -> Bytes {
    json(&CloudEvent {
        specversion: "1.0",
        r#type: TYPES[announcement.type_index].1,
        source: source(&named_tenant(announcement), named_bucket(announcement).as_deref()),
        id: event_text(announcement.tenant, announcement.id),
        time: Moment(announcement.time),
        subject: announcement.key.as_ref().map(schemas::ObjectKey::as_str),
        datacontenttype: "application/json",
        sequence: format!("{:020}", announcement.id.position.0),
        data: Detail::of(announcement),
    })
}

/// Names have nothing that a path would have to escape.
pub(super) fn source(tenant: &str, bucket: Option<&str>) -> String {
    match bucket {
        Some(bucket) => format!("/tenants/{tenant}/buckets/{bucket}"),
        None => format!("/tenants/{tenant}"),
    }
}

/// What a type is called in `CloudEvents`; none of one that the catalogue does not have.
#[cfg(test)]
pub(crate) fn cloud_type(event_type: &str) -> Option<&'static str> {
    TYPES.iter().find(|(name, _)| *name == event_type).map(|(_, cloud)| *cloud)
}

/// In the order of the catalogue. A name is a promise: it is never given to anything else. Whatever makes a version has one
/// name, because receivers care that there is one; which request it was stands in `data`.
const TYPES: [(&str, &str); EVENT_TYPES.len()] = [
    ("s3:ObjectCreated:Put", "io.holdfast.object.created.v1"),
    ("s3:ObjectCreated:Post", "io.holdfast.object.created.v1"),
    ("s3:ObjectCreated:Copy", "io.holdfast.object.created.v1"),
    ("s3:ObjectCreated:CompleteMultipartUpload", "io.holdfast.object.created.v1"),
    ("s3:ObjectRestore:Completed", "io.holdfast.object.restored.v1"),
    ("s3:ObjectRemoved:Delete", "io.holdfast.object.removed.v1"),
    ("s3:ObjectRemoved:DeleteMarkerCreated", "io.holdfast.object.deletemarker.created.v1"),
    ("s3:ObjectTagging:Put", "io.holdfast.object.tagging.set.v1"),
    ("s3:ObjectTagging:Delete", "io.holdfast.object.tagging.removed.v1"),
    ("s3:ObjectAcl:Put", "io.holdfast.object.acl.set.v1"),
    ("s3:LifecycleExpiration:Delete", "io.holdfast.object.expired.removed.v1"),
    ("s3:LifecycleExpiration:DeleteMarkerCreated", "io.holdfast.object.expired.deletemarker.created.v1"),
    ("holdfast:Retention:Set", "io.holdfast.object.retention.set.v1"),
    ("holdfast:Retention:Removed", "io.holdfast.object.retention.removed.v1"),
    ("holdfast:LegalHold:On", "io.holdfast.object.legalhold.on.v1"),
    ("holdfast:LegalHold:Off", "io.holdfast.object.legalhold.off.v1"),
    ("holdfast:Bucket:Created", "io.holdfast.bucket.created.v1"),
    ("holdfast:Bucket:Deleted", "io.holdfast.bucket.deleted.v1"),
    ("holdfast:Bucket:VersioningSet", "io.holdfast.bucket.versioning.set.v1"),
    ("holdfast:Bucket:TaggingSet", "io.holdfast.bucket.tagging.set.v1"),
    ("holdfast:Bucket:CorsSet", "io.holdfast.bucket.cors.set.v1"),
    ("holdfast:Bucket:LifecycleSet", "io.holdfast.bucket.lifecycle.set.v1"),
    ("holdfast:Bucket:PolicySet", "io.holdfast.bucket.policy.set.v1"),
    ("holdfast:Bucket:AclSet", "io.holdfast.bucket.acl.set.v1"),
    ("holdfast:Bucket:OwnershipSet", "io.holdfast.bucket.ownership.set.v1"),
    ("holdfast:Bucket:PublicAccessBlockSet", "io.holdfast.bucket.publicaccessblock.set.v1"),
    ("holdfast:Bucket:EncryptionSet", "io.holdfast.bucket.encryption.set.v1"),
    ("holdfast:Bucket:ObjectLockSet", "io.holdfast.bucket.objectlock.set.v1"),
    ("holdfast:Bucket:NotificationSet", "io.holdfast.bucket.notification.set.v1"),
    ("holdfast:Bucket:LoggingSet", "io.holdfast.bucket.logging.set.v1"),
    ("holdfast:Bucket:HistorySet", "io.holdfast.bucket.history.set.v1"),
    ("holdfast:Snapshot:Created", "io.holdfast.snapshot.created.v1"),
    ("holdfast:Snapshot:Deleted", "io.holdfast.snapshot.deleted.v1"),
    ("holdfast:Fork:KeyInherited", "io.holdfast.fork.key.inherited.v1"),
    ("holdfast:Quota:Set", "io.holdfast.quota.set.v1"),
    ("holdfast:Quota:ThresholdCrossed", "io.holdfast.quota.threshold.crossed.v1"),
    ("holdfast:Upload:Created", "io.holdfast.upload.created.v1"),
    ("holdfast:Upload:Aborted", "io.holdfast.upload.aborted.v1"),
    ("holdfast:Upload:PartStaged", "io.holdfast.upload.part.staged.v1"),
    ("holdfast:Upload:PartsCleared", "io.holdfast.upload.parts.cleared.v1"),
    ("holdfast:User:Created", "io.holdfast.user.created.v1"),
    ("holdfast:User:Deleted", "io.holdfast.user.deleted.v1"),
    ("holdfast:AccessKey:Created", "io.holdfast.accesskey.created.v1"),
    ("holdfast:AccessKey:Revoked", "io.holdfast.accesskey.revoked.v1"),
    ("holdfast:AccessKey:StatusSet", "io.holdfast.accesskey.status.set.v1"),
    ("holdfast:AccessKey:Rotated", "io.holdfast.accesskey.rotated.v1"),
    ("holdfast:ApiKey:Created", "io.holdfast.apikey.created.v1"),
    ("holdfast:ApiKey:Rotated", "io.holdfast.apikey.rotated.v1"),
    ("holdfast:SignedUrl:Created", "io.holdfast.signedurl.created.v1"),
    ("holdfast:SignedUrl:Revoked", "io.holdfast.signedurl.revoked.v1"),
    ("holdfast:Webhook:Created", "io.holdfast.webhook.created.v1"),
    ("holdfast:Webhook:Updated", "io.holdfast.webhook.updated.v1"),
    ("holdfast:Webhook:SecretRotated", "io.holdfast.webhook.secret.rotated.v1"),
    ("holdfast:Webhook:Stopped", "io.holdfast.webhook.stopped.v1"),
    ("holdfast:Webhook:Deleted", "io.holdfast.webhook.deleted.v1"),
    ("holdfast:Task:Started", "io.holdfast.task.started.v1"),
    ("holdfast:Task:Progressed", "io.holdfast.task.progressed.v1"),
    ("holdfast:Task:Finished", "io.holdfast.task.finished.v1"),
    ("holdfast:Erasure:KeyDestroyed", "io.holdfast.erasure.keydestroyed.v1"),
    ("holdfast:Erasure:Completed", "io.holdfast.erasure.completed.v1"),
    ("holdfast:Content:Released", "io.holdfast.content.released.v1"),
    ("holdfast:Log:Reopened", "io.holdfast.log.reopened.v1"),
    ("holdfast:Log:Sealed", "io.holdfast.log.sealed.v1"),
    ("holdfast:Log:Checkpoint", "io.holdfast.log.checkpoint.v1"),
    ("holdfast:Clock:Ticked", "io.holdfast.clock.ticked.v1"),
    ("holdfast:Installation:Created", "io.holdfast.installation.created.v1"),
    ("holdfast:Tenant:Created", "io.holdfast.tenant.created.v1"),
    ("holdfast:Tenant:Disabled", "io.holdfast.tenant.disabled.v1"),
    ("holdfast:Tenant:Enabled", "io.holdfast.tenant.enabled.v1"),
    ("holdfast:Tenant:Deleted", "io.holdfast.tenant.deleted.v1"),
    ("holdfast:AdminToken:Created", "io.holdfast.admintoken.created.v1"),
    ("holdfast:AdminToken:Revoked", "io.holdfast.admintoken.revoked.v1"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_stand_as_in_the_catalogue() {
        for ((name, _), known) in TYPES.iter().zip(EVENT_TYPES) {
            assert_eq!(*name, known.name);
        }
    }

    #[test]
    fn names_of_types() {
        let rows: Vec<_> = TYPES.iter().map(|(name, cloud)| format!("{name} = {cloud}")).collect();
        insta::assert_snapshot!(rows.join("\n"));
    }
}
