//! The listing core: one page of keys and groups, over anything ordered that can seek.
//!
//! Keys compare as bytes. With a delimiter, keys that have it behind the prefix are one group, the key up to and with its
//! first occurrence; a page counts keys and groups alike. A group of many keys costs a few steps and one seek.

use crate::row::RowError;

/// What to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// Only keys that begin with it.
    pub prefix: String,
    /// Groups keys; empty is none.
    pub delimiter: Option<String>,
    /// Only keys and groups after it. Inside a group it stands for the group, which is then skipped whole.
    pub after: Option<String>,
    /// Most entries, keys and groups together. 0 is an empty page with nothing behind it.
    pub max: usize,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Entries in byte order of their keys.
    pub entries: Vec<T>,
    /// Groups in byte order.
    pub common_prefixes: Vec<String>,
    /// Whether more follows.
    pub truncated: bool,
    /// The last key or group of the page, to go on after, when truncated.
    pub next_after: Option<String>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), common_prefixes: Vec::new(), truncated: false, next_after: None }
    }
}

impl<T> Page<T> {
    /// Entries and groups.
    #[must_use]
    pub fn count(&self) -> usize {
        self.entries.len() + self.common_prefixes.len()
    }
}

/// Entries in order of their keys; several may have one key.
pub(crate) trait Source {
    /// An entry.
    type Entry;

    /// Goes to the first entry whose key is not less than `key`, which need not be UTF-8.
    fn seek(&mut self, key: &[u8]);

    /// The next entry with its key.
    fn next(&mut self) -> Result<Option<(String, Self::Entry)>, RowError>;
}

impl<S: Source + ?Sized> Source for Box<S> {
    type Entry = S::Entry;

    fn seek(&mut self, key: &[u8]) {
        (**self).seek(key);
    }

    fn next(&mut self) -> Result<Option<(String, S::Entry)>, RowError> {
        (**self).next()
    }
}

/// Steps inside a group before seeking past it, at most: a seek costs about as much as this many steps.
const STEPS_MAX: usize = 32;

/// A page of a source. With `resume`, entries of the key `after` itself are asked for: the source leaves out those that
/// were shown.
pub(crate) fn page<S: Source>(source: &mut S, query: &ListQuery, resume: bool) -> Result<Page<S::Entry>, RowError> {
    let mut page = Page::default();
    if query.max == 0 {
        return Ok(page);
    }
    let Some(from) = start(query, resume) else { return Ok(page) };
    source.seek(&from);
    let mut last = String::new();
    let mut steps = 0;
    // Groups are mostly alike: behind large ones the next is sought sooner, behind small ones it is stepped to.
    let mut patience = STEPS_MAX;
    while let Some((key, entry)) = source.next()? {
        if !key.starts_with(&query.prefix) {
            break;
        }
        let group = group(query, &key);
        if group.is_some() && group == page.common_prefixes.last().map(String::as_str) {
            steps += 1;
            if steps == patience {
                patience = (patience / 2).max(1);
                match group.and_then(|group| event_log::prefix_end(group.as_bytes())) {
                    Some(behind) => source.seek(&behind),
                    None => break,
                }
            }
            continue;
        }
        if page.count() == query.max {
            page.truncated = true;
            page.next_after = Some(last);
            break;
        }
        if steps < patience {
            patience = (patience * 2).min(STEPS_MAX);
        }
        steps = 0;
        match group {
            Some(group) => {
                last = group.to_owned();
                page.common_prefixes.push(last.clone());
            }
            None => {
                page.entries.push(entry);
                last = key;
            }
        }
    }
    Ok(page)
}

/// Where a page begins; none when nothing can follow.
fn start(query: &ListQuery, resume: bool) -> Option<Vec<u8>> {
    let mut from = query.prefix.clone().into_bytes();
    if let Some(after) = &query.after {
        let behind = match group(query, after) {
            Some(group) => event_log::prefix_end(group.as_bytes())?,
            None if resume => after.clone().into_bytes(),
            None => [after.as_bytes(), &[0]].concat(),
        };
        from = from.max(behind);
    }
    Some(from)
}

