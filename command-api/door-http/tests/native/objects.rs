//! Objects: put, get, head, delete, copy, batch delete.

use serde_json::{Value, json};

use crate::kit::{HELLO_MD5, HELLO_SHA256, House};

#[tokio::test]
async fn what_is_put_is_got_with_everything_that_is_known_of_it() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "versioning": "enabled" })).await;
    let put = client
        .ask("PUT", "/buckets/data/objects/a/b%20c")
        .header("content-type", "text/plain")
        .header("cache-control", "no-cache")
        .header("x-lockwell-meta-one", "1")
        .header("x-amz-meta-two", "zwei")
        .header("x-lockwell-tagging", "k=v&l=w%20x")
        .header("x-lockwell-checksum-sha256", HELLO_SHA256)
        .header("x-lockwell-checksum-crc32", "NhCmhg==")
        .bytes(b"hello")
        .send()
        .await
        .is(200);
    let body = put.json();
    let version = body["versionId"].as_str().expect("a version");
    let checksums = json!({ "sha256": HELLO_SHA256, "crc32": "NhCmhg==", "crc64nvme": "M3eFcAZSQlc=" });
    assert_eq!(
        body,
        json!({
            "bucket": "data", "key": "a/b c", "etag": HELLO_MD5, "versionId": version, "size": 5, "checksums": checksums,
            "encryption": "aes-256-gcm", "compression": "none", "storageClass": "STANDARD",
            "lastModified": "2027-01-15T08:00:00.000Z",
        })
    );
    for (name, value) in [
        ("etag", HELLO_MD5),
        ("x-lockwell-version-id", version),
        ("x-lockwell-checksum-sha256", HELLO_SHA256),
        ("x-lockwell-checksum-crc32", "NhCmhg=="),
    ] {
        assert_eq!(put.header(name), Some(value), "{name}");
    }
    assert!(put.header("x-holdfast-position").is_some());

    let path = "/buckets/data/objects/a/b%20c";
    let (got, head) = (client.get(path).await.is(200), client.ask("HEAD", path).send().await.is(200));
    assert_eq!((&got.body[..], &head.body[..]), (&b"hello"[..], &b""[..]));
    for answer in [&got, &head] {
        for (name, value) in [
            ("content-type", "text/plain"),
            ("cache-control", "no-cache"),
            ("content-length", "5"),
            ("accept-ranges", "bytes"),
            ("etag", HELLO_MD5),
            ("last-modified", "Fri, 15 Jan 2027 08:00:00 GMT"),
            ("x-lockwell-content-length", "5"),
            ("x-lockwell-encryption", "aes-256-gcm"),
            ("x-lockwell-compression", "none"),
            ("x-lockwell-storage-class", "STANDARD"),
            ("x-lockwell-version-id", version),
            ("x-lockwell-legal-hold", "OFF"),
            ("x-lockwell-tag-count", "2"),
            ("x-lockwell-meta-one", "1"),
            ("x-lockwell-meta-two", "zwei"),
            ("x-lockwell-checksum-sha256", HELLO_SHA256),
            ("x-lockwell-checksum-crc32", "NhCmhg=="),
            ("x-lockwell-checksum-crc64nvme", "M3eFcAZSQlc="),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let stored: u64 = answer.header("x-lockwell-stored-length").expect("a length").parse().expect("a number");
        assert!(stored > 5);
        assert!(answer.header("x-request-id").is_some());
    }
    let known = client.get("/buckets/data/object-metadata/a/b%20c").await.is(200).json();
    assert_eq!(known["metadata"], json!({ "one": "1", "two": "zwei" }));
    assert_eq!((&known["contentType"], &known["tagCount"]), (&json!("text/plain"), &json!(2)));
    assert_eq!((&known["checksums"], &known["versionId"]), (&checksums, &json!(version)));
    let tags = client.get("/buckets/data/object-tags/a/b%20c").await.is(200).json();
    assert_eq!(tags, json!({ "tags": { "k": "v", "l": "w x" } }));
}

#[tokio::test]
async fn a_key_is_the_rest_of_the_path_as_it_came() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    for (raw, key) in [
        ("a//b", "a//b"),
        ("a/../b/./c", "a/../b/./c"),
        ("a%2Fc", "a/c"),
        ("dir/", "dir/"),
        ("%2F", "/"),
        ("/lead", "/lead"),
        ("%252F", "%2F"),
        ("a+b", "a+b"),
        ("%C3%A9", "é"),
        ("%00", "\0"),
    ] {
        let put = client.put(raw, raw.as_bytes()).await.is(200);
        assert_eq!(put.json()["key"], key, "{raw}");
        assert_eq!(client.get(&format!("/buckets/data/objects/{raw}")).await.is(200).body, raw.as_bytes());
    }
    let listed = client.get("/buckets/data/objects").await.is(200).json();
    assert_eq!(listed["keyCount"], 10);
    client.put("", b"x").await.fails(400, "invalid_key");
    client.put(&"k".repeat(1025), b"x").await.fails(400, "invalid_key");
    client.put("%ff", b"x").await.fails(400, "invalid_request");
    client.get("/buckets/NO/objects/k").await.fails(400, "invalid_bucket_name");
}

