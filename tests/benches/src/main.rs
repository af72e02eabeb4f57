//! Figures: how fast, with how much CPU and memory, each beside its physical limit in the same run.
//!
//! Owns: what is measured and how it is printed (Markdown, for `README.md` beside this).
//! Does not own: judging. Wall-clock figures of a shared machine gate nothing; `tests/run` never runs this.
//!
//! ```text
//! cargo build --release -p command-api -p holdfast-benches && target/release/holdfast-benches http --quick
//! ```

mod audit;
mod big;
mod body;
mod child;
mod client;
mod commits;
mod compare;
mod disk;
mod grow;
mod limits;
mod listing;
mod load;
mod machine;
mod markers;
mod measure;
mod past;
mod plan;
mod plot;
mod process;
mod raw;
mod replay;
mod report;
mod restart;
mod signing;
mod store;
mod sweep;
mod syncs;
mod timed;
mod webhooks;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::plan::Flags;
pub(crate) use crate::plan::Plan;

// As the program has it: `commits` runs the store in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Figures of Holdfast, and of other S3 servers beside it.
#[derive(Debug, Parser)]
#[command(name = "holdfast-benches")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every bench
    All(Flags),
    /// Durable commands through the pipeline, in this process
    Commits(Flags),
    /// S3 operations over HTTP, against a server of our own or another
    Http(Flags),
    /// Pages of few keys and of many
    Listing(Flags),
    /// Pages behind masses of delete markers
    Markers(Flags),
    /// One large object in parts: memory
    Big(Flags),
    /// Deliveries of a history, and of events as they happen
    Webhooks(Flags),
    /// Exports of a log and their verification
    Audit(Flags),
    /// Pages as of a point, views, forks
    Past(Flags),
    /// A log verified, replayed, and its projections rebuilt
    Replay(Flags),
    /// From start to readiness, stopped in good order and killed
    Restart(Flags),
    /// Giving back the space of deleted content
    Sweep(Flags),
    /// What operations cost with many objects, versions, buckets, tenants, parts
    Grow(Flags),
    /// Two records of `http --json` beside each other
    Compare { a: PathBuf, b: PathBuf },
    /// Drawings of records of `http --json`
    Plot {
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[arg(long)]
        out: PathBuf,
    },
}

type Bench = fn(&Plan) -> Result<()>;

fn main() -> Result<()> {
    let (flags, benches): (Flags, &[Bench]) = match Arguments::parse().command {
        Command::All(flags) => (
            flags,
            &[
                commits::run,
                load::run,
                listing::run,
                markers::run,
                big::run,
                webhooks::run,
                audit::run,
                past::run,
                replay::run,
                restart::run,
                sweep::run,
                grow::run,
            ],
        ),
        Command::Commits(flags) => (flags, &[commits::run]),
        Command::Http(flags) => (flags, &[load::run]),
        Command::Listing(flags) => (flags, &[listing::run]),
        Command::Markers(flags) => (flags, &[markers::run]),
        Command::Big(flags) => (flags, &[big::run]),
        Command::Webhooks(flags) => (flags, &[webhooks::run]),
        Command::Audit(flags) => (flags, &[audit::run]),
        Command::Past(flags) => (flags, &[past::run]),
        Command::Replay(flags) => (flags, &[replay::run]),
        Command::Restart(flags) => (flags, &[restart::run]),
        Command::Sweep(flags) => (flags, &[sweep::run]),
        Command::Grow(flags) => (flags, &[grow::run]),
        Command::Compare { a, b } => return compare::run(&a, &b),
        Command::Plot { files, out } => return plot::run(&files, &out),
    };
    let plan = flags.plan()?;
    println!("{}\n", machine::describe(&plan.data)?);
    benches.iter().try_for_each(|bench| bench(&plan))
}
