//! Erasing: a bucket or a tenant is asked to be erased, checked for what must be kept, ended; and what the log keeps of the task.
//!
//! Owns: the check of locks before, what the task needs to resume, how it is shown.
//! Does not own: carrying it out ([`crate::standing`]), the rule (domain).
//! Invariants: between the check and the end of the bucket nobody can lock anything in it: what changed since rows were looked
//! at is looked at again in the very decision that ends it. Nothing is destroyed before that decision is durable, and from then on
//! the task cannot be cancelled.

use std::collections::BTreeMap;

use domain::erasure::{self, Erase, State};
use domain::policy::{Resource, authorise};
use domain::{Refusal, policy};
use event_log::{Changes, Rows};
use projections::query::{self, Kept, Walk};
use projections::row;
use schemas::action::Action;
use schemas::event::{AdminRole, ErasureScope, TaskStarted};
use schemas::record::{Actor, Context};
use schemas::{BucketId, BucketName, Position, RequestId, TenantId, TenantName, Time, UserId};
use serde::{Deserialize, Serialize};

use super::tasks::{RETRY_AFTER_MS, TaskInfo, TaskStatus, TaskWork, UNFINISHED_MAX, malformed};
use super::{Found, Inner, Request, Store, internal, log_error, planned, rows_error, situation};
use crate::api::{AdminCaller, Caller, StoreError};
use crate::sequencer::{Decide, Planned, Unit};

/// Kind of tasks that erase. Part of the log's format.
pub(crate) const ERASE: &str = "erase";
/// Rows looked at under one snapshot.
const LOOKED: usize = 10_000;
/// Keys changed since, that a decision looks at again.
const CHANGED_MAX: usize = 500;
/// Buckets of a tenant that a decision looks at.
const BUCKETS_MAX: usize = 10_000;
/// How often a check is made anew because too much changed meanwhile.
const ATTEMPTS: usize = 5;

/// How far an erasure got: what its certificate says in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErasureCounts {
    /// Rows that were deleted, wraps not among them.
    pub rows: u64,
    /// Wrapped keys of content that were deleted.
    pub wraps: u64,
    /// Blobs that were freed.
    pub blobs: u64,
    /// Entries of the access log that were deleted.
    pub entries: u64,
    /// Bytes that were searched for what must not be there.
    pub scanned_bytes: u64,
    /// What they were searched for.
    pub markers: u64,
    /// How many of those were found.
    pub findings: u64,
}

/// An erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureInfo {
    /// The task: 32 hex digits.
    pub id: String,
    /// Of what.
    pub scope: ErasureScope,
    /// Why.
    pub reason: String,
    /// How it stands.
    pub status: TaskStatus,
    /// What was done so far.
    pub counts: ErasureCounts,
    /// When it was asked for.
    pub started: Time,
    /// When it last got further.
    pub progressed: Time,
    /// When it ended, if it has.
    pub ended: Option<Time>,
}

/// What an erasure is to do, as the log keeps it in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureArguments {
    pub(crate) scope: ErasureScope,
    pub(crate) reason: String,
    actor: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    request: RequestId,
}

/// Where an erasure is, in order. Part of the log's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Uploads are given up, signed addresses revoked.
    #[default]
    Uploads,
    /// The event of the destroyed key.
    Key,
    /// The key is destroyed.
    Files,
    /// Wraps go, and blobs that nothing else opens.
    Wraps,
    /// Rows go.
    Rows,
    /// What manifests that are gone have left.
    Children,
    /// Entries of the access log go.
    Entries,
    /// Files are written anew and searched.
    Purge,
}

/// How far an erasure got, as the log keeps it in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErasureCursor {
    #[serde(default)]
    pub(crate) stage: Stage,
    #[serde(flatten)]
    pub(crate) counts: ErasureCounts,
}

impl ErasureArguments {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|_| malformed("arguments"))
    }

    /// Whoever asked, as the events of the erasure name them.
    pub(crate) fn context(&self, task: &str) -> Context {
        Context {
            actor: self.actor.clone(),
            source: self.source.clone(),
            request: self.request.clone(),
            correlation: Some(task.to_owned()),
            causation: None,
            command: None,
        }
    }
}

