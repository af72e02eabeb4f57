//! Tenants, users, keys, tokens, tasks, the clock.

use projections::MemoryRows;
use projections::query;
use projections::row::AccessKeyStatus;
use schemas::event::*;
use schemas::*;

use crate::Log;
use crate::model::{TENANT, bucket_created};

fn user(id: &str) -> UserId {
    UserId::parse(id).expect("a user")
}

fn access_key(id: &str) -> AccessKeyId {
    AccessKeyId::parse(id).expect("an access key")
}

fn user_created(id: &str) -> UserCreated {
    UserCreated { user: user(id), display_name: id.to_uppercase(), email: None }
}

fn access_key_created(id: &str, of: &str, expires: Option<Time>) -> AccessKeyCreated {
    AccessKeyCreated {
        access_key: access_key(id),
        user: user(of),
        sealed_secret: vec![1; 40],
        scopes: "*".to_owned(),
        name: None,
        expires,
    }
}

/// Rows of an installation with one tenant.
fn with_tenant() -> MemoryRows {
    let mut system = Log::of(TenantId::SYSTEM);
    system.happens(BucketId::NONE, None, InstallationCreated { installation: "ab".repeat(16) });
    let name = TenantName::parse("acme").expect("a name");
    system.happens(BucketId::NONE, None, TenantCreated { tenant: TENANT, name, key: KeyId(3) });
    system.rows
}

fn works(rows: &MemoryRows, id: &str, now: u64) -> bool {
    query::credential(rows, &access_key(id), Time(now)).expect("reads").is_some()
}

#[test]
fn a_key_works_while_it_its_user_and_its_tenant_do() {
    let mut log = Log::over(TENANT, with_tenant());
    let mut happens = |event: Event| {
        log.happens(BucketId::NONE, None, event);
        log.rows.clone()
    };
    happens(user_created("main").into());
    let rows = happens(access_key_created("KEY1", "main", Some(Time(50))).into());
    let credential = query::credential(&rows, &access_key("KEY1"), Time(49)).expect("reads").expect("works");
    assert_eq!((credential.tenant, credential.user.display_name.as_str()), (TENANT, "MAIN"));
    assert!(!works(&rows, "KEY1", 50), "it has expired");
    assert!(!works(&rows, "KEY2", 0), "it is unknown");

    let set = |enabled| AccessKeyStatusSet { access_key: access_key("KEY1"), enabled };
    assert!(!works(&happens(set(false).into()), "KEY1", 0), "it is disabled");
    assert!(works(&happens(set(true).into()), "KEY1", 0), "it is enabled again");

    let mut system = Log::over(TenantId::SYSTEM, rows);
    let reason = "unpaid".to_owned();
    system.happens(BucketId::NONE, None, TenantDisabled { tenant: TENANT, reason });
    assert!(!works(&system.rows, "KEY1", 0), "its tenant is disabled");
    system.happens(BucketId::NONE, None, TenantEnabled { tenant: TENANT });
    assert!(works(&system.rows, "KEY1", 0), "its tenant is enabled again");

    happens(AccessKeyRevoked { access_key: access_key("KEY1"), reason: None }.into());
    let rows = happens(set(true).into());
    assert!(!works(&rows, "KEY1", 0), "revoked is for good");
    let row = query::access_key(&rows, TENANT, &access_key("KEY1")).expect("reads").expect("is there");
    assert_eq!(row.status, AccessKeyStatus::Revoked);
    assert_eq!(query::tenant_of_access_key(&rows, &access_key("KEY1")).expect("reads"), Some(TENANT));
}

#[test]
fn a_user_created_again_does_not_get_old_keys_back() {
    let mut log = Log::over(TENANT, with_tenant());
    let mut happens = |event: Event| {
        log.happens(BucketId::NONE, None, event);
        log.rows.clone()
    };
    happens(user_created("main").into());
    assert!(works(&happens(access_key_created("OLD", "main", None).into()), "OLD", 0));
    assert!(!works(&happens(UserDeleted { user: user("main") }.into()), "OLD", 0));
    let rows = happens(user_created("main").into());
    assert!(!works(&rows, "OLD", 0));
    let rows = happens(access_key_created("NEW", "main", None).into());
    assert!(works(&rows, "NEW", 0));
    assert_eq!(query::users(&rows, TENANT).expect("reads").len(), 1);
    let keys: Vec<_> = query::access_keys(&rows, TENANT).expect("reads").into_iter().map(|(id, _)| id).collect();
    assert_eq!(keys, [access_key("NEW"), access_key("OLD")]);
}

