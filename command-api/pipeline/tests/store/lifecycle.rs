//! Lifecycle rules carried out: what goes, when, and what stays.

use std::collections::BTreeMap;

use domain::Refusal;
use domain::bucket_setting::Configuration;
use pipeline::{
    Caller, CreateBucket, CreateUpload, DeleteObject, Expiry, LifecycleReport, ListParts, ListUploads, ListVersions,
    ListedVersion, PutObject, WriteConditions,
};
use schemas::action::Action;
use schemas::event::{Event, Metadata, Setting, StorageClass, Versioning};
use schemas::lifecycle::{Conditions, Expiration, NoncurrentExpiration, Rule, Scope};
use schemas::{Time, VersionId};

use crate::support::{House, body, bucket, get_request, key, put_request, refusal};

const DAY_S: u64 = 86_400;

fn rule(prefix: &str) -> Rule {
    Rule {
        id: String::new(),
        disabled: false,
        scope: Scope::Prefix(prefix.to_owned()),
        expiration: None,
        noncurrent: None,
        abort_incomplete_days: None,
    }
}

fn expiring(prefix: &str, days: u32) -> Rule {
    Rule { expiration: Some(Expiration::Days(days)), ..rule(prefix) }
}

fn noncurrent(days: u32, newer_versions: Option<u32>) -> Rule {
    Rule { noncurrent: Some(NoncurrentExpiration { days, newer_versions }), ..rule("") }
}

impl House {
    async fn rules(&self, caller: &Caller, rules: Vec<Rule>) {
        let rules = Configuration::Lifecycle((!rules.is_empty()).then_some(rules));
        let action = Action::PutLifecycleConfiguration;
        self.store.configure_bucket(caller, &bucket("bucket"), action, rules).await.expect("set");
    }

