//! What the machine can do at most, measured in the run it is set beside.

use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::Plan;
use crate::measure::median;
use crate::raw::Raw;

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// R: durable appends of one client to a raw file.
    pub(crate) durable_appends_per_second: f64,
    pub(crate) fdatasync_p50_ms: f64,
    /// Written in order, 4 MiB at a time, synced every 64 MiB.
    pub(crate) disk_mib_per_second: f64,
    /// One TCP stream from thread to thread.
    pub(crate) loopback_mib_per_second: f64,
}

impl Limits {
    pub(crate) fn measure(plan: &Plan, raw: &mut Raw) -> Result<Self> {
        let rounds = (0..3).map(|_| raw.group_commits(1, 0.5)).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            durable_appends_per_second: median(rounds.iter().map(crate::measure::Sample::per_second).collect()),
            fdatasync_p50_ms: median(rounds.iter().map(|sample| sample.p50_ms).collect()),
            disk_mib_per_second: disk(plan)?,
            loopback_mib_per_second: loopback(plan)?,
        })
    }

    pub(crate) fn describe(&self) -> String {
        format!(
            "R = {:.0}/s (fdatasync p50 {:.3} ms). Sequential durable writes to this disk: {:.0} MiB/s. Loopback TCP, one \
             stream: {:.0} MiB/s.",
            self.durable_appends_per_second,
            self.fdatasync_p50_ms,
            self.disk_mib_per_second,
            self.loopback_mib_per_second
        )
    }
}

/// What the disk takes when written in order, to a file allocated before.
fn disk(plan: &Plan) -> Result<f64> {
    let folder = plan.folder()?;
    let file = std::fs::File::create(folder.path().join("disk"))?;
    let (block, blocks) = (holdfast_tests::incompressible(3, 4 << 20), if plan.quick { 32_u64 } else { 256 });
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, blocks * block.len() as u64)?;
    let begun = std::time::Instant::now();
    for number in 0..blocks {
        file.write_all_at(&block, number * block.len() as u64)?;
        if number % 16 == 15 {
            file.sync_data()?;
        }
    }
    Ok((blocks * 4) as f64 / begun.elapsed().as_secs_f64())
}

/// What one stream over loopback takes.
fn loopback(plan: &Plan) -> Result<f64> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mebibytes = if plan.quick { 256 } else { 2048 };
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept()?;
        let block = vec![1; 1 << 20];
        (0..mebibytes).try_for_each(|_| stream.write_all(&block))
    });
    let mut stream = std::net::TcpStream::connect(address)?;
    let mut buffer = vec![0; 256 << 10];
    let begun = std::time::Instant::now();
    while stream.read(&mut buffer)? > 0 {}
    let rate = f64::from(mebibytes) / begun.elapsed().as_secs_f64();
    sender.join().map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    Ok(rate)
}
