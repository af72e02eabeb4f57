//! `holdfast audit verify`: whether an export is what the log's key signed, and all of it. No server, no network, no data directory.
//!
//! Owns: reading the archive in its order, opening bodies with the disclosed keys, comparing lines, the exit code.
//! Does not own: the tree, chains and seals ([`ledger::export::Verifier`]), rules of retention ([`domain::watch::Watch`]).
//! Invariant: one chunk is in memory, however long the log.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use domain::watch::Watch;
use ledger::export::{
    CHECKPOINT, CHUNK_MEMBERS, END, End, FORMAT, Fault, GUIDE, KEY, Kind, MANIFEST, Manifest, Proven, Scope, TAIL,
    Verifier, chunk_member, next_key, next_record,
};
use ledger::{Checkpoint, LineError, NoteKey, line};
use schemas::event::{Event, EventError};
use schemas::record::{Body, HEADER_BYTES, Header};
use schemas::{BucketName, Position};
use serde_json::json;
use sha2::{Digest, Sha256};
use vault::MessageKey;

use super::container::{Container, Member};
use crate::args::VerifyArgs;

/// Exit code of an export in which something was changed.
const TAMPERED: u8 = 1;
/// Exit code of one in which something is missing, or that could not be read at all.
const INCOMPLETE: u8 = 2;
/// Longest verifier key that is read from a file.
const KEY_FILE_BYTES_MAX: u64 = 4_096;
/// Records between two words on the terminal.
const PROGRESS_EVERY: u64 = 50_000;

/// What was found to be sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sound {
    pub(super) manifest: Manifest,
    pub(super) scope: Scope,
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) proven: Proven,
    /// Records that are erased or whose key is not disclosed: no rule was checked with them.
    pub(super) unchecked: u64,
    /// Removals of versions under governance, for which somebody may have had leave.
    pub(super) untold: u64,
}

pub(super) fn run(args: &VerifyArgs, as_json: bool) -> anyhow::Result<ExitCode> {
    let shown = std::io::stderr().is_terminal();
    let mut progress = |records: u64| {
        if shown {
            eprint!("\r{records} records");
        }
    };
    let verified = key(&args.key).and_then(|key| {
        let unreadable =
            |error: &std::io::Error| Fault::incomplete(format!("{} cannot be read: {error}", args.file.display()));
        let file = File::open(&args.file).map_err(|error| unreadable(&error))?;
        verify(file, &key, &mut progress)
    });
    if shown {
        eprint!("\r");
    }
    let (code, text, kind) = match &verified {
        Ok(sound) => (0, sound.text(), "sound"),
        Err(fault @ Fault::Tampered { .. }) => (TAMPERED, format!("tampered: {fault}\n"), "tampered"),
        Err(fault @ Fault::Incomplete { .. }) => (INCOMPLETE, format!("incomplete: {fault}\n"), "incomplete"),
    };
    if as_json {
        let answer = match &verified {
            Ok(sound) => sound.json(),
            Err(fault) => {
                let position = match fault {
                    Fault::Tampered { position, .. } => position.map(|position| position.0),
                    Fault::Incomplete { .. } => None,
                };
                json!({ "result": kind, "position": position, "what": fault.to_string() })
            }
        };
        // A closed pipe is the reader's choice.
        let _ = std::io::stdout().write_all(format!("{answer:#}\n").as_bytes());
    } else if verified.is_ok() {
        let _ = std::io::stdout().write_all(text.as_bytes());
    } else {
        eprint!("{text}");
    }
    Ok(ExitCode::from(code))
}

/// The auditor's key: the text of one, or a file that holds it.
fn key(text: &str) -> Result<NoteKey, Fault> {
    let is_not = |error: &dyn std::fmt::Display| {
        Fault::incomplete(format!("{text} is neither a verifier key nor a file of one: {error}"))
    };
    let error = match said(text).parse() {
        Ok(key) => return Ok(key),
        Err(error) => error,
    };
    let Ok(file) = File::open(text) else { return Err(is_not(&error)) };
    let mut found = String::new();
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut found).map_err(|error| is_not(&error))?;
    said(&found).parse().map_err(|error| is_not(&error))
}

/// The key in a text: itself, or what `/api/v1/log/key` answered.
fn said(text: &str) -> String {
    let answer: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let key = answer.as_ref().and_then(|answer| answer["key"].as_str());
    key.unwrap_or(text.trim()).to_owned()
}

