//! Exports: records of a log in a file, with all that an auditor needs to verify them without the server.
//!
//! Owns: the members of the archive, their names, order and bytes; what an export proves ([`Verifier`]).
//! Does not own: the container (a tar archive, compressed), where records come from, opening bodies, rules of retention.
//!
//! | member, in this order | content |
//! |---|---|
//! | `manifest.json` | [`Manifest`] |
//! | `checkpoint` | signed note: size and root of the log's tree |
//! | `key.pub` | verifier key that signed it, for convenience: an auditor brings their own |
//! | `VERIFY.md` | what this is, for people |
//! | `chunks/NNNNNNNN/records` | for each record: length u32 BE, raw bytes |
//! | `chunks/NNNNNNNN/keys` | for each record 33 bytes: 1 and the key of its body, or 33 zeros |
//! | `chunks/NNNNNNNN/lines.jsonl` | for each record of the export its [line](crate::line) |
//! | `chunks/NNNNNNNN/proof` | hashes of the subtrees before each record that follow the record before, 32 bytes each |
//! | `proof` | hashes of the subtrees behind the last record |
//! | `end.json` | [`End`]: without it the archive was cut off |
//!
//! The records of a bucket's export are those of the bucket in the window; before them, without key and line, the bucket's last record
//! before the window; behind them, without key and line, the bucket's next record or, with its key and without line, a seal that
//! names the bucket's head. So both ends are proved, and no body outside the export is disclosed but the seal's.

mod verify;

use schemas::record::RECORD_BYTES_MAX;
use schemas::{BucketId, LeafHash, Position, TenantId};
use serde::{Deserialize, Serialize};

pub use verify::{Fault, Kind, Proven, Verifier};

/// Version of the archive's form.
pub const FORMAT: u32 = 1;
/// Name of the first member.
pub const MANIFEST: &str = "manifest.json";
/// Name of the second.
pub const CHECKPOINT: &str = "checkpoint";
/// Name of the third.
pub const KEY: &str = "key.pub";
/// Name of the fourth.
pub const GUIDE: &str = "VERIFY.md";
/// Name of the last but one.
pub const TAIL: &str = "proof";
/// Name of the last.
pub const END: &str = "end.json";

/// Bytes of an entry of `keys`. Part of the format.
pub const KEY_BYTES: usize = 33;
/// Bytes of records and lines together after which a chunk is full.
const CHUNK_BYTES: usize = 4 << 20;
/// Records after which it is.
const CHUNK_RECORDS: usize = 4_096;

/// What an export is of. Ids are text: they are larger than the numbers of most readers of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The tenant, by its number in decimal.
    pub tenant: String,
    /// As it was called.
    pub tenant_name: String,
    /// The bucket, by its number in decimal; none for a whole log.
    pub bucket: Option<String>,
    /// As it was called.
    pub bucket_name: Option<String>,
    /// First position of the window.
    pub from: u64,
    /// Position behind the window.
    pub to: u64,
}

/// Which records an export is to have: all of a log or of one bucket in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Whose log.
    pub tenant: TenantId,
    /// One bucket, or all.
    pub bucket: Option<BucketId>,
    /// First position of the window.
    pub from: Position,
    /// Position behind it.
    pub to: Position,
}

impl Manifest {
    /// As what is in the archive; what names things are called is for people.
    #[must_use]
    pub fn new(scope: &Scope, tenant_name: &str, bucket_name: Option<&str>) -> Self {
        Self {
            format: FORMAT,
            tenant: scope.tenant.to_string(),
            tenant_name: tenant_name.to_owned(),
            bucket: scope.bucket.map(|bucket| bucket.to_string()),
            bucket_name: bucket_name.map(str::to_owned),
            from: scope.from.0,
            to: scope.to.0,
        }
    }

    /// What it names; none for numbers that are none, or a window that ends before it begins.
    #[must_use]
    pub fn scope(&self) -> Option<Scope> {
        let bucket = match &self.bucket {
            Some(bucket) => Some(BucketId(bucket.parse().ok()?)),
            None => None,
        };
        let tenant = TenantId(self.tenant.parse().ok()?);
        let is_one = bucket != Some(BucketId::NONE) && bucket.is_some() == self.bucket_name.is_some();
        (is_one && self.from <= self.to).then_some(Scope {
            tenant,
            bucket,
            from: Position(self.from),
            to: Position(self.to),
        })
    }
}

/// The last member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct End {
    /// Chunks of the archive.
    pub chunks: u32,
    /// Records of the export, those that prove its ends not counted.
    pub records: u64,
    /// SHA-256 over the members before the first chunk, each with its length (u64 BE) before it, in hex.
    pub sha256: String,
}

/// Name of a chunk's member.
#[must_use]
pub fn chunk_member(chunk: u32, what: &str) -> String {
    format!("chunks/{chunk:08}/{what}")
}

