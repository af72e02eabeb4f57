//! Restore and undo, as JSON says it.

use serde_json::{Value, json};

use crate::kit::{Client, House};

impl Client<'_> {
    async fn ended(&self, task: &Value) -> Value {
        let path = format!("/tasks/{}", task["id"].as_str().expect("an id"));
        for _ in 0..2_000 {
            let told = self.get(&path).await.is(200).json();
            if told["status"] != "running" {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("the task does not end");
    }
}

#[tokio::test]
async fn a_point_is_restored_by_a_task_that_a_dry_run_foretells() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("a/changed", b"1").await.is(200);
    let mark = client.put("a/deleted", b"1").await.is(200);
    let position: u64 = mark.header("x-holdfast-position").expect("a position").parse().expect("a number");
    client.put("a/changed", b"2").await.is(200);
    client.delete("/buckets/data/objects/a/deleted").await.is(204);
    client.put("a/new", b"2").await.is(200);
    client.put("b", b"2").await.is(200);

    let path = "/buckets/data/restore";
    let point = format!("pos:{position}");
    let dry = client.post(path, &json!({ "point": point, "prefix": "a/", "dryRun": true })).await.is(200).json();
    let change = |key: &str, action: &str| json!({ "key": key, "action": action });
    let changes = [change("a/changed", "restore"), change("a/deleted", "restore"), change("a/new", "remove")];
    let expected = json!({
        "dryRun": true, "restored": 2, "removed": 1, "unchanged": 0, "refused": [], "changes": changes, "truncated": false,
    });
    assert_eq!(dry, expected);
    client.get("/buckets/data/objects/a/new").await.is(200);

    let begun = client.post(path, &json!({ "point": point, "prefix": "a/" })).await.is(202);
    let task = begun.json();
    let location = format!("/api/v1/tasks/{}", task["id"].as_str().expect("an id"));
    assert_eq!(begun.header("location"), Some(location.as_str()));
    let ended = client.ended(&task).await;
    for (name, value) in [
        ("kind", json!("restore")),
        ("status", json!("succeeded")),
        ("bucket", json!("data")),
        ("prefix", json!("a/")),
        ("position", json!(position)),
        ("restored", json!(2)),
        ("removed", json!(1)),
        ("unchanged", json!(0)),
        ("refused", json!(0)),
        ("refusedKeys", json!([])),
    ] {
        assert_eq!(ended[name], value, "{name} of {ended}");
    }
    assert!(ended.get("deleted").is_none(), "{ended}");
    assert_eq!(client.get("/buckets/data/objects/a/changed").await.is(200).body.as_ref(), b"1");
    client.get("/buckets/data/objects/a/new").await.fails(404, "not_found");
    client.get("/buckets/data/objects/b").await.is(200);

    for (bad, code) in [
        (json!({}), "invalid_request"),
        (json!({ "point": "sometime" }), "invalid_request"),
        (json!({ "point": "pos:1000000" }), "point_in_future"),
        (json!({ "point": "snap:none" }), "not_found"),
        (json!({ "point": point, "prefix": 1 }), "invalid_request"),
        (json!({ "point": point, "prefix": "k".repeat(1_025) }), "invalid_request"),
        (json!({ "point": point, "dryrun": true }), "invalid_request"),
    ] {
        let answer = client.post(path, &bad).await;
        let status = if code == "not_found" { 404 } else { 400 };
        answer.fails(status, code);
    }
    client.post("/buckets/none/restore", &json!({ "point": point })).await.fails(404, "not_found");
    let reader = Client { house: &house, token: house.token("acme", "op=read").await };
    reader.post(path, &json!({ "point": point })).await.fails(403, "forbidden");
}

#[tokio::test]
async fn exactly_one_cause_is_undone() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    client.put("key", b"1").await.is(200);
    let second = client.put("key", b"2").await.is(200);
    let position: u64 = second.header("x-holdfast-position").expect("a position").parse().expect("a number");
    let path = "/buckets/data/undo";
    let since = format!("pos:{position}");
    for cause in [json!({ "positions": [position] }), json!({ "actor": "user", "since": since })] {
        let mut dry = cause.clone();
        dry["dryRun"] = json!(true);
        let plan = client.post(path, &dry).await.is(200).json();
        assert_eq!(plan["changes"], json!([{ "key": "key", "action": "restore" }]), "{cause}");
    }
    let task = client.post(path, &json!({ "positions": [position] })).await.is(202).json();
    let ended = client.ended(&task).await;
    assert_eq!(
        (&ended["kind"], &ended["restored"], &ended["status"]),
        (&json!("undo"), &json!(1), &json!("succeeded"))
    );
    assert!(ended.get("prefix").is_none(), "{ended}");
    assert_eq!(client.get("/buckets/data/objects/key").await.is(200).body.as_ref(), b"1");
    let again = client.post(path, &json!({ "positions": [position], "dryRun": true })).await.is(200).json();
    assert_eq!(again["refused"], json!([{ "key": "key", "reason": "changed since" }]));
    let forced = json!({ "positions": [position], "dryRun": true, "force": true });
    assert_eq!(client.post(path, &forced).await.is(200).json()["restored"], 1);

    let request = "req_01J00000000000000000000000";
    for bad in [
        json!({}),
        json!({ "actor": "user" }),
        json!({ "since": since }),
        json!({ "requestId": request, "positions": [position] }),
        json!({ "requestId": "x" }),
        json!({ "actor": "", "since": since }),
        json!({ "actor": "user", "since": "sometime" }),
        json!({ "positions": [] }),
        json!({ "positions": [-1] }),
        json!({ "positions": [0] }),
        json!({ "requestId": request, "forced": true }),
    ] {
        client.post(path, &bad).await.fails(400, "invalid_request");
    }
    let unknown = json!({ "requestId": "req_01J00000000000000000000ZZZ" });
    client.post(path, &unknown).await.fails(400, "no_such_point");
    // All requests of this house have one id.
    let all = client.post(path, &json!({ "requestId": request, "dryRun": true })).await.is(200).json();
    assert_eq!(all["changes"], json!([{ "key": "key", "action": "remove" }]));
}
