//! Reads the engine's journals before the engine does: it would silently drop what follows a damaged entry.
//!
//! Owns: what a whole batch looks like on disk (fjall 3.1.13), what a torn last batch may look like, cutting it off; leaving the last batch
//! alone behind a clean end.
//! Does not own: replaying batches; that is the engine's.
//! Invariant: only the last batch of the newest journal, with nothing valid behind it, is ever cut off.
//!
//! A journal is batches, then zeros (files are preallocated). A batch is `01 | items u32 | sequence u64`, items, and
//! `03 | xxh3 of the items u64 | "FJL" 03`; an item is `02 | type u8 | compression u8 | keyspace u64 | key length u16 |
//! value length u32 | length on disk u32 | key | value`. Numbers are little-endian. The checksum leaves out the start:
//! the number of items shows by itself, the sequence by the `head` row in each of our batches.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::batch::BATCH_BYTES_MAX;
use crate::format::{HEAD_KEY, TABLES_KEY, decode_commit};
use crate::table::ROW_BYTES_MAX;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const MAGIC: &[u8; 4] = b"FJL\x03";
const START_BYTES: usize = 13;
const ITEM_BYTES: usize = 21;
const END_BYTES: usize = 13;

/// Most bytes of a batch in a journal: rows, keys of heads and items' own bytes are well within four times our bound.
const WINDOW: usize = 4 * BATCH_BYTES_MAX;
/// A journal in the making. The engine looks at no file of such a name.
const SHORT: &str = "shortened";
/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;
/// Sequences that the engine may use up between two commits of ours, generously.
const SEQUENCE_GAP_MAX: u64 = 1 << 32;

/// Why the journals are not what the engine and we wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    /// A file or the folder could not be read or cut.
    #[error("cannot read journal {}", file.display())]
    Io { file: PathBuf, source: io::Error },
    /// Bytes no crash can explain.
    #[error("journal {} is damaged at byte {offset}: {what}", file.display())]
    Damaged { file: PathBuf, offset: u64, what: String },
}

/// What the journals say, before anything was changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Last whole commit, if any journal holds one.
    pub(crate) last_commit: Option<u64>,
    /// First whole commit: whatever came before it is in tables.
    pub(crate) first: Option<First>,
    /// The engine's numbers of the keyspaces that the last commit wrote: all there are.
    pub(crate) live: BTreeSet<u64>,
    /// A torn last batch: the newest journal and where it begins.
    pub(crate) torn: Option<(PathBuf, u64)>,
    /// Where in its journal the last commit stands.
    last_range: Option<Range<u64>>,
}

/// The first commit in the journals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) commit: u64,
    /// The keyspaces that it wrote.
    pub(crate) spaces: BTreeSet<u64>,
    /// Whether it wrote the list of keyspaces: some may be new then.
    pub(crate) lists: bool,
    pub(crate) file: PathBuf,
}

/// Walks all journals of a database folder. A database always has one.
pub(crate) fn walk(folder: &Path) -> Result<Walked, JournalError> {
    let files = journals(folder)?;
    if files.is_empty() {
        let what = "no journal is there".to_owned();
        return Err(JournalError::Damaged { file: folder.to_owned(), offset: 0, what });
    }
    let mut walk = Walk::default();
    let newest = files.len().saturating_sub(1);
    let mut torn = None;
    for (index, (_, file)) in files.into_iter().enumerate() {
        if let Some(offset) = walk.file(&file, index == newest)? {
            torn = Some((file, offset));
        }
    }
    let (last_commit, live) = walk.last.map(|last| (last.commit, last.spaces)).unzip();
    Ok(Walked { last_commit, first: walk.first, live: live.unwrap_or_default(), torn, last_range: walk.last_range })
}

/// The same for a folder that may not be there yet.
pub(crate) fn walk_if_there(folder: &Path) -> Result<Walked, JournalError> {
    match folder.try_exists() {
        Ok(true) => walk(folder),
        Ok(false) => Ok(Walked::default()),
        Err(source) => Err(JournalError::Io { file: folder.to_owned(), source }),
    }
}

