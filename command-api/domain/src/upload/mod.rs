//! Multipart uploads: begun, filled part by part, then completed or given up.
//!
//! Owns: the life of an upload, which checksum suits it, which parts make an object.
//! Does not own: digests and manifests. A completion is decided in three steps, so that no digest is needed here:
//!
//! 1. [`assemble`] checks the parts that the client named against the staged ones and says in which order they go: their
//!    MD5s, their digests, their content.
//! 2. The pipeline computes from these the ETag (MD5 of the MD5s), the object's checksum (composite, or CRCs combined)
//!    and the manifest; [`Assembly::verify`] compares the checksum with the one the client sent.
//! 3. [`Assembly::commit`] makes of it an [`crate::object::Commit`], decided by [`crate::object::decide`] with the object's
//!    conditions. Its event ends the upload: there is no other.

use std::collections::BTreeMap;

use schemas::acl::Acl;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType, Content, ETag};
use schemas::event::{
    Encryption, Event, Metadata, PartStaged, PartsCleared, StorageClass, UploadAborted, UploadCreated,
};
use schemas::{Time, UploadId, UserId};

use crate::lock::{self, BucketLock};
use crate::{Refusal, validate};

mod completion;
#[cfg(test)]
mod tests;

pub use completion::{
    Assembled, Assembly, Completion, Limits, NamedPart, ObjectChecksum, PartDigest, StagedPart, assemble,
};

/// Highest part number.
pub const PART_NUMBER_MAX: u16 = 10_000;

/// Most bytes of one part: 5 GiB.
pub const PART_BYTES_MAX: u64 = 5 << 30;

/// Most parts in one [`PartsCleared`]. Part of its format.
pub const CLEARED_MAX: usize = 100;

/// What a decision about one upload needs to know. Staged parts come with the completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is no such upload of this key.
    Absent,
    /// Parts can be staged.
    Open(Box<Open>),
    /// Completed or given up; parts may be left to clear.
    Ended {
        /// Its id.
        upload: UploadId,
    },
}

/// An upload in progress: what its first event says of it.
pub type Open = UploadCreated;

/// What may be asked of an upload. (Completion: see the module.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Begin it.
    Create(Box<Create>),
    /// Keep a part whose bytes are durable already. It replaces an earlier one of its number.
    StagePart(StagePart),
    /// Give it up.
    Abort,
    /// Forget parts of an upload that has ended. Nothing happens while it is open, or when it is forgotten.
    ClearParts {
        /// Numbers of the parts.
        numbers: Vec<u16>,
        /// Whether none is left: the upload is forgotten too.
        last: bool,
    },
}

/// A new upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Its id: random, never used before.
    pub upload: UploadId,
    /// Who begins it.
    pub initiator: UserId,
    /// Who will own the object.
    pub owner: UserId,
    /// What the client says about the object.
    pub metadata: Metadata,
    /// Storage class of the object.
    pub storage_class: StorageClass,
    /// Encryption of the object.
    pub encryption: Encryption,
    /// The checksum of the parts: algorithm, and type if the client named one.
    pub checksum: Option<(ChecksumAlgorithm, Option<ChecksumType>)>,
    /// Tags of the object.
    pub tags: BTreeMap<String, String>,
    /// What keeps the object from being removed.
    pub lock: lock::Asked,
    /// Access control list of the object; none when only its owner may do anything.
    pub acl: Option<Acl>,
    /// Whether the bucket is there.
    pub bucket_exists: bool,
    /// Whether its versions can be locked.
    pub bucket_lock: BucketLock,
    /// By the retention clock.
    pub now: Time,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePart {
    /// 1 to 10,000.
    pub number: u16,
    /// The bytes.
    pub content: Content,
    /// MD5 of the bytes.
    pub etag: ETag,
    /// Checksums of the bytes: CRC64NVME, the upload's own, and any other that the client sent.
    pub checksums: Vec<Checksum>,
    /// The algorithm that the client sent a checksum of, if it did.
    pub sent: Option<ChecksumAlgorithm>,
}

/// The type of an upload's checksum: the one named, if it suits, else the algorithm's default. CRCs of parts combine into
/// that of the object and hashes do not; CRC64NVME is never composite.
///
/// # Errors
/// [`Refusal::InvalidRequest`].
pub fn checksum_type(algorithm: ChecksumAlgorithm, named: Option<ChecksumType>) -> Result<ChecksumType, Refusal> {
    use ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    match (algorithm, named) {
        (Crc64Nvme, Some(ChecksumType::Composite)) => {
            Err(Refusal::InvalidRequest { reason: "the COMPOSITE checksum type cannot be used with CRC64NVME" })
        }
        (Sha1 | Sha256, Some(ChecksumType::FullObject)) => {
            Err(Refusal::InvalidRequest { reason: "the FULL_OBJECT checksum type cannot be used with SHA1 or SHA256" })
        }
        (_, Some(named)) => Ok(named),
        (Crc64Nvme, None) => Ok(ChecksumType::FullObject),
        (Crc32 | Crc32c | Sha1 | Sha256, None) => Ok(ChecksumType::Composite),
    }
}

