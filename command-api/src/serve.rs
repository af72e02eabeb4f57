//! `holdfast serve`: the steps of a start and of an end.

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::args::ServeArgs;
use crate::banner::Banner;
use crate::config::{self, Settings};
use crate::data_dir::DataDir;
use crate::first_run::{self, Endpoints, RootPair};
use crate::run_env::FILE_NAME;
use crate::{listen, logs, routes, wiring};

/// How long requests under way may take to end.
const DRAIN: Duration = Duration::from_secs(30);

pub(crate) fn run(args: ServeArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let root = RootPair::from_environment(&environment);
    let (check, accept_lost_tail) = (args.check_config, args.accept_lost_tail);
    let loaded = config::load(&args.inputs(environment))?;
    if check {
        // A closed pipe is the reader's choice.
        let _ = std::io::stdout().write_all(loaded.table().as_bytes());
        return Ok(());
    }
    let root = root?;
    let settings = loaded.settings;
    refuse_plaintext(&settings)?;
    logs::start(&settings.log)?;
    quiet_guarded();
    let connections = Connections::within(more_files());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
    let outcome = runtime.block_on(serve(&settings, &connections, root, accept_lost_tail));
    // Whatever still runs was cut off on purpose.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(
    settings: &Settings,
    connections: &Connections,
    root: Option<RootPair>,
    accept_lost_tail: bool,
) -> anyhow::Result<()> {
    // Before anything durable happens: a signal during a long start must not be lost.
    let mut signals = Signals::new()?;
    let data = &settings.storage.data;
    let _lock = DataDir::take(data)?;
    let public = listen::bind(settings.server.listen_addr, "--listen").await?;
    let admin = listen::bind(settings.server.web_addr, "--admin-listen").await?;
    let endpoints = endpoints(settings, public.local_addr()?, admin.local_addr()?);
    let opening = settings.clone();
    let bell = notifier::Bell::default();
    let ringing = bell.clone();
    let open = move || wiring::open(&opening, accept_lost_tail, &ringing);
    let store = tokio::task::spawn_blocking(open).await.context("opening the store")??;
    let installer = wiring::StoreInstaller::new(store.clone());
    let start = first_run::ensure(&installer, data, root, &endpoints, &wiring::entropy).await?;
    drop(installer);

    let notifier = wiring::notifier(&store, settings, bell)?;
    let metrics = wiring::metrics(&store, &notifier);
    let ready = wiring::ready(&store);
    let (native, s3) = (wiring::native_router(&store, settings), wiring::s3_router(&store, settings));
    let public_routes = routes::public(&ready, native, s3, &metrics);
    let reference = door_http::admin_reference();
    let admin_routes = routes::admin(&ready, wiring::admin_router(&store, settings), reference, &metrics);
    // The log closes with the last clone of the store: only listeners keep some.
    drop((ready, metrics));
    let (stop, shutdown) = watch::channel(false);
    let patience = wiring::patience(settings);
    let listeners = [
        tokio::spawn(listen::accept(public, public_routes, shutdown.clone(), DRAIN, patience, connections.public)),
        tokio::spawn(listen::accept(admin, admin_routes, shutdown, DRAIN, patience, connections.admin)),
    ];
    let (kept, terminal) = (data.join(FILE_NAME).exists(), std::io::stdout().is_terminal());
    let frozen = store.clock_figures().frozen;
    connections.tell();
    announce(&Banner { start: &start, endpoints: &endpoints, data, kept, frozen, terminal });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), listen = endpoints.endpoint_url, "ready");

    signals.next().await;
    tracing::info!("stopping: requests under way have {} s", DRAIN.as_secs());
    // Listeners that ended on their own have nobody left to tell.
    let _ = stop.send(true);
    // Whoever follows the change feed would be waited for.
    notifier.hush();
    let drained = async {
        let mut all = true;
        for listener in listeners {
            all &= listener.await.unwrap_or(false);
        }
        all
    };
    tokio::select! {
        all = drained => {
            if !all {
                tracing::warn!("some requests did not end in time and were cut off");
            }
        }
        () = signals.next() => {
            tracing::warn!("stopped at once by a second signal");
            std::process::exit(1);
        }
    }
    notifier.stop().await;
    drop(notifier);
    wiring::close(store).await;
    tracing::info!("stopped");
    Ok(())
}

