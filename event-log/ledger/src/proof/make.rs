//! Making roots and proofs out of complete subtrees.

use std::error::Error;

use schemas::LeafHash;
use sha2::{Digest, Sha256};

use super::Nodes;
use crate::merkle::node;

/// Why there is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeError<E: Error + 'static> {
    /// Asked about a leaf that the tree of this size has not, or about a tree larger than the one it should lie in.
    #[error("{asked} is outside a tree of {size}")]
    Outside {
        /// The index of the leaf, or the smaller size.
        asked: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// A node could not be had.
    #[error("a node of the tree is not to be had")]
    Node(#[source] E),
}

/// Root of the tree over the first `size` leaves; SHA-256 of nothing for none.
///
/// # Errors
/// What [`Nodes::node`] said.
pub fn root_of<N: Nodes>(nodes: &N, size: u64) -> Result<LeafHash, N::Error> {
    if size == 0 {
        return Ok(LeafHash(Sha256::digest([]).into()));
    }
    hash(nodes, 0, size)
}

/// Hashes that lead from leaf `index` to the root of the tree of `size`, nearest first.
///
/// # Errors
/// An index that is not below the size; what [`Nodes::node`] said.
pub fn inclusion<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<LeafHash>, MakeError<N::Error>>
where
    N::Error: Error + 'static,
{
    if index >= size {
        return Err(MakeError::Outside { asked: index, size });
    }
    let (mut from, mut to) = (0, size);
    let mut siblings = Vec::new();
    while to - from > 1 {
        let middle = from + split(to - from);
        if index < middle {
            siblings.push((middle, to));
            to = middle;
        } else {
            siblings.push((from, middle));
            from = middle;
        }
    }
    hashes(nodes, siblings)
}

/// Hashes that show the tree of `from` leaves to be the beginning of the tree of `to`. None when the sizes are equal, or
/// when the smaller tree is empty: every tree begins with that one.
///
/// # Errors
/// A `from` larger than `to`; what [`Nodes::node`] said.
pub fn consistency<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Vec<LeafHash>, MakeError<N::Error>>
where
    N::Error: Error + 'static,
{
    if from > to {
        return Err(MakeError::Outside { asked: from, size: to });
    }
    if from == 0 || from == to {
        return Ok(Vec::new());
    }
    let (mut begin, mut end) = (0, to);
    let mut subtrees = Vec::new();
    // Down to the last subtree of the smaller tree. `from` lies in (begin, end] all the way.
    while from != end {
        let middle = begin + split(end - begin);
        if from <= middle {
            subtrees.push((middle, end));
            end = middle;
        } else {
            subtrees.push((begin, middle));
            begin = middle;
        }
    }
    // One that begins at the first leaf is the smaller tree itself, whose root the verifier has.
    if begin > 0 {
        subtrees.push((begin, end));
    }
    hashes(nodes, subtrees)
}

/// Found from the root down, named from the leaves up.
fn hashes<N: Nodes>(nodes: &N, ranges: Vec<(u64, u64)>) -> Result<Vec<LeafHash>, MakeError<N::Error>>
where
    N::Error: Error + 'static,
{
    ranges.into_iter().rev().map(|(from, to)| hash(nodes, from, to).map_err(MakeError::Node)).collect()
}

/// Leaves of the left subtree of a tree of `size`: the largest power of two below it. For sizes from 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// Hash of a subtree of the tree, over the leaves from `from` up to and without `to`. As subtrees of such trees lie,
/// `from` is a multiple of every power of two that the complete parts of it have.
fn hash<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<LeafHash, N::Error> {
    let mut parts = Vec::new();
    let mut begin = from;
    while begin < to {
        let level = u64::BITS - 1 - (to - begin).leading_zeros();
        parts.push(nodes.node(u8::try_from(level).expect("below 64"), begin >> level)?);
        begin += 1 << level;
    }
    let last = parts.pop().expect("a subtree has a leaf");
    Ok(parts.into_iter().rev().fold(last, |right, left| node(left, right)))
}
