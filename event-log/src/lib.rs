//! The memory: owns both fjall databases; append, read, tail, cursors, idempotency.
//!
//! Owns: the order of every log; the fsync; record storage; the checks before and after opening.
//! Does not own: what an event means, which rows there are, sealing, retries.
//! Invariant: a position is visible to readers only after its batch is on disk.

mod batch;
mod checks;
mod clock;
mod core;
mod disk;
mod engine;
mod fjall_log;
mod format;
mod head;
mod import;
mod inventory;
mod journal;
mod log;
mod memory;
mod open;
mod purge;
mod reopen;
mod replace;
mod scratch;
mod seal;
mod steady;
mod table;
mod upkeep;
mod view;
mod views;

pub use batch::{BATCH_BYTES_MAX, UNIT_BYTES_MAX, UNIT_EVENTS_MAX, UNIT_ROWS_MAX};
pub use clock::RetentionClock;
pub use disk::is_guarded;
pub use fjall_log::FjallLog;
pub use import::{ImportError, RawRecord};
pub use log::{
    AppendError, Batch, BodyCipher, CipherError, Cursor, CursorState, Draft, EventLog, LogError, LogHead, Opened,
    PurgeError, Recorded, Snapshot, read,
};
pub use memory::{MemoryLog, PlainCipher};
pub use open::{OpenError, Options};
pub use purge::{JOURNAL_BYTES, Journals, PADDING_BYTES, padding};
pub use reopen::Reopening;
pub use replace::ReplaceError;
pub use scratch::{Scratch, ScratchError};
pub use seal::{LastSeal, SEAL_PARTS_PER_UNIT, Seal, seal_due};
pub use steady::IsSteady;
pub use table::{Change, Changes, ROW_BYTES_MAX, ReadError, Row, RowIter, Rows, Table, prefix, prefix_end};
pub use views::{Views, ViewsError, ViewsSnapshot};
