//! What single events do: rows they cost, corners that random histories do not reach.

use projections::query::{self, ListQuery};
use projections::row::{Object, UploadState};
use projections::{ApplyError, MemoryRows, apply};
use schemas::acl::Acl;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag, Root};
use schemas::event::*;
use schemas::*;

use crate::Log;
use crate::model::{TENANT, bucket_created, bucket_name, key, recorded, upload_created, version_committed};

const BUCKET: BucketId = BucketId(5);
const UPLOAD: UploadId = UploadId([4; 16]);

fn blob(number: u8) -> Content {
    Content { size_bytes: u64::from(number), root: Root::Blob(BlobId([number; 16])) }
}

fn log_with_bucket(versioning: Versioning) -> Log {
    let mut log = Log::of(TENANT);
    log.happens(BUCKET, None, bucket_created(BUCKET, versioning));
    log
}

fn current(log: &Log, name: &str) -> Option<Object> {
    query::current(&log.rows, TENANT, BUCKET, &key(name)).expect("reads").map(|current| current.object)
}

fn part_staged(number: u16, content: Content) -> PartStaged {
    PartStaged { upload: UPLOAD, number, content, etag: ETag { md5: [1; 16], parts: 0 }, checksums: Vec::new() }
}

#[test]
fn rows_per_event_are_few() {
    let mut log = Log::of(TENANT);
    // bucket, name, the tenant's counter
    assert_eq!(log.happens(BUCKET, None, bucket_created(BUCKET, Versioning::Unversioned)).1, 3);
    // current, change, reference, two counters
    assert_eq!(log.happens(BUCKET, Some("k"), version_committed(true, blob(1), None)).1, 5);
    // and past, released reference, release
    assert_eq!(log.happens(BUCKET, Some("k"), version_committed(true, blob(2), None)).1, 8);
    // upload, listing, two counters
    assert_eq!(log.happens(BUCKET, Some("k"), upload_created(UPLOAD)).1, 4);
    // part, staged, reference, two counters
    assert_eq!(log.happens(BUCKET, Some("k"), part_staged(1, blob(3))).1, 5);
    log.happens(BUCKET, Some("k"), UploadAborted { upload: UPLOAD });
    for number in 2..=100 {
        log.happens(BUCKET, Some("k"), part_staged(number, blob(3)));
    }
    let cleared = PartsCleared { upload: UPLOAD, numbers: (1..=100).collect(), last: true };
    assert!(log.happens(BUCKET, None, cleared).1 <= 512, "a unit holds at most 512 rows");
}

#[test]
fn a_row_keeps_the_checksum_that_was_chosen() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let checksum = |algorithm, covers| Checksum { algorithm, covers, digest: vec![0; 4], parts: 0 };
    let mut event = version_committed(true, blob(1), None);
    event.checksums = vec![
        checksum(ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
        checksum(ChecksumAlgorithm::Sha1, ChecksumType::Composite),
    ];
    for (chosen, expected) in
        [(None, None), (Some(1), Some((ChecksumAlgorithm::Sha1, ChecksumType::Composite))), (Some(9), None)]
    {
        event.chosen_checksum = chosen;
        log.happens(BUCKET, Some("k"), event.clone());
        assert_eq!(current(&log, "k").expect("is there").checksum, expected);
    }
}

#[test]
fn a_part_keeps_the_uploads_checksum_and_crc64nvme() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let mut created = upload_created(UPLOAD);
    created.checksum = Some((ChecksumAlgorithm::Sha1, ChecksumType::Composite));
    log.happens(BUCKET, Some("k"), created);
    let checksum = |algorithm, digest| Checksum { algorithm, covers: ChecksumType::FullObject, digest, parts: 0 };
    let mut event = part_staged(1, blob(1));
    let sha1 = checksum(ChecksumAlgorithm::Sha1, vec![2; 20]);
    event.checksums = vec![checksum(ChecksumAlgorithm::Crc64Nvme, vec![0, 0, 0, 0, 0, 0, 1, 0]), sha1.clone()];
    log.happens(BUCKET, Some("k"), event);
    let part = query::part(&log.rows, TENANT, UPLOAD, 1).expect("reads").expect("is there");
    assert_eq!((part.checksum, part.crc64nvme), (Some(sha1), Some(256)));
}

