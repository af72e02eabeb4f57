//! PUT and GET over HTTP against a server process: rates, latencies, the server's CPU, and the client's apart.

use std::cell::Cell as Counter;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use holdfast_tests::Server;
use tokio::task::LocalSet;

use crate::Plan;
use crate::client::{Client, Shared};
use crate::measure::{Cell, Sample, Watch};
use crate::raw::Raw;

const CLIENTS: [usize; 4] = [1, 16, 64, 256];
const SIZES: [(&str, usize); 4] = [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20), ("64 MiB", 64 << 20)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Put,
    Get,
}

/// Bytes under way in a cell at most: 64 MiB from 256 clients would fill a small disk in a round.
const CELL_BYTES_MAX: usize = 6 << 30;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let mut rows = Vec::new();
    let r = {
        let folder = plan.folder()?;
        let mut raw = Raw::new(folder.path())?;
        let mut rate = || raw.group_commits(1, 0.5).map(|sample| sample.per_second());
        crate::measure::median((0..3).map(|_| rate()).collect::<Result<_>>()?)
    };
    let (disk, loopback) = (disk_limit(plan)?, loopback_limit(plan)?);
    for (name, size) in SIZES {
        let counts = CLIENTS.into_iter().filter(|clients| clients * size <= CELL_BYTES_MAX);
        let counts: Vec<usize> = counts
            .filter(|clients| {
                [Method::Put, Method::Get].iter().any(|method| plan.wants(&label(*method, name, *clients)))
            })
            .collect();
        if counts.is_empty() {
            continue;
        }
        let mut cells = vec![(Cell::default(), Cell::default()); counts.len()];
        let rounds = if size > 1 << 20 { plan.rounds.min(3) } else { plan.rounds };
        for round in 0..rounds {
            // A data directory for each size and round: no cell measures what another left behind.
            let folder = plan.folder()?;
            let server = Server::start(&folder.path().join("data"))?;
            for (index, clients) in counts.iter().copied().enumerate() {
                let (put, get) = measure(plan, &server, size, clients)?;
                eprintln!(
                    "round {round}: {name} x {clients}: PUT {:.0}/s, GET {:.0}/s",
                    put.per_second(),
                    get.per_second()
                );
                cells[index].0.0.push(put);
                cells[index].1.0.push(get);
            }
            server.stop()?;
        }
        for (clients, (put, get)) in counts.into_iter().zip(cells) {
            rows.push((Method::Put, name, size, clients, put));
            rows.push((Method::Get, name, size, clients, get));
        }
    }
    println!("### HTTP\n");
    println!(
        "R = {r:.0}/s. Sequential durable writes to this disk: {disk:.0} MiB/s. Loopback TCP, one stream: {loopback:.0} MiB/s.\n"
    );
    println!("| what | clients | per s | in R | MiB/s | p50 ms | p99 ms | server CPU us | client CPU us |");
    println!("|---|---|---|---|---|---|---|---|---|");
    rows.sort_by_key(|(method, _, size, clients, _)| (*method == Method::Get, *size, *clients));
    for (method, name, size, clients, cell) in rows {
        let rate = cell.median(Sample::per_second);
        println!(
            "| {} {name} | {clients} | {rate:.0} | {:.2} | {:.1} | {:.2} | {:.2} | {:.0} | {:.0} |",
            if method == Method::Put { "PUT" } else { "GET" },
            rate / r,
            rate * size as f64 / f64::from(1 << 20),
            cell.median(|sample| sample.p50_ms),
            cell.median(|sample| sample.p99_ms),
            cell.median(Sample::cpu_us_each),
            cell.median(Sample::client_cpu_us_each),
        );
    }
    println!();
    Ok(())
}

fn label(method: Method, size: &str, clients: usize) -> String {
    format!("{} {size} x {clients} ", if method == Method::Put { "PUT" } else { "GET" })
}

