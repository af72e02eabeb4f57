//! Counters of a bucket and of a tenant. Exact: quota and DeleteBucket are decided by them.

use schemas::{BucketId, TenantId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, Key, directory};

/// What a bucket or tenant holds. A row of zeros is not kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Current objects.
    pub objects: u64,
    /// Versions, current and noncurrent, and delete markers.
    pub versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    pub logical_bytes: u64,
    /// Open uploads.
    pub uploads: u64,
    /// Plaintext bytes of the parts of open uploads.
    pub multipart_bytes: u64,
    /// Buckets; 0 in a bucket's own row.
    pub buckets: u64,
}
super::packed!(Usage, DIRECTORY, "usage");

impl Usage {
    /// Key of a bucket's row: tenant, kind, bucket. The tenant's own stands under [`BucketId::NONE`].
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, directory::USAGE).bucket(bucket).bytes()
    }

    /// Whether the bucket has a version that is not current, or a marker: without one it has no rows of these kinds at all.
    pub(crate) fn has_noncurrent(&self) -> bool {
        self.versions > self.objects
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::reads_back;
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(counts: [u64; 6]) {
            let [objects, versions, logical_bytes, uploads, multipart_bytes, buckets] = counts;
            reads_back(&Usage { objects, versions, logical_bytes, uploads, multipart_bytes, buckets });
        }
    }
}
