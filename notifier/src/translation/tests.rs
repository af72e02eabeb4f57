use std::collections::BTreeSet;

use schemas::BucketId;
use schemas::announcement::EVENT_TYPES;
use schemas::event::{Cause, Event, VersionCommitted};
use schemas::record::Actor;
use serde_json::Value;

use super::detail::Detail;
use super::*;
use crate::samples::{self, Nobody, announced, announced_by, committed, marker, recorded, removed};

const FORMATS: [PayloadFormat; 3] = [PayloadFormat::S3, PayloadFormat::CloudEvents, PayloadFormat::Native];

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn value(bytes: &Bytes) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

/// JSON with a line for every member, in the order in which it was written.
fn laid_out(bytes: &Bytes) -> String {
    let (mut out, mut depth, mut quoted, mut escaped) = (String::new(), 0, false, false);
    let line = |out: &mut String, depth: usize| *out += &format!("\n{:width$}", "", width = depth * 2);
    let text = text(bytes);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if !quoted && matches!(character, '}' | ']') {
            depth -= 1;
            line(&mut out, depth);
        }
        out.push(character);
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            '{' | '[' if !quoted && matches!(characters.peek(), Some('}' | ']')) => out.extend(characters.next()),
            '{' | '[' if !quoted => {
                depth += 1;
                line(&mut out, depth);
            }
            ',' if !quoted => line(&mut out, depth),
            ':' if !quoted => out.push(' '),
            _ => {}
        }
    }
    out
}

#[test]
fn a_put_as_aws_says_it() {
    insta::assert_snapshot!(laid_out(&announced(put()).body(PayloadFormat::S3, Some("images"))));
}

/// Of a bucket with versions.
fn put() -> VersionCommitted {
    VersionCommitted { null: false, ..committed(Cause::Put) }
}

#[test]
fn a_put_as_a_cloud_event() {
    insta::assert_snapshot!(laid_out(&announced(put()).body(PayloadFormat::CloudEvents, None)));
}

#[test]
fn a_put_in_our_own_shape() {
    insta::assert_snapshot!(laid_out(&announced(put()).body(PayloadFormat::Native, None)));
}

#[test]
fn a_removal_as_aws_says_it() {
    let bodies = [announced(marker()), announced(removed())].map(|it| laid_out(&it.body(PayloadFormat::S3, None)));
    insta::assert_snapshot!(bodies.join("\n"));
}

#[test]
fn what_aws_has_no_event_for_keeps_its_whole_name() {
    let made = samples::every().into_iter().find(|it| it.event_type.name == "holdfast:Bucket:Created").expect("one");
    insta::assert_snapshot!(laid_out(&made.body(PayloadFormat::S3, Some("all"))));
}

/// A line for every event of the samples.
#[test]
fn what_every_event_says() {
    let line = |it: &Announcement| {
        let detail = serde_json::to_string(&Detail::of(it)).expect("JSON");
        format!("{} {detail}", it.event_type.name)
    };
    insta::assert_snapshot!(samples::every().iter().map(line).collect::<Vec<_>>().join("\n"));
}

#[test]
fn schemas_have_the_fields_that_events_say() {
    for announcement in samples::every() {
        let detail = Detail::of(&announcement);
        let (name, schema) = (detail.name(), detail.schema());
        let said = serde_json::to_value(&detail).expect("JSON");
        let fields: BTreeSet<_> = said.as_object().expect("an object").keys().collect();
        let known: BTreeSet<_> = schema["properties"].as_object().expect("properties").keys().collect();
        assert!(fields.is_subset(&known), "{name}: {fields:?} {known:?}");
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        assert!(required.all(|field| said.get(field).is_some()), "{name}: {said}");
    }
}

