//! What an event log is, whatever engine keeps it.
//!
//! Owns: the trait, the shapes that cross it.
//! Does not own: an engine, the meaning of an event, the rows.

use std::sync::Arc;

use schemas::event::BucketHead;
use schemas::record::{Body, Header};
use schemas::{BucketId, CommandId, Epoch, EventId, KeyId, LeafHash, Position, TenantId, Time};

use crate::purge::Journals;
use crate::table::{Changes, ReadError, Rows};

/// Opens and seals bodies. Implemented over the vault by whoever wires the program.
pub trait BodyCipher: Send + Sync {
    /// Seals a body under a key of the header's tenant (and bucket), bound to the header's bytes.
    ///
    /// # Errors
    /// When the key is not there: the event must not be written.
    fn seal(&self, header: &Header, plaintext: &[u8]) -> Result<Vec<u8>, CipherError>;

    /// Opens what [`BodyCipher::seal`] made.
    ///
    /// # Errors
    /// When key and header are right and the bytes are not.
    fn open(&self, header: &Header, sealed: &[u8]) -> Result<Opened, CipherError>;
}

/// A body, or the knowledge that its key was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The plaintext.
    Open(Vec<u8>),
    /// The key was destroyed: the event folds to nothing.
    Erased,
}

/// Why a body was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// The key is unknown, and not because it was destroyed.
    #[error("key {key} of tenant {tenant} is missing")]
    MissingKey {
        /// Whose.
        tenant: TenantId,
        /// Which.
        key: KeyId,
    },
    /// The bytes were changed.
    #[error("a sealed body does not open: it was changed")]
    Forged,
}

/// An event before it has a place: what a command's decision became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Bucket concerned, or none.
    pub bucket: BucketId,
    /// Key to seal the body with.
    pub key: KeyId,
    /// [`schemas::event::Event::type_code`].
    pub event_type: u16,
    /// [`schemas::event::Event::schema_version`].
    pub schema_version: u16,
    /// The body to seal.
    pub body: Body,
}

/// An event with its place, as `apply` takes it. `body` is none when its key was destroyed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Place, time, chain.
    pub header: Header,
    /// The opened body.
    pub body: Option<Body>,
}

/// Where a tenant's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHead {
    /// Incarnation.
    pub epoch: Epoch,
    /// Place of the next record.
    pub next: Position,
    /// Leaf hash of the last record; zeros in an empty log.
    pub head: LeafHash,
    /// Time of the last record.
    pub time: Time,
}

/// Where a reader of one log stands. On a mismatch a view rebuilds, a subscription rewinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Last record read.
    pub at: EventId,
    /// Its leaf hash.
    pub leaf: LeafHash,
}

/// What stands at a cursor's place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorState {
    /// The record that was read: go on behind it.
    Valid,
    /// Another record or none. The last position of the cursor's epoch that both know, if any.
    Diverged {
        /// Go on behind this.
        common: Option<Position>,
    },
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first (never with the embedded engine). Discard the drain's overlay and decide again.
    #[error("the log moved on")]
    Conflict,
    /// Try again later.
    #[error("the log is busy")]
    Busy,
    /// Another writer holds a higher epoch. Stop writing.
    #[error("another writer has taken over")]
    Fenced,
    /// It may or may not have been written: ask [`EventLog::resolve`].
    #[error("the outcome is unknown")]
    Unknown,
    /// The engine cannot be reached.
    #[error("the log is unavailable")]
    Unavailable,
    /// A record, row or unit is over its bound. Nothing was written; the log goes on.
    #[error("{what} of {bytes} bytes is over its bound of {bound}")]
    TooLarge {
        /// What: `record`, `row`, `unit`.
        what: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bound: usize,
    },
    /// No room on the disk. Nothing was written; the log goes on when there is room.
    #[error("the disk is full")]
    Full,
    /// A body could not be sealed. Nothing was written.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// A write or sync failed: what is on disk is unknown. The process must end; it is never tried again.
    #[error("writing the log failed")]
    Fatal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// One drain in the making: places are given, records sealed and chained; nothing is on disk until
/// [`Batch::commit`].
///
/// A batch sees its own staged records as the heads of their logs.
pub trait Batch {
    /// Stages one unit: gives its events their places, seals and chains them. Returns them as `apply` takes them.
    /// All of a unit or nothing: after an error the batch is as before the call.
    ///
    /// `command` makes the unit idempotent: it is remembered with its first position.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`], [`AppendError::Cipher`], [`AppendError::Fatal`].
    fn stage(
        &mut self,
        tenant: TenantId,
        time: Time,
        drafts: Vec<Draft>,
        command: Option<CommandId>,
    ) -> Result<Vec<Recorded>, AppendError>;

    /// Adds rows to the batch, after checking their bounds.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`]; the batch is then as before the call.
    fn change(&mut self, changes: Changes) -> Result<(), AppendError>;

    /// Where a tenant's log will stand after this batch.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn head(&mut self, tenant: TenantId) -> Result<LogHead, ReadError>;

    /// Rows changed so far.
    fn rows(&self) -> usize;

    /// Bytes so far, records and rows.
    fn bytes(&self) -> usize;

