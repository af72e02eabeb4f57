//! A thousand ways to change an export, by a seed that is printed (`HOLDFAST_SEED` repeats a run): each must be found.

use ledger::export::{CHUNK_MEMBERS, Fault, KEY_BYTES};
use schemas::Position;

use super::house::House;
use super::{archive, check, key_of, members_of, verify};
use crate::audit::Member;

const MUTATIONS: u64 = 1_000;

/// A seeded generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}

/// The first chunk, taken apart: raw record, key and line of each; those that have no line have an empty one.
struct Apart {
    first: usize,
    entries: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
}

fn apart(members: &[Member]) -> Apart {
    let first = members.iter().position(|member| member.name.ends_with("/records")).expect("a chunk");
    let text = String::from_utf8(members[first + 2].content.clone()).expect("text");
    let mut lines = text.split_inclusive('\n').peekable();
    let keys = members[first + 1].content.chunks(KEY_BYTES);
    let entries = archive::records(members).into_iter().zip(keys).map(|(record, key)| {
        let says = format!("{{\"position\":{},", record.header.position);
        let line = lines.next_if(|line| line.starts_with(&says)).unwrap_or_default();
        (record.raw, key.to_vec(), line.as_bytes().to_vec())
    });
    Apart { first, entries: entries.collect() }
}

fn together(members: &mut [Member], apart: &Apart) {
    let [records, keys, lines, _] = &mut members[apart.first..apart.first + CHUNK_MEMBERS.len()] else {
        panic!("a chunk has four members")
    };
    for member in [&mut *records, &mut *keys, &mut *lines] {
        member.content.clear();
    }
    for (raw, key, line) in &apart.entries {
        records.content.extend((raw.len() as u32).to_be_bytes());
        records.content.extend(raw);
        keys.content.extend(key);
        lines.content.extend(line);
    }
}

/// What was done, and where a fault must be placed if that can be said.
fn mutate(members: &mut Vec<Member>, random: &mut Random) -> (String, Option<usize>) {
    let mut chunk = apart(members);
    let (count, index) = (chunk.entries.len(), random.below(chunk.entries.len()));
    let (what, place) = match random.below(11) {
        0..=3 => {
            let member = loop {
                let member = random.below(members.len());
                if !members[member].content.is_empty() {
                    break member;
                }
            };
            let Member { name, content } = &mut members[member];
            let (byte, bit) = (random.below(content.len()), random.below(8));
            content[byte] ^= 1 << bit;
            return (format!("bit {bit} of byte {byte} of {name}"), None);
        }
        4 => {
            chunk.entries.remove(index);
            (format!("record {index} taken out"), (index + 1 < count).then_some(index))
        }
        5 => {
            let again = chunk.entries[index].clone();
            chunk.entries.insert(index, again);
            (format!("record {index} twice"), Some(index + 1))
        }
        6 => {
            let other = (index + 1 + random.below(count - 1)) % count;
            chunk.entries.swap(index, other);
            (format!("records {index} and {other} swapped"), Some(index.min(other)))
        }
        7 => {
            chunk.entries.truncate(index);
            (format!("records from {index} on gone"), None)
        }
        8 => {
            let other = (index + 1 + random.below(count - 1)) % count;
            let record = chunk.entries[other].0.clone();
            chunk.entries[index].0 = record;
            (format!("record {other} in place of {index}"), None)
        }
        9 => {
            let raw = &mut chunk.entries[index].0;
            let (byte, bit) = (random.below(raw.len()), random.below(8));
            raw[byte] ^= 1 << bit;
            (format!("bit {bit} of byte {byte} of record {index}"), None)
        }
        _ => {
            let (member, other) = (random.below(members.len()), random.below(members.len()));
            let what = match random.below(3) {
                0 => format!("{} gone", members.remove(member).name),
                1 => {
                    let again = members[member].clone();
                    members.insert(member, again);
                    format!("{} twice", members[member].name)
                }
                _ => {
                    let length = members[member].content.len();
                    let is_same = members[member] == members[other];
                    if is_same {
                        members[member].content.push(0);
                        format!("a byte behind the {length} of {}", members[member].name)
                    } else {
                        members.swap(member, other);
                        format!("{} and {} swapped", members[member].name, members[other].name)
                    }
                }
            };
            return (what, None);
        }
    };
    together(members, &chunk);
    (what, place)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_changed_in_an_export_is_found() {
    let seed = std::env::var("HOLDFAST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    eprintln!("mutations of exports: HOLDFAST_SEED={seed}");
    let mut random = Random(seed);
    let house = House::new().await;
    let whole = members_of(&house.export(None, None, None).await);
    let bucket = members_of(&house.export(Some("data"), None, None).await);
    let key = key_of(&whole);
    for number in 0..MUTATIONS {
        let is_whole = number % 2 == 0;
        let mut members = if is_whole { whole.clone() } else { bucket.clone() };
        let before = members.clone();
        let (what, place) = mutate(&mut members, &mut random);
        assert_ne!(members, before, "{number}: {what}: nothing was changed");
        let found = check(&members, &key).expect_err(&what);
        // A whole log's records stand at the positions that they count to.
        if let (true, Some(place)) = (is_whole, place) {
            let at = Some(Position(place as u64));
            assert!(matches!(found, Fault::Tampered { position, .. } if position == at), "{number}: {what}: {found:?}");
        }
    }
}

/// Bits of zstd's framing that say nothing, such as how much memory a reader may take, may change: then every member is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn no_changed_byte_of_the_file_itself_changes_what_is_believed() {
    let house = House::new().await;
    let file = house.export(Some("data"), None, None).await;
    let members = members_of(&file);
    let key = key_of(&members);
    let (mut random, mut same) = (Random(7), 0);
    for _ in 0..300 {
        let (byte, bit) = (random.below(file.len()), random.below(8));
        let mut changed = file.clone();
        changed[byte] ^= 1 << bit;
        if verify(std::io::Cursor::new(&changed), &key, &mut |_| {}).is_ok() {
            assert_eq!(members_of(&changed), members, "bit {bit} of byte {byte}");
            same += 1;
        }
    }
    assert!(same < 30, "{same} of 300: the file's checksum is not looked at");
}
