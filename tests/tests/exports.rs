//! Exports, their verification, timelines and replays, held against the real binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use holdfast_tests::{Admin, Server, program};
use serde_json::Value;
use tempfile::TempDir;

/// A server with a few objects in two buckets.
struct House {
    directory: TempDir,
    server: Server,
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(&directory.path().join("data")).expect("starts");
        let mut connection = server.connect();
        connection.request("PUT", "/other", &[], &[], b"").expect("answers").ok().expect("a bucket");
        for round in 0..20 {
            connection.put(&format!("/demo/a/{round}"), b"content").expect("answers").ok().expect("puts");
            connection.put(&format!("/other/{round}"), b"content").expect("answers").ok().expect("puts");
        }
        connection.request("DELETE", "/demo/a/3", &[], &[], b"").expect("answers").ok().expect("deletes");
        Self { directory, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs the program for this server.
    fn run(&self, words: &[&str]) -> Output {
        let token = &self.server.environment["HOLDFAST_ADMIN_TOKEN"];
        let url = format!("http://{}", self.server.admin);
        let mut command = Command::new(program().expect("built"));
        command.args(words).env("HOLDFAST_ADMIN_URL", url).env("HOLDFAST_ADMIN_TOKEN", token);
        command.output().expect("runs")
    }

    fn export(&self, name: &str, words: &[&str]) -> PathBuf {
        let file = self.path(name);
        let done = self.run(&[&["audit", "export", "--tenant", "default", text(&file)], words].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        file
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name")
}

/// Without any server: what is said, and the exit code.
fn verify(file: &Path, key: &str) -> (i32, Value) {
    let mut command = Command::new(program().expect("built"));
    command.env_clear().args(["audit", "verify", "--json", text(file), "--key", key]);
    let done = command.output().expect("runs");
    let code = done.status.code().expect("it ends by itself");
    (code, serde_json::from_slice(&done.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr))))
}

/// The key that is in an export, and the bytes of its archive.
fn unpacked(file: &Path) -> (String, Vec<u8>) {
    let archive = zstd::decode_all(std::fs::File::open(file).expect("opens")).expect("decompresses");
    let at = archive.windows(8).position(|name| name == b"key.pub\0").expect("a key");
    let key = archive[at + 512..].split(|byte| *byte == b'\n').next().expect("a line");
    (String::from_utf8(key.to_vec()).expect("text"), archive)
}

#[test]
fn an_export_is_sound_until_somebody_touches_it() {
    let house = House::new();
    let (log, bucket) = (house.export("log.tar.zst", &[]), house.export("bucket.tar.zst", &["--bucket", "demo"]));
    let (key, archive) = unpacked(&log);
    let (code, said) = verify(&log, &key);
    assert_eq!((code, &said["result"]), (0, &"sound".into()), "{said}");
    assert_eq!((&said["records"], &said["rulesUnchecked"]), (&said["signedSize"], &0.into()), "{said}");
    // What the API answers of the key will do.
    let answer = serde_json::json!({ "origin": "a log", "key": key }).to_string();
    assert_eq!(verify(&log, &answer).0, 0);
    let (code, said) = verify(&bucket, &key);
    assert_eq!((code, &said["bucket"], &said["completeTo"]), (0, &"demo".into(), &said["to"]), "{said}");

    let changed = house.path("changed.tar.zst");
    let records = archive.windows(23).position(|name| name == b"chunks/00000000/records").expect("a chunk");
    let mut bytes = archive.clone();
    bytes[records + 512 + 4 + 200] ^= 1;
    compress(&bytes, &changed);
    let (code, said) = verify(&changed, &key);
    assert_eq!((code, &said["result"], &said["position"]), (1, &"tampered".into(), &0.into()), "{said}");
    std::fs::write(&changed, &std::fs::read(&log).expect("reads")[..5_000]).expect("writes");
    let (code, said) = verify(&changed, &key);
    assert_eq!((code, &said["result"]), (2, &"incomplete".into()), "{said}");
    let (code, said) = verify(&house.path("absent"), &key);
    assert_eq!((code, &said["result"]), (2, &"incomplete".into()), "{said}");

    let again = house.run(&["audit", "export", "--tenant", "default", text(&log)]);
    assert!(!again.status.success(), "a file that is there stays");
    let absent = house.path("none.tar.zst");
    for words in [["--tenant", "absent"], ["--tenant", "default"]] {
        let done = house.run(&[&["audit", "export", text(&absent), "--bucket", "absent"], &words[..]].concat());
        assert_eq!(done.status.code(), Some(1));
        assert!(!absent.exists());
    }
    assert!(
        std::fs::read_dir(house.directory.path())
            .expect("reads")
            .all(|entry| { !entry.expect("an entry").file_name().to_string_lossy().contains(".part-") })
    );
}

fn compress(bytes: &[u8], file: &Path) {
    std::fs::write(file, zstd::encode_all(bytes, 1).expect("compresses")).expect("writes");
}

#[test]
fn only_an_owner_exports_and_the_log_says_who() {
    let house = House::new();
    house.export("bucket.tar.zst", &["--bucket", "demo"]);
    let admin = Admin::new(&house.server).expect("a token");
    let entries = admin.get("/audit?tenant=default&action=LogSealed&order=newest").expect("answers");
    assert_eq!(entries["entries"][0]["actor"]["kind"], "admin", "{entries}");
    let asked = serde_json::json!({ "role": "operator", "name": "no owner" });
    let made = admin.post("/tokens", &asked).expect("a token").expect("an answer");
    let token = made["token"].as_str().expect("its text");
    let mut command = Command::new(program().expect("built"));
    let file = house.path("refused.tar.zst");
    command.args(["audit", "export", "--tenant", "default", text(&file)]);
    command.env("HOLDFAST_ADMIN_URL", format!("http://{}", house.server.admin)).env("HOLDFAST_ADMIN_TOKEN", token);
    let done = command.output().expect("runs");
    assert!(String::from_utf8_lossy(&done.stderr).contains("403"), "{done:?}");
    assert!(!file.exists());
}

#[test]
fn a_timeline_says_who_did_what_to_a_prefix_in_a_window() {
    let house = House::new();
    let timeline = |words: &[&str]| {
        let done = house.run(&[&["audit", "timeline", "--tenant", "default"], words].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let lines = |words: &[&str]| -> Vec<Value> {
        let text = timeline(&[&["--format", "jsonl"], words].concat());
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let puts = lines(&["--bucket", "demo", "--prefix", "a/1"]);
    assert_eq!(puts.len(), 11, "{puts:?}");
    assert!(puts.iter().all(|entry| entry["key"].as_str().is_some_and(|key| key.starts_with("a/1"))));
    let of_key = lines(&["--bucket", "demo", "--key", "a/3"]);
    let actions: Vec<&str> = of_key.iter().filter_map(|entry| entry["action"].as_str()).collect();
    assert_eq!(actions, ["PutObject", "DeleteObject"]);
    let (first, last) = (&of_key[0]["position"], &of_key[1]["position"]);
    let window = [format!("pos:{first}"), format!("pos:{last}")];
    let within = lines(&["--bucket", "demo", "--from", &window[0], "--to", &window[1]]);
    let positions: Vec<u64> = within.iter().filter_map(|entry| entry["position"].as_u64()).collect();
    assert_eq!(positions.first(), first.as_u64().as_ref());
    assert!(positions.iter().all(|position| Some(*position) < last.as_u64()), "{positions:?}");
    let table = timeline(&["--bucket", "demo", "--key", "a/3", "--from", "-1h"]);
    assert!(table.starts_with("TIME ") && table.lines().count() == 3, "{table}");
    let csv = timeline(&["--bucket", "demo", "--key", "a/3", "--format", "csv", "--actor", "nobody"]);
    assert!(csv.starts_with("time,position,") && csv.lines().count() == 1, "{csv}");
    let future = house.run(&["audit", "timeline", "--tenant", "default", "--from", "pos:100000"]);
    assert!(!future.status.success());
}

#[test]
fn a_replay_makes_the_digests_that_a_rebuild_shows_and_the_same_ones_each_time() {
    let house = House::new();
    let log = house.export("log.tar.zst", &[]);
    let rebuilt = house.server.admin(&["admin", "rebuild"]).expect("rebuilds");
    assert_eq!(rebuilt["equal"], true, "{rebuilt}");
    let House { directory, server } = house;
    let data = server.data.clone();
    server.stop().expect("stops");
    let replay = |name: &str, words: &[&str]| -> Value {
        let into = directory.path().join(name);
        let mut command = Command::new(program().expect("built"));
        command.args(["replay", "--tenant", "default", "--json", "--into", text(&into)]).args(words);
        let done = command.output().expect("runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(into.is_dir(), "the rows stay");
        serde_json::from_slice(&done.stdout).expect("JSON")
    };
    let of_log = replay("one", &["--data", text(&data)]);
    assert_eq!(of_log["digests"], rebuilt["digests"]["default"]);
    assert_eq!(replay("two", &["--from-export", text(&log)])["digests"], of_log["digests"]);
    let (early, again) = (
        replay("three", &["--data", text(&data), "--to", "pos:20"]),
        replay("four", &["--from-export", text(&log), "--to", "pos:20"]),
    );
    assert_eq!((&early["events"], &early), (&21.into(), &again));
    assert_ne!(early["digests"], of_log["digests"]);
    let mut command = Command::new(program().expect("built"));
    let into = directory.path().join("one");
    command.args(["replay", "--tenant", "default", "--data", text(&data), "--into", text(&into)]);
    assert!(!command.output().expect("runs").status.success(), "a folder with something in it is left alone");
}
