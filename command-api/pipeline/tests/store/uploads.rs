//! Multipart uploads whose requests overtake each other.

use std::sync::Arc;

use domain::Refusal;
use futures_util::future::join_all;
use pipeline::{ListParts, ListUploads, ListVersions, StoreError};
use schemas::event::Versioning;

use crate::support::{House, bucket, get_request, key, noise, refusal, sweeping};

#[tokio::test]
async fn parts_become_one_object_in_their_order() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let upload = house.begin(&caller, "key").await;
    let mut parts = Vec::new();
    for number in [3, 1, 2] {
        let bytes = noise(u64::from(number), 300_000);
        parts.push((number, house.part(&caller, "key", upload, number, &bytes).await.expect("a part").etag));
    }
    parts.sort_by_key(|(number, _)| *number);
    let written = house.complete(&caller, "key", upload, &parts).await.expect("complete");
    assert_eq!((written.size_bytes, written.etag.parts), (900_000, 3));
    let expected: Vec<u8> = (1..=3).flat_map(|number| noise(number, 300_000)).collect();
    assert!(house.get(&caller, "key").await.expect("there") == expected);
    let part = pipeline::GetObject { part_number: Some(2), ..get_request("bucket", "key") };
    let second = house.store.get_object(&caller, part).await.expect("a part");
    assert_eq!(second.range, Some((300_000, 599_999)));
    assert!(crate::support::read(second).await.expect("reads") == noise(2, 300_000));
    let again = house.complete(&caller, "key", upload, &parts).await.expect("answered again");
    assert_eq!(again, written);
}

