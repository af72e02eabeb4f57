//! Exports: how long one of a large log takes, and what it costs an auditor to verify it.

use std::io::Read;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use holdfast_tests::Server;

use crate::Plan;
use crate::child::{self, Used};
use crate::listing::fill;

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
            verified.used.took.as_secs_f64(),
            verified.used.cpu.as_secs_f64(),
            verified.used.resident_bytes as f64 / f64::from(1 << 20),
        );
    }
    println!();
    server.stop()
}

pub(crate) struct Verified {
    pub(crate) records: u64,
    pub(crate) used: Used,
}

/// Verifies as an auditor does, with the key that is in the export.
pub(crate) fn verify(file: &Path, folder: &Path) -> Result<Verified> {
    let key = folder.join("key.pub");
    // The first members are small; the key is the third.
    let mut first = vec![0; 16 << 10];
    zstd::Decoder::new(std::fs::File::open(file)?)?.read_exact(&mut first)?;
    let at = first.windows(8).position(|name| name == b"key.pub\0").context("a key in the export")?;
    std::fs::write(&key, first[at + 512..].split(|byte| *byte == b'\n').next().context("a line")?)?;
    let (file, key) = (file.display().to_string(), key.display().to_string());
    let used = child::run(&["audit", "verify", "--json", &file, "--key", &key])?;
    let answer: serde_json::Value = serde_json::from_str(&used.said)?;
    Ok(Verified { records: answer["records"].as_u64().context("records")?, used })
}
