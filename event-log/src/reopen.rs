//! Beginning a new epoch of every log after an accepted loss or a restore.
//!
//! Owns: the `LogReopened` records, what they say of the loss.
//! Does not own: the decision to accept a loss or to restore (the operator's).

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::event::{Event, LogReopened, LostRange};
use schemas::record::{Body, Context};
use schemas::{BucketId, Epoch, EventId, KeyId, Position, TenantId, Time};

use crate::batch::Staged;
use crate::core::Core;
use crate::disk::Disk;
use crate::engine::Engine;
use crate::log::{AppendError, Batch, Draft, LogHead, Snapshot};

/// What is needed to reopen logs whose tail is lost.
#[derive(Clone)]
pub struct Reopening {
    /// The time of the records.
    pub time: Time,
    /// On whose behalf.
    pub context: Context,
    /// Why, as the record says it: `tail loss accepted`, `restore`.
    pub reason: String,
    /// Each log's new epoch is this one at least, and above any that is known of it.
    pub epoch_min: Epoch,
    /// The key that seals a tenant's records now; none for a tenant without one, whose log stays as it is.
    pub key: Arc<dyn Fn(TenantId) -> Option<KeyId> + Send + Sync>,
}

impl Reopening {
    /// Begins a new epoch of every log, in one commit: which logs lost records is not known of all. `named` is what the
    /// `HEAD` file knows of logs as they were.
    pub(crate) fn reopen_all(&self, core: &Core<Disk>, named: &[(TenantId, LogHead)]) -> Result<(), AppendError> {
        let view = core.view();
        let fatal = |error| AppendError::Fatal(Box::new(error));
        let mut tenants: BTreeMap<TenantId, Option<LogHead>> =
            view.tenants().map_err(fatal)?.into_iter().map(|tenant| (tenant, None)).collect();
        tenants.extend(named.iter().map(|(tenant, head)| (*tenant, Some(*head))));
        let mut batch = core.staged();
        for (tenant, named) in tenants {
            if let Some(key) = (self.key)(tenant) {
                self.reopen(&mut batch, tenant, key, named)?;
            }
        }
        Box::new(batch).commit()?;
        Ok(())
    }

    fn reopen<E: Engine>(
        &self,
        batch: &mut Staged<'_, E>,
        tenant: TenantId,
        key: KeyId,
        named: Option<LogHead>,
    ) -> Result<(), AppendError> {
        let fatal = |error| AppendError::Fatal(Box::new(error));
        let head = batch.head(tenant).map_err(fatal)?;
        // The lost records may themselves have been of a later epoch than those that are left.
        let highest = named.map_or(head.epoch, |named| named.epoch.max(head.epoch));
        batch.raise_epoch(tenant, Epoch(highest.0 + 1).max(self.epoch_min)).map_err(fatal)?;
        let event = Event::from(LogReopened {
            from: head.next.0.checked_sub(1).map(|last| EventId { epoch: head.epoch, position: Position(last) }),
            head: head.head,
            lost: named
                .filter(|named| named.next > head.next)
                .map(|named| LostRange { first: head.next, last: Position(named.next.0 - 1) }),
            reason: self.reason.clone(),
        });
        let draft = Draft {
            bucket: BucketId::NONE,
            key,
            event_type: event.type_code(),
            schema_version: event.schema_version(),
            body: Body::new(self.context.clone(), None, &event),
        };
        batch.stage(tenant, self.time, vec![draft], None)?;
        Ok(())
    }
}
