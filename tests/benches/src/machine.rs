//! What the figures were taken on, without naming the machine.

use std::path::Path;

use anyhow::Result;

/// Cores, memory, kernel, file system, load.
pub(crate) fn describe(data: &Path) -> Result<String> {
    std::fs::create_dir_all(data)?;
    let data = data.canonicalize()?;
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, it)| it);
    let memory = read("/proc/meminfo");
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel = kernel.trim().split('-').next().unwrap_or_default();
    // The mount with the longest path that holds the data.
    let mounts = read("/proc/mounts");
    let mount = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (at, kind) = (fields.next()?, fields.next()?);
        data.starts_with(at).then_some((at.len(), kind))
    });
    let kind = mount.max().map_or("", |(_, kind)| kind);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!("{cores} cores ({model}), {} GiB, Linux {kernel}, {kind}; load before: {load}", kib >> 20))
}
