//! `DATA/keys/` on disk: where which file lies, and how one is replaced.
//!
//! Owns: paths, modes (files 0600, folders 0700), durability, leftovers of a crash. Does not own: what is in a file.
//! Invariants: a key file is whole, old or new, whatever moment the power goes. Once a folder could not be synced, this process
//! takes nothing from a file any more: it sees what a power cut would take away, and a second fsync that succeeds proves nothing.
//!
//! ```text
//! root.check                          proves that a root key is the right one
//! checkpoint.key                      signs checkpoints; made when the first one is asked for
//! tenant-<16 hex>.key                 a tenant's keys
//! t-<16 hex>/bucket-<16 hex>.key      a bucket's keys; a folder for each tenant, for there may be 10,000 buckets
//! t-<16 hex>/named-<16 hex>.key       the keys of one name (SSE-KMS), by the number of the name
//! tmp/                                files being written; emptied at every start
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use schemas::TenantId;

use crate::entropy;
use crate::error::VaultError;
use crate::ring_file::{Holder, Owner};

pub(crate) struct KeysFolder {
    path: PathBuf,
    /// Set for good when a folder could not be synced.
    failed: AtomicBool,
    /// Makes the names in a folder durable. Tests put one here that fails.
    pub(crate) sync_folder: fn(&Path) -> io::Result<()>,
}

impl KeysFolder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), failed: AtomicBool::new(false), sync_folder }
    }

    /// Makes the folder if it is not there, and keeps other processes from doing the same until the lock is dropped.
    pub(crate) fn make_and_lock(&self) -> Result<File, VaultError> {
        make_folder(&self.path)?;
        // Even if it was there: a first start that was killed may have made it and not come this far.
        self.sync_parent(&self.path)?;
        let lock = File::open(&self.path).map_err(failed("open", &self.path))?;
        lock.lock().map_err(failed("lock", &self.path))?;
        Ok(lock)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root_check(&self) -> PathBuf {
        self.path.join("root.check")
    }

    pub(crate) fn checkpoint_key(&self) -> PathBuf {
        self.path.join("checkpoint.key")
    }

    pub(crate) fn ring(&self, owner: Owner) -> PathBuf {
        let of_tenant = || self.tenant_folder(owner.tenant);
        match owner.holder {
            Holder::Tenant => self.path.join(format!("tenant-{:016x}.key", owner.tenant.0)),
            Holder::Bucket(bucket) => of_tenant().join(format!("bucket-{:016x}.key", bucket.0)),
            Holder::Named(key) => of_tenant().join(format!("named-{:016x}.key", key.number())),
        }
    }

    /// Tenants that have a key file. Other names are none of ours: an operator may have put a copy there.
    pub(crate) fn tenants(&self) -> Result<Vec<TenantId>, VaultError> {
        let mut tenants = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed("list", &self.path))? {
            let name = entry.map_err(failed("list", &self.path))?.file_name();
            tenants.extend(name.to_str().and_then(tenant_of));
        }
        tenants.sort_unstable();
        Ok(tenants)
    }

    /// Makes durable what lies here already. A process killed between rename and fsync leaves a file that its successor
    /// sees and uses, and that a power cut could still take away from under what was sealed with it.
    pub(crate) fn sync(&self, tenants: &[TenantId]) -> Result<(), VaultError> {
        for tenant in tenants {
            let folder = self.tenant_folder(*tenant);
            match File::open(&folder).and_then(|folder| folder.sync_all()) {
                // A backup may have left out a folder that held nothing.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("sync", &folder)(error)),
                _ => {}
            }
        }
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(failed("sync", &self.path))
    }

    /// Removes what a crash left half-written.
    pub(crate) fn clean(&self) -> Result<(), VaultError> {
        let temporary = self.temporary();
        let entries = match fs::read_dir(&temporary) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("list", &temporary)(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed("list", &temporary))?.path();
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
        Ok(())
    }

    /// Makes the folder of a tenant's bucket keys durable, before the tenant is.
    pub(crate) fn make_tenant_folder(&self, tenant: TenantId) -> Result<(), VaultError> {
        self.check()?;
        let folder = self.tenant_folder(tenant);
        // One that was there is durable: every start syncs, and an fsync that failed since has been refused above.
        if make_folder(&folder)? { self.sync_parent(&folder) } else { Ok(()) }
    }

    /// Puts `bytes` in the place of `file`; durable when it returns.
    pub(crate) fn replace(&self, file: &Path, bytes: &[u8]) -> Result<(), VaultError> {
        self.check()?;
        let temporary = self.temporary();
        // Nobody misses it after a crash.
        make_folder(&temporary)?;
        replace_through(&temporary.join(hex::encode(entropy::bytes::<16>())), file, bytes)?;
        // fsync the folder too: without it a crash can forget a file that was itself synced.
        self.sync_parent(file)
    }

    /// A key file's bytes, as [`read`]. None are to be had that may not be durable.
    pub(crate) fn read(&self, file: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, VaultError> {
        self.check()?;
        read(file, bytes_max)
    }

    fn check(&self) -> Result<(), VaultError> {
        match self.failed.load(Ordering::Acquire) {
            true => Err(VaultError::Untrusted { folder: self.path.clone() }),
            false => Ok(()),
        }
    }

    fn sync_parent(&self, path: &Path) -> Result<(), VaultError> {
        let parent = parent(path);
        (self.sync_folder)(parent).map_err(|error| {
            self.failed.store(true, Ordering::Release);
            failed("sync", parent)(error)
        })
    }

    fn tenant_folder(&self, tenant: TenantId) -> PathBuf {
        self.path.join(format!("t-{:016x}", tenant.0))
    }

    fn temporary(&self) -> PathBuf {
        self.path.join("tmp")
    }
}

