//! The vault on a real folder: first start, restart, damage, destruction.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use schemas::record::Header;
use schemas::{BlobId, BucketId, Epoch, KeyId, LeafHash, Position, TenantId, Time};
use vault::{BlobKey, BlobScope, Body, CustomerKey, Damage, NamedKey, RootKeySource, Vault, VaultError, WrapScope};

const TENANT: TenantId = TenantId(0xa1);
const OTHER: TenantId = TenantId(0xa2);
const BUCKET: BucketId = BucketId(0xb1);
const BLOB: BlobId = BlobId([7; 16]);

/// A data directory, its vault opened and closed at will.
struct Data(tempfile::TempDir);

impl Data {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// After a first start that made a tenant with one bucket.
    fn with_a_bucket() -> (Self, KeyId, KeyId) {
        let data = Self::new();
        let vault = data.open(true).expect("a first start");
        let tenant_key = vault.create_tenant_key(TENANT).expect("a tenant key");
        let bucket_key = vault.create_bucket_key(TENANT, BUCKET).expect("a bucket key");
        (data, tenant_key, bucket_key)
    }

    fn open(&self, fresh: bool) -> Result<Vault, VaultError> {
        Vault::open(&self.keys(), &RootKeySource::File(self.root_key()), fresh)
    }

    fn reopen(&self) -> Vault {
        self.open(false).expect("opens again")
    }

    fn keys(&self) -> PathBuf {
        self.0.path().join("keys")
    }

    fn root_key(&self) -> PathBuf {
        self.0.path().join("root.key")
    }

    fn root_check(&self) -> PathBuf {
        self.keys().join("root.check")
    }

    fn tenant_file(&self) -> PathBuf {
        self.keys().join("tenant-00000000000000a1.key")
    }

    fn bucket_file(&self) -> PathBuf {
        self.keys().join("t-00000000000000a1/bucket-00000000000000b1.key")
    }

