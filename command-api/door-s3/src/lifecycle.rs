//! PutBucketLifecycleConfiguration, the get and delete of it, and what answers announce of rules.
//!
//! Owns: the XML of rules, in the newer and the older form; the headers that tell when something goes.
//! Does not own: which rules are valid beyond their shape, and what they do (domain).

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::Expiry;
use schemas::Time;
use schemas::action::Action;
use schemas::event::{Event, Setting};
use schemas::lifecycle::{Conditions, Expiration, NoncurrentExpiration, Rule, Scope};

use crate::answer::{self, http_date, text_value};
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::{storage_class_named, text_of};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::tagging::asked_tag;
use crate::xml::{self, Element, Xml, timestamp, url_encoded};

/// Objects under 128 KiB are not moved to other classes. Nothing is moved here, so it is as true as any.
const MINIMUM_HEADER: &str = "x-amz-transition-default-minimum-object-size";
const MINIMUM: HeaderName = HeaderName::from_static(MINIMUM_HEADER);
const MINIMUM_DEFAULT: &str = "all_storage_classes_128K";

pub(crate) async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let action = Action::GetLifecycleConfiguration;
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), action, Setting::Lifecycle).await?;
    let rules = match set.as_deref() {
        Some(Event::BucketLifecycleSet(set)) => set.rules.as_deref(),
        _ => None,
    };
    let absent = DoorError::NotConfigured {
        code: "NoSuchLifecycleConfiguration",
        message: "The lifecycle configuration does not exist",
    };
    let mut response = answer::xml(rules_xml(rules.ok_or(absent)?));
    response.headers_mut().insert(MINIMUM, HeaderValue::from_static(MINIMUM_DEFAULT));
    Ok(response)
}

