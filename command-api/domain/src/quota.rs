//! Quotas: whether a write may hold more than is held, and which shares of a bound it reaches.
//!
//! Owns: the arithmetic of bounds.
//! Does not own: counting what is held (projections), who may set a quota ([`crate::policy`]).
//! Invariant: what is held already is never refused: a change that adds nothing to a bound passes it, however far beyond the
//! bound it is.

use schemas::BucketId;
use schemas::event::{Event, Quota, QuotaDimension, QuotaSet, QuotaThresholdReached};

use crate::Refusal;

/// Shares of a bound, in percent, that operators hear of.
const THRESHOLDS: [u8; 3] = [100, 90, 80];

/// What is held, by the dimensions of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Plaintext bytes of versions and of staged parts.
    pub bytes: u64,
    /// Current objects.
    pub objects: u64,
}

/// One quota that a write counts towards, and what is held under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The bucket whose quota it is; none for the tenant's.
    pub bucket: Option<BucketId>,
    /// The bounds.
    pub quota: Quota,
    /// What is held.
    pub held: Held,
}

/// What a write adds, and what it takes away by replacing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// What comes.
    pub added: Held,
    /// What goes with it.
    pub removed: Held,
}

/// Charges a write to every quota that it counts towards. The events say which thresholds it reached.
///
/// # Errors
/// [`Refusal::QuotaExceeded`] when it would hold more than before and more than a bound.
pub fn charge(accounts: &[Account], change: Change) -> Result<Vec<Event>, Refusal> {
    let mut reached = Vec::new();
    for Account { bucket, quota, held } in accounts {
        let bounds = [
            (QuotaDimension::Bytes, quota.bytes, held.bytes, change.added.bytes, change.removed.bytes),
            (QuotaDimension::Objects, quota.objects, held.objects, change.added.objects, change.removed.objects),
        ];
        for (dimension, limit, before, added, removed) in bounds {
            let Some(limit) = limit else { continue };
            let after = before.saturating_add(added).saturating_sub(removed);
            if after <= before {
                continue;
            }
            if after > limit {
                return Err(Refusal::QuotaExceeded);
            }
            let crosses =
                |percent: &u8| is_share(before, limit, *percent).is_lt() && is_share(after, limit, *percent).is_ge();
            if let Some(percent) = THRESHOLDS.into_iter().find(crosses) {
                let event = QuotaThresholdReached { bucket: *bucket, dimension, percent, limit, held: after };
                reached.push(event.into());
            }
        }
    }
    Ok(reached)
}

/// How `held` compares to a share of a bound.
fn is_share(held: u64, limit: u64, percent: u8) -> std::cmp::Ordering {
    (u128::from(held) * 100).cmp(&(u128::from(limit) * u128::from(percent)))
}

/// Sets a quota. Nothing happens when it is so already.
#[must_use]
pub fn set(bucket: Option<BucketId>, now: Quota, asked: Quota) -> Vec<Event> {
    if now == asked { vec![] } else { vec![QuotaSet { bucket, quota: asked }.into()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(quota: (Option<u64>, Option<u64>), held: (u64, u64)) -> Account {
        Account {
            bucket: None,
            quota: Quota { bytes: quota.0, objects: quota.1 },
            held: Held { bytes: held.0, objects: held.1 },
        }
    }

    fn adding(bytes: u64, objects: u64) -> Change {
        Change { added: Held { bytes, objects }, removed: Held::default() }
    }

    fn reached(dimension: QuotaDimension, percent: u8, limit: u64, held: u64) -> Event {
        QuotaThresholdReached { bucket: None, dimension, percent, limit, held }.into()
    }

    #[test]
    fn the_last_byte_fits_and_the_next_does_not() {
        let full = |held| charge(&[account((Some(100), None), (held, 0))], adding(1, 1));
        assert_eq!(full(98), Ok(vec![]));
        assert_eq!(full(99), Ok(vec![reached(QuotaDimension::Bytes, 100, 100, 100)]));
        assert_eq!(full(100), Err(Refusal::QuotaExceeded));
        assert_eq!(full(u64::MAX), Ok(vec![]), "nothing is more than that");
    }

    #[test]
    fn objects_are_bound_as_bytes_are() {
        let with = |held| charge(&[account((None, Some(2)), (0, held))], adding(1 << 40, 1));
        assert!(with(1).is_ok());
        assert_eq!(with(2), Err(Refusal::QuotaExceeded));
    }

    #[test]
    fn nothing_fits_a_bound_of_nothing() {
        assert_eq!(charge(&[account((Some(0), None), (0, 0))], adding(1, 1)), Err(Refusal::QuotaExceeded));
        assert_eq!(charge(&[account((Some(0), None), (0, 0))], adding(0, 1)), Ok(vec![]));
    }

    #[test]
    fn what_replaces_as_much_passes_a_bound_that_was_lowered() {
        let replacing = Change { added: Held { bytes: 10, objects: 1 }, removed: Held { bytes: 10, objects: 1 } };
        assert_eq!(charge(&[account((Some(5), Some(0)), (50, 3))], replacing), Ok(vec![]));
        let growing = Change { added: Held { bytes: 11, objects: 1 }, ..replacing };
        assert_eq!(charge(&[account((Some(5), None), (50, 3))], growing), Err(Refusal::QuotaExceeded));
    }

    #[test]
    fn every_quota_counts() {
        let roomy = account((Some(1_000), None), (0, 0));
        let tight = Account { bucket: Some(BucketId(5)), ..account((Some(10), None), (0, 0)) };
        assert_eq!(charge(&[roomy, tight], adding(11, 1)), Err(Refusal::QuotaExceeded));
        let event = QuotaThresholdReached {
            bucket: Some(BucketId(5)),
            dimension: QuotaDimension::Bytes,
            percent: 80,
            limit: 10,
            held: 8,
        };
        assert_eq!(charge(&[roomy, tight], adding(8, 1)), Ok(vec![event.into()]));
    }

    #[test]
    fn the_highest_threshold_that_a_write_reaches_is_told_once() {
        let from = |held, added| charge(&[account((Some(100), None), (held, 0))], adding(added, 1));
        assert_eq!(from(0, 95), Ok(vec![reached(QuotaDimension::Bytes, 90, 100, 95)]));
        assert_eq!(from(95, 1), Ok(vec![]));
        assert_eq!(from(79, 1), Ok(vec![reached(QuotaDimension::Bytes, 80, 100, 80)]));
        assert_eq!(from(80, 1), Ok(vec![]));
    }

    #[test]
    fn a_quota_is_set_once() {
        let quota = Quota { bytes: Some(1), objects: None };
        assert_eq!(set(None, Quota::default(), quota), vec![QuotaSet { bucket: None, quota }.into()]);
        assert_eq!(set(None, quota, quota), vec![]);
    }
}
