//! Points in a log as people name them: its end, its beginning, a position, a time, so long ago, a snapshot, just before something.
//!
//! Owns: reading them. Does not own: which position a time is (pipeline).

use jiff::Timestamp;
use schemas::{EventId, Position, RequestId, SnapshotName, Time, VersionId};

/// A point in a tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// `head`: where the next event goes.
    Head,
    /// `earliest`: the first event.
    Earliest,
    /// `pos:N`.
    Position(Position),
    /// A time as RFC 3339 writes it: the first event that is not older.
    Time(Time),
    /// `-2h`: the first event that is not older than so many microseconds.
    Ago(u64),
    /// `snap:NAME`: what a snapshot of the bucket shows.
    Snapshot(SnapshotName),
    /// `before:VERSION`: just before the event that made a version.
    BeforeVersion(EventId),
    /// `before:REQUEST`: just before the first event of a request.
    BeforeRequest(RequestId),
}

/// A text that names no point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a point is `head`, `earliest`, `pos:N`, a time as RFC 3339 writes it, so long ago (`-90s`, `-30m`, `-2h`, `-7d`), `snap:NAME`, or `before:` and a request id or version id"
)]
pub struct NoPoint;

impl std::str::FromStr for Point {
    type Err = NoPoint;

    fn from_str(text: &str) -> Result<Self, NoPoint> {
        match text {
            "head" => return Ok(Self::Head),
            "earliest" => return Ok(Self::Earliest),
            _ => {}
        }
        if let Some(position) = text.strip_prefix("pos:") {
            return number(position).map(|position| Self::Position(Position(position)));
        }
        if let Some(name) = text.strip_prefix("snap:") {
            return SnapshotName::parse(name).map(Self::Snapshot).map_err(|_| NoPoint);
        }
        if let Some(what) = text.strip_prefix("before:") {
            return before(what);
        }
        if let Some(ago) = text.strip_prefix('-') {
            return self::ago(ago).map(Self::Ago);
        }
        let time: Timestamp = text.parse().map_err(|_| NoPoint)?;
        // What was before the epoch was before every event.
        Ok(Self::Time(Time(u64::try_from(time.as_microsecond()).unwrap_or(0))))
    }
}

/// A version id has 20 characters, a request id is a ULID of 26.
fn before(text: &str) -> Result<Point, NoPoint> {
    match text.parse() {
        Ok(VersionId::Event(made_by)) => return Ok(Point::BeforeVersion(made_by)),
        // Which one that is depends on the key.
        Ok(VersionId::Null) => return Err(NoPoint),
        Err(_) => {}
    }
    Point::request_id(text).map(Point::BeforeRequest).ok_or(NoPoint)
}

impl Point {
    /// A request id as answers show it: a ULID, of the native API behind `req_`. None if it is none.
    #[must_use]
    pub fn request_id(text: &str) -> Option<RequestId> {
        let text = text.strip_prefix("req_").unwrap_or(text);
        let is_ulid = text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_ulid.then(|| RequestId(text.to_ascii_uppercase()))
    }
}

/// A time as RFC 3339 writes it, in UTC; its microseconds where no calendar has it.
#[must_use]
pub fn written(time: Time) -> String {
    let timestamp = i64::try_from(time.0).ok().and_then(|time| Timestamp::from_microsecond(time).ok());
    timestamp.map_or_else(|| time.to_string(), |timestamp| timestamp.to_string())
}

fn ago(text: &str) -> Result<u64, NoPoint> {
    let unit = text.chars().last().ok_or(NoPoint)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(NoPoint),
    };
    let count = number(&text[..text.len() - unit.len_utf8()])?;
    count.checked_mul(seconds).and_then(|seconds| seconds.checked_mul(1_000_000)).ok_or(NoPoint)
}

fn number(text: &str) -> Result<u64, NoPoint> {
    // A sign would be a second spelling.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().map_err(|_| NoPoint) } else { Err(NoPoint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_time_is_a_point() {
        for time in [Time(0), Time(1_500_000), Time(1_900_000_000_000_001)] {
            assert_eq!(written(time).parse(), Ok(Point::Time(time)));
        }
        assert_eq!(written(Time(u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn points() {
        const SECOND: u64 = 1_000_000;
        for (text, expected) in [
            ("head", Some(Point::Head)),
            ("earliest", Some(Point::Earliest)),
            ("pos:0", Some(Point::Position(Position(0)))),
            ("pos:18446744073709551615", Some(Point::Position(Position(u64::MAX)))),
            ("-90s", Some(Point::Ago(90 * SECOND))),
            ("-30m", Some(Point::Ago(1_800 * SECOND))),
            ("-2h", Some(Point::Ago(7_200 * SECOND))),
            ("-7d", Some(Point::Ago(604_800 * SECOND))),
            ("1970-01-01T00:00:01Z", Some(Point::Time(Time(SECOND)))),
            ("1970-01-01T01:00:01.5+01:00", Some(Point::Time(Time(SECOND * 3 / 2)))),
            ("1969-01-01T00:00:00Z", Some(Point::Time(Time(0)))),
            ("", None),
            ("Head", None),
            ("pos:", None),
            ("pos:+1", None),
            ("pos:18446744073709551616", None),
            ("-", None),
            ("-h", None),
            ("-2", None),
            ("-2w", None),
            ("-2é", None),
            ("--2h", None),
            ("-18446744073709551615d", None),
            ("2h", None),
            ("snap:a.b_c-1", Some(Point::Snapshot(SnapshotName::parse("a.b_c-1").expect("a name")))),
            ("snap:", None),
            ("snap:a/b", None),
            (
                "before:vvvvvvfvvvvvvvvvuc00",
                "vvvvvvfvvvvvvvvvuc00".parse().ok().and_then(|id| match id {
                    VersionId::Event(made_by) => Some(Point::BeforeVersion(made_by)),
                    VersionId::Null => None,
                }),
            ),
            (
                "before:01HF7YAT00000000000000000A",
                Some(Point::BeforeRequest(RequestId("01HF7YAT00000000000000000A".to_owned()))),
            ),
            (
                "before:req_01HF7YAT00000000000000000A",
                Some(Point::BeforeRequest(RequestId("01HF7YAT00000000000000000A".to_owned()))),
            ),
            ("before:null", None),
            ("before:req_", None),
            ("before:", None),
            ("before:x", None),
            ("2026-01-01", None),
            ("2026-01-01T00:00:00", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
