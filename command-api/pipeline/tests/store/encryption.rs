//! Encryption as clients ask for it: whose key opens what, what copies do, what is shared, what lies on disk, what sweep needs.

use domain::Refusal;
use domain::bucket_setting::Configuration;
use pipeline::{
    AskedEncryption, Caller, CompleteUpload, CopyObject, CreateUpload, CustomerKey, GetObject, ObjectRead, PartWritten,
    PutObject, StoreError, UploadPart, UploadPartCopy, WriteConditions, Written,
};
use schemas::UploadId;
use schemas::action::Action;
use schemas::content::ETag;
use schemas::event::{BucketEncryption, Encryption, Metadata, StorageClass};

use crate::support::{House, body, bucket, get_request, key, noise, put_request, read, refusal, sweeping};

/// Inline, inline beyond the bound of de-duplication, one small blob, one large blob, several blobs.
const SIZES: [usize; 5] = [10, 2_048, 60_000, 300_000, (4 << 20) + 10];

fn named_keys(options: &mut pipeline::OpenOptions) {
    options.kms_keys = vec!["one".to_owned(), "two".to_owned()];
}

fn sweeping_named(options: &mut pipeline::OpenOptions) {
    sweeping(options);
    named_keys(options);
}

fn customer(byte: u8) -> CustomerKey {
    CustomerKey::new(&[byte; 32])
}

fn kms(name: &str) -> AskedEncryption {
    AskedEncryption::Kms { key: Some(name.to_owned()), context: None, bucket_key: None }
}

fn by_customer(byte: u8) -> AskedEncryption {
    AskedEncryption::Customer(customer(byte))
}

/// The key that reads what was written so.
fn key_of(asked: &AskedEncryption) -> Option<CustomerKey> {
    match asked {
        AskedEncryption::Customer(key) => Some(key.clone()),
        _ => None,
    }
}

/// Every mode, twice where two of a kind differ.
fn modes() -> Vec<(&'static str, AskedEncryption)> {
    vec![
        ("nothing", AskedEncryption::Nothing),
        ("managed", AskedEncryption::Managed),
        ("kms-one", kms("one")),
        ("kms-two", kms("two")),
        ("customer-1", by_customer(1)),
        ("customer-2", by_customer(2)),
    ]
}

impl House {
    async fn put_as(
        &self,
        caller: &Caller,
        name: &str,
        bytes: &[u8],
        encryption: AskedEncryption,
    ) -> Result<Written, StoreError> {
        let request = PutObject { encryption, ..put_request("bucket", name) };
        self.store.put_object(caller, request, body(bytes)).await
    }

    async fn open_with(
        &self,
        caller: &Caller,
        name: &str,
        customer_key: Option<CustomerKey>,
    ) -> Result<ObjectRead, StoreError> {
        self.store.get_object(caller, GetObject { customer_key, ..get_request("bucket", name) }).await
    }

    async fn get_with(
        &self,
        caller: &Caller,
        name: &str,
        customer_key: Option<CustomerKey>,
    ) -> Result<Vec<u8>, StoreError> {
        read(self.open_with(caller, name, customer_key).await?).await
    }

    async fn copy_as(
        &self,
        caller: &Caller,
        (from, from_key): (&str, Option<CustomerKey>),
        (to_bucket, to): (&str, &str),
        encryption: AskedEncryption,
    ) -> Result<Written, StoreError> {
        let request = CopyObject {
            source_bucket: bucket("bucket"),
            source_key: key(from),
            source_version: None,
            source_conditions: pipeline::ReadConditions::default(),
            bucket: bucket(to_bucket),
            key: key(to),
            metadata: None,
            tags: None,
            storage_class: None,
            checksum_algorithm: None,
            conditions: WriteConditions::default(),
            lock: pipeline::LockAsked::default(),
            acl: None,
            encryption,
            source_customer_key: from_key,
        };
        self.store.copy_object(caller, request).await.map(|copied| copied.written)
    }