/// Cuts a torn batch off and makes that durable.
pub(crate) fn cut(file: &Path, offset: u64) -> Result<(), JournalError> {
    let cut = || {
        let open = OpenOptions::new().write(true).open(file)?;
        open.set_len(offset)?;
        open.sync_all()
    };
    cut().map_err(|source| JournalError::Io { file: file.to_owned(), source })
}

/// Bytes that all journals of a database hold: what was never written of a preallocated one takes no room.
pub(crate) fn held_bytes(folder: &Path) -> Result<u64, JournalError> {
    let mut held = 0;
    for (_, file) in journals(folder)? {
        let found = std::fs::metadata(&file).map_err(|source| JournalError::Io { file, source })?;
        held += found.blocks() * 512;
    }
    Ok(held)
}

/// Leaves the last batch alone in the only journal of a database that nobody has open and whose rows are all in tables: the engine reads all
/// of it when it opens. The last one stays, since it says where the log ends and which keyspaces there are. Several journals are left
/// as they are: some table may not have been written out.
pub(crate) fn shorten(folder: &Path) -> Result<(), JournalError> {
    let files = journals(folder)?;
    let [(_, file)] = files.as_slice() else { return Ok(()) };
    let walked = walk(folder)?;
    let (Some(range), None) = (walked.last_range, walked.torn) else { return Ok(()) };
    let short = folder.join(SHORT);
    let write = || {
        let mut last = vec![0; (range.end - range.start) as usize];
        File::open(file)?.read_exact_at(&mut last, range.start)?;
        let mut fresh = File::create(&short)?;
        fresh.write_all(&last)?;
        fresh.sync_all()?;
        std::fs::rename(&short, file)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| JournalError::Io { file: file.clone(), source })
}

/// Journals by number. Numbers are dense: the oldest is removed first.
fn journals(folder: &Path) -> Result<Vec<(u64, PathBuf)>, JournalError> {
    let io = |source| JournalError::Io { file: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let file = entry.map_err(io)?.path();
        if file.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("jnl")) {
            continue;
        }
        let number = file.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        let Some(number) = number.filter(|_| file.is_file()) else {
            return Err(JournalError::Damaged { file, offset: 0, what: "not the name of a journal".to_owned() });
        };
        files.push((number, file));
    }
    files.sort();
    for pair in files.windows(2) {
        if pair[0].0 + 1 != pair[1].0 {
            let what = format!("journals between {} and {} are missing", pair[0].0, pair[1].0);
            return Err(JournalError::Damaged { file: pair[1].1.clone(), offset: 0, what });
        }
    }
    Ok(files)
}

/// A whole batch of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Batch {
    bytes: usize,
    sequence: u64,
    commit: u64,
    /// The engine's sequence before the commit: the batch's own is not below, that of the batch before is.
    floor: u64,
    /// The keyspaces whose `head` row it wrote.
    spaces: BTreeSet<u64>,
    lists: bool,
}

#[derive(Default)]
struct Walk {
    first: Option<First>,
    last: Option<Batch>,
    last_range: Option<Range<u64>>,
}

impl Walk {
    /// Walks one journal. Where a torn batch begins, if the newest ends with one.
    fn file(&mut self, path: &Path, newest: bool) -> Result<Option<u64>, JournalError> {
        let io = |source| JournalError::Io { file: path.to_owned(), source };
        let damaged = |offset, what| JournalError::Damaged { file: path.to_owned(), offset, what };
        let mut window = Window::open(path).map_err(io)?;
        loop {
            match parse(window.bytes()) {
                Ok(batch) => {
                    self.follows(&batch).map_err(|what| damaged(window.offset(), what))?;
                    self.last_range = Some(window.offset()..window.offset() + batch.bytes as u64);
                    window.consume(batch.bytes);
                    self.first.get_or_insert_with(|| First {
                        commit: batch.commit,
                        spaces: batch.spaces.clone(),
                        lists: batch.lists,
                        file: path.to_owned(),
                    });
                    self.last = Some(batch);
                }
                Err(what) => {
                    if window.fill().map_err(io)? {
                        continue;
                    }
                    let offset = window.offset();
                    let Some(rest) = window.rest().map_err(io)? else { return Ok(None) };
                    if !newest {
                        return Err(damaged(offset, what.to_owned()));
                    }
                    return match judge(&rest, offset) {
                        Ok(()) => Ok(Some(offset)),
                        Err(why) => Err(damaged(offset, format!("{what}; {why}"))),
                    };
                }
            }
        }
    }

