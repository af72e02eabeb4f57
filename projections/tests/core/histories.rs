//! Random histories: rows say what a naive model says, and replay makes the same rows.

use std::collections::BTreeMap;

use crate::model::{History, Model, Shown, TENANT, operations};
use event_log::Rows;
use projections::query::{self, ListQuery, VersionResume};
use projections::row::{Current, Details, Past, Reference, Row, Usage, Version};
use projections::{CATALOG, HISTORY, MemoryRows, apply, digest};
use proptest::prelude::*;
use schemas::event::Referrer;
use schemas::{BucketId, EventId, Position};

fn everything() -> ListQuery {
    ListQuery { max: usize::MAX, ..ListQuery::default() }
}

/// Objects that are current now: key, event, and what can change of it.
fn current(rows: &dyn Rows, bucket: BucketId) -> Vec<(String, (EventId, Details))> {
    let page = query::list_current(rows, TENANT, bucket, &everything()).expect("lists");
    page.entries
        .into_iter()
        .map(|entry| (entry.key.as_str().to_owned(), (entry.object.made_by, entry.object.details)))
        .collect()
}

fn details(version: &Version) -> Details {
    match version {
        Version::Object(object) => object.details,
        Version::Marker(_) => Details::default(),
    }
}

/// All versions, through pages of `max`.
fn versions(rows: &dyn Rows, bucket: BucketId, max: usize) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut query = ListQuery { max, ..ListQuery::default() };
    let mut resume = VersionResume::NextKey;
    loop {
        let (page, next) = query::list_versions(rows, TENANT, bucket, &query, resume).expect("lists");
        shown.extend(page.entries.into_iter().map(|entry| Shown {
            key: entry.key.as_str().to_owned(),
            made_by: entry.version.made_by(),
            id: entry.version.id(),
            is_marker: matches!(entry.version, Version::Marker(_)),
            is_latest: entry.is_latest,
            superseded: entry.superseded,
            details: details(&entry.version),
        }));
        if !page.truncated {
            return shown;
        }
        query.after = page.next_after;
        resume = VersionResume::Behind(next.expect("without a delimiter the last is a version"));
    }
}

/// Current objects as of a position: current rows that old, and past rows valid then.
fn as_of(rows: &dyn Rows, bucket: BucketId, at: Position) -> BTreeMap<String, (EventId, Details)> {
    let mut found = BTreeMap::new();
    let prefix = Current::prefix(TENANT, bucket);
    for row in event_log::prefix(rows, CATALOG, &prefix) {
        let (key, value) = row.expect("memory");
        let current = Current::decode(&value).expect("a current row");
        if current.since <= at {
            let key = String::from_utf8(key[prefix.len()..].to_vec()).expect("a key");
            assert!(found.insert(key, (current.object.made_by, current.object.details)).is_none());
        }
    }
    for row in event_log::prefix(rows, HISTORY, &Past::prefix(TENANT, bucket)) {
        let (key, value) = row.expect("memory");
        let past = Past::decode(&value).expect("a past row");
        let (key, valid_to) = Past::parse_key(&key).expect("its key");
        if past.valid_from <= at && at < valid_to {
            let was = (past.object.made_by, past.object.details);
            assert!(found.insert(key, was).is_none(), "two versions current at once");
        }
    }
    found
}

fn check(rows: &dyn Rows, model: &Model) {
    for (&bucket, expected) in &model.buckets {
        assert_eq!(current(rows, bucket), expected.current(), "current objects");
        assert_eq!(versions(rows, bucket, 3), expected.versions(), "versions");
        assert_eq!(query::usage(rows, TENANT, bucket).expect("reads"), model.usage(bucket), "usage of a bucket");
        for (key, version) in expected.versions().iter().map(|shown| (crate::model::key(&shown.key), shown)) {
            let found = query::version(rows, TENANT, bucket, &key, version.id).expect("reads").expect("is there");
            assert_eq!((found.version.made_by(), found.is_latest), (version.made_by, version.is_latest));
        }
        let (uploads, _) = query::list_uploads(rows, TENANT, bucket, &everything(), None).expect("lists");
        let uploads: Vec<_> = uploads.entries.into_iter().map(|entry| entry.id).collect();
        assert_eq!(uploads, model.open_uploads(bucket), "open uploads by key and beginning");
    }
    let total = query::tenant_usage(rows, TENANT).expect("reads");
    assert_eq!(total, model.tenant_usage(), "usage of the tenant");

    for (&(blob, referrer), &released) in &model.references {
        let all = query::references(rows, TENANT, blob).expect("reads");
        let found: Option<&(Referrer, Reference)> = all.iter().find(|(other, _)| *other == referrer);
        assert_eq!(found.map(|(_, row)| row.released), Some(released), "reference of {referrer:?}");
    }
    let until = schemas::Time(u64::MAX - 1);
    let releases = query::releases(rows, TENANT, until, usize::MAX).expect("reads");
    let mut expected: Vec<_> = model.references.iter().filter_map(|(key, &time)| Some((time?, key.0, key.1))).collect();
    expected.sort();
    let found: Vec<_> = releases.iter().map(|due| (due.released, due.blob, due.referrer)).collect();
    assert_eq!(found, expected, "releases, oldest first");

    let ended = query::ended_uploads(rows, TENANT, None, usize::MAX).expect("reads");
    assert_eq!(ended.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), model.ended_uploads());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn rows_say_what_the_model_says(operations in operations(150)) {
        let mut history = History::default();
        let mut rows = MemoryRows::default();
        let mut then = Vec::new();
        for (step, operation) in operations.iter().enumerate() {
            for recorded in history.perform(operation) {
                rows.write(apply(&rows, &recorded).expect("applies"));
            }
            if step % 20 == 0 || step + 1 == operations.len() {
                check(&rows, &history.model);
            }
            if let Some(last) = history.log.last() {
                then.push((last.header.position, history.model.current()));
            }
        }

        for (at, expected) in then {
            for (bucket, expected) in expected {
                prop_assert_eq!(as_of(&rows, bucket, at), expected, "as of {}", at);
            }
        }

        let mut replayed = MemoryRows::default();
        for recorded in &history.log {
            replayed.write(apply(&replayed, recorded).expect("applies"));
        }
        prop_assert!(rows == replayed);
        prop_assert_eq!(digest(&rows, TENANT).expect("reads"), digest(&replayed, TENANT).expect("reads"));
    }

    #[test]
    fn when_everything_is_removed_and_cleared_only_history_is_left(operations in operations(40)) {
        let mut history = History::default();
        let mut rows = MemoryRows::default();
        for operation in &operations {
            history.perform(operation);
        }
        history.remove_everything();
        for recorded in &history.log {
            rows.write(apply(&rows, recorded).expect("applies"));
        }
        prop_assert_eq!(query::tenant_usage(&rows, TENANT).expect("reads"), Usage::default());
        let left = |table| event_log::prefix(&rows, table, &TENANT.0.to_be_bytes()).count();
        prop_assert_eq!(left(CATALOG), 0);
        prop_assert_eq!(left(projections::DIRECTORY), 0);
        // Past rows, changes and names of deleted buckets stay; no version, marker or null pointer does.
        let kinds = event_log::prefix(&rows, HISTORY, &TENANT.0.to_be_bytes()).map(|row| row.expect("memory").0[8]);
        prop_assert!(kinds.into_iter().all(|kind| (3..=5).contains(&kind)));
    }
}
