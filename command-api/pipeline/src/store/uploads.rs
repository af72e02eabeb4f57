//! Multipart uploads: begin, parts, part copies, complete, give up, list.

use domain::Refusal;
use domain::acl::Uploaded;
use domain::bucket_policy::Asked;
use domain::lock::BucketLock;
use domain::policy::Resource;
use domain::upload::{self, Assembled, Assembly, Completion, Limits, NamedPart, ObjectChecksum, Open, StagePart};
use event_log::{Changes, Rows, Snapshot};
use projections::query::{self, ListQuery};
use projections::row::{Part, Row as _, Upload, UploadState};
use schemas::action::Action;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag};
use schemas::event::Event;
use schemas::{BucketName, EventId, ObjectKey, Position, TenantId, Time, UploadId};

use super::amend::lock_asked;
use super::bucket_settings::{corrupt_event, record};
use super::encryption::adding;
use super::forks::planned_object;
use super::lifecycle::abort_of;
use super::list::on_thread;
use super::objects::representation;
use super::quota::{Charged, charge};
use super::{Found, Inner, PUT_BYTES_MAX, Request, Store, planned, read_again, rows_error};
use crate::api::{
    ByteStream, Caller, CompleteUpload, CompletedPart, CreateUpload, Digests, GetObject, ListParts, ListUploads,
    ListedPart, ListedUpload, PartWritten, PartsPage, ReadConditions, StoreError, UploadPart, UploadPartCopy,
    UploadStarted, UploadsPage, Written,
};
use crate::content::{Ingested, StagedContent, hashing, of_source};
use crate::sequencer::{Decide, Unit};

/// An upload that a request named, with what its first event says.
struct Begun {
    row: Upload,
    open: Open,
}

