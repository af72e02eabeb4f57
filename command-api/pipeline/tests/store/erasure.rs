//! Erasure: what is left of a bucket or tenant when its key was destroyed, what others still have, and what forbids it.

use std::time::Duration;

use domain::Refusal;
use domain::erasure::Erase;
use pipeline::{
    AskedEncryption, Caller, CreateBucket, CustomerKey, ErasureInfo, LockAsked, ObjectVersion, PutObject, SignedUrl,
    StoreError, TaskInfo, TaskStatus,
};
use schemas::Time;
use schemas::event::{Quota, Retention, RetentionMode, Versioning};

use crate::support::{House, body, bucket, get_request, key, noise, put_request, read, refusal, tenant_name};

/// Stands in every name that is to go, and nowhere else.
const PLANTED: &str = "planted-name";

fn erase(name: &str) -> Erase {
    Erase { reason: "asked for by the person concerned".to_owned(), confirm: name.to_owned() }
}

fn kms(options: &mut pipeline::OpenOptions) {
    options.kms_keys = vec!["one".to_owned()];
}

impl House {
    async fn with_versions(&self, caller: &Caller, name: &str, object_lock: bool) {
        let request = CreateBucket {
            name: bucket(name),
            region: None,
            versioning: Some(Versioning::Enabled),
            object_lock,
            ownership: None,
            acl: None,
            base: None,
        };
        self.store.create_bucket(caller, request).await.expect("a bucket");
    }

    async fn put_in(&self, caller: &Caller, bucket: &str, name: &str, bytes: &[u8], encryption: AskedEncryption) {
        let request = PutObject { encryption, ..put_request(bucket, name) };
        self.store.put_object(caller, request, body(bytes)).await.expect("written");
    }

    async fn read_from(&self, caller: &Caller, bucket: &str, name: &str) -> Result<Vec<u8>, StoreError> {
        read(self.store.get_object(caller, get_request(bucket, name)).await?).await
    }

    /// Everything that leaves rows somewhere, in `bucket`, and content that `other` has too.
    async fn filled(&self) -> Caller {
        let caller = self.tenant("tenant").await;
        self.with_versions(&caller, "bucket", false).await;
        self.bucket(&caller, "other").await.expect("a bucket");
        let long = noise(1, (9 << 20) + 5);
        for (index, size) in [0, 10, 2_500, 60_000, 300_000].into_iter().enumerate() {
            let name = format!("{PLANTED}/{index}");
            self.put_in(&caller, "bucket", &name, &noise(size as u64, size), AskedEncryption::Nothing).await;
            // Superseded, and hidden.
            self.put_in(&caller, "bucket", &name, &noise(7, size + 1), AskedEncryption::Nothing).await;
        }
        self.put_in(&caller, "bucket", &format!("{PLANTED}/long"), &long, AskedEncryption::Nothing).await;
        self.put_in(&caller, "other", "long", &long, AskedEncryption::Nothing).await;
        self.put_in(&caller, "other", "small", &noise(60_000, 60_000), AskedEncryption::Nothing).await;
        self.put_in(&caller, "other", "own", &noise(99, 100_000), AskedEncryption::Nothing).await;
        let named = AskedEncryption::Kms { key: Some("one".to_owned()), context: None, bucket_key: None };
        self.put_in(&caller, "bucket", &format!("{PLANTED}/kms"), &noise(3, 5 << 20), named.clone()).await;
        self.put_in(&caller, "bucket", &format!("{PLANTED}/kms-shared"), &noise(4, 70_000), named.clone()).await;
        self.put_in(&caller, "other", "kms-shared", &noise(4, 70_000), named).await;
        let customers = AskedEncryption::Customer(CustomerKey::new(&[1; 32]));
        self.put_in(&caller, "bucket", &format!("{PLANTED}/sse-c"), &noise(5, 5 << 20), customers).await;
        self.delete(&caller, &format!("{PLANTED}/1")).await.expect("hidden");
        let upload = self.begin(&caller, &format!("{PLANTED}/open")).await;
        for number in 1..4 {
            self.part(&caller, &format!("{PLANTED}/open"), upload, number, &noise(u64::from(number), 90_000))
                .await
                .expect("a part");
        }
        let done = self.begin(&caller, &format!("{PLANTED}/parts")).await;
        let part = self.part(&caller, &format!("{PLANTED}/parts"), done, 1, &noise(8, 5 << 20)).await.expect("a part");
        self.complete(&caller, &format!("{PLANTED}/parts"), done, &[(1, part.etag)]).await.expect("completed");
        let given_up = self.begin(&caller, &format!("{PLANTED}/given-up")).await;
        self.part(&caller, &format!("{PLANTED}/given-up"), given_up, 1, &noise(9, 50_000)).await.expect("a part");
        self.abort(&caller, &format!("{PLANTED}/given-up"), given_up).await.expect("given up");
        let url = SignedUrl {
            method: "GET".to_owned(),
            bucket: bucket("bucket"),
            key: format!("{PLANTED}/0"),
            part: None,
            bytes_max: None,
            content_type: None,
        };
        self.store.sign_urls(&caller, vec![url], 3_600).await.expect("signed");
        let quota = Quota { bytes: Some(1 << 40), objects: None };
        self.store
            .set_quota(&self.admin, &tenant_name("tenant"), Some(&bucket("bucket")), quota)
            .await
            .expect("a quota");
        caller
    }

