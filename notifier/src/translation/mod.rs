//! What events look like outside: AWS's shape, `CloudEvents`, our own.
//!
//! Owns: every body that a subscriber gets, and what events are called in them.
//! Does not own: which types there are ([`schemas::announcement`]), headers of requests, delivery.
//! Invariant: bodies say nothing that opens anything: no secret, sealed or not, no digest of one, no key and no blob.

pub(crate) mod cloudevents;
mod detail;
#[cfg(test)]
mod documents;
pub(crate) mod native;
pub(crate) mod s3;
mod shape;
mod test_event;
mod text;

use std::fmt::Display;

use bytes::Bytes;
use schemas::subscription::PayloadFormat;
use serde::Serialize;

use crate::Announcement;

#[cfg(test)]
pub(crate) use cloudevents::cloud_type;
pub(crate) use test_event::TestEvent;
pub(crate) use text::event_text;

/// `Content-Type` of a body.
pub(crate) fn content_type(format: PayloadFormat) -> &'static str {
    match format {
        PayloadFormat::CloudEvents => "application/cloudevents+json",
        PayloadFormat::S3 | PayloadFormat::Native => "application/json",
    }
}

/// A tenant as paths name it.
fn named_tenant(announcement: &Announcement) -> String {
    named(announcement.tenant_name.as_ref(), announcement.tenant)
}

/// A bucket as paths name it, if the event is about one.
fn named_bucket(announcement: &Announcement) -> Option<String> {
    let is_known = announcement.bucket_name.is_some() || announcement.bucket != schemas::BucketId::NONE;
    is_known.then(|| named(announcement.bucket_name.as_ref(), announcement.bucket))
}

/// No name has an `@`, so that none is taken for a number.
fn named(name: Option<&impl Display>, id: impl Display) -> String {
    name.map_or_else(|| format!("@{id}"), ToString::to_string)
}

fn json(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).expect("a body has no map with keys that JSON refuses").into()
}

#[cfg(test)]
mod tests;
