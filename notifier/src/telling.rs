//! The whole way, from a log in memory to receivers on this machine.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use event_log::{Draft, EventLog, MemoryLog, PlainCipher, Views};
use parking_lot::Mutex;
use schemas::event::{BucketDeleted, DeleteMarkerCreated, Event};
use schemas::record::{Actor, Body, Context};
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{
    BucketId, BucketName, KeyId, ObjectKey, Position, RequestId, SubscriptionId, TenantId, TenantName, Time, UserId,
};
use secrecy::SecretString;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::{Bell, Clock, Directory, DirectoryError, Names, Notifier, Options, RetryPolicy, Subscription, TABLE};

const TENANT: TenantId = TenantId(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Ticking(AtomicU64);

impl Clock for Ticking {
    fn wall(&self) -> Time {
        Time(1_700_000_000_000_000 + self.monotonic_us())
    }

    fn monotonic_us(&self) -> u64 {
        static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        u64::try_from(BEGAN.get_or_init(std::time::Instant::now).elapsed().as_micros()).expect("a short test")
    }

    fn chance(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

/// Subscriptions as a test sets them.
#[derive(Default)]
struct Book {
    all: Mutex<Vec<Subscription>>,
    stopped: Mutex<Vec<(SubscriptionId, SubscriptionStatus)>>,
}

impl Names for Book {
    fn tenant(&self, tenant: TenantId) -> Option<TenantName> {
        (tenant == TENANT).then(|| TenantName::parse("acme").expect("a name"))
    }

    fn bucket(&self, _: TenantId, bucket: BucketId) -> Option<BucketName> {
        BucketName::parse(&format!("bucket-{bucket}")).ok()
    }
}

impl Directory for Book {
    fn tenants_subscribed(&self) -> Result<Vec<TenantId>, DirectoryError> {
        Ok(vec![TENANT])
    }

    fn tenants(&self) -> Result<Vec<(TenantId, TenantName)>, DirectoryError> {
        Ok(Vec::new())
    }

    fn subscriptions(&self, _: TenantId) -> Result<Vec<Subscription>, DirectoryError> {
        Ok(self.all.lock().clone())
    }

    fn stop(
        &self,
        _: TenantId,
        id: SubscriptionId,
        status: SubscriptionStatus,
    ) -> Pin<Box<dyn Future<Output = Result<(), DirectoryError>> + Send>> {
        for subscription in self.all.lock().iter_mut().filter(|it| it.id == id) {
            subscription.status = status.clone();
        }
        self.stopped.lock().push((id, status));
        Box::pin(async { Ok(()) })
    }
}

/// A request as a receiver got it.
#[derive(Debug, Clone)]
struct Got {
    position: u64,
    prev: Option<u64>,
    id: String,
    key: String,
    path: String,
    replay: bool,
}

/// A receiver: answers each request as `answer` says.
#[derive(Clone)]
struct Receiver {
    got: Arc<Mutex<Vec<Got>>>,
    url: String,
}

type Answer = Arc<dyn Fn(&Got) -> u16 + Send + Sync>;

impl Receiver {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let got = Arc::new(Mutex::new(Vec::new()));
        let kept = got.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, kept.clone(), answer.clone()));
            }
        });
        Self { got, url }
    }

    async fn good() -> Self {
        Self::start(Arc::new(|_| 204)).await
    }

    async fn has(&self, count: usize) -> Vec<Got> {
        for _ in 0..1_000 {
            if self.got.lock().len() >= count {
                return self.got.lock().clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} came", self.got.lock().len());
    }
}

