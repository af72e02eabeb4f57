//! Webhooks and rules of buckets that post to one: secrets, places, who may, what whoever delivers is told.

use std::collections::BTreeMap;

use domain::Refusal;
use domain::notification::webhook_arn;
use pipeline::{
    AskedDelivery, AskedFeed, AskedReplay, AskedTrial, Caller, CreateAccessKey, CreateWebhook, NewKey, Point, Span,
    StoreError, Subscription, UpdateWebhook, Who,
};
use schemas::event::{DestinationKind, NotificationConfiguration, NotificationRule};
use schemas::subscription::{DeliveryMode, EventFilter, PayloadFormat, SubscriptionStatus};
use schemas::{Epoch, EventId, Position, SubscriptionId, Time, UserId};
use secrecy::ExposeSecret;

use crate::announced::{Announced, after_s};
use crate::support::{House, bucket, refusal, tenant_name};

fn asked() -> CreateWebhook {
    CreateWebhook {
        url: "https://a.example/hook".to_owned(),
        name: Some("orders".to_owned()),
        format: PayloadFormat::CloudEvents,
        mode: DeliveryMode::Key,
        filter: EventFilter { events: vec!["*".to_owned()], ..EventFilter::default() },
        paused: false,
        start: Point::Head,
    }
}

fn rule(id: &str, prefix: &str) -> NotificationRule {
    NotificationRule {
        id: id.to_owned(),
        destination: DestinationKind::Queue,
        arn: webhook_arn("https://a.example/hook"),
        events: vec!["s3:ObjectCreated:*".to_owned()],
        prefix: Some(prefix.to_owned()),
        suffix: None,
        webhook: None,
    }
}

async fn set(house: &House, caller: &Caller, rules: &[NotificationRule]) -> Result<Position, StoreError> {
    let asked = NotificationConfiguration { rules: rules.to_vec(), event_bus: false };
    let done = house.store.set_notifications(caller, &bucket("bucket"), asked, &BTreeMap::new()).await;
    done.map(|(_, position)| position)
}

fn limited(caller: &Caller, scopes: &str) -> Caller {
    let Who::User { user, display_name, access_key, .. } = caller.who.clone() else { unreachable!("a user") };
    let scopes = scopes.parse().expect("scopes");
    Caller { who: Who::User { user, display_name, access_key, scopes }, ..caller.clone() }
}

fn subscriptions(house: &House, caller: &Caller) -> Vec<Subscription> {
    house.store.subscriptions(caller.tenant).expect("reads")
}

fn secrets(subscription: &Subscription) -> Vec<(&str, Option<Time>)> {
    subscription.secrets.iter().map(|(secret, until)| (secret.expose_secret(), *until)).collect()
}

/// What the records of the whole log and every table hold in the clear, and what is shown of it.
fn is_nowhere(house: &House, secret: &str) {
    let secret = secret.strip_prefix("whsec_").expect("a secret").as_bytes();
    assert!(!house.on_disk().iter().any(|file| file.windows(secret.len()).any(|bytes| bytes == secret)));
}

#[tokio::test]
async fn a_secret_leaves_once_and_signs_beside_its_successor_for_a_while() {
    let house = House::new();
    let caller = house.with_bucket().await;
    Announced::bound_to(&house.store);
    let (webhook, made) = house.store.create_webhook(&caller, asked()).await.expect("made");
    let first = made.secret.expose_secret().to_owned();
    assert_eq!(first.len(), "whsec_".len() + 44, "32 bytes in base64");
    assert_eq!(webhook.start, made.position.next());
    assert!(!format!("{made:?}{webhook:?}").contains(&first[6..]));
    is_nowhere(&house, &first);
    assert_eq!(secrets(&subscriptions(&house, &caller)[0]), [(first.as_str(), None)]);

    let rotated = house.store.rotate_webhook_secret(&caller, webhook.id, 60).await.expect("rotated");
    let second = rotated.secret.expose_secret().to_owned();
    let until = rotated.previous_until.expect("an end");
    assert!(until >= after_s(60) && second != first);
    let subscription = &subscriptions(&house, &caller)[0];
    assert_eq!(secrets(subscription), [(second.as_str(), None), (first.as_str(), Some(until))]);
    assert!(!format!("{subscription:?}").contains(&first[6..]));
    house.clock.pass_s(61);
    assert_eq!(secrets(&subscriptions(&house, &caller)[0]), [(second.as_str(), None)]);
    let shown = house.store.webhook(&caller, webhook.id).await.expect("shown");
    assert_eq!((shown.previous_until, shown.delivery.map(|state| state.pending)), (None, Some(3)));
    let long = house.store.rotate_webhook_secret(&caller, webhook.id, 2_592_001).await;
    assert!(matches!(refusal(long), Refusal::InvalidArgument { name: "overlapSeconds", .. }));

    let house = house.reopened(|_| {});
    assert_eq!(secrets(&subscriptions(&house, &caller)[0]), [(second.as_str(), None)]);
}

