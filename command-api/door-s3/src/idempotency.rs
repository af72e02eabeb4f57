//! `X-Lockwell-Idempotency-Key`: a PUT of an object that is sent again is stored once, and answered as it was the first time.
//!
//! Owns: reading the header, which PUTs are the same. Does not own: keeping answers (the store; the native API's keys are in the
//! same place, so that one key never means two requests).
//! Invariant: a repetition is answered only if its body is the one that was stored.

use axum::body::Body;
use axum::response::Response;
use domain::Refusal;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::{Answer, Fingerprint, Pending, Repeated, StoreError, is_idempotency_key};
use schemas::AccessKeyId;
use schemas::action::Action;

use crate::ask::Ask;
use crate::errors::{DoorError, Failure};
use crate::payload::Opened;
use crate::service::App;

const HEADER: &str = "x-lockwell-idempotency-key";
const REPLAY: HeaderName = HeaderName::from_static("x-lockwell-idempotent-replay");

/// Headers of a PUT that say how and not what: a client that tries again may say them otherwise.
const OF_THE_ATTEMPT: [&str; 6] = [
    HEADER,
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-trailer",
    "x-amz-decoded-content-length",
];

/// What is to be done with a PUT.
pub(crate) enum Once {
    /// Store it, and keep what is answered if the client named a key.
    Store(Option<Pending>),
    /// It was stored.
    Answered(Answer),
}

/// # Errors
/// A key that is none, is in use, or was used for another request.
pub(crate) fn begin(app: &App, ask: &Ask) -> Result<Once, Failure> {
    let Some(key) = key(&ask.headers)? else { return Ok(Once::Store(None)) };
    let fingerprint = fingerprint(ask);
    match app.store.idempotent(&ask.caller, key, fingerprint)? {
        Repeated::Fresh(pending) => Ok(Once::Store(Some(pending))),
        Repeated::Answered(answer) => {
            // What was granted then may not be now.
            app.store.may(&ask.caller, Action::PutObject, &ask.bucket(), Some(&ask.key()))?;
            Ok(Once::Answered(answer))
        }
        Repeated::InProgress => Err(StoreError::from(Refusal::IdempotencyInProgress).into()),
        Repeated::Reused => Err(StoreError::from(Refusal::IdempotencyKeyReused).into()),
    }
}

/// What a PUT was answered, as it is kept.
pub(crate) fn answer(response: &Response) -> Answer {
    let texts = response
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Answer { status: response.status().as_u16(), headers: texts.collect(), body: Vec::new() }
}

/// The first answer, to a body that is the first one.
///
/// # Errors
/// Another body.
pub(crate) async fn again(app: &App, opened: Opened, answer: Answer) -> Result<Response, Failure> {
    let Opened { stream, digests, size_bytes } = opened;
    let etag = answer.headers.iter().find(|(name, _)| name == "etag").map_or("", |(_, etag)| etag.as_str());
    if !app.store.is_body_of(etag, stream, &digests, size_bytes).await? {
        return Err(StoreError::from(Refusal::IdempotencyKeyReused).into());
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    Ok(response)
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let reason = "must be 1 to 255 visible ASCII characters, once";
    let bad = || DoorError::InvalidArgument { name: "X-Lockwell-Idempotency-Key", reason };
    let text = value.to_str().map_err(|_| bad())?;
    if values.next().is_some() || !is_idempotency_key(text) {
        return Err(bad().into());
    }
    Ok(Some(text))
}

/// What two PUTs must share to be one: who asks, where it goes, and what is said of it. The body is compared itself.
fn fingerprint(ask: &Ask) -> [u8; 32] {
    let mut fingerprint = Fingerprint::default();
    fingerprint.text("s3");
    fingerprint.text(ask.caller.access_key().map_or("", AccessKeyId::as_str));
    fingerprint.text(ask.bucket().as_str());
    fingerprint.text(ask.key().as_str());
    let says = |name: &str| {
        let of_content =
            ["content-type", "content-encoding", "content-disposition", "content-language", "cache-control", "expires"];
        (name.starts_with("x-amz-") || of_content.contains(&name)) && !OF_THE_ATTEMPT.contains(&name)
    };
    let headers = ask.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    fingerprint.headers(headers.filter(|(name, _)| says(name)));
    fingerprint.finish()
}
