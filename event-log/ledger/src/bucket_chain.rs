//! Walks raw records of one bucket in order and says where they stop being all of the bucket's.
//!
//! Owns: places and chain of a bucket's records, their order in the log.
//! Does not own: whether each is in the log (its tree), whether more follow behind the last (seals).

use schemas::record::Header;
use schemas::{BucketId, LeafHash, TenantId};

use crate::chain::{ChainError, Misfit};
use crate::leaf;

/// Checks records of one bucket, fed in order. The first is believed what it says of those before.
#[derive(Debug, Clone)]
pub struct BucketChain {
    tenant: TenantId,
    bucket: BucketId,
    last: Option<(Header, LeafHash)>,
}

impl BucketChain {
    /// Of a bucket.
    #[must_use]
    pub fn new(tenant: TenantId, bucket: BucketId) -> Self {
        Self { tenant, bucket, last: None }
    }

    /// Header and leaf hash of the last record.
    #[must_use]
    pub fn last(&self) -> Option<&(Header, LeafHash)> {
        self.last.as_ref()
    }

    /// Takes the next record. After an error the chain is as before.
    ///
    /// # Errors
    /// The first thing that does not fit, at the position that the record says.
    pub fn push(&mut self, record: &[u8], header: &Header) -> Result<(), ChainError> {
        self.follows(header).map_err(|misfit| ChainError { position: header.position, misfit })?;
        self.last = Some((*header, leaf(record)));
        Ok(())
    }

    fn follows(&self, header: &Header) -> Result<(), Misfit> {
        let bucket = self.bucket;
        if header.tenant != self.tenant {
            return Err(Misfit::Tenant(header.tenant));
        }
        if header.bucket != bucket {
            return Err(Misfit::Bucket(header.bucket));
        }
        let Some((last, head)) = &self.last else {
            let begins = header.bucket_seq != 0 || header.bucket_prev == LeafHash::default();
            let (expected, found) = (LeafHash::default(), header.bucket_prev);
            return if begins { Ok(()) } else { Err(Misfit::BucketPrev { bucket, expected, found }) };
        };
        if header.position <= last.position {
            return Err(Misfit::Position(header.position));
        }
        if header.bucket_seq != last.bucket_seq + 1 {
            return Err(Misfit::BucketSeq { bucket, expected: last.bucket_seq + 1, found: header.bucket_seq });
        }
        if header.bucket_prev != *head {
            return Err(Misfit::BucketPrev { bucket, expected: *head, found: header.bucket_prev });
        }
        if header.time < last.time {
            return Err(Misfit::Time { expected: last.time, found: header.time });
        }
        if header.epoch < last.epoch {
            return Err(Misfit::Epoch { expected: last.epoch, found: header.epoch });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Epoch, KeyId, Position, Time};

    use super::*;

    const TENANT: TenantId = TenantId(7);
    const BUCKET: BucketId = BucketId(3);

    /// Three records of a bucket, with others of the log between them.
    fn headers(first: u64) -> Vec<Header> {
        let mut prev = if first == 0 { LeafHash::default() } else { LeafHash([9; 32]) };
        (0..3)
            .map(|index| {
                let header = Header {
                    tenant: TENANT,
                    epoch: Epoch(2),
                    position: Position(10 + 2 * index),
                    time: Time(100 + index),
                    prev: LeafHash([index as u8; 32]),
                    bucket: BUCKET,
                    bucket_seq: first + index,
                    bucket_prev: prev,
                    event_type: 40,
                    schema_version: 1,
                    key: KeyId(1),
                    unit_length: 1,
                    unit_index: 0,
                };
                prev = leaf(&header.encode());
                header
            })
            .collect()
    }

    #[test]
    fn a_bucket_s_records_follow_one_another_from_its_first_or_from_the_middle() {
        for first in [0, 5] {
            let mut chain = BucketChain::new(TENANT, BUCKET);
            for header in headers(first) {
                chain.push(&header.encode(), &header).expect("follows");
            }
            assert_eq!(chain.last().map(|(header, _)| header.bucket_seq), Some(first + 2));
        }
    }

    #[test]
    fn each_misfit_is_found_where_it_is() {
        let check = |index: usize, change: &dyn Fn(&mut Header), expected: &dyn Fn(&Misfit) -> bool| {
            let mut chain = BucketChain::new(TENANT, BUCKET);
            let mut headers = headers(0);
            change(&mut headers[index]);
            for header in &headers[..index] {
                chain.push(&header.encode(), header).expect("good so far");
            }
            let bad = headers[index];
            let error = chain.push(&bad.encode(), &bad).expect_err("must not fit");
            assert!(error.position == bad.position && expected(&error.misfit), "{error}");
        };
        check(0, &|h| h.bucket_prev = LeafHash([1; 32]), &|m| matches!(m, Misfit::BucketPrev { .. }));
        check(0, &|h| h.tenant = TenantId(1), &|m| *m == Misfit::Tenant(TenantId(1)));
        check(1, &|h| h.bucket = BucketId(4), &|m| *m == Misfit::Bucket(BucketId(4)));
        check(1, &|h| h.position = Position(10), &|m| *m == Misfit::Position(Position(10)));
        check(1, &|h| h.bucket_seq = 2, &|m| matches!(m, Misfit::BucketSeq { expected: 1, found: 2, .. }));
        check(2, &|h| h.bucket_prev = LeafHash([1; 32]), &|m| matches!(m, Misfit::BucketPrev { .. }));
        check(2, &|h| h.time = Time(1), &|m| matches!(m, Misfit::Time { .. }));
        check(2, &|h| h.epoch = Epoch(1), &|m| matches!(m, Misfit::Epoch { .. }));
    }
}
