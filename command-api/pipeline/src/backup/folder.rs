//! The folder of a backup: who may use it, putting files in it so that a crash leaves what was there.
//!
//! Owns: its lock, replacing `MANIFEST`, removing what no manifest names, digests of files.
//! Does not own: what is in the files.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use schemas::LeafHash;
use sha2::{Digest, Sha256};

use super::error::BackupError;
use super::manifest::{Manifest, Run};

const MANIFEST: &str = "MANIFEST";
const LOCK: &str = "holdfast-backup.lock";
const RUNS: &str = "runs";
const SEGMENTS: &str = "segments";
/// Most bytes of a manifest that is read.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;

/// A backup's folder, held until this is dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: Option<File>,
}

impl Folder {
    /// Opens or makes a folder to write to, and what its manifest says. What a run that was cut off left there is removed or
    /// cut back, but for copies of segments that the manifest names.
    pub(super) fn to_write(path: &Path) -> Result<(Self, Manifest), BackupError> {
        let new = match std::fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(BackupError::io(path)(error)),
        };
        if !new && !path.join(LOCK).exists() {
            return Err(BackupError::NotABackup { folder: path.to_owned() });
        }
        make(path)?;
        let lock_path = path.join(LOCK);
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = lock.map_err(BackupError::io(&lock_path))?;
        locked(lock.try_lock(), path)?;
        let folder = Self { path: path.to_owned(), _lock: Some(lock) };
        make(&folder.runs())?;
        make(&folder.segments())?;
        sync_folder(path)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_folder(parent)?;
        }
        let manifest = folder.manifest()?.unwrap_or_default();
        folder.clean(&manifest)?;
        Ok((folder, manifest))
    }

    /// Opens a folder to read what is there. At least one run was completed.
    pub(super) fn to_read(path: &Path) -> Result<(Self, Manifest), BackupError> {
        let lock = match File::open(path.join(LOCK)) {
            Ok(lock) => {
                locked(lock.try_lock_shared(), path)?;
                Some(lock)
            }
            // A copy of a backup may lack it.
            Err(_) => None,
        };
        let folder = Self { path: path.to_owned(), _lock: lock };
        let manifest = folder.manifest()?;
        let begun = folder._lock.is_some();
        match manifest {
            Some(manifest) if !manifest.runs.is_empty() => Ok((folder, manifest)),
            None if !begun => Err(BackupError::NotABackup { folder: path.to_owned() }),
            _ => Err(BackupError::Incomplete { folder: path.to_owned() }),
        }
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.path.join(RUNS)
    }

    pub(super) fn segments(&self) -> PathBuf {
        self.path.join(SEGMENTS)
    }

    pub(super) fn manifest_file(&self) -> PathBuf {
        self.path.join(MANIFEST)
    }

    fn manifest(&self) -> Result<Option<Manifest>, BackupError> {
        let path = self.manifest_file();
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(MANIFEST_BYTES_MAX).read_to_end(&mut bytes).map_err(BackupError::io(&path))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BackupError::io(&path)(error)),
        };
        Manifest::decode(&bytes).map(Some).map_err(|what| BackupError::damaged(&path, what))
    }

    /// Puts a manifest in the place of the one that is there, and removes what it names no more.
    pub(super) fn commit(&self, manifest: &Manifest) -> Result<(), BackupError> {
        sync_folder(&self.runs())?;
        sync_folder(&self.segments())?;
        replace(&self.manifest_file(), &manifest.encode())?;
        self.clean(manifest)
    }

    fn clean(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let mut named: BTreeSet<String> = manifest.runs.iter().map(Run::log_file).collect();
        named.extend(manifest.layers().map(|(number, _)| Run::rows_file(number)));
        remove_others(&self.runs(), &named)?;
        remove_others(&self.segments(), &manifest.segments.iter().map(super::manifest::Segment::file).collect())
    }
}

fn locked(tried: Result<(), TryLockError>, folder: &Path) -> Result<(), BackupError> {
    match tried {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BackupError::InUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => Err(BackupError::io(folder)(error)),
    }
}

