//! Listing over HTTP: time and CPU of a page, with few keys and with many.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use holdfast_tests::{Connection, Server};

use crate::Plan;
use crate::measure::{Sample, Watch};
use crate::store::Client;

const FOLDERS: u64 = 1_000;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    println!("### Listing over HTTP, 1,000 entries a page, one client\n");
    println!("| keys | what | page p50 ms | page p99 ms | server CPU ms a page |");
    println!("|---|---|---|---|---|");
    let many = plan.keys(10_000, 1_000_000);
    let sizes = if many > 10_000 { vec![10_000, many] } else { vec![many] };
    for keys in sizes {
        let folder = plan.folder()?;
        let data = folder.path().join("data");
        Server::start(&data)?.stop()?;
        let begun = Instant::now();
        fill(&data, keys)?;
        eprintln!("{keys} keys: filled in {:.1} s", begun.elapsed().as_secs_f64());
        let server = Server::start(&data)?;
        let mut connection = server.connect();
        let kinds: [(&str, Kind); 3] = [
            ("1,000 keys", Kind::Keys),
            ("1,000 keys behind a marker", Kind::Behind),
            ("1,000 common prefixes", Kind::Folders),
        ];
        for (name, kind) in kinds {
            pages(&mut connection, kind, keys, Duration::from_secs_f64(plan.seconds / 5.0))?;
            let watch = Watch::start(server.pid(), None)?;
            let latencies = pages(&mut connection, kind, keys, Duration::from_secs_f64(plan.seconds))?;
            let mut sample = watch.stop(latencies.len() as u64)?;
            sample.latencies(latencies);
            let Sample { p50_ms, p99_ms, .. } = sample;
            println!("| {keys} | {name} | {p50_ms:.2} | {p99_ms:.2} | {:.2} |", sample.cpu_us_each() / 1e3);
        }
        server.stop()?;
    }
    println!();
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Page after page from the first key to the last.
    Keys,
    /// Pages behind markers all over the keys.
    Behind,
    /// Every folder, in one page.
    Folders,
}

fn key(number: u64, keys: u64) -> String {
    let each = keys / FOLDERS;
    format!("folder-{:04}/holiday/{:07}.jpg", number / each, number)
}

/// Empty objects in the bucket `listing`, put by the store in this process.
pub(crate) fn fill(data: &std::path::Path, keys: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::open_as_first_user(data, "listing").await?;
        let put = |client: Client, number| async move { client.put(key(number, keys), Bytes::new()).await };
        client.each(0..keys, put).await?;
        client.close().await
    })
}

fn pages(connection: &mut Connection, kind: Kind, keys: u64, limit: Duration) -> Result<Vec<Duration>> {
    let begun = Instant::now();
    let mut latencies = Vec::new();
    let (mut token, mut turn) = (String::new(), 0_u64);
    while begun.elapsed() < limit {
        let behind = key((turn * 7_919_113) % (keys - 2_000), keys);
        let mut query = vec![("list-type", "2"), ("max-keys", "1000")];
        match kind {
            Kind::Keys if token.is_empty() => {}
            Kind::Keys => query.push(("continuation-token", &token)),
            Kind::Behind => query.push(("start-after", &behind)),
            Kind::Folders => query.push(("delimiter", "/")),
        }
        let one = Instant::now();
        let text = connection.request("GET", "/listing", &query, &[], b"")?.ok()?.text();
        latencies.push(one.elapsed());
        anyhow::ensure!(
            text.contains("<KeyCount>1000</KeyCount>"),
            "a page of 1,000: {}",
            &text[..text.len().min(300)]
        );
        let next = between(&text, "<NextContinuationToken>", "</");
        token = next.unwrap_or_default().to_owned();
        turn += 1;
    }
    Ok(latencies)
}

pub(crate) fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = &text[text.find(from)? + from.len()..];
    Some(&rest[..rest.find(to)?])
}

/// The same, where it must be there.
pub(crate) fn element<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    between(text, &format!("<{name}>"), "</").with_context(|| format!("{name} in {text}"))
}