pub(crate) async fn put(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    minimum(&ask.headers)?;
    let rules = asked(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    let mut response = configure(app, ask, Some(rules), StatusCode::OK).await?;
    response.headers_mut().insert(MINIMUM, HeaderValue::from_static(MINIMUM_DEFAULT));
    Ok(response)
}

/// Removing what is not there is no error.
pub(crate) async fn delete(app: &App, ask: &Ask) -> Result<Response, Failure> {
    configure(app, ask, None, StatusCode::NO_CONTENT).await
}

async fn configure(app: &App, ask: &Ask, rules: Option<Vec<Rule>>, status: StatusCode) -> Result<Response, Failure> {
    let action = Action::PutLifecycleConfiguration;
    let configuration = Configuration::Lifecycle(rules);
    let position = app.store.configure_bucket(&ask.caller, &ask.bucket(), action, configuration).await?;
    Ok(answer::changed(status, position))
}

/// `x-amz-expiration`.
pub(crate) fn announce_expiry(headers: &mut HeaderMap, expiry: Option<&Expiry>) {
    if let Some(Expiry { at, rule }) = expiry {
        let at = http_date(*at);
        let at = at.to_str().unwrap_or_default();
        let value = text_value(format_args!("expiry-date=\"{at}\", rule-id=\"{}\"", url_encoded(rule)));
        headers.insert(HeaderName::from_static("x-amz-expiration"), value);
    }
}

/// `x-amz-abort-date` and `x-amz-abort-rule-id`.
pub(crate) fn announce_abort(headers: &mut HeaderMap, abort: Option<&Expiry>) {
    if let Some(Expiry { at, rule }) = abort {
        headers.insert(HeaderName::from_static("x-amz-abort-date"), http_date(*at));
        headers.insert(HeaderName::from_static("x-amz-abort-rule-id"), text_value(url_encoded(rule)));
    }
}

fn minimum(headers: &HeaderMap) -> Result<(), DoorError> {
    match text_of(headers, MINIMUM.as_str()).as_deref() {
        None | Some(MINIMUM_DEFAULT) => Ok(()),
        Some("varies_by_storage_class") => Err(DoorError::NotImplemented { what: MINIMUM_HEADER }),
        Some(_) => Err(DoorError::InvalidArgument { name: MINIMUM_HEADER, reason: "Invalid value" }),
    }
}

fn asked(body: &[u8]) -> Result<Vec<Rule>, DoorError> {
    let root = xml::parse(body, "LifecycleConfiguration")?;
    known(&root, &["Rule"])?;
    let rules: Vec<Rule> = root.children.iter().map(rule).collect::<Result<_, _>>()?;
    if rules.is_empty() || rules.len() > domain::lifecycle::RULES_MAX {
        return Err(DoorError::MalformedXml);
    }
    Ok(rules)
}

/// What this door does not read must not be there: it would have no effect.
fn known(element: &Element, names: &[&str]) -> Result<(), DoorError> {
    let all = element.children.iter().all(|child| names.contains(&child.name.as_str()));
    if all { Ok(()) } else { Err(DoorError::MalformedXml) }
}

fn rule(element: &Element) -> Result<Rule, DoorError> {
    known(
        element,
        &[
            "ID",
            "Prefix",
            "Filter",
            "Status",
            "Expiration",
            "NoncurrentVersionExpiration",
            "AbortIncompleteMultipartUpload",
            "Transition",
            "NoncurrentVersionTransition",
        ],
    )?;
    let disabled = match element.child_text("Status")? {
        Some("Enabled") => false,
        Some("Disabled") => true,
        _ => return Err(DoorError::MalformedXml),
    };
    let prefix = element.child_text("Prefix")?;
    let scope = match (prefix, element.child("Filter")?) {
        (Some(prefix), None) => Scope::Prefix(prefix.to_owned()),
        (None, Some(filter)) => self::filter(filter)?,
        _ => return Err(DoorError::MalformedXml),
    };
    let rule = Rule {
        id: element.child_text("ID")?.unwrap_or_default().to_owned(),
        disabled,
        scope,
        expiration: element.child("Expiration")?.map(expiration).transpose()?.flatten(),
        noncurrent: element.child("NoncurrentVersionExpiration")?.map(noncurrent).transpose()?,
        abort_incomplete_days: element
            .child("AbortIncompleteMultipartUpload")?
            .map(|abort| required_days(abort, "DaysAfterInitiation"))
            .transpose()?,
    };
    transitions(element)?;
    Ok(rule)
}

/// Objects are all stored alike, so moving one to another class would have no effect.
fn transitions(rule: &Element) -> Result<(), DoorError> {
    let of_rule = |child: &&Element| matches!(child.name.as_str(), "Transition" | "NoncurrentVersionTransition");
    let Some(transition) = rule.children.iter().find(of_rule) else { return Ok(()) };
    if let Some(text) = transition.child_text("Date")?
        && !domain::lifecycle::Day::is_midnight(date(text)?)
    {
        return Err(DoorError::InvalidArgument { name: "Date", reason: "'Date' must be at midnight GMT" });
    }
    storage_class_named(transition.child_text("StorageClass")?.unwrap_or_default().trim())?;
    Err(DoorError::NotImplemented { what: "Transition" })
}

fn filter(element: &Element) -> Result<Scope, DoorError> {
    let and = match element.child("And")? {
        Some(and) => {
            known(and, &["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"])?;
            let and = conditions(and)?;
            if and.is_empty() {
                return Err(DoorError::MalformedXml);
            }
            and
        }
        None => Conditions::default(),
    };
    known(element, &["Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan", "And"])?;
    element.child("Tag")?;
    Ok(Scope::Filter { direct: conditions(element)?, and })
}

fn conditions(element: &Element) -> Result<Conditions, DoorError> {
    let mut conditions = Conditions {
        prefix: element.child_text("Prefix")?.map(str::to_owned),
        size_greater_than: bytes(element, "ObjectSizeGreaterThan")?,
        size_less_than: bytes(element, "ObjectSizeLessThan")?,
        ..Conditions::default()
    };
    for tag in element.children.iter().filter(|child| child.name == "Tag") {
        let (key, value) = asked_tag(tag)?;
        if conditions.tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(DoorError::InvalidRequest { reason: "Duplicate Tag Keys are not allowed." });
        }
    }
    Ok(conditions)
}

