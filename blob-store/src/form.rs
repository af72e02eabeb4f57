//! The stored form of a blob: what a record's payload, or an inline row, consists of.
//!
//! Owns: cutting into frames, compressing, the table of frames, sealing by `vault`'s cipher, and the way back.
//! Does not own: keys, and where the bytes lie.
//! Invariant: nothing that decides which bytes come out is believed before it was authenticated, and what comes out of
//! zstd has exactly the length that the sealed table calls for.
//!
//! Part of the format, final for version 1. Numbers are big-endian.
//!
//! | part   | bytes  | field |
//! |--------|--------|-------|
//! | clear  | 1      | format, 1 |
//! |        | 1      | zero |
//! |        | 2      | length of the sealed table, its 16-byte tag included |
//! | table  | 1      | format again, so that the clear byte cannot be changed unnoticed |
//! | sealed | 1      | flags, zero |
//! |        | 1      | frame size as a power of two, 16 |
//! |        | 4      | plaintext bytes of the blob, at most 4 MiB |
//! |        | 3 each | for each frame: bit 23 set if compressed with zstd; bits 0-22 its bytes before sealing |
//! |        | 16     | tag |
//! | frames | n      | each frame sealed, with its 16-byte tag; the last one carries the last-frame flag |
//!
//! The number of frames is the plaintext size over the frame size, rounded up; it is not stored, so it cannot disagree.
//! A blob of no bytes has no frames.
//!
//! Why the table is sealed as a frame of its own, under the frame number 0xFFFFFFFF: a frame's associated data is its
//! blob, number and last-frame flag, and says nothing of the blob's size. Sealed, the whole table is verified by one
//! short opening before anything in it is used, whichever frames a range needs; and it hides how well each frame compressed,
//! which says something about its plaintext.

use std::{cell::RefCell, ops::Range};

use vault::{FRAME_OVERHEAD, FrameCipher};
use zstd::bulk::{Compressor, Decompressor};

use crate::options::Compression;

/// Plaintext bytes that one blob holds at most. Part of the format.
pub const BLOB_BYTES_MAX: usize = 4 << 20;
/// Plaintext bytes of every frame but the last. Part of the format.
pub(crate) const FRAME_BYTES: usize = 1 << FRAME_POWER;
/// The longest clear part and table. Whoever reads this much of a blob can tell where every frame lies.
pub(crate) const HEAD_BYTES_MAX: usize = head_bytes(BLOB_BYTES_MAX.div_ceil(FRAME_BYTES));
/// No stored form is longer than this.
pub(crate) const STORED_BYTES_MAX: usize =
    HEAD_BYTES_MAX + BLOB_BYTES_MAX + BLOB_BYTES_MAX.div_ceil(FRAME_BYTES) * FRAME_OVERHEAD;

const FORMAT: u8 = 1;
const FRAME_POWER: u8 = 16;
const TABLE_FRAME: u32 = u32::MAX;
const CLEAR_BYTES: usize = 4;
const TABLE_FIXED_BYTES: usize = 7;
const TABLE_ENTRY_BYTES: usize = 3;
const COMPRESSED_BIT: u32 = 1 << 23;
/// Shorter frames are not worth trying: zstd's own framing eats what it saves.
const COMPRESS_FROM_BYTES: usize = 64;
/// Where a blob's first frame did not shrink, only every eighth is tried again: archives hold texts between their images.
const SAMPLE_EVERY: usize = 8;

const fn head_bytes(frames: usize) -> usize {
    CLEAR_BYTES + TABLE_FIXED_BYTES + frames * TABLE_ENTRY_BYTES + FRAME_OVERHEAD
}

/// The bytes are not a stored form, or not one that this key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Offset in the stored form.
    pub(crate) at: u64,
    pub(crate) what: &'static str,
}

fn malformed<T>(at: u64, what: &'static str) -> Result<T, Malformed> {
    Err(Malformed { at, what })
}

