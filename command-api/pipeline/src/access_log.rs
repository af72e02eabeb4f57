//! Access logs on their way: lines of requests are gathered in memory, bucket by bucket, and handed out as batches.
//!
//! Owns: which buckets have a log (remembered until a commit may have changed it), what is gathered, its bounds.
//! Does not own: what a line says (doors), writing batches as objects (`standing::access_log`).
//! Invariants: what is gathered never grows beyond its bound; what does not fit is counted, not kept. What is gathered is
//! not durable (decision 0006).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::logging::{Source, day};
use event_log::Recorded;
use parking_lot::{Condvar, Mutex};
use schemas::event::Logging;
use schemas::{BucketId, BucketName, TenantId, Time, UserId};

/// A batch of this size is written at once.
const BATCH_BYTES: usize = 1 << 20;
/// Most bytes of one bucket's lines: one busy bucket does not take the room of all others.
const BUCKET_BYTES_MAX: usize = 8 << 20;
/// Most bytes of all lines.
const BYTES_MAX: usize = 64 << 20;
/// Most buckets that are remembered, with a log or without.
const REMEMBERED_MAX: usize = 10_000;
/// Type codes of the events after which a name may mean another bucket, or a bucket have another log.
const CONCERNED: [u16; 3] = [30, 31, 70];

/// A bucket whose requests are logged.
#[derive(Debug)]
pub struct LoggedBucket {
    pub(crate) tenant: TenantId,
    pub(crate) id: BucketId,
    pub(crate) source: Source,
    pub(crate) logging: Logging,
}

impl LoggedBucket {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &BucketName {
        &self.source.name
    }

    /// Who owns it.
    #[must_use]
    pub fn owner(&self) -> &UserId {
        &self.source.owner
    }
}

/// Lines of one bucket and day.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bucket: Arc<LoggedBucket>,
    /// When the first of them happened.
    pub(crate) since: Time,
    pub(crate) text: Vec<u8>,
    /// Monotonic clock at which the first line came.
    begun_us: u64,
}

type Key = (TenantId, BucketId, u64);

#[derive(Default)]
struct Gathered {
    batches: HashMap<Key, Batch>,
    bytes: usize,
    lost: u64,
    ending: bool,
}

type Names = HashMap<TenantId, HashMap<BucketName, Option<Arc<LoggedBucket>>>>;

/// What is remembered of buckets, and the generation it is true for.
#[derive(Default)]
struct Remembered {
    generation: u64,
    names: Names,
    count: usize,
}

/// The lines that wait, and who waits for them.
#[derive(Default)]
pub(crate) struct AccessLog {
    /// Rises with every commit after which what is remembered may be wrong.
    generation: AtomicU64,
    remembered: Mutex<Remembered>,
    gathered: Mutex<Gathered>,
    full: Condvar,
}

impl AccessLog {
    /// Told of every commit before its replies go out.
    pub(crate) fn committed(&self, events: &[Recorded]) {
        if events.iter().any(|event| CONCERNED.contains(&event.header.event_type)) {
            self.generation.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The log of a bucket, as remembered or as `read` finds it.
    pub(crate) fn of_bucket<E>(
        &self,
        tenant: TenantId,
        bucket: &BucketName,
        read: impl FnOnce() -> Result<Option<Arc<LoggedBucket>>, E>,
    ) -> Result<Option<Arc<LoggedBucket>>, E> {
        // Before reading: a change in between makes the entry stale, never wrong.
        let generation = self.generation.load(Ordering::Acquire);
        {
            let mut remembered = self.remembered.lock();
            if remembered.generation != generation || remembered.count >= REMEMBERED_MAX {
                *remembered = Remembered { generation, ..Remembered::default() };
            } else if let Some(known) = remembered.names.get(&tenant).and_then(|names| names.get(bucket)) {
                return Ok(known.clone());
            }
        }
        let found = read()?;
        let mut remembered = self.remembered.lock();
        if remembered.generation == generation {
            remembered.names.entry(tenant).or_default().insert(bucket.clone(), found.clone());
            remembered.count += 1;
        }
        Ok(found)
    }

    /// Takes a line, without its end.
    pub(crate) fn gather(&self, bucket: &Arc<LoggedBucket>, time: Time, line: &str, now_us: u64) {
        let mut gathered = self.gathered.lock();
        let bytes = line.len() + 1;
        let of_bucket = gathered.batches.get(&key(bucket, time)).map_or(0, |batch| batch.text.len());
        if of_bucket + bytes > BUCKET_BYTES_MAX || gathered.bytes + bytes > BYTES_MAX {
            gathered.lost += 1;
            return;
        }
        gathered.bytes += bytes;
        let fresh = || Batch { bucket: bucket.clone(), since: time, text: Vec::new(), begun_us: now_us };
        let batch = gathered.batches.entry(key(bucket, time)).or_insert_with(fresh);
        // The newest configuration holds for lines of an older one too, if they still wait.
        batch.bucket = bucket.clone();
        batch.since = batch.since.min(time);
        batch.text.extend_from_slice(line.as_bytes());
        batch.text.push(b'\n');
        if batch.text.len() >= BATCH_BYTES && batch.text.len() - bytes < BATCH_BYTES {
            self.full.notify_one();
        }
    }

    /// Batches that are long or old enough; all when `every`. And how many lines were lost since this was asked last.
    pub(crate) fn due(&self, now_us: u64, age_us: u64, every: bool) -> (Vec<Batch>, u64) {
        let mut gathered = self.gathered.lock();
        let due =
            |batch: &Batch| every || batch.text.len() >= BATCH_BYTES || now_us.saturating_sub(batch.begun_us) >= age_us;
        let batches: Vec<Batch> = gathered.batches.extract_if(|_, batch| due(batch)).map(|(_, batch)| batch).collect();
        gathered.bytes -= batches.iter().map(|batch| batch.text.len()).sum::<usize>();
        (batches, std::mem::take(&mut gathered.lost))
    }

    /// Gives a batch back that could not be written now.
    pub(crate) fn put_back(&self, batch: Batch) {
        let mut gathered = self.gathered.lock();
        let bytes = batch.text.len();
        let key = key(&batch.bucket, batch.since);
        let waiting = gathered.batches.get(&key).map_or(0, |waiting| waiting.text.len());
        if waiting + bytes > BUCKET_BYTES_MAX || gathered.bytes + bytes > BYTES_MAX {
            gathered.lost += batch.text.iter().filter(|byte| **byte == b'\n').count() as u64;
            return;
        }
        gathered.bytes += bytes;
        match gathered.batches.entry(key) {
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(batch);
            }
            std::collections::hash_map::Entry::Occupied(mut newer) => {
                let newer = newer.get_mut();
                newer.since = newer.since.min(batch.since);
                newer.begun_us = newer.begun_us.min(batch.begun_us);
                newer.text = [batch.text, std::mem::take(&mut newer.text)].concat();
            }
        }
    }

    /// Waits until a batch is full, it is time to end, or `time` has passed; whether it is time to end.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let mut gathered = self.gathered.lock();
        if !gathered.ending {
            self.full.wait_for(&mut gathered, time);
        }
        gathered.ending
    }

