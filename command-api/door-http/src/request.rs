//! What every request gets on its way in, and every answer on its way out.
//!
//! Owns: the request's id, its span, rendering a [`Problem`].
//! Does not own: who asks.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use http::header::HeaderName;
use schemas::RequestId;
use tracing::Instrument;

use crate::problem::Problem;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the program gives to this door: chance and time are not its own.
#[derive(Clone)]
pub struct Options {
    /// Names a request.
    pub ids: Arc<dyn Fn() -> RequestId + Send + Sync>,
    /// Microseconds since the Unix epoch.
    pub clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// Where clients reach this server, when that is said: `https://s3.example.com`.
    pub public_url: Option<String>,
    /// How long tokens of the native API work, seconds.
    pub token_ttl_s: u64,
    /// How long its signed URLs work at most, seconds.
    pub signed_url_ttl_max_s: u64,
}

/// The outermost layer of each router here.
pub(crate) async fn accompany(State(options): State<Options>, mut request: Request, next: Next) -> Response {
    let id = (options.ids)();
    // The route's pattern and not its path: names of tenants and keys stay out of the log.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |m| m.as_str().to_owned());
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), route);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span.clone()).await;
    // The contract shows ids as `req_` and a ULID. Logs and events have the ULID alone, so either finds the other.
    let shown = format!("req_{id}");
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(&shown);
    }
    let _entered = span.entered();
    tracing::debug!(status = response.status().as_u16(), "answered");
    if let Ok(value) = HeaderValue::from_str(&shown) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}
