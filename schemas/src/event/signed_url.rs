//! Events about signed addresses: what a key let others do, for a while, with nothing but an address.

use serde::{Deserialize, Serialize};

use crate::{AccessKeyId, BucketName, Time, UserId};

/// Addresses were signed in one call. They stop working together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlSigned {
    /// 32 hex digits; each of the addresses carries it.
    pub id: String,
    /// Who asked.
    pub user: UserId,
    /// The key that signed. What it may do when an address is used is what the address may do.
    pub access_key: AccessKeyId,
    /// The method that they are for.
    pub method: String,
    /// The bucket that they are for.
    pub bucket: BucketName,
    /// The key that they are for; of several the first.
    pub key: String,
    /// How many they are.
    pub count: u32,
    /// When the last of them ends.
    pub expires: Time,
}

/// Signed addresses stopped working before their time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedUrlRevoked {
    /// Which.
    pub id: String,
    /// When they would have ended.
    pub expires: Time,
    /// Whether their bucket is erased: then nothing is kept of what they were for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub erased: bool,
}
