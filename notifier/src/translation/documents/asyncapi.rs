//! The `AsyncAPI` 3.0 document: what is sent to webhooks and published to NATS.

use ::schemas::event::{Cause, VersionCommitted};
use ::schemas::subscription::PayloadFormat;
use serde_json::{Value, json};

use super::Told;
use crate::nats::type_token;
use crate::samples;
use crate::translation::content_type;

/// The formats of webhooks: their names, and what is said of them.
const FORMATS: [(PayloadFormat, &str, &str); 3] = [
    (PayloadFormat::CloudEvents, "cloudevents", "An event as a CloudEvent 1.0 (structured mode)."),
    (PayloadFormat::S3, "s3", "An event in the shape of AWS S3, event version 2.1."),
    (PayloadFormat::Native, "native", "An event in the native shape."),
];

pub(super) fn document(told: &[Told]) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast events",
            "version": "1",
            "description": "What a tenant's log tells: to webhooks, signed as Standard Webhooks 1.0 says, and to NATS. Events come \
                            at least once; the id of an event is the same in every delivery, for ever. Types are listed in \
                            `schemas/EVENTS.md`.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "receiver": {
                "host": "{receiver}",
                "protocol": "https",
                "description": "Whoever has the address of the webhook.",
                "variables": { "receiver": { "description": "Host of the webhook's address." } },
            },
            "nats": {
                "host": "{nats}",
                "protocol": "nats",
                "description": "The NATS server of `nats.url`, with JetStream: one stream per tenant, and one publisher.",
                "variables": { "nats": { "description": "Host and port of the server." } },
                "security": [
                    { "$ref": "#/components/securitySchemes/natsCredentials" },
                    { "$ref": "#/components/securitySchemes/natsCertificate" },
                ],
            },
        },
        "channels": { "webhook": webhook(), "nats": nats(told) },
        "operations": {
            "callWebhook": {
                "action": "send",
                "channel": { "$ref": "#/channels/webhook" },
                "summary": "Tell a webhook of an event",
                "description": "A POST. Any 2xx within the time limit means that the event is delivered; 3xx is a failure; 410 \
                                disables the subscription; 429 and 503 with `Retry-After` slow it down.",
                "security": [{ "$ref": "#/components/securitySchemes/standardWebhooks" }],
                "bindings": { "http": { "method": "POST" } },
            },
            "publishEvent": {
                "action": "send",
                "channel": { "$ref": "#/channels/nats" },
                "summary": "Publish an event to the tenant's stream",
                "description": "In the order of the log, each once: a publisher that begins again goes on behind what the stream has.",
            },
        },
        "components": { "messages": messages(), "schemas": headers(), "securitySchemes": security() },
    })
}

fn webhook() -> Value {
    let messages: serde_json::Map<_, _> = FORMATS
        .iter()
        .map(|(_, name, _)| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    json!({
        // Whoever makes a webhook gives its address.
        "address": null,
        "title": "A webhook",
        "description": "The address of a tenant's webhook, or of a rule in a bucket's notification configuration.",
        "servers": [{ "$ref": "#/servers/receiver" }],
        "messages": messages,
    })
}

fn nats(told: &[Told]) -> Value {
    let tokens: Vec<_> = told.iter().filter(|it| it.known.announced).map(|it| type_token(it.known.name)).collect();
    json!({
        "address": "holdfast.{tenant}.{bucket}.{type}",
        "title": "A subject of a tenant's stream",
        "description": "Keys never stand in subjects.",
        "servers": [{ "$ref": "#/servers/nats" }],
        "parameters": {
            "tenant": { "description": "The tenant's name." },
            "bucket": { "description": "The bucket's name with `%2E` for each dot; `-` for an event that is about no bucket." },
            "type": { "description": "The type of the event as one token.", "enum": tokens },
        },
        "messages": { "event": { "$ref": "#/components/messages/nats" } },
    })
}

fn messages() -> Value {
    let put = VersionCommitted { null: false, ..samples::committed(Cause::Put) };
    let example = samples::announced(put);
    let mut messages = serde_json::Map::new();
    for (format, name, about) in FORMATS {
        let body: Value = serde_json::from_slice(&example.body(format, Some("images"))).expect("JSON");
        let message = json!({
            "name": name,
            "title": about,
            "contentType": content_type(format),
            "headers": { "$ref": "#/components/schemas/webhookHeaders" },
            "payload": payload(name),
            "examples": [{ "name": "put", "summary": "An object was put.", "payload": body }],
        });
        messages.insert(name.to_owned(), message);
    }
    let nats = json!({
        "name": "nats",
        "title": "An event as a CloudEvent 1.0.",
        "contentType": content_type(PayloadFormat::CloudEvents),
        "headers": { "$ref": "#/components/schemas/natsHeaders" },
        "payload": payload("cloudevents"),
    });
    messages.insert("nats".to_owned(), nats);
    messages.into()
}

fn payload(name: &str) -> Value {
    json!({
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": { "$ref": format!("../events/{name}.json") },
    })
}

fn headers() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let number = |about: &str| json!({ "type": "integer", "minimum": 0, "description": about });
    json!({
        "webhookHeaders": {
            "type": "object",
            "properties": {
                "webhook-id": text("`evt_<tenant>_<epoch>_<position>`: the same in every delivery. Of a test event `evt_<tenant>_test_<hex>`."),
                "webhook-timestamp": text("Seconds since the Unix epoch when the request was made."),
                "webhook-signature": text("`v1,` and base64 of HMAC-SHA-256 over `<webhook-id>.<webhook-timestamp>.<body>`; one for each secret that is valid, with a space between."),
                "X-Signature": text("`sha256=` and hex of HMAC-SHA-256 over `<X-Webhook-Timestamp>.<body>` by the current secret."),
                "X-Webhook-Timestamp": text("The same as `webhook-timestamp`."),
                "X-Holdfast-Position": number("Place of the event in the tenant's log."),
                "X-Holdfast-Prev": number("Place of the event that this subscription was sent before; absent of its first. Whoever has that one misses nothing."),
                "X-Holdfast-Event": text("The type of the event."),
                "X-Holdfast-Attempt": { "type": "integer", "minimum": 1, "description": "Which attempt it is." },
                "X-Holdfast-Replay": text("The replay that it is part of, in a replay."),
                "user-agent": text("`Holdfast/<version>`."),
            },
            "required": [
                "webhook-id", "webhook-timestamp", "webhook-signature", "X-Signature", "X-Webhook-Timestamp",
                "X-Holdfast-Event", "X-Holdfast-Attempt", "user-agent",
            ],
        },
        "natsHeaders": {
            "type": "object",
            "properties": {
                "Nats-Msg-Id": text("`<tenant>:<epoch>:<position>`: the stream takes each once."),
            },
            "required": ["Nats-Msg-Id"],
        },
    })
}

fn security() -> Value {
    json!({
        "standardWebhooks": {
            "type": "httpApiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks 1.0. The secret is `whsec_` and base64 of 32 bytes; the key is these bytes. It is shown \
                            once, when the webhook is made or its secret is rotated; after a rotation both secrets sign for a while. \
                            Compare in constant time, and refuse old timestamps.",
        },
        "natsCredentials": {
            "type": "asymmetricEncryption",
            "description": "A credentials file (JWT and NKey): `nats.credentials_file`.",
        },
        "natsCertificate": {
            "type": "X509",
            "description": "A client's certificate: `nats.tls_cert_file` and `nats.tls_key_file`.",
        },
    })
}