fn announce(banner: &Banner<'_>) {
    let mut stdout = std::io::stdout();
    // Nobody needs to listen for the server to serve.
    let _ = stdout.write_all(banner.text().as_bytes()).and_then(|()| stdout.flush());
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening to signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Credentials' signatures do not leave a machine in clear unless the operator says so.
fn refuse_plaintext(settings: &Settings) -> anyhow::Result<()> {
    let server = &settings.server;
    for (key, address) in [("server.listen_addr", server.listen_addr), ("server.web_addr", server.web_addr)] {
        anyhow::ensure!(
            address.ip().is_loopback() || server.allow_plaintext,
            "`{key}` is {address}, which others can reach, and there is no TLS: say --allow-plaintext if that is meant"
        );
    }
    Ok(())
}

/// The storage engine panics over damaged files; what is caught becomes an error that says where, and is reported as that.
fn quiet_guarded() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !event_log::is_guarded() {
            report(panic);
        }
    }));
}

/// A socket and a file a request: the usual soft limit of 1,024 is soon used up. How many files may be open then.
fn more_files() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Connections that listeners have at a time. Files are left for the store: one that cannot open its own can write no more, and
/// ends.
#[derive(Debug, PartialEq, Eq)]
struct Connections {
    public: usize,
    admin: usize,
}

impl Connections {
    const MOST: Self = Self { public: 8192, admin: 1024 };

    fn within(files: u64) -> Self {
        let share = |files: u64, most: usize| usize::try_from(files).unwrap_or(usize::MAX).clamp(8, most);
        Self {
            public: share(files.saturating_mul(3) / 8, Self::MOST.public),
            admin: share(files / 16, Self::MOST.admin),
        }
    }

    /// Says so where they are few: an operator can change that.
    fn tell(&self) {
        let Self { public, admin } = *self;
        if public < Self::MOST.public / 2 {
            tracing::warn!(public, admin, "few files may be open (ulimit -n): so many connections are let in");
        }
    }
}

fn endpoints(settings: &Settings, public: SocketAddr, admin: SocketAddr) -> Endpoints {
    let url = |address: SocketAddr| format!("http://{}", reachable(address));
    let public_url = settings.server.public_url.as_ref().map(|url| url.trim_end_matches('/').to_owned());
    Endpoints {
        endpoint_url: public_url.unwrap_or_else(|| url(public)),
        admin_url: url(admin),
        region: settings.server.region.clone(),
    }
}

/// "Every address" is no address to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(listen: &str, web: &str, allow: bool) -> Settings {
        let mut settings = Settings::default();
        settings.server.listen_addr = listen.parse().expect("an address");
        settings.server.web_addr = web.parse().expect("an address");
        settings.server.allow_plaintext = allow;
        settings
    }

    #[test]
    fn connections_leave_files_for_the_store() {
        assert_eq!(Connections::within(u64::MAX), Connections::MOST);
        assert_eq!(Connections::within(1 << 20), Connections::MOST);
        for files in [256, 1024, 4096, 20_000] {
            let Connections { public, admin } = Connections::within(files);
            assert!((public + admin) as u64 <= files / 2, "{files}: {public} and {admin}");
        }
        assert_eq!(Connections::within(1024), Connections { public: 384, admin: 64 });
    }

    #[test]
    fn others_can_reach_it_only_when_that_is_said() {
        assert!(refuse_plaintext(&at("127.0.0.1:1", "[::1]:2", false)).is_ok());
        let error = refuse_plaintext(&at("127.0.0.1:1", "0.0.0.0:2", false)).expect_err("is refused").to_string();
        assert!(error.contains("server.web_addr") && error.contains("--allow-plaintext"), "{error}");
        assert!(refuse_plaintext(&at("192.0.2.1:1", "127.0.0.1:2", false)).is_err());
        assert!(refuse_plaintext(&at("0.0.0.0:1", "0.0.0.0:2", true)).is_ok());
    }

    #[test]
    fn clients_are_told_an_address_that_they_can_reach() {
        let mut settings = at("0.0.0.0:1", "[::]:2", true);
        let urls = |settings: &Settings| {
            let Endpoints { endpoint_url, admin_url, .. } =
                endpoints(settings, settings.server.listen_addr, settings.server.web_addr);
            (endpoint_url, admin_url)
        };
        assert_eq!(urls(&settings), ("http://127.0.0.1:1".to_owned(), "http://[::1]:2".to_owned()));
        settings.server.public_url = Some("https://s3.example.com/".to_owned());
        assert_eq!(urls(&settings).0, "https://s3.example.com");
    }
}
