//! What events are called outside: the catalogue of types that subscriptions name and payloads carry.
//!
//! Owns: the names, which of them are announced, what a pattern covers.
//! Does not own: payloads (notifier), which patterns may be asked for (domain).
//! Invariant: a name is a promise. It is never given to another event, and never taken away.

use crate::event::{Cause, Event};
use crate::record::Actor;

/// Name of the standing process whose deletions are announced as expirations.
pub const LIFECYCLE_ACTOR: &str = "lifecycle";

/// A type of event, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// Its name.
    pub name: &'static str,
    /// What happened.
    pub about: &'static str,
    /// Whether subscriptions are told of it. What is not announced stands in the change feed alone.
    pub announced: bool,
}

macro_rules! types {
    ($($announced:ident $name:literal $about:literal,)*) => {
        /// Every type of event, in the order of the catalogue.
        pub const EVENT_TYPES: &[EventType] = &[
            $(EventType { name: $name, about: $about, announced: types!(@ $announced) },)*
        ];
    };
    (@ told) => { true };
    (@ kept) => { false };
}

types! {
    told "s3:ObjectCreated:Put" "An object's new version was put.",
    told "s3:ObjectCreated:Post" "It came by a form.",
    told "s3:ObjectCreated:Copy" "It is a copy.",
    told "s3:ObjectCreated:CompleteMultipartUpload" "It was put together from parts.",
    told "s3:ObjectRestore:Completed" "It is an earlier version again: a restore or an undo made it so.",
    told "s3:ObjectRemoved:Delete" "A version was removed for good.",
    told "s3:ObjectRemoved:DeleteMarkerCreated" "A delete marker became current.",
    told "s3:ObjectTagging:Put" "A version's tags were set.",
    told "s3:ObjectTagging:Delete" "A version's tags were removed.",
    told "s3:ObjectAcl:Put" "A version's access control list was set.",
    told "s3:LifecycleExpiration:Delete" "A lifecycle rule removed a version for good.",
    told "s3:LifecycleExpiration:DeleteMarkerCreated" "A lifecycle rule hid an object behind a delete marker.",
    told "holdfast:Retention:Set" "A version's retention was set, prolonged or shortened.",
    told "holdfast:Retention:Removed" "A version's retention was taken off.",
    told "holdfast:LegalHold:On" "A legal hold was put on a version.",
    told "holdfast:LegalHold:Off" "A legal hold was taken off a version.",
    told "holdfast:Bucket:Created" "A bucket was created.",
    told "holdfast:Bucket:Deleted" "An empty bucket was deleted.",
    told "holdfast:Bucket:VersioningSet" "A bucket's versioning was enabled or suspended.",
    told "holdfast:Bucket:TaggingSet" "A bucket's tags were replaced or removed.",
    told "holdfast:Bucket:CorsSet" "A bucket's CORS rules were replaced or removed.",
    told "holdfast:Bucket:LifecycleSet" "A bucket's lifecycle rules were replaced or removed.",
    told "holdfast:Bucket:PolicySet" "A bucket's policy was replaced or removed.",
    told "holdfast:Bucket:AclSet" "A bucket's access control list was replaced.",
    told "holdfast:Bucket:OwnershipSet" "A bucket's ownership controls were set or removed.",
    told "holdfast:Bucket:PublicAccessBlockSet" "What public access of a bucket is blocked was set or removed.",
    told "holdfast:Bucket:EncryptionSet" "A bucket's default encryption was set or removed.",
    told "holdfast:Bucket:ObjectLockSet" "A bucket's object lock configuration was set.",
    told "holdfast:Bucket:NotificationSet" "A bucket's notification configuration was replaced or removed.",
    told "holdfast:Bucket:LoggingSet" "A bucket's access log was sent somewhere, or ended.",
    told "holdfast:Bucket:HistorySet" "How long a bucket's past content is kept was set.",
    told "holdfast:Snapshot:Created" "A point of a bucket's past got a name.",
    told "holdfast:Snapshot:Deleted" "A snapshot was deleted.",
    kept "holdfast:Fork:KeyInherited" "A fork's key that came from its base stands on its own.",
    told "holdfast:Quota:Set" "A quota of the tenant or of a bucket was set or removed.",
    told "holdfast:Quota:ThresholdCrossed" "A write brought what is held to a share of a quota.",
    told "holdfast:Upload:Created" "A multipart upload began.",
    told "holdfast:Upload:Aborted" "A multipart upload was given up.",
    kept "holdfast:Upload:PartStaged" "A part of an upload was stored.",
    kept "holdfast:Upload:PartsCleared" "Parts of an upload that has ended were forgotten.",
    told "holdfast:User:Created" "A user was created.",
    told "holdfast:User:Deleted" "A user was deleted, and its keys stopped working.",
    told "holdfast:AccessKey:Created" "An access key was made.",
    told "holdfast:AccessKey:Revoked" "An access key was revoked.",
    told "holdfast:AccessKey:StatusSet" "An access key was disabled or enabled.",
    told "holdfast:AccessKey:Rotated" "An access key got another secret.",
    told "holdfast:ApiKey:Created" "An API key was made.",
    told "holdfast:ApiKey:Rotated" "An API key got another secret.",
    told "holdfast:SignedUrl:Created" "Addresses were signed.",
    told "holdfast:SignedUrl:Revoked" "Signed addresses stopped working.",
    told "holdfast:Webhook:Created" "A webhook was made.",
    told "holdfast:Webhook:Updated" "A webhook was changed, paused or resumed.",
    told "holdfast:Webhook:SecretRotated" "A webhook got another secret.",
    told "holdfast:Webhook:Stopped" "A webhook is told nothing any more: retries ran out, or the receiver is gone.",
    told "holdfast:Webhook:Deleted" "A webhook was deleted.",
    told "holdfast:Task:Started" "Work larger than one commit began.",
    kept "holdfast:Task:Progressed" "It got so far.",
    told "holdfast:Task:Finished" "It ended.",
    told "holdfast:Erasure:KeyDestroyed" "A bucket's or tenant's key was destroyed: what it sealed is erased.",
    told "holdfast:Erasure:Completed" "An erasure came to its end: its certificate.",
    kept "holdfast:Content:Released" "Content that nothing can show any more was given up.",
    told "holdfast:Log:Reopened" "The log began a new epoch. Every subscription is told, whatever it filters.",
    kept "holdfast:Log:Sealed" "A commitment to everything before.",
    told "holdfast:Log:Checkpoint" "A checkpoint that covers further events was signed.",
    kept "holdfast:Clock:Ticked" "The installation's clock (system log).",
    kept "holdfast:Installation:Created" "The installation was made (system log).",
    kept "holdfast:Tenant:Created" "A tenant was created (system log).",
    kept "holdfast:Tenant:Disabled" "A tenant was disabled (system log).",
    kept "holdfast:Tenant:Enabled" "A tenant was enabled (system log).",
    kept "holdfast:Tenant:Deleted" "A tenant was deleted (system log).",
    kept "holdfast:AdminToken:Created" "An admin token was made (system log).",
    kept "holdfast:AdminToken:Revoked" "An admin token was revoked (system log).",
}