/// The stored form of `plaintext`, behind `prefix_bytes` zeros that the caller fills in. `room` is used for it; what it holds means nothing.
pub(crate) fn encode(
    cipher: &FrameCipher,
    plaintext: &[u8],
    compression: Compression,
    prefix_bytes: usize,
    room: Vec<u8>,
) -> Vec<u8> {
    assert!(plaintext.len() <= BLOB_BYTES_MAX, "the caller checked the size");
    let frames = plaintext.len().div_ceil(FRAME_BYTES);
    let head = head_bytes(frames);
    let mut out = room;
    out.clear();
    out.reserve(prefix_bytes + head + plaintext.len() + frames * FRAME_OVERHEAD);
    out.resize(prefix_bytes + head, 0);

    let mut table = Vec::with_capacity(head);
    table.extend([FORMAT, 0, FRAME_POWER]);
    table.extend((plaintext.len() as u32).to_be_bytes());
    let mut shrinking = true;
    for (number, frame) in plaintext.chunks(FRAME_BYTES).enumerate() {
        let last = number + 1 == frames;
        let mut seal = |compressed: u32, bytes: &[u8]| {
            table.extend_from_slice(&(compressed | bytes.len() as u32).to_be_bytes()[1..]);
            cipher.seal(number as u32, last, bytes, &mut out);
        };
        let try_it = shrinking || number % SAMPLE_EVERY == 0;
        shrinking = try_it && compressed(compression, frame, |bytes| seal(COMPRESSED_BIT, bytes));
        if !shrinking {
            seal(0, frame);
        }
    }

    let mut sealed = Vec::with_capacity(head);
    cipher.seal(TABLE_FRAME, true, &table, &mut sealed);
    let clear = &mut out[prefix_bytes..prefix_bytes + head];
    clear[0] = FORMAT;
    clear[2..CLEAR_BYTES].copy_from_slice(&(sealed.len() as u16).to_be_bytes());
    clear[CLEAR_BYTES..].copy_from_slice(&sealed);
    out
}

/// One frame of a table.
#[derive(Debug, Clone, Copy)]
struct Frame {
    compressed: bool,
    /// Offset of the sealed frame in the stored form.
    at: usize,
    /// Length of the sealed frame.
    bytes: usize,
}

/// A blob's table, opened and checked.
#[derive(Debug)]
pub(crate) struct Table {
    size_bytes: usize,
    frames: Vec<Frame>,
}

impl Table {
    /// Opens the table of a stored form of `stored_bytes`, of which `head` holds the beginning: all of it, or at least
    /// [`HEAD_BYTES_MAX`].
    pub(crate) fn open(cipher: &FrameCipher, head: &[u8], stored_bytes: usize) -> Result<Self, Malformed> {
        let Some((clear, rest)) = head.split_first_chunk::<CLEAR_BYTES>() else {
            return malformed(0, "shorter than its head");
        };
        if clear[..2] != [FORMAT, 0] {
            return malformed(0, "unknown format");
        }
        let Some(sealed) = rest.get(..usize::from(u16::from_be_bytes([clear[2], clear[3]]))) else {
            return malformed(2, "shorter than its table");
        };
        let mut table = Vec::with_capacity(sealed.len());
        if cipher.open(TABLE_FRAME, true, sealed, &mut table).is_err() {
            return malformed(CLEAR_BYTES as u64, "the table does not open");
        }
        Self::parse(&table, CLEAR_BYTES + sealed.len(), stored_bytes)
    }

