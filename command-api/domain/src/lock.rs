//! Object lock: what keeps a version from being removed, and who may change that.
//!
//! Owns: S3's rules of retention and legal hold; the bounds of a default retention.
//! Does not own: the clock (the time comes in), whether the caller may bypass governance (policy), which versions there are.
//! Invariants: nobody removes a version under compliance or a hold; a compliance or audit trail never ends earlier than it was
//! once said to; prolonging is always allowed. There is no caller here, so there is none to whom a rule would not apply.

use schemas::Time;
use schemas::event::{DefaultRetention, Retention, RetentionMode, RetentionPeriod};

use crate::Refusal;

/// Most days of a default retention.
pub const DAYS_MAX: u32 = 36_500;

/// Most years of a default retention.
pub const YEARS_MAX: u32 = 100;

const DAY_US: u64 = 24 * 3_600 * 1_000_000;

/// Whether versions of a bucket can be locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BucketLock {
    /// They cannot.
    #[default]
    Off,
    /// They can: the bucket's versioning stays enabled, and this never goes off again.
    On {
        /// The retention of new versions that ask for none.
        default: Option<DefaultRetention>,
    },
}

/// What a write asks of the lock of its version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Until when; none for the bucket's default.
    pub retention: Option<Retention>,
    /// Whether a hold is put on it, if that is said.
    pub legal_hold: Option<bool>,
}

impl Asked {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What keeps a version from being removed for good, or from being erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lock {
    /// Until when.
    pub retention: Option<Retention>,
    /// Until somebody takes it off.
    pub legal_hold: bool,
}

/// A rule that is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// A retention that has not ended.
    Retention(Retention),
    /// A legal hold.
    LegalHold,
}

impl BucketLock {
    /// Whether versions can be locked at all.
    ///
    /// # Errors
    /// [`Refusal::LockNotEnabled`].
    pub fn required(&self) -> Result<(), Refusal> {
        match self {
            Self::On { .. } => Ok(()),
            Self::Off => Err(Refusal::LockNotEnabled),
        }
    }

    /// Whether a write may ask for this.
    ///
    /// # Errors
    /// [`Refusal::LockNotEnabled`] where versions cannot be locked, [`Refusal::InvalidArgument`] for a time that has passed.
    pub fn check(&self, asked: &Asked, now: Time) -> Result<(), Refusal> {
        if asked.is_empty() {
            return Ok(());
        }
        self.required()?;
        asked.retention.map_or(Ok(()), |retention| in_the_future(retention, now))
    }

    /// What locks a version that is made now. A default retention begins with the version.
    #[must_use]
    pub fn of_new_version(&self, asked: &Asked, now: Time) -> Lock {
        let default = match self {
            Self::Off => None,
            Self::On { default } => default.map(|default| Retention { mode: default.mode, until: end(default, now) }),
        };
        Lock { retention: asked.retention.or(default), legal_hold: asked.legal_hold.unwrap_or(false) }
    }
}

impl Lock {
    /// The retention that holds at this time.
    fn retained(&self, now: Time) -> Option<Retention> {
        self.retention.filter(|retention| now < retention.until)
    }

    /// Whether the version may be removed for good, or replaced by one of its name.
    ///
    /// # Errors
    /// [`Refusal::ObjectLocked`].
    pub fn allow_removal(&self, now: Time, bypass_governance: bool) -> Result<(), Refusal> {
        let retained = match self.retained(now).map(|retention| retention.mode) {
            Some(RetentionMode::Compliance) => true,
            Some(RetentionMode::Governance) => !bypass_governance,
            // The version goes; what it was stays: its content is kept until then.
            Some(RetentionMode::AuditTrail) | None => false,
        };
        if retained || self.legal_hold { Err(Refusal::ObjectLocked) } else { Ok(()) }
    }

    /// What forbids that the version's content, or a key that opens it, is destroyed: a hold, or a retention of any mode.
    /// Nobody bypasses governance by the way. For a version that was removed, see [`erasable_after_removal`].
    #[must_use]
    pub fn against_erasure(&self, now: Time) -> Option<Holding> {
        if self.legal_hold {
            return Some(Holding::LegalHold);
        }
        self.retained(now).map(Holding::Retention)
    }

    /// Whether the retention may become another, or none; and whether governance is bypassed by it.
    ///
    /// # Errors
    /// [`Refusal::ObjectLocked`]; [`Refusal::InvalidArgument`] for a time that has passed.
    pub fn allow_retention(
        &self,
        asked: Option<Retention>,
        now: Time,
        bypass_governance: bool,
    ) -> Result<bool, Refusal> {
        if let Some(asked) = asked {
            in_the_future(asked, now)?;
        }
        let Some(held) = self.retained(now) else { return Ok(false) };
        // Another mode is no mere prolonging, even one that binds more: it could not be taken back.
        match asked {
            Some(asked) if asked.mode == held.mode && asked.until >= held.until => Ok(false),
            _ if held.mode == RetentionMode::Governance && bypass_governance => Ok(true),
            _ => Err(Refusal::ObjectLocked),
        }
    }
}