pub(crate) fn tenant_of(name: &str) -> Option<TenantId> {
    let digits = name.strip_prefix("tenant-")?.strip_suffix(".key")?;
    let tenant = TenantId(u64::from_str_radix(digits, 16).ok()?);
    (name == format!("tenant-{:016x}.key", tenant.0)).then_some(tenant)
}

/// Writes `bytes` to `temporary`, then moves it to `file`. Both lie on one file system. Its name is durable only once the folder
/// is synced.
pub(crate) fn replace_through(temporary: &Path, file: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let written = write(temporary, bytes);
    if let Err(error) = written.and_then(|()| fs::rename(temporary, file).map_err(failed("replace", file))) {
        // The error that counts is the first one; the next start removes what this cannot.
        let _ = fs::remove_file(temporary);
        return Err(error);
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), VaultError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(failed("create", path))?;
    file.write_all(bytes).map_err(failed("write", path))?;
    file.sync_all().map_err(failed("sync", path))
}

/// Whether it had to be made.
fn make_folder(path: &Path) -> Result<bool, VaultError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("create", path)(error)),
    }
}

/// Makes the name of a file or folder durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), VaultError> {
    let parent = parent(path);
    sync_folder(parent).map_err(failed("sync", parent))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A file's bytes, at most `bytes_max` and one more; none if it is not there.
pub(crate) fn read(path: &Path, bytes_max: usize) -> Result<Option<Vec<u8>>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> VaultError {
    let path = path.to_owned();
    move |source| VaultError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_file_has_one_spelling() {
        assert_eq!(tenant_of("tenant-00000000000000ff.key"), Some(TenantId(255)));
        for name in ["tenant-ff.key", "tenant-00000000000000FF.key", "tenant-00000000000000ff.key.bak", "t-1", ""] {
            assert_eq!(tenant_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_replacement_that_fails_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = KeysFolder::new(folder.path());
        let target = folder.path().join("taken");
        fs::create_dir(&target).expect("a folder in the way");
        assert!(keys.replace(&target, b"bytes").is_err());
        assert!(target.is_dir());
        assert_eq!(fs::read_dir(keys.temporary()).expect("lists").count(), 0);
    }
}
