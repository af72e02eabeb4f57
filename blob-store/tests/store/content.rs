use std::{cell::RefCell, collections::HashMap, error::Error};

use blob_store::{
    BlobStore, Lane, ReadError,
    backend::Memory,
    content::{Directory, Found, PartRange, Piece, part_range, pieces},
};
use proptest::prelude::*;
use schemas::{
    BlobId, TenantId,
    content::{Content, Manifest, ManifestEntry, Root},
};

use crate::support::{TENANT, noise, on};

/// A store and the rows that a pipeline would keep.
struct World {
    store: BlobStore,
    rows: HashMap<BlobId, Found>,
    asked: RefCell<Vec<BlobId>>,
}

impl Directory for World {
    fn find(&self, tenant: TenantId, blob: BlobId) -> Result<Option<Found>, Box<dyn Error + Send + Sync>> {
        assert_eq!(tenant, TENANT);
        self.asked.borrow_mut().push(blob);
        Ok(self.rows.get(&blob).cloned())
    }
}

impl World {
    fn new() -> Self {
        World { store: on(&Memory::new()), rows: HashMap::new(), asked: RefCell::default() }
    }

    fn blob(&mut self, plaintext: &[u8]) -> ManifestEntry {
        let staged = self.store.write(TENANT, plaintext, Lane::Large).unwrap();
        let found = Found { key: staged.key, place: staged.place, size_bytes: staged.size_bytes };
        self.rows.insert(staged.blob, found);
        ManifestEntry { is_manifest: false, blob: staged.blob, size_bytes: plaintext.len() as u64 }
    }

    fn manifest(&mut self, parts: bool, entries: Vec<ManifestEntry>) -> ManifestEntry {
        let size_bytes = entries.iter().map(|entry| entry.size_bytes).sum();
        let entry = self.blob(&Manifest { parts, entries }.encode());
        ManifestEntry { is_manifest: true, size_bytes, ..entry }
    }

    fn pieces(&self, root: &ManifestEntry, start: u64, end: u64) -> Result<Vec<Piece>, ReadError> {
        pieces(&self.store, self, TENANT, &content(root), start..end)
    }

    fn read(&self, root: &ManifestEntry, start: u64, end: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for Piece { blob, range } in self.pieces(root, start, end).unwrap() {
            assert!(!range.is_empty());
            let found = &self.rows[&blob];
            out.extend(self.store.read(TENANT, blob, &found.key, &found.place, range).unwrap());
        }
        out
    }

    fn part(&self, root: &ManifestEntry, number: u32) -> Option<PartRange> {
        part_range(&self.store, self, TENANT, &content(root), number).unwrap()
    }
}

fn content(root: &ManifestEntry) -> Content {
    let kind = if root.is_manifest { Root::Manifest } else { Root::Blob };
    Content { size_bytes: root.size_bytes, root: kind(root.blob) }
}

