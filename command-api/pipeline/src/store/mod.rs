//! The store: what every door holds.
//!
//! Owns: resolving the tenant's things, authorising, running commands and queries.
//! Does not own: deciding (domain), ordering (sequencer), bytes (content, blob-store), wire formats (doors).
//! Invariant: nothing is read or written without a caller, but credentials, CORS rules for preflights, and what followers of the
//! log need (`subscriptions`), which no door asks for; every row asked for names the caller's tenant.

mod about;
mod access;
mod account;
mod acl;
mod admin;
mod amend;
mod announce;
mod archive;
mod audit;
mod bases;
mod bearer;
mod bucket_settings;
mod buckets;
mod clock;
mod copy;
mod delete;
mod deliveries;
pub(crate) mod difference;
mod encryption;
mod erase;
mod export;
mod forks;
mod idempotency;
mod identity;
mod keys;
mod lifecycle;
mod list;
mod logging;
mod move_object;
mod notifications;
mod objects;
mod open;
mod past;
mod patch;
mod points;
mod proofs;
mod quota;
pub(crate) mod rewind;
pub(crate) mod situation;
mod snapshots;
mod stats;
mod subscriptions;
mod tasks;
mod uploads;
mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;

use domain::Refusal;
use event_log::{EventLog, RetentionClock, Rows, Table};
use parking_lot::Mutex;
use projections::row;
use schemas::acl::PublicAccessBlock;
use schemas::event::{ObjectOwnership, Versioning};
use schemas::record::{Actor, Context};
use schemas::{BucketId, BucketName, CommandId, KeyId, ObjectKey, RequestId, TenantId, VersionId};

pub use account::{Account, Bounds};
pub use archive::{Selected, Selection};
pub use audit::{ActiveUpload, ActiveUploads, ProjectionState, Stats, WindowsPage};
pub use bearer::{Bearer, BearerError, Minted, SignedUrl};
pub use clock::{ClockFigures, ClockState};
pub(crate) use erase::{ERASE, ErasureArguments, ErasureCursor, Stage};
pub use erase::{ErasureCounts, ErasureInfo};
pub use export::AskedExport;
pub(crate) use forks::planned_object;
pub use idempotency::{Fingerprint, IDEMPOTENCY_KEY_BYTES_MAX, Pending, Repeated, is_idempotency_key};
pub(crate) use lifecycle::Rules;
pub use move_object::{MoveObject, Moved};
pub use open::{FirstStart, OnCommit, OpenError, OpenOptions};
pub(crate) use open::{log_under, open_log, reopening};
pub(crate) use past::layers;
pub use patch::BucketSetting;
pub(crate) use quota::Charges;
pub use rewind::{RefusedKey, RewindPlan, RewindReport, Rewound};
pub use stats::{BucketStats, PrefixStats};
pub(crate) use tasks::{Arguments, Cursor, DELETE_PREFIX};
pub use tasks::{TaskInfo, TaskStatus, TaskWork};

use crate::access_log::AccessLog;
use crate::api::{AdminCaller, AsOf, Caller, Component, StoreError, Who};
use crate::audit::{Sink, Writing};
use crate::clock::{Clock, Ids};
use crate::content::{Contents, Mode, Scope, StagedContent};
use crate::limits::Limits;
use crate::sequencer::{Decide, Lane, Outcome, Planned, Sequencer, Work, describe};
use crate::standing::{Delivery, Standing};
use crate::view::Preload;

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) contents: Contents,
    pub(crate) sequencer: Sequencer,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) settings: Settings,
    pub(crate) identity: Arc<identity::Identity>,
    pub(crate) retention: Arc<Mutex<RetentionClock>>,
    pub(crate) standing: Standing,
    pub(crate) facts: bucket_settings::Facts,
    pub(crate) policies: access::Policies,
    pub(crate) in_flight: idempotency::InFlight,
    pub(crate) access_log: Arc<AccessLog>,
    pub(crate) delivery: Delivery,
    pub(crate) audit: Arc<Sink>,
    pub(crate) auditing: Writing,
    pub(crate) announcements: announce::Announcer,
    pub(crate) limits: Limits,
    pub(crate) proofs: Arc<crate::proofs::Proofs>,
    /// Monotonic clock when the store was opened.
    pub(crate) opened_us: u64,
}

