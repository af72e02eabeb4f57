//! Listings of versions, uploads and parts, through pages and while things change.

use projections::query::{self, ListQuery, VersionResume};
use proptest::prelude::*;
use schemas::content::{Content, ETag, Root};
use schemas::event::*;
use schemas::*;

use crate::Log;
use crate::model::{TENANT, bucket_created, upload_created, version_committed};

const BUCKET: BucketId = BucketId(5);
const NEIGHBOUR: BucketId = BucketId(6);

fn empty() -> Content {
    Content { size_bytes: 0, root: Root::Empty }
}

fn owner() -> UserId {
    UserId::parse("main").expect("a user")
}

fn log_with_buckets(versioning: Versioning) -> Log {
    let mut log = Log::of(TENANT);
    for bucket in [BUCKET, NEIGHBOUR] {
        log.happens(bucket, None, bucket_created(bucket, versioning));
    }
    log
}

/// What pages of a listing show: (key, its number) for entries, (group, none) for groups; sorted as listed.
type Lines = Vec<(String, Option<u64>)>;

fn query(prefix: &str, delimiter: Option<&str>, max: usize) -> ListQuery {
    ListQuery { prefix: prefix.to_owned(), delimiter: delimiter.map(str::to_owned), after: None, max }
}

fn all_versions(log: &Log, mut query: ListQuery) -> Lines {
    let mut lines = Lines::new();
    let mut resume = VersionResume::NextKey;
    loop {
        let (page, next) = query::list_versions(&log.rows, TENANT, BUCKET, &query, resume).expect("lists");
        assert!(page.count() <= query.max);
        let mut shown: Lines = page.common_prefixes.into_iter().map(|group| (group, None)).collect();
        let entries = page.entries.into_iter();
        shown.extend(entries.map(|e| (e.key.as_str().to_owned(), Some(e.version.made_by().position.0))));
        // Groups among keys; versions of a key stay newest first, for the sort is stable.
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        lines.extend(shown);
        if !page.truncated {
            return lines;
        }
        query.after = page.next_after;
        resume = next.map_or(VersionResume::NextKey, VersionResume::Behind);
    }
}

fn all_uploads(log: &Log, mut query: ListQuery) -> Lines {
    let mut lines = Lines::new();
    let mut after = None;
    loop {
        let (page, next) = query::list_uploads(&log.rows, TENANT, BUCKET, &query, after).expect("lists");
        assert!(page.count() <= query.max);
        let mut shown: Lines = page.common_prefixes.into_iter().map(|group| (group, None)).collect();
        let entries = page.entries.into_iter();
        shown.extend(entries.map(|e| (e.key.as_str().to_owned(), Some(e.upload.created_by.position.0))));
        shown.sort_by(|a, b| a.0.cmp(&b.0));
        lines.extend(shown);
        if !page.truncated {
            return lines;
        }
        query.after = page.next_after;
        after = next;
    }
}

/// The same from a list of everything.
fn naive(mut lines: Lines, query: &ListQuery) -> Lines {
    lines.retain(|(key, _)| key.starts_with(&query.prefix));
    for line in &mut lines {
        let Some(delimiter) = query.delimiter.as_deref() else { continue };
        if let Some(at) = line.0[query.prefix.len()..].find(delimiter) {
            line.0.truncate(query.prefix.len() + at + delimiter.len());
            line.1 = None;
        }
    }
    lines.dedup_by(|a, b| a.1.is_none() && b.1.is_none() && a.0 == b.0);
    lines
}

fn names() -> impl Strategy<Value = Vec<String>> {
    let name = prop::collection::vec(prop::sample::select(vec!["a", "b", "/", "é", "\u{0}"]), 1..4);
    prop::collection::vec(name.prop_map(|parts| parts.concat()), 0..40)
}

proptest! {
    #[test]
    fn pages_of_versions_and_uploads_are_the_naive_lists(
        names in names(), prefix in prop::sample::select(vec!["", "a", "a/", "\u{0}"]),
        delimiter in prop::sample::select(vec![None, Some("/"), Some("\u{0}"), Some("é")]), max in 1..5usize,
    ) {
        let mut log = log_with_buckets(Versioning::Enabled);
        let (mut versions, mut uploads) = (Lines::new(), Lines::new());
        for (number, name) in names.iter().enumerate() {
            // Every fourth is a marker; a neighbour has the same names.
            log.happens(NEIGHBOUR, Some(name), version_committed(false, empty(), None));
            let (id, _) = if number % 4 == 3 {
                log.happens(BUCKET, Some(name), DeleteMarkerCreated { null: false, owner: owner() })
            } else {
                log.happens(BUCKET, Some(name), version_committed(false, empty(), None))
            };
            versions.push((name.clone(), Some(id.position.0)));
            // Ids fall while time rises: the listing is by time.
            let upload = UploadId((u128::MAX - number as u128).to_be_bytes());
            let (id, _) = log.happens(BUCKET, Some(name), upload_created(upload));
            uploads.push((name.clone(), Some(id.position.0)));
        }
        versions.reverse();
        versions.sort_by(|a, b| a.0.cmp(&b.0));
        uploads.sort_by(|a, b| a.0.cmp(&b.0));
        let query = query(prefix, delimiter, max);
        prop_assert_eq!(all_versions(&log, query.clone()), naive(versions, &query));
        prop_assert_eq!(all_uploads(&log, query.clone()), naive(uploads, &query));
    }
}