#[test]
fn a_completed_upload_names_its_object_until_its_parts_are_cleared() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    log.happens(BUCKET, Some("k"), upload_created(UPLOAD));
    let (staged_by, _) = log.happens(BUCKET, Some("k"), part_staged(1, blob(1)));
    let (made_by, _) = log.happens(BUCKET, Some("k"), version_committed(true, blob(9), Some(UPLOAD)));
    let upload = query::upload(&log.rows, TENANT, UPLOAD).expect("reads").expect("is there");
    assert_eq!(upload.state, UploadState::Completed(made_by));

    // The part shows its content until it is cleared; the clearing needs no bucket in its header.
    let part_reference = |log: &Log| {
        let references = query::references(&log.rows, TENANT, BlobId([1; 16])).expect("reads");
        references.into_iter().find(|(referrer, _)| *referrer == Referrer::Part(staged_by)).expect("is there").1
    };
    assert_eq!(part_reference(&log).released, None);
    log.happens(BucketId::NONE, None, PartsCleared { upload: UPLOAD, numbers: vec![1], last: true });
    assert_eq!((part_reference(&log).released, part_reference(&log).bucket), (Some(Time(4_000)), BUCKET));
    assert_eq!(query::upload(&log.rows, TENANT, UPLOAD).expect("reads"), None);
    assert!(query::ended_uploads(&log.rows, TENANT, None, 9).expect("reads").is_empty());
}

#[test]
fn uploads_of_a_deleted_bucket_are_found_and_counted_until_they_end() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let others = [UploadId([6; 16]), UPLOAD];
    for id in others {
        log.happens(BUCKET, Some("k"), upload_created(id));
    }
    log.happens(BUCKET, Some("k"), part_staged(1, blob(7)));
    log.happens(BUCKET, None, BucketDeleted { bucket: BUCKET, name: bucket_name(BUCKET) });
    let orphans = |log: &Log| query::orphaned_buckets(&log.rows, TENANT, 9).expect("reads");
    assert_eq!(orphans(&log), [BUCKET]);
    let usage = query::tenant_usage(&log.rows, TENANT).expect("reads");
    assert_eq!((usage.uploads, usage.multipart_bytes, usage.buckets), (2, 7, 0));

    let everything = ListQuery { max: 9, ..ListQuery::default() };
    let (page, _) = query::list_uploads(&log.rows, TENANT, BUCKET, &everything, None).expect("lists");
    assert_eq!(page.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), others);
    log.happens(BUCKET, Some("k"), UploadAborted { upload: others[0] });
    assert_eq!(orphans(&log), [BUCKET]);
    // Whoever ends it after the bucket may not name the bucket any more.
    log.happens(BucketId::NONE, Some("k"), UploadAborted { upload: UPLOAD });
    assert!(orphans(&log).is_empty());
    assert_eq!(query::tenant_usage(&log.rows, TENANT).expect("reads"), Default::default());
    assert_eq!(query::usage(&log.rows, TENANT, BUCKET).expect("reads"), Default::default());
}

#[test]
fn an_upload_is_counted_out_once() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    log.happens(BUCKET, Some("k"), upload_created(UploadId([6; 16])));
    log.happens(BUCKET, Some("k"), upload_created(UPLOAD));
    log.happens(BUCKET, Some("k"), part_staged(1, blob(7)));
    log.happens(BUCKET, Some("k"), UploadAborted { upload: UPLOAD });
    let usage = |log: &Log| query::usage(&log.rows, TENANT, BUCKET).expect("reads");
    assert_eq!((usage(&log).uploads, usage(&log).multipart_bytes), (1, 0));
    log.happens(BUCKET, Some("k"), UploadAborted { upload: UPLOAD });
    log.happens(BUCKET, Some("k"), part_staged(2, blob(7)));
    assert_eq!((usage(&log).uploads, usage(&log).multipart_bytes), (1, 0));
}

