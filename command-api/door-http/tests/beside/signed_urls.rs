//! Which signed URLs work, and ending them.

use pipeline::SignedUrl;
use serde_json::Value;

use crate::kit::{Api, FOREIGN, MAIN, WRITER, bucket};

async fn sign(api: &Api, who: &str, keys: &[&str]) -> (String, String) {
    let url = |key: &&str| SignedUrl {
        method: "GET".to_owned(),
        bucket: bucket("bucket"),
        key: (*key).to_owned(),
        part: None,
        bytes_max: None,
        content_type: None,
    };
    let urls = keys.iter().map(url).collect();
    let (id, minted) = api.store.sign_urls(&api.caller(who), urls, 600).await.expect("signed");
    (id, minted[0].text.clone())
}

#[tokio::test]
async fn they_are_listed_by_page_and_each_user_sees_their_own() {
    let api = Api::open().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(sign(&api, MAIN, &[&format!("key {number}"), "other"]).await.0);
    }
    let (of_writer, _) = sign(&api, WRITER, &["w"]).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = api.done(&format!("GET /signed-urls?maxKeys=4{token}"), Value::Null).await.json();
        seen.extend(page["signedUrls"].as_array().expect("entries").clone());
        let Some(next) = page["nextContinuationToken"].as_str() else {
            assert_eq!(page["isTruncated"], false);
            break;
        };
        assert_eq!(page["isTruncated"], true);
        token = format!("&continuationToken={next}");
    }
    made.push(of_writer.clone());
    let mut ids: Vec<_> = seen.iter().map(|entry| entry["id"].as_str().expect("an id").to_owned()).collect();
    made.sort();
    ids.sort();
    assert_eq!(ids, made, "whoever administers the tenant sees all");
    let first = seen.iter().find(|entry| entry["key"] == "key 0").expect("an entry");
    assert_eq!((&first["method"], &first["bucket"], &first["count"]), (&"GET".into(), &"bucket".into(), &2.into()));
    let own = api.ask_as(WRITER, "GET /signed-urls", Value::Null).await.json();
    assert_eq!(own["signedUrls"].as_array().expect("entries").len(), 1);
    assert_eq!(own["signedUrls"][0]["id"], of_writer.as_str());
    let foreign = api.ask_as(FOREIGN, "GET /signed-urls", Value::Null).await.json();
    assert_eq!(foreign["signedUrls"], Value::Array(vec![]));
}

#[tokio::test]
async fn one_that_is_revoked_works_no_more_and_no_other_user_revokes_it() {
    let api = Api::open().await;
    let (id, token) = sign(&api, MAIN, &["key"]).await;
    for who in [WRITER, FOREIGN] {
        let answer = api.ask_as(who, &format!("DELETE /signed-urls/{id}"), Value::Null).await;
        assert_eq!(answer.error(), (404, "not_found".into()), "{who}");
    }
    assert!(api.store.signed_url_bearer(&token).is_ok());
    assert_eq!(api.done(&format!("DELETE /signed-urls/{id}"), Value::Null).await.status, 204);
    assert!(matches!(api.store.signed_url_bearer(&token), Err(pipeline::BearerError::Revoked)));
    let left = api.done("GET /signed-urls", Value::Null).await.json();
    assert_eq!(left["signedUrls"], Value::Array(vec![]));
    assert_eq!(api.ask("DELETE /signed-urls/0123", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_foreign_token_of_a_page_is_refused() {
    let api = Api::open().await;
    for token in ["x", "AWtleQ"] {
        let answer = api.ask(&format!("GET /signed-urls?continuationToken={token}"), Value::Null).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{token}");
    }
}
