//! Walks raw records of one tenant in order and says where they stop being one unbroken log.
//!
//! Owns: positions, chains, times, epochs and units of a run of records.
//! Does not own: bodies, reading the records from anywhere.

use std::collections::HashMap;

use schemas::record::{Header, RecordError};
use schemas::{BucketId, Epoch, LeafHash, Position, TenantId, Time};

use crate::leaf;

/// Type code of `LogReopened`, the only event that may begin an epoch within a log. Part of the format.
const LOG_REOPENED: u16 = 1;

/// A record that does not follow the one before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record at position {position}: {misfit}")]
pub struct ChainError {
    /// Where the next record was expected.
    pub position: Position,
    /// What does not fit.
    pub misfit: Misfit,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The bytes are no record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// It belongs to another tenant.
    #[error("it belongs to tenant {0}")]
    Tenant(TenantId),
    /// It belongs to another bucket.
    #[error("it belongs to bucket {0}")]
    Bucket(BucketId),
    /// It has another place.
    #[error("it says position {0}")]
    Position(Position),
    /// It follows another record than the one before.
    #[error("prev is {found}, the record before has {expected}")]
    Prev {
        /// Hash of the record before.
        expected: LeafHash,
        /// What the record says.
        found: LeafHash,
    },
    /// It has another place in its bucket.
    #[error("bucket {bucket} is at {expected}, the record says {found}")]
    BucketSeq {
        /// Bucket.
        bucket: BucketId,
        /// The next place.
        expected: u64,
        /// What the record says.
        found: u64,
    },
    /// It follows another record of its bucket than the one before.
    #[error("bucket_prev of bucket {bucket} is {found}, its record before has {expected}")]
    BucketPrev {
        /// Bucket.
        bucket: BucketId,
        /// Hash of the bucket's record before.
        expected: LeafHash,
        /// What the record says.
        found: LeafHash,
    },
    /// A record without a bucket has a place in one.
    #[error("it has no bucket and a place in one")]
    NoBucket,
    /// It is older than the record before.
    #[error("time {found} is before {expected}")]
    Time {
        /// Time of the record before.
        expected: Time,
        /// What the record says.
        found: Time,
    },
    /// Its epoch is lower than the record before's.
    #[error("epoch {found} is below {expected}")]
    Epoch {
        /// Epoch of the record before.
        expected: Epoch,
        /// What the record says.
        found: Epoch,
    },
    /// A new epoch that does not begin with `LogReopened`.
    #[error("epoch {0} does not begin with a reopening")]
    EpochBegin(Epoch),
    /// It does not continue the unit of the record before, or that unit is not complete.
    #[error("it is number {index} of a unit of {length}, expected number {expected_index} of {expected_length}")]
    Unit {
        /// Place that the unit's next record has.
        expected_index: u16,
        /// Length of the unit; the record's own when a new one begins.
        expected_length: u16,
        /// What the record says.
        index: u16,
        /// What the record says.
        length: u16,
    },
}

/// Checks records of one tenant, fed in order.
#[derive(Debug, Clone)]
pub struct Chain {
    tenant: TenantId,
    /// Begun within a log: what lies before is taken on trust.
    midway: bool,
    last: Option<Header>,
    head: LeafHash,
    buckets: HashMap<BucketId, (u64, LeafHash)>,
}