    async fn begin_as(&self, caller: &Caller, name: &str, encryption: AskedEncryption) -> UploadId {
        let request = CreateUpload {
            bucket: bucket("bucket"),
            key: key(name),
            metadata: Metadata::default(),
            storage_class: StorageClass::Standard,
            tags: std::collections::BTreeMap::new(),
            checksum: None,
            lock: pipeline::LockAsked::default(),
            acl: None,
            encryption,
        };
        self.store.create_upload(caller, request).await.expect("begun").upload
    }

    async fn part_with(
        &self,
        caller: &Caller,
        (name, upload, number): (&str, UploadId, u16),
        bytes: &[u8],
        customer_key: Option<CustomerKey>,
    ) -> Result<PartWritten, StoreError> {
        let (bucket, key, digests) = (bucket("bucket"), key(name), pipeline::Digests::default());
        let request = UploadPart { bucket, key, upload, number, digests, size_bytes: None, customer_key };
        self.store.upload_part(caller, request, body(bytes)).await
    }

    async fn complete_with(
        &self,
        caller: &Caller,
        (name, upload): (&str, UploadId),
        parts: &[ETag],
        customer_key: Option<CustomerKey>,
    ) -> Result<Written, StoreError> {
        let named = |(index, etag): (usize, &ETag)| pipeline::CompletedPart {
            number: u16::try_from(index + 1).expect("few parts"),
            etag: etag.to_string(),
            checksum: None,
        };
        let request = CompleteUpload {
            bucket: bucket("bucket"),
            key: key(name),
            upload,
            parts: parts.iter().enumerate().map(named).collect(),
            conditions: WriteConditions::default(),
            checksum: None,
            checksum_type: None,
            size_bytes: None,
            customer_key,
        };
        self.store.complete_upload(caller, request).await
    }

    async fn default_of(&self, caller: &Caller, encryption: Option<BucketEncryption>) -> Result<(), StoreError> {
        let (action, configuration) = (Action::PutEncryptionConfiguration, Configuration::Encryption(encryption));
        self.store.configure_bucket(caller, &bucket("bucket"), action, configuration).await.map(|_| ())
    }
}

/// Everything on disk but pages of zeros: files are made longer than what is in them.
fn filled(house: &House) -> Vec<u8> {
    const PAGE: usize = 4096;
    let mut filled = Vec::new();
    for file in house.on_disk() {
        for page in file.chunks(PAGE).filter(|page| *page != &[0; PAGE][..page.len()]) {
            filled.extend_from_slice(page);
        }
    }
    filled
}

