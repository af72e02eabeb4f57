use blob_store::{
    Lane, SegmentState, WriteError,
    backend::{Fault, Memory},
};

use crate::support::{Kept, TENANT, keep, noise, on};

/// Uploads of two blobs each, synced one by one, until `uploads` succeeded; answers how often one failed.
fn upload(memory: &Memory, uploads: usize) -> (Vec<Kept>, usize) {
    let store = on(memory);
    let (mut kept, mut failures) = (Vec::new(), 0);
    for attempt in 0.. {
        let one = (0..2).try_fold(Vec::new(), |mut blobs, n| {
            let plaintext = noise(attempt * 2 + n, 3000);
            let staged = store.write(TENANT, &plaintext, Lane::Large)?;
            blobs.push(Kept { staged, plaintext });
            Ok::<_, WriteError>(blobs)
        });
        let synced = one.and_then(|blobs| {
            store.sync(&blobs.iter().map(Kept::segment).collect::<Vec<_>>())?;
            Ok(blobs)
        });
        match synced {
            Ok(blobs) => kept.extend(blobs),
            Err(WriteError::SegmentFailed { segment, .. }) => {
                failures += 1;
                assert!(matches!(store.sync(&[segment]), Err(WriteError::SegmentFailed { .. })), "for ever");
            }
            Err(WriteError::DiskFull) => failures += 1,
            Err(other) => panic!("{other}"),
        }
        if kept.len() == uploads * 2 {
            break;
        }
    }
    kept.iter().for_each(|kept| kept.assert_reads(&store));
    (kept, failures)
}

#[test]
fn whichever_write_sync_or_creation_fails_nothing_that_was_promised_is_lost() {
    let faults: [fn(u64) -> Fault; 3] = [Fault::Write, Fault::Sync, Fault::Create];
    for fault in faults {
        for n in 1..100 {
            let memory = Memory::new();
            memory.inject(fault(n));
            let (kept, failures) = upload(&memory, 12);
            let after = on(&memory.crash(|_, offset| offset % 1024 == 0));
            kept.iter().for_each(|kept| kept.assert_reads(&after));
            assert!(after.segments().iter().all(|info| info.state == SegmentState::Sealed));
            if failures == 0 {
                assert!(n > 3, "{:?} never failed", fault(n));
                break;
            }
            assert!(n < 99, "{:?} always fails", fault(n));
        }
    }
}

#[test]
fn a_failed_sync_of_small_content_is_fatal_and_stays_so() {
    for fault in [Fault::Sync(1), Fault::Write(1)] {
        let memory = Memory::new();
        let store = on(&memory);
        keep(&store, 1, 500, Lane::Small);
        memory.inject(fault);
        let second = store.write(TENANT, &noise(2, 500), Lane::Small);
        assert_eq!(second.is_ok(), fault == Fault::Sync(1));
        for _ in 0..2 {
            assert!(matches!(store.sync_small(), Err(WriteError::Fatal { .. })));
            assert!(matches!(store.write(TENANT, &noise(3, 500), Lane::Small), Err(WriteError::Fatal { .. })));
        }
        keep(&store, 4, 500, Lane::Large).assert_reads(&store);
        assert!(matches!(store.close(), Err(WriteError::Fatal { .. })));
    }
}

#[test]
fn a_failed_segment_can_be_read_relocated_and_unlinked_but_takes_nothing_more() {
    let memory = Memory::new();
    let store = on(&memory);
    let synced = keep(&store, 1, 500, Lane::Large);
    store.sync(&[synced.segment()]).unwrap();
    let lost = keep(&store, 2, 500, Lane::Large);
    assert_eq!(lost.segment(), synced.segment());
    memory.inject(Fault::Sync(1));
    assert!(matches!(store.sync(&[lost.segment()]), Err(WriteError::SegmentFailed { .. })));
    let elsewhere = keep(&store, 3, 500, Lane::Large);
    assert_ne!(elsewhere.segment(), lost.segment());
    synced.assert_reads(&store);
    assert_eq!(store.segments()[0].state, SegmentState::Failed);
    let moved = store.relocate(&[(TENANT, synced.staged.blob, synced.staged.place.clone())]).unwrap();
    store.unlink(synced.segment()).unwrap();
    assert_eq!(synced.read_at(&store, &moved[0].2).unwrap(), synced.plaintext);
    assert!(matches!(store.sync(&[lost.segment()]), Err(WriteError::SegmentGone { .. })));
}

#[test]
fn nothing_is_synced_when_nothing_was_written() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept = keep(&store, 1, 500, Lane::Small);
    store.sync_small().unwrap();
    // Were anything synced now, it would fail.
    memory.inject(Fault::Sync(1));
    for _ in 0..3 {
        store.sync_small().unwrap();
        store.sync(&[kept.segment()]).unwrap();
    }
    keep(&store, 2, 500, Lane::Small);
    assert!(matches!(store.sync_small(), Err(WriteError::Fatal { .. })));
}

#[test]
fn a_closed_store_reads_and_takes_nothing() {
    let store = on(&Memory::new());
    let kept = keep(&store, 1, 500, Lane::Large);
    store.close().unwrap();
    store.close().unwrap();
    for lane in [Lane::Small, Lane::Large] {
        assert!(matches!(store.write(TENANT, &kept.plaintext, lane), Err(WriteError::Closed)));
    }
    kept.assert_reads(&store);
}
