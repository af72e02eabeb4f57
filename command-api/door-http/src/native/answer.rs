//! Building answers: what many operations share.

use std::fmt::Display;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use schemas::{Position, Time};
use serde::Serialize;

pub(super) const POSITION: HeaderName = HeaderName::from_static("x-holdfast-position");
/// The same in the document.
pub(super) const POSITION_TEXT: (&str, &str) = ("X-Holdfast-Position", "Place of the change in the tenant's log.");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer of JSON.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_string(value).expect("answers have texts for keys");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// What shows itself as ASCII. Anything else is a mistake of ours and becomes an empty value.
pub(super) fn text_value(value: impl Display) -> HeaderValue {
    HeaderValue::from_str(&value.to_string()).unwrap_or(HeaderValue::from_static(""))
}

/// `X-Holdfast-Position`.
pub(super) fn position(headers: &mut HeaderMap, position: Position) {
    headers.insert(POSITION, HeaderValue::from(position.0));
}

/// What a change answers that has nothing to say but where it stands in the log.
pub(super) fn changed(status: StatusCode, at: Position) -> Response {
    let mut response = empty(status);
    position(response.headers_mut(), at);
    response
}

/// RFC 3339, UTC, to the millisecond.
pub(super) fn time(time: Time) -> String {
    let milliseconds = i64::try_from(time.0 / 1_000).unwrap_or(i64::MAX);
    format!("{:.3}", jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX))
}
