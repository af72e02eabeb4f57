//! Blob keys, and the frames sealed under them.
//!
//! Owns: the sealed form of a frame. Does not own: frame sizes, compression, where frames lie.
//! Invariant: a blob key seals each frame number once. A blob is written by one attempt, under an id and a key made
//! for that attempt, so its frame numbers can be its nonces.
//!
//! Frame, part of the format: AES-256-GCM ciphertext, then the 16-byte tag.
//!
//! | input | bytes |
//! |---|---|
//! | key | the blob's, 32 random bytes |
//! | nonce | 8 zero bytes, frame number u32 BE (a 96-bit counter) |
//! | associated data | blob id 16, frame number u32 BE, last-frame flag u8 (0 or 1) |

use std::fmt;

use schemas::BlobId;
use zeroize::Zeroizing;

use crate::entropy;
use crate::gcm::{GCM_NONCE_BYTES, Gcm, TAG_BYTES};

/// Bytes a frame grows by when it is sealed. Part of the format.
pub const FRAME_OVERHEAD: usize = TAG_BYTES;

/// The bytes are not what was sealed under this key for this place: changed, moved, or another key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed bytes do not open: they were changed, moved or sealed under another key")]
pub struct Forged;

/// The key of one blob.
#[derive(Clone)]
pub struct BlobKey(Zeroizing<[u8; 32]>);

impl BlobKey {
    /// A new key.
    #[must_use]
    pub fn random() -> BlobKey {
        let mut key = Zeroizing::new([0; 32]);
        entropy::fill(&mut *key);
        BlobKey(key)
    }

    pub(crate) fn from_slice(key: &[u8]) -> Option<BlobKey> {
        let key: &[u8; 32] = key.try_into().ok()?;
        Some(BlobKey(Zeroizing::new(*key)))
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals and opens the frames of `blob`. Computes the key schedule: make one for a blob, not one for a frame.
    #[must_use]
    pub fn sealer(&self, blob: BlobId) -> FrameCipher {
        FrameCipher { gcm: Gcm::new(&self.0), blob }
    }
}

impl PartialEq for BlobKey {
    fn eq(&self, other: &BlobKey) -> bool {
        // Looks at every byte, so that the time it takes says nothing about where two keys differ.
        self.0.iter().zip(other.0.iter()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
    }
}

impl Eq for BlobKey {}

impl fmt::Debug for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKey(…)")
    }
}

/// Seals and opens the frames of one blob.
pub struct FrameCipher {
    gcm: Gcm,
    blob: BlobId,
}

impl FrameCipher {
    /// Appends the sealed frame to `out`: [`FRAME_OVERHEAD`] bytes more than `plaintext`. Seal each frame number once.
    pub fn seal(&self, frame: u32, last: bool, plaintext: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        out.reserve(plaintext.len() + FRAME_OVERHEAD);
        out.extend_from_slice(plaintext);
        self.gcm.seal_tail(nonce(frame), &self.aad(frame, last), out, from);
    }

    /// Appends the frame's plaintext to `out`.
    ///
    /// # Errors
    /// When these bytes were not sealed as this frame of this blob, with this flag; `out` is then as it was.
    pub fn open(&self, frame: u32, last: bool, sealed: &[u8], out: &mut Vec<u8>) -> Result<(), Forged> {
        self.gcm.open_onto(nonce(frame), &self.aad(frame, last), sealed, out)
    }

    /// Opens the frame that `text` holds where it lies. How many bytes of plaintext `text` begins with then.
    ///
    /// # Errors
    /// As [`FrameCipher::open`]; what `text` holds then means nothing.
    pub fn open_in_place(&self, frame: u32, last: bool, text: &mut [u8]) -> Result<usize, Forged> {
        self.gcm.open_in_place(nonce(frame), &self.aad(frame, last), text)
    }

