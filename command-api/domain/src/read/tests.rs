use schemas::{Epoch, EventId, Position};

use super::*;
use crate::lock::{BucketLock, Lock};

const HEX: &str = "93b885adfe0da089cdf634904fd59f71";
const OTHER: &str = "0000000000000000000000000000000f";

/// Made in second 100 and a bit.
fn representation() -> Representation {
    let version = Some(VersionId::Event(EventId { epoch: Epoch(0), position: Position(4) }));
    Representation { etag: ETag::parse(HEX).unwrap(), modified: Time(100_999_999), version }
}

fn tags(text: &str) -> Option<ETagCondition> {
    match text {
        "" => None,
        "*" => Some(ETagCondition::Any),
        text => Some(ETagCondition::OneOf(text.split(' ').map(str::to_owned).collect())),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Ok,
    Failed(&'static str),
    /// 304 for a read; for a copy's source this failed.
    Unchanged(&'static str),
}
use Answer::{Failed, Unchanged};

/// One row: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.
fn check_both(
    if_match: &str,
    if_none_match: &str,
    if_modified_since_s: Option<u64>,
    if_unmodified_since_s: Option<u64>,
    expected: Answer,
) {
    let conditions = Conditions {
        if_match: tags(if_match),
        if_none_match: tags(if_none_match),
        if_modified_since_s,
        if_unmodified_since_s,
    };
    let Representation { etag, modified, version } = representation();
    let (read, copy) = match expected {
        Answer::Ok => (Ok(()), Ok(())),
        Failed(condition) => {
            (Err(Refusal::PreconditionFailed { condition }), Err(Refusal::PreconditionFailed { condition }))
        }
        Unchanged(condition) => {
            (Err(Refusal::NotModified { etag, modified, version }), Err(Refusal::PreconditionFailed { condition }))
        }
    };
    assert_eq!(check(&conditions, &representation()), read, "{conditions:?}");
    assert_eq!(check_copy_source(&conditions, &representation()), copy, "{conditions:?}");
}

#[test]
fn each_condition_by_itself() {
    let weak = format!("W/\"{HEX}\"");
    check_both("", "", None, None, Answer::Ok);
    check_both(HEX, "", None, None, Answer::Ok);
    check_both("*", "", None, None, Answer::Ok);
    check_both(&format!("{OTHER} {HEX}"), "", None, None, Answer::Ok);
    check_both(OTHER, "", None, None, Failed("If-Match"));
    check_both(&weak, "", None, None, Failed("If-Match"));
    check_both("", OTHER, None, None, Answer::Ok);
    check_both("", HEX, None, None, Unchanged("If-None-Match"));
    check_both("", &weak, None, None, Unchanged("If-None-Match"));
    check_both("", "*", None, None, Unchanged("If-None-Match"));
    check_both("", "", Some(99), None, Answer::Ok);
    check_both("", "", Some(100), None, Unchanged("If-Modified-Since"));
    check_both("", "", Some(101), None, Unchanged("If-Modified-Since"));
    check_both("", "", None, Some(99), Failed("If-Unmodified-Since"));
    check_both("", "", None, Some(100), Answer::Ok);
    check_both("", "", None, Some(101), Answer::Ok);
}

#[test]
fn tags_go_before_times() {
    // If-Unmodified-Since is not asked beside If-Match, nor If-Modified-Since beside If-None-Match.
    check_both(HEX, "", None, Some(99), Answer::Ok);
    check_both(OTHER, "", None, Some(101), Failed("If-Match"));
    check_both("", OTHER, Some(101), None, Answer::Ok);
    check_both("", HEX, Some(99), None, Unchanged("If-None-Match"));
}

#[test]
fn a_failed_precondition_goes_before_an_unchanged_answer() {
    check_both(OTHER, HEX, None, None, Failed("If-Match"));
    check_both("", HEX, None, Some(99), Failed("If-Unmodified-Since"));
    check_both(HEX, HEX, None, None, Unchanged("If-None-Match"));
    check_both(HEX, "", Some(100), None, Unchanged("If-Modified-Since"));
    check_both("", "", Some(100), Some(100), Unchanged("If-Modified-Since"));
}

#[test]
fn ranges() {
    use RangeSpec::{From, FromTo, Last};
    let none = |size_bytes| Err(Refusal::InvalidRange { size_bytes });
    for (range, size, expected) in [
        (FromTo(0, 0), 10, Ok(Some((0, 0)))),
        (FromTo(2, 5), 10, Ok(Some((2, 5)))),
        (FromTo(2, 99), 10, Ok(Some((2, 9)))),
        (FromTo(9, u64::MAX), 10, Ok(Some((9, 9)))),
        (FromTo(10, 12), 10, none(10)),
        (FromTo(5, 2), 10, Ok(None)),
        (FromTo(0, 0), 0, none(0)),
        (From(0), 10, Ok(Some((0, 9)))),
        (From(9), 10, Ok(Some((9, 9)))),
        (From(10), 10, none(10)),
        (From(0), 0, none(0)),
        (From(u64::MAX), u64::MAX, none(u64::MAX)),
        (Last(3), 10, Ok(Some((7, 9)))),
        (Last(10), 10, Ok(Some((0, 9)))),
        (Last(u64::MAX), 10, Ok(Some((0, 9)))),
        (Last(0), 10, none(10)),
        (Last(1), 0, none(0)),
        (Last(0), 0, none(0)),
    ] {
        assert_eq!(resolve_range(range, size), expected, "{range:?} of {size}");
    }
}

#[test]
fn the_range_of_a_part_copy_lies_within_its_source() {
    for (range, size, good) in
        [((0, 4), 5, true), ((4, 4), 5, true), ((0, 5), 5, false), ((3, 2), 5, false), ((0, 0), 0, false)]
    {
        let expected = if good { Ok(()) } else { Err(Refusal::InvalidRange { size_bytes: size }) };
        assert_eq!(check_copy_range(range, size), expected, "{range:?} of {size}");
    }
}

#[test]
fn parts() {
    let sizes = [5, 5, 0, 2];
    let none = |parts| Err(Refusal::InvalidPartNumber { parts });
    for (number, expected) in [
        (0, none(4)),
        (1, Ok(Some((0, 4)))),
        (2, Ok(Some((5, 9)))),
        (3, Ok(None)),
        (4, Ok(Some((10, 11)))),
        (5, none(4)),
    ] {
        assert_eq!(resolve_part(number, &sizes, 12), expected, "part {number}");
    }
    assert_eq!(resolve_part(1, &[], 7), Ok(Some((0, 6))));
    assert_eq!(resolve_part(1, &[], 0), Ok(None));
    assert_eq!(resolve_part(2, &[], 7), none(1));
}

fn version(kind: Kind) -> Version {
    let made_by = EventId { epoch: Epoch(0), position: Position(4) };
    Version { made_by, null: false, modified: Time(5), lock: Lock::default(), kind }
}

fn object() -> Version {
    version(Kind::Object { etag: ETag::parse(HEX).unwrap(), size_bytes: 1 })
}

fn holding(current: Option<Version>) -> State {
    let versioning = schemas::event::Versioning::Enabled;
    State { bucket: Bucket::Live { versioning, lock: BucketLock::Off }, current, older: vec![] }
}

#[test]
fn without_a_version_id_the_current_object_answers() {
    assert_eq!(current(&holding(Some(object()))), Ok(&object()));
    assert_eq!(current(&holding(None)), Err(Refusal::NoSuchKey { marker: None }));
    let marker = version(Kind::Marker);
    assert_eq!(current(&holding(Some(marker))), Err(Refusal::NoSuchKey { marker: Some(marker.id()) }));
    let gone = State { bucket: Bucket::Absent, ..holding(Some(object())) };
    assert_eq!(current(&gone), Err(Refusal::NoSuchBucket));
}

#[test]
fn with_a_version_id_that_version_answers() {
    assert_eq!(named(Some(&object())), Ok(&object()));
    assert_eq!(named(None), Err(Refusal::NoSuchVersion));
    let marker = version(Kind::Marker);
    let refusal = Refusal::IsDeleteMarker { version: marker.id(), modified: Time(5) };
    assert_eq!(named(Some(&marker)), Err(refusal));
}

#[test]
fn part_numbers_begin_at_one_and_end_with_the_parts() {
    for (number, parts, there) in
        [(0, 0, false), (1, 0, true), (2, 0, false), (0, 3, false), (1, 3, true), (3, 3, true), (4, 3, false)]
    {
        let refused = Err(Refusal::InvalidPartNumber { parts: parts.max(1) });
        let expected = if there { Ok(()) } else { refused };
        assert_eq!(check_part_number(number, parts), expected, "{number} of {parts}");
    }
}

#[test]
fn texts_of_ranges() {
    for (text, expected) in [
        ("bytes=0-4", Some(RangeSpec::FromTo(0, 4))),
        ("Bytes = 4-4", Some(RangeSpec::FromTo(4, 4))),
        ("bytes=7-", Some(RangeSpec::From(7))),
        ("bytes=-7", Some(RangeSpec::Last(7))),
        ("bytes=-0", Some(RangeSpec::Last(0))),
        ("bytes=4-0", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=1--2", None),
        ("items=0-1", None),
        ("0-1", None),
        ("bytes=99999999999999999999-", None),
        ("", None),
    ] {
        assert_eq!(RangeSpec::parse(text), expected, "{text}");
    }
}
