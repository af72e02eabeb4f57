//! Lifecycle rules: what of a bucket goes by itself, and when.
//!
//! Owns: the shapes that events keep. They say what the client said and in which form, so that it reads back what it wrote.
//! Does not own: what makes a rule valid and when it acts (domain), S3's XML (the door).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Time;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Unique in its bucket.
    pub id: String,
    /// Whether it is kept without acting.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// What it is for.
    pub scope: Scope,
    /// What becomes of current objects, and of delete markers that hide nothing any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration: Option<Expiration>,
    /// When noncurrent versions go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noncurrent: Option<NoncurrentExpiration>,
    /// Days after their beginning at which uploads in progress are given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_incomplete_days: Option<u32>,
}

/// What a rule is for, in the form that the client chose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Keys that begin with it: the older form, without a filter.
    Prefix(String),
    /// A filter: everything it says must hold. One that says nothing is for all.
    Filter {
        /// What it says itself.
        #[serde(default, skip_serializing_if = "Conditions::is_empty")]
        direct: Conditions,
        /// What it says in its `And`.
        #[serde(default, skip_serializing_if = "Conditions::is_empty")]
        and: Conditions,
    },
}

/// What must hold of an object, all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Its key begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// It has these tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// It has more bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_greater_than: Option<u64>,
    /// It has fewer bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_less_than: Option<u64>,
}

impl Conditions {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// When a current object expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiration {
    /// Days after it was made.
    Days(u32),
    /// From this midnight on.
    Date(Time),
    /// Never: only a delete marker goes, as soon as it is all that is left of its key.
    DeleteMarker,
}

/// When noncurrent versions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoncurrentExpiration {
    /// Days after a newer version took the place.
    pub days: u32,
    /// As many of the newest noncurrent versions stay however old they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_versions: Option<u32>,
}