#[tokio::test]
async fn what_is_written_in_any_mode_reads_back_also_after_a_restart() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    for (mode, asked) in modes() {
        for size in SIZES {
            let (name, bytes) = (format!("{mode}-{size}"), noise(size as u64, size));
            let written = house.put_as(&caller, &name, &bytes, asked.clone()).await.expect("put");
            match (&asked, &written.encryption) {
                (AskedEncryption::Kms { key: Some(asked), .. }, Encryption::Kms { key, .. }) => assert_eq!(asked, key),
                (AskedEncryption::Customer(_), Encryption::Customer { .. }) => {}
                (AskedEncryption::Nothing | AskedEncryption::Managed, Encryption::Managed) => {}
                (_, other) => panic!("{mode}: {other:?}"),
            }
        }
    }
    let house = house.reopened(named_keys);
    for (mode, asked) in modes() {
        for size in SIZES {
            let found = house.get_with(&caller, &format!("{mode}-{size}"), key_of(&asked)).await.expect("there");
            assert!(found == noise(size as u64, size), "{mode}, {size} bytes");
        }
    }
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn a_customers_object_opens_with_its_key_and_nothing_else() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    for size in SIZES {
        house.put_as(&caller, "key", &noise(1, size), by_customer(1)).await.expect("put");
        let wrong = refusal(house.open_with(&caller, "key", Some(customer(2))).await);
        assert!(matches!(wrong, Refusal::WrongCustomerKey), "{wrong}");
        let none = refusal(house.open_with(&caller, "key", None).await);
        assert!(matches!(none, Refusal::InvalidRequest { .. }), "{none}");
        let head = GetObject { customer_key: Some(customer(2)), ..get_request("bucket", "key") };
        assert!(matches!(refusal(house.store.head_object(&caller, head).await), Refusal::WrongCustomerKey));
        assert!(matches!(
            refusal(house.copy_as(&caller, ("key", Some(customer(2))), ("bucket", "to"), by_customer(2)).await),
            Refusal::WrongCustomerKey
        ));
        let copied = house.copy_as(&caller, ("key", None), ("bucket", "to"), AskedEncryption::Nothing).await;
        assert!(matches!(refusal(copied), Refusal::InvalidRequest { .. }));
        assert!(house.get_with(&caller, "key", Some(customer(1))).await.expect("there") == noise(1, size));
    }
    for (mode, asked) in [("managed", AskedEncryption::Managed), ("kms", kms("one"))] {
        house.put_as(&caller, mode, b"content", asked).await.expect("put");
        let refused = refusal(house.open_with(&caller, mode, Some(customer(1))).await);
        assert!(matches!(refused, Refusal::InvalidRequest { .. }), "{mode}: {refused}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_configured_or_not_named_is_refused() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let put = |asked| house.put_as(&caller, "key", b"content", asked);
    assert!(matches!(refusal(put(kms("three")).await), Refusal::KmsKeyNotFound));
    let unnamed = || AskedEncryption::Kms { key: None, context: None, bucket_key: None };
    assert!(matches!(refusal(put(unnamed()).await), Refusal::KmsKeyNotNamed));
    let house = house.reopened(|options| {
        named_keys(options);
        options.kms_default_key = Some("two".to_owned());
    });
    let written = house.put_as(&caller, "key", b"content", unnamed()).await.expect("put");
    assert_eq!(written.encryption, Encryption::kms("two"));
    // A name that an operator takes away is not given to new content; what is under it stays readable.
    let house = house.reopened(|_| {});
    assert!(matches!(refusal(house.put_as(&caller, "key", b"content", kms("two")).await), Refusal::KmsKeyNotFound));
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"content");
}

#[tokio::test]
async fn a_context_and_a_bucket_key_are_kept() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let context = Some("eyJhIjoiYiJ9".to_owned());
    let asked = AskedEncryption::Kms { key: Some("one".to_owned()), context: context.clone(), bucket_key: Some(true) };
    let kept = Encryption::Kms { key: "one".to_owned(), context, bucket_key: true };
    assert_eq!(house.put_as(&caller, "key", b"content", asked).await.expect("put").encryption, kept);
    assert_eq!(house.open_with(&caller, "key", None).await.expect("there").info.encryption, kept);
}

#[tokio::test]
async fn content_is_shared_within_a_mode_and_never_across_or_with_a_customer() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let mut before = filled(&house).len();
    for (seed, (first, second, shared)) in (0..).zip([
        (AskedEncryption::Managed, AskedEncryption::Nothing, true),
        (kms("one"), kms("one"), true),
        (AskedEncryption::Managed, kms("one"), false),
        (kms("one"), AskedEncryption::Managed, false),
        (kms("one"), kms("two"), false),
        (AskedEncryption::Managed, by_customer(1), false),
        (by_customer(1), AskedEncryption::Managed, false),
        (by_customer(1), by_customer(1), false),
    ]) {
        let (what, bytes) = (format!("{first:?}, {second:?}"), noise(seed, 1 << 20));
        house.put_as(&caller, "first", &bytes, first).await.expect("put");
        house.put_as(&caller, "second", &bytes, second).await.expect("put");
        let after = filled(&house).len();
        let grown = after - before - (1 << 20);
        before = after;
        assert_eq!(grown < 1 << 19, shared, "{what}: {grown} bytes");
    }
}

