//! Figures: how fast, with how much CPU and memory, each beside its physical limit in the same run.
//!
//! Owns: what is measured and how it is printed (Markdown, for `README.md` beside this).
//! Does not own: judging. Wall-clock figures of a shared machine gate nothing; `tests/run` never runs this.
//!
//! ```text
//! cargo build --release && cargo run --release -p holdfast-benches -- all [--quick] [--data DIR]
//! ```

mod audit;
mod big;
mod client;
mod commits;
mod http;
mod listing;
mod machine;
mod markers;
mod measure;
mod past;
mod raw;
mod store;
mod webhooks;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

// As the program has it: `commits` runs the store in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Where data directories and raw files are made: the disk that is measured.
    pub(crate) data: PathBuf,
    /// Rounds over all cells; a cell's figure is the median of its rounds.
    pub(crate) rounds: usize,
    /// Seconds that a cell runs in a round.
    pub(crate) seconds: f64,
    /// Less of everything, to see that it works.
    pub(crate) quick: bool,
    /// Only cells whose name contains one of these.
    pub(crate) only: Vec<String>,
}

impl Plan {
    /// Whether a cell is asked for.
    pub(crate) fn wants(&self, cell: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| cell.contains(word.as_str()))
    }

    /// A folder that is removed at the end.
    pub(crate) fn folder(&self) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.data)?;
        tempfile::Builder::new().prefix("bench-").tempdir_in(&self.data).context("making a folder")
    }
}

const USAGE: &str = "usage: holdfast-benches all|commits|http|listing|markers|big|webhooks|audit|past [--quick] [--rounds N] [--seconds S] [--only WORD]... \
                     [--data DIR]";

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().context(USAGE)?;
    let data = PathBuf::from("target").join("benches");
    let mut plan = Plan { data, rounds: 5, seconds: 2.0, quick: false, only: Vec::new() };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().context(USAGE);
        match argument.as_str() {
            "--quick" => (plan.quick, plan.rounds, plan.seconds) = (true, 1, 0.5),
            "--rounds" => plan.rounds = value()?.parse()?,
            "--seconds" => plan.seconds = value()?.parse()?,
            "--only" => plan.only.push(value()?),
            "--data" => plan.data = value()?.into(),
            _ => bail!(USAGE),
        }
    }
    println!("{}\n", machine::describe(&plan.data)?);
    let all = what == "all";
    if !all && !["commits", "http", "listing", "markers", "big", "webhooks", "audit", "past"].contains(&what.as_str()) {
        bail!(USAGE);
    }
    if all || what == "commits" {
        commits::run(&plan)?;
    }
    if all || what == "http" {
        http::run(&plan)?;
    }
    if all || what == "listing" {
        listing::run(&plan)?;
    }
    if all || what == "markers" {
        markers::run(&plan)?;
    }
    if all || what == "big" {
        big::run(&plan)?;
    }
    if all || what == "webhooks" {
        webhooks::run(&plan)?;
    }
    if all || what == "audit" {
        audit::run(&plan)?;
    }
    if all || what == "past" {
        past::run(&plan)?;
    }
    Ok(())
}
