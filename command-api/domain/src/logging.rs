//! A bucket's access log: where it may go, and what its objects are called.
//!
//! Owns: whether a bucket may get another one's log, the keys of log objects.
//! Does not own: the lines (door), gathering and writing them (pipeline), who may configure it (policy).

use schemas::event::{LogKeyFormat, Logging};
use schemas::{BucketName, Time, UserId};

use crate::Refusal;

/// Most bytes of a prefix: what is put after it must fit a key.
pub const PREFIX_BYTES_MAX: usize = 700;

/// A log to be sent somewhere, with what is known of the bucket that is to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Where.
    pub logging: Logging,
    /// The bucket there.
    pub target: Target,
}

/// A bucket that is to get a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// There is none of the name.
    Absent,
    /// It is the bucket whose log it is.
    Itself,
    /// There is one.
    Live {
        /// Whether it has a log of its own that goes somewhere.
        logs: bool,
        /// Whether it is set to encrypt what comes without saying so.
        encrypts: bool,
        /// Whether it retains what comes without saying so.
        retains: bool,
        /// Whether it lets the log in.
        admits: bool,
    },
}

/// Whether a log may be sent there.
///
/// # Errors
/// [`Refusal::NoSuchLogTarget`], [`Refusal::AccessDenied`], [`Refusal::InvalidArgument`].
pub fn check(asked: &Asked) -> Result<(), Refusal> {
    if asked.logging.prefix.len() > PREFIX_BYTES_MAX {
        return refuse("The target prefix for logging is too long");
    }
    match asked.target {
        Target::Absent => Err(Refusal::NoSuchLogTarget),
        // Every log object would be a request to log.
        Target::Itself => refuse("The target bucket for logging must not be the source bucket"),
        Target::Live { logs: true, .. } => refuse("The target bucket for logging must not have logging enabled itself"),
        Target::Live { encrypts: true, .. } => {
            refuse("The target bucket for logging must not have a default encryption")
        }
        Target::Live { retains: true, .. } => refuse("The target bucket for logging must not have a default retention"),
        Target::Live { admits: false, .. } => Err(Refusal::AccessDenied),
        Target::Live { .. } => Ok(()),
    }
}

fn refuse(reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidArgument { name: "BucketLoggingStatus", reason })
}

/// The bucket whose log it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: BucketName,
    /// Who owns it.
    pub owner: UserId,
    /// Where it is.
    pub region: String,
}

/// The key of a log object: made at `delivered`, of things that happened from `since` on.
#[must_use]
pub fn object_key(logging: &Logging, source: &Source, since: Time, delivered: Time, unique: [u8; 8]) -> String {
    let prefix = &logging.prefix;
    let unique: String = unique.iter().map(|byte| format!("{byte:02X}")).collect();
    let folders = |day: &Civil| {
        let Source { name, owner, region } = source;
        format!("{owner}/{region}/{name}/{}/{:02}/{:02}/", day.year, day.month, day.day)
    };
    let now = Civil::of(delivered);
    match logging.key_format {
        LogKeyFormat::Simple => format!("{prefix}{}-{unique}", now.stamp()),
        LogKeyFormat::PartitionedByDeliveryTime => format!("{prefix}{}{}-{unique}", folders(&now), now.stamp()),
        LogKeyFormat::PartitionedByEventTime => {
            // As in S3: the object has things of one day, and its name says no time of it.
            let day = Civil { hour: 0, minute: 0, second: 0, ..Civil::of(since) };
            format!("{prefix}{}{}-{unique}", folders(&day), day.stamp())
        }
    }
}

/// Days since 1970 of a moment: things of different days do not share an object that is named by the day of its events.
#[must_use]
pub fn day(time: Time) -> u64 {
    time.seconds() / 86_400
}

/// Date and time in UTC.
struct Civil {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// Days counted from 0000-03-01, so that the leap day is the last of its year.
    fn of(time: Time) -> Self {
        let (days, second) = (day(time) + 719_468, time.seconds() % 86_400);
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year + era * 400 + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            hour: second / 3_600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }

