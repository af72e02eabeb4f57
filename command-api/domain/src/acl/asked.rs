//! Lists that requests ask for: who is meant, whether they may be set, whose an upload is that comes with one.
//!
//! Owns: what ownership and the public access block leave of a list. Does not own: looking users up, where the facts come from.

use schemas::UserId;
use schemas::acl::{Acl, Grant, Grantee, Permission, PublicAccessBlock};
use schemas::event::ObjectOwnership;

use super::{CannedAcl, GRANTS_MAX, is_public};
use crate::Refusal;
use crate::access::owner_of_new;

/// A list as a request asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// By its name.
    Canned(CannedAcl),
    /// Grant by grant.
    Grants(Vec<AskedGrant>),
}

impl Asked {
    /// Whether it says what holds where ACLs are off, when this user sets it in a bucket of that owner. Clients that always name
    /// a list name one of these: `private` is the owner's alone, so that from others it asks for what will not be.
    #[must_use]
    pub fn holds_without_acls(&self, by: &UserId, owner: &UserId) -> bool {
        match self {
            Self::Canned(CannedAcl::BucketOwnerFullControl) => true,
            Self::Canned(CannedAcl::Private) => by == owner,
            _ => false,
        }
    }
}

/// One grant of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedGrant {
    /// Who.
    pub grantee: AskedGrantee,
    /// What.
    pub permission: Permission,
}

/// Whom it is for, as far as the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedGrantee {
    /// The user of an id.
    Id(String),
    /// The user whose mail goes to this address.
    Email(String),
    /// A group.
    Group(Grantee),
}

/// A list whose grantees are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// By its name.
    Canned(CannedAcl),
    /// Grant by grant.
    List(Acl),
}

/// Finds the users that a list is for. `find` answers with those that there are of an id or address; an owner is known
/// whether there still is such a user or not.
///
/// # Errors
/// [`Refusal::NoSuchGrantee`], [`Refusal::NoSuchGranteeEmail`], [`Refusal::AmbiguousGrantee`], [`Refusal::MalformedAcl`] (too
/// many grants), and whatever `find` fails with.
pub fn resolve<E: From<Refusal>>(
    asked: Asked,
    owners: &[&UserId],
    find: impl Fn(&AskedGrantee) -> Result<Vec<UserId>, E>,
) -> Result<Wanted, E> {
    let grants = match asked {
        Asked::Canned(canned) => return Ok(Wanted::Canned(canned)),
        Asked::Grants(grants) if grants.len() > GRANTS_MAX => return Err(Refusal::MalformedAcl.into()),
        Asked::Grants(grants) => grants,
    };
    let resolved = grants.into_iter().map(|AskedGrant { grantee, permission }| {
        let grantee = match &grantee {
            AskedGrantee::Group(group) => group.clone(),
            AskedGrantee::Id(id) => match owners.iter().find(|owner| owner.as_str() == id.as_str()) {
                Some(&owner) => Grantee::User(owner.clone()),
                None => Grantee::User(find(&grantee)?.pop().ok_or(Refusal::NoSuchGrantee)?),
            },
            AskedGrantee::Email(_) => {
                let mut found = find(&grantee)?;
                match (found.pop(), found.is_empty()) {
                    (Some(user), true) => Grantee::User(user),
                    (Some(_), false) => return Err(Refusal::AmbiguousGrantee.into()),
                    (None, _) => return Err(Refusal::NoSuchGranteeEmail.into()),
                }
            }
        };
        Ok(Grant { grantee, permission })
    });
    Ok(Wanted::List(Acl { grants: resolved.collect::<Result<_, E>>()? }))
}

/// What of a bucket decides which lists it and its objects may have.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Whose it is.
    pub owner: &'a UserId,
    /// Whether ACLs are on, and whose uploads are.
    pub ownership: ObjectOwnership,
    /// What is kept from the public.
    pub block: PublicAccessBlock,
}

/// Whose an upload is and what it grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uploaded {
    /// Who owns it.
    pub owner: UserId,
    /// Its list; none when only its owner may do anything.
    pub acl: Option<Acl>,
}

