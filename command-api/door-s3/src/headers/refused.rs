//! Headers that ask for what this door does not do. Ignoring one would store something else than the client believes.

use http::HeaderMap;

use crate::errors::DoorError;

/// Headers that are refused by their name alone.
const ABSENT: &[&str] = &["x-amz-rename-source", "x-amz-write-offset-bytes"];

/// # Errors
/// `NotImplemented`, or `InvalidArgument` for a value that S3 does not know either.
pub(crate) fn refuse_unimplemented(headers: &HeaderMap) -> Result<(), DoorError> {
    if let Some(&name) = ABSENT.iter().find(|&&name| headers.contains_key(name)) {
        return Err(DoorError::NotImplemented { what: name });
    }
    Ok(())
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
            (&[("x-amz-object-lock-mode", "GOVERNANCE")], None),
            (&[("x-amz-website-redirect-location", "/x")], None),
            (&[("x-amz-bypass-governance-retention", "true")], None),
        ] {
            assert_eq!(code(pairs), expected, "{pairs:?}");
        }
    }
}
