//! A naive object store: lists of versions in memory. It decides what may happen, and what rows must then say.

use std::collections::BTreeMap;

use event_log::Recorded;
use projections::row::{Details, Usage};
use proptest::prelude::*;
use schemas::content::{Content, ETag, Root};
use schemas::event::*;
use schemas::record::{Actor, Body, Context, Header};
use schemas::*;

pub(crate) const TENANT: TenantId = TenantId(7);

/// What somebody asks for. Numbers choose among what there is, modulo.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    CreateBucket { versioned: bool },
    SetVersioning { bucket: usize, enabled: bool },
    DeleteBucket { bucket: usize },
    Put { bucket: usize, key: usize, size: u64 },
    Copy { bucket: usize, key: usize, from: usize },
    Delete { bucket: usize, key: usize },
    DeleteVersion { bucket: usize, version: usize },
    CreateUpload { bucket: usize, key: usize },
    StagePart { upload: usize, number: u16, size: u64 },
    Complete { upload: usize },
    Abort { upload: usize },
    Clear { upload: usize, at_most: usize },
    Sweep { release: usize },
    Amend { bucket: usize, version: usize, what: Amendment },
}

/// What is changed of a version that stays.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Amendment {
    Tags { count: usize },
    Retention { until: Option<u64>, compliance: bool },
    LegalHold { on: bool },
}

pub(crate) fn operations(most: usize) -> impl Strategy<Value = Vec<Operation>> {
    let n = || 0..100usize;
    let size = || prop_oneof![Just(0u64), 1..1_000u64];
    let operation = prop_oneof![
        1 => any::<bool>().prop_map(|versioned| Operation::CreateBucket { versioned }),
        5 => (n(), any::<bool>()).prop_map(|(bucket, enabled)| Operation::SetVersioning { bucket, enabled }),
        1 => n().prop_map(|bucket| Operation::DeleteBucket { bucket }),
        12 => (n(), n(), size()).prop_map(|(bucket, key, size)| Operation::Put { bucket, key, size }),
        3 => (n(), n(), n()).prop_map(|(bucket, key, from)| Operation::Copy { bucket, key, from }),
        8 => (n(), n()).prop_map(|(bucket, key)| Operation::Delete { bucket, key }),
        8 => (n(), n()).prop_map(|(bucket, version)| Operation::DeleteVersion { bucket, version }),
        3 => (n(), n()).prop_map(|(bucket, key)| Operation::CreateUpload { bucket, key }),
        5 => (n(), 1..4u16, size()).prop_map(|(upload, number, size)| Operation::StagePart { upload, number, size }),
        2 => n().prop_map(|upload| Operation::Complete { upload }),
        1 => n().prop_map(|upload| Operation::Abort { upload }),
        2 => (n(), 1..4usize).prop_map(|(upload, at_most)| Operation::Clear { upload, at_most }),
        2 => n().prop_map(|release| Operation::Sweep { release }),
        8 => (n(), n(), amendment()).prop_map(|(bucket, version, what)| Operation::Amend { bucket, version, what }),
    ];
    // Without buckets nothing else happens: begin with one of each kind.
    let buckets = [false, true].map(|versioned| Operation::CreateBucket { versioned });
    prop::collection::vec(operation, 1..most).prop_map(move |rest| buckets.iter().cloned().chain(rest).collect())
}

fn amendment() -> impl Strategy<Value = Amendment> {
    prop_oneof![
        (0..3usize).prop_map(|count| Amendment::Tags { count }),
        (prop::option::of(0..9u64), any::<bool>())
            .prop_map(|(until, compliance)| Amendment::Retention { until, compliance }),
        any::<bool>().prop_map(|on| Amendment::LegalHold { on }),
    ]
}

/// Few keys, so that they meet; with zeros and prefixes of each other.
const KEYS: [&str; 3] = ["a", "a\u{0}\u{1}", "a\u{0}"];

pub(crate) fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).expect("a key")
}

