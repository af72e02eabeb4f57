//! Attacks on locked versions: by every way that removes or replaces one, and by clocks. And what may be amended by whom.

use domain::Refusal;
use domain::bucket_setting::Configuration;
use pipeline::{
    Caller, CreateBucket, DeleteObject, GetObject, ListVersions, LockAsked, ObjectVersion, PutObject, StoreError, Who,
    WriteConditions,
};
use schemas::action::Action;
use schemas::event::{DefaultRetention, Retention, RetentionMode, RetentionPeriod, Versioning};
use schemas::lifecycle::{Expiration, NoncurrentExpiration, Rule, Scope};
use schemas::{Time, VersionId};

use crate::support::{House, body, bucket, delete_request, get_request, key, put_request, read, refusal, sweeping};

const HOUR_S: u64 = 3_600;
const YEAR_S: u64 = 365 * 24 * HOUR_S;

impl House {
    /// A tenant with a bucket `bucket` whose versions can be locked.
    async fn with_lock(&self) -> Caller {
        let caller = self.tenant("tenant").await;
        let request = CreateBucket {
            name: bucket("bucket"),
            region: None,
            versioning: None,
            object_lock: true,
            ownership: None,
            acl: None,
            base: None,
        };
        self.store.create_bucket(&caller, request).await.expect("a bucket");
        caller
    }

    fn in_s(&self, seconds: u64) -> Time {
        Time(pipeline::Clock::wall(&*self.clock).0 + seconds * 1_000_000)
    }

    fn retention(&self, mode: RetentionMode, seconds: u64) -> Option<Retention> {
        Some(Retention { mode, until: self.in_s(seconds) })
    }

    /// Writes `secret` under `key`, locked for an hour.
    async fn locked(&self, caller: &Caller, mode: RetentionMode) -> VersionId {
        let lock = LockAsked { retention: self.retention(mode, HOUR_S), legal_hold: None };
        let request = PutObject { lock, ..put_request("bucket", "key") };
        let written = self.store.put_object(caller, request, body(b"secret")).await.expect("put");
        written.version.expect("versioned")
    }

    async fn remove(&self, caller: &Caller, version: VersionId, bypass_governance: bool) -> Result<(), StoreError> {
        let request = DeleteObject { version: Some(version), bypass_governance, ..delete_request("bucket", "key") };
        self.store.delete_object(caller, request).await.map(|_| ())
    }

    async fn remove_with_others(&self, caller: &Caller, version: VersionId, bypass: bool) -> Result<(), StoreError> {
        let keys = vec![(key("key"), Some(version), WriteConditions::default())];
        let mut answers = self.store.delete_objects(caller, &bucket("bucket"), keys, bypass).await.expect("answers");
        answers.remove(0).map(|_| ())
    }

    async fn retain(
        &self,
        caller: &Caller,
        version: VersionId,
        retention: Option<Retention>,
        bypass: bool,
    ) -> Result<(), StoreError> {
        self.store.set_object_retention(caller, of(Some(version)), retention, bypass).await.map(|_| ())
    }

    async fn assert_there(&self, caller: &Caller, version: VersionId) {
        let request = GetObject { version: Some(version), ..get_request("bucket", "key") };
        let found = self.store.get_object(caller, request).await.expect("is there");
        assert_eq!(read(found).await.expect("reads"), b"secret");
    }
}

fn of(version: Option<VersionId>) -> ObjectVersion {
    ObjectVersion { bucket: bucket("bucket"), key: key("key"), version }
}

/// The same user with another key.
fn with_scopes(caller: &Caller, text: &str) -> Caller {
    let mut limited = caller.clone();
    if let Who::User { scopes, .. } = &mut limited.who {
        *scopes = text.parse().expect("scopes");
    }
    limited
}

fn writer(caller: &Caller) -> Caller {
    with_scopes(caller, "op=read,op=write,op=delete")
}

