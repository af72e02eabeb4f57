//! Counting: CPU time, latencies, medians.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// User and system time of a process so far, in steps of 10 ms.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("a name")?.1.split_whitespace().collect();
    // utime and stime, fields 14 and 15 of proc(5).
    Ok(Duration::from_millis(10 * (fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)))
}

/// A figure of `/proc/PID/status` in bytes, such as `VmHWM`.
pub(crate) fn status_bytes(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).context("a line")?;
    let kib: u64 = line.split_whitespace().next().context("a number")?.parse()?;
    Ok(kib * 1024)
}

/// Begins `VmHWM` anew.
pub(crate) fn reset_peak(pid: u32) -> Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting the peak")
}

/// The middle value; of an even number the lower one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

/// One cell in one round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    /// CPU of who is measured, and of the client where that is another process.
    pub(crate) cpu_us: f64,
    pub(crate) client_cpu_us: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Batches made durable, where that is known.
    pub(crate) commits: u64,
}

impl Sample {
    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    pub(crate) fn cpu_us_each(&self) -> f64 {
        self.cpu_us / self.operations as f64
    }

    pub(crate) fn client_cpu_us_each(&self) -> f64 {
        self.client_cpu_us / self.operations as f64
    }

    /// Takes over how long each operation took.
    pub(crate) fn latencies(&mut self, mut all: Vec<Duration>) {
        (self.p50_ms, self.p99_ms) = percentiles_ms(&mut all);
    }
}

/// The 50th and the 99th, which it sorts them for.
pub(crate) fn percentiles_ms(all: &mut [Duration]) -> (f64, f64) {
    all.sort_unstable();
    let at = |share: f64| {
        let index = ((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1));
        all.get(index).map_or(f64::NAN, |duration| duration.as_secs_f64() * 1e3)
    };
    (at(0.5), at(0.99))
}

/// Medians of a cell over its rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell(pub(crate) Vec<Sample>);

impl Cell {
    pub(crate) fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }
}

/// CPU of two processes (or one) over a stretch of time.
pub(crate) struct Watch {
    begun: Instant,
    pid: u32,
    client: Option<u32>,
    cpu: Duration,
    client_cpu: Duration,
}

impl Watch {
    pub(crate) fn start(pid: u32, client: Option<u32>) -> Result<Self> {
        let client_cpu = client.map_or(Ok(Duration::ZERO), cpu)?;
        Ok(Self { begun: Instant::now(), pid, client, cpu: cpu(pid)?, client_cpu })
    }

    pub(crate) fn stop(self, operations: u64) -> Result<Sample> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let us = |from: Duration, to: Duration| (to - from).as_secs_f64() * 1e6;
        let client_cpu_us = match self.client {
            Some(client) => us(self.client_cpu, cpu(client)?),
            None => 0.0,
        };
        let cpu_us = us(self.cpu, cpu(self.pid)?);
        Ok(Sample { operations, seconds, cpu_us, client_cpu_us, ..Sample::default() })
    }
}
