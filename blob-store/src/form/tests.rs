use proptest::prelude::*;
use schemas::{BlobId, BucketId, TenantId};
use vault::{BlobKey, BlobScope, CustomerKey};

use super::*;

const BLOB: BlobId = BlobId(*b"a blob of golden");
const ZSTD: Compression = Compression::Zstd { level: 1 };

/// The same key on every run. It was drawn once and wrapped under a customer's key of 32 bytes 1.
fn cipher() -> FrameCipher {
    let wrapped: Vec<u8> = include_str!("wrapped_key.hex")
        .trim()
        .as_bytes()
        .chunks(2)
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect();
    let scope = BlobScope { tenant: TenantId(7), bucket: BucketId::NONE };
    CustomerKey::new(&[1; 32]).unwrap_blob_key(scope, BLOB, &wrapped).unwrap().sealer(BLOB)
}

/// Bytes that zstd cannot shorten.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    };
    std::iter::repeat_with(next).flatten().take(bytes).collect()
}

fn text(bytes: usize) -> Vec<u8> {
    (0..).flat_map(|line| format!("line {line} of a text that repeats itself\n").into_bytes()).take(bytes).collect()
}

fn read(stored: &[u8], range: Range<usize>) -> Result<Vec<u8>, Malformed> {
    let table = Table::open(&cipher(), &stored[..stored.len().min(HEAD_BYTES_MAX)], stored.len())?;
    let into = |room| table.read(&cipher(), &stored[table.span(&range)], range.clone(), room);
    let read = into(Vec::new());
    // Whatever lay in the memory that is used, none of it shows.
    for used in [1, range.len() / 2, range.len() + 40, 200_000] {
        let again = into(vec![0xaa; used]);
        assert_eq!(again.as_ref().map_err(|error| error.what), read.as_ref().map_err(|error| error.what));
    }
    read
}

