//! `X-Holdfast-Receipt: wait`: the answer to a write that carries the proof of it.
//!
//! Owns: the header, of requests and of answers. Does not own: the proof (the store).
//! Invariant: a write that was made is answered as made, with its receipt or with `pending`.

use axum::response::Response;
use http::{HeaderName, HeaderValue};
use pipeline::{Caller, Store};
use schemas::Position;
use serde_json::json;

use super::answer;
use super::ask::Words;
use crate::operation::Operation;
use crate::problem::Problem;

/// The header.
const NAME: &str = "X-Holdfast-Receipt";
const HEADER: HeaderName = HeaderName::from_static("x-holdfast-receipt");
/// The one value that it may have in a request.
const WAIT: &str = "wait";
/// The answer's when no checkpoint came in time.
const PENDING: HeaderValue = HeaderValue::from_static("pending");

/// The same of the answer, in the document.
pub(super) const TEXT: (&str, &str) = (
    NAME,
    "Where it was asked for: base64url of JSON with `origin`, `position`, `leafHash`, `size`, `proof` and the signed `checkpoint`, or \
     `pending` when there was none in ten seconds.",
);

/// An operation that gives receipts.
pub(super) fn receipted(operation: Operation) -> Operation {
    let schema = json!({ "type": "string", "enum": [WAIT] });
    operation.header(NAME, schema, "`wait`: answer when a signed checkpoint covers the write, with the proof of it.")
}

/// Whether a receipt is asked for.
///
/// # Errors
/// Another value, or an operation that gives none.
pub(super) fn is_asked(words: &Words) -> Result<bool, Problem> {
    let mut values = words.headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else { return Ok(false) };
    if !words.hears(NAME) {
        return Err(Problem::invalid(format!("`{NAME}` is for writes of objects")));
    }
    if value.as_bytes() != WAIT.as_bytes() || values.next().is_some() {
        return Err(Problem::invalid(format!("`{NAME}` must be `{WAIT}`")));
    }
    Ok(true)
}

/// Waits for the receipt of what was answered. An answer that names no place in the log changed nothing, and gets none.
pub(super) async fn add(store: &Store, caller: &Caller, mut response: Response) -> Response {
    let Some(position) = written(&response) else { return response };
    let receipt = store.receipt(caller, position).await;
    let value = receipt.map_or(PENDING, |inclusion| answer::text_value(inclusion.receipt()));
    response.headers_mut().insert(HEADER, value);
    response
}

fn written(response: &Response) -> Option<Position> {
    let position = response.headers().get(answer::POSITION).filter(|_| response.status().is_success())?;
    position.to_str().ok()?.parse().ok().map(Position)
}
