//! What operators ask of the audit, of metering, and of how the installation does.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Refusal;
use domain::policy::{Grant, authorise_admin};
use event_log::Snapshot;
use projections::query;
use projections::row::Upload;
use schemas::event::AdminRole;
use schemas::record::Header;
use schemas::{BucketName, ObjectKey, Position, TenantId, TenantName, Time, UploadId};

use super::{Inner, Store, internal, log_error, rows_error};
use crate::api::{AdminCaller, StoreError};
use crate::audit::{
    AuditFigures, AuditPage, AuditQuery, Came, MINUTE_US, Record, Shelves, Window, minute, page, windows,
};
use crate::limits::Limits;

/// Logs that one query goes through, those of deleted tenants among them: for more, it must name one.
const TENANTS_MAX: usize = 1_024;
/// Minutes of one answer: a little more than a day.
const WINDOWS_MAX: u64 = 1_500;
/// How long an answer waits for entries that are on their way.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Minutes of a tenant.
#[derive(Debug, Clone, Default)]
pub struct WindowsPage {
    /// One for every minute that was asked for, in order.
    pub windows: Vec<Window>,
    /// Where the next page begins; none at the end.
    pub next: Option<Time>,
}

/// An upload that takes parts.
#[derive(Debug, Clone)]
pub struct ActiveUpload {
    /// Of which bucket.
    pub bucket: BucketName,
    /// Key of the object.
    pub key: ObjectKey,
    /// Its id.
    pub id: UploadId,
    /// The upload.
    pub initiated: Time,
    /// Who began it.
    pub initiator: schemas::UserId,
    /// Parts that are there.
    pub parts: u32,
    /// Their bytes.
    pub size_bytes: u64,
}

/// Open uploads of a tenant.
#[derive(Debug, Clone, Default)]
pub struct ActiveUploads {
    /// By bucket, then by key.
    pub uploads: Vec<ActiveUpload>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

/// How the installation does.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Number of the last durable commit.
    pub commit: u64,
    /// Commands that wait for the writer.
    pub commands_waiting: usize,
    /// Since the store was opened.
    pub uptime_s: u64,
    /// Requests and their audit.
    pub audit: AuditFigures,
}

/// A projection or following view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectionState {
    /// Its table.
    pub name: &'static str,
    /// Whether it stands in the batch of the commit itself.
    pub is_core: bool,
    /// The commit that it shows; of a view that follows requests, entries written since the start; of the logs' trees, the records in
    /// them.
    pub position: u64,
    /// How far behind it is: commits, or entries that wait.
    pub lag_positions: u64,
    /// The same as time.
    pub lag_us: u64,
}

impl Store {
    /// Begins the entry of a request. Every door does, before anything else of the request.
    #[must_use]
    pub fn record(&self, came: Came) -> Record {
        Record::new(self.inner.audit.clone(), came)
    }

    /// The limits that doors hold requests to.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// The id of a tenant, for the audit alone: grants nothing.
    ///
    /// # Errors
    /// [`StoreError`] when rows cannot be read.
    pub fn tenant_id(&self, name: &TenantName) -> Result<Option<TenantId>, StoreError> {
        Ok(self.inner.tenant_by_name(name)?.map(|(id, _)| id))
    }

