//! `/webhooks`, `/events` and secrets of buckets' notification configurations.

use std::sync::atomic::Ordering;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::announced::Announced;
use crate::kit::{Answer, Api, FOREIGN, MAIN, READER, WRITER, text};

const NOTHING: Value = Value::Null;
const URL: &str = "https://a.example/hook";

async fn made(api: &Api, body: Value) -> (String, Answer) {
    let answer = api.done("POST /webhooks", body).await;
    assert_eq!(answer.status, 201);
    (answer.json()["id"].as_str().expect("an id").to_owned(), answer)
}

fn is_secret(value: &Value) -> String {
    let secret = value.as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 50, "{}", secret.len());
    secret.to_owned()
}

#[tokio::test]
async fn a_webhook_is_made_shown_changed_and_deleted() {
    let api = Api::open().await;
    Announced::bound_to(&api);
    let (id, answer) = made(&api, json!({ "url": URL })).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let position: u64 = answer.header("x-holdfast-position").expect("a place").parse().expect("a number");
    let shown = answer.json();
    let secret = is_secret(&shown["signingSecret"]);
    assert!(id.strip_prefix("wh_").is_some_and(|hex| hex.len() == 32));
    assert_eq!(
        (&shown["format"], &shown["mode"], &shown["events"]),
        (&json!("cloudevents"), &json!("key"), &json!(["*"]))
    );
    assert_eq!(
        (&shown["status"], &shown["startPosition"], &shown["hasSecret"]),
        (&json!("active"), &json!(position + 1), &json!(true))
    );
    for absent in ["name", "prefix", "suffix", "minSizeBytes", "statusReason", "previousSecretExpiresAt", "delivery"] {
        assert!(shown.get(absent).is_none(), "{absent}");
    }
    let path = format!("/webhooks/{id}");
    let got = api.done(&format!("GET {path}"), NOTHING).await;
    let delivery = json!({ "position": 12, "headPosition": 40, "lag": 28, "pending": 3, "inFlight": 1, "parked": 0 });
    assert_eq!(got.json()["delivery"], delivery);
    let listed = api.done("GET /webhooks", NOTHING).await;
    assert_eq!(listed.json()["webhooks"][0]["id"], *id);
    for answer in [&got, &listed] {
        assert!(!text(&answer.bytes).contains("whsec_") && !text(&answer.bytes).contains(&secret[6..]));
    }
    let change = json!({
        "name": "orders", "format": "s3", "mode": "strict", "events": ["s3:ObjectCreated:*"], "buckets": ["bucket"],
        "prefix": "in/", "suffix": ".jpg", "minSizeBytes": 1, "maxSizeBytes": 2, "status": "paused",
    });
    let changed = api.done(&format!("PATCH {path}"), change.clone()).await;
    assert!(changed.header("x-holdfast-position").is_some());
    let changed = changed.json();
    for (name, value) in change.as_object().expect("an object") {
        assert_eq!(changed[name], *value, "{name}");
    }
    assert_eq!(changed["statusReason"], "paused by request");
    let back = json!({
        "name": null, "prefix": null, "suffix": null, "minSizeBytes": null, "maxSizeBytes": null, "buckets": [], "status": "active",
    });
    let back = api.done(&format!("PATCH {path}"), back).await.json();
    for absent in ["name", "prefix", "suffix", "minSizeBytes", "maxSizeBytes", "statusReason"] {
        assert!(back.get(absent).is_none(), "{absent}");
    }
    assert_eq!((&back["mode"], &back["status"], &back["buckets"]), (&json!("strict"), &json!("active"), &json!([])));
    assert_eq!(api.done(&format!("DELETE {path}"), NOTHING).await.status, 204);
    assert_eq!(api.ask(&format!("GET {path}"), NOTHING).await.error(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_secret_is_in_one_answer_and_in_no_repetition_of_it() {
    let api = Api::open().await;
    Announced::bound_to(&api);
    let body = json!({ "url": URL });
    let first = api.ask_once("POST /webhooks", body.clone(), "once").await;
    assert_eq!(first.status, 201);
    let secret = is_secret(&first.json()["signingSecret"]);
    let again = api.ask_once("POST /webhooks", body, "once").await;
    assert_eq!(again.error(), (409, "idempotency_key_reused".to_owned()));
    assert!(!text(&again.bytes).contains("whsec_"));
    let id = first.json()["id"].as_str().expect("an id").to_owned();
    let rotate = format!("POST /webhooks/{id}/rotate-secret");
    let rotated = api.done(&rotate, NOTHING).await;
    assert_eq!((rotated.status, rotated.header("cache-control")), (200, Some("no-store")));
    let shown = rotated.json();
    assert_ne!(is_secret(&shown["signingSecret"]), secret);
    assert_eq!(shown["id"], *id);
    let got = api.done(&format!("GET /webhooks/{id}"), NOTHING).await.json();
    assert_eq!(got["previousSecretExpiresAt"], shown["previousSecretExpiresAt"]);
    let at_once = api.done(&rotate, json!({ "overlapSeconds": 0 })).await.json();
    assert!(at_once.get("previousSecretExpiresAt").is_none());
    for bad in [json!({ "overlapSeconds": 2_592_001 }), json!({ "overlapSeconds": -1 }), json!({ "overlap": 1 })] {
        assert_eq!(api.ask(&rotate, bad).await.error(), (400, "invalid_request".to_owned()));
    }
}

#[tokio::test]
async fn what_makes_no_webhook() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    for bad in [
        json!({}),
        json!({ "url": "nonsense" }),
        json!({ "url": "https://me:secret@a.example/" }),
        json!({ "url": "https://forbidden.example/" }),
        json!({ "url": URL, "format": "xml" }),
        json!({ "url": URL, "mode": "any" }),
        json!({ "url": URL, "events": [] }),
        json!({ "url": URL, "events": ["s3:Nothing"] }),
        json!({ "url": URL, "buckets": ["NO"] }),
        json!({ "url": URL, "name": "" }),
        json!({ "url": URL, "minSizeBytes": 2, "maxSizeBytes": 1 }),
        json!({ "url": URL, "start": "yesterday" }),
        json!({ "url": URL, "status": "disabled" }),
        json!({ "url": URL, "signingSecret": "whsec_mine" }),
    ] {
        let refused = api.ask("POST /webhooks", bad.clone()).await;
        assert_eq!(refused.status, 400, "{bad}");
        assert!(!text(&refused.bytes).contains("mine"));
    }
    let future = api.ask("POST /webhooks", json!({ "url": URL, "start": "pos:999999" })).await;
    assert_eq!(future.error(), (400, "point_in_future".to_owned()));
    let (id, _) = made(&api, json!({ "url": URL, "start": "earliest", "status": "paused" })).await;
    for bad in [
        json!({}),
        json!({ "url": null }),
        json!({ "events": null }),
        json!({ "status": null }),
        json!({ "url": "https://forbidden.example/" }),
        json!({ "start": "head" }),
    ] {
        let refused = api.ask(&format!("PATCH /webhooks/{id}"), bad.clone()).await;
        assert_eq!(refused.error(), (400, "invalid_request".to_owned()), "{bad}");
    }
    drop(announced);
}

#[tokio::test]
async fn others_have_no_webhook_of_this_tenant() {
    let api = Api::open().await;
    Announced::bound_to(&api);
    let (id, _) = made(&api, json!({ "url": URL })).await;
    let upper = id.to_uppercase().replace("WH_", "wh_");
    for (line, body) in [
        ("GET /webhooks/{id}", NOTHING),
        ("PATCH /webhooks/{id}", json!({ "name": "x" })),
        ("DELETE /webhooks/{id}", NOTHING),
        ("POST /webhooks/{id}/rotate-secret", NOTHING),
        ("POST /webhooks/{id}/test", NOTHING),
        ("GET /webhooks/{id}/deliveries", NOTHING),
        ("GET /webhooks/{id}/parked", NOTHING),
        ("POST /webhooks/{id}/parked/7/replay", NOTHING),
        ("DELETE /webhooks/{id}/parked/7", NOTHING),
        ("POST /webhooks/{id}/replay", json!({ "from": "earliest" })),
        ("GET /webhooks/{id}/replays", NOTHING),
        ("DELETE /webhooks/{id}/replays/abababababababababababababababab", NOTHING),
        ("POST /webhooks/{id}/dry-run", NOTHING),
    ] {
        let of = |id: &str| line.replace("{id}", id);
        let foreign = api.ask_as(FOREIGN, &of(&id), body.clone()).await;
        assert_eq!(foreign.error(), (404, "not_found".to_owned()), "{line}");
        for who in [READER, WRITER] {
            assert_eq!(
                api.ask_as(who, &of(&id), body.clone()).await.error(),
                (403, "forbidden".to_owned()),
                "{who} {line}"
            );
        }
        for none in ["wh_", "wh_x", &id[3..], &upper, "dry-run"] {
            let refused = api.ask(&of(none), body.clone()).await;
            assert!([404, 405].contains(&refused.status), "{none} {line} {}", refused.status);
        }
    }
    for line in ["GET /webhooks", "POST /webhooks", "POST /webhooks/dry-run", "GET /events"] {
        let body = if line == "POST /webhooks" { json!({ "url": URL }) } else { NOTHING };
        for who in [READER, WRITER] {
            assert_eq!(
                api.ask_as(who, line, body.clone()).await.error(),
                (403, "forbidden".to_owned()),
                "{who} {line}"
            );
        }
    }
    assert_eq!(api.ask_as(FOREIGN, "GET /webhooks", NOTHING).await.json(), json!({ "webhooks": [] }));
    api.done(&format!("GET /webhooks/{id}"), NOTHING).await;
}

#[tokio::test]
async fn without_anybody_who_delivers_nothing_is_promised() {
    let api = Api::open().await;
    for (line, body) in
        [("POST /webhooks", json!({ "url": URL })), ("POST /webhooks/dry-run", json!({})), ("GET /events", NOTHING)]
    {
        assert_eq!(api.ask(line, body).await.error(), (501, "not_implemented".to_owned()), "{line}");
    }
    assert_eq!(api.done("GET /webhooks", NOTHING).await.json(), json!({ "webhooks": [] }));
}

#[tokio::test]
async fn deliveries_are_looked_at_and_told_again() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    let (id, _) = made(&api, json!({ "url": URL })).await;
    let tenant = api.caller(MAIN).tenant;
    let of = |line: &str| line.replace("{id}", &id);
    let tested = api.done(&of("POST /webhooks/{id}/test"), NOTHING).await.json();
    assert_eq!(tested, json!({ "webhookId": "evt_1_test_5", "delivered": true, "statusCode": 204, "latencyMs": 1.5 }));
    let listed = api.done(&of("GET /webhooks/{id}/deliveries?limit=5&status=failed"), NOTHING).await.json();
    assert_eq!(announced.last(), "(true, 5)");
    let failed = &listed["deliveries"][0];
    assert_eq!(failed["webhookId"], format!("evt_{tenant}_1_8"));
    assert_eq!(
        (&failed["outcome"], &failed["error"], &failed["statusCode"], &failed["attempt"], &failed["latencyMs"]),
        (&json!("failed"), &json!("timed out"), &json!(500), &json!(2), &json!(1.5))
    );
    assert_eq!(listed["deliveries"][1]["outcome"], "delivered");
    api.done(&of("GET /webhooks/{id}/deliveries"), NOTHING).await;
    assert_eq!(announced.last(), "(false, 100)");
    for bad in ["limit=0", "limit=x", "status=delivered"] {
        let line = format!("GET /webhooks/{id}/deliveries?{bad}");
        assert_eq!(api.ask(&line, NOTHING).await.error(), (400, "invalid_request".to_owned()), "{bad}");
    }
    let parked = api.done(&of("GET /webhooks/{id}/parked"), NOTHING).await.json();
    assert_eq!((&parked["parked"][0]["position"], &parked["parked"][0]["attempts"]), (&json!(7), &json!(8)));
    assert_eq!(api.done(&of("POST /webhooks/{id}/parked/7/replay"), NOTHING).await.status, 202);
    assert_eq!(announced.last(), "Replay");
    assert_eq!(api.done(&of("DELETE /webhooks/{id}/parked/7"), NOTHING).await.status, 204);
    assert_eq!(announced.last(), "Discard");
    for line in
        ["DELETE /webhooks/{id}/parked/8", "DELETE /webhooks/{id}/parked/x", "POST /webhooks/{id}/parked/+7/replay"]
    {
        assert_eq!(api.ask(&of(line), NOTHING).await.error(), (404, "not_found".to_owned()), "{line}");
    }
}

#[tokio::test]
async fn past_events_are_replayed_and_tried() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    let (id, _) = made(&api, json!({ "url": URL })).await;
    let of = |line: &str| line.replace("{id}", &id);
    let replay = of("POST /webhooks/{id}/replay");
    let asked = json!({ "from": "earliest", "to": "pos:2", "url": "https://b.example/", "ratePerSecond": 100 });
    let began = api.done(&replay, asked).await;
    assert_eq!(began.status, 202);
    let shown = began.json();
    assert_eq!(
        (&shown["from"], &shown["to"], &shown["status"], &shown["url"], &shown["ratePerSecond"]),
        (&json!(0), &json!(2), &json!("running"), &json!("https://b.example/"), &json!(100))
    );
    assert_eq!(announced.replays.lock()[0].filter, None);
    api.done(&replay, json!({ "from": "head", "prefix": "in/" })).await;
    let filter = announced.replays.lock()[1].filter.clone().expect("a filter");
    assert_eq!((filter.events, filter.prefix), (vec!["*".to_owned()], Some("in/".to_owned())));
    assert_eq!(
        api.done(&of("GET /webhooks/{id}/replays"), NOTHING).await.json()["replays"].as_array().map(Vec::len),
        Some(2)
    );
    let path = format!("DELETE /webhooks/{id}/replays/{}", "ab".repeat(16));
    assert_eq!(api.done(&path, NOTHING).await.status, 204);
    let unknown = api.ask(&of("DELETE /webhooks/{id}/replays/none"), NOTHING).await;
    assert_eq!(unknown.error(), (404, "not_found".to_owned()));
    for (body, status, code) in [
        (json!({}), 400, "invalid_request"),
        (json!({ "from": "nonsense" }), 400, "invalid_request"),
        (json!({ "from": "pos:999999" }), 400, "point_in_future"),
        (json!({ "from": "pos:2", "to": "pos:1" }), 400, "invalid_request"),
        (json!({ "from": "earliest", "url": "https://forbidden.example/" }), 400, "invalid_request"),
        (json!({ "from": "earliest", "ratePerSecond": 0 }), 400, "invalid_request"),
        (json!({ "from": "earliest", "ratePerSecond": 7 }), 409, "too_many"),
        (json!({ "from": "earliest", "events": ["s3:Nothing"] }), 400, "invalid_request"),
    ] {
        assert_eq!(api.ask(&replay, body.clone()).await.error(), (status, code.to_owned()), "{body}");
    }

    let tried = api.done(&of("POST /webhooks/{id}/dry-run"), NOTHING).await.json();
    let payload = json!({ "Records": [] });
    assert_eq!((&tried["matched"], &tried["scanned"], &tried["next"]), (&json!(1), &json!(9), &json!(9)));
    assert_eq!((&tried["events"][0]["payload"], &tried["events"][0]["position"]), (&payload, &json!(7)));
    let body = json!({ "events": ["s3:ObjectRemoved:*"], "buckets": ["bucket"], "format": "s3", "from": "pos:1", "to": "head", "limit": 3 });
    api.done("POST /webhooks/dry-run", body).await;
    let asked = announced.last();
    for part in ["s3:ObjectRemoved:*", "format: S3", "from: Position(1)", "shown_max: 3"] {
        assert!(asked.contains(part), "{part} {asked}");
    }
    let bad = json!({ "events": ["s3:Nothing"] });
    assert_eq!(api.ask("POST /webhooks/dry-run", bad).await.error(), (400, "invalid_request".to_owned()));
    assert_eq!(api.ask("POST /webhooks/dry-run", json!({ "limit": 0 })).await.status, 400);
}

