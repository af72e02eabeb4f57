//! The power is cut at random moments under mixed writes: what was acknowledged is there byte for byte, nothing is there
//! half.
//!
//! Two suites. One runs the server on a file system of its own and copies the device below it; canaries that nobody synced
//! show that the page cache was really lost. The other needs no privileges: it tears what one burst of requests wrote and
//! nobody was told of. That one takes the server's word that what it acknowledged was synced.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use holdfast_tests::{Admin, Disk, Keys, Load, Model, Random, Server, check_models, rebuild_agrees};

const CLIENTS: usize = 10;
/// The disk is small.
const SMALL: [(&str, &str); 2] = [("HOLDFAST__STORAGE__SEGMENT_MIB", "16"), ("HOLDFAST__STORAGE__RESERVE_MIB", "32")];

fn rounds(default: u64) -> u64 {
    std::env::var("HOLDFAST_POWER_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn every_acknowledged_write_survives_a_power_cut() {
    let rounds = rounds(5);
    let folder = tempfile::tempdir().expect("a directory");
    let mut disk = match Disk::make(folder.path()) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("power: no loop device to cut the power of ({error:#}): tails are torn instead");
            return tear_tails(4 * rounds);
        }
    };
    let mut random = Random::from_environment("power");
    let mut models: Vec<Model> = vec![Model::new(); CLIENTS];
    let mut keys = Keys::default();
    let (mut void, mut acknowledged, mut slowest) = (0, 0, Duration::ZERO);
    for round in 0..rounds {
        let server = Server::start_with(&disk.path().join("data"), &SMALL).expect("the server starts");
        slowest = slowest.max(server.ready_after);
        check(&server, &mut models, &mut keys).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        let load = Load::start(&server, models, &mut random);
        let administrator = administer(&server, keys).expect("an administrator");
        std::thread::park_timeout(Duration::from_millis(100 + random.below(1_400)));
        let canaries = write_canaries(disk.path(), round).expect("canaries are written");
        std::thread::park_timeout(Duration::from_millis(random.below(20)));
        server.pause().expect("the server is paused");
        let image = disk.image_now().expect("the device is copied");
        server.kill().expect("the server is killed");
        acknowledged += load.acknowledged();
        models = load.end().expect("every answer was one of success");
        keys = administrator.end().expect("every administrator's answer was one of success");
        disk = disk.replace(image).expect("the copy is mounted");
        if canaries.iter().any(|canary| survived(canary)) {
            void += 1;
        }
    }
    let server = Server::start_with(&disk.path().join("data"), &SMALL).expect("the server starts");
    check(&server, &mut models, &mut keys).expect("everything acknowledged is there");
    rebuild_agrees(&server).expect("catalog, usage and log agree");
    server.stop().expect("the server stops");
    eprintln!(
        "power: {rounds} cuts, {void} void, {acknowledged} writes acknowledged, {} access keys, slowest start {} ms",
        keys.len(),
        slowest.as_millis()
    );
    assert!(acknowledged > 0, "nothing was acknowledged");
    assert!(void < rounds, "every canary survived: no power was cut");
}

fn check(server: &Server, models: &mut [Model], keys: &mut Keys) -> Result<()> {
    check_models(server, models)?;
    keys.check(server)
}

/// Whoever makes and revokes access keys beside the load.
struct Administrator {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Keys>>,
}

fn administer(server: &Server, mut keys: Keys) -> Result<Administrator> {
    let admin = Admin::new(server)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) && keys.step(&admin)? {
            std::thread::park_timeout(Duration::from_millis(30));
        }
        Ok(keys)
    });
    Ok(Administrator { stop, thread })
}

