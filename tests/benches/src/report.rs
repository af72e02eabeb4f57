//! The machine-readable record of a run: what `http --json` writes, and `compare` and `plot` read.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::load::family::Family;

/// Rises when a figure changes its meaning.
const FORMAT: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) format: u32,
    /// What was measured, in a word.
    pub(crate) server: String,
    pub(crate) machine: String,
    pub(crate) limits: Limits,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) cells: Vec<Figures>,
    pub(crate) not_compared: Vec<Gap>,
}

/// Which cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Name {
    pub(crate) family: String,
    pub(crate) size_bytes: u64,
    pub(crate) clients: usize,
}

/// A cell: medians of its rounds. What could not be measured is missing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    #[serde(flatten)]
    pub(crate) name: Name,
    pub(crate) rounds: usize,
    pub(crate) operations_per_second: f64,
    /// In R of the same round.
    pub(crate) in_r: f64,
    /// Of bodies, either way.
    pub(crate) mib_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) server_cpu_us: Option<f64>,
    pub(crate) client_cpu_us: f64,
    pub(crate) fsyncs: Option<f64>,
    /// Of the disk, whoever wanted them.
    pub(crate) disk_flushes: Option<f64>,
    pub(crate) bytes_written_per_byte_stored: Option<f64>,
    pub(crate) resident_mib: Option<f64>,
    /// Over all rounds, by status; 0 is a connection that broke.
    pub(crate) failures: BTreeMap<u16, u64>,
}

/// A cell without figures, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gap {
    #[serde(flatten)]
    pub(crate) name: Name,
    pub(crate) reason: String,
}

impl Name {
    pub(crate) fn size_name(&self) -> String {
        let family: Result<Family> = self.family.parse();
        family.map_or_else(|_| self.size_bytes.to_string(), |family| family.size_name(self.size_bytes))
    }

    /// As `--only` knows it.
    pub(crate) fn label(&self) -> String {
        format!("{} {} x {} ", self.family, self.size_name(), self.clients)
    }

    /// Families in their order, then sizes, then clients.
    pub(crate) fn rank(&self) -> (Option<Family>, u64, usize) {
        (self.family.parse().ok(), self.size_bytes, self.clients)
    }
}

impl Report {
    pub(crate) fn new(server: String, machine: String, limits: Limits, rounds: usize, seconds: f64) -> Self {
        let (cells, not_compared) = (Vec::new(), Vec::new());
        Self { format: FORMAT, server, machine, limits, rounds, seconds, cells, not_compared }
    }

    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        let report: Self = serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?;
        ensure!(report.format == FORMAT, "{} has format {}, not {FORMAT}", path.display(), report.format);
        Ok(report)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }

    pub(crate) fn cell(&self, name: &Name) -> Option<&Figures> {
        self.cells.iter().find(|cell| cell.name == *name)
    }

    pub(crate) fn print(&self) {
        println!("### HTTP: {}\n", self.server);
        println!("{}\n", self.limits.describe());
        println!(
            "| what | size | clients | per s | in R | MiB/s | p50 ms | p99 ms | server CPU us | client CPU us | fsyncs | disk \
             flushes | written per byte | RSS MiB | failed |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        for cell in &self.cells {
            let Figures { name, operations_per_second: rate, .. } = cell;
            println!(
                "| {} | {} | {} | {} | {:.2} | {:.1} | {:.2} | {:.2} | {} | {:.0} | {} | {} | {} | {} | {} |",
                name.family,
                name.size_name(),
                name.clients,
                rounded(*rate),
                cell.in_r,
                cell.mib_per_second,
                cell.p50_ms,
                cell.p99_ms,
                cell.server_cpu_us.map_or(String::new(), |it| format!("{it:.0}")),
                cell.client_cpu_us,
                cell.fsyncs.map_or(String::new(), |it| format!("{it:.3}")),
                cell.disk_flushes.map_or(String::new(), |it| format!("{it:.3}")),
                cell.bytes_written_per_byte_stored.map_or(String::new(), |it| format!("{it:.2}")),
                cell.resident_mib.map_or(String::new(), |it| format!("{it:.0}")),
                failures(&cell.failures),
            );
        }
        println!();
        for gap in &self.not_compared {
            println!("* not compared: {}: {}", gap.name.label().trim_end(), gap.reason);
        }
        if !self.not_compared.is_empty() {
            println!();
        }
    }
}

/// Rates of a few a second keep a digit behind the point.
fn rounded(rate: f64) -> String {
    if rate < 100.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// `503: 12, broken: 1`.
pub(crate) fn failures(by_status: &BTreeMap<u16, u64>) -> String {
    let one = |(status, count): (&u16, &u64)| match status {
        0 => format!("broken: {count}"),
        _ => format!("{status}: {count}"),
    };
    by_status.iter().map(one).collect::<Vec<_>>().join(", ")
}
