//! Access control lists: what a grant allows, and the lists that have names.
//!
//! Owns: what the canned ACLs grant, when a list is public, how long it may be, whom a grant reaches.
//! Does not own: which action needs which permission, and when ACLs count at all (`access`).

mod asked;

use schemas::UserId;
use schemas::acl::{Acl, Grant, Grantee, Permission};

pub use asked::{
    Asked, AskedGrant, AskedGrantee, Rules, Uploaded, Wanted, check_owner, grants_others, owner_only, resolve,
};

/// Most grants of a list, as in S3.
pub const GRANTS_MAX: usize = 100;

/// A list by name (`x-amz-acl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannedAcl {
    /// Nobody but the owner.
    Private,
    /// Everybody reads.
    PublicRead,
    /// Everybody reads and writes.
    PublicReadWrite,
    /// Every user of the tenant reads.
    AuthenticatedRead,
    /// The bucket's owner reads the object. Nothing on a bucket.
    BucketOwnerRead,
    /// The bucket's owner may do everything with the object. Nothing on a bucket.
    BucketOwnerFullControl,
    /// Access logs may be written into the bucket. Nothing on an object.
    LogDeliveryWrite,
    /// Amazon's machine images: there is nobody here to read them.
    AwsExecRead,
}

impl CannedAcl {
    const NAMES: [(&'static str, Self); 8] = [
        ("private", Self::Private),
        ("public-read", Self::PublicRead),
        ("public-read-write", Self::PublicReadWrite),
        ("authenticated-read", Self::AuthenticatedRead),
        ("bucket-owner-read", Self::BucketOwnerRead),
        ("bucket-owner-full-control", Self::BucketOwnerFullControl),
        ("log-delivery-write", Self::LogDeliveryWrite),
        ("aws-exec-read", Self::AwsExecRead),
    ];

    /// As requests name it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|&(_, acl)| acl)
    }

    /// Its list, for a bucket.
    #[must_use]
    pub fn of_bucket(self, owner: &UserId) -> Acl {
        self.grants(owner, None)
    }

    /// Its list, for an object.
    #[must_use]
    pub fn of_object(self, owner: &UserId, bucket_owner: &UserId) -> Acl {
        self.grants(owner, Some(bucket_owner))
    }

    fn grants(self, owner: &UserId, bucket_owner: Option<&UserId>) -> Acl {
        let on_bucket = bucket_owner.is_none();
        let other = bucket_owner.filter(|&bucket_owner| bucket_owner != owner).cloned().map(Grantee::User);
        let mut grants = vec![Grant { grantee: Grantee::User(owner.clone()), permission: Permission::FullControl }];
        let mut grant = |grantee, permission| grants.push(Grant { grantee, permission });
        match self {
            Self::Private | Self::AwsExecRead => {}
            Self::PublicRead => grant(Grantee::AllUsers, Permission::Read),
            Self::PublicReadWrite => {
                grant(Grantee::AllUsers, Permission::Read);
                grant(Grantee::AllUsers, Permission::Write);
            }
            Self::AuthenticatedRead => grant(Grantee::AuthenticatedUsers, Permission::Read),
            Self::BucketOwnerRead => other.into_iter().for_each(|other| grant(other, Permission::Read)),
            Self::BucketOwnerFullControl => {
                other.into_iter().for_each(|other| grant(other, Permission::FullControl));
            }
            Self::LogDeliveryWrite if on_bucket => {
                grant(Grantee::LogDelivery, Permission::Write);
                grant(Grantee::LogDelivery, Permission::ReadAcp);
            }
            Self::LogDeliveryWrite => {}
        }
        Acl { grants }
    }
}

/// Whether a list grants anything to people who are not named in it: what Block Public Access means by public.
#[must_use]
pub fn is_public(acl: &Acl) -> bool {
    acl.grants.iter().any(|grant| is_public_grantee(&grant.grantee))
}

fn is_public_grantee(grantee: &Grantee) -> bool {
    matches!(grantee, Grantee::AllUsers | Grantee::AuthenticatedUsers)
}

/// Whom grants may reach in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker<'a> {
    /// Nobody known.
    Anonymous,
    /// A user of the tenant.
    User(&'a UserId),
    /// What writes access logs.
    LogDelivery,
}

