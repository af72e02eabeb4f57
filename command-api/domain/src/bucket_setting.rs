//! What a bucket is set to: each configuration whole, validated here, recorded by one event.
//!
//! Owns: which configurations exist, what makes one valid, which event records it.
//! Does not own: reading one from XML or JSON (doors), what it does once it is set (the module of its field).

use std::collections::BTreeMap;

use schemas::BucketId;
use schemas::event::{BucketTaggingSet, Event, Setting};

use crate::{Refusal, validate};

/// A configuration to set, or `None` in its place to remove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Configuration {
    /// Tags, by name. An empty set is none.
    Tagging(Option<BTreeMap<String, String>>),
}

impl Configuration {
    /// Which setting it is.
    #[must_use]
    pub fn setting(&self) -> Setting {
        match self {
            Self::Tagging(_) => Setting::Tagging,
        }
    }

    /// Whether it may be set.
    ///
    /// # Errors
    /// The refusal of its field.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::Tagging(tags) => tags.as_ref().map_or(Ok(()), validate::bucket_tags),
        }
    }

    /// The event that records it.
    #[must_use]
    pub fn set(self, bucket: BucketId) -> Event {
        match self {
            Self::Tagging(tags) => BucketTaggingSet { bucket, tags: tags.filter(|tags| !tags.is_empty()) }.into(),
        }
    }
}