/// What an operator chose.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) region: String,
    pub(crate) default_ownership: ObjectOwnership,
    /// What public access is blocked of buckets that nobody set it for; none where that is not configured.
    pub(crate) default_public_access_block: Option<PublicAccessBlock>,
    /// How long superseded content is kept; none for ever.
    pub(crate) history_window_s: Option<u64>,
    /// How long unreferenced blobs are kept.
    pub(crate) grace_s: u64,
    /// How long a day of lifecycle rules is.
    pub(crate) lifecycle_day: domain::lifecycle::Day,
    /// Smallest part that is not the last one.
    pub(crate) part_bytes_min: u64,
    /// How long lines of access logs are gathered.
    pub(crate) access_log_flush_s: u64,
    /// Time between two events that tell of a log's checkpoints.
    pub(crate) checkpoint_event_s: u64,
    /// Where scratch rows stand.
    pub(crate) scratch: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// Tables of whoever follows the log.
    pub(crate) following: Vec<Table>,
    /// The named keys that there are.
    pub(crate) kms_keys: domain::encryption::KmsKeys,
}

/// Most bytes of one PUT or part (S3: 5 GiB).
pub(crate) const PUT_BYTES_MAX: u64 = 5 << 30;

/// Content that sweep freed after a request's snapshot was taken and before the request pinned it is gone, which looks like
/// damage. A fresh snapshot tells the two apart: it shows what the object is now. So a read that meets damage is tried again,
/// this often in all.
const READ_ATTEMPTS: u32 = 4;

/// Reads by `once`, which takes a snapshot of its own each time; again as long as it meets damage that sweep may explain.
pub(crate) async fn read_again<T, F>(mut once: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut attempts = 1;
    loop {
        match once().await {
            Err(StoreError::Corrupt { .. }) if attempts < READ_ATTEMPTS => attempts += 1,
            done => return done,
        }
    }
}

/// A bucket that a request named.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) id: BucketId,
    /// Its row, of now or of then.
    pub(crate) row: row::Bucket,
    /// As of when it was found, if not as of now.
    pub(crate) as_of: Option<AsOf>,
}

impl Found {
    /// As it is now.
    pub(crate) fn now(id: BucketId, row: row::Bucket) -> Self {
        Self { id, row, as_of: None }
    }

    /// Whether it shows what another one was, and cannot be written.
    pub(crate) fn is_view(&self) -> bool {
        self.row.base.is_some_and(|base| !base.writable)
    }

    pub(crate) fn scope(&self, tenant: TenantId, mode: Mode) -> Scope {
        Scope { tenant, bucket: self.id, key: self.row.key, mode }
    }

    /// A version's id, where versions are shown.
    pub(crate) fn shown(&self, version: VersionId) -> Option<VersionId> {
        (self.row.versioning != Versioning::Unversioned || version != VersionId::Null).then_some(version)
    }
}

/// A command as the store's operations give it.
pub(crate) struct Request {
    pub(crate) tenant: TenantId,
    pub(crate) context: Context,
    pub(crate) lane: Lane,
    /// Rows that the decision will ask for.
    pub(crate) rows: Vec<(Table, Vec<u8>)>,
    pub(crate) command: Option<CommandId>,
}

impl Request {
    pub(crate) fn of(caller: &Caller) -> Self {
        let actor = match &caller.who {
            Who::Anonymous => Actor::Anonymous,
            Who::Service(service) => Actor::System(service.name.to_owned()),
            Who::User { user, access_key, .. } => Actor::User { user: user.clone(), access_key: access_key.clone() },
        };
        let lane = if matches!(caller.who, Who::Service(_)) { Lane::Background } else { Lane::Foreground };
        let source = caller.source.map(|source| source.to_string());
        Self { lane, ..Self::new(caller.tenant, actor, source, caller.request.clone()) }
    }

