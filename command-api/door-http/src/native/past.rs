//! As of which point a request asks: what it says, and what its answer says of it.
//!
//! Owns: `X-Holdfast-As-Of` and `as-of`, and which operations take notice of them. Does not own: which point that is, who may
//! ask (the store).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pipeline::{AskedPast, Caller, Point};
use schemas::Position;
use serde_json::json;

use super::answer::{self, text_value};
use super::ask::Words;
use super::webhooks::words::point;
use crate::operation::Operation;
use crate::problem::Problem;

const HEADER: &str = "X-Holdfast-As-Of";
const PARAMETER: &str = "as-of";
const AS_OF_POSITION: HeaderName = HeaderName::from_static("x-holdfast-as-of-position");
const AS_OF_TIME: HeaderName = HeaderName::from_static("x-holdfast-as-of-time");
const ANSWERED: [(&str, &str); 2] = [
    ("X-Holdfast-As-Of-Position", "The last event that the answer shows, when it was asked as of a point."),
    ("X-Holdfast-As-Of-Time", "When that event happened."),
];

/// Operations that can be asked as of a point.
const READS: [&str; 16] = [
    "listObjects",
    "listVersions",
    "getObject",
    "headObject",
    "getObjectTags",
    "getObjectRetention",
    "getObjectLegalHold",
    "getObjectAcl",
    "getBucket",
    "getBucketVersioning",
    "getBucketPolicy",
    "getBucketTags",
    "getBucketCors",
    "getBucketLifecycle",
    "getBucketObjectLock",
    "getObjectMetadata",
];

/// An operation with what it hears of the past.
pub(super) fn described(operation: Operation) -> Operation {
    if !READS.contains(&operation.id) {
        return operation;
    }
    let text = || json!({ "type": "string" });
    const ABOUT: &str = "As of which point: `pos:N`, a time as RFC 3339 writes it, `-2h`, `snap:NAME`, or `before:` and a request id or \
                         version id. It takes a key that may read history.";
    operation
        .query(PARAMETER, text(), ABOUT)
        .header(HEADER, text(), "The same as a header.")
        .with_headers(&ANSWERED)
        .refuses(&[410])
}

/// As of which point a request asks, if not as of now.
///
/// # Errors
/// It says no point, or two, or one to an operation that takes no notice of it.
pub(super) fn asked(operation: &Operation, words: &Words) -> Result<Option<Arc<AskedPast>>, Problem> {
    let mut headers = words.headers.get_all(HEADER).iter();
    let header =
        headers.next().map(|value| value.to_str().map_err(|_| Problem::invalid("X-Holdfast-As-Of is no text")));
    let (header, parameter) = (header.transpose()?, words.query.get(PARAMETER)?);
    let text = match (header, parameter, headers.next()) {
        (None, None, _) => return Ok(None),
        (Some(one), Some(other), None) if one == other => one,
        (Some(text), None, None) | (None, Some(text), _) => text,
        _ => return Err(Problem::invalid("two points are given")),
    };
    if !READS.contains(&operation.id) {
        let reads = [Method::GET, Method::HEAD].contains(&operation.method) && operation.path.starts_with("/buckets/");
        return Err(if reads {
            Problem::not_implemented("this cannot be asked as of a point yet")
        } else {
            Problem::invalid("only what reads of a bucket can be asked as of a point")
        });
    }
    Ok(Some(Arc::new(AskedPast::new(point(text)?))))
}

/// The caller of a page that goes on at the moment of the page before.
///
/// # Errors
/// It asks for another one.
pub(super) fn going_on(caller: &Caller, is_continued: bool, at: Option<Position>) -> Result<Caller, Problem> {
    let other = || Problem::invalid("`continuationToken` is of another point than the one that is asked for");
    let mut caller = caller.clone();
    let asked = caller.circumstances.past.as_ref().map(|past| &past.point);
    match (at, asked) {
        (None, Some(_)) if is_continued => return Err(other()),
        (None, _) => {}
        (Some(at), Some(Point::Position(asked))) if *asked != at => return Err(other()),
        (Some(_), Some(Point::Head)) => return Err(other()),
        // Of a time so long ago the first page has chosen the moment.
        (Some(at), _) => caller.circumstances.past = Some(Arc::new(AskedPast::new(Point::Position(at)))),
    }
    Ok(caller)
}

/// Says as of which moment an answer is.
pub(super) fn say(headers: &mut HeaderMap, past: Option<&Arc<AskedPast>>) {
    if let Some(found) = past.and_then(|past| past.found()) {
        headers.insert(AS_OF_POSITION, HeaderValue::from(found.at.position.0));
        headers.insert(AS_OF_TIME, text_value(answer::time(found.time)));
    }
}
