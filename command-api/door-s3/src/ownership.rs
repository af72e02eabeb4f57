//! Ownership controls of a bucket: who owns what is uploaded, and whether there are ACLs.
//!
//! Owns: their forms on the wire. Does not own: when they may be set (domain).

use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use schemas::action::Action;
use schemas::event::ObjectOwnership;

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::headers::text_of;
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;
use crate::xml::{self, Xml};

const NAMES: [(&str, ObjectOwnership); 3] = [
    ("BucketOwnerEnforced", ObjectOwnership::BucketOwnerEnforced),
    ("BucketOwnerPreferred", ObjectOwnership::BucketOwnerPreferred),
    ("ObjectWriter", ObjectOwnership::ObjectWriter),
];

/// What is asked of ownership controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controls {
    Get,
    Put,
    Delete,
}

impl Controls {
    pub(crate) fn parse(method: &Method) -> Option<Self> {
        match method.as_str() {
            "GET" => Some(Self::Get),
            "PUT" => Some(Self::Put),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

pub(crate) async fn of_bucket(app: &App, ask: &Ask, controls: Controls, payload: Payload) -> Result<Response, Failure> {
    let (ownership, status) = match controls {
        Controls::Get => return get(app, ask).await,
        Controls::Put => (Some(asked(&payload.read(&ask.headers, XML_BYTES_MAX).await?)?), StatusCode::OK),
        Controls::Delete => (None, StatusCode::NO_CONTENT),
    };
    let position = app.store.set_bucket_ownership(&ask.caller, &ask.bucket(), ownership).await?;
    Ok(answer::changed(status, position))
}

async fn get(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let action = Action::GetBucketOwnershipControls;
    let bucket = app.store.get_bucket(&ask.caller, &ask.bucket(), None, action).await?;
    if !bucket.has_ownership_controls {
        let message = "The bucket ownership controls were not found";
        return Err(DoorError::NotConfigured { code: "OwnershipControlsNotFoundError", message }.into());
    }
    Ok(answer::xml(document(bucket.ownership)))
}

fn document(ownership: ObjectOwnership) -> String {
    let name = NAMES.iter().find(|(_, other)| *other == ownership).map_or("", |(name, _)| name);
    Xml::document("OwnershipControls", |xml| xml.group("Rule", |xml| xml.text("ObjectOwnership", name)))
}

/// # Errors
/// There is not exactly one rule that says one of the three.
fn asked(body: &[u8]) -> Result<ObjectOwnership, Failure> {
    let root = xml::parse(body, "OwnershipControls")?;
    let rule = root.child("Rule")?.ok_or(DoorError::MalformedXml)?;
    let name = rule.child_text("ObjectOwnership")?.ok_or(DoorError::MalformedXml)?;
    Ok(parse(name.trim()).ok_or(DoorError::MalformedXml)?)
}

fn parse(name: &str) -> Option<ObjectOwnership> {
    NAMES.iter().find(|(other, _)| *other == name).map(|(_, ownership)| *ownership)
}

/// What a bucket is to be created with.
///
/// # Errors
/// There is no such ownership.
pub(crate) fn asked_of_new(headers: &HeaderMap) -> Result<Option<ObjectOwnership>, DoorError> {
    const NAME: &str = "x-amz-object-ownership";
    let invalid = DoorError::InvalidArgument { name: NAME, reason: "Invalid x-amz-object-ownership header" };
    text_of(headers, NAME).map(|text| parse(&text).ok_or(invalid)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_is_shown_can_be_set_again() {
        for (_, ownership) in NAMES {
            assert_eq!(asked(document(ownership).as_bytes()).expect("reads"), ownership);
        }
        insta::assert_snapshot!(document(ObjectOwnership::BucketOwnerPreferred));
    }

    #[test]
    fn what_says_no_ownership() {
        let rule = "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>";
        for inner in ["", "<Rule/>", &rule.replace("Writer", "Reader"), &rule.repeat(2)] {
            let body = format!("<OwnershipControls>{inner}</OwnershipControls>");
            let code = asked(body.as_bytes()).map_err(|failure| failure.describe().code);
            assert_eq!(code, Err("MalformedXML"), "{inner}");
        }
    }

    #[test]
    fn what_a_new_bucket_is_asked_to_have() {
        let read = |value: &str| {
            let ask = testing::ask("PUT /bucket", &[("x-amz-object-ownership", value)]);
            asked_of_new(&ask.headers).map_err(|error| error.describe().code)
        };
        for (name, ownership) in NAMES {
            assert_eq!(read(name), Ok(Some(ownership)));
        }
        assert_eq!(read("Nobody"), Err("InvalidArgument"));
        assert_eq!(asked_of_new(&HeaderMap::new()), Ok(None));
    }
}
