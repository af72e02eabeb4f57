//! Rebuild: the same rows from the log alone, or the table that differs.

use std::ops::Bound;

use event_log::{Changes, Cursor, CursorState, LogError, LogHead, ReadError, Recorded, RowIter, Rows, Snapshot, Table};
use projections::row::{Bucket, Current, Row};
use projections::{ApplyError, CATALOG, DIRECTORY, MemoryRows, RebuildError, apply, digest, rebuild};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use schemas::event::EventError;
use schemas::*;

use crate::Log;
use crate::model::{History, TENANT, bucket_created, operations};

/// Logs and rows of two tenants, as a snapshot shows them.
struct Standing {
    logs: Vec<(TenantId, Vec<Recorded>)>,
    rows: MemoryRows,
}

impl Rows for Standing {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        self.rows.get(table, key)
    }

    fn range<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        self.rows.range(table, from, to)
    }

    fn range_rev<'a>(&'a self, table: Table, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> RowIter<'a> {
        self.rows.range_rev(table, from, to)
    }
}

impl Standing {
    fn log(&self, tenant: TenantId) -> &[Recorded] {
        self.logs.iter().find(|log| log.0 == tenant).map_or(&[], |log| &log.1)
    }
}

impl Snapshot for Standing {
    fn commit(&self) -> u64 {
        0
    }

    fn raw(&self, _: TenantId, _: Position) -> Result<Option<Vec<u8>>, LogError> {
        Ok(None)
    }

    fn record(&self, tenant: TenantId, position: Position) -> Result<Option<Recorded>, LogError> {
        Ok(self.log(tenant).get(position.0 as usize).cloned())
    }

    fn log_head(&self, tenant: TenantId) -> Result<Option<LogHead>, LogError> {
        let log = self.log(tenant);
        Ok(log.last().map(|last| LogHead {
            epoch: last.header.epoch,
            next: Position(log.len() as u64),
            head: LeafHash::default(),
            time: last.header.time,
        }))
    }

    fn bucket_head(&self, _: TenantId, _: BucketId) -> Result<Option<(u64, LeafHash)>, LogError> {
        Ok(None)
    }

    fn raw_range(&self, _: TenantId, _: Position, _: usize) -> Result<Vec<Vec<u8>>, LogError> {
        Ok(Vec::new())
    }

    fn records(&self, tenant: TenantId, from: Position, max: usize) -> Result<Vec<Recorded>, LogError> {
        Ok(self.log(tenant).iter().skip(from.0 as usize).take(max).cloned().collect())
    }

    fn bucket_heads(&self, _: TenantId) -> Result<Vec<(schemas::event::BucketHead, Position)>, LogError> {
        Ok(Vec::new())
    }

    fn tenants(&self) -> Result<Vec<TenantId>, LogError> {
        Ok(self.logs.iter().map(|log| log.0).collect())
    }

    fn check(&self, _: TenantId, _: Cursor) -> Result<CursorState, LogError> {
        Ok(CursorState::Valid)
    }
}

/// A system log, and a tenant with a user's key and a random history of more than one chunk.
fn standing() -> Standing {
    let mut system = Log::of(TenantId::SYSTEM);
    let installation = event::InstallationCreated { installation: "00".repeat(16) };
    system.happens(BucketId::NONE, None, installation);

    let mut history = History::default();
    let mut runner = TestRunner::deterministic();
    while history.log.len() < 1_500 {
        let operations = operations(100).new_tree(&mut runner).expect("operations").current();
        for operation in &operations {
            history.perform(operation);
        }
    }
    let mut rows = system.rows;
    let access_key = event::AccessKeyCreated {
        access_key: AccessKeyId::parse("KEY").expect("an access key"),
        user: UserId::parse("main").expect("a user"),
        sealed_secret: Vec::new(),
        scopes: "*".to_owned(),
        name: None,
        expires: None,
    };
    history.happens(BucketId::NONE, None, access_key);
    for recorded in &history.log {
        rows.write(apply(&rows, recorded).expect("applies"));
    }
    Standing { logs: vec![(TenantId::SYSTEM, system.records), (TENANT, history.log)], rows }
}

