//! Access keys: in their tenant, and by id in the whole installation.

use std::fmt;

use schemas::{AccessKeyId, EventId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// An access key. It works while it is active, not expired, and its user is the one it was made for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    /// Whose.
    pub user: UserId,
    /// The event that created this user. A user deleted and created again does not get old keys back.
    pub user_created_by: Option<EventId>,
    /// The secret, sealed under the tenant's key; nothing of an API key.
    #[serde(with = "serde_bytes")]
    pub sealed_secret: Vec<u8>,
    /// What it may do ([`schemas::scope::Scopes`]).
    pub scopes: String,
    /// For people.
    pub name: Option<String>,
    /// Its state.
    pub status: AccessKeyStatus,
    /// When it was created.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// SHA-256 of the secret half of an API key's text; none of a key that signs.
    #[serde(default)]
    pub api_sha256: Option<serde_bytes::ByteBuf>,
    /// When its secret was last replaced: what was issued before does not count.
    #[serde(default)]
    pub rotated: Option<Time>,
}
super::packed!(AccessKey, DIRECTORY, "access key");

/// State of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessKeyStatus {
    /// Works.
    Active,
    /// Can be enabled again.
    Disabled,
    /// Gone for good.
    Revoked,
}

/// Without the sealed secret.
impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey")
            .field("user", &self.user)
            .field("scopes", &self.scopes)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl AccessKey {
    /// Key of the row: tenant, kind, access key.
    #[must_use]
    pub fn key(tenant: TenantId, access_key: &AccessKeyId) -> Vec<u8> {
        Key::kind(tenant, directory::ACCESS_KEY).raw(access_key.as_str().as_bytes()).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Key::kind(tenant, directory::ACCESS_KEY).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<AccessKeyId> {
        AccessKeyId::parse(std::str::from_utf8(KeyReader::behind(key, KIND_BYTES)?.rest()).ok()?).ok()
    }
}

/// The tenant that has an access key. Ids are unique in the installation, revoked ones included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyTenant(pub TenantId);
super::packed!(AccessKeyTenant, DIRECTORY, "tenant of an access key");

impl AccessKeyTenant {
    /// Key of the row: system tenant, kind, access key.
    #[must_use]
    pub fn key(access_key: &AccessKeyId) -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::ACCESS_KEY_TENANT).raw(access_key.as_str().as_bytes()).bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back, user};
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(
            user in user(), user_created_by in prop::option::of(event_id()), sealed_secret: Vec<u8>, scopes: String,
            name: Option<String>, status in 0..3usize, created: u64, expires: Option<u64>, api: Option<[u8; 32]>,
        ) {
            let status = [AccessKeyStatus::Active, AccessKeyStatus::Disabled, AccessKeyStatus::Revoked][status];
            reads_back(&AccessKey {
                user, user_created_by, sealed_secret, scopes, name, status, created: Time(created),
                expires: expires.map(Time), api_sha256: api.map(|bytes| bytes.to_vec().into()), rotated: expires.map(Time),
            });
            reads_back(&AccessKeyTenant(TenantId(created)));
        }
    }

    #[test]
    fn a_sealed_secret_is_not_printed() {
        let key = AccessKey {
            user: UserId::parse("main").expect("a user"),
            user_created_by: None,
            sealed_secret: vec![171; 20],
            scopes: "*".to_owned(),
            name: None,
            status: AccessKeyStatus::Active,
            created: Time(0),
            expires: None,
            api_sha256: None,
            rotated: None,
        };
        assert!(!format!("{key:?}").contains("171"));
    }
}
