//! A store in a directory of its own, tenants with a user and a key, short forms of requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::Refusal;
use futures_util::StreamExt;
use pipeline::backup::{Restore, RestoreError, RestoreReport};
use pipeline::{
    AdminCaller, AskedEncryption, ByteStream, Caller, Circumstances, Clock, CompleteUpload, CompletedPart, CopyObject,
    CreateAccessKey, CreateBucket, CreateUpload, DeleteObject, Digests, ETagCondition, GetObject, LockAsked, NewKey,
    OpenOptions, PartWritten, PutObject, ReadConditions, RebuildReport, Store, StoreError, SweepReport, UploadPart,
    Who, WriteConditions, Written,
};
use schemas::content::ETag;
use schemas::event::{AdminRole, Cause, Metadata, StorageClass};
use schemas::scope::Scopes;
use schemas::{BucketName, ObjectKey, RequestId, TenantName, Time, UploadId, UserId};

/// A clock that stands still until it is told.
pub(crate) struct ManualClock {
    wall: AtomicU64,
    monotonic: AtomicU64,
}

impl ManualClock {
    /// Both clocks go on together.
    pub(crate) fn pass_s(&self, seconds: u64) {
        self.wall.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        self.monotonic.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    /// Somebody sets the wall clock; no time passes.
    pub(crate) fn set_wall_by_s(&self, seconds: i64) {
        let wall = self.wall.load(Ordering::SeqCst).saturating_add_signed(seconds * 1_000_000);
        self.wall.store(wall, Ordering::SeqCst);
    }
}

thread_local! {
    static ON_LOOKING: std::cell::RefCell<Option<Box<dyn FnOnce()>>> = const { std::cell::RefCell::new(None) };
}

/// Does something when this thread next looks at the wall clock: what happens to come at that moment.
pub(crate) fn when_looking(hook: impl FnOnce() + 'static) {
    ON_LOOKING.set(Some(Box::new(hook)));
}

impl Clock for ManualClock {
    fn wall(&self) -> Time {
        if let Some(hook) = ON_LOOKING.take() {
            hook();
        }
        Time(self.wall.load(Ordering::SeqCst))
    }

    fn monotonic_us(&self) -> u64 {
        self.monotonic.load(Ordering::SeqCst)
    }
}

/// A store that is closed when it is dropped.
pub(crate) struct Running(Store);

impl std::ops::Deref for Running {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A store and the directory it lives in.
pub(crate) struct House {
    pub(crate) store: Running,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) admin: AdminCaller,
    directory: tempfile::TempDir,
}

/// Small segments, nothing kept: what tests of sweeping want.
pub(crate) fn sweeping(options: &mut OpenOptions) {
    options.history_window_s = Some(0);
    options.sweep_grace_s = 0;
    options.segment_bytes = 1 << 20;
}

fn open(directory: &std::path::Path, clock: &Arc<ManualClock>, tweak: impl FnOnce(&mut OpenOptions)) -> Running {
    let mut options = OpenOptions::new(directory.join("data"));
    options.cache_bytes = 16 << 20;
    options.segment_bytes = 8 << 20;
    options.reserve_bytes = 0;
    options.part_bytes_min = 1;
    options.clock = clock.clone();
    options.on_fatal = Arc::new(|what| panic!("the writer cannot go on: {what}"));
    tweak(&mut options);
    // Opening blocks, which a thread that drives tasks must not.
    let opening = std::thread::spawn(move || Store::open(options));
    Running(opening.join().expect("no panic").expect("the store opens").0)
}

fn vault_root(directory: &std::path::Path) -> vault::RootKeySource {
    vault::RootKeySource::File(directory.join("data/keys/root.key"))
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(tweak: impl FnOnce(&mut OpenOptions)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("data")).expect("a directory");
        let clock =
            Arc::new(ManualClock { wall: AtomicU64::new(1_800_000_000_000_000), monotonic: AtomicU64::new(1_000_000) });
        let store = open(directory.path(), &clock, tweak);
        let request = RequestId("test".to_owned());
        let admin =
            AdminCaller { token: "test".to_owned(), role: AdminRole::Owner, tenant: None, source: None, request };
        Self { store, clock, admin, directory }
    }

