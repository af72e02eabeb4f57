//! Follows every log into its tree, signs checkpoints that somebody waits for, and tells of them in the log.
//!
//! Owns: when: at most one checkpoint a second of a log, only when it grew, and one event a minute.
//! Does not own: what is signed and how (`proofs`).
//! Invariant: an event says that others' events are covered, so a log of which nothing but such events, seals and ticks is new gets none.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use event_log::Changes;
use projections::query;
use schemas::event::{CheckpointPublished, Event};
use schemas::{BucketId, TenantId};

use super::{PACE, report};
use crate::api::StoreError;
use crate::proofs::{Proofs, SignedCheckpoint, Stand, Turn, publish};
use crate::sequencer::{Decide, Planned, Unit};
use crate::store::{Inner, Request, log_error, rows_error};

/// Time between two checkpoints of a log.
const SIGN_EVERY_US: u64 = 1_000_000;
const US: u64 = 1_000_000;

/// What is to be done, and when it was done last.
struct Turns {
    /// When the process began, monotonic.
    began_us: u64,
    /// When a log was signed last, monotonic.
    signed_us: HashMap<TenantId, u64>,
    /// Logs to be signed, and whether an event is to say so.
    wanted: BTreeMap<TenantId, bool>,
    looked_us: Option<u64>,
    /// Logs to look at.
    looks: VecDeque<TenantId>,
    /// Where a log ended that had nothing to be told of.
    quiet: HashMap<TenantId, u64>,
}

pub(super) fn run(weak: &Weak<Inner>, proofs: &Arc<Proofs>) {
    let Some(began_us) = weak.upgrade().map(|inner| inner.clock.monotonic_us()) else { return };
    let mut turns = Turns {
        began_us,
        signed_us: HashMap::new(),
        wanted: BTreeMap::new(),
        looked_us: None,
        looks: VecDeque::new(),
        quiet: HashMap::new(),
    };
    let mut wait = Duration::ZERO;
    loop {
        let (wanted, damaged, ending) = proofs.next(wait);
        let Some(inner) = weak.upgrade().filter(|_| !ending) else { return };
        for tenant in damaged.into_iter().collect::<BTreeSet<_>>() {
            report("checkpoints", proofs.forget(tenant));
        }
        for tenant in wanted {
            turns.wanted.entry(tenant).or_default();
        }
        turns.sign(&inner);
        report("checkpoints", turns.look(&inner));
        wait = turns.wait(&inner);
    }
}

impl Turns {
    fn is_due(&self, tenant: TenantId, now_us: u64) -> bool {
        self.signed_us.get(&tenant).is_none_or(|last| now_us.saturating_sub(*last) >= SIGN_EVERY_US)
    }

    /// How long there is nothing to do.
    fn wait(&self, inner: &Inner) -> Duration {
        let now_us = inner.clock.monotonic_us();
        if !self.looks.is_empty() {
            return Duration::ZERO;
        }
        let left = |tenant| match self.signed_us.get(tenant) {
            Some(last) => SIGN_EVERY_US.saturating_sub(now_us.saturating_sub(*last)),
            None => 0,
        };
        let wanted = self.wanted.keys().map(left).min().map(Duration::from_micros);
        wanted.unwrap_or(PACE).min(pace(inner))
    }

    /// A turn for every log that is to be signed and may be.
    fn sign(&mut self, inner: &Inner) {
        let now_us = inner.clock.monotonic_us();
        let due: Vec<_> = self.wanted.keys().copied().filter(|tenant| self.is_due(*tenant, now_us)).collect();
        for tenant in due {
            let before = inner.proofs.published(tenant);
            match publish(inner, tenant, true) {
                Ok(Turn::Behind) => {}
                Ok(Turn::Done(_, published)) => {
                    let announce = self.wanted.remove(&tenant).unwrap_or_default();
                    let Some(published) = published else { continue };
                    if before.as_ref() != Some(&published) {
                        self.signed_us.insert(tenant, now_us);
                    }
                    inner.proofs.tell(tenant, Ok(published.clone()));
                    if announce {
                        report("checkpoints", tell(inner, tenant, &published));
                    }
                }
                Err(error) => {
                    self.wanted.remove(&tenant);
                    inner.proofs.tell(tenant, Err(()));
                    report("checkpoints", Err(error));
                }
            }
        }
    }

