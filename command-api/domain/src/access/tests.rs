//! Who may do what: Ann owns the bucket, Bob is another user of the tenant, nobody has no key.

use std::cell::Cell;

use proptest::prelude::*;
use schemas::acl::{Grant, Grantee};
use schemas::scope::Scopes;
use schemas::{ObjectKey, TenantId, TenantName, Time};

use super::*;
use crate::acl::CannedAcl;
use crate::bucket_policy::Silence;

#[derive(Debug, PartialEq)]
struct Denied;

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        assert!(matches!(refusal, Refusal::AccessDenied | Refusal::DeniedByPolicy), "{refusal:?}");
        Denied
    }
}

/// A bucket of Ann's and one object in it.
struct House {
    ownership: ObjectOwnership,
    acl: Option<Acl>,
    policy: Option<Policy>,
    binds_owner: bool,
    block: PublicAccessBlock,
    object: Option<ObjectFacts>,
    loads: Cell<u32>,
}

fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

fn bucket() -> BucketName {
    BucketName::parse("data").unwrap()
}

fn house(ownership: ObjectOwnership) -> House {
    House {
        ownership,
        acl: None,
        policy: None,
        binds_owner: false,
        block: PublicAccessBlock::default(),
        object: None,
        loads: Cell::new(0),
    }
}

/// Where users are accounts of their own.
fn with_acls() -> House {
    house(ObjectOwnership::ObjectWriter)
}

/// Where the tenant is the account.
fn without_acls() -> House {
    house(ObjectOwnership::BucketOwnerEnforced)
}

const ALLOW_READS: &str =
    r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*"}"#;
const ALLOW_ALL: &str = r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#;
const DENY_ALL: &str = r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#;

impl House {
    fn object_of(self, owner: &str) -> Self {
        self.object_with(owner, None)
    }

    fn object_with(self, owner: &str, acl: Option<Acl>) -> Self {
        Self { object: Some(ObjectFacts { owner: user(owner), acl, tags: BTreeMap::new() }), ..self }
    }

    fn tagged(mut self, key: &str, value: &str) -> Self {
        let object = self.object.as_mut().expect("an object to tag");
        object.tags.insert(key.to_owned(), value.to_owned());
        self
    }

    fn listed(self, canned: CannedAcl) -> Self {
        Self { acl: Some(canned.of_bucket(&user("ann"))), ..self }
    }

    fn granting(self, who: &str, permission: Permission) -> Self {
        let grants = vec![Grant { grantee: Grantee::User(user(who)), permission }];
        Self { acl: Some(Acl { grants }), ..self }
    }

    fn policy(self, statements: &str) -> Self {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        Self { policy: Some(Policy::parse(&text, &bucket()).unwrap()), ..self }
    }

    fn blocking(self, block: PublicAccessBlock) -> Self {
        Self { block, ..self }
    }

    /// Whether `who`, nobody if empty, may do it with `in/x`, or with the bucket.
    fn may(&self, who: &str, action: Action) -> bool {
        self.may_within(who, "*", action)
    }

    fn may_within(&self, who: &str, scopes: &str, action: Action) -> bool {
        let (bucket, key) = (bucket(), ObjectKey::parse("in/x").unwrap());
        let resource = match action {
            Action::ListBucket => Resource::Prefix(&bucket, ""),
            action if action.as_str().contains("Object") || action.as_str().contains("Upload") => {
                Resource::Object(&bucket, &key)
            }
            _ => Resource::Bucket(&bucket),
        };
        self.decide(who, scopes, &Asked::new(action, resource)).is_ok()
    }

