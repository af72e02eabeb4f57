//! Completing an upload: from the parts a client names to the commit of an object.

use std::collections::BTreeMap;

use schemas::EventId;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag};
use schemas::event::{Cause, CommittedPart};

use super::{Open, State};
use crate::object::Commit;
use crate::{Conditions, Refusal, lock};

/// Bounds on what is assembled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fewest bytes of every part but the last.
    pub part_bytes_min: u64,
    /// Most bytes of an object.
    pub object_bytes_max: u64,
}

impl Limits {
    /// S3's: 5 MiB and 5 TiB.
    pub const S3: Self = Self { part_bytes_min: 5 << 20, object_bytes_max: 5 << 40 };
}

/// A part as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// The event that staged it.
    pub staged_by: EventId,
    /// The bytes.
    pub content: Content,
    /// MD5 of the bytes.
    pub etag: ETag,
    /// Checksums of the bytes.
    pub checksums: Vec<Checksum>,
}

/// A part as the client names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// As the client sent it, quotes or not.
    pub etag: String,
    /// Checksum that the client repeats, if it does.
    pub checksum: Option<(ChecksumAlgorithm, Vec<u8>)>,
}

/// A checksum of the whole object, as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Which function.
    pub algorithm: ChecksumAlgorithm,
    /// The digest, big-endian.
    pub digest: Vec<u8>,
    /// The number behind the `-` of a composite checksum, if the client sent it.
    pub parts: Option<u32>,
}

/// What the client says an upload is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// Parts in the client's order.
    pub parts: Vec<NamedPart>,
    /// Checksum of the object, if sent.
    pub checksum: Option<ObjectChecksum>,
    /// Type of the object's checksum, if sent: must be the upload's.
    pub checksum_type: Option<ChecksumType>,
    /// Bytes of the object, if announced: must be the sum.
    pub size_bytes: Option<u64>,
    /// Bounds.
    pub limits: Limits,
}

/// Parts that make an object, in order. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembly {
    /// The parts.
    pub parts: Vec<StagedPart>,
    /// Bytes of them all.
    pub size_bytes: u64,
    /// The object's checksum: the one agreed, or CRC64NVME over the object, as S3 has it since 2024.
    pub checksum: (ChecksumAlgorithm, ChecksumType),
    /// Whether it was agreed: the client then chose it.
    pub agreed: bool,
}

/// A part's digest, and the bytes it is over: CRCs combine with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartDigest<'a> {
    /// Big-endian.
    pub digest: &'a [u8],
    /// Bytes of the part.
    pub size_bytes: u64,
}

/// What the pipeline made of an [`Assembly`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The bytes.
    pub content: Content,
    /// The MD5 of the parts' MD5s, and their number.
    pub etag: ETag,
    /// Checksums of the object.
    pub checksums: Vec<Checksum>,
}

