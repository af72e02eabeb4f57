//! A byte flipped, a file cut short or removed, anywhere in the data directory: a clear error or right bytes, never wrong
//! bytes, a silent loss, a panic or a hang.
//!
//! A store of varied content is made once. Each damage is done to a fresh copy, a server is started on it and asked
//! everything that the undamaged one was asked. CI tries a sample by a seed; `HOLDFAST_DAMAGE=all` tries all.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::{Admin, Answer, Connection, Credentials, Random, Server, incompressible};
use serde_json::json;

/// Damages in CI: about 300 ms each for one of two workers.
const SAMPLE: usize = 130;
const WORKERS: usize = 2;
/// Small tables, so that some are written out; small segments, so that there are several.
const SMALL: [(&str, &str); 3] = [
    ("HOLDFAST__STORAGE__MEMTABLE_KIB", "64"),
    ("HOLDFAST__STORAGE__SEGMENT_MIB", "16"),
    ("HOLDFAST__STORAGE__RESERVE_MIB", "0"),
];
const OTHER: (&str, &str) = ("HFOTHERTENANT00001", "another-tenants-secret");

/// What is done to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Flip { at: u64, bit: u8 },
    Cut { to: u64 },
    Remove,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Act::Flip { .. } => "flip",
            Act::Cut { .. } => "cut",
            Act::Remove => "remove",
        }
    }
}

#[derive(Debug, Clone)]
struct Damage {
    path: PathBuf,
    kind: &'static str,
    act: Act,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    SomeErrors,
    AllRight,
}

/// A question, and what the undamaged store answered.
#[derive(Debug)]
struct Question {
    other: bool,
    path: String,
    query: Vec<(&'static str, &'static str)>,
    headers: Vec<(&'static str, &'static str)>,
    status: u16,
    etag: Option<String>,
    body: Vec<u8>,
}

struct Store {
    folder: tempfile::TempDir,
    data: PathBuf,
    credentials: Credentials,
    token: String,
    questions: Vec<Question>,
}

#[test]
fn damage_anywhere_is_an_error_or_changes_no_answer() {
    let mut random = Random::from_environment("damage");
    let store = make().expect("a store");
    let undamaged = Damage { path: PathBuf::new(), kind: "nothing", act: Act::Cut { to: 0 } };
    let outcome = attempt(&store, &undamaged, "undamaged").expect("the undamaged copy answers as the store did");
    assert_eq!(outcome, Outcome::AllRight);
    let all = damages(&store.data, &mut random).expect("files");
    let of = all.len();
    let chosen =
        if std::env::var("HOLDFAST_DAMAGE").is_ok_and(|value| value == "all") { all } else { sample(all, &mut random) };
    let (next, failures, table) =
        (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(BTreeMap::<_, [u64; 3]>::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((number, damage)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    chosen.get(number).map(|damage| (number, damage))
                } {
                    match attempt(&store, damage, &number.to_string()) {
                        Ok(outcome) => {
                            let mut table = table.lock().expect("no panic");
                            table.entry((damage.kind, damage.act.name())).or_default()[outcome as usize] += 1;
                        }
                        Err(error) => failures.lock().expect("no panic").push(format!("{damage:?}: {error:#}")),
                    }
                }
            });
        }
    });
    eprintln!("damage: {} of {of} tried; refused, some errors, all right:", chosen.len());
    for ((kind, act), [refused, errors, right]) in table.into_inner().expect("no panic") {
        eprintln!("  {kind:<16} {act:<7} {refused:>5} {errors:>5} {right:>5}");
    }
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} went wrong:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn a_store_that_lost_a_part_is_refused_and_not_made_anew() {
    let store = make().expect("a store");
    let check = |removed: &[&str], emptied: &[&str], expected: &str| {
        let data = store.folder.path().join("copy-of-a-part");
        let copied =
            std::process::Command::new("cp").args(["-a", "--sparse=always"]).arg(&store.data).arg(&data).status();
        assert!(copied.expect("runs").success(), "cp failed");
        for name in removed.iter().chain(emptied) {
            std::fs::remove_dir_all(data.join(name)).expect("removes");
        }
        for name in emptied {
            std::fs::create_dir(data.join(name)).expect("makes");
        }
        let error = Server::refuses_to_start(&data).expect("refuses");
        assert!(error.contains(expected), "without {removed:?} and with empty {emptied:?}: {error}");
        // Refused again: the refusal left nothing that looks like a start.
        let error = Server::refuses_to_start(&data).expect("refuses");
        assert!(error.contains(expected), "again without {removed:?} and with empty {emptied:?}: {error}");
        std::fs::remove_dir_all(&data).expect("removes");
    };
    check(&["log"], &[], "/log is missing or empty, but ");
    check(&[], &["log"], "/log is missing or empty, but ");
    check(&["log", "keys"], &[], "/log is missing or empty, but ");
    check(&["blobs"], &[], "/blobs is missing or empty, but ");
    check(&[], &["blobs"], "/blobs is missing or empty, but ");
    check(&["keys"], &[], "/keys");
    check(&[], &["keys"], "/keys");
    check(&["log/core"], &[], "/log ends at commit 0, but had reached ");
    check(&["log/core/keyspaces"], &[], "/log/core/keyspaces/");
}