impl Chain {
    /// For a whole log, from position 0.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self { tenant, midway: false, last: None, head: LeafHash::default(), buckets: HashMap::new() }
    }

    /// For a part of a log: the first record, and each bucket's first, are believed what they say of those before.
    #[must_use]
    pub fn midway(tenant: TenantId) -> Self {
        Self { midway: true, ..Self::new(tenant) }
    }

    /// Leaf hash of the last record; zeros before the first.
    #[must_use]
    pub fn head(&self) -> LeafHash {
        self.head
    }

    /// Place of the next record, if that is known.
    #[must_use]
    pub fn next(&self) -> Option<Position> {
        match &self.last {
            Some(last) => Some(last.position.next()),
            None => (!self.midway).then_some(Position(0)),
        }
    }

    /// Last `bucket_seq` and leaf hash of every bucket met.
    #[must_use]
    pub fn buckets(&self) -> &HashMap<BucketId, (u64, LeafHash)> {
        &self.buckets
    }

    /// Header of the last record.
    #[must_use]
    pub fn last(&self) -> Option<&Header> {
        self.last.as_ref()
    }

    /// Whether the last record was the last of its unit: a unit travels whole.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.last.as_ref().is_none_or(|last| last.unit_index + 1 == last.unit_length)
    }

    /// Takes the next record, raw. After an error the chain is as before.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn push(&mut self, record: &[u8]) -> Result<Header, ChainError> {
        let parsed = Header::decode(record);
        let at = match (&parsed, self.next()) {
            (_, Some(next)) => next,
            (Ok((header, _)), None) => header.position,
            (Err(_), None) => Position(0),
        };
        let misfit = |misfit| ChainError { position: at, misfit };
        let (header, _) = parsed.map_err(|error| misfit(Misfit::Record(error)))?;
        if header.tenant != self.tenant {
            return Err(misfit(Misfit::Tenant(header.tenant)));
        }
        if header.position != at {
            return Err(misfit(Misfit::Position(header.position)));
        }
        self.follows(&header).map_err(misfit)?;
        self.follows_in_bucket(&header).map_err(misfit)?;
        self.head = leaf(record);
        self.last = Some(header);
        if header.bucket != BucketId::NONE {
            self.buckets.insert(header.bucket, (header.bucket_seq, self.head));
        }
        Ok(header)
    }

    fn follows(&self, header: &Header) -> Result<(), Misfit> {
        let unit = |expected_index, expected_length| Misfit::Unit {
            expected_index,
            expected_length,
            index: header.unit_index,
            length: header.unit_length,
        };
        let Some(last) = &self.last else {
            if self.midway {
                return Ok(());
            }
            if header.prev != LeafHash::default() {
                return Err(Misfit::Prev { expected: LeafHash::default(), found: header.prev });
            }
            return if header.unit_index == 0 { Ok(()) } else { Err(unit(0, header.unit_length)) };
        };
        if header.prev != self.head {
            return Err(Misfit::Prev { expected: self.head, found: header.prev });
        }
        if header.time < last.time {
            return Err(Misfit::Time { expected: last.time, found: header.time });
        }
        if header.epoch < last.epoch {
            return Err(Misfit::Epoch { expected: last.epoch, found: header.epoch });
        }
        if header.epoch > last.epoch && header.event_type != LOG_REOPENED {
            return Err(Misfit::EpochBegin(header.epoch));
        }
        let (index, length) = match last.unit_index + 1 {
            done if done == last.unit_length => (0, header.unit_length),
            next => (next, last.unit_length),
        };
        if (header.unit_index, header.unit_length) == (index, length) { Ok(()) } else { Err(unit(index, length)) }
    }

    fn follows_in_bucket(&self, header: &Header) -> Result<(), Misfit> {
        let bucket = header.bucket;
        if bucket == BucketId::NONE {
            let placed = header.bucket_seq != 0 || header.bucket_prev != LeafHash::default();
            return if placed { Err(Misfit::NoBucket) } else { Ok(()) };
        }
        let (seq, prev) = match self.buckets.get(&bucket) {
            Some((seq, head)) => (seq + 1, *head),
            None if self.midway => return Ok(()),
            None => (0, LeafHash::default()),
        };
        if header.bucket_seq != seq {
            return Err(Misfit::BucketSeq { bucket, expected: seq, found: header.bucket_seq });
        }
        if header.bucket_prev != prev {
            return Err(Misfit::BucketPrev { bucket, expected: prev, found: header.bucket_prev });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use schemas::KeyId;

    use super::*;

    const TENANT: TenantId = TenantId(7);
    const BUCKET: BucketId = BucketId(3);

    /// A good log of six records: two of a bucket, a unit of two, a new epoch.
    fn headers() -> Vec<Header> {
        let mut chain = Chain::new(TENANT);
        let mut out = Vec::new();
        // (bucket, epoch, event type, unit index, unit length)
        for (bucket, epoch, event_type, unit_index, unit_length) in [
            (BucketId::NONE, 1, 20, 0, 1),
            (BUCKET, 1, 30, 0, 2),
            (BUCKET, 1, 40, 1, 2),
            (BucketId::NONE, 2, LOG_REOPENED, 0, 1),
            (BUCKET, 2, 40, 0, 1),
            (BucketId(4), 2, 30, 0, 1),
        ] {
            let before = chain.buckets().get(&bucket);
            let header = Header {
                tenant: TENANT,
                epoch: Epoch(epoch),
                position: Position(out.len() as u64),
                time: Time(100 + out.len() as u64),
                prev: chain.head(),
                bucket,
                bucket_seq: before.map_or(0, |(seq, _)| seq + 1),
                bucket_prev: before.map_or_else(LeafHash::default, |(_, head)| *head),
                event_type,
                schema_version: 1,
                key: KeyId(1),
                unit_length,
                unit_index,
            };
            chain.push(&header.encode()).expect("a good log");
            out.push(header);
        }
        out
    }

    /// Changes one record and says which misfit is found there.
    fn check(position: usize, change: impl Fn(&mut Header), expected: impl Fn(&Misfit) -> bool) {
        let mut chain = Chain::new(TENANT);
        for (index, mut header) in headers().into_iter().enumerate() {
            if index == position {
                change(&mut header);
                let error = chain.push(&header.encode()).expect_err("must not fit");
                assert_eq!(error.position, Position(position as u64));
                assert!(expected(&error.misfit), "{error}");
                return;
            }
            chain.push(&header.encode()).expect("good so far");
        }
    }

    #[test]
    fn a_good_log_passes_whole_and_from_the_middle() {
        let headers = headers();
        for from in 0..headers.len() {
            let mut chain = if from == 0 { Chain::new(TENANT) } else { Chain::midway(TENANT) };
            for header in &headers[from..] {
                chain.push(&header.encode()).expect("fits");
            }
            assert!(chain.complete());
            assert_eq!(chain.next(), Some(Position(6)));
            assert_eq!(chain.buckets().get(&BUCKET).map(|(seq, _)| *seq), (from <= 4).then_some(2));
        }
    }

    #[test]
    fn each_misfit_is_found_where_it_is() {
        check(2, |h| h.position = Position(3), |m| *m == Misfit::Position(Position(3)));
        check(2, |h| h.tenant = TenantId(8), |m| *m == Misfit::Tenant(TenantId(8)));
        check(0, |h| h.prev = LeafHash([1; 32]), |m| matches!(m, Misfit::Prev { .. }));
        check(3, |h| h.prev = LeafHash([1; 32]), |m| matches!(m, Misfit::Prev { .. }));
        check(4, |h| h.bucket_seq = 5, |m| matches!(m, Misfit::BucketSeq { expected: 2, found: 5, .. }));
        check(4, |h| h.bucket_prev = LeafHash([1; 32]), |m| matches!(m, Misfit::BucketPrev { .. }));
        check(5, |h| h.bucket_prev = LeafHash([1; 32]), |m| matches!(m, Misfit::BucketPrev { .. }));
        check(0, |h| h.bucket_seq = 1, |m| *m == Misfit::NoBucket);
        check(4, |h| h.time = Time(102), |m| matches!(m, Misfit::Time { .. }));
        check(4, |h| h.epoch = Epoch(1), |m| matches!(m, Misfit::Epoch { .. }));
        check(4, |h| h.epoch = Epoch(3), |m| *m == Misfit::EpochBegin(Epoch(3)));
        check(2, |h| h.unit_index = 0, |m| matches!(m, Misfit::Unit { expected_index: 1, .. }));
        check(2, |h| h.unit_length = 3, |m| matches!(m, Misfit::Unit { expected_length: 2, .. }));
        check(3, |h| (h.unit_index, h.unit_length) = (1, 2), |m| matches!(m, Misfit::Unit { expected_index: 0, .. }));
    }

    #[test]
    fn any_changed_byte_is_found_by_the_record_behind_it() {
        let headers = headers();
        for byte in 0..schemas::record::HEADER_BYTES {
            let mut chain = Chain::new(TENANT);
            let mut raw = headers[0].encode();
            raw[byte] ^= 0x10;
            let caught = chain.push(&raw).is_err() || chain.push(&headers[1].encode()).is_err();
            assert!(caught, "byte {byte}");
        }
    }

    #[test]
    fn an_unfinished_unit_is_not_complete() {
        let headers = headers();
        let mut chain = Chain::new(TENANT);
        for header in &headers[..2] {
            chain.push(&header.encode()).expect("fits");
        }
        assert!(!chain.complete());
    }
}
