//! Proofs of RFC 6962 section 2.1 (RFC 9162 the same): that a record is in a log, and that a log only grew.
//!
//! Owns: which subtrees a proof names and in which order, and checking one.
//! Does not own: where the hashes of complete subtrees are kept ([`Nodes`]), signatures ([`crate::Checkpoint`]).
//! Invariant: making a proof or a root asks for O(log size) nodes, each of them complete within the tree of that size.

mod make;
mod verify;

#[cfg(test)]
mod tests;

use schemas::LeafHash;

pub use make::{MakeError, consistency, inclusion, root_of};
pub use verify::{ProofError, verify_consistency, verify_inclusion};

/// Hashes of the complete subtrees of one log.
///
/// Level 0 are the leaves; the node at (level, index) stands over the leaves `index << level` up to and without
/// `(index + 1) << level`, all of which are in the log.
pub trait Nodes {
    /// Why a node could not be had.
    type Error;

    /// The hash of one complete subtree.
    ///
    /// # Errors
    /// Whatever keeps it from being known; the proof is then not made.
    fn node(&self, level: u8, index: u64) -> Result<LeafHash, Self::Error>;
}

impl<E, F: Fn(u8, u64) -> Result<LeafHash, E>> Nodes for F {
    type Error = E;

    fn node(&self, level: u8, index: u64) -> Result<LeafHash, E> {
        self(level, index)
    }
}
