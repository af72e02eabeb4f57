//! Access logs of buckets: who may have one where, and that what is gathered is delivered.

use domain::Refusal;
use pipeline::{BucketPolicy, Caller, ListObjects, Store, StoreError};
use schemas::action::Action;
use schemas::event::{Event, LogKeyFormat, Logging, Setting};
use schemas::{Position, Time};

use crate::support::{House, bucket, delete_request, get_request, read, refusal};

const NOON: Time = Time(1_800_014_400_000_000);

fn to(target: &str) -> Option<Logging> {
    Some(Logging { target: bucket(target), prefix: "log/".to_owned(), key_format: LogKeyFormat::Simple })
}

async fn set(store: &Store, caller: &Caller, source: &str, target: &str) -> Result<Position, StoreError> {
    store.log_bucket(caller, &bucket(source), to(target)).await
}

/// A house with `bucket` and `logs`, which lets its log in.
async fn house() -> (House, Caller) {
    let house = House::with(|options| options.access_log_flush_s = 60);
    let caller = house.with_bucket().await;
    house.bucket(&caller, "logs").await.expect("a bucket");
    admit(&house.store, &caller, "logs", "bucket").await;
    (house, caller)
}

/// Gives a bucket the policy that AWS documents for buckets of logs.
async fn admit(store: &Store, caller: &Caller, target: &str, source: &str) {
    let text = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Principal": {{"Service": "logging.s3.amazonaws.com"}}, "Action": ["s3:PutObject"],
            "Resource": "arn:aws:s3:::{target}/log/*",
            "Condition": {{"ArnLike": {{"aws:SourceArn": "arn:aws:s3:::{source}"}},
                "StringEquals": {{"aws:SourceAccount": "{}"}}}}}}]}}"#,
        caller.user()
    );
    let policy = BucketPolicy { text, binds_owner: false };
    store.put_bucket_policy(caller, &bucket(target), policy).await.expect("a policy");
}

/// Takes a line as a door does, if the bucket has a log.
fn line(store: &Store, caller: &Caller, time: Time, text: &str) -> bool {
    let logged = store.access_log(caller.tenant, &bucket("bucket")).expect("reads");
    if let Some(logged) = &logged {
        store.log_access(logged, time, text);
    }
    logged.is_some()
}

async fn logs(store: &Store, caller: &Caller) -> Vec<(String, String)> {
    let all = ListObjects { bucket: bucket("logs"), prefix: String::new(), delimiter: None, after: None, max: 1_000 };
    let mut found = Vec::new();
    for entry in store.list_objects(caller, all).await.expect("lists").entries {
        let object = store.get_object(caller, get_request("logs", entry.key.as_str())).await.expect("there");
        let text = String::from_utf8(read(object).await.expect("reads")).expect("text");
        found.push((entry.key.to_string(), text));
    }
    found
}

#[tokio::test]
async fn a_log_goes_to_another_bucket_of_the_tenant_that_can_take_it() {
    let (house, caller) = house().await;
    let store = &house.store;
    assert!(matches!(refusal(set(store, &caller, "bucket", "none").await), Refusal::NoSuchLogTarget));
    assert!(matches!(refusal(set(store, &caller, "none", "logs").await), Refusal::NoSuchBucket));
    let same = refusal(set(store, &caller, "bucket", "bucket").await);
    assert!(matches!(same, Refusal::InvalidArgument { .. }), "{same}");
    house.bucket(&caller, "other").await.expect("a bucket");
    let denied = refusal(set(store, &caller, "logs", "other").await);
    assert!(matches!(denied, Refusal::AccessDenied), "nobody let it in: {denied}");
    admit(store, &caller, "other", "bucket").await;
    let denied = refusal(set(store, &caller, "logs", "other").await);
    assert!(matches!(denied, Refusal::AccessDenied), "another's log was let in: {denied}");
    admit(store, &caller, "other", "logs").await;
    set(store, &caller, "logs", "other").await.expect("set");
    let logged = refusal(set(store, &caller, "bucket", "logs").await);
    assert!(matches!(logged, Refusal::InvalidArgument { .. }), "{logged}");
    store.log_bucket(&caller, &bucket("logs"), None).await.expect("ended");
    set(store, &caller, "bucket", "logs").await.expect("set");
    let setting = store.bucket_setting(&caller, &bucket("bucket"), Action::GetBucketLogging, Setting::Logging).await;
    let setting = setting.expect("reads").expect("set");
    assert!(matches!(&*setting, Event::BucketLoggingSet(set) if set.logging == to("logs")));
    let stranger = house.tenant("stranger").await;
    assert!(matches!(refusal(set(store, &stranger, "bucket", "logs").await), Refusal::NoSuchBucket));
}

