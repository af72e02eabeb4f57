//! Restores and undos over a real log: what they put back, what they leave alone and say so, and that they can be undone.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::Refusal;
use domain::bucket_setting::Configuration;
use domain::point::Point;
use pipeline::{
    AskedBase, AskedCause, AskedPast, AskedRewind, Caller, CreateAccessKey, CreateBucket, ListObjects, NewKey,
    ObjectVersion, PutObject, RewindPlan, RewindReport, Rewound, StoreError, TaskInfo, TaskStatus, TaskWork, Who,
};
use schemas::action::Action;
use schemas::event::{DefaultRetention, Metadata, Quota, RetentionMode, RetentionPeriod, Versioning};
use schemas::{Position, RequestId, UserId};

use crate::support::{
    House, Random, body, bucket, delete_request, get_request, key, noise, put_request, read, refusal, sweeping,
    tenant_name,
};

/// Key to content, tags and metadata.
type State = BTreeMap<String, (Vec<u8>, BTreeMap<String, String>, Metadata)>;

fn asking(caller: &Caller, request: &str) -> Caller {
    Caller { request: RequestId(request.to_owned()), ..caller.clone() }
}

fn as_of(caller: &Caller, at: Position) -> Caller {
    let mut caller = caller.clone();
    caller.circumstances.past = Some(Arc::new(AskedPast::new(Point::Position(at))));
    caller
}

fn restore_to(at: Position) -> AskedRewind {
    AskedRewind::Restore { point: Point::Position(at), prefix: String::new() }
}

fn undo(cause: AskedCause) -> AskedRewind {
    AskedRewind::Undo { cause, force: false }
}

fn undo_request(request: &str) -> AskedRewind {
    undo(AskedCause::Request(RequestId(request.to_owned())))
}

fn tags(value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("tag".to_owned(), value.to_owned())])
}

fn counts(report: &RewindReport) -> (u64, u64, u64, u64) {
    (report.restored, report.removed, report.unchanged, report.refused)
}

fn refused(report: &RewindReport) -> Vec<(&str, &str)> {
    report.refused_keys.iter().map(|one| (one.key.as_str(), one.reason.as_str())).collect()
}

impl House {
    async fn versions_bucket(&self, caller: &Caller, name: &str, versioning: Option<Versioning>, lock: bool) {
        let request = CreateBucket {
            name: bucket(name),
            region: None,
            versioning,
            object_lock: lock,
            ownership: None,
            acl: None,
            base: None,
        };
        self.store.create_bucket(caller, request).await.expect("a bucket");
    }

    async fn put_tagged(&self, caller: &Caller, name: &str, bytes: &[u8], tag: &str) -> Position {
        let mut request = PutObject { tags: tags(tag), ..put_request("bucket", name) };
        request.metadata.user.insert("said".to_owned(), tag.to_owned());
        self.store.put_object(caller, request, body(bytes)).await.expect("put").position
    }

    async fn tag(&self, caller: &Caller, name: &str, tag: &str) -> Position {
        let what = ObjectVersion { bucket: bucket("bucket"), key: key(name), version: None };
        self.store.set_object_tags(caller, what, tags(tag)).await.expect("tagged").position
    }

    async fn state_of(&self, caller: &Caller, name: &str) -> State {
        let (mut state, mut after) = (State::new(), None);
        loop {
            let request =
                ListObjects { bucket: bucket(name), prefix: String::new(), delimiter: None, after, max: 1_000 };
            let page = self.store.list_objects(caller, request).await.expect("lists");
            for listed in &page.entries {
                let found = self.store.get_object(caller, get_request(name, listed.key.as_str())).await.expect("there");
                let metadata = found.info.metadata.clone();
                let what = ObjectVersion { bucket: bucket(name), key: listed.key.clone(), version: None };
                let tags = self.store.object_tags(caller, what).await.expect("tags").tags;
                state.insert(listed.key.to_string(), (read(found).await.expect("reads"), tags, metadata));
            }
            match page.next_after {
                Some(next) if page.truncated => after = Some(next),
                _ => return state,
            }
        }
    }

