//! Two records beside each other, cell by cell.

use std::path::Path;

use anyhow::Result;

use crate::report::{Figures, Name, Report, failures};

pub(crate) fn run(a: &Path, b: &Path) -> Result<()> {
    let (a, b) = (Report::read(a)?, Report::read(b)?);
    println!("### {} over {}\n", a.server, b.server);
    for report in [&a, &b] {
        println!("* {}: {} {}", report.server, report.machine, report.limits.describe());
    }
    println!("\nA ratio of rates above 1 and ratios of times and CPU below 1 speak for {}.\n", a.server);
    println!(
        "| what | size | clients | {} per s | {} per s | rate | p50 | p99 | server CPU | fsyncs | written | failed |",
        a.server, b.server
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    let (mut both, mut faster) = (0, 0);
    for mine in &a.cells {
        if let Some(theirs) = b.cell(&mine.name) {
            both += 1;
            faster += usize::from(mine.operations_per_second > theirs.operations_per_second);
            row(mine, theirs);
        }
    }
    println!("\n{} is faster in {faster} of {both} cells.\n", a.server);
    for (one, other) in [(&a, &b), (&b, &a)] {
        // Cells that differ in nothing but their clients are named together.
        let mut missing: Vec<(String, String, Vec<String>)> = Vec::new();
        for cell in one.cells.iter().filter(|cell| other.cell(&cell.name).is_none()) {
            let what = format!("{} {}", cell.name.family, cell.name.size_name());
            let (why, clients) = (reason(other, &cell.name), cell.name.clients.to_string());
            match missing.last_mut() {
                Some((last, because, all)) if *last == what && *because == why => all.push(clients),
                _ => missing.push((what, why, vec![clients])),
            }
        }
        for (what, why, clients) in missing {
            println!("* only {}: {what} x {}: {why}", one.server, clients.join(", "));
        }
    }
    Ok(())
}

/// Why a record has no such cell.
fn reason(report: &Report, name: &Name) -> String {
    let gap = report.not_compared.iter().find(|gap| gap.name == *name);
    gap.map_or_else(|| format!("not measured of {}", report.server), |gap| gap.reason.clone())
}

fn row(a: &Figures, b: &Figures) {
    let optional = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) if b > 0.0 => format!("{:.2}", a / b),
        _ => String::new(),
    };
    let failed = match (failures(&a.failures), failures(&b.failures)) {
        (mine, theirs) if mine.is_empty() && theirs.is_empty() => String::new(),
        (mine, theirs) => format!("{mine} / {theirs}"),
    };
    println!(
        "| {} | {} | {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {} | {} | {} | {failed} |",
        a.name.family,
        a.name.size_name(),
        a.name.clients,
        a.operations_per_second,
        b.operations_per_second,
        a.operations_per_second / b.operations_per_second,
        a.p50_ms / b.p50_ms,
        a.p99_ms / b.p99_ms,
        optional(a.server_cpu_us, b.server_cpu_us),
        optional(a.fsyncs, b.fsyncs),
        optional(a.bytes_written_per_byte_stored, b.bytes_written_per_byte_stored),
    );
}
