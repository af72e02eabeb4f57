//! Events: what happened, in the past tense. Every one has a type code and a version; codes are never reused.
//!
//! Owns: the shapes and their MessagePack form, the upcasters from older shapes.
//! Does not own: when an event is allowed (domain), what it changes (projections).
//! Invariant: an older shape stays readable for ever. Adding an optional field keeps a version; anything else makes a new
//! one: freeze the old struct in a module `vN`, write its pure upcaster, add its golden file.

mod bucket;
mod cors;
mod erasure;
mod history;
mod lifecycle;
mod log;
mod logging;
mod notification;
mod object;
mod quota;
mod signed_url;
mod tenant;
mod upload;
mod webhook;

pub use bucket::{
    BucketAclSet, BucketCreated, BucketDeleted, BucketEncryption, BucketEncryptionSet, BucketObjectLockSet,
    BucketOwnershipSet, BucketPolicySet, BucketPublicAccessBlockSet, BucketTaggingSet, DefaultRetention,
    ObjectOwnership, RetentionPeriod, Setting, Versioning, VersioningSet,
};
pub use cors::{BucketCorsSet, CorsMethod, CorsRule};
pub use erasure::{ErasureCompleted, ErasureScope, KeyDestroyed};
pub use history::{Base, BucketHistorySet, HistoryWindow, KeyInherited, SnapshotCreated, SnapshotDeleted};
pub use lifecycle::BucketLifecycleSet;
pub use log::{
    BucketHead, CheckpointPublished, ClockTicked, InstallationCreated, LogReopened, LogSealed, LostRange, TaskFinished,
    TaskProgressed, TaskStarted,
};
pub use logging::{BucketLoggingSet, LogKeyFormat, Logging};
pub use notification::{BucketNotificationSet, DestinationKind, NotificationConfiguration, NotificationRule};
pub use object::{
    Cause, CommittedPart, ContentReleased, CopySource, DeleteMarkerCreated, Encryption, Headers, LegalHoldSet,
    Metadata, ObjectAclSet, ObjectTagsSet, Referrer, Released, Retention, RetentionMode, RetentionSet, StorageClass,
    VersionCommitted, VersionRemoved,
};
pub use quota::{Quota, QuotaDimension, QuotaSet, QuotaThresholdReached};
pub use signed_url::{SignedUrlRevoked, UrlSigned};
pub use tenant::{
    AccessKeyCreated, AccessKeyRevoked, AccessKeyRotated, AccessKeyStatusSet, AdminRole, AdminTokenCreated,
    AdminTokenRevoked, ApiKeyCreated, ApiKeyRotated, TenantCreated, TenantDeleted, TenantDisabled, TenantEnabled,
    UserCreated, UserDeleted,
};
pub use upload::{PartStaged, PartsCleared, UploadAborted, UploadCreated};
pub use webhook::{WebhookChange, WebhookDeleted, WebhookSet};

use crate::BucketId;

/// Why a payload is not an event this version knows.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// A later version wrote it. Core projections stop here.
    #[error("unknown event type {event_type} version {schema_version}")]
    Unknown {
        /// Type code.
        event_type: u16,
        /// Version of the shape.
        schema_version: u16,
    },
    /// The type is known and the bytes do not have its shape.
    #[error("malformed event payload")]
    Malformed {
        /// What the decoder said.
        source: rmp_serde::decode::Error,
    },
}

