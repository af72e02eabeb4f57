//! Rebuild: replays every log into fresh rows and compares them, by digest, with those that are live; offline, puts them in
//! their place.
//!
//! Owns: where the fresh rows stand meanwhile, the order of an offline rebuild.
//! Does not own: the replay and the digests (projections), the switch (event-log).

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use event_log::{EventLog, Scratch, Snapshot};
use projections::{Compared, Mismatch, TABLES, TenantDigests, query};
use schemas::TenantId;
use schemas::event::ErasureScope;

use crate::api::{AdminCaller, StoreError};
use crate::store::{
    ERASE, ErasureArguments, OpenError, OpenOptions, Store, internal, log_error, open_log, operator, rows_error,
};

/// What a rebuild found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildReport {
    /// Tenants replayed, the system's among them.
    pub tenants: usize,
    /// Events replayed.
    pub events: u64,
    /// Tables whose live rows are not what the log says, as `tenant/table`. Empty when all is well.
    pub mismatches: Vec<String>,
    /// Tenants that an erasure is under way in: their rows go page by page, and are not compared until it has ended.
    pub erasing: Vec<TenantId>,
    /// Digest of each table of each tenant, as the log says it is.
    pub digests: Vec<TenantDigests>,
}

/// Why an offline rebuild stopped. The rows that were there stand.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Keys or log do not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The log cannot be replayed, or rows cannot be compared.
    #[error(transparent)]
    Replay(#[from] projections::RebuildError),
    /// No room or no leave for the fresh rows.
    #[error(transparent)]
    Scratch(#[from] event_log::ScratchError),
    /// The fresh rows could not be put in place.
    #[error(transparent)]
    Replace(#[from] event_log::ReplaceError),
    /// The rows that were put in place do not read back as they were replayed.
    #[error("fresh rows do not read back: {}", tables.join(", "))]
    Different {
        /// Which, as `tenant/table`.
        tables: Vec<String>,
    },
}

/// Scratch rows stand here, inside the data directory, and are removed when a store opens.
pub(crate) fn scratch_folder(data: &Path) -> PathBuf {
    data.join("rebuild")
}

/// Makes the folder for scratch rows anew.
pub(crate) fn clear_scratch(data: &Path) -> Result<PathBuf, OpenError> {
    let path = scratch_folder(data);
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    std::fs::create_dir_all(&path).map_err(failed)?;
    Ok(path)
}

fn name(mismatch: &Mismatch) -> String {
    format!("{}/{}", mismatch.tenant, mismatch.table)
}

/// Tenants whose rows an erasure is removing: the log does not have them any more.
fn being_erased(snapshot: &dyn Snapshot) -> Result<Vec<TenantId>, StoreError> {
    let mut tenants = Vec::new();
    for log in snapshot.tenants().map_err(log_error)? {
        for (_, task) in query::tasks(snapshot, log).map_err(rows_error)?.into_iter().filter(|(_, it)| it.kind == ERASE)
        {
            tenants.push(log);
            if let ErasureScope::Tenant { tenant, .. } = ErasureArguments::parse(&task.arguments)?.scope {
                tenants.push(tenant);
            }
        }
    }
    tenants.sort_unstable();
    tenants.dedup();
    Ok(tenants)
}

impl Store {
    /// Replays every log into fresh rows and compares them with the live ones under one snapshot.
    ///
    /// # Errors
    /// [`StoreError`] when a record or row cannot be read.
    pub async fn admin_rebuild(&self, admin: &AdminCaller) -> Result<RebuildReport, StoreError> {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        operator(admin)?;
        let folder = self.inner.settings.scratch.join(RUNS.fetch_add(1, Ordering::Relaxed).to_string());
        let snapshot = self.inner.log.snapshot();
        let replay = move || {
            let mut scratch = Scratch::create(&folder, TABLES).map_err(|error| internal(&error))?;
            let rebuilt = projections::rebuild(snapshot.as_ref(), &mut scratch).map_err(|error| internal(&error))?;
            Ok::<_, StoreError>((rebuilt, being_erased(snapshot.as_ref())?))
        };
        let (rebuilt, erasing) = tokio::task::spawn_blocking(replay).await.map_err(|error| internal(&error))??;
        Ok(RebuildReport {
            tenants: rebuilt.tenants,
            events: rebuilt.events,
            mismatches: rebuilt.mismatches.iter().filter(|it| !erasing.contains(&it.tenant)).map(name).collect(),
            erasing,
            digests: rebuilt.digests,
        })
    }

    /// Throws every projection away and builds it anew from the log alone: replays into fresh rows, switches to them in one
    /// commit, reads them back. What was different before is in the report. Blocks; the store must not be open.
    ///
    /// With `damaged`, tables that are to be replaced need not agree with the log or be whole; what protects the log itself
    /// from a damaged list of tables is then off too, so first make a copy.
    ///
    /// # Errors
    /// [`RebuildError`]; a stop at any moment leaves either the old rows or the fresh ones.
    pub fn rebuild_offline(options: &OpenOptions, damaged: bool) -> Result<RebuildReport, RebuildError> {
        if crate::backup::unfinished(&options.data) {
            return Err(OpenError::RestoreUnfinished { folder: options.data.clone() }.into());
        }
        rebuild_anew(options, damaged)
    }
}

/// As [`Store::rebuild_offline`], also of a store that is being restored.
pub(crate) fn rebuild_anew(options: &OpenOptions, damaged: bool) -> Result<RebuildReport, RebuildError> {
    let scratch = clear_scratch(&options.data)?.join("offline");
    let (_, log) = open_log(options, if damaged { TABLES.to_vec() } else { Vec::new() })?;
    let mut fresh = Scratch::create(&scratch, TABLES)?;
    let snapshot = log.snapshot();
    let events = projections::replay(snapshot.as_ref(), &mut fresh)?;
    // Rows that cannot even be read are what this is for.
    let tenants = snapshot.tenants().map_err(projections::RebuildError::from)?.len();
    let mismatches = match projections::compare(snapshot.as_ref(), &fresh) {
        Ok(compared) => compared.mismatches.iter().map(name).collect(),
        Err(error) => vec![error.to_string()],
    };
    drop(snapshot);
    log.replace(TABLES, &fresh)?;
    let (_, log) = open_log(options, Vec::new())?;
    let Compared { mismatches: different, digests } = projections::compare(log.snapshot().as_ref(), &fresh)?;
    if !different.is_empty() {
        return Err(RebuildError::Different { tables: different.iter().map(name).collect() });
    }
    Ok(RebuildReport { tenants: tenants.max(digests.len()), events, mismatches, erasing: Vec::new(), digests })
}
