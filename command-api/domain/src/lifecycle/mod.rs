//! Lifecycle: what a bucket's rules make of one version or upload, and when.
//!
//! Owns: which rule is for what, when it acts, what it does; the earliest of several.
//! Does not own: finding versions (pipeline's standing process), doing it: that is an ordinary delete, decided like anybody's
//! ([`crate::object`]), so what is locked stays.
//! Invariant: no answer that depends on tags is given before the tags are known.

use std::collections::BTreeMap;

use schemas::Time;
use schemas::lifecycle::{Conditions, Expiration, Rule, Scope};

mod check;
mod day;
#[cfg(test)]
mod tests;

pub use check::{RULES_MAX, check, named};
pub use day::Day;

/// A version or delete marker, as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Its key.
    pub key: &'a str,
    /// When it was made.
    pub modified: Time,
    /// Where it stands among the versions of its key.
    pub place: Place,
    /// What it is.
    pub kind: Kind<'a>,
}

/// Where a version stands among those of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the latest.
    Latest {
        /// Whether nothing is beneath it.
        alone: bool,
    },
    /// Another is the latest.
    Noncurrent {
        /// When another took its place.
        since: Time,
        /// Noncurrent versions with content that are newer. Delete markers do not count: they keep nothing.
        newer: u64,
    },
}

/// What a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind<'a> {
    /// It has content.
    Object {
        /// Its bytes.
        size_bytes: u64,
        /// Its tags.
        tags: Tags<'a>,
    },
    /// A delete marker: without tags or a size, so no filter on them is for it.
    Marker,
}

/// Tags of a version. They stand in the log and not in its row: whoever judges many versions reads them only where a rule
/// asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tags<'a> {
    /// Not known yet.
    Unread,
    /// These.
    Read(&'a BTreeMap<String, String>),
}

/// What rules do to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Delete the key without naming a version: its current version is hidden, or removed where versions are not kept.
    Expire,
    /// Remove this version or delete marker for good.
    Remove,
}

/// What is to be done with a version now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// That depends on its tags.
    ReadTags,
    /// This.
    Due(Action),
}

/// When something goes, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry<'a> {
    /// When.
    pub at: Time,
    /// Id of the rule.
    pub rule: &'a str,
}

/// What rules make of a version now.
#[must_use]
pub fn judge(rules: &[Rule], version: &Facts<'_>, day: Day, now: Time) -> Verdict {
    let mut verdict = Verdict::Stay;
    for rule in rules.iter().filter(|rule| !rule.disabled) {
        let Some((_, action)) = acts(rule, version, day).filter(|(at, _)| *at <= now) else { continue };
        match is_for(rule, version) {
            For::This => return Verdict::Due(action),
            For::SomeTags => verdict = Verdict::ReadTags,
            For::Others => {}
        }
    }
    verdict
}

/// How many newer noncurrent versions with content must still be there when a version that is due goes: the fewest that any rule
/// that is due for it keeps. What was newer when it was judged may have been removed since.
#[must_use]
pub fn newer_kept(rules: &[Rule], version: &Facts<'_>, day: Day, now: Time) -> u64 {
    let due = |rule: &&Rule| {
        !rule.disabled
            && acts(rule, version, day).is_some_and(|(at, _)| at <= now)
            && is_for(rule, version) == For::This
    };
    let kept = |rule: &Rule| u64::from(rule.noncurrent.and_then(|noncurrent| noncurrent.newer_versions).unwrap_or(0));
    rules.iter().filter(due).map(kept).min().unwrap_or(0)
}

/// When the current version expires: the earliest of the rules for it. With tags unread, rules that ask for tags are as if they
/// were for others.
#[must_use]
pub fn expiry<'a>(rules: &'a [Rule], version: &Facts<'_>, day: Day) -> Option<Expiry<'a>> {
    let expires = |rule: &'a Rule| match acts(rule, version, day)? {
        (at, Action::Expire) if is_for(rule, version) == For::This => Some(Expiry { at, rule: &rule.id }),
        _ => None,
    };
    rules.iter().filter(|rule| !rule.disabled).filter_map(expires).min_by_key(|expiry| expiry.at)
}

/// Whether any rule asks for tags: where none does, nobody needs to read them.
#[must_use]
pub fn asks_tags(rules: &[Rule]) -> bool {
    let asks = |it: &Part<'_>| it.others.is_some_and(|others| !others.tags.is_empty());
    rules.iter().filter(|rule| !rule.disabled).any(|rule| conditions(&rule.scope).iter().any(asks))
}

/// When an upload in progress is given up.
#[must_use]
pub fn abort<'a>(rules: &'a [Rule], key: &str, initiated: Time, day: Day) -> Option<Expiry<'a>> {
    let aborts = |rule: &'a Rule| {
        let at = day.after(initiated, rule.abort_incomplete_days?);
        conditions(&rule.scope).iter().all(|it| begins(key, it.prefix)).then_some(Expiry { at, rule: &rule.id })
    };
    rules.iter().filter(|rule| !rule.disabled).filter_map(aborts).min_by_key(|expiry| expiry.at)
}

