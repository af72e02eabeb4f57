//! Keys: API keys, other secrets, keys of one's own; users and tenants that go.

use domain::Refusal;
use pipeline::{AccessKeyStatus, Caller, CreateAccessKey, NewKey, SignedUrl, Who};
use schemas::scope::Scopes;
use schemas::{AccessKeyId, UserId};
use secrecy::ExposeSecret;

use crate::support::{House, bucket, refusal, tenant_name};

fn asked(key: NewKey, scopes: &str) -> CreateAccessKey {
    let user = UserId::parse("user").expect("a name");
    let scopes: Scopes = scopes.parse().expect("scopes");
    CreateAccessKey { user, key, name: Some("mine".to_owned()), scopes, expires: None }
}

fn limited(caller: &Caller, scopes: &str) -> Caller {
    let Who::User { user, display_name, access_key, .. } = caller.who.clone() else { unreachable!("a user") };
    let scopes = scopes.parse().expect("scopes");
    Caller { who: Who::User { user, display_name, access_key, scopes }, ..caller.clone() }
}

fn works(house: &House, id: &AccessKeyId) -> bool {
    house.store.holder(id).expect("reads").is_some()
}

#[tokio::test]
async fn an_api_key_is_known_by_its_text_and_by_nothing_like_it() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (info, text) = house.store.create_own_key(&caller, asked(NewKey::Api, "op=read")).await.expect("a key");
    let text = text.expose_secret().to_owned();
    assert!(text.starts_with(&format!("hfsk_{}_", info.id)), "{text}");
    let known =
        |text: &str| house.store.api_key(text).expect("reads").map(|(id, holder)| (id, holder.scopes.to_string()));
    assert_eq!(known(&text), Some((info.id.clone(), "op=read".to_owned())));
    for index in 0..text.len() {
        let mut other = text.clone().into_bytes();
        other[index] = if other[index] == b'x' { b'y' } else { b'x' };
        assert_eq!(known(std::str::from_utf8(&other).expect("ASCII")), None, "byte {index}");
    }
    assert_eq!(known(&text[..text.len() - 1]), None);
    assert!(house.store.credential(&info.id).expect("reads").is_none(), "it signs nothing");
    let secret = text.rsplit('_').next().expect("a secret").as_bytes();
    assert!(!house.on_disk().iter().any(|file| file.windows(secret.len()).any(|bytes| bytes == secret)));

    let (rotated, new) = house.store.rotate_own_key(&caller, &info.id).await.expect("another secret");
    assert_eq!(known(&text), None, "the old text is over");
    assert!(known(new.expose_secret()).is_some() && rotated.rotated.is_some());
    house.store.revoke_own_key(&caller, &info.id, None).await.expect("revoked");
    assert_eq!(known(new.expose_secret()), None);
}

#[tokio::test]
async fn another_secret_ends_the_old_one_at_once() {
    let house = House::new();
    house.tenant("tenant").await;
    let name = tenant_name("tenant");
    let made = house.store.create_access_key(&house.admin, &name, asked(NewKey::Made, "*")).await;
    let (info, old) = made.expect("a key");
    let secret = || house.store.credential(&info.id).expect("reads").expect("works").secret.expose_secret().to_owned();
    assert_eq!(secret(), old.expose_secret());
    let (_, new) = house.store.rotate_access_key(&house.admin, &name, &info.id).await.expect("another");
    assert_eq!(secret(), new.expose_secret());
    assert_ne!(new.expose_secret(), old.expose_secret());
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn nobody_makes_sees_or_changes_a_key_that_may_do_more_than_their_own() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (wide, _) = house.store.create_own_key(&caller, asked(NewKey::Made, "*")).await.expect("a key");
    let narrow = limited(&caller, "op=admin:bucket=data,op=read:bucket=data");
    let scopes = "op=read:bucket=data:prefix=in/";
    let (mine, _) = house.store.create_own_key(&narrow, asked(NewKey::Made, scopes)).await.expect("less");
    let wider = house.store.create_own_key(&narrow, asked(NewKey::Made, "op=write:bucket=data")).await;
    assert_eq!(refusal(wider), Refusal::AccessDenied);
    let seen = house.store.list_own_keys(&narrow).await.expect("lists");
    assert_eq!(seen.iter().map(|key| &key.id).collect::<Vec<_>>(), [&mine.id]);
    assert_eq!(refusal(house.store.rotate_own_key(&narrow, &wide.id).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.revoke_own_key(&narrow, &wide.id, None).await), Refusal::AccessDenied);
    assert!(works(&house, &wide.id));

    let reader = limited(&caller, "op=read");
    assert_eq!(refusal(house.store.list_own_keys(&reader).await), Refusal::AccessDenied);
    let other = CreateAccessKey { user: UserId::parse("other").expect("a name"), ..asked(NewKey::Made, "op=read") };
    assert_eq!(refusal(house.store.create_own_key(&caller, other).await), Refusal::AccessDenied);
    let revoked = house.store.revoke_own_key(&caller, &wide.id, None).await.expect("revoked");
    assert_eq!(revoked.status, AccessKeyStatus::Revoked);
    assert!(!works(&house, &wide.id));
}