macro_rules! events {
    ($($(#[$doc:meta])* $code:literal $version:literal $name:ident,)*) => {
        /// Everything that can have happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($name),)*
        }

        impl Event {
            /// Type code, name and newest version of every event.
            pub const TYPES: &[(u16, &str, u16)] = &[$(($code, stringify!($name), $version),)*];

            /// Type code, in the record's header.
            #[must_use]
            pub fn type_code(&self) -> u16 {
                match self { $(Event::$name(_) => $code,)* }
            }

            /// Version of the shape that [`Event::encode`] writes.
            #[must_use]
            pub fn schema_version(&self) -> u16 {
                match self { $(Event::$name(_) => $version,)* }
            }

            /// The type's name, for people.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Event::$name(_) => stringify!($name),)* }
            }

            /// The payload as bytes: MessagePack with named fields.
            #[must_use]
            pub fn encode(&self) -> Vec<u8> {
                // Most events fit: without it a short one grows its buffer three times.
                let mut payload = Vec::with_capacity(512);
                let written = match self {
                    $(Event::$name(event) => rmp_serde::encode::write_named(&mut payload, event),)*
                };
                written.expect("an event has no map with keys that MessagePack refuses");
                payload
            }

            /// # Errors
            /// An unknown type or version, or bytes of another shape.
            pub fn decode(event_type: u16, schema_version: u16, payload: &[u8]) -> Result<Self, EventError> {
                // Upcasters of older versions come before this match: `($code, 1) => v1::$name -> upcast`.
                match (event_type, schema_version) {
                    $(($code, $version) => rmp_serde::from_slice(payload)
                        .map(Event::$name)
                        .map_err(|source| EventError::Malformed { source }),)*
                    _ => Err(EventError::Unknown { event_type, schema_version }),
                }
            }
        }

        $(impl $name {
            /// Type code of this event, in the record's header.
            pub const TYPE_CODE: u16 = $code;
        }

        impl From<$name> for Event {
            fn from(event: $name) -> Self {
                Event::$name(event)
            }
        })*
    };
}

