//! The policy of a POST form: what the signer allows whoever fills the form in.

use axum::Json;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::content::ChecksumAlgorithm;
use serde::Deserialize;

use super::post::FormFields;

/// A policy, read. It allows nothing until [`PostPolicy::check`] says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostPolicy {
    expires_s: i64,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    /// The field has this value. Names are in lower case.
    Equals(String, String),
    /// The field's value begins like this.
    StartsWith(String, String),
    /// The file has so many bytes.
    Length(LengthRange),
}

/// How many bytes a file may have: both bounds are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthRange {
    /// Fewest bytes.
    pub least: u64,
    /// Most bytes.
    pub most: u64,
}

impl LengthRange {
    /// Any length.
    pub const ANY: Self = Self { least: 0, most: u64::MAX };

    /// Whether a file that has so many bytes already may have more of them.
    ///
    /// # Errors
    /// [`PolicyError::EntityTooLarge`].
    pub fn check_begun(self, length_bytes: u64) -> Result<(), PolicyError> {
        if length_bytes > self.most {
            return Err(PolicyError::EntityTooLarge { proposed: length_bytes, most: self.most });
        }
        Ok(())
    }

    /// Whether a file may have so many bytes and no more.
    ///
    /// # Errors
    /// [`PolicyError::EntityTooLarge`] and [`PolicyError::EntityTooSmall`].
    pub fn check_whole(self, length_bytes: u64) -> Result<(), PolicyError> {
        self.check_begun(length_bytes)?;
        if length_bytes < self.least {
            return Err(PolicyError::EntityTooSmall { proposed: length_bytes, least: self.least });
        }
        Ok(())
    }
}

/// Why a policy does not allow a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The policy's text is not a policy.
    #[error("invalid policy: {why}")]
    Invalid {
        /// What is wrong, as a sentence.
        why: &'static str,
    },
    /// Its time is over.
    #[error("the policy has expired")]
    Expired,
    /// A condition does not hold.
    #[error("a condition of the policy does not hold")]
    ConditionFailed {
        /// The condition, as S3 repeats it.
        condition: String,
    },
    /// A field that no condition speaks of.
    #[error("a field of the form is not covered by the policy")]
    ExtraField {
        /// Its name.
        field: String,
    },
    /// A field given twice.
    #[error("a field of the form is given twice")]
    DuplicateField {
        /// Its name.
        field: String,
    },
    /// The file is larger than allowed.
    #[error("the file is larger than the policy allows")]
    EntityTooLarge {
        /// Bytes of the file.
        proposed: u64,
        /// Bytes allowed.
        most: u64,
    },
    /// The file is smaller than demanded.
    #[error("the file is smaller than the policy allows")]
    EntityTooSmall {
        /// Bytes of the file.
        proposed: u64,
        /// Bytes demanded.
        least: u64,
    },
}