#[test]
fn a_listing_of_versions_goes_on_when_the_last_shown_version_is_gone() {
    let mut log = log_with_buckets(Versioning::Enabled);
    let made: Vec<_> =
        (0..4).map(|_| log.happens(BUCKET, Some("k"), version_committed(false, empty(), None)).0).collect();
    let mut query = query("", None, 2);
    let (page, next) = query::list_versions(&log.rows, TENANT, BUCKET, &query, VersionResume::NextKey).expect("lists");
    assert_eq!(page.entries.iter().map(|e| e.is_latest).collect::<Vec<_>>(), [true, false]);
    for &made_by in &made[2..] {
        let version = VersionId::Event(made_by);
        log.happens(BUCKET, Some("k"), VersionRemoved { version, made_by, was_marker: false, size_bytes: 0 });
    }
    query.after = page.next_after;
    let resume = VersionResume::Behind(next.expect("the last is a version"));
    let (page, _) = query::list_versions(&log.rows, TENANT, BUCKET, &query, resume).expect("lists");
    // Version 1 became the latest since, and was not shown yet.
    let shown: Vec<_> = page.entries.iter().map(|e| (e.version.made_by(), e.is_latest)).collect();
    assert_eq!(shown, [(made[1], true), (made[0], false)]);
    assert!(!page.truncated);
}

#[test]
fn newer_noncurrent_versions_are_counted_without_markers_and_the_latest() {
    let mut log = log_with_buckets(Versioning::Enabled);
    let commit = |log: &mut Log| log.happens(BUCKET, Some("k"), version_committed(false, empty(), None)).0;
    let oldest = commit(&mut log);
    let middle = commit(&mut log);
    log.happens(BUCKET, Some("k"), DeleteMarkerCreated { null: false, owner: owner() });
    commit(&mut log);
    commit(&mut log);
    let key = crate::model::key("k");
    let has = |than, count, rows_max| {
        query::has_newer_noncurrent(&log.rows, (TENANT, BUCKET, &key), than, count, rows_max).expect("reads")
    };
    assert!(has(oldest, 2, 9) && !has(oldest, 3, 9));
    assert!(has(middle, 1, 9) && !has(middle, 2, 9));
    assert!(!has(oldest, 2, 2), "no more rows are looked at");
    assert!(has(oldest, 0, 0));
}

#[test]
fn a_listing_of_versions_goes_on_behind_null() {
    let mut log = log_with_buckets(Versioning::Unversioned);
    let commit = |log: &mut Log, null| log.happens(BUCKET, Some("k"), version_committed(null, empty(), None)).0;
    let oldest = commit(&mut log, false);
    let null = commit(&mut log, true);
    let newest = commit(&mut log, false);
    let behind_null = |log: &Log| {
        let query = ListQuery { after: Some("k".to_owned()), ..query("", None, 9) };
        let resume = VersionResume::Behind(VersionId::Null);
        let (page, _) = query::list_versions(&log.rows, TENANT, BUCKET, &query, resume).expect("lists");
        page.entries.iter().map(|e| e.version.made_by()).collect::<Vec<_>>()
    };
    assert_eq!(behind_null(&log), [oldest]);
    // Without a null version its place is unknown: nothing may be lost.
    let removed = VersionRemoved { version: VersionId::Null, made_by: null, was_marker: false, size_bytes: 0 };
    log.happens(BUCKET, Some("k"), removed);
    assert_eq!(behind_null(&log), [newest, oldest]);
}

#[test]
fn a_listing_of_uploads_goes_on_when_the_last_shown_upload_has_ended() {
    let mut log = log_with_buckets(Versioning::Unversioned);
    let ids: Vec<_> = (0..4).map(|number| UploadId([9 - number; 16])).collect();
    for &id in &ids {
        log.happens(BUCKET, Some("k"), upload_created(id));
    }
    let query = ListQuery { after: Some("k".to_owned()), ..query("", None, 9) };
    let behind = |log: &Log, id| {
        let (page, _) = query::list_uploads(&log.rows, TENANT, BUCKET, &query, Some(id)).expect("lists");
        page.entries.iter().map(|e| e.id).collect::<Vec<_>>()
    };
    assert_eq!(behind(&log, ids[1]), ids[2..]);
    log.happens(BUCKET, Some("k"), UploadAborted { upload: ids[1] });
    assert_eq!(behind(&log, ids[1]), ids[2..]);
    log.happens(BUCKET, None, PartsCleared { upload: ids[1], numbers: Vec::new(), last: true });
    assert_eq!(behind(&log, ids[1]), [ids[0], ids[2], ids[3]], "its place is forgotten: nothing may be lost");
}

#[test]
fn parts_are_listed_by_number_in_pages() {
    let mut log = log_with_buckets(Versioning::Unversioned);
    let upload = UploadId([1; 16]);
    for id in [upload, UploadId([2; 16])] {
        log.happens(BUCKET, Some("k"), upload_created(id));
        for number in [300, 1, 10_000, 2] {
            let etag = ETag { md5: [0; 16], parts: 0 };
            let event = PartStaged { upload: id, number, content: empty(), etag, checksums: Vec::new() };
            log.happens(BUCKET, Some("k"), event);
        }
    }
    let parts = |after, max| {
        let page = query::parts(&log.rows, TENANT, upload, after, max).expect("lists");
        (page.parts.into_iter().map(|(number, _)| number).collect::<Vec<_>>(), page.truncated)
    };
    assert_eq!(parts(0, 9), (vec![1, 2, 300, 10_000], false));
    assert_eq!(parts(0, 2), (vec![1, 2], true));
    assert_eq!(parts(2, 2), (vec![300, 10_000], false));
    assert_eq!(parts(10_000, 2), (vec![], false));
    assert_eq!(parts(0, 0), (vec![], false));
}
