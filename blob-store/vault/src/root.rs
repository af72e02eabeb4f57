//! The root key: where it comes from, and the proof that it is the right one.
//!
//! Owns: reading and, once, making the root key; `root.check`. Does not own: what lies under the root key.
//!
//! A root key file or variable holds text: 64 hex digits, or 32 bytes in base64 (either alphabet, padded or not); space
//! around it does not matter. `root.check`, part of the format:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 6 | `HFROOT` |
//! | 6 | 1 | version, 1 |
//! | 7 | 89 | a constant sealed under the root key ([`crate::envelope`]) |
//! | 96 | 16 | first half of SHA-256 over everything before |

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy;
use crate::envelope::{ROOT_CHECK_BYTES, open_root_check, seal_root_check};
use crate::error::{Damage, VaultError};
use crate::folder;
use crate::ring_file::{CHECKSUM_BYTES, checked, checksum};
use crate::xaes::{Nonce, XaesKey};

const MAGIC: &[u8; 6] = b"HFROOT";
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 7 + ROOT_CHECK_BYTES + CHECKSUM_BYTES;

/// No text of a key is longer; a file that is must be something else.
const TEXT_BYTES_MAX: usize = 1024;

/// Where the root key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootKeySource {
    /// In a file, which the first start makes if it is not there.
    File(PathBuf),
    /// In an environment variable of this name.
    Environment(String),
}

impl fmt::Display for RootKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RootKeySource::File(path) => write!(f, "file {}", path.display()),
            RootKeySource::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// Reads the root key; none when there is nothing where it should be.
pub(crate) fn read(source: &RootKeySource) -> Result<Option<XaesKey>, VaultError> {
    let text = match source {
        RootKeySource::File(path) => folder::read(path, TEXT_BYTES_MAX)?,
        RootKeySource::Environment(name) => std::env::var_os(name).map(OsString::into_encoded_bytes),
    };
    let Some(text) = text.map(Zeroizing::new) else { return Ok(None) };
    let malformed = || VaultError::RootKeyMalformed { place: source.to_string() };
    let key = parse(&text).ok_or_else(malformed)?;
    Ok(Some(XaesKey::new(&key)))
}

/// Makes a root key and its file.
pub(crate) fn make(path: &Path) -> Result<XaesKey, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    entropy::fill(&mut *key);
    let mut text = Zeroizing::new(vec![b'\n'; 65]);
    hex::encode_to_slice(key.as_slice(), &mut text[..64]).expect("64 digits for 32 bytes");
    // Beside the key, which may lie on another file system than DATA. One name: the next first start overwrites what a
    // crash left, and only a first start comes here.
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    folder::replace_through(Path::new(&temporary), path, &text)?;
    folder::sync_parent(path)?;
    Ok(XaesKey::new(&key))
}

fn parse(text: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = text.trim_ascii();
    let mut key = Zeroizing::new([0; 32]);
    if text.len() == 64 {
        hex::decode_to_slice(text, &mut *key).ok()?;
        return Some(key);
    }
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let url_safe = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let alphabet = if url_safe { base64::alphabet::URL_SAFE } else { base64::alphabet::STANDARD };
    let mut bytes = GeneralPurpose::new(&alphabet, config).decode(text).ok()?;
    let right_length = bytes.len() == key.len();
    if right_length {
        key.copy_from_slice(&bytes);
    }
    bytes.zeroize();
    right_length.then_some(key)
}

pub(crate) fn encode_check(root: &XaesKey, nonce: &Nonce) -> Vec<u8> {
    let mut out = Vec::with_capacity(CHECK_BYTES);
    out.extend_from_slice(MAGIC);
    out.push(VERSION);
    out.extend(seal_root_check(root, nonce));
    let checksum = checksum(&out);
    out.extend_from_slice(&checksum);
    out
}

/// Why a root key was not proved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unproved {
    Damaged(Damage),
    WrongKey,
}

pub(crate) fn prove(root: &XaesKey, check: &[u8]) -> Result<(), Unproved> {
    let length = Unproved::Damaged(Damage::Length { bytes: check.len() });
    let rest = check.strip_prefix(MAGIC).ok_or(Unproved::Damaged(Damage::NotAKeyFile))?;
    match rest.first() {
        None => return Err(length),
        Some(&VERSION) if check.len() == CHECK_BYTES => {}
        Some(&VERSION) => return Err(length),
        Some(&version) => return Err(Unproved::Damaged(Damage::Version { version })),
    }
    let body = checked(check).map_err(Unproved::Damaged)?;
    open_root_check(root, &body[7..]).map_err(|_| Unproved::WrongKey)
}

/// Verifies the root key against `root.check`.
pub(crate) fn verify(root: &XaesKey, source: &RootKeySource, file: &Path) -> Result<(), VaultError> {
    let check = folder::read(file, CHECK_BYTES)?.ok_or_else(|| VaultError::MissingFile { file: file.to_owned() })?;
    prove(root, &check).map_err(|unproved| match unproved {
        Unproved::Damaged(damage) => VaultError::Damaged { file: file.to_owned(), damage },
        Unproved::WrongKey => VaultError::RootKeyWrong { place: source.to_string(), check: file.to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_from_hex_and_both_base64_alphabets() {
        let key = [0xfb; 32];
        for text in [
            "fb".repeat(32),
            format!("{}\n", "FB".repeat(32)),
            "+/v7".repeat(10) + "+/s=",
            "-_v7".repeat(10) + "-_s",
            "  +/v7".to_owned() + &"+/v7".repeat(9) + "+/s\r\n",
        ] {
            assert_eq!(parse(text.as_bytes()).as_deref(), Some(&key), "{text:?}");
        }
        for text in ["", "\n", "fb", &"fb".repeat(31), &"fb".repeat(33), &"zz".repeat(32), &"+/v7".repeat(10)] {
            assert!(parse(text.as_bytes()).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text: Vec<u8>) {
            let _ = parse(&text);
        }

        #[test]
        fn a_root_key_is_proved_by_its_own_check_alone(key: [u8; 32], other: [u8; 32], nonce: [u8; 24]) {
            let check = encode_check(&XaesKey::new(&key), &nonce);
            prop_assert_eq!(check.len(), CHECK_BYTES);
            prop_assert_eq!(prove(&XaesKey::new(&key), &check), Ok(()));
            prop_assume!(key != other);
            prop_assert_eq!(prove(&XaesKey::new(&other), &check), Err(Unproved::WrongKey));
        }
    }

    #[test]
    fn a_damaged_check_is_no_wrong_key() {
        let root = XaesKey::new(&[1; 32]);
        let check = encode_check(&root, &[2; 24]);
        crate::envelope::tests::for_every_flipped_bit(&check, |bad| {
            assert!(matches!(prove(&root, bad), Err(Unproved::Damaged(_))));
        });
        for length in 0..check.len() {
            assert!(matches!(prove(&root, &check[..length]), Err(Unproved::Damaged(_))), "{length} bytes");
        }
    }

    #[test]
    fn the_layout_of_the_check_stays() {
        assert_eq!(
            hex::encode(encode_check(&XaesKey::new(&[1; 32]), &[2; 24])),
            "4846524f4f540102020202020202020202020202020202020202020202020258c81403aae470c84c74c91d9078639f43\
            7a492e3a5740b7068d66b57de52c3ad748da8d4695ff0c99b08db2fc0e1241f0ea5b50dc6d72adc9be8f4bae783619ff\
            6da69d68578de01c62ce18fb8336235d"
        );
    }
}
