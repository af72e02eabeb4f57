//! Copies of the key files, apart from backups: each with its date and its end, so that what was erased is gone when the last copy is.
//!
//! Owns: the form of a copy's folder, the list of copies that were made, removing those that have ended.
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
/// In the data directory: the copies that were made and are not known to be gone.
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
    /// When the server removes it.
    pub ends: Time,
    /// Key files.
    pub files: usize,
    /// SHA-256 over names and bytes of all of them.
    pub sha256: LeafHash,
    /// Whether an operator keeps it: a store was restored with it, and no server removes it.
    #[serde(default)]
    pub kept: bool,
}

impl KeyCopy {
    /// Whether the server may remove its folder: nothing else is ever removed, whatever the list says.
    fn may_go(&self, now: Time) -> bool {
        let own = format!("keys-{}", self.made.0);
        !self.kept && self.ends <= now && self.folder.file_name().is_some_and(|name| name == own.as_str())
    }
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

/// The copies of an installation's keys that may still be somewhere: those that have not ended by `now`, and those that have and could
/// not be removed yet. When the last of them is gone, what was erased is gone from all.
///
/// # Errors
/// A list that cannot be read: nobody knows then.
pub fn key_copies(data: &Path, now: Time) -> io::Result<Vec<KeyCopy>> {
    let mut copies = listed(data)?;
    copies.retain(|copy| copy.ends > now || copy.folder.exists());
    Ok(copies)
}

/// Every copy of the list.
fn listed(data: &Path) -> io::Result<Vec<KeyCopy>> {
    match std::fs::read(data.join(LIST)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn write_list(data: &Path, copies: &[KeyCopy]) -> Result<(), BackupError> {
    replace(&data.join(LIST), &serde_json::to_vec_pretty(copies).expect("plain texts and numbers"))
}

/// Removes the copies that have ended, cut-off ones among them, wherever the list says they are. How many those were.
///
/// # Errors
/// A list that cannot be read or written. A copy that cannot be removed stays in it, and is tried again.
pub(crate) fn remove_ended(data: &Path, now: Time) -> Result<usize, BackupError> {
    let copies = listed(data).map_err(BackupError::io(&data.join(LIST)))?;
    let mut removed = 0;
    for copy in copies.iter().filter(|copy| copy.may_go(now)) {
        match std::fs::remove_dir_all(&copy.folder) {
            Ok(()) => removed += 1,
            // Where its disk is not there now, it may come back: it stays listed while the folder above it is missing too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(%error, folder = %copy.folder.display(), "an ended copy of keys is still there")
            }
        }
    }
    let gone =
        |copy: &KeyCopy| copy.ends <= now && !copy.folder.exists() && copy.folder.parent().is_some_and(Path::is_dir);
    let left: Vec<KeyCopy> = copies.iter().filter(|copy| !gone(copy)).cloned().collect();
    if left != copies {
        write_list(data, &left)?;
    }
    Ok(removed)
}

/// Lists the copy that a store was restored with: it outlives the store that made it.
pub(super) fn list_restored(data: &Path, copy: &Path) -> Result<(), BackupError> {
    // Whoever copied the files by hand has no such description, and knows.
    let Ok(bytes) = std::fs::read(copy.join(COPY)) else { return Ok(()) };
    let Ok(described) = serde_json::from_slice::<KeyCopy>(&bytes) else { return Ok(()) };
    let folder = copy.canonicalize().map_err(BackupError::io(copy))?;
    write_list(data, &[KeyCopy { folder, kept: true, ..described }])
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

impl Store {
    /// Copies the key files into a new folder below `to`, and removes copies that have ended. How many those were.
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
        let copy = KeyCopy {
            folder: folder.clone(),
            made: now,
            ends,
            files: files.len(),
            sha256: digest(&files),
            kept: false,
        };
        // Before there is anything to know of: a copy that nobody lists would outlive what it was to forget.
        let mut copies = listed(data).map_err(BackupError::io(&data.join(LIST)))?;
        copies.push(copy.clone());
        write_list(data, &copies)?;
        vault::write_key_files(&folder, &files)?;
        if vault::key_files_in(&folder)? != files {
            return Err(KeyCopyError::Different { folder });
        }
        replace(&folder.join(COPY), &serde_json::to_vec_pretty(&copy).expect("plain texts and numbers"))?;
        sync_folder(to)?;
        let removed = remove_ended(data, now)?;
        tracing::info!(files = copy.files, removed, "the key files were copied");
        Ok((copy, removed))
    }
}
