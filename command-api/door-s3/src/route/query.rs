//! The query as names and values, decoded once.

use crate::auth::decode_query;
use crate::errors::DoorError;

/// A request's query. The signature is checked over the raw one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// Text that is not UTF-8.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, DoorError> {
        let decode = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| DoorError::InvalidUri);
        let pairs = decode_query(raw.unwrap_or_default());
        let parsed = pairs.map(|(name, value)| Ok::<_, DoorError>((decode(name)?, decode(value)?)));
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// The first value of a name, empty if it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a name, unless it is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Every name and value, in order.
    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Whether a name is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse(Some("uploads&prefix=a%2Fb+c%2B&empty=&&a=1&a=2&%C3%A9=x=y")).expect("a query");
        assert!(query.has("uploads") && query.has("empty") && !query.has("other"));
        assert_eq!(query.get("prefix"), Some("a/b c+"));
        assert_eq!((query.get("empty"), query.filled("empty")), (Some(""), None));
        assert_eq!((query.get("a"), query.get("é")), (Some("1"), Some("x=y")));
        assert_eq!(Query::parse(None), Ok(Query::default()));
        for bad in ["a=%ff", "%C3=a"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
