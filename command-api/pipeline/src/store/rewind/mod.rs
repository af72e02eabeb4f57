//! Back to an earlier state: restoring keys to a point, undoing what a cause did.
//!
//! Owns: what may be asked, who may ask, what would happen, beginning the task.
//! Does not own: carrying it out ([`crate::standing`]).
//! Invariants: events are only ever added: whatever is done this way can be undone the same way. What was written after the task
//! began stays, and so does what its user may not change.

mod goals;
mod key;
mod words;

use domain::Refusal;
use domain::point::Point;
use domain::policy::Resource;
use event_log::Snapshot;
use projections::query;
use schemas::action::Action;
use schemas::{BucketName, ObjectKey, Position, TenantId};

pub(crate) use goals::Goals;
pub(crate) use key::{Prepared, Put, Rewinding, put_back};
use words::Cause;
pub(crate) use words::{Aim, Arguments, Cursor};
pub use words::{RefusedKey, RewindReport};

use super::quota::Charges;
use super::tasks::{Begun, TaskInfo, TaskWork};
use super::{Found, Inner, Store, log_error, rows_error};
use crate::api::{AskedCause, AskedRewind, Caller, StoreError};

/// Kind of tasks that restore. Part of the log's format.
pub(crate) const RESTORE: &str = "restore";
/// Kind of tasks that undo. Part of the log's format.
pub(crate) const UNDO: &str = "undo";
/// Keys that a plan names of each sort, at most.
const NAMED_MAX: usize = 1_000;
/// Keys looked at under one snapshot.
const PAGE: usize = 200;

/// What a restore or undo would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewindPlan {
    /// How many keys, and the first of those that would be refused.
    pub report: RewindReport,
    /// Keys that would change, the first of them.
    pub changes: Vec<(ObjectKey, Rewound)>,
    /// Whether not all keys are named.
    pub truncated: bool,
}

/// What would become of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewound {
    /// It would show again what it showed.
    Restored,
    /// It would show nothing again.
    Removed,
}

/// What was asked, found out.
struct Asked {
    bucket: Found,
    aim: Aim,
    /// The last event that there was.
    head: Position,
}

impl Store {
    /// Begins to put keys back.
    ///
    /// # Errors
    /// Those of a point; [`Refusal::NoSuchPoint`] for a request that left no event; [`Refusal::ReadOnlyBucket`];
    /// [`Refusal::InvalidArgument`] for positions that are none of the bucket's objects; [`StoreError::Busy`] when the tenant has too
    /// many unfinished tasks. Nothing has changed then.
    pub async fn rewind(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        asked: AskedRewind,
    ) -> Result<TaskInfo, StoreError> {
        let Asked { bucket, aim, head } = self.asked_rewind(caller, bucket, asked).await?;
        let kind = match aim {
            Aim::Restore { .. } => RESTORE,
            Aim::Undo { .. } => UNDO,
        };
        let arguments = Arguments { begun: Begun::by(caller, &bucket)?, head, aim };
        self.inner.begin_task(caller, kind, arguments.text()).await
    }

    /// What putting keys back would do now. It costs what it is about.
    ///
    /// # Errors
    /// As [`Store::rewind`].
    pub async fn rewind_plan(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        asked: AskedRewind,
    ) -> Result<RewindPlan, StoreError> {
        let asked = self.asked_rewind(caller, bucket, asked).await?;
        let (inner, caller) = (self.inner.clone(), caller.clone());
        let plan = tokio::task::spawn_blocking(move || inner.plan_rewind(&caller, &asked));
        plan.await.map_err(|error| super::internal(&error))?
    }

    async fn asked_rewind(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        asked: AskedRewind,
    ) -> Result<Asked, StoreError> {
        let (inner, caller, bucket) = (self.inner.clone(), caller.clone(), bucket.clone());
        // A request's events are looked for in the log.
        let look = tokio::task::spawn_blocking(move || inner.asked_rewind(&caller, &bucket, asked));
        look.await.map_err(|error| super::internal(&error))?
    }
}

impl Inner {
    fn asked_rewind(&self, caller: &Caller, bucket: &BucketName, asked: AskedRewind) -> Result<Asked, StoreError> {
        let tenant = caller.tenant;
        let resource = match &asked {
            AskedRewind::Restore { prefix, .. } => Resource::Prefix(bucket, prefix),
            AskedRewind::Undo { .. } => Resource::Bucket(bucket),
        };
        let (found, head) = {
            let snapshot = self.log.snapshot();
            let found = self.enter_for(snapshot.as_ref(), caller, Action::RestoreBucket, resource)?;
            (found, snapshot.log_head(tenant).map_err(log_error)?)
        };
        if found.is_view() {
            return Err(Refusal::ReadOnlyBucket.into());
        }
        let next = head.map_or(Position(0), |head| head.next);
        let head = Position(next.0.saturating_sub(1));
        let aim = match asked {
            AskedRewind::Restore { point, prefix } => {
                let snapshot = self.log.snapshot();
                let as_of = self.as_of(snapshot.as_ref(), tenant, found.id, &point)?;
                self.at(snapshot.as_ref(), tenant, found.id, as_of)?;
                Aim::Restore { at: as_of.at.position, prefix }
            }
            AskedRewind::Undo { cause, force } => Aim::Undo { cause: self.cause(tenant, &found, cause, next)?, force },
        };
        Ok(Asked { bucket: found, aim, head })
    }