    /// What is sealed was written by us; it is checked all the same, so that a mistake of ours never becomes wrong bytes.
    fn parse(table: &[u8], frames_at: usize, stored_bytes: usize) -> Result<Self, Malformed> {
        const AT: u64 = CLEAR_BYTES as u64;
        let Some((fixed, entries)) = table.split_first_chunk::<TABLE_FIXED_BYTES>() else {
            return malformed(AT, "the table is too short");
        };
        if fixed[..3] != [FORMAT, 0, FRAME_POWER] {
            return malformed(AT, "unknown flags or frame size");
        }
        let size_bytes = u32::from_be_bytes([fixed[3], fixed[4], fixed[5], fixed[6]]) as usize;
        let count = size_bytes.div_ceil(FRAME_BYTES);
        if size_bytes > BLOB_BYTES_MAX || entries.len() != count * TABLE_ENTRY_BYTES {
            return malformed(AT, "the table does not fit the size");
        }
        let mut at = frames_at;
        let mut frames = Vec::with_capacity(count);
        for (number, entry) in entries.chunks_exact(TABLE_ENTRY_BYTES).enumerate() {
            let entry = u32::from_be_bytes([0, entry[0], entry[1], entry[2]]);
            let compressed = entry & COMPRESSED_BIT != 0;
            let length = (entry & !COMPRESSED_BIT) as usize;
            let plain = (size_bytes - number * FRAME_BYTES).min(FRAME_BYTES);
            if length > plain || (!compressed && length != plain) {
                return malformed(AT, "a frame's length does not fit");
            }
            frames.push(Frame { compressed, at, bytes: length + FRAME_OVERHEAD });
            at += length + FRAME_OVERHEAD;
        }
        if at != stored_bytes {
            return malformed(AT, "the frames do not fill the blob");
        }
        Ok(Self { size_bytes, frames })
    }

    /// Plaintext bytes of the blob.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes as u64
    }

    /// The part of the stored form that holds the frames of a plaintext range, which lies within the blob.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        match &self.frames[frames_of(range)] {
            [] => 0..0,
            [first, .., last] => first.at..last.at + last.bytes,
            [only] => only.at..only.at + only.bytes,
        }
    }

    /// The plaintext of a range within the blob, from the bytes of its [`Table::span`].
    pub(crate) fn read(
        &self,
        cipher: &FrameCipher,
        span: &[u8],
        range: Range<usize>,
        room: Vec<u8>,
    ) -> Result<Vec<u8>, Malformed> {
        let span_at = self.span(&range).start;
        let fill = |at: usize, bytes: &mut [u8]| match span.get(at - span_at..at - span_at + bytes.len()) {
            Some(sealed) => {
                bytes.copy_from_slice(sealed);
                Ok(())
            }
            None => malformed(at as u64, "shorter than its frames"),
        };
        self.read_with(cipher, range, room, fill, |malformed| malformed)
    }

    /// The plaintext of a range within the blob. `fill` is asked for each sealed frame, by its offset in the stored form: a
    /// frame that was not compressed is opened where it was put, and nothing is copied. `room` is used for it; what it holds means nothing,
    /// but it is not cleared again as far as it reaches.
    pub(crate) fn read_with<E>(
        &self,
        cipher: &FrameCipher,
        range: Range<usize>,
        mut room: Vec<u8>,
        mut fill: impl FnMut(usize, &mut [u8]) -> Result<(), E>,
        error: impl Fn(Malformed) -> E,
    ) -> Result<Vec<u8>, E> {
        // The last frame has its tag with it until it is opened.
        reach(&mut room, range.len() + FRAME_OVERHEAD);
        let mut written = 0;
        for number in frames_of(&range) {
            let frame = self.frames[number];
            let at = frame.at;
            let start = number * FRAME_BYTES;
            let plain_bytes = (self.size_bytes - start).min(FRAME_BYTES);
            let wanted = range.start.max(start) - start..range.end.min(start + plain_bytes) - start;
            let place = FramePlace { cipher, number: number as u32, last: number + 1 == self.frames.len() };
            let opened = if frame.compressed || wanted.len() < plain_bytes {
                let out = &mut room[written..written + wanted.len()];
                OPENER.with_borrow_mut(|opener| {
                    fill(at, reach(&mut opener.sealed, frame.bytes))?;
                    Ok(opener.open(&place, frame, plain_bytes, &wanted, out))
                })?
            } else {
                let text = &mut room[written..written + frame.bytes];
                fill(at, text)?;
                place.open(text).map(|_| ())
            };
            opened.map_err(|what| error(Malformed { at: at as u64, what }))?;
            written += wanted.len();
        }
        room.truncate(written);
        Ok(room)
    }
}

