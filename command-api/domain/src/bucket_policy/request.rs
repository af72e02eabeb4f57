//! What a policy is asked about: who, what, and everything that conditions may look at.
//!
//! Owns: the words of the question. Does not own: the names that conditions use (`key`), where the facts come from: doors and
//! the pipeline fill them in.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::IpAddr;

use schemas::action::Action;
use schemas::scope::Scopes;
use schemas::{BucketName, ObjectKey, TenantId, TenantName, Time, UserId, VersionId};

use crate::policy::Resource;

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum Requester<'a> {
    /// Nobody known.
    Anonymous,
    /// A user of the tenant.
    User {
        /// Who.
        user: &'a UserId,
        /// What the key in use may do at most.
        scopes: &'a Scopes,
    },
    /// The server itself, doing something for one of the tenant's buckets.
    Service {
        /// As policies name it: [`LOGGING`].
        name: &'a str,
        /// For which bucket.
        source: &'a BucketName,
        /// Whose bucket that is.
        source_owner: &'a UserId,
    },
}

/// The service that writes access logs.
pub const LOGGING: &str = "logging.s3.amazonaws.com";

/// The account, in AWS's words, that a bucket and everybody who asks belong to.
#[derive(Debug, Clone, Copy)]
pub struct Tenant<'a> {
    /// Its id.
    pub id: TenantId,
    /// Its name, which policies may use in place of the id.
    pub name: &'a TenantName,
}

impl Tenant<'_> {
    /// Whether a policy means this tenant. As the account of an ARN nothing means it as well.
    pub(super) fn is(&self, account: &str) -> bool {
        account.is_empty() || account == self.name.as_str() || account == self.id.to_string()
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// To do what.
    pub action: Action,
    /// With what.
    pub resource: Resource<'a>,
    /// With which version of it.
    pub version: Option<VersionId>,
    /// Tags that it would get.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// What it would be a copy of.
    pub copy_source: Option<(&'a BucketName, &'a ObjectKey)>,
    /// How it would be locked.
    pub lock: Lock,
    /// Whether it is asked for a version that is yet to be made: what is there now is then another matter.
    pub of_new: bool,
}

impl<'a> Asked<'a> {
    /// An action, and nothing more to say about it.
    #[must_use]
    pub fn new(action: Action, resource: Resource<'a>) -> Self {
        Self { action, resource, version: None, tags: None, copy_source: None, lock: Lock::default(), of_new: false }
    }

    /// An action on one version of an object, or on the current one. AWS has actions of their own for versions.
    #[must_use]
    pub fn of_version(action: Action, bucket: &'a BucketName, key: &'a ObjectKey, version: Option<VersionId>) -> Self {
        let action = if version.is_some() { action.of_version() } else { action };
        Self { version, ..Self::new(action, Resource::Object(bucket, key)) }
    }
}

/// How a version would be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
    pub mode: Option<&'static str>,
    /// Until when.
    pub retain_until: Option<Time>,
    /// Whether by a legal hold.
    pub legal_hold: Option<bool>,
}

/// How and when a request came.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// Now.
    pub now: Time,
    /// From where.
    pub source: Option<IpAddr>,
    /// Whether over TLS.
    pub secure: bool,
    /// Which TLS: `1.2`, `1.3`.
    pub tls_version: Option<&'a str>,
    /// How it was signed, if it was.
    pub signature: Option<Signature>,
    /// The rest of it.
    pub said: &'a dyn Said,
}

/// How a request was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// By which rules.
    pub version: SignatureVersion,
    /// Where the signature stood.
    pub place: SignaturePlace,
    /// When it was made, as its maker says, if it says.
    pub made: Option<Time>,
}

/// By which of AWS's rules a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureVersion {
    /// Signature Version 2.
    V2,
    /// Signature Version 4.
    V4,
}

/// Where a signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignaturePlace {
    /// In the `Authorization` header.
    Header,
    /// In the URL.
    Query,
    /// In a form.
    Form,
}

/// What a request says in so many words.
pub trait Said: Debug + Send + Sync {
    /// A header, by its name in lower case; in a form upload the field that stands for it.
    fn header(&self, name: &str) -> Option<String>;
    /// A parameter of the query, decoded.
    fn query(&self, name: &str) -> Option<String>;
}

/// Nothing said.
#[derive(Debug, Clone, Copy)]
pub struct Silence;

impl Said for Silence {
    fn header(&self, _: &str) -> Option<String> {
        None
    }

    fn query(&self, _: &str) -> Option<String> {
        None
    }
}

/// The whole question.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub requester: Requester<'a>,
    /// Whose bucket, and who else's.
    pub tenant: Tenant<'a>,
    /// What is asked.
    pub asked: Asked<'a>,
    /// Tags that the object has, where [`super::Policy::reads_tags`].
    pub existing_tags: Option<&'a BTreeMap<String, String>>,
    /// How and when.
    pub circumstances: Circumstances<'a>,
}
