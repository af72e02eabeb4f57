//! What every engine of the log must do. Each sentence runs on disk and in memory.

mod common;

use std::ops::Bound;
use std::sync::Arc;

use common::*;
use event_log::{
    AppendError, Changes, Cursor, CursorState, EventLog, FjallLog, LogError, MemoryLog, UNIT_BYTES_MAX, prefix,
};
use ledger::Chain;
use schemas::{BucketId, Epoch, EventId, LeafHash, Position, TenantId, Time};

/// Runs a sentence on every engine.
fn on_every_engine(check: impl Fn(&dyn EventLog, &Forgetful)) {
    let cipher = Arc::new(Forgetful::default());
    check(&MemoryLog::new(cipher.clone()), &cipher);
    let folder = tempfile::tempdir().expect("a folder");
    let cipher = Arc::new(Forgetful::default());
    let log = FjallLog::open(folder.path(), TABLES, cipher.clone(), options()).expect("opens");
    check(&log, &cipher);
}

fn put(key: &[u8], value: &[u8]) -> Changes {
    let mut changes = Changes::default();
    changes.put(RED, key.to_vec(), value.to_vec());
    changes
}

fn keys(rows: event_log::RowIter<'_>) -> Vec<Vec<u8>> {
    rows.map(|row| row.expect("reads").0).collect()
}

#[test]
fn places_are_dense_and_every_chain_holds() {
    on_every_engine(|log, _| {
        for round in 0..5 {
            let mut batch = log.begin();
            for tenant in [A, B, TenantId::SYSTEM] {
                let unit = vec![draft(0), draft(1), draft(2), draft(1)];
                let recorded = batch.stage(tenant, Time(100 + round), unit, None).expect("stages");
                let places: Vec<u64> = recorded.iter().map(|recorded| recorded.header.position.0).collect();
                assert_eq!(places, (round * 4..round * 4 + 4).collect::<Vec<_>>());
                assert_eq!(batch.head(tenant).expect("reads").next, Position(round * 4 + 4));
            }
            batch.commit().expect("commits");
        }
        let snapshot = log.snapshot();
        assert_eq!(snapshot.tenants().expect("reads"), [TenantId::SYSTEM, A, B]);
        for tenant in [A, B, TenantId::SYSTEM] {
            let mut chain = Chain::new(tenant);
            for raw in snapshot.raw_range(tenant, Position(0), usize::MAX).expect("reads") {
                chain.push(&raw).expect("follows");
            }
            let head = snapshot.log_head(tenant).expect("reads").expect("has records");
            assert_eq!((chain.next(), chain.head()), (Some(head.next), head.head));
            assert_eq!((head.next, head.time), (Position(20), Time(104)));
            for (bucket, tip) in chain.buckets() {
                assert_eq!(snapshot.bucket_head(tenant, *bucket).expect("reads"), Some(*tip));
            }
            let heads = snapshot.bucket_heads(tenant).expect("reads");
            let heads: Vec<_> = heads.iter().map(|(head, last)| (head.bucket.0, head.seq, last.0)).collect();
            assert_eq!(heads, [(1, 9, 19), (2, 4, 18)]);
        }
        assert_eq!(snapshot.log_head(TenantId(1)).expect("reads"), None);
        assert_eq!(snapshot.bucket_head(A, BucketId(5)).expect("reads"), None);
    });
}

#[test]
fn time_never_falls_within_a_log() {
    on_every_engine(|log, _| {
        commit_one(log, A, 500);
        commit_one(log, A, 400);
        commit_one(log, B, 300);
        let time = |tenant| log.snapshot().log_head(tenant).expect("reads").expect("is there").time;
        assert_eq!((time(A), time(B)), (Time(500), Time(300)));
    });
}

