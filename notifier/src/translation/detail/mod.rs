//! What an event says beside its envelope: the native shape's `detail`, and `data` of a `CloudEvent`.
//!
//! Owns: which fields of which event are told. Does not own: envelopes.
//! Invariant: a field is told because somebody named it here. What is kept back: secrets sealed or not, digests of secrets,
//! ids of keys and blobs, encryption contexts, the insides of tasks, an address's query.

mod bucket;
mod erasure;
mod history;
mod log;
mod object;
mod rules;
mod subscription;
mod tenant;
mod upload;

use schemas::event::Event;
use serde::Serialize;

use super::shape::Field;
use crate::Announcement;

macro_rules! details {
    ($($(#[doc = $about:literal])+ $name:ident($shape:ty),)*) => {
        /// What an event says.
        #[derive(Debug, Serialize)]
        #[serde(untagged)]
        pub(crate) enum Detail<'a> {
            $($(#[doc = $about])+ $name($shape),)*
        }

        #[cfg(test)]
        impl<'a> Detail<'a> {
            /// What the shape is called in schemas.
            pub(crate) fn name(&self) -> &'static str {
                match self { $(Detail::$name(_) => stringify!($name),)* }
            }

            /// Its schema.
            pub(crate) fn schema(&self) -> serde_json::Value {
                let (about, mut schema) = match self {
                    $(Detail::$name(_) => (concat!($($about),+), <$shape as Field>::shape()),)*
                };
                schema["description"] = about.trim().into();
                schema
            }
        }
    };
}

details! {
    /// An object's new version.
    VersionCommitted(object::Committed<'a>),
    /// A delete marker.
    DeleteMarkerCreated(object::Marker<'a>),
    /// A version or delete marker that was removed.
    VersionRemoved(object::Removed),
    /// Tags of a version.
    ObjectTagsSet(object::TagsSet<'a>),
    /// An access control list of a version.
    ObjectAclSet(object::AclSet<'a>),
    /// Retention of a version.
    RetentionSet(object::RetentionSet),
    /// A legal hold of a version.
    LegalHoldSet(object::LegalHoldSet),
    /// Content that was given up.
    ContentReleased(object::ContentReleased),
    /// A new bucket.
    BucketCreated(bucket::Created<'a>),
    /// A bucket that was deleted.
    BucketDeleted(bucket::Deleted<'a>),
    /// A bucket's versioning.
    VersioningSet(bucket::VersioningSet),
    /// A bucket's tags.
    BucketTaggingSet(bucket::TaggingSet<'a>),
    /// A bucket's CORS rules.
    BucketCorsSet(rules::CorsSet<'a>),
    /// A bucket's lifecycle rules.
    BucketLifecycleSet(rules::LifecycleSet<'a>),
    /// A bucket's policy.
    BucketPolicySet(bucket::PolicySet<'a>),
    /// A bucket's access control list.
    BucketAclSet(bucket::AclSet<'a>),
    /// A bucket's ownership controls.
    BucketOwnershipSet(bucket::OwnershipSet),
    /// What public access of a bucket is blocked.
    BucketPublicAccessBlockSet(bucket::PublicAccessBlockSet),
    /// A bucket's default encryption.
    BucketEncryptionSet(bucket::EncryptionSet),
    /// A bucket's object lock.
    BucketObjectLockSet(bucket::ObjectLockSet),
    /// A bucket's notification configuration.
    BucketNotificationSet(subscription::NotificationSet<'a>),
    /// Where a bucket's access log goes.
    BucketLoggingSet(bucket::LoggingSet<'a>),
    /// How long a bucket's past content is kept.
    BucketHistorySet(history::HistorySet),
    /// A point of a bucket's past that got a name.
    SnapshotCreated(history::SnapshotCreated<'a>),
    /// A snapshot that was deleted.
    SnapshotDeleted(history::SnapshotDeleted<'a>),
    /// A key of a fork that came from its base.
    KeyInherited(history::KeyInherited),
    /// A quota.
    QuotaSet(tenant::QuotaSet),
    /// A share of a quota that is reached.
    QuotaThresholdReached(tenant::ThresholdReached),
    /// A new upload.
    UploadCreated(upload::Created<'a>),
    /// A part that was stored.
    PartStaged(upload::PartStaged),
    /// An upload that was given up.
    UploadAborted(upload::Aborted),
    /// Parts that were forgotten.
    PartsCleared(upload::PartsCleared<'a>),
    /// A new user.
    UserCreated(tenant::UserCreated<'a>),
    /// A user that was deleted.
    UserDeleted(tenant::UserDeleted<'a>),
    /// A new access key or API key.
    KeyCreated(tenant::KeyCreated<'a>),
    /// An access key that was revoked.
    AccessKeyRevoked(tenant::KeyRevoked<'a>),
    /// An access key that was disabled or enabled.
    AccessKeyStatusSet(tenant::KeyStatusSet<'a>),
    /// An access key or API key that got another secret.
    KeyRotated(tenant::KeyRotated<'a>),
    /// Addresses that were signed.
    UrlSigned(tenant::UrlSigned<'a>),
    /// Signed addresses that stopped working.
    SignedUrlRevoked(tenant::SignedUrlRevoked<'a>),
    /// A webhook as it is now.
    WebhookSet(subscription::WebhookSet<'a>),
    /// A webhook that was deleted.
    WebhookDeleted(subscription::WebhookDeleted),
    /// A key that was destroyed.
    KeyDestroyed(erasure::KeyDestroyed<'a>),
    /// An erasure that came to its end: its certificate.
    ErasureCompleted(erasure::Completed<'a>),
    /// Work that began.
    TaskStarted(log::TaskStarted<'a>),
    /// Work that got so far.
    TaskProgressed(log::TaskProgressed<'a>),
    /// Work that ended.
    TaskFinished(log::TaskFinished<'a>),
    /// A new epoch of the log.
    LogReopened(log::Reopened<'a>),
    /// A commitment to everything before.
    LogSealed(log::Sealed),
    /// A checkpoint of the log.
    CheckpointPublished(log::Checkpoint<'a>),
    /// The installation's clock.
    ClockTicked(log::ClockTicked),
    /// The installation.
    InstallationCreated(log::InstallationCreated<'a>),
    /// A new tenant.
    TenantCreated(tenant::TenantCreated<'a>),
    /// A tenant that was disabled or deleted.
    TenantEnded(tenant::TenantEnded<'a>),
    /// A tenant that was enabled.
    TenantEnabled(tenant::TenantEnabled),
    /// A new admin token.
    AdminTokenCreated(tenant::AdminTokenCreated<'a>),
    /// An admin token that was revoked.
    AdminTokenRevoked(tenant::AdminTokenRevoked<'a>),
}

impl Field for Detail<'_> {
    #[cfg(test)]
    fn shape() -> serde_json::Value {
        serde_json::json!({ "type": "object" })
    }
}

impl<'a> Detail<'a> {
    /// What is told of an event. Every event has its line: a new one is a mistake of the compiler's until somebody has said
    /// what of it is told.
    pub(crate) fn of(announcement: &'a Announcement) -> Self {
        let tenant = announcement.tenant;
        match &announcement.event {
            Event::VersionCommitted(it) => Self::VersionCommitted(object::Committed::of(it, announcement)),
            Event::DeleteMarkerCreated(it) => Self::DeleteMarkerCreated(object::Marker::of(it, announcement)),
            Event::VersionRemoved(it) => Self::VersionRemoved(object::Removed::of(it, tenant)),
            Event::ObjectTagsSet(it) => Self::ObjectTagsSet(object::TagsSet::of(it, tenant)),
            Event::ObjectAclSet(it) => Self::ObjectAclSet(object::AclSet::of(it, tenant)),
            Event::RetentionSet(it) => Self::RetentionSet(object::RetentionSet::of(it, tenant)),
            Event::LegalHoldSet(it) => Self::LegalHoldSet(object::LegalHoldSet::of(it, tenant)),
            Event::ContentReleased(it) => Self::ContentReleased(object::ContentReleased::of(it)),
            Event::BucketCreated(it) => Self::BucketCreated(bucket::Created::of(it)),
            Event::BucketDeleted(it) => Self::BucketDeleted(bucket::Deleted::of(it)),
            Event::VersioningSet(it) => Self::VersioningSet(bucket::VersioningSet::of(it)),
            Event::BucketTaggingSet(it) => Self::BucketTaggingSet(bucket::TaggingSet::of(it)),
            Event::BucketCorsSet(it) => Self::BucketCorsSet(rules::CorsSet::of(it)),
            Event::BucketLifecycleSet(it) => Self::BucketLifecycleSet(rules::LifecycleSet::of(it)),
            Event::BucketPolicySet(it) => Self::BucketPolicySet(bucket::PolicySet::of(it)),
            Event::BucketAclSet(it) => Self::BucketAclSet(bucket::AclSet::of(it)),
            Event::BucketOwnershipSet(it) => Self::BucketOwnershipSet(bucket::OwnershipSet::of(it)),
            Event::BucketPublicAccessBlockSet(it) => {
                Self::BucketPublicAccessBlockSet(bucket::PublicAccessBlockSet::of(it))
            }
            Event::BucketEncryptionSet(it) => Self::BucketEncryptionSet(bucket::EncryptionSet::of(it)),
            Event::BucketObjectLockSet(it) => Self::BucketObjectLockSet(bucket::ObjectLockSet::of(it)),
            Event::BucketNotificationSet(it) => Self::BucketNotificationSet(subscription::NotificationSet::of(it)),
            Event::BucketLoggingSet(it) => Self::BucketLoggingSet(bucket::LoggingSet::of(it)),
            Event::BucketHistorySet(it) => Self::BucketHistorySet(history::HistorySet::of(it)),
            Event::SnapshotCreated(it) => Self::SnapshotCreated(history::SnapshotCreated::of(it, tenant)),
            Event::SnapshotDeleted(it) => Self::SnapshotDeleted(history::SnapshotDeleted::of(it)),
            Event::KeyInherited(it) => Self::KeyInherited(history::KeyInherited::of(*it)),
            Event::QuotaSet(it) => Self::QuotaSet(tenant::QuotaSet::of(it)),
            Event::QuotaThresholdReached(it) => Self::QuotaThresholdReached(tenant::ThresholdReached::of(it)),
            Event::UploadCreated(it) => Self::UploadCreated(upload::Created::of(it)),
            Event::PartStaged(it) => Self::PartStaged(upload::PartStaged::of(it)),
            Event::UploadAborted(it) => Self::UploadAborted(upload::Aborted::of(it)),
            Event::PartsCleared(it) => Self::PartsCleared(upload::PartsCleared::of(it)),
            Event::UserCreated(it) => Self::UserCreated(tenant::UserCreated::of(it)),
            Event::UserDeleted(it) => Self::UserDeleted(tenant::UserDeleted::of(it)),
            Event::AccessKeyCreated(it) => Self::KeyCreated(tenant::KeyCreated::of_access_key(it)),
            Event::AccessKeyRevoked(it) => Self::AccessKeyRevoked(tenant::KeyRevoked::of(it)),
            Event::AccessKeyStatusSet(it) => Self::AccessKeyStatusSet(tenant::KeyStatusSet::of(it)),
            Event::AccessKeyRotated(it) => Self::KeyRotated(tenant::KeyRotated::of(&it.access_key)),
            Event::ApiKeyCreated(it) => Self::KeyCreated(tenant::KeyCreated::of_api_key(it)),
            Event::ApiKeyRotated(it) => Self::KeyRotated(tenant::KeyRotated::of(&it.access_key)),
            Event::UrlSigned(it) => Self::UrlSigned(tenant::UrlSigned::of(it)),
            Event::SignedUrlRevoked(it) => Self::SignedUrlRevoked(tenant::SignedUrlRevoked::of(it)),
            Event::WebhookSet(it) => Self::WebhookSet(subscription::WebhookSet::of(it)),
            Event::WebhookDeleted(it) => Self::WebhookDeleted(subscription::WebhookDeleted::of(*it)),
            Event::KeyDestroyed(it) => Self::KeyDestroyed(erasure::KeyDestroyed::of(it)),
            Event::ErasureCompleted(it) => Self::ErasureCompleted(erasure::Completed::of(it)),
            Event::TaskStarted(it) => Self::TaskStarted(log::TaskStarted::of(it)),
            Event::TaskProgressed(it) => Self::TaskProgressed(log::TaskProgressed::of(it)),
            Event::TaskFinished(it) => Self::TaskFinished(log::TaskFinished::of(it)),
            Event::LogReopened(it) => Self::LogReopened(log::Reopened::of(it, tenant)),
            Event::LogSealed(it) => Self::LogSealed(log::Sealed::of(it)),
            Event::CheckpointPublished(it) => Self::CheckpointPublished(log::Checkpoint::of(it)),
            Event::ClockTicked(it) => Self::ClockTicked(log::ClockTicked::of(it)),
            Event::InstallationCreated(it) => Self::InstallationCreated(log::InstallationCreated::of(it)),
            Event::TenantCreated(it) => Self::TenantCreated(tenant::TenantCreated::of(it)),
            Event::TenantDisabled(it) => Self::TenantEnded(tenant::TenantEnded::of(it.tenant, &it.reason)),
            Event::TenantEnabled(it) => Self::TenantEnabled(tenant::TenantEnabled::of(it)),
            Event::TenantDeleted(it) => Self::TenantEnded(tenant::TenantEnded::of(it.tenant, &it.reason)),
            Event::AdminTokenCreated(it) => Self::AdminTokenCreated(tenant::AdminTokenCreated::of(it)),
            Event::AdminTokenRevoked(it) => Self::AdminTokenRevoked(tenant::AdminTokenRevoked::of(it)),
        }
    }
}