    /// The directory of the store and whatever else a test puts there.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// A house with a store of a backup of this one, which goes on. Its keys are a copy of this one's.
    pub(crate) fn restored(&self, restore: &Restore) -> Result<(Self, RestoreReport), RestoreError> {
        let directory = tempfile::tempdir().expect("a directory");
        let report = self.restore_into(&directory.path().join("data"), restore)?;
        let clock = self.clock.clone();
        let store = open(directory.path(), &clock, |_| {});
        Ok((Self { store, clock, admin: self.admin.clone(), directory }, report))
    }

    /// Restores into a data directory, under this house's root key.
    pub(crate) fn restore_into(
        &self,
        data: &std::path::Path,
        restore: &Restore,
    ) -> Result<RestoreReport, RestoreError> {
        let mut options = OpenOptions::new(data.to_owned());
        options.root_key = vault_root(self.directory());
        options.cache_bytes = 16 << 20;
        options.clock = self.clock.clone();
        let report = Store::restore(&options, restore)?;
        // Where a store looks for it that nobody told anything else.
        let root = std::fs::read(self.directory().join("data/keys/root.key")).expect("a root key");
        std::fs::write(data.join("keys/root.key"), root).expect("writes");
        Ok(report)
    }

    /// Closes the store and opens it again.
    pub(crate) fn reopened(self, tweak: impl FnOnce(&mut OpenOptions)) -> Self {
        let Self { store, clock, admin, directory } = self;
        drop(store);
        let store = open(directory.path(), &clock, tweak);
        Self { store, clock, admin, directory }
    }

    /// Closes the store, sets the wall clock, lets time pass, opens it again.
    pub(crate) fn stopped_for(self, wall_s: i64, pass_s: u64) -> Self {
        let Self { store, clock, admin, directory } = self;
        drop(store);
        clock.set_wall_by_s(wall_s);
        clock.pass_s(pass_s);
        let store = open(directory.path(), &clock, sweeping);
        Self { store, clock, admin, directory }
    }

    /// A tenant with one user, whose access key is returned as the caller that a door makes of it.
    pub(crate) async fn tenant(&self, name: &str) -> Caller {
        let tenant = tenant_name(name);
        self.store.create_tenant(&self.admin, tenant.clone()).await.expect("a tenant");
        let user = UserId::parse("user").expect("a name");
        self.store.create_user(&self.admin, &tenant, user, "User".to_owned(), None).await.expect("a user");
        self.key(name).await
    }

    /// A file or folder of the data directory.
    pub(crate) fn path(&self, below: &str) -> std::path::PathBuf {
        self.directory.path().join("data").join(below)
    }

    /// Another key of the tenant's user.
    pub(crate) async fn key(&self, tenant: &str) -> Caller {
        let user = UserId::parse("user").expect("a name");
        let request = CreateAccessKey { user, key: NewKey::Made, name: None, scopes: Scopes::full(), expires: None };
        let made = self.store.create_access_key(&self.admin, &tenant_name(tenant), request).await;
        let (key, _) = made.expect("a key");
        let credential = self.store.credential(&key.id).expect("reads").expect("it works");
        Caller {
            tenant: credential.tenant,
            who: Who::User {
                user: credential.user,
                display_name: credential.display_name,
                access_key: key.id,
                scopes: credential.scopes,
            },
            source: None,
            request: RequestId("request".to_owned()),
            circumstances: Circumstances::default(),
        }
    }

    /// A tenant with a bucket of the name `bucket`.
    pub(crate) async fn with_bucket(&self) -> Caller {
        let caller = self.tenant("tenant").await;
        self.bucket(&caller, "bucket").await.expect("a bucket");
        caller
    }

    pub(crate) async fn bucket(&self, caller: &Caller, name: &str) -> Result<(), StoreError> {
        let request = CreateBucket {
            name: bucket(name),
            region: None,
            versioning: None,
            object_lock: false,
            ownership: None,
            acl: None,
            base: None,
        };
        self.store.create_bucket(caller, request).await.map(|_| ())
    }

