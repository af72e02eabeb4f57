//! Notification configurations: nothing is accepted that has no effect.

use serde_json::{Value, json};

use crate::kit::House;

#[tokio::test]
async fn without_a_configuration_the_list_is_empty_and_an_empty_list_clears() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let path = "/buckets/data/notifications";
    assert_eq!(client.get(path).await.is(200).json(), json!({ "configs": [] }));
    let cleared = client.put_json(path, &json!({ "configs": [] })).await.is(200);
    assert_eq!(cleared.json(), json!({ "configs": [] }));
    assert!(cleared.header("x-holdfast-position").is_some());
    let deleted = client.delete(path).await.is(204);
    assert!(deleted.body.is_empty() && deleted.header("x-holdfast-position").is_some());
    for method in ["GET", "PUT", "DELETE"] {
        let ask = client.ask(method, "/buckets/nowhere/notifications").json(&json!({ "configs": [] }));
        ask.send().await.fails(404, "not_found");
        let reader = house.token("acme", "op=read:bucket=other").await;
        let ask = house.ask(method, path).bearer(&reader).json(&json!({ "configs": [] }));
        ask.send().await.fails(403, "forbidden");
    }
}

#[tokio::test]
async fn targets_and_what_is_wrong_with_them() {
    let house = House::new().await;
    let client = house.client().await;
    client.data().await;
    let put =
        async |config: Value| client.put_json("/buckets/data/notifications", &json!({ "configs": [config] })).await;
    let events = json!(["s3:ObjectCreated:*"]);
    for elsewhere in [
        json!({ "snsTopicArn": "arn:aws:sns:::t", "events": events }),
        json!({ "sqsQueueArn": "arn:aws:sqs:::q", "events": events }),
        json!({ "lambdaFunctionArn": "arn:aws:lambda:::f", "events": events }),
        json!({ "type": "sqs", "webhookUrl": "https://a.example/", "events": events }),
    ] {
        put(elsewhere).await.fails(501, "not_implemented");
    }
    for filters in [json!([{ "name": "prefix", "value": "a/" }]), json!({ "prefix": "a/", "suffix": ".jpg" })] {
        for events in [events.clone(), json!(["object-created", "object-removed"])] {
            let good = json!({ "webhookUrl": "https://a.example/hook", "events": events, "filters": filters });
            put(good).await.fails(501, "not_implemented");
        }
    }
    for bad in [
        json!({ "webhookUrl": "ftp://a.example/", "events": events }),
        json!({ "webhookUrl": "nonsense", "events": events }),
        json!({ "webhookUrl": "https://me:secret@a.example/", "events": events }),
        json!({ "webhookUrl": "https://a.example/" }),
        json!({ "webhookUrl": "https://a.example/", "events": ["s3:Everything"] }),
        json!({ "webhookUrl": "https://a.example/", "events": events, "filters": [{ "name": "middle", "value": "a" }] }),
        json!({ "webhookUrl": "https://a.example/", "events": events, "filters": { "infix": "a" } }),
        json!({ "events": events }),
        json!({ "webhookUrl": "https://a.example/", "events": events, "secret": "mine" }),
    ] {
        put(bad).await.fails(400, "invalid_request");
    }
    let two = json!([
        { "webhookUrl": "https://a.example/", "events": events }, { "webhookUrl": "https://b.example/", "events": events },
    ]);
    let overlapping = client.put_json("/buckets/data/notifications", &json!({ "configs": two })).await;
    overlapping.fails(400, "invalid_request");
    client.put_json("/buckets/data/notifications", &json!({})).await.fails(400, "invalid_request");
    assert_eq!(client.get("/buckets/data/notifications").await.is(200).json(), json!({ "configs": [] }));
}
