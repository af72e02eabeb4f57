//! Checkpoints and proofs of a tenant's log, as whoever gets them verifies them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::Refusal;
use domain::point::Point;
use ledger::{Checkpoint, NoteKey, verify_consistency, verify_inclusion};
use pipeline::{Caller, SignedCheckpoint, StoreError, Who};
use schemas::{LeafHash, Position};

use crate::support::{House, refusal};

async fn key(house: &House, caller: &Caller) -> NoteKey {
    house.store.checkpoint_key(caller).await.expect("a key")
}

/// A checkpoint of the log as it is now, verified.
async fn checkpoint(house: &House, caller: &Caller) -> Arc<SignedCheckpoint> {
    house.clock.pass_s(1);
    let signed = house.store.checkpoint(caller).await.expect("a checkpoint");
    assert_eq!(Checkpoint::open(&signed.note, &key(house, caller).await).expect("verifies"), signed.checkpoint);
    signed
}

async fn puts(house: &House, caller: &Caller, count: u32) {
    for number in 0..count {
        house.put(caller, &format!("key-{number}"), b"content").await.expect("put");
    }
}

/// The position that the log's next event gets.
fn head(house: &House, caller: &Caller) -> u64 {
    house.store.position_at(caller, Point::Head).expect("reads").0
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_and_every_growth_is_proved() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let mut seen = vec![checkpoint(&house, &caller).await];
    for count in [1, 60, 3, 10] {
        puts(&house, &caller, count).await;
        seen.push(checkpoint(&house, &caller).await);
    }
    let last = seen.last().expect("some").checkpoint.clone();
    let states = house.store.projection_states(&house.admin).expect("states");
    let tree = states.iter().find(|state| state.name == "tree").expect("the trees are a view");
    assert!(!tree.is_core && tree.position >= last.size, "{tree:?}");
    assert_eq!(last.size, head(&house, &caller));
    for position in 0..last.size {
        let proved = house.store.inclusion(&caller, Position(position), None).await.expect("a proof");
        assert_eq!((proved.size, proved.root), (last.size, last.root));
        verify_inclusion(proved.leaf, position, last.size, &proved.proof, last.root).expect("verifies");
    }
    for before in &seen {
        let before = &before.checkpoint;
        for after in seen.iter().map(|it| &it.checkpoint).filter(|after| after.size >= before.size) {
            let proved = house.store.consistency(&caller, before.size, after.size).await.expect("a proof");
            verify_consistency(before.size, before.root, after.size, after.root, &proved.proof).expect("verifies");
        }
        let proved = house.store.inclusion(&caller, Position(0), Some(before.size)).await.expect("a proof");
        verify_inclusion(proved.leaf, 0, before.size, &proved.proof, before.root).expect("verifies");
    }
    let end = Refusal::PointInFuture { head: Position(last.size) };
    assert_eq!(refusal(house.store.inclusion(&caller, Position(last.size), None).await), end);
    assert_eq!(refusal(house.store.inclusion(&caller, Position(u64::MAX), None).await), end);
    assert_eq!(refusal(house.store.inclusion(&caller, Position(0), Some(last.size + 1)).await), end);
    assert_eq!(refusal(house.store.consistency(&caller, 1, last.size + 1).await), end);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_did_not_grow_gets_no_other_checkpoint_and_one_that_did_waits_a_second() {
    let house = House::with(|options| options.checkpoint_event_s = 86_400);
    let caller = house.with_bucket().await;
    let first = checkpoint(&house, &caller).await;
    house.clock.pass_s(100);
    assert_eq!(house.store.checkpoint(&caller).await.expect("a checkpoint"), first);
    let second = checkpoint_of_a_put(&house, &caller).await;
    assert!(second.checkpoint.size > first.checkpoint.size);
    // The store's clock stands still: nothing may be signed.
    puts(&house, &caller, 1).await;
    let store = house.store.clone();
    let asked = caller.clone();
    let waiting = tokio::spawn(async move { store.checkpoint(&asked).await });
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!waiting.is_finished());
    house.clock.pass_s(1);
    let third = waiting.await.expect("no panic").expect("a checkpoint");
    assert_eq!(third.checkpoint.size, head(&house, &caller));
}

