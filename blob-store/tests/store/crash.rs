use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use blob_store::{BlobStore, Lane, SegmentState, backend::Memory};
use parking_lot::Mutex;
use proptest::prelude::*;

use crate::support::{Kept, keep, on, options};

#[test]
fn a_torn_tail_is_cut_at_every_byte_and_new_records_go_elsewhere() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept: Vec<_> = (0..3).map(|n| keep(&store, n, 150, Lane::Large)).collect();
    let torn = &kept[2];
    let image = memory.bytes(torn.segment()).unwrap();
    let end = torn.offset() + u64::from(torn.staged.stored_bytes);
    for cut in torn.offset()..=end {
        for zeros in [true, false] {
            let after = memory.crash(|_, _| true);
            after.damage(torn.segment(), |bytes| {
                bytes.truncate(cut as usize);
                if zeros {
                    bytes.resize(image.len(), 0);
                }
            });
            let store = on(&after);
            kept[..2].iter().for_each(|kept| kept.assert_reads(&store));
            let whole = if cut == end { 3 } else { 2 };
            // A tail that happens to end in zeros is whole however many of them are cut off.
            let found = store.scan(torn.segment()).unwrap().len();
            assert!(found == whole || (zeros && image[cut as usize..end as usize].iter().all(|&byte| byte == 0)));
            assert_eq!(store.check(torn.segment()).unwrap(), []);
            assert_eq!(store.segments()[0].state, SegmentState::Sealed);
            let new = keep(&store, 9, 150, Lane::Large);
            assert!(new.segment() > torn.segment());
        }
    }
}

#[test]
fn a_clean_stop_leaves_nothing_to_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path(), options()).unwrap();
    let kept: Vec<_> = [Lane::Small, Lane::Large].map(|lane| keep(&store, 1, 500, lane)).into();
    store.close().unwrap();
    let bytes_on_disk = || -> u64 {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let infos = store.segments();
    assert!(infos.iter().all(|info| info.state == SegmentState::Sealed && info.file_bytes == info.record_bytes + 96));
    assert_eq!(infos.iter().map(|info| info.file_bytes).sum::<u64>(), bytes_on_disk());
    drop(store);
    let store = BlobStore::open(folder.path(), options()).unwrap();
    assert_eq!(store.segments(), infos);
    kept.iter().for_each(|kept| kept.assert_reads(&store));
}

#[test]
fn a_killed_process_on_a_real_disk_keeps_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path(), options()).unwrap();
    let kept: Vec<_> = (0..8).map(|n| keep(&store, n, 3000, Lane::Large)).collect();
    store.sync(&kept.iter().map(Kept::segment).collect::<Vec<_>>()).unwrap();
    // Dropped, not closed: the files stay as a kill leaves them.
    drop(store);
    let store = BlobStore::open(folder.path(), options()).unwrap();
    kept.iter().for_each(|kept| kept.assert_reads(&store));
    assert!(store.segments().iter().all(|info| info.state == SegmentState::Sealed));
}

#[test]
fn a_segment_without_a_whole_record_goes() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept = keep(&store, 1, 150, Lane::Large);
    let after = memory.crash(|_, _| false);
    let store = on(&after);
    assert!(store.segments().is_empty());
    assert!(after.bytes(kept.segment()).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_crash_keeps_what_was_synced_whatever_else_it_keeps(
        steps in prop::collection::vec((0..4_u8, 60..4000_usize), 1..30), blocks: u64,
    ) {
        let memory = Memory::new();
        let store = on(&memory);
        let (mut kept, mut durable) = (Vec::new(), 0);
        for (step, bytes) in steps {
            match step {
                0 => {
                    store.sync_small().unwrap();
                    store.sync(&kept.iter().map(Kept::segment).collect::<Vec<_>>()).unwrap();
                    durable = kept.len();
                }
                1 => kept.push(keep(&store, bytes as u64, bytes, Lane::Small)),
                _ => kept.push(keep(&store, bytes as u64, bytes, Lane::Large)),
            }
        }
        let mut block = 0;
        let after = memory.crash(|_, _| { block += 1; blocks >> (block % 64) & 1 == 1 });
        let store = on(&after);
        for kept in &kept[..durable] {
            prop_assert_eq!(&kept.read(&store).unwrap(), &kept.plaintext);
        }
        // And what was not synced is whole, or known not to be.
        for kept in &kept[durable..] {
            if let Ok(read) = kept.read(&store) {
                prop_assert_eq!(&read, &kept.plaintext);
            }
        }
        // Once more: the second start finds the segments sealed by the first, durably.
        let again = on(&after.crash(|_, _| false));
        prop_assert_eq!(again.segments(), store.segments());
    }
}

#[test]
fn what_writers_side_by_side_were_promised_survives_a_crash_at_any_moment() {
    let memory = Memory::new();
    let store = Arc::new(on(&memory));
    let promised = Mutex::new(Vec::<Arc<Kept>>::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, promised, done) = (&store, &promised, &done);
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                scope.spawn(move || {
                    for n in 0..60 {
                        let lane = if writer == 0 { Lane::Small } else { Lane::Large };
                        let kept = keep(store, writer * 1000 + n, 200 + (n as usize * 37) % 3000, lane);
                        match lane {
                            Lane::Small => store.sync_small().unwrap(),
                            Lane::Large => store.sync(&[kept.segment()]).unwrap(),
                        }
                        promised.lock().push(Arc::new(kept));
                    }
                })
            })
            .collect();
        let crasher = scope.spawn(|| {
            let mut crashes = 0_u64;
            while !done.load(Ordering::Relaxed) || crashes == 0 {
                let before: Vec<_> = promised.lock().clone();
                crashes += 1;
                let after = on(&memory.crash(|_, offset| (offset / 512 + crashes).is_multiple_of(3)));
                before.iter().for_each(|kept| kept.assert_reads(&after));
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
        crasher.join().unwrap();
    });
    promised.lock().iter().for_each(|kept| kept.assert_reads(&store));
}
