//! XAES-256-GCM (C2SP): AES-256-GCM with a 192-bit nonce, by a fresh AES key for every message.
//!
//! Owns: the derivation, the construction. Does not own: nonces (callers draw them), what is sealed.
//! The message key of one ciphertext opens that one and says nothing about any other: an export hands it to an auditor.

use std::fmt;

use aes::Aes256Enc;
use aes::cipher::array::Array;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::{Zeroize, Zeroizing};

use crate::blob::Forged;
use crate::gcm::{GCM_NONCE_BYTES, Gcm};

/// Bytes of a nonce. Part of the format.
pub(crate) const NONCE_BYTES: usize = 24;

/// 192 bits, random for every message.
pub(crate) type Nonce = [u8; NONCE_BYTES];

/// A long-lived key, ready for use. K1, the same for every message, is computed once.
pub(crate) struct XaesKey {
    aes: Aes256Enc,
    k1: Zeroizing<[u8; 16]>,
}

impl XaesKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let aes = Aes256Enc::new(key.into());
        let mut l = Array::from([0; 16]);
        aes.encrypt_block(&mut l);
        // Doubling in GF(2^128) as CMAC does it: without a branch on the secret top bit.
        let value = u128::from_be_bytes(l.0);
        let k1 = (value << 1) ^ ((value >> 127) * 0b1000_0111);
        l.0.zeroize();
        Self { aes, k1: Zeroizing::new(k1.to_be_bytes()) }
    }

    /// The key of the one message with this nonce.
    pub(crate) fn message_key(&self, nonce: &Nonce) -> MessageKey {
        let mut blocks = [Array::from([0; 16]), Array::from([0; 16])];
        for (counter, block) in (1..).zip(&mut blocks) {
            block[..4].copy_from_slice(&[0, counter, b'X', 0]);
            block[4..].copy_from_slice(&nonce[..12]);
            for (byte, mask) in block.iter_mut().zip(self.k1.iter()) {
                *byte ^= mask;
            }
        }
        self.aes.encrypt_blocks(&mut blocks);
        let mut key = Zeroizing::new([0; 32]);
        let [left, right] = &mut blocks;
        key[..16].copy_from_slice(left);
        key[16..].copy_from_slice(right);
        left.0.zeroize();
        right.0.zeroize();
        MessageKey(key)
    }

    /// Encrypts `text[from..]` where it lies and appends the tag.
    pub(crate) fn seal_tail(&self, nonce: &Nonce, aad: &[u8], text: &mut Vec<u8>, from: usize) {
        self.message_key(nonce).gcm().seal_tail(gcm_nonce(nonce), aad, text, from);
    }
}

impl fmt::Debug for XaesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("XaesKey(…)")
    }
}

/// The key of one sealed message: opens that message and no other.
#[derive(Clone)]
pub struct MessageKey(Zeroizing<[u8; 32]>);

impl MessageKey {
    /// A key that was disclosed.
    #[must_use]
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key itself, to disclose it.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    fn gcm(&self) -> Gcm {
        Gcm::new(&self.0)
    }

    /// Opens ciphertext and tag.
    pub(crate) fn open(&self, nonce: &Nonce, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Forged> {
        let mut text = Vec::new();
        self.gcm().open_onto(gcm_nonce(nonce), aad, sealed, &mut text)?;
        Ok(text)
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageKey(…)")
    }
}

fn gcm_nonce(nonce: &Nonce) -> [u8; GCM_NONCE_BYTES] {
    let [.., a, b, c, d, e, f, g, h, i, j, k, l] = *nonce;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal(key: &[u8; 32], nonce: &Nonce, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut text = plaintext.to_vec();
        XaesKey::new(key).seal_tail(nonce, aad, &mut text, 0);
        text
    }

    /// Vectors published with the specification (C2SP, XAES-256-GCM.md).
    #[test]
    fn the_published_vectors() {
        let nonce = b"ABCDEFGHIJKLMNOPQRSTUVWX";
        let text = b"XAES-256-GCM";
        for (key, aad, expected) in [
            ([1; 32], b"".as_slice(), "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
            ([3; 32], b"c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
        ] {
            let sealed = seal(&key, nonce, aad, text);
            assert_eq!(hex::encode(&sealed), expected);
            let opened = XaesKey::new(&key).message_key(nonce).open(nonce, aad, &sealed);
            assert_eq!(opened.as_deref(), Ok(text.as_slice()));
        }
    }

    /// The two keys take different turns in the doubling, so both branches of its specification are covered.
    #[test]
    fn the_vectors_cover_both_top_bits() {
        let top_bit = |key: [u8; 32]| {
            let mut l = Array::from([0; 16]);
            Aes256Enc::new(&key.into()).encrypt_block(&mut l);
            l[0] >> 7
        };
        assert_ne!(top_bit([1; 32]), top_bit([3; 32]));
    }

    #[test]
    fn keys_are_wiped_when_they_are_dropped() {
        fn assert_wiped<T: zeroize::ZeroizeOnDrop>() {}
        assert_wiped::<Aes256Enc>();
        assert_wiped::<Zeroizing<[u8; 32]>>();
    }

    proptest! {
        #[test]
        fn a_message_reads_back_with_its_own_key_alone(
            key: [u8; 32],
            nonce: [u8; 24],
            aad: Vec<u8>,
            text: Vec<u8>,
            other: [u8; 24],
        ) {
            let sealed = seal(&key, &nonce, &aad, &text);
            let key = XaesKey::new(&key);
            prop_assert_eq!(key.message_key(&nonce).open(&nonce, &aad, &sealed), Ok(text));
            prop_assume!(nonce != other);
            prop_assert_eq!(key.message_key(&other).open(&other, &aad, &sealed), Err(Forged));
        }

        #[test]
        fn no_bytes_make_opening_panic(nonce: [u8; 24], sealed: Vec<u8>) {
            let key = MessageKey::from_bytes([9; 32]);
            prop_assert_eq!(key.open(&nonce, b"", &sealed), Err(Forged));
        }
    }
}
