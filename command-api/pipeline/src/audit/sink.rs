//! Entries and counts on their way to the disk.
//!
//! Owns: the queue, the thread that writes it in batches, how long what was written is kept, figures of all that.
//! Does not own: what an entry says (`entry`), what a minute's row is (`meter`).
//! Invariants: no request waits here. What the queue has no room for is counted, and an entry says how many there were. What was
//! handed over more than 250 ms ago is on the disk, unless the disk itself is slower.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use event_log::{Changes, Rows, Table, Views};
use parking_lot::{Condvar, Mutex};
use projections::query;
use schemas::{RequestId, TenantId, Time};
use vault::Vault;

use super::entry::{self, ACCESS, Asker, AskerKind, Entry, Surface, Verdict, What};
use super::meter::{self, Counts, MINUTE_US, Meter, Minutes, Stored, USE};
use crate::clock::{Clock, Ids};
use crate::sequencer::describe;
use crate::store::Inner;

/// How often what waits is written. With sealing and the disk's own time it stays below 250 ms.
const PACE: Duration = Duration::from_millis(100);
/// How often counts alone make the disk sync: they are figures, and a power cut may cost a second of them.
const SYNC_COUNTS_EVERY_US: u64 = 1_000_000;
/// How often old rows are removed.
const RETENTION_EVERY_US: u64 = 600 * 1_000_000;
/// Entries that wait at most: some MiB, at the longest 64.
const WAITING_MAX: usize = 32_768;
/// Rows of one batch, and old rows removed in one round.
const BATCH_ROWS: usize = 2_048;
const REMOVED_MAX: usize = 8_192;

/// The tables of this database.
pub(crate) const TABLES: &[Table] = &[ACCESS, USE];
/// What the writer notes of them.
pub(crate) const NOTES: Table = Table { name: "notes" };
/// Bytes of all entries, and of those of nobody known among them.
const ENTRIES_BYTES_KEY: &[u8] = b"entries-bytes";
const STRANGERS_BYTES_KEY: &[u8] = b"entries-bytes-of-strangers";
/// Room that the writer keeps for a batch: what a burst takes beyond it is given back.
const SPARE_MAX: usize = 4_096;

/// How long rows are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    pub(crate) entries_days: u32,
    pub(crate) entries_bytes_max: u64,
    pub(crate) minutes_days: u32,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    /// Entries that were not kept and that no entry speaks of yet.
    lost: u64,
    /// Bytes of entries that somebody else removed, by share.
    freed: [u64; 2],
    /// Turns of the writer that somebody asked for, and those that are done.
    asked: u64,
    done: u64,
    ending: bool,
}

/// Figures since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFigures {
    /// Requests by door and what came of them.
    pub requests: Vec<(Surface, Verdict, u64)>,
    /// Requests that were begun and have not ended.
    pub in_flight: u64,
    /// Entries that wait to be written.
    pub waiting: usize,
    /// For how long the oldest of them has waited.
    pub lag_us: u64,
    /// Entries that were written.
    pub written: u64,
    /// Entries that could not be kept.
    pub lost: u64,
    /// Bytes of the entries that are kept.
    pub bytes: u64,
}

/// Where doors hand over what was asked.
pub(crate) struct Sink {
    queue: Mutex<Queue>,
    wake: Condvar,
    turned: Condvar,
    meter: Meter,
    clock: Arc<dyn Clock>,
    pub(crate) views: Arc<Views>,
    requests: [[AtomicU64; 3]; 3],
    in_flight: AtomicU64,
    written: AtomicU64,
    lost: AtomicU64,
    bytes: AtomicU64,
    /// Monotonic clock at which everything was written that had been handed over, as far as is known.
    clean_us: AtomicU64,
}

