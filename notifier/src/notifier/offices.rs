//! A tenant's office: who of it is told by which task.
//!
//! Owns: beginning and ending the tasks of subscriptions as they come, change and go.
//! Does not own: subscriptions (pipeline, through [`crate::Directory`]), what a task does ([`crate::engine`]).
//! Invariants: a subscription is told by one task at a time. Of one tenant's subscriptions one call at a time brings the tasks in line.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use reqwest::Url;
use schemas::delivery::DeliveryState;
use schemas::subscription::SubscriptionStatus;
use schemas::{Position, SubscriptionId, TenantId};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Notifier, NotifierError, unreadable};
use crate::bell::raised;
use crate::engine::{Desk, Refresh, ReplayOf, Shared, Told, run};
use crate::filter::Matcher;
use crate::signature::Signer;
use crate::state::{Journal, KeptReplay, Place};
use crate::subscription::Subscription;

/// How long the others wait when those of one tenant could not be read.
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait when subscriptions could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Everything of a tenant.
pub(super) struct Office {
    pub(super) desk: Arc<Desk>,
    reading: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
    pub(super) known: HashMap<SubscriptionId, Known>,
}

pub(super) struct Known {
    subscription: Subscription,
    fingerprint: [u8; 32],
    /// By the place of their rows: the subscription itself, unless it rests, and replays.
    pub(super) running: HashMap<Place, Running>,
    /// Tasks that were stopped and may not have ended.
    ending: HashMap<Place, tokio::task::JoinHandle<()>>,
}

pub(super) struct Running {
    pub(super) told: Arc<Told>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn end(self) {
        self.told.stop.send_replace(true);
        // A panic there was reported by its own task.
        let _ = self.task.await;
    }
}

/// Tells whether a subscription is still the same.
fn fingerprint(subscription: &Subscription) -> [u8; 32] {
    let Subscription { id, rule, url, format, mode, filter, status, secrets, start } = subscription;
    let mut hash = Sha256::new();
    hash.update(format!("{id} {rule:?} {url:?} {format:?} {mode:?} {filter:?} {status:?} {start}"));
    for (secret, until) in secrets {
        hash.update(secret.expose_secret());
        hash.update(format!("{until:?}"));
    }
    hash.finalize().into()
}

impl Notifier {
    /// Keeps up with subscriptions as they come and go: of several tenants beside each other, so that none waits for the
    /// receivers of another.
    pub(super) async fn register(&self) {
        let mut stop = self.0.stop.subscribe();
        let mut all = true;
        let mut left: HashSet<TenantId> = HashSet::new();
        let mut busy: HashSet<TenantId> = HashSet::new();
        let mut refreshing = JoinSet::new();
        loop {
            if all {
                match self.everybody().await {
                    Ok(tenants) => {
                        left.extend(tenants);
                        all = false;
                    }
                    Err(error) => tracing::error!(%error, "subscriptions cannot be read"),
                }
            }
            for tenant in left.extract_if(|tenant| !busy.contains(tenant)).collect::<Vec<_>>() {
                busy.insert(tenant);
                let notifier = self.clone();
                refreshing.spawn(async move { (tenant, notifier.refresh(tenant).await) });
            }
            tokio::select! {
                () = raised(&mut stop) => break,
                Some(Ok((tenant, refreshed))) = refreshing.join_next() => {
                    busy.remove(&tenant);
                    if let Err(error) = refreshed {
                        tracing::error!(%tenant, %error, "the subscriptions of a tenant cannot be read");
                        left.insert(tenant);
                        tokio::time::sleep(ERROR_PAUSE).await;
                    }
                }
                changed = self.0.bell.changed() => {
                    all |= changed.all;
                    left.extend(changed.tenants);
                }
                () = tokio::time::sleep(AGAIN), if all => {}
            }
        }
        // What they began is ended by whoever stops.
        while refreshing.join_next().await.is_some() {}
    }

    /// Tenants that subscribe, and those that did.
    async fn everybody(&self) -> Result<HashSet<TenantId>, NotifierError> {
        let directory = self.0.shared.directory.clone();
        let read = tokio::task::spawn_blocking(move || directory.tenants_subscribed());
        let mut tenants: HashSet<_> = read.await.map_err(|error| unreadable(&error))??.into_iter().collect();
        tenants.extend(self.0.offices.lock().keys());
        Ok(tenants)
    }