impl Rules<'_> {
    /// Of something that is uploaded by somebody, perhaps with a list.
    ///
    /// # Errors
    /// [`Refusal::AclNotSupported`], [`Refusal::AccessDenied`] for a public list where those are blocked.
    pub fn upload(&self, uploader: &UserId, wanted: Option<Wanted>) -> Result<Uploaded, Refusal> {
        let to_bucket_owner = matches!(wanted, Some(Wanted::Canned(CannedAcl::BucketOwnerFullControl)));
        let owner = owner_of_new(self.ownership, self.owner, uploader, to_bucket_owner);
        let acl = match wanted {
            None => None,
            Some(wanted) if self.are_off() && self.gives_all_to_owner(&wanted, uploader) => None,
            Some(_) if self.are_off() => return Err(Refusal::AclNotSupported),
            Some(wanted) => self.allowed(wanted.of_object(owner, self.owner), owner, Refusal::AccessDenied)?,
        };
        Ok(Uploaded { owner: owner.clone(), acl })
    }

    /// A list to set on an object.
    ///
    /// # Errors
    /// As [`Rules::upload`].
    pub fn object(&self, owner: &UserId, wanted: Wanted) -> Result<Option<Acl>, Refusal> {
        if self.are_off() {
            return Err(Refusal::AclNotSupported);
        }
        self.allowed(wanted.of_object(owner, self.owner), owner, Refusal::AccessDenied)
    }

    /// A list to set on the bucket. Whether ACLs are on is decided when it is set.
    ///
    /// # Errors
    /// [`Refusal::AccessDenied`] for a public list where those are blocked.
    pub fn bucket(&self, wanted: Wanted) -> Result<Option<Acl>, Refusal> {
        self.allowed(wanted.of_bucket(self.owner), self.owner, Refusal::AccessDenied)
    }

    /// A list that the bucket is to be created with.
    ///
    /// # Errors
    /// [`Refusal::AclGrantsOthers`] where ACLs are to be off, [`Refusal::PublicAclBlocked`].
    pub fn new_bucket(&self, wanted: Wanted) -> Result<Option<Acl>, Refusal> {
        let acl = self.allowed(wanted.of_bucket(self.owner), self.owner, Refusal::PublicAclBlocked);
        match acl {
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(_) if self.are_off() => Err(Refusal::AclGrantsOthers),
            acl => acl,
        }
    }

    fn are_off(&self) -> bool {
        self.ownership == ObjectOwnership::BucketOwnerEnforced
    }

    /// What holds anyway while ACLs are off: clients that wrote for buckets of others before go on working.
    fn gives_all_to_owner(&self, wanted: &Wanted, uploader: &UserId) -> bool {
        match wanted {
            Wanted::Canned(canned) => Asked::Canned(*canned).holds_without_acls(uploader, self.owner),
            Wanted::List(list) => *list == owner_only(self.owner),
        }
    }

    fn allowed(&self, list: Acl, owner: &UserId, blocked: Refusal) -> Result<Option<Acl>, Refusal> {
        if self.block.block_public_acls && is_public(&list) {
            return Err(blocked);
        }
        Ok(if list == owner_only(owner) { None } else { Some(list) })
    }
}

impl Wanted {
    fn of_bucket(self, owner: &UserId) -> Acl {
        match self {
            Self::Canned(canned) => canned.of_bucket(owner),
            Self::List(list) => list,
        }
    }

    fn of_object(self, owner: &UserId, bucket_owner: &UserId) -> Acl {
        match self {
            Self::Canned(canned) => canned.of_object(owner, bucket_owner),
            Self::List(list) => list,
        }
    }
}

/// The list of what has none: what there is when nothing was said.
#[must_use]
pub fn owner_only(owner: &UserId) -> Acl {
    Acl { grants: vec![Grant { grantee: Grantee::User(owner.clone()), permission: Permission::FullControl }] }
}

/// Whether a list grants anything to anybody but the owner.
#[must_use]
pub fn grants_others(acl: &Acl, owner: &UserId) -> bool {
    acl.grants.iter().any(|grant| !matches!(&grant.grantee, Grantee::User(user) if user == owner))
}