impl ErasureCursor {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, StoreError> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| malformed("cursor")))
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a cursor is JSON")
    }
}

/// Buckets whose versions can be locked, and the position from which on changes must be looked at again.
type Looked = BTreeMap<BucketId, Position>;

impl Store {
    /// Erases a bucket with everything in it: it is gone for everybody when this returns, and a task destroys its key and all that
    /// is left of it. `confirm` is its name once more.
    ///
    /// # Errors
    /// [`Refusal::Retained`] while a retention or hold is in force in it, naming the version to one who may see it; nothing has
    /// changed then.
    pub async fn erase_bucket(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        erase: Erase,
    ) -> Result<TaskInfo, StoreError> {
        let inner = self.inner.clone();
        let found = inner.enter(inner.log.snapshot().as_ref(), caller, Action::EraseBucket, bucket, None)?;
        if caller.access_key().is_none() {
            return Err(Refusal::AccessDenied.into());
        }
        let state = State::Bucket { bucket: found.id, name: bucket.clone(), kept: None };
        erasure::decide(&state, &erase)?;
        let scope = ErasureScope::Bucket { bucket: found.id, name: bucket.clone() };
        let request = Request::of(caller);
        let (tenant, id) = (caller.tenant, inner.task_id());
        let started = started(&id, &scope, &erase, &request.context)?;
        let caller = caller.clone();
        for _ in 0..ATTEMPTS {
            let looked = {
                let (inner, caller, found) = (inner.clone(), caller.clone(), found.clone());
                let look = move || inner.look_at(&found, tenant, &|kept| told(&caller, &found.row.name, kept));
                tokio::task::spawn_blocking(look).await.map_err(|error| internal(&error))??
            };
            let sealing = inner.tenant_key(tenant)?;
            let (found, caller, erase, started) = (found.clone(), caller.clone(), erase.clone(), started.clone());
            let request = Request::of(&caller);
            let decide: Decide = Box::new(move |rows, now| {
                situation::still_works(rows, &caller)?;
                may_begin(rows, tenant)?;
                let live = query::bucket(rows, tenant, found.id).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
                unless_shown(rows, tenant, found.id)?;
                unless_kept(rows, tenant, found.id, now)?;
                let tell = |kept: &Kept| told(&caller, &found.row.name, kept);
                let kept = kept_since(rows, tenant, found.id, &live, &looked, now, &tell)?;
                let state = State::Bucket { bucket: found.id, name: live.name.clone(), kept };
                let mut events = vec![of_tenant(sealing, started.clone().into())];
                events.extend(planned(&found, None, erasure::decide(&state, &erase)?));
                Ok(Unit { events, changes: Changes::default() })
            });
            match inner.run(request, decide).await {
                Err(StoreError::Refused(Refusal::ChangedMeanwhile)) => {}
                failed @ Err(_) => return failed.map(|_| unreachable!("an error")),
                Ok(_) => {
                    inner.standing.ring();
                    let task = inner.find_task(tenant, &id)?;
                    return task
                        .ok_or_else(|| StoreError::Internal { what: "a task that began is not there".to_owned() });
                }
            }
        }
        Err(Refusal::ChangedMeanwhile.into())
    }

