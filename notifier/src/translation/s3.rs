//! AWS's shape: `{"Records":[...]}`, event version 2.1.
//!
//! Owns: every member as AWS S3 names it, so that whatever reads AWS's notifications reads these. What AWS has no event for
//! keeps its whole name and the source `holdfast`.
//! Does not own: more than AWS says; who wants more takes another shape.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use schemas::content::ETag;
use schemas::record::Actor;
use schemas::{UserId, VersionId};
use serde::Serialize;

use super::native::shown_version;
use super::text::{Text, time_text};
use super::{json, named_tenant};
use crate::Announcement;

#[derive(Serialize)]
struct Records<'a> {
    #[serde(rename = "Records")]
    records: [Record<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    event_source: &'static str,
    aws_region: &'a str,
    event_time: String,
    event_name: &'static str,
    user_identity: Identity,
    request_parameters: RequestParameters<'a>,
    response_elements: ResponseElements<'a>,
    s3: S3<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    principal_id: String,
}

#[derive(Serialize)]
struct RequestParameters<'a> {
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'a str,
}

#[derive(Serialize)]
struct ResponseElements<'a> {
    #[serde(rename = "x-amz-request-id")]
    request_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct S3<'a> {
    s3_schema_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<Bucket<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Object>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket<'a> {
    name: &'a str,
    owner_identity: Identity,
    arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "eTag", skip_serializing_if = "Option::is_none")]
    etag: Option<Text<ETag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_id: Option<Text<VersionId>>,
    sequencer: String,
}

pub(crate) fn body(announcement: &Announcement, rule: Option<&str>) -> Bytes {
    let name = announcement.event_type.name;
    let (event_source, event_name) = match name.strip_prefix("s3:") {
        Some(name) => ("aws:s3", name),
        None => ("holdfast", name),
    };
    let context = &announcement.context;
    let record = Record {
        event_version: "2.1",
        event_source,
        aws_region: announcement.region.as_deref().unwrap_or_default(),
        event_time: time_text(announcement.time, 3),
        event_name,
        user_identity: Identity { principal_id: principal(&context.actor) },
        request_parameters: RequestParameters { source_ip_address: context.source.as_deref().unwrap_or_default() },
        response_elements: ResponseElements { request_id: &context.request.0 },
        s3: S3 {
            s3_schema_version: "1.0",
            configuration_id: rule,
            bucket: bucket(announcement),
            object: object(announcement),
        },
    };
    json(&Records { records: [record] })
}

/// The account that has the bucket is the tenant: users are what AWS calls users of an account.
fn bucket(announcement: &Announcement) -> Option<Bucket<'_>> {
    let name = announcement.bucket_name.as_ref()?.as_str();
    let owner_identity = Identity { principal_id: named_tenant(announcement) };
    Some(Bucket { name, owner_identity, arn: format!("arn:aws:s3:::{name}") })
}

fn object(announcement: &Announcement) -> Option<Object> {
    let key = announcement.key.as_ref()?;
    // AWS gives the size of what was made, not of what was removed.
    let made = announcement.etag.is_some();
    Some(Object {
        key: encoded(key.as_str()),
        size: announcement.size_bytes.filter(|_| made),
        etag: announcement.etag.map(Text),
        version_id: shown_version(announcement.version),
        sequencer: format!("{:016X}", announcement.id.position.0),
    })
}

/// No user's id has a colon, so that none is taken for anything else.
fn principal(actor: &Actor) -> String {
    match actor {
        Actor::User { user, .. } => user.to_string(),
        Actor::Admin(token) => format!("admin:{token}"),
        Actor::System(process) => format!("system:{process}"),
        Actor::Anonymous => UserId::anonymous().to_string(),
    }
}

/// What forms leave as it is, and the slash.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*').remove(b'/').remove(b' ');

/// A key as AWS writes it: as a form would, with slashes left. Receivers decode it as a form.
fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEPT).to_string().replace(' ', "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_forms_are() {
        for (key, written) in [
            ("red flower.jpg", "red+flower.jpg"),
            ("a/b+c=d&e", "a/b%2Bc%3Dd%26e"),
            ("möwe", "m%C3%B6we"),
            ("a~b*c-d_e.f", "a%7Eb*c-d_e.f"),
            ("%20", "%2520"),
        ] {
            assert_eq!(encoded(key), written);
        }
    }
}
