//! Reading the past: what was is shown, what is kept stays, what shows another bucket goes its own way.

use std::sync::Arc;

use domain::Refusal;
use pipeline::{
    AskedBase, AskedDifference, AskedPast, Caller, CreateBucket, ListObjects, ListVersions, ObjectVersion, Point,
    StoreError,
};
use schemas::event::{HistoryWindow, Versioning};
use schemas::{Position, SnapshotName, VersionId};

use crate::support::{
    House, body, bucket, delete_request, get_request, key, noise, put_request, read, refusal, sweeping,
};

/// The caller, as one who asks as of a point.
fn then(caller: &Caller, point: Point) -> Caller {
    let mut caller = caller.clone();
    caller.circumstances.past = Some(Arc::new(AskedPast::new(point)));
    caller
}

fn at(caller: &Caller, position: Position) -> Caller {
    then(caller, Point::Position(position))
}

async fn get(house: &House, caller: &Caller, name: &str, object: &str) -> Result<Vec<u8>, StoreError> {
    read(house.store.get_object(caller, get_request(name, object)).await?).await
}

async fn put(house: &House, caller: &Caller, name: &str, object: &str, bytes: &[u8]) -> Position {
    house.store.put_object(caller, put_request(name, object), body(bytes)).await.expect("put").position
}

async fn keys(house: &House, caller: &Caller, name: &str) -> Vec<String> {
    let mut request = ListObjects { bucket: bucket(name), prefix: String::new(), delimiter: None, after: None, max: 2 };
    let mut found = Vec::new();
    loop {
        let page = house.store.list_objects(caller, request.clone()).await.expect("lists");
        found.extend(page.entries.iter().map(|entry| entry.key.to_string()));
        if !page.truncated {
            return found;
        }
        request.after = page.next_after;
    }
}

/// Keys and versions, with a mark for delete markers.
async fn versions(house: &House, caller: &Caller, name: &str) -> Vec<(String, VersionId, bool)> {
    let mut request = ListVersions {
        bucket: bucket(name),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 2,
    };
    let mut found = Vec::new();
    loop {
        let page = house.store.list_versions(caller, request.clone()).await.expect("lists");
        found.extend(page.entries.iter().map(|entry| (entry.key.to_string(), entry.version, entry.is_marker)));
        if !page.truncated {
            return found;
        }
        (request.after, request.after_version) = (page.next_after, page.next_version);
    }
}

async fn versioned(house: &House, caller: &Caller, name: &str) {
    house.bucket(caller, name).await.expect("a bucket");
    house.store.set_versioning(caller, &bucket(name), Versioning::Enabled).await.expect("set");
}

async fn derive(
    house: &House,
    caller: &Caller,
    name: &str,
    of: &str,
    point: Point,
    writable: bool,
) -> Result<(), StoreError> {
    let request = CreateBucket {
        name: bucket(name),
        region: None,
        versioning: None,
        object_lock: false,
        ownership: None,
        acl: None,
        base: Some(AskedBase { bucket: bucket(of), point, writable }),
    };
    house.store.create_bucket(caller, request).await.map(|_| ())
}

#[tokio::test]
async fn what_was_overwritten_and_deleted_reads_as_it_was() {
    let house = House::new();
    let caller = house.with_bucket().await;
    // Inline, one blob, several blobs.
    let contents = [noise(1, 100), noise(2, 300_000), noise(3, 9 << 20)];
    let mut last = Position(0);
    for (number, content) in contents.iter().enumerate() {
        last = put(&house, &caller, "bucket", &format!("key-{number}"), content).await;
    }
    for number in 0..3 {
        put(&house, &caller, "bucket", &format!("key-{number}"), b"overwritten").await;
        house.delete(&caller, &format!("key-{number}")).await.expect("deleted");
    }
    assert_eq!(keys(&house, &caller, "bucket").await, Vec::<String>::new());
    let past = at(&caller, last);
    assert_eq!(keys(&house, &past, "bucket").await, ["key-0", "key-1", "key-2"]);
    for (number, content) in contents.iter().enumerate() {
        assert!(get(&house, &past, "bucket", &format!("key-{number}")).await.expect("was there") == *content);
    }
    let found = past.circumstances.past.as_ref().and_then(|past| past.found()).expect("was found");
    assert_eq!(found.at.position, last);
    // Before the last of them was put it was not there.
    let earlier = at(&caller, Position(last.0 - 1));
    assert_eq!(refusal(get(&house, &earlier, "bucket", "key-2").await), Refusal::NoSuchKey { marker: None });
    assert!(house.rebuild().await.mismatches.is_empty());
}

