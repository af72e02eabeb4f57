//! Sweep: gives up references that nothing can show any more, frees blobs without references, rewrites segments that are
//! mostly dead.
//!
//! Owns: finding what is dead, the order of the steps, the grace.
//! Does not own: whether a blob may go: that is decided in the sequencer, against references and pins.
//! Invariants: a blob goes only if no version, part or manifest refers to it and nobody has pinned it; a segment's file goes
//! only after the rows that name its live blobs' new places are durable, and never while a request that may have written
//! to it waits for its rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use blob_store::{Place, SegmentInfo, SegmentState, WriteError};
use domain::content;
use event_log::{Changes, Rows};
use projections::query;
use projections::row;
use schemas::event::{Event, HistoryWindow, Referrer, Released};
use schemas::{BlobId, BucketId, Position, SegmentId, TenantId, Time};

use crate::api::StoreError;
use crate::content::{Mode, Scope, blob_row, write_error};
use crate::sequencer::{Decide, Planned, Unit, describe};
use crate::store::{Inner, Request, internal, log_error, rows_error};
use crate::tables::{
    BlobRow, Located, PHYSICAL, TRUTH, blob_key, blob_of, blobs_prefix, child_key, customer_wrap_key, decode_wrap,
    hint_key, inline_key, named_wraps_prefix, parents_prefix, wrapped_by, wraps_prefix,
};

/// References given up, or blobs freed, in one unit.
const TOGETHER: usize = 40;
/// Children of a manifest forgotten in one unit.
const CHILDREN_TOGETHER: usize = 400;
/// Rows of blobs removed in one unit, which is bounded: content that many buckets share has a wrap for each of them.
const ROWS_TOGETHER: usize = 400;
/// A finished segment is rewritten when less than this share of its records is live.
const LIVE_SHARE_MIN: f64 = 0.5;

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// References given up.
    pub released: u64,
    /// Blobs freed.
    pub freed: u64,
    /// Stored bytes of those blobs.
    pub freed_bytes: u64,
    /// Segments whose live blobs were moved.
    pub rewritten: u64,
    /// Segment files removed.
    pub unlinked: u64,
}

/// Live bytes and blobs of each segment.
type Live = HashMap<SegmentId, Vec<(TenantId, BlobId, Place)>>;

pub(super) fn run(inner: &Inner) -> Result<SweepReport, StoreError> {
    let mut report = SweepReport::default();
    let tenants = inner.log.snapshot().tenants().map_err(log_error)?;
    for &tenant in &tenants {
        unless_closing(tenant, release(inner, tenant, &mut report))?;
    }
    // Freeing a manifest leaves its children without references: trees have few levels.
    for _ in 0..4 {
        let freed = report.freed;
        for &tenant in &tenants {
            unless_closing(tenant, free(inner, tenant, &mut report))?;
        }
        if report.freed == freed {
            break;
        }
    }
    segments(inner, &tenants, &mut report)?;
    Ok(report)
}

impl Inner {
    /// How long past content of a bucket is kept, seconds; none for ever.
    pub(crate) fn window_s(&self, chosen: Option<HistoryWindow>) -> Option<u64> {
        match chosen {
            None => self.settings.history_window_s,
            Some(HistoryWindow::Forever) => None,
            Some(HistoryWindow::Seconds(seconds)) => Some(seconds),
        }
    }
}

fn request(inner: &Inner, tenant: TenantId) -> Request {
    Request::system("sweep", tenant, inner.ids.request(inner.clock.wall()))
}

/// What is wrong with some blobs or one tenant is no reason to leave the others: the next sweep tries them again. While the
/// store closes, there is nothing left to try.
fn unless_closing(tenant: TenantId, done: Result<(), StoreError>) -> Result<(), StoreError> {
    match done {
        Err(error) if !matches!(error, StoreError::Unavailable) => {
            tracing::error!(%tenant, error = %describe(&error), "a part of a sweep was left out");
            Ok(())
        }
        done => done,
    }
}

