//! Signed addresses that have not ended.

use schemas::{AccessKeyId, BucketName, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// Addresses that were signed in one call. The row goes some time after they have ended, with a later event of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedUrl {
    /// Who asked.
    pub user: UserId,
    /// The key that signed.
    pub access_key: AccessKeyId,
    /// The method that they are for.
    pub method: String,
    /// The bucket that they are for.
    pub bucket: BucketName,
    /// The key that they are for; of several the first.
    pub key: String,
    /// How many they are.
    pub count: u32,
    /// When they were signed.
    pub created: Time,
    /// When they were revoked, if they were.
    pub revoked: Option<Time>,
}
super::packed!(SignedUrl, DIRECTORY, "signed address");

impl SignedUrl {
    /// Key of the row: tenant, kind, end of the last of them, id. So the oldest ends stand first.
    #[must_use]
    pub fn key(tenant: TenantId, expires: Time, id: &str) -> Vec<u8> {
        Key::kind(tenant, directory::SIGNED_URL).number(expires.0).raw(id.as_bytes()).bytes()
    }

    /// Where the rows of those begin that end at `expires` or later.
    pub(crate) fn ending(tenant: TenantId, expires: Time) -> Vec<u8> {
        Self::key(tenant, expires, "")
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<(Time, String)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES)?;
        let expires = Time(reader.number()?);
        Some((expires, String::from_utf8(reader.rest().to_vec()).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{reads_back, user};
    use super::*;

    proptest! {
        #[test]
        fn a_row_reads_back(user in user(), key: String, count: u32, times: [u64; 2], revoked: Option<u64>, id in "[0-9a-f]{32}") {
            let place = SignedUrl::key(TenantId(1), Time(times[1]), &id);
            prop_assert_eq!(SignedUrl::parse_key(&place), Some((Time(times[1]), id)));
            reads_back(&SignedUrl {
                user,
                access_key: AccessKeyId::parse("AK1").expect("an access key"),
                method: "GET".to_owned(),
                bucket: BucketName::parse("photos").expect("a name"),
                key, count, created: Time(times[0]), revoked: revoked.map(Time),
            });
        }
    }
}