#[test]
fn content_whose_segment_is_gone_is_stored_again_and_not_taken_for_a_copy() {
    let store = make().expect("a store");
    let mut segments: Vec<PathBuf> = std::fs::read_dir(store.data.join("blobs"))
        .expect("reads")
        .map(|entry| entry.expect("reads").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hfs"))
        .collect();
    segments.sort();
    assert!(segments.len() > 1, "{segments:?}");
    // With the last ones: their numbers are given again.
    for segment in &segments[1..] {
        std::fs::remove_file(segment).expect("removes");
    }
    let server = Server::start_with(&store.data, &SMALL).expect("starts");
    let mut connection = server.connect();
    let mut lost = 0;
    for number in 0..5_u64 {
        let (path, body) = (format!("/demo/large/{number}"), incompressible(2_000 + number, 5 << 20));
        lost += u64::from(!connection.get(&path).is_ok_and(|answer| answer.status == 200));
        let again = format!("{path}-again");
        connection.put(&again, &body).expect("answers").ok().expect("puts");
        let read = connection.get(&again).expect("answers").ok().expect("reads");
        assert!(read.body == body, "{again} has other bytes");
    }
    assert!(lost > 0, "the segment held some of it");
}

/// A store with inline, small, large and multipart content, overwrites, deletes, two tenants.
fn make() -> Result<Store> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start_with(&data, &SMALL)?;
    let mut connection = server.connect();
    for number in 0..120_u64 {
        let length = [100, 1_500, 1_900, 700][number as usize % 4];
        let metadata = "m".repeat(200 + number as usize % 700);
        let path = format!("/demo/inline/{:02}/{number:03}", number % 7);
        let headers = [("x-amz-meta-note", metadata.as_str())];
        connection.request("PUT", &path, &[], &headers, &incompressible(number, length))?.ok()?;
    }
    for number in 0..24_u64 {
        let body = incompressible(1_000 + number, 3_000 + number as usize * 7_000);
        connection.put(&format!("/demo/medium/{number:03}"), &body)?.ok()?;
    }
    for number in 0..5_u64 {
        connection.put(&format!("/demo/large/{number}"), &incompressible(2_000 + number, 5 << 20))?.ok()?;
    }
    multipart(&mut connection, "/demo/multipart")?;
    for number in 0..10_u64 {
        connection.put(&format!("/demo/inline/00/{:03}", number * 7), &incompressible(3_000 + number, 900))?.ok()?;
        connection.delete(&format!("/demo/medium/{number:03}"))?.ok()?;
    }
    connection.request("PUT", "/second-bucket", &[], &[], b"")?.ok()?;
    connection.put("/second-bucket/only", &incompressible(4_000, 50_000))?.ok()?;
    let admin = Admin::new(&server)?;
    admin.post("/tenants", &json!({ "id": "other" }))?;
    admin.post("/tenants/other/keys", &json!({ "accessKeyId": OTHER.0, "secretKey": OTHER.1 }))?;
    let mut other = Connection::new(server.address, other_credentials());
    other.request("PUT", "/demo", &[], &[], b"")?.ok()?;
    for number in 0..20_u64 {
        other
            .put(&format!("/demo/inline/{number}"), &incompressible(5_000 + number, 20 + 400 * number as usize))?
            .ok()?;
    }
    let mut questions = questions();
    for question in &mut questions {
        let answer = ask(&mut connection, &mut other, question)?;
        (question.status, question.etag) = (answer.status, answer.header("etag").map(str::to_owned));
        question.body = answer.body;
    }
    ensure!(questions.iter().filter(|question| question.status >= 300).count() == 10, "only what was deleted is gone");
    let (credentials, token) =
        (server.credentials(), server.environment.get("HOLDFAST_ADMIN_TOKEN").context("a token")?.clone());
    server.stop()?;
    Ok(Store { folder, data, credentials, token, questions })
}

