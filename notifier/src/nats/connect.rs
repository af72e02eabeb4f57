//! The connection that all tenants share.
//!
//! Owns: connecting, for ever; saying why there is no connection.
//! Does not own: what is sent over it. A connection that is lost is not waited for: whoever used it begins again with
//! the next one and reads back what became of its last message.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::context::{Context, ContextBuilder};
use async_nats::rustls::crypto::ring;
use async_nats::{ConnectOptions, Event};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::backoff::{Backoff, LONGEST};
use super::options::{Login, Options, Servers};

/// How long a server may take to answer a request or to acknowledge a message.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often a silent connection is tried, so that one to a machine that vanished is noticed.
const PING_EVERY: Duration = Duration::from_secs(10);

#[derive(Clone)]
enum State {
    Down(Arc<str>),
    Up { jetstream: Box<Context>, number: u64 },
}

/// There is no connection, and why.
#[derive(Debug, Clone)]
pub(super) struct Away(pub(super) Arc<str>);

/// The connection as publishers see it.
#[derive(Clone)]
pub(super) struct Link(watch::Receiver<State>);

/// A connection, and the means to notice its end.
pub(super) struct Connection {
    pub(super) jetstream: Context,
    number: u64,
    state: watch::Receiver<State>,
}

impl Link {
    /// The connection of now.
    pub(super) fn connection(&self) -> Result<Connection, Away> {
        match &*self.0.borrow() {
            State::Down(why) => Err(Away(why.clone())),
            State::Up { jetstream, number } => {
                Ok(Connection { jetstream: (**jetstream).clone(), number: *number, state: self.0.clone() })
            }
        }
    }

    /// Resolves when there is a connection, or another reason why there is none.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The sink is ending; so will whoever waits.
            std::future::pending::<()>().await;
        }
    }
}

impl Connection {
    /// Resolves when this connection is lost.
    pub(super) async fn lost(&mut self) -> Away {
        let mine = self.number;
        match self
            .state
            .wait_for(|state| !matches!(state, State::Up { number, .. } if *number == mine))
            .await
            .as_deref()
        {
            Ok(State::Down(why)) => Away(why.clone()),
            Ok(State::Up { .. }) | Err(_) => Away("the connection was lost".into()),
        }
    }
}

/// Connects, and connects again.
pub(super) struct Connector {
    options: Arc<Options>,
    servers: Servers,
    state: watch::Sender<State>,
}

impl Connector {
    pub(super) fn new(options: Arc<Options>, servers: Servers) -> (Self, Link) {
        // reqwest and this client take the process's TLS provider. Where none was chosen it is ring; where one was, it stays.
        let _ = ring::default_provider().install_default();
        let (state, seen) = watch::channel(State::Down("not connected yet".into()));
        (Self { options, servers, state }, Link(seen))
    }

    pub(super) async fn run(self) {
        let mut backoff = Backoff::default();
        for number in 0.. {
            match self.connect().await {
                Ok((jetstream, lost)) => {
                    info!("connected to NATS");
                    self.state.send_replace(State::Up { jetstream: Box::new(jetstream), number });
                    // A server that takes us and drops us at once is not asked ever faster.
                    if timeout(LONGEST, lost.notified()).await.is_err() {
                        backoff.reset();
                        lost.notified().await;
                    }
                    self.down("the connection was lost");
                }
                Err(error) => self.down(&error),
            }
            sleep(backoff.next()).await;
        }
    }

    /// Says once why there is no connection, not at every attempt.
    fn down(&self, why: &str) {
        let known = matches!(&*self.state.borrow(), State::Down(known) if **known == *why);
        if !known {
            warn!(error = why, "NATS is away");
            self.state.send_replace(State::Down(why.into()));
        }
    }

    async fn connect(&self) -> Result<(Context, Arc<Notify>), String> {
        let lost = Arc::new(Notify::new());
        let options = self.client_options(lost.clone()).await.map_err(|error| error.to_string())?;
        let client = options.connect(&self.servers.addresses[..]).await.map_err(|error| error.to_string())?;
        Ok((ContextBuilder::new().timeout(ANSWER_WITHIN).build(client), lost))
    }

    async fn client_options(&self, lost: Arc<Notify>) -> std::io::Result<ConnectOptions> {
        let tls = &self.options.tls;
        for file in [&tls.ca_file, &tls.cert_file, &tls.key_file].into_iter().flatten() {
            // The client would not say which file it misses.
            let found = tokio::fs::metadata(file).await;
            found.map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        }
        let mut options = ConnectOptions::new()
            .name("holdfast")
            .require_tls(tls.required)
            .ping_interval(PING_EVERY)
            // One round over the servers, and the connection is over: then this loop connects, with files read anew.
            .max_reconnects(self.servers.addresses.len())
            .event_callback(move |event| {
                let lost = lost.clone();
                async move {
                    match event {
                        Event::Disconnected | Event::Closed => lost.notify_one(),
                        // The next request says it better, or nothing has to be done.
                        Event::Connected
                        | Event::LameDuckMode
                        | Event::Draining
                        | Event::SlowConsumer(_)
                        | Event::ServerError(_)
                        | Event::ClientError(_) => {}
                    }
                }
            });
        if let Some(file) = &tls.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let (Some(cert), Some(key)) = (&tls.cert_file, &tls.key_file) {
            options = options.add_client_certificate(cert.clone(), key.clone());
        }
        match self.servers.login.clone() {
            Some(Login::User { name, password }) => options = options.user_and_password(name, password),
            Some(Login::Token(token)) => options = options.token(token),
            None => {}
        }
        match &self.options.credentials_file {
            Some(file) => options.credentials_file(file).await,
            None => Ok(options),
        }
    }
}