    /// A page of the audit: of one tenant, or of all that the token may see. What was done more than a moment ago is in it.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not, a cursor that is none, or too many tenants to look through.
    pub async fn audit(&self, admin: &AdminCaller, query: AuditQuery) -> Result<AuditPage, StoreError> {
        let named = match &query.tenant {
            None => None,
            Some(name) => Some(self.inner.tenant_ever(admin, name)?),
        };
        if named.is_none() {
            grant(admin, admin.tenant)?;
            if query.first.is_some() || query.end.is_some() {
                let reason = "a position is one of a tenant's log: name the tenant";
                return Err(Refusal::InvalidArgument { name: "tenant", reason }.into());
            }
        }
        let (store, only) = (self.clone(), admin.tenant);
        let read = move || {
            let inner = &store.inner;
            inner.audit.flush(FLUSH_MAX);
            // The views first: what they lack by then stands in the log.
            let (views, snapshot) = (inner.audit.views.snapshot(), inner.log.snapshot());
            let tenants = match named {
                Some(named) => vec![named],
                None => {
                    let names = query::tenants(snapshot.as_ref()).map_err(rows_error)?;
                    let mut all: BTreeMap<_, _> = names.into_iter().map(|(id, row)| (id, Some(row.name))).collect();
                    // The log of a deleted tenant stays, and with it what was asked of it.
                    for id in snapshot.tenants().map_err(log_error)?.into_iter().chain([TenantId::SYSTEM]) {
                        all.entry(id).or_insert(None);
                    }
                    all.into_iter().filter(|(id, _)| only.is_none_or(|only| only == *id)).collect()
                }
            };
            if tenants.len() > TENANTS_MAX {
                let reason = "there are too many tenants to look through: name one";
                return Err(Refusal::InvalidArgument { name: "tenant", reason }.into());
            }
            let query = match tenants.first().filter(|_| query.first.is_some() || query.end.is_some()) {
                Some((tenant, _)) => within(snapshot.as_ref(), *tenant, query)?,
                None => query,
            };
            let vault = &inner.contents.vault;
            let behind_us = inner.clock.wall().0.saturating_sub(inner.now().0);
            page(&Shelves { snapshot: snapshot.as_ref(), views: &views, vault, behind_us }, &tenants, &query)
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| internal(&error))?
    }

    /// What a tenant used, minute by minute, from and to whole minutes. The last may be the minute that goes on.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not, or the range is none of whole minutes.
    pub async fn usage_windows(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        from: Time,
        to: Time,
    ) -> Result<WindowsPage, StoreError> {
        let (id, _) = self.inner.tenant_ever(admin, tenant)?;
        for (name, time) in [("from", from), ("to", to)] {
            if time.0 % MINUTE_US != 0 {
                return Err(Refusal::InvalidArgument { name, reason: "expected a whole minute" }.into());
            }
        }
        if from >= to {
            return Err(Refusal::InvalidArgument { name: "to", reason: "expected a time after `from`" }.into());
        }
        let store = self.clone();
        let read = move || {
            let inner = &store.inner;
            inner.audit.flush(FLUSH_MAX);
            let now = minute(inner.clock.wall());
            let (first, end) = (minute(from), minute(to).min(now + 1));
            if first >= end {
                return Ok(WindowsPage::default());
            }
            let last = end.min(first + WINDOWS_MAX);
            let windows = windows(&inner.audit.views.snapshot(), id, (first, last), now);
            let windows = windows.map_err(|error| internal(&error))?;
            Ok(WindowsPage { windows, next: (last < end).then_some(Time(last * MINUTE_US)) })
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| internal(&error))?
    }

    /// Open uploads of all buckets of a tenant, at most `max` of them.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not, or a cursor that is none.
    pub async fn active_uploads(
        &self,
        admin: &AdminCaller,
        tenant: &TenantName,
        cursor: Option<String>,
        max: usize,
    ) -> Result<ActiveUploads, StoreError> {
        let found = self.inner.tenant_by_name(tenant)?;
        grant(admin, found.as_ref().map(|(id, _)| *id))?;
        let (id, _) = found.ok_or(Refusal::NoSuchTenant)?;
        let wrong = Refusal::InvalidArgument { name: "cursor", reason: "not a cursor of this list" };
        let after = match cursor {
            Some(cursor) => Some(hex::decode(cursor).map_err(|_| wrong.clone())?),
            None => None,
        };
        let store = self.clone();
        let read = move || {
            let snapshot = store.inner.log.snapshot();
            let rows = snapshot.as_ref();
            let all = query::tenant_uploads(rows, id, after.as_deref(), max).map_err(rows_error)?;
            let (entries, next) = all.ok_or(wrong)?;
            let mut page = ActiveUploads { uploads: Vec::with_capacity(entries.len()), next: next.map(hex::encode) };
            for (entry, staged) in entries {
                let Upload { bucket, initiated, initiator, .. } = entry.upload;
                let Some(row) = query::bucket(rows, id, bucket).map_err(rows_error)? else { continue };
                page.uploads.push(ActiveUpload {
                    bucket: row.name,
                    key: entry.key,
                    id: entry.id,
                    initiated,
                    initiator,
                    parts: staged.parts,
                    size_bytes: staged.size_bytes,
                });
            }
            Ok(page)
        };
        tokio::task::spawn_blocking(read).await.map_err(|error| internal(&error))?
    }