    async fn ended(&self, caller: &Caller, task: &TaskInfo) -> TaskInfo {
        for _ in 0..1_200 {
            let found = self.store.task(caller, &task.id).await.expect("reads").expect("there");
            if found.status != TaskStatus::Running {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the erasure does not end");
    }

    async fn erased(&self, task: &ErasureInfo) -> ErasureInfo {
        for _ in 0..1_200 {
            let found = self.store.tenant_erasure(&self.admin, &task.id).expect("reads").expect("there");
            if found.status != TaskStatus::Running {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the erasure does not end");
    }

    fn holds(&self, marker: &[u8]) -> bool {
        let searcher = memchr::memmem::Finder::new(marker);
        self.on_disk().iter().any(|bytes| searcher.find(bytes).is_some())
    }

    /// Wrapped keys of all buckets, as their files have them.
    fn wrapped_keys(&self) -> Vec<Vec<u8>> {
        let files = self.on_disk().into_iter().filter(|bytes| bytes.starts_with(b"HFKEYS") && bytes[15..23] != [0; 8]);
        files.map(|bytes| bytes[42..146].to_vec()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_bucket_leaves_nothing_and_takes_nothing_from_others() {
    let house = House::with(kms);
    let caller = house.filled().await;
    assert!(house.holds(PLANTED.as_bytes()), "names stand in clear while the bucket is there");
    assert!(house.rebuild().await.mismatches.is_empty());
    let others = {
        let own = house.tenant("stranger").await;
        house.bucket(&own, "bucket").await.expect("a bucket");
        house.put(&own, "mine", b"mine").await.expect("written");
        own
    };
    let before = house.wrapped_keys();
    let task = house.store.erase_bucket(&caller, &bucket("bucket"), erase("bucket")).await.expect("begun");
    assert!(matches!(refusal(house.get(&caller, &format!("{PLANTED}/0")).await), Refusal::NoSuchBucket));
    assert!(matches!(refusal(house.put(&caller, "key", b"x").await), Refusal::NoSuchBucket));
    let done = house.ended(&caller, &task).await;
    assert_eq!((done.status, done.kind.as_str()), (TaskStatus::Succeeded, "erase"));

    assert!(!house.holds(PLANTED.as_bytes()), "no file holds a name");
    let left = house.wrapped_keys();
    let gone: Vec<_> = before.iter().filter(|wrap| !left.contains(wrap)).collect();
    assert_eq!(gone.len(), 1, "one key was destroyed");
    assert!(!house.holds(gone[0]), "no file holds its wrap");
    assert_eq!(house.read_from(&caller, "other", "long").await.expect("reads"), noise(1, (9 << 20) + 5));
    assert_eq!(house.read_from(&caller, "other", "small").await.expect("reads"), noise(60_000, 60_000));
    assert_eq!(house.read_from(&caller, "other", "own").await.expect("reads"), noise(99, 100_000));
    assert_eq!(house.read_from(&caller, "other", "kms-shared").await.expect("reads"), noise(4, 70_000));
    assert_eq!(house.get(&others, "mine").await.expect("reads"), b"mine");
    let usage = house.store.usage(&house.admin, &tenant_name("tenant")).await.expect("reads");
    assert_eq!((usage.objects, usage.versions, usage.buckets, usage.multipart_bytes), (4, 4, 1, 0));
    assert_eq!(usage.logical_bytes, (9 << 20) + 5 + 60_000 + 100_000 + 70_000);
    let rebuilt = house.rebuild().await;
    assert!(rebuilt.mismatches.is_empty(), "{:?}", rebuilt.mismatches);
    // Nothing of what was the bucket's alone is left among the blobs.
    let physical = house.store.physical_usage(&house.admin, &tenant_name("tenant")).await.expect("reads");
    assert_eq!(physical.plain_bytes, usage.logical_bytes);

    // The name is free, for a bucket that shares nothing.
    house.bucket(&caller, "bucket").await.expect("made again");
    assert!(matches!(refusal(house.get(&caller, &format!("{PLANTED}/0")).await), Refusal::NoSuchKey { .. }));
    house.put(&caller, "new", &noise(300_000, 300_000)).await.expect("written");
    let house = house.reopened(kms);
    assert_eq!(house.get(&caller, "new").await.expect("reads"), noise(300_000, 300_000));
    house.sweep().await;
    let rebuilt = house.rebuild().await;
    assert!(rebuilt.mismatches.is_empty(), "{:?}", rebuilt.mismatches);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_or_held_forbids_it_and_nothing_changes() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let until = Time(pipeline::Clock::wall(&*house.clock).0 + 3_600 * 1_000_000);
    let retained = |mode| LockAsked { retention: Some(Retention { mode, until }), legal_hold: None };
    let held = LockAsked { retention: None, legal_hold: Some(true) };
    let locks = [
        ("governed", retained(RetentionMode::Governance)),
        ("complied", retained(RetentionMode::Compliance)),
        ("held", held),
    ];
    let mut versions = Vec::new();
    for (name, lock) in locks {
        house.with_versions(&caller, name, true).await;
        let request = PutObject { lock, ..put_request(name, "kept") };
        let written = house.store.put_object(&caller, request, body(b"kept")).await.expect("written");
        versions.push((name, written.version.expect("versioned")));
    }
    // It forbids when it is current, and when it is not.
    for current in [true, false] {
        for (name, version) in &versions {
            if !current {
                house.put_in(&caller, name, "kept", b"newer", AskedEncryption::Nothing).await;
            }
            let Refusal::Retained { rule } =
                refusal(house.store.erase_bucket(&caller, &bucket(name), erase(name)).await)
            else {
                panic!("not for this")
            };
            assert!(rule.contains("kept") && rule.contains(&version.to_string()), "{rule}");
            assert_eq!(rule.contains("legal hold"), *name == "held", "{rule}");
        }
        let refused = refusal(house.store.erase_tenant(&house.admin, &tenant_name("tenant"), erase("tenant")).await);
        let Refusal::Retained { rule } = refused else { panic!("{refused:?}") };
        assert!(!rule.contains("kept"), "an operator need not know what objects are called: {rule}");
    }
    assert!(house.store.list_tasks(&caller, None, 10).await.expect("lists").0.is_empty());
    for (name, _) in &versions {
        assert_eq!(house.read_from(&caller, name, "kept").await.expect("reads"), b"newer");
    }
    house.clock.pass_s(3_601);
    for (name, version) in versions {
        if name == "held" {
            refusal(house.store.erase_bucket(&caller, &bucket(name), erase(name)).await);
            let target = ObjectVersion { version: Some(version), bucket: bucket(name), key: key("kept") };
            house.store.set_object_legal_hold(&caller, target, false).await.expect("taken off");
        }
        let task =
            house.store.erase_bucket(&caller, &bucket(name), erase(name)).await.expect("nothing forbids it any more");
        assert_eq!(house.ended(&caller, &task).await.status, TaskStatus::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_tenant_leaves_nothing() {
    let house = House::with(kms);
    let caller = house.filled().await;
    let stranger = house.tenant("stranger").await;
    house.bucket(&stranger, "bucket").await.expect("a bucket");
    house.put(&stranger, "mine", b"mine").await.expect("written");
    let before = house.wrapped_keys();
    let wrong = house.store.erase_tenant(&house.admin, &tenant_name("tenant"), erase("stranger")).await;
    assert!(matches!(refusal(wrong), Refusal::InvalidRequest { .. }));
    let task = house.store.erase_tenant(&house.admin, &tenant_name("tenant"), erase("tenant")).await.expect("begun");
    let key = caller.access_key().expect("a key").clone();
    assert!(house.store.credential(&key).expect("reads").is_none(), "its keys work no more");
    let done = house.erased(&task).await;
    assert_eq!((done.status, done.counts.findings), (TaskStatus::Succeeded, 0));
    assert!(
        done.counts.rows > 30 && done.counts.wraps > 10 && done.counts.blobs > 10 && done.counts.markers > 10,
        "{:?}",
        done.counts
    );
    assert!(!house.holds(PLANTED.as_bytes()), "no file holds a name");
    assert!(before.len() == 3, "two buckets of the one, one of the other");
    assert_eq!(house.get(&stranger, "mine").await.expect("reads"), b"mine");
    let rebuilt = house.rebuild().await;
    assert!(rebuilt.mismatches.is_empty(), "{:?}", rebuilt.mismatches);
    // The name is another tenant's from now on.
    let again = house.tenant("tenant").await;
    assert!(again.tenant != caller.tenant);
    house.bucket(&again, "bucket").await.expect("a bucket");
    let house = house.reopened(kms);
    house.sweep().await;
    assert_eq!(house.get(&stranger, "mine").await.expect("reads"), b"mine");
    let rebuilt = house.rebuild().await;
    assert!(rebuilt.mismatches.is_empty(), "{:?}", rebuilt.mismatches);
}
