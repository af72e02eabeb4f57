//! The bytes of a ZIP archive around those of its files (PKWARE's APPNOTE 6.3.10), written forward, with ZIP64 where it is needed.
//!
//! Owns: headers, descriptors, the directory at the end, and how long all of it is. Does not own: where the files come from.
//! Files are deflated into blocks that are stored and not compressed: content is compressed where it lies, a reader of a stream
//! finds the end of each file by itself, and the length of the archive is known before its first byte.

use schemas::Time;

/// Most bytes of a stored block.
pub(super) const BLOCK_BYTES: u64 = 0xffff;
/// Type and length of a block.
const BLOCK_HEADER_BYTES: u64 = 5;
/// From here up a number does not fit its old place.
const WIDE: u64 = 0xffff_ffff;
const WIDE_COUNT: u64 = 0xffff;

/// Sizes and checksum follow the file; names are UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
const VERSION: u16 = 20;
const VERSION_WIDE: u16 = 45;
/// Unix, so that the permissions count.
const MADE_BY: u16 = 0x0300 | VERSION_WIDE;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) size_bytes: u64,
    pub(super) modified: Time,
}

/// Bytes, written little-endian.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, number: u16) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_le_bytes());
        self
    }

    /// A number in its old place, or the sign that it stands elsewhere.
    fn narrow(self, number: u64) -> Self {
        self.u32(u32::try_from(number.min(WIDE)).unwrap_or(u32::MAX))
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend(text.as_bytes());
        self
    }
}

impl File {
    /// Bytes of the blocks that it is stored in: one at least.
    fn packed_bytes(&self) -> u64 {
        self.size_bytes + self.size_bytes.div_ceil(BLOCK_BYTES).max(1) * BLOCK_HEADER_BYTES
    }

    fn is_wide(&self) -> bool {
        self.packed_bytes() >= WIDE
    }

    fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    fn version(&self) -> u16 {
        if self.is_wide() { VERSION_WIDE } else { VERSION }
    }

    /// Names come of keys, which have 1,024 bytes at most.
    fn name_bytes(&self) -> u16 {
        u16::try_from(self.name.len()).unwrap_or(u16::MAX)
    }

    /// What stands before the file.
    pub(super) fn header(&self) -> Vec<u8> {
        let (time, date) = dos(self.modified);
        let size = if self.is_wide() { WIDE } else { 0 };
        let bytes = Bytes::default().u32(0x0403_4b50).u16(self.version()).u16(FLAGS).u16(DEFLATED).u16(time).u16(date);
        let bytes = bytes.u32(0).narrow(size).narrow(size).u16(self.name_bytes());
        let bytes = bytes.u16(if self.is_wide() { 20 } else { 0 }).text(&self.name);
        // Says that the descriptor has wide numbers.
        if self.is_wide() { bytes.u16(1).u16(16).u64(0).u64(0).0 } else { bytes.0 }
    }

    /// What stands behind it.
    pub(super) fn descriptor(&self, crc: u32) -> Vec<u8> {
        let bytes = Bytes::default().u32(0x0807_4b50).u32(crc);
        let (packed, size) = (self.packed_bytes(), self.size_bytes);
        if self.is_wide() { bytes.u64(packed).u64(size).0 } else { bytes.narrow(packed).narrow(size).0 }
    }

    /// Its entry in the directory at the end.
    pub(super) fn entry(&self, crc: u32, offset: u64) -> Vec<u8> {
        let (time, date) = dos(self.modified);
        let (packed, size) = if self.is_wide() { (WIDE, WIDE) } else { (self.packed_bytes(), self.size_bytes) };
        let mut wide = Bytes::default();
        if self.is_wide() {
            wide = wide.u64(self.size_bytes).u64(self.packed_bytes());
        }
        if offset >= WIDE {
            wide = wide.u64(offset);
        }
        let wide_bytes = u16::try_from(wide.0.len()).unwrap_or(0);
        let version = if wide_bytes > 0 { VERSION_WIDE } else { VERSION };
        let mode: u32 = if self.is_folder() { 0o40_755 << 16 | 0x10 } else { 0o100_644 << 16 };
        let bytes = Bytes::default().u32(0x0201_4b50).u16(MADE_BY).u16(version).u16(FLAGS).u16(DEFLATED);
        let bytes = bytes.u16(time).u16(date).u32(crc).narrow(packed).narrow(size).u16(self.name_bytes());
        let bytes = bytes.u16(if wide_bytes > 0 { wide_bytes + 4 } else { 0 }).u16(0).u16(0).u16(0).u32(mode);
        let mut bytes = bytes.narrow(offset).text(&self.name);
        if wide_bytes > 0 {
            bytes = bytes.u16(1).u16(wide_bytes);
            bytes.0.extend(wide.0);
        }
        bytes.0
    }

    fn length(&self) -> u64 {
        (self.header().len() + self.descriptor(0).len()) as u64 + self.packed_bytes()
    }
}

