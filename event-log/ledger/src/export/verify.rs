//! What an export proves: each record is in the signed tree at its position, and none of its window is missing.
//!
//! Owns: the order of entries, chains, the root, seals.
//! Does not own: opening bodies and reading events (who calls), the signature ([`Checkpoint::open`]).
//! Invariant: nothing of an export is believed before the root fits: what an earlier check says is only where to look.

use std::collections::{HashMap, VecDeque};

use schemas::event::{BucketHead, LogReopened, LogSealed};
use schemas::record::Header;
use schemas::{BucketId, LeafHash, Position};

use super::Scope;
use crate::bucket_chain::BucketChain;
use crate::chain::{Chain, ChainError};
use crate::checkpoint::Checkpoint;
use crate::forest::{Forest, tree_sizes};
use crate::{heads_digest, leaf};

/// Type code of `LogSealed`. Part of the format.
const LOG_SEALED: u16 = 2;
/// Records that a seal may lie behind the last one it covers, for its heads to be checked: memory for them is kept.
const SEAL_LAG_MAX: usize = 100_000;

/// Why an export is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something in it is not what was written.
    #[error("{}{what}", position.map(|position| format!("position {position}: ")).unwrap_or_default())]
    Tampered {
        /// Where, if that can be told.
        position: Option<Position>,
        /// What does not fit.
        what: String,
    },
    /// What is there is good as far as can be told, and something is missing.
    #[error("{what}")]
    Incomplete {
        /// What is missing.
        what: String,
    },
}

impl Fault {
    /// Something was changed.
    #[must_use]
    pub fn tampered(position: Option<Position>, what: impl Into<String>) -> Self {
        Self::Tampered { position, what: what.into() }
    }

    /// Something is missing.
    #[must_use]
    pub fn incomplete(what: impl Into<String>) -> Self {
        Self::Incomplete { what: what.into() }
    }
}

impl From<ChainError> for Fault {
    fn from(error: ChainError) -> Self {
        Self::tampered(Some(error.position), error.misfit.to_string())
    }
}

/// `bucket_seq` and leaf hash of a bucket's last record.
type Head = (u64, LeafHash);

/// What a record is in an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of those that the export is of.
    Exported,
    /// The bucket's record before or behind the window: it proves that the first or last is that.
    Neighbour,
    /// A seal that names the bucket's head.
    Seal,
}

/// What was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// Records of the export.
    pub records: u64,
    /// All records of the scope up to and without this position are there.
    pub complete_to: Position,
    /// Seals of a whole log that say what its records say.
    pub seals: u64,
    /// Seals that could not be compared: parts of a log before them are not in the export, or lie too far back.
    pub seals_unchecked: u64,
}

/// Takes the records of an export in order.
#[derive(Debug)]
pub struct Verifier {
    scope: Scope,
    size: u64,
    root: LeafHash,
    forest: Forest,
    records: u64,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Log(Box<Log>),
    Bucket(Box<Bucket>),
}

/// All records of a log, or of a window of it.
#[derive(Debug)]
struct Log {
    chain: Chain,
    /// Heads as they were before each of the last records with a bucket.
    before: VecDeque<(Position, BucketId, Option<Head>)>,
    /// Position before which heads are not known any more.
    known_from: Position,
    is_whole: bool,
    seals: u64,
    seals_unchecked: u64,
}

/// Records of a bucket, and what proves the ends.
#[derive(Debug)]
struct Bucket {
    id: BucketId,
    chain: BucketChain,
    first: Option<Header>,
    end: EndOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndOf {
    /// Not there yet.
    Open,
    /// The bucket's record behind the window.
    Next,
    /// A seal stands there and has not been read yet.
    SealUnread,
    /// The seal covers records up to this position.
    Sealed(Position),
}

impl Verifier {
    /// For an export of this scope under a checkpoint that was opened with the auditor's key.
    ///
    /// # Errors
    /// A window that ends behind the checkpoint.
    pub fn new(scope: Scope, checkpoint: &Checkpoint) -> Result<Self, Fault> {
        let size = checkpoint.size;
        if scope.to.0 > size {
            let to = scope.to;
            return Err(Fault::tampered(None, format!("the window ends at {to}, the checkpoint is of {size} records")));
        }
        let part = match scope.bucket {
            Some(id) => Part::Bucket(Box::new(Bucket {
                id,
                chain: BucketChain::new(scope.tenant, id),
                first: None,
                end: EndOf::Open,
            })),
            None => {
                let is_whole = scope.from == Position(0);
                let chain = if is_whole { Chain::new(scope.tenant) } else { Chain::midway(scope.tenant) };
                let (seals, seals_unchecked) = (0, 0);
                let (before, known_from) = (VecDeque::new(), scope.from);
                Part::Log(Box::new(Log { chain, before, known_from, is_whole, seals, seals_unchecked }))
            }
        };
        Ok(Self { scope, size, root: checkpoint.root, forest: Forest::at(0), records: 0, part })
    }

