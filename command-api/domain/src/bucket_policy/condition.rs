//! Conditions: an operator, a key, the values to compare it with.
//!
//! Owns: the operators, their suffix `IfExists`, their prefixes `ForAllValues:` and `ForAnyValue:`, what each does without the
//! key. Does not own: what a key is in a request (`key`).

use std::net::IpAddr;

use super::Malformed;
use super::key::{Key, Value};
use super::pattern::{Pattern, Resolve, Syntax};
use super::request::Request;

/// One key compared with values; any of which will do, or with a negated operator none of which must.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Condition {
    key: Key,
    test: Test,
    negated: bool,
    if_exists: bool,
    quantifier: Quantifier,
}

/// What becomes of several values in the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// It has one at most; of more, any will do.
    One,
    ForAll,
    ForAny,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Text { patterns: Vec<Pattern>, any_case: bool },
    Number { compare: Compare, values: Vec<f64> },
    Date { compare: Compare, values: Vec<jiff::Timestamp> },
    Truth(Vec<bool>),
    Address(Vec<Network>),
    Arn(Vec<Vec<Pattern>>),
    Absent(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Parts of an ARN: `arn`, partition, service, region, account, resource.
const ARN_PARTS: usize = 6;

impl Condition {
    /// # Errors
    /// An operator or key there is not, or a value of another kind than the operator compares.
    pub(super) fn parse(operator: &str, key: &str, values: &[String], variables: bool) -> Result<Self, Malformed> {
        let unknown = || Malformed::new(format!("Invalid Condition type : {operator}"));
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::One, operator),
            Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
            Some(_) => return Err(unknown()),
        };
        let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
        if values.is_empty() {
            return Err(Malformed::new(format!("the condition on {key} has no values")));
        }
        let (test, negated) = Test::parse(name, values, variables)?.ok_or_else(unknown)?;
        if matches!(test, Test::Absent(_)) && (if_exists || quantifier != Quantifier::One) {
            return Err(unknown());
        }
        Ok(Self { key: Key::parse(key)?, test, negated, if_exists, quantifier })
    }

    pub(super) fn reads_tags(&self) -> bool {
        self.key.is_existing_tag()
    }

    /// Whether it leaves only known people, places or purposes.
    pub(super) fn narrows(&self) -> bool {
        let positive = !self.negated && !self.if_exists && self.quantifier != Quantifier::ForAll;
        positive && self.key.narrows() && self.test.is_narrow() && !self.leaves_in_nobody_known()
    }

    /// Whether it holds for requests without a credential, which have a user id as well.
    fn leaves_in_nobody_known(&self) -> bool {
        let anonymous = schemas::UserId::anonymous();
        self.key == Key::UserId && self.test.matches(anonymous.as_str(), &|_: &Key| Some(anonymous.to_string()))
    }

    /// Whether it holds for a request.
    pub(super) fn holds(&self, request: &Request<'_>) -> bool {
        let values = self.key.values(request);
        if let Test::Absent(absent) = self.test {
            return values.is_empty() == absent;
        }
        let resolve = |key: &Key| key.variable(request);
        let one = |value: &Value| value.iter().any(|spelling| self.test.matches(spelling, &resolve)) != self.negated;
        match self.quantifier {
            // "Is not" is true of what is not there.
            Quantifier::One if values.is_empty() => self.negated || self.if_exists,
            Quantifier::One if self.negated => values.iter().all(one),
            Quantifier::One => values.iter().any(one),
            Quantifier::ForAll => values.iter().all(one),
            Quantifier::ForAny if values.is_empty() => self.if_exists,
            Quantifier::ForAny => values.iter().any(one),
        }
    }
}