/// The header of a block of so many bytes.
pub(super) fn block(bytes: u64, is_last: bool) -> Vec<u8> {
    let length = u16::try_from(bytes).unwrap_or(u16::MAX);
    let mut header = vec![u8::from(is_last)];
    header.extend(length.to_le_bytes());
    header.extend((!length).to_le_bytes());
    header
}

/// What stands behind the directory, which has so many entries and bytes and begins there.
pub(super) fn end(entries: u64, directory_bytes: u64, offset: u64) -> Vec<u8> {
    let mut bytes = Bytes::default();
    if entries >= WIDE_COUNT || directory_bytes >= WIDE || offset >= WIDE {
        let behind = offset + directory_bytes;
        bytes = bytes.u32(0x0606_4b50).u64(44).u16(MADE_BY).u16(VERSION_WIDE).u32(0).u32(0);
        bytes = bytes.u64(entries).u64(entries).u64(directory_bytes).u64(offset);
        bytes = bytes.u32(0x0706_4b50).u32(0).u64(behind).u32(1);
    }
    let count = u16::try_from(entries).unwrap_or(u16::MAX);
    bytes.u32(0x0605_4b50).u16(0).u16(0).u16(count).u16(count).narrow(directory_bytes).narrow(offset).u16(0).0
}

/// Bytes of an archive of these files.
pub(super) fn length(files: &[File]) -> u64 {
    let (mut offset, mut directory_bytes) = (0, 0);
    for file in files {
        directory_bytes += file.entry(0, offset).len() as u64;
        offset += file.length();
    }
    offset + directory_bytes + end(files.len() as u64, directory_bytes, offset).len() as u64
}

/// Time and date as MS-DOS had them: in two seconds, from 1980 to 2107. They say no zone: here it is UTC.
fn dos(time: Time) -> (u16, u16) {
    let seconds = i64::try_from(time.seconds()).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    if at.year() < 1980 {
        return (0, 1 << 5 | 1);
    }
    let number = |number: i8| u16::try_from(number).unwrap_or(0);
    let year = u16::try_from(at.year().min(2107) - 1980).unwrap_or(0);
    let time = number(at.hour()) << 11 | number(at.minute()) << 5 | (number(at.second()) / 2);
    (time, year << 9 | number(at.month()) << 5 | number(at.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(size_bytes: u64) -> File {
        File { name: "a/é".to_owned(), size_bytes, modified: Time(1_704_067_201_000_000) }
    }

    #[test]
    fn times_are_those_of_1980_to_2107_in_two_seconds() {
        for (seconds, expected) in [
            (1_704_067_201, (0, 44 << 9 | 1 << 5 | 1)),
            (1_735_689_599, (23 << 11 | 59 << 5 | 29, 44 << 9 | 12 << 5 | 31)),
            (0, (0, 1 << 5 | 1)),
        ] {
            assert_eq!(dos(Time(seconds * 1_000_000)), expected, "{seconds}");
        }
        assert_eq!(dos(Time(u64::MAX)).1 >> 9, 127);
    }

    #[test]
    fn a_file_that_is_too_large_for_its_old_places_has_wide_ones() {
        // The largest whose blocks still fit.
        let narrow = (0xffff_fffe_u64 - 5).div_ceil(BLOCK_BYTES + 5) * BLOCK_BYTES;
        for (size, is_wide) in
            [(0, false), (1 << 20, false), (narrow - (1 << 20), false), (WIDE, true), (1 << 40, true)]
        {
            let file = file(size);
            assert_eq!(file.is_wide(), is_wide, "{size}");
            assert_eq!(file.header().len(), 30 + 4 + if is_wide { 20 } else { 0 });
            assert_eq!(file.descriptor(7).len(), if is_wide { 24 } else { 16 });
            assert_eq!(file.entry(7, 5).len(), 46 + 4 + if is_wide { 20 } else { 0 });
            assert_eq!(file.entry(7, WIDE).len(), 46 + 4 + if is_wide { 28 } else { 12 });
        }
        assert_eq!(file(1 << 40).descriptor(7)[16..], (1_u64 << 40).to_le_bytes());
        let entry = file(1).entry(7, 1 << 33);
        assert_eq!(entry[42..46], [0xff; 4]);
        assert_eq!(entry[entry.len() - 8..], (1_u64 << 33).to_le_bytes());
    }

    #[test]
    fn the_end_is_wide_where_something_before_it_is() {
        assert_eq!(end(3, 100, 200).len(), 22);
        for (entries, bytes, offset) in [(WIDE_COUNT, 1, 1), (1, WIDE, 1), (1, 1, WIDE)] {
            let end = end(entries, bytes, offset);
            assert_eq!(end.len(), 22 + 56 + 20);
            assert_eq!(end[56 + 8..56 + 16], (offset + bytes).to_le_bytes());
        }
    }

    #[test]
    fn blocks_say_their_length_twice() {
        assert_eq!(block(0, true), [1, 0, 0, 0xff, 0xff]);
        assert_eq!(block(0xffff, false), [0, 0xff, 0xff, 0, 0]);
        assert_eq!(file(0).packed_bytes(), 5);
        assert_eq!(file(0x1_0000).packed_bytes(), 0x1_0000 + 10);
    }
}
