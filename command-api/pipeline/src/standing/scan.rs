//! Searching the data directory for bytes that must not be there any more.
//!
//! Owns: which files are read, finding what lies across two pieces of a file.
//! Does not own: what is looked for.
//!
//! Segments are not read: they hold sealed frames behind heads of numbers, and nothing else is ever written to them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use aho_corasick::AhoCorasick;

/// Bytes read at once.
const PIECE: usize = 1 << 20;
/// The folder of segments.
const SEGMENTS: &str = "blobs";

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Bytes that were read.
    pub(super) bytes: u64,
    /// How many of the markers were found anywhere.
    pub(super) found: usize,
}

/// Searches all files below a folder for markers. None when it was told to end before.
///
/// # Errors
/// A file that is there and cannot be read.
pub(super) fn scan(data: &Path, markers: &[Vec<u8>], keep_going: &dyn Fn() -> bool) -> io::Result<Option<Scanned>> {
    let searcher = AhoCorasick::new(markers).map_err(io::Error::other)?;
    let longest = markers.iter().map(Vec::len).max().unwrap_or(1);
    let mut found = vec![false; markers.len()];
    let mut scanned = Scanned { bytes: 0, found: 0 };
    let mut folders = vec![data.to_owned()];
    let mut buffer = vec![0; PIECE + longest];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            // Removed meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            if !keep_going() {
                return Ok(None);
            }
            let path = entry?.path();
            match std::fs::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_dir() && path != data.join(SEGMENTS) => folders.push(path),
                Ok(metadata) if metadata.is_file() => {
                    match search(&path, &searcher, longest, &mut buffer, &mut found) {
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        read => scanned.bytes += read?,
                    }
                }
                _ => {}
            }
        }
    }
    scanned.found = found.into_iter().filter(|found| *found).count();
    Ok(Some(scanned))
}

fn search(
    path: &Path,
    searcher: &AhoCorasick,
    longest: usize,
    buffer: &mut [u8],
    found: &mut [bool],
) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let (mut kept, mut bytes) = (0, 0);
    loop {
        let read = file.read(&mut buffer[kept..])?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes += read as u64;
        let filled = kept + read;
        for hit in searcher.find_overlapping_iter(&buffer[..filled]) {
            found[hit.pattern().as_usize()] = true;
        }
        // What begins at the end of this piece ends in the next one.
        kept = filled.min(longest - 1);
        buffer.copy_within(filled - kept..filled, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_wherever_they_lie_and_not_among_segments() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, bytes).expect("writes");
        };
        for offset in [PIECE - 3, PIECE, PIECE + 5, 2 * PIECE - 1] {
            let mut bytes = vec![7; offset];
            bytes.extend(b"planted");
            bytes.extend(b"x");
            file("log/core/table", &bytes);
            file("blobs/segment", b"elsewhere");
            let markers = [b"planted".to_vec(), b"elsewhere".to_vec(), b"lant".to_vec()];
            let scanned = scan(folder.path(), &markers, &|| true).expect("reads").expect("to the end");
            assert_eq!(scanned, Scanned { bytes: bytes.len() as u64, found: 2 }, "at {offset}");
        }
        assert_eq!(scan(folder.path(), &[b"no".to_vec()], &|| false).expect("reads"), None);
    }
}
