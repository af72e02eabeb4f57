//! As of which point a request asks: what it says, and what its answer says of it.
//!
//! Owns: `X-Holdfast-As-Of` and `as-of`. Does not own: which point that is, who may ask (the store).

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pipeline::{AskedPast, Caller, Point};
use schemas::Position;

use crate::answer::text_value;
use crate::ask::Ask;
use crate::errors::DoorError;
use crate::headers::text_of;
use crate::route::Query;
use crate::xml::timestamp;

const HEADER: &str = "x-holdfast-as-of";
const PARAMETER: &str = "as-of";
const AS_OF_POSITION: HeaderName = HeaderName::from_static("x-holdfast-as-of-position");
const AS_OF_TIME: HeaderName = HeaderName::from_static("x-holdfast-as-of-time");

/// As of which point the request asks, if not as of now.
///
/// # Errors
/// It says no point, or two.
pub(crate) fn asked(headers: &HeaderMap, query: &Query) -> Result<Option<Arc<AskedPast>>, DoorError> {
    let bad = |reason| DoorError::InvalidArgument { name: PARAMETER, reason };
    let text = match (text_of(headers, HEADER), query.get(PARAMETER).map(str::to_owned)) {
        (None, None) => return Ok(None),
        (Some(one), Some(other)) if one != other => return Err(bad("Two points are given")),
        (Some(text), _) | (None, Some(text)) => text,
    };
    let point = text.parse().map_err(|_| {
        bad("A point is pos:N, a time as RFC 3339 writes it, -2h, snap:NAME, or before: and a request id or version id")
    })?;
    Ok(Some(Arc::new(AskedPast::new(point))))
}

/// Refuses a point to what does not read of a bucket: it would have no effect.
///
/// # Errors
/// The request asks as of a point.
pub(crate) fn only_reads(ask: &Ask, method: &Method) -> Result<(), DoorError> {
    let reads = [Method::GET, Method::HEAD].contains(method) && ask.has_bucket();
    if reads || ask.caller.circumstances.past.is_none() {
        return Ok(());
    }
    Err(DoorError::InvalidArgument {
        name: PARAMETER,
        reason: "Only what reads of a bucket can be asked as of a point",
    })
}

/// The caller of a page that goes on at the moment of the page before.
///
/// # Errors
/// It asks for another one.
pub(crate) fn going_on(caller: &Caller, at: Option<Position>) -> Result<Caller, DoorError> {
    const OTHER: DoorError = DoorError::InvalidArgument {
        name: "continuation-token",
        reason: "The continuation token is of another point than the one that is asked for",
    };
    let mut caller = caller.clone();
    let asked = caller.circumstances.past.as_ref().map(|past| &past.point);
    match (at, asked) {
        (None, None) => {}
        (None, Some(_)) => return Err(OTHER),
        (Some(at), Some(Point::Position(asked))) if *asked != at => return Err(OTHER),
        (Some(_), Some(Point::Head)) => return Err(OTHER),
        // Of a time so long ago the first page has chosen the moment.
        (Some(at), _) => caller.circumstances.past = Some(Arc::new(AskedPast::new(Point::Position(at)))),
    }
    Ok(caller)
}

/// Says as of which moment an answer is.
pub(crate) fn say(headers: &mut HeaderMap, caller: &Caller) {
    if let Some(found) = caller.circumstances.past.as_ref().and_then(|past| past.found()) {
        headers.insert(AS_OF_POSITION, HeaderValue::from(found.at.position.0));
        headers.insert(AS_OF_TIME, text_value(timestamp(found.time)));
    }
}
