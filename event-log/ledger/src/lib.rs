//! The proof: chains, Merkle tree, offline verification. Pure.
