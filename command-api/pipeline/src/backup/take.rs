//! Making a backup: a first one, or what changed since the last run in the same folder.
//!
//! Owns: the order in which things are copied, which segments a backup needs no more.
//! Does not own: the files (`layer`, `segments`, `folder`).
//!
//! The order matters. While sweep is held: every log's head under one snapshot, then rows, then segments. Rows read after the heads name at
//! least the content that the log names up to them, and segments copied after the rows hold at least what the rows name. Records
//! do not change: they are read after that, without holding anything, up to the heads.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_log::{LogHead, Snapshot};
use ledger::Chain;
use schemas::event::AdminRole;
use schemas::{Position, TenantId, Time};

use super::KEEP_DAYS;
use super::error::BackupError;
use super::folder::{Folder, Reading, Writing};
use super::layer::{LayerReader, LayerWriter, Merged};
use super::manifest::{Head, Layer, Manifest, Run, Section};
use super::rows::{self, Change, Source};
use super::segments::Copier;
use super::verify;
use crate::api::AdminCaller;
use crate::store::{Inner, Store};

/// Records read under one snapshot.
const RECORDS: usize = 1_024;
/// Files of changed rows beside a whole one, at most.
const LAYERS_MAX: usize = 16;
/// A file of all rows is written anew when those that changed since come to more bytes than it has, and to this many.
const CHANGED_BYTES_MIN: u64 = 4 << 20;
/// Copies of segments are kept for the next run, should this one be cut off, after so many bytes.
const PROGRESS_BYTES: u64 = 1 << 30;
const DAY_US: u64 = 86_400 * 1_000_000;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupReport {
    /// Number of the run.
    pub run: u64,
    /// When its position was taken: the latest time that a restore can name.
    pub made: Time,
    /// The commit at which every log's head was taken.
    pub commit: u64,
    /// Logs, the system's among them.
    pub logs: usize,
    /// Records that were new.
    pub records: u64,
    /// Rows that were new, or changed.
    pub rows: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Bytes of the whole backup.
    pub bytes: u64,
}

impl Store {
    /// Makes a backup in a folder of this machine, or adds to the one there what changed. The store goes on meanwhile; sweep waits.
    /// Content that the store gives up stays in the backup for `keep_days`.
    ///
    /// # Errors
    /// [`BackupError`]; what was there before stands, and what was copied is used by the next run.
    pub async fn admin_backup(
        &self,
        admin: &AdminCaller,
        to: PathBuf,
        keep_days: Option<u32>,
    ) -> Result<BackupReport, BackupError> {
        owner(admin)?;
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || inner.backup(&to, keep_days)).await;
        done.unwrap_or_else(|panic| {
            let source = std::io::Error::other(panic);
            Err(BackupError::Io { path: PathBuf::from("backup"), source })
        })
    }

    /// The same, on this thread, for whoever has opened the store himself.
    ///
    /// # Errors
    /// [`BackupError`].
    pub fn backup(&self, to: &Path, keep_days: Option<u32>) -> Result<BackupReport, BackupError> {
        self.inner.backup(to, keep_days)
    }
}

/// Whether an admin token may write files of the whole installation.
pub(super) fn owner(admin: &AdminCaller) -> Result<(), domain::Refusal> {
    let grant = domain::policy::Grant { role: admin.role, tenant: admin.tenant };
    domain::policy::authorise_admin(grant, AdminRole::Owner, None)
}

/// A folder that the server may write to: named from the root, and apart from its data.
pub(super) fn apart(folder: &Path, data: &Path) -> Result<(), BackupError> {
    if !folder.is_absolute() {
        return Err(BackupError::NotAbsolute { folder: folder.to_owned() });
    }
    let data = data.canonicalize().map_err(BackupError::io(data))?;
    // What is not there yet is where its nearest parent is that is there.
    let there = folder.ancestors().find_map(|above| above.canonicalize().ok().map(|real| (above, real)));
    let (above, real) = there.unwrap_or((Path::new("/"), PathBuf::from("/")));
    let real = real.join(folder.strip_prefix(above).unwrap_or(Path::new("")));
    let climbs = folder.components().any(|part| part == std::path::Component::ParentDir);
    if climbs || real.starts_with(&data) || data.starts_with(&real) {
        return Err(BackupError::Within { folder: folder.to_owned() });
    }
    Ok(())
}

