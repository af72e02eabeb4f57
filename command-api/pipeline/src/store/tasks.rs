//! Tasks: work larger than a unit, begun by a request and carried out behind it.
//!
//! Owns: beginning, showing and cancelling them, and what the log keeps of one.
//! Does not own: carrying them out ([`crate::standing`]).
//! Invariants: a task is an event before its request is answered, so that a restart goes on with it. Each of its units names how
//! far it got in the same commit, so that nothing is counted twice. Once it is cancelled nothing more happens.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Refusal;
use domain::policy::{Resource, authorise};
use projections::{query, row};
use schemas::action::Action;
use schemas::event::{TaskFinished, TaskStarted};
use schemas::{AccessKeyId, BucketId, BucketName, Position, RequestId, TenantId, Time, UserId};
use serde::{Deserialize, Serialize};

use super::bearer::sees_all;
use super::rewind::{self, RESTORE, RewindReport, UNDO};
use super::{Found, Inner, Request, Store, rows_error};
use crate::api::{Caller, Circumstances, StoreError, Who};

/// Kind of tasks that delete what is under a prefix. Part of the log's format.
pub(crate) const DELETE_PREFIX: &str = "delete-prefix";
/// What the end of a cancelled task says. Part of the log's format.
pub(crate) const CANCELLED: &str = "cancelled";
/// Unfinished tasks that a tenant may have.
pub(super) const UNFINISHED_MAX: usize = 100;
pub(super) const RETRY_AFTER_MS: u64 = 10_000;

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskStatus {
    /// It is under way, or will be.
    Running,
    /// It is done.
    Succeeded,
    /// It ended early, and why.
    Failed(String),
    /// Somebody ended it.
    Cancelled,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskInfo {
    /// 32 hex digits.
    pub id: String,
    /// What kind.
    pub kind: String,
    /// The bucket, as it was called when the task began.
    pub bucket: BucketName,
    /// Who began it.
    pub user: UserId,
    /// How it stands.
    pub status: TaskStatus,
    /// What it is to do, and what it has done.
    pub work: TaskWork,
    /// When it began.
    pub started: Time,
    /// When it last got further.
    pub progressed: Time,
    /// When it ended, if it has.
    pub ended: Option<Time>,
}

/// What a task is to do, and what it has done, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskWork {
    /// Deletes what is under a prefix.
    DeletePrefix {
        /// The prefix.
        prefix: String,
        /// Objects that were deleted.
        deleted: u64,
        /// Objects that are locked and stay.
        locked: u64,
        /// Objects that its user may not delete.
        denied: u64,
    },
    /// Erases the bucket.
    Erase {
        /// Rows that were deleted.
        rows: u64,
    },
    /// Puts keys back to what they were at a point.
    Restore {
        /// The last event of the point.
        at: Position,
        /// Only keys that begin with it.
        prefix: String,
        /// What was done so far.
        report: RewindReport,
    },
    /// Reverses what a cause did.
    Undo {
        /// What was done so far.
        report: RewindReport,
    },
}

/// Who began a task, in which bucket: the beginning of every task's arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// Decimal: a JSON number has too few digits for some readers.
    bucket: String,
    name: BucketName,
    user: UserId,
    access_key: AccessKeyId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    secure: bool,
    request: RequestId,
}

/// What a task is to delete, as the log keeps it in JSON. Names stand in base64: written out, control characters would take six
/// times their room, and row and record are bounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) begun: Begun,
    prefix: String,
}

/// How far a task got, as the log keeps it in JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// What follows the prefix in the last key that was dealt with, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(default)]
    pub(crate) locked: u64,
    #[serde(default)]
    pub(crate) denied: u64,
}

pub(super) fn malformed(what: &str) -> StoreError {
    StoreError::Corrupt { what: format!("the {what} of a task") }
}

fn decoded(text: &str, what: &str) -> Result<String, StoreError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed(what))?;
    String::from_utf8(bytes).map_err(|_| malformed(what))
}

/// What follows a prefix in a key, in base64.
pub(super) fn rest_of(prefix: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key.strip_prefix(prefix).unwrap_or_default())
}

/// The key of a prefix and of what follows it.
pub(super) fn key_of(prefix: &str, rest: &str) -> Result<String, StoreError> {
    Ok(format!("{prefix}{}", decoded(rest, "cursor")?))
}

