//! Uploads in parts.

use serde_json::{Value, json};

use crate::kit::{Client, House};

async fn begin(client: &Client<'_>, key: &str, body: &Value) -> String {
    let path = format!("/buckets/data/multipart/{key}");
    let ask = client.ask("POST", &path);
    let ask = if body.is_null() { ask } else { ask.json(body) };
    let made = ask.send().await.is(201);
    assert!(made.header("x-holdfast-position").is_some());
    made.json()["uploadId"].as_str().expect("an upload").to_owned()
}

#[tokio::test]
async fn an_upload_from_its_beginning_to_its_object() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "versioning": "enabled" })).await;
    let new = json!({ "contentType": "text/plain", "metadata": { "A": "1" }, "tags": { "k": "v" }, "checksumAlgorithm": "SHA256" });
    let upload = begin(&client, "a//b", &new).await;
    assert!(upload.starts_with("mpu_") && upload.len() == 36, "{upload}");
    let mut named = Vec::new();
    for (number, bytes) in [(1, "hello"), (3, " there"), (4, "!")] {
        let path = format!("/buckets/data/multipart/{upload}/parts/{number}/a//b");
        let stored = client.ask("PUT", &path).bytes(bytes.as_bytes()).send().await.is(200);
        let body = stored.json();
        assert_eq!((&body["partNumber"], &body["size"]), (&json!(number), &json!(bytes.len())));
        assert_eq!(stored.header("etag"), body["etag"].as_str());
        assert!(body["checksums"]["sha256"].is_string() && stored.header("x-holdfast-position").is_some());
        named.push(json!({ "partNumber": number, "etag": body["etag"], "checksums": body["checksums"] }));
    }
    let parts = format!("/buckets/data/multipart/{upload}/parts/a//b");
    let page = client.get(&format!("{parts}?maxParts=2")).await.is(200).json();
    assert_eq!((&page["bucket"], &page["key"], &page["uploadId"]), (&json!("data"), &json!("a//b"), &json!(upload)));
    assert_eq!((&page["isTruncated"], &page["nextPartNumberMarker"]), (&json!(true), &json!(3)));
    assert_eq!(page["parts"][1]["size"], 6);
    let page = client.get(&format!("{parts}?partNumberMarker=3")).await.is(200).json();
    assert_eq!((&page["parts"][0]["partNumber"], &page["isTruncated"]), (&json!(4), &json!(false)));
    let uploads = client.get("/buckets/data/multipart?prefix=a").await.is(200).json();
    assert_eq!((&uploads["uploads"][0]["uploadId"], &uploads["uploads"][0]["key"]), (&json!(upload), &json!("a//b")));
    assert_eq!(
        (&uploads["isTruncated"], &uploads["uploads"][0]["initiatedAt"]),
        (&json!(false), &json!("2027-01-15T08:00:00.000Z"))
    );

    let complete = format!("/buckets/data/multipart/{upload}/complete/a//b");
    let done = client.post(&complete, &json!({ "parts": named })).await.is(200);
    let body = done.json();
    assert_eq!(
        (&body["bucket"], &body["key"], &body["size"], &body["partCount"]),
        (&json!("data"), &json!("a//b"), &json!(12), &json!(3))
    );
    assert!(body["etag"].as_str().is_some_and(|etag| etag.ends_with("-3\"")) && body["versionId"].is_string());
    assert!(body["checksums"]["sha256"].as_str().is_some_and(|it| it.ends_with("-3")));
    assert_eq!(done.header("etag"), body["etag"].as_str());
    assert!(done.header("x-holdfast-position").is_some());
    let got = client.get("/buckets/data/objects/a//b").await.is(200);
    assert_eq!((&got.body[..], got.header("content-type")), (&b"hello there!"[..], Some("text/plain")));
    assert_eq!((got.header("x-lockwell-meta-a"), got.header("x-lockwell-part-count")), (Some("1"), Some("3")));
    assert_eq!(
        client.post(&complete, &json!({ "parts": named })).await.is(200).json(),
        body,
        "sent again it is the same"
    );
    client.get(&parts).await.fails(404, "not_found");
}

#[tokio::test]
async fn a_key_that_only_looks_like_the_end_of_an_upload_is_a_key() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let upload = begin(&client, "key", &Value::Null).await;
    for (raw, key) in [
        ("a/complete/b", "a/complete/b".to_owned()),
        ("mpu_short/complete/b", "mpu_short/complete/b".to_owned()),
        (&format!("{upload}%2Fcomplete%2Fb"), format!("{upload}/complete/b")),
        (&format!("{upload}/complete"), format!("{upload}/complete")),
        (&format!("{}/complete/b", upload.to_uppercase()), format!("{}/complete/b", upload.to_uppercase())),
    ] {
        let made = client.ask("POST", &format!("/buckets/data/multipart/{raw}")).send().await.is(201).json();
        assert_eq!(made["key"], json!(key), "{raw}");
    }
    let taken = client.post(&format!("/buckets/data/multipart/{upload}/complete/key"), &json!({ "parts": [] })).await;
    taken.fails(400, "invalid_request");
    client.ask("PUT", "/buckets/data/multipart/key").bytes(b"").send().await.fails(405, "method_not_allowed");
    client.get("/buckets/data/multipart/key").await.fails(405, "method_not_allowed");
}

