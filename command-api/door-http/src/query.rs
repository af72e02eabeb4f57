//! Queries and percent-encoding, read once.

use crate::problem::Problem;

/// A request's query, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// An escape that is none, or bytes that are not UTF-8.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, Problem> {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| percent_decode(&text.replace('+', " "));
            Ok((decode(name)?, decode(value)?))
        };
        Ok(Self(pairs.map(pair).collect::<Result<_, Problem>>()?))
    }

    /// The value of a name, empty if it has none. Names that nobody asks for are passed over.
    ///
    /// # Errors
    /// It is there twice: two readers could take different ones.
    pub(crate) fn get(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Problem::invalid(format!("`{name}` is there twice"))),
        }
    }

    /// All values of a name that may be there several times, but empty ones.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let values = self.0.iter().filter(|(other, value)| other == name && !value.is_empty());
        values.map(|(_, value)| value.clone()).collect()
    }

    /// The value of a name, unless it is empty.
    ///
    /// # Errors
    /// See [`Query::get`].
    pub(crate) fn filled(&self, name: &str) -> Result<Option<&str>, Problem> {
        Ok(self.get(name)?.filter(|value| !value.is_empty()))
    }

    /// A name that is none of these.
    pub(crate) fn other_than(&self, known: &[&str]) -> Option<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).find(|name| !known.contains(name))
    }

    /// The first value of a name, for those who only look.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Every name and value, in order.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether something is wanted; `otherwise` if that is not said.
    ///
    /// # Errors
    /// It is there twice, or neither `true` nor `false`.
    pub(crate) fn flag(&self, name: &str, otherwise: bool) -> Result<bool, Problem> {
        match self.get(name)? {
            None => Ok(otherwise),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(Problem::invalid(format!("`{name}` must be true or false"))),
        }
    }

    /// A number of entries: the most there may be if none is said, and never more.
    ///
    /// # Errors
    /// It is there twice, or no number from `least` up.
    pub(crate) fn bounded(&self, name: &str, least: usize, most: usize) -> Result<usize, Problem> {
        let Some(text) = self.get(name)? else { return Ok(most) };
        let number = text.parse::<u32>().ok().and_then(|number| usize::try_from(number).ok());
        let number = number.filter(|number| *number >= least && text.bytes().all(|byte| byte.is_ascii_digit()));
        number
            .map(|number| number.min(most))
            .ok_or_else(|| Problem::invalid(format!("`{name}` must be a number from {least} up")))
    }
}

/// Undoes percent-encoding, once.
///
/// # Errors
/// An escape that is none, or bytes that are not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Result<String, Problem> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    for (index, _) in escapes {
        if !is_digit(bytes.get(index + 1)) || !is_digit(bytes.get(index + 2)) {
            return Err(Problem::invalid("the address has a percent sign without two hexadecimal digits behind it"));
        }
    }
    let decoded: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
    String::from_utf8(decoded).map_err(|_| Problem::invalid("the address is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse(Some("prefix=a%2Fb+c%2B&empty=&flag&&a=1&a=2&x=y=z")).expect("a query");
        assert_eq!(query.get("prefix"), Ok(Some("a/b c+")));
        assert_eq!(
            (query.get("flag"), query.get("empty"), query.filled("empty")),
            (Ok(Some("")), Ok(Some("")), Ok(None))
        );
        assert_eq!((query.get("x"), query.get("none")), (Ok(Some("y=z")), Ok(None)));
        assert_eq!((query.all("a"), query.all("empty")), (vec!["1".to_owned(), "2".to_owned()], vec![]));
        assert_eq!(query.get("a").map_err(|problem| problem.code), Err("invalid_request"));
        for bad in ["a=%ff", "a=%", "a=%2", "%zz=1"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_of_entries() {
        let of = |text: &str| Query::parse(Some(text)).expect("a query").bounded("max", 1, 1000).ok();
        for (text, expected) in [
            ("", Some(1000)),
            ("max=7", Some(7)),
            ("max=1001", Some(1000)),
            ("max=0", None),
            ("max=", None),
            ("max=-1", None),
            ("max=%2B1", None),
            ("max=x", None),
            ("max=1&max=1", None),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }
}