#[tokio::test]
async fn equal_pieces_of_a_customers_object_are_stored_each() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let twice = [noise(5, 4 << 20), noise(5, 4 << 20)].concat();
    let empty = filled(&house).len();
    house.put_as(&caller, "managed", &twice, AskedEncryption::Managed).await.expect("put");
    let managed = filled(&house).len() - empty;
    house.put_as(&caller, "customer", &twice, by_customer(1)).await.expect("put");
    let customers = filled(&house).len() - empty - managed;
    assert!(managed < 5 << 20 && customers > 7 << 20, "{managed} and {customers} bytes");
}

#[tokio::test]
async fn no_plaintext_and_no_customers_key_lies_on_disk() {
    let house = House::with(|options| {
        named_keys(options);
        // Compressed it would not be found even in clear.
        options.compression = false;
    });
    let caller = house.with_bucket().await;
    let secret = noise(77, 32);
    let customers = CustomerKey::new(secret.as_slice().try_into().expect("32 bytes"));
    let mut needles: Vec<[u8; 8]> = secret.as_chunks().0.to_vec();
    for (mode, asked) in modes().into_iter().chain([("customer", AskedEncryption::Customer(customers))]) {
        for size in [10, 2_048, 200_000] {
            let bytes = noise(needles.len() as u64 + 1_000, size);
            house.put_as(&caller, &format!("{mode}-{size}"), &bytes, asked.clone()).await.expect("put");
            needles.push(*bytes.first_chunk().expect("8 bytes and more"));
        }
    }
    let house = house.reopened(named_keys);
    let needles: std::collections::HashSet<u64> = needles.into_iter().map(u64::from_be_bytes).collect();
    let (mut window, mut found) = (0, 0);
    for byte in filled(&house) {
        window = window << 8 | u64::from(byte);
        found += usize::from(needles.contains(&window));
    }
    assert_eq!(found, 0, "plaintext or a key lies on disk");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mode_copies_to_every_mode() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    house.bucket(&caller, "other").await.expect("a bucket");
    for size in [10, 60_000, (4 << 20) + 10] {
        let bytes = noise(size as u64, size);
        for (from, source) in modes() {
            let etag = house.put_as(&caller, from, &bytes, source.clone()).await.expect("put").etag;
            // Several blobs take their time: one target of each kind says it all.
            let few = |index: &usize| size < 1 << 20 || index % 2 == 1;
            for (_, (to, target)) in modes().into_iter().enumerate().filter(|(index, _)| few(index)) {
                let written = house
                    .copy_as(&caller, (from, key_of(&source)), ("other", to), target.clone())
                    .await
                    .expect("copied");
                assert_eq!(written.etag, etag, "{from} to {to}");
                let request = GetObject { customer_key: key_of(&target), ..get_request("other", to) };
                let found = read(house.store.get_object(&caller, request).await.expect("there")).await.expect("reads");
                assert!(found == bytes, "{from} to {to}, {size} bytes");
            }
        }
    }
}

#[tokio::test]
async fn a_copy_onto_itself_may_change_the_encryption_alone() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let bytes = noise(3, 100_000);
    house.put_as(&caller, "key", &bytes, AskedEncryption::Managed).await.expect("put");
    let same = house.copy_as(&caller, ("key", None), ("bucket", "key"), AskedEncryption::Managed).await;
    assert!(matches!(refusal(same), Refusal::CopyOntoItself));
    for (before, after) in [(None, kms("one")), (None, by_customer(1)), (Some(customer(1)), by_customer(2))] {
        house.copy_as(&caller, ("key", before), ("bucket", "key"), after).await.expect("encrypted anew");
    }
    assert!(matches!(refusal(house.open_with(&caller, "key", Some(customer(1))).await), Refusal::WrongCustomerKey));
    assert!(house.get_with(&caller, "key", Some(customer(2))).await.expect("there") == bytes);
}