/// Members of a chunk, in their order.
pub const CHUNK_MEMBERS: [&str; 4] = ["records", "keys", "lines.jsonl", "proof"];

/// A chunk in the making.
#[derive(Debug, Default)]
pub struct Chunk {
    records: Vec<u8>,
    keys: Vec<u8>,
    /// Lines of its records: appended to by whoever pushes them.
    pub lines: String,
    proof: Vec<u8>,
}

impl Chunk {
    /// Adds a record, the key of its body if that is disclosed, and the hashes of what lies before it.
    ///
    /// # Panics
    /// For more bytes than a record has.
    pub fn push(&mut self, record: &[u8], key: Option<&[u8; 32]>, before: impl IntoIterator<Item = LeafHash>) {
        assert!(record.len() <= RECORD_BYTES_MAX, "a record has at most {RECORD_BYTES_MAX} bytes");
        self.records.extend((record.len() as u32).to_be_bytes());
        self.records.extend(record);
        self.keys.push(u8::from(key.is_some()));
        self.keys.extend(key.unwrap_or(&[0; 32]));
        for hash in before {
            self.proof.extend(hash.0);
        }
    }

    /// Whether it is time for the next one.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.records.len() + self.lines.len() >= CHUNK_BYTES || self.keys.len() >= CHUNK_RECORDS * KEY_BYTES
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of its members, as [`CHUNK_MEMBERS`] names them.
    #[must_use]
    pub fn members(&self) -> [&[u8]; 4] {
        [&self.records, &self.keys, self.lines.as_bytes(), &self.proof]
    }
}

/// The next record of a chunk's `records`; none at the end.
///
/// # Errors
/// Bytes that are cut off in the middle of a record, or a length that no record has.
pub fn next_record<'a>(records: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Fault> {
    if records.is_empty() {
        return Ok(None);
    }
    let cut = || Fault::tampered(None, "a chunk's records end in the middle of one");
    let (length, rest) = records.split_first_chunk::<4>().ok_or_else(cut)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > RECORD_BYTES_MAX {
        return Err(Fault::tampered(None, "a record is longer than any"));
    }
    let (record, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    *records = rest;
    Ok(Some(record))
}

/// The next key of a chunk's `keys`: none if it is not disclosed.
///
/// # Errors
/// Bytes that are no entry.
pub fn next_key(keys: &mut &[u8]) -> Result<Option<[u8; 32]>, Fault> {
    let malformed = || Fault::tampered(None, "a chunk's keys are not one for each record");
    let (entry, rest) = keys.split_first_chunk::<KEY_BYTES>().ok_or_else(malformed)?;
    *keys = rest;
    match entry {
        [1, key @ ..] => Ok(Some(*key)),
        entry if *entry == [0; KEY_BYTES] => Ok(None),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_its_scope() {
        let whole = Scope { tenant: TenantId(u64::MAX), bucket: None, from: Position(3), to: Position(9) };
        let bucket = Scope { bucket: Some(BucketId(5)), ..whole };
        assert_eq!(Manifest::new(&whole, "acme", None).scope(), Some(whole));
        let manifest = Manifest::new(&bucket, "acme", Some("data"));
        assert_eq!(manifest.scope(), Some(bucket));
        for bad in [
            Manifest { tenant: "x".to_owned(), ..manifest.clone() },
            Manifest { bucket: Some("0".to_owned()), ..manifest.clone() },
            Manifest { bucket: None, ..manifest.clone() },
            Manifest { bucket_name: None, ..manifest.clone() },
            Manifest { from: 10, ..manifest },
        ] {
            assert_eq!(bad.scope(), None, "{bad:?}");
        }
    }

    #[test]
    fn what_a_chunk_takes_is_read_back() {
        let mut chunk = Chunk::default();
        assert!(chunk.is_empty());
        chunk.push(b"one", Some(&[7; 32]), [LeafHash([1; 32])]);
        chunk.push(b"", None, []);
        assert!(!chunk.is_empty() && !chunk.is_full());
        let [mut records, mut keys, lines, proof] = chunk.members();
        assert_eq!((lines, proof), (b"".as_slice(), [1; 32].as_slice()));
        assert_eq!(next_record(&mut records), Ok(Some(b"one".as_slice())));
        assert_eq!(next_record(&mut records), Ok(Some(b"".as_slice())));
        assert_eq!(next_record(&mut records), Ok(None));
        assert_eq!(next_key(&mut keys), Ok(Some([7; 32])));
        assert_eq!(next_key(&mut keys), Ok(None));
        next_key(&mut keys).expect_err("there are two");
        for mut cut in [[0, 0, 0].as_slice(), &[0, 0, 0, 1], &[0, 1, 0, 0]] {
            next_record(&mut cut).expect_err("cut off");
        }
        let mut hidden = [0; KEY_BYTES];
        hidden[9] = 1;
        next_key(&mut hidden.as_slice()).expect_err("a key that is said not to be there");
    }
}