#[tokio::test]
async fn a_checksum_that_is_not_the_bodys_stores_nothing() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let put = async |headers: &[(&str, &str)]| {
        let mut ask = client.ask("PUT", "/buckets/data/objects/key");
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        ask.bytes(b"hello").send().await
    };
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    put(&[("x-lockwell-checksum-sha256", zeros)]).await.fails(400, "checksum_mismatch");
    let one_of_two = [("x-lockwell-checksum-sha256", HELLO_SHA256), ("x-lockwell-checksum-crc32", "AAAAAA==")];
    put(&one_of_two).await.fails(400, "checksum_mismatch");
    for (name, value) in [
        ("x-lockwell-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"),
        ("x-lockwell-checksum-sha256", "AAAA"),
        ("x-lockwell-checksum-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
        ("x-lockwell-checksum-crc32", ""),
    ] {
        put(&[(name, value)]).await.fails(400, "invalid_request");
    }
    client.get("/buckets/data/objects/key").await.fails(404, "not_found");
    for (name, value) in [
        ("x-lockwell-checksum-crc32", "NhCmhg=="),
        ("x-lockwell-checksum-crc32c", "mnG7TA=="),
        ("x-lockwell-checksum-crc64nvme", "M3eFcAZSQlc="),
        ("x-lockwell-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
        ("x-lockwell-checksum-sha256", HELLO_SHA256),
    ] {
        let answer = put(&[(name, value)]).await.is(200);
        assert_eq!(answer.header(name), Some(value));
    }
}

#[tokio::test]
async fn an_idempotency_key_needs_a_checksum_and_repeats_the_first_answer() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let put = |key: &str, checksum: Option<&str>, body: &[u8]| {
        let ask =
            client.ask("PUT", "/buckets/data/objects/key").header("idempotency-key", key).header("if-none-match", "*");
        let ask = match checksum {
            Some(checksum) => ask.header("x-lockwell-checksum-sha256", checksum),
            None => ask,
        };
        ask.bytes(body).send()
    };
    put("once", None, b"hello").await.fails(400, "idempotency_requires_checksum");
    let first = put("once", Some(HELLO_SHA256), b"hello").await.is(200);
    let again = put("once", Some(HELLO_SHA256), b"hello").await.is(200);
    assert_eq!(first.json(), again.json());
    assert_eq!(first.header("x-holdfast-position"), again.header("x-holdfast-position"));
    let world = "SG6kYiTRu0+2gPNPfJrZao8k7Ii+c+qOWmxlJg6cuKc=";
    put("once", Some(world), b"world").await.fails(409, "idempotency_key_reused");
    put("twice", Some(HELLO_SHA256), b"hello").await.fails(412, "precondition_failed");
    for key in ["", "a b"] {
        put(key, Some(HELLO_SHA256), b"hello").await.fails(400, "invalid_request");
    }
}

#[tokio::test]
async fn what_s3_clients_say_by_headers_is_not_passed_over() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    for name in
        ["x-amz-acl", "x-amz-server-side-encryption", "x-amz-tagging", "x-amz-object-lock-mode", "x-amz-checksum-crc32"]
    {
        let put = client.ask("PUT", "/buckets/data/objects/key").header(name, "x").bytes(b"").send().await;
        put.fails(501, "not_implemented");
    }
    let unframed = client.ask("PUT", "/buckets/data/objects/key").send().await;
    unframed.fails(411, "length_required");
    let short =
        client.ask("PUT", "/buckets/data/objects/key").header("content-length", "9").json(&json!(1)).send().await;
    short.fails(400, "invalid_request");
    let large = client.ask("PUT", "/buckets/data/objects/key").header("content-length", "5368709121").send().await;
    large.fails(413, "payload_too_large");
}

