//! The event that records a bucket's lifecycle rules.

use serde::{Deserialize, Serialize};

use crate::BucketId;
use crate::lifecycle::Rule;

/// A bucket's lifecycle rules were replaced or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLifecycleSet {
    /// Its id.
    pub bucket: BucketId,
    /// Rules in the client's order; none when they were removed.
    pub rules: Option<Vec<Rule>>,
}
