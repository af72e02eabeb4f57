//! Names: parsed once at a door, trusted inside.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Outside the bounds for this kind of name.
    #[error("{what} must have {min} to {max} bytes")]
    Length {
        /// Kind of name.
        what: &'static str,
        /// Fewest bytes.
        min: usize,
        /// Most bytes.
        max: usize,
    },
    /// A character or form the name may not have.
    #[error("{what} {rule}")]
    Form {
        /// Kind of name.
        what: &'static str,
        /// The rule that it breaks, continuing the sentence.
        rule: &'static str,
    },
    /// A first path segment that the server answers itself.
    #[error("this bucket name is reserved")]
    Reserved,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                $name::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name! {
    /// A bucket's name, by the rules for general purpose buckets (AWS S3 user guide, "Bucket naming rules").
    BucketName
}
name! {
    /// An object's key: 1 to 1,024 bytes of UTF-8, any characters, compared as bytes.
    ObjectKey
}
name! {
    /// A tenant's name: what operators type, 1 to 63 of `a-z`, `0-9`, `-`, starting with a letter or digit.
    TenantName
}
name! {
    /// A user within its tenant: 1 to 128 of `A-Z a-z 0-9 . _ @ + = , -`. Shown as the owner id in S3 answers.
    UserId
}
name! {
    /// An access key id: 3 to 128 of `A-Z a-z 0-9 _ -` and `.`. Unique in the installation.
    AccessKeyId
}
name! {
    /// A snapshot within its bucket: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    SnapshotName
}

/// First path segments that the public listener serves itself.
pub(crate) const RESERVED_BUCKET_NAMES: &[&str] =
    &["admin", "api", "compat", "console", "health", "healthz", "metrics", "readyz", "signed"];

fn length(text: &str, what: &'static str, min: usize, max: usize) -> Result<(), NameError> {
    if (min..=max).contains(&text.len()) { Ok(()) } else { Err(NameError::Length { what, min, max }) }
}

fn form(ok: bool, what: &'static str, rule: &'static str) -> Result<(), NameError> {
    if ok { Ok(()) } else { Err(NameError::Form { what, rule }) }
}

impl BucketName {
    /// # Errors
    /// What rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "bucket name";
        length(text, WHAT, 3, 63)?;
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        form(
            bytes.iter().all(|&byte| alphanumeric(byte) || byte == b'-' || byte == b'.'),
            WHAT,
            "may have lower-case letters, digits, dots and hyphens only",
        )?;
        form(
            alphanumeric(bytes[0]) && alphanumeric(bytes[bytes.len() - 1]),
            WHAT,
            "must begin and end with a letter or digit",
        )?;
        form(!text.contains(".."), WHAT, "may not have two dots in a row")?;
        form(!text.contains(".-") && !text.contains("-."), WHAT, "may not have a dot beside a hyphen")?;
        form(text.parse::<std::net::Ipv4Addr>().is_err(), WHAT, "may not look like an address")?;
        let bad_prefix = ["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| text.starts_with(prefix));
        let bad_suffix =
            ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|suffix| text.ends_with(suffix));
        form(!bad_prefix && !bad_suffix, WHAT, "has a prefix or suffix that is reserved")?;
        if RESERVED_BUCKET_NAMES.contains(&text) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }
}

impl ObjectKey {
    /// Most bytes of a key.
    pub const BYTES_MAX: usize = 1024;

    /// # Errors
    /// An empty key, or one of over 1,024 bytes.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        length(text, "object key", 1, Self::BYTES_MAX)?;
        Ok(Self(text.to_owned()))
    }
}

impl TenantName {
    /// # Errors
    /// What rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "tenant name";
        length(text, WHAT, 1, 63)?;
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        form(
            text.bytes().all(|byte| alphanumeric(byte) || byte == b'-') && alphanumeric(text.as_bytes()[0]),
            WHAT,
            "may have lower-case letters, digits and hyphens only, a letter or digit first",
        )?;
        Ok(Self(text.to_owned()))
    }
}

impl SnapshotName {
    /// # Errors
    /// What rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "snapshot name";
        length(text, WHAT, 1, 128)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        form(text.bytes().all(allowed), WHAT, "may have letters, digits, dots, underscores and hyphens only")?;
        Ok(Self(text.to_owned()))
    }
}

impl UserId {
    /// # Errors
    /// What rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "user id";
        length(text, WHAT, 1, 128)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+=,-".contains(&byte);
        form(text.bytes().all(allowed), WHAT, "may have letters, digits and . _ @ + = , - only")?;
        Ok(Self(text.to_owned()))
    }

    /// Who owns what requests without a credential write. No user may be made with it.
    #[must_use]
    pub fn anonymous() -> Self {
        Self("anonymous".to_owned())
    }
}

impl AccessKeyId {
    /// # Errors
    /// What rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "access key id";
        length(text, WHAT, 3, 128)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        form(text.bytes().all(allowed), WHAT, "may have letters, digits and . _ - only")?;
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names() {
        for good in ["abc", "my-bucket.2024", "0ab", &"a".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "ab",
            "",
            "Abc",
            "a_b",
            "foo-.bar",
            "foo.-bar",
            "-abc",
            "abc-",
            ".abc",
            "a..b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "api",
            "healthz",
            &"a".repeat(64),
            "a/b",
            "a b",
            "abç",
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn object_keys_are_any_text_up_to_1024_bytes() {
        for good in ["a", "a/../b", "//", "\u{0}", &"é".repeat(512)] {
            assert!(ObjectKey::parse(good).is_ok());
        }
        assert!(ObjectKey::parse("").is_err());
        assert!(ObjectKey::parse(&"é".repeat(513)).is_err());
    }

    #[test]
    fn a_name_from_disk_is_parsed_again() {
        assert!(serde_json::from_str::<BucketName>("\"NOT\"").is_err());
        assert_eq!(serde_json::from_str::<UserId>("\"main\"").expect("reads").as_str(), "main");
    }
}