/// The group of a key, if it has one.
pub(crate) fn group<'a>(query: &ListQuery, key: &'a str) -> Option<&'a str> {
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(query.prefix.as_str())?;
    let end = query.prefix.len() + rest.find(delimiter)? + delimiter.len();
    Some(&key[..end])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// A set of keys as a source that counts its work.
    struct Keys<'a> {
        keys: &'a BTreeSet<String>,
        next: Vec<u8>,
        steps: usize,
    }

    impl Source for Keys<'_> {
        type Entry = String;

        fn seek(&mut self, key: &[u8]) {
            self.next = key.to_vec();
        }

        fn next(&mut self) -> Result<Option<(String, String)>, RowError> {
            self.steps += 1;
            // Strings order as their bytes; a lower bound that is not UTF-8 has to be compared as bytes.
            let found = self.keys.iter().find(|key| key.as_bytes() >= self.next.as_slice());
            if let Some(key) = found {
                self.next = [key.as_bytes(), &[0]].concat();
            }
            Ok(found.map(|key| (key.clone(), key.clone())))
        }
    }

    fn list(keys: &BTreeSet<String>, query: &ListQuery) -> Page<String> {
        page(&mut Keys { keys, next: Vec::new(), steps: 0 }, query, false).expect("no rows are read")
    }

    /// What a listing without a bound should show: everything, filtered, grouped, in order.
    fn naive(keys: &BTreeSet<String>, query: &ListQuery) -> Vec<(String, bool)> {
        let mut out: Vec<(String, bool)> = Vec::new();
        let skipped = query.after.as_deref().and_then(|after| group(query, after));
        for key in keys.iter().filter(|key| key.starts_with(&query.prefix)) {
            let shown = group(query, key).map_or((key.clone(), false), |group| (group.to_owned(), true));
            let hidden = match (&query.after, shown.1) {
                (None, _) => false,
                (Some(after), true) => Some(shown.0.as_str()) == skipped || *after >= shown.0,
                (Some(after), false) => after >= key,
            };
            if !hidden && out.last() != Some(&shown) {
                out.push(shown);
            }
        }
        out
    }

    fn shown(page: &Page<String>) -> Vec<(String, bool)> {
        let keys = page.entries.iter().map(|key| (key.clone(), false));
        let mut all: Vec<_> = keys.chain(page.common_prefixes.iter().map(|group| (group.clone(), true))).collect();
        all.sort();
        all
    }

    fn text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "/", "//", "é", "\u{0}", "\u{10FFFF}"]), 0..6)
            .prop_map(|parts| parts.concat())
    }

    fn keys() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set(text().prop_filter("keys are not empty", |key| !key.is_empty()), 0..60)
    }

    fn delimiter() -> impl Strategy<Value = Option<String>> {
        prop::sample::select(vec![None, Some(""), Some("/"), Some("//"), Some("é"), Some("b/"), Some("\u{10FFFF}")])
            .prop_map(|text: Option<&str>| text.map(str::to_owned))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn pages_together_are_the_naive_list(
            keys in keys(), prefix in text(), delimiter in delimiter(), after in prop::option::of(text()), max in 1..7usize,
        ) {
            let prefix = prefix.chars().take(2).collect();
            let mut query = ListQuery { prefix, delimiter, after, max };
            let expected = naive(&keys, &query);
            let mut got = Vec::new();
            loop {
                let page = list(&keys, &query);
                prop_assert!(page.count() <= max);
                prop_assert_eq!(page.truncated, page.next_after.is_some());
                got.extend(shown(&page));
                if !page.truncated {
                    break;
                }
                prop_assert_eq!(page.count(), max);
                query.after = page.next_after;
            }
            prop_assert_eq!(got, expected);
        }
    }

    fn set(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|&key| key.to_owned()).collect()
    }

    fn query(prefix: &str, delimiter: &str, after: &str, max: usize) -> ListQuery {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ListQuery { prefix: prefix.to_owned(), delimiter: some(delimiter), after: some(after), max }
    }

    #[test]
    fn a_page_of_nothing_is_whole() {
        assert_eq!(list(&set(&["a", "b"]), &query("", "", "", 0)), Page::default());
    }

    /// The walk of the Ceph suite's `test_bucket_list_delimiter_prefix`.
    #[test]
    fn a_marker_that_is_a_group_skips_the_group() {
        let keys = set(&["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla"]);
        type Step<'a> = (&'a str, &'a [&'a str], &'a [&'a str], Option<&'a str>);
        let check = |prefix: &str, max, steps: &[Step<'_>]| {
            for &(after, entries, groups, next) in steps {
                let page = list(&keys, &query(prefix, "/", after, max));
                assert_eq!(page.entries, entries, "after {after}");
                assert_eq!(page.common_prefixes, groups, "after {after}");
                assert_eq!(page.next_after.as_deref(), next, "after {after}");
            }
        };
        check("", 1, &[("", &["asdf"], &[], Some("asdf")), ("asdf", &[], &["boo/"], Some("boo/"))]);
        check("", 1, &[("boo/", &[], &["cquux/"], None)]);
        check("", 2, &[("", &["asdf"], &["boo/"], Some("boo/")), ("boo/", &[], &["cquux/"], None)]);
        check("boo/", 1, &[("", &["boo/bar"], &[], Some("boo/bar")), ("boo/bar", &[], &["boo/baz/"], None)]);
        check("boo/", 2, &[("", &["boo/bar"], &["boo/baz/"], None)]);
    }

    #[test]
    fn a_marker_inside_a_group_skips_the_group() {
        let keys = set(&["foo/a", "foo/b", "goo/a"]);
        assert_eq!(list(&keys, &query("", "/", "foo/a", 9)).common_prefixes, ["goo/"]);
        assert_eq!(list(&keys, &query("foo/", "/", "foo/a", 9)).entries, ["foo/b"]);
    }

    #[test]
    fn a_group_of_many_keys_costs_a_few_steps() {
        let keys: BTreeSet<String> =
            (0..2_000).map(|number| format!("a/{number:04}")).chain(["b".to_owned()]).collect();
        let mut source = Keys { keys: &keys, next: Vec::new(), steps: 0 };
        let page = page(&mut source, &query("", "/", "", 10), false).expect("no rows are read");
        assert_eq!((page.entries, page.common_prefixes), (vec!["b".to_owned()], vec!["a/".to_owned()]));
        assert!(source.steps < 40, "{} steps", source.steps);
    }

    #[test]
    fn many_groups_of_many_keys_cost_two_steps_each() {
        let grouped = |groups: usize, each: usize| -> BTreeSet<String> {
            (0..groups).flat_map(|group| (0..each).map(move |key| format!("{group:03}/{key:03}"))).collect()
        };
        let steps = |keys: &BTreeSet<String>, groups| {
            let mut source = Keys { keys, next: Vec::new(), steps: 0 };
            let page = page(&mut source, &query("", "/", "", 1_000), false).expect("no rows are read");
            assert_eq!(page.common_prefixes.len(), groups);
            source.steps
        };
        let large = grouped(50, 100);
        assert!(steps(&large, 50) < 2 * 50 + 64, "{} steps", steps(&large, 50));
        // Small groups are stepped through whole: a seek each would cost more.
        assert_eq!(steps(&grouped(50, 3), 50), 50 * 3 + 1);
    }
}
