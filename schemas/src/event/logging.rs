//! Where a bucket's access log goes.

use serde::{Deserialize, Serialize};

use crate::{BucketId, BucketName};

/// A bucket's access log was sent somewhere, or ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketLoggingSet {
    /// Its id.
    pub bucket: BucketId,
    /// Where it goes; none when it ended.
    pub logging: Option<Logging>,
}

/// Where an access log goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// The bucket that gets it, by name: one that is made anew under the name gets it too, if it lets it in.
    pub target: BucketName,
    /// What keys of its objects begin with.
    pub prefix: String,
    /// What follows in them.
    pub key_format: LogKeyFormat,
}

/// How keys of log objects are made after their prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogKeyFormat {
    /// Time and a unique text.
    Simple,
    /// Owner, region, source bucket and day as folders, by the day on which things happened.
    PartitionedByEventTime,
    /// The same by the day of delivery.
    PartitionedByDeliveryTime,
}