/// When a rule acts on such a version, and how; what it is for aside.
fn acts(rule: &Rule, version: &Facts<'_>, day: Day) -> Option<(Time, Action)> {
    match (version.place, version.kind) {
        (Place::Latest { .. }, Kind::Object { .. }) => match rule.expiration? {
            Expiration::Days(days) => Some((day.after(version.modified, days), Action::Expire)),
            Expiration::Date(date) => Some((date, Action::Expire)),
            Expiration::DeleteMarker => None,
        },
        // A marker over versions hides them: it goes when they are gone.
        (Place::Latest { alone: false }, Kind::Marker) => None,
        (Place::Latest { alone: true }, Kind::Marker) => match rule.expiration? {
            Expiration::Days(days) => Some((day.after(version.modified, days), Action::Remove)),
            Expiration::Date(date) => Some((date, Action::Remove)),
            Expiration::DeleteMarker => Some((version.modified, Action::Remove)),
        },
        (Place::Noncurrent { since, newer }, _) => {
            let noncurrent = rule.noncurrent?;
            let kept = newer < u64::from(noncurrent.newer_versions.unwrap_or(0));
            (!kept).then(|| (day.after(since, noncurrent.days), Action::Remove))
        }
    }
}

/// Whom a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// This version.
    This,
    /// Versions of this key and size with certain tags; those of this one are not known.
    SomeTags,
    /// Not this version.
    Others,
}

fn is_for(rule: &Rule, version: &Facts<'_>) -> For {
    let all = conditions(&rule.scope);
    let asks_tags = all.iter().any(|it| it.others.is_some_and(|others| !others.tags.is_empty()));
    let holds = |it: &Part<'_>| {
        begins(version.key, it.prefix) && it.others.is_none_or(|others| others_hold(others, version.kind))
    };
    match (all.iter().all(holds), version.kind) {
        (false, _) => For::Others,
        (true, Kind::Object { tags: Tags::Unread, .. }) if asks_tags => For::SomeTags,
        (true, _) => For::This,
    }
}

/// What a scope says in one place.
struct Part<'a> {
    prefix: Option<&'a str>,
    others: Option<&'a Conditions>,
}

fn conditions(scope: &Scope) -> Vec<Part<'_>> {
    match scope {
        Scope::Prefix(prefix) => vec![Part { prefix: Some(prefix), others: None }],
        Scope::Filter { direct, and } => {
            [direct, and].map(|it| Part { prefix: it.prefix.as_deref(), others: Some(it) }).into()
        }
    }
}

fn begins(key: &str, prefix: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| key.starts_with(prefix))
}

/// Whether tags and size fit; tags that were not read may.
fn others_hold(conditions: &Conditions, kind: Kind<'_>) -> bool {
    let Conditions { prefix: _, tags: wanted, size_greater_than, size_less_than } = conditions;
    match kind {
        Kind::Marker => wanted.is_empty() && size_greater_than.is_none() && size_less_than.is_none(),
        Kind::Object { size_bytes, tags } => {
            let tagged = match tags {
                Tags::Unread => true,
                Tags::Read(tags) => wanted.iter().all(|(name, value)| tags.get(name) == Some(value)),
            };
            tagged
                && size_greater_than.is_none_or(|bound| size_bytes > bound)
                && size_less_than.is_none_or(|bound| size_bytes < bound)
        }
    }
}

/// What of a bucket's keys must be looked at for rules that `concern`: beginnings of keys, none of which begins with another.
#[must_use]
pub fn prefixes(rules: &[Rule], concern: impl Fn(&Rule) -> bool) -> Vec<String> {
    let concerned = rules.iter().filter(|rule| !rule.disabled && concern(rule));
    let mut all: Vec<&str> = concerned.filter_map(|rule| prefix(&rule.scope)).collect();
    all.sort_unstable();
    let mut least: Vec<String> = Vec::new();
    for prefix in all {
        // In order, whatever begins with another follows it at once or after others that do.
        if least.last().is_none_or(|last| !prefix.starts_with(last.as_str())) {
            least.push(prefix.to_owned());
        }
    }
    least
}

/// The longest beginning that all keys of a scope share; none when it is for no key at all.
fn prefix(scope: &Scope) -> Option<&str> {
    let mut longest = "";
    for prefix in conditions(scope).iter().filter_map(|it| it.prefix) {
        longest = match prefix.len() >= longest.len() {
            true if prefix.starts_with(longest) => prefix,
            false if longest.starts_with(prefix) => longest,
            _ => return None,
        };
    }
    Some(longest)
}

/// Whether a rule is for versions.
#[must_use]
pub fn concerns_versions(rule: &Rule) -> bool {
    rule.expiration.is_some() || rule.noncurrent.is_some()
}

/// Whether a rule is for uploads in progress.
#[must_use]
pub fn concerns_uploads(rule: &Rule) -> bool {
    rule.abort_incomplete_days.is_some()
}
