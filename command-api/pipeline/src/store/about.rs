//! What is said of a version beside its content: its tags.

use schemas::action::Action;

use super::Store;
use super::objects::Opened;
use crate::api::{Caller, ObjectVersion, StoreError, TagSet};

impl Store {
    /// The tags of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_tags(&self, caller: &Caller, request: ObjectVersion) -> Result<TagSet, StoreError> {
        let opened = self.about(caller, Action::GetObjectTagging, request)?;
        Ok(TagSet { tags: opened.committed.tags, version: opened.info.version })
    }

    /// Opens a version for one who may do this to it.
    pub(super) fn about(&self, caller: &Caller, action: Action, request: ObjectVersion) -> Result<Opened, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let ObjectVersion { bucket, key, version } = request;
        let bucket = inner.enter_version(snapshot.as_ref(), caller, action, (&bucket, &key, version))?;
        let object = inner.find_version(snapshot.as_ref(), caller.tenant, &bucket, &key, version)?;
        inner.open_version(snapshot.as_ref(), caller.tenant, bucket, &key, &object)
    }
}
