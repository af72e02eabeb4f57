//! Requests with idempotency keys: carried out once, answered as often as they come.

use pipeline::{Answer, Caller, Fingerprint, Pending, PutObject, Repeated, is_idempotency_key};

use crate::support::{House, body, bucket, put_request};
use schemas::event::Versioning;

const DAY_S: u64 = 24 * 3_600;

fn answer(body: &[u8]) -> Answer {
    Answer { status: 201, headers: vec![("etag".to_owned(), "\"e\"".to_owned())], body: body.to_vec() }
}

fn fresh(house: &House, caller: &Caller, key: &str, fingerprint: u8) -> Pending {
    match house.store.idempotent(caller, key, [fingerprint; 32]).expect("reads") {
        Repeated::Fresh(pending) => pending,
        other => panic!("{}", what(&other)),
    }
}

fn what(repeated: &Repeated) -> &'static str {
    match repeated {
        Repeated::Fresh(_) => "fresh",
        Repeated::Answered(_) => "answered",
        Repeated::InProgress => "in progress",
        Repeated::Reused => "reused",
    }
}

fn asked(house: &House, caller: &Caller, key: &str, fingerprint: u8) -> &'static str {
    what(&house.store.idempotent(caller, key, [fingerprint; 32]).expect("reads"))
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_another_request_none() {
    let house = House::new();
    let (mine, theirs) = (house.tenant("mine").await, house.tenant("theirs").await);
    let secret = b"the text of a secret that an answer says once".repeat(400);
    let pending = fresh(&house, &mine, "key", 1);
    assert_eq!(asked(&house, &mine, "key", 1), "in progress");
    assert_eq!(asked(&house, &mine, "key", 2), "in progress");
    assert_eq!(asked(&house, &mine, "other key", 1), "fresh");
    assert_eq!(asked(&house, &theirs, "key", 1), "fresh");
    pending.finish(&mine, &answer(&secret)).await.expect("kept");
    let house = house.reopened(|_| {});
    match house.store.idempotent(&mine, "key", [1; 32]).expect("reads") {
        Repeated::Answered(kept) => assert_eq!(kept, answer(&secret)),
        other => panic!("{}", what(&other)),
    }
    assert_eq!(asked(&house, &mine, "key", 2), "reused");
    assert_eq!(asked(&house, &theirs, "key", 1), "fresh");
    assert!(!house.on_disk().iter().any(|file| file.windows(20).any(|bytes| bytes == &secret[..20])), "kept sealed");
}

#[tokio::test]
async fn what_failed_may_be_tried_again() {
    let house = House::new();
    let caller = house.tenant("mine").await;
    drop(fresh(&house, &caller, "key", 1));
    assert_eq!(asked(&house, &caller, "key", 2), "fresh");
}

#[tokio::test]
async fn an_answer_is_given_for_a_day() {
    let house = House::new();
    let caller = house.tenant("mine").await;
    fresh(&house, &caller, "key", 1).finish(&caller, &answer(b"1")).await.expect("kept");
    house.clock.pass_s(DAY_S - 1);
    assert_eq!(asked(&house, &caller, "key", 1), "answered");
    house.clock.pass_s(1);
    fresh(&house, &caller, "key", 2).finish(&caller, &answer(b"2")).await.expect("kept");
    assert_eq!(asked(&house, &caller, "key", 1), "reused");
}

#[tokio::test]
async fn an_answer_too_large_to_keep_is_not_kept() {
    let house = House::new();
    let caller = house.tenant("mine").await;
    fresh(&house, &caller, "key", 1).finish(&caller, &answer(&[7; 300_000])).await.expect("no error");
    assert_eq!(asked(&house, &caller, "key", 1), "fresh");
    fresh(&house, &caller, "key", 1).finish(&caller, &answer(&[7; 200_000])).await.expect("kept");
    assert_eq!(asked(&house, &caller, "key", 1), "answered");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_the_same_write_still() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("set");
    let write = async |pending: &Pending| {
        let request = PutObject { command: Some(pending.command()), ..put_request("bucket", "key") };
        house.store.put_object(&caller, request, body(b"content")).await.expect("put").version
    };
    // Begun a second before midnight.
    house.clock.pass_s(DAY_S - 1_800_000_000 % DAY_S - 1);
    let first = write(&fresh(&house, &caller, "key", 1)).await;
    house.clock.pass_s(2);
    assert_eq!(write(&fresh(&house, &caller, "key", 1)).await, first, "not answered, and not made again");
    house.clock.pass_s(DAY_S);
    assert_ne!(write(&fresh(&house, &caller, "key", 1)).await, first, "a day later it is another request");
}

#[test]
fn a_fingerprint_stays_what_it_is_where_answers_are_kept() {
    let of = |headers: [(&str, &[u8]); 3]| {
        let mut fingerprint = Fingerprint::default();
        fingerprint.text("one");
        fingerprint.text("");
        fingerprint.headers(headers);
        hex::encode(fingerprint.finish())
    };
    let said = of([("b", b"2"), ("a", b"1"), ("b", b"1")]);
    assert_eq!(said, "0d6cf13e9f2058d7c1a8a34844aeee3acac650177fa5721d08cdf637e77eea93");
    assert_eq!(of([("b", b"1"), ("b", b"2"), ("a", b"1")]), said, "headers in another order");
    assert_ne!(of([("b", b"1"), ("b", b"2"), ("a", b"2")]), said, "a header that says another thing");
}

#[test]
fn a_key_is_1_to_255_visible_characters() {
    for key in ["a", "~!", &"k".repeat(255)] {
        assert!(is_idempotency_key(key), "{key}");
    }
    for key in ["", " ", "a b", "\t", "\u{e9}", &"k".repeat(256)] {
        assert!(!is_idempotency_key(key), "{key}");
    }
}
