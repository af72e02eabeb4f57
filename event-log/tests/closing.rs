//! What a clean end leaves: a journal of one commit, and everything else in tables.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{A, Forgetful, TABLES, commit_one, draft_of, options};
use event_log::{EventLog, FjallLog, OpenError, Options};
use schemas::{Position, Time};

fn journals(folder: &Path) -> Vec<(PathBuf, u64)> {
    let files = std::fs::read_dir(folder.join("core")).expect("lists");
    let files = files.map(|file| file.expect("lists").path());
    let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "jnl"));
    files.map(|file| (file.clone(), std::fs::metadata(file).expect("is there").len())).collect()
}

fn open(folder: &Path) -> Result<FjallLog, OpenError> {
    let options = Options { write_out_at_end: true, ..options() };
    FjallLog::open(folder, TABLES, Arc::new(Forgetful::default()), options)
}

/// Commits more than a journal may keep; how many records.
fn write(log: &dyn EventLog) -> u64 {
    for time in 0..400 {
        let mut batch = log.begin();
        batch.stage(A, Time(time), vec![draft_of(1, 1, 1_400), draft_of(1, 1, 1_400)], None).expect("stages");
        batch.commit().expect("commits");
    }
    800
}

fn closed(folder: &Path) -> u64 {
    write(&open(folder).expect("opens"))
}

#[test]
fn a_closed_log_has_nothing_to_read_again_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = closed(folder.path());
    let left = journals(folder.path());
    assert!(matches!(left.as_slice(), [(_, bytes)] if (1..10_000).contains(bytes)), "{left:?}");
    for round in 0..3 {
        let log = open(folder.path()).expect("opens again");
        let all = log.snapshot().raw_range(A, Position(0), usize::MAX).expect("reads");
        assert_eq!(all.len() as u64, records + round);
        commit_one(&log, A, records + round);
    }
}

#[test]
fn who_still_reads_keeps_the_journal_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = open(folder.path()).expect("opens");
    let records = write(&log);
    let reader = log.snapshot();
    drop(log);
    let left = journals(folder.path());
    assert!(matches!(left.as_slice(), [(_, bytes)] if *bytes > 1 << 20), "{left:?}");
    assert_eq!(reader.raw_range(A, Position(0), usize::MAX).expect("reads").len() as u64, records);
}

#[test]
fn a_shortened_journal_still_says_what_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    closed(folder.path());
    let (journal, _) = journals(folder.path()).remove(0);
    let whole = std::fs::read(&journal).expect("reads");
    // Without it, or with another one, the log does not open.
    std::fs::remove_file(&journal).expect("removes");
    assert!(matches!(open(folder.path()), Err(OpenError::JournalDamaged { .. })));
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&journal, flipped).expect("writes");
    assert!(matches!(open(folder.path()), Err(OpenError::JournalDamaged { .. })));
    // So it is if a keyspace that it names has lost its tables.
    std::fs::write(&journal, whole).expect("writes");
    std::fs::remove_dir_all(folder.path().join("core/keyspaces/2/tables")).expect("removes");
    assert!(matches!(open(folder.path()), Err(OpenError::DatabaseDamaged { .. })));
}