#[tokio::test]
async fn an_object_of_parts_keeps_them_in_its_mode_and_is_one_under_other_keys() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let parts = [noise(1, 300_000), noise(2, 70_000)];
    let upload = house.begin_as(&caller, "key", kms("one")).await;
    let mut etags = Vec::new();
    for (number, part) in (1..).zip(&parts) {
        etags.push(house.part_with(&caller, ("key", upload, number), part, None).await.expect("a part").etag);
    }
    house.complete_with(&caller, ("key", upload), &etags, None).await.expect("complete");
    for (to, asked, count) in [("same", kms("one"), 2), ("other", kms("two"), 0), ("customer", by_customer(1), 0)] {
        let written = house.copy_as(&caller, ("key", None), ("bucket", to), asked.clone()).await.expect("copied");
        assert_eq!(written.etag.parts, count, "{to}");
        assert!(house.get_with(&caller, to, key_of(&asked)).await.expect("there") == parts.concat(), "{to}");
        let part = GetObject { part_number: Some(1), customer_key: key_of(&asked), ..get_request("bucket", to) };
        let part = read(house.store.get_object(&caller, part).await.expect("there")).await.expect("reads");
        assert!(if count == 2 { part == parts[0] } else { part == parts.concat() }, "{to}");
    }
}

#[tokio::test]
async fn every_part_of_a_customers_upload_brings_the_same_key() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    house.put_as(&caller, "source", &noise(9, 80_000), by_customer(3)).await.expect("put");
    let upload = house.begin_as(&caller, "key", by_customer(1)).await;
    let bytes = noise(8, (4 << 20) + 10);
    for wrong in [None, Some(customer(2))] {
        let part = house.part_with(&caller, ("key", upload, 1), &bytes, wrong).await;
        assert!(matches!(refusal(part), Refusal::InvalidRequest { .. }));
    }
    let first = house.part_with(&caller, ("key", upload, 1), &bytes, Some(customer(1))).await.expect("a part");
    let copied = |customer_key, source_customer_key| UploadPartCopy {
        bucket: bucket("bucket"),
        key: key("key"),
        upload,
        number: 2,
        source_bucket: bucket("bucket"),
        source_key: key("source"),
        source_version: None,
        source_conditions: pipeline::ReadConditions::default(),
        range: None,
        customer_key,
        source_customer_key,
    };
    for (own, source) in [(None, Some(customer(3))), (Some(customer(3)), Some(customer(3))), (Some(customer(1)), None)]
    {
        let refused = refusal(house.store.upload_part_copy(&caller, copied(own, source)).await);
        assert!(matches!(refused, Refusal::InvalidRequest { .. }), "{refused}");
    }
    let second = house.store.upload_part_copy(&caller, copied(Some(customer(1)), Some(customer(3)))).await;
    let etags = [first.etag, second.expect("a part").etag];
    for wrong in [None, Some(customer(2))] {
        let complete = house.complete_with(&caller, ("key", upload), &etags, wrong).await;
        assert!(matches!(refusal(complete), Refusal::InvalidRequest { .. }));
    }
    let written = house.complete_with(&caller, ("key", upload), &etags, Some(customer(1))).await.expect("complete");
    assert!(matches!(written.encryption, Encryption::Customer { .. }));
    let whole = [bytes, noise(9, 80_000)].concat();
    assert!(house.get_with(&caller, "key", Some(customer(1))).await.expect("there") == whole);
    assert!(matches!(refusal(house.open_with(&caller, "key", Some(customer(3))).await), Refusal::WrongCustomerKey));

    let plain = house.begin_as(&caller, "plain", AskedEncryption::Managed).await;
    let part = house.part_with(&caller, ("plain", plain, 1), b"part", Some(customer(1))).await;
    assert!(matches!(refusal(part), Refusal::InvalidRequest { .. }));
}