impl Begun {
    /// # Errors
    /// [`Refusal::AccessDenied`] for one without a key: nobody could be asked later what it may do.
    pub(super) fn by(caller: &Caller, bucket: &Found) -> Result<Self, StoreError> {
        Ok(Self {
            bucket: bucket.id.0.to_string(),
            name: bucket.row.name.clone(),
            user: caller.user(),
            access_key: caller.access_key().ok_or(Refusal::AccessDenied)?.clone(),
            source: caller.source,
            secure: caller.circumstances.secure,
            request: caller.request.clone(),
        })
    }

    pub(crate) fn bucket(&self) -> Result<BucketId, StoreError> {
        self.bucket.parse().map(BucketId).map_err(|_| malformed("bucket"))
    }

    pub(crate) fn bucket_name(&self) -> &BucketName {
        &self.name
    }

    /// Whoever began the task, with what they may do now. None when the key that it was begun with does not work any more.
    pub(crate) fn caller(&self, inner: &Inner, tenant: TenantId) -> Result<Option<Caller>, StoreError> {
        let holder = inner.holder(&self.access_key)?;
        let holder = holder.filter(|holder| holder.tenant == tenant && holder.user == self.user);
        Ok(holder.map(|holder| Caller {
            tenant,
            who: Who::User {
                user: holder.user,
                display_name: holder.display_name,
                access_key: self.access_key.clone(),
                scopes: holder.scopes,
            },
            source: self.source,
            request: self.request.clone(),
            circumstances: Circumstances { secure: self.secure, ..Circumstances::default() },
        }))
    }
}

impl Arguments {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text).map_err(|_| malformed("arguments"))
    }

    pub(crate) fn prefix(&self) -> Result<String, StoreError> {
        decoded(&self.prefix, "prefix")
    }
}

impl Cursor {
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, StoreError> {
        text.map_or(Ok(Self::default()), |text| serde_json::from_str(text).map_err(|_| malformed("cursor")))
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a cursor is JSON")
    }

    pub(crate) fn after(&self, prefix: &str) -> Result<Option<String>, StoreError> {
        self.after.as_deref().map(|rest| key_of(prefix, rest)).transpose()
    }

    /// The place behind a key that begins with the prefix.
    pub(crate) fn behind(&mut self, prefix: &str, key: &str) {
        self.after = Some(rest_of(prefix, key));
    }
}

impl Store {
    /// Begins to delete every object under a prefix that is there now, as DeleteObject would, each with the rights that the caller
    /// has at that moment.
    ///
    /// # Errors
    /// [`Refusal::AccessDenied`] for one who may not delete and list everything under the prefix, [`StoreError::Busy`] when the
    /// tenant has too many unfinished tasks; nothing has changed then.
    pub async fn delete_prefix(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        prefix: &str,
    ) -> Result<TaskInfo, StoreError> {
        let found = self.inner.may_delete_prefix(caller, bucket, prefix)?;
        let begun = Begun::by(caller, &found)?;
        let arguments = Arguments { begun, prefix: URL_SAFE_NO_PAD.encode(prefix) };
        let arguments = serde_json::to_string(&arguments).map_err(|error| super::internal(&error))?;
        self.inner.begin_task(caller, DELETE_PREFIX, arguments).await
    }

    /// Whether the caller may begin to delete what is under a prefix, for one who wants to know what it would be.
    ///
    /// # Errors
    /// As [`Store::delete_prefix`].
    pub fn may_delete_prefix(&self, caller: &Caller, bucket: &BucketName, prefix: &str) -> Result<(), StoreError> {
        self.inner.may_delete_prefix(caller, bucket, prefix).map(|_| ())
    }

