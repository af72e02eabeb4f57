//! Sweep beside everything else: what is referred to stays, what is not goes, readers never notice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::Refusal;
use pipeline::{Caller, StoreError};

use crate::support::{House, Random, body, bucket, noise, put_request, refusal, sweeping};

#[tokio::test]
async fn the_same_content_is_kept_once_and_goes_with_its_last_reference() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.bucket(&caller, "other").await.expect("a bucket");
    let content = noise(1, 600_000);
    house.put(&caller, "one", &content).await.expect("put");
    let once = house.segment_bytes();
    for name in ["two", "three"] {
        house.put(&caller, name, &content).await.expect("put");
    }
    house.store.put_object(&caller, put_request("other", "one"), body(&content)).await.expect("put");
    house.copy(&caller, "one", "four").await.expect("copied");
    assert_eq!(house.segment_bytes(), once, "the same bytes grow the disk once");
    let stranger = house.tenant("stranger").await;
    house.bucket(&stranger, "bucket").await.expect("a bucket");
    house.put(&stranger, "one", &content).await.expect("put");
    // Both copies lie in the same open segment: its record bytes tell them apart once it is closed.
    for name in ["one", "two", "three"] {
        house.delete(&caller, name).await.expect("deleted");
        house.sweep().await;
        assert!(house.get(&caller, "four").await.expect("there") == content);
        assert!(house.get(&stranger, "one").await.expect("there") == content);
    }
    house.delete(&caller, "four").await.expect("deleted");
    house.sweep().await;
    let still = crate::support::get_request("other", "one");
    let found = house.store.get_object(&caller, still).await.expect("the other bucket's");
    assert!(crate::support::read(found).await.expect("reads") == content);
    house.store.delete_object(&caller, crate::support::delete_request("other", "one")).await.expect("deleted");
    let report = house.sweep().await;
    assert_eq!((report.released, report.freed), (1, 1));
    assert!(house.get(&stranger, "one").await.expect("there") == content);
}

#[tokio::test]
async fn all_deleted_all_space_comes_back() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    for n in 0..12 {
        house.put(&caller, &format!("key-{n}"), &noise(n, 700_000)).await.expect("put");
    }
    // More than one blob, with a manifest over them.
    house.put(&caller, "long", &noise(99, 9 << 20)).await.expect("put");
    let full = house.segment_bytes();
    assert!(full > 17 << 20, "{full}");
    for n in 0..12 {
        house.delete(&caller, &format!("key-{n}")).await.expect("deleted");
    }
    house.delete(&caller, "long").await.expect("deleted");
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "also that of segments that were not full yet");
    house.put(&caller, "key", &noise(1, 700_000)).await.expect("put");
    assert!(house.get(&caller, "key").await.expect("there") == noise(1, 700_000));
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn history_keeps_content_for_its_window_whatever_the_wall_clock_says() {
    let window_s = 7 * 86_400;
    let house = House::with(|options| {
        sweeping(options);
        options.history_window_s = Some(window_s);
    });
    let caller = house.with_bucket().await;
    house.put(&caller, "key", &noise(1, 100_000)).await.expect("put");
    house.delete(&caller, "key").await.expect("deleted");
    assert_eq!(house.sweep().await.released, 0);
    // Somebody sets the wall clock ten days ahead: no time has passed.
    house.clock.set_wall_by_s(10 * 86_400);
    assert_eq!(house.sweep().await.released, 0);
    house.clock.set_wall_by_s(-10 * 86_400);
    house.clock.pass_s(window_s - 60);
    assert_eq!(house.sweep().await.released, 0);
    house.clock.pass_s(120);
    let report = house.sweep().await;
    assert_eq!((report.released, report.freed), (1, 1));
}

#[tokio::test]
async fn what_an_upload_left_behind_is_swept_after_the_grace() {
    let house = House::with(|options| {
        sweeping(options);
        options.sweep_grace_s = 600;
    });
    let caller = house.with_bucket().await;
    house.put(&caller, "key", &noise(1, 100_000)).await.expect("put");
    house.delete(&caller, "key").await.expect("deleted");
    let report = house.sweep().await;
    assert_eq!((report.released, report.freed), (1, 0), "younger than the grace");
    house.clock.pass_s(600);
    assert_eq!(house.sweep().await.freed, 1);
}