impl Sound {
    fn text(&self) -> String {
        let Manifest { tenant_name, bucket_name, .. } = &self.manifest;
        let what = match bucket_name {
            Some(bucket) => format!("bucket {bucket} of tenant {tenant_name}"),
            None => format!("tenant {tenant_name}"),
        };
        let (Scope { from, to, .. }, Proven { records, seals, .. }) = (self.scope, self.proven);
        let mut out = format!(
            "sound: {records} records of {what}, all there are from position {from} up to and without position {to}\n\
             signed: {} records of {}\n",
            self.size, self.origin
        );
        if self.scope.bucket.is_none() {
            let _ = writeln!(out, "seals that agree: {seals}, not compared: {}", self.proven.seals_unchecked);
        }
        let _ = writeln!(out, "rules of retention kept, as far as the records from position {from} tell");
        let _ = writeln!(out, "removals under governance, leave not recorded: {}", self.untold);
        let _ = writeln!(out, "rules unchecked: {}", self.unchecked);
        out
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "result": "sound",
            "tenant": self.manifest.tenant_name,
            "bucket": self.manifest.bucket_name,
            "records": self.proven.records,
            "from": self.scope.from.0,
            "to": self.scope.to.0,
            "completeTo": self.proven.complete_to.0,
            "origin": self.origin,
            "signedSize": self.size,
            "seals": self.proven.seals,
            "sealsUnchecked": self.proven.seals_unchecked,
            "rulesUnchecked": self.unchecked,
            "removalsUnderGovernance": self.untold,
        })
    }
}

/// Verifies an export.
pub(super) fn verify(file: impl Read, key: &NoteKey, progress: &mut dyn FnMut(u64)) -> Result<Sound, Fault> {
    let unreadable = |error: std::io::Error| Fault::incomplete(format!("the file cannot be read: {error}"));
    let mut container = Container::open(file).map_err(unreadable)?;
    verify_members(&mut || container.next(), key, progress)
}

/// Where members come from.
pub(super) type Members<'a> = dyn FnMut() -> Result<Option<Member>, Fault> + 'a;

/// The same of members that were read.
pub(super) fn verify_members(
    members: &mut Members<'_>,
    key: &NoteKey,
    progress: &mut dyn FnMut(u64),
) -> Result<Sound, Fault> {
    let mut head = Sha256::new();
    let mut next = |name: &str| {
        let member = named(members()?, name)?;
        head.update((member.len() as u64).to_be_bytes());
        head.update(&member);
        Ok::<_, Fault>(member)
    };
    let (manifest, scope) = manifest(&next(MANIFEST)?)?;
    let checkpoint = checkpoint(&next(CHECKPOINT)?, key, &manifest)?;
    next(KEY)?;
    next(GUIDE)?;
    let head = hex::encode(head.finalize());

    let mut auditor = Auditor {
        verifier: Verifier::new(scope, &checkpoint)?,
        bucket_name: manifest.bucket_name.clone(),
        watch: Watch::default(),
        line: String::new(),
        records: 0,
        unchecked: 0,
    };
    let mut chunks = 0;
    let tail = loop {
        let first = members()?.ok_or_else(cut_off)?;
        if first.name == TAIL {
            break first.content;
        }
        let records = named(Some(first), &chunk_member(chunks, CHUNK_MEMBERS[0]))?;
        let mut next = |what: &str| named(members()?, &chunk_member(chunks, what));
        let (keys, lines, proof) = (next(CHUNK_MEMBERS[1])?, next(CHUNK_MEMBERS[2])?, next(CHUNK_MEMBERS[3])?);
        auditor.chunk(&records, &keys, &lines, &proof, progress)?;
        chunks += 1;
    };
    let end: End = serde_json::from_slice(&named(members()?, END)?)
        .map_err(|error| Fault::tampered(None, format!("{END}: {error}")))?;
    if let Some(more) = members()? {
        return Err(Fault::tampered(None, format!("{} stands behind the last member", more.name)));
    }
    let Auditor { verifier, watch, unchecked, .. } = auditor;
    let proven = verifier.finish(&tail)?;
    if end != (End { chunks, records: proven.records, sha256: head }) {
        return Err(Fault::tampered(None, format!("{END} says something else than what stands before it")));
    }
    let Checkpoint { origin, size, .. } = checkpoint;
    Ok(Sound { manifest, scope, origin, size, proven, unchecked, untold: watch.untold() })
}

fn cut_off() -> Fault {
    Fault::incomplete("the archive ends too early")
}

/// The content of the member that comes next.
fn named(member: Option<Member>, name: &str) -> Result<Vec<u8>, Fault> {
    let member = member.ok_or_else(cut_off)?;
    if member.name == name {
        return Ok(member.content);
    }
    Err(Fault::tampered(None, format!("{} stands where {name} should", member.name)))
}

fn manifest(content: &[u8]) -> Result<(Manifest, Scope), Fault> {
    let malformed = |what: &dyn std::fmt::Display| Fault::tampered(None, format!("{MANIFEST}: {what}"));
    let manifest: Manifest = serde_json::from_slice(content).map_err(|error| malformed(&error))?;
    if manifest.format != FORMAT {
        return Err(Fault::incomplete(format!("an export of format {} needs another version", manifest.format)));
    }
    let scope = manifest.scope().ok_or_else(|| malformed(&"names no window of a log"))?;
    Ok((manifest, scope))
}

