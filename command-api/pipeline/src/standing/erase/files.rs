//! The files of an erasure: what was removed leaves them, they are searched, and the certificate is written.
//!
//! Owns: filling journals so that new ones begin, when tables are merged, which markers are looked for, how often.
//! Does not own: merging and journals (event-log), searching a file (`scan`).

use std::path::Path;
use std::time::Duration;

use event_log::{Changes, JOURNAL_BYTES, PADDING_BYTES, padding};
use projections::query;
use schemas::ObjectKey;
use schemas::event::{ErasureCompleted, Event, TaskFinished};

use super::{Of, Run, Working};
use crate::api::StoreError;
use crate::audit;
use crate::sequencer::{Decide, Unit};
use crate::standing::scan;
use crate::store::{ErasureArguments, ErasureCursor, internal, rows_error};
use crate::tables::{PHYSICAL, padding_key};

/// Buckets whose rows are asked whether a sampled name is theirs too.
const ASKED_MAX: usize = 1_000;
/// Rows of one unit that fills a journal: half of what a unit may have.
const PADDING_ROWS: u64 = 170;
/// Rounds in which old journals go at the latest, and in which what snapshots still show is waited for.
const ROUNDS_MAX: usize = 5;
const WAIT: Duration = Duration::from_secs(8);