    pub(crate) fn admin(admin: &AdminCaller, tenant: TenantId) -> Self {
        let actor = Actor::Admin(admin.token.clone());
        Self::new(tenant, actor, admin.source.map(|source| source.to_string()), admin.request.clone())
    }

    /// A command of a standing process.
    pub(crate) fn system(name: &str, tenant: TenantId, request: RequestId) -> Self {
        let request = Self::new(tenant, Actor::System(name.to_owned()), None, request);
        Self { lane: Lane::Background, ..request }
    }

    fn new(tenant: TenantId, actor: Actor, source: Option<String>, request: RequestId) -> Self {
        let context = Context { actor, source, request, correlation: None, causation: None, command: None };
        Self { tenant, context, lane: Lane::Foreground, rows: Vec::new(), command: None }
    }

    pub(crate) fn loading(mut self, rows: Vec<(Table, Vec<u8>)>) -> Self {
        self.rows = rows;
        self
    }

    pub(crate) fn idempotent(mut self, command: Option<CommandId>) -> Self {
        self.command = command;
        self.context.command = command;
        self
    }
}

impl Inner {
    fn work(&self, request: Request, decide: Decide) -> Result<Work, StoreError> {
        let preload = if request.rows.is_empty() {
            Preload::default()
        } else {
            Preload::read(self.log.snapshot().as_ref(), request.rows).map_err(|error| internal(&error))?
        };
        let Request { tenant, context, lane, command, .. } = request;
        Ok(Work { tenant, context, lane, preload, command, decide })
    }

    /// Runs a command. Its outcome is durable when this returns.
    pub(crate) async fn run(&self, request: Request, decide: Decide) -> Result<Outcome, StoreError> {
        // The outcome of a repeated command is that of an earlier request, and so are its events.
        let repeatable = request.command.is_some().then(|| request.context.request.clone());
        let mut outcome = self.sequencer.submit(self.work(request, decide)?).await?;
        // That a key became a fork's own goes before what was asked for, and answers nothing.
        outcome.retain(|recorded| !forks::is_inheritance(&recorded.header));
        let is_of = |body: &schemas::record::Body| repeatable.as_ref().is_none_or(|id| body.context.request == *id);
        if let Some(first) = outcome.first().filter(|first| first.body.as_ref().is_some_and(is_of)) {
            crate::audit::made(first.header.position);
        }
        Ok(outcome)
    }

    /// The same on a thread that may block.
    pub(crate) fn run_blocking(&self, request: Request, decide: Decide) -> Result<Outcome, StoreError> {
        self.sequencer.submit_blocking(self.work(request, decide)?)
    }

    /// Writes the rows of staged content that do not fit the unit of its command; returns those that do.
    pub(crate) async fn stage_rows(
        &self,
        caller: &Caller,
        staged: &mut StagedContent,
    ) -> Result<event_log::Changes, StoreError> {
        let last = staged.changes.pop().unwrap_or_default();
        for changes in std::mem::take(&mut staged.changes) {
            let decide: Decide =
                Box::new(move |_, _| Ok(crate::sequencer::Unit { events: Vec::new(), changes: changes.clone() }));
            self.run(Request::of(caller), decide).await?;
        }
        Ok(last)
    }

    /// The bucket of a name, if the caller's tenant has it.
    pub(crate) fn bucket(&self, rows: &dyn Rows, tenant: TenantId, name: &BucketName) -> Result<Found, StoreError> {
        let found = projections::query::bucket_by_name(rows, tenant, name).map_err(rows_error)?;
        let (id, row) = found.ok_or(Refusal::NoSuchBucket)?;
        Ok(Found::now(id, row))
    }