    fn aad(&self, frame: u32, last: bool) -> [u8; 21] {
        let mut aad = [0; 21];
        aad[..16].copy_from_slice(&self.blob.0);
        aad[16..20].copy_from_slice(&frame.to_be_bytes());
        aad[20] = u8::from(last);
        aad
    }
}

impl fmt::Debug for FrameCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCipher").field("blob", &self.blob).finish_non_exhaustive()
    }
}

fn nonce(frame: u32) -> [u8; GCM_NONCE_BYTES] {
    let mut nonce = [0; GCM_NONCE_BYTES];
    nonce[8..].copy_from_slice(&frame.to_be_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOB: BlobId = BlobId([7; 16]);

    fn cipher() -> FrameCipher {
        BlobKey::from_slice(&[5; 32]).expect("32 bytes").sealer(BLOB)
    }

    fn sealed(frame: u32, last: bool, plaintext: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        cipher().seal(frame, last, plaintext, &mut out);
        out
    }

    proptest! {
        #[test]
        fn a_frame_reads_back_behind_what_was_there(frame: u32, last: bool, plaintext: Vec<u8>, before: Vec<u8>) {
            let mut out = before.clone();
            cipher().seal(frame, last, &plaintext, &mut out);
            prop_assert_eq!(&out[..before.len()], &before);
            let frame_bytes = &out[before.len()..];
            prop_assert_eq!(frame_bytes.len(), plaintext.len() + FRAME_OVERHEAD);
            let mut opened = before.clone();
            prop_assert_eq!(cipher().open(frame, last, frame_bytes, &mut opened), Ok(()));
            prop_assert_eq!(&opened[before.len()..], &plaintext);
        }

        #[test]
        fn a_frame_opens_nowhere_else(frame: u32, other: u32, last: bool, plaintext: Vec<u8>) {
            prop_assume!(frame != other);
            let bytes = sealed(frame, last, &plaintext);
            let mut out = vec![1];
            prop_assert_eq!(cipher().open(other, last, &bytes, &mut out), Err(Forged));
            prop_assert_eq!(cipher().open(frame, !last, &bytes, &mut out), Err(Forged));
            let other_blob = BlobKey::from_slice(&[5; 32]).expect("32 bytes").sealer(BlobId([8; 16]));
            prop_assert_eq!(other_blob.open(frame, last, &bytes, &mut out), Err(Forged));
            let other_key = BlobKey::random().sealer(BLOB);
            prop_assert_eq!(other_key.open(frame, last, &bytes, &mut out), Err(Forged));
            prop_assert_eq!(out, vec![1]);
        }

        #[test]
        fn no_bytes_make_a_frame_panic(bytes: Vec<u8>) {
            prop_assert_eq!(cipher().open(0, false, &bytes, &mut Vec::new()), Err(Forged));
        }
    }

    #[test]
    fn a_frame_with_any_bit_flipped_does_not_open() {
        let good = sealed(3, true, b"frame");
        crate::envelope::tests::for_every_flipped_bit(&good, |bad| {
            assert_eq!(cipher().open(3, true, bad, &mut Vec::new()), Err(Forged));
        });
    }

    #[test]
    fn the_layout_of_a_frame_stays() {
        assert_eq!(
            hex::encode(sealed(0x0102_0304, true, b"the bytes of a frame")),
            "db5fdd111b12f1f5670c28e2a06b0c0be395f6302fc673ed78a3ad377159e591abe19ef2"
        );
    }

    #[test]
    fn two_blob_keys_differ_and_neither_is_printed() {
        assert_ne!(BlobKey::random(), BlobKey::random());
        let key = BlobKey::from_slice(&[5; 32]).expect("32 bytes");
        assert_eq!(format!("{key:?}"), "BlobKey(…)");
        assert_eq!(format!("{:?}", key.sealer(BLOB)), format!("FrameCipher {{ blob: {BLOB:?}, .. }}"));
        assert!(BlobKey::from_slice(&[5; 31]).is_none());
    }
}
