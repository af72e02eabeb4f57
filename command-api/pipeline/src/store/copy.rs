//! CopyObject: a new version that shares the source's content.

use domain::Refusal;
use domain::bucket_policy::Asked;
use domain::object::Commit;
use domain::policy::Resource;
use schemas::action::Action;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType};
use schemas::event::{Cause, CopySource, StorageClass};

use super::amend::lock_asked;
use super::objects::{Opened, representation};
use super::{Request, Store, read_again};
use crate::api::{Caller, Copied, CopyObject, GetObject, ReadConditions, StoreError};
use crate::content::{Scope, hashing};

impl Store {
    /// Copies an object within the tenant, sharing its content.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn copy_object(&self, caller: &Caller, request: CopyObject) -> Result<Copied, StoreError> {
        read_again(|| self.copy_once(caller, request.clone())).await
    }

    async fn copy_once(&self, caller: &Caller, request: CopyObject) -> Result<Copied, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let asked = Asked {
            tags: request.tags.as_ref(),
            copy_source: Some((&request.source_bucket, &request.source_key)),
            lock: lock_asked(&request.lock),
            ..Asked::new(Action::PutObject, Resource::Object(&request.bucket, &request.key))
        };
        let bucket = inner.enter_asked(snapshot.as_ref(), caller, &asked, None)?;
        inner.check_lock(snapshot.as_ref(), caller, &bucket, &request.key, &request.lock)?;
        let source = GetObject {
            bucket: request.source_bucket.clone(),
            key: request.source_key.clone(),
            version: request.source_version,
            part_number: None,
            range: None,
            conditions: ReadConditions::default(),
        };
        let opened = inner.open_object(snapshot.as_ref(), caller, &source)?;
        domain::read::check_copy_source(&request.source_conditions, &representation(&opened.info))?;
        let onto_itself = opened.bucket.id == bucket.id && request.source_key == request.key;
        let storage_class = request.storage_class.unwrap_or(StorageClass::Standard);
        let changes_something = request.metadata.is_some()
            || request.tags.is_some()
            || storage_class != opened.info.storage_class
            || request.source_version.is_some();
        domain::validate::copy(onto_itself, changes_something)?;
        if opened.content.size_bytes > super::PUT_BYTES_MAX {
            let (size_bytes, bound_bytes) = (opened.content.size_bytes, super::PUT_BYTES_MAX);
            return Err(Refusal::EntityTooLarge { size_bytes, bound_bytes }.into());
        }
        let from = opened.bucket.scope(caller.tenant);
        let (checksums, chosen_checksum) =
            self.copy_checksums(snapshot.clone(), from, &opened, request.checksum_algorithm).await?;
        let mut staged = inner.contents.share(snapshot, from, bucket.scope(caller.tenant), opened.content).await?;
        let commit = Commit {
            conditions: request.conditions,
            content: staged.content,
            etag: opened.info.etag,
            checksums,
            chosen_checksum,
            metadata: request.metadata.unwrap_or(opened.committed.metadata),
            owner: bucket.owner_of_new(caller),
            storage_class,
            encryption: schemas::event::Encryption::Managed,
            cause: Cause::Copy,
            upload: None,
            parts: opened.committed.parts,
            source: Some(CopySource { bucket: opened.bucket.id, key: request.source_key, version: opened.event }),
            tags: request.tags.unwrap_or(opened.committed.tags),
            lock: request.lock,
        };
        let changes = inner.stage_rows(caller, &mut staged).await?;
        let recorded = inner.commit_version(Request::of(caller), &bucket, request.key, commit, changes, staged).await?;
        Ok(Copied { written: inner.written(&bucket, &recorded)?, source_version: opened.info.version })
    }

    /// The source's checksums, and the one that is asked for, computed if the source has none of it.
    async fn copy_checksums(
        &self,
        snapshot: std::sync::Arc<dyn event_log::Snapshot>,
        scope: Scope,
        opened: &Opened,
        wanted: Option<ChecksumAlgorithm>,
    ) -> Result<(Vec<Checksum>, Option<u8>), StoreError> {
        let mut checksums = opened.committed.checksums.clone();
        let Some(algorithm) = wanted else { return Ok((checksums, opened.committed.chosen_checksum)) };
        let full = |checksum: &Checksum| checksum.algorithm == algorithm && checksum.covers == ChecksumType::FullObject;
        if !checksums.iter().any(full) {
            let size = opened.content.size_bytes;
            let mut body = self.inner.contents.read(snapshot, scope, opened.content, 0..size).await?;
            let mut hasher = hashing::Hasher::new(algorithm);
            while let Some(bytes) = futures_util::StreamExt::next(&mut body).await {
                let bytes = bytes.map_err(StoreError::Body)?;
                // Up to 4 MiB at once: not on a thread that serves others.
                let hashed = tokio::task::spawn_blocking(move || {
                    hasher.update(&bytes);
                    hasher
                });
                hasher = hashed.await.map_err(|error| super::internal(&error))?;
            }
            let digest = hasher.finish();
            checksums.push(Checksum { algorithm, covers: ChecksumType::FullObject, digest, parts: 0 });
        }
        let chosen = checksums.iter().position(full).and_then(|index| u8::try_from(index).ok());
        Ok((checksums, chosen))
    }
}