#[tokio::test]
async fn below_the_reserve_writes_are_refused_while_deletes_and_sweep_go_on() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    for n in 0..4 {
        house.put(&caller, &format!("key-{n}"), &noise(n, 300_000)).await.expect("put");
    }
    let house = house.reopened(|options| {
        sweeping(options);
        options.reserve_bytes = 1 << 60;
    });
    for bytes in [&b"tiny"[..], &noise(7, 100_000)] {
        assert!(matches!(house.put(&caller, "new", bytes).await, Err(StoreError::DiskFull)));
    }
    assert!(house.get(&caller, "key-0").await.expect("there") == noise(0, 300_000));
    for n in 0..4 {
        house.delete(&caller, &format!("key-{n}")).await.expect("deletes go on");
    }
    assert_eq!(house.sweep().await.freed, 4);
    assert_eq!(house.segment_bytes(), 0);
}

/// What one writer knows of its own keys: seeds of contents.
type Known = BTreeMap<String, Option<u64>>;

/// Sizes around the bounds: inline, small segment, several frames, long. One seed has one size.
fn content(seed: u64) -> Vec<u8> {
    let length = [1_500, 2_500, 9_000, 70_000, 200_000][usize::try_from(seed % 5).expect("small")];
    noise(seed, length)
}

async fn write_and_check(house: Arc<House>, caller: Caller, writer: u64, mut random: Random, steps: usize) -> Known {
    let mut known = Known::new();
    for _ in 0..steps {
        let name = format!("writer-{writer}/key-{}", random.below(6));
        // Few contents: nearly every put finds a copy, which sweep may be about to free.
        let seed = random.below(10);
        match random.below(10) {
            0..=4 => {
                house.put(&caller, &name, &content(seed)).await.expect("put");
                known.insert(name, Some(seed));
            }
            5..=7 => {
                house.delete(&caller, &name).await.expect("deleted");
                known.insert(name, None);
            }
            8 => {
                let from = format!("writer-{writer}/key-{}", random.below(6));
                match (house.copy(&caller, &from, &name).await, known.get(&from).copied().flatten()) {
                    (Ok(()), Some(seed)) => {
                        known.insert(name, Some(seed));
                    }
                    (Err(StoreError::Refused(Refusal::CopyOntoItself)), Some(_)) if from == name => {}
                    (Err(StoreError::Refused(Refusal::NoSuchKey { .. })), None) => {}
                    (answer, expected) => panic!("copy of {expected:?}: {answer:?}"),
                }
            }
            _ => check(&house, &caller, &name, known.get(&name).copied().flatten()).await,
        }
    }
    known
}

async fn check(house: &House, caller: &Caller, name: &str, expected: Option<u64>) {
    match (house.get(caller, name).await, expected) {
        (Ok(found), Some(seed)) => assert!(found == content(seed), "{name} holds other bytes"),
        (Err(StoreError::Refused(Refusal::NoSuchKey { .. })), None) => {}
        (found, expected) => panic!("{name} should be {expected:?}: {:?}", found.map(|bytes| bytes.len())),
    }
}

