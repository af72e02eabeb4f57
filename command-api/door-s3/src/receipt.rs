//! `X-Holdfast-Receipt: wait`: the answer to a write of an object that carries the proof of it.
//!
//! Owns: the header, of requests and of answers; which operations give receipts. Does not own: the proof (the store).
//! Invariant: a write that was made is answered as made, with its receipt or with `pending`.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue};
use schemas::Position;

use crate::answer;
use crate::ask::Ask;
use crate::errors::DoorError;
use crate::route::Operation;
use crate::service::App;

const HEADER: HeaderName = HeaderName::from_static("x-holdfast-receipt");
/// The one value that it may have in a request.
const WAIT: &[u8] = b"wait";
/// The answer's when no checkpoint came in ten seconds.
const PENDING: HeaderValue = HeaderValue::from_static("pending");

/// Whether a receipt is asked for.
///
/// # Errors
/// Another value, or an operation that gives none.
pub(crate) fn is_asked(operation: Operation, headers: &HeaderMap) -> Result<bool, DoorError> {
    let refused = |reason| Err(DoorError::InvalidArgument { name: "X-Holdfast-Receipt", reason });
    let mut values = headers.get_all(&HEADER).iter();
    let Some(value) = values.next() else { return Ok(false) };
    if !is_given_by(operation) {
        return refused("Receipts are given for writes of objects.");
    }
    if value.as_bytes() != WAIT || values.next().is_some() {
        return refused("The only value is wait.");
    }
    Ok(true)
}

fn is_given_by(operation: Operation) -> bool {
    use Operation::{CompleteMultipartUpload, CopyObject, DeleteObject, PutObject};
    matches!(operation, PutObject | CopyObject | CompleteMultipartUpload | DeleteObject)
}

/// Waits for the receipt of what was answered. An answer that names no place in the log changed nothing, and gets none.
pub(crate) async fn add(app: &App, ask: &Ask, mut response: Response) -> Response {
    let Some(position) = written(&response) else { return response };
    let receipt = app.store.receipt(&ask.caller, position).await;
    let value = receipt.map_or(PENDING, |inclusion| answer::text_value(inclusion.receipt()));
    response.headers_mut().insert(HEADER, value);
    response
}

fn written(response: &Response) -> Option<Position> {
    let position = response.headers().get(answer::POSITION).filter(|_| response.status().is_success())?;
    position.to_str().ok()?.parse().ok().map(Position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_ask_and_how() {
        for (operation, values, expected) in [
            (Operation::PutObject, vec![], Some(false)),
            (Operation::GetObject, vec![], Some(false)),
            (Operation::PutObject, vec!["wait"], Some(true)),
            (Operation::CopyObject, vec!["wait"], Some(true)),
            (Operation::CompleteMultipartUpload, vec!["wait"], Some(true)),
            (Operation::DeleteObject, vec!["wait"], Some(true)),
            (Operation::GetObject, vec!["wait"], None),
            (Operation::UploadPart, vec!["wait"], None),
            (Operation::DeleteObjects, vec!["wait"], None),
            (Operation::PutObject, vec!["Wait"], None),
            (Operation::PutObject, vec![""], None),
            (Operation::PutObject, vec!["pending"], None),
            (Operation::PutObject, vec!["wait", "wait"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(HEADER, HeaderValue::from_static(value));
            }
            assert_eq!(is_asked(operation, &headers).ok(), expected, "{operation:?} {values:?}");
        }
    }
}
