//! Records and rows that were written before, into a log that is being restored.
//!
//! Owns: taking raw records as they are, beginning the new epoch behind them.
//! Does not own: where they come from, whether they are proved (whoever restores walks the whole chain first).
//! Invariant: a record is written bit for bit, and only behind the one that it names as its predecessor.

use schemas::{CommandId, Position, TenantId};

use crate::fjall_log::FjallLog;
use crate::log::{AppendError, Batch, LogHead};
use crate::reopen::Reopening;
use crate::table::{Changes, ReadError};

/// Why nothing of an import was written.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The record is none, or not the next one of its log.
    #[error("record of tenant {tenant} at position {position}: {what}")]
    Misfit {
        /// Whose.
        tenant: TenantId,
        /// Which.
        position: Position,
        /// What does not fit.
        what: String,
    },
    /// Where the log stands cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// A record to take as it is.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// Its bytes.
    pub raw: &'a [u8],
    /// The command that its unit was written by: of a unit's first record alone.
    pub command: Option<CommandId>,
}

impl FjallLog {
    /// Writes records, of any logs, each behind the last of its own, and rows, all in one durable commit. Its number.
    ///
    /// Nobody else may write meanwhile: this is for a log that nobody uses yet.
    ///
    /// # Errors
    /// [`ImportError`]; nothing was written then.
    pub fn import(&self, records: &[RawRecord<'_>], rows: Vec<Changes>) -> Result<u64, ImportError> {
        let mut batch = self.core().staged();
        for record in records {
            batch.put_raw(record.raw, record.command)?;
        }
        for changes in rows {
            batch.change(changes)?;
        }
        Ok(Box::new(batch).commit()?)
    }

    /// Begins a new epoch of every log, those of `named` among them: heads that logs had in a history that ends here.
    ///
    /// # Errors
    /// [`AppendError`]; no log has a new epoch then.
    pub fn reopen(&self, reopening: &Reopening, named: &[(TenantId, LogHead)]) -> Result<(), AppendError> {
        reopening.reopen_all(self.core(), named)
    }
}
