//! Exports: walks a log once and writes what an auditor needs to verify it, or one bucket of it, without the server.
//!
//! Owns: which records go in, the hashes that stand for the others, whose keys are disclosed.
//! Does not own: the form of the archive ([`ledger::export`]), who may ask and under which checkpoint (`store::export`).
//! Invariants: of no record outside the export is the key disclosed, but of the seal that proves where a bucket ends. Memory does not
//! grow with the log: no snapshot lives longer than it takes to read some records.

mod archive;
mod guide;

use std::io::{self, Write};

use event_log::EventLog;
use ledger::export::{CHECKPOINT, Chunk, GUIDE, KEY, Kind, MANIFEST, Manifest, Scope};
use ledger::{Forest, leaf, line};
use schemas::event::Event;
use schemas::record::{Body, Header};
use schemas::{BucketId, LeafHash, Position};
use vault::Vault;

use crate::api::StoreError;
use crate::export::archive::Archive;
use crate::store::{internal, log_error};

/// Records read under one snapshot.
const STEP: u64 = 1_024;
/// Type code of `LogSealed`. Part of the format.
const LOG_SEALED: u16 = 2;

/// A checkpoint as it goes into an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    /// Records that it covers.
    pub(crate) size: u64,
    /// The signed note.
    pub(crate) note: String,
    /// The verifier key that signed it.
    pub(crate) key: String,
}

/// Why an export ended in the middle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// Whoever takes the bytes takes no more.
    #[error("the export could not be written")]
    Write(#[from] io::Error),
    /// The log or the keys.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is exported from.
pub(crate) struct Source<'a> {
    pub(crate) log: &'a dyn EventLog,
    pub(crate) vault: &'a Vault,
}

/// What things are called.
pub(crate) struct Names<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) bucket: Option<&'a str>,
}

/// Writes an export. Blocks for as long as that takes.
///
/// # Errors
/// [`ExportError`]; what was written then counts as cut off.
pub(crate) fn write(
    source: &Source<'_>,
    scope: Scope,
    names: &Names<'_>,
    checkpoint: &Signed,
    out: impl Write,
) -> Result<(), ExportError> {
    let mut archive = Archive::new(out)?;
    let manifest = Manifest::new(&scope, names.tenant, names.bucket);
    archive.head(MANIFEST, &serde_json::to_vec(&manifest).map_err(io::Error::other)?)?;
    archive.head(CHECKPOINT, checkpoint.note.as_bytes())?;
    archive.head(KEY, format!("{}\n", checkpoint.key).as_bytes())?;
    archive.head(GUIDE, guide::text(&manifest, checkpoint).as_bytes())?;
    let mut walk = Walk {
        source,
        scope,
        archive,
        chunk: Chunk::default(),
        gap: Forest::at(0),
        held: None,
        last: None,
        has_ended: false,
        records: 0,
    };
    let mut next = 0;
    while next < checkpoint.size {
        let max = usize::try_from(STEP.min(checkpoint.size - next)).unwrap_or(1);
        let raw = source.log.snapshot().raw_range(scope.tenant, Position(next), max).map_err(log_error)?;
        if raw.is_empty() {
            let what = format!("the log of tenant {} ends before its checkpoint at {next}", scope.tenant);
            return Err(StoreError::Corrupt { what }.into());
        }
        for record in raw {
            walk.record(Position(next), record)?;
            next += 1;
        }
    }
    walk.finish()
}

struct Walk<'a, W: Write> {
    source: &'a Source<'a>,
    scope: Scope,
    archive: Archive<W>,
    chunk: Chunk,
    /// What lies between the record written last and the one that is held, or comes.
    gap: Forest,
    held: Option<Held>,
    /// The bucket's record that was written last.
    last: Option<Position>,
    /// Nothing behind this belongs to the export.
    has_ended: bool,
    records: u64,
}

/// A record that belongs to the export unless a later one takes its place.
struct Held {
    raw: Vec<u8>,
    header: Header,
    kind: Kind,
    leaf: LeafHash,
    /// What came behind it.
    gap: Forest,
}