fn user() -> UserId {
    UserId::parse("main").expect("a user")
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: String,
    pub(crate) made_by: EventId,
    pub(crate) id: VersionId,
    pub(crate) is_marker: bool,
    pub(crate) is_latest: bool,
    pub(crate) superseded: Option<Time>,
    pub(crate) details: Details,
}

#[derive(Debug, Clone)]
struct ModelVersion {
    made_by: EventId,
    null: bool,
    superseded: Option<Time>,
    /// None for a delete marker.
    content: Option<Content>,
    /// A marker has none that could change.
    details: Details,
}

#[derive(Debug, Clone)]
pub(crate) struct ModelBucket {
    versioning: Versioning,
    deleted: bool,
    /// Oldest first.
    keys: BTreeMap<String, Vec<ModelVersion>>,
}

impl ModelBucket {
    pub(crate) fn current(&self) -> Vec<(String, (EventId, Details))> {
        let latest = self.keys.iter().filter_map(|(key, versions)| Some((key, versions.last()?)));
        latest.filter(|(_, v)| v.content.is_some()).map(|(key, v)| (key.clone(), (v.made_by, v.details))).collect()
    }

    pub(crate) fn versions(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (key, versions) in &self.keys {
            for (age, version) in versions.iter().rev().enumerate() {
                shown.push(Shown {
                    key: key.clone(),
                    made_by: version.made_by,
                    id: if version.null { VersionId::Null } else { VersionId::Event(version.made_by) },
                    is_marker: version.content.is_none(),
                    is_latest: age == 0,
                    superseded: version.superseded,
                    details: version.details,
                });
            }
        }
        shown
    }
}

#[derive(Debug, Clone)]
struct ModelUpload {
    id: UploadId,
    bucket: BucketId,
    key: String,
    open: bool,
    begun: Position,
    parts: BTreeMap<u16, (EventId, Content)>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) buckets: BTreeMap<BucketId, ModelBucket>,
    uploads: Vec<ModelUpload>,
    pub(crate) references: BTreeMap<(BlobId, Referrer), Option<Time>>,
}

impl Model {
    pub(crate) fn usage(&self, id: BucketId) -> Usage {
        let bucket = &self.buckets[&id];
        let versions = || bucket.keys.values().flatten();
        let open = || self.uploads.iter().filter(|upload| upload.open && upload.bucket == id);
        let staged = open().flat_map(|upload| upload.parts.values());
        Usage {
            objects: bucket.current().len() as u64,
            versions: versions().count() as u64,
            logical_bytes: versions().filter_map(|v| v.content).map(|content| content.size_bytes).sum(),
            uploads: open().count() as u64,
            multipart_bytes: staged.map(|(_, content)| content.size_bytes).sum(),
            buckets: 0,
        }
    }

    pub(crate) fn tenant_usage(&self) -> Usage {
        let mut total = Usage::default();
        for (&id, bucket) in &self.buckets {
            let usage = self.usage(id);
            total.objects += usage.objects;
            total.versions += usage.versions;
            total.logical_bytes += usage.logical_bytes;
            total.uploads += usage.uploads;
            total.multipart_bytes += usage.multipart_bytes;
            total.buckets += u64::from(!bucket.deleted);
        }
        total
    }

    pub(crate) fn open_uploads(&self, bucket: BucketId) -> Vec<UploadId> {
        let mut open: Vec<_> = self.uploads.iter().filter(|upload| upload.open && upload.bucket == bucket).collect();
        open.sort_by_key(|upload| (upload.key.clone(), upload.begun));
        open.into_iter().map(|upload| upload.id).collect()
    }

    pub(crate) fn ended_uploads(&self) -> Vec<UploadId> {
        let mut ended: Vec<_> = self.uploads.iter().filter(|upload| !upload.open).map(|upload| upload.id).collect();
        ended.sort();
        ended
    }

    fn refer(&mut self, content: &Content, referrer: Referrer) {
        if let Some(blob) = content.root.blob() {
            self.references.insert((blob, referrer), None);
        }
    }

