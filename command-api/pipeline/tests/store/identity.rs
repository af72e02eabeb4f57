//! Whose is what: two tenants with the same names, keys that stop working.

use domain::Refusal;
use pipeline::{
    AccessKeyStatus, AskedEncryption, Caller, CompleteUpload, CopyObject, CreateAccessKey, ListObjects, ListParts,
    ListUploads, ListVersions, NewKey, ReadConditions, UploadPartCopy, Who, WriteConditions,
};
use schemas::UserId;
use schemas::scope::Scopes;

use crate::support::{House, bucket, delete_request, get_request, key, put_request, refusal, tenant_name};

fn objects(prefix: &str) -> ListObjects {
    ListObjects { bucket: bucket("bucket"), prefix: prefix.to_owned(), delimiter: None, after: None, max: 1_000 }
}

async fn names(house: &House, caller: &Caller) -> Vec<String> {
    let page = house.store.list_objects(caller, objects("")).await.expect("lists");
    page.entries.into_iter().map(|entry| entry.key.to_string()).collect()
}

#[tokio::test]
async fn two_tenants_with_the_same_names_share_nothing() {
    let house = House::new();
    let (mine, theirs) = (house.tenant("mine").await, house.tenant("theirs").await);
    for caller in [&mine, &theirs] {
        house.bucket(caller, "bucket").await.expect("the name is free in each");
    }
    house.put(&mine, "key", b"mine").await.expect("put");
    house.put(&theirs, "key", b"theirs").await.expect("put");
    house.put(&theirs, "secret", b"theirs alone").await.expect("put");
    let upload = house.begin(&theirs, "upload").await;
    let part = house.part(&theirs, "upload", upload, 1, b"a part").await.expect("a part");

    assert_eq!(house.get(&mine, "key").await.expect("there"), b"mine");
    assert_eq!(house.get(&theirs, "key").await.expect("there"), b"theirs");
    assert_eq!(names(&house, &mine).await, ["key"]);
    assert!(matches!(refusal(house.get(&mine, "secret").await), Refusal::NoSuchKey { .. }));
    let head = house.store.head_object(&mine, get_request("bucket", "secret")).await;
    assert!(matches!(refusal(head), Refusal::NoSuchKey { .. }));
    assert!(matches!(refusal(house.copy(&mine, "secret", "stolen").await), Refusal::NoSuchKey { .. }));
    house.delete(&mine, "secret").await.expect("deleting what one has not is no error");
    assert_eq!(house.get(&theirs, "secret").await.expect("still there"), b"theirs alone");

    assert!(matches!(refusal(house.part(&mine, "upload", upload, 1, b"mine").await), Refusal::NoSuchUpload));
    let complete = house.complete(&mine, "upload", upload, &[(1, part.etag)]).await;
    assert!(matches!(refusal(complete), Refusal::NoSuchUpload));
    assert!(matches!(refusal(house.abort(&mine, "upload", upload).await), Refusal::NoSuchUpload));
    let parts = ListParts { bucket: bucket("bucket"), key: key("upload"), upload, after: 0, max: 10 };
    assert!(matches!(refusal(house.store.list_parts(&mine, parts).await), Refusal::NoSuchUpload));
    let own = house.begin(&mine, "upload").await;
    let copied = UploadPartCopy {
        bucket: bucket("bucket"),
        key: key("upload"),
        upload: own,
        number: 1,
        source_bucket: bucket("bucket"),
        source_key: key("secret"),
        source_version: None,
        source_conditions: ReadConditions::default(),
        range: None,
        customer_key: None,
        source_customer_key: None,
    };
    assert!(matches!(refusal(house.store.upload_part_copy(&mine, copied).await), Refusal::NoSuchKey { .. }));
    let uploads = ListUploads {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_upload: None,
        max: 10,
    };
    let listed = house.store.list_uploads(&mine, uploads).await.expect("lists").uploads;
    assert_eq!(listed.iter().map(|upload| upload.upload).collect::<Vec<_>>(), [own]);
    let versions = ListVersions {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 10,
    };
    assert_eq!(house.store.list_versions(&mine, versions).await.expect("lists").entries.len(), 1);
    house.complete(&theirs, "upload", upload, &[(1, part.etag)]).await.expect("their upload is untouched");
}

#[tokio::test]
async fn a_bucket_of_another_tenant_does_not_exist() {
    let house = House::new();
    let (mine, theirs) = (house.tenant("mine").await, house.tenant("theirs").await);
    house.bucket(&theirs, "bucket").await.expect("a bucket");
    house.put(&theirs, "key", b"theirs").await.expect("put");
    let absent = |refusal: Refusal| assert!(matches!(refusal, Refusal::NoSuchBucket), "{refusal}");
    absent(refusal(house.store.head_bucket(&mine, &bucket("bucket")).await));
    absent(refusal(house.get(&mine, "key").await));
    absent(refusal(house.put(&mine, "key", b"mine").await));
    absent(refusal(house.delete(&mine, "key").await));
    absent(refusal(house.store.list_objects(&mine, objects("")).await));
    absent(refusal(house.store.delete_bucket(&mine, &bucket("bucket")).await));
    house.bucket(&mine, "own").await.expect("a bucket");
    let copy = CopyObject {
        source_bucket: bucket("bucket"),
        source_key: key("key"),
        source_version: None,
        source_conditions: ReadConditions::default(),
        bucket: bucket("own"),
        key: key("stolen"),
        metadata: None,
        tags: None,
        lock: pipeline::LockAsked::default(),
        acl: None,
        storage_class: None,
        checksum_algorithm: None,
        conditions: WriteConditions::default(),
        encryption: AskedEncryption::Nothing,
        source_customer_key: None,
    };
    absent(refusal(house.store.copy_object(&mine, copy).await));
    let complete = CompleteUpload {
        bucket: bucket("bucket"),
        key: key("key"),
        upload: schemas::UploadId([1; 16]),
        parts: Vec::new(),
        conditions: WriteConditions::default(),
        checksum: None,
        checksum_type: None,
        size_bytes: None,
        customer_key: None,
    };
    absent(refusal(house.store.complete_upload(&mine, complete).await));
    let (mine, _) = house.store.list_buckets(&mine, "", None, 100).await.expect("lists");
    assert_eq!(mine.into_iter().map(|bucket| bucket.name.to_string()).collect::<Vec<_>>(), ["own"]);
}

