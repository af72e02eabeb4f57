//! Files of rows: those that changed in one run, and all files together as one.
//!
//! Owns: their bytes, and that the newest file that knows of a row is right about it.
//! Does not own: which rows are written.
//!
//! Part of the format: `HFROWS` and version 1, number of tables u8, of each its name (length u8, bytes), by name; then rows by table and
//! key: table u8, mark u8 (0 there, 1 gone, 2 forgotten), for a row that is gone since when u64, length of the key u16, of
//! the value u16, key, value. Numbers are big-endian.

use std::path::PathBuf;

use event_log::Table;
use schemas::{LeafHash, Time};

use super::error::BackupError;
use super::folder::{Reading, Writing};

const MAGIC: &[u8; 7] = b"HFROWS\x01";
const THERE: u8 = 0;
const GONE: u8 = 1;
const FORGOTTEN: u8 = 2;

/// What a file says of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The store has it.
    There,
    /// The store had it until then. It is kept for a restore to an earlier point.
    Gone(Time),
    /// Nobody needs it any more.
    Forgotten,
}

/// A row as a file has it. Rows are ordered by table and key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Index among the tables of a backup.
    pub(super) table: usize,
    pub(super) key: Vec<u8>,
    pub(super) mark: Mark,
    pub(super) value: Vec<u8>,
}

impl Entry {
    fn place(&self) -> (usize, &[u8]) {
        (self.table, &self.key)
    }
}

/// A file of rows in the making.
pub(super) struct LayerWriter {
    file: Writing,
    last: Option<(usize, Vec<u8>)>,
    pub(super) rows: u64,
}

impl LayerWriter {
    /// `tables` are in order of their names.
    pub(super) fn begin(path: PathBuf, tables: &[Table]) -> Result<Self, BackupError> {
        let mut file = Writing::begin(path)?;
        file.write(MAGIC)?;
        file.write(&[u8::try_from(tables.len()).expect("a handful of tables")])?;
        for table in tables {
            file.write(&[u8::try_from(table.name.len()).expect("a short name")])?;
            file.write(table.name.as_bytes())?;
        }
        Ok(Self { file, last: None, rows: 0 })
    }

    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), BackupError> {
        let place = (entry.table, entry.key.clone());
        assert!(self.last.as_ref().is_none_or(|last| *last < place), "rows come in order, each once");
        self.last = Some(place);
        let length = |bytes: &[u8]| u16::try_from(bytes.len()).expect("a row has 3,000 bytes at most").to_be_bytes();
        let mut head = vec![u8::try_from(entry.table).expect("a handful of tables")];
        match entry.mark {
            Mark::There => head.push(THERE),
            Mark::Gone(since) => {
                head.push(GONE);
                head.extend(since.0.to_be_bytes());
            }
            Mark::Forgotten => head.push(FORGOTTEN),
        }
        let value: &[u8] = if entry.mark == Mark::Forgotten { &[] } else { &entry.value };
        head.extend(length(&entry.key));
        head.extend(length(value));
        self.rows += 1;
        self.file.write(&head)?;
        self.file.write(&entry.key)?;
        self.file.write(value)
    }

    /// Bytes and digest of the file, which is durable.
    pub(super) fn end(mut self) -> Result<(u64, LeafHash), BackupError> {
        let marked = self.file.mark();
        self.file.end()?;
        Ok(marked)
    }
}

/// A file of rows that is read.
pub(super) struct LayerReader {
    file: Reading,
    left: u64,
    sha256: LeafHash,
    /// Of each of the file's tables its index among those that the caller named.
    tables: Vec<usize>,
    last: Option<(usize, Vec<u8>)>,
}

