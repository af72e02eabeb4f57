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
    pub(super) signing: PostSigning,
    pub(super) policy: String,
    pub(super) signature: Signature,
}

/// How the policy is said to be signed.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PostSigning {
    Version4 { date: String, region: String, timestamp: Timestamp },
    Version2,
}

/// A policy names objects: none in a log line.
impl fmt::Debug for PresentedPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresentedPost").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl PresentedPost {
    /// When it was made; one of Version 2 does not say.
    #[must_use]
    pub fn made(&self) -> Option<&Timestamp> {
        match &self.signing {
            PostSigning::Version4 { timestamp, .. } => Some(timestamp),
            PostSigning::Version2 => None,
        }
    }

    /// Whether by Version 2.
    #[must_use]
    pub fn is_version_2(&self) -> bool {
        self.signing == PostSigning::Version2
    }

    pub(super) fn read(fields: &FormFields) -> Result<Option<Self>, AuthError> {
        let has = |name: &&str| fields.get(name).is_some();
        let version_4 = ["x-amz-signature", "x-amz-credential", "x-amz-algorithm"].iter().any(has);
        let version_2 = ["AWSAccessKeyId", "signature"].iter().any(has);
        match (version_4, version_2) {
            (false, false) if !has(&"policy") => Ok(None),
            (true, true) => Err(AuthError::SeveralMechanisms),
            (false, true) => Self::read_version_2(fields).map(Some),
            (_, false) => Self::read_version_4(fields).map(Some),
        }
    }

    fn read_version_4(fields: &FormFields) -> Result<Self, AuthError> {
        let policy = field(fields, "policy")?;
        if field(fields, "x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
            return Err(AuthError::UnsupportedMechanism);
        }
        if fields.get("x-amz-security-token").is_some() {
            return Err(AuthError::InvalidToken);
        }
        let credential = Credential::read(field(fields, "x-amz-credential")?, Place::Form)?;
        let timestamp = Timestamp::parse_iso(field(fields, "x-amz-date")?).ok_or_else(|| AuthError::Malformed {
            place: Place::Form,
            why: "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned(),
        })?;
        Ok(Self {
            access_key: credential.access_key,
            signing: PostSigning::Version4 { date: credential.date, region: credential.region, timestamp },
            policy: policy.to_owned(),
            signature: Signature(field(fields, "x-amz-signature")?.to_owned()),
        })
    }

    fn read_version_2(fields: &FormFields) -> Result<Self, AuthError> {
        let (id, policy) = (field(fields, "AWSAccessKeyId")?, field(fields, "policy")?);
        let signature = Signature(field(fields, "signature")?.to_owned());
        if fields.get("x-amz-security-token").is_some() {
            return Err(AuthError::InvalidToken);
        }
        let access_key =
            AccessKeyId::parse(id).map_err(|_| AuthError::InvalidAccessKeyId { access_key: id.to_owned() })?;
        Ok(Self { access_key, signing: PostSigning::Version2, policy: policy.to_owned(), signature })
    }
}

fn field<'a>(fields: &'a FormFields, name: &'static str) -> Result<&'a str, AuthError> {
    fields.get(name).ok_or(AuthError::MissingField { field: name })
}
