//! What an archive of several objects is made of, looked at before its first byte is sent.
//!
//! Owns: finding the objects and asking whether each may be read. Does not own: reading them, which is a GetObject of each, the
//! form of archives (doors).

use domain::policy::Resource;
use projections::query::ListQuery;
use schemas::action::Action;
use schemas::content::ETag;
use schemas::{BucketName, ObjectKey, Time};

use super::past::layers;
use super::{Inner, Store, internal, rows_error};
use crate::api::{Caller, GetObject, ReadConditions, StoreError};

/// Objects looked at under one snapshot.
const PAGE: usize = 500;

/// Which objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These, in this order.
    Keys(Vec<ObjectKey>),
    /// Every one whose key begins with it, in the order of keys.
    Prefix(String),
}

/// An object as it is to be in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Key.
    pub key: ObjectKey,
    /// Bytes.
    pub size_bytes: u64,
    /// Entity tag: another one is another object.
    pub etag: ETag,
    /// When it was made.
    pub modified: Time,
}

impl Store {
    /// The objects of a selection, each of which the caller may read; one more than `max` when there are more.
    ///
    /// # Errors
    /// [`StoreError`]: that of the first object that cannot be read.
    pub async fn select_objects(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        selection: Selection,
        max: usize,
    ) -> Result<Vec<Selected>, StoreError> {
        let inner = self.inner.clone();
        let (caller, bucket) = (caller.clone(), bucket.clone());
        let find = move || match selection {
            Selection::Keys(keys) => {
                let mut found = Vec::with_capacity(keys.len());
                for keys in keys.chunks(PAGE) {
                    inner.look(&caller, &bucket, keys, &mut found)?;
                }
                Ok(found)
            }
            Selection::Prefix(prefix) => inner.under(&caller, &bucket, &prefix, max),
        };
        tokio::task::spawn_blocking(find).await.map_err(|error| internal(&error))?
    }
}

impl Inner {
    fn under(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        prefix: &str,
        max: usize,
    ) -> Result<Vec<Selected>, StoreError> {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let keys: Vec<ObjectKey> = {
                let snapshot = self.log.snapshot();
                let resource = Resource::Prefix(bucket, prefix);
                let of = self.enter_for(snapshot.as_ref(), caller, Action::ListBucket, resource)?;
                let left = (max + 1 - found.len()).min(PAGE);
                let query = ListQuery { prefix: prefix.to_owned(), delimiter: None, after, max: left };
                let layers = layers(snapshot.as_ref(), caller.tenant, &of)?;
                let page = layers.list(snapshot.as_ref(), &query).map_err(rows_error)?;
                after = page.next_after.filter(|_| page.truncated);
                page.entries.into_iter().map(|entry| entry.key).collect()
            };
            self.look(caller, bucket, &keys, &mut found)?;
            if after.is_none() || found.len() > max {
                return Ok(found);
            }
        }
    }

    /// Asks what a GetObject of each would, but its bytes.
    fn look(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        keys: &[ObjectKey],
        found: &mut Vec<Selected>,
    ) -> Result<(), StoreError> {
        let snapshot = self.log.snapshot();
        for key in keys {
            let request = GetObject {
                bucket: bucket.clone(),
                key: key.clone(),
                version: None,
                part_number: None,
                range: None,
                conditions: ReadConditions::default(),
                customer_key: None,
            };
            let (opened, _) = self.open_object(snapshot.as_ref(), caller, &request)?;
            let info = opened.info;
            let (size_bytes, etag, modified) = (info.size_bytes, info.etag, info.modified);
            found.push(Selected { key: info.key, size_bytes, etag, modified });
        }
        Ok(())
    }
}
