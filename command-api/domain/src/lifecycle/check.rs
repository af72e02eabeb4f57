//! Which rules may be set: S3's bounds, and nothing that could never have an effect.

use std::collections::{BTreeMap, BTreeSet};

use schemas::event::{BucketLifecycleSet, Event};
use schemas::lifecycle::{Conditions, Expiration, Rule, Scope};
use schemas::{BucketId, ObjectKey};

use super::{Day, prefix};
use crate::{Refusal, validate};

/// Most rules of a bucket.
pub const RULES_MAX: usize = 1_000;
/// Most characters of a rule's id.
const ID_CHARS_MAX: usize = 255;
/// Most noncurrent versions that a rule keeps.
const NEWER_VERSIONS_MAX: u32 = 100;
/// Days are a 32 bit integer with a sign in S3's XML.
const DAYS_MAX: u32 = i32::MAX.cast_unsigned();
/// Bytes of the rules as an event has them: what a record of the log takes, with room for the rest of it.
const BYTES_MAX: usize = 60 << 10;

/// Gives rules without an id one that no other has.
#[must_use]
pub fn named(mut rules: Vec<Rule>) -> Vec<Rule> {
    let mut taken: BTreeSet<String> = rules.iter().map(|rule| rule.id.clone()).collect();
    let mut number = 0_u32;
    for rule in rules.iter_mut().filter(|rule| rule.id.is_empty()) {
        while !taken.insert(rule.id.clone()) {
            number += 1;
            rule.id = format!("rule-{number}");
        }
    }
    rules
}

/// Whether rules may be set.
///
/// # Errors
/// [`Refusal::InvalidArgument`] for a value, [`Refusal::InvalidRequest`] for what does not go together or is too much,
/// [`Refusal::InvalidTag`].
pub fn check(rules: &[Rule]) -> Result<(), Refusal> {
    if rules.is_empty() || rules.len() > RULES_MAX {
        return request("A lifecycle configuration has 1 to 1000 rules");
    }
    let mut ids = BTreeSet::new();
    for rule in rules {
        self::rule(rule)?;
        if !ids.insert(&rule.id) {
            return argument("Rule ID must be unique. Found same ID for more than one rule");
        }
    }
    let set = Event::from(BucketLifecycleSet { bucket: BucketId::NONE, rules: Some(rules.to_vec()) });
    if set.encode().len() > BYTES_MAX {
        return request("The lifecycle configuration is too large: its rules may have 60 KiB in all");
    }
    Ok(())
}

fn argument(reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidArgument { name: "LifecycleConfiguration", reason })
}

fn request(reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidRequest { reason })
}

fn rule(rule: &Rule) -> Result<(), Refusal> {
    let Rule { id, disabled: _, scope, expiration, noncurrent, abort_incomplete_days } = rule;
    if id.is_empty() || id.chars().count() > ID_CHARS_MAX {
        return argument("ID length should not exceed allowed limit of 255");
    }
    if id.chars().any(char::is_control) {
        return argument("A rule ID has no control characters");
    }
    if expiration.is_none() && noncurrent.is_none() && abort_incomplete_days.is_none() {
        return request("At least one action needs to be specified in a rule");
    }
    let whole = |days: u32| (1..=DAYS_MAX).contains(&days);
    match expiration {
        Some(Expiration::Days(days)) if !whole(*days) => {
            return argument("'Days' for Expiration action must be a positive integer");
        }
        Some(Expiration::Date(date)) if !Day::is_midnight(*date) => {
            return argument("'Date' must be at midnight GMT");
        }
        _ => {}
    }
    if let Some(noncurrent) = noncurrent {
        if !whole(noncurrent.days) {
            return argument("'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer");
        }
        if noncurrent.newer_versions.is_some_and(|kept| !(1..=NEWER_VERSIONS_MAX).contains(&kept)) {
            return argument("'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be 1 to 100");
        }
    }
    if abort_incomplete_days.is_some_and(|days| !whole(days)) {
        return argument("'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer");
    }
    self::scope(scope)?;
    suits(rule)
}

