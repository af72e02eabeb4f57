//! `holdfast replay`: a tenant's projections from its log, or from an export of it, in a folder of their own; and their digests.
//!
//! Owns: where records come from and up to which one they are taken.
//! Does not own: what an event changes and the digests (projections), the rows' folder (event-log).
//! Invariant: the same records make the same digests; those of a whole log are the ones that `holdfast admin rebuild` shows.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use domain::point::Point;
use event_log::{Recorded, Scratch};
use ledger::Chain;
use ledger::export::{CHUNK_MEMBERS, END, MANIFEST, Manifest, TAIL, chunk_member, next_key, next_record};
use projections::{TABLES, query};
use schemas::record::{Body, HEADER_BYTES};
use schemas::{Position, TenantId, Time};
use serde_json::{Map, json};
use vault::MessageKey;

use crate::args::ReplayArgs;
use crate::audit::{Container, Member};
use crate::data_dir::DataDir;
use crate::{config, logs, wiring};

/// Records read under one snapshot.
const CHUNK: usize = 1_024;

pub(crate) fn run(args: &ReplayArgs, environment: Vec<(String, String)>) -> anyhow::Result<()> {
    let until = match &args.to {
        Some(point) => Until::of(&point.parse()?, wiring::now())?,
        None => Until::End,
    };
    empty(&args.into)?;
    let scratch = Scratch::create(&args.into, TABLES)?;
    let mut replay = Replay { scratch, until, events: 0 };
    let tenant = match &args.from_export {
        Some(file) => replay.export(args, file)?,
        None => replay.log(args, environment)?,
    };
    replay.reached()?;
    let Replay { scratch, events, .. } = replay;
    let digests = projections::digest(&scratch, tenant)?;
    scratch.keep()?;
    let text = if args.json {
        let tables: Map<_, _> =
            digests.iter().map(|(table, digest)| ((*table).to_owned(), json!(digest.to_string()))).collect();
        format!("{:#}\n", json!({ "tenant": args.tenant.as_str(), "events": events, "digests": tables }))
    } else {
        let lines = digests.iter().map(|(table, digest)| format!("{digest}  {table}\n"));
        format!("{events} events of tenant {}\n{}", args.tenant, lines.collect::<String>())
    };
    // A closed pipe is the reader's choice.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// Makes room for the rows: a folder that is there must be empty, and goes.
fn empty(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("{} must be an empty folder or not there", folder.display())),
    }
}

/// Up to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    End,
    /// So many events.
    Events(u64),
    /// Every event that is not later.
    Time(Time),
}

impl Until {
    fn of(point: &Point, now: Time) -> anyhow::Result<Self> {
        Ok(match point {
            Point::Head => Self::End,
            Point::Earliest => Self::Events(0),
            Point::Position(position) => Self::Events(position.0.saturating_add(1)),
            Point::Time(time) => Self::Time(*time),
            Point::Ago(ago_us) => Self::Time(Time(now.0.saturating_sub(*ago_us))),
            Point::BeforeVersion(made_by) => Self::Events(made_by.position.0),
            Point::Snapshot(_) | Point::BeforeRequest(_) => anyhow::bail!("--to is a position, a time, or so long ago"),
        })
    }
}

struct Replay {
    scratch: Scratch,
    until: Until,
    events: u64,
}

impl Replay {
    /// Takes the next record; false when it lies behind the end.
    fn take(&mut self, recorded: &Recorded) -> anyhow::Result<bool> {
        let is_behind = match self.until {
            Until::End => false,
            Until::Events(events) => self.events >= events,
            Until::Time(time) => recorded.header.time > time,
        };
        if is_behind {
            return Ok(false);
        }
        projections::replay_record(&mut self.scratch, recorded)?;
        self.events += 1;
        Ok(true)
    }

    fn reached(&self) -> anyhow::Result<()> {
        match self.until {
            Until::Events(events) if self.events < events => {
                bail!("there is no position {} yet: the next is {}", events - 1, self.events)
            }
            _ => Ok(()),
        }
    }