/// Puts, then gets what was put.
fn measure(plan: &Plan, server: &Server, size: usize, clients: usize) -> Result<(Sample, Sample)> {
    let shared = Shared::new(server.address, &server.credentials());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stamps = Rc::new(Counter::new((clients as u64) << 40));
    let load = |method, seconds: f64, known: u64| -> Result<Vec<Duration>> {
        let job = Job { method, size, until: Duration::from_secs_f64(seconds), clients, known };
        LocalSet::new().block_on(&runtime, drive(&shared, job, &stamps))
    };
    let pid = server.pid();
    let small = size <= 1 << 20;
    if small {
        load(Method::Put, plan.seconds / 5.0, 0)?;
    }
    let watch = Watch::start(pid, Some(std::process::id()))?;
    let latencies = load(Method::Put, plan.seconds, 0)?;
    let mut put = watch.stop(latencies.len() as u64)?;
    put.latencies(latencies);
    let known = stamps.get() - ((clients as u64) << 40);
    load(Method::Get, if small { plan.seconds / 5.0 } else { 0.0 }, known)?;
    let watch = Watch::start(pid, Some(std::process::id()))?;
    let latencies = load(Method::Get, plan.seconds, known)?;
    let mut get = watch.stop(latencies.len() as u64)?;
    get.latencies(latencies);
    Ok((put, get))
}

#[derive(Clone, Copy)]
struct Job {
    method: Method,
    size: usize,
    until: Duration,
    clients: usize,
    /// Objects there are to get.
    known: u64,
}

/// All clients on one thread, each with its own connection. Every client does at least one operation.
async fn drive(shared: &Shared, job: Job, stamps: &Rc<Counter<u64>>) -> Result<Vec<Duration>> {
    let base = (job.clients as u64) << 40;
    let begun = Instant::now();
    let each = (0..job.clients).map(|number| {
        let stamps = stamps.clone();
        async move {
            let mut client = Client::connect(shared).await?;
            let mut latencies = Vec::new();
            let mut turn = number as u64;
            loop {
                let one = Instant::now();
                match job.method {
                    Method::Put => {
                        let stamp = stamps.get();
                        stamps.set(stamp + 1);
                        client.put(&path(stamp), job.size, stamp).await?;
                    }
                    Method::Get => {
                        client.get(&path(base + turn % job.known), job.size).await?;
                        turn += job.clients as u64;
                    }
                }
                latencies.push(one.elapsed());
                if begun.elapsed() >= job.until {
                    return Ok::<_, anyhow::Error>(latencies);
                }
            }
        }
    });
    let all = futures_util::future::try_join_all(each).await?;
    Ok(all.into_iter().flatten().collect())
}

fn path(stamp: u64) -> String {
    format!("/demo/photos/{:03}/{stamp:013x}.jpg", stamp % 100)
}

/// What the disk takes when written in order, 4 MiB at a time, synced every 64 MiB, to a file allocated before.
fn disk_limit(plan: &Plan) -> Result<f64> {
    use std::os::unix::fs::FileExt;
    let folder = plan.folder()?;
    let file = std::fs::File::create(folder.path().join("disk"))?;
    let (block, blocks) = (holdfast_tests::incompressible(3, 4 << 20), if plan.quick { 32_u64 } else { 256 });
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, blocks * block.len() as u64)?;
    let begun = Instant::now();
    for number in 0..blocks {
        file.write_all_at(&block, number * block.len() as u64)?;
        if number % 16 == 15 {
            file.sync_data()?;
        }
    }
    Ok((blocks * 4) as f64 / begun.elapsed().as_secs_f64())
}

/// What one stream over loopback takes, from thread to thread.
fn loopback_limit(plan: &Plan) -> Result<f64> {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mebibytes = if plan.quick { 256 } else { 2048 };
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let block = vec![1; 1 << 20];
        (0..mebibytes).try_for_each(|_| stream.write_all(&block))
    });
    let mut stream = std::net::TcpStream::connect(address)?;
    let mut buffer = vec![0; 256 << 10];
    let begun = Instant::now();
    while stream.read(&mut buffer)? > 0 {}
    let rate = f64::from(mebibytes) / begun.elapsed().as_secs_f64();
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    Ok(rate)
}
