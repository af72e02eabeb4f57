//! Every request leaves a trace: an entry of the audit, or a count where an event says what was done.
//!
//! Owns: what this door knows of a request when it has been answered, and when that is: when the last byte was sent, or nobody
//! waits for it any more. Does not own: keeping entries (the store).
//! Invariant: no query, header or body stands in an entry, so no signature and no secret does.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body::{Frame, SizeHint};
use pipeline::audit::{Asker, AskerKind, Came, Class, Ended, Facts, Record, Surface, Trace};
use schemas::{RequestId, Time};

use crate::access_log::{Batch, Known};
use crate::kept::Kept;
use crate::route::{Operation, Query, Target, select};
use crate::service::App;

/// The status of a request that nobody waited for, as web servers log it.
const GIVEN_UP: (u16, &str) = (499, "ClientClosedRequest");
/// Of one that the server itself could not end.
const BROKEN: (u16, &str) = (500, "InternalError");

/// A request on its way.
pub(crate) struct Auditing {
    app: Arc<App>,
    /// None when the request has been answered.
    record: Option<Record>,
    pub(crate) known: Arc<OnceLock<Known>>,
    kept: Arc<Kept>,
    received: Received,
}

impl Auditing {
    pub(crate) fn begin(
        app: &Arc<App>,
        request: &RequestId,
        begun_us: u64,
        kept: &Arc<Kept>,
        received: Received,
    ) -> Self {
        let came = Came { surface: Surface::S3, request: request.clone(), time: Time(begun_us), source: kept.source() };
        let record = Some(app.store.record(came));
        Self { app: Arc::clone(app), record, known: Arc::default(), kept: Arc::clone(kept), received }
    }

    /// Where the store says that an event was made.
    pub(crate) fn trace(&self) -> Trace {
        self.record.as_ref().map(|record| record.trace().clone()).unwrap_or_default()
    }

    /// The answer, whose entry is written when it was sent.
    pub(crate) fn answered(self, code: Option<&'static str>, response: Response) -> Response {
        let status = response.status().as_u16();
        if let (Some(record), Some(batch)) = (&self.record, response.extensions().get::<Batch>()) {
            let mut common = None;
            for (place, deleted) in (1..).zip(&batch.0) {
                let Some(code) = deleted.code else { continue };
                let common = common.get_or_insert_with(|| self.facts()).clone();
                let status = if code == "AccessDenied" { 403 } else { 400 };
                let (key, version) = (Some(deleted.key.clone()), deleted.version.clone());
                let facts = Facts { action: Some("DeleteObject".to_owned()), key, version, ..common };
                record.also(place, status, code, self.known.get().map(|known| known.tenant), facts);
            }
        }
        // A HEAD's headers speak of a body that is never sent.
        if self.kept.method == Method::HEAD || http_body::Body::is_end_stream(response.body()) {
            self.end(status, code, 0);
            return response;
        }
        let sending = Sending { status, code, bytes: 0 };
        response.map(|body| Body::new(Sent { body, sending, auditing: Some(self) }))
    }

    fn end(mut self, status: u16, code: Option<&str>, bytes_out: u64) {
        self.finish(status, code, bytes_out);
    }

    fn finish(&mut self, status: u16, code: Option<&str>, bytes_out: u64) {
        let Some(record) = self.record.take() else { return };
        let known = self.known.get();
        let class = known.map(|known| class(&self.kept.method, known.operation.get().copied()));
        let ended = Ended {
            status,
            code: code.map(str::to_owned),
            class,
            bytes_in: self.received.0.load(Ordering::Relaxed),
            bytes_out,
        };
        record.end(ended, known.map(|known| known.tenant), |_| self.facts());
    }

    fn facts(&self) -> Facts {
        let (kept, known) = (&self.kept, self.known.get());
        let understood = known.and_then(|known| known.operation.get().copied());
        let (asker, bucket, key) = match known {
            Some(known) => {
                let (bucket, key) = (known.bucket.as_ref().map(ToString::to_string), known.key.as_ref());
                (asker(known, kept), bucket, key.map(ToString::to_string))
            }
            None => (Asker::claiming(kept.claimed_key().as_deref()), None, None),
        };
        // Most requests were understood: what their address says need not be read once more.
        let is_whole = understood.is_some() && bucket.is_some() && key.is_some();
        let target = if is_whole { None } else { kept.target(&self.app).ok() };
        let may_tell = understood.is_none() || kept.uri.query().is_some_and(may_name_version);
        let query = if may_tell { Query::parse(kept.uri.query()).unwrap_or_default() } else { Query::default() };
        let operation = understood.or_else(|| asked(kept, target.as_ref()?, &query));
        let (named_bucket, named_key) = target.map(|target| (target.bucket, target.key)).unwrap_or_default();
        Facts {
            asker,
            action: Some(operation.map_or_else(|| unnamed(&kept.method), Operation::name).to_owned()),
            bucket: bucket.or(named_bucket),
            key: key.or(named_key),
            version: query.filled("versionId").map(str::to_owned),
            ..Facts::default()
        }
    }
}

/// Whether a query could have a version, whose name may be escaped.
fn may_name_version(query: &str) -> bool {
    query.contains("versionId") || query.contains('%')
}

/// Bytes of a request's body that were read, framing included.
#[derive(Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

/// A body, and what is read of it. One that is at its end already stays as it is.
pub(crate) fn counted(body: Body) -> (Body, Received) {
    let received = Received::default();
    if http_body::Body::is_end_stream(&body) {
        return (body, received);
    }
    (Body::new(Counted { body, received: received.clone() }), received)
}

