//! Conditions and ranges, on reads and writes.

use crate::kit::{Client, HELLO_MD5, House};

async fn read(client: &Client<'_>, headers: &[(&str, &str)], expected: u16) {
    for method in ["GET", "HEAD"] {
        let mut ask = client.ask(method, "/buckets/data/objects/key");
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        let answer = ask.send().await.is(expected);
        if expected == 304 {
            assert!(answer.body.is_empty() && answer.header("content-type").is_none());
            assert_eq!(answer.header("etag"), Some(HELLO_MD5));
        }
    }
}

#[tokio::test]
async fn conditions_of_reads() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"hello").await.is(200);
    let at = "Fri, 15 Jan 2027 08:00:00 GMT";
    let before = "Fri, 15 Jan 2027 07:59:59 GMT";
    for (headers, expected) in [
        (&[("if-match", HELLO_MD5)][..], 200),
        (&[("if-match", "5d41402abc4b2a76b9719d911017c592")], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"x\"")], 412),
        (&[("if-none-match", HELLO_MD5)], 304),
        (&[("if-none-match", "W/\"5d41402abc4b2a76b9719d911017c592\"")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", at)], 304),
        (&[("if-modified-since", before)], 200),
        (&[("if-modified-since", "whenever")], 200),
        (&[("if-unmodified-since", at)], 200),
        (&[("if-unmodified-since", before)], 412),
    ] {
        read(&client, headers, expected).await;
    }
    let failed = client.ask("GET", "/buckets/data/objects/key").header("if-match", "\"x\"").send().await;
    failed.fails(412, "precondition_failed");
}

#[tokio::test]
async fn ranges() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"hello").await.is(200);
    for (range, status, body, content_range) in [
        ("bytes=0-1", 206, "he", Some("bytes 0-1/5")),
        ("bytes=3-", 206, "lo", Some("bytes 3-4/5")),
        ("bytes=-2", 206, "lo", Some("bytes 3-4/5")),
        ("bytes=3-99", 206, "lo", Some("bytes 3-4/5")),
        ("bytes=4-2", 200, "hello", None),
        ("bytes=0-1,3-4", 200, "hello", None),
        ("items=0-1", 200, "hello", None),
    ] {
        let got = client.ask("GET", "/buckets/data/objects/key").header("range", range).send().await.is(status);
        assert_eq!((&got.body[..], got.header("content-range")), (body.as_bytes(), content_range), "{range}");
        let head = client.ask("HEAD", "/buckets/data/objects/key").header("range", range).send().await.is(status);
        assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "{range}");
    }
    let none = client.ask("GET", "/buckets/data/objects/key").header("range", "bytes=5-").send().await;
    let none = none.fails(416, "invalid_range");
    assert_eq!(none.header("content-range"), Some("bytes */5"));
    let head = client.ask("HEAD", "/buckets/data/objects/key").header("range", "bytes=5-").send().await.is(416);
    assert_eq!(head.header("x-lockwell-error-code"), Some("invalid_range"));
}

#[tokio::test]
async fn conditions_of_writes() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let put = async |name: &str, value: &str| {
        client.ask("PUT", "/buckets/data/objects/key").header(name, value).bytes(b"hello").send().await
    };
    put("if-match", HELLO_MD5).await.fails(412, "precondition_failed");
    put("if-none-match", "*").await.is(200);
    put("if-none-match", "*").await.fails(412, "precondition_failed");
    put("if-match", HELLO_MD5).await.is(200);
    put("if-match", HELLO_MD5.trim_matches('"')).await.is(200);
    put("if-match", "\"x\"").await.fails(412, "precondition_failed");
    let delete = client.ask("DELETE", "/buckets/data/objects/key").header("if-match", "\"x\"").send().await;
    delete.fails(412, "precondition_failed");
    let delete = client.ask("DELETE", "/buckets/data/objects/key").header("if-match", HELLO_MD5).send().await;
    delete.is(204);
}

#[tokio::test]
async fn answers_may_have_other_headers_than_the_object() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("dir/r%C3%A9port.pdf", b"hello").await.is(200);
    for (query, name, value) in [
        ("response-content-type=text/html", "content-type", "text/html"),
        ("responseContentType=text/html", "content-type", "text/html"),
        ("response-cache-control=no-store", "cache-control", "no-store"),
        ("response-expires=never", "expires", "never"),
        ("responseContentLanguage=de", "content-language", "de"),
        ("response-content-encoding=gzip", "content-encoding", "gzip"),
        ("response-content-disposition=attachment;%20filename=x", "content-disposition", "attachment; filename=x"),
        (
            "response-content-disposition=attachment",
            "content-disposition",
            "attachment; filename*=UTF-8''r%C3%A9port%2Epdf",
        ),
    ] {
        let got = client.get(&format!("/buckets/data/objects/dir/r%C3%A9port.pdf?{query}")).await.is(200);
        assert_eq!(got.header(name), Some(value), "{query}");
    }
    for query in
        ["response-content-type=a%0Ab", "response-expires=1&responseExpires=2", "response-expires=1&response-expires=1"]
    {
        let got = client.get(&format!("/buckets/data/objects/dir/r%C3%A9port.pdf?{query}")).await;
        got.fails(400, "invalid_request");
    }
}