impl Inner {
    fn backup(&self, to: &Path, keep_days: Option<u32>) -> Result<BackupReport, BackupError> {
        let _alone = self.standing.backing_up.try_lock().ok_or(BackupError::Busy)?;
        apart(to, &self.settings.data)?;
        let (folder, manifest) = Folder::to_write(to)?;
        let open = || if self.standing.is_ending() { Err(BackupError::Closing) } else { Ok(()) };
        let taking = Taking { inner: self, folder: &folder, open: &open, manifest, run: 0 };
        taking.run(u64::from(keep_days.unwrap_or(KEEP_DAYS)) * DAY_US)
    }
}

/// A run under way.
struct Taking<'a> {
    inner: &'a Inner,
    folder: &'a Folder,
    open: &'a dyn Fn() -> Result<(), BackupError>,
    manifest: Manifest,
    run: u64,
}

impl Taking<'_> {
    fn run(mut self, keep_us: u64) -> Result<BackupReport, BackupError> {
        self.run = self.manifest.next_run;
        self.manifest.next_run += 1;
        let mut copier = Copier {
            blobs: &self.inner.contents.blobs,
            folder: self.folder,
            run: self.run,
            before: self.open,
            bytes: 0,
        };
        let replaced = copier.replaced(&self.manifest)?;
        // Most of the bytes, without holding anything; what is removed meanwhile is left out.
        let (folder, mut unsaved) = (self.folder, 0);
        let begun = copier.bytes;
        copier.copy(&mut self.manifest, &replaced, |manifest| {
            unsaved += manifest.segments.last().map_or(0, super::manifest::Segment::bytes);
            if unsaved < PROGRESS_BYTES {
                return Ok(());
            }
            unsaved = 0;
            folder.commit(manifest)
        })?;
        if copier.bytes > begun {
            self.folder.commit(&self.manifest)?;
        }

        let held = self.inner.standing.sweeping.lock();
        let snapshot = self.inner.log.snapshot();
        let (made, commit) = (self.inner.clock.wall(), snapshot.commit());
        let heads = self.heads(snapshot.as_ref())?;
        drop(snapshot);
        let forget = Time(made.0.saturating_sub(keep_us));
        let change = Change { now: made, forget, replaced: &replaced, whole: self.fold() };
        let (rows, named, layer) = self.rows(&change)?;
        copier.copy(&mut self.manifest, &replaced, |_| Ok(()))?;
        let there: Vec<_> = copier.blobs.extents().into_iter().map(|extent| extent.segment).collect();
        drop(held);
        self.manifest.segments.retain(|copy| {
            let current = copy.run == self.run || !replaced.contains(&copy.segment);
            current && (named.contains(&copy.segment) || there.contains(&copy.segment))
        });
        self.manifest.segments.sort_unstable_by_key(|copy| copy.segment);

        let run = self.records(&heads, made, commit, layer)?;
        let report = BackupReport {
            run: self.run,
            made,
            commit,
            logs: heads.len(),
            records: run.logs.iter().map(|section| section.records).sum(),
            rows,
            written_bytes: copier.bytes + run.log_bytes + run.rows.as_ref().map_or(0, |rows| rows.bytes),
            bytes: 0,
        };
        if change.whole {
            self.manifest.runs.iter_mut().for_each(|run| run.rows = None);
        }
        self.manifest.runs.push(run);
        self.folder.commit(&self.manifest)?;
        tracing::info!(
            run = report.run,
            commit,
            records = report.records,
            rows,
            written_bytes = report.written_bytes,
            "a backup was made"
        );
        Ok(BackupReport { bytes: self.manifest.bytes(), ..report })
    }

    /// Where every log stands, all of which go on from where the last run left them.
    fn heads(&self, snapshot: &dyn Snapshot) -> Result<BTreeMap<TenantId, LogHead>, BackupError> {
        let mut heads = BTreeMap::new();
        for tenant in snapshot.tenants()? {
            heads.extend(snapshot.log_head(tenant)?.map(|head| (tenant, head)));
        }
        for (tenant, known) in self.manifest.heads() {
            let Some(last) = known.next.0.checked_sub(1).map(Position) else { continue };
            let same = snapshot.raw(tenant, last)?.is_some_and(|raw| ledger::leaf(&raw) == known.leaf);
            if !same {
                return Err(BackupError::OtherHistory { tenant, position: last });
            }
        }
        Ok(heads)
    }

    /// Whether it is time for one file of all rows.
    fn fold(&self) -> bool {
        let layers: Vec<&Layer> = self.manifest.layers().map(|(_, layer)| layer).collect();
        let changed: u64 = layers.iter().filter(|layer| !layer.whole).map(|layer| layer.bytes).sum();
        let whole: u64 = layers.iter().filter(|layer| layer.whole).map(|layer| layer.bytes).sum();
        layers.is_empty() || layers.len() > LAYERS_MAX || changed > whole.max(CHANGED_BYTES_MIN)
    }

    /// Writes the run's file of rows.
    fn rows(
        &self,
        change: &Change<'_>,
    ) -> Result<(u64, std::collections::BTreeSet<schemas::SegmentId>, Layer), BackupError> {
        let following = &self.inner.settings.following;
        let tables = rows::tables(following);
        let open = || {
            let layers = self.manifest.layers().map(|(number, layer)| {
                let path = self.folder.runs().join(Run::rows_file(number));
                LayerReader::begin(path, layer.bytes, layer.sha256, &tables)
            });
            Merged::new(layers.collect::<Result<_, _>>()?)
        };
        let source = Source { log: self.inner.log.as_ref(), views: &self.inner.audit.views, following };
        let path = self.folder.runs().join(Run::rows_file(self.run));
        let mut file = LayerWriter::begin(path.clone(), &tables)?;
        let named = change.write(&mut open()?, &source, &tables, &mut file, self.open)?;
        let rows = file.rows;
        let (bytes, sha256) = file.end()?;
        let mut written = LayerReader::begin(path, bytes, sha256, &tables)?;
        while written.next()?.is_some() {}
        Ok((rows, named, Layer { bytes, sha256, whole: change.whole }))
    }

    /// Writes the run's file of records, and reads it back.
    fn records(
        &self,
        heads: &BTreeMap<TenantId, LogHead>,
        made: Time,
        commit: u64,
        rows: Layer,
    ) -> Result<Run, BackupError> {
        let mut run = Run { number: self.run, made, commit, log_bytes: 0, logs: Vec::new(), rows: Some(rows) };
        let path = self.folder.runs().join(run.log_file());
        let mut file = Writing::begin(path.clone())?;
        let known = self.manifest.heads();
        for (&tenant, head) in heads {
            let from = known.get(&tenant).map_or(Position(0), |known| known.next);
            if from >= head.next {
                continue;
            }
            let last = known.get(&tenant).map(|known| known.leaf);
            let chain = self.log(tenant, from, head, last, &mut file)?;
            let (bytes, sha256) = file.mark();
            let records = head.next.0 - from.0;
            run.log_bytes += bytes;
            let (epoch, time) = chain.last().map_or((head.epoch, head.time), |last| (last.epoch, last.time));
            let head = Head { epoch, next: head.next, leaf: chain.head(), time };
            run.logs.push(Section { tenant, first: from, records, bytes, sha256, head });
        }
        file.end()?;
        let mut written = Reading::begin(path)?;
        for section in &run.logs {
            verify::section(&mut written, section, |_| Ok(()))?;
        }
        written.end()?;
        Ok(run)
    }

    /// Writes the records of one log from a position up to a head; they are one chain with what the backup has.
    fn log(
        &self,
        tenant: TenantId,
        from: Position,
        head: &LogHead,
        before: Option<schemas::LeafHash>,
        file: &mut Writing,
    ) -> Result<Chain, BackupError> {
        let corrupt = |position, what: String| event_log::LogError::Corrupt { tenant, position, what };
        let mut chain = if from.0 == 0 { Chain::new(tenant) } else { Chain::midway(tenant) };
        let mut next = from;
        while next < head.next {
            (self.open)()?;
            let left = usize::try_from(head.next.0 - next.0).map_or(RECORDS, |left| left.min(RECORDS));
            let snapshot: Arc<dyn Snapshot> = self.inner.log.snapshot();
            for raw in snapshot.raw_range(tenant, next, left)? {
                let header = chain.push(&raw).map_err(|error| corrupt(error.position, error.misfit.to_string()))?;
                if next == from && before.is_some_and(|leaf| leaf != header.prev) {
                    return Err(BackupError::OtherHistory { tenant, position: next });
                }
                file.write(&u32::try_from(raw.len()).expect("a record is short").to_be_bytes())?;
                file.write(&raw)?;
                next = header.position.next();
            }
        }
        if chain.head() != head.head || !chain.complete() {
            return Err(corrupt(head.next, "the log's head is not its last record's".to_owned()).into());
        }
        Ok(chain)
    }
}