fn checkpoint(note: &[u8], key: &NoteKey, manifest: &Manifest) -> Result<Checkpoint, Fault> {
    let wrong = |what: &dyn std::fmt::Display| Fault::tampered(None, format!("{CHECKPOINT}: {what}"));
    let note = std::str::from_utf8(note).map_err(|error| wrong(&error))?;
    let checkpoint = Checkpoint::open(note, key).map_err(|error| wrong(&error))?;
    // `<install>/t/<tenant>`, and for later epochs more.
    let tenant = checkpoint.origin.split_once("/t/").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    if tenant == Some(&manifest.tenant) { Ok(checkpoint) } else { Err(wrong(&"of another tenant's log")) }
}

/// What is known while records are read.
struct Auditor {
    verifier: Verifier,
    bucket_name: Option<String>,
    watch: Watch,
    line: String,
    records: u64,
    unchecked: u64,
}

impl Auditor {
    fn chunk(
        &mut self,
        mut records: &[u8],
        mut keys: &[u8],
        mut lines: &[u8],
        mut proof: &[u8],
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), Fault> {
        while let Some(record) = next_record(&mut records).map_err(|fault| self.at(fault))? {
            let key = next_key(&mut keys).map_err(|fault| self.at(fault))?;
            self.record(record, key, &mut lines, &mut proof)?;
            self.records += 1;
            if self.records.is_multiple_of(PROGRESS_EVERY) {
                progress(self.records);
            }
        }
        let left = [("keys", keys), ("lines", lines), ("hashes", proof)].into_iter().find(|(_, left)| !left.is_empty());
        match left {
            None => Ok(()),
            Some((what, _)) => Err(self.at(Fault::tampered(None, format!("a chunk has more {what} than records")))),
        }
    }

    /// A fault of the framing, placed where the next record would stand.
    fn at(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Tampered { position: None, what } => Fault::tampered(Some(self.verifier.next()), what),
            placed => placed,
        }
    }

    fn record(
        &mut self,
        record: &[u8],
        key: Option<[u8; 32]>,
        lines: &mut &[u8],
        proof: &mut &[u8],
    ) -> Result<(), Fault> {
        let (header, kind) = self.verifier.record(record, proof)?;
        let body = key.map(|key| open(&header, record, key)).transpose()?;
        if kind == Kind::Exported {
            self.compare(&header, body.as_ref(), lines)?;
            self.unchecked += u64::from(body.is_none());
        }
        let Some(body) = body.filter(|_| kind != Kind::Neighbour && tells(header.event_type)) else { return Ok(()) };
        let event = body.event(&header).map_err(|error| unknown(&header, &error))?;
        match &event {
            Event::LogSealed(seal) => self.verifier.sealed(&header, seal),
            Event::LogReopened(reopened) => self.verifier.reopened(&header, reopened),
            Event::BucketCreated(created) => self.is_named(&header, &created.name),
            _ => {
                let followed = self.watch.event(&header, body.object.as_ref(), &event);
                followed.map_err(|breach| Fault::tampered(Some(header.position), breach.to_string()))
            }
        }
    }

    /// Compares a line with what the record says.
    fn compare(&mut self, header: &Header, body: Option<&Body>, lines: &mut &[u8]) -> Result<(), Fault> {
        let at = Some(header.position);
        self.line.clear();
        match line(header, body, &mut self.line) {
            Ok(()) => {}
            Err(LineError::Unknown(event_type)) => return Err(later(header.position, event_type)),
            Err(error @ LineError::Payload(_)) => return Err(Fault::tampered(at, error.to_string())),
        }
        let rest = lines.strip_prefix(self.line.as_bytes());
        *lines = rest.ok_or_else(|| Fault::tampered(at, "its line is not what the record says"))?;
        Ok(())
    }

    /// A bucket's export is of the bucket that it says: its first record has the name.
    fn is_named(&self, header: &Header, name: &BucketName) -> Result<(), Fault> {
        match &self.bucket_name {
            Some(said) if said != name.as_str() => {
                Err(Fault::tampered(Some(header.position), format!("the bucket was created as {name}, not as {said}")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether an event of this type says something that is checked here; the others are not decoded. By [`Event::TYPES`].
fn tells(event_type: u16) -> bool {
    matches!(event_type, 1 | 2 | 30 | 31 | 40..=43 | 46 | 47)
}

fn open(header: &Header, record: &[u8], key: [u8; 32]) -> Result<Body, Fault> {
    let at = Some(header.position);
    let sealed = record.get(HEADER_BYTES..).unwrap_or_default();
    let plain = MessageKey::from_bytes(key).open_body(header, sealed);
    let plain = plain.map_err(|_| Fault::tampered(at, "its key does not open it"))?;
    Body::decode(&plain).map_err(|error| Fault::tampered(at, error.to_string()))
}

fn unknown(header: &Header, error: &EventError) -> Fault {
    match error {
        EventError::Unknown { event_type, .. } => later(header.position, *event_type),
        EventError::Malformed { .. } => Fault::tampered(Some(header.position), error.to_string()),
    }
}

/// Nothing is wrong with it that could be told.
fn later(position: Position, event_type: u16) -> Fault {
    Fault::incomplete(format!(
        "position {position}: an event of type {event_type}, which a later version wrote: verify with that"
    ))
}
