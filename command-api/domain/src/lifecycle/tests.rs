//! Rules against versions: a table of what AWS documents, and the naive reading of a rule as a model.

use proptest::prelude::*;
use schemas::lifecycle::NoncurrentExpiration;

use super::*;

const DAY: u64 = 86_400 * 1_000_000;
const HOUR: u64 = DAY / 24;
const MADE: Time = Time(20_000 * DAY + 5 * HOUR);

/// Midnight so many days after the day of [`MADE`].
fn midnight(days: u64) -> Time {
    Time((20_000 + days) * DAY)
}

fn just_before(time: Time) -> Time {
    Time(time.0 - 1)
}

fn rule(id: &str) -> Rule {
    Rule {
        id: id.to_owned(),
        disabled: false,
        scope: Scope::Prefix(String::new()),
        expiration: None,
        noncurrent: None,
        abort_incomplete_days: None,
    }
}

fn expiring(expiration: Expiration) -> Rule {
    Rule { expiration: Some(expiration), ..rule("rule") }
}

fn noncurrent(days: u32, newer_versions: Option<u32>) -> Rule {
    Rule { noncurrent: Some(NoncurrentExpiration { days, newer_versions }), ..rule("rule") }
}

fn only(direct: Conditions) -> Scope {
    Scope::Filter { direct, and: Conditions::default() }
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const OBJECT: Kind<'_> = Kind::Object { size_bytes: 100, tags: Tags::Unread };

fn at(place: Place, kind: Kind<'_>) -> Facts<'_> {
    Facts { key: "logs/a", modified: MADE, place, kind }
}

const ALONE: Place = Place::Latest { alone: true };
const COVERING: Place = Place::Latest { alone: false };
const EXPIRE: Verdict = Verdict::Due(Action::Expire);
const REMOVE: Verdict = Verdict::Due(Action::Remove);

#[track_caller]
fn check(rule: &Rule, version: Facts<'_>, now: Time, expected: Verdict) {
    assert_eq!(judge(std::slice::from_ref(rule), &version, Day::REAL, now), expected, "{rule:?} {version:?}");
}

#[test]
fn a_current_object_expires_at_the_midnight_after_its_days() {
    let rule = expiring(Expiration::Days(3));
    check(&rule, at(ALONE, OBJECT), just_before(midnight(4)), Verdict::Stay);
    check(&rule, at(ALONE, OBJECT), midnight(4), EXPIRE);
    check(&rule, at(COVERING, OBJECT), midnight(4), EXPIRE);
    let short = Day::of_seconds(10);
    let due = Time(MADE.0 + 30_000_000);
    let judged = |now| judge(std::slice::from_ref(&rule), &at(ALONE, OBJECT), short, now);
    assert_eq!((judged(just_before(due)), judged(due)), (Verdict::Stay, EXPIRE));
}

#[test]
fn a_date_is_for_whatever_is_there_then_and_later() {
    let rule = expiring(Expiration::Date(midnight(30)));
    check(&rule, at(ALONE, OBJECT), just_before(midnight(30)), Verdict::Stay);
    check(&rule, at(ALONE, OBJECT), midnight(30), EXPIRE);
    let younger = Facts { modified: midnight(31), ..at(ALONE, OBJECT) };
    check(&rule, younger, midnight(31), EXPIRE);
}

#[test]
fn a_delete_marker_goes_when_it_is_all_that_is_left() {
    let (soon, by_days, by_date) =
        (expiring(Expiration::DeleteMarker), expiring(Expiration::Days(3)), expiring(Expiration::Date(midnight(9))));
    check(&soon, at(ALONE, Kind::Marker), MADE, REMOVE);
    check(&soon, at(COVERING, Kind::Marker), midnight(999), Verdict::Stay);
    check(&soon, at(ALONE, OBJECT), midnight(999), Verdict::Stay);
    check(&by_days, at(ALONE, Kind::Marker), just_before(midnight(4)), Verdict::Stay);
    check(&by_days, at(ALONE, Kind::Marker), midnight(4), REMOVE);
    check(&by_days, at(COVERING, Kind::Marker), midnight(999), Verdict::Stay);
    check(&by_date, at(ALONE, Kind::Marker), midnight(9), REMOVE);
    check(&noncurrent(1, None), at(ALONE, Kind::Marker), midnight(999), Verdict::Stay);
}

#[test]
fn a_noncurrent_version_goes_after_its_days_of_being_so() {
    let since = |newer| Place::Noncurrent { since: Time(MADE.0 + 2 * DAY), newer };
    let rule = noncurrent(1, None);
    check(&rule, at(since(0), OBJECT), just_before(midnight(4)), Verdict::Stay);
    check(&rule, at(since(0), OBJECT), midnight(4), REMOVE);
    check(&rule, at(since(0), Kind::Marker), midnight(4), REMOVE);
    check(&rule, at(ALONE, OBJECT), midnight(999), Verdict::Stay);
    check(&expiring(Expiration::Days(1)), at(since(0), OBJECT), midnight(999), Verdict::Stay);
    let keeping = noncurrent(1, Some(2));
    check(&keeping, at(since(1), OBJECT), midnight(999), Verdict::Stay);
    check(&keeping, at(since(2), OBJECT), just_before(midnight(4)), Verdict::Stay);
    check(&keeping, at(since(2), OBJECT), midnight(4), REMOVE);
}

#[test]
fn what_goes_leaves_the_newer_versions_that_a_due_rule_keeps() {
    let rules = [noncurrent(1, Some(2)), noncurrent(3, Some(1)), noncurrent(9, None)];
    let kept = |newer, now| newer_kept(&rules, &at(Place::Noncurrent { since: MADE, newer }, OBJECT), Day::REAL, now);
    assert_eq!([midnight(2), midnight(4), midnight(10)].map(|now| kept(5, now)), [2, 1, 0]);
    assert_eq!(kept(1, midnight(4)), 1);
    assert_eq!(newer_kept(&rules, &at(ALONE, OBJECT), Day::REAL, midnight(99)), 0);
}

#[test]
fn a_rule_is_for_what_its_filter_says() {
    let with = |scope| Rule { scope, ..expiring(Expiration::Days(1)) };
    let prefix = |prefix: &str| Conditions { prefix: Some(prefix.to_owned()), ..Conditions::default() };
    let sized =
        |size_greater_than, size_less_than| Conditions { size_greater_than, size_less_than, ..Conditions::default() };
    for (scope, expected) in [
        (Scope::Prefix("logs/".to_owned()), true),
        (Scope::Prefix("logs/a".to_owned()), true),
        (Scope::Prefix("logs/ab".to_owned()), false),
        (only(Conditions::default()), true),
        (only(prefix("log")), true),
        (only(prefix("other")), false),
        (Scope::Filter { direct: prefix("logs/"), and: prefix("logs/b") }, false),
        (only(sized(Some(99), None)), true),
        (only(sized(Some(100), None)), false),
        (only(sized(None, Some(101))), true),
        (only(sized(None, Some(100))), false),
        (Scope::Filter { direct: sized(Some(1), None), and: sized(None, Some(2)) }, false),
    ] {
        check(&with(scope), at(ALONE, OBJECT), midnight(9), if expected { EXPIRE } else { Verdict::Stay });
    }
    let disabled = Rule { disabled: true, ..expiring(Expiration::Days(1)) };
    check(&disabled, at(ALONE, OBJECT), midnight(9), Verdict::Stay);
    // A marker has no size: no filter on sizes is for it.
    let small = Rule { scope: only(sized(None, Some(101))), ..noncurrent(1, None) };
    check(&small, at(Place::Noncurrent { since: MADE, newer: 0 }, Kind::Marker), midnight(9), Verdict::Stay);
}

#[test]
fn tags_are_asked_for_only_where_they_matter() {
    let wanted = |pairs: &[_]| Conditions { tags: tags(pairs), ..Conditions::default() };
    let scope = Scope::Filter { direct: wanted(&[("a", "1")]), and: wanted(&[("b", "2")]) };
    let rule = Rule { scope, ..expiring(Expiration::Days(1)) };
    check(&rule, at(ALONE, OBJECT), midnight(2), Verdict::ReadTags);
    check(&rule, at(ALONE, OBJECT), just_before(midnight(2)), Verdict::Stay);
    let other = Facts { key: "other", ..at(ALONE, OBJECT) };
    check(&Rule { scope: Scope::Prefix("logs/".to_owned()), ..rule.clone() }, other, midnight(2), Verdict::Stay);
    for (pairs, expected) in [
        (&[("a", "1"), ("b", "2"), ("c", "3")][..], EXPIRE),
        (&[("a", "1")], Verdict::Stay),
        (&[("a", "1"), ("b", "3")], Verdict::Stay),
        (&[], Verdict::Stay),
    ] {
        let has = tags(pairs);
        let kind = Kind::Object { size_bytes: 1, tags: Tags::Read(&has) };
        check(&rule, at(ALONE, kind), midnight(2), expected);
    }
    // Another rule is for it whatever its tags are: nobody has to read them.
    let rules = [rule, expiring(Expiration::Days(1))];
    assert_eq!(judge(&rules, &at(ALONE, OBJECT), Day::REAL, midnight(2)), EXPIRE);
}

#[test]
fn of_several_rules_the_earliest_is_announced() {
    let days = |id: &str, days| Rule { id: id.to_owned(), ..expiring(Expiration::Days(days)) };
    let rules = [
        days("late", 9),
        days("early", 2),
        Rule { disabled: true, ..days("never", 1) },
        Rule { scope: Scope::Prefix("other".to_owned()), ..days("elsewhere", 1) },
        noncurrent(1, None),
    ];
    let announced = |version| expiry(&rules, &version, Day::REAL).map(|it| (it.at, it.rule));
    assert_eq!(announced(at(ALONE, OBJECT)), Some((midnight(3), "early")));
    assert_eq!(announced(at(ALONE, Kind::Marker)), None);
    assert_eq!(announced(at(Place::Noncurrent { since: MADE, newer: 0 }, OBJECT)), None);
    let tagged = Conditions { tags: tags(&[("a", "1")]), ..Conditions::default() };
    let asking = [Rule { scope: only(tagged), ..days("tagged", 1) }];
    assert!(asks_tags(&asking) && !asks_tags(&rules));
    assert!(!asks_tags(&[Rule { disabled: true, ..asking[0].clone() }]));
    assert_eq!(expiry(&asking, &at(ALONE, OBJECT), Day::REAL), None);
}

#[test]
fn an_upload_is_given_up_days_after_it_began() {
    let aborting = |id: &str, prefix: &str, days| Rule {
        scope: Scope::Prefix(prefix.to_owned()),
        abort_incomplete_days: Some(days),
        ..rule(id)
    };
    let rules = [aborting("all", "", 7), aborting("logs", "logs/", 2), expiring(Expiration::Days(1))];
    let announced = |key| abort(&rules, key, MADE, Day::REAL).map(|it| (it.at, it.rule));
    assert_eq!(announced("logs/a"), Some((midnight(3), "logs")));
    assert_eq!(announced("other"), Some((midnight(8), "all")));
    assert_eq!(abort(&rules[2..], "logs/a", MADE, Day::REAL), None);
}

#[test]
fn what_has_to_be_looked_at() {
    let for_prefix = |prefix: &str| Rule { scope: Scope::Prefix(prefix.to_owned()), ..expiring(Expiration::Days(1)) };
    let looked = |rules: &[Rule]| prefixes(rules, concerns_versions);
    let three = [for_prefix("b/"), for_prefix("a/x"), for_prefix("a/"), for_prefix("a"), for_prefix("ab")];
    assert_eq!(looked(&three), ["a", "b/"]);
    assert_eq!(looked(&[for_prefix("a"), rule("nothing"), Rule { disabled: true, ..for_prefix("c") }]), ["a"]);
    assert_eq!(looked(&[for_prefix("a"), for_prefix("")]), [""]);
    assert_eq!(looked(&[]), Vec::<String>::new());
    let aborting = Rule { abort_incomplete_days: Some(1), ..rule("uploads") };
    assert_eq!(prefixes(&[aborting, for_prefix("a")], concerns_uploads), [""]);
}

fn conditions_of_any_kind() -> impl Strategy<Value = Conditions> {
    let tag = ("[ab]", "[12]");
    let parts = (
        prop::option::of("[ab]{0,2}"),
        prop::collection::btree_map(tag.0, tag.1, 0..2),
        prop::option::of(0..4_u64),
        prop::option::of(0..4_u64),
    );
    parts.prop_map(|(prefix, tags, size_greater_than, size_less_than)| Conditions {
        prefix,
        tags,
        size_greater_than,
        size_less_than,
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let scope = prop_oneof![
        "[ab]{0,2}".prop_map(Scope::Prefix),
        (conditions_of_any_kind(), conditions_of_any_kind()).prop_map(|(direct, and)| Scope::Filter { direct, and }),
        conditions_of_any_kind().prop_map(only),
    ];
    let expiration = prop_oneof![
        (1..4_u32).prop_map(Expiration::Days),
        (0..9_u64).prop_map(|day| Expiration::Date(midnight(day))),
        Just(Expiration::DeleteMarker),
    ];
    let noncurrent = (1..4_u32, prop::option::of(1..3_u32))
        .prop_map(|(days, newer_versions)| NoncurrentExpiration { days, newer_versions });
    (any::<bool>(), scope, prop::option::of(expiration), prop::option::of(noncurrent)).prop_map(
        |(disabled, scope, expiration, noncurrent)| Rule { disabled, scope, expiration, noncurrent, ..rule("any") },
    )
}

/// The same question, asked as S3's manual puts it: every condition on its own, time counted day by day.
fn naive(rule: &Rule, version: &Facts<'_>, has: &BTreeMap<String, String>, now: Time) -> Option<Action> {
    let said: Vec<Conditions> = match &rule.scope {
        Scope::Prefix(prefix) => vec![Conditions { prefix: Some(prefix.clone()), ..Conditions::default() }],
        Scope::Filter { direct, and } => vec![direct.clone(), and.clone()],
    };
    for it in said {
        let size = match version.kind {
            Kind::Object { size_bytes, .. } => Some(size_bytes),
            Kind::Marker => None,
        };
        let fits = it.prefix.is_none_or(|prefix| version.key.find(&prefix) == Some(0))
            && it.tags.iter().all(|tag| size.is_some() && has.iter().any(|other| other == tag))
            && it.size_greater_than.is_none_or(|bound| size.is_some_and(|size| size > bound))
            && it.size_less_than.is_none_or(|bound| size.is_some_and(|size| size < bound));
        if !fits {
            return None;
        }
    }
    let passed = |from: Time, days: u32| {
        // The first midnight after `days` whole days have gone by.
        let gone_by = (0..days).fold(from.0, |moment, _| moment + DAY);
        (0..).map(|day| midnight(day).0).find(|midnight| *midnight > gone_by).is_some_and(|due| now.0 >= due)
    };
    if rule.disabled {
        return None;
    }
    match (version.place, version.kind, rule.expiration, rule.noncurrent) {
        (Place::Latest { .. }, Kind::Object { .. }, Some(Expiration::Days(days)), _) => {
            passed(version.modified, days).then_some(Action::Expire)
        }
        (Place::Latest { .. }, Kind::Object { .. }, Some(Expiration::Date(date)), _) => {
            (now >= date).then_some(Action::Expire)
        }
        (Place::Latest { alone: true }, Kind::Marker, Some(expiration), _) => match expiration {
            Expiration::Days(days) => passed(version.modified, days),
            Expiration::Date(date) => now >= date,
            Expiration::DeleteMarker => true,
        }
        .then_some(Action::Remove),
        (Place::Noncurrent { since, newer }, _, _, Some(noncurrent)) => {
            let spared = noncurrent.newer_versions.is_some_and(|kept| newer < u64::from(kept));
            (!spared && passed(since, noncurrent.days)).then_some(Action::Remove)
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn rules_judge_as_the_naive_reading_does(
        rules in prop::collection::vec(any_rule(), 0..4),
        key in "[ab]{1,3}",
        hours in 0..24_u64,
        place in prop_oneof![
            any::<bool>().prop_map(|alone| Place::Latest { alone }),
            (0..48_u64, 0..4_u64).prop_map(|(hours, newer)| Place::Noncurrent { since: Time(MADE.0 + hours * HOUR), newer }),
        ],
        marker: bool,
        size_bytes in 0..5_u64,
        has in prop::collection::btree_map("[ab]", "[12]", 0..3),
        now_hours in 0..240_u64,
    ) {
        let modified = Time(20_000 * DAY + hours * HOUR + 1);
        let now = Time(modified.0 - 1 + now_hours * HOUR);
        let with = |tags| Facts {
            key: &key,
            modified,
            place,
            kind: if marker { Kind::Marker } else { Kind::Object { size_bytes, tags } },
        };
        let known = with(Tags::Read(&has));
        let expected = rules.iter().find_map(|rule| naive(rule, &known, &has, now));
        let judged = judge(&rules, &known, Day::REAL, now);
        prop_assert_eq!(judged, expected.map_or(Verdict::Stay, Verdict::Due));
        // Without the tags: the same, or the question for them, and never a wrong answer.
        let unread = judge(&rules, &with(Tags::Unread), Day::REAL, now);
        prop_assert!(unread == judged || unread == Verdict::ReadTags, "{:?} is not {:?}", unread, judged);
        // What acts is under the prefixes that are looked at.
        if expected.is_some() {
            let looked = prefixes(&rules, concerns_versions);
            prop_assert!(looked.iter().any(|prefix| key.starts_with(prefix.as_str())), "{:?}", looked);
        }
    }
}