    /// Makes everything durable and visible, in one write and one sync. Returns the commit number.
    ///
    /// # Errors
    /// [`AppendError::Full`]; otherwise as [`AppendError`] says.
    fn commit(self: Box<Self>) -> Result<u64, AppendError>;
}

/// Removed rows were not purged. They are removed all the same.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// Less room than a second copy of a table needs. Asking again when there is more may succeed.
    #[error("there is no room for a second copy of a table of {bytes} bytes")]
    NoRoom {
        /// How large the table is.
        bytes: u64,
    },
    /// Rows in memory were not written out in time. Asking again may succeed.
    #[error("rows in memory take too long to be written out")]
    Slow,
    /// The engine could not: what is on disk is unknown, and the log takes no more writes.
    #[error("the storage engine could not merge its tables")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The log, or any reader over it, found something that no run of ours wrote. It stops; it never skips.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Bytes that do not fit: which tenant, position, and what is wrong with it.
    #[error("log of tenant {tenant} is corrupt at position {position}: {what}")]
    Corrupt {
        /// Whose log.
        tenant: TenantId,
        /// Where.
        position: Position,
        /// What does not fit.
        what: String,
    },
    /// The engine could not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A body does not open.
    #[error("body of tenant {tenant} at position {position} does not open")]
    Cipher {
        /// Whose log.
        tenant: TenantId,
        /// Where.
        position: Position,
        /// Why.
        #[source]
        source: CipherError,
    },
}

/// One consistent view of log and tables. Cheap to make; give it back within 30 s.
pub trait Snapshot: Rows + Send + Sync {
    /// Number of the last commit that this view shows.
    fn commit(&self) -> u64;

    /// The raw bytes of a record.
    ///
    /// # Errors
    /// What no run of ours wrote.
    fn raw(&self, tenant: TenantId, position: Position) -> Result<Option<Vec<u8>>, LogError>;

    /// A record, opened.
    ///
    /// # Errors
    /// What no run of ours wrote, or a body that does not open.
    fn record(&self, tenant: TenantId, position: Position) -> Result<Option<Recorded>, LogError>;

    /// Where a tenant's log stands; none for a tenant without a record.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn log_head(&self, tenant: TenantId) -> Result<Option<LogHead>, LogError>;

    /// Last `bucket_seq` and leaf hash of a bucket's chain.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn bucket_head(&self, tenant: TenantId, bucket: BucketId) -> Result<Option<(u64, LeafHash)>, LogError>;

    /// Every tenant that has a log, the system's first.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn tenants(&self) -> Result<Vec<TenantId>, LogError>;

    /// What stands at a cursor's place.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn check(&self, tenant: TenantId, cursor: Cursor) -> Result<CursorState, LogError>;

    /// Raw bytes of the records from `from` on, at most `max` of them, in order and without a gap.
    ///
    /// # Errors
    /// What no run of ours wrote; a gap before the head is [`LogError::Corrupt`].
    fn raw_range(&self, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Vec<u8>>, LogError>;

    /// The same, opened.
    ///
    /// # Errors
    /// As [`Snapshot::raw_range`], or a body that does not open.
    fn records(&self, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Recorded>, LogError>;

    /// Heads of all bucket chains of a tenant by bucket id, each with the position of its last record.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn bucket_heads(&self, tenant: TenantId) -> Result<Vec<(BucketHead, Position)>, LogError>;
}

/// The log: one writer, many readers.
pub trait EventLog: Send + Sync {
    /// Begins a batch. Only the sequencer calls this, from one thread.
    fn begin(&self) -> Box<dyn Batch + '_>;

    /// A consistent view of now.
    fn snapshot(&self) -> Arc<dyn Snapshot>;

    /// What became of a command: first position of its unit, if it was written.
    ///
    /// # Errors
    /// When the engine cannot read it.
    fn resolve(&self, tenant: TenantId, command: CommandId) -> Result<Option<Position>, LogError>;

    /// Number of the last durable commit.
    fn committed(&self) -> u64;

    /// Waits until `tenant`'s log has a record at `position`, or until `timeout_ms` have passed; whether it has.
    fn wait(&self, tenant: TenantId, position: Position, timeout_ms: u64) -> bool;

    /// Writes out what is in memory, so that old journals can go, and tables that a merge replaced. Blocks.
    ///
    /// # Errors
    /// [`PurgeError`].
    fn write_out(&self) -> Result<(), PurgeError>;

    /// Merges every table, so that rows that were removed are in none any more but for what a snapshot still shows. The files of
    /// before go when something was written since and is written out. Blocks, for as long as the tables take to be read and
    /// written once.
    ///
    /// # Errors
    /// [`PurgeError`].
    fn merge(&self) -> Result<(), PurgeError>;

    /// The journals that there are; none of an engine without.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    fn journals(&self) -> std::io::Result<Option<Journals>>;
}

/// Reads records of one log in order: chunks of at most `max` from `from` on.
///
/// # Errors
/// What no run of ours wrote; a gap before the head is [`LogError::Corrupt`].
pub fn read(snapshot: &dyn Snapshot, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Recorded>, LogError> {
    snapshot.records(tenant, from, max)
}
