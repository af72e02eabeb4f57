//! Quotas: exact in the commit, whoever races.

use domain::Refusal;
use pipeline::{Caller, PutObject, QuotaInfo, StoreError};
use schemas::event::{Quota, Versioning};

use crate::support::{House, body, bucket, put_request, refusal, tenant_name};

async fn of_tenant(house: &House, bytes: Option<u64>, objects: Option<u64>) -> QuotaInfo {
    let quota = Quota { bytes, objects };
    house.store.set_quota(&house.admin, &tenant_name("tenant"), None, quota).await.expect("set")
}

async fn held(house: &House) -> (u64, u64) {
    let info = house.store.quota(&house.admin, &tenant_name("tenant"), None).await.expect("reads");
    (info.held_bytes, info.held_objects)
}

/// How many of `clients` puts of 10 bytes, all at once, were stored.
async fn race(house: &House, caller: &Caller, clients: usize) -> usize {
    let puts = (0..clients).map(|client| async move {
        match house.put(caller, &format!("racing-{client}"), b"ten bytes.").await {
            Ok(_) => 1,
            Err(StoreError::Refused(Refusal::QuotaExceeded)) => 0,
            Err(other) => panic!("{other}"),
        }
    });
    futures_util::future::join_all(puts).await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_race_into_a_quota_store_exactly_what_fits() {
    let house = House::new();
    let caller = house.with_bucket().await;
    of_tenant(&house, None, Some(100)).await;
    assert_eq!(race(&house, &caller, 300).await, 100);
    assert_eq!(held(&house).await, (1_000, 100));
    of_tenant(&house, Some(1_005), None).await;
    house.delete(&caller, "racing-0").await.expect("deleted");
    assert_eq!(house.put(&caller, "one more", b"ten bytes.").await.map(|_| ()).ok(), Some(()));
    assert_eq!(refusal(house.put(&caller, "too much", b"ten bytes.").await), Refusal::QuotaExceeded);
    assert_eq!(held(&house).await.0, 1_000);
}

#[tokio::test]
async fn a_write_that_replaces_its_own_kind_needs_room_for_the_difference_alone() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "key", &[1; 100]).await.expect("put");
    of_tenant(&house, Some(100), Some(1)).await;
    house.put(&caller, "key", &[2; 100]).await.expect("as much as before");
    house.put(&caller, "key", &[2; 90]).await.expect("less");
    assert_eq!(refusal(house.put(&caller, "key", &[2; 101]).await), Refusal::QuotaExceeded);
    assert_eq!(refusal(house.put(&caller, "other", b"").await), Refusal::QuotaExceeded);
    assert_eq!(refusal(house.copy(&caller, "key", "copy").await), Refusal::QuotaExceeded);
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("set");
    // What was there stays beneath.
    assert_eq!(refusal(house.put(&caller, "key", &[2; 11]).await), Refusal::QuotaExceeded);
    house.put(&caller, "key", &[2; 10]).await.expect("fits beside it");
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Suspended).await.expect("set");
    house
        .put(&caller, "key", &[2; 90])
        .await
        .expect("takes the place of the null version, which is not the current one");
    assert_eq!(held(&house).await, (100, 1));
}

#[tokio::test]
async fn parts_count_while_they_wait_and_the_object_when_they_are_joined() {
    let house = House::new();
    let caller = house.with_bucket().await;
    of_tenant(&house, Some(250), None).await;
    let upload = house.begin(&caller, "upload").await;
    let first = house.part(&caller, "upload", upload, 1, &[1; 100]).await.expect("a part");
    let second = house.part(&caller, "upload", upload, 2, &[2; 100]).await.expect("a part");
    assert_eq!(refusal(house.part(&caller, "upload", upload, 3, &[3; 51]).await), Refusal::QuotaExceeded);
    house.part(&caller, "upload", upload, 2, &[2; 100]).await.expect("in the place of one as large");
    assert_eq!(refusal(house.put(&caller, "key", &[4; 51]).await), Refusal::QuotaExceeded);
    assert_eq!(held(&house).await, (200, 0));
    let parts = [(1, first.etag), (2, second.etag)];
    house.complete(&caller, "upload", upload, &parts).await.expect("joined: no byte more than the parts had");
    assert_eq!(held(&house).await, (200, 1));
}

#[tokio::test]
async fn a_bucket_has_a_quota_of_its_own_which_goes_with_it() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.bucket(&caller, "other").await.expect("a bucket");
    let quota = Quota { bytes: Some(10), objects: None };
    house.store.set_bucket_quota(&caller, &bucket("bucket"), quota).await.expect("set");
    assert_eq!(house.store.bucket_quota(&caller, &bucket("bucket")).await.expect("reads").quota, quota);
    assert_eq!(refusal(house.put(&caller, "key", &[1; 11]).await), Refusal::QuotaExceeded);
    house.store.put_object(&caller, put_request("other", "key"), body(&[1; 11])).await.expect("another bucket");
    house.store.delete_bucket(&caller, &bucket("bucket")).await.expect("deleted");
    house.bucket(&caller, "bucket").await.expect("made again");
    house.put(&caller, "key", &[1; 11]).await.expect("another bucket of the same name");
}

#[tokio::test]
async fn a_body_too_large_for_the_quota_is_refused_before_it_is_read() {
    let house = House::new();
    let caller = house.with_bucket().await;
    of_tenant(&house, Some(10), None).await;
    let request = PutObject { size_bytes: Some(11), ..put_request("bucket", "key") };
    let never: pipeline::ByteStream = Box::pin(futures_util::stream::pending());
    assert_eq!(refusal(house.store.put_object(&caller, request, never).await), Refusal::QuotaExceeded);
}

#[tokio::test]
async fn quotas_follow_from_the_log() {
    let house = House::new();
    let caller = house.with_bucket().await;
    of_tenant(&house, Some(20), Some(5)).await;
    house.put(&caller, "key", b"ten bytes.").await.expect("put");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    let house = house.reopened(|_| {});
    assert_eq!(refusal(house.put(&caller, "other", &[0; 11]).await), Refusal::QuotaExceeded);
    let removed = of_tenant(&house, None, None).await;
    assert_eq!((removed.quota, removed.held_bytes), (Quota::default(), 10));
    house.put(&caller, "other", &[0; 11]).await.expect("nothing bounds it");
}
