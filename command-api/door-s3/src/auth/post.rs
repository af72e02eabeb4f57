//! The signature of a POST form (AWS, "Browser-based uploads using POST").

use std::fmt;

use schemas::AccessKeyId;

use super::error::{AuthError, Place};
use super::policy::PolicyError;
use super::present::{Credential, Signature};
use super::time::Timestamp;

/// The fields of a form in their order, without the file. Names compare in any case.
///
/// `${filename}` must have been replaced already: the policy speaks of the final values.
#[derive(Clone, PartialEq, Eq)]
pub struct FormFields(Vec<(String, String)>);

impl FormFields {
    /// # Errors
    /// [`PolicyError::DuplicateField`]: which of two counts must not depend on who reads them.
    pub fn new(fields: Vec<(String, String)>) -> Result<Self, PolicyError> {
        let mut names: Vec<String> = fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(PolicyError::DuplicateField { field: pair[0].clone() }),
            None => Ok(Self(fields)),
        }
    }

    /// A field's value.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// What a signed form claims.
#[derive(Clone, PartialEq, Eq)]
pub struct PresentedPost {
    /// Whose signature it is said to be.
    pub access_key: AccessKeyId,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) timestamp: Timestamp,
    pub(super) policy: String,
    pub(super) signature: Signature,
}

/// A policy names objects: none in a log line.
impl fmt::Debug for PresentedPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedPost").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl PresentedPost {
    pub(super) fn read(fields: &FormFields) -> Result<Option<Self>, AuthError> {
        let field = |name: &'static str| fields.get(name).ok_or(AuthError::MissingField { field: name });
        if fields.get("AWSAccessKeyId").is_some() {
            return Err(AuthError::UnsupportedMechanism);
        }
        let names = ["policy", "x-amz-signature", "x-amz-credential", "x-amz-algorithm"];
        if names.iter().all(|name| fields.get(name).is_none()) {
            return Ok(None);
        }
        let policy = field("policy")?;
        if field("x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(AuthError::UnsupportedMechanism);
        }
        if fields.get("x-amz-security-token").is_some() {
            return Err(AuthError::InvalidToken);
        }
        let credential = Credential::read(field("x-amz-credential")?, Place::Form)?;
        let timestamp = Timestamp::parse_iso(field("x-amz-date")?).ok_or_else(|| AuthError::Malformed {
            place: Place::Form,
            why: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned(),
        })?;
        Ok(Some(Self {
            access_key: credential.access_key,
            date: credential.date,
            region: credential.region,
            timestamp,
            policy: policy.to_owned(),
            signature: Signature(field("x-amz-signature")?.to_owned()),
        }))
    }
}
