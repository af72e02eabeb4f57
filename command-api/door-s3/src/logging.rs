//! GetBucketLogging and PutBucketLogging.
//!
//! Owns: the XML. Does not own: where a log may go (`domain::logging`), its lines (`access_log`).

use axum::response::Response;
use http::StatusCode;
use schemas::BucketName;
use schemas::action::Action;
use schemas::event::{Event, LogKeyFormat, Logging, Setting};

use crate::answer;
use crate::ask::{Ask, bucket_name};
use crate::errors::{DoorError, Failure};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Xml};

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let (action, setting) = (Action::GetBucketLogging, Setting::Logging);
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), action, setting).await?;
    let logging = match set.as_deref() {
        Some(Event::BucketLoggingSet(set)) => set.logging.as_ref(),
        _ => None,
    };
    Ok(answer::xml(status_xml(logging)))
}

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let asked = asked(&body)?;
    if let Some(grantee) = asked.as_ref().and_then(|asked| asked.grantee.as_ref()) {
        whoever_owns_it_anyway(app, ask, asked.as_ref().map(|asked| &asked.logging.target), grantee).await?;
    }
    let position = app.store.log_bucket(&ask.caller, &ask.bucket(), asked.map(|asked| asked.logging)).await?;
    Ok(answer::changed(StatusCode::OK, position))
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    logging: Logging,
    /// Who is to have full control of the log objects, where that is said.
    grantee: Option<String>,
}

/// Log objects belong to the owner of the bucket that they stand in. A grant that says so changes nothing and is not kept; any
/// other would need a list on every object that nobody but the owner of the bucket could have set.
async fn whoever_owns_it_anyway(
    app: &App,
    ask: &Ask,
    target: Option<&BucketName>,
    grantee: &str,
) -> Result<(), Failure> {
    let Some(target) = target else { return Ok(()) };
    match app.store.head_bucket(&ask.caller, target).await {
        Ok(info) if info.owner.as_str() == grantee => Ok(()),
        // Without the bucket there is more to say than that.
        Err(pipeline::StoreError::Refused(domain::Refusal::NoSuchBucket)) => Ok(()),
        Ok(_) => Err(DoorError::NotImplemented { what: "TargetGrants" }.into()),
        Err(error) => Err(error.into()),
    }
}

fn asked(body: &[u8]) -> Result<Option<Asked>, Failure> {
    let root = xml::parse(body, "BucketLoggingStatus")?;
    let Some(enabled) = root.child("LoggingEnabled")? else { return Ok(None) };
    let text = |name| enabled.child_text(name).and_then(|text| text.ok_or(xml::Malformed));
    let target = bucket_name(text("TargetBucket")?.trim())?;
    let prefix = text("TargetPrefix")?.to_owned();
    let key_format = key_format(enabled.child("TargetObjectKeyFormat")?)?;
    Ok(Some(Asked { logging: Logging { target, prefix, key_format }, grantee: grantee(enabled)? }))
}

fn key_format(element: Option<&Element>) -> Result<LogKeyFormat, Failure> {
    let Some(element) = element else { return Ok(LogKeyFormat::Simple) };
    let partitioned = element.child("PartitionedPrefix")?;
    match (element.child("SimplePrefix")?, partitioned) {
        (Some(_), None) => Ok(LogKeyFormat::Simple),
        (None, Some(partitioned)) => match partitioned.child_text("PartitionDateSource")?.map(str::trim) {
            Some("EventTime") => Ok(LogKeyFormat::PartitionedByEventTime),
            Some("DeliveryTime") => Ok(LogKeyFormat::PartitionedByDeliveryTime),
            _ => Err(DoorError::MalformedXml.into()),
        },
        _ => Err(DoorError::MalformedXml.into()),
    }
}

/// The user who gets full control. Grants of anything less, to several, or to groups are not done.
fn grantee(enabled: &Element) -> Result<Option<String>, Failure> {
    let grants = enabled.child("TargetGrants")?.map(|grants| grants.children.as_slice()).unwrap_or_default();
    let absent = || Failure::from(DoorError::NotImplemented { what: "TargetGrants" });
    match grants {
        [] => Ok(None),
        [grant] if grant.name == "Grant" => {
            let permission = grant.child_text("Permission")?.ok_or(DoorError::MalformedXml)?;
            let grantee = grant.child("Grantee")?.ok_or(DoorError::MalformedXml)?;
            match (permission.trim(), grantee.child_text("ID")?) {
                ("FULL_CONTROL", Some(id)) => Ok(Some(id.trim().to_owned())),
                ("FULL_CONTROL" | "READ" | "WRITE", _) => Err(absent()),
                _ => Err(DoorError::MalformedXml.into()),
            }
        }
        grants if grants.iter().all(|grant| grant.name == "Grant") => Err(absent()),
        _ => Err(DoorError::MalformedXml.into()),
    }
}

