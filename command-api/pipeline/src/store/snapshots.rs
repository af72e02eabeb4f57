//! What of a bucket's past is kept: its window, its snapshots.

use domain::Refusal;
use domain::history::{Command, State, decide};
use domain::point::Point;
use event_log::{Changes, Rows};
use projections::query;
use schemas::action::Action;
use schemas::event::HistoryWindow;
use schemas::{BucketName, Position, SnapshotName, TenantId};

use super::bases::all_kept;
use super::{Found, Inner, Request, Store, planned, rows_error};
use crate::api::{AsOf, Caller, HistoryInfo, SnapshotInfo, StoreError};
use crate::sequencer::{Decide, Unit};

impl Store {
    /// Gives a point of a bucket's past a name; of now, if none is said. Whether it is new, and the position of its event.
    ///
    /// # Errors
    /// Those of a point; [`Refusal::BeforeHorizon`] when its content is not all there; [`Refusal::SnapshotExists`]; nothing has
    /// changed then.
    pub async fn create_snapshot(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        name: SnapshotName,
        point: Option<Point>,
    ) -> Result<(SnapshotInfo, bool, Position), StoreError> {
        let inner = &self.inner;
        let (found, as_of) = {
            let snapshot = inner.log.snapshot();
            let found = inner.enter(snapshot.as_ref(), caller, Action::PutBucketSnapshot, bucket, None)?;
            let point = point.unwrap_or(Point::Head);
            let as_of = inner.as_of(snapshot.as_ref(), caller.tenant, found.id, &point)?;
            inner.at(snapshot.as_ref(), caller.tenant, found.id, as_of)?;
            (found, as_of)
        };
        let command = Command::CreateSnapshot { name: name.clone(), at: as_of.at };
        let (made, position) = inner.change_history(caller, &found, Some(name.clone()), command).await?;
        Ok((inner.find_snapshot(caller.tenant, &found, &name)?, made, position))
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// [`Refusal::NoSuchSnapshot`].
    pub async fn delete_snapshot(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        name: SnapshotName,
    ) -> Result<Position, StoreError> {
        let found =
            self.inner.enter(self.inner.log.snapshot().as_ref(), caller, Action::PutBucketSnapshot, bucket, None)?;
        let command = Command::DeleteSnapshot(name.clone());
        Ok(self.inner.change_history(caller, &found, Some(name), command).await?.1)
    }

    /// Snapshots of a bucket by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_snapshots(&self, caller: &Caller, bucket: &BucketName) -> Result<Vec<SnapshotInfo>, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let found = inner.enter(snapshot.as_ref(), caller, Action::ReadHistory, bucket, None)?;
        let rows = query::snapshots(snapshot.as_ref(), caller.tenant, found.id).map_err(rows_error)?;
        let each = rows.into_iter().map(|(name, row)| {
            let as_of = inner.as_of_position(snapshot.as_ref(), caller.tenant, row.at.position)?;
            Ok(SnapshotInfo { name, as_of, created: row.created })
        });
        each.collect()
    }

    /// A snapshot.
    ///
    /// # Errors
    /// [`Refusal::NoSuchSnapshot`].
    pub async fn snapshot(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        name: &SnapshotName,
    ) -> Result<SnapshotInfo, StoreError> {
        let found = self.inner.enter(self.inner.log.snapshot().as_ref(), caller, Action::ReadHistory, bucket, None)?;
        self.inner.find_snapshot(caller.tenant, &found, name)
    }

    /// How long a bucket's past content is kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, caller: &Caller, bucket: &BucketName) -> Result<HistoryInfo, StoreError> {
        let inner = &self.inner;
        let snapshot = inner.log.snapshot();
        let found = inner.enter(snapshot.as_ref(), caller, Action::ReadHistory, bucket, None)?;
        inner.history_info(snapshot.as_ref(), caller.tenant, &found)
    }

    /// Sets how long; none for the installation's default.
    ///
    /// # Errors
    /// [`StoreError`]; nothing has changed then.
    pub async fn set_history(
        &self,
        caller: &Caller,
        bucket: &BucketName,
        window: Option<HistoryWindow>,
    ) -> Result<(HistoryInfo, Position), StoreError> {
        let inner = &self.inner;
        let found = inner.enter(inner.log.snapshot().as_ref(), caller, Action::PutBucketHistory, bucket, None)?;
        let (_, position) = inner.change_history(caller, &found, None, Command::SetWindow(window)).await?;
        let snapshot = inner.log.snapshot();
        let found = inner.bucket(snapshot.as_ref(), caller.tenant, bucket)?;
        Ok((inner.history_info(snapshot.as_ref(), caller.tenant, &found)?, position))
    }
}

impl Inner {
    fn history_info(
        &self,
        snapshot: &dyn event_log::Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<HistoryInfo, StoreError> {
        let horizon = query::horizon(snapshot, tenant, bucket.id).map_err(rows_error)?;
        let at = horizon.unwrap_or(bucket.row.created_by.position);
        let horizon = self.as_of_position(snapshot, tenant, at)?;
        let chosen = bucket.row.window;
        let window = self.window_s(chosen).map_or(HistoryWindow::Forever, HistoryWindow::Seconds);
        Ok(HistoryInfo { chosen, window, horizon })
    }

    fn find_snapshot(&self, tenant: TenantId, bucket: &Found, name: &SnapshotName) -> Result<SnapshotInfo, StoreError> {
        let snapshot = self.log.snapshot();
        let row = query::snapshot(snapshot.as_ref(), tenant, bucket.id, name).map_err(rows_error)?;
        let row = row.ok_or(Refusal::NoSuchSnapshot)?;
        let as_of: AsOf = self.as_of_position(snapshot.as_ref(), tenant, row.at.position)?;
        Ok(SnapshotInfo { name: name.clone(), as_of, created: row.created })
    }

    /// Whether something changed, and where.
    async fn change_history(
        &self,
        caller: &Caller,
        bucket: &Found,
        name: Option<SnapshotName>,
        command: Command,
    ) -> Result<(bool, Position), StoreError> {
        let (tenant, bucket) = (caller.tenant, bucket.clone());
        let decide: Decide = Box::new(move |rows, _| {
            let state = history_state(rows, tenant, &bucket, name.as_ref())?;
            if let Command::CreateSnapshot { at, .. } = &command {
                // Content that was given up since the point was looked for cannot be kept.
                all_kept(rows, tenant, bucket.id, at.position)?;
            }
            let events = decide(&state, command.clone())?;
            Ok(Unit { events: planned(&bucket, None, events), changes: Changes::default() })
        });
        let recorded = self.run(Request::of(caller), decide).await?;
        Ok((!recorded.is_empty(), self.position(tenant, &recorded)?))
    }
}

fn history_state(
    rows: &dyn Rows,
    tenant: TenantId,
    bucket: &Found,
    name: Option<&SnapshotName>,
) -> Result<State, StoreError> {
    let row = query::bucket(rows, tenant, bucket.id).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
    let snapshots = query::snapshots(rows, tenant, bucket.id).map_err(rows_error)?;
    let named = snapshots.iter().find(|(known, _)| Some(known) == name).map(|(_, snapshot)| snapshot.at);
    Ok(State { bucket: bucket.id, base: row.base, window: row.window, named, snapshots: snapshots.len() })
}
