//! What buckets are set to. The events that the tests look at are those that the S3 API reads.

use pipeline::Configuration;
use schemas::action::Action;
use schemas::event::{CorsMethod, Event, Setting, Versioning};
use schemas::lifecycle::{Expiration, Rule, Scope};
use serde_json::{Value, json};

use crate::kit::{Api, FOREIGN, MAIN, READER, WRITER, bucket};

async fn set_to(api: &Api, action: Action, setting: Setting) -> Option<Event> {
    let found = api.store.bucket_setting(&api.caller(MAIN), &bucket("bucket"), action, setting).await;
    found.expect("reads").map(|event| (*event).clone())
}

fn cors() -> Value {
    json!({ "rules": [
        { "id": "a", "allowedOrigins": ["https://*.example.com", "null"], "allowedMethods": ["PUT", "GET"],
          "allowedHeaders": ["x-*"], "exposeHeaders": ["ETag"], "maxAgeSeconds": 3000 },
        { "allowedOrigins": ["*"], "allowedMethods": ["HEAD"] },
    ] })
}

fn lifecycle() -> Value {
    json!({ "rules": [
        { "id": "old", "status": "Disabled", "prefix": "logs/", "expiration": { "days": 3 },
          "abortIncompleteMultipartUpload": { "daysAfterInitiation": 7 } },
        { "id": "all", "status": "Enabled", "filter": {}, "expiration": { "expiredObjectDeleteMarker": true },
          "noncurrentVersionExpiration": { "noncurrentDays": 1, "newerNoncurrentVersions": 5 } },
        { "id": "some", "status": "Enabled", "expiration": { "date": "2030-01-01T00:00:00.000Z" },
          "filter": { "and": { "prefix": "a", "tags": [{ "key": "k", "value": "" }, { "key": "l", "value": "v" }],
                               "objectSizeGreaterThan": 1, "objectSizeLessThan": 10 } } },
        { "id": "tag", "status": "Enabled", "expiration": { "days": 1 }, "filter": { "tag": { "key": "k", "value": "v" } } },
    ] })
}

#[tokio::test]
async fn configurations_are_set_read_and_removed() {
    let api = Api::open().await;
    for (name, document) in [("cors", cors()), ("lifecycle", lifecycle())] {
        let path = format!("/buckets/bucket/{name}");
        assert_eq!(api.ask(&format!("GET {path}"), Value::Null).await.error(), (404, "not_found".into()), "{name}");
        let set = api.done(&format!("PUT {path}"), document.clone()).await;
        assert!(set.header("x-holdfast-position").is_some());
        assert_eq!(set.json(), document, "{name}");
        assert_eq!(api.done(&format!("GET {path}"), Value::Null).await.json(), document, "{name}");
        assert_eq!(api.done(&format!("DELETE {path}"), Value::Null).await.status, 204);
        assert_eq!(api.ask(&format!("GET {path}"), Value::Null).await.status, 404, "{name}");
        assert_eq!(api.done(&format!("DELETE {path}"), Value::Null).await.status, 204, "again is no error");
    }
}

#[tokio::test]
async fn what_this_api_writes_is_what_s3_reads_and_the_other_way_round() {
    let api = Api::open().await;
    api.done("PUT /buckets/bucket/cors", cors()).await;
    let Some(Event::BucketCorsSet(set)) = set_to(&api, Action::GetBucketCors, Setting::Cors).await else {
        panic!("none")
    };
    let rules = set.rules.expect("rules");
    assert_eq!((rules.len(), rules[0].methods.as_slice()), (2, &[CorsMethod::Put, CorsMethod::Get][..]));
    assert_eq!((rules[0].max_age_s, rules[0].exposed[0].as_str()), (Some(3000), "ETag"));
    let rule = Rule {
        id: "written elsewhere".to_owned(),
        disabled: false,
        scope: Scope::Prefix("tmp/".to_owned()),
        expiration: Some(Expiration::Days(9)),
        noncurrent: None,
        abort_incomplete_days: None,
    };
    let configuration = Configuration::Lifecycle(Some(vec![rule]));
    let action = Action::PutLifecycleConfiguration;
    api.store.configure_bucket(&api.caller(MAIN), &bucket("bucket"), action, configuration).await.expect("set");
    let shown = api.done("GET /buckets/bucket/lifecycle", Value::Null).await.json();
    let expected =
        json!({ "id": "written elsewhere", "status": "Enabled", "prefix": "tmp/", "expiration": { "days": 9 } });
    assert_eq!(shown["rules"], json!([expected]));
}