/// Whether a list may be changed by a request that names its owner: an owner is not changed by the way.
///
/// # Errors
/// [`Refusal::AccessDenied`].
pub fn check_owner(owner: &UserId, named: Option<&str>) -> Result<(), Refusal> {
    if named.is_none_or(|named| named == owner.as_str()) { Ok(()) } else { Err(Refusal::AccessDenied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: PublicAccessBlock = PublicAccessBlock {
        block_public_acls: false,
        ignore_public_acls: false,
        block_public_policy: false,
        restrict_public_buckets: false,
    };

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn canned(name: &str) -> Wanted {
        Wanted::Canned(CannedAcl::parse(name).unwrap())
    }

    fn list(grants: &[(&str, Permission)]) -> Wanted {
        let grant = |&(id, permission): &(&str, Permission)| Grant { grantee: Grantee::User(user(id)), permission };
        Wanted::List(Acl { grants: grants.iter().map(grant).collect() })
    }

    /// Bob uploads into Ann's bucket.
    fn upload(
        ownership: ObjectOwnership,
        block: PublicAccessBlock,
        wanted: Option<Wanted>,
    ) -> Result<(String, usize), Refusal> {
        let rules = Rules { owner: &user("ann"), ownership, block };
        let uploaded = rules.upload(&user("bob"), wanted)?;
        Ok((uploaded.owner.to_string(), uploaded.acl.map_or(0, |acl| acl.grants.len())))
    }

    #[test]
    fn whose_an_upload_is_and_what_it_grants() {
        use ObjectOwnership::{BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter};
        let full = [("ann", Permission::FullControl)];
        let off = Err(Refusal::AclNotSupported);
        for (wanted, enforced, preferred, writer) in [
            (None, Ok(("ann", 0)), ("bob", 0), ("bob", 0)),
            (Some(canned("bucket-owner-full-control")), Ok(("ann", 0)), ("ann", 0), ("bob", 2)),
            (Some(canned("private")), off.clone(), ("bob", 0), ("bob", 0)),
            (Some(canned("public-read")), off.clone(), ("bob", 2), ("bob", 2)),
            (Some(list(&full)), Ok(("ann", 0)), ("bob", 1), ("bob", 1)),
            (Some(list(&[])), off.clone(), ("bob", 0), ("bob", 0)),
        ] {
            let said = |(owner, grants): (&str, usize)| (owner.to_owned(), grants);
            let check = |ownership, expected: Result<(&str, usize), Refusal>| {
                let found = upload(ownership, OPEN, wanted.clone());
                assert_eq!(found, expected.map(said), "{wanted:?} {ownership:?}");
            };
            check(BucketOwnerEnforced, enforced);
            check(BucketOwnerPreferred, Ok(preferred));
            check(ObjectWriter, Ok(writer));
        }
    }

    #[test]
    fn where_acls_are_off_private_says_what_holds_when_the_owner_says_it() {
        let rules = Rules { owner: &user("ann"), ownership: ObjectOwnership::BucketOwnerEnforced, block: OPEN };
        let owned = Uploaded { owner: user("ann"), acl: None };
        assert_eq!(rules.upload(&user("ann"), Some(canned("private"))), Ok(owned));
        assert_eq!(rules.upload(&user("ann"), Some(canned("public-read"))), Err(Refusal::AclNotSupported));
    }

    #[test]
    fn a_list_that_takes_even_the_owners_rights_is_kept_as_a_list() {
        let rules = Rules { owner: &user("ann"), ownership: ObjectOwnership::ObjectWriter, block: OPEN };
        assert_eq!(rules.object(&user("bob"), list(&[])), Ok(Some(Acl::default())));
        assert_eq!(rules.object(&user("bob"), list(&[("bob", Permission::FullControl)])), Ok(None));
        assert_eq!(rules.bucket(list(&[])), Ok(Some(Acl::default())));
        assert_eq!(rules.bucket(canned("private")), Ok(None));
    }

    #[test]
    fn public_lists_are_refused_where_they_are_blocked() {
        let blocked = PublicAccessBlock { block_public_acls: true, ..OPEN };
        let rules = Rules { owner: &user("ann"), ownership: ObjectOwnership::ObjectWriter, block: blocked };
        for name in ["public-read", "public-read-write", "authenticated-read"] {
            assert_eq!(upload(rules.ownership, blocked, Some(canned(name))), Err(Refusal::AccessDenied));
            assert_eq!(rules.object(&user("bob"), canned(name)), Err(Refusal::AccessDenied));
            assert_eq!(rules.bucket(canned(name)), Err(Refusal::AccessDenied));
            assert_eq!(rules.new_bucket(canned(name)), Err(Refusal::PublicAclBlocked));
        }
        assert!(rules.object(&user("bob"), canned("bucket-owner-read")).is_ok());
        assert!(rules.new_bucket(canned("log-delivery-write")).is_ok());
    }

    #[test]
    fn where_acls_are_off_none_is_set() {
        let enforced = ObjectOwnership::BucketOwnerEnforced;
        let rules = Rules { owner: &user("ann"), ownership: enforced, block: PublicAccessBlock::ALL };
        assert_eq!(rules.object(&user("ann"), canned("private")), Err(Refusal::AclNotSupported));
        assert_eq!(rules.new_bucket(canned("private")), Ok(None));
        assert_eq!(rules.new_bucket(canned("public-read")), Err(Refusal::AclGrantsOthers));
        assert_eq!(rules.new_bucket(list(&[("bob", Permission::Read)])), Err(Refusal::AclGrantsOthers));
    }

    #[test]
    fn users_of_a_list_are_found_or_the_list_is_refused() {
        let find = |grantee: &AskedGrantee| -> Result<Vec<UserId>, Refusal> {
            Ok(match grantee {
                AskedGrantee::Id(id) if id == "bob" => vec![user("bob")],
                AskedGrantee::Email(address) if address == "bob@example.org" => vec![user("bob")],
                AskedGrantee::Email(address) if address == "all@example.org" => vec![user("bob"), user("cid")],
                _ => vec![],
            })
        };
        let resolved = |grantee: AskedGrantee, times| {
            let grant = AskedGrant { grantee, permission: Permission::Read };
            resolve(Asked::Grants(vec![grant; times]), &[&user("gone")], find)
        };
        let one = |id| Ok(list(&[(id, Permission::Read)]));
        assert_eq!(resolved(AskedGrantee::Id("bob".into()), 1), one("bob"));
        assert_eq!(resolved(AskedGrantee::Id("gone".into()), 1), one("gone"), "an owner is known");
        assert_eq!(resolved(AskedGrantee::Id("dan".into()), 1), Err(Refusal::NoSuchGrantee));
        assert_eq!(resolved(AskedGrantee::Email("bob@example.org".into()), 1), one("bob"));
        assert_eq!(resolved(AskedGrantee::Email("dan@example.org".into()), 1), Err(Refusal::NoSuchGranteeEmail));
        assert_eq!(resolved(AskedGrantee::Email("all@example.org".into()), 1), Err(Refusal::AmbiguousGrantee));
        let group = AskedGrantee::Group(Grantee::AllUsers);
        assert!(resolved(group.clone(), GRANTS_MAX).is_ok());
        assert_eq!(resolved(group, GRANTS_MAX + 1), Err(Refusal::MalformedAcl));
    }

    #[test]
    fn an_owner_is_named_as_it_is_or_not_at_all() {
        assert_eq!(check_owner(&user("ann"), None), Ok(()));
        assert_eq!(check_owner(&user("ann"), Some("ann")), Ok(()));
        assert_eq!(check_owner(&user("ann"), Some("bob")), Err(Refusal::AccessDenied));
    }

    #[test]
    fn a_list_of_the_owner_alone_grants_nothing_to_others() {
        let ann = user("ann");
        assert!(!grants_others(&owner_only(&ann), &ann) && !grants_others(&Acl::default(), &ann));
        assert!(grants_others(&owner_only(&ann), &user("bob")));
        assert!(grants_others(&CannedAcl::LogDeliveryWrite.of_bucket(&ann), &ann));
    }
}