#[tokio::test]
async fn a_webhook_is_changed_stopped_resumed_and_deleted() {
    let house = House::new();
    let caller = house.with_bucket().await;
    assert_eq!(refusal(house.store.create_webhook(&caller, asked()).await), Refusal::NotSupported { what: "Webhooks" });
    Announced::bound_to(&house.store);
    let forbidden = CreateWebhook { url: "https://forbidden.example/".to_owned(), ..asked() };
    let refused = refusal(house.store.create_webhook(&caller, forbidden.clone()).await);
    assert!(matches!(refused, Refusal::DestinationNotAllowed { .. }));
    let (webhook, _) = house.store.create_webhook(&caller, asked()).await.expect("made");
    assert_eq!(house.store.tenants_subscribed().expect("reads"), [caller.tenant]);
    let elsewhere = UpdateWebhook { url: Some(forbidden.url), ..UpdateWebhook::default() };
    let refused = refusal(house.store.update_webhook(&caller, webhook.id, elsewhere).await);
    assert!(matches!(refused, Refusal::DestinationNotAllowed { .. }));
    let gone = SubscriptionStatus::Disabled { reason: "410 Gone".to_owned() };
    for _ in 0..2 {
        house.store.stop_subscription(caller.tenant, webhook.id, gone.clone()).await.expect("stopped");
    }
    assert_eq!(subscriptions(&house, &caller)[0].status, gone);
    let resume = UpdateWebhook { paused: Some(false), name: Some(None), ..UpdateWebhook::default() };
    let (resumed, at) = house.store.update_webhook(&caller, webhook.id, resume.clone()).await.expect("resumed");
    assert_eq!((resumed.status, resumed.name, resumed.start), (SubscriptionStatus::Active, None, webhook.start));
    let (_, again) = house.store.update_webhook(&caller, webhook.id, resume).await.expect("so already");
    assert_eq!(again, at, "no event");
    house.store.delete_webhook(&caller, webhook.id).await.expect("deleted");
    assert_eq!(refusal(house.store.webhook(&caller, webhook.id).await), Refusal::NoSuchWebhook);
    house.store.stop_subscription(caller.tenant, webhook.id, gone).await.expect("gone is stopped");
    assert!(house.store.tenants_subscribed().expect("reads").is_empty());
}

