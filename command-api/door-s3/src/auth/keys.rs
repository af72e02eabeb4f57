//! Signing keys: derived from a secret for one day and region, and remembered for a while.
//!
//! Invariant: a key is found only under the digest of the secret it was derived from, so that a secret that was changed or
//! given to another is never answered for by a remembered key.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use lru::LruCache;
use parking_lot::Mutex;
use schemas::AccessKeyId;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Keys remembered. Each is about 200 bytes.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");

/// HMAC-SHA-256.
pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Whether `presented` is the hex form of `expected`, in a time that tells nothing of where they differ.
pub(super) fn is_signature(expected: &[u8; 32], presented: &str) -> bool {
    let mut bytes = [0; 32];
    hex::decode_to_slice(presented, &mut bytes).is_ok() && bool::from(expected.as_slice().ct_eq(&bytes))
}

/// A key that signs for one secret, day and region.
#[derive(Clone)]
pub(super) struct SigningKey(Arc<SecretBox<[u8; 32]>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    pub(super) fn derive(secret: &SecretString, date: &str, region: &str) -> Self {
        let first = SecretString::from(format!("AWS4{}", secret.expose_secret()));
        let date = hmac_sha256(first.expose_secret().as_bytes(), date.as_bytes());
        let region = hmac_sha256(&date, region.as_bytes());
        let service = hmac_sha256(&region, b"s3");
        Self(Arc::new(SecretBox::new(Box::new(hmac_sha256(&service, b"aws4_request")))))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 32] {
        hmac_sha256(self.0.expose_secret(), message)
    }
}

#[derive(PartialEq, Eq, Hash)]
struct CacheKey {
    access_key: AccessKeyId,
    secret_sha256: [u8; 32],
    date: String,
    region: String,
}

/// The keys that verified something lately.
pub(super) struct SigningKeys {
    remembered: Mutex<LruCache<CacheKey, SigningKey>>,
}

impl SigningKeys {
    pub(super) fn new() -> Self {
        Self { remembered: Mutex::new(LruCache::new(REMEMBERED_MAX)) }
    }

    /// Calls `verify` with the key for this secret, day and region. Only a key that verified something is remembered: anybody
    /// can name any region, and must not drive out the keys in use by it.
    pub(super) fn with<T, E>(
        &self,
        access_key: &AccessKeyId,
        secret: &SecretString,
        date: &str,
        region: &str,
        verify: impl FnOnce(&SigningKey) -> Result<T, E>,
    ) -> Result<T, E> {
        let cache_key = CacheKey {
            access_key: access_key.clone(),
            secret_sha256: Sha256::digest(secret.expose_secret()).into(),
            date: date.to_owned(),
            region: region.to_owned(),
        };
        let remembered = self.remembered.lock().get(&cache_key).cloned();
        if let Some(key) = remembered {
            return verify(&key);
        }
        let key = SigningKey::derive(secret, date, region);
        let verified = verify(&key)?;
        self.remembered.lock().put(cache_key, key);
        Ok(verified)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.remembered.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn a_changed_secret_is_never_answered_for_by_a_remembered_key() {
        let keys = SigningKeys::new();
        let access_key = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").expect("an id");
        let sign = |text: &str| {
            keys.with(&access_key, &secret(text), "20130524", "us-east-1", |key| Ok::<_, ()>(key.sign(b"message")))
        };
        let before = sign("old");
        assert_ne!(before, sign("new"));
        assert_eq!(before, sign("old"));
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn a_key_that_verified_nothing_is_not_remembered() {
        let keys = SigningKeys::new();
        let access_key = AccessKeyId::parse("AKIAIOSFODNN7EXAMPLE").expect("an id");
        let refused = keys.with(&access_key, &secret("s"), "20130524", "anywhere", |_| Err::<(), _>("no"));
        assert_eq!((refused, keys.len()), (Err("no"), 0));
    }

    #[test]
    fn no_key_shows_itself() {
        let key = SigningKey::derive(&secret("s"), "20130524", "r");
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }

    #[test]
    fn signatures_are_64_hex_digits() {
        let expected = [0xab; 32];
        assert!(is_signature(&expected, &"ab".repeat(32)));
        for wrong in ["", "ab", &"ab".repeat(31), &"ab".repeat(33), &"ac".repeat(32), &"zz".repeat(32)] {
            assert!(!is_signature(&expected, wrong), "{wrong}");
        }
    }
}
