//! Who hears of what happens in a bucket: the one validator of notification configurations, whichever door they come by.
//!
//! Owns: the names of events, what a filter may be, which rules contradict each other, which destinations there are, what of a
//! rule outlives the configuration that it stands in.
//! Does not own: delivery (the notifier), reading a configuration from XML or JSON (doors), making secrets (pipeline).
//! Invariants: no destination is accepted that nothing would be delivered to. A rule keeps its subscription for as long as its
//! bucket has a rule of its id.

use schemas::announcement::is_announced;
use schemas::event::{BucketNotificationSet, DestinationKind, Event, NotificationConfiguration, NotificationRule};
use schemas::subscription::{DeliveryMode, PayloadFormat, RuleWebhook, SigningSecrets, SubscriptionStatus};
use schemas::{BucketId, Position, SubscriptionId, Time};

use crate::Refusal;
use crate::bucket_setting::EVENT_BYTES_MAX;
use crate::subscription::{at_their_longest, bounded, rotated, stops, wrong_with_url};

/// Most rules of a bucket.
pub const RULES_MAX: usize = 100;
/// Most bytes of a rule's id.
const ID_BYTES_MAX: usize = 255;
/// Most characters of a filter's value.
const FILTER_CHARS_MAX: usize = 1024;

/// What a webhook's ARN begins with. Its address follows.
const WEBHOOK_ARN: &str = "arn:holdfast:webhook:::";

/// The ARN of a webhook.
#[must_use]
pub fn webhook_arn(url: &str) -> String {
    format!("{WEBHOOK_ARN}{url}")
}

/// The address of a webhook, if the ARN is one of a webhook.
#[must_use]
pub fn webhook_url(arn: &str) -> Option<&str> {
    arn.strip_prefix(WEBHOOK_ARN)
}

/// Everything of S3 that can be asked for. A name that ends with `*` stands for all that begin like it. What else is announced, and
/// groups of it, can be asked for too, if its name begins with [`OURS`].
pub const EVENTS: &[&str] = &[
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectRestore:*",
    "s3:ObjectRestore:Post",
    "s3:ObjectRestore:Completed",
    "s3:ObjectRestore:Delete",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:*",
    "s3:Replication:OperationFailedReplication",
    "s3:Replication:OperationMissedThreshold",
    "s3:Replication:OperationReplicatedAfterThreshold",
    "s3:Replication:OperationNotTracked",
    "s3:LifecycleTransition",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:Put",
    "s3:LifecycleExpiration:*",
    "s3:LifecycleExpiration:Delete",
    "s3:LifecycleExpiration:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
];

/// What the names begin with of events that S3 does not know.
const OURS: &str = "holdfast:";

fn is_known(event: &str) -> bool {
    EVENTS.contains(&event) || (event.starts_with(OURS) && is_announced(event))
}

/// Whether a configuration may be set, as far as who asks for it can know.
///
/// # Errors
/// [`Refusal::InvalidArgument`] with the reason; [`Refusal::NotSupported`] for destinations that AWS has and this server
/// has not.
pub fn check(configuration: &NotificationConfiguration) -> Result<(), Refusal> {
    let rules = &configuration.rules;
    if rules.len() > RULES_MAX {
        return refuse("A bucket has at most 100 notification configurations.");
    }
    rules.iter().try_for_each(check_rule)?;
    for (index, rule) in rules.iter().enumerate() {
        for other in &rules[..index] {
            if rule.id == other.id {
                return refuse("Same ID used for multiple configurations. IDs must be unique.");
            }
            if overlap(rule, other) {
                let reason = "Configurations overlap. Configurations on the same bucket cannot share a common event \
                              type.";
                return refuse(reason);
            }
        }
    }
    rules.iter().try_for_each(check_destination)?;
    if configuration.event_bus {
        return Err(Refusal::NotSupported { what: "EventBridgeConfiguration" });
    }
    Ok(())
}

fn check_rule(rule: &NotificationRule) -> Result<(), Refusal> {
    if rule.id.is_empty() || rule.id.len() > ID_BYTES_MAX {
        return refuse("The ID of a notification configuration has 1 to 255 characters.");
    }
    if rule.events.is_empty() {
        return Err(Refusal::MalformedConfiguration);
    }
    if !rule.events.iter().all(|event| is_known(event)) {
        return refuse("The event is not supported for notifications");
    }
    let long = |value: &Option<String>| value.as_ref().is_some_and(|text| text.chars().count() > FILTER_CHARS_MAX);
    if long(&rule.prefix) || long(&rule.suffix) {
        return refuse("Size of filter rule value cannot exceed 1024 characters");
    }
    Ok(())
}

