//! The two ways in which a request tells its time, and the one in which it is signed.

use std::time::UNIX_EPOCH;

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

use super::error::AuthError;

/// How far a request's clock may be off.
pub(super) const SKEW_MAX_S: i64 = 15 * 60;

/// A moment as a signature names it: whole seconds, and their text `20130524T000000Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timestamp {
    /// Seconds of the Unix epoch.
    pub seconds: i64,
    /// ISO 8601, basic form.
    pub text: String,
}

impl Timestamp {
    /// Reads ISO 8601's basic form.
    pub(super) fn parse_iso(text: &str) -> Option<Self> {
        let bytes: &[u8; 16] = text.as_bytes().try_into().ok()?;
        let is_digits = |range: &[u8]| range.iter().all(u8::is_ascii_digit);
        if bytes[8] != b'T' || bytes[15] != b'Z' || !is_digits(&bytes[..8]) || !is_digits(&bytes[9..15]) {
            return None;
        }
        let number =
            |from: usize, to: usize| bytes[from..to].iter().fold(0_i16, |sum, b| sum * 10 + i16::from(b - b'0'));
        let small = |from: usize| i8::try_from(number(from, from + 2)).expect("two digits");
        let moment =
            jiff::civil::DateTime::new(number(0, 4), small(4), small(6), small(9), small(11), small(13), 0).ok()?;
        let seconds = moment.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        Some(Self { seconds, text: text.to_owned() })
    }

    /// Reads ISO 8601's basic form, or a date as HTTP and mail have it. `+0000` is taken for GMT.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(moment) = Self::parse_iso(text) {
            return Some(moment);
        }
        let http = match text.strip_suffix("+0000").or_else(|| text.strip_suffix("-0000")) {
            Some(rest) => format!("{rest}GMT"),
            None => text.to_owned(),
        };
        let since = httpdate::parse_http_date(&http).ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
        let seconds = match since {
            Some(since) => i64::try_from(since.as_secs()).ok()?,
            None => wrong_weekday(&http)?,
        };
        Some(Self { seconds, text: format(seconds, "%Y%m%dT%H%M%SZ") })
    }

    /// Whether a request of this time can be of now.
    pub(super) fn check_skew(&self, now_s: i64) -> Result<(), AuthError> {
        if now_s.abs_diff(self.seconds) > SKEW_MAX_S.unsigned_abs() {
            return Err(AuthError::RequestTimeTooSkewed { request_time: self.text.clone(), server_time_s: now_s });
        }
        Ok(())
    }

    /// Seconds of the Unix epoch.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.seconds
    }

    /// `yyyymmdd`.
    pub(super) fn date(&self) -> &str {
        &self.text[..8]
    }
}

/// A date that is right but for the day of the week, which S3 does not look at.
fn wrong_weekday(text: &str) -> Option<i64> {
    const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let moment = text.ends_with("GMT").then(|| PARSER.parse_timestamp(text).ok()).flatten()?;
    Some(moment.as_second()).filter(|seconds| *seconds >= 0)
}

/// ISO 8601's long form, as error answers have it.
pub(super) fn iso(seconds: i64) -> String {
    format(seconds, "%Y-%m-%dT%H:%M:%SZ")
}

fn format(seconds: i64, form: &str) -> String {
    jiff::Timestamp::from_second(seconds).map(|moment| moment.strftime(form).to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_both_forms() {
        for text in [
            "20130524T000000Z",
            " 20130524T000000Z ",
            "Fri, 24 May 2013 00:00:00 GMT",
            "Fri, 24 May 2013 00:00:00 +0000",
            "Fri, 24 May 2013 00:00:00 -0000",
            "Mon, 24 May 2013 00:00:00 GMT",
        ] {
            let moment = Timestamp::parse(text).expect(text);
            assert_eq!((moment.seconds, moment.text.as_str()), (1_369_353_600, "20130524T000000Z"), "{text}");
            assert_eq!(moment.date(), "20130524");
        }
        assert_eq!(Timestamp::parse("19691231T235959Z").expect("a time").seconds, -1);
        assert_eq!(iso(1_369_353_600), "2013-05-24T00:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "x",
            "20130524T000000",
            "20130524T000000z",
            "20131324T000000Z",
            "20130230T000000Z",
            "20130524T250000Z",
            "2013-05-24T00:00:00Z",
            "+0130524T000000Z",
            "２０１３0524",
            "Bad Date",
            "Fri, 24 May 2013 00:00:00 +0200",
            "Tue, 07 Jul 1950 21:53:04 GMT",
            "Any, 24 May 2013 00:00:00 GMT",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
