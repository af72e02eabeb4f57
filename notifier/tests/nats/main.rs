//! The NATS sink against a real nats-server that is killed, emptied, reconfigured and written to by others.

mod access;
mod log;
mod resuming;
mod server;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use notifier::nats::{Lag, Nats, Options};
use schemas::{Position, TenantId};
use tokio::time::{Instant, sleep};

use crate::log::{ACME, Log};
use crate::server::{Server, ids, messages};

/// The stream of [`ACME`].
const STREAM: &str = "HOLDFAST_acme";

fn options(server: &Server) -> Options {
    Options { urls: vec![server.url()], ..Options::default() }
}

fn start(options: Options, log: &Arc<Log>) -> Nats {
    Nats::start(options, log.clone()).expect("the sink starts")
}

/// How long a stream of [`make_forgetful_stream`] remembers ids: as short as a server allows.
const REMEMBERS: Duration = Duration::from_millis(100);

/// Makes [`STREAM`] so that the server soon forgets ids: it must not be the one that keeps events from coming twice.
async fn make_forgetful_stream(server: &Server) {
    let (name, subjects) = (STREAM.to_owned(), vec!["holdfast.acme.>".to_owned()]);
    let config = Config { name, subjects, duplicate_window: REMEMBERS, ..Config::default() };
    server.client().await.create_stream(config).await.expect("the stream is made");
}

/// Waits until something is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn lag(nats: &Nats, tenant: TenantId) -> Option<Lag> {
    nats.lags().into_iter().find(|lag| lag.tenant == tenant)
}

/// Waits until everything is published.
async fn caught_up(nats: &Nats, log: &Log, tenant: TenantId) {
    let head = log.head(tenant);
    let there = || lag(nats, tenant).is_some_and(|lag| lag.published == head && lag.last_error.is_none());
    until(&format!("everything is published: {:?}", lag(nats, tenant)), there).await;
}

