//! Archives. They are taken apart here by the directory at their end, and forward as a reader of a stream does.

use schemas::{AccessKeyId, TenantName, UserId};
use serde_json::{Value, json};

use crate::kit::{Answer, Api, FOREIGN, MAIN, READER, admin, text};

const ZIP: &str = "POST /buckets/bucket/objects:zip";

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    bytes[at..at + length].iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// CRC-32 bit by bit.
fn crc(bytes: &[u8]) -> usize {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    usize::try_from(!crc).expect("fits")
}

/// Undoes stored blocks; with what is behind them.
fn unpacked(mut packed: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut whole = Vec::new();
    loop {
        let length = number(packed, 1, 2);
        assert_eq!(length ^ 0xffff, number(packed, 3, 2));
        whole.extend_from_slice(&packed[5..5 + length]);
        let is_last = packed[0] == 1;
        packed = &packed[5 + length..];
        if is_last {
            return (whole, packed);
        }
    }
}

/// Names and contents, by the directory.
fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let end = archive.len() - 22;
    assert_eq!(number(archive, end, 4), 0x0605_4b50);
    let (count, mut at) = (number(archive, end + 10, 2), number(archive, end + 16, 4));
    assert_eq!(at + number(archive, end + 12, 4), end, "the directory ends where the end begins");
    let mut files = Vec::new();
    for _ in 0..count {
        assert_eq!((number(archive, at, 4), number(archive, at + 10, 2)), (0x0201_4b50, 8));
        let (checksum, packed, size) =
            (number(archive, at + 16, 4), number(archive, at + 20, 4), number(archive, at + 24, 4));
        let name_bytes = number(archive, at + 28, 2);
        let name = text(&archive[at + 46..at + 46 + name_bytes]);
        let header = number(archive, at + 42, 4);
        assert_eq!(number(archive, header, 4), 0x0403_4b50);
        let data = header + 30 + name_bytes;
        let (whole, behind) = unpacked(&archive[data..]);
        assert_eq!((whole.len(), crc(&whole)), (size, checksum), "{name}");
        assert_eq!(archive.len() - data - behind.len(), packed);
        // The descriptor, for those who read forward.
        let said = [number(behind, 0, 4), number(behind, 4, 4), number(behind, 8, 4), number(behind, 12, 4)];
        assert_eq!(said, [0x0807_4b50, checksum, packed, size]);
        files.push((name, whole));
        at += 46 + name_bytes + number(archive, at + 30, 2);
    }
    files
}

fn whole(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    assert_eq!((answer.status, answer.is_broken), (200, false), "{answer:?}");
    assert_eq!(answer.header("content-length"), Some(answer.bytes.len().to_string().as_str()), "as announced");
    files(&answer.bytes)
}

fn noise(length: usize) -> Vec<u8> {
    let mut seed = 7_u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn named_objects_come_in_their_order_with_their_bytes() {
    let api = Api::open().await;
    let contents = [
        ("b/two", noise(200_000)),
        ("a", b"one".to_vec()),
        ("empty", vec![]),
        ("exact", noise(65_535)),
        ("é/ü", noise(5 << 20)),
    ];
    for (key, bytes) in &contents {
        api.put("bucket", key, bytes).await;
    }
    let keys: Vec<_> = contents.iter().map(|(key, _)| *key).collect();
    let answer = api.ask(ZIP, json!({ "keys": keys })).await;
    assert_eq!(answer.header("content-type"), Some("application/zip"));
    let expected: Vec<_> = contents.iter().map(|(key, bytes)| ((*key).to_owned(), bytes.clone())).collect();
    assert!(whole(&answer) == expected, "names and bytes are those of the objects");
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=\"bucket.zip\"; filename*=UTF-8''bucket%2Ezip")
    );
}

#[tokio::test]
async fn everything_under_a_prefix_comes_under_harmless_names() {
    let api = Api::open().await;
    for key in ["in/../../x", "in/b", "in/folder/", "in//c", "out"] {
        api.put("bucket", key, if key.ends_with('/') { b"" } else { b"1" }).await;
    }
    let answer = api.ask(ZIP, json!({ "prefix": "in/" })).await;
    let names: Vec<_> = whole(&answer).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["in/_../_../x", "in/_/c", "in/b", "in/folder/"]);
    assert!(answer.header("content-disposition").expect("a name").contains("\"in.zip\""));
    let named = api.ask(&format!("{ZIP}?response-content-disposition=inline"), json!({ "prefix": "" })).await;
    assert_eq!((named.header("content-disposition"), whole(&named).len()), (Some("inline"), 5));
    let reader = api.ask_as(READER, ZIP, json!({ "prefix": "in/b" })).await;
    assert_eq!(whole(&reader), [("in/b".to_owned(), b"1".to_vec())]);
}

