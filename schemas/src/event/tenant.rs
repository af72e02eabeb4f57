//! Events about tenants, users and their keys.

use serde::{Deserialize, Serialize};

use crate::{AccessKeyId, KeyId, TenantId, TenantName, Time, UserId};

/// A tenant was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCreated {
    /// Its id.
    pub tenant: TenantId,
    /// Its name, unique.
    pub name: TenantName,
    /// The key file that was durable before this event.
    pub key: KeyId,
}

/// A tenant's keys stopped working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantDisabled {
    /// Which.
    pub tenant: TenantId,
    /// Why, in the operator's words.
    pub reason: String,
}

/// A tenant's keys work again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantEnabled {
    /// Which.
    pub tenant: TenantId,
}

/// A tenant that held no bucket any more was deleted: its keys stopped working for good, and its name is free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantDeleted {
    /// Which.
    pub tenant: TenantId,
    /// Why, in the operator's words.
    pub reason: String,
}

/// What an admin token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminRole {
    /// Read.
    Viewer,
    /// And create tenants, users and keys.
    Operator,
    /// And disable and delete tenants.
    Owner,
}

/// An admin token was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminTokenCreated {
    /// 16 hex digits; shown, and the actor's name.
    pub id: String,
    /// SHA-256 of the token.
    #[serde(with = "serde_bytes")]
    pub sha256: Vec<u8>,
    /// What it may do.
    pub role: AdminRole,
    /// For people.
    pub name: String,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantId>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// An admin token stopped working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminTokenRevoked {
    /// Which.
    pub id: String,
}

/// A user was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserCreated {
    /// Unique in the tenant.
    pub user: UserId,
    /// For people.
    pub display_name: String,
    /// Where mail goes, if given.
    #[serde(default)]
    pub email: Option<String>,
}

/// A user and its keys stopped working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeleted {
    /// Which.
    pub user: UserId,
}

/// An access key was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyCreated {
    /// Unique in the installation.
    pub access_key: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// The secret, sealed under the tenant's key (vault, purpose "access-key-secret").
    #[serde(with = "serde_bytes")]
    pub sealed_secret: Vec<u8>,
    /// What it may do ([`crate::scope::Scopes`]).
    pub scopes: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// An access key stopped working for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRevoked {
    /// Which.
    pub access_key: AccessKeyId,
    /// Why, if somebody said.
    pub reason: Option<String>,
}

/// An access key was disabled or enabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyStatusSet {
    /// Which.
    pub access_key: AccessKeyId,
    /// Whether it works.
    pub enabled: bool,
}

/// An access key got another secret: the old one, and what was signed or issued with it, stopped working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRotated {
    /// Which.
    pub access_key: AccessKeyId,
    /// The new secret, sealed as in [`AccessKeyCreated`].
    #[serde(with = "serde_bytes")]
    pub sealed_secret: Vec<u8>,
}

/// An API key was made: a bearer token without an end of its own. It is an access key that signs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyCreated {
    /// Unique in the installation, among access keys too.
    pub access_key: AccessKeyId,
    /// Whose.
    pub user: UserId,
    /// SHA-256 of the secret half of its text.
    #[serde(with = "serde_bytes")]
    pub sha256: Vec<u8>,
    /// What it may do ([`crate::scope::Scopes`]).
    pub scopes: String,
    /// For people.
    pub name: Option<String>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// An API key got another secret: the old text stopped working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKeyRotated {
    /// Which.
    pub access_key: AccessKeyId,
    /// SHA-256 of the secret half of its new text.
    #[serde(with = "serde_bytes")]
    pub sha256: Vec<u8>,
}
