//! What tenants use, minute by minute.
//!
//! Owns: counting, the rows of minutes, samples of what is stored.
//! Does not own: writing rows (`sink`), prices.
//! Invariant: a minute's row only grows, whatever restarts come between: what was counted is added to what stands there.

use std::collections::HashMap;
use std::ops::Bound;

use event_log::{ReadError, Rows, Table};
use parking_lot::Mutex;
use schemas::{TenantId, Time};
use serde::{Deserialize, Serialize};

use super::entry::{Class, Verdict};

/// Use by tenant and minute. Key: tenant, minute of the Unix epoch.
pub(crate) const USE: Table = Table { name: "use" };

/// Microseconds of a minute.
pub(crate) const MINUTE_US: u64 = 60_000_000;
/// Minutes after which a tenant's sample is written again although it is the same: so that older rows can go.
const SAMPLE_AGAIN_MINUTES: u64 = 24 * 60;

/// Requests and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Successful reads.
    pub read: u64,
    /// Successful writes.
    pub write: u64,
    /// Successful listings.
    pub list: u64,
    /// Successful deletions.
    pub delete: u64,
    /// Requests that were not done.
    pub failed: u64,
    /// Bytes of bodies that were read.
    pub bytes_in: u64,
    /// Bytes of answers that were sent.
    pub bytes_out: u64,
}

impl Counts {
    pub(crate) fn of(class: Option<Class>, verdict: Verdict, bytes_in: u64, bytes_out: u64) -> Self {
        let one = |of: Class| u64::from(class == Some(of));
        Self {
            read: one(Class::Read),
            write: one(Class::Write),
            list: one(Class::List),
            delete: one(Class::Delete),
            failed: u64::from(verdict != Verdict::Ok),
            bytes_in,
            bytes_out,
        }
    }

    fn add(&mut self, other: &Self) {
        let Self { read, write, list, delete, failed, bytes_in, bytes_out } = other;
        self.read += read;
        self.write += write;
        self.list += list;
        self.delete += delete;
        self.failed += failed;
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
    }
}

/// What a tenant has stored at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Plaintext bytes of versions.
    pub logical_bytes: u64,
    /// Plaintext bytes of parts of open uploads.
    pub multipart_bytes: u64,
    /// Current objects.
    pub objects: u64,
}

/// One minute of a tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub start: Time,
    /// What was done in it.
    pub counts: Counts,
    /// What was stored at its end; none before anything is known.
    pub stored: Option<Stored>,
    /// Whether it has ended: nothing is added to it any more, but what a clock that went back counts.
    pub is_complete: bool,
}

/// A row. MessagePack with named fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    v: u8,
    counts: Counts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<Stored>,
}

const VERSION: u8 = 1;

/// Which minute a moment is in.
pub(crate) fn minute(time: Time) -> u64 {
    time.0 / MINUTE_US
}

pub(crate) fn row_key(tenant: TenantId, minute: u64) -> Vec<u8> {
    [tenant.0.to_be_bytes(), minute.to_be_bytes()].concat()
}

fn minute_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(8..)?.try_into().ok()?))
}

/// What was counted and is not yet in a row.
#[derive(Default)]
pub(crate) struct Meter(Mutex<HashMap<(TenantId, u64), Counts>>);

impl Meter {
    pub(crate) fn count(&self, tenant: TenantId, now: Time, counts: &Counts) {
        self.0.lock().entry((tenant, minute(now))).or_default().add(counts);
    }

    pub(crate) fn take(&self) -> HashMap<(TenantId, u64), Counts> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// The rows of minutes that may still grow, and the last sample of each tenant.
#[derive(Default)]
pub(crate) struct Minutes {
    open: HashMap<(TenantId, u64), Row>,
    sampled: HashMap<TenantId, (u64, Stored)>,
}

impl Minutes {
    /// Adds what was counted, and the row to write for it. `stored` is asked what the tenant has now.
    ///
    /// # Errors
    /// The minute's row cannot be read.
    pub(crate) fn add(
        &mut self,
        rows: &dyn Rows,
        (tenant, minute): (TenantId, u64),
        counts: &Counts,
        stored: Option<Stored>,
    ) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
        let key = row_key(tenant, minute);
        let row = match self.open.entry((tenant, minute)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let there = rows.get(USE, &key)?.and_then(|value| rmp_serde::from_slice(&value).ok());
                vacant.insert(there.unwrap_or(Row { v: VERSION, ..Row::default() }))
            }
        };
        row.counts.add(counts);
        if let Some(stored) = stored {
            row.stored = Some(stored);
            self.sampled.insert(tenant, (minute, stored));
        }
        let mut value = Vec::with_capacity(128);
        rmp_serde::encode::write_named(&mut value, row).expect("a row has no map with keys that MessagePack refuses");
        Ok((key, value))
    }

    /// Whether a tenant's sample is to be written for a minute that ended.
    pub(crate) fn is_sample_due(&self, tenant: TenantId, minute: u64, stored: Stored) -> bool {
        match self.sampled.get(&tenant) {
            Some((at, last)) => *last != stored || minute >= at + SAMPLE_AGAIN_MINUTES,
            None => true,
        }
    }

    /// Forgets rows of minutes that ended before `minute`.
    pub(crate) fn close_before(&mut self, minute: u64) {
        self.open.retain(|(_, open), _| *open >= minute);
    }
}