    fn decide(&self, who: &str, scopes: &str, asked: &Asked<'_>) -> Result<(), Denied> {
        let (bucket, owner, scopes): (_, _, Scopes) = (bucket(), user("ann"), scopes.parse().unwrap());
        let someone = UserId::parse(who).ok();
        let requester = match &someone {
            None => Requester::Anonymous,
            Some(_) if who == "logging" => Requester::Service { name: LOGGING, source: &bucket, source_owner: &owner },
            Some(user) => Requester::User { user, scopes: &scopes },
        };
        let facts = BucketFacts {
            name: &bucket,
            owner: &owner,
            ownership: self.ownership,
            acl: self.acl.as_ref(),
            policy: self.policy.as_ref(),
            policy_binds_owner: self.binds_owner,
            block: self.block,
        };
        let load = || {
            self.loads.set(self.loads.get() + 1);
            Ok(self.object.clone())
        };
        let name = TenantName::parse("acme").unwrap();
        let circumstances = Circumstances {
            now: Time(0),
            source: None,
            secure: false,
            tls_version: None,
            signature: None,
            said: &Silence,
        };
        let context = Context { tenant: Tenant { id: TenantId(7), name: &name }, circumstances };
        decide(requester, asked, &facts, &load, &context)
    }

    #[track_caller]
    fn check(&self, cases: &[(&str, Action, bool)]) {
        for &(who, action, expected) in cases {
            assert_eq!(self.may(who, action), expected, "{who:?} {action:?}");
        }
    }
}

const READ: Action = Action::GetObject;
const WRITE: Action = Action::PutObject;
const DELETE: Action = Action::DeleteObject;
const LIST: Action = Action::ListBucket;

#[test]
fn scopes_alone_decide_where_acls_are_off_and_no_policy_is() {
    let house = without_acls().object_of("ann");
    house.check(&[
        ("ann", READ, true),
        ("bob", READ, true),
        ("bob", WRITE, true),
        ("bob", Action::PutBucketPolicy, true),
    ]);
    assert!(!house.may_within("bob", "op=read", WRITE));
    assert!(!house.may_within("bob", "op=read:bucket=other", READ));
    assert_eq!(house.loads.get(), 0, "nothing was looked up");
    house.check(&[("", READ, false), ("", LIST, false), ("", WRITE, false)]);
}

#[test]
fn with_acls_everybody_but_the_owner_needs_a_grant() {
    let house = with_acls().object_of("ann");
    for action in [READ, WRITE, DELETE, LIST, Action::GetBucketAcl, Action::GetObjectAcl, Action::GetObjectTagging] {
        house.check(&[("ann", action, true), ("bob", action, false), ("", action, false)]);
    }
    assert!(!house.may_within("ann", "op=read", WRITE), "scopes bound an owner too");
}

#[test]
fn an_object_is_its_owners_even_in_a_bucket_of_another() {
    let house = with_acls().object_of("bob");
    house.check(&[
        ("bob", READ, true),
        ("ann", READ, false),
        ("bob", Action::GetObjectAcl, true),
        ("bob", Action::PutObjectAcl, true),
        ("ann", Action::GetObjectAcl, false),
        ("ann", Action::PutObjectAcl, false),
        // The bucket's owner pays for it: may remove it, tag it, lock it, write it anew.
        ("ann", DELETE, true),
        ("ann", Action::DeleteObjectVersion, true),
        ("ann", WRITE, true),
        ("ann", Action::PutObjectTagging, true),
        ("ann", Action::PutObjectRetention, true),
        ("bob", Action::PutObjectTagging, true),
        ("bob", Action::PutObjectRetention, false),
        ("bob", DELETE, false),
        ("bob", WRITE, false),
    ]);
    let shared = with_acls().object_with("bob", Some(CannedAcl::BucketOwnerRead.of_object(&user("bob"), &user("ann"))));
    shared.check(&[("ann", READ, true), ("ann", Action::GetObjectAcl, false)]);
    let own_list = with_acls().object_with("bob", Some(Acl::default()));
    own_list.check(&[("bob", READ, false), ("bob", Action::PutObjectAcl, true)]);
}