#[tokio::test]
async fn what_an_upload_refuses() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let upload = begin(&client, "key", &Value::Null).await;
    let part = async |upload: &str, number: &str, key: &str, bytes: &[u8]| {
        client.ask("PUT", &format!("/buckets/data/multipart/{upload}/parts/{number}/{key}")).bytes(bytes).send().await
    };
    for number in ["0", "10001", "x", "-1"] {
        part(&upload, number, "key", b"x").await.fails(400, "invalid_request");
    }
    let unknown = format!("mpu_{}", "0".repeat(32));
    for upload in [unknown.as_str(), "nonsense"] {
        part(upload, "1", "key", b"x").await.fails(404, "not_found");
        client.get(&format!("/buckets/data/multipart/{upload}/parts/key")).await.fails(404, "not_found");
        client.delete(&format!("/buckets/data/multipart/{upload}/key")).await.fails(404, "not_found");
    }
    part(&upload, "1", "other", b"x").await.fails(404, "not_found");
    let wrong = client.ask("PUT", &format!("/buckets/data/multipart/{upload}/parts/1/key"));
    wrong.header("x-lockwell-checksum-crc32", "AAAAAA==").bytes(b"x").send().await.fails(400, "checksum_mismatch");

    let first = part(&upload, "1", "key", b"tiny").await.is(200).json()["etag"].clone();
    let second = part(&upload, "2", "key", b"last").await.is(200).json()["etag"].clone();
    let complete = async |parts: Value| {
        client.post(&format!("/buckets/data/multipart/{upload}/complete/key"), &json!({ "parts": parts })).await
    };
    let named = |number: u64, etag: &Value| json!({ "partNumber": number, "etag": etag });
    complete(json!([named(1, &first), named(2, &second)])).await.fails(400, "entity_too_small");
    complete(json!([named(2, &second), named(1, &first)])).await.fails(400, "invalid_part_order");
    complete(json!([named(1, &second)])).await.fails(400, "invalid_part");
    complete(json!([named(3, &first)])).await.fails(400, "invalid_part");
    complete(json!([named(0, &first)])).await.fails(400, "invalid_request");
    let unknown = format!("/buckets/data/multipart/{unknown}/complete/key");
    client.post(&unknown, &json!({ "parts": [named(1, &first)] })).await.fails(404, "not_found");
    for bad in [json!({ "checksumAlgorithm": "MD5" }), json!({ "unknown": 1 }), json!({ "legalHold": "yes" })] {
        client.post("/buckets/data/multipart/key", &bad).await.fails(400, "invalid_request");
    }
    client
        .post("/buckets/data/multipart/key", &json!({ "legalHold": "ON" }))
        .await
        .fails(409, "object_lock_not_enabled");
    client.post("/buckets/nowhere/multipart/key", &json!({})).await.fails(404, "not_found");

    client.put("key", b"x").await.is(200);
    let path = format!("/buckets/data/multipart/{upload}/complete/key");
    let create_only =
        client.ask("POST", &path).header("if-none-match", "*").json(&json!({ "parts": [named(2, &second)] }));
    create_only.send().await.fails(412, "precondition_failed");
    let aborted = client.delete(&format!("/buckets/data/multipart/{upload}/key")).await.is(204);
    assert!(aborted.header("x-holdfast-position").is_some());
    client.delete(&format!("/buckets/data/multipart/{upload}/key")).await.fails(404, "not_found");
    let listed = client.get("/buckets/data/multipart").await.is(200).json();
    assert_eq!(listed["uploads"], json!([]));
}

#[tokio::test]
async fn uploads_are_listed_in_pages() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    for key in ["a", "b", "b", "c/1", "c/2"] {
        begin(&client, key, &Value::Null).await;
    }
    let (mut query, mut seen) = ("maxUploads=2".to_owned(), Vec::new());
    loop {
        let page = client.get(&format!("/buckets/data/multipart?{query}")).await.is(200).json();
        seen.extend(
            page["uploads"].as_array().expect("a list").iter().map(|it| it["key"].as_str().expect("a key").to_owned()),
        );
        if page["isTruncated"] == false {
            break;
        }
        let text = |name: &str| page[name].as_str().expect("a marker").to_owned();
        query =
            format!("maxUploads=2&keyMarker={}&uploadIdMarker={}", text("nextKeyMarker"), text("nextUploadIdMarker"));
    }
    assert_eq!(seen, ["a", "b", "b", "c/1", "c/2"]);
    let page = client.get("/buckets/data/multipart?delimiter=/&prefix=c").await.is(200).json();
    assert_eq!(page["commonPrefixes"], json!(["c/"]));
    for query in ["maxUploads=0", "uploadIdMarker=x&keyMarker=a", "uploadIdMarker=mpu_00"] {
        client.get(&format!("/buckets/data/multipart?{query}")).await.fails(400, "invalid_request");
    }
}
