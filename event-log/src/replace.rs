//! Putting fresh rows in the place of a table's rows, all at once.
//!
//! Owns: the keyspaces a table moves through (`name`, `name.2`, `name.3`, ...), the switch, removing what was switched from.
//! Does not own: which rows are right (projections).
//! Invariant: until the one commit that names the new keyspaces is durable, every opening reads the old ones.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use fjall::{Keyspace, KeyspaceCreateOptions};

use crate::checks::name_tables;
use crate::core::Core;
use crate::disk::{Disk, guarded};
use crate::format::HEAD_KEY;
use crate::log::AppendError;
use crate::open::OpenError;
use crate::steady::Steady;
use crate::table::{ROW_BYTES_MAX, ReadError, Rows, Table};

/// Why a table was not replaced. The old rows stand.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The fresh rows cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A fresh row is over the bound of a row, or has the name of one of the log's own.
    #[error("a row of table {table} cannot be kept")]
    Row {
        /// Which table.
        table: &'static str,
    },
    /// The storage engine refused.
    #[error("the storage engine does not take the rows of table {table}")]
    Engine {
        /// Which table.
        table: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The switch failed: which rows stand shows when the log is opened again.
    #[error("the switch to the fresh rows failed")]
    Switch(#[source] AppendError),
}

/// The keyspace of a table, by the list of keyspaces that were written: the table's own name, or that of a replacement.
pub(crate) fn keyspace_of(table: &str, listed: &[&str]) -> String {
    listed.iter().find(|name| base(name) == table).map_or_else(|| table.to_owned(), |name| (*name).to_owned())
}

/// The table that a keyspace is of.
fn base(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((base, generation)) if generation.parse::<u64>().is_ok() => base,
        _ => name,
    }
}

fn next(name: &str) -> String {
    let generation = name.rsplit_once('.').and_then(|(_, generation)| generation.parse::<u64>().ok());
    format!("{}.{}", base(name), generation.unwrap_or(1) + 1)
}

/// Writes the fresh rows beside the old ones and switches to them. Nobody else may use the log meanwhile.
pub(crate) fn replace(core: &Core<Disk>, tables: &[Table], fresh: &dyn Rows) -> Result<Core<Disk>, ReplaceError> {
    let disk = &core.engine;
    let mut spaces: HashMap<&'static str, Keyspace> = disk.spaces.as_ref().clone();
    for &table in tables {
        let Some(old) = disk.spaces.get(table.name) else { continue };
        spaces.insert(table.name, fill(disk, table, &next(old.name()), fresh)?);
    }
    let disk = Disk {
        db: disk.db.clone(),
        spaces: Arc::new(spaces),
        folder: disk.folder.clone(),
        memtable_bytes: disk.memtable_bytes,
        removed: disk.removed.clone(),
    };
    let switched = Core::new(disk, core.cipher.clone(), core.committed(), Steady::none());
    match name_tables(&switched) {
        Ok(()) => {}
        Err(OpenError::Write(error)) => return Err(ReplaceError::Switch(error)),
        Err(other) => return Err(ReplaceError::Switch(AppendError::Fatal(Box::new(other)))),
    }
    remove_unused(&switched.engine);
    Ok(switched)
}

fn fill(disk: &Disk, table: Table, name: &str, fresh: &dyn Rows) -> Result<Keyspace, ReplaceError> {
    let failed = |source| ReplaceError::Engine { table: table.name, source };
    let create = || KeyspaceCreateOptions::default().max_memtable_size(disk.memtable_bytes);
    let keyspace = guarded(|| disk.db.keyspace(name, create)).map_err(failed)?;
    let mut ingestion = guarded(|| keyspace.start_ingestion()).map_err(failed)?;
    for row in fresh.range(table, Bound::Unbounded, Bound::Unbounded) {
        let (key, value) = row?;
        if key == HEAD_KEY || key.is_empty() || key.len() + value.len() > ROW_BYTES_MAX {
            return Err(ReplaceError::Row { table: table.name });
        }
        guarded(|| ingestion.write(key, value)).map_err(failed)?;
    }
    guarded(|| ingestion.finish()).map_err(failed)?;
    Ok(keyspace)
}

/// Removes keyspaces that a replacement left, whether it was finished or cut off. Failing leaves them for the next opening.
pub(crate) fn remove_unused(disk: &Disk) {
    for name in disk.db.list_keyspace_names() {
        let used = disk.spaces.values().any(|space| space.name() == &name);
        if used || !disk.spaces.contains_key(base(&name)) {
            continue;
        }
        let removed = guarded(|| {
            let space = disk.db.keyspace(&name, KeyspaceCreateOptions::default)?;
            disk.db.delete_keyspace(space)
        });
        match removed {
            Ok(()) => tracing::info!(keyspace = &*name, "removed rows that were replaced"),
            Err(error) => tracing::warn!(%error, keyspace = &*name, "replaced rows are left behind"),
        }
    }
}
