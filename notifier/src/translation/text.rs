//! Values of bodies that are written as text.

use std::borrow::Cow;
use std::fmt::{self, Display};

use schemas::{EventId, TenantId, Time};
use serde::{Serialize, Serializer};

/// `evt_<tenant>_<epoch>_<position>`.
pub(crate) fn event_text(tenant: TenantId, id: EventId) -> String {
    format!("evt_{tenant}_{}_{}", id.epoch, id.position)
}

/// RFC 3339, UTC, with as many digits behind the second. What no calendar has becomes its last day.
pub(super) fn time_text(time: Time, digits: usize) -> String {
    let microseconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    format!("{:.digits$}", jiff::Timestamp::from_microsecond(microseconds).unwrap_or(jiff::Timestamp::MAX))
}

/// A time, to the microsecond: as exact as the log has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(pub(crate) Time);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&time_text(self.0, 6))
    }
}

/// Another event of the same log, by the id that it is told with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventRef(pub(crate) TenantId, pub(crate) EventId);

impl Serialize for EventRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&event_text(self.0, self.1))
    }
}

/// Whatever shows itself as text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// `wh_` and 32 hex digits: a subscription as the API names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SubscriptionText(pub(crate) schemas::SubscriptionId);

impl Display for SubscriptionText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wh_{}", self.0)
    }
}

/// An address without what may open something: its query, its fragment, a name and password before the host.
pub(super) fn shown_address(address: &str) -> Cow<'_, str> {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = address.split_once("://") else { return Cow::Borrowed(address) };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => Cow::Owned(format!("{scheme}://{host}{path}")),
        None => Cow::Borrowed(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_open_something() {
        for (address, shown) in [
            ("https://a.example/hook", "https://a.example/hook"),
            ("https://a.example/hook?token=1#x", "https://a.example/hook"),
            ("https://a.example#x?y", "https://a.example"),
            ("https://ann:secret@a.example:8443/a@b?c", "https://a.example:8443/a@b"),
            ("https://ann:sec@ret@a.example", "https://a.example"),
            ("arn:holdfast:webhook:::https://ann:s@a.example/x?y=1", "arn:holdfast:webhook:::https://a.example/x"),
            ("arn:aws:sqs:eu-central-1:1:x", "arn:aws:sqs:eu-central-1:1:x"),
            ("", ""),
        ] {
            assert_eq!(shown_address(address), shown);
        }
    }

    #[test]
    fn times() {
        assert_eq!(time_text(Time(1_700_000_000_123_456), 3), "2023-11-14T22:13:20.123Z");
        assert_eq!(time_text(Time(1_700_000_000_999_999), 3), "2023-11-14T22:13:20.999Z");
        assert_eq!(time_text(Time(0), 6), "1970-01-01T00:00:00.000000Z");
        assert!(time_text(Time(u64::MAX), 3).starts_with("9999-12-3"));
    }
}