fn status_xml(logging: Option<&Logging>) -> String {
    Xml::document("BucketLoggingStatus", |xml| {
        let Some(logging) = logging else { return };
        xml.group("LoggingEnabled", |xml| {
            xml.text("TargetBucket", logging.target.as_str());
            xml.text("TargetPrefix", &logging.prefix);
            xml.group("TargetObjectKeyFormat", |xml| {
                let partitioned = match logging.key_format {
                    LogKeyFormat::Simple => return xml.group("SimplePrefix", |_| {}),
                    LogKeyFormat::PartitionedByEventTime => "EventTime",
                    LogKeyFormat::PartitionedByDeliveryTime => "DeliveryTime",
                };
                xml.group("PartitionedPrefix", |xml| xml.text("PartitionDateSource", partitioned));
            });
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(inner: &str) -> Result<Option<Asked>, &'static str> {
        let inner = format!("<TargetBucket>logs</TargetBucket><TargetPrefix>log/</TargetPrefix>{inner}");
        let body = format!("<BucketLoggingStatus><LoggingEnabled>{inner}</LoggingEnabled></BucketLoggingStatus>");
        asked(body.as_bytes()).map_err(|failure| failure.describe().code)
    }

    fn partitioned(source: &str) -> String {
        let source = format!("<PartitionDateSource>{source}</PartitionDateSource>");
        format!("<TargetObjectKeyFormat><PartitionedPrefix>{source}</PartitionedPrefix></TargetObjectKeyFormat>")
    }

    #[test]
    fn a_log_is_shown_as_it_was_read() {
        let mut shown = vec![status_xml(None)];
        for (inner, key_format) in [
            (String::new(), LogKeyFormat::Simple),
            ("<TargetObjectKeyFormat><SimplePrefix/></TargetObjectKeyFormat>".into(), LogKeyFormat::Simple),
            (partitioned("EventTime"), LogKeyFormat::PartitionedByEventTime),
            (partitioned("DeliveryTime"), LogKeyFormat::PartitionedByDeliveryTime),
        ] {
            let asked_for = read(&inner).expect("a log").expect("one that goes somewhere");
            assert_eq!((asked_for.logging.key_format, &asked_for.grantee), (key_format, &None));
            let document = status_xml(Some(&asked_for.logging));
            let again = asked(document.as_bytes()).expect("a log").expect("one that goes somewhere");
            assert_eq!(again, asked_for);
            shown.push(document);
        }
        insta::assert_snapshot!(shown.join("\n"));
        assert!(matches!(asked(b"<BucketLoggingStatus/>"), Ok(None)));
    }

    #[test]
    fn what_is_no_log() {
        for (inner, code) in [
            (partitioned("kaboom"), "MalformedXML"),
            ("<TargetObjectKeyFormat/>".into(), "MalformedXML"),
            ("<TargetPrefix>twice/</TargetPrefix>".into(), "MalformedXML"),
        ] {
            assert_eq!(read(&inner), Err(code), "{inner}");
        }
        for body in [
            "<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket></LoggingEnabled></BucketLoggingStatus>",
            "",
        ] {
            assert!(asked(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn grants_are_of_full_control_to_one_user() {
        let grant = |grantee: &str, permission: &str| {
            let grant = format!("<Grantee>{grantee}</Grantee><Permission>{permission}</Permission>");
            format!("<Grant>{grant}</Grant>")
        };
        let granted = |grants: &str| {
            let asked = read(&format!("<TargetGrants>{grants}</TargetGrants>"));
            asked.map(|asked| asked.expect("a log").grantee)
        };
        let ann = grant("<ID>ann</ID><DisplayName>Ann</DisplayName>", "FULL_CONTROL");
        assert_eq!(granted(&ann), Ok(Some("ann".into())));
        assert_eq!(granted(""), Ok(None));
        for grants in [
            format!("{ann}{ann}"),
            grant("<ID>ann</ID>", "READ"),
            grant("<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>", "FULL_CONTROL"),
        ] {
            assert_eq!(granted(&grants), Err("NotImplemented"), "{grants}");
        }
        assert_eq!(granted(&grant("<ID>ann</ID>", "EVERYTHING")), Err("MalformedXML"));
        assert_eq!(granted("<Grant/>"), Err("MalformedXML"));
    }
}