impl PolicyError {
    /// Code, status and message for the error document.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16, String) {
        let denied = |why: String| ("AccessDenied", 403, format!("Invalid according to Policy: {why}"));
        match self {
            Self::Invalid { why } => ("InvalidPolicyDocument", 400, format!("Invalid Policy: {why}")),
            Self::Expired => denied("Policy expired.".to_owned()),
            Self::ConditionFailed { condition } => denied(format!("Policy Condition failed: {condition}")),
            Self::ExtraField { field } => denied(format!("Extra input fields: {field}")),
            Self::DuplicateField { field } => {
                ("InvalidArgument", 400, format!("POST requires exactly one field named '{field}'."))
            }
            Self::EntityTooLarge { .. } => {
                ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed size".to_owned())
            }
            Self::EntityTooSmall { .. } => (
                "EntityTooSmall",
                400,
                "Your proposed upload is smaller than the minimum allowed object size.".to_owned(),
            ),
        }
    }

    /// Further elements of the error document, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::EntityTooLarge { proposed, most } => {
                vec![("ProposedSize", proposed.to_string()), ("MaxSizeAllowed", most.to_string())]
            }
            Self::EntityTooSmall { proposed, least } => {
                vec![("ProposedSize", proposed.to_string()), ("MinSizeAllowed", least.to_string())]
            }
            Self::DuplicateField { field } => vec![("ArgumentName", field.clone())],
            Self::Invalid { .. } | Self::Expired | Self::ConditionFailed { .. } | Self::ExtraField { .. } => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    expiration: Option<String>,
    conditions: Option<Vec<RawCondition>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawCondition {
    List(Vec<Item>),
    Object(std::collections::BTreeMap<String, Item>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Text(String),
    Number(u64),
}

impl Item {
    fn number(&self) -> Option<u64> {
        match self {
            Item::Number(number) => Some(*number),
            Item::Text(text) => text.parse().ok(),
        }
    }

    fn text(self) -> String {
        match self {
            Item::Text(text) => text,
            Item::Number(number) => number.to_string(),
        }
    }
}

impl PostPolicy {
    /// Reads a policy's base64 text.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyError> {
        let invalid = |why| PolicyError::Invalid { why };
        let bytes = STANDARD.decode(text.trim()).map_err(|_| invalid("Invalid Base64 encoding."))?;
        // Through axum's JSON because the crate reads no other JSON.
        let Json(document) = Json::<Document>::from_bytes(&bytes).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = document.expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let conditions = document.conditions.ok_or_else(|| invalid("Policy missing conditions."))?;
        Ok(Self {
            expires_s: read_expiration(&expiration).ok_or_else(|| invalid("Invalid 'expiration' value."))?,
            conditions: conditions
                .into_iter()
                .map(|raw| read_condition(raw).ok_or_else(|| invalid("Invalid Condition.")))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect(),
        })
    }

    /// The lengths that every `content-length-range` allows, so that a file that is too long can be stopped on its way.
    #[must_use]
    pub fn length_range(&self) -> LengthRange {
        self.conditions.iter().fold(LengthRange::ANY, |range, condition| match condition {
            Condition::Length(other) => {
                LengthRange { least: range.least.max(other.least), most: range.most.min(other.most) }
            }
            Condition::Equals(..) | Condition::StartsWith(..) => range,
        })
    }

    /// Whether the policy allows this form for `bucket` (the one in the URL), now. The file's length is still to be checked:
    /// [`PostPolicy::length_range`].
    ///
    /// Every field must be covered by a condition but those of the signature itself, `file`, `policy`, `x-ignore-*`, and a
    /// checksum (it says nothing but what the file is). So must the bucket: a policy that names none would be good for all.
    ///
    /// # Errors
    /// [`PolicyError::Expired`], [`PolicyError::ConditionFailed`], [`PolicyError::ExtraField`].
    pub fn check(&self, fields: &FormFields, bucket: &str, now_s: i64) -> Result<(), PolicyError> {
        if now_s > self.expires_s {
            return Err(PolicyError::Expired);
        }
        let value = |name: &str| if name == "bucket" { Some(bucket) } else { fields.get(name) };
        for condition in &self.conditions {
            condition.check(value)?;
        }
        let names = fields.iter().map(|(name, _)| name.to_ascii_lowercase()).chain(["bucket".to_owned()]);
        match names.filter(|name| !is_exempt(name)).find(|name| !self.covers(name)) {
            Some(field) => Err(PolicyError::ExtraField { field }),
            None => Ok(()),
        }
    }

    fn covers(&self, field: &str) -> bool {
        self.conditions.iter().any(|condition| match condition {
            Condition::Equals(name, _) | Condition::StartsWith(name, _) => name == field,
            Condition::Length(_) => false,
        })
    }
}

fn is_exempt(name: &str) -> bool {
    matches!(name, "awsaccesskeyid" | "signature" | "x-amz-signature" | "file" | "policy")
        || name.starts_with("x-ignore-")
        || name.strip_prefix("x-amz-checksum-").is_some_and(|algorithm| ChecksumAlgorithm::parse(algorithm).is_some())
}

impl Condition {
    fn check<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> Result<(), PolicyError> {
        let failed = |kind: &str, name: &str, wanted: &str| {
            Err(PolicyError::ConditionFailed { condition: format!("[\"{kind}\", \"${name}\", \"{wanted}\"]") })
        };
        match self {
            Condition::Equals(name, wanted) if value(name) != Some(wanted) => failed("eq", name, wanted),
            // Anything begins with nothing, a field that is not there too. AWS wants it to be there; suites expect what Ceph does.
            Condition::StartsWith(name, wanted) if !starts_with(name, value(name).unwrap_or_default(), wanted) => {
                failed("starts-with", name, wanted)
            }
            Condition::Equals(..) | Condition::StartsWith(..) | Condition::Length(_) => Ok(()),
        }
    }
}

/// A content type may be a list; each of it must fit.
fn starts_with(name: &str, value: &str, wanted: &str) -> bool {
    if name == "content-type" {
        return value.split(',').all(|one| one.trim().starts_with(wanted));
    }
    value.starts_with(wanted)
}

/// `2007-12-01T12:00:00Z` or `2007-12-01T12:00:00.000Z`.
fn read_expiration(text: &str) -> Option<i64> {
    if text.as_bytes().get(10) != Some(&b'T') || !text.ends_with('Z') {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// A condition as an object may be several.
fn read_condition(raw: RawCondition) -> Option<Vec<Condition>> {
    match raw {
        RawCondition::Object(pairs) if pairs.is_empty() => None,
        RawCondition::Object(pairs) => Some(
            pairs.into_iter().map(|(name, value)| Condition::Equals(name.to_ascii_lowercase(), value.text())).collect(),
        ),
        RawCondition::List(items) => {
            let [kind, first, second] = <[Item; 3]>::try_from(items).ok()?;
            let kind = kind.text().to_ascii_lowercase();
            if kind == "content-length-range" {
                return Some(vec![Condition::Length(LengthRange { least: first.number()?, most: second.number()? })]);
            }
            let name = first.text().strip_prefix('$')?.to_ascii_lowercase();
            match kind.as_str() {
                "eq" => Some(vec![Condition::Equals(name, second.text())]),
                "starts-with" => Some(vec![Condition::StartsWith(name, second.text())]),
                _ => None,
            }
        }
    }
}
