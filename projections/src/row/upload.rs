//! Multipart uploads and their parts.

use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag, Root};
use schemas::event::StorageClass;
use schemas::{BucketId, EventId, ObjectKey, Position, TenantId, Time, UploadId, UserId};
use serde::{Deserialize, Serialize};

use crate::tables::{DIRECTORY, KIND_BYTES, Key, KeyReader, directory};

/// An upload, from its beginning until its last part is cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Bucket.
    pub bucket: BucketId,
    /// Key of the object.
    pub key: ObjectKey,
    /// Whether parts may still come.
    pub state: UploadState,
    /// The event that began it: its record has metadata, tags and encryption.
    pub created_by: EventId,
    /// When.
    pub initiated: Time,
    /// Who began it.
    pub initiator: UserId,
    /// Who will own the object.
    pub owner: UserId,
    /// Storage class of the object.
    pub storage_class: StorageClass,
    /// Checksum of the parts.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}
super::packed!(Upload, DIRECTORY, "upload");

/// Where an upload is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadState {
    /// Takes parts.
    Open,
    /// Became the version that this event made. Its parts wait to be cleared.
    Completed(EventId),
    /// Was given up. Its parts wait to be cleared.
    Aborted,
}

impl Upload {
    /// Key of the row: tenant, kind, upload.
    #[must_use]
    pub fn key(tenant: TenantId, upload: UploadId) -> Vec<u8> {
        Key::kind(tenant, directory::UPLOAD).raw(&upload.0).bytes()
    }
}

/// An open upload's place in listings. What is listed stands in its [`Upload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadListing;
super::packed!(UploadListing, DIRECTORY, "upload listing");

impl UploadListing {
    /// Key of the row: tenant, kind, bucket, escaped object key, position of its beginning, upload.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey, begun: Position, upload: UploadId) -> Vec<u8> {
        Self::of_object(tenant, bucket, key.as_str().as_bytes()).number(begun.0).raw(&upload.0).bytes()
    }

    pub(crate) fn of_object(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Key {
        Key::kind(tenant, directory::UPLOAD_LISTING).bucket(bucket).object(key)
    }

    pub(crate) fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, directory::UPLOAD_LISTING).bucket(bucket).bytes()
    }

    pub(crate) fn of_tenant(tenant: TenantId) -> Vec<u8> {
        Key::kind(tenant, directory::UPLOAD_LISTING).bytes()
    }

    /// Not after any row of an object key from `key` on, and after all rows of lesser ones.
    pub(crate) fn from_key(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Vec<u8> {
        Key::kind(tenant, directory::UPLOAD_LISTING).bucket(bucket).escaped(key).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<(String, Position, UploadId)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let object = String::from_utf8(reader.object()?).ok()?;
        let begun = Position(reader.number()?);
        let upload = UploadId(reader.array()?);
        reader.end()?;
        Some((object, begun, upload))
    }
}

/// What an open upload's parts come to, so that ending it does not read them all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Parts.
    pub parts: u32,
    /// Plaintext bytes.
    pub size_bytes: u64,
}
super::packed!(Staged, DIRECTORY, "staged parts");

impl Staged {
    /// Key of the row: tenant, kind, upload.
    #[must_use]
    pub fn key(tenant: TenantId, upload: UploadId) -> Vec<u8> {
        Key::kind(tenant, directory::STAGED).raw(&upload.0).bytes()
    }
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The event that staged it.
    pub made_by: EventId,
    /// When.
    pub modified: Time,
    /// Plaintext bytes.
    pub size_bytes: u64,
    /// MD5.
    pub etag: ETag,
    /// Where its bytes begin.
    pub root: Root,
    /// Its checksum of the upload's algorithm.
    pub checksum: Option<Checksum>,
    /// Its CRC64NVME, from which the object's is combined.
    pub crc64nvme: Option<u64>,
}
super::packed!(Part, DIRECTORY, "part");

impl Part {
    /// Key of the row: tenant, kind, upload, number.
    #[must_use]
    pub fn key(tenant: TenantId, upload: UploadId, number: u16) -> Vec<u8> {
        Key::kind(tenant, directory::PART).raw(&upload.0).raw(&number.to_be_bytes()).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId, upload: UploadId) -> Vec<u8> {
        Key::kind(tenant, directory::PART).raw(&upload.0).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<u16> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 16)?;
        let number = u16::from_be_bytes(reader.array()?);
        reader.end()?;
        Some(number)
    }
}

/// An upload that has ended and whose parts are not all cleared yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedUpload {
    /// When it ended.
    pub ended: Time,
}
super::packed!(EndedUpload, DIRECTORY, "ended upload");

impl EndedUpload {
    /// Key of the row: tenant, kind, upload.
    #[must_use]
    pub fn key(tenant: TenantId, upload: UploadId) -> Vec<u8> {
        Self::prefix(tenant).raw(&upload.0).bytes()
    }

    pub(crate) fn prefix(tenant: TenantId) -> Key {
        Key::kind(tenant, directory::ENDED_UPLOAD)
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<UploadId> {
        let mut reader = KeyReader::behind(key, KIND_BYTES)?;
        let upload = UploadId(reader.array()?);
        reader.end()?;
        Some(upload)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{checksum_kind, etag, event_id, object_key, reads_back, root, storage_class, user};
    use super::*;

    proptest! {
        #[test]
        fn an_upload_reads_back(
            bucket: u64, key in object_key(), ids in (event_id(), event_id()), state in 0..3, initiated: u64,
            users in (user(), user()), storage_class in storage_class(), checksum in checksum_kind(), upload: [u8; 16],
        ) {
            let state = match state {
                0 => UploadState::Open,
                1 => UploadState::Aborted,
                _ => UploadState::Completed(ids.1),
            };
            let row = Upload {
                bucket: BucketId(bucket), key, state, created_by: ids.0, initiated: Time(initiated), initiator: users.0,
                owner: users.1, storage_class, checksum,
            };
            reads_back(&row);
            reads_back(&EndedUpload { ended: Time(initiated) });
            let begun = row.created_by.position;
            let listing = UploadListing::key(TenantId(1), row.bucket, &row.key, begun, UploadId(upload));
            let parsed = UploadListing::parse_key(&listing);
            prop_assert_eq!(parsed, Some((row.key.as_str().to_owned(), begun, UploadId(upload))));
            let ended = EndedUpload::key(TenantId(1), UploadId(upload));
            prop_assert_eq!(EndedUpload::parse_key(&ended), Some(UploadId(upload)));
        }

        #[test]
        fn a_part_reads_back(
            made_by in event_id(), modified: u64, size_bytes: u64, etag in etag(), root in root(), kind in checksum_kind(),
            digest: Vec<u8>, crc64nvme: Option<u64>, number: u16, parts: u32,
        ) {
            let checksum = kind.map(|(algorithm, covers)| Checksum { algorithm, covers, digest, parts });
            reads_back(&Part { made_by, modified: Time(modified), size_bytes, etag, root, checksum, crc64nvme });
            reads_back(&Staged { parts, size_bytes });
            reads_back(&UploadListing);
            let key = Part::key(TenantId(1), UploadId([7; 16]), number);
            prop_assert_eq!(Part::parse_key(&key), Some(number));
        }
    }
}
