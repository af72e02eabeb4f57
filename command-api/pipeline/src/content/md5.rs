//! MD5 (RFC 1321) of several bodies side by side.
//!
//! Owns: one body's state between its pieces; lanes of a vector that each hash a body of their own.
//! Does not own: the compression of a single body (`md-5`), which bodies meet, and when.
//!
//! Each of the 64 steps of a block waits for the one before, so that a processor that could do four steps at a time does one. A vector of
//! 4, 8 or 16 words takes as many bodies through the same step in the time that one needs, or little more.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch};
use md5::block_api::compress;

const BLOCK_BYTES: usize = 64;
type Block = [u8; BLOCK_BYTES];

/// The words that a message begins with (RFC 1321, 3.3).
const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Bodies that are worth a vector. None are without optimisation: every operation on one is a call then.
const BODIES_MIN: usize = if cfg!(debug_assertions) { usize::MAX } else { 2 };
/// Most words in a vector, so bodies at the same time.
pub(crate) const BODIES_MAX: usize = 16;

/// The table of the 64 steps (RFC 1321, 3.4): the whole part of 2^32 times the sine's absolute value, of 1 to 64 radians.
#[rustfmt::skip]
const TABLE: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// By how many bits each of four steps rotates, for the four rounds.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// A body's digest in the making.
#[derive(Clone)]
pub(crate) struct Md5 {
    state: [u32; 4],
    /// Bytes behind the last whole block.
    tail: Block,
    bytes: u64,
}

impl Md5 {
    pub(crate) fn new() -> Self {
        Self { state: INITIAL, tail: [0; BLOCK_BYTES], bytes: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let blocks = self.take(bytes);
        compress(&mut self.state, blocks);
    }

    /// Takes bytes in, but for the whole blocks that it returns: those are to be compressed next.
    fn take<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [Block] {
        let held = self.held();
        self.bytes = self.bytes.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let (first, rest) = bytes.split_at(bytes.len().min(BLOCK_BYTES - held));
            self.tail[held..held + first.len()].copy_from_slice(first);
            if held + first.len() < BLOCK_BYTES {
                return &[];
            }
            compress(&mut self.state, &[self.tail]);
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks();
        self.tail[..rest.len()].copy_from_slice(rest);
        blocks
    }

    fn held(&self) -> usize {
        (self.bytes % BLOCK_BYTES as u64) as usize
    }

    pub(crate) fn finish(mut self) -> [u8; 16] {
        let bits = self.bytes.wrapping_mul(8);
        let mut padding = [0; BLOCK_BYTES];
        padding[0] = 0x80;
        // The length takes the last eight bytes of a block.
        let held = self.held();
        let zeros = if held < BLOCK_BYTES - 8 { BLOCK_BYTES - 8 - held } else { 2 * BLOCK_BYTES - 8 - held };
        self.update(&padding[..zeros]);
        self.update(&bits.to_le_bytes());
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }
}

/// Updates each body with its bytes: as [`Md5::update`] does, in the time of the longest or little more.
pub(crate) fn update_all<'a>(bodies: impl Iterator<Item = (&'a mut Md5, &'a [u8])>) {
    update_all_at(Level::new(), BODIES_MIN, bodies);
}

/// The same with what processors of a level have, side by side from so many on.
fn update_all_at<'a>(level: Level, least: usize, bodies: impl Iterator<Item = (&'a mut Md5, &'a [u8])>) {
    let taken = bodies.map(|(md5, bytes)| {
        let blocks = md5.take(bytes);
        Body { state: &mut md5.state, blocks }
    });
    let mut left: Vec<Body<'_>> = taken.collect();
    loop {
        left.retain(|body| !body.blocks.is_empty());
        if left.len() < least {
            left.into_iter().for_each(|body| compress(body.state, body.blocks));
            return;
        }
        dispatch!(level, simd => side_by_side(simd, &mut left));
    }
}

/// What is left of a body.
struct Body<'a> {
    state: &'a mut [u32; 4],
    blocks: &'a [Block],
}

