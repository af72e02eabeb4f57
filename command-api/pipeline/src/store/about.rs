//! What is said of a version beside its content: tags and owner.

use schemas::action::Action;

use super::Store;
use super::buckets::display_name;
use super::objects::Opened;
use crate::api::{Caller, ObjectVersion, StoreError, TagSet, VersionOwner};

impl Store {
    /// The tags of an object or of one of its versions.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_tags(&self, caller: &Caller, request: ObjectVersion) -> Result<TagSet, StoreError> {
        let opened = self.about(caller, Action::GetObjectTagging, request)?;
        Ok(TagSet { tags: opened.committed.tags, version: opened.info.version })
    }

    /// Whose an object or one of its versions is, for one who may do something to it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn object_owner(
        &self,
        caller: &Caller,
        request: ObjectVersion,
        action: Action,
    ) -> Result<VersionOwner, StoreError> {
        let opened = self.about(caller, action, request)?;
        let owner = opened.committed.owner;
        let display_name = display_name(self.inner.log.snapshot().as_ref(), caller.tenant, &owner)?;
        Ok(VersionOwner { owner, display_name, version: opened.info.version })
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
