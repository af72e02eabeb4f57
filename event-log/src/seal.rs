//! Seals: when one is due, and what it says.
//!
//! Owns: the rule and the cutting into records.
//! Does not own: staging them, the digests of projections.
//! Invariant: the heads of all parts together, added to those of the seals before, give every bucket's head.

use schemas::event::{BucketHead, LogSealed};
use schemas::{BucketId, LeafHash, Position, Time};

use crate::log::LogHead;

/// Events after which a seal is due.
const EVENTS: u64 = 65_536;
/// Time after which a seal is due, if anything happened.
const AGE_US: u64 = 10 * 60 * 1_000_000;
/// Heads in one record: about 70 bytes each.
const HEADS_PER_PART: usize = 600;

/// Records of a seal that fit into one unit. A seal of more than 6,000 changed buckets goes on in further units.
pub const SEAL_PARTS_PER_UNIT: usize = 10;

/// The seal before; for a log without one, position 0 and the time of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSeal {
    /// Behind the seal's last record.
    pub next: Position,
    /// Its time.
    pub time: Time,
}

/// Whether a log is to be sealed now.
#[must_use]
pub fn seal_due(head: &LogHead, last: LastSeal, now: Time) -> bool {
    let events = head.next.0.saturating_sub(last.next.0);
    events >= EVENTS || (events > 0 && now.0 >= last.time.0.saturating_add(AGE_US))
}

/// What a seal says.
#[derive(Debug, Clone)]
pub struct Seal<'a> {
    /// Last position that it covers: the log's last record.
    pub upto: Position,
    /// `upto` of the seal before, if there is one.
    pub before: Option<Position>,
    /// Heads of all buckets, as [`Snapshot::bucket_heads`](crate::Snapshot::bucket_heads) gives them.
    pub heads: &'a [(BucketHead, Position)],
    /// Digests of core projections.
    pub projections: Vec<(String, LeafHash)>,
    /// The retention clock.
    pub clock: Time,
}

impl Seal<'_> {
    /// The records of the seal, in order, each well under the bound of a record.
    #[must_use]
    pub fn records(self) -> Vec<LogSealed> {
        let changed = self.heads.iter().filter(|(_, last)| self.before.is_none_or(|before| *last > before));
        let changed: Vec<BucketHead> = changed.map(|(head, _)| *head).collect();
        let buckets = ledger::heads_digest(self.heads.iter().map(|(head, _)| head));
        let parts = changed.len().div_ceil(HEADS_PER_PART).max(1);
        let mut projections = self.projections;
        (0..parts)
            .map(|part| LogSealed {
                upto: self.upto,
                part: part as u32,
                parts: parts as u32,
                changed: changed.iter().skip(part * HEADS_PER_PART).take(HEADS_PER_PART).copied().collect(),
                buckets,
                projections: std::mem::take(&mut projections),
                clock: self.clock,
            })
            .collect()
    }
}

impl Seal<'_> {
    /// The one record of a seal that names this bucket alone: what an auditor of the bucket is shown says nothing of the others but the
    /// digest over all. None of a bucket without a record.
    ///
    /// It stands beside the seals that [`Seal::records`] makes and changes nothing for those: the next of them names what changed since
    /// the one before.
    #[must_use]
    pub fn of_bucket(self, bucket: BucketId) -> Option<LogSealed> {
        let (head, _) = self.heads.iter().find(|(head, _)| head.bucket == bucket)?;
        Some(LogSealed {
            upto: self.upto,
            part: 0,
            parts: 1,
            changed: vec![*head],
            buckets: ledger::heads_digest(self.heads.iter().map(|(head, _)| head)),
            projections: self.projections,
            clock: self.clock,
        })
    }
}

#[cfg(test)]
mod tests {
    use schemas::Epoch;
    use schemas::event::Event;

    use super::*;

    fn log_at(next: u64) -> LogHead {
        LogHead { epoch: Epoch(1), next: Position(next), head: LeafHash::default(), time: Time(0) }
    }

    fn heads(count: u64) -> Vec<(BucketHead, Position)> {
        let head = |bucket| BucketHead {
            bucket: BucketId(u64::MAX - count + bucket),
            seq: u64::MAX,
            head: LeafHash([bucket as u8; 32]),
        };
        (0..count).map(|bucket| (head(bucket), Position(bucket))).collect()
    }

    fn records(heads: &[(BucketHead, Position)], before: Option<u64>) -> Vec<LogSealed> {
        let projections = vec![("catalog".to_owned(), LeafHash([1; 32]))];
        Seal { upto: Position(9_999), before: before.map(Position), heads, projections, clock: Time(5) }.records()
    }

    #[test]
    fn a_seal_is_due_after_many_events_or_ten_minutes_with_any() {
        let last = LastSeal { next: Position(100), time: Time(1_000) };
        let check = |next, now, expected| assert_eq!(seal_due(&log_at(next), last, Time(now)), expected);
        check(100, 1_000 + AGE_US, false);
        check(101, 1_000 + AGE_US - 1, false);
        check(101, 1_000 + AGE_US, true);
        check(100 + EVENTS - 1, 1_000, false);
        check(100 + EVENTS, 1_000, true);
    }

    #[test]
    fn a_seal_without_buckets_is_one_record() {
        let records = records(&[], None);
        assert_eq!((records.len(), records[0].part, records[0].parts), (1, 0, 1));
        assert_eq!(records[0].projections.len(), 1);
    }

    #[test]
    fn a_seal_of_one_bucket_names_it_alone_and_commits_to_all() {
        let heads = heads(3);
        let seal = Seal { upto: Position(9), before: None, heads: &heads, projections: Vec::new(), clock: Time(5) };
        let whole = seal.clone().records().remove(0);
        let one = seal.clone().of_bucket(heads[1].0.bucket).expect("it has a head");
        assert_eq!((one.changed, one.buckets, one.parts), (vec![heads[1].0], whole.buckets, 1));
        assert_eq!(seal.of_bucket(BucketId(1)), None);
    }

    #[test]
    fn many_buckets_are_cut_into_records_that_fit() {
        let heads = heads(3_001);
        let records = records(&heads, None);
        assert_eq!(records.len(), 6);
        let together: Vec<BucketHead> = records.iter().flat_map(|record| record.changed.clone()).collect();
        assert_eq!(together, heads.iter().map(|(head, _)| *head).collect::<Vec<_>>());
        let mut bytes = 0;
        for (part, record) in (0..).zip(&records) {
            assert_eq!((record.part, record.parts, record.buckets), (part, 6, records[0].buckets));
            let encoded = Event::from(record.clone()).encode().len();
            assert!(encoded < 50_000, "{encoded} bytes");
            bytes = bytes.max(encoded);
        }
        // With header, context, sealing and row keys on top, a unit's worth stays within its bound.
        assert!(SEAL_PARTS_PER_UNIT * (bytes + 2_000) < crate::UNIT_BYTES_MAX);
    }

    #[test]
    fn only_what_changed_since_is_listed_and_all_is_digested() {
        let heads = heads(10);
        let all = records(&heads, None);
        let some = records(&heads, Some(6));
        assert_eq!(some[0].changed, heads[7..].iter().map(|(head, _)| *head).collect::<Vec<_>>());
        assert_eq!(some[0].buckets, all[0].buckets);
        assert_ne!(records(&heads[1..], None)[0].buckets, all[0].buckets);
    }
}
