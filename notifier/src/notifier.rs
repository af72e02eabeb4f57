//! The notifier: who is told by which task, and what may be asked of it.
//!
//! Owns: beginning and ending the tasks of subscriptions as they come, change and go; replays; questions.
//! Does not own: subscriptions (pipeline, through [`Directory`]), who may ask.
//! Invariant: a subscription is told by one task at a time.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use event_log::{EventLog, Views};
use futures_util::future::join_all;
use ipnet::IpNet;
use parking_lot::Mutex;
use reqwest::Url;
use schemas::delivery::{
    Attempt, DeliveryState, DryRun, FeedEvent, FeedPage, FeedQuery, NewReplay, Parked, Replay, ReplayEnd, Trial, Unpark,
};
use schemas::subscription::{PayloadFormat, SubscriptionStatus};
use schemas::{EventId, Position, RequestId, SubscriptionId, TenantId};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bell::{Bell, raised};
use crate::clock::Clock;
use crate::egress::{EgressError, Guard, Resolver};
use crate::engine::{Desk, Refresh, ReplayOf, Shared, Told, run};
use crate::fair::Fair;
use crate::figures::{Figures, NotifierFigures};
use crate::filter::Matcher;
use crate::following::Following;
use crate::history::{History, HistoryError, PAGE};
use crate::nats::{self, Nats};
use crate::retry::RetryPolicy;
use crate::sender::{Outgoing, Sender};
use crate::signature::Signer;
use crate::state::{Journal, KeptEnd, KeptReplay, Place};
use crate::subscription::{Directory, DirectoryError, Subscription};
use crate::translation::TestEvent;

