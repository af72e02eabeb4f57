use blob_store::{BlobStore, Lane, ReadError, WriteError, backend::Memory};

use crate::support::{TENANT, keep, on};

#[test]
fn every_flipped_byte_of_a_sealed_segment_is_noticed_and_never_read() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept: Vec<_> = (0..3).map(|n| keep(&store, n, 150, Lane::Large)).collect();
    store.close().unwrap();
    let segment = kept[0].segment();
    let trailer_at = memory.bytes(segment).unwrap().len() as u64 - 32;
    for at in 0..trailer_at {
        memory.damage(segment, |bytes| bytes[at as usize] ^= 0x10);
        for kept in &kept {
            let span = kept.offset()..kept.offset() + u64::from(kept.staged.stored_bytes);
            match kept.read(&store) {
                // The payload's checksum is for who has no key; a reader relies on the seal.
                Ok(read) => {
                    assert_eq!(read, kept.plaintext);
                    assert!(!span.contains(&at), "byte {at}");
                }
                Err(ReadError::Damaged { segment: Some(named), offset, .. }) => {
                    assert!(
                        named == segment && span.contains(&at) && span.contains(&offset),
                        "byte {at}, named {offset}"
                    );
                }
                Err(other) => panic!("byte {at}: {other}"),
            }
            let live = [(TENANT, kept.staged.blob, kept.staged.place.clone())];
            if span.contains(&at) {
                assert!(matches!(on(&memory).relocate(&live), Err(WriteError::Source(ReadError::Damaged { .. }))));
            }
        }
        let damage = store.check(segment).unwrap();
        assert_eq!(damage.len(), 1, "byte {at}");
        assert!((damage[0].offset..damage[0].offset + damage[0].bytes).contains(&at), "byte {at}: {damage:?}");
        assert!(store.scan(segment).unwrap().len() >= 2, "damage of one record does not hide the others");
        memory.damage(segment, |bytes| bytes[at as usize] ^= 0x10);
    }
    assert_eq!(store.check(segment).unwrap(), []);
}

#[test]
fn a_record_that_is_gone_or_cut_off_or_anothers_does_not_stand() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept: Vec<_> = (0..2).map(|n| keep(&store, n, 150, Lane::Large)).collect();
    let stands =
        |store: &BlobStore, number: usize| store.stands(TENANT, kept[number].staged.blob, &kept[number].staged.place);
    assert!(stands(&store, 0) && stands(&store, 1), "also before they are durable");
    store.close().unwrap();
    assert!(stands(&on(&memory), 0) && stands(&on(&memory), 1));
    assert!(!store.stands(TENANT, kept[0].staged.blob, &kept[1].staged.place), "another record stands there");
    let store = on(&memory);
    let end = kept[1].offset() + u64::from(kept[1].staged.stored_bytes);
    memory.damage(kept[0].segment(), |bytes| bytes.truncate(end as usize - 1));
    assert!(stands(&store, 0) && !stands(&store, 1), "the second is cut off");
    store.unlink(kept[0].segment()).unwrap();
    assert!(!stands(&store, 0), "its segment is gone");
}

#[test]
fn a_damaged_trailer_is_written_again() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept = keep(&store, 1, 150, Lane::Large);
    store.close().unwrap();
    let good = memory.bytes(kept.segment()).unwrap();
    for at in good.len() - 32..good.len() {
        memory.damage(kept.segment(), |bytes| bytes[at] ^= 1);
        let store = on(&memory);
        kept.assert_reads(&store);
        assert_eq!(memory.bytes(kept.segment()).unwrap(), good);
    }
}

#[test]
fn decay_in_a_segment_left_open_does_not_take_what_follows_with_it() {
    for at in [0, 10, 47, 48, 100] {
        let memory = Memory::new();
        let store = on(&memory);
        let kept: Vec<_> = (0..3).map(|n| keep(&store, n, 150, Lane::Large)).collect();
        store.sync(&[kept[0].segment()]).unwrap();
        let after = memory.crash(|_, _| false);
        after.damage(kept[1].segment(), |bytes| bytes[kept[1].offset() as usize + at] ^= 1);
        let store = on(&after);
        kept[0].assert_reads(&store);
        assert!(matches!(kept[1].read(&store), Err(ReadError::Damaged { .. })));
        kept[2].assert_reads(&store);
        assert_eq!(store.scan(kept[0].segment()).unwrap().iter().filter(|record| record.whole).count(), 2);
        assert_eq!(store.check(kept[0].segment()).unwrap().len(), 1);
    }
}

#[test]
fn a_record_copied_to_another_place_is_not_taken_for_one() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept = keep(&store, 1, 150, Lane::Large);
    store.sync(&[kept.segment()]).unwrap();
    let after = memory.crash(|_, _| false);
    after.damage(kept.segment(), |bytes| {
        let record = kept.offset() as usize..kept.offset() as usize + kept.staged.stored_bytes as usize;
        bytes.copy_within(record, 5000);
    });
    let store = on(&after);
    assert_eq!(store.scan(kept.segment()).unwrap().len(), 1);
    assert_eq!(store.segments()[0].record_bytes, u64::from(kept.staged.stored_bytes));
}