    /// Brings the tasks of a tenant in line with its subscriptions.
    pub(super) async fn refresh(&self, tenant: TenantId) -> Result<(), NotifierError> {
        let turn = self.0.turns.lock().entry(tenant).or_default().clone();
        let turn = turn.lock_owned().await;
        if *self.0.stop.borrow() {
            return Ok(());
        }
        let shared = self.0.shared.clone();
        let known =
            self.0.offices.lock().get(&tenant).map(|office| {
                office.known.iter().map(|(id, known)| (*id, known.fingerprint)).collect::<HashMap<_, _>>()
            });
        let is_new = known.is_none();
        let read = tokio::task::spawn_blocking(move || read_tenant(&shared, tenant, known.as_ref()));
        let Some(found) = read.await.map_err(|error| unreadable(&error))?? else {
            if let Some(office) = self.0.offices.lock().remove(&tenant) {
                // First, for the desk may be who asks: it ends, and asks for nothing more.
                office.stop.send_replace(true);
                self.0.bell.forget(tenant);
                self.0.shared.history.forget(tenant);
                // What is kept of it stays: a tenant that is disabled goes on when it is enabled. Nobody begins again before
                // everything has ended.
                tokio::spawn(async move {
                    office.close().await;
                    drop(turn);
                });
            }
            return Ok(());
        };
        if is_new {
            let office = self.open(tenant, found.head);
            self.0.offices.lock().insert(tenant, office);
        }
        self.end_outdated(tenant, &found);
        self.begin(tenant, found);
        Ok(())
    }

