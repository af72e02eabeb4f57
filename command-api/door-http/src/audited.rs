//! Every request leaves a trace, and nobody asks too often: what stands around each router here.
//!
//! Owns: a request's id, its entry in the audit, the limit per source, what becomes of bodies that stop.
//! Does not own: who asks (handlers say so by [`Trace`] in the request's extensions), limits per key.
//! Invariant: no query, header or body stands in an entry, so no token does.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use http_body::{Frame, SizeHint};
use pipeline::Store;
use pipeline::audit::{Came, Class, Ended, Facts, Record, Surface, Trace};
use pipeline::limits::is_stalled;
use schemas::{RequestId, Time};

use crate::problem::Problem;
use crate::request::{Options, X_REQUEST_ID, source};

#[derive(Clone)]
struct Auditing {
    store: Store,
    options: Options,
    surface: Surface,
}

/// Puts audit and limits around a router.
pub(crate) fn audited(router: Router, store: &Store, options: &Options, surface: Surface) -> Router {
    let auditing = Auditing { store: store.clone(), options: options.clone(), surface };
    router.layer(middleware::from_fn_with_state(auditing, audit))
}

/// A request's id and where what is found out about it goes: of one that comes through [`audited`].
pub(crate) fn begun(request: &Request, options: &Options) -> (RequestId, Trace) {
    let extensions = request.extensions();
    let id = extensions.get::<RequestId>().cloned().unwrap_or_else(|| (options.ids)());
    (id, extensions.get::<Trace>().cloned().unwrap_or_default())
}

async fn audit(State(auditing): State<Auditing>, request: Request, next: Next) -> Response {
    let Auditing { store, options, surface } = auditing;
    let (mut parts, body) = request.into_parts();
    let id = (options.ids)();
    let source = source(&parts.extensions);
    let time = Time((options.clock)());
    let record = store.record(Came { surface, request: id.clone(), time, source });
    let trace = record.trace().clone();
    let method = parts.method.clone();
    let intake = Arc::new(Intake::default());
    let shown = format!("req_{id}");
    let mut response = match store.limits().of_source(source) {
        Err(too_many) => named(Problem::rate_limited(too_many.seconds).render(&shown), &shown),
        Ok(()) => {
            parts.extensions.insert(id);
            parts.extensions.insert(trace.clone());
            let body = Body::new(Received { body, intake: Arc::clone(&intake) });
            trace.scope(next.run(Request::from_parts(parts, body))).await
        }
    };
    if let Some(problem) = of_body(&response, &intake) {
        response = named(problem.render(&shown), &shown);
    }
    let status = response.status().as_u16();
    let class = Class::of(method.as_str(), trace.facts().action.as_deref().unwrap_or_default());
    let code = response.extensions_mut().remove::<Code>().map(|code| code.0.to_owned());
    let ending = Ending { record: Some(record), intake, status, code, class, bytes_out: 0 };
    if method == http::Method::HEAD || http_body::Body::is_end_stream(response.body()) {
        return response;
    }
    response.map(|body| Body::new(Sent { body, ending }))
}

/// What is wrong with a body that ended otherwise than its handler expected.
fn of_body(response: &Response, intake: &Intake) -> Option<Problem> {
    if intake.stalled.load(Ordering::Relaxed) && !response.status().is_success() {
        return Some(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body stopped in the middle for too long",
        ));
    }
    None
}

fn named(mut response: Response, shown: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(shown) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The code of an answer's problem.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code(pub(crate) &'static str);

/// What was read of a request's body.
#[derive(Debug, Default)]
struct Intake {
    bytes: AtomicU64,
    stalled: AtomicBool,
}

struct Received {
    body: Body,
    intake: Arc<Intake>,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.intake.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Poll::Ready(Some(Err(error))) if is_stalled(error) => self.intake.stalled.store(true, Ordering::Relaxed),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An entry that waits for the end of its answer.
struct Ending {
    record: Option<Record>,
    intake: Arc<Intake>,
    status: u16,
    code: Option<String>,
    class: Class,
    bytes_out: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let ended = Ended {
            status: self.status,
            code: self.code.take(),
            class: Some(self.class),
            bytes_in: self.intake.bytes.load(Ordering::Relaxed),
            bytes_out: self.bytes_out,
        };
        record.end(ended, None, |facts: Facts| facts);
    }
}

struct Sent {
    body: Body,
    ending: Ending,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.ending.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