    fn release(&mut self, content: &Content, referrer: Referrer, time: Time) {
        if let Some(blob) = content.root.blob() {
            self.references.insert((blob, referrer), Some(time));
        }
    }

    fn live_bucket(&self, choice: usize) -> Option<BucketId> {
        let live: Vec<_> = self.buckets.iter().filter(|(_, bucket)| !bucket.deleted).map(|(&id, _)| id).collect();
        (!live.is_empty()).then(|| live[choice % live.len()])
    }

    fn upload(&self, choice: usize, open: bool) -> Option<usize> {
        let fit: Vec<_> = (0..self.uploads.len()).filter(|&index| self.uploads[index].open == open).collect();
        (!fit.is_empty()).then(|| fit[choice % fit.len()])
    }
}

/// A log in the making, with the model of what it says.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) log: Vec<Recorded>,
    pub(crate) model: Model,
    ids: u64,
}

impl History {
    /// Does it, if it may be done. Returns the records of it.
    pub(crate) fn perform(&mut self, operation: &Operation) -> Vec<Recorded> {
        let before = self.log.len();
        self.decide(operation);
        self.log[before..].to_vec()
    }

    /// Removes all versions, ends and clears all uploads, deletes all buckets, sweeps all content.
    pub(crate) fn remove_everything(&mut self) {
        while self.model.upload(0, true).is_some() {
            self.decide(&Operation::Abort { upload: 0 });
        }
        while self.model.upload(0, false).is_some() {
            self.decide(&Operation::Clear { upload: 0, at_most: 2 });
        }
        while let Some(id) = self.model.live_bucket(0) {
            while !self.model.buckets[&id].versions().is_empty() {
                self.decide(&Operation::DeleteVersion { bucket: 0, version: 0 });
            }
            self.decide(&Operation::DeleteBucket { bucket: 0 });
        }
        while !self.model.references.is_empty() {
            self.decide(&Operation::Sweep { release: 0 });
        }
    }

    /// Time stands still for a few records now and then, as it does.
    fn now(&self) -> Time {
        Time(1_000 + self.log.len() as u64 / 3)
    }

    fn next(&self) -> EventId {
        EventId { epoch: Epoch(self.log.len() as u32 / 40), position: Position(self.log.len() as u64) }
    }

    /// An event that the model knows nothing of.
    pub(crate) fn happens(&mut self, bucket: BucketId, object: Option<&str>, event: impl Into<Event>) {
        self.record(bucket, object, event);
    }