async fn serve(stream: TcpStream, got: Arc<Mutex<Vec<Got>>>, answer: Answer) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut headers, mut path) = (HashMap::new(), String::new());
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some((name, value)) => {
                    headers.insert(name.to_ascii_lowercase(), value.to_owned());
                }
                None => line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path),
            }
        }
        let length = headers.get("content-length").and_then(|it| it.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let number = |name: &str| headers.get(name).and_then(|it| it.parse().ok());
        let one = Got {
            position: number("x-holdfast-position").unwrap_or(u64::MAX),
            prev: number("x-holdfast-prev"),
            id: headers.get("webhook-id").cloned().unwrap_or_default(),
            key: body["key"].as_str().unwrap_or_default().to_owned(),
            path,
            replay: headers.contains_key("x-holdfast-replay"),
        };
        let status = answer(&one);
        if status < 300 {
            got.lock().push(one);
        }
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        if stream.get_mut().write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct House {
    log: Arc<MemoryLog>,
    views: Arc<Views>,
    book: Arc<Book>,
    bell: Bell,
    notifier: Notifier,
    _folder: Arc<tempfile::TempDir>,
}

fn patience() -> RetryPolicy {
    let schedule = [0, 20, 40, 80].map(Duration::from_millis).to_vec();
    RetryPolicy { schedule, probe_max: Duration::from_millis(50), park_after: 3 }
}

fn start(log: &Arc<MemoryLog>, views: &Arc<Views>, book: &Arc<Book>, policy: RetryPolicy) -> (Notifier, Bell) {
    let bell = Bell::default();
    let options = Options {
        clock: Arc::new(Ticking::default()),
        policy,
        timeout: 2 * SECOND,
        allowed_networks: vec!["127.0.0.0/8".parse().expect("a network")],
        dns_servers: Vec::new(),
        nats: None,
    };
    let notifier = Notifier::start(options, bell.clone(), log.clone(), views.clone(), book.clone()).expect("starts");
    (notifier, bell)
}

impl House {
    fn new() -> Self {
        Self::with(patience())
    }

    fn with(policy: RetryPolicy) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let (views, _) = Views::open(&folder.path().join("views"), &[TABLE]).expect("opens");
        let (log, views, book) =
            (Arc::new(MemoryLog::new(Arc::new(PlainCipher))), Arc::new(views), Arc::new(Book::default()));
        let (notifier, bell) = start(&log, &views, &book, policy);
        Self { log, views, book, bell, notifier, _folder: folder }
    }

    async fn restarted(self) -> Self {
        self.notifier.stop().await;
        let (notifier, bell) = start(&self.log, &self.views, &self.book, patience());
        Self { notifier, bell, ..self }
    }

    /// A delete marker on each of these keys, of bucket 1 unless a key says another.
    fn happen(&self, keys: &[&str]) {
        for keys in keys.chunks(100) {
            let drafts = keys.iter().map(|key| {
                let event: Event =
                    DeleteMarkerCreated { null: false, owner: UserId::parse("ann").expect("a user") }.into();
                draft(bucket_of(key), Some(key), &event)
            });
            self.commit(drafts.collect());
        }
    }

    fn commit(&self, drafts: Vec<Draft>) {
        let mut batch = self.log.begin();
        let recorded = batch.stage(TENANT, Time(1_700_000_000_000_000), drafts, None).expect("stages");
        batch.commit().expect("commits");
        self.bell.committed(&recorded);
    }

    /// Sets the subscriptions, as an event of the log says.
    fn subscribe(&self, all: Vec<Subscription>) {
        *self.book.all.lock() = all;
        let deleted = BucketDeleted { bucket: BucketId(9), name: BucketName::parse("gone").expect("a name") };
        self.commit(vec![draft(BucketId(9), None, &deleted.into())]);
    }
}

fn bucket_of(key: &str) -> BucketId {
    BucketId(key.split_once(':').map_or(1, |(bucket, _)| bucket.parse().expect("a number")))
}

fn draft(bucket: BucketId, key: Option<&&str>, event: &Event) -> Draft {
    let context = Context {
        actor: Actor::Anonymous,
        source: None,
        request: RequestId("REQUEST".to_owned()),
        correlation: None,
        causation: None,
        command: None,
    };
    let object = key.map(|key| ObjectKey::parse(key).expect("a key"));
    Draft {
        bucket,
        key: KeyId(1),
        event_type: event.type_code(),
        schema_version: event.schema_version(),
        body: Body::new(context, object, event),
    }
}

fn subscription(id: u8, receiver: &Receiver) -> Subscription {
    Subscription {
        id: SubscriptionId([id; 16]),
        rule: None,
        url: format!("{}/{id}", receiver.url),
        format: PayloadFormat::Native,
        mode: DeliveryMode::Key,
        filter: EventFilter { events: vec!["s3:*".to_owned()], ..EventFilter::default() },
        status: SubscriptionStatus::Active,
        secrets: vec![(SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), None)],
        start: Position(0),
    }
}

