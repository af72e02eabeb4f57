//! The key that signs checkpoints: one of the installation, for all its tenants.
//!
//! Owns: making it, its file `checkpoint.key`. Does not own: signatures (ledger), what may be signed (pipeline).
//! Invariant: a key that was made is never made again. A file that is damaged or was sealed under another root key is an error:
//! another key in its place would look to whoever holds checkpoints like another installation.
//!
//! Layout, part of the format:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 6 | `HFSIGN` |
//! | 6 | 1 | version, 1 |
//! | 7 | 104 | the 32 secret bytes of an Ed25519 key, sealed under the root key ([`crate::envelope`]) |
//! | 111 | 16 | first half of SHA-256 over everything before |

use zeroize::Zeroizing;

use crate::entropy;
use crate::envelope::{WRAPPED_KEY_BYTES, open_checkpoint_key, seal_checkpoint_key};
use crate::error::{Damage, VaultError};
use crate::ring_file::{CHECKSUM_BYTES, checked, checksum};
use crate::vault::Vault;
use crate::xaes::{Nonce, XaesKey};

const MAGIC: &[u8; 6] = b"HFSIGN";
const VERSION: u8 = 1;
const FILE_BYTES: usize = 7 + WRAPPED_KEY_BYTES + CHECKSUM_BYTES;

/// Secret bytes of an Ed25519 key (RFC 8032, section 5.1.5).
pub(crate) type Secret = Zeroizing<[u8; 32]>;

impl Vault {
    /// The key that signs checkpoints, as 32 secret bytes of Ed25519; none if there is no file of it.
    ///
    /// # Errors
    /// A file that is damaged, or was sealed under another root key.
    pub fn checkpoint_key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, VaultError> {
        let file = self.folder().checkpoint_key();
        let Some(bytes) = self.folder().read(&file, FILE_BYTES)? else { return Ok(None) };
        decode(self.root(), &bytes).map(Some).map_err(|damage| VaultError::Damaged { file, damage })
    }

    /// Makes the key that signs checkpoints, unless it is there. Durable on return. Only for an installation that has never signed
    /// any: one that has, and whose key is gone, needs its key back.
    ///
    /// # Errors
    /// As [`Vault::checkpoint_key`], or a disk that refused; no key may then be taken as made.
    pub fn make_checkpoint_key(&self) -> Result<Zeroizing<[u8; 32]>, VaultError> {
        let _files = self.hold_files();
        if let Some(key) = self.checkpoint_key()? {
            return Ok(key);
        }
        let mut key = Zeroizing::new([0; 32]);
        entropy::fill(&mut *key);
        self.folder().replace(&self.folder().checkpoint_key(), &encode(self.root(), &entropy::bytes(), &key))?;
        Ok(key)
    }

    /// What is said of the key that signs checkpoints when there is none although it has signed.
    #[must_use]
    pub fn checkpoint_key_missing(&self) -> VaultError {
        VaultError::MissingFile { file: self.folder().checkpoint_key() }
    }
}

fn encode(root: &XaesKey, nonce: &Nonce, key: &[u8; 32]) -> Vec<u8> {
    let mut out = Vec::with_capacity(FILE_BYTES);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend_from_slice(&seal_checkpoint_key(root, nonce, key));
    let checksum = checksum(&out);
    out.extend_from_slice(&checksum);
    out
}

fn decode(root: &XaesKey, bytes: &[u8]) -> Result<Secret, Damage> {
    let length = Damage::Length { bytes: bytes.len() };
    match bytes.strip_prefix(MAGIC).ok_or(Damage::NotAKeyFile)?.first() {
        None => return Err(length),
        Some(&VERSION) if bytes.len() == FILE_BYTES => {}
        Some(&VERSION) => return Err(length),
        Some(&version) => return Err(Damage::Version { version }),
    }
    let (_, sealed) = checked(bytes)?.split_last_chunk::<WRAPPED_KEY_BYTES>().ok_or(length)?;
    open_checkpoint_key(root, sealed).map_err(|_| Damage::Foreign)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_damaged_file_is_damaged_and_one_of_another_root_key_foreign() {
        let root = XaesKey::new(&[1; 32]);
        let file = encode(&root, &[2; 24], &[3; 32]);
        assert_eq!(decode(&root, &file).map(|key| *key), Ok([3; 32]));
        crate::envelope::tests::for_every_flipped_bit(&file, |bad| {
            assert!(decode(&root, bad).is_err());
        });
        for length in 0..file.len() {
            assert!(decode(&root, &file[..length]).is_err(), "{length} bytes");
        }
        assert_eq!(decode(&root, &[file.as_slice(), &[0]].concat()), Err(Damage::Length { bytes: FILE_BYTES + 1 }));
        assert_eq!(decode(&XaesKey::new(&[4; 32]), &file), Err(Damage::Foreign));
        let mut later = file;
        later[6] = 2;
        assert_eq!(decode(&root, &later), Err(Damage::Version { version: 2 }));
    }

    #[test]
    fn the_layout_stays() {
        assert_eq!(
            hex::encode(encode(&XaesKey::new(&[1; 32]), &[2; 24], &[3; 32])),
            "48465349474e0102020202020202020202020202020202020202020202020258c81403aae470c84c74c91d9078639f43\
            7a492e3a5740b7068d66b57de52c3abc24b5ea23f78f7bbac1e1de8b2d7a278abf90c1dbde8d09423485d4c424ef69bf\
            b2de91686ad048443d107a255999ed450b70896b0c6686563b45bfe3701696"
        );
    }

    proptest! {
        #[test]
        fn a_key_reads_back(root: [u8; 32], nonce: [u8; 24], key: [u8; 32]) {
            let root = XaesKey::new(&root);
            prop_assert_eq!(decode(&root, &encode(&root, &nonce, &key)).map(|key| *key), Ok(key));
        }
    }
}
