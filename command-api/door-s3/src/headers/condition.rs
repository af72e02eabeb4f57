//! Conditions of reads, copies and writes (RFC 9110 section 13).

use http::HeaderMap;
use pipeline::{ETagCondition, ReadConditions, WriteConditions};

use super::text_of;
use crate::errors::DoorError;

/// If-Match and its three fellows.
pub(crate) fn read_conditions(headers: &HeaderMap) -> ReadConditions {
    conditions(headers, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
}

/// The same of a copy's source.
pub(crate) fn copy_source_conditions(headers: &HeaderMap) -> ReadConditions {
    conditions(
        headers,
        [
            "x-amz-copy-source-if-match",
            "x-amz-copy-source-if-none-match",
            "x-amz-copy-source-if-modified-since",
            "x-amz-copy-source-if-unmodified-since",
        ],
    )
}

fn conditions(headers: &HeaderMap, names: [&str; 4]) -> ReadConditions {
    let [if_match, if_none_match, if_modified_since, if_unmodified_since] = names;
    // RFC 9110 section 13.1.3: a date that is none is as if it were not there.
    let date = |name| text_of(headers, name).and_then(|text| seconds(&text));
    ReadConditions {
        if_match: etags(headers, if_match),
        if_none_match: etags(headers, if_none_match),
        if_modified_since_s: date(if_modified_since),
        if_unmodified_since_s: date(if_unmodified_since),
    }
}

/// Conditions of a put, completion, copy's destination or delete.
///
/// # Errors
/// A size or time that is none: a write whose condition cannot be read must not happen.
pub(crate) fn write_conditions(headers: &HeaderMap) -> Result<WriteConditions, DoorError> {
    let size = text_of(headers, "x-amz-if-match-size").map(|text| {
        let reason = "x-amz-if-match-size is not a number";
        text.parse().map_err(|_| DoorError::InvalidArgument { name: "x-amz-if-match-size", reason })
    });
    let modified = text_of(headers, "x-amz-if-match-last-modified-time").map(|text| {
        let reason = "x-amz-if-match-last-modified-time is not a time";
        seconds(&text).ok_or(DoorError::InvalidArgument { name: "x-amz-if-match-last-modified-time", reason })
    });
    Ok(WriteConditions {
        if_match: etags(headers, "if-match"),
        if_none_match: etags(headers, "if-none-match"),
        if_match_size: size.transpose()?,
        if_match_last_modified_s: modified.transpose()?,
    })
}

fn etags(headers: &HeaderMap, name: &str) -> Option<ETagCondition> {
    let mut values = headers.get_all(name).iter().map(super::text).peekable();
    values.peek()?;
    let list: Vec<String> = values.collect();
    Some(etag_condition(&list.join(",")))
}

/// `*`, or tags with commas between them, with or without quotes. S3's tags have neither commas nor quotes in them.
pub(crate) fn etag_condition(text: &str) -> ETagCondition {
    if text.trim() == "*" {
        return ETagCondition::Any;
    }
    let tag = |text: &str| {
        let text = text.trim();
        text.strip_prefix("W/").unwrap_or(text).trim_matches('"').to_owned()
    };
    ETagCondition::OneOf(text.split(',').map(tag).collect())
}

/// An HTTP date, or a time as S3 writes them in XML. Seconds of the Unix epoch; before it there was no object.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(time) = httpdate::parse_http_date(text) {
        return time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs());
    }
    u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_second()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn entity_tags() {
        let one_of = |tags: &[&str]| ETagCondition::OneOf(tags.iter().map(|&tag| tag.to_owned()).collect());
        for (text, expected) in [
            ("*", ETagCondition::Any),
            (" * ", ETagCondition::Any),
            ("\"abc\"", one_of(&["abc"])),
            ("abc", one_of(&["abc"])),
            ("\"a-2\", W/\"b\" ,c", one_of(&["a-2", "b", "c"])),
            ("", one_of(&[""])),
        ] {
            assert_eq!(etag_condition(text), expected, "{text}");
        }
        let several = read_conditions(&headers(&[("if-match", "\"a\""), ("if-match", "\"b\"")]));
        assert_eq!(several.if_match, Some(one_of(&["a", "b"])));
        assert_eq!(read_conditions(&HeaderMap::new()), ReadConditions::default());
    }

    #[test]
    fn times() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:10 GMT", Some(10)),
            ("Thursday, 01-Jan-70 00:00:10 GMT", Some(10)),
            ("1970-01-01T00:00:10.500Z", Some(10)),
            ("1970-01-01T01:00:10+01:00", Some(10)),
            ("yesterday", None),
            ("1969-12-31T23:59:59Z", None),
        ] {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn a_bad_date_is_ignored_when_reading_and_refused_when_deleting() {
        assert_eq!(read_conditions(&headers(&[("if-modified-since", "soon")])), ReadConditions::default());
        assert!(write_conditions(&headers(&[("x-amz-if-match-last-modified-time", "soon")])).is_err());
        assert!(write_conditions(&headers(&[("x-amz-if-match-size", "big")])).is_err());
        let conditions = write_conditions(&headers(&[("x-amz-if-match-size", "12")])).expect("conditions");
        assert_eq!(conditions.if_match_size, Some(12));
    }
}
