//! What events are called in the audit: by the operation that makes them.

use schemas::event::{Cause, ErasureScope, Event, WebhookChange};

/// The operation of an event, as a request for it is called; the event's own name for what no request asks for.
pub(super) fn action(event: &Event) -> &'static str {
    match event {
        Event::VersionCommitted(committed) => match committed.cause {
            Cause::Put => "PutObject",
            Cause::Post => "PostObject",
            Cause::Copy => "CopyObject",
            Cause::CompleteMultipartUpload => "CompleteMultipartUpload",
            Cause::Restore => "RestoreToPoint",
        },
        Event::DeleteMarkerCreated(_) | Event::VersionRemoved(_) => "DeleteObject",
        Event::ObjectTagsSet(set) if set.tags.is_empty() => "DeleteObjectTagging",
        Event::ObjectTagsSet(_) => "PutObjectTagging",
        Event::ObjectAclSet(_) => "PutObjectAcl",
        Event::RetentionSet(_) => "PutObjectRetention",
        Event::LegalHoldSet(_) => "PutObjectLegalHold",
        Event::UploadCreated(_) => "CreateMultipartUpload",
        Event::PartStaged(_) => "UploadPart",
        Event::UploadAborted(_) => "AbortMultipartUpload",
        Event::BucketCreated(_) => "CreateBucket",
        Event::BucketDeleted(_) => "DeleteBucket",
        Event::VersioningSet(_) => "PutBucketVersioning",
        Event::BucketTaggingSet(_) => "PutBucketTagging",
        Event::BucketCorsSet(_) => "PutBucketCors",
        Event::BucketLifecycleSet(_) => "PutBucketLifecycle",
        Event::BucketPolicySet(_) => "PutBucketPolicy",
        Event::BucketAclSet(_) => "PutBucketAcl",
        Event::BucketOwnershipSet(_) => "PutBucketOwnershipControls",
        Event::BucketPublicAccessBlockSet(_) => "PutPublicAccessBlock",
        Event::BucketNotificationSet(_) => "PutBucketNotification",
        Event::BucketLoggingSet(_) => "PutBucketLogging",
        Event::BucketObjectLockSet(_) => "PutObjectLockConfiguration",
        Event::BucketEncryptionSet(_) => "PutBucketEncryption",
        Event::BucketHistorySet(_) => "PutBucketHistory",
        Event::SnapshotCreated(_) => "PutBucketSnapshot",
        Event::SnapshotDeleted(_) => "DeleteBucketSnapshot",
        Event::WebhookSet(set) => match set.change {
            WebhookChange::Created => "CreateWebhook",
            WebhookChange::Updated => "UpdateWebhook",
            WebhookChange::SecretRotated => "RotateWebhookSecret",
            WebhookChange::Stopped => "StopWebhook",
        },
        Event::WebhookDeleted(_) => "DeleteWebhook",
        Event::KeyDestroyed(destroyed) => match destroyed.scope {
            ErasureScope::Bucket { .. } => "EraseBucket",
            ErasureScope::Tenant { .. } => "EraseTenant",
        },
        other => other.name(),
    }
}

/// The name of a type of event.
pub(super) fn name(event_type: u16) -> &'static str {
    let known = Event::TYPES.iter().find(|(code, ..)| *code == event_type);
    known.map_or("Unknown", |(_, name, _)| name)
}
