//! A request, understood as far as every operation needs it.
//!
//! Owns: who, which bucket, which key. Does not own: what an operation reads of headers and query.

use std::ops::Deref;
use std::sync::Arc;

use http::HeaderMap;
use pipeline::{Caller, Said};
use schemas::{BucketName, ObjectKey};

use crate::errors::DoorError;
use crate::headers::text_of;
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
        text_of(&self.headers, name)
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
    /// Whether the address names a bucket.
    pub(crate) fn has_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    /// Whether the address names a key.
    pub(crate) fn has_key(&self) -> bool {
        self.key.is_some()
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
    pub(crate) fn new(mut caller: Caller, headers: HeaderMap, query: Query, target: Target) -> Result<Self, DoorError> {
        let bucket = target.bucket.map(|name| bucket_name(&name)).transpose()?;
        let key = target.key.map(|key| object_key(&key)).transpose()?;
        let words = Arc::new(Words { headers, query });
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
/// Over 1,024 bytes, or none at all.
pub(crate) fn object_key(text: &str) -> Result<ObjectKey, DoorError> {
    ObjectKey::parse(text).map_err(|_| match text.len() {
        0 => DoorError::InvalidArgument { name: "Key", reason: "A key must be specified." },
        size_bytes => DoorError::KeyTooLong { size_bytes },
    })
}
