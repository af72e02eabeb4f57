//! Listing behind masses of delete markers: the first page of live keys when everything before them was deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use holdfast_tests::{Connection, Server};

use crate::Plan;
use crate::measure::median;
use crate::store::Client;

const CLIENTS: usize = 256;
const LIVE: u64 = 1_000;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    println!("### First page of 1,000 live keys behind delete markers, over HTTP\n");
    println!("| delete markers before them | first page ms | later pages p50 ms | with idle seconds between p50 ms |");
    println!("|---|---|---|---|");
    let markers = plan.keys(20_000, 500_000);
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let begun = Instant::now();
    fill(&data, markers)?;
    eprintln!("{markers} keys put and deleted in {:.1} s", begun.elapsed().as_secs_f64());
    let server = Server::start(&data)?;
    let mut connection = server.connect();
    let first = page(&mut connection)?;
    let later = (0..20).map(|_| page(&mut connection)).collect::<Result<Vec<_>>>()?;
    let idle = (0..5)
        .map(|_| {
            std::thread::park_timeout(Duration::from_secs(2));
            page(&mut connection)
        })
        .collect::<Result<Vec<_>>>()?;
    println!("| {markers} | {first:.2} | {:.2} | {:.2} |\n", median(later), median(idle));
    server.stop()
}

/// Milliseconds of one.
fn page(connection: &mut Connection) -> Result<f64> {
    let begun = Instant::now();
    let text = connection.request("GET", "/markers", &[("list-type", "2")], &[], b"")?.ok()?.text();
    let time_ms = begun.elapsed().as_secs_f64() * 1e3;
    anyhow::ensure!(text.contains(&format!("<KeyCount>{LIVE}</KeyCount>")), "all live keys");
    Ok(time_ms)
}

/// Puts and deletes the keys, then puts the live ones behind them.
fn fill(data: &std::path::Path, markers: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::open_as_first_user(data, "markers").await?;
        client.version().await?;
        for step in [Step::Put(0..markers), Step::Delete(0..markers), Step::Put(markers..markers + LIVE)] {
            all(&client, step).await?;
        }
        let store = client.store.clone();
        drop(client);
        tokio::task::spawn_blocking(move || store.close()).await?;
        Ok(())
    })
}

#[derive(Clone)]
enum Step {
    Put(std::ops::Range<u64>),
    Delete(std::ops::Range<u64>),
}

async fn all(client: &Client, step: Step) -> Result<()> {
    let (Step::Put(range) | Step::Delete(range)) = step.clone();
    let next = Arc::new(AtomicU64::new(range.start));
    let clients = (0..CLIENTS).map(|_| {
        let (client, next, step, end) = (client.clone(), next.clone(), step.clone(), range.end);
        tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return Ok::<_, anyhow::Error>(());
                }
                let key = format!("folder/{number:09}");
                match step {
                    Step::Put(_) => client.put(key, Bytes::new()).await?,
                    Step::Delete(_) => client.delete(key).await?,
                }
            }
        })
    });
    for done in clients.collect::<Vec<_>>() {
        done.await??;
    }
    Ok(())
}
