//! A ring: the keys one tenant or one bucket has had, ready for use.
//!
//! Owns: finding a key by id, which key is current. Does not own: files, wrapping.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use schemas::KeyId;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::xaes::XaesKey;

/// A key as memory holds it.
#[derive(Debug)]
pub(crate) enum Slot {
    /// Can seal and open.
    Live(Box<XaesKey>),
    /// Destroyed on purpose: what it sealed is erased.
    Destroyed,
}

/// The keys of one tenant or bucket, oldest first. Rotation is rare, so a ring is short and simply searched.
#[derive(Debug)]
pub(crate) struct Ring {
    keys: Vec<(KeyId, Slot)>,
    derivation: Option<Derivation>,
}

impl Ring {
    pub(crate) fn new(keys: Vec<(KeyId, Slot)>, derivation: Option<Derivation>) -> Self {
        Self { keys, derivation }
    }

    /// Of a bucket whose tenant was destroyed: it has no keys, and whatever it had counts as destroyed.
    pub(crate) fn gone() -> Self {
        Self { keys: Vec::new(), derivation: None }
    }

    /// The newest key that can seal.
    pub(crate) fn current(&self) -> Option<(KeyId, &XaesKey)> {
        self.keys.iter().rev().find_map(|(id, slot)| match slot {
            Slot::Live(key) => Some((*id, &**key)),
            Slot::Destroyed => None,
        })
    }

    /// A key by its id; none if there never was such a key.
    pub(crate) fn find(&self, id: KeyId) -> Option<&Slot> {
        if self.keys.is_empty() {
            return Some(&Slot::Destroyed);
        }
        self.keys.iter().find(|(known, _)| *known == id).map(|(_, slot)| slot)
    }

    /// Ids of all keys, oldest first.
    pub(crate) fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(|(id, _)| *id).collect()
    }

    /// Whether nothing in it can open anything any more.
    pub(crate) fn is_destroyed(&self) -> bool {
        self.current().is_none()
    }

    pub(crate) fn derivation(&self) -> Option<&Derivation> {
        self.derivation.as_ref()
    }
}

/// What a tenant's hints and token keys are derived from: HKDF-SHA-256 of the tenant's oldest key.
///
/// Part of the format: salt `holdfast/derive/1`; `info` is a label, a zero byte and the purpose. It is the oldest key
/// and not the current one, so that rotation leaves hints and tokens as they are.
pub(crate) struct Derivation(Zeroizing<[u8; 32]>);

const LABEL_DEDUP: &str = "dedup";
const LABEL_PURPOSE: &str = "purpose";

impl Derivation {
    pub(crate) fn new(oldest_key: &[u8; 32]) -> Self {
        let (mut extracted, _) = Hkdf::<Sha256>::extract(Some(b"holdfast/derive/1"), oldest_key);
        let kept = Zeroizing::new(extracted.0);
        zeroize::Zeroize::zeroize(&mut extracted.0);
        Self(kept)
    }

    /// What content is called when looking for a copy. Part of the format: HMAC-SHA-256 under the key of `dedup` and no
    /// purpose, over length of scope u32 BE, scope, digest of the content.
    pub(crate) fn dedup_hint(&self, scope: &[u8], digest: &[u8; 32]) -> [u8; 32] {
        let key = self.expand(LABEL_DEDUP, "");
        let mut mac = Hmac::<Sha256>::new_from_slice(&*key).expect("HMAC takes any key");
        mac.update(&u32::try_from(scope.len()).expect("a scope is shorter than 4 GiB").to_be_bytes());
        mac.update(scope);
        mac.update(digest);
        mac.finalize().into_bytes().into()
    }

    /// A key for a purpose.
    pub(crate) fn purpose_key(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        self.expand(LABEL_PURPOSE, purpose)
    }

    fn expand(&self, label: &str, purpose: &str) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::from_prk(&*self.0)
            .expect("32 bytes are one SHA-256 output")
            .expand_multi_info(&[label.as_bytes(), &[0], purpose.as_bytes()], &mut *key)
            .expect("32 bytes are within what HKDF gives");
        key
    }
}

impl std::fmt::Debug for Derivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Derivation(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(byte: u8) -> Slot {
        Slot::Live(Box::new(XaesKey::new(&[byte; 32])))
    }

    #[test]
    fn the_newest_live_key_is_current() {
        let ring = Ring::new(vec![(KeyId(1), live(1)), (KeyId(2), live(2)), (KeyId(3), Slot::Destroyed)], None);
        assert_eq!(ring.current().map(|(id, _)| id), Some(KeyId(2)));
        assert!(!ring.is_destroyed());
        assert!(matches!(ring.find(KeyId(1)), Some(Slot::Live(_))));
        assert!(matches!(ring.find(KeyId(3)), Some(Slot::Destroyed)));
        assert!(ring.find(KeyId(4)).is_none());
    }

    #[test]
    fn every_key_of_a_ring_that_is_gone_is_destroyed() {
        assert!(Ring::gone().is_destroyed());
        assert!(matches!(Ring::gone().find(KeyId(9)), Some(Slot::Destroyed)));
    }

    #[test]
    fn the_derivation_stays() {
        let derivation = Derivation::new(&[1; 32]);
        assert_eq!(
            hex::encode(derivation.dedup_hint(b"scope", &[2; 32])),
            "2c0b054c27aa3d92c2cb8fd3471097ce5c3b37d9a81a1cc856850e0f703d7854"
        );
        assert_eq!(
            hex::encode(derivation.purpose_key("token").as_slice()),
            "4fde75ec5b277a87ff39b1692ef131c1ab89a9c4a9823a7978f9f609ad4592a7"
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = Ring::new(vec![(KeyId(1), live(1))], Some(Derivation::new(&[1; 32])));
        assert_eq!(
            format!("{ring:?}"),
            "Ring { keys: [(KeyId(1), Live(XaesKey(…)))], derivation: Some(Derivation(…)) }"
        );
    }
}
