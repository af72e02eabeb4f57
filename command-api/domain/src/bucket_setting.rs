//! What a bucket is set to: each configuration whole, validated here, recorded by one event.
//!
//! Owns: which configurations exist, what makes one valid, which event records it.
//! Does not own: reading one from XML or JSON (doors), what it does once it is set (the module of its field).

use std::collections::BTreeMap;

use schemas::acl::PublicAccessBlock;
use schemas::event::{
    BucketCorsSet, BucketEncryption, BucketEncryptionSet, BucketLifecycleSet, BucketLoggingSet, BucketNotificationSet,
    BucketObjectLockSet, BucketPolicySet, BucketPublicAccessBlockSet, BucketTaggingSet, CorsRule, DefaultRetention,
    Event, NotificationConfiguration, Setting,
};
use schemas::lifecycle::Rule;
use schemas::{BucketId, BucketName};

use crate::bucket_policy::Policy;
use crate::{Refusal, cors, lifecycle, lock, logging, notification, validate};

/// Most bytes of the event that records a configuration, or a version with its parts: it must fit a record with its header and all that stands beside it.
pub const EVENT_BYTES_MAX: usize = 60_000;

/// A configuration to set, or `None` in its place to remove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configuration {
    /// Tags, by name. An empty set is none.
    Tagging(Option<BTreeMap<String, String>>),
    /// Lifecycle rules, in the client's order. Those without an id get one.
    Lifecycle(Option<Vec<Rule>>),
    /// Versions can be locked, and new ones get this retention. The lock itself is never removed.
    ObjectLock(Option<DefaultRetention>),
    /// How objects are encrypted whose writers do not say. Whether its key exists: [`crate::encryption::check_default`].
    Encryption(Option<BucketEncryption>),
    /// The policy.
    Policy(Option<BucketPolicy>),
    /// What public access is blocked. Removed, nothing is.
    PublicAccessBlock(Option<PublicAccessBlock>),
    /// CORS rules.
    Cors(Option<Vec<CorsRule>>),
    /// Who hears of what, each with its subscription. One without rules is none.
    Notification(Option<NotificationConfiguration>),
    /// Where the access log goes.
    Logging(Option<logging::Asked>),
}

/// A policy to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketPolicy {
    /// As its author wrote it.
    pub text: String,
    /// Whether it may keep even the bucket's owner from changing it again.
    pub binds_owner: bool,
}

impl Configuration {
    /// Which setting it is.
    #[must_use]
    pub fn setting(&self) -> Setting {
        match self {
            Self::Tagging(_) => Setting::Tagging,
            Self::Policy(_) => Setting::Policy,
            Self::PublicAccessBlock(_) => Setting::PublicAccessBlock,
            Self::Lifecycle(_) => Setting::Lifecycle,
            Self::Cors(_) => Setting::Cors,
            Self::Notification(_) => Setting::Notification,
            Self::Logging(_) => Setting::Logging,
            Self::ObjectLock(_) => Setting::ObjectLock,
            Self::Encryption(_) => Setting::Encryption,
        }
    }

    /// Whether it may be set on a bucket.
    ///
    /// # Errors
    /// The refusal of its field.
    pub fn check(&self, bucket: &BucketName) -> Result<(), Refusal> {
        match self {
            Self::Tagging(tags) => tags.as_ref().map_or(Ok(()), validate::bucket_tags),
            Self::Policy(Some(policy)) => Ok(Policy::parse(&policy.text, bucket).map(|_| ())?),
            Self::Policy(None) | Self::PublicAccessBlock(_) => Ok(()),
            Self::Lifecycle(rules) => {
                rules.as_ref().map_or(Ok(()), |rules| lifecycle::check(&lifecycle::named(rules.clone())))
            }
            Self::Cors(rules) => rules.as_deref().map_or(Ok(()), cors::check),
            Self::Notification(configuration) => configuration.as_ref().map_or(Ok(()), notification::check_whole),
            Self::Logging(asked) => asked.as_ref().map_or(Ok(()), logging::check),
            Self::ObjectLock(default) => default.as_ref().map_or(Ok(()), lock::check_default),
            Self::Encryption(_) => Ok(()),
        }
    }

    /// The event that records it.
    #[must_use]
    pub fn set(self, bucket: BucketId) -> Event {
        match self {
            Self::Tagging(tags) => BucketTaggingSet { bucket, tags: tags.filter(|tags| !tags.is_empty()) }.into(),
            Self::Policy(policy) => {
                let binds_owner = policy.as_ref().is_some_and(|policy| policy.binds_owner);
                BucketPolicySet { bucket, policy: policy.map(|policy| policy.text), binds_owner }.into()
            }
            Self::PublicAccessBlock(block) => BucketPublicAccessBlockSet { bucket, block }.into(),
            Self::Lifecycle(rules) => BucketLifecycleSet { bucket, rules: rules.map(lifecycle::named) }.into(),
            Self::Cors(rules) => BucketCorsSet { bucket, rules }.into(),
            Self::Notification(configuration) => {
                let configuration = configuration.filter(|it| *it != NotificationConfiguration::default());
                BucketNotificationSet { bucket, configuration }.into()
            }
            Self::Logging(asked) => BucketLoggingSet { bucket, logging: asked.map(|asked| asked.logging) }.into(),
            Self::ObjectLock(default) => BucketObjectLockSet { bucket, default }.into(),
            Self::Encryption(encryption) => BucketEncryptionSet { bucket, encryption }.into(),
        }
    }
}
