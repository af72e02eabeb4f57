//! The proof: chains, Merkle tree, offline verification. Pure.
//!
//! Owns: how records are hashed, what makes a run of records one unbroken log.
//! Does not own: storing, sealing, what an event means, signatures.
//! Invariant: hashes are over raw bytes as they were stored; nothing is encoded again.

mod chain;
mod merkle;

pub use chain::{Chain, ChainError, Misfit};
pub use merkle::{heads_digest, leaf, node, root};
