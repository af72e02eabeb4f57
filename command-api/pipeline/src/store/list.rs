//! Listings: current objects and versions.

use domain::policy::Resource;
use projections::query::{self, ListQuery, VersionResume};
use schemas::action::Action;
use schemas::content::ETag;
use schemas::event::StorageClass;

use projections::row::Version;

use super::past::layers;
use super::{Found, Store, rows_error};
use crate::api::{Caller, ListObjects, ListPage, ListVersions, ListedObject, ListedVersion, StoreError};

impl Store {
    /// A page of current objects.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_objects(
        &self,
        caller: &Caller,
        request: ListObjects,
    ) -> Result<ListPage<ListedObject>, StoreError> {
        let inner = self.inner.clone();
        let (caller, tenant) = (caller.clone(), caller.tenant);
        on_thread(request.max, move || {
            let snapshot = inner.log.snapshot();
            let resource = Resource::Prefix(&request.bucket, &request.prefix);
            let bucket = inner.enter_for(snapshot.as_ref(), &caller, Action::ListBucket, resource)?;
            let query = ListQuery {
                prefix: request.prefix,
                delimiter: request.delimiter,
                after: request.after,
                max: request.max,
            };
            let layers = layers(snapshot.as_ref(), tenant, &bucket)?;
            let page = layers.list(snapshot.as_ref(), &query).map_err(rows_error)?;
            let entries = page.entries.into_iter().map(|query::ObjectEntry { key, object }| ListedObject {
                key,
                size_bytes: object.size_bytes,
                etag: object.etag,
                modified: object.modified,
                storage_class: object.storage_class,
                owner: bucket.owner_of(&object.owner).clone(),
                checksum: object.checksum,
            });
            Ok(ListPage {
                entries: entries.collect(),
                common_prefixes: page.common_prefixes,
                truncated: page.truncated,
                next_after: page.next_after,
                next_version: None,
            })
        })
        .await
    }

    /// A page of versions and delete markers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_versions(
        &self,
        caller: &Caller,
        request: ListVersions,
    ) -> Result<ListPage<ListedVersion>, StoreError> {
        let inner = self.inner.clone();
        let (caller, tenant) = (caller.clone(), caller.tenant);
        on_thread(request.max, move || {
            let snapshot = inner.log.snapshot();
            let resource = Resource::Prefix(&request.bucket, &request.prefix);
            let bucket = inner.enter_for(snapshot.as_ref(), &caller, Action::ListBucketVersions, resource)?;
            let query = ListQuery {
                prefix: request.prefix,
                delimiter: request.delimiter,
                after: request.after,
                max: request.max,
            };
            let resume = request.after_version.map_or(VersionResume::NextKey, VersionResume::Behind);
            let layers = layers(snapshot.as_ref(), tenant, &bucket)?;
            let page = layers.list_versions(snapshot.as_ref(), &query, resume);
            let (page, next_version) = page.map_err(rows_error)?;
            Ok(ListPage {
                entries: page.entries.into_iter().map(|entry| listed_version(&bucket, entry)).collect(),
                common_prefixes: page.common_prefixes,
                truncated: page.truncated,
                next_after: page.next_after,
                next_version,
            })
        })
        .await
    }
}

fn listed_version(bucket: &Found, entry: query::VersionEntry) -> ListedVersion {
    let version = entry.version.id();
    let modified = entry.version.modified();
    match entry.version {
        Version::Object(object) => ListedVersion {
            key: entry.key,
            version,
            is_latest: entry.is_latest,
            is_marker: false,
            size_bytes: object.size_bytes,
            etag: object.etag,
            modified,
            storage_class: object.storage_class,
            owner: bucket.owner_of(&object.owner).clone(),
            checksum: object.checksum,
        },
        Version::Marker(marker) => ListedVersion {
            key: entry.key,
            version,
            is_latest: entry.is_latest,
            is_marker: true,
            size_bytes: 0,
            etag: ETag { md5: [0; 16], parts: 0 },
            modified,
            storage_class: StorageClass::Standard,
            owner: bucket.owner_of(&marker.owner).clone(),
            checksum: None,
        },
    }
}

/// A long page walks many rows: not on a thread that serves others.
pub(crate) async fn on_thread<T: Send + 'static>(
    max: usize,
    query: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    if max <= 16 {
        return query();
    }
    tokio::task::spawn_blocking(query).await.map_err(|error| super::internal(&error))?
}