    fn stamp(&self) -> String {
        let Self { year, month, day, hour, minute, second } = self;
        format!("{year}-{month:02}-{day:02}-{hour:02}-{minute:02}-{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(prefix: &str, key_format: LogKeyFormat) -> Logging {
        let target = BucketName::parse("logs").expect("a name");
        Logging { target, prefix: prefix.to_owned(), key_format }
    }

    fn live(change: impl FnOnce(&mut [bool; 4])) -> Target {
        let mut facts = [false, false, false, true];
        change(&mut facts);
        let [logs, encrypts, retains, admits] = facts;
        Target::Live { logs, encrypts, retains, admits }
    }

    #[test]
    fn where_a_log_may_go() {
        let to = |target| check(&Asked { logging: logging("log/", LogKeyFormat::Simple), target });
        assert_eq!(to(live(|_| {})), Ok(()));
        assert_eq!(to(Target::Absent), Err(Refusal::NoSuchLogTarget));
        assert_eq!(to(live(|facts| facts[3] = false)), Err(Refusal::AccessDenied));
        for target in [Target::Itself, live(|it| it[0] = true), live(|it| it[1] = true), live(|it| it[2] = true)] {
            let refusal = to(target);
            assert!(matches!(refusal, Err(Refusal::InvalidArgument { .. })), "{target:?}");
        }
        let long = |bytes| logging(&"p".repeat(bytes), LogKeyFormat::PartitionedByEventTime);
        let check_long = |bytes| check(&Asked { logging: long(bytes), target: live(|_| {}) });
        assert_eq!(check_long(PREFIX_BYTES_MAX), Ok(()));
        assert!(matches!(check_long(PREFIX_BYTES_MAX + 1), Err(Refusal::InvalidArgument { .. })));
    }

    fn source(name: &str, owner: &str, region: &str) -> Source {
        let (name, owner) = (BucketName::parse(name).expect("a name"), UserId::parse(owner).expect("a user"));
        Source { name, owner, region: region.to_owned() }
    }

    #[test]
    fn keys_of_log_objects() {
        let source = source("photos", "ann", "eu-central-1");
        // 2024-02-29T23:59:58Z and 2024-03-01T00:00:03Z.
        let (since, delivered) = (Time(1_709_251_198_000_000), Time(1_709_251_203_000_000));
        let unique = [0, 1, 2, 0xab, 0xcd, 0xef, 0xff, 7];
        for (format, expected) in [
            (LogKeyFormat::Simple, "log/2024-03-01-00-00-03-000102ABCDEFFF07"),
            (
                LogKeyFormat::PartitionedByDeliveryTime,
                "log/ann/eu-central-1/photos/2024/03/01/2024-03-01-00-00-03-000102ABCDEFFF07",
            ),
            (
                LogKeyFormat::PartitionedByEventTime,
                "log/ann/eu-central-1/photos/2024/02/29/2024-02-29-00-00-00-000102ABCDEFFF07",
            ),
        ] {
            assert_eq!(object_key(&logging("log/", format), &source, since, delivered, unique), expected);
        }
    }

    #[test]
    fn the_longest_prefix_leaves_room_for_the_longest_of_the_rest() {
        let source = source(&"b".repeat(63), &"u".repeat(128), &"r".repeat(64));
        let longest = logging(&"p".repeat(PREFIX_BYTES_MAX), LogKeyFormat::PartitionedByEventTime);
        let key = object_key(&longest, &source, Time(0), Time(0), [0; 8]);
        assert!(schemas::ObjectKey::parse(&key).is_ok(), "{} bytes", key.len());
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01-00-00-00"),
            (951_782_400, "2000-02-29-00-00-00"),
            (1_735_689_599, "2024-12-31-23-59-59"),
            (4_107_542_399, "2100-02-28-23-59-59"),
            (4_107_542_400, "2100-03-01-00-00-00"),
        ] {
            assert_eq!(Civil::of(Time(seconds * 1_000_000)).stamp(), expected);
        }
    }
}