#[test]
fn each_permission_on_a_bucket_grants_its_actions() {
    let actions = [LIST, Action::ListBucketVersions, WRITE, DELETE, Action::GetBucketAcl, Action::PutBucketAcl];
    for (permission, granted) in [
        (Permission::Read, [true, true, false, false, false, false]),
        (Permission::Write, [false, false, true, true, false, false]),
        (Permission::ReadAcp, [false, false, false, false, true, false]),
        (Permission::WriteAcp, [false, false, false, false, false, true]),
        (Permission::FullControl, [true; 6]),
    ] {
        let house = with_acls().granting("bob", permission).object_of("ann");
        for (action, expected) in actions.into_iter().zip(granted) {
            house.check(&[("bob", action, expected), ("", action, false), ("ann", action, true)]);
        }
        // A bucket's list says nothing about what its objects hold, nor about its configuration.
        house.check(&[
            ("bob", READ, false),
            ("bob", Action::PutBucketPolicy, false),
            ("bob", Action::DeleteBucket, false),
        ]);
        house.check(&[("bob", Action::DeleteObjectVersion, false)]);
    }
}

#[test]
fn each_permission_on_an_object_grants_its_actions() {
    let actions =
        [READ, Action::GetObjectVersion, Action::GetObjectAttributes, Action::GetObjectAcl, Action::PutObjectAcl];
    for (permission, granted) in [
        (Permission::Read, [true, true, true, false, false]),
        (Permission::Write, [false; 5]),
        (Permission::ReadAcp, [false, false, false, true, false]),
        (Permission::WriteAcp, [false, false, false, false, true]),
        (Permission::FullControl, [true; 5]),
    ] {
        let grants = vec![Grant { grantee: Grantee::User(user("bob")), permission }];
        let house = with_acls().object_with("ann", Some(Acl { grants }));
        for (action, expected) in actions.into_iter().zip(granted) {
            house.check(&[("bob", action, expected), ("", action, false)]);
        }
        house.check(&[("bob", WRITE, false), ("bob", DELETE, false), ("bob", Action::GetObjectTagging, false)]);
    }
}

#[test]
fn grants_to_groups_reach_everybody_in_them() {
    let public = |canned: CannedAcl| {
        with_acls().listed(canned).object_with("ann", Some(canned.of_object(&user("ann"), &user("ann"))))
    };
    public(CannedAcl::PublicRead).check(&[("", READ, true), ("", LIST, true), ("", WRITE, false), ("bob", READ, true)]);
    public(CannedAcl::PublicReadWrite).check(&[("", WRITE, true), ("", DELETE, true), ("bob", WRITE, true)]);
    public(CannedAcl::AuthenticatedRead).check(&[
        ("", READ, false),
        ("", LIST, false),
        ("bob", READ, true),
        ("bob", LIST, true),
    ]);
    let logs = with_acls().listed(CannedAcl::LogDeliveryWrite);
    logs.check(&[
        ("logging", WRITE, true),
        ("logging", Action::GetBucketAcl, true),
        ("logging", LIST, false),
        ("bob", WRITE, false),
    ]);
    with_acls().check(&[("logging", WRITE, false)]);
}

#[test]
fn lists_that_are_kept_count_for_nothing_while_acls_are_off() {
    let acl = CannedAcl::PublicReadWrite.of_object(&user("ann"), &user("ann"));
    let house = without_acls().listed(CannedAcl::PublicReadWrite).object_with("ann", Some(acl));
    house.check(&[("", READ, false), ("", LIST, false), ("", WRITE, false), ("bob", READ, true)]);
}

#[test]
fn an_upload_is_its_initiators_to_look_at_and_to_give_up() {
    let house = with_acls().object_of("bob");
    for action in [Action::AbortMultipartUpload, Action::ListMultipartUploadParts] {
        house.check(&[("bob", action, true), ("ann", action, true), ("eve", action, false), ("", action, false)]);
    }
}

#[test]
fn a_policy_opens_what_it_allows_to_everyone() {
    for house in [without_acls(), with_acls()] {
        let house = house.policy(ALLOW_READS).object_of("ann");
        house.check(&[("", READ, true), ("bob", READ, true), ("", WRITE, false), ("", LIST, false)]);
        assert!(!house.may_within("bob", "op=write", READ), "never more than scopes");
    }
    with_acls().policy(ALLOW_READS).object_of("ann").check(&[("bob", WRITE, false), ("bob", LIST, false)]);
}

