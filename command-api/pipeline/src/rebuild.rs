//! Rebuild: replays every log into fresh rows and compares them, by digest, with those that are live.

use projections::MemoryRows;

use crate::api::{AdminCaller, StoreError};
use crate::store::{Store, internal, operator};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildReport {
    /// Tenants replayed, the system's among them.
    pub tenants: usize,
    /// Events replayed.
    pub events: u64,
    /// Tables whose live rows are not what the log says, as `tenant/table`. Empty when all is well.
    pub mismatches: Vec<String>,
}

impl Store {
    /// Replays every log into fresh rows and compares them with the live ones under one snapshot.
    ///
    /// # Errors
    /// [`StoreError`] when a record or row cannot be read.
    pub async fn admin_rebuild(&self, admin: &AdminCaller) -> Result<RebuildReport, StoreError> {
        operator(admin)?;
        let snapshot = self.inner.log.snapshot();
        let replay = move || projections::rebuild(snapshot.as_ref(), &mut MemoryRows::default());
        let rebuilt = tokio::task::spawn_blocking(replay).await.map_err(|error| internal(&error))?;
        let rebuilt = rebuilt.map_err(|error| internal(&error))?;
        let name = |mismatch: &projections::Mismatch| format!("{}/{}", mismatch.tenant, mismatch.table);
        Ok(RebuildReport {
            tenants: rebuilt.tenants,
            events: rebuilt.events,
            mismatches: rebuilt.mismatches.iter().map(name).collect(),
        })
    }
}
