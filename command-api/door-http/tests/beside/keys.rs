//! Users and their own keys.

use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, MAIN, READER, WRITER};

#[tokio::test]
async fn an_api_key_is_made_shown_once_and_works() {
    let api = Api::open().await;
    let made = api.done("POST /keys", json!({ "type": "api", "name": "ci", "scopes": "op=admin" })).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    assert_eq!((&made["type"], &made["name"], &made["scopes"]), (&json!("api"), &json!("ci"), &json!("op=admin")));
    assert_eq!((&made["status"], &made["user"]), (&json!("active"), &json!("mainuser")));
    assert_eq!(made.get("secretKey"), None);
    let text = made["apiKey"].as_str().expect("a text");
    assert!(text.starts_with("hfsk_"), "{text}");
    let listed = api.ask_with(Some(text), "GET /keys", String::new()).await.json();
    assert_eq!(listed["keys"].as_array().expect("keys").len(), 1, "a key sees no key that may do more: {listed}");
    assert_eq!(listed["keys"][0]["current"], true);
    let id = made["id"].as_str().expect("an id");
    let shown = api.done(&format!("GET /keys/{id}"), Value::Null).await.json();
    assert_eq!((shown.get("apiKey"), shown.get("secretKey")), (None, None));
    assert_eq!(shown["current"], false);
}

#[tokio::test]
async fn an_access_key_signs_and_is_exchanged_for_tokens() {
    let api = Api::open().await;
    let made = api.done("POST /keys", json!({ "scopes": "op=read" })).await.json();
    assert_eq!(made["type"], "access");
    let key = json!({ "accessKeyId": made["id"], "secretKey": made["secretKey"] });
    let token = api.ask_with(None, "POST /auth/token", key.to_string()).await;
    assert_eq!(token.status, 200, "{token:?}");
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_do_more_than_their_own() {
    let api = Api::open().await;
    let limited = api.done("POST /keys", json!({ "type": "api", "scopes": "op=admin:bucket=data" })).await.json();
    let limited = limited["apiKey"].as_str().expect("a text");
    for (scopes, status) in [("op=admin:bucket=data", 201), ("op=admin", 403), ("op=read:bucket=data", 403), ("*", 403)]
    {
        let body = json!({ "scopes": scopes }).to_string();
        let answer = api.ask_with(Some(limited), "POST /keys", body).await;
        assert_eq!(answer.status, status, "{scopes}: {answer:?}");
    }
    // Nothing said is as much as one's own.
    let same = api.ask_with(Some(limited), "POST /keys", "{}".to_owned()).await.json();
    assert_eq!(same["scopes"], "op=admin:bucket=data");
    for who in [WRITER, READER] {
        assert_eq!(api.ask_as(who, "POST /keys", json!({})).await.error(), (403, "forbidden".into()), "{who}");
        assert_eq!(api.ask_as(who, "GET /keys", Value::Null).await.status, 403, "{who}");
    }
}

#[tokio::test]
async fn what_is_rotated_or_revoked_stops_working_at_once() {
    let api = Api::open().await;
    let made = api.done("POST /keys", json!({ "type": "api" })).await.json();
    let (id, text) = (made["id"].as_str().expect("an id"), made["apiKey"].as_str().expect("a text").to_owned());
    let works = async |text: &str| api.ask_with(Some(text), "GET /account", String::new()).await.status;
    assert_eq!(works(&text).await, 200);
    let rotated = api.done(&format!("POST /keys/{id}/rotate"), Value::Null).await;
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    let rotated = rotated.json();
    assert!(rotated["rotatedAt"].is_string(), "{rotated}");
    let fresh = rotated["apiKey"].as_str().expect("a text");
    assert_eq!((works(&text).await, works(fresh).await), (401, 200));
    assert_eq!(api.done(&format!("DELETE /keys/{id}"), Value::Null).await.status, 204);
    assert_eq!(works(fresh).await, 401);
    assert_eq!(api.done(&format!("GET /keys/{id}"), Value::Null).await.json()["status"], "revoked");
    for action in ["rotate"] {
        let answer = api.ask(&format!("POST /keys/{id}/{action}"), Value::Null).await;
        assert_eq!(answer.error(), (409, "access_key_revoked".into()), "{action}");
    }
    assert_eq!(api.ask(&format!("DELETE /keys/{id}"), Value::Null).await.status, 204, "again is no error");
}

#[tokio::test]
async fn keys_of_others_are_no_keys() {
    let api = Api::open().await;
    for other in [WRITER, FOREIGN, "NOSUCHKEY", "not%20a%20key"] {
        for (method, rest) in [("GET", ""), ("DELETE", ""), ("POST", "/rotate")] {
            let answer = api.ask(&format!("{method} /keys/{other}{rest}"), Value::Null).await;
            assert_eq!(answer.error(), (404, "not_found".into()), "{method} {other}{rest}");
        }
    }
    let listed = api.done("GET /keys", Value::Null).await.json();
    let ids: Vec<_> = listed["keys"].as_array().expect("keys").iter().map(|key| &key["id"]).collect();
    assert_eq!(ids, [MAIN]);
}

#[tokio::test]
async fn what_makes_no_key() {
    let api = Api::open().await;
    for body in [
        json!({ "type": "other" }),
        json!({ "scopes": "op=all" }),
        json!({ "scopes": "" }),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(129) }),
        json!({ "expiresAt": "tomorrow" }),
        json!({ "expiresAt": "2001-01-01T00:00:00Z" }),
        json!({ "secretKey": "chosen" }),
    ] {
        assert_eq!(api.ask("POST /keys", body.clone()).await.error(), (400, "invalid_request".into()), "{body}");
    }
    assert_eq!(api.done("GET /keys", Value::Null).await.json()["keys"].as_array().expect("keys").len(), 1);
    let ends = api.done("POST /keys", json!({ "expiresAt": "2100-01-01T00:00:00+01:00" })).await.json();
    assert_eq!(ends["expiresAt"], "2099-12-31T23:00:00.000Z");
    assert_eq!(api.ask_with(None, "GET /keys", String::new()).await.status, 401);
}