fn damage(result: Result<Vec<Piece>, ReadError>) -> &'static str {
    match result {
        Err(ReadError::Damaged { segment: None, what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_range_of_a_multipart_object_is_its_bytes(
        parts in prop::collection::vec(prop::collection::vec(0..900_usize, 1..4), 1..6), a in 0.0..=1.0, b in 0.0..=1.0,
    ) {
        let mut world = World::new();
        let mut whole = Vec::new();
        let entries = parts.iter().map(|sizes| {
            let pieces: Vec<_> = sizes.iter().map(|&size| {
                let bytes = noise(whole.len() as u64, size);
                whole.extend_from_slice(&bytes);
                world.blob(&bytes)
            }).collect();
            if let [one] = pieces[..] { one } else { world.manifest(false, pieces) }
        }).collect();
        let root = world.manifest(true, entries);
        let (a, b): (f64, f64) = (a, b);
        let at = |share: f64| (whole.len() as f64 * share) as u64;
        let (start, end) = (at(a.min(b)), at(a.max(b)));
        prop_assert_eq!(world.read(&root, start, end), &whole[start as usize..end as usize]);
        prop_assert_eq!(world.read(&root, 0, whole.len() as u64), &whole[..]);
        let mut at = 0;
        for (index, sizes) in parts.iter().enumerate() {
            let size = sizes.iter().sum::<usize>() as u64;
            let expected = PartRange { range: at..at + size, parts: parts.len() as u32 };
            prop_assert_eq!(world.part(&root, index as u32 + 1), Some(expected));
            at += size;
        }
        prop_assert_eq!(world.part(&root, 0), None);
        prop_assert_eq!(world.part(&root, parts.len() as u32 + 1), None);
    }
}

#[test]
fn only_manifests_that_overlap_the_range_are_read() {
    let mut world = World::new();
    let mut parts = Vec::new();
    for part in 0..3 {
        let blobs = (0..2).map(|n| world.blob(&noise(part * 2 + n, 100))).collect();
        parts.push(world.manifest(false, blobs));
    }
    let root = world.manifest(true, parts.clone());
    assert_eq!(world.pieces(&root, 250, 350).unwrap().len(), 2);
    assert_eq!(*world.asked.borrow(), [root.blob, parts[1].blob]);
    world.asked.borrow_mut().clear();
    assert_eq!(world.pieces(&root, 200, 200).unwrap(), []);
    assert!(world.asked.borrow().is_empty());
}

#[test]
fn pieces_are_a_mebibyte_at_most_and_end_where_frames_do() {
    const MIB: u64 = 1 << 20;
    let mut world = World::new();
    let blob = world.blob(&noise(1, 3 * MIB as usize + 5));
    let ranges =
        |start, end| world.pieces(&blob, start, end).unwrap().into_iter().map(|it| it.range).collect::<Vec<_>>();
    assert_eq!(ranges(0, 3 * MIB + 5), [0..MIB, MIB..2 * MIB, 2 * MIB..3 * MIB, 3 * MIB..3 * MIB + 5]);
    assert_eq!(ranges(7, MIB + 1), [7..MIB, MIB..MIB + 1]);
    assert_eq!(ranges(MIB, MIB), []);
}

#[test]
fn an_object_that_was_not_uploaded_in_parts_is_its_own_first_part() {
    let mut world = World::new();
    let blobs: Vec<_> = (0..2).map(|n| world.blob(&noise(n, 100))).collect();
    let whole = |size_bytes| Some(PartRange { range: 0..size_bytes, parts: 0 });
    assert_eq!(world.part(&blobs[0], 1), whole(100));
    assert_eq!(world.part(&blobs[0], 2), None);
    let root = world.manifest(false, blobs);
    assert_eq!((world.part(&root, 1), world.part(&root, 2)), (whole(200), None));
    let empty = Content { size_bytes: 0, root: Root::Empty };
    assert_eq!(part_range(&world.store, &world, TENANT, &empty, 1).unwrap(), whole(0));
    assert_eq!(pieces(&world.store, &world, TENANT, &empty, 0..0).unwrap(), []);
}

#[test]
fn manifests_nest_four_deep_and_no_deeper() {
    let mut world = World::new();
    let mut root = world.blob(&noise(1, 100));
    for _ in 0..4 {
        root = world.manifest(false, vec![root]);
    }
    assert_eq!(world.read(&root, 10, 90), noise(1, 100)[10..90]);
    root = world.manifest(false, vec![root]);
    assert_eq!(damage(world.pieces(&root, 0, 1)), "manifests nest too deep");
}

#[test]
fn sizes_that_do_not_add_up_are_damage() {
    let mut world = World::new();
    let blob = world.blob(&noise(1, 100));
    let lies = |size_bytes| ManifestEntry { size_bytes, ..blob };
    const WRONG: &str = "the sizes in a manifest do not add up";
    for (entries, claimed) in [
        (vec![blob], 101),
        (vec![blob, lies(5)], 100),
        (vec![], 1),
        (vec![lies(u64::MAX), lies(u64::MAX)], u64::MAX - 1),
        (vec![lies(u64::MAX), lies(2)], 1),
    ] {
        let entry = world.blob(&Manifest { parts: true, entries }.encode());
        let root = ManifestEntry { is_manifest: true, size_bytes: claimed, ..entry };
        assert_eq!(damage(world.pieces(&root, 0, 1)), WRONG);
        assert!(part_range(&world.store, &world, TENANT, &content(&root), 1).is_err());
    }
    let root = world.manifest(false, vec![lies((4 << 20) + 1)]);
    assert_eq!(damage(world.pieces(&root, 0, 1)), "a blob is larger than blobs are");
    let rootless = Content { size_bytes: 1, root: Root::Empty };
    assert_eq!(damage(pieces(&world.store, &world, TENANT, &rootless, 0..1)), "content of some size has no root");
}

#[test]
fn a_manifest_that_is_none_or_shorter_than_its_row_is_damage() {
    let mut world = World::new();
    let blob = world.blob(&noise(1, 100));
    let root = ManifestEntry { is_manifest: true, ..blob };
    assert_eq!(damage(world.pieces(&root, 0, 1)), "a manifest is malformed");
    let root = world.manifest(false, vec![blob]);
    world.rows.get_mut(&root.blob).unwrap().size_bytes += 1;
    assert_eq!(damage(world.pieces(&root, 0, 1)), "a manifest is shorter than the directory says");
}

#[test]
fn a_manifest_without_a_row_is_missing_and_ranges_are_checked() {
    let mut world = World::new();
    let blob = world.blob(&noise(1, 100));
    let root = world.manifest(false, vec![blob]);
    let out = world.pieces(&root, 0, 101);
    assert!(matches!(out, Err(ReadError::OutOfRange { size_bytes: 100 })));
    world.rows.clear();
    assert!(matches!(world.pieces(&root, 0, 100), Err(ReadError::Missing { blob }) if blob == root.blob));
}

struct Broken;

impl Directory for Broken {
    fn find(&self, _: TenantId, _: BlobId) -> Result<Option<Found>, Box<dyn Error + Send + Sync>> {
        Err("rows cannot be read".into())
    }
}

#[test]
fn a_directory_that_fails_is_told_apart_from_a_missing_blob() {
    let store = on(&Memory::new());
    let content = Content { size_bytes: 1, root: Root::Manifest(BlobId([1; 16])) };
    assert!(matches!(pieces(&store, &Broken, TENANT, &content, 0..1), Err(ReadError::Directory(_))));
}