/// Gives up references whose bucket's history window has passed and that nothing else keeps, oldest first.
fn release(inner: &Inner, tenant: TenantId, report: &mut SweepReport) -> Result<(), StoreError> {
    // An erased tenant's rows go with its erasure.
    if inner.contents.vault.tenant_key(tenant).is_none() {
        return Ok(());
    }
    // Judged by the retention clock: a wall clock set ahead must not end history early, and one that is not believed not
    // at all.
    if inner.retention.lock().expiry_frozen() {
        return Ok(());
    }
    let buckets = query::release_buckets(inner.log.snapshot().as_ref(), tenant).map_err(rows_error)?;
    for bucket in buckets {
        let row = query::bucket(inner.log.snapshot().as_ref(), tenant, bucket).map_err(rows_error)?;
        if let Some(window_s) = inner.window_s(row.and_then(|row| row.window)) {
            let until = Time(inner.now().0.saturating_sub(window_s.saturating_mul(1_000_000)));
            release_of(inner, tenant, bucket, until, report)?;
        }
    }
    Ok(())
}

fn release_of(
    inner: &Inner,
    tenant: TenantId,
    bucket: BucketId,
    until: Time,
    report: &mut SweepReport,
) -> Result<(), StoreError> {
    let mut after: Option<query::DueRelease> = None;
    loop {
        let snapshot = inner.log.snapshot();
        let due = query::releases_of(snapshot.as_ref(), tenant, bucket, until, after.as_ref(), TOGETHER);
        let due = due.map_err(rows_error)?;
        let Some(last) = due.last().copied() else { return Ok(()) };
        after = Some(last);
        // What is kept is looked at with every sweep: the writer is asked about the rest alone.
        let (keepers, now) = (Keepers::of(snapshot.as_ref(), tenant, bucket)?, inner.judged_now());
        let due: Vec<_> = due.into_iter().filter(|one| !keepers.keep(one, now)).collect();
        if due.is_empty() {
            continue;
        }
        let (sealed_for, key) = match inner.contents.vault.bucket_key(tenant, bucket) {
            Some(key) => (bucket, key),
            None => (BucketId::NONE, inner.tenant_key(tenant)?),
        };
        let decide: Decide = Box::new(move |rows, now| {
            // Asked again here: a snapshot of an earlier point may have come since.
            let keepers = Keepers::of(rows, tenant, bucket)?;
            let (mut state, mut asked) = (content::State::default(), Vec::new());
            for one in due.iter().filter(|one| !keepers.keep(one, now)) {
                let reference = row::Reference::key(tenant, one.blob, one.referrer);
                let reference = row::get::<row::Reference>(rows, &reference).map_err(rows_error)?;
                if reference.is_some_and(|reference| reference.released.is_some()) {
                    state.held.insert((one.blob, one.referrer));
                    asked.push(Released { blob: one.blob, referrer: one.referrer });
                }
            }
            let events = content::decide(&state, content::Command::Release(asked))?;
            let plan = |event| Planned { bucket: sealed_for, key, object: None, event };
            Ok(Unit { events: events.into_iter().map(plan).collect(), changes: Changes::default() })
        });
        for made in inner.run_blocking(request(inner, tenant), decide)? {
            let event = made.body.as_ref().and_then(|body| body.event(&made.header).ok());
            if let Some(Event::ContentReleased(event)) = event {
                report.released += event.released.len() as u64;
            }
        }
    }
}

/// What keeps a bucket's past content whatever its window: points that something shows.
struct Keepers(Vec<Position>);

impl Keepers {
    fn of(rows: &dyn Rows, tenant: TenantId, bucket: BucketId) -> Result<Self, StoreError> {
        let snapshots = query::snapshots(rows, tenant, bucket).map_err(rows_error)?;
        let derived = query::derived(rows, tenant, bucket).map_err(rows_error)?;
        let points =
            snapshots.into_iter().map(|(_, snapshot)| snapshot.at).chain(derived.into_iter().map(|(_, at)| at));
        Ok(Self(points.map(|at| at.position).collect()))
    }

