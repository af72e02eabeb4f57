//! Quotas of a tenant and of its buckets.

use schemas::{BucketId, TenantId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, Key, directory};

/// How much may be held. A quota without bounds has no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota(pub schemas::event::Quota);
super::packed!(Quota, DIRECTORY, "quota");

impl Quota {
    /// Key of a bucket's row: tenant, kind, bucket. The tenant's own stands under [`BucketId::NONE`].
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, directory::QUOTA).bucket(bucket).bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::reads_back;
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(bytes: Option<u64>, objects: Option<u64>) {
            reads_back(&Quota(schemas::event::Quota { bytes, objects }));
        }
    }
}
