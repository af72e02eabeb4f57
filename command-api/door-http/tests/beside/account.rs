//! What the account says.

use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, READER};

#[tokio::test]
async fn it_says_who_asks_what_is_held_and_what_bounds_there_are() {
    let api = Api::open().await;
    api.put("bucket", "one", b"12345").await;
    api.put("bucket", "two", b"123").await;
    let account = api.ask_as(READER, "GET /account", Value::Null).await.json();
    assert_eq!((&account["tenant"], &account["user"]), (&json!("default"), &json!("readeruser")));
    assert_eq!(
        (&account["accessKeyId"], &account["scopes"]),
        (&json!(READER), &json!("op=read:bucket=bucket:prefix=in/"))
    );
    let quota = json!({ "quotaBytes": null, "quotaObjects": null, "usedBytes": 8, "usedObjects": 2 });
    assert_eq!(account["quota"], quota);
    assert_eq!((&account["usage"]["buckets"], &account["usage"]["objects"]), (&json!(1), &json!(2)));
    assert_eq!(account["signedUrls"], json!({ "active": 0, "isExact": true }));
    let limits = &account["limits"];
    assert_eq!((&limits["putBytesMax"], &limits["partsMax"]), (&json!(5_u64 << 30), &json!(10_000)));
    assert_eq!((&limits["batchKeysMax"], &limits["signedUrlTtlSecondsMax"]), (&json!(1_000), &json!(900)));
}

#[tokio::test]
async fn another_tenant_has_its_own() {
    let api = Api::open().await;
    api.put("bucket", "one", b"12345").await;
    let account = api.ask_as(FOREIGN, "GET /account", Value::Null).await.json();
    assert_eq!((&account["tenant"], &account["usage"]["buckets"]), (&json!("other"), &json!(0)));
    assert_eq!(api.ask_with(None, "GET /account", String::new()).await.status, 401);
}