fn refuse(reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidArgument { name: "NotificationConfiguration", reason })
}

/// Webhooks are told. Queues, topics and functions of AWS are known and told nothing by this server; anything else is no
/// destination.
fn check_destination(rule: &NotificationRule) -> Result<(), Refusal> {
    if let Some(url) = webhook_url(&rule.arn) {
        return wrong_with_url(url).map_or(Ok(()), refuse);
    }
    let (service, what) = match rule.destination {
        DestinationKind::Queue => ("sqs", "QueueConfiguration"),
        DestinationKind::Topic => ("sns", "TopicConfiguration"),
        DestinationKind::Function => ("lambda", "CloudFunctionConfiguration"),
    };
    let parts: Vec<&str> = rule.arn.splitn(6, ':').collect();
    match parts[..] {
        ["arn", partition, of, _region, _account, resource]
            if partition.starts_with("aws") && of == service && !resource.is_empty() =>
        {
            Err(Refusal::NotSupported { what })
        }
        _ => refuse("Unable to validate the following destination configurations"),
    }
}

/// Whether a configuration may be recorded: it may be set, and every webhook has become a subscription.
///
/// # Errors
/// As [`check`]; [`Refusal::InvalidRequest`] for one that is too large, or will be when its secrets are replaced and its rules
/// stopped.
pub fn check_whole(configuration: &NotificationConfiguration) -> Result<(), Refusal> {
    check(configuration)?;
    let mut longest = configuration.clone();
    for rule in &mut longest.rules {
        // Destinations that are no webhooks were refused.
        let Some(webhook) = &mut rule.webhook else {
            return Err(Refusal::InvalidRequest { reason: "a webhook has no subscription" });
        };
        (webhook.secrets, webhook.status) = at_their_longest(&webhook.secrets);
        webhook.start = Some(Position(u64::MAX));
    }
    let event: Event = BucketNotificationSet { bucket: BucketId(u64::MAX), configuration: Some(longest) }.into();
    if event.encode().len() > EVENT_BYTES_MAX {
        return Err(Refusal::InvalidRequest { reason: "the configuration is too large" });
    }
    Ok(())
}

/// A configuration that holds, and where the event stands that set it.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Position of its event.
    pub at: Position,
    /// The configuration.
    pub configuration: &'a NotificationConfiguration,
}

impl Before<'_> {
    /// The same to be set again: each of its rules begins where it began.
    fn carried(self) -> NotificationConfiguration {
        let mut configuration = self.configuration.clone();
        for webhook in configuration.rules.iter_mut().filter_map(|rule| rule.webhook.as_mut()) {
            webhook.start = Some(webhook.start.unwrap_or(self.at.next()));
        }
        configuration
    }

    fn subscription(self, rule_id: &str) -> Option<RuleWebhook> {
        self.carried().rules.into_iter().find(|rule| rule.id == rule_id)?.webhook
    }
}

/// A rule as it is asked for: with everything but its subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRule {
    /// The rule.
    pub rule: NotificationRule,
    /// In which shape; none for as before, and as AWS does at first.
    pub format: Option<PayloadFormat>,
    /// In which order; none for as before, and by key at first.
    pub mode: Option<DeliveryMode>,
    /// Id of its subscription, if it is new.
    pub fresh: SubscriptionId,
    /// Secret of its subscription, sealed, if it is new.
    pub secret: Vec<u8>,
}

/// The configuration that asked rules become. One of an id that there is already keeps its subscription, secrets and place, and is
/// told again if it was stopped.
#[must_use]
pub fn subscribed(asked: &[AskedRule], before: Option<Before<'_>>, now: Time) -> NotificationConfiguration {
    let subscribe = |asked: &AskedRule| {
        let webhook = match before.and_then(|before| before.subscription(&asked.rule.id)) {
            Some(old) => RuleWebhook {
                format: asked.format.unwrap_or(old.format),
                mode: asked.mode.unwrap_or(old.mode),
                status: SubscriptionStatus::Active,
                ..old
            },
            None => RuleWebhook {
                subscription: asked.fresh,
                format: asked.format.unwrap_or(PayloadFormat::S3),
                mode: asked.mode.unwrap_or_default(),
                status: SubscriptionStatus::Active,
                secrets: SigningSecrets { current: asked.secret.clone(), since: now, previous: None },
                start: None,
            },
        };
        // What is told nothing is refused, not subscribed.
        let webhook = webhook_url(&asked.rule.arn).map(|_| webhook);
        NotificationRule { webhook, ..asked.rule.clone() }
    };
    NotificationConfiguration { rules: asked.iter().map(subscribe).collect(), event_bus: false }
}

