//! CORS: a bucket's rules answer for its paths.

use domain::bucket_setting::Configuration;
use schemas::action::Action;
use schemas::event::{CorsMethod, CorsRule};
use serde_json::json;

use crate::kit::{Client, House};

async fn with_rules(client: &Client<'_>) {
    client.data().await;
    client.put("key", b"hello").await.is(200);
    let rule = CorsRule {
        id: None,
        origins: vec!["https://app.example".to_owned()],
        methods: vec![CorsMethod::Get, CorsMethod::Put],
        headers: vec!["*".to_owned()],
        exposed: vec!["ETag".to_owned()],
        max_age_s: Some(60),
    };
    client.house.configure("data", Action::PutBucketCors, Configuration::Cors(Some(vec![rule]))).await;
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_bucket_of_the_hosts_tenant_or_of_the_signed_url() {
    let house = House::new().await;
    let client = house.client().await;
    with_rules(&client).await;
    let wanted = json!({ "method": "GET", "bucket": "data", "key": "key" });
    let signed = client.post("/sign-url", &wanted).await.is(200).json();
    let signed = signed["path"].as_str().and_then(|path| path.strip_prefix("/api/v1")).expect("a path");
    let ask = |path: &str, host: &str, origin: &str, method: &str| {
        let ask = house.ask("OPTIONS", path).header("host", host).header("origin", origin);
        ask.header("access-control-request-method", method)
            .header("access-control-request-headers", "authorization, content-type")
            .send()
    };
    let origin = "https://app.example";
    for (path, host) in [
        ("/buckets/data/objects/key", "acme.example:9000"),
        ("/buckets/data/multipart/key", "ACME.example"),
        (signed, "elsewhere.example"),
    ] {
        let allowed = ask(path, host, origin, "PUT").await.is(200);
        for (name, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "authorization, content-type"),
            ("access-control-expose-headers", "ETag"),
            ("access-control-max-age", "60"),
            ("access-control-allow-credentials", "true"),
        ] {
            assert_eq!(allowed.header(name), Some(value), "{name}");
        }
        ask(path, host, "https://evil.example", "GET").await.fails(403, "forbidden");
        ask(path, host, origin, "DELETE").await.fails(403, "forbidden");
    }
    ask("/buckets/data/objects/key", "elsewhere.example", origin, "GET").await.fails(403, "forbidden");
    ask("/buckets/other/objects/key", "acme.example", origin, "GET").await.fails(403, "forbidden");
    ask("/buckets", "acme.example", origin, "GET").await.fails(405, "method_not_allowed");
    let plain = house.ask("OPTIONS", "/buckets/data/objects/key").send().await;
    plain.fails(405, "method_not_allowed");
}

#[tokio::test]
async fn answers_say_which_pages_may_read_them() {
    let house = House::new().await;
    let client = house.client().await;
    with_rules(&client).await;
    let origin = "https://app.example";
    for (path, status) in [("/buckets/data/objects/key", 200), ("/buckets/data/objects/nothing", 404)] {
        let got = client.ask("GET", path).header("origin", origin).send().await.is(status);
        assert_eq!(got.header("access-control-allow-origin"), Some(origin));
        assert_eq!(got.header("access-control-expose-headers"), Some("ETag"));
        assert!(got.header("vary").is_some_and(|vary| vary.contains("Origin")));
    }
    let foreign = client.ask("GET", "/buckets/data/objects/key").header("origin", "https://evil.example").send().await;
    let foreign = foreign.is(200);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert!(foreign.header("vary").is_some());
    assert_eq!(client.get("/buckets/data/objects/key").await.is(200).header("vary"), None);
    let wanted = json!({ "method": "GET", "bucket": "data", "key": "key" });
    let signed = client.post("/sign-url", &wanted).await.is(200).json();
    let signed = signed["path"].as_str().and_then(|path| path.strip_prefix("/api/v1")).expect("a path");
    let got = house.ask("GET", signed).header("origin", origin).send().await.is(200);
    assert_eq!(got.header("access-control-allow-origin"), Some(origin));
}