    /// A turn for one of the logs that have grown.
    fn look(&mut self, inner: &Inner) -> Result<(), StoreError> {
        let now_us = inner.clock.monotonic_us();
        let pace_us = u64::try_from(pace(inner).as_micros()).unwrap_or(u64::MAX);
        if self.looks.is_empty() && self.looked_us.is_none_or(|last| now_us.saturating_sub(last) >= pace_us) {
            self.looked_us = Some(now_us);
            let snapshot = inner.log.snapshot();
            for tenant in snapshot.tenants().map_err(log_error)? {
                let next = snapshot.log_head(tenant).map_err(log_error)?.map(|head| head.next.0);
                if next.is_some_and(|next| self.quiet.get(&tenant) != Some(&next)) {
                    self.looks.push_back(tenant);
                }
            }
        }
        let Some(tenant) = self.looks.pop_front() else { return Ok(()) };
        let looked = self.look_at(inner, tenant, now_us);
        if looked.is_err()
            && let Some(head) = inner.log.snapshot().log_head(tenant).map_err(log_error)?
        {
            // Said once, and again when there is more of it: what cannot be read stays so, and others have their turn.
            self.quiet.insert(tenant, head.next.0);
        }
        looked
    }

    fn look_at(&mut self, inner: &Inner, tenant: TenantId, now_us: u64) -> Result<(), StoreError> {
        let Turn::Done(stand, _) = publish(inner, tenant, false)? else {
            self.looks.push_back(tenant);
            return Ok(());
        };
        if stand.notable <= stand.announced || !is_told(inner, tenant)? {
            self.quiet.insert(tenant, stand.size);
        } else if self.may_tell(inner, &stand, now_us) {
            self.wanted.insert(tenant, true);
        }
        Ok(())
    }

    /// Not in the first minute of a process either: one that is started again and again would write one each time.
    fn may_tell(&self, inner: &Inner, stand: &Stand, now_us: u64) -> bool {
        let every_us = inner.settings.checkpoint_event_s.saturating_mul(US);
        now_us.saturating_sub(self.began_us) >= every_us
            && inner.now().0.saturating_sub(stand.announced_at.0) >= every_us
    }
}

/// How often logs are looked at.
fn pace(inner: &Inner) -> Duration {
    PACE.min(Duration::from_secs(inner.settings.checkpoint_event_s.max(1)))
}

/// Whether anybody could hear of it: a tenant that was deleted, or whose keys are gone, is told nothing.
fn is_told(inner: &Inner, tenant: TenantId) -> Result<bool, StoreError> {
    let exists = tenant == TenantId::SYSTEM
        || query::tenant(inner.log.snapshot().as_ref(), tenant).map_err(rows_error)?.is_some();
    Ok(exists && inner.contents.vault.tenant_key(tenant).is_some())
}

/// Writes the event.
fn tell(inner: &Inner, tenant: TenantId, published: &SignedCheckpoint) -> Result<(), StoreError> {
    let key = inner.tenant_key(tenant)?;
    let checkpoint = &published.checkpoint;
    let (size, root, origin) = (checkpoint.size, checkpoint.root, checkpoint.origin.clone());
    let decide: Decide = Box::new(move |_, _| {
        let event = Event::from(CheckpointPublished { size, root, origin: origin.clone() });
        let events = vec![Planned { bucket: BucketId::NONE, key, object: None, event }];
        Ok(Unit { events, changes: Changes::default() })
    });
    let request = Request::system("checkpoints", tenant, inner.ids.request(inner.clock.wall()));
    inner.run_blocking(request, decide).map(|_| ())
}
