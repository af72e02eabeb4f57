//! What the kernel says of processes that are measured: CPU, bytes written, memory, and which of them listens on a port.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::measure::{cpu, status_bytes};

/// The processes of one server. None of a server on another machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes(pub(crate) Vec<u32>);

impl Processes {
    /// Whoever listens there, on this machine.
    pub(crate) fn listening(address: SocketAddr) -> Self {
        let Some(socket) = socket(address) else { return Self::default() };
        let held = format!("socket:[{socket}]");
        let holds = |pid: &u32| {
            let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == held.as_str())
        };
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(pids.filter(holds).collect())
    }

    fn sum<T: std::iter::Sum<T>>(&self, of: impl Fn(u32) -> Result<T>) -> Option<T> {
        if self.0.is_empty() {
            return None;
        }
        self.0.iter().map(|pid| of(*pid)).sum::<Result<T>>().ok()
    }

    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.sum(cpu)
    }

    /// Bytes that they caused to be written to disk.
    pub(crate) fn written_bytes(&self) -> Option<u64> {
        self.sum(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
            let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: ")).context("write_bytes")?;
            Ok(line.parse::<u64>()?)
        })
    }

    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.sum(|pid| status_bytes(pid, "VmRSS"))
    }
}

/// The inode of the listening socket.
fn socket(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let port = format!(":{:04X}", address.port());
    tables.iter().flat_map(|table| table.lines().skip(1)).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // Local address, state (0A listens) and inode of proc(5).
        (fields.get(1)?.ends_with(&port) && *fields.get(3)? == "0A").then(|| fields.get(9).map(|&it| it.to_owned()))?
    })
}
