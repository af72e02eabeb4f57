//! Backups: what comes back and what does not, how little a second run writes, what is refused, what a stop leaves.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use event_log::{Cursor, CursorState, LogHead};
use pipeline::backup::{BackupError, Restore, RestoreAt, RestoreError, key_copies};
use pipeline::{
    AskedEncryption, Caller, GetObject, ListObjects, ListVersions, ListedObject, ListedVersion, OpenError, OpenOptions,
    PutObject, Store, StoreError,
};
use schemas::event::Versioning;
use schemas::{LeafHash, Position, TenantId, Time};

use crate::support::{House, body, bucket, get_request, noise, put_request, read, sweeping, tenant_name, when_looking};

impl House {
    fn backup_folder(&self) -> PathBuf {
        self.directory().join("backup")
    }

    fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    async fn backup(&self) -> pipeline::backup::BackupReport {
        self.store.admin_backup(&self.admin, self.backup_folder(), None).await.expect("backs up")
    }

    async fn copy_keys(&self) -> PathBuf {
        // Copies are named by the time.
        self.clock.pass_s(1);
        let (copy, _) =
            self.store.admin_copy_keys(&self.admin, self.directory().join("keys"), 30).await.expect("copies");
        copy.folder
    }

    fn to(&self, keys: &Path, at: RestoreAt) -> Restore {
        Restore { from: self.backup_folder(), keys: Some(keys.to_owned()), at }
    }

    fn heads(&self) -> BTreeMap<TenantId, LogHead> {
        let snapshot = self.store.followed().0.snapshot();
        let tenants = snapshot.tenants().expect("reads").into_iter();
        tenants.map(|tenant| (tenant, snapshot.log_head(tenant).expect("reads").expect("is there"))).collect()
    }

    /// Digests of every tenant's projections.
    fn digests(&self) -> BTreeMap<(TenantId, &'static str), LeafHash> {
        let snapshot = self.store.followed().0.snapshot();
        let mut all = BTreeMap::new();
        for tenant in snapshot.tenants().expect("reads") {
            let digests = projections::digest(snapshot.as_ref(), tenant).expect("reads");
            all.extend(digests.into_iter().map(|(table, digest)| ((tenant, table), digest)));
        }
        all
    }

    /// Raw records of every log.
    fn records(&self, tenant: TenantId) -> Vec<Vec<u8>> {
        self.store.followed().0.snapshot().raw_range(tenant, Position(0), 100_000).expect("reads")
    }

    async fn listing(&self, caller: &Caller) -> Vec<ListedObject> {
        let request =
            ListObjects { bucket: bucket("bucket"), prefix: String::new(), delimiter: None, after: None, max: 1_000 };
        self.store.list_objects(caller, request).await.expect("lists").entries
    }

    async fn all_versions(&self, caller: &Caller) -> Vec<ListedVersion> {
        let request = ListVersions {
            bucket: bucket("bucket"),
            prefix: String::new(),
            delimiter: None,
            after: None,
            after_version: None,
            max: 1_000,
        };
        self.store.list_versions(caller, request).await.expect("lists").entries
    }

    /// Every version's bytes.
    async fn contents(&self, caller: &Caller) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for listed in self.all_versions(caller).await.into_iter().filter(|listed| !listed.is_marker) {
            let request = GetObject { version: Some(listed.version), ..get_request("bucket", listed.key.as_str()) };
            all.push(read(self.store.get_object(caller, request).await.expect("is there")).await.expect("reads"));
        }
        all
    }

    /// Whether the other house answers as this one does.
    async fn same_as(&self, other: &House, caller: &Caller) {
        assert_eq!(self.listing(caller).await, other.listing(caller).await);
        assert_eq!(self.all_versions(caller).await, other.all_versions(caller).await);
        assert_eq!(self.contents(caller).await, other.contents(caller).await);
    }
}

