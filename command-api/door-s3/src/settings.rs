//! What a bucket and its objects are set to, in words of configurations that cannot be changed yet.
//!
//! Owns: reading them. A bucket has no rules or policy while nothing can give it some: saying so is the whole truth, and
//! clients that look before they act get on. Does not own: changing them, which is refused with 501.

use axum::response::Response;
use http::StatusCode;
use pipeline::{BucketInfo, ObjectVersion};
use schemas::action::Action;
use schemas::event::ObjectOwnership;

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::object_read::asked_version;
use crate::service::App;
use crate::xml::Xml;

/// A configuration of a bucket that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    Acl,
    OwnershipControls,
}

impl Setting {
    const NAMES: [(&'static str, Self); 2] = [("acl", Self::Acl), ("ownershipControls", Self::OwnershipControls)];

    /// As a query names it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|(_, setting)| *setting)
    }

    fn action(self) -> Action {
        match self {
            Self::Acl => Action::GetBucketAcl,
            Self::OwnershipControls => Action::GetBucketOwnershipControls,
        }
    }

    /// # Errors
    /// S3's way to say that there is none.
    fn document(self, bucket: &BucketInfo) -> Result<String, DoorError> {
        match self {
            Self::Acl => Ok(owner_only(bucket.owner.as_str(), &bucket.owner_display_name)),
            Self::OwnershipControls => Ok(ownership(bucket.ownership)),
        }
    }
}

pub(crate) async fn of_bucket(app: &App, ask: &Ask, setting: Setting) -> Result<Response, Failure> {
    let bucket = app.store.get_bucket(&ask.caller, &ask.bucket(), None, setting.action()).await?;
    Ok(answer::xml(setting.document(&bucket)?))
}

pub(crate) async fn object_acl(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let request = ObjectVersion { bucket: ask.bucket(), key: ask.key(), version: asked_version(&ask.query)? };
    let found = app.store.object_owner(&ask.caller, request, Action::GetObjectAcl).await?;
    let mut response = answer::xml(owner_only(found.owner.as_str(), &found.display_name));
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

/// Setting an ACL to what it is. Anything else was refused before (`headers`), or is said in a body.
pub(crate) async fn put_bucket_acl(app: &App, ask: &Ask) -> Result<Response, Failure> {
    named_acl(ask)?;
    app.store.get_bucket(&ask.caller, &ask.bucket(), None, Action::PutBucketAcl).await?;
    Ok(answer::empty(StatusCode::OK))
}

/// The same of an object.
pub(crate) async fn put_object_acl(app: &App, ask: &Ask) -> Result<Response, Failure> {
    named_acl(ask)?;
    let request = ObjectVersion { bucket: ask.bucket(), key: ask.key(), version: asked_version(&ask.query)? };
    let found = app.store.object_owner(&ask.caller, request, Action::PutObjectAcl).await?;
    let mut response = answer::empty(StatusCode::OK);
    answer::version(response.headers_mut(), answer::VERSION_ID, found.version);
    Ok(response)
}

fn named_acl(ask: &Ask) -> Result<(), DoorError> {
    if ask.headers.contains_key("x-amz-acl") { Ok(()) } else { Err(DoorError::NotImplemented { what: "acl" }) }
}

/// An ACL that gives nothing to anybody but the owner: the only one there is while ACLs are off.
fn owner_only(owner: &str, display_name: &str) -> String {
    Xml::document("AccessControlPolicy", |xml| {
        xml.person("Owner", owner, display_name);
        xml.group("AccessControlList", |xml| {
            xml.group("Grant", |xml| {
                xml.grantee(owner, display_name);
                xml.text("Permission", "FULL_CONTROL");
            });
        });
    })
}

fn ownership(ownership: ObjectOwnership) -> String {
    Xml::document("OwnershipControls", |xml| {
        xml.group("Rule", |xml| {
            xml.text(
                "ObjectOwnership",
                match ownership {
                    ObjectOwnership::BucketOwnerEnforced => "BucketOwnerEnforced",
                    ObjectOwnership::BucketOwnerPreferred => "BucketOwnerPreferred",
                    ObjectOwnership::ObjectWriter => "ObjectWriter",
                },
            );
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn what_a_new_bucket_is_set_to() {
        let said = |(name, setting): (&str, Setting)| match setting.document(&testing::bucket("bucket")) {
            Ok(document) => format!("{name}: {document}"),
            Err(error) => {
                let described = error.describe();
                format!("{name}: {} {} {}", described.status.as_u16(), described.code, described.message)
            }
        };
        insta::assert_snapshot!(Setting::NAMES.map(said).join("\n"));
    }

    #[test]
    fn what_a_bucket_shows_that_was_created_otherwise() {
        let mut bucket = testing::bucket("bucket");
        bucket.ownership = ObjectOwnership::ObjectWriter;
        let shown = Setting::OwnershipControls.document(&bucket).expect("a document");
        assert!(shown.contains("<ObjectOwnership>ObjectWriter</ObjectOwnership>"), "{shown}");
    }

    #[test]
    fn an_acl_in_a_body_is_not_implemented() {
        assert!(named_acl(&testing::ask("PUT /bucket?acl", &[("x-amz-acl", "private")])).is_ok());
        assert!(matches!(named_acl(&testing::ask("PUT /bucket?acl", &[])), Err(DoorError::NotImplemented { .. })));
    }
}
