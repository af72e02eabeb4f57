//! Load over HTTP: families of S3 operations, sizes and clients, against a server of our own or any other.
//!
//! Owns: which cells there are and in what order. A group is the cells of one size: they share a server and what is put beforehand.
//! Does not own: what an operation is, what is counted, how it is printed.

mod cell;
mod drive;
pub(crate) mod family;
mod operation;
mod pool;
pub(crate) mod target;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use anyhow::Result;
use tokio::task::LocalSet;

use crate::limits::Limits;
use crate::load::cell::{Measured, figures, measure};
use crate::load::family::{Family, size_name};
use crate::load::operation::Field;
use crate::load::target::{Target, runtime};
use crate::raw::Raw;
use crate::report::{Gap, Name, Report};
use crate::syncs::Count;
use crate::{Plan, machine};

/// Bytes under way in a cell at most: 64 MiB from 256 clients would fill a small disk in a round.
const CELL_BYTES_MAX: u64 = 6 << 30;

/// Rounds of cells with objects of more than a MiB at most.
const LARGE_ROUNDS_MAX: usize = 3;

/// R is measured for so long before each round.
const R_SECONDS: f64 = 0.3;

/// A cell that is measured.
struct Planned {
    family: Family,
    clients: usize,
    name: Name,
    rounds: Vec<Measured>,
}

pub(crate) fn run(plan: &Plan) -> Result<()> {
    let server = plan.name.clone().unwrap_or_else(|| match &plan.endpoint {
        Some(endpoint) => endpoint.name(),
        None => "holdfast".to_owned(),
    });
    let folder = plan.folder()?;
    let mut raw = Raw::new(folder.path())?;
    let limits = Limits::measure(plan, &mut raw)?;
    eprintln!("{}", limits.describe());
    let machine = machine::describe(&plan.data)?;
    let mut report = Report::new(server, machine, limits, plan.rounds, plan.seconds);
    for (size, families) in groups(plan) {
        group(plan, size, &families, &mut raw, &mut report)?;
        // What there is so far: a run of hours may be broken off.
        report.cells.sort_by_key(|cell| cell.name.rank());
        if let Some(file) = &plan.json {
            report.write(file)?;
        }
    }
    report.print();
    Ok(())
}

/// Sizes, and the families that are measured with each.
fn groups(plan: &Plan) -> Vec<(u64, Vec<Family>)> {
    let mut groups: Vec<(u64, Vec<Family>)> = Vec::new();
    for family in plan.families.iter().copied() {
        let sizes = match &plan.sizes {
            Some(sizes) if family.is_sized() => sizes.as_slice(),
            _ => family.sizes(),
        };
        for size in sizes.iter().copied().filter(|size| family.takes(*size)) {
            match groups.iter_mut().find(|(known, _)| *known == size) {
                Some((_, families)) => families.push(family),
                None => groups.push((size, vec![family])),
            }
        }
    }
    groups.sort_by_key(|(size, _)| *size);
    groups
}

fn group(plan: &Plan, size: u64, families: &[Family], raw: &mut Raw, report: &mut Report) -> Result<()> {
    let mut cells = Vec::new();
    for family in families.iter().copied() {
        for clients in plan.clients.iter().copied() {
            let name = Name { family: family.name().to_owned(), size_bytes: size, clients };
            if !plan.wants(&name.label()) {
                continue;
            }
            if clients as u64 * size > CELL_BYTES_MAX {
                report.not_compared.push(Gap { name, reason: "more than 6 GiB under way".to_owned() });
                continue;
            }
            cells.push(Planned { family, clients, name, rounds: Vec::new() });
        }
    }
    if cells.is_empty() {
        return Ok(());
    }
    let rounds = if size > 1 << 20 { plan.rounds.min(LARGE_ROUNDS_MAX) } else { plan.rounds };
    let mut broken = None;
    for round in 0..rounds {
        let r = raw.group_commits(1, R_SECONDS)?.per_second();
        let target = Target::open(plan, &format!("{size}-{round}"))?;
        if round == 0
            && let Err(error) = Count::start(&target.processes).and_then(Count::stop)
        {
            eprintln!("fsyncs are not counted: {error:#}");
        }
        let measured = LocalSet::new().block_on(&runtime()?, one_round(plan, &target, size, (round, r), &mut cells));
        // What was measured stays, and so do other groups: the rest is named.
        if let Err(error) = measured.and(target.close()) {
            eprintln!("round {round} of {} was broken off: {error:#}", size_name(size));
            broken = Some(format!("broken off: {error:#}"));
            break;
        }
    }
    for Planned { name, rounds, .. } in cells {
        if rounds.is_empty() {
            let reason = broken.clone().unwrap_or_else(|| "no round".to_owned());
            report.not_compared.push(Gap { name, reason });
            continue;
        }
        match figures(name, &rounds) {
            Ok(cell) => report.cells.push(cell),
            Err(gap) => report.not_compared.push(gap),
        }
    }
    Ok(())
}

async fn one_round(
    plan: &Plan,
    target: &Target,
    size: u64,
    (round, r): (usize, f64),
    cells: &mut [Planned],
) -> Result<()> {
    let pool = match cells.iter().any(|cell| cell.family.reads()) {
        true => pool::readable(target, size).await?,
        false => Vec::new(),
    };
    if cells.iter().any(|cell| !cell.family.is_sized()) {
        pool::listed(target).await?;
    }
    let (stamps, expendable) = (Cell::new(0), RefCell::new(Vec::new()));
    let field = Field {
        shared: &target.shared,
        bucket: &target.bucket,
        prefix: &target.prefix,
        size,
        part_bytes: plan.part_bytes,
        pool: &pool,
        stamps: &stamps,
        expendable: &expendable,
    };
    for Planned { family, clients, rounds, .. } in cells {
        if *family == Family::Delete {
            pool::expendable(&field, &expendable, Duration::from_secs_f64(plan.seconds * 2.0)).await;
        }
        let measured = measure(plan, &field, &target.processes, *family, *clients, r).await?;
        let (name, rate) = (family.name(), measured.per_second());
        let failed = crate::report::failures(&measured.tally.failures);
        let said = measured.tally.said.as_deref().unwrap_or_default();
        eprintln!("round {round}: {name} {} x {clients}: {rate:.0}/s {failed} {said}", size_name(size));
        rounds.push(measured);
    }
    Ok(())
}
