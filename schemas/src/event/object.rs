//! Events about objects. The key stands in the record's body, the bucket in its header.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::acl::Acl;
use crate::content::{Checksum, Content, ETag};
use crate::{BlobId, EventId, Time, UploadId, UserId, VersionId};

/// Standard headers that are kept with an object and returned as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// `Content-Type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Cache-Control`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`, without `aws-chunked`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Expires`, as text: S3 does not parse it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website_redirect: Option<String>,
}

/// What a client says about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Standard headers.
    #[serde(default)]
    pub headers: Headers,
    /// `x-amz-meta-*`, names in lower case without the prefix.
    #[serde(default)]
    pub user: BTreeMap<String, String>,
}

/// Which request made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// PutObject.
    Put,
    /// POST form upload.
    Post,
    /// CopyObject.
    Copy,
    /// CompleteMultipartUpload.
    CompleteMultipartUpload,
    /// A restore to an earlier point, or an undo.
    Restore,
}

/// How the content is encrypted, as a client sees it. Everything is encrypted on disk in any case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// By keys of the bucket: SSE-S3.
    Managed,
    /// By a named local key: SSE-KMS.
    Kms {
        /// The key's name.
        key: String,
        /// The encryption context as the client sent it: base64 of a JSON object of strings.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        /// Whether the client asked for a bucket key. Wraps are local and cost the same with and without.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bucket_key: bool,
    },
    /// By the customer's key: SSE-C. Only its salted digest is kept.
    Customer {
        /// Salted digest, to tell a wrong key (`vault::CustomerKey`).
        #[serde(with = "serde_bytes")]
        key_check: Vec<u8>,
    },
}

impl Encryption {
    /// Under a named key, with nothing else said.
    #[must_use]
    pub fn kms(key: impl Into<String>) -> Self {
        Self::Kms { key: key.into(), context: None, bucket_key: false }
    }
}

/// S3 storage classes that are accepted; all are stored alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StorageClass {
    /// `STANDARD`.
    Standard,
    /// `REDUCED_REDUNDANCY`.
    ReducedRedundancy,
    /// `STANDARD_IA`.
    StandardIa,
    /// `ONEZONE_IA`.
    OnezoneIa,
    /// `INTELLIGENT_TIERING`.
    IntelligentTiering,
}

impl StorageClass {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Standard, Self::ReducedRedundancy, Self::StandardIa, Self::OnezoneIa, Self::IntelligentTiering];

    /// As S3 spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::ReducedRedundancy => "REDUCED_REDUNDANCY",
            Self::StandardIa => "STANDARD_IA",
            Self::OnezoneIa => "ONEZONE_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
        }
    }

    /// The class that S3 spells so, in these letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }
}

/// An object's new current version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCommitted {
    /// Whether this is the `null` version; it replaces the one before it.
    pub null: bool,
    /// The bytes.
    pub content: Content,
    /// The entity tag.
    pub etag: ETag,
    /// Checksums of the bytes or parts; CRC64NVME always when the server hashed the bytes.
    pub checksums: Vec<Checksum>,
    /// The checksum that the client chose, if it did: an index into `checksums`.
    #[serde(default)]
    pub chosen_checksum: Option<u8>,
    /// What the client says about it.
    pub metadata: Metadata,
    /// Who owns it.
    pub owner: UserId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// Encryption as the client sees it.
    pub encryption: Encryption,
    /// Which request.
    pub cause: Cause,
    /// The upload that this completes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadId>,
    /// The parts of the upload: number, size and digest of the chosen checksum, when they fit (at most 1,000).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<CommittedPart>,
    /// What it was copied from: bucket id, key, version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<CopySource>,
    /// Tags, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How long it cannot be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether it cannot be removed until somebody says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    /// Its access control list; none when only its owner may do anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
}

/// Who may end a retention before its time, and what it keeps from happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionMode {
    /// Whoever may bypass governance.
    Governance,
    /// Nobody.
    Compliance,
    /// Nobody. Versions are overwritten and removed as without it; what each was can be shown again until then, for its
    /// content is kept (SEC 17a-4(f)(2)(i)(A)).
    AuditTrail,
}