#[tokio::test]
async fn versions_markers_and_tags_are_shown_as_they_were() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    versioned(&house, &caller, "bucket").await;
    let one = house.put(&caller, "k", b"one").await.expect("put");
    let two = house.put(&caller, "k", b"two").await.expect("put");
    let named = ObjectVersion { bucket: bucket("bucket"), key: key("k"), version: one.version };
    let tags = |text: &str| [("a".to_owned(), text.to_owned())].into_iter().collect();
    let tagged = house.store.set_object_tags(&caller, named.clone(), tags("b")).await.expect("tagged").position;
    house.store.set_object_tags(&caller, named.clone(), tags("c")).await.expect("tagged");
    let hidden = house.store.delete_object(&caller, delete_request("bucket", "k")).await.expect("deleted");
    let hidden_at = hidden.position.expect("a change");
    let remove = |version| pipeline::DeleteObject { version: Some(version), ..delete_request("bucket", "k") };
    for version in [one.version, two.version, hidden.version] {
        house.store.delete_object(&caller, remove(version.expect("versioned"))).await.expect("removed");
    }
    assert!(versions(&house, &caller, "bucket").await.is_empty());

    let id = |version: Option<VersionId>| version.expect("versioned");
    let all = [
        ("k".to_owned(), id(hidden.version), true),
        ("k".to_owned(), id(two.version), false),
        ("k".to_owned(), id(one.version), false),
    ];
    assert_eq!(versions(&house, &at(&caller, hidden_at), "bucket").await, all);
    assert_eq!(versions(&house, &at(&caller, Position(hidden_at.0 - 1)), "bucket").await, all[1..]);
    assert_eq!(versions(&house, &at(&caller, one.position), "bucket").await, all[2..]);
    let missing = refusal(get(&house, &at(&caller, hidden_at), "bucket", "k").await);
    assert_eq!(missing, Refusal::NoSuchKey { marker: hidden.version });
    for (position, expected) in [(two.position, None), (tagged, Some("b")), (Position(tagged.0 + 1), Some("c"))] {
        let found = house.store.object_tags(&at(&caller, position), named.clone()).await.expect("tags");
        assert_eq!(found.tags.get("a").map(String::as_str), expected, "{position}");
    }
    assert!(get(&house, &at(&caller, two.position), "bucket", "k").await.expect("was there") == b"two");
    assert!(house.rebuild().await.mismatches.is_empty());
}

#[tokio::test]
async fn a_point_is_a_position_a_time_a_name_or_just_before_something() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let first = put(&house, &caller, "bucket", "k", b"first").await;
    house.clock.pass_s(3_600);
    let mut other = caller.clone();
    other.request = schemas::RequestId("01KTFY8V5ZC5YV5R8V5R8V5R8V".to_owned());
    put(&house, &other, "bucket", "k", b"second").await;
    let check = async |point: Point, expected: &[u8]| {
        assert_eq!(
            get(&house, &then(&caller, point.clone()), "bucket", "k").await.expect("reads"),
            expected,
            "{point:?}"
        );
    };
    check(Point::Position(first), b"first").await;
    check(Point::Ago(1_800 * 1_000_000), b"first").await;
    check(Point::Ago(0), b"second").await;
    check(Point::Head, b"second").await;
    check(Point::BeforeRequest(other.request.clone()), b"first").await;
    let name = SnapshotName::parse("then").expect("a name");
    let point = Some(Point::Position(first));
    let made =
        house.store.create_snapshot(&caller, &bucket("bucket"), name.clone(), point.clone()).await.expect("made");
    assert!(made.1);
    check(Point::Snapshot(name.clone()), b"first").await;
    let again = house.store.create_snapshot(&caller, &bucket("bucket"), name.clone(), point).await.expect("is there");
    assert!(!again.1, "a name is given once");
    let other = house.store.create_snapshot(&caller, &bucket("bucket"), name.clone(), None).await;
    assert_eq!(refusal(other), Refusal::SnapshotExists);

    let refused = async |point| refusal(get(&house, &then(&caller, point), "bucket", "k").await);
    assert!(matches!(refused(Point::Position(Position(1 << 40))).await, Refusal::PointInFuture { .. }));
    assert!(matches!(refused(Point::Time(schemas::Time(u64::MAX))).await, Refusal::PointInFuture { .. }));
    assert_eq!(refused(Point::Time(schemas::Time(5))).await, Refusal::NoSuchBucket);
    assert_eq!(refused(Point::Earliest).await, Refusal::NoSuchBucket);
    assert_eq!(refused(Point::Snapshot(SnapshotName::parse("none").expect("a name"))).await, Refusal::NoSuchSnapshot);
    let nobody = schemas::RequestId("01KTFY8V5ZC5YV5R8V5R8V5R8W".to_owned());
    assert_eq!(refused(Point::BeforeRequest(nobody)).await, Refusal::NoSuchPoint { what: "request" });
    // What writes cannot be asked of the past.
    let put = house.store.put_object(&at(&caller, first), put_request("bucket", "k"), body(b"x")).await;
    assert!(matches!(refusal(put), Refusal::InvalidArgument { .. }));
}

