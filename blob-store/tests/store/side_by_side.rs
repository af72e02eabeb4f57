use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use blob_store::{
    BlobStore, Lane, ReadError, SegmentState, WriteError,
    backend::{Backend, Memory, SegmentFile},
};
use parking_lot::{Condvar, Mutex, RwLock};
use schemas::SegmentId;

use crate::support::{Kept, TENANT, keep, on, options};

#[test]
fn many_writers_and_syncs_on_a_real_disk_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path(), options()).unwrap();
    let kept = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for writer in 0..8_u64 {
            let (store, kept) = (&store, &kept);
            scope.spawn(move || {
                for n in 0..40 {
                    let lane = if writer % 2 == 0 { Lane::Small } else { Lane::Large };
                    let one = keep(store, writer * 100 + n, 100 + (n as usize * 331) % 5000, lane);
                    match lane {
                        Lane::Small => store.sync_small().unwrap(),
                        Lane::Large => store.sync(&[one.segment()]).unwrap(),
                    }
                    one.assert_reads(store);
                    kept.lock().push(one);
                }
            });
        }
    });
    let kept = kept.into_inner();
    let places: BTreeSet<_> = kept.iter().map(|kept| (kept.segment(), kept.offset())).collect();
    assert_eq!(places.len(), 320, "no two records share a place");
    kept.iter().for_each(|kept| kept.assert_reads(&store));
    drop(store);
    let store = BlobStore::open(folder.path(), options()).unwrap();
    kept.iter().for_each(|kept| kept.assert_reads(&store));
    for info in store.segments() {
        assert_eq!(store.check(info.segment).unwrap(), []);
    }
}

