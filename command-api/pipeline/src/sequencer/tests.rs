use std::sync::mpsc;

use projections::query;
use schemas::event::UserCreated;
use schemas::record::Actor;
use schemas::{RequestId, UserId};

use super::*;
use crate::tables::{PHYSICAL, probe_key};
use crate::testing::{FailingLog, Failure, ManualClock};

const A: TenantId = TenantId(1);
const B: TenantId = TenantId(2);
const START_US: u64 = 1_000_000_000;

/// A writer over a log in memory, and what it was told to be fatal.
struct Bench {
    sequencer: Arc<Sequencer>,
    log: Arc<FailingLog>,
    clock: Arc<ManualClock>,
    fatal: Arc<Mutex<Vec<String>>>,
    /// Makes the next `before_commit` fail.
    content_fails: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> Self {
        let (log, clock) = (FailingLog::new(), ManualClock::at(START_US));
        let fatal: Arc<Mutex<Vec<String>>> = Arc::default();
        let content_fails = Arc::new(AtomicBool::new(false));
        let retention = RetentionClock::start(None, clock.wall(), clock.monotonic_us());
        let parts = Parts {
            log: log.clone(),
            clock: clock.clone(),
            retention: Arc::new(Mutex::new(retention)),
            before_commit: {
                let fails = content_fails.clone();
                Box::new(move || if fails.load(Ordering::SeqCst) { Err(StoreError::DiskFull) } else { Ok(()) })
            },
            after_commit: Box::new(|_| {}),
            on_fatal: {
                let fatal = fatal.clone();
                Arc::new(move |what| fatal.lock().push(what.to_owned()))
            },
        };
        let sequencer = Arc::new(Sequencer::start(parts, Duration::from_secs(30)).expect("a thread"));
        Self { sequencer, log, clock, fatal, content_fails }
    }

    fn queue(&self, work: Work) -> Answer {
        Answer(self.sequencer.enqueue(work).expect("there is room"))
    }

    fn run(&self, work: Work) -> Result<Outcome, StoreError> {
        self.sequencer.submit_blocking(work)
    }

    /// Holds the writer in a decision: what is queued until `release` shares its batch.
    fn hold(&self) -> Held {
        let (entered, inside) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let decide: Decide = Box::new(move |_, _| {
            // Nobody listens when its batch is decided again.
            let _ = entered.send(());
            // Dropped by a test that failed: go on.
            let _ = released.recv();
            Ok(Unit::default())
        });
        let answer = self.queue(work(TenantId(99), decide));
        inside.recv_timeout(Duration::from_secs(10)).expect("the writer takes it");
        Held { release, answer }
    }

    fn users(&self, tenant: TenantId) -> Vec<String> {
        let users = query::users(self.log.snapshot().as_ref(), tenant).expect("reads");
        users.into_iter().map(|(user, _)| user.to_string()).collect()
    }

    fn fatal(&self) -> Vec<String> {
        self.fatal.lock().clone()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.sequencer.stop();
    }
}

struct Answer(oneshot::Receiver<Result<Outcome, StoreError>>);

impl Answer {
    fn get(self) -> Result<Outcome, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Unavailable))
    }
}

struct Held {
    release: mpsc::Sender<()>,
    answer: Answer,
}

impl Held {
    fn release(self) {
        let Self { release, answer } = self;
        release.send(()).expect("the writer waits");
        // When its batch is decided again it goes on at once.
        drop(release);
        // It changes nothing, and fares as its batch does.
        let _ = answer.get();
    }
}

fn context() -> Context {
    let actor = Actor::System("test".to_owned());
    let request = RequestId("request".to_owned());
    Context { actor, source: None, request, correlation: None, causation: None, command: None }
}

fn work(tenant: TenantId, decide: Decide) -> Work {
    let (context, preload) = (context(), Preload::default());
    Work { tenant, context, lane: Lane::Foreground, preload, command: None, decide }
}

fn background(work: Work) -> Work {
    Work { lane: Lane::Background, ..work }
}