    /// Erases a tenant with all of its buckets and its log: its keys stop working at once, and a task destroys its key and all that
    /// is left of it.
    ///
    /// # Errors
    /// [`Refusal::Retained`] while a retention or hold is in force in any of its buckets; nothing has changed then.
    pub async fn erase_tenant(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        erase: Erase,
    ) -> Result<ErasureInfo, StoreError> {
        let inner = self.inner.clone();
        let (of, _) = inner.admin_tenant(admin, AdminRole::Owner, tenant)?;
        let state = State::Tenant { tenant: of, name: tenant.clone(), kept: None };
        erasure::decide(&state, &erase)?;
        let scope = ErasureScope::Tenant { tenant: of, name: tenant.clone() };
        let id = inner.task_id();
        let request = Request::admin(admin, TenantId::SYSTEM);
        let started = started(&id, &scope, &erase, &request.context)?;
        let sealing = inner.tenant_key(TenantId::SYSTEM)?;
        for _ in 0..ATTEMPTS {
            let looked = {
                let inner = inner.clone();
                tokio::task::spawn_blocking(move || inner.look_at_all(of)).await.map_err(|error| internal(&error))??
            };
            let (name, erase, started) = (tenant.clone(), erase.clone(), started.clone());
            let decide: Decide = Box::new(move |rows, now| {
                may_begin(rows, TenantId::SYSTEM)?;
                query::tenant(rows, of).map_err(rows_error)?.ok_or(Refusal::NoSuchTenant)?;
                let mut kept = None;
                for (bucket, live) in some_buckets(rows, of)? {
                    unless_kept(rows, of, bucket, now)?;
                    let tell = |_: &Kept| whole(&live.name);
                    kept = kept_since(rows, of, bucket, &live, &looked, now, &tell)?;
                    if kept.is_some() {
                        break;
                    }
                }
                let state = State::Tenant { tenant: of, name: name.clone(), kept };
                let events = erasure::decide(&state, &erase)?;
                let all = std::iter::once(started.clone().into()).chain(events);
                Ok(Unit { events: all.map(|event| of_tenant(sealing, event)).collect(), changes: Changes::default() })
            });
            match inner.run(Request::admin(admin, TenantId::SYSTEM), decide).await {
                Err(StoreError::Refused(Refusal::ChangedMeanwhile)) => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    inner.standing.ring();
                    let found = inner.find_erasure(&id)?;
                    return found
                        .ok_or_else(|| StoreError::Internal { what: "a task that began is not there".to_owned() });
                }
            }
        }
        Err(Refusal::ChangedMeanwhile.into())
    }

    /// An erasure of a tenant, by its id; none if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tenant_erasure(&self, admin: &AdminCaller, id: &str) -> Result<Option<ErasureInfo>, StoreError> {
        let grant = policy::Grant { role: admin.role, tenant: admin.tenant };
        policy::authorise_admin(grant, AdminRole::Owner, None)?;
        self.inner.find_erasure(id)
    }
}

impl Inner {
    /// Looks for a version of a bucket that must be kept.
    fn look_at(&self, bucket: &Found, tenant: TenantId, tell: &dyn Fn(&Kept) -> String) -> Result<Looked, StoreError> {
        unless_shown(self.log.snapshot().as_ref(), tenant, bucket.id)?;
        self.look_at_locks(bucket, tenant, tell)
    }

    fn look_at_locks(
        &self,
        bucket: &Found,
        tenant: TenantId,
        tell: &dyn Fn(&Kept) -> String,
    ) -> Result<Looked, StoreError> {
        let mut looked = Looked::new();
        if !bucket.row.object_lock {
            return Ok(looked);
        }
        let head = self.log.snapshot().log_head(tenant).map_err(log_error)?;
        looked.insert(bucket.id, head.map_or(Position(0), |head| head.next));
        let mut walk = Some(Walk::default());
        while let Some(from) = walk {
            let (snapshot, now) = (self.log.snapshot(), self.judged_now());
            let found = query::kept_in_bucket(snapshot.as_ref(), tenant, bucket.id, now, from, LOOKED);
            let (kept, next) = found.map_err(rows_error)?;
            if let Some(kept) = kept {
                return Err(Refusal::Retained { rule: tell(&kept) }.into());
            }
            walk = next;
        }
        Ok(looked)
    }

    fn look_at_all(&self, tenant: TenantId) -> Result<Looked, StoreError> {
        let mut looked = Looked::new();
        let buckets = some_buckets(self.log.snapshot().as_ref(), tenant)?;
        for (id, row) in buckets {
            let name = row.name.clone();
            looked.extend(self.look_at_locks(&Found::now(id, row), tenant, &|_| whole(&name))?);
        }
        Ok(looked)
    }