#[tokio::test]
async fn a_tenant_that_is_disabled_is_told_nothing_until_it_is_enabled() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let other = house.tenant("other").await;
    Announced::bound_to(&house.store);
    let store = &house.store;
    let (webhook, _) = store.create_webhook(&caller, asked()).await.expect("made");
    store.create_webhook(&other, asked()).await.expect("made");
    set(&house, &caller, &[rule("a", "a/")]).await.expect("set");
    let before = subscriptions(&house, &caller);
    assert_eq!((before.len(), before[0].id), (2, webhook.id));
    let name = tenant_name("tenant");
    let disabled = store.set_tenant_disabled(&house.admin, &name, true, "unpaid".to_owned()).await.expect("disabled");
    assert!(disabled.disabled);
    assert!(subscriptions(&house, &caller).is_empty(), "neither the webhook nor the bucket's rule");
    assert_eq!(store.tenants_subscribed().expect("reads"), [other.tenant]);
    assert_eq!(store.enabled_tenants().expect("reads"), [(other.tenant, tenant_name("other"))]);
    assert_eq!(subscriptions(&house, &other).len(), 1, "of another tenant as before");
    store.set_tenant_disabled(&house.admin, &name, false, String::new()).await.expect("enabled");
    let after = subscriptions(&house, &caller);
    let place = |all: &[Subscription]| all.iter().map(|it| (it.id, it.start, it.status.clone())).collect::<Vec<_>>();
    assert_eq!(place(&after), place(&before), "they go on where they stood");
    assert_eq!(store.tenants_subscribed().expect("reads").len(), 2);
    // Whoever is deleted has no subscriptions either.
    let gone = house.tenant("gone").await;
    store.create_webhook(&gone, asked()).await.expect("made");
    let name = tenant_name("gone");
    store.delete_tenant(&house.admin, &name, "it left".to_owned()).await.expect("deleted");
    assert!(subscriptions(&house, &gone).is_empty());
}

#[tokio::test]
async fn only_those_who_administer_the_whole_tenant_look_after_webhooks_and_only_their_own() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let other = house.tenant("other").await;
    Announced::bound_to(&house.store);
    let (webhook, _) = house.store.create_webhook(&caller, asked()).await.expect("made");
    let store = &house.store;
    for scopes in ["op=read,op=write,op=delete", "op=admin:bucket=bucket", "op=admin:prefix=a/"] {
        let less = limited(&caller, scopes);
        assert_eq!(refusal(store.create_webhook(&less, asked()).await), Refusal::AccessDenied, "{scopes}");
        assert_eq!(refusal(store.list_webhooks(&less).await), Refusal::AccessDenied);
        assert_eq!(refusal(store.webhook(&less, webhook.id).await), Refusal::AccessDenied);
        assert_eq!(refusal(store.delete_webhook(&less, webhook.id).await), Refusal::AccessDenied);
        assert_eq!(refusal(store.rotate_webhook_secret(&less, webhook.id, 0).await), Refusal::AccessDenied);
        assert_eq!(refusal(store.parked(&less, webhook.id).await), Refusal::AccessDenied);
    }
    assert_eq!(refusal(store.webhook(&other, webhook.id).await), Refusal::NoSuchWebhook);
    assert_eq!(refusal(store.rotate_webhook_secret(&other, webhook.id, 0).await), Refusal::NoSuchWebhook);
    assert_eq!(refusal(store.delete_webhook(&other, webhook.id).await), Refusal::NoSuchWebhook);
    assert_eq!(refusal(store.deliveries(&other, webhook.id, false, 9).await), Refusal::NoSuchWebhook);
    assert!(store.list_webhooks(&other).await.expect("lists").is_empty());
    // A key that was revoked while its request was on the way changes nothing any more.
    let key = caller.access_key().expect("a key").clone();
    store.revoke_own_key(&caller, &key, None).await.expect("revoked");
    assert_eq!(refusal(store.create_webhook(&caller, asked()).await), Refusal::AccessDenied);
}

