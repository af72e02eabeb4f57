//! Clocks that are set back and ahead, and what expires by them.

use domain::Refusal;
use domain::bucket_setting::Configuration;
use pipeline::{
    AdminCaller, Caller, Clock as _, ClockFigures, CreateBucket, DeleteObject, ListVersions, LockAsked, PutObject,
    StoreError,
};
use schemas::action::Action;
use schemas::event::{AdminRole, DefaultRetention, Retention, RetentionMode, RetentionPeriod, Versioning};
use schemas::{Time, VersionId};

use crate::support::{House, body, bucket, delete_request, put_request, refusal, sweeping};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
const YEARS_10_S: i64 = 3_650 * 24 * 3_600;

impl House {
    async fn with_locked_bucket(&self) -> Caller {
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

    /// A version that is retained for so long from now, by the retention clock.
    async fn retained(&self, caller: &Caller, mode: RetentionMode, seconds: u64) -> VersionId {
        let until = Time(self.clocks().retention.0 + seconds * 1_000_000);
        let lock = LockAsked { retention: Some(Retention { mode, until }), legal_hold: None };
        let request = PutObject { lock, ..put_request("bucket", "key") };
        self.store.put_object(caller, request, body(b"kept")).await.expect("put").version.expect("versioned")
    }

    async fn remove_version(&self, caller: &Caller, version: VersionId) -> Result<(), StoreError> {
        let request =
            DeleteObject { version: Some(version), bypass_governance: false, ..delete_request("bucket", "key") };
        self.store.delete_object(caller, request).await.map(|_| ())
    }

    async fn keeps(&self, caller: &Caller, version: VersionId) {
        assert_eq!(refusal(self.remove_version(caller, version).await), Refusal::ObjectLocked);
    }

    fn clocks(&self) -> ClockFigures {
        self.store.clock_figures()
    }

    async fn acknowledge(&self) {
        self.store.acknowledge_clock(&self.admin, self.clock.wall()).await.expect("acknowledged");
    }
}

#[tokio::test]
async fn a_wall_clock_set_back_a_year_makes_nothing_fall_or_expire_early() {
    let house = House::new();
    let caller = house.with_locked_bucket().await;
    let version = house.retained(&caller, RetentionMode::Compliance, HOUR_S).await;
    let before = house.clocks().retention;
    house.clock.set_wall_by_s(-365 * 24 * 3_600);
    for _ in 0..3 {
        house.clock.pass_s(HOUR_S / 2);
        assert_eq!(house.clocks().retention, before, "it waits for the wall clock");
        house.keeps(&caller, version).await;
    }
    // Nor by a restart in between, with the wall clock still back and set right again.
    let house = house.reopened(|_| {});
    assert!(house.clocks().retention <= before && !house.clocks().frozen);
    house.keeps(&caller, version).await;
    house.clock.set_wall_by_s(365 * 24 * 3_600);
    house.keeps(&caller, version).await;
    // One and a half hours have passed: an operator who says so is believed.
    house.acknowledge().await;
    assert_eq!(house.clocks().retention, house.clock.wall());
    house.remove_version(&caller, version).await.expect("its hour is over");
}

#[tokio::test]
async fn a_wall_clock_set_ahead_while_running_is_followed_no_faster_than_time_passes() {
    let house = House::with(sweeping);
    let caller = house.with_locked_bucket().await;
    let version = house.retained(&caller, RetentionMode::Compliance, HOUR_S).await;
    let before = house.clocks().retention;
    house.clock.set_wall_by_s(YEARS_10_S);
    house.keeps(&caller, version).await;
    for passed_s in 1..=59 {
        house.clock.pass_s(60);
        let gained = house.clocks().retention.0 - before.0;
        let passed = passed_s * 60_000_000;
        assert!(gained >= passed && gained <= passed + passed / 1_000 + 1, "{gained} in {passed}");
        house.keeps(&caller, version).await;
    }
    house.clock.pass_s(60);
    assert!(!house.clocks().frozen);
    house.remove_version(&caller, version).await.expect("an hour has passed");
}

#[tokio::test]
async fn a_wall_clock_set_ahead_while_stopped_freezes_expiry_until_it_is_acknowledged() {
    let house = House::with(sweeping);
    let caller = house.with_locked_bucket().await;
    let version = house.retained(&caller, RetentionMode::Compliance, DAY_S).await;
    let longer = house.retained(&caller, RetentionMode::Compliance, 20 * 365 * DAY_S).await;
    let trail = house.retained(&caller, RetentionMode::AuditTrail, DAY_S).await;
    house.put(&caller, "replaced", b"content of its own").await.expect("put");
    house.store.delete_object(&caller, delete_request("bucket", "replaced")).await.expect("hidden");
    let stood = house.clocks().retention;
    let house = house.stopped_for(YEARS_10_S, 5);
    let clocks = house.clocks();
    assert!(clocks.frozen && clocks.judged <= stood && clocks.retention <= stood, "{clocks:?}");
    let wall = clocks.wall;
    house.keeps(&caller, version).await;
    // Nothing expires however long it runs so: its own time goes on, which is what its records are stamped with.
    house.clock.pass_s(2 * DAY_S);
    let running = house.clocks();
    assert!(running.frozen && running.judged == clocks.judged && running.retention > clocks.retention);
    house.keeps(&caller, version).await;
    let shorter = Some(Retention { mode: RetentionMode::AuditTrail, until: Time(stood.0 + DAY_S * 1_000_000 - 1) });
    let of_trail =
        pipeline::ObjectVersion { bucket: bucket("bucket"), key: crate::support::key("key"), version: Some(trail) };
    let shortened = house.store.set_object_retention(&caller, of_trail, shorter, true).await;
    assert_eq!(shortened.err().map(|error| matches!(error, StoreError::Refused(Refusal::ObjectLocked))), Some(true));
    assert_eq!(house.sweep().await.released, 0);
    let written = house.put(&caller, "another", b"x").await.expect("writes go on");
    assert!(written.modified < wall, "no record has a time that nobody vouched for");

    // A default retention cannot begin: nobody knows from when. One with a date of its own can.
    let default = Some(DefaultRetention { mode: RetentionMode::Compliance, period: RetentionPeriod::Days(1) });
    let action = Action::PutBucketObjectLockConfiguration;
    house
        .store
        .configure_bucket(&caller, &bucket("bucket"), action, Configuration::ObjectLock(default))
        .await
        .expect("set");
    assert_eq!(refusal(house.put(&caller, "waits", b"x").await), Refusal::ClockNotAcknowledged);
    assert_eq!(refusal(house.copy(&caller, "another", "copy").await), Refusal::ClockNotAcknowledged);
    let upload = house.begin(&caller, "parts").await;
    let part = house.part(&caller, "parts", upload, 1, b"part").await.expect("a part");
    let parts = [(1, part.etag)];
    assert_eq!(refusal(house.complete(&caller, "parts", upload, &parts).await), Refusal::ClockNotAcknowledged);
    house.retained(&caller, RetentionMode::Governance, DAY_S).await;

    // A restart does not help.
    let house = house.reopened(sweeping);
    assert!(house.clocks().frozen);
    house.keeps(&caller, version).await;

    // Nor does whoever may not, or does not know what time it is.
    let wall = house.clock.wall();
    for role in [AdminRole::Viewer, AdminRole::Operator] {
        let admin = AdminCaller { role, ..house.admin.clone() };
        assert_eq!(refusal(house.store.acknowledge_clock(&admin, wall).await), Refusal::AccessDenied);
    }
    let of_tenant = AdminCaller { tenant: Some(caller.tenant), ..house.admin.clone() };
    assert_eq!(refusal(house.store.acknowledge_clock(&of_tenant, wall).await), Refusal::AccessDenied);
    for off_us in [-301_000_000, 301_000_000, -YEARS_10_S * 1_000_000] {
        let said = Time(wall.0.saturating_add_signed(off_us));
        let refused = refusal(house.store.acknowledge_clock(&house.admin, said).await);
        assert!(matches!(refused, Refusal::InvalidArgument { name: "wall", .. }));
    }
    assert!(house.clocks().frozen);
    house.keeps(&caller, version).await;

    house.store.acknowledge_clock(&house.admin, Time(wall.0 + 299_000_000)).await.expect("near enough");
    assert_eq!(house.clocks(), ClockFigures { retention: wall, judged: wall, wall, frozen: false });
    house.remove_version(&caller, version).await.expect("its day is long over");
    house.keeps(&caller, longer).await;
    let version = house.put(&caller, "waits", b"x").await.expect("it begins now").version;
    assert!(version.is_some());
    house.complete(&caller, "parts", upload, &parts).await.expect("completed");
}

#[tokio::test]
async fn an_acknowledgement_outlives_a_restart_and_the_next_jump_freezes_again() {
    let house = House::new();
    let caller = house.with_locked_bucket().await;
    let version = house.retained(&caller, RetentionMode::Compliance, 11 * 365 * DAY_S).await;
    let house = house.stopped_for(YEARS_10_S, 0);
    assert!(house.clocks().frozen);
    house.acknowledge().await;
    let acknowledged = house.clocks().retention;
    let tick = house.store.clock_state(&house.admin).await.expect("reads").last_tick.expect("a tick");
    assert!(tick.acknowledged && tick.wall == acknowledged && tick.time < acknowledged, "stamped with the time before");
    let house = house.reopened(|_| {});
    assert!(!house.clocks().frozen);
    assert_eq!(house.clocks().retention, acknowledged);
    house.keeps(&caller, version).await;
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
    let house = house.stopped_for(YEARS_10_S, 0);
    assert!(house.clocks().frozen, "what was acknowledged is the time then, not whatever is said later");
    house.keeps(&caller, version).await;
}

#[tokio::test]
async fn up_to_thirty_days_are_believed_at_a_start_and_nothing_is_to_be_acknowledged() {
    let house = House::new();
    let caller = house.with_locked_bucket().await;
    let version = house.retained(&caller, RetentionMode::Compliance, DAY_S).await;
    let house = house.stopped_for(29 * 24 * 3_600, 0);
    assert!(!house.clocks().frozen);
    house.remove_version(&caller, version).await.expect("over");
    let before = house.store.clock_state(&house.admin).await.expect("reads").last_tick;
    house.acknowledge().await;
    let after = house.store.clock_state(&house.admin).await.expect("reads").last_tick;
    assert_eq!(before.map(|tick| tick.acknowledged), after.map(|tick| tick.acknowledged), "no event");
}

#[tokio::test]
async fn a_wall_clock_set_back_changes_no_order() {
    let house = House::new();
    let caller = house.with_bucket().await;
    house.store.set_versioning(&caller, &bucket("bucket"), Versioning::Enabled).await.expect("versioned");
    let mut written = Vec::new();
    for (n, step) in [0, -3_600, 5, -86_400, 0, 90_000].into_iter().enumerate() {
        house.clock.pass_s(1);
        house.clock.set_wall_by_s(step);
        written.push(house.put(&caller, "key", format!("version {n}").as_bytes()).await.expect("put"));
    }
    assert!(written.is_sorted_by(|one, two| one.position < two.position && one.modified <= two.modified));
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"version 5");
    let request = ListVersions {
        bucket: bucket("bucket"),
        prefix: String::new(),
        delimiter: None,
        after: None,
        after_version: None,
        max: 100,
    };
    let listed = house.store.list_versions(&caller, request).await.expect("lists").entries;
    let newest_first: Vec<_> = written.iter().rev().map(|written| written.version.expect("versioned")).collect();
    assert_eq!(listed.iter().map(|entry| entry.version).collect::<Vec<_>>(), newest_first);
    assert!(listed[0].is_latest && listed.iter().filter(|entry| entry.is_latest).count() == 1);
    // The same after a restart at the earlier wall clock.
    let house = house.reopened(|_| {});
    let last = house.put(&caller, "key", b"after").await.expect("put");
    assert!(last.modified >= written[5].modified && last.position > written[5].position);
    assert_eq!(house.get(&caller, "key").await.expect("there"), b"after");
    assert_eq!(house.rebuild().await.mismatches, Vec::<String>::new());
}
