//! Exports: how long one of a large log takes, and what it costs an auditor to verify it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::{Server, program};

use crate::Plan;
use crate::listing::fill;
use crate::measure::{cpu, status_bytes};

pub(crate) fn run(plan: &Plan) -> Result<()> {
    println!("### Exports of a log, and their verification\n");
    println!("| objects put | what | records | MiB | export s | verify s | verify CPU s | verify RSS MiB |");
    println!("|---|---|---|---|---|---|---|---|");
    let objects = plan.keys(10_000, 1_000_000);
    let folder = plan.folder()?;
    let data = folder.path().join("data");
    Server::start(&data)?.stop()?;
    fill(&data, objects)?;
    let server = Server::start(&data)?;
    for (what, words) in [("the log", &[][..]), ("a bucket", &["--bucket", "listing"])] {
        let file = folder.path().join(format!("{}.tar.zst", words.len()));
        let begun = Instant::now();
        let name = file.to_str().context("a name")?;
        server.admin(&[&["audit", "export", "--tenant", "default", name], words].concat())?;
        let exported = begun.elapsed();
        let mib = std::fs::metadata(&file)?.len() as f64 / f64::from(1 << 20);
        let verified = verify(&file, folder.path())?;
        println!(
            "| {objects} | {what} | {} | {mib:.0} | {:.1} | {:.1} | {:.2} | {:.0} |",
            verified.records,
            exported.as_secs_f64(),
            verified.took.as_secs_f64(),
            verified.cpu.as_secs_f64(),
            verified.resident_bytes as f64 / f64::from(1 << 20),
        );
    }
    println!();
    server.stop()
}

struct Verified {
    records: u64,
    took: Duration,
    cpu: Duration,
    /// Most that it had.
    resident_bytes: u64,
}

/// Verifies as an auditor does, with the key that is in the export.
fn verify(file: &Path, folder: &Path) -> Result<Verified> {
    let key = folder.join("key.pub");
    // The first members are small; the key is the third.
    let mut first = vec![0; 16 << 10];
    zstd::Decoder::new(std::fs::File::open(file)?)?.read_exact(&mut first)?;
    let at = first.windows(8).position(|name| name == b"key.pub\0").context("a key in the export")?;
    std::fs::write(&key, first[at + 512..].split(|byte| *byte == b'\n').next().context("a line")?)?;
    let begun = Instant::now();
    let mut child = Command::new(program()?)
        .args(["audit", "verify", "--json"])
        .arg(file)
        .arg("--key")
        .arg(&key)
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut used, mut resident_bytes) = (Duration::ZERO, 0);
    loop {
        // What has ended and was not waited for still says what it has used, and no more what it had.
        used = cpu(child.id()).unwrap_or(used);
        let Ok(now) = status_bytes(child.id(), "VmHWM") else { break };
        resident_bytes = now;
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let took = begun.elapsed();
    used = cpu(child.id()).unwrap_or(used);
    let mut answer = String::new();
    child.stdout.take().context("an answer")?.read_to_string(&mut answer)?;
    ensure!(child.wait()?.success(), "not sound: {answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    let records = answer["records"].as_u64().context("records")?;
    Ok(Verified { records, took, cpu: used, resident_bytes })
}
