//! Tags of a version, as its event says them.

use schemas::action::Action;

use super::Store;
use crate::api::{Caller, ObjectTags, StoreError, TagSet};

impl Store {
    /// The tags of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_tags(&self, caller: &Caller, request: ObjectTags) -> Result<TagSet, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let ObjectTags { bucket, key, version } = request;
        let bucket = inner.enter(snapshot.as_ref(), caller, Action::GetObjectTagging, &bucket, Some(&key))?;
        let object = inner.find_version(snapshot.as_ref(), caller.tenant, &bucket, &key, version)?;
        let opened = inner.open_version(snapshot.as_ref(), caller.tenant, bucket, &key, &object)?;
        Ok(TagSet { tags: opened.committed.tags, version: opened.info.version })
    }
}
