//! A request, understood as far as every operation needs it.
//!
//! Owns: who, which bucket, which key. Does not own: what an operation reads of headers and query.

use std::ops::Deref;
use std::sync::Arc;

use http::HeaderMap;
use pipeline::{AskedEncryption, Caller, ObjectVersion, Said};
use schemas::{BucketName, ObjectKey, VersionId};

use crate::errors::DoorError;
use crate::headers::encryption::{self, Customer};
use crate::headers::text_of;
use crate::past;
use crate::route::{Query, Target};

/// A request, understood as far as all operations need it.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Who.
    pub(crate) caller: Caller,
    words: Arc<Words>,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
}

/// What a request says. Its caller carries it too: policies ask for it.
#[derive(Debug)]
pub(crate) struct Words {
    /// Headers as they came.
    pub(crate) headers: HeaderMap,
    /// Query, decoded.
    pub(crate) query: Query,
}

impl Said for Words {
    fn header(&self, name: &str) -> Option<String> {
        // One that comes twice counts as one with both values, as it is signed: none of them may go unseen.
        let values: Vec<String> = self.headers.get_all(name).iter().map(crate::headers::text).collect();
        (!values.is_empty()).then(|| values.join(","))
    }

    fn query(&self, name: &str) -> Option<String> {
        self.query.get(name).map(str::to_owned)
    }
}

/// What is asked is read of the words as if they stood in the ask itself.
impl Deref for Ask {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.words
    }
}

impl Ask {
    /// The customer's key of the object (SSE-C), if one came.
    ///
    /// # Errors
    /// See [`encryption::customer`].
    pub(crate) fn customer(&self) -> Result<Option<Customer>, DoorError> {
        encryption::customer(encryption::CUSTOMER, &|name| text_of(&self.headers, name))
    }

    /// The customer's key of the object that is copied, if one came.
    ///
    /// # Errors
    /// See [`encryption::customer`].
    pub(crate) fn source_customer(&self) -> Result<Option<Customer>, DoorError> {
        encryption::customer(encryption::COPY_SOURCE_CUSTOMER, &|name| text_of(&self.headers, name))
    }

    /// How the object is to be encrypted.
    ///
    /// # Errors
    /// See [`encryption::asked`].
    pub(crate) fn encryption(&self, customer: Option<&Customer>) -> Result<AskedEncryption, DoorError> {
        encryption::asked(&|name| text_of(&self.headers, name), customer)
    }

    /// The customer's key of a read, which says nothing else of encryption.
    ///
    /// # Errors
    /// See [`encryption::customer`] and [`encryption::refuse_on_read`].
    pub(crate) fn reading_customer(&self) -> Result<Option<Customer>, DoorError> {
        encryption::refuse_on_read(&|name| text_of(&self.headers, name))?;
        self.customer()
    }

    /// Whether the address names a bucket.
    pub(crate) fn has_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// The bucket of an operation that has one.
    pub(crate) fn bucket(&self) -> BucketName {
        self.bucket.clone().expect("select chooses operations on a bucket for addresses with one")
    }

    /// The key of an operation that has one.
    pub(crate) fn key(&self) -> ObjectKey {
        self.key.clone().expect("select chooses operations on an object for addresses with a key")
    }

    /// `versionId`.
    ///
    /// # Errors
    /// An empty or malformed one.
    pub(crate) fn version(&self) -> Result<Option<VersionId>, DoorError> {
        self.query.get("versionId").map(version_id).transpose()
    }

    /// The object or the version of it that an operation on either has.
    ///
    /// # Errors
    /// See [`Ask::version`].
    pub(crate) fn object_version(&self) -> Result<ObjectVersion, DoorError> {
        Ok(ObjectVersion { bucket: self.bucket(), key: self.key(), version: self.version()? })
    }

    /// # Errors
    /// A name that is none.
    pub(crate) fn new(
        mut caller: Caller,
        mut headers: HeaderMap,
        query: Query,
        target: Target,
    ) -> Result<Self, DoorError> {
        encryption::hide_keys(&mut headers);
        let bucket = target.bucket.map(|name| bucket_name(&name)).transpose()?;
        let key = target.key.map(|key| object_key(&key)).transpose()?;
        let words = Arc::new(Words { headers, query });
        caller.circumstances.past = past::asked(&words.headers, &words.query)?;
        let said: Arc<dyn Said> = words.clone();
        caller.circumstances.said = Some(said);
        Ok(Self { caller, words, bucket, key })
    }
}

/// # Errors
/// What it says.
pub(crate) fn bucket_name(text: &str) -> Result<BucketName, DoorError> {
    BucketName::parse(text).map_err(|_| DoorError::InvalidBucketName { name: text.to_owned() })
}

/// # Errors
/// Text that cannot be the id of a version.
pub(crate) fn version_id(text: &str) -> Result<VersionId, DoorError> {
    text.parse().map_err(|_| DoorError::InvalidArgument { name: "versionId", reason: "Invalid version id specified" })
}

/// # Errors
/// Over 1,024 bytes, or none at all.
pub(crate) fn object_key(text: &str) -> Result<ObjectKey, DoorError> {
    ObjectKey::parse(text).map_err(|_| match text.len() {
        0 => DoorError::InvalidArgument { name: "Key", reason: "A key must be specified." },
        size_bytes => DoorError::KeyTooLong { size_bytes },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_policy_sees_every_value_of_a_header() {
        let ask = testing::ask("PUT /bucket/key", &[("x-amz-grant-read", "id=\"ann\"")]);
        let mut headers = ask.headers.clone();
        headers.append(
            "x-amz-grant-read",
            "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"".parse().expect("a value"),
        );
        let said = Words { headers, query: Query::default() };
        let seen = said.header("x-amz-grant-read").expect("a value");
        assert!(seen.contains("ann") && seen.contains("AllUsers"), "{seen}");
        assert_eq!(said.header("x-amz-acl"), None);
    }

    #[test]
    fn a_customers_key_is_not_printed() {
        for name in
            ["x-amz-server-side-encryption-customer-key", "x-amz-copy-source-server-side-encryption-customer-key"]
        {
            let ask = testing::ask("GET /bucket/key", &[(name, "pO3upElrwuEXSoFwCfnZPdSsmt")]);
            assert!(!format!("{ask:?}").contains("pO3upElrwuEXSoFwCfnZPdSsmt"), "{name}");
        }
    }
}
