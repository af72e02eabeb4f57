//! Whose turn it is: tenants get the machine in turn, however much each has to send.
//!
//! Owns: permits to begin a delivery. Does not own: how many of a subscription may be under way.
//! Invariants: no tenant waits for more than one permit of each other tenant. A permit is held while a request is made, and not
//! while its receiver thinks: dead receivers hold nobody up.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use schemas::TenantId;
use tokio::sync::oneshot;

/// Permits, handed out to tenants in turn.
#[derive(Clone)]
pub(crate) struct Fair(Arc<Mutex<Queue>>);

struct Queue {
    free: usize,
    waiting: HashMap<TenantId, VecDeque<oneshot::Sender<Permit>>>,
    turns: VecDeque<TenantId>,
}

/// The right to make a request. Dropped, the next one may.
pub(crate) struct Permit(Option<Fair>);

impl Fair {
    pub(crate) fn new(permits: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue { free: permits, waiting: HashMap::new(), turns: VecDeque::new() })))
    }

    pub(crate) async fn permit(&self, tenant: TenantId) -> Permit {
        let waiting = {
            let mut queue = self.0.lock();
            if queue.free > 0 {
                queue.free -= 1;
                return Permit(Some(self.clone()));
            }
            let (tell, waiting) = oneshot::channel();
            let of_tenant = queue.waiting.entry(tenant).or_default();
            of_tenant.push_back(tell);
            if of_tenant.len() == 1 {
                queue.turns.push_back(tenant);
            }
            waiting
        };
        // The sender is dropped with the queue alone, which `self` holds.
        waiting.await.unwrap_or(Permit(None))
    }

    /// Gives one permit to the next tenant in turn that still waits.
    fn pass_on(&self) {
        loop {
            let next = {
                let mut queue = self.0.lock();
                let Some(tenant) = queue.turns.pop_front() else {
                    queue.free += 1;
                    return;
                };
                let Some(of_tenant) = queue.waiting.get_mut(&tenant) else { continue };
                let next = of_tenant.pop_front();
                if of_tenant.is_empty() {
                    queue.waiting.remove(&tenant);
                } else {
                    queue.turns.push_back(tenant);
                }
                next
            };
            let Some(next) = next else { continue };
            match next.send(Permit(Some(self.clone()))) {
                Ok(()) => return,
                // It waits no more. Its permit must not come back by itself: it is passed on here.
                Err(mut permit) => permit.0 = None,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(fair) = self.0.take() {
            fair.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tenants_take_turns() {
        let fair = Fair::new(1);
        let first = fair.permit(TenantId(1)).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for tenant in [1, 1, 1, 2, 3] {
            let (fair, order) = (fair.clone(), order.clone());
            let task = tokio::spawn(async move {
                let _permit = fair.permit(TenantId(tenant)).await;
                order.lock().push(tenant);
            });
            tasks.push(task);
            tokio::task::yield_now().await;
        }
        drop(first);
        for task in tasks {
            task.await.expect("ends");
        }
        assert_eq!(*order.lock(), [1, 2, 3, 1, 1]);
    }

    #[tokio::test]
    async fn whoever_gives_up_costs_no_permit() {
        let fair = Fair::new(1);
        let first = fair.permit(TenantId(1)).await;
        let gives_up = fair.permit(TenantId(2));
        assert!(tokio::time::timeout(std::time::Duration::from_millis(5), gives_up).await.is_err());
        drop(first);
        drop(fair.permit(TenantId(3)).await);
        assert_eq!(fair.0.lock().free, 1);
    }
}
