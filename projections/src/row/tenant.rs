//! Tenants, by id and by name. Under the system tenant.

use schemas::{EventId, KeyId, TenantId, TenantName, Time};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Name.
    pub name: TenantName,
    /// Key that wraps its buckets' keys.
    pub key: KeyId,
    /// When it was created.
    pub created: Time,
    /// The event that created it.
    pub created_by: EventId,
    /// Why its keys are stopped, if they are.
    pub disabled: Option<String>,
}
super::packed!(Tenant, DIRECTORY, "tenant");

impl Tenant {
    /// Key of the row: system tenant, kind, tenant.
    #[must_use]
    pub fn key(tenant: TenantId) -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::TENANT).number(tenant.0).bytes()
    }
}

/// The tenant that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantByName(pub TenantId);
super::packed!(TenantByName, DIRECTORY, "tenant name");

impl TenantByName {
    /// Key of the row: system tenant, kind, name.
    #[must_use]
    pub fn key(name: &TenantName) -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::TENANT_NAME).raw(name.as_str().as_bytes()).bytes()
    }

    pub(crate) fn prefix() -> Vec<u8> {
        Key::kind(TenantId::SYSTEM, directory::TENANT_NAME).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<TenantName> {
        TenantName::parse(std::str::from_utf8(KeyReader::behind(key, KIND_BYTES)?.rest()).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back};
    use super::*;

    proptest! {
        #[test]
        fn rows_read_back(name in "[a-z0-9][a-z0-9-]{0,62}", key: u64, by in event_id(), disabled: Option<String>) {
            let name = TenantName::parse(&name).expect("a name");
            let parsed = TenantByName::parse_key(&TenantByName::key(&name));
            prop_assert_eq!(parsed.as_ref(), Some(&name));
            reads_back(&Tenant { name, key: KeyId(key), created: Time(key), created_by: by, disabled });
            reads_back(&TenantByName(TenantId(key)));
        }
    }
}