#[tokio::test]
async fn content_is_kept_as_long_as_a_window_a_snapshot_a_view_or_a_fork_may_show_it() {
    let house = House::with(sweeping);
    let caller = house.tenant("tenant").await;
    let content = noise(5, 400_000);
    for name in ["none", "named", "viewed", "forked", "windowed"] {
        house.bucket(&caller, name).await.expect("a bucket");
    }
    let window = Some(HistoryWindow::Seconds(3_600));
    house.store.set_history(&caller, &bucket("windowed"), window).await.expect("set");
    let mut positions = Vec::new();
    for (number, name) in ["none", "named", "viewed", "forked", "windowed"].into_iter().enumerate() {
        let mine = [content.as_slice(), &[number as u8]].concat();
        positions.push(put(&house, &caller, name, "k", &mine).await);
    }
    let name = SnapshotName::parse("kept").expect("a name");
    house.store.create_snapshot(&caller, &bucket("named"), name.clone(), None).await.expect("made");
    derive(&house, &caller, "view", "viewed", Point::Head, false).await.expect("made");
    derive(&house, &caller, "fork", "forked", Point::Head, true).await.expect("made");
    for name in ["none", "named", "viewed", "forked", "windowed"] {
        house.store.delete_object(&caller, delete_request(name, "k")).await.expect("deleted");
    }
    let report = house.sweep().await;
    assert_eq!((report.released, report.freed), (1, 1), "all but one are kept");
    for (number, name) in ["none", "named", "viewed", "forked", "windowed"].into_iter().enumerate() {
        let found = get(&house, &at(&caller, positions[number]), name, "k").await;
        if number == 0 {
            let gone = refusal(found);
            assert!(matches!(gone, Refusal::BeforeHorizon { removed_by: Some(_), .. }), "{gone:?}");
            let horizon = house.store.history(&caller, &bucket(name)).await.expect("reads").horizon;
            assert!(horizon.at.position > positions[0]);
            let (late, then) = (SnapshotName::parse("late").expect("a name"), Point::Position(positions[0]));
            let refused = house.store.create_snapshot(&caller, &bucket(name), late, Some(then)).await;
            assert!(matches!(refusal(refused), Refusal::BeforeHorizon { .. }));
        } else {
            assert!(found.expect("is kept").len() == content.len() + 1, "{name}");
        }
    }
    assert!(get(&house, &caller, "view", "k").await.expect("is shown").len() == content.len() + 1);
    assert!(get(&house, &caller, "fork", "k").await.expect("is shown").len() == content.len() + 1);
    for (name, keeper) in [("named", "snapshot kept"), ("viewed", "bucket view"), ("forked", "bucket fork")] {
        let refused = refusal(house.store.delete_bucket(&caller, &bucket(name)).await);
        assert_eq!(refused, Refusal::BucketIsKept { by: keeper.to_owned() });
    }
    // When nothing keeps it any more it goes.
    house.store.delete_snapshot(&caller, &bucket("named"), name).await.expect("deleted");
    house.store.delete_bucket(&caller, &bucket("view")).await.expect("deleted");
    house.store.delete_bucket(&caller, &bucket("fork")).await.expect("deleted");
    assert_eq!(house.sweep().await.released, 3);
    house.clock.pass_s(3_600);
    assert_eq!(house.sweep().await.released, 1);
    assert!(house.rebuild().await.mismatches.is_empty());
}

