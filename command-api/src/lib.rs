//! The program: command line, configuration, wiring, serving.
//!
//! Owns: the process — its flags, directory, lock, listeners, signals, first start, metrics and log lines.
//! Does not own: any decision about data; the S3, native and admin dialects.
//! Invariant: what an operator did wrong is one clear line on stderr and exit code 1 (2 for a wrong command line). `audit verify`
//! alone gives its codes another meaning.

mod admin_client;
mod announcing;
mod args;
mod audit;
mod backup;
mod banner;
mod commands;
pub mod config;
mod data_dir;
mod first_run;
mod listen;
mod logs;
mod metrics;
mod patience;
mod rebuild;
mod replay;
mod rest;
mod room;
mod routes;
mod run_env;
mod serve;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// Everything `holdfast` does. Reads the process's arguments and environment.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let done = |outcome: anyhow::Result<()>| outcome.map(|()| ExitCode::SUCCESS);
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => done(serve::run(args, environment)),
        Command::Tenant(args) => done(commands::run(args.into_request(), &environment)),
        Command::User(args) => done(commands::run(args.into_request(), &environment)),
        Command::Key(args) => done(commands::run(args.into_request(), &environment)),
        Command::Admin(args) => done(commands::run(args.into_request(), &environment)),
        Command::Audit(args) => audit::run(args, &environment),
        Command::Replay(args) => done(replay::run(&args, environment)),
        Command::Rebuild(args) => done(rebuild::run(args, environment)),
        Command::Backup(args) => done(backup::run(args, environment)),
        Command::BackupKeys(args) => done(backup::run_keys(args, environment)),
        Command::Restore(args) => done(backup::run_restore(args, environment)),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // The whole chain of causes in one line, never a backtrace.
            let line = format!("{error:#}").replace('\n', " ");
            eprintln!("holdfast: {line}");
            ExitCode::FAILURE
        }
    }
}
