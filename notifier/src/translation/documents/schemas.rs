//! JSON Schemas of bodies: one document for each shape.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Told;
use crate::translation::cloud_type;
use crate::translation::cloudevents::CloudEvent;
use crate::translation::native::NativeEvent;
use crate::translation::shape::Field;
use crate::translation::test_event::{CloudTest, NativeTest, TestEvent};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Our own shape, type by type.
pub(super) fn native(told: &[Told]) -> Value {
    let types = told.iter().map(|it| (it.known.name, (it.known.about.to_owned(), it.shape))).collect();
    let test = ("A test event: it stands in no log.", NativeTest::shape());
    document(
        "native",
        "An event in the native shape, as webhooks send it and the change feed answers it.",
        "detail",
        told,
        &types,
        (NativeEvent::shape(), (TestEvent::TYPE, test)),
    )
}

/// `CloudEvents`, type by type. Several types of ours may be one of theirs.
pub(super) fn cloudevents(told: &[Told]) -> Value {
    let mut types: BTreeMap<&str, (String, &'static str)> = BTreeMap::new();
    for it in told {
        let cloud = cloud_type(it.known.name).expect("every type has one");
        let entry = types.entry(cloud).or_insert_with(|| (String::new(), it.shape));
        assert_eq!(entry.1, it.shape, "{cloud} has data of two shapes");
        let space = if entry.0.is_empty() { "" } else { " " };
        entry.0 += &format!("{space}{}", it.known.about);
    }
    let test = ("A test event: it stands in no log.", CloudTest::shape());
    document(
        "cloudevents",
        "An event as a CloudEvent, as webhooks send it and NATS carries it.",
        "data",
        told,
        &types,
        (CloudEvent::shape(), (CloudTest::TYPE, test)),
    )
}

fn document(
    name: &str,
    about: &str,
    member: &str,
    told: &[Told],
    types: &BTreeMap<&str, (String, &'static str)>,
    (envelope, (test_name, (test_about, mut test))): (Value, (&str, (&str, Value))),
) -> Value {
    let mut definitions = Map::new();
    definitions.insert("Event".to_owned(), envelope);
    for it in told {
        definitions.insert(it.shape.to_owned(), it.schema.clone());
    }
    for (name, (about, shape)) in types {
        let definition = json!({
            "title": name,
            "description": about,
            "allOf": [{ "$ref": "#/$defs/Event" }],
            "properties": { "type": { "const": name }, member: { "$ref": format!("#/$defs/{shape}") } },
        });
        definitions.insert((*name).to_owned(), definition);
    }
    test["title"] = test_name.into();
    test["description"] = test_about.into();
    test["properties"]["type"]["const"] = test_name.into();
    definitions.insert(test_name.to_owned(), test);
    let names = types.keys().copied().chain([test_name]);
    let one_of: Vec<_> = names.map(|name| json!({ "$ref": format!("#/$defs/{name}") })).collect();
    json!({
        "$schema": DIALECT,
        "$id": format!("urn:holdfast:schemas:events:{name}"),
        "title": format!("Holdfast event ({name})"),
        "description": format!("{about} Members and types may be added: let pass what you do not know."),
        "oneOf": one_of,
        "$defs": definitions,
    })
}

/// AWS's shape, which has one structure for all types.
pub(super) fn s3() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    let identity = |about: &str| {
        let properties = json!({ "principalId": { "type": "string", "description": about } });
        json!({ "type": "object", "properties": properties, "required": ["principalId"] })
    };
    let bucket = json!({
        "type": "object",
        "description": "The bucket, if it is about one.",
        "properties": {
            "name": text("Its name."),
            "ownerIdentity": identity("The tenant."),
            "arn": text("`arn:aws:s3:::<name>`."),
        },
        "required": ["name", "ownerIdentity", "arn"],
    });
    let object = json!({
        "type": "object",
        "description": "The object, if it is about one.",
        "properties": {
            "key": text("Its key, encoded as a form encodes it, with slashes left."),
            "size": { "type": "integer", "minimum": 0, "description": "Bytes of a new version." },
            "eTag": text("Entity tag of a new version, without quotes."),
            "versionId": text("The version, unless it is the null version."),
            "sequencer": text("The place in the tenant's log as 16 hex digits: of two events the later one has the greater text."),
        },
        "required": ["key", "sequencer"],
    });
    let record = json!({
        "type": "object",
        "properties": {
            "eventVersion": { "const": "2.1", "type": "string" },
            "eventSource": text("`aws:s3`; `holdfast` for what AWS has no event for."),
            "awsRegion": text("The server's region."),
            "eventTime": { "type": "string", "format": "date-time", "description": "When it was decided." },
            "eventName": text("The type, without `s3:`; one of ours with `holdfast:`."),
            "userIdentity": identity("The user; `admin:<token>`, `system:<process>` or `anonymous`."),
            "requestParameters": {
                "type": "object",
                "properties": { "sourceIPAddress": text("Where the request came from; empty if it came from nowhere.") },
                "required": ["sourceIPAddress"],
            },
            "responseElements": {
                "type": "object",
                "properties": { "x-amz-request-id": text("What the request is called in answers and logs.") },
                "required": ["x-amz-request-id"],
            },
            "s3": {
                "type": "object",
                "properties": {
                    "s3SchemaVersion": { "const": "1.0", "type": "string" },
                    "configurationId": text("What the rule is called in its bucket's configuration; absent of a webhook of the tenant."),
                    "bucket": bucket,
                    "object": object,
                },
                "required": ["s3SchemaVersion"],
            },
        },
        "required": [
            "eventVersion", "eventSource", "awsRegion", "eventTime", "eventName", "userIdentity", "requestParameters",
            "responseElements", "s3",
        ],
    });
    let test = json!({
        "type": "object",
        "description": "A test event: it stands in no log.",
        "properties": {
            "Service": { "const": "Amazon S3", "type": "string" },
            "Event": { "const": "s3:TestEvent", "type": "string" },
            "Time": { "type": "string", "format": "date-time", "description": "When it was asked for." },
            "Bucket": text("The bucket, if its configuration has the subscription."),
            "RequestId": text("What the request that asked is called."),
            "HostId": text("Always there, and of no meaning."),
        },
        "required": ["Service", "Event", "Time", "RequestId", "HostId"],
    });
    json!({
        "$schema": DIALECT,
        "$id": "urn:holdfast:schemas:events:s3",
        "title": "Holdfast event (s3)",
        "description": "An event in AWS's shape (event message structure, version 2.1), as webhooks send it. One request carries \
                        one record. A test event is `#/$defs/Test`.",
        "type": "object",
        "properties": { "Records": { "type": "array", "items": record } },
        "required": ["Records"],
        "$defs": { "Test": test },
    })
}