#[test]
fn readers_resolve_again_while_segments_are_rewritten_and_unlinked() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept: Vec<_> = (0..40).map(|n| keep(&store, n, 1500, Lane::Large)).collect();
    store.close().unwrap();
    let store = on(&memory);
    let rows =
        RwLock::new(kept.iter().map(|kept| (kept.staged.blob, kept.staged.place.clone())).collect::<HashMap<_, _>>());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, rows, kept, done) = (&store, &rows, &kept, &done);
        let readers: Vec<_> = (0..3)
            .map(|reader| {
                scope.spawn(move || {
                    let mut reads = 0;
                    while !done.load(Ordering::Relaxed) || reads == 0 {
                        for one in kept.iter().skip(reader) {
                            let read = loop {
                                let place = rows.read()[&one.staged.blob].clone();
                                match one.read_at(store, &place) {
                                    Err(ReadError::SegmentGone { .. }) => continue,
                                    other => break other.unwrap(),
                                }
                            };
                            assert_eq!(read, one.plaintext);
                            reads += 1;
                        }
                    }
                })
            })
            .collect();
        for _ in 0..6 {
            let sealed: Vec<_> =
                store.segments().into_iter().filter(|info| info.state == SegmentState::Sealed).collect();
            for info in sealed {
                let live: Vec<_> = store
                    .scan(info.segment)
                    .unwrap()
                    .into_iter()
                    .filter(|record| rows.read()[&record.blob] == record.place)
                    .map(|record| (record.tenant, record.blob, record.place))
                    .collect();
                let moved = store.relocate(&live).unwrap();
                rows.write().extend(moved.into_iter().map(|(_, blob, place)| (blob, place)));
                store.unlink(info.segment).unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    // What was moved was synced before the old copy went.
    let after = on(&memory.crash(|_, _| false));
    for one in &kept {
        assert_eq!(one.read_at(&after, &rows.read()[&one.staged.blob]).unwrap(), one.plaintext);
    }
}

#[test]
fn an_open_segment_is_not_unlinked_and_a_reader_outlives_an_unlink() {
    let store = on(&Memory::new());
    let kept = keep(&store, 1, 500, Lane::Large);
    assert!(matches!(store.unlink(kept.segment()), Err(WriteError::SegmentOpen { .. })));
    store.close().unwrap();
    kept.assert_reads(&store);
    store.unlink(kept.segment()).unwrap();
    assert!(matches!(kept.read(&store), Err(ReadError::SegmentGone { segment }) if segment == kept.segment()));
    assert!(matches!(store.scan(kept.segment()), Err(ReadError::SegmentGone { .. })));
    assert!(matches!(store.unlink(kept.segment()), Err(WriteError::SegmentGone { .. })));
    let live = [(TENANT, kept.staged.blob, kept.staged.place.clone())];
    assert!(matches!(
        store.relocate(&live),
        Err(WriteError::Source(ReadError::SegmentGone { .. })) | Err(WriteError::Closed)
    ));
}

#[test]
fn a_segment_finished_early_is_kept_and_later_records_go_to_another() {
    let memory = Memory::new();
    let store = on(&memory);
    for lane in [Lane::Small, Lane::Large] {
        let before = keep(&store, 1, 500, lane);
        store.finish(before.segment()).unwrap();
        store.finish(before.segment()).unwrap();
        let info = store.segments().into_iter().find(|info| info.segment == before.segment()).unwrap();
        assert_eq!(info.state, SegmentState::Sealed);
        let after = keep(&store, 2, 500, lane);
        assert_ne!(before.segment(), after.segment());
        before.assert_reads(&on(&memory.crash(|_, _| false)));
        store.unlink(before.segment()).unwrap();
        store.finish(before.segment()).unwrap();
        after.assert_reads(&store);
    }
}

#[test]
fn many_writers_lose_nothing_while_segments_are_finished_under_them() {
    let memory = Memory::new();
    let store = on(&memory);
    let kept = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, kept, done) = (&store, &kept, &done);
        let writers: Vec<_> = (0..4_u64)
            .map(|writer| {
                scope.spawn(move || {
                    for n in 0..50 {
                        let lane = if writer % 2 == 0 { Lane::Small } else { Lane::Large };
                        let one = keep(store, writer * 100 + n, 500, lane);
                        match lane {
                            Lane::Small => store.sync_small().unwrap(),
                            Lane::Large => store.sync(&[one.segment()]).unwrap(),
                        }
                        kept.lock().push(one);
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                store.segments().iter().for_each(|info| store.finish(info.segment).unwrap());
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
    });
    // Whatever a sync promised is there after a crash.
    let after = on(&memory.crash(|_, _| false));
    kept.into_inner().iter().for_each(|kept| kept.assert_reads(&after));
}

#[test]
fn inline_places_stay_when_relocated() {
    let store = on(&Memory::new());
    let kept = keep(&store, 1, 10, Lane::Small);
    let live = [(TENANT, kept.staged.blob, kept.staged.place.clone())];
    assert_eq!(store.relocate(&live).unwrap(), live);
}

/// Holds back the writes that come while it is shut, until they are released in the order they came.
#[derive(Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

#[derive(Default)]
struct GateState {
    shut: bool,
    held: usize,
    released: usize,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        if state.shut {
            let ticket = state.held;
            state.held += 1;
            self.changed.notify_all();
            self.changed.wait_while(&mut state, |state| state.released <= ticket);
        }
    }

    /// Holds the next `writers` and lets pass whoever comes after them.
    fn hold(&self, writers: usize, arrive: impl FnOnce()) {
        let held = {
            let mut state = self.state.lock();
            state.shut = true;
            state.held + writers
        };
        arrive();
        self.changed.wait_while(&mut self.state.lock(), |state| state.held < held);
        self.state.lock().shut = false;
    }

    fn release(&self, writers: usize) {
        self.state.lock().released += writers;
        self.changed.notify_all();
    }
}

struct Gated {
    memory: Memory,
    gate: Arc<Gate>,
    /// Holds back segments that are being made.
    making: Arc<Gate>,
}

struct GatedFile {
    file: Arc<dyn SegmentFile>,
    gate: Arc<Gate>,
}

impl Backend for Gated {
    fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.memory.list()
    }

    fn create(&self, segment: SegmentId, bytes: u64, head: &[u8]) -> io::Result<Arc<dyn SegmentFile>> {
        self.making.pass();
        let file = self.memory.create(segment, bytes, head)?;
        Ok(Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) }))
    }

    fn open(&self, segment: SegmentId) -> io::Result<Arc<dyn SegmentFile>> {
        self.memory.open(segment)
    }

    fn unlink(&self, segment: SegmentId) -> io::Result<()> {
        self.memory.unlink(segment)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.memory.free_bytes()
    }
}

