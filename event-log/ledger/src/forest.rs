//! Subtrees over a run of leaves: what stands, in a proof, for the records that an export leaves out.
//!
//! Owns: which subtrees a run of leaves falls into, and the root when the run is a whole log.
//! Does not own: proofs of single leaves ([`crate::proof`](crate::inclusion)).
//! Invariant: a run falls into the same subtrees however its leaves and subtrees were added. With the positions of the exported
//! records and the size of the tree, which hashes a proof has, and where each stands, is settled before one of them is read: whoever
//! leads to the root with them has shown each exported record to be at its position.

use schemas::LeafHash;
use sha2::{Digest, Sha256};

use crate::merkle::node;

/// Complete subtrees over the leaves from one position up to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forest {
    from: u64,
    next: u64,
    /// Leaves of each subtree, and its hash; from left to right.
    trees: Vec<(u64, LeafHash)>,
}

/// Leaves of each of the subtrees that the leaves from `from` up to and without `to` fall into, from left to right: each the largest
/// that begins where the one before ended.
pub fn tree_sizes(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let mut next = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(next).filter(|left| *left > 0)?;
        let fits = 1 << left.ilog2();
        let size = if next == 0 { fits } else { fits.min(1 << next.trailing_zeros()) };
        next += size;
        Some(size)
    })
}

impl Forest {
    /// Over no leaf yet.
    #[must_use]
    pub fn at(from: u64) -> Self {
        Self { from, next: from, trees: Vec::new() }
    }

    /// Position of the leaf that comes next.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: LeafHash) {
        self.push_tree(1, leaf);
    }

    /// Adds a subtree that [`tree_sizes`] names.
    ///
    /// # Panics
    /// For a size that no subtree which begins here has.
    pub fn push_tree(&mut self, size: u64, hash: LeafHash) {
        assert!(size.is_power_of_two() && self.next.is_multiple_of(size), "subtrees begin at multiples of their size");
        let (mut size, mut hash, mut start) = (size, hash, self.next);
        self.next += size;
        while let Some((before, left)) = self.trees.last().copied()
            && before == size
            && (start - size).is_multiple_of(2 * size)
        {
            self.trees.pop();
            (start, size, hash) = (start - size, 2 * size, node(left, hash));
        }
        self.trees.push((size, hash));
    }

    /// Adds what follows.
    ///
    /// # Panics
    /// When something else follows.
    pub fn append(&mut self, other: &Forest) {
        assert_eq!(self.next, other.from, "runs follow one another");
        for (size, hash) in &other.trees {
            self.push_tree(*size, *hash);
        }
    }

    /// Hash of each subtree, from left to right.
    pub fn hashes(&self) -> impl Iterator<Item = LeafHash> {
        self.trees.iter().map(|(_, hash)| *hash)
    }

    /// Root of the tree over all leaves; none unless the run begins with the first leaf.
    #[must_use]
    pub fn root(&self) -> Option<LeafHash> {
        if self.from != 0 {
            return None;
        }
        let mut hashes = self.trees.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = hashes.next() else { return Some(LeafHash(Sha256::digest([]).into())) };
        Some(hashes.fold(last, |right, left| node(left, right)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{leaf, root};

    fn leaves(from: u64, to: u64) -> Vec<LeafHash> {
        (from..to).map(|position| leaf(&position.to_be_bytes())).collect()
    }

    fn forest(from: u64, to: u64) -> Forest {
        let mut forest = Forest::at(from);
        leaves(from, to).into_iter().for_each(|leaf| forest.push(leaf));
        forest
    }

    #[test]
    fn runs_fall_into_the_largest_subtrees() {
        for (from, to, expected) in [
            (0, 0, vec![]),
            (0, 1, vec![1]),
            (0, 13, vec![8, 4, 1]),
            (1, 8, vec![1, 2, 4]),
            (3, 13, vec![1, 4, 4, 1]),
            (6, 7, vec![1]),
            (u64::MAX - 1, u64::MAX, vec![1]),
            (5, 4, vec![]),
        ] {
            assert_eq!(tree_sizes(from, to).collect::<Vec<_>>(), expected, "{from} to {to}");
        }
    }

    #[test]
    fn the_root_of_a_whole_log_is_the_tree_s() {
        for size in 0..40 {
            assert_eq!(forest(0, size).root(), Some(root(leaves(0, size))), "tree of {size}");
        }
        assert_eq!(forest(1, 3).root(), None);
    }

    proptest! {
        #[test]
        fn leaves_make_the_subtrees_that_sizes_name(from in 0u64..200, length in 0u64..200) {
            let forest = forest(from, from + length);
            let sizes: Vec<u64> = forest.trees.iter().map(|(size, _)| *size).collect();
            prop_assert_eq!(sizes, tree_sizes(from, from + length).collect::<Vec<_>>());
        }

        /// What an export does: some leaves are shown, the others stand as subtrees.
        #[test]
        fn shown_leaves_and_the_subtrees_between_them_lead_to_the_root(
            size in 1u64..300,
            shown in prop::collection::btree_set(0u64..300, 0..20),
        ) {
            let mut all = Forest::at(0);
            let mut seen = all.next();
            for position in shown.into_iter().filter(|position| *position < size).chain([size]) {
                let gap = forest(seen, position);
                prop_assert_eq!(tree_sizes(seen, position).count(), gap.hashes().count());
                for (tree, hash) in tree_sizes(seen, position).zip(gap.hashes()) {
                    all.push_tree(tree, hash);
                }
                if position < size {
                    all.push(leaf(&position.to_be_bytes()));
                }
                seen = position + 1;
            }
            prop_assert_eq!(all.root(), Some(root(leaves(0, size))));
        }

        #[test]
        fn runs_joined_are_the_run(cuts in prop::array::uniform3(0u64..150)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut joined = forest(cuts[0], cuts[1]);
            joined.append(&forest(cuts[1], cuts[2]));
            prop_assert_eq!(joined, forest(cuts[0], cuts[2]));
        }
    }
}
