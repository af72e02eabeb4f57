//! CORS: which pages may read a bucket's answers, or make the browser send it something.
//!
//! Owns: what makes rules valid, and which of them a request matches.
//! Does not own: the headers of an answer, and who the bucket belongs to (door).
//! Invariant: an answer of [`allow`] opens nothing: what a request may do is decided as if CORS did not exist.

use schemas::event::{CorsMethod, CorsRule};

use crate::Refusal;

/// Most rules of a bucket.
pub const RULES_MAX: usize = 100;
/// Most bytes of a rule's id.
const ID_BYTES_MAX: usize = 255;

/// What a browser says of a request: its own, or in a preflight the one that it wants to send.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where the page is from.
    pub origin: &'a str,
    /// Its method.
    pub method: CorsMethod,
    /// Headers that it wants to send.
    pub headers: &'a [String],
}

/// The rule that allows a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed<'r> {
    /// Which.
    pub rule: &'r CorsRule,
    /// Whether it allows pages of every origin: then the answer is for all of them, and none of them may have credentials.
    pub any_origin: bool,
}

/// Whether rules may be set.
///
/// # Errors
/// [`Refusal::InvalidRequest`] with the reason, [`Refusal::MalformedConfiguration`] for what no document of S3 says.
pub fn check(rules: &[CorsRule]) -> Result<(), Refusal> {
    if rules.is_empty() {
        return Err(Refusal::MalformedConfiguration);
    }
    if rules.len() > RULES_MAX {
        return refuse("The number of CORS rules should not exceed allowed limit of 100 rules.");
    }
    rules.iter().try_for_each(check_rule)
}

fn check_rule(rule: &CorsRule) -> Result<(), Refusal> {
    if rule.origins.is_empty() || rule.methods.is_empty() {
        return Err(Refusal::MalformedConfiguration);
    }
    if rule.id.as_ref().is_some_and(|id| id.len() > ID_BYTES_MAX) {
        return refuse("The ID of a CORS rule has at most 255 characters.");
    }
    if rule.origins.iter().any(|origin| stars(origin) > 1) {
        return refuse("AllowedOrigin can not have more than one wildcard.");
    }
    if rule.headers.iter().any(|header| stars(header) > 1) {
        return refuse("AllowedHeader can not have more than one wildcard.");
    }
    if rule.exposed.iter().any(|header| stars(header) > 0) {
        return refuse("ExposeHeader contains wildcard. We currently do not support wildcard for ExposeHeader.");
    }
    if rule.origins.iter().any(|origin| origin.trim().is_empty() || origin.chars().any(char::is_control)) {
        return refuse("AllowedOrigin is not an origin.");
    }
    // They become part of a header of answers.
    if !rule.headers.iter().chain(&rule.exposed).all(|name| is_token(name)) {
        return refuse("AllowedHeader and ExposeHeader are names of headers.");
    }
    Ok(())
}

fn refuse(reason: &'static str) -> Result<(), Refusal> {
    Err(Refusal::InvalidRequest { reason })
}

fn stars(pattern: &str) -> usize {
    pattern.bytes().filter(|byte| *byte == b'*').count()
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// The first rule that allows a request, if one does.
#[must_use]
pub fn allow<'r>(rules: &'r [CorsRule], asked: &Asked<'_>) -> Option<Allowed<'r>> {
    rules.iter().find_map(|rule| {
        let origin = rule.origins.iter().find(|pattern| matches(pattern, asked.origin))?;
        let headers = asked.headers.iter().all(|name| allows_header(rule, name));
        let allowed = headers && rule.methods.contains(&asked.method);
        allowed.then_some(Allowed { rule, any_origin: origin == "*" })
    })
}

/// Names of headers mean the same in upper and lower case.
fn allows_header(rule: &CorsRule, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    rule.headers.iter().any(|pattern| matches(&pattern.to_ascii_lowercase(), &name))
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => {
            text.len() >= before.len() + after.len() && text.starts_with(before) && text.ends_with(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn rule(origins: &[&str], methods: &[CorsMethod], headers: &[&str]) -> CorsRule {
        CorsRule {
            id: None,
            origins: texts(origins),
            methods: methods.to_vec(),
            headers: texts(headers),
            exposed: vec![],
            max_age_s: None,
        }
    }

    #[test]
    fn origins_match_whole_or_around_one_star() {
        for (pattern, origin, expected) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example", "https://A.example", false),
            ("https://a.example", "https://a.example:443", false),
            ("*", "null", true),
            ("*suffix", "foo.suffix", true),
            ("*suffix", "foo.suffix.get", false),
            ("start*end", "startend", true),
            ("start*end", "start12end", true),
            ("start*end", "0start12end", false),
            ("prefix*", "prefix", true),
            ("prefix*", "bla.prefix", false),
            ("aba*aba", "aba", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, origin), expected, "{pattern} {origin}");
        }
    }

    #[test]
    fn the_first_rule_that_allows_everything_asked_holds() {
        use CorsMethod::{Delete, Get, Put};
        let rules = [
            rule(&["https://a"], &[Get], &["x-*"]),
            rule(&["https://a", "https://b"], &[Get, Put], &["*"]),
            rule(&["https://c", "*"], &[Delete], &[]),
        ];
        for (origin, method, headers, expected) in [
            ("https://a", Get, &[][..], Some((0, false))),
            ("https://a", Get, &["X-Amz-Date"], Some((0, false))),
            ("https://a", Get, &["x-amz-date", "Content-Type"], Some((1, false))),
            ("https://a", Put, &[], Some((1, false))),
            ("https://c", Delete, &[], Some((2, false))),
            ("https://d", Delete, &[], Some((2, true))),
            ("https://d", Delete, &["x-y"], None),
            ("https://d", Get, &[], None),
        ] {
            let headers = texts(headers);
            let allowed = allow(&rules, &Asked { origin, method, headers: &headers });
            let expected = expected.map(|(index, any_origin)| Allowed { rule: &rules[index], any_origin });
            assert_eq!(allowed, expected, "{origin} {method:?} {headers:?}");
        }
    }

    #[test]
    fn what_may_be_set() {
        let good = rule(&["*"], &[CorsMethod::Get], &["*"]);
        let check_one = |change: fn(&mut CorsRule)| {
            let mut rule = good.clone();
            change(&mut rule);
            check(&[rule])
        };
        assert_eq!(check(&vec![good.clone(); 100]), Ok(()));
        assert!(matches!(check(&vec![good.clone(); 101]), Err(Refusal::InvalidRequest { .. })));
        assert_eq!(check(&[]), Err(Refusal::MalformedConfiguration));
        assert_eq!(check_one(|rule| rule.origins.clear()), Err(Refusal::MalformedConfiguration));
        assert_eq!(check_one(|rule| rule.methods.clear()), Err(Refusal::MalformedConfiguration));
        let refused: [fn(&mut CorsRule); 7] = [
            |rule| rule.id = Some("i".repeat(256)),
            |rule| rule.origins = texts(&["http://*.*"]),
            |rule| rule.origins = texts(&[" "]),
            |rule| rule.headers = texts(&["x-*-*"]),
            |rule| rule.headers = texts(&["x y"]),
            |rule| rule.exposed = texts(&["x-*"]),
            |rule| rule.exposed = texts(&["x\r\ny: z"]),
        ];
        for (index, change) in refused.into_iter().enumerate() {
            assert!(matches!(check_one(change), Err(Refusal::InvalidRequest { .. })), "{index}");
        }
        assert_eq!(check_one(|rule| rule.exposed = texts(&["ETag", "x-amz-meta-a"])), Ok(()));
    }
}
