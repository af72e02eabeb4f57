//! Object lock: the configuration of a bucket, retention and legal hold of a version.
//!
//! Owns: their XML. Does not own: what a lock allows (domain).

use axum::response::Response;
use http::StatusCode;
use schemas::action::Action;
use schemas::event::{DefaultRetention, Retention, RetentionMode, RetentionPeriod};

use domain::bucket_setting::Configuration;

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::{bypass_governance, legal_hold, retention_end};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Xml, timestamp};

pub(crate) async fn configuration(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let action = Action::GetBucketObjectLockConfiguration;
    let bucket = app.store.get_bucket(&ask.caller, &ask.bucket(), None, action).await?;
    if !bucket.object_lock {
        return Err(DoorError::NotConfigured {
            code: "ObjectLockConfigurationNotFoundError",
            message: "Object Lock configuration does not exist for this bucket",
        }
        .into());
    }
    Ok(answer::xml(configuration_xml(bucket.default_retention)))
}

fn configuration_xml(default: Option<DefaultRetention>) -> String {
    Xml::document("ObjectLockConfiguration", |xml| {
        xml.text("ObjectLockEnabled", "Enabled");
        let Some(default) = default else { return };
        xml.group("Rule", |xml| {
            xml.group("DefaultRetention", |xml| {
                xml.text("Mode", default.mode.as_str());
                match default.period {
                    RetentionPeriod::Days(days) => xml.value("Days", days),
                    RetentionPeriod::Years(years) => xml.value("Years", years),
                }
            });
        });
    })
}

pub(crate) async fn set_configuration(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    let configuration = Configuration::ObjectLock(asked_configuration(&body)?);
    let action = Action::PutBucketObjectLockConfiguration;
    let position = app.store.configure_bucket(&ask.caller, &ask.bucket(), action, configuration).await?;
    Ok(answer::changed(StatusCode::OK, position))
}

fn asked_configuration(body: &[u8]) -> Result<Option<DefaultRetention>, Failure> {
    let root = xml::parse(body, "ObjectLockConfiguration")?;
    if root.child_text("ObjectLockEnabled")?.map(str::trim) != Some("Enabled") {
        return Err(DoorError::MalformedXml.into());
    }
    let Some(rule) = root.child("Rule")? else { return Ok(None) };
    let default = rule.child("DefaultRetention")?.ok_or(DoorError::MalformedXml)?;
    let mode = asked_mode(default)?.ok_or(DoorError::MalformedXml)?;
    let number = |name| match default.child_text(name)?.map(|text| text.trim().parse::<i64>()) {
        None => Ok(None),
        // A number below or above all others is as wrong as itself: the decision says so.
        Some(Ok(number)) => Ok(Some(u32::try_from(number.max(0)).unwrap_or(u32::MAX))),
        Some(Err(_)) => Err(Failure::from(DoorError::MalformedXml)),
    };
    let period = match (number("Days")?, number("Years")?) {
        (Some(days), None) => RetentionPeriod::Days(days),
        (None, Some(years)) => RetentionPeriod::Years(years),
        _ => return Err(DoorError::MalformedXml.into()),
    };
    Ok(Some(DefaultRetention { mode, period }))
}

fn asked_mode(element: &Element) -> Result<Option<RetentionMode>, Failure> {
    let Some(text) = element.child_text("Mode")? else { return Ok(None) };
    Ok(Some(RetentionMode::parse(text.trim()).ok_or(DoorError::MalformedXml)?))
}