#[tokio::test]
async fn governance_is_bypassed_by_those_who_may_and_ask_for_it() {
    let house = House::new();
    let admin = house.with_lock().await;
    let writer = writer(&admin);
    let version = house.locked(&admin, RetentionMode::Governance).await;
    let shorter = house.retention(RetentionMode::Governance, 60);
    for (caller, bypass) in [(&admin, false), (&writer, false), (&writer, true)] {
        assert_eq!(refusal(house.remove(caller, version, bypass).await), Refusal::ObjectLocked);
        assert_eq!(refusal(house.remove_with_others(caller, version, bypass).await), Refusal::ObjectLocked);
    }
    // Whoever may set a retention and not bypass one: no scope says so, hence not allowed to set any.
    assert_eq!(refusal(house.retain(&writer, version, shorter, true).await), Refusal::AccessDenied);
    assert_eq!(refusal(house.retain(&admin, version, shorter, false).await), Refusal::ObjectLocked);
    assert_eq!(refusal(house.retain(&admin, version, None, false).await), Refusal::ObjectLocked);
    house.assert_there(&writer, version).await;
    house.retain(&admin, version, shorter, true).await.expect("bypassed");
    house.remove_with_others(&admin, version, true).await.expect("bypassed");
    assert_eq!(refusal(house.get(&admin, "key").await), Refusal::NoSuchKey { marker: None });
}

#[tokio::test]
async fn an_audit_trail_outlives_a_restart_and_a_rebuild_and_is_never_shortened() {
    let house = House::new();
    let admin = house.with_lock().await;
    let version = house.locked(&admin, RetentionMode::AuditTrail).await;
    let longer = house.retention(RetentionMode::AuditTrail, 2 * HOUR_S);
    house.retain(&admin, version, longer, false).await.expect("longer");
    let house = house.reopened(|_| {});
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    let head = house.store.head_object(&admin, get_request("bucket", "key")).await.expect("is there");
    assert_eq!(head.info.retention, longer);
    for bypass in [false, true] {
        for weaker in [
            None,
            house.retention(RetentionMode::AuditTrail, 2 * HOUR_S - 1),
            house.retention(RetentionMode::Compliance, 3 * HOUR_S),
        ] {
            assert_eq!(refusal(house.retain(&admin, version, weaker, bypass).await), Refusal::ObjectLocked);
        }
    }
    // Whoever may not set retentions overwrites and removes nonetheless.
    let writer = writer(&admin);
    house.put(&writer, "key", b"another").await.expect("put");
    house.remove(&writer, version, false).await.expect("removed");
    // What has ended binds nobody.
    let version = house.locked(&admin, RetentionMode::AuditTrail).await;
    house.clock.pass_s(HOUR_S);
    house.retain(&admin, version, None, false).await.expect("over");
}