#[tokio::test]
async fn deleting_where_there_are_versions_and_where_there_are_none() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"x").await.is(200);
    let path = "/buckets/data/objects/key";
    assert!(client.delete(path).await.is(204).body.is_empty());
    client.delete(path).await.is(204);
    client.get(path).await.fails(404, "not_found");

    client.bucket(&json!({ "name": "kept", "versioning": "enabled" })).await;
    let path = "/buckets/kept/objects/key";
    let put = client.ask("PUT", path).bytes(b"x").send().await.is(200);
    let version = put.json()["versionId"].as_str().expect("a version").to_owned();
    let hidden = client.delete(path).await.is(200);
    let body = hidden.json();
    let marker = body["versionId"].as_str().expect("a marker").to_owned();
    assert_eq!(
        body,
        json!({ "deleted": true, "deleteMarker": true, "versionId": marker, "deleteMarkerVersionId": marker })
    );
    assert_eq!(hidden.header("x-lockwell-delete-marker"), Some("true"));
    let gone = client.get(path).await.fails(404, "not_found");
    assert_eq!(gone.header("x-lockwell-delete-marker"), Some("true"));
    assert_eq!(gone.header("x-lockwell-version-id"), Some(marker.as_str()));
    let head = client.ask("HEAD", path).send().await.is(404);
    assert_eq!((head.header("x-lockwell-error-code"), head.body.len()), (Some("not_found"), 0));
    let of_marker = client.get(&format!("{path}?versionId={marker}")).await.fails(405, "method_not_allowed");
    assert_eq!(of_marker.header("allow"), Some("DELETE"));
    assert_eq!(client.get(&format!("{path}?versionId={version}")).await.is(200).body, &b"x"[..]);
    let restored = client.delete(&format!("{path}?versionId={marker}")).await.is(204);
    assert_eq!(restored.header("x-lockwell-delete-marker"), Some("true"));
    assert_eq!(client.get(path).await.is(200).body, &b"x"[..]);
    client.delete(&format!("{path}?versionId={version}")).await.is(204);
    client.get(path).await.fails(404, "not_found");
    client.get(&format!("{path}?versionId={version}")).await.fails(404, "not_found");
    for bad in ["x", "", "null&versionId=null"] {
        client.delete(&format!("{path}?versionId={bad}")).await.fails(400, "invalid_request");
    }
}

#[tokio::test]
async fn many_are_deleted_at_once_each_with_its_own_result() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "versioning": "enabled" })).await;
    let put = client.put("one", b"x").await.is(200);
    let version = put.json()["versionId"].clone();
    client.put("two", b"x").await.is(200);
    let body = json!({ "objects": [
        { "key": "one", "versionId": version }, { "key": "two" }, { "key": "" }, { "key": "two", "versionId": "x" },
    ] });
    for path in ["/buckets/data/objects:batchDelete", "/buckets/data/objects%3AbatchDelete"] {
        let done = client.post(path, &body).await.is(200);
        assert!(done.header("x-holdfast-position").is_some());
        let done = done.json();
        assert_eq!(done["deleted"][0], json!({ "key": "one", "versionId": version }));
        assert_eq!((&done["deleted"][1]["key"], &done["deleted"][1]["deleteMarker"]), (&json!("two"), &json!(true)));
        assert!(done["deleted"][1]["deleteMarkerVersionId"].is_string());
        let codes: Vec<_> = done["errors"].as_array().expect("a list").iter().map(|it| it["code"].clone()).collect();
        assert_eq!(codes, [json!("invalid_key"), json!("invalid_request")]);
    }
    let path = "/buckets/data/objects:batchDelete";
    let quiet = client.post(path, &json!({ "keys": ["three"], "quiet": true })).await.is(200).json();
    assert_eq!(quiet, json!({ "deleted": [], "errors": [] }));
    let many: Vec<Value> = (0..1001).map(|number| json!(number.to_string())).collect();
    client.post(path, &json!({ "keys": many[..1000] })).await.is(200);
    for body in [
        json!({ "keys": many }),
        json!({ "keys": [] }),
        json!({}),
        json!({ "keys": ["a"], "objects": [] }),
        json!({ "objects": [{ "name": "a" }] }),
    ] {
        client.post(path, &body).await.fails(400, "invalid_request");
    }
    client.post("/buckets/nowhere/objects:batchDelete", &json!({ "keys": ["a"] })).await.fails(404, "not_found");
}

