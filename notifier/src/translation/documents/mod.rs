//! What is published about events: JSON Schemas, the `AsyncAPI` document, the catalogue. `HOLDFAST_GOLDEN=write cargo test -p
//! notifier` writes them anew: review them as a diff, because what they say is a promise.
//!
//! Owns: the documents. Does not own: the structures in them, which bodies are written from, and the samples that hold both
//! to each other.

mod asyncapi;
mod catalogue;
mod check;
mod schemas;

use std::collections::BTreeMap;
use std::path::Path;

use ::schemas::announcement::{EVENT_TYPES, EventType};
use ::schemas::subscription::PayloadFormat;
use serde_json::Value;

use super::detail::Detail;
use crate::samples;

/// A type, and what its events say.
struct Told {
    known: &'static EventType,
    /// What the shape of its detail is called.
    shape: &'static str,
    /// Its schema.
    schema: Value,
}

/// Every type, in the order of the catalogue.
fn every_type() -> Vec<Told> {
    let mut shapes = BTreeMap::new();
    for announcement in samples::every() {
        let detail = Detail::of(&announcement);
        let before = shapes.insert(announcement.event_type.name, (detail.name(), detail.schema()));
        let same = before.is_none_or(|(shape, _)| shape == detail.name());
        assert!(same, "{} has details of two shapes", announcement.event_type.name);
    }
    let told = |known: &'static EventType| {
        let (shape, schema) = shapes.get(known.name).expect("every type has a sample").clone();
        Told { known, shape, schema }
    };
    EVENT_TYPES.iter().map(told).collect()
}

/// Compares a document with the one that is committed, or writes that.
fn check_committed(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas").join(name);
    if std::env::var_os("HOLDFAST_GOLDEN").is_some_and(|said| said == "write") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("writes");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "schemas/{name} is not what events say: HOLDFAST_GOLDEN=write cargo test -p notifier");
}

fn written(document: &Value) -> String {
    let text = serde_json::to_string_pretty(document).expect("JSON");
    text + "\n"
}

#[test]
fn the_published_documents_are_what_events_say() {
    let told = every_type();
    check_committed("events/native.json", &written(&schemas::native(&told)));
    check_committed("events/cloudevents.json", &written(&schemas::cloudevents(&told)));
    check_committed("events/s3.json", &written(&schemas::s3()));
    check_committed("asyncapi/holdfast.json", &written(&asyncapi::document(&told)));
    check_committed("EVENTS.md", &catalogue::page(&told));
}

#[test]
fn every_body_is_as_its_schema_says() {
    let told = every_type();
    let (native, cloud, s3) = (schemas::native(&told), schemas::cloudevents(&told), schemas::s3());
    for announcement in samples::every() {
        let body = |format, rule| -> Value { serde_json::from_slice(&announcement.body(format, rule)).expect("JSON") };
        check::of_type(&native, &body(PayloadFormat::Native, None));
        check::of_type(&cloud, &body(PayloadFormat::CloudEvents, None));
        check::whole(&s3, &body(PayloadFormat::S3, None));
        check::whole(&s3, &body(PayloadFormat::S3, Some("rule")));
    }
    for test in [samples::test_event(None), samples::test_event(Some("photos"))] {
        let body = |format| -> Value { serde_json::from_slice(&test.body(format)).expect("JSON") };
        check::of_type(&native, &body(PayloadFormat::Native));
        check::of_type(&cloud, &body(PayloadFormat::CloudEvents));
        check::whole(&s3["$defs"]["Test"], &body(PayloadFormat::S3));
    }
}

/// A check that finds nothing would hold anything.
#[test]
fn a_body_that_is_not_as_its_schema_says_is_found() {
    let schema = schemas::native(&every_type());
    let good: Value = serde_json::from_slice(&samples::announced(samples::removed()).body(PayloadFormat::Native, None))
        .expect("JSON");
    assert_eq!(check::faults(&schema, &good), [""; 0]);
    for (pointer, fault) in [
        ("/detail/sizeBytes", "/detail/sizeBytes is not of its type"),
        ("/actor/type", "/actor/type is not of its type"),
        ("/id", "/id is not of its type"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("a member") = Value::Null;
        assert_eq!(check::faults(&schema, &bad), [fault]);
    }
    let mut more = good.clone();
    more["detail"]["secret"] = "x".into();
    assert_eq!(check::faults(&schema, &more), ["/detail/secret is not in the schema"]);
    let mut less = good;
    less["detail"].as_object_mut().expect("an object").remove("madeBy");
    assert_eq!(check::faults(&schema, &less), ["/detail has no madeBy"]);
}
