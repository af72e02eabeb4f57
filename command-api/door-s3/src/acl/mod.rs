//! Access control lists of buckets and objects: reading and setting them.
//!
//! Owns: their forms on the wire, in XML (`document`) and in headers (`headers`).
//! Does not own: which lists may be set and what they grant (domain).

mod document;
mod headers;

use axum::response::Response;
use domain::Refusal;
use http::StatusCode;
use pipeline::{ListedAcl, SetAcl, StoreError};
use schemas::UserId;
use schemas::acl::Grantee;

use crate::answer;
use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::names::Names;
use crate::payload::{Payload, XML_BYTES_MAX};
use crate::service::App;

pub(crate) use headers::asked_acl;

pub(crate) async fn of_bucket(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let listed = app.store.bucket_acl(&ask.caller, &ask.bucket()).await?;
    Ok(answer::xml(document::write(&listed, &names(app, ask, &listed)?)))
}

pub(crate) async fn of_object(app: &App, ask: &Ask) -> Result<Response, Failure> {
    let listed = app.store.object_acl(&ask.caller, ask.object_version()?).await?;
    let mut response = answer::xml(document::write(&listed, &names(app, ask, &listed)?));
    answer::version(response.headers_mut(), answer::VERSION_ID, listed.version);
    Ok(response)
}

pub(crate) async fn set_on_bucket(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let set = asked(ask, payload).await?;
    let position = app.store.put_bucket_acl(&ask.caller, &ask.bucket(), set).await?;
    Ok(answer::changed(StatusCode::OK, position))
}

pub(crate) async fn set_on_object(app: &App, ask: &Ask, payload: Payload) -> Result<Response, Failure> {
    let (object, set) = (ask.object_version()?, asked(ask, payload).await?);
    let set = app.store.put_object_acl(&ask.caller, object, set).await?;
    Ok(answer::amended(StatusCode::OK, &set))
}

/// The list to set: in headers or in the body, and in one of them only.
async fn asked(ask: &Ask, payload: Payload) -> Result<SetAcl, Failure> {
    let in_headers = asked_acl(&ask.headers)?;
    let body = payload.read(&ask.headers, XML_BYTES_MAX).await?;
    match in_headers {
        Some(acl) if body.is_empty() => Ok(SetAcl { acl, owner: None }),
        Some(_) => Err(DoorError::UnexpectedContent.into()),
        None if body.is_empty() => Err(DoorError::MissingSecurityHeader { name: "x-amz-acl" }.into()),
        None => document::read(&body),
    }
}

fn malformed() -> Failure {
    StoreError::Refused(Refusal::MalformedAcl).into()
}

fn names(app: &App, ask: &Ask, listed: &ListedAcl) -> Result<Names, Failure> {
    let granted = listed.acl.grants.iter().filter_map(|grant| match &grant.grantee {
        Grantee::User(user) => Some(user),
        Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => None,
    });
    let users: Vec<&UserId> = granted.chain([&listed.owner]).collect();
    Names::of(app, ask, users)
}

/// Groups, as S3 names them.
const GROUPS: [(&str, Grantee); 3] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::AllUsers),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::AuthenticatedUsers),
    ("http://acs.amazonaws.com/groups/s3/LogDelivery", Grantee::LogDelivery),
];

/// # Errors
/// There is no such group.
fn group(uri: &str) -> Result<Grantee, DoorError> {
    let found = GROUPS.iter().find(|(other, _)| *other == uri).map(|(_, group)| group.clone());
    found.ok_or(DoorError::InvalidArgument { name: "Grantee/URI", reason: "Invalid group uri" })
}