    /// Wakes who waits, for the last time.
    pub(crate) fn end(&self) {
        self.gathered.lock().ending = true;
        self.full.notify_all();
    }
}

/// Things of different days stand in different objects: the name of one may say the day.
fn key(bucket: &LoggedBucket, time: Time) -> Key {
    (bucket.tenant, bucket.id, day(time))
}

#[cfg(test)]
mod tests {
    use schemas::event::LogKeyFormat;

    use super::*;

    fn name(name: &str) -> BucketName {
        BucketName::parse(name).expect("a name")
    }

    fn bucket(id: u64) -> Arc<LoggedBucket> {
        let owner = UserId::parse("ann").expect("a user");
        Arc::new(LoggedBucket {
            tenant: TenantId(1),
            id: BucketId(id),
            source: Source { name: name("source"), owner, region: "r".to_owned() },
            logging: Logging { target: name("logs"), prefix: String::new(), key_format: LogKeyFormat::Simple },
        })
    }

    fn texts(batches: &[Batch]) -> Vec<&str> {
        let mut texts: Vec<_> =
            batches.iter().map(|batch| std::str::from_utf8(&batch.text).expect("text").trim_end()).collect();
        texts.sort_unstable();
        texts
    }

    const DAY_US: u64 = 86_400 * 1_000_000;

    #[test]
    fn lines_are_handed_out_when_they_are_old_and_each_once() {
        let log = AccessLog::default();
        log.gather(&bucket(1), Time(5), "a", 100);
        log.gather(&bucket(1), Time(7), "b", 150);
        log.gather(&bucket(2), Time(5), "c", 160);
        log.gather(&bucket(1), Time(DAY_US), "next day", 160);
        assert!(log.due(199, 100, false).0.is_empty());
        let (due, _) = log.due(200, 100, false);
        assert_eq!((texts(&due), due[0].since), (vec!["a\nb"], Time(5)));
        let (due, lost) = log.due(200, 100, true);
        assert_eq!((texts(&due), lost), (vec!["c", "next day"], 0));
        assert!(log.due(1_000, 0, true).0.is_empty());
        assert_eq!(log.gathered.lock().bytes, 0);
    }

    #[test]
    fn what_could_not_be_written_stands_before_what_came_since() {
        let log = AccessLog::default();
        log.gather(&bucket(1), Time(5), "a", 100);
        let (mut due, _) = log.due(100, 0, false);
        log.gather(&bucket(1), Time(7), "b", 500);
        log.put_back(due.remove(0));
        let (due, _) = log.due(200, 100, false);
        assert_eq!((texts(&due), due[0].since), (vec!["a\nb"], Time(5)));
        assert_eq!(log.gathered.lock().bytes, 0);
    }

    #[test]
    fn what_is_gathered_is_bounded_and_what_is_lost_is_counted() {
        let log = AccessLog::default();
        let line = "l".repeat((1 << 20) - 1);
        let busy = bucket(1);
        for _ in 0..9 {
            log.gather(&busy, Time(5), &line, 0);
        }
        assert_eq!(log.gathered.lock().bytes, BUCKET_BYTES_MAX, "one bucket has its own bound");
        for id in 2..20 {
            for _ in 0..8 {
                log.gather(&bucket(id), Time(5), &line, 0);
            }
        }
        assert_eq!(log.gathered.lock().bytes, BYTES_MAX);
        let (full, lost) = log.due(0, u64::MAX, false);
        assert_eq!((full.len(), lost), (8, 1 + 18 * 8 - 56));
        assert_eq!(log.due(0, u64::MAX, false).1, 0, "said once");
    }

    #[test]
    fn a_bucket_is_read_again_when_something_may_have_changed() {
        let log = AccessLog::default();
        let read = |found: Option<Arc<LoggedBucket>>| {
            let mut asked = false;
            let answer = log.of_bucket::<()>(TenantId(1), &name("source"), || {
                asked = true;
                Ok(found)
            });
            (answer.expect("reads").is_some(), asked)
        };
        assert_eq!(read(None), (false, true));
        assert_eq!(read(Some(bucket(1))), (false, false), "remembered");
        log.generation.fetch_add(1, Ordering::AcqRel);
        assert_eq!(read(Some(bucket(1))), (true, true));
        assert_eq!(read(None), (true, false));
    }
}