/// # Errors
/// [`Refusal::NoSuchBucket`], [`Refusal::NoSuchUpload`], [`Refusal::InvalidRequest`], [`Refusal::EntityTooLarge`],
/// [`Refusal::MetadataTooLarge`], [`Refusal::InvalidTag`], [`Refusal::InvalidArgument`].
pub fn decide(state: &State, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (State::Absent, Command::Create(create)) => self::create(*create),
        (State::Open(_) | State::Ended { .. }, Command::Create(_)) => {
            Err(Refusal::InvalidRequest { reason: "the upload id is taken" })
        }
        (State::Open(open), Command::StagePart(part)) => stage_part(open, part),
        (State::Open(open), Command::Abort) => Ok(vec![UploadAborted { upload: open.upload }.into()]),
        (State::Absent | State::Ended { .. }, Command::StagePart(_) | Command::Abort) => Err(Refusal::NoSuchUpload),
        (State::Ended { upload }, Command::ClearParts { numbers, last }) => Ok(clear_parts(*upload, &numbers, last)),
        (State::Absent | State::Open(_), Command::ClearParts { .. }) => Ok(vec![]),
    }
}

fn create(create: Create) -> Result<Vec<Event>, Refusal> {
    if !create.bucket_exists {
        return Err(Refusal::NoSuchBucket);
    }
    validate::metadata(&create.metadata)?;
    validate::tags(&create.tags)?;
    create.bucket_lock.check(&create.lock, create.now)?;
    let checksum = match create.checksum {
        Some((algorithm, named)) => Some((algorithm, checksum_type(algorithm, named)?)),
        None => None,
    };
    let Create { upload, initiator, owner, metadata, storage_class, encryption, tags, .. } = create;
    let lock::Asked { retention, legal_hold } = create.lock;
    let Create { acl, .. } = create;
    let created = UploadCreated {
        upload,
        initiator,
        owner,
        metadata,
        storage_class,
        encryption,
        checksum,
        tags,
        retention,
        legal_hold: legal_hold.unwrap_or(false),
        acl,
    };
    Ok(vec![created.into()])
}

fn stage_part(open: &Open, part: StagePart) -> Result<Vec<Event>, Refusal> {
    if !(1..=PART_NUMBER_MAX).contains(&part.number) {
        return Err(Refusal::InvalidRequest { reason: "a part number is an integer from 1 to 10000" });
    }
    if part.content.size_bytes > PART_BYTES_MAX {
        let (size_bytes, bound_bytes) = (part.content.size_bytes, PART_BYTES_MAX);
        return Err(Refusal::EntityTooLarge { size_bytes, bound_bytes });
    }
    if let Some((agreed, _)) = open.checksum {
        if part.sent.is_some_and(|sent| sent != agreed) {
            return Err(Refusal::InvalidRequest { reason: "the part's checksum is not of the upload's algorithm" });
        }
        if !part.checksums.iter().any(|checksum| checksum.algorithm == agreed) {
            return Err(Refusal::InvalidRequest { reason: "the part has no checksum of the upload's algorithm" });
        }
    }
    let StagePart { number, content, etag, checksums, .. } = part;
    Ok(vec![PartStaged { upload: open.upload, number, content, etag, checksums }.into()])
}

fn clear_parts(upload: UploadId, numbers: &[u16], last: bool) -> Vec<Event> {
    let cleared = |numbers: &[u16], last| PartsCleared { upload, numbers: numbers.to_vec(), last }.into();
    let chunks = numbers.chunks(CLEARED_MAX);
    let count = chunks.len();
    match count {
        0 if last => vec![cleared(&[], true)],
        _ => chunks.enumerate().map(|(index, chunk)| cleared(chunk, last && index + 1 == count)).collect(),
    }
}

/// The state after an event. Events that do not concern it change nothing.
#[must_use]
pub fn evolve(state: State, event: &Event) -> State {
    match (state, event) {
        (State::Absent, Event::UploadCreated(created)) => State::Open(Box::new(created.clone())),
        (State::Open(open), Event::UploadAborted(aborted)) if aborted.upload == open.upload => {
            State::Ended { upload: open.upload }
        }
        (State::Open(open), Event::VersionCommitted(committed)) if committed.upload == Some(open.upload) => {
            State::Ended { upload: open.upload }
        }
        (State::Ended { upload }, Event::PartsCleared(cleared)) if cleared.upload == upload && cleared.last => {
            State::Absent
        }
        (state, _) => state,
    }
}