impl Store {
    /// Begins a multipart upload.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn create_upload(&self, caller: &Caller, request: CreateUpload) -> Result<UploadStarted, StoreError> {
        let inner = &self.inner;
        let (tenant, key) = (caller.tenant, request.key);
        let snapshot = inner.log.snapshot();
        let resource = Resource::Object(&request.bucket, &key);
        let asked = Asked {
            tags: Some(&request.tags),
            lock: lock_asked(&request.lock),
            ..Asked::new(Action::PutObject, resource)
        };
        let bucket = inner.enter_asked(snapshot.as_ref(), caller, &asked, None)?;
        inner.check_lock(snapshot.as_ref(), caller, &bucket, &key, &request.lock)?;
        inner.may_tag(snapshot.as_ref(), caller, &bucket, &key, &request.tags)?;
        let rules = inner.rules(snapshot.as_ref(), tenant, &bucket.row)?;
        let chosen = inner.choose_encryption(snapshot.as_ref(), tenant, &bucket, &request.encryption).await?;
        let Uploaded { owner, acl } = inner.uploaded(snapshot.as_ref(), caller, &bucket, &key, request.acl)?;
        drop(snapshot);
        let create = upload::Create {
            upload: inner.ids.upload(),
            initiator: caller.user(),
            owner,
            metadata: request.metadata,
            storage_class: request.storage_class,
            encryption: chosen.encryption,
            checksum: request.checksum,
            tags: request.tags,
            lock: request.lock,
            acl,
            // What the commit finds is decided on.
            bucket_exists: true,
            bucket_lock: BucketLock::Off,
            now: Time::default(),
        };
        let (id, begun_key) = (create.upload, key.clone());
        let decide: Decide = Box::new(move |rows, now| {
            let row = query::bucket(rows, tenant, bucket.id).map_err(rows_error)?;
            let bucket_lock = row.as_ref().map_or(BucketLock::Off, super::situation::bucket_lock);
            let create = upload::Create { bucket_exists: row.is_some(), bucket_lock, now, ..create.clone() };
            let events = upload::decide(&upload::State::Absent, upload::Command::Create(Box::new(create)))?;
            Ok(Unit { events: planned(&bucket, Some(&key), events), changes: Changes::default() })
        });
        let recorded = inner.run(Request::of(caller), decide).await?;
        let unexpected = || StoreError::Internal { what: "a begun upload made no event".to_owned() };
        let record = recorded.first().ok_or_else(unexpected)?;
        let event = record.body.as_ref().and_then(|body| body.event(&record.header).ok());
        let Some(Event::UploadCreated(created)) = event else { return Err(unexpected()) };
        Ok(UploadStarted {
            upload: id,
            checksum: created.checksum,
            position: record.header.position,
            abort: abort_of(rules.as_ref(), &begun_key, record.header.time),
            encryption: created.encryption,
        })
    }

    /// Stores a part.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn upload_part(
        &self,
        caller: &Caller,
        request: UploadPart,
        body: ByteStream,
    ) -> Result<PartWritten, StoreError> {
        let inner = &self.inner;
        let (bucket, begun) = {
            let snapshot = inner.log.snapshot();
            let snapshot = snapshot.as_ref();
            let bucket = inner.enter(snapshot, caller, Action::PutObject, &request.bucket, Some(&request.key))?;
            let begun = inner.open_upload(snapshot, caller.tenant, &bucket, &request.key, request.upload)?;
            if let Some(size_bytes) = request.size_bytes {
                let write = Charged::Part { upload: request.upload, number: request.number, size_bytes };
                inner.room_for(snapshot, caller.tenant, &bucket, write)?;
            }
            (bucket, begun)
        };
        let mode = adding(&begun.open.encryption, request.customer_key.as_ref())?;
        let scope = bucket.scope(caller.tenant, mode);
        let also = begun.open.checksum.map(|(algorithm, _)| algorithm);
        let limits = crate::content::Limits { announced_bytes: request.size_bytes, bytes_max: PUT_BYTES_MAX };
        let Ingested { staged, hashed } = inner.contents.ingest(&scope, body, &request.digests, also, limits).await?;
        // Of several the upload's own counts, if it is among them.
        let of_upload = request.digests.checksums.iter().map(|(algorithm, _)| *algorithm).find(|it| Some(*it) == also);
        let part = StagePart {
            number: request.number,
            content: staged.content,
            etag: ETag { md5: hashed.md5, parts: 0 },
            checksums: hashed.checksums,
            sent: of_upload.or(request.digests.chosen()),
        };
        inner.stage_part(caller, &bucket, request.key, begun, part, staged).await
    }

    /// Makes a part of a range of another object.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn upload_part_copy(&self, caller: &Caller, request: UploadPartCopy) -> Result<PartWritten, StoreError> {
        read_again(|| self.part_copy_once(caller, request.clone())).await
    }

    async fn part_copy_once(&self, caller: &Caller, request: UploadPartCopy) -> Result<PartWritten, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let asked = Asked {
            copy_source: Some((&request.source_bucket, &request.source_key)),
            ..Asked::new(Action::PutObject, Resource::Object(&request.bucket, &request.key))
        };
        let bucket = inner.enter_asked(snapshot.as_ref(), caller, &asked, None)?;
        let source = GetObject {
            bucket: request.source_bucket,
            key: request.source_key,
            version: request.source_version,
            part_number: None,
            range: None,
            conditions: ReadConditions::default(),
            customer_key: request.source_customer_key,
        };
        let begun = inner.open_upload(snapshot.as_ref(), caller.tenant, &bucket, &request.key, request.upload)?;
        let mode = adding(&begun.open.encryption, request.customer_key.as_ref())?;
        let (opened, from) = inner.open_object(snapshot.as_ref(), caller, &source)?;
        domain::read::check_copy_source(&request.source_conditions, &representation(&opened.info))?;
        let size = opened.content.size_bytes;
        if let Some(range) = request.range {
            domain::read::check_copy_range(range, size)?;
        }
        let range = request.range.map_or(0..size, |(first, last)| first..last + 1);
        let from = opened.scope(caller.tenant, from);
        let body = inner.contents.read(snapshot, &from, opened.content, range.clone()).await?;
        let also = begun.open.checksum.map(|(algorithm, _)| algorithm);
        let limits =
            crate::content::Limits { announced_bytes: Some(range.end - range.start), bytes_max: PUT_BYTES_MAX };
        // Read and stored again: the pieces of the source are found by their hints and shared where they fall together.
        let none = Digests::default();
        let scope = bucket.scope(caller.tenant, mode);
        let ingested = inner.contents.ingest(&scope, body, &none, also, limits);
        let Ingested { staged, hashed } = ingested.await.map_err(of_source)?;
        let part = StagePart {
            number: request.number,
            content: staged.content,
            etag: ETag { md5: hashed.md5, parts: 0 },
            checksums: hashed.checksums,
            sent: None,
        };
        let written = inner.stage_part(caller, &bucket, request.key, begun, part, staged).await?;
        Ok(PartWritten { source_version: opened.info.version, ..written })
    }

    /// Makes an object of parts. Repeating a completion that succeeded answers the same.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn complete_upload(&self, caller: &Caller, request: CompleteUpload) -> Result<Written, StoreError> {
        let inner = &self.inner;
        let tenant = caller.tenant;
        let snapshot = inner.log.snapshot();
        let bucket = inner.enter(snapshot.as_ref(), caller, Action::PutObject, &request.bucket, Some(&request.key))?;
        let row = inner.upload_row(snapshot.as_ref(), tenant, &bucket, &request.key, request.upload)?;
        if let UploadState::Completed(event) = row.state {
            return inner.completed(snapshot.as_ref(), tenant, &bucket, event);
        }
        let begun = inner.begun(snapshot.as_ref(), tenant, row)?;
        inner.default_retention_may_begin(&bucket, begun.open.retention)?;
        if !bucket.has_acls_off() {
            inner.still_allowed(tenant, &bucket, begun.open.acl.as_ref())?;
        }
        let mode = adding(&begun.open.encryption, request.customer_key.as_ref())?;
        let completion = completion(&request, inner.settings.part_bytes_min);
        let (assembly, parts) = inner.assembly(snapshot.as_ref(), tenant, &begun, &completion)?;
        drop(snapshot);
        let contents: Vec<Content> = assembly.parts.iter().map(|part| part.content).collect();
        let mut staged = inner.contents.join_parts(&bucket.scope(tenant, mode), &contents).await?;
        let assembled = assemble(&assembly, staged.content);
        let (algorithm, covers) = assembly.checksum;
        let computed =
            assembled.checksums.iter().find(|checksum| checksum.algorithm == algorithm && checksum.covers == covers);
        if let Some(computed) = computed {
            assembly.verify(completion.checksum.as_ref(), computed)?;
        }
        let commit = assembly.commit(&begun.open, assembled, request.conditions);
        let changes = inner.stage_rows(caller, &mut staged).await?;
        let (id, decided, key) = (request.upload, bucket.clone(), request.key.clone());
        let read_parts = parts.clone();
        let decide: Decide = Box::new(move |rows, now| {
            let _held = &staged;
            let upload = query::upload(rows, tenant, id).map_err(rows_error)?;
            match upload.map(|upload| upload.state) {
                Some(UploadState::Open) => {}
                // The same completion, sent twice, overtook this one.
                Some(UploadState::Completed(_)) => return Ok(Unit::default()),
                Some(_) | None => return Err(Refusal::NoSuchUpload.into()),
            }
            // A part that was replaced since it was read is not the part that was checked.
            for (number, part) in &read_parts {
                let now = query::part(rows, tenant, id, *number).map_err(rows_error)?;
                if now.is_none_or(|now| now.made_by != part.made_by) {
                    return Err(Refusal::InvalidPart { number: *number }.into());
                }
            }
            let state = super::situation::object(rows, tenant, decided.id, &key)?;
            let command = domain::object::Command::Commit { version: commit.clone(), now };
            let events = domain::object::decide(&state, command)?;
            let mut events = planned_object(rows, tenant, &decided, &key, events)?;
            let write = Charged::Version { key: &key, size_bytes: commit.content.size_bytes, upload: Some(id) };
            events.extend(charge(rows, tenant, &decided, write)?);
            Ok(Unit { events, changes: changes.clone() })
        });
        let mut rows = super::situation::object_rows(tenant, bucket.id, &request.key);
        rows.extend(parts.iter().map(|(number, _)| (Part::TABLE, Part::key(tenant, request.upload, *number))));
        let recorded = inner.run(Request::of(caller).loading(rows), decide).await?;
        if recorded.is_empty() {
            let snapshot = inner.log.snapshot();
            let row = inner.upload_row(snapshot.as_ref(), tenant, &bucket, &request.key, request.upload)?;
            let UploadState::Completed(event) = row.state else { return Err(Refusal::NoSuchUpload.into()) };
            return inner.completed(snapshot.as_ref(), tenant, &bucket, event);
        }
        inner.written(&bucket, &recorded)
    }

    /// Gives an upload up.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn abort_upload(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Position, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let asked = Asked::new(Action::AbortMultipartUpload, Resource::Object(bucket, key));
        let bucket = inner.enter_asked(snapshot.as_ref(), caller, &asked, Some(upload))?;
        let begun = inner.open_upload(snapshot.as_ref(), caller.tenant, &bucket, key, upload)?;
        drop(snapshot);
        let recorded = inner.run(Request::of(caller), giving_up(caller.tenant, bucket, key.clone(), begun)).await?;
        inner.position(caller.tenant, &recorded)
    }

    /// Parts of an upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_parts(&self, caller: &Caller, request: ListParts) -> Result<PartsPage, StoreError> {
        let (inner, caller) = (self.inner.clone(), caller.clone());
        on_thread(request.max, move || {
            let snapshot = inner.log.snapshot();
            let resource = Resource::Object(&request.bucket, &request.key);
            let asked = Asked::new(Action::ListMultipartUploadParts, resource);
            let bucket = inner.enter_asked(snapshot.as_ref(), &caller, &asked, Some(request.upload))?;
            let row = inner.upload_row(snapshot.as_ref(), caller.tenant, &bucket, &request.key, request.upload)?;
            if row.state != UploadState::Open {
                return Err(Refusal::NoSuchUpload.into());
            }
            let rules = inner.rules(snapshot.as_ref(), caller.tenant, &bucket.row)?;
            let page = query::parts(snapshot.as_ref(), caller.tenant, request.upload, request.after, request.max);
            let page = page.map_err(rows_error)?;
            let listed = |(number, part): (u16, Part)| ListedPart {
                number,
                size_bytes: part.size_bytes,
                etag: part.etag,
                modified: part.modified,
                checksum: part.checksum,
            };
            Ok(PartsPage {
                parts: page.parts.into_iter().map(listed).collect(),
                truncated: page.truncated,
                checksum: row.checksum,
                initiator: row.initiator,
                owner: bucket.owner_of(&row.owner).clone(),
                storage_class: row.storage_class,
                abort: abort_of(rules.as_ref(), &request.key, row.initiated),
            })
        })
        .await
    }

    /// Uploads in progress.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_uploads(&self, caller: &Caller, request: ListUploads) -> Result<UploadsPage, StoreError> {
        let (inner, caller, tenant) = (self.inner.clone(), caller.clone(), caller.tenant);
        on_thread(request.max, move || {
            let snapshot = inner.log.snapshot();
            let resource = Resource::Prefix(&request.bucket, &request.prefix);
            let bucket = inner.enter_for(snapshot.as_ref(), &caller, Action::ListBucketMultipartUploads, resource)?;
            let query = ListQuery {
                prefix: request.prefix,
                delimiter: request.delimiter,
                after: request.after,
                max: request.max,
            };
            let page = query::list_uploads(snapshot.as_ref(), tenant, bucket.id, &query, request.after_upload);
            let (page, next_upload) = page.map_err(rows_error)?;
            let listed = |entry: query::UploadEntry| ListedUpload {
                key: entry.key,
                upload: entry.id,
                initiated: entry.upload.initiated,
                initiator: entry.upload.initiator,
                owner: bucket.owner_of(&entry.upload.owner).clone(),
                storage_class: entry.upload.storage_class,
                checksum: entry.upload.checksum,
            };
            Ok(UploadsPage {
                uploads: page.entries.into_iter().map(listed).collect(),
                common_prefixes: page.common_prefixes,
                truncated: page.truncated,
                next_after: page.next_after,
                next_upload,
            })
        })
        .await
    }
}