struct Counted {
    body: Body,
    received: Received,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.received.0.fetch_add(bytes, Ordering::Relaxed);
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

impl Drop for Auditing {
    fn drop(&mut self) {
        let (status, code) = unanswered();
        self.finish(status, Some(code), 0);
    }
}

/// What came of a request that ends without an answer: nobody waited for it, or its handler panics just now.
fn unanswered() -> (u16, &'static str) {
    if std::thread::panicking() { BROKEN } else { GIVEN_UP }
}

fn asker(known: &Known, kept: &Kept) -> Asker {
    let Some((user, access_key)) = known.user.as_ref().zip(known.access_key.as_ref()) else {
        return Asker { kind: AskerKind::Anonymous, ..Asker::default() };
    };
    let kind = if kept.signature().1 == "QueryString" { AskerKind::SignedUrl } else { AskerKind::User };
    Asker { kind, user: Some(user.to_string()), credential: Some(access_key.as_str().to_owned()) }
}

/// What a request asks for whose sender was not let in.
fn asked(kept: &Kept, target: &Target, query: &Query) -> Option<Operation> {
    let mut headers = HeaderMap::new();
    if kept.is_copy() {
        headers.insert("x-amz-copy-source", HeaderValue::from_static("/"));
    }
    // What stands at a bucket's own address without a query is a form.
    if kept.method == Method::POST {
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("multipart/form-data"));
    }
    select(&kept.method, target, query, &headers).ok()
}

fn unnamed(method: &Method) -> &'static str {
    if method == Method::OPTIONS { "Preflight" } else { "Unknown" }
}

fn class(method: &Method, operation: Option<Operation>) -> Class {
    match (method, operation) {
        (
            _,
            Some(
                Operation::ListBuckets
                | Operation::ListObjects
                | Operation::ListObjectsV2
                | Operation::ListObjectVersions
                | Operation::ListMultipartUploads
                | Operation::ListParts,
            ),
        ) => Class::List,
        (_, Some(Operation::DeleteObjects)) => Class::Delete,
        (method, _) => Class::of(method.as_str(), ""),
    }
}

/// What comes of an answer while it is sent.
struct Sending {
    status: u16,
    code: Option<&'static str>,
    bytes: u64,
}

impl Sending {
    fn note<E>(&mut self, frame: &Result<Frame<Bytes>, E>) {
        match frame {
            Ok(frame) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            // It broke off in the middle, whatever its head said.
            Err(_) => self.broke(),
        }
    }

    fn broke(&mut self) {
        (self.status, self.code) = (BROKEN.0, Some(BROKEN.1));
    }
}

/// A body, and what was sent of it.
struct Sent {
    body: Body,
    sending: Sending,
    auditing: Option<Auditing>,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(frame)) = &polled {
            self.sending.note(frame);
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

impl Drop for Sent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.sending.broke();
        }
        if let Some(auditing) = self.auditing.take() {
            auditing.end(self.sending.status, self.sending.code, self.sending.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::Controls;
    use crate::policy::Access;

    #[test]
    fn operations_have_the_names_and_kinds_that_the_audit_shows() {
        for (method, operation, expected, kind) in [
            (Method::GET, Operation::GetObject, "GetObject", Class::Read),
            (Method::GET, Operation::ListParts, "ListParts", Class::List),
            (Method::POST, Operation::DeleteObjects, "DeleteObjects", Class::Delete),
            (Method::PUT, Operation::Access(Access::PutPolicy), "PutBucketPolicy", Class::Write),
            (Method::DELETE, Operation::Ownership(Controls::Delete), "DeleteBucketOwnershipControls", Class::Delete),
            (Method::PUT, Operation::Access(Access::PutPublicAccessBlock), "PutPublicAccessBlock", Class::Write),
        ] {
            assert_eq!((operation.name(), class(&method, Some(operation))), (expected, kind));
        }
    }

    #[test]
    fn an_answer_that_breaks_off_is_an_error_with_the_bytes_that_were_sent() {
        let mut sending = Sending { status: 200, code: None, bytes: 0 };
        sending.note::<()>(&Ok(Frame::data(Bytes::from_static(b"abc"))));
        assert_eq!((sending.status, sending.code, sending.bytes), (200, None, 3));
        sending.note(&Err("the disk"));
        assert_eq!((sending.status, sending.code, sending.bytes), (500, Some("InternalError"), 3));
    }

    #[test]
    fn a_request_whose_handler_panics_is_not_one_that_nobody_waited_for() {
        struct Guard(std::sync::mpsc::Sender<(u16, &'static str)>);
        impl Drop for Guard {
            fn drop(&mut self) {
                self.0.send(unanswered()).expect("somebody listens");
            }
        }
        let (sender, seen) = std::sync::mpsc::channel();
        drop(Guard(sender.clone()));
        let panicked = std::thread::spawn(move || {
            let _guard = Guard(sender);
            panic!("as a handler would");
        });
        assert!(panicked.join().is_err());
        assert_eq!(seen.iter().collect::<Vec<_>>(), [(499, "ClientClosedRequest"), (500, "InternalError")]);
    }

    #[test]
    fn a_version_is_looked_for_under_its_escaped_name_too() {
        for (query, expected) in [("versionId=v", true), ("x&version%49d=v", true), ("partNumber=1&uploadId=u", false)]
        {
            assert_eq!(may_name_version(query), expected, "{query}");
        }
    }

    #[tokio::test]
    async fn a_body_is_counted_unless_it_has_none() {
        let (body, received) = counted(Body::from("abc"));
        assert_eq!(axum::body::to_bytes(body, 10).await.expect("a body"), "abc");
        assert_eq!(received.0.load(Ordering::Relaxed), 3);
        let (body, received) = counted(Body::empty());
        assert!(http_body::Body::is_end_stream(&body));
        assert_eq!(Arc::strong_count(&received.0), 1, "nothing counts for it");
    }
}