/// Objects of every way that content is stored, versions, markers, a named key.
async fn furnished(house: &House) -> Caller {
    let caller = house.with_bucket().await;
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    for (number, size) in [0, 10, 3_000, 70_000, 300_000, (4 << 20) + 10].into_iter().enumerate() {
        for version in 0..2 {
            let bytes = noise((number * 2 + version) as u64, size);
            house.put(&caller, &format!("object-{number}"), &bytes).await.expect("stored");
        }
    }
    house.delete(&caller, "object-1").await.expect("marked");
    let encryption = AskedEncryption::Kms { key: Some("name".to_owned()), context: None, bucket_key: None };
    let request = PutObject { encryption, ..put_request("bucket", "named") };
    house.store.put_object(&caller, request, body(&noise(99, 50_000))).await.expect("stored");
    let upload = house.begin(&caller, "parts").await;
    let part = house.part(&caller, "parts", upload, 1, &noise(7, 80_000)).await.expect("a part");
    house.complete(&caller, "parts", upload, &[(1, part.etag)]).await.expect("complete");
    caller
}

fn named(options: &mut OpenOptions) {
    options.kms_keys = vec!["name".to_owned()];
    options.segment_bytes = 1 << 20;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_the_projections_are_the_same() {
    let house = House::with(named);
    let caller = furnished(&house).await;
    let report = house.backup().await;
    let (heads, digests) = (house.heads(), house.digests());
    assert_eq!(report.records, heads.values().map(|head| head.next.0).sum::<u64>());
    let verified = Store::verify_backup(&house.backup_folder(), &[]).expect("is sound");
    assert_eq!((verified.runs, verified.records, verified.bytes), (1, report.records, report.bytes));
    let keys = house.copy_keys().await;

    let (other, restored) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!((restored.records, restored.dropped, restored.missing), (report.records, 0, 0));
    assert_eq!(other.digests(), digests, "equal digests, equal answers");
    house.same_as(&other, &caller).await;
    let named = house.get(&caller, "named").await.expect("reads");
    assert_eq!(other.get(&caller, "named").await.expect("reads"), named);
    for (tenant, head) in heads {
        let (ours, theirs) = (house.records(tenant), other.records(tenant));
        assert_eq!(theirs[..ours.len()], ours[..], "bit for bit");
        let now = other.heads()[&tenant];
        assert_eq!(now.next, head.next.next(), "one record more: the reopening");
        assert!(now.epoch > head.epoch);
    }
    assert!(other.rebuild().await.mismatches.is_empty());
    // It is a store as any other: it writes, sweeps, and opens again.
    other.put(&caller, "new", b"bytes").await.expect("stored");
    other.sweep().await;
    let other = other.reopened(named_again);
    assert_eq!(other.get(&caller, "new").await.expect("reads"), b"bytes");
    house.put(&caller, "new", b"bytes").await.expect("stored");
    house.same_contents(&other, &caller).await;
}

fn named_again(options: &mut OpenOptions) {
    named(options);
}

impl House {
    async fn same_contents(&self, other: &House, caller: &Caller) {
        assert_eq!(self.contents(caller).await, other.contents(caller).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_swept_while_a_backup_is_made_is_in_it() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.put(&caller, "swept", &noise(1, 200_000)).await.expect("stored");
    house.put(&caller, "small", b"inline").await.expect("stored");
    let (folder, swept) = (house.backup_folder(), AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        let (begin, begun) = std::sync::mpsc::channel();
        let (done, ended) = std::sync::mpsc::channel();
        let (house, caller, swept) = (&house, &caller, &swept);
        scope.spawn(move || {
            begun.recv().expect("a backup began");
            runtime.block_on(async {
                house.delete(caller, "swept").await.expect("deleted");
                house.delete(caller, "small").await.expect("deleted");
                let report = house.sweep().await;
                swept.store(true, Ordering::SeqCst);
                assert!(report.freed >= 2 && report.unlinked > 0, "{report:?}");
            });
            // Nobody listens any more when the sweep had to wait.
            let _ = done.send(());
        });
        let backup = scope.spawn(move || {
            // The backup looks when it has its position and before it has read a row.
            when_looking(move || {
                begin.send(()).expect("somebody sweeps");
                let waits = ended.recv_timeout(std::time::Duration::from_secs(2));
                assert!(waits.is_err(), "a sweep waits until the backup has what it would remove");
            });
            house.store.backup(&folder, None).expect("backs up")
        });
        backup.join().expect("no panic");
    });
    assert!(swept.load(Ordering::SeqCst), "it is done after the backup");
    let keys = house.copy_keys().await;
    let (other, report) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(report.missing, 0);
    assert_eq!(other.get(&caller, "swept").await.expect("reads"), noise(1, 200_000));
    assert_eq!(other.get(&caller, "small").await.expect("reads"), b"inline");
    assert!(house.listing(&caller).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_repeated_after_a_restore_is_known() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let command = Some(schemas::CommandId([7; 16]));
    let put = async |house: &House| {
        let request = PutObject { command, ..put_request("bucket", "once") };
        house.store.put_object(&caller, request, body(b"bytes")).await.expect("stored")
    };
    let first = put(&house).await;
    house.backup().await;
    let keys = house.copy_keys().await;
    let (other, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    let before = other.heads();
    let again = put(&other).await;
    assert_eq!((again.position, other.heads()), (first.position, before), "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_and_went_between_two_runs_is_counted() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.backup().await;
    house.clock.pass_s(10);
    house.put(&caller, "short-lived", &noise(1, 50_000)).await.expect("stored");
    let point = house.clock_now();
    house.clock.pass_s(10);
    house.delete(&caller, "short-lived").await.expect("deleted");
    house.sweep().await;
    house.backup().await;
    let keys = house.copy_keys().await;
    let (other, report) = house.restored(&house.to(&keys, RestoreAt::Time(point))).expect("restores");
    assert_eq!(report.missing, 1);
    // It is listed, as it was then, and never reads as something else.
    assert_eq!(other.listing(&caller).await.len(), 1);
    assert!(matches!(other.get(&caller, "short-lived").await, Err(StoreError::Corrupt { .. })));
    // The copy of the keys outlives the store that made it.
    let data = other.directory().join("data");
    assert_eq!(key_copies(&data, other.clock_now()).expect("reads").len(), 1);
    // It is an operator's now: no server removes what a store was restored with.
    other.clock.pass_s(40 * 86_400);
    let (_, removed) =
        other.store.admin_copy_keys(&other.admin, other.directory().join("keys"), 30).await.expect("copies");
    assert_eq!((removed, keys.exists()), (0, true));
    assert_eq!(key_copies(&data, other.clock_now()).expect("reads").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_beside_writers_is_one_moment_of_each_log() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    let going = AtomicBool::new(true);
    // What is deleted is swept at once, and segments are rewritten: never under what is being copied.
    let sweep = async {
        let (mut freed, mut unlinked) = (0, 0);
        while going.load(Ordering::Relaxed) {
            let swept = house.sweep().await;
            (freed, unlinked) = (freed + swept.freed, unlinked + swept.unlinked);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(freed > 0 && unlinked > 0, "{freed} blobs and {unlinked} segments were swept");
    };
    let write = async {
        let mut number = 0_u64;
        while going.load(Ordering::Relaxed) {
            let size = [10, 5_000, 200_000][number as usize % 3];
            house.put(&caller, &format!("{number:05}"), &noise(number, size)).await.expect("stored");
            if number % 4 == 3 {
                for gone in number - 3..number {
                    house.delete(&caller, &format!("{gone:05}")).await.expect("deleted");
                }
            }
            number += 1;
        }
    };
    let back_up = async {
        let mut reports = Vec::new();
        for _ in 0..5 {
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            reports.push(house.backup().await);
        }
        going.store(false, Ordering::Relaxed);
        reports
    };
    let ((), (), reports) = tokio::join!(write, sweep, back_up);
    assert!(reports.iter().all(|report| report.records > 0), "{reports:?}");
    let keys = house.copy_keys().await;
    let (other, restored) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(restored.missing, 0);
    let (ours, theirs) = (house.records(caller.tenant), other.records(caller.tenant));
    let kept = theirs.len() - 1;
    assert_eq!(theirs[..kept], ours[..kept], "a beginning of the log");
    assert!(other.rebuild().await.mismatches.is_empty());
    // What stands in the log is there to be read, to the last object.
    for listed in other.listing(&caller).await {
        let number: u64 = listed.key.as_str().parse().expect("a number");
        let bytes = other.get(&caller, listed.key.as_str()).await.expect("reads");
        assert_eq!(bytes, noise(number, [10, 5_000, 200_000][number as usize % 3]));
    }
    assert!(!other.listing(&caller).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_writes_what_is_new_and_no_more() {
    let house = House::with(named);
    let caller = furnished(&house).await;
    let first = house.backup().await;
    assert!(first.written_bytes > 5 << 20);
    let idle = house.backup().await;
    assert_eq!((idle.records, idle.rows), (0, 0));
    assert!(idle.written_bytes < 100, "{idle:?}");
    house.put(&caller, "one more", &noise(1_000, 100_000)).await.expect("stored");
    let second = house.backup().await;
    assert_eq!(second.records, 1);
    assert!((100_000..110_000).contains(&second.written_bytes), "{second:?}");
    assert_eq!(second.bytes, first.bytes + idle.written_bytes + second.written_bytes);
    let keys = house.copy_keys().await;
    let (other, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(other.digests(), house.digests());
    house.same_as(&other, &caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_are_folded_and_hold_the_same() {
    let house = House::new();
    let caller = house.with_bucket().await;
    for number in 0..40 {
        house.put(&caller, &format!("{number}"), &noise(number, 1_000)).await.expect("stored");
        if number % 3 == 2 {
            house.delete(&caller, &format!("{}", number - 1)).await.expect("deleted");
        }
        house.backup().await;
    }
    let rows = fs::read_dir(house.backup_folder().join("runs")).expect("reads").filter(|entry| {
        entry.as_ref().is_ok_and(|entry| entry.path().extension().is_some_and(|extension| extension == "rows"))
    });
    assert!(rows.count() <= 18);
    let keys = house.copy_keys().await;
    let (other, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(other.digests(), house.digests());
    house.same_as(&other, &caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_point_has_what_was_given_up_since_and_no_id_comes_twice() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.clock.pass_s(10);
    house.put(&caller, "early", &noise(1, 200_000)).await.expect("stored");
    house.put(&caller, "small", b"inline").await.expect("stored");
    let (then, early) = (house.heads(), house.digests());
    let point = house.clock_now();
    house.backup().await;
    house.clock.pass_s(100);
    house.delete(&caller, "early").await.expect("deleted");
    house.delete(&caller, "small").await.expect("deleted");
    house.put(&caller, "late", &noise(2, 200_000)).await.expect("stored");
    let swept = house.sweep().await;
    assert!(swept.freed > 0 && swept.unlinked > 0, "{swept:?}");
    house.backup().await;
    // A run after the content has gone from the store for good.
    house.clock.pass_s(100);
    house.backup().await;
    let keys = house.copy_keys().await;

    let (other, report) = house.restored(&house.to(&keys, RestoreAt::Time(point))).expect("restores");
    assert!(report.dropped > 0);
    assert_eq!(report.missing, 0);
    assert_eq!(other.digests(), early);
    assert_eq!(other.get(&caller, "early").await.expect("reads"), noise(1, 200_000));
    assert_eq!(other.get(&caller, "small").await.expect("reads"), b"inline");
    assert!(matches!(other.get(&caller, "late").await, Err(StoreError::Refused(_))));
    // Whoever had read what is gone is told where both agree, and goes on in an epoch of its own.
    let (theirs, ours) = (then[&caller.tenant], house.heads()[&caller.tenant]);
    let gone = house.records(caller.tenant).pop().expect("records");
    let (header, _) = schemas::record::Header::decode(&gone).expect("a record");
    let snapshot = other.store.followed().0.snapshot();
    let cursor = Cursor { at: header.id(), leaf: ledger::leaf(&gone) };
    let common = Some(Position(theirs.next.0 - 1));
    assert_eq!(snapshot.check(caller.tenant, cursor).expect("reads"), CursorState::Diverged { common });
    let written = other.put(&caller, "late", b"other").await.expect("stored");
    assert!(other.heads()[&caller.tenant].epoch > ours.epoch, "{written:?}");
    // A second restore of the same backup gives ids of its own too.
    house.clock.pass_s(1);
    let (third, _) = house.restored(&house.to(&keys, RestoreAt::Time(point))).expect("restores");
    assert!(third.heads()[&caller.tenant].epoch > other.heads()[&caller.tenant].epoch);
    // The rest of what the backup kept goes with the next sweep.
    other.sweep().await;
    assert_eq!(other.get(&caller, "early").await.expect("reads"), noise(1, 200_000));

    // By position, of one tenant alone.
    let position = Position(theirs.next.0 - 1);
    let at = RestoreAt::Position { tenant: tenant_name("tenant"), position };
    let (by_position, _) = house.restored(&house.to(&keys, at)).expect("restores");
    assert_eq!(by_position.heads()[&caller.tenant].next, theirs.next.next());
    assert_eq!(by_position.get(&caller, "early").await.expect("reads"), noise(1, 200_000));
    for (at, what) in [
        (RestoreAt::Time(Time(house.clock_now().0 + 1)), "later than the backup"),
        (RestoreAt::Time(Time(5)), "before the installation"),
        (RestoreAt::Position { tenant: tenant_name("tenant"), position: ours.next }, "later than the backup"),
        (RestoreAt::Position { tenant: tenant_name("nobody"), position }, "no tenant nobody"),
    ] {
        house.refused(&house.to(&keys, at), what);
    }
}

impl House {
    fn clock_now(&self) -> Time {
        use pipeline::Clock;
        self.clock.wall()
    }

    /// A restore that is refused, with this in what it says, and writes nothing.
    fn refused(&self, restore: &Restore, what: &str) {
        let target = tempfile::tempdir().expect("a directory");
        let data = target.path().join("data");
        let error = self.restore_into(&data, restore).expect_err("is refused");
        let text = match &error {
            RestoreError::Keys { source: Some(source), .. } => format!("{error}: {source}"),
            _ => error.to_string(),
        };
        assert!(text.contains(what), "{text}");
        assert!(!data.exists(), "nothing was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_fitting_keys_nothing_is_written() {
    let house = House::with(named);
    let caller = house.with_bucket().await;
    house.put(&caller, "object", &noise(1, 10_000)).await.expect("stored");
    let early = house.copy_keys().await;
    let encryption = AskedEncryption::Kms { key: Some("name".to_owned()), context: None, bucket_key: None };
    let request = PutObject { encryption, ..put_request("bucket", "named") };
    house.store.put_object(&caller, request, body(&noise(2, 10_000))).await.expect("stored");
    let before_bucket = house.copy_keys().await;
    house.bucket(&caller, "another").await.expect("a bucket");
    house.backup().await;
    let keys = house.copy_keys().await;
    house.refused(&Restore { keys: None, ..house.to(&keys, RestoreAt::End) }, "there are none");
    house.refused(&house.to(&house.directory().join("nowhere"), RestoreAt::End), "root.check is missing");
    // Copies that are older than the backup: one lacks a bucket's key, one a named key as well.
    house.refused(&house.to(&before_bucket, RestoreAt::End), "is missing");
    house.refused(&house.to(&early, RestoreAt::End), "is missing");
    let stranger = House::new();
    stranger.tenant("tenant").await;
    let theirs = stranger.copy_keys().await;
    house.refused(&house.to(&theirs, RestoreAt::End), "is not the one");
    let (other, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(other.get(&caller, "named").await.expect("reads"), noise(2, 10_000));
    // No file of the backup is a key's.
    let files = files(&house.backup_folder());
    for (name, bytes) in vault::key_files_in(&house.data().join("keys")).expect("reads") {
        assert!(files.iter().all(|file| fs::read(file).expect("reads") != bytes), "{}", name.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_there_already_are_used_and_anything_else_is_in_the_way() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "object", b"bytes").await.expect("stored");
    house.backup().await;
    let keys = house.copy_keys().await;
    let target = tempfile::tempdir().expect("a directory");
    let data = target.path().join("data");
    let own = vault::key_files_in(&keys).expect("reads");
    fs::create_dir_all(&data).expect("makes");
    vault::write_key_files(&data.join("keys"), &own).expect("writes");
    let error = house.restore_into(&data, &house.to(&keys, RestoreAt::End)).expect_err("two sets of keys");
    assert!(matches!(error, RestoreError::NotEmpty { .. }), "{error}");
    fs::write(data.join("notes"), "an operator's").expect("writes");
    let with_own = Restore { keys: None, ..house.to(&keys, RestoreAt::End) };
    let error = house.restore_into(&data, &with_own).expect_err("not empty");
    assert!(error.to_string().contains("notes"), "{error}");
    fs::remove_file(data.join("notes")).expect("removes");
    house.restore_into(&data, &with_own).expect("restores");
    let error = house.restore_into(&data, &with_own).expect_err("there is a store");
    assert!(matches!(error, RestoreError::NotEmpty { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_anywhere_is_found_and_named_and_nothing_is_restored() {
    let house = House::with(named);
    let caller = furnished(&house).await;
    house.backup().await;
    house.put(&caller, "more", &noise(3, 100_000)).await.expect("stored");
    house.backup().await;
    let keys = house.copy_keys().await;
    let lock = house.backup_folder().join("holdfast-backup.lock");
    for file in files(&house.backup_folder()).into_iter().filter(|file| *file != lock) {
        let good = fs::read(&file).expect("reads");
        if good.is_empty() {
            continue;
        }
        let check = |what: &str| {
            let error = Store::verify_backup(&house.backup_folder(), &[]).expect_err(what);
            assert!(matches!(error, BackupError::Damaged { .. } | BackupError::Incomplete { .. }), "{error}");
        };
        // In the manifest a space more is nothing.
        let spot = good.len() / 2 + good[good.len() / 2..].iter().position(|byte| *byte != b' ').unwrap_or(0);
        let mut bad = good.clone();
        bad[spot] ^= 1;
        fs::write(&file, &bad).expect("writes");
        check("a flipped bit");
        house.refused(&house.to(&keys, RestoreAt::End), "damaged");
        fs::write(&file, &good[..good.len() - 3]).expect("writes");
        check("a cut");
        fs::remove_file(&file).expect("removes");
        check("a missing file");
        fs::write(&file, &good).expect("writes");
    }
    Store::verify_backup(&house.backup_folder(), &[]).expect("is sound again");
    house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_leaves_the_one_before_and_the_next_goes_on() {
    let house = House::with(named);
    let caller = furnished(&house).await;
    house.backup().await;
    let folder = house.backup_folder();
    let manifest = fs::read(folder.join("MANIFEST")).expect("reads");
    house.put(&caller, "more", &noise(3, 100_000)).await.expect("stored");
    let report = house.backup().await;
    // As a kill before the manifest leaves it: longer copies, files that nobody names, half a manifest beside the whole one.
    fs::write(folder.join("MANIFEST"), &manifest).expect("writes");
    fs::write(folder.join("MANIFEST.new"), &manifest[..50]).expect("writes");
    fs::write(folder.join("runs").join("9.rows"), b"half").expect("writes");
    assert_eq!(Store::verify_backup(&folder, &[]).expect("the one before is sound").runs, 1);
    let again = house.backup().await;
    assert_eq!((again.records, again.rows), (report.records, report.rows));
    assert_eq!(Store::verify_backup(&folder, &[]).expect("is sound").runs, 2);
    assert!(!folder.join("runs").join("9.rows").exists());
    let keys = house.copy_keys().await;
    let (other, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    house.same_as(&other, &caller).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_was_cut_off_keeps_the_store_shut_until_it_is_run_again() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "object", &noise(1, 100_000)).await.expect("stored");
    house.backup().await;
    let keys = house.copy_keys().await;
    let target = tempfile::tempdir().expect("a directory");
    let data = target.path().join("data");
    house.restore_into(&data, &house.to(&keys, RestoreAt::End)).expect("restores");
    // As a kill leaves it: the marker, half a log, half the segments.
    fs::write(data.join("RESTORING"), b"restoring, with key files\n").expect("writes");
    fs::remove_file(data.join("log").join("HEAD")).expect("removes");
    let options = || {
        let mut options = OpenOptions::new(data.clone());
        options.clock = house.clock.clone();
        options
    };
    let opening = options();
    let opened = std::thread::spawn(move || Store::open(opening).map(|_| ())).join().expect("no panic");
    assert!(matches!(opened, Err(OpenError::RestoreUnfinished { .. })), "{opened:?}");
    assert!(Store::rebuild_offline(&options(), false).is_err());
    let own = Restore { keys: None, ..house.to(&keys, RestoreAt::End) };
    assert!(matches!(house.restore_into(&data, &own), Err(RestoreError::KeysAgain)));
    house.restore_into(&data, &house.to(&keys, RestoreAt::End)).expect("restores");
    let opening = options();
    let opened = std::thread::spawn(move || Store::open(opening)).join().expect("no panic").expect("opens").0;
    let found = opened.get_object(&caller, get_request("bucket", "object")).await.expect("is there");
    assert_eq!(read(found).await.expect("reads"), noise(1, 100_000));
    opened.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_something_else_or_of_another_history_is_refused() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let refused = async |to: PathBuf| match house.store.admin_backup(&house.admin, to, None).await {
        Err(error) => error.to_string(),
        Ok(report) => panic!("not refused: {report:?}"),
    };
    assert!(refused(PathBuf::from("relative")).await.contains("not an absolute path"));
    assert!(refused(house.data().join("backup")).await.contains("data directory"));
    assert!(refused(house.directory().to_owned()).await.contains("data directory"));
    assert!(refused(house.directory().join("a/../data/b")).await.contains("data directory"));
    let other = house.directory().join("other");
    fs::create_dir(&other).expect("makes");
    fs::write(other.join("file"), "a user's").expect("writes");
    assert!(refused(other).await.contains("neither empty nor a backup"));

    house.clock.pass_s(10);
    let point = house.clock_now();
    house.backup().await;
    house.clock.pass_s(10);
    house.put(&caller, "object", b"bytes").await.expect("stored");
    house.backup().await;
    let keys = house.copy_keys().await;
    let (earlier, _) = house.restored(&house.to(&keys, RestoreAt::Time(point))).expect("restores");
    let error = earlier.store.admin_backup(&earlier.admin, house.backup_folder(), None).await.expect_err("is refused");
    assert!(matches!(error, BackupError::OtherHistory { tenant, .. } if tenant == caller.tenant), "{error}");
    // A store restored whole goes on where the backup ends.
    let (whole, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    whole.put(&caller, "object", b"newer").await.expect("stored");
    whole.store.admin_backup(&whole.admin, house.backup_folder(), None).await.expect("goes on");
    let keys = whole.copy_keys().await;
    let (again, _) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(again.get(&caller, "object").await.expect("reads"), b"newer");
    assert!(matches!(
        house.store.admin_backup(&house.admin, house.backup_folder(), None).await,
        Err(BackupError::OtherHistory { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_s_number_that_is_given_again_has_a_copy_of_its_own() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.put(&caller, "old", &noise(1, 200_000)).await.expect("stored");
    house.backup().await;
    house.delete(&caller, "old").await.expect("deleted");
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "the only segment is gone, and its number free");
    let house = house.reopened(sweeping);
    house.put(&caller, "new", &noise(2, 200_000)).await.expect("stored");
    house.backup().await;
    Store::verify_backup(&house.backup_folder(), &[]).expect("is sound");
    let keys = house.copy_keys().await;
    let (other, report) = house.restored(&house.to(&keys, RestoreAt::End)).expect("restores");
    assert_eq!(report.missing, 0);
    assert_eq!(other.get(&caller, "new").await.expect("reads"), noise(2, 200_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_keys_end_and_the_list_says_when() {
    let house = House::new();
    house.tenant("tenant").await;
    let folder = house.directory().join("keys");
    let copy = async |days| {
        house.clock.pass_s(1);
        house.store.admin_copy_keys(&house.admin, folder.clone(), days).await.expect("copies")
    };
    let (first, removed) = copy(1).await;
    assert_eq!(removed, 0);
    let again = house.store.admin_copy_keys(&house.admin, folder.clone(), 1).await;
    assert!(again.is_err_and(|error| error.to_string().contains("is there already")), "none is written over");
    let (second, _) = copy(30).await;
    let listed = |house: &House| key_copies(&house.data(), house.clock_now()).expect("reads");
    assert_eq!(listed(&house), [first.clone(), second.clone()]);
    assert_eq!(second.ends.0 - second.made.0, 30 * 86_400_000_000);
    // One that was cut off has no description, and ends all the same.
    fs::remove_file(first.folder.join("COPY.json")).expect("removes");
    house.clock.pass_s(2 * 86_400);
    assert_eq!(listed(&house), [first.clone(), second.clone()], "it has ended and is there");
    let (third, removed) = copy(30).await;
    assert_eq!(removed, 1);
    assert!(!first.folder.exists() && second.folder.exists());
    assert_eq!(listed(&house), [second.clone(), third]);
    // The server removes what ends also when nobody makes another: within the hour, or when it starts.
    house.clock.pass_s(40 * 86_400);
    let house = house.reopened(|_| {});
    let ends = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while second.folder.exists() && std::time::Instant::now() < ends {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!second.folder.exists() && listed(&house).is_empty());
    // Only an owner of it all may have them written anywhere.
    let admin = pipeline::AdminCaller { role: schemas::event::AdminRole::Operator, ..house.admin.clone() };
    assert!(house.store.admin_copy_keys(&admin, folder.clone(), 1).await.is_err());
    assert!(matches!(
        house.store.admin_backup(&admin, house.backup_folder(), None).await,
        Err(BackupError::Refused(_))
    ));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}
