//! Which events a subscription is told.
//!
//! Owns: what a filter means. Does not own: which filters may be asked for (domain), which patterns cover which types
//! ([`schemas::announcement`]).
//! Invariant: every subscription is told when its log reopens, whatever it filters: its positions mean something else then.

use schemas::BucketName;
use schemas::announcement::{EVENT_TYPES, LOG_REOPENED, covers};
use schemas::subscription::EventFilter;

use crate::Announcement;

/// A filter that was made ready: patterns are looked at once, not for every event.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    /// A bit for each type of the catalogue.
    types: u128,
    /// Types that nothing else is asked of.
    always: u128,
    /// Sorted; empty for all.
    buckets: Vec<BucketName>,
    prefix: Option<String>,
    suffix: Option<String>,
    size_bytes_min: Option<u64>,
    size_bytes_max: Option<u64>,
}

const _: () = assert!(EVENT_TYPES.len() <= u128::BITS as usize, "the catalogue has outgrown its bits");

impl Matcher {
    /// Of a subscription: of what is announced, what the filter names, and that the log reopened.
    pub(crate) fn new(filter: &EventFilter) -> Self {
        let types = bits(|index| EVENT_TYPES[index].announced && is_named(filter, index));
        Self { always: bits(|index| EVENT_TYPES[index].name == LOG_REOPENED), ..Self::of(filter, types) }
    }

    /// Of the change feed: what the filter names, announced or not; everything, if it names no types. Nothing is told beside
    /// it: whoever reads the feed sees the epoch in every event.
    pub(crate) fn feed(filter: &EventFilter) -> Self {
        Self::of(filter, bits(|index| filter.events.is_empty() || is_named(filter, index)))
    }

    fn of(filter: &EventFilter, types: u128) -> Self {
        let mut buckets = filter.buckets.clone();
        buckets.sort_unstable();
        // An empty text is what every key begins and ends with: it does not ask for a key.
        let asked = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        Self {
            types,
            always: 0,
            buckets,
            prefix: asked(&filter.prefix),
            suffix: asked(&filter.suffix),
            size_bytes_min: filter.size_bytes_min,
            size_bytes_max: filter.size_bytes_max,
        }
    }

    /// The only buckets whose events can match; none when those of all can.
    pub(crate) fn buckets(&self) -> &[BucketName] {
        &self.buckets
    }

    /// Whether the event is told. One that has no key, no bucket or no size does not match what asks for one.
    pub(crate) fn matches(&self, announcement: &Announcement) -> bool {
        let bit = 1 << announcement.type_index;
        if self.always & bit != 0 {
            return true;
        }
        self.types & bit != 0
            && self.in_bucket(announcement)
            && self.has_key(announcement)
            && self.has_size(announcement)
    }

    fn in_bucket(&self, announcement: &Announcement) -> bool {
        self.buckets.is_empty()
            || announcement.bucket_name.as_ref().is_some_and(|name| self.buckets.binary_search(name).is_ok())
    }

    fn has_key(&self, announcement: &Announcement) -> bool {
        if self.prefix.is_none() && self.suffix.is_none() {
            return true;
        }
        let Some(key) = &announcement.key else { return false };
        let key = key.as_str();
        self.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()))
            && self.suffix.as_ref().is_none_or(|suffix| key.ends_with(suffix.as_str()))
    }

    fn has_size(&self, announcement: &Announcement) -> bool {
        if self.size_bytes_min.is_none() && self.size_bytes_max.is_none() {
            return true;
        }
        announcement.size_bytes.is_some_and(|size| {
            self.size_bytes_min.is_none_or(|min| size >= min) && self.size_bytes_max.is_none_or(|max| size <= max)
        })
    }
}

fn bits(holds: impl Fn(usize) -> bool) -> u128 {
    (0..EVENT_TYPES.len()).filter(|&index| holds(index)).fold(0, |bits, index| bits | (1 << index))
}

fn is_named(filter: &EventFilter, index: usize) -> bool {
    filter.events.iter().any(|pattern| covers(pattern, EVENT_TYPES[index].name))
}

#[cfg(test)]
mod tests;
