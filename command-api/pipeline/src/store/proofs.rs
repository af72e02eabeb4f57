//! What a caller may have proved: that a record is in its tenant's log, that the log only grew, that its own write will stay.

use std::sync::Arc;

use domain::Refusal;
use domain::policy::{Resource, authorise};
use schemas::action::Action;
use schemas::record::Header;
use schemas::{Position, TenantId};

use super::{Inner, ProjectionState, Store, internal, log_error};
use crate::api::{Caller, StoreError};
use crate::proofs::{Growth, Inclusion, SignedCheckpoint, TREE, signing_key};

impl Store {
    /// A signed checkpoint of the log of the caller's tenant as it is now.
    ///
    /// # Errors
    /// [`StoreError`]: the key may not read history; [`StoreError::Busy`] while the log's tree is still being built.
    pub async fn checkpoint(&self, caller: &Caller) -> Result<Arc<SignedCheckpoint>, StoreError> {
        may_prove(caller)?;
        let size = self.size_of(caller.tenant)?;
        self.inner.checkpoint_of(caller.tenant, size).await
    }

    /// What verifies the checkpoints of the log of the caller's tenant. Whoever has a receipt needs it, so every key may have it.
    ///
    /// # Errors
    /// [`StoreError`]: the caller has no key; the signing key cannot be read.
    pub async fn checkpoint_key(&self, caller: &Caller) -> Result<ledger::NoteKey, StoreError> {
        caller.scopes().ok_or(Refusal::AccessDenied)?;
        let (inner, tenant) = (self.inner.clone(), caller.tenant);
        let read = tokio::task::spawn_blocking(move || Ok(signing_key(&inner, tenant)?.key().clone()));
        read.await.map_err(|error| internal(&error))?
    }

    /// Proves that a record is in the log: in the tree of the newest checkpoint, or in the one of `size` records.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`] for a position or a size that the log has not come to, and for a position that is not in a tree of
    /// this size; the key may not read history; [`StoreError::Busy`] while the log's tree is still being built.
    pub async fn inclusion(
        &self,
        caller: &Caller,
        position: Position,
        size: Option<u64>,
    ) -> Result<Inclusion, StoreError> {
        may_prove(caller)?;
        let end = size.unwrap_or(u64::MAX).min(self.size_of(caller.tenant)?);
        if size.is_some_and(|size| size > end) || position.0 >= end {
            return Err(Refusal::PointInFuture { head: Position(end) }.into());
        }
        let covered = size.unwrap_or(position.0 + 1);
        let checkpoint = self.inner.checkpoint_of(caller.tenant, covered).await?;
        let (inner, tenant) = (self.inner.clone(), caller.tenant);
        let made = tokio::task::spawn_blocking(move || inner.inclusion(checkpoint, tenant, position, size));
        made.await.map_err(|error| internal(&error))?
    }

    /// Proves that the log of `from` records is the beginning of that of `to` records, or of the newest checkpoint's.
    ///
    /// # Errors
    /// [`Refusal::PointInFuture`] for sizes that the log has not come to, or a `from` above `to`; otherwise as [`Store::inclusion`].
    pub async fn consistency(&self, caller: &Caller, from: u64, to: u64) -> Result<Growth, StoreError> {
        may_prove(caller)?;
        let end = self.size_of(caller.tenant)?;
        if to > end || from > to {
            return Err(Refusal::PointInFuture { head: Position(end.min(to)) }.into());
        }
        let checkpoint = self.inner.checkpoint_of(caller.tenant, to).await?;
        let (inner, tenant) = (self.inner.clone(), caller.tenant);
        let made = tokio::task::spawn_blocking(move || inner.growth(checkpoint, tenant, from, to));
        made.await.map_err(|error| internal(&error))?
    }

    /// Proves the caller's own write, which is answered and stays. None when no checkpoint covers it in ten seconds, or none can be
    /// made: that is no error of the write.
    pub async fn receipt(&self, caller: &Caller, position: Position) -> Option<Inclusion> {
        let (inner, tenant) = (self.inner.clone(), caller.tenant);
        let checkpoint = inner.checkpoint_of(tenant, position.0.checked_add(1)?).await.ok()?;
        let made = tokio::task::spawn_blocking(move || inner.inclusion(checkpoint, tenant, position, None));
        match made.await {
            Ok(Ok(inclusion)) => Some(inclusion),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    fn size_of(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let head = self.inner.log.snapshot().log_head(tenant).map_err(log_error)?;
        Ok(head.map_or(0, |head| head.next.0))
    }
}

impl Inner {
    /// How far the trees of all logs are.
    pub(super) fn trees(&self) -> Result<ProjectionState, StoreError> {
        let (snapshot, now) = (self.log.snapshot(), self.now());
        let mut state = ProjectionState { name: TREE.name, is_core: false, position: 0, lag_positions: 0, lag_us: 0 };
        for tenant in snapshot.tenants().map_err(log_error)? {
            let followed = self.proofs.followed(tenant)?;
            state.position += followed;
            let Some(raw) = snapshot.raw(tenant, Position(followed)).map_err(log_error)? else { continue };
            let end = snapshot.log_head(tenant).map_err(log_error)?.map_or(0, |head| head.next.0);
            state.lag_positions += end.saturating_sub(followed);
            // What cannot be read has been told of where it was to be followed.
            if let Ok((oldest, _)) = Header::decode(&raw) {
                state.lag_us = state.lag_us.max(now.0.saturating_sub(oldest.time.0));
            }
        }
        Ok(state)
    }
}

fn may_prove(caller: &Caller) -> Result<(), StoreError> {
    let scopes = caller.scopes().ok_or(Refusal::AccessDenied)?;
    Ok(authorise(scopes, Action::ReadHistory, Resource::Tenant)?)
}