/// The configuration with another secret of a rule, whose old one signs too until `overlap_us` later; none if it has no such rule.
#[must_use]
pub fn with_secret(
    before: Before<'_>,
    rule_id: &str,
    sealed: Vec<u8>,
    now: Time,
    overlap_us: u64,
) -> Option<NotificationConfiguration> {
    let mut configuration = before.carried();
    let rule = configuration.rules.iter_mut().find(|rule| rule.id == rule_id)?;
    let webhook = rule.webhook.as_mut()?;
    webhook.secrets = rotated(&webhook.secrets, sealed, now, overlap_us);
    Some(configuration)
}

/// The configuration with one subscription told nothing more; none if there is nothing to change.
#[must_use]
pub fn stopped(
    before: Before<'_>,
    subscription: SubscriptionId,
    status: SubscriptionStatus,
) -> Option<NotificationConfiguration> {
    let mut configuration = before.carried();
    let mut webhooks = configuration.rules.iter_mut().filter_map(|rule| rule.webhook.as_mut());
    let webhook = webhooks.find(|webhook| webhook.subscription == subscription)?;
    if !stops(&webhook.status, &status) {
        return None;
    }
    webhook.status = bounded(status);
    Some(configuration)
}

/// Whether one event of one object could match both.
fn overlap(one: &NotificationRule, other: &NotificationRule) -> bool {
    let shared =
        |a: &Option<String>, b: &Option<String>, within: fn(&str, &str) -> bool| match (a.as_deref(), b.as_deref()) {
            (Some(a), Some(b)) => within(a, b) || within(b, a),
            _ => true,
        };
    shared(&one.prefix, &other.prefix, |long, short| long.starts_with(short))
        && shared(&one.suffix, &other.suffix, |long, short| long.ends_with(short))
        && one.events.iter().any(|a| other.events.iter().any(|b| covers(a, b) || covers(b, a)))
}