#[test]
fn a_batch_shows_nothing_before_its_commit_and_all_of_it_after() {
    on_every_engine(|log, _| {
        let before = log.committed();
        let mut batch = log.begin();
        batch.stage(A, Time(1), vec![draft(1)], Some(command(1))).expect("stages");
        batch.change(put(b"tenant-7", b"x")).expect("changes");
        let early = log.snapshot();
        assert!(early.log_head(A).expect("reads").is_none());
        assert!(early.get(RED, b"tenant-7").expect("reads").is_none());
        assert_eq!(log.resolve(A, command(1)).expect("reads"), None);
        let commit = batch.commit().expect("commits");
        assert_eq!((commit, log.committed()), (before + 1, before + 1));
        let late = log.snapshot();
        assert_eq!(late.commit(), commit);
        assert!(late.record(A, Position(0)).expect("reads").is_some());
        assert_eq!(late.get(RED, b"tenant-7").expect("reads").as_deref(), Some(b"x".as_slice()));
        // A snapshot stays what it was.
        assert_eq!(early.commit(), before);
        assert!(early.record(A, Position(0)).expect("reads").is_none());
        assert!(keys(prefix(early.as_ref(), RED, b"tenant")).is_empty());
    });
}

#[test]
fn a_batch_that_is_dropped_leaves_nothing() {
    on_every_engine(|log, _| {
        commit_one(log, A, 1);
        let mut batch = log.begin();
        batch.stage(A, Time(2), vec![draft(1)], None).expect("stages");
        drop(batch);
        assert_eq!(commit_one(log, A, 3), Position(1));
        assert_eq!(log.snapshot().records(A, Position(0), 9).expect("reads").len(), 2);
    });
}

#[test]
fn an_empty_batch_is_no_commit() {
    on_every_engine(|log, _| {
        let before = log.committed();
        let mut batch = log.begin();
        assert!(batch.stage(A, Time(1), Vec::new(), Some(command(1))).expect("stages").is_empty());
        assert_eq!(batch.commit().expect("commits"), before);
        assert_eq!(log.resolve(A, command(1)).expect("reads"), None);
    });
}

#[test]
fn a_batch_begun_before_another_commit_conflicts() {
    on_every_engine(|log, _| {
        let mut stale = log.begin();
        stale.stage(A, Time(1), vec![draft(1)], None).expect("stages");
        commit_one(log, A, 1);
        assert!(matches!(stale.commit(), Err(AppendError::Conflict)));
        assert_eq!(commit_one(log, A, 2), Position(1));
    });
}

#[test]
fn the_last_change_of_a_row_wins() {
    on_every_engine(|log, _| {
        let mut batch = log.begin();
        batch.change(put(b"row-0001", b"first")).expect("changes");
        let mut changes = put(b"row-0001", b"second");
        changes.put(BLUE, b"row-0001".to_vec(), b"other table".to_vec());
        changes.put(RED, b"row-0002".to_vec(), b"made".to_vec());
        changes.remove(RED, b"row-0002".to_vec());
        changes.remove(RED, b"row-0003".to_vec());
        changes.put(RED, b"row-0003".to_vec(), b"again".to_vec());
        batch.change(changes).expect("changes");
        batch.commit().expect("commits");
        let snapshot = log.snapshot();
        let get = |table, key: &[u8]| snapshot.get(table, key).expect("reads");
        assert_eq!(get(RED, b"row-0001"), Some(b"second".to_vec()));
        assert_eq!(get(BLUE, b"row-0001"), Some(b"other table".to_vec()));
        assert_eq!(get(RED, b"row-0002"), None);
        assert_eq!(get(RED, b"row-0003"), Some(b"again".to_vec()));
    });
}

#[test]
fn bounds_refuse_and_leave_the_batch_as_it_was() {
    on_every_engine(|log, _| {
        let mut batch = log.begin();
        batch.stage(A, Time(1), vec![draft(1)], None).expect("stages");
        let before = (batch.rows(), batch.bytes(), batch.head(A).expect("reads"));
        let too_large = |result: Result<_, AppendError>, what: &str| {
            assert!(matches!(result, Err(AppendError::TooLarge { what: found, .. }) if found == what), "{what}");
        };
        too_large(batch.stage(A, Time(1), vec![draft(1); 257], None).map(drop), "unit");
        too_large(batch.stage(A, Time(1), vec![draft_of(1, 1, 60_000); 10], None).map(drop), "unit");
        too_large(batch.stage(A, Time(1), vec![draft(1), draft_of(1, 1, 66_000)], None).map(drop), "record");
        too_large(batch.change(put(b"row-0001", &[0; 2_993])), "row");
        let many = |count: usize, bytes: usize| {
            let mut changes = Changes::default();
            (0..count).for_each(|row| changes.put(RED, format!("row-{row:04}").into_bytes(), vec![0; bytes]));
            changes
        };
        too_large(batch.change(many(513, 1)), "unit");
        too_large(batch.change(many(UNIT_BYTES_MAX / 2_000, 2_000)), "unit");
        let missing = batch.stage(A, Time(1), vec![draft(1), draft_of(1, 404, 5)], None);
        assert!(matches!(missing, Err(AppendError::Cipher(_))));
        assert_eq!((batch.rows(), batch.bytes(), batch.head(A).expect("reads")), before);
        // At the bounds all is well.
        batch.change(put(b"row-0001", &[0; 2_992])).expect("a row of 3,000 bytes");
        batch.change(many(512, 1)).expect("512 rows");
        batch.stage(A, Time(1), vec![draft(1); 256], None).expect("256 events");
        batch.commit().expect("commits");
        assert_eq!(log.snapshot().log_head(A).expect("reads").expect("is there").next, Position(257));
    });
}