#[tokio::test]
async fn a_view_shows_what_was_and_cannot_be_written() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    versioned(&house, &caller, "bucket").await;
    for name in ["a", "b", "c"] {
        put(&house, &caller, "bucket", name, b"old").await;
    }
    let at_then = put(&house, &caller, "bucket", "a", b"older").await;
    let listed = versions(&house, &caller, "bucket").await;
    for name in ["a", "b", "d"] {
        put(&house, &caller, "bucket", name, b"new").await;
    }
    house.delete(&caller, "c").await.expect("deleted");
    derive(&house, &caller, "view", "bucket", Point::Position(at_then), false).await.expect("made");
    assert_eq!(keys(&house, &caller, "view").await, ["a", "b", "c"]);
    assert_eq!(versions(&house, &caller, "view").await, listed);
    assert!(get(&house, &caller, "view", "a").await.expect("reads") == b"older");
    let refused = [
        house.store.put_object(&caller, put_request("view", "a"), body(b"x")).await.map(|_| ()),
        house.store.delete_object(&caller, delete_request("view", "a")).await.map(|_| ()),
        house.store.set_versioning(&caller, &bucket("view"), Versioning::Suspended).await.map(|_| ()),
    ];
    for refused in refused {
        assert_eq!(refusal(refused), Refusal::ReadOnlyBucket);
    }
    // A view of a view shows the same.
    derive(&house, &caller, "again", "view", Point::Head, false).await.expect("made");
    assert_eq!(versions(&house, &caller, "again").await, listed);
    assert!(get(&house, &caller, "again", "b").await.expect("reads") == b"old");
    assert!(house.rebuild().await.mismatches.is_empty());
}

#[tokio::test]
async fn a_fork_goes_its_own_way() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let large = noise(7, 5 << 20);
    for name in ["a", "b", "c"] {
        put(&house, &caller, "bucket", name, b"base").await;
    }
    put(&house, &caller, "bucket", "large", &large).await;
    derive(&house, &caller, "fork", "bucket", Point::Head, true).await.expect("made");
    let stored = house.segment_bytes();
    put(&house, &caller, "bucket", "a", b"base again").await;
    put(&house, &caller, "fork", "b", b"fork").await;
    house.store.delete_object(&caller, delete_request("fork", "c")).await.expect("deleted");
    let tags = [("t".to_owned(), "1".to_owned())].into_iter().collect();
    let named = ObjectVersion { bucket: bucket("fork"), key: key("large"), version: None };
    house.store.set_object_tags(&caller, named.clone(), tags).await.expect("tagged");
    let forked = put(&house, &caller, "fork", "d", b"new").await;
    assert_eq!(keys(&house, &caller, "fork").await, ["a", "b", "d", "large"]);
    assert_eq!(keys(&house, &caller, "bucket").await, ["a", "b", "c", "large"]);
    for (object, expected) in [("a", &b"base"[..]), ("b", b"fork"), ("d", b"new"), ("large", &large)] {
        assert!(get(&house, &caller, "fork", object).await.expect("reads") == expected, "{object}");
    }
    assert!(get(&house, &caller, "bucket", "b").await.expect("reads") == b"base");
    assert_eq!(house.segment_bytes(), stored, "nothing large was copied");
    let base_tags = ObjectVersion { bucket: bucket("bucket"), ..named.clone() };
    assert!(house.store.object_tags(&caller, base_tags).await.expect("tags").tags.is_empty());
    assert_eq!(house.store.object_tags(&caller, named).await.expect("tags").tags.len(), 1);
    // A copy within the fork shares what came from the base.
    let copy = pipeline::CopyObject {
        source_bucket: bucket("fork"),
        source_key: key("large"),
        source_version: None,
        source_conditions: pipeline::ReadConditions::default(),
        bucket: bucket("fork"),
        key: key("copy"),
        metadata: None,
        tags: None,
        lock: pipeline::LockAsked::default(),
        acl: None,
        storage_class: None,
        checksum_algorithm: None,
        conditions: pipeline::WriteConditions::default(),
        encryption: pipeline::AskedEncryption::Nothing,
        source_customer_key: None,
    };
    house.store.copy_object(&caller, copy).await.expect("copied");
    assert!(get(&house, &caller, "fork", "copy").await.expect("reads") == large);
    // A fork of the fork, as it was before the copy; and the fork goes on.
    derive(&house, &caller, "second", "fork", Point::Position(forked), true).await.expect("made");
    for object in ["a", "b", "d", "large"] {
        house.store.delete_object(&caller, delete_request("fork", object)).await.expect("deleted");
    }
    assert_eq!(keys(&house, &caller, "fork").await, ["copy"]);
    assert_eq!(keys(&house, &caller, "second").await, ["a", "b", "d", "large"]);
    assert!(get(&house, &caller, "second", "large").await.expect("reads") == large);
    assert_eq!(keys(&house, &at(&caller, forked), "fork").await, ["a", "b", "d", "large"]);
    // The base keeps what the fork shows.
    for object in ["a", "b", "c", "large"] {
        house.delete(&caller, object).await.expect("deleted");
    }
    house.sweep().await;
    assert!(get(&house, &caller, "second", "large").await.expect("reads") == large);
    let refused = refusal(house.store.delete_bucket(&caller, &bucket("bucket")).await);
    assert_eq!(refused, Refusal::BucketIsKept { by: "bucket fork".to_owned() });
    assert!(house.rebuild().await.mismatches.is_empty());
}