#[tokio::test]
async fn a_copy_keeps_what_its_source_has_or_replaces_it() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.bucket(&json!({ "name": "kept", "versioning": "enabled" })).await;
    let put = client.ask("PUT", "/buckets/data/objects/from").header("content-type", "text/plain");
    put.header("x-lockwell-meta-a", "1").bytes(b"hello").send().await.is(200);
    let copy = async |to: &str, extra: Value| {
        let mut body = json!({ "sourceBucket": "data", "sourceKey": "from" });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        client.post(&format!("/buckets/kept/object-copy/{to}"), &body).await
    };
    let done = copy("a//b", json!({})).await.is(200);
    let body = done.json();
    assert_eq!((&body["key"], &body["etag"]), (&json!("a//b"), &json!(HELLO_MD5)));
    assert!(body["versionId"].is_string() && body["lastModified"].is_string() && body["checksums"].is_object());
    assert!(done.header("x-holdfast-position").is_some());
    let kept = client.get("/buckets/kept/objects/a//b").await.is(200);
    assert_eq!((kept.header("content-type"), kept.header("x-lockwell-meta-a")), (Some("text/plain"), Some("1")));
    let replaced = json!({ "metadataDirective": "REPLACE", "contentType": "text/html", "metadata": { "B": "2" } });
    copy("to", replaced).await.is(200);
    let kept = client.get("/buckets/kept/objects/to").await.is(200);
    assert_eq!((kept.header("content-type"), kept.header("x-lockwell-meta-a")), (Some("text/html"), None));
    assert_eq!(kept.header("x-lockwell-meta-b"), Some("2"));
    for bad in [
        json!({ "metadataDirective": "MAYBE" }),
        json!({ "metadataDirective": "COPY", "contentType": "text/html" }),
        json!({ "ifModifiedSince": "yesterday" }),
        json!({ "unknown": true }),
        json!({ "metadata": { "a b": "c" } }),
        json!({ "sourceVersionId": "x" }),
    ] {
        copy("to", bad).await.fails(400, "invalid_request");
    }
    copy("to", json!({ "sourceKey": "nothing" })).await.fails(404, "not_found");
    copy("to", json!({ "sourceBucket": "nowhere" })).await.fails(404, "not_found");
    copy("to", json!({ "sourceBucket": "NO" })).await.fails(400, "invalid_bucket_name");
    let onto = json!({ "sourceBucket": "kept", "sourceKey": "to" });
    client.post("/buckets/kept/object-copy/to", &onto).await.fails(400, "invalid_request");
}

#[tokio::test]
async fn the_conditions_of_a_copy_are_on_its_source_and_on_what_it_replaces() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("from", b"hello").await.is(200);
    let copy = async |extra: Value, status: u16| {
        let mut body = json!({ "sourceBucket": "data", "sourceKey": "from" });
        body.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
        let answer = client.post("/buckets/data/object-copy/to", &body).await;
        if status == 412 {
            answer.fails(412, "precondition_failed")
        } else {
            answer.is(status)
        };
    };
    copy(json!({ "requireMatchEtag": HELLO_MD5 }), 412).await;
    copy(json!({ "requireAbsent": true }), 200).await;
    copy(json!({ "requireAbsent": true }), 412).await;
    copy(json!({ "requireMatchEtag": HELLO_MD5 }), 200).await;
    copy(json!({ "requireMatchEtag": HELLO_MD5.trim_matches('"') }), 200).await;
    copy(json!({ "requireMatchEtag": "\"other\"" }), 412).await;
    copy(json!({ "ifMatch": HELLO_MD5 }), 200).await;
    copy(json!({ "ifMatch": "\"other\"" }), 412).await;
    copy(json!({ "ifNoneMatch": HELLO_MD5 }), 412).await;
    copy(json!({ "ifNoneMatch": "\"other\"" }), 200).await;
    copy(json!({ "ifModifiedSince": "2027-01-15T08:00:00Z" }), 412).await;
    copy(json!({ "ifModifiedSince": "Fri, 15 Jan 2027 07:59:59 GMT" }), 200).await;
    copy(json!({ "ifUnmodifiedSince": "2027-01-15T07:59:59Z" }), 412).await;
    copy(json!({ "ifUnmodifiedSince": "2027-01-15T08:00:00Z" }), 200).await;
}

#[tokio::test]
async fn what_is_large_goes_through_in_pieces_and_says_whether_it_was_compressed() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let text = b"all work and no play ".repeat(450_000);
    client.put("text", &text).await.is(200);
    let got = client.get("/buckets/data/objects/text").await.is(200);
    assert!(got.body == text, "the bytes are others");
    assert_eq!(got.header("x-lockwell-compression"), Some("zstd"));
    assert_eq!(got.header("x-lockwell-stored-length"), None, "it has many blobs");
    let range = client.ask("GET", "/buckets/data/objects/text").header("range", "bytes=4194300-4194309").send().await;
    let range = range.is(206);
    assert_eq!(range.body, &text[4_194_300..4_194_310]);
    client.put("empty", b"").await.is(200);
    let empty = client.get("/buckets/data/objects/empty").await.is(200);
    assert_eq!((empty.body.len(), empty.header("content-type")), (0, Some("application/octet-stream")));
}
