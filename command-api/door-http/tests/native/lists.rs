//! Lists of objects and of versions.

use serde_json::{Value, json};

use crate::kit::{HELLO_MD5, House};

fn keys(page: &Value, list: &str) -> Vec<String> {
    let entries = page[list].as_array().expect("a list");
    entries.iter().map(|entry| entry["key"].as_str().expect("a key").to_owned()).collect()
}

#[tokio::test]
async fn objects_are_listed_in_pages_and_groups() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    for key in ["a", "b/1", "b/2", "c", "d/1"] {
        client.put(key, b"hello").await.is(200);
    }
    let path = "/buckets/data/objects";
    let page = client.get(path).await.is(200).json();
    assert_eq!(keys(&page, "objects"), ["a", "b/1", "b/2", "c", "d/1"]);
    let entry = &page["objects"][0];
    assert_eq!(
        *entry,
        json!({
            "key": "a", "size": 5, "etag": HELLO_MD5, "lastModified": "2027-01-15T08:00:00.000Z", "storageClass": "STANDARD",
            "owner": "user", "checksums": { "crc64nvme": "M3eFcAZSQlc=" }, "encryption": "aes-256-gcm", "compression": "none",
        })
    );
    assert_eq!((&page["isTruncated"], &page["maxKeys"], &page["prefix"]), (&json!(false), &json!(1000), &json!("")));
    let bare = client.get("/buckets/data/objects?details=false&maxKeys=1").await.is(200).json();
    assert_eq!(bare["objects"][0].get("checksums"), None);

    let mut query = "delimiter=/&maxKeys=2".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = client.get(&format!("{path}?{query}")).await.is(200).json();
        seen.extend(keys(&page, "objects"));
        seen.extend(
            page["commonPrefixes"].as_array().expect("a list").iter().map(|it| it.as_str().expect("text").to_owned()),
        );
        assert_eq!((&page["delimiter"], &page["maxKeys"]), (&json!("/"), &json!(2)));
        assert!(page["keyCount"].as_u64().is_some_and(|count| count <= 2));
        if page["isTruncated"] == false {
            assert_eq!(page.get("nextContinuationToken"), None);
            break;
        }
        query = format!(
            "delimiter=/&maxKeys=2&continuationToken={}",
            page["nextContinuationToken"].as_str().expect("a token")
        );
    }
    seen.sort();
    assert_eq!(seen, ["a", "b/", "c", "d/"]);
    let page = client.get(&format!("{path}?prefix=b/&startAfter=b/1")).await.is(200).json();
    assert_eq!(keys(&page, "objects"), ["b/2"]);
    assert_eq!(client.get(&format!("{path}?maxKeys=5000")).await.is(200).json()["maxKeys"], 1000);
    for query in ["maxKeys=0", "maxKeys=-1", "continuationToken=abc", "prefix=a&prefix=b", "details=maybe"] {
        client.get(&format!("{path}?{query}")).await.fails(400, "invalid_request");
    }
    client.get(&format!("{path}?unknown=1&unknown=2")).await.is(200);
    client.get("/buckets/nowhere/objects").await.fails(404, "not_found");
}

#[tokio::test]
async fn versions_and_delete_markers_are_listed_newest_first() {
    let house = House::new().await;
    let client = house.client().await;
    client.bucket(&json!({ "name": "data", "versioning": "enabled" })).await;
    client.put("a", b"1").await.is(200);
    let second = client.put("a", b"hello").await.is(200).json()["versionId"].clone();
    let marker = client.delete("/buckets/data/objects/a").await.is(200).json()["versionId"].clone();
    client.put("b", b"3").await.is(200);
    let path = "/buckets/data/versions";
    let page = client.get(path).await.is(200).json();
    assert_eq!(
        (keys(&page, "versions"), keys(&page, "deleteMarkers")),
        (vec!["a".into(), "a".into(), "b".into()], vec!["a".into()])
    );
    let (version, of_marker) = (&page["versions"][0], &page["deleteMarkers"][0]);
    assert_eq!(
        *version,
        json!({
            "key": "a", "versionId": second, "isLatest": false, "isDeleteMarker": false, "lastModified": "2027-01-15T08:00:00.000Z",
            "owner": "user", "etag": HELLO_MD5, "size": 5, "storageClass": "STANDARD",
            "checksums": { "crc64nvme": "M3eFcAZSQlc=" }, "encryption": "aes-256-gcm", "compression": "none",
        })
    );
    assert_eq!(
        *of_marker,
        json!({
            "key": "a", "versionId": marker, "isLatest": true, "isDeleteMarker": true,
            "lastModified": "2027-01-15T08:00:00.000Z", "owner": "user",
        })
    );
    let (mut query, mut seen) = ("maxKeys=1".to_owned(), 0);
    loop {
        let page = client.get(&format!("{path}?{query}")).await.is(200).json();
        seen += keys(&page, "versions").len() + keys(&page, "deleteMarkers").len();
        if page["isTruncated"] == false {
            break;
        }
        let text = |name: &str| page[name].as_str().expect("a marker").to_owned();
        query =
            format!("maxKeys=1&keyMarker={}&versionIdMarker={}", text("nextKeyMarker"), text("nextVersionIdMarker"));
    }
    assert_eq!(seen, 4);
    for query in ["versionIdMarker=null", "keyMarker=a&versionIdMarker=x", "maxKeys=0"] {
        client.get(&format!("{path}?{query}")).await.fails(400, "invalid_request");
    }
    client.get("/buckets/nowhere/versions").await.fails(404, "not_found");
}

#[tokio::test]
async fn a_list_says_no_more_of_an_object_than_its_reader_may_know() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("open", b"hello").await.is(200);
    client.put("closed", b"hello").await.is(200);
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/closed",
    }] });
    let policy = domain::bucket_setting::BucketPolicy { text: policy.to_string(), binds_owner: false };
    let configuration = domain::bucket_setting::Configuration::Policy(Some(policy));
    house.configure("data", schemas::action::Action::PutBucketPolicy, configuration).await;
    let page = client.get("/buckets/data/objects").await.is(200).json();
    assert_eq!(page["objects"][0]["key"], "closed");
    assert_eq!((page["objects"][0].get("checksums"), page["objects"][0]["size"].as_u64()), (None, Some(5)));
    assert!(page["objects"][1]["checksums"].is_object());
    client.get("/buckets/data/objects/closed").await.fails(403, "policy_denied");
    client.get("/buckets/data/object-metadata/closed").await.fails(403, "policy_denied");
}
