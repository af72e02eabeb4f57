//! Checking proofs, as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say step by step.

use schemas::LeafHash;
use sha2::{Digest, Sha256};

use crate::merkle::node;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No tree of this size has that leaf, or begins with a tree of that size.
    #[error("{asked} is outside a tree of {size}")]
    Outside {
        /// The index of the leaf, or the smaller size.
        asked: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// It has more or fewer hashes than a proof of these sizes has.
    #[error("a proof of these sizes does not have {hashes} hashes")]
    Length {
        /// Hashes it has.
        hashes: usize,
    },
    /// It leads to another root: of the tree, or of the smaller one.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that the leaf with this hash is number `index` of the tree of `size` leaves with this root.
///
/// # Errors
/// [`ProofError`] unless every hash is in its place.
pub fn verify_inclusion(
    leaf: LeafHash,
    index: u64,
    size: u64,
    proof: &[LeafHash],
    root: LeafHash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { asked: index, size });
    }
    let length = ProofError::Length { hashes: proof.len() };
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(length);
        }
        if at % 2 == 1 || at == last {
            hash = node(*sibling, hash);
            // A left subtree that has no right neighbour on this level is the same on the next.
            while at != 0 && at % 2 == 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = node(hash, *sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    match last {
        0 if hash == root => Ok(()),
        0 => Err(ProofError::Root),
        _ => Err(length),
    }
}

/// Checks that the tree of `from` leaves with `from_root` is the beginning of the tree of `to` leaves with `to_root`.
///
/// # Errors
/// [`ProofError`] unless every hash is in its place.
pub fn verify_consistency(
    from: u64,
    from_root: LeafHash,
    to: u64,
    to_root: LeafHash,
    proof: &[LeafHash],
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Outside { asked: from, size: to });
    }
    let length = ProofError::Length { hashes: proof.len() };
    let root = |fits| if fits { Ok(()) } else { Err(ProofError::Root) };
    if from == to || from == 0 {
        if !proof.is_empty() {
            return Err(length);
        }
        let empty = LeafHash(Sha256::digest([]).into());
        return root(
            (from == 0 || from_root == to_root) && (from > 0 || from_root == empty) && (to > 0 || to_root == empty),
        );
    }
    // A smaller tree that is one complete subtree is not named in the proof.
    let (first, rest) = match proof.split_first() {
        _ if from.is_power_of_two() => (from_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return Err(length),
    };
    let (mut at, mut last) = (from - 1, to - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let (mut smaller, mut larger) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(length);
        }
        if at % 2 == 1 || at == last {
            smaller = node(*sibling, smaller);
            larger = node(*sibling, larger);
            while at != 0 && at % 2 == 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            larger = node(larger, *sibling);
        }
        (at, last) = (at / 2, last / 2);
    }
    if last != 0 {
        return Err(length);
    }
    root(smaller == from_root && larger == to_root)
}
