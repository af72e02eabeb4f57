//! Who hears of what happens in a bucket: the one validator of notification configurations, whichever door they come by.
//!
//! Owns: the names of events, what a filter may be, which rules contradict each other, which destinations there are.
//! Does not own: delivery (the notifier), reading a configuration from XML or JSON (doors).
//! Invariant: no destination is accepted that nothing would be delivered to.

use schemas::event::{DestinationKind, NotificationConfiguration, NotificationRule};

use crate::Refusal;

/// Most rules of a bucket.
pub const RULES_MAX: usize = 100;
/// Most bytes of a rule's id.
const ID_BYTES_MAX: usize = 255;
/// Most characters of a filter's value.
const FILTER_CHARS_MAX: usize = 1024;

/// Everything that can be asked for. A name that ends with `*` stands for all that begin like it.
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

/// Whether a configuration may be set.
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
    if !rule.events.iter().all(|event| EVENTS.contains(&event.as_str())) {
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

/// Queues, topics and functions of AWS are known and told nothing by this server; anything else is no destination.
fn check_destination(rule: &NotificationRule) -> Result<(), Refusal> {
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
        for event in ["", "*", "s3:*", "s3:ObjectCreated", "s3:ObjectCreated:put", "s3:TestEvent", "holdfast:Log:*"] {
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
        let bus = NotificationConfiguration { rules: vec![], event_bus: true };
        assert_eq!(check(&bus), Err(Refusal::NotSupported { what: "EventBridgeConfiguration" }));
        assert_eq!(check(&NotificationConfiguration::default()), Ok(()));
    }
}
