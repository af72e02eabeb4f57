//! Fresh rows in the place of a table's: all at once, whatever stops it, as often as one likes.

mod common;

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use common::*;
use event_log::{Changes, EventLog, FjallLog, Options, Rows, Scratch, Snapshot, Table};
use schemas::Position;

fn rows(snapshot: &dyn Snapshot, table: Table) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows: &dyn Rows = snapshot;
    rows.range(table, Bound::Unbounded, Bound::Unbounded).map(|row| row.expect("reads")).collect()
}

fn fresh(folder: &Path, values: &[u8]) -> Scratch {
    let mut scratch = Scratch::create(&folder.join("scratch"), &[RED]).expect("creates");
    let mut changes = Changes::default();
    for &value in values {
        changes.put(RED, vec![1, value], vec![value]);
    }
    scratch.write(changes).expect("writes");
    scratch
}

fn keyspaces(folder: &Path) -> Vec<String> {
    let db = fjall::Database::builder(folder.join("core")).open().expect("opens");
    let mut names: Vec<String> = db.list_keyspace_names().iter().map(|name| name.to_string()).collect();
    names.sort();
    names
}

#[test]
fn a_table_is_replaced_again_and_again_while_log_and_other_tables_stay() {
    let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let log = open(folder.path()).expect("opens");
    for time in 0..5 {
        commit_one(&log, A, time);
    }
    let (red, blue) = (rows(log.snapshot().as_ref(), RED), rows(log.snapshot().as_ref(), BLUE));
    assert_eq!((red.len(), blue.len()), (5, 5));
    let mut log = log;
    for round in 0..3 {
        let scratch = fresh(elsewhere.path(), &[round, round + 1]);
        log.replace(&[RED], &scratch).expect("replaces");
        drop(scratch);
        log = open(folder.path()).expect("opens again");
        let snapshot = log.snapshot();
        let want: Vec<_> = [round, round + 1].map(|value| (vec![1, value], vec![value])).to_vec();
        assert_eq!(rows(snapshot.as_ref(), RED)[..2], want);
        assert_eq!(rows(snapshot.as_ref(), BLUE)[..5], blue);
        assert_eq!(snapshot.raw_range(A, Position(0), usize::MAX).expect("reads").len(), 5 + usize::from(round));
        // It goes on, and what it writes is there after the next opening.
        drop(snapshot);
        commit_one(&log, A, 10);
        drop(log);
        log = open(folder.path()).expect("opens after a write");
        assert_eq!(rows(log.snapshot().as_ref(), RED).len(), 3);
    }
    drop(log);
    assert_eq!(keyspaces(folder.path()), ["blue", "heads", "log", "red.4"]);
}

#[test]
fn a_replacement_that_was_cut_off_before_the_switch_leaves_the_old_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path()).expect("opens");
    commit_one(&log, A, 1);
    let red = rows(log.snapshot().as_ref(), RED);
    drop(log);
    let db = fjall::Database::builder(folder.path().join("core")).open().expect("opens");
    let left = db.keyspace("red.2", fjall::KeyspaceCreateOptions::default).expect("makes");
    let mut ingestion = left.start_ingestion().expect("begins");
    ingestion.write("half", "written").expect("writes");
    ingestion.finish().expect("finishes");
    drop((left, db));
    let log = open(folder.path()).expect("opens");
    assert_eq!(rows(log.snapshot().as_ref(), RED), red);
    drop(log);
    assert_eq!(keyspaces(folder.path()), ["blue", "heads", "log", "red"]);
}

#[test]
fn rows_that_do_not_stand_where_the_log_does_can_be_replaced() {
    let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let log = open(folder.path()).expect("opens");
    commit_one(&log, A, 1);
    drop(log);
    let db = fjall::Database::builder(folder.path().join("core")).open().expect("opens");
    let red = db.keyspace("red", fjall::KeyspaceCreateOptions::default).expect("opens");
    db.delete_keyspace(red).expect("removes");
    drop(db);
    assert!(open(folder.path()).is_err(), "a table is missing");
    let options = Options { replacing: vec![RED], ..options() };
    let log = FjallLog::open(folder.path(), TABLES, Arc::new(Forgetful::default()), options).expect("opens");
    log.replace(&[RED], &fresh(elsewhere.path(), &[7])).expect("replaces");
    let log = open(folder.path()).expect("opens");
    assert_eq!(rows(log.snapshot().as_ref(), RED), [(vec![1, 7], vec![7])]);
}