pub(crate) async fn retention(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let found = app.store.object_retention(&ask.caller, ask.object_version()?).await?;
    let mut response = answer::xml(retention_xml(found.retention));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

fn retention_xml(retention: Retention) -> String {
    Xml::document("Retention", |xml| {
        xml.text("Mode", retention.mode.as_str());
        xml.text("RetainUntilDate", &timestamp(retention.until));
    })
}

pub(crate) async fn set_retention(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let version = ask.object_version()?;
    let retention = asked_retention(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    let bypass = bypass_governance(&ask.headers);
    let amended = app.store.set_object_retention(&ask.caller, version, retention, bypass).await?;
    Ok(answer::amended(StatusCode::OK, &amended))
}

/// An empty element takes the retention off.
fn asked_retention(body: &[u8]) -> Result<Option<Retention>, Failure> {
    let root = xml::parse(body, "Retention")?;
    let until = root.child_text("RetainUntilDate")?.map(|text| retention_end(text).ok_or(DoorError::MalformedXml));
    match (asked_mode(&root)?, until.transpose()?) {
        (Some(mode), Some(until)) => Ok(Some(Retention { mode, until })),
        (None, None) => Ok(None),
        _ => Err(DoorError::MalformedXml.into()),
    }
}

pub(crate) async fn hold(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let found = app.store.object_legal_hold(&ask.caller, ask.object_version()?).await?;
    let mut response = answer::xml(hold_xml(found.on));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

fn hold_xml(on: bool) -> String {
    Xml::document("LegalHold", |xml| xml.text("Status", if on { "ON" } else { "OFF" }))
}

pub(crate) async fn set_hold(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let version = ask.object_version()?;
    let on = asked_hold(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    let amended = app.store.set_object_legal_hold(&ask.caller, version, on).await?;
    Ok(answer::amended(StatusCode::OK, &amended))
}

fn asked_hold(body: &[u8]) -> Result<bool, Failure> {
    let root = xml::parse(body, "LegalHold")?;
    let status = root.child_text("Status")?.ok_or(DoorError::MalformedXml)?;
    Ok(legal_hold(status.trim()).ok_or(DoorError::MalformedXml)?)
}

#[cfg(test)]
mod tests {
    use schemas::Time;

    use super::*;

    #[test]
    fn what_is_shown_reads_back() {
        let periods = [RetentionPeriod::Days(1), RetentionPeriod::Years(3)];
        for (mode, period) in RetentionMode::ALL.into_iter().flat_map(|mode| periods.map(|period| (mode, period))) {
            let default = Some(DefaultRetention { mode, period });
            assert_eq!(asked_configuration(configuration_xml(default).as_bytes()).expect("reads"), default);
        }
        assert_eq!(asked_configuration(configuration_xml(None).as_bytes()).expect("reads"), None);
        let retention = Retention { mode: RetentionMode::Governance, until: Time(1_893_456_000_123_000) };
        assert_eq!(asked_retention(retention_xml(retention).as_bytes()).expect("reads"), Some(retention));
        for on in [false, true] {
            assert_eq!(asked_hold(hold_xml(on).as_bytes()).expect("reads"), on);
        }
        let documents = [
            configuration_xml(Some(DefaultRetention {
                mode: RetentionMode::Governance,
                period: RetentionPeriod::Days(1),
            })),
            configuration_xml(None),
            retention_xml(retention),
            hold_xml(true),
        ];
        insta::assert_snapshot!(documents.join("\n"));
    }

    #[test]
    fn a_configuration_that_is_none() {
        let read = |inner: &str| {
            let body = format!("<ObjectLockConfiguration>{inner}</ObjectLockConfiguration>");
            asked_configuration(body.as_bytes()).map_err(|failure| failure.describe().code)
        };
        let rule = |inner: &str| {
            let rule = format!("<Rule><DefaultRetention>{inner}</DefaultRetention></Rule>");
            read(&format!("<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}"))
        };
        assert_eq!(read("<ObjectLockEnabled>Disabled</ObjectLockEnabled>"), Err("MalformedXML"));
        assert_eq!(read(""), Err("MalformedXML"));
        assert_eq!(read("<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule/>"), Err("MalformedXML"));
        for inner in [
            "<Mode>GOVERNANCE</Mode>",
            "<Days>1</Days>",
            "<Mode>governance</Mode><Days>1</Days>",
            "<Mode>GOVERNANCE</Mode><Days>one</Days>",
            "<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>",
        ] {
            assert_eq!(rule(inner), Err("MalformedXML"), "{inner}");
        }
        // Whether a number of days will do is not the door's to say.
        for (days, read) in [("-1", 0), ("0", 0), ("99999999999", u32::MAX)] {
            let period = rule(&format!("<Mode>GOVERNANCE</Mode><Days>{days}</Days>")).map(|it| it.map(|it| it.period));
            assert_eq!(period, Ok(Some(RetentionPeriod::Days(read))));
        }
    }

    #[test]
    fn a_retention_or_hold_that_is_none() {
        let retention = |inner: &str| {
            let body = format!("<Retention>{inner}</Retention>");
            asked_retention(body.as_bytes()).map_err(|failure| failure.describe().code)
        };
        assert_eq!(retention(""), Ok(None));
        for inner in [
            "<Mode>GOVERNANCE</Mode>",
            "<RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>abc</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate>",
            "<Mode>GOVERNANCE</Mode><RetainUntilDate>soon</RetainUntilDate>",
        ] {
            assert_eq!(retention(inner), Err("MalformedXML"), "{inner}");
        }
        for body in ["<LegalHold/>", "<LegalHold><Status>on</Status></LegalHold>", "<Hold/>", ""] {
            let code = asked_hold(body.as_bytes()).map_err(|failure| failure.describe().code);
            assert_eq!(code, Err("MalformedXML"), "{body}");
        }
    }
}