impl Sink {
    pub(crate) fn new(views: Arc<Views>, clock: Arc<dyn Clock>) -> Self {
        Self {
            queue: Mutex::default(),
            wake: Condvar::new(),
            turned: Condvar::new(),
            meter: Meter::default(),
            views,
            requests: Default::default(),
            in_flight: AtomicU64::new(0),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            clean_us: AtomicU64::new(clock.monotonic_us()),
            clock,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.wall()
    }

    pub(crate) fn began(&self, _: Surface) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self, surface: Surface, verdict: Verdict) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.requests[surface as usize][verdict as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn meter(&self, tenant: TenantId, now: Time, counts: &Counts) {
        self.meter.count(tenant, now, counts);
    }

    /// Takes an entry, or counts it as lost. Never waits for the disk.
    pub(crate) fn keep(&self, entry: Entry) {
        let mut queue = self.queue.lock();
        if queue.entries.len() >= WAITING_MAX || queue.ending {
            queue.lost += 1;
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.entries.push(entry);
        if queue.entries.len() == WAITING_MAX / 2 {
            self.wake.notify_one();
        }
    }

    /// Waits until what was handed over before is written; at most so long.
    pub(crate) fn flush(&self, most: Duration) {
        let mut queue = self.queue.lock();
        queue.asked += 1;
        let mine = queue.asked;
        self.wake.notify_one();
        while queue.done < mine && !queue.ending {
            if self.turned.wait_for(&mut queue, most).timed_out() {
                return;
            }
        }
    }

    /// Removes the entries of a tenant that name a bucket, or all of its rows in every table of this database. How many entries.
    /// Ends early when it is told to.
    pub(crate) fn forget(
        &self,
        vault: &Vault,
        tenant: TenantId,
        bucket: Option<&str>,
        until: Time,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<u64, String> {
        self.flush(Duration::from_secs(5));
        let mut forgotten = 0;
        for table in self.views.tables() {
            if bucket.is_some() && table != ACCESS || table == NOTES {
                continue;
            }
            let beginning = tenant.0.to_be_bytes().to_vec();
            let to = event_log::prefix_end(&beginning).map_or(Bound::Unbounded, Bound::Excluded);
            let mut from = Bound::Included(beginning);
            loop {
                let snapshot = self.views.snapshot();
                let (mut changes, mut gone, mut looked, mut last) = (Changes::default(), 0, 0, None);
                for row in snapshot.range(table, from, to.clone()).take(BATCH_ROWS) {
                    let (key, value) = row.map_err(|error| describe(&error))?;
                    looked += 1;
                    let goes = match bucket {
                        None => true,
                        Some(name) => {
                            let before = entry::parse_key(&key).is_some_and(|(_, time, _)| time <= until);
                            // One that does not open names nothing any more.
                            let what =
                                if before { entry::open(vault, tenant, &key, &value).unwrap_or(None) } else { None };
                            what.is_some_and(|what| what.bucket.as_deref() == Some(name))
                        }
                    };
                    if goes {
                        gone += (key.len() + value.len()) as u64;
                        changes.remove(table, key.clone());
                    }
                    last = Some(key);
                }
                drop(snapshot);
                if table == ACCESS {
                    forgotten += changes.0.len() as u64;
                    self.queue.lock().freed[share_of(tenant)] += gone;
                }
                if !changes.0.is_empty() {
                    self.views.write(changes, true).map_err(|error| describe(&error))?;
                }
                match last {
                    Some(last) if looked == BATCH_ROWS && keep_going() => from = Bound::Excluded(last),
                    _ => break,
                }
            }
        }
        Ok(forgotten)
    }

    pub(crate) fn figures(&self) -> AuditFigures {
        let of = |surface: Surface, verdict: Verdict| {
            (surface, verdict, self.requests[surface as usize][verdict as usize].load(Ordering::Relaxed))
        };
        let requests = Surface::ALL.into_iter().flat_map(|it| Verdict::ALL.map(|verdict| of(it, verdict))).collect();
        let waiting = self.queue.lock().entries.len();
        let clean_us = self.clean_us.load(Ordering::Relaxed);
        let lag_us = if waiting == 0 { 0 } else { self.clock.monotonic_us().saturating_sub(clean_us) };
        AuditFigures {
            requests,
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting,
            lag_us,
            written: self.written.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// The thread that writes.
#[derive(Default)]
pub(crate) struct Writing(Mutex<Option<JoinHandle<()>>>);

impl Writing {
    pub(crate) fn start(&self, inner: &Arc<Inner>, retention: Retention) -> std::io::Result<()> {
        let mut writer = Writer {
            sink: inner.audit.clone(),
            vault: inner.contents.vault.clone(),
            inner: Arc::downgrade(inner),
            retention,
            minutes: Minutes::default(),
            sampled: meter::minute(inner.clock.wall()),
            synced_us: 0,
            swept_us: None,
            removed_to: HashMap::new(),
            shares: Default::default(),
            failing: false,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run())?;
        *self.0.lock() = Some(thread);
        Ok(())
    }

    /// Writes what there is and ends.
    pub(crate) fn stop(&self, sink: &Sink) {
        sink.queue.lock().ending = true;
        sink.wake.notify_all();
        if let Some(thread) = self.0.lock().take() {
            // A panic there was reported by its own thread.
            let _ = thread.join();
        }
        sink.turned.notify_all();
    }
}

struct Writer {
    sink: Arc<Sink>,
    vault: Arc<Vault>,
    inner: Weak<Inner>,
    retention: Retention,
    minutes: Minutes,
    /// The minute that goes on: what tenants have is noted when it has ended.
    sampled: u64,
    synced_us: u64,
    swept_us: Option<u64>,
    /// The last row that was removed of a table's tenant: what lies before need not be stepped over again.
    removed_to: HashMap<(&'static str, TenantId), Vec<u8>>,
    /// Of tenants, and of strangers: whatever these send, they push out each other's entries and no tenant's.
    shares: [Share; 2],
    failing: bool,
}

/// Entries that have one bound together.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    bytes: u64,
    /// The time before which there is no room for any.
    floor: u64,
}

/// Which of the shares a tenant's entries are in.
fn share_of(tenant: TenantId) -> usize {
    usize::from(tenant == TenantId::SYSTEM)
}

impl Writer {
    fn run(&mut self) {
        match bytes_noted(&self.sink.views) {
            Ok(bytes) => self.set_bytes(bytes),
            Err(error) => self.say(&error),
        }
        let mut entries = Vec::new();
        loop {
            let (lost, asked, ending) = self.next(&mut entries);
            let gone = self.inner.strong_count() == 0;
            self.turn(&mut entries, lost, ending || gone);
            entries.shrink_to(SPARE_MAX);
            {
                let mut queue = self.sink.queue.lock();
                queue.done = queue.done.max(asked);
            }
            self.sink.turned.notify_all();
            if ending || gone {
                return;
            }
        }
    }

    /// What waits, for an empty batch that has room: nothing grows while requests wait for the lock.
    fn next(&mut self, entries: &mut Vec<Entry>) -> (u64, u64, bool) {
        let mut queue = self.sink.queue.lock();
        if !queue.ending && queue.asked == queue.done && queue.entries.len() < WAITING_MAX / 2 {
            self.sink.wake.wait_for(&mut queue, PACE);
        }
        std::mem::swap(&mut queue.entries, entries);
        for (share, freed) in self.shares.iter_mut().zip(std::mem::take(&mut queue.freed)) {
            share.bytes = share.bytes.saturating_sub(freed);
        }
        (std::mem::take(&mut queue.lost), queue.asked, queue.ending)
    }

    /// Writes what waits. What cannot be written is lost, and counted; so is what was lost before, until an entry that says
    /// so stands on the disk.
    fn turn(&mut self, entries: &mut Vec<Entry>, lost: u64, ending: bool) {
        let now_us = self.sink.clock.monotonic_us();
        let (count, any) = (entries.len() as u64, lost > 0 || !entries.is_empty());
        let mut changes = Changes::default();
        let sealed = count - self.seal(entries.drain(..), &mut changes);
        // Behind all others: when it is written, they are.
        let told = lost > 0 && self.seal(std::iter::once(self.loss(lost)), &mut changes) == 0;
        let synced = any || ending || now_us.saturating_sub(self.synced_us) >= SYNC_COUNTS_EVERY_US;
        if let Err(error) = self.count(&mut changes, ending) {
            self.say(&error);
        }
        let (rows, result) = self.write(changes, synced);
        self.sink.written.fetch_add(rows, Ordering::Relaxed);
        let failed = count - rows.min(sealed);
        match result {
            Ok(()) => {
                self.failing &= failed > 0 || (lost > 0 && !told);
                self.sink.clean_us.store(now_us, Ordering::Relaxed);
                if synced {
                    self.synced_us = now_us;
                }
            }
            Err(error) => self.say(&describe(&error)),
        }
        let untold = if told && rows > sealed { 0 } else { lost };
        if failed + untold > 0 {
            self.sink.lost.fetch_add(failed, Ordering::Relaxed);
            self.sink.queue.lock().lost += failed + untold;
        }
        let is_over = self.over().any(|is_over| is_over);
        let is_due = self.swept_us.is_none_or(|last| now_us - last >= RETENTION_EVERY_US);
        if !ending && (is_over || is_due) {
            match self.remove_old() {
                // What is left is removed at the next turns: this thread has entries to write in between.
                Ok(is_done) => self.swept_us = is_done.then_some(now_us),
                Err(error) => {
                    self.swept_us = Some(now_us);
                    self.say(&error);
                }
            }
        }
    }

    /// Writes rows in pieces; how many entries are on the disk, also when a later piece is not.
    fn write(&mut self, changes: Changes, synced: bool) -> (u64, Result<(), event_log::ViewsError>) {
        let (mut rows, mut written) = (changes.0, 0);
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(BATCH_ROWS));
            let mut piece = Changes(std::mem::replace(&mut rows, rest));
            let (count, added) = entries_of(&piece);
            let bytes = [0, 1].map(|share| self.shares[share].bytes + added[share]);
            if count > 0 {
                note(&mut piece, bytes);
            }
            if let Err(error) = self.sink.views.write(piece, synced && rows.is_empty()) {
                return (written, Err(error));
            }
            written += count;
            self.set_bytes(bytes);
        }
        (written, Ok(()))
    }

    fn set_bytes(&mut self, bytes: [u64; 2]) {
        for (share, bytes) in self.shares.iter_mut().zip(bytes) {
            share.bytes = bytes;
        }
        self.sink.bytes.store(bytes.iter().sum(), Ordering::Relaxed);
    }

    /// Which shares are over their bound: strangers have a quarter of the whole.
    fn over(&self) -> impl Iterator<Item = bool> {
        let quarter = self.retention.entries_bytes_max / 4;
        let bounds = [self.retention.entries_bytes_max - quarter, quarter];
        self.shares.into_iter().zip(bounds).map(|(share, bound)| share.bytes > bound)
    }

    /// Once for each time that it begins: a disk that refuses does so at every turn.
    fn say(&mut self, error: &str) {
        if !self.failing {
            tracing::error!(error, "the access log or the metering cannot be written");
        }
        self.failing = true;
    }

    /// Rows of entries; how many could not be sealed.
    fn seal(&mut self, entries: impl Iterator<Item = Entry>, changes: &mut Changes) -> u64 {
        let mut failed = 0;
        for mut entry in entries {
            // A tenant whose keys are gone keeps nothing any more: that somebody asked is the installation's matter.
            if self.vault.tenant_key(entry.tenant).is_none() {
                entry.tenant = TenantId::SYSTEM;
            }
            match entry::seal(&self.vault, &entry) {
                Ok((key, value)) => changes.put(ACCESS, key, value),
                Err(error) => {
                    failed += 1;
                    self.say(&describe(&error));
                }
            }
        }
        failed
    }

    /// What says that entries are missing.
    fn loss(&self, lost: u64) -> Entry {
        let time = self.sink.now();
        let mut what = What::new(Surface::Admin, 500);
        what.asker = Asker { kind: AskerKind::System, user: Some("audit".to_owned()), credential: None };
        what.action = "EntriesLost".to_owned();
        what.code = Some("EntriesLost".to_owned());
        what.lost = lost;
        Entry { tenant: TenantId::SYSTEM, time, request: Ids.request(time), what }
    }

    /// Rows of what was counted, and of what tenants have at the end of a minute.
    fn count(&mut self, changes: &mut Changes, ending: bool) -> Result<(), String> {
        let counted = self.sink.meter.take();
        let now = meter::minute(self.sink.now());
        let turned = now != self.sampled || ending;
        if counted.is_empty() && !turned {
            return Ok(());
        }
        let Some(inner) = self.inner.upgrade() else { return self.put(changes, counted, &HashMap::new()) };
        let snapshot = inner.log.snapshot();
        let rows: &dyn Rows = snapshot.as_ref();
        let stored = |tenant: TenantId| {
            let usage = query::tenant_usage(rows, tenant).map_err(|error| describe(&error))?;
            let (logical_bytes, multipart_bytes) = (usage.logical_bytes, usage.multipart_bytes);
            Ok::<_, String>(Stored { logical_bytes, multipart_bytes, objects: usage.objects })
        };
        // What was counted is written even where what is stored cannot be read.
        let known = counted.keys().filter_map(|(tenant, _)| Some((*tenant, stored(*tenant).ok()?))).collect();
        self.put(changes, counted, &known)?;
        if turned {
            // The minute that ended, not this one; at the end of the process the one that goes on.
            let ended = if now > self.sampled { now - 1 } else { now };
            for (tenant, _) in query::tenants(rows).map_err(|error| describe(&error))? {
                let stored = stored(tenant)?;
                if self.minutes.is_sample_due(tenant, ended, stored) {
                    self.row(changes, (tenant, ended), &Counts::default(), Some(stored))?;
                }
            }
            self.sampled = now;
            self.minutes.close_before(now.saturating_sub(1));
        }
        Ok(())
    }

    fn put(
        &mut self,
        changes: &mut Changes,
        counted: HashMap<(TenantId, u64), Counts>,
        known: &HashMap<TenantId, Stored>,
    ) -> Result<(), String> {
        for (of, counts) in counted {
            self.row(changes, of, &counts, known.get(&of.0).copied())?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        changes: &mut Changes,
        of: (TenantId, u64),
        counts: &Counts,
        stored: Option<Stored>,
    ) -> Result<(), String> {
        let snapshot = self.sink.views.snapshot();
        let (key, value) = self.minutes.add(&snapshot, of, counts, stored).map_err(|error| describe(&error))?;
        changes.put(USE, key, value);
        Ok(())
    }

    /// Removes rows that are older than they are kept; whether all are gone. The time is the log's own: a wall clock that jumps
    /// removes nothing, and nothing goes while expiry is frozen.
    fn remove_old(&mut self) -> Result<bool, String> {
        let Some(inner) = self.inner.upgrade() else { return Ok(true) };
        let now = inner.judged_now();
        drop(inner);
        self.remove_at(now)
    }

    fn remove_at(&mut self, now: Time) -> Result<bool, String> {
        let before = |days: u32| now.0.saturating_sub(u64::from(days) * 86_400 * 1_000_000);
        let entries = before(self.retention.entries_days);
        let minutes = before(self.retention.minutes_days) / MINUTE_US;
        let over: Vec<bool> = self.over().collect();
        for (share, _) in over.into_iter().enumerate().filter(|(_, is_over)| *is_over) {
            self.raise_floor(share, now)?;
        }
        let mut left = REMOVED_MAX;
        for table in [ACCESS, USE] {
            for tenant in tenants_of(&self.sink.views, table)? {
                let first_kept =
                    if table == ACCESS { entries.max(self.shares[share_of(tenant)].floor) } else { minutes };
                left -= self.remove_before(table, tenant, first_kept, left)?;
                if left == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Gives up the oldest entries of a share, a sixteenth of the time that there are any of: there is no room for all.
    fn raise_floor(&mut self, share: usize, now: Time) -> Result<(), String> {
        let mut oldest = now.0;
        for tenant in tenants_of(&self.sink.views, ACCESS)?.into_iter().filter(|tenant| share_of(*tenant) == share) {
            let start = self.removed_to.get(&(ACCESS.name, tenant)).cloned();
            let start = start.map_or_else(|| Bound::Included(tenant.0.to_be_bytes().to_vec()), Bound::Excluded);
            let snapshot = self.sink.views.snapshot();
            let first = snapshot.range(ACCESS, start, Bound::Unbounded).next();
            if let Some((key, _)) = first.transpose().map_err(|error| describe(&error))?
                && let Some((of, time, _)) = entry::parse_key(&key)
                && of == tenant
            {
                oldest = oldest.min(time.0);
            }
        }
        // Until all before the last floor are gone, it stays.
        let share = &mut self.shares[share];
        if oldest >= share.floor {
            share.floor = oldest + (now.0 - oldest) / 16 + 1_000_000;
            tracing::warn!(bytes = share.bytes, "the access log is over its bound: its oldest entries are removed");
        }
        Ok(())
    }

    fn remove_before(&mut self, table: Table, tenant: TenantId, first_kept: u64, most: usize) -> Result<usize, String> {
        let mut removed = 0;
        while removed < most {
            let wanted = BATCH_ROWS.min(most - removed);
            let round = self.remove_some(table, tenant, first_kept, wanted)?;
            removed += round;
            if round < wanted {
                break;
            }
        }
        Ok(removed)
    }

    fn remove_some(&mut self, table: Table, tenant: TenantId, first_kept: u64, most: usize) -> Result<usize, String> {
        let to = [tenant.0.to_be_bytes(), first_kept.to_be_bytes()].concat();
        let from = self.removed_to.get(&(table.name, tenant)).cloned();
        let from = from.map_or_else(|| Bound::Included(tenant.0.to_be_bytes().to_vec()), Bound::Excluded);
        // A clock that went back, never further than what was removed.
        if matches!(&from, Bound::Excluded(from) if *from >= to) {
            return Ok(0);
        }
        let snapshot = self.sink.views.snapshot();
        let (mut changes, mut gone) = (Changes::default(), 0);
        for row in snapshot.range(table, from, Bound::Excluded(to)).take(most) {
            let (key, value) = row.map_err(|error| describe(&error))?;
            gone += (key.len() + value.len()) as u64;
            changes.remove(table, key);
        }
        let removed = changes.0.len();
        let Some(last) = changes.0.last().map(|change| change.key.clone()) else { return Ok(0) };
        let mut bytes = self.shares.map(|share| share.bytes);
        if table == ACCESS {
            bytes[share_of(tenant)] = bytes[share_of(tenant)].saturating_sub(gone);
            note(&mut changes, bytes);
        }
        self.sink.views.write(changes, false).map_err(|error| describe(&error))?;
        self.set_bytes(bytes);
        self.removed_to.insert((table.name, tenant), last);
        Ok(removed)
    }
}

/// Entries that are added, and their bytes by share.
fn entries_of(changes: &Changes) -> (u64, [u64; 2]) {
    let (mut count, mut bytes) = (0, [0; 2]);
    for change in changes.0.iter().filter(|change| change.table == ACCESS) {
        let share = tenant_of(&change.key).map_or(0, share_of);
        bytes[share] += (change.key.len() + change.value.as_ref().map_or(0, Vec::len)) as u64;
        count += 1;
    }
    (count, bytes)
}

fn note(changes: &mut Changes, bytes: [u64; 2]) {
    let all: u64 = bytes.iter().sum();
    changes.put(NOTES, ENTRIES_BYTES_KEY.to_vec(), all.to_be_bytes().to_vec());
    changes.put(NOTES, STRANGERS_BYTES_KEY.to_vec(), bytes[share_of(TenantId::SYSTEM)].to_be_bytes().to_vec());
}

fn bytes_noted(views: &Views) -> Result<[u64; 2], String> {
    let snapshot = views.snapshot();
    let noted = |key: &[u8]| -> Result<Option<u64>, String> {
        let noted = snapshot.get(NOTES, key).map_err(|error| describe(&error))?;
        Ok(noted.and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes))
    };
    let all = noted(ENTRIES_BYTES_KEY)?.unwrap_or_default();
    let strangers = match noted(STRANGERS_BYTES_KEY)? {
        Some(strangers) => strangers,
        // Written before they had a bound of their own: counted once.
        None if all > 0 => bytes_of_strangers(&snapshot)?,
        None => 0,
    };
    Ok([all.saturating_sub(strangers), strangers])
}

fn bytes_of_strangers(rows: &dyn Rows) -> Result<u64, String> {
    let (from, to) = [TenantId::SYSTEM.0, TenantId::SYSTEM.0 + 1].map(|tenant| tenant.to_be_bytes().to_vec()).into();
    let mut bytes = 0;
    for row in rows.range(ACCESS, Bound::Included(from), Bound::Excluded(to)) {
        let (key, value) = row.map_err(|error| describe(&error))?;
        bytes += (key.len() + value.len()) as u64;
    }
    Ok(bytes)
}

fn tenant_of(key: &[u8]) -> Option<TenantId> {
    key.first_chunk::<8>().map(|bytes| TenantId(u64::from_be_bytes(*bytes)))
}

/// Every tenant that has a row.
fn tenants_of(views: &Views, table: Table) -> Result<BTreeSet<TenantId>, String> {
    let snapshot = views.snapshot();
    let (mut tenants, mut from) = (BTreeSet::new(), Bound::Included(Vec::new()));
    loop {
        let first = snapshot.range(table, from, Bound::Unbounded).next();
        let Some((key, _)) = first.transpose().map_err(|error| describe(&error))? else { return Ok(tenants) };
        let Some(tenant) = tenant_of(&key) else { return Ok(tenants) };
        tenants.insert(tenant);
        let Some(next) = tenant.0.checked_add(1) else { return Ok(tenants) };
        from = Bound::Included(next.to_be_bytes().to_vec());
    }
}

/// An entry that says that those before it were lost with a damaged database.
pub(crate) fn set_aside(now: Time) -> Entry {
    let mut what = What::new(Surface::Admin, 500);
    what.asker = Asker { kind: AskerKind::System, user: Some("audit".to_owned()), credential: None };
    what.action = "AccessLogSetAside".to_owned();
    what.code = Some("Damaged".to_owned());
    let request: RequestId = Ids.request(now);
    Entry { tenant: TenantId::SYSTEM, time: now, request, what }
}

#[cfg(test)]
mod tests;