#[tokio::test]
async fn rules_without_an_id_get_one_that_is_answered() {
    let api = Api::open().await;
    let rule = json!({ "rules": [{ "status": "Enabled", "prefix": "", "expiration": { "days": 1 } }] });
    let set = api.done("PUT /buckets/bucket/lifecycle", rule).await.json();
    assert!(set["rules"][0]["id"].as_str().is_some_and(|id| !id.is_empty()), "{set}");
    assert_eq!(api.done("GET /buckets/bucket/lifecycle", Value::Null).await.json(), set);
}

#[tokio::test]
async fn what_is_no_configuration_changes_nothing() {
    let api = Api::open().await;
    let rule = |rule: Value| json!({ "rules": [rule] });
    let expiring = |expiration: Value| rule(json!({ "status": "Enabled", "prefix": "", "expiration": expiration }));
    let of_cors = |method: &str| rule(json!({ "allowedOrigins": ["*"], "allowedMethods": [method] }));
    for (name, body, status) in [
        ("cors", json!({ "rules": [] }), 400),
        ("cors", of_cors("get"), 400),
        ("cors", of_cors("OPTIONS"), 400),
        ("cors", rule(json!({ "allowedMethods": ["GET"] })), 400),
        ("cors", rule(json!({ "allowedOrigins": ["a*b*c"], "allowedMethods": ["GET"] })), 400),
        ("cors", rule(json!({ "allowedOrigins": ["*"], "allowedMethods": ["GET"], "other": 1 })), 400),
        ("lifecycle", json!({ "rules": [] }), 400),
        ("lifecycle", expiring(json!({})), 400),
        ("lifecycle", expiring(json!({ "days": 0 })), 400),
        ("lifecycle", expiring(json!({ "days": 1, "date": "2030-01-01" })), 400),
        ("lifecycle", expiring(json!({ "date": "soon" })), 400),
        ("lifecycle", expiring(json!({ "date": "2030-01-01T01:00:00Z" })), 400),
        ("lifecycle", rule(json!({ "status": "enabled", "prefix": "", "expiration": { "days": 1 } })), 400),
        ("lifecycle", rule(json!({ "status": "Enabled", "expiration": { "days": 1 } })), 400),
        (
            "lifecycle",
            rule(json!({ "status": "Enabled", "prefix": "", "filter": {}, "expiration": { "days": 1 } })),
            400,
        ),
        ("lifecycle", rule(json!({ "status": "Enabled", "filter": { "and": {} }, "expiration": { "days": 1 } })), 400),
        ("lifecycle", rule(json!({ "status": "Enabled", "prefix": "", "transitions": [{ "days": 1 }] })), 501),
        ("tags", json!({ "tags": { "": "x" } }), 400),
        ("tags", json!({}), 400),
        ("quota", json!({}), 400),
        ("quota", json!({ "bytes": -1 }), 400),
        ("object-lock", json!({ "objectLockEnabled": false }), 400),
    ] {
        let answer = api.ask(&format!("PUT /buckets/bucket/{name}"), body.clone()).await;
        assert_eq!(answer.status, status, "{name} {body}: {answer:?}");
    }
    for (action, setting) in [
        (Action::GetBucketCors, Setting::Cors),
        (Action::GetLifecycleConfiguration, Setting::Lifecycle),
        (Action::GetBucketTagging, Setting::Tagging),
    ] {
        assert_eq!(set_to(&api, action, setting).await, None, "{setting:?}");
    }
}

