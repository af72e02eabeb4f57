//! What is kept of deliveries: cursors, positions done behind them, attempts, parked events, replays. Rows in the database of
//! following views.
//!
//! Owns: their bytes, and the thread that writes them.
//! Does not own: what they mean for the next delivery.
//! Invariants: losing all of it means that events are told again, from where their subscription began; none is lost. A row
//! that cannot be read counts as none. What was handed over is on its way to the disk within 100 ms.
//!
//! Layout, part of the format: key = tenant u64 BE, kind u8, subscription 16 bytes, then by kind.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use event_log::{Changes, Cursor, EventLog, Rows, Table, Views, prefix};
use parking_lot::{Condvar, Mutex};
use schemas::record::Header;
use schemas::{Epoch, EventId, LeafHash, Position, SubscriptionId, TenantId, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The table of this crate.
pub const TABLE: Table = Table { name: "notifier" };

/// Kinds of rows. Never reused.
mod kind {
    pub(super) const STATE: u8 = 1;
    pub(super) const DONE: u8 = 2;
    pub(super) const ATTEMPT: u8 = 3;
    pub(super) const PARKED: u8 = 4;
    pub(super) const REPLAY: u8 = 5;
    pub(super) const STREAM: u8 = 6;
}

/// How often rows are written.
const PACE: Duration = Duration::from_millis(100);
/// Attempts that are kept of a subscription: so many of those that succeeded, and of those that failed.
pub(crate) const ATTEMPTS_KEPT: u64 = 2_048;
/// Rows of one batch.
const BATCH_ROWS: usize = 4_096;

/// Where rows of a subscription, or of one of its replays, stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) tenant: TenantId,
    /// The subscription's id, or the replay's.
    pub(crate) id: [u8; 16],
}

impl Place {
    pub(crate) fn of(tenant: TenantId, id: SubscriptionId) -> Self {
        Self { tenant, id: id.0 }
    }

    fn key(&self, kind: u8) -> Vec<u8> {
        let mut key = self.tenant.0.to_be_bytes().to_vec();
        key.push(kind);
        key.extend(self.id);
        key
    }

    fn numbered(&self, kind: u8, number: u64) -> Vec<u8> {
        let mut key = self.key(kind);
        key.extend(number.to_be_bytes());
        key
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Everything before it is done.
    pub(crate) next: Position,
    /// Position of the last event before `next` that was told.
    pub(crate) prev: Option<Position>,
    /// Since when nothing was taken.
    pub(crate) failing_since: Option<Time>,
    pub(crate) delivered_at: Option<Time>,
    /// Events taken.
    pub(crate) delivered: u64,
    /// Attempts: those that succeeded and those that failed.
    pub(crate) attempts: [u64; 2],
}

/// A state as it is kept: with the record before `next`, by which a log that was reopened is told.
#[derive(Serialize, Deserialize)]
struct Kept {
    state: State,
    at: Option<(Epoch, Position, LeafHash)>,
}

/// A state as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) state: State,
    pub(crate) cursor: Option<Cursor>,
    pub(crate) done: BTreeSet<Position>,
}

/// An attempt as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptAttempt {
    pub(crate) number: u64,
    pub(crate) event: Option<EventId>,
    pub(crate) event_type: String,
    pub(crate) attempt: u32,
    pub(crate) at: Time,
    pub(crate) latency_us: u64,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) replay: Option<String>,
}

/// A parked event as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptParked {
    pub(crate) event: EventId,
    pub(crate) event_type: String,
    pub(crate) at: Time,
    pub(crate) attempts: u32,
    pub(crate) error: String,
}

/// A replay as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeptReplay {
    pub(crate) created: Time,
    pub(crate) from: Position,
    pub(crate) to: Position,
    pub(crate) url: Option<String>,
    pub(crate) filter: Option<schemas::subscription::EventFilter>,
    pub(crate) per_second: Option<u32>,
    pub(crate) ended: Option<KeptEnd>,
}

/// How a replay ended, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum KeptEnd {
    Done,
    Cancelled,
    Failed(String),
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("a row has nothing that MessagePack refuses")
}

#[derive(Default)]
struct Pending {
    rows: HashMap<Vec<u8>, Option<Vec<u8>>>,
    states: HashMap<Place, State>,
    asked: u64,
    written: u64,
    ending: bool,
}

struct Shared {
    pending: Mutex<Pending>,
    wake: Condvar,
    turned: Condvar,
    views: Arc<Views>,
    log: Arc<dyn EventLog>,
}