impl Run<'_> {
    /// Sees to it that the files do not hold what was removed, looks, and writes the certificate.
    pub(super) fn purge(&self, mut cursor: ErasureCursor, working: &mut Working) -> Result<(), StoreError> {
        let markers = self.markers(working)?;
        cursor.counts.markers = markers.len() as u64;
        for round in 0..ROUNDS_MAX {
            if round > 0 {
                // A snapshot still shows it: none that a request takes lives longer than half a minute.
                self.wait(WAIT)?;
            }
            self.rewrite(round == 0)?;
            let data = self.inner.settings.scratch.parent().unwrap_or(Path::new("."));
            let keep_going = || !self.stop.wait(Duration::ZERO);
            let scanned = scan::scan(data, &markers, &keep_going).map_err(|error| internal(&error))?;
            let Some(scan::Scanned { bytes, found }) = scanned else { return Err(StoreError::Unavailable) };
            (cursor.counts.scanned_bytes, cursor.counts.findings) = (bytes, found as u64);
            if found == 0 {
                break;
            }
            tracing::warn!(tenant = %self.tenant, task = self.id, found, "something of what was erased is still in files");
        }
        let counts = cursor.counts;
        let ErasureArguments { scope, reason, .. } = &self.arguments;
        let completed = ErasureCompleted {
            scope: scope.clone(),
            reason: reason.clone(),
            asked: self.task.started,
            rows: counts.rows,
            wraps: counts.wraps,
            blobs: counts.blobs,
            entries: counts.entries,
            scanned_bytes: counts.scanned_bytes,
            markers: counts.markers,
            findings: counts.findings,
            last_copy_lapses: None,
        };
        let finished = TaskFinished { task: self.id.clone(), error: None };
        // The last progress stands before the end, which keeps it.
        let ended = [Event::from(completed), Event::from(finished)].map(|event| self.planned(event));
        self.commit(self.asker(), cursor, move || {
            let ended = ended.clone();
            Box::new(move |_, _, unit| {
                unit.events.extend(ended.clone());
                Ok(())
            })
        })?;
        tracing::info!(
            tenant = %self.tenant, task = self.id, rows = counts.rows, wraps = counts.wraps, blobs = counts.blobs,
            findings = counts.findings, "an erasure came to its end"
        );
        Ok(())
    }

    /// What must not be found: names that are nobody else's, wrapped keys, what keys of rows begin with.
    fn markers(&self, working: &Working) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut markers: Vec<Vec<u8>> = working.wraps.iter().cloned().collect();
        if let Of::Bucket(bucket, _) = &self.of {
            markers.extend(query::beginnings_of(self.tenant, *bucket));
        }
        let snapshot = self.inner.log.snapshot();
        let mut buckets = Vec::new();
        for tenant in query::tenants(snapshot.as_ref()).map_err(rows_error)?.into_iter().map(|(tenant, _)| tenant) {
            let some = query::buckets_by_id(snapshot.as_ref(), tenant, ASKED_MAX + 1).map_err(rows_error)?;
            buckets.extend(some.into_iter().map(|(bucket, _)| (tenant, bucket)));
            if buckets.len() > ASKED_MAX {
                // Whether a name is nobody else's is then not to be said.
                return Ok(markers);
            }
        }
        for name in &working.names {
            let Ok(key) = ObjectKey::parse(name) else { continue };
            let mut is_others = false;
            for (tenant, bucket) in &buckets {
                is_others |= query::is_named_in(snapshot.as_ref(), *tenant, *bucket, &key).map_err(rows_error)?;
            }
            if !is_others {
                markers.push(name.clone().into_bytes());
            }
        }
        Ok(markers)
    }

    /// Begins new journals where asked, writes out what is in memory, merges every table.
    fn rewrite(&self, with_journals: bool) -> Result<(), StoreError> {
        let log = &self.inner.log;
        let merged = |done: Result<(), event_log::PurgeError>| match done {
            Err(error @ event_log::PurgeError::Engine(_)) => Err(internal(&error)),
            // What is left is found, and stands in the certificate.
            Err(error) => {
                tracing::warn!(%error, "removed rows were not purged from all files");
                Ok(())
            }
            Ok(()) => Ok(()),
        };
        let mut number = u64::from_be_bytes(self.inner.ids.bytes());
        if with_journals {
            let journals = || log.journals().map_err(|error| internal(&error));
            let before = journals()?.map_or(0, |journals| journals.newest);
            let mut padded = 0;
            for _ in 0..ROUNDS_MAX {
                while journals()?.is_some_and(|journals| journals.newest == before) && padded <= JOURNAL_BYTES {
                    padded += self.pad(&mut number)?;
                    self.wait(Duration::ZERO)?;
                }
                self.pad(&mut number)?;
                merged(log.write_out())?;
                if journals()?.is_none_or(|journals| journals.oldest > before) {
                    break;
                }
            }
            let purged = self.inner.audit.views.purge(audit::NOTES);
            purged.map_err(|error| internal(&error))?;
        }
        self.unpad()?;
        merged(log.write_out())?;
        merged(log.merge())?;
        // Files that the merge replaced go when something younger is written out.
        self.unpad()?;
        merged(log.write_out())
    }

    /// Fills the journal with rows that mean nothing. How many bytes.
    fn pad(&self, number: &mut u64) -> Result<u64, StoreError> {
        let first = *number;
        *number = number.wrapping_add(PADDING_ROWS);
        self.write(move |changes| {
            for row in 0..PADDING_ROWS {
                changes.put(PHYSICAL, padding_key(row), padding(first.wrapping_add(row)));
            }
        })?;
        Ok(PADDING_ROWS * PADDING_BYTES as u64)
    }

    fn unpad(&self) -> Result<(), StoreError> {
        self.write(|changes| (0..PADDING_ROWS).for_each(|row| changes.remove(PHYSICAL, padding_key(row))))
    }

    fn write(&self, fill: impl Fn(&mut Changes) + Send + Clone + 'static) -> Result<(), StoreError> {
        loop {
            let fill = fill.clone();
            let decide: Decide = Box::new(move |_, _| {
                let mut unit = Unit::default();
                fill(&mut unit.changes);
                Ok(unit)
            });
            match self.inner.run_blocking(self.request(self.quietly()), decide) {
                Err(StoreError::Busy { retry_after_ms }) => self.wait(Duration::from_millis(retry_after_ms))?,
                done => return done.map(|_| ()),
            }
        }
    }
}