/// Compresses blocks of as many bodies as there are lanes, until one of them has no more.
#[inline(always)]
fn side_by_side<S: Simd>(simd: S, bodies: &mut [Body<'_>]) {
    let count = bodies.len().min(S::u32s::LEN);
    let bodies = &mut bodies[..count];
    let blocks = bodies.iter().map(|body| body.blocks.len()).min().unwrap_or(0);
    // Lanes without a body do what the first one does.
    let mut lanes = [bodies[0].blocks; BODIES_MAX];
    let mut words = [[0; BODIES_MAX]; 4];
    for (lane, body) in bodies.iter_mut().enumerate() {
        let (now, later) = body.blocks.split_at(blocks);
        (lanes[lane], body.blocks) = (now, later);
        words.iter_mut().zip(body.state.iter()).for_each(|(words, &word)| words[lane] = word);
    }
    let mut state = words.map(|words| S::u32s::from_slice(simd, &words[..S::u32s::LEN]));
    for block in 0..blocks {
        let message = transposed(simd, &lanes, block);
        state = rounds(simd, state, &message);
    }
    for (words, vector) in words.iter_mut().zip(state) {
        vector.store_slice(&mut words[..S::u32s::LEN]);
    }
    for (lane, body) in bodies.iter_mut().enumerate() {
        body.state.iter_mut().zip(&words).for_each(|(word, words)| *word = words[lane]);
    }
}

/// The 16 words of a block of each lane: a vector for each word.
#[inline(always)]
fn transposed<S: Simd>(simd: S, lanes: &[&[Block]; BODIES_MAX], block: usize) -> [S::u32s; 16] {
    let count = S::u32s::LEN;
    let mut message = [S::u32s::splat(simd, 0); 16];
    for part in 0..16 / count {
        let mut rows = [S::u32s::splat(simd, 0); BODIES_MAX];
        for (row, lane) in rows.iter_mut().zip(lanes).take(count) {
            let mut words = [0; BODIES_MAX];
            for (word, bytes) in words.iter_mut().zip(lane[block].as_chunks().0.iter().skip(part * count).take(count)) {
                *word = u32::from_le_bytes(*bytes);
            }
            *row = S::u32s::from_slice(simd, &words[..count]);
        }
        // A row of one half beside one of the other, as often as it takes, is a transposition.
        for _ in 0..count.ilog2() {
            let before = rows;
            for (pair, rows) in rows[..count].as_chunks_mut().0.iter_mut().enumerate() {
                let (low, high) = (before[pair], before[pair + count / 2]);
                *rows = [low.zip_low(high), low.zip_high(high)];
            }
        }
        message[part * count..][..count].copy_from_slice(&rows[..count]);
    }
    message
}

/// The four rounds of a block.
#[inline(always)]
fn rounds<S: Simd>(simd: S, before: [S::u32s; 4], message: &[S::u32s; 16]) -> [S::u32s; 4] {
    let after = round::<S, 0>(simd, before, message);
    let after = round::<S, 1>(simd, after, message);
    let after = round::<S, 2>(simd, after, message);
    let [a, b, c, d] = round::<S, 3>(simd, after, message);
    let [a0, b0, c0, d0] = before;
    [a + a0, b + b0, c + c0, d + d0]
}

/// The 16 steps of a round (RFC 1321, 3.4). A round for the compiler's sake: it writes one out step by step, with the rotations in place,
/// which takes half the time.
#[inline(always)]
fn round<S: Simd, const ROUND: usize>(simd: S, state: [S::u32s; 4], message: &[S::u32s; 16]) -> [S::u32s; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    for four in 0..4 {
        for (turn, &bits) in ROTATIONS[ROUND].iter().enumerate() {
            let step = four * 4 + turn;
            let (mixed, word) = match ROUND {
                0 => (d ^ (b & (c ^ d)), step),
                1 => (c ^ (d & (b ^ c)), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), 7 * step % 16),
            };
            let sum = a + mixed + (message[word] + S::u32s::splat(simd, TABLE[ROUND * 16 + step]));
            (a, d, c, b) = (d, c, b, b + ((sum << bits) | (sum >> (32 - bits))));
        }
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use md5::Digest;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_table_is_of_sines() {
        for (step, &value) in TABLE.iter().enumerate() {
            assert_eq!(value, ((step as f64 + 1.0).sin().abs() * 4_294_967_296.0) as u32);
        }
    }

    #[test]
    fn known_answers() {
        // RFC 1321, A.5.
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            let mut md5 = Md5::new();
            md5.update(text.as_bytes());
            assert_eq!(hex::encode(md5.finish()), digest);
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded() {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).collect();
            for cut in [0, length / 3, length] {
                let mut md5 = Md5::new();
                md5.update(&bytes[..usize::from(cut)]);
                md5.update(&bytes[usize::from(cut)..]);
                assert_eq!(md5.finish()[..], md5::Md5::digest(&bytes)[..], "{length} bytes cut at {cut}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn bodies_side_by_side_are_hashed_as_each_alone(
            pieces in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 4), 0..40),
        ) {
            for level in [Level::new(), Level::baseline()] {
                let mut hashers: Vec<Md5> = pieces.iter().map(|_| Md5::new()).collect();
                for turn in 0..4 {
                    update_all_at(level, 2, hashers.iter_mut().zip(pieces.iter().map(|body| &body[turn][..])));
                }
                for (hasher, body) in hashers.into_iter().zip(&pieces) {
                    prop_assert_eq!(&hasher.finish()[..], &md5::Md5::digest(body.concat())[..]);
                }
            }
        }
    }
}
