//! A request, understood as far as every operation needs it.
//!
//! Owns: who, which bucket, which key. Does not own: what an operation reads of headers and query.

use http::HeaderMap;
use pipeline::Caller;
use schemas::{BucketName, ObjectKey};

use crate::errors::DoorError;
use crate::route::{Query, Target};

/// A request, understood as far as all operations need it.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Who.
    pub(crate) caller: Caller,
    /// Headers as they came.
    pub(crate) headers: HeaderMap,
    /// Query, decoded.
    pub(crate) query: Query,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
}

impl Ask {
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

    /// # Errors
    /// A name that is none.
    pub(crate) fn new(caller: Caller, headers: HeaderMap, query: Query, target: Target) -> Result<Self, DoorError> {
        let bucket = target.bucket.map(|name| bucket_name(&name)).transpose()?;
        let key = target.key.map(|key| object_key(&key)).transpose()?;
        Ok(Self { caller, headers, query, bucket, key })
    }
}

/// # Errors
/// What it says.
pub(crate) fn bucket_name(text: &str) -> Result<BucketName, DoorError> {
    BucketName::parse(text).map_err(|_| DoorError::InvalidBucketName { name: text.to_owned() })
}

/// # Errors
/// Over 1,024 bytes, or none at all.
pub(crate) fn object_key(text: &str) -> Result<ObjectKey, DoorError> {
    ObjectKey::parse(text).map_err(|_| match text.len() {
        0 => DoorError::InvalidArgument { name: "Key", reason: "A key must be specified." },
        size_bytes => DoorError::KeyTooLong { size_bytes },
    })
}
