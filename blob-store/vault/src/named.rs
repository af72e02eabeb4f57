//! Named keys of a tenant (SSE-KMS): which file a name's ring lies in.
//!
//! Owns: the number of a name. Does not own: which names there are (an operator's choice), the keys.

use std::fmt;

use sha2::{Digest, Sha256};

/// A name, as files, rows and wraps have it: names are text of any length, and operators choose few of them.
///
/// Part of the format: the first eight bytes of SHA-256 over `holdfast/named-key/1`, a zero byte and the name, as u64 BE.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamedKey(pub(crate) u64);

impl NamedKey {
    /// The key of a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let digest: [u8; 32] =
            Sha256::new().chain_update(b"holdfast/named-key/1\0").chain_update(name.as_bytes()).finalize().into();
        Self(u64::from_be_bytes(*digest.first_chunk().expect("8 of 32 bytes")))
    }

    /// The number of a key that a row names.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Its number, to be kept in rows.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedKey({:016x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_name_stays() {
        assert_eq!(format!("{:?}", NamedKey::of("testkey-1")), "NamedKey(17627766b5270163)");
        assert_ne!(NamedKey::of("testkey-1"), NamedKey::of("testkey-2"));
        assert_eq!(NamedKey::from_number(NamedKey::of("a").number()), NamedKey::of("a"));
    }
}
