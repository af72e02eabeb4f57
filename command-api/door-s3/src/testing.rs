//! What the tests of several modules make requests and answers of.

use http::{HeaderMap, HeaderName, Method, Uri};
use pipeline::{BucketInfo, Caller, Circumstances, ObjectInfo, Who, Written};
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag, Root};
use schemas::event::{Encryption, Metadata, ObjectOwnership, StorageClass, Versioning};
use schemas::scope::Scopes;
use schemas::{
    AccessKeyId, BucketId, BucketName, Epoch, EventId, ObjectKey, Position, RequestId, TenantId, Time, UserId,
    VersionId,
};

use crate::ask::Ask;
use crate::names::Names;
use crate::route::{Query, Target};

pub(crate) const MODIFIED: Time = Time(1_255_369_830_000_000);

pub(crate) fn caller() -> Caller {
    Caller {
        tenant: TenantId(1),
        who: Who::User {
            user: UserId::parse("main").expect("a user"),
            display_name: "Main User".into(),
            access_key: AccessKeyId::parse("AKEXAMPLE").expect("a key id"),
            scopes: Scopes::full(),
        },
        source: None,
        request: RequestId("01J00000000000000000000000".into()),
        circumstances: Circumstances::default(),
    }
}

pub(crate) fn names() -> Names {
    Names::only(caller().user(), "Main User")
}

pub(crate) fn etag() -> ETag {
    ETag { md5: [0xab; 16], parts: 0 }
}

pub(crate) fn version() -> VersionId {
    VersionId::Event(EventId { epoch: Epoch(1), position: Position(7) })
}

pub(crate) fn checksum(algorithm: ChecksumAlgorithm, parts: u32) -> Checksum {
    let covers = if parts > 0 { ChecksumType::Composite } else { ChecksumType::FullObject };
    Checksum { algorithm, covers, digest: vec![7; algorithm.digest_bytes()], parts }
}

pub(crate) fn bucket(name: &str) -> BucketInfo {
    BucketInfo {
        id: BucketId(1),
        name: BucketName::parse(name).expect("a name"),
        created: MODIFIED,
        region: "us-east-1".into(),
        owner: caller().user(),
        owner_display_name: "Main User".into(),
        versioning: Versioning::Unversioned,
        object_lock: false,
        default_retention: None,
        ownership: ObjectOwnership::BucketOwnerEnforced,
        has_ownership_controls: true,
        base: None,
    }
}

pub(crate) fn written() -> Written {
    Written {
        etag: etag(),
        version: Some(version()),
        position: Position(7),
        modified: MODIFIED,
        size_bytes: 3,
        content: Content { size_bytes: 3, root: Root::Empty },
        checksums: vec![checksum(ChecksumAlgorithm::Crc64Nvme, 0)],
        chosen_checksum: Some(checksum(ChecksumAlgorithm::Sha256, 2)),
        encryption: Encryption::Managed,
        expiry: None,
    }
}

pub(crate) fn object() -> ObjectInfo {
    ObjectInfo {
        key: ObjectKey::parse("key").expect("a key"),
        size_bytes: 11,
        content: Content { size_bytes: 11, root: Root::Empty },
        etag: etag(),
        version: None,
        modified: MODIFIED,
        metadata: Metadata::default(),
        checksums: vec![checksum(ChecksumAlgorithm::Crc64Nvme, 0)],
        chosen_checksum: None,
        storage_class: StorageClass::Standard,
        encryption: Encryption::Managed,
        owner: caller().user(),
        parts_count: 0,
        parts: vec![],
        tags_count: 0,
        expiry: None,
        retention: None,
        legal_hold: false,
    }
}

/// A request that was understood so far: `GET /bucket/key?query`, and headers.
pub(crate) fn ask(line: &str, headers: &[(&'static str, &str)]) -> Ask {
    let (method, address) = line.split_once(' ').expect("a method and an address");
    let _: Method = method.parse().expect("a method");
    let uri: Uri = address.parse().expect("an address");
    let target = Target::parse(None, uri.path(), &[]).expect("a target");
    let query = Query::parse(uri.query()).expect("a query");
    let headers: HeaderMap =
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value"))).collect();
    Ask::new(caller(), headers, query, target).expect("names")
}

/// The status and headers of an answer, one a line.
pub(crate) fn head(response: &axum::response::Response) -> String {
    let mut lines: Vec<String> =
        response.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().expect("ascii"))).collect();
    lines.sort();
    format!("{}\n{}", response.status().as_u16(), lines.join("\n"))
}
