//! Policy: whether somebody may ask at all. The one place; every operation passes it before anything else is decided.
//!
//! Owns: what a key's scopes and an admin token's role grant.
//! Does not own: who is asking (doors verify credentials), what the store then decides.

use schemas::action::Action;
use schemas::event::AdminRole;
use schemas::scope::Scopes;
use schemas::{BucketName, ObjectKey, TenantId};

use crate::Refusal;

/// What an operation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The tenant as a whole: the list of buckets. Any scope of the right access grants it; filter the answer with
    /// [`may_see`].
    Tenant,
    /// A bucket as a whole. Scopes with a prefix do not grant it.
    Bucket(&'a BucketName),
    /// Every key of a bucket that begins with a prefix: listings.
    Prefix(&'a BucketName, &'a str),
    /// One object or its versions and uploads.
    Object(&'a BucketName, &'a ObjectKey),
}

impl<'a> Resource<'a> {
    /// The bucket it is, or is in.
    #[must_use]
    pub fn bucket(self) -> Option<&'a BucketName> {
        match self {
            Self::Tenant => None,
            Self::Bucket(bucket) | Self::Prefix(bucket, _) | Self::Object(bucket, _) => Some(bucket),
        }
    }
}

/// Whether a key of these scopes may do it. Deny is the default.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub fn authorise(scopes: &Scopes, action: Action, resource: Resource<'_>) -> Result<(), Refusal> {
    let access = action.access();
    let allowed = match resource {
        Resource::Tenant => scopes.allow_bucket(access, None),
        Resource::Bucket(bucket) => scopes.allow_bucket(access, Some(bucket)),
        Resource::Prefix(bucket, prefix) => scopes.allow_prefix(access, bucket, prefix),
        Resource::Object(bucket, key) => scopes.allow_object(access, bucket, key),
    };
    if allowed { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// Whether a key of these scopes may do it to everything in its tenant: a scope that names a bucket or prefix does not grant it.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub fn authorise_everywhere(scopes: &Scopes, action: Action) -> Result<(), Refusal> {
    if scopes.allow_everything(action.access()) { Ok(()) } else { Err(Refusal::AccessDenied) }
}

/// Whether a bucket may appear in the list of buckets.
#[must_use]
pub fn may_see(scopes: &Scopes, bucket: &BucketName) -> bool {
    scopes.mention(bucket)
}

/// An admin token's grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What it may do.
    pub role: AdminRole,
    /// The one tenant it may see, if limited.
    pub tenant: Option<TenantId>,
}

/// Whether an admin token may do what `needs` a role: on one tenant, or with `None` on the installation, which a limited
/// token never may.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub fn authorise_admin(grant: Grant, needs: AdminRole, tenant: Option<TenantId>) -> Result<(), Refusal> {
    let within = grant.tenant.is_none() || grant.tenant == tenant;
    if grant.role >= needs && within { Ok(()) } else { Err(Refusal::AccessDenied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scopes: &str, action: Action, resource: Resource<'_>, allowed: bool) {
        let scopes: Scopes = scopes.parse().unwrap();
        let expected = if allowed { Ok(()) } else { Err(Refusal::AccessDenied) };
        assert_eq!(authorise(&scopes, action, resource), expected, "{scopes} {action:?} {resource:?}");
    }

    #[test]
    fn scopes_grant_by_access_bucket_and_prefix() {
        let data = BucketName::parse("data").unwrap();
        let other = BucketName::parse("other").unwrap();
        let inside = ObjectKey::parse("in/x").unwrap();
        let outside = ObjectKey::parse("out/x").unwrap();
        let prefixed = "op=read:bucket=data:prefix=in/";
        for (scopes, action, resource, allowed) in [
            ("*", Action::DeleteBucket, Resource::Bucket(&data), true),
            ("*", Action::ListAllMyBuckets, Resource::Tenant, true),
            ("op=write", Action::ListAllMyBuckets, Resource::Tenant, false),
            (prefixed, Action::ListAllMyBuckets, Resource::Tenant, true),
            (prefixed, Action::GetObject, Resource::Object(&data, &inside), true),
            (prefixed, Action::GetObject, Resource::Object(&data, &outside), false),
            (prefixed, Action::GetObject, Resource::Object(&other, &inside), false),
            (prefixed, Action::PutObject, Resource::Object(&data, &inside), false),
            (prefixed, Action::ListBucket, Resource::Prefix(&data, "in/sub"), true),
            (prefixed, Action::ListBucket, Resource::Prefix(&data, "in"), false),
            (prefixed, Action::ListBucket, Resource::Prefix(&data, ""), false),
            (prefixed, Action::GetBucketLocation, Resource::Bucket(&data), false),
            ("op=read:bucket=data", Action::ListBucket, Resource::Prefix(&data, ""), true),
            ("op=read:bucket=data", Action::GetBucketLocation, Resource::Bucket(&data), true),
            ("op=read:bucket=data", Action::GetBucketLocation, Resource::Bucket(&other), false),
            ("op=write", Action::DeleteObject, Resource::Object(&data, &inside), false),
            ("op=delete", Action::DeleteObjectVersion, Resource::Object(&data, &inside), true),
            ("op=read,op=write,op=delete", Action::ReadHistory, Resource::Bucket(&data), false),
        ] {
            check(scopes, action, resource, allowed);
        }
    }

    #[test]
    fn what_concerns_the_whole_tenant_takes_a_scope_without_bucket_and_prefix() {
        for (scopes, allowed) in [
            ("*", true),
            ("op=read,op=admin", true),
            ("op=admin:bucket=data", false),
            ("op=admin:prefix=a/", false),
            ("op=read,op=write,op=delete", false),
        ] {
            let expected = if allowed { Ok(()) } else { Err(Refusal::AccessDenied) };
            assert_eq!(authorise_everywhere(&scopes.parse().unwrap(), Action::ManageWebhooks), expected, "{scopes}");
        }
    }

    #[test]
    fn a_bucket_is_seen_by_whoever_may_do_anything_in_it() {
        let scopes: Scopes = "op=read:bucket=data:prefix=in/".parse().unwrap();
        assert!(may_see(&scopes, &BucketName::parse("data").unwrap()));
        assert!(!may_see(&scopes, &BucketName::parse("other").unwrap()));
    }

    #[test]
    fn an_admin_token_reaches_as_far_as_its_role_and_tenant() {
        use AdminRole::{Operator, Owner, Viewer};
        let (mine, other) = (Some(TenantId(1)), Some(TenantId(2)));
        for (role, limit, needs, tenant, allowed) in [
            (Owner, None, Owner, mine, true),
            (Owner, None, Owner, None, true),
            (Operator, None, Owner, mine, false),
            (Operator, None, Operator, mine, true),
            (Viewer, None, Operator, mine, false),
            (Viewer, None, Viewer, None, true),
            (Owner, mine, Owner, mine, true),
            (Owner, mine, Viewer, other, false),
            (Owner, mine, Viewer, None, false),
        ] {
            let expected = if allowed { Ok(()) } else { Err(Refusal::AccessDenied) };
            let grant = Grant { role, tenant: limit };
            assert_eq!(authorise_admin(grant, needs, tenant), expected, "{grant:?} {needs:?} {tenant:?}");
        }
    }
}