fn other_credentials() -> Credentials {
    Credentials { access_key: OTHER.0.to_owned(), secret: OTHER.1.to_owned() }
}

fn multipart(connection: &mut Connection, path: &str) -> Result<()> {
    let started = connection.request("POST", path, &[("uploads", "")], &[], b"")?.ok()?.text();
    let upload = started.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once("</UploadId>"));
    let upload = upload.context("an upload id")?.0;
    let mut parts = String::new();
    for (number, length) in [("1", 5 << 20), ("2", 6 << 20), ("3", 70_000)] {
        let body = incompressible(number.len() as u64 + length as u64, length);
        let part =
            connection.request("PUT", path, &[("partNumber", number), ("uploadId", upload)], &[], &body)?.ok()?;
        let etag = part.header("etag").context("an etag")?;
        parts.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    let body = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    connection.request("POST", path, &[("uploadId", upload)], &[], body.as_bytes())?.ok()?;
    Ok(())
}

fn questions() -> Vec<Question> {
    let question = |path: String, query: &[(&'static str, &'static str)]| Question {
        other: false,
        path,
        query: query.to_vec(),
        headers: Vec::new(),
        status: 0,
        etag: None,
        body: Vec::new(),
    };
    let mut all: Vec<Question> = Vec::new();
    all.extend((0..120).map(|number| question(format!("/demo/inline/{:02}/{number:03}", number % 7), &[])));
    all.extend((0..24).map(|number| question(format!("/demo/medium/{number:03}"), &[])));
    all.extend((0..5).map(|number| question(format!("/demo/large/{number}"), &[])));
    all.push(question("/demo/multipart".to_owned(), &[]));
    for (path, range) in [("/demo/large/3", "bytes=4194000-4195000"), ("/demo/multipart", "bytes=5242870-5242890")] {
        all.push(Question { headers: vec![("range", range)], ..question(path.to_owned(), &[]) });
    }
    all.push(question("/".to_owned(), &[]));
    all.push(question("/demo".to_owned(), &[("list-type", "2")]));
    all.push(question("/demo".to_owned(), &[("list-type", "2"), ("delimiter", "/")]));
    all.push(question("/demo".to_owned(), &[("versions", "")]));
    all.push(question("/second-bucket".to_owned(), &[("list-type", "2")]));
    all.push(question("/second-bucket/only".to_owned(), &[]));
    let other = |question| Question { other: true, ..question };
    all.push(other(question("/demo".to_owned(), &[("list-type", "2")])));
    all.extend((0..20).map(|number| other(question(format!("/demo/inline/{number}"), &[]))));
    all
}

fn ask(mine: &mut Connection, other: &mut Connection, question: &Question) -> Result<Answer> {
    let connection = if question.other { other } else { mine };
    connection.request("GET", &question.path, &question.query, &question.headers, b"")
}

/// Every damage that is to be tried.
fn damages(data: &Path, random: &mut Random) -> Result<Vec<Damage>> {
    let mut damages = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        entries.sort();
        for path in entries {
            let relative = path.strip_prefix(data)?.to_owned();
            if path.is_dir() {
                damages.push(Damage { path: relative, kind: "a folder", act: Act::Remove });
                folders.push(path);
            } else {
                let kind = kind(&relative);
                let acts = acts(&path, random)?;
                damages.extend(acts.into_iter().map(|act| Damage { path: relative.clone(), kind, act }));
            }
        }
    }
    Ok(damages)
}

fn kind(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        "HEAD" => "head file",
        "lock" => "lock",
        "first-run.env" => "first-run.env",
        "current" => "table manifest",
        "root.check" => "root check",
        _ if name.ends_with(".jnl") => "journal",
        _ if name.ends_with(".hfs") => "segment",
        _ if name.ends_with(".key") => "key file",
        _ if folder == "tables" => "table",
        _ if name.starts_with('v') => "table manifest",
        _ => "another file",
    }
}