#[tokio::test]
async fn a_rule_keeps_subscription_secret_and_place_over_a_put() {
    let house = House::new();
    let caller = house.with_bucket().await;
    assert_eq!(refusal(set(&house, &caller, &[rule("a", "a/")]).await), Refusal::NotSupported { what: "Webhooks" });
    Announced::bound_to(&house.store);
    let first = set(&house, &caller, &[rule("a", "a/")]).await.expect("set");
    let made = subscriptions(&house, &caller).remove(0);
    assert_eq!(made.start, first.next());
    assert_eq!(made.rule, Some((bucket("bucket"), "a".to_owned())));
    assert_eq!(
        (made.filter.buckets.as_slice(), made.filter.prefix.as_deref()),
        ([bucket("bucket")].as_slice(), Some("a/"))
    );
    let [(secret, None)] = secrets(&made)[..] else { panic!("one secret") };
    is_nowhere(&house, secret);
    let paused = SubscriptionStatus::Paused { reason: "retries ran out".to_owned() };
    house.store.stop_subscription(caller.tenant, made.id, paused.clone()).await.expect("stopped");
    assert_eq!(subscriptions(&house, &caller)[0].status, paused);
    set(&house, &caller, &[rule("b", "b/"), rule("a", "c/")]).await.expect("set");
    let now = subscriptions(&house, &caller);
    let kept = now.iter().find(|it| it.id == made.id).expect("it is there");
    assert_eq!((secrets(kept), kept.start, &kept.status), (secrets(&made), made.start, &SubscriptionStatus::Active));
    assert_eq!(kept.filter.prefix.as_deref(), Some("c/"));

    let rotated = house.store.rotate_notification_secret(&caller, &bucket("bucket"), "a", 60).await.expect("rotated");
    let kept = subscriptions(&house, &caller).into_iter().find(|it| it.id == made.id).expect("it is there");
    assert_eq!(secrets(&kept), [(rotated.secret.expose_secret(), None), (secret, rotated.previous_until)]);
    assert_eq!(kept.start, made.start);
    let nothing = house.store.rotate_notification_secret(&caller, &bucket("bucket"), "z", 60).await;
    assert_eq!(refusal(nothing), Refusal::NoSuchWebhook);

    set(&house, &caller, &[]).await.expect("cleared");
    assert!(subscriptions(&house, &caller).is_empty());
    set(&house, &caller, &[rule("a", "a/")]).await.expect("set");
    assert_ne!(subscriptions(&house, &caller)[0].id, made.id, "another one of the same name");
}

#[tokio::test]
async fn rules_that_are_changed_at_once_lose_nothing() {
    let house = House::new();
    let caller = house.with_bucket().await;
    Announced::bound_to(&house.store);
    set(&house, &caller, &[rule("a", "a/"), rule("b", "b/")]).await.expect("set");
    let before = subscriptions(&house, &caller);
    let paused = |reason: &str| SubscriptionStatus::Paused { reason: reason.to_owned() };
    let stop = |id, reason| house.store.stop_subscription(caller.tenant, id, paused(reason));
    let name = bucket("bucket");
    let rotate = |id| house.store.rotate_notification_secret(&caller, &name, id, 60);
    let (one, two, three, four) =
        tokio::join!(stop(before[0].id, "one"), stop(before[1].id, "two"), rotate("a"), rotate("b"));
    one.expect("stopped");
    two.expect("stopped");
    let shown = [three.expect("rotated").secret, four.expect("rotated").secret];
    let after = subscriptions(&house, &caller);
    for (index, reason) in ["one", "two"].into_iter().enumerate() {
        assert_eq!(after[index].status, paused(reason));
        assert_eq!(after[index].secrets.len(), 2);
        assert_eq!(after[index].secrets[0].0.expose_secret(), shown[index].expose_secret());
    }
}

#[tokio::test]
async fn how_a_rule_is_told_is_said_or_stays() {
    let house = House::new();
    let caller = house.with_bucket().await;
    Announced::bound_to(&house.store);
    let native = AskedDelivery { format: Some(PayloadFormat::Native), mode: Some(DeliveryMode::Strict) };
    for (said, expected) in [
        (AskedDelivery::default(), (PayloadFormat::S3, DeliveryMode::Key)),
        (native, (PayloadFormat::Native, DeliveryMode::Strict)),
        (AskedDelivery::default(), (PayloadFormat::Native, DeliveryMode::Strict)),
    ] {
        let asked = NotificationConfiguration { rules: vec![rule("a", "")], event_bus: false };
        let delivery = [("a".to_owned(), said)].into();
        house.store.set_notifications(&caller, &bucket("bucket"), asked, &delivery).await.expect("set");
        let now = &subscriptions(&house, &caller)[0];
        assert_eq!((now.format, now.mode), expected);
    }
    let mut elsewhere = rule("a", "");
    elsewhere.arn = webhook_arn("https://forbidden.example/");
    assert!(matches!(refusal(set(&house, &caller, &[elsewhere]).await), Refusal::DestinationNotAllowed { .. }));
}