    fn record(&mut self, bucket: BucketId, object: Option<&str>, event: impl Into<Event>) -> EventId {
        let (id, time) = (self.next(), self.now());
        self.log.push(recorded(TENANT, id, time, bucket, object, &event.into()));
        id
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn content(&mut self, size_bytes: u64) -> Content {
        let blob = BlobId(u128::from(self.id()).to_be_bytes());
        let root = if size_bytes == 0 { Root::Empty } else { Root::Blob(blob) };
        Content { size_bytes, root }
    }

    fn decide(&mut self, operation: &Operation) -> Option<()> {
        match *operation {
            Operation::CreateBucket { versioned } => {
                let id = BucketId(self.id() << 40);
                let versioning = if versioned { Versioning::Enabled } else { Versioning::Unversioned };
                self.record(id, None, bucket_created(id, versioning));
                self.model.buckets.insert(id, ModelBucket { versioning, deleted: false, keys: BTreeMap::new() });
            }
            Operation::SetVersioning { bucket, enabled } => {
                let bucket = self.model.live_bucket(bucket)?;
                let versioning = if enabled { Versioning::Enabled } else { Versioning::Suspended };
                self.record(bucket, None, VersioningSet { bucket, versioning });
                self.model.buckets.get_mut(&bucket)?.versioning = versioning;
            }
            Operation::DeleteBucket { bucket } => {
                let bucket = self.model.live_bucket(bucket)?;
                if self.model.buckets[&bucket].versions().is_empty() {
                    self.record(bucket, None, BucketDeleted { bucket, name: bucket_name(bucket) });
                    self.model.buckets.get_mut(&bucket)?.deleted = true;
                }
            }
            Operation::Put { bucket, key, size } => {
                let bucket = self.model.live_bucket(bucket)?;
                let content = self.content(size);
                self.commit(bucket, KEYS[key % KEYS.len()], content, None);
            }
            Operation::Copy { bucket, key, from } => {
                let bucket = self.model.live_bucket(bucket)?;
                let versions = self.model.buckets.values().flat_map(|bucket| bucket.keys.values().flatten());
                let sources: Vec<_> = versions.filter_map(|version| version.content).collect();
                let content = *sources.get(from % sources.len().max(1))?;
                self.commit(bucket, KEYS[key % KEYS.len()], content, None);
            }
            Operation::Delete { bucket, key } => {
                let bucket = self.model.live_bucket(bucket)?;
                self.delete(bucket, KEYS[key % KEYS.len()])?;
            }
            Operation::DeleteVersion { bucket, version } => {
                let bucket = self.model.live_bucket(bucket)?;
                let versions = self.model.buckets[&bucket].versions();
                let version = versions.get(version % versions.len().max(1))?;
                self.remove(bucket, &version.key.clone(), version.made_by)?;
            }
            Operation::CreateUpload { bucket, key } => {
                let bucket = self.model.live_bucket(bucket)?;
                // Ids do not rise with time, so that order by id is not order by beginning.
                let id = UploadId((u128::from(self.id()).wrapping_mul(0x9E37_79B9_7F4A_7C15) << 32).to_be_bytes());
                let key = KEYS[key % KEYS.len()];
                let begun = self.record(bucket, Some(key), upload_created(id)).position;
                let upload = ModelUpload { id, bucket, key: key.to_owned(), open: true, begun, parts: BTreeMap::new() };
                self.model.uploads.push(upload);
            }
            Operation::StagePart { upload, number, size } => {
                let index = self.model.upload(upload, true)?;
                let content = self.content(size);
                self.stage(index, number, content);
            }
            Operation::Complete { upload } => {
                let index = self.model.upload(upload, true)?;
                let upload = self.model.uploads[index].clone();
                if self.model.buckets[&upload.bucket].deleted {
                    return None;
                }
                let size = upload.parts.values().map(|(_, content)| content.size_bytes).sum();
                let content = self.content(size);
                self.commit(upload.bucket, &upload.key, content, Some(upload.id));
                self.model.uploads[index].open = false;
            }
            Operation::Abort { upload } => {
                let index = self.model.upload(upload, true)?;
                let ModelUpload { id, bucket, key, .. } = self.model.uploads[index].clone();
                self.record(bucket, Some(&key), UploadAborted { upload: id });
                self.model.uploads[index].open = false;
            }
            Operation::Clear { upload, at_most } => {
                let index = self.model.upload(upload, false)?;
                self.clear(index, at_most);
            }
            Operation::Sweep { release } => {
                let released: Vec<_> =
                    self.model.references.iter().filter(|(_, time)| time.is_some()).map(|(key, _)| *key).collect();
                let &(blob, referrer) = released.get(release % released.len().max(1))?;
                let event = ContentReleased { released: vec![Released { blob, referrer }] };
                self.record(BucketId::NONE, None, event);
                self.model.references.remove(&(blob, referrer));
            }
            Operation::Amend { bucket, version, what } => {
                let bucket = self.model.live_bucket(bucket)?;
                let versions = self.model.buckets[&bucket].versions();
                let objects: Vec<_> = versions.into_iter().filter(|version| !version.is_marker).collect();
                let version = objects.get(version % objects.len().max(1))?;
                self.amend(bucket, version, what)?;
            }
        }
        Some(())
    }

    /// Supersedes the latest version and gives up the null version, if the new one is null.
    fn supersede(&mut self, bucket: BucketId, key: &str, null: bool) {
        let now = self.now();
        let bucket = self.model.buckets.get_mut(&bucket).expect("a bucket");
        let versions = bucket.keys.entry(key.to_owned()).or_default();
        if let Some(latest) = versions.last_mut() {
            latest.superseded = Some(now);
        }
        if null && let Some(index) = versions.iter().position(|version| version.null) {
            let replaced = versions.remove(index);
            if let Some(content) = replaced.content {
                self.model.release(&content, Referrer::Version(replaced.made_by), now);
            }
        }
    }

    fn push(&mut self, bucket: BucketId, key: &str, version: ModelVersion) {
        let bucket = self.model.buckets.get_mut(&bucket).expect("a bucket");
        bucket.keys.entry(key.to_owned()).or_default().push(version);
    }

    fn commit(&mut self, bucket: BucketId, key: &str, content: Content, upload: Option<UploadId>) {
        let null = self.model.buckets[&bucket].versioning != Versioning::Enabled;
        self.supersede(bucket, key, null);
        let mut event = version_committed(null, content, upload);
        // Some are locked from the start.
        event.legal_hold = content.size_bytes % 3 == 1;
        let until = Time(content.size_bytes);
        let locked = content.size_bytes % 5 == 1;
        event.retention = locked.then_some(Retention { mode: RetentionMode::Governance, until });
        let details = Details { retention: event.retention, legal_hold: event.legal_hold, ..Details::default() };
        let made_by = self.record(bucket, Some(key), event);
        self.push(bucket, key, ModelVersion { made_by, null, superseded: None, content: Some(content), details });
        self.model.refer(&content, Referrer::Version(made_by));
    }

    fn delete(&mut self, bucket: BucketId, key: &str) -> Option<()> {
        let versioning = self.model.buckets[&bucket].versioning;
        if versioning == Versioning::Unversioned {
            let made_by = self.model.buckets[&bucket].keys.get(key)?.last()?.made_by;
            return self.remove(bucket, key, made_by);
        }
        let null = versioning == Versioning::Suspended;
        self.supersede(bucket, key, null);
        let made_by = self.record(bucket, Some(key), DeleteMarkerCreated { null, owner: user() });
        let details = Details::default();
        self.push(bucket, key, ModelVersion { made_by, null, superseded: None, content: None, details });
        Some(())
    }

    fn remove(&mut self, bucket: BucketId, key: &str, made_by: EventId) -> Option<()> {
        let now = self.now();
        let versions = self.model.buckets.get_mut(&bucket)?.keys.get_mut(key)?;
        let index = versions.iter().position(|version| version.made_by == made_by)?;
        let removed = versions.remove(index);
        if let Some(latest) = versions.last_mut() {
            latest.superseded = None;
        }
        if let Some(content) = removed.content {
            self.model.release(&content, Referrer::Version(made_by), now);
        }
        let version = if removed.null { VersionId::Null } else { VersionId::Event(made_by) };
        let size_bytes = removed.content.map_or(0, |content| content.size_bytes);
        let was_marker = removed.content.is_none();
        self.record(bucket, Some(key), VersionRemoved { version, made_by, was_marker, size_bytes });
        Some(())
    }

    fn amend(&mut self, bucket: BucketId, shown: &Shown, what: Amendment) -> Option<()> {
        let (version, made_by, mut details) = (shown.id, shown.made_by, shown.details);
        match what {
            Amendment::Tags { count } => {
                let tags = (0..count).map(|tag| (tag.to_string(), String::new())).collect();
                let set = self.record(bucket, Some(&shown.key), ObjectTagsSet { version, made_by, tags });
                details.tags = Some(set);
            }
            Amendment::Retention { until, compliance } => {
                let mode = if compliance { RetentionMode::Compliance } else { RetentionMode::Governance };
                details.retention = until.map(|until| Retention { mode, until: Time(until) });
                let event = RetentionSet { version, made_by, retention: details.retention, bypass: !compliance };
                self.record(bucket, Some(&shown.key), event);
            }
            Amendment::LegalHold { on } => {
                details.legal_hold = on;
                self.record(bucket, Some(&shown.key), LegalHoldSet { version, made_by, on });
            }
        }
        let versions = self.model.buckets.get_mut(&bucket)?.keys.get_mut(&shown.key)?;
        versions.iter_mut().find(|version| version.made_by == made_by)?.details = details;
        Some(())
    }

    fn stage(&mut self, index: usize, number: u16, content: Content) {
        let now = self.now();
        let ModelUpload { id, bucket, key, .. } = self.model.uploads[index].clone();
        let etag = ETag { md5: [3; 16], parts: 0 };
        let event = PartStaged { upload: id, number, content, etag, checksums: Vec::new() };
        let made_by = self.record(bucket, Some(&key), event);
        if let Some((before, content)) = self.model.uploads[index].parts.insert(number, (made_by, content)) {
            self.model.release(&content, Referrer::Part(before), now);
        }
        self.model.refer(&content, Referrer::Part(made_by));
    }

    fn clear(&mut self, index: usize, at_most: usize) {
        let now = self.now();
        let upload = &mut self.model.uploads[index];
        let numbers: Vec<u16> = upload.parts.keys().copied().take(at_most).collect();
        let gone: Vec<_> = numbers.iter().filter_map(|number| upload.parts.remove(number)).collect();
        let last = upload.parts.is_empty();
        let (id, bucket) = (upload.id, upload.bucket);
        for (made_by, content) in gone {
            self.model.release(&content, Referrer::Part(made_by), now);
        }
        self.record(bucket, None, PartsCleared { upload: id, numbers, last });
        if last {
            self.model.uploads.remove(index);
        }
    }
}

pub(crate) fn recorded(
    tenant: TenantId,
    id: EventId,
    time: Time,
    bucket: BucketId,
    object: Option<&str>,
    event: &Event,
) -> Recorded {
    let context = Context {
        actor: Actor::System("test".to_owned()),
        source: None,
        request: RequestId(String::new()),
        correlation: None,
        causation: None,
        command: None,
    };
    let header = Header {
        tenant,
        epoch: id.epoch,
        position: id.position,
        time,
        prev: LeafHash::default(),
        bucket,
        bucket_seq: 0,
        bucket_prev: LeafHash::default(),
        event_type: event.type_code(),
        schema_version: event.schema_version(),
        key: KeyId(1),
        unit_length: 1,
        unit_index: 0,
    };
    Recorded { header, body: Some(Body::new(context, object.map(key), event)) }
}

pub(crate) fn bucket_name(id: BucketId) -> BucketName {
    BucketName::parse(&format!("bucket-{}", id.0)).expect("a name")
}

pub(crate) fn bucket_created(bucket: BucketId, versioning: Versioning) -> BucketCreated {
    BucketCreated {
        bucket,
        name: bucket_name(bucket),
        region: "us-east-1".to_owned(),
        owner: user(),
        key: KeyId(1),
        ownership: ObjectOwnership::BucketOwnerEnforced,
        versioning,
        object_lock: false,
        without_ownership_controls: false,
        acl: None,
        base: None,
    }
}

pub(crate) fn upload_created(upload: UploadId) -> UploadCreated {
    UploadCreated {
        upload,
        initiator: user(),
        owner: user(),
        metadata: Metadata::default(),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        checksum: None,
        tags: BTreeMap::new(),
        retention: None,
        legal_hold: false,
        acl: None,
    }
}

pub(crate) fn version_committed(null: bool, content: Content, upload: Option<UploadId>) -> VersionCommitted {
    VersionCommitted {
        null,
        content,
        etag: ETag { md5: [9; 16], parts: 0 },
        checksums: Vec::new(),
        chosen_checksum: None,
        metadata: Metadata::default(),
        owner: user(),
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        cause: Cause::Put,
        upload,
        parts: Vec::new(),
        source: None,
        tags: BTreeMap::new(),
        retention: None,
        legal_hold: false,
        acl: None,
    }
}
