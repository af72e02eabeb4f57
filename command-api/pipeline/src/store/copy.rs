//! CopyObject: a new version that shares the source's content where both are under the same keys, or has its bytes anew.

use std::sync::Arc;

use domain::Refusal;
use domain::acl::Uploaded;
use domain::bucket_policy::Asked;
use domain::object::Commit;
use domain::policy::Resource;
use event_log::{Changes, Snapshot};
use schemas::action::Action;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::{Cause, CommittedPart, CopySource, Encryption, StorageClass};
use schemas::{EventId, VersionId};

use super::amend::lock_asked;
use super::objects::{Opened, representation};
use super::{Found, Request, Store, read_again};
use crate::api::{AskedEncryption, Caller, Copied, CopyObject, Digests, GetObject, ReadConditions, StoreError};
use crate::content::{Ingested, Limits, Scope, StagedContent, hashing, of_source};

/// What a copy is made of.
struct Copy {
    staged: StagedContent,
    etag: ETag,
    checksums: Vec<Checksum>,
    chosen_checksum: Option<u8>,
    parts: Vec<CommittedPart>,
}

/// What of the source the copy has without being asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// As CopyObject has it: what is said of the object, and of how it is stored what the request says.
    AsCopy,
    /// How it is stored too.
    All,
}

/// What is copied.
pub(super) struct Source {
    pub(super) bucket: Found,
    /// The version.
    pub(super) made_by: EventId,
    /// Its id, where versions are shown.
    pub(super) shown: Option<VersionId>,
}

/// A copy that is ready to be committed.
pub(super) struct Prepared {
    pub(super) source: Source,
    /// Where it goes.
    pub(super) bucket: Found,
    pub(super) commit: Commit,
    /// Rows of its content.
    pub(super) changes: Changes,
    pub(super) staged: StagedContent,
}

