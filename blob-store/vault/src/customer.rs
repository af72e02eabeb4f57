//! Keys that customers hold (SSE-C): the blob keys of their objects are wrapped under these and nothing else.
//!
//! Owns: wrapping under such a key; see [`crate::envelope`] for the layout.
//! Does not own: the key. It arrives with a request, is never stored and is forgotten with it.

use std::fmt;

use schemas::BlobId;

use crate::blob::BlobKey;
use crate::entropy;
use crate::envelope::{self, BlobScope};
use crate::error::VaultError;
use crate::xaes::XaesKey;

/// A customer's key, for the length of one request.
pub struct CustomerKey(XaesKey);

impl CustomerKey {
    /// The key as the request carried it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(XaesKey::new(key))
    }

    /// Wraps a blob's key.
    #[must_use]
    pub fn wrap_blob_key(&self, scope: BlobScope, blob: BlobId, key: &BlobKey) -> Vec<u8> {
        envelope::seal_customer_blob_key(&self.0, &entropy::bytes(), scope, blob, key)
    }

    /// Unwraps a blob's key.
    ///
    /// # Errors
    /// [`VaultError::Forged`] for another customer key, another scope or blob, or changed bytes.
    pub fn unwrap_blob_key(&self, scope: BlobScope, blob: BlobId, wrapped: &[u8]) -> Result<BlobKey, VaultError> {
        envelope::open_customer_blob_key(&self.0, scope, blob, wrapped)
            .map_err(|_| VaultError::Forged { what: "blob key under a customer's key" })
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}
