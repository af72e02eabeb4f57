//! One cell in one round: warmed up, driven, counted; and what its rounds come to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Plan;
use crate::load::drive::{Tally, drive};
use crate::load::family::Family;
use crate::load::operation::Field;
use crate::measure::{cpu, median, percentiles_ms};
use crate::process::Processes;
use crate::report::{Figures, Gap, Name};
use crate::syncs::{Count, flushes};

/// What was counted while clients drove.
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    /// R of the same round.
    r: f64,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
    server_cpu: Option<Duration>,
    client_cpu: Duration,
    fsyncs: Option<u64>,
    disk_flushes: Option<u64>,
    written_bytes: Option<u64>,
    resident_bytes: Option<u64>,
}

/// Nothing larger is warmed up: it takes as long as it is measured.
const WARMED_BYTES_MAX: u64 = 1 << 20;

pub(crate) async fn measure(
    plan: &Plan,
    field: &Field<'_>,
    processes: &Processes,
    family: Family,
    clients: usize,
    r: f64,
) -> Result<Measured> {
    let limit = Duration::from_secs_f64(plan.seconds);
    if field.size <= WARMED_BYTES_MAX && family != Family::Delete {
        drive(field, family, clients, limit / 5).await;
    }
    let count = Count::start(processes).ok();
    let (written, flushed) = (processes.written_bytes(), flushes(&plan.data));
    let (server, client) = (processes.cpu(), cpu(std::process::id())?);
    let begun = Instant::now();
    let mut tally = drive(field, family, clients, limit).await;
    let seconds = begun.elapsed().as_secs_f64();
    let client_cpu = cpu(std::process::id())?.saturating_sub(client);
    let server_cpu = processes.cpu().zip(server).map(|(now, then)| now.saturating_sub(then));
    let since = |now: Option<u64>, then: Option<u64>| now.zip(then).map(|(now, then)| now.saturating_sub(then));
    let written_bytes = since(processes.written_bytes(), written);
    let disk_flushes = since(flushes(&plan.data), flushed);
    let fsyncs = count.map(Count::stop).transpose()?;
    let (p50_ms, p99_ms) = percentiles_ms(&mut tally.latencies);
    let resident_bytes = processes.resident_bytes();
    Ok(Measured {
        tally,
        r,
        seconds,
        p50_ms,
        p99_ms,
        server_cpu,
        client_cpu,
        fsyncs,
        disk_flushes,
        written_bytes,
        resident_bytes,
    })
}

impl Measured {
    pub(crate) fn per_second(&self) -> f64 {
        self.tally.latencies.len() as f64 / self.seconds
    }

    /// Of each operation, those that failed among them: they cost too.
    fn each(&self, amount: f64) -> f64 {
        amount / self.tally.all() as f64
    }
}

/// The medians, or why there are none.
pub(crate) fn figures(name: Name, rounds: &[Measured]) -> Result<Figures, Gap> {
    let mut failures = BTreeMap::new();
    for (status, count) in rounds.iter().flat_map(|round| &round.tally.failures) {
        *failures.entry(*status).or_default() += count;
    }
    if rounds.iter().all(|round| round.tally.latencies.is_empty()) {
        let said = rounds.iter().find_map(|round| round.tally.said.clone()).unwrap_or_default();
        let reason = format!("nothing succeeded ({}): {said}", crate::report::failures(&failures));
        return Err(Gap { name, reason });
    }
    let of = |one: &dyn Fn(&Measured) -> f64| median(rounds.iter().map(one).collect());
    // Missing in one round is missing.
    let known = |one: &dyn Fn(&Measured) -> Option<f64>| {
        rounds.iter().map(one).collect::<Option<Vec<f64>>>().filter(|all| !all.is_empty()).map(median)
    };
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Ok(Figures {
        name,
        rounds: rounds.len(),
        operations_per_second: of(&Measured::per_second),
        // Of each round, then the median: a disk that is slow in one is slow for both.
        in_r: of(&|round| round.per_second() / round.r),
        mib_per_second: of(&|round| mib(round.tally.moved) / round.seconds),
        p50_ms: of(&|round| round.p50_ms),
        p99_ms: of(&|round| round.p99_ms),
        server_cpu_us: known(&|round| Some(round.each(us(round.server_cpu?)))),
        client_cpu_us: of(&|round| round.each(us(round.client_cpu))),
        fsyncs: known(&|round| Some(round.each(round.fsyncs? as f64))),
        disk_flushes: known(&|round| Some(round.each(round.disk_flushes? as f64))),
        bytes_written_per_byte_stored: known(&|round| {
            let stored = Some(round.tally.stored).filter(|stored| *stored > 0)?;
            Some(round.written_bytes? as f64 / stored as f64)
        }),
        resident_mib: known(&|round| Some(mib(round.resident_bytes?))),
        failures,
    })
}