#[test]
fn a_rebuild_makes_the_same_rows() {
    let standing = standing();
    let mut fresh = MemoryRows::default();
    let rebuilt = rebuild(&standing, &mut fresh).expect("rebuilds");
    assert_eq!(rebuilt.mismatches, []);
    assert_eq!((rebuilt.tenants, rebuilt.events), (2, 1 + standing.logs[1].1.len() as u64));
    assert!(fresh == standing.rows);
}

#[test]
fn a_row_changed_removed_or_added_is_found_by_tenant_and_table() {
    let good = standing();
    let row =
        event_log::prefix(&good.rows, CATALOG, &TENANT.0.to_be_bytes()).next().expect("an object").expect("memory");
    let mut current = Current::decode(&row.1).expect("a current row");
    current.object.size_bytes += 1;
    let other = TenantId(u64::MAX);
    let stray = Current::key(other, BucketId(1), &ObjectKey::parse("x").expect("a key"));
    let damages = [
        (TENANT, row.0.clone(), Some(current.encode())),
        (TENANT, row.0.clone(), None),
        (TENANT, [row.0.as_slice(), b"x"].concat(), Some(row.1.clone())),
        (other, stray, Some(row.1.clone())),
    ];
    for (tenant, key, value) in damages {
        let mut rows = good.rows.clone();
        rows.write(Changes(vec![event_log::Change { table: CATALOG, key, value }]));
        let bad = Standing { logs: good.logs.clone(), rows };
        let rebuilt = rebuild(&bad, &mut MemoryRows::default()).expect("rebuilds");
        let found: Vec<_> = rebuilt.mismatches.iter().map(|mismatch| (mismatch.tenant, mismatch.table)).collect();
        assert_eq!(found, [(tenant, "catalog")]);
    }
}

#[test]
fn a_row_that_an_older_version_wrote_with_fewer_fields_is_the_same_row() {
    let mut log = Log::of(TENANT);
    log.happens(BucketId(5), None, bucket_created(BucketId(5), event::Versioning::Enabled));
    let key = Bucket::key(TENANT, BucketId(5));
    let row = log.rows.get(DIRECTORY, &key).expect("reads").expect("a bucket");
    // An array of fourteen fields: the last five have come since.
    let bucket = Bucket::decode(&row).expect("a row");
    assert_eq!((row[0], bucket.settings.len(), bucket.default_retention), (0x9e, 0, None));
    let nine = [&[0x99], &row[1..row.len() - 5]].concat();
    assert_eq!(Bucket::decode(&nine).expect("an older row"), bucket);
    let mismatches = |value: Vec<u8>| {
        let mut rows = log.rows.clone();
        rows.write(Changes(vec![event_log::Change { table: DIRECTORY, key: key.clone(), value: Some(value) }]));
        let standing = Standing { logs: vec![(TENANT, log.records.clone())], rows };
        rebuild(&standing, &mut MemoryRows::default()).expect("rebuilds").mismatches.len()
    };
    assert_eq!(mismatches(row.clone()), 0);
    assert_eq!(mismatches(nine.clone()), 0);
    let other = [&nine[..5], b"x", &nine[6..]].concat();
    assert_eq!(mismatches(other), 1, "another name");
    assert_eq!(mismatches([row, vec![0xc0]].concat()), 1, "bytes behind the row");
    assert_eq!(mismatches([nine, vec![0xc0]].concat()), 1, "bytes behind an older row");
}

#[test]
fn an_unknown_event_stops_a_rebuild() {
    let mut standing = standing();
    standing.logs[1].1[700].header.event_type = 9_999;
    let error = rebuild(&standing, &mut MemoryRows::default()).expect_err("stops");
    let unknown = |error: &RebuildError| match error {
        RebuildError::Apply(ApplyError::Event { position, source: EventError::Unknown { event_type, .. }, .. }) => {
            Some((position.0, *event_type))
        }
        _ => None,
    };
    assert_eq!(unknown(&error), Some((700, 9_999)));
}

#[test]
fn the_digest_of_no_rows_is_that_of_no_bytes() {
    let digests = digest(&MemoryRows::default(), TENANT).expect("reads");
    let tables: Vec<_> = digests.iter().map(|(table, _)| *table).collect();
    assert_eq!(tables, ["catalog", "history", "directory"]);
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert!(digests.iter().all(|(_, digest)| digest.to_string() == nothing));
}