    pub(crate) async fn put(&self, caller: &Caller, key: &str, bytes: &[u8]) -> Result<Written, StoreError> {
        self.put_if(caller, key, bytes, WriteConditions::default()).await
    }

    pub(crate) async fn put_if(
        &self,
        caller: &Caller,
        key: &str,
        bytes: &[u8],
        conditions: WriteConditions,
    ) -> Result<Written, StoreError> {
        let request = PutObject { conditions, ..put_request("bucket", key) };
        self.store.put_object(caller, request, body(bytes)).await
    }

    pub(crate) async fn get(&self, caller: &Caller, key: &str) -> Result<Vec<u8>, StoreError> {
        read(self.store.get_object(caller, get_request("bucket", key)).await?).await
    }

    pub(crate) async fn delete(&self, caller: &Caller, key: &str) -> Result<(), StoreError> {
        self.store.delete_object(caller, delete_request("bucket", key)).await.map(|_| ())
    }

    pub(crate) async fn copy(&self, caller: &Caller, from: &str, to: &str) -> Result<(), StoreError> {
        let request = CopyObject {
            source_bucket: bucket("bucket"),
            source_key: key(from),
            source_version: None,
            source_conditions: ReadConditions::default(),
            bucket: bucket("bucket"),
            key: key(to),
            metadata: None,
            tags: None,
            lock: LockAsked::default(),
            acl: None,
            storage_class: None,
            checksum_algorithm: None,
            conditions: WriteConditions::default(),
            encryption: AskedEncryption::Nothing,
            source_customer_key: None,
        };
        self.store.copy_object(caller, request).await.map(|_| ())
    }

    pub(crate) async fn begin(&self, caller: &Caller, name: &str) -> UploadId {
        let request = CreateUpload {
            bucket: bucket("bucket"),
            key: key(name),
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: BTreeMap::new(),
            lock: LockAsked::default(),
            acl: None,
            checksum: None,
            encryption: AskedEncryption::Nothing,
        };
        self.store.create_upload(caller, request).await.expect("begun").upload
    }

    pub(crate) async fn part(
        &self,
        caller: &Caller,
        name: &str,
        upload: UploadId,
        number: u16,
        bytes: &[u8],
    ) -> Result<PartWritten, StoreError> {
        let (bucket, key, digests) = (bucket("bucket"), key(name), Digests::default());
        let request = UploadPart { bucket, key, upload, number, digests, size_bytes: None, customer_key: None };
        self.store.upload_part(caller, request, body(bytes)).await
    }

    pub(crate) async fn complete(
        &self,
        caller: &Caller,
        name: &str,
        upload: UploadId,
        parts: &[(u16, ETag)],
    ) -> Result<Written, StoreError> {
        let named =
            |(number, etag): &(u16, ETag)| CompletedPart { number: *number, etag: etag.to_string(), checksum: None };
        let request = CompleteUpload {
            bucket: bucket("bucket"),
            key: key(name),
            upload,
            parts: parts.iter().map(named).collect(),
            conditions: WriteConditions::default(),
            checksum: None,
            checksum_type: None,
            size_bytes: None,
            customer_key: None,
        };
        self.store.complete_upload(caller, request).await
    }

    pub(crate) async fn abort(&self, caller: &Caller, name: &str, upload: UploadId) -> Result<(), StoreError> {
        self.store.abort_upload(caller, &bucket("bucket"), &key(name), upload).await.map(|_| ())
    }

    /// Lets a second pass, so that what was made before is old enough, and sweeps.
    pub(crate) async fn sweep(&self) -> SweepReport {
        self.clock.pass_s(1);
        self.store.admin_sweep(&self.admin).await.expect("sweeps")
    }

    pub(crate) async fn rebuild(&self) -> RebuildReport {
        self.store.admin_rebuild(&self.admin).await.expect("rebuilds")
    }