/// Which frame of which blob.
struct FramePlace<'a> {
    cipher: &'a FrameCipher,
    number: u32,
    last: bool,
}

impl FramePlace<'_> {
    /// Opens a frame where it lies. How many bytes of it are plaintext then.
    fn open(&self, text: &mut [u8]) -> Result<usize, &'static str> {
        self.cipher.open_in_place(self.number, self.last, text).map_err(|_| "a frame does not open")
    }
}

/// The first bytes of used memory, which is longer then if it was shorter. What they are means nothing: only what is new is cleared.
fn reach(room: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if room.len() < bytes {
        room.resize(bytes, 0);
    }
    &mut room[..bytes]
}

fn frames_of(range: &Range<usize>) -> Range<usize> {
    if range.is_empty() { 0..0 } else { range.start / FRAME_BYTES..range.end.div_ceil(FRAME_BYTES) }
}

struct Squeezer {
    level: i32,
    compressor: Compressor<'static>,
    out: Vec<u8>,
}

/// Opens frames that cannot be opened in their place.
struct Opener {
    decompressor: Option<Decompressor<'static>>,
    sealed: Vec<u8>,
    plain: Vec<u8>,
}

thread_local! {
    // A zstd context is some hundred KiB, and making one costs more than compressing a frame.
    static SQUEEZER: RefCell<Option<Squeezer>> = const { RefCell::new(None) };
    static OPENER: RefCell<Opener> =
        const { RefCell::new(Opener { decompressor: None, sealed: Vec::new(), plain: Vec::new() }) };
}

/// Hands the compressed frame to `then`, if it is at least a sixteenth shorter. Where zstd fails the frame stays as it is:
/// that is always right.
fn compressed(compression: Compression, frame: &[u8], then: impl FnOnce(&[u8])) -> bool {
    let Compression::Zstd { level } = compression else { return false };
    if frame.len() < COMPRESS_FROM_BYTES {
        return false;
    }
    SQUEEZER.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|squeezer| squeezer.level != level) {
            *slot =
                Compressor::new(level).ok().map(|compressor| Squeezer { level, compressor, out: vec![0; FRAME_BYTES] });
        }
        let Some(Squeezer { compressor, out, .. }) = slot else { return false };
        // A destination of the longest length worth keeping: zstd gives up when it would write more.
        let worth = frame.len() - frame.len() / 16;
        let Ok(length) = compressor.compress_to_buffer(frame, &mut out[..worth]) else { return false };
        then(&out[..length]);
        true
    })
}

impl Opener {
    /// The wanted part of the plaintext of the frame in `sealed`, into `out`, which is as long.
    fn open(
        &mut self,
        place: &FramePlace<'_>,
        frame: Frame,
        plain_bytes: usize,
        wanted: &Range<usize>,
        out: &mut [u8],
    ) -> Result<(), &'static str> {
        let Self { decompressor, sealed, plain } = self;
        let opened = place.open(&mut sealed[..frame.bytes])?;
        let opened = &sealed[..opened];
        if !frame.compressed {
            out.copy_from_slice(opened.get(wanted.clone()).ok_or("a frame is too short")?);
            return Ok(());
        }
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().map_err(|_| "no memory to decompress")?),
        };
        // The destination has exactly the length called for: more cannot be written, and less is refused.
        plain.resize(FRAME_BYTES, 0);
        match decompressor.decompress_to_buffer(opened, &mut plain[..plain_bytes]) {
            Ok(length) if length == plain_bytes => out.copy_from_slice(&plain[wanted.clone()]),
            _ => return Err("a frame decompresses to another length"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
