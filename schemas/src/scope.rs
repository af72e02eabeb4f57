//! Scopes: what an access key may do, as text an operator writes.
//!
//! Form: entries joined by commas, each `op=<read|write|delete|admin>[:bucket=<name>][:prefix=<p>]`. In a prefix `%`, `,`
//! and `:` are percent-encoded. `*` alone stands for all four on everything.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::action::Access;
use crate::{BucketName, NameError, ObjectKey};

/// Everything that one key may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(Vec<Scope>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    access: Access,
    bucket: Option<BucketName>,
    prefix: Option<String>,
}

/// Why a text is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// No entry at all would be a key for nothing.
    #[error("no scope given")]
    Empty,
    /// Not `op=...`.
    #[error("a scope begins with op=read, op=write, op=delete or op=admin")]
    Operation,
    /// Something after the operation that is neither `bucket=` nor `prefix=`.
    #[error("after its operation a scope may have bucket= and prefix= only, in this order")]
    Condition,
    /// The bucket's name is not one.
    #[error(transparent)]
    Bucket(#[from] NameError),
    /// A `%` that does not begin an escape of UTF-8 text.
    #[error("malformed percent-encoding in a scope's prefix")]
    Prefix,
}

const ALL: [(Access, &str); 4] =
    [(Access::Read, "read"), (Access::Write, "write"), (Access::Delete, "delete"), (Access::Admin, "admin")];

impl Scopes {
    /// A key for everything in its tenant.
    #[must_use]
    pub fn full() -> Self {
        Self(ALL.iter().map(|&(access, _)| Scope { access, bucket: None, prefix: None }).collect())
    }

    /// Whether an operation on a bucket as a whole is granted; `bucket` is none for those on no bucket (list buckets),
    /// which any scope of the right access grants: the answer is then filtered.
    #[must_use]
    pub fn allow_bucket(&self, access: Access, bucket: Option<&BucketName>) -> bool {
        self.0.iter().any(|scope| {
            scope.access == access && (bucket.is_none() || (scope.prefix.is_none() && scope.names(bucket)))
        })
    }

    /// Whether an operation is granted whatever it is on.
    #[must_use]
    pub fn allow_everything(&self, access: Access) -> bool {
        self.0.iter().any(|scope| scope.access == access && scope.bucket.is_none() && scope.prefix.is_none())
    }

    /// Whether an operation on an object is granted.
    #[must_use]
    pub fn allow_object(&self, access: Access, bucket: &BucketName, key: &ObjectKey) -> bool {
        self.allow_prefix(access, bucket, key.as_str())
    }

    /// Whether an operation on every key that begins with `prefix` is granted.
    #[must_use]
    pub fn allow_prefix(&self, access: Access, bucket: &BucketName, prefix: &str) -> bool {
        self.0.iter().any(|scope| {
            scope.access == access
                && scope.names(Some(bucket))
                && scope.prefix.as_deref().is_none_or(|scoped| prefix.starts_with(scoped))
        })
    }

    /// Whether everything that these grant `other` grants too.
    #[must_use]
    pub fn within(&self, other: &Self) -> bool {
        let covered = |scope: &Scope| {
            other.0.iter().any(|wider| {
                wider.access == scope.access
                    && (wider.bucket.is_none() || wider.bucket == scope.bucket)
                    && wider
                        .prefix
                        .as_deref()
                        .is_none_or(|wide| scope.prefix.as_deref().is_some_and(|narrow| narrow.starts_with(wide)))
            })
        };
        self.0.iter().all(covered)
    }

    /// Whether anything about a bucket is granted: it may then be seen in the list of buckets.
    #[must_use]
    pub fn mention(&self, bucket: &BucketName) -> bool {
        self.0.iter().any(|scope| scope.names(Some(bucket)))
    }
}

impl Scope {
    fn names(&self, bucket: Option<&BucketName>) -> bool {
        self.bucket.is_none() || self.bucket.as_ref() == bucket
    }
}

fn decode_prefix(text: &str) -> Result<String, ScopeError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().ok_or(ScopeError::Prefix)?, bytes.next().ok_or(ScopeError::Prefix)?];
            let mut decoded = [0];
            hex::decode_to_slice(digits, &mut decoded).map_err(|_| ScopeError::Prefix)?;
            out.push(decoded[0]);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| ScopeError::Prefix)
}

