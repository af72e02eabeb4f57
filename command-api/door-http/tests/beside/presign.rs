//! Signed URLs for many objects, and for the parts of an upload.

use serde_json::{Value, json};

use crate::kit::{Answer, Api, FOREIGN, MAIN, READER, WRITER};

const PATH: &str = "POST /buckets/bucket/objects:presign";

fn token(entry: &Value) -> &str {
    entry["path"].as_str().expect("a path").split_once("?token=").expect("a token").1
}

async fn entries(api: &Api) -> Vec<Value> {
    api.done("GET /signed-urls", Value::Null).await.json()["signedUrls"].as_array().expect("entries").clone()
}

#[tokio::test]
async fn many_urls_are_made_registered_and_revoked_as_one() {
    let api = Api::open().await;
    let keys = ["a", "b c", "d//e", "x/../y"];
    let signed = api.done(PATH, json!({ "method": "GET", "keys": keys, "ttlSeconds": 60 })).await;
    assert_eq!(signed.header("cache-control"), Some("no-store"));
    let signed = signed.json();
    let urls = signed["urls"].as_array().expect("urls");
    assert_eq!(urls.iter().map(|url| url["key"].as_str().expect("a key")).collect::<Vec<_>>(), keys);
    assert!(
        urls[0]["url"]
            .as_str()
            .expect("a url")
            .starts_with("https://s3.example.com/api/v1/signed/bucket/a?token=lwurl_")
    );
    assert!(urls[1]["path"].as_str().expect("a path").starts_with("/api/v1/signed/bucket/b%20c?"));
    assert!(urls[2]["path"].as_str().expect("a path").starts_with("/api/v1/signed/bucket/d%2F%2Fe?"));
    for (url, key) in urls.iter().zip(keys) {
        let (bearer, good_for) = api.store.signed_url_bearer(token(url)).expect("it works");
        assert_eq!(bearer.access_key.as_str(), MAIN);
        assert_eq!((good_for.method.as_str(), good_for.bucket.as_str(), good_for.key.as_str()), ("GET", "bucket", key));
        assert_eq!((good_for.part, good_for.bytes_max, good_for.content_type), (None, None, None));
    }
    let listed = entries(&api).await;
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["count"]), (1, &signed["id"], &json!(4)));
    api.done(&format!("DELETE /signed-urls/{}", signed["id"].as_str().expect("an id")), Value::Null).await;
    assert!(urls.iter().all(|url| api.store.signed_url_bearer(token(url)).is_err()));
}

#[tokio::test]
async fn uploads_are_bound_to_a_type_and_a_size_and_no_url_lives_longer_than_is_configured() {
    let api = Api::open().await;
    let body =
        json!({ "method": "PUT", "keys": ["k"], "ttlSeconds": 9_999, "maxBytes": 5, "contentType": "image/png" });
    let signed = api.done(PATH, body).await.json();
    assert_eq!((&signed["ttlSeconds"], &signed["headers"]), (&json!(900), &json!({ "Content-Type": "image/png" })));
    let (_, good_for) = api.store.signed_url_bearer(token(&signed["urls"][0])).expect("it works");
    assert_eq!((good_for.bytes_max, good_for.content_type.as_deref()), (Some(5), Some("image/png")));
}

#[tokio::test]
async fn nobody_signs_what_they_may_not_do() {
    let api = Api::open().await;
    let ask = |method: &'static str, keys: Value| json!({ "method": method, "keys": keys });
    let refused = |answer: Answer| answer.error();
    assert_eq!(refused(api.ask_as(READER, PATH, ask("PUT", json!(["in/a"]))).await), (403, "forbidden".into()));
    assert_eq!(refused(api.ask_as(READER, PATH, ask("GET", json!(["in/a", "out"]))).await), (403, "forbidden".into()));
    assert_eq!(api.ask_as(READER, PATH, ask("GET", json!(["in/a"]))).await.status, 200);
    assert_eq!(refused(api.ask_as(FOREIGN, PATH, ask("GET", json!(["in/a"]))).await), (404, "not_found".into()));
    assert_eq!(entries(&api).await.len(), 1, "one refused key refuses them all");
}

#[tokio::test]
async fn what_is_not_signed() {
    let api = Api::open().await;
    let many: Vec<String> = (0..1_001).map(|number| number.to_string()).collect();
    for body in [
        json!({ "method": "GET", "keys": [] }),
        json!({ "method": "GET", "keys": many }),
        json!({ "method": "DELETE", "keys": ["a"] }),
        json!({ "method": "GET", "keys": ["a"], "maxBytes": 1 }),
        json!({ "method": "GET", "keys": ["a"], "ttlSeconds": 0 }),
        json!({ "method": "PUT", "keys": ["a"], "contentType": "a\nb" }),
        json!({ "method": "PUT", "keys": ["a"], "contentType": "" }),
        json!({ "method": "GET" }),
    ] {
        assert_eq!(api.ask(PATH, body.clone()).await.error(), (400, "invalid_request".into()));
    }
    assert_eq!(api.ask(PATH, json!({ "method": "GET", "keys": ["a", ""] })).await.error(), (400, "invalid_key".into()));
    assert_eq!(api.ask(PATH, json!({ "method": "GET", "keys": many[..1_000] })).await.status, 200);
}

