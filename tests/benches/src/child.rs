//! Commands of the program that work without a server, and what they took.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::program;

use crate::measure::{cpu, status_bytes};

/// What a command took.
pub(crate) struct Used {
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
    /// Most that it had.
    pub(crate) resident_bytes: u64,
    /// What it said.
    pub(crate) said: String,
}

/// Runs the program to its end, which must be a good one.
pub(crate) fn run(words: &[&str]) -> Result<Used> {
    let begun = Instant::now();
    let mut child = Command::new(program()?).args(words).stdout(Stdio::piped()).spawn()?;
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
    let mut said = String::new();
    child.stdout.take().context("an answer")?.read_to_string(&mut said)?;
    ensure!(child.wait()?.success(), "{words:?}: {said}");
    Ok(Used { took, cpu: used, resident_bytes, said })
}