    async fn versioned(&self, caller: &Caller) {
        self.store.set_versioning(caller, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    }

    async fn tagged(&self, caller: &Caller, name: &str, tags: &[(&str, &str)]) {
        let tags: BTreeMap<_, _> = tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let request = PutObject { tags, ..put_request("bucket", name) };
        self.store.put_object(caller, request, body(b"tagged")).await.expect("put");
    }

    /// Lets days pass and carries the rules out.
    async fn after_days(&self, days: u64) -> LifecycleReport {
        self.after_s(days * DAY_S).await
    }

    async fn after_s(&self, seconds: u64) -> LifecycleReport {
        self.clock.pass_s(seconds);
        self.store.admin_lifecycle(&self.admin).await.expect("carried out")
    }

    async fn versions(&self, caller: &Caller) -> Vec<ListedVersion> {
        let request = ListVersions {
            bucket: bucket("bucket"),
            prefix: String::new(),
            delimiter: None,
            after: None,
            after_version: None,
            max: 10_000,
        };
        self.store.list_versions(caller, request).await.expect("lists").entries
    }

    /// Every version as `key`, with `!` behind a delete marker.
    async fn shown(&self, caller: &Caller) -> Vec<String> {
        let name = |entry: ListedVersion| format!("{}{}", entry.key, if entry.is_marker { "!" } else { "" });
        self.versions(caller).await.into_iter().map(name).collect()
    }
}

#[tokio::test]
async fn objects_of_a_bucket_without_versions_are_removed_when_their_days_are_over() {
    let house = House::new();
    let caller = house.with_bucket().await;
    for name in ["keep/a", "logs/a", "logs/b", "other"] {
        house.put(&caller, name, b"x").await.expect("put");
    }
    let disabled = Rule { disabled: true, ..expiring("keep/", 1) };
    house.rules(&caller, vec![expiring("logs/", 3), disabled]).await;
    house.after_days(3).await;
    assert_eq!(house.shown(&caller).await, ["keep/a", "logs/a", "logs/b", "other"], "the midnight after is to come");
    house.after_days(1).await;
    assert_eq!(house.shown(&caller).await, ["keep/a", "other"]);
    house.after_days(100).await;
    assert_eq!(house.shown(&caller).await, ["keep/a", "other"]);
    house.rules(&caller, vec![]).await;
    house.rules(&caller, vec![expiring("", 1)]).await;
    house.after_days(1).await;
    assert_eq!(house.shown(&caller).await, Vec::<String>::new());
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn a_shortened_day_has_no_midnight() {
    let house = House::with(|options| options.lifecycle_day_s = 10);
    let caller = house.with_bucket().await;
    house.rules(&caller, vec![expiring("", 2)]).await;
    house.put(&caller, "key", b"x").await.expect("put");
    house.after_s(19).await;
    assert_eq!(house.shown(&caller).await, ["key"]);
    house.after_s(1).await;
    assert_eq!(house.shown(&caller).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_versioned_object_is_hidden_then_removed_and_at_last_its_marker_goes() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.versioned(&caller).await;
    house.put(&caller, "key", b"one").await.expect("put");
    house.put(&caller, "key", b"two").await.expect("put");
    let both = Rule { expiration: Some(Expiration::Days(2)), ..noncurrent(4, None) };
    house.rules(&caller, vec![both]).await;
    house.after_days(3).await;
    assert_eq!(house.shown(&caller).await, ["key!", "key", "key"]);
    assert!(matches!(refusal(house.get(&caller, "key").await), Refusal::NoSuchKey { marker: Some(_) }));
    house.after_days(2).await;
    assert_eq!(house.shown(&caller).await, ["key!", "key"], "the first was superseded earlier");
    house.after_days(3).await;
    assert_eq!(house.shown(&caller).await, ["key!"]);
    house.after_days(1).await;
    assert_eq!(house.shown(&caller).await, Vec::<String>::new(), "a marker that hides nothing is old enough");
}

#[tokio::test]
async fn a_marker_over_versions_stays_and_one_over_nothing_goes_at_once() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.versioned(&caller).await;
    house.put(&caller, "covered", b"x").await.expect("put");
    house.delete(&caller, "covered").await.expect("deleted");
    house.delete(&caller, "nothing").await.expect("deleted");
    house.delete(&caller, "twice").await.expect("deleted");
    house.delete(&caller, "twice").await.expect("deleted");
    house.rules(&caller, vec![Rule { expiration: Some(Expiration::DeleteMarker), ..rule("") }]).await;
    house.after_s(0).await;
    assert_eq!(house.shown(&caller).await, ["covered!", "covered", "twice!", "twice!"]);
    house.rules(&caller, vec![noncurrent(1, None)]).await;
    house.after_days(2).await;
    assert_eq!(house.shown(&caller).await, ["covered!", "twice!"]);
}

#[tokio::test]
async fn the_newest_noncurrent_versions_are_kept() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.versioned(&caller).await;
    let mut written = Vec::new();
    for n in 0..10 {
        written.push(house.put(&caller, "key", format!("version {n}").as_bytes()).await.expect("put").version);
    }
    house.put(&caller, "key2", b"x").await.expect("put");
    house.rules(&caller, vec![noncurrent(1, Some(5))]).await;
    house.after_days(2).await;
    let left: Vec<_> = house.versions(&caller).await.iter().map(|entry| Some(entry.version)).collect();
    written.reverse();
    assert_eq!(left[..6], written[..6]);
    assert_eq!(left.len(), 7);
}

#[tokio::test]
async fn versions_are_counted_across_pages() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.versioned(&caller).await;
    let puts = (0..1_020).map(async |_: usize| house.put(&caller, "key", b"x").await);
    for put in futures_util::future::join_all(puts).await {
        put.expect("put");
    }
    house.delete(&caller, "key").await.expect("deleted");
    let rule = Rule { expiration: Some(Expiration::DeleteMarker), ..noncurrent(1, Some(7)) };
    house.rules(&caller, vec![rule]).await;
    house.after_days(2).await;
    assert_eq!(house.shown(&caller).await.len(), 8);
    house.rules(&caller, vec![Rule { expiration: Some(Expiration::DeleteMarker), ..noncurrent(1, None) }]).await;
    house.after_s(0).await;
    assert_eq!(house.shown(&caller).await, ["key!"]);
    house.after_s(0).await;
    assert_eq!(house.shown(&caller).await, Vec::<String>::new());
}

#[tokio::test]
async fn filters_on_tags_and_sizes_spare_the_others() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.tagged(&caller, "both", &[("a", "1"), ("b", "2")]).await;
    house.tagged(&caller, "one", &[("a", "1")]).await;
    house.tagged(&caller, "other", &[("a", "2"), ("b", "2")]).await;
    house.put(&caller, "large", &[7; 5_000]).await.expect("put");
    house.put(&caller, "small", b"x").await.expect("put");
    let tags = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into();
    let and = Conditions { tags, ..Conditions::default() };
    let large = Conditions { size_greater_than: Some(4_999), ..Conditions::default() };
    let with = |direct, and| Rule { scope: Scope::Filter { direct, and }, ..expiring("", 1) };
    house.rules(&caller, vec![with(Conditions::default(), and), with(large, Conditions::default())]).await;
    house.after_days(2).await;
    assert_eq!(house.shown(&caller).await, ["one", "other", "small"]);
}