/// Every event once, those of a key in order, and the chain of positions without a gap.
fn check(got: &[Got], count: usize) {
    let mut of_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for one in got {
        of_key.entry(&one.key).or_default().push(one.position);
    }
    assert!(of_key.values().all(|positions| positions.is_sorted_by(|a, b| a < b)), "{of_key:?}");
    let mut chain: Vec<_> = got.iter().map(|one| (one.position, one.prev)).collect();
    chain.sort_unstable();
    assert_eq!(chain.len(), count);
    assert!(chain.windows(2).all(|pair| pair[1].1 == Some(pair[0].0)), "{chain:?}");
    assert_eq!(chain[0].1, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_then_what_happens_is_told_once_and_in_order() {
    let (house, receiver) = (House::new(), Receiver::good().await);
    let keys: Vec<String> = (0..1_500).map(|number| format!("k{}", number % 7)).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    house.happen(&keys);
    house.subscribe(vec![subscription(1, &receiver)]);
    for chunk in keys.chunks(50) {
        house.happen(chunk);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    check(&receiver.has(3_000).await, 3_000);
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_it_goes_on_where_it_was() {
    let (house, receiver) = (House::new(), Receiver::good().await);
    house.subscribe(vec![subscription(1, &receiver)]);
    house.happen(&["a", "b", "a"]);
    receiver.has(3).await;
    let house = house.restarted().await;
    house.happen(&["a", "c"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    check(&receiver.has(5).await, 5);
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_and_other_keys_flow_past_it() {
    let tried = Arc::new(AtomicU64::new(0));
    let counted = tried.clone();
    let answer: Answer = Arc::new(move |got| {
        let blocked = got.key == "slow" && counted.fetch_add(1, Ordering::Relaxed) < 1;
        if blocked { 500 } else { 200 }
    });
    let (house, receiver) = (House::new(), Receiver::start(answer).await);
    house.subscribe(vec![subscription(1, &receiver)]);
    house.happen(&["slow", "b", "slow", "c", "b"]);
    let got = receiver.has(5).await;
    check(&got, 5);
    assert_ne!(got[0].key, "slow");
    assert_eq!(tried.load(Ordering::Relaxed), 3);
    let attempts = house.notifier.attempts(TENANT, SubscriptionId([1; 16]), true, 10).expect("reads");
    assert_eq!(attempts.iter().map(|it| (it.number, it.status)).collect::<Vec<_>>(), [(1, Some(500))]);
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poisonous_event_is_set_aside_and_may_be_tried_again() {
    let cured = Arc::new(AtomicU64::new(0));
    let asked = cured.clone();
    let answer: Answer =
        Arc::new(move |got| if got.key == "poison" && asked.load(Ordering::Relaxed) == 0 { 500 } else { 200 });
    let policy = RetryPolicy { schedule: vec![Duration::from_millis(20); 200], ..patience() };
    let (house, receiver) = (House::with(policy), Receiver::start(answer).await);
    let id = SubscriptionId([1; 16]);
    house.subscribe(vec![subscription(1, &receiver)]);
    house.happen(&["poison"]);
    for number in 0..30 {
        house.happen(&[&format!("k{number}")]);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    receiver.has(30).await;
    let mut parked = Vec::new();
    for _ in 0..100 {
        parked = house.notifier.parked(TENANT, id).expect("reads");
        if !parked.is_empty() {
            break;
        }
        house.happen(&["more"]);
    }
    assert_eq!(
        (parked.len(), parked[0].event.position, parked[0].error.as_str()),
        (1, Position(1), "the receiver answered 500")
    );
    assert_eq!(house.notifier.state(TENANT, id).map(|state| state.parked), Some(1));
    cured.store(1, Ordering::Relaxed);
    let before = receiver.got.lock().len();
    assert!(house.notifier.unpark(TENANT, id, Position(1), schemas::delivery::Unpark::Replay).expect("asks"));
    receiver.has(before + 1).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(house.notifier.parked(TENANT, id).expect("reads").is_empty());
    assert!(!house.notifier.unpark(TENANT, id, Position(1), schemas::delivery::Unpark::Discard).expect("asks"));
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_or_takes_nothing_is_told_no_more() {
    for (status, expected) in [(410, "disabled"), (500, "paused")] {
        let (house, receiver) = (House::new(), Receiver::start(Arc::new(move |_| status)).await);
        house.subscribe(vec![subscription(1, &receiver)]);
        house.happen(&["a", "b"]);
        let mut stopped = Vec::new();
        for _ in 0..500 {
            stopped = house.book.stopped.lock().clone();
            if !stopped.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let is = match stopped.first() {
            Some((_, SubscriptionStatus::Disabled { .. })) => "disabled",
            Some((_, SubscriptionStatus::Paused { .. })) => "paused",
            _ => "told",
        };
        assert_eq!(is, expected);
        // Resumed, it goes on at its cursor.
        let good = Receiver::good().await;
        house.subscribe(vec![subscription(1, &good)]);
        check(&good.has(2).await, 2);
        house.notifier.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_buckets() {
    let (house, receiver) = (House::new(), Receiver::good().await);
    let mut of_bucket = subscription(1, &receiver);
    of_bucket.filter.buckets = vec![BucketName::parse("bucket-2").expect("a name")];
    let mut of_prefix = subscription(2, &receiver);
    of_prefix.filter.prefix = Some("2:x".to_owned());
    house.subscribe(vec![of_bucket, of_prefix]);
    house.happen(&["a", "2:x1", "b", "2:y", "3:z"]);
    let got = receiver.has(3).await;
    let of = |path: &str| {
        let mut keys: Vec<_> = got.iter().filter(|one| one.path == path).map(|one| one.key.clone()).collect();
        keys.sort_unstable();
        keys
    };
    assert_eq!((of("/1"), of("/2")), (vec!["2:x1".to_owned(), "2:y".to_owned()], vec!["2:x1".to_owned()]));
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_the_live_cursor_where_it_is() {
    let (house, receiver, other) = (House::new(), Receiver::good().await, Receiver::good().await);
    let id = SubscriptionId([1; 16]);
    house.subscribe(vec![subscription(1, &receiver)]);
    house.happen(&["a", "b", "c", "d"]);
    receiver.has(4).await;
    let before = loop {
        let state = house.notifier.state(TENANT, id).expect("is known");
        if state.position == state.head {
            break state.position;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let new = schemas::delivery::NewReplay {
        from: Position(1),
        to: Some(Position(4)),
        url: Some(format!("{}/again", other.url)),
        filter: None,
        per_second: Some(50),
    };
    let asking = house.notifier.clone();
    let begun =
        tokio::task::spawn_blocking(move || asking.replay(TENANT, id, new)).await.expect("ends").expect("begins");
    let mut again = other.has(3).await;
    // Of three keys, whose order is nobody's promise.
    again.sort_by_key(|one| one.position);
    assert!(again.iter().all(|one| one.replay && one.path == "/again"));
    assert_eq!(again.iter().map(|one| one.id.clone()).collect::<Vec<_>>(), ["evt_1_1_1", "evt_1_1_2", "evt_1_1_3"]);
    let ended = loop {
        let all = house.notifier.replays(TENANT, id).expect("reads");
        if all[0].ended.is_some() {
            break all[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!((ended.id, ended.delivered), (begun.id, 3));
    assert_eq!(ended.ended, Some(schemas::delivery::ReplayEnd::Done));
    assert_eq!(house.notifier.state(TENANT, id).expect("is known").position, before);
    assert_eq!(receiver.got.lock().len(), 4, "nothing was told twice");
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_is_one_at_a_time_and_a_dead_receiver_delays_nobody() {
    let (house, good) = (House::new(), Receiver::good().await);
    let dead = Receiver { got: Arc::default(), url: "http://127.0.0.1:9".to_owned() };
    let mut strict = subscription(1, &good);
    strict.mode = DeliveryMode::Strict;
    house.subscribe(vec![strict, subscription(2, &dead)]);
    let keys: Vec<String> = (0..300).map(|number| format!("k{number}")).collect();
    house.happen(&keys.iter().map(String::as_str).collect::<Vec<_>>());
    let got = good.has(300).await;
    assert!(got.is_sorted_by_key(|one| one.position));
    check(&got, 300);
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_behind_a_change_is_told_as_the_change_says() {
    let (house, one, other) = (House::new(), Receiver::good().await, Receiver::good().await);
    for round in 0..40 {
        let (now, name) = if round % 2 == 0 { (&one, "one") } else { (&other, "other") };
        house.subscribe(vec![subscription(1, now)]);
        house.happen(&[name]);
        now.has(round / 2 + 1).await;
    }
    let (got, others) = (one.has(20).await, other.has(20).await);
    assert!(got.iter().all(|it| it.key == "one") && others.iter().all(|it| it.key == "other"));
    check(&[got, others].concat(), 40);
    house.notifier.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_stopped_before_beginning_ends() {
    let (house, receiver) = (House::new(), Receiver::good().await);
    // Takes connections and answers nothing: its subscription takes its time to end, and the next one waits for it.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    house.subscribe(vec![Subscription { url, ..subscription(1, &receiver) }]);
    house.happen(&["a"]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    house.subscribe(vec![subscription(1, &receiver)]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    tokio::time::timeout(10 * SECOND, house.notifier.stop()).await.expect("ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_last_subscription_goes_may_have_another_at_once() {
    let (house, receiver) = (House::new(), Receiver::good().await);
    for round in 0..20 {
        house.subscribe(Vec::new());
        house.subscribe(vec![Subscription {
            start: Position(round * 3 + 2),
            ..subscription(u8::try_from(round).expect("small"), &receiver)
        }]);
        house.happen(&["a"]);
        let count = usize::try_from(round).expect("small") + 1;
        assert_eq!(receiver.has(count).await.len(), count);
    }
    house.notifier.stop().await;
}