    fn cause(&self, tenant: TenantId, bucket: &Found, asked: AskedCause, next: Position) -> Result<Cause, StoreError> {
        match asked {
            AskedCause::Request(id) => {
                let positions = self.positions_of(tenant, &id, 1)?;
                let from = *positions.first().ok_or(Refusal::NoSuchPoint { what: "request" })?;
                Ok(Cause::Request { id, from })
            }
            AskedCause::Actor { id, since } => {
                let snapshot = self.log.snapshot();
                Ok(Cause::Actor { id, from: self.since(snapshot.as_ref(), tenant, bucket, since)? })
            }
            AskedCause::Positions(asked) => {
                if asked.iter().any(|position| *position >= next) {
                    return Err(Refusal::PointInFuture { head: next }.into());
                }
                let cause = Cause::positions(asked)?;
                if let Cause::Positions(positions) = &cause {
                    self.about_objects(tenant, bucket, positions)?;
                }
                Ok(cause)
            }
        }
    }

    /// The first position at or behind a point. What a snapshot shows is not undone.
    fn since(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: &Found,
        point: Point,
    ) -> Result<Position, StoreError> {
        match point {
            Point::Snapshot(name) => {
                let found = query::snapshot(snapshot, tenant, bucket.id, &name).map_err(rows_error)?;
                Ok(found.ok_or(Refusal::NoSuchSnapshot)?.at.position.next())
            }
            point => self.position_of(snapshot, tenant, point),
        }
    }

    /// Refuses positions at which no object of the bucket changed.
    fn about_objects(&self, tenant: TenantId, bucket: &Found, positions: &[Position]) -> Result<(), StoreError> {
        let snapshot = self.log.snapshot();
        for at in positions {
            let found = query::changes(snapshot.as_ref(), tenant, bucket.id, *at, at.next(), 1);
            if found.map_err(rows_error)?.is_empty() {
                let reason = "At one of the positions no object of this bucket changed";
                return Err(Refusal::InvalidArgument { name: "positions", reason }.into());
            }
        }
        Ok(())
    }

    fn plan_rewind(&self, caller: &Caller, asked: &Asked) -> Result<RewindPlan, StoreError> {
        let Asked { bucket, aim, head } = asked;
        let (tenant, owner) = (caller.tenant, caller.user());
        let rewinding = Rewinding { caller, bucket, head: *head, force: forced(aim), is_dry: true };
        let mut plan = RewindPlan::default();
        let mut charges = Charges::of(self.log.snapshot().as_ref(), tenant, bucket.id)?;
        let mut after = None;
        loop {
            let mut goals = self.goals((tenant, bucket.id), aim, *head, after.as_deref(), &mut || Ok(()))?;
            while !goals.keys.is_empty() {
                let (snapshot, now) = (self.log.snapshot(), self.now());
                let some = goals.keys.len().min(PAGE);
                for goal in goals.keys.drain(..some) {
                    let one = self.prepare_key(&snapshot, &rewinding, goal)?;
                    let (put, _) = put_back(snapshot.as_ref(), (tenant, bucket, &owner), &one, &mut charges, now)?;
                    after = Some(one.key.as_str().to_owned());
                    plan.add(one.key, put);
                }
            }
            if goals.is_all {
                return Ok(plan);
            }
        }
    }
}

/// Whether what others did since is no obstacle. A restore is to a point, whoever did what.
pub(crate) fn forced(aim: &Aim) -> bool {
    match aim {
        Aim::Restore { .. } => true,
        Aim::Undo { force, .. } => *force,
    }
}

impl RewindPlan {
    fn add(&mut self, key: ObjectKey, put: Put) {
        let (count, change) = match put {
            Put::Unchanged => (&mut self.report.unchanged, None),
            Put::Back => (&mut self.report.restored, Some(Rewound::Restored)),
            Put::Away => (&mut self.report.removed, Some(Rewound::Removed)),
            Put::Refused(reason) => {
                self.report.refused += 1;
                if self.report.refused_keys.len() < NAMED_MAX {
                    self.report.refused_keys.push(RefusedKey { key, reason });
                } else {
                    self.truncated = true;
                }
                return;
            }
        };
        *count += 1;
        match change {
            Some(change) if self.changes.len() < NAMED_MAX => self.changes.push((key, change)),
            Some(_) => self.truncated = true,
            None => {}
        }
    }
}

/// What a task is to do and has done, for people.
pub(super) fn work(arguments: &str, cursor: Option<&str>) -> Result<(Begun, TaskWork), StoreError> {
    let Arguments { begun, aim, .. } = Arguments::parse(arguments)?;
    let report = Cursor::parse(cursor)?.report(aim.prefix())?;
    let work = match aim {
        Aim::Restore { at, prefix } => TaskWork::Restore { at, prefix, report },
        Aim::Undo { .. } => TaskWork::Undo { report },
    };
    Ok((begun, work))
}
