//! RFC 6962 section 2.1: leaf, node and tree hashes; and the digest that a seal carries.
//!
//! Owns: these hashes; part of the format.
//! Does not own: inclusion and consistency proofs, signatures.

use schemas::LeafHash;
use schemas::event::BucketHead;
use sha2::{Digest, Sha256};

/// Hash of one record: SHA-256(0x00 || record).
#[must_use]
pub fn leaf(record: &[u8]) -> LeafHash {
    LeafHash(Sha256::new().chain_update([0]).chain_update(record).finalize().into())
}

/// Hash of two subtrees: SHA-256(0x01 || left || right).
#[must_use]
pub fn node(left: LeafHash, right: LeafHash) -> LeafHash {
    LeafHash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// Merkle tree hash over leaves in order; SHA-256 of nothing for no leaf.
#[must_use]
pub fn root(leaves: impl IntoIterator<Item = LeafHash>) -> LeafHash {
    // Roots of complete subtrees, largest first; sizes are the one bits of the count so far.
    let mut subtrees: Vec<LeafHash> = Vec::new();
    for (count, leaf) in leaves.into_iter().enumerate() {
        let mut hash = leaf;
        for _ in 0..count.trailing_ones() {
            let left = subtrees.pop().expect("every one bit of the count has its subtree");
            hash = node(left, hash);
        }
        subtrees.push(hash);
    }
    let Some(last) = subtrees.pop() else { return LeafHash(Sha256::digest([]).into()) };
    subtrees.into_iter().rev().fold(last, |right, left| node(left, right))
}

/// What a seal says of all buckets: SHA-256 over each head's `id u64 BE | seq u64 BE | head`, by bucket id.
#[must_use]
pub fn heads_digest<'a>(heads: impl IntoIterator<Item = &'a BucketHead>) -> LeafHash {
    let mut hash = Sha256::new();
    for head in heads {
        hash.update(head.bucket.0.to_be_bytes());
        hash.update(head.seq.to_be_bytes());
        hash.update(head.head.0);
    }
    LeafHash(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Inputs and roots of the Certificate Transparency reference tree.
    const INPUTS: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn the_reference_tree_of_certificate_transparency() {
        for (size, expected) in ROOTS.iter().enumerate() {
            let leaves = INPUTS[..size].iter().map(|input| leaf(&hex::decode(input).expect("hex")));
            assert_eq!(root(leaves).to_string(), *expected, "tree of {size}");
        }
    }

    /// The definition of RFC 6962, word by word.
    fn defined(leaves: &[LeafHash]) -> LeafHash {
        match leaves {
            [] => LeafHash(Sha256::digest([]).into()),
            [one] => *one,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(defined(&leaves[..split]), defined(&leaves[split..]))
            }
        }
    }

    proptest! {
        #[test]
        fn a_root_is_what_the_rfc_defines(leaves in prop::collection::vec(any::<[u8; 32]>(), 0..70)) {
            let leaves: Vec<LeafHash> = leaves.into_iter().map(LeafHash).collect();
            prop_assert_eq!(root(leaves.iter().copied()), defined(&leaves));
        }
    }
}
