//! Lists of grants over a real log: whom they keep out, what keys and policies take from them, and that they can be found again.

use domain::Refusal;
use pipeline::{
    AskedAcl, AskedGrant, AskedGrantee, BucketPolicy, Caller, CannedAcl, CreateBucket, ListedAcl, ObjectVersion,
    PutObject, SetAcl, StoreError, Who,
};
use schemas::UserId;
use schemas::acl::{Grantee, Permission};
use schemas::event::ObjectOwnership;
use schemas::scope::Scopes;

use crate::support::{House, body, bucket, key, put_request, refusal, tenant_name};

const WRITER: ObjectOwnership = ObjectOwnership::ObjectWriter;
const ENFORCED: ObjectOwnership = ObjectOwnership::BucketOwnerEnforced;

/// A user of the tenant that `caller` is of, with every scope.
async fn another(house: &House, caller: &Caller, id: &str) -> Caller {
    let user = UserId::parse(id).expect("a name");
    let address = Some(format!("{id}@example.org"));
    let (tenant, name) = (tenant_name("tenant"), id.to_owned());
    house.store.create_user(&house.admin, &tenant, user.clone(), name, address).await.expect("a user");
    let Who::User { access_key, scopes, .. } = caller.who.clone() else { panic!("a user") };
    Caller { who: Who::User { user, display_name: id.to_owned(), access_key, scopes }, ..caller.clone() }
}

fn within(caller: &Caller, narrower: &str) -> Caller {
    let mut caller = caller.clone();
    let Who::User { scopes, .. } = &mut caller.who else { panic!("a user") };
    *scopes = narrower.parse::<Scopes>().expect("scopes");
    caller
}

async fn create(house: &House, caller: &Caller, ownership: ObjectOwnership) {
    let (name, ownership) = (bucket("bucket"), Some(ownership));
    let request =
        CreateBucket { name, region: None, versioning: None, object_lock: false, ownership, acl: None, base: None };
    house.store.create_bucket(caller, request).await.expect("a bucket");
}

fn read_by(id: &str) -> AskedAcl {
    let grantee = AskedGrantee::Id(id.to_owned());
    AskedAcl::Grants(vec![AskedGrant { grantee, permission: Permission::Read }])
}

async fn put(house: &House, caller: &Caller, acl: Option<AskedAcl>) -> Result<(), StoreError> {
    let request = PutObject { acl, ..put_request("bucket", "key") };
    house.store.put_object(caller, request, body(b"x")).await.map(|_| ())
}

fn the_object() -> ObjectVersion {
    ObjectVersion { bucket: bucket("bucket"), key: key("key"), version: None }
}

async fn set(house: &House, caller: &Caller, acl: AskedAcl) -> Result<(), StoreError> {
    house.store.put_object_acl(caller, the_object(), SetAcl { acl, owner: None }).await.map(|_| ())
}

async fn listed(house: &House, caller: &Caller) -> (String, Vec<(String, Permission)>) {
    let ListedAcl { owner, acl, .. } = house.store.object_acl(caller, the_object()).await.expect("reads");
    let named = |grantee: &Grantee| match grantee {
        Grantee::User(user) => user.to_string(),
        group => format!("{group:?}"),
    };
    (owner.to_string(), acl.grants.iter().map(|grant| (named(&grant.grantee), grant.permission)).collect())
}

#[tokio::test]
async fn another_user_of_the_tenant_is_shut_out_where_acls_are_on_and_works_by_scopes_where_they_are_off() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    let bob = another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    put(&house, &ann, None).await.expect("her own");
    assert_eq!(refusal(house.get(&bob, "key").await), Refusal::AccessDenied);
    assert_eq!(refusal(put(&house, &bob, None).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.bucket_acl(&bob, &bucket("bucket")).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.head_bucket(&bob, &bucket("bucket")).await), Refusal::AccessDenied);

    house.store.set_bucket_ownership(&ann, &bucket("bucket"), Some(ENFORCED)).await.expect("off");
    assert_eq!(house.get(&bob, "key").await.expect("by scopes"), b"x");
    put(&house, &bob, None).await.expect("by scopes");
    assert_eq!(listed(&house, &bob).await, ("user".to_owned(), vec![("user".to_owned(), Permission::FullControl)]));
    assert_eq!(refusal(house.get(&within(&bob, "op=write"), "key").await), Refusal::AccessDenied);

    house.store.set_bucket_ownership(&ann, &bucket("bucket"), None).await.expect("on");
    assert_eq!(refusal(house.get(&bob, "key").await), Refusal::AccessDenied, "what he wrote then is hers");
}