impl Test {
    /// The test of an operator, and whether the operator is the negation of it; none of an operator there is not.
    fn parse(operator: &str, values: &[String], variables: bool) -> Result<Option<(Self, bool)>, Malformed> {
        let text = |any_case, wildcards| {
            let syntax = Syntax { wildcards, variables };
            let patterns = values.iter().map(|value| Pattern::parse(value, syntax)).collect::<Result<_, _>>();
            patterns.map(|patterns| Test::Text { patterns, any_case })
        };
        let number = |compare| each(values, number).map(|values| Test::Number { compare, values });
        let date = |compare| each(values, date).map(|values| Test::Date { compare, values });
        let arn = || values.iter().map(|value| arn(value, variables)).collect::<Result<_, _>>().map(Test::Arn);
        let (test, negated) = match operator {
            "StringEquals" => (text(false, false)?, false),
            "StringNotEquals" => (text(false, false)?, true),
            "StringEqualsIgnoreCase" => (text(true, false)?, false),
            "StringNotEqualsIgnoreCase" => (text(true, false)?, true),
            "StringLike" => (text(false, true)?, false),
            "StringNotLike" => (text(false, true)?, true),
            "NumericEquals" => (number(Compare::Equal)?, false),
            "NumericNotEquals" => (number(Compare::Equal)?, true),
            "NumericLessThan" => (number(Compare::Less)?, false),
            "NumericLessThanEquals" => (number(Compare::LessOrEqual)?, false),
            "NumericGreaterThan" => (number(Compare::Greater)?, false),
            "NumericGreaterThanEquals" => (number(Compare::GreaterOrEqual)?, false),
            "DateEquals" => (date(Compare::Equal)?, false),
            "DateNotEquals" => (date(Compare::Equal)?, true),
            "DateLessThan" => (date(Compare::Less)?, false),
            "DateLessThanEquals" => (date(Compare::LessOrEqual)?, false),
            "DateGreaterThan" => (date(Compare::Greater)?, false),
            "DateGreaterThanEquals" => (date(Compare::GreaterOrEqual)?, false),
            "Bool" => (Test::Truth(each(values, truth)?), false),
            "IpAddress" => (Test::Address(each(values, Network::parse)?), false),
            "NotIpAddress" => (Test::Address(each(values, Network::parse)?), true),
            "ArnEquals" | "ArnLike" => (arn()?, false),
            "ArnNotEquals" | "ArnNotLike" => (arn()?, true),
            "Null" => match each(values, truth)?.as_slice() {
                [absent] => (Test::Absent(*absent), false),
                _ => return Err(Malformed::new("Null has one value")),
            },
            _ => return Ok(None),
        };
        Ok(Some((test, negated)))
    }

    fn matches(&self, value: &str, resolve: Resolve<'_>) -> bool {
        match self {
            Test::Text { patterns, any_case: false } => patterns.iter().any(|pattern| pattern.matches(value, resolve)),
            Test::Text { patterns, any_case: true } => {
                patterns.iter().any(|pattern| pattern.matches_any_case(value, resolve))
            }
            Test::Number { compare, values } => {
                number(value).is_some_and(|value| values.iter().any(|other| compare.holds(&value, other)))
            }
            Test::Date { compare, values } => {
                date(value).is_some_and(|value| values.iter().any(|other| compare.holds(&value, other)))
            }
            Test::Truth(values) => truth(value).is_some_and(|value| values.contains(&value)),
            Test::Address(networks) => {
                value.parse().is_ok_and(|address| networks.iter().any(|network| network.contains(address)))
            }
            Test::Arn(arns) => {
                let parts: Vec<_> = value.splitn(ARN_PARTS, ':').collect();
                let matches = |arn: &Vec<Pattern>| {
                    parts.len() == ARN_PARTS
                        && arn.iter().zip(&parts).all(|(pattern, part)| pattern.matches(part, resolve))
                };
                arns.iter().any(matches)
            }
            // Said before any value is looked at.
            Test::Absent(_) => false,
        }
    }

    fn is_narrow(&self) -> bool {
        match self {
            Test::Text { patterns, .. } => patterns.iter().all(Pattern::is_fixed),
            Test::Arn(arns) => arns.iter().flatten().all(Pattern::is_fixed),
            Test::Address(networks) => networks.iter().all(Network::is_narrow),
            Test::Number { .. } | Test::Date { .. } | Test::Truth(_) | Test::Absent(_) => false,
        }
    }
}

impl Compare {
    fn holds<T: PartialOrd>(self, value: &T, other: &T) -> bool {
        match self {
            Compare::Equal => value == other,
            Compare::Less => value < other,
            Compare::LessOrEqual => value <= other,
            Compare::Greater => value > other,
            Compare::GreaterOrEqual => value >= other,
        }
    }
}