    /// Whether content must stay that a version had from its event up to its release: a point in between shows it, or the version
    /// was kept until later.
    fn keep(&self, due: &query::DueRelease, now: Time) -> bool {
        let Referrer::Version(made_by) = due.referrer else { return false };
        due.release.keep_until.is_some_and(|until| now < until)
            || self.0.iter().any(|at| made_by.position <= *at && *at < due.release.at)
    }
}

/// Frees blobs that nothing refers to and that are older than the grace.
fn free(inner: &Inner, tenant: TenantId, report: &mut SweepReport) -> Result<(), StoreError> {
    let before = Time(inner.clock.wall().0.saturating_sub(inner.settings.grace_s.saturating_mul(1_000_000)));
    let mut after = None;
    loop {
        let (dead, next) = dead_blobs(inner, tenant, before, after)?;
        for some in dead.chunks(TOGETHER) {
            unless_closing(tenant, free_together(inner, tenant, some, report))?;
        }
        match next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Blobs looked at under one snapshot, which must not live long.
const SCAN_STEP: usize = 10_000;

/// Unreferenced blobs, and the key after which to go on where there may be more.
type Stretch = (Vec<(BlobId, BlobRow)>, Option<Vec<u8>>);

/// The unreferenced blobs of one stretch of a tenant's blobs, and where the next stretch begins.
fn dead_blobs(inner: &Inner, tenant: TenantId, before: Time, after: Option<Vec<u8>>) -> Result<Stretch, StoreError> {
    let snapshot = inner.log.snapshot();
    let rows: &dyn Rows = snapshot.as_ref();
    let (mut dead, mut seen) = (Vec::new(), 0);
    for entry in blobs(rows, tenant, after) {
        let (key, blob, row) = entry?;
        seen += 1;
        if row.staged < before && !referenced(rows, tenant, blob)? {
            dead.push((blob, row));
        }
        if seen == SCAN_STEP {
            return Ok((dead, Some(key)));
        }
    }
    Ok((dead, None))
}

fn blobs(
    rows: &dyn Rows,
    tenant: TenantId,
    after: Option<Vec<u8>>,
) -> impl Iterator<Item = Result<(Vec<u8>, BlobId, BlobRow), StoreError>> {
    use std::ops::Bound;
    let prefix = blobs_prefix(tenant);
    let to = event_log::prefix_end(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
    let from = after.map_or(Bound::Included(prefix), Bound::Excluded);
    rows.range(PHYSICAL, from, to).map(|entry| {
        let (key, value) = entry.map_err(|error| internal(&error))?;
        let malformed = || StoreError::Corrupt { what: "a row of a blob is malformed".to_owned() };
        let blob = blob_of(&key).ok_or_else(malformed)?;
        let row = BlobRow::decode(&value).ok_or_else(malformed)?;
        Ok((key, blob, row))
    })
}

/// Whether a version, part or manifest refers to a blob.
fn referenced(rows: &dyn Rows, tenant: TenantId, blob: BlobId) -> Result<bool, StoreError> {
    if query::is_referenced(rows, tenant, blob).map_err(rows_error)? {
        return Ok(true);
    }
    match event_log::prefix(rows, PHYSICAL, &parents_prefix(tenant, blob)).next() {
        None => Ok(false),
        Some(row) => row.map(|_| true).map_err(|error| internal(&error)),
    }
}

fn free_together(
    inner: &Inner,
    tenant: TenantId,
    dead: &[(BlobId, BlobRow)],
    report: &mut SweepReport,
) -> Result<(), StoreError> {
    let blobs: Vec<_> = dead.iter().map(|(blob, _)| (tenant, *blob)).collect();
    // From here on nobody can pin what was granted; the marks go when this returns.
    let freeing = inner.contents.blobs.pins().begin_free(&blobs);
    let granted: Vec<BlobId> = freeing.granted().iter().map(|(_, blob)| *blob).collect();
    for (blob, _) in dead.iter().filter(|(blob, row)| row.manifest && granted.contains(blob)) {
        forget_children(inner, tenant, *blob)?;
    }
    let rows: Vec<(BlobId, BlobRow)> = dead.iter().filter(|(blob, _)| granted.contains(blob)).copied().collect();
    let rows = Arc::new(rows);
    let more = Arc::new(AtomicBool::new(true));
    while more.load(Ordering::Relaxed) {
        let (rows, more) = (rows.clone(), more.clone());
        let decide: Decide = Box::new(move |view, _| {
            let mut changes = Changes::default();
            more.store(forget(view, tenant, &rows, &mut changes)?, Ordering::Relaxed);
            Ok(Unit { events: Vec::new(), changes })
        });
        inner.run_blocking(request(inner, tenant), decide)?;
    }
    let snapshot = inner.log.snapshot();
    for (blob, row) in rows.iter() {
        if blob_row(snapshot.as_ref(), tenant, *blob).map_err(crate::content::internal_box)?.is_none() {
            report.freed += 1;
            report.freed_bytes += u64::from(row.stored_bytes);
        }
    }
    drop(freeing);
    Ok(())
}

/// Frees those of some blobs that nothing refers to, whatever their age: what an erasure leaves is nobody's. How many. For one
/// who holds the lock of upkeep.
pub(super) fn free_now(inner: &Inner, tenant: TenantId, blobs: &[BlobId]) -> Result<u64, StoreError> {
    let snapshot = inner.log.snapshot();
    let mut dead = Vec::new();
    for blob in blobs {
        let row = blob_row(snapshot.as_ref(), tenant, *blob).map_err(crate::content::internal_box)?;
        if let Some(row) = row
            && !referenced(snapshot.as_ref(), tenant, *blob)?
        {
            dead.push((*blob, row));
        }
    }
    drop(snapshot);
    let mut report = SweepReport::default();
    if !dead.is_empty() {
        free_together(inner, tenant, &dead, &mut report)?;
    }
    Ok(report.freed)
}

/// Whether a blob has a wrap other than these.
pub(super) fn has_other_wraps(
    view: &dyn Rows,
    tenant: TenantId,
    blob: BlobId,
    these: &[Vec<u8>],
) -> Result<bool, StoreError> {
    for wraps in [wraps_prefix(tenant, blob), named_wraps_prefix(tenant, blob), customer_wrap_key(tenant, blob)] {
        for wrap in event_log::prefix(view, TRUTH, &wraps) {
            if !these.contains(&wrap.map_err(|error| internal(&error))?.0) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Removes every row of a blob that no key opens any more but its wraps, whoever refers to it. Whether there was one.
pub(super) fn forget_unopenable(
    view: &dyn Rows,
    tenant: TenantId,
    blob: BlobId,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let Some(row) = blob_row(view, tenant, blob).map_err(crate::content::internal_box)? else { return Ok(false) };
    if let Some(hint) = row.hint {
        let points = view.get(PHYSICAL, &hint_key(tenant, &hint)).map_err(|error| internal(&error))?;
        if points.as_deref() == Some(&blob.0[..]) {
            changes.remove(PHYSICAL, hint_key(tenant, &hint));
        }
    }
    if row.located == Located::Inline {
        changes.remove(TRUTH, inline_key(tenant, blob));
    }
    changes.remove(PHYSICAL, blob_key(tenant, blob));
    Ok(true)
}

/// Removes the rows of blobs that nothing refers to, as many as go in one unit. Whether some are left.
fn forget(
    view: &dyn Rows,
    tenant: TenantId,
    blobs: &[(BlobId, BlobRow)],
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    for (blob, row) in blobs {
        // Gone with an earlier unit, or referred to: a reference came before the mark that keeps others away.
        let there = view.get(PHYSICAL, &blob_key(tenant, *blob)).map_err(|error| internal(&error))?.is_some();
        if there && !referenced(view, tenant, *blob)? && !forget_one(view, tenant, *blob, row, changes)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes every row of a blob, or some of them and not its own. Whether all.
///
/// The hint goes first, so that after a crash in between no upload takes a blob for its own that has lost wraps; the blob's row
/// goes last, for by it the next sweep finds the rest.
fn forget_one(
    view: &dyn Rows,
    tenant: TenantId,
    blob: BlobId,
    row: &BlobRow,
    changes: &mut Changes,
) -> Result<bool, StoreError> {
    let failed = |error: event_log::ReadError| internal(&error);
    if changes.0.len() >= ROWS_TOGETHER {
        return Ok(false);
    }
    if let Some(hint) = row.hint {
        // A later copy of the same bytes may have taken the hint over.
        let points = view.get(PHYSICAL, &hint_key(tenant, &hint)).map_err(failed)?;
        if points.as_deref() == Some(&blob.0[..]) {
            changes.remove(PHYSICAL, hint_key(tenant, &hint));
        }
    }
    // A blob is under one kind of key. The rows of the others are not there, which costs a look each.
    for wraps in [wraps_prefix(tenant, blob), named_wraps_prefix(tenant, blob), customer_wrap_key(tenant, blob)] {
        for wrap in event_log::prefix(view, TRUTH, &wraps) {
            if changes.0.len() >= ROWS_TOGETHER {
                return Ok(false);
            }
            changes.remove(TRUTH, wrap.map_err(failed)?.0);
        }
    }
    if row.located == Located::Inline {
        changes.remove(TRUTH, inline_key(tenant, blob));
    }
    changes.remove(PHYSICAL, blob_key(tenant, blob));
    Ok(true)
}

/// Removes the rows by which a manifest keeps its children. The manifest has no reference itself and nobody can pin it.
fn forget_children(inner: &Inner, tenant: TenantId, manifest: BlobId) -> Result<(), StoreError> {
    let Some(children) = children(inner, tenant, manifest)? else { return Ok(()) };
    for some in children.chunks(CHILDREN_TOGETHER) {
        let some = some.to_vec();
        let decide: Decide = Box::new(move |view, _| {
            let mut changes = Changes::default();
            if !referenced(view, tenant, manifest)? {
                for child in &some {
                    changes.remove(PHYSICAL, child_key(tenant, *child, manifest));
                }
            }
            Ok(Unit { events: Vec::new(), changes })
        });
        inner.run_blocking(request(inner, tenant), decide)?;
    }
    Ok(())
}

/// The children of a manifest; none if no live key opens it: an erasure has taken care of them.
fn children(inner: &Inner, tenant: TenantId, manifest: BlobId) -> Result<Option<Vec<BlobId>>, StoreError> {
    let snapshot = inner.log.snapshot();
    let mut scopes = Vec::new();
    for wrap in event_log::prefix(snapshot.as_ref(), TRUTH, &wraps_prefix(tenant, manifest)) {
        let (key, value) = wrap.map_err(|error| internal(&error))?;
        if let (Some((bucket, _)), Some(key)) = (decode_wrap(&value), wrapped_by(&key)) {
            scopes.push(Scope { tenant, bucket, key, mode: Mode::Managed });
        }
    }
    for scope in scopes {
        if let Ok(found) = inner.contents.manifest(snapshot.clone(), &scope, manifest) {
            return Ok(Some(found.entries.iter().map(|entry| entry.blob).collect()));
        }
    }
    Ok(None)
}

/// Removes segments without live blobs and rewrites those that are mostly dead.
fn segments(inner: &Inner, tenants: &[TenantId], report: &mut SweepReport) -> Result<(), StoreError> {
    let blobs = &inner.contents.blobs;
    if report.freed > 0 {
        finish_dead(inner, tenants)?;
    }
    // The order matters. What is sealed now takes no more writes; whoever is active wrote to `oldest` or later; the rows of
    // those who are not active any more are in the snapshots taken after.
    let sealed: Vec<_> = blobs.segments().into_iter().filter(|info| info.state != SegmentState::Open).collect();
    let oldest = inner.contents.active.oldest();
    let candidates: Vec<_> =
        sealed.into_iter().filter(|info| oldest.is_none_or(|oldest| info.segment < oldest)).collect();
    if candidates.is_empty() {
        return Ok(());
    }
    let mut live = all_live(inner, tenants)?;
    for info in candidates {
        let found = live.remove(&info.segment).unwrap_or_default();
        if !found.is_empty() && (live_share(&found, &info) >= LIVE_SHARE_MIN || info.state == SegmentState::Failed) {
            continue;
        }
        if !found.is_empty() {
            if !rewrite(inner, &found)? {
                continue;
            }
            report.rewritten += 1;
        }
        blobs.unlink(info.segment).map_err(write_error)?;
        report.unlinked += 1;
    }
    Ok(())
}

/// Ends open segments that are mostly dead: what was deleted from them would stay until they are full.
fn finish_dead(inner: &Inner, tenants: &[TenantId]) -> Result<(), StoreError> {
    let blobs = &inner.contents.blobs;
    let open: Vec<_> = blobs.segments().into_iter().filter(|info| info.state == SegmentState::Open).collect();
    if open.iter().all(|info| info.record_bytes == 0) {
        return Ok(());
    }
    let live = all_live(inner, tenants)?;
    for info in open.into_iter().filter(|info| info.record_bytes > 0) {
        let found = live.get(&info.segment).map_or(&[][..], Vec::as_slice);
        if live_share(found, &info) < LIVE_SHARE_MIN {
            blobs.finish(info.segment).map_err(write_error)?;
        }
    }
    Ok(())
}

fn all_live(inner: &Inner, tenants: &[TenantId]) -> Result<Live, StoreError> {
    let mut live = Live::new();
    for &tenant in tenants {
        collect_live(inner, tenant, &mut live)?;
    }
    Ok(live)
}

/// How much of a segment's records is live.
fn live_share(found: &[(TenantId, BlobId, Place)], info: &SegmentInfo) -> f64 {
    let live_bytes: u64 = found.iter().map(|(_, _, place)| stored(place)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a share needs no exact bytes")]
    let share = live_bytes as f64 / info.record_bytes.max(1) as f64;
    share
}

fn stored(place: &Place) -> u64 {
    match place {
        Place::Inline(_) => 0,
        Place::Segment { length, .. } => u64::from(*length),
    }
}

fn collect_live(inner: &Inner, tenant: TenantId, live: &mut Live) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let snapshot = inner.log.snapshot();
        let mut seen = 0;
        let mut last = None;
        for entry in blobs(snapshot.as_ref(), tenant, after.clone()) {
            let (key, blob, row) = entry?;
            (seen, last) = (seen + 1, Some(key));
            if let Located::Segment { segment, offset, length } = row.located {
                live.entry(segment).or_default().push((tenant, blob, Place::Segment { segment, offset, length }));
            }
            if seen == SCAN_STEP {
                break;
            }
        }
        if seen < SCAN_STEP {
            return Ok(());
        }
        after = last;
    }
}

/// Copies live blobs to a current segment and switches their rows. The old file still serves readers until it is unlinked,
/// and after that those that have it open. False when a record is damaged: the segment stays, as evidence and for what can
/// still be read of it.
fn rewrite(inner: &Inner, found: &[(TenantId, BlobId, Place)]) -> Result<bool, StoreError> {
    let blobs = &inner.contents.blobs;
    let active = inner.contents.active.begin(blobs);
    for some in found.chunks(CHILDREN_TOGETHER) {
        let moved = match blobs.relocate(some) {
            Ok(moved) => moved,
            Err(WriteError::Source(error)) => {
                tracing::error!(error = %describe(&error), "a damaged segment is not rewritten");
                return Ok(false);
            }
            Err(error) => return Err(write_error(error)),
        };
        for tenant in moved.iter().map(|(tenant, ..)| *tenant).collect::<std::collections::BTreeSet<_>>() {
            let mut switches = Vec::new();
            for ((_, blob, new), (_, _, old)) in moved.iter().zip(some).filter(|((of, ..), _)| *of == tenant) {
                if let (Some(new), Some(old)) = (located(new), located(old)) {
                    switches.push((*blob, old, new));
                }
            }
            let decide: Decide = Box::new(move |view, _| {
                let mut changes = Changes::default();
                for (blob, old, new) in &switches {
                    let row = blob_row(view, tenant, *blob).map_err(crate::content::internal_box)?;
                    // Freed in between: nothing to switch.
                    if let Some(row) = row.filter(|row| row.located == *old) {
                        changes.put(PHYSICAL, blob_key(tenant, *blob), BlobRow { located: *new, ..row }.encode());
                    }
                }
                Ok(Unit { events: Vec::new(), changes })
            });
            inner.run_blocking(request(inner, tenant), decide)?;
        }
    }
    drop(active);
    Ok(true)
}

fn located(place: &Place) -> Option<Located> {
    match place {
        Place::Inline(_) => None,
        Place::Segment { segment, offset, length } => {
            Some(Located::Segment { segment: *segment, offset: *offset, length: *length })
        }
    }
}

#[cfg(test)]
mod tests {
    use projections::MemoryRows;
    use schemas::KeyId;

    use super::*;
    use crate::tables::wrap_key;

    const TENANT: TenantId = TenantId(1);

    #[test]
    fn content_that_a_thousand_buckets_share_goes_in_units_that_fit_and_its_own_row_last() {
        let row = |hint| BlobRow {
            located: Located::Segment { segment: SegmentId(1), offset: 0, length: 9 },
            size_bytes: 9,
            stored_bytes: 9,
            staged: Time(0),
            manifest: false,
            hint,
        };
        let blobs = [(BlobId([1; 16]), row(None)), (BlobId([2; 16]), row(Some([7; 32]))), (BlobId([3; 16]), row(None))];
        let mut rows = MemoryRows::default();
        let mut put = Changes::default();
        for (blob, row) in &blobs {
            put.put(PHYSICAL, blob_key(TENANT, *blob), row.encode());
        }
        put.put(PHYSICAL, hint_key(TENANT, &[7; 32]), vec![2; 16]);
        for key in 0..1_000 {
            put.put(TRUTH, wrap_key(TENANT, blobs[1].0, KeyId(key)), vec![0]);
        }
        rows.write(put);
        let there = |rows: &MemoryRows, blob| rows.get(PHYSICAL, &blob_key(TENANT, blob)).expect("reads").is_some();
        let mut units = 0;
        loop {
            let mut changes = Changes::default();
            let more = forget(&rows, TENANT, &blobs, &mut changes).expect("forgets");
            assert!(changes.0.len() <= ROWS_TOGETHER + 2, "{}", changes.0.len());
            rows.write(changes);
            units += 1;
            let hint = rows.get(PHYSICAL, &hint_key(TENANT, &[7; 32])).expect("reads");
            assert_eq!((there(&rows, blobs[1].0), hint), (more, None));
            if !more {
                break;
            }
        }
        assert_eq!(units, 3);
        assert!(!there(&rows, blobs[0].0) && !there(&rows, blobs[2].0));
        assert_eq!(event_log::prefix(&rows, TRUTH, &[]).count(), 0);
    }
}
