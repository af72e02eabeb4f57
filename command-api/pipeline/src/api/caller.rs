//! Who asks the store for something.

use std::net::IpAddr;
use std::sync::Arc;

use schemas::scope::Scopes;
use schemas::{AccessKeyId, BucketName, RequestId, TenantId, Time, UserId};
use secrecy::SecretString;

use super::{AskedPast, Said, Signature};

/// Who asks. A door makes it from a verified credential, or of a request without one where the operator allows those, and
/// from nothing else.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Tenant of the credential; of a request without one, the tenant that such requests are for.
    pub tenant: TenantId,
    /// Holder of the credential, or nobody known.
    pub who: Who,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// What the request is called.
    pub request: RequestId,
    /// What else policies may ask of the request.
    pub circumstances: Circumstances,
}

/// What policies may ask of a request beside who sent it, from where and what for. By default nothing is known.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Whether it came over TLS.
    pub secure: bool,
    /// Which TLS: `1.2`, `1.3`.
    pub tls_version: Option<&'static str>,
    /// How it was signed.
    pub signature: Option<Signature>,
    /// Its headers and query.
    pub said: Option<Arc<dyn Said>>,
    /// The key that it came with, as it was when it was looked at.
    pub key: KeyThen,
    /// As of which point it asks, if not as of now.
    pub past: Option<Arc<AskedPast>>,
}

/// What of a key may change while a request of it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyThen {
    /// When its secret was last replaced.
    pub rotated: Option<Time>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

/// Whoever is behind a request.
#[derive(Debug, Clone)]
pub enum Who {
    /// Nobody known. What a bucket's policy or an ACL opens to everyone is all that such a request gets.
    Anonymous,
    /// The server itself, doing for one of the tenant's buckets what was decided before.
    Service(Service),
    /// A user, by a credential that was verified.
    User {
        /// User of the credential.
        user: UserId,
        /// The user's name for people.
        display_name: String,
        /// The credential.
        access_key: AccessKeyId,
        /// What it may do, now.
        scopes: Scopes,
    },
}

/// A part of the server that acts for a bucket. No door can make one.
#[derive(Debug, Clone)]
pub struct Service {
    /// What records call it.
    pub(crate) name: &'static str,
    /// Owner of the bucket it writes into, and so of what it writes.
    pub(crate) owner: UserId,
    /// The bucket that it acts for.
    pub(crate) source: BucketName,
    /// Whose that is.
    pub(crate) source_owner: UserId,
}

impl Caller {
    /// The user; for a request of nobody known, the id that owns what such requests write.
    #[must_use]
    pub fn user(&self) -> UserId {
        match &self.who {
            Who::Anonymous => UserId::anonymous(),
            Who::Service(service) => service.owner.clone(),
            Who::User { user, .. } => user.clone(),
        }
    }

    /// The user's name for people.
    #[must_use]
    pub fn display_name(&self) -> &str {
        match &self.who {
            Who::Anonymous => "anonymous",
            Who::Service(service) => service.name,
            Who::User { display_name, .. } => display_name,
        }
    }

    /// The credential, if there is one.
    #[must_use]
    pub fn access_key(&self) -> Option<&AccessKeyId> {
        match &self.who {
            Who::Anonymous | Who::Service(_) => None,
            Who::User { access_key, .. } => Some(access_key),
        }
    }

    /// What the credential may do, if there is one.
    #[must_use]
    pub fn scopes(&self) -> Option<&Scopes> {
        match &self.who {
            Who::Anonymous | Who::Service(_) => None,
            Who::User { scopes, .. } => Some(scopes),
        }
    }
}

/// A credential that works, with the secret to check a signature against.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Tenant.
    pub tenant: TenantId,
    /// User.
    pub user: UserId,
    /// The user's name for people.
    pub display_name: String,
    /// Scopes.
    pub scopes: Scopes,
    /// The secret.
    pub secret: SecretString,
    /// When it was last replaced.
    pub rotated: Option<Time>,
}

/// Who a key that works is.
#[derive(Debug, Clone)]
pub struct Holder {
    /// Tenant.
    pub tenant: TenantId,
    /// User.
    pub user: UserId,
    /// The user's name for people.
    pub display_name: String,
    /// What the key may do, now.
    pub scopes: Scopes,
    /// When its secret was last replaced: what was issued before does not count.
    pub rotated: Option<Time>,
    /// When it ends, if it does.
    pub expires: Option<Time>,
}

impl Holder {
    /// The key as it was when this was asked.
    #[must_use]
    pub fn key_then(&self) -> KeyThen {
        KeyThen { rotated: self.rotated, expires: self.expires }
    }
}

/// Who asks on the admin listener: a verified admin token.
#[derive(Debug, Clone)]
pub struct AdminCaller {
    /// The token's id.
    pub token: String,
    /// What it may do.
    pub role: schemas::event::AdminRole,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantId>,
    /// Where the request came from.
    pub source: Option<IpAddr>,
    /// What the request is called.
    pub request: RequestId,
}
