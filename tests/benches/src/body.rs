//! Bodies that do not compress, and of which no part is a copy of another's: what a server saves by either is not measured.

use holdfast_tests::{Random, incompressible};

const BLOCK_BYTES: usize = 4 << 20;

/// Each page of a body begins with marks of its own. A server that cuts content where it likes finds no piece of this length twice.
const PAGE_BYTES: usize = 4 << 10;

/// Where bodies are cut from.
pub(crate) struct Source(Vec<u8>);

impl Source {
    pub(crate) fn new() -> Self {
        Self(incompressible(7, BLOCK_BYTES))
    }

    /// Appends `bytes` of the body of a stamp, from `offset`, a multiple of a page. Bodies of fewer than eight bytes cannot all differ.
    pub(crate) fn append(&self, stamp: u64, offset: u64, bytes: usize, out: &mut Vec<u8>) {
        let (mut page, mut left) = (offset / PAGE_BYTES as u64, bytes);
        while left > 0 {
            let length = left.min(PAGE_BYTES);
            let from = (page % (BLOCK_BYTES / PAGE_BYTES) as u64) as usize * PAGE_BYTES;
            // Both are one-to-one, so that no two pages of two bodies have the same marks, and neither is a number that compresses.
            let marks = [Random::new(stamp).next_u64().to_le_bytes(), Random::new(!page).next_u64().to_le_bytes()];
            let marks = marks.as_flattened();
            let marked = length.min(marks.len());
            out.extend_from_slice(&marks[..marked]);
            out.extend_from_slice(&self.0[from + marked..from + length]);
            page += 1;
            left -= length;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_page_of_a_body_is_that_of_another_however_it_is_cut() {
        let source = Source::new();
        let mut pages = BTreeSet::new();
        for stamp in 0..4 {
            let (mut whole, mut pieces) = (Vec::new(), Vec::new());
            source.append(stamp, 0, BLOCK_BYTES + 5_000, &mut whole);
            source.append(stamp, 0, 8_192, &mut pieces);
            source.append(stamp, 8_192, BLOCK_BYTES + 5_000 - 8_192, &mut pieces);
            assert!(whole == pieces, "a body is the same in one piece and in two");
            pages.extend(whole.chunks_exact(PAGE_BYTES).map(<[u8]>::to_vec));
        }
        assert_eq!(pages.len(), 4 * (BLOCK_BYTES / PAGE_BYTES + 1));
    }
}
