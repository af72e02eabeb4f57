//! Copies of the key files, apart from backups: each with its date and its end, so that what was erased is gone when the last copy is.
//!
//! Owns: the form of a copy's folder, removing copies that have ended, the list of copies that were made.
//! Does not own: key files (vault). The root key is in no copy: it is the operator's to keep.
//! Invariants: no copy is ever written over. The list in the data directory names a copy before it is complete.

use std::io;
use std::path::{Path, PathBuf};

use schemas::{LeafHash, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vault::{KeyFile, VaultError};

use super::error::BackupError;
use super::folder::{replace, sync_folder};
use super::take::{apart, owner};
use crate::api::AdminCaller;
use crate::store::Store;

/// Says what a copy is. Its last file.
const COPY: &str = "COPY.json";
/// In the data directory: the copies that were made and have not ended.
const LIST: &str = "key-copies.json";
const DAY_US: u64 = 86_400 * 1_000_000;

/// A copy of the key files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyCopy {
    /// Its folder.
    pub folder: PathBuf,
    /// When it was made.
    pub made: Time,
    /// When it is to be removed. `holdfast backup-keys` removes those in its folder that have ended.
    pub ends: Time,
    /// Key files.
    pub files: usize,
    /// SHA-256 over names and bytes of all of them.
    pub sha256: LeafHash,
}

/// Why no copy was made.
#[derive(Debug, thiserror::Error)]
pub enum KeyCopyError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] BackupError),
    /// There is one of the same moment. Ask again.
    #[error("{} is there already", folder.display())]
    Exists {
        /// Which.
        folder: PathBuf,
    },
    /// The key files cannot be read, or the copy not be written.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What was written does not read back.
    #[error("{} does not read back as it was written", folder.display())]
    Different {
        /// Which.
        folder: PathBuf,
    },
}

/// The copies of an installation's keys that were made and have not ended by `now`: when the last of them ends, what was
/// erased is gone from all of them.
///
/// # Errors
/// A list that cannot be read: nobody knows then.
pub fn key_copies(data: &Path, now: Time) -> io::Result<Vec<KeyCopy>> {
    let bytes = match std::fs::read(data.join(LIST)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut copies: Vec<KeyCopy> = serde_json::from_slice(&bytes)?;
    copies.retain(|copy| copy.ends > now);
    Ok(copies)
}

/// Lists the copy that a store was restored with: it outlives the store that made it.
pub(super) fn list_restored(data: &Path, copy: &Path) -> Result<(), BackupError> {
    // Whoever copied the files by hand has no such description, and knows.
    let Ok(bytes) = std::fs::read(copy.join(COPY)) else { return Ok(()) };
    let Ok(described) = serde_json::from_slice::<KeyCopy>(&bytes) else { return Ok(()) };
    let folder = copy.canonicalize().map_err(BackupError::io(copy))?;
    let list = [KeyCopy { folder, ..described }];
    replace(&data.join(LIST), &serde_json::to_vec_pretty(&list).expect("plain texts and numbers"))
}

fn digest(files: &[KeyFile]) -> LeafHash {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_os_str().as_encoded_bytes(), bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    LeafHash(hasher.finalize().into())
}

/// Removes the copies in a folder that have ended. Others are left alone.
fn remove_ended(folder: &Path, now: Time) -> Result<usize, BackupError> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).map_err(BackupError::io(folder))? {
        let path = entry.map_err(BackupError::io(folder))?.path();
        let Ok(bytes) = std::fs::read(path.join(COPY)) else { continue };
        let Ok(copy) = serde_json::from_slice::<KeyCopy>(&bytes) else { continue };
        if copy.ends <= now {
            std::fs::remove_dir_all(&path).map_err(BackupError::io(&path))?;
            removed += 1;
        }
    }
    sync_folder(folder)?;
    Ok(removed)
}

impl Store {
    /// Copies the key files into a new folder below `to`, and removes copies there that have ended. How many those were.
    ///
    /// # Errors
    /// [`KeyCopyError`]; a copy that was cut off lacks its last files and opens nowhere.
    pub async fn admin_copy_keys(
        &self,
        admin: &AdminCaller,
        to: PathBuf,
        keep_days: u32,
    ) -> Result<(KeyCopy, usize), KeyCopyError> {
        owner(admin).map_err(BackupError::from)?;
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || store.copy_keys(&to, keep_days)).await;
        done.unwrap_or_else(|panic| {
            let source = io::Error::other(panic);
            Err(BackupError::Io { path: PathBuf::from("keys"), source }.into())
        })
    }

    /// The same, on this thread.
    ///
    /// # Errors
    /// [`KeyCopyError`].
    pub fn copy_keys(&self, to: &Path, keep_days: u32) -> Result<(KeyCopy, usize), KeyCopyError> {
        let inner = &self.inner;
        let _alone = inner.standing.backing_up.try_lock().ok_or(BackupError::Busy)?;
        let data = &inner.settings.data;
        apart(to, data)?;
        std::fs::create_dir_all(to).map_err(BackupError::io(to))?;
        let now = inner.clock.wall();
        let folder = to.join(format!("keys-{}", now.0));
        if folder.exists() {
            return Err(KeyCopyError::Exists { folder });
        }
        let files = inner.contents.vault.key_files()?;
        let ends = Time(now.0.saturating_add(u64::from(keep_days) * DAY_US));
        let copy = KeyCopy { folder: folder.clone(), made: now, ends, files: files.len(), sha256: digest(&files) };
        // Before there is anything to know of: a copy that nobody lists would outlive what it was to forget.
        let mut copies = key_copies(data, now).map_err(BackupError::io(&data.join(LIST)))?;
        copies.push(copy.clone());
        replace(&data.join(LIST), &serde_json::to_vec_pretty(&copies).expect("plain texts and numbers"))?;
        vault::write_key_files(&folder, &files)?;
        if vault::key_files_in(&folder)? != files {
            return Err(KeyCopyError::Different { folder });
        }
        replace(&folder.join(COPY), &serde_json::to_vec_pretty(&copy).expect("plain texts and numbers"))?;
        sync_folder(to)?;
        let removed = remove_ended(to, now)?;
        tracing::info!(files = copy.files, removed, "the key files were copied");
        Ok((copy, removed))
    }
}
