//! Going through a segment file record by record, past damage.
//!
//! Owns: finding whole records, damaged ones, and the stretches that are neither; ending a segment that a crash left open.
//! Does not own: what is done about damage.
//! Invariant: whatever bytes a file holds, walking it ends, and reports as whole only what passes both its checksums.

use std::io;

use schemas::SegmentId;

use crate::{
    backend::SegmentFile,
    record::{
        HEAD_BYTES, Head, RECORD_HEAD_BYTES, RECORD_MAGIC, RecordHead, TRAILER_BYTES, Trailer, checksum, decode_head,
    },
    segment::write_trailer,
};

/// A stretch of a segment that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: SegmentId,
    /// Where it begins.
    pub offset: u64,
    /// How long it is, as far as can be told.
    pub bytes: u64,
    /// What is wrong.
    pub what: &'static str,
}

/// A record whose head is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Walked {
    pub(crate) offset: u64,
    pub(crate) head: RecordHead,
    /// Whether its payload is good too.
    pub(crate) whole: bool,
}

/// What stands in a segment.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    pub(crate) records: Vec<Walked>,
    pub(crate) damage: Vec<Damage>,
}

/// Bytes looked at together when searching for the next record.
const WINDOW_BYTES: usize = 1 << 20;
const ZEROS: [u8; 4_096] = [0; 4_096];

/// Goes through the records of a file up to `end`.
pub(crate) fn walk(file: &dyn SegmentFile, segment: SegmentId, end: u64) -> io::Result<Walk> {
    let mut found = Walk::default();
    let mut payload = Vec::new();
    let mut offset = HEAD_BYTES as u64;
    while offset < end {
        let Some(head) = record_head(file, segment, offset, end)? else {
            let next = next_record(file, segment, offset + 1, end)?.unwrap_or(end);
            found.damage.push(Damage { segment, offset, bytes: next - offset, what: "no record stands here" });
            offset = next;
            continue;
        };
        payload.resize(head.length as usize, 0);
        file.read_at(offset + RECORD_HEAD_BYTES as u64, &mut payload)?;
        let whole = checksum(&[&payload]) == head.payload_sum;
        found.records.push(Walked { offset, head, whole });
        if !whole {
            let what = "the payload of a record does not match its checksum";
            found.damage.push(Damage { segment, offset, bytes: head.record_bytes(), what });
        }
        offset += head.record_bytes();
    }
    Ok(found)
}

fn record_head(file: &dyn SegmentFile, segment: SegmentId, offset: u64, end: u64) -> io::Result<Option<RecordHead>> {
    let mut bytes = [0; RECORD_HEAD_BYTES];
    if end - offset < bytes.len() as u64 {
        return Ok(None);
    }
    file.read_at(offset, &mut bytes)?;
    let head = RecordHead::decode(&bytes, segment, offset);
    Ok(head.filter(|head| head.record_bytes() <= end - offset))
}

/// The next offset from `from` on where a record stands.
fn next_record(file: &dyn SegmentFile, segment: SegmentId, from: u64, end: u64) -> io::Result<Option<u64>> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut at = from;
    while end.saturating_sub(at) >= RECORD_HEAD_BYTES as u64 {
        let length = (end - at).min(WINDOW_BYTES as u64);
        let window = &mut window[..length as usize];
        file.read_at(at, window)?;
        // What was preallocated and never used is zeros: most of the way, usually.
        // Compared in pieces: a byte at a time takes longer than reading it.
        if window.chunks(ZEROS.len()).any(|piece| piece != &ZEROS[..piece.len()]) {
            for (index, bytes) in window.windows(RECORD_MAGIC.len()).enumerate() {
                if bytes == RECORD_MAGIC && record_head(file, segment, at + index as u64, end)?.is_some() {
                    return Ok(Some(at + index as u64));
                }
            }
        }
        // The last bytes may be the beginning of a magic that goes on behind them.
        at += length - (RECORD_MAGIC.len() as u64 - 1);
    }
    Ok(None)
}

/// What opening a segment found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    /// Sealed, or sealed now; its trailer stands at this offset.
    Sealed(u64),
    /// Left open without a whole record. It can go.
    Empty,
    /// From a newer program.
    UnknownVersion(u8),
}

/// Looks whether a segment is sealed; if a crash left it open, ends it behind its last whole record.
pub(crate) fn recover(file: &dyn SegmentFile, segment: SegmentId) -> io::Result<Opened> {
    let length = file.length()?;
    if let Head::UnknownVersion(version) = head_of(file, segment, length)? {
        return Ok(Opened::UnknownVersion(version));
    }
    if let Some(trailer) = trailer_of(file, segment, length)? {
        return Ok(Opened::Sealed(trailer.offset));
    }
    // Not before the first bad record but behind the last whole one: of records written side by side a crash may keep a
    // later one and not an earlier one, and bytes that decay in the middle must not take with them what follows.
    let found = walk(file, segment, length)?;
    let whole = found.records.iter().filter(|record| record.whole);
    let Some(last) = whole.clone().next_back() else { return Ok(Opened::Empty) };
    let records = whole.count() as u32;
    let offset = last.offset + last.head.record_bytes();
    for damage in found.damage.iter().filter(|damage| damage.offset < offset) {
        let Damage { segment, offset, bytes, what } = damage;
        tracing::warn!(%segment, offset, bytes, what, "a segment left open holds bytes that are no record");
    }
    tracing::info!(%segment, records, cut = length - offset, "sealed a segment that was left open");
    write_trailer(file, segment, Trailer { records, offset })?;
    Ok(Opened::Sealed(offset))
}

/// What is wrong with the head of a segment, if anything is.
pub(crate) fn head_of(file: &dyn SegmentFile, segment: SegmentId, length: u64) -> io::Result<Head> {
    let mut head = [0; HEAD_BYTES];
    if length < HEAD_BYTES as u64 {
        return Ok(Head::Damaged);
    }
    file.read_at(0, &mut head)?;
    Ok(decode_head(segment, &head))
}

fn trailer_of(file: &dyn SegmentFile, segment: SegmentId, length: u64) -> io::Result<Option<Trailer>> {
    let mut bytes = [0; TRAILER_BYTES];
    let Some(offset) = length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
    file.read_at(offset, &mut bytes)?;
    Ok(Trailer::decode(&bytes, segment, offset))
}