    /// How the installation does.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not.
    pub fn stats(&self, admin: &AdminCaller) -> Result<Stats, StoreError> {
        grant(admin, None)?;
        let (commit, commands_waiting) = self.progress();
        let uptime_s = self.inner.clock.monotonic_us().saturating_sub(self.inner.opened_us) / 1_000_000;
        Ok(Stats { commit, commands_waiting, uptime_s, audit: self.inner.audit.figures() })
    }

    /// Every projection and following view, and how far behind it is. Core projections stand in the batch of the commit: they
    /// are never behind.
    ///
    /// # Errors
    /// [`StoreError`]: the token may not.
    pub fn projection_states(&self, admin: &AdminCaller) -> Result<Vec<ProjectionState>, StoreError> {
        grant(admin, None)?;
        let commit = self.inner.log.committed();
        let core = projections::TABLES.iter().map(|table| ProjectionState {
            name: table.name,
            is_core: true,
            position: commit,
            lag_positions: 0,
            lag_us: 0,
        });
        let AuditFigures { waiting, lag_us, written, .. } = self.inner.audit.figures();
        let following = crate::audit::TABLES.iter().map(|table| ProjectionState {
            name: table.name,
            is_core: false,
            position: written,
            lag_positions: waiting as u64,
            lag_us,
        });
        Ok(core.chain(following).chain([self.inner.trees()?]).collect())
    }
}

impl Inner {
    /// The tenant that has a name; to a token that is not limited to one, also a deleted tenant, whose name is gone, by its
    /// number. A name that exists goes first.
    fn tenant_ever(
        &self,
        admin: &AdminCaller,
        name: &TenantName,
    ) -> Result<(TenantId, Option<TenantName>), StoreError> {
        let snapshot = self.log.snapshot();
        let found = query::tenant_by_name(snapshot.as_ref(), name).map_err(rows_error)?;
        grant(admin, found.as_ref().map(|(id, _)| *id))?;
        if let Some((id, _)) = found {
            return Ok((id, Some(name.clone())));
        }
        let number = name.as_str().parse().ok().map(TenantId).filter(|id| *id != TenantId::SYSTEM);
        let Some(id) = number.filter(|_| admin.tenant.is_none()) else { return Err(Refusal::NoSuchTenant.into()) };
        let is_deleted = query::tenant(snapshot.as_ref(), id).map_err(rows_error)?.is_none()
            && snapshot.log_head(id).map_err(log_error)?.is_some();
        if is_deleted { Ok((id, None)) } else { Err(Refusal::NoSuchTenant.into()) }
    }
}

/// The query with the times of its positions.
fn within(snapshot: &dyn Snapshot, tenant: TenantId, mut query: AuditQuery) -> Result<AuditQuery, StoreError> {
    let head = snapshot.log_head(tenant).map_err(log_error)?;
    let next = head.map_or(Position(0), |head| head.next);
    let time = |position: Position| {
        let raw = snapshot.raw(tenant, position).map_err(log_error)?;
        let header = raw.as_deref().and_then(|raw| Header::decode(raw).ok()).map(|(header, _)| header.time);
        header
            .ok_or_else(|| StoreError::Corrupt { what: format!("record {position} of tenant {tenant} cannot be read") })
    };
    if query.first.max(query.end).is_some_and(|position| position > next) {
        return Err(Refusal::PointInFuture { head: next }.into());
    }
    if let Some(first) = query.first {
        // Behind the last event there may be requests that made none.
        let from = match head {
            Some(head) if first == next => head.time,
            Some(_) => time(first)?,
            None => Time(0),
        };
        query.from = query.from.max(Some(from));
    }
    if let Some(end) = query.end {
        let to = match end.0.checked_sub(1) {
            Some(last) => Time(time(Position(last))?.0.saturating_add(1)),
            None => Time(0),
        };
        query.to = Some(query.to.map_or(to, |asked| asked.min(to)));
    }
    Ok(query)
}

/// Whether a token may look at this tenant or, without one, at the installation.
fn grant(admin: &AdminCaller, tenant: Option<TenantId>) -> Result<(), Refusal> {
    authorise_admin(Grant { role: admin.role, tenant: admin.tenant }, AdminRole::Viewer, tenant)
}
