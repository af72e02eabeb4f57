//! What must agree inside a database that was opened: tables with the log, heads with records, records with each other.
//!
//! Owns: those checks; the list of tables.
//! Does not own: their order, the journals, the `HEAD` file.

use std::collections::BTreeSet;
use std::path::Path;

use fjall::{AbstractTree, Readable};
use ledger::Chain;
use schemas::{Position, TenantId};

use crate::core::Core;
use crate::disk::{Disk, DiskView, guarded};
use crate::engine::View;
use crate::format::{HEAD_KEY, HEADS, TABLES_KEY, decode_commit};
use crate::head::Head;
use crate::journal::First;
use crate::log::{Batch, LogError, Snapshot};
use crate::open::OpenError;
use crate::table::{ReadError, Table};
use crate::view::{self, SnapshotOf};

/// Logs whose ends are walked when opening.
pub(crate) const TENANTS_WALKED_MAX: usize = 1_000;
/// Records walked back from each end after an unclean stop.
pub(crate) const RECORDS_WALKED: u64 = 64;

/// Every table that was ever written must stand at the log's commit. Whether the list of tables is to be written anew.
/// Those of `replacing` may stand anywhere.
pub(crate) fn check_tables(
    view: &DiskView,
    disk: &Disk,
    path: &Path,
    commit: u64,
    replacing: &[Table],
) -> Result<bool, OpenError> {
    let disagrees = |table: &str, found| {
        let (folder, table) = (path.to_owned(), table.to_owned());
        OpenError::TableDisagrees { folder, table, found, expected: commit }
    };
    let list = view.get(HEADS, TABLES_KEY)?;
    if list.is_none() && commit > 0 {
        return Err(disagrees(HEADS, None));
    }
    let list = list.unwrap_or_default();
    let known: BTreeSet<&[u8]> = list.split(|&byte| byte == b'\n').filter(|name| !name.is_empty()).collect();
    for (&name, keyspace) in disk.spaces.iter() {
        if replacing.iter().any(|table| table.name == name) {
            continue;
        }
        let found = view::commit_row(view, name)?.map(|(commit, _)| commit);
        // A table named for the first time holds nothing yet.
        let new = !known.contains(keyspace.name().as_bytes());
        let agrees = match found {
            Some(found) => !new && found == commit,
            None => new && guarded(|| disk.db.snapshot().is_empty(keyspace)).unwrap_or(false),
        };
        if !agrees {
            return Err(disagrees(name, found));
        }
    }
    Ok(known.len() != disk.spaces.len() || disk.spaces.values().any(|space| !known.contains(space.name().as_bytes())))
}

/// What came before the first commit in the journals is in the tables of every keyspace: no older journal is missing. Each
/// commit writes a `head` row to every keyspace, so the last one in a keyspace's tables says how far they reach.
pub(crate) fn check_joint(disk: &Disk, first: &First, replacing: &[Table]) -> Result<(), OpenError> {
    let Some(before) = first.commit.checked_sub(1).filter(|&before| before > 0) else { return Ok(()) };
    for (&name, keyspace) in disk.spaces.iter() {
        if !first.spaces.contains(&keyspace.id()) || replacing.iter().any(|table| table.name == name) {
            continue;
        }
        let written = guarded(|| match keyspace.tree.get_highest_persisted_seqno() {
            Some(sequence) => keyspace.tree.get(HEAD_KEY, sequence + 1),
            None => Ok(None),
        });
        let written = written.map_err(|source| ReadError { table: HEADS, source })?;
        let reached = written.as_deref().and_then(decode_commit).map(|(commit, _)| commit);
        // A keyspace that the first commit itself brought in has no row of an earlier one.
        if reached.map_or(first.lists, |reached| reached >= before) {
            continue;
        }
        let (from, to) = (reached.unwrap_or(0) + 1, before);
        let what = format!(
            "commits {from} to {to} of keyspace {} are missing: they were in an older journal",
            keyspace.name()
        );
        return Err(OpenError::JournalDamaged { file: first.file.clone(), offset: 0, what });
    }
    Ok(())
}

/// Writes the list of tables, and with it the first `head` row of each new one.
pub(crate) fn name_tables(core: &Core<Disk>) -> Result<(), OpenError> {
    let names: BTreeSet<&str> = core.engine.spaces.values().map(|space| &**space.name()).collect();
    let list = names.into_iter().collect::<Vec<_>>().join("\n");
    let mut batch = core.staged();
    batch.own_row(TABLES_KEY, list.into_bytes());
    Box::new(batch).commit()?;
    Ok(())
}

/// The last records of a log follow each other, and the heads are theirs.
pub(crate) fn check_end<V: View>(snapshot: &SnapshotOf<V>, tenant: TenantId, depth: u64) -> Result<(), LogError> {
    let Some(head) = snapshot.log_head(tenant)? else { return Ok(()) };
    let corrupt = |position, what: String| LogError::Corrupt { tenant, position, what };
    let from = head.next.0.saturating_sub(depth);
    let mut chain = if from == 0 { Chain::new(tenant) } else { Chain::midway(tenant) };
    for (position, raw) in (from..).zip(snapshot.raw_range(tenant, Position(from), depth as usize)?) {
        let header = chain.push(&raw).map_err(|error| corrupt(error.position, error.misfit.to_string()))?;
        if header.position.0 != position {
            return Err(corrupt(Position(position), format!("the record says position {}", header.position)));
        }
    }
    let agrees = chain.last().is_some_and(|last| {
        (last.epoch, last.position.next(), chain.head(), last.time) == (head.epoch, head.next, head.head, head.time)
    });
    if !agrees || !chain.complete() {
        return Err(corrupt(head.next, "the log's head is not its last record's".to_owned()));
    }
    if snapshot.raw(tenant, head.next)?.is_some() {
        return Err(corrupt(head.next, "there is a record behind the log's head".to_owned()));
    }
    for (bucket, tip) in chain.buckets() {
        if snapshot.bucket_head(tenant, *bucket)? != Some(*tip) {
            return Err(corrupt(head.next, format!("the head of bucket {bucket} is not its last record's")));
        }
    }
    Ok(())
}

/// Every log that `HEAD` names holds the record that was its last then.
pub(crate) fn check_named<V: View>(snapshot: &SnapshotOf<V>, head: &Head) -> Result<(), LogError> {
    for (tenant, named) in &head.logs {
        let Some(position) = named.next.0.checked_sub(1).map(Position) else { continue };
        let raw = snapshot.raw(*tenant, position)?;
        if raw.is_none_or(|raw| ledger::leaf(&raw) != named.head) {
            let what = "the record is not the one that the head file names".to_owned();
            return Err(LogError::Corrupt { tenant: *tenant, position, what });
        }
    }
    Ok(())
}