impl LayerReader {
    pub(super) fn begin(path: PathBuf, bytes: u64, sha256: LeafHash, known: &[Table]) -> Result<Self, BackupError> {
        let file = Reading::begin(path)?;
        let mut layer = Self { file, left: bytes, sha256, tables: Vec::new(), last: None };
        let mut magic = [0; MAGIC.len()];
        layer.take(&mut magic)?;
        if magic != *MAGIC {
            return Err(layer.file.damaged("it is no file of rows of this version"));
        }
        let [count] = layer.array()?;
        for _ in 0..count {
            let [length] = layer.array()?;
            let mut name = vec![0; usize::from(length)];
            layer.take(&mut name)?;
            let found = known.iter().position(|table| table.name.as_bytes() == name);
            let unknown = || layer.file.damaged("it has a table that this program does not know");
            layer.tables.push(found.ok_or_else(unknown)?);
        }
        Ok(layer)
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or_else(|| self.file.damaged("it ends within a row"))?;
        self.file.read(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BackupError> {
        let mut bytes = [0; N];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    /// The next row; none at the end, where the digest has been found right.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        if self.left == 0 {
            self.file.expect(self.sha256)?;
            self.file.end()?;
            return Ok(None);
        }
        let malformed = |layer: &Self| layer.file.damaged("a row is malformed");
        let [table, mark] = self.array()?;
        let table = *self.tables.get(usize::from(table)).ok_or_else(|| malformed(self))?;
        let mark = match mark {
            THERE => Mark::There,
            GONE => Mark::Gone(Time(u64::from_be_bytes(self.array()?))),
            FORGOTTEN => Mark::Forgotten,
            _ => return Err(malformed(self)),
        };
        let (key, value) = (u16::from_be_bytes(self.array()?), u16::from_be_bytes(self.array()?));
        let mut entry = Entry { table, key: vec![0; usize::from(key)], mark, value: vec![0; usize::from(value)] };
        self.take(&mut entry.key)?;
        self.take(&mut entry.value)?;
        if self.last.as_ref().is_some_and(|(table, key)| (*table, key.as_slice()) >= entry.place()) {
            return Err(self.file.damaged("its rows are not in order"));
        }
        self.last = Some((entry.table, entry.key.clone()));
        Ok(Some(entry))
    }
}

/// All files of rows as one: of each row what the newest says.
pub(super) struct Merged {
    /// Oldest first, each with its next row.
    layers: Vec<(LayerReader, Option<Entry>)>,
}

impl Merged {
    pub(super) fn new(layers: Vec<LayerReader>) -> Result<Self, BackupError> {
        let mut begun = Vec::with_capacity(layers.len());
        for mut layer in layers {
            let first = layer.next()?;
            begun.push((layer, first));
        }
        Ok(Self { layers: begun })
    }

    /// The next row that was not forgotten; none at the end, where every file's digest has been found right.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, BackupError> {
        loop {
            let places = self.layers.iter().filter_map(|(_, entry)| entry.as_ref().map(Entry::place));
            let Some((table, key)) = places.min().map(|(table, key)| (table, key.to_vec())) else { return Ok(None) };
            let mut newest = None;
            for (layer, entry) in &mut self.layers {
                if entry.as_ref().is_some_and(|entry| entry.place() == (table, key.as_slice())) {
                    newest = std::mem::replace(entry, layer.next()?);
                }
            }
            if let Some(entry) = newest.filter(|entry| entry.mark != Mark::Forgotten) {
                return Ok(Some(entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: &[Table] = &[Table { name: "blue" }, Table { name: "red" }];

    fn entry(table: usize, key: &str, mark: Mark, value: &str) -> Entry {
        Entry { table, key: key.into(), mark, value: value.into() }
    }

    fn write(path: PathBuf, entries: &[Entry]) -> (u64, LeafHash) {
        let mut layer = LayerWriter::begin(path, TABLES).expect("begins");
        entries.iter().for_each(|entry| layer.write(entry).expect("writes"));
        layer.end().expect("ends")
    }

    fn read(layers: Vec<LayerReader>) -> Result<Vec<Entry>, BackupError> {
        let mut merged = Merged::new(layers)?;
        let mut all = Vec::new();
        while let Some(entry) = merged.next()? {
            all.push(entry);
        }
        Ok(all)
    }

    #[test]
    fn the_newest_file_is_right_about_a_row() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let old = [
            entry(0, "a", Mark::There, "1"),
            entry(0, "b", Mark::There, "1"),
            entry(1, "a", Mark::There, "1"),
            entry(1, "c", Mark::Gone(Time(5)), "1"),
        ];
        let new = [
            entry(0, "b", Mark::Gone(Time(7)), "1"),
            entry(0, "bb", Mark::There, "2"),
            entry(1, "a", Mark::Forgotten, ""),
            entry(1, "c", Mark::There, "2"),
        ];
        let (first, second) = (write(at("1"), &old), write(at("2"), &new));
        let open = |name, (bytes, sha256): (u64, LeafHash)| LayerReader::begin(at(name), bytes, sha256, TABLES);
        let all = read(vec![open("1", first).expect("opens"), open("2", second).expect("opens")]).expect("reads");
        assert_eq!(all, [old[0].clone(), new[0].clone(), new[1].clone(), new[3].clone()]);
    }

    #[test]
    fn no_changed_or_missing_byte_goes_unnoticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("rows");
        let entries = [
            entry(0, "a", Mark::There, "12"),
            entry(1, "", Mark::Gone(Time(3)), ""),
            entry(1, "z", Mark::Forgotten, ""),
        ];
        let (bytes, sha256) = write(path.clone(), &entries);
        let check = || read(vec![LayerReader::begin(path.clone(), bytes, sha256, TABLES)?]);
        assert_eq!(check().expect("reads"), entries[..2]);
        let good = std::fs::read(&path).expect("reads");
        assert_eq!(good.len() as u64, bytes);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, &bad).expect("writes");
            assert!(matches!(check(), Err(BackupError::Damaged { .. })), "byte {at}");
            std::fs::write(&path, &good[..at]).expect("writes");
            assert!(matches!(check(), Err(BackupError::Damaged { .. })), "cut at {at}");
        }
        std::fs::write(&path, [&good[..], b"more"].concat()).expect("writes");
        assert!(matches!(check(), Err(BackupError::Damaged { .. })));
    }
}
