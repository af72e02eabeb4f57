//! Texts with `*`, `?` and variables such as `${aws:username}`.
//!
//! Owns: what such a text means and whether it matches. Does not own: what a variable stands for (`key`).

use super::Malformed;
use super::key::Key;

/// A text to match others with. `*` stands for any characters, `/` and none included, `?` for exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Any,
    One,
    /// A fact of the request, and what to take when the request does not have it.
    Variable(Key, Option<String>),
}

/// What of a text is more than itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Syntax {
    pub(super) wildcards: bool,
    pub(super) variables: bool,
}

/// What a variable stands for in a request; none if the request does not have it.
pub(super) type Resolve<'a> = &'a dyn Fn(&Key) -> Option<String>;

impl Pattern {
    /// # Errors
    /// A variable that is not closed or that no request has.
    pub(super) fn parse(text: &str, syntax: Syntax) -> Result<Self, Malformed> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let piece = if let Some(after) = rest.strip_prefix("${").filter(|_| syntax.variables) {
                let (name, after) = after.split_once('}').ok_or_else(|| Malformed::new("a variable lacks its }"))?;
                rest = after;
                // The characters that mean something, meaning nothing.
                if let "*" | "?" | "$" = name {
                    literal.push_str(name);
                    continue;
                }
                variable(name)?
            } else {
                rest = &rest[character.len_utf8()..];
                match character {
                    '*' if syntax.wildcards => Piece::Any,
                    '?' if syntax.wildcards => Piece::One,
                    other => {
                        literal.push(other);
                        continue;
                    }
                }
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(piece);
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// Whether it stands for one text only, whatever is asked.
    pub(super) fn is_fixed(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Literal(_)))
    }

    /// Whether it matches a text. A variable without a value matches nothing.
    pub(super) fn matches(&self, text: &str, resolve: Resolve<'_>) -> bool {
        self.compare(text, resolve, |text, literal| text.starts_with(literal))
    }

    /// The same, taking upper and lower case for one.
    pub(super) fn matches_any_case(&self, text: &str, resolve: Resolve<'_>) -> bool {
        self.compare(text, resolve, |text, literal| {
            text.get(..literal.len()).is_some_and(|start| start.eq_ignore_ascii_case(literal))
        })
    }

    fn compare(&self, text: &str, resolve: Resolve<'_>, starts: impl Fn(&str, &str) -> bool) -> bool {
        let mut values = Vec::new();
        for piece in &self.0 {
            if let Piece::Variable(key, default) = piece {
                let Some(value) = resolve(key).or_else(|| default.clone()) else { return false };
                values.push(value);
            }
        }
        let mut values = values.iter();
        let mut steps = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            steps.push(match piece {
                Piece::Literal(literal) => Step::Literal(literal.as_str()),
                Piece::Any => Step::Any,
                Piece::One => Step::One,
                Piece::Variable(..) => Step::Literal(values.next().map_or("", String::as_str)),
            });
        }
        glob(&steps, text, starts)
    }

    /// Whether it could match a text, whatever variables stand for.
    pub(super) fn may_be(&self, text: &str) -> bool {
        self.after(text).last() == Some(&true)
    }

    /// The same of some text that begins with `start`.
    pub(super) fn may_begin(&self, start: &str) -> bool {
        self.after(start).contains(&true)
    }

    /// Where in the pattern one may be after a text: one place for each of its characters, then its end.
    fn after(&self, text: &str) -> Vec<bool> {
        // Every way through the pattern at once: which of its characters may come next.
        let symbols = self.symbols();
        let mut at = vec![false; symbols.len() + 1];
        at[0] = true;
        skip_wildcards(&symbols, &mut at);
        for character in text.chars() {
            let mut next = vec![false; symbols.len() + 1];
            for (index, symbol) in symbols.iter().enumerate().filter(|(index, _)| at[*index]) {
                match symbol {
                    Symbol::Any => next[index] = true,
                    Symbol::One => next[index + 1] = true,
                    Symbol::Exactly(expected) if *expected == character => next[index + 1] = true,
                    Symbol::Exactly(_) => {}
                }
            }
            skip_wildcards(&symbols, &mut next);
            at = next;
        }
        at
    }

    fn symbols(&self) -> Vec<Symbol> {
        let symbols = |piece: &Piece| match piece {
            Piece::Literal(literal) => literal.chars().map(Symbol::Exactly).collect(),
            Piece::Any | Piece::Variable(..) => vec![Symbol::Any],
            Piece::One => vec![Symbol::One],
        };
        self.0.iter().flat_map(symbols).collect()
    }
}

fn variable(text: &str) -> Result<Piece, Malformed> {
    // `${name, 'default'}`
    let (name, default) = match text.split_once(',') {
        None => (text, None),
        Some((name, default)) => {
            let quoted = default.trim().strip_prefix('\'').and_then(|default| default.strip_suffix('\''));
            (name, Some(quoted.ok_or_else(|| Malformed::new("the default of a variable stands in single quotes"))?))
        }
    };
    Ok(Piece::Variable(Key::parse(name.trim())?, default.map(str::to_owned)))
}