    /// Where the next record is looked for: for a fault that cannot be placed better.
    #[must_use]
    pub fn next(&self) -> Position {
        match &self.part {
            Part::Log(_) => Position(self.forest.next().max(self.scope.from.0)),
            Part::Bucket(_) => Position(self.forest.next()),
        }
    }

    /// Takes the next record, and from `proof` the hashes of what lies before it.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn record(&mut self, record: &[u8], proof: &mut &[u8]) -> Result<(Header, Kind), Fault> {
        let next = self.next();
        let at_next = |what: String| Fault::tampered(Some(next), what);
        let (header, _) = Header::decode(record).map_err(|error| at_next(error.to_string()))?;
        let kind = match &mut self.part {
            Part::Log(log) => log.record(record, &header, next)?,
            Part::Bucket(bucket) => bucket.record(record, &header, &self.scope)?,
        };
        // The chains have hashed it.
        let hash = match &self.part {
            Part::Log(log) => log.chain.head(),
            Part::Bucket(bucket) if kind != Kind::Seal => {
                bucket.chain.last().map_or_else(|| leaf(record), |last| last.1)
            }
            Part::Bucket(_) => leaf(record),
        };
        let position = header.position;
        if position.0 < self.forest.next() || position.0 >= self.size {
            return Err(at_next(format!("the record says position {position}")));
        }
        if kind == Kind::Exported {
            if position >= self.scope.to {
                return Err(Fault::tampered(Some(position), "the record lies behind the window"));
            }
            self.records += 1;
        }
        pass(&mut self.forest, position.0, proof, Some(position))?;
        self.forest.push(hash);
        Ok((header, kind))
    }

    /// What a seal says, which is the record taken last.
    ///
    /// # Errors
    /// Heads that are not those of the records; in a bucket's export, records of the bucket that are missing.
    pub fn sealed(&mut self, header: &Header, seal: &LogSealed) -> Result<(), Fault> {
        let at = |what: &str| Fault::tampered(Some(header.position), what);
        if seal.upto >= header.position {
            return Err(at("a seal covers what was not written yet"));
        }
        match &mut self.part {
            Part::Log(log) => log.sealed(seal).map_err(at),
            Part::Bucket(bucket) => bucket.sealed(header, seal),
        }
    }

    /// What the first record of an epoch says, which is the record taken last.
    ///
    /// # Errors
    /// Another record before it than the one that is there.
    pub fn reopened(&self, header: &Header, event: &LogReopened) -> Result<(), Fault> {
        if event.head == header.prev {
            return Ok(());
        }
        Err(Fault::tampered(Some(header.position), "the epoch says it goes on behind another record"))
    }

    /// Ends: takes the hashes of what lies behind the last record.
    ///
    /// # Errors
    /// Another root than the checkpoint's; records of the window that are missing.
    pub fn finish(mut self, mut proof: &[u8]) -> Result<Proven, Fault> {
        let (scope, read) = (self.scope, Position(self.forest.next()));
        if let Part::Log(_) = &self.part
            && self.next() < scope.to
        {
            return Err(Fault::incomplete(format!(
                "the records from position {} up to {} are missing",
                self.next(),
                scope.to
            )));
        }
        if let Part::Bucket(bucket) = &self.part {
            bucket.begins(&scope)?;
        }
        pass(&mut self.forest, self.size, &mut proof, None)?;
        if !proof.is_empty() {
            return Err(Fault::tampered(None, "the proof has more hashes than the tree has subtrees"));
        }
        if self.forest.root() != Some(self.root) {
            return Err(Fault::tampered(None, "the records do not lead to the root that was signed"));
        }
        let (complete_to, seals, seals_unchecked) = match &self.part {
            Part::Log(log) => (scope.to, log.seals, log.seals_unchecked),
            Part::Bucket(bucket) => (bucket.ends(&scope, read)?, 0, 0),
        };
        Ok(Proven { records: self.records, complete_to, seals, seals_unchecked })
    }
}

/// Passes over what lies before a position.
fn pass(forest: &mut Forest, to: u64, proof: &mut &[u8], position: Option<Position>) -> Result<(), Fault> {
    for size in tree_sizes(forest.next(), to) {
        let short = || Fault::tampered(position, "the proof has fewer hashes than the tree has subtrees");
        let (hash, rest) = proof.split_first_chunk::<32>().ok_or_else(short)?;
        *proof = rest;
        forest.push_tree(size, LeafHash(*hash));
    }
    Ok(())
}

impl Log {
    fn record(&mut self, record: &[u8], header: &Header, next: Position) -> Result<Kind, Fault> {
        // The first of a window is believed by the chain what it says.
        if header.position != next {
            return Err(Fault::tampered(Some(next), format!("the record says position {}", header.position)));
        }
        let before = self.chain.buckets().get(&header.bucket).copied();
        self.chain.push(record)?;
        if header.bucket != BucketId::NONE {
            self.before.push_back((header.position, header.bucket, before));
            if self.before.len() > SEAL_LAG_MAX
                && let Some((gone, ..)) = self.before.pop_front()
            {
                self.known_from = gone.next();
            }
        }
        Ok(Kind::Exported)
    }

