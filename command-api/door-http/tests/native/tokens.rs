//! Tokens: making one, and what becomes of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::kit::{House, Key, basic};

#[tokio::test]
async fn a_key_becomes_a_token_by_basic_or_by_json() {
    let house = House::new().await;
    let key = house.key("acme", "*").await;
    let by_basic = house.ask("POST", "/auth/token").header("authorization", &basic(&key)).send().await.is(200);
    let by_json = house
        .ask("POST", "/auth/token")
        .json(&json!({ "accessKeyId": key.id, "secretKey": key.secret }))
        .send()
        .await
        .is(200);
    for answer in [by_basic, by_json] {
        let body = answer.json();
        assert_eq!((&body["tokenType"], &body["expiresIn"]), (&json!("Bearer"), &json!(3600)));
        assert_eq!(body["expiresAt"], "2027-01-15T09:00:00.000Z");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let token = body["accessToken"].as_str().expect("a token");
        let (payload, mac) = token.strip_prefix("lwtk_").and_then(|rest| rest.split_once('.')).expect("two parts");
        let payload = URL_SAFE_NO_PAD.decode(payload).expect("base64");
        let payload: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!((&payload["v"], &payload["kid"]), (&json!(1), &json!(key.id)));
        assert_eq!(payload["iat"].as_u64().expect("iat") + 3600, payload["exp"].as_u64().expect("exp"));
        assert!(payload["tid"].is_string() && payload["jti"].is_string());
        assert_eq!(URL_SAFE_NO_PAD.decode(mac).expect("base64").len(), 32);
        house.ask("GET", "/buckets").bearer(token).send().await.is(200);
    }
}

#[tokio::test]
async fn without_the_secret_there_is_no_token() {
    let house = House::new().await;
    let key = house.key("acme", "*").await;
    let wrong = Key { secret: "wrong".to_owned(), ..key.clone() };
    let nobody = Key { id: "NOBODY".to_owned(), ..key.clone() };
    let malformed = Key { id: "no body".to_owned(), ..key.clone() };
    for key in [&wrong, &nobody, &malformed] {
        let answer = house.ask("POST", "/auth/token").header("authorization", &basic(key)).send().await;
        answer.fails(401, "unauthorized");
    }
    let basic_nonsense = house.ask("POST", "/auth/token").header("authorization", "Basic !").send().await;
    basic_nonsense.fails(401, "unauthorized");
    for body in [json!({}), json!({ "accessKeyId": key.id }), json!([]), json!({ "accessKeyId": 5, "secretKey": "x" })]
    {
        house.ask("POST", "/auth/token").json(&body).send().await.fails(400, "invalid_request");
    }
    house.revoke("acme", &key).await;
    let revoked = house.ask("POST", "/auth/token").header("authorization", &basic(&key)).send().await;
    revoked.fails(401, "unauthorized");
}

#[tokio::test]
async fn sixty_tokens_a_minute_for_one_key_and_as_many_wrong_secrets() {
    let house = House::new().await;
    let (key, other) = (house.key("acme", "*").await, house.key("acme", "*").await);
    let wrong = Key { secret: "wrong".to_owned(), ..key.clone() };
    let ask = async |key: &Key| house.ask("POST", "/auth/token").header("authorization", &basic(key)).send().await;
    for _ in 0..60 {
        ask(&key).await.is(200);
        ask(&wrong).await.is(401);
    }
    // Nobody uses up the requests of a key that is not his: wrong secrets are counted by where they come from.
    ask(&wrong).await.fails(429, "rate_limited");
    let held_back = ask(&key).await.fails(429, "rate_limited");
    assert_eq!(held_back.header("retry-after"), Some("1"));
    ask(&other).await.is(200);
    house.pass_s(60);
    ask(&key).await.is(200);
}

#[tokio::test]
async fn a_token_that_was_touched_anywhere_is_none() {
    let house = House::new().await;
    let token = house.token("acme", "*").await;
    let refused = async |token: &str| {
        house.ask("GET", "/buckets").bearer(token).send().await.fails(401, "unauthorized");
    };
    for place in 0..token.len() {
        for byte in [b'A', b'B', b'-'] {
            let mut bytes = token.clone().into_bytes();
            if bytes[place] == byte {
                continue;
            }
            bytes[place] = byte;
            refused(&String::from_utf8(bytes).expect("text")).await;
        }
    }
    // The last character of 32 bytes in base64 has two bits to spare: each spelling but one is refused.
    let (rest, last) = token.split_at(token.len() - 1);
    for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if other.to_string() != last {
            refused(&format!("{rest}{other}")).await;
        }
    }
    for malformed in
        [format!("{token}="), format!("{token}."), token.replace('.', ""), "lwtk_".to_owned(), "x".to_owned()]
    {
        refused(&malformed).await;
    }
    let missing = house.ask("GET", "/buckets").send().await.fails(401, "unauthorized");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    house.ask("GET", "/buckets").header("authorization", &format!("Basic {token}")).send().await.is(401);
    house.ask("GET", "/buckets").bearer(&token).bearer(&token).send().await.is(401);
    house.ask("GET", "/buckets").bearer(&token).send().await.is(200);
}

#[tokio::test]
async fn a_token_ends_with_its_time_its_key_or_its_tenant() {
    let house = House::new().await;
    let key = house.key("acme", "*").await;
    let (token, of_other) = (house.token_of(&key).await, house.token("other", "*").await);
    house.pass_s(3_599);
    house.ask("GET", "/buckets").bearer(&token).send().await.is(200);
    house.pass_s(1);
    house.ask("GET", "/buckets").bearer(&token).send().await.fails(401, "token_expired");
    house.ask("GET", "/buckets").bearer(&of_other).send().await.fails(401, "token_expired");

    let (token, of_other) = (house.token_of(&key).await, house.token("other", "*").await);
    house.revoke("acme", &key).await;
    house.ask("GET", "/buckets").bearer(&token).send().await.fails(401, "access_key_revoked");
    house.ask("GET", "/buckets").bearer(&of_other).send().await.is(200);
    house.disable("other").await;
    house.ask("GET", "/buckets").bearer(&of_other).send().await.fails(401, "access_key_revoked");
}

#[tokio::test]
async fn a_signed_url_and_a_token_do_not_stand_for_each_other() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"hello").await.is(200);
    let wanted = json!({ "method": "GET", "bucket": "data", "key": "key" });
    let path = client.post("/sign-url", &wanted).await.is(200).json()["path"].as_str().expect("a path").to_owned();
    let url_token = path.split_once("token=").expect("a token").1.to_owned();
    house.ask("GET", "/buckets").bearer(&url_token).send().await.fails(401, "unauthorized");
    let renamed = url_token.replace("lwurl_", "lwtk_");
    house.ask("GET", "/buckets").bearer(&renamed).send().await.fails(401, "unauthorized");
    let renamed = client.token.replace("lwtk_", "lwurl_");
    house.ask("GET", &format!("/signed/data/key?token={renamed}")).send().await.fails(401, "unauthorized");
    house.ask("GET", &format!("/signed/data/key?token={}", client.token)).send().await.fails(401, "unauthorized");
}