    /// From the log of a server that does not run.
    fn log(&mut self, args: &ReplayArgs, environment: Vec<(String, String)>) -> anyhow::Result<TenantId> {
        let settings = config::load(&args.inputs(environment))?.settings;
        let data = &settings.storage.data;
        // Opening nothing would make a store.
        ensure!(data.join("log").is_dir(), "there is no store in {}", data.display());
        logs::start(&settings.log)?;
        let _lock = DataDir::take(data)?;
        let log = wiring::log_offline(&settings)?;
        let found = query::tenant_by_name(log.snapshot().as_ref(), &args.tenant)?;
        let (tenant, _) = found.with_context(|| format!("there is no tenant {}", args.tenant))?;
        let mut next = Position(0);
        loop {
            let records = event_log::read(log.snapshot().as_ref(), tenant, next, CHUNK)?;
            let Some(last) = records.last() else { return Ok(tenant) };
            next = last.header.position.next();
            for recorded in &records {
                if !self.take(recorded)? {
                    return Ok(tenant);
                }
            }
        }
    }

    /// From an export of a whole log. Its chain is checked, so that nothing is missing in the middle; its signature is not.
    fn export(&mut self, args: &ReplayArgs, file: &Path) -> anyhow::Result<TenantId> {
        let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let mut container = Container::open(opened).with_context(|| format!("{} is no export", file.display()))?;
        let mut next = || container.next()?.context("the export ends too early");
        let manifest = expect(next()?, MANIFEST)?;
        let manifest: Manifest = serde_json::from_slice(&manifest).context("the export's manifest")?;
        let scope = manifest.scope().context("the export's manifest names no window of a log")?;
        let name = &manifest.tenant_name;
        ensure!(name == args.tenant.as_str(), "the export is of tenant {name}, not of {}", args.tenant);
        let is_whole = scope.bucket.is_none() && scope.from == Position(0);
        ensure!(is_whole, "a replay needs the export of a whole log, from its first position on");
        for _ in 0..3 {
            next()?;
        }
        let mut chain = Chain::new(scope.tenant);
        for chunk in 0.. {
            let first = next()?;
            if first.name == TAIL {
                expect(next()?, END)?;
                break;
            }
            let records = expect(first, &chunk_member(chunk, CHUNK_MEMBERS[0]))?;
            let keys = expect(next()?, &chunk_member(chunk, CHUNK_MEMBERS[1]))?;
            // Lines and proof.
            next()?;
            next()?;
            if !self.chunk(&mut chain, &records, &keys)? {
                break;
            }
        }
        Ok(scope.tenant)
    }

    fn chunk(&mut self, chain: &mut Chain, mut records: &[u8], mut keys: &[u8]) -> anyhow::Result<bool> {
        while let Some(record) = next_record(&mut records)? {
            let header = chain.push(record)?;
            let body = match next_key(&mut keys)? {
                // Erased: it folds to nothing, as in the log itself.
                None => None,
                Some(key) => {
                    let plain = MessageKey::from_bytes(key).open_body(&header, &record[HEADER_BYTES..]);
                    let plain = plain.ok().with_context(|| format!("record {} does not open", header.position))?;
                    Some(Body::decode(&plain)?)
                }
            };
            if !self.take(&Recorded { header, body })? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn expect(member: Member, name: &str) -> anyhow::Result<Vec<u8>> {
    ensure!(member.name == name, "{} stands where {name} should: no export", member.name);
    Ok(member.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_as_ends() {
        let now = Time(10_000_000);
        for (text, expected) in [
            ("head", Until::End),
            ("earliest", Until::Events(0)),
            ("pos:7", Until::Events(8)),
            ("-3s", Until::Time(Time(7_000_000))),
            ("1970-01-01T00:00:01Z", Until::Time(Time(1_000_000))),
        ] {
            assert_eq!(Until::of(&text.parse().expect("a point"), now).expect("an end"), expected, "{text}");
        }
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let (absent, full) = (folder.path().join("absent"), folder.path().join("full"));
        std::fs::create_dir(&full).expect("a folder");
        empty(&full).expect("empty");
        assert!(!full.exists());
        empty(&absent).expect("not there");
        std::fs::create_dir(&full).expect("a folder");
        std::fs::write(full.join("file"), "mine").expect("a file");
        empty(&full).expect_err("not ours");
        assert!(full.join("file").is_file());
    }
}