events! {
    /// A log began a new incarnation.
    1 1 LogReopened,
    /// A commitment to everything before.
    2 1 LogSealed,
    /// The installation's clock, hourly, in the system log.
    3 1 ClockTicked,
    /// The first event of the system log.
    4 1 InstallationCreated,
    /// Work larger than a unit began.
    5 1 TaskStarted,
    /// It got so far.
    6 1 TaskProgressed,
    /// It ended.
    7 1 TaskFinished,
    /// A checkpoint of the log was signed.
    8 1 CheckpointPublished,
    /// A key was destroyed: what it sealed is erased.
    9 1 KeyDestroyed,
    /// A tenant was created (system log).
    10 1 TenantCreated,
    /// A tenant's keys stopped working (system log).
    11 1 TenantDisabled,
    /// They work again (system log).
    12 1 TenantEnabled,
    /// An admin token was made (system log).
    13 1 AdminTokenCreated,
    /// An admin token stopped working (system log).
    14 1 AdminTokenRevoked,
    /// A tenant without buckets was deleted (system log).
    15 1 TenantDeleted,
    /// An erasure came to its end.
    17 1 ErasureCompleted,
    /// A user was created.
    20 1 UserCreated,
    /// A user and its keys stopped working.
    21 1 UserDeleted,
    /// An access key was made.
    22 1 AccessKeyCreated,
    /// An access key stopped working for good.
    23 1 AccessKeyRevoked,
    /// An access key was disabled or enabled.
    24 1 AccessKeyStatusSet,
    /// An access key got another secret.
    25 1 AccessKeyRotated,
    /// An API key was made.
    26 1 ApiKeyCreated,
    /// An API key got another secret.
    27 1 ApiKeyRotated,
    /// A bucket was created.
    30 1 BucketCreated,
    /// An empty bucket was deleted.
    31 1 BucketDeleted,
    /// A bucket's versioning was enabled or suspended.
    32 1 VersioningSet,
    /// How long a bucket's past content is kept was set.
    33 1 BucketHistorySet,
    /// A point of a bucket's past got a name.
    34 1 SnapshotCreated,
    /// A snapshot was deleted.
    35 1 SnapshotDeleted,
    /// A fork's key that came from its base stands on its own.
    36 1 KeyInherited,
    /// An object's new current version.
    40 1 VersionCommitted,
    /// A delete marker became current.
    41 1 DeleteMarkerCreated,
    /// A version or delete marker was removed for good.
    42 1 VersionRemoved,
    /// Content that nothing can show any more was given up.
    43 1 ContentReleased,
    /// A version's tags were replaced.
    44 1 ObjectTagsSet,
    /// A version's access control list was replaced.
    45 1 ObjectAclSet,
    /// A version's retention was set, prolonged or, where that was allowed, shortened.
    46 1 RetentionSet,
    /// A legal hold was put on a version or taken off it.
    47 1 LegalHoldSet,
    /// A multipart upload began.
    50 1 UploadCreated,
    /// A part of it was stored.
    51 1 PartStaged,
    /// It was given up.
    52 1 UploadAborted,
    /// Parts of an upload that has ended were forgotten.
    53 1 PartsCleared,
    /// A bucket's tags were replaced or removed.
    60 1 BucketTaggingSet,
    /// A bucket's CORS rules were replaced or removed.
    61 1 BucketCorsSet,
    /// A bucket's lifecycle rules were replaced or removed.
    62 1 BucketLifecycleSet,
    /// A bucket's policy was replaced or removed.
    63 1 BucketPolicySet,
    /// A bucket's access control list was replaced.
    64 1 BucketAclSet,
    /// A bucket's ownership controls were set or removed.
    65 1 BucketOwnershipSet,
    /// What public access of a bucket is blocked was set or removed.
    66 1 BucketPublicAccessBlockSet,
    /// A bucket's notification configuration was replaced or removed.
    69 1 BucketNotificationSet,
    /// A bucket's access log was sent somewhere, or ended.
    70 1 BucketLoggingSet,
    /// Versions of a bucket can be locked from now on, and new ones get this retention.
    68 1 BucketObjectLockSet,
    /// A bucket's default encryption was set or removed.
    67 1 BucketEncryptionSet,
    /// A tenant's or bucket's quota was set or removed.
    80 1 QuotaSet,
    /// A write brought what is held to a share of a quota.
    81 1 QuotaThresholdReached,
    /// Addresses were signed for whoever has them.
    82 1 UrlSigned,
    /// Signed addresses stopped working.
    83 1 SignedUrlRevoked,
    /// A webhook was made or changed.
    90 1 WebhookSet,
    /// A webhook was deleted.
    91 1 WebhookDeleted,
}

impl Event {
    /// What the event says of a bucket's setting: which bucket, which setting, and whether it has one now.
    #[must_use]
    pub fn bucket_setting(&self) -> Option<(BucketId, Setting, bool)> {
        match self {
            Event::BucketTaggingSet(set) => Some((set.bucket, Setting::Tagging, set.tags.is_some())),
            Event::BucketPolicySet(set) => Some((set.bucket, Setting::Policy, set.policy.is_some())),
            // Removed is not the same as never set, which blocks what the operator's defaults block.
            Event::BucketPublicAccessBlockSet(set) => Some((set.bucket, Setting::PublicAccessBlock, true)),
            Event::BucketLifecycleSet(set) => Some((set.bucket, Setting::Lifecycle, set.rules.is_some())),
            Event::BucketCorsSet(set) => Some((set.bucket, Setting::Cors, set.rules.is_some())),
            Event::BucketNotificationSet(set) => Some((set.bucket, Setting::Notification, set.configuration.is_some())),
            Event::BucketLoggingSet(set) => Some((set.bucket, Setting::Logging, set.logging.is_some())),
            Event::BucketObjectLockSet(set) => Some((set.bucket, Setting::ObjectLock, true)),
            Event::BucketEncryptionSet(set) => Some((set.bucket, Setting::Encryption, set.encryption.is_some())),
            Event::BucketAclSet(set) => Some((set.bucket, Setting::Acl, set.acl.is_some())),
            _ => None,
        }
    }
}
