//! Random histories: rows say what a naive model says, and replay makes the same rows.

use crate::model::{History, Model, Shown, TENANT, operations};
use event_log::Rows;
use projections::query::{self, Layers, ListQuery, VersionResume};
use projections::row::{Details, Reference, Usage, Version};
use projections::{CATALOG, HISTORY, MemoryRows, apply, digest};
use proptest::prelude::*;
use schemas::event::Referrer;
use schemas::{BucketId, EventId};

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

/// What a bucket showed at a point.
fn layers(rows: &dyn Rows, bucket: BucketId, at: EventId) -> Option<Layers> {
    let row = query::bucket_at(rows, TENANT, bucket, at).expect("reads")?;
    Some(query::layers(rows, TENANT, bucket, &row, Some(at)).expect("reads"))
}

/// All objects that were current at a point, through pages of `max`.
fn current_at(rows: &dyn Rows, layers: &Layers, max: usize) -> Vec<(String, (EventId, Details))> {
    let (mut found, mut query) = (Vec::new(), ListQuery { max, ..ListQuery::default() });
    loop {
        let page = layers.list(rows, &query).expect("lists");
        found.extend(
            page.entries
                .into_iter()
                .map(|entry| (entry.key.as_str().to_owned(), (entry.object.made_by, entry.object.details))),
        );
        if !page.truncated {
            return found;
        }
        query.after = page.next_after;
    }
}

fn shown(key: &str, version: &Version, is_latest: bool) -> Shown {
    Shown {
        key: key.to_owned(),
        made_by: version.made_by(),
        id: version.id(),
        is_marker: matches!(version, Version::Marker(_)),
        is_latest,
        superseded: None,
        details: details(version),
    }
}

/// All versions that were there at a point, through pages of `max`.
fn versions_at(rows: &dyn Rows, layers: &Layers, max: usize) -> Vec<Shown> {
    let (mut found, mut query) = (Vec::new(), ListQuery { max, ..ListQuery::default() });
    let mut resume = VersionResume::NextKey;
    loop {
        let (page, next) = layers.list_versions(rows, &query, resume).expect("lists");
        let entries = page.entries.into_iter();
        found.extend(entries.map(|entry| shown(entry.key.as_str(), &entry.version, entry.is_latest)));
        if !page.truncated {
            return found;
        }
        query.after = page.next_after;
        resume = VersionResume::Behind(next.expect("without a delimiter the last is a version"));
    }
}

/// As of a point rows say what the model said then.
fn check_at(rows: &dyn Rows, model: &Model, at: EventId) {
    for (&bucket, expected) in &model.buckets {
        // A bucket that is gone by now shows nothing of its past.
        let Some(layers) = layers(rows, bucket, at) else { continue };
        assert_eq!(current_at(rows, &layers, 2), expected.current(), "current objects as of {at:?}");
        let versions: Vec<_> =
            expected.versions().into_iter().map(|version| Shown { superseded: None, ..version }).collect();
        assert_eq!(versions_at(rows, &layers, 2), versions, "versions as of {at:?}");
        for (number, version) in versions.iter().enumerate() {
            let key = crate::model::key(&version.key);
            let found = layers.version(rows, &key, version.id).expect("reads").expect("was there");
            assert_eq!(&shown(&version.key, &found.version, found.is_latest), version);
            if number == 0 || versions[number - 1].key != version.key {
                let latest = layers.latest(rows, &key).expect("reads").expect("was there");
                assert_eq!(latest.made_by(), version.made_by);
                let current = layers.current(rows, &key).expect("reads").map(|object| object.made_by);
                assert_eq!(current, (!version.is_marker).then_some(version.made_by));
            }
        }
    }
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
    let buckets = query::release_buckets(rows, TENANT).expect("reads");
    let of_bucket = |bucket| query::releases_of(rows, TENANT, bucket, until, None, usize::MAX).expect("reads");
    let mut releases: Vec<_> = buckets.into_iter().flat_map(of_bucket).collect();
    releases.sort_by_key(|due| (due.released, due.blob, due.referrer));
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
                then.push((last.header.id(), history.model.clone()));
            }
        }

        // Every third is enough: what differs, differs for several.
        for (at, model) in then.into_iter().step_by(3) {
            check_at(&rows, &model, at);
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
        // Past rows, changes, names of deleted buckets, former states and horizons stay; no version, marker or null pointer does.
        let kinds = event_log::prefix(&rows, HISTORY, &TENANT.0.to_be_bytes()).map(|row| row.expect("memory").0[8]);
        prop_assert!(kinds.into_iter().all(|kind| (3..=8).contains(&kind)));
    }
}