#[tokio::test]
async fn a_policy_goes_in_and_out_as_it_was_written_and_binds_at_once() {
    let api = Api::open().await;
    api.put("bucket", "secret/key", b"x").await;
    let policy = r#"{ "Version" : "2012-10-17",
        "Statement": [{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bucket/secret/*"}] }"#;
    assert_eq!(api.ask("GET /buckets/bucket/policy", Value::Null).await.error(), (404, "not_found".into()));
    let token = |who: &str| {
        let caller = api.caller(who);
        let key = caller.access_key().expect("a key");
        let credential = api.store.credential(key).expect("reads").expect("it works");
        api.store.mint_token(key, &credential, 60).expect("a token").text
    };
    let set = api.ask_with(Some(&token(MAIN)), "PUT /buckets/bucket/policy", policy.to_owned()).await;
    assert_eq!((set.status, set.bytes.as_slice()), (200, policy.as_bytes()), "{set:?}");
    let read = api.done("GET /buckets/bucket/policy", Value::Null).await;
    assert_eq!((read.bytes.as_slice(), read.header("content-type")), (policy.as_bytes(), Some("application/json")));
    assert!(api.read("bucket", "secret/key").await.is_err(), "it binds the store, whatever asks");
    api.done("DELETE /buckets/bucket/policy", Value::Null).await;
    assert!(api.read("bucket", "secret/key").await.is_ok());
    let public = policy.replace("Deny", "Allow");
    let answer = api.ask_with(Some(&token(MAIN)), "PUT /buckets/bucket/policy", public).await;
    assert_eq!(answer.status, 403, "public policies are blocked: {answer:?}");
    for nonsense in ["", "{}", "[]", "no json"] {
        let answer = api.ask_with(Some(&token(MAIN)), "PUT /buckets/bucket/policy", nonsense.to_owned()).await;
        assert_eq!(answer.error(), (400, "malformed_policy".into()), "{nonsense}");
    }
    assert_eq!(api.ask("PUT /buckets/bucket/policy?confirmRemoveSelfBucketAccess=1", json!({})).await.status, 400);
    let writer = api.ask_with(Some(&token(WRITER)), "PUT /buckets/bucket/policy", policy.to_owned()).await;
    assert_eq!(writer.status, 403);
}

#[tokio::test]
async fn object_lock_is_shown_and_set_and_takes_versioning() {
    let api = Api::open().await;
    let off = api.done("GET /buckets/bucket/object-lock", Value::Null).await.json();
    assert_eq!(off, json!({ "objectLockEnabled": false }));
    let rule =
        json!({ "objectLockEnabled": true, "rule": { "defaultRetention": { "mode": "GOVERNANCE", "days": 3 } } });
    let answer = api.ask("PUT /buckets/bucket/object-lock", rule.clone()).await;
    assert_eq!(answer.error(), (409, "lock_needs_versioning".into()));
    api.bucket("locked", Versioning::Enabled, true).await;
    assert_eq!(api.done("PUT /buckets/locked/object-lock", rule.clone()).await.json(), rule);
    assert_eq!(api.done("GET /buckets/locked/object-lock", Value::Null).await.json(), rule);
    let years =
        json!({ "objectLockEnabled": "Enabled", "rule": { "defaultRetention": { "mode": "COMPLIANCE", "years": 1 } } });
    api.done("PUT /buckets/locked/object-lock", years).await;
    assert_eq!(api.done("GET /buckets/locked", Value::Null).await.json()["defaultRetention"]["years"], 1);
    for retention in [
        json!({ "mode": "GOVERNANCE" }),
        json!({ "mode": "governance", "days": 1 }),
        json!({ "mode": "GOVERNANCE", "days": 0 }),
    ] {
        let body = json!({ "objectLockEnabled": true, "rule": { "defaultRetention": retention } });
        assert_eq!(api.ask("PUT /buckets/locked/object-lock", body.clone()).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn a_quota_holds_in_the_next_write_and_stats_show_it() {
    let api = Api::open().await;
    api.put("bucket", "a", b"12345").await;
    let set = api.done("PUT /buckets/bucket/quota", json!({ "bytes": 6, "objects": 9 })).await.json();
    let expected = json!({ "quotaBytes": 6, "quotaObjects": 9, "usedBytes": 5, "usedObjects": 1 });
    assert_eq!(set, expected);
    assert_eq!(api.done("GET /buckets/bucket/quota", Value::Null).await.json(), expected);
    let stats = api.done("GET /buckets/bucket/stats", Value::Null).await.json();
    let shown = json!({ "bucket": "bucket", "objects": 1, "versions": 1, "logicalBytes": 5, "uploads": 0,
                        "multipartBytes": 0, "quota": expected });
    assert_eq!(stats, shown);
    let body = Box::pin(futures_util::stream::once(async { Ok(bytes::Bytes::from_static(b"12")) }));
    let over = api.store.put_object(&api.caller(MAIN), Api::put_request("bucket", "b"), body).await;
    assert!(matches!(over, Err(pipeline::StoreError::Refused(domain::Refusal::QuotaExceeded))), "{over:?}");
    assert_eq!(api.done("DELETE /buckets/bucket/quota", Value::Null).await.status, 204);
    api.put("bucket", "b", b"12").await;
    let none = api.done("GET /buckets/bucket/quota", Value::Null).await.json();
    assert_eq!((&none["quotaBytes"], &none["usedBytes"]), (&Value::Null, &json!(7)));
}

#[tokio::test]
async fn several_settings_change_together_or_not_at_all() {
    let api = Api::open().await;
    let patch = json!({ "versioning": "enabled", "quota": { "bytes": 100 }, "tags": { "team": "blue" },
                        "cors": cors(), "lifecycle": lifecycle() });
    let patched = api.done("PATCH /buckets/bucket", patch).await;
    assert!(patched.header("x-holdfast-position").is_some());
    assert_eq!(patched.json()["versioning"], "enabled");
    assert_eq!(api.done("GET /buckets/bucket/tags", Value::Null).await.json(), json!({ "tags": { "team": "blue" } }));
    assert_eq!(api.done("GET /buckets/bucket/cors", Value::Null).await.json(), cors());
    assert_eq!(api.done("GET /buckets/bucket/quota", Value::Null).await.json()["quotaBytes"], 100);
    // The last one is refused: a tag without a name.
    let refused = json!({ "versioning": "suspended", "quota": null, "cors": null, "tags": { "": "x" } });
    assert_eq!(api.ask("PATCH /buckets/bucket", refused).await.status, 400);
    assert_eq!(api.done("GET /buckets/bucket", Value::Null).await.json()["versioning"], "enabled");
    assert_eq!(api.done("GET /buckets/bucket/quota", Value::Null).await.json()["quotaBytes"], 100);
    assert_eq!(api.done("GET /buckets/bucket/cors", Value::Null).await.status, 200);
    api.done("PATCH /buckets/bucket", json!({ "quota": null, "cors": null, "tags": null })).await;
    assert_eq!(api.ask("GET /buckets/bucket/cors", Value::Null).await.status, 404);
    assert_eq!(api.done("GET /buckets/bucket/tags", Value::Null).await.json(), json!({ "tags": {} }));
    assert_eq!(api.done("GET /buckets/bucket/lifecycle", Value::Null).await.json(), lifecycle(), "left out stays");
    let retention = json!({ "defaultRetention": { "mode": "GOVERNANCE", "days": 1 } });
    let answer = api.ask("PATCH /buckets/bucket", retention.clone()).await;
    assert!([400, 409].contains(&answer.status), "a lock is not put on by the way: {answer:?}");
    assert_eq!(api.done("GET /buckets/bucket", Value::Null).await.json()["objectLockEnabled"], false);
    api.bucket("locked", Versioning::Enabled, true).await;
    assert_eq!(api.done("PATCH /buckets/locked", retention).await.json()["defaultRetention"]["days"], 1);
    let weaker = json!({ "tags": { "a": "b" }, "versioning": "suspended" });
    assert_eq!(api.ask("PATCH /buckets/locked", weaker).await.error(), (409, "versioning_locked".into()));
    assert_eq!(api.done("GET /buckets/locked/tags", Value::Null).await.json(), json!({ "tags": {} }));
    for nothing in [json!({}), json!({ "name": "other" }), json!({ "versioning": "on" })] {
        assert_eq!(api.ask("PATCH /buckets/bucket", nothing.clone()).await.status, 400, "{nothing}");
    }
}

#[tokio::test]
async fn settings_take_their_rights_and_another_tenants_bucket_is_not_there() {
    let api = Api::open().await;
    let bodies = [
        ("cors", cors()),
        ("lifecycle", lifecycle()),
        ("tags", json!({ "tags": {} })),
        ("policy", json!({})),
        ("object-lock", json!({ "objectLockEnabled": true })),
        ("quota", json!({ "bytes": 1 })),
    ];
    for (name, body) in bodies {
        let put = format!("PUT /buckets/bucket/{name}");
        for (who, expected) in [(WRITER, 403), (READER, 403), (FOREIGN, 404)] {
            assert_eq!(api.ask_as(who, &put, body.clone()).await.status, expected, "{who} {put}");
        }
        let get = format!("GET /buckets/bucket/{name}");
        assert_eq!(api.ask_as(READER, &get, Value::Null).await.status, 403, "{get}");
        assert_eq!(api.ask_as(FOREIGN, &get, Value::Null).await.error(), (404, "not_found".into()), "{get}");
        assert_eq!(api.ask(&format!("GET /buckets/absent/{name}"), Value::Null).await.status, 404);
    }
    assert_eq!(api.ask_as(WRITER, "PATCH /buckets/bucket", json!({ "tags": {} })).await.status, 403);
    assert_eq!(api.ask_as(FOREIGN, "PATCH /buckets/bucket", json!({ "tags": {} })).await.status, 404);
    assert_eq!(api.ask_as(FOREIGN, "GET /buckets/bucket/stats", Value::Null).await.status, 404);
    assert_eq!(api.ask_as(READER, "GET /buckets/bucket/stats", Value::Null).await.status, 403);
    assert_eq!(api.ask_as(WRITER, "GET /buckets/bucket/stats", Value::Null).await.status, 200);
}