#[tokio::test]
async fn compliance_is_kept_against_the_tenants_own_administrator_whatever_he_tries() {
    let house = House::with(sweeping);
    let admin = house.with_lock().await;
    let version = house.locked(&admin, RetentionMode::Compliance).await;
    for bypass in [false, true] {
        assert_eq!(refusal(house.remove(&admin, version, bypass).await), Refusal::ObjectLocked);
        assert_eq!(refusal(house.remove_with_others(&admin, version, bypass).await), Refusal::ObjectLocked);
        for weaker in [
            None,
            house.retention(RetentionMode::Compliance, HOUR_S - 1),
            house.retention(RetentionMode::Governance, 2 * HOUR_S),
        ] {
            assert_eq!(refusal(house.retain(&admin, version, weaker, bypass).await), Refusal::ObjectLocked);
        }
    }
    house.retain(&admin, version, house.retention(RetentionMode::Compliance, 2 * HOUR_S), false).await.expect("longer");

    // Overwritten by a put, a copy, an upload; hidden by a marker.
    house.put(&admin, "key", b"other").await.expect("put");
    house.put(&admin, "source", b"source").await.expect("put");
    house.copy(&admin, "source", "key").await.expect("copied");
    let upload = house.begin(&admin, "key").await;
    let part = house.part(&admin, "key", upload, 1, b"part").await.expect("a part");
    house.complete(&admin, "key", upload, &[(1, part.etag)]).await.expect("completed");
    house.delete(&admin, "key").await.expect("hidden");
    house.assert_there(&admin, version).await;

    // The bucket keeps its versioning and stays.
    for versioning in [Versioning::Suspended, Versioning::Unversioned] {
        let set = house.store.set_versioning(&admin, &bucket("bucket"), versioning).await;
        assert!(matches!(refusal(set), Refusal::VersioningLocked | Refusal::InvalidRequest { .. }));
    }
    let lock = Configuration::ObjectLock(None);
    let action = Action::PutBucketObjectLockConfiguration;
    house.store.configure_bucket(&admin, &bucket("bucket"), action, lock).await.expect("no default");
    assert_eq!(refusal(house.store.delete_bucket(&admin, &bucket("bucket")).await), Refusal::BucketNotEmpty);

    // Neither sweep nor rebuild nor a restart lets it go.
    house.sweep().await;
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    let house = house.reopened(sweeping);
    assert_eq!(refusal(house.remove(&admin, version, true).await), Refusal::ObjectLocked);
    house.assert_there(&admin, version).await;

    house.clock.pass_s(2 * HOUR_S);
    house.remove(&admin, version, false).await.expect("its time has come");
}

#[tokio::test]
async fn no_lifecycle_rule_removes_what_is_locked() {
    let house = House::new();
    let admin = house.with_lock().await;
    let days = |days: u64| Retention { mode: RetentionMode::Governance, until: house.in_s(days * 24 * HOUR_S) };
    let mut locked = Vec::new();
    for _ in 0..3 {
        let lock = LockAsked { retention: Some(days(10)), legal_hold: None };
        let request = PutObject { lock, ..put_request("bucket", "key") };
        let written = house.store.put_object(&admin, request, body(b"secret")).await.expect("put");
        locked.push(written.version.expect("versioned"));
    }
    let free = house.put(&admin, "key", b"free").await.expect("put").version.expect("versioned");
    let rule = Rule {
        id: "all".to_owned(),
        disabled: false,
        scope: Scope::Prefix(String::new()),
        expiration: Some(Expiration::Days(1)),
        noncurrent: Some(NoncurrentExpiration { days: 1, newer_versions: None }),
        abort_incomplete_days: None,
    };
    let (rules, action) = (Configuration::Lifecycle(Some(vec![rule])), Action::PutLifecycleConfiguration);
    house.store.configure_bucket(&admin, &bucket("bucket"), action, rules).await.expect("set");
    let mut refused = 0;
    for _ in 0..6 {
        house.clock.pass_s(24 * HOUR_S);
        refused += house.store.admin_lifecycle(&house.admin).await.expect("carried out").refused;
    }
    let left = house.version_ids(&admin).await;
    assert!(refused >= 3 && !left.contains(&free), "{left:?}");
    for version in locked {
        house.assert_there(&admin, version).await;
    }
    for _ in 0..6 {
        house.clock.pass_s(24 * HOUR_S);
        house.store.admin_lifecycle(&house.admin).await.expect("carried out");
    }
    assert_eq!(house.version_ids(&admin).await, [], "their time came");
}

#[tokio::test]
async fn a_wall_clock_set_ahead_ends_no_retention() {
    let house = House::new();
    let admin = house.with_lock().await;
    let version = house.locked(&admin, RetentionMode::Compliance).await;
    house.clock.set_wall_by_s(i64::try_from(100 * YEAR_S).expect("fits"));
    assert_eq!(refusal(house.remove(&admin, version, true).await), Refusal::ObjectLocked);
    // Nor over a restart: so far past the last tick the wall clock is not believed.
    let house = house.reopened(|_| {});
    assert_eq!(refusal(house.remove(&admin, version, true).await), Refusal::ObjectLocked);
    house.clock.pass_s(HOUR_S);
    assert_eq!(refusal(house.remove(&admin, version, false).await), Refusal::ObjectLocked, "nor by the way");
    house.clock.set_wall_by_s(-i64::try_from(100 * YEAR_S).expect("fits"));
    let right = pipeline::Clock::wall(&*house.clock);
    house.store.acknowledge_clock(&house.admin, right).await.expect("acknowledged");
    house.remove(&admin, version, false).await.expect("an hour has passed by a clock that was set right");
}

