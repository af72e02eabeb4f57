//! Tokens and signed URLs: as good as their key is, now.

use pipeline::{BearerError, Caller, SignedUrl, Who};

use crate::support::{House, bucket, tenant_name};

const HOUR_S: u64 = 3_600;

fn url(key: &str) -> SignedUrl {
    SignedUrl {
        method: "PUT".to_owned(),
        bucket: bucket("bucket"),
        key: key.to_owned(),
        part: None,
        bytes_max: Some(5),
        content_type: Some("text/plain".to_owned()),
    }
}

fn token(house: &House, caller: &Caller) -> String {
    let key = caller.access_key().expect("a key");
    let credential = house.store.credential(key).expect("reads").expect("it works");
    house.store.mint_token(key, &credential, HOUR_S).expect("minted").text
}

async fn signed(house: &House, caller: &Caller, keys: &[&str]) -> (String, Vec<String>) {
    let urls = keys.iter().map(|key| url(key)).collect();
    let (id, minted) = house.store.sign_urls(caller, urls, HOUR_S).await.expect("signed");
    (id, minted.into_iter().map(|minted| minted.text).collect())
}

fn why<T>(result: Result<T, BearerError>) -> &'static str {
    match result {
        Ok(_) => "works",
        Err(BearerError::Unknown) => "unknown",
        Err(BearerError::Expired) => "expired",
        Err(BearerError::KeyGone) => "key gone",
        Err(BearerError::Revoked) => "revoked",
        Err(BearerError::Store(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn no_byte_of_a_token_can_be_another() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (_, urls) = signed(&house, &caller, &["key"]).await;
    for (text, is_url) in [(token(&house, &caller), false), (urls[0].clone(), true)] {
        let holds = |text: &str| match is_url {
            true => why(house.store.signed_url_bearer(text)),
            false => why(house.store.token_bearer(text)),
        };
        assert_eq!(holds(&text), "works");
        for index in 0..text.len() {
            for other in [b'A', b'a', b'=', b'.', b'_', text.as_bytes()[index] ^ 0x20] {
                let mut bytes = text.clone().into_bytes();
                if bytes[index] == other {
                    continue;
                }
                bytes[index] = other;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert_eq!(holds(&changed), "unknown", "byte {index}");
            }
        }
        assert_eq!(holds(&format!("{text}=")), "unknown");
        assert_eq!(holds(&text[..text.len() - 1]), "unknown");
    }
    assert_eq!(why(house.store.token_bearer(&urls[0].replace("lwurl_", "lwtk_"))), "unknown");
    assert_eq!(why(house.store.signed_url_bearer(&token(&house, &caller).replace("lwtk_", "lwurl_"))), "unknown");
}

#[tokio::test]
async fn what_a_key_signed_ends_with_it() {
    let house = House::new();
    house.tenant("tenant").await;
    let name = tenant_name("tenant");
    for end in ["revoked", "disabled", "rotated", "tenant"] {
        let caller = house.key("tenant").await;
        let key = caller.access_key().expect("a key").clone();
        let (token, (_, urls)) = (token(&house, &caller), signed(&house, &caller, &["key"]).await);
        assert_eq!(why(house.store.token_bearer(&token)), "works");
        match end {
            "revoked" => drop(house.store.revoke_access_key(&house.admin, &name, &key, None).await.expect("revoked")),
            "disabled" => {
                drop(house.store.set_access_key_enabled(&house.admin, &name, &key, false).await.expect("disabled"));
            }
            "rotated" => drop(house.store.rotate_access_key(&house.admin, &name, &key).await.expect("rotated")),
            _ => {
                let stopped = house.store.set_tenant_disabled(&house.admin, &name, true, "unpaid".to_owned());
                drop(stopped.await.expect("stopped"));
            }
        }
        assert_eq!(why(house.store.token_bearer(&token)), "key gone", "{end}");
        assert_eq!(why(house.store.signed_url_bearer(&urls[0])), "key gone", "{end}");
        if end == "rotated" {
            let token = self::token(&house, &caller);
            assert_eq!(why(house.store.token_bearer(&token)), "works", "made with the new secret");
        }
    }
}

#[tokio::test]
async fn both_end_when_they_say() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let (token, (_, urls)) = (token(&house, &caller), signed(&house, &caller, &["key"]).await);
    house.clock.pass_s(HOUR_S - 1);
    let read = house.store.signed_url_bearer(&urls[0]).expect("works");
    assert_eq!(read.1, url("key"));
    assert_eq!(why(house.store.token_bearer(&token)), "works");
    house.clock.pass_s(1);
    assert_eq!(why(house.store.token_bearer(&token)), "expired");
    assert_eq!(why(house.store.signed_url_bearer(&urls[0])), "expired");
}

#[tokio::test]
async fn signed_urls_are_listed_counted_and_revoked() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    let Who::User { user, display_name, access_key, .. } = caller.who.clone() else { unreachable!("a user") };
    let other = schemas::UserId::parse("other").expect("a name");
    let scopes = "op=read".parse().expect("scopes");
    let reader = Who::User { user: other, display_name: display_name.clone(), access_key: access_key.clone(), scopes };
    let stranger = Caller { who: reader, ..caller.clone() };
    let scopes = "op=read".parse().expect("scopes");
    let same = Caller { who: Who::User { user, display_name, access_key, scopes }, ..caller.clone() };

    let (first, urls) = signed(&house, &caller, &["a", "b", "c"]).await;
    let (second, _) = signed(&house, &caller, &["d"]).await;
    let listed = async |caller: &Caller| {
        let (page, more) = house.store.list_signed_urls(caller, None, 10).await.expect("lists");
        assert!(!more);
        let mut seen: Vec<_> = page.into_iter().map(|url| (url.id, url.key, url.count)).collect();
        seen.sort_by(|one, other| one.1.cmp(&other.1));
        seen
    };
    let both = [(first.clone(), "a".to_owned(), 3), (second.clone(), "d".to_owned(), 1)];
    assert_eq!(listed(&caller).await, both);
    assert_eq!(listed(&same).await, both, "their own");
    assert_eq!(listed(&stranger).await, []);
    assert!(house.store.revoke_signed_url(&stranger, &first).await.is_err());

    house.store.revoke_signed_url(&caller, &first).await.expect("revoked");
    assert!(urls.iter().all(|url| why(house.store.signed_url_bearer(url)) == "revoked"));
    assert_eq!(listed(&caller).await, both[1..]);
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    house.clock.pass_s(HOUR_S + 1);
    signed(&house, &caller, &["e"]).await;
    assert_eq!(listed(&caller).await.len(), 1, "what has ended is forgotten");
}
