//! Keys of notes.
//!
//! A verifier key is written `<name>+<key id, 8 hex digits>+<base64 of 0x01 and the public key>`, as Go's
//! `golang.org/x/mod/sumdb/note` and the tools of transparency logs read it.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

/// Signature type of Ed25519. Part of the format.
const ED25519: u8 = 1;

/// Why a text is not a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not `<name>+<8 hex digits>+<base64>`, or a name that is empty or holds a space, a plus or a control character.
    #[error("a verifier key is <name>+<key id>+<base64 of the key>")]
    Malformed,
    /// A key of another kind than Ed25519.
    #[error("not an Ed25519 key")]
    Kind,
    /// 32 bytes that are no point of the curve, or one of the few that verify anything.
    #[error("not a public key")]
    Point,
    /// The key id is not the one of this name and key: one of the three was changed.
    #[error("the key id does not belong to this name and key")]
    Id,
}

/// A public key with the name it signs under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    public: VerifyingKey,
}

impl NoteKey {
    /// A public key of 32 bytes under a name.
    ///
    /// # Errors
    /// A name that no signature line can hold, or bytes that are no key.
    pub fn new(name: &str, public: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Malformed);
        }
        let public = VerifyingKey::from_bytes(public).map_err(|_| KeyError::Point)?;
        if public.is_weak() {
            return Err(KeyError::Point);
        }
        Ok(Self { name: name.to_owned(), public })
    }

    /// The name. In the logs of this project the origin of the checkpoints it signs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// What signature lines call the key beside its name.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', ED25519])
            .chain_update(self.public.as_bytes())
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    pub(super) fn verify(&self, text: &str, signature: &[u8; 64]) -> bool {
        self.public.verify_strict(text.as_bytes(), &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = [ED25519; 33];
        key[1..].copy_from_slice(self.public.as_bytes());
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id()), STANDARD.encode(key))
    }
}

impl FromStr for NoteKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Three parts: the key's base64 may hold further pluses.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Malformed);
        };
        let digits = id.len() == 8 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let id = u32::from_str_radix(id, 16).map_err(|_| KeyError::Malformed)?;
        if !digits {
            return Err(KeyError::Malformed);
        }
        let key = STANDARD.decode(key).map_err(|_| KeyError::Malformed)?;
        let [kind, public @ ..] = key.as_slice() else { return Err(KeyError::Malformed) };
        if *kind != ED25519 {
            return Err(KeyError::Kind);
        }
        let key = Self::new(name, public.try_into().map_err(|_| KeyError::Malformed)?)?;
        if key.id() == id.to_be_bytes() { Ok(key) } else { Err(KeyError::Id) }
    }
}

/// A key that signs, under its name. Its secret is shown nowhere.
pub struct NoteSigner {
    key: NoteKey,
    secret: SigningKey,
}

impl NoteSigner {
    /// From the 32 secret bytes of an Ed25519 key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    /// A name that no signature line can hold.
    pub fn new(name: &str, secret: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = SigningKey::from_bytes(secret);
        let key = NoteKey::new(name, secret.verifying_key().as_bytes())?;
        Ok(Self { key, secret })
    }

    /// What verifies its signatures.
    #[must_use]
    pub fn key(&self) -> &NoteKey {
        &self.key
    }

    pub(super) fn sign(&self, text: &str) -> [u8; 64] {
        self.secret.sign(text.as_bytes()).to_bytes()
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.key.name)
    }
}

/// Whether a signature line can hold the name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}
