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

/// What a request ends with that nobody waited for, as web servers log it, and one that the server itself could not end.
const GIVEN_UP: (u16, &str) = (499, "ClientClosedRequest");
const BROKEN: (u16, &str) = (500, "internal_error");

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
    let mut ending = Ending { record: Some(record), intake: Arc::clone(&intake), answered: None, bytes_out: 0 };
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
    let code = response.extensions_mut().remove::<Code>().map(|code| code.0);
    ending.answered = Some(Answered { status, code, class });
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
    /// None until there is an answer.
    answered: Option<Answered>,
    bytes_out: u64,
}

struct Answered {
    status: u16,
    code: Option<&'static str>,
    class: Class,
}

impl Ending {
    /// It cannot be brought to its end, whatever the head of the answer said.
    fn broke(&mut self) {
        if let Some(answered) = &mut self.answered {
            (answered.status, answered.code) = (BROKEN.0, Some(BROKEN.1));
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        let panicking = std::thread::panicking();
        if panicking {
            self.broke();
        }
        let (status, code, class) = match self.answered.take() {
            Some(Answered { status, code, class }) => (status, code, Some(class)),
            None => {
                let (status, code) = if panicking { BROKEN } else { GIVEN_UP };
                (status, Some(code), None)
            }
        };
        let ended = Ended {
            status,
            code: code.map(str::to_owned),
            class,
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
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.ending.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(_))) => self.ending.broke(),
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http_body_util::BodyExt;
    use pipeline::audit::AuditQuery;
    use pipeline::{AdminCaller, OpenOptions};
    use schemas::event::AdminRole;
    use tower::ServiceExt;

    use super::*;

    /// Status, code and bytes of the entry that a request leaves to one of these paths.
    async fn entry(path: &'static str) -> (u16, Option<String>, u64) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut options = OpenOptions::new(folder.path().to_owned());
        (options.segment_bytes, options.cache_bytes, options.reserve_bytes) = (4 << 20, 4 << 20, 0);
        let store = tokio::task::spawn_blocking(|| Store::open(options)).await.expect("no panic").expect("opens").0;
        let pieces = || futures_util::stream::iter([Ok("abc"), Err(std::io::Error::other("the disk"))]);
        let router = Router::new()
            .route("/broken", get(async move || Body::from_stream(pieces())))
            .route("/whole", get(async || "abc"))
            .route("/panics", get(async || -> &'static str { panic!("as a handler would") }))
            .route("/slow", get(std::future::pending::<&'static str>));
        let options = Options {
            ids: Arc::new(|| RequestId("request".to_owned())),
            clock: Arc::new(|| 1_800_000_000_000_000),
            public_url: None,
            token_ttl_s: 60,
            signed_url_ttl_max_s: 60,
            tenant_hosts: std::collections::BTreeMap::new(),
            anonymous_tenant: None,
        };
        let router = audited(router, &store, &options, Surface::Native);
        let admin = AdminCaller {
            token: "test".to_owned(),
            role: AdminRole::Owner,
            tenant: None,
            source: None,
            request: RequestId("test".to_owned()),
        };
        let request = http::Request::get(path).body(Body::empty()).expect("a request");
        let asked = tokio::spawn(async move {
            let answer = router.oneshot(request).await.expect("an answer");
            // How it ends is what the entry says.
            let _ = answer.into_body().collect().await;
        });
        if path == "/slow" {
            while store.stats(&admin).expect("answers").audit.in_flight == 0 {
                tokio::task::yield_now().await;
            }
            asked.abort();
        }
        let _ = asked.await;
        let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
        let page = store.audit(&admin, query).await.expect("answers");
        let found = page.entries.iter().filter_map(|entry| entry.access.as_ref());
        let found = found.map(|what| (what.status, what.code.clone(), what.bytes_out)).next();
        tokio::task::spawn_blocking(move || store.close()).await.expect("closes");
        found.expect("an entry")
    }

    #[tokio::test]
    async fn what_breaks_off_or_panics_is_an_error_of_the_server_and_what_is_given_up_is_not() {
        let code = |code: &str| Some(code.to_owned());
        assert_eq!(entry("/whole").await, (200, None, 3));
        assert_eq!(entry("/broken").await, (500, code("internal_error"), 3));
        assert_eq!(entry("/panics").await, (500, code("internal_error"), 0));
        assert_eq!(entry("/slow").await, (499, code("ClientClosedRequest"), 0));
    }
}
