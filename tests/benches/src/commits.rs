//! Durable commands per second through the whole pipeline, in this process, beside raw durable appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;

use crate::Plan;
use crate::measure::{Cell, Sample, Watch};
use crate::raw::Raw;
use crate::store::Client;

const COMMITTERS: [usize; 4] = [1, 16, 64, 256];

/// Bodies: none is the command alone (record, seal, chain, rows); 1 KiB lies inline in the batch; 4 KiB goes to a segment.
const BODIES: [(&str, usize); 3] = [("command", 0), ("1 KiB PUT", 1 << 10), ("4 KiB PUT", 4 << 10)];

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let folder = plan.folder()?;
    let mut raw = Raw::new(folder.path())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = runtime.block_on(Client::open(&folder.path().join("data")))?;
    let bodies: Vec<_> = BODIES.into_iter().filter(|(name, _)| plan.wants(name)).collect();
    let next = Arc::new(AtomicU64::new(0));
    let mut limits = vec![Cell::default(); COMMITTERS.len()];
    let mut cells = vec![vec![Cell::default(); COMMITTERS.len()]; bodies.len()];
    for round in 0..plan.rounds {
        for (index, committers) in COMMITTERS.into_iter().enumerate() {
            limits[index].0.push(raw.group_commits(committers, plan.seconds / 2.0)?);
            for (body, (name, size)) in bodies.iter().enumerate() {
                let sample = runtime.block_on(cell(plan, &client, &next, committers, *size))?;
                eprintln!("round {round}: {committers:3} x {name}: {:.0}/s", sample.per_second());
                cells[body][index].0.push(sample);
            }
        }
    }
    client.store.close();
    print(&bodies, &limits, &cells);
    Ok(())
}

async fn cell(plan: &Plan, client: &Client, next: &Arc<AtomicU64>, committers: usize, size: usize) -> Result<Sample> {
    load(client, next, committers, size, plan.seconds / 5.0).await?;
    let before = client.store.progress().0;
    let watch = Watch::start(std::process::id(), None)?;
    let latencies = load(client, next, committers, size, plan.seconds).await?;
    let mut sample = watch.stop(latencies.len() as u64)?;
    sample.commits = client.store.progress().0 - before;
    sample.latencies(latencies);
    Ok(sample)
}

async fn load(
    client: &Client,
    next: &Arc<AtomicU64>,
    committers: usize,
    size: usize,
    seconds: f64,
) -> Result<Vec<Duration>> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut tasks = Vec::new();
    for committer in 0..committers {
        let (client, next) = (client.clone(), next.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut body = holdfast_tests::incompressible(committer as u64, size);
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if let Some(stamp) = body.first_chunk_mut::<8>() {
                    // No two bodies are equal: nothing is de-duplicated.
                    *stamp = number.to_be_bytes();
                }
                let begun = Instant::now();
                client.put(format!("photos/2026/{number:012}.jpg"), Bytes::copy_from_slice(&body)).await?;
                latencies.push(begun.elapsed());
            }
            Ok::<_, anyhow::Error>(latencies)
        }));
    }
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await??);
    }
    Ok(all)
}

fn print(bodies: &[(&str, usize)], limits: &[Cell], cells: &[Vec<Cell>]) {
    let r = limits[0].median(Sample::per_second);
    println!("### Durable commands through the pipeline\n");
    println!(
        "R = {r:.0} durable appends/s of one client to a raw, preallocated file (fdatasync p50 {:.3} ms).\n",
        limits[0].median(|sample| sample.p50_ms)
    );
    println!(
        "| what | committers | per s | in R | raw group commit, in R | p50 ms | p99 ms | CPU us each | syncs each |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (body, (name, _)) in bodies.iter().enumerate() {
        for (index, committers) in COMMITTERS.into_iter().enumerate() {
            let cell = &cells[body][index];
            let rate = cell.median(Sample::per_second);
            println!(
                "| {name} | {committers} | {rate:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {:.3} |",
                // The ratio of each round, then the median: a slow disk in one round is slow for both.
                ratio(cell, &limits[0]),
                ratio(&limits[index], &limits[0]),
                cell.median(|sample| sample.p50_ms),
                cell.median(|sample| sample.p99_ms),
                cell.median(Sample::cpu_us_each),
                cell.median(|sample| sample.commits as f64 / sample.operations as f64),
            );
        }
    }
    println!();
}

fn ratio(cell: &Cell, to: &Cell) -> f64 {
    let pairs = cell.0.iter().zip(&to.0);
    crate::measure::median(pairs.map(|(a, b)| a.per_second() / b.per_second()).collect())
}