    async fn state(&self, caller: &Caller) -> State {
        self.state_of(caller, "bucket").await
    }

    async fn rewind_ended(&self, caller: &Caller, id: &str) -> TaskInfo {
        for _ in 0..6_000 {
            let task = self.store.task(caller, id).await.expect("answers").expect("is there");
            if task.status != TaskStatus::Running {
                return task;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("the task does not end");
    }

    /// Plans it, does it to the end, and holds the one against the other.
    async fn rewound_in(&self, caller: &Caller, request: &str, name: &str, asked: AskedRewind) -> RewindReport {
        let caller = asking(caller, request);
        let plan = self.store.rewind_plan(&caller, &bucket(name), asked.clone()).await.expect("plans");
        let task = self.store.rewind(&caller, &bucket(name), asked).await.expect("begins");
        let task = self.rewind_ended(&caller, &task.id).await;
        assert_eq!(task.status, TaskStatus::Succeeded);
        let (TaskWork::Restore { report, .. } | TaskWork::Undo { report }) = task.work else { panic!("of its kind") };
        assert_eq!(report, plan.report, "what is done is what was planned");
        report
    }

    async fn rewound(&self, caller: &Caller, request: &str, asked: AskedRewind) -> RewindReport {
        self.rewound_in(caller, request, "bucket", asked).await
    }

    async fn plan(&self, caller: &Caller, asked: AskedRewind) -> Result<RewindPlan, StoreError> {
        self.store.rewind_plan(caller, &bucket("bucket"), asked).await
    }

    async fn another(&self, id: &str, scopes: &str) -> Caller {
        let (tenant, user) = (tenant_name("tenant"), UserId::parse(id).expect("a name"));
        self.store.create_user(&self.admin, &tenant, user.clone(), id.to_owned(), None).await.expect("a user");
        let scopes = scopes.parse().expect("scopes");
        let request = CreateAccessKey { user, key: NewKey::Made, name: None, scopes, expires: None };
        let (made, _) = self.store.create_access_key(&self.admin, &tenant, request).await.expect("a key");
        let credential = self.store.credential(&made.id).expect("reads").expect("works");
        let who = Who::User {
            user: credential.user,
            display_name: credential.display_name,
            access_key: made.id,
            scopes: credential.scopes,
        };
        let (tenant, request) = (credential.tenant, RequestId("another".to_owned()));
        Caller { tenant, who, source: None, request, circumstances: pipeline::Circumstances::default() }
    }
}

const ALL: [Option<Versioning>; 3] = [None, Some(Versioning::Enabled), Some(Versioning::Suspended)];

#[tokio::test]
async fn keys_get_back_content_tags_and_metadata_and_what_was_not_there_goes() {
    for versioning in ALL {
        let house = House::new();
        let caller = house.tenant("tenant").await;
        house.versions_bucket(&caller, "bucket", versioning, false).await;
        house.put_tagged(&caller, "long", &noise(1, 200_000), "1").await;
        for name in ["deleted", "tagged", "untouched", "b/under", "written"] {
            house.put_tagged(&caller, name, name.as_bytes(), "1").await;
        }
        house.delete(&caller, "never").await.expect("nothing to delete");
        let mark = house.tag(&caller, "tagged", "2").await;
        let then = house.state(&caller).await;
        house.put_tagged(&caller, "long", &noise(2, 90_000), "3").await;
        house.put_tagged(&caller, "written", b"again", "3").await;
        house.put_tagged(&caller, "written", b"and again", "3").await;
        house.put_tagged(&caller, "new", b"new", "3").await;
        house.put_tagged(&caller, "b/under", b"other", "3").await;
        house.put_tagged(&caller, "come and gone", b"x", "3").await;
        house.delete(&caller, "come and gone").await.expect("deleted");
        house.delete(&caller, "deleted").await.expect("deleted");
        house.tag(&caller, "tagged", "3").await;
        let before = house.state(&caller).await;
        let bytes = house.segment_bytes();

        let under = AskedRewind::Restore { point: Point::Position(mark), prefix: "b/".to_owned() };
        assert_eq!(counts(&house.rewound(&caller, "under", under).await), (1, 0, 0, 0), "{versioning:?}");
        assert_eq!(house.state(&caller).await["b/under"], then["b/under"]);
        let plan = house.plan(&caller, restore_to(mark)).await.expect("plans");
        let planned: Vec<_> = plan.changes.iter().map(|(key, change)| (key.as_str(), *change)).collect();
        let (back, away) = (Rewound::Restored, Rewound::Removed);
        let expected =
            [("b/under", back), ("deleted", back), ("long", back), ("new", away), ("tagged", back), ("written", back)];
        assert_eq!(planned, expected);
        assert_eq!((counts(&plan.report), plan.truncated), ((5, 1, 1, 0), false));
        house.rewound(&caller, "restore", restore_to(mark)).await;
        assert!(house.state(&caller).await == then, "{versioning:?}: as it was");
        assert!(house.state(&as_of(&caller, mark)).await == then, "{versioning:?}: the past stays");
        assert_eq!(house.segment_bytes(), bytes, "{versioning:?}: no content is copied");

        house.rewound(&caller, "undo", undo_request("restore")).await;
        let mut expected = before.clone();
        expected.insert("b/under".to_owned(), then["b/under"].clone());
        assert!(house.state(&caller).await == expected, "{versioning:?}: undone");
        house.rewound(&caller, "undo undo", undo_request("undo")).await;
        assert!(house.state(&caller).await == then, "{versioning:?}: undo undone");
        assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_history_does_not_keep_any_more_is_refused_and_what_is_restored_is_kept() {
    let house = House::with(|options| {
        sweeping(options);
        options.history_window_s = Some(3_600);
    });
    let caller = house.with_bucket().await;
    house.put(&caller, "gone", &noise(1, 50_000)).await.expect("put");
    house.put(&caller, "gone", &noise(2, 50_000)).await.expect("put");
    house.clock.pass_s(3_000);
    let mark = house.put(&caller, "kept", &noise(3, 50_000)).await.expect("put").position;
    let first = Position(mark.0 - 2);
    house.delete(&caller, "kept").await.expect("deleted");
    house.clock.pass_s(1_000);
    house.sweep().await;
    let report = house.rewound(&caller, "first", restore_to(first)).await;
    assert_eq!(refused(&report), [("gone", "its content is not kept any more")]);
    house.rewound(&caller, "second", restore_to(mark)).await;
    house.clock.pass_s(10_000);
    house.sweep().await;
    assert!(house.get(&caller, "kept").await.expect("there") == noise(3, 50_000), "its new version refers to it");
    house.delete(&caller, "kept").await.expect("deleted");
    house.clock.pass_s(10_000);
    house.sweep().await;
    let again = house.rewound(&caller, "third", restore_to(mark)).await;
    assert_eq!(refused(&again), [("kept", "its content is not kept any more")]);
}

#[tokio::test]
async fn locked_versions_stay_and_what_is_restored_is_locked_as_a_new_one() {
    let house = House::new();
    let caller = house.tenant("tenant").await;
    house.versions_bucket(&caller, "bucket", None, true).await;
    let period = RetentionPeriod::Days(1);
    let default = Some(DefaultRetention { mode: RetentionMode::Compliance, period });
    let set = Configuration::ObjectLock(default);
    house
        .store
        .configure_bucket(&caller, &bucket("bucket"), Action::PutBucketObjectLockConfiguration, set)
        .await
        .expect("set");
    let first = house.put(&caller, "key", b"1").await.expect("put");
    house.clock.pass_s(100);
    house.put(&caller, "key", b"2").await.expect("put");
    house.put(&caller, "new", b"3").await.expect("put");
    house.clock.pass_s(100);
    let report = house.rewound(&caller, "restore", restore_to(first.position)).await;
    assert_eq!(counts(&report), (1, 1, 0, 0));
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"1");
    let held = |version| ObjectVersion { bucket: bucket("bucket"), key: key("key"), version };
    let old = house.store.object_retention(&caller, held(first.version)).await.expect("retained").retention;
    let new = house.store.object_retention(&caller, held(None)).await.expect("retained").retention;
    assert_eq!(new.until.0 - old.until.0, 200 * 1_000_000, "from now on");
    let versions = pipeline::ListVersions {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 100,
    };
    let listed = house.store.list_versions(&caller, versions).await.expect("lists");
    assert_eq!(listed.entries.len(), 5, "three versions, what was restored, a marker");
}

#[tokio::test]
async fn only_what_the_user_may_do_and_what_quotas_allow_is_done() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "a/1", b"1").await.expect("put");
    let mark = house.put(&caller, "b/1", b"12345").await.expect("put").position;
    house.put(&caller, "a/1", b"2").await.expect("put");
    house.put(&caller, "b/1", b"2").await.expect("put");
    house.put(&caller, "b/2", b"2").await.expect("put");
    let admin = house.another("admin", "op=admin").await;
    let report = house.rewound(&admin, "denied", restore_to(mark)).await;
    let denied = "access denied";
    assert_eq!(refused(&report), [("a/1", denied), ("b/1", denied), ("b/2", denied)]);
    let writer = house.another("writer", "op=write,op=delete").await;
    assert_eq!(refusal(house.plan(&writer, restore_to(mark)).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.store.rewind(&writer, &bucket("bucket"), restore_to(mark)).await), Refusal::AccessDenied);

    let quota = Quota { bytes: Some(5), objects: None };
    house.store.set_bucket_quota(&caller, &bucket("bucket"), quota).await.expect("set");
    let report = house.rewound(&caller, "full", restore_to(mark)).await;
    assert_eq!(counts(&report), (1, 1, 0, 1), "{:?}", refused(&report));
    assert_eq!(report.refused_keys[0].key, key("b/1"), "beside what is there it does not fit");
    assert_eq!(counts(&house.rewound(&caller, "fits", restore_to(mark)).await), (1, 0, 1, 1));
    house
        .store
        .set_bucket_quota(&caller, &bucket("bucket"), Quota { bytes: Some(6), objects: None })
        .await
        .expect("set");
    assert_eq!(counts(&house.rewound(&caller, "fits", restore_to(mark)).await).0, 2);
}

#[tokio::test]
async fn a_fork_gets_back_what_its_base_showed_under_its_own_keys() {
    let house = House::with(sweeping);
    let caller = house.with_bucket().await;
    for (number, name) in ["small", "long", "untouched"].into_iter().enumerate() {
        let length = if name == "long" { 9 << 20 } else { 300_000 };
        house.put(&caller, name, &noise(number as u64, length)).await.expect("put");
    }
    let base = Some(AskedBase { bucket: bucket("bucket"), point: Point::Head, writable: true });
    let request = CreateBucket {
        name: bucket("fork"),
        region: None,
        versioning: None,
        object_lock: false,
        ownership: None,
        acl: None,
        base,
    };
    house.store.create_bucket(&caller, request).await.expect("a fork");
    let then = house.state_of(&caller, "fork").await;
    let mark = house.put(&caller, "of the base", b"x").await.expect("put").position;
    house.store.put_object(&caller, put_request("fork", "small"), body(b"other")).await.expect("put");
    house.store.put_object(&caller, put_request("fork", "new"), body(b"new")).await.expect("put");
    house.store.delete_object(&caller, delete_request("fork", "long")).await.expect("deleted");
    let before = house.state_of(&caller, "fork").await;
    house.sweep().await;
    let report = house.rewound_in(&caller, "restore", "fork", restore_to(mark)).await;
    assert_eq!(counts(&report), (2, 1, 0, 0));
    house.sweep().await;
    assert!(house.state_of(&caller, "fork").await == then);
    house.rewound_in(&caller, "undo", "fork", undo_request("restore")).await;
    let undone = house.state_of(&caller, "fork").await;
    // Its own content was not kept: the window of this store is none.
    assert_eq!(undone.keys().collect::<Vec<_>>(), ["small", "untouched"]);
    assert!(before.keys().eq(["new", "small", "untouched"].iter()));
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn an_undo_takes_back_its_cause_and_leaves_what_others_changed_since() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let thief = house.another("thief", "op=read,op=write,op=delete").await;
    for name in ["a", "b", "c", "d"] {
        house.put_tagged(&caller, name, name.as_bytes(), "1").await;
    }
    let since = house.put_tagged(&caller, "e", b"e", "1").await.next();
    let then = house.state(&caller).await;
    let taken = house.put_tagged(&asking(&thief, "T1"), "a", b"pay", "2").await;
    house.put_tagged(&asking(&thief, "T2"), "a", b"pay us", "2").await;
    house.store.delete_object(&asking(&thief, "T3"), delete_request("bucket", "b")).await.expect("deleted");
    house.put_tagged(&thief, "c", b"pay", "2").await;
    house.put_tagged(&thief, "new", b"pay", "2").await;
    house.tag(&thief, "d", "2").await;
    house.put_tagged(&asking(&caller, "mine"), "c", b"mine", "3").await;
    let after = house.state(&caller).await;

    // One of two events of a key: the other one came behind it.
    let one = house.plan(&caller, undo_request("T1")).await.expect("plans");
    assert_eq!((counts(&one.report), refused(&one.report)), ((0, 0, 0, 1), vec![("a", "changed since")]));
    let deletion = house.rewound(&caller, "U1", undo_request("T3")).await;
    assert_eq!(counts(&deletion), (1, 0, 0, 0));
    assert_eq!(house.get(&caller, "b").await.expect("there"), b"b");
    house.rewound(&caller, "U2", undo_request("U1")).await;
    assert!(house.state(&caller).await == after);

    let Who::User { access_key, .. } = &thief.who else { panic!("a user") };
    let by = |id: &str, force| {
        let cause = AskedCause::Actor { id: id.to_owned(), since: Point::Position(since) };
        AskedRewind::Undo { cause, force }
    };
    for id in ["thief", access_key.as_str()] {
        let plan = house.plan(&caller, by(id, false)).await.expect("plans");
        // What undid its deletion, and what undid that, came behind it.
        assert_eq!(refused(&plan.report), [("b", "changed since"), ("c", "changed since")]);
        assert_eq!(counts(&plan.report), (2, 1, 0, 2));
    }
    let report = house.rewound(&caller, "U3", by("thief", true)).await;
    assert_eq!(counts(&report), (4, 1, 0, 0));
    assert!(house.state(&caller).await == then);
    house.rewound(&caller, "U4", undo_request("U3")).await;
    assert!(house.state(&caller).await == after, "undone with all that others did");
    assert_eq!(counts(&house.rewound(&caller, "nobody", by("nobody", false)).await), (0, 0, 0, 0));

    let places = |positions: &[u64]| undo(AskedCause::Positions(positions.iter().copied().map(Position).collect()));
    let pair = house.plan(&caller, places(&[taken.0 + 1, taken.0])).await.expect("plans");
    assert_eq!(counts(&pair.report), (0, 0, 0, 1), "changed by undos since");
    for (asked, expected) in [
        (places(&[]), "positions"),
        (places(&[taken.0, 1]), "positions"),
        (places(&(0..1_001).map(|number| number * 7).collect::<Vec<_>>()), "future"),
    ] {
        match refusal(house.plan(&caller, asked).await) {
            Refusal::InvalidArgument { name, .. } => assert_eq!(name, expected),
            Refusal::PointInFuture { .. } => assert_eq!(expected, "future"),
            other => panic!("{other}"),
        }
    }
    let unknown = house.plan(&caller, undo_request("unknown")).await;
    assert_eq!(refusal(unknown), Refusal::NoSuchPoint { what: "request" });
    let future = house.plan(&caller, restore_to(Position(1_000_000))).await;
    assert!(matches!(refusal(future), Refusal::PointInFuture { .. }));
    assert_eq!(refusal(house.plan(&caller, restore_to(Position(1))).await), Refusal::NoSuchBucket, "it was not there");
}

#[tokio::test]
async fn a_view_is_not_rewound() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let mark = house.put(&caller, "key", b"1").await.expect("put").position;
    let base = Some(AskedBase { bucket: bucket("bucket"), point: Point::Head, writable: false });
    let request = CreateBucket {
        name: bucket("view"),
        region: None,
        versioning: None,
        object_lock: false,
        ownership: None,
        acl: None,
        base,
    };
    house.store.create_bucket(&caller, request).await.expect("a view");
    let begun = house.store.rewind(&caller, &bucket("view"), restore_to(mark)).await;
    assert_eq!(refusal(begun), Refusal::ReadOnlyBucket);
}

