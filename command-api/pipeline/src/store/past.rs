//! Reading the past: what a request sees that asks as of a point.
//!
//! Owns: which operations may be asked of the past, who may ask, as of which event it is answered.
//! Does not own: which rows show it (projections), how a request says a point (doors).
//! Invariant: today's policy decides who may read, the bucket of then is what is read.

use domain::Refusal;
use domain::bucket_policy::Asked;
use domain::point::Point;
use domain::policy::authorise;
use event_log::{Rows, Snapshot};
use projections::query::{self, Layers};
use projections::row::{self, Object, Reference};
use schemas::action::{Access, Action};
use schemas::event::{DeleteMarkerCreated, Referrer, VersionCommitted};
use schemas::record::Header;
use schemas::{BucketId, EventId, ObjectKey, Position, RequestId, TenantId, Time};

use super::points::first;
use super::{Found, Inner, log_error, rows_error};
use crate::api::{AsOf, Caller, StoreError};

/// Reads that can be asked as of a point.
const READS: [Action; 21] = [
    Action::ListBucket,
    Action::ListBucketVersions,
    Action::GetObject,
    Action::GetObjectVersion,
    Action::GetObjectAttributes,
    Action::GetObjectVersionAttributes,
    Action::GetObjectTagging,
    Action::GetObjectVersionTagging,
    Action::GetObjectRetention,
    Action::GetObjectLegalHold,
    Action::GetObjectAcl,
    Action::GetObjectVersionAcl,
    Action::GetBucketPolicy,
    Action::GetBucketTagging,
    Action::GetBucketVersioning,
    Action::GetBucketCors,
    Action::GetLifecycleConfiguration,
    Action::GetEncryptionConfiguration,
    Action::GetBucketObjectLockConfiguration,
    Action::GetBucketLocation,
    Action::ReadHistory,
];

/// Records looked through under one snapshot, for the events of a request.
const SCAN_STEP: usize = 2_000;
/// The wall clock that request ids are made by may be ahead of the clock that records are stamped with by so much without anything
/// being wrong.
const CLOCKS_APART_US: u64 = 60 * 1_000_000;

impl Inner {
    /// The bucket as it was, for a request that asks as of a point.
    pub(super) fn as_it_was(
        &self,
        snapshot: &dyn Snapshot,
        caller: &Caller,
        found: Found,
        asked: &Asked<'_>,
    ) -> Result<Found, StoreError> {
        let Some(past) = caller.circumstances.past.as_ref() else { return Ok(found) };
        if !READS.contains(&asked.action) {
            return Err(match asked.action.access() {
                Access::Read => Refusal::NotSupported { what: "as-of for this operation" }.into(),
                Access::Write | Access::Delete | Access::Admin => Refusal::InvalidArgument {
                    name: "x-holdfast-as-of",
                    reason: "Only what reads can be asked as of a point",
                }
                .into(),
            });
        }
        authorise(caller.scopes().ok_or(Refusal::AccessDenied)?, Action::ReadHistory, asked.resource)?;
        self.not_denied(snapshot, caller, &found, &Asked::new(Action::ReadHistory, asked.resource))?;
        let as_of = past.find(|| self.as_of(snapshot, caller.tenant, found.id, &past.point))?;
        self.at(snapshot, caller.tenant, found.id, as_of)
    }

    /// A bucket as it was at a point.
    ///
    /// # Errors
    /// [`Refusal::NoSuchBucket`] when it was not there.
    pub(crate) fn at(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: BucketId,
        as_of: AsOf,
    ) -> Result<Found, StoreError> {
        let row = query::bucket_at(rows, tenant, bucket, as_of.at).map_err(rows_error)?;
        Ok(Found { id: bucket, row: row.ok_or(Refusal::NoSuchBucket)?, as_of: Some(as_of) })
    }

    /// The last event that is shown at a point of a bucket.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`], [`Refusal::NoSuchSnapshot`], [`Refusal::NoSuchPoint`]; [`Refusal::NoSuchBucket`] for a point before
    /// everything.
    pub(crate) fn as_of(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        bucket: BucketId,
        point: &Point,
    ) -> Result<AsOf, StoreError> {
        let head = snapshot.log_head(tenant).map_err(log_error)?;
        let (next, last) = head.map_or((Position(0), Time(0)), |head| (head.next, head.time));
        let future = || StoreError::from(Refusal::PointInFuture { head: next });
        // Records may be stamped ahead of a wall clock that was set back.
        let now = self.now().max(last);
        let behind = match point {
            Point::Head => next,
            Point::Earliest => Position(1),
            Point::Position(position) if *position < next => position.next(),
            Point::Time(time) if *time <= now => first(snapshot, tenant, next, |header| header.time > *time)?,
            Point::Position(_) | Point::Time(_) => return Err(future()),
            Point::Ago(ago_us) => {
                let time = Time(now.0.saturating_sub(*ago_us));
                first(snapshot, tenant, next, |header| header.time > time)?
            }
            Point::Snapshot(name) => {
                let found = query::snapshot(snapshot, tenant, bucket, name).map_err(rows_error)?;
                found.ok_or(Refusal::NoSuchSnapshot)?.at.position.next()
            }
            Point::BeforeVersion(made_by) => {
                let header = self.header(snapshot, tenant, made_by.position)?;
                let makes = [VersionCommitted::TYPE_CODE, DeleteMarkerCreated::TYPE_CODE];
                let is_it = header.is_some_and(|it| it.id() == *made_by && makes.contains(&it.event_type));
                if is_it { made_by.position } else { return Err(Refusal::NoSuchPoint { what: "version" }.into()) }
            }
            Point::BeforeRequest(request) => {
                let positions = self.positions_of(tenant, request, 1)?;
                *positions.first().ok_or(Refusal::NoSuchPoint { what: "request" })?
            }
        };
        let at = behind.0.checked_sub(1).map(Position).ok_or(Refusal::NoSuchBucket)?;
        self.as_of_position(snapshot, tenant, at)
    }

