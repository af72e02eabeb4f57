//! Receipts: what an answer carries so that its reader can prove the write later, without asking again.
//!
//! Owns: the text of a receipt, part of the API. Does not own: when one is waited for (doors).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;

use super::Inclusion;

/// In this order, without spaces.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipt<'a> {
    origin: &'a str,
    position: u64,
    leaf_hash: String,
    size: u64,
    proof: Vec<String>,
    checkpoint: &'a str,
}

impl Inclusion {
    /// The proof as one word that a header can carry: base64url, unpadded, of compact JSON; hashes in it are base64.
    ///
    /// # Panics
    /// Never: what it holds is text and numbers.
    #[must_use]
    pub fn receipt(&self) -> String {
        let receipt = Receipt {
            origin: &self.checkpoint.checkpoint.origin,
            position: self.position.0,
            leaf_hash: STANDARD.encode(self.leaf.0),
            size: self.size,
            proof: self.proof.iter().map(|hash| STANDARD.encode(hash.0)).collect(),
            checkpoint: &self.checkpoint.note,
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&receipt).expect("texts and numbers are JSON"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::Checkpoint;
    use schemas::{Epoch, LeafHash, Position};

    use super::*;
    use crate::proofs::SignedCheckpoint;

    #[test]
    fn a_receipt_is_one_word_of_json() {
        let checkpoint = Checkpoint { origin: "ab/t/1".to_owned(), size: 2, root: LeafHash([1; 32]) };
        let checkpoint = Arc::new(SignedCheckpoint { checkpoint, note: "the\nnote\n".to_owned(), epoch: Epoch(1) });
        let hash = LeafHash([255; 32]);
        let inclusion =
            Inclusion { position: Position(1), leaf: hash, size: 2, root: hash, proof: vec![hash], checkpoint };
        let receipt = inclusion.receipt();
        assert!(receipt.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(receipt).expect("base64url")).expect("text");
        let hash = "/".repeat(42) + "8=";
        assert_eq!(
            text,
            format!(
                r#"{{"origin":"ab/t/1","position":1,"leafHash":"{hash}","size":2,"proof":["{hash}"],"checkpoint":"the\nnote\n"}}"#
            )
        );
    }
}
