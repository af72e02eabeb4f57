//! Why a backup or a restore was not made.

use std::io;
use std::path::{Path, PathBuf};

use event_log::{ImportError, LogError, ReadError};
use schemas::{Position, TenantId};
use vault::VaultError;

use crate::rebuild::RebuildError;
use crate::store::OpenError;

/// Why a backup was not made, or is not sound. The backup that was there before stands.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Only an owner of the whole installation may ask for one.
    #[error(transparent)]
    Refused(#[from] domain::Refusal),
    /// A file or folder cannot be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder must be named from the root: the server does not know where its client stands.
    #[error("{} is not an absolute path", folder.display())]
    NotAbsolute {
        /// As it was named.
        folder: PathBuf,
    },
    /// A copy beside the original is none.
    #[error("{} is in the data directory, or the data directory in it", folder.display())]
    Within {
        /// Which.
        folder: PathBuf,
    },
    /// Somebody else writes there, or reads it to restore it.
    #[error("{} is in use by another backup or restore", folder.display())]
    InUse {
        /// Which.
        folder: PathBuf,
    },
    /// This server makes a backup already. Wait for it.
    #[error("a backup is being made already")]
    Busy,
    /// The server stops. What was copied is used by the next run.
    #[error("the store is closing")]
    Closing,
    /// The folder holds something else. Take an empty one.
    #[error("{} is neither empty nor a backup", folder.display())]
    NotABackup {
        /// Which.
        folder: PathBuf,
    },
    /// No run has been completed there: make the backup again, which goes on with what is there.
    #[error("no backup was completed in {}", folder.display())]
    Incomplete {
        /// Which.
        folder: PathBuf,
    },
    /// Bytes are not what was written. Begin another backup in an empty folder.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What does not fit.
        what: String,
    },
    /// The log went another way since the last run there: it was restored to an earlier point. Take an empty folder.
    #[error("the backup there is of another history: of tenant {tenant} it has another record at position {position}")]
    OtherHistory {
        /// Whose log.
        tenant: TenantId,
        /// Where they differ.
        position: Position,
    },
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Rows cannot be read.
    #[error(transparent)]
    Rows(#[from] ReadError),
    /// A segment cannot be read.
    #[error(transparent)]
    Blobs(#[from] blob_store::ReadError),
}

impl BackupError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { file: file.to_owned(), what: what.into() }
    }
}

/// Why nothing, or not everything, was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// What is to be restored cannot be read, or is not sound. Nothing was written.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// Something is there already. Nothing was written: take an empty directory.
    #[error("{} is not empty: it has {entry}", folder.display())]
    NotEmpty {
        /// Which directory.
        folder: PathBuf,
        /// What is in it.
        entry: String,
    },
    /// The keys do not open, or are not those of the backup. Nothing was written.
    #[error("the keys do not fit the backup: {what}")]
    Keys {
        /// What is missing.
        what: String,
        /// Why, if the keys themselves are not sound.
        #[source]
        source: Option<VaultError>,
    },
    /// A restore that was cut off had begun to copy key files. Name the same copy again.
    #[error("an earlier restore was cut off while it copied key files: name them again")]
    KeysAgain,
    /// The point is none that the backup knows. Nothing was written.
    #[error("{what}")]
    Point {
        /// Why.
        what: String,
    },
    /// The disk refused. Restore again: it starts over.
    #[error("cannot use {}", path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The key files could not be copied. Restore again: it starts over.
    #[error("the key files could not be copied")]
    Vault(#[source] VaultError),
    /// The new log could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new log does not take the records.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The new epoch could not be begun.
    #[error("the new epoch could not be begun")]
    Reopen(#[source] event_log::AppendError),
    /// The rows of whoever follows the log could not be written.
    #[error(transparent)]
    Views(#[from] event_log::ViewsError),
    /// The projections could not be made from the log.
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    /// What was restored cannot be read.
    #[error("what was restored cannot be read: {what}")]
    Unreadable {
        /// What does not fit.
        what: String,
    },
}

impl RestoreError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