#[test]
fn a_policy_gives_away_only_what_the_buckets_owner_owns() {
    let house = with_acls().policy(ALLOW_ALL).object_of("bob");
    house.check(&[("", READ, false), ("eve", READ, false), ("ann", READ, false), ("bob", READ, true)]);
    house.check(&[("", WRITE, true), ("eve", DELETE, true), ("eve", LIST, true)]);
    without_acls().policy(ALLOW_ALL).object_of("bob").check(&[("", READ, true), ("eve", READ, true)]);
}

#[test]
fn what_tenants_keep_for_keys_no_policy_opens() {
    let house = without_acls().policy(ALLOW_ALL).object_of("ann");
    house.check(&[("", READ, true), ("", Action::ReadHistory, false), ("", Action::ManageKeys, false)]);
    house.check(&[("", Action::CreateBucket, false), ("", Action::ListAllMyBuckets, false)]);
}

#[test]
fn an_explicit_deny_wins_over_owners_scopes_and_lists() {
    let acl = CannedAcl::PublicRead.of_object(&user("ann"), &user("ann"));
    for house in [without_acls(), with_acls().listed(CannedAcl::PublicReadWrite)] {
        let house = house.policy(&format!("{ALLOW_ALL},{DENY_ALL}")).object_with("ann", Some(acl.clone()));
        for action in [READ, WRITE, LIST, Action::GetBucketAcl, Action::GetBucketPublicAccessBlock] {
            house.check(&[("ann", action, false), ("bob", action, false), ("", action, false)]);
        }
    }
}

#[test]
fn the_buckets_owner_can_take_a_policy_back_unless_it_was_said_otherwise() {
    let policy = [Action::GetBucketPolicy, Action::PutBucketPolicy, Action::DeleteBucketPolicy];
    for house in [without_acls(), with_acls()] {
        let mut house = house.policy(DENY_ALL);
        for action in policy {
            house.check(&[("ann", action, true), ("bob", action, false), ("", action, false)]);
            assert!(!house.may_within("ann", "op=read", action), "never more than scopes");
        }
        house.check(&[("ann", Action::GetBucketPolicyStatus, false)]);
        house.binds_owner = true;
        for action in policy {
            house.check(&[("ann", action, false)]);
        }
    }
}