impl Administrator {
    fn end(self) -> Result<Keys> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

const CANARY: &[u8] = &[0xca; 100_000];

/// Files, a new one and one in place, that nobody syncs.
fn write_canaries(folder: &Path, round: u64) -> Result<Vec<PathBuf>> {
    (0..3)
        .map(|number| {
            let path = folder.join(format!("canary-{round}-{number}"));
            std::fs::write(&path, CANARY)?;
            Ok(path)
        })
        .collect()
}

/// A canary's name may be there: it went with the metadata that the server synced. Its bytes may not.
fn survived(canary: &Path) -> bool {
    std::fs::read(canary).is_ok_and(|bytes| bytes == CANARY)
}

#[test]
fn a_torn_tail_takes_nothing_that_was_acknowledged() {
    tear_tails(rounds(6));
}

/// Bursts of a few requests that begin when all is quiet. When the server is paused before any of them was answered, and
/// wrote no more than one batch, what it wrote since may be on the disk or not, sector by sector: so that is torn.
fn tear_tails(rounds: u64) {
    let mut random = Random::from_environment("torn tail");
    let folder = tempfile::tempdir().expect("a directory");
    let mut models: Vec<Model> = vec![Model::new(); 4];
    let (mut torn, mut void, mut number) = (BTreeMap::<&str, u64>::new(), 0, 0);
    let mut data = folder.path().join("data-0");
    while torn.values().sum::<u64>() < rounds {
        let server = Server::start_with(&data, &SMALL).expect("the server starts");
        check_models(&server, &mut models).unwrap_or_else(|error| panic!("after {torn:?}: {error:#}"));
        let (after, what) = loop {
            let before = folder.path().join("before");
            server.pause().expect("the server is paused");
            copy(&data, &before).expect("a copy");
            server.resume().expect("the server goes on");
            let load = Load::burst(&server, models, &mut random);
            let wait = Duration::from_micros(random.below(6_000));
            let began = Instant::now();
            while began.elapsed() < wait {
                std::hint::spin_loop();
            }
            server.pause().expect("the server is paused");
            let answered = load.answered();
            number += 1;
            let after = folder.path().join(format!("data-{number}"));
            copy(&data, &after).expect("a copy");
            let what = if answered { None } else { tear(&before, &after, &mut random).expect("tears") };
            let Some(what) = what else {
                void += 1;
                assert!(void < 200 * rounds, "no cut ever fell between a write and its answer");
                server.resume().expect("the server goes on");
                models = load.end().expect("every answer was one of success");
                std::fs::remove_dir_all(&after).expect("removes");
                continue;
            };
            server.kill().expect("the server is killed");
            models = load.end().expect("every answer was one of success");
            break (after, what);
        };
        *torn.entry(what).or_default() += 1;
        std::fs::remove_dir_all(&data).expect("removes");
        data = after;
    }
    let server = Server::start_with(&data, &SMALL).expect("the server starts");
    check_models(&server, &mut models).expect("everything acknowledged is there");
    rebuild_agrees(&server).expect("catalog, usage and log agree");
    server.stop().expect("the server stops");
    eprintln!("torn tail: {torn:?}, {void} bursts void");
}

/// Replaces a folder by a copy of another. Holes stay holes.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    let status = std::process::Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to).status()?;
    if !status.success() {
        bail!("cp of {} failed", from.display());
    }
    Ok(())
}

const SECTOR: usize = 512;
/// How every batch in a journal ends.
const BATCH_END: &[u8] = b"FJL\x03";

/// Puts random sectors of `after` back to what they were in `before`, where no order of syncing forbids it: the journal
/// if it grew by no more than one batch, else, if it did not grow, the segments. What was torn; none if nothing could be.
fn tear(before: &Path, after: &Path, random: &mut Random) -> Result<Option<&'static str>> {
    let changed = changed_files(before, after)?;
    let is = |path: &Path, extension: &str| path.extension().is_some_and(|found| found == extension);
    if changed.iter().any(|path| !is(path, "jnl") && !is(path, "hfs")) {
        // The head file or a table: both are written only after what they speak of was synced.
        return Ok(None);
    }
    let journals: Vec<&PathBuf> = changed.iter().filter(|path| is(path, "jnl")).collect();
    match journals[..] {
        [] if changed.is_empty() => Ok(None),
        [] => {
            for path in &changed {
                tear_file(&before.join(path), &after.join(path), random)?;
            }
            Ok(Some("segments"))
        }
        [journal] => {
            let (old, new) = (std::fs::read(before.join(journal))?, std::fs::read(after.join(journal))?);
            let sectors =
                || old.chunks(SECTOR).zip(new.chunks(SECTOR)).enumerate().filter(|(_, (old, new))| old != new);
            let (Some((first, _)), Some((last, _))) = (sectors().next(), sectors().next_back()) else {
                return Ok(None);
            };
            let ends = |bytes: &[u8]| {
                let changed = &bytes[first * SECTOR..bytes.len().min((last + 1) * SECTOR)];
                changed.windows(BATCH_END.len()).filter(|window| *window == BATCH_END).count()
            };
            if old.len() != new.len() || ends(&new) > ends(&old) + 1 {
                return Ok(None);
            }
            tear_file(&before.join(journal), &after.join(journal), random)?;
            Ok(Some("journal"))
        }
        _ => Ok(None),
    }
}

/// Files of two trees, relative, that are not the same in both.
fn changed_files(before: &Path, after: &Path) -> Result<Vec<PathBuf>> {
    let mut changed = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let mut names = Vec::new();
        for tree in [before, after] {
            match std::fs::read_dir(tree.join(&folder)) {
                Ok(entries) => names.extend(entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        names.sort();
        names.dedup();
        for name in names {
            let path = folder.join(name);
            if after.join(&path).is_dir() || before.join(&path).is_dir() {
                folders.push(path);
            } else if as_it_was(&before.join(&path)) != as_it_was(&after.join(&path)) {
                changed.push(path);
            }
        }
    }
    Ok(changed)
}

/// Length and time of the last change, which copies keep; none of a file that is missing.
fn as_it_was(path: &Path) -> Option<(u64, i64, i64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}

/// Of a file that grew or was overwritten, any sector may be old. Of a new one, zeros.
fn tear_file(before: &Path, after: &Path, random: &mut Random) -> Result<()> {
    let new = std::fs::read(after).context("the file was not removed")?;
    let old = std::fs::read(before).unwrap_or_default();
    let file = std::fs::OpenOptions::new().write(true).open(after)?;
    let keep_in_8 = random.below(9);
    for (number, sector) in new.chunks(SECTOR).enumerate() {
        let at = number * SECTOR;
        let mut was = old.get(at..old.len().min(at + sector.len())).unwrap_or_default().to_vec();
        was.resize(sector.len(), 0);
        if was != sector && random.below(8) >= keep_in_8 {
            file.write_all_at(&was, at as u64)?;
        }
    }
    Ok(())
}