    fn find_erasure(&self, id: &str) -> Result<Option<ErasureInfo>, StoreError> {
        let (snapshot, tenant) = (self.log.snapshot(), TenantId::SYSTEM);
        if let Some(task) = query::task(snapshot.as_ref(), tenant, id).map_err(rows_error)?.filter(is_erasure) {
            return running(id.to_owned(), &task).map(Some);
        }
        let Some(ended) = query::ended_task(snapshot.as_ref(), tenant, id).map_err(rows_error)? else {
            return Ok(None);
        };
        let row::EndedTask { kind, done, started, ended, error, arguments, cursor } = ended;
        let task = row::Task { kind, arguments, cursor, done, started, progressed: ended };
        if !is_erasure(&task) {
            return Ok(None);
        }
        let status = error.map_or(TaskStatus::Succeeded, TaskStatus::Failed);
        Ok(Some(ErasureInfo { status, ended: Some(ended), ..running(id.to_owned(), &task)? }))
    }
}

/// Refuses to erase what others show: they are erased or deleted first. Snapshots end with their bucket.
fn unless_shown(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<(), StoreError> {
    let mut names = Vec::new();
    for (derived, _) in query::derived(rows, tenant, bucket).map_err(rows_error)? {
        let name = query::bucket_name(rows, tenant, derived).map_err(rows_error)?;
        names.extend(name.map(|name| format!("bucket {name}")));
    }
    if names.is_empty() { Ok(()) } else { Err(Refusal::BucketIsKept { by: names.join(", ") }.into()) }
}

/// Refuses to erase what an audit trail keeps though its versions were removed.
fn unless_kept(rows: &dyn Rows, tenant: TenantId, bucket: BucketId, now: Time) -> Result<(), StoreError> {
    match query::kept_content(rows, tenant, bucket, now).map_err(rows_error)? {
        None => Ok(()),
        Some(until) => {
            let until = domain::point::written(until);
            let rule = format!("an audit trail keeps content of removed versions until {until}");
            Err(Refusal::Retained { rule }.into())
        }
    }
}

fn is_erasure(task: &row::Task) -> bool {
    task.kind == ERASE
}

/// An erasure that is under way, as its row says.
pub(super) fn running(id: String, task: &row::Task) -> Result<ErasureInfo, StoreError> {
    let arguments = ErasureArguments::parse(&task.arguments)?;
    let ErasureCursor { counts, .. } = ErasureCursor::parse(task.cursor.as_deref())?;
    let ErasureArguments { scope, reason, .. } = arguments;
    let (started, progressed) = (task.started, task.progressed);
    Ok(ErasureInfo { id, scope, reason, status: TaskStatus::Running, counts, started, progressed, ended: None })
}

/// The same among a tenant's tasks.
pub(super) fn running_task(id: String, task: &row::Task) -> Result<TaskInfo, StoreError> {
    let arguments = ErasureArguments::parse(&task.arguments)?;
    let info = running(id, task)?;
    let ErasureScope::Bucket { name, .. } = info.scope else { return Err(malformed("scope")) };
    let user = match arguments.actor {
        Actor::User { user, .. } => user,
        _ => UserId::parse("system").map_err(|_| malformed("user"))?,
    };
    Ok(TaskInfo {
        id: info.id,
        kind: ERASE.to_owned(),
        bucket: name,
        user,
        status: TaskStatus::Running,
        work: TaskWork::Erase { rows: info.counts.rows },
        started: info.started,
        progressed: info.progressed,
        ended: None,
    })
}

fn started(id: &str, scope: &ErasureScope, erase: &Erase, context: &Context) -> Result<TaskStarted, StoreError> {
    let arguments = ErasureArguments {
        scope: scope.clone(),
        reason: erase.reason.clone(),
        actor: context.actor.clone(),
        source: context.source.clone(),
        request: context.request.clone(),
    };
    let arguments = serde_json::to_string(&arguments).map_err(|error| internal(&error))?;
    Ok(TaskStarted { task: id.to_owned(), kind: ERASE.to_owned(), arguments })
}

fn may_begin(rows: &dyn Rows, tenant: TenantId) -> Result<(), StoreError> {
    if query::tasks(rows, tenant).map_err(rows_error)?.len() >= UNFINISHED_MAX {
        return Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS });
    }
    Ok(())
}

