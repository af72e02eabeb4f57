//! Versions of objects: current, noncurrent, past, and the pointer to a noncurrent `null` version.
//!
//! Layout of an object, part of the format: format 1 u8; flags u8 (bit 0 null, bits 1-2 root: 0 empty, 1 blob, 2 manifest,
//! bit 3 delete marker, bit 4 details, bit 5 inherited); then epoch, position, time of making as varints; owner as length u8 and text. A marker ends here.
//! Then storage class u8, checksum u8 (0 none, else 1 + 2 x algorithm + type), size varint, MD5 16 bytes, parts varint, blob
//! id 16 bytes unless empty. With flag bit 4, details follow: a byte (bit 0 tags, bit 1 ACL, bit 2 governance, bit 3 compliance,
//! bit 4 legal hold, bit 5 ACL in the version's own event), then epoch and position of the event with the tags and of the one
//! with the ACL, then the end of retention, each as varints and only when there. Varints are LEB128. What a kind of row adds
//! stands behind it.

use event_log::Table;
use schemas::content::{ChecksumAlgorithm, ChecksumType, ETag, Root};
use schemas::event::{Retention, RetentionMode, StorageClass};
use schemas::{BlobId, BucketId, Epoch, EventId, ObjectKey, Position, TenantId, Time, UserId, VersionId};

use super::Row;
use crate::tables::{CATALOG, HISTORY, KIND_BYTES, Key, KeyReader, history};

/// A version that has content, as decisions and listings need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The event that made it: its record has the rest.
    pub made_by: EventId,
    /// When.
    pub modified: Time,
    /// Whether it is the `null` version.
    pub null: bool,
    /// Who owns it.
    pub owner: UserId,
    /// Storage class.
    pub storage_class: StorageClass,
    /// The checksum that the client chose.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Plaintext bytes.
    pub size_bytes: u64,
    /// Entity tag.
    pub etag: ETag,
    /// Where its bytes begin: whoever removes the version must find its reference without the log.
    pub root: Root,
    /// Whether it came with its key from a fork's base: the base keeps its content, under the base's key.
    pub inherited: bool,
    /// What can change while the version stays.
    pub details: Details,
}

impl Object {
    /// As a client knows it.
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::of(self.made_by, self.null)
    }
}

/// What can change of a version that stays. Tags and ACL stand in the records of the events named here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Details {
    /// The newest event that changed the tags; none when those of the version's own event hold.
    pub tags: Option<EventId>,
    /// The newest event that has an ACL, the version's own maybe; none when only its owner may do anything.
    pub acl: Option<EventId>,
    /// Until when it cannot be removed.
    pub retention: Option<Retention>,
    /// Whether it cannot be removed until somebody says so.
    pub legal_hold: bool,
}

/// A delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// The event that made it.
    pub made_by: EventId,
    /// When.
    pub modified: Time,
    /// Whether it is the `null` version.
    pub null: bool,
    /// Who deleted.
    pub owner: UserId,
}

/// A version or delete marker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// With content.
    Object(Object),
    /// Without.
    Marker(Marker),
}

impl Version {
    /// The event that made it.
    #[must_use]
    pub fn made_by(&self) -> EventId {
        match self {
            Version::Object(object) => object.made_by,
            Version::Marker(marker) => marker.made_by,
        }
    }

    /// When it was made.
    #[must_use]
    pub fn modified(&self) -> Time {
        match self {
            Version::Object(object) => object.modified,
            Version::Marker(marker) => marker.modified,
        }
    }

    /// Whether it is the `null` version.
    #[must_use]
    pub fn null(&self) -> bool {
        match self {
            Version::Object(object) => object.null,
            Version::Marker(marker) => marker.null,
        }
    }

    /// As a client knows it.
    #[must_use]
    pub fn id(&self) -> VersionId {
        VersionId::of(self.made_by(), self.null())
    }
}

/// What exists now under a key. A key whose latest version is a delete marker has no such row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The version.
    pub object: Object,
    /// Position since which it is current: that of its own event, or of the removal that uncovered it.
    pub since: Position,
}

impl Current {
    /// Key of the row: tenant, bucket, object key as it is.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey) -> Vec<u8> {
        Key::tenant(tenant).bucket(bucket).raw(key.as_str().as_bytes()).bytes()
    }

    /// What the keys of a bucket's rows begin with.
    #[must_use]
    pub fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::tenant(tenant).bucket(bucket).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<String> {
        String::from_utf8(KeyReader::behind(key, 16)?.rest().to_vec()).ok()
    }
}