/// Rows on their way to the disk, and reading them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal(Arc<Shared>);

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
#[error("what is kept of deliveries cannot be read")]
pub(crate) struct StateError(#[from] event_log::ReadError);

impl Journal {
    pub(crate) fn start(log: Arc<dyn EventLog>, views: Arc<Views>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let shared = Shared { pending: Mutex::default(), wake: Condvar::new(), turned: Condvar::new(), views, log };
        let journal = Self(Arc::new(shared));
        let writing = journal.clone();
        let thread = std::thread::Builder::new().name("notifier".to_owned()).spawn(move || writing.run())?;
        Ok((journal, thread))
    }

    /// Writes what there is and ends the thread.
    pub(crate) fn end(&self) {
        self.0.pending.lock().ending = true;
        self.0.wake.notify_all();
    }

    /// Hands over how a subscription stands, with what has changed of the positions that are done.
    pub(crate) fn state(&self, place: Place, state: State, done: &BTreeSet<Position>, before: &BTreeSet<Position>) {
        let mut pending = self.0.pending.lock();
        for position in done.difference(before) {
            pending.rows.insert(place.numbered(kind::DONE, position.0), Some(Vec::new()));
        }
        for position in before.difference(done) {
            pending.rows.insert(place.numbered(kind::DONE, position.0), None);
        }
        pending.states.insert(place, state);
    }

    fn row(&self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.0.pending.lock().rows.insert(key, value);
    }

    /// Hands over an attempt. `place` is the subscription's, also for its replays.
    pub(crate) fn attempt(&self, place: Place, kept: &KeptAttempt) {
        let failed = u64::from(kept.error.is_some());
        let slot = kept.number % ATTEMPTS_KEPT + failed * ATTEMPTS_KEPT;
        self.row(place.numbered(kind::ATTEMPT, slot), Some(packed(kept)));
    }

    /// Attempts, the newest first, with those that are on their way.
    pub(crate) fn attempts(
        &self,
        place: Place,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<KeptAttempt>, StateError> {
        self.flush();
        self.attempts_now(place, failed_alone, max)
    }

    /// The same, as far as they are written.
    pub(crate) fn attempts_now(
        &self,
        place: Place,
        failed_alone: bool,
        max: usize,
    ) -> Result<Vec<KeptAttempt>, StateError> {
        let snapshot = self.0.views.snapshot();
        let mut all: Vec<KeptAttempt> = self.read(&snapshot, &place.key(kind::ATTEMPT))?;
        all.retain(|attempt| !failed_alone || attempt.error.is_some());
        all.sort_by_key(|attempt| std::cmp::Reverse((attempt.at, attempt.number)));
        all.truncate(max);
        Ok(all)
    }

    pub(crate) fn park(&self, place: Place, kept: &KeptParked) {
        self.row(place.numbered(kind::PARKED, kept.event.position.0), Some(packed(kept)));
    }

    pub(crate) fn unpark(&self, place: Place, position: Position) {
        self.row(place.numbered(kind::PARKED, position.0), None);
    }

    pub(crate) fn parked(&self, place: Place) -> Result<Vec<KeptParked>, StateError> {
        self.flush();
        self.parked_now(place)
    }

    /// The same, as far as it is written.
    pub(crate) fn parked_now(&self, place: Place) -> Result<Vec<KeptParked>, StateError> {
        let snapshot = self.0.views.snapshot();
        self.read(&snapshot, &place.key(kind::PARKED))
    }

    /// Keeps a replay of a subscription.
    pub(crate) fn replay(&self, place: Place, replay: [u8; 16], kept: &KeptReplay) {
        let mut key = place.key(kind::REPLAY);
        key.extend(replay);
        self.row(key, Some(packed(kept)));
    }

    /// Replays of a subscription.
    pub(crate) fn replays(&self, place: Place) -> Result<Vec<([u8; 16], KeptReplay)>, StateError> {
        self.flush();
        self.replays_now(place)
    }

    /// The same, as far as it is written.
    pub(crate) fn replays_now(&self, place: Place) -> Result<Vec<([u8; 16], KeptReplay)>, StateError> {
        let snapshot = self.0.views.snapshot();
        let beginning = place.key(kind::REPLAY);
        let mut found = Vec::new();
        for row in prefix(&snapshot, TABLE, &beginning) {
            let (key, value) = row?;
            let id = key.get(beginning.len()..).and_then(|id| id.try_into().ok());
            if let (Some(id), Ok(kept)) = (id, rmp_serde::from_slice(&value)) {
                found.push((id, kept));
            }
        }
        Ok(found)
    }

    /// The cursor of a tenant's NATS stream.
    pub(crate) fn stream(&self, tenant: TenantId) -> Result<Option<Cursor>, StateError> {
        self.flush();
        let key = Place { tenant, id: [0; 16] }.key(kind::STREAM);
        let bytes = self.0.views.snapshot().get(TABLE, &key)?;
        let kept = bytes.and_then(|bytes| rmp_serde::from_slice::<(Epoch, Position, LeafHash)>(&bytes).ok());
        Ok(kept.map(|(epoch, position, leaf)| Cursor { at: EventId { epoch, position }, leaf }))
    }

    pub(crate) fn set_stream(&self, tenant: TenantId, cursor: Cursor) {
        let kept = (cursor.at.epoch, cursor.at.position, cursor.leaf);
        self.row(Place { tenant, id: [0; 16] }.key(kind::STREAM), Some(packed(&kept)));
    }

    /// How a subscription stood when it was written last.
    pub(crate) fn find(&self, place: Place) -> Result<Option<Found>, StateError> {
        self.flush();
        self.find_now(place)
    }

    /// The same, as far as it is written.
    pub(crate) fn find_now(&self, place: Place) -> Result<Option<Found>, StateError> {
        let snapshot = self.0.views.snapshot();
        let Some(bytes) = snapshot.get(TABLE, &place.key(kind::STATE))? else { return Ok(None) };
        let Ok(Kept { state, at }) = rmp_serde::from_slice(&bytes) else { return Ok(None) };
        let cursor = at.map(|(epoch, position, leaf)| Cursor { at: EventId { epoch, position }, leaf });
        let beginning = place.key(kind::DONE);
        let mut done = BTreeSet::new();
        for row in prefix(&snapshot, TABLE, &beginning) {
            let (key, _) = row?;
            if let Some(bytes) = key.get(beginning.len()..).and_then(|bytes| bytes.try_into().ok()) {
                done.insert(Position(u64::from_be_bytes(bytes)));
            }
        }
        Ok(Some(Found { state, cursor, done }))
    }

    /// Forgets everything of a subscription or replay that is gone.
    pub(crate) fn forget(&self, place: Place) -> Result<(), StateError> {
        self.flush();
        let snapshot = self.0.views.snapshot();
        let mut keys = Vec::new();
        for kind in [kind::STATE, kind::DONE, kind::ATTEMPT, kind::PARKED, kind::REPLAY] {
            for row in prefix(&snapshot, TABLE, &place.key(kind)) {
                keys.push(row?.0);
            }
        }
        let mut pending = self.0.pending.lock();
        pending.states.remove(&place);
        keys.into_iter().for_each(|key| {
            pending.rows.insert(key, None);
        });
        Ok(())
    }

    /// Subscriptions of a tenant that something is kept of.
    pub(crate) fn known(&self, tenant: TenantId) -> Result<Vec<[u8; 16]>, StateError> {
        let snapshot = self.0.views.snapshot();
        let mut beginning = tenant.0.to_be_bytes().to_vec();
        beginning.push(kind::STATE);
        let mut known = Vec::new();
        for row in prefix(&snapshot, TABLE, &beginning) {
            let (key, _) = row?;
            known.extend(key.get(beginning.len()..).and_then(|id| <[u8; 16]>::try_from(id).ok()));
        }
        Ok(known)
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, rows: &dyn Rows, beginning: &[u8]) -> Result<Vec<T>, StateError> {
        let mut found = Vec::new();
        for row in prefix(rows, TABLE, beginning) {
            found.extend(rmp_serde::from_slice(&row?.1).ok());
        }
        Ok(found)
    }

    /// Waits until what was handed over before is written.
    pub(crate) fn flush(&self) {
        let mut pending = self.0.pending.lock();
        pending.asked += 1;
        let mine = pending.asked;
        self.0.wake.notify_one();
        while pending.written < mine && !pending.ending {
            if self.0.turned.wait_for(&mut pending, Duration::from_secs(2)).timed_out() {
                return;
            }
        }
    }

    fn run(&self) {
        loop {
            let (rows, states, asked, ending) = {
                let mut pending = self.0.pending.lock();
                if !pending.ending && pending.asked == pending.written {
                    self.0.wake.wait_for(&mut pending, PACE);
                }
                let (rows, states) = (std::mem::take(&mut pending.rows), std::mem::take(&mut pending.states));
                (rows, states, pending.asked, pending.ending)
            };
            self.write(rows, states);
            self.0.pending.lock().written = asked;
            self.0.turned.notify_all();
            if ending {
                return;
            }
        }
    }

    fn write(&self, rows: HashMap<Vec<u8>, Option<Vec<u8>>>, states: HashMap<Place, State>) {
        let mut changes = Changes::default();
        if !states.is_empty() {
            let snapshot = self.0.log.snapshot();
            for (place, state) in states {
                let before = state.next.0.checked_sub(1).map(Position);
                let raw = before.and_then(|before| snapshot.raw(place.tenant, before).ok().flatten());
                let at = raw.and_then(|raw| {
                    let (header, _) = Header::decode(&raw).ok()?;
                    Some((header.epoch, header.position, leaf(&raw)))
                });
                changes.put(TABLE, place.key(kind::STATE), packed(&Kept { state, at }));
            }
        }
        for (key, value) in rows {
            match value {
                Some(value) => changes.put(TABLE, key, value),
                None => changes.remove(TABLE, key),
            }
        }
        let mut all = changes.0;
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(BATCH_ROWS));
            // What is not written is told again after a restart.
            if let Err(error) = self.0.views.write(Changes(std::mem::replace(&mut all, rest)), false) {
                tracing::error!(%error, "how deliveries stand could not be written");
                return;
            }
        }
    }
}

/// Leaf hash of a record (RFC 6962, section 2.1).
pub(crate) fn leaf(raw: &[u8]) -> LeafHash {
    LeafHash(Sha256::new().chain_update([0]).chain_update(raw).finalize().into())
}
