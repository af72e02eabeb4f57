//! Conditions are judged in the commit: of writes that race, exactly those win that S3 lets win.

use std::sync::Arc;

use domain::Refusal;
use futures_util::future::join_all;
use pipeline::StoreError;

use crate::support::{House, bucket, get_request, if_absent, if_match, refusal};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_racing_creations_exactly_one_wins() {
    let house = Arc::new(House::new());
    let caller = house.with_bucket().await;
    for round in 0..20 {
        let name = format!("key-{round}");
        let attempts = (0..16).map(|n| {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            tokio::spawn(async move { house.put_if(&caller, &name, format!("by {n}").as_bytes(), if_absent()).await })
        });
        let answers: Vec<_> = join_all(attempts).await.into_iter().map(|answer| answer.expect("no panic")).collect();
        let winners: Vec<_> = (0..16).filter(|&n| answers[n].is_ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {winners:?} won");
        for answer in answers.into_iter().filter(Result::is_err) {
            assert!(matches!(refusal(answer), Refusal::PreconditionFailed { .. }));
        }
        let found = house.get(&caller, &name).await.expect("there");
        assert_eq!(found, format!("by {}", winners[0]).into_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_counter_kept_with_if_match_loses_no_step() {
    const STEPS: usize = 15;
    let house = Arc::new(House::new());
    let caller = house.with_bucket().await;
    house.put(&caller, "counter", b"0").await.expect("put");
    let clients = (0..8).map(|_| {
        let (house, caller) = (house.clone(), caller.clone());
        tokio::spawn(async move {
            let mut done = 0;
            while done < STEPS {
                let found = house.store.get_object(&caller, get_request("bucket", "counter")).await.expect("there");
                let etag = found.info.etag;
                let bytes = crate::support::read(found).await.expect("reads");
                let count: u64 = String::from_utf8(bytes).expect("text").parse().expect("a number");
                let next = (count + 1).to_string();
                match house.put_if(&caller, "counter", next.as_bytes(), if_match(&etag)).await {
                    Ok(_) => done += 1,
                    Err(StoreError::Refused(Refusal::PreconditionFailed { .. })) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        })
    });
    for client in join_all(clients).await {
        client.expect("no panic");
    }
    assert_eq!(house.get(&caller, "counter").await.expect("there"), (8 * STEPS).to_string().into_bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_is_deleted_or_written_to_and_never_both() {
    let house = Arc::new(House::new());
    let caller = house.tenant("tenant").await;
    let mut seen = [false; 2];
    for round in 0..60 {
        house.bucket(&caller, "bucket").await.expect("a bucket");
        let (put, deleted) = tokio::join!(
            {
                let (house, caller) = (house.clone(), caller.clone());
                tokio::spawn(async move { house.put(&caller, "key", b"content").await.map(|_| ()) })
            },
            {
                let (house, caller) = (house.clone(), caller.clone());
                tokio::spawn(async move {
                    if round % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                    house.store.delete_bucket(&caller, &bucket("bucket")).await.map(|_| ())
                })
            }
        );
        match (put.expect("no panic"), deleted.expect("no panic")) {
            (Ok(()), deleted) => {
                seen[0] = true;
                assert!(matches!(refusal(deleted), Refusal::BucketNotEmpty));
                assert_eq!(house.get(&caller, "key").await.expect("there"), b"content");
                house.delete(&caller, "key").await.expect("deleted");
                house.store.delete_bucket(&caller, &bucket("bucket")).await.expect("empty");
            }
            (put, Ok(())) => {
                seen[1] = true;
                assert!(matches!(refusal(put), Refusal::NoSuchBucket));
            }
            (Err(put), Err(deleted)) => panic!("neither: {put}, {deleted}"),
        }
    }
    eprintln!("put first {}, delete first {}", seen[0], seen[1]);
    let usage = house.store.usage(&house.admin, &crate::support::tenant_name("tenant")).await.expect("reads");
    assert_eq!((usage.buckets, usage.objects, usage.versions, usage.logical_bytes), (0, 0, 0, 0));
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_creations_of_a_bucket_one_wins() {
    let house = Arc::new(House::new());
    let caller = house.tenant("tenant").await;
    let attempts = (0..8).map(|_| {
        let (house, caller) = (house.clone(), caller.clone());
        tokio::spawn(async move { house.bucket(&caller, "bucket").await })
    });
    let answers: Vec<_> = join_all(attempts).await.into_iter().map(|answer| answer.expect("no panic")).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for answer in answers.into_iter().filter(Result::is_err) {
        assert!(matches!(refusal(answer), Refusal::BucketAlreadyOwnedByYou));
    }
    house.put(&caller, "key", b"content").await.expect("the winner's key works");
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"content");
}

#[tokio::test]
async fn a_repeated_put_is_answered_as_the_first_and_another_body_under_its_id_is_refused() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let put = |bytes: &'static [u8]| {
        let command = Some(schemas::CommandId([5; 16]));
        let request = pipeline::PutObject { command, ..crate::support::put_request("bucket", "key") };
        house.store.put_object(&caller, request, crate::support::body(bytes))
    };
    let first = put(b"content").await.expect("put");
    house.put(&caller, "key", b"later").await.expect("put");
    assert_eq!(put(b"content").await.expect("answered"), first);
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"later", "it was not executed again");
    assert!(matches!(refusal(put(b"other").await), Refusal::IdempotencyKeyReused));
    let (one, two) = {
        let put = |bytes: &'static [u8]| {
            let command = Some(schemas::CommandId([6; 16]));
            let request = pipeline::PutObject { command, ..crate::support::put_request("bucket", "twin") };
            house.store.put_object(&caller, request, crate::support::body(bytes))
        };
        tokio::join!(put(b"twin"), put(b"twin"))
    };
    assert_eq!(one.expect("put"), two.expect("answered"));
}
