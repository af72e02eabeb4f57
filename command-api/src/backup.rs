//! `holdfast backup`, `backup-keys` and `restore`: by the running server where one holds the data directory, else by this process.
//!
//! Owns: finding out which, what is printed.
//! Does not own: what a backup is (pipeline), the admin API's words (door-http).

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use domain::point::Point;
use pipeline::backup::{BackupReport, Restore, RestoreAt, RestoreReport, VerifyReport};
use pipeline::{Clock, Store, SystemClock};
use schemas::{TenantName, Time};
use serde_json::{Value, json};

use crate::args::{BackupArgs, BackupKeysArgs, How, RestoreArgs, ServeArgs};
use crate::commands::{self, Request, View};
use crate::config::Settings;
use crate::data_dir::DataDir;
use crate::{config, logs, wiring};

/// How long a copy of the keys is kept where nobody says, days.
const KEY_DAYS: u32 = 30;

pub(crate) fn run(args: BackupArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    if let Some(folder) = args.verify {
        let report = wiring::verify_backup(&folder).context("the backup is not sound")?;
        return print(&verified(&report));
    }
    let to = absolute(&args.to.context("say --to DIR, or --verify DIR")?)?;
    let keep_days = args.keep_days;
    by_server_or_here(
        args.how,
        args.config,
        environment,
        &|how| Request::post("/backups", body(&to, keep_days), View::Backup, how),
        &|store| {
            let report = store.backup(&to, keep_days)?;
            Ok((made(&report), View::Backup))
        },
    )
}

pub(crate) fn run_keys(args: BackupKeysArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let to = absolute(&args.to)?;
    let keep_days = args.keep_days.unwrap_or(KEY_DAYS);
    by_server_or_here(
        args.how,
        args.config,
        environment,
        &|how| Request::post("/key-copies", body(&to, Some(keep_days)), View::KeyCopy, how),
        &|store| {
            let (copy, removed) = store.copy_keys(&to, keep_days)?;
            let answer = json!({
                "folder": copy.folder.display().to_string(),
                "files": copy.files,
                "madeAt": text_of(copy.made),
                "endsAt": text_of(copy.ends),
                "removed": removed,
            });
            Ok((answer, View::KeyCopy))
        },
    )
}

pub(crate) fn run_restore(args: RestoreArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let at = point(args.at.as_deref(), args.tenant, SystemClock::default().wall())?;
    let serve = ServeArgs { data: args.data, config: args.config, ..ServeArgs::default() };
    let settings = config::load(&serve.inputs(environment))?.settings;
    logs::start(&settings.log)?;
    let data = &settings.storage.data;
    let lock = DataDir::take(data)?;
    let restore = Restore { from: args.from, keys: args.keys, at };
    let report = wiring::restore(&settings, &restore).context("not restored")?;
    drop(lock);
    print(&restored(&report, data))
}

fn point(text: Option<&str>, tenant: Option<TenantName>, now: Time) -> anyhow::Result<RestoreAt> {
    let point: Point = match text {
        None => Point::Head,
        Some(text) => text.parse().context("--at")?,
    };
    match (point, tenant) {
        (Point::Position(position), Some(tenant)) => Ok(RestoreAt::Position { tenant, position }),
        (Point::Position(_), None) => bail!("--at pos:N is a place in one tenant's log: say --tenant"),
        (_, Some(_)) => bail!("--tenant goes with --at pos:N alone: a time is one of all tenants"),
        (Point::Head, None) => Ok(RestoreAt::End),
        (Point::Time(time), None) => Ok(RestoreAt::Time(time)),
        (Point::Ago(ago_us), None) => Ok(RestoreAt::Time(Time(now.0.saturating_sub(ago_us)))),
        (Point::Snapshot(_) | Point::BeforeVersion(_) | Point::BeforeRequest(_), None) => {
            bail!("--at is a time, so long ago, or pos:N of one tenant")
        }
        (Point::Earliest, None) => bail!("--at earliest is before everything: there would be nothing to restore"),
    }
}