/// A scope that some object could be in.
fn scope(scope: &Scope) -> Result<(), Refusal> {
    let parts = match scope {
        Scope::Prefix(_) => [None, None],
        Scope::Filter { direct, and } => [Some(direct), Some(and)],
    };
    let Some(prefix) = prefix(scope) else {
        return request("The prefixes of a filter cannot both hold");
    };
    if prefix.len() > ObjectKey::BYTES_MAX {
        return request("The maximum size of a prefix is 1024");
    }
    let mut tags = BTreeMap::new();
    for (name, value) in parts.iter().flatten().flat_map(|it| &it.tags) {
        if tags.insert(name.clone(), value.clone()).is_some() {
            return request("Duplicate Tag Keys are not allowed");
        }
    }
    validate::tags(&tags)?;
    let least = parts.iter().flatten().filter_map(|it| it.size_greater_than).max();
    let most = parts.iter().flatten().filter_map(|it| it.size_less_than).min();
    match (least, most) {
        (_, Some(0)) => request("'ObjectSizeLessThan' must be greater than 0"),
        (Some(least), Some(most)) if most <= least.saturating_add(1) => {
            request("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
        }
        _ => Ok(()),
    }
}

/// Filters that an action of the rule cannot be asked with: markers and uploads have neither tags nor a size.
fn suits(rule: &Rule) -> Result<(), Refusal> {
    let Scope::Filter { direct, and } = &rule.scope else { return Ok(()) };
    let tagged = |it: &Conditions| !it.tags.is_empty();
    let sized = |it: &Conditions| it.size_greater_than.is_some() || it.size_less_than.is_some();
    let (tagged, sized) = (tagged(direct) || tagged(and), sized(direct) || sized(and));
    let marker = rule.expiration == Some(Expiration::DeleteMarker);
    let aborting = rule.abort_incomplete_days.is_some();
    let unsuited = [
        (marker && tagged, "ExpiredObjectDeleteMarker cannot be specified with Tags"),
        (marker && sized, "ExpiredObjectDeleteMarker cannot be specified with object sizes"),
        (aborting && tagged, "AbortIncompleteMultipartUpload cannot be specified with Tags"),
        (aborting && sized, "AbortIncompleteMultipartUpload cannot be specified with object sizes"),
    ];
    unsuited.into_iter().find(|(found, _)| *found).map_or(Ok(()), |(_, reason)| request(reason))
}

#[cfg(test)]
mod tests {
    use schemas::Time;
    use schemas::lifecycle::NoncurrentExpiration;

    use super::*;

    fn rule() -> Rule {
        Rule {
            id: "id".to_owned(),
            disabled: false,
            scope: Scope::Prefix("logs/".to_owned()),
            expiration: Some(Expiration::Days(1)),
            noncurrent: None,
            abort_incomplete_days: None,
        }
    }

    fn filtered(direct: Conditions, and: Conditions) -> Rule {
        Rule { scope: Scope::Filter { direct, and }, ..rule() }
    }

    fn prefixed(prefix: &str) -> Conditions {
        Conditions { prefix: Some(prefix.to_owned()), ..Conditions::default() }
    }

    fn tagged(name: &str) -> Conditions {
        Conditions { tags: [(name.to_owned(), "v".to_owned())].into(), ..Conditions::default() }
    }

    fn sized(size_greater_than: Option<u64>, size_less_than: Option<u64>) -> Conditions {
        Conditions { size_greater_than, size_less_than, ..Conditions::default() }
    }

    /// How one rule is refused, in a word.
    fn verdict(rule: Rule) -> &'static str {
        match check(&[rule]) {
            Ok(()) => "fine",
            Err(Refusal::InvalidArgument { .. }) => "argument",
            Err(Refusal::InvalidRequest { .. }) => "request",
            Err(Refusal::InvalidTag { .. }) => "tag",
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn values_have_bounds() {
        let expiring = |expiration| Rule { expiration: Some(expiration), ..rule() };
        let noncurrent =
            |days, newer_versions| Rule { noncurrent: Some(NoncurrentExpiration { days, newer_versions }), ..rule() };
        let aborting = |days| Rule { abort_incomplete_days: Some(days), expiration: None, ..rule() };
        for (rule, expected) in [
            (rule(), "fine"),
            (Rule { id: "é".repeat(255), ..rule() }, "fine"),
            (Rule { id: "i".repeat(256), ..rule() }, "argument"),
            (Rule { id: String::new(), ..rule() }, "argument"),
            (Rule { id: "a\nb".to_owned(), ..rule() }, "argument"),
            (Rule { expiration: None, ..rule() }, "request"),
            (expiring(Expiration::Days(0)), "argument"),
            (expiring(Expiration::Days(i32::MAX.cast_unsigned())), "fine"),
            (expiring(Expiration::Days(u32::MAX)), "argument"),
            (expiring(Expiration::Date(Time(0))), "fine"),
            (expiring(Expiration::Date(Time(86_400_000_001))), "argument"),
            (expiring(Expiration::DeleteMarker), "fine"),
            (noncurrent(0, None), "argument"),
            (noncurrent(1, Some(0)), "argument"),
            (noncurrent(1, Some(100)), "fine"),
            (noncurrent(1, Some(101)), "argument"),
            (aborting(0), "argument"),
            (aborting(1), "fine"),
        ] {
            assert_eq!(verdict(rule.clone()), expected, "{rule:?}");
        }
    }

    #[test]
    fn filters_say_what_can_be() {
        let none = Conditions::default;
        let marker = |rule| Rule { expiration: Some(Expiration::DeleteMarker), ..rule };
        let aborting = |rule| Rule { abort_incomplete_days: Some(1), ..rule };
        for (rule, expected) in [
            (filtered(none(), none()), "fine"),
            (filtered(prefixed("a"), prefixed("a/b")), "fine"),
            (filtered(prefixed("a/b"), prefixed("a")), "fine"),
            (filtered(prefixed("a"), prefixed("b")), "request"),
            (filtered(prefixed(&"p".repeat(1_025)), none()), "request"),
            (filtered(tagged("one"), tagged("two")), "fine"),
            (filtered(tagged("one"), tagged("one")), "request"),
            (filtered(tagged("a&b"), none()), "tag"),
            (filtered(sized(Some(0), Some(2)), none()), "fine"),
            (filtered(sized(Some(5), None), sized(None, Some(6))), "request"),
            (filtered(sized(None, Some(0)), none()), "request"),
            (marker(filtered(prefixed("a"), none())), "fine"),
            (marker(filtered(tagged("one"), none())), "request"),
            (marker(filtered(none(), sized(Some(1), None))), "request"),
            (aborting(filtered(prefixed("a"), none())), "fine"),
            (aborting(filtered(tagged("one"), none())), "request"),
            (aborting(filtered(sized(Some(1), None), none())), "request"),
        ] {
            assert_eq!(verdict(rule.clone()), expected, "{rule:?}");
        }
    }

    #[test]
    fn a_bucket_has_a_thousand_rules_with_ids_of_their_own_and_no_more() {
        let many = |count: usize, id: &dyn Fn(usize) -> String| -> Vec<Rule> {
            (0..count).map(|number| Rule { id: id(number), ..rule() }).collect()
        };
        let numbered = |number: usize| number.to_string();
        assert_eq!(check(&many(RULES_MAX, &numbered)), Ok(()));
        assert!(check(&many(RULES_MAX + 1, &numbered)).is_err());
        assert!(check(&[]).is_err());
        let twice = check(&many(2, &|_| "same".to_owned()));
        assert!(matches!(twice, Err(Refusal::InvalidArgument { .. })), "{twice:?}");
        let large = check(&many(500, &|number| format!("{number:0255}")));
        assert!(matches!(large, Err(Refusal::InvalidRequest { .. })), "{large:?}");
    }

    #[test]
    fn rules_without_an_id_get_one() {
        let with = |id: &str| Rule { id: id.to_owned(), ..rule() };
        let rules = named(vec![with(""), with("rule-1"), with(""), with("own"), with("")]);
        let ids: Vec<_> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["rule-2", "rule-1", "rule-3", "own", "rule-4"]);
        assert_eq!(check(&rules), Ok(()));
    }
}