fn with_id(id: u8, mut work: Work) -> Work {
    work.command = Some(CommandId([id; 16]));
    work.context.command = work.command;
    work
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a name")
}

fn created(name: &str) -> Planned {
    let event = UserCreated { user: user(name), display_name: name.to_owned(), email: None };
    Planned { bucket: BucketId::NONE, key: KeyId(1), object: None, event: event.into() }
}

/// Creates a user unless there is one: the simplest command whose outcome depends on what came before.
fn create(tenant: TenantId, name: &str) -> Work {
    let name = name.to_owned();
    let decide: Decide = Box::new(move |rows, _| {
        if query::user(rows, tenant, &user(&name)).expect("reads").is_some() {
            return Err(Refusal::UserExists.into());
        }
        Ok(Unit { events: vec![created(&name)], changes: Changes::default() })
    });
    work(tenant, decide)
}

/// Writes a row and no event.
fn row(value: &'static [u8]) -> Work {
    let decide: Decide = Box::new(move |_, _| {
        let mut changes = Changes::default();
        changes.put(PHYSICAL, probe_key(), value.to_vec());
        Ok(Unit { events: Vec::new(), changes })
    });
    work(A, decide)
}

fn position(outcome: &Outcome) -> u64 {
    outcome.first().expect("an event").header.position.0
}

#[test]
fn commands_that_wait_together_share_one_commit() {
    let bench = Bench::new();
    let held = bench.hold();
    let answers: Vec<_> = (0..200).map(|n| bench.queue(create(TenantId(1 + n % 3), &format!("user-{n}")))).collect();
    held.release();
    for answer in answers {
        answer.get().expect("created");
    }
    assert_eq!(bench.log.attempts(), 1);
    assert_eq!(bench.users(A).len(), 67);
}

#[test]
fn a_decision_sees_what_was_decided_before_it_in_its_own_drain() {
    let bench = Bench::new();
    let held = bench.hold();
    let (first, second) = (bench.queue(create(A, "one")), bench.queue(create(A, "one")));
    held.release();
    assert_eq!(position(&first.get().expect("created")), 0);
    assert!(matches!(second.get(), Err(StoreError::Refused(Refusal::UserExists))));
    assert_eq!(bench.log.snapshot().log_head(A).expect("reads").expect("a log").next.0, 1, "refused: no event");
}

#[test]
fn a_refused_command_changes_nothing_and_costs_no_commit() {
    let bench = Bench::new();
    bench.run(create(A, "one")).expect("created");
    let before = bench.log.attempts();
    assert!(matches!(bench.run(create(A, "one")), Err(StoreError::Refused(Refusal::UserExists))));
    assert_eq!(bench.log.attempts(), before);
    assert_eq!(bench.log.snapshot().log_head(A).expect("reads").expect("a log").next.0, 1);
}

/// A command that would do it again if it were asked again.
fn always(tenant: TenantId, name: &'static str, ran: &Arc<AtomicU64>) -> Work {
    let ran = ran.clone();
    let decide: Decide = Box::new(move |_, _| {
        ran.fetch_add(1, Ordering::SeqCst);
        Ok(Unit { events: vec![created(name)], changes: Changes::default() })
    });
    work(tenant, decide)
}

