use blob_store::{
    BLOB_BYTES_MAX, BlobStore, Compression, Lane, OpenError, Options, Place, ReadError, SegmentState, WriteError,
    backend::Memory,
};
use proptest::prelude::*;
use schemas::{BlobId, TenantId};
use vault::BlobKey;

use crate::support::{TENANT, keep, noise, on, options};

#[test]
fn blobs_of_every_size_read_back_by_ranges_before_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 6 << 20, compression: Compression::Zstd { level: 1 }, ..options() };
    let store = BlobStore::open(folder.path(), options.clone()).unwrap();
    let frame = 64 << 10;
    let sizes =
        [0, 1, 53, 54, 55, frame - 1, frame, frame + 1, 3 * frame, 5 * frame + 17, BLOB_BYTES_MAX - 1, BLOB_BYTES_MAX];
    let kept: Vec<_> = sizes
        .iter()
        .enumerate()
        .map(|(seed, &size)| keep(&store, seed as u64, size, if seed % 2 == 0 { Lane::Small } else { Lane::Large }))
        .collect();
    store.sync_small().unwrap();
    let check = |store: &BlobStore| {
        for kept in &kept {
            kept.assert_reads(store);
            let size = kept.plaintext.len() as u64;
            for (start, end) in
                [(0, 1), (1, 2), (65_535, 65_537), (65_536, 131_072), (200_000, 300_000), (size / 2, size)]
            {
                let range = start.min(size)..end.min(size);
                let read = store.read(TENANT, kept.staged.blob, &kept.staged.key, &kept.staged.place, range.clone());
                assert_eq!(read.unwrap(), kept.plaintext[range.start as usize..range.end as usize]);
            }
        }
    };
    check(&store);
    store.close().unwrap();
    check(&store);
    assert!(matches!(BlobStore::open(folder.path(), options.clone()), Err(OpenError::InUse)));
    drop(store);
    check(&BlobStore::open(folder.path(), options).unwrap());
}

#[test]
fn ids_rise_in_the_order_of_writing_from_one_start_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut ids: Vec<BlobId> = Vec::new();
    for first_number in [1_000, 2_000] {
        let store = BlobStore::open(folder.path(), Options { first_number, ..options() }).unwrap();
        ids.extend((0..20).map(|_| store.write(TENANT, b"the same bytes", Lane::Small).unwrap().blob));
    }
    assert!(ids.is_sorted_by(|one, other| one.0 < other.0), "{ids:?}");
    assert!(ids.windows(2).all(|two| two[0].0[8..] != two[1].0[8..]), "half of each is random");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_bytes_read_back(
        blobs in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..400), 1..600_usize, any::<bool>()), 1..12),
        inline_bytes_max in 0..1000_usize,
    ) {
        let memory = Memory::new();
        let compression = Compression::Zstd { level: 1 };
        let options = Options { inline_bytes_max, compression, ..options() };
        let store = BlobStore::open_on(std::sync::Arc::new(memory), options).unwrap();
        for (piece, times, small) in blobs {
            let plaintext = piece.repeat(times);
            let lane = if small { Lane::Small } else { Lane::Large };
            let staged = store.write(TENANT, &plaintext, lane).unwrap();
            prop_assert_eq!(staged.size_bytes as usize, plaintext.len());
            let size = u64::from(staged.size_bytes);
            let read = |range| store.read(TENANT, staged.blob, &staged.key, &staged.place, range).unwrap();
            prop_assert_eq!(&read(0..size), &plaintext);
            prop_assert_eq!(&read(size / 3..size / 2), &plaintext[(size / 3) as usize..(size / 2) as usize]);
            match staged.place {
                Place::Inline(stored) => {
                    prop_assert!(stored.len() <= inline_bytes_max);
                    prop_assert_eq!(stored.len(), staged.stored_bytes as usize);
                }
                Place::Segment { length, .. } => {
                    prop_assert!(length as usize > inline_bytes_max);
                    prop_assert_eq!(length + 48, staged.stored_bytes);
                }
            }
        }
    }
}

#[test]
fn short_content_comes_back_inline_and_touches_no_disk() {
    let memory = Memory::new();
    let store = on(&memory);
    for lane in [Lane::Small, Lane::Large] {
        let kept = keep(&store, 1, 50, lane);
        assert!(
            matches!(&kept.staged.place, Place::Inline(stored) if stored.len() == kept.staged.stored_bytes as usize)
        );
        kept.assert_reads(&store);
    }
    store.sync_small().unwrap();
    assert!(store.segments().is_empty());
}

#[test]
fn no_plaintext_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path(), Options { segment_bytes: 1 << 20, ..options() }).unwrap();
    let secret = b"the launch code is 00000000".repeat(100);
    let lanes = [Lane::Small, Lane::Large];
    for lane in lanes {
        store.write(TENANT, &secret, lane).unwrap();
    }
    store.close().unwrap();
    let mut files = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files += usize::from(!bytes.is_empty());
        assert!(!bytes.windows(8).any(|window| secret[..27].windows(8).any(|part| part == window)));
    }
    assert_eq!(files, lanes.len());
}

#[test]
fn a_blob_that_is_too_large_is_refused() {
    let result = on(&Memory::new()).write(TENANT, &vec![0; BLOB_BYTES_MAX + 1], Lane::Large);
    assert!(matches!(result, Err(WriteError::TooLarge { size_bytes }) if size_bytes == BLOB_BYTES_MAX + 1));
}