#[tokio::test]
async fn where_versioning_is_suspended_the_null_version_makes_room_for_its_marker() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.put(&caller, "key", b"null").await.expect("put");
    house.versioned(&caller).await;
    house.put(&caller, "key", b"version").await.expect("put");
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Suspended).await.expect("suspended");
    let both = Rule { expiration: Some(Expiration::Days(1)), ..noncurrent(1, None) };
    house.rules(&caller, vec![both]).await;
    // Both are due at once: the marker that hides the one replaces the other.
    house.after_days(2).await;
    let left = house.versions(&caller).await;
    let left: Vec<_> = left.iter().map(|entry| (entry.version == VersionId::Null, entry.is_marker)).collect();
    assert_eq!(left, [(true, true), (false, false)]);
    house.after_days(2).await;
    house.after_days(1).await;
    assert_eq!(house.shown(&caller).await, Vec::<String>::new());
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn nothing_goes_that_was_written_anew() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.rules(&caller, vec![expiring("", 1)]).await;
    for n in 0..100 {
        house.put(&caller, &format!("key{n:03}"), b"old").await.expect("put");
    }
    house.clock.pass_s(2 * DAY_S);
    // Overwrites race with the rules: whichever comes first, what is new stays.
    let run = house.store.admin_lifecycle(&house.admin);
    let overwrite = async {
        for n in (0..100).rev() {
            house.put(&caller, &format!("key{n:03}"), b"new").await.expect("put");
        }
    };
    let (done, ()) = tokio::join!(run, overwrite);
    done.expect("carried out");
    assert_eq!(house.shown(&caller).await.len(), 100);
    assert_eq!(house.get(&caller, "key050").await.expect("there"), b"new");
}

#[tokio::test]
async fn uploads_in_progress_are_given_up() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let old = house.begin(&caller, "logs/a").await;
    house.part(&caller, "logs/a", old, 1, b"part").await.expect("a part");
    let other = house.begin(&caller, "other").await;
    house.rules(&caller, vec![Rule { abort_incomplete_days: Some(2), ..rule("logs/") }]).await;
    house.after_days(2).await;
    let young = house.begin(&caller, "logs/a").await;
    house.after_days(1).await;
    let request = ListUploads {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_upload: None,
        max: 100,
    };
    let open = house.store.list_uploads(&caller, request).await.expect("lists").uploads;
    assert_eq!(open.iter().map(|upload| upload.upload).collect::<Vec<_>>(), [young, other]);
    assert!(matches!(refusal(house.part(&caller, "logs/a", old, 2, b"x").await), Refusal::NoSuchUpload));
}

#[tokio::test]
async fn many_objects_go_in_pages_and_the_report_counts_them() {
    // The standing process begins some seconds after the start: the run below may find its work done, never undone.
    let house = House::new();
    let caller = house.with_bucket().await;
    let puts = (0..1_200).map(async |n: usize| house.put(&caller, &format!("a/{n:04}"), b"x").await);
    for put in futures_util::future::join_all(puts).await {
        put.expect("put");
    }
    house.put(&caller, "b", b"x").await.expect("put");
    house.rules(&caller, vec![expiring("a/", 1)]).await;
    house.after_days(2).await;
    assert_eq!(house.shown(&caller).await, ["b"]);
    let done = house.store.lifecycle_totals();
    assert_eq!((done.removed, done.hidden, done.refused), (1_200, 0, 0), "{done:?}");
    let again = house.after_days(1).await;
    assert_eq!((again.buckets, again.looked_at, again.removed), (1, 0, 0));
}

