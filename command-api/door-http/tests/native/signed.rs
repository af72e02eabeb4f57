//! Signed URLs.

use serde_json::{Value, json};

use crate::kit::{Client, House};

async fn sign(client: &Client<'_>, wanted: Value) -> Value {
    client.post("/sign-url", &wanted).await.is(200).json()
}

/// The path under `/api/v1`.
fn path(signed: &Value) -> String {
    signed["path"].as_str().and_then(|path| path.strip_prefix("/api/v1")).expect("a path").to_owned()
}

#[tokio::test]
async fn a_download_without_a_token() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("a//b%20c", b"hello").await.is(200);
    let signed = sign(&client, json!({ "method": "GET", "bucket": "data", "key": "a//b c", "ttlSeconds": 60 })).await;
    assert_eq!(signed["url"], signed["path"]);
    assert_eq!(
        (&signed["method"], &signed["bucket"], &signed["key"]),
        (&json!("GET"), &json!("data"), &json!("a//b c"))
    );
    assert_eq!((&signed["ttlSeconds"], &signed["headers"]), (&json!(60), &json!({})));
    assert_eq!(signed["expiresAt"], "2027-01-15T08:01:00.000Z");
    let url = path(&signed);
    assert!(url.starts_with("/signed/data/a%2F%2Fb%20c?token=lwurl_"), "{url}");
    assert_eq!(house.ask("GET", &url).send().await.is(200).body, &b"hello"[..]);
    let plain = url.replace("%2F", "/");
    assert_eq!(house.ask("GET", &plain).send().await.is(200).body, &b"hello"[..]);
    let part = house.ask("GET", &url).header("range", "bytes=1-2").send().await.is(206);
    assert_eq!((&part.body[..], part.header("content-range")), (&b"el"[..], Some("bytes 1-2/5")));
    let head = house.ask("HEAD", &url).send().await.is(200);
    assert_eq!((head.body.len(), head.header("content-length")), (0, Some("5")));
    let download = house.ask("GET", &format!("{url}&response-content-disposition=attachment")).send().await.is(200);
    assert_eq!(download.header("content-disposition"), Some("attachment; filename*=UTF-8''b%20c"));

    house.ask("PUT", &url).bytes(b"x").send().await.fails(403, "forbidden");
    house.ask("GET", &url.replace("b%20c", "other")).send().await.fails(403, "forbidden");
    house.ask("GET", &url.replace("/data/", "/elsewhere/")).send().await.fails(403, "forbidden");
    house.ask("GET", &format!("{url}&versionId=null")).send().await.fails(403, "forbidden");
    house.ask("GET", &format!("{url}&response-content-type=text/html")).send().await.fails(400, "invalid_request");
    house.ask("GET", &format!("{url}x")).send().await.fails(401, "unauthorized");
    house.ask("GET", "/signed/data/a").send().await.fails(401, "unauthorized");
    house.ask("GET", &format!("{url}&token=x")).send().await.fails(400, "invalid_request");
    house.ask("DELETE", &url).send().await.fails(405, "method_not_allowed");
    let refused = house.ask("HEAD", &format!("{url}x")).send().await.is(401);
    assert_eq!(refused.header("x-lockwell-error-code"), Some("unauthorized"));
    house.pass_s(60);
    house.ask("GET", &url).send().await.fails(401, "token_expired");
}

#[tokio::test]
async fn an_upload_without_a_token_within_its_bounds() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let wanted = json!({ "method": "PUT", "bucket": "data", "key": "key", "maxBytes": 5, "contentType": "text/plain" });
    let signed = sign(&client, wanted).await;
    assert_eq!((&signed["ttlSeconds"], &signed["headers"]), (&json!(900), &json!({ "Content-Type": "text/plain" })));
    let url = path(&signed);
    let put = |bytes: &'static [u8], content_type: &'static str| {
        house.ask("PUT", &url).header("content-type", content_type).bytes(bytes).send()
    };
    put(b"hello!", "text/plain").await.fails(413, "payload_too_large");
    let chunked = house.ask("PUT", &url).header("content-type", "text/plain").header("transfer-encoding", "chunked");
    chunked.json(&json!("more than five")).send().await.fails(413, "payload_too_large");
    put(b"hello", "text/html").await.fails(403, "forbidden");
    client.get("/buckets/data/objects/key").await.fails(404, "not_found");
    let stored = put(b"hello", "text/plain").await.is(200);
    assert_eq!((&stored.json()["size"], stored.header("x-holdfast-position").is_some()), (&json!(5), true));
    for name in ["x-lockwell-legal-hold", "x-lockwell-retention-mode", "x-lockwell-tagging"] {
        let put = house.ask("PUT", &url).header("content-type", "text/plain").header(name, "ON").bytes(b"x");
        put.send().await.fails(403, "forbidden");
    }
    house.ask("GET", &url).send().await.fails(403, "forbidden");
}

#[tokio::test]
async fn a_url_never_grants_more_than_its_key_may_when_it_is_used() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"hello").await.is(200);
    let reading = house.key("acme", "op=read:bucket=data").await;
    let reader = Client { house: &house, token: house.token_of(&reading).await };
    let put = json!({ "method": "PUT", "bucket": "data", "key": "key" });
    reader.post("/sign-url", &put).await.fails(403, "forbidden");
    let elsewhere = json!({ "method": "GET", "bucket": "elsewhere", "key": "key" });
    reader.post("/sign-url", &elsewhere).await.fails(403, "forbidden");
    client.post("/sign-url", &elsewhere).await.fails(404, "not_found");
    let url = path(&sign(&reader, json!({ "method": "GET", "bucket": "data", "key": "key" })).await);
    house.ask("GET", &url).send().await.is(200);
    let deny = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*",
    }] });
    let policy = domain::bucket_setting::BucketPolicy { text: deny.to_string(), binds_owner: false };
    let set = domain::bucket_setting::Configuration::Policy;
    let action = schemas::action::Action::PutBucketPolicy;
    house.configure("data", action, set(Some(policy))).await;
    house.ask("GET", &url).send().await.fails(403, "policy_denied");
    house.configure("data", action, set(None)).await;
    house.ask("GET", &url).send().await.is(200);
    house.revoke("acme", &reading).await;
    house.ask("GET", &url).send().await.fails(401, "access_key_revoked");
}

#[tokio::test]
async fn what_is_wrong_with_a_wish_for_a_url() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let wish = |extra: Value| {
        let mut body = json!({ "method": "GET", "bucket": "data", "key": "key" });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        body
    };
    for (extra, code) in [
        (json!({ "method": "DELETE" }), "invalid_request"),
        (json!({ "method": "get" }), "invalid_request"),
        (json!({ "ttlSeconds": 0 }), "invalid_request"),
        (json!({ "ttlSeconds": -1 }), "invalid_request"),
        (json!({ "ttlSeconds": "60" }), "invalid_request"),
        (json!({ "maxBytes": 5 }), "invalid_request"),
        (json!({ "method": "PUT", "contentType": "a\nb" }), "invalid_request"),
        (json!({ "bucket": "NO" }), "invalid_bucket_name"),
        (json!({ "key": "" }), "invalid_key"),
        (json!({ "unknown": 1 }), "invalid_request"),
    ] {
        client.post("/sign-url", &wish(extra)).await.fails(400, code);
    }
    let clamped = sign(&client, wish(json!({ "ttlSeconds": 1_000_000 }))).await;
    assert_eq!(clamped["ttlSeconds"], 900);
    house.ask("POST", "/sign-url").json(&wish(json!({}))).send().await.fails(401, "unauthorized");
}
