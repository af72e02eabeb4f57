//! The data directory: made for its owner alone, used by one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

const LOCK: &str = "lock";

/// The lock. Held until dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataDir {
    _lock: File,
}

impl DataDir {
    /// Makes the directory if need be and takes its lock.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        Self::try_take(path)?.map_err(|who| {
            let shown = path.display();
            anyhow::anyhow!("data directory {shown} is in use by another holdfast{who}")
        })
    }

    /// The same, or none when another process has it.
    pub(crate) fn take_if_free(path: &Path) -> anyhow::Result<Option<Self>> {
        Ok(Self::try_take(path)?.ok())
    }

    /// The lock, or who has it.
    fn try_take(path: &Path) -> anyhow::Result<Result<Self, String>> {
        let shown = path.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("data directory {shown} cannot be made"))?;
        let mode = std::fs::metadata(path).with_context(|| format!("data directory {shown}"))?.permissions().mode();
        if mode & 0o077 != 0 {
            // An operator may have meant it; the secrets in it have modes of their own.
            tracing::warn!(mode = format!("{:o}", mode & 0o777), "others can look into the data directory");
        }
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(LOCK))
            .with_context(|| format!("the lock of data directory {shown} cannot be opened"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                // Who holds it is a courtesy: unreadable is still "in use".
                let _ = lock.read_to_string(&mut pid);
                let pid = pid.trim();
                return Ok(Err(if pid.is_empty() { String::new() } else { format!(" (pid {pid})") }));
            }
            Err(error) => return Err(error).with_context(|| format!("data directory {shown} cannot be locked")),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).context("writing the lock")?;
        Ok(Ok(Self { _lock: lock }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_for_its_owner_alone() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("a/b");
        let _held = DataDir::take(&path).expect("takes");
        let mode = |path: &Path| std::fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(LOCK))), (0o700, 0o600));
    }

    #[test]
    fn a_second_taker_is_told_who_has_it_until_it_is_given_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let held = DataDir::take(dir.path()).expect("takes");
        let error = DataDir::take(dir.path()).expect_err("is taken").to_string();
        let pid = std::process::id();
        assert_eq!(error, format!("data directory {} is in use by another holdfast (pid {pid})", dir.path().display()));
        drop(held);
        DataDir::take(dir.path()).expect("takes again");
    }
}