#[test]
fn a_command_is_found_by_its_first_position() {
    on_every_engine(|log, _| {
        commit_one(log, A, 1);
        let mut batch = log.begin();
        batch.stage(A, Time(1), vec![draft(1), draft(1)], Some(command(3))).expect("stages");
        batch.stage(B, Time(1), vec![draft(1)], Some(command(4))).expect("stages");
        batch.commit().expect("commits");
        assert_eq!(log.resolve(A, command(3)).expect("reads"), Some(Position(1)));
        assert_eq!(log.resolve(B, command(4)).expect("reads"), Some(Position(0)));
        assert_eq!(log.resolve(B, command(3)).expect("reads"), None);
    });
}

#[test]
fn large_records_come_back_whole() {
    on_every_engine(|log, _| {
        // Around the edges of one, two and many parts, up to the largest record.
        let sizes: Vec<usize> = (2_600..3_000).step_by(7).chain([5_700, 30_000, 65_000]).collect();
        for &size in &sizes {
            let mut batch = log.begin();
            batch.stage(A, Time(1), vec![draft_of(1, 1, size)], None).expect("stages");
            batch.commit().expect("commits");
        }
        let snapshot = log.snapshot();
        let all = snapshot.records(A, Position(0), usize::MAX).expect("reads");
        assert_eq!(all.len(), sizes.len());
        for (recorded, &size) in all.iter().zip(&sizes) {
            assert_eq!(recorded.body, Some(draft_of(1, 1, size).body));
            assert_eq!(snapshot.record(A, recorded.header.position).expect("reads").as_ref(), Some(recorded));
        }
        let some = snapshot.records(A, Position(3), 2).expect("reads");
        assert_eq!(some.as_slice(), &all[3..5]);
        assert!(snapshot.records(A, Position(9_999), 2).expect("reads").is_empty());
        assert!(snapshot.records(B, Position(0), 2).expect("reads").is_empty());
    });
}

#[test]
fn a_destroyed_key_erases_bodies_and_nothing_else() {
    on_every_engine(|log, cipher| {
        let mut batch = log.begin();
        batch.stage(A, Time(1), vec![draft_of(1, 5, 9), draft_of(1, 6, 9)], None).expect("stages");
        batch.commit().expect("commits");
        cipher.0.lock().expect("not poisoned").insert(5);
        let all = log.snapshot().records(A, Position(0), 9).expect("reads");
        assert_eq!(all[0].body, None);
        assert_eq!(all[0].header.position, Position(0));
        assert!(all[1].body.is_some());
    });
}

#[test]
fn cursors_know_their_record() {
    on_every_engine(|log, _| {
        for time in 0..3 {
            commit_one(log, A, time);
        }
        let snapshot = log.snapshot();
        let raw = snapshot.raw(A, Position(1)).expect("reads").expect("is there");
        let at = |epoch, position| EventId { epoch: Epoch(epoch), position: Position(position) };
        let check = |at, leaf| snapshot.check(A, Cursor { at, leaf }).expect("reads");
        let diverged = |common: Option<u64>| CursorState::Diverged { common: common.map(Position) };
        assert_eq!(check(at(1, 1), ledger::leaf(&raw)), CursorState::Valid);
        assert_eq!(check(at(1, 1), LeafHash([1; 32])), diverged(None));
        // Beyond the log's end: it goes on behind its last record.
        assert_eq!(check(at(1, 8), LeafHash([1; 32])), diverged(Some(2)));
        assert_eq!(check(at(2, 1), ledger::leaf(&raw)), diverged(None));
        assert_eq!(check(at(0, 1), ledger::leaf(&raw)), diverged(None));
        let cursor = Cursor { at: at(1, 0), leaf: LeafHash([1; 32]) };
        assert_eq!(snapshot.check(B, cursor).expect("reads"), diverged(None));
    });
}