/// Whether what was kept until a time, of a version that was removed ([`Retention::keeps_content_until`]), may be destroyed.
#[must_use]
pub fn erasable_after_removal(kept_until: Option<Time>, now: Time) -> bool {
    kept_until.is_none_or(|until| until <= now)
}

/// Whether a bucket may have it as its default.
///
/// # Errors
/// [`Refusal::InvalidRetentionPeriod`].
pub fn check_default(default: &DefaultRetention) -> Result<(), Refusal> {
    let (number, most) = match default.period {
        RetentionPeriod::Days(days) => (days, DAYS_MAX),
        RetentionPeriod::Years(years) => (years, YEARS_MAX),
    };
    match number {
        0 => {
            Err(Refusal::InvalidRetentionPeriod { reason: "Default retention period must be a positive integer value" })
        }
        _ if number > most => {
            Err(Refusal::InvalidRetentionPeriod { reason: "Default retention period is larger than 100 years" })
        }
        _ => Ok(()),
    }
}

fn in_the_future(retention: Retention, now: Time) -> Result<(), Refusal> {
    if retention.until > now {
        return Ok(());
    }
    let reason = "The retain until date must be in the future!";
    Err(Refusal::InvalidArgument { name: "x-amz-object-lock-retain-until-date", reason })
}

