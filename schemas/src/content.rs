//! What an object's bytes are called once they are stored: roots, manifests, ETags and checksums.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::BlobId;

/// The bytes of an object or part: how many, and the blob to begin reading at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Plaintext bytes.
    pub size_bytes: u64,
    /// Where they begin.
    pub root: Root,
}

/// Where the bytes of an object or part begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// No bytes.
    Empty,
    /// One blob holds them all.
    Blob(BlobId),
    /// A blob whose plaintext is a [`Manifest`].
    Manifest(BlobId),
}

impl Root {
    /// The blob to begin at, unless there are no bytes.
    #[must_use]
    pub fn blob(&self) -> Option<BlobId> {
        match self {
            Root::Empty => None,
            Root::Blob(blob) | Root::Manifest(blob) => Some(*blob),
        }
    }
}

/// One child of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestEntry {
    /// Whether the child is a manifest itself.
    pub is_manifest: bool,
    /// The child.
    pub blob: BlobId,
    /// Plaintext bytes of the object that the child stands for.
    pub size_bytes: u64,
}

/// The children of an object or part in order. Entries of a completed upload are its parts.
///
/// Layout, part of the format: byte 1 (version), byte kind (0 = pieces, 1 = parts), entry count u32 BE, then for each
/// entry: flags u8 (bit 0: manifest), blob id 16 bytes, size u64 BE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whether entries are parts of a multipart upload, so that `partNumber` can select one.
    pub parts: bool,
    /// Children in order.
    pub entries: Vec<ManifestEntry>,
}

/// A manifest's bytes do not have its layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed manifest")]
pub struct MalformedManifest;

impl Manifest {
    const VERSION: u8 = 1;
    const HEAD: usize = 6;
    const ENTRY: usize = 25;

    /// The manifest as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::HEAD + self.entries.len() * Self::ENTRY);
        out.extend([Self::VERSION, u8::from(self.parts)]);
        let count = u32::try_from(self.entries.len()).expect("a manifest has at most 10,000 parts or 2^20 pieces");
        out.extend(count.to_be_bytes());
        for entry in &self.entries {
            out.push(u8::from(entry.is_manifest));
            out.extend(entry.blob.0);
            out.extend(entry.size_bytes.to_be_bytes());
        }
        out
    }

    /// # Errors
    /// Whenever `bytes` is not exactly what [`Manifest::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedManifest> {
        let (head, rest) = bytes.split_first_chunk::<{ Self::HEAD }>().ok_or(MalformedManifest)?;
        let count = u32::from_be_bytes([head[2], head[3], head[4], head[5]]) as usize;
        if head[0] != Self::VERSION || head[1] > 1 || Some(rest.len()) != count.checked_mul(Self::ENTRY) {
            return Err(MalformedManifest);
        }
        let entries = rest.chunks_exact(Self::ENTRY).map(|entry| {
            let size = entry[17..].try_into().map_err(|_| MalformedManifest)?;
            if entry[0] > 1 {
                return Err(MalformedManifest);
            }
            Ok(ManifestEntry {
                is_manifest: entry[0] == 1,
                blob: BlobId(entry[1..17].try_into().map_err(|_| MalformedManifest)?),
                size_bytes: u64::from_be_bytes(size),
            })
        });
        Ok(Self { parts: head[1] == 1, entries: entries.collect::<Result<_, _>>()? })
    }
}

/// S3's entity tag: the MD5 of the bytes, or for a multipart upload the MD5 of its parts' MD5s and their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ETag {
    /// The digest.
    #[serde(with = "serde_bytes")]
    pub md5: [u8; 16],
    /// Parts of the upload; 0 for anything else.
    pub parts: u32,
}

/// Hex digits, then `-N` for an upload of N parts. Without quotes.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.md5))?;
        if self.parts > 0 { write!(f, "-{}", self.parts) } else { Ok(()) }
    }
}

impl ETag {
    /// Reads what a client sends: hex digits with or without quotes, with or without `-N`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_matches('"');
        let (digest, parts) = match text.split_once('-') {
            Some((digest, parts)) => (digest, parts.parse().ok()?),
            None => (text, 0),
        };
        let mut md5 = [0; 16];
        hex::decode_to_slice(digest, &mut md5).ok()?;
        Some(Self { md5, parts })
    }
}

/// The five checksums of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As S3 writes it: `CRC32`, `CRC32C`, `CRC64NVME`, `SHA1`, `SHA256`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// Reads S3's spelling, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
    }

    /// Length of a digest.
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// What a multipart upload's checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumType {
    /// The parts' checksums, with `-N` behind it.
    Composite,
    /// The bytes themselves.
    FullObject,
}

impl ChecksumType {
    /// As S3 writes it: `COMPOSITE`, `FULL_OBJECT`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }
}

/// A stored checksum. Digests are big-endian, as S3 encodes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Which function.
    pub algorithm: ChecksumAlgorithm,
    /// Over what.
    pub covers: ChecksumType,
    /// The digest, big-endian.
    #[serde(with = "serde_bytes")]
    pub digest: Vec<u8>,
    /// Number of parts of a composite checksum, else 0.
    #[serde(default)]
    pub parts: u32,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_manifest_reads_back(parts: bool, entries in prop::collection::vec(any::<(bool, [u8; 16], u64)>(), 0..50)) {
            let entries = entries
                .into_iter()
                .map(|(is_manifest, blob, size_bytes)| ManifestEntry { is_manifest, blob: BlobId(blob), size_bytes })
                .collect();
            let manifest = Manifest { parts, entries };
            let bytes = manifest.encode();
            prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
            if !bytes.is_empty() {
                prop_assert!(Manifest::decode(&bytes[..bytes.len() - 1]).is_err());
            }
        }

        #[test]
        fn no_bytes_make_a_manifest_panic(bytes: Vec<u8>) {
            let _ = Manifest::decode(&bytes);
        }
    }

    #[test]
    fn etags() {
        let plain = "d41d8cd98f00b204e9800998ecf8427e";
        for text in [plain.to_owned(), format!("\"{plain}\"")] {
            assert_eq!(ETag::parse(&text).expect("an etag").to_string(), plain);
        }
        assert_eq!(ETag::parse(&format!("\"{plain}-12\"")).expect("an etag").parts, 12);
        assert_eq!(ETag::parse("nonsense"), None);
    }
}
