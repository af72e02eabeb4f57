//! Stops and damage: whatever happened to the files, what was acknowledged is there, or opening refuses and says why.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::*;
use std::sync::Arc;

use event_log::{Cursor, CursorState, EventLog, FjallLog, LogError, OpenError, Options, Reopening, Snapshot};
use schemas::event::{Event, LostRange};
use schemas::{Epoch, EventId, KeyId, LeafHash, Position, Time};

/// What a log held when it was stopped.
struct Held {
    folder: tempfile::TempDir,
    leaves: Vec<LeafHash>,
}

/// Makes a log of `records`; a clean one is closed, the other copied while open, as a crash would leave it.
fn held(records: u64, clean: bool) -> Held {
    let live = tempfile::tempdir().expect("a folder");
    let log = open(live.path()).expect("opens");
    for time in 0..records {
        commit_one(&log, A, time);
    }
    let snapshot = log.snapshot();
    let raw = snapshot.raw_range(A, Position(0), usize::MAX).expect("reads");
    let leaves = raw.iter().map(|raw| ledger::leaf(raw)).collect();
    drop(snapshot);
    if clean {
        drop(log);
    }
    Held { folder: copy(live.path()), leaves }
}

fn copy(from: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy_into(from, folder.path());
    folder
}

/// Copies a folder; of a file's zeros at the end only some, so that preallocated journals stay small.
fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("reads").is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            let mut bytes = fs::read(entry.path()).expect("reads");
            let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            bytes.truncate((used + 10_000).min(bytes.len()));
            fs::write(target, bytes).expect("writes");
        }
    }
}

fn newest_journal(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("core")).expect("reads").map(|entry| entry.expect("reads").path());
    let journals = files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    journals.max().expect("a journal")
}

/// Offsets at which batches end: behind each trailer.
fn batch_ends(journal: &[u8]) -> Vec<usize> {
    (4..=journal.len()).filter(|&end| &journal[end - 4..end] == b"FJL\x03").collect()
}

/// Checks that a log holds the first records there were, at least `least`, and a row for each, and takes more.
fn check_whole(folder: &Path, leaves: &[LeafHash], least: usize) -> usize {
    let log = open(folder).unwrap_or_else(|error| panic!("must open: {error}"));
    let snapshot = log.snapshot();
    let found = check_prefix(snapshot.as_ref(), leaves).unwrap_or_else(|error| panic!("must read: {error}"));
    assert!(found >= least, "{found} records of {least} acknowledged");
    drop(snapshot);
    assert_eq!(commit_one(&log, A, 1_000), Position(found as u64));
    found
}

fn check_prefix(snapshot: &dyn Snapshot, leaves: &[LeafHash]) -> Result<usize, LogError> {
    let raw = snapshot.raw_range(A, Position(0), usize::MAX)?;
    assert!(raw.len() <= leaves.len());
    for (position, (raw, leaf)) in raw.iter().zip(leaves).enumerate() {
        assert_eq!(ledger::leaf(raw), *leaf, "position {position} holds something else");
        let key = [A.0.to_be_bytes(), (position as u64).to_be_bytes()].concat();
        assert_eq!(snapshot.get(RED, &key)?.map(|row| row.len()), Some(100));
    }
    Ok(raw.len())
}

#[test]
fn after_a_crash_everything_acknowledged_is_there() {
    let held = held(20, false);
    assert_eq!(check_whole(held.folder.path(), &held.leaves, 20), 20);
    // And again, after that orderly close.
    let log = open(held.folder.path()).expect("opens");
    assert_eq!(log.snapshot().log_head(A).expect("reads").expect("is there").next, Position(21));
}

