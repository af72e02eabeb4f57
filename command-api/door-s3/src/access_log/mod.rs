//! Access logs of buckets: a line for every request, in the format of S3's server access logs.
//!
//! Owns: which bucket's log a request belongs to, and when its line is written: when the last byte of the answer is sent,
//! or nobody waits for it any more. Does not own: gathering and delivering lines (the store).
//! Invariant: what a client sends cannot end a line or a field of it; no signature stands in one.

mod body;
mod line;
mod operation;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::Response;
use pipeline::{Caller, LoggedBucket, Store};
use schemas::{AccessKeyId, BucketName, ObjectKey, RequestId, TenantId, Time, UserId};

use crate::kept::Kept;
use crate::route::Operation;
use crate::service::App;
use body::Counted;
use line::Line;

/// What the door has found out about the sender of a request.
#[derive(Debug)]
pub(crate) struct Known {
    /// Whose tenant.
    pub(crate) tenant: TenantId,
    /// Who; none when it has no credential.
    pub(crate) user: Option<UserId>,
    /// By which key.
    pub(crate) access_key: Option<AccessKeyId>,
    /// What it asks for, once that is known.
    pub(crate) operation: OnceLock<Operation>,
    /// The bucket that it names.
    pub(crate) bucket: Option<BucketName>,
    /// The key that it names.
    pub(crate) key: Option<ObjectKey>,
}

impl Known {
    /// As it is admitted, before names are known to be some.
    pub(crate) fn by(caller: &Caller, bucket: Option<&str>, key: Option<&str>) -> Self {
        let access_key = caller.access_key().cloned();
        let user = access_key.as_ref().map(|_| caller.user());
        let bucket = bucket.and_then(|name| BucketName::parse(name).ok());
        let key = key.and_then(|key| ObjectKey::parse(key).ok());
        Self { tenant: caller.tenant, user, access_key, operation: OnceLock::new(), bucket, key }
    }
}

/// Objects that one request deleted one by one: the log has a line for each.
#[derive(Debug, Clone)]
pub(crate) struct Batch(pub(crate) Vec<Deleted>);

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Deleted {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    /// Why it was not.
    pub(crate) code: Option<&'static str>,
}

/// A request that was answered, and how.
pub(crate) struct Answered<'a> {
    pub(crate) request: &'a RequestId,
    /// Wall clock at which it came.
    pub(crate) begun_us: u64,
    pub(crate) known: Option<&'a Known>,
    /// The code of its error.
    pub(crate) code: Option<&'static str>,
}

/// Writes the lines of a request, now or when its body has been sent.
pub(crate) fn note(app: &App, kept: Arc<Kept>, answered: &Answered<'_>, mut response: Response) -> Response {
    let batch = response.extensions_mut().remove::<Batch>();
    let Some(bucket) = logged(app, &kept, answered.known) else { return response };
    let line = Line::new(app, kept, answered, &response);
    let write = Write { store: app.store.clone(), clock: Arc::clone(&app.options.clock), bucket, line };
    for deleted in batch.into_iter().flat_map(|batch| batch.0) {
        write.one(&write.line.deletion(&write.bucket, &deleted));
    }
    response.map(|body| Body::new(Counted::new(body, write)))
}

/// The log that a request belongs to. That it cannot be told is no reason to answer otherwise.
fn logged(app: &App, kept: &Kept, known: Option<&Known>) -> Option<Arc<LoggedBucket>> {
    let found = match known {
        Some(known) => app.store.access_log(known.tenant, known.bucket.as_ref()?),
        None => {
            let target = kept.target(app).ok()?;
            let bucket = BucketName::parse(target.bucket.as_deref()?).ok()?;
            let tenant = kept.claimed_tenant(app, &target);
            app.store.access_log(tenant.inspect_err(crate::errors::Failure::log).ok()??, &bucket)
        }
    };
    found.inspect_err(|error| tracing::error!(%error, "an access log cannot be found")).ok()?
}

/// A line that waits for the end of its answer.
struct Write {
    store: Store,
    clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    bucket: Arc<LoggedBucket>,
    line: Line,
}

impl Write {
    fn one(&self, text: &str) {
        self.store.log_access(&self.bucket, Time(self.line.begun_us), text);
    }

    fn sent(&self, bytes: u64) {
        let took_us = (self.clock)().saturating_sub(self.line.begun_us);
        self.one(&self.line.text(&self.bucket, bytes, took_us));
    }
}
