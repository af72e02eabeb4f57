//! `Idempotency-Key`: a change that is asked for again is made once, and answered as it was the first time.
//!
//! Owns: reading the header, which requests are the same, which answers are worth keeping.
//! Does not own: keeping them (the store).
//! Invariant: a request is carried out only by whoever holds the right to ([`Pending`]), and before any of its conditions is
//! looked at: the repetition of a creation that succeeded succeeds.

use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use domain::Refusal;
use futures_util::StreamExt;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pipeline::{Caller, Digests, Fingerprint, IDEMPOTENCY_KEY_BYTES_MAX, Pending, Repeated, is_idempotency_key};
use schemas::AccessKeyId;
use schemas::action::Action;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::ask::{Ask, Opened};
use super::{Answer, App, Handler, said};
use crate::operation::{Access, Content, Operation};
use crate::problem::Problem;

const HEADER: &str = "idempotency-key";
/// Most bytes of a JSON body that is read before its operation reads it.
const JSON_BYTES_MAX: usize = 4 << 20;
/// Most bytes of an answer that is looked at; what the store keeps is less.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Headers that say what a body is.
const OF_CONTENT: [&str; 7] = [
    "content-length",
    "content-type",
    "content-encoding",
    "content-disposition",
    "content-language",
    "cache-control",
    "expires",
];
/// Most bytes of an object or part that came again: no longer one was stored.
const BYTES_MAX: u64 = 5 << 30;
/// The status under which it is kept that something was done whose answer held a secret: that leaves once.
const NOT_KEPT: u16 = 0;
/// Says that an answer is an earlier one.
const REPLAY: HeaderName = HeaderName::from_static("x-lockwell-idempotent-replay");

