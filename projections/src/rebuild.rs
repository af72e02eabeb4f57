//! Rebuild: rows from the log alone, and whether the standing ones are the same.
//!
//! Owns: the replay in order, the comparison.
//! Does not own: where the fresh rows go ([`Sink`]), switching to them.

use event_log::{Changes, LogError, ReadError, Recorded, Rows, Scratch, ScratchError, Snapshot, read};
use schemas::{LeafHash, Position, TenantId};

use crate::apply::{ApplyError, apply};
use crate::digest::digest_of_meaning;
use crate::memory::MemoryRows;
use crate::row::RowError;
use crate::tables::TABLES;

/// Where fresh rows go: memory for tests, scratch rows on disk for a store of any size.
pub trait Sink {
    /// The rows written so far: all of them, at once.
    fn rows(&self) -> &dyn Rows;

    /// Writes what one event changed.
    ///
    /// # Errors
    /// When it cannot.
    fn write(&mut self, changes: Changes) -> Result<(), SinkError>;
}

impl Sink for Scratch {
    fn rows(&self) -> &dyn Rows {
        self
    }

    fn write(&mut self, changes: Changes) -> Result<(), SinkError> {
        Ok(Scratch::write(self, changes)?)
    }
}

impl From<ScratchError> for SinkError {
    fn from(error: ScratchError) -> Self {
        Self(Box::new(error))
    }
}

/// Fresh rows could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write fresh rows")]
pub struct SinkError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

impl Sink for MemoryRows {
    fn rows(&self) -> &dyn Rows {
        self
    }

    fn write(&mut self, changes: Changes) -> Result<(), SinkError> {
        MemoryRows::write(self, changes);
        Ok(())
    }
}

/// Why a rebuild stopped. What was written to the sink is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An event does not fold: a later version wrote it, or a record is malformed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Rows cannot be read for comparison.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The sink failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl From<ReadError> for RebuildError {
    fn from(error: ReadError) -> Self {
        RebuildError::Row(error.into())
    }
}

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rebuilt {
    /// Tenants, by log or by rows, the system's among them.
    pub tenants: usize,
    /// Events replayed.
    pub events: u64,
    /// Tables whose standing rows are not what the log says. Empty when all is well.
    pub mismatches: Vec<Mismatch>,
    /// Digest of each table of each tenant, as the log says it is.
    pub digests: Vec<TenantDigests>,
}

/// A tenant and the digest of each of its tables, by name.
pub type TenantDigests = (TenantId, Vec<(&'static str, LeafHash)>);

/// What a comparison of standing rows with replayed ones found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Tables that differ.
    pub mismatches: Vec<Mismatch>,
    /// Digest of each table of each tenant, of the replayed rows.
    pub digests: Vec<TenantDigests>,
}

/// A tenant's table whose standing rows differ from the rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Whose.
    pub tenant: TenantId,
    /// Table by name.
    pub table: &'static str,
    /// Digest of the standing rows.
    pub standing: LeafHash,
    /// Digest of the rebuilt ones.
    pub rebuilt: LeafHash,
}

/// Records read at a time.
const CHUNK: usize = 1_024;

/// Replays every log of a snapshot from 0 into an empty sink and compares the digests with the snapshot's own rows.
///
/// # Errors
/// [`RebuildError`]. An event of an unknown type stops it: skipping would make rows that look right.
pub fn rebuild(snapshot: &dyn Snapshot, sink: &mut dyn Sink) -> Result<Rebuilt, RebuildError> {
    let events = replay(snapshot, sink)?;
    let Compared { mismatches, digests } = compare(snapshot, sink.rows())?;
    Ok(Rebuilt { tenants: digests.len(), events, mismatches, digests })
}

/// Replays every log of a snapshot from 0 into an empty sink. How many events that were.
///
/// # Errors
/// As [`rebuild`].
pub fn replay(snapshot: &dyn Snapshot, sink: &mut dyn Sink) -> Result<u64, RebuildError> {
    let mut events = 0;
    for tenant in snapshot.tenants()? {
        events += replay_log(snapshot, tenant, sink)?;
    }
    Ok(events)
}

/// Compares a snapshot's own rows with replayed ones, by digest of what they say, whichever version wrote them.
///
/// # Errors
/// [`RebuildError`] when rows cannot be read.
pub fn compare(snapshot: &dyn Snapshot, fresh: &dyn Rows) -> Result<Compared, RebuildError> {
    let mut tenants = snapshot.tenants()?;
    // Standing rows of a tenant without a log are wrong too.
    tenants.extend(tenants_with_rows(snapshot)?);
    tenants.push(TenantId::SYSTEM);
    tenants.sort_unstable();
    tenants.dedup();

    let mut compared = Compared::default();
    // After all logs: every tenant's access keys write into the system's directory.
    for &tenant in &tenants {
        let standing = digest_of_meaning(snapshot, tenant)?;
        let rebuilt = digest_of_meaning(fresh, tenant)?;
        for ((table, standing), (_, rebuilt)) in standing.into_iter().zip(rebuilt.iter().copied()) {
            if standing != rebuilt {
                compared.mismatches.push(Mismatch { tenant, table, standing, rebuilt });
            }
        }
        compared.digests.push((tenant, rebuilt));
    }
    Ok(compared)
}

/// Replays one record behind those that the sink has.
///
/// # Errors
/// As [`rebuild`].
pub fn replay_record(sink: &mut dyn Sink, recorded: &Recorded) -> Result<(), RebuildError> {
    let changes = apply(sink.rows(), recorded)?;
    Ok(sink.write(changes)?)
}

fn replay_log(snapshot: &dyn Snapshot, tenant: TenantId, sink: &mut dyn Sink) -> Result<u64, RebuildError> {
    let mut next = Position(0);
    loop {
        let chunk = read(snapshot, tenant, next, CHUNK)?;
        let Some(last) = chunk.last() else { return Ok(next.0) };
        next = last.header.position.next();
        for recorded in &chunk {
            replay_record(sink, recorded)?;
        }
    }
}

/// Tenants that have a row in any table, by seeking from one to the next.
fn tenants_with_rows(rows: &dyn Rows) -> Result<Vec<TenantId>, ReadError> {
    use std::ops::Bound;
    let mut tenants = Vec::new();
    for &table in TABLES {
        let mut from = Bound::Unbounded;
        while let Some(row) = rows.range(table, from, Bound::Unbounded).next() {
            let (key, _) = row?;
            let Some((tenant, _)) = key.split_first_chunk::<8>() else {
                // Shorter than a tenant id: not a row of ours (the engine's head row).
                from = Bound::Excluded(key);
                continue;
            };
            tenants.push(TenantId(u64::from_be_bytes(*tenant)));
            match event_log::prefix_end(tenant) {
                Some(next) => from = Bound::Included(next),
                None => break,
            }
        }
    }
    Ok(tenants)
}