#[test]
fn tenants_are_found_by_id_and_name() {
    let rows = with_tenant();
    let tenants = query::tenants(&rows).expect("reads");
    assert_eq!(tenants.len(), 1);
    let name = TenantName::parse("acme").expect("a name");
    assert_eq!(query::tenant_by_name(&rows, &name).expect("reads").as_ref(), tenants.first());
    assert_eq!(query::tenant(&rows, TENANT).expect("reads").as_ref(), tenants.first().map(|(_, row)| row));
    let installation = query::installation(&rows).expect("reads").expect("is there");
    assert_eq!(installation.installation, "ab".repeat(16));
}

#[test]
fn a_revoked_admin_token_is_listed_and_not_found_by_its_hash() {
    let mut log = Log::of(TenantId::SYSTEM);
    let created = AdminTokenCreated {
        id: "0123456789abcdef".to_owned(),
        sha256: vec![5; 32],
        role: AdminRole::Operator,
        name: "ci".to_owned(),
        tenant: None,
        expires: None,
    };
    log.happens(BucketId::NONE, None, created.clone());
    let found = query::admin_token_by_sha256(&log.rows, &[5; 32]).expect("reads").expect("is there");
    assert_eq!((found.0.as_str(), found.1.role), ("0123456789abcdef", AdminRole::Operator));
    log.happens(BucketId::NONE, None, AdminTokenRevoked { id: created.id });
    assert_eq!(query::admin_token_by_sha256(&log.rows, &[5; 32]).expect("reads"), None);
    let all = query::admin_tokens(&log.rows).expect("reads");
    assert_eq!(all[0].1.revoked, Some(Time(1_000)));
}

#[test]
fn a_task_is_resumed_until_it_is_finished() {
    let mut log = Log::of(TENANT);
    let task = || "ab".repeat(16);
    let started = TaskStarted { task: task(), kind: "clear-parts".to_owned(), arguments: "{}".to_owned() };
    log.happens(BucketId::NONE, None, started);
    log.happens(BucketId::NONE, None, TaskProgressed { task: task(), cursor: "7".to_owned(), done: 3 });
    let tasks = query::tasks(&log.rows, TENANT).expect("reads");
    assert_eq!(tasks[0].0, task());
    assert_eq!((tasks[0].1.cursor.as_deref(), tasks[0].1.done), (Some("7"), 3));
    assert_eq!((tasks[0].1.started, tasks[0].1.progressed), (Time(0), Time(1_000)));
    log.happens(BucketId::NONE, None, TaskFinished { task: task(), error: Some("gone".to_owned()) });
    assert_eq!(query::task(&log.rows, TENANT, &task()).expect("reads"), None);
    let ended = query::ended_task(&log.rows, TENANT, &task()).expect("reads").expect("is there");
    assert_eq!((ended.done, ended.error.as_deref(), ended.ended), (3, Some("gone"), Time(2_000)));
}

#[test]
fn the_clock_is_its_last_tick() {
    let mut log = Log::of(TenantId::SYSTEM);
    for wall in [5, 9] {
        log.happens(BucketId::NONE, None, ClockTicked { wall: Time(wall), acknowledged: wall == 9 });
    }
    let clock = query::clock(&log.rows).expect("reads").expect("is there");
    assert_eq!((clock.time, clock.wall, clock.acknowledged), (Time(1_000), Time(9), true));
}

#[test]
fn buckets_are_listed_by_name_in_pages_and_by_prefix() {
    let mut log = Log::of(TENANT);
    for (number, name) in ["b-two", "a-one", "b-one", "b-three"].into_iter().enumerate() {
        let bucket = BucketId(number as u64 + 1);
        let name = BucketName::parse(name).expect("a name");
        log.happens(bucket, None, BucketCreated { name, ..bucket_created(bucket, Versioning::Unversioned) });
    }
    let list = |prefix, after, max| {
        let (buckets, more) = query::list_buckets(&log.rows, TENANT, prefix, after, max).expect("lists");
        (buckets.into_iter().map(|(_, bucket)| bucket.name.to_string()).collect::<Vec<_>>().join(" "), more)
    };
    let is = |names: &str, more| (names.to_owned(), more);
    assert_eq!(list("", None, 9), is("a-one b-one b-three b-two", false));
    assert_eq!(list("", None, 2), is("a-one b-one", true));
    assert_eq!(list("", Some("b-one"), 2), is("b-three b-two", false));
    assert_eq!(list("b-", Some("a-one"), 9), is("b-one b-three b-two", false));
    assert_eq!(list("b-t", None, 9), is("b-three b-two", false));
    assert_eq!(list("b-two", Some("b-two"), 9), is("", false));
    assert_eq!(list("b-", Some("c"), 9), is("", false));
    assert_eq!(list("", None, 0), is("", false));
    assert_eq!(query::list_buckets(&log.rows, TenantId(8), "", None, 9).expect("lists"), (Vec::new(), false));
}
