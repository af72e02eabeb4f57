//! A record as a line of JSON: for people and programs that read an export, derived from the raw record and compared with it.
//!
//! Owns: the fields and their order, part of the format of exports.
//! Does not own: opening bodies.
//!
//! ```text
//! {"position":7,"time":"2026-11-20T10:00:00.000001Z","type":"VersionCommitted","version":1,"epoch":1,
//!  "bucket":"17","bucketSeq":3,"actor":{"kind":"user","user":"ann","accessKey":"HFKEY"},"source":"10.0.0.1",
//!  "request":"01J...","object":"a/key","payload":{"null":false, ...}}
//! ```
//!
//! `bucket` and `bucketSeq` stand only with records of a bucket; of a record that cannot be read everything behind them is
//! `"undisclosed":true`.

use schemas::event::Event;
use schemas::record::{Actor, Body, Header};
use schemas::{BucketId, Time};

use crate::json::{NotMessagePack, quote, transcode, write};

/// Why a record has no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A later version wrote it: run that version.
    #[error("unknown event type {0}")]
    Unknown(u16),
    /// Its payload cannot be read.
    #[error(transparent)]
    Payload(#[from] NotMessagePack),
}

/// Appends the line of a record, newline included; without a body that of one that cannot be read.
///
/// # Errors
/// [`LineError`]; what was appended then is of no use.
pub fn line(header: &Header, body: Option<&Body>, out: &mut String) -> Result<(), LineError> {
    let code = header.event_type;
    let known = Event::TYPES.iter().find(|(known, ..)| *known == code);
    let (_, name, _) = known.ok_or(LineError::Unknown(code))?;
    write(out, format_args!("{{\"position\":{},\"time\":\"", header.position));
    timestamp(header.time, out);
    let (version, epoch) = (header.schema_version, header.epoch);
    write(out, format_args!("\",\"type\":\"{name}\",\"version\":{version},\"epoch\":{epoch}"));
    if header.bucket != BucketId::NONE {
        write(out, format_args!(",\"bucket\":\"{}\",\"bucketSeq\":{}", header.bucket, header.bucket_seq));
    }
    match body {
        Some(body) => readable(body, out)?,
        None => out.push_str(",\"undisclosed\":true"),
    }
    out.push_str("}\n");
    Ok(())
}

fn readable(body: &Body, out: &mut String) -> Result<(), NotMessagePack> {
    let context = &body.context;
    out.push_str(",\"actor\":{");
    actor(&context.actor, out);
    out.push('}');
    let mut text = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            write(out, format_args!(",\"{name}\":"));
            quote(value, out);
        }
    };
    text("source", context.source.as_deref());
    text("request", Some(&context.request.0));
    text("correlation", context.correlation.as_deref());
    let causation = context.causation.map(|event| format!("{}-{}", event.epoch, event.position));
    text("causation", causation.as_deref());
    text("command", context.command.map(|command| command.to_string()).as_deref());
    text("object", body.object.as_ref().map(schemas::ObjectKey::as_str));
    out.push_str(",\"payload\":");
    transcode(&body.payload, out)
}

fn actor(actor: &Actor, out: &mut String) {
    let mut fields = |kind: &str, named: &[(&str, &str)]| {
        write(out, format_args!("\"kind\":\"{kind}\""));
        for (name, value) in named {
            write(out, format_args!(",\"{name}\":"));
            quote(value, out);
        }
    };
    match actor {
        Actor::System(name) => fields("system", &[("name", name)]),
        Actor::Admin(token) => fields("admin", &[("token", token)]),
        Actor::User { user, access_key } => {
            fields("user", &[("user", user.as_str()), ("accessKey", access_key.as_str())]);
        }
        Actor::Anonymous => fields("anonymous", &[]),
    }
}

/// RFC 3339 in UTC, always with microseconds.
fn timestamp(time: Time, out: &mut String) {
    const DAY_S: u64 = 86_400;
    let (seconds, us) = (time.seconds(), time.0 % 1_000_000);
    let (year, month, day) = date(seconds / DAY_S);
    let of_day = seconds % DAY_S;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    write(out, format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{us:06}Z"));
}

/// Year, month and day of so many days after 1970-01-01, in the Gregorian calendar. Years are counted from March, so that the day
/// that some have more is their last.
fn date(days: u64) -> (u64, u64, u64) {
    const ERA_DAYS: u64 = 146_097;
    let from_march_0000 = days + 719_468;
    let (era, of_era) = (from_march_0000 / ERA_DAYS, from_march_0000 % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use schemas::record::Context;
    use schemas::{AccessKeyId, Epoch, EventId, KeyId, LeafHash, ObjectKey, Position, RequestId, TenantId, UserId};

    use super::*;

    fn header(event_type: u16, bucket: BucketId) -> Header {
        Header {
            tenant: TenantId(1),
            epoch: Epoch(2),
            position: Position(7),
            time: Time(1_700_000_000_000_001),
            prev: LeafHash::default(),
            bucket,
            bucket_seq: 3,
            bucket_prev: LeafHash::default(),
            event_type,
            schema_version: 1,
            key: KeyId(1),
            unit_length: 1,
            unit_index: 0,
        }
    }

    fn body() -> Body {
        let user = UserId::parse("ann").expect("a name");
        let access_key = AccessKeyId::parse("HFKEY").expect("an id");
        Body {
            context: Context {
                actor: Actor::User { user, access_key },
                source: Some("10.0.0.1".to_owned()),
                request: RequestId("r\"1".to_owned()),
                correlation: None,
                causation: Some(EventId { epoch: Epoch(1), position: Position(4) }),
                command: None,
            },
            object: Some(ObjectKey::parse("a/é\n").expect("a key")),
            payload: vec![0x81, 0xa1, b'n', 0xc3],
        }
    }

    #[test]
    fn a_line_says_who_what_and_where() {
        let mut out = String::new();
        line(&header(40, BucketId(17)), Some(&body()), &mut out).expect("a line");
        let expected = concat!(
            r#"{"position":7,"time":"2023-11-14T22:13:20.000001Z","type":"VersionCommitted","version":1,"epoch":2,"#,
            r#""bucket":"17","bucketSeq":3,"actor":{"kind":"user","user":"ann","accessKey":"HFKEY"},"#,
            r#""source":"10.0.0.1","request":"r\"1","causation":"1-4","object":"a/é\u000a","payload":{"n":true}}"#,
            "\n"
        );
        assert_eq!(out, expected);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let mut out = String::new();
        line(&header(2, BucketId::NONE), None, &mut out).expect("a line");
        let expected = concat!(
            r#"{"position":7,"time":"2023-11-14T22:13:20.000001Z","type":"LogSealed","version":1,"epoch":2,"#,
            "\"undisclosed\":true}\n"
        );
        assert_eq!(out, expected);
        assert_eq!(line(&header(65_000, BucketId::NONE), None, &mut out), Err(LineError::Unknown(65_000)));
        let broken = Body { payload: vec![0x81], ..body() };
        assert_eq!(line(&header(40, BucketId(1)), Some(&broken), &mut out), Err(LineError::Payload(NotMessagePack)));
    }

    #[test]
    fn times_are_of_the_calendar() {
        for (us, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000Z"),
            (951_868_800_000_000, "2000-03-01T00:00:00.000000Z"),
            (4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z"),
            (1_798_761_599_000_000, "2026-12-31T23:59:59.000000Z"),
        ] {
            let mut out = String::new();
            timestamp(Time(us), &mut out);
            assert_eq!(out, expected);
        }
    }
}
