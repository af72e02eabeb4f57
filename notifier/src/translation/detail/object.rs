//! What events about objects say.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemas::acl::{Acl, Grant, Grantee, Permission};
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, ETag};
use schemas::event::{self, Cause, Encryption, Retention};
use schemas::{EventId, TenantId, UploadId, VersionId};

use crate::Announcement;
use crate::translation::native::shown_version;
use crate::translation::shape::shapes;
use crate::translation::text::{EventRef, Moment, Text};

shapes! {
    /// An object's new version.
    struct Committed<'a> {
        /// `Put`, `Post`, `Copy` or `CompleteMultipartUpload`.
        cause: &'static str,
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// Plaintext bytes.
        size_bytes: u64,
        /// Entity tag: hex digits, with `-N` behind them for an upload of N parts. Without quotes.
        etag: Text<ETag>,
        /// Checksums by algorithm in lower case: base64 of the big-endian digest, with `-N` for one of N parts.
        checksums: BTreeMap<String, String>,
        /// The algorithm of the checksum that the client chose, in lower case.
        chosen_checksum: Option<String>,
        /// `Content-Type`.
        content_type: Option<&'a str>,
        /// `Cache-Control`.
        cache_control: Option<&'a str>,
        /// `Content-Disposition`.
        content_disposition: Option<&'a str>,
        /// `Content-Encoding`.
        content_encoding: Option<&'a str>,
        /// `Content-Language`.
        content_language: Option<&'a str>,
        /// `Expires`, as the client wrote it.
        expires: Option<&'a str>,
        /// Where a website redirects to.
        website_redirect_location: Option<&'a str>,
        /// What the client said of it: `x-amz-meta-*`, names in lower case without the prefix.
        metadata: &'a BTreeMap<String, String>,
        /// Who owns it.
        owner: &'a str,
        /// Storage class, as S3 spells it.
        storage_class: &'static str,
        /// `aes-256-gcm` by the bucket's keys, `aws:kms` by a named key, `sse-c` by the customer's.
        encryption: &'static str,
        /// The upload that it completes.
        upload_id: Option<Text<UploadId>>,
        /// Parts that it was uploaded in.
        part_count: Option<u32>,
        /// What it was copied from.
        copy_source: Option<CopySource<'a>>,
        /// Tags, by name.
        tags: &'a BTreeMap<String, String>,
        /// How long it cannot be removed.
        retention: Option<RetentionShape>,
        /// Whether a legal hold is on it.
        legal_hold: bool,
        /// What it grants, if anybody but its owner may do anything.
        grants: Option<Vec<GrantShape<'a>>>,
    }

    /// What a copy was made from.
    struct CopySource<'a> {
        /// The bucket, by name, if anybody knows it still.
        bucket: Option<&'a str>,
        /// The key.
        key: &'a str,
        /// The event that made the version.
        made_by: EventRef,
    }

    /// A delete marker.
    struct Marker<'a> {
        /// The marker's version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// Who deleted.
        owner: &'a str,
    }

    /// A version or delete marker that was removed.
    struct Removed {
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// The event that had made it.
        made_by: EventRef,
        /// Whether it was a delete marker.
        delete_marker: bool,
        /// Plaintext bytes that it had.
        size_bytes: u64,
    }

    /// Tags of a version.
    struct TagsSet<'a> {
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// The event that had made it.
        made_by: EventRef,
        /// All its tags from now on, by name.
        tags: &'a BTreeMap<String, String>,
    }

    /// An access control list of a version.
    struct AclSet<'a> {
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// The event that had made it.
        made_by: EventRef,
        /// What it grants from now on; absent when only its owner may do anything.
        grants: Option<Vec<GrantShape<'a>>>,
    }

    /// Retention of a version.
    struct RetentionSet {
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// The event that had made it.
        made_by: EventRef,
        /// From now on; absent when it was taken off.
        retention: Option<RetentionShape>,
        /// Whether governance was bypassed for it.
        bypassed_governance: bool,
    }

    /// A legal hold of a version.
    struct LegalHoldSet {
        /// The version, unless it is the null version.
        version_id: Option<Text<VersionId>>,
        /// The event that had made it.
        made_by: EventRef,
        /// From now on.
        on: bool,
    }

    /// Content that was given up.
    struct ContentReleased {
        /// How many versions and parts referred to it.
        reference_count: usize,
    }

    /// Until when a version cannot be removed.
    struct RetentionShape {
        /// `GOVERNANCE`, `COMPLIANCE` or `AUDIT_TRAIL`.
        mode: &'static str,
        /// The first moment at which it holds no more.
        retain_until: Moment,
    }

    /// One permission for one grantee.
    struct GrantShape<'a> {
        /// Who: a user or a group.
        grantee: GranteeShape<'a>,
        /// `READ`, `WRITE`, `READ_ACP`, `WRITE_ACP` or `FULL_CONTROL`.
        permission: &'static str,
    }

    /// Whom a grant is for.
    struct GranteeShape<'a> {
        /// The user.
        id: Option<&'a str>,
        /// `AllUsers`, `AuthenticatedUsers` or `LogDelivery`.
        group: Option<&'static str>,
    }
}

