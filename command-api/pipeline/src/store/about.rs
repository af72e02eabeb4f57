//! What is said of a version beside its content: its tags, how it is kept.

use schemas::action::Action;
use schemas::content::{Content, Root};
use schemas::{BucketName, ObjectKey, VersionId};

use super::objects::Opened;
use super::{Inner, Store};
use crate::api::{Caller, DescribedObject, GetObject, ObjectVersion, ReadConditions, StoreError, StoredForm, TagSet};
use crate::content::Mode;

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

    /// How the bytes of an object that a caller was told of are kept; none if that cannot be told.
    pub async fn stored_form(&self, caller: &Caller, bucket: &BucketName, content: Content) -> Option<StoredForm> {
        let (inner, tenant, bucket) = (self.inner.clone(), caller.tenant, bucket.clone());
        let look = move || {
            let found = inner.bucket(inner.log.snapshot().as_ref(), tenant, &bucket).ok()?;
            inner.contents.stored_form(&found.scope(tenant, Mode::Managed), &content)
        };
        match content.root {
            // One row tells it.
            Root::Empty | Root::Blob(_) => look(),
            Root::Manifest(_) => tokio::task::spawn_blocking(look).await.ok()?,
        }
    }

    /// What is known of each of many objects or versions of a bucket: none of one that is not there, or that the caller may not
    /// read.
    ///
    /// # Errors
    /// [`StoreError`] when rows or events cannot be read.
    pub async fn describe_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        objects: Vec<(ObjectKey, Option<VersionId>)>,
    ) -> Result<Vec<Option<DescribedObject>>, StoreError> {
        let (inner, caller, bucket) = (self.inner.clone(), caller.clone(), bucket.clone());
        let look = move || {
            let each = objects.into_iter();
            each.map(|(key, version)| inner.describe_object(&caller, &bucket, key, version)).collect()
        };
        tokio::task::spawn_blocking(look).await.map_err(|error| super::internal(&error))?
    }
}

impl Inner {
    fn describe_object(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: ObjectKey,
        version: Option<VersionId>,
    ) -> Result<Option<DescribedObject>, StoreError> {
        // One each: a page of them may take longer than a snapshot may live.
        let snapshot = self.log.snapshot();
        let (rows, tenant) = (snapshot.as_ref(), caller.tenant);
        let look = || {
            let found = self.enter_version(rows, caller, Action::GetObject, (bucket, &key, version))?;
            let object = self.find_version(rows, tenant, &found, &key, version)?;
            self.open_version(rows, tenant, found, &key, &object)
        };
        let opened = match look() {
            Ok(opened) => opened,
            Err(StoreError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let stored = self.contents.stored_form(&opened.scope(tenant, Mode::Managed), &opened.content);
        let request = GetObject {
            bucket: bucket.clone(),
            key: key.clone(),
            version,
            part_number: None,
            range: None,
            conditions: ReadConditions::default(),
            customer_key: None,
        };
        let mut info = opened.info;
        self.hide(rows, caller, &request, &mut info);
        Ok(Some(DescribedObject { info, stored }))
    }
}