    /// Bytes of segment files.
    pub(crate) fn segment_bytes(&self) -> u64 {
        // Files may be removed meanwhile.
        self.segments().iter().map(|file| std::fs::metadata(file).map_or(0, |metadata| metadata.len())).sum()
    }

    /// Everything in the data directory: log, tables, keys and segments.
    pub(crate) fn on_disk(&self) -> Vec<Vec<u8>> {
        let files = files_below(self.directory.path().join("data"));
        files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
    }

    /// Flips a bit in every 64 KiB of every segment file.
    pub(crate) fn damage_segments(&self) {
        for file in self.segments() {
            let mut bytes = std::fs::read(&file).expect("reads");
            bytes.iter_mut().skip(30_000).step_by(65_536).for_each(|byte| *byte ^= 1);
            std::fs::write(&file, bytes).expect("writes");
        }
    }

    fn segments(&self) -> Vec<std::path::PathBuf> {
        files_below(self.directory.path().join("data").join("blobs"))
    }
}

fn files_below(folder: std::path::PathBuf) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let entry = entry.expect("an entry");
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(_) => files.push(entry.path()),
                // Removed meanwhile.
                Err(_) => {}
            }
        }
    }
    files
}

pub(crate) fn bucket(name: &str) -> BucketName {
    BucketName::parse(name).expect("a name")
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).expect("a key")
}

pub(crate) fn tenant_name(name: &str) -> TenantName {
    TenantName::parse(name).expect("a name")
}

pub(crate) fn put_request(bucket_name: &str, name: &str) -> PutObject {
    PutObject {
        bucket: bucket(bucket_name),
        key: key(name),
        metadata: Metadata::default(),
        storage_class: StorageClass::Standard,
        tags: BTreeMap::new(),
        lock: LockAsked::default(),
        acl: None,
        conditions: WriteConditions::default(),
        digests: Digests::default(),
        size_bytes: None,
        cause: Cause::Put,
        command: None,
        encryption: AskedEncryption::Nothing,
    }
}

pub(crate) fn get_request(bucket_name: &str, name: &str) -> GetObject {
    GetObject {
        bucket: bucket(bucket_name),
        key: key(name),
        version: None,
        part_number: None,
        range: None,
        conditions: ReadConditions::default(),
        customer_key: None,
    }
}

pub(crate) fn delete_request(bucket_name: &str, name: &str) -> DeleteObject {
    let conditions = WriteConditions::default();
    DeleteObject { bucket: bucket(bucket_name), key: key(name), version: None, conditions, bypass_governance: false }
}

pub(crate) fn if_absent() -> WriteConditions {
    WriteConditions { if_none_match: Some(ETagCondition::Any), ..WriteConditions::default() }
}

pub(crate) fn if_match(etag: &ETag) -> WriteConditions {
    let if_match = Some(ETagCondition::OneOf(vec![etag.to_string()]));
    WriteConditions { if_match, ..WriteConditions::default() }
}

pub(crate) fn body(bytes: &[u8]) -> ByteStream {
    let chunks: Vec<_> = bytes.chunks(256 << 10).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
    Box::pin(futures_util::stream::iter(chunks))
}

pub(crate) async fn read(found: pipeline::ObjectRead) -> Result<Vec<u8>, StoreError> {
    let (mut bytes, mut body) = (Vec::new(), found.body);
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk.map_err(StoreError::Body)?);
    }
    assert_eq!(bytes.len() as u64, found.length_bytes, "as many bytes as announced");
    Ok(bytes)
}

/// What was refused; panics on anything else.
#[track_caller]
pub(crate) fn refusal<T>(result: Result<T, StoreError>) -> Refusal {
    match result {
        Err(StoreError::Refused(refusal)) => refusal,
        Err(other) => panic!("not a refusal: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

/// Bytes that do not compress, the same for the same seed (splitmix64).
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A seeded generator; the seed of a suite is printed, and `HOLDFAST_SEED` repeats a run.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn of_suite(suite: &str) -> Self {
        let chosen = std::env::var("HOLDFAST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = chosen.unwrap_or_else(|| u64::from_le_bytes(pipeline::Ids.bytes()));
        eprintln!("{suite}: HOLDFAST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
