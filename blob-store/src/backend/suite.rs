//! What every backend must do, run against each.

use std::{io::ErrorKind, sync::Arc};

use schemas::SegmentId;

use super::{Backend, Disk, Memory};

const A: SegmentId = SegmentId(1);
const B: SegmentId = SegmentId(0xdead_beef_0000_0001);

fn check(backend: &Arc<dyn Backend>) {
    assert_eq!(backend.list().unwrap(), []);
    assert_eq!(backend.open(A).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    assert_eq!(backend.unlink(A).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    assert!(backend.free_bytes().unwrap() > 0);

    let b = backend.create(B, 10_000, b"head of b").unwrap();
    let a = backend.create(A, 8_192, b"head of a").unwrap();
    assert_eq!(backend.list().unwrap(), [A, B], "in order");
    assert_eq!(backend.create(A, 1, b"").err().map(|error| error.kind()), Some(ErrorKind::AlreadyExists));
    assert_eq!((a.length().unwrap(), b.length().unwrap()), (8_192, 10_000));

    let mut bytes = [1; 12];
    a.read_at(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"head of a\0\0\0", "zeros behind the head");
    assert_eq!(a.read_at(8_181, &mut bytes).err().map(|error| error.kind()), Some(ErrorKind::UnexpectedEof));

    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let a = &a;
            scope.spawn(move || {
                for at in 0..64 {
                    a.write_at(64 + (at * 4 + u64::from(thread)) * 16, &[thread; 16]).unwrap();
                }
                a.sync().unwrap();
            });
        }
    });
    let again = backend.open(A).unwrap();
    let mut bytes = vec![0; 64 * 4 * 16];
    again.read_at(64, &mut bytes).unwrap();
    for (number, block) in bytes.chunks(16).enumerate() {
        assert_eq!(block, [(number % 4) as u8; 16]);
    }

    // Long ones go another way to the disk; neighbours share a page with them.
    let long = |byte: u8| vec![byte; (3 << 20) + 77];
    let c = backend.create(SegmentId(7), 16 << 20, b"head of c").unwrap();
    let places = [(100, long(1)), (100 + (3 << 20) + 77, vec![2; 10]), (100 + (3 << 20) + 87, long(3))];
    places.iter().for_each(|(at, bytes)| c.write_at(*at, bytes).unwrap());
    c.sync().unwrap();
    for (at, expected) in &places {
        let mut bytes = vec![0; expected.len()];
        c.read_at(*at, &mut bytes).unwrap();
        assert!(bytes == *expected, "at {at}");
    }
    backend.unlink(SegmentId(7)).unwrap();

    a.truncate(100).unwrap();
    assert_eq!(again.length().unwrap(), 100);
    backend.unlink(A).unwrap();
    assert_eq!(backend.list().unwrap(), [B]);
    let mut bytes = [0; 16];
    again.read_at(64, &mut bytes).expect("an open file outlives its name");
    assert_eq!(backend.open(A).err().map(|error| error.kind()), Some(ErrorKind::NotFound));
    backend.create(A, 64, b"anew").expect("the name is free again");
}

#[test]
fn the_disk_does() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Backend> = Arc::new(Disk::open(&folder.path().join("blobs")).unwrap());
    check(&disk);
}

#[test]
fn the_memory_does() {
    let memory: Arc<dyn Backend> = Arc::new(Memory::new());
    check(&memory);
}

#[test]
fn a_folder_is_held_by_one_store() {
    let folder = tempfile::tempdir().unwrap();
    let held = Disk::open(folder.path()).unwrap();
    assert_eq!(Disk::open(folder.path()).err().map(|error| error.kind()), Some(ErrorKind::WouldBlock));
    drop(held);
    Disk::open(folder.path()).expect("free again");
}

#[test]
fn what_a_crash_left_half_made_is_removed_and_strangers_are_let_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["seg-0000000000000001.hfs.new", "seg-0000000000000002.hfs", "seg-2.hfs", "notes.txt"] {
        std::fs::write(path(name), b"x").unwrap();
    }
    let disk = Disk::open(folder.path()).unwrap();
    assert_eq!(disk.list().unwrap(), [SegmentId(2)]);
    assert!(!path("seg-0000000000000001.hfs.new").exists());
    assert!(path("notes.txt").exists() && path("seg-2.hfs").exists());
}