#[test]
fn a_command_repeated_after_its_commit_is_answered_as_it_was_and_not_executed() {
    let (bench, ran) = (Bench::new(), Arc::default());
    let first = bench.run(with_id(7, always(A, "one", &ran))).expect("created");
    let again = bench.run(with_id(7, always(A, "one", &ran))).expect("answered");
    assert_eq!(first, again);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[test]
fn a_command_repeated_within_one_drain_is_not_executed_twice() {
    let (bench, ran) = (Bench::new(), Arc::default());
    let held = bench.hold();
    let answers: Vec<_> = (0..5).map(|_| bench.queue(with_id(7, always(A, "one", &ran)))).collect();
    let other_tenant = bench.queue(with_id(7, always(B, "one", &ran)));
    held.release();
    let outcomes: Vec<_> = answers.into_iter().map(|answer| answer.get().expect("answered")).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    assert_eq!(bench.log.snapshot().log_head(A).expect("reads").expect("a log").next.0, 1);
    assert_eq!(other_tenant.get().expect("created")[0].header.tenant, B, "an id is its tenant's own");
    assert_eq!(ran.load(Ordering::SeqCst), 2);
}

#[test]
fn a_repeated_command_whose_first_was_refused_is_decided_again() {
    let bench = Bench::new();
    bench.run(create(A, "one")).expect("created");
    let held = bench.hold();
    let answers = [bench.queue(with_id(7, create(A, "one"))), bench.queue(with_id(7, create(A, "one")))];
    held.release();
    for answer in answers {
        assert!(matches!(answer.get(), Err(StoreError::Refused(Refusal::UserExists))));
    }
}

/// Notes the tenant when it is decided.
fn noted(tenant: TenantId, order: &Arc<Mutex<Vec<TenantId>>>) -> Work {
    let order = order.clone();
    let decide: Decide = Box::new(move |_, _| {
        order.lock().push(tenant);
        Ok(Unit::default())
    });
    work(tenant, decide)
}

#[test]
fn a_flooding_tenant_does_not_starve_another() {
    let (bench, order) = (Bench::new(), Arc::default());
    let held = bench.hold();
    let flood: Vec<_> = (0..4_000).map(|_| bench.queue(noted(A, &order))).collect();
    let few: Vec<_> = (0..20).map(|_| bench.queue(noted(B, &order))).collect();
    held.release();
    for answer in few.into_iter().chain(flood) {
        answer.get().expect("decided");
    }
    let order = order.lock();
    let turn = QUANTUM_ROWS / ROWS_ESTIMATE;
    let last = order.iter().rposition(|tenant| *tenant == B).expect("decided");
    // Twenty commands take three turns, each behind one turn of the other tenant.
    assert!(last < 20 + 3 * turn, "the other tenant's last command was the {last}th");
}

#[test]
fn a_full_queue_refuses_its_own_tenant_only() {
    let bench = Bench::new();
    let held = bench.hold();
    let order = Arc::default();
    let flood: Vec<_> = (0..QUEUE_MAX).map(|_| bench.queue(noted(A, &order))).collect();
    match bench.sequencer.enqueue(noted(A, &order)) {
        Err(StoreError::Busy { retry_after_ms }) => assert!(retry_after_ms > 0),
        other => panic!("queued beyond the bound: {}", other.is_ok()),
    }
    let other = bench.queue(noted(B, &order));
    assert_eq!(bench.sequencer.waiting(), QUEUE_MAX + 1);
    held.release();
    other.get().expect("decided");
    for answer in flood {
        answer.get().expect("decided");
    }
    bench.run(noted(A, &order)).expect("there is room again");
    assert_eq!(bench.sequencer.waiting(), 0);
}

#[test]
fn background_work_neither_starves_nor_delays_requests() {
    let (bench, order) = (Bench::new(), Arc::default());
    let held = bench.hold();
    let standing: Vec<_> = (0..300).map(|_| bench.queue(background(noted(TenantId::SYSTEM, &order)))).collect();
    let requests: Vec<_> = (0..1_000).map(|_| bench.queue(noted(A, &order))).collect();
    held.release();
    for answer in requests.into_iter().chain(standing) {
        answer.get().expect("decided");
    }
    let order = order.lock();
    let last = order.iter().rposition(|tenant| *tenant == A).expect("decided");
    assert!(last - 999 <= 100, "{} commands of the background came before the last request", last - 999);
}

#[test]
fn who_comes_while_others_are_decided_shares_their_sync() {
    let bench = Bench::new();
    bench.run(create(A, "before")).expect("created");
    let held = bench.hold();
    let early = bench.queue(create(A, "early"));
    held.release();
    early.get().expect("created");
    // The one that holds the writer was decided first, with nobody behind it in its drain.
    assert_eq!(bench.log.attempts(), 2);
    assert_eq!(bench.users(A), ["before", "early"]);
}

#[test]
fn a_failed_commit_answers_nobody_well_and_ends_the_writer() {
    let bench = Bench::new();
    bench.run(create(A, "before")).expect("created");
    bench.log.fail_next(Failure::Fatal);
    let held = bench.hold();
    let answers: Vec<_> = (0..10).map(|n| bench.queue(create(A, &format!("user-{n}")))).collect();
    held.release();
    for answer in answers {
        assert!(matches!(answer.get(), Err(StoreError::Unavailable)));
    }
    assert!(matches!(bench.run(create(A, "after")), Err(StoreError::Unavailable)));
    assert!(!bench.sequencer.alive());
    assert_eq!(bench.log.attempts(), 2, "never tried again");
    assert_eq!(bench.users(A), ["before"]);
    bench.sequencer.stop();
    assert_eq!(bench.fatal(), ["writing the log failed: the disk is on fire"]);
}

#[test]
fn content_that_cannot_be_made_durable_is_never_named() {
    let bench = Bench::new();
    bench.content_fails.store(true, Ordering::SeqCst);
    assert!(matches!(bench.run(create(A, "one")), Err(StoreError::Unavailable)));
    bench.sequencer.stop();
    assert_eq!((bench.log.attempts(), bench.users(A).len(), bench.fatal().len()), (0, 0, 1));
}

#[test]
fn a_full_disk_refuses_the_whole_batch_and_the_log_goes_on() {
    let bench = Bench::new();
    bench.log.fail_next(Failure::Full);
    let held = bench.hold();
    // One with an event, one with rows alone, one that would be refused only because of the first.
    let answers = [bench.queue(create(A, "one")), bench.queue(row(b"1")), bench.queue(create(A, "one"))];
    held.release();
    for answer in answers {
        assert!(matches!(answer.get(), Err(StoreError::DiskFull)));
    }
    assert_eq!(bench.users(A).len(), 0);
    assert_eq!(bench.log.snapshot().get(PHYSICAL, &probe_key()).expect("reads"), None);
    assert_eq!(position(&bench.run(create(A, "one")).expect("there is room again")), 0);
    bench.run(row(b"2")).expect("there is room again");
    assert!(bench.sequencer.alive() && bench.fatal().is_empty());
}

#[test]
fn a_unit_over_its_bounds_fails_alone() {
    let bench = Bench::new();
    let held = bench.hold();
    let before = bench.queue(create(A, "before"));
    let events: Decide = Box::new(|_, _| {
        let events = (0..=UNIT_EVENTS_MAX).map(|n| created(&format!("many-{n}"))).collect();
        Ok(Unit { events, changes: Changes::default() })
    });
    let rows: Decide = Box::new(|_, _| {
        let mut changes = Changes::default();
        for n in 0..=UNIT_ROWS_MAX {
            changes.put(PHYSICAL, n.to_be_bytes().to_vec(), Vec::new());
        }
        Ok(Unit { events: vec![created("rows")], changes })
    });
    let long: Decide = Box::new(|_, _| {
        let mut planned = created("long");
        planned.event = UserCreated { user: user("long"), display_name: "x".repeat(70_000), email: None }.into();
        Ok(Unit { events: vec![planned], changes: Changes::default() })
    });
    let over = [bench.queue(work(A, events)), bench.queue(work(A, rows)), bench.queue(work(A, long))];
    let after = bench.queue(create(A, "after"));
    held.release();
    let [events, rows, long] = over.map(Answer::get);
    assert!(matches!(events, Err(StoreError::Internal { .. })) && matches!(rows, Err(StoreError::Internal { .. })));
    assert!(matches!(long, Err(StoreError::Refused(Refusal::InvalidRequest { .. }))));
    let places = [before, after].map(|answer| position(&answer.get().expect("created")));
    assert_eq!(places, [0, 1], "neighbours keep their order and leave no gap");
    assert_eq!(bench.users(A), ["after", "before"]);
}

#[test]
fn a_drain_over_the_bound_of_a_batch_is_several_commits() {
    let bench = Bench::new();
    let held = bench.hold();
    let long = |n: u32| -> Decide {
        Box::new(move |_, _| {
            let name = format!("user-{n}");
            let mut planned = created(&name);
            planned.event = UserCreated { user: user(&name), display_name: "x".repeat(2_000), email: None }.into();
            Ok(Unit { events: vec![planned], changes: Changes::default() })
        })
    };
    let answers: Vec<_> = (0..1_000).map(|n| bench.queue(work(A, long(n)))).collect();
    held.release();
    let places: Vec<_> = answers.into_iter().map(|answer| position(&answer.get().expect("created"))).collect();
    assert_eq!(places, (0..1_000).collect::<Vec<_>>());
    // Two thousand bytes each in the record and in the row: 4 MB in batches of 1 MiB.
    assert!((4..8).contains(&bench.log.attempts()), "{} commits", bench.log.attempts());
}

#[test]
fn a_wall_clock_set_back_changes_neither_order_nor_time() {
    let bench = Bench::new();
    let mut times = Vec::new();
    for (n, wall) in [START_US, START_US + 10, 5, 0, START_US + 20].into_iter().enumerate() {
        bench.clock.pass(1_000);
        bench.clock.set_wall(wall);
        let outcome = bench.run(create(A, &format!("user-{n}"))).expect("created");
        assert_eq!(position(&outcome), n as u64);
        times.push(outcome[0].header.time.0 - START_US);
    }
    assert_eq!(times, [0, 10, 10, 10, 20]);
}

#[test]
fn a_client_that_goes_away_does_not_undo_its_write() {
    let bench = Bench::new();
    let held = bench.hold();
    drop(bench.queue(create(A, "one")));
    held.release();
    bench.run(row(b"behind it")).expect("written");
    assert_eq!(bench.users(A), ["one"]);
}

#[test]
fn stopping_decides_what_is_queued_and_takes_no_more() {
    let bench = Bench::new();
    let held = bench.hold();
    let queued: Vec<_> = (0..50).map(|n| bench.queue(create(A, &format!("user-{n}")))).collect();
    let stopper = std::thread::spawn({
        let sequencer = bench.sequencer.clone();
        move || sequencer.stop()
    });
    while bench.sequencer.alive() {
        std::thread::yield_now();
    }
    assert!(matches!(bench.sequencer.enqueue(create(A, "late")), Err(StoreError::Unavailable)));
    held.release();
    stopper.join().expect("stops");
    assert!(queued.into_iter().all(|answer| answer.get().is_ok()));
    assert_eq!(bench.users(A).len(), 50);
    assert!(bench.fatal().is_empty());
}

#[test]
fn a_panic_in_a_decision_is_fatal_at_once_and_leaves_nobody_waiting() {
    let bench = Bench::new();
    let held = bench.hold();
    let panics: Decide = Box::new(|_, _| panic!("a decision of the test"));
    let answers = [bench.queue(create(A, "one")), bench.queue(work(A, panics)), bench.queue(create(A, "two"))];
    held.release();
    for answer in answers {
        assert!(matches!(answer.get(), Err(StoreError::Unavailable)));
    }
    assert!(matches!(bench.run(create(A, "three")), Err(StoreError::Unavailable)));
    bench.sequencer.stop();
    assert_eq!(bench.fatal(), ["the writer panicked"]);
    assert_eq!(bench.users(A).len(), 0, "nothing of the drain is there");
}

#[test]
fn a_writer_that_hangs_is_reported_while_commands_wait() {
    let bench = Bench::new();
    let held = bench.hold();
    bench.clock.pass(31_000_000);
    let waited = std::time::Instant::now();
    while bench.fatal().is_empty() && waited.elapsed() < Duration::from_secs(10) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(
        bench.fatal().first().map(String::as_str),
        Some("no commit within the watchdog's time while commands wait")
    );
    held.release();
}