#[tokio::test]
async fn a_key_that_may_write_grants_nothing_with_what_it_writes() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    let writer = within(&ann, "op=write");
    put(&house, &writer, None).await.expect("nothing granted");
    put(&house, &writer, Some(AskedAcl::Canned(CannedAcl::Private))).await.expect("nothing granted");
    assert_eq!(refusal(put(&house, &writer, Some(read_by("bob"))).await), Refusal::AccessDenied);
    assert_eq!(refusal(set(&house, &writer, read_by("bob")).await), Refusal::AccessDenied);
    put(&house, &within(&ann, "op=write,op=admin"), Some(read_by("bob"))).await.expect("granted");
}

#[tokio::test]
async fn a_policy_that_denies_setting_lists_denies_them_with_uploads_too() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    let text = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:PutObjectAcl","Resource":"arn:aws:s3:::bucket/*"}}"#;
    let policy = BucketPolicy { text: text.to_owned(), binds_owner: false };
    house.store.put_bucket_policy(&ann, &bucket("bucket"), policy).await.expect("a policy");
    assert_eq!(refusal(put(&house, &ann, Some(read_by("bob"))).await), Refusal::DeniedByPolicy);
    put(&house, &ann, None).await.expect("nothing granted");
    assert_eq!(refusal(set(&house, &ann, read_by("bob")).await), Refusal::DeniedByPolicy);
}

#[tokio::test]
async fn lists_are_found_again_after_a_rebuild_and_a_restart() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    let bob = another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    put(&house, &ann, Some(AskedAcl::Canned(CannedAcl::BucketOwnerRead))).await.expect("put");
    set(&house, &ann, read_by("bob")).await.expect("set");
    let acl = read_by("bob");
    let set = SetAcl { acl, owner: Some("user".to_owned()) };
    house.store.put_bucket_acl(&ann, &bucket("bucket"), set).await.expect("set");
    let shown = listed(&house, &ann).await;
    assert_eq!(shown, ("user".to_owned(), vec![("bob".to_owned(), Permission::Read)]));
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    let house = house.reopened(|_| {});
    assert_eq!(listed(&house, &ann).await, shown);
    assert_eq!(house.get(&bob, "key").await.expect("granted"), b"x");
    house.store.head_bucket(&bob, &bucket("bucket")).await.expect("granted");
}

#[tokio::test]
async fn a_list_goes_with_its_version_and_with_its_parts() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    put(&house, &ann, Some(read_by("bob"))).await.expect("put");
    assert_eq!(listed(&house, &ann).await.1, [("bob".to_owned(), Permission::Read)]);
    put(&house, &ann, None).await.expect("put");
    assert_eq!(listed(&house, &ann).await.1, [("user".to_owned(), Permission::FullControl)], "a new version has none");
    let request = pipeline::CreateUpload {
        bucket: bucket("bucket"),
        key: key("key"),
        metadata: schemas::event::Metadata::default(),
        storage_class: schemas::event::StorageClass::Standard,
        tags: [].into(),
        acl: Some(read_by("bob")),
        checksum: None,
        lock: pipeline::LockAsked::default(),
        encryption: pipeline::AskedEncryption::default(),
    };
    let upload = house.store.create_upload(&ann, request).await.expect("begun").upload;
    let part = house.part(&ann, "key", upload, 1, b"part").await.expect("a part");
    house.complete(&ann, "key", upload, &[(1, part.etag)]).await.expect("complete");
    assert_eq!(listed(&house, &ann).await.1, [("bob".to_owned(), Permission::Read)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_judged_by_one_version_is_not_made_to_another() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    let bob = another(&house, &ann, "bob").await;
    create(&house, &ann, WRITER).await;
    let grantee = AskedGrantee::Id("bob".to_owned());
    let write = AskedAcl::Grants(vec![AskedGrant { grantee, permission: Permission::Write }]);
    house.store.put_bucket_acl(&ann, &bucket("bucket"), SetAcl { acl: write, owner: None }).await.expect("set");
    for _ in 0..100 {
        put(&house, &bob, None).await.expect("his own");
        // Judged while the current version is his, and committed behind hers, or judged again and refused.
        let (written, ..) =
            tokio::join!(put(&house, &ann, None), set(&house, &bob, read_by("bob")), set(&house, &bob, read_by("bob")));
        written.expect("hers");
        let (owner, grants) = listed(&house, &ann).await;
        assert_eq!((owner.as_str(), grants), ("user", vec![("user".to_owned(), Permission::FullControl)]));
    }
}

#[tokio::test]
async fn where_acls_are_off_a_list_that_says_what_holds_is_taken_and_others_need_the_right_to_grant() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    create(&house, &ann, ENFORCED).await;
    for canned in [CannedAcl::Private, CannedAcl::BucketOwnerFullControl] {
        put(&house, &ann, Some(AskedAcl::Canned(canned))).await.expect("put");
        set(&house, &ann, AskedAcl::Canned(canned)).await.expect("set");
        let list = SetAcl { acl: AskedAcl::Canned(canned), owner: None };
        house.store.put_bucket_acl(&ann, &bucket("bucket"), list).await.expect("set");
    }
    let writer = within(&ann, "op=write:bucket=bucket");
    put(&house, &writer, Some(AskedAcl::Canned(CannedAcl::Private))).await.expect("put");
    for acl in [AskedAcl::Canned(CannedAcl::PublicRead), read_by("nobody"), read_by("user")] {
        assert_eq!(refusal(put(&house, &writer, Some(acl.clone())).await), Refusal::AccessDenied, "{acl:?}");
    }
    assert_eq!(refusal(put(&house, &ann, Some(read_by("nobody"))).await), Refusal::AclNotSupported);
}

#[tokio::test]
async fn a_public_list_is_none_once_those_are_blocked_however_early_its_upload_began() {
    let house = House::new();
    let ann = house.tenant("tenant").await;
    create(&house, &ann, WRITER).await;
    let blocked = async |block_public_acls| {
        let block = schemas::acl::PublicAccessBlock { block_public_acls, ..Default::default() };
        let configuration = pipeline::Configuration::PublicAccessBlock(Some(block));
        let action = schemas::action::Action::PutBucketPublicAccessBlock;
        house.store.configure_bucket(&ann, &bucket("bucket"), action, configuration).await.expect("set");
    };
    blocked(false).await;
    let request = pipeline::CreateUpload {
        bucket: bucket("bucket"),
        key: key("key"),
        metadata: schemas::event::Metadata::default(),
        storage_class: schemas::event::StorageClass::Standard,
        tags: [].into(),
        acl: Some(AskedAcl::Canned(CannedAcl::PublicRead)),
        checksum: None,
        lock: pipeline::LockAsked::default(),
        encryption: pipeline::AskedEncryption::default(),
    };
    let upload = house.store.create_upload(&ann, request).await.expect("begun").upload;
    let part = house.part(&ann, "key", upload, 1, b"part").await.expect("a part");
    blocked(true).await;
    let completed = house.complete(&ann, "key", upload, &[(1, part.etag)]).await;
    assert_eq!(refusal(completed), Refusal::AccessDenied);
    blocked(false).await;
    house.complete(&ann, "key", upload, &[(1, part.etag)]).await.expect("complete");
}
