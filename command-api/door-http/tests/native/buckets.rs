//! Buckets and their versioning.

use serde_json::{Value, json};

use crate::kit::House;

#[tokio::test]
async fn a_bucket_from_its_creation_to_its_end() {
    let house = House::new().await;
    let client = house.client().await;
    let made = client.post("/buckets", &json!({ "name": "data" })).await.is(201);
    assert!(made.header("x-holdfast-position").is_some());
    let expected = json!({
        "name": "data", "createdAt": "2027-01-15T08:00:00.000Z", "versioning": "disabled", "objectLockEnabled": false,
        "region": "us-east-1", "owner": "user",
    });
    assert_eq!(made.json(), expected);
    assert_eq!(client.get("/buckets/data").await.is(200).json(), expected);
    assert_eq!(client.get("/buckets").await.is(200).json(), json!({ "buckets": [expected], "isTruncated": false }));
    client.post("/buckets", &json!({ "name": "data" })).await.fails(409, "bucket_already_exists");
    client.put("key", b"x").await.is(200);
    client.delete("/buckets/data").await.fails(409, "bucket_not_empty");
    client.delete("/buckets/data/objects/key").await.is(204);
    let gone = client.delete("/buckets/data").await.is(204);
    assert!(gone.body.is_empty() && gone.header("x-holdfast-position").is_some());
    client.get("/buckets/data").await.fails(404, "not_found");
    client.delete("/buckets/data").await.fails(404, "not_found");
}

#[tokio::test]
async fn how_a_bucket_may_be_asked_for() {
    let house = House::new().await;
    let client = house.client().await;
    for (name, options, versioning, lock) in [
        ("one", json!({ "versioning": "enabled" }), "enabled", false),
        ("two", json!({ "versioning": "Enabled" }), "enabled", false),
        ("three", json!({ "versioning": true }), "enabled", false),
        ("four", json!({ "versioning": "suspended" }), "suspended", false),
        ("five", json!({ "versioning": false }), "disabled", false),
        ("six", json!({ "objectLockEnabled": true }), "enabled", true),
        ("seven", json!({ "objectLock": true, "versioning": true }), "enabled", true),
        ("eight", json!({ "versioning": null, "objectLock": null }), "disabled", false),
    ] {
        let mut body = options;
        body["name"] = name.into();
        let made = client.post("/buckets", &body).await.is(201).json();
        assert_eq!((&made["versioning"], &made["objectLockEnabled"]), (&json!(versioning), &json!(lock)), "{name}");
    }
    for body in [
        json!({}),
        json!({ "name": "fine", "versioning": "on" }),
        json!({ "name": "fine", "versioning": 1 }),
        json!({ "name": "fine", "objectLock": true, "versioning": "suspended" }),
        json!({ "name": "fine", "objectLock": true, "objectLockEnabled": false }),
        json!({ "name": "fine", "objectlock": true }),
        json!("fine"),
    ] {
        client.post("/buckets", &body).await.fails(400, "invalid_request");
    }
    for name in ["No", "ab", "api", "signed", "a..b", ""] {
        client.post("/buckets", &json!({ "name": name })).await.fails(400, "invalid_bucket_name");
    }
    client.ask("POST", "/buckets").bytes(b"{").send().await.fails(400, "invalid_request");
    client.get("/buckets/fine").await.fails(404, "not_found");
}

#[tokio::test]
async fn versioning() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let path = "/buckets/data/versioning";
    assert_eq!(client.get(path).await.is(200).json(), json!({ "status": "disabled" }));
    for (asked, status) in [("enabled", "enabled"), ("SUSPENDED", "suspended"), ("Enabled", "enabled")] {
        let set = client.put_json(path, &json!({ "status": asked })).await.is(200);
        assert_eq!(set.json(), json!({ "status": status }));
        assert!(set.header("x-holdfast-position").is_some());
        assert_eq!(client.get(path).await.is(200).json(), json!({ "status": status }));
    }
    for body in [json!({ "status": "disabled" }), json!({ "status": "on" }), json!({})] {
        client.put_json(path, &body).await.fails(400, "invalid_request");
    }
    client.bucket(&json!({ "name": "locked", "objectLock": true })).await;
    client.put_json("/buckets/locked/versioning", &json!({ "status": "suspended" })).await.is(409);
    client.get("/buckets/nowhere/versioning").await.fails(404, "not_found");
    client.put_json("/buckets/nowhere/versioning", &json!({ "status": "enabled" })).await.fails(404, "not_found");
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let house = House::new().await;
    let client = house.client().await;
    for name in ["aaa", "aab", "abc", "bcd"] {
        client.bucket(&json!({ "name": name })).await;
    }
    let names = |page: &Value| {
        let buckets = page["buckets"].as_array().expect("a list");
        buckets.iter().map(|bucket| bucket["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let page = client.get("/buckets?prefix=a&maxKeys=2").await.is(200).json();
    assert_eq!((names(&page), &page["isTruncated"]), (vec!["aaa".to_owned(), "aab".to_owned()], &json!(true)));
    let token = page["nextContinuationToken"].as_str().expect("a token");
    let page = client.get(&format!("/buckets?prefix=a&continuationToken={token}")).await.is(200).json();
    assert_eq!((names(&page), &page["isTruncated"]), (vec!["abc".to_owned()], &json!(false)));
    for query in ["maxKeys=0", "maxKeys=x", "maxKeys=1&maxKeys=2", "continuationToken=x", "prefix=%zz"] {
        client.get(&format!("/buckets?{query}")).await.fails(400, "invalid_request");
    }
}

#[tokio::test]
async fn another_tenants_bucket_is_not_there_and_scopes_bind() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"hello").await.is(200);
    let theirs = house.token("other", "*").await;
    for (method, path) in [
        ("GET", "/buckets/data"),
        ("DELETE", "/buckets/data"),
        ("GET", "/buckets/data/versioning"),
        ("GET", "/buckets/data/objects"),
        ("GET", "/buckets/data/objects/key"),
        ("DELETE", "/buckets/data/objects/key"),
        ("GET", "/buckets/data/versions"),
        ("GET", "/buckets/data/multipart"),
        ("GET", "/buckets/data/notifications"),
        ("GET", "/buckets/data/object-tags/key"),
        ("GET", "/buckets/data/object-metadata/key"),
    ] {
        house.ask(method, path).bearer(&theirs).send().await.fails(404, "not_found");
    }
    house.ask("POST", "/buckets").bearer(&theirs).json(&json!({ "name": "data" })).send().await.is(201);

    let reader = house.token("acme", "op=read:bucket=data").await;
    house.ask("GET", "/buckets/data/objects/key").bearer(&reader).send().await.is(200);
    for (method, path) in [
        ("PUT", "/buckets/data/objects/key"),
        ("DELETE", "/buckets/data/objects/key"),
        ("DELETE", "/buckets/data"),
        ("GET", "/buckets/elsewhere"),
    ] {
        house.ask(method, path).bearer(&reader).bytes(b"").send().await.fails(403, "forbidden");
    }
    let writer = house.token("acme", "op=write:bucket=data,op=read").await;
    let create = house.ask("POST", "/buckets").bearer(&writer).json(&json!({ "name": "fresh" })).send().await;
    create.fails(403, "forbidden");
    let maker = house.token("acme", "op=admin:bucket=fresh,op=read:bucket=fresh").await;
    house.ask("POST", "/buckets").bearer(&maker).json(&json!({ "name": "fresh" })).send().await.is(201);
}