#[tokio::test]
async fn a_difference_names_the_keys_that_show_another_object() {
    let house = House::new();
    let caller = house.with_bucket().await;
    for name in ["a", "b", "c", "x/1"] {
        put(&house, &caller, "bucket", name, b"1").await;
    }
    let from = put(&house, &caller, "bucket", "d", b"1").await;
    put(&house, &caller, "bucket", "b", b"2").await;
    house.delete(&caller, "c").await.expect("deleted");
    put(&house, &caller, "bucket", "e", b"2").await;
    put(&house, &caller, "bucket", "x/1", b"2").await;
    // There and gone again: no difference.
    put(&house, &caller, "bucket", "f", b"2").await;
    house.delete(&caller, "f").await.expect("deleted");
    let difference = async |from, to, prefix: &str| {
        let asked = AskedDifference { bucket: bucket("bucket"), from, to, prefix: prefix.to_owned() };
        let found = house.store.difference(&caller, asked).await.expect("compares").keys;
        let word = |was: bool, is: bool| {
            if was && is {
                "modified"
            } else if is {
                "added"
            } else {
                "removed"
            }
        };
        found
            .into_iter()
            .map(|one| (one.key.to_string(), word(one.before.is_some(), one.after.is_some())))
            .collect::<Vec<_>>()
    };
    let is = |found: Vec<(String, &'static str)>, expected: &[(&str, &str)]| {
        assert_eq!(found.iter().map(|(key, word)| (key.as_str(), *word)).collect::<Vec<_>>(), expected);
    };
    let (then, now) = (Point::Position(from), Point::Head);
    is(
        difference(then.clone(), now.clone(), "").await,
        &[("b", "modified"), ("c", "removed"), ("e", "added"), ("x/1", "modified")],
    );
    is(
        difference(now.clone(), then.clone(), "").await,
        &[("b", "modified"), ("c", "added"), ("e", "removed"), ("x/1", "modified")],
    );
    is(difference(then, now.clone(), "x/").await, &[("x/1", "modified")]);
    is(difference(now.clone(), now, "").await, &[]);
}

#[tokio::test]
async fn what_an_audit_trail_keeps_reads_until_its_date_though_it_was_removed() {
    use schemas::event::{Retention, RetentionMode};
    let house = House::with(sweeping);
    let caller = house.tenant("tenant").await;
    let request = CreateBucket {
        name: bucket("bucket"),
        region: None,
        versioning: None,
        object_lock: true,
        ownership: None,
        acl: None,
        base: None,
    };
    house.store.create_bucket(&caller, request).await.expect("a bucket");
    let until = schemas::Time(1_800_000_000_000_000 + 3_600 * 1_000_000);
    let retention = Some(Retention { mode: RetentionMode::AuditTrail, until });
    let lock = pipeline::LockAsked { retention, legal_hold: None };
    let request = pipeline::PutObject { lock, ..put_request("bucket", "k") };
    let content = noise(9, 300_000);
    let made = house.store.put_object(&caller, request, body(&content)).await.expect("put");
    let free = house.put(&caller, "free", &noise(10, 300_000)).await.expect("put");
    for (name, version) in [("k", made.version), ("free", free.version)] {
        let remove = pipeline::DeleteObject { version, ..delete_request("bucket", name) };
        house.store.delete_object(&caller, remove).await.expect("removed: it is recorded, not locked");
    }
    assert_eq!(house.sweep().await.released, 1);
    let past = at(&caller, free.position);
    assert!(get(&house, &past, "bucket", "k").await.expect("is kept") == content);
    assert!(matches!(refusal(get(&house, &past, "bucket", "free").await), Refusal::BeforeHorizon { .. }));
    house.clock.pass_s(3_600);
    assert_eq!(house.sweep().await.released, 1);
    assert!(matches!(refusal(get(&house, &past, "bucket", "k").await), Refusal::BeforeHorizon { .. }));
    assert!(house.rebuild().await.mismatches.is_empty());
}