/// A noncurrent version, or a delete marker, latest or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noncurrent {
    /// The version.
    pub version: Version,
    /// When another became the latest; none for a delete marker that is the latest.
    pub superseded: Option<Time>,
}

impl Noncurrent {
    /// Key of the row: tenant, kind, bucket, escaped object key, event newest first.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey, made_by: EventId) -> Vec<u8> {
        Self::of_object(tenant, bucket, key.as_str().as_bytes()).newest_first(made_by).bytes()
    }

    pub(crate) fn of_object(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Key {
        Key::kind(tenant, history::NONCURRENT).bucket(bucket).object(key)
    }

    /// What the keys of a bucket's rows begin with.
    #[must_use]
    pub fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::NONCURRENT).bucket(bucket).bytes()
    }

    /// Not after any row of an object key from `key` on, and after all rows of lesser ones.
    pub(crate) fn from_key(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Vec<u8> {
        Key::kind(tenant, history::NONCURRENT).bucket(bucket).escaped(key).bytes()
    }

    pub(crate) fn parse_key(key: &[u8]) -> Option<(String, EventId)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let object = String::from_utf8(reader.object()?).ok()?;
        let made_by = reader.newest_first()?;
        reader.end()?;
        Some((object, made_by))
    }
}

/// Where the `null` version of a key stands when it is not current, markers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NullPointer(pub EventId);
super::packed!(NullPointer, HISTORY, "null pointer");

impl NullPointer {
    /// Key of the row: tenant, kind, bucket, object key as it is.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey) -> Vec<u8> {
        Key::kind(tenant, history::NULL_POINTER).bucket(bucket).raw(key.as_str().as_bytes()).bytes()
    }
}

/// What was current in the positions from `valid_from` up to, and without, the one in its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// The version as it was.
    pub object: Object,
    /// First position at which it was current.
    pub valid_from: Position,
}

impl Past {
    /// Key of the row: tenant, kind, bucket, escaped object key, position at which it ended.
    #[must_use]
    pub fn key(tenant: TenantId, bucket: BucketId, key: &ObjectKey, valid_to: Position) -> Vec<u8> {
        Self::of_object(tenant, bucket, key.as_str().as_bytes()).number(valid_to.0).bytes()
    }

    pub(crate) fn of_object(tenant: TenantId, bucket: BucketId, key: &[u8]) -> Key {
        Key::kind(tenant, history::PAST).bucket(bucket).object(key)
    }

    /// What the keys of a bucket's rows begin with.
    #[must_use]
    pub fn prefix(tenant: TenantId, bucket: BucketId) -> Vec<u8> {
        Key::kind(tenant, history::PAST).bucket(bucket).bytes()
    }

    /// Object key and `valid_to` of a row's key; none when it is no such key.
    #[must_use]
    pub fn parse_key(key: &[u8]) -> Option<(String, Position)> {
        let mut reader = KeyReader::behind(key, KIND_BYTES + 8)?;
        let object = String::from_utf8(reader.object()?).ok()?;
        let valid_to = Position(reader.number()?);
        reader.end()?;
        Some((object, valid_to))
    }
}

impl Row for Current {
    const TABLE: Table = CATALOG;
    const WHAT: &'static str = "current version";

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        write_object(&mut out, &self.object);
        // Its own event's position nearly always: the difference is one byte.
        write_varint(&mut out, self.since.0.wrapping_sub(self.object.made_by.position.0));
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let object = reader.object()?;
        let since = Position(object.made_by.position.0.wrapping_add(reader.varint()?));
        reader.end()?;
        Some(Self { object, since })
    }
}

impl Row for Noncurrent {
    const TABLE: Table = HISTORY;
    const WHAT: &'static str = "noncurrent version";

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        match &self.version {
            Version::Object(object) => write_object(&mut out, object),
            Version::Marker(marker) => write_marker(&mut out, marker),
        }
        out.push(u8::from(self.superseded.is_some()));
        if let Some(time) = self.superseded {
            write_varint(&mut out, time.0);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let version = reader.version()?;
        let superseded = match reader.byte()? {
            0 => None,
            1 => Some(Time(reader.varint()?)),
            _ => return None,
        };
        reader.end()?;
        Some(Self { version, superseded })
    }
}