/// The one that every subscription is told.
pub const LOG_REOPENED: &str = "holdfast:Log:Reopened";

/// The type of a name.
#[must_use]
pub fn event_type(name: &str) -> Option<&'static EventType> {
    EVENT_TYPES.iter().find(|known| known.name == name)
}

/// What an event is called.
#[must_use]
pub fn name_of(event: &Event, actor: &Actor) -> &'static str {
    use crate::event::WebhookChange;
    let expired = matches!(actor, Actor::System(name) if name == LIFECYCLE_ACTOR);
    match event {
        Event::VersionCommitted(committed) => match committed.cause {
            Cause::Put => "s3:ObjectCreated:Put",
            Cause::Post => "s3:ObjectCreated:Post",
            Cause::Copy => "s3:ObjectCreated:Copy",
            Cause::CompleteMultipartUpload => "s3:ObjectCreated:CompleteMultipartUpload",
            Cause::Restore => "s3:ObjectRestore:Completed",
        },
        Event::VersionRemoved(_) if expired => "s3:LifecycleExpiration:Delete",
        Event::VersionRemoved(_) => "s3:ObjectRemoved:Delete",
        Event::DeleteMarkerCreated(_) if expired => "s3:LifecycleExpiration:DeleteMarkerCreated",
        Event::DeleteMarkerCreated(_) => "s3:ObjectRemoved:DeleteMarkerCreated",
        Event::ObjectTagsSet(set) if set.tags.is_empty() => "s3:ObjectTagging:Delete",
        Event::ObjectTagsSet(_) => "s3:ObjectTagging:Put",
        Event::ObjectAclSet(_) => "s3:ObjectAcl:Put",
        Event::RetentionSet(set) if set.retention.is_none() => "holdfast:Retention:Removed",
        Event::RetentionSet(_) => "holdfast:Retention:Set",
        Event::LegalHoldSet(set) if set.on => "holdfast:LegalHold:On",
        Event::LegalHoldSet(_) => "holdfast:LegalHold:Off",
        Event::BucketCreated(_) => "holdfast:Bucket:Created",
        Event::BucketDeleted(_) => "holdfast:Bucket:Deleted",
        Event::VersioningSet(_) => "holdfast:Bucket:VersioningSet",
        Event::BucketTaggingSet(_) => "holdfast:Bucket:TaggingSet",
        Event::BucketCorsSet(_) => "holdfast:Bucket:CorsSet",
        Event::BucketLifecycleSet(_) => "holdfast:Bucket:LifecycleSet",
        Event::BucketPolicySet(_) => "holdfast:Bucket:PolicySet",
        Event::BucketAclSet(_) => "holdfast:Bucket:AclSet",
        Event::BucketOwnershipSet(_) => "holdfast:Bucket:OwnershipSet",
        Event::BucketPublicAccessBlockSet(_) => "holdfast:Bucket:PublicAccessBlockSet",
        Event::BucketEncryptionSet(_) => "holdfast:Bucket:EncryptionSet",
        Event::BucketObjectLockSet(_) => "holdfast:Bucket:ObjectLockSet",
        Event::BucketNotificationSet(_) => "holdfast:Bucket:NotificationSet",
        Event::BucketLoggingSet(_) => "holdfast:Bucket:LoggingSet",
        Event::BucketHistorySet(_) => "holdfast:Bucket:HistorySet",
        Event::SnapshotCreated(_) => "holdfast:Snapshot:Created",
        Event::SnapshotDeleted(_) => "holdfast:Snapshot:Deleted",
        Event::KeyInherited(_) => "holdfast:Fork:KeyInherited",
        Event::QuotaSet(_) => "holdfast:Quota:Set",
        Event::QuotaThresholdReached(_) => "holdfast:Quota:ThresholdCrossed",
        Event::UploadCreated(_) => "holdfast:Upload:Created",
        Event::UploadAborted(_) => "holdfast:Upload:Aborted",
        Event::PartStaged(_) => "holdfast:Upload:PartStaged",
        Event::PartsCleared(_) => "holdfast:Upload:PartsCleared",
        Event::UserCreated(_) => "holdfast:User:Created",
        Event::UserDeleted(_) => "holdfast:User:Deleted",
        Event::AccessKeyCreated(_) => "holdfast:AccessKey:Created",
        Event::AccessKeyRevoked(_) => "holdfast:AccessKey:Revoked",
        Event::AccessKeyStatusSet(_) => "holdfast:AccessKey:StatusSet",
        Event::AccessKeyRotated(_) => "holdfast:AccessKey:Rotated",
        Event::ApiKeyCreated(_) => "holdfast:ApiKey:Created",
        Event::ApiKeyRotated(_) => "holdfast:ApiKey:Rotated",
        Event::UrlSigned(_) => "holdfast:SignedUrl:Created",
        Event::SignedUrlRevoked(_) => "holdfast:SignedUrl:Revoked",
        Event::WebhookSet(set) => match set.change {
            WebhookChange::Created => "holdfast:Webhook:Created",
            WebhookChange::Updated => "holdfast:Webhook:Updated",
            WebhookChange::SecretRotated => "holdfast:Webhook:SecretRotated",
            WebhookChange::Stopped => "holdfast:Webhook:Stopped",
        },
        Event::WebhookDeleted(_) => "holdfast:Webhook:Deleted",
        Event::TaskStarted(_) => "holdfast:Task:Started",
        Event::TaskProgressed(_) => "holdfast:Task:Progressed",
        Event::TaskFinished(_) => "holdfast:Task:Finished",
        Event::KeyDestroyed(_) => "holdfast:Erasure:KeyDestroyed",
        Event::ErasureCompleted(_) => "holdfast:Erasure:Completed",
        Event::ContentReleased(_) => "holdfast:Content:Released",
        Event::LogReopened(_) => LOG_REOPENED,
        Event::LogSealed(_) => "holdfast:Log:Sealed",
        Event::CheckpointPublished(_) => "holdfast:Log:Checkpoint",
        Event::ClockTicked(_) => "holdfast:Clock:Ticked",
        Event::InstallationCreated(_) => "holdfast:Installation:Created",
        Event::TenantCreated(_) => "holdfast:Tenant:Created",
        Event::TenantDisabled(_) => "holdfast:Tenant:Disabled",
        Event::TenantEnabled(_) => "holdfast:Tenant:Enabled",
        Event::TenantDeleted(_) => "holdfast:Tenant:Deleted",
        Event::AdminTokenCreated(_) => "holdfast:AdminToken:Created",
        Event::AdminTokenRevoked(_) => "holdfast:AdminToken:Revoked",
    }
}

