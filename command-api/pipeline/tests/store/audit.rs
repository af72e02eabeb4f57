//! Audit and metering over a real store: what requests leave behind, and how it is found.

use pipeline::audit::{AuditPage, AuditQuery, Came, Class, Ended, Order, Record, Surface, Trace, Verdict, Window};
use pipeline::{Caller, MoveObject, Store};
use schemas::{RequestId, Time};

use crate::support::{House, bucket, key as named, tenant_name};

const MINUTE_US: u64 = 60_000_000;

/// A request of a caller, in the time of the house's clock.
fn begin(house: &House, request: &str) -> Record {
    use pipeline::Clock;
    let (request, time) = (RequestId(request.to_owned()), house.clock.wall());
    house.store.record(Came { surface: Surface::S3, request, time, source: Some([127, 0, 0, 1].into()) })
}

fn answered(record: Record, status: u16, class: Class, bytes_out: u64) {
    let ended = Ended { status, class: Some(class), bytes_in: 3, bytes_out, ..Ended::default() };
    record.end(ended, None, |facts| facts);
}

fn read(house: &House, caller: &Caller, request: &str, key: &str, status: u16) {
    let record = begin(house, request);
    record.trace().caller(caller);
    record.trace().action("GetObject");
    record.trace().resource(Some("bucket"), Some(key), None);
    answered(record, status, Class::Read, 100);
}

/// A PUT as a door does it; the position of its event.
async fn put(house: &House, caller: &Caller, request: &str, key: &str) -> u64 {
    let record = begin(house, request);
    let caller = Caller { request: RequestId(request.to_owned()), ..caller.clone() };
    record.trace().caller(&caller);
    let trace: Trace = record.trace().clone();
    let written = trace.scope(house.put(&caller, key, b"abc")).await.expect("puts");
    answered(record, 200, Class::Write, 0);
    written.position.0
}

async fn ask(house: &House, query: AuditQuery) -> AuditPage {
    house.store.audit(&house.admin, AuditQuery { limit: 1_000, ..query }).await.expect("answers")
}

fn of(tenant: &str) -> AuditQuery {
    AuditQuery { tenant: Some(tenant_name(tenant)), limit: 1_000, ..AuditQuery::default() }
}

fn shown(page: &AuditPage) -> Vec<(String, Option<&str>, &str)> {
    page.entries
        .iter()
        .map(|entry| (entry.action.clone(), entry.request.as_ref().map(|id| id.0.as_str()), entry.result.as_str()))
        .collect()
}

