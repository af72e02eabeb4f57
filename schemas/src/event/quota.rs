//! Events about quotas.

use serde::{Deserialize, Serialize};

use crate::BucketId;

/// How much may be held. A bound that is none does not bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Plaintext bytes of current and noncurrent versions and of the parts of open uploads.
    pub bytes: Option<u64>,
    /// Current objects.
    pub objects: Option<u64>,
}

/// What a quota bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaDimension {
    /// [`Quota::bytes`].
    Bytes,
    /// [`Quota::objects`].
    Objects,
}

/// A quota was set or, with no bound in it, removed. What is held already may be more: it stays, and only less is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSet {
    /// The bucket that it is of; none for the tenant's.
    pub bucket: Option<BucketId>,
    /// The bounds.
    pub quota: Quota,
}

/// A write brought what is held to a share of the quota that operators want to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaThresholdReached {
    /// The bucket whose quota it is; none for the tenant's.
    pub bucket: Option<BucketId>,
    /// Which bound.
    pub dimension: QuotaDimension,
    /// 80, 90 or 100: the highest that the write reached.
    pub percent: u8,
    /// The bound.
    pub limit: u64,
    /// What is held with the write.
    pub held: u64,
}
