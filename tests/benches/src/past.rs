//! Reading the past over HTTP: pages as of a point beside pages of now, where few keys have a history, where all have, and where one
//! has a very long one; making views and forks of few keys and of many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use holdfast_tests::{Admin, Connection, Server};
use serde_json::json;

use crate::Plan;
use crate::listing::between;
use crate::measure::{Watch, median};
use crate::store::Client;

const PAGE: u64 = 1_000;
const BUCKET: &str = "past";

pub(crate) fn run(plan: &Plan) -> Result<()> {
    println!("### Pages of 1,000 keys as of a point, over HTTP, one client\n");
    println!(
        "| keys | since then | now: p50 ms | CPU ms | as of then: p50 ms | CPU ms | ratio of CPU | CPU us a key then |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let keys = plan.keys(10_000, 1_000_000);
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let begun = Instant::now();
    write(&data, true, keys, 1)?;
    eprintln!("{keys} keys put in {:.1} s", begun.elapsed().as_secs_f64());
    let then = position(&data)?;
    for (name, every) in [("nothing changed", 0), ("every 20th key overwritten", 20), ("all overwritten", 1)] {
        if every > 0 {
            write(&data, false, keys, every)?;
        }
        compare(plan, &data, name, keys, then)?;
    }
    println!();
    views(&data, keys, then)?;
    drop(folder);
    long(plan)
}

fn compare(plan: &Plan, data: &std::path::Path, name: &str, keys: u64, then: u64) -> Result<()> {
    let server = Server::start(data)?;
    let mut connection = server.connect();
    let as_of = format!("pos:{then}");
    let limit = Duration::from_secs_f64(plan.seconds);
    let mut of = |as_of: Option<&str>| -> Result<_> {
        pages(&mut connection, as_of, limit / 5)?;
        let watch = Watch::start(server.pid(), None)?;
        let latencies = pages(&mut connection, as_of, limit)?;
        let mut sample = watch.stop(latencies.len() as u64)?;
        sample.latencies(latencies);
        Ok((sample.p50_ms, sample.cpu_us_each() / 1e3))
    };
    let (now, past) = (of(None)?, of(Some(&as_of))?);
    println!(
        "| {keys} | {name} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
        now.0,
        now.1,
        past.0,
        past.1,
        past.1 / now.1,
        past.1 * 1e3 / PAGE as f64
    );
    server.stop()
}

/// Page after page from the first key to the last, and again.
fn pages(connection: &mut Connection, as_of: Option<&str>, limit: Duration) -> Result<Vec<Duration>> {
    let (begun, mut latencies, mut token) = (Instant::now(), Vec::new(), String::new());
    while begun.elapsed() < limit {
        let mut query = vec![("list-type", "2"), ("max-keys", "1000")];
        query.extend(as_of.map(|point| ("as-of", point)));
        if !token.is_empty() {
            query.push(("continuation-token", &token));
        }
        let one = Instant::now();
        let text = connection.request("GET", &format!("/{BUCKET}"), &query, &[], b"")?.ok()?.text();
        let took = one.elapsed();
        // The last page has what is left.
        if text.contains("<IsTruncated>true</IsTruncated>") {
            let head = &text[..text.len().min(300)];
            anyhow::ensure!(text.contains("<KeyCount>1000</KeyCount>"), "a page of 1,000: {head}");
            latencies.push(took);
        }
        token = between(&text, "<NextContinuationToken>", "</").unwrap_or_default().to_owned();
    }
    Ok(latencies)
}

/// Views and forks of a bucket with ten keys and of one with many, in turn.
fn views(data: &std::path::Path, keys: u64, then: u64) -> Result<()> {
    let server = Server::start(data)?;
    let mut connection = server.connect();
    connection.request("PUT", "/few", &[], &[], b"")?.ok()?;
    let mut at = 0;
    for number in 0..10 {
        let put = connection.put(&format!("/few/{number}"), b"x")?.ok()?;
        at = put.header("x-holdfast-position").context("a position")?.parse()?;
    }
    let native = Admin::native(&server, &server.credentials())?;
    println!("| made | of 10 keys, median ms | of {keys} keys, median ms |");
    println!("|---|---|---|");
    for kind in ["viewOf", "forkOf"] {
        let mut medians = Vec::new();
        for (bucket, point) in [("few", at), (BUCKET, then)] {
            let mut times = Vec::new();
            for turn in 0..50 {
                let name = format!("{}-{bucket}-{turn}", kind.to_ascii_lowercase());
                let body = json!({ "name": name, kind: { "bucket": bucket, "point": format!("pos:{point}") } });
                let one = Instant::now();
                native.post("/buckets", &body)?;
                times.push(one.elapsed().as_secs_f64() * 1e3);
            }
            medians.push(median(times));
        }
        println!("| {kind} | {:.2} | {:.2} |", medians[0], medians[1]);
    }
    println!();
    server.stop()
}

/// One key with very many versions: the page that shows it as of points all over its past.
fn long(plan: &Plan) -> Result<()> {
    let versions = plan.keys(10_000, 1_000_000);
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::open_as_first_user(&data, BUCKET).await?;
        client.version().await?;
        put_all(&client, versions, |_| "key".to_owned()).await?;
        client.close().await
    })?;
    let last = position(&data)?;
    let server = Server::start(&data)?;
    let mut connection = server.connect();
    println!("| versions of one key | listed now p50 ms | as of points all over p50 ms | its body as of them p50 ms |");
    println!("|---|---|---|---|");
    let mut of = |path: &str, past: bool| -> Result<f64> {
        let mut times = Vec::new();
        for turn in 0..200_u64 {
            let point = format!("pos:{}", last - turn * 4_999 % (versions - 1));
            let query: Vec<_> = if past { vec![("as-of", point.as_str())] } else { Vec::new() };
            let one = Instant::now();
            connection.request("GET", path, &query, &[], b"")?.ok()?;
            times.push(one.elapsed().as_secs_f64() * 1e3);
        }
        Ok(median(times))
    };
    let bucket = format!("/{BUCKET}");
    let (now, past, body) = (of(&bucket, false)?, of(&bucket, true)?, of(&format!("{bucket}/key"), true)?);
    println!("| {versions} | {now:.2} | {past:.2} | {body:.2} |\n");
    server.stop()
}

/// The position of a put of a key behind all others.
fn position(data: &std::path::Path) -> Result<u64> {
    let server = Server::start(data)?;
    let put = server.connect().put(&format!("/{BUCKET}/~"), b"")?.ok()?;
    let position = put.header("x-holdfast-position").context("a position")?.parse()?;
    server.stop()?;
    Ok(position)
}

/// Puts every n-th key, by the store in this process.
fn write(data: &std::path::Path, is_new: bool, keys: u64, every: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client =
            if is_new { Client::open_as_first_user(data, BUCKET).await? } else { Client::again(data, BUCKET).await? };
        put_all(&client, keys / every, move |number| format!("folder/{:09}", number * every)).await?;
        client.close().await
    })
}

async fn put_all(client: &Client, count: u64, name: impl Fn(u64) -> String) -> Result<()> {
    let put = |client: Client, number| {
        let key = name(number);
        async move { client.put(key, Bytes::new()).await }
    };
    client.each(0..count, put).await
}
