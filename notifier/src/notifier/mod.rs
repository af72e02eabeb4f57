//! The notifier: what an operator chooses, beginning and ending, figures.
//!
//! Owns: the parts that all subscriptions share. Topics of what may be asked of it have files of their own.
//! Does not own: subscriptions (pipeline, through [`Directory`]), who may ask.

mod deliveries;
mod offices;
mod past;
mod replays;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use event_log::{EventLog, Views};
use futures_util::future::join_all;
use ipnet::IpNet;
use parking_lot::Mutex;
use schemas::{Position, TenantId};
use tokio::sync::watch;

use self::offices::Office;
use crate::bell::Bell;
use crate::clock::Clock;
use crate::egress::{EgressError, Guard, Resolver};
use crate::engine::{Shared, Told};
use crate::fair::Fair;
use crate::figures::{Figures, NotifierFigures};
use crate::following::Following;
use crate::history::History;
use crate::nats::{self, Nats};
use crate::retry::RetryPolicy;
use crate::sender::Sender;
use crate::state::Journal;
use crate::subscription::{Directory, DirectoryError};

/// Requests that are being made at once, whoever they are for.
const PERMITS: usize = 64;

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