/// Checks a completion against the parts that were staged (all of them, or all that it names).
///
/// # Errors
/// [`Refusal::NoSuchUpload`]; [`Refusal::InvalidRequest`] for an empty list, another checksum type or algorithm than the
/// upload's, or another size than announced; [`Refusal::InvalidPartOrder`]; [`Refusal::InvalidPart`];
/// [`Refusal::EntityTooSmall`]; [`Refusal::EntityTooLarge`].
pub fn assemble(state: &State, staged: &[StagedPart], completion: &Completion) -> Result<Assembly, Refusal> {
    let State::Open(open) = state else { return Err(Refusal::NoSuchUpload) };
    check_checksum(open, completion)?;
    if completion.parts.is_empty() {
        return Err(Refusal::InvalidRequest { reason: "a completion names at least one part" });
    }
    if !completion.parts.is_sorted_by(|a, b| a.number < b.number) {
        return Err(Refusal::InvalidPartOrder);
    }
    let parts = select(staged, &completion.parts)?;
    let size_bytes = check_sizes(&parts, completion)?;
    let checksum = open.checksum.unwrap_or((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
    Ok(Assembly { parts, size_bytes, checksum, agreed: open.checksum.is_some() })
}

fn check_checksum(open: &Open, completion: &Completion) -> Result<(), Refusal> {
    let (algorithm, covers) = open.checksum.unwrap_or((ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject));
    if completion.checksum_type.is_some_and(|sent| sent != covers) {
        return Err(Refusal::InvalidRequest { reason: "the checksum type is not the upload's" });
    }
    if completion.checksum.as_ref().is_some_and(|sent| sent.algorithm != algorithm) {
        return Err(Refusal::InvalidRequest { reason: "the checksum is not of the upload's algorithm" });
    }
    Ok(())
}

fn select(staged: &[StagedPart], named: &[NamedPart]) -> Result<Vec<StagedPart>, Refusal> {
    let by_number: BTreeMap<u16, &StagedPart> = staged.iter().map(|part| (part.number, part)).collect();
    let parts = named.iter().map(|named| match by_number.get(&named.number) {
        Some(part) if part.is(named) => Ok((*part).clone()),
        _ => Err(Refusal::InvalidPart { number: named.number }),
    });
    parts.collect()
}

impl StagedPart {
    /// Whether it is the part that the client means. A checksum that was never kept cannot be vouched for.
    fn is(&self, named: &NamedPart) -> bool {
        let repeated = named
            .checksum
            .as_ref()
            .is_none_or(|(algorithm, digest)| self.digest(*algorithm).is_some_and(|kept| kept == digest));
        ETag::parse(&named.etag) == Some(self.etag) && repeated
    }

    fn digest(&self, algorithm: ChecksumAlgorithm) -> Option<&[u8]> {
        let checksum = self.checksums.iter().find(|checksum| checksum.algorithm == algorithm)?;
        Some(&checksum.digest)
    }
}

fn check_sizes(parts: &[StagedPart], completion: &Completion) -> Result<u64, Refusal> {
    let Limits { part_bytes_min, object_bytes_max } = completion.limits;
    let all_but_last = &parts[..parts.len().saturating_sub(1)];
    if let Some(part) = all_but_last.iter().find(|part| part.content.size_bytes < part_bytes_min) {
        let (number, size_bytes) = (part.number, part.content.size_bytes);
        return Err(Refusal::EntityTooSmall { number, size_bytes, bound_bytes: part_bytes_min });
    }
    let size_bytes = parts.iter().fold(0, |sum: u64, part| sum.saturating_add(part.content.size_bytes));
    if size_bytes > object_bytes_max {
        return Err(Refusal::EntityTooLarge { size_bytes, bound_bytes: object_bytes_max });
    }
    if completion.size_bytes.is_some_and(|announced| announced != size_bytes) {
        return Err(Refusal::InvalidRequest { reason: "the parts do not have the size that was announced" });
    }
    Ok(size_bytes)
}

/// Most bytes that the list of parts may take in an event, so that there is room for usual metadata and tags beside it. Whether
/// it fits beside the actual ones is seen in the commit.
const COMMITTED_PARTS_BYTES_MAX: usize = 36 << 10;

/// Bytes of one [`CommittedPart`] in MessagePack, names included, without its digest.
const COMMITTED_PART_BYTES: usize = 42;

impl Assembly {
    /// The parts' MD5s in order: the ETag is the MD5 of them all, one after the other.
    pub fn md5s(&self) -> impl Iterator<Item = &[u8; 16]> {
        self.parts.iter().map(|part| &part.etag.md5)
    }

    /// The parts' digests of an algorithm in order; none if any part lacks it.
    #[must_use]
    pub fn digests(&self, algorithm: ChecksumAlgorithm) -> Option<Vec<PartDigest<'_>>> {
        self.parts
            .iter()
            .map(|part| Some(PartDigest { digest: part.digest(algorithm)?, size_bytes: part.content.size_bytes }))
            .collect()
    }

    /// Number of parts.
    #[must_use]
    pub fn parts_count(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The parts as the event keeps them: number, size and digest of the object's checksum algorithm. Empty when they do
    /// not fit; sizes are then in the manifest alone, and the parts' digests are not kept.
    #[must_use]
    pub fn committed_parts(&self) -> Vec<CommittedPart> {
        let digest_bytes = if self.agreed { self.checksum.0.digest_bytes() } else { 0 };
        if self.parts.len() > COMMITTED_PARTS_BYTES_MAX / (COMMITTED_PART_BYTES + digest_bytes) {
            return vec![];
        }
        let digest = |part: &StagedPart| match self.agreed {
            true => part.digest(self.checksum.0).unwrap_or_default().to_vec(),
            false => vec![],
        };
        let part = |part: &StagedPart| CommittedPart {
            number: part.number,
            size_bytes: part.content.size_bytes,
            digest: digest(part),
        };
        self.parts.iter().map(part).collect()
    }

    /// Compares the object's checksum with the one that the client sent.
    ///
    /// # Errors
    /// [`Refusal::ChecksumMismatch`].
    pub fn verify(&self, sent: Option<&ObjectChecksum>, computed: &Checksum) -> Result<(), Refusal> {
        let Some(sent) = sent else { return Ok(()) };
        let same = sent.algorithm == computed.algorithm
            && sent.digest == computed.digest
            && sent.parts.is_none_or(|parts| parts == computed.parts);
        if same { Ok(()) } else { Err(Refusal::ChecksumMismatch { algorithm: sent.algorithm.as_str() }) }
    }

    /// The commit that completes the upload.
    #[must_use]
    pub fn commit(&self, open: &Open, assembled: Assembled, conditions: Conditions) -> Commit {
        let Assembled { content, etag, checksums } = assembled;
        let (algorithm, covers) = self.checksum;
        let chosen = |checksum: &Checksum| checksum.algorithm == algorithm && checksum.covers == covers;
        let chosen_checksum = match self.agreed {
            true => checksums.iter().position(chosen).and_then(|index| u8::try_from(index).ok()),
            false => None,
        };
        Commit {
            conditions,
            content,
            etag,
            checksums,
            chosen_checksum,
            metadata: open.metadata.clone(),
            owner: open.owner.clone(),
            storage_class: open.storage_class,
            encryption: open.encryption.clone(),
            cause: Cause::CompleteMultipartUpload,
            upload: Some(open.upload),
            parts: self.committed_parts(),
            source: None,
            tags: open.tags.clone(),
            lock: lock::Asked { retention: open.retention, legal_hold: open.legal_hold.then_some(true) },
            acl: open.acl.clone(),
        }
    }
}