    /// Tasks by id, the newest first: those of the caller's user, and of every user to one who administers the tenant as a
    /// whole; and whether more follow.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_tasks(
        &self,
        caller: &Caller,
        after: Option<&str>,
        max: usize,
    ) -> Result<(Vec<TaskInfo>, bool), StoreError> {
        let (all, user) = (sees_all(caller)?, caller.user());
        let snapshot = self.inner.log.snapshot();
        let rows = snapshot.as_ref();
        let unfinished = query::tasks(rows, caller.tenant).map_err(rows_error)?;
        let unfinished = unfinished.into_iter().filter(|(id, _)| after.is_none_or(|after| id.as_str() > after));
        let mut unfinished = unfinished.map(|(id, task)| running(id, task)).collect::<Result<Vec<_>, _>>()?;
        unfinished.reverse();
        let (mut found, mut after) = (Vec::new(), after.map(str::to_owned));
        loop {
            const STEP: usize = 1_000;
            let page = query::ended_tasks(rows, caller.tenant, after.as_deref(), STEP).map_err(rows_error)?;
            let is_last = page.len() < STEP;
            after = page.last().map(|(id, _)| id.clone());
            let mut both = Vec::new();
            for (id, task) in page {
                while unfinished.last().is_some_and(|next| next.id < id) {
                    both.extend(unfinished.pop());
                }
                both.push(ended(id, task)?);
            }
            if is_last {
                both.extend(std::mem::take(&mut unfinished).into_iter().rev());
            }
            for task in both.into_iter().filter(|task| all || task.user == user) {
                if found.len() == max {
                    return Ok((found, true));
                }
                found.push(task);
            }
            if is_last {
                return Ok((found, false));
            }
        }
    }

    /// A task; none if there is none that the caller sees.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn task(&self, caller: &Caller, id: &str) -> Result<Option<TaskInfo>, StoreError> {
        let all = sees_all(caller)?;
        let found = self.inner.find_task(caller.tenant, id)?;
        Ok(found.filter(|task| all || task.user == caller.user()))
    }

    /// Ends a task early: what it did stays done. One that has ended stays as it is. None if there is none that the caller sees.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn cancel_task(&self, caller: &Caller, id: &str) -> Result<Option<TaskInfo>, StoreError> {
        match self.task(caller, id).await? {
            None => return Ok(None),
            Some(task) if task.kind == super::ERASE && task.status == TaskStatus::Running => {
                return Err(Refusal::InvalidRequest { reason: "an erasure cannot be cancelled" }.into());
            }
            Some(_) => {}
        }
        let (tenant, task) = (caller.tenant, id.to_owned());
        let cancel = move |rows: &dyn event_log::Rows| {
            let is_running = query::task(rows, tenant, &task).map_err(rows_error)?.is_some();
            let finished = TaskFinished { task: task.clone(), error: Some(CANCELLED.to_owned()) };
            Ok(if is_running { vec![finished.into()] } else { vec![] })
        };
        self.inner.tenant_command(Request::of(caller), cancel).await?;
        self.inner.find_task(tenant, id)
    }
}

impl Inner {
    /// Begins a task: an event, then whoever carries it out is told.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the tenant has too many unfinished tasks; nothing has changed then.
    pub(super) async fn begin_task(
        &self,
        caller: &Caller,
        kind: &str,
        arguments: String,
    ) -> Result<TaskInfo, StoreError> {
        let (tenant, id) = (caller.tenant, self.task_id());
        let started = TaskStarted { task: id.clone(), kind: kind.to_owned(), arguments };
        let begin = move |rows: &dyn event_log::Rows| {
            if query::tasks(rows, tenant).map_err(rows_error)?.len() >= UNFINISHED_MAX {
                return Err(StoreError::Busy { retry_after_ms: RETRY_AFTER_MS });
            }
            Ok(vec![started.clone().into()])
        };
        self.tenant_command(Request::of(caller), begin).await?;
        self.standing.ring();
        let task = self.find_task(tenant, &id)?;
        task.ok_or_else(|| StoreError::Internal { what: "a task that began is not there".to_owned() })
    }

    fn may_delete_prefix(&self, caller: &Caller, bucket: &BucketName, prefix: &str) -> Result<Found, StoreError> {
        let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
        let resource = Resource::Prefix(bucket, prefix);
        authorise(scopes, Action::DeleteObject, resource)?;
        let found = self.enter_for(self.log.snapshot().as_ref(), caller, Action::ListBucket, resource)?;
        if found.is_view() { Err(Refusal::ReadOnlyBucket.into()) } else { Ok(found) }
    }

    /// An id that sorts before those that were made earlier, so that a list begins with the newest.
    pub(super) fn task_id(&self) -> String {
        const DIGITS: u64 = 0xffff_ffff_ffff;
        let age = DIGITS - (self.clock.wall().0 / 1_000).min(DIGITS);
        format!("{age:012x}{}", hex::encode(self.ids.bytes::<10>()))
    }

