//! Access control lists: who else may do something to a bucket or object, where its ownership leaves ACLs on.
//!
//! Owns: the shapes that events keep. Does not own: what a grant allows (domain), S3's XML and headers (the door), whose the
//! bucket or object is: its row says that, and a list may well leave the owner out.

use serde::{Deserialize, Serialize};

use crate::UserId;

/// Everything that a bucket or object grants.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Acl {
    /// In the order the client gave them.
    pub grants: Vec<Grant>,
}

/// One permission for one grantee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// Whom a grant is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// A user of the tenant.
    User(UserId),
    /// Everybody, with a credential or without.
    AllUsers,
    /// Every user of the tenant.
    AuthenticatedUsers,
    /// What writes access logs into the bucket.
    LogDelivery,
}

/// What a grant is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    /// List the bucket; read the object.
    Read,
    /// Create and delete objects of the bucket; nothing on an object.
    Write,
    /// Read the list itself.
    ReadAcp,
    /// Change the list.
    WriteAcp,
    /// All of these.
    FullControl,
}

/// What keeps a bucket from being opened to everyone, whatever its policy and ACLs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Refuse to set public ACLs.
    pub block_public_acls: bool,
    /// Act as if public grants were not there.
    pub ignore_public_acls: bool,
    /// Refuse to set a public policy.
    pub block_public_policy: bool,
    /// Let a public policy grant nothing to anybody outside the tenant.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Everything blocked: what a new bucket has.
    pub const ALL: Self = Self {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_kept_by_names() {
        let user = UserId::parse("ann").expect("a user");
        let acl = Acl {
            grants: vec![
                Grant { grantee: Grantee::User(user), permission: Permission::FullControl },
                Grant { grantee: Grantee::AllUsers, permission: Permission::Read },
            ],
        };
        let json = serde_json::to_string(&acl).expect("writes");
        assert_eq!(
            json,
            r#"{"grants":[{"grantee":{"User":"ann"},"permission":"FullControl"},{"grantee":"AllUsers","permission":"Read"}]}"#
        );
        assert_eq!(serde_json::from_str::<Acl>(&json).expect("reads"), acl);
        let packed = rmp_serde::to_vec_named(&acl).expect("packs");
        assert_eq!(rmp_serde::from_slice::<Acl>(&packed).expect("unpacks"), acl);
    }
}