async fn checkpoint_of_a_put(house: &House, caller: &Caller) -> Arc<SignedCheckpoint> {
    puts(house, caller, 1).await;
    checkpoint(house, caller).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_trees_of_their_own_and_the_key_of_one_does_not_open_the_other_s() {
    let house = House::new();
    let (one, other) = (house.with_bucket().await, house.tenant("other").await);
    let (first, second) = (checkpoint(&house, &one).await, checkpoint(&house, &other).await);
    assert_ne!(first.checkpoint.origin, second.checkpoint.origin);
    assert!(first.checkpoint.origin.ends_with(&format!("/t/{}", one.tenant)));
    assert!(Checkpoint::open(&first.note, &key(&house, &other).await).is_err());
    assert_eq!(key(&house, &one).await.public(), key(&house, &other).await.public());
    // Only its administrators read a tenant's history; whoever has a key may verify.
    let reader = Caller { who: scoped(&one.who, "op=read"), ..one.clone() };
    assert_eq!(refusal(house.store.checkpoint(&reader).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.inclusion(&reader, Position(0), None).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.consistency(&reader, 1, 1).await), Refusal::AccessDenied);
    assert_eq!(key(&house, &reader).await, key(&house, &one).await);
    let nobody = Caller { who: Who::Anonymous, ..one.clone() };
    assert_eq!(refusal(house.store.checkpoint_key(&nobody).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.checkpoint(&nobody).await), Refusal::AccessDenied);
}

fn scoped(who: &Who, scopes: &str) -> Who {
    let Who::User { user, display_name, access_key, .. } = who else { panic!("not a user") };
    Who::User {
        user: user.clone(),
        display_name: display_name.clone(),
        access_key: access_key.clone(),
        scopes: scopes.parse().expect("scopes"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_without_the_view_the_same_tree_is_signed_and_grows_on() {
    let house = House::new();
    let caller = house.with_bucket().await;
    puts(&house, &caller, 80).await;
    let before = checkpoint(&house, &caller).await;
    let verifier = key(&house, &caller).await;
    let views = house.path("views");
    let house = house.reopened(|_| std::fs::remove_dir_all(&views).expect("removes"));
    assert_eq!(checkpoint(&house, &caller).await, before);
    assert_eq!(key(&house, &caller).await, verifier);
    let after = checkpoint_of_a_put(&house, &caller).await;
    let proved =
        house.store.consistency(&caller, before.checkpoint.size, after.checkpoint.size).await.expect("a proof");
    let (before, after) = (&before.checkpoint, &after.checkpoint);
    verify_consistency(before.size, before.root, after.size, after.root, &proved.proof).expect("verifies");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_that_signed_before_nothing_is_signed() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let before = checkpoint(&house, &caller).await;
    let (file, aside) = (house.path("keys/checkpoint.key"), house.path("aside"));
    let house = house.reopened(|_| std::fs::rename(&file, &aside).expect("moves"));
    assert!(matches!(house.store.checkpoint(&caller).await, Err(StoreError::Internal { .. })));
    assert!(matches!(house.store.checkpoint_key(&caller).await, Err(StoreError::Internal { .. })));
    assert!(!file.exists(), "no other key is made");
    // The write stands, its receipt does not come.
    let written = house.put(&caller, "key", b"content").await.expect("put");
    assert!(house.store.receipt(&caller, written.position).await.is_none());
    std::fs::copy(&aside, &file).expect("copies");
    assert!(checkpoint(&house, &caller).await.checkpoint.size > before.checkpoint.size);
    let mut bytes = std::fs::read(&file).expect("reads");
    bytes[50] ^= 1;
    let house = house.reopened(|_| std::fs::write(&file, &bytes).expect("damages"));
    assert!(matches!(house.store.checkpoint_key(&caller).await, Err(StoreError::Internal { .. })));
    assert_eq!(std::fs::read(&file).expect("reads"), bytes, "it stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_proves_the_write() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let verifier = key(&house, &caller).await;
    let written = house.put(&caller, "key", b"content").await.expect("put");
    let receipt = house.store.receipt(&caller, written.position).await.expect("a receipt").receipt();
    let json = URL_SAFE_NO_PAD.decode(receipt).expect("base64url");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let hash = |text: &serde_json::Value| {
        let bytes = STANDARD.decode(text.as_str().expect("text")).expect("base64");
        LeafHash(bytes.try_into().expect("32 bytes"))
    };
    let signed = Checkpoint::open(json["checkpoint"].as_str().expect("a note"), &verifier).expect("verifies");
    assert_eq!((json["origin"].as_str(), json["size"].as_u64()), (Some(signed.origin.as_str()), Some(signed.size)));
    let proof: Vec<_> = json["proof"].as_array().expect("a list").iter().map(hash).collect();
    let position = json["position"].as_u64().expect("a number");
    assert_eq!(position, written.position.0);
    verify_inclusion(hash(&json["leafHash"]), position, signed.size, &proof, signed.root).expect("verifies");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_tells_of_its_checkpoints_once_and_then_is_quiet() {
    let house = House::with(|options| options.checkpoint_event_s = 1);
    let caller = house.with_bucket().await;
    puts(&house, &caller, 3).await;
    let before = head(&house, &caller);
    let told = |at: u64| {
        let (house, caller) = (&house, &caller);
        async move {
            for _ in 0..100 {
                house.clock.pass_s(1);
                tokio::time::sleep(Duration::from_millis(100)).await;
                if head(house, caller) > at {
                    return;
                }
            }
            panic!("nothing was told behind {at}");
        }
    };
    told(before).await;
    assert_eq!(head(&house, &caller), before + 1, "one event");
    // More than a minute of the store's, many turns of the process: nothing new is to be told.
    for _ in 0..30 {
        house.clock.pass_s(10);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(head(&house, &caller), before + 1, "an idle log does not grow");
    puts(&house, &caller, 1).await;
    told(before + 2).await;
    assert_eq!(head(&house, &caller), before + 3);
    let (log, _) = house.store.followed();
    let told = |position| {
        let recorded = log.snapshot().record(caller.tenant, Position(position)).expect("reads").expect("is there");
        match recorded.body.expect("open").event(&recorded.header).expect("an event") {
            schemas::event::Event::CheckpointPublished(published) => published,
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (told(before), told(before + 2));
    assert_eq!((first.size, second.size), (before, before + 2));
    house.clock.pass_s(1);
    let proved = house.store.consistency(&caller, first.size, second.size).await.expect("a proof");
    verify_consistency(first.size, first.root, second.size, second.root, &proved.proof).expect("verifies");
}

/// Copies a folder of files, in place of what is there.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().expect("runs");
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_tail_was_lost_is_another_tree() {
    let house = House::new();
    let caller = house.with_bucket().await;
    puts(&house, &caller, 10).await;
    let kept = checkpoint(&house, &caller).await.checkpoint.clone();
    let (core, aside) = (house.path("log/core"), house.path("aside"));
    let house = house.reopened(|_| copy(&core, &aside));
    puts(&house, &caller, 20).await;
    let lost = checkpoint(&house, &caller).await.checkpoint.clone();
    assert_eq!(lost.origin, kept.origin);
    let house = house.reopened(|options| {
        copy(&aside, &core);
        options.accept_lost_tail = true;
    });
    let after = checkpoint(&house, &caller).await.checkpoint.clone();
    assert_eq!(after.origin, format!("{}/e/2", kept.origin));
    assert!(after.size < lost.size, "it begins behind what was kept");
    // The old name opens nothing of the new tree, and the tree goes on from what both know.
    puts(&house, &caller, 30).await;
    let grown = checkpoint(&house, &caller).await.checkpoint.clone();
    let proof = async |from: &Checkpoint| {
        let proved = house.store.consistency(&caller, from.size, grown.size).await.expect("a proof");
        verify_consistency(from.size, from.root, grown.size, grown.root, &proved.proof)
    };
    proof(&kept).await.expect("verifies");
    proof(&after).await.expect("verifies");
    assert!(proof(&lost).await.is_err(), "what was lost is not in it");
    for position in 0..grown.size {
        let proved = house.store.inclusion(&caller, Position(position), None).await.expect("a proof");
        verify_inclusion(proved.leaf, position, grown.size, &proved.proof, grown.root).expect("verifies");
    }
}
