//! Hears of commits, and wakes who follows the logs that they went to.
//!
//! Owns: who is woken by what. Does not own: reading what was committed: every follower reads the log.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use event_log::Recorded;
use parking_lot::{Mutex, RwLock};
use schemas::TenantId;
use tokio::sync::{Notify, watch};

/// Types of events that change who is told of what: bucket deleted, its notifications set, webhook set, webhook deleted.
const OF_SUBSCRIPTIONS: [u16; 4] = [31, 69, 90, 91];

/// Wakes followers. Cheap to clone.
#[derive(Clone, Default)]
pub struct Bell(Arc<Inner>);

#[derive(Default)]
struct Inner {
    commits: watch::Sender<u64>,
    desks: RwLock<HashMap<TenantId, Arc<Notify>>>,
    changed: Mutex<Changed>,
    told: Notify,
}

/// Whose subscriptions may have changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changed {
    pub(crate) tenants: HashSet<TenantId>,
    /// Tenants came, went, or were disabled or enabled.
    pub(crate) all: bool,
}

impl Bell {
    /// Says what was committed. Called on the thread that writes the log: it waits for nothing.
    pub fn committed(&self, events: &[Recorded]) {
        let desks = self.0.desks.read();
        let mut last = None;
        let mut any = false;
        for event in events {
            let header = &event.header;
            if last != Some(header.tenant) {
                last = Some(header.tenant);
                if let Some(desk) = desks.get(&header.tenant) {
                    desk.notify_one();
                }
            }
            if header.tenant == TenantId::SYSTEM && (10..=15).contains(&header.event_type) {
                self.0.changed.lock().all = true;
                any = true;
            } else if OF_SUBSCRIPTIONS.contains(&header.event_type) && !desks.contains_key(&header.tenant) {
                // A desk meets it in the log.
                self.0.changed.lock().tenants.insert(header.tenant);
                any = true;
            }
        }
        drop(desks);
        if any {
            self.0.told.notify_one();
        }
        self.0.commits.send_modify(|commits| *commits += 1);
    }

    /// Sees each commit.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.0.commits.subscribe()
    }

    /// Waits until subscriptions may have changed.
    pub(crate) async fn changed(&self) -> Changed {
        loop {
            let changed = std::mem::take(&mut *self.0.changed.lock());
            if changed != Changed::default() {
                return changed;
            }
            self.0.told.notified().await;
        }
    }

    /// Wakes this from now on when a tenant's log has moved.
    pub(crate) fn watch(&self, tenant: TenantId, wake: Arc<Notify>) {
        self.0.desks.write().insert(tenant, wake);
    }

    /// Nobody reads the tenant's log any more. What was committed until now may not have been seen.
    pub(crate) fn forget(&self, tenant: TenantId) {
        self.0.desks.write().remove(&tenant);
        self.0.changed.lock().tenants.insert(tenant);
        self.0.told.notify_one();
    }
}

/// Waits until a flag is up.
pub(crate) async fn raised(flag: &mut watch::Receiver<bool>) {
    // Whoever could raise it is gone: it counts as raised.
    let _ = flag.wait_for(|raised| *raised).await;
}