impl RetentionMode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Governance, Self::Compliance, Self::AuditTrail];

    /// As clients and documents spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
            Self::AuditTrail => "AUDIT_TRAIL",
        }
    }

    /// The mode that is spelled so, in these letters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Until when a version cannot be removed, or its content not be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Who may end it.
    pub mode: RetentionMode,
    /// The first moment at which it holds no more, by the installation's clock.
    pub until: Time,
}

impl Retention {
    /// Until when the content of its version is kept even if the version was removed or replaced, whatever window of history
    /// there is; none for a mode that keeps the version itself.
    #[must_use]
    pub fn keeps_content_until(&self) -> Option<Time> {
        match self.mode {
            RetentionMode::AuditTrail => Some(self.until),
            RetentionMode::Governance | RetentionMode::Compliance => None,
        }
    }
}

/// A version's tags were replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectTagsSet {
    /// As the client knows the version.
    pub version: VersionId,
    /// The event that had made it.
    pub made_by: EventId,
    /// Tags, by name; none when all were removed.
    pub tags: BTreeMap<String, String>,
}

/// A version's access control list was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectAclSet {
    /// As the client knows the version.
    pub version: VersionId,
    /// The event that had made it.
    pub made_by: EventId,
    /// From now on; none when only its owner may do anything.
    pub acl: Option<Acl>,
}

/// A version's retention was set or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionSet {
    /// As the client knows the version.
    pub version: VersionId,
    /// The event that had made it.
    pub made_by: EventId,
    /// From now on; none when it was taken off.
    pub retention: Option<Retention>,
    /// Whether governance was bypassed for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bypass: bool,
}

/// A legal hold was put on a version or taken off it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHoldSet {
    /// As the client knows the version.
    pub version: VersionId,
    /// The event that had made it.
    pub made_by: EventId,
    /// From now on.
    pub on: bool,
}

/// One part of a completed upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// Bytes.
    pub size_bytes: u64,
    /// Digest of the upload's checksum algorithm, if it has one.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
}

/// What a copy was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopySource {
    /// Bucket.
    pub bucket: crate::BucketId,
    /// Key.
    pub key: crate::ObjectKey,
    /// The event that made the version.
    pub version: EventId,
}

/// A delete marker became current.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteMarkerCreated {
    /// Whether this is the `null` version; it replaces the one before it.
    pub null: bool,
    /// Who deleted.
    pub owner: UserId,
}

/// A version or delete marker was removed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRemoved {
    /// As the client knows it.
    pub version: VersionId,
    /// The event that had made it.
    pub made_by: EventId,
    /// Whether it was a delete marker.
    pub was_marker: bool,
    /// Plaintext bytes it had.
    pub size_bytes: u64,
}

/// Who refers to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Referrer {
    /// The version that this event made.
    Version(EventId),
    /// A part of an upload, staged by this event.
    Part(EventId),
}

/// One reference that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// Root of the content.
    pub blob: BlobId,
    /// Who had referred to it.
    pub referrer: Referrer,
}

/// Content that nothing can show any more was given up: its bytes may be swept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentReleased {
    /// References, at most 100 an event.
    pub released: Vec<Released>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_in_no_other_case() {
        for mode in RetentionMode::ALL {
            assert_eq!(RetentionMode::parse(mode.as_str()), Some(mode));
            assert_eq!(RetentionMode::parse(&mode.as_str().to_ascii_lowercase()), None);
        }
        for class in StorageClass::ALL {
            assert_eq!(StorageClass::parse(class.as_str()), Some(class));
            assert_eq!(StorageClass::parse(&class.as_str().to_ascii_lowercase()), None);
        }
        assert_eq!((RetentionMode::parse(""), StorageClass::parse("GLACIER")), (None, None));
    }

    #[test]
    fn an_audit_trail_keeps_content_and_the_other_modes_keep_versions() {
        let until = Time(7);
        let kept = RetentionMode::ALL.map(|mode| Retention { mode, until }.keeps_content_until());
        assert_eq!(kept, [None, None, Some(until)]);
    }
}