fn make(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(BackupError::io(path))
}

fn remove_others(folder: &Path, named: &BTreeSet<String>) -> Result<(), BackupError> {
    for entry in std::fs::read_dir(folder).map_err(BackupError::io(folder))? {
        let entry = entry.map_err(BackupError::io(folder))?;
        if entry.file_name().to_str().is_none_or(|name| !named.contains(name)) {
            std::fs::remove_file(entry.path()).map_err(BackupError::io(&entry.path()))?;
        }
    }
    Ok(())
}

pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(BackupError::io(path))
}

/// Puts bytes in the place of a file: old or new is there, whatever moment the power goes.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BackupError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = private().truncate(true).open(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(BackupError::io(&new))?;
    std::fs::rename(&new, path).map_err(BackupError::io(path))?;
    // fsync the folder too: without it a crash can forget a file that was itself synced.
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// How files are opened to be written: for their owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// A file that is being written, and the digest of what was.
pub(super) struct Writing {
    path: PathBuf,
    file: BufWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Writing {
    pub(super) fn begin(path: PathBuf) -> Result<Self, BackupError> {
        let file = private().truncate(true).open(&path).map_err(BackupError::io(&path))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 20, file), hasher: Sha256::new(), bytes: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(BackupError::io(&self.path))
    }

    /// Bytes and digest since the last call.
    pub(super) fn mark(&mut self) -> (u64, LeafHash) {
        let hasher = std::mem::replace(&mut self.hasher, Sha256::new());
        (std::mem::take(&mut self.bytes), LeafHash(hasher.finalize().into()))
    }

    /// Makes what was written durable; the file's name is when its folder is synced.
    pub(super) fn end(self) -> Result<(), BackupError> {
        let file = self.file.into_inner().map_err(|error| BackupError::io(&self.path)(error.into_error()))?;
        file.sync_all().map_err(BackupError::io(&self.path))
    }
}

/// A file that is being read, and the digest of what was.
pub(super) struct Reading {
    path: PathBuf,
    file: BufReader<File>,
    hasher: Sha256,
}

impl Reading {
    pub(super) fn begin(path: PathBuf) -> Result<Self, BackupError> {
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file: BufReader::with_capacity(1 << 18, file), hasher: Sha256::new() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BackupError::damaged(&path, "it is missing")),
            Err(error) => Err(BackupError::io(&path)(error)),
        }
    }

    pub(super) fn read(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.file.read_exact(bytes) {
            Ok(()) => {
                self.hasher.update(bytes);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.damaged("it is too short")),
            Err(error) => Err(BackupError::io(&self.path)(error)),
        }
    }

    /// Whether what was read since the last call has this digest.
    pub(super) fn expect(&mut self, sha256: LeafHash) -> Result<(), BackupError> {
        let hasher = std::mem::replace(&mut self.hasher, Sha256::new());
        let found = LeafHash(hasher.finalize().into());
        if found == sha256 { Ok(()) } else { Err(self.damaged("its digest does not fit")) }
    }

    /// Reads so many bytes, a piece at a time.
    pub(super) fn stream(
        &mut self,
        mut bytes: u64,
        mut each: impl FnMut(&[u8]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let mut buffer = vec![0; 1 << 18];
        while bytes > 0 {
            let length = usize::try_from(bytes).map_or(buffer.len(), |left| left.min(buffer.len()));
            self.read(&mut buffer[..length])?;
            each(&buffer[..length])?;
            bytes -= length as u64;
        }
        Ok(())
    }

    /// Whether the file ends here.
    pub(super) fn end(&mut self) -> Result<(), BackupError> {
        let mut more = [0];
        match self.file.read(&mut more) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("it is longer than it should be")),
            Err(error) => Err(BackupError::io(&self.path)(error)),
        }
    }

    pub(super) fn damaged(&self, what: &str) -> BackupError {
        BackupError::damaged(&self.path, what)
    }
}