fn compressed_frames(stored: &[u8]) -> Vec<bool> {
    let table = Table::open(&cipher(), stored, stored.len()).unwrap();
    table.frames.iter().map(|frame| frame.compressed).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, blobs on somebody's disk can no longer be read: add a format byte instead.
#[test]
fn the_stored_form_is_frozen() {
    let stored = encode(&cipher(), b"golden", Compression::Off, 0, Vec::new());
    assert_eq!(hex(&stored), include_str!("golden_raw.hex").trim());
    assert_eq!(stored.len(), 4 + 7 + 3 + 16 + 6 + 16);
}

/// What zstd writes may change with its version; what it wrote once must stay readable.
#[test]
fn a_compressed_blob_of_old_is_read() {
    let golden = include_str!("golden_zstd.hex").trim();
    let stored: Vec<u8> =
        (0..golden.len() / 2).map(|at| u8::from_str_radix(&golden[at * 2..at * 2 + 2], 16).unwrap()).collect();
    assert_eq!(compressed_frames(&stored), [true, true]);
    assert_eq!(read(&stored, 0..70_000).unwrap(), text(70_000));
    assert_eq!(read(&stored, 65_000..66_000).unwrap(), text(70_000)[65_000..66_000]);
}

fn sizes() -> impl Strategy<Value = usize> {
    let bounds = [0, 1, FRAME_BYTES, 2 * FRAME_BYTES, 8 * FRAME_BYTES];
    prop_oneof![
        (prop::sample::select(bounds.to_vec()), -2_i64..=2).prop_map(|(size, off)| (size as i64 + off).max(0) as usize),
        0..4 * FRAME_BYTES,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_range_of_every_size_reads_back(
        size in sizes(), noisy: bool, squeeze: bool, cuts in prop::collection::vec((0.0..=1.0, 0.0..=1.0), 6),
    ) {
        let plaintext = if noisy { noise(size) } else { text(size) };
        let compression = if squeeze { ZSTD } else { Compression::Off };
        let stored = encode(&cipher(), &plaintext, compression, 0, Vec::new());
        prop_assert!(stored.len() <= head_bytes(size.div_ceil(FRAME_BYTES)) + size + size.div_ceil(FRAME_BYTES) * 16);
        prop_assert_eq!(read(&stored, 0..size).unwrap(), &plaintext[..]);
        for (a, b) in cuts {
            let (a, b): (f64, f64) = (a, b);
            let at = |share: f64| ((size as f64 * share) as usize).min(size);
            let range = at(a.min(b))..at(a.max(b));
            prop_assert_eq!(read(&stored, range.clone()).unwrap(), &plaintext[range]);
        }
    }

    #[test]
    fn no_bytes_make_a_table_panic(bytes: Vec<u8>, stored_bytes in 0..100_000_usize) {
        prop_assert!(Table::open(&cipher(), &bytes, stored_bytes).is_err());
        let _ = Table::parse(&bytes, 30, stored_bytes);
    }
}

#[test]
fn ranges_around_frame_bounds_open_only_their_frames() {
    let size = 3 * FRAME_BYTES + 10;
    let plaintext = noise(size);
    let stored = encode(&cipher(), &plaintext, ZSTD, 0, Vec::new());
    let table = Table::open(&cipher(), &stored, stored.len()).unwrap();
    let sealed = FRAME_BYTES + FRAME_OVERHEAD;
    for (range, bytes) in [
        (0..0, 0),
        (0..1, sealed),
        (0..FRAME_BYTES, sealed),
        (FRAME_BYTES - 1..FRAME_BYTES + 1, 2 * sealed),
        (FRAME_BYTES..2 * FRAME_BYTES, sealed),
        (3 * FRAME_BYTES..size, 10 + FRAME_OVERHEAD),
        (size..size, 0),
        (0..size, 3 * sealed + 10 + FRAME_OVERHEAD),
    ] {
        assert_eq!(table.span(&range).len(), bytes, "{range:?}");
        assert_eq!(read(&stored, range.clone()).unwrap(), plaintext[range]);
    }
}

#[test]
fn the_largest_blob_fits_its_bounds() {
    let plaintext = noise(BLOB_BYTES_MAX);
    let stored = encode(&cipher(), &plaintext, ZSTD, 48, Vec::new());
    assert_eq!(stored.len(), 48 + STORED_BYTES_MAX);
    assert_eq!(stored[..48], [0; 48]);
    assert_eq!(read(&stored[48..], 0..plaintext.len()).unwrap(), plaintext);
}

#[test]
fn what_does_not_shrink_is_left_alone_and_sampled_again() {
    let frames = |kinds: &[bool]| -> Vec<u8> {
        kinds.iter().flat_map(|&dense| if dense { noise(FRAME_BYTES) } else { text(FRAME_BYTES) }).collect()
    };
    let check = |kinds: &[bool], expected: &[bool]| {
        assert_eq!(compressed_frames(&encode(&cipher(), &frames(kinds), ZSTD, 0, Vec::new())), expected);
    };
    let (n, t) = (true, false);
    check(&[t, t, n, t, t], &[true, true, false, false, false]);
    // A text in the middle of noise is found at the next eighth frame and followed from there.
    check(
        &[n, t, t, t, t, t, t, t, t, t, n, t],
        &[false, false, false, false, false, false, false, false, true, true, false, false],
    );
}

#[test]
fn json_becomes_a_fraction_and_noise_grows_by_little() {
    let json: Vec<u8> = (0..20_000)
        .flat_map(|id| {
            format!(r#"{{"id":{id},"kind":"measurement","sensor":"s-{}","ok":true}},"#, id % 17).into_bytes()
        })
        .take(1 << 20)
        .collect();
    let stored = encode(&cipher(), &json, ZSTD, 0, Vec::new());
    assert!(stored.len() * 4 < json.len(), "{} of {}", stored.len(), json.len());
    assert!(encode(&cipher(), &noise(1 << 20), ZSTD, 0, Vec::new()).len() < (1 << 20) + 400);
}

#[test]
fn every_flipped_bit_is_noticed() {
    for compression in [Compression::Off, ZSTD] {
        let plaintext = text(600);
        let good = encode(&cipher(), &plaintext, compression, 0, Vec::new());
        assert_eq!(compressed_frames(&good), [compression == ZSTD]);
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(read(&bad, 0..plaintext.len()).is_err(), "bit {at}");
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let good = encode(&cipher(), &text(600), ZSTD, 0, Vec::new());
    for length in 0..good.len() {
        assert!(read(&good[..length], 0..1).is_err(), "cut to {length}");
    }
    assert!(read(&[&good[..], &[0]].concat(), 0..1).is_err());
}

#[test]
fn frames_cannot_change_places_nor_blobs() {
    let plaintext = noise(3 * FRAME_BYTES);
    let stored = encode(&cipher(), &plaintext, ZSTD, 0, Vec::new());
    let table = Table::open(&cipher(), &stored, stored.len()).unwrap();
    let (first, second) = (table.frames[0], table.frames[1]);
    let mut swapped = stored.clone();
    swapped[first.at..first.at + first.bytes].copy_from_slice(&stored[second.at..second.at + second.bytes]);
    swapped[second.at..second.at + second.bytes].copy_from_slice(&stored[first.at..first.at + first.bytes]);
    assert_eq!(read(&swapped, 0..1).map_err(|error| error.what), Err("a frame does not open"));
    let stranger = BlobKey::random().sealer(BLOB);
    assert_eq!(Table::open(&stranger, &stored, stored.len()).unwrap_err().what, "the table does not open");
}

/// Seals a table of our own making, to see that even a sealed mistake never becomes wrong bytes.
#[test]
fn a_frame_that_decompresses_to_another_length_is_refused() {
    for (claimed, fits) in [(600_u32, true), (599, false), (601, false)] {
        let packed = zstd::bulk::compress(&text(600), 1).unwrap();
        let mut table = vec![FORMAT, 0, FRAME_POWER];
        table.extend(claimed.to_be_bytes());
        table.extend_from_slice(&(COMPRESSED_BIT | packed.len() as u32).to_be_bytes()[1..]);
        let mut sealed = Vec::new();
        cipher().seal(TABLE_FRAME, true, &table, &mut sealed);
        let mut stored = vec![FORMAT, 0];
        stored.extend((sealed.len() as u16).to_be_bytes());
        stored.extend(sealed);
        cipher().seal(0, true, &packed, &mut stored);
        let opened = read(&stored, 0..1);
        assert_eq!(opened.is_ok(), fits, "{claimed}: {opened:?}");
    }
}