/// Sweeps until told to stop; how often.
fn sweeper(house: &Arc<House>) -> (Arc<AtomicBool>, tokio::task::JoinHandle<u64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (house, stopped) = (house.clone(), stop.clone());
    let sweeping = tokio::spawn(async move {
        let mut freed = 0;
        while !stopped.load(Ordering::Relaxed) {
            freed += house.sweep().await.freed;
        }
        freed
    });
    (stop, sweeping)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweeps_beside_uploads_that_share_what_they_collect_lose_nothing() {
    let mut random = Random::of_suite("sweep");
    let mut house = House::with(sweeping);
    let caller = house.with_bucket().await;
    let mut freed = 0;
    for _ in 0..3 {
        let shared = Arc::new(house);
        // Two at once: an operator's sweep beside the standing one.
        let sweepers = [sweeper(&shared), sweeper(&shared)];
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                let random = Random::new(random.next());
                tokio::spawn(write_and_check(shared.clone(), caller.clone(), writer, random, 80))
            })
            .collect();
        let mut known = Known::new();
        for writer in writers {
            known.extend(writer.await.expect("nothing is lost while sweeps run"));
        }
        for (stop, sweeping) in sweepers {
            stop.store(true, Ordering::Relaxed);
            freed += sweeping.await.expect("sweeps");
        }
        for (name, expected) in &known {
            check(&shared, &caller, name, *expected).await;
        }
        assert_eq!(shared.rebuild().await.mismatches, Vec::<String>::new());
        house = Arc::into_inner(shared).expect("everyone has ended").reopened(sweeping);
        for (name, expected) in &known {
            check(&house, &caller, name, *expected).await;
            house.delete(&caller, name).await.expect("deleted");
        }
        house.sweep().await;
    }
    assert!(freed > 50, "only {freed} blobs were freed: the test shows nothing");
    let house = house.reopened(sweeping);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0, "and nothing stays that nobody refers to");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_do_not_notice_that_segments_are_rewritten_under_them() {
    let house = Arc::new(House::with(sweeping));
    let caller = house.with_bucket().await;
    let kept: Vec<u64> = (0..6).collect();
    for &seed in &kept {
        house.put(&caller, &format!("kept-{seed}"), &noise(seed, 150_000)).await.expect("put");
        for n in 0..3 {
            house.put(&caller, &format!("gone-{seed}-{n}"), &noise(1_000 + seed * 10 + n, 250_000)).await.expect("put");
        }
    }
    house.put(&caller, "long", &noise(77, 6 << 20)).await.expect("put");
    let (stop, sweeping) = sweeper(&house);
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (house, caller, kept) = (house.clone(), caller.clone(), kept.clone());
            tokio::spawn(async move {
                for _ in 0..12 {
                    for &seed in &kept {
                        let found = house.get(&caller, &format!("kept-{seed}")).await.expect("there");
                        assert!(found == noise(seed, 150_000));
                    }
                }
            })
        })
        .collect();
    let long = {
        let (house, caller) = (house.clone(), caller.clone());
        tokio::spawn(async move {
            for _ in 0..3 {
                assert!(house.get(&caller, "long").await.expect("there") == noise(77, 6 << 20));
            }
        })
    };
    for seed in &kept {
        for n in 0..3 {
            house.delete(&caller, &format!("gone-{seed}-{n}")).await.expect("deleted");
        }
        // So that segments fill and are finished.
        house.put(&caller, "turning", &noise(5_000 + seed, 900_000)).await.expect("put");
    }
    for reader in readers {
        reader.await.expect("readers read on");
    }
    long.await.expect("the long reader reads on");
    stop.store(true, Ordering::Relaxed);
    assert!(sweeping.await.expect("sweeps") > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_read_that_races_overwrite_and_sweep_sees_one_version_or_the_other() {
    let house = Arc::new(House::with(sweeping));
    let caller = house.with_bucket().await;
    let version = |n: u64| noise(n, 120_000);
    house.put(&caller, "key", &version(0)).await.expect("put");
    let (stop, sweeping) = sweeper(&house);
    let readers: Vec<_> = (0..3)
        .map(|reader| {
            let (house, caller, stop) = (house.clone(), caller.clone(), stop.clone());
            tokio::spawn(async move {
                let mut reads = 0;
                while !stop.load(Ordering::Relaxed) {
                    let name = if reader == 0 {
                        house.copy(&caller, "key", "copy").await.expect("one version or the other");
                        "copy"
                    } else {
                        "key"
                    };
                    let found = house.get(&caller, name).await.expect("one version or the other");
                    assert!((0..40).any(|n| found == version(n)), "bytes of no version");
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    for n in 1..40 {
        house.put(&caller, "key", &version(n)).await.expect("put");
    }
    stop.store(true, Ordering::Relaxed);
    sweeping.await.expect("sweeps");
    for reader in readers {
        assert!(reader.await.expect("readers read on") > 0);
    }
}

#[tokio::test]
async fn content_of_a_refused_write_is_no_reference() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    house.put(&caller, "key", b"there").await.expect("put");
    let refused = house.put_if(&caller, "key", &noise(5, 9 << 20), crate::support::if_absent()).await;
    assert!(matches!(refusal(refused), Refusal::PreconditionFailed { .. }));
    house.store.delete_bucket(&caller, &bucket("bucket")).await.expect_err("not empty");
    house.sweep().await;
    let house = house.reopened(sweeping);
    house.sweep().await;
    assert_eq!(house.segment_bytes(), 0);
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"there");
}

#[tokio::test]
async fn a_damaged_segment_is_left_as_it_is_and_the_sweep_goes_on() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    for n in 0..6 {
        house.put(&caller, &format!("key-{n}"), &noise(n, 300_000)).await.expect("put");
    }
    house.damage_segments();
    for n in 1..6 {
        house.delete(&caller, &format!("key-{n}")).await.expect("deleted");
    }
    // Twice: what cannot be moved must not stop what comes after, now or the next time.
    let reports = [house.sweep().await, house.sweep().await];
    assert_eq!(reports.map(|report| (report.freed, report.rewritten)), [(5, 0), (0, 0)]);
    assert!(matches!(house.get(&caller, "key-0").await, Err(StoreError::Corrupt { .. })));
    house.put(&caller, "key-0", &noise(7, 300_000)).await.expect("put");
    assert_eq!(house.sweep().await.freed, 1);
    assert!(house.get(&caller, "key-0").await.expect("there") == noise(7, 300_000));
}
