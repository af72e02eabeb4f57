//! Lists of grants of objects.

use schemas::event::{ObjectOwnership, Versioning};
use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, READER, WRITER};

#[tokio::test]
async fn while_acls_are_off_the_owner_has_all_and_nothing_else_is_granted() {
    let api = Api::open().await;
    api.put("bucket", "in/a//b", b"x").await;
    let shown = api.done("GET /buckets/bucket/object-acl/in/a//b", Value::Null).await.json();
    assert_eq!(shown["owner"], json!({ "id": "mainuser", "displayName": "MAINUSER" }));
    assert_eq!(shown["grants"].as_array().expect("grants").len(), 1);
    assert_eq!(shown["grants"][0]["permission"], "FULL_CONTROL");
    api.done("PUT /buckets/bucket/object-acl/in/a//b", json!({ "acl": "private" })).await;
    let answer = api.ask("PUT /buckets/bucket/object-acl/in/a//b", json!({ "acl": "public-read" })).await;
    assert_eq!(answer.error(), (400, "acl_not_supported".into()));
    for who in [READER, WRITER] {
        let answer = api.ask_as(who, "PUT /buckets/bucket/object-acl/in/a//b", json!({ "acl": "private" })).await;
        assert_eq!(answer.status, 403, "{who}");
    }
    let foreign = api.ask_as(FOREIGN, "GET /buckets/bucket/object-acl/in/a//b", Value::Null).await;
    assert_eq!(foreign.error(), (404, "not_found".into()));
}

#[tokio::test]
async fn where_acls_are_on_a_list_is_set_and_what_was_read_can_be_sent_back() {
    let api = Api::open_with(|options| options.default_public_access_block = None).await;
    api.owned_bucket("lists", Versioning::Enabled, false, Some(ObjectOwnership::ObjectWriter)).await;
    let first = api.put("lists", "key", b"1").await.version.expect("a version");
    api.put("lists", "key", b"2").await;
    let list = json!({ "grants": [
        { "grantee": { "id": "readeruser" }, "permission": "READ" },
        { "grantee": { "emailAddress": "writeruser@example.org" }, "permission": "READ_ACP" },
        { "grantee": { "group": "AllUsers" }, "permission": "READ" },
    ] });
    let path = format!("/buckets/lists/object-acl/key?versionId={first}");
    let set = api.done(&format!("PUT {path}"), list).await;
    assert!(set.header("x-holdfast-position").is_some());
    let set = set.json();
    assert_eq!(set["versionId"], first.to_string());
    assert_eq!(
        set["grants"][1],
        json!({ "grantee": { "id": "writeruser", "displayName": "WRITERUSER" }, "permission": "READ_ACP" })
    );
    assert_eq!(set["grants"][2], json!({ "grantee": { "group": "AllUsers" }, "permission": "READ" }));
    assert_eq!(api.done(&format!("PUT {path}"), set.clone()).await.json(), set);
    assert_eq!(api.done(&format!("GET {path}"), Value::Null).await.json(), set);
    let current = api.done("GET /buckets/lists/object-acl/key", Value::Null).await.json();
    assert_eq!(current["grants"].as_array().expect("grants").len(), 1, "the other version has its own");
}

#[tokio::test]
async fn what_is_no_list() {
    let api = Api::open().await;
    api.owned_bucket("lists", Versioning::Unversioned, false, Some(ObjectOwnership::ObjectWriter)).await;
    api.put("lists", "key", b"1").await;
    let grant =
        |grantee: Value, permission: &str| json!({ "grants": [{ "grantee": grantee, "permission": permission }] });
    for body in [
        json!({}),
        json!({ "acl": "mine" }),
        json!({ "acl": "private", "grants": [] }),
        grant(json!({}), "READ"),
        grant(json!({ "id": "mainuser", "group": "AllUsers" }), "READ"),
        grant(json!({ "group": "Nobody" }), "READ"),
        grant(json!({ "id": "mainuser" }), "read"),
    ] {
        let answer = api.ask("PUT /buckets/lists/object-acl/key", body.clone()).await;
        assert_eq!(answer.error(), (400, "invalid_request".into()), "{body}");
    }
    let unknown = api.ask("PUT /buckets/lists/object-acl/key", grant(json!({ "id": "nobody" }), "READ")).await;
    assert_eq!(unknown.error(), (400, "no_such_grantee".into()));
    let public = api.ask("PUT /buckets/lists/object-acl/key", json!({ "acl": "public-read" })).await;
    assert_eq!(public.status, 403, "public lists are blocked");
    let stolen = json!({ "acl": "private", "owner": { "id": "writeruser" } });
    assert_eq!(api.ask("PUT /buckets/lists/object-acl/key", stolen).await.status, 403);
    assert_eq!(api.ask("GET /buckets/lists/object-acl/none", Value::Null).await.status, 404);
}