#[test]
fn ranges_go_both_ways_within_their_bounds() {
    on_every_engine(|log, _| {
        let mut batch = log.begin();
        for key in [&b"a"[..], b"b", b"bb", b"c"] {
            batch.change(put(key, b"x")).expect("changes");
        }
        batch.commit().expect("commits");
        let snapshot = log.snapshot();
        let check = |from: Bound<&str>, to: Bound<&str>, expected: &[&str]| {
            let bound = |bound: Bound<&str>| bound.map(|key| key.as_bytes().to_vec());
            let text = |keys: Vec<Vec<u8>>| keys.into_iter().map(|key| String::from_utf8(key).expect("text")).collect();
            let forward: Vec<String> = text(keys(snapshot.range(RED, bound(from), bound(to))));
            let mut backward: Vec<String> = text(keys(snapshot.range_rev(RED, bound(from), bound(to))));
            assert_eq!(forward, expected);
            backward.reverse();
            assert_eq!(backward, expected);
        };
        use Bound::{Excluded, Included, Unbounded};
        check(Unbounded, Unbounded, &["a", "b", "bb", "c"]);
        check(Included("b"), Included("bb"), &["b", "bb"]);
        check(Excluded("b"), Excluded("c"), &["bb"]);
        check(Included("b"), Included("b"), &["b"]);
        check(Included("b"), Excluded("b"), &[]);
        check(Excluded("b"), Excluded("b"), &[]);
        check(Included("c"), Included("a"), &[]);
        assert_eq!(keys(prefix(snapshot.as_ref(), RED, b"b")), [b"b".to_vec(), b"bb".to_vec()]);
        // The engine's own row shows nowhere.
        assert_eq!(snapshot.get(RED, b"\x00head").expect("reads"), None);
        assert!(keys(snapshot.range(BLUE, Unbounded, Unbounded)).is_empty());
    });
}

#[test]
fn a_waiter_wakes_when_its_position_is_there() {
    on_every_engine(|log, _| {
        assert!(!log.wait(A, Position(0), 5));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| log.wait(A, Position(2), 20_000));
            for time in 0..3 {
                commit_one(log, A, time);
            }
            assert!(waiter.join().expect("ends"));
        });
        assert!(log.wait(A, Position(1), 0));
        assert!(!log.wait(B, Position(0), 0));
    });
}

#[test]
fn a_forged_body_stops_the_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let log = FjallLog::open(folder.path(), TABLES, Arc::new(event_log::PlainCipher), options()).expect("opens");
        commit_one(&log, A, 1);
    }
    // Another cipher: what one sealed the other does not open.
    let log = open(folder.path()).expect("opens");
    let error = log.snapshot().record(A, Position(0)).expect_err("does not open");
    assert!(matches!(error, LogError::Cipher { tenant: A, position: Position(0), .. }), "{error}");
}

#[test]
fn a_log_on_disk_is_there_again_after_closing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut leaves = Vec::new();
    for round in 0..4 {
        let log = open(folder.path()).expect("opens");
        for (position, leaf) in (0..).zip(&leaves) {
            let raw = log.snapshot().raw(A, Position(position)).expect("reads").expect("is there");
            assert_eq!(ledger::leaf(&raw), *leaf);
        }
        for time in 0..5 {
            let position = commit_one(&log, A, round * 10 + time);
            assert_eq!(position, Position(leaves.len() as u64));
            leaves.push(log.snapshot().log_head(A).expect("reads").expect("is there").head);
        }
    }
    let log = open(folder.path()).expect("opens");
    assert_eq!(log.snapshot().records(A, Position(0), 99).expect("reads").len(), 20);
}