#[tokio::test]
async fn a_request_that_outlives_its_key_makes_no_key_and_signs_nothing() {
    let house = House::new();
    house.tenant("tenant").await;
    let name = tenant_name("tenant");
    let url = || SignedUrl {
        method: "GET".to_owned(),
        bucket: bucket("bucket"),
        key: "key".to_owned(),
        part: None,
        bytes_max: None,
        content_type: None,
    };
    for end in ["revoked", "rotated", "disabled"] {
        let caller = house.key("tenant").await;
        let (other, _) = house.store.create_own_key(&caller, asked(NewKey::Made, "op=read")).await.expect("it works");
        let key = caller.access_key().expect("a key").clone();
        match end {
            "revoked" => drop(house.store.revoke_access_key(&house.admin, &name, &key, None).await.expect("revoked")),
            "rotated" => drop(house.store.rotate_access_key(&house.admin, &name, &key).await.expect("rotated")),
            _ => drop(house.store.set_access_key_enabled(&house.admin, &name, &key, false).await.expect("disabled")),
        }
        let made = house.store.create_own_key(&caller, asked(NewKey::Made, "op=read")).await;
        assert_eq!(refusal(made), Refusal::AccessDenied, "{end}");
        assert_eq!(refusal(house.store.rotate_own_key(&caller, &other.id).await), Refusal::AccessDenied, "{end}");
        assert_eq!(refusal(house.store.sign_urls(&caller, vec![url()], 60).await), Refusal::AccessDenied, "{end}");
    }
}

#[tokio::test]
async fn a_key_that_ends_makes_none_that_outlives_it() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (lasting, _) = house.store.create_own_key(&caller, asked(NewKey::Made, "*")).await.expect("a key");
    let ends = Some(schemas::Time(1_900_000_000_000_000));
    let mut short = caller.clone();
    short.circumstances.key.expires = ends;
    let (made, _) = house.store.create_own_key(&short, asked(NewKey::Made, "*")).await.expect("ends with it");
    assert_eq!(made.expires, ends);
    let longer = CreateAccessKey { expires: Some(schemas::Time(1_900_000_000_000_001)), ..asked(NewKey::Made, "*") };
    assert_eq!(refusal(house.store.create_own_key(&short, longer).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.rotate_own_key(&short, &lasting.id).await), Refusal::AccessDenied);
    house.store.rotate_own_key(&short, &made.id).await.expect("ends with it too");
}

#[tokio::test]
async fn texts_that_would_not_fit_a_row_are_refused() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let prefix = "x".repeat(4_000);
    let wide = asked(NewKey::Made, &format!("op=read:bucket=data:prefix={prefix}"));
    assert!(matches!(refusal(house.store.create_own_key(&caller, wide).await), Refusal::InvalidArgument { .. }));
    let named = CreateAccessKey { name: Some(prefix.clone()), ..asked(NewKey::Made, "*") };
    assert!(matches!(refusal(house.store.create_own_key(&caller, named).await), Refusal::InvalidArgument { .. }));
    let user = UserId::parse("long").expect("a name");
    let made = house.store.create_user(&house.admin, &tenant_name("tenant"), user, prefix, None).await;
    assert!(matches!(refusal(made), Refusal::InvalidArgument { .. }));
}

#[tokio::test]
async fn the_keys_of_a_deleted_user_end_and_its_id_is_not_given_again() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (name, user) = (tenant_name("tenant"), caller.user());
    let key = caller.access_key().expect("a key").clone();
    house.store.delete_user(&house.admin, &name, &user).await.expect("deleted");
    assert!(!works(&house, &key));
    assert_eq!(house.store.list_users(&house.admin, &name).await.expect("lists"), []);
    let again = house.store.create_user(&house.admin, &name, user.clone(), "User".to_owned(), None).await;
    assert_eq!(refusal(again), Refusal::UserExists);
    assert_eq!(refusal(house.store.delete_user(&house.admin, &name, &user).await), Refusal::NoSuchUser);
    let key = house.store.create_access_key(&house.admin, &name, asked(NewKey::Made, "*")).await;
    assert_eq!(refusal(key), Refusal::NoSuchUser);
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn a_tenant_goes_when_it_has_no_buckets_and_its_name_is_free() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let name = tenant_name("tenant");
    let delete = || house.store.delete_tenant(&house.admin, &name, "gone".to_owned());
    assert_eq!(refusal(delete().await), Refusal::TenantNotEmpty { buckets: 1 });
    house.store.delete_bucket(&caller, &bucket("bucket")).await.expect("deleted");
    delete().await.expect("deleted");
    assert!(!works(&house, caller.access_key().expect("a key")));
    // A request that was on its way finds no tenant.
    assert_eq!(refusal(house.bucket(&caller, "bucket").await), Refusal::NoSuchTenant);
    let new = house.tenant("tenant").await;
    assert_ne!(new.tenant, caller.tenant);
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}
