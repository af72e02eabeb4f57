//! Headers of object lock: what a write asks for, and whether governance is to be bypassed.

use http::HeaderMap;
use pipeline::LockAsked;
use schemas::Time;
use schemas::event::{Retention, RetentionMode};

use super::text_of;
use crate::errors::DoorError;

pub(crate) const LOCK_MODE: &str = "x-amz-object-lock-mode";
pub(crate) const LOCK_UNTIL: &str = "x-amz-object-lock-retain-until-date";
pub(crate) const LOCK_HOLD: &str = "x-amz-object-lock-legal-hold";

/// What a write asks of the lock of its version.
///
/// # Errors
/// A mode without a date, a date without a mode, or a value that is none.
pub(crate) fn lock(headers: &HeaderMap) -> Result<LockAsked, DoorError> {
    let invalid = |name, reason| Err(DoorError::InvalidArgument { name, reason });
    let retention = match (text_of(headers, LOCK_MODE), text_of(headers, LOCK_UNTIL)) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let Some(mode) = RetentionMode::parse(&mode) else {
                return invalid(LOCK_MODE, "Unknown wormMode directive.");
            };
            let Some(until) = retention_end(&until) else {
                return invalid(LOCK_UNTIL, "The retain until date must be provided in ISO 8601 format");
            };
            Some(Retention { mode, until })
        }
        _ => {
            let reason = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            return invalid(LOCK_MODE, reason);
        }
    };
    let legal_hold = match text_of(headers, LOCK_HOLD) {
        None => None,
        Some(text) => match legal_hold(&text) {
            None => return invalid(LOCK_HOLD, "Legal Hold must be either of 'ON' or 'OFF'"),
            hold => hold,
        },
    };
    Ok(LockAsked { retention, legal_hold })
}

/// `x-amz-bypass-governance-retention`. It asks; whether the caller may is the store's to say.
pub(crate) fn bypass_governance(headers: &HeaderMap) -> bool {
    text_of(headers, "x-amz-bypass-governance-retention").is_some_and(|text| text.trim().eq_ignore_ascii_case("true"))
}

/// `ON` or `OFF`.
pub(crate) fn legal_hold(text: &str) -> Option<bool> {
    match text {
        "ON" => Some(true),
        "OFF" => Some(false),
        _ => None,
    }
}

/// A date in ISO 8601, to the millisecond, as it is shown: a client that sets what it has read changes nothing. What is
/// finer is rounded up, for no retention ends before the time that was asked for.
pub(crate) fn retention_end(text: &str) -> Option<Time> {
    let time: jiff::Timestamp = text.trim().parse().ok()?;
    let nanoseconds = u128::try_from(time.as_nanosecond()).unwrap_or(0);
    let milliseconds = u64::try_from(nanoseconds.div_ceil(1_000_000)).ok()?;
    Some(Time(milliseconds.checked_mul(1_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn what_a_write_asks_for() {
        let read = |pairs: &[(&'static str, &str)]| lock(&headers(pairs)).map_err(|error| error.describe().code);
        let governance = Retention { mode: RetentionMode::Governance, until: Time(1_000_000) };
        let until = (LOCK_UNTIL, "1970-01-01T00:00:01Z");
        assert_eq!(read(&[]), Ok(LockAsked::default()));
        assert_eq!(
            read(&[(LOCK_MODE, "GOVERNANCE"), until, (LOCK_HOLD, "OFF")]),
            Ok(LockAsked { retention: Some(governance), legal_hold: Some(false) })
        );
        assert_eq!(read(&[(LOCK_HOLD, "ON")]), Ok(LockAsked { retention: None, legal_hold: Some(true) }));
        for bad in [
            &[(LOCK_MODE, "GOVERNANCE")][..],
            &[until],
            &[(LOCK_MODE, "governance"), until],
            &[(LOCK_MODE, "COMPLIANCE"), (LOCK_UNTIL, "tomorrow")],
            &[(LOCK_MODE, "COMPLIANCE"), (LOCK_UNTIL, "2030-01-01")],
            &[(LOCK_HOLD, "on")],
            &[(LOCK_HOLD, "")],
        ] {
            assert_eq!(read(bad), Err("InvalidArgument"), "{bad:?}");
        }
    }

    #[test]
    fn a_retention_never_ends_before_the_time_that_was_asked_for() {
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", Some(1_000_000)),
            ("1970-01-01T01:00:01+01:00", Some(1_000_000)),
            ("1970-01-01T00:00:01.001Z", Some(1_001_000)),
            ("1970-01-01T00:00:01.001000001Z", Some(1_002_000)),
            ("2140-01-01T00:00:00Z", Some(5_364_662_400_000_000)),
            ("1960-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:01", None),
            ("", None),
        ] {
            assert_eq!(retention_end(text), expected.map(Time), "{text}");
        }
        let shown = crate::xml::timestamp(Time(1_002_000));
        assert_eq!(retention_end(&shown), Some(Time(1_002_000)), "what is shown is what is kept");
    }

    #[test]
    fn governance_is_bypassed_by_those_who_say_so() {
        let asked = |value| bypass_governance(&headers(&[("x-amz-bypass-governance-retention", value)]));
        assert!(asked("true") && asked("True"));
        assert!(!asked("false") && !asked("1") && !asked("") && !bypass_governance(&HeaderMap::new()));
    }
}
