//! Backup and restore: the truth of an installation in a folder of files, at one consistent position, incremental, proved by digests.
//!
//! Owns: what a backup holds and in which files, the order in which it is copied, checking one, making a store of one; copies of the
//! key files, which are no part of a backup.
//! Does not own: appending records (event-log), segment files (blob-store), key files (vault), replaying (projections).
//! Invariants: `MANIFEST` names only what is durable and was read back; it is replaced whole, so a stop at any moment leaves the
//! backup before. No key file is in a backup. A restore that was cut off leaves a marker, and no store opens beside it.
//!
//! ```text
//! MANIFEST                          what there is: runs, logs, segments, each with its SHA-256
//! holdfast-backup.lock              held by whoever writes
//! runs/<number>.log                 records that came since the run before: length u32 BE, record
//! runs/<number>.rows                rows that changed since the run before (`layer`)
//! segments/seg-<16 hex>-<run>.hfs   the beginning of a segment file, as long as MANIFEST says
//! ```

mod error;
mod folder;
mod keys;
mod layer;
mod manifest;
mod restore;
mod rows;
mod segments;
mod take;
mod verify;

pub use error::{BackupError, RestoreError};
pub use keys::{KeyCopy, KeyCopyError, key_copies};
pub use restore::{Restore, RestoreAt, RestoreReport};
pub use take::BackupReport;
pub use verify::VerifyReport;

pub(crate) use keys::remove_ended;
pub(crate) use restore::unfinished;

/// How long content that the store has given up stays in a backup: as far back a restore has all of it.
pub const KEEP_DAYS: u32 = 30;
