//! Headers that ask for what this door does not do. Ignoring one would store something else than the client believes.

use http::HeaderMap;

use crate::errors::DoorError;

/// Headers that are refused by their name alone.
const ABSENT: &[&str] = &["x-amz-rename-source", "x-amz-write-offset-bytes"];

/// # Errors
/// `NotImplemented`.
pub(crate) fn refuse_unimplemented(headers: &HeaderMap) -> Result<(), DoorError> {
    match ABSENT.iter().find(|&&name| headers.contains_key(name)) {
        Some(&what) => Err(DoorError::NotImplemented { what }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(pairs: &[(&'static str, &str)]) -> Option<&'static str> {
        let headers =
            pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().expect("a value")));
        refuse_unimplemented(&headers.collect()).err().map(|error| error.describe().code)
    }

    #[test]
    fn what_is_accepted_and_what_is_not() {
        for (pairs, expected) in [
            (&[][..], None),
            (&[("x-amz-write-offset-bytes", "1")], Some("NotImplemented")),
            (&[("x-amz-rename-source", "/b/k")], Some("NotImplemented")),
            (&[("x-amz-object-lock-mode", "GOVERNANCE")], None),
            (&[("x-amz-acl", "public-read")], None),
            (&[("x-amz-website-redirect-location", "/x")], None),
            (&[("x-amz-bypass-governance-retention", "true")], None),
        ] {
            assert_eq!(code(pairs), expected, "{pairs:?}");
        }
    }
}
