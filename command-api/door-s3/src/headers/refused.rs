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
    acl(headers)?;
    encryption(headers)
}

fn acl(headers: &HeaderMap) -> Result<(), DoorError> {
    match text_of(headers, "x-amz-acl").as_deref() {
        // What holds anyway while ACLs are off.
        None | Some("private" | "bucket-owner-full-control") => Ok(()),
        Some(acl) if CANNED_ACLS.contains(&acl) => Err(DoorError::NotImplemented { what: "x-amz-acl" }),
        Some(_) => Err(DoorError::InvalidArgument { name: "x-amz-acl", reason: "There is no such canned ACL." }),
    }
}

fn encryption(headers: &HeaderMap) -> Result<(), DoorError> {
    const SSE: &str = "x-amz-server-side-encryption";
    let by_customer = headers.keys().map(http::HeaderName::as_str).any(|name| {
        name.starts_with("x-amz-server-side-encryption-customer-")
            || name.starts_with("x-amz-copy-source-server-side-encryption-customer-")
    });
    match text_of(headers, SSE).as_deref() {
        Some("AES256" | "aws:kms" | "aws:kms:dsse") if by_customer => Err(DoorError::InvalidArgument {
            name: SSE,
            reason: "Server Side Encryption with Customer provided key is incompatible with the encryption method \
                     specified",
        }),
        None | Some("AES256") if by_customer => {
            Err(DoorError::NotImplemented { what: "x-amz-server-side-encryption-customer-algorithm" })
        }
        None | Some("AES256") if headers.contains_key("x-amz-server-side-encryption-aws-kms-key-id") => {
            Err(DoorError::InvalidArgument { name: SSE, reason: "A KMS key needs aws:kms as its encryption method." })
        }
        None | Some("AES256") => Ok(()),
        Some("aws:kms" | "aws:kms:dsse") => Err(DoorError::NotImplemented { what: SSE }),
        Some(_) => {
            Err(DoorError::InvalidArgument { name: SSE, reason: "The encryption method specified is not supported" })
        }
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
        const SSE: &str = "x-amz-server-side-encryption";
        const CUSTOMER: &str = "x-amz-server-side-encryption-customer-algorithm";
        for (pairs, expected) in [
            (&[][..], None),
            (&[("x-amz-acl", "private")], None),
            (&[("x-amz-acl", "bucket-owner-full-control")], None),
            (&[("x-amz-acl", "public-read")], Some("NotImplemented")),
            (&[("x-amz-acl", "public-ready")], Some("InvalidArgument")),
            (&[("x-amz-grant-read", "id=x")], Some("NotImplemented")),
            (&[("x-amz-object-lock-mode", "GOVERNANCE")], None),
            (&[("x-amz-website-redirect-location", "/x")], None),
            (&[(SSE, "AES256")], None),
            (&[(SSE, "aws:kms")], Some("NotImplemented")),
            (&[(SSE, "aes:kms")], Some("InvalidArgument")),
            (&[(CUSTOMER, "AES256")], Some("NotImplemented")),
            (&[(CUSTOMER, "AES256"), (SSE, "AES256")], Some("InvalidArgument")),
            (&[("x-amz-copy-source-server-side-encryption-customer-key", "x")], Some("NotImplemented")),
            (&[("x-amz-bypass-governance-retention", "true")], None),
        ] {
            assert_eq!(code(pairs), expected, "{pairs:?}");
        }
    }
}
