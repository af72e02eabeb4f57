//! Why a key is not there or bytes do not open.

use std::io;
use std::path::PathBuf;

use schemas::{BucketId, KeyId, TenantId};

/// Why the vault did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No root key where the configuration says it is. Put it back; a new one opens nothing that exists.
    #[error("there is no root key in {place}")]
    RootKeyMissing {
        /// File or environment variable.
        place: String,
    },
    /// What is there is not a key. Put the right one there.
    #[error("{place} does not hold a root key: 64 hex digits, or 32 bytes in base64, are expected")]
    RootKeyMalformed {
        /// File or environment variable.
        place: String,
    },
    /// A root key, but not the one this data was sealed under. Put the right one there.
    #[error("the root key in {place} is not the one {check} was sealed under")]
    RootKeyWrong {
        /// File or environment variable.
        place: String,
        /// The file that proves it.
        check: PathBuf,
    },
    /// A file that must exist beside the data does not. Restore it from the backup of the keys.
    #[error("key file {file} is missing")]
    MissingFile {
        /// Which.
        file: PathBuf,
    },
    /// A key file is not as it was written. Restore it from the backup of the keys.
    #[error("key file {file} is damaged: {damage}")]
    Damaged {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A key was never made, or its file is gone. If it was made, restore the file from the backup of the keys.
    #[error("tenant {tenant}, bucket {bucket}: {} is not in {file}", describe(*key))]
    MissingKey {
        /// Whose.
        tenant: TenantId,
        /// Whose, or [`BucketId::NONE`] for a key of a tenant or of a name.
        bucket: BucketId,
        /// Which, if a certain one was asked for.
        key: Option<KeyId>,
        /// Where it should be.
        file: PathBuf,
    },
    /// The key was destroyed on purpose. What it sealed is erased, for ever.
    #[error("tenant {tenant}, bucket {bucket}: {} was destroyed", describe(*key))]
    Destroyed {
        /// Whose.
        tenant: TenantId,
        /// Whose, or [`BucketId::NONE`] for a key of a tenant or of a name.
        bucket: BucketId,
        /// Which, if a certain one was asked for.
        key: Option<KeyId>,
    },
    /// The bytes are not what was sealed under this key for this use: changed, or belonging elsewhere.
    #[error("a sealed {what} does not open: it was changed or belongs elsewhere")]
    Forged {
        /// What was to be opened.
        what: &'static str,
    },
    /// A key file holds as many keys as it can. Rotate no further.
    #[error("key file {file} holds as many keys as it can")]
    Full {
        /// Which.
        file: PathBuf,
    },
    /// A write of a key failed, so nobody knows which key files are durable. Keys in memory serve on; for others, start again.
    #[error("a write in {folder} failed: its key files are not trusted until the next start")]
    Untrusted {
        /// The folder of keys.
        folder: PathBuf,
    },
    /// The operating system refused. After a failed write nobody knows what is durable: stop, and start again.
    #[error("could not {doing} {path}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as a key file does.
    #[error("it is not a key file of this kind")]
    NotAKeyFile,
    /// A later version of the program wrote it, or damage hit the version byte.
    #[error("unknown version {version}")]
    Version {
        /// The version byte.
        version: u8,
    },
    /// It is shorter or longer than it says.
    #[error("wrong length {bytes}")]
    Length {
        /// Bytes there are.
        bytes: usize,
    },
    /// Bits have changed.
    #[error("the checksum does not fit")]
    Checksum,
    /// The checksum fits, but nothing that this program writes looks like this.
    #[error("its contents contradict each other")]
    Malformed,
    /// It is whole, and another tenant's or bucket's.
    #[error("it belongs to another tenant or bucket")]
    OtherOwner,
    /// It is whole, and was sealed under a key of another installation, or one that is gone.
    #[error("a key in it was not sealed under the keys of this installation")]
    Foreign,
}

fn describe(key: Option<KeyId>) -> String {
    key.map_or_else(|| "a key".to_owned(), |key| format!("key {key}"))
}