#[tokio::test]
async fn a_bucket_has_a_log_from_the_next_request_on_and_until_it_is_ended() {
    let (house, caller) = house().await;
    let store = &house.store;
    assert!(!line(store, &caller, NOON, "before"));
    set(store, &caller, "bucket", "logs").await.expect("set");
    assert!(line(store, &caller, NOON, "while"));
    store.log_bucket(&caller, &bucket("bucket"), None).await.expect("ended");
    assert!(!line(store, &caller, NOON, "after"));
    store.delete_bucket(&caller, &bucket("bucket")).await.expect("deleted");
    house.bucket(&caller, "bucket").await.expect("made again");
    assert!(!line(store, &caller, NOON, "of another bucket"));
}

#[tokio::test]
async fn what_was_gathered_is_delivered_when_the_store_closes() {
    let (house, caller) = house().await;
    set(&house.store, &caller, "bucket", "logs").await.expect("set");
    for text in ["first", "second"] {
        line(&house.store, &caller, NOON, text);
    }
    line(&house.store, &caller, Time(NOON.0 + 86_400_000_000), "next day");
    assert!(logs(&house.store, &caller).await.is_empty());
    let house = house.reopened(|_| {});
    let delivered = logs(&house.store, &caller).await;
    let mut texts: Vec<&str> = delivered.iter().map(|(_, text)| text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["first\nsecond\n", "next day\n"]);
    for (key, _) in &delivered {
        assert!(key.starts_with("log/2027-01-15-") && key.len() == "log/2027-01-15-08-00-00-".len() + 16, "{key}");
    }
    let house = house.reopened(|_| {});
    assert_eq!(logs(&house.store, &caller).await.len(), 2, "each line once");
}

#[tokio::test]
async fn old_lines_are_delivered_while_the_store_runs() {
    let (house, caller) = house().await;
    set(&house.store, &caller, "bucket", "logs").await.expect("set");
    line(&house.store, &caller, NOON, "a line");
    house.clock.pass_s(60);
    for _ in 0..100 {
        if !logs(&house.store, &caller).await.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let delivered = logs(&house.store, &caller).await;
    assert_eq!(delivered.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["a line\n"]);
    let (key, _) = &delivered[0];
    let head = house.store.head_object(&caller, get_request("logs", key)).await.expect("there");
    assert_eq!(head.info.owner, caller.user(), "whose the bucket is");
    house.store.delete_object(&caller, delete_request("logs", key)).await.expect("its owner may delete it");
}

#[tokio::test]
async fn a_log_that_is_not_let_in_any_more_is_lost() {
    let (house, caller) = house().await;
    set(&house.store, &caller, "bucket", "logs").await.expect("set");
    line(&house.store, &caller, NOON, "too late");
    admit(&house.store, &caller, "logs", "other").await;
    let house = house.reopened(|_| {});
    assert!(logs(&house.store, &caller).await.is_empty());
}

#[tokio::test]
async fn a_log_whose_bucket_is_gone_is_lost_and_nothing_else_is() {
    let (house, caller) = house().await;
    set(&house.store, &caller, "bucket", "logs").await.expect("set");
    line(&house.store, &caller, NOON, "nowhere to go");
    house.store.delete_bucket(&caller, &bucket("logs")).await.expect("deleted");
    let house = house.reopened(|_| {});
    house.bucket(&caller, "logs").await.expect("made again");
    admit(&house.store, &caller, "logs", "bucket").await;
    line(&house.store, &caller, NOON, "there again");
    let house = house.reopened(|_| {});
    let delivered = logs(&house.store, &caller).await;
    assert_eq!(delivered.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["there again\n"]);
}