#[test]
fn a_last_batch_cut_at_any_byte_is_dropped_alone() {
    let held = held(4, false);
    let journal = newest_journal(held.folder.path());
    let good = fs::read(&journal).expect("reads");
    let ends = batch_ends(&good);
    let (from, to) = (ends[ends.len() - 2], ends[ends.len() - 1]);
    // Every byte of both ends of the batch, and a few between; cut short, and zeros where the rest was.
    let cuts = (from..to).filter(|cut| cut - from < 20 || to - cut < 20 || (cut - from) % 97 == 0);
    for cut in cuts {
        for zeros in [0, 9_000] {
            let folder = copy(held.folder.path());
            let torn = [&good[..cut], &vec![0; zeros]].concat();
            fs::write(newest_journal(folder.path()), torn).expect("writes");
            assert_eq!(check_whole(folder.path(), &held.leaves, 3), 3, "cut at {cut}");
        }
    }
}

#[test]
fn after_a_clean_close_nothing_may_be_missing() {
    let held = held(4, true);
    let folder = copy(held.folder.path());
    let journal = newest_journal(folder.path());
    let good = fs::read(&journal).expect("reads");
    let ends = batch_ends(&good);
    for missing in 1..ends.len() {
        let cut = ends[ends.len() - 1 - missing];
        fs::write(&journal, &good[..cut]).expect("writes");
        let Err(error) = open(folder.path()) else { panic!("opens with {missing} commits missing") };
        // One commit for the tables, then four.
        let expected = 5 - missing as u64;
        assert!(
            matches!(error, OpenError::TailLost { commit_on_disk, commit_in_head: 5, .. } if commit_on_disk == expected),
            "{error}"
        );
        // Refused before anything was changed.
        assert_eq!(fs::read(&journal).expect("reads").len(), cut);
    }
    // Put back, it opens.
    fs::write(&journal, &good).expect("writes");
    check_whole(folder.path(), &held.leaves, 4);
}

#[test]
fn a_second_after_a_commit_its_loss_is_noticed_even_after_a_crash() {
    let live = tempfile::tempdir().expect("a folder");
    let log = open(live.path()).expect("opens");
    for time in 0..3 {
        commit_one(&log, A, time);
    }
    // Nobody writes to B: this only lets time pass.
    assert!(!log.wait(B, Position(0), 1_300));
    let folder = copy(live.path());
    let journal = newest_journal(folder.path());
    let good = fs::read(&journal).expect("reads");
    let ends = batch_ends(&good);
    fs::write(&journal, &good[..ends[ends.len() - 2]]).expect("writes");
    let Err(error) = open(folder.path()) else { panic!("opens without its last commit") };
    assert!(matches!(error, OpenError::TailLost { commit_on_disk: 3, commit_in_head: 4, .. }), "{error}");
}

fn journals(folder: &Path) -> usize {
    let names = fs::read_dir(folder.join("core")).expect("reads").map(|entry| entry.expect("reads").path());
    names.filter(|name| name.extension().is_some_and(|extension| extension == "jnl")).count()
}

/// A closed log of two journals, and how many commits it has. None when the engine wrote its tables out first and removed
/// the older journal.
fn rotated() -> Option<(tempfile::TempDir, u64)> {
    let live = tempfile::tempdir().expect("a folder");
    let log = open(live.path()).expect("opens");
    let mut commits = 0;
    while journals(live.path()) < 2 {
        let mut batch = log.begin();
        for unit in 0..8_u64 {
            let mut changes = event_log::Changes::default();
            for row in 0..170_u64 {
                changes.put(RED, [A.0, commits * 8 + unit, row].map(u64::to_be_bytes).concat(), vec![7; 2_900]);
            }
            batch.change(changes).expect("changes");
        }
        batch.stage(A, Time(commits), vec![draft(1)], None).expect("stages");
        batch.commit().expect("commits");
        commits += 1;
        assert!(commits < 60, "a journal is rotated after 64 MB");
    }
    commit_one(&log, A, commits);
    // Closing writes no table out: what was in memory is in the journals alone.
    drop(log);
    let folder = copy(live.path());
    (journals(folder.path()) == 2).then_some((folder, commits))
}