impl Row for Past {
    const TABLE: Table = HISTORY;
    const WHAT: &'static str = "past version";

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        write_object(&mut out, &self.object);
        write_varint(&mut out, self.valid_from.0);
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let object = reader.object()?;
        let valid_from = Position(reader.varint()?);
        reader.end()?;
        Some(Self { object, valid_from })
    }
}

impl Version {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        match self {
            Version::Object(object) => write_object(&mut out, object),
            Version::Marker(marker) => write_marker(&mut out, marker),
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let version = reader.version()?;
        reader.end()?;
        Some(version)
    }
}

const FORMAT: u8 = 1;
const NULL: u8 = 1;
const MARKER: u8 = 8;
const DETAILS: u8 = 16;
const INHERITED: u8 = 32;

/// Bits of the byte that details begin with. Part of the format.
mod detail {
    pub(super) const TAGS: u8 = 1;
    pub(super) const ACL: u8 = 2;
    pub(super) const GOVERNANCE: u8 = 4;
    pub(super) const COMPLIANCE: u8 = 8;
    /// The two bits are a number: its third value.
    pub(super) const AUDIT_TRAIL: u8 = GOVERNANCE | COMPLIANCE;
    pub(super) const LEGAL_HOLD: u8 = 16;
    pub(super) const OWN_ACL: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

/// Numbers of storage classes. Part of the format.
const STORAGE_CLASSES: [StorageClass; 5] = [
    StorageClass::Standard,
    StorageClass::ReducedRedundancy,
    StorageClass::StandardIa,
    StorageClass::OnezoneIa,
    StorageClass::IntelligentTiering,
];

/// Numbers of checksum kinds, from 1. Part of the format.
const CHECKSUMS: [(ChecksumAlgorithm, ChecksumType); 10] = [
    (ChecksumAlgorithm::Crc32, ChecksumType::Composite),
    (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
    (ChecksumAlgorithm::Crc32c, ChecksumType::Composite),
    (ChecksumAlgorithm::Crc32c, ChecksumType::FullObject),
    (ChecksumAlgorithm::Crc64Nvme, ChecksumType::Composite),
    (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
    (ChecksumAlgorithm::Sha1, ChecksumType::Composite),
    (ChecksumAlgorithm::Sha1, ChecksumType::FullObject),
    (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
    (ChecksumAlgorithm::Sha256, ChecksumType::FullObject),
];

/// Place of an item in one of the short tables above.
fn number_of<T: PartialEq>(table: &[T], item: &T) -> u8 {
    let place = table.iter().position(|other| other == item).expect("the table has every item");
    u8::try_from(place).expect("the table is short")
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_head(out: &mut Vec<u8>, flags: u8, made_by: EventId, modified: Time, owner: &UserId) {
    out.extend([FORMAT, flags]);
    write_varint(out, u64::from(made_by.epoch.0));
    write_varint(out, made_by.position.0);
    write_varint(out, modified.0);
    out.push(u8::try_from(owner.as_str().len()).expect("a user id has at most 128 bytes"));
    out.extend(owner.as_str().as_bytes());
}

fn write_marker(out: &mut Vec<u8>, marker: &Marker) {
    write_head(out, MARKER | u8::from(marker.null), marker.made_by, marker.modified, &marker.owner);
}

fn write_object(out: &mut Vec<u8>, object: &Object) {
    let root = match object.root {
        Root::Empty => 0,
        Root::Blob(_) => 1,
        Root::Manifest(_) => 2,
    };
    let details = if object.details == Details::default() { 0 } else { DETAILS };
    let inherited = if object.inherited { INHERITED } else { 0 };
    let flags = u8::from(object.null) | root << 1 | details | inherited;
    write_head(out, flags, object.made_by, object.modified, &object.owner);
    out.push(number_of(&STORAGE_CLASSES, &object.storage_class));
    out.push(object.checksum.map_or(0, |kind| 1 + number_of(&CHECKSUMS, &kind)));
    write_varint(out, object.size_bytes);
    out.extend(object.etag.md5);
    write_varint(out, u64::from(object.etag.parts));
    if let Some(blob) = object.root.blob() {
        out.extend(blob.0);
    }
    if details != 0 {
        write_details(out, object.made_by, &object.details);
    }
}

fn write_event(out: &mut Vec<u8>, event: EventId) {
    write_varint(out, u64::from(event.epoch.0));
    write_varint(out, event.position.0);
}

fn write_details(out: &mut Vec<u8>, made_by: EventId, details: &Details) {
    let acl = details.acl.filter(|event| *event != made_by);
    let bits = [
        (details.tags.is_some(), detail::TAGS),
        (acl.is_some(), detail::ACL),
        (details.legal_hold, detail::LEGAL_HOLD),
        (details.acl == Some(made_by), detail::OWN_ACL),
    ];
    let mode = details.retention.map_or(0, |retention| match retention.mode {
        RetentionMode::Governance => detail::GOVERNANCE,
        RetentionMode::Compliance => detail::COMPLIANCE,
        RetentionMode::AuditTrail => detail::AUDIT_TRAIL,
    });
    out.push(bits.into_iter().filter(|(set, _)| *set).fold(mode, |byte, (_, bit)| byte | bit));
    for event in details.tags.into_iter().chain(acl) {
        write_event(out, event);
    }
    if let Some(retention) = details.retention {
        write_varint(out, retention.until.0);
    }
}

/// Takes fields off a row; none when they are not there.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn user(&mut self) -> Option<UserId> {
        let length = usize::from(self.byte()?);
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        UserId::parse(std::str::from_utf8(text).ok()?).ok()
    }

    fn version(&mut self) -> Option<Version> {
        if self.byte()? != FORMAT {
            return None;
        }
        let flags = self.byte()?;
        let null = flags & NULL != 0;
        let made_by = self.event()?;
        let modified = Time(self.varint()?);
        let owner = self.user()?;
        if flags & !NULL == MARKER {
            return Some(Version::Marker(Marker { made_by, modified, null, owner }));
        }
        let storage_class = *STORAGE_CLASSES.get(usize::from(self.byte()?))?;
        let checksum = match self.byte()? {
            0 => None,
            number => Some(*CHECKSUMS.get(usize::from(number) - 1)?),
        };
        let size_bytes = self.varint()?;
        let etag = ETag { md5: self.array()?, parts: u32::try_from(self.varint()?).ok()? };
        let root = match (flags & !DETAILS & !INHERITED) >> 1 {
            0 => Root::Empty,
            1 => Root::Blob(BlobId(self.array()?)),
            2 => Root::Manifest(BlobId(self.array()?)),
            _ => return None,
        };
        let details = if flags & DETAILS == 0 { Details::default() } else { self.details(made_by)? };
        let inherited = flags & INHERITED != 0;
        let object = Object {
            made_by,
            modified,
            null,
            owner,
            storage_class,
            checksum,
            size_bytes,
            etag,
            root,
            inherited,
            details,
        };
        Some(Version::Object(object))
    }

    fn event(&mut self) -> Option<EventId> {
        let epoch = Epoch(u32::try_from(self.varint()?).ok()?);
        Some(EventId { epoch, position: Position(self.varint()?) })
    }

    fn details(&mut self, made_by: EventId) -> Option<Details> {
        let bits = self.byte()?;
        if bits & !detail::ALL != 0 || bits & (detail::ACL | detail::OWN_ACL) == detail::ACL | detail::OWN_ACL {
            return None;
        }
        let tags = if bits & detail::TAGS != 0 { Some(self.event()?) } else { None };
        let acl = if bits & detail::ACL != 0 { Some(self.event()?) } else { None };
        let mode = match bits & detail::AUDIT_TRAIL {
            detail::GOVERNANCE => Some(RetentionMode::Governance),
            detail::COMPLIANCE => Some(RetentionMode::Compliance),
            detail::AUDIT_TRAIL => Some(RetentionMode::AuditTrail),
            _ => None,
        };
        let retention = match mode {
            Some(mode) => Some(Retention { mode, until: Time(self.varint()?) }),
            None => None,
        };
        let acl = if bits & detail::OWN_ACL != 0 { Some(made_by) } else { acl };
        Some(Details { tags, acl, retention, legal_hold: bits & detail::LEGAL_HOLD != 0 })
    }

    fn object(&mut self) -> Option<Object> {
        match self.version()? {
            Version::Object(object) => Some(object),
            Version::Marker(_) => None,
        }
    }

    fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{checksum_kind, etag, event_id, object_key, reads_back, root, storage_class, user};
    use super::*;

    fn object() -> impl Strategy<Value = Object> {
        let content = (storage_class(), checksum_kind(), any::<u64>(), etag(), root(), any::<bool>());
        (event_id(), any::<u64>(), any::<bool>(), user(), content).prop_map(
            |(made_by, modified, null, owner, (storage_class, checksum, size_bytes, etag, root, inherited))| Object {
                made_by,
                modified: Time(modified),
                null,
                owner,
                storage_class,
                checksum,
                size_bytes,
                etag,
                root,
                inherited,
                details: Details::default(),
            },
        )
    }

    /// Half of all versions have some.
    fn details() -> impl Strategy<Value = Details> {
        let mode = prop::sample::select(RetentionMode::ALL.as_slice());
        let retention = (mode, any::<u64>()).prop_map(|(mode, until)| Retention { mode, until: Time(until) });
        let some =
            (prop::option::of(event_id()), prop::option::of(event_id()), prop::option::of(retention), any::<bool>())
                .prop_map(|(tags, acl, retention, legal_hold)| Details { tags, acl, retention, legal_hold });
        prop_oneof![Just(Details::default()), some]
    }

    fn amended() -> impl Strategy<Value = Object> {
        (object(), details(), any::<bool>()).prop_map(|(object, details, own_acl)| {
            let acl = if own_acl { Some(object.made_by) } else { details.acl };
            Object { details: Details { acl, ..details }, ..object }
        })
    }

    fn version() -> impl Strategy<Value = Version> {
        let marker = (event_id(), any::<u64>(), any::<bool>(), user()).prop_map(|(made_by, modified, null, owner)| {
            Version::Marker(Marker { made_by, modified: Time(modified), null, owner })
        });
        prop_oneof![amended().prop_map(Version::Object), marker]
    }

    proptest! {
        #[test]
        fn rows_read_back(object in amended(), version in version(), position: u64, superseded: Option<u64>, id in event_id()) {
            reads_back(&Current { object: object.clone(), since: Position(position) });
            reads_back(&Past { object, valid_from: Position(position) });
            reads_back(&Noncurrent { version, superseded: superseded.map(Time) });
            reads_back(&NullPointer(id));
        }

        #[test]
        fn keys_read_back(key in object_key(), id in event_id()) {
            let (tenant, bucket, text) = (TenantId(3), BucketId(4), key.as_str().to_owned());
            prop_assert_eq!(Current::parse_key(&Current::key(tenant, bucket, &key)), Some(text.clone()));
            prop_assert_eq!(Noncurrent::parse_key(&Noncurrent::key(tenant, bucket, &key, id)), Some((text.clone(), id)));
            prop_assert_eq!(Past::parse_key(&Past::key(tenant, bucket, &key, id.position)), Some((text, id.position)));
        }

        #[test]
        fn no_bytes_make_a_row_panic(bytes: Vec<u8>) {
            let _ = (Current::decode(&bytes), Noncurrent::decode(&bytes), Past::decode(&bytes));
        }
    }

    #[test]
    fn the_largest_current_row_has_at_most_200_bytes_without_details_and_26_more_with_them() {
        let position = Position((1 << 49) - 1);
        let event = EventId { epoch: Epoch(127), position };
        let object = Object {
            made_by: EventId { epoch: Epoch(127), position },
            modified: Time(9_000_000_000_000_000), // the year 2255
            null: true,
            owner: UserId::parse(&"o".repeat(128)).expect("a user"),
            storage_class: StorageClass::IntelligentTiering,
            checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
            size_bytes: 5 << 40,
            etag: ETag { md5: [9; 16], parts: 10_000 },
            root: Root::Manifest(BlobId([8; 16])),
            inherited: false,
            details: Details::default(),
        };
        let since = Position(position.0 * 2);
        let bytes = Current { object: object.clone(), since }.encode();
        assert!(bytes.len() <= 200, "{} bytes", bytes.len());
        let until = Time(9_000_000_000_000_000);
        let details = Details {
            tags: Some(event),
            acl: Some(EventId { epoch: Epoch(126), position }),
            retention: Some(Retention { mode: RetentionMode::Compliance, until }),
            legal_hold: true,
        };
        let bytes = Current { object: Object { details, ..object }, since }.encode();
        assert!(bytes.len() <= 226, "{} bytes", bytes.len());
    }
}
