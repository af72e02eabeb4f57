//! Digests of a body while it passes: MD5 for the ETag, CRC64NVME always, and what the client chose or signed.
//!
//! Owns: computing and comparing.
//! Does not own: which thread does it and for whom at once (`hashers`), the digests of single blobs (de-duplication).

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use domain::Refusal;
use md5::Digest as _;
use schemas::content::{Checksum, ChecksumAlgorithm, ChecksumType};
use sha1::Sha1;
use sha2::Sha256;

use super::md5::{Md5, update_all};
use crate::api::{Digests, ExpectedDigest};

/// Bodies that are hashed side by side take turns by so many bytes: what one function has read is still in the processor's cache for the next.
const TURN_BYTES: usize = 32 << 10;

/// One of the five functions at work.
pub(crate) enum Hasher {
    Crc { crc: Box<Crc>, bytes: usize },
    Sha1(Box<Sha1>),
    Sha256(Box<Sha256>),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |which| Self::Crc { crc: Box::new(Crc::new(which)), bytes: algorithm.digest_bytes() };
        match algorithm {
            ChecksumAlgorithm::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => Self::Sha1(Box::default()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Box::default()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc { crc, .. } => crc.update(bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc { crc, bytes } => crc.finalize().to_be_bytes()[8 - bytes..].to_vec(),
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        }
    }
}

/// A digest of bytes at hand.
pub(crate) fn digest(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// CRC of two stretches of bytes from the CRCs of each; none for a function that cannot.
pub(crate) fn combine(algorithm: ChecksumAlgorithm, first: &[u8], second: &[u8], second_bytes: u64) -> Option<Vec<u8>> {
    let which = match algorithm {
        ChecksumAlgorithm::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
        ChecksumAlgorithm::Crc32c => CrcAlgorithm::Crc32Iscsi,
        ChecksumAlgorithm::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => return None,
    };
    let number = |digest: &[u8]| digest.iter().fold(0_u64, |number, &byte| number << 8 | u64::from(byte));
    let combined = crc_fast::checksum_combine(which, number(first), number(second), second_bytes);
    Some(combined.to_be_bytes()[8 - algorithm.digest_bytes()..].to_vec())
}

/// MD5 of bytes at hand.
pub(crate) fn md5_of(bytes: &[u8]) -> [u8; 16] {
    md5::Md5::digest(bytes).into()
}

/// Every digest that one body needs.
pub(crate) struct BodyHasher {
    md5: Md5,
    crc64: Hasher,
    chosen: Vec<(ChecksumAlgorithm, Hasher)>,
    sha256: Option<Sha256>,
    size_bytes: u64,
}

/// What a body turned out to be.
#[derive(Debug, Clone)]
pub(crate) struct Hashed {
    pub(crate) md5: [u8; 16],
    /// CRC64NVME first, then those of the chosen ones that are others.
    pub(crate) checksums: Vec<Checksum>,
    /// Index of the one that was chosen first.
    pub(crate) chosen: Option<u8>,
    /// Computed if the client sent one.
    pub(crate) sha256: Option<[u8; 32]>,
    pub(crate) size_bytes: u64,
}

impl BodyHasher {
    /// `also` is a checksum to compute beside the one the client named: an upload's own algorithm.
    pub(crate) fn new(digests: &Digests, also: Option<ChecksumAlgorithm>) -> Self {
        let named = digests.checksums.iter().map(|(algorithm, _)| *algorithm);
        let chosen = named.chain(also.filter(|_| digests.checksums.is_empty()));
        let chosen = chosen.filter(|algorithm| *algorithm != ChecksumAlgorithm::Crc64Nvme);
        Self {
            md5: Md5::new(),
            crc64: Hasher::new(ChecksumAlgorithm::Crc64Nvme),
            chosen: chosen.map(|algorithm| (algorithm, Hasher::new(algorithm))).collect(),
            sha256: digests.sha256.map(|_| Sha256::new()),
            size_bytes: 0,
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.update_others(bytes);
    }

    /// Updates each with its bytes, in less time than one after the other.
    pub(crate) fn update_all(work: &mut [(Self, Vec<Bytes>)]) {
        if let [(hasher, chunks)] = work {
            return chunks.iter().for_each(|chunk| hasher.update(chunk));
        }
        let of = |(hasher, chunks)| Turns { hasher, chunks, now: &[] };
        let mut all: Vec<Turns<'_>> = work.iter_mut().map(|(hasher, chunks)| of((hasher, chunks.iter()))).collect();
        loop {
            let turns: Vec<&[u8]> = all.iter_mut().map(Turns::next).collect();
            if turns.iter().all(|turn| turn.is_empty()) {
                return;
            }
            update_all(all.iter_mut().zip(&turns).map(|(one, turn)| (&mut one.hasher.md5, *turn)));
            all.iter_mut().zip(&turns).for_each(|(one, turn)| one.hasher.update_others(turn));
        }
    }

    /// All but MD5.
    fn update_others(&mut self, bytes: &[u8]) {
        self.crc64.update(bytes);
        self.chosen.iter_mut().for_each(|(_, hasher)| hasher.update(bytes));
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        self.size_bytes += bytes.len() as u64;
    }

    pub(crate) fn finish(self, named: Option<ChecksumAlgorithm>) -> Hashed {
        let full = |algorithm, digest| Checksum { algorithm, covers: ChecksumType::FullObject, digest, parts: 0 };
        let mut checksums = vec![full(ChecksumAlgorithm::Crc64Nvme, self.crc64.finish())];
        checksums.extend(self.chosen.into_iter().map(|(algorithm, hasher)| full(algorithm, hasher.finish())));
        let chosen = named.and_then(|named| checksums.iter().position(|checksum| checksum.algorithm == named));
        Hashed {
            md5: self.md5.finish(),
            checksums,
            chosen: chosen.and_then(|index| u8::try_from(index).ok()),
            sha256: self.sha256.map(|hash| hash.finalize().into()),
            size_bytes: self.size_bytes,
        }
    }
}

/// What is left of a body's chunks.
struct Turns<'a> {
    hasher: &'a mut BodyHasher,
    chunks: std::slice::Iter<'a, Bytes>,
    now: &'a [u8],
}

impl<'a> Turns<'a> {
    /// The bytes of the next turn; none at the end.
    fn next(&mut self) -> &'a [u8] {
        while self.now.is_empty() {
            let Some(chunk) = self.chunks.next() else { return &[] };
            self.now = chunk;
        }
        let (turn, rest) = self.now.split_at(self.now.len().min(TURN_BYTES));
        self.now = rest;
        turn
    }
}

impl Hashed {
    /// Compares with everything the client sent.
    pub(crate) fn check(&self, digests: &Digests, announced_bytes: Option<u64>) -> Result<(), Refusal> {
        if announced_bytes.is_some_and(|announced| announced != self.size_bytes) {
            return Err(Refusal::IncompleteBody);
        }
        if digests.md5.is_some_and(|md5| md5 != self.md5) {
            return Err(Refusal::BadDigest);
        }
        if digests.sha256.is_some() && digests.sha256 != self.sha256 {
            return Err(Refusal::ContentSha256Mismatch);
        }
        digests.checksums.iter().try_for_each(|(algorithm, expected)| self.check_one(*algorithm, expected))
    }

