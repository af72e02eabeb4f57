//! What operations cost as a store grows: at a tenth, and at its full size.
//!
//! Owns: the order of filling and measuring, and how it is printed.
//! Does not own: what is filled (`kind`), what is asked (`operation`).

mod kind;
mod operation;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use holdfast_tests::{Admin, Server};
use serde_json::json;

use crate::Plan;
use crate::client::{Client, Shared};
use crate::disk::taken_bytes;
use crate::grow::kind::{BUCKET, Kind};
use crate::grow::operation::{Ground, Operation, find_upload, perform};
use crate::load::target::runtime;
use crate::measure::{Sample, Watch, median, status_bytes};
use crate::timed::timed;

const CLIENTS: usize = 16;
const TENANTS_MADE: usize = 50;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    for (mut kind, quick, whole) in Kind::all() {
        if plan.wants(kind.name()) {
            grow(plan, &mut kind, plan.keys(quick, whole).max(10))?;
        }
    }
    Ok(())
}

fn grow(plan: &Plan, kind: &mut Kind, count: u64) -> Result<()> {
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let (mut operations, mut sizes, mut from) = (Vec::new(), Vec::new(), 0);
    for count in [count / 10, count] {
        // Not what the operations in between have left.
        let kept = disk(&data)?;
        let begun = Instant::now();
        kind.fill(&data, from..count)?;
        let per_second = (count - from) as f64 / begun.elapsed().as_secs_f64();
        eprintln!("{count} {}: filled with {per_second:.0}/s", kind.name());
        let each = disk(&data)?.saturating_sub(kept) / (count - from);
        from = count;
        let server = Server::start(&data)?;
        let ready_ms = server.ready_after.as_secs_f64() * 1e3;
        let before = status_bytes(server.pid(), "VmRSS")? >> 20;
        operations.extend(measure(plan, kind, &server, count)?);
        let after = status_bytes(server.pid(), "VmRSS")? >> 20;
        server.stop()?;
        sizes.push(format!("| {count} | {per_second:.0} | {each} | {ready_ms:.0} | {before} | {after} |"));
    }
    println!("### {}\n", kind.describe());
    println!(
        "| there are | filled per s | log, tables, keys: bytes each | ready after ms | RSS then MiB | RSS in the end MiB |"
    );
    println!("|---|---|---|---|---|---|");
    println!("{}\n", sizes.join("\n"));
    println!(
        "| operation | there are | p50 ms, 1 client | server CPU us | per s, {CLIENTS} clients | p99 ms | server CPU us |"
    );
    println!("|---|---|---|---|---|---|---|");
    // The two sizes of an operation below each other.
    operations.sort_by_key(|(order, _)| *order);
    for (_, row) in operations {
        println!("{row}");
    }
    println!();
    Ok(())
}

/// Bytes of all but contents.
fn disk(data: &Path) -> Result<u64> {
    ["log", "views", "keys"].iter().map(|name| taken_bytes(&data.join(name))).sum()
}

/// Rows, each with its place among the operations.
fn measure(plan: &Plan, kind: &Kind, server: &Server, count: u64) -> Result<Vec<(usize, String)>> {
    let shared = Shared::of(server);
    let put = server.connect().put(&format!("/{BUCKET}/~"), b"")?.ok()?;
    let position = put.header("x-holdfast-position").context("a position")?.parse()?;
    let mut ground = Ground { count, position, run: count << 32, upload: String::new() };
    let runtime = runtime()?;
    if matches!(kind, Kind::Parts { .. }) {
        ground.upload = runtime.block_on(find_upload(&shared))?;
    }
    let mut rows = Vec::new();
    for (order, operation) in kind.operations().iter().copied().enumerate() {
        let mut run = |clients: usize, seconds: f64| -> Result<Sample> {
            // No two loads put the same keys.
            ground.run += 1 << 24;
            let limit = Duration::from_secs_f64(seconds);
            let one = async |client: &mut Client<'_>, number: u64| perform(client, &ground, operation, number).await;
            let watch = Watch::start(server.pid(), None)?;
            let latencies = runtime.block_on(timed(&shared, clients, limit, one)).context(operation.name())?;
            let mut sample = watch.stop(latencies.len() as u64)?;
            sample.latencies(latencies);
            Ok(sample)
        };
        run(1, plan.seconds / 5.0)?;
        let (alone, many) = (run(1, plan.seconds)?, run(CLIENTS, plan.seconds)?);
        rows.push((
            order,
            format!(
                "| {} | {count} | {:.3} | {:.0} | {:.0} | {:.2} | {:.0} |",
                operation.name(),
                alone.p50_ms,
                alone.cpu_us_each(),
                many.per_second(),
                many.p99_ms,
                many.cpu_us_each()
            ),
        ));
    }
    if matches!(kind, Kind::Tenants) {
        rows.push((usize::MAX, tenants(server, count)?));
    }
    Ok(rows)
}

/// Tenants are made by the admin API, which has clients of its own.
fn tenants(server: &Server, count: u64) -> Result<String> {
    let admin = Admin::new(server)?;
    let mut times = Vec::new();
    let watch = Watch::start(server.pid(), None)?;
    for number in 0..TENANTS_MADE {
        let begun = Instant::now();
        admin.post("/tenants", &json!({ "id": format!("made-{count}-{number}") }))?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let sample = watch.stop(TENANTS_MADE as u64)?;
    Ok(format!("| make a tenant | {count} | {:.3} | {:.0} | | | |", median(times), sample.cpu_us_each()))
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Put => "put a new key",
            Self::PutAgain => "put a key again",
            Self::PutVersion => "put a version",
            Self::Get => "get",
            Self::GetKey => "get the key",
            Self::GetKeyThen => "get the key as of then",
            Self::Head => "head",
            Self::List => "list the key",
            Self::Page => "list 1,000 keys",
            Self::PageThen => "list 1,000 keys as of then",
            Self::Folders => "list 1,000 common prefixes",
            Self::Versions => "list 1,000 versions",
            Self::CreateBucket => "create a bucket",
            Self::HeadBucket => "head a bucket",
            Self::ListBuckets => "list 1,000 buckets",
            Self::PutIntoBucket => "put into a bucket",
            Self::CreateUpload => "create an upload",
            Self::PutPart => "put a part",
            Self::ListParts => "list 1,000 parts",
            Self::ListUploads => "list uploads",
        }
    }
}
