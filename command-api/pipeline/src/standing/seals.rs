//! Seals: commitments to a tenant's log, every 65,536 events or ten minutes of activity.

use std::collections::HashMap;

use event_log::{Changes, LastSeal, SEAL_PARTS_PER_UNIT, Seal, Snapshot, seal_due};
use schemas::event::LogSealed;
use schemas::{BucketId, Position, TenantId};

use crate::api::StoreError;
use crate::sequencer::{Decide, Planned, Unit};
use crate::store::{Inner, Request, log_error};

/// Where each tenant's last seal of this process stands.
#[derive(Default)]
pub(super) struct Sealer {
    seen: HashMap<TenantId, Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    last: LastSeal,
    /// Whether `last` is a seal of this process. The first one of a process names the heads of all buckets.
    sealed: bool,
}

impl Sealer {
    pub(super) fn run(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let snapshot = inner.log.snapshot();
        let now = inner.now();
        for tenant in snapshot.tenants().map_err(log_error)? {
            // An erased log is sealed no more: nothing is written to it, and nobody has a key for it.
            if inner.contents.vault.tenant_key(tenant).is_none() {
                continue;
            }
            let Some(head) = snapshot.log_head(tenant).map_err(log_error)? else { continue };
            let first = Seen { last: LastSeal { next: head.next, time: now }, sealed: false };
            let seen = *self.seen.entry(tenant).or_insert(first);
            if seal_due(&head, seen.last, now) {
                let before = seen.sealed.then_some(seen.last.next);
                let next = seal(inner, snapshot.as_ref(), tenant, before)?;
                self.seen.insert(tenant, Seen { last: LastSeal { next, time: now }, sealed: true });
            }
        }
        Ok(())
    }
}

/// Writes one seal of what a snapshot shows; returns the position behind it.
fn seal(
    inner: &Inner,
    snapshot: &dyn Snapshot,
    tenant: TenantId,
    before: Option<Position>,
) -> Result<Position, StoreError> {
    let head = snapshot.log_head(tenant).map_err(log_error)?;
    let head = head.ok_or_else(|| StoreError::Internal { what: "a log to seal is empty".to_owned() })?;
    let heads = snapshot.bucket_heads(tenant).map_err(log_error)?;
    let upto = Position(head.next.0.saturating_sub(1));
    let records = Seal { upto, before, heads: &heads, projections: Vec::new(), clock: head.time }.records();
    let key = inner.tenant_key(tenant)?;
    let mut next = head.next;
    for some in records.chunks(SEAL_PARTS_PER_UNIT) {
        let some = some.to_vec();
        let decide: Decide = Box::new(move |_, _| {
            let plan = |record: &LogSealed| Planned {
                bucket: BucketId::NONE,
                key,
                object: None,
                event: record.clone().into(),
            };
            Ok(Unit { events: some.iter().map(plan).collect(), changes: Changes::default() })
        });
        let request = Request::system("seals", tenant, inner.ids.request(inner.clock.wall()));
        let recorded = inner.run_blocking(request, decide)?;
        next = recorded.last().map_or(next, |last| last.header.position.next());
    }
    Ok(next)
}