#[tokio::test]
async fn a_legal_hold_outlasts_retention_and_bypass_until_it_is_taken_off() {
    let house = House::new();
    let admin = house.with_lock().await;
    let version = house.locked(&admin, RetentionMode::Governance).await;
    let hold = |on| house.store.set_object_legal_hold(&admin, of(Some(version)), on);
    hold(true).await.expect("held");
    house.clock.pass_s(2 * HOUR_S);
    for bypass in [false, true] {
        assert_eq!(refusal(house.remove(&admin, version, bypass).await), Refusal::ObjectLocked);
    }
    let off = house.store.set_object_legal_hold(&writer(&admin), of(Some(version)), false).await;
    assert_eq!(refusal(off), Refusal::AccessDenied);
    assert!(house.store.object_legal_hold(&admin, of(Some(version))).await.expect("reads").on);
    hold(false).await.expect("free");
    house.remove(&admin, version, false).await.expect("removed");
}

#[tokio::test]
async fn a_null_version_from_before_the_lock_is_locked_and_kept() {
    let house = House::new();
    let admin = house.with_bucket().await;
    house.put(&admin, "key", b"secret").await.expect("put");
    let lock = |default| Configuration::ObjectLock(default);
    let action = Action::PutBucketObjectLockConfiguration;
    let configured = house.store.configure_bucket(&admin, &bucket("bucket"), action, lock(None)).await;
    assert_eq!(refusal(configured), Refusal::LockNeedsVersioning);
    house.store.set_versioning(&admin, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    // Begun before there was a default, completed after.
    let upload = house.begin(&admin, "uploaded").await;
    let part = house.part(&admin, "uploaded", upload, 1, b"part").await.expect("a part");
    let default = DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Days(1) };
    house.store.configure_bucket(&admin, &bucket("bucket"), action, lock(Some(default))).await.expect("locked");
    house.complete(&admin, "uploaded", upload, &[(1, part.etag)]).await.expect("completed");
    let head = house.store.head_object(&admin, get_request("bucket", "uploaded")).await.expect("there");
    assert_eq!(head.info.retention, house.retention(RetentionMode::Compliance, 24 * HOUR_S));

    let retention = house.retention(RetentionMode::Compliance, HOUR_S);
    house.retain(&admin, VersionId::Null, retention, false).await.expect("retained");
    house.put(&admin, "key", b"other").await.expect("put");
    house.delete(&admin, "key").await.expect("hidden");
    assert_eq!(refusal(house.remove(&admin, VersionId::Null, true).await), Refusal::ObjectLocked);
    house.assert_there(&admin, VersionId::Null).await;
}

