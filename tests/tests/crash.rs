//! Kill -9 at random moments under mixed writes: what was acknowledged is there byte for byte, nothing is there half.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use holdfast_tests::{Connection, Random, Server};

const CLIENTS: u64 = 16;
const KEYS_PER_CLIENT: u64 = 6;

/// What a key holds, as a seed and length of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Absent,
    Bytes { seed: u64, length: usize },
}

impl Value {
    fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Value::Absent => None,
            Value::Bytes { seed, length } => Some(Random::new(seed).bytes(length)),
        }
    }
}

/// What is known of a key: the last state that was acknowledged, and the one that was asked for without an answer.
#[derive(Debug, Clone, Copy)]
struct Known {
    acknowledged: Value,
    asked: Option<Value>,
}

type Model = BTreeMap<String, Known>;

#[test]
fn every_acknowledged_write_survives_kill_9() {
    let rounds: u64 = std::env::var("HOLDFAST_CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let mut random = Random::from_environment("crash");
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    let mut models: Vec<Model> = (0..CLIENTS).map(|_| Model::new()).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let server = Server::start(&data).expect("the server starts");
        slowest = slowest.max(server.ready_after);
        check(&server, &mut models).unwrap_or_else(|error| panic!("round {round}: {error:#}"));
        models = write_until_killed(server, models, &mut random);
    }
    let server = Server::start(&data).expect("the server starts");
    slowest = slowest.max(server.ready_after);
    check(&server, &mut models).expect("everything acknowledged is there");
    rebuild_agrees(&server).expect("catalog, usage and log agree");
    server.stop().expect("the server stops");
    let keys: usize = models.iter().map(Model::len).sum();
    eprintln!("crash: {rounds} kills, {keys} keys, slowest start {} ms", slowest.as_millis());
}

/// Each key is as acknowledged, or as asked for when the answer was cut off; then that is what is known.
fn check(server: &Server, models: &mut [Model]) -> Result<()> {
    let mut connection = server.connect();
    for model in models {
        for (key, known) in model {
            let answer = connection.get(&format!("/demo/{key}"))?;
            let found = match answer.status {
                200 => Some(answer.body),
                404 => None,
                status => bail!("GET of {key} answered {status}"),
            };
            let matches = |value: Value| value.bytes() == found;
            let now = [Some(known.acknowledged), known.asked].into_iter().flatten().find(|&value| matches(value));
            let Some(now) = now else {
                bail!("{key} has {:?} bytes and is neither {known:?}", found.map(|bytes| bytes.len()));
            };
            *known = Known { acknowledged: now, asked: None };
        }
    }
    Ok(())
}

fn write_until_killed(server: Server, models: Vec<Model>, random: &mut Random) -> Vec<Model> {
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let failure = Arc::new(Mutex::new(None));
    let clients: Vec<_> = models
        .into_iter()
        .enumerate()
        .map(|(client, mut model)| {
            let (stop, done, failure) = (stop.clone(), done.clone(), failure.clone());
            let (mut connection, seed) = (server.connect(), random.next_u64());
            std::thread::spawn(move || {
                let mut random = Random::new(seed);
                while !stop.load(Ordering::Relaxed) {
                    match step(client, &mut model, &mut connection, &mut random) {
                        Ok(true) => {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(false) => break,
                        Err(error) => {
                            *failure.lock().expect("no panic") = Some(error);
                            break;
                        }
                    }
                }
                model
            })
        })
        .collect();
    std::thread::park_timeout(Duration::from_millis(100 + random.below(1_400)));
    server.kill().expect("the server is killed");
    stop.store(true, Ordering::Relaxed);
    let models = clients.into_iter().map(|client| client.join().expect("a client ends")).collect();
    assert!(done.load(Ordering::Relaxed) > 0, "nothing was acknowledged before the kill");
    if let Some(error) = failure.lock().expect("no panic").take() {
        panic!("a client failed: {error:#}");
    }
    models
}

/// One write of one key; false when the connection broke, as it does at the kill.
fn step(client: usize, model: &mut Model, connection: &mut Connection, random: &mut Random) -> Result<bool> {
    let key = format!("client-{client}/key-{}", random.below(KEYS_PER_CLIENT));
    let path = format!("/demo/{key}");
    let length = match random.below(20) {
        0 => 0,
        1..=9 => random.below(4_096),
        10..=16 => random.below(100_000),
        17 | 18 => random.below(1_000_000),
        _ => 4_000_000 + random.below(2_000_000),
    };
    let value = match random.below(6) {
        0 => Value::Absent,
        _ => Value::Bytes { seed: random.next_u64(), length: usize::try_from(length).context("small")? },
    };
    let known = model.entry(key).or_insert(Known { acknowledged: Value::Absent, asked: None });
    known.asked = Some(value);
    let answer = match value.bytes() {
        None => connection.delete(&path),
        Some(bytes) if random.below(8) == 0 => multipart(connection, &path, &bytes),
        Some(bytes) => connection.put(&path, &bytes),
    };
    match answer {
        Err(_) => Ok(false),
        Ok(answer) if answer.status < 300 => {
            *known = Known { acknowledged: value, asked: None };
            Ok(true)
        }
        Ok(answer) => bail!("a write answered {}: {}", answer.status, answer.text()),
    }
}

/// The same bytes as a multipart upload of one part.
fn multipart(connection: &mut Connection, path: &str, bytes: &[u8]) -> Result<holdfast_tests::Answer> {
    let started = connection.request("POST", path, &[("uploads", "")], &[], b"")?;
    if started.status >= 300 {
        return Ok(started);
    }
    let text = started.text();
    let upload = between(&text, "<UploadId>", "</UploadId>").context("an upload id")?;
    let part = connection.request("PUT", path, &[("partNumber", "1"), ("uploadId", upload)], &[], bytes)?;
    let Some(etag) = part.header("etag") else { return Ok(part) };
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
    );
    connection.request("POST", path, &[("uploadId", upload)], &[], body.as_bytes())
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    Some(rest.split_once(after)?.0)
}

/// Replays the log into fresh rows and compares every one with what is live.
fn rebuild_agrees(server: &Server) -> Result<()> {
    let token = server.environment.get("HOLDFAST_ADMIN_TOKEN").context("an admin token")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = format!("http://{}/admin/api/v1/rebuild", server.admin);
    let report: serde_json::Value = runtime.block_on(async {
        let answer = reqwest::Client::new().post(url).bearer_auth(token).send().await?;
        anyhow::Ok(answer.error_for_status()?.json().await?)
    })?;
    if report["equal"] != serde_json::Value::Bool(true) {
        bail!("a rebuild differs: {report}");
    }
    Ok(())
}