impl Inner {
    /// The answer to a completion that succeeded before.
    fn completed(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        event: EventId,
    ) -> Result<Written, StoreError> {
        self.written(bucket, &[record(snapshot, tenant, event)?].into_iter().collect())
    }

    /// The row of an upload of this key.
    fn upload_row(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Upload, StoreError> {
        let row = query::upload(rows, tenant, upload).map_err(rows_error)?;
        let row = row.filter(|row| row.bucket == bucket.id && row.key == *key);
        Ok(row.ok_or(Refusal::NoSuchUpload)?)
    }

    /// The decision to give up an upload that a standing process found; none when it is not open any more.
    pub(crate) fn abandoning(
        &self,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Option<Decide>, StoreError> {
        match self.open_upload(self.log.snapshot().as_ref(), tenant, bucket, key, upload) {
            Ok(begun) => Ok(Some(giving_up(tenant, bucket.clone(), key.clone(), begun))),
            Err(StoreError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the first event of an upload says.
    fn begun(&self, snapshot: &dyn Snapshot, tenant: TenantId, row: Upload) -> Result<Begun, StoreError> {
        match self.event(snapshot, tenant, row.created_by)? {
            Event::UploadCreated(open) => Ok(Begun { row, open }),
            _ => Err(corrupt_event(tenant, row.created_by, "begins no upload")),
        }
    }

    /// An upload of this key that takes parts.
    fn open_upload(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Begun, StoreError> {
        let row = self.upload_row(snapshot, tenant, bucket, key, upload)?;
        if row.state != UploadState::Open {
            return Err(Refusal::NoSuchUpload.into());
        }
        self.begun(snapshot, tenant, row)
    }

    async fn stage_part(
        &self,
        caller: &Caller,
        bucket: &Found,
        key: ObjectKey,
        begun: Begun,
        part: StagePart,
        mut staged: StagedContent,
    ) -> Result<PartWritten, StoreError> {
        let changes = self.stage_rows(caller, &mut staged).await?;
        let (tenant, decided) = (caller.tenant, bucket.clone());
        let wanted = part.sent.or(begun.open.checksum.map(|(algorithm, _)| algorithm));
        let checksum = wanted.and_then(|wanted| part.checksums.iter().find(|checksum| checksum.algorithm == wanted));
        let (checksum, etag, size_bytes) = (checksum.cloned(), part.etag, part.content.size_bytes);
        let encryption = begun.open.encryption.clone();
        let decide: Decide = Box::new(move |rows, _| {
            let _held = &staged;
            let state = state(rows, tenant, &begun)?;
            let events = upload::decide(&state, upload::Command::StagePart(part.clone()))?;
            let mut events = planned(&decided, Some(&key), events);
            let (upload, size_bytes) = (begun.open.upload, part.content.size_bytes);
            let write = Charged::Part { upload, number: part.number, size_bytes };
            events.extend(charge(rows, tenant, &decided, write)?);
            Ok(Unit { events, changes: changes.clone() })
        });
        let recorded = self.run(Request::of(caller), decide).await?;
        let modified = recorded.first().map(|record| record.header.time).unwrap_or_default();
        let position = self.position(tenant, &recorded)?;
        Ok(PartWritten { etag, size_bytes, modified, checksum, position, source_version: None, encryption })
    }

    /// The parts that a completion names, checked; and their rows, to be checked again in the commit.
    fn assembly(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        begun: &Begun,
        completion: &Completion,
    ) -> Result<(Assembly, Vec<(u16, Part)>), StoreError> {
        let mut parts = Vec::with_capacity(completion.parts.len());
        for named in &completion.parts {
            if let Some(part) = query::part(rows, tenant, begun.open.upload, named.number).map_err(rows_error)? {
                parts.push((named.number, part));
            }
        }
        let staged: Vec<_> = parts.iter().map(|(number, part)| staged_part(*number, part)).collect();
        let state = upload::State::Open(Box::new(begun.open.clone()));
        Ok((upload::assemble(&state, &staged, completion)?, parts))
    }
}

fn giving_up(tenant: TenantId, bucket: Found, key: ObjectKey, begun: Begun) -> Decide {
    Box::new(move |rows, _| {
        let state = state(rows, tenant, &begun)?;
        let events = upload::decide(&state, upload::Command::Abort)?;
        Ok(Unit { events: planned(&bucket, Some(&key), events), changes: Changes::default() })
    })
}

/// The state of an upload now: what began it does not change, whether it is open does.
fn state(rows: &dyn Rows, tenant: TenantId, begun: &Begun) -> Result<upload::State, StoreError> {
    let upload = begun.open.upload;
    let now = query::upload(rows, tenant, upload).map_err(rows_error)?;
    let bucket = query::bucket(rows, tenant, begun.row.bucket).map_err(rows_error)?;
    Ok(match (now, bucket) {
        (Some(now), Some(_)) if now.state == UploadState::Open => upload::State::Open(Box::new(begun.open.clone())),
        (Some(_), Some(_)) => upload::State::Ended { upload },
        _ => upload::State::Absent,
    })
}

fn staged_part(number: u16, part: &Part) -> upload::StagedPart {
    let crc64nvme = part.crc64nvme.map(|crc| Checksum {
        algorithm: ChecksumAlgorithm::Crc64Nvme,
        covers: ChecksumType::FullObject,
        digest: crc.to_be_bytes().to_vec(),
        parts: 0,
    });
    upload::StagedPart {
        number,
        staged_by: part.made_by,
        content: Content { size_bytes: part.size_bytes, root: part.root },
        etag: part.etag,
        checksums: part.checksum.iter().cloned().chain(crc64nvme).collect(),
    }
}

fn completion(request: &CompleteUpload, part_bytes_min: u64) -> Completion {
    let named = |part: &CompletedPart| NamedPart {
        number: part.number,
        etag: part.etag.clone(),
        checksum: part.checksum.clone(),
    };
    let checksum = request.checksum.clone();
    Completion {
        parts: request.parts.iter().map(named).collect(),
        checksum: checksum.map(|(algorithm, digest, parts)| ObjectChecksum { algorithm, digest, parts }),
        checksum_type: request.checksum_type,
        size_bytes: request.size_bytes,
        limits: Limits { part_bytes_min, ..Limits::S3 },
    }
}

/// Digests of the object from those of its parts.
fn assemble(assembly: &Assembly, content: Content) -> Assembled {
    let md5s: Vec<u8> = assembly.md5s().flatten().copied().collect();
    let etag = ETag { md5: hashing::md5_of(&md5s), parts: assembly.parts_count() };
    let mut wanted = vec![(ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject)];
    if !wanted.contains(&assembly.checksum) {
        wanted.push(assembly.checksum);
    }
    let checksums = wanted.into_iter().filter_map(|(algorithm, covers)| {
        let digests = assembly.digests(algorithm)?;
        let (digest, parts) = match covers {
            ChecksumType::Composite => {
                let joined: Vec<u8> = digests.iter().flat_map(|part| part.digest).copied().collect();
                (hashing::digest(algorithm, &joined), assembly.parts_count())
            }
            ChecksumType::FullObject => {
                let mut rest = digests.iter();
                let first = rest.next()?.digest.to_vec();
                let combined = rest
                    .try_fold(first, |whole, part| hashing::combine(algorithm, &whole, part.digest, part.size_bytes));
                (combined?, 0)
            }
        };
        Some(Checksum { algorithm, covers, digest, parts })
    });
    Assembled { content, etag, checksums: checksums.collect() }
}
