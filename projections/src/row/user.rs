//! Users of a tenant.

use schemas::{EventId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// A user that exists or existed: the id of one that was deleted is not given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// For people.
    pub display_name: String,
    /// Where mail goes, if given.
    pub email: Option<String>,
    /// When it was created.
    pub created: Time,
    /// The event that created it: tells it from an earlier user of the same id.
    pub created_by: EventId,
    /// When it was deleted, if it was.
    #[serde(default)]
    pub deleted: Option<Time>,
}
super::packed!(User, DIRECTORY, "user");

impl User {
    /// Key of the row: tenant, kind, user.
    #[must_use]
    pub fn key(tenant: TenantId, user: &UserId) -> Vec<u8> {
        Key::kind(tenant, directory::USER).raw(user.as_str().as_bytes()).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Vec<u8> {
        Key::kind(tenant, directory::USER).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<UserId> {
        UserId::parse(std::str::from_utf8(KeyReader::behind(key, KIND_BYTES)?.rest()).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{event_id, reads_back, user};
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(display_name: String, email: Option<String>, created: u64, created_by in event_id(), id in user(), deleted: Option<u64>) {
            reads_back(&User { display_name, email, created: Time(created), created_by, deleted: deleted.map(Time) });
            prop_assert_eq!(User::parse_key(&User::key(TenantId(1), &id)), Some(id));
        }
    }
}