    /// Every file with its bytes, to see whether anything changed.
    fn contents(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let mut folders = vec![self.0.path().to_owned()];
        let mut contents = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("lists") {
                let path = entry.expect("lists").path();
                contents.push((path.clone(), fs::read(&path).ok()));
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        contents.sort();
        contents
    }
}

fn header(bucket: BucketId, key: KeyId) -> Header {
    Header {
        tenant: TENANT,
        epoch: Epoch(1),
        position: Position(2),
        time: Time(3),
        prev: LeafHash([4; 32]),
        bucket,
        bucket_seq: 0,
        bucket_prev: LeafHash([0; 32]),
        event_type: 1,
        schema_version: 1,
        key,
        unit_length: 1,
        unit_index: 0,
    }
}

fn scope(bucket: BucketId, key: KeyId) -> WrapScope {
    WrapScope { tenant: TENANT, bucket, key }
}

fn open(body: &[u8]) -> Body {
    Body::Open(body.to_vec())
}

#[test]
fn what_was_sealed_opens_after_a_restart() {
    let (data, tenant_key, bucket_key) = Data::with_a_bucket();
    let vault = data.reopen();
    let of_tenant = vault.seal_body(&header(BucketId::NONE, tenant_key), b"tenant").expect("seals");
    let of_bucket = vault.seal_body(&header(BUCKET, bucket_key), b"bucket").expect("seals");
    let blob_key = BlobKey::random();
    let wrapped = vault.wrap_blob_key(scope(BUCKET, bucket_key), BLOB, &blob_key).expect("wraps");
    let secret = vault.seal_secret(TENANT, "webhook", b"1", b"secret").expect("seals");
    let hint = vault.dedup_hint(TENANT, b"scope", &[1; 32]).expect("a hint");
    let derived = vault.derive(TENANT, "token").expect("a key");

    let vault = data.reopen();
    assert_eq!(vault.tenant_key(TENANT), Some(tenant_key));
    assert_eq!(vault.bucket_key(TENANT, BUCKET), Some(bucket_key));
    assert_eq!(vault.open_body(&header(BucketId::NONE, tenant_key), &of_tenant).expect("opens"), open(b"tenant"));
    assert_eq!(vault.open_body(&header(BUCKET, bucket_key), &of_bucket).expect("opens"), open(b"bucket"));
    assert_eq!(vault.unwrap_blob_key(scope(BUCKET, bucket_key), BLOB, &wrapped).expect("unwraps"), blob_key);
    assert_eq!(*vault.open_secret(TENANT, "webhook", b"1", &secret).expect("opens"), b"secret");
    assert_eq!(vault.dedup_hint(TENANT, b"scope", &[1; 32]).expect("a hint"), hint);
    assert_eq!(vault.derive(TENANT, "token").expect("a key"), derived);
}

#[test]
fn a_sealed_thing_opens_for_its_own_use_alone() {
    let (data, tenant_key, bucket_key) = Data::with_a_bucket();
    let vault = data.reopen();
    let forged = |error| assert!(matches!(error, VaultError::Forged { .. }), "{error}");

    let sealed = vault.seal_body(&header(BUCKET, bucket_key), b"body").expect("seals");
    let moved = Header { position: Position(9), ..header(BUCKET, bucket_key) };
    forged(vault.open_body(&moved, &sealed).expect_err("another position"));
    forged(vault.message_key(&moved, &sealed).expect_err("another position"));

    let wrapped = vault.wrap_blob_key(scope(BUCKET, bucket_key), BLOB, &BlobKey::random()).expect("wraps");
    forged(vault.unwrap_blob_key(scope(BUCKET, bucket_key), BlobId([8; 16]), &wrapped).expect_err("another blob"));
    forged(vault.unwrap_blob_key(scope(BucketId::NONE, tenant_key), BLOB, &wrapped).expect_err("another key"));

    let secret = vault.seal_secret(TENANT, "webhook", b"1", b"secret").expect("seals");
    forged(vault.open_secret(TENANT, "webhook", b"2", &secret).expect_err("another context"));
    forged(vault.open_secret(TENANT, "token", b"1", &secret).expect_err("another purpose"));
    vault.create_tenant_key(OTHER).expect("a tenant key");
    let error = vault.open_secret(OTHER, "webhook", b"1", &secret).expect_err("another tenant");
    assert!(matches!(error, VaultError::MissingKey { tenant: OTHER, .. }), "{error}");
}

#[test]
fn a_message_is_sealed_differently_every_time() {
    let (data, tenant_key, _) = Data::with_a_bucket();
    let vault = data.reopen();
    let header = header(BucketId::NONE, tenant_key);
    let [first, second] = [(); 2].map(|()| vault.seal_body(&header, b"body").expect("seals"));
    assert_ne!(first[..24], second[..24], "the nonce");
    assert_eq!(vault.open_body(&header, &first).expect("opens"), vault.open_body(&header, &second).expect("opens"));
}

#[test]
fn hints_and_derived_keys_depend_on_everything_they_should() {
    let (data, ..) = Data::with_a_bucket();
    let vault = data.reopen();
    vault.create_tenant_key(OTHER).expect("a tenant key");
    let hints = [
        (TENANT, b"scope".as_slice(), [1; 32]),
        (OTHER, b"scope", [1; 32]),
        (TENANT, b"scop", [1; 32]),
        (TENANT, b"", [1; 32]),
        (TENANT, b"scope", [2; 32]),
    ]
    .map(|(tenant, scope, sha256)| vault.dedup_hint(tenant, scope, &sha256).expect("a hint"));
    let keys = [(TENANT, "token"), (OTHER, "token"), (TENANT, "tokens"), (TENANT, "")]
        .map(|(tenant, purpose)| *vault.derive(tenant, purpose).expect("a key"));
    let distinct: std::collections::BTreeSet<_> = hints.iter().chain(&keys).collect();
    assert_eq!(distinct.len(), hints.len() + keys.len());
}

#[test]
fn a_new_key_seals_and_an_old_one_still_opens() {
    let (data, old_tenant, old_bucket) = Data::with_a_bucket();
    let vault = data.reopen();
    let body = vault.seal_body(&header(BUCKET, old_bucket), b"old").expect("seals");
    let secret = vault.seal_secret(TENANT, "webhook", b"1", b"old").expect("seals");
    let hint = vault.dedup_hint(TENANT, b"scope", &[1; 32]).expect("a hint");
    let new_tenant = vault.create_tenant_key(TENANT).expect("a second key");
    let new_bucket = vault.create_bucket_key(TENANT, BUCKET).expect("a second key");
    assert_ne!((old_tenant, old_bucket), (new_tenant, new_bucket));

    for vault in [vault, data.reopen()] {
        assert_eq!(vault.tenant_key(TENANT), Some(new_tenant));
        assert_eq!(vault.bucket_key(TENANT, BUCKET), Some(new_bucket));
        assert_eq!(vault.open_body(&header(BUCKET, old_bucket), &body).expect("opens"), open(b"old"));
        assert_eq!(*vault.open_secret(TENANT, "webhook", b"1", &secret).expect("opens"), b"old");
        assert_eq!(vault.dedup_hint(TENANT, b"scope", &[1; 32]).expect("a hint"), hint, "survives rotation");
    }
}

#[test]
fn a_destroyed_key_erases_what_it_sealed_and_leaves_its_file() {
    let (data, _, destroyed) = Data::with_a_bucket();
    let vault = data.reopen();
    let erased = vault.seal_body(&header(BUCKET, destroyed), b"erased").expect("seals");
    let wrapped = vault.wrap_blob_key(scope(BUCKET, destroyed), BLOB, &BlobKey::random()).expect("wraps");
    let kept_key = vault.create_bucket_key(TENANT, BUCKET).expect("a second key");
    let kept = vault.seal_body(&header(BUCKET, kept_key), b"kept").expect("seals");
    // Bytes 42 to 146 of the file are the first key's wrap.
    let old_wrap = fs::read(data.bucket_file()).expect("reads")[42..146].to_vec();
    vault.destroy_bucket_key(TENANT, BUCKET, destroyed).expect("destroys");
    vault.destroy_bucket_key(TENANT, BUCKET, destroyed).expect("once more is no error");

    let file = fs::read(data.bucket_file()).expect("reads");
    for part in old_wrap.chunks_exact(8) {
        assert!(!file.windows(8).any(|window| window == part), "a part of the wrap is still there");
    }
    for vault in [vault, data.reopen()] {
        assert_eq!(vault.bucket_key(TENANT, BUCKET), Some(kept_key));
        assert_eq!(vault.open_body(&header(BUCKET, destroyed), &erased).expect("is known"), Body::Erased);
        assert!(vault.message_key(&header(BUCKET, destroyed), &erased).expect("is known").is_none());
        assert_eq!(vault.open_body(&header(BUCKET, kept_key), &kept).expect("opens"), open(b"kept"));
        for error in [
            vault.seal_body(&header(BUCKET, destroyed), b"new").expect_err("no key"),
            vault.unwrap_blob_key(scope(BUCKET, destroyed), BLOB, &wrapped).expect_err("no key"),
        ] {
            assert!(matches!(error, VaultError::Destroyed { key: Some(key), .. } if key == destroyed), "{error}");
        }
    }
}

#[test]
fn a_destroyed_tenant_takes_its_buckets_along() {
    let (data, tenant_key, bucket_key) = Data::with_a_bucket();
    let vault = data.reopen();
    let bodies = [header(BucketId::NONE, tenant_key), header(BUCKET, bucket_key)]
        .map(|header| (header, vault.seal_body(&header, b"body").expect("seals")));
    vault.destroy_tenant_keys(TENANT).expect("destroys");
    vault.destroy_tenant_keys(TENANT).expect("once more is no error");
    let reopened = data.reopen();
    // Whether or not the bucket's file is still there.
    fs::remove_file(data.bucket_file()).expect("removes");
    for vault in [&vault, &reopened] {
        assert_eq!(vault.tenant_key(TENANT), None);
        assert_eq!(vault.bucket_key(TENANT, BUCKET), None);
        for (header, sealed) in &bodies {
            assert_eq!(vault.open_body(header, sealed).expect("is known"), Body::Erased);
        }
        for error in [
            vault.create_bucket_key(TENANT, BUCKET).expect_err("no tenant key"),
            vault.seal_secret(TENANT, "webhook", b"", b"").expect_err("no tenant key"),
            vault.derive(TENANT, "token").expect_err("no tenant key"),
        ] {
            assert!(matches!(error, VaultError::Destroyed { .. }), "{error}");
        }
    }
}

#[test]
fn a_disclosed_key_opens_its_record_without_the_vault() {
    let (data, _, bucket_key) = Data::with_a_bucket();
    let vault = data.reopen();
    let header = header(BUCKET, bucket_key);
    let [disclosed, hidden] = [(); 2].map(|()| vault.seal_body(&header, b"body").expect("seals"));
    let key = vault.message_key(&header, &disclosed).expect("opens").expect("is not erased");
    assert_eq!(key.open_body(&header, &disclosed).as_deref(), Ok(b"body".as_slice()));
    assert!(key.open_body(&header, &hidden).is_err());
}

#[test]
fn a_customers_key_wraps_without_the_vault() {
    let scope = BlobScope { tenant: TENANT, bucket: BUCKET };
    let customer = CustomerKey::new(&[1; 32]);
    let blob_key = BlobKey::random();
    let wrapped = customer.wrap_blob_key(scope, BLOB, &blob_key);
    assert_eq!(customer.unwrap_blob_key(scope, BLOB, &wrapped).expect("unwraps"), blob_key);
    for (customer, scope, blob) in [
        (CustomerKey::new(&[2; 32]), scope, BLOB),
        (CustomerKey::new(&[1; 32]), BlobScope { tenant: OTHER, ..scope }, BLOB),
        (CustomerKey::new(&[1; 32]), scope, BlobId([8; 16])),
    ] {
        let error = customer.unwrap_blob_key(scope, blob, &wrapped).expect_err("belongs elsewhere");
        assert!(matches!(error, VaultError::Forged { .. }), "{error}");
    }
}

#[test]
fn a_key_that_never_was_is_missing_and_named() {
    let (data, tenant_key, _) = Data::with_a_bucket();
    let vault = data.reopen();
    let missing = |error: VaultError, expected: &Path| match error {
        VaultError::MissingKey { ref file, .. } => {
            assert_eq!(file, expected);
            assert!(error.to_string().contains(&expected.display().to_string()));
        }
        other => panic!("{other}"),
    };
    let unknown = data.keys().join("t-00000000000000a1/bucket-0000000000000099.key");
    let sealed = vec![0; 100];
    missing(vault.open_body(&header(BUCKET, KeyId(1)), &sealed).expect_err("no such key"), &data.bucket_file());
    missing(vault.open_body(&header(BucketId(0x99), KeyId(1)), &sealed).expect_err("no such bucket"), &unknown);
    missing(vault.seal_body(&header(BucketId::NONE, KeyId(1)), b"").expect_err("no such key"), &data.tenant_file());
    missing(vault.destroy_bucket_key(TENANT, BUCKET, KeyId(1)).expect_err("no such key"), &data.bucket_file());
    missing(
        vault.create_bucket_key(OTHER, BUCKET).expect_err("no tenant"),
        &data.keys().join("tenant-00000000000000a2.key"),
    );
    assert_eq!(vault.bucket_key(TENANT, BucketId(0x99)), None);
    assert_eq!(vault.tenant_key(OTHER), None);
    assert_eq!(vault.tenant_key(TENANT), Some(tenant_key));
}

#[test]
fn a_first_start_makes_a_root_key_that_its_owner_alone_can_read() {
    let (data, ..) = Data::with_a_bucket();
    let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
    for file in [data.root_key(), data.root_check(), data.tenant_file(), data.bucket_file()] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    for folder in [data.keys(), data.keys().join("tmp"), data.keys().join("t-00000000000000a1")] {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
    let text = fs::read_to_string(data.root_key()).expect("reads");
    assert_eq!(hex::decode(text.trim_end()).expect("is hex").len(), 32);
}

#[test]
fn a_root_key_in_the_environment_is_never_made() {
    let data = Data::new();
    let source = RootKeySource::Environment("HOLDFAST_TEST_ROOT_KEY_THAT_NOBODY_SETS".to_owned());
    let error = Vault::open(&data.keys(), &source, true).expect_err("is not set");
    assert!(matches!(error, VaultError::RootKeyMissing { .. }), "{error}");
    assert!(error.to_string().contains("HOLDFAST_TEST_ROOT_KEY_THAT_NOBODY_SETS"));
    assert!(!data.keys().exists());
}

/// The environment of this process cannot be set without `unsafe`: this test runs itself again in one that has it.
#[test]
fn a_root_key_in_the_environment_opens_what_was_sealed_under_it() {
    const NAME: &str = "HOLDFAST_TEST_ROOT_KEY";
    if std::env::var_os(NAME).is_none() {
        let this = "a_root_key_in_the_environment_opens_what_was_sealed_under_it";
        let again = std::process::Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", this])
            .env(NAME, "fb".repeat(32))
            .output()
            .expect("runs");
        assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
        assert!(String::from_utf8_lossy(&again.stdout).contains("1 passed"));
        return;
    }
    let data = Data::new();
    let source = RootKeySource::Environment(NAME.to_owned());
    let vault = Vault::open(&data.keys(), &source, true).expect("a first start");
    let key = vault.create_tenant_key(TENANT).expect("a tenant key");
    let vault = Vault::open(&data.keys(), &source, false).expect("opens again");
    assert_eq!(vault.tenant_key(TENANT), Some(key));
    // The same key in a file, in base64, opens it too.
    fs::write(data.root_key(), "+/v7".repeat(10) + "+/s=").expect("writes");
    assert_eq!(data.reopen().tenant_key(TENANT), Some(key));
}

/// The environment of this process cannot be set without `unsafe`; this one is always there, and is no key.
#[test]
fn a_variable_that_holds_no_key_is_malformed_and_not_printed() {
    let data = Data::new();
    let source = RootKeySource::Environment("PATH".to_owned());
    let error = Vault::open(&data.keys(), &source, true).expect_err("is no key");
    assert!(matches!(error, VaultError::RootKeyMalformed { .. }), "{error}");
    let path = std::env::var("PATH").expect("a path");
    assert!(!format!("{error} {error:?}").contains(&path));
    assert!(!data.keys().exists());
}

#[test]
fn data_without_its_root_key_is_refused_and_left_alone() {
    for fresh in [false, true] {
        let (data, ..) = Data::with_a_bucket();
        fs::remove_file(data.root_key()).expect("removes");
        let before = data.contents();
        let error = data.open(fresh).expect_err("no root key");
        assert!(matches!(error, VaultError::RootKeyMissing { .. }), "{error}");
        assert_eq!(data.contents(), before);
    }
}

#[test]
fn data_under_another_root_key_is_refused_and_left_alone() {
    for fresh in [false, true] {
        let (data, ..) = Data::with_a_bucket();
        fs::write(data.root_key(), "00".repeat(32)).expect("writes");
        let before = data.contents();
        let error = data.open(fresh).expect_err("another root key");
        assert!(matches!(error, VaultError::RootKeyWrong { .. }), "{error}");
        assert_eq!(data.contents(), before);
    }
}

#[test]
fn a_root_key_file_that_holds_no_key_is_refused_and_left_alone() {
    let data = Data::new();
    fs::write(data.root_key(), "not a key").expect("writes");
    let before = data.contents();
    let error = data.open(true).expect_err("not a key");
    assert!(matches!(error, VaultError::RootKeyMalformed { .. }), "{error}");
    assert_eq!(data.contents(), before);
}

#[test]
fn a_first_start_that_crashed_anywhere_can_be_repeated() {
    // After the root key, before its check.
    let data = Data::new();
    data.open(true).expect("a first start");
    let key = fs::read(data.root_key()).expect("reads");
    fs::remove_file(data.root_check()).expect("removes");
    data.open(true).expect("a second first start");
    assert_eq!(fs::read(data.root_key()).expect("reads"), key);
    // After the check, before the first event.
    data.open(true).expect("a third");
    assert_eq!(fs::read(data.root_key()).expect("reads"), key);
    // Half-way into the root key.
    let data = Data::new();
    fs::write(data.0.path().join("root.key.tmp"), "half").expect("writes");
    data.open(true).expect("a first start");
    assert!(!data.0.path().join("root.key.tmp").exists());
}

#[test]
fn a_missing_check_is_not_made_again_once_there_are_tenants() {
    for fresh in [false, true] {
        let (data, ..) = Data::with_a_bucket();
        fs::remove_file(data.root_check()).expect("removes");
        let error = data.open(fresh).expect_err("no check");
        assert!(matches!(error, VaultError::MissingFile { ref file } if *file == data.root_check()), "{error}");
        assert!(!data.root_check().exists());
    }
}

#[test]
fn leftovers_of_a_crash_are_ignored_and_cleaned() {
    let (data, tenant_key, bucket_key) = Data::with_a_bucket();
    let leftover = data.keys().join("tmp").join("0123456789abcdef");
    fs::write(&leftover, "HFKEYS").expect("writes");
    fs::write(data.keys().join("tenant-00000000000000a3.key.bak"), "an operator's").expect("writes");
    let vault = data.reopen();
    assert!(!leftover.exists());
    assert_eq!(vault.tenant_key(TENANT), Some(tenant_key));
    assert_eq!(vault.bucket_key(TENANT, BUCKET), Some(bucket_key));
    // A backup may have left out folders that held nothing.
    fs::remove_dir(data.keys().join("tmp")).expect("removes");
    data.reopen().create_tenant_key(OTHER).expect("a tenant key");
    fs::remove_dir(data.keys().join("t-00000000000000a2")).expect("removes");
    data.reopen().create_bucket_key(OTHER, BUCKET).expect("a bucket key");
}

#[test]
fn every_flipped_bit_of_a_key_file_is_an_error_that_names_it() {
    let (data, tenant_key, bucket_key) = Data::with_a_bucket();
    let check = |file: &Path, attempt: &dyn Fn() -> VaultError| {
        let good = fs::read(file).expect("reads");
        let damaged = |bytes: &[u8]| {
            fs::write(file, bytes).expect("writes");
            let error = attempt();
            assert!(matches!(error, VaultError::Damaged { file: ref named, .. } if named == file), "{error}");
        };
        for index in 0..good.len() {
            // One bit of each byte here, all of them where the layouts are tested.
            let mut bad = good.clone();
            bad[index] ^= 1 << (index % 8);
            damaged(&bad);
        }
        for length in [0, 6, 7, 30, good.len() - 1] {
            damaged(&good[..length]);
        }
        fs::write(file, &good).expect("writes");
    };
    let opening = || data.open(false).map(|_| ()).expect_err("is damaged");
    check(&data.root_check(), &opening);
    check(&data.tenant_file(), &opening);
    let vault = data.reopen();
    check(&data.bucket_file(), &|| vault.seal_body(&header(BUCKET, bucket_key), b"").expect_err("is damaged"));
    check(&data.bucket_file(), &|| vault.create_bucket_key(TENANT, BUCKET).expect_err("is damaged"));
    check(&data.bucket_file(), &|| vault.destroy_bucket_key(TENANT, BUCKET, bucket_key).expect_err("is damaged"));
    check(&data.tenant_file(), &|| vault.create_tenant_key(TENANT).expect_err("is damaged"));
    assert_eq!(data.reopen().tenant_key(TENANT), Some(tenant_key));
    assert_eq!(data.reopen().bucket_key(TENANT, BUCKET), Some(bucket_key));
}

#[test]
fn a_whole_file_in_the_wrong_place_is_refused() {
    let damage = |error| match error {
        VaultError::Damaged { damage, .. } => damage,
        other => panic!("{other}"),
    };
    // Another bucket's.
    let (data, ..) = Data::with_a_bucket();
    let vault = data.reopen();
    let copy = data.bucket_file().with_file_name("bucket-00000000000000b2.key");
    fs::copy(data.bucket_file(), copy).expect("copies");
    let error = vault.seal_body(&header(BucketId(0xb2), KeyId(1)), b"").expect_err("another bucket's");
    assert_eq!(damage(error), Damage::OtherOwner);
    // Another installation's.
    let (other, ..) = Data::with_a_bucket();
    fs::copy(other.bucket_file(), data.bucket_file()).expect("copies");
    let error = vault.seal_body(&header(BUCKET, KeyId(1)), b"").expect_err("another installation's");
    assert_eq!(damage(error), Damage::Foreign);
    fs::copy(other.tenant_file(), data.tenant_file()).expect("copies");
    assert_eq!(damage(data.open(false).expect_err("another installation's")), Damage::Foreign);
}

#[test]
fn keys_are_made_and_used_by_many_threads_at_once() {
    let (data, ..) = Data::with_a_bucket();
    let vault = data.reopen();
    let made: Vec<(BucketId, KeyId, Vec<u8>)> = std::thread::scope(|threads| {
        let make = |thread: u64| {
            let vault = &vault;
            move || {
                (0..8)
                    .map(|number| {
                        let bucket = BucketId(1000 * (thread + 1) + number);
                        let key = vault.create_bucket_key(TENANT, bucket).expect("a key");
                        (bucket, key, vault.seal_body(&header(bucket, key), &bucket.0.to_be_bytes()).expect("seals"))
                    })
                    .collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| threads.spawn(make(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("does not panic")).collect()
    });
    let vault = data.reopen();
    for (bucket, key, sealed) in made {
        assert_eq!(vault.open_body(&header(bucket, key), &sealed).expect("opens"), open(&bucket.0.to_be_bytes()));
    }
}

#[test]
fn nothing_secret_is_printed() {
    fn assert_shareable<T: Send + Sync>(_: &T) {}
    let (data, tenant_key, _) = Data::with_a_bucket();
    let vault = data.reopen();
    assert_shareable(&vault);
    assert_eq!(format!("{vault:?}"), "Vault(…)");
    assert_eq!(format!("{:?}", BlobKey::random()), "BlobKey(…)");
    assert_eq!(format!("{:?}", CustomerKey::new(&[1; 32])), "CustomerKey(…)");
    let header = header(BucketId::NONE, tenant_key);
    let sealed = vault.seal_body(&header, b"body").expect("seals");
    assert_eq!(format!("{:?}", vault.message_key(&header, &sealed).expect("opens")), "Some(MessageKey(…))");
    assert_eq!(format!("{:?}", vault.open_body(&header, &sealed).expect("opens")), "Open(…)");
}

#[test]
fn a_folder_holds_keys_from_the_first_tenant_on() {
    let data = Data::new();
    assert!(!Vault::holds_keys(&data.keys()).expect("there is none yet"));
    let vault = data.open(true).expect("a first start");
    assert!(!Vault::holds_keys(&data.keys()).expect("lists"), "a first start that was cut off sealed nothing");
    vault.create_tenant_key(TENANT).expect("a tenant key");
    assert!(Vault::holds_keys(&data.keys()).expect("lists"));
}

#[test]
fn a_named_key_is_made_once_and_opens_after_a_restart() {
    let (data, ..) = Data::with_a_bucket();
    let vault = data.reopen();
    let (name, other) = (NamedKey::of("reports"), NamedKey::of("invoices"));
    let blob_key = BlobKey::random();
    let absent = vault.wrap_under_name(TENANT, name, BLOB, &blob_key).expect_err("not made yet");
    assert!(matches!(absent, VaultError::MissingKey { tenant: TENANT, .. }), "{absent}");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| vault.make_named_key(TENANT, name).expect("made"));
        }
    });
    vault.make_named_key(TENANT, other).expect("made");
    let (id, wrapped) = vault.wrap_under_name(TENANT, name, BLOB, &blob_key).expect("wraps");
    assert_eq!(wrapped.len(), vault::WRAPPED_BLOB_KEY_BYTES);
    let file = data.keys().join(format!("t-00000000000000a1/named-{:016x}.key", name.number()));
    let bytes = fs::read(&file).expect("a file");

    let vault = data.reopen();
    vault.make_named_key(TENANT, name).expect("there");
    assert_eq!(fs::read(&file).expect("a file"), bytes, "it is not made again");
    assert_eq!(vault.unwrap_under_name(TENANT, name, id, BLOB, &wrapped).expect("unwraps"), blob_key);
    vault.make_named_key(TENANT, other).expect("there");
    let elsewhere = vault.unwrap_under_name(TENANT, other, id, BLOB, &wrapped).expect_err("another name");
    assert!(matches!(elsewhere, VaultError::MissingKey { .. }), "{elsewhere}");
    let moved = vault.unwrap_under_name(TENANT, name, id, BlobId([8; 16]), &wrapped).expect_err("another blob");
    assert!(matches!(moved, VaultError::Forged { .. }), "{moved}");
    vault.destroy_tenant_keys(TENANT).expect("destroyed");
    let gone = vault.unwrap_under_name(TENANT, name, id, BLOB, &wrapped).expect_err("its tenant is gone");
    assert!(matches!(gone, VaultError::Destroyed { .. }), "{gone}");
    let refused = vault.make_named_key(TENANT, name).expect_err("its tenant is gone");
    assert!(matches!(refused, VaultError::Destroyed { .. }), "{refused}");
}

#[test]
fn the_key_of_checkpoints_is_made_once_and_never_replaced() {
    let (data, ..) = Data::with_a_bucket();
    let file = data.keys().join("checkpoint.key");
    let vault = data.reopen();
    assert!(vault.checkpoint_key().expect("no file").is_none());
    let key = vault.make_checkpoint_key().expect("makes");
    assert_eq!(vault.make_checkpoint_key().expect("is there"), key);
    drop(vault);
    assert_eq!(fs::metadata(&file).expect("is there").permissions().mode() & 0o777, 0o600);
    let vault = data.reopen();
    assert_eq!(vault.checkpoint_key().expect("reads"), Some(key));

    let mut bytes = fs::read(&file).expect("reads");
    bytes[40] ^= 1;
    fs::write(&file, &bytes).expect("damages");
    for refused in [vault.checkpoint_key().err(), vault.make_checkpoint_key().err()] {
        assert!(matches!(refused, Some(VaultError::Damaged { damage: Damage::Checksum, .. })), "{refused:?}");
    }
    assert_eq!(fs::read(&file).expect("reads"), bytes);

    // Whole, and of another installation.
    let (other, ..) = Data::with_a_bucket();
    other.reopen().make_checkpoint_key().expect("makes");
    fs::copy(other.keys().join("checkpoint.key"), &file).expect("copies");
    let refused = vault.make_checkpoint_key().err();
    assert!(matches!(refused, Some(VaultError::Damaged { damage: Damage::Foreign, .. })), "{refused:?}");
}