impl SegmentFile for GatedFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.gate.pass();
        self.file.write_at(offset, bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }
}

fn gated() -> (BlobStore, Memory, Arc<Gate>) {
    let (memory, gate) = (Memory::new(), Arc::new(Gate::default()));
    let backend = Gated { memory: memory.clone(), gate: Arc::clone(&gate), making: Arc::default() };
    (BlobStore::open_on(Arc::new(backend), options()).unwrap(), memory, gate)
}

#[test]
fn a_sync_waits_for_all_records_that_begin_before_its_own() {
    let (store, memory, gate) = gated();
    std::thread::scope(|scope| {
        let store = &store;
        let mut slow = Vec::new();
        gate.hold(1, || slow.push(scope.spawn(|| keep(store, 1, 500, Lane::Small))));
        gate.hold(1, || slow.push(scope.spawn(|| keep(store, 2, 500, Lane::Small))));
        let fast = keep(store, 3, 500, Lane::Small);
        // The first is written now, later than what stands behind the second.
        gate.release(1);
        let first: Kept = slow.remove(0).join().unwrap();
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            store.sync_small().unwrap();
            tell.send(()).unwrap();
        });
        // `fast` was written, but a crash now would leave a hole before it.
        let early = told.recv_timeout(Duration::from_millis(50)).is_ok();
        gate.release(1);
        assert!(!early, "the sync claimed a record behind a hole");
        told.recv_timeout(Duration::from_secs(10)).expect("the sync goes on once the hole is filled");
        let second = slow.remove(0).join().unwrap();
        assert!(first.offset() < second.offset() && second.offset() < fast.offset());
        let after = on(&memory.crash(|_, _| false));
        [first, second, fast].iter().for_each(|kept| kept.assert_reads(&after));
    });
}

#[test]
fn writers_side_by_side_spread_over_segments_up_to_the_bound() {
    let (store, _, gate) = gated();
    std::thread::scope(|scope| {
        let store = &store;
        let mut writers = Vec::new();
        gate.hold(6, || writers.extend((0..6).map(|n| scope.spawn(move || keep(store, n, 500, Lane::Large)))));
        let open = store.segments().len();
        gate.release(6);
        for writer in writers {
            writer.join().unwrap().assert_reads(store);
        }
        assert_eq!(open, 3, "four at most, one of them for small content");
    });
    // One writer alone stays with a segment that it finds idle.
    let used: BTreeSet<_> = (0..4).map(|n| keep(&store, n, 100, Lane::Large).segment()).collect();
    assert_eq!((used.len(), store.segments().len()), (1, 3));
}

#[test]
fn a_segment_that_is_slow_to_be_made_is_one_that_a_write_may_go_to() {
    let (memory, making) = (Memory::new(), Arc::new(Gate::default()));
    let backend = Gated { memory: memory.clone(), gate: Arc::default(), making: Arc::clone(&making) };
    let store = BlobStore::open_on(Arc::new(backend), options()).unwrap();
    std::thread::scope(|scope| {
        let store = &store;
        let mut slow = Vec::new();
        making.hold(1, || slow.push(scope.spawn(|| keep(store, 1, 500, Lane::Large))));
        let fast = keep(store, 2, 500, Lane::Small);
        // A write that begins now and goes to the large lane will find the slow one.
        let oldest = store.oldest_open_segment();
        making.release(1);
        let slow = slow.remove(0).join().unwrap();
        assert!(slow.segment() < fast.segment());
        assert_eq!(oldest, slow.segment(), "sweep would take what such a write leaves in it for dead");
    });
}