/// Whether an event's name, or a name for several, stands for another one too.
#[must_use]
pub fn covers(name: &str, other: &str) -> bool {
    name == other || name.strip_suffix('*').is_some_and(|group| other.starts_with(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> NotificationRule {
        NotificationRule {
            id: id.to_owned(),
            destination: DestinationKind::Queue,
            arn: "arn:aws:sqs:us-east-1:123456789012:queue".to_owned(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: prefix.map(str::to_owned),
            suffix: suffix.map(str::to_owned),
            webhook: None,
        }
    }

    fn checked(rules: &[NotificationRule]) -> Result<(), Refusal> {
        check(&NotificationConfiguration { rules: rules.to_vec(), event_bus: false })
    }

    /// Valid but for the destination, which is looked at last.
    const VALID: Result<(), Refusal> = Err(Refusal::NotSupported { what: "QueueConfiguration" });

    /// `why` is part of the sentence that the client reads.
    fn is_invalid(why: &str, rules: &[NotificationRule]) {
        let refusal = checked(rules);
        assert!(
            matches!(&refusal, Err(Refusal::InvalidArgument { reason, .. }) if reason.contains(why)),
            "{refusal:?}"
        );
    }

    #[test]
    fn every_event_of_the_table_and_no_other() {
        for event in EVENTS {
            assert_eq!(checked(&[rule("a", &[event], None, None)]), VALID, "{event}");
        }
        for event in ["holdfast:*", "holdfast:Bucket:*", "holdfast:Retention:Set", "holdfast:Log:*"] {
            assert_eq!(checked(&[rule("a", &[event], None, None)]), VALID, "{event}");
        }
        let kept = "holdfast:Clock:Ticked";
        for event in ["", "*", "s3:*", "s3:ObjectCreated", "s3:ObjectCreated:put", "s3:TestEvent", "holdfast:", kept] {
            is_invalid("event is not", &[rule("a", &[event], None, None)]);
        }
        assert_eq!(checked(&[rule("a", &[], None, None)]), Err(Refusal::MalformedConfiguration));
    }

    #[test]
    fn ids_are_unique_and_bounded_and_filters_too() {
        let created = &["s3:ObjectCreated:Put"];
        is_invalid("1 to 255", &[rule("", created, None, None)]);
        is_invalid("1 to 255", &[rule(&"i".repeat(256), created, None, None)]);
        is_invalid("unique", &[rule("a", created, None, None), rule("a", &["s3:ObjectAcl:Put"], None, None)]);
        is_invalid("filter rule value", &[rule("a", created, Some(&"p".repeat(1025)), None)]);
        is_invalid("filter rule value", &[rule("a", created, None, Some(&"s".repeat(1025)))]);
        assert_eq!(checked(&[rule("a", created, Some(&"é".repeat(1024)), Some(""))]), VALID);
        let many = |count: usize| -> Vec<_> {
            (0..count).map(|id| rule(&id.to_string(), created, Some(&format!("{id:03}/")), None)).collect()
        };
        assert_eq!(checked(&many(100)), VALID);
        is_invalid("at most 100", &many(101));
    }

    #[test]
    fn rules_that_one_event_of_one_object_could_match_overlap() {
        let (put, created, removed) = ("s3:ObjectCreated:Put", "s3:ObjectCreated:*", "s3:ObjectRemoved:*");
        for (one, other, expected) in [
            ((put, None, None), (removed, None, None), false),
            ((put, None, None), (put, None, None), true),
            ((put, None, None), (created, None, None), true),
            ((put, Some("a/"), None), (created, Some("b/"), None), false),
            ((put, Some("a/"), None), (created, Some("a/b/"), None), true),
            ((put, Some("a/"), None), (created, None, None), true),
            ((put, Some("a/"), Some(".jpg")), (created, Some("a/"), Some(".png")), false),
            ((put, Some("a/"), Some(".jpg")), (created, Some("a/"), Some("x.jpg")), true),
            ((put, None, Some(".jpg")), (created, Some("a/"), None), true),
        ] {
            let of = |id, (event, prefix, suffix): (&str, _, _)| rule(id, &[event], prefix, suffix);
            let rules = [of("one", one), of("other", other)];
            let refused =
                matches!(checked(&rules), Err(Refusal::InvalidArgument { reason, .. }) if reason.contains("overlap"));
            assert_eq!(refused, expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_destination_that_nothing_is_delivered_to_is_not_accepted() {
        let to = |destination, arn: &str| {
            let rule = rule("a", &["s3:ObjectAcl:Put"], None, None);
            checked(&[NotificationRule { destination, arn: arn.to_owned(), ..rule }])
        };
        for (destination, service) in
            [(DestinationKind::Queue, "sqs"), (DestinationKind::Topic, "sns"), (DestinationKind::Function, "lambda")]
        {
            let known = to(destination, &format!("arn:aws:{service}:us-east-1:1:name"));
            assert!(matches!(known, Err(Refusal::NotSupported { .. })), "{known:?}");
            for arn in ["", "name", "arn:aws:s3:::bucket", "arn:aws:sqs", "https://example.com", "arn:x:sqs:::queue"] {
                let unknown = to(destination, arn);
                assert!(matches!(unknown, Err(Refusal::InvalidArgument { .. })), "{arn} {unknown:?}");
            }
        }
        for destination in [DestinationKind::Queue, DestinationKind::Topic, DestinationKind::Function] {
            assert_eq!(to(destination, "arn:holdfast:webhook:::https://a.example/hook?x=1"), Ok(()));
        }
        for url in ["", "nonsense", "ftp://a.example/", "https://me:secret@a.example/", "https://a.example/#x"] {
            let refused = to(DestinationKind::Queue, &webhook_arn(url));
            assert!(matches!(refused, Err(Refusal::InvalidArgument { .. })), "{url} {refused:?}");
        }
        let bus = NotificationConfiguration { rules: vec![], event_bus: true };
        assert_eq!(check(&bus), Err(Refusal::NotSupported { what: "EventBridgeConfiguration" }));
        assert_eq!(check(&NotificationConfiguration::default()), Ok(()));
    }

    fn asked(id: &str, prefix: &str, fresh: u8) -> AskedRule {
        let rule = rule(id, &["s3:ObjectCreated:*"], Some(prefix), None);
        AskedRule {
            rule: NotificationRule { arn: webhook_arn("https://a.example/hook"), ..rule },
            format: None,
            mode: None,
            fresh: SubscriptionId([fresh; 16]),
            secret: vec![fresh; 140],
        }
    }

    fn webhook<'a>(configuration: &'a NotificationConfiguration, id: &str) -> &'a RuleWebhook {
        configuration.rules.iter().find(|rule| rule.id == id).and_then(|rule| rule.webhook.as_ref()).unwrap()
    }

    #[test]
    fn a_rule_keeps_its_subscription_for_as_long_as_there_is_one_of_its_id() {
        let strict =
            AskedRule { format: Some(PayloadFormat::Native), mode: Some(DeliveryMode::Strict), ..asked("a", "a/", 1) };
        let first = subscribed(&[strict], None, Time(5));
        assert_eq!(check_whole(&first), Ok(()));
        assert_eq!((webhook(&first, "a").start, webhook(&first, "a").secrets.since), (None, Time(5)));
        let at = |at, configuration| Before { at: Position(at), configuration };
        let gone = SubscriptionStatus::Disabled { reason: "410".to_owned() };
        let second = stopped(at(10, &first), SubscriptionId([1; 16]), gone.clone()).unwrap();
        assert_eq!((webhook(&second, "a").start, &webhook(&second, "a").status), (Some(Position(11)), &gone));
        assert_eq!(stopped(at(11, &second), SubscriptionId([1; 16]), gone.clone()), None, "it is so already");
        assert_eq!(stopped(at(11, &second), SubscriptionId([9; 16]), gone), None, "there is none");
        let third = with_secret(at(11, &second), "a", vec![2; 140], Time(6), 10).unwrap();
        let fourth = subscribed(&[asked("b", "b/", 3), asked("a", "c/", 4)], Some(at(12, &third)), Time(7));
        assert_eq!(check_whole(&fourth), Ok(()));
        let kept = RuleWebhook { status: SubscriptionStatus::Active, ..webhook(&third, "a").clone() };
        assert_eq!(webhook(&fourth, "a"), &kept, "what a door cannot say stays, and it is told again");
        assert_eq!((kept.start, kept.format), (Some(Position(11)), PayloadFormat::Native));
        assert_eq!(webhook(&fourth, "b").subscription, SubscriptionId([3; 16]));
        let fifth = subscribed(&[asked("b", "b/", 5)], Some(at(20, &fourth)), Time(8));
        assert_eq!(webhook(&fifth, "b").start, Some(Position(21)));
        let again = subscribed(&[asked("a", "a/", 6)], Some(at(21, &fifth)), Time(9));
        assert_eq!(webhook(&again, "a").subscription, SubscriptionId([6; 16]), "it was gone, and is another");
        assert_eq!(with_secret(at(22, &again), "b", vec![], Time(9), 0), None);
    }

    #[test]
    fn what_is_recorded_has_a_subscription_and_room_for_what_becomes_of_it() {
        let plain = NotificationConfiguration { rules: vec![asked("a", "a/", 1).rule], event_bus: false };
        assert_eq!(check(&plain), Ok(()));
        assert!(matches!(check_whole(&plain), Err(Refusal::InvalidRequest { .. })));
        let of = |count: usize| {
            let rules: Vec<_> = (0..count)
                .map(|index| {
                    let asked = asked(&index.to_string(), &format!("{index:03}/{}", "x".repeat(600)), 1);
                    AskedRule { fresh: SubscriptionId([index as u8; 16]), ..asked }
                })
                .collect();
            subscribed(&rules, None, Time(5))
        };
        let most = (1..=100).rev().find(|count| check_whole(&of(*count)).is_ok()).unwrap();
        let mut now = of(most);
        for index in 0..most {
            let before = Before { at: Position(1 << 40), configuration: &now };
            let status = SubscriptionStatus::Disabled { reason: "x".repeat(1_000) };
            now = stopped(before, SubscriptionId([index as u8; 16]), status).unwrap();
            let before = Before { at: Position(1 << 40), configuration: &now };
            now = with_secret(before, &index.to_string(), vec![2; 140], Time(1 << 60), 1 << 40).unwrap();
        }
        let event: Event = BucketNotificationSet { bucket: BucketId(u64::MAX), configuration: Some(now) }.into();
        assert!(event.encode().len() <= EVENT_BYTES_MAX);
    }
}
