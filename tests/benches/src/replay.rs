//! What a log costs to verify, to apply, and to make all projections of anew: events per second of CPU.

use std::time::Duration;

use anyhow::{Context, Result};
use holdfast_tests::Server;

use crate::Plan;
use crate::audit::verify;
use crate::child::{self, Used};
use crate::listing::fill;
use crate::measure::Watch;

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    let objects = plan.keys(20_000, 1_000_000);
    fill(&data, objects)?;
    println!("### A log of {objects} puts, verified, applied, and its projections rebuilt\n");
    println!("| what | events | s | CPU s | events per CPU second | highest RSS MiB |");
    println!("|---|---|---|---|---|---|");
    let path = |name: &str| folder.path().join(name).display().to_string();
    if plan.wants("verify") {
        let server = Server::start(&data)?;
        let file = path("log.tar.zst");
        server.admin(&["audit", "export", "--tenant", "default", &file])?;
        server.stop()?;
        let verified = verify(file.as_ref(), folder.path())?;
        row("verify an export", verified.records, &verified.used);
        std::fs::remove_file(&file)?;
    }
    if plan.wants("replay") {
        let (data, into) = (path("data"), path("rows"));
        let used = child::run(&["replay", "--tenant", "default", "--data", &data, "--into", &into, "--json"])?;
        let said: serde_json::Value = serde_json::from_str(&used.said)?;
        row("replay into a folder, with digests", said["events"].as_u64().context("events")?, &used);
        std::fs::remove_dir_all(&into)?;
    }
    if plan.wants("online") {
        let server = Server::start(&data)?;
        crate::measure::reset_peak(server.pid())?;
        let watch = Watch::start(server.pid(), None)?;
        let said = server.admin(&["admin", "rebuild"])?;
        let sample = watch.stop(1)?;
        let took = Duration::from_secs_f64(sample.seconds);
        let cpu = Duration::from_secs_f64(sample.cpu_us / 1e6);
        let resident_bytes = crate::measure::status_bytes(server.pid(), "VmHWM")?;
        let used = Used { took, cpu, resident_bytes, said: String::new() };
        row("rebuild and compare, online", said["events"].as_u64().context("events")?, &used);
        server.stop()?;
    }
    if plan.wants("rebuild") {
        let used = child::run(&["rebuild", "--data", &path("data")])?;
        row("rebuild and replace, offline", objects, &used);
        Server::start(&data)?.stop()?;
    }
    println!();
    Ok(())
}

fn row(what: &str, events: u64, used: &Used) {
    println!(
        "| {what} | {events} | {:.1} | {:.2} | {:.0} | {:.0} |",
        used.took.as_secs_f64(),
        used.cpu.as_secs_f64(),
        events as f64 / used.cpu.as_secs_f64(),
        used.resident_bytes as f64 / f64::from(1 << 20),
    );
}
