//! Signatures inside a body: each chunk's and the trailer's, chained from the request's own.

use sha2::{Digest, Sha256};

use super::keys::{SigningKey, is_signature};

/// SHA-256 of nothing, in hex: a fixed line of a chunk's string to sign.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Verifies the signatures in one body, in their order.
#[derive(Debug, Clone)]
pub struct ChunkSigning {
    key: SigningKey,
    timestamp: String,
    scope: String,
    previous: [u8; 32],
}

impl ChunkSigning {
    pub(super) fn new(key: SigningKey, timestamp: String, scope: String, seed: [u8; 32]) -> Self {
        Self { key, timestamp, scope, previous: seed }
    }

    /// Whether `signature` is the next chunk's, whose data has this SHA-256.
    pub(crate) fn is_next_chunk(&mut self, data_sha256: &[u8; 32], signature: &str) -> bool {
        let digests = format!("{EMPTY}\n{}", hex::encode(data_sha256));
        self.is_next("AWS4-HMAC-SHA256-PAYLOAD", &digests, signature)
    }

    /// Whether `signature` is that of the trailer: `name:value\n` for each line.
    pub(crate) fn is_trailer(&mut self, trailer: &[u8], signature: &str) -> bool {
        let digest = hex::encode(Sha256::digest(trailer));
        self.is_next("AWS4-HMAC-SHA256-TRAILER", &digest, signature)
    }

    fn is_next(&mut self, what: &str, digests: &str, signature: &str) -> bool {
        let previous = hex::encode(self.previous);
        let text = format!("{what}\n{}\n{}\n{previous}\n{digests}", self.timestamp, self.scope);
        self.previous = self.key.sign(text.as_bytes());
        is_signature(&self.previous, signature)
    }
}
