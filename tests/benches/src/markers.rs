//! Listing behind masses of delete markers: the first page of live keys when everything before them was deleted.

use std::time::{Duration, Instant};

use anyhow::Result;
use bytes::Bytes;
use holdfast_tests::{Connection, Server};

use crate::Plan;
use crate::measure::median;
use crate::store::Client;

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
        let put = |client: Client, number| async move { client.put(key(number), Bytes::new()).await };
        client.each(0..markers, put).await?;
        client.each(0..markers, |client, number| async move { client.delete(key(number)).await }).await?;
        client.each(markers..markers + LIVE, put).await?;
        client.close().await
    })
}

fn key(number: u64) -> String {
    format!("folder/{number:09}")
}