#[tokio::test]
async fn an_upload_comes_with_a_url_for_each_of_its_parts() {
    let api = Api::open().await;
    let mib = 1 << 20;
    let body =
        json!({ "size": 11 * mib, "partSize": 5 * mib, "contentType": "video/mp4", "metadata": { "Camera": "one" } });
    let begun = api.done("POST /buckets/bucket/multipart-presign/in/film", body).await;
    assert_eq!((begun.status, begun.header("cache-control")), (201, Some("no-store")));
    let begun = begun.json();
    assert_eq!(
        (&begun["partCount"], &begun["expiresIn"], &begun["key"]),
        (&json!(3), &json!(3_600), &json!("in/film"))
    );
    assert!(begun["uploadId"].as_str().expect("an upload").starts_with("mpu_"));
    for (index, part) in begun["parts"].as_array().expect("parts").iter().enumerate() {
        let size = if index == 2 { mib } else { 5 * mib };
        assert_eq!((&part["partNumber"], &part["size"]), (&json!(index + 1), &json!(size)));
        let (_, good_for) = api.store.signed_url_bearer(token(part)).expect("it works");
        let (upload, number) = good_for.part.expect("it is for a part");
        assert_eq!(
            (format!("mpu_{upload}"), usize::from(number)),
            (begun["uploadId"].as_str().expect("text").to_owned(), index + 1)
        );
        assert_eq!((good_for.method.as_str(), good_for.bytes_max), ("PUT", Some(size)));
    }
    let listed = entries(&api).await;
    assert_eq!((listed.len(), &listed[0]["id"], &listed[0]["count"]), (1, &begun["id"], &json!(3)));
    let stats = api.done("GET /buckets/bucket/stats", Value::Null).await.json();
    assert_eq!(stats["uploads"], 1);
}

