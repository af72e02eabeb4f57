//! Keys that customers hold (SSE-C): the blob keys of their objects are wrapped under these and nothing else.
//!
//! Owns: wrapping under such a key (see [`crate::envelope`] for the layout); telling whether a key is the one of before.
//! Does not own: the key. It arrives with a request, is never stored and is forgotten with it.
//!
//! A key's check, part of the format: 16 bytes of salt, then HMAC-SHA-256 of the salt under a key that HKDF derives from the
//! customer's key for this purpose. It tells the key from another and says nothing else about it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use schemas::BlobId;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::blob::BlobKey;
use crate::entropy;
use crate::envelope::{self, BlobScope};
use crate::error::VaultError;
use crate::ring::Derivation;
use crate::xaes::XaesKey;

const SALT_BYTES: usize = 16;
const CHECK_PURPOSE: &str = "customer-key-check";

/// A customer's key, for the length of one request.
pub struct CustomerKey {
    wrapping: XaesKey,
    checking: Zeroizing<[u8; 32]>,
}

impl CustomerKey {
    /// The key as the request carried it.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { wrapping: XaesKey::new(key), checking: Derivation::new(key).purpose_key(CHECK_PURPOSE) }
    }

    /// Wraps a blob's key.
    #[must_use]
    pub fn wrap_blob_key(&self, scope: BlobScope, blob: BlobId, key: &BlobKey) -> Vec<u8> {
        envelope::seal_customer_blob_key(&self.wrapping, &entropy::bytes(), scope, blob, key)
    }

    /// Unwraps a blob's key.
    ///
    /// # Errors
    /// [`VaultError::Forged`] for another customer key, another scope or blob, or changed bytes.
    pub fn unwrap_blob_key(&self, scope: BlobScope, blob: BlobId, wrapped: &[u8]) -> Result<BlobKey, VaultError> {
        envelope::open_customer_blob_key(&self.wrapping, scope, blob, wrapped)
            .map_err(|_| VaultError::Forged { what: "blob key under a customer's key" })
    }

    /// What to keep so that this key is known again. Salted: two checks of one key differ.
    #[must_use]
    pub fn check(&self) -> Vec<u8> {
        let salt: [u8; SALT_BYTES] = entropy::bytes();
        let mut check = salt.to_vec();
        check.extend_from_slice(&self.mac(&salt).finalize().into_bytes());
        check
    }

    /// Whether a check was made of this key.
    #[must_use]
    pub fn made(&self, check: &[u8]) -> bool {
        let Some((salt, digest)) = check.split_first_chunk::<SALT_BYTES>() else { return false };
        // Takes as long wherever the two differ.
        self.mac(salt).verify_slice(digest).is_ok()
    }

    fn mac(&self, salt: &[u8; SALT_BYTES]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&*self.checking).expect("HMAC takes any key").chain_update(salt)
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_knows_its_key_and_no_other() {
        let key = CustomerKey::new(&[1; 32]);
        let check = key.check();
        assert!(key.made(&check) && CustomerKey::new(&[1; 32]).made(&check));
        assert!(!CustomerKey::new(&[2; 32]).made(&check));
        assert_ne!(check, key.check(), "salted");
        crate::envelope::tests::for_every_flipped_bit(&check, |bad| assert!(!key.made(bad)));
        for length in 0..check.len() {
            assert!(!key.made(&check[..length]), "{length} bytes");
        }
    }

    #[test]
    fn the_layout_of_a_check_stays() {
        let check = "7a0f4376cc557270629aca321c950a6f12ec2a0454a9a84879c8cea488d2fa35";
        assert_eq!(hex::encode(CustomerKey::new(&[1; 32]).mac(&[5; 16]).finalize().into_bytes()), check);
    }
}