#[tokio::test]
async fn a_restore_goes_on_when_the_store_opens_again_and_leaves_what_is_written_meanwhile() {
    let mut house = House::new();
    let caller = house.with_bucket().await;
    let names: Vec<_> = (0..700).map(|number| format!("key-{number:03}")).collect();
    for name in &names {
        house.put(&caller, name, b"good").await.expect("put");
    }
    let mark = house.put(&caller, "last", b"good").await.expect("put").position;
    for name in &names {
        house.put(&caller, name, b"bad").await.expect("put");
    }
    let begun = asking(&caller, "restore");
    let task = house.store.rewind(&begun, &bucket("bucket"), restore_to(mark)).await.expect("begins");
    house.put(&caller, "key-699", b"meanwhile").await.expect("put");
    house = house.reopened(|_| {});
    let task = house.rewind_ended(&caller, &task.id).await;
    assert_eq!(task.status, TaskStatus::Succeeded);
    let TaskWork::Restore { report, at, .. } = task.work else { panic!("of its kind") };
    assert_eq!(at, mark);
    assert_eq!(counts(&report), (699, 0, 0, 1));
    assert_eq!(refused(&report), [("key-699", "changed meanwhile")]);
    for name in ["key-000", "key-400", "key-698"] {
        assert_eq!(house.get(&caller, name).await.expect("there"), b"good");
    }
    assert_eq!(house.get(&caller, "key-699").await.expect("there"), b"meanwhile");
    let ended = house.store.cancel_task(&caller, &task.id).await.expect("answers").expect("is there");
    assert_eq!(ended.status, TaskStatus::Succeeded, "it had ended");
}

