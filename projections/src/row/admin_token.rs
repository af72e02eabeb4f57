//! Admin tokens, by id and by hash. Under the system tenant.

use schemas::event::AdminRole;
use schemas::{TenantId, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// An admin token. The token itself is nowhere, its hash stands in the key of [`AdminTokenByHash`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminToken {
    /// SHA-256 of the token.
    #[serde(with = "serde_bytes")]
    pub sha256: Vec<u8>,
    /// What it may do.
    pub role: AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantId>,
    /// When it was made.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// When it was revoked, if it was.
    pub revoked: Option<Time>,
}
super::packed!(AdminToken, DIRECTORY, "admin token");

impl AdminToken {
    /// Key of the row: system tenant, kind, id.
    #[must_use]
    pub fn key(id: &str) -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::ADMIN_TOKEN).raw(id.as_bytes()).bytes()
    }

    pub(crate) fn prefix() -> Vec<u8> {
        Self::key("")
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<String> {
        String::from_utf8(KeyReader::behind(key, KIND_BYTES)?.rest().to_vec()).ok()
    }
}

/// The id of the admin token that has a hash. A revoked token has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminTokenByHash(pub String);
super::packed!(AdminTokenByHash, DIRECTORY, "admin token hash");

impl AdminTokenByHash {
    /// Key of the row: system tenant, kind, SHA-256.
    #[must_use]
    pub fn key(sha256: &[u8]) -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::ADMIN_TOKEN_HASH).raw(sha256).bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::reads_back;
    use super::*;

    proptest! {
        #[test]
        fn rows_read_back(sha256: Vec<u8>, role in 0..3usize, name: String, times: (u64, Option<u64>, Option<u64>)) {
            let token = AdminToken {
                sha256,
                role: [AdminRole::Viewer, AdminRole::Operator, AdminRole::Owner][role],
                name: name.clone(),
                tenant: times.1.map(TenantId),
                created: Time(times.0),
                expires: times.1.map(Time),
                revoked: times.2.map(Time),
            };
            reads_back(&token);
            reads_back(&AdminTokenByHash(name.clone()));
            prop_assert_eq!(AdminToken::parse_key(&AdminToken::key(&name)), Some(name));
        }
    }
}