    /// The retention clock: what records are stamped with.
    pub(crate) fn now(&self) -> schemas::Time {
        self.retention.lock().at(self.clock.wall(), self.clock.monotonic_us())
    }

    /// The time that expiry is judged by: the retention clock's, or where it stands while expiry is frozen.
    pub(crate) fn judged_now(&self) -> schemas::Time {
        let mut clock = self.retention.lock();
        clock.at(self.clock.wall(), self.clock.monotonic_us());
        clock.judged()
    }

    /// Key of the tenant's own events.
    pub(crate) fn tenant_key(&self, tenant: TenantId) -> Result<KeyId, StoreError> {
        self.contents
            .vault
            .tenant_key(tenant)
            .ok_or_else(|| StoreError::Internal { what: format!("tenant {tenant} has no key") })
    }
}

impl Store {
    /// State of the store's parts: whether each can take a write now.
    pub async fn ready(&self) -> Vec<Component> {
        let inner = self.inner.clone();
        let database = inner.sequencer.alive() && inner.probe().await.is_ok();
        let storage = self.inner.contents.blobs.free_bytes().is_ok();
        vec![Component { name: "database", ok: database }, Component { name: "storage", ok: storage }]
    }

    /// Number of the last durable commit, and commands that wait: for metrics.
    #[must_use]
    pub fn progress(&self) -> (u64, usize) {
        (self.inner.log.committed(), self.inner.sequencer.waiting())
    }

    /// Delivers access logs, decides what is queued, closes the segments and writes what the audit has left. Requests after this are `Unavailable`; the log
    /// closes with the last clone of the store.
    pub fn close(&self) {
        self.inner.announcements.clear();
        self.inner.delivery.stop(&self.inner);
        self.inner.proofs.stop();
        self.inner.standing.stop();
        self.inner.sequencer.stop();
        if let Err(error) = self.inner.contents.blobs.close() {
            tracing::error!(error = %describe(&error), "closing the blob store failed");
        }
        self.inner.auditing.stop(&self.inner.audit);
    }
}

impl Inner {
    /// A row written and made durable: the log can write.
    async fn probe(&self) -> Result<(), StoreError> {
        let request = Request::system("readyz", TenantId::SYSTEM, self.ids.request(self.clock.wall()));
        let request = Request { lane: Lane::Foreground, ..request };
        let time = self.clock.wall().0.to_be_bytes().to_vec();
        let decide: Decide = Box::new(move |_, _| {
            let mut changes = event_log::Changes::default();
            changes.put(crate::tables::PHYSICAL, crate::tables::probe_key(), time.clone());
            Ok(crate::sequencer::Unit { events: Vec::new(), changes })
        });
        let answer = tokio::time::timeout(std::time::Duration::from_secs(5), self.run(request, decide)).await;
        answer.map_err(|_| StoreError::Unavailable)?.map(|_| ())
    }
}

/// Whether an admin token may run upkeep of the whole installation.
pub(crate) fn operator(admin: &AdminCaller) -> Result<(), Refusal> {
    let grant = domain::policy::Grant { role: admin.role, tenant: admin.tenant };
    domain::policy::authorise_admin(grant, schemas::event::AdminRole::Operator, None)
}

/// Events of one bucket and object, sealed under the bucket's key.
pub(crate) fn planned(bucket: &Found, object: Option<&ObjectKey>, events: Vec<schemas::event::Event>) -> Vec<Planned> {
    let plan = |event| Planned { bucket: bucket.id, key: bucket.row.key, object: object.cloned(), event };
    events.into_iter().map(plan).collect()
}

pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> StoreError {
    StoreError::Internal { what: describe(error) }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(crate) fn rows_error(error: row::RowError) -> StoreError {
    StoreError::Corrupt { what: describe(&error) }
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function for map_err")]
pub(crate) fn log_error(error: event_log::LogError) -> StoreError {
    StoreError::Corrupt { what: describe(&error) }
}
