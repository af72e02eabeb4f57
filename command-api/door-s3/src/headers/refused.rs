//! Headers that ask for what this door does not do. Ignoring one would store something else than the client believes.

use http::HeaderMap;

use super::text_of;
use crate::errors::DoorError;

const CANNED_ACLS: &[&str] = &[
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-full-control",
    "bucket-owner-read",
    "log-delivery-write",
    "private",
    "public-read",
    "public-read-write",
];

/// Headers that are refused by their name alone.
const ABSENT: &[&str] = &[
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-rename-source",
    "x-amz-write-offset-bytes",
];

/// # Errors
/// `NotImplemented`, or `InvalidArgument` for a value that S3 does not know either.
pub(crate) fn refuse_unimplemented(headers: &HeaderMap) -> Result<(), DoorError> {
    if let Some(&name) = ABSENT.iter().find(|&&name| headers.contains_key(name)) {
        return Err(DoorError::NotImplemented { what: name });
    }
    acl(headers)
}

fn acl(headers: &HeaderMap) -> Result<(), DoorError> {
    match text_of(headers, "x-amz-acl").as_deref() {
        // What holds anyway while ACLs are off.
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(acl) if CANNED_ACLS.contains(&acl) => Err(DoorError::NotImplemented { what: "x-amz-acl" }),
        Some(_) => Err(DoorError::InvalidArgument { name: "x-amz-acl", reason: "There is no such canned ACL." }),
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
            (&[("x-amz-acl", "private")], None),
            (&[("x-amz-acl", "bucket-owner-full-control")], None),
            (&[("x-amz-acl", "public-read")], Some("NotImplemented")),
            (&[("x-amz-acl", "public-ready")], Some("InvalidArgument")),
            (&[("x-amz-grant-read", "id=x")], Some("NotImplemented")),
            (&[("x-amz-object-lock-mode", "GOVERNANCE")], None),
            (&[("x-amz-website-redirect-location", "/x")], None),
            (&[("x-amz-bypass-governance-retention", "true")], None),
        ] {
            assert_eq!(code(pairs), expected, "{pairs:?}");
        }
    }
}
