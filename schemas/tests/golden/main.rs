//! Shapes that disks keep: every event and record in bytes that were written once and must be read for ever.
//!
//! When a test here fails, data on somebody's disk has become unreadable, or reads differently. Adding an optional field
//! is fine and changes a file only where a sample fills it; anything else needs a new version and an upcaster.
//! `cargo golden` writes the files anew: review them as a diff, and never let it touch a version that has shipped.

mod files;
mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use schemas::event::Event;
use schemas::record::{Body, Header};

fn read_hex(text: &str) -> Vec<Vec<u8>> {
    let sample = |block: &str| hex::decode(block.split_whitespace().collect::<String>()).expect("hex digits");
    text.trim().split("\n\n").map(sample).collect()
}

fn on_disk() -> BTreeMap<String, Vec<Vec<u8>>> {
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        (name, read_hex(&fs::read_to_string(&path).expect("a readable file")))
    };
    fs::read_dir(files::folder()).expect("schemas/golden").map(read).collect()
}

/// `40-VersionCommitted-v1.hex` is type 40, version 1.
fn type_and_version(file: &str) -> Option<(u16, String, u16)> {
    let mut fields = file.strip_suffix(".hex")?.split('-');
    let (code, name, version) = (fields.next()?, fields.next()?, fields.next()?);
    Some((code.parse().ok()?, name.to_owned(), version.strip_prefix('v')?.parse().ok()?))
}

#[test]
fn every_event_has_a_sample() {
    let sampled: BTreeSet<u16> = samples::events().iter().map(Event::type_code).collect();
    let missing: Vec<_> = Event::TYPES.iter().filter(|(code, ..)| !sampled.contains(code)).collect();
    assert!(missing.is_empty(), "add samples of {missing:?}");
}

#[test]
fn no_code_or_name_is_used_twice() {
    let codes: BTreeSet<u16> = Event::TYPES.iter().map(|(code, ..)| *code).collect();
    let names: BTreeSet<&str> = Event::TYPES.iter().map(|(_, name, _)| *name).collect();
    assert_eq!((codes.len(), names.len()), (Event::TYPES.len(), Event::TYPES.len()));
}

#[test]
fn what_is_written_today_is_what_was_written() {
    let on_disk = on_disk();
    for (file, samples) in files::expected() {
        let written = on_disk.get(&file).unwrap_or_else(|| panic!("schemas/golden/{file} is missing: cargo golden"));
        assert_eq!(*written, samples, "schemas/golden/{file} has other bytes");
    }
}

#[test]
fn what_was_written_reads_as_what_was_meant() {
    let on_disk = on_disk();
    let mut samples: BTreeMap<String, Vec<Event>> = BTreeMap::new();
    for event in samples::events() {
        samples.entry(files::file_name(&event)).or_default().push(event);
    }
    for (file, meant) in samples {
        let (code, _, version) = type_and_version(&file).expect("our own name");
        let read =
            on_disk[&file].iter().map(|bytes| Event::decode(code, version, bytes).expect("it was written by us"));
        assert_eq!(read.collect::<Vec<_>>(), meant, "schemas/golden/{file}");
    }
}

/// Files of older versions stay when a shape moves on: their upcasters are held by them.
#[test]
fn every_file_is_of_a_known_event_and_still_reads() {
    for (file, samples) in on_disk() {
        if file == files::RECORDS {
            continue;
        }
        let (code, name, version) = type_and_version(&file).unwrap_or_else(|| panic!("what is schemas/golden/{file}?"));
        let known = Event::TYPES.iter().any(|&(c, n, newest)| c == code && n == name && version <= newest);
        assert!(known, "schemas/golden/{file} is of no event: types are never removed or renamed");
        for bytes in samples {
            let event = Event::decode(code, version, &bytes).unwrap_or_else(|error| panic!("{file}: {error:?}"));
            assert_eq!(event.name(), name);
        }
    }
}

#[test]
fn a_record_reads_as_what_was_meant() {
    let on_disk = on_disk();
    let read = on_disk[files::RECORDS].iter().map(|bytes| {
        let (header, body) = Header::decode(bytes).expect("a header");
        (header, Body::decode(body).expect("a body"))
    });
    let read: Vec<_> = read.collect();
    assert_eq!(read, samples::records());
    for (header, body) in read {
        body.event(&header).expect("an event");
    }
}

/// Positions of fields are part of the format; this holds them without our own decoder.
#[test]
fn a_header_has_its_fields_where_the_format_says() {
    let record = &on_disk()[files::RECORDS][0];
    let field = |from: usize, bytes: usize| hex::encode(&record[from..from + bytes]);
    let time = 1_700_000_000_000_000_u64;
    for (name, from, bytes, expected) in [
        ("format", 0, 1, "01".to_owned()),
        ("tenant", 1, 8, format!("{:016x}", 7)),
        ("epoch", 9, 4, format!("{:08x}", 2)),
        ("position", 13, 8, "0102030405060708".to_owned()),
        ("time", 21, 8, format!("{time:016x}")),
        ("prev", 29, 32, "11".repeat(32)),
        ("bucket", 61, 8, format!("{:016x}", 5)),
        ("bucket_seq", 69, 8, format!("{:016x}", 11)),
        ("bucket_prev", 77, 32, "22".repeat(32)),
        ("event type", 109, 2, format!("{:04x}", 41)),
        ("schema version", 111, 2, format!("{:04x}", 1)),
        ("key", 113, 8, format!("{:016x}", 70)),
        ("unit length", 121, 2, format!("{:04x}", 256)),
        ("unit index", 123, 2, format!("{:04x}", 255)),
        ("reserved", 125, 14, "00".repeat(14)),
    ] {
        assert_eq!(field(from, bytes), expected, "{name}");
    }
}
