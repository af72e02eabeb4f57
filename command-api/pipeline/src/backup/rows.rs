//! Rows of a store, page by page, and what of them changed since the last run.
//!
//! Owns: which tables a backup has, which of their rows it leaves out, how a run's file of rows is made.
//! Does not own: the file's bytes (`layer`).
//! Invariant: while sweep is held, a row of a blob that is there at the beginning stays as it is. So pages of different snapshots
//! together hold every row that the log names up to the position of the backup; what they have beyond it nothing refers to.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

use event_log::{EventLog, Row, Rows, Table, Views};
use schemas::{SegmentId, TenantId, Time};

use super::error::BackupError;
use super::layer::{Entry, LayerWriter, Mark, Merged};
use crate::tables::{BlobRow, Located, PHYSICAL, TRUTH};

/// Rows read under one snapshot, which must not live long.
const PAGE: usize = 10_000;

/// Where a backup's rows come from.
pub(super) struct Source<'a> {
    pub(super) log: &'a dyn EventLog,
    pub(super) views: &'a Views,
    /// Tables of following views that are in the backup.
    pub(super) following: &'a [Table],
}

/// The tables of a backup, by name.
pub(super) fn tables(following: &[Table]) -> Vec<Table> {
    let mut tables: Vec<Table> = following.iter().copied().chain([TRUTH, PHYSICAL]).collect();
    tables.sort_unstable_by_key(|table| table.name);
    tables
}

/// Whether rows of a table are kept for a while when the store has them no more.
fn kept(table: Table) -> bool {
    [TRUTH, PHYSICAL].contains(&table)
}

/// Rows that say nothing after a restore: answers that are repeated (they may speak of what came after the backup), and a
/// probe.
fn left_out(table: Table, key: &[u8]) -> bool {
    let kind = key.get(8).copied().unwrap_or_default();
    (table == TRUTH && [5, 6].contains(&kind))
        || (table == PHYSICAL && kind == 9 && key.starts_with(&TenantId::SYSTEM.0.to_be_bytes()))
}

/// The segment that a row's blob is in.
pub(super) fn segment_of(table: Table, key: &[u8], value: &[u8]) -> Option<(SegmentId, u64)> {
    if table != PHYSICAL || key.get(8) != Some(&1) {
        return None;
    }
    match BlobRow::decode(value)?.located {
        Located::Segment { segment, offset, length } => Some((segment, offset + u64::from(length))),
        Located::Inline => None,
    }
}

/// All rows of a store in order.
struct Live<'a> {
    source: &'a Source<'a>,
    tables: &'a [Table],
    table: usize,
    after: Option<Vec<u8>>,
    page: VecDeque<Row>,
    /// Called before each page: an error ends it.
    before: &'a dyn Fn() -> Result<(), BackupError>,
}

impl Live<'_> {
    fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        loop {
            let Some(&table) = self.tables.get(self.table) else { return Ok(None) };
            if let Some((key, value)) = self.page.pop_front() {
                if left_out(table, &key) {
                    continue;
                }
                return Ok(Some(Entry { table: self.table, key, mark: Mark::There, value }));
            }
            (self.before)()?;
            let from = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
            self.page = self.read(table, from)?;
            match self.page.back() {
                Some((last, _)) => self.after = Some(last.clone()),
                None => self.table += 1,
            }
        }
    }

    fn read(&self, table: Table, from: Bound<Vec<u8>>) -> Result<VecDeque<Row>, BackupError> {
        let page = |rows: &dyn Rows| rows.range(table, from, Bound::Unbounded).take(PAGE).collect::<Result<_, _>>();
        Ok(if self.source.following.contains(&table) {
            page(&self.source.views.snapshot())?
        } else {
            page(self.source.log.snapshot().as_ref())?
        })
    }
}

/// How a run's file of rows is made.
pub(super) struct Change<'a> {
    pub(super) now: Time,
    /// Rows that were gone by then are forgotten.
    pub(super) forget: Time,
    /// Segments whose number another file has now.
    pub(super) replaced: &'a BTreeSet<SegmentId>,
    /// Every row is written, and not only those that changed.
    pub(super) whole: bool,
}

impl Change<'_> {
    /// What becomes of a row that the store has no more: what is kept of it, if anything, and whether that is news.
    fn gone(&self, table: Table, old: Entry) -> (Option<Entry>, bool) {
        let (since, news) = match old.mark {
            Mark::Gone(since) => (since, false),
            Mark::There | Mark::Forgotten => (self.now, true),
        };
        let lost = segment_of(table, &old.key, &old.value).is_some_and(|(segment, _)| self.replaced.contains(&segment));
        if !kept(table) || lost || since < self.forget {
            return (None, true);
        }
        (Some(Entry { mark: Mark::Gone(since), ..old }), news)
    }

    /// Writes what changed between the files there are and the store, or everything. The segments that the rows of the backup
    /// name from now on.
    pub(super) fn write(
        &self,
        old: &mut Merged,
        source: &Source<'_>,
        tables: &[Table],
        file: &mut LayerWriter,
        before: &dyn Fn() -> Result<(), BackupError>,
    ) -> Result<BTreeSet<SegmentId>, BackupError> {
        let mut live = Live { source, tables, table: 0, after: None, page: VecDeque::new(), before };
        let (mut was, mut is) = (old.next()?, live.next()?);
        let mut named = BTreeSet::new();
        while was.is_some() || is.is_some() {
            let place = |entry: &Option<Entry>| entry.as_ref().map(|entry| (entry.table, entry.key.clone()));
            let (at_old, at_live) = (place(&was), place(&is));
            let takes_old = at_old.is_some() && at_live.as_ref().is_none_or(|live| at_old.as_ref() <= Some(live));
            let takes_live = at_live.is_some() && at_old.as_ref().is_none_or(|old| at_live.as_ref() <= Some(old));
            let known = if takes_old { std::mem::replace(&mut was, old.next()?) } else { None };
            let found = if takes_live { std::mem::replace(&mut is, live.next()?) } else { None };
            let (kept, news) = match (known, found) {
                (known, Some(found)) => {
                    let news = known.as_ref() != Some(&found);
                    (Some(found), news)
                }
                (Some(known), None) => {
                    let forgotten = Entry { mark: Mark::Forgotten, value: Vec::new(), ..known.clone() };
                    let (kept, news) = self.gone(tables[known.table], known);
                    if kept.is_none() && !self.whole {
                        file.write(&forgotten)?;
                    }
                    (kept, news)
                }
                (None, None) => break,
            };
            let Some(entry) = kept else { continue };
            named.extend(segment_of(tables[entry.table], &entry.key, &entry.value).map(|(segment, _)| segment));
            if news || self.whole {
                file.write(&entry)?;
            }
        }
        Ok(named)
    }
}
