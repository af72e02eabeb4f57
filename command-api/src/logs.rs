//! Log lines: on stderr, so that stdout is the banner's.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

pub(crate) fn start(settings: &Log) -> anyhow::Result<()> {
    // The storage engine tells of every table it makes: only what goes wrong there concerns an operator. Directives behind
    // these win, so `log.level` can still ask for more.
    let level = format!("fjall=warn,lsm_tree=warn,{}", settings.level);
    let filter: EnvFilter = level.parse().context("log.level")?;
    let terminal = std::io::stderr().is_terminal();
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Auto => !terminal,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if json {
        lines.json().flatten_event(true).try_init()
    } else {
        lines.with_ansi(terminal).with_target(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("log lines cannot be started: {error}"))
}