#[tokio::test]
async fn a_version_id_gives_nobody_what_the_key_does_not() {
    let house = House::new();
    let admin = house.with_lock().await;
    let version = Some(house.locked(&admin, RetentionMode::Governance).await);
    let elsewhere = with_scopes(
        &admin,
        "op=read:bucket=bucket:prefix=mine/,op=write:bucket=bucket:prefix=mine/,\
                                         op=delete:bucket=bucket:prefix=mine/,op=admin:bucket=bucket:prefix=mine/",
    );
    let denied = |refusal: Refusal| assert_eq!(refusal, Refusal::AccessDenied);
    let tags = || [("a".to_owned(), "b".to_owned())].into();
    let store = &house.store;
    for version in [None, version] {
        denied(refusal(store.object_tags(&elsewhere, of(version)).await));
        denied(refusal(store.set_object_tags(&elsewhere, of(version), tags()).await));
        denied(refusal(store.remove_object_tags(&elsewhere, of(version)).await));
        denied(refusal(store.object_retention(&elsewhere, of(version)).await));
        denied(refusal(store.set_object_retention(&elsewhere, of(version), None, true).await));
        denied(refusal(store.object_legal_hold(&elsewhere, of(version)).await));
        denied(refusal(store.set_object_legal_hold(&elsewhere, of(version), true).await));
        let request = DeleteObject { version, bypass_governance: true, ..delete_request("bucket", "key") };
        denied(refusal(store.delete_object(&elsewhere, request).await));
    }
    let reader = with_scopes(&admin, "op=read");
    denied(refusal(store.set_object_tags(&reader, of(version), tags()).await));
    assert!(store.object_tags(&admin, of(version)).await.expect("reads").tags.is_empty());
    assert!(store.object_retention(&reader, of(version)).await.is_ok());
}

#[tokio::test]
async fn a_version_that_went_meanwhile_is_not_amended() {
    let house = House::new();
    let admin = house.with_lock().await;
    for round in 0..20 {
        let version = house.put(&admin, "key", b"secret").await.expect("put").version.expect("versioned");
        let (held, removed) = tokio::join!(
            house.store.set_object_legal_hold(&admin, of(Some(version)), true),
            house.remove(&admin, version, true),
        );
        let listed = house.version_ids(&admin).await;
        match (held, removed) {
            (Ok(_), Err(StoreError::Refused(Refusal::ObjectLocked))) => assert!(listed.contains(&version), "{round}"),
            (Err(StoreError::Refused(Refusal::NoSuchVersion)), Ok(())) => {
                assert!(!listed.contains(&version), "{round}")
            }
            other => panic!("held and removed, or neither: {other:?}"),
        }
    }
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}

#[tokio::test]
async fn the_newest_tags_are_read_counted_and_copied_after_a_rebuild_too() {
    let house = House::new();
    let admin = house.with_bucket().await;
    let tags = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    let request = PutObject { tags: tags(&["old"]), ..put_request("bucket", "key") };
    house.store.put_object(&admin, request, body(b"secret")).await.expect("put");
    house.store.set_object_tags(&admin, of(None), tags(&["new", "newer"])).await.expect("tagged");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    house.copy(&admin, "key", "copy").await.expect("copied");
    for name in ["key", "copy"] {
        let version = ObjectVersion { bucket: bucket("bucket"), key: key(name), version: None };
        assert_eq!(
            house.store.object_tags(&admin, version).await.expect("reads").tags,
            tags(&["new", "newer"]),
            "{name}"
        );
        let head = house.store.head_object(&admin, get_request("bucket", name)).await.expect("there");
        assert_eq!(head.info.tags_count, 2, "{name}");
    }
    let amended = house.store.remove_object_tags(&admin, of(None)).await.expect("removed");
    assert_eq!(amended.version, None, "the bucket was never versioned");
    let head = house.store.head_object(&admin, get_request("bucket", "key")).await.expect("there");
    assert_eq!(head.info.tags_count, 0);
    // What was written over begins anew.
    house.store.set_object_tags(&admin, of(None), tags(&["late"])).await.expect("tagged");
    house.put(&admin, "key", b"again").await.expect("put");
    assert!(house.store.object_tags(&admin, of(None)).await.expect("reads").tags.is_empty());
}

impl House {
    async fn version_ids(&self, caller: &Caller) -> Vec<VersionId> {
        let request = ListVersions {
            bucket: bucket("bucket"),
            prefix: String::new(),
            delimiter: None,
            after: None,
            after_version: None,
            max: 1_000,
        };
        let page = self.store.list_versions(caller, request).await.expect("lists");
        page.entries.into_iter().map(|entry| entry.version).collect()
    }
}