/// Waits until a tenant's publisher says that something is wrong.
async fn complains(nats: &Nats, tenant: TenantId, about: &str) {
    let said = || lag(nats, tenant).and_then(|lag| lag.last_error).unwrap_or_default();
    let since = Instant::now();
    while said().is_empty() || !said().contains(about) {
        assert!(since.elapsed() < Duration::from_secs(30), "{:?} says nothing of {about}", said());
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_and_holds_every_event_that_is_announced() {
    let (server, log) = (Server::start("").await, Log::new());
    log.append(ACME, Some((None, "holdfast:User:Created")));
    log.append(ACME, None);
    log.append(ACME, Some((Some("logs.2026"), "s3:ObjectCreated:Put")));
    log.append(ACME, None);
    let max_age = Duration::from_secs(3600);
    let nats = start(Options { max_age, ..options(&server) }, &log);
    caught_up(&nats, &log, ACME).await;

    let client = server.client().await;
    let stream = client.get_stream(STREAM).await.expect("the stream is there");
    let Config { subjects, storage, num_replicas, max_age: kept, .. } = stream.cached_info().config.clone();
    assert_eq!(subjects, ["holdfast.acme.>"]);
    assert_eq!((storage, num_replicas, kept), (StorageType::File, 1, max_age));

    let found = messages(&client, STREAM).await;
    let subjects: Vec<&str> = found.iter().map(|message| message.subject.as_str()).collect();
    assert_eq!(subjects, ["holdfast.acme.-.User-Created", "holdfast.acme.logs%2E2026.ObjectCreated-Put"]);
    let header = |name: &str| found[1].headers.get(name).map(|value| value.as_str().to_owned());
    assert_eq!(header("Nats-Msg-Id").as_deref(), Some("71:1:2"));
    assert_eq!(header("Content-Type").as_deref(), Some("application/cloudevents+json"));
    assert_eq!(header("Nats-Expected-Last-Sequence").as_deref(), Some("1"));
    assert_eq!(&found[1].payload[..], br#"{"specversion":"1.0","id":"2"}"#);

    nats.stop().await;
    assert_eq!(log.saved_cursor(ACME), Some(log.cursor(ACME, 3)), "the cursor stands behind what is not announced too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_published_as_they_come() {
    let (server, log) = (Server::start("").await, Log::new());
    let nats = start(options(&server), &log);
    let since = Instant::now();
    for _ in 0..20 {
        log.puts(ACME, 1);
        caught_up(&nats, &log, ACME).await;
    }
    assert!(since.elapsed() < Duration::from_secs(5), "twenty events took {:?}", since.elapsed());

    let count = 5_000;
    log.puts(ACME, count);
    let since = Instant::now();
    caught_up(&nats, &log, ACME).await;
    eprintln!("{:.0} messages a second", count as f64 / since.elapsed().as_secs_f64());
    assert_eq!(ids(&server.client().await, STREAM).await, log.ids(ACME));
}

/// Numbers that follow from a seed.
struct Chance(u64);

impl Chance {
    /// `HOLDFAST_SEED`, else a new one; printed, so that a failure can be run again.
    fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let given = std::env::var("HOLDFAST_SEED").ok().map(|seed| seed.parse().expect("HOLDFAST_SEED is a number"));
        let seed = given.unwrap_or_else(|| RandomState::new().hash_one(()));
        println!("HOLDFAST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_events_come_once_and_in_order_whatever_is_killed() {
    let mut chance = Chance::new();
    let (mut server, log) = (Server::start("").await, Log::new());
    make_forgetful_stream(&server).await;
    let mut nats = Some(start(options(&server), &log));
    for _ in 0..50 {
        log.puts(ACME, 40);
        sleep(Duration::from_micros(chance.below(8_000))).await;
        match chance.below(6) {
            0 | 1 => server.restart().await,
            2 | 3 => {
                nats.take();
                nats = Some(start(options(&server), &log));
            }
            4 => {
                if let Some(nats) = nats.take() {
                    nats.stop().await;
                }
                server.kill();
                nats = Some(start(options(&server), &log));
                sleep(Duration::from_millis(chance.below(30))).await;
                server.restart().await;
            }
            _ => {}
        }
    }
    let nats = nats.expect("one is running");
    caught_up(&nats, &log, ACME).await;
    assert_eq!(log.ids(ACME).len(), 2_000);
    assert_eq!(ids(&server.client().await, STREAM).await, log.ids(ACME));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_nats_is_away_the_lag_grows_and_is_visible() {
    let (mut server, log) = (Server::stopped(""), Log::new());
    log.puts(ACME, 3);
    let nats = start(options(&server), &log);
    complains(&nats, ACME, "refused").await;
    until("the head is known", || lag(&nats, ACME).is_some_and(|lag| lag.head == Position(3))).await;
    log.puts(ACME, 4);
    until("the lag has grown", || lag(&nats, ACME).is_some_and(|lag| lag.head == Position(7))).await;
    assert_eq!(lag(&nats, ACME).map(|lag| lag.published), Some(Position(0)));

    server.restart().await;
    caught_up(&nats, &log, ACME).await;
    assert_eq!(ids(&server.client().await, STREAM).await, log.ids(ACME));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tenants_come_and_go() {
    const OTHER: TenantId = TenantId(5);
    let (server, log) = (Server::start("").await, Log::new());
    log.puts(ACME, 2);
    let nats = start(options(&server), &log);
    caught_up(&nats, &log, ACME).await;

    log.add_tenant(OTHER, "other-1");
    log.puts(OTHER, 3);
    caught_up(&nats, &log, OTHER).await;
    let client = server.client().await;
    assert_eq!(ids(&client, "HOLDFAST_other-1").await, log.ids(OTHER));
    assert_eq!(ids(&client, STREAM).await, log.ids(ACME));

    log.remove_tenant(OTHER);
    until("the publisher is gone", || lag(&nats, OTHER).is_none()).await;
    log.puts(ACME, 1);
    caught_up(&nats, &log, ACME).await;
    assert_eq!(ids(&client, "HOLDFAST_other-1").await.len(), 3, "its stream stays");
}
