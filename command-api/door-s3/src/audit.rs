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
use crate::ownership::Controls;
use crate::policy::Access;
use crate::route::{Operation, Query, Target, select};
use crate::service::App;

/// The status of a request that nobody waited for, as web servers log it.
const GIVEN_UP: u16 = 499;

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
            for (place, deleted) in (1..).zip(&batch.0) {
                let Some(code) = deleted.code else { continue };
                let status = if code == "AccessDenied" { 403 } else { 400 };
                let (key, version) = (Some(deleted.key.clone()), deleted.version.clone());
                let facts = Facts { action: Some("DeleteObject".to_owned()), key, version, ..self.facts() };
                record.also(place, status, code, self.known.get().map(|known| known.tenant), facts);
            }
        }
        // A HEAD's headers speak of a body that is never sent.
        if self.kept.method == Method::HEAD || http_body::Body::is_end_stream(response.body()) {
            self.end(status, code, 0);
            return response;
        }
        response.map(|body| Body::new(Sent { body, bytes: 0, status, code, auditing: Some(self) }))
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
        let kept = &self.kept;
        let target = kept.target(&self.app).ok();
        let query = Query::parse(kept.uri.query()).unwrap_or_default();
        let known = self.known.get();
        let operation = match known.and_then(|known| known.operation.get().copied()) {
            Some(operation) => Some(operation),
            None => target.as_ref().and_then(|target| asked(kept, target, &query)),
        };
        let (asker, bucket, key) = match known {
            Some(known) => {
                let (bucket, key) = (known.bucket.as_ref().map(ToString::to_string), known.key.as_ref());
                (asker(known, kept), bucket, key.map(ToString::to_string))
            }
            None => (Asker::claiming(kept.claimed_key().as_deref()), None, None),
        };
        let (named_bucket, named_key) = target.map(|target| (target.bucket, target.key)).unwrap_or_default();
        Facts {
            asker,
            action: Some(operation.map_or_else(|| unnamed(&kept.method), name)),
            bucket: bucket.or(named_bucket),
            key: key.or(named_key),
            version: query.filled("versionId").map(str::to_owned),
            ..Facts::default()
        }
    }
}

/// Bytes of a request's body that were read, framing included.
#[derive(Clone, Default)]
pub(crate) struct Received(Arc<AtomicU64>);

/// A body, and what is read of it.
pub(crate) fn counted(body: Body) -> (Body, Received) {
    let received = Received::default();
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
        self.finish(GIVEN_UP, Some("ClientClosedRequest"), 0);
    }
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

fn unnamed(method: &Method) -> String {
    if method == Method::OPTIONS { "Preflight".to_owned() } else { "Unknown".to_owned() }
}

/// As AWS names the operation.
fn name(operation: Operation) -> String {
    match operation {
        Operation::Access(Access::GetPolicy) => "GetBucketPolicy".to_owned(),
        Operation::Access(Access::PutPolicy) => "PutBucketPolicy".to_owned(),
        Operation::Access(Access::DeletePolicy) => "DeleteBucketPolicy".to_owned(),
        Operation::Access(Access::GetPolicyStatus) => "GetBucketPolicyStatus".to_owned(),
        Operation::Access(access) => format!("{access:?}"),
        Operation::Ownership(Controls::Get) => "GetBucketOwnershipControls".to_owned(),
        Operation::Ownership(Controls::Put) => "PutBucketOwnershipControls".to_owned(),
        Operation::Ownership(Controls::Delete) => "DeleteBucketOwnershipControls".to_owned(),
        other => format!("{other:?}"),
    }
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

/// A body that counts what was sent of it.
struct Sent {
    body: Body,
    bytes: u64,
    status: u16,
    code: Option<&'static str>,
    auditing: Option<Auditing>,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
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
        if let Some(auditing) = self.auditing.take() {
            auditing.end(self.status, self.code, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!((name(operation).as_str(), class(&method, Some(operation))), (expected, kind));
        }
    }
}
