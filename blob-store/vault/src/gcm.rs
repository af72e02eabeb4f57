//! AES-256-GCM (NIST SP 800-38D) over bytes where they lie.
//!
//! Owns: the one place that calls AWS-LC, whose assembly is four to five times as fast as portable Rust (decision 0019).
//! Does not own: nonces, associated data, what a tag's failure means to whom.
//! A cipher's memory is AWS-LC's own, and wiped by it when it is given back.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::blob::Forged;

/// Bytes of a nonce. Part of the format.
pub(crate) const GCM_NONCE_BYTES: usize = 12;

/// Bytes of an authentication tag. Part of the format.
pub(crate) const TAG_BYTES: usize = 16;

/// A key, ready for use. "Less safe" is AWS-LC's name for keys whose nonces the caller chooses.
pub(crate) struct Gcm(LessSafeKey);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key")))
    }

    /// Encrypts `text[from..]` where it lies and appends the tag.
    pub(crate) fn seal_tail(&self, nonce: [u8; GCM_NONCE_BYTES], aad: &[u8], text: &mut Vec<u8>, from: usize) {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text[from..]);
        text.extend_from_slice(tag.expect("no text here is near GCM's 64 GiB").as_ref());
    }

    /// Appends the plaintext of ciphertext and tag to `out`. On an error `out` is as it was.
    pub(crate) fn open_onto(
        &self,
        nonce: [u8; GCM_NONCE_BYTES],
        aad: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Forged> {
        let from = out.len();
        out.extend_from_slice(sealed);
        let opened = self.open_in_place(nonce, aad, &mut out[from..]);
        out.truncate(from + *opened.as_ref().unwrap_or(&0));
        opened.map(|_| ())
    }

    /// Decrypts ciphertext and tag where they lie. How many bytes of plaintext `text` begins with then.
    pub(crate) fn open_in_place(
        &self,
        nonce: [u8; GCM_NONCE_BYTES],
        aad: &[u8],
        text: &mut [u8],
    ) -> Result<usize, Forged> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.0.open_in_place(nonce, Aad::from(aad), text).map(|plain| plain.len()).map_err(|_| Forged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test cases 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), whose keys have 256 bits.
    #[test]
    fn the_published_vectors() {
        let bytes = |text: &str| hex::decode(text).expect("hex");
        let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
        let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                    b16aedf5aa0de657ba637b391aafd255";
        let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                      c5f61e6393ba7a0abcc9f662898015ad";
        let zeros = "00".repeat(32);
        for (key, nonce, aad, text, expected) in [
            (zeros.as_str(), "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b".to_owned()),
            (
                zeros.as_str(),
                "000000000000000000000000",
                "",
                "00000000000000000000000000000000",
                "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919".to_owned(),
            ),
            (key, "cafebabefacedbaddecaf888", "", text, format!("{sealed}b094dac5d93471bdec1a502270e3cc6c")),
            (
                key,
                "cafebabefacedbaddecaf888",
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                &text[..120],
                format!("{}76fc6ece0f4e1768cddf8853bb2d551b", &sealed[..120]),
            ),
        ] {
            let gcm = Gcm::new(&bytes(key).try_into().expect("a key"));
            let (nonce, aad) = (bytes(nonce).try_into().expect("a nonce"), bytes(aad));
            let mut out = bytes(text);
            gcm.seal_tail(nonce, &aad, &mut out, 0);
            assert_eq!(hex::encode(&out), expected);
            let opened = gcm.open_in_place(nonce, &aad, &mut out).expect("opens");
            assert_eq!(out[..opened], bytes(text));
        }
    }
}