fn acts(path: &Path, random: &mut Random) -> Result<Vec<Act>> {
    let bytes = std::fs::read(path)?;
    let length = bytes.len() as u64;
    // Behind it is preallocated space.
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last as u64 + 1);
    let mut places = vec![0, 1, 7, 8, 12, 20, 30, 60, used.saturating_sub(1), used.saturating_sub(9), used, length / 2];
    places.push(length.saturating_sub(1));
    places.extend((1..9).map(|back| length.saturating_sub(back * 7)));
    // The longer the file, the more kinds of bytes.
    let more = 8 + used.ilog2_or_zero() as u64 * 2;
    places.extend((0..more).map(|_| random.below(used.max(1))));
    places.retain(|&at| at < length);
    places.sort_unstable();
    places.dedup();
    let mut acts: Vec<Act> = places.into_iter().map(|at| Act::Flip { at, bit: random.below(8) as u8 }).collect();
    let mut cuts = vec![0, length / 2, used / 2, used.saturating_sub(1), length.saturating_sub(1), length.min(100)];
    // Whole batches missing at the end of a journal look like nothing at all.
    let ends: Vec<u64> =
        bytes.windows(4).enumerate().filter(|(_, four)| four == b"FJL\x03").map(|(at, _)| at as u64 + 4).collect();
    if path.extension().is_some_and(|extension| extension == "jnl") && ends.len() > 3 {
        cuts.extend([ends[ends.len() - 2], ends[ends.len() / 2], ends[0]]);
    }
    cuts.retain(|&to| to < length);
    cuts.sort_unstable();
    cuts.dedup();
    acts.extend(cuts.into_iter().map(|to| Act::Cut { to }));
    acts.push(Act::Remove);
    Ok(acts)
}

trait LogOrZero {
    fn ilog2_or_zero(self) -> u32;
}

impl LogOrZero for u64 {
    fn ilog2_or_zero(self) -> u32 {
        self.checked_ilog2().unwrap_or(0)
    }
}

/// Some of each kind of file and act, all removals of folders, then at random.
fn sample(all: Vec<Damage>, random: &mut Random) -> Vec<Damage> {
    let mut shuffled: Vec<(u64, Damage)> = all.into_iter().map(|damage| (random.next_u64(), damage)).collect();
    shuffled.sort_by_key(|(order, _)| *order);
    let mut seen: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for (_, damage) in shuffled {
        let times = seen.entry((damage.kind, damage.act.name())).or_default();
        *times += 1;
        let folder = damage.kind == "a folder" && damage.path.components().count() <= 3;
        if folder || *times <= 5 { first.push(damage) } else { rest.push(damage) }
    }
    first.extend(rest);
    first.truncate(SAMPLE);
    first
}

/// Does the damage to a copy, starts a server on it and asks everything.
fn attempt(store: &Store, damage: &Damage, name: &str) -> Result<Outcome> {
    let data = store.folder.path().join(format!("copy-{name}"));
    let copied = std::process::Command::new("cp")
        .args(["-a", "--sparse=always", "--reflink=auto"])
        .arg(&store.data)
        .arg(&data)
        .status()?;
    ensure!(copied.success(), "cp failed");
    if damage.kind != "nothing" {
        harm(&data, damage)?;
    }
    let log = data.with_extension("log");
    let outcome = judge(store, damage, &data, &log);
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let outcome = outcome.and_then(|outcome| {
        if text.contains("panicked") {
            bail!("the server panicked");
        }
        Ok(outcome)
    });
    let outcome = outcome.with_context(|| {
        let lines: Vec<String> = text.lines().map(|line| line.chars().take(400).collect()).collect();
        format!("its log ends:\n    {}\n ", lines[lines.len().saturating_sub(4)..].join("\n    "))
    });
    let _ = std::fs::remove_dir_all(&data);
    let _ = std::fs::remove_file(&log);
    outcome
}

fn harm(data: &Path, damage: &Damage) -> Result<()> {
    let path = data.join(&damage.path);
    let write = || std::fs::OpenOptions::new().read(true).write(true).open(&path);
    match damage.act {
        Act::Flip { at, bit } => {
            let (file, mut byte) = (write()?, [0]);
            file.read_exact_at(&mut byte, at)?;
            file.write_all_at(&[byte[0] ^ (1 << bit)], at)?;
        }
        Act::Cut { to } => write()?.set_len(to)?,
        Act::Remove if path.is_dir() => std::fs::remove_dir_all(&path)?,
        Act::Remove => std::fs::remove_file(&path)?,
    }
    Ok(())
}