#[tokio::test]
async fn points_are_positions() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let announced = Announced::bound_to(&house.store);
    // The records before stand at second 0; then one each at seconds 10, 20 and 30.
    let mut positions = Vec::new();
    for _ in 0..3 {
        house.clock.pass_s(10);
        positions.push(house.put(&caller, "key", b"x").await.expect("put").position);
    }
    let head = positions[2].next();
    let from = async |point: &str| {
        let span = Span { from: point.parse().expect("a point"), to: None };
        let trial = AskedTrial { filter: asked().filter, format: PayloadFormat::Native, mode: DeliveryMode::Key };
        house.store.dry_run(&caller, trial, span, 10).await.map(|_| {
            let trial = announced.trials.lock().pop().expect("it was asked");
            trial.from
        })
    };
    for (point, expected) in [
        ("head", head),
        ("earliest", Position(0)),
        ("pos:1", Position(1)),
        (&format!("pos:{head}"), head),
        ("1970-01-01T00:00:00Z", Position(0)),
        ("-7d", Position(0)),
        ("-20s", positions[0]),
        ("-11s", positions[1]),
        ("-10s", positions[1]),
        ("-9s", positions[2]),
        ("-0s", positions[2]),
        ("2027-01-15T08:00:20Z", positions[1]),
    ] {
        assert_eq!(from(point).await.expect(point), expected, "{point}");
    }
    for future in [format!("pos:{}", head.next()), "2999-01-01T00:00:00Z".to_owned()] {
        assert_eq!(refusal(from(&future).await), Refusal::PointInFuture { head }, "{future}");
    }
    let behind =
        |epoch, position| house.store.behind(&caller, EventId { epoch: Epoch(epoch), position: Position(position) });
    let epoch = 1;
    assert_eq!(behind(epoch, 0).expect("a place"), Position(1));
    assert_eq!(behind(epoch, head.0 - 1).expect("a place"), head);
    // What was read of an epoch before this one is none of this log's.
    assert_eq!(behind(0, 2).expect("a place"), Position(0));
    for (epoch, position) in [(epoch, head.0), (epoch + 1, 0), (epoch, u64::MAX)] {
        assert_eq!(refusal(behind(epoch, position)), Refusal::PointInFuture { head });
    }
    let (webhook, _) = house
        .store
        .create_webhook(&caller, CreateWebhook { start: Point::Ago(11_000_000), ..asked() })
        .await
        .expect("made");
    assert_eq!(webhook.start, positions[1]);

    let replay = |from, to, url: Option<&str>, per_second| {
        let url = url.map(str::to_owned);
        let span = Span { from, to };
        house.store.replay(&caller, webhook.id, AskedReplay { span, url, filter: None, per_second })
    };
    let asked = replay(Point::Earliest, Some(Point::Ago(10_000_000)), None, Some(100)).await;
    assert_eq!(refusal(asked), Refusal::TooMany { what: "replays" });
    let began = announced.replays.lock().pop().expect("it was asked");
    assert_eq!((began.from, began.to), (Position(0), Some(positions[1])));
    let backwards = replay(Point::Head, Some(Point::Earliest), None, None).await;
    assert!(matches!(refusal(backwards), Refusal::InvalidArgument { name: "to", .. }));
    let idle = replay(Point::Earliest, None, None, Some(0)).await;
    assert!(matches!(refusal(idle), Refusal::InvalidArgument { name: "ratePerSecond", .. }));
    let forbidden = replay(Point::Earliest, None, Some("https://forbidden.example/"), None).await;
    assert!(matches!(refusal(forbidden), Refusal::DestinationNotAllowed { .. }));
    let nothing = replay(Point::Earliest, None, Some("nonsense"), None).await;
    assert!(matches!(refusal(nothing), Refusal::InvalidArgument { name: "url", .. }));
}