#[derive(Clone, Copy)]
enum Symbol {
    Exactly(char),
    Any,
    One,
}

/// Where a `*` may stand for nothing, what follows it may come next too.
fn skip_wildcards(symbols: &[Symbol], at: &mut [bool]) {
    for (index, symbol) in symbols.iter().enumerate() {
        if at[index] && matches!(symbol, Symbol::Any) {
            at[index + 1] = true;
        }
    }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Literal(&'a str),
    Any,
    One,
}

/// Going back to the last `*` alone is enough: what an earlier one could take more, the last one can take as well. So this
/// takes at most pattern times text steps, whatever a client wrote.
fn glob(steps: &[Step<'_>], text: &str, starts: impl Fn(&str, &str) -> bool) -> bool {
    let (mut step, mut rest) = (0, text);
    let mut last_any: Option<(usize, &str)> = None;
    loop {
        let taken = match steps.get(step) {
            None if rest.is_empty() => return true,
            None => None,
            Some(Step::Any) => {
                step += 1;
                last_any = Some((step, rest));
                continue;
            }
            Some(Step::One) => rest.chars().next().map(char::len_utf8),
            Some(Step::Literal(literal)) => starts(rest, literal).then_some(literal.len()),
        };
        if let Some(taken) = taken {
            (step, rest) = (step + 1, &rest[taken..]);
            continue;
        }
        let Some((after, from)) = last_any else { return false };
        let Some(character) = from.chars().next() else { return false };
        rest = &from[character.len_utf8()..];
        (step, last_any) = (after, Some((after, rest)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: Syntax = Syntax { wildcards: true, variables: true };

    fn resolve(key: &Key) -> Option<String> {
        (*key == Key::UserName).then(|| "a*n".to_owned())
    }

    #[test]
    fn wildcards_and_variables() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("*", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("*b*", "abc", true),
            ("*ab", "aaab", true),
            ("*abc*bcd", "abcbcdabcbcd", true),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("?", "", false),
            ("home/${aws:username}/*", "home/a*n/x", true),
            // What a variable stands for is no pattern.
            ("home/${aws:username}/*", "home/ann/x", false),
            ("${*}${?}${$}", "*?$", true),
            ("${*}", "a", false),
            ("${aws:userid}", "", false),
            ("*${aws:userid}*", "anything", false),
            ("${aws:userid, 'nobody'}", "nobody", true),
            ("$x", "$x", true),
        ] {
            let parsed = Pattern::parse(pattern, ALL).unwrap();
            assert_eq!(parsed.matches(text, &resolve), expected, "{pattern} {text}");
        }
        for bad in ["${aws:username", "${nonsense}", "${aws:userid, nobody}", "${}"] {
            assert!(Pattern::parse(bad, ALL).is_err(), "{bad}");
        }
        let plain = Pattern::parse("a*${x}", Syntax { wildcards: false, variables: false }).unwrap();
        assert!(plain.matches("a*${x}", &resolve) && !plain.matches("ab", &resolve) && plain.is_fixed());
        assert!(Pattern::parse("aBc", ALL).unwrap().matches_any_case("AbC", &resolve));
        assert!(!Pattern::parse("aé", ALL).unwrap().matches_any_case("aßx", &resolve));
    }

    #[test]
    fn what_a_pattern_may_begin_with() {
        for (pattern, start, expected) in [
            ("data", "data", true),
            ("data", "data/", false),
            ("data/*", "data/", true),
            ("data/x", "data/", true),
            ("other/*", "data/", false),
            ("*", "data/", true),
            ("*/*", "data/", true),
            ("da*", "data/", true),
            ("d?ta/x", "data/", true),
            ("d?a/x", "data/", false),
            ("${aws:username}/x", "data/", true),
        ] {
            assert_eq!(Pattern::parse(pattern, ALL).unwrap().may_begin(start), expected, "{pattern} {start}");
        }
    }

    #[test]
    fn what_a_pattern_may_be() {
        for (pattern, text, expected) in [
            ("data", "data", true),
            ("da*", "data", true),
            ("data/*", "data", false),
            ("other", "data", false),
            ("dat", "data", false),
        ] {
            assert_eq!(Pattern::parse(pattern, ALL).unwrap().may_be(text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_with_parts_starred_out_still_matches(parts in prop::collection::vec("[ab]{0,3}", 1..6)) {
            let pattern = Pattern::parse(&parts.join("*"), ALL).unwrap();
            prop_assert!(pattern.matches(&parts.join("ba"), &resolve));
            prop_assert!(pattern.may_begin(&parts.join("ba")) && pattern.may_be(&parts.join("ba")));
        }

        #[test]
        fn no_text_makes_a_pattern_panic(pattern in ".{0,20}", text in ".{0,20}") {
            if let Ok(pattern) = Pattern::parse(&pattern, ALL) {
                pattern.matches(&text, &resolve);
                pattern.matches_any_case(&text, &resolve);
                pattern.may_begin(&text);
            }
        }
    }
}