/// A tenant's minutes in a range, all of them in order: one without a row counts nothing and has what was stored before it.
///
/// # Errors
/// Rows that cannot be read.
pub(crate) fn windows(
    rows: &dyn Rows,
    tenant: TenantId,
    (from, to): (u64, u64),
    now: u64,
) -> Result<Vec<Window>, ReadError> {
    let decode = |value: &[u8]| rmp_serde::from_slice::<Row>(value).unwrap_or_default();
    let first = Bound::Included(row_key(tenant, 0));
    let before = rows.range_rev(USE, first, Bound::Excluded(row_key(tenant, from)));
    let mut stored = None;
    // A minute that a crash cut off may have no sample.
    for row in before {
        stored = decode(&row?.1).stored;
        if stored.is_some() {
            break;
        }
    }
    let mut there = HashMap::new();
    for row in rows.range(USE, Bound::Included(row_key(tenant, from)), Bound::Excluded(row_key(tenant, to))) {
        let (key, value) = row?;
        there.extend(minute_of(&key).map(|minute| (minute, decode(&value))));
    }
    let mut windows = Vec::with_capacity(usize::try_from(to.saturating_sub(from)).unwrap_or_default());
    for minute in from..to {
        let row = there.get(&minute).copied().unwrap_or_default();
        stored = row.stored.or(stored);
        let start = Time(minute.saturating_mul(MINUTE_US));
        windows.push(Window { start, counts: row.counts, stored, is_complete: minute < now });
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use event_log::{Changes, Views};

    use super::*;

    const TENANT: TenantId = TenantId(5);

    fn read(bytes_out: u64) -> Counts {
        Counts::of(Some(Class::Read), Verdict::Ok, 0, bytes_out)
    }

    fn write(views: &Views, minutes: &mut Minutes, minute: u64, counts: &Counts, stored: Option<Stored>) {
        let row = minutes.add(&views.snapshot(), (TENANT, minute), counts, stored).expect("reads");
        let mut changes = Changes::default();
        changes.put(USE, row.0, row.1);
        views.write(changes, true).expect("writes");
    }

    fn opened(folder: &std::path::Path) -> Views {
        Views::open(folder, &[USE]).expect("opens").0
    }

    #[test]
    fn a_minute_goes_on_after_a_restart_and_quiet_ones_have_what_was_stored_before() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = parent.path().join("views");
        let stored = |objects| Some(Stored { objects, ..Stored::default() });
        let views = opened(&folder);
        let mut minutes = Minutes::default();
        write(&views, &mut minutes, 10, &read(5), stored(1));
        write(&views, &mut minutes, 10, &read(6), stored(2));
        drop(views);
        let views = opened(&folder);
        let mut minutes = Minutes::default();
        write(&views, &mut minutes, 10, &read(7), None);
        write(&views, &mut minutes, 13, &Counts::of(None, Verdict::Denied, 3, 0), stored(9));
        let windows = windows(&views.snapshot(), TENANT, (11, 15), 14).expect("reads");
        let seen: Vec<_> =
            windows.iter().map(|it| (minute(it.start), it.counts.failed, it.stored.map(|it| it.objects))).collect();
        assert_eq!(seen, [(11, 0, Some(2)), (12, 0, Some(2)), (13, 1, Some(9)), (14, 0, Some(9))]);
        assert_eq!(windows.iter().map(|it| it.is_complete).collect::<Vec<_>>(), [true, true, true, false]);
        let ten = super::windows(&views.snapshot(), TENANT, (10, 11), 14).expect("reads")[0];
        assert_eq!((ten.counts.read, ten.counts.bytes_out, ten.stored.map(|it| it.objects)), (3, 18, Some(2)));
        let other = super::windows(&views.snapshot(), TenantId(6), (10, 11), 14).expect("reads")[0];
        assert_eq!((other.counts, other.stored), (Counts::default(), None));
    }

    #[test]
    fn a_sample_is_written_when_it_changes_and_once_a_day() {
        let mut minutes = Minutes::default();
        let one = Stored { objects: 1, ..Stored::default() };
        assert!(minutes.is_sample_due(TENANT, 5, one));
        minutes.sampled.insert(TENANT, (5, one));
        assert!(!minutes.is_sample_due(TENANT, 6, one));
        assert!(minutes.is_sample_due(TENANT, 6, Stored::default()));
        assert!(minutes.is_sample_due(TENANT, 5 + SAMPLE_AGAIN_MINUTES, one));
    }
}