#[test]
fn a_policy_may_ask_for_the_tags_an_object_has() {
    let tagged = r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::data/*",
        "Condition":{"StringEquals":{"s3:ExistingObjectTag/security":"public"}}}"#;
    let house = || with_acls().policy(tagged).object_of("ann");
    house().tagged("security", "public").check(&[("bob", READ, true), ("bob", Action::GetObjectTagging, false)]);
    house().tagged("security", "private").check(&[("bob", READ, false)]);
    house().check(&[("bob", READ, false)]);
}

#[test]
fn a_public_policy_reaches_nobody_outside_where_that_is_restricted() {
    let restricted = PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::default() };
    for house in [without_acls(), with_acls()] {
        let house = house.policy(ALLOW_READS).object_of("ann").blocking(restricted);
        house.check(&[("", READ, false), ("bob", READ, true), ("ann", READ, true)]);
    }
    // To name nobody known is to name everybody.
    let from_home = ALLOW_READS.replace('}', r#","Condition":{"StringEquals":{"aws:userid":"anonymous"}}}"#);
    let house = without_acls().policy(&from_home).object_of("ann").blocking(restricted);
    house.check(&[("", READ, false), ("bob", READ, true)]);
}

#[test]
fn a_public_policy_is_not_set_where_that_is_blocked() {
    let blocked = PublicAccessBlock { block_public_policy: true, ..PublicAccessBlock::default() };
    let allowed = |statement: &str, block| {
        let policy = without_acls().policy(statement).policy.unwrap();
        may_set_policy(&policy, block).is_ok()
    };
    assert!(!allowed(ALLOW_READS, blocked) && !allowed(ALLOW_READS, PublicAccessBlock::ALL));
    assert!(allowed(ALLOW_READS, PublicAccessBlock::default()) && allowed(DENY_ALL, blocked));
    assert!(allowed(&ALLOW_READS.replace(r#""*""#, r#"{"AWS":"arn:aws:iam::other:root"}"#), blocked));
}

#[test]
fn a_new_object_is_its_writers_or_the_bucket_owners() {
    use ObjectOwnership::{BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter};
    let (ann, bob) = (user("ann"), user("bob"));
    for (ownership, gives_full_control, expected) in [
        (BucketOwnerEnforced, false, "ann"),
        (BucketOwnerEnforced, true, "ann"),
        (BucketOwnerPreferred, false, "bob"),
        (BucketOwnerPreferred, true, "ann"),
        (ObjectWriter, false, "bob"),
        (ObjectWriter, true, "bob"),
    ] {
        assert_eq!(owner_of_new(ownership, &ann, &bob, gives_full_control).as_str(), expected, "{ownership:?}");
    }
    assert!(is_own(BucketOwnerEnforced, &ann, &bob) && is_own(ObjectWriter, &ann, &ann));
    assert!(!is_own(ObjectWriter, &ann, &bob) && !is_own(BucketOwnerPreferred, &ann, &bob));
}

#[test]
fn public_grants_are_ignored_where_that_is_set() {
    let ignoring = PublicAccessBlock { ignore_public_acls: true, ..PublicAccessBlock::default() };
    let acl = CannedAcl::PublicRead.of_object(&user("ann"), &user("ann"));
    let house = with_acls().listed(CannedAcl::PublicRead).object_with("ann", Some(acl)).blocking(ignoring);
    house.check(&[
        ("", READ, false),
        ("", LIST, false),
        ("bob", READ, false),
        ("bob", LIST, false),
        ("ann", READ, true),
    ]);
}

#[test]
fn whoever_may_not_list_does_not_learn_that_a_key_is_absent() {
    // Yes means that the operation goes on, and finds nothing.
    with_acls().check(&[("ann", READ, true), ("bob", READ, false), ("", READ, false)]);
    with_acls().policy(ALLOW_READS).check(&[("bob", READ, false), ("", READ, false), ("ann", READ, true)]);
    with_acls().granting("bob", Permission::Read).check(&[("bob", READ, true), ("", READ, false)]);
    without_acls().check(&[("bob", READ, true), ("", READ, false)]);
    without_acls().policy(ALLOW_READS).check(&[("bob", READ, true), ("", READ, false)]);
    let of_public = r#"{"Effect":"Allow","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::data",
        "Condition":{"StringLike":{"s3:prefix":"PREFIX*"}}}"#;
    with_acls().policy(&of_public.replace("PREFIX", "in/")).check(&[("bob", READ, true)]);
    with_acls().policy(&of_public.replace("PREFIX", "out/")).check(&[("bob", READ, false)]);
    let unlisted = r#"{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"*"}"#;
    without_acls().policy(unlisted).check(&[("bob", READ, false)]);
    without_acls().policy(unlisted).object_of("ann").check(&[("bob", READ, true)]);
    let unread = r#"{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"*"}"#;
    without_acls().policy(unread).check(&[("bob", READ, false)]);
}

#[test]
fn an_object_is_loaded_once_and_only_if_it_matters() {
    let loads = |house: House, who: &str, action| {
        house.may(who, action);
        house.loads.get()
    };
    assert_eq!(loads(with_acls().object_of("bob"), "bob", READ), 1);
    assert_eq!(loads(with_acls().object_of("ann"), "ann", WRITE), 0);
    assert_eq!(loads(with_acls().object_of("ann"), "bob", LIST), 0);
    assert_eq!(loads(without_acls().policy(ALLOW_READS).object_of("ann"), "bob", READ), 0);
    assert_eq!(loads(without_acls().policy(DENY_ALL).object_of("ann"), "bob", READ), 0);
}

#[test]
fn a_failure_to_load_is_no_answer() {
    #[derive(Debug, PartialEq)]
    enum Failed {
        Disk,
        Refused,
    }
    impl From<Refusal> for Failed {
        fn from(_: Refusal) -> Self {
            Failed::Refused
        }
    }
    let (bucket, owner, bob, key) = (bucket(), user("ann"), user("bob"), ObjectKey::parse("x").unwrap());
    let facts = BucketFacts {
        name: &bucket,
        owner: &owner,
        ownership: ObjectOwnership::ObjectWriter,
        acl: None,
        policy: None,
        policy_binds_owner: false,
        block: PublicAccessBlock::default(),
    };
    let name = TenantName::parse("acme").unwrap();
    let circumstances =
        Circumstances { now: Time(0), source: None, secure: false, tls_version: None, signature: None, said: &Silence };
    let context = Context { tenant: Tenant { id: TenantId(7), name: &name }, circumstances };
    let requester = Requester::User { user: &bob, scopes: &Scopes::full() };
    let asked = Asked::new(READ, Resource::Object(&bucket, &key));
    assert_eq!(decide(requester, &asked, &facts, &|| Err(Failed::Disk), &context), Err(Failed::Disk));
    assert_eq!(decide(requester, &asked, &facts, &|| Ok(None), &context), Err(Failed::Refused));
}

fn any_house() -> impl Strategy<Value = House> {
    let ownership = prop::sample::select(vec![
        ObjectOwnership::BucketOwnerEnforced,
        ObjectOwnership::BucketOwnerPreferred,
        ObjectOwnership::ObjectWriter,
    ]);
    let canned = || {
        prop::option::of(prop::sample::select(vec![
            CannedAcl::PublicReadWrite,
            CannedAcl::AuthenticatedRead,
            CannedAcl::Private,
        ]))
    };
    let policy = prop::option::of(prop::sample::select(vec![ALLOW_READS, ALLOW_ALL]));
    let object = prop::option::of((prop::sample::select(vec!["ann", "bob"]), canned()));
    (ownership, canned(), policy, object, any::<[bool; 2]>()).prop_map(
        |(ownership, acl, policy, object, [restrict, ignore])| {
            let mut made = house(ownership).blocking(PublicAccessBlock {
                restrict_public_buckets: restrict,
                ignore_public_acls: ignore,
                ..PublicAccessBlock::default()
            });
            made.acl = acl.map(|acl| acl.of_bucket(&user("ann")));
            if let Some(policy) = policy {
                made = made.policy(policy);
            }
            if let Some((owner, acl)) = object {
                made = made.object_with(owner, acl.map(|acl| acl.of_object(&user(owner), &user("ann"))));
            }
            made
        },
    )
}

impl std::fmt::Debug for House {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?} {:?} {:?} {:?}", self.ownership, self.acl, self.policy, self.block, self.object)
    }
}

proptest! {
    #[test]
    fn an_explicit_deny_always_wins(
        house in any_house(), allow: bool, who in prop::sample::select(vec!["ann", "bob", ""]),
        action in prop::sample::select(Action::ALL),
    ) {
        let house = house.policy(&if allow { format!("{ALLOW_ALL},{DENY_ALL}") } else { DENY_ALL.to_owned() });
        let of_policy = matches!(action, Action::GetBucketPolicy | Action::PutBucketPolicy | Action::DeleteBucketPolicy);
        prop_assert_eq!(house.may(who, action), of_policy && who == "ann");
    }

    #[test]
    fn nobody_known_gets_nothing_without_a_grant(mut house in any_house(), action in prop::sample::select(Action::ALL)) {
        let private = |acl: Option<Acl>| acl.filter(|acl| !crate::acl::is_public(acl));
        (house.policy, house.acl) = (None, private(house.acl));
        if let Some(object) = &mut house.object {
            object.acl = private(object.acl.take());
        }
        prop_assert!(!house.may("", action));
    }

    #[test]
    fn nobody_known_gets_nothing_where_everything_public_is_blocked(house in any_house(), action in prop::sample::select(Action::ALL)) {
        prop_assert!(!house.blocking(PublicAccessBlock::ALL).may("", action));
    }

    #[test]
    fn nobody_gets_more_than_scopes(
        house in any_house(), who in prop::sample::select(vec!["ann", "bob"]), action in prop::sample::select(Action::ALL),
        scopes in prop::sample::select(vec!["op=read", "op=write:bucket=data", "op=delete", "op=admin", "op=read:bucket=other"]),
    ) {
        let may = house.may_within(who, scopes, action);
        let granted = scopes.starts_with(&format!("op={:?}", action.access()).to_lowercase()) && !scopes.contains("other");
        prop_assert!(!may || granted);
    }
}
