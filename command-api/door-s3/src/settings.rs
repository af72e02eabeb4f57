//! What a bucket and its objects are set to, in words of configurations that cannot be changed yet.
//!
//! Owns: reading them. A bucket has no tags, rules or policy while nothing can give it some: saying so is the whole truth, and
//! clients that look before they act get on. Does not own: changing them, which is refused with 501.

use axum::response::Response;
use http::StatusCode;
use pipeline::{BucketInfo, ObjectVersion};
use schemas::action::Action;
use schemas::event::{ObjectOwnership, Versioning};

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
    ObjectLock,
    OwnershipControls,
    Tagging,
}

impl Setting {
    const NAMES: [(&'static str, Self); 4] = [
        ("acl", Self::Acl),
        ("object-lock", Self::ObjectLock),
        ("ownershipControls", Self::OwnershipControls),
        ("tagging", Self::Tagging),
    ];

    /// As a query names it.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(other, _)| *other == name).map(|(_, setting)| *setting)
    }

    fn action(self) -> Action {
        match self {
            Self::Acl => Action::GetBucketAcl,
            Self::ObjectLock => Action::GetBucketObjectLockConfiguration,
            Self::OwnershipControls => Action::GetBucketOwnershipControls,
            Self::Tagging => Action::GetBucketTagging,
        }
    }

    /// # Errors
    /// S3's way to say that there is none.
    fn document(self, bucket: &BucketInfo) -> Result<String, DoorError> {
        match self {
            Self::Acl => Ok(owner_only(bucket.owner.as_str(), &bucket.owner_display_name)),
            Self::ObjectLock if bucket.object_lock => Ok(Xml::document("ObjectLockConfiguration", |xml| {
                xml.text("ObjectLockEnabled", "Enabled");
            })),
            Self::ObjectLock => Err(DoorError::NotConfigured {
                code: "ObjectLockConfigurationNotFoundError",
                message: "Object Lock configuration does not exist for this bucket",
            }),
            Self::OwnershipControls => Ok(ownership(bucket.ownership)),
            Self::Tagging => {
                Err(DoorError::NotConfigured { code: "NoSuchTagSet", message: "The TagSet does not exist" })
            }
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

/// What is asked of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lock {
    PutConfiguration,
    GetRetention,
    PutRetention,
    GetLegalHold,
    PutLegalHold,
}

/// Locks of a bucket that has none: there is nothing to read, and nothing can be set.
pub(crate) async fn lock(app: &App, ask: &Ask, lock: Lock) -> Result<Response, Failure> {
    let (what, action) = match lock {
        Lock::PutConfiguration => ("object-lock", Action::PutBucketObjectLockConfiguration),
        Lock::GetRetention => ("retention", Action::GetObjectRetention),
        Lock::PutRetention => ("retention", Action::PutObjectRetention),
        Lock::GetLegalHold => ("legal-hold", Action::GetObjectLegalHold),
        Lock::PutLegalHold => ("legal-hold", Action::PutObjectLegalHold),
    };
    let key = (lock != Lock::PutConfiguration).then(|| ask.key());
    let bucket = app.store.get_bucket(&ask.caller, &ask.bucket(), key.as_ref(), action).await?;
    Err(without_lock(lock, &bucket).unwrap_or(DoorError::NotImplemented { what }).into())
}

/// What is wrong with asking this of the bucket, whatever is asked.
fn without_lock(lock: Lock, bucket: &BucketInfo) -> Option<DoorError> {
    match lock {
        _ if bucket.object_lock => None,
        Lock::PutConfiguration => (bucket.versioning != Versioning::Enabled).then_some(DoorError::LockNeedsVersioning),
        Lock::GetRetention | Lock::PutRetention | Lock::GetLegalHold | Lock::PutLegalHold => {
            Some(DoorError::InvalidRequest { reason: "Bucket is missing Object Lock Configuration" })
        }
    }
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
        (bucket.object_lock, bucket.ownership) = (true, ObjectOwnership::ObjectWriter);
        let shown = [Setting::ObjectLock, Setting::OwnershipControls].map(|setting| setting.document(&bucket));
        let shown = shown.map(|document| document.expect("a document"));
        assert!(shown[0].contains("<ObjectLockEnabled>Enabled</ObjectLockEnabled>"), "{}", shown[0]);
        assert!(shown[1].contains("<ObjectOwnership>ObjectWriter</ObjectOwnership>"), "{}", shown[1]);
    }

    #[test]
    fn a_lock_on_a_bucket_without_is_the_clients_mistake_and_on_one_with_it_is_not_implemented() {
        let code = |lock, object_lock, versioning| {
            let mut bucket = testing::bucket("bucket");
            (bucket.object_lock, bucket.versioning) = (object_lock, versioning);
            without_lock(lock, &bucket).map(|error| error.describe().code)
        };
        for lock in [Lock::GetRetention, Lock::PutRetention, Lock::GetLegalHold, Lock::PutLegalHold] {
            assert_eq!(code(lock, false, Versioning::Enabled), Some("InvalidRequest"), "{lock:?}");
            assert_eq!(code(lock, true, Versioning::Enabled), None, "{lock:?}");
        }
        assert_eq!(code(Lock::PutConfiguration, false, Versioning::Unversioned), Some("InvalidBucketState"));
        assert_eq!(code(Lock::PutConfiguration, false, Versioning::Suspended), Some("InvalidBucketState"));
        assert_eq!(code(Lock::PutConfiguration, false, Versioning::Enabled), None);
        assert_eq!(code(Lock::PutConfiguration, true, Versioning::Enabled), None);
    }

    #[test]
    fn an_acl_in_a_body_is_not_implemented() {
        assert!(named_acl(&testing::ask("PUT /bucket?acl", &[("x-amz-acl", "private")])).is_ok());
        assert!(matches!(named_acl(&testing::ask("PUT /bucket?acl", &[])), Err(DoorError::NotImplemented { .. })));
    }
}