#[tokio::test]
async fn nothing_is_sent_of_what_may_not_be_read() {
    let api = Api::open().await;
    api.put("bucket", "in/a", b"1").await;
    api.put("bucket", "out", b"1").await;
    let refused = [
        (READER, json!({ "keys": ["in/a", "out"] }), 403),
        (READER, json!({ "prefix": "" }), 403),
        (FOREIGN, json!({ "keys": ["in/a"] }), 404),
        (FOREIGN, json!({ "prefix": "" }), 404),
    ];
    for (who, body, status) in refused {
        assert_eq!(api.ask_as(who, ZIP, body.clone()).await.status, status, "{who} {body}");
    }
    assert_eq!(api.ask(ZIP, json!({ "keys": ["in/a", "none"] })).await.error(), (404, "not_found".into()));
    assert_eq!(api.ask(ZIP, json!({ "prefix": "none" })).await.error(), (404, "not_found".into()));
    let longest = json!({ "prefix": "x".repeat(1_024) });
    assert_eq!(api.ask(ZIP, longest).await.error(), (404, "not_found".into()), "a key could be that long");
    let many: Vec<String> = (0..10_001).map(|number| number.to_string()).collect();
    for body in [
        json!({}),
        json!({ "keys": [] }),
        json!({ "keys": ["a"], "prefix": "" }),
        json!({ "keys": ["in/a", "in/a"] }),
        json!({ "keys": many }),
        json!({ "prefix": "x".repeat(1_025) }),
        json!({ "prefix": "x".repeat(100_000) }),
    ] {
        assert_eq!(api.ask(ZIP, body).await.error(), (400, "invalid_request".into()));
    }
    let bad = api.ask(&format!("{ZIP}?response-content-disposition=a%0Ab"), json!({ "keys": ["in/a"] })).await;
    assert_eq!(bad.error(), (400, "invalid_request".into()));
    let customer = pipeline::AskedEncryption::Customer(pipeline::CustomerKey::new(&[7; 32]));
    api.put_as(pipeline::PutObject { encryption: customer, ..Api::put_request("bucket", "theirs") }, b"1").await;
    assert_eq!(api.ask(ZIP, json!({ "keys": ["theirs"] })).await.status, 400);
}

#[tokio::test]
async fn an_object_that_is_damaged_breaks_the_archive_off() {
    let api = Api::open().await;
    api.put("bucket", "a", &noise(3 << 20)).await;
    api.put("bucket", "b", &noise(9 << 20)[1..]).await;
    let length = whole(&api.ask(ZIP, json!({ "prefix": "" })).await).len();
    assert_eq!(length, 2);
    api.damage();
    let answer = api.ask(ZIP, json!({ "prefix": "" })).await;
    assert!(answer.is_broken, "{:?}", answer.headers);
    let announced: usize = answer.header("content-length").expect("a length").parse().expect("a number");
    assert!(answer.bytes.len() < announced);
}

#[tokio::test]
async fn an_object_that_becomes_another_meanwhile_breaks_the_archive_off() {
    let api = Api::open().await;
    api.put("bucket", "a", &noise(200_000)).await;
    api.put("bucket", "b", b"old").await;
    let mut answer = api.begin(ZIP, json!({ "keys": ["a", "b"] })).await;
    api.put("bucket", "b", b"new").await;
    let mut is_broken = false;
    while let Some(frame) = http_body_util::BodyExt::frame(answer.body_mut()).await {
        is_broken |= frame.is_err();
    }
    assert!(is_broken);
    assert_eq!(api.done("GET /buckets/bucket/stats", Value::Null).await.json()["objects"], 2);
}

#[tokio::test]
async fn an_archive_ends_with_the_key_user_or_tenant_that_asked_for_it() {
    for ends in ["key", "secret", "user", "tenant", "nothing"] {
        let api = Api::open().await;
        let content = noise(200_000);
        api.put("bucket", "a", &content).await;
        api.put("bucket", "b", b"not for them any more").await;
        let mut answer = api.begin(ZIP, json!({ "keys": ["a", "b"] })).await;
        let first = http_body_util::BodyExt::frame(answer.body_mut()).await.expect("a frame").expect("bytes");
        let (admin, tenant) = (admin(), TenantName::parse("default").expect("a name"));
        let key = AccessKeyId::parse(MAIN).expect("a key id");
        match ends {
            "key" => drop(api.store.revoke_access_key(&admin, &tenant, &key, None).await.expect("revoked")),
            "secret" => drop(api.store.rotate_access_key(&admin, &tenant, &key).await.expect("rotated")),
            "user" => {
                let user = UserId::parse("mainuser").expect("a user");
                api.store.delete_user(&admin, &tenant, &user).await.expect("deleted");
            }
            "tenant" => {
                let disabled = api.store.set_tenant_disabled(&admin, &tenant, true, "test".into()).await;
                drop(disabled.expect("disabled"));
            }
            _ => {}
        }
        let (mut is_broken, mut sent) = (false, first.into_data().expect("bytes").to_vec());
        while let Some(frame) = http_body_util::BodyExt::frame(answer.body_mut()).await {
            match frame {
                Ok(frame) => sent.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(_) => is_broken = true,
            }
        }
        assert_eq!(is_broken, ends != "nothing", "{ends}");
        assert!(sent.len() > content.len(), "{ends}: what had begun was sent");
        let is_there = sent.windows(8).any(|bytes| bytes == b"not for ");
        assert_eq!(is_there, ends == "nothing", "{ends}");
    }
}
