//! `holdfast rebuild`: every projection anew, from the log alone, while no server runs.

use std::io::Write;

use anyhow::{Context, ensure};

use crate::args::RebuildArgs;
use crate::data_dir::DataDir;
use crate::{config, logs, wiring};

pub(crate) fn run(args: RebuildArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let damaged = args.damaged;
    let settings = config::load(&args.inputs(environment))?.settings;
    let data = &settings.storage.data;
    // A rebuild of nothing would make a store.
    ensure!(data.join("log").is_dir(), "there is no store in {}", data.display());
    logs::start(&settings.log)?;
    let _lock = DataDir::take(data)?;
    let report = wiring::rebuild(&settings, damaged).context("the projections were not replaced")?;
    let found = if report.mismatches.is_empty() {
        "those that were there were the same".to_owned()
    } else {
        format!("those that were there were not what the log says: {}", report.mismatches.join(", "))
    };
    let text = format!("rebuilt every projection from {} events of {} logs; {found}\n", report.events, report.tenants);
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
