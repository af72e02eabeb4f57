//! Webhooks: a history told from its beginning, events told as they happen, and many subscriptions of which some are dead.
//!
//! The receivers are tasks of this process: a byte-wise HTTP/1.1 server that keeps connections and answers 204.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::{Admin, Server};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

use crate::Plan;
use crate::client::{Client, Shared};
use crate::measure::{Sample, Watch, status_bytes};

const CLIENTS: u64 = 32;

/// What a receiver has got: how many, and how long after their request began those took that say when that was.
#[derive(Default)]
struct Got {
    count: u64,
    latencies: Vec<Duration>,
}

type Shelf = Rc<RefCell<Got>>;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let folder = plan.folder()?;
    let variables = [("HOLDFAST__NOTIFIER__ALLOWED_NETWORKS", "127.0.0.0/8")];
    let server = Server::start_with(&folder.path().join("data"), &variables)?;
    let native = Admin::native(&server, &server.credentials())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let events = if plan.quick { 20_000 } else { 1_000_000 };
    if plan.wants("history") {
        history(&server, &native, &runtime, events)?;
    }
    // A connection that was idle for minutes may have been closed.
    let native = Admin::native(&server, &server.credentials())?;
    if plan.wants("live") {
        live(plan, &server, &native, &runtime, 1, 0)?;
    }
    let native = Admin::native(&server, &server.credentials())?;
    if plan.wants("many") {
        let many = if plan.quick { 50 } else { 1_000 };
        live(plan, &server, &native, &runtime, many, many / 10)?;
    }
    server.stop()
}

/// Microseconds since this process first asked.
fn now_us() -> u64 {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Takes requests and answers 204; a dead one takes them and answers nothing.
async fn receive(listener: TcpListener, shelf: Shelf, dead: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        // Whoever breaks off comes again.
        tokio::task::spawn_local(take(stream, shelf.clone(), dead));
    }
}

async fn take(mut stream: TcpStream, shelf: Shelf, dead: bool) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(8 << 10);
    loop {
        let end = loop {
            if let Some(end) = whole(&bytes) {
                break end;
            }
            ensure!(stream.read_buf(&mut bytes).await? > 0, "the connection ended");
        };
        let got_us = now_us();
        if dead {
            std::future::pending::<()>().await;
        }
        {
            let mut shelf = shelf.borrow_mut();
            shelf.count += 1;
            if let Some(began_us) = began_us(&bytes[..end]) {
                shelf.latencies.push(Duration::from_micros(got_us.saturating_sub(began_us)));
            }
        }
        bytes.drain(..end);
        stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await?;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Where a request that is there whole ends.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let at = find(&bytes[..head], b"content-length: ")? + 16;
    let digits = bytes[at..head].split(|byte| *byte == b'\r').next()?;
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (bytes.len() >= head + length).then_some(head + length)
}

/// When the request that made the object began: its key says it.
fn began_us(request: &[u8]) -> Option<u64> {
    let at = find(request, b"at-")? + 3;
    std::str::from_utf8(request.get(at..at + 16)?).ok()?.parse().ok()
}

async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn subscribe(native: &Admin, address: SocketAddr, more: serde_json::Value) -> Result<()> {
    let mut body = json!({ "url": format!("http://{address}/"), "format": "native", "events": ["s3:ObjectCreated:*"] });
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    native.post("/webhooks", &body)?.context("an answer")?;
    Ok(())
}

