//! The proof: chains, Merkle tree, checkpoints, offline verification. Pure.
//!
//! Owns: how records are hashed, what makes a run of records one unbroken log, proofs of the tree over them, signed
//! checkpoints and who has signed them.
//! Does not own: storing, sealing, what an event means, where the signing key and the nodes of the tree are kept.
//! Invariant: hashes are over raw bytes as they were stored; nothing is encoded again.

mod bucket_chain;
mod chain;
mod checkpoint;
pub mod export;
mod forest;
mod json;
mod line;
mod merkle;
mod note;
mod proof;

pub use bucket_chain::BucketChain;
pub use chain::{Chain, ChainError, Misfit};
pub use checkpoint::{Checkpoint, CheckpointError, origin};
pub use forest::{Forest, tree_sizes};
pub use json::NotMessagePack;
pub use line::{LineError, line};
pub use merkle::{heads_digest, leaf, node, root};
pub use note::{KeyError, NoteError, NoteKey, NoteSigner, open_note, sign_note};
pub use proof::{MakeError, Nodes, ProofError, consistency, inclusion, root_of, verify_consistency, verify_inclusion};
