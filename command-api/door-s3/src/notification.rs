//! GetBucketNotificationConfiguration and PutBucketNotificationConfiguration.
//!
//! Owns: the XML. Does not own: which configurations are valid (`domain::notification`), delivery (the notifier).
//! A webhook is a queue, topic or function whose ARN is `arn:holdfast:webhook:::<url>`. In which shape and order it is told cannot be
//! said here: a rule of an id that there is already keeps it.

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::StatusCode;
use schemas::RequestId;
use schemas::action::Action;
use schemas::event::{DestinationKind, Event, NotificationConfiguration, NotificationRule, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Xml};

/// The element of a kind of destination, and the one within that names it.
const ELEMENTS: [(DestinationKind, &str, &str); 3] = [
    (DestinationKind::Topic, "TopicConfiguration", "Topic"),
    (DestinationKind::Queue, "QueueConfiguration", "Queue"),
    (DestinationKind::Function, "CloudFunctionConfiguration", "CloudFunction"),
];

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let (action, setting) = (Action::GetBucketNotification, Setting::Notification);
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), action, setting).await?;
    let none = NotificationConfiguration::default();
    let configuration = match set.as_deref() {
        Some(Event::BucketNotificationSet(set)) => set.configuration.as_ref().unwrap_or(&none),
        _ => &none,
    };
    Ok(answer::xml(configuration_xml(configuration)))
}

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let configuration = Configuration::Notification(Some(asked(&body, &ask.caller.request)?));
    let (bucket, action) = (ask.bucket(), Action::PutBucketNotification);
    let position = app.store.configure_bucket(&ask.caller, &bucket, action, configuration).await?;
    Ok(answer::changed(StatusCode::OK, position))
}

/// A rule without a name gets one: of the request and its place, which no other rule has.
fn asked(body: &[u8], request: &RequestId) -> Result<NotificationConfiguration, Failure> {
    let root = xml::parse(body, "NotificationConfiguration")?;
    let mut configuration = NotificationConfiguration::default();
    for (index, child) in root.children.iter().enumerate() {
        if child.name == "EventBridgeConfiguration" {
            configuration.event_bus = true;
        } else {
            configuration.rules.push(rule(child, || format!("{}-{index}", request.0))?);
        }
    }
    Ok(configuration)
}

fn rule(element: &Element, unnamed: impl FnOnce() -> String) -> Result<NotificationRule, Failure> {
    let known = ELEMENTS.iter().find(|(_, name, _)| *name == element.name);
    let (destination, _, arn) = known.ok_or(DoorError::MalformedXml)?;
    let arn = element.child_text(arn)?.ok_or(DoorError::MalformedXml)?.trim().to_owned();
    let id = element.child_text("Id")?.filter(|id| !id.is_empty()).map_or_else(unnamed, str::to_owned);
    let events = element.children.iter().filter(|child| child.name == "Event");
    let events = events.map(|child| child.text.trim().to_owned()).collect();
    let mut rule =
        NotificationRule { id, destination: *destination, arn, events, prefix: None, suffix: None, webhook: None };
    if let Some(filter) = element.child("Filter")? {
        let rules = filter.child("S3Key")?.map(|key| key.children.as_slice()).unwrap_or_default();
        rules.iter().try_for_each(|of_key| filter_rule(of_key, &mut rule))?;
    }
    Ok(rule)
}

fn filter_rule(element: &Element, rule: &mut NotificationRule) -> Result<(), Failure> {
    if element.name != "FilterRule" {
        return Err(DoorError::MalformedXml.into());
    }
    let name = element.child_text("Name")?.ok_or(DoorError::MalformedXml)?.trim().to_ascii_lowercase();
    let value = element.child_text("Value")?.unwrap_or_default().to_owned();
    let invalid = |reason| DoorError::InvalidArgument { name: "FilterRule.name", reason };
    let of_rule = match name.as_str() {
        "prefix" => &mut rule.prefix,
        "suffix" => &mut rule.suffix,
        _ => return Err(invalid("filter rule name must be either prefix or suffix").into()),
    };
    if of_rule.replace(value).is_some() {
        return Err(invalid("Cannot specify more than one prefix rule or suffix rule in a filter.").into());
    }
    Ok(())
}

