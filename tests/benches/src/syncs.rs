//! Counting fsyncs of processes from outside, with the kernel's trace points, and flushes of the disk under them.
//!
//! Owns: running `perf stat`, which counts without stopping anybody. Where it is missing or not allowed there is no count.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::{Pid, Signal, kill_process};

use crate::process::Processes;

const EVENTS: &str = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync";
const PATIENCE: Duration = Duration::from_secs(5);

/// A count under way.
pub(crate) struct Count {
    perf: Child,
    folder: tempfile::TempDir,
    /// Held open, so that the other end never sees it closed.
    _control: File,
}

impl Count {
    /// Counts calls of fsync and fdatasync from now on.
    pub(crate) fn start(processes: &Processes) -> Result<Self> {
        ensure!(!processes.0.is_empty(), "no local process");
        let folder = tempfile::tempdir()?;
        let (asks, answers) = (folder.path().join("asks"), folder.path().join("answers"));
        for pipe in [&asks, &answers] {
            mknodat(CWD, pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        }
        // Opened for both ways, a FIFO waits for nobody.
        let open = |path: &Path| -> Result<File> {
            let file = rustix::fs::open(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
            Ok(file.into())
        };
        let (mut control, mut acknowledged) = (open(&asks)?, open(&answers)?);
        let pids = processes.0.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let mut perf = Command::new("perf")
            .args(["stat", "-x,", "-D", "-1", "-e", EVENTS, "-p", &pids, "-o"])
            .arg(folder.path().join("counted"))
            .arg("--control")
            .arg(format!("fifo:{},{}", asks.display(), answers.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("perf")?;
        control.write_all(b"enable\n")?;
        let (begun, mut answer) = (Instant::now(), [0; 16]);
        while acknowledged.read(&mut answer).is_err() {
            if perf.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                let _ = perf.kill();
                let _ = perf.wait();
                bail!("perf may not count");
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        Ok(Self { perf, folder, _control: control })
    }

    /// How many there were.
    pub(crate) fn stop(mut self) -> Result<u64> {
        let pid = i32::try_from(self.perf.id()).ok().and_then(Pid::from_raw).context("a process")?;
        kill_process(pid, Signal::INT)?;
        self.perf.wait()?;
        let text = std::fs::read_to_string(self.folder.path().join("counted"))?;
        let counts = text.lines().filter(|line| line.contains("syscalls:"));
        counts.map(|line| Ok(line.split(',').next().unwrap_or_default().parse::<u64>().unwrap_or(0))).sum()
    }
}

/// Flushes that the disk under a path has completed, whoever wanted them.
pub(crate) fn flushes(path: &Path) -> Option<u64> {
    let device = std::fs::metadata(path).ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let text = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).ok()?;
    text.split_whitespace().nth(15)?.parse().ok()
}