#[tokio::test]
async fn a_configuration_is_read_back_and_survives_a_restart() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let read = async |house: &House| {
        let action = Action::GetLifecycleConfiguration;
        let set = house.store.bucket_setting(&caller, &bucket("bucket"), action, Setting::Lifecycle).await;
        set.expect("reads").map(|event| match &*event {
            Event::BucketLifecycleSet(set) => set.rules.clone().expect("rules"),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(read(&house).await, None);
    house.rules(&caller, vec![expiring("a", 1), expiring("b", 2)]).await;
    let named = |id: &str, rule| Rule { id: id.to_owned(), ..rule };
    let expected = vec![named("rule-1", expiring("a", 1)), named("rule-2", expiring("b", 2))];
    assert_eq!(read(&house).await, Some(expected.clone()));
    let refused = Configuration::Lifecycle(Some(vec![expiring("a", 0)]));
    let action = Action::PutLifecycleConfiguration;
    let refused = house.store.configure_bucket(&caller, &bucket("bucket"), action, refused).await;
    assert!(matches!(refusal(refused), Refusal::InvalidArgument { .. }));
    let house = house.reopened(|_| {});
    assert_eq!(read(&house).await, Some(expected));
    house.rules(&caller, vec![]).await;
    assert_eq!(read(&house).await, None);
}

#[tokio::test]
async fn what_is_written_and_read_announces_its_end() {
    let house = House::with(|options| options.lifecycle_day_s = 10);
    let caller = house.with_bucket().await;
    house.versioned(&caller).await;
    let tags = [("a".to_owned(), "1".to_owned())].into();
    let tagged = Scope::Filter { direct: Conditions { tags, ..Conditions::default() }, and: Conditions::default() };
    let named = |id: &str, rule| Rule { id: id.to_owned(), ..rule };
    let aborting = Rule { abort_incomplete_days: Some(1), ..rule("logs/") };
    house
        .rules(
            &caller,
            vec![
                named("tagged", Rule { scope: tagged, ..expiring("", 1) }),
                named("logs", expiring("logs/", 3)),
                named("uploads", aborting),
            ],
        )
        .await;
    // 1,800,000,000 s is 08:00 of its day, UTC.
    let midnight = |days: u64| Time((1_800_000_000 / DAY_S + days) * DAY_S * 1_000_000);
    let expiry = |days, rule: &str| Some(Expiry { at: midnight(days), rule: rule.to_owned() });
    let written = house.put(&caller, "logs/a", b"x").await.expect("put");
    assert_eq!(written.expiry, expiry(4, "logs"), "in real days");
    assert_eq!(house.put(&caller, "other", b"x").await.expect("put").expiry, None);
    house.tagged(&caller, "logs/tagged", &[("a", "1")]).await;
    let head = async |name: &str, version| {
        let request = pipeline::GetObject { version, ..get_request("bucket", name) };
        house.store.head_object(&caller, request).await.expect("there").info.expiry
    };
    assert_eq!(head("logs/a", None).await, expiry(4, "logs"));
    assert_eq!(head("logs/a", written.version).await, expiry(4, "logs"));
    assert_eq!(head("logs/tagged", None).await, expiry(2, "tagged"));
    assert_eq!(head("other", None).await, None);
    house.put(&caller, "logs/a", b"newer").await.expect("put");
    assert_eq!(head("logs/a", written.version).await, None, "it is not current any more");
    let request = CreateUpload {
        bucket: bucket("bucket"),
        key: key("logs/up"),
        metadata: Metadata::default(),
        storage_class: StorageClass::Standard,
        lock: pipeline::LockAsked::default(),
        tags: BTreeMap::new(),
        acl: None,
        checksum: None,
        encryption: pipeline::AskedEncryption::Nothing,
    };
    let started = house.store.create_upload(&caller, request).await.expect("begun");
    assert_eq!(started.abort, expiry(2, "uploads"));
    let (bucket, key, upload) = (bucket("bucket"), key("logs/up"), started.upload);
    let parts = house.store.list_parts(&caller, ListParts { bucket, key, upload, after: 0, max: 1 }).await;
    assert_eq!(parts.expect("lists").abort, expiry(2, "uploads"));
}

#[tokio::test]
async fn rules_of_one_tenant_are_none_of_anothers() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let other = house.tenant("other").await;
    let request = CreateBucket {
        name: bucket("bucket"),
        region: None,
        versioning: None,
        object_lock: false,
        ownership: None,
        acl: None,
        base: None,
    };
    house.store.create_bucket(&other, request).await.expect("a bucket");
    house.put(&caller, "key", b"x").await.expect("put");
    house.put(&other, "key", b"x").await.expect("put");
    house.rules(&caller, vec![expiring("", 1)]).await;
    house.after_days(2).await;
    assert_eq!((house.shown(&caller).await.len(), house.shown(&other).await.len()), (0, 1));
    let none = WriteConditions::default();
    let request = DeleteObject {
        bucket: bucket("bucket"),
        key: key("key"),
        version: None,
        conditions: none,
        bypass_governance: false,
    };
    house.store.delete_object(&other, request).await.expect("deleted");
}