    fn check_one(&self, algorithm: ChecksumAlgorithm, expected: &ExpectedDigest) -> Result<(), Refusal> {
        let expected = match expected {
            ExpectedDigest::Known(digest) => Some(digest),
            ExpectedDigest::Trailer(cell) => Some(
                cell.get().ok_or(Refusal::InvalidRequest { reason: "the announced checksum trailer did not come" })?,
            ),
            ExpectedDigest::Compute => None,
        };
        match (expected, self.of(algorithm)) {
            (Some(expected), Some(actual)) if *expected != actual.digest => {
                Err(Refusal::ChecksumMismatch { algorithm: algorithm.as_str() })
            }
            _ => Ok(()),
        }
    }

    /// The checksum of one function, if it was computed.
    pub(crate) fn of(&self, algorithm: ChecksumAlgorithm) -> Option<&Checksum> {
        self.checksums.iter().find(|checksum| checksum.algorithm == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Check values of "123456789" from the CRC catalogue, FIPS 180 and RFC 1321 implementations.
    #[test]
    fn known_answers() {
        let bytes = b"123456789";
        let check = |algorithm, expected: &str| assert_eq!(hex::encode(digest(algorithm, bytes)), expected);
        check(ChecksumAlgorithm::Crc32, "cbf43926");
        check(ChecksumAlgorithm::Crc32c, "e3069283");
        check(ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888");
        check(ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        assert_eq!(hex::encode(md5_of(bytes)), "25f9e794323b453885f5181f1b624d0b");
    }

    proptest! {
        #[test]
        fn a_crc_of_two_stretches_is_combined(first: Vec<u8>, second: Vec<u8>) {
            let whole = [first.clone(), second.clone()].concat();
            for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
                let combined =
                    combine(algorithm, &digest(algorithm, &first), &digest(algorithm, &second), second.len() as u64);
                prop_assert_eq!(combined, Some(digest(algorithm, &whole)));
            }
        }
    }

    fn hashed(digests: &Digests) -> Hashed {
        let mut hasher = BodyHasher::new(digests, None);
        hasher.update(b"1234");
        hasher.update(b"56789");
        hasher.finish(digests.chosen())
    }

    #[test]
    fn each_digest_that_differs_is_named() {
        let check = |digests: Digests| hashed(&digests).check(&digests, Some(9));
        let none = Digests::default();
        assert_eq!(check(none.clone()), Ok(()));
        assert_eq!(hashed(&none).check(&none, Some(10)), Err(Refusal::IncompleteBody));
        assert_eq!(check(Digests { md5: Some([0; 16]), ..none.clone() }), Err(Refusal::BadDigest));
        assert_eq!(check(Digests { sha256: Some([0; 32]), ..none.clone() }), Err(Refusal::ContentSha256Mismatch));
        let checksum =
            |expected| Digests { checksums: vec![(ChecksumAlgorithm::Crc32, expected)], ..Digests::default() };
        assert_eq!(check(checksum(ExpectedDigest::Known(vec![0xcb, 0xf4, 0x39, 0x26]))), Ok(()));
        assert_eq!(
            check(checksum(ExpectedDigest::Known(vec![0; 4]))),
            Err(Refusal::ChecksumMismatch { algorithm: "CRC32" })
        );
        let never = checksum(ExpectedDigest::Trailer(std::sync::Arc::default()));
        assert!(matches!(check(never), Err(Refusal::InvalidRequest { .. })));
        assert_eq!(hashed(&checksum(ExpectedDigest::Compute)).chosen, Some(1));
    }

    #[test]
    fn of_several_checksums_each_is_kept_and_each_is_compared() {
        let sha1 = hex::decode("f7c3bc1d808e04732adf679965ccc34ca7ae3441").expect("hex");
        let several = |crc32: u8| Digests {
            checksums: vec![
                (ChecksumAlgorithm::Sha1, ExpectedDigest::Known(sha1.clone())),
                (ChecksumAlgorithm::Crc64Nvme, ExpectedDigest::Compute),
                (ChecksumAlgorithm::Crc32, ExpectedDigest::Known(vec![0xcb, 0xf4, 0x39, crc32])),
            ],
            ..Digests::default()
        };
        let kept = hashed(&several(0x26));
        let algorithms: Vec<_> = kept.checksums.iter().map(|checksum| checksum.algorithm).collect();
        assert_eq!(algorithms, [ChecksumAlgorithm::Crc64Nvme, ChecksumAlgorithm::Sha1, ChecksumAlgorithm::Crc32]);
        assert_eq!((kept.chosen, kept.check(&several(0x26), None)), (Some(1), Ok(())));
        let wrong = kept.check(&several(0x27), None);
        assert_eq!(wrong, Err(Refusal::ChecksumMismatch { algorithm: "CRC32" }));
    }
}
