//! What events about multipart uploads say.

use std::collections::BTreeMap;

use schemas::UploadId;
use schemas::content::ETag;
use schemas::event;

use super::object::{GrantShape, RetentionShape, algorithm, checksums, encryption_name, grants};
use crate::translation::shape::shapes;
use crate::translation::text::Text;

shapes! {
    /// A new upload.
    struct Created<'a> {
        /// Its id.
        upload_id: Text<UploadId>,
        /// Who began it.
        initiator: &'a str,
        /// Who will own the object.
        owner: &'a str,
        /// `Content-Type` of the object.
        content_type: Option<&'a str>,
        /// What the client says of the object: `x-amz-meta-*`, names in lower case without the prefix.
        metadata: &'a BTreeMap<String, String>,
        /// Storage class of the object, as S3 spells it.
        storage_class: &'static str,
        /// `aes-256-gcm` by the bucket's keys, `aws:kms` by a named key, `sse-c` by the customer's.
        encryption: &'static str,
        /// The algorithm of the checksum that parts carry, in lower case.
        checksum_algorithm: Option<String>,
        /// `COMPOSITE` or `FULL_OBJECT`.
        checksum_type: Option<&'static str>,
        /// Tags of the object, by name.
        tags: &'a BTreeMap<String, String>,
        /// How long the object cannot be removed.
        retention: Option<RetentionShape>,
        /// Whether the object gets a legal hold.
        legal_hold: bool,
        /// What the object grants, if anybody but its owner may do anything.
        grants: Option<Vec<GrantShape<'a>>>,
    }

    /// A part that was stored.
    struct PartStaged {
        /// The upload.
        upload_id: Text<UploadId>,
        /// 1 to 10,000. It replaces an earlier one of its number.
        part_number: u16,
        /// Plaintext bytes.
        size_bytes: u64,
        /// Entity tag of the part: hex digits.
        etag: Text<ETag>,
        /// Checksums by algorithm in lower case: base64 of the big-endian digest.
        checksums: BTreeMap<String, String>,
    }

    /// An upload that was given up.
    struct Aborted {
        /// The upload.
        upload_id: Text<UploadId>,
    }

    /// Parts that were forgotten.
    struct PartsCleared<'a> {
        /// The upload.
        upload_id: Text<UploadId>,
        /// Parts, at most 100 an event.
        part_numbers: &'a [u16],
        /// Whether none is left.
        last: bool,
    }
}

impl<'a> Created<'a> {
    pub(super) fn of(created: &'a event::UploadCreated) -> Self {
        Self {
            upload_id: Text(created.upload),
            initiator: created.initiator.as_str(),
            owner: created.owner.as_str(),
            content_type: created.metadata.headers.content_type.as_deref(),
            metadata: &created.metadata.user,
            storage_class: created.storage_class.as_str(),
            encryption: encryption_name(&created.encryption),
            checksum_algorithm: created.checksum.map(|(of, _)| algorithm(of)),
            checksum_type: created.checksum.map(|(_, covers)| covers.as_str()),
            tags: &created.tags,
            retention: created.retention.map(RetentionShape::of),
            legal_hold: created.legal_hold,
            grants: created.acl.as_ref().map(grants),
        }
    }
}

impl PartStaged {
    pub(super) fn of(staged: &event::PartStaged) -> Self {
        Self {
            upload_id: Text(staged.upload),
            part_number: staged.number,
            size_bytes: staged.content.size_bytes,
            etag: Text(staged.etag),
            checksums: checksums(&staged.checksums),
        }
    }
}

impl Aborted {
    pub(super) fn of(aborted: &event::UploadAborted) -> Self {
        Self { upload_id: Text(aborted.upload) }
    }
}

impl<'a> PartsCleared<'a> {
    pub(super) fn of(cleared: &'a event::PartsCleared) -> Self {
        Self { upload_id: Text(cleared.upload), part_numbers: &cleared.numbers, last: cleared.last }
    }
}