    fn follows(&self, batch: &Batch) -> Result<(), String> {
        if batch.sequence < batch.floor || batch.sequence - batch.floor > SEQUENCE_GAP_MAX {
            return Err(format!("sequence {} of commit {} was changed", batch.sequence, batch.commit));
        }
        let Some(last) = &self.last else { return Ok(()) };
        if batch.commit != last.commit + 1 {
            return Err(format!("commit {} follows commit {}", batch.commit, last.commit));
        }
        if last.sequence >= batch.floor {
            return Err(format!("sequence {} of commit {} was changed", last.sequence, last.commit));
        }
        Ok(())
    }
}

/// Whether bytes that are no batch can be what a crash left of the last one. They end with their last byte that is not zero.
fn judge(rest: &[u8], offset: u64) -> Result<(), &'static str> {
    if rest.len() > WINDOW {
        return Err("more follows than a batch can be");
    }
    let behind = (1..rest.len()).any(|at| rest[at] == START && parse(&rest[at..]).is_ok());
    if behind {
        return Err("valid batches follow");
    }
    if has_lost_sector(rest, offset) {
        return Ok(());
    }
    // Every sector was written. A crash can then only have cut the end off.
    if rest.ends_with(MAGIC) {
        return Err("the last batch was changed after it was written");
    }
    if let Ok(end) = items(rest, |_, _, _| {}) {
        let ending = rest.get(end..).unwrap_or_default();
        if ending.len() == END_BYTES && ending[END_BYTES - MAGIC.len()..].iter().all(|&byte| byte != 0) {
            return Err("the end of the last batch was changed after it was written");
        }
    }
    Ok(())
}

/// Whether some sector, or the piece of one that the batch began in, was never written: preallocated files read as zeros.
fn has_lost_sector(rest: &[u8], offset: u64) -> bool {
    let mut at = 0;
    while at < rest.len() {
        let left = SECTOR - (offset + at as u64) % SECTOR;
        let end = rest.len().min(at + left as usize);
        if rest[at..end].iter().all(|&byte| byte == 0) {
            return true;
        }
        at = end;
    }
    false
}

/// Reads a whole batch from the beginning of `bytes`.
fn parse(bytes: &[u8]) -> Result<Batch, &'static str> {
    let mut commit = None;
    let mut torn_head = false;
    let (mut spaces, mut lists) = (BTreeSet::new(), false);
    let mut hash = Xxh3::new();
    let end = items(bytes, |raw, key, value| {
        hash.update(raw);
        if key == HEAD_KEY {
            let row = decode_commit(value);
            torn_head |= row.is_none() || commit.is_some_and(|known| Some(known) != row);
            commit = row;
            spaces.insert(u64::from_le_bytes(raw[3..11].try_into().expect("eight bytes of an item that was read")));
        }
        lists |= key == TABLES_KEY;
    })?;
    let ending = bytes.get(end..end + END_BYTES).ok_or("a batch without its end")?;
    if ending[0] != END || &ending[END_BYTES - MAGIC.len()..] != MAGIC {
        return Err("a batch without its end");
    }
    if ending[1..9] != hash.digest().to_le_bytes() {
        return Err("a batch with a wrong checksum");
    }
    let Some((commit, floor)) = commit.filter(|_| !torn_head) else {
        return Err("a batch that is not one commit of the log");
    };
    let sequence = u64::from_le_bytes(bytes[5..START_BYTES].try_into().expect("eight bytes of a start that was read"));
    Ok(Batch { bytes: end + END_BYTES, sequence, commit, floor, spaces, lists })
}