#[tokio::test]
async fn reads_denials_and_changes_are_one_list_and_a_change_shows_once() {
    let house = House::new();
    let caller = house.tenant("acme").await;
    house.bucket(&caller, "bucket").await.expect("a bucket");
    let position = put(&house, &caller, "put-1", "a").await;
    house.clock.pass_s(1);
    read(&house, &caller, "get-1", "a", 200);
    house.clock.pass_s(1);
    read(&house, &caller, "get-2", "a", 403);
    house.clock.pass_s(1);
    put(&house, &caller, "put-2", "b").await;

    let page = ask(&house, AuditQuery { bucket: Some("bucket".to_owned()), ..of("acme") }).await;
    let expected = [
        ("PutObject", "put-2", "ok"),
        ("GetObject", "get-2", "denied"),
        ("GetObject", "get-1", "ok"),
        ("PutObject", "put-1", "ok"),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(action, id, result)| ((*action).to_owned(), Some(*id), *result)).collect();
    let newest: Vec<_> = shown(&page).into_iter().take(4).collect();
    assert_eq!(newest, expected);
    assert_eq!(
        page.entries[3].event.as_ref().map(|(at, names)| (at.0, names.clone())),
        Some((position, vec!["VersionCommitted"]))
    );
    assert!(page.entries[3].access.is_none());
    let denied = &page.entries[1];
    assert_eq!(denied.asker.user.as_deref(), Some("user"));
    assert_eq!(denied.access.as_ref().map(|what| (what.status, what.bytes_out)), Some((403, 100)));

    let only = |query: AuditQuery| async {
        shown(&ask(&house, query).await).into_iter().map(|it| it.1.unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(only(AuditQuery { request: text("get-2"), ..of("acme") }).await, ["get-2"]);
    assert_eq!(only(AuditQuery { request: text("req_put-1"), ..of("acme") }).await, ["put-1"]);
    assert_eq!(only(AuditQuery { result: Some(Verdict::Denied), ..of("acme") }).await, ["get-2"]);
    assert_eq!(
        only(AuditQuery { action: text("putobject"), order: Some(Order::Oldest), ..of("acme") }).await,
        ["put-1", "put-2"]
    );
    assert_eq!(only(AuditQuery { key: text("b"), ..of("acme") }).await, ["put-2"]);
    assert_eq!(
        only(AuditQuery { actor: text("user"), action: text("GetObject"), ..of("acme") }).await,
        ["get-2", "get-1"]
    );
    let (from, to) = (denied.time, Time(denied.time.0 + 1));
    assert_eq!(only(AuditQuery { from: Some(from), to: Some(to), ..of("acme") }).await, ["get-2"]);
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended_in_both_directions() {
    let house = House::new();
    let caller = house.tenant("acme").await;
    house.bucket(&caller, "bucket").await.expect("a bucket");
    for number in 0..20 {
        put(&house, &caller, &format!("put-{number}"), "a").await;
        // At the same moment: the order is that of places then.
        read(&house, &caller, &format!("get-{number}"), "a", 200);
        if number % 3 == 0 {
            house.clock.pass_s(1);
        }
    }
    for order in [Order::Newest, Order::Oldest] {
        let query = AuditQuery { order: Some(order), ..AuditQuery::default() };
        let whole = ask(&house, query.clone()).await;
        assert!(whole.next.is_none() && whole.entries.len() > 40, "{}", whole.entries.len());
        let (mut pieces, mut cursor) = (Vec::new(), None);
        loop {
            let query = AuditQuery { limit: 7, cursor, ..query.clone() };
            let page = house.store.audit(&house.admin, query).await.expect("answers");
            pieces.extend(page.entries);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pieces, whole.entries, "{order:?}");
    }
    let wrong = AuditQuery { cursor: Some("nonsense".to_owned()), ..AuditQuery::default() };
    assert!(house.store.audit(&house.admin, wrong).await.is_err());
}

#[tokio::test]
async fn every_object_of_a_change_of_several_is_found_by_its_key_bucket_and_action() {
    let house = House::new();
    let caller = house.tenant("acme").await;
    for name in ["bucket", "other"] {
        house.bucket(&caller, name).await.expect("a bucket");
    }
    put(&house, &caller, "put-1", "from").await;
    for number in 0..5 {
        put(&house, &caller, "put-many", &format!("old/{number}")).await;
    }
    let mover = Caller { request: RequestId("move-1".to_owned()), ..caller.clone() };
    let (source_key, key) = (named("from"), named("to"));
    let request = MoveObject {
        source_bucket: bucket("bucket"),
        source_key,
        source_version: None,
        source_conditions: pipeline::ReadConditions::default(),
        bucket: bucket("other"),
        key,
        conditions: pipeline::WriteConditions::default(),
        removal: pipeline::Circumstances::default(),
    };
    let moved = house.store.move_object(&mover, request).await.expect("moves");
    let text = |text: &str| Some(text.to_owned());
    let both = ask(&house, AuditQuery { request: text("move-1"), ..of("acme") }).await;
    let places = |page: &AuditPage| -> Vec<_> {
        let each = page.entries.iter().map(|it| (it.bucket.clone(), it.key.clone(), it.action.clone()));
        each.collect()
    };
    let (to, from) =
        ((text("other"), text("to"), text("CopyObject")), (text("bucket"), text("from"), text("DeleteObject")));
    let shown = |it: (Option<String>, Option<String>, Option<String>)| (it.0, it.1, it.2.unwrap_or_default());
    assert_eq!(places(&both), [shown(to.clone()), shown(from.clone())]);
    assert_eq!(both.entries[1].event.as_ref().map(|(at, names)| (*at, names.len())), Some((moved.position, 1)));
    for (bucket, key, action) in [to, from] {
        let found = ask(&house, AuditQuery { bucket, key, action, ..of("acme") }).await;
        assert_eq!(found.entries.len(), 1, "{:?}", places(&found));
        assert_eq!(found.entries[0].request, Some(RequestId("move-1".to_owned())));
    }

    house.store.delete_prefix(&caller, &bucket("bucket"), "old/").await.expect("begins");
    let deleted = AuditQuery { action: text("DeleteObject"), bucket: text("bucket"), ..of("acme") };
    for _ in 0..2_000 {
        if ask(&house, deleted.clone()).await.entries.len() == 6 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let whole = ask(&house, deleted.clone()).await;
    assert_eq!(whole.entries.len(), 6, "one that was moved, five under the prefix");
    let (mut pieces, mut cursor) = (Vec::new(), None);
    loop {
        let page = house.store.audit(&house.admin, AuditQuery { limit: 1, cursor, ..deleted.clone() }).await;
        let page = page.expect("answers");
        pieces.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pieces, whole.entries, "a page may end within a unit");
    let one = ask(&house, AuditQuery { key: text("old/3"), ..deleted }).await;
    assert_eq!(one.entries.len(), 1);
}

#[tokio::test]
async fn a_token_of_one_tenant_sees_that_tenants_audit_alone() {
    let house = House::new();
    let (acme, other) = (house.tenant("acme").await, house.tenant("other").await);
    read(&house, &acme, "of-acme", "a", 403);
    read(&house, &other, "of-other", "a", 403);
    answered(begin(&house, "of-nobody"), 403, Class::Read, 0);
    let all = ask(&house, AuditQuery { result: Some(Verdict::Denied), ..AuditQuery::default() }).await;
    assert_eq!(all.entries.len(), 3);
    let nobody = all.entries.iter().find(|entry| entry.request.as_ref().is_some_and(|id| id.0 == "of-nobody"));
    assert_eq!(nobody.map(|entry| entry.tenant), Some(schemas::TenantId::SYSTEM));
    let limited = pipeline::AdminCaller { tenant: Some(acme.tenant), ..house.admin.clone() };
    let query = AuditQuery { limit: 1_000, ..AuditQuery::default() };
    let seen = house.store.audit(&limited, query).await.expect("answers");
    assert!(seen.entries.iter().all(|entry| entry.tenant == acme.tenant));
    assert!(seen.entries.iter().any(|entry| entry.result == Verdict::Denied));
    for tenant in ["other", "absent"] {
        assert!(house.store.audit(&limited, of(tenant)).await.is_err(), "{tenant}");
    }
}

#[tokio::test]
async fn what_was_asked_of_a_deleted_tenant_is_found_without_a_name_and_by_its_number() {
    use pipeline::Clock;
    let house = House::new();
    let caller = house.tenant("acme").await;
    let minute = house.clock.wall().0 / MINUTE_US;
    read(&house, &caller, "before", "a", 200);
    house.store.delete_tenant(&house.admin, &tenant_name("acme"), "gone".to_owned()).await.expect("deletes");
    let number = caller.tenant.0.to_string();
    let everywhere = ask(&house, AuditQuery::default()).await;
    let its: Vec<_> = everywhere.entries.iter().filter(|entry| entry.tenant == caller.tenant).collect();
    assert!(its.iter().any(|entry| entry.request == Some(RequestId("before".to_owned()))), "its access log");
    assert!(its.iter().any(|entry| entry.event.is_some()), "its events");
    let by_number = ask(&house, of(&number)).await;
    assert_eq!(by_number.entries.len(), its.len());
    let name = tenant_name(&number);
    let (from, to) = (Time(minute * MINUTE_US), Time((minute + 1) * MINUTE_US));
    let used = house.store.usage_windows(&house.admin, &name, from, to).await.expect("answers").windows;
    assert_eq!(used[0].counts.read, 1);

    let limited = pipeline::AdminCaller { tenant: Some(caller.tenant), ..house.admin.clone() };
    assert!(house.store.audit(&limited, of(&number)).await.is_err(), "a limited token has its tenant's name alone");
    let other = house.tenant("other").await;
    for none in [format!("{}", other.tenant.0), "0".to_owned(), "99999".to_owned(), "acme".to_owned()] {
        assert!(house.store.audit(&house.admin, of(&none)).await.is_err(), "{none} is no deleted tenant");
    }
    // A tenant that has the number for its name goes first.
    let named = house.tenant(&number).await;
    let live = ask(&house, of(&number)).await;
    assert!(!live.entries.is_empty() && live.entries.iter().all(|entry| entry.tenant == named.tenant));
}

#[tokio::test]
async fn a_request_that_nobody_waited_for_leaves_an_entry() {
    let house = House::new();
    let caller = house.tenant("acme").await;
    let record = begin(&house, "gone");
    record.trace().caller(&caller);
    drop(record);
    let page = ask(&house, AuditQuery { request: Some("gone".to_owned()), ..of("acme") }).await;
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].access.as_ref().map(|what| what.status), Some(499));
}

async fn windows(house: &House, from: u64, to: u64) -> Vec<Window> {
    let of = |minute: u64| Time(minute * MINUTE_US);
    let page = house.store.usage_windows(&house.admin, &tenant_name("acme"), of(from), of(to)).await;
    page.expect("answers").windows
}

#[tokio::test]
async fn minutes_add_up_over_a_reopening_and_show_what_is_stored() {
    use pipeline::Clock;
    let house = House::new();
    let caller = house.tenant("acme").await;
    house.bucket(&caller, "bucket").await.expect("a bucket");
    let minute = house.clock.wall().0 / MINUTE_US;
    put(&house, &caller, "put-1", "a").await;
    read(&house, &caller, "get-1", "a", 200);
    let house = house.reopened(|_| {});
    read(&house, &caller, "get-2", "a", 200);
    read(&house, &caller, "get-3", "a", 404);
    house.clock.pass_s(180);
    let seen = windows(&house, minute, minute + 3).await;
    let counts = seen[0].counts;
    assert_eq!((counts.read, counts.write, counts.failed), (2, 1, 1));
    assert_eq!((counts.bytes_in, counts.bytes_out), (12, 300));
    let stored = |window: &Window| window.stored.map(|stored| (stored.objects, stored.logical_bytes));
    assert_eq!(stored(&seen[0]), Some((1, 3)));
    assert_eq!((seen[2].counts.read, stored(&seen[2])), (0, Some((1, 3))), "nothing happened and it is still stored");
    let bad = house.store.usage_windows(&house.admin, &tenant_name("acme"), Time(1), Time(MINUTE_US)).await;
    assert!(bad.is_err(), "not a whole minute");
}

#[tokio::test]
async fn over_the_bound_the_oldest_entries_go() {
    let bound = 100_000;
    let house = House::with(|options| options.audit_bytes_max = bound);
    let caller = house.tenant("acme").await;
    for number in 0..1_000 {
        read(&house, &caller, &format!("get-{number:04}"), "a", 200);
        house.clock.pass_s(1);
    }
    let query = AuditQuery { action: Some("GetObject".to_owned()), ..of("acme") };
    let bytes = |house: &House| house.store.stats(&house.admin).expect("answers").audit.bytes;
    // Each question makes the writer take a turn.
    for _ in 0..100 {
        ask(&house, query.clone()).await;
        if bytes(&house) <= bound {
            break;
        }
    }
    let page = ask(&house, query.clone()).await;
    let left: Vec<_> = shown(&page).into_iter().filter_map(|it| it.1.map(str::to_owned)).collect();
    assert_eq!(left.first().map(String::as_str), Some("get-0999"));
    assert!((50..900).contains(&left.len()), "{} are left", left.len());
    let house = house.reopened(|options| options.audit_bytes_max = bound);
    read(&house, &caller, "one-more", "a", 200);
    ask(&house, query).await;
    assert!((10_000..=bound).contains(&bytes(&house)), "{} are noted", bytes(&house));
}

#[tokio::test]
async fn old_entries_are_removed_and_young_ones_are_not() {
    let house = House::with(|options| options.audit_days = 7);
    let caller = house.tenant("acme").await;
    read(&house, &caller, "old", "a", 200);
    house.clock.pass_s(6 * 86_400);
    read(&house, &caller, "young", "a", 200);
    let reads = |store: &Store| {
        let store = store.clone();
        let admin = house.admin.clone();
        async move {
            let query = AuditQuery { action: Some("GetObject".to_owned()), ..of("acme") };
            store.audit(&admin, query).await.expect("answers").entries.len()
        }
    };
    assert_eq!(reads(&house.store).await, 2);
    house.clock.pass_s(2 * 86_400);
    // Each question makes the writer take a turn; removing is due by the clock that was set on.
    for _ in 0..100 {
        if reads(&house.store).await == 1 {
            return;
        }
    }
    panic!("the old entry is still there");
}

#[tokio::test]
async fn what_was_not_done_of_a_request_has_entries_of_its_own_whatever_became_of_the_rest() {
    let house = House::new();
    let caller = house.tenant("acme").await;
    house.bucket(&caller, "bucket").await.expect("a bucket");
    for (request, makes_event, status) in [
        ("01J00000000000000000000011", true, 200),
        ("01J00000000000000000000012", false, 200),
        ("01J00000000000000000000013", false, 503),
    ] {
        let record = begin(&house, request);
        let caller = Caller { request: RequestId(request.to_owned()), ..caller.clone() };
        let trace = record.trace().clone();
        trace.caller(&caller);
        trace.action("batchDeleteObjects");
        trace.resource(Some("bucket"), None, None);
        trace.also(403, "object_locked", Some("held"), Some("v1"));
        trace.also(404, "not_found", Some("none"), None);
        if makes_event {
            trace.scope(house.put(&caller, "key", b"abc")).await.expect("puts");
        }
        answered(record, status, Class::Delete, 0);
        let found = ask(&house, AuditQuery { request: Some(request.to_owned()), ..of("acme") }).await;
        let found: Vec<_> = found.entries.iter().filter(|entry| entry.action == "batchDeleteObjects").collect();
        let of_key = |key: &str| {
            let entry = found.iter().find(|entry| entry.key.as_deref() == Some(key)).expect("an entry");
            let said = entry.access.as_ref().expect("of the access log");
            (entry.result, said.status, said.code.as_deref(), entry.version.as_deref(), entry.bucket.as_deref())
        };
        assert_eq!(of_key("held"), (Verdict::Denied, 403, Some("object_locked"), Some("v1"), Some("bucket")));
        assert_eq!(of_key("none"), (Verdict::Error, 404, Some("not_found"), None, Some("bucket")));
        assert_eq!(found.len(), if makes_event { 2 } else { 3 }, "{request}: an event is its own entry");
        assert!(
            found.iter().all(|entry| entry.asker.credential.as_deref() == caller.access_key().map(|key| key.as_str()))
        );
    }
}