    /// Brings them in line before more of the log is handed over: what comes behind a change is told as the change says.
    async fn refresh_for_desk(&self, tenant: TenantId) {
        while let Err(error) = self.refresh(tenant).await {
            tracing::error!(%tenant, %error, "the subscriptions of a tenant cannot be read");
            let mut stop = self.0.stop.subscribe();
            tokio::select! {
                () = raised(&mut stop) => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    fn open(&self, tenant: TenantId, head: Position) -> Office {
        let desk = Arc::new(Desk::new(tenant, head));
        self.0.bell.watch(tenant, desk.wake.clone());
        // What was committed before it was watched for.
        desk.wake.notify_one();
        let (stop, stopped) = watch::channel(false);
        let notifier = self.clone();
        let refresh: Refresh = Box::new(move || {
            let notifier = notifier.clone();
            Box::pin(async move { notifier.refresh_for_desk(tenant).await })
        });
        let reading = tokio::spawn(desk.clone().run(self.0.shared.history.clone(), refresh, stopped));
        Office { desk, reading, stop, known: HashMap::new() }
    }

    /// Stops the tasks of subscriptions that have changed or are gone: they begin nothing more. Whoever comes after one waits
    /// until it has ended.
    fn end_outdated(&self, tenant: TenantId, found: &Found) {
        let mut offices = self.0.offices.lock();
        let Some(office) = offices.get_mut(&tenant) else { return };
        let now: HashMap<_, _> = found.subscriptions.iter().map(|it| (it.0.id, fingerprint(&it.0))).collect();
        let ids: Vec<_> = office.known.keys().copied().collect();
        for id in ids {
            let Some(known) = office.known.get_mut(&id) else { continue };
            let is_same = now.get(&id).is_some_and(|fingerprint| *fingerprint == known.fingerprint);
            if is_same {
                continue;
            }
            for (place, running) in known.running.drain() {
                running.told.stop.send_replace(true);
                office.desk.leave(&running.told);
                known.ending.insert(place, running.task);
            }
            if !now.contains_key(&id)
                && let Some(known) = office.known.remove(&id)
            {
                let mut places: Vec<_> = known.ending.keys().copied().collect();
                places.push(Place::of(tenant, id));
                let journal = self.0.shared.journal.clone();
                tokio::spawn(async move {
                    join_all(known.ending.into_values()).await;
                    forget(journal, places).await;
                });
            }
        }
    }

    /// Begins what is not under way.
    fn begin(&self, tenant: TenantId, found: Found) {
        let mut offices = self.0.offices.lock();
        let Some(office) = offices.get_mut(&tenant) else { return };
        for (subscription, parked, replays) in found.subscriptions {
            let (id, active) = (subscription.id, subscription.status == SubscriptionStatus::Active);
            let (desk, fingerprint) = (office.desk.clone(), fingerprint(&subscription));
            let known = office.known.entry(id).or_insert_with(|| Known {
                subscription: subscription.clone(),
                fingerprint,
                running: HashMap::new(),
                ending: HashMap::new(),
            });
            known.subscription = subscription;
            known.fingerprint = fingerprint;
            known.running.retain(|_, running| !running.task.is_finished());
            if active {
                self.run(tenant, known, &desk, None, parked);
            }
            for (replay, kept) in replays.into_iter().filter(|(_, kept)| kept.ended.is_none()) {
                self.run(tenant, known, &desk, Some((replay, kept)), 0);
            }
        }
    }

    /// Begins one task, unless it is under way.
    pub(super) fn run(
        &self,
        tenant: TenantId,
        known: &mut Known,
        desk: &Arc<Desk>,
        replay: Option<([u8; 16], KeptReplay)>,
        parked: u64,
    ) {
        let subscription = &known.subscription;
        let place = replay.as_ref().map_or(Place::of(tenant, subscription.id), |(id, _)| Place { tenant, id: *id });
        if known.running.contains_key(&place) {
            return;
        }
        let (kept, url) = match &replay {
            None => (None, &subscription.url),
            Some((_, kept)) => (Some(kept), kept.url.as_ref().unwrap_or(&subscription.url)),
        };
        let Ok(url) = Url::parse(url) else {
            tracing::error!(%tenant, subscription = %subscription.id, "the URL of a subscription cannot be read");
            return;
        };
        let filter = kept.and_then(|kept| kept.filter.as_ref()).unwrap_or(&subscription.filter);
        let (stop, _) = watch::channel(false);
        let told = Arc::new(Told {
            tenant,
            id: subscription.id,
            replay: replay.as_ref().map(|(id, kept)| ReplayOf { id: *id, to: kept.to, per_second: kept.per_second }),
            url: Arc::new(url),
            format: subscription.format,
            mode: subscription.mode,
            matcher: Matcher::new(filter),
            signer: Signer::new(&subscription.secrets),
            rule: subscription.rule.clone(),
            start: kept.map_or(subscription.start, |kept| kept.from),
            inbox: Mutex::default(),
            wake: tokio::sync::Notify::new(),
            stop,
            shown: Mutex::new(DeliveryState { parked, ..DeliveryState::default() }),
            again: Mutex::default(),
        });
        told.shown.lock().position = told.start;
        let (before, desk, shared, telling) =
            (known.ending.remove(&place), desk.clone(), self.0.shared.clone(), told.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // A panic there was reported by its own task.
                let _ = before.await;
            }
            run(telling, desk, shared).await;
        });
        known.running.insert(place, Running { told, task });
    }

    pub(super) fn told(&self, tenant: TenantId, place: Place, id: SubscriptionId) -> Option<Arc<Told>> {
        let offices = self.0.offices.lock();
        offices.get(&tenant)?.known.get(&id)?.running.get(&place).map(|running| running.told.clone())
    }

    pub(super) fn subscription(&self, tenant: TenantId, id: SubscriptionId) -> Option<Subscription> {
        let offices = self.0.offices.lock();
        offices.get(&tenant)?.known.get(&id).map(|known| known.subscription.clone())
    }
}

/// What is known of a tenant's subscriptions.
struct Found {
    head: Position,
    subscriptions: Vec<FoundOne>,
}

/// A subscription, how many of its events are parked, and its replays.
type FoundOne = (Subscription, u64, Vec<([u8; 16], KeptReplay)>);

/// What there is of a tenant, beside what is known by id and fingerprint and has not changed.
fn read_tenant(
    shared: &Shared,
    tenant: TenantId,
    known: Option<&HashMap<SubscriptionId, [u8; 32]>>,
) -> Result<Option<Found>, NotifierError> {
    // First: a change behind it is met by whoever reads on from there.
    let head = shared.history.head(tenant).map_err(|error| unreadable(&error))?;
    let subscriptions = shared.directory.subscriptions(tenant)?;
    if subscriptions.is_empty() {
        return Ok(None);
    }
    let mut found = Found { head, subscriptions: Vec::with_capacity(subscriptions.len()) };
    let mut places = HashSet::new();
    let kept = |error: &dyn std::fmt::Display| unreadable(error);
    shared.journal.flush();
    for subscription in subscriptions {
        let place = Place::of(tenant, subscription.id);
        places.insert(place.id);
        let before = known.and_then(|known| known.get(&subscription.id));
        if before.is_some_and(|before| *before == fingerprint(&subscription)) {
            // It is told already, and so are its replays.
            found.subscriptions.push((subscription, 0, Vec::new()));
            continue;
        }
        let parked = shared.journal.parked_now(place).map_err(|error| kept(&error))?.len() as u64;
        let replays = shared.journal.replays_now(place).map_err(|error| kept(&error))?;
        places.extend(replays.iter().map(|(id, _)| *id));
        found.subscriptions.push((subscription, parked, replays));
    }
    if known.is_none() {
        // Of what was deleted while nobody was here.
        for id in shared.journal.known(tenant).map_err(|error| kept(&error))? {
            if !places.contains(&id) {
                shared.journal.forget(Place { tenant, id }).map_err(|error| kept(&error))?;
            }
        }
    }
    Ok(Some(found))
}

async fn forget(journal: Journal, places: Vec<Place>) {
    if places.is_empty() {
        return;
    }
    let forgetting = move || {
        for place in places {
            if let Err(error) = journal.forget(place) {
                tracing::error!(%error, "what is kept of a deleted subscription stays");
            }
        }
    };
    // A panic there was reported by its own thread.
    let _ = tokio::task::spawn_blocking(forgetting).await;
}

impl Office {
    pub(super) async fn close(self) {
        let (running, ending): (Vec<_>, Vec<_>) =
            self.known.into_values().map(|known| (known.running.into_values(), known.ending.into_values())).unzip();
        join_all(running.into_iter().flatten().map(Running::end)).await;
        // A panic there was reported by its own task.
        join_all(ending.into_iter().flatten()).await;
        self.stop.send_replace(true);
        // A panic there was reported by its own task.
        let _ = self.reading.await;
    }
}
