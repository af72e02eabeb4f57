//! A publisher for each tenant: begun when the tenant appears, ended when it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use schemas::{Position, TenantId, TenantName};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet, spawn_blocking};
use tokio::time::interval;
use tracing::error;

use super::connect::{Connector, Link};
use super::options::{Options, Servers};
use super::publisher::Publisher;
use super::{Feed, Lag};

/// How long a new tenant waits for its publisher.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Every publisher's lag.
#[derive(Clone, Default)]
pub(super) struct Lags(Arc<Mutex<BTreeMap<TenantId, Arc<Mutex<Lag>>>>>);

impl Lags {
    pub(super) fn list(&self) -> Vec<Lag> {
        self.0.lock().values().map(|lag| lag.lock().clone()).collect()
    }

    fn add(&self, tenant: TenantId) -> Arc<Mutex<Lag>> {
        let lag = Lag { tenant, published: Position(0), head: Position(0), last_error: None };
        let lag = Arc::new(Mutex::new(lag));
        self.0.lock().insert(tenant, lag.clone());
        lag
    }

    fn remove(&self, tenant: TenantId) {
        self.0.lock().remove(&tenant);
    }
}

struct Publishers {
    options: Arc<Options>,
    feed: Arc<dyn Feed>,
    link: Link,
    lags: Lags,
    running: BTreeMap<TenantId, Running>,
    /// Dropped with the sink, and every publisher with it.
    tasks: JoinSet<()>,
}

struct Running {
    name: TenantName,
    stop: watch::Sender<bool>,
    task: Id,
}

/// Publishes every tenant's events until told to stop.
pub(super) async fn run(
    options: Arc<Options>,
    servers: Servers,
    feed: Arc<dyn Feed>,
    lags: Lags,
    mut stop: watch::Receiver<bool>,
) {
    let (connector, link) = Connector::new(options.clone(), servers);
    let mut publishers = Publishers { options, feed, link, lags, running: BTreeMap::new(), tasks: JoinSet::new() };
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = connector.run() => {}
        () = publishers.follow_tenants() => {}
    }
    publishers.finish().await;
}

impl Publishers {
    async fn follow_tenants(&mut self) {
        let mut look = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = look.tick() => self.look().await,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
        }
    }

    async fn look(&mut self) {
        let feed = self.feed.clone();
        let Ok(tenants) = spawn_blocking(move || feed.tenants()).await else {
            error!("the list of tenants gave no answer");
            return;
        };
        let tenants: BTreeMap<TenantId, TenantName> = tenants.into_iter().collect();
        let lags = &self.lags;
        self.running.retain(|tenant, running| {
            let stays = tenants.get(tenant) == Some(&running.name);
            if !stays {
                running.stop.send_replace(true);
                lags.remove(*tenant);
            }
            stays
        });
        for (tenant, name) in tenants {
            if !self.running.contains_key(&tenant) {
                self.begin(tenant, name);
            }
        }
    }

    fn begin(&mut self, tenant: TenantId, name: TenantName) {
        let (stop, stopping) = watch::channel(false);
        let lag = self.lags.add(tenant);
        let publisher =
            Publisher::new((tenant, &name), self.options.clone(), self.feed.clone(), self.link.clone(), lag);
        let task = self.tasks.spawn(publisher.run(stopping)).id();
        self.running.insert(tenant, Running { name, stop, task });
    }

    /// A publisher that ends without having been told to has panicked: the next look begins another.
    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, ())| *task);
        let Some(tenant) = self.running.iter().find(|(_, running)| running.task == task).map(|(tenant, _)| *tenant)
        else {
            return;
        };
        error!(%tenant, "a publisher to NATS ended by itself");
        self.running.remove(&tenant);
        self.lags.remove(tenant);
    }

    async fn finish(mut self) {
        for running in self.running.values() {
            running.stop.send_replace(true);
        }
        while self.tasks.join_next().await.is_some() {}
    }
}