/// Walks the items of a batch, handing out each one's raw bytes, key and value. Where they end.
fn items(bytes: &[u8], mut each: impl FnMut(&[u8], &[u8], &[u8])) -> Result<usize, &'static str> {
    let start = bytes.get(..START_BYTES).ok_or("a batch without its start")?;
    if start[0] != START {
        return Err("no batch begins here");
    }
    let count = u32::from_le_bytes(start[1..5].try_into().expect("four bytes"));
    let mut at = START_BYTES;
    for _ in 0..count {
        let fixed = bytes.get(at..at + ITEM_BYTES).ok_or("a batch with too few items")?;
        let key_bytes = usize::from(u16::from_le_bytes(fixed[11..13].try_into().expect("two bytes")));
        let value_bytes = u32::from_le_bytes(fixed[13..17].try_into().expect("four bytes")) as usize;
        let disk_bytes = u32::from_le_bytes(fixed[17..21].try_into().expect("four bytes")) as usize;
        // Value, tombstone, weak tombstone. Short values are never compressed.
        if fixed[0] != ITEM || fixed[1] > 2 || fixed[2] != 0 || value_bytes != disk_bytes {
            return Err("an item that is none");
        }
        if key_bytes.saturating_add(value_bytes) > ROW_BYTES_MAX {
            return Err("an item over its bound");
        }
        let end = at + ITEM_BYTES + key_bytes + value_bytes;
        let raw = bytes.get(at..end).ok_or("a batch with too few items")?;
        let (key, value) = raw[ITEM_BYTES..].split_at(key_bytes);
        each(raw, key, value);
        at = end;
    }
    Ok(at)
}

/// A file read forward with at least a batch in sight.
struct Window {
    file: File,
    buffer: Vec<u8>,
    /// What of the buffer is done.
    done: usize,
    /// Where in the file the buffer begins.
    base: u64,
    ended: bool,
}

impl Window {
    const CHUNK: u64 = 1024 * 1024;

    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: Vec::new(), done: 0, base: 0, ended: false })
    }

    fn bytes(&self) -> &[u8] {
        &self.buffer[self.done..]
    }

    fn offset(&self) -> u64 {
        self.base + self.done as u64
    }

    fn consume(&mut self, bytes: usize) {
        self.done += bytes;
    }

    /// Brings more of the file in sight; false if there is no more that could belong to a batch.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.done);
        self.base += self.done as u64;
        self.done = 0;
        // Preallocated space: a batch never begins with zero.
        if self.ended || self.buffer.first() == Some(&0) || self.buffer.len() >= WINDOW {
            return Ok(false);
        }
        let read = (&self.file).take(Self::CHUNK).read_to_end(&mut self.buffer)?;
        self.ended = read == 0;
        Ok(!self.ended)
    }

    /// All that follows up to the last byte that is not zero, at most a byte more than a window; none if all are zero.
    fn rest(&mut self) -> io::Result<Option<Vec<u8>>> {
        let from = self.offset();
        self.file.seek(SeekFrom::Start(from))?;
        let mut rest = Vec::new();
        let mut chunk = Vec::new();
        let mut length = 0;
        loop {
            chunk.clear();
            let read = (&self.file).take(Self::CHUNK).read_to_end(&mut chunk)?;
            if read == 0 {
                break;
            }
            if let Some(last) = last_byte(&chunk) {
                length += last + 1;
                if length > WINDOW {
                    rest.resize(WINDOW + 1, 0);
                    return Ok(Some(rest));
                }
                rest.resize(length - last - 1, 0);
                rest.extend_from_slice(&chunk[..=last]);
                length += read - last - 1;
            } else {
                length += read;
            }
        }
        Ok((!rest.is_empty()).then_some(rest))
    }
}