    /// The event at a position.
    pub(crate) fn as_of_position(
        &self,
        snapshot: &dyn Snapshot,
        tenant: TenantId,
        at: Position,
    ) -> Result<AsOf, StoreError> {
        let missing = || StoreError::Corrupt { what: format!("record {at} of tenant {tenant} cannot be read") };
        let header = self.header(snapshot, tenant, at)?.ok_or_else(missing)?;
        Ok(AsOf { at: header.id(), time: header.time })
    }

    fn header(&self, snapshot: &dyn Snapshot, tenant: TenantId, at: Position) -> Result<Option<Header>, StoreError> {
        let Some(raw) = snapshot.raw(tenant, at).map_err(log_error)? else { return Ok(None) };
        let malformed = |_| StoreError::Corrupt { what: format!("record {at} of tenant {tenant} is malformed") };
        Header::decode(&raw).map(|(header, _)| Some(header)).map_err(malformed)
    }

    /// Positions of the events of a request, oldest first, at most `max`. The id says when the request came: records from then on are
    /// looked through, and only when none is found those before.
    pub(crate) fn positions_of(
        &self,
        tenant: TenantId,
        request: &RequestId,
        max: usize,
    ) -> Result<Vec<Position>, StoreError> {
        let came_ms = ulid::Ulid::from_string(&request.0).map_or(0, |id| id.timestamp_ms());
        let came = Time(came_ms.saturating_mul(1_000).saturating_sub(CLOCKS_APART_US));
        let (from, next) = {
            let snapshot = self.log.snapshot();
            let head = snapshot.log_head(tenant).map_err(log_error)?;
            let next = head.map_or(Position(0), |head| head.next);
            (first(snapshot.as_ref(), tenant, next, |header| header.time >= came)?, next)
        };
        let is_of = |body: &schemas::record::Body| body.context.request == *request;
        let found = self.events_where(tenant, from, next, max, is_of)?;
        if found.is_empty() { self.events_where(tenant, Position(0), from, max, is_of) } else { Ok(found) }
    }

    /// Positions in a stretch of a log whose events are so, oldest first, at most `max`.
    pub(crate) fn events_where(
        &self,
        tenant: TenantId,
        from: Position,
        to: Position,
        max: usize,
        is_so: impl Fn(&schemas::record::Body) -> bool,
    ) -> Result<Vec<Position>, StoreError> {
        let (mut at, mut found) = (from, Vec::new());
        while at < to {
            let step = SCAN_STEP.min(usize::try_from(to.0 - at.0).unwrap_or(SCAN_STEP));
            let records = self.log.snapshot().records(tenant, at, step).map_err(log_error)?;
            let Some(last) = records.last() else { break };
            at = last.header.position.next();
            for record in records {
                if record.body.as_ref().is_some_and(&is_so) {
                    found.push(record.header.position);
                    if found.len() == max {
                        return Ok(found);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Refuses to read content that was given up.
    ///
    /// # Errors
    /// [`Refusal::BeforeHorizon`].
    pub(crate) fn still_kept(
        &self,
        rows: &dyn Rows,
        tenant: TenantId,
        bucket: &Found,
        key: &ObjectKey,
        object: &Object,
    ) -> Result<(), StoreError> {
        if is_kept(rows, tenant, object)? {
            return Ok(());
        }
        let horizon = query::horizon(rows, tenant, bucket.id).map_err(rows_error)?;
        let at = bucket.as_of.map(|as_of| as_of.at);
        let removed_by = query::ended(rows, tenant, bucket.id, key, object.made_by, at).map_err(rows_error)?;
        Err(Refusal::BeforeHorizon { earliest: horizon.unwrap_or_default(), removed_by }.into())
    }
}

/// What a bucket shows, now or as of the point at which it was found.
pub(crate) fn layers(rows: &dyn Rows, tenant: TenantId, bucket: &Found) -> Result<Layers, StoreError> {
    let at: Option<EventId> = bucket.as_of.map(|as_of| as_of.at);
    query::layers(rows, tenant, bucket.id, &bucket.row, at).map_err(rows_error)
}

/// Whether the content of a version is still kept: its reference is there, released or not.
pub(crate) fn is_kept(rows: &dyn Rows, tenant: TenantId, object: &Object) -> Result<bool, StoreError> {
    // Nothing is always there.
    let Some(blob) = object.root.blob() else { return Ok(true) };
    let reference = Reference::key(tenant, blob, Referrer::Version(object.made_by));
    Ok(row::get::<Reference>(rows, &reference).map_err(rows_error)?.is_some())
}