impl Store {
    /// Copies an object within the tenant, sharing its content unless the copy is to be under other keys.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn copy_object(&self, caller: &Caller, request: CopyObject) -> Result<Copied, StoreError> {
        read_again(|| self.copy_once(caller, request.clone())).await
    }

    async fn copy_once(&self, caller: &Caller, request: CopyObject) -> Result<Copied, StoreError> {
        let key = request.key.clone();
        let prepared = self.prepare_copy(caller, request, Kept::AsCopy).await?;
        let Prepared { source, bucket, commit, changes, staged } = prepared;
        let recorded = self.inner.commit_version(Request::of(caller), &bucket, key, commit, changes, staged).await?;
        Ok(Copied { written: self.inner.written(&bucket, &recorded)?, source_version: source.shown })
    }

    /// Everything of a copy but its commit: who may, what is copied, its content under the keys of the destination.
    pub(super) async fn prepare_copy(
        &self,
        caller: &Caller,
        request: CopyObject,
        kept: Kept,
    ) -> Result<Prepared, StoreError> {
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
        inner.default_retention_may_begin(&bucket, request.lock.retention)?;
        // The list of the source is not copied: whoever makes the copy says what it grants.
        let Uploaded { owner, acl } = inner.uploaded(snapshot.as_ref(), caller, &bucket, &request.key, request.acl)?;
        let source = GetObject {
            bucket: request.source_bucket.clone(),
            key: request.source_key.clone(),
            version: request.source_version,
            part_number: None,
            range: None,
            conditions: ReadConditions::default(),
            customer_key: request.source_customer_key,
        };
        let (opened, mode) = inner.open_object(snapshot.as_ref(), caller, &source)?;
        match &request.tags {
            Some(tags) => inner.may_tag(snapshot.as_ref(), caller, &bucket, &request.key, tags)?,
            None if opened.committed.tags.is_empty() => {}
            // Tags that are copied are read there and written here, and what is written is what a policy may ask about.
            None => {
                let tags = &opened.committed.tags;
                let (from, key, version) = (&request.source_bucket, &request.source_key, request.source_version);
                let reading = Asked::of_version(Action::GetObjectTagging, from, key, version);
                inner.not_denied(snapshot.as_ref(), caller, &opened.bucket, &reading)?;
                inner.enter_asked(snapshot.as_ref(), caller, &Asked { tags: Some(tags), ..asked }, None)?;
                inner.may_tag(snapshot.as_ref(), caller, &bucket, &request.key, tags)?;
            }
        }
        domain::read::check_copy_source(&request.source_conditions, &representation(&opened.info))?;
        let encryption = match (kept, &opened.committed.encryption) {
            (Kept::All, Encryption::Kms { key, context, bucket_key }) => {
                AskedEncryption::Kms { key: Some(key.clone()), context: context.clone(), bucket_key: Some(*bucket_key) }
            }
            _ => request.encryption,
        };
        let chosen = inner.choose_encryption(snapshot.as_ref(), caller.tenant, &bucket, &encryption).await?;
        let onto_itself = opened.bucket.id == bucket.id && request.source_key == request.key;
        let storage_class = match kept {
            Kept::AsCopy => request.storage_class.unwrap_or(StorageClass::Standard),
            Kept::All => opened.info.storage_class,
        };
        let changes_something = request.metadata.is_some()
            || request.tags.is_some()
            || storage_class != opened.info.storage_class
            || chosen.encryption != opened.info.encryption
            || request.source_version.is_some();
        domain::validate::copy(onto_itself, changes_something)?;
        let (from, to) = (opened.scope(caller.tenant, mode), bucket.scope(caller.tenant, chosen.mode));
        let is_shared = from.mode.shares_with(&to.mode);
        // S3 bounds copies. What is moved without being written anew may be as large as it is.
        if opened.content.size_bytes > super::PUT_BYTES_MAX && !(is_shared && kept == Kept::All) {
            let (size_bytes, bound_bytes) = (opened.content.size_bytes, super::PUT_BYTES_MAX);
            return Err(Refusal::EntityTooLarge { size_bytes, bound_bytes }.into());
        }
        let mut copy = if is_shared {
            self.share(snapshot, &from, &to, &opened, request.checksum_algorithm).await?
        } else {
            self.encrypt_anew(snapshot, &from, &to, &opened, request.checksum_algorithm).await?
        };
        let commit = Commit {
            conditions: request.conditions,
            content: copy.staged.content,
            etag: copy.etag,
            checksums: copy.checksums,
            chosen_checksum: copy.chosen_checksum,
            metadata: request.metadata.unwrap_or(opened.committed.metadata),
            owner,
            storage_class,
            encryption: chosen.encryption,
            cause: Cause::Copy,
            upload: None,
            parts: copy.parts,
            source: Some(CopySource { bucket: opened.bucket.id, key: request.source_key, version: opened.event }),
            tags: request.tags.unwrap_or(opened.committed.tags),
            lock: request.lock,
            acl,
        };
        let changes = inner.stage_rows(caller, &mut copy.staged).await?;
        let source = Source { bucket: opened.bucket, made_by: opened.event, shown: opened.info.version };
        Ok(Prepared { source, bucket, commit, changes, staged: copy.staged })
    }

    /// The source's own content, under the same keys: nothing is written but wraps.
    async fn share(
        &self,
        snapshot: Arc<dyn Snapshot>,
        from: &Scope,
        to: &Scope,
        opened: &Opened,
        wanted: Option<ChecksumAlgorithm>,
    ) -> Result<Copy, StoreError> {
        // Computing a checksum may read all of the source, which takes as long as it takes: no snapshot is held meanwhile.
        // What sweep does to the source until the next one is damage to `share`, and the copy begins anew.
        let (checksums, chosen_checksum) = self.copy_checksums(snapshot, from, opened, wanted).await?;
        let staged = self.inner.contents.share(self.inner.log.snapshot(), from, to, opened.content).await?;
        let parts = opened.committed.parts.clone();
        Ok(Copy { staged, etag: opened.info.etag, checksums, chosen_checksum, parts })
    }

    /// The same bytes under other keys. As at AWS the copy was not uploaded in parts, whatever its source was.
    async fn encrypt_anew(
        &self,
        snapshot: Arc<dyn Snapshot>,
        from: &Scope,
        to: &Scope,
        opened: &Opened,
        wanted: Option<ChecksumAlgorithm>,
    ) -> Result<Copy, StoreError> {
        let size_bytes = opened.content.size_bytes;
        let body = self.inner.contents.read(snapshot, from, opened.content, 0..size_bytes).await?;
        let wanted = wanted.or(opened.info.chosen_checksum.as_ref().map(|checksum| checksum.algorithm));
        let limits = Limits { announced_bytes: Some(size_bytes), bytes_max: super::PUT_BYTES_MAX };
        let ingested =
            self.inner.contents.ingest(to, body, &Digests::default(), wanted, limits).await.map_err(of_source)?;
        let Ingested { staged, hashed } = ingested;
        // A source that was not uploaded in parts has the MD5 of its bytes: what was read must be what was written.
        if opened.info.etag.parts == 0 && opened.info.etag.md5 != hashed.md5 {
            return Err(StoreError::Corrupt { what: "a copy's source does not have the MD5 that it had".to_owned() });
        }
        Ok(Copy {
            staged,
            etag: ETag { md5: hashed.md5, parts: 0 },
            checksums: hashed.checksums,
            chosen_checksum: hashed.chosen,
            parts: Vec::new(),
        })
    }

    /// The source's checksums, and the one that is asked for, computed if the source has none of it.
    async fn copy_checksums(
        &self,
        snapshot: Arc<dyn Snapshot>,
        scope: &Scope,
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
                let bytes = bytes.map_err(|error| of_source(StoreError::Body(error)))?;
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
