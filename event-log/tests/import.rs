//! Records of one log taken into another bit for bit, and the epoch that begins behind them.

mod common;

use std::sync::Arc;

use common::{A, B, Forgetful, RED, TABLES, command, commit_one, context, draft, open, options};
use event_log::{Changes, Cursor, CursorState, EventLog, FjallLog, ImportError, LogHead, RawRecord, Reopening};
use schemas::event::{Event, LostRange};
use schemas::{BucketId, Epoch, EventId, KeyId, LeafHash, Position, TenantId, Time};

fn raw(log: &FjallLog, tenant: TenantId) -> Vec<Vec<u8>> {
    log.snapshot().raw_range(tenant, Position(0), 99).expect("reads")
}

fn records(raw: &[Vec<u8>]) -> Vec<RawRecord<'_>> {
    raw.iter().map(|raw| RawRecord { raw, command: None }).collect()
}

fn restoring(epoch_min: u32) -> Reopening {
    Reopening {
        time: Time(0),
        context: context(),
        reason: "restore".to_owned(),
        epoch_min: Epoch(epoch_min),
        key: Arc::new(|_| Some(KeyId(1))),
    }
}

#[test]
fn a_log_is_taken_over_bit_for_bit_and_goes_on_in_a_new_epoch() {
    let (source, target) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let from = open(source.path()).expect("opens");
    for (tenant, time) in [(A, 1), (B, 2), (A, 3), (A, 4)] {
        commit_one(&from, tenant, time);
    }
    let mut batch = from.begin();
    batch.stage(B, Time(5), vec![draft(2), draft(0)], Some(command(3))).expect("stages");
    batch.commit().expect("commits");
    let (of_a, of_b) = (raw(&from, A), raw(&from, B));
    let head = |log: &FjallLog, tenant| log.snapshot().log_head(tenant).expect("reads").expect("is there");
    let ended: Vec<(TenantId, LogHead)> = vec![(A, head(&from, A)), (B, head(&from, B))];

    let to = open(target.path()).expect("opens");
    let mut rows = Changes::default();
    rows.put(RED, b"row".to_vec(), b"value".to_vec());
    to.import(&records(&of_a[..2]), vec![rows]).expect("imports");
    // Unit by unit: a command comes back with the unit that it was written by.
    let mut second = records(&of_b);
    second[1].command = Some(command(3));
    to.import(&second, Vec::new()).expect("imports");
    assert_eq!((raw(&to, A), raw(&to, B)), (of_a[..2].to_vec(), of_b.clone()));
    assert_eq!(to.resolve(B, command(3)).expect("reads"), Some(Position(1)));
    assert_eq!(head(&to, B), ended[1].1);
    let tip = |log: &FjallLog, tenant, bucket| log.snapshot().bucket_head(tenant, BucketId(bucket)).expect("reads");
    assert_eq!((tip(&to, B, 2), tip(&to, B, 1)), (tip(&from, B, 2), tip(&from, B, 1)));

    to.reopen(&restoring(70), &ended).expect("reopens");
    let event = |tenant, position| {
        let recorded = to.snapshot().record(tenant, Position(position)).expect("reads").expect("is there");
        assert_eq!(recorded.header.epoch, Epoch(70));
        match recorded.body.expect("open").event(&recorded.header).expect("decodes") {
            Event::LogReopened(event) => event,
            event => panic!("{event:?}"),
        }
    };
    let reopened = event(A, 2);
    assert_eq!(reopened.from, Some(EventId { epoch: Epoch(1), position: Position(1) }));
    assert_eq!(reopened.lost, Some(LostRange { first: Position(2), last: Position(2) }));
    assert_eq!((reopened.head, reopened.reason.as_str()), (ledger::leaf(&of_a[1]), "restore"));
    assert_eq!(event(B, 3).lost, None);
    // A reader that had come to the record that is gone finds back to what both know.
    let gone = Cursor { at: EventId { epoch: Epoch(1), position: Position(2) }, leaf: ledger::leaf(&of_a[2]) };
    assert_eq!(to.snapshot().check(A, gone).expect("reads"), CursorState::Diverged { common: Some(Position(1)) });
    commit_one(&to, A, 60);
    drop(to);
    // It opens as any other, after all its checks.
    let to = open(target.path()).expect("opens");
    assert_eq!(to.snapshot().get(RED, b"row").expect("reads"), Some(b"value".to_vec()));
    let mut chain = ledger::Chain::new(A);
    raw(&to, A).iter().for_each(|raw| {
        chain.push(raw).expect("follows");
    });
    // Once more from there: above every epoch that is known, whatever is asked for at least.
    to.reopen(&restoring(9), &[]).expect("reopens");
    assert_eq!(head(&to, A).epoch, Epoch(71));
}

#[test]
fn a_record_that_does_not_follow_is_refused_and_nothing_is_written() {
    let (source, target) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let from = open(source.path()).expect("opens");
    for time in 1..=3 {
        commit_one(&from, A, time);
    }
    let good = raw(&from, A);
    let to = FjallLog::open(target.path(), TABLES, Arc::new(Forgetful::default()), options()).expect("opens");
    let refused = |raws: &[Vec<u8>]| {
        let error = to.import(&records(raws), Vec::new()).expect_err("does not follow");
        assert!(matches!(error, ImportError::Misfit { .. }), "{error}");
        assert_eq!(to.snapshot().log_head(A).expect("reads"), None);
    };
    let mut flipped = good.clone();
    // Only the next record's `prev` can tell: a body that was changed is for the chain and the cipher to find.
    let last = flipped[0].len() - 1;
    flipped[0][last] ^= 1;
    refused(&flipped);
    refused(&[good[0].clone(), good[2].clone()]);
    refused(&[good[1].clone()]);
    refused(&[good[0].clone(), good[0].clone()]);
    refused(&[b"no record".to_vec()]);
    to.import(&records(&good), Vec::new()).expect("imports");
    assert_ne!(to.snapshot().log_head(A).expect("reads").map(|head| head.head), Some(LeafHash::default()));
}