    /// Compares a seal with the heads as they were when it was made, which is a few records before it was written.
    fn sealed(&mut self, seal: &LogSealed) -> Result<(), &'static str> {
        if seal.upto.next() < self.known_from {
            self.seals_unchecked += 1;
            return Ok(());
        }
        let mut then: HashMap<BucketId, Option<Head>> = HashMap::new();
        for (position, bucket, before) in self.before.iter().rev() {
            if *position <= seal.upto {
                break;
            }
            then.insert(*bucket, *before);
        }
        let at = |bucket: BucketId| match then.get(&bucket) {
            Some(before) => *before,
            None => self.chain.buckets().get(&bucket).copied(),
        };
        for head in &seal.changed {
            match at(head.bucket) {
                Some(found) if found == (head.seq, head.head) => {}
                // Of a bucket without a record in the window nothing is known.
                None if !self.is_whole => {}
                _ => return Err("a seal names another head of a bucket than its records have"),
            }
        }
        if !self.is_whole {
            self.seals_unchecked += 1;
            return Ok(());
        }
        let head = |(bucket, (seq, head)): (BucketId, (u64, LeafHash))| BucketHead { bucket, seq, head };
        let known = self.chain.buckets().keys().filter_map(|bucket| Some((*bucket, at(*bucket)?)));
        let mut heads: Vec<BucketHead> = known.map(head).collect();
        heads.sort_unstable_by_key(|head| head.bucket);
        if heads_digest(&heads) != seal.buckets {
            return Err("a seal says something else of all buckets than their records");
        }
        self.seals += 1;
        Ok(())
    }
}

impl Bucket {
    fn record(&mut self, record: &[u8], header: &Header, scope: &Scope) -> Result<Kind, Fault> {
        let at = |what: &str| Fault::tampered(Some(header.position), what);
        if self.end != EndOf::Open {
            return Err(at("a record stands behind the last one of the export"));
        }
        if header.tenant != scope.tenant {
            return Err(at("the record is of another tenant"));
        }
        if header.bucket == BucketId::NONE && header.event_type == LOG_SEALED {
            self.end = EndOf::SealUnread;
            return Ok(Kind::Seal);
        }
        if header.position < scope.from && self.first.is_some() {
            return Err(at("more than one record stands before the window"));
        }
        self.chain.push(record, header)?;
        self.first.get_or_insert(*header);
        if header.position >= scope.to {
            self.end = EndOf::Next;
        }
        let inside = header.position >= scope.from && header.position < scope.to;
        Ok(if inside { Kind::Exported } else { Kind::Neighbour })
    }

    fn sealed(&mut self, header: &Header, seal: &LogSealed) -> Result<(), Fault> {
        let at = |what: &str| Fault::tampered(Some(header.position), what);
        let named = seal.changed.iter().find(|head| head.bucket == self.id);
        let named = named.ok_or_else(|| at("the seal does not name the bucket"))?;
        let last = self.chain.last();
        match last {
            Some((last, head)) if (last.bucket_seq, *head) == (named.seq, named.head) => {
                if last.position > seal.upto {
                    return Err(at("the seal names a record behind those that it covers"));
                }
                self.end = EndOf::Sealed(seal.upto);
                Ok(())
            }
            Some((last, _)) if last.bucket_seq >= named.seq => {
                Err(at("the seal names another head of the bucket than its records have"))
            }
            last => {
                let here = last.map_or_else(|| "none".to_owned(), |(last, _)| last.bucket_seq.to_string());
                let what = format!(
                    "the seal at position {} knows the bucket's record number {}, the last one here is {here}",
                    header.position, named.seq
                );
                Err(Fault::incomplete(what))
            }
        }
    }

    /// Whether nothing of the bucket is missing before the first record.
    fn begins(&self, scope: &Scope) -> Result<(), Fault> {
        match &self.first {
            Some(first) if first.bucket_seq > 0 && first.position >= scope.from => {
                let seq = first.bucket_seq;
                Err(Fault::incomplete(format!("the bucket's records before number {seq} are missing")))
            }
            _ => Ok(()),
        }
    }

    /// Up to where nothing of the bucket is missing.
    fn ends(&self, scope: &Scope, read: Position) -> Result<Position, Fault> {
        match self.end {
            EndOf::Next => Ok(scope.to),
            EndOf::Sealed(upto) if upto.next() >= scope.to => Ok(scope.to),
            EndOf::Sealed(upto) => Err(Fault::incomplete(format!("complete up to position {upto}: no later seal"))),
            EndOf::Open => Err(Fault::incomplete(format!(
                "complete up to nothing: no seal says that the bucket has no record behind position {}",
                read.0.saturating_sub(1)
            ))),
            EndOf::SealUnread => Err(Fault::incomplete("the seal's body is not disclosed")),
        }
    }
}