#[tokio::test]
async fn the_feed_comes_in_pages() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    announced.has_events.store(true, Ordering::SeqCst);
    let line = "GET /events?from=pos:1&bucket=bucket&bucket=other&type=s3:ObjectCreated:*&type=holdfast:Clock:Ticked&prefix=in/&limit=7";
    let page = api.done(line, NOTHING).await.json();
    assert_eq!(page, json!({ "events": [{ "position": 1 }], "next": "pos:2", "head": 2 }));
    let asked = announced.last();
    for part in ["from: Position(1)", "\"bucket\"", "\"other\"", "holdfast:Clock:Ticked", "Some(\"in/\")", "max: 7"] {
        assert!(asked.contains(part), "{part} {asked}");
    }
    api.done("GET /events", NOTHING).await;
    assert!(announced.last().contains("from: Position(0)"));
    for (query, code) in [
        ("from=nonsense", "invalid_request"),
        ("from=pos:999999", "point_in_future"),
        ("type=s3:Nothing", "invalid_request"),
        ("bucket=NO", "invalid_bucket_name"),
        ("limit=0", "invalid_request"),
        ("follow=perhaps", "invalid_request"),
    ] {
        assert_eq!(api.ask(&format!("GET /events?{query}"), NOTHING).await.error(), (400, code.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn the_feed_is_followed_until_the_key_ends() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    let response = api.begin("GET /events?follow=true", NOTHING).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(20), body.frame()).await.expect("in time");
        frame.map(|frame| text(&frame.expect("a frame").into_data().expect("data")))
    };
    assert_eq!(next().await.as_deref(), Some(": the feed is followed\n\n"));
    announced.has_events.store(true, Ordering::SeqCst);
    let told = next().await.expect("an event");
    let first = told.strip_prefix("id: 1-").and_then(|rest| rest.split_once('\n')).expect("an id");
    let position: u64 = first.0.parse().expect("a position");
    assert_eq!(told, format!("id: 1-{position}\nevent: s3:ObjectCreated:Put\ndata: {{\"position\":{position}}}\n\n"));
    let caller = api.caller(MAIN);
    let key = caller.access_key().expect("a key").clone();
    api.store
        .set_access_key_enabled(
            &crate::kit::admin(),
            &schemas::TenantName::parse("default").expect("a name"),
            &key,
            false,
        )
        .await
        .expect("disabled");
    assert_eq!(next().await, None, "who has no key any more is told no more");
}

