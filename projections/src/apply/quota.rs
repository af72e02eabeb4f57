//! Events about quotas.

use schemas::BucketId;
use schemas::event::QuotaSet;

use super::Fold;
use crate::row::{Quota, RowError};

impl Fold<'_> {
    pub(super) fn quota_set(&mut self, event: &QuotaSet) -> Result<(), RowError> {
        self.put_quota(event.bucket.unwrap_or(BucketId::NONE), event.quota)
    }

    pub(super) fn put_quota(&mut self, bucket: BucketId, quota: schemas::event::Quota) -> Result<(), RowError> {
        let key = Quota::key(self.tenant, bucket);
        if quota != schemas::event::Quota::default() {
            self.put(key, &Quota(quota));
        } else if self.get::<Quota>(&key)?.is_some() {
            self.remove::<Quota>(key);
        }
        Ok(())
    }
}