/// Restores to any moment of a random history give that moment; undoing them gives back what was.
#[tokio::test]
async fn any_moment_comes_back_and_goes_again() {
    let mut random = Random::of_suite("rewind");
    for versioning in ALL {
        let house = House::new();
        let caller = house.tenant("tenant").await;
        house.versions_bucket(&caller, "bucket", versioning, false).await;
        let mut moments = Vec::new();
        for step in 0..12 {
            for _ in 0..8 {
                let name = format!("key-{}", random.below(7));
                match random.below(10) {
                    0..=4 => {
                        let bytes = noise(random.below(50), 1 + usize::try_from(random.below(4_000)).expect("small"));
                        house.put_tagged(&caller, &name, &bytes, &random.below(3).to_string()).await;
                    }
                    5..=7 => house.delete(&caller, &name).await.expect("deleted"),
                    _ if house.get(&caller, &name).await.is_ok() => {
                        house.tag(&caller, &name, &random.below(3).to_string()).await;
                    }
                    _ => {}
                }
            }
            if step == 6 && versioning == Some(Versioning::Enabled) && random.below(2) == 0 {
                let suspended = Versioning::Suspended;
                house.store.set_versioning(&caller, &bucket("bucket"), suspended).await.expect("suspended");
            }
            let mark = house.put_tagged(&caller, "mark", step.to_string().as_bytes(), "mark").await;
            moments.push((mark, house.state(&caller).await));
        }
        for round in 0..4 {
            let (at, then) = &moments[usize::try_from(random.below(moments.len() as u64)).expect("small")];
            let before = house.state(&caller).await;
            let (restore, undo) = (format!("restore-{round}"), format!("undo-{round}"));
            house.rewound(&caller, &restore, restore_to(*at)).await;
            assert!(house.state(&caller).await == *then, "{versioning:?}: restored to {at}");
            assert!(house.state(&as_of(&caller, *at)).await == *then, "{versioning:?}: as of {at}");
            if random.below(2) == 0 {
                house.rewound(&caller, &undo, undo_request(&restore)).await;
                assert!(house.state(&caller).await == before, "{versioning:?}: undone");
            }
        }
        assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    }
}
