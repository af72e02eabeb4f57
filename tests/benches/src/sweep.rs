//! Giving back the space of deleted content: how long, with how much CPU, and what puts beside it notice.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use holdfast_tests::Server;

use crate::Plan;
use crate::client::{Client as Http, Shared};
use crate::disk::taken_bytes;
use crate::load::target::runtime;
use crate::measure::{Sample, Watch};
use crate::store::Client;
use crate::timed::timed;

const SIZE: usize = 64 << 10;
const CLIENTS: usize = 16;

/// What is deleted goes at the next sweep.
const AT_ONCE: [(&str, &str); 2] = [("HOLDFAST__HISTORY__WINDOW", "0"), ("HOLDFAST__STORAGE__SWEEP_GRACE_S", "0")];

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let objects = plan.keys(1_000, 20_000);
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start_with(&data, &AT_ONCE)?.stop()?;
    fill(&data, objects)?;
    let server = Server::start_with(&data, &AT_ONCE)?;
    let shared = Shared::of(&server);
    let alone = puts(&shared, 0, Duration::from_secs_f64(plan.seconds))?;
    println!("### Sweeps: {objects} objects of 64 KiB, of which three of four were deleted\n");
    println!(
        "| sweep | s | blobs freed | MiB freed | segments rewritten | removed | MiB on disk | PUT p99 ms beside it |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!("| none | | | | | | {} | {:.2} |", mib(&data)?, alone.p99_ms);
    let watch = Watch::start(server.pid(), None)?;
    for turn in 1..=10 {
        let (begun, limit) = (Instant::now(), Duration::from_secs_f64(plan.seconds));
        let (swept, took, beside) = std::thread::scope(|scope| {
            let sweep = scope.spawn(|| (server.admin(&["admin", "sweep"]), begun.elapsed()));
            let beside = puts(&Shared::of(&server), turn, limit);
            let (swept, took) = sweep.join().expect("a sweep does not panic");
            Ok::<_, anyhow::Error>((swept?, took, beside?))
        })?;
        let of = |name: &str| swept[name].as_u64().with_context(|| name.to_owned());
        println!(
            "| {turn} | {:.2} | {} | {} | {} | {} | {} | {:.2} |",
            took.as_secs_f64(),
            of("freed")?,
            of("freedBytes")? >> 20,
            of("segmentsRewritten")?,
            of("segmentsRemoved")?,
            mib(&data)?,
            beside.p99_ms
        );
        if of("freed")? + of("segmentsRewritten")? + of("segmentsRemoved")? == 0 {
            break;
        }
    }
    println!("\nThe server's CPU in all, puts included: {:.2} s.\n", watch.stop(1)?.cpu_us / 1e6);
    server.stop()
}

fn mib(data: &Path) -> Result<u64> {
    Ok(taken_bytes(&data.join("blobs"))? >> 20)
}

fn fill(data: &Path, objects: u64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::open_as_first_user(data, "swept").await?;
        let put = |client: Client, number| async move {
            let body = Bytes::from(holdfast_tests::incompressible(number, SIZE));
            client.put(format!("{number:09}"), body).await
        };
        client.each(0..objects, put).await?;
        // Of each four, so that every segment keeps a little.
        let delete = |client: Client, number: u64| async move {
            if number.is_multiple_of(4) { Ok(()) } else { client.delete(format!("{number:09}")).await }
        };
        client.each(0..objects, delete).await?;
        client.close().await
    })
}

fn puts(shared: &Shared, turn: u64, limit: Duration) -> Result<Sample> {
    let put = async |client: &mut Http<'_>, number: u64| {
        client.put(&format!("/demo/beside/{turn}-{number:09}"), 4 << 10, (turn << 40) + number).await
    };
    let mut sample = Sample::default();
    sample.latencies(runtime()?.block_on(timed(shared, CLIENTS, limit, put))?);
    Ok(sample)
}