#[test]
fn an_upload_of_many_pieces_takes_no_thread_from_its_own_next_piece() {
    // As when all the other threads serve uploads like it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let content = noise(1, 9 << 20);
    let put = runtime.block_on(async {
        let house = House::new();
        let caller = house.with_bucket().await;
        let put = tokio::time::timeout(std::time::Duration::from_secs(60), house.put(&caller, "key", &content)).await;
        put.ok()?.expect("put");
        Some(house.get(&caller, "key").await.expect("there"))
    });
    let waits_for_ever = put.is_none();
    // What hangs is left behind: ending the runtime would wait for it.
    runtime.shutdown_background();
    assert!(!waits_for_ever, "an upload waits for a thread that it holds");
    assert!(put.is_some_and(|bytes| bytes == content));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_completion_sent_twice_at_once_makes_one_version_and_answers_both() {
    let house = Arc::new(House::new());
    let caller = house.with_bucket().await;
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    for round in 0..20 {
        let name = format!("key-{round}");
        let upload = house.begin(&caller, &name).await;
        let etag = house.part(&caller, &name, upload, 1, b"content").await.expect("a part").etag;
        let both = (0..4).map(|_| {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            tokio::spawn(async move { house.complete(&caller, &name, upload, &[(1, etag)]).await })
        });
        let answers: Vec<_> = join_all(both).await.into_iter().map(|answer| answer.expect("no panic")).collect();
        let first = answers[0].as_ref().expect("complete").version;
        for answer in &answers {
            assert_eq!(answer.as_ref().expect("complete").version, first);
        }
    }
    let request = ListVersions {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 1_000,
    };
    let page = house.store.list_versions(&caller, request).await.expect("lists");
    assert_eq!(page.entries.len(), 20, "one version each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_is_completed_or_given_up_and_never_both() {
    let house = Arc::new(House::new());
    let caller = house.with_bucket().await;
    for round in 0..40 {
        let name = format!("key-{round}");
        let upload = house.begin(&caller, &name).await;
        let etag = house.part(&caller, &name, upload, 1, b"content").await.expect("a part").etag;
        let completing = {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            tokio::spawn(async move { house.complete(&caller, &name, upload, &[(1, etag)]).await.map(|_| ()) })
        };
        let aborting = {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            tokio::spawn(async move { house.abort(&caller, &name, upload).await })
        };
        let (completed, aborted) = (completing.await.expect("no panic"), aborting.await.expect("no panic"));
        assert_ne!(completed.is_ok(), aborted.is_ok(), "round {round}: exactly one");
        assert!(matches!(refusal(completed.and(aborted)), Refusal::NoSuchUpload));
        let late = house.part(&caller, &name, upload, 2, b"late").await;
        assert!(matches!(refusal(late), Refusal::NoSuchUpload));
    }
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn parts_that_race_the_end_of_their_upload_leave_nothing_behind() {
    let house = Arc::new(House::with(sweeping));
    let caller = house.with_bucket().await;
    for round in 0..15 {
        let name = format!("key-{round}");
        let upload = house.begin(&caller, &name).await;
        let parts = (1..=6).map(|number| {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            let bytes = noise(round * 100 + u64::from(number), 20_000);
            tokio::spawn(async move { house.part(&caller, &name, upload, number, &bytes).await.map(|_| ()) })
        });
        let parts: Vec<_> = parts.collect();
        house.abort(&caller, &name, upload).await.expect("given up");
        for part in join_all(parts).await {
            match part.expect("no panic") {
                Ok(()) | Err(StoreError::Refused(Refusal::NoSuchUpload)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        let list = ListParts { bucket: bucket("bucket"), key: key(&name), upload, after: 0, max: 10 };
        assert!(matches!(refusal(house.store.list_parts(&caller, list).await), Refusal::NoSuchUpload));
    }
    house.sweep().await;
    house.sweep().await;
    let usage = house.store.usage(&house.admin, &crate::support::tenant_name("tenant")).await.expect("reads");
    assert_eq!(usage.multipart_bytes, 0);
    let house = Arc::into_inner(house).expect("everyone has ended").reopened(sweeping);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "all parts are gone from the disk");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_part_replaced_during_completion_is_in_the_object_as_checked_or_refused() {
    let house = Arc::new(House::with(sweeping));
    let caller = house.with_bucket().await;
    for round in 0..30 {
        let name = format!("key-{round}");
        let upload = house.begin(&caller, &name).await;
        let old = noise(round, 10_000);
        let etag = house.part(&caller, &name, upload, 1, &old).await.expect("a part").etag;
        let completing = {
            let (house, caller, name) = (house.clone(), caller.clone(), name.clone());
            tokio::spawn(async move { house.complete(&caller, &name, upload, &[(1, etag)]).await })
        };
        let replacing = house.part(&caller, &name, upload, 1, &noise(round + 1_000, 10_000)).await;
        match completing.await.expect("no panic") {
            Ok(written) => {
                assert_eq!(written.size_bytes, 10_000);
                assert!(house.get(&caller, &name).await.expect("there") == old);
            }
            Err(StoreError::Refused(Refusal::InvalidPart { number: 1 })) => {
                replacing.expect("it was replaced");
                assert!(matches!(refusal(house.get(&caller, &name).await), Refusal::NoSuchKey { .. }));
            }
            Err(other) => panic!("{other}"),
        }
    }
    house.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_object_of_many_parts_reads_back_and_is_swept_whole() {
    // More than the event that commits them can list.
    const PARTS: u16 = 900;
    let house = Arc::new(House::with(sweeping));
    let caller = house.with_bucket().await;
    let upload = house.begin(&caller, "key").await;
    let mut parts = Vec::new();
    for first in (1..=PARTS).step_by(100) {
        let some = (first..first + 100).map(|number| {
            let (house, caller) = (house.clone(), caller.clone());
            let bytes = noise(u64::from(number), 3_000);
            tokio::spawn(async move {
                (number, house.part(&caller, "key", upload, number, &bytes).await.expect("a part").etag)
            })
        });
        parts.extend(join_all(some).await.into_iter().map(|part| part.expect("no panic")));
    }
    let written = house.complete(&caller, "key", upload, &parts).await.expect("complete");
    assert_eq!(written.size_bytes, 3_000 * u64::from(PARTS));
    let expected: Vec<u8> = (1..=u64::from(PARTS)).flat_map(|number| noise(number, 3_000)).collect();
    // The upload is forgotten ten minutes after its end; the object's manifest keeps the parts then.
    house.clock.pass_s(700);
    house.sweep().await;
    assert!(house.get(&caller, "key").await.expect("there") == expected);
    house.delete(&caller, "key").await.expect("deleted");
    house.sweep().await;
    let house = Arc::into_inner(house).expect("everyone has ended").reopened(sweeping);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "nothing of it is left");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn an_object_deleted_right_after_its_completion_gives_its_space_back() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    let upload = house.begin(&caller, "key").await;
    let mut parts = Vec::new();
    for number in 1..=3 {
        // The last is more than a blob: a manifest of its own.
        let bytes = noise(u64::from(number), if number == 3 { 5 << 20 } else { 400_000 });
        parts.push((number, house.part(&caller, "key", upload, number, &bytes).await.expect("a part").etag));
    }
    let written = house.complete(&caller, "key", upload, &parts).await.expect("complete");
    house.sweep().await;
    assert_eq!(house.get(&caller, "key").await.expect("there").len() as u64, written.size_bytes);
    house.delete(&caller, "key").await.expect("deleted");
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0);
    let again = house.complete(&caller, "key", upload, &parts).await.expect("it is remembered all the same");
    assert_eq!(again, written);
    house.clock.pass_s(700);
    house.sweep().await;
    let forgotten = house.complete(&caller, "key", upload, &parts).await;
    assert!(matches!(refusal(forgotten), Refusal::NoSuchUpload));
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn uploads_of_a_deleted_bucket_are_given_up_and_their_bytes_freed() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    for n in 0..3 {
        let name = format!("key-{n}");
        let upload = house.begin(&caller, &name).await;
        house.part(&caller, &name, upload, 1, &noise(n, 50_000)).await.expect("a part");
    }
    house.store.delete_bucket(&caller, &bucket("bucket")).await.expect("uploads do not hold a bucket");
    house.bucket(&caller, "bucket").await.expect("the name is free again");
    let list = ListUploads {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_upload: None,
        max: 10,
    };
    assert_eq!(house.store.list_uploads(&caller, list).await.expect("lists").uploads.len(), 0);
    house.sweep().await;
    house.sweep().await;
    let usage = house.store.usage(&house.admin, &crate::support::tenant_name("tenant")).await.expect("reads");
    assert_eq!(usage.multipart_bytes, 0);
    let house = house.reopened(sweeping);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0);
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}
