use std::cell::Cell;
use std::convert::Infallible;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::merkle::{leaf, node, root};

/// Inputs of the Certificate Transparency reference tree.
const INPUTS: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Its published inclusion proofs: leaf from 0, size, hashes.
const PATHS: &[(u64, u64, &[&str])] = &[
    (0, 1, &[]),
    (
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// Its published consistency proofs: sizes, hashes.
const GROWTHS: &[(u64, u64, &[&str])] = &[
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// A tree of leaves in memory, which counts what it is asked.
struct Tree {
    leaves: Vec<LeafHash>,
    asked: Cell<usize>,
}

impl Tree {
    fn of(leaves: Vec<LeafHash>) -> Self {
        Self { leaves, asked: Cell::new(0) }
    }

    /// A leaf for every number.
    fn numbered(size: u64) -> Self {
        Self::of((0..size).map(|number| leaf(&number.to_be_bytes())).collect())
    }

    fn root(&self, size: u64) -> LeafHash {
        root(self.leaves[..usize::try_from(size).expect("small")].iter().copied())
    }
}

impl Nodes for Tree {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<LeafHash, Infallible> {
        self.asked.set(self.asked.get() + 1);
        let from = usize::try_from(index << level).expect("small");
        Ok(root(self.leaves[from..from + (1 << level)].iter().copied()))
    }
}

fn reference() -> Tree {
    Tree::of(INPUTS.iter().map(|input| leaf(&hex::decode(input).expect("hex"))).collect())
}

fn texts(hashes: &[LeafHash]) -> Vec<String> {
    hashes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_reference_tree_of_certificate_transparency() {
    let tree = reference();
    for (index, size, expected) in PATHS {
        let proof = inclusion(&tree, *index, *size).expect("made");
        assert_eq!(texts(&proof), *expected, "leaf {index} of {size}");
        let leaf = tree.leaves[usize::try_from(*index).expect("small")];
        verify_inclusion(leaf, *index, *size, &proof, tree.root(*size)).expect("verifies");
    }
    for (from, to, expected) in GROWTHS {
        let proof = consistency(&tree, *from, *to).expect("made");
        assert_eq!(texts(&proof), *expected, "{from} to {to}");
        verify_consistency(*from, tree.root(*from), *to, tree.root(*to), &proof).expect("verifies");
    }
}

#[test]
fn every_proof_of_every_small_tree_verifies() {
    let tree = Tree::numbered(70);
    for size in 0..=70 {
        assert_eq!(root_of(&tree, size).expect("made"), tree.root(size));
        for index in 0..size {
            let proof = inclusion(&tree, index, size).expect("made");
            let leaf = tree.leaves[usize::try_from(index).expect("small")];
            verify_inclusion(leaf, index, size, &proof, tree.root(size)).expect("verifies");
        }
        for from in 0..=size {
            let proof = consistency(&tree, from, size).expect("made");
            verify_consistency(from, tree.root(from), size, tree.root(size), &proof).expect("verifies");
        }
    }
}

#[test]
fn outside_of_a_tree_there_is_no_proof() {
    let tree = Tree::numbered(4);
    assert_eq!(inclusion(&tree, 4, 4), Err(MakeError::Outside { asked: 4, size: 4 }));
    assert_eq!(inclusion(&tree, 0, 0), Err(MakeError::Outside { asked: 0, size: 0 }));
    assert_eq!(consistency(&tree, 4, 3), Err(MakeError::Outside { asked: 4, size: 3 }));
    let root = tree.root(4);
    let outside = ProofError::Outside { asked: 4, size: 4 };
    assert_eq!(verify_inclusion(root, 4, 4, &[], root), Err(outside));
    assert_eq!(verify_consistency(5, root, 4, root, &[]), Err(ProofError::Outside { asked: 5, size: 4 }));
}

#[test]
fn only_the_empty_tree_is_the_beginning_of_every_tree() {
    let (tree, empty) = (Tree::numbered(3), LeafHash(Sha256::digest([]).into()));
    verify_consistency(0, empty, 3, tree.root(3), &[]).expect("verifies");
    verify_consistency(0, empty, 0, empty, &[]).expect("verifies");
    for (from, to, proof) in [(tree.root(1), tree.root(3), vec![]), (empty, tree.root(3), vec![empty])] {
        assert!(verify_consistency(0, from, 3, to, &proof).is_err());
    }
    assert_eq!(verify_consistency(0, empty, 0, tree.root(1), &[]), Err(ProofError::Root));
    assert_eq!(verify_consistency(3, tree.root(2), 3, tree.root(3), &[]), Err(ProofError::Root));
    assert!(verify_consistency(3, tree.root(3), 3, tree.root(3), &[empty]).is_err());
}

#[test]
fn what_a_proof_costs_grows_as_the_depth() {
    /// Nodes of a tree so large that nothing but asking for few of them ends.
    fn asked(prove: impl Fn(&dyn Fn(u8, u64) -> Result<LeafHash, Infallible>)) -> u32 {
        let asked = Cell::new(0);
        prove(&|level, index| {
            assert!(u128::from(index) < u128::from(u64::MAX) >> level, "complete within the tree");
            asked.set(asked.get() + 1);
            Ok(leaf(&[level]))
        });
        asked.get()
    }
    let size = u64::MAX;
    let root = asked(|nodes| {
        root_of(&nodes, size).expect("made");
    });
    let path = asked(|nodes| {
        inclusion(&nodes, size / 3, size).expect("made");
    });
    let growth = asked(|nodes| {
        consistency(&nodes, size / 3, size).expect("made");
    });
    assert_eq!(root, 64);
    assert!(path <= 128 && growth <= 128, "{path} {growth}");
}

/// Every way to change one thing of a list of hashes.
fn damaged(proof: &[LeafHash], which: usize, bit: usize) -> Vec<Vec<LeafHash>> {
    let mut out = Vec::new();
    let more = |at: usize, hash| {
        let mut longer = proof.to_vec();
        longer.insert(at, hash);
        longer
    };
    out.push(more(0, LeafHash([7; 32])));
    out.push(more(proof.len(), LeafHash([7; 32])));
    if let Some(last) = proof.last() {
        out.push(more(proof.len(), *last));
        let which = which % proof.len();
        let mut flipped = proof.to_vec();
        flipped[which].0[bit / 8 % 32] ^= 1 << (bit % 8);
        out.push(flipped);
        let mut dropped = proof.to_vec();
        dropped.remove(which);
        out.push(dropped);
        for other in 0..proof.len() {
            let mut swapped = proof.to_vec();
            swapped.swap(which, other);
            out.push(swapped);
        }
    }
    out.retain(|changed| changed != proof);
    out
}

proptest! {
    #[test]
    fn an_inclusion_proof_proves_its_leaf_at_its_index_in_its_tree_and_nothing_else(
        size in 1_u64..600, at: prop::sample::Index, other_size in 1_u64..600, other_at: u64, which: usize, bit in 0_usize..256
    ) {
        let tree = Tree::numbered(size.max(other_size));
        let index = at.index(usize::try_from(size).expect("small")) as u64;
        let (leaf, root) = (tree.leaves[usize::try_from(index).expect("small")], tree.root(size));
        let proof = inclusion(&tree, index, size).expect("made");
        prop_assert_eq!(verify_inclusion(leaf, index, size, &proof, root), Ok(()));
        for bad in damaged(&proof, which, bit) {
            prop_assert!(verify_inclusion(leaf, index, size, &bad, root).is_err());
        }
        let mut changed = leaf;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(changed, index, size, &proof, root).is_err());
        let mut changed = root;
        changed.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(leaf, index, size, &proof, changed).is_err());
        for other in [other_at, other_at % size, index ^ 1, index.wrapping_add(size)] {
            prop_assert!(other == index || verify_inclusion(leaf, other, size, &proof, root).is_err());
        }
        // A proof does not hold the size: another size may have the same path, never with its own root.
        if other_size != size && index < other_size {
            prop_assert!(verify_inclusion(leaf, index, other_size, &proof, tree.root(other_size)).is_err());
        }
    }

    #[test]
    fn a_consistency_proof_proves_these_two_trees_and_no_others(
        a in 1_u64..600, b in 1_u64..600, other in 1_u64..600, which: usize, bit in 0_usize..256
    ) {
        let (from, to) = (a.min(b), a.max(b));
        let tree = Tree::numbered(to.max(other));
        let roots = (tree.root(from), tree.root(to));
        let proof = consistency(&tree, from, to).expect("made");
        prop_assert_eq!(verify_consistency(from, roots.0, to, roots.1, &proof), Ok(()));
        for bad in damaged(&proof, which, bit) {
            prop_assert!(verify_consistency(from, roots.0, to, roots.1, &bad).is_err());
        }
        let flip = |mut hash: LeafHash| {
            hash.0[bit / 8] ^= 1 << (bit % 8);
            hash
        };
        prop_assert!(verify_consistency(from, flip(roots.0), to, roots.1, &proof).is_err());
        prop_assert!(verify_consistency(from, roots.0, to, flip(roots.1), &proof).is_err());
        if other != from {
            prop_assert!(verify_consistency(other, tree.root(other), to, roots.1, &proof).is_err() || other == to && from == to);
        }
        if other != to {
            prop_assert!(verify_consistency(from, roots.0, other, tree.root(other), &proof).is_err());
        }
    }

    #[test]
    fn a_log_that_was_changed_is_not_consistent_with_what_it_was(from in 1_u64..300, more in 1_u64..300, at: prop::sample::Index) {
        let (before, mut after) = (Tree::numbered(from), Tree::numbered(from + more));
        let changed = at.index(usize::try_from(from).expect("small"));
        after.leaves[changed] = leaf(b"another record");
        let proof = consistency(&after, from, from + more).expect("made");
        prop_assert!(verify_consistency(from, before.root(from), from + more, after.root(from + more), &proof).is_err());
    }

    #[test]
    fn no_proof_makes_verifying_panic(numbers: [u64; 2], hashes in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
        let proof: Vec<LeafHash> = hashes.into_iter().map(LeafHash).collect();
        let hash = node(LeafHash::default(), LeafHash::default());
        let _ = verify_inclusion(hash, numbers[0], numbers[1], &proof, hash);
        let _ = verify_consistency(numbers[0], hash, numbers[1], hash, &proof);
    }
}