#[test]
fn every_type_has_a_sample() {
    let told: BTreeSet<_> = samples::every().iter().map(|it| it.event_type.name).collect();
    let missing: Vec<_> = EVENT_TYPES.iter().filter(|known| !told.contains(known.name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_body_names_its_event() {
    for announcement in samples::every() {
        let id = announcement.webhook_id();
        let name = announcement.event_type.name;
        let native = value(&announcement.body(PayloadFormat::Native, None));
        assert_eq!((native["id"].as_str(), native["type"].as_str()), (Some(id.as_str()), Some(name)));
        let cloud = value(&announcement.body(PayloadFormat::CloudEvents, None));
        assert_eq!((cloud["id"].as_str(), cloud["type"].as_str()), (Some(id.as_str()), cloud_type(name)));
        assert_eq!(cloud["data"], native["detail"]);
        let s3 = value(&announcement.body(PayloadFormat::S3, Some("rule")));
        let record = &s3["Records"][0];
        assert_eq!(record["s3"]["configurationId"], "rule");
        let source = if name.starts_with("s3:") { "aws:s3" } else { "holdfast" };
        assert_eq!(record["eventSource"], source);
        assert_eq!(record["eventName"].as_str(), Some(name.trim_start_matches("s3:")));
    }
}

#[test]
fn ids_are_of_tenant_epoch_and_position() {
    let announcement = announced(put());
    assert_eq!(announcement.webhook_id(), "evt_7_2_4660");
    assert_eq!(crate::nats::message_id(announcement.tenant, announcement.id), "7:2:4660");
    assert_eq!(
        format!("{announcement:?}"),
        r#"Announcement { id: "evt_7_2_4660", event_type: "s3:ObjectCreated:Put", .. }"#
    );
}

#[test]
fn bodies_are_made_once_but_for_the_rule() {
    let announcement = announced(put());
    let body = |format, rule| announcement.body(format, rule);
    for format in [PayloadFormat::CloudEvents, PayloadFormat::Native] {
        assert_eq!(body(format, Some("a")).as_ptr(), body(format, Some("b")).as_ptr());
    }
    assert_ne!(body(PayloadFormat::S3, Some("a")), body(PayloadFormat::S3, Some("b")));
}

/// The samples hold secrets, digests, ids of blobs and keys that are easily recognized.
#[test]
fn no_body_says_what_opens_anything() {
    let secrets: &[&[u8]] =
        &[&[1, 2, 3, 255], &[4, 5, 6], &[0xab; 32], &[0xcd; 32], &[0xcc; 20], &[1; 80], &[2; 80], &[8; 16], &[9; 16]];
    let in_any_form = secrets.iter().flat_map(|secret| {
        use base64::Engine;
        let numbers: Vec<_> = secret.iter().map(u8::to_string).collect();
        let base64 = base64::engine::general_purpose::STANDARD.encode(secret);
        // Four letters alone are found in much else.
        let base64 = if secret.len() > 3 { base64 } else { format!("\"{base64}\"") };
        [hex::encode(secret), base64, numbers.join(",")]
    });
    // A query, a name of a key, a context of encryption, what a task needs.
    let words = ["x=1", "key-1", "eyJhIjoiYiJ9", "after", "\\\"prefix\\\""].map(str::to_owned);
    let never: Vec<_> = in_any_form.chain(words).collect();
    for announcement in samples::every() {
        for format in FORMATS {
            let body = text(&announcement.body(format, None));
            for word in &never {
                assert!(!body.contains(word.as_str()), "{} says {word}: {body}", announcement.event_type.name);
            }
        }
    }
}

#[test]
fn nothing_is_null() {
    fn has_null(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Array(items) => items.iter().any(has_null),
            Value::Object(members) => members.values().any(has_null),
            _ => false,
        }
    }
    for announcement in samples::every() {
        for format in FORMATS {
            let body = announcement.body(format, None);
            assert!(!has_null(&value(&body)), "{}", text(&body));
        }
    }
}

#[test]
fn an_erased_event_is_not_told() {
    let mut erased = recorded(&put().into(), samples::context(Actor::Anonymous), 1);
    erased.body = None;
    assert!(crate::Announcement::read(&erased, &Nobody).expect("reads").is_none());
}

#[test]
fn what_nobody_knows_the_name_of_is_called_by_its_number() {
    let record = recorded(&put().into(), samples::context(Actor::Anonymous), 1);
    let announcement = crate::Announcement::read(&record, &Nobody).expect("reads").expect("a body");
    assert_eq!(value(&announcement.body(PayloadFormat::CloudEvents, None))["source"], "/tenants/@7/buckets/@5");
    let native = value(&announcement.body(PayloadFormat::Native, None));
    assert!(native.get("tenant").is_none() && native.get("bucket").is_none());
}

#[test]
fn types_have_tokens_of_their_own() {
    let tokens: BTreeSet<_> = EVENT_TYPES.iter().map(|known| crate::nats::type_token(known.name)).collect();
    assert_eq!(tokens.len(), EVENT_TYPES.len(), "two types share a token");
    assert!(tokens.iter().all(|token| token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')));
}

#[test]
fn buckets_that_come_and_go_say_their_own_name() {
    for event in crate::golden::events() {
        if matches!(event, Event::BucketCreated(_) | Event::BucketDeleted(_)) {
            let record = recorded(&event, samples::context(Actor::Anonymous), 1);
            let announcement = crate::Announcement::read(&record, &Nobody).expect("reads").expect("a body");
            assert_eq!(announcement.bucket_name.map(|name| name.to_string()).as_deref(), Some("photos"));
        }
    }
}

/// A write that crosses a threshold of the tenant's quota stands under its bucket and key in the log.
#[test]
fn a_threshold_of_the_tenant_is_of_no_bucket() {
    for event in crate::golden::events() {
        let Event::QuotaThresholdReached(reached) = &event else { continue };
        let mut record = recorded(&event, samples::context(Actor::Anonymous), 1);
        record.header.bucket = BucketId(5);
        let announcement = samples::read(&record);
        assert_eq!(announcement.bucket, reached.bucket.unwrap_or(BucketId::NONE));
        assert_eq!(announcement.bucket_name.is_some(), reached.bucket.is_some());
    }
}

#[test]
fn whoever_it_was_is_said_as_aws_does() {
    let by = |actor| {
        let body = value(&announced_by(actor, put()).body(PayloadFormat::S3, None));
        body["Records"][0]["userIdentity"]["principalId"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(by(Actor::System("lifecycle".to_owned())), "system:lifecycle");
    assert_eq!(by(Actor::Admin("0123456789abcdef".to_owned())), "admin:0123456789abcdef");
    assert_eq!(by(Actor::Anonymous), "anonymous");
}

#[test]
fn a_test_event() {
    assert_eq!(samples::test_event(None).webhook_id(), "evt_7_test_0123abcd");
    let bodies = [None, Some("photos")]
        .into_iter()
        .flat_map(|bucket| FORMATS.map(|format| text(&samples::test_event(bucket).body(format))));
    insta::assert_snapshot!(bodies.collect::<Vec<_>>().join("\n"));
}