#[test]
fn ended_uploads_are_found_in_pages() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let ids: Vec<_> = (1..4).map(|number| UploadId([number; 16])).collect();
    for &id in ids.iter().rev() {
        log.happens(BUCKET, Some("k"), upload_created(id));
        log.happens(BUCKET, Some("k"), UploadAborted { upload: id });
    }
    let ended = |after, max| {
        let found = query::ended_uploads(&log.rows, TENANT, after, max).expect("reads");
        found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    assert_eq!(ended(None, 2), ids[..2]);
    assert_eq!(ended(Some(ids[1]), 2), ids[2..]);
}

#[test]
fn a_deleted_bucket_without_uploads_leaves_no_orphan_and_frees_its_name() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let name = bucket_name(BUCKET);
    assert!(query::bucket_by_name(&log.rows, TENANT, &name).expect("reads").is_some());
    log.happens(BUCKET, None, BucketDeleted { bucket: BUCKET, name: name.clone() });
    assert!(query::bucket_by_name(&log.rows, TENANT, &name).expect("reads").is_none());
    assert_eq!(log.rows.len(), 2, "nothing but its name and what it was is remembered");
    assert_eq!(query::bucket_name(&log.rows, TENANT, BUCKET).expect("reads"), Some(name));
}

#[test]
fn the_null_version_answers_to_its_name_only() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let (made_by, _) = log.happens(BUCKET, Some("k"), version_committed(true, blob(1), None));
    log.happens(BUCKET, None, VersioningSet { bucket: BUCKET, versioning: Versioning::Enabled });
    log.happens(BUCKET, Some("k"), version_committed(false, blob(2), None));
    let version = |id| query::version(&log.rows, TENANT, BUCKET, &key("k"), id).expect("reads");
    assert_eq!(version(VersionId::Null).expect("is there").version.made_by(), made_by);
    assert_eq!(version(VersionId::Event(made_by)), None);
    let bucket = query::bucket(&log.rows, TENANT, BUCKET).expect("reads").expect("is there");
    assert_eq!(bucket.versioning, Versioning::Enabled);
}

