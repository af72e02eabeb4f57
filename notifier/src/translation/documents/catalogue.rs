//! The catalogue as a page for people.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::Told;
use crate::nats::type_token;
use crate::translation::{TestEvent, cloud_type};

const HEAD: &str = "# Events

Every type of event that a log can have, and what it says. This page is written by `HOLDFAST_GOLDEN=write cargo test -p notifier`.

* **Announced** types go to webhooks and NATS, as far as a subscription asks for them. The others stand in the change feed alone.
  `holdfast:Log:Reopened` goes to every subscription, whatever it filters.
* A subscription names types as they stand here, groups such as `s3:ObjectCreated:*` or `holdfast:*`, or `*`.
* The **subject** is the last token of the subject on NATS: `holdfast.<tenant>.<bucket>.<subject>`.
* **Detail** is `detail` of the native shape and `data` of a CloudEvent; its fields are listed below. What is not there is left out:
  nothing is `null`. A field with *always* is there wherever what it stands in is. In the S3 shape an event is as AWS says it,
  without detail.
* Members and types may be added at any time: let pass what you do not know.

Schemas: [native](events/native.json), [CloudEvents](events/cloudevents.json), [S3](events/s3.json); channels, headers and security:
[AsyncAPI](asyncapi/holdfast.json).

";

pub(super) fn page(told: &[Told]) -> String {
    let mut page = HEAD.to_owned();
    page += "## Types\n\n| type | what happened | told to | CloudEvents type | subject | detail |\n|---|---|---|---|---|---|\n";
    for it in told {
        let known = it.known;
        let told_to = if known.announced { "subscriptions" } else { "feed only" };
        let cloud = cloud_type(known.name).unwrap_or_default();
        let (token, anchor) = (type_token(known.name), it.shape.to_lowercase());
        let shape = it.shape;
        line(
            &mut page,
            format_args!(
                "| `{}` | {} | {told_to} | `{cloud}` | `{token}` | [{shape}](#{anchor}) |",
                known.name, known.about
            ),
        );
    }
    line(
        &mut page,
        format_args!(
            "\n`{}` is sent when somebody asks for a test of a subscription. It stands in no log; its detail is `subscription`.\n",
            TestEvent::TYPE
        ),
    );
    page += "## Details\n";
    let mut seen = BTreeSet::new();
    for it in told.iter().filter(|it| seen.insert(it.shape)) {
        let about = it.schema["description"].as_str().unwrap_or_default();
        line(&mut page, format_args!("\n### {}\n\n{about}\n", it.shape));
        page += "| field | type | always | what it is |\n|---|---|---|---|\n";
        fields(&mut page, "", &it.schema);
    }
    page
}

fn fields(page: &mut String, path: &str, schema: &Value) {
    let is_required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|it| it == name));
    let members = schema["properties"].as_object().into_iter().flatten();
    for (name, member) in members {
        let always = if is_required(name) { "yes" } else { "" };
        let about = member["description"].as_str().unwrap_or_default();
        line(page, format_args!("| `{path}{name}` | {} | {always} | {about} |", kind(member)));
        fields(page, &format!("{path}{name}."), member);
        fields(page, &format!("{path}{name}[]."), &member["items"]);
    }
}

fn kind(schema: &Value) -> String {
    match (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str()) {
        (_, Some("date-time")) => "time".to_owned(),
        ("array", _) => format!("list of {}", kind(&schema["items"])),
        ("object", _) if schema.get("additionalProperties").is_some() => "texts by name".to_owned(),
        ("string", _) => "text".to_owned(),
        ("integer", _) => "number".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn line(page: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(page, "{text}").expect("a text takes everything");
}