    pub(super) fn find_task(&self, tenant: TenantId, id: &str) -> Result<Option<TaskInfo>, StoreError> {
        let snapshot = self.log.snapshot();
        if let Some(task) = query::task(snapshot.as_ref(), tenant, id).map_err(rows_error)? {
            return running(id.to_owned(), task).map(Some);
        }
        let found = query::ended_task(snapshot.as_ref(), tenant, id).map_err(rows_error)?;
        found.map(|task| ended(id.to_owned(), task)).transpose()
    }
}

fn running(id: String, task: row::Task) -> Result<TaskInfo, StoreError> {
    if task.kind == super::ERASE {
        return super::erase::running_task(id, &task);
    }
    let row::Task { kind, arguments, cursor, done, started, progressed } = task;
    let (begun, work) = match kind.as_str() {
        RESTORE | UNDO => rewind::work(&arguments, cursor.as_deref())?,
        _ => {
            let (arguments, cursor) = (Arguments::parse(&arguments)?, Cursor::parse(cursor.as_deref())?);
            let (prefix, Cursor { locked, denied, .. }) = (arguments.prefix()?, cursor);
            (arguments.begun, TaskWork::DeletePrefix { prefix, deleted: done, locked, denied })
        }
    };
    let Begun { name, user, .. } = begun;
    let status = TaskStatus::Running;
    Ok(TaskInfo { id, kind, bucket: name, user, status, work, started, progressed, ended: None })
}

fn ended(id: String, task: row::EndedTask) -> Result<TaskInfo, StoreError> {
    let row::EndedTask { kind, done, started, ended, error, arguments, cursor } = task;
    let status = match error {
        None => TaskStatus::Succeeded,
        Some(error) if error == CANCELLED => TaskStatus::Cancelled,
        Some(error) => TaskStatus::Failed(error),
    };
    let task = row::Task { kind, arguments, cursor, done, started, progressed: ended };
    Ok(TaskInfo { status, ended: Some(ended), ..running(id, task)? })
}

/// Arguments of a task cannot begin with more.
#[cfg(test)]
pub(super) fn widest() -> Begun {
    Begun {
        bucket: u64::MAX.to_string(),
        name: BucketName::parse(&"b".repeat(63)).expect("a name"),
        user: UserId::parse(&"u".repeat(128)).expect("a user"),
        access_key: AccessKeyId::parse(&"A".repeat(128)).expect("a key"),
        source: Some(IpAddr::from([0xfe80, 1, 2, 3, 4, 5, 6, 0xffff])),
        secure: true,
        request: RequestId("0".repeat(26)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_says_of_a_deletion_reads_as_ever() {
        let text = r#"{"bucket":"7","name":"bucket","prefix":"b2xkLw","user":"user","access_key":"AKIA","secure":true,"request":"R"}"#;
        let arguments = Arguments::parse(text).expect("reads");
        assert_eq!(arguments.prefix().expect("reads"), "old/");
        assert_eq!(arguments.begun.bucket().expect("reads"), BucketId(7));
        let said: serde_json::Value = serde_json::to_value(&arguments).expect("JSON");
        assert_eq!(said, serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
    }

    #[test]
    fn a_row_of_a_task_fits_whatever_its_names_are() {
        let wide = "\u{1}".repeat(1_024);
        for split in [0, 1, 500, 1_023, 1_024] {
            let arguments = Arguments { begun: widest(), prefix: URL_SAFE_NO_PAD.encode(&wide[..split]) };
            let mut cursor = Cursor { after: None, locked: u64::MAX, denied: u64::MAX };
            cursor.behind(&wide[..split], &wide);
            let text = serde_json::to_string(&arguments).expect("JSON");
            assert!(text.len() + cursor.text().len() < 2_500, "{} {}", text.len(), cursor.text().len());
            assert_eq!(Arguments::parse(&text).expect("reads"), arguments);
            assert_eq!(arguments.prefix().expect("reads"), wide[..split]);
            let read = Cursor::parse(Some(&cursor.text())).expect("reads");
            assert_eq!(read.after(&wide[..split]).expect("reads"), Some(wide.clone()));
        }
    }
}