#[tokio::test]
async fn deliveries_are_asked_about_by_webhook_or_by_rule() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let announced = Announced::bound_to(&house.store);
    set(&house, &caller, &[rule("a", "a/")]).await.expect("set");
    house.store.create_webhook(&caller, asked()).await.expect("made");
    let store = &house.store;
    for subscription in subscriptions(&house, &caller) {
        let id = subscription.id;
        assert!(store.deliveries(&caller, id, true, 10).await.expect("answers").is_empty());
        assert!(store.parked(&caller, id).await.expect("answers").is_empty());
        store.unpark(&caller, id, Position(1), schemas::delivery::Unpark::Discard).await.expect("it was there");
        let gone = store.unpark(&caller, id, Position(2), schemas::delivery::Unpark::Replay).await;
        assert_eq!(refusal(gone), Refusal::NoSuchWebhook);
        assert_eq!(refusal(store.cancel_replay(&caller, id, "00").await), Refusal::NoSuchWebhook);
        assert!(matches!(store.test_subscription(&caller, id).await, Err(StoreError::Internal { .. })));
        let span = Span { from: Point::Earliest, to: None };
        store.dry_run_of(&caller, id, span, 10).await.expect("tried");
        assert_eq!(announced.trials.lock().pop().expect("it was asked").filter, subscription.filter);
    }
    assert_eq!(refusal(store.parked(&caller, SubscriptionId([9; 16])).await), Refusal::NoSuchWebhook);
}

#[tokio::test]
async fn the_feed_is_read_by_those_who_may_read_what_they_ask_for() {
    let house = House::new();
    let caller = house.with_bucket().await;
    let announced = Announced::bound_to(&house.store);
    let feed = async |caller: &Caller, buckets: &[&str], prefix: Option<&str>, events: &[&str]| {
        let filter = EventFilter {
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            buckets: buckets.iter().map(|name| bucket(name)).collect(),
            prefix: prefix.map(str::to_owned),
            ..EventFilter::default()
        };
        house.store.feed(caller, AskedFeed { from: Point::Earliest, filter, max: 10 }).await
    };
    let all = limited(&caller, "op=admin");
    let one = limited(&caller, "op=admin:bucket=bucket");
    let some = limited(&caller, "op=admin:bucket=bucket:prefix=a/");
    let reader = limited(&caller, "op=read");
    for (who, buckets, prefix, allowed) in [
        (&all, &[][..], None, true),
        (&one, &[], None, false),
        (&one, &["bucket"], None, true),
        (&one, &["bucket", "other"], None, false),
        (&some, &["bucket"], None, false),
        (&some, &["bucket"], Some("a/b"), true),
        (&reader, &["bucket"], Some("a/b"), false),
    ] {
        let answer = feed(who, buckets, prefix, &[]).await;
        assert_eq!(answer.is_ok(), allowed, "{buckets:?} {prefix:?}");
        assert_eq!(announced.feeds.lock().pop().is_some(), allowed);
    }
    feed(&all, &[], None, &["holdfast:Clock:*", "s3:ObjectCreated:Put"])
        .await
        .expect("types that nobody is told of too");
    assert!(matches!(refusal(feed(&all, &[], None, &["s3:Nothing"]).await), Refusal::InvalidArgument { .. }));
    // Whoever follows it with a key that is revoked meanwhile is told no more.
    let user = UserId::parse("user").expect("a name");
    let scopes = "*".parse().expect("scopes");
    let asked = CreateAccessKey { user, key: NewKey::Made, name: None, scopes, expires: None };
    let (key, _) = house.store.create_own_key(&caller, asked).await.expect("a key");
    let Who::User { user, display_name, scopes, .. } = caller.who.clone() else { unreachable!("a user") };
    let follower =
        Caller { who: Who::User { user, display_name, access_key: key.id.clone(), scopes }, ..caller.clone() };
    feed(&follower, &[], None, &[]).await.expect("it works");
    house.store.revoke_own_key(&caller, &key.id, None).await.expect("revoked");
    assert_eq!(refusal(feed(&follower, &[], None, &[]).await), Refusal::AccessDenied);
}