fn judge(store: &Store, damage: &Damage, data: &Path, log: &Path) -> Result<Outcome> {
    let server = loop {
        match Server::start_with(data, &SMALL) {
            Ok(server) => break server,
            Err(error) => {
                let text = format!("{error:#}");
                if text.contains("is in use by another program") {
                    // Another suite took the port in between.
                    std::fs::write(log, b"")?;
                    continue;
                }
                ensure!(text.contains("the server ended with exit status: 1"), "no orderly refusal: {text}");
                refusal_names_the_place(&text, damage, data)?;
                return Ok(Outcome::Refused);
            }
        }
    };
    let mut mine = Connection::new(server.address, store.credentials.clone());
    let mut other = Connection::new(server.address, other_credentials());
    let mut errors = 0;
    for question in &store.questions {
        match ask(&mut mine, &mut other, question) {
            Ok(answer) if answer.status == 500 || answer.status == 503 => errors += 1,
            Ok(answer) => {
                let etag = answer.header("etag").map(str::to_owned);
                let body = if answer.status < 300 { answer.body == question.body } else { true };
                if (answer.status, &etag) != (question.status, &question.etag) || !body {
                    let what = format!("{} {:?} answered {} {etag:?}", question.path, question.query, answer.status);
                    bail!("{what}, before {} {:?}, same bytes: {body}", question.status, question.etag);
                }
            }
            // Damage that is met behind the first bytes breaks the answer off.
            Err(_) => errors += 1,
        }
    }
    errors += u64::from(!writing_works(&mut mine)?);
    errors += u64::from(!rebuild_agrees(&server, &store.token)?);
    server.kill()?;
    if errors == 0 {
        return Ok(Outcome::AllRight);
    }
    error_names_the_place(log, damage)?;
    Ok(Outcome::SomeErrors)
}

/// What is written now is there, or was refused with an error.
fn writing_works(connection: &mut Connection) -> Result<bool> {
    let mut all = true;
    for (path, length) in [("/demo/new-inline", 500), ("/demo/new-medium", 60_000)] {
        let body = incompressible(9_000, length);
        let Ok(written) = connection.put(path, &body) else { return Ok(false) };
        match written.status {
            200 => {
                let read = connection.get(path)?;
                ensure!(
                    read.status == 200 && read.body == body,
                    "{path} was written and then answered {}",
                    read.status
                );
            }
            500 | 503 => all = false,
            status => bail!("a write answered {status}: {}", written.text()),
        }
    }
    Ok(all)
}

fn rebuild_agrees(server: &Server, token: &str) -> Result<bool> {
    match Admin::with_token(server, token)?.post("/rebuild", &json!({})) {
        Ok(Some(report)) => {
            ensure!(report["equal"] == serde_json::Value::Bool(true), "a rebuild differs: {report}");
            Ok(true)
        }
        Ok(None) => Ok(false),
        Err(error) if error.to_string().contains("answered 50") => Ok(false),
        Err(error) => Err(error),
    }
}

/// A refusal names the file, or a folder that it lies in.
fn refusal_names_the_place(text: &str, damage: &Damage, data: &Path) -> Result<()> {
    let mut place = Some(data.join(&damage.path));
    while let Some(path) = place.filter(|path| path != data) {
        if text.contains(&path.display().to_string()) {
            return Ok(());
        }
        place = path.parent().map(Path::to_owned);
    }
    bail!("the refusal does not say where: {text}")
}

/// An error line names the file, or a folder that it lies in, or the segment.
fn error_names_the_place(log: &Path, damage: &Damage) -> Result<()> {
    let text = std::fs::read_to_string(log)?;
    let errors: Vec<&str> = text.lines().filter(|line| line.contains("ERROR")).collect();
    ensure!(!errors.is_empty(), "errors were answered and none was logged");
    let mut names: Vec<String> = damage.path.ancestors().map(|path| path.display().to_string()).collect();
    names.retain(|name| !["", "log", "keys", "blobs"].contains(&name.as_str()));
    if damage.kind == "segment" || damage.path == Path::new("blobs") {
        names.push("segment ".to_owned());
    }
    let named = errors.iter().any(|line| names.iter().any(|name| line.contains(name)));
    ensure!(named, "no error line says where: {}", errors[0]);
    Ok(())
}