impl FromStr for Scopes {
    type Err = ScopeError;
    fn from_str(text: &str) -> Result<Self, ScopeError> {
        if text.trim() == "*" {
            return Ok(Self::full());
        }
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let scopes = entries.map(parse_entry).collect::<Result<Vec<_>, _>>()?;
        if scopes.is_empty() { Err(ScopeError::Empty) } else { Ok(Self(scopes)) }
    }
}

fn parse_entry(entry: &str) -> Result<Scope, ScopeError> {
    let mut fields = entry.split(':').peekable();
    let operation = fields.next().and_then(|field| field.strip_prefix("op=")).ok_or(ScopeError::Operation)?;
    let access = ALL.iter().find(|(_, name)| *name == operation).ok_or(ScopeError::Operation)?.0;
    let bucket = fields.next_if(|field| field.starts_with("bucket=")).map(|field| &field[7..]);
    let prefix = fields.next_if(|field| field.starts_with("prefix=")).map(|field| &field[7..]);
    if fields.next().is_some() {
        return Err(ScopeError::Condition);
    }
    Ok(Scope {
        access,
        bucket: bucket.map(BucketName::parse).transpose()?,
        prefix: prefix.map(decode_prefix).transpose()?,
    })
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let name = ALL.iter().find(|(access, _)| *access == scope.access).map_or("", |(_, name)| name);
            write!(f, "{}op={name}", if index > 0 { "," } else { "" })?;
            if let Some(bucket) = &scope.bucket {
                write!(f, ":bucket={bucket}")?;
            }
            if let Some(prefix) = &scope.prefix {
                let escaped = prefix.replace('%', "%25").replace(',', "%2C").replace(':', "%3A");
                write!(f, ":prefix={escaped}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Scopes {
    type Error = ScopeError;
    fn try_from(text: String) -> Result<Self, ScopeError> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> String {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().expect("scopes")
    }

    fn bucket(name: &str) -> BucketName {
        BucketName::parse(name).expect("a name")
    }

    #[test]
    fn text_reads_back() {
        for text in ["op=read", "op=read:bucket=data,op=write:bucket=data:prefix=a/b%2C%3A%25"] {
            assert_eq!(scopes(text).to_string(), text);
        }
        assert_eq!(scopes("*"), Scopes::full());
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            ",",
            "read",
            "op=all",
            "op=read:key=x",
            "op=read:prefix=a:bucket=abc",
            "op=read:prefix=%f",
            "op=read:bucket=X",
        ] {
            assert!(text.parse::<Scopes>().is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_are_within_those_that_grant_all_of_them() {
        let within = |inner: &str, outer: &str| scopes(inner).within(&scopes(outer));
        assert!(within("op=read:bucket=data", "*"));
        assert!(within("op=read:bucket=data:prefix=in/sub", "op=write,op=read:bucket=data:prefix=in/"));
        for (inner, outer) in [
            ("*", "op=read"),
            ("op=write", "op=read"),
            ("op=read", "op=read:bucket=data"),
            ("op=read:bucket=other", "op=read:bucket=data"),
            ("op=read:bucket=data", "op=read:bucket=data:prefix=in/"),
            ("op=read:bucket=data:prefix=i", "op=read:bucket=data:prefix=in/"),
            ("op=read,op=admin", "op=read,op=write,op=delete"),
        ] {
            assert!(!within(inner, outer), "{inner} within {outer}");
        }
    }

    #[test]
    fn a_scope_grants_its_operation_bucket_and_prefix_only() {
        let scopes = scopes("op=read:bucket=data:prefix=in/,op=write:bucket=data");
        let key = |text| ObjectKey::parse(text).expect("a key");
        assert!(scopes.allow_object(Access::Read, &bucket("data"), &key("in/x")));
        assert!(!scopes.allow_object(Access::Read, &bucket("data"), &key("out/x")));
        assert!(!scopes.allow_object(Access::Read, &bucket("other"), &key("in/x")));
        assert!(scopes.allow_object(Access::Write, &bucket("data"), &key("out/x")));
        assert!(!scopes.allow_object(Access::Delete, &bucket("data"), &key("out/x")));
        assert!(!scopes.allow_bucket(Access::Read, Some(&bucket("data"))));
        assert!(scopes.allow_bucket(Access::Read, None));
        assert!(scopes.allow_prefix(Access::Read, &bucket("data"), "in/sub"));
        assert!(!scopes.allow_prefix(Access::Read, &bucket("data"), "i"));
        assert!(scopes.mention(&bucket("data")) && !scopes.mention(&bucket("other")));
    }
}