#[tokio::test]
async fn a_follower_goes_on_behind_the_last_event_that_it_got() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    let follow = async |id: &str| {
        announced.has_events.store(true, Ordering::SeqCst);
        let line = "GET /events";
        let headers = [("accept", "text/event-stream"), ("last-event-id", id)];
        api.begin_headed(line, &headers).await
    };
    let response = follow("1-0").await;
    assert_eq!(response.status(), 200);
    let frame = response.into_body().frame().await.expect("a frame").expect("data").into_data().expect("data");
    assert!(text(&frame).starts_with("id: 1-1\n"));
    for (id, status) in [("nonsense", 400), ("1-999999", 400), ("2-0", 400)] {
        assert_eq!(follow(id).await.status().as_u16(), status, "{id}");
    }
}

#[tokio::test]
async fn a_rule_of_a_bucket_is_told_signed_and_its_secret_shown_by_rotation_alone() {
    let api = Api::open().await;
    let announced = Announced::bound_to(&api);
    let path = "/buckets/bucket/notifications";
    let config = json!({ "id": "a", "webhookUrl": URL, "events": ["object-created"], "filters": { "prefix": "in/" } });
    let put = api.done(&format!("PUT {path}"), json!({ "configs": [config] })).await;
    let stored = put.json();
    let rule = &stored["configs"][0];
    assert_eq!(
        (&rule["id"], &rule["webhookUrl"], &rule["events"], &rule["filters"]),
        (&json!("a"), &json!(URL), &json!(["s3:ObjectCreated:*"]), &json!([{ "name": "prefix", "value": "in/" }]))
    );
    assert_eq!(
        (&rule["format"], &rule["mode"], &rule["status"], &rule["hasSecret"]),
        (&json!("s3"), &json!("key"), &json!("active"), &json!(true))
    );
    assert_eq!(api.done(&format!("GET {path}"), NOTHING).await.json(), stored);
    // What was answered can be put again.
    assert_eq!(api.done(&format!("PUT {path}"), stored.clone()).await.json(), stored);
    let rotate = format!("POST {path}/a/rotate-secret");
    let rotated = api.done(&rotate, json!({ "overlapSeconds": 60 })).await;
    assert_eq!(rotated.header("cache-control"), Some("no-store"));
    is_secret(&rotated.json()["signingSecret"]);
    assert!(rotated.json()["previousSecretExpiresAt"].is_string());
    assert_eq!(rotated.json()["id"], "a");
    assert!(!text(&api.done(&format!("GET {path}"), NOTHING).await.bytes).contains("whsec_"));
    for who in [READER, WRITER] {
        assert_eq!(api.ask_as(who, &rotate, NOTHING).await.error(), (403, "forbidden".to_owned()));
    }
    assert_eq!(api.ask_as(FOREIGN, &rotate, NOTHING).await.error(), (404, "not_found".to_owned()));
    let missing = api.ask(&format!("POST {path}/b/rotate-secret"), NOTHING).await;
    assert_eq!(missing.error(), (404, "not_found".to_owned()));
    // Its deliveries are asked about by its subscription, and it is no webhook of the tenant.
    let subscription = rule["subscription"].as_str().expect("an id");
    api.done(&format!("GET /webhooks/{subscription}/deliveries"), NOTHING).await;
    announced.last();
    assert_eq!(api.ask(&format!("GET /webhooks/{subscription}"), NOTHING).await.status, 404);
    let changed = json!({ "configs": [
        { "id": "a", "webhookUrl": "https://b.example/", "events": ["s3:ObjectRemoved:*"], "format": "native", "mode": "bucket" },
        { "webhookUrl": URL, "events": ["holdfast:Bucket:*"] },
    ] });
    let changed = api.done(&format!("PUT {path}"), changed).await.json();
    assert_eq!(
        (&changed["configs"][0]["subscription"], &changed["configs"][0]["format"]),
        (&json!(subscription), &json!("native"))
    );
    assert_ne!(changed["configs"][1]["subscription"], *subscription);
    let forbidden =
        json!({ "configs": [{ "webhookUrl": "https://forbidden.example/", "events": ["s3:ObjectCreated:*"] }] });
    let refused = api.ask(&format!("PUT {path}"), forbidden).await;
    assert_eq!(refused.error(), (400, "invalid_request".to_owned()));
    api.done(&format!("DELETE {path}"), NOTHING).await;
    assert_eq!(api.done(&format!("GET {path}"), NOTHING).await.json(), json!({ "configs": [] }));
}
