//! `holdfast audit`: exports with proofs, their verification, timelines.
//!
//! Owns: what is asked of the server, how answers look, exit codes of the verifier.
//! Does not own: the form of exports (ledger), what goes into one (pipeline).

mod container;
mod export;
#[cfg(test)]
mod tests;
mod timeline;
mod verify;

use std::process::ExitCode;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::args::{AuditArgs, AuditCommand};
use crate::commands;

pub(crate) use container::{Container, Member};

pub(crate) fn run(args: AuditArgs, environment: &[(String, String)]) -> anyhow::Result<ExitCode> {
    let AuditArgs { command, how } = args;
    match command {
        AuditCommand::Verify(args) => verify::run(&args, how.json),
        AuditCommand::Export(args) => {
            let server = commands::find(&how, environment)?;
            export::run(&args, &server, how.json).map(|()| ExitCode::SUCCESS)
        }
        AuditCommand::Timeline(args) => {
            let server = commands::find(&how, environment)?;
            timeline::run(&args, &server).map(|()| ExitCode::SUCCESS)
        }
    }
}

/// A path with the parameters that there are.
fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let given = parameters.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for (index, (name, value)) in given.enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    out
}