impl<W: Write> Walk<'_, W> {
    fn record(&mut self, position: Position, raw: Vec<u8>) -> Result<(), ExportError> {
        let leaf = leaf(&raw);
        let inside = position >= self.scope.from && position < self.scope.to;
        let Some(bucket) = self.scope.bucket else {
            return if inside { self.emit(&raw, &decoded(&raw)?, Kind::Exported) } else { self.skip(leaf) };
        };
        let header = decoded(&raw)?;
        if position == self.scope.from {
            // Whatever of the bucket stands before the window is the last that does.
            self.flush()?;
        }
        if self.has_ended {
            return self.skip(leaf);
        }
        if header.bucket == bucket {
            if position < self.scope.from {
                return self.hold(raw, header, Kind::Neighbour, leaf);
            }
            self.give_way();
            self.has_ended = !inside;
            self.last = Some(position);
            return self.emit(&raw, &header, if inside { Kind::Exported } else { Kind::Neighbour });
        }
        let last = self.last.filter(|_| position >= self.scope.from && header.event_type == LOG_SEALED);
        match last {
            Some(last) if self.seals(&header, &raw, bucket, last)? => self.hold(raw, header, Kind::Seal, leaf),
            _ => self.skip(leaf),
        }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        self.flush()?;
        if !self.chunk.is_empty() {
            self.archive.chunk(&self.chunk)?;
        }
        let mut tail = Vec::new();
        self.gap.hashes().for_each(|hash| tail.extend(hash.0));
        Ok(self.archive.finish(&tail, self.records)?)
    }

    /// Whether a seal names the bucket, and covers the record of it that was written last.
    fn seals(&self, header: &Header, raw: &[u8], bucket: BucketId, last: Position) -> Result<bool, ExportError> {
        let opened = self.source.vault.open_body(header, sealed(raw)).map_err(|error| internal(&error))?;
        let vault::Body::Open(plain) = opened else { return Ok(false) };
        let event = Body::decode(&plain).and_then(|body| body.event(header));
        let event = event.map_err(|error| StoreError::Corrupt { what: error.to_string() })?;
        let Event::LogSealed(seal) = event else { return Ok(false) };
        Ok(seal.upto >= last && seal.changed.iter().any(|head| head.bucket == bucket))
    }

    /// A record that is not in the export: its hash is.
    fn skip(&mut self, leaf: LeafHash) -> Result<(), ExportError> {
        match &mut self.held {
            Some(held) => held.gap.push(leaf),
            None => self.gap.push(leaf),
        }
        Ok(())
    }

    fn hold(&mut self, raw: Vec<u8>, header: Header, kind: Kind, leaf: LeafHash) -> Result<(), ExportError> {
        self.give_way();
        let gap = Forest::at(header.position.next().0);
        self.held = Some(Held { raw, header, kind, leaf, gap });
        Ok(())
    }

    /// What is held is not in the export after all.
    fn give_way(&mut self) {
        if let Some(held) = self.held.take() {
            self.gap.push(held.leaf);
            self.gap.append(&held.gap);
        }
    }

    /// What is held is in the export.
    fn flush(&mut self) -> Result<(), ExportError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        if held.kind == Kind::Neighbour {
            self.last = Some(held.header.position);
        }
        self.emit(&held.raw, &held.header, held.kind)?;
        self.gap = held.gap;
        Ok(())
    }

    fn emit(&mut self, raw: &[u8], header: &Header, kind: Kind) -> Result<(), ExportError> {
        let sealed = sealed(raw);
        let key = match kind {
            Kind::Neighbour => None,
            Kind::Exported | Kind::Seal => {
                self.source.vault.message_key(header, sealed).map_err(|error| internal(&error))?
            }
        };
        self.chunk.push(raw, key.as_ref().map(vault::MessageKey::expose), self.gap.hashes());
        self.gap = Forest::at(header.position.next().0);
        if kind == Kind::Exported {
            let position = header.position;
            let corrupt =
                |what: &dyn std::fmt::Display| StoreError::Corrupt { what: format!("record {position}: {what}") };
            let body = match &key {
                Some(key) => {
                    let plain = key.open_body(header, sealed).map_err(|error| corrupt(&error))?;
                    Some(Body::decode(&plain).map_err(|error| corrupt(&error))?)
                }
                None => None,
            };
            line(header, body.as_ref(), &mut self.chunk.lines).map_err(|error| corrupt(&error))?;
            self.records += 1;
        }
        if self.chunk.is_full() {
            self.archive.chunk(&std::mem::take(&mut self.chunk))?;
        }
        Ok(())
    }
}

fn decoded(raw: &[u8]) -> Result<Header, StoreError> {
    let decoded = Header::decode(raw).map(|(header, _)| header);
    decoded.map_err(|error| StoreError::Corrupt { what: error.to_string() })
}

/// The body of a record whose header was decoded.
fn sealed(raw: &[u8]) -> &[u8] {
    raw.get(schemas::record::HEADER_BYTES..).unwrap_or_default()
}