/// The same operation, as the document shows it: with the header, if it changes something.
pub(super) fn described(operation: Operation) -> Operation {
    if !applies(&operation) {
        return operation;
    }
    let text = serde_json::json!({ "type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_BYTES_MAX });
    let about = "Makes a repeated request return the first one's answer, for 24 hours.";
    operation.header("Idempotency-Key", text, about).refuses(&[409])
}

/// Whether repetitions of it are told apart: it changes something, and its answer is no stream.
pub(super) fn applies(operation: &Operation) -> bool {
    let changes = operation.method != Method::GET && operation.method != Method::HEAD;
    let streams = operation.answers.iter().any(|answer| matches!(answer.content, Some(Content::Stored | Content::Zip)));
    // A signed URL is as good as another.
    let signs = ["signURL", "presignObjects"].contains(&operation.id);
    changes && !streams && !signs && operation.access == Access::Bearer
}

/// The header.
///
/// # Errors
/// A key that is none.
pub(super) fn key(ask: &Ask) -> Result<Option<String>, Problem> {
    let Some(key) = ask.header(HEADER)? else { return Ok(None) };
    if !is_idempotency_key(key) {
        return Err(Problem::invalid("Idempotency-Key must be 1 to 255 visible ASCII characters"));
    }
    Ok(Some(key.to_owned()))
}

/// Refuses a PUT of an object that could not be told from another one: the key is bound to the body by its digest.
///
/// # Errors
/// No checksum beside the key.
pub(super) fn check_put(ask: &Ask, digests: &Digests) -> Result<(), Problem> {
    if key(ask)?.is_some() && digests.checksums.is_empty() {
        let message = "Idempotency-Key needs an X-Lockwell-Checksum-* header beside it";
        return Err(Problem::invalid(message).with_code("idempotency_requires_checksum"));
    }
    Ok(())
}

/// Carries a request out, unless it was: then its answer is given again. `target` is its raw path and query.
pub(super) async fn once(
    app: &Arc<App>,
    operation: &Operation,
    handler: &Handler,
    mut ask: Ask,
    key: String,
    target: &str,
) -> Answer {
    let body = match operation.body {
        Some((Content::Json(_) | Content::AnyJson, _)) => Some(ask.buffer(JSON_BYTES_MAX).await?),
        _ => None,
    };
    let (caller, trace) = (ask.caller()?.clone(), ask.visit.trace.clone());
    let key_id = caller.access_key().map_or("", AccessKeyId::as_str);
    let fingerprint = fingerprint(&ask, key_id, &operation.method, target, body.as_deref());
    let pending = match app.store.idempotent(&caller, &key, fingerprint)? {
        Repeated::Fresh(pending) => pending,
        Repeated::Answered(answer) => {
            // What was granted then may not be now.
            if let (Ok(bucket), Ok(key), None) = (ask.bucket(), ask.key(), &body) {
                app.store.may(&caller, Action::PutObject, &bucket, Some(&key))?;
            }
            same_body(app, operation, &mut ask, &answer).await?;
            return replayed(answer);
        }
        Repeated::InProgress => return Err(Problem::from(Refusal::IdempotencyInProgress).after_s(1)),
        Repeated::Reused => return Err(Refusal::IdempotencyKeyReused.into()),
    };
    ask.command = Some(pending.command());
    if body.is_none() {
        let response = handler(Arc::clone(app), ask).await?;
        return kept(pending, &caller, response).await;
    }
    // All of the request is there. A client that does not wait for the answer will ask again: what is done is done to its end, and
    // its answer kept.
    let (done, trace) = (handler(Arc::clone(app), ask), trace);
    let work = async move { kept(pending, &caller, done.await?).await };
    let span = tracing::Span::current();
    let done = tokio::spawn(async move { trace.scope(work).instrument(span).await }).await;
    done.map_err(|_| Problem::internal("a change ended before its time"))?
}

/// Refuses a body of bytes that is not the one that was stored: a digest that is announced says nothing of what is sent.
async fn same_body(app: &App, operation: &Operation, ask: &mut Ask, answer: &pipeline::Answer) -> Result<(), Problem> {
    let etag = answer.headers.iter().find(|(name, _)| name == "etag").map(|(_, etag)| etag);
    let (Some(etag), Some((Content::Bytes, _))) = (etag, &operation.body) else { return Ok(()) };
    let digests = said::digests(&ask.words.headers)?;
    let Opened { stream, size_bytes } = ask.open(Some(BYTES_MAX))?;
    let same = app.store.is_body_of(etag, stream, &digests, size_bytes).await?;
    if same { Ok(()) } else { Err(Refusal::IdempotencyKeyReused.into()) }
}

/// What two requests must share to be one: by which key, for what, with which digests, length and metadata. Another key of the
/// same user may do less.
fn fingerprint(ask: &Ask, access_key: &str, method: &Method, target: &str, body: Option<&[u8]>) -> [u8; 32] {
    let mut fingerprint = Fingerprint::default();
    fingerprint.text(access_key);
    fingerprint.text(method.as_str());
    fingerprint.text(target);
    fingerprint.text(body.map(Sha256::digest).unwrap_or_default());
    let says =
        |name: &str| name.starts_with("x-lockwell-") || name.starts_with("x-amz-meta-") || OF_CONTENT.contains(&name);
    let headers = ask.words.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    fingerprint.headers(headers.filter(|(name, _)| says(name)));
    fingerprint.finish()
}

fn replayed(answer: pipeline::Answer) -> Answer {
    let pipeline::Answer { status, headers, body } = answer;
    if status == NOT_KEPT {
        let message = "the request was carried out; its answer held a secret, which is not given again";
        return Err(Problem::from(Refusal::IdempotencyKeyReused).saying(message));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(status).map_err(|_| Problem::internal("a kept answer has no status"))?;
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response.headers_mut().insert(REPLAY, HeaderValue::from_static("true"));
    Ok(response)
}

/// Keeps an answer that says that it was done.
async fn kept(pending: Pending, caller: &Caller, response: Response) -> Answer {
    let small = response.body().size_hint().upper().is_some_and(|upper| upper <= ANSWER_BYTES_MAX as u64);
    if !response.status().is_success() || !small {
        return Ok(response);
    }
    if response.headers().get(CACHE_CONTROL).is_some_and(|control| control == "no-store") {
        let marker = pipeline::Answer { status: NOT_KEPT, headers: Vec::new(), body: Vec::new() };
        pending.keep(caller, &marker).await;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = collected(body).await?;
    let texts = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    let answer = pipeline::Answer { status: parts.status.as_u16(), headers: texts.collect(), body: body.to_vec() };
    pending.keep(caller, &answer).await;
    Ok(Response::from_parts(parts, Body::from(body)))
}

async fn collected(body: Body) -> Result<Bytes, Problem> {
    let mut pieces = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await {
        whole.extend_from_slice(&piece.map_err(|_| Problem::internal("an answer broke off"))?);
    }
    Ok(whole.freeze())
}