/// Whether a list grants a permission to whoever asks; grants to everyone and to every user count unless `ignore_public`.
#[must_use]
pub fn grants(acl: &Acl, asker: Asker<'_>, permission: Permission, ignore_public: bool) -> bool {
    let reaches = |grantee: &Grantee| match (grantee, asker) {
        _ if ignore_public && is_public_grantee(grantee) => false,
        (Grantee::AllUsers, _) => true,
        (Grantee::AuthenticatedUsers, Asker::User(_)) => true,
        (Grantee::User(named), Asker::User(user)) => named == user,
        (Grantee::LogDelivery, Asker::LogDelivery) => true,
        (Grantee::AuthenticatedUsers | Grantee::User(_) | Grantee::LogDelivery, _) => false,
    };
    let suffices = |granted| granted == permission || granted == Permission::FullControl;
    acl.grants.iter().any(|grant| suffices(grant.permission) && reaches(&grant.grantee))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn said(acl: &Acl) -> String {
        let grant = |grant: &Grant| match &grant.grantee {
            Grantee::User(user) => format!("{user} {:?}", grant.permission),
            group => format!("{group:?} {:?}", grant.permission),
        };
        acl.grants.iter().map(grant).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_the_named_lists_grant() {
        for (name, of_bucket, of_object) in [
            ("private", "ann FullControl", "ann FullControl"),
            ("public-read", "ann FullControl, AllUsers Read", "ann FullControl, AllUsers Read"),
            (
                "public-read-write",
                "ann FullControl, AllUsers Read, AllUsers Write",
                "ann FullControl, AllUsers Read, AllUsers Write",
            ),
            (
                "authenticated-read",
                "ann FullControl, AuthenticatedUsers Read",
                "ann FullControl, AuthenticatedUsers Read",
            ),
            ("bucket-owner-read", "ann FullControl", "ann FullControl, bob Read"),
            ("bucket-owner-full-control", "ann FullControl", "ann FullControl, bob FullControl"),
            ("log-delivery-write", "ann FullControl, LogDelivery Write, LogDelivery ReadAcp", "ann FullControl"),
            ("aws-exec-read", "ann FullControl", "ann FullControl"),
        ] {
            let canned = CannedAcl::parse(name).unwrap();
            assert_eq!(said(&canned.of_bucket(&user("ann"))), of_bucket, "{name}");
            assert_eq!(said(&canned.of_object(&user("ann"), &user("bob"))), of_object, "{name}");
        }
        assert_eq!(CannedAcl::parse("Private"), None);
    }

    #[test]
    fn an_owner_of_both_is_granted_everything_once() {
        let acl = CannedAcl::BucketOwnerFullControl.of_object(&user("ann"), &user("ann"));
        assert_eq!(said(&acl), "ann FullControl");
    }

    #[test]
    fn a_list_is_public_when_it_grants_to_people_it_does_not_name() {
        for (canned, public) in [
            (CannedAcl::Private, false),
            (CannedAcl::BucketOwnerRead, false),
            (CannedAcl::LogDeliveryWrite, false),
            (CannedAcl::PublicRead, true),
            (CannedAcl::AuthenticatedRead, true),
        ] {
            assert_eq!(is_public(&canned.of_bucket(&user("ann"))), public, "{canned:?}");
        }
    }

    #[test]
    fn a_grant_reaches_whom_it_names() {
        let (ann, bob) = (user("ann"), user("bob"));
        let check = |canned: CannedAcl, asker, permission, expected: bool| {
            let acl = canned.of_bucket(&ann);
            assert_eq!(grants(&acl, asker, permission, false), expected, "{canned:?} {asker:?} {permission:?}");
        };
        check(CannedAcl::Private, Asker::User(&ann), Permission::WriteAcp, true);
        check(CannedAcl::Private, Asker::User(&bob), Permission::Read, false);
        check(CannedAcl::Private, Asker::Anonymous, Permission::Read, false);
        check(CannedAcl::PublicRead, Asker::Anonymous, Permission::Read, true);
        check(CannedAcl::PublicRead, Asker::User(&bob), Permission::Read, true);
        check(CannedAcl::PublicRead, Asker::User(&bob), Permission::Write, false);
        check(CannedAcl::AuthenticatedRead, Asker::Anonymous, Permission::Read, false);
        check(CannedAcl::AuthenticatedRead, Asker::User(&bob), Permission::Read, true);
        check(CannedAcl::LogDeliveryWrite, Asker::LogDelivery, Permission::Write, true);
        check(CannedAcl::LogDeliveryWrite, Asker::User(&bob), Permission::Write, false);
    }

    #[test]
    fn public_grants_can_be_ignored() {
        let acl = CannedAcl::PublicRead.of_bucket(&user("ann"));
        assert!(!grants(&acl, Asker::Anonymous, Permission::Read, true));
        assert!(!grants(&acl, Asker::User(&user("bob")), Permission::Read, true));
        assert!(grants(&acl, Asker::User(&user("ann")), Permission::Read, true));
    }
}
