//! Exports of a real store, verified, and changed in every way that can be thought of.

mod forge;
mod house;
mod mutations;

use std::io::Cursor;

use ledger::export::Fault;
use ledger::{NoteKey, NoteSigner};
use schemas::Position;
use schemas::event::{Event, Retention, RetentionMode, RetentionSet, VersionRemoved};
use schemas::{Time, VersionId};

use super::container::{Container, Member};
use super::verify::{Sound, verify, verify_members};
use forge::{Forger, archive};
use house::House;

fn members_of(file: &[u8]) -> Vec<Member> {
    let mut container = Container::open(Cursor::new(file)).expect("an archive");
    let mut members = Vec::new();
    while let Some(member) = container.next().expect("reads") {
        members.push(member);
    }
    members
}

fn check(members: &[Member], key: &NoteKey) -> Result<Sound, Fault> {
    let mut members = members.iter().cloned();
    verify_members(&mut || Ok(members.next()), key, &mut |_| {})
}

fn key_of(members: &[Member]) -> NoteKey {
    let key = members.iter().find(|member| member.name == ledger::export::KEY).expect("a key");
    std::str::from_utf8(&key.content).expect("text").trim().parse().expect("a key")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_s_export_is_sound_and_says_what_happened() {
    let house = House::new().await;
    let file = house.export(None, None, None).await;
    let members = members_of(&file);
    let sound = verify(Cursor::new(&file), &key_of(&members), &mut |_| {}).expect("sound");
    assert_eq!((sound.scope.from, sound.scope.to), (Position(0), Position(sound.size)));
    assert_eq!((sound.proven.records, sound.unchecked, sound.untold), (sound.size, 0, 1));
    let lines = members.iter().filter(|member| member.name.ends_with("lines.jsonl"));
    let lines: Vec<serde_json::Value> = lines
        .flat_map(|member| std::str::from_utf8(&member.content).expect("text").lines())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len() as u64, sound.size);
    for (position, line) in lines.iter().enumerate() {
        assert_eq!(line["position"], position, "{line}");
    }
    let put = lines.iter().find(|line| line["object"] == "kept").expect("it was put");
    assert_eq!((&put["type"], &put["actor"]["user"]), (&"VersionCommitted".into(), &"user".into()));
    assert_eq!(put["payload"]["retention"]["mode"], "Compliance", "{put}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_s_export_has_its_records_alone_and_is_proved_complete() {
    let house = House::new().await;
    let file = house.export(Some("data"), None, None).await;
    let members = members_of(&file);
    let sound = check(&members, &key_of(&members)).expect("sound");
    let all = members_of(&house.export(None, None, None).await);
    let of_bucket =
        archive::records(&all).into_iter().filter(|record| Some(record.header.bucket) == sound.scope.bucket);
    assert_eq!(sound.proven.records, of_bucket.count() as u64);
    let shown = archive::records(&members);
    let others = shown.iter().filter(|record| Some(record.header.bucket) != sound.scope.bucket);
    let others: Vec<u16> = others.map(|record| record.header.event_type).collect();
    assert_eq!(others, [2], "one seal and nothing else");
    let Event::LogSealed(seal) = shown.last().expect("a seal").event() else { panic!("the last is the seal") };
    assert_eq!(seal.changed.len(), 1, "it names no other bucket");
    // Again, with nothing new in the bucket: its last record is covered by a new seal.
    let again = members_of(&house.export(Some("data"), None, None).await);
    let again = check(&again, &key_of(&members)).expect("sound");
    assert!(again.proven.complete_to > sound.proven.complete_to);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_window_of_a_log_and_of_a_bucket_is_sound() {
    let house = House::new().await;
    let all = members_of(&house.export(None, None, None).await);
    let (key, size) = (key_of(&all), check(&all, &key_of(&all)).expect("sound").size);
    for (from, to) in [(0, 0), (0, 1), (1, 2), (3, 11), (7, size), (size, size), (0, size), (size / 2, size - 2)] {
        for bucket in [None, Some("data")] {
            let members = members_of(&house.export(bucket, Some(from), Some(to)).await);
            let sound = check(&members, &key).unwrap_or_else(|fault| panic!("{bucket:?} {from} {to}: {fault}"));
            assert_eq!((sound.scope.from, sound.scope.to), (Position(from), Position(to)), "{bucket:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_out_of_a_bucket_s_export_is_missed_even_when_the_proof_is_made_anew() {
    let house = House::new().await;
    let all = members_of(&house.export(Some("data"), None, None).await);
    let log = archive::records(&members_of(&house.export(None, None, None).await));
    let scope = check(&all, &key_of(&all)).expect("sound").scope;
    let shown = archive::records(&all);
    let build = |without: &[usize]| {
        let left = shown.iter().enumerate().filter(|(index, _)| !without.contains(index)).map(|(_, record)| record);
        archive::build(&all, scope, &log, &left.cloned().collect::<Vec<_>>())
    };
    let (members, signer) = build(&[]);
    check(&members, signer.key()).expect("as it was");
    let last = shown.len() - 2;
    for (without, expected) in [
        (vec![0], "the bucket's records before number 1 are missing"),
        (vec![last], "the seal at position"),
        (vec![last, last + 1], "complete up to nothing"),
        (vec![last + 1], "complete up to nothing"),
    ] {
        let (members, signer) = build(&without);
        match check(&members, signer.key()) {
            Err(Fault::Incomplete { what }) => assert!(what.contains(expected), "{what}"),
            other => panic!("{without:?}: {other:?}"),
        }
    }
    let (members, signer) = build(&[3]);
    let at = Some(shown[4].header.position);
    assert!(matches!(check(&members, signer.key()), Err(Fault::Tampered { position, .. }) if position == at));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_another_log_and_a_cut_file_are_told_apart() {
    let house = House::new().await;
    let file = house.export(None, None, None).await;
    let members = members_of(&file);
    let key = key_of(&members);
    // Signed again by somebody else, with all that follows from it.
    let scope = check(&members, &key).expect("sound").scope;
    let (forged, signer) = archive::build(&members, scope, &archive::records(&members), &archive::records(&members));
    check(&forged, signer.key()).expect("sound under the forger's key");
    assert!(matches!(check(&forged, &key), Err(Fault::Tampered { position: None, .. })));
    let other = NoteSigner::new(key.name(), &[9; 32]).expect("a key");
    assert!(matches!(check(&members, other.key()), Err(Fault::Tampered { .. })));
    for cut in [0, 1, 100, file.len() / 2, file.len() - 1] {
        let found = verify(Cursor::new(&file[..cut]), &key, &mut |_| {});
        assert!(matches!(found, Err(Fault::Incomplete { .. })), "{cut}: {found:?}");
    }
    let with_more = [file.as_slice(), &[0]].concat();
    verify(Cursor::new(&with_more), &key, &mut |_| {}).expect_err("more than an archive");
    for end in 1..members.len() {
        let found = check(&members[..end], &key);
        assert!(matches!(found, Err(Fault::Incomplete { .. })), "{end}: {found:?}");
    }
}

/// A log that somebody wrote who has all keys, and obeys no lock.
#[test]
fn a_removal_that_a_lock_forbade_is_found_though_everything_else_fits() {
    let mut forger = Forger::new();
    let until = |until| Some(Retention { mode: RetentionMode::Compliance, until: Time(until) });
    let kept = forger.commit(until(10_000));
    let ended = forger.commit(until(1));
    let version = |made_by| VersionId::of(made_by, false);
    let removed = |made_by| VersionRemoved { version: version(made_by), made_by, was_marker: false, size_bytes: 0 };
    forger.write(removed(ended).into());
    forger.sound();
    let mut removing = forger.clone();
    let at = removing.write(removed(kept).into()).position;
    removing.tampered(at, "it removes a version that a lock kept");
    let retention = None;
    let at =
        forger.write(RetentionSet { version: version(kept), made_by: kept, retention, bypass: true }.into()).position;
    forger.tampered(at, "it ends a retention that held");
}

#[test]
fn what_is_not_disclosed_is_counted() {
    let mut forger = Forger::new();
    forger.commit(None);
    forger.commit(None);
    forger.hide(1);
    assert_eq!(forger.sound().unchecked, 1);
}