#[tokio::test]
async fn what_a_bucket_says_holds_for_those_who_do_not() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    let under = |key: &str| Some(BucketEncryption::Kms { key: Some(key.to_owned()), bucket_key: true });
    assert!(matches!(refusal(house.default_of(&caller, under("three")).await), Refusal::KmsKeyNotFound));
    house.default_of(&caller, under("one")).await.expect("set");
    let one = Encryption::Kms { key: "one".to_owned(), context: None, bucket_key: true };
    let put = |asked| house.put_as(&caller, "key", b"content", asked);
    assert_eq!(put(AskedEncryption::Nothing).await.expect("put").encryption, one);
    assert_eq!(put(AskedEncryption::Managed).await.expect("put").encryption, Encryption::Managed);
    let copied = house.copy_as(&caller, ("key", None), ("bucket", "copy"), AskedEncryption::Nothing).await;
    assert_eq!(copied.expect("copied").encryption, one);
    let upload = house.begin_as(&caller, "parts", AskedEncryption::Nothing).await;
    let part = house.part_with(&caller, ("parts", upload, 1), b"part", None).await.expect("a part");
    assert_eq!(part.encryption, one);
    // An upload stays as it was begun.
    house.default_of(&caller, None).await.expect("removed");
    let written = house.complete_with(&caller, ("parts", upload), &[part.etag], None).await.expect("complete");
    assert_eq!(written.encryption, one);
    assert_eq!(put(AskedEncryption::Nothing).await.expect("put").encryption, Encryption::Managed);
    let house = house.reopened(|_| {});
    assert_eq!(house.get(&caller, "parts").await.expect("there"), b"part");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

/// Objects of every mode in segments that are rewritten and freed, without a customer at hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sweep_needs_no_customer() {
    let house = House::with(sweeping_named);
    let caller = house.with_bucket().await;
    let kept = noise(1, 200_000);
    for (mode, asked) in modes() {
        house.put_as(&caller, &format!("kept-{mode}"), &kept, asked.clone()).await.expect("put");
        house.put_as(&caller, &format!("gone-{mode}"), &noise(2, (4 << 20) + 10), asked.clone()).await.expect("put");
        let name = format!("parts-{mode}");
        let upload = house.begin_as(&caller, &name, asked.clone()).await;
        let part = house.part_with(&caller, (&name, upload, 1), &noise(3, 300_000), key_of(&asked)).await;
        let etags = [part.expect("a part").etag];
        house.complete_with(&caller, (&name, upload), &etags, key_of(&asked)).await.expect("complete");
        // One that is given up.
        let upload = house.begin_as(&caller, &name, asked.clone()).await;
        house.part_with(&caller, (&name, upload, 1), &noise(4, 300_000), key_of(&asked)).await.expect("a part");
        house.abort(&caller, &name, upload).await.expect("given up");
    }
    for (mode, _) in modes() {
        house.delete(&caller, &format!("gone-{mode}")).await.expect("deleted");
    }
    // Uploads that ended are forgotten after ten minutes.
    house.clock.pass_s(700);
    let report = house.sweep().await;
    assert!(report.freed > 20 && report.unlinked > 0, "{report:?}");
    let house = house.reopened(sweeping_named);
    house.sweep().await;
    for (mode, asked) in modes() {
        let found = house.get_with(&caller, &format!("kept-{mode}"), key_of(&asked)).await.expect("there");
        assert!(found == kept, "{mode}");
        let found = house.get_with(&caller, &format!("parts-{mode}"), key_of(&asked)).await.expect("there");
        assert!(found == noise(3, 300_000), "{mode}");
        for name in [format!("kept-{mode}"), format!("parts-{mode}")] {
            house.delete(&caller, &name).await.expect("deleted");
        }
    }
    house.clock.pass_s(700);
    house.sweep().await;
    let house = house.reopened(sweeping_named);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "nothing stays that nobody refers to");
}

#[tokio::test]
async fn a_customers_damaged_content_is_an_error_and_not_a_wrong_key() {
    let house = House::with(named_keys);
    let caller = house.with_bucket().await;
    house.put_as(&caller, "key", &noise(1, 300_000), by_customer(1)).await.expect("put");
    house.damage_segments();
    let found = house.get_with(&caller, "key", Some(customer(1))).await;
    assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{found:?}");
}