/// Requests that are being made at once, whoever they are for.
const PERMITS: usize = 64;
/// Replays of a subscription that are under way at most.
const REPLAYS_MAX: usize = 8;
/// Events that a dry run looks at in one answer, and a page of the feed.
const DRY_RUN_MAX: u64 = 100_000;
const FEED_MAX: u64 = 20_000;
/// How long somebody waits for the next event.
const REACHED_MAX: Duration = Duration::from_secs(10);
/// How often whoever waits looks, while much is committed.
const REACHED_PACE: Duration = Duration::from_millis(20);
/// How long the others wait when those of one tenant could not be read.
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// How long to wait when subscriptions could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// What an operator chooses.
pub struct Options {
    /// Time and chance.
    pub clock: Arc<dyn Clock>,
    /// How patient it is.
    pub policy: RetryPolicy,
    /// How long a receiver may take to answer.
    pub timeout: Duration,
    /// Networks that may be sent to although they are inside.
    pub allowed_networks: Vec<IpNet>,
    /// Name servers; the system's if there are none.
    pub dns_servers: Vec<SocketAddr>,
    /// NATS, where events are published to it.
    pub nats: Option<nats::Options>,
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum NotifierError {
    /// Nothing may be sent there.
    #[error(transparent)]
    Egress(#[from] EgressError),
    /// Subscriptions could not be read.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// There are too many replays under way.
    #[error("too many replays are under way")]
    Replays,
    /// There is no such subscription.
    #[error("there is no such subscription")]
    Unknown,
    /// The log, or what is kept of deliveries, could not be read.
    #[error("{what}")]
    Read {
        /// What happened.
        what: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread")]
    Thread(#[from] std::io::Error),
    /// NATS is configured in a way that cannot work.
    #[error(transparent)]
    Nats(#[from] nats::OptionsError),
}

fn unreadable(error: &dyn std::fmt::Display) -> NotifierError {
    NotifierError::Read { what: error.to_string() }
}

/// The notifier. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    bell: Bell,
    offices: Mutex<HashMap<TenantId, Office>>,
    stop: watch::Sender<bool>,
    hushed: watch::Sender<bool>,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    nats: Mutex<Option<Nats>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// One at a time brings a tenant's tasks in line with its subscriptions.
    turns: Mutex<HashMap<TenantId, Arc<tokio::sync::Mutex<()>>>>,
}

/// Everything of a tenant.
struct Office {
    desk: Arc<Desk>,
    reading: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
    known: HashMap<SubscriptionId, Known>,
}

struct Known {
    subscription: Subscription,
    fingerprint: [u8; 32],
    /// By the place of their rows: the subscription itself, unless it rests, and replays.
    running: HashMap<Place, Running>,
    /// Tasks that were stopped and may not have ended.
    ending: HashMap<Place, tokio::task::JoinHandle<()>>,
}

struct Running {
    told: Arc<Told>,
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
    /// Begins to tell everybody who subscribes. Within a tokio runtime.
    ///
    /// # Errors
    /// [`NotifierError`].
    pub fn start(
        options: Options,
        bell: Bell,
        log: Arc<dyn EventLog>,
        views: Arc<Views>,
        directory: Arc<dyn Directory>,
    ) -> Result<Self, NotifierError> {
        let Options { clock, policy, timeout, allowed_networks, dns_servers, nats } = options;
        let resolver = Resolver::new(Guard::new(allowed_networks), &dns_servers)?;
        let (journal, writer) = Journal::start(log.clone(), views)?;
        let shared = Shared {
            history: Arc::new(History::new(log, directory.clone())),
            journal,
            sender: Sender::new(resolver, timeout, clock.clone())?,
            fair: Fair::new(PERMITS),
            clock,
            policy,
            directory,
            figures: Figures::default(),
        };
        let (stop, _) = watch::channel(false);
        let notifier = Self(Arc::new(Inner {
            shared: Arc::new(shared),
            bell,
            offices: Mutex::default(),
            stop,
            hushed: watch::channel(false).0,
            tasks: Mutex::default(),
            nats: Mutex::default(),
            writer: Mutex::new(Some(writer)),
            turns: Mutex::default(),
        }));
        let registrar = notifier.clone();
        let task = tokio::spawn(async move { registrar.register().await });
        notifier.0.tasks.lock().push(task);
        if let Some(options) = nats {
            let following = Following { notifier: notifier.clone(), shared: notifier.0.shared.clone() };
            *notifier.0.nats.lock() = Some(Nats::start(options, Arc::new(following))?);
        }
        Ok(notifier)
    }

    /// Lets nobody wait any more for events to come: the program is about to end.
    pub fn hush(&self) {
        self.0.hushed.send_replace(true);
    }

    /// Ends every task, after requests under way have had a moment, and writes how everything stands.
    pub async fn stop(&self) {
        self.0.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.0.tasks.lock());
        for task in tasks {
            // A panic there was reported by its own task.
            let _ = task.await;
        }
        let nats = self.0.nats.lock().take();
        if let Some(nats) = nats {
            nats.stop().await;
        }
        let offices = std::mem::take(&mut *self.0.offices.lock());
        join_all(offices.into_values().map(Office::close)).await;
        self.0.shared.journal.end();
        let writer = self.0.writer.lock().take();
        let ended = tokio::task::spawn_blocking(move || writer.map(JoinHandle::join));
        if !matches!(ended.await, Ok(None | Some(Ok(())))) {
            tracing::error!("how deliveries stand may not have been written");
        }
    }

    /// Keeps up with subscriptions as they come and go: of several tenants beside each other, so that none waits for the
    /// receivers of another.
    async fn register(&self) {
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
    async fn refresh(&self, tenant: TenantId) -> Result<(), NotifierError> {
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
    fn run(
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

    fn told(&self, tenant: TenantId, place: Place, id: SubscriptionId) -> Option<Arc<Told>> {
        let offices = self.0.offices.lock();
        offices.get(&tenant)?.known.get(&id)?.running.get(&place).map(|running| running.told.clone())
    }

    fn subscription(&self, tenant: TenantId, id: SubscriptionId) -> Option<Subscription> {
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
    async fn close(self) {
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

/// Questions. Those that are not async may read the disk.
impl Notifier {
    /// Whether anything may be sent to a URL.
    ///
    /// # Errors
    /// [`EgressError`].
    pub async fn check_url(&self, url: &str) -> Result<(), EgressError> {
        self.0.shared.sender.resolver().check_url(url).await
    }

    /// How a subscription stands; none of one that is not known yet.
    #[must_use]
    pub fn state(&self, tenant: TenantId, id: SubscriptionId) -> Option<DeliveryState> {
        let place = Place::of(tenant, id);
        let head = self.0.shared.history.head(tenant).ok()?;
        if let Some(told) = self.told(tenant, place, id) {
            return Some(DeliveryState { head, ..told.shown.lock().clone() });
        }
        let subscription = self.subscription(tenant, id)?;
        let found = self.0.shared.journal.find_now(place).ok().flatten();
        let parked = self.0.shared.journal.parked_now(place).map_or(0, |parked| parked.len() as u64);
        let state = found.map(|found| found.state).unwrap_or_default();
        let position = state.next.max(subscription.start);
        let (failing_since, delivered_at) = (state.failing_since, state.delivered_at);
        Some(DeliveryState { position, head, parked, failing_since, delivered_at, ..DeliveryState::default() })
    }

    /// The last attempts, the newest first: those of a subscription and of its replays.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn attempts(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<Attempt>, NotifierError> {
        let (journal, place) = (&self.0.shared.journal, Place::of(tenant, id));
        let mut kept = journal.attempts(place, failed_alone, max).map_err(|error| unreadable(&error))?;
        for (replay, _) in journal.replays_now(place).map_err(|error| unreadable(&error))? {
            let of_replay = journal.attempts_now(Place { tenant, id: replay }, failed_alone, max);
            kept.extend(of_replay.map_err(|error| unreadable(&error))?);
        }
        kept.sort_by_key(|attempt| std::cmp::Reverse((attempt.at, attempt.number)));
        kept.truncate(max);
        let shown = kept.into_iter().map(|kept| Attempt {
            event: kept.event,
            event_type: kept.event_type,
            number: kept.attempt,
            test: None,
            at: kept.at,
            latency_us: kept.latency_us,
            status: kept.status,
            error: kept.error,
            replay: kept.replay,
        });
        Ok(shown.collect())
    }

    /// Parked events, by position.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn parked(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Parked>, NotifierError> {
        let kept = self.0.shared.journal.parked(Place::of(tenant, id)).map_err(|error| unreadable(&error))?;
        let shown = kept.into_iter().map(|kept| Parked {
            event: kept.event,
            event_type: kept.event_type,
            at: kept.at,
            attempts: kept.attempts,
            error: kept.error,
        });
        Ok(shown.collect())
    }

    /// Tries a parked event again, or forgets it. Whether it was there.
    ///
    /// # Errors
    /// [`NotifierError`].
    pub fn unpark(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        position: Position,
        what: Unpark,
    ) -> Result<bool, NotifierError> {
        let place = Place::of(tenant, id);
        let parked = self.0.shared.journal.parked(place).map_err(|error| unreadable(&error))?;
        if !parked.iter().any(|kept| kept.event.position == position) {
            return Ok(false);
        }
        let told = self.told(tenant, place, id);
        match (what, told) {
            (Unpark::Discard, told) => {
                self.0.shared.journal.unpark(place, position);
                if let Some(told) = told {
                    let mut shown = told.shown.lock();
                    shown.parked = shown.parked.saturating_sub(1);
                }
            }
            (Unpark::Replay, Some(told)) => {
                told.again.lock().push_back(position);
                told.wake.notify_one();
            }
            // Of one that rests nothing is sent.
            (Unpark::Replay, None) => return Err(NotifierError::Unknown),
        }
        Ok(true)
    }

    /// Sends a test event, once.
    ///
    /// # Errors
    /// [`NotifierError::Unknown`].
    pub async fn test(&self, tenant: TenantId, id: SubscriptionId) -> Result<Attempt, NotifierError> {
        // It may have been made or changed a moment ago.
        self.refresh(tenant).await?;
        let subscription = self.subscription(tenant, id).ok_or(NotifierError::Unknown)?;
        let shared = &self.0.shared;
        let url = Url::parse(&subscription.url).map_err(|_| EgressError::Malformed)?;
        let directory = shared.directory.clone();
        let tenant_name = tokio::task::spawn_blocking(move || directory.tenant(tenant)).await.ok().flatten();
        let nonce = format!("{:016x}", shared.clock.chance());
        let test = TestEvent {
            tenant,
            tenant_name,
            bucket_name: subscription.rule.as_ref().and_then(|_| subscription.filter.buckets.first().cloned()),
            subscription: id,
            time: shared.clock.wall(),
            request: RequestId(nonce.clone()),
            nonce,
        };
        let name = test.webhook_id();
        let outgoing = Outgoing {
            url: Arc::new(url),
            id: name.clone(),
            event_type: TestEvent::TYPE.to_owned(),
            format: subscription.format,
            body: test.body(subscription.format),
            attempt: 1,
            position: None,
            prev: None,
            replay: None,
        };
        let outcome = shared.sender.send(&Signer::new(&subscription.secrets), outgoing).await;
        Ok(Attempt {
            event: None,
            event_type: TestEvent::TYPE.to_owned(),
            number: 1,
            test: Some(name),
            at: outcome.at,
            latency_us: outcome.latency_us,
            status: outcome.status,
            error: outcome.error,
            replay: None,
        })
    }

    /// Begins a replay. Blocks, on a thread of the runtime that may.
    ///
    /// # Errors
    /// [`NotifierError`].
    pub fn replay(&self, tenant: TenantId, id: SubscriptionId, new: NewReplay) -> Result<Replay, NotifierError> {
        // The subscription may have been made or changed a moment ago.
        tokio::runtime::Handle::current().block_on(self.refresh(tenant))?;
        let (shared, place) = (&self.0.shared, Place::of(tenant, id));
        let running = shared.journal.replays(place).map_err(|error| unreadable(&error))?;
        if running.iter().filter(|(_, kept)| kept.ended.is_none()).count() >= REPLAYS_MAX {
            return Err(NotifierError::Replays);
        }
        let head = shared.history.head(tenant).map_err(|error| unreadable(&error))?;
        let mut replay = [0; 16];
        replay[..8].copy_from_slice(&shared.clock.chance().to_be_bytes());
        replay[8..].copy_from_slice(&shared.clock.chance().to_be_bytes());
        let to = new.to.unwrap_or(head).min(head);
        let kept = KeptReplay {
            created: shared.clock.wall(),
            from: new.from,
            to,
            url: new.url,
            filter: new.filter,
            per_second: new.per_second,
            ended: None,
        };
        {
            let mut offices = self.0.offices.lock();
            let office = offices.get_mut(&tenant).ok_or(NotifierError::Unknown)?;
            let desk = office.desk.clone();
            let known = office.known.get_mut(&id).ok_or(NotifierError::Unknown)?;
            shared.journal.replay(place, replay, &kept);
            self.run(tenant, known, &desk, Some((replay, kept.clone())), 0);
        }
        // It goes on after a restart, once it is on the disk.
        shared.journal.flush();
        Ok(self.shown_replay(tenant, id, replay, kept))
    }

    fn shown_replay(&self, tenant: TenantId, id: SubscriptionId, replay: [u8; 16], kept: KeptReplay) -> Replay {
        let place = Place { tenant, id: replay };
        let found = self.0.shared.journal.find_now(place).ok().flatten().map(|found| found.state).unwrap_or_default();
        let live = self.told(tenant, place, id).map(|told| told.shown.lock().position);
        Replay {
            id: hex::encode(replay),
            created: kept.created,
            from: kept.from,
            to: kept.to,
            position: live.unwrap_or(found.next).max(kept.from),
            url: kept.url,
            per_second: kept.per_second,
            delivered: found.delivered,
            ended: kept.ended.map(|end| match end {
                KeptEnd::Done => ReplayEnd::Done,
                KeptEnd::Cancelled => ReplayEnd::Cancelled,
                KeptEnd::Failed(reason) => ReplayEnd::Failed { reason },
            }),
        }
    }

    /// Replays of a subscription, the newest first.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn replays(&self, tenant: TenantId, id: SubscriptionId) -> Result<Vec<Replay>, NotifierError> {
        let mut kept = self.0.shared.journal.replays(Place::of(tenant, id)).map_err(|error| unreadable(&error))?;
        kept.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.created));
        Ok(kept.into_iter().map(|(replay, kept)| self.shown_replay(tenant, id, replay, kept)).collect())
    }

    /// Ends a replay. Whether it was there.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn cancel_replay(&self, tenant: TenantId, id: SubscriptionId, replay: &str) -> Result<bool, NotifierError> {
        let mut bytes = [0; 16];
        if hex::decode_to_slice(replay, &mut bytes).is_err() {
            return Ok(false);
        }
        let place = Place::of(tenant, id);
        let all = self.0.shared.journal.replays(place).map_err(|error| unreadable(&error))?;
        let Some((_, mut kept)) = all.into_iter().find(|(other, _)| *other == bytes) else { return Ok(false) };
        if kept.ended.is_none() {
            kept.ended = Some(KeptEnd::Cancelled);
            self.0.shared.journal.replay(place, bytes, &kept);
        }
        if let Some(told) = self.told(tenant, Place { tenant, id: bytes }, id) {
            told.stop.send_replace(true);
        }
        Ok(true)
    }

    /// What would be sent.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn dry_run(&self, tenant: TenantId, trial: &Trial) -> Result<DryRun, NotifierError> {
        let matcher = Matcher::new(&trial.filter);
        let history = &self.0.shared.history;
        let head = history.head(tenant).map_err(|error| unreadable(&error))?;
        let end = trial.to.unwrap_or(head).min(head);
        let mut run = DryRun { matched: 0, scanned: 0, shown: Vec::new(), next: None };
        let mut next = trial.from;
        while next < end {
            if run.scanned >= DRY_RUN_MAX {
                run.next = Some(next);
                break;
            }
            let page = history.read(tenant, next, PAGE.min(end.0 - next.0)).map_err(|error| unreadable(&error))?;
            if page.next == next {
                break;
            }
            run.scanned += page.next.0 - next.0;
            next = page.next;
            for event in page.events.iter().filter(|event| matcher.matches(event)) {
                run.matched += 1;
                if run.shown.len() < trial.shown_max {
                    let body = event.body(trial.format, None);
                    run.shown.push((event.id, String::from_utf8_lossy(&body).into_owned()));
                }
            }
        }
        Ok(run)
    }

    /// A page of the change feed.
    ///
    /// # Errors
    /// [`NotifierError::Read`].
    pub fn feed(&self, tenant: TenantId, query: &FeedQuery) -> Result<FeedPage, NotifierError> {
        let matcher = Matcher::feed(&query.filter);
        let history = &self.0.shared.history;
        let head = history.head(tenant).map_err(|error| unreadable(&error))?;
        let mut found = FeedPage { events: Vec::new(), next: query.from, head };
        let mut scanned = 0;
        while found.next < head && scanned < FEED_MAX && found.events.len() < query.max {
            let page = history.read(tenant, found.next, PAGE).map_err(|error: HistoryError| unreadable(&error))?;
            if page.next == found.next {
                break;
            }
            scanned += page.next.0 - found.next.0;
            let mut next = page.next;
            for event in page.events.iter().filter(|event| matcher.matches(event)) {
                if found.events.len() == query.max {
                    // The rest of the page is the next answer's.
                    next = event.id.position;
                    break;
                }
                let body = event.body(PayloadFormat::Native, None);
                let json = String::from_utf8_lossy(&body).into_owned();
                found.events.push(FeedEvent { event: event.id, event_type: event.event_type.name, json });
            }
            found.next = next;
        }
        Ok(found)
    }

    /// Waits until a tenant's log has an event at a position, or a few seconds. False when nobody is to wait any more.
    pub async fn reached(&self, tenant: TenantId, position: Position) -> bool {
        let mut hushed = self.0.hushed.subscribe();
        tokio::select! {
            biased;
            () = raised(&mut hushed) => false,
            () = self.grown(tenant, position) => true,
        }
    }

    /// The same, for whoever is stopped otherwise.
    pub(crate) async fn grown(&self, tenant: TenantId, position: Position) {
        let mut commits = self.0.bell.commits();
        let waiting = async {
            loop {
                commits.borrow_and_update();
                let history = self.0.shared.history.clone();
                let head = tokio::task::spawn_blocking(move || history.head(tenant)).await;
                if matches!(head, Ok(Ok(head)) if head > position) || commits.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(REACHED_PACE).await;
            }
        };
        // Whoever waits looks again in any case.
        let _ = tokio::time::timeout(REACHED_MAX, waiting).await;
    }

    /// Counts, for metrics.
    #[must_use]
    pub fn figures(&self) -> NotifierFigures {
        let mut figures = NotifierFigures::of(&self.0.shared.figures);
        let told: Vec<Arc<Told>> = {
            let offices = self.0.offices.lock();
            let known = offices.values().flat_map(|office| office.known.values());
            known.flat_map(|known| known.running.values()).map(|running| running.told.clone()).collect()
        };
        let mut heads: HashMap<TenantId, Position> = HashMap::new();
        for told in told {
            figures.active += 1;
            let history = &self.0.shared.history;
            let head = *heads.entry(told.tenant).or_insert_with(|| history.head(told.tenant).unwrap_or_default());
            let shown = told.shown.lock();
            figures.failing += u64::from(shown.failing_since.is_some());
            figures.lag_positions_max = figures.lag_positions_max.max(head.0.saturating_sub(shown.position.0));
        }
        for lag in self.0.nats.lock().as_ref().map(Nats::lags).unwrap_or_default() {
            figures.streams += 1;
            figures.streams_failing += u64::from(lag.last_error.is_some());
            figures.streams_lag_max = figures.streams_lag_max.max(lag.head.0.saturating_sub(lag.published.0));
        }
        figures
    }
}

/// Id of an event as requests carry it.
#[must_use]
pub fn webhook_id(tenant: TenantId, event: EventId) -> String {
    format!("evt_{tenant}_{}_{}", event.epoch, event.position)
}