#[tokio::test]
async fn a_key_that_is_disabled_or_revoked_fails_at_its_next_use() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let tenant = tenant_name("tenant");
    let other = house.key("tenant").await;
    let works = |caller: &Caller| house.store.credential(caller.access_key().expect("a key")).expect("reads").is_some();
    assert!(works(&caller) && works(&caller), "and from memory");
    let store = &house.store;
    let off = store
        .set_access_key_enabled(&house.admin, &tenant, caller.access_key().expect("a key"), false)
        .await
        .expect("disabled");
    assert_eq!(off.status, AccessKeyStatus::Disabled);
    assert!(!works(&caller) && works(&other));
    store
        .set_access_key_enabled(&house.admin, &tenant, caller.access_key().expect("a key"), true)
        .await
        .expect("enabled");
    assert!(works(&caller));
    let revoked = store
        .revoke_access_key(&house.admin, &tenant, caller.access_key().expect("a key"), None)
        .await
        .expect("revoked");
    assert_eq!(revoked.status, AccessKeyStatus::Revoked);
    assert!(!works(&caller) && works(&other));
    let back = store.set_access_key_enabled(&house.admin, &tenant, caller.access_key().expect("a key"), true).await;
    assert!(matches!(refusal(back), Refusal::AccessKeyRevoked));
    assert!(!works(&caller));
    let house = house.reopened(|_| {});
    assert!(
        house.store.credential(caller.access_key().expect("a key")).expect("reads").is_none(),
        "also after a restart"
    );
    assert!(house.store.credential(other.access_key().expect("a key")).expect("reads").is_some());
}

#[tokio::test]
async fn all_keys_of_a_disabled_tenant_fail_at_their_next_use_and_no_others() {
    let house = House::new();
    let (one, two, other) = (house.tenant("one").await, house.key("one").await, house.tenant("other").await);
    let works = |caller: &Caller| house.store.credential(caller.access_key().expect("a key")).expect("reads").is_some();
    assert!(works(&one) && works(&two) && works(&other));
    let tenant = tenant_name("one");
    let reason = "unpaid".to_owned();
    house.store.set_tenant_disabled(&house.admin, &tenant, true, reason).await.expect("disabled");
    assert!(!works(&one) && !works(&two) && works(&other));
    house.store.set_tenant_disabled(&house.admin, &tenant, false, String::new()).await.expect("enabled");
    assert!(works(&one) && works(&two));
}

#[tokio::test]
async fn a_key_expires_when_it_says() {
    let house = House::new();
    house.tenant("tenant").await;
    let expires = Some(schemas::Time(pipeline::Clock::wall(house.clock.as_ref()).0 + 60_000_000));
    let user = UserId::parse("user").expect("a name");
    let request = CreateAccessKey { user, key: NewKey::Made, name: None, scopes: Scopes::full(), expires };
    let made = house.store.create_access_key(&house.admin, &tenant_name("tenant"), request).await;
    let (made, _) = made.expect("a key");
    house.clock.pass_s(59);
    assert!(house.store.credential(&made.id).expect("reads").is_some());
    house.clock.pass_s(1);
    assert!(house.store.credential(&made.id).expect("reads").is_none());
}

/// The same caller with a key that may do less.
fn limited(caller: &Caller, scopes: Scopes) -> Caller {
    let Who::User { user, display_name, access_key, .. } = caller.who.clone() else { unreachable!("a user") };
    Caller { who: Who::User { user, display_name, access_key, scopes }, ..caller.clone() }
}

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_nothing_else() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "in/key", b"content").await.expect("put");
    house.put(&caller, "out/key", b"content").await.expect("put");
    let scopes: Scopes = "op=read:bucket=bucket:prefix=in/".parse().expect("scopes");
    let limited = limited(&caller, scopes);
    assert_eq!(house.get(&limited, "in/key").await.expect("granted"), b"content");
    let denied = |refusal: Refusal| assert!(matches!(refusal, Refusal::AccessDenied), "{refusal}");
    denied(refusal(house.get(&limited, "out/key").await));
    denied(refusal(house.get(&limited, "out/absent").await));
    denied(refusal(house.put(&limited, "in/key", b"other").await));
    denied(refusal(house.delete(&limited, "in/key").await));
    denied(refusal(house.copy(&limited, "in/key", "in/copy").await));
    denied(refusal(house.store.delete_bucket(&limited, &bucket("bucket")).await));
    denied(refusal(house.store.list_objects(&limited, objects("")).await));
    let inside = house.store.list_objects(&limited, objects("in/")).await.expect("granted");
    assert_eq!(inside.entries.len(), 1);
    let absent = house.store.delete_object(&limited, delete_request("absent", "key")).await;
    denied(refusal(absent));
    let foreign = house.store.put_object(&limited, put_request("absent", "key"), crate::support::body(b"")).await;
    denied(refusal(foreign));
}
