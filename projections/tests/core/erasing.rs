//! Erasure: rows after it are those of a replay in which what the key sealed folds to nothing.

use event_log::Changes;
use projections::query::{Walk, kept_in_bucket, left_by_bucket};
use projections::{MemoryRows, apply};
use schemas::content::{Content, ETag, Root};
use schemas::event::*;
use schemas::*;

use crate::Log;
use crate::model::{TENANT, bucket_created, bucket_name, upload_created, version_committed};

const ERASED: BucketId = BucketId(5);
const OTHER: BucketId = BucketId(6);

fn blob(number: u8) -> Content {
    Content { size_bytes: u64::from(number), root: Root::Blob(BlobId([number; 16])) }
}

fn part(upload: UploadId, number: u16) -> PartStaged {
    let etag = ETag { md5: [1; 16], parts: 0 };
    PartStaged { upload, number, content: blob(9), etag, checksums: Vec::new() }
}

/// Both buckets hold something of every kind, and share content.
fn log() -> Log {
    let mut log = Log::of(TENANT);
    for (bucket, number) in [(ERASED, 1), (OTHER, 2)] {
        let upload = |kind: u8| UploadId([16 * number + kind; 16]);
        log.happens(bucket, None, bucket_created(bucket, Versioning::Enabled));
        for name in ["a", "a\u{0}b", "b"] {
            log.happens(bucket, Some(name), version_committed(false, blob(3), None));
            log.happens(bucket, Some(name), version_committed(false, blob(4), None));
        }
        log.happens(
            bucket,
            Some("a"),
            DeleteMarkerCreated { null: true, owner: UserId::parse("ann").expect("a user") },
        );
        let made_by = log.happens(bucket, Some("c"), version_committed(false, blob(5), None)).0;
        log.happens(bucket, Some("c"), LegalHoldSet { version: VersionId::Event(made_by), made_by, on: true });
        for kind in 0..3 {
            log.happens(bucket, Some("up"), upload_created(upload(kind)));
            (1..6).for_each(|number| _ = log.happens(bucket, Some("up"), part(upload(kind), number)));
        }
        log.happens(bucket, Some("up"), UploadAborted { upload: upload(0) });
        log.happens(bucket, None, PartsCleared { upload: upload(0), numbers: vec![1, 2], last: false });
        let quota = Quota { bytes: Some(10), objects: None };
        log.happens(BucketId::NONE, None, QuotaSet { bucket: Some(bucket), quota });
    }
    log
}

#[test]
fn rows_after_an_erasure_are_those_of_a_replay_without_what_the_key_sealed() {
    let mut log = log();
    let before = log.rows.len();
    log.happens(ERASED, None, BucketDeleted { bucket: ERASED, name: bucket_name(ERASED) });
    let scope = ErasureScope::Bucket { bucket: ERASED, name: bucket_name(ERASED) };
    let destroyed = KeyDestroyed { scope, keys: vec![KeyId(1)], reason: "because".to_owned(), buckets: None };
    log.happens(BucketId::NONE, None, destroyed);
    let (mut walk, mut pages, mut roots) = (Some(Walk::default()), 0, 0);
    while let Some(from) = walk {
        let left = left_by_bucket(&log.rows, TENANT, ERASED, from, 3, 7).expect("reads");
        assert!(left.names.iter().all(|name| ["a", "a\u{0}b", "b", "c", "up"].contains(&name.as_str())));
        let mut changes = Changes::default();
        left.rows.into_iter().for_each(|(table, key)| changes.remove(table, key));
        log.rows.write(changes);
        (walk, pages, roots) = (left.next, pages + 1, roots + left.roots.len());
    }
    assert!(pages > 10 && roots > 10, "{pages} {roots}");
    assert!(log.rows.len() < before / 2 + 5);

    let mut replayed = MemoryRows::default();
    for mut record in log.records.clone() {
        if record.header.bucket == ERASED {
            record.body = None;
        }
        replayed.write(apply(&replayed, &record).expect("applies"));
    }
    assert_eq!(log.rows, replayed);
}

#[test]
fn a_lock_is_found_on_whatever_page_it_stands() {
    let mut log = Log::of(TENANT);
    log.happens(OTHER, None, bucket_created(OTHER, Versioning::Enabled));
    let look = |log: &Log, now: u64| {
        let mut walk = Some(Walk::default());
        while let Some(from) = walk {
            let (found, next) = kept_in_bucket(&log.rows, TENANT, OTHER, Time(now), from, 2).expect("reads");
            if found.is_some() {
                return found;
            }
            walk = next;
        }
        None
    };
    let (kept, _) = log.happens(OTHER, Some("m"), version_committed(false, blob(3), None));
    for name in ["a", "b", "c", "m", "m", "x"] {
        log.happens(OTHER, Some(name), version_committed(false, blob(3), None));
    }
    assert_eq!(look(&log, 0), None);
    let retention = Some(Retention { mode: RetentionMode::Governance, until: Time(1_000_000) });
    log.happens(
        OTHER,
        Some("m"),
        RetentionSet { version: VersionId::Event(kept), made_by: kept, retention, bypass: false },
    );
    let found = look(&log, 999_999).expect("it is noncurrent");
    assert_eq!((found.key.as_str(), found.version, found.retention), ("m", VersionId::Event(kept), retention));
    assert_eq!(look(&log, 1_000_000), None, "it has ended");
    log.happens(OTHER, Some("m"), LegalHoldSet { version: VersionId::Event(kept), made_by: kept, on: true });
    assert!(look(&log, u64::MAX).is_some_and(|found| found.legal_hold && found.retention.is_none()));
}