#[test]
fn changes_of_a_bucket_are_listed_by_position() {
    let mut log = log_with_bucket(Versioning::Enabled);
    for name in ["a", "b", "a"] {
        log.happens(BUCKET, Some(name), version_committed(false, blob(1), None));
    }
    let changes = |from, to, max| {
        let found = query::changes(&log.rows, TENANT, BUCKET, Position(from), Position(to), max).expect("reads");
        found.into_iter().map(|(position, key)| (position.0, key.as_str().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(changes(0, 9, 9), [(1, "a".to_owned()), (2, "b".to_owned()), (3, "a".to_owned())]);
    assert_eq!(changes(2, 3, 9), [(2, "b".to_owned())]);
    assert_eq!(changes(0, 9, 1), [(1, "a".to_owned())]);
}

#[test]
fn an_erased_event_changes_nothing_and_what_rests_on_it_stops_nothing() {
    let id = |position| EventId { epoch: Epoch(0), position: Position(position) };
    let mut erased =
        recorded(TENANT, id(0), Time(0), BUCKET, None, &bucket_created(BUCKET, Versioning::Enabled).into());
    erased.body = None;
    let mut rows = MemoryRows::default();
    assert!(apply(&rows, &erased).expect("applies").0.is_empty());

    // Events about buckets, versions and uploads that no row knows.
    let version = VersionId::Event(id(0));
    let events: [(Option<&str>, Event); 7] = [
        (None, VersioningSet { bucket: BUCKET, versioning: Versioning::Suspended }.into()),
        (Some("k"), VersionRemoved { version, made_by: id(0), was_marker: false, size_bytes: 8 }.into()),
        (Some("k"), part_staged(1, blob(1)).into()),
        (Some("k"), UploadAborted { upload: UPLOAD }.into()),
        (None, PartsCleared { upload: UPLOAD, numbers: vec![1], last: true }.into()),
        (
            None,
            ContentReleased { released: vec![Released { blob: BlobId([1; 16]), referrer: Referrer::Part(id(0)) }] }
                .into(),
        ),
        (None, BucketDeleted { bucket: BUCKET, name: bucket_name(BUCKET) }.into()),
    ];
    for (position, (object, event)) in events.iter().enumerate() {
        let recorded = recorded(TENANT, id(position as u64 + 1), Time(1), BUCKET, *object, event);
        rows.write(apply(&rows, &recorded).expect("applies"));
    }
    assert!(rows.is_empty());
}

#[test]
fn what_cannot_be_read_stops() {
    let id = EventId { epoch: Epoch(0), position: Position(3) };
    let good = recorded(TENANT, id, Time(0), BUCKET, Some("k"), &version_committed(true, blob(1), None).into());
    let rows = MemoryRows::default();

    let mut unknown = good.clone();
    unknown.header.event_type = 60_000;
    let error = apply(&rows, &unknown).expect_err("an unknown type");
    assert_eq!(error.to_string(), "event of tenant 7 at position 3 cannot be read");
    assert!(matches!(error, ApplyError::Event { source: EventError::Unknown { event_type: 60_000, .. }, .. }));

    let nameless = recorded(TENANT, id, Time(0), BUCKET, None, &version_committed(true, blob(1), None).into());
    assert!(matches!(apply(&rows, &nameless), Err(ApplyError::NoObject { .. })));

    let mut damaged = MemoryRows::default();
    let mut changes = event_log::Changes::default();
    changes.put(projections::CATALOG, projections::row::Current::key(TENANT, BUCKET, &key("k")), vec![1, 2, 3]);
    damaged.write(changes);
    assert!(matches!(apply(&damaged, &good), Err(ApplyError::Row { .. })));
}

#[test]
fn the_longest_key_fits_into_every_row() {
    let mut log = log_with_bucket(Versioning::Enabled);
    // Every byte of it is escaped.
    let name = "\u{0}".repeat(ObjectKey::BYTES_MAX);
    log.happens(BUCKET, Some(&name), version_committed(false, blob(1), None));
    log.happens(BUCKET, Some(&name), version_committed(false, blob(2), None));
    log.happens(
        BUCKET,
        Some(&name),
        DeleteMarkerCreated { null: true, owner: UserId::parse(&"o".repeat(128)).expect("a user") },
    );
    log.happens(BUCKET, Some(&name), upload_created(UPLOAD));
    for &table in projections::TABLES {
        for row in event_log::prefix(&log.rows, table, &[]) {
            let (key, value) = row.expect("memory");
            assert!(key.len() + value.len() <= event_log::ROW_BYTES_MAX);
        }
    }
}

#[test]
fn what_can_change_of_a_version_changes_in_its_row_current_or_not() {
    let mut log = log_with_bucket(Versioning::Enabled);
    let first = log.happens(BUCKET, Some("k"), version_committed(false, blob(1), None)).0;
    let made_by = current(&log, "k").expect("is there").made_by;
    let version = VersionId::Event(made_by);
    let tags_set = |tags: &[&str]| ObjectTagsSet {
        version,
        made_by,
        tags: tags.iter().map(|tag| ((*tag).to_owned(), String::new())).collect(),
    };
    let retention = Some(Retention { mode: RetentionMode::Compliance, until: Time(99) });
    let tagged = log.happens(BUCKET, Some("k"), tags_set(&["a"])).0;
    assert!(tagged.position > first.position);
    let details = current(&log, "k").expect("is there").details;
    assert_eq!((details.tags, details.acl), (Some(tagged), None));
    let acl_set = |acl| ObjectAclSet { version, made_by, acl };
    let listed = log.happens(BUCKET, Some("k"), acl_set(Some(Acl::default()))).0;
    assert_eq!(current(&log, "k").expect("is there").details.acl, Some(listed));
    log.happens(BUCKET, Some("k"), acl_set(None));
    assert_eq!(current(&log, "k").expect("is there").details.acl, None, "a list like none is none");
    // What it was before can still be found: past, former, change, current.
    assert_eq!(log.happens(BUCKET, Some("k"), LegalHoldSet { version, made_by, on: true }).1, 4);
    log.happens(BUCKET, Some("k"), version_committed(false, blob(2), None));
    assert_eq!(current(&log, "k").expect("is there").details, Default::default(), "a new version begins without");
    log.happens(BUCKET, Some("k"), RetentionSet { version, made_by, retention, bypass: false });
    let old = query::version(&log.rows, TENANT, BUCKET, &key("k"), version).expect("reads").expect("is there");
    let projections::row::Version::Object(old) = old.version else { panic!("a version") };
    assert_eq!((old.details.tags, old.details.legal_hold, old.details.retention), (Some(tagged), true, retention));
    // One that is gone changes nothing.
    let gone = EventId { epoch: made_by.epoch, position: Position(9_999) };
    log.happens(BUCKET, Some("k"), LegalHoldSet { version: VersionId::Event(gone), made_by: gone, on: true });
    assert!(!current(&log, "k").expect("is there").details.legal_hold);
}

#[test]
fn a_bucket_knows_the_retention_that_new_versions_get() {
    let mut log = log_with_bucket(Versioning::Enabled);
    let row = |log: &Log| query::bucket(&log.rows, TENANT, BUCKET).expect("reads").expect("is there");
    assert_eq!((row(&log).object_lock, row(&log).default_retention), (false, None));
    let default = Some(DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Days(3) });
    log.happens(BUCKET, None, BucketObjectLockSet { bucket: BUCKET, default });
    assert_eq!((row(&log).object_lock, row(&log).default_retention), (true, default));
    let set = log.happens(BUCKET, None, BucketObjectLockSet { bucket: BUCKET, default: None }).0;
    assert_eq!((row(&log).object_lock, row(&log).default_retention), (true, None), "a lock is never taken off");
    assert_eq!(row(&log).settings, [(Setting::ObjectLock, set)].into());
}

#[test]
fn a_version_that_came_with_a_list_names_its_own_event() {
    let mut log = log_with_bucket(Versioning::Enabled);
    let with_list = VersionCommitted { acl: Some(Acl::default()), ..version_committed(false, blob(1), None) };
    let made_by = log.happens(BUCKET, Some("k"), with_list).0;
    assert_eq!(current(&log, "k").expect("is there").details.acl, Some(made_by));
}

#[test]
fn a_bucket_knows_its_list_and_its_ownership() {
    let mut log = Log::of(TENANT);
    let created = BucketCreated { acl: Some(Acl::default()), ..bucket_created(BUCKET, Versioning::Unversioned) };
    let created = log.happens(BUCKET, None, created).0;
    let row = |log: &Log| query::bucket(&log.rows, TENANT, BUCKET).expect("reads").expect("is there");
    assert_eq!(row(&log).settings, [(Setting::Acl, created)].into());
    let set = log.happens(BUCKET, None, BucketAclSet { bucket: BUCKET, acl: Some(Acl::default()) }).0;
    assert_eq!(row(&log).settings, [(Setting::Acl, set)].into());
    log.happens(BUCKET, None, BucketAclSet { bucket: BUCKET, acl: None });
    assert_eq!(row(&log).settings, [].into());
    let ownership = |row: projections::row::Bucket| (row.ownership, row.without_ownership_controls);
    assert_eq!(ownership(row(&log)), (ObjectOwnership::BucketOwnerEnforced, false));
    log.happens(BUCKET, None, BucketOwnershipSet { bucket: BUCKET, ownership: None });
    assert_eq!(ownership(row(&log)), (ObjectOwnership::ObjectWriter, true));
    let preferred = Some(ObjectOwnership::BucketOwnerPreferred);
    log.happens(BUCKET, None, BucketOwnershipSet { bucket: BUCKET, ownership: preferred });
    assert_eq!(ownership(row(&log)), (ObjectOwnership::BucketOwnerPreferred, false));
}

#[test]
fn a_bucket_knows_the_newest_event_of_each_setting() {
    let mut log = log_with_bucket(Versioning::Unversioned);
    let settings = |log: &Log| query::bucket(&log.rows, TENANT, BUCKET).expect("reads").expect("is there").settings;
    let set = log.happens(BUCKET, None, BucketTaggingSet { bucket: BUCKET, tags: Some([].into()) }).0;
    assert_eq!(settings(&log), [(Setting::Tagging, set)].into());
    log.happens(BUCKET, None, BucketTaggingSet { bucket: BUCKET, tags: None });
    assert_eq!(settings(&log), [].into());
}