/// Asks the server that is named, or that holds the data directory; opens the store here if nobody does.
fn by_server_or_here(
    how: How,
    config: Option<PathBuf>,
    environment: Vec<(String, String)>,
    request: &dyn Fn(How) -> Request,
    here: &dyn Fn(&Store) -> anyhow::Result<(Value, View)>,
) -> anyhow::Result<()> {
    let named = environment.iter().any(|(name, value)| name == "HOLDFAST_ADMIN_URL" && !value.is_empty());
    let serve = ServeArgs { data: how.data.clone(), config, ..ServeArgs::default() };
    let settings = config::load(&serve.inputs(environment.clone()))?.settings;
    let data = &settings.storage.data;
    if named {
        return commands::run(request(how), &environment);
    }
    // A backup of nothing would make a store.
    ensure!(data.join("log").is_dir(), "there is no store in {}", data.display());
    match DataDir::take_if_free(data)? {
        None => commands::run(request(how), &environment),
        Some(lock) => {
            let (answer, view) = offline(&settings, here)?;
            drop(lock);
            commands::print(&answer, view, how.json);
            Ok(())
        }
    }
}

fn offline(
    settings: &Settings,
    here: &dyn Fn(&Store) -> anyhow::Result<(Value, View)>,
) -> anyhow::Result<(Value, View)> {
    logs::start(&settings.log)?;
    let store = wiring::open(settings, false, &notifier::Bell::default())?;
    let done = here(&store);
    store.close();
    done
}

/// The server does not know where this process stands.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}

fn body(to: &Path, keep_days: Option<u32>) -> Value {
    let mut body = json!({ "to": to.display().to_string() });
    if let Some(days) = keep_days {
        body["keepDays"] = days.into();
    }
    body
}

fn made(report: &BackupReport) -> Value {
    json!({
        "run": report.run,
        "madeAt": text_of(report.made),
        "commit": report.commit,
        "logs": report.logs,
        "records": report.records,
        "rows": report.rows,
        "writtenBytes": report.written_bytes,
        "bytes": report.bytes,
    })
}

fn verified(report: &VerifyReport) -> String {
    let VerifyReport { runs, made, logs, records, rows, segments, bytes } = report;
    let made = text_of(*made);
    format!(
        "sound: {runs} runs, the last of {made}; {records} records of {logs} logs, {rows} rows, {segments} segments, \
         {bytes} bytes\n"
    )
}

fn restored(report: &RestoreReport, data: &Path) -> String {
    let mut text = format!(
        "restored {} records of {} logs and {} bytes of segments into {}; a new epoch began, {} or later\n",
        report.records,
        report.logs,
        report.segment_bytes,
        data.display(),
        report.epoch
    );
    if let Some(newest) = report.newest {
        text +=
            &format!("the newest record is of {}; the backup was made at {}\n", text_of(newest), text_of(report.made));
    }
    if report.dropped > 0 {
        text += &format!("{} later records of the backup were left out\n", report.dropped);
    }
    if report.missing > 0 {
        let missing = report.missing;
        text += &format!("{missing} contents came and went between two runs of the backup and cannot be read\n");
    }
    text
}

fn text_of(time: Time) -> String {
    domain::point::written(time)
}

fn print(text: &str) -> anyhow::Result<()> {
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use schemas::Position;

    use super::*;

    fn tenant() -> Option<TenantName> {
        TenantName::parse("acme").ok()
    }

    #[test]
    fn points_of_a_restore() {
        let check = |text, tenant, expected: RestoreAt| {
            assert_eq!(point(text, tenant, Time(10_000_000)).expect("a point"), expected, "{text:?}");
        };
        check(None, None, RestoreAt::End);
        check(Some("head"), None, RestoreAt::End);
        check(Some("1970-01-01T00:00:05Z"), None, RestoreAt::Time(Time(5_000_000)));
        check(Some("-4s"), None, RestoreAt::Time(Time(6_000_000)));
        let at = RestoreAt::Position { tenant: tenant().expect("a name"), position: Position(7) };
        check(Some("pos:7"), tenant(), at);
        for (text, tenant) in [
            (Some("pos:7"), None),
            (Some("-4s"), tenant()),
            (None, tenant()),
            (Some("earliest"), None),
            (Some("yesterday"), None),
        ] {
            assert!(point(text, tenant, Time(0)).is_err(), "{text:?}");
        }
    }
}