fn end(default: DefaultRetention, from: Time) -> Time {
    let days = match default.period {
        RetentionPeriod::Days(days) => u64::from(days),
        RetentionPeriod::Years(years) => u64::from(years) * 365,
    };
    Time(from.0.saturating_add(days.saturating_mul(DAY_US)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000);

    fn until(mode: RetentionMode, until: u64) -> Option<Retention> {
        Some(Retention { mode, until: Time(until) })
    }

    fn retained(mode: RetentionMode, end: u64) -> Lock {
        Lock { retention: until(mode, end), legal_hold: false }
    }

    #[test]
    fn a_version_is_removed_when_nothing_holds_it() {
        use RetentionMode::{AuditTrail, Compliance, Governance};
        let held = Lock { retention: None, legal_hold: true };
        for (lock, plainly, bypassing) in [
            (Lock::default(), true, true),
            (retained(Governance, 1_000), true, true),
            (retained(Governance, 1_001), false, true),
            (retained(Compliance, 1_000), true, true),
            (retained(Compliance, 1_001), false, false),
            (retained(AuditTrail, 1_001), true, true),
            (held, false, false),
            (Lock { legal_hold: true, ..retained(Governance, 1_001) }, false, false),
            (Lock { legal_hold: true, ..retained(AuditTrail, 1_001) }, false, false),
        ] {
            for (bypass, allowed) in [(false, plainly), (true, bypassing)] {
                let expected = if allowed { Ok(()) } else { Err(Refusal::ObjectLocked) };
                assert_eq!(lock.allow_removal(NOW, bypass), expected, "{lock:?} {bypass}");
            }
        }
    }

    #[test]
    fn a_retention_is_prolonged_by_anybody_and_shortened_only_where_governance_is_bypassed() {
        use RetentionMode::{AuditTrail, Compliance, Governance};
        let (yes, bypassed, no) = (Ok(false), Ok(true), Err(Refusal::ObjectLocked));
        for (held, asked, plainly, bypassing) in [
            (until(Governance, 2_000), until(Governance, 2_000), &yes, &yes),
            (until(Governance, 2_000), until(Governance, 2_001), &yes, &yes),
            (until(Governance, 2_000), until(Governance, 1_999), &no, &bypassed),
            (until(Governance, 2_000), until(Compliance, 2_001), &no, &bypassed),
            (until(Governance, 2_000), None, &no, &bypassed),
            (until(Compliance, 2_000), until(Compliance, 2_000), &yes, &yes),
            (until(Compliance, 2_000), until(Compliance, 2_001), &yes, &yes),
            (until(Compliance, 2_000), until(Compliance, 1_999), &no, &no),
            (until(Compliance, 2_000), until(Governance, 9_000), &no, &no),
            (until(Compliance, 2_000), None, &no, &no),
            (until(AuditTrail, 2_000), until(AuditTrail, 2_000), &yes, &yes),
            (until(AuditTrail, 2_000), until(AuditTrail, 2_001), &yes, &yes),
            (until(AuditTrail, 2_000), until(AuditTrail, 1_999), &no, &no),
            (until(AuditTrail, 2_000), until(Compliance, 9_000), &no, &no),
            (until(AuditTrail, 2_000), until(Governance, 9_000), &no, &no),
            (until(AuditTrail, 2_000), None, &no, &no),
            (until(Compliance, 2_000), until(AuditTrail, 9_000), &no, &no),
            (until(Governance, 2_000), until(AuditTrail, 9_000), &no, &bypassed),
            // What has ended binds nobody.
            (until(Compliance, 1_000), until(Governance, 1_001), &yes, &yes),
            (until(Compliance, 1_000), None, &yes, &yes),
            (until(AuditTrail, 1_000), None, &yes, &yes),
            (None, None, &yes, &yes),
        ] {
            // A hold is another matter.
            for legal_hold in [false, true] {
                let lock = Lock { retention: held, legal_hold };
                assert_eq!(lock.allow_retention(asked, NOW, false), *plainly, "{lock:?} {asked:?}");
                assert_eq!(lock.allow_retention(asked, NOW, true), *bypassing, "{lock:?} {asked:?} bypassing");
            }
        }
        let past = Lock::default().allow_retention(until(Governance, 1_000), NOW, true);
        assert!(matches!(past, Err(Refusal::InvalidArgument { .. })));
    }

    #[test]
    fn nothing_is_erased_while_a_rule_of_any_kind_holds() {
        for mode in RetentionMode::ALL {
            let kept = retained(mode, 1_001);
            assert_eq!(kept.against_erasure(NOW), kept.retention.map(Holding::Retention), "{mode:?}");
            assert_eq!(retained(mode, 1_000).against_erasure(NOW), None, "{mode:?}");
            let held = Lock { legal_hold: true, ..retained(mode, 1_000) };
            assert_eq!(held.against_erasure(NOW), Some(Holding::LegalHold), "{mode:?}");
        }
        assert_eq!(Lock::default().against_erasure(NOW), None);
        for (kept_until, erasable) in [(None, true), (Some(Time(1_000)), true), (Some(Time(1_001)), false)] {
            assert_eq!(erasable_after_removal(kept_until, NOW), erasable, "{kept_until:?}");
        }
    }

    #[test]
    fn a_new_version_has_the_retention_asked_for_or_the_buckets() {
        let governance = |end| until(RetentionMode::Governance, end);
        let on =
            |period| BucketLock::On { default: Some(DefaultRetention { mode: RetentionMode::Compliance, period }) };
        let asked = Asked { retention: governance(5_000), legal_hold: Some(true) };
        let lock = Lock { retention: governance(5_000), legal_hold: true };
        assert_eq!(on(RetentionPeriod::Days(1)).of_new_version(&asked, NOW), lock);
        for (period, days) in [(RetentionPeriod::Days(3), 3), (RetentionPeriod::Years(2), 730)] {
            let end = 1_000 + days * 86_400_000_000;
            assert_eq!(
                on(period).of_new_version(&Asked { legal_hold: Some(true), ..Asked::default() }, NOW),
                Lock { legal_hold: true, ..retained(RetentionMode::Compliance, end) },
                "a hold does not stand for a retention"
            );
        }
        let none = BucketLock::On { default: None };
        assert_eq!(none.of_new_version(&Asked::default(), NOW), Lock::default());
        assert_eq!(BucketLock::Off.of_new_version(&Asked::default(), NOW), Lock::default());
    }

    #[test]
    fn a_lock_is_asked_for_where_there_can_be_one() {
        let on = BucketLock::On { default: None };
        let retention = |end| Asked { retention: until(RetentionMode::Governance, end), legal_hold: None };
        let hold = |on| Asked { retention: None, legal_hold: Some(on) };
        assert_eq!(BucketLock::Off.check(&Asked::default(), NOW), Ok(()));
        for asked in [retention(2_000), hold(true), hold(false)] {
            assert_eq!(on.check(&asked, NOW), Ok(()));
            assert_eq!(BucketLock::Off.check(&asked, NOW), Err(Refusal::LockNotEnabled));
        }
        assert!(matches!(on.check(&retention(1_000), NOW), Err(Refusal::InvalidArgument { .. })));
    }

    #[test]
    fn a_default_retention_is_between_a_day_and_a_century() {
        for (period, good) in [
            (RetentionPeriod::Days(0), false),
            (RetentionPeriod::Days(1), true),
            (RetentionPeriod::Days(36_500), true),
            (RetentionPeriod::Days(36_501), false),
            (RetentionPeriod::Years(0), false),
            (RetentionPeriod::Years(100), true),
            (RetentionPeriod::Years(101), false),
        ] {
            let default = DefaultRetention { mode: RetentionMode::Governance, period };
            assert_eq!(check_default(&default).is_ok(), good, "{period:?}");
        }
    }
}
