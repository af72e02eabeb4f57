//! Tags of objects and buckets.
//!
//! Owns: their XML. Does not own: how many there may be and what they may be called (domain).

use std::collections::BTreeMap;

use axum::response::Response;
use domain::bucket_setting::Configuration;
use http::StatusCode;
use pipeline::ObjectVersion;
use schemas::action::Action;
use schemas::event::{Event, Setting};

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::object_read::asked_version;
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Xml};

fn asked(ask: &Ask) -> Result<ObjectVersion, DoorError> {
    Ok(ObjectVersion { bucket: ask.bucket(), key: ask.key(), version: asked_version(&ask.query)? })
}

pub(crate) async fn of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let found = app.store.object_tags(&ask.caller, asked(ask)?).await?;
    let mut response = answer::xml(tags_xml(&found.tags));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

pub(crate) async fn set_of_object(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let version = asked(ask)?;
    let tags = asked_tags(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?;
    let amended = app.store.set_object_tags(&ask.caller, version, tags).await?;
    let mut response = answer::empty(StatusCode::OK);
    answer::version(response.headers_mut(), answer::VERSION_ID, amended.version);
    answer::position(response.headers_mut(), amended.position);
    Ok(response)
}

pub(crate) async fn remove_of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let amended = app.store.remove_object_tags(&ask.caller, asked(ask)?).await?;
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    answer::version(response.headers_mut(), answer::VERSION_ID, amended.version);
    answer::position(response.headers_mut(), amended.position);
    Ok(response)
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
    let mut response = answer::empty(StatusCode::NO_CONTENT);
    answer::position(response.headers_mut(), position);
    Ok(response)
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
        let (Some(name), Some(value)) = (tag.child_text("Key")?, tag.child_text("Value")?) else {
            return Err(DoorError::MalformedXml.into());
        };
        if tag.name != "Tag" {
            return Err(DoorError::MalformedXml.into());
        }
        if tags.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(DoorError::InvalidTag { reason: "Cannot provide multiple Tags with the same key" }.into());
        }
    }
    Ok(tags)
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