#[test]
fn journals_that_were_rotated_are_walked_too() {
    let (folder, commits) = (0..20).find_map(|_| rotated()).expect("two journals in one of many tries");
    // A flip in the older journal, far from its end.
    let oldest = fs::read_dir(folder.path().join("core")).expect("reads").map(|entry| entry.expect("reads").path());
    let oldest = oldest.filter(|name| name.extension().is_some_and(|extension| extension == "jnl")).min();
    let oldest = oldest.expect("a journal");
    let good = fs::read(&oldest).expect("reads");
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&oldest, bad).expect("writes");
    assert!(matches!(open(folder.path()), Err(OpenError::JournalDamaged { file, .. }) if file == oldest));
    fs::write(&oldest, good).expect("writes");
    let again = open(folder.path()).expect("opens");
    let head = again.snapshot().log_head(A).expect("reads").expect("is there");
    assert_eq!(head.next, Position(commits + 1));
}

/// The numbers of the journals in a log's folder.
fn journal_numbers(folder: &Path) -> Vec<u64> {
    let names = fs::read_dir(folder.join("core")).expect("reads").map(|entry| entry.expect("reads").path());
    let journals = names.filter(|name| name.extension().is_some_and(|extension| extension == "jnl"));
    let number = |name: PathBuf| name.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
    let mut numbers: Vec<u64> = journals.map(|name| number(name).expect("a number")).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn the_oldest_journal_may_go_when_tables_have_its_commits_and_not_before() {
    let live = tempfile::tempdir().expect("a folder");
    let big = |log: &FjallLog, number: u64| {
        let mut batch = log.begin();
        for unit in 0..8_u64 {
            let mut changes = event_log::Changes::default();
            for row in 0..170_u64 {
                changes.put(RED, [A.0, number * 8 + unit, row].map(u64::to_be_bytes).concat(), vec![7; 2_900]);
            }
            batch.change(changes).expect("changes");
        }
        batch.stage(A, Time(number), vec![draft(1)], None).expect("stages");
        batch.commit().expect("commits");
    };
    let mut commits = 0;
    // Closed at the end: nothing comes or goes while it is copied.
    let mut write_until = |done: &dyn Fn(&[u64]) -> bool| {
        let log = open(live.path()).expect("opens");
        while !done(&journal_numbers(live.path())) {
            big(&log, commits);
            commits += 1;
            assert!(commits < 200, "journals come and go within 64 MB each");
        }
        commits
    };
    // Closing may let the engine write its tables out and remove the older journal: then there is another chance.
    let both = loop {
        write_until(&|numbers| numbers.len() == 2);
        let both = copy(live.path());
        if journal_numbers(both.path()).len() == 2 {
            break both;
        }
    };
    let oldest = both.path().join(format!("core/{}.jnl", journal_numbers(both.path())[0]));
    fs::remove_file(&oldest).expect("removes");
    // The newest journal may have written every head row again: then only the joint shows what is missing. When it has no
    // commit yet, the head file does.
    let Err(error) = open(both.path()) else { panic!("opens without its oldest journal") };
    let named = match &error {
        OpenError::JournalDamaged { what, .. } => what.contains("older journal"),
        OpenError::TailLost { .. } => true,
        _ => false,
    };
    assert!(named, "{error}");

    // The engine itself removes a journal when tables have all of it.
    let first = journal_numbers(live.path())[0];
    let commits = write_until(&|numbers| numbers[0] > first);
    let log = open(live.path()).expect("opens");
    assert_eq!(log.snapshot().log_head(A).expect("reads").expect("is there").next, Position(commits));
}

#[test]
fn a_table_that_is_gone_is_named_and_nothing_is_changed() {
    let live = tempfile::tempdir().expect("a folder");
    let log = open(live.path()).expect("opens");
    let tables = |folder: &Path| {
        let mut files = Vec::new();
        list(&folder.join("core/keyspaces"), &mut files);
        files.retain(|file| file.parent().is_some_and(|parent| parent.ends_with("tables")));
        files
    };
    for number in 0..1_000 {
        let mut batch = log.begin();
        batch.stage(A, Time(number), vec![draft_of(1, 1, 2_500); 40], None).expect("stages");
        batch.commit().expect("commits");
        if tables(live.path()).len() > 6 {
            break;
        }
    }
    drop(log);
    for table in tables(live.path()) {
        let folder = copy(live.path());
        let table = folder.path().join(table.strip_prefix(live.path()).expect("is inside"));
        fs::remove_file(&table).expect("removes");
        let left = tables(folder.path());
        let Err(error) = open(folder.path()) else { panic!("opens without {}", table.display()) };
        assert!(matches!(&error, OpenError::DatabaseDamaged { file, .. } if *file == table), "{error}");
        assert_eq!(tables(folder.path()), left, "nothing was changed");
    }
}

#[test]
fn a_commit_missing_in_the_middle_is_damage() {
    let held = held(5, false);
    let good = fs::read(newest_journal(held.folder.path())).expect("reads");
    let ends = batch_ends(&good);
    for hole in 1..ends.len() - 1 {
        let folder = copy(held.folder.path());
        let journal = newest_journal(folder.path());
        let holed = [&good[..ends[hole - 1]], &good[ends[hole]..]].concat();
        fs::write(&journal, &holed).expect("writes");
        let Err(error) = open(folder.path()) else { panic!("opens without commit {hole}") };
        assert!(matches!(&error, OpenError::JournalDamaged { file, .. } if *file == journal), "{error}");
        assert_eq!(fs::read(&journal).expect("reads"), holed, "nothing was changed");
    }
}

#[test]
fn a_bit_flipped_in_a_journal_is_named_and_nothing_is_changed() {
    let held = held(6, false);
    let good = fs::read(newest_journal(held.folder.path())).expect("reads");
    let end = *batch_ends(&good).last().expect("batches");
    let folder = copy(held.folder.path());
    let journal = newest_journal(folder.path());
    let (mut damaged, mut harmless) = (0, 0);
    for byte in (0..end).step_by(13).chain(0..30).chain(end - 20..end) {
        let mut bad = good.clone();
        bad[byte] ^= 1 << (byte % 8);
        fs::write(&journal, &bad).expect("writes");
        match open(folder.path()) {
            Err(OpenError::JournalDamaged { file, .. }) => {
                assert_eq!(file, journal);
                assert_eq!(fs::read(&journal).expect("reads"), bad, "byte {byte}: nothing was changed");
                damaged += 1;
            }
            Err(error) => panic!("byte {byte}: {error}"),
            // A sequence number that still lies between its neighbours' changes nothing.
            Ok(log) => {
                assert_eq!(check_prefix(log.snapshot().as_ref(), &held.leaves).expect("reads"), 6, "byte {byte}");
                drop(log);
                fs::remove_dir_all(folder.path()).expect("removes");
                copy_into(held.folder.path(), folder.path());
                harmless += 1;
            }
        }
    }
    assert!(damaged > 200 && harmless < 8, "{damaged} damaged, {harmless} harmless");
}

#[test]
fn a_damaged_or_missing_head_file_is_named() {
    let held = held(3, true);
    let folder = copy(held.folder.path());
    let head = folder.path().join("HEAD");
    let good = fs::read(held.folder.path().join("HEAD")).expect("reads");
    for slot in [0, 4_096] {
        let mut bad = good.clone();
        bad[slot + 20] ^= 1;
        fs::write(&head, &bad).expect("writes");
        // The other slot says the same.
        assert_eq!(
            check_prefix(open(folder.path()).expect("opens").snapshot().as_ref(), &held.leaves).expect("reads"),
            3
        );
    }
    let mut bad = good.clone();
    bad[20] ^= 1;
    bad[4_096 + 20] ^= 1;
    for bytes in [Some(bad), None] {
        match bytes {
            Some(bytes) => fs::write(&head, bytes).expect("writes"),
            None => fs::remove_file(&head).expect("removes"),
        }
        let Err(error) = open(folder.path()) else { panic!("opens with a damaged head file") };
        assert!(matches!(&error, OpenError::HeadDamaged { file, .. } if *file == head), "{error}");
    }
}

#[test]
fn a_database_that_is_gone_or_older_than_the_head_file_is_refused() {
    let held = held(3, true);
    let older = copy(held.folder.path());
    {
        let log = open(held.folder.path()).expect("opens");
        commit_one(&log, A, 50);
    }
    // The database of yesterday under today's head file.
    let mixed = copy(held.folder.path());
    fs::remove_dir_all(mixed.path().join("core")).expect("removes");
    copy_into(&older.path().join("core"), &mixed.path().join("core"));
    let Err(error) = open(mixed.path()) else { panic!("opens an older database") };
    assert!(matches!(error, OpenError::TailLost { commit_on_disk: 4, commit_in_head: 5, .. }), "{error}");
    fs::remove_dir_all(mixed.path().join("core")).expect("removes");
    let Err(error) = open(mixed.path()) else { panic!("opens without a database") };
    assert!(matches!(error, OpenError::TailLost { commit_on_disk: 0, commit_in_head: 5, .. }), "{error}");
    assert!(!mixed.path().join("core").exists(), "nothing was made in its place");
}

#[test]
fn a_new_table_joins_and_a_lost_one_is_missed() {
    let held = held(3, true);
    let green = event_log::Table { name: "green" };
    let tables = [RED, BLUE, green];
    let cipher = || std::sync::Arc::new(Forgetful::default());
    for _ in 0..2 {
        let log = event_log::FjallLog::open(held.folder.path(), &tables, cipher(), options()).expect("opens");
        commit_one(&log, A, 9);
    }
    // Left out for a while, it stands where it stood then.
    commit_one(&open(held.folder.path()).expect("opens"), A, 10);
    let Err(error) = event_log::FjallLog::open(held.folder.path(), &tables, cipher(), options()) else {
        panic!("opens with a table of another time");
    };
    assert!(matches!(&error, OpenError::TableDisagrees { table, .. } if table == "green"), "{error}");
}

#[test]
fn a_bit_flipped_in_any_file_of_the_database_is_an_error_or_harmless() {
    // Enough for tables to be written out: 1 MiB memtables, rows of 2.9 KB.
    let live = tempfile::tempdir().expect("a folder");
    let mut expected = Vec::new();
    {
        let log = open(live.path()).expect("opens");
        for round in 0..12_u64 {
            let mut batch = log.begin();
            batch.stage(A, schemas::Time(round), vec![draft_of(1, 1, 2_500); 40], None).expect("stages");
            let mut changes = event_log::Changes::default();
            for row in 0..50_u64 {
                let key = [A.0.to_be_bytes(), (round * 50 + row).to_be_bytes()].concat();
                changes.put(RED, key, vec![row as u8; 2_500]);
            }
            batch.change(changes).expect("changes");
            batch.commit().expect("commits");
        }
        let snapshot = log.snapshot();
        expected.extend(snapshot.raw_range(A, Position(0), usize::MAX).expect("reads"));
    }
    // Small once, so that its many copies are quick.
    let live = copy(live.path());
    let mut files = Vec::new();
    list(&live.path().join("core"), &mut files);
    let tables = files.iter().filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tables"))).count();
    assert!(tables >= 2, "some tables were written out: {files:?}");
    files.retain(|file| file.extension().is_none_or(|extension| extension != "jnl"));
    let (mut refused, mut wrong_read, mut right) = (0, 0, 0);
    for file in &files {
        let length = fs::metadata(file).expect("reads").len() as usize;
        let places = [0, length / 3, length.saturating_sub(40)];
        for place in places.into_iter().filter(|&place| place < length) {
            let folder = copy(live.path());
            let target = folder.path().join(file.strip_prefix(live.path()).expect("is inside"));
            let mut bytes = fs::read(&target).expect("reads");
            bytes.resize(length, 0);
            bytes[place] ^= 0x10;
            fs::write(&target, bytes).expect("writes");
            match open(folder.path()) {
                Err(_) => refused += 1,
                Ok(log) => {
                    let snapshot = log.snapshot();
                    let rows: Result<Vec<_>, _> = event_log::prefix(snapshot.as_ref(), RED, b"").collect();
                    match (snapshot.raw_range(A, Position(0), usize::MAX), rows) {
                        (Ok(raw), Ok(rows)) => {
                            assert!(raw == expected, "{} byte {place}: wrong records", file.display());
                            assert_eq!(rows.len(), 600, "{} byte {place}: wrong rows", file.display());
                            assert!(rows.iter().all(|(key, value)| value[0]
                                == (u64::from_be_bytes(key[8..].try_into().expect("eight bytes")) % 50) as u8));
                            for (key, value) in rows.iter().step_by(7) {
                                // A damaged filter must not hide a row: found, or an error.
                                let found = snapshot.get(RED, key);
                                assert!(found.is_err() || found.is_ok_and(|found| found.as_ref() == Some(value)));
                            }
                            right += 1;
                        }
                        _ => wrong_read += 1,
                    }
                }
            }
        }
    }
    assert!(refused + wrong_read > 10, "{refused} refused, {wrong_read} found when read, {right} harmless");
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("reads") {
        let path = entry.expect("reads").path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

#[test]
fn an_accepted_loss_begins_a_new_epoch_of_every_log() {
    let live = tempfile::tempdir().expect("a folder");
    {
        let log = open(live.path()).expect("opens");
        for (tenant, time) in [(A, 1), (B, 2), (A, 3), (A, 4)] {
            commit_one(&log, tenant, time);
        }
    }
    let before: Vec<Cursor> = {
        let log = open(live.path()).expect("opens");
        let raw = log.snapshot().raw_range(A, Position(0), 9).expect("reads");
        let at = |position| EventId { epoch: Epoch(1), position: Position(position) };
        (0..).zip(&raw).map(|(position, raw)| Cursor { at: at(position), leaf: ledger::leaf(raw) }).collect()
    };
    // The last two commits are lost.
    let journal = newest_journal(live.path());
    let good = fs::read(&journal).expect("reads");
    let ends = batch_ends(&good);
    fs::write(&journal, &good[..ends[ends.len() - 3]]).expect("writes");
    assert!(matches!(open(live.path()), Err(OpenError::TailLost { commit_on_disk: 3, commit_in_head: 5, .. })));

    let reopening = Reopening {
        time: Time(50),
        context: context(),
        reason: "tail loss accepted".to_owned(),
        epoch_min: Epoch(0),
        key: Arc::new(|_| Some(KeyId(1))),
    };
    let accepting = Options { accept_lost_tail: Some(reopening), ..options() };
    let log = FjallLog::open(live.path(), TABLES, Arc::new(Forgetful::default()), accepting.clone()).expect("opens");
    let snapshot = log.snapshot();
    let reopened = |tenant, position| {
        let recorded = snapshot.record(tenant, Position(position)).expect("reads").expect("is there");
        assert_eq!(recorded.header.epoch, Epoch(2));
        match recorded.body.expect("open").event(&recorded.header).expect("decodes") {
            Event::LogReopened(event) => event,
            event => panic!("{event:?}"),
        }
    };
    let event = reopened(A, 1);
    assert_eq!(event.from, Some(before[0].at));
    assert_eq!(event.head, before[0].leaf);
    assert_eq!(event.lost, Some(LostRange { first: Position(1), last: Position(2) }));
    assert_eq!(reopened(B, 1).lost, None);
    // Whoever had read further finds back to what both know.
    assert_eq!(snapshot.check(A, before[0]).expect("reads"), CursorState::Valid);
    for lost in &before[1..] {
        let state = snapshot.check(A, *lost).expect("reads");
        assert_eq!(state, CursorState::Diverged { common: Some(Position(0)) });
    }
    let mut chain = ledger::Chain::new(A);
    for raw in snapshot.raw_range(A, Position(0), 9).expect("reads") {
        chain.push(&raw).expect("follows");
    }
    drop(snapshot);
    commit_one(&log, A, 60);
    drop(log);
    // Accepting again loses nothing and begins nothing.
    let log = FjallLog::open(live.path(), TABLES, Arc::new(Forgetful::default()), accepting).expect("opens");
    let head = log.snapshot().log_head(A).expect("reads").expect("is there");
    assert_eq!((head.epoch, head.next), (Epoch(2), Position(3)));
    drop(log);
    open(live.path()).expect("opens as any other");
}
