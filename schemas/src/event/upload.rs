//! Events about multipart uploads. The key stands in the record's body, the bucket in its header.

use serde::{Deserialize, Serialize};

use super::{Encryption, Metadata, Retention, StorageClass};
use crate::acl::Acl;
use crate::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag};
use crate::{UploadId, UserId};

/// A multipart upload began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadCreated {
    /// Its id.
    pub upload: UploadId,
    /// Who began it.
    pub initiator: UserId,
    /// Who will own the object.
    pub owner: UserId,
    /// What the client says about the object.
    pub metadata: Metadata,
    /// Storage class of the object.
    pub storage_class: StorageClass,
    /// Encryption of the object.
    pub encryption: Encryption,
    /// The checksum that parts carry, if any.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Tags of the object.
    #[serde(default)]
    pub tags: std::collections::BTreeMap<String, String>,
    /// How long the object cannot be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// Whether the object cannot be removed until somebody says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    /// Access control list of the object; none when only its owner may do anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Acl>,
}

/// A part was stored. It replaces an earlier one of its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartStaged {
    /// The upload.
    pub upload: UploadId,
    /// 1 to 10,000.
    pub number: u16,
    /// The bytes.
    pub content: Content,
    /// MD5 of the bytes.
    pub etag: ETag,
    /// Checksums of the bytes: CRC64NVME always, and the upload's own.
    pub checksums: Vec<Checksum>,
}

/// The upload was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadAborted {
    /// The upload.
    pub upload: UploadId,
}

/// Parts of an upload that has ended were forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsCleared {
    /// The upload.
    pub upload: UploadId,
    /// Parts, at most 100 an event.
    pub numbers: Vec<u16>,
    /// Whether none is left: the upload is forgotten too.
    pub last: bool,
}