#[tokio::test]
async fn an_upload_that_cannot_be_cut_is_not_begun() {
    let api = Api::open().await;
    let gib: u64 = 1 << 30;
    for (body, status) in [
        (json!({ "size": 0 }), 422),
        (json!({ "size": 6_000 * gib }), 422),
        (json!({ "size": 10, "partSize": 1_000 }), 422),
        (json!({ "size": 10, "partSize": 6 * gib }), 422),
        (json!({ "size": 10, "expiresIn": 59 }), 422),
        (json!({ "size": 10, "expiresIn": 43_201 }), 422),
        (json!({ "size": 300 * gib }), 400),
        (json!({ "size": "many" }), 400),
        (json!({}), 400),
        (json!({ "size": 10, "metadata": { "a b": "c" } }), 400),
        (json!({ "size": 10, "metadata": { "a": "1", "A": "2" } }), 400),
    ] {
        let answer = api.ask("POST /buckets/bucket/multipart-presign/k", body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
    }
    for (who, status) in [(READER, 403), (FOREIGN, 404), (WRITER, 201)] {
        let answer = api.ask_as(who, "POST /buckets/bucket/multipart-presign/k", json!({ "size": 10 })).await;
        assert_eq!(answer.status, status, "{who}");
    }
    let stats = api.done("GET /buckets/bucket/stats", Value::Null).await.json();
    assert_eq!(stats["uploads"], 1);
}

/// The paths of an upload of 11 MiB in parts of 5, and its id.
async fn begun(api: &Api) -> (String, Vec<String>) {
    let body = json!({ "size": 11 << 20, "partSize": 5 << 20 });
    let begun = api.done("POST /buckets/bucket/multipart-presign/film", body).await.json();
    let path = |part: &Value| part["path"].as_str().expect("a path").to_owned();
    let paths = begun["parts"].as_array().expect("parts").iter().map(path).collect();
    (begun["uploadId"].as_str().expect("an upload").to_owned(), paths)
}

#[tokio::test]
async fn parts_are_put_by_their_urls_and_make_the_object() {
    let api = Api::open().await;
    let (upload, paths) = begun(&api).await;
    let (mut parts, mut whole) = (Vec::new(), Vec::new());
    for (index, path) in paths.iter().enumerate() {
        let bytes = vec![b'a' + u8::try_from(index).expect("few"); if index == 2 { 1 << 20 } else { 5 << 20 }];
        let put = api.send("PUT", path, &bytes).await;
        assert_eq!(put.status, 200, "{}", crate::kit::text(&put.bytes));
        let part = put.json();
        assert_eq!((&part["partNumber"], &part["size"]), (&json!(index + 1), &json!(bytes.len())));
        parts.push(json!({ "partNumber": index + 1, "etag": part["etag"] }));
        whole.extend(bytes);
    }
    api.done(&format!("POST /buckets/bucket/multipart/{upload}/complete/film"), json!({ "parts": parts })).await;
    assert!(api.read("bucket", "film").await.expect("reads") == whole);
}

#[tokio::test]
async fn the_url_of_a_part_is_good_for_that_part_alone() {
    let api = Api::open().await;
    let (upload, paths) = begun(&api).await;
    let over = api.send("PUT", &paths[2], &vec![0; (1 << 20) + 1]).await;
    assert_eq!(over.error(), (413, "payload_too_large".into()));
    assert_eq!(api.send("GET", &paths[0], b"").await.error(), (403, "forbidden".into()));
    let elsewhere = paths[0].replace("/film?", "/other?");
    assert_eq!(api.send("PUT", &elsewhere, b"x").await.error(), (403, "forbidden".into()));
    assert_eq!(api.send("PUT", &paths[0], b"x").await.status, 200);
    assert!(api.read("bucket", "film").await.is_err(), "it makes no object");
    let page = api.done(&format!("GET /buckets/bucket/multipart/{upload}/parts/film"), Value::Null).await.json();
    assert_eq!(page["parts"].as_array().expect("parts").len(), 1);
    api.done(&format!("DELETE /buckets/bucket/multipart/{upload}/film"), Value::Null).await;
    assert_eq!(api.send("PUT", &paths[0], b"x").await.error(), (404, "not_found".into()));
}

#[tokio::test]
async fn what_is_presigned_is_used() {
    let api = Api::open().await;
    let signed = |method: &'static str| json!({ "method": method, "keys": ["a", "b//c"], "maxBytes": 3 });
    let puts = api.done(PATH, signed("PUT")).await.json();
    for url in puts["urls"].as_array().expect("urls") {
        let path = url["path"].as_str().expect("a path");
        assert_eq!(api.send("PUT", path, b"four").await.error(), (413, "payload_too_large".into()));
        assert_eq!(api.send("PUT", path, b"put").await.status, 200);
    }
    let gets = api.done(PATH, json!({ "method": "GET", "keys": ["a", "b//c"] })).await.json();
    for url in gets["urls"].as_array().expect("urls") {
        assert_eq!(api.send("GET", url["path"].as_str().expect("a path"), b"").await.bytes, b"put");
    }
    api.done(&format!("DELETE /signed-urls/{}", gets["id"].as_str().expect("an id")), Value::Null).await;
    let path = gets["urls"][0]["path"].as_str().expect("a path");
    assert_eq!(api.send("GET", path, b"").await.error(), (401, "url_revoked".into()));
}

/// Names of the schemas that `putSigned` says it answers with, and that an answer fits: what must be there is, and nothing else.
fn fitting(document: &Value, answer: &Value) -> Vec<String> {
    let schema = |reference: &Value| {
        let reference = reference.as_str().expect("a reference").trim_start_matches('#');
        document.pointer(reference).expect("it is there")
    };
    let put = &document["paths"]["/signed/{bucket}/{key}"]["put"];
    let of_put = schema(&put["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]);
    let all = of_put["oneOf"].as_array().expect("one of several");
    let fits = |one: &&Value| {
        let (one, answer) = (schema(&one["$ref"]), answer.as_object().expect("an object"));
        let required = one["required"].as_array().expect("names");
        let is_there = required.iter().all(|name| answer.contains_key(name.as_str().expect("a name")));
        is_there && answer.keys().all(|name| one["properties"].get(name).is_some())
    };
    all.iter()
        .filter(fits)
        .map(|one| one["$ref"].as_str().expect("text").rsplit('/').next().expect("a name").into())
        .collect()
}

#[tokio::test]
async fn the_document_says_what_a_signed_put_answers_of_an_object_and_of_a_part() {
    let api = Api::open().await;
    let document = api.read_document().await;
    let puts = api.done(PATH, json!({ "method": "PUT", "keys": ["a"] })).await.json();
    let object = api.send("PUT", puts["urls"][0]["path"].as_str().expect("a path"), b"x").await.json();
    assert_eq!(fitting(&document, &object), ["WrittenObject"], "{object}");
    let (_, paths) = begun(&api).await;
    let part = api.send("PUT", &paths[0], b"x").await.json();
    assert_eq!(fitting(&document, &part), ["Part"], "{part}");
}
