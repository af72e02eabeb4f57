//! Tags of objects and buckets.
//!
//! Owns: their XML. Does not own: how many there may be and what they may be called (domain).

use std::collections::BTreeMap;

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::StatusCode;
use schemas::action::Action;
use schemas::event::{Event, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Element, Malformed, Xml};

pub(crate) async fn of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let found = app.store.object_tags(&ask.caller, ask.object_version()?).await?;
    let mut response = answer::xml(tags_xml(&found.tags));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

pub(crate) async fn set_of_object(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let version = ask.object_version()?;
    let tags = asked_tags(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    let amended = app.store.set_object_tags(&ask.caller, version, tags).await?;
    Ok(answer::amended(StatusCode::OK, &amended))
}

pub(crate) async fn remove_of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let amended = app.store.remove_object_tags(&ask.caller, ask.object_version()?).await?;
    Ok(answer::amended(StatusCode::NO_CONTENT, &amended))
}

pub(crate) async fn of_bucket(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let (action, setting) = (Action::GetBucketTagging, Setting::Tagging);
    let set = app.store.bucket_setting(&ask.caller, &ask.bucket(), action, setting).await?;
    match set.as_deref() {
        Some(Event::BucketTaggingSet(set)) => Ok(answer::xml(tags_xml(set.tags.as_ref().unwrap_or(&BTreeMap::new())))),
        _ => Err(DoorError::NotConfigured { code: "NoSuchTagSet", message: "The TagSet does not exist" }.into()),
    }
}

pub(crate) async fn set_of_bucket(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let tags = asked_tags(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    configure(app, ask, Some(tags)).await
}

pub(crate) async fn remove_of_bucket(app: &App, ask: &Ask) -> Result<Response, Failure> {
    configure(app, ask, None).await
}

/// AWS checks the same action for both.
async fn configure(app: &App, ask: &Ask, tags: Option<BTreeMap<String, String>>) -> Result<Response, Failure> {
    let (action, configuration) = (Action::PutBucketTagging, Configuration::Tagging(tags));
    let position = app.store.configure_bucket(&ask.caller, &ask.bucket(), action, configuration).await?;
    Ok(answer::changed(StatusCode::NO_CONTENT, position))
}

fn tags_xml(tags: &BTreeMap<String, String>) -> String {
    Xml::document("Tagging", |xml| {
        xml.group("TagSet", |xml| {
            for (name, value) in tags {
                xml.group("Tag", |xml| {
                    xml.text("Key", name);
                    xml.text("Value", value);
                });
            }
        });
    })
}

/// The tags of a document.
///
/// # Errors
/// It is no such document, or names a tag twice.
pub(crate) fn asked_tags(body: &[u8]) -> Result<BTreeMap<String, String>, Failure> {
    let root = xml::parse(body, "Tagging")?;
    let set = root.child("TagSet")?.ok_or(DoorError::MalformedXml)?;
    let mut tags = BTreeMap::new();
    for tag in &set.children {
        let (name, value) = asked_tag(tag)?;
        if tags.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(DoorError::InvalidTag { reason: "Cannot provide multiple Tags with the same key" }.into());
        }
    }
    Ok(tags)
}

/// Key and value of a `Tag`.
pub(crate) fn asked_tag(tag: &Element) -> Result<(&str, &str), Malformed> {
    match (tag.name.as_str(), tag.child_text("Key")?, tag.child_text("Value")?) {
        ("Tag", Some(key), Some(value)) => Ok((key, value)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_none() {
        let tags: BTreeMap<_, _> = [("a & b".to_owned(), "1".to_owned()), ("empty".to_owned(), String::new())].into();
        insta::assert_snapshot!(tags_xml(&tags));
        insta::assert_snapshot!(tags_xml(&[].into()));
        for tags in [tags, [].into()] {
            assert_eq!(asked_tags(tags_xml(&tags).as_bytes()).expect("reads"), tags);
        }
    }

    #[test]
    fn documents_that_have_no_tags() {
        let code = |inner: &str| {
            let body = format!("<Tagging>{inner}</Tagging>");
            asked_tags(body.as_bytes()).map(|_| ()).map_err(|failure| failure.describe().code)
        };
        let tag = "<Tag><Key>a</Key><Value>1</Value></Tag>";
        assert_eq!(code(&format!("<TagSet>{tag}</TagSet>")), Ok(()));
        assert_eq!(code(&format!("<TagSet>{tag}{tag}</TagSet>")), Err("InvalidTag"));
        for inner in [
            "",
            tag,
            "<TagSet/><TagSet/>",
            "<TagSet><Tag><Key>a</Key></Tag></TagSet>",
            "<TagSet><Tag><Value>a</Value></Tag></TagSet>",
            "<TagSet><Other><Key>a</Key><Value>1</Value></Other></TagSet>",
        ] {
            assert_eq!(code(inner), Err("MalformedXML"), "{inner}");
        }
    }
}