/// A bucket with a history, told from its beginning in any order.
fn history(server: &Server, native: &Admin, runtime: &tokio::runtime::Runtime, events: u64) -> Result<()> {
    let shared = Shared::of(server);
    let (shelf, set) = (Shelf::default(), LocalSet::new());
    let begun = Instant::now();
    set.block_on(runtime, async {
        let each = (0..CLIENTS).map(|number| {
            let shared = &shared;
            async move {
                let mut client = Client::connect(shared).await?;
                for stamp in (number..events).step_by(usize::try_from(CLIENTS)?) {
                    client.put(&format!("/demo/history/{stamp:09}"), 16, stamp).await?;
                }
                Ok::<_, anyhow::Error>(())
            }
        });
        futures_util::future::try_join_all(each).await
    })?;
    eprintln!("{events} puts in {:.0} s", begun.elapsed().as_secs_f64());
    let before = status_bytes(server.pid(), "VmRSS")? >> 20;
    let (listener, address) = set.block_on(runtime, listen())?;
    let more = json!({ "mode": "unordered", "start": "earliest", "prefix": "history/" });
    subscribe(native, address, more)?;
    let watch = Watch::start(server.pid(), Some(std::process::id()))?;
    let mut at_half = 0;
    set.block_on(runtime, async {
        tokio::task::spawn_local(receive(listener, shelf.clone(), false));
        while shelf.borrow().count < events {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if at_half == 0 && shelf.borrow().count > events / 2 {
                at_half = status_bytes(server.pid(), "VmRSS")? >> 20;
            }
        }
        Ok::<_, anyhow::Error>(())
    })?;
    let at_end = status_bytes(server.pid(), "VmRSS")? >> 20;
    let sample = watch.stop(shelf.borrow().count)?;
    println!("### A history told from its beginning, to one receiver, unordered\n");
    println!(
        "| events | deliveries/s | server CPU us each | receiver CPU us each | RSS before MiB | at half MiB | at end MiB |"
    );
    println!("|---|---|---|---|---|---|---|");
    println!(
        "| {events} | {:.0} | {:.1} | {:.1} | {before} | {at_half} | {at_end} |\n",
        sample.per_second(),
        sample.cpu_us_each(),
        sample.client_cpu_us_each()
    );
    Ok(())
}

/// Events as they happen, a thousand a second in all: from the beginning of the request that makes one to its receipt.
fn live(
    plan: &Plan,
    server: &Server,
    native: &Admin,
    runtime: &tokio::runtime::Runtime,
    many: u64,
    dead: u64,
) -> Result<()> {
    let (shelf, dark, set) = (Shelf::default(), Shelf::default(), LocalSet::new());
    for number in 0..many {
        let (listener, address) = set.block_on(runtime, listen())?;
        let is_dead = number < dead;
        let shelf = if is_dead { dark.clone() } else { shelf.clone() };
        set.spawn_local(receive(listener, shelf, is_dead));
        subscribe(native, address, json!({ "prefix": format!("live-{many}/{number}/") }))?;
    }
    let shared = Shared::of(server);
    let seconds = if plan.quick { 3 } else { 30 };
    let watch = Watch::start(server.pid(), Some(std::process::id()))?;
    let sent = set.block_on(runtime, async {
        let each = (0..CLIENTS).map(|client| {
            let shared = &shared;
            async move {
                let mut connection = Client::connect(shared).await?;
                let pace = Duration::from_micros(1_000 * CLIENTS);
                let mut ticks = tokio::time::interval(pace);
                let (begun, mut sent, mut turn) = (Instant::now(), 0, client);
                while begun.elapsed() < Duration::from_secs(seconds) {
                    ticks.tick().await;
                    let number = turn % many;
                    let path = format!("/demo/live-{many}/{number}/at-{:016}-{turn}", now_us());
                    connection.put(&path, 16, turn).await?;
                    sent += u64::from(number >= dead);
                    turn += CLIENTS;
                }
                Ok::<_, anyhow::Error>(sent)
            }
        });
        let sent: u64 = futures_util::future::try_join_all(each).await?.into_iter().sum();
        for _ in 0..500 {
            if shelf.borrow().count >= sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, anyhow::Error>(sent)
    })?;
    let mut sample: Sample = watch.stop(sent)?;
    let got = std::mem::take(&mut *shelf.borrow_mut());
    sample.latencies(got.latencies);
    ensure!(got.count == sent, "{} of {sent} came", got.count);
    println!("### Events as they happen: {many} subscriptions, {dead} of them dead\n");
    println!("| events | a second | PUT to receipt p50 ms | p99 ms | server CPU us each |");
    println!("|---|---|---|---|---|");
    println!(
        "| {sent} | {:.0} | {:.2} | {:.2} | {:.1} |\n",
        sample.per_second(),
        sample.p50_ms,
        sample.p99_ms,
        sample.cpu_us_each()
    );
    Ok(())
}