impl<'a> Committed<'a> {
    pub(super) fn of(made: &'a event::VersionCommitted, announcement: &'a Announcement) -> Self {
        let headers = &made.metadata.headers;
        let chosen = made.chosen_checksum.and_then(|index| made.checksums.get(usize::from(index)));
        Self {
            cause: match made.cause {
                Cause::Put => "Put",
                Cause::Post => "Post",
                Cause::Copy => "Copy",
                Cause::CompleteMultipartUpload => "CompleteMultipartUpload",
                Cause::Restore => "Restore",
            },
            version_id: shown_version(announcement.version),
            size_bytes: made.content.size_bytes,
            etag: Text(made.etag),
            checksums: checksums(&made.checksums),
            chosen_checksum: chosen.map(|checksum| algorithm(checksum.algorithm)),
            content_type: headers.content_type.as_deref(),
            cache_control: headers.cache_control.as_deref(),
            content_disposition: headers.content_disposition.as_deref(),
            content_encoding: headers.content_encoding.as_deref(),
            content_language: headers.content_language.as_deref(),
            expires: headers.expires.as_deref(),
            website_redirect_location: headers.website_redirect.as_deref(),
            metadata: &made.metadata.user,
            owner: made.owner.as_str(),
            storage_class: made.storage_class.as_str(),
            encryption: encryption_name(&made.encryption),
            upload_id: made.upload.map(Text),
            part_count: (made.etag.parts > 0).then_some(made.etag.parts),
            copy_source: made.source.as_ref().map(|source| CopySource {
                bucket: announcement.source_bucket.as_ref().map(schemas::BucketName::as_str),
                key: source.key.as_str(),
                made_by: EventRef(announcement.tenant, source.version),
            }),
            tags: &made.tags,
            retention: made.retention.map(RetentionShape::of),
            legal_hold: made.legal_hold,
            grants: made.acl.as_ref().map(grants),
        }
    }
}

impl<'a> Marker<'a> {
    pub(super) fn of(marker: &'a event::DeleteMarkerCreated, announcement: &Announcement) -> Self {
        Self { version_id: shown_version(announcement.version), owner: marker.owner.as_str() }
    }
}

/// A version that an event is about, and the event that had made it.
fn version(version: VersionId, tenant: TenantId, made_by: EventId) -> (Option<Text<VersionId>>, EventRef) {
    (shown_version(Some(version)), EventRef(tenant, made_by))
}

impl Removed {
    pub(super) fn of(removed: &event::VersionRemoved, tenant: TenantId) -> Self {
        let (version_id, made_by) = version(removed.version, tenant, removed.made_by);
        Self { version_id, made_by, delete_marker: removed.was_marker, size_bytes: removed.size_bytes }
    }
}

impl<'a> TagsSet<'a> {
    pub(super) fn of(set: &'a event::ObjectTagsSet, tenant: TenantId) -> Self {
        let (version_id, made_by) = version(set.version, tenant, set.made_by);
        Self { version_id, made_by, tags: &set.tags }
    }
}

impl<'a> AclSet<'a> {
    pub(super) fn of(set: &'a event::ObjectAclSet, tenant: TenantId) -> Self {
        let (version_id, made_by) = version(set.version, tenant, set.made_by);
        Self { version_id, made_by, grants: set.acl.as_ref().map(grants) }
    }
}

impl RetentionSet {
    pub(super) fn of(set: &event::RetentionSet, tenant: TenantId) -> Self {
        let (version_id, made_by) = version(set.version, tenant, set.made_by);
        let retention = set.retention.map(RetentionShape::of);
        Self { version_id, made_by, retention, bypassed_governance: set.bypass }
    }
}

impl LegalHoldSet {
    pub(super) fn of(set: &event::LegalHoldSet, tenant: TenantId) -> Self {
        let (version_id, made_by) = version(set.version, tenant, set.made_by);
        Self { version_id, made_by, on: set.on }
    }
}

impl ContentReleased {
    pub(super) fn of(released: &event::ContentReleased) -> Self {
        Self { reference_count: released.released.len() }
    }
}

impl RetentionShape {
    pub(super) fn of(retention: Retention) -> Self {
        Self { mode: retention.mode.as_str(), retain_until: Moment(retention.until) }
    }
}

/// Every grant of a list.
pub(super) fn grants(acl: &Acl) -> Vec<GrantShape<'_>> {
    acl.grants.iter().map(GrantShape::of).collect()
}

impl<'a> GrantShape<'a> {
    fn of(grant: &'a Grant) -> Self {
        let (id, group) = match &grant.grantee {
            Grantee::User(user) => (Some(user.as_str()), None),
            Grantee::AllUsers => (None, Some("AllUsers")),
            Grantee::AuthenticatedUsers => (None, Some("AuthenticatedUsers")),
            Grantee::LogDelivery => (None, Some("LogDelivery")),
        };
        let permission = match grant.permission {
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
            Permission::FullControl => "FULL_CONTROL",
        };
        Self { grantee: GranteeShape { id, group }, permission }
    }
}

/// All of them by name. Where there are two of one algorithm the one of the bytes is told.
pub(super) fn checksums(all: &[Checksum]) -> BTreeMap<String, String> {
    let mut shown = BTreeMap::new();
    for checksum in all {
        let name = algorithm(checksum.algorithm);
        if checksum.covers == ChecksumType::FullObject || !shown.contains_key(&name) {
            let digest = STANDARD.encode(&checksum.digest);
            let text = if checksum.parts > 0 { format!("{digest}-{}", checksum.parts) } else { digest };
            shown.insert(name, text);
        }
    }
    shown
}

pub(super) fn algorithm(algorithm: ChecksumAlgorithm) -> String {
    algorithm.as_str().to_ascii_lowercase()
}

/// Of a customer's key not even the digest is told; of a named one not the name, which may say what it protects.
pub(super) fn encryption_name(encryption: &Encryption) -> &'static str {
    match encryption {
        Encryption::Managed => "aes-256-gcm",
        Encryption::Kms { .. } => "aws:kms",
        Encryption::Customer { .. } => "sse-c",
    }
}
