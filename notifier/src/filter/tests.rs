use schemas::event::{Cause, PartsCleared, VersionCommitted};

use super::*;
use crate::samples::{self, announced, committed, marker, removed, reopened};

fn filter(events: &[&str]) -> EventFilter {
    EventFilter { events: events.iter().map(|event| (*event).to_owned()).collect(), ..EventFilter::default() }
}

/// A put of `2024/sommer/rote möwe+.jpg` in the bucket `photos.2024`.
fn put(size_bytes: u64) -> Announcement {
    let made = committed(Cause::Put);
    let content = schemas::content::Content { size_bytes, ..made.content };
    announced(VersionCommitted { content, ..made })
}

fn names(texts: &[&str]) -> Vec<BucketName> {
    texts.iter().map(|text| BucketName::parse(text).expect("a name")).collect()
}

fn is_told(filter: &EventFilter, announcement: &Announcement) -> bool {
    Matcher::new(filter).matches(announcement)
}

#[test]
fn a_subscription_is_told_of_the_types_that_its_patterns_cover() {
    for (patterns, expected) in [
        (&["s3:ObjectCreated:*"][..], [true, false]),
        (&["s3:ObjectCreated:Put"], [true, false]),
        (&["s3:ObjectCreated:Copy"], [false, false]),
        (&["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"], [true, true]),
        (&["*"], [true, true]),
        (&[], [false, false]),
    ] {
        let filter = filter(patterns);
        assert_eq!([put(1), announced(removed())].map(|it| is_told(&filter, &it)), expected, "{patterns:?}");
    }
}

#[test]
fn every_type_matches_its_own_name_if_it_is_announced() {
    for announcement in samples::every() {
        let known = announcement.event_type;
        let matcher = Matcher::new(&filter(&[known.name]));
        assert_eq!(matcher.matches(&announcement), known.announced, "{}", known.name);
        assert!(Matcher::feed(&filter(&[known.name])).matches(&announcement), "{}", known.name);
    }
}

#[test]
fn buckets_match_by_name() {
    let of = |buckets: &[&str]| EventFilter { buckets: names(buckets), ..filter(&["*"]) };
    assert!(is_told(&of(&["zoo", "photos.2024", "abc"]), &put(1)));
    assert!(!is_told(&of(&["photos"]), &put(1)));
    // Of no bucket.
    assert!(!is_told(&of(&["photos.2024"]), &announced(samples::finished())));
}

#[test]
fn keys_match_by_both_ends() {
    let ends = |prefix: Option<&str>, suffix: Option<&str>| EventFilter {
        prefix: prefix.map(str::to_owned),
        suffix: suffix.map(str::to_owned),
        ..filter(&["*"])
    };
    for (prefix, suffix, expected) in [
        (Some("2024/"), None, true),
        (Some("2025/"), None, false),
        (None, Some(".jpg"), true),
        (None, Some(".png"), false),
        (Some("2024/sommer/rote möwe+.jpg"), Some("2024/sommer/rote möwe+.jpg"), true),
        (Some("2024/"), Some(".png"), false),
    ] {
        assert_eq!(is_told(&ends(prefix, suffix), &put(1)), expected, "{prefix:?} {suffix:?}");
    }
    let keyless = announced(samples::finished());
    assert!(is_told(&ends(None, None), &keyless) && is_told(&ends(Some(""), Some("")), &keyless));
    assert!(!is_told(&ends(Some("2"), None), &keyless) && !is_told(&ends(None, Some("g")), &keyless));
}

#[test]
fn sizes_match_within_their_bounds() {
    let within = |min, max| EventFilter { size_bytes_min: min, size_bytes_max: max, ..filter(&["*"]) };
    for (size, expected) in [(9, false), (10, true), (20, true), (21, false)] {
        assert_eq!(is_told(&within(Some(10), Some(20)), &put(size)), expected, "{size}");
    }
    assert!(is_told(&within(Some(1_000), Some(1_000)), &announced(removed())));
    // It has none.
    assert!(!is_told(&within(Some(0), None), &announced(marker())));
    assert!(!is_told(&within(None, Some(u64::MAX)), &announced(marker())));
}

#[test]
fn a_reopened_log_is_told_whatever_the_filter() {
    let narrow = EventFilter { buckets: names(&["zoo"]), prefix: Some("x".to_owned()), ..filter(&["s3:*"]) };
    assert!(is_told(&narrow, &announced(reopened())));
    assert!(is_told(&filter(&[]), &announced(reopened())));
    assert!(!Matcher::feed(&narrow).matches(&announced(reopened())), "the feed is told what it asked for");
}

#[test]
fn what_is_not_announced_stands_in_the_feed_alone() {
    let cleared = PartsCleared { upload: schemas::UploadId([6; 16]), numbers: vec![1], last: true };
    let kept = announced(cleared);
    assert!(!kept.event_type.announced);
    assert!(!is_told(&filter(&["*"]), &kept) && !is_told(&filter(&["holdfast:Upload:PartsCleared"]), &kept));
    for patterns in [&[][..], &["*"], &["holdfast:Upload:*"]] {
        assert!(Matcher::feed(&filter(patterns)).matches(&kept), "{patterns:?}");
    }
    assert!(!Matcher::feed(&filter(&["s3:*"])).matches(&kept));
}