/// One of the three. A marker that is not to be removed is no action.
fn expiration(element: &Element) -> Result<Option<Expiration>, DoorError> {
    known(element, &["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    let date = element.child_text("Date")?.map(date).transpose()?;
    let marker = match element.child_text("ExpiredObjectDeleteMarker")?.map(str::trim) {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return Err(DoorError::MalformedXml),
    };
    match (days(element, "Days")?, date, marker) {
        (Some(days), None, None) => Ok(Some(Expiration::Days(days))),
        (None, Some(date), None) => Ok(Some(Expiration::Date(date))),
        (None, None, Some(marker)) => Ok(marker.then_some(Expiration::DeleteMarker)),
        _ => Err(DoorError::MalformedXml),
    }
}

fn noncurrent(element: &Element) -> Result<NoncurrentExpiration, DoorError> {
    known(element, &["NoncurrentDays", "NewerNoncurrentVersions"])?;
    let newer_versions = days(element, "NewerNoncurrentVersions")?;
    Ok(NoncurrentExpiration { days: required_days(element, "NoncurrentDays")?, newer_versions })
}

fn required_days(element: &Element, name: &'static str) -> Result<u32, DoorError> {
    days(element, name)?.ok_or(DoorError::MalformedXml)
}

/// A number of days or versions. Which are too few or too many is the domain's to say.
fn days(element: &Element, name: &'static str) -> Result<Option<u32>, DoorError> {
    let Some(text) = element.child_text(name)? else { return Ok(None) };
    let number: i64 = text.trim().parse().map_err(|_| DoorError::MalformedXml)?;
    let reason = "The value must be a positive integer";
    u32::try_from(number).map(Some).map_err(|_| DoorError::InvalidArgument { name, reason })
}

fn bytes(element: &Element, name: &'static str) -> Result<Option<u64>, DoorError> {
    let text = element.child_text(name)?;
    text.map(|text| text.trim().parse().map_err(|_| DoorError::MalformedXml)).transpose()
}

/// ISO 8601: a moment, or a day, which is its midnight.
fn date(text: &str) -> Result<Time, DoorError> {
    let text = text.trim();
    let moment = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let moment: jiff::Timestamp = moment.parse().map_err(|_| DoorError::MalformedXml)?;
    let reason = "The date must not be before 1970";
    u64::try_from(moment.as_microsecond()).map(Time).map_err(|_| DoorError::InvalidArgument { name: "Date", reason })
}

fn rules_xml(rules: &[Rule]) -> String {
    Xml::document("LifecycleConfiguration", |xml| {
        for rule in rules {
            xml.group("Rule", |xml| rule_xml(xml, rule));
        }
    })
}

fn rule_xml(xml: &mut Xml, rule: &Rule) {
    xml.text("ID", &rule.id);
    match &rule.scope {
        Scope::Prefix(prefix) => xml.text("Prefix", prefix),
        Scope::Filter { direct, and } => xml.group("Filter", |xml| {
            conditions_xml(xml, direct);
            if !and.is_empty() {
                xml.group("And", |xml| conditions_xml(xml, and));
            }
        }),
    }
    xml.text("Status", if rule.disabled { "Disabled" } else { "Enabled" });
    if let Some(expiration) = rule.expiration {
        xml.group("Expiration", |xml| match expiration {
            Expiration::Days(days) => xml.value("Days", days),
            Expiration::Date(date) => xml.text("Date", &timestamp(date)),
            Expiration::DeleteMarker => xml.text("ExpiredObjectDeleteMarker", "true"),
        });
    }
    if let Some(noncurrent) = rule.noncurrent {
        xml.group("NoncurrentVersionExpiration", |xml| {
            xml.value("NoncurrentDays", noncurrent.days);
            xml.optional("NewerNoncurrentVersions", noncurrent.newer_versions);
        });
    }
    if let Some(days) = rule.abort_incomplete_days {
        xml.group("AbortIncompleteMultipartUpload", |xml| xml.value("DaysAfterInitiation", days));
    }
}

fn conditions_xml(xml: &mut Xml, conditions: &Conditions) {
    xml.optional("Prefix", conditions.prefix.as_deref());
    for (name, value) in &conditions.tags {
        xml.group("Tag", |xml| {
            xml.text("Key", name);
            xml.text("Value", value);
        });
    }
    xml.optional("ObjectSizeGreaterThan", conditions.size_greater_than);
    xml.optional("ObjectSizeLessThan", conditions.size_less_than);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(rules: &str) -> String {
        format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>")
    }

    fn one(inner: &str) -> Result<Rule, DoorError> {
        asked(document(&format!("<Rule>{inner}</Rule>")).as_bytes()).map(|mut rules| rules.remove(0))
    }

    const REST: &str = "<Prefix>logs/</Prefix><Status>Enabled</Status>";
    const DAYS: &str = "<Expiration><Days>3</Days></Expiration><Status>Enabled</Status>";

    #[test]
    fn a_configuration_reads_back_as_it_was_written() {
        let text = document(
            "<Rule><ID>a &amp; b</ID><Prefix> logs/é</Prefix><Status>Disabled</Status><Expiration><Days>3</Days></Expiration>\
             <AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>\
             </Rule>\
             <Rule><ID>all</ID><Filter></Filter><Status>Enabled</Status>\
             <Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>\
             <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
             <NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>\
             <Rule><ID>some</ID><Filter><Prefix></Prefix><And><Prefix>a</Prefix><Tag><Key>k</Key><Value></Value></Tag>\
             <Tag><Key>l</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>\
             <ObjectSizeLessThan>10</ObjectSizeLessThan></And></Filter><Status>Enabled</Status>\
             <Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>",
        );
        let written = rules_xml(&asked(text.as_bytes()).expect("rules"));
        let namespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
        let shown = written.split_once('\n').expect("a declaration").1.replace(namespace, "");
        assert_eq!(shown, text);
    }

    #[test]
    fn dates_are_moments_or_days() {
        let read = |text: &str| one(&format!("{REST}<Expiration><Date>{text}</Date></Expiration>"));
        let midnight = Some(Expiration::Date(Time(1_506_470_400_000_000)));
        for text in ["2017-09-27", "2017-09-27T00:00:00Z", "2017-09-27T00:00:00.000Z", "2017-09-27T02:00:00+02:00"] {
            assert_eq!(read(text).map(|rule| rule.expiration), Ok(midnight), "{text}");
        }
        let later = Some(Expiration::Date(Time(1_506_470_401_000_000)));
        assert_eq!(read("2017-09-27T00:00:01Z").map(|rule| rule.expiration), Ok(later));
        assert_eq!(read("20170927"), Err(DoorError::MalformedXml));
        assert!(matches!(read("1969-12-31"), Err(DoorError::InvalidArgument { .. })));
    }

    #[test]
    fn what_has_another_shape_is_malformed() {
        let expiring = |inner: &str| format!("{REST}<Expiration>{inner}</Expiration>");
        for inner in [
            "<Prefix/><Expiration><Days>3</Days></Expiration>".to_owned(),
            format!("<Prefix/>{}", DAYS.replace("Enabled", "enabled")),
            DAYS.to_owned(),
            format!("<Prefix/><Filter/>{DAYS}"),
            format!("<Prefix/><Prefix/>{DAYS}"),
            format!("<Prefix/><Unknown/>{DAYS}"),
            format!("<Filter><And/></Filter>{DAYS}"),
            format!("<Filter><Unknown/></Filter>{DAYS}"),
            format!("<Filter><Tag><Key>k</Key></Tag></Filter>{DAYS}"),
            format!("<Filter><Tag><Key>k</Key><Value/></Tag><Tag><Key>l</Key><Value/></Tag></Filter>{DAYS}"),
            format!("<Filter><ObjectSizeLessThan>-1</ObjectSizeLessThan></Filter>{DAYS}"),
            expiring(""),
            expiring("<Days>3</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>"),
            expiring("<Days>3</Days><Date>2030-01-01</Date>"),
            expiring("<Days>three</Days>"),
            expiring("<ExpiredObjectDeleteMarker>yes</ExpiredObjectDeleteMarker>"),
            format!("{REST}<NoncurrentVersionExpiration/>"),
            format!("{REST}<AbortIncompleteMultipartUpload/>"),
        ] {
            assert_eq!(one(&inner), Err(DoorError::MalformedXml), "{inner}");
        }
        assert_eq!(asked(document("").as_bytes()), Err(DoorError::MalformedXml));
        let many = format!("<Rule><Prefix/>{DAYS}</Rule>").repeat(1_001);
        assert_eq!(asked(document(&many).as_bytes()), Err(DoorError::MalformedXml));
        let negative = one(&expiring("<Days>-1</Days>"));
        assert!(matches!(negative, Err(DoorError::InvalidArgument { name: "Days", .. })), "{negative:?}");
        let twice = "<Tag><Key>k</Key><Value/></Tag>".repeat(2);
        let twice = one(&format!("<Filter><And>{twice}</And></Filter>{DAYS}"));
        assert!(matches!(twice, Err(DoorError::InvalidRequest { .. })), "{twice:?}");
    }

    #[test]
    fn a_marker_that_is_not_to_go_is_no_action() {
        let inner = "<Expiration><ExpiredObjectDeleteMarker>false</ExpiredObjectDeleteMarker></Expiration>";
        assert_eq!(one(&format!("{REST}{inner}")).map(|rule| rule.expiration), Ok(None));
    }

    #[test]
    fn transitions_would_have_no_effect() {
        let with = |inner: &str| {
            let transition = format!("<Transition>{inner}</Transition>");
            one(&format!("<Prefix/>{DAYS}{transition}")).expect_err("is refused").describe().code
        };
        assert_eq!(with("<Days>1</Days><StorageClass>STANDARD_IA</StorageClass>"), "NotImplemented");
        assert_eq!(with("<Days>1</Days><StorageClass>GLACIER</StorageClass>"), "InvalidStorageClass");
        assert_eq!(with("<Date>1970-08-22T19:08:21Z</Date><StorageClass>GLACIER</StorageClass>"), "InvalidArgument");
        assert_eq!(with("<Date>soon</Date><StorageClass>GLACIER</StorageClass>"), "MalformedXML");
    }

    #[test]
    fn what_is_announced() {
        let expiry = Expiry { at: Time(1_506_470_400_000_000), rule: "a b\"é".to_owned() };
        let mut response = answer::empty(StatusCode::OK);
        announce_expiry(response.headers_mut(), Some(&expiry));
        announce_abort(response.headers_mut(), Some(&expiry));
        insta::assert_snapshot!(crate::testing::head(&response));
        let mut response = answer::empty(StatusCode::OK);
        announce_expiry(response.headers_mut(), None);
        announce_abort(response.headers_mut(), None);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn the_smallest_object_that_moves_is_as_it_is() {
        let asked = |value: &str| {
            let ask = crate::testing::ask("PUT /bucket?lifecycle", &[(MINIMUM_HEADER, value)]);
            minimum(&ask.headers).map_err(|error| error.describe().code)
        };
        assert_eq!(asked("all_storage_classes_128K"), Ok(()));
        assert_eq!(asked("varies_by_storage_class"), Err("NotImplemented"));
        assert_eq!(asked("none"), Err("InvalidArgument"));
    }
}
