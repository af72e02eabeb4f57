//! Tenants and what belongs to them beside their objects: users, keys, quotas, usage.

use schemas::event::Quota;
use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, TenantId, TenantName, Time, UserId};
use secrecy::SecretString;

/// A new admin token.
#[derive(Debug, Clone)]
pub struct NewAdminToken {
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if it is to be limited.
    pub tenant: Option<TenantName>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// An admin token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminTokenInfo {
    /// Its id.
    pub id: String,
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantName>,
    /// When it was made.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// Whether it has ended so.
    pub expired: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// What a tenant's content takes on disk, the history window's included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhysicalUsage {
    /// Bytes of its blobs as stored.
    pub stored_bytes: u64,
    /// Plaintext bytes that these are the content of.
    pub plain_bytes: u64,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantInfo {
    /// Id.
    pub id: TenantId,
    /// Name.
    pub name: TenantName,
    /// Whether its keys are stopped.
    pub disabled: bool,
    /// When it was created.
    pub created: Time,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserInfo {
    /// Id.
    pub id: UserId,
    /// Name for people.
    pub display_name: String,
    /// Mail address, if given.
    pub email: Option<String>,
    /// When it was created.
    pub created: Time,
}

/// An access key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessKeyInfo {
    /// Id.
    pub id: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// Scopes.
    pub scopes: Scopes,
    /// For people.
    pub name: Option<String>,
    /// Whether it is an API key, which is sent with requests and signs none.
    pub api: bool,
    /// Its state.
    pub status: AccessKeyStatus,
    /// When it was created.
    pub created: Time,
    /// When it ends, if it does.
    pub expires: Option<Time>,
    /// When its secret was last replaced, if it was.
    pub rotated: Option<Time>,
}

/// A key and its secret, which is shown this once: of an API key its whole text.
pub type NewSecret = (AccessKeyInfo, SecretString);

/// State of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKeyStatus {
    /// Works.
    Active,
    /// Can be enabled again.
    Disabled,
    /// Gone for good.
    Revoked,
}

/// Which key is to be made.
#[derive(Debug, Clone)]
pub enum NewKey {
    /// One that signs requests; id and secret are made.
    Made,
    /// One that signs requests, as chosen by the caller.
    Chosen(AccessKeyId, SecretString),
    /// An API key.
    Api,
}

/// A new access key.
#[derive(Debug, Clone)]
pub struct CreateAccessKey {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub key: NewKey,
    /// For people.
    pub name: Option<String>,
    /// What it may do.
    pub scopes: Scopes,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// What a tenant holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Current objects.
    pub objects: u64,
    /// Versions, delete markers included.
    pub versions: u64,
    /// Plaintext bytes of current and noncurrent versions.
    pub logical_bytes: u64,
    /// Plaintext bytes of staged parts.
    pub multipart_bytes: u64,
    /// Buckets.
    pub buckets: u64,
}

/// Signed URLs that were made in one call and work still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedUrlInfo {
    /// 32 hex digits.
    pub id: String,
    /// Who asked for them.
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
    /// When they were made.
    pub created: Time,
    /// When they end.
    pub expires: Time,
}

/// A quota, and what is held under it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaInfo {
    /// The bounds.
    pub quota: Quota,
    /// Plaintext bytes of versions and of staged parts.
    pub held_bytes: u64,
    /// Current objects.
    pub held_objects: u64,
}
