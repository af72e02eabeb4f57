//! Views and forks: buckets that show what another one was.
//!
//! Owns: which point of which bucket may be shown, by whom.
//! Does not own: how it is shown (projections' layers), when a key of a fork becomes its own ([`super::forks`]).

use domain::Refusal;
use event_log::Rows;
use projections::query;
use schemas::action::Action;
use schemas::event::{Base, Versioning};
use schemas::{BucketId, Position, TenantId};

use super::past::layers;
use super::{Found, Inner, rows_error};
use crate::api::{AskedBase, BaseInfo, Caller, StoreError};

/// What a new bucket is to show, and how that is versioned.
pub(super) struct Shown {
    pub(super) base: Base,
    pub(super) versioning: Versioning,
}

impl Inner {
    /// What is to be shown of another bucket, for one who may read its past.
    ///
    /// # Errors
    /// Those of a point; [`Refusal::BeforeHorizon`] when its content is not all there; [`Refusal::TooMany`] layers.
    pub(super) fn base(&self, caller: &Caller, asked: &AskedBase) -> Result<Shown, StoreError> {
        let (snapshot, tenant) = (self.log.snapshot(), caller.tenant);
        let rows = snapshot.as_ref();
        let found = self.enter(rows, caller, Action::ReadHistory, &asked.bucket, None)?;
        self.enter(rows, caller, Action::ListBucket, &asked.bucket, None)?;
        let as_of = self.as_of(rows, tenant, found.id, &asked.point)?;
        let then = self.at(rows, tenant, found.id, as_of)?;
        if layers(rows, tenant, &then)?.count() >= query::LAYERS_MAX {
            return Err(Refusal::TooMany { what: "forks of forks" }.into());
        }
        all_kept(rows, tenant, found.id, as_of.at.position)?;
        let base = Base { bucket: found.id, at: as_of.at, writable: asked.writable };
        Ok(Shown { base, versioning: then.row.versioning })
    }

    /// What a bucket shows of another, for people.
    pub(super) fn base_info(
        &self,
        rows: &dyn event_log::Snapshot,
        tenant: TenantId,
        bucket: &Found,
    ) -> Result<Option<BaseInfo>, StoreError> {
        let Some(base) = bucket.row.base else { return Ok(None) };
        let name = query::bucket_name(rows, tenant, base.bucket).map_err(rows_error)?;
        let gone = || StoreError::Corrupt { what: format!("the base of a bucket of tenant {tenant} is gone") };
        let as_of = self.as_of_position(rows, tenant, base.at.position)?;
        Ok(Some(BaseInfo { bucket: name.ok_or_else(gone)?, as_of, writable: base.writable }))
    }
}

/// Whether what a new bucket is to show can still be shown when the bucket is made.
pub(super) fn still_there(rows: &dyn Rows, tenant: TenantId, base: Base) -> Result<(), StoreError> {
    query::bucket(rows, tenant, base.bucket).map_err(rows_error)?.ok_or(Refusal::NoSuchBucket)?;
    all_kept(rows, tenant, base.bucket, base.at.position)
}

/// Refuses a point of which not all content is there any more.
pub(super) fn all_kept(rows: &dyn Rows, tenant: TenantId, bucket: BucketId, at: Position) -> Result<(), StoreError> {
    match query::horizon(rows, tenant, bucket).map_err(rows_error)? {
        Some(horizon) if at < horizon => Err(Refusal::BeforeHorizon { earliest: horizon, removed_by: None }.into()),
        _ => Ok(()),
    }
}