fn some_buckets(rows: &dyn Rows, tenant: TenantId) -> Result<Vec<(BucketId, row::Bucket)>, StoreError> {
    let buckets = query::buckets_by_id(rows, tenant, BUCKETS_MAX + 1).map_err(rows_error)?;
    if buckets.len() > BUCKETS_MAX {
        let reason = "the tenant has more than 10,000 buckets: erase some of them first";
        return Err(Refusal::InvalidRequest { reason }.into());
    }
    Ok(buckets)
}

/// The rule that forbids to erase a bucket because of something that changed since its rows were looked at.
fn kept_since(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: BucketId,
    live: &row::Bucket,
    looked: &Looked,
    now: Time,
    tell: &dyn Fn(&Kept) -> String,
) -> Result<Option<String>, StoreError> {
    if !live.object_lock {
        return Ok(None);
    }
    // Locks were allowed since: nobody has looked at anything.
    let since = *looked.get(&bucket).ok_or(Refusal::ChangedMeanwhile)?;
    let changed = query::changes(rows, tenant, bucket, since, Position(u64::MAX), CHANGED_MAX + 1);
    let changed = changed.map_err(rows_error)?;
    if changed.len() > CHANGED_MAX {
        return Err(Refusal::ChangedMeanwhile.into());
    }
    for (_, key) in changed {
        if let Some(kept) = query::kept_of_key(rows, tenant, bucket, &key, now).map_err(rows_error)? {
            return Ok(Some(tell(&kept)));
        }
    }
    Ok(None)
}

/// What one who may see the version is told of it.
fn told(caller: &Caller, bucket: &BucketName, kept: &Kept) -> String {
    let sees = |scopes| authorise(scopes, Action::GetObjectRetention, Resource::Object(bucket, &kept.key)).is_ok();
    if !caller.scopes().is_some_and(sees) {
        return "a version in the bucket is retained or held".to_owned();
    }
    let which = format!("the version {} of {}", kept.version, kept.key);
    match kept.retention {
        Some(retention) => {
            let mode = retention.mode.as_str();
            format!("{which} is retained until {} ({mode})", date(retention.until))
        }
        None => format!("{which} is under legal hold"),
    }
}

/// What an operator is told, who need not know what objects are called.
fn whole(bucket: &BucketName) -> String {
    format!("a version in the bucket {bucket} is retained or held")
}

fn date(time: Time) -> String {
    let microseconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    format!("{:.0}", jiff::Timestamp::from_microsecond(microseconds).unwrap_or(jiff::Timestamp::MAX))
}

fn of_tenant(key: schemas::KeyId, event: schemas::event::Event) -> Planned {
    Planned { bucket: BucketId::NONE, key, object: None, event }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_an_erasure_fits_and_reads_back() {
        let context = Context {
            actor: Actor::User {
                user: UserId::parse(&"u".repeat(128)).expect("a user"),
                access_key: schemas::AccessKeyId::parse(&"A".repeat(128)).expect("a key"),
            },
            source: Some("fe80:0001:0002:0003:0004:0005:0006:ffff".to_owned()),
            request: RequestId("0".repeat(26)),
            correlation: None,
            causation: None,
            command: None,
        };
        let name = BucketName::parse(&"b".repeat(63)).expect("a name");
        let scope = ErasureScope::Bucket { bucket: BucketId(u64::MAX), name };
        // A quote takes two bytes of JSON; control characters are refused.
        let erase = Erase { reason: "\"".repeat(512), confirm: String::new() };
        let started = started("00", &scope, &erase, &context).expect("JSON");
        let counts = ErasureCounts {
            rows: u64::MAX,
            wraps: u64::MAX,
            blobs: u64::MAX,
            entries: u64::MAX,
            scanned_bytes: u64::MAX,
            markers: u64::MAX,
            findings: u64::MAX,
        };
        let cursor = ErasureCursor { stage: Stage::Children, counts };
        assert!(started.arguments.len() + cursor.text().len() < 2_600, "{}", started.arguments.len());
        assert_eq!(ErasureArguments::parse(&started.arguments).expect("reads").scope, scope);
        assert_eq!(ErasureCursor::parse(Some(&cursor.text())).expect("reads"), cursor);
        assert_eq!(ErasureCursor::parse(None).expect("reads").stage, Stage::Uploads);
    }
}