fn configuration_xml(configuration: &NotificationConfiguration) -> String {
    Xml::document("NotificationConfiguration", |xml| {
        for rule in &configuration.rules {
            let element = ELEMENTS.iter().find(|(kind, ..)| *kind == rule.destination);
            let (_, element, arn) = element.expect("the table has every kind");
            xml.group(element, |xml| rule_xml(xml, rule, arn));
        }
        if configuration.event_bus {
            xml.group("EventBridgeConfiguration", |_| {});
        }
    })
}

fn rule_xml(xml: &mut Xml, rule: &NotificationRule, arn: &str) {
    xml.text("Id", &rule.id);
    xml.text(arn, &rule.arn);
    rule.events.iter().for_each(|event| xml.text("Event", event));
    if rule.prefix.is_none() && rule.suffix.is_none() {
        return;
    }
    xml.group("Filter", |xml| {
        xml.group("S3Key", |xml| {
            for (name, value) in [("prefix", &rule.prefix), ("suffix", &rule.suffix)] {
                let Some(value) = value else { continue };
                xml.group("FilterRule", |xml| {
                    xml.text("Name", name);
                    xml.text("Value", value);
                });
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Result<NotificationConfiguration, &'static str> {
        let body = format!("<NotificationConfiguration>{inner}</NotificationConfiguration>");
        let request = RequestId("REQUEST".into());
        asked(body.as_bytes(), &request).map_err(|failure| failure.describe().code)
    }

    const WHOLE: &str = "<TopicConfiguration><Id>a &amp; b</Id><Topic>arn:aws:sns:::t</Topic><Event>s3:ObjectCreated:*</Event>\
                         <Event>s3:ObjectAcl:Put</Event></TopicConfiguration>\
                         <QueueConfiguration><Queue> arn:aws:sqs:::q </Queue><Event>s3:ObjectRemoved:*</Event><Filter><S3Key>\
                         <FilterRule><Name>Suffix</Name><Value>.jpg</Value></FilterRule>\
                         <FilterRule><Name>Prefix</Name><Value/></FilterRule></S3Key></Filter></QueueConfiguration>\
                         <CloudFunctionConfiguration><Id>f</Id><CloudFunction>arn:aws:lambda:::f</CloudFunction>\
                         <Event>s3:ObjectTagging:*</Event></CloudFunctionConfiguration>\
                         <EventBridgeConfiguration/>";

    #[test]
    fn a_configuration_is_shown_as_it_was_read() {
        let configuration = read(WHOLE).expect("a configuration");
        assert_eq!(configuration.rules[1].id, "REQUEST-1");
        let shown = configuration_xml(&configuration);
        insta::assert_snapshot!(shown);
        let again = asked(shown.as_bytes(), &RequestId("OTHER".into())).expect("a configuration");
        assert_eq!(again, configuration);
        assert_eq!(read(""), Ok(NotificationConfiguration::default()));
    }

    #[test]
    fn what_is_no_configuration() {
        let queue = |inner: &str| format!("<QueueConfiguration><Queue>q</Queue>{inner}</QueueConfiguration>");
        let filter = |inner: &str| queue(&format!("<Filter><S3Key>{inner}</S3Key></Filter>"));
        let prefix = "<FilterRule><Name>prefix</Name><Value>a</Value></FilterRule>";
        for (inner, code) in [
            ("<Other/>".to_owned(), "MalformedXML"),
            ("<QueueConfiguration><Topic>t</Topic></QueueConfiguration>".into(), "MalformedXML"),
            (queue("<Id>a</Id><Id>b</Id>"), "MalformedXML"),
            (queue("<Filter/><Filter/>"), "MalformedXML"),
            (filter("<Other/>"), "MalformedXML"),
            (filter("<FilterRule><Value>a</Value></FilterRule>"), "MalformedXML"),
            (filter("<FilterRule><Name>middle</Name><Value>a</Value></FilterRule>"), "InvalidArgument"),
            (filter(&format!("{prefix}{prefix}")), "InvalidArgument"),
        ] {
            assert_eq!(read(&inner), Err(code), "{inner}");
        }
        assert!(read(&queue("<Filter/>")).is_ok());
    }
}