/// Where the last byte stands that is not zero. Preallocated space is compared in pieces: a byte at a time takes as long
/// as the rest of opening.
fn last_byte(bytes: &[u8]) -> Option<usize> {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let piece = |piece: &[u8]| piece != &ZEROS[..piece.len()];
    let at = bytes.chunks(ZEROS.len()).rposition(piece)? * ZEROS.len();
    let end = bytes.len().min(at + ZEROS.len());
    bytes[at..end].iter().rposition(|&byte| byte != 0).map(|last| at + last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::encode_commit;

    fn item(key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut raw = vec![ITEM, 0, 0];
        raw.extend(1_u64.to_le_bytes());
        raw.extend((key.len() as u16).to_le_bytes());
        raw.extend((value.len() as u32).to_le_bytes());
        raw.extend((value.len() as u32).to_le_bytes());
        raw.extend(key);
        raw.extend(value);
        raw
    }

    fn batch(commit: u64) -> Vec<u8> {
        let body = [item(b"some row", &[7; 700]), item(HEAD_KEY, &encode_commit(commit, commit * 10))].concat();
        let mut raw = vec![START];
        raw.extend(2_u32.to_le_bytes());
        raw.extend((commit * 10 + 3).to_le_bytes());
        raw.extend(&body);
        let mut hash = Xxh3::new();
        hash.update(&body);
        raw.push(END);
        raw.extend(hash.digest().to_le_bytes());
        raw.extend(MAGIC);
        raw
    }

    fn walk_of(files: &[(u64, Vec<u8>)]) -> Result<Walked, JournalError> {
        let folder = tempfile::tempdir().expect("a folder");
        for (number, bytes) in files {
            std::fs::write(folder.path().join(format!("{number}.jnl")), bytes).expect("writes");
        }
        walk(folder.path())
    }

    fn zeros() -> Vec<u8> {
        vec![0; 3_000_000]
    }

    #[test]
    fn whole_journals_pass_with_and_without_preallocated_space() {
        for tail in [Vec::new(), zeros()] {
            let one = [batch(1), batch(2), tail.clone()].concat();
            let two = [batch(3), tail].concat();
            let walked = walk_of(&[(4, one), (5, two)]).expect("whole");
            assert_eq!((walked.last_commit, walked.torn), (Some(3), None));
            assert_eq!((walked.first.map(|first| first.commit), walked.live), (Some(1), BTreeSet::from([1])));
        }
        assert_eq!(walk_of(&[(0, zeros())]).expect("whole"), Walked::default());
        assert_eq!(walk_of(&[(0, Vec::new())]).expect("whole"), Walked::default());
    }

    #[test]
    fn a_last_batch_cut_anywhere_is_torn() {
        let first = batch(1);
        let second = batch(2);
        for cut in 1..second.len() {
            for tail in [Vec::new(), vec![0; 5_000]] {
                let walked = walk_of(&[(0, [&first, &second[..cut], &tail].concat())]).expect("torn, not damaged");
                assert_eq!(walked.last_commit, Some(1), "cut at {cut}");
                assert_eq!(walked.torn.map(|(_, offset)| offset), Some(first.len() as u64), "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_last_batch_with_a_sector_missing_is_torn() {
        let mut raw = [batch(1), batch(2)].concat();
        raw[1_024..1_536].fill(0);
        let walked = walk_of(&[(0, [raw, zeros()].concat())]).expect("torn, not damaged");
        assert_eq!(walked.last_commit, Some(1));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_damage_or_changes_no_order() {
        let good = [batch(1), batch(2), batch(3)].concat();
        let starts = [0, batch(1).len(), 2 * batch(1).len()];
        for byte in 0..good.len() {
            for bit in [0, 3, 7] {
                let mut raw = good.clone();
                raw[byte] ^= 1 << bit;
                match walk_of(&[(0, raw)]) {
                    Err(JournalError::Damaged { .. }) => {}
                    Ok(walked) => {
                        // Only a sequence that stays between its neighbours' may differ: the order is the same.
                        assert!(starts.iter().any(|start| (start + 5..start + 13).contains(&byte)), "byte {byte}");
                        assert_eq!((walked.last_commit, walked.torn), (Some(3), None));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    #[test]
    fn a_commit_or_journal_that_is_missing_is_damage() {
        let check = |files: &[(u64, Vec<u8>)]| {
            assert!(matches!(walk_of(files), Err(JournalError::Damaged { .. })), "must be damage");
        };
        check(&[]);
        check(&[(0, [batch(1), batch(3)].concat())]);
        check(&[(0, batch(1)), (1, batch(3))]);
        check(&[(0, batch(1)), (2, batch(2))]);
        // Not the newest: no crash tears it.
        check(&[(0, batch(1)[..99].to_vec()), (1, batch(2))]);
        check(&[(0, [&batch(1), &batch(2)[..99], &batch(3)].concat())]);
    }
}