#[test]
fn a_range_beyond_the_blob_is_refused() {
    let store = on(&Memory::new());
    for bytes in [20, 2000] {
        let kept = keep(&store, 1, bytes, Lane::Large);
        let read = |start, end| {
            store.read(TENANT, kept.staged.blob, &kept.staged.key, &kept.staged.place, std::ops::Range { start, end })
        };
        for (start, end) in [(0, bytes as u64 + 1), (5, 4), (u64::MAX, u64::MAX), (0, u64::MAX)] {
            assert!(
                matches!(read(start, end), Err(ReadError::OutOfRange { size_bytes }) if size_bytes == bytes as u64)
            );
        }
        assert_eq!(read(bytes as u64, bytes as u64).unwrap(), []);
    }
}

#[test]
fn another_tenant_blob_key_or_place_gets_nothing() {
    let store = on(&Memory::new());
    let (mine, other) = (keep(&store, 1, 2000, Lane::Large), keep(&store, 2, 2000, Lane::Large));
    let (blob, key, place) = (mine.staged.blob, &mine.staged.key, &mine.staged.place);
    let Place::Segment { segment, offset, length } = *place else { panic!("inline") };
    let shifted = Place::Segment { segment, offset: offset + 1, length };
    let longer = Place::Segment { segment, offset, length: length + 1 };
    let huge = Place::Segment { segment, offset, length: u32::MAX };
    let beyond = Place::Segment { segment, offset: u64::MAX, length };
    for (tenant, blob, key, place) in [
        (TenantId(1), blob, key, place),
        (TENANT, BlobId([0; 16]), key, place),
        (TENANT, blob, &BlobKey::random(), place),
        (TENANT, blob, key, &other.staged.place),
        (TENANT, blob, key, &shifted),
        (TENANT, blob, key, &longer),
        (TENANT, blob, key, &huge),
        (TENANT, blob, key, &beyond),
    ] {
        assert!(matches!(store.read(tenant, blob, key, place, 0..10), Err(ReadError::Damaged { .. })));
    }
}

#[test]
fn full_segments_are_sealed_and_a_scan_finds_every_record() {
    let memory = Memory::new();
    let store = on(&memory);
    let mut kept: Vec<_> =
        (0..30).map(|n| keep(&store, n, 3000, if n % 3 == 0 { Lane::Small } else { Lane::Large })).collect();
    store.sync_small().unwrap();
    let segments: Vec<_> = kept.iter().map(|kept| kept.segment()).collect();
    store.sync(&segments).unwrap();
    let infos = store.segments();
    assert!(infos.iter().filter(|info| info.state == SegmentState::Sealed).count() >= 4);
    assert!(infos.iter().filter(|info| info.state == SegmentState::Open).count() <= 2);
    for store in [store, on(&memory)] {
        kept.sort_by_key(|kept| (kept.segment(), kept.offset()));
        let mut found = Vec::new();
        for info in store.segments() {
            assert_eq!(store.check(info.segment).unwrap(), []);
            let scanned = store.scan(info.segment).unwrap();
            assert_eq!(info.record_bytes, scanned.iter().map(|record| u64::from(record.stored_bytes)).sum::<u64>());
            assert!(scanned.iter().all(|record| record.whole && record.tenant == TENANT));
            found.extend(scanned.into_iter().map(|record| (record.blob, record.place, record.stored_bytes)));
        }
        let written = kept.iter().map(|kept| (kept.staged.blob, kept.staged.place.clone(), kept.staged.stored_bytes));
        assert_eq!(found, written.collect::<Vec<_>>());
        kept.iter().for_each(|kept| kept.assert_reads(&store));
    }
}

#[test]
fn below_the_disk_reserve_writes_are_refused_while_relocation_goes_on() {
    let memory = Memory::new();
    let options = Options { reserve_bytes: 1 << 20, ..options() };
    let store = BlobStore::open_on(std::sync::Arc::new(memory.clone()), options.clone()).unwrap();
    let kept = keep(&store, 1, 2000, Lane::Large);
    store.close().unwrap();
    memory.set_free_bytes((1 << 20) - 1);
    let store = BlobStore::open_on(std::sync::Arc::new(memory.clone()), options).unwrap();
    for (bytes, lane) in [(10, Lane::Small), (2000, Lane::Small), (2000, Lane::Large)] {
        assert!(matches!(store.write(TENANT, &noise(1, bytes), lane), Err(WriteError::DiskFull)));
    }
    let moved = store.relocate(&[(TENANT, kept.staged.blob, kept.staged.place.clone())]).unwrap();
    store.unlink(kept.segment()).unwrap();
    assert_eq!(kept.read_at(&store, &moved[0].2).unwrap(), kept.plaintext);
    memory.set_free_bytes(2 << 20);
    store.write(TENANT, b"at once", Lane::Small).expect("space is asked for each time while it is short");
}

#[test]
fn a_nearly_full_disk_gets_a_smaller_segment() {
    let memory = Memory::new();
    let store = on(&memory);
    memory.set_free_bytes(5000);
    let kept = keep(&store, 1, 2000, Lane::Large);
    assert_eq!(store.segments()[0].file_bytes, 5000);
    kept.assert_reads(&store);
    memory.set_free_bytes(2000);
    assert!(matches!(store.write(TENANT, &noise(1, 3000), Lane::Large), Err(WriteError::DiskFull)));
}