/// Whether a pattern covers a type: its name, a group that ends with `:*`, or `*`.
#[must_use]
pub fn covers(pattern: &str, name: &str) -> bool {
    pattern == name
        || pattern == "*"
        || pattern.strip_suffix('*').is_some_and(|it| it.ends_with(':') && name.starts_with(it))
}

/// Whether a pattern covers any type that is announced.
#[must_use]
pub fn is_announced(pattern: &str) -> bool {
    EVENT_TYPES.iter().any(|known| known.announced && covers(pattern, known.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue() {
        let rows: Vec<String> = EVENT_TYPES
            .iter()
            .map(|known| format!("{} {}", if known.announced { "told" } else { "kept" }, known.name))
            .collect();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn names_stand_once() {
        let mut names: Vec<_> = EVENT_TYPES.iter().map(|known| known.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EVENT_TYPES.len());
    }

    #[test]
    fn a_pattern_is_a_name_a_group_or_everything() {
        let put = "s3:ObjectCreated:Put";
        for pattern in ["*", "s3:*", "s3:ObjectCreated:*", put] {
            assert!(covers(pattern, put) && is_announced(pattern), "{pattern}");
        }
        for pattern in ["", "s3", "s3:ObjectCreated", "s3:Object*", "s3:ObjectCreated:P*", "s3:ObjectRemoved:*", "**"] {
            assert!(!covers(pattern, put), "{pattern}");
        }
        assert!(!is_announced("holdfast:Clock:*") && !is_announced("s3:Nothing:*"));
    }
}