fn each<T>(values: &[String], parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Malformed> {
    let parsed = |value: &String| {
        parse(value).ok_or_else(|| Malformed::new(format!("Invalid value for the condition's operator: {value}")))
    };
    values.iter().map(parsed).collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `2026-01-31T12:00:00Z`, `2026-01-31`, or seconds since 1970.
fn date(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(seconds) = text.parse() {
        return jiff::Timestamp::from_second(seconds).ok();
    }
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

fn truth(text: &str) -> Option<bool> {
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

/// Part by part: a `*` stays within its part.
fn arn(text: &str, variables: bool) -> Result<Vec<Pattern>, Malformed> {
    let parts: Vec<_> = text.splitn(ARN_PARTS, ':').collect();
    if parts.len() != ARN_PARTS || parts[0] != "arn" {
        return Err(Malformed::new(format!("not an ARN: {text}")));
    }
    parts.into_iter().map(|part| Pattern::parse(part, Syntax { wildcards: true, variables })).collect()
}

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `10.0.0.0/8`, `2001:db8::/32`, or one address.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        };
        Some(Self { address, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether AWS would not call it the whole world: /8 or less, /32 or less of IPv6. All private networks are.
    fn is_narrow(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.bits >= 8,
            IpAddr::V6(_) => self.bits >= 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.0.0.0/32", "10.0.0.0", true),
            ("10.0.0.0/32", "10.0.0.1", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("2001:db8::/32", "2001:db8:1::", true),
            ("2001:db8::/32", "2001:db9::", false),
        ] {
            assert_eq!(
                Network::parse(network).unwrap().contains(address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "10.0.0.0/-1"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        for (network, narrow) in [("10.0.0.0/8", true), ("8.0.0.0/7", false), ("::/31", false), ("::/32", true)] {
            assert_eq!(Network::parse(network).unwrap().is_narrow(), narrow, "{network}");
        }
    }

    #[test]
    fn values_must_be_of_the_operators_kind() {
        for (operator, key, value, valid) in [
            ("StringEquals", "aws:Referer", "anything", true),
            ("stringequals", "aws:Referer", "anything", false),
            ("BinaryEquals", "aws:Referer", "QUJD", false),
            ("ForSomeValues:StringEquals", "aws:Referer", "a", false),
            ("ForAnyValue:StringLikeIfExists", "s3:RequestObjectTagKeys", "a*", true),
            ("NullIfExists", "aws:Referer", "true", false),
            ("Null", "aws:Referer", "maybe", false),
            ("NumericLessThan", "s3:max-keys", "10", true),
            ("NumericLessThan", "s3:max-keys", "ten", false),
            ("NumericLessThan", "s3:max-keys", "NaN", false),
            ("DateLessThan", "aws:CurrentTime", "2026-01-31", true),
            ("DateLessThan", "aws:CurrentTime", "2026-01-31T12:00:00Z", true),
            ("DateLessThan", "aws:CurrentTime", "2026-01-31T12:00Z", true),
            ("DateLessThan", "aws:EpochTime", "1700000000", true),
            ("DateLessThan", "aws:CurrentTime", "soon", false),
            ("Bool", "aws:SecureTransport", "TRUE", true),
            ("Bool", "aws:SecureTransport", "1", false),
            ("IpAddress", "aws:SourceIp", "10.0.0.0/8", true),
            ("IpAddress", "aws:SourceIp", "localhost", false),
            ("ArnLike", "aws:SourceArn", "arn:aws:s3:::*", true),
            ("ArnLike", "aws:SourceArn", "*", false),
            ("StringEquals", "aws:SourceVpc", "vpc-1", false),
            ("StringEquals", "AWS:REFERER", "a", true),
            ("StringEquals", "s3:ExistingObjectTag/", "a", false),
            ("StringEquals", "s3:existingobjecttag/a", "a", true),
        ] {
            let parsed = Condition::parse(operator, key, &[value.to_owned()], true);
            assert_eq!(parsed.is_ok(), valid, "{operator} {key} {value}");
        }
        assert!(Condition::parse("StringEquals", "aws:Referer", &[], true).is_err());
    }
}
